//! The steps that a pod with users of its own has more: what only the supervisor may open comes before its users are
//! joined, and files are mounted with their ids.

use super::{EMPTY, OTHER, PLACE, ROOT, Steps, TARGET};
use crate::plan::Root;
use crate::runtime::sandbox::Words;
use crate::sys::{FileKind, From, MakeKind, MountOp, Slot, Within};

impl Steps<'_> {
    /// Files that are mounted for a pod with users of its own belong to these, as their owners say.
    pub(super) fn map_ids(&mut self, mount: Slot, what: &Words) {
        if let Some(users) = self.host.users {
            self.add(MountOp::MapIds { mount, users }, what);
        }
    }

    /// What only the supervisor's own rights open. Where the pod's files lie is the working directory from here on,
    /// as root of the pod cannot find it by its path.
    pub(super) fn open_root_for_users(&mut self) {
        if let Root::Directory(rootfs) = &self.plan.root {
            let what = &Words::Owned(format!("use the root file system {}", rootfs.path));
            self.copy_directory(rootfs, what);
            self.map_ids(ROOT, what);
        }
        self.add(MountOp::Enter { directory: PLACE }, &Words::Borrowed("open the pod's own files"));
    }

    /// The same places in the mount namespace of the pod's users.
    pub(super) fn come_back(&mut self) {
        let own = &Words::Borrowed("open the pod's own files");
        self.open(From::Here, c".", Within::Host, FileKind::Directory, PLACE, own);
        self.open(From::Slot(PLACE), c"empty", Within::Beneath, FileKind::Directory, EMPTY, own);
    }

    /// Of a directory with other ids there is a mount and no path. It is found from the layer's own directory.
    pub(super) fn attach_lower(&mut self, what: &Words) {
        let (path, within, kind) = (c"lower", Within::Beneath, FileKind::Directory);
        let make = MountOp::Make {
            from: From::Slot(TARGET),
            path: path.to_owned(),
            within,
            kind: MakeKind::Directory,
            mode: 0o700,
        };
        self.add(make, what);
        self.open(From::Slot(TARGET), path, within, kind, OTHER, what);
        self.add(MountOp::Attach { mount: ROOT, at: OTHER }, what);
        self.add(MountOp::Enter { directory: TARGET }, what);
    }
}
