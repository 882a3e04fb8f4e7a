//! A pod's life by a script: what the script leaves out, and how far the life is followed.

use std::time::Duration;

use super::behaviour::{Attempt, Behaviour, HookConduct, OnTerm};
use super::timeline::{Conclusion, Timeline};
use super::{STEPS, Violation, World};
use crate::pod::{Event, ExitStatus, StopRequest, Time};
use crate::spec::{Conduct, ContainerKind, IncidentKind, Pod, Run, Script, ScriptedExit, ScriptedHook};

/// How long a pod is watched after the script's last event where nobody says how long.
const LONG_ENOUGH: Duration = Duration::from_secs(600);
/// More than this nobody reads: containers that are restarted without any delay.
const MOST_OCCURRENCES: usize = 20_000;
/// How long an init container runs.
const INIT: Duration = Duration::from_secs(1);
/// How long a main container runs.
const MAIN: Duration = Duration::from_secs(10);
/// How long a hook takes.
const HOOK: Duration = Duration::from_millis(100);
/// From a program's start until its startup and readiness probes succeed, or it says that it is ready.
const READY: Duration = Duration::from_secs(1);
/// From a stop signal to the end.
const STOP: Duration = Duration::from_millis(200);

/// The life of `pod` as `script` has it, until it is over, nothing more will happen, or `until`. A
/// violation is a bug of the machine.
pub fn simulate(pod: Pod, script: &Script, until: Option<Duration>) -> Result<Timeline, Violation> {
    let behaviour = |(id, kind, _)| behaviour(kind, script.containers.get(&id));
    let behaviours = pod.iter().map(|(id, kind, container)| behaviour((id, kind, container))).collect();
    let last = script.events.last().map_or(Duration::ZERO, |event| event.at);
    let bound = until.unwrap_or(last + LONG_ENOUGH);
    let mut world = World::observed(pod, behaviours);
    let mut missed = 0;
    for event in &script.events {
        if event.at > bound || !world.advance(event.at) {
            missed += 1;
            continue;
        }
        world.send(match event.kind {
            IncidentKind::Stop(signal) => {
                Event::StopRequested { grace: None, cause: StopRequest::Signal(signal) }
            }
            IncidentKind::Kill => Event::KillRequested,
            IncidentKind::Restart(container) => Event::RestartRequested { container },
        });
    }
    world.advance(bound);
    world.into_timeline(missed, until)
}

impl World {
    /// Lets everything happen up to a moment. False if that is never reached: the pod is over, or too
    /// much happens.
    fn advance(&mut self, to: Duration) -> bool {
        let to = Time::default() + to;
        for _ in 0..STEPS {
            match self.next().filter(|next| *next <= to) {
                Some(_) if self.is_busy() => return false,
                Some(next) => self.step(next),
                None if self.finished.is_some() || self.violation.is_some() => return false,
                None => {
                    self.now = self.now.max(to);
                    return true;
                }
            }
        }
        false
    }

    fn is_busy(&self) -> bool {
        self.timeline().is_some_and(|timeline| timeline.occurrences().len() > MOST_OCCURRENCES)
    }

    fn into_timeline(self, missed: usize, until: Option<Duration>) -> Result<Timeline, Violation> {
        let (is_busy, elapsed) = (self.is_busy(), self.elapsed());
        let next = self.next().map(|next| next.since(Time::default()));
        if let Some(violation) = self.violation {
            return Err(violation);
        }
        let mut timeline = self.timeline.unwrap_or_else(|| Timeline::new(self.machine.pod()));
        timeline.missed = missed;
        if self.finished.is_none() {
            let (end, conclusion) = match next {
                // A moment more, so that it can be seen that things go on.
                None => (until.unwrap_or(timeline.last() + timeline.last() / 5 + READY), Conclusion::Quiet),
                Some(next) if is_busy || next <= elapsed => (elapsed, Conclusion::Busy),
                Some(_) => (elapsed, Conclusion::Bounded),
            };
            timeline.close(end.max(timeline.last()), conclusion);
        }
        Ok(timeline)
    }
}

/// What the script says of a container, and the rest.
fn behaviour(kind: ContainerKind, conduct: Option<&Conduct>) -> Behaviour {
    let unsaid = Conduct::default();
    let conduct = conduct.unwrap_or(&unsaid);
    let exit = ScriptedExit::Code(0);
    let default = match kind {
        ContainerKind::Init => Run { lasts: Some(INIT), exit },
        ContainerKind::Sidecar => Run { lasts: None, exit },
        ContainerKind::Main | ContainerKind::Ephemeral => Run { lasts: Some(MAIN), exit },
    };
    let runs = if conduct.runs.is_empty() { std::slice::from_ref(&default) } else { &conduct.runs };
    Behaviour::each(runs.iter().map(|run| attempt(run, conduct)).collect())
}

fn attempt(run: &Run, conduct: &Conduct) -> Attempt {
    Attempt {
        start_takes: conduct.start_takes,
        lasts: run.lasts,
        exit: status(run.exit),
        on_term: if conduct.ignores_stop {
            OnTerm::Ignores
        } else {
            OnTerm::Exits {
                after: conduct.stop_takes.unwrap_or(STOP),
                status: status(conduct.stop_exit.unwrap_or(ScriptedExit::Code(0))),
            }
        },
        ready_after: conduct.ready_after.unwrap_or(READY),
        healthy_for: conduct.healthy_for,
        serves_from: conduct.serves_from.unwrap_or(READY),
        serves_until: conduct.serves_until,
        notifies_after: Some(conduct.notifies_after.unwrap_or(READY)),
        post_start: hook(conduct.post_start),
        pre_stop: hook(conduct.pre_stop),
        ..Attempt::default()
    }
}

fn hook(hook: Option<ScriptedHook>) -> HookConduct {
    match hook {
        Some(ScriptedHook { takes, fails: true }) => HookConduct::fails(takes),
        Some(ScriptedHook { takes, fails: false }) => HookConduct::takes(takes),
        None => HookConduct::takes(HOOK),
    }
}

fn status(exit: ScriptedExit) -> ExitStatus {
    match exit {
        ScriptedExit::Code(code) => ExitStatus::Code(code),
        ScriptedExit::Signal(signal) => ExitStatus::Signal(signal),
    }
}
