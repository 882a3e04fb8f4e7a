//! What will be started next if nothing comes between: for a driver that can make things ready for it. A look at
//! what is known; it decides nothing.

use super::record::{Live, Stage, State};
use super::{AttemptId, PodMachine, Sandbox};
use crate::spec::{ContainerId, ContainerKind, ProbeKind};

impl PodMachine {
    /// The attempt that comes after this one, which is about to start or is such an attempt itself, if nothing comes
    /// between; `None` where that is not certain. A sidecar that nobody asks whether it has started lets the next
    /// init container start, or the first main container, as soon as it runs (KEP-753); an init container does so by
    /// its success.
    pub fn follower(&self, of: AttemptId) -> Option<AttemptId> {
        let record = &self.records[of.container];
        let container = self.container(of.container)?;
        let starts_at_once = container.probe(ProbeKind::Startup).is_none()
            && container.post_start.is_none()
            && container.notify.is_none();
        let leads_on = match (record.kind, &record.state) {
            (ContainerKind::Sidecar, State::Live(Live { stage: Stage::Starting { .. }, stop: None })) => {
                starts_at_once
            }
            (ContainerKind::Sidecar, State::Absent) => starts_at_once,
            (ContainerKind::Init, State::Live(Live { stage: Stage::Starting { .. }, stop: None })) => true,
            (ContainerKind::Init | ContainerKind::Sidecar, _) => false,
            (ContainerKind::Main | ContainerKind::Ephemeral, _) => false,
        };
        if !leads_on || self.stop.is_some() || self.sandbox != Sandbox::Ready {
            return None;
        }
        // Main containers stand behind the init containers.
        let next = ContainerId::at(of.container.position() + 1);
        let is_first_start = matches!(self.records[next].state, State::Absent);
        let waits_for_others = !self.container(next)?.start_after.is_empty();
        let attempt = AttemptId { container: next, attempt: self.records[next].attempts };
        (is_first_start && !waits_for_others).then_some(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Event, Exit, ExitStatus, JobMachine, Now};
    use super::*;
    use crate::spec::{self, Options, Pod, Source, Syntax};

    fn pod(init: &str, main: &str) -> Pod {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  initContainers: [{init}]\n  containers: [{main}]\n"
        );
        let source = Source { name: "p.yaml".to_owned(), text, syntax: Syntax::Yaml };
        spec::load(&[source], &Options::default()).pod.unwrap()
    }

    /// What the machine starts now.
    fn starts(machine: &mut JobMachine) -> Vec<AttemptId> {
        let mut started = Vec::new();
        while let Some(action) = machine.poll_action() {
            if let Action::Start(attempt) = action {
                started.push(attempt);
            } else if action == Action::SetUpSandbox {
                machine.handle_event(Now::default(), Event::SandboxReady);
            }
        }
        started
    }

    /// What follows the pod's sidecar, which comes first, and what was started in fact when it ran.
    fn follows(init: &str, main: &str) -> (Option<AttemptId>, Vec<AttemptId>) {
        let now = Now::default();
        let mut machine = JobMachine::new(pod(init, main), now);
        let mut begun = Vec::new();
        let mut follower = None;
        loop {
            let starts = starts(&mut machine);
            let is_sidecar = |attempt: &&AttemptId| attempt.container == ContainerId::at(0);
            if let Some(sidecar) = starts.iter().find(is_sidecar).copied() {
                follower = machine.follower(sidecar);
                machine.handle_event(now, Event::Started { attempt: sidecar });
                begun = self::starts(&mut machine);
            } else if starts.is_empty() {
                return (follower, begun);
            }
            for attempt in starts.into_iter().filter(|attempt| !is_sidecar(&attempt)) {
                machine.handle_event(now, Event::Started { attempt });
            }
        }
    }

    const SIDECAR: &str = "{name: s, image: i, command: [c], restartPolicy: Always";

    #[test]
    fn what_follows_a_sidecar_is_what_is_started_when_it_runs() {
        let (mains, last) = ("{name: a, image: i}, {name: b, image: i}", ContainerId::at(1));
        let (follower, begun) = follows(&format!("{SIDECAR}}}"), mains);
        assert_eq!(follower.map(|attempt| attempt.container), Some(last));
        assert_eq!(follower, begun.first().copied());

        let two = format!("{SIDECAR}}}, {{name: i, image: i}}");
        let (follower, begun) = follows(&two, mains);
        assert_eq!((follower.map(|attempt| attempt.container), begun.len()), (Some(last), 1));
        assert_eq!(follower, begun.first().copied());
    }

    #[test]
    fn what_follows_an_init_container_is_what_is_started_when_it_has_ended_well() {
        let now = Now::default();
        let init = format!("{{name: i, image: i, command: [c]}}, {SIDECAR}}}");
        let mut machine = JobMachine::new(pod(&init, "{name: m, image: i}"), now);
        let began = starts(&mut machine);
        let follower = |of: &AttemptId| machine.follower(*of);
        let side = began.first().and_then(follower);
        let main = side.as_ref().and_then(follower);
        for attempt in began {
            machine.handle_event(now, Event::Started { attempt });
            machine.handle_event(now, Event::Exited { attempt, exit: Exit::plain(ExitStatus::Code(0)) });
            machine.handle_event(now, Event::Emptied { attempt });
        }
        let began = starts(&mut machine);
        assert_eq!(began, side.into_iter().collect::<Vec<_>>());
        began.into_iter().for_each(|attempt| machine.handle_event(now, Event::Started { attempt }));
        let began = starts(&mut machine);
        assert_eq!(began, main.into_iter().collect::<Vec<_>>());
        assert_eq!(began.len(), 1);
    }

    #[test]
    fn nothing_follows_a_sidecar_that_is_asked_whether_it_has_started() {
        let asked =
            ["startupProbe: {exec: {command: [c]}}", "lifecycle: {postStart: {exec: {command: [c]}}}"];
        for asked in asked {
            assert_eq!(follows(&format!("{SIDECAR}, {asked}}}"), "{name: a, image: i}").0, None, "{asked}");
        }
    }
}
