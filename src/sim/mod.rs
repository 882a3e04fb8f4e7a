//! A virtual kernel and clock that drive the real pod machine: a pod's whole life, however long, in
//! microseconds, with every invariant of the machine checked after every step. Pure, like the machine.

mod behaviour;
mod gates;
mod invariants;
mod kernel;
mod simulate;
mod svg;
mod text;
mod timeline;
mod trace;

use std::collections::BTreeSet;
use std::time::Duration;

pub use behaviour::{Attempt, Behaviour, HookConduct, OnTerm, Rest};
use invariants::Invariants;
pub use invariants::Violation;
use kernel::Kernel;
pub use simulate::simulate;
pub use timeline::{Conclusion, Occurrence, Row, Span, State, Timeline, What};
pub use trace::{Entry, Trace};

use crate::pod::{Action, AttemptId, Event, JobMachine, JobStatus, Now, PodStatus, Time, Timestamp};
use crate::spec::{ContainerId, Pod};

/// How many steps a life may take before it is called endless.
const STEPS: usize = 300_000;

/// A pod, the processes it is made of, and the time.
pub struct World {
    machine: JobMachine,
    kernel: Kernel,
    invariants: Invariants,
    trace: Trace,
    /// Where somebody wants one.
    timeline: Option<Timeline>,
    now: Time,
    /// Attempts that were left behind.
    removed: BTreeSet<AttemptId>,
    /// As last announced.
    status: PodStatus,
    finished: Option<u8>,
    violation: Option<Violation>,
}

impl World {
    /// A pod whose containers behave as told, in the pod's order; the first steps have been taken.
    pub fn new(pod: Pod, behaviours: Vec<Behaviour>) -> Self {
        let now = Time::default();
        Self::with(JobMachine::new(pod, at(now)), behaviours, now, None)
    }

    /// The same, with a timeline of what happens.
    pub fn observed(pod: Pod, behaviours: Vec<Behaviour>) -> Self {
        let now = Time::default();
        let timeline = Timeline::new(&pod);
        Self::with(JobMachine::new(pod, at(now)), behaviours, now, Some(timeline))
    }

    /// A pod that another supervisor ran until `elapsed` after its beginning and left in this status.
    /// What the status shows as running runs.
    pub fn restore(pod: Pod, status: &PodStatus, behaviours: Vec<Behaviour>, elapsed: Duration) -> Self {
        Self::restore_job(pod, status, None, behaviours, elapsed)
    }

    /// The same for a Job that was this far.
    pub fn restore_job(
        pod: Pod,
        status: &PodStatus,
        job: Option<JobStatus>,
        behaviours: Vec<Behaviour>,
        elapsed: Duration,
    ) -> Self {
        let now = Time::default() + elapsed;
        Self::with(JobMachine::restore(pod, status, job, at(now)), behaviours, now, None)
    }

    fn with(machine: JobMachine, behaviours: Vec<Behaviour>, now: Time, timeline: Option<Timeline>) -> Self {
        let status = machine.status();
        let mut kernel = Kernel::new(machine.pod(), behaviours);
        kernel.adopt(machine.pod(), &status, now);
        let mut invariants = Invariants::new(machine.pod());
        invariants.adopt(now, machine.pod(), &status);
        let trace = Trace::default();
        let mut world = Self {
            machine,
            kernel,
            invariants,
            trace,
            timeline,
            now,
            removed: BTreeSet::new(),
            status,
            finished: None,
            violation: None,
        };
        world.settle();
        world
    }

    /// The time that has passed since the pod was accepted.
    pub fn elapsed(&self) -> Duration {
        self.now.since(Time::default())
    }

    /// The machine's status now.
    pub fn status(&self) -> PodStatus {
        self.machine.status()
    }

    /// How far the Job is, where the pod is one's.
    pub fn job_status(&self) -> Option<JobStatus> {
        self.machine.job_status()
    }

    /// Everything that happened, in order.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What happened, as far as it is known by now; for a world that is observed.
    pub fn timeline(&self) -> Option<&Timeline> {
        self.timeline.as_ref()
    }

    /// The pod's exit code, once it is over.
    pub fn exit_code(&self) -> Option<u8> {
        self.finished
    }

    /// The first invariant that did not hold.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The pod as the machine knows it.
    pub fn pod(&self) -> &Pod {
        self.machine.pod()
    }

    /// Changes how a container's processes behave from its next attempt on.
    pub fn behave(&mut self, container: ContainerId, behaviour: Behaviour) {
        self.kernel.behave(container, behaviour);
    }

    /// Something comes from outside, now.
    pub fn send(&mut self, event: Event) {
        self.deliver(event);
        self.settle();
    }

    /// Lets everything happen that happens within `duration`.
    pub fn run_for(&mut self, duration: Duration) {
        let until = self.now + duration;
        for _ in 0..STEPS {
            match self.next().filter(|next| *next <= until) {
                Some(next) => self.step(next),
                None => {
                    if self.finished.is_none() {
                        self.now = until;
                    }
                    return;
                }
            }
        }
        self.violate("endless", "the machine is busy without end");
    }

    /// Lets everything happen until the pod is over or nothing more will happen by itself. Returns
    /// the exit code.
    pub fn run(&mut self) -> Option<u8> {
        for _ in 0..STEPS {
            match self.next() {
                Some(next) => self.step(next),
                None => return self.finished,
            }
        }
        self.violate("endless", "the machine is busy without end");
        self.finished
    }

    /// Lets time pass until `wanted` holds; false if it never does.
    pub fn run_until(&mut self, mut wanted: impl FnMut(&Self) -> bool) -> bool {
        for _ in 0..STEPS {
            if wanted(self) {
                return true;
            }
            match self.next() {
                Some(next) => self.step(next),
                None => return wanted(self),
            }
        }
        false
    }

    fn next(&self) -> Option<Time> {
        if self.finished.is_some() || self.violation.is_some() {
            return None;
        }
        let timeout = self.machine.poll_timeout();
        let event = self.kernel.next_at();
        timeout.into_iter().chain(event).min()
    }

    fn step(&mut self, to: Time) {
        self.now = to;
        let mut any = false;
        while let Some(event) = self.kernel.take(to) {
            self.deliver(event);
            any = true;
        }
        if !any || self.machine.poll_timeout().is_some_and(|timeout| timeout <= to) {
            self.machine.handle_timeout(at(to));
        }
        self.settle();
    }

    fn deliver(&mut self, event: Event) {
        // A process that outlived SIGKILL ends after all, when a later try of the Job runs.
        if attempt_of(&event).is_some_and(|attempt| self.removed.contains(&attempt)) {
            return self.machine.handle_event(at(self.now), event);
        }
        self.invariants.saw(self.now, self.machine.pod(), &event);
        self.trace.saw(self.now, self.machine.pod(), &event);
        if let Some(timeline) = &mut self.timeline {
            timeline.saw(self.now, self.machine.pod(), &event);
        }
        self.machine.handle_event(at(self.now), event);
    }

    /// Carries out what the machine wants, then looks whether everything is as it must be.
    fn settle(&mut self) {
        let mut announced = false;
        while let Some(action) = self.machine.poll_action() {
            announced |= action == Action::StatusChanged;
            self.carry_out(action);
        }
        if let Some(timeout) = self.machine.poll_timeout().filter(|timeout| *timeout <= self.now) {
            self.violate("timeout", &format!("{timeout:?} is wanted again at {:?}", self.now));
        }
        self.machine.handle_timeout(at(self.now));
        if let Some(action) = self.machine.poll_action() {
            self.violate("idempotent", &format!("deciding again wants {action:?}"));
        }
        if announced {
            let status = self.machine.status();
            let verdict = self.invariants.check_status(self.now, self.machine.pod(), &status);
            self.note(verdict);
            self.status = status;
        } else if cfg!(debug_assertions) && self.status != self.machine.status() {
            self.violate("no silent change", "the status changed without StatusChanged");
        }
        let verdict = self.invariants.check(self.now, self.machine.pod());
        self.note(verdict);
    }

    fn carry_out(&mut self, action: Action) {
        let verdict = self.invariants.wants(self.now, self.machine.pod(), &action);
        self.note(verdict);
        self.trace.wants(self.now, self.machine.pod(), &action);
        if let Some(timeline) = &mut self.timeline {
            timeline.wants(self.now, &self.machine, &action);
        }
        match action {
            Action::Finish { code, .. } => self.finished = Some(code),
            Action::Remove(attempt) => {
                self.removed.insert(attempt);
            }
            Action::BeginTry
            | Action::SetUpSandbox
            | Action::TearDownSandbox
            | Action::Start(_)
            | Action::Signal { .. }
            | Action::Kill(_)
            | Action::StartProbe { .. }
            | Action::CancelProbe(_)
            | Action::RunHook { .. }
            | Action::AbandonHook(_)
            | Action::Resize { .. }
            | Action::RefreshVolumes
            | Action::RestartNetworkHelper
            | Action::Record(_)
            | Action::StatusChanged => {}
        }
        self.kernel.carry_out(self.now, &action);
    }

    fn note(&mut self, verdict: Result<(), Violation>) {
        if let (Err(violation), None) = (verdict, &self.violation) {
            self.violation = Some(violation);
        }
    }

    fn violate(&mut self, rule: &'static str, what: &str) {
        self.note(Err(Violation::new(rule, self.now, what.to_owned())));
    }
}

/// The attempt that a fact is about.
fn attempt_of(event: &Event) -> Option<AttemptId> {
    match event {
        Event::Started { attempt }
        | Event::StartFailed { attempt, .. }
        | Event::Exited { attempt, .. }
        | Event::Emptied { attempt }
        | Event::Notified { attempt, .. } => Some(*attempt),
        Event::SandboxReady
        | Event::SandboxFailed { .. }
        | Event::SandboxLost
        | Event::ProbeDone { .. }
        | Event::HookDone { .. }
        | Event::StopRequested { .. }
        | Event::ForwardSignal { .. }
        | Event::RestartRequested { .. }
        | Event::KillRequested
        | Event::SpecChanged(_)
        | Event::ResizeDone { .. }
        | Event::ResizeFailed { .. }
        | Event::EphemeralAdded(_)
        | Event::NetworkHelperDied { .. }
        | Event::ActionFailed { .. } => None,
    }
}

/// Both clocks at a moment of the virtual one; the wall clock began in 2026.
fn at(mono: Time) -> Now {
    const BEGAN: i64 = 1_767_225_600_000_000_000;
    Now { mono, wall: Timestamp::from_nanos(BEGAN.saturating_add_unsigned(mono.as_nanos())) }
}
