//! The virtual kernel: processes that start, end and answer signals and probes as their behaviour says.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::behaviour::{Attempt, Behaviour, HookConduct, OnTerm};
use crate::pod::{
    Action, AttemptId, ContainerState, Event, Exit, ExitStatus, HookOutcome, PodStatus, ProbeOutcome, RunId,
    Signal, Target, Time,
};
use crate::spec::{ContainerId, HookKind, Pod, ProbeKind};

#[derive(Debug, Default)]
pub(super) struct Kernel {
    behaviours: Vec<Behaviour>,
    /// Containers that are to say when they are ready.
    notifying: Vec<ContainerId>,
    /// What they are stopped by, where that is not TERM.
    stop_signals: BTreeMap<ContainerId, Signal>,
    live: BTreeMap<AttemptId, Process>,
    /// Probes and hooks under way.
    runs: BTreeMap<RunId, AttemptId>,
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
    ProbeEnds(RunId, ProbeKind),
    HookEnds(RunId, HookOutcome),
    Notifies(AttemptId),
    /// Facts that come right after another.
    Tell(Event),
}

impl Kernel {
    pub(super) fn new(pod: &Pod, behaviours: Vec<Behaviour>) -> Self {
        let notifying =
            pod.iter().filter(|(_, _, container)| container.notify.is_some()).map(|(id, ..)| id).collect();
        let stop_signals = pod.iter().filter_map(|(id, _, container)| Some((id, container.stop_signal?)));
        Self { behaviours, notifying, stop_signals: stop_signals.collect(), ..Self::default() }
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
            Action::Signal { attempt, signal, target: Target::Main } if self.is_stop(*attempt, *signal) => {
                self.terminate(*attempt, now)
            }
            Action::Signal { attempt, signal: Signal::TERM, target: Target::Rest } => {
                let after = self.live.get(attempt).and_then(|process| process.attempt.rest?.on_term);
                if let Some(after) = after {
                    self.later(now + after, Happening::RestEnds(*attempt));
                }
            }
            Action::Kill(attempt) => self.kill(*attempt, now),
            Action::StartProbe { run, attempt, kind } => {
                self.runs.insert(*run, *attempt);
                let takes =
                    self.live.get(attempt).map_or(Duration::ZERO, |process| process.attempt.probe_takes);
                self.later(now + takes, Happening::ProbeEnds(*run, *kind));
            }
            Action::RunHook { run, attempt, kind } => {
                self.runs.insert(*run, *attempt);
                let conduct = self.live.get(attempt).map(|process| match kind {
                    HookKind::PostStart => process.attempt.post_start,
                    HookKind::PreStop => process.attempt.pre_stop,
                });
                if let Some(HookConduct { takes: Some(takes), outcome }) = conduct {
                    self.later(now + takes, Happening::HookEnds(*run, outcome));
                }
            }
            Action::CancelProbe(run) | Action::AbandonHook(run) => {
                self.runs.remove(run);
            }
            Action::Resize { run, attempt } => {
                let fails = self.live.get(attempt).is_some_and(|process| process.attempt.resize_fails);
                let (run, message) = (*run, "as simulated".to_owned());
                self.later(
                    now,
                    Happening::Tell(match fails {
                        true => Event::ResizeFailed { run, message },
                        false => Event::ResizeDone { run },
                    }),
                );
            }
            // A forwarded signal does what the program makes of it: here, nothing.
            Action::Signal { .. }
            | Action::BeginTry
            | Action::TearDownSandbox
            | Action::Remove(_)
            | Action::RefreshVolumes
            | Action::RestartNetworkHelper
            | Action::Record(_)
            | Action::StatusChanged
            | Action::Finish { .. } => {}
        }
    }

    /// TERM, or the signal that the container has been given to stop by.
    fn is_stop(&self, attempt: AttemptId, signal: Signal) -> bool {
        let own = self.stop_signals.get(&attempt.container);
        signal == *own.unwrap_or(&Signal::TERM)
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
        let (lasts, exit, notifies) =
            (process.attempt.lasts, process.attempt.exit, process.attempt.notifies_after);
        if let Some(after) = notifies.filter(|_| self.notifying.contains(&id.container)) {
            self.later(now + after, Happening::Notifies(id));
        }
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
            Happening::ProbeEnds(run, kind) => {
                let process = self.live.get(&self.runs.remove(&run)?)?;
                let attempt = &process.attempt;
                let succeeds = attempt.answers(kind, now.since(process.started?));
                let outcome = if succeeds { attempt.probe } else { ProbeOutcome::Failure };
                let output = match outcome {
                    ProbeOutcome::Success => "",
                    ProbeOutcome::Failure if !succeeds && kind != ProbeKind::Liveness => "not ready yet",
                    ProbeOutcome::Failure | ProbeOutcome::Warning | ProbeOutcome::Error => "as simulated",
                };
                Some(Event::ProbeDone { run, outcome, output: output.to_owned() })
            }
            // A hook ends with its container: nobody waits for it any more.
            Happening::HookEnds(run, outcome) => {
                self.live.get(&self.runs.remove(&run)?).filter(|process| process.main)?;
                Some(Event::HookDone { run, outcome, output: String::new() })
            }
            Happening::Notifies(attempt) => {
                self.live.get(&attempt).filter(|process| process.main)?;
                Some(Event::Notified { attempt, ready: true, status: String::new() })
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
