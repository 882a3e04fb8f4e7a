//! System calls that are made only to see whether they can be made: each of them has no effect.

use std::os::fd::RawFd;

use nix::errno::Errno;

use super::mount::done;
use super::spawn::CLONE_INTO_CGROUP;

/// linux/landlock.h.
const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;

/// Whether there is clone3(2).
pub(crate) fn try_clone3() -> Result<(), Errno> {
    // SAFETY: no arguments, of no size: the kernel refuses that with EINVAL before it does anything.
    match done(unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<libc::clone_args>(), 0) }) {
        Err(Errno::EINVAL) => Ok(()),
        other => other,
    }
}

/// Whether a child can be born into a control group.
pub(crate) fn try_clone_into_cgroup() -> Result<(), Errno> {
    // SAFETY: clone_args is plain old data for which all zeroes means "as fork".
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = CLONE_INTO_CGROUP;
    // No descriptor has this number, so that no child is made.
    args.cgroup = RawFd::MAX as u64;
    // SAFETY: `args` is a live clone_args of the size given, and names a descriptor that is none.
    match done(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) }) {
        Err(Errno::EBADF) => Ok(()),
        other => other,
    }
}

/// Whether there is close_range(2).
pub(crate) fn try_close_range() -> Result<(), Errno> {
    // SAFETY: numbers only; no descriptor has one of them.
    done(unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0) })
}

/// The version of Landlock's interface.
pub(crate) fn landlock_version() -> Result<u32, Errno> {
    let null = std::ptr::null::<libc::c_void>();
    let flags = LANDLOCK_CREATE_RULESET_VERSION;
    // SAFETY: with this flag the kernel takes neither attributes nor a size.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, null, 0, flags) };
    if version == -1 { Err(Errno::last()) } else { Ok(u32::try_from(version).unwrap_or(0)) }
}
