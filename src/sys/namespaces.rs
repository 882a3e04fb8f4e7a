//! Namespaces: sets of them, leaving the supervisor's own behind, where their root is, and receiving those of a child.

use std::ffi::CStr;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::stat::Mode;
use nix::unistd::{chroot, fchdir, getpid};

use super::mount::done;
use super::spawn::pidfd_open;

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

/// Whether the root of this process is another one than that of its mount namespace (chroot(2)): then there is a way
/// out for everybody who may make another chroot, and who joins the namespace is outside.
pub(crate) fn is_in_chroot() -> Result<bool, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let [root, directory] = ["/", "."].map(|path| open(path, flags, Mode::empty()));
    let (root, directory) = (root?, directory?);
    let itself =
        pidfd_open(getpid().as_raw()).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    // Who joins the namespace that he is in gets its root and nothing else.
    setns(itself, CloneFlags::CLONE_NEWNS)?;
    let found = place_of(root.as_fd(), c"").and_then(|own| Ok(own != place_of(root.as_fd(), c"/")?));
    if found != Ok(false) {
        fchdir(&root)?;
        chroot(".")?;
    }
    fchdir(&directory)?;
    found
}

/// The mount that a path is on, and what it is there. An empty path is the descriptor's own file.
fn place_of(at: BorrowedFd<'_>, path: &CStr) -> Result<(u64, u64), Errno> {
    // SAFETY: statx is plain old data that the kernel fills.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let wanted = libc::STATX_INO | libc::STATX_MNT_ID;
    let flags = libc::AT_EMPTY_PATH | libc::AT_NO_AUTOMOUNT;
    // SAFETY: a null-terminated path and a structure that live; nothing else is written to.
    done(unsafe { libc::statx(at.as_raw_fd(), path.as_ptr(), flags, wanted, &raw mut found) }.into())?;
    Ok((found.stx_mnt_id, found.stx_ino))
}

/// So many namespaces that another process has sent, at most four: of a container's child these are those of
/// mounts, processes and control groups. `None` where it has not (yet).
pub(crate) fn receive_descriptors<const COUNT: usize>(socket: BorrowedFd<'_>) -> Option<[OwnedFd; COUNT]> {
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
