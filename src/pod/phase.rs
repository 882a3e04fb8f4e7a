//! The pod's phase from its containers' statuses (rule 118), decided as kubelet's getPhase does.

use super::status::{ContainerState, ContainerStatus, Phase, WaitingReason};
use crate::spec::{Container, ContainerId, ContainerKind, Pod, RestartPolicy};

/// What a status says that matters for the phase.
enum Seen {
    Waiting,
    Running {
        started: bool,
    },
    Ended {
        code: u8,
    },
    /// Down, and to start again with all others (rule 105).
    Restarting,
}

#[derive(Default)]
struct Count {
    waiting: usize,
    running: usize,
    ended: usize,
    succeeded: usize,
    restarting: usize,
}

/// What the statuses alone do not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// A main container has run since the pod's surroundings were last set up.
    pub initialized: bool,
    /// The pod is being ended and nothing of it will start again.
    pub terminal: bool,
}

/// The phase of `pod` whose containers have these statuses; a missing one counts as never run. Whether
/// an end leads to another attempt follows from policies and rules alone.
pub fn phase(pod: &Pod, init: &[ContainerStatus], main: &[ContainerStatus], progress: Progress) -> Phase {
    let by_policy =
        |id, code| pod.container(id).is_some_and(|container| restarts_after(pod, container, code));
    decide(pod, init, main, progress, &by_policy)
}

/// As [`phase`], with what is known about restarts beyond policies and rules.
pub(super) fn decide(
    pod: &Pod,
    init: &[ContainerStatus],
    main: &[ContainerStatus],
    progress: Progress,
    restarts: &dyn Fn(ContainerId, u8) -> bool,
) -> Phase {
    let mut count = Count::default();
    let mut initializing = false;
    let mut main = main.iter();
    let mut init = init.iter();
    for (id, kind, _) in pod.iter() {
        let seen = match kind {
            ContainerKind::Init | ContainerKind::Sidecar => seen(init.next()),
            ContainerKind::Main => seen(main.next()),
            ContainerKind::Ephemeral => continue,
        };
        match kind {
            ContainerKind::Init => match seen {
                Seen::Waiting | Seen::Running { .. } | Seen::Restarting => initializing = true,
                Seen::Ended { code } if code != 0 && !restarts(id, code) => return Phase::Failed,
                Seen::Ended { .. } => {}
            },
            ContainerKind::Sidecar => match seen {
                Seen::Running { started } => {
                    count.running += 1;
                    initializing |= !started && !progress.initialized;
                }
                Seen::Waiting => {
                    count.waiting += 1;
                    initializing |= !progress.initialized;
                }
                Seen::Ended { .. } | Seen::Restarting => {}
            },
            ContainerKind::Main | ContainerKind::Ephemeral => match seen {
                Seen::Waiting => count.waiting += 1,
                Seen::Running { .. } => count.running += 1,
                Seen::Restarting => {
                    count.ended += 1;
                    count.restarting += 1;
                }
                Seen::Ended { code } => {
                    count.ended += 1;
                    count.succeeded += usize::from(code == 0);
                    count.restarting += usize::from(restarts(id, code));
                }
            },
        }
    }
    if initializing || count.waiting > 0 {
        return Phase::Pending;
    }
    if count.running > 0 {
        return Phase::Running;
    }
    if count.ended == 0 {
        return Phase::Pending;
    }
    if !progress.terminal && count.restarting > 0 {
        return Phase::Running;
    }
    if count.succeeded == count.ended { Phase::Succeeded } else { Phase::Failed }
}

fn seen(status: Option<&ContainerStatus>) -> Seen {
    let Some(status) = status else { return Seen::Waiting };
    match (&status.state, &status.last_state) {
        (ContainerState::Running { .. }, _) => Seen::Running { started: status.started },
        (ContainerState::Terminated(end), _) => Seen::Ended { code: end.exit_code },
        (ContainerState::Waiting { reason: WaitingReason::RestartingAllContainers, .. }, _) => {
            Seen::Restarting
        }
        (ContainerState::Waiting { .. }, Some(end)) => Seen::Ended { code: end.exit_code },
        (ContainerState::Waiting { .. }, None) => Seen::Waiting,
    }
}

/// Whether an exit with `code` leads to another attempt: rules first, then the container's policy,
/// then the pod's (rules 96 to 99). Not asked for sidecars, which always restart.
pub(super) fn restarts_after(pod: &Pod, container: &Container, code: u8) -> bool {
    if container.restart_policy_rules.iter().any(|rule| rule.matches(code)) {
        return true;
    }
    match container.restart_policy.unwrap_or(pod.restart_policy) {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => code != 0,
        RestartPolicy::Never => false,
    }
}
