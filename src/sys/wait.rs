//! waitid(2). nix has it, but reports a child that a real-time signal ended as EINVAL after it has been
//! reaped: the exit would be lost.

use std::io;

/// What waitid found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Something happened to a child.
    Event(ChildEvent),
    /// There are children, and nothing happened to them.
    Nothing,
    /// There are no children at all.
    NoChildren,
}

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChildEvent {
    /// It exited with this code, and is reaped.
    Exited { pid: i32, code: u8 },
    /// This signal ended it, and it is reaped.
    Signalled { pid: i32, signal: i32 },
    /// This signal stopped it.
    Stopped { pid: i32, signal: i32 },
}

/// The next thing that happened to any child, without waiting. A child that ended is reaped by this:
/// nobody else in the process may wait.
pub(crate) fn next_child_event() -> io::Result<Wait> {
    // SAFETY: siginfo_t is plain old data for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WSTOPPED | libc::WNOHANG;
    // SAFETY: `info` is a live siginfo_t that waitid may fill.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
    if result == -1 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::ECHILD) { Ok(Wait::NoChildren) } else { Err(error) };
    }
    // SAFETY: waitid succeeded, so that `info` is zeroed or describes SIGCHLD, which has si_pid.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(Wait::Nothing);
    }
    // SAFETY: as above; a SIGCHLD has si_status.
    let status = unsafe { info.si_status() };
    Ok(Wait::Event(match info.si_code {
        libc::CLD_KILLED | libc::CLD_DUMPED => ChildEvent::Signalled { pid, signal: status },
        libc::CLD_STOPPED | libc::CLD_TRAPPED => ChildEvent::Stopped { pid, signal: status },
        // CLD_EXITED; waitid(2) gives nothing else without WCONTINUED.
        _ => ChildEvent::Exited { pid, code: u8::try_from(status & 0xff).unwrap_or(u8::MAX) },
    }))
}
