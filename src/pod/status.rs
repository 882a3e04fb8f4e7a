//! The pod as Kubernetes would show it (rules 118 to 128). Computed from the machine's records when
//! asked for, and what a machine is restored from; never state of its own.

use super::conditions::Condition;
use super::event::{Signal, Text};
use super::time::Timestamp;

/// `status` of a Kubernetes Pod.
#[derive(Clone, Debug, PartialEq)]
pub struct PodStatus {
    /// Where the pod is in its life.
    pub phase: Phase,
    /// Why the pod has failed, where that is not its containers' doing.
    pub reason: Option<&'static str>,
    /// The same for people.
    pub message: Option<Text>,
    /// Every condition that is to be shown.
    pub conditions: Vec<Condition>,
    /// When the pod was accepted.
    pub start_time: Timestamp,
    /// One for each of `initContainers`, in order.
    pub init_container_statuses: Vec<ContainerStatus>,
    /// One for each of `containers`, in order.
    pub container_statuses: Vec<ContainerStatus>,
    /// One for each ephemeral container, in order.
    pub ephemeral_container_statuses: Vec<ContainerStatus>,
}

/// Rule 118.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not everything has been started yet.
    Pending,
    /// Everything was started and something still runs or will.
    Running,
    /// Every main container ended with 0 for good. Final.
    Succeeded,
    /// Something failed for good. Final.
    Failed,
}

/// One container's status (rule 126).
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerStatus {
    /// Name of the container.
    pub name: Text,
    /// Image as written.
    pub image: Text,
    /// What it is doing.
    pub state: ContainerState,
    /// How the attempt before ended.
    pub last_state: Option<Terminated>,
    /// Main and sidecar: started and running. Init: ended with 0 (rule 55).
    pub ready: bool,
    /// Running, and its startup probe succeeded if it has one (rule 55).
    pub started: bool,
    /// How often it was started again.
    pub restart_count: u32,
}

/// Exactly one of three.
#[derive(Clone, Debug, PartialEq)]
pub enum ContainerState {
    /// Not running, but it will or would.
    Waiting {
        /// Why.
        reason: WaitingReason,
        /// For people.
        message: Option<Text>,
    },
    /// Its main process runs.
    Running {
        /// Since when.
        started_at: Timestamp,
    },
    /// Its main process ended.
    Terminated(Terminated),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Terminated {
    /// 128+n for signal n.
    pub exit_code: u8,
    /// The signal that ended it.
    pub signal: Option<Signal>,
    /// In a word.
    pub reason: TerminatedReason,
    /// For people.
    pub message: Option<Text>,
    /// When its program was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// Rule 127, as far as one host knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingReason {
    /// The init containers come first.
    PodInitializing,
    /// Its turn has come.
    ContainerCreating,
    /// It keeps ending.
    CrashLoopBackOff,
    /// What to run could not be worked out.
    CreateContainerConfigError,
    /// Its process could not be made.
    CreateContainerError,
    /// Its postStart hook failed (rule 68).
    PostStartHookError,
    /// Every container of the pod starts again (rule 105).
    RestartingAllContainers,
}

/// Rule 128, as far as one host knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminatedReason {
    /// Exit code 0.
    Completed,
    /// Another exit code, or a signal.
    Error,
    /// The kernel ran out of memory for it.
    OOMKilled,
    /// Its program could not be run; exit code 128.
    StartError,
    /// Nobody saw how it ended; exit code 137 (rule 90).
    ContainerStatusUnknown,
    /// Ended so that every container of the pod starts again; exit code 137 (rule 105).
    RestartingAllContainers,
}

impl PodStatus {
    /// Every status in the pod's order: init containers, main, ephemeral.
    pub fn iter(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_container_statuses
            .iter()
            .chain(&self.container_statuses)
            .chain(&self.ephemeral_container_statuses)
    }

    /// The status of the container of this name.
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.iter().find(|status| &*status.name == name)
    }
}

impl WaitingReason {
    /// Kubernetes' word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PodInitializing => "PodInitializing",
            Self::ContainerCreating => "ContainerCreating",
            Self::CrashLoopBackOff => "CrashLoopBackOff",
            Self::CreateContainerConfigError => "CreateContainerConfigError",
            Self::CreateContainerError => "CreateContainerError",
            Self::PostStartHookError => "PostStartHookError",
            Self::RestartingAllContainers => "RestartingAllContainers",
        }
    }
}

impl TerminatedReason {
    /// Kubernetes' word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Error => "Error",
            Self::OOMKilled => "OOMKilled",
            Self::StartError => "StartError",
            Self::ContainerStatusUnknown => "ContainerStatusUnknown",
            Self::RestartingAllContainers => "RestartingAllContainers",
        }
    }
}
