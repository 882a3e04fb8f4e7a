//! What the machine knows about one container. Facts only: what follows from them is decided in
//! `reconcile` and `stop`.

use std::ops::{Index, IndexMut};
use std::time::Duration;

use super::back_off::BackOff;
use super::event::{AttemptId, Exit, ExitStatus, StartFailure, Text};
use super::pod_event::KillingReason;
use super::startup::Startup;
use super::status::{TerminatedReason, WaitingReason};
use super::time::{Now, Time, Timestamp};
use crate::spec::{ContainerId, ContainerKind};

/// One container's record.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) kind: ContainerKind,
    /// What exists of it in the sandbox that stands.
    pub(super) state: State,
    /// How many attempts were made; the next one gets this number.
    pub(super) attempts: u32,
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
    /// Asked for; the program does not run yet. `previous` is how the attempt before ended.
    Starting { since: Now, previous: Option<Ended> },
    /// The program runs.
    Running { since: Now, startup: Startup },
    /// The main process ended; what it left behind is being ended.
    Emptying { ended: Ended, rest_signalled: bool },
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) end: End,
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
    /// Another attempt follows, whatever the policy.
    pub(super) then_restart: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StopStep {
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
    pub(super) fn new(kind: ContainerKind, image: Text) -> Self {
        Self {
            kind,
            state: State::Absent,
            attempts: 0,
            restart_count: 0,
            last: None,
            restart_requested: false,
            restart_intended: false,
            refusal: None,
            back_off: BackOff::default(),
            image,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.state, State::Live(_))
    }

    /// The main process runs or is about to.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Live(Live { stage: Stage::Starting { .. } | Stage::Running { .. }, .. }))
    }

    /// Running, and its startup probe is no concern any more (rule 55).
    pub(super) fn is_started(&self) -> bool {
        matches!(&self.state, State::Live(Live { stage: Stage::Running { startup, .. }, .. })
            if startup.succeeded())
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
            State::Absent
            | State::Live(Live { stage: Stage::Starting { .. } | Stage::Running { .. }, .. }) => None,
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
        self.restart_count += u32::from(self.last.is_some());
    }

    /// A restart was asked for by somebody who does not want to wait for a back-off.
    pub(super) fn request_restart(&mut self) {
        self.back_off = BackOff::default();
        if self.is_live() {
            self.restart_requested = true;
        } else {
            self.restart_intended = true;
        }
    }

    /// The newest attempt.
    pub(super) fn attempt(&self, container: ContainerId) -> AttemptId {
        AttemptId { container, attempt: self.attempts.saturating_sub(1) }
    }
}

impl Stage {
    /// The startup probe, while the program runs.
    pub(super) fn startup(&self) -> Option<&Startup> {
        match self {
            Self::Running { startup, .. } => Some(startup),
            Self::Starting { .. } | Self::Emptying { .. } => None,
        }
    }
}

impl Ended {
    /// It did not end with exit code 0.
    pub(super) fn is_failure(&self) -> bool {
        self.end.code() != 0
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

    pub(super) fn reason(&self) -> TerminatedReason {
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
    pub(super) fn new(deadline: Time, reason: KillingReason, then_restart: bool) -> Self {
        Self { deadline, step: StopStep::AwaitingTurn, reason, then_restart }
    }

    /// When the next step is due by itself.
    pub(super) fn due(&self) -> Time {
        match self.step {
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
