//! What the machine knows about one container. Facts only: what follows from them is decided in
//! `reconcile` and `stop`.

use std::ops::{Index, IndexMut};
use std::time::Duration;

use super::back_off::BackOff;
use super::event::{AttemptId, Exit, ExitStatus, RunId, StartFailure, Text};
use super::hook::{HookRun, PostStart};
use super::pod_event::KillingReason;
use super::probe::Probes;
use super::status::{TerminatedReason, WaitingReason};
use super::time::{Now, Time, Timestamp};
use crate::spec::{Container, ContainerId, ContainerKind, Notify, Resources};

/// One container's record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kind: ContainerKind,
    /// What exists of it in the sandbox that stands.
    pub(super) state: State,
    /// How many attempts were made; the next one gets this number.
    pub(super) attempts: u32,
    /// The number of its first attempt: not 0 where a Job tried the pod before.
    pub(super) first_attempt: u32,
    /// How often it was started again after an end.
    pub(super) restart_count: u32,
    /// How the attempt before the one in `state` ended.
    pub(super) last: Option<Ended>,
    /// Somebody asked for a restart of the attempt that is up.
    pub(super) restart_requested: bool,
    /// It ended because it was stopped in order to start anew: its policy is not asked.
    pub(super) restart_intended: bool,
    /// The next attempt is due but must wait.
    pub(super) refusal: Option<Refusal>,
    pub(super) back_off: BackOff,
    /// The image of the newest attempt, by which a changed definition is known (rule 17).
    pub(super) image: Text,
    /// The definition changed since the newest attempt was asked for.
    pub(super) changed: bool,
    /// It has started in the sandbox that stands, in this attempt or an earlier one.
    pub(super) has_started: bool,
    /// The resources of the newest attempt, and whether others are on their way.
    pub(super) resources: Resources,
    pub(super) resize: Resize,
}

/// How far a change of the resources of a running attempt is (rule 174).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resize {
    /// None, or not begun.
    Settled,
    /// These were asked for under this number; the answer has not come.
    Asked(RunId, Resources),
    /// They could not be given; asked for again at this time.
    Refused(Time),
}

#[derive(Clone, Debug)]
pub(super) enum State {
    /// No attempt was made in this sandbox.
    Absent,
    /// Something of the newest attempt may exist.
    Live(Live),
    /// Nothing of the newest attempt is left.
    Ended(Ended),
}

#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) stage: Stage,
    /// How it is being ended, if it is.
    pub(super) stop: Option<Stop>,
}

#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Asked for; the program does not run so far. `previous` is how the attempt before ended.
    Starting { since: Now, previous: Option<Ended> },
    /// The program runs.
    Running(Running),
    /// The main process ended; what it left behind is being ended.
    Emptying { ended: Ended, rest_signalled: bool },
}

/// A program that runs.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) since: Now,
    pub(super) post_start: PostStart,
    pub(super) notified: Notified,
    pub(super) probes: Probes,
    /// The hook is through, the container said so if it is to, the startup probe succeeded (rule 7).
    pub(super) started: bool,
}

/// What the container says about itself (sd_notify(3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notified {
    /// It is to say that it is ready, and has not.
    Awaited,
    /// It is ready, or nobody asked.
    Ready,
    /// It was ready and says that it is not any more.
    Withdrawn,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    /// Why it was being ended, if it was.
    pub(super) killed: Option<KillingReason>,
    /// When its program was started; when it was asked for if it never ran.
    pub(super) started: Timestamp,
    pub(super) finished: Now,
}

#[derive(Clone, Debug)]
pub(super) enum End {
    Exited(Exit),
    NeverRan(StartFailure),
}

/// The end of one attempt under way (rule 79): wait for its turn, signal, kill, give up.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// When the grace is over and the turn comes at the latest. Only ever moves forward (rule 78).
    pub(super) deadline: Time,
    pub(super) step: StopStep,
    pub(super) reason: KillingReason,
    pub(super) then: Then,
}

/// What follows a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Another attempt, whatever the policy.
    Restart,
    /// What rules and policy make of its exit code (rule 100).
    AsPolicySays,
    /// Nothing.
    Stay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopStep {
    /// Its preStop hook runs. It began with the stop itself, whoever else has to end first (rule 80).
    PreStop(HookRun),
    /// Others must end first (rule 81).
    AwaitingTurn,
    /// Signalled at this time; SIGKILL follows.
    Signalled(Time),
    /// SIGKILL was sent at this time. What does not go now never will (a process in D state).
    Killed(Time),
}

/// Why the next attempt waits.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: WaitingReason,
    pub(super) message: Text,
    pub(super) until: Time,
}

impl Record {
    pub(super) fn new(kind: ContainerKind, container: &Container) -> Self {
        Self {
            kind,
            state: State::Absent,
            attempts: 0,
            first_attempt: 0,
            restart_count: 0,
            last: None,
            restart_requested: false,
            restart_intended: false,
            refusal: None,
            back_off: BackOff::default(),
            image: Text::clone(&container.image),
            changed: false,
            has_started: false,
            resources: container.resources,
            resize: Resize::Settled,
        }
    }

    /// Attempts are numbered from here on.
    pub(super) fn number_from(&mut self, first: u32) {
        (self.first_attempt, self.attempts) = (first, first);
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// The main process runs or is about to.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Live(Live { stage: Stage::Starting { .. } | Stage::Running(_), .. }))
    }

    /// It runs or has, in the sandbox that stands.
    pub(super) fn has_run(&self) -> bool {
        self.running().is_some() || self.newest_end().is_some()
    }

    /// Running and started (rules 7, 55).
    pub(super) fn is_started(&self) -> bool {
        self.running().is_some_and(|running| running.started)
    }

    /// Running, started, and neither its readiness probe nor itself says otherwise (rule 55).
    pub(super) fn is_ready(&self) -> bool {
        self.running().is_some_and(Running::is_ready)
    }

    pub(super) fn running(&self) -> Option<&Running> {
        match &self.state {
            State::Live(Live { stage: Stage::Running(running), .. }) => Some(running),
            State::Live(Live { stage: Stage::Starting { .. } | Stage::Emptying { .. }, .. })
            | State::Absent
            | State::Ended(_) => None,
        }
    }

    pub(super) fn running_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            State::Live(Live { stage: Stage::Running(running), .. }) => Some(running),
            State::Live(Live { stage: Stage::Starting { .. } | Stage::Emptying { .. }, .. })
            | State::Absent
            | State::Ended(_) => None,
        }
    }

    pub(super) fn live(&self) -> Option<&Live> {
        match &self.state {
            State::Live(live) => Some(live),
            State::Absent | State::Ended(_) => None,
        }
    }

    pub(super) fn live_mut(&mut self) -> Option<&mut Live> {
        match &mut self.state {
            State::Live(live) => Some(live),
            State::Absent | State::Ended(_) => None,
        }
    }

    pub(super) fn set_stage(&mut self, stage: Stage) {
        if let Some(live) = self.live_mut() {
            live.stage = stage;
        }
    }

    /// How the newest attempt's main process ended, whether or not something of it is left.
    pub(super) fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Ended(ended) | State::Live(Live { stage: Stage::Emptying { ended, .. }, .. }) => {
                Some(ended)
            }
            State::Absent | State::Live(Live { stage: Stage::Starting { .. } | Stage::Running(_), .. }) => {
                None
            }
        }
    }

    /// The newest end of any attempt, in this sandbox or an earlier one.
    pub(super) fn newest_end(&self) -> Option<&Ended> {
        self.ended().or(self.last.as_ref())
    }

    /// The newest attempt's program ran, or failed to for good: from now on it counts.
    pub(super) fn count_attempt(&mut self) {
        let Some(Live { stage: Stage::Starting { previous, .. }, .. }) = self.live_mut() else { return };
        let previous = previous.take();
        self.last = previous.or(self.last.take());
        self.restart_count = self.restart_count.saturating_add(u32::from(self.last.is_some()));
    }

    /// A restart was asked for by somebody who does not want to wait for a back-off.
    pub(super) fn request_restart(&mut self) {
        self.back_off = BackOff::default();
        self.refusal = None;
        match &mut self.state {
            State::Absent
            | State::Ended(_)
            // What is left of it is being ended in any case.
            | State::Live(Live { stage: Stage::Emptying { .. }, .. }) => self.restart_intended = true,
            State::Live(Live { stop: None, .. }) => self.restart_requested = true,
            State::Live(Live { stop: Some(stop), .. }) => match stop.then {
                Then::AsPolicySays => stop.then = Then::Restart,
                Then::Restart | Then::Stay => {}
            },
        }
    }

    /// The newest attempt.
    pub(super) fn attempt(&self, container: ContainerId) -> AttemptId {
        AttemptId { container, attempt: self.attempts.saturating_sub(1) }
    }
}

impl Running {
    /// The program has just begun to run.
    pub(super) fn new(container: &Container, since: Now) -> Self {
        let notified = match container.notify {
            Some(Notify::Socket | Notify::Descriptor(_)) => Notified::Awaited,
            None => Notified::Ready,
        };
        Self {
            since,
            post_start: if container.post_start.is_some() { PostStart::Due } else { PostStart::Done },
            notified,
            probes: Probes::new(container, since.mono),
            started: false,
        }
    }

    /// Nothing holds back its being started (rule 7).
    pub(super) fn has_passed_every_gate(&self) -> bool {
        self.post_start == PostStart::Done
            && self.notified != Notified::Awaited
            && self.probes.startup_passed()
    }

    fn is_ready(&self) -> bool {
        self.started && self.notified == Notified::Ready && self.probes.is_ready()
    }
}

impl Ended {
    /// It did not end with exit code 0.
    pub(super) fn is_failure(&self) -> bool {
        self.code() != 0
    }

    /// It ended with exit code 0, and by itself.
    pub(super) fn has_succeeded(&self) -> bool {
        self.killed.is_none() && !self.is_failure()
    }

    /// As Kubernetes shows it: 137 for whatever was ended so that all containers restart (rule 105).
    pub(super) fn code(&self) -> u8 {
        match self.killed {
            Some(KillingReason::RestartAllContainers) => 137,
            Some(_) | None => self.end.code(),
        }
    }

    pub(super) fn reason(&self) -> TerminatedReason {
        match self.killed {
            Some(KillingReason::RestartAllContainers) => TerminatedReason::RestartingAllContainers,
            Some(_) | None => self.end.reason(),
        }
    }
}

impl End {
    /// As Kubernetes shows it: 128 where the program never ran (rule 128).
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Exited(exit) => exit.status.code(),
            Self::NeverRan(_) => 128,
        }
    }

    fn reason(&self) -> TerminatedReason {
        match self {
            Self::NeverRan(_) => TerminatedReason::StartError,
            Self::Exited(exit) => match exit.status {
                ExitStatus::Unknown => TerminatedReason::ContainerStatusUnknown,
                ExitStatus::Code(_) | ExitStatus::Signal(_) if exit.oom_killed => TerminatedReason::OOMKilled,
                ExitStatus::Code(0) => TerminatedReason::Completed,
                ExitStatus::Code(_) | ExitStatus::Signal(_) => TerminatedReason::Error,
            },
        }
    }
}

impl Stop {
    /// What a signalled container has at least, however little is left of the grace (rule 79).
    const MINIMUM: Duration = Duration::from_secs(2);
    /// How long the end of what was sent SIGKILL is waited for.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// A stop whose turn has not come.
    pub(super) fn new(deadline: Time, reason: KillingReason, then: Then) -> Self {
        Self { deadline, step: StopStep::AwaitingTurn, reason, then }
    }

    /// Whether a container that is stopped like this stays in the pod's plans: it may start again (rule 52).
    pub(super) fn keeps_pod(then: Then, reason: KillingReason) -> bool {
        match (then, reason) {
            // What becomes of it is known when its exit code is.
            (Then::Restart, _) | (Then::AsPolicySays, KillingReason::PostStartHook) => true,
            (Then::AsPolicySays | Then::Stay, _) => false,
        }
    }

    /// The hook under way that somebody else does.
    pub(super) fn hook_run(&self) -> Option<RunId> {
        match self.step {
            StopStep::PreStop(hook) => hook.run(),
            StopStep::AwaitingTurn | StopStep::Signalled(_) | StopStep::Killed(_) => None,
        }
    }

    /// When the next step is due by itself.
    pub(super) fn due(&self) -> Time {
        match self.step {
            StopStep::PreStop(hook) => hook.timeout().map_or(self.deadline, |until| until.min(self.deadline)),
            StopStep::AwaitingTurn => self.deadline,
            StopStep::Signalled(at) => self.deadline.max(at + Self::MINIMUM),
            StopStep::Killed(at) => at + Self::PATIENCE,
        }
    }
}

/// Every record of the pod, by id. Ids that come from outside are looked up with `get`; the
/// machine's own are right by construction.
#[derive(Clone, Debug)]
pub(super) struct Records(Vec<Record>);

impl Records {
    pub(super) fn new(records: Vec<Record>) -> Self {
        Self(records)
    }

    pub(super) fn push(&mut self, record: Record) {
        self.0.push(record);
    }

    pub(super) fn get_mut(&mut self, id: ContainerId) -> Option<&mut Record> {
        self.0.get_mut(id.position())
    }

    pub(super) fn ids(&self) -> impl DoubleEndedIterator<Item = ContainerId> + use<> {
        (0..self.0.len()).map(ContainerId::at)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (ContainerId, &Record)> {
        self.0.iter().enumerate().map(|(position, record)| (ContainerId::at(position), record))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (ContainerId, &mut Record)> {
        self.0.iter_mut().enumerate().map(|(position, record)| (ContainerId::at(position), record))
    }

    /// The records of one kind, in the pod's order.
    pub(super) fn of(&self, kind: ContainerKind) -> impl DoubleEndedIterator<Item = (ContainerId, &Record)> {
        self.iter().filter(move |(_, record)| record.kind == kind)
    }
}

impl Index<ContainerId> for Records {
    type Output = Record;

    #[expect(clippy::indexing_slicing, reason = "ids are made by `ids` and `iter` and records never go away")]
    fn index(&self, id: ContainerId) -> &Record {
        &self.0[id.position()]
    }
}

impl IndexMut<ContainerId> for Records {
    #[expect(clippy::indexing_slicing, reason = "ids are made by `ids` and `iter` and records never go away")]
    fn index_mut(&mut self, id: ContainerId) -> &mut Record {
        &mut self.0[id.position()]
    }
}
