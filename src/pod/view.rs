//! The machine's records shown as a Kubernetes status, and a machine made from such a status.

use std::sync::Arc;

use super::event::{Exit, ExitStatus, StartFailure, StartStage, Text};
use super::hook::PostStart;
use super::phase::{self, Progress};
use super::pod_event::KillingReason;
use super::record::{End, Ended, Live, Notified, Record, Running, Stage, State};
use super::status::{
    ContainerState, ContainerStatus, Phase, PodStatus, Terminated, TerminatedReason, WaitingReason,
};
use super::stop::StopCause;
use super::termination_message::termination_message;
use super::{DEADLINE_EXCEEDED, Now, PodMachine, Sandbox};
use crate::spec::{Container, ContainerKind, Pod};

impl PodMachine {
    /// The status at this moment. Computed when asked for: nothing is built for nobody.
    pub fn status(&self) -> PodStatus {
        let statuses = |kinds: &[ContainerKind]| -> Vec<ContainerStatus> {
            let is_meant = |kind: &ContainerKind| kinds.contains(kind);
            let shown = self.pod.iter().filter(|(_, kind, _)| is_meant(kind));
            shown.map(|(id, _, container)| self.container_status(&self.records[id], container)).collect()
        };
        let init_container_statuses = statuses(&[ContainerKind::Init, ContainerKind::Sidecar]);
        let container_statuses = statuses(&[ContainerKind::Main]);
        let progress = Progress { initialized: self.initialized, terminal: self.is_ending() };
        let phase = match self.phase_of(&init_container_statuses, &container_statuses, progress) {
            // Rule 90: a pod that is over and neither succeeded nor failed has failed.
            Phase::Pending | Phase::Running if self.sandbox == Sandbox::Finished => {
                self.verdict().unwrap_or(Phase::Failed)
            }
            // The ends of an earlier sandbox are not seen as such in the statuses.
            Phase::Running if self.is_initializing() => Phase::Pending,
            // A start under way is not seen in the statuses, but nothing is over before it is.
            Phase::Succeeded | Phase::Failed if self.is_any_starting() => Phase::Running,
            Phase::Succeeded | Phase::Failed if self.verdict().is_some() => {
                self.verdict().unwrap_or(Phase::Failed)
            }
            phase @ (Phase::Pending | Phase::Running | Phase::Succeeded | Phase::Failed) => phase,
        };
        let has_failed = phase == Phase::Failed;
        let exceeded = has_failed && self.stop.is_some_and(|stop| stop.cause == StopCause::DeadlineExceeded);
        PodStatus {
            phase,
            reason: exceeded.then_some("DeadlineExceeded"),
            message: exceeded.then(|| Text::from(DEADLINE_EXCEEDED)),
            conditions: self.conditions(phase, &init_container_statuses),
            start_time: self.start_time,
            init_container_statuses,
            container_statuses,
            ephemeral_container_statuses: statuses(&[ContainerKind::Ephemeral]),
        }
    }

    fn phase_of(&self, init: &[ContainerStatus], main: &[ContainerStatus], progress: Progress) -> Phase {
        phase::decide(&self.pod, init, main, progress, &|id, _| self.restarts(id))
    }

    /// How the pod ends where one thing decides it, whatever its containers' exit codes are.
    fn verdict(&self) -> Option<Phase> {
        match self.stop?.cause {
            StopCause::KeystoneEnded(id) => match self.records[id].ended() {
                Some(ended) if !ended.is_failure() => Some(Phase::Succeeded),
                Some(_) | None => Some(Phase::Failed),
            },
            StopCause::DeadlineExceeded | StopCause::JobFailed(_) => Some(Phase::Failed),
            StopCause::Completed
            | StopCause::InitFailed(_)
            | StopCause::Requested
            | StopCause::SandboxFailed
            | StopCause::SandboxLost => None,
        }
    }

    /// The init containers are not through, and the pod is not on its way out.
    fn is_initializing(&self) -> bool {
        let is_through = |record: &Record| match record.kind {
            ContainerKind::Init => matches!(&record.state, State::Ended(ended) if !ended.is_failure()),
            ContainerKind::Sidecar => record.is_started(),
            ContainerKind::Main | ContainerKind::Ephemeral => true,
        };
        !self.initialized && !self.is_ending() && !self.records.iter().all(|(_, record)| is_through(record))
    }

    fn is_any_starting(&self) -> bool {
        self.records.iter().any(|(_, record)| {
            matches!(record.state, State::Live(Live { stage: Stage::Starting { .. }, .. }))
        })
    }

    fn container_status(&self, record: &Record, container: &Container) -> ContainerStatus {
        let (state, last) = self.container_state(record, container);
        let ended_well = matches!(&state, ContainerState::Terminated(end) if end.exit_code == 0);
        ContainerStatus {
            name: Arc::clone(&container.name),
            image: Arc::clone(&record.image),
            state,
            last_state: last.map(|ended| match self.is_down_to_restart(record) {
                // Rule 105, also for the one whose exit was the reason.
                Some(_) => {
                    let killed = Some(KillingReason::RestartAllContainers);
                    self.terminated(&Ended { killed, ..ended.clone() }, container)
                }
                None => self.terminated(ended, container),
            }),
            ready: match record.kind {
                ContainerKind::Init => ended_well,
                ContainerKind::Sidecar | ContainerKind::Main => record.is_ready(),
                ContainerKind::Ephemeral => false,
            },
            started: match record.kind {
                ContainerKind::Init | ContainerKind::Ephemeral => record.running().is_some(),
                ContainerKind::Sidecar | ContainerKind::Main => record.is_started(),
            },
            restart_count: record.restart_count,
        }
    }

    /// What the container is doing, and the end before that.
    fn container_state<'a>(
        &self,
        record: &'a Record,
        container: &Container,
    ) -> (ContainerState, Option<&'a Ended>) {
        let last = record.last.as_ref();
        if let Some(ended) = self.is_down_to_restart(record) {
            return (waiting(WaitingReason::RestartingAllContainers), Some(ended));
        }
        match (&record.state, &record.refusal) {
            (State::Live(Live { stage: Stage::Running(running), .. }), _) => {
                (ContainerState::Running { started_at: running.since.wall }, last)
            }
            (State::Live(Live { stage: Stage::Starting { previous, .. }, .. }), _) => {
                (waiting(WaitingReason::ContainerCreating), previous.as_ref().or(last))
            }
            (State::Live(Live { stage: Stage::Emptying { ended, .. }, .. }) | State::Ended(ended), None)
            | (State::Live(Live { stage: Stage::Emptying { ended, .. }, .. }), Some(_)) => {
                (ContainerState::Terminated(self.terminated(ended, container)), last)
            }
            // Rule 126: shown Waiting once a start was refused; the end moves to lastState.
            (State::Ended(ended), Some(refusal)) => {
                let message = Some(Arc::clone(&refusal.message));
                (ContainerState::Waiting { reason: refusal.reason, message }, Some(ended))
            }
            (State::Absent, Some(refusal)) => {
                let message = Some(Arc::clone(&refusal.message));
                (ContainerState::Waiting { reason: refusal.reason, message }, last)
            }
            (State::Absent, None) if self.pod.init_containers.is_empty() => {
                (waiting(WaitingReason::ContainerCreating), last)
            }
            (State::Absent, None) => (waiting(WaitingReason::PodInitializing), last),
        }
    }

    fn terminated(&self, ended: &Ended, container: &Container) -> Terminated {
        let reason = ended.reason();
        let (signal, message) = match &ended.end {
            End::NeverRan(failure) => (None, Some(Text::from(failure.message.as_str()))),
            End::Exited(exit) => {
                let signal = match exit.status {
                    ExitStatus::Signal(_) if reason == TerminatedReason::RestartingAllContainers => None,
                    ExitStatus::Signal(signal) => Some(signal),
                    ExitStatus::Code(_) | ExitStatus::Unknown => None,
                };
                let policy = container.termination_message_policy;
                (signal, termination_message(exit, policy, self.pod.iter().count()))
            }
        };
        Terminated {
            exit_code: ended.code(),
            signal,
            reason,
            message,
            started_at: ended.started,
            finished_at: ended.finished.wall,
        }
    }

    /// A machine that takes over a pod in the state that `status` shows: nothing that ended well runs
    /// again, what runs is taken as running (rules 25, 180). Containers that `status` does not name
    /// have never run; delays between restarts begin again.
    pub fn restore(pod: Pod, status: &PodStatus, now: Now) -> Self {
        let mut machine = Self::new(pod, now);
        machine.start_time = status.start_time;
        machine.transitions.restore(&status.conditions);
        machine.active = (now.wall.since(status.start_time), now.mono);
        for (id, kind, container) in machine.pod.iter() {
            let Some(status) = status.container(&container.name) else { continue };
            let record = &mut machine.records[id];
            record.image = Arc::clone(&status.image);
            record.restart_count = status.restart_count;
            record.last = status.last_state.as_ref().map(|end| ended(end, now));
            record.state = match &status.state {
                ContainerState::Waiting { reason, .. } => {
                    machine.restarting_all |= *reason == WaitingReason::RestartingAllContainers;
                    was_waiting(*reason, record)
                }
                ContainerState::Terminated(end) => State::Ended(ended(end, now)),
                ContainerState::Running { started_at } => {
                    let since = Now { mono: now.mono, wall: *started_at };
                    let running = was_running(container, since, status);
                    record.has_started = running.started;
                    State::Live(Live { stage: Stage::Running(running), stop: None })
                }
            };
            let has_succeeded = matches!(&record.state, State::Ended(ended) if ended.has_succeeded());
            record.has_started |= kind == ContainerKind::Main && has_succeeded;
            if record.last.is_some() || !matches!(record.state, State::Absent) {
                record.attempts = status.restart_count.saturating_add(1);
            }
            if !matches!(record.state, State::Absent) {
                machine.sandbox = Sandbox::Ready;
                machine.initialized |= kind == ContainerKind::Main;
            }
        }
        if machine.is_any_main_up() {
            machine.complete_lost_inits(now);
        }
        machine
    }

    /// A main container runs, so that every plain init container has ended with 0, whatever became of
    /// its record (rule 25).
    fn complete_lost_inits(&mut self, now: Now) {
        const MESSAGE: &str = "Unable to get init container status from container runtime and pod has been \
                               initialized, treat it as exited normally";
        let started = self.start_time;
        let is_lost =
            |record: &Record| record.kind == ContainerKind::Init && matches!(record.state, State::Absent);
        for (_, record) in self.records.iter_mut().filter(|(_, record)| is_lost(record)) {
            let exit = Exit { termination_message: MESSAGE.to_owned(), ..Exit::plain(ExitStatus::Code(0)) };
            record.attempts = record.restart_count.saturating_add(1);
            let end = End::Exited(exit);
            record.state = State::Ended(Ended { end, killed: None, started, finished: now });
        }
    }
}

/// A container that waits: for its delay after an end, or for its turn from the beginning.
fn was_waiting(reason: WaitingReason, record: &mut Record) -> State {
    match reason {
        WaitingReason::PodInitializing | WaitingReason::ContainerCreating => State::Absent,
        WaitingReason::CrashLoopBackOff
        | WaitingReason::CreateContainerConfigError
        | WaitingReason::CreateContainerError
        | WaitingReason::PostStartHookError
        | WaitingReason::RestartingAllContainers => match record.last.take() {
            Some(last) => {
                // Whatever its policy makes of that end, another start was to follow.
                record.restart_intended = true;
                State::Ended(last)
            }
            None => State::Absent,
        },
    }
}

/// A container that runs is as far as it was (rule 180): its hook is not run again.
fn was_running(container: &Container, since: Now, status: &ContainerStatus) -> Running {
    let mut running = Running::new(container, since);
    running.post_start = PostStart::Done;
    running.probes.assume(status.started, status.ready);
    if status.started {
        running.notified = Notified::Ready;
    }
    running.started = status.started;
    if running.started {
        running.probes.release_others(since.mono);
    }
    running
}

fn waiting(reason: WaitingReason) -> ContainerState {
    ContainerState::Waiting { reason, message: None }
}

fn ended(end: &Terminated, now: Now) -> Ended {
    let message = end.message.as_deref().unwrap_or("").to_owned();
    let status = match (end.reason, end.signal) {
        (TerminatedReason::ContainerStatusUnknown, _) => ExitStatus::Unknown,
        (_, Some(signal)) => ExitStatus::Signal(signal),
        (_, None) => ExitStatus::Code(end.exit_code),
    };
    let oom_killed = end.reason == TerminatedReason::OOMKilled;
    let exit = Exit { status, oom_killed, termination_message: message.clone(), log_tail: String::new() };
    let end_of = match end.reason {
        TerminatedReason::StartError => {
            End::NeverRan(StartFailure { stage: StartStage::Create, errno: 0, message, retry: false })
        }
        TerminatedReason::Completed
        | TerminatedReason::Error
        | TerminatedReason::OOMKilled
        | TerminatedReason::ContainerStatusUnknown
        | TerminatedReason::RestartingAllContainers => End::Exited(exit),
    };
    let finished = Now { mono: now.mono, wall: end.finished_at };
    let killed = (end.reason == TerminatedReason::RestartingAllContainers)
        .then_some(KillingReason::RestartAllContainers);
    Ended { end: end_of, killed, started: end.started_at, finished }
}
