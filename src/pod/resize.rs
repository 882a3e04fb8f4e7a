//! Other resources for containers that run (rules 174, 175). What a container gets is somebody else's
//! work; here stands only whether and when.

use super::pod_event::{KillingReason, PodEvent};
use super::record::{Resize, Then};
use super::{Action, PodMachine};
use crate::spec::{Container, ContainerId, ContainerKind, Resources};

impl PodMachine {
    /// Asks for the resources that the manifest gives now, or restarts what cannot do without.
    pub(super) fn advance_resizes(&mut self) {
        let now = self.now.mono;
        for id in self.records.ids() {
            let record = &self.records[id];
            let Some(container) = self.container(id) else { continue };
            let wanted = container.resources;
            let is_due = match record.resize {
                Resize::Settled => true,
                Resize::Asked(..) => false,
                Resize::Refused(until) => until <= now,
            };
            let runs_freely =
                record.running().is_some() && record.live().is_some_and(|live| live.stop.is_none());
            if !runs_freely
                || !is_due
                || record.resources == wanted
                || record.kind == ContainerKind::Ephemeral
            {
                continue;
            }
            if restarts(container, record.resources) && record.kind != ContainerKind::Init {
                self.stop_container(id, KillingReason::Resize, Then::Restart);
            } else {
                self.ask(id, wanted);
            }
        }
    }

    fn ask(&mut self, id: ContainerId, wanted: Resources) {
        let run = self.new_run(id);
        let attempt = self.records[id].attempt(id);
        self.records[id].resize = Resize::Asked(run, wanted);
        self.status_changed = true;
        self.actions.push_back(Action::Resize { run, attempt });
        let name = self.name(id);
        self.record(PodEvent::ResizeStarted(name));
    }
}

/// Whether one of the amounts that change restarts the container.
fn restarts(container: &Container, before: Resources) -> bool {
    let after = container.resources;
    let cpu = (before.requests.cpu, before.limits.cpu) != (after.requests.cpu, after.limits.cpu);
    let memory =
        (before.requests.memory, before.limits.memory) != (after.requests.memory, after.limits.memory);
    cpu && container.resize_policy.cpu_restarts || memory && container.resize_policy.memory_restarts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::{AttemptId, Event, Exit, ExitStatus, Now, RunId, StopRequest, Time, Timestamp};
    use crate::spec::{Pod, Quantity, RestartPolicy, Signal};

    fn amounts(cpu: &str) -> Resources {
        let mut resources = Resources::default();
        resources.limits.cpu = Quantity::parse(cpu);
        resources
    }

    fn told(machine: &mut PodMachine, event: Event) -> Vec<Action> {
        let now = Now { mono: Time::default(), wall: Timestamp::default() };
        machine.handle_event(now, event);
        std::iter::from_fn(|| machine.poll_action()).collect()
    }

    fn asked(actions: &[Action]) -> Vec<RunId> {
        let run = |action: &Action| if let Action::Resize { run, .. } = action { Some(*run) } else { None };
        actions.iter().filter_map(run).collect()
    }

    fn running(pod: Pod) -> PodMachine {
        let now = Now { mono: Time::default(), wall: Timestamp::default() };
        let mut machine = PodMachine::new(pod, now);
        assert_eq!(machine.poll_action(), Some(Action::SetUpSandbox));
        told(&mut machine, Event::SandboxReady);
        told(
            &mut machine,
            Event::Started { attempt: AttemptId { container: ContainerId::at(0), attempt: 0 } },
        );
        machine
    }

    fn changed(machine: &mut PodMachine, cpu: &str) -> RunId {
        let mut pod = machine.pod().clone();
        pod.containers[0].resources = amounts(cpu);
        let [run] = asked(&told(machine, Event::SpecChanged(Box::new(pod))))[..] else { panic!() };
        run
    }

    /// The answer to a request that another has taken the place of is no answer to that.
    #[test]
    fn rule_175_a_late_answer_is_not_taken_for_the_next_one_s() {
        let completed = Action::Record(PodEvent::ResizeCompleted("main".into()));
        for late_failed in [false, true] {
            let pod = Pod { containers: vec![Container::named("main")], ..Pod::named("pod") };
            let mut machine = running(pod);
            let first = changed(&mut machine, "1");
            let second = changed(&mut machine, "2");
            let late = match late_failed {
                true => Event::ResizeFailed { run: first, message: "cannot".to_owned() },
                false => Event::ResizeDone { run: first },
            };
            assert_eq!(told(&mut machine, late), []);
            assert!(told(&mut machine, Event::ResizeDone { run: second }).contains(&completed));
        }
    }

    /// Nothing is resized in a pod whose end has just begun.
    #[test]
    fn an_init_container_that_failed_for_good_ends_resizes() {
        let sidecar =
            Container { restart_policy: Some(RestartPolicy::Always), ..Container::named("sidecar") };
        let pod = Pod {
            restart_policy: RestartPolicy::Never,
            init_containers: vec![sidecar, Container::named("init")],
            containers: vec![Container::named("main")],
            ..Pod::named("pod")
        };
        let mut machine = running(pod);
        let attempt = AttemptId { container: ContainerId::at(1), attempt: 0 };
        told(&mut machine, Event::Started { attempt });
        let now = Now { mono: Time::default(), wall: Timestamp::default() };
        let mut pod = machine.pod().clone();
        pod.init_containers[0].resources = amounts("1");
        // Both are known before anything is decided.
        machine.handle_event(now, Event::Exited { attempt, exit: Exit::plain(ExitStatus::Code(1)) });
        machine.handle_event(now, Event::Emptied { attempt });
        let actions = told(&mut machine, Event::SpecChanged(Box::new(pod)));
        assert_eq!(asked(&actions), []);
        let request = Event::StopRequested { grace: None, cause: StopRequest::Signal(Signal::TERM) };
        assert_eq!(asked(&told(&mut machine, request)), []);
    }
}
