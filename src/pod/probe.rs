//! The probes of one attempt: when each runs, how its results are counted and what they have come to
//! (rules 39 to 50). Knows nothing of what follows from that.

use std::time::Duration;

use super::event::{ProbeOutcome, RunId};
use super::time::Time;
use crate::spec::{Container, Probe, ProbeKind};

/// Executions in a row that could not be carried out before one is passed over (rule 48).
const TRIES: u8 = 3;

/// One worker for each probe that the container has (rule 40).
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    startup: Option<Worker>,
    liveness: Option<Worker>,
    readiness: Option<Worker>,
}

#[derive(Clone, Debug)]
struct Worker {
    step: Step,
    result: Standing,
    successes: u32,
    failures: u32,
    errors: u8,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The container is not that far yet; the first execution comes at this time at the earliest.
    Held(Time),
    /// The next execution starts at this time.
    At(Time),
    /// One is under way, until this time at the latest.
    Running(RunId, Time),
    /// There will be no more.
    Over,
}

/// What a probe's results have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unknown,
    Success,
    Failure,
}

/// What is to be done about a probe now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Start,
    /// The execution took longer than the probe's timeout.
    TimedOut(RunId),
}

impl Probes {
    /// The probes of an attempt whose program runs since `since`. All are held.
    pub(super) fn new(container: &Container, since: Time) -> Self {
        let worker = |kind| container.probe(kind).map(|probe| Worker::new(kind, since + probe.initial_delay));
        Self {
            startup: worker(ProbeKind::Startup),
            liveness: worker(ProbeKind::Liveness),
            readiness: worker(ProbeKind::Readiness),
        }
    }

    /// The startup probe succeeded, or there is none.
    pub(super) fn startup_passed(&self) -> bool {
        self.startup.as_ref().is_none_or(|worker| worker.result == Standing::Success)
    }

    /// The readiness probe's results say so, or there is none.
    pub(super) fn is_ready(&self) -> bool {
        self.readiness.as_ref().is_none_or(|worker| worker.result == Standing::Success)
    }

    /// The probe for which the container is to be stopped.
    pub(super) fn failed(&self) -> Option<ProbeKind> {
        let failed = |worker: &Option<Worker>| {
            worker.as_ref().is_some_and(|worker| worker.result == Standing::Failure)
        };
        if failed(&self.startup) {
            Some(ProbeKind::Startup)
        } else {
            failed(&self.liveness).then_some(ProbeKind::Liveness)
        }
    }

    /// As a supervisor before us saw it (rule 180).
    pub(super) fn assume(&mut self, started: bool, ready: bool) {
        if started && let Some(worker) = &mut self.startup {
            worker.conclude();
        }
        if ready && let Some(worker) = &mut self.readiness {
            worker.result = Standing::Success;
        }
    }

    /// The startup probe may run from now on.
    pub(super) fn release_startup(&mut self, now: Time) {
        if let Some(worker) = &mut self.startup {
            worker.release(now);
        }
    }

    /// The container has started: the other probes may run from now on, at once if their initial delay
    /// is over (rules 41, 47).
    pub(super) fn release_others(&mut self, now: Time) {
        for worker in [&mut self.liveness, &mut self.readiness].into_iter().flatten() {
            worker.release(now);
        }
    }

    /// When something is due.
    pub(super) fn timeout(&self) -> Option<Time> {
        let at = |worker: &Worker| match worker.step {
            Step::At(at) | Step::Running(_, at) => Some(at),
            Step::Held(_) | Step::Over => None,
        };
        [&self.startup, &self.liveness, &self.readiness].into_iter().flatten().filter_map(at).min()
    }

    /// What is due at `now`, one at a time.
    pub(super) fn due(&self, now: Time) -> Option<(ProbeKind, Due)> {
        ProbeKind::ALL.into_iter().find_map(|kind| match self.get(kind)?.step {
            Step::At(at) if at <= now => Some((kind, Due::Start)),
            Step::Running(run, at) if at <= now => Some((kind, Due::TimedOut(run))),
            Step::Held(_) | Step::At(_) | Step::Running(..) | Step::Over => None,
        })
    }

    /// An execution was started.
    pub(super) fn started(&mut self, kind: ProbeKind, run: RunId, until: Time) {
        if let Some(worker) = self.get_mut(kind) {
            worker.step = Step::Running(run, until);
        }
    }

    /// Which probe this execution is of.
    pub(super) fn kind_of(&self, run: RunId) -> Option<ProbeKind> {
        ProbeKind::ALL
            .into_iter()
            .find(|kind| self.get(*kind).and_then(Worker::run).is_some_and(|running| running == run))
    }

    /// An execution ended. Only results in a row count (rule 44); an execution that could not be carried
    /// out is repeated and in the end passed over (rule 48). Returns whether the result has changed.
    pub(super) fn done(&mut self, kind: ProbeKind, probe: &Probe, outcome: ProbeOutcome, now: Time) -> bool {
        self.get_mut(kind).is_some_and(|worker| worker.done(kind, probe, outcome, now))
    }

    /// The manifest does not have this probe any more.
    pub(super) fn forget(&mut self, kind: ProbeKind) {
        match kind {
            ProbeKind::Startup => self.startup = None,
            ProbeKind::Liveness => self.liveness = None,
            ProbeKind::Readiness => self.readiness = None,
        }
    }

    /// The container is being stopped: startup and liveness matter no more, readiness still does (rules
    /// 57, 58). Returns the executions under way.
    pub(super) fn stop(&mut self, with_pod: bool) -> impl Iterator<Item = RunId> + use<> {
        let runs = [&mut self.startup, &mut self.liveness].map(|worker| {
            let worker = worker.as_mut()?;
            let run = worker.run();
            if with_pod {
                worker.conclude();
            }
            worker.step = Step::Over;
            run
        });
        runs.into_iter().flatten()
    }

    /// The container is gone or as good as gone. Returns the executions under way.
    pub(super) fn end(&mut self) -> impl Iterator<Item = RunId> + use<> {
        let runs = [&mut self.startup, &mut self.liveness, &mut self.readiness].map(|worker| {
            let worker = worker.as_mut()?;
            let run = worker.run();
            worker.step = Step::Over;
            run
        });
        runs.into_iter().flatten()
    }

    fn get(&self, kind: ProbeKind) -> Option<&Worker> {
        match kind {
            ProbeKind::Startup => self.startup.as_ref(),
            ProbeKind::Liveness => self.liveness.as_ref(),
            ProbeKind::Readiness => self.readiness.as_ref(),
        }
    }

    fn get_mut(&mut self, kind: ProbeKind) -> Option<&mut Worker> {
        match kind {
            ProbeKind::Startup => self.startup.as_mut(),
            ProbeKind::Liveness => self.liveness.as_mut(),
            ProbeKind::Readiness => self.readiness.as_mut(),
        }
    }
}

impl Worker {
    fn new(kind: ProbeKind, not_before: Time) -> Self {
        // Rule 39.
        let result = match kind {
            ProbeKind::Startup => Standing::Unknown,
            ProbeKind::Liveness => Standing::Success,
            ProbeKind::Readiness => Standing::Failure,
        };
        Self { step: Step::Held(not_before), result, successes: 0, failures: 0, errors: 0 }
    }

    fn release(&mut self, now: Time) {
        if let Step::Held(not_before) = self.step {
            self.step = Step::At(now.max(not_before));
        }
    }

    fn conclude(&mut self) {
        (self.result, self.step) = (Standing::Success, Step::Over);
    }

    fn run(&self) -> Option<RunId> {
        match self.step {
            Step::Running(run, _) => Some(run),
            Step::Held(_) | Step::At(_) | Step::Over => None,
        }
    }

    fn done(&mut self, kind: ProbeKind, probe: &Probe, outcome: ProbeOutcome, now: Time) -> bool {
        let mut pause = probe.period;
        match outcome {
            ProbeOutcome::Success | ProbeOutcome::Warning => {
                self.successes = self.successes.saturating_add(1);
                (self.failures, self.errors) = (0, 0);
            }
            ProbeOutcome::Failure => {
                self.failures = self.failures.saturating_add(1);
                (self.successes, self.errors) = (0, 0);
            }
            ProbeOutcome::Error => {
                self.errors += 1;
                if self.errors < TRIES {
                    pause = Duration::ZERO;
                } else {
                    self.errors = 0;
                }
            }
        }
        self.step = Step::At(now + pause);
        let before = self.result;
        if self.successes >= probe.success_threshold {
            self.result = Standing::Success;
        } else if self.failures >= probe.failure_threshold {
            self.result = Standing::Failure;
        }
        // Rule 43: readiness never stops.
        let is_over = match kind {
            ProbeKind::Startup => self.result != Standing::Unknown,
            ProbeKind::Liveness => self.result == Standing::Failure,
            ProbeKind::Readiness => false,
        };
        if is_over {
            self.step = Step::Over;
        }
        self.result != before
    }
}
