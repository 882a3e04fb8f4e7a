//! The terminal that controls podinit, if there is one. `podinit -- CMD` puts CMD into its own process group
//! and leaves everything to the kernel: keys reach both, and a shell moves both between foreground and
//! background as the one job that they are. Nothing has to be handed over and taken back, and the rest of a
//! pipeline keeps the terminal too.

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{getpid, getsid, tcgetpgrp};

use crate::pod::Signal;

/// Whether the process has a terminal that it is controlled by.
pub(super) fn is_controlled() -> bool {
    let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    // The first costs less, the second does without standard input.
    tcgetpgrp(std::io::stdin()).is_ok() || open("/dev/tty", flags, Mode::empty()).is_ok()
}

/// Whether a signal that the terminal sent to the supervisor went to its whole process group. That the
/// terminal is gone is told to the first process of its session alone.
pub(super) fn reaches_group(signal: Signal) -> bool {
    signal != Signal::HUP || getsid(None) != Ok(getpid())
}
