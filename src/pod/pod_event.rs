//! What people are told about a pod while it runs: Kubernetes' event reasons and texts (rule 130).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::event::Text;
use super::job::JobFailure;
use crate::spec::{HookKind, ProbeKind};

/// Something worth telling. Written out only where somebody listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodEvent {
    /// A container's program runs.
    Started(Name),
    /// A container's program could not be run.
    Failed(Name, Text),
    /// A container is being stopped.
    Killing(Name, KillingReason),
    /// A container was killed because its grace period was over.
    ExceededGracePeriod(Name),
    /// A container keeps ending; its next start waits.
    BackOff(Name, Duration),
    /// A probe failed; for the last time if the container is now to be stopped for it.
    Unhealthy {
        /// Whose.
        name: Name,
        /// Which probe.
        probe: ProbeKind,
        /// What it said.
        output: Text,
        /// Its failure threshold is reached.
        is_final: bool,
    },
    /// A probe could not be carried out.
    ProbeError(Name, ProbeKind, Text),
    /// A probe succeeded with a warning (rule 62).
    ProbeWarning(Name, ProbeKind, Text),
    /// A hook failed. Why is not said: it may hold secrets (rule 68).
    FailedHook(Name, HookKind),
    /// A hook took longer than it may, or than the grace period.
    HookTookTooLong(Name, HookKind),
    /// A hook asked over plain HTTP, because HTTPS was not spoken there (rule 73).
    LifecycleHTTPFallback(Name, HookKind),
    /// The pod was active for longer than it may be (rule 92).
    DeadlineExceeded,
    /// A pod of a Job failed, and is tried again after `delay`.
    TryFailed {
        /// From now to the next try.
        delay: Duration,
        /// Tries that failed.
        failed: u32,
        /// How many may.
        limit: u32,
    },
    /// A pod of a Job is tried again.
    SuccessfulCreate,
    /// The Job has failed.
    JobFailed(JobFailure),
    /// A container is being given other resources.
    ResizeStarted(Name),
    /// A container has them.
    ResizeCompleted(Name),
    /// It could not be given them.
    ResizeError(Name, Text),
    /// Something of a container outlived SIGKILL; it is left behind.
    FailedKillPod(Name),
    /// The pod's surroundings could not be made.
    FailedCreatePodSandBox(Text),
    /// The pod's surroundings broke; everything starts anew (rule 23).
    SandboxChanged,
    /// The process that carries the pod's network died; it is started again.
    NetworkNotReady(Text),
    /// A changed manifest was not taken over.
    FailedValidation(Text),
    /// An action failed.
    FailedSync(Text),
}

/// A container's name.
pub type Name = Arc<str>;

/// Why a container is being stopped (rule 54).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillingReason {
    /// With the whole pod.
    PodStop,
    /// Its startup or liveness probe failed.
    Probe {
        /// Which.
        kind: ProbeKind,
        /// Whether it will start again.
        restarts: bool,
    },
    /// Its postStart hook failed (rule 68).
    PostStartHook,
    /// A container's exit restarts all (rule 103).
    RestartAllContainers,
    /// Its resources changed, and its resize policy says so (rule 174).
    Resize,
    /// Its part of the manifest changed (rule 17).
    DefinitionChanged,
    /// Somebody asked for a restart.
    RestartRequested,
}

impl PodEvent {
    /// Kubernetes' word for it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Started(_) => "Started",
            Self::Failed(..) => "Failed",
            Self::Killing(..) => "Killing",
            Self::ExceededGracePeriod(_) => "ExceededGracePeriod",
            Self::BackOff(..) => "BackOff",
            Self::Unhealthy { .. } | Self::ProbeError(..) => "Unhealthy",
            Self::ProbeWarning(..) => "ProbeWarning",
            Self::FailedHook(_, HookKind::PostStart) | Self::HookTookTooLong(_, HookKind::PostStart) => {
                "FailedPostStartHook"
            }
            Self::FailedHook(_, HookKind::PreStop) | Self::HookTookTooLong(_, HookKind::PreStop) => {
                "FailedPreStopHook"
            }
            Self::LifecycleHTTPFallback(..) => "LifecycleHTTPFallback",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::TryFailed { .. } => "BackOff",
            Self::SuccessfulCreate => "SuccessfulCreate",
            Self::JobFailed(failure) => failure.reason(),
            Self::ResizeStarted(_) => "ResizeStarted",
            Self::ResizeCompleted(_) => "ResizeCompleted",
            Self::ResizeError(..) => "ResizeError",
            Self::FailedKillPod(_) => "FailedKillPod",
            Self::FailedCreatePodSandBox(_) => "FailedCreatePodSandBox",
            Self::SandboxChanged => "SandboxChanged",
            Self::NetworkNotReady(_) => "NetworkNotReady",
            Self::FailedValidation(_) => "FailedValidation",
            Self::FailedSync(_) => "FailedSync",
        }
    }

    /// Whose it is; `None` where it is the pod's.
    pub fn container(&self) -> Option<&Name> {
        match self {
            Self::Started(name)
            | Self::Failed(name, _)
            | Self::Killing(name, _)
            | Self::ExceededGracePeriod(name)
            | Self::BackOff(name, _)
            | Self::Unhealthy { name, .. }
            | Self::ProbeError(name, ..)
            | Self::ProbeWarning(name, ..)
            | Self::FailedHook(name, _)
            | Self::HookTookTooLong(name, _)
            | Self::LifecycleHTTPFallback(name, _)
            | Self::ResizeStarted(name)
            | Self::ResizeCompleted(name)
            | Self::ResizeError(name, _)
            | Self::FailedKillPod(name) => Some(name),
            Self::FailedCreatePodSandBox(_)
            | Self::DeadlineExceeded
            | Self::TryFailed { .. }
            | Self::SuccessfulCreate
            | Self::JobFailed(_)
            | Self::SandboxChanged
            | Self::NetworkNotReady(_)
            | Self::FailedValidation(_)
            | Self::FailedSync(_) => None,
        }
    }

    /// Whether it is out of the ordinary (Kubernetes' type `Warning`).
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Started(_)
            | Self::SandboxChanged
            | Self::DeadlineExceeded
            | Self::SuccessfulCreate
            | Self::ResizeStarted(_)
            | Self::ResizeCompleted(_) => false,
            Self::Killing(_, reason) => match reason {
                KillingReason::Probe { .. } | KillingReason::PostStartHook => true,
                KillingReason::PodStop
                | KillingReason::DefinitionChanged
                | KillingReason::RestartRequested
                | KillingReason::RestartAllContainers
                | KillingReason::Resize => false,
            },
            Self::FailedHook(..)
            | Self::HookTookTooLong(..)
            | Self::LifecycleHTTPFallback(..)
            | Self::ResizeError(..)
            | Self::Failed(..)
            | Self::ExceededGracePeriod(_)
            | Self::BackOff(..)
            | Self::TryFailed { .. }
            | Self::JobFailed(_)
            | Self::Unhealthy { .. }
            | Self::ProbeError(..)
            | Self::ProbeWarning(..)
            | Self::FailedKillPod(_)
            | Self::FailedCreatePodSandBox(_)
            | Self::NetworkNotReady(_)
            | Self::FailedValidation(_)
            | Self::FailedSync(_) => true,
        }
    }
}

impl fmt::Display for PodEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started(name) => write!(f, "started container {name}"),
            Self::Failed(name, cause) => write!(f, "cannot start container {name}: {cause}"),
            Self::Killing(name, KillingReason::PodStop) => write!(f, "stopping container {name}"),
            Self::Killing(name, KillingReason::Probe { kind, restarts }) => {
                write!(f, "container {name} failed {} probe", kind.name().to_lowercase())?;
                f.write_str(if *restarts { ", will be restarted" } else { "" })
            }
            Self::Killing(name, KillingReason::PostStartHook) => {
                write!(f, "postStart hook of container {name} failed, stopping it")
            }
            Self::Killing(name, KillingReason::RestartAllContainers) => {
                write!(f, "stopping container {name}: all containers restart")
            }
            Self::Killing(name, KillingReason::Resize) => {
                write!(f, "container {name} will be restarted with other resources")
            }
            Self::Killing(name, KillingReason::DefinitionChanged) => {
                write!(f, "container {name} definition changed, will be restarted")
            }
            Self::Killing(name, KillingReason::RestartRequested) => {
                write!(f, "container {name} will be restarted, as asked")
            }
            Self::ExceededGracePeriod(name) => {
                write!(f, "container {name} did not end within its grace period, killed")
            }
            Self::BackOff(name, delay) => {
                write!(f, "back-off {} restarting failed container {name}", go_duration(*delay))
            }
            Self::Unhealthy { name, probe, output, .. } => {
                write!(f, "{} probe of container {name} failed: {output}", probe.name().to_lowercase())
            }
            Self::ProbeError(name, probe, output) => {
                let probe = probe.name().to_lowercase();
                write!(f, "cannot carry out {probe} probe of container {name}: {output}")
            }
            Self::ProbeWarning(name, probe, output) => {
                write!(f, "{} probe of container {name}: {output}", probe.name().to_lowercase())
            }
            Self::FailedHook(name, kind) => write!(f, "{} hook of container {name} failed", kind.name()),
            Self::HookTookTooLong(name, kind) => {
                write!(f, "{} hook of container {name} failed: it took too long", kind.name())
            }
            Self::LifecycleHTTPFallback(name, kind) => {
                let kind = kind.name();
                write!(f, "{kind} hook of container {name} asked over plain HTTP: there is no HTTPS")
            }
            Self::DeadlineExceeded => f.write_str("the pod was active for longer than it may be"),
            Self::TryFailed { delay, failed, limit } => {
                let delay = go_duration(*delay);
                write!(
                    f,
                    "the pod failed, trying it again in {delay} ({failed} of {limit} failures forgiven)"
                )
            }
            Self::SuccessfulCreate => f.write_str("trying the pod again"),
            Self::JobFailed(JobFailure::BackoffLimitExceeded) => {
                f.write_str("the job has failed: its backoffLimit is reached")
            }
            Self::JobFailed(JobFailure::DeadlineExceeded) => {
                f.write_str("the job has failed: it was active for longer than it may be")
            }
            Self::ResizeStarted(name) => write!(f, "giving container {name} other resources"),
            Self::ResizeCompleted(name) => write!(f, "container {name} has its new resources"),
            Self::ResizeError(name, cause) => {
                write!(f, "cannot give container {name} other resources: {cause}")
            }
            Self::FailedKillPod(name) => {
                write!(f, "cannot end container {name}: something of it outlives SIGKILL and is left behind")
            }
            Self::FailedCreatePodSandBox(cause) => write!(f, "cannot set up the pod: {cause}"),
            Self::NetworkNotReady(cause) => write!(f, "the pod has no way out of its network: {cause}"),
            Self::SandboxChanged => f.write_str("the pod's surroundings are gone, all containers start anew"),
            Self::FailedValidation(cause) => write!(f, "cannot take over the changed manifest: {cause}"),
            Self::FailedSync(cause) => f.write_str(cause),
        }
    }
}

/// A duration as Go writes it, and therefore Kubernetes: `10s`, `5m0s`, `200ms`.
pub(super) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = Duration::new(seconds % 60, duration.subsec_nanos()).as_secs_f64();
    match (hours, minutes) {
        (0, 0) => format!("{duration:?}"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_112_durations_read_as_in_kubernetes() {
        let shown = [0.2, 10.0, 80.0, 300.0, 3600.5].map(|s| go_duration(Duration::from_secs_f64(s)));
        assert_eq!(shown, ["200ms", "10s", "1m20s", "5m0s", "1h0m0.5s"]);
    }
}
