//! A container's mounts as steps of its child. Everything that is mounted is opened first, since what is
//! mounted later may cover it; then comes the root, then what is below it, the deepest last.

mod users;

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::Words;
use super::place::Place;
use crate::plan::{Mount, MountPlan, MountSource, Root};
use crate::spec::{HostPathType, MountPropagation, RecursiveReadOnly, Rootfs, RootfsLayer, TERMINATION_LOG};
use crate::sys::{FileKind, From, MakeKind, MountAttributes, MountOp, Propagation, Slot, Within};

/// A step, and what it does in words that follow "cannot".
pub(super) type Step = (MountOp, Words);

/// Where a volume is, as the supervisor finds it.
#[derive(Clone, Debug)]
pub(super) struct VolumeAt {
    /// A path of the supervisor's mount namespace.
    pub(super) path: PathBuf,
    /// What must be there.
    pub(super) type_: HostPathType,
    /// It is a directory that podinit made: a part of it that is missing may be made.
    pub(super) is_ours: bool,
    /// The mount namespaces that a mount of it is copied from, where that is not the supervisor's: of one that only
    /// looks on, and of one that shows what its container mounts.
    pub(super) namespaces: [Option<RawFd>; 2],
}

/// What is known of the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host<'a> {
    pub(super) place: &'a Place,
    pub(super) volumes: &'a [VolumeAt],
    /// The pod is in a user namespace of its own.
    pub(super) is_rootless: bool,
    /// The pod's user namespace, which the child joins between opening what it mounts and mounting it.
    pub(super) users: Option<RawFd>,
    /// The pod has its own System V IPC and message queues.
    pub(super) own_ipc: bool,
    /// The file for the last message, below the place.
    pub(super) message: &'a str,
    /// Where the program begins; made where the root is not the host's.
    pub(super) working_dir: Option<&'a CStr>,
}

const ROOT: Slot = Slot(0);
const TARGET: Slot = Slot(1);
const OTHER: Slot = Slot(2);
const PLACE: Slot = Slot(3);
const EMPTY: Slot = Slot(4);
const DEV: Slot = Slot(5);
const SHM: Slot = Slot(6);
const OWN: Slot = Slot(7);
/// The first of those for the devices.
const DEVICES_FROM: u8 = 8;
/// The first of those for the mounts' sources.
const SOURCES_FROM: u8 = 16;
/// As many mounts as there are slots left.
pub(super) const MOST_MOUNTS: usize = 230;

/// Every device that a container has: name and numbers (OCI runtime specification, "Default Devices").
const DEVICES: [(&CStr, u32, u32); 6] = [
    (c"null", 1, 3),
    (c"zero", 1, 5),
    (c"full", 1, 7),
    (c"random", 1, 8),
    (c"urandom", 1, 9),
    (c"tty", 5, 0),
];

const LINKS: [(&CStr, &CStr); 5] = [
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"ptmx", c"pts/ptmx"),
];

/// Neither set-user-id programs nor devices nor any programs.
const INERT: MountAttributes =
    MountAttributes::NO_SET_USER_ID.and(MountAttributes::NO_DEVICES).and(MountAttributes::NO_EXECUTION);

/// The steps of one container's mounts: those before the pod's users are joined, and those after. Where the
/// supervisor is among them, or there are none, all come after.
pub(super) fn steps(plan: &MountPlan, host: Host<'_>) -> [Vec<Step>; 2] {
    let mut steps = Steps { made: Vec::new(), plan, host };
    steps.open_sources();
    let mut before = Vec::new();
    if host.users.is_some() {
        steps.open_root_for_users();
        before = std::mem::take(&mut steps.made);
        steps.come_back();
    }
    steps.root();
    for (position, mount) in plan.mounts.iter().enumerate() {
        steps.attach(mount, source_slot(position));
    }
    steps.hide();
    steps.enter();
    [before, steps.made]
}

struct Steps<'a> {
    made: Vec<Step>,
    plan: &'a MountPlan,
    host: Host<'a>,
}

fn source_slot(position: usize) -> Slot {
    Slot(u8::try_from(position).unwrap_or(u8::MAX).saturating_add(SOURCES_FROM))
}

fn device_slot(position: usize) -> Slot {
    Slot(u8::try_from(position).unwrap_or(0) + DEVICES_FROM)
}

impl Steps<'_> {
    fn add(&mut self, op: MountOp, what: &Words) {
        self.made.push((op, what.clone()));
    }

    fn open(
        &mut self,
        from: From,
        path: impl Into<CString>,
        within: Within,
        kind: FileKind,
        into: Slot,
        what: &Words,
    ) {
        self.add(MountOp::Open { from, path: path.into(), within, kind, into }, what);
    }

    fn make(
        &mut self,
        filesystem: &'static CStr,
        options: &[(&str, &str)],
        attributes: MountAttributes,
        into: Slot,
        what: &Words,
    ) {
        let option = |(key, value): &(&str, &str)| {
            let value = (!value.is_empty()).then(|| c_string(value));
            (c_string(key), value)
        };
        let options = options.iter().map(option).collect();
        self.add(MountOp::New { filesystem, options, attributes, into }, what);
    }

    fn change(
        &mut self,
        mount: Slot,
        recursive: bool,
        set: MountAttributes,
        propagation: Propagation,
        what: &Words,
    ) {
        self.add(MountOp::Change { mount, recursive, set, propagation }, what);
    }

    fn open_directory(&mut self, path: &str, what: &Words) {
        self.open(From::Here, c_string(path), Within::Host, FileKind::Directory, OTHER, what);
    }

    /// A copy of a directory's mount, which becomes the root or what is below its layer.
    fn copy_directory(&mut self, rootfs: &Rootfs, what: &Words) {
        self.copy(From::Here, c_string(&rootfs.path), FileKind::Directory, true, ROOT, what);
        let is_read_only = self.plan.read_only_root && rootfs.layer == RootfsLayer::Directory;
        let read_only = if is_read_only { MountAttributes::READ_ONLY } else { MountAttributes::default() };
        self.change(ROOT, true, self.no_devices().and(read_only), Propagation::Private, what);
    }

    fn no_devices(&self) -> MountAttributes {
        if self.plan.devices { MountAttributes::default() } else { MountAttributes::NO_DEVICES }
    }

    fn open_sources(&mut self) {
        let own = &Words::Borrowed("open the pod's own files");
        self.open(From::Here, self.host.place.c_path(""), Within::Host, FileKind::Directory, PLACE, own);
        self.open(From::Slot(PLACE), c"empty", Within::Beneath, FileKind::Directory, EMPTY, own);
        for (position, mount) in self.plan.mounts.iter().enumerate() {
            self.open_source(mount, source_slot(position));
        }
    }

    fn open_source(&mut self, mount: &Mount, slot: Slot) {
        let what = &Words::Owned(format!("mount {}", mount.name));
        match &mount.source {
            // Made of nothing, right where they belong.
            MountSource::Proc | MountSource::Sys if self.host.users.is_none() => {}
            // The process namespace is the supervisor's child's, and not its users'.
            MountSource::Proc | MountSource::Sys => self.make_kernel_s(mount, slot, what),
            MountSource::Dev => self.open_devices(),
            MountSource::HostProc => self.copy_host(c"/proc", slot, what),
            MountSource::HostSys => self.copy_host(c"/sys", slot, what),
            MountSource::HostDev => self.copy_host(c"/dev", slot, what),
            MountSource::PodFile(name) => self.copy_own(c_string(name), slot, what),
            MountSource::TerminationLog => self.copy_own(c_string(self.host.message), slot, what),
            MountSource::Volume { volume, sub_path } => {
                let Some(at) = self.host.volumes.get(*volume).cloned() else { return };
                self.open_volume(&at, sub_path, mount, slot, what);
            }
        }
    }

    fn copy(
        &mut self,
        from: From,
        path: impl Into<CString>,
        kind: FileKind,
        recursive: bool,
        into: Slot,
        what: &Words,
    ) {
        self.add(MountOp::Copy { from, path: path.into(), kind, recursive, into }, what);
    }

    /// Copies what is mounted at a path of the host.
    fn copy_host(&mut self, path: &CStr, slot: Slot, what: &Words) {
        self.copy(From::Here, path, FileKind::Any, true, slot, what);
        self.change(slot, true, MountAttributes::default(), Propagation::Private, what);
    }

    /// A file system of the kernel's, made of nothing.
    fn make_kernel_s(&mut self, mount: &Mount, slot: Slot, what: &Words) {
        match &mount.source {
            MountSource::Proc => self.make(c"proc", &[], INERT, slot, what),
            MountSource::Sys => {
                let read_only =
                    if mount.read_only { MountAttributes::READ_ONLY } else { MountAttributes::default() };
                self.make(c"sysfs", &[], INERT.and(read_only), slot, what);
            }
            MountSource::Dev | MountSource::HostProc | MountSource::HostSys | MountSource::HostDev => {}
            MountSource::PodFile(_) | MountSource::TerminationLog | MountSource::Volume { .. } => {}
        }
    }

    /// Copies one of the pod's own files, which are in a mount that is nobody else's.
    fn copy_own(&mut self, name: CString, slot: Slot, what: &Words) {
        self.copy(From::Slot(PLACE), name, FileKind::Any, false, slot, what);
        self.map_ids(slot, what);
    }

    fn open_devices(&mut self) {
        for (position, (name, major, minor)) in DEVICES.into_iter().enumerate() {
            let what = &Words::Owned(format!("open device /dev/{}", name.to_string_lossy()));
            let path = c_string(&format!("/dev/{}", name.to_string_lossy()));
            // The device itself, whatever the name leads to (CVE-2025-31133).
            let kind = FileKind::Device(major, minor);
            self.copy(From::Here, path, kind, false, device_slot(position), what);
        }
        let (from, path, what) = if self.host.own_ipc {
            (From::Slot(PLACE), c"shm", &Words::Borrowed("open the pod's shared memory"))
        } else {
            (From::Here, c"/dev/shm", &Words::Borrowed("open the host's shared memory"))
        };
        self.copy(from, path, FileKind::Directory, false, SHM, what);
        if self.host.own_ipc {
            self.map_ids(SHM, what);
        }
    }

    fn open_volume(&mut self, at: &VolumeAt, sub_path: &str, mount: &Mount, slot: Slot, what: &Words) {
        let path = super::place::c_path(&at.path);
        match at.type_ {
            HostPathType::DirectoryOrCreate => {
                let make = MountOp::Make {
                    from: From::Here,
                    path: path.clone(),
                    within: Within::Host,
                    kind: MakeKind::Directory,
                    mode: 0o755,
                };
                self.add(make, &Words::Owned(format!("make {}", at.path.display())));
            }
            HostPathType::FileOrCreate => {
                let make = MountOp::Make {
                    from: From::Here,
                    path: path.clone(),
                    within: Within::Host,
                    kind: MakeKind::File,
                    mode: 0o644,
                };
                self.add(make, &Words::Owned(format!("make {}", at.path.display())));
            }
            HostPathType::Unset | HostPathType::Directory | HostPathType::File => {}
            HostPathType::Socket | HostPathType::CharDevice | HostPathType::BlockDevice => {}
        }
        let [looks_on, shows] = at.namespaces;
        let namespace = match mount.propagation {
            MountPropagation::None | MountPropagation::HostToContainer => looks_on,
            MountPropagation::Bidirectional => shows,
        };
        if let Some(namespace) = namespace {
            self.add(MountOp::Elsewhere { namespace, own: OWN }, what);
        }
        let kind = match at.type_ {
            HostPathType::Unset => FileKind::Any,
            HostPathType::DirectoryOrCreate | HostPathType::Directory => FileKind::Directory,
            HostPathType::FileOrCreate | HostPathType::File => FileKind::File,
            HostPathType::Socket => FileKind::Socket,
            HostPathType::CharDevice => FileKind::CharDevice,
            HostPathType::BlockDevice => FileKind::BlockDevice,
        };
        let open = &Words::Owned(format!("{what}: cannot use {}", at.path.display()));
        if sub_path.is_empty() {
            self.copy(From::Here, path, kind, true, slot, open);
        } else {
            self.open(From::Here, path, Within::Host, kind, OTHER, open);
            let part = &Words::Owned(format!("{what}: cannot use its subPath {sub_path:?}"));
            if at.is_ours {
                let make = MountOp::Make {
                    from: From::Slot(OTHER),
                    path: c_string(sub_path),
                    within: Within::Beneath,
                    kind: MakeKind::Directory,
                    mode: 0o755,
                };
                self.add(make, part);
            }
            self.open(From::Slot(OTHER), c_string(sub_path), Within::Beneath, FileKind::Any, OTHER, part);
            self.copy(From::Slot(OTHER), c"", FileKind::Any, true, slot, what);
        }
        if namespace.is_some() {
            self.add(MountOp::Back { own: OWN }, what);
        }
        self.map_ids(slot, what);
        let propagation = match mount.propagation {
            MountPropagation::None => Propagation::Private,
            MountPropagation::HostToContainer => Propagation::Slave,
            MountPropagation::Bidirectional => Propagation::Unchanged,
        };
        self.change(slot, true, self.no_devices(), propagation, what);
        if mount.read_only {
            let recursive = match mount.recursive_read_only {
                RecursiveReadOnly::Disabled => false,
                // Every kernel with these system calls can.
                RecursiveReadOnly::IfPossible | RecursiveReadOnly::Enabled => true,
            };
            self.change(slot, recursive, MountAttributes::READ_ONLY, Propagation::Unchanged, what);
        }
    }

    fn root(&mut self) {
        let read_only =
            if self.plan.read_only_root { MountAttributes::READ_ONLY } else { MountAttributes::default() };
        match &self.plan.root {
            Root::Host => {
                self.open(
                    From::Here,
                    c"/",
                    Within::Host,
                    FileKind::Directory,
                    ROOT,
                    &Words::Borrowed("open the root"),
                );
                let set = self.no_devices().and(read_only);
                if set != MountAttributes::default() {
                    self.change(
                        ROOT,
                        true,
                        set,
                        Propagation::Unchanged,
                        &Words::Borrowed("make the root file system read-only"),
                    );
                }
            }
            Root::Directory(rootfs) => {
                let what = &Words::Owned(format!("use the root file system {}", rootfs.path));
                let has_users = self.host.users.is_some();
                match rootfs.layer {
                    // Opened before the users were joined.
                    RootfsLayer::Directory if has_users => {}
                    RootfsLayer::Directory => self.copy_directory(rootfs, what),
                    RootfsLayer::Ephemeral => {
                        if !has_users {
                            self.open_directory(&rootfs.path, what);
                        }
                        self.overlay(&rootfs.path, what);
                    }
                }
                self.open(From::Slot(PLACE), c"root", Within::Beneath, FileKind::Directory, TARGET, what);
                self.add(MountOp::Attach { mount: ROOT, at: TARGET }, what);
            }
        }
    }

    /// A layer in memory on top of a directory. It is the mount namespace's alone, so that it is gone with
    /// the attempt (rule 101).
    fn overlay(&mut self, lower: &str, what: &Words) {
        self.make(c"tmpfs", &[("mode", "0700")], self.no_devices(), TARGET, what);
        self.open(From::Slot(PLACE), c"layer", Within::Beneath, FileKind::Directory, OTHER, what);
        self.add(MountOp::Attach { mount: TARGET, at: OTHER }, what);
        for (name, mode) in [(c"upper", 0o755), (c"work", 0o700)] {
            let (path, within) = (name.to_owned(), Within::Beneath);
            self.add(
                MountOp::Make { from: From::Slot(TARGET), path, within, kind: MakeKind::Directory, mode },
                what,
            );
        }
        let mut layer = self.host.place.path("layer").to_string_lossy().into_owned();
        let mut lower = lower.replace('\\', "\\\\").replace(':', "\\:").replace(',', "\\,");
        if self.host.users.is_some() {
            self.attach_lower(what);
            (layer, lower) = (".".to_owned(), "lower".to_owned());
        }
        let (upper, work) = (format!("{layer}/upper"), format!("{layer}/work"));
        let mut options = vec![("lowerdir", &*lower), ("upperdir", &*upper), ("workdir", &*work)];
        if self.host.is_rootless {
            options.push(("userxattr", ""));
        }
        self.make(c"overlay", &options, self.no_devices(), ROOT, what);
    }

    fn attach(&mut self, mount: &Mount, slot: Slot) {
        let what = &Words::Owned(format!("mount {}", mount.name));
        let path = c_string(&mount.path);
        match &mount.source {
            MountSource::Proc | MountSource::Sys if self.host.users.is_none() => {
                self.make_kernel_s(mount, slot, what);
            }
            MountSource::Proc | MountSource::Sys => {}
            MountSource::HostSys if mount.read_only => {
                self.change(slot, true, MountAttributes::READ_ONLY, Propagation::Unchanged, what);
            }
            MountSource::Dev => {
                let attributes = MountAttributes::NO_SET_USER_ID.and(MountAttributes::NO_DEVICES);
                self.make(c"tmpfs", &[("mode", "0755"), ("size", "64k")], attributes, DEV, what);
            }
            MountSource::HostProc | MountSource::HostSys | MountSource::HostDev => {}
            MountSource::PodFile(_) | MountSource::TerminationLog | MountSource::Volume { .. } => {}
        }
        let (slot, is_kernel_s) = match &mount.source {
            MountSource::Dev => (DEV, true),
            MountSource::Proc | MountSource::HostProc | MountSource::Sys => (slot, true),
            MountSource::HostSys | MountSource::HostDev => (slot, true),
            MountSource::PodFile(_) | MountSource::TerminationLog | MountSource::Volume { .. } => {
                (slot, false)
            }
        };
        // An image that has a link there could send the mount elsewhere (CVE-2019-19921, CVE-2026-41579).
        let (within, kind) = if is_kernel_s {
            (Within::RootWithoutLinks, FileKind::Directory)
        } else {
            (Within::Root, FileKind::Any)
        };
        let has_dev = self.plan.mounts.iter().any(|mount| mount.source == MountSource::Dev);
        if has_dev && mount.source == MountSource::TerminationLog && mount.path == TERMINATION_LOG {
            // Nobody else has been there.
            return self.at_dev(c"termination-log", false, slot, what);
        }
        let is_below_dev = has_dev && mount.path.starts_with("/dev/");
        // The host's directories are not ours to add to.
        if self.plan.root != Root::Host || is_below_dev {
            let like = if is_kernel_s { MakeKind::Directory } else { MakeKind::Like(slot) };
            let make =
                MountOp::Make { from: From::Slot(ROOT), path: path.clone(), within, kind: like, mode: 0o755 };
            self.add(make, &Words::Owned(format!("make a place to {what}")));
        }
        let whose = match self.plan.root {
            Root::Host => "this host's files, to which nothing is added",
            Root::Directory(_) => "the container's files",
        };
        let place = &Words::Owned(format!("{what}: cannot use {} of {whose}", mount.path));
        self.open(From::Slot(ROOT), path, within, kind, TARGET, place);
        self.add(MountOp::Attach { mount: slot, at: TARGET }, what);
        if mount.source == MountSource::Dev {
            self.fill_dev();
        }
    }

    fn fill_dev(&mut self) {
        let what = &Words::Borrowed("make /dev");
        self.at_dev(c"shm", true, SHM, what);
        for (position, (name, ..)) in DEVICES.into_iter().enumerate() {
            self.at_dev(name, false, device_slot(position), what);
        }
        let group = if self.host.is_rootless { None } else { Some(("gid", "5")) };
        let options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
        let options: Vec<_> = options.into_iter().chain(group).collect();
        let no_programs = MountAttributes::NO_SET_USER_ID.and(MountAttributes::NO_EXECUTION);
        self.make(c"devpts", &options, no_programs, OTHER, &Words::Borrowed("make /dev/pts"));
        self.at_dev(c"pts", true, OTHER, &Words::Borrowed("make /dev/pts"));
        if self.host.own_ipc {
            self.make(c"mqueue", &[], INERT, OTHER, &Words::Borrowed("make /dev/mqueue"));
            self.at_dev(c"mqueue", true, OTHER, &Words::Borrowed("make /dev/mqueue"));
        }
        for (name, target) in LINKS {
            let link = MountOp::Link { from: DEV, path: name.to_owned(), target: target.to_owned() };
            self.add(link, what);
        }
    }

    fn at_dev(&mut self, name: &'static CStr, is_directory: bool, mount: Slot, what: &Words) {
        self.add(MountOp::AttachNew { mount, directory: DEV, name, is_directory }, what);
    }

    fn hide(&mut self) {
        for path in &self.plan.masked {
            // Over a file goes the device that we have just made ourselves.
            let (directory, file) = (EMPTY, device_slot(0));
            let cover = match self.new_of_kernel(path) {
                Some((of, path)) => MountOp::Cover { of, path, directory, file },
                None => MountOp::CoverWithin { root: ROOT, path: c_string(path), directory, file },
            };
            self.add(cover, &Words::Owned(format!("hide {path}")));
        }
        for path in &self.plan.read_only {
            let read_only = match self.new_of_kernel(path) {
                Some((of, path)) => MountOp::ReadOnly { of, path },
                None => MountOp::ReadOnlyWithin { root: ROOT, path: c_string(path) },
            };
            self.add(read_only, &Words::Owned(format!("make {path} read-only")));
        }
    }

    /// The file system of the kernel's that the container has this path of, and the path in it.
    fn new_of_kernel(&self, path: &str) -> Option<(Slot, CString)> {
        self.plan.mounts.iter().enumerate().find_map(|(position, mount)| match &mount.source {
            MountSource::Proc | MountSource::Sys => {
                let below = path.strip_prefix(&mount.path)?.strip_prefix('/')?;
                Some((source_slot(position), c_string(below)))
            }
            MountSource::HostProc | MountSource::HostSys | MountSource::HostDev | MountSource::Dev => None,
            MountSource::PodFile(_) | MountSource::TerminationLog | MountSource::Volume { .. } => None,
        })
    }

    fn enter(&mut self) {
        match &self.plan.root {
            Root::Host => {
                // Covered, as taking off waits for every processor (synchronize_rcu in the kernel). Who could
                // take the cover off is root with CAP_SYS_ADMIN on this host's own files.
                let what = &Words::Borrowed("hide the pod's own files");
                self.copy(From::Slot(EMPTY), c"", FileKind::Any, false, OTHER, what);
                self.add(MountOp::Attach { mount: OTHER, at: PLACE }, what);
                if self.host.users.is_some() {
                    // A working directory below it would not be hidden.
                    self.add(MountOp::Enter { directory: ROOT }, what);
                }
            }
            Root::Directory(rootfs) => {
                if let Some(directory) = self.host.working_dir {
                    let (path, within) = (directory.to_owned(), Within::Root);
                    let make = MountOp::Make {
                        from: From::Slot(ROOT),
                        path,
                        within,
                        kind: MakeKind::Directory,
                        mode: 0o755,
                    };
                    let shown = directory.to_string_lossy();
                    self.add(make, &Words::Owned(format!("make working directory {shown:?}")));
                }
                if self.plan.read_only_root && rootfs.layer == RootfsLayer::Ephemeral {
                    let what = &Words::Borrowed("make the root file system read-only");
                    self.change(ROOT, false, MountAttributes::READ_ONLY, Propagation::Unchanged, what);
                }
                self.add(MountOp::Root { mount: ROOT }, &Words::Borrowed("enter the root file system"));
            }
        }
    }
}

/// Neither manifests nor our own words have a NUL in them.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}
