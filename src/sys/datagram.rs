//! Datagrams of which it matters who sent them. Descriptors that come with one never become ours: a sender
//! could fill our table with them.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Room for who sent it, and for nothing else.
#[repr(C)]
union Control {
    bytes: [u8; ROOM],
    _aligned: libc::cmsghdr,
}

// SAFETY: CMSG_SPACE only calculates.
const ROOM: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// Bytes of it that are in the buffer.
    pub(crate) length: usize,
    /// The user that sent it, if the socket asks for that (SO_PASSCRED).
    pub(crate) sender: Option<u32>,
}

/// Takes the next datagram, without waiting. The kernel closes descriptors that came with it, and says so with
/// MSG_CTRUNC, which nix takes for an error.
pub(crate) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Datagram> {
    let mut control = Control { bytes: [0; ROOM] };
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all of it is integers and pointers, for which zero is a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    (header.msg_iov, header.msg_iovlen) = (&raw mut piece, 1);
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = ROOM as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header describes `buffer` and `control`, which live and are nobody else's.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let length = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
    Ok(Datagram { length, sender: sender(&header) })
}

/// Who the only control message is from.
fn sender(header: &libc::msghdr) -> Option<u32> {
    // SAFETY: the kernel filled in the header, which describes memory that lives.
    let first = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: a header that is there lies whole within that memory.
    let message = unsafe { first.as_ref() }?;
    let is_meant = message.cmsg_level == libc::SOL_SOCKET && message.cmsg_type == libc::SCM_CREDENTIALS;
    // SAFETY: only calculates.
    let whole = unsafe { libc::CMSG_LEN(size_of::<libc::ucred>() as u32) };
    if !is_meant || (message.cmsg_len as usize) < whole as usize {
        return None;
    }
    // SAFETY: behind a header that is there lies its data.
    let data = unsafe { libc::CMSG_DATA(first) };
    // SAFETY: it is long enough for a `ucred`, as was just asked, wherever it lies.
    let credentials = unsafe { data.cast::<libc::ucred>().read_unaligned() };
    Some(credentials.uid)
}
