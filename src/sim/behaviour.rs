//! How a simulated container's processes behave: what a test, a random life or a script says.

use std::time::Duration;

use crate::pod::{ExitStatus, ProbeOutcome, Signal, StartFailure};

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
    /// From the program's start until its startup probe begins to give `probe`; before that it fails.
    pub ready_after: Duration,
    /// What the probe gives from then on.
    pub probe: ProbeOutcome,
    /// How long one execution of the probe takes.
    pub probe_takes: Duration,
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
}
