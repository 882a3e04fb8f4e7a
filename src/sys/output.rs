//! Writing to a descriptor that others share, without waiting and without making it non-blocking for
//! them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Writes what fits. `WouldBlock` where nothing does, `Unsupported` where this file cannot be written to
/// in this way (before Linux 6.4 no pipe can, and a terminal never).
pub(crate) fn write_without_waiting(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let piece = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: `piece` describes `bytes`, which lives and is only read; an offset of -1 writes at the
    // file's own position.
    let count = unsafe { libc::pwritev2(fd.as_raw_fd(), &raw const piece, 1, -1, libc::RWF_NOWAIT) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Writes a line to stderr for somebody who may not be there, without waiting: for the last words.
pub(crate) fn write_once(line: &str) {
    let stderr = io::stderr();
    let fd = stderr.as_fd();
    let unsupported = |error: io::Error| error.raw_os_error() == Some(libc::EOPNOTSUPP);
    if !write_without_waiting(fd, line.as_bytes()).is_err_and(unsupported) {
        return;
    }
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd that lives.
    if unsafe { libc::poll(&raw mut poll, 1, 0) } == 1 {
        // SAFETY: reads `line`, which lives.
        unsafe { libc::write(fd.as_raw_fd(), line.as_ptr().cast(), line.len()) };
    }
}
