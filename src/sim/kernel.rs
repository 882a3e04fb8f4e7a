//! The virtual kernel: processes that start, end and answer signals and probes as their behaviour says.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::behaviour::{Attempt, Behaviour, OnTerm};
use crate::pod::{
    Action, AttemptId, ContainerState, Event, Exit, ExitStatus, PodStatus, ProbeOutcome, RunId, Signal,
    Target, Time,
};
use crate::spec::{ContainerId, Pod};

#[derive(Debug, Default)]
pub(super) struct Kernel {
    behaviours: Vec<Behaviour>,
    live: BTreeMap<AttemptId, Process>,
    probes: BTreeMap<RunId, ()>,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    next: u64,
}

/// What exists of an attempt.
#[derive(Debug)]
struct Process {
    attempt: Attempt,
    started: Option<Time>,
    /// The main process runs or is about to.
    main: bool,
    /// Descendants exist that outlive it.
    rest: bool,
}

/// Something that will happen by itself.
#[derive(Debug)]
enum Happening {
    SandboxReady,
    Starts(AttemptId),
    MainEnds(AttemptId, ExitStatus),
    RestEnds(AttemptId),
    ProbeEnds(RunId, AttemptId),
    /// Facts that come right after another.
    Tell(Event),
}

impl Kernel {
    pub(super) fn new(behaviours: Vec<Behaviour>) -> Self {
        Self { behaviours, ..Self::default() }
    }

    /// What a restored machine takes as running runs.
    pub(super) fn adopt(&mut self, pod: &Pod, status: &PodStatus, now: Time) {
        for (container, _, named) in pod.iter() {
            let Some(status) = status.container(&named.name) else { continue };
            if let ContainerState::Running { .. } = status.state {
                let id = AttemptId { container, attempt: status.restart_count };
                self.fork(id);
                self.start(id, now);
            }
        }
    }

    pub(super) fn behave(&mut self, container: ContainerId, behaviour: Behaviour) {
        let position = container.position();
        self.behaviours.resize(self.behaviours.len().max(position + 1), Behaviour::each(Vec::new()));
        if let Some(slot) = self.behaviours.get_mut(position) {
            *slot = behaviour;
        }
    }

    /// When something happens next.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// The next fact that is one by `now`.
    pub(super) fn take(&mut self, now: Time) -> Option<Event> {
        while self.next_at().is_some_and(|at| at <= now) {
            let Reverse((at, key)) = self.queue.pop()?;
            let happening = self.happenings.remove(&key)?;
            if let Some(event) = self.happen(at, happening) {
                return Some(event);
            }
        }
        None
    }

    pub(super) fn carry_out(&mut self, now: Time, action: &Action) {
        match action {
            Action::SetUpSandbox => self.later(now, Happening::SandboxReady),
            Action::Start(id) => {
                let takes = self.fork(*id);
                self.later(now + takes, Happening::Starts(*id));
            }
            Action::Signal { attempt, signal: Signal::TERM, target: Target::Main } => {
                self.terminate(*attempt, now)
            }
            Action::Signal { attempt, signal: Signal::TERM, target: Target::Rest } => {
                let after = self.live.get(attempt).and_then(|process| process.attempt.rest?.on_term);
                if let Some(after) = after {
                    self.later(now + after, Happening::RestEnds(*attempt));
                }
            }
            Action::Kill(attempt) => self.kill(*attempt, now),
            Action::StartProbe { run, attempt, .. } => {
                self.probes.insert(*run, ());
                let takes =
                    self.live.get(attempt).map_or(Duration::ZERO, |process| process.attempt.probe_takes);
                self.later(now + takes, Happening::ProbeEnds(*run, *attempt));
            }
            Action::CancelProbe(run) => {
                self.probes.remove(run);
            }
            // A forwarded signal does what the program makes of it: here, nothing.
            Action::Signal { .. }
            | Action::TearDownSandbox
            | Action::Remove(_)
            | Action::RunHook { .. }
            | Action::AbandonHook(_)
            | Action::Resize(_)
            | Action::RefreshVolumes
            | Action::RestartNetworkHelper
            | Action::Record(_)
            | Action::StatusChanged
            | Action::Finish { .. } => {}
        }
    }

    fn later(&mut self, at: Time, happening: Happening) {
        self.next += 1;
        self.happenings.insert(self.next, happening);
        self.queue.push(Reverse((at, self.next)));
    }

    fn fork(&mut self, id: AttemptId) -> Duration {
        let behaviour = self.behaviours.get(id.container.position());
        let attempt = behaviour.map_or_else(Attempt::default, |behaviour| behaviour.attempt(id.attempt));
        let takes = attempt.start_takes;
        self.live.insert(id, Process { attempt, started: None, main: true, rest: false });
        takes
    }

    fn start(&mut self, id: AttemptId, now: Time) {
        let Some(process) = self.live.get_mut(&id) else { return };
        process.started = Some(now);
        let (lasts, exit) = (process.attempt.lasts, process.attempt.exit);
        if let Some(lasts) = lasts {
            self.later(now + lasts, Happening::MainEnds(id, exit));
        }
    }

    fn terminate(&mut self, id: AttemptId, now: Time) {
        let Some(process) = self.live.get(&id).filter(|process| process.main) else { return };
        match process.attempt.on_term {
            OnTerm::Ignores => {}
            OnTerm::Exits { after, status } => self.later(now + after, Happening::MainEnds(id, status)),
        }
    }

    fn kill(&mut self, id: AttemptId, now: Time) {
        let Some(process) = self.live.get(&id).filter(|process| !process.attempt.unkillable) else { return };
        if process.main {
            self.later(now, Happening::MainEnds(id, ExitStatus::Signal(Signal::KILL)));
        }
        self.later(now, Happening::RestEnds(id));
    }

    fn happen(&mut self, now: Time, happening: Happening) -> Option<Event> {
        match happening {
            Happening::SandboxReady => Some(Event::SandboxReady),
            Happening::Tell(event) => Some(event),
            Happening::Starts(id) => {
                let process = self.live.get(&id).filter(|process| process.main)?;
                if let Some(failure) = process.attempt.start_fails.clone() {
                    self.live.remove(&id);
                    return Some(Event::StartFailed { attempt: id, failure });
                }
                self.start(id, now);
                Some(Event::Started { attempt: id })
            }
            Happening::MainEnds(id, status) => self.main_ends(id, status, now),
            Happening::RestEnds(id) => {
                self.live.get(&id).filter(|process| process.rest && !process.main)?;
                self.live.remove(&id);
                Some(Event::Emptied { attempt: id })
            }
            Happening::ProbeEnds(run, id) => {
                self.probes.remove(&run)?;
                let process = self.live.get(&id)?;
                let attempt = &process.attempt;
                let is_ready = now.since(process.started?) >= attempt.ready_after;
                let outcome = if is_ready { attempt.probe } else { ProbeOutcome::Failure };
                let output = match outcome {
                    ProbeOutcome::Success => "",
                    ProbeOutcome::Failure if !is_ready => "not ready yet",
                    ProbeOutcome::Failure | ProbeOutcome::Warning | ProbeOutcome::Error => "as simulated",
                };
                Some(Event::ProbeDone { run, outcome, output: output.to_owned() })
            }
        }
    }

    /// The main process ends; descendants may stay, otherwise nothing is left at the same moment.
    fn main_ends(&mut self, id: AttemptId, status: ExitStatus, now: Time) -> Option<Event> {
        let process = self.live.get_mut(&id).filter(|process| process.main)?;
        process.main = false;
        process.rest = process.attempt.rest.is_some() && status != ExitStatus::Signal(Signal::KILL);
        match (process.rest, process.attempt.rest.and_then(|rest| rest.lasts)) {
            (true, Some(lasts)) => self.later(now + lasts, Happening::RestEnds(id)),
            (true, None) => {}
            (false, _) => {
                self.live.remove(&id);
                self.later(now, Happening::Tell(Event::Emptied { attempt: id }));
            }
        }
        Some(Event::Exited { attempt: id, exit: Exit::plain(status) })
    }
}
