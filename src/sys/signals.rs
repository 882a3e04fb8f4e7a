//! Signals to the supervisor, as something that the event loop reads. The two that it lives by are counted
//! by signal-hook's handlers; all others stay blocked and are read from a signalfd, which tells who sent
//! them. Handlers for all of them would be one mechanism less, but signal-hook's say nothing of the sender,
//! and it copies its whole table at each registration: 53 of them cost 20 page faults and a tenth of the
//! time of `podinit -- true` (measured).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What every pod is supervised and ended by. Neither comes from a keyboard.
const HANDLED: [Signal; 2] = [Signal::SIGCHLD, Signal::SIGTERM];
/// What reports a fault of the supervisor's own, which must not wait.
pub(super) const FAULTS: [Signal; 7] = [
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGSEGV,
    Signal::SIGSYS,
];

/// How often each signal was handled since this was last asked for.
static COUNTS: [AtomicU32; HANDLED.len()] = [const { AtomicU32::new(0) }; HANDLED.len()];

/// The signals that are ignored, as bits from 1 up: by std (SIGPIPE) or by whoever started us. A child
/// inherits that even where handlers are cleared. All of them until it is known.
static IGNORED: AtomicU64 = AtomicU64::new(u64::MAX);

/// Where signals are read. Stays until the process ends.
#[derive(Debug)]
pub(crate) struct Signals {
    handled: EventFd,
    blocked: SignalFd,
}

/// A signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Its number.
    pub(crate) signal: i32,
    /// No process sent it: a key was pressed, or the terminal changed or went away.
    pub(crate) by_kernel: bool,
}

impl Signals {
    /// Takes signals from now on, all but those of [`FAULTS`] and those that cannot be taken.
    pub(crate) fn install() -> io::Result<Self> {
        let handled = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let descriptor = handled.as_fd().as_raw_fd();
        // nohup asks that nobody be told that the terminal goes away, a child of ours neither. PID 1 has
        // nobody who could mean that.
        let is_nohup = is_ignored(libc::SIGHUP) && std::process::id() != 1;
        let ignored = (1..=64).filter(|signal| is_ignored(*signal) && !(is_nohup && *signal == libc::SIGHUP));
        IGNORED.store(ignored.fold(0, |all, signal| all | bit(signal)), Ordering::Relaxed);
        let mut blocked = SigSet::all();
        if is_nohup {
            blocked.remove(Signal::SIGHUP);
        }
        for (signal, count) in HANDLED.into_iter().zip(&COUNTS) {
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
        let descriptor = SignalFd::with_flags(&blocked, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        blocked.thread_set_mask()?;
        Ok(Self { handled, blocked: descriptor })
    }

    /// The descriptors that become readable when a signal has come.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.handled.as_fd(), self.blocked.as_fd()]
    }

    /// Calls `each` with every signal that has come since the last call, each time it came.
    pub(crate) fn take(&self, mut each: impl FnMut(Received)) {
        // First the descriptor, then the counts: a signal between the two is announced again.
        let _ = self.handled.read();
        for (signal, count) in HANDLED.into_iter().zip(&COUNTS) {
            let received = Received { signal: signal as i32, by_kernel: false };
            (0..count.swap(0, Ordering::Relaxed)).for_each(|_| each(received));
        }
        while let Ok(Some(info)) = self.blocked.read_signal() {
            // Our own write to a pipe that nobody reads is not a signal to be passed on.
            if info.ssi_pid != std::process::id() {
                let signal = i32::try_from(info.ssi_signo).unwrap_or(0);
                each(Received { signal, by_kernel: info.ssi_code == libc::SI_KERNEL });
            }
        }
    }
}

/// Holds every signal back until [`Signals::install`]. A signal that PID 1 has neither blocked nor
/// handled is lost; one that is blocked waits.
pub(crate) fn block_signals() {
    let _ = SigSet::all().thread_block();
}

/// Lets signals do what they usually do: for a program that looks after nothing that they could harm.
pub(crate) fn allow_signals() {
    let _ = SigSet::all().thread_unblock();
}

/// Stops the process as a program stops that does not care about Ctrl-Z, until it is let go on; the SIGCONT
/// that did it is taken. False where it did not stop: the kernel knows better than any test whether
/// somebody is there to let it go on, and stops neither PID 1 nor an orphaned process group.
pub(crate) fn stop() -> bool {
    let only = SigSet::from(Signal::SIGTSTP);
    // It has no handler and waits until it is let through.
    if raise(Signal::SIGTSTP).is_ok() {
        let _ = only.thread_unblock();
        let _ = only.thread_block();
    }
    let went_on = SigSet::from(Signal::SIGCONT);
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: reads a set and a time that live, and writes no siginfo.
    unsafe { libc::sigtimedwait(went_on.as_ref(), std::ptr::null_mut(), &raw const at_once) == libc::SIGCONT }
}

/// The signals that a child must set back to their default, as bits: what is ignored, and what has a
/// handler unless the kernel has cleared those.
pub(super) fn to_reset(handlers_are_cleared: bool) -> u64 {
    let handled = HANDLED.iter().fold(0, |all, signal| all | bit(*signal as i32));
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
