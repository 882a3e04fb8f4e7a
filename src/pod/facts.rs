//! What an event changes in what is known. Nothing is decided here: see `reconcile`.

use std::sync::Arc;

use super::back_off::BackOff;
use super::event::{
    AttemptId, Event, Exit, HookOutcome, ProbeOutcome, RunId, StartFailure, StartStage, StopRequest, Text,
};
use super::hook::PostStart;
use super::pod_event::PodEvent;
use super::record::{
    End, Ended, Live, Notified, Record, Refusal, Resize, Running, Stage, State, StopStep, Then,
};
use super::status::WaitingReason;
use super::stop::StopCause;
use super::{Action, PodMachine, RETRY_AFTER, Sandbox, Signal, Target};
use crate::spec::{Container, ContainerId, ContainerKind, HookKind, Pod, Resources, VolumeSource};

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
            Event::HookDone { run, outcome, output: _ } => self.hook_done(run, outcome),
            Event::Notified { attempt, ready, status: _ } => self.notified(attempt, ready),
            Event::ResizeDone { run } => self.resize_done(run),
            Event::ResizeFailed { run, message } => self.resize_failed(run, &message),
            Event::NetworkHelperDied { message } => self.network_helper_died(message),
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
        let running = Running::new(container, now);
        let name = Arc::clone(&container.name);
        let Some(record) = self.current(attempt) else { return };
        if let Some(Live { stage: Stage::Starting { .. }, .. }) = record.live() {
            record.count_attempt();
            let is_main = record.kind == ContainerKind::Main;
            record.set_stage(Stage::Running(running));
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
            let ended =
                Ended { end: End::NeverRan(failure), killed: None, started: since.wall, finished: now };
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
        let Some(live) = record.live_mut() else { return };
        let mut over: Vec<Action> = Vec::new();
        let started = match &mut live.stage {
            Stage::Running(running) => {
                over.extend(running.probes.end().map(Action::CancelProbe));
                over.extend(running.post_start.run().map(Action::AbandonHook));
                running.since.wall
            }
            // The program ran and ended before its start was noticed.
            Stage::Starting { since, .. } => since.wall,
            Stage::Emptying { .. } => return,
        };
        let mut killed = None;
        let mut intended = false;
        if let Some(stop) = &mut live.stop {
            over.extend(stop.hook_run().map(Action::AbandonHook));
            // What is left is signalled anew.
            if let StopStep::PreStop(_) = stop.step {
                stop.step = StopStep::AwaitingTurn;
            }
            (killed, intended) = (Some(stop.reason), stop.then == Then::Restart);
        }
        record.restart_intended = intended;
        record.count_attempt();
        let is_main = record.kind == ContainerKind::Main;
        let ended = Ended { end: End::Exited(exit), killed, started, finished: now };
        // It has done its work: nothing waits for it any longer. What was stopped has not.
        record.has_started |= is_main && ended.has_succeeded();
        record.set_stage(Stage::Emptying { ended, rest_signalled: false });
        self.initialized |= is_main;
        self.status_changed = true;
        self.abandon(over);
    }

    fn emptied(&mut self, attempt: AttemptId) {
        let Some(record) = self.current(attempt) else { return };
        if let Some(Live { stage: Stage::Emptying { ended, .. }, .. }) = record.live() {
            record.state = State::Ended(ended.clone());
        }
    }

    fn probe_done(&mut self, run: RunId, outcome: ProbeOutcome, output: &str) {
        let now = self.now.mono;
        // It was cancelled, or its attempt is over.
        let Some(id) = self.runs.remove(&run) else { return };
        let Some(container) = self.pod.container(id) else { return };
        let Some(running) = self.records.get_mut(id).and_then(Record::running_mut) else { return };
        let Some(kind) = running.probes.kind_of(run) else { return };
        let Some(probe) = container.probe(kind) else { return running.probes.forget(kind) };
        let has_changed = running.probes.done(kind, probe, outcome, now);
        let is_final = has_changed && running.probes.failed() == Some(kind);
        let name = Arc::clone(&container.name);
        self.probe_result_changed(has_changed);
        match outcome {
            ProbeOutcome::Success => {}
            ProbeOutcome::Warning => self.record(PodEvent::ProbeWarning(name, kind, Arc::from(output))),
            ProbeOutcome::Failure => {
                self.record(PodEvent::Unhealthy { name, probe: kind, output: Arc::from(output), is_final });
            }
            ProbeOutcome::Error => self.record(PodEvent::ProbeError(name, kind, Arc::from(output))),
        }
    }

    fn hook_done(&mut self, run: RunId, outcome: HookOutcome) {
        let Some(id) = self.runs.remove(&run) else { return };
        let Some(live) = self.records.get_mut(id).and_then(Record::live_mut) else { return };
        let succeeded = outcome != HookOutcome::Failure;
        let kind = match (&mut live.stop, &mut live.stage) {
            (Some(stop), _) if stop.hook_run() == Some(run) => {
                stop.step = StopStep::AwaitingTurn;
                HookKind::PreStop
            }
            (_, Stage::Running(running)) if running.post_start.run() == Some(run) => {
                running.post_start = if succeeded { PostStart::Done } else { PostStart::Failed };
                HookKind::PostStart
            }
            (_, Stage::Starting { .. } | Stage::Running(_) | Stage::Emptying { .. }) => return,
        };
        let name = self.name(id);
        match outcome {
            HookOutcome::Success => {}
            HookOutcome::PlainHttp => self.record(PodEvent::LifecycleHTTPFallback(name, kind)),
            HookOutcome::Failure => self.record(PodEvent::FailedHook(name, kind)),
        }
    }

    fn notified(&mut self, attempt: AttemptId, ready: bool) {
        let Some(running) = self.current(attempt).and_then(Record::running_mut) else { return };
        running.notified = match (ready, running.notified) {
            (true, _) => Notified::Ready,
            (false, Notified::Ready | Notified::Withdrawn) => Notified::Withdrawn,
            (false, Notified::Awaited) => Notified::Awaited,
        };
        self.status_changed = true;
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
            ContainerKind::Sidecar | ContainerKind::Main => {
                record.request_restart();
                self.status_changed = true;
            }
            ContainerKind::Init | ContainerKind::Ephemeral => {
                let name = self.name(container);
                let message = format!("cannot restart container {name}: it runs once");
                self.record(PodEvent::FailedSync(Arc::from(message)));
            }
        }
    }

    /// Containers may change, but neither come nor go nor move.
    fn spec_changed(&mut self, pod: Pod) {
        let names =
            |pod: &Pod| pod.iter().map(|(_, kind, c)| (kind, Arc::clone(&c.name))).collect::<Vec<_>>();
        if names(&pod) != names(&self.pod) {
            let cause = "containers were added, removed or moved; run it anew to have that";
            return self.record(PodEvent::FailedValidation(Arc::from(cause)));
        }
        if pod.volumes != self.pod.volumes {
            let cause = "volumes were added, removed or changed; run it anew to have that";
            return self.record(PodEvent::FailedValidation(Arc::from(cause)));
        }
        if let Some((kind, object)) = self.pod.objects.changed_immutable(&pod.objects) {
            let cause = format!("{kind} {} is immutable; give the changed one another name", object.name);
            return self.record(PodEvent::FailedValidation(Arc::from(cause)));
        }
        for ((id, _, old), (_, _, new)) in self.pod.iter().zip(pod.iter()) {
            let record = &mut self.records[id];
            if runs_otherwise(old, new) {
                record.changed = record.is_live();
                record.back_off = BackOff::default();
                record.refusal = None;
            }
            // Rule 108.
            if old.resources != new.resources {
                record.resize = Resize::Settled;
                record.back_off = BackOff::default();
                record.refusal = None;
            }
        }
        self.pod = pod;
        self.status_changed = true;
        // What its files tell may have changed: objects, labels, annotations, resources. The driver sees.
        let is_there = matches!(self.sandbox, Sandbox::SettingUp | Sandbox::Ready);
        let mut sources = self.pod.volumes.iter().map(|volume| &volume.source);
        if is_there && sources.any(|source| matches!(source, VolumeSource::Projected(_))) {
            self.actions.push_back(Action::RefreshVolumes);
        }
    }

    /// The container that was asked for other resources under this number, if nothing has come between,
    /// and the resources.
    fn answered(&mut self, run: RunId) -> Option<(ContainerId, &mut Record, Resources)> {
        let id = self.runs.remove(&run)?;
        let record = self.records.get_mut(id)?;
        match record.resize {
            Resize::Asked(asked, resources) if asked == run => Some((id, record, resources)),
            Resize::Asked(..) | Resize::Settled | Resize::Refused(_) => None,
        }
    }

    fn resize_done(&mut self, run: RunId) {
        let Some((id, record, resources)) = self.answered(run) else { return };
        (record.resources, record.resize) = (resources, Resize::Settled);
        self.status_changed = true;
        let name = self.name(id);
        self.record(PodEvent::ResizeCompleted(name));
    }

    fn resize_failed(&mut self, run: RunId, message: &str) {
        let until = self.now.mono + RETRY_AFTER;
        let Some((id, record, _)) = self.answered(run) else { return };
        record.resize = Resize::Refused(until);
        self.status_changed = true;
        let name = self.name(id);
        self.record(PodEvent::ResizeError(name, Arc::from(message)));
    }

    fn ephemeral_added(&mut self, container: Container) {
        if self.pod.iter().any(|(_, _, other)| other.name == container.name) {
            let message = format!("container name {} is taken", container.name);
            return self.record(PodEvent::FailedValidation(Arc::from(message)));
        }
        self.records.push(Record::new(ContainerKind::Ephemeral, &container));
        self.pod.ephemeral_containers.push(container);
        self.status_changed = true;
    }

    /// Kept for the exit code of a pod that is stopped before a main container ran.
    pub(super) fn stop_request(&self) -> Option<StopRequest> {
        self.stop_request
    }
}

/// Whether the two differ in more than what a running container can be given.
fn runs_otherwise(old: &Container, new: &Container) -> bool {
    let apart_from_resources = |container: &Container| Container {
        resources: Default::default(),
        resize_policy: Default::default(),
        ..container.clone()
    };
    apart_from_resources(old) != apart_from_resources(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::{Now, Time, Timestamp};
    use crate::spec::{ConfigMap, ObjectName, Projected, Volume};

    fn told(machine: &mut PodMachine, event: Event) -> Vec<Action> {
        machine.handle_event(Now { mono: Time::default(), wall: Timestamp::default() }, event);
        std::iter::from_fn(|| machine.poll_action()).collect()
    }

    fn changed(machine: &mut PodMachine, change: impl FnOnce(&mut Pod)) -> Vec<Action> {
        let mut pod = machine.pod().clone();
        change(&mut pod);
        told(machine, Event::SpecChanged(Box::new(pod)))
    }

    #[test]
    fn rule_150_volumes_of_files_are_written_anew_once_they_are_there_and_the_change_is_taken() {
        let mut pod = Pod::named("pod");
        pod.containers.push(Container::named("main"));
        let source = VolumeSource::Projected(Projected { sources: Vec::new(), default_mode: 0o644 });
        pod.volumes = vec![Volume { name: "files".into(), source }];
        let name = ObjectName { namespace: "default".to_owned(), name: "settings".to_owned() };
        Arc::make_mut(&mut pod.objects).config_maps.insert(name.clone(), ConfigMap::default());
        let mut machine = PodMachine::new(pod, Now { mono: Time::default(), wall: Timestamp::default() });
        let level = |pod: &mut Pod, level: &str| {
            let map = Arc::make_mut(&mut pod.objects).config_maps.entry(name.clone()).or_default();
            map.data.insert("level".to_owned(), level.to_owned());
        };
        let is_wanted = |actions: &[Action]| actions.contains(&Action::RefreshVolumes);
        let failed = |actions: &[Action]| {
            actions.iter().any(|it| matches!(it, Action::Record(PodEvent::FailedValidation(_))))
        };
        assert_eq!(machine.poll_action(), Some(Action::SetUpSandbox));
        assert!(is_wanted(&changed(&mut machine, |pod| level(pod, "2"))), "they may have been made already");
        told(&mut machine, Event::SandboxReady);
        assert!(is_wanted(&changed(&mut machine, |pod| level(pod, "3"))));
        let actions = changed(&mut machine, |pod| pod.volumes.clear());
        assert!(failed(&actions) && !is_wanted(&actions));
        changed(&mut machine, |pod| {
            Arc::make_mut(&mut pod.objects).config_maps.values_mut().for_each(|map| map.immutable = true);
        });
        let actions = changed(&mut machine, |pod| level(pod, "4"));
        assert!(failed(&actions) && !is_wanted(&actions));
        let kept = machine.pod().objects.config_maps.values().map(|map| map.data["level"].as_str());
        assert_eq!(kept.collect::<Vec<_>>(), ["3"]);
    }
}
