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

/// What a pipe or terminal that poll calls writable takes at once, if there is no control character in it.
const SMALL: usize = 128;

/// Writes the beginning of `bytes` if poll finds room for it; `WouldBlock` if not. For files that know no
/// better way: somebody else may take the room between the question and the write.
pub(crate) fn write_if_there_is_room(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let mut poll = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one pollfd that lives.
    match unsafe { libc::poll(&raw mut poll, 1, 0) } {
        0 => return Err(io::Error::from_raw_os_error(libc::EAGAIN)),
        -1 => return Err(io::Error::last_os_error()),
        _ => {}
    }
    let piece = small_piece(bytes);
    // SAFETY: reads `piece`, which lives.
    let count = unsafe { libc::write(fd.as_raw_fd(), piece.as_ptr().cast(), piece.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Some text or one control character. A terminal looks for room anew at each control character, and waits
/// if it finds none: poll has not spoken of that.
fn small_piece(bytes: &[u8]) -> &[u8] {
    let text = bytes.iter().position(u8::is_ascii_control).unwrap_or(bytes.len());
    bytes.get(..text.clamp(1, SMALL)).unwrap_or(bytes)
}

/// Writes a line to stderr for somebody who may not be there, without waiting: for the last words.
pub(crate) fn write_once(line: &str) {
    let stderr = io::stderr();
    let fd = stderr.as_fd();
    let unsupported = |error: &io::Error| error.raw_os_error() == Some(libc::EOPNOTSUPP);
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        let result = match write_without_waiting(fd, rest) {
            Err(error) if unsupported(&error) => write_if_there_is_room(fd, rest),
            result => result,
        };
        match result {
            Ok(count @ 1..) => rest = rest.get(count..).unwrap_or_default(),
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_piece_is_text_or_one_control_character() {
        assert_eq!(small_piece(b"text\nmore"), b"text");
        assert_eq!(small_piece(b"\n\nmore"), b"\n");
        assert_eq!(small_piece(b"text"), b"text");
        assert_eq!(small_piece(b""), b"");
        assert_eq!(small_piece(&[b'x'; 1000]).len(), SMALL);
    }
}
