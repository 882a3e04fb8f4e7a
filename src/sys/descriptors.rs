//! File descriptors: what was inherited, and what a pipe holds.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::mount::done;

/// Before main, since std opens /dev/null for a standard descriptor that is closed and aborts where there is
/// none: PID 1 of a kernel without a console would never run.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = fill_standard_descriptors;

/// Makes something of each standard descriptor that is closed: /dev/null or, without it, the end of a pipe
/// that has no other end, from which nothing can be read and to which nothing can be written.
extern "C" fn fill_standard_descriptors() {
    for fd in 0..3 {
        // SAFETY: numbers only.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } != -1 {
            continue;
        }
        // The lowest free number is taken, which is this one.
        // SAFETY: a null-terminated string that lives.
        if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } != -1 {
            continue;
        }
        let mut ends = [-1; 2];
        // SAFETY: `ends` has room for two descriptors.
        if unsafe { libc::pipe(ends.as_mut_ptr()) } == 0 {
            let [_, other] = ends;
            // SAFETY: a descriptor that was just made and that nothing owns.
            unsafe { libc::close(other) };
        }
    }
}

/// Closes every descriptor from `first` on: what the caller of the program left open would otherwise
/// be open in PID 1 for ever, and pin what it refers to.
pub(crate) fn close_from(first: RawFd) {
    // SAFETY: takes numbers only. Nothing in the process owns these descriptors: this is called before
    // any is opened.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) };
    if result == 0 {
        return;
    }
    // Before Linux 5.9. Without /proc there is nothing to go by but numbers.
    let listed = std::fs::read_dir("/proc/self/fd").map(|entries| {
        let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<RawFd>().ok();
        entries.filter_map(|entry| number(entry.ok()?)).collect::<Vec<_>>()
    });
    for fd in listed.unwrap_or_else(|_| (first..1024).collect()).into_iter().filter(|fd| *fd >= first) {
        // SAFETY: takes a number only; see above for why nothing owns it.
        unsafe { libc::close(fd) };
    }
}

/// Closes every descriptor but the standard ones and this one. Only in a copy of this process that ends
/// without destructors: what else owns one there is never used again.
pub(crate) fn close_others(but: BorrowedFd<'_>) {
    let kept = but.as_raw_fd();
    if kept > 3 {
        // SAFETY: takes numbers only.
        unsafe { libc::syscall(libc::SYS_close_range, 3, kept - 1, 0) };
    }
    // SAFETY: takes numbers only.
    unsafe { libc::syscall(libc::SYS_close_range, kept + 1, libc::c_uint::MAX, 0) };
}

/// How many bytes a read from the pipe would give now.
pub(crate) fn bytes_available(pipe: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int, and `count` is one that lives.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(usize::try_from(count).unwrap_or(0)) }
}

/// Changes the permissions of an open file, which may have been opened for reference only.
pub(crate) fn change_mode(file: BorrowedFd<'_>, mode: u32) -> Result<(), Errno> {
    let (file, empty) = (file.as_raw_fd(), c"".as_ptr());
    // SAFETY: an empty null-terminated path and numbers.
    let changed = unsafe { libc::syscall(libc::SYS_fchmodat2, file, empty, mode, libc::AT_EMPTY_PATH) };
    match done(changed) {
        // Before Linux 6.6, or behind a filter that does not know it.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let path = CString::new(format!("/proc/self/fd/{file}")).unwrap_or_default();
            // SAFETY: a null-terminated path that lives, and a number.
            done(unsafe { libc::chmod(path.as_ptr(), mode) }.into())
        }
        changed => changed,
    }
}

/// Whether the file has an extended attribute of this name that says `1`.
pub(crate) fn has_attribute(path: &Path, name: &CStr) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    let mut value = [0_u8; 8];
    // SAFETY: two null-terminated strings that live, and a buffer of the size given.
    let length =
        unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    length > 0 && value.starts_with(b"1")
}
