//! What happened in a simulated life and when: each container's states as spans of time, and every
//! occurrence in order. Observed from outside, like the invariants; it decides nothing about a pod, and
//! does not know how it is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::pod::{
    Action, AttemptId, Cause, ContainerState, ContainerStatus, Event, ExitStatus, JobMachine, Phase,
    PodEvent, PodStatus, ProbeOutcome, RunId, Signal, StopCause, StopRequest, Target, Text, Time,
    WaitingReason,
};
use crate::spec::{ContainerId, ContainerKind, HookKind, Pod, ProbeKind};

/// The life of one pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Timeline {
    /// The pod's name.
    pub(super) name: Text,
    rows: Vec<Row>,
    occurrences: Vec<Occurrence>,
    /// Whose probe an execution belongs to.
    runs: BTreeMap<RunId, (ContainerId, ProbeKind)>,
    /// Whose readiness probe succeeded last.
    ready: BTreeSet<ContainerId>,
    /// As last seen.
    ending: Option<(StopCause, Time)>,
    phase: Option<Phase>,
    /// How far it reaches.
    pub(super) end: Duration,
    pub(super) conclusion: Conclusion,
    /// Events of the script that nobody was there for any more.
    pub(super) missed: usize,
}

/// One container.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: Text,
    /// What it is to its pod.
    pub kind: ContainerKind,
    /// In order, without gaps and overlaps from its first attempt on; none of length zero.
    pub spans: Vec<Span>,
    /// What it is in now, and since when.
    open: Option<(Duration, State)>,
    /// How the newest attempt ended.
    status: ExitStatus,
}

/// A stretch of time that a container spent in one state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// Its beginning.
    pub from: Duration,
    /// Its end, which is later.
    pub to: Duration,
    /// In what.
    pub state: State,
}

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// An attempt was asked for; its program does not run yet.
    Starting,
    /// The program runs; its startup probe has not succeeded.
    NotStarted,
    /// The program runs.
    Running,
    /// It was sent a signal to end.
    Stopping,
    /// The main process is gone; what it left behind is not.
    Emptying,
    /// The next attempt must wait.
    Waiting(WaitingReason),
    /// Nothing of it runs.
    Terminated {
        /// It ended with exit code 0.
        completed: bool,
    },
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Occurrence {
    /// When.
    pub at: Duration,
    /// To whom; `None` is the pod.
    pub container: Option<ContainerId>,
    /// What.
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The pod is in this phase now.
    Phase(Phase),
    /// An attempt was asked for; the number is from 0.
    Starting(u32),
    /// Told to people.
    Told(PodEvent),
    /// This probe of it succeeded and had not before: of those that succeed again and again only the first.
    ProbeSucceeded(ProbeKind),
    /// Its hook began.
    HookBegan(HookKind),
    /// A signal was sent.
    Signalled(Signal, Target),
    /// All of it was sent SIGKILL.
    Killed,
    /// Its main process ended.
    Exited(ExitStatus),
    /// Its program never ran.
    NeverRan,
    /// Nothing of it is left.
    Emptied,
    /// Somebody asked the pod to stop.
    StopRequested(Signal),
    /// Somebody asked the pod to end at once.
    KillRequested,
    /// Somebody asked for a restart.
    RestartRequested,
    /// The pod ends, or ends sooner: when its grace period is over.
    Ending(StopCause, Duration),
    /// The pod is over.
    Finished(u8, Cause),
}

/// Why a timeline goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// The pod is over, with this exit code.
    Over(u8, Cause),
    /// Nothing more happens by itself.
    Quiet,
    /// Nobody wanted to know more.
    Bounded,
    /// Too much happened.
    Busy,
}

impl Timeline {
    pub(super) fn new(pod: &Pod) -> Self {
        let mut timeline = Self {
            name: Text::clone(&pod.metadata.name),
            rows: Vec::new(),
            occurrences: Vec::new(),
            runs: BTreeMap::new(),
            ready: BTreeSet::new(),
            ending: None,
            phase: None,
            end: Duration::ZERO,
            conclusion: Conclusion::Bounded,
            missed: 0,
        };
        timeline.add_rows(pod);
        timeline.enter_phase(Duration::ZERO, Phase::Pending);
        timeline
    }

    /// One for each container, in the pod's order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// In order.
    pub fn occurrences(&self) -> &[Occurrence] {
        &self.occurrences
    }

    /// How far it reaches.
    pub fn end(&self) -> Duration {
        self.end
    }

    /// Why it goes no further.
    pub fn conclusion(&self) -> Conclusion {
        self.conclusion
    }

    /// When the pod's end began or was made shorter, each time, and when its grace is over from then on.
    pub(super) fn endings(&self) -> impl DoubleEndedIterator<Item = (Duration, Duration)> {
        self.occurrences.iter().filter_map(|occurrence| {
            let What::Ending(_, deadline) = occurrence.what else { return None };
            Some((occurrence.at, deadline))
        })
    }

    /// The phases that the pod was in, with their beginnings.
    pub(super) fn phases(&self) -> Vec<(Duration, Phase)> {
        let phases = self.occurrences.iter().filter_map(|occurrence| {
            let What::Phase(phase) = occurrence.what else { return None };
            Some((occurrence.at, phase))
        });
        phases.collect()
    }

    /// The phase that the pod was in last.
    pub(super) fn phase(&self) -> Phase {
        self.phase.unwrap_or(Phase::Pending)
    }

    pub(super) fn row(&self, id: ContainerId) -> Option<&Row> {
        self.rows.get(id.position())
    }

    /// When the last thing happened.
    pub(super) fn last(&self) -> Duration {
        self.occurrences.last().map_or(Duration::ZERO, |occurrence| occurrence.at)
    }

    /// Nothing more is to come.
    pub(super) fn close(&mut self, end: Duration, conclusion: Conclusion) {
        self.end = end;
        self.conclusion = conclusion;
        self.rows.iter_mut().for_each(|row| row.leave(end));
    }

    /// Containers may be added to a running pod.
    fn add_rows(&mut self, pod: &Pod) {
        for (_, kind, container) in pod.iter().skip(self.rows.len()) {
            let name = Text::clone(&container.name);
            let status = ExitStatus::Unknown;
            self.rows.push(Row { name, kind, spans: Vec::new(), open: None, status });
        }
    }

    fn push(&mut self, at: Duration, container: Option<ContainerId>, what: What) {
        self.occurrences.push(Occurrence { at, container, what });
    }

    fn enter_phase(&mut self, at: Duration, phase: Phase) {
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.push(at, None, What::Phase(phase));
        }
    }

    /// The container enters a state, if `may` holds of the one it is in.
    fn enter(&mut self, at: Duration, id: ContainerId, state: State, may: impl Fn(Option<State>) -> bool) {
        if let Some(row) = self.rows.get_mut(id.position())
            && may(row.state())
        {
            row.leave(at);
            row.open = Some((at, state));
        }
    }

    /// A fact goes in.
    pub(super) fn saw(&mut self, now: Time, pod: &Pod, event: &Event) {
        let at = now.since(Time::default());
        match event {
            Event::Started { attempt: AttemptId { container: id, .. } } => {
                let has_probe = pod.container(*id).is_some_and(|container| container.startup_probe.is_some());
                let state = if has_probe { State::NotStarted } else { State::Running };
                self.enter(at, *id, state, |state| state == Some(State::Starting));
            }
            Event::StartFailed { attempt: AttemptId { container: id, .. }, .. } => {
                self.push(at, Some(*id), What::NeverRan);
                self.enter(at, *id, State::Terminated { completed: false }, is_up);
            }
            Event::Exited { attempt: AttemptId { container: id, .. }, exit } => {
                self.push(at, Some(*id), What::Exited(exit.status));
                if let Some(row) = self.rows.get_mut(id.position()) {
                    row.status = exit.status;
                }
                self.enter(at, *id, State::Emptying, is_up);
            }
            Event::Emptied { attempt: AttemptId { container: id, .. } } => {
                self.push(at, Some(*id), What::Emptied);
                self.terminated(at, *id);
            }
            Event::ProbeDone { run, outcome, .. } => {
                if let Some((container, kind)) = self.runs.remove(run) {
                    self.probed(at, container, kind, *outcome);
                }
            }
            Event::StopRequested { cause: StopRequest::Signal(signal), .. } => {
                self.push(at, None, What::StopRequested(*signal));
            }
            Event::KillRequested => self.push(at, None, What::KillRequested),
            Event::RestartRequested { container } => self.push(at, Some(*container), What::RestartRequested),
            // Told to people by the machine, or nothing that anybody sees.
            Event::SandboxReady
            | Event::SandboxFailed { .. }
            | Event::SandboxLost
            | Event::HookDone { .. }
            | Event::Notified { .. }
            | Event::ForwardSignal { .. }
            | Event::SpecChanged(_)
            | Event::ResizeDone { .. }
            | Event::ResizeFailed { .. }
            | Event::EphemeralAdded(_)
            | Event::NetworkHelperDied { .. }
            | Event::ActionFailed { .. } => {}
        }
    }

    fn probed(&mut self, at: Duration, id: ContainerId, kind: ProbeKind, outcome: ProbeOutcome) {
        let is_new = match (kind, outcome) {
            (ProbeKind::Startup, ProbeOutcome::Success) => true,
            (ProbeKind::Readiness, ProbeOutcome::Success) => self.ready.insert(id),
            (ProbeKind::Readiness, ProbeOutcome::Failure) => {
                self.ready.remove(&id);
                false
            }
            // What is told of, or says nothing new.
            (ProbeKind::Liveness, _)
            | (_, ProbeOutcome::Warning | ProbeOutcome::Error | ProbeOutcome::Failure) => false,
        };
        if is_new {
            self.push(at, Some(id), What::ProbeSucceeded(kind));
        }
    }

    fn terminated(&mut self, at: Duration, id: ContainerId) {
        let completed = self.row(id).is_some_and(|row| row.status == ExitStatus::Code(0));
        self.enter(at, id, State::Terminated { completed }, is_live);
    }

    /// An action comes out.
    pub(super) fn wants(&mut self, now: Time, machine: &JobMachine, action: &Action) {
        let at = now.since(Time::default());
        self.add_rows(machine.pod());
        let ending = machine.ending();
        if let Some((cause, deadline)) = ending.filter(|_| ending != self.ending) {
            self.push(at, None, What::Ending(cause, deadline.since(Time::default())));
        }
        self.ending = ending;
        match action {
            Action::Start(AttemptId { container: id, attempt }) => {
                self.ready.remove(id);
                self.push(at, Some(*id), What::Starting(*attempt));
                self.enter(at, *id, State::Starting, |_| true);
            }
            Action::Signal { attempt: AttemptId { container: id, .. }, signal, target } => {
                self.push(at, Some(*id), What::Signalled(*signal, *target));
                // Others are passed on, and end nothing.
                let own = machine.pod().container(*id).and_then(|container| container.stop_signal);
                if (*signal, *target) == (own.unwrap_or(Signal::TERM), Target::Main) {
                    self.enter(at, *id, State::Stopping, is_up);
                }
            }
            Action::Kill(AttemptId { container: id, .. }) => {
                self.push(at, Some(*id), What::Killed);
                self.enter(at, *id, State::Stopping, |state| is_up(state) && state != Some(State::Stopping));
            }
            Action::Remove(AttemptId { container: id, .. }) => self.terminated(at, *id),
            Action::StartProbe { run, attempt, kind } => {
                self.runs.insert(*run, (attempt.container, *kind));
            }
            Action::RunHook { attempt, kind, .. } => {
                self.push(at, Some(attempt.container), What::HookBegan(*kind));
            }
            Action::Record(event) => {
                let container = event.container().and_then(|name| self.find(name));
                self.push(at, container, What::Told(event.clone()));
            }
            Action::StatusChanged => self.look(at, &machine.status()),
            Action::Finish { code, cause } => {
                self.push(at, None, What::Finished(*code, *cause));
                self.close(at, Conclusion::Over(*code, *cause));
            }
            Action::BeginTry
            | Action::SetUpSandbox
            | Action::TearDownSandbox
            | Action::CancelProbe(_)
            | Action::AbandonHook(_)
            | Action::Resize { .. }
            | Action::RefreshVolumes
            | Action::RestartNetworkHelper => {}
        }
    }

    fn find(&self, name: &str) -> Option<ContainerId> {
        self.rows.iter().position(|row| *row.name == *name).map(ContainerId::at)
    }

    /// What only the status tells: phases, delays, and what a startup probe has come to.
    fn look(&mut self, at: Duration, status: &PodStatus) {
        self.enter_phase(at, status.phase);
        for (position, container) in status.iter().enumerate() {
            let id = ContainerId::at(position);
            match refused(container) {
                Some(reason) => {
                    let waiting = State::Waiting(reason);
                    self.enter(at, id, waiting, |state| !is_live(state) && state != Some(waiting));
                }
                None if self.row(id).and_then(Row::state).is_some_and(is_waiting) => {
                    let completed = self.row(id).is_some_and(|row| row.status == ExitStatus::Code(0));
                    self.enter(at, id, State::Terminated { completed }, |_| true);
                }
                None if container.started => {
                    self.enter(at, id, State::Running, |state| state == Some(State::NotStarted));
                }
                None => {}
            }
        }
    }
}

impl Row {
    fn state(&self) -> Option<State> {
        self.open.map(|(_, state)| state)
    }

    fn leave(&mut self, at: Duration) {
        if let Some((from, state)) = self.open.take().filter(|(from, _)| *from < at) {
            self.spans.push(Span { from, to: at, state });
        }
    }
}

impl State {
    /// Something of an attempt exists.
    pub fn is_live(self) -> bool {
        match self {
            Self::Starting | Self::NotStarted | Self::Running | Self::Stopping | Self::Emptying => true,
            Self::Waiting(_) | Self::Terminated { .. } => false,
        }
    }
}

impl What {
    /// The code that an attempt ended with; 128 where its program never ran (rule 128).
    pub(super) fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Exited(status) => Some(status.code()),
            Self::NeverRan => Some(128),
            Self::Phase(_)
            | Self::Starting(_)
            | Self::Told(_)
            | Self::ProbeSucceeded(_)
            | Self::HookBegan(_)
            | Self::Signalled(..)
            | Self::Killed
            | Self::Emptied
            | Self::StopRequested(_)
            | Self::KillRequested
            | Self::RestartRequested
            | Self::Ending(..)
            | Self::Finished(..) => None,
        }
    }

    /// Whether a probe succeeded.
    pub(super) fn probe_result(&self) -> Option<bool> {
        if matches!(self, Self::ProbeSucceeded(_)) {
            return Some(true);
        }
        let Self::Told(event) = self else { return None };
        match event {
            PodEvent::ProbeWarning(..) => Some(true),
            PodEvent::Unhealthy { .. } | PodEvent::ProbeError(..) => Some(false),
            PodEvent::Started(_)
            | PodEvent::Failed(..)
            | PodEvent::Killing(..)
            | PodEvent::ExceededGracePeriod(_)
            | PodEvent::BackOff(..)
            | PodEvent::FailedKillPod(_)
            | PodEvent::FailedHook(..)
            | PodEvent::HookTookTooLong(..)
            | PodEvent::LifecycleHTTPFallback(..)
            | PodEvent::DeadlineExceeded
            | PodEvent::TryFailed { .. }
            | PodEvent::SuccessfulCreate
            | PodEvent::JobFailed(_)
            | PodEvent::ResizeStarted(_)
            | PodEvent::ResizeCompleted(_)
            | PodEvent::ResizeError(..)
            | PodEvent::FailedCreatePodSandBox(_)
            | PodEvent::SandboxChanged
            | PodEvent::NetworkNotReady(_)
            | PodEvent::FailedValidation(_)
            | PodEvent::FailedSync(_) => None,
        }
    }
}

fn is_live(state: Option<State>) -> bool {
    state.is_some_and(State::is_live)
}

/// The main process runs or is about to.
fn is_up(state: Option<State>) -> bool {
    is_live(state) && state != Some(State::Emptying)
}

fn is_waiting(state: State) -> bool {
    matches!(state, State::Waiting(_))
}

/// Why a container's next attempt must wait, other than for its turn.
fn refused(status: &ContainerStatus) -> Option<WaitingReason> {
    match status.state {
        ContainerState::Waiting { reason, .. } => match reason {
            WaitingReason::PodInitializing
            | WaitingReason::ContainerCreating
            | WaitingReason::RestartingAllContainers => None,
            WaitingReason::CrashLoopBackOff
            | WaitingReason::PostStartHookError
            | WaitingReason::CreateContainerConfigError
            | WaitingReason::CreateContainerError => Some(reason),
        },
        ContainerState::Running { .. } | ContainerState::Terminated(_) => None,
    }
}
