//! Namespaces: sets of them, leaving the supervisor's own behind, and receiving those of a child.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::mount::done;

/// A set of kinds of namespaces (namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Namespaces(u64);

impl Namespaces {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const CGROUP: Self = Self(libc::CLONE_NEWCGROUP as u64);
    pub(crate) const IPC: Self = Self(libc::CLONE_NEWIPC as u64);
    pub(crate) const MOUNT: Self = Self(libc::CLONE_NEWNS as u64);
    pub(crate) const NETWORK: Self = Self(libc::CLONE_NEWNET as u64);
    pub(crate) const PROCESS: Self = Self(libc::CLONE_NEWPID as u64);
    pub(crate) const USER: Self = Self(libc::CLONE_NEWUSER as u64);
    pub(crate) const UTS: Self = Self(libc::CLONE_NEWUTS as u64);

    /// Both sets.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in both sets.
    pub(crate) const fn and_only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those of this set that are not in the other.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of the other set are in this one.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn flags(self) -> u64 {
        self.0
    }
}

/// This process leaves its namespaces of these kinds for new ones (unshare(2)).
pub(crate) fn unshare(namespaces: Namespaces) -> Result<(), Errno> {
    // SAFETY: numbers only; the process has one thread.
    done(unsafe { libc::syscall(libc::SYS_unshare, namespaces.0) })
}

/// So many namespaces that another process has sent, at most four: of a container's child these are those of
/// mounts, processes and control groups. `None` where it has not (yet).
pub(crate) fn receive_namespaces<const COUNT: usize>(socket: BorrowedFd<'_>) -> Option<[OwnedFd; COUNT]> {
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 4]);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut data, Some(&mut space), flags).ok()?;
    let mut received = Vec::new();
    for control in message.cmsgs().ok()? {
        if let ControlMessageOwned::ScmRights(descriptors) = control {
            // SAFETY: the kernel has just made these descriptors for us; nothing else owns them.
            received.extend(descriptors.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    received.try_into().ok()
}
