//! Starting a child: clone3(2), or clone(2) where a container's seccomp filter hides it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow};

use super::child::{self, ChildOp, CommandLine};
use super::signals;

/// A child on its way to exec.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its process id; ours to reap.
    pub(crate) pid: i32,
    /// Refers to the process, whatever becomes of the number.
    pub(crate) pidfd: OwnedFd,
    /// Non-blocking. Carries eight bytes for [`child::StartReport::read`] if the child cannot go on; closes
    /// without any when exec succeeds.
    pub(crate) report: OwnedFd,
}

/// What the child works on until it executes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// A copy of its own, as after fork(2): the supervisor goes on at once, whatever the child waits for.
    Copied,
    /// The supervisor's, which waits until the child has executed or ended, as after vfork(2). Nothing has
    /// to be copied, which is a tenth of the time of `podinit -- true`. Only where there is nothing else
    /// to supervise: a path that hangs would hang the supervisor.
    Lent,
}

/// clone3 was refused once; see [`is_missing`].
static WITHOUT_CLONE3: AtomicBool = AtomicBool::new(false);

/// linux/sched.h; libc has it as an int, into which it does not fit.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// What a child with lent memory has for its own stack.
const STACK: usize = 64 * 1024;

/// Starts a child that takes these steps and then executes the command.
pub(crate) fn spawn(ops: &[ChildOp], command: &mut CommandLine, memory: Memory) -> io::Result<Spawned> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let write = apart_from_targets(write, ops)?;
    // Until the child has reset its dispositions a signal would run the supervisor's handlers in the
    // child and write to the supervisor's own descriptor.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let mut pidfd: RawFd = -1;
    let mut child = Child { ops, command, report: write.as_raw_fd(), handlers_are_cleared: false };
    let pid = match memory {
        // SAFETY: signals are blocked; this process has one thread, so that no lock can be held by
        // another.
        Memory::Copied => unsafe { copy(&mut child, &mut pidfd) },
        // SAFETY: signals are blocked.
        Memory::Lent => unsafe { lend(&mut child, &mut pidfd) },
    };
    let _ = before.thread_set_mask();
    let pid = pid?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid, pidfd, report: read })
}

/// The report pipe under a number that no step of the child redirects: it would report into a file.
fn apart_from_targets(write: OwnedFd, ops: &[ChildOp]) -> io::Result<OwnedFd> {
    let targets = ops.iter().filter_map(|op| match op {
        ChildOp::Redirect { to, .. } => Some(*to),
        ChildOp::NewSession
        | ChildOp::NewProcessGroup
        | ChildOp::LimitOpenFiles(_)
        | ChildOp::ChangeDirectory(_)
        | ChildOp::DieWithParent => None,
    });
    match targets.max() {
        Some(highest) if highest >= write.as_raw_fd() => {
            let copy = nix::fcntl::fcntl(&write, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(highest + 1))?;
            // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
            Ok(unsafe { OwnedFd::from_raw_fd(copy) })
        }
        Some(_) | None => Ok(write),
    }
}

/// Everything that a child needs.
struct Child<'a> {
    ops: &'a [ChildOp],
    command: &'a mut CommandLine,
    report: RawFd,
    handlers_are_cleared: bool,
}

impl Child<'_> {
    /// What the child does.
    ///
    /// # Safety
    /// Only in a child of clone, with all signals blocked. Where it shares memory with its parent, the
    /// parent must be waiting.
    unsafe fn run(&mut self) -> ! {
        let to_reset = signals::to_reset(self.handlers_are_cleared);
        // SAFETY: the caller's contract; `report` is the write end of a pipe whose read end is closed on
        // exec.
        unsafe { child::run(self.ops, self.command, to_reset, self.report) }
    }
}

/// fork(2) with a pidfd. Returns in the parent only.
///
/// # Safety
/// All signals are blocked and the process has one thread.
unsafe fn copy(child: &mut Child<'_>, pidfd: &mut RawFd) -> io::Result<i32> {
    if !WITHOUT_CLONE3.load(Ordering::Relaxed) {
        // SAFETY: clone_args is plain old data for which all zeroes means "as fork".
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = (libc::CLONE_PIDFD as u64) | CLONE_CLEAR_SIGHAND;
        args.pidfd = std::ptr::from_mut(pidfd) as u64;
        args.exit_signal = libc::SIGCHLD as u64;
        child.handlers_are_cleared = true;
        // SAFETY: `args` is a live clone_args of the size given; the child has its own memory and does
        // nothing but `run`.
        match result(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) }) {
            // SAFETY: this is the child.
            Ok(0) => unsafe { child.run() },
            Err(error) if is_missing(&error) => WITHOUT_CLONE3.store(true, Ordering::Relaxed),
            other => return other,
        }
    }
    child.handlers_are_cleared = false;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: without a new stack the child runs on a copy of this one; the third argument is where
    // CLONE_PIDFD stores the descriptor, on every architecture but those with swapped arguments.
    match result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, std::ptr::from_mut(pidfd), 0, 0) }) {
        // SAFETY: this is the child.
        Ok(0) => unsafe { child.run() },
        other => other,
    }
}

/// vfork(2) with a pidfd and a stack for the child: on the parent's own stack it would overwrite what the
/// parent finds again afterwards.
///
/// # Safety
/// All signals are blocked.
unsafe fn lend(child: &mut Child<'_>, pidfd: &mut RawFd) -> io::Result<i32> {
    extern "C" fn run(child: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the argument is the `Child` below, which nobody else uses while the parent waits.
        let child = unsafe { &mut *child.cast::<Child<'_>>() };
        // SAFETY: this is the child; its parent waits, with all signals blocked.
        unsafe { child.run() }
    }
    let mut stack = Vec::<u128>::with_capacity(STACK / size_of::<u128>());
    // SAFETY: one past the end of the allocation, from where a stack grows down.
    let top = unsafe { stack.as_mut_ptr().add(stack.capacity()) };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let child = std::ptr::from_mut(child).cast();
    // SAFETY: `run` gets its argument, a stack that outlives it (the parent waits), and a place for the
    // descriptor. It does nothing but take its steps and execute or end.
    result(unsafe { libc::clone(run, top.cast(), flags, child, std::ptr::from_mut(pidfd)) }.into())
}

/// Whether clone3 or one of its flags is not to be had: ENOSYS from Docker's default profile and before
/// Linux 5.3, EPERM from older profiles, EINVAL for CLONE_CLEAR_SIGHAND before Linux 5.5.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL))
}

fn result(pid: libc::c_long) -> io::Result<i32> {
    if pid == -1 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(pid).unwrap_or(i32::MAX)) }
}

/// pidfd_send_signal(2): cannot hit another process that got the same number.
pub(crate) fn send_signal(process: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    // SAFETY: numbers only, and no siginfo.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// pidfd_open(2): a reference to the process that has this number now.
pub(crate) fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = RawFd::try_from(fd).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// kill(2) for a process group. Its number cannot mean another group while the group has a member.
pub(crate) fn signal_group(group: i32, signal: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    let result = unsafe { libc::kill(-group, signal) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// PR_SET_PDEATHSIG: the signal that this process gets when its parent ends. nix's names end at 31.
pub(crate) fn set_parent_death_signal(signal: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends the process at once, without destructors or handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes a number; what is not cleaned up goes with the process.
    unsafe { libc::_exit(code) }
}
