//! The terminal of `podinit -- CMD`: it is the command's, as if podinit were not there. Ctrl-C and Ctrl-Z
//! reach the command alone; a command that is stopped stops podinit, so that a shell gets its prompt.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::signal::{self, Signal};
use nix::unistd::{Pid, getpgrp, getppid, getsid, tcgetpgrp, tcsetpgrp};

use super::output::standard;

/// The terminal on standard input, which podinit's group had when it was started.
#[derive(Debug)]
pub(crate) struct Terminal {
    fd: OwnedFd,
}

impl Terminal {
    /// The terminal, if there is one and it is ours to hand on: a background job has none to give.
    pub(crate) fn on_stdin() -> Option<Self> {
        let stdin = std::io::stdin();
        (tcgetpgrp(&stdin).ok()? == getpgrp()).then(|| standard(&stdin).ok().map(|fd| Self { fd }))?
    }

    /// For the child, which takes the terminal itself before it executes.
    pub(crate) fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// The command was stopped by `signal`. podinit's job stops as well, if somebody is there to let it
    /// go on: then SIGCONT comes, and [`Self::go_on`] is called for it. Otherwise, as PID 1 above all, a
    /// Ctrl-Z would freeze the command for ever: it goes on at once.
    pub(crate) fn stopped(&self, command: Pid, signal: Signal) {
        if can_be_resumed() {
            // Nothing of a job may be left running, or its shell keeps waiting. This stops podinit here.
            let _ = signal::killpg(getpgrp(), Signal::SIGSTOP);
        } else if signal == Signal::SIGTSTP {
            let _ = signal::killpg(command, Signal::SIGCONT);
        }
    }

    /// podinit was let go on. In the foreground that means that the command has the terminal again.
    pub(crate) fn go_on(&self, command: Pid) {
        if tcgetpgrp(&self.fd).is_ok_and(|group| group == getpgrp()) {
            self.give_to(command);
        }
        let _ = signal::killpg(command, Signal::SIGCONT);
    }

    /// The command ended: the terminal is podinit's again, for whoever started it.
    pub(crate) fn take_back(&self) {
        self.give_to(getpgrp());
    }

    fn give_to(&self, group: Pid) {
        // The terminal may have gone away; then there is nothing to give. SIGTTOU, which stops a
        // background process that does this, is always blocked in the supervisor.
        let _ = tcsetpgrp(&self.fd, group);
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Whether the process has a terminal that it is controlled by.
pub(crate) fn is_controlled() -> bool {
    use nix::fcntl::{OFlag, open};
    let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open("/dev/tty", flags, nix::sys::stat::Mode::empty()).is_ok()
}

/// Whether a shell that started us would let us go on if we stopped: it is in our session. Nobody does
/// that for PID 1 or the first process of a session.
pub(crate) fn can_be_resumed() -> bool {
    let parent = getppid();
    parent.as_raw() > 0 && getsid(Some(parent)).is_ok() && getsid(Some(parent)) == getsid(None)
}
