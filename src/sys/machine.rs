//! What only the first process of a machine does: finding out that it is that, talking to the machine by a
//! port, and having its work that may hang done by a copy of itself.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::mount::{MountAttributes, mount_new};

/// The initial PID namespace's inode (linux/nsfs.h, PID_NS_INIT_INO).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Whether the kernel itself started this process, as the first of the machine: PID 1 of a container is in
/// another PID namespace. Changes nothing, whatever is mounted.
pub(crate) fn is_first_process() -> bool {
    if std::process::id() != 1 {
        return false;
    }
    match pid_namespace(libc::AT_FDCWD, c"/proc/self/ns/pid") {
        Ok(inode) => inode == INITIAL_PID_NAMESPACE,
        // A machine that nothing has been mounted in. Who may not make a /proc of its own is in a container.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
            mount_new(c"proc", &[], MountAttributes::default())
                .map_err(io::Error::from)
                .and_then(|proc| pid_namespace(proc.as_raw_fd(), c"self/ns/pid"))
                .is_ok_and(|inode| inode == INITIAL_PID_NAMESPACE)
        }
        Err(_) => false,
    }
}

fn pid_namespace(directory: libc::c_int, path: &CStr) -> io::Result<u64> {
    // SAFETY: stat is plain old data for which all zeroes is a value.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a null-terminated string and a stat, which live.
    let result = unsafe { libc::fstatat(directory, path.as_ptr(), &raw mut status, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(status.st_ino) }
}

fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    match libc::c_int::try_from(result) {
        // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
        Ok(fd @ 0..) => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Writes a byte to a port of the machine.
#[cfg(target_arch = "x86_64")]
pub(crate) fn write_port(port: u16, value: u8) -> io::Result<()> {
    // SAFETY: takes a number; lets this process use ports, or fails.
    if unsafe { libc::iopl(3) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the process may use ports; writing to one touches no memory. What the machine does upon it is
    // what the caller asks for.
    unsafe { std::arch::asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) };
    Ok(())
}

/// Only this architecture's machines have ports.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn write_port(_port: u16, _value: u8) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOSYS))
}

/// Has a copy of this process do something, and returns its number: ours to reap, and to give up. Only where
/// there is one thread, so that the copy finds no lock held.
pub(crate) fn aside(work: impl FnOnce()) -> io::Result<i32> {
    // SAFETY: this process has one thread: the copy may do all that the original may.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            work();
            super::exit_now(0)
        }
        pid => Ok(pid),
    }
}

/// Rows and columns of a terminal.
pub(crate) fn terminal_size(terminal: BorrowedFd<'_>) -> io::Result<(u16, u16)> {
    // SAFETY: winsize is plain old data that the kernel fills.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: `size` lives and may be filled.
    match unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) } {
        0 => Ok((size.ws_row, size.ws_col)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives a terminal rows and columns, of which who has it in the foreground is told.
pub(crate) fn set_terminal_size(terminal: BorrowedFd<'_>, (rows, columns): (u16, u16)) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: reads a size, which lives.
    match unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Tells the kernel about an interface, which most have been down since they are there, that it is to be up.
pub(crate) fn bring_interface_up(name: &CStr) -> io::Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers.
    let socket = descriptor(libc::c_long::from(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }))?;
    // SAFETY: ifreq is plain old data for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    let (_, room) = request.ifr_name.split_last_mut().ok_or(io::ErrorKind::InvalidInput)?;
    for (to, from) in room.iter_mut().zip(name.to_bytes()) {
        *to = *from as libc::c_char;
    }
    // SAFETY: an open socket and a request that lives and names an interface.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just put flags there.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::c_short::try_from(libc::IFF_UP).unwrap_or_default();
    // SAFETY: as above.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
