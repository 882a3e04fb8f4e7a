//! Starting a child: clone3(2), or clone(2) where a container's seccomp filter hides it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow};

use super::child::{self, ChildOp, CommandLine, Outlets};
use super::life;
use super::namespaces::Namespaces;
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

/// How a child is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth<'a> {
    /// What it works on.
    pub(crate) memory: Memory,
    /// New ones of its own.
    pub(crate) namespaces: Namespaces,
    /// The process namespace that it is born into, as the supervisor's child all the same.
    pub(crate) inside: Option<BorrowedFd<'a>>,
    /// The directory of the control group that it is born into.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
}

impl Birth<'_> {
    /// As the supervisor itself is.
    pub(crate) const fn plain(memory: Memory) -> Self {
        Self { memory, namespaces: Namespaces::NONE, inside: None, cgroup: None }
    }
}

/// clone3 was refused once; see [`is_missing`].
static WITHOUT_CLONE3: AtomicBool = AtomicBool::new(false);

/// linux/sched.h; libc has it as an int, into which it does not fit.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
pub(super) const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What a child with lent memory has for its own stack.
const STACK: usize = 64 * 1024;

/// Starts a child that takes these steps and then executes the command.
pub(crate) fn spawn(ops: &[ChildOp], command: &mut CommandLine, birth: Birth<'_>) -> io::Result<Spawned> {
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let write = apart_from_targets(write, ops)?;
    // Until the child has reset its dispositions a signal would run the supervisor's handlers in the
    // child and write to the supervisor's own descriptor.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let mut pidfd: RawFd = -1;
    let mut child = Child {
        ops,
        command,
        outlets: Outlets {
            report: write.as_raw_fd(),
            life: life::shown().filter(|life| targets(ops).all(|to| to != *life)),
        },
        handlers_are_cleared: false,
        namespaces: birth.namespaces,
        cgroup: birth.cgroup.map(|cgroup| cgroup.as_raw_fd()),
        must_join: false,
    };
    let pid = match (birth.memory, birth.inside) {
        // SAFETY: signals are blocked; this process has one thread, so that no lock can be held by
        // another.
        (Memory::Copied, None) => unsafe { copy(&mut child, &mut pidfd, 0) },
        // SAFETY: as above.
        (Memory::Copied, Some(inside)) => unsafe { copy_inside(&mut child, &mut pidfd, inside) },
        // SAFETY: signals are blocked.
        (Memory::Lent, _) => unsafe { lend(&mut child, &mut pidfd) },
    };
    let _ = before.thread_set_mask();
    let pid = pid?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Spawned { pid, pidfd, report: read })
}

/// The numbers that steps of the child make something else of.
fn targets(ops: &[ChildOp]) -> impl Iterator<Item = RawFd> {
    ops.iter().filter_map(|op| match op {
        ChildOp::Redirect { to, .. } => Some(*to),
        ChildOp::NewSession
        | ChildOp::NewProcessGroup
        | ChildOp::LimitOpenFiles(_)
        | ChildOp::ChangeDirectory(_)
        | ChildOp::Mount(_)
        | ChildOp::Credential(_)
        | ChildOp::HandOverNamespaces { .. }
        | ChildOp::JoinNamespace { .. }
        | ChildOp::LeaveNamespaces(_)
        | ChildOp::Write { .. }
        | ChildOp::CloseOthers { .. }
        | ChildOp::CheckDirectory
        | ChildOp::Await { .. }
        | ChildOp::DieWithParent => None,
    })
}

/// The report pipe under a number that no step of the child redirects: it would report into a file.
fn apart_from_targets(write: OwnedFd, ops: &[ChildOp]) -> io::Result<OwnedFd> {
    match targets(ops).max() {
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
    outlets: Outlets,
    handlers_are_cleared: bool,
    namespaces: Namespaces,
    cgroup: Option<RawFd>,
    /// It was not born in its control group, and joins it first of all.
    must_join: bool,
}

impl Child<'_> {
    /// What the child does.
    ///
    /// # Safety
    /// Only in a child of clone, with all signals blocked. Where it shares memory with its parent, the
    /// parent must be waiting.
    unsafe fn run(&mut self) -> ! {
        let to_reset = signals::to_reset(self.handlers_are_cleared);
        if let (true, Some(cgroup)) = (self.must_join, self.cgroup) {
            // SAFETY: the caller's contract.
            unsafe { child::join_cgroup(cgroup, self.outlets.report) }
        }
        // SAFETY: the caller's contract; `report` is the write end of a pipe whose read end is closed on
        // exec.
        unsafe { child::run(self.ops, self.command, to_reset, self.outlets) }
    }
}

/// fork(2) with a pidfd. Returns in the parent only. `more` are flags beside those that the child asks for.
///
/// # Safety
/// All signals are blocked and the process has one thread.
unsafe fn copy(child: &mut Child<'_>, pidfd: &mut RawFd, more: u64) -> io::Result<i32> {
    let more = more | child.namespaces.flags();
    if !WITHOUT_CLONE3.load(Ordering::Relaxed) {
        // SAFETY: clone_args is plain old data for which all zeroes means "as fork".
        let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
        args.flags = (libc::CLONE_PIDFD as u64) | CLONE_CLEAR_SIGHAND | more;
        args.pidfd = std::ptr::from_mut(pidfd) as u64;
        // A sibling of its maker has the signal of that one (clone(2), CLONE_PARENT).
        args.exit_signal = if more & libc::CLONE_PARENT as u64 == 0 { libc::SIGCHLD as u64 } else { 0 };
        if let Some(cgroup) = child.cgroup {
            args.flags |= CLONE_INTO_CGROUP;
            args.cgroup = cgroup as u64;
        }
        child.must_join = false;
        child.handlers_are_cleared = true;
        // SAFETY: `args` is a live clone_args of the size given; the child has its own memory and does
        // nothing but `run`.
        match result(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of_val(&args)) }) {
            // SAFETY: this is the child.
            Ok(0) => unsafe { child.run() },
            // It may also speak of the namespaces asked for: clone(2) will say the same of them.
            Err(error) if is_missing(&error) => {
                let is_plain = more == 0 && child.cgroup.is_none();
                if is_plain || error.raw_os_error() == Some(libc::ENOSYS) {
                    WITHOUT_CLONE3.store(true, Ordering::Relaxed);
                }
            }
            other => return other,
        }
    }
    child.handlers_are_cleared = false;
    child.must_join = true;
    let flags = libc::CLONE_PIDFD as u64 | libc::SIGCHLD as u64 | more;
    // SAFETY: without a new stack the child runs on a copy of this one; the third argument is where
    // CLONE_PIDFD stores the descriptor, on every architecture but those with swapped arguments.
    match result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, std::ptr::from_mut(pidfd), 0, 0) }) {
        // SAFETY: this is the child.
        Ok(0) => unsafe { child.run() },
        other => other,
    }
}

/// As [`copy`], but the child is born into a process namespace, and is ours all the same: a child that
/// joined the namespace makes it for us and ends. It works on our memory and descriptors, and we wait for
/// it, so that what it finds out is ours; joining for ourselves would be for ever in a user namespace.
///
/// # Safety
/// All signals are blocked and the process has one thread.
unsafe fn copy_inside(child: &mut Child<'_>, pidfd: &mut RawFd, inside: BorrowedFd<'_>) -> io::Result<i32> {
    struct Middle<'m, 'c> {
        child: &'m mut Child<'c>,
        pidfd: &'m mut RawFd,
        inside: RawFd,
        /// The number of the child in our own namespace is told by its pidfd; this is an error or 0.
        errno: i32,
    }
    extern "C" fn middle(argument: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the argument is the `Middle` below, which nobody else uses while the parent waits.
        let middle = unsafe { &mut *argument.cast::<Middle<'_, '_>>() };
        // SAFETY: numbers only.
        let joined = unsafe { libc::setns(middle.inside, libc::CLONE_NEWPID) };
        let made = result(joined.into())
            // SAFETY: all signals are blocked, here too; the parent, whose memory this is, waits.
            .and_then(|_| unsafe { copy(middle.child, middle.pidfd, libc::CLONE_PARENT as u64) });
        middle.errno = made.err().and_then(|error| error.raw_os_error()).unwrap_or(0);
        0
    }
    let mut stack = Vec::<u128>::with_capacity(STACK / size_of::<u128>());
    // SAFETY: one past the end of the allocation, from where a stack grows down.
    let top = unsafe { stack.as_mut_ptr().add(stack.capacity()) };
    let mut argument = Middle { child, pidfd, inside: inside.as_raw_fd(), errno: 0 };
    // With the signal that its sibling inherits: of one without, which is killed before it executes anything,
    // nobody would hear, and the process namespace whose first process has ended would wait for it for ever.
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES | libc::SIGCHLD;
    let pointer = (&raw mut argument).cast();
    // SAFETY: `middle` gets its argument and a stack that outlive it: the parent waits.
    let pid = result(unsafe { libc::clone(middle, top.cast(), flags, pointer) }.into())?;
    let errno = argument.errno;
    // SAFETY: a child of ours that has ended; no status is wanted.
    while unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL) } == -1
        && io::Error::last_os_error().raw_os_error() == Some(libc::EINTR)
    {}
    if errno != 0 {
        return Err(io::Error::from_raw_os_error(errno));
    }
    pid_of(*argument.pidfd)
}

/// The process id that a pidfd stands for, from its fdinfo.
fn pid_of(pidfd: RawFd) -> io::Result<i32> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{pidfd}"))?;
    let pid = text.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
    pid.filter(|pid| *pid > 0).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
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
