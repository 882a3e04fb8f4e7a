//! How the supervisor leaves the host's namespaces for those that the pod's containers share.

use std::os::fd::AsFd;

use nix::fcntl::{AT_FDCWD, OFlag};

use super::own_users::OwnUsers;
use super::place::Place;
use super::{Sandbox, users};
use crate::plan::{IDS_OF_POD, Ids};
use crate::runtime::cause;
use crate::sys::{self, Namespaces, Propagation, Within};

impl Sandbox {
    /// Leaves the host's namespaces. Those of users and mounts once; the others anew for each try of a Job.
    pub(super) fn enter(&mut self) -> Result<(), String> {
        let isolation = &self.isolation;
        let wanted = [
            (isolation.network, Namespaces::NETWORK),
            (isolation.ipc, Namespaces::IPC),
            (isolation.uts, Namespaces::UTS),
            (isolation.mounts && !self.has_entered, Namespaces::MOUNT),
        ];
        let wanted = wanted.iter().filter(|(is_wanted, _)| *is_wanted);
        let wanted = wanted.fold(Namespaces::NONE, |all, (_, one)| all.and(*one));
        let mut wanted = wanted;
        if isolation.users && users::is_privileged() {
            let shared = Namespaces::NETWORK.and(Namespaces::IPC).and(Namespaces::UTS);
            self.enter_beside_users(wanted.and_only(shared))?;
            wanted = wanted.without(shared);
        }
        if !self.has_entered && !users::is_privileged() {
            self.ids = users::enter(wanted)?;
        } else if wanted != Namespaces::NONE {
            sys::unshare(wanted).map_err(|errno| {
                format!(
                    "cannot make the pod's namespaces: {}; where they are forbidden, as in a container, run it \
                     without isolation: `--profile process`",
                    cause(errno)
                )
            })?;
        }
        if wanted.has(Namespaces::MOUNT) {
            // What this host mounts later is seen; what is mounted here stays here.
            let root = sys::open_path(AT_FDCWD, c"/", OFlag::O_PATH, 0, Within::Host);
            let changed = root.and_then(|root| {
                sys::change_mount(root.as_fd(), true, Default::default(), Propagation::Slave)
            });
            changed.map_err(|errno| format!("cannot keep mounts to the pod: {}", cause(errno)))?;
            self.check_own_root()?;
        }
        self.has_entered = true;
        Ok(())
    }

    /// Makes namespaces that belong to users of the pod's own, and enters them, but for that of users.
    fn enter_beside_users(&mut self, namespaces: Namespaces) -> Result<(), String> {
        let mut users = match self.own_users.take() {
            Some(users) => users,
            None => OwnUsers::claim(&Place::directory()?)?,
        };
        users.enter(namespaces)?;
        self.ids = Ids::Below(IDS_OF_POD);
        self.own_users = Some(users);
        Ok(())
    }

    /// Nothing keeps a container in its files where nothing keeps podinit in its own (FS-10).
    fn check_own_root(&self) -> Result<(), String> {
        let has_root = self.isolation.containers.iter().any(|container| container.root.is_some());
        // Who may not join its own namespace has no right to make a chroot either, and nor have its containers.
        match has_root && sys::is_in_chroot().unwrap_or(false) {
            true => Err(OUT_OF_CHROOT.to_owned()),
            false => Ok(()),
        }
    }
}

const OUT_OF_CHROOT: &str = "cannot keep containers in their files: podinit is in a chroot, out of which they would find a \
                             way; enter it with pivot_root(8) in a mount namespace of its own, or run the pod \
                             without isolation: `--profile process`";
