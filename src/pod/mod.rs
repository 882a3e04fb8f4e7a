//! The pod state machine: facts and time in, intentions and status out. Pure and deterministic. It
//! knows no clock, process or descriptor, so the same events at the same times always give the same
//! actions, and a whole life runs in microseconds in a test.
//!
//! The shape is quinn-proto's and kubelet's: an event only updates what is known, then `reconcile`
//! looks at the *whole* state and decides. Doing that twice changes nothing, and a case missed once is
//! repaired by the next event.
//!
//! A driver calls [`PodMachine::handle_event`] or [`PodMachine::handle_timeout`], drains
//! [`PodMachine::poll_action`], then sleeps until [`PodMachine::poll_timeout`].

mod action;
mod back_off;
mod conditions;
mod event;
mod event_log;
mod facts;
mod hook;
mod job;
mod network;
mod object;
mod outcome;
mod outlook;
mod phase;
mod pod_event;
mod probe;
mod reconcile;
mod record;
mod resize;
mod restart_all;
mod running;
mod status;
mod stop;
mod termination_message;
mod time;
mod view;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub use action::{Action, Target};
use conditions::Transitions;
pub use conditions::{Condition, ConditionType};
pub use event::{
    AttemptId, Event, Exit, ExitStatus, HookOutcome, ProbeOutcome, RunId, Signal, StartFailure, StartStage,
    StopRequest, Text,
};
pub use event_log::EventLog;
pub use job::{JobFailure, JobMachine, JobStatus};
use network::NetworkHelper;
pub use object::{Identity, kubernetes_pod};
pub use outcome::Cause;
pub use phase::{Progress, phase};
pub use pod_event::{KillingReason, PodEvent};
use record::{Record, Records, Resize, StopStep};
pub use status::{
    ContainerState, ContainerStatus, Phase, PodStatus, Terminated, TerminatedReason, WaitingReason,
};
use stop::PodStop;
pub use stop::StopCause;
pub use time::{Now, Time, Timestamp};

use crate::spec::{Container, ContainerId, ContainerKind, Pod};

/// Rule 92.
const DEADLINE_EXCEEDED: &str = "Pod was active on the node longer than the specified deadline";

/// How long a start that failed for a passing reason waits (rule 111).
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// One pod's life.
#[derive(Clone, Debug)]
pub struct PodMachine {
    pod: Pod,
    start_time: Timestamp,
    now: Now,
    sandbox: Sandbox,
    /// A main container has run since the sandbox was set up.
    initialized: bool,
    records: Records,
    /// The end of the pod, once it has begun.
    stop: Option<PodStop>,
    /// Who asked first that the pod stop.
    stop_request: Option<StopRequest>,
    exit_code_from: Option<ContainerId>,
    /// How long the pod had been active when this machine began, at that time (rule 92).
    active: (Duration, Time),
    /// Every container is being ended so that all start again from the first on (rule 102).
    restarting_all: bool,
    /// What carries the pod's network.
    network_helper: NetworkHelper,
    next_run: u64,
    /// Whose the probes, hooks and resizes are that somebody else carries out now.
    runs: BTreeMap<RunId, ContainerId>,
    actions: VecDeque<Action>,
    dirty: Dirty,
    /// Since when the conditions are what they are.
    transitions: Transitions,
    /// The status differs from the one last announced.
    status_changed: bool,
}

/// What `reconcile` has not seen yet. A pod of a thousand probes hears of one of them every millisecond,
/// and most results change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dirty {
    Nothing,
    /// Probes may be due.
    Probes,
    Everything,
}

/// The pod's shared surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sandbox {
    Absent,
    SettingUp,
    Ready,
    /// The pod is over.
    Finished,
}

impl PodMachine {
    /// A pod that has just been accepted. The first actions are ready to be polled.
    pub fn new(pod: Pod, now: Now) -> Self {
        let records = pod.iter().map(|(_, kind, container)| Record::new(kind, container)).collect();
        Self {
            pod,
            start_time: now.wall,
            now,
            sandbox: Sandbox::Absent,
            initialized: false,
            records: Records::new(records),
            stop: None,
            stop_request: None,
            exit_code_from: None,
            active: (Duration::ZERO, now.mono),
            restarting_all: false,
            network_helper: NetworkHelper::default(),
            next_run: 0,
            runs: BTreeMap::new(),
            actions: VecDeque::new(),
            dirty: Dirty::Everything,
            transitions: Transitions::new(now.wall),
            status_changed: false,
        }
    }

    /// The pod's exit code shall be this container's.
    #[must_use]
    pub fn exit_code_from(mut self, container: Option<ContainerId>) -> Self {
        self.exit_code_from = container;
        self
    }

    /// The pod as it is to be.
    pub fn pod(&self) -> &Pod {
        &self.pod
    }

    /// Takes note of a fact.
    pub fn handle_event(&mut self, now: Now, event: Event) {
        self.now = now;
        if !matches!(event, Event::ProbeDone { .. }) {
            self.dirty = Dirty::Everything;
        }
        self.learn(event);
    }

    /// Takes note of the time. Afterwards [`poll_timeout`](Self::poll_timeout) is `None` or later.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now.mono);
        let only_probes = !is_due(self.deadline())
            && !is_due(self.network_helper_due())
            && !self.records.iter().any(|(_, record)| is_due(self.timeout_of(record)));
        self.dirty = self.dirty.max(if only_probes { Dirty::Probes } else { Dirty::Everything });
    }

    /// The next thing to do, if there is one.
    pub fn poll_action(&mut self) -> Option<Action> {
        let dirty = std::mem::replace(&mut self.dirty, Dirty::Nothing);
        if dirty != Dirty::Nothing {
            match dirty {
                Dirty::Everything => self.reconcile(),
                Dirty::Probes | Dirty::Nothing => self.advance_probes(),
            }
            if std::mem::take(&mut self.status_changed) {
                self.note_conditions();
                self.actions.push_back(Action::StatusChanged);
            }
        }
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted at the latest; `None` is never. Asked
    /// after the actions have been drained.
    pub fn poll_timeout(&self) -> Option<Time> {
        if self.sandbox == Sandbox::Finished {
            return None;
        }
        let of_probes = |record: &Record| record.running().and_then(|running| running.probes.timeout());
        let of_records =
            self.records.iter().flat_map(|(_, record)| [of_probes(record), self.timeout_of(record)]);
        of_records.chain([self.deadline(), self.network_helper_due()]).flatten().min()
    }

    /// When something of a container is due, its probes aside.
    fn timeout_of(&self, record: &Record) -> Option<Time> {
        let Some(live) = record.live() else {
            return record.refusal.as_ref().map(|refusal| refusal.until);
        };
        match &live.stop {
            Some(stop) if matches!(stop.step, StopStep::Killed(_)) && !self.is_ending() => None,
            Some(stop) => Some(stop.due()),
            None => {
                let hook = record.running().and_then(|running| running.post_start.timeout());
                let resize = match record.resize {
                    Resize::Refused(until) => Some(until),
                    Resize::Settled | Resize::Asked(..) => None,
                };
                [hook, resize].into_iter().flatten().min()
            }
        }
    }

    /// When the pod has been active for as long as it may be, while that matters (rule 92).
    fn deadline(&self) -> Option<Time> {
        let (before, began) = self.active;
        let deadline = began + self.pod.active_deadline?.saturating_sub(before);
        self.stop.is_none_or(|stop| stop.cause == StopCause::SandboxLost).then_some(deadline)
    }

    fn container(&self, id: ContainerId) -> Option<&Container> {
        self.pod.container(id)
    }

    fn name(&self, id: ContainerId) -> Text {
        self.container(id).map_or_else(|| Arc::from(""), |container| Arc::clone(&container.name))
    }

    fn record(&mut self, event: PodEvent) {
        self.actions.push_back(Action::Record(event));
    }

    /// Gives up executions whose results matter no more.
    fn abandon(&mut self, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            if let Action::CancelProbe(run) | Action::AbandonHook(run) = &action {
                self.runs.remove(run);
            }
            self.actions.push_back(action);
        }
    }

    /// The number of an execution that somebody else is to carry out for this container.
    fn new_run(&mut self, id: ContainerId) -> RunId {
        let run = RunId(self.next_run);
        self.next_run += 1;
        self.runs.insert(run, id);
        run
    }

    /// Whether a main container's main process runs or is about to.
    fn is_any_main_up(&self) -> bool {
        self.records.of(ContainerKind::Main).any(|(_, record)| record.is_up())
    }
}
