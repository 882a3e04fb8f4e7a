//! What an event changes in what is known. Nothing is decided here: see `reconcile`.

use std::sync::Arc;

use super::back_off::BackOff;
use super::event::{
    AttemptId, Event, Exit, ProbeOutcome, RunId, StartFailure, StartStage, StopRequest, Text,
};
use super::pod_event::PodEvent;
use super::record::{End, Ended, Live, Record, Refusal, Stage, State};
use super::startup::Startup;
use super::status::WaitingReason;
use super::stop::StopCause;
use super::{Action, PodMachine, RETRY_AFTER, Sandbox, Signal, Target};
use crate::spec::{Container, ContainerId, ContainerKind, Pod, ProbeKind};

impl PodMachine {
    pub(super) fn learn(&mut self, event: Event) {
        if self.sandbox == Sandbox::Finished {
            return;
        }
        match event {
            Event::SandboxReady => {
                if self.sandbox == Sandbox::SettingUp {
                    self.sandbox = Sandbox::Ready;
                }
            }
            Event::SandboxFailed { message } => {
                self.record(PodEvent::FailedCreatePodSandBox(Arc::from(message)));
                self.begin_stop(StopCause::SandboxFailed, self.pod.termination_grace_period);
            }
            Event::SandboxLost => self.sandbox_lost(),
            Event::Started { attempt } => self.started(attempt),
            Event::StartFailed { attempt, failure } => self.start_failed(attempt, failure),
            Event::Exited { attempt, exit } => self.exited(attempt, exit),
            Event::Emptied { attempt } => self.emptied(attempt),
            Event::ProbeDone { run, outcome, output } => self.probe_done(run, outcome, &output),
            Event::StopRequested { grace, cause } => {
                self.stop_request.get_or_insert(cause);
                self.begin_stop(StopCause::Requested, grace.unwrap_or(self.pod.termination_grace_period));
            }
            Event::KillRequested => self.begin_kill(),
            Event::ForwardSignal { signal, container } => self.forward(signal, container),
            Event::RestartRequested { container } => self.restart_requested(container),
            Event::SpecChanged(pod) => self.spec_changed(*pod),
            Event::EphemeralAdded(container) => self.ephemeral_added(*container),
            Event::ActionFailed { message } => self.record(PodEvent::FailedSync(Arc::from(message))),
            // Words of the machine's language that nothing says yet: hooks, resources, notification and
            // the network helper have no manifest field, so no action asks for them.
            Event::HookDone { .. }
            | Event::Notified { .. }
            | Event::ResizeDone { .. }
            | Event::ResizeFailed { .. }
            | Event::NetworkHelperDied => {}
        }
    }

    /// The record of the attempt, if it is the newest of its container and still live.
    fn current(&mut self, attempt: AttemptId) -> Option<&mut Record> {
        self.records
            .get_mut(attempt.container)
            .filter(|record| record.is_live() && record.attempt(attempt.container) == attempt)
    }

    fn started(&mut self, attempt: AttemptId) {
        let now = self.now;
        let Some(container) = self.pod.container(attempt.container) else { return };
        let startup = Startup::begin(container.startup_probe.as_ref(), now.mono);
        let name = Arc::clone(&container.name);
        let Some(record) = self.current(attempt) else { return };
        if let Some(Live { stage: Stage::Starting { .. }, .. }) = record.live() {
            record.count_attempt();
            let is_main = record.kind == ContainerKind::Main;
            record.set_stage(Stage::Running { since: now, startup });
            self.initialized |= is_main;
            self.status_changed = true;
            self.record(PodEvent::Started(name));
        }
    }

    fn start_failed(&mut self, attempt: AttemptId, failure: StartFailure) {
        let now = self.now;
        let message: Text = Arc::from(failure.message.as_str());
        let Some(record) = self.current(attempt) else { return };
        let Some(Live { stage: Stage::Starting { since, previous }, .. }) = record.live_mut() else { return };
        if failure.retry || failure.stage == StartStage::Config {
            let reason = match failure.stage {
                StartStage::Config => WaitingReason::CreateContainerConfigError,
                StartStage::Create | StartStage::Exec => WaitingReason::CreateContainerError,
            };
            record.state = previous.take().map_or(State::Absent, State::Ended);
            let until = now.mono + RETRY_AFTER;
            record.refusal = Some(Refusal { reason, message: Arc::clone(&message), until });
        } else {
            let ended = Ended { end: End::NeverRan(failure), started: since.wall, finished: now };
            let is_main = record.kind == ContainerKind::Main;
            record.count_attempt();
            record.state = State::Ended(ended);
            self.initialized |= is_main;
        }
        self.status_changed = true;
        let name = self.name(attempt.container);
        self.record(PodEvent::Failed(name, message));
    }

    fn exited(&mut self, attempt: AttemptId, exit: Exit) {
        let now = self.now;
        let Some(record) = self.current(attempt) else { return };
        let Some(live) = record.live() else { return };
        let (started, run) = match &live.stage {
            Stage::Running { since, startup } => (since.wall, startup.run()),
            // The program ran and ended before its start was noticed.
            Stage::Starting { since, .. } => (since.wall, None),
            Stage::Emptying { .. } => return,
        };
        record.restart_intended = live.stop.as_ref().is_some_and(|stop| stop.then_restart);
        record.count_attempt();
        let ended = Ended { end: End::Exited(exit), started, finished: now };
        let is_main = record.kind == ContainerKind::Main;
        record.set_stage(Stage::Emptying { ended, rest_signalled: false });
        self.initialized |= is_main;
        self.status_changed = true;
        self.actions.extend(run.map(Action::CancelProbe));
    }

    fn emptied(&mut self, attempt: AttemptId) {
        let Some(record) = self.current(attempt) else { return };
        if let Some(Live { stage: Stage::Emptying { ended, .. }, .. }) = record.live() {
            record.state = State::Ended(ended.clone());
        }
    }

    fn probe_done(&mut self, run: RunId, outcome: ProbeOutcome, output: &str) {
        let now = self.now.mono;
        let running =
            |record: &Record| record.live().and_then(|live| live.stage.startup()?.run()) == Some(run);
        let Some(id) = self.records.iter().find(|(_, record)| running(record)).map(|(id, _)| id) else {
            return;
        };
        let Some(container) = self.pod.container(id) else { return };
        let Some(probe) = &container.startup_probe else { return };
        let (name, output) = (Arc::clone(&container.name), Arc::from(output));
        let mut is_final = false;
        let live = self.records[id].live_mut();
        if let Some(Stage::Running { startup, .. }) = live.map(|live| &mut live.stage) {
            startup.done(probe, outcome, now);
            self.status_changed |= startup.succeeded();
            is_final = startup.failed();
        }
        match outcome {
            ProbeOutcome::Success => {}
            ProbeOutcome::Warning => self.record(PodEvent::ProbeWarning(name, ProbeKind::Startup, output)),
            ProbeOutcome::Failure => {
                self.record(PodEvent::Unhealthy { name, probe: ProbeKind::Startup, output, is_final })
            }
            ProbeOutcome::Error => self.record(PodEvent::ProbeError(name, ProbeKind::Startup, output)),
        }
    }

    fn forward(&mut self, signal: Signal, container: Option<ContainerId>) {
        let is_meant = |id, record: &Record| match container {
            Some(container) => id == container,
            None => record.kind == ContainerKind::Main,
        };
        let is_meant = |(id, record): &(_, &Record)| is_meant(*id, record) && record.is_live();
        for (id, record) in self.records.iter().filter(is_meant) {
            let target = if record.is_up() { Target::Main } else { Target::Rest };
            self.actions.push_back(Action::Signal { attempt: record.attempt(id), signal, target });
        }
    }

    fn restart_requested(&mut self, container: ContainerId) {
        let Some(record) = self.records.get_mut(container) else { return };
        match record.kind {
            ContainerKind::Sidecar | ContainerKind::Main => record.request_restart(),
            ContainerKind::Init | ContainerKind::Ephemeral => {
                let name = self.name(container);
                let message = format!("cannot restart container {name}: it runs once");
                self.record(PodEvent::FailedSync(Arc::from(message)));
            }
        }
    }

    /// Only what a container runs may change: containers neither come nor go nor move.
    fn spec_changed(&mut self, pod: Pod) {
        let names =
            |pod: &Pod| pod.iter().map(|(_, kind, c)| (kind, Arc::clone(&c.name))).collect::<Vec<_>>();
        if names(&pod) != names(&self.pod) {
            let cause = "containers were added, removed or moved";
            return self.record(PodEvent::FailedValidation(Arc::from(cause)));
        }
        for ((id, _, old), (_, _, new)) in self.pod.iter().zip(pod.iter()) {
            if old.image != new.image {
                let record = &mut self.records[id];
                record.back_off = BackOff::default();
                record.refusal = None;
            }
        }
        self.pod = pod;
        self.status_changed = true;
    }

    fn ephemeral_added(&mut self, container: Container) {
        if self.pod.iter().any(|(_, _, other)| other.name == container.name) {
            let message = format!("container name {} is taken", container.name);
            return self.record(PodEvent::FailedValidation(Arc::from(message)));
        }
        self.records.push(Record::new(ContainerKind::Ephemeral, Arc::clone(&container.image)));
        self.pod.ephemeral_containers.push(container);
        self.status_changed = true;
    }

    /// Kept for the exit code of a pod that is stopped before a main container ran.
    pub(super) fn stop_request(&self) -> Option<StopRequest> {
        self.stop_request
    }
}
