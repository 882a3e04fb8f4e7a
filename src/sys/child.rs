//! What a child does between clone and exec, as data, and the code that does it. Everything the child
//! touches was made before the clone: it does not allocate, lock, drop, log or panic.

mod credentials;
mod landlock;
mod mounts;

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;

use super::life;

pub(crate) use credentials::{CredentialOp, FilterInstruction, give_away};
pub(crate) use landlock::LandlockRule;
pub(crate) use mounts::{FileKind, From, MakeKind, MountOp, Slot};
use mounts::{SLOTS, Slots};

use super::namespaces::{Namespaces, unshare};

/// One step of a child on its way to exec. A step that fails ends the child.
#[derive(Debug)]
pub(crate) enum ChildOp {
    /// Lead a new session, without a terminal (setsid(2)).
    NewSession,
    /// Lead a new process group (setpgid(2)).
    NewProcessGroup,
    /// `to` becomes what `from` is.
    Redirect { from: RawFd, to: RawFd },
    /// Soft limit of open files, as it was before the supervisor raised its own.
    LimitOpenFiles(u64),
    /// Change the working directory.
    ChangeDirectory(CString),
    /// Makes a mount, or a part of one.
    Mount(MountOp),
    /// Gives rights away.
    Credential(CredentialOp),
    /// Sends descriptors of the child's own mount, process and control group namespaces through a socket:
    /// who is to join them later cannot open them himself once the program runs, if he may not trace it.
    HandOverNamespaces { socket: RawFd },
    /// Makes a terminal, which becomes the child's own and its standard descriptors, and sends its other side
    /// through a socket. In the child's own /dev, after [`NewSession`](Self::NewSession).
    Terminal { socket: RawFd, owner: Option<u32>, rows: u16, columns: u16 },
    /// Joins a namespace (setns(2)).
    JoinNamespace { namespace: RawFd },
    /// Leaves namespaces of these kinds for new ones (unshare(2)).
    LeaveNamespaces(Namespaces),
    /// Writes to a file of /proc/self.
    Write { path: &'static CStr, bytes: Vec<u8> },
    /// Closes every descriptor from this one up, but the report and these. Before the working
    /// directory is changed: a path such as /proc/self/fd/7 would lead out of the container (CVE-2024-21626).
    CloseOthers { from: RawFd, but: [Option<RawFd>; 3] },
    /// Fails unless the working directory is below the root: getcwd(2) then begins with `/`.
    CheckDirectory,
    /// Waits until somebody counts this eventfd(2) up.
    Await { event: RawFd },
    /// Be killed when the supervisor ends (PR_SET_PDEATHSIG). After everything that clears it.
    DieWithParent,
}

/// What to execute.
#[derive(Debug)]
pub(crate) struct CommandLine {
    program: Program,
    /// Pointers to the arguments, then a null pointer, as execve(2) wants them.
    pointers: Vec<*const c_char>,
    /// The same for the environment.
    variables: Vec<*const c_char>,
    /// As `pointers`, for a script without `#!` that the shell reads: [1] is set by the child.
    shell: Vec<*const c_char>,
    /// Executed in place of a program that loses the signal of its parent's death.
    reaper: Option<Reaper>,
    /// What is pointed to.
    _strings: (Vec<CString>, Vec<Cow<'static, CStr>>),
}

/// A program that runs another one as its child.
#[derive(Debug)]
struct Reaper {
    /// Open, as [`Program::Open`].
    program: RawFd,
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

/// Where the program is.
#[derive(Debug)]
enum Program {
    /// Tried in order, as execvp(3) tries the entries of PATH. Not empty.
    Files(Vec<CString>),
    /// This open file. The caller keeps it open until the child has been made.
    Open(RawFd),
}

/// What the child reports when it cannot go on. Nothing is reported when exec succeeds: the report
/// pipe just closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartReport {
    /// The step with this index failed.
    Step { index: usize, errno: i32 },
    /// The control group could not be joined.
    Join { errno: i32 },
    /// No program could be executed.
    Exec { errno: i32 },
}

const SHELL: &CStr = c"/bin/sh";
/// In a report, the index that stands for exec.
const EXEC: i32 = -1;
/// The same for joining a control group.
const JOIN: i32 = -2;

impl CommandLine {
    /// `programs` are tried in order and must not be empty; `arguments` begin with the program's name.
    pub(crate) fn new(
        programs: Vec<CString>,
        arguments: Vec<CString>,
        environment: Vec<Cow<'static, CStr>>,
    ) -> Self {
        Self::with(Program::Files(programs), arguments, environment)
    }

    /// The same for a program that is open, not a script: execveat(2) finds it whatever its name is by now.
    pub(crate) fn of_open(
        program: BorrowedFd<'_>,
        arguments: Vec<CString>,
        environment: Vec<Cow<'static, CStr>>,
    ) -> Self {
        Self::with(Program::Open(program.as_raw_fd()), arguments, environment)
    }

    fn with(program: Program, arguments: Vec<CString>, environment: Vec<Cow<'static, CStr>>) -> Self {
        let null = std::ptr::null();
        let after_name = arguments.iter().skip(1).map(|argument| argument.as_ptr());
        let shell = [SHELL.as_ptr(), null].into_iter().chain(after_name).chain([null]).collect();
        let pointers = arguments.iter().map(|argument| argument.as_ptr()).chain([null]).collect();
        let variables = environment.iter().map(|variable| variable.as_ptr()).chain([null]).collect();
        let reaper = None;
        Self { program, pointers, variables, shell, reaper, _strings: (arguments, environment) }
    }

    /// Executes this open program with these words and the arguments where the program would change its user
    /// or gain capabilities: the kernel takes the signal of its parent's death from such (prctl(2)).
    pub(crate) fn with_reaper(mut self, program: BorrowedFd<'_>, words: Vec<CString>) -> Self {
        let own = self.pointers.iter().copied().filter(|pointer| !pointer.is_null());
        let pointers = words.iter().map(|word| word.as_ptr()).chain(own).chain([std::ptr::null()]).collect();
        self.reaper = Some(Reaper { program: program.as_raw_fd(), pointers, _strings: words });
        self
    }

    /// Executes the first program that can be. Returns why none could.
    ///
    /// # Safety
    /// As [`run`].
    pub(super) unsafe fn execute(&mut self) -> c_int {
        let environment = self.variables.as_ptr();
        let mut denied = false;
        let programs = match &self.program {
            Program::Files(programs) => programs,
            Program::Open(file) => {
                let (path, arguments) = (c"".as_ptr(), self.pointers.as_ptr());
                let (number, flags) = (libc::SYS_execveat, libc::AT_EMPTY_PATH);
                // SAFETY: path, arguments and environment are null-terminated and live; a descriptor that is
                // none is refused.
                unsafe { libc::syscall(number, *file, path, arguments, environment, flags) };
                return errno();
            }
        };
        for program in programs {
            if let Some(reaper) = &self.reaper
                // SAFETY: as this function's.
                && unsafe { changes_rights(program) }
            {
                let (number, flags) = (libc::SYS_execveat, libc::AT_EMPTY_PATH);
                let (path, arguments) = (c"".as_ptr(), reaper.pointers.as_ptr());
                // SAFETY: path, arguments and environment are null-terminated and live: `_strings` own them.
                unsafe { libc::syscall(number, reaper.program, path, arguments, environment, flags) };
                return errno();
            }
            // SAFETY: program, arguments and environment are null-terminated and live: `_strings` owns them.
            unsafe { libc::execve(program.as_ptr(), self.pointers.as_ptr(), environment) };
            match errno() {
                libc::ENOEXEC => {
                    if let Some(script) = self.shell.get_mut(1) {
                        *script = program.as_ptr();
                    }
                    // SAFETY: as above; `script` points to a string that lives.
                    unsafe { libc::execve(SHELL.as_ptr(), self.shell.as_ptr(), environment) };
                    return libc::ENOEXEC;
                }
                libc::EACCES => denied = true,
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                other => return other,
            }
        }
        if denied { libc::EACCES } else { libc::ENOENT }
    }
}

/// Whether the program becomes somebody else or gains capabilities when it is executed.
///
/// # Safety
/// As [`run`].
unsafe fn changes_rights(program: &CStr) -> bool {
    // SAFETY: stat is plain old data that the kernel fills.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: a null-terminated path, and a stat that lives and may be filled.
    let is_there = unsafe { libc::stat(program.as_ptr(), &raw mut status) == 0 };
    let has_bits = status.st_mode & (libc::S_ISUID | libc::S_ISGID) != 0;
    let (name, none) = (c"security.capability".as_ptr(), std::ptr::null_mut());
    // SAFETY: null-terminated strings; nothing is written where the size is 0.
    is_there && (has_bits || unsafe { libc::getxattr(program.as_ptr(), name, none, 0) > 0 })
}

impl StartReport {
    /// What the child wrote, if it is a report.
    pub(crate) fn read(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        let errno = i32::from_ne_bytes([e, f, g, h]);
        match i32::from_ne_bytes([a, b, c, d]) {
            JOIN => Self::Join { errno },
            index => usize::try_from(index).map_or(Self::Exec { errno }, |index| Self::Step { index, errno }),
        }
    }
}

/// What a child knows its parent by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlets {
    /// Where it says that it cannot go on: the write end of a pipe whose read end the parent has.
    pub(super) report: RawFd,
    /// What tells whether the parent lives: as [`life::shown`] has it.
    pub(super) life: Option<RawFd>,
}

/// Takes the steps and executes the program; if that fails, reports and ends the process.
///
/// # Safety
/// Only in a child of clone, with all signals blocked; a parent that shares its memory waits. `report` is
/// the write end of a pipe whose read end only the parent has. `not_default` has a bit for each signal whose
/// disposition may not be the default.
pub(super) unsafe fn run(
    ops: &[ChildOp],
    command: &mut CommandLine,
    not_default: u64,
    Outlets { report, life }: Outlets,
) -> ! {
    let mut slots: Slots = [-1; SLOTS];
    for (index, op) in (0..).zip(ops) {
        // SAFETY: the caller's contract is this function's.
        if !unsafe { take(op, &mut slots, Outlets { report, life }) } {
            // SAFETY: as above.
            unsafe { fail(report, index) }
        }
    }
    // SAFETY: as above.
    unsafe { reset_signals(not_default) };
    // SAFETY: as above.
    let errno = unsafe { command.execute() };
    set_errno(errno);
    // SAFETY: as above.
    unsafe { fail(report, EXEC) }
}

/// Takes one step; false where it failed, with the cause in errno.
///
/// # Safety
/// As [`run`].
unsafe fn take(op: &ChildOp, slots: &mut Slots, outlets: Outlets) -> bool {
    match op {
        // SAFETY: no arguments.
        ChildOp::NewSession => unsafe { libc::setsid() != -1 },
        // SAFETY: numbers only.
        ChildOp::NewProcessGroup => unsafe { libc::setpgid(0, 0) == 0 },
        // SAFETY: numbers only; the child's descriptors are its own.
        ChildOp::Redirect { from, to } => unsafe { libc::dup2(*from, *to) != -1 },
        ChildOp::LimitOpenFiles(soft) => {
            // SAFETY: the rule of `run`.
            unsafe { limit_open_files(*soft) }
        }
        // SAFETY: a null-terminated string that lives.
        ChildOp::ChangeDirectory(path) => unsafe { libc::chdir(path.as_ptr()) == 0 },
        ChildOp::Mount(op) => told(mounts::take(op, slots)),
        ChildOp::Credential(op) => told(credentials::take(op)),
        // SAFETY: the rule of `run`.
        ChildOp::HandOverNamespaces { socket } => unsafe { hand_over_namespaces(*socket) },
        ChildOp::Terminal { socket, owner, rows, columns } => {
            // SAFETY: the rule of `run`.
            unsafe { terminal(*socket, *owner, *rows, *columns) }
        }
        // SAFETY: numbers only.
        ChildOp::JoinNamespace { namespace } => unsafe { libc::setns(*namespace, 0) == 0 },
        ChildOp::LeaveNamespaces(namespaces) => told(unshare(*namespaces)),
        // SAFETY: the rule of `run`.
        ChildOp::Write { path, bytes } => unsafe { write_file(path, bytes) },
        // SAFETY: the rule of `run`.
        ChildOp::CloseOthers { from, but } => unsafe { close_others(*from, *but, outlets) },
        ChildOp::CheckDirectory => {
            let mut path = [0_u8; libc::PATH_MAX as usize];
            // SAFETY: as many bytes as given, which live and may be filled.
            let length = unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) };
            if length > 0 && path.first() != Some(&b'/') {
                set_errno(libc::EXDEV);
            }
            length > 0 && path.first() == Some(&b'/')
        }
        ChildOp::Await { event } => {
            let mut count = 0_u64;
            // SAFETY: eight bytes that live and may be filled.
            unsafe { libc::read(*event, (&raw mut count).cast(), size_of_val(&count)) == 8 }
        }
        ChildOp::DieWithParent => {
            // SAFETY: numbers only.
            let set = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            // SAFETY: the rule of `run`.
            set == 0 && unsafe { parent_lives(outlets) }
        }
    }
}

/// Whether it was done; where not, the cause is in errno.
fn told(done: Result<(), Errno>) -> bool {
    done.map_err(|errno| set_errno(errno as c_int)).is_ok()
}

/// # Safety
/// As [`run`].
unsafe fn close_others(mut from: RawFd, but: [Option<RawFd>; 3], outlets: Outlets) -> bool {
    let Outlets { report, life } = outlets;
    let [one, other, third] = but.map(|kept| kept.unwrap_or(report));
    let mut kept = [report, life.unwrap_or(report), one, other, third];
    kept.sort_unstable();
    for kept in kept {
        // SAFETY: numbers only; the child's descriptors are its own.
        if kept > from && unsafe { libc::syscall(libc::SYS_close_range, from, kept - 1, 0) } != 0 {
            return false;
        }
        from = from.max(kept + 1);
    }
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_close_range, from, u32::MAX, 0) == 0 }
}

/// # Safety
/// As [`run`].
unsafe fn write_file(path: &CStr, bytes: &[u8]) -> bool {
    // SAFETY: a null-terminated path that lives. The descriptor is closed on exec.
    let file = unsafe { libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) };
    // SAFETY: as many bytes as given, which live and are only read.
    file != -1 && unsafe { libc::write(file, bytes.as_ptr().cast(), bytes.len()) != -1 }
}

/// Joins a control group before anything else is done; its directory is open. Ends the process where that
/// fails.
///
/// # Safety
/// As [`run`].
pub(super) unsafe fn join_cgroup(cgroup: RawFd, report: RawFd) {
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    // SAFETY: a null-terminated name that lives.
    let file = unsafe { libc::openat(cgroup, c"cgroup.procs".as_ptr(), flags) };
    // SAFETY: one byte that lives and is only read; 0 is the process that writes.
    if file == -1 || unsafe { libc::write(file, c"0".as_ptr().cast(), 1) } != 1 {
        // SAFETY: as above.
        unsafe { fail(report, JOIN) }
    }
}

/// The namespaces that [`hand_over_namespaces`] sends, in this order.
pub(super) const HANDED_OVER: [&CStr; 3] =
    [c"/proc/self/ns/mnt", c"/proc/self/ns/pid", c"/proc/self/ns/cgroup"];

/// # Safety
/// As [`run`].
unsafe fn hand_over_namespaces(socket: RawFd) -> bool {
    let mut namespaces = [-1; HANDED_OVER.len()];
    for (place, path) in namespaces.iter_mut().zip(HANDED_OVER) {
        // SAFETY: a null-terminated path that lives. The descriptor is closed on exec.
        *place = unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        if *place == -1 {
            return false;
        }
    }
    // SAFETY: the rule of `run`.
    unsafe { send(socket, &namespaces) }
}

/// The device that makes terminals (Documentation/admin-guide/devices.txt).
const PTMX: libc::dev_t = libc::makedev(5, 2);

/// # Safety
/// As [`run`].
unsafe fn terminal(socket: RawFd, owner: Option<u32>, rows: u16, columns: u16) -> bool {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: a null-terminated path that lives. The descriptor is closed on exec.
    let master = unsafe { libc::open(c"/dev/ptmx".as_ptr(), flags) };
    // SAFETY: stat is plain old data that the kernel fills.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `status` lives and may be filled.
    if master == -1 || unsafe { libc::fstat(master, &raw mut status) } != 0 {
        return false;
    }
    // Whatever else a root file system has of this name (CVE-2025-52565).
    if status.st_mode & libc::S_IFMT != libc::S_IFCHR || status.st_rdev != PTMX {
        set_errno(libc::ENODEV);
        return false;
    }
    let unlocked: c_int = 0;
    // SAFETY: reads one int, which lives.
    if unsafe { libc::ioctl(master, libc::TIOCSPTLCK, &raw const unlocked) } != 0 {
        return false;
    }
    // By the other side and not by a path (CVE-2025-52565).
    // SAFETY: numbers only.
    let slave = unsafe { libc::ioctl(master, libc::TIOCGPTPEER, flags) };
    if slave == -1 {
        return false;
    }
    // SAFETY: numbers only; the last leaves the group.
    let is_given = owner.is_none_or(|owner| unsafe { libc::fchown(slave, owner, libc::gid_t::MAX) } == 0);
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: reads a size, which lives.
    let is_sized = is_given && unsafe { libc::ioctl(master, libc::TIOCSWINSZ, &raw const size) } == 0;
    // SAFETY: numbers only.
    if !is_sized || unsafe { libc::ioctl(slave, libc::TIOCSCTTY, 0) } != 0 {
        return false;
    }
    for descriptor in 0..3 {
        // SAFETY: numbers only; the child's descriptors are its own.
        if unsafe { libc::dup2(slave, descriptor) } == -1 {
            return false;
        }
    }
    // SAFETY: the rule of `run`.
    unsafe { send(socket, &[master]) }
}

/// Sends descriptors, at most as many as [`HANDED_OVER`], through a socket.
///
/// # Safety
/// As [`run`].
unsafe fn send(socket: RawFd, descriptors: &[RawFd]) -> bool {
    // Room for one control message with these descriptors, aligned as the kernel wants it.
    let mut control = [0_u64; 8];
    let mut byte = [0_u8];
    let mut data = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    // SAFETY: msghdr is plain old data for which all zeroes is an empty message.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut data;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    let length = size_of_val(descriptors) as u32;
    // SAFETY: arithmetic.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(length) } as _;
    // SAFETY: the message has room for a header, as its length says.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    if header.is_null() {
        return false;
    }
    // SAFETY: arithmetic.
    let total = unsafe { libc::CMSG_LEN(length) } as _;
    // SAFETY: `header` points into `control`, which has room for a header.
    unsafe {
        *header = libc::cmsghdr { cmsg_len: total, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS }
    };
    // SAFETY: as above.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: after the header `control` has room for the descriptors.
    unsafe { std::ptr::copy_nonoverlapping(descriptors.as_ptr(), data.cast(), descriptors.len()) };
    // SAFETY: a message whose parts live.
    unsafe { libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) == 1 }
}

/// # Safety
/// As [`run`].
unsafe fn limit_open_files(soft: u64) -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives and may be filled.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return false;
    }
    limit.rlim_cur = soft;
    // SAFETY: `limit` lives and is only read.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0 }
}

/// Whether the parent was alive after PR_SET_PDEATHSIG: if it died before, no signal comes. Asked of
/// the report pipe, since getppid() is 0 across pid namespaces.
///
/// # Safety
/// As [`run`].
unsafe fn parent_lives(Outlets { report, life }: Outlets) -> bool {
    if let Some(file) = life {
        return life::is_alive(file);
    }
    let mut poll = libc::pollfd { fd: report, events: 0, revents: 0 };
    // SAFETY: one pollfd that lives.
    unsafe { libc::poll(&raw mut poll, 1, 0) };
    poll.revents & libc::POLLERR == 0
}

/// Every disposition becomes the default, and nothing is blocked. Handlers first: a signal that waits
/// must find the default, not a handler of the supervisor's.
///
/// # Safety
/// As [`run`].
unsafe fn reset_signals(not_default: u64) {
    for signal in (1..=64).filter(|signal| not_default & (1 << (signal - 1)) != 0) {
        // SAFETY: SIG_DFL is always a valid disposition; refusals (SIGKILL, SIGSTOP) do not matter.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // The C library keeps its own two to itself, and would hand on that somebody ignores them.
    let default = [0_u64; 4];
    for signal in [32, 33] {
        let (number, none) = (libc::SYS_rt_sigaction, std::ptr::null_mut::<u64>());
        // SAFETY: the kernel's sigaction, of which all zeroes is the default, and the size of its mask.
        unsafe { libc::syscall(number, signal, default.as_ptr(), none, size_of::<u64>()) };
    }
    // SAFETY: sigset_t is plain old data for which all zeroes is the empty set on Linux.
    let none: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `none` lives and is only read.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

/// Reports errno and ends the process.
///
/// # Safety
/// As [`run`].
unsafe fn fail(report: RawFd, index: i32) -> ! {
    let message = [index, errno()];
    // SAFETY: eight bytes that live and are only read; a pipe takes them whole.
    unsafe { libc::write(report, message.as_ptr().cast(), size_of_val(&message)) };
    // SAFETY: ends the process without running destructors or handlers, which belong to the parent.
    unsafe { libc::_exit(127) }
}

fn errno() -> c_int {
    // SAFETY: no arguments; the address of this thread's errno is always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *errno }
}

fn set_errno(value: c_int) {
    // SAFETY: no arguments; the address of this thread's errno is always valid.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    unsafe { *errno = value };
}
