//! The end of a machine: everything that runs is ended, what was written is made safe, the result is told,
//! and the machine goes off. Nothing in it may hang and nothing returns from it (VM-03, VM-08).

use std::convert::Infallible;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::tcdrain;
use nix::unistd::{Pid, sync};

use super::{BOOT, console, remount};
use crate::plan::AtEnd;
use crate::runtime::{LAST_WORDS, clock, complain, messages};
use crate::sys::{self, ChildEvent, Wait};

/// What is left gets so long between SIGTERM and SIGKILL, and then to be gone.
const GRACE: Duration = Duration::from_secs(2);

/// How long what was written may take to get where it belongs. A disk or a server that does not answer
/// keeps no machine on.
const FLUSH: Duration = Duration::from_secs(10);

/// The line by which the host learns the exit code.
const RESULT: &str = "PODINIT-RESULT";

/// What the line says after a bug of podinit's own, where nothing can be computed.
const FAULT: (u8, &str) =
    (70, "\npodinit: internal error: it ran into a fault; the machine ends\n\nPODINIT-RESULT 70\n");

static ENDING: AtomicBool = AtomicBool::new(false);

/// Ends everything.
pub(super) fn end(code: u8) -> ! {
    if ENDING.swap(true, Ordering::Relaxed) {
        // Something of what follows had a bug.
        after_fault();
        sys::exit_now(code.into());
    }
    sys::block_signals();
    if let Some(text) = messages::take() {
        complain(&String::from_utf8_lossy(&text));
    }
    let children = Children::new();
    children.signal_all(Signal::SIGTERM);
    children.signal_all(Signal::SIGKILL);
    children.have_done(FLUSH, || {
        sync();
        remount::read_only().iter().for_each(|problem| super::warn(problem));
        sync();
    });
    children.have_done(LAST_WORDS, || report(code));
    leave(code)
}

/// The end after a fault of this process. Called by a signal handler: system calls and nothing else.
pub(super) fn after_fault() {
    let (code, line) = FAULT;
    sys::write_once(line);
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    sync();
    leave(code)
}

/// Tells the machine, and ends it.
fn leave(code: u8) -> ! {
    let boot = BOOT.get();
    if let Some(port) = boot.and_then(|boot| boot.exit_port) {
        // Where it works, this is the end.
        let _ = sys::write_port(port, code);
    }
    let wanted = mode(boot.map(|boot| boot.at_end).unwrap_or_default());
    let _: nix::Result<Infallible> = reboot(wanted);
    let _: nix::Result<Infallible> = reboot(RebootMode::RB_AUTOBOOT);
    // Whoever may not end the machine stays.
    loop {
        let _ = poll(&mut [], PollTimeout::NONE);
    }
}

fn mode(at_end: AtEnd) -> RebootMode {
    match at_end {
        AtEnd::PowerOff => RebootMode::RB_POWER_OFF,
        AtEnd::Reboot => RebootMode::RB_AUTOBOOT,
    }
}

/// Writes the result to the console, on a line of its own, and waits until it is out.
fn report(code: u8) {
    let line = format!("\n{RESULT} {code}\n");
    let written = console::console().and_then(|mut console| {
        console.write_all(line.as_bytes())?;
        Ok(tcdrain(&console)?)
    });
    if written.is_err() {
        complain(&line);
        let _ = tcdrain(io::stderr());
    }
}

/// Whatever still runs: every process of the machine is a child of its first, or of a child.
struct Children(Option<SignalFd>);

impl Children {
    fn new() -> Self {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Self(SignalFd::with_flags(&SigSet::from(Signal::SIGCHLD), flags).ok())
    }

    fn signal_all(&self, signal: Signal) {
        if kill(Pid::from_raw(-1), signal).is_ok() {
            self.wait(GRACE, |_| false);
        }
    }

    /// Has this done aside, and gives it up when it takes longer.
    fn have_done(&self, limit: Duration, work: impl Fn()) {
        match sys::aside(&work) {
            Ok(pid) => self.wait(limit, |ended| ended == pid),
            Err(_) => work(),
        }
    }

    /// Reaps until there is nobody left, or this one has ended, or the time is over.
    fn wait(&self, limit: Duration, is_awaited: impl Fn(i32) -> bool) {
        let deadline = clock::now().mono + limit;
        loop {
            match sys::next_child_event() {
                Ok(Wait::Event(ChildEvent::Exited { pid, .. } | ChildEvent::Signalled { pid, .. })) => {
                    if is_awaited(pid) {
                        return;
                    }
                }
                Ok(Wait::Event(ChildEvent::Stopped { .. })) => {}
                Ok(Wait::Nothing) => {
                    let left = deadline.since(clock::now().mono);
                    if left.is_zero() {
                        return;
                    }
                    self.sleep(left);
                }
                Ok(Wait::NoChildren) | Err(_) => return,
            }
        }
    }

    /// Until a child has ended.
    fn sleep(&self, limit: Duration) {
        let Some(signals) = &self.0 else { return };
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let _ = poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], limit);
        while let Ok(Some(_)) = signals.read_signal() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// VM-07: a machine that halts is neither off nor on, and whoever waits for it waits for ever.
    #[test]
    fn a_machine_goes_off_or_starts_again_and_never_halts() {
        for at_end in [AtEnd::PowerOff, AtEnd::Reboot] {
            assert!(matches!(mode(at_end), RebootMode::RB_POWER_OFF | RebootMode::RB_AUTOBOOT), "{at_end:?}");
        }
    }

    #[test]
    fn the_result_after_a_fault_looks_like_every_other() {
        let (code, line) = FAULT;
        assert!(line.ends_with(&format!("\n{RESULT} {code}\n")));
    }
}
