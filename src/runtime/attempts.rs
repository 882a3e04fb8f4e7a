//! Attempts as processes: starting them, reading how the start went, reaping, and finding out when
//! nothing of an attempt is left.

mod adopted;
mod groups;
mod way;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::Epoll;
use nix::sys::signal::{Signal as NixSignal, killpg};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, pipe2};

pub(super) use way::{Executed, Reaper, cannot_create, why_not_executed};
use way::{Step, Way, command_line};

use super::cgroup::AttemptGroup;
use super::emergency;
use super::oom::OomScore;
use super::processes::{self, Descendant};
use super::sandbox::Enclosure;
use crate::plan::CommandPlan;
use crate::pod::{AttemptId, Signal, StartFailure, StartStage, Target};
use crate::spec::ContainerId;
use crate::sys::{self, Birth, ChildOp, CommandLine, Memory, Namespaces, StartReport};

/// What exists of one attempt.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) id: AttemptId,
    pid: i32,
    process: OwnedFd,
    /// Until it is known how the start went.
    start: Option<Underway>,
    marker: String,
    /// It leads a process group; otherwise it is in podinit's.
    leads_group: bool,
    /// Where its namespaces come from.
    handed_over: Option<OwnedFd>,
    /// Where its terminal comes from.
    terminal: Option<OwnedFd>,
    /// Namespaces of its own.
    own: Namespaces,
    /// Its process namespace is its own or the pod's.
    has_processes: bool,
    /// What who runs beside it joins: mounts, processes, control group.
    namespaces: OnceCell<Option<[OwnedFd; 3]>>,
    main_ended: bool,
    killed: bool,
    /// Who of what is left has been sent TERM, once that has begun.
    asked: Option<BTreeSet<i32>>,
    limits: Limits,
}

/// An attempt whose child is on its way to its program.
#[derive(Debug)]
struct Underway {
    report: OwnedFd,
    way: Way,
    /// What the child shares with us is copied when we let go of it.
    _command: CommandLine,
}

/// What the kernel is told of an attempt as a whole.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Knows best who is of the attempt.
    pub(super) group: Option<AttemptGroup>,
    /// How soon it is killed where memory is short; `None` is as podinit itself.
    pub(super) oom_score: Option<OomScore>,
}

/// All attempts of the pod that something is left of: at most one of each container.
#[derive(Debug)]
pub(super) struct Attempts {
    live: BTreeMap<ContainerId, Attempt>,
    by_pid: BTreeMap<i32, ContainerId>,
    /// What the markers of this pod begin with.
    pod: String,
    /// There is one container, to which everything belongs that is not podinit.
    is_single: bool,
    signal_group: bool,
    null: Option<OwnedFd>,
    /// The first process of the pod's process namespace, which adopts orphans in the supervisor's place.
    first_process: Option<i32>,
    /// Commands of hooks, and whose they are: they end with it, whatever they make of their environment.
    hooks: BTreeMap<i32, AttemptId>,
    /// Children that podinit had before it was podinit: `helper & exec podinit -- main` in a shell. They
    /// are nobody's.
    strangers: Vec<i32>,
    /// Groups of attempts that are over, with a process that was still on its way out.
    retired: Vec<AttemptGroup>,
}

/// How a start went.
#[derive(Debug)]
pub(super) enum Start {
    Running,
    Failed(StartFailure),
}

/// What a child is connected to.
pub(super) enum Stdio<'a> {
    /// The supervisor's own descriptors, in a process group of its own or, on a terminal, in podinit's.
    Inherited { own_group: bool },
    /// These pipes, /dev/null without one for its input, in a session of its own.
    Pipes { stdin: Option<&'a OwnedFd>, stdout: &'a OwnedFd, stderr: &'a OwnedFd },
    /// A terminal of its own, of this owner and size, in a session of its own.
    Terminal { owner: Option<u32>, size: (u16, u16) },
    /// The supervisor's own descriptors, in a session of its own: signals from the keyboard go to
    /// podinit.
    HandedOver,
}

/// What an attempt is given on its way.
#[derive(Default)]
pub(super) struct Provisions<'a> {
    /// What its limit of open files is.
    pub(super) open_files: Option<u64>,
    /// A descriptor of the supervisor's, and what it is to the container.
    pub(super) notify: Option<(RawFd, RawFd)>,
    /// Namespaces, mounts and rights.
    pub(super) enclosure: Enclosure,
    /// The process namespace that it is born into.
    pub(super) inside: Option<BorrowedFd<'a>>,
    /// Commands may be executed beside it.
    pub(super) is_joined: bool,
    /// What the kernel is told of it as a whole.
    pub(super) limits: Limits,
    /// Who runs the container's program.
    pub(super) reaper: Reaper<'a>,
    /// An eventfd(2) that its program waits for.
    pub(super) gate: Option<RawFd>,
}

impl Attempts {
    pub(super) fn new(containers: usize, signal_group: bool) -> Self {
        let began = super::clock::now().mono.as_nanos();
        Self {
            live: BTreeMap::new(),
            by_pid: BTreeMap::new(),
            pod: format!("{}-{began:x}/", std::process::id()),
            is_single: containers == 1,
            signal_group,
            null: None,
            first_process: None,
            hooks: BTreeMap::new(),
            strangers: if sys::has_children() { processes::own_children() } else { None }.unwrap_or_default(),
            retired: Vec::new(),
        }
    }

    /// What PODINIT_ATTEMPT says in the processes of this attempt, where they need to be told from
    /// those of others.
    pub(super) fn marker(&self, id: AttemptId) -> Option<String> {
        let number = id.container.position();
        (!self.is_single).then(|| format!("{}{number}/{}", self.pod, id.attempt))
    }

    /// Orphans are adopted by this process, not by the supervisor.
    pub(super) fn set_first_process(&mut self, pid: Option<i32>) {
        self.first_process = pid;
    }

    /// Starts an attempt. How that goes is reported later, through [`Attempts::report_of`].
    pub(super) fn start(
        &mut self,
        id: AttemptId,
        plan: CommandPlan,
        stdio: &Stdio<'_>,
        provisions: Provisions<'_>,
    ) -> Result<(), StartFailure> {
        let Provisions { open_files, notify, mut enclosure, inside, is_joined, limits, reaper, gate } =
            provisions;
        let mut way = Way::new(&plan);
        way.add_oom_score(limits.oom_score);
        way.add_all(std::mem::take(&mut enclosure.labels));
        match stdio {
            Stdio::Inherited { own_group: true } => {
                way.add(ChildOp::NewProcessGroup, Step::Own("make a process group"));
            }
            Stdio::Inherited { own_group: false } => {}
            Stdio::Pipes { stdin, stdout, stderr } => {
                way.add(ChildOp::NewSession, Step::Own("make a session"));
                let stdin = stdin.map_or_else(|| self.null(), |stdin| Ok(stdin.as_raw_fd()))?;
                for (from, to) in [(stdin, 0), (stdout.as_raw_fd(), 1), (stderr.as_raw_fd(), 2)] {
                    way.add(ChildOp::Redirect { from, to }, Step::Own("connect its descriptors"));
                }
            }
            Stdio::HandedOver | Stdio::Terminal { .. } => {
                way.add(ChildOp::NewSession, Step::Own("make a session"));
            }
        }
        // Last of the descriptors: whatever had this number is the child's no more.
        if let Some((from, to)) = notify {
            way.add(ChildOp::Redirect { from, to }, Step::Own("connect its descriptors"));
        }
        let namespaces = enclosure.namespaces;
        let mut born_in = namespaces;
        if let Some(users) = enclosure.users_of_pod {
            // Those of processes are left by being born, the others only by one of the pod's users.
            born_in = namespaces.and_only(Namespaces::PROCESS);
            way.add_users(std::mem::take(&mut enclosure.before), users, namespaces.without(born_in));
        }
        let handed_over = way.hand_over(is_joined && namespaces != Namespaces::NONE)?;
        let terminal = way::terminal(stdio, &mut enclosure)?;
        let has_processes = enclosure.has_first_process() || inside.is_some();
        let kept = [notify.map(|(_, to)| to), reaper.descriptor(), gate];
        way.add_enclosed(&plan, open_files, enclosure, kept);
        if let Some(event) = gate {
            way.add(ChildOp::Await { event }, Step::Own("wait for its turn"));
        }
        self.take_over(limits.group.as_ref());
        let memory = match stdio {
            // There is nothing else to look after until the only command runs.
            Stdio::Inherited { .. } => Memory::Lent,
            Stdio::HandedOver | Stdio::Pipes { .. } | Stdio::Terminal { .. } => Memory::Copied,
        };
        let birth = Birth {
            namespaces: born_in,
            inside,
            cgroup: limits.group.as_ref().map(AsFd::as_fd),
            ..Birth::plain(memory)
        };
        let mut command = command_line(plan, reaper);
        let spawned = match sys::spawn(&way.ops, &mut command, birth) {
            Ok(spawned) => spawned,
            Err(error) => {
                self.retire(limits.group);
                return Err(cannot_create(error));
            }
        };
        emergency::add(spawned.pid);
        self.by_pid.insert(spawned.pid, id.container);
        let marker = self.marker(id).unwrap_or_default();
        let attempt = Attempt {
            id,
            pid: spawned.pid,
            process: spawned.pidfd,
            start: Some(Underway { report: spawned.report, way, _command: command }),
            marker,
            leads_group: !matches!(stdio, Stdio::Inherited { own_group: false }),
            handed_over: handed_over.map(|(ours, _)| ours),
            terminal: terminal.map(|(ours, _)| ours),
            own: namespaces,
            has_processes,
            namespaces: OnceCell::new(),
            main_ended: false,
            killed: false,
            asked: None,
            limits,
        };
        self.live.insert(id.container, attempt);
        Ok(())
    }

    /// Executes a command beside a container: in its namespaces, with the rights of its processes.
    pub(super) fn execute(
        &mut self,
        id: AttemptId,
        plan: CommandPlan,
        open_files: Option<u64>,
        mut enclosure: Enclosure,
    ) -> Result<Executed, StartFailure> {
        let null = self.null()?;
        let mut way = Way::new(&plan);
        way.add_oom_score(self.oom_score(id));
        way.add_all(std::mem::take(&mut enclosure.labels));
        let output = way.add_pipe(null)?;
        let birth = Birth { cgroup: self.group(id).map(AsFd::as_fd), ..Birth::plain(Memory::Copied) };
        if enclosure.namespaces == Namespaces::NONE {
            way.join_users(enclosure.users_of_pod);
            way.add_enclosed(&plan, open_files, enclosure, [None; 3]);
            return way.execute(&mut command_line(plan, Reaper::Never), output, birth);
        }
        let attempt = self.live.get(&id.container).filter(|attempt| attempt.id == id);
        let attempt = attempt.filter(|attempt| !attempt.main_ended).ok_or_else(not_running)?;
        let [mounts, processes, cgroup] = attempt.namespaces().ok_or_else(not_running)?;
        // Joining what it has of the host is nothing to do, and takes a right that is the host's.
        let kinds = [(Namespaces::MOUNT, mounts), (Namespaces::CGROUP, cgroup)];
        for (_, namespace) in kinds.into_iter().filter(|(kind, _)| attempt.own.has(*kind)) {
            let join = ChildOp::JoinNamespace { namespace: namespace.as_raw_fd() };
            way.add(join, Step::Own("join the container"));
        }
        // Last: the others are joined by the supervisor's rights.
        way.join_users(enclosure.users_of_pod);
        way.add_enclosed(&plan, open_files, Enclosure { mounts: Vec::new(), ..enclosure }, [None; 3]);
        let inside = attempt.has_processes.then(|| processes.as_fd());
        let executed = way.execute(&mut command_line(plan, Reaper::Never), output, Birth { inside, ..birth });
        // Into a process namespace whose first process has ended none is born: the kernel has "no memory".
        executed.map_err(|failure| if attempt.has_ended() { not_running() } else { failure })
    }

    /// A command runs that ends with the attempt.
    pub(super) fn add_hook(&mut self, id: AttemptId, executed: &Executed) {
        self.hooks.insert(executed.pid, id);
    }

    /// The process with this number was reaped. The number may be another's from now on.
    pub(super) fn hook_ended(&mut self, pid: i32) {
        self.hooks.remove(&pid);
    }

    /// Process groups that the commands of the attempt's hooks lead.
    fn hooks_of(&self, id: AttemptId) -> impl Iterator<Item = i32> {
        self.hooks.iter().filter(move |(_, of)| **of == id).map(|(pid, _)| *pid)
    }

    /// How the start went, once that is known; asked again, `None`.
    pub(super) fn report_of(&mut self, container: ContainerId, epoll: &Epoll) -> Option<(AttemptId, Start)> {
        let attempt = self.live.get_mut(&container)?;
        let mut bytes = [0; 8];
        let Underway { report, way, .. } = attempt.start.as_ref()?;
        let start = match nix::unistd::read(report, &mut bytes) {
            Ok(8) => Start::Failed(way.failure(StartReport::read(bytes))),
            // Closed by exec, or by a signal that came before.
            Ok(_) => {
                if let Some(score) = attempt.limits.oom_score {
                    score.give(attempt.pid);
                }
                Start::Running
            }
            Err(_) => return None,
        };
        super::unwatch(epoll, report);
        attempt.start = None;
        let id = attempt.id;
        if let Start::Failed(_) = start {
            // The child ends by itself; it is reaped with the rest.
            self.forget(container, epoll);
        }
        Some((id, start))
    }

    /// The other side of the container's terminal, once its program runs.
    pub(super) fn take_terminal(&mut self, container: ContainerId) -> Option<OwnedFd> {
        let socket = self.live.get_mut(&container)?.terminal.take()?;
        sys::receive_descriptors(socket.as_fd()).map(|[master]| master)
    }

    /// The container whose main process has this number.
    pub(super) fn container_of(&self, pid: i32) -> Option<ContainerId> {
        self.by_pid.get(&pid).copied()
    }

    /// The main process was reaped.
    pub(super) fn main_ended(&mut self, container: ContainerId) -> Option<AttemptId> {
        let attempt = self.live.get_mut(&container)?;
        attempt.main_ended = true;
        self.by_pid.remove(&attempt.pid);
        emergency::remove(attempt.pid);
        Some(attempt.id)
    }

    /// Main processes have ended: the attempts of which nothing is left. What is left of one that was
    /// killed is killed too. `no_children` says that the supervisor has no children at all.
    pub(super) fn emptied(&self, no_children: bool, is_probe: impl Fn(i32) -> bool) -> Vec<AttemptId> {
        let ended = || self.live.values().filter(|attempt| attempt.main_ended);
        if ended().next().is_none() {
            return Vec::new();
        }
        let by_traces =
            || ended().any(|attempt| attempt.limits.group.is_none() && !attempt.ends_as_a_whole());
        let others =
            if no_children || !by_traces() { Some(Vec::new()) } else { self.unknown_children(is_probe) };
        let is_empty = |attempt: &&Attempt| match (&attempt.limits.group, &others) {
            (None, _) if attempt.ends_as_a_whole() => true,
            (Some(group), _) => {
                let is_populated = group.is_populated();
                if attempt.killed && is_populated {
                    group.kill();
                }
                !is_populated
            }
            (None, Some(others)) => {
                if attempt.killed {
                    processes::signal(&self.rest(attempt, others), libc::SIGKILL);
                }
                !others.iter().any(|pid| self.is_of(attempt, *pid))
            }
            // Without /proc there are process groups, and for a single container the children.
            (None, None) => {
                !self.is_single
                    && killpg(Pid::from_raw(attempt.pid), None) == Err(Errno::ESRCH)
                    && self.hooks_of(attempt.id).next().is_none()
            }
        };
        ended().filter(is_empty).map(|attempt| attempt.id).collect()
    }

    /// Nothing of the attempt is left, or what is left does not matter any more.
    pub(super) fn forget(&mut self, container: ContainerId, epoll: &Epoll) {
        if let Some(mut attempt) = self.live.remove(&container) {
            if let Some(group) = &mut attempt.limits.group {
                group.unwatch(epoll);
            }
            if let Some(start) = &attempt.start {
                super::unwatch(epoll, &start.report);
            }
            self.by_pid.remove(&attempt.pid);
            emergency::remove(attempt.pid);
            self.retire(attempt.limits.group);
        }
    }

    /// Ends an attempt that has not begun to run, and forgets it.
    pub(super) fn throw_away(&mut self, container: ContainerId, epoll: &Epoll) {
        if let Some(attempt) = self.live.get(&container) {
            let pid = attempt.pid;
            let _ = sys::send_signal(attempt.process.as_fd(), libc::SIGKILL);
            self.add_stranger(pid);
        }
        self.forget(container, epoll);
    }

    /// Sends a signal. What has ended meanwhile has no use for it.
    pub(super) fn signal(
        &mut self,
        id: AttemptId,
        signal: Signal,
        target: Target,
        is_probe: impl Fn(i32) -> bool,
    ) {
        let Some(attempt) = self.live.get(&id.container).filter(|attempt| attempt.id == id) else { return };
        match target {
            Target::Main if attempt.main_ended => {}
            Target::Main if self.signal_group => self.signal_main_group(attempt, signal.number()),
            Target::Main => {
                let _ = sys::send_signal(attempt.process.as_fd(), signal.number());
            }
            Target::Rest if signal == Signal::TERM => self.ask_rest(id, is_probe),
            Target::Rest => self.signal_rest(attempt, signal.number(), is_probe),
        }
    }

    /// SIGKILL for everything of the attempt, now and when more of it is found.
    pub(super) fn kill(&mut self, id: AttemptId, is_probe: impl Fn(i32) -> bool) {
        let Some(attempt) = self.live.get_mut(&id.container).filter(|attempt| attempt.id == id) else {
            return;
        };
        attempt.killed = true;
        let Some(attempt) = self.live.get(&id.container) else { return };
        if let Some(group) = &attempt.limits.group {
            group.kill();
            if !attempt.main_ended {
                let _ = sys::send_signal(attempt.process.as_fd(), libc::SIGKILL);
            }
            return;
        }
        if !attempt.main_ended {
            // The main process first: what it leaves behind becomes the supervisor's.
            let descendants = processes::with_descendants([attempt.pid]);
            if attempt.leads_group {
                signal_group(attempt.pid, libc::SIGKILL);
            }
            let _ = sys::send_signal(attempt.process.as_fd(), libc::SIGKILL);
            processes::signal(&descendants, libc::SIGKILL);
        }
        self.signal_rest(attempt, libc::SIGKILL, is_probe);
    }

    /// The supervisor had stopped with the main process and was let go on. A shell lets the whole job go on;
    /// whoever let only the supervisor go on meant the main process. That is not done twice: a second time
    /// might undo the next stop.
    pub(super) fn go_on(&self, container: ContainerId) {
        if let Some(attempt) = self.live.get(&container)
            && sys::is_still_stopped(attempt.pid)
        {
            let _ = sys::send_signal(attempt.process.as_fd(), libc::SIGCONT);
        }
    }

    /// Signals the main process's group. In podinit's own group there are strangers too: of those that
    /// are the command's, as far as /proc tells.
    fn signal_main_group(&self, attempt: &Attempt, signal: i32) {
        if attempt.leads_group {
            return signal_group(attempt.pid, signal);
        }
        let _ = sys::send_signal(attempt.process.as_fd(), signal);
        let mut children = processes::own_children().unwrap_or_default();
        children.retain(|pid| !self.strangers.contains(pid));
        let mut others = processes::with_descendants(children);
        others.retain(|other| other.pid != attempt.pid && processes::is_in_own_group(other.pid));
        processes::signal(&others, signal);
    }

    fn signal_rest(&self, attempt: &Attempt, signal: i32, is_probe: impl Fn(i32) -> bool) {
        if let Some(group) = &attempt.limits.group {
            return group.signal(signal, |pid| !is_probe(pid));
        }
        match self.unknown_children(is_probe) {
            Some(others) => processes::signal(&self.rest(attempt, &others), signal),
            // Without /proc: as PID 1 with one container everything else is the container's.
            None if self.is_single && std::process::id() == 1 => signal_everything(signal),
            None => {
                signal_group(attempt.pid, signal);
                self.hooks_of(attempt.id).for_each(|leader| signal_group(leader, signal));
            }
        }
    }

    /// The supervisor's children that are neither main processes nor probes: orphans it has adopted, and the
    /// commands of hooks.
    fn unknown_children(&self, is_probe: impl Fn(i32) -> bool) -> Option<Vec<i32>> {
        let mut children = processes::own_children()?;
        if let Some(first) = self.first_process {
            children.retain(|pid| *pid != first);
            children.extend(processes::children_of(first));
        }
        children
            .retain(|pid| !self.by_pid.contains_key(pid) && !self.strangers.contains(pid) && !is_probe(*pid));
        Some(children)
    }

    /// A child that is no container's, and nobody waits for here.
    pub(super) fn add_stranger(&mut self, pid: i32) {
        if !self.strangers.contains(&pid) {
            self.strangers.push(pid);
        }
    }

    /// Whether this was a child of before. Its number may be another's from now on.
    pub(super) fn stranger_ended(&mut self, pid: i32) -> bool {
        let before = self.strangers.len();
        self.strangers.retain(|stranger| *stranger != pid);
        self.strangers.len() != before
    }

    /// What is left of an attempt among these orphans, with everything they have started.
    fn rest(&self, attempt: &Attempt, orphans: &[i32]) -> Vec<Descendant> {
        processes::with_descendants(orphans.iter().copied().filter(|pid| self.is_of(attempt, *pid)))
    }

    /// Whether an orphan is the attempt's. What belongs to no attempt that can be told is the last one's.
    fn is_of(&self, attempt: &Attempt, orphan: i32) -> bool {
        if let Some(id) = self.hooks.get(&orphan) {
            return *id == attempt.id;
        }
        let traces = processes::Traces { leader: attempt.pid, marker: &attempt.marker, pod: &self.pod };
        self.is_single || self.live.len() == 1 || processes::belongs(orphan, &traces)
    }

    fn null(&mut self) -> Result<RawFd, StartFailure> {
        if self.null.is_none() {
            let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
            let null = open("/dev/null", flags, Mode::empty())
                // Without /dev a pipe that nobody writes to is as empty.
                .or_else(|_| pipe2(OFlag::O_CLOEXEC).map(|(read, _)| read));
            self.null = Some(null.map_err(cannot_create)?);
        }
        Ok(self.null.as_ref().map_or(-1, AsRawFd::as_raw_fd))
    }
}

impl Attempt {
    /// With its main process everything of it ends: that is the first of a process namespace.
    fn ends_as_a_whole(&self) -> bool {
        self.own.has(Namespaces::PROCESS)
    }

    /// Its main process has ended, whether or not it has been reaped.
    fn has_ended(&self) -> bool {
        let mut process = [PollFd::new(self.process.as_fd(), PollFlags::POLLIN)];
        poll(&mut process, PollTimeout::ZERO) == Ok(1)
    }

    /// What the child has sent before it executed its program.
    fn namespaces(&self) -> Option<&[OwnedFd; 3]> {
        self.namespaces.get_or_init(|| sys::receive_descriptors(self.handed_over.as_ref()?.as_fd())).as_ref()
    }
}

fn not_running() -> StartFailure {
    let message = "cannot execute it: the container is not running".to_owned();
    StartFailure { stage: StartStage::Create, errno: 0, message, retry: false }
}

fn signal_group(leader: i32, signal: i32) {
    // Real-time signals are beyond nix's names.
    let _ = sys::signal_group(leader, signal);
}

fn signal_everything(signal: i32) {
    let _ = NixSignal::try_from(signal).map(|signal| nix::sys::signal::kill(Pid::from_raw(-1), signal));
}
