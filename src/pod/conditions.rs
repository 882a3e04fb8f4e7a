//! The pod's conditions (rules 122 to 125): what they are at this moment, and since when.

use super::event::Text;
use super::record::{Ended, Record, Resize};
use super::status::{ContainerStatus, Phase};
use super::time::Timestamp;
use super::{PodMachine, Sandbox};
use crate::spec::{ContainerKind, RestartAction};

/// A condition of the pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Which.
    pub kind: ConditionType,
    /// Whether it is true.
    pub status: bool,
    /// In a word, where there is something to say.
    pub reason: Option<&'static str>,
    /// For people.
    pub message: Option<Text>,
    /// When `status` last became what it is.
    pub last_transition_time: Timestamp,
}

/// The conditions that one host knows, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// The surroundings stand.
    PodReadyToStartContainers,
    /// The init containers are through.
    Initialized,
    /// The containers are ready, and every readiness gate is True.
    Ready,
    /// Every main container and sidecar is ready.
    ContainersReady,
    /// The pod is on a host.
    PodScheduled,
    /// All containers are being ended so that all start again. Only there where a rule may do that (rule 102).
    AllContainersRestarting,
    /// A container is being given other resources. Only there while it is so.
    PodResizeInProgress,
}

/// Since when each condition is what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transitions([(bool, Timestamp); 7]);

impl Transitions {
    /// Of a pod that was accepted at this time: nothing is true but that it is here.
    pub(super) fn new(start: Timestamp) -> Self {
        Self(ConditionType::ALL.map(|kind| (kind == ConditionType::PodScheduled, start)))
    }

    fn update(&mut self, now: Timestamp, is_true: impl Fn(ConditionType) -> bool) {
        for (kind, (status, since)) in ConditionType::ALL.into_iter().zip(&mut self.0) {
            let is_true = is_true(kind);
            if is_true != *status {
                (*status, *since) = (is_true, now);
            }
        }
    }

    fn since(&self, kind: ConditionType) -> Timestamp {
        let found = ConditionType::ALL.into_iter().zip(self.0).find(|(other, _)| *other == kind);
        found.map_or_else(Timestamp::default, |(_, (_, since))| since)
    }

    /// As a status shows them.
    pub(super) fn restore(&mut self, conditions: &[Condition]) {
        for (kind, slot) in ConditionType::ALL.into_iter().zip(&mut self.0) {
            if let Some(condition) = conditions.iter().find(|condition| condition.kind == kind) {
                *slot = (condition.status, condition.last_transition_time);
            }
        }
    }
}

impl ConditionType {
    /// In the order in which Kubernetes lists them.
    pub const ALL: [Self; 7] = [
        Self::PodReadyToStartContainers,
        Self::Initialized,
        Self::Ready,
        Self::ContainersReady,
        Self::PodScheduled,
        Self::AllContainersRestarting,
        Self::PodResizeInProgress,
    ];

    /// Kubernetes' word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PodReadyToStartContainers => "PodReadyToStartContainers",
            Self::Initialized => "Initialized",
            Self::Ready => "Ready",
            Self::ContainersReady => "ContainersReady",
            Self::PodScheduled => "PodScheduled",
            Self::AllContainersRestarting => "AllContainersRestarting",
            Self::PodResizeInProgress => "PodResizeInProgress",
        }
    }
}

impl PodMachine {
    /// Takes note of conditions that have changed. Builds no text: it is done at every change.
    pub(super) fn note_conditions(&mut self) {
        let mut transitions = self.transitions;
        transitions.update(self.now.wall, |kind| self.is_true(kind));
        self.transitions = transitions;
    }

    fn is_true(&self, kind: ConditionType) -> bool {
        match kind {
            ConditionType::PodReadyToStartContainers => self.sandbox == Sandbox::Ready,
            ConditionType::Initialized => {
                let mut records = self.records.iter();
                self.has_ever_run() || records.all(|(_, record)| !is_incomplete(record))
            }
            ConditionType::Ready => self.are_containers_ready() && self.pod.readiness_gates.is_empty(),
            ConditionType::ContainersReady => self.are_containers_ready(),
            ConditionType::PodScheduled => true,
            ConditionType::AllContainersRestarting => self.restarting_all,
            ConditionType::PodResizeInProgress => {
                self.records.iter().any(|(_, record)| record.resize != Resize::Settled)
            }
        }
    }

    fn is_shown(&self, kind: ConditionType) -> bool {
        match kind {
            ConditionType::AllContainersRestarting => self.pod.iter().any(|(_, _, container)| {
                let mut rules = container.restart_policy_rules.iter();
                rules.any(|rule| rule.action == RestartAction::RestartAllContainers)
            }),
            ConditionType::PodResizeInProgress => self.is_true(kind),
            ConditionType::PodReadyToStartContainers
            | ConditionType::Initialized
            | ConditionType::Ready
            | ConditionType::ContainersReady
            | ConditionType::PodScheduled => true,
        }
    }

    /// A main container runs or has, in this sandbox or an earlier one (rule 122).
    fn has_ever_run(&self) -> bool {
        self.records.of(ContainerKind::Main).any(|(_, record)| record.restart_count > 0 || record.has_run())
    }

    fn are_containers_ready(&self) -> bool {
        self.sandbox != Sandbox::Finished && self.records.iter().all(|(_, record)| !is_unready(record))
    }

    /// Every condition that is to be shown. `phase` is that of the same moment.
    pub(super) fn conditions(&self, phase: Phase, init: &[ContainerStatus]) -> Vec<Condition> {
        ConditionType::ALL
            .into_iter()
            .filter(|kind| self.is_shown(*kind))
            .map(|kind| {
                let status = self.is_true(kind);
                let (reason, message) = self.explanation(kind, status, phase, init);
                Condition {
                    kind,
                    status,
                    reason,
                    message: message.map(Text::from),
                    last_transition_time: self.transitions.since(kind),
                }
            })
            .collect()
    }

    fn explanation(
        &self,
        kind: ConditionType,
        status: bool,
        phase: Phase,
        init: &[ContainerStatus],
    ) -> (Option<&'static str>, Option<String>) {
        let is_over = match phase {
            Phase::Succeeded => Some("PodCompleted"),
            Phase::Failed => Some("PodFailed"),
            Phase::Pending | Phase::Running => None,
        };
        match kind {
            ConditionType::Initialized if phase == Phase::Succeeded => (is_over, None),
            ConditionType::Initialized if !status => {
                let is_unknown = init.len() < self.pod.init_containers.len();
                let what = if is_unknown { "unknown" } else { "incomplete" };
                let names = self.names(is_incomplete);
                let message = format!("containers with {what} status: {names}");
                (Some("ContainersNotInitialized"), Some(message))
            }
            ConditionType::Ready
            | ConditionType::ContainersReady
            | ConditionType::AllContainersRestarting
                if is_over.is_some() =>
            {
                (is_over, None)
            }
            ConditionType::Ready if !status && self.are_containers_ready() => {
                let missing = |gate: &Text| {
                    format!("corresponding condition of pod readiness gate \"{gate}\" does not exist.")
                };
                let gates: Vec<String> = self.pod.readiness_gates.iter().map(missing).collect();
                (Some("ReadinessGatesNotReady"), Some(gates.join(", ")))
            }
            ConditionType::Ready | ConditionType::ContainersReady if !status => {
                let message = format!("containers with unready status: {}", self.names(is_unready));
                (Some("ContainersNotReady"), Some(message))
            }
            ConditionType::AllContainersRestarting if status => {
                let message = "container exited with restart policy rule".to_owned();
                (Some("RestartAllContainersStarted"), Some(message))
            }
            ConditionType::PodResizeInProgress
                if self.records.iter().any(|(_, record)| matches!(record.resize, Resize::Refused(_))) =>
            {
                (Some("Error"), None)
            }
            ConditionType::Initialized
            | ConditionType::Ready
            | ConditionType::ContainersReady
            | ConditionType::PodReadyToStartContainers
            | ConditionType::PodScheduled
            | ConditionType::AllContainersRestarting
            | ConditionType::PodResizeInProgress => (None, None),
        }
    }

    /// As Go shows a list: `[a b]`.
    fn names(&self, is_meant: fn(&Record) -> bool) -> String {
        let meant = self.records.iter().filter(|(_, record)| is_meant(record));
        let names: Vec<Text> = meant.map(|(id, _)| self.name(id)).collect();
        format!("[{}]", names.join(" "))
    }
}

/// An init container that is not through, a sidecar that has not started (rule 122).
fn is_incomplete(record: &Record) -> bool {
    match record.kind {
        // What its main process left behind is nothing that its status shows.
        ContainerKind::Init => record.ended().is_none_or(Ended::is_failure),
        ContainerKind::Sidecar => !record.is_started(),
        ContainerKind::Main | ContainerKind::Ephemeral => false,
    }
}

/// A main container or sidecar that is not ready (rule 123).
fn is_unready(record: &Record) -> bool {
    match record.kind {
        ContainerKind::Sidecar | ContainerKind::Main => !record.is_ready(),
        ContainerKind::Init | ContainerKind::Ephemeral => false,
    }
}
