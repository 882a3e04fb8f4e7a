//! What is still done when the process itself has made a fault that no panic announces: a bad address, an
//! abort. Only the first process of a machine has reason to: its end is the kernel's.

use std::io;
use std::sync::OnceLock;

use super::signals::FAULTS;

/// A stack of its own for the handler: the fault may be that there is none left.
const STACK: usize = 64 * 1024;

static ACTION: OnceLock<fn()> = OnceLock::new();

/// On a fault of this process `action` is called, once and from a signal handler: it may make system calls
/// and nothing else. Faults of children are their own.
pub(crate) fn on_fault(action: fn()) -> io::Result<()> {
    if ACTION.set(action).is_err() {
        return Ok(());
    }
    let stack = Box::leak(vec![0_u8; STACK].into_boxed_slice());
    let stack = libc::stack_t { ss_sp: stack.as_mut_ptr().cast(), ss_flags: 0, ss_size: STACK };
    // SAFETY: describes memory that lives as long as the process and that nobody else uses.
    if unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    for signal in FAULTS {
        // SAFETY: sigaction is plain old data for which all zeroes is a value: an empty mask.
        let mut handler: libc::sigaction = unsafe { std::mem::zeroed() };
        handler.sa_sigaction = faulted as *const () as usize;
        handler.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: the handler has the signature that SA_SIGINFO asks for, and does what handlers may.
        if unsafe { libc::sigaction(signal as i32, &raw const handler, std::ptr::null_mut()) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn faulted(signal: libc::c_int, info: *const libc::siginfo_t, _context: *const libc::c_void) {
    // SAFETY: the kernel hands the handler a siginfo that lives until it returns.
    let info = unsafe { &*info };
    let own = libc::pid_t::try_from(std::process::id()).unwrap_or_default();
    let by_kernel = info.si_code > 0;
    // SAFETY: a signal that a process has sent, which a code up to zero says, tells which one.
    let is_own = by_kernel || unsafe { info.si_pid() } == own;
    if own == 1 && is_own {
        if let Some(action) = ACTION.get() {
            action();
        }
    } else if by_kernel {
        // A copy of the process, which ends by its fault when it comes back to it. What somebody else has
        // sent means nothing to a first process.
        // SAFETY: signal is async-signal-safe.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}
