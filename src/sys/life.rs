//! Whether the supervisor lives, for a child that has just asked to be killed at its parent's death: one that
//! asks too late is not told (prctl(2), PR_SET_PDEATHSIG). The end of a pipe would tell, if other children did not
//! have copies of it; a record lock is the supervisor's alone, and gone before its children are told.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

/// The locked file, and the process that has locked it: a copy of the supervisor is another one.
static FILE: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);

/// Its descriptor is beyond those that containers ask for.
const LOWEST: RawFd = 20;

/// From now on children of this process can find out whether it lives. Without memfd_create(2) they look at the
/// pipe of their report.
pub(crate) fn show_life() {
    // SAFETY: a null-terminated name and a number. The descriptor is the process's for good.
    let made = unsafe { libc::memfd_create(c"podinit".as_ptr(), libc::MFD_CLOEXEC) };
    // SAFETY: numbers only; what is no descriptor is refused.
    let file = unsafe { libc::fcntl(made, libc::F_DUPFD_CLOEXEC, LOWEST) };
    // SAFETY: as above; nothing else has it.
    unsafe { libc::close(made) };
    let lock = whole(libc::F_WRLCK);
    // SAFETY: a descriptor, and a lock that lives and is only read.
    if file != -1 && unsafe { libc::fcntl(file, libc::F_SETLK, &raw const lock) } == 0 {
        OWNER.store(own_id(), Ordering::Relaxed);
        FILE.store(file, Ordering::Relaxed);
    }
}

/// The file for the children of this process, where it has one. Keep it open: closing it anywhere in this process
/// lets go of the lock (fcntl_locking(2)).
pub(super) fn shown() -> Option<RawFd> {
    let file = FILE.load(Ordering::Relaxed);
    (file != -1 && OWNER.load(Ordering::Relaxed) == own_id()).then_some(file)
}

/// Whether the process lives that has locked the file. Neither allocates nor locks: for a child before exec.
pub(super) fn is_alive(file: RawFd) -> bool {
    let mut lock = whole(libc::F_WRLCK);
    // SAFETY: a descriptor, and a lock that lives and may be filled.
    let asked = unsafe { libc::fcntl(file, libc::F_GETLK, &raw mut lock) };
    asked == 0 && i32::from(lock.l_type) != libc::F_UNLCK
}

fn own_id() -> i32 {
    // SAFETY: no arguments; it cannot fail.
    unsafe { libc::getpid() }
}

/// A lock of this kind on all of a file.
fn whole(kind: libc::c_int) -> libc::flock {
    // SAFETY: flock is plain old data, of which all zeroes is from the beginning to the end.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock
}
