//! The startup probe of one attempt: when it runs, how its results are counted (rules 43, 44, 48 to 50).

use std::time::Duration;

use super::event::{ProbeOutcome, RunId};
use super::time::Time;
use crate::spec::Probe;

/// Executions in a row that could not be carried out before one is passed over (rule 48).
const TRIES: u8 = 3;

/// Where an attempt's startup probe stands.
#[derive(Clone, Debug)]
pub(super) enum Startup {
    /// It succeeded, or there is none.
    Succeeded,
    /// It failed for good; the container is to be stopped.
    Failed,
    /// It is still being tried.
    Trying(Worker),
}

#[derive(Clone, Debug)]
pub(super) struct Worker {
    step: Step,
    successes: u32,
    failures: u32,
    errors: u8,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The next execution starts at this time.
    At(Time),
    /// One is under way, until this time at the latest.
    Running(RunId, Time),
}

/// What is to be done about a probe now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Start,
    /// The execution took longer than the probe's timeout.
    TimedOut(RunId),
}

impl Startup {
    /// The probe of an attempt that starts running at `now`.
    pub(super) fn begin(probe: Option<&Probe>, now: Time) -> Self {
        match probe {
            None => Self::Succeeded,
            Some(probe) => Self::Trying(Worker {
                step: Step::At(now + probe.initial_delay),
                successes: 0,
                failures: 0,
                errors: 0,
            }),
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        matches!(self, Self::Succeeded)
    }

    pub(super) fn failed(&self) -> bool {
        matches!(self, Self::Failed)
    }

    /// When something is due.
    pub(super) fn timeout(&self) -> Option<Time> {
        match self {
            Self::Trying(Worker { step: Step::At(at) | Step::Running(_, at), .. }) => Some(*at),
            Self::Succeeded | Self::Failed => None,
        }
    }

    /// What is due at `now`.
    pub(super) fn due(&self, now: Time) -> Option<Due> {
        match self {
            Self::Trying(Worker { step: Step::At(at), .. }) if *at <= now => Some(Due::Start),
            Self::Trying(Worker { step: Step::Running(run, at), .. }) if *at <= now => {
                Some(Due::TimedOut(*run))
            }
            Self::Trying(_) | Self::Succeeded | Self::Failed => None,
        }
    }

    /// An execution was started.
    pub(super) fn started(&mut self, run: RunId, until: Time) {
        if let Self::Trying(worker) = self {
            worker.step = Step::Running(run, until);
        }
    }

    /// The execution under way, if there is one.
    pub(super) fn run(&self) -> Option<RunId> {
        match self {
            Self::Trying(Worker { step: Step::Running(run, _), .. }) => Some(*run),
            Self::Trying(Worker { step: Step::At(_), .. }) | Self::Succeeded | Self::Failed => None,
        }
    }

    /// The container is being ended: the probe matters no more. Returns the execution under way.
    pub(super) fn abandon(&mut self, as_success: bool) -> Option<RunId> {
        let run = self.run();
        if let Self::Trying(_) = self {
            *self = if as_success { Self::Succeeded } else { Self::Failed };
        }
        run
    }

    /// An execution ended. Only results in a row count; an execution that could not be carried out is
    /// repeated and in the end passed over.
    pub(super) fn done(&mut self, probe: &Probe, outcome: ProbeOutcome, now: Time) {
        let Self::Trying(worker) = self else { return };
        let mut pause = probe.period;
        match outcome {
            ProbeOutcome::Success | ProbeOutcome::Warning => {
                worker.successes += 1;
                worker.failures = 0;
                worker.errors = 0;
            }
            ProbeOutcome::Failure => {
                worker.failures += 1;
                worker.successes = 0;
                worker.errors = 0;
            }
            ProbeOutcome::Error => {
                worker.errors += 1;
                if worker.errors < TRIES {
                    pause = Duration::ZERO;
                } else {
                    worker.errors = 0;
                }
            }
        }
        worker.step = Step::At(now + pause);
        if worker.successes >= probe.success_threshold {
            *self = Self::Succeeded;
        } else if worker.failures >= probe.failure_threshold {
            *self = Self::Failed;
        }
    }
}
