//! How a simulated container's processes behave: what a test, a random life or a script says.

use std::time::Duration;

use crate::pod::{ExitStatus, HookOutcome, ProbeOutcome, Signal, StartFailure};
use crate::spec::ProbeKind;

/// The attempts of one container, one after the other; the last one is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From the start action until the program runs, or until it fails to.
    pub start_takes: Duration,
    /// The program cannot be run.
    pub start_fails: Option<StartFailure>,
    /// How long the main process runs by itself; `None`: until it is told to end.
    pub lasts: Option<Duration>,
    /// How it ends by itself.
    pub exit: ExitStatus,
    /// What a stop signal does.
    pub on_term: OnTerm,
    /// What the main process leaves behind when it ends.
    pub rest: Option<Rest>,
    /// SIGKILL does not end it (a process in D state).
    pub unkillable: bool,
    /// From the program's start until its startup probe begins to succeed.
    pub ready_after: Duration,
    /// What a probe gives when it succeeds.
    pub probe: ProbeOutcome,
    /// How long one execution of any probe takes.
    pub probe_takes: Duration,
    /// From the program's start until its liveness probe begins to fail; `None`: never.
    pub healthy_for: Option<Duration>,
    /// From the program's start until its readiness probe succeeds.
    pub serves_from: Duration,
    /// From the program's start until its readiness probe fails again; `None`: never.
    pub serves_until: Option<Duration>,
    /// From the program's start until it says that it is ready (sd_notify(3)); `None`: never.
    pub notifies_after: Option<Duration>,
    /// How its hook after the start goes.
    pub post_start: HookConduct,
    /// How its hook before the stop goes.
    pub pre_stop: HookConduct,
    /// It cannot be given other resources.
    pub resize_fails: bool,
}

/// How a hook goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HookConduct {
    /// How long it takes; `None`: for ever.
    pub takes: Option<Duration>,
    /// What it comes to.
    pub outcome: HookOutcome,
}

impl HookConduct {
    /// Succeeds after a while.
    pub fn takes(duration: Duration) -> Self {
        Self { takes: Some(duration), outcome: HookOutcome::Success }
    }

    /// Fails after a while.
    pub fn fails(duration: Duration) -> Self {
        Self { takes: Some(duration), outcome: HookOutcome::Failure }
    }

    /// Never ends by itself.
    pub fn hangs() -> Self {
        Self { takes: None, outcome: HookOutcome::Success }
    }
}

/// What a stop signal does to a main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTerm {
    /// Nothing.
    Ignores,
    /// It ends after a while.
    Exits {
        /// How long that takes.
        after: Duration,
        /// How it ends.
        status: ExitStatus,
    },
}

/// Descendants that outlive the main process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// How long they take to end once signalled; `None`: they ignore it.
    pub on_term: Option<Duration>,
    /// When they end by themselves after the main process did; `None`: never.
    pub lasts: Option<Duration>,
}

impl Behaviour {
    /// Every attempt is the same.
    pub fn always(attempt: Attempt) -> Self {
        Self { attempts: vec![attempt] }
    }

    /// These, then the last one over and over. Without any, [`Attempt::default`].
    pub fn each(attempts: Vec<Attempt>) -> Self {
        Self { attempts }
    }

    /// The attempt with this number, from 0.
    pub fn attempt(&self, number: u32) -> Attempt {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        self.attempts.get(number).or_else(|| self.attempts.last()).cloned().unwrap_or_default()
    }
}

impl Default for Attempt {
    /// Runs at once until it is told to end, and then ends at once as a program without a handler does.
    fn default() -> Self {
        Self {
            start_takes: Duration::ZERO,
            start_fails: None,
            lasts: None,
            exit: ExitStatus::Code(0),
            on_term: OnTerm::Exits { after: Duration::ZERO, status: ExitStatus::Signal(Signal::TERM) },
            rest: None,
            unkillable: false,
            ready_after: Duration::ZERO,
            probe: ProbeOutcome::Success,
            probe_takes: Duration::ZERO,
            healthy_for: None,
            serves_from: Duration::ZERO,
            serves_until: None,
            notifies_after: Some(Duration::ZERO),
            post_start: HookConduct::takes(Duration::ZERO),
            pre_stop: HookConduct::takes(Duration::ZERO),
            resize_fails: false,
        }
    }
}

impl Attempt {
    /// Runs for a while and exits with `code`.
    pub fn exits(code: u8, after: Duration) -> Self {
        Self { lasts: Some(after), exit: ExitStatus::Code(code), ..Self::default() }
    }

    /// Runs until it is told to end.
    pub fn runs() -> Self {
        Self::default()
    }

    /// Takes `after` to end when told to, then exits with `code`.
    #[must_use]
    pub fn stops(self, code: u8, after: Duration) -> Self {
        Self { on_term: OnTerm::Exits { after, status: ExitStatus::Code(code) }, ..self }
    }

    /// Cannot be told to end.
    #[must_use]
    pub fn ignores_term(self) -> Self {
        Self { on_term: OnTerm::Ignores, ..self }
    }

    /// Its startup probe succeeds only after a while.
    #[must_use]
    pub fn ready_after(self, after: Duration) -> Self {
        Self { ready_after: after, ..self }
    }

    /// Its liveness probe fails after a while.
    #[must_use]
    pub fn healthy_for(self, duration: Duration) -> Self {
        Self { healthy_for: Some(duration), ..self }
    }

    /// Its readiness probe succeeds after a while.
    #[must_use]
    pub fn serves_from(self, after: Duration) -> Self {
        Self { serves_from: after, ..self }
    }

    /// Its readiness probe fails again after a while.
    #[must_use]
    pub fn serves_until(self, after: Duration) -> Self {
        Self { serves_until: Some(after), ..self }
    }

    /// Its hook after the start goes like this.
    #[must_use]
    pub fn post_start(self, post_start: HookConduct) -> Self {
        Self { post_start, ..self }
    }

    /// Its hook before the stop goes like this.
    #[must_use]
    pub fn pre_stop(self, pre_stop: HookConduct) -> Self {
        Self { pre_stop, ..self }
    }

    /// Whether a probe of this kind succeeds so long after the program's start.
    pub(super) fn answers(&self, kind: ProbeKind, since_start: Duration) -> bool {
        match kind {
            ProbeKind::Startup => since_start >= self.ready_after,
            ProbeKind::Liveness => self.healthy_for.is_none_or(|healthy| since_start < healthy),
            ProbeKind::Readiness => {
                since_start >= self.serves_from && self.serves_until.is_none_or(|until| since_start < until)
            }
        }
    }
}
