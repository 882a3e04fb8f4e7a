//! What people are told about a pod while it runs: Kubernetes' event reasons and texts (rule 130).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::event::Text;

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
        /// What it said.
        output: Text,
        /// Its failure threshold is reached.
        is_final: bool,
    },
    /// A probe could not be carried out.
    ProbeError(Name, Text),
    /// A probe succeeded with a warning (rule 62).
    ProbeWarning(Name, Text),
    /// Something of a container outlived SIGKILL; it is left behind.
    FailedKillPod(Name),
    /// The pod's surroundings could not be made.
    FailedCreatePodSandBox(Text),
    /// The pod's surroundings broke; everything starts anew (rule 23).
    SandboxChanged,
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
    /// Its startup probe failed.
    StartupProbe {
        /// Whether it will start again.
        restarts: bool,
    },
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
            Self::FailedKillPod(_) => "FailedKillPod",
            Self::FailedCreatePodSandBox(_) => "FailedCreatePodSandBox",
            Self::SandboxChanged => "SandboxChanged",
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
            | Self::ProbeError(name, _)
            | Self::ProbeWarning(name, _)
            | Self::FailedKillPod(name) => Some(name),
            Self::FailedCreatePodSandBox(_)
            | Self::SandboxChanged
            | Self::FailedValidation(_)
            | Self::FailedSync(_) => None,
        }
    }

    /// Whether it is out of the ordinary (Kubernetes' type `Warning`).
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Started(_) | Self::SandboxChanged => false,
            Self::Killing(_, reason) => matches!(reason, KillingReason::StartupProbe { .. }),
            Self::Failed(..)
            | Self::ExceededGracePeriod(_)
            | Self::BackOff(..)
            | Self::Unhealthy { .. }
            | Self::ProbeError(..)
            | Self::ProbeWarning(..)
            | Self::FailedKillPod(_)
            | Self::FailedCreatePodSandBox(_)
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
            Self::Killing(name, KillingReason::StartupProbe { restarts: true }) => {
                write!(f, "container {name} failed startup probe, will be restarted")
            }
            Self::Killing(name, KillingReason::StartupProbe { restarts: false }) => {
                write!(f, "container {name} failed startup probe")
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
            Self::Unhealthy { name, output, .. } => {
                write!(f, "startup probe of container {name} failed: {output}")
            }
            Self::ProbeError(name, output) => {
                write!(f, "cannot carry out startup probe of container {name}: {output}")
            }
            Self::ProbeWarning(name, output) => write!(f, "startup probe of container {name}: {output}"),
            Self::FailedKillPod(name) => {
                write!(f, "cannot end container {name}: something of it outlives SIGKILL and is left behind")
            }
            Self::FailedCreatePodSandBox(cause) => write!(f, "cannot set up the pod: {cause}"),
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
