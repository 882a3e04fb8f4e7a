//! What will be started next if nothing comes between: for a driver that can make things ready for it. A look at
//! what is known; it decides nothing.

use super::record::{Live, Stage, State};
use super::{AttemptId, PodMachine, Sandbox};
use crate::spec::{ContainerId, ContainerKind, ProbeKind};

impl PodMachine {
    /// The attempt that is started as soon as this one runs; `None` where that is not certain. A sidecar that
    /// nobody asks whether it has started lets the next init container start, or the first main container
    /// (KEP-753).
    pub fn follower(&self, starting: AttemptId) -> Option<AttemptId> {
        let record = &self.records[starting.container];
        let is_starting =
            matches!(record.state, State::Live(Live { stage: Stage::Starting { .. }, stop: None }));
        let container = self.container(starting.container)?;
        let starts_at_once = container.probe(ProbeKind::Startup).is_none()
            && container.post_start.is_none()
            && container.notify.is_none();
        if !(is_starting && starts_at_once && record.kind == ContainerKind::Sidecar)
            || self.stop.is_some()
            || self.sandbox != Sandbox::Ready
        {
            return None;
        }
        // Main containers stand behind the init containers.
        let next = ContainerId::at(starting.container.position() + 1);
        let is_first_start = matches!(self.records[next].state, State::Absent);
        let waits_for_others = !self.container(next)?.start_after.is_empty();
        let attempt = AttemptId { container: next, attempt: self.records[next].attempts };
        (is_first_start && !waits_for_others).then_some(attempt)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Event, JobMachine, Now};
    use super::*;
    use crate::spec::{self, Options, Pod, Source, Syntax};

    fn pod(init: &str, main: &str) -> Pod {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  initContainers: [{init}]\n  containers: [{main}]\n"
        );
        let source = Source { name: "p.yaml".to_owned(), text, syntax: Syntax::Yaml };
        spec::load(&[source], &Options::default()).pod.unwrap()
    }

    /// What follows the pod's sidecar, which comes first, and what was started in fact when it ran.
    fn follows(init: &str, main: &str) -> (Option<AttemptId>, Vec<AttemptId>) {
        let now = Now::default();
        let mut machine = JobMachine::new(pod(init, main), now);
        let mut begun = Vec::new();
        let mut follower = None;
        loop {
            let mut starts = Vec::new();
            while let Some(action) = machine.poll_action() {
                if let Action::Start(attempt) = action {
                    starts.push(attempt);
                } else if action == Action::SetUpSandbox {
                    machine.handle_event(now, Event::SandboxReady);
                }
            }
            let is_sidecar = |attempt: &&AttemptId| attempt.container == ContainerId::at(0);
            if let Some(sidecar) = starts.iter().find(is_sidecar).copied() {
                follower = machine.follower(sidecar);
                begun.clear();
                machine.handle_event(now, Event::Started { attempt: sidecar });
                while let Some(action) = machine.poll_action() {
                    if let Action::Start(attempt) = action {
                        begun.push(attempt);
                    }
                }
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
    fn nothing_follows_a_sidecar_that_is_asked_whether_it_has_started() {
        let asked =
            ["startupProbe: {exec: {command: [c]}}", "lifecycle: {postStart: {exec: {command: [c]}}}"];
        for asked in asked {
            assert_eq!(follows(&format!("{SIDECAR}, {asked}}}"), "{name: a, image: i}").0, None, "{asked}");
        }
    }
}
