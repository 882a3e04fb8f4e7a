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
    /// A signal stopped it.
    Stopped { pid: i32 },
}

/// The next thing that happened to any child, without waiting. A child that ended is reaped by this:
/// nobody else in the process may wait.
pub(crate) fn next_child_event() -> io::Result<Wait> {
    let info = match wait(libc::P_ALL, 0, libc::WEXITED | libc::WSTOPPED) {
        Ok(info) => info,
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(Wait::NoChildren),
        Err(error) => return Err(error),
    };
    // SAFETY: waitid succeeded, so that `info` is zeroed or describes SIGCHLD, which has si_pid.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(Wait::Nothing);
    }
    // SAFETY: as above; a SIGCHLD has si_status.
    let status = unsafe { info.si_status() };
    Ok(Wait::Event(match info.si_code {
        libc::CLD_KILLED | libc::CLD_DUMPED => ChildEvent::Signalled { pid, signal: status },
        libc::CLD_STOPPED | libc::CLD_TRAPPED => ChildEvent::Stopped { pid },
        // CLD_EXITED; waitid(2) gives nothing else without WCONTINUED.
        _ => ChildEvent::Exited { pid, code: u8::try_from(status & 0xff).unwrap_or(u8::MAX) },
    }))
}

/// Whether nothing has happened to this child since [`next_child_event`] said that it was stopped: it was
/// not let go on, whatever came after that. What is found is left to be found again.
pub(crate) fn is_still_stopped(pid: i32) -> bool {
    let anything = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOWAIT;
    let Ok(pid) = libc::id_t::try_from(pid) else { return false };
    // SAFETY: waitid succeeded, so that `info` is zeroed or describes SIGCHLD, which has si_pid.
    wait(libc::P_PID, pid, anything).is_ok_and(|info| unsafe { info.si_pid() } == 0)
}

/// Whether the process has any child, ended or not.
pub(crate) fn has_children() -> bool {
    wait(libc::P_ALL, 0, libc::WEXITED | libc::WNOWAIT).is_ok()
}

fn wait(of: libc::idtype_t, id: libc::id_t, options: libc::c_int) -> io::Result<libc::siginfo_t> {
    // SAFETY: siginfo_t is plain old data for which all zeroes is a value.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is a live siginfo_t that waitid may fill.
    let result = unsafe { libc::waitid(of, id, &raw mut info, options | libc::WNOHANG) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(info) }
}

/// What ends is reaped by the kernel, and this process waits for the signal that ends it.
pub(crate) fn reap_without_looking() {
    // SAFETY: SIG_IGN is always a valid disposition.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    loop {
        // SAFETY: no arguments.
        unsafe { libc::pause() };
    }
}
