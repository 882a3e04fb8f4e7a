//! Signals to the supervisor, as something that the event loop reads. Those that the supervisor acts on
//! itself are counted by signal-hook's handlers; all others, which it only passes on, stay blocked and
//! are read from a signalfd. Handlers for all of them would be one mechanism less, but signal-hook copies
//! its whole table at each registration: 53 of them cost 20 page faults and a tenth of the time of
//! `podinit -- true` (measured).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What the supervisor acts on, in one of its modes or the other.
const ACTED_ON: [Signal; 6] =
    [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGTSTP, Signal::SIGCONT];
/// What reports a fault of the supervisor's own, which must not wait.
const FAULTS: [Signal; 7] = [
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGSEGV,
    Signal::SIGSYS,
];

/// How often each signal was handled since this was last asked for.
static COUNTS: [AtomicU32; ACTED_ON.len()] = [const { AtomicU32::new(0) }; ACTED_ON.len()];

/// The signals that are ignored, as bits from 1 up: by std (SIGPIPE) or by whoever started us. A child
/// inherits that even where handlers are cleared. All of them until it is known.
static IGNORED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Where signals are read. Stays until the process ends.
#[derive(Debug)]
pub(crate) struct Signals {
    handled: EventFd,
    passed_on: SignalFd,
}

impl Signals {
    /// Takes signals from now on, all but those of [`FAULTS`] and those that cannot be taken.
    pub(crate) fn install() -> io::Result<Self> {
        let handled = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let descriptor = handled.as_fd().as_raw_fd();
        let ignored = (1..=64).filter(|signal| is_ignored(*signal));
        IGNORED.store(ignored.fold(0, |all, signal| all | bit(signal)), Ordering::Relaxed);
        let mut blocked = SigSet::all();
        for (signal, count) in ACTED_ON.into_iter().zip(&COUNTS) {
            // nohup asks not to be told that the terminal goes away. PID 1 has nobody who could mean that.
            if signal == Signal::SIGHUP && is_ignored(libc::SIGHUP) && std::process::id() != 1 {
                continue;
            }
            let handler = move || {
                count.fetch_add(1, Ordering::Relaxed);
                let one = 1u64;
                // SAFETY: write(2) is async-signal-safe and reads eight bytes of a live value. The
                // descriptor stays open: `Signals` lives as long as the process takes signals.
                unsafe { libc::write(descriptor, (&raw const one).cast(), size_of_val(&one)) };
            };
            // SAFETY: the handler only adds to an atomic and writes to a descriptor, both of which are
            // async-signal-safe; it cannot panic.
            unsafe { signal_hook::low_level::register(signal as i32, handler) }?;
            blocked.remove(signal);
        }
        FAULTS.into_iter().for_each(|signal| blocked.remove(signal));
        let passed_on = SignalFd::with_flags(&blocked, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        blocked.thread_set_mask()?;
        Ok(Self { handled, passed_on })
    }

    /// The descriptors that become readable when a signal has come.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.handled.as_fd(), self.passed_on.as_fd()]
    }

    /// Calls `each` with the number of every signal that has come since the last call, each time it came.
    pub(crate) fn take(&self, mut each: impl FnMut(i32)) {
        // First the descriptor, then the counts: a signal between the two is announced again.
        let _ = self.handled.read();
        for (signal, count) in ACTED_ON.into_iter().zip(&COUNTS) {
            (0..count.swap(0, Ordering::Relaxed)).for_each(|_| each(signal as i32));
        }
        while let Ok(Some(info)) = self.passed_on.read_signal() {
            // Our own write to a pipe that nobody reads is not a signal to be passed on.
            if info.ssi_pid != std::process::id() {
                each(i32::try_from(info.ssi_signo).unwrap_or(0));
            }
        }
    }
}

/// Holds every signal back until [`Signals::install`]. A signal that PID 1 has neither blocked nor
/// handled is lost; one that is blocked waits.
pub(crate) fn block_signals() {
    let _ = SigSet::all().thread_block();
}

/// The signals that a child must set back to their default, as bits: what is ignored, and what has a
/// handler unless the kernel has cleared those.
pub(super) fn to_reset(handlers_are_cleared: bool) -> u64 {
    let handled = ACTED_ON.iter().fold(0, |all, signal| all | bit(*signal as i32));
    IGNORED.load(Ordering::Relaxed) | if handlers_are_cleared { 0 } else { handled }
}

fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Whether this signal is ignored.
fn is_ignored(signal: i32) -> bool {
    // SAFETY: sigaction is plain old data for which all zeroes is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action the call only fills `action`, which lives.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}
