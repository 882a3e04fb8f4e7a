//! A child's way to its program: its steps, what they are in words, and why they fail.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;

use super::{Attempts, Stdio};
use crate::plan::CommandPlan;
use crate::pod::{StartFailure, StartStage};
use crate::runtime::cause;
use crate::runtime::oom::{By, OomScore};
use crate::runtime::sandbox::{ChildSteps, Enclosure, Words};
use crate::spec::ContainerId;
use crate::sys::{self, Birth, ChildOp, CommandLine, CredentialOp, Memory, Namespaces, StartReport};

/// The step that a container refuses to podinit in it while parts of its own /proc are covered (ROOTLESS-04).
const PROC: &str = "mount /proc";
const UNCOVER: &str = "where parts of podinit's own are covered, as in a container, run that with \
                       `--security-opt systempaths=unconfined`, or the pod with `--profile process`";

/// What is made for a mount, as [`super::sandbox`] says it.
const PLACE: &str = "make a place to ";
const UNPACK: &str = "the directory is a user's that the pod does not have: unpack the image as this user, or put \
                      there what is to be mounted on";

/// Whether podinit's own program, which is open, runs the container's as its child.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::runtime) enum Reaper<'a> {
    /// It was asked for.
    Always(BorrowedFd<'a>),
    /// Where the program would not end with podinit (DEATH-10).
    IfNeeded(BorrowedFd<'a>),
    /// The program is executed itself.
    #[default]
    Never,
}

impl Reaper<'_> {
    pub(in crate::runtime) fn descriptor(self) -> Option<RawFd> {
        match self {
            Self::Always(program) | Self::IfNeeded(program) => Some(program.as_raw_fd()),
            Self::Never => None,
        }
    }
}

/// A command that runs beside a container.
#[derive(Debug)]
pub(in crate::runtime) struct Executed {
    pub(in crate::runtime) pid: i32,
    pub(in crate::runtime) process: OwnedFd,
    /// Its stdout and stderr; non-blocking.
    pub(in crate::runtime) output: OwnedFd,
    pub(super) report: OwnedFd,
    pub(super) way: Way,
}

/// A child's way to its program, and the words for where it may fail.
#[derive(Debug)]
pub(in crate::runtime) struct Way {
    pub(super) ops: Vec<ChildOp>,
    /// One for each of `ops`.
    pub(super) steps: Vec<Step>,
    pub(super) program: String,
}

/// A step of a start, in words for when it fails.
#[derive(Clone, Debug)]
pub(in crate::runtime) enum Step {
    Own(&'static str),
    Named(Words),
    ChangeDirectory(String),
}

const BIND: Step = Step::Own("bind it to podinit's life");

/// A pipe for a child's output; the end for writing is the supervisor's until the child has it.
pub(in crate::runtime) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) _write: OwnedFd,
}

impl Way {
    pub(in crate::runtime) fn new(plan: &CommandPlan) -> Self {
        Self { ops: Vec::new(), steps: Vec::new(), program: plan.shown.clone() }
    }

    pub(in crate::runtime) fn add(&mut self, op: ChildOp, step: Step) {
        self.ops.push(op);
        self.steps.push(step);
    }

    /// While /proc is the host's.
    pub(in crate::runtime) fn add_oom_score(&mut self, score: Option<OomScore>) {
        if let Some(OomScore { value, by: By::Itself }) = score {
            let (path, bytes) = (c"/proc/self/oom_score_adj", value.to_string().into_bytes());
            self.add(ChildOp::Write { path, bytes }, Step::Own("set its oom_score_adj"));
        }
    }

    pub(in crate::runtime) fn add_all(&mut self, steps: ChildSteps) {
        for (op, what) in steps {
            self.add(op, Step::Named(what));
        }
    }

    /// A session of its own, this input, and a pipe for what it prints.
    pub(in crate::runtime) fn add_pipe(&mut self, input: RawFd) -> Result<Pipe, StartFailure> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(cannot_create)?;
        fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(cannot_create)?;
        self.add(ChildOp::NewSession, Step::Own("make a session"));
        for (from, to) in [(input, 0), (write.as_raw_fd(), 1), (write.as_raw_fd(), 2)] {
            self.add(ChildOp::Redirect { from, to }, Step::Own("connect its descriptors"));
        }
        Ok(Pipe { read, _write: write })
    }

    pub(in crate::runtime) fn execute(
        self,
        command: &mut CommandLine,
        output: Pipe,
        birth: Birth<'_>,
    ) -> Result<Executed, StartFailure> {
        let spawned = sys::spawn(&self.ops, command, birth).map_err(cannot_create)?;
        let (process, report) = (spawned.pidfd, spawned.report);
        Ok(Executed { pid: spawned.pid, process, report, output: output.read, way: self })
    }

    /// Lets the child send its namespaces. Returns our end of the way, and the child's until it is there.
    pub(in crate::runtime) fn hand_over(
        &mut self,
        is_wanted: bool,
    ) -> Result<Option<(OwnedFd, OwnedFd)>, StartFailure> {
        if !is_wanted {
            return Ok(None);
        }
        let kind = SockType::SeqPacket;
        let ends = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC);
        let (ours, theirs) = ends.map_err(cannot_create)?;
        let op = ChildOp::HandOverNamespaces { socket: theirs.as_raw_fd() };
        self.add(op, Step::Own("hand over its namespaces"));
        Ok(Some((ours, theirs)))
    }

    /// What is done as the supervisor; then the child becomes root of the pod's users, and leaves these namespaces
    /// for some that are theirs.
    pub(in crate::runtime) fn add_users(&mut self, before: ChildSteps, users: RawFd, leaves: Namespaces) {
        self.add_all(before);
        self.join_users(Some(users));
        let become_root = "become root of the pod's users";
        self.add(ChildOp::Credential(CredentialOp::Groups(Vec::new())), Step::Own(become_root));
        self.add(ChildOp::Credential(CredentialOp::User { user: 0, group: 0 }), Step::Own(become_root));
        self.add(ChildOp::LeaveNamespaces(leaves), Step::Own("make namespaces of the pod's users"));
    }

    /// Joins the pod's users, where the supervisor is not among them.
    pub(in crate::runtime) fn join_users(&mut self, users: Option<RawFd>) {
        if let Some(namespace) = users {
            self.add(ChildOp::JoinNamespace { namespace }, Step::Own("join the pod's users"));
        }
    }

    /// What every child does last, inside of what surrounds it.
    pub(in crate::runtime) fn add_enclosed(
        &mut self,
        plan: &CommandPlan,
        open_files: Option<u64>,
        enclosure: Enclosure,
        kept: [Option<RawFd>; 3],
    ) {
        self.add_all(enclosure.mounts);
        if let Some(soft) = open_files {
            self.add(ChildOp::LimitOpenFiles(soft), Step::Own("set its limit of open files"));
        }
        if enclosure.is_closed {
            self.add(ChildOp::CloseOthers { from: 3, but: kept }, Step::Own("close podinit's descriptors"));
        }
        self.add_all(enclosure.users);
        if let Some(directory) = &plan.working_dir {
            let step = Step::ChangeDirectory(directory.to_string_lossy().into_owned());
            self.add(ChildOp::ChangeDirectory(directory.clone()), step);
        }
        if enclosure.is_closed {
            self.add(ChildOp::CheckDirectory, Step::Own("stay within the container's files"));
        }
        self.add(ChildOp::DieWithParent, BIND);
        self.add_all(enclosure.rights);
    }

    pub(in crate::runtime) fn failure(&self, report: StartReport) -> StartFailure {
        let (stage, errno, what) = match report {
            StartReport::Exec { errno } => (StartStage::Exec, errno, format!("run {:?}", self.program)),
            StartReport::Join { errno } => (StartStage::Create, errno, "join its control group".to_owned()),
            StartReport::Step { index, errno } => {
                let what = match self.steps.get(index) {
                    Some(Step::Own(what)) => (*what).to_owned(),
                    Some(Step::Named(what)) => what.clone().into_owned(),
                    Some(Step::ChangeDirectory(directory)) => {
                        format!("change to working directory {directory:?}")
                    }
                    None => "start it".to_owned(),
                };
                (StartStage::Create, errno, what)
            }
        };
        let why = match stage {
            StartStage::Exec => why_not_executed(&self.program, errno),
            StartStage::Config | StartStage::Create if what == PROC && errno == libc::EPERM => {
                format!("{}; {UNCOVER}", cause(Errno::from_raw(errno)))
            }
            StartStage::Config | StartStage::Create if what.starts_with(PLACE) && errno == libc::EACCES => {
                format!("{}; {UNPACK}", cause(Errno::from_raw(errno)))
            }
            StartStage::Config | StartStage::Create => cause(Errno::from_raw(errno)),
        };
        StartFailure { stage, errno, message: format!("cannot {what}: {why}"), retry: false }
    }
}

impl Executed {
    /// Executes podinit itself, whose file is open. It finds `input` on its standard input.
    pub(in crate::runtime) fn own(
        program: BorrowedFd<'_>,
        arguments: &[&CStr],
        input: BorrowedFd<'_>,
    ) -> Result<Self, StartFailure> {
        let mut way = Way { ops: Vec::new(), steps: Vec::new(), program: "podinit".to_owned() };
        let output = way.add_pipe(input.as_raw_fd())?;
        way.add(ChildOp::DieWithParent, BIND);
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let birth = Birth::plain(Memory::Copied);
        way.execute(&mut CommandLine::of_open(program, arguments, Vec::new()), output, birth)
    }

    /// Why the command was not executed, if it was not. Asked after its end.
    pub(in crate::runtime) fn failure(&self) -> Option<StartFailure> {
        let mut bytes = [0; 8];
        let count = nix::unistd::read(&self.report, &mut bytes);
        (count == Ok(bytes.len())).then(|| self.way.failure(StartReport::read(bytes)))
    }
}

impl Attempts {
    /// The descriptor on which the start of the container's attempt is reported.
    pub(in crate::runtime) fn report_fd(&self, container: ContainerId) -> Option<&OwnedFd> {
        self.live.get(&container)?.start.as_ref().map(|start| &start.report)
    }

    /// Whether it is known already that the container's attempt does not get as far as its program.
    pub(in crate::runtime) fn has_failed(&self, container: ContainerId) -> bool {
        self.report_fd(container).is_some_and(|report| {
            poll(&mut [PollFd::new(report.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) != Ok(0)
        })
    }
}

/// Why a program could not be executed.
pub(in crate::runtime) fn why_not_executed(program: &str, errno: i32) -> String {
    match errno {
        libc::ENOENT if !program.contains('/') => "not found in PATH".to_owned(),
        libc::ENOENT => "no such file, or its interpreter is missing".to_owned(),
        _ => cause(Errno::from_raw(errno)),
    }
}

pub(in crate::runtime) fn command_line(plan: CommandPlan, reaper: Reaper<'_>) -> CommandLine {
    let words = || [c"podinit", c"--"].map(CStr::to_owned).into_iter();
    match reaper {
        Reaper::Always(program) => {
            CommandLine::of_open(program, words().chain(plan.arguments).collect(), plan.environment)
        }
        Reaper::IfNeeded(program) => CommandLine::new(plan.programs, plan.arguments, plan.environment)
            .with_reaper(program, words().collect()),
        Reaper::Never => CommandLine::new(plan.programs, plan.arguments, plan.environment),
    }
}

/// Has the child make a terminal, where it is to have one: in its own /dev, which comes with its mounts. Returns
/// our end of the way on which it comes, and the child's until it is there.
pub(super) fn terminal(
    stdio: &Stdio<'_>,
    enclosure: &mut Enclosure,
) -> Result<Option<(OwnedFd, OwnedFd)>, StartFailure> {
    let Stdio::Terminal { owner, size: (rows, columns) } = *stdio else { return Ok(None) };
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(cannot_create)?;
    let op = ChildOp::Terminal { socket: theirs.as_raw_fd(), owner, rows, columns };
    enclosure.mounts.push((op, "give it a terminal".into()));
    Ok(Some((ours, theirs)))
}

/// A process, or what one needs, could not be made.
pub(in crate::runtime) fn cannot_create(error: impl Into<io::Error>) -> StartFailure {
    let error = error.into();
    let errno = error.raw_os_error().unwrap_or(0);
    let retry = matches!(errno, libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE);
    let message = format!("cannot make a process: {}", cause(error));
    StartFailure { stage: StartStage::Create, errno, message, retry }
}
