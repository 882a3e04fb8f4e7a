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
mod event;
mod facts;
mod outcome;
mod phase;
mod pod_event;
mod reconcile;
mod record;
mod startup;
mod status;
mod stop;
mod time;
mod view;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub use action::{Action, Target};
pub use event::{
    AttemptId, Event, Exit, ExitStatus, HookOutcome, ProbeOutcome, RunId, Signal, StartFailure, StartStage,
    StopRequest, Text,
};
pub use outcome::Cause;
pub use phase::{Progress, phase};
pub use pod_event::{KillingReason, PodEvent};
use record::{Record, Records, StopStep};
pub use status::{
    ContainerState, ContainerStatus, Phase, PodStatus, Terminated, TerminatedReason, WaitingReason,
};
use stop::PodStop;
pub use stop::StopCause;
pub use time::{Now, Time, Timestamp};

use crate::spec::{Container, ContainerId, ContainerKind, Pod};

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
    next_run: u64,
    actions: VecDeque<Action>,
    /// Something is known that `reconcile` has not seen.
    dirty: bool,
    /// The status differs from the one last announced.
    status_changed: bool,
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
        let records = pod.iter().map(|(_, kind, c)| Record::new(kind, Arc::clone(&c.image))).collect();
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
            next_run: 0,
            actions: VecDeque::new(),
            dirty: true,
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
        self.dirty = true;
        self.learn(event);
    }

    /// Takes note of the time. Afterwards [`poll_timeout`](Self::poll_timeout) is `None` or later.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        self.dirty = true;
    }

    /// The next thing to do, if there is one.
    pub fn poll_action(&mut self) -> Option<Action> {
        if self.dirty {
            self.dirty = false;
            self.reconcile();
            if std::mem::take(&mut self.status_changed) {
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
        self.records.iter().filter_map(|(_, record)| self.timeout_of(record)).min()
    }

    fn timeout_of(&self, record: &Record) -> Option<Time> {
        let Some(live) = record.live() else {
            return record.refusal.as_ref().map(|refusal| refusal.until);
        };
        match &live.stop {
            Some(stop) if matches!(stop.step, StopStep::Killed(_)) && !self.is_ending() => None,
            Some(stop) => Some(stop.due()),
            None => live.stage.startup().and_then(|startup| startup.timeout()),
        }
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

    /// Whether a main container's main process runs or is about to.
    fn is_any_main_up(&self) -> bool {
        self.records.of(ContainerKind::Main).any(|(_, record)| record.is_up())
    }
}
