//! What the world tells the machine. An event is a fact; what follows from it is decided in
//! `reconcile`. Facts about an attempt or run that is over are dropped.

use std::sync::Arc;
use std::time::Duration;

use crate::spec::{Container, ContainerId, Pod};

/// One start of one container. Attempts are numbered from 0, over all tries of a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    /// Whose attempt.
    pub container: ContainerId,
    /// Which one.
    pub attempt: u32,
}

/// One execution of a probe, hook or resize, numbered over the whole life of the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// A signal by its Linux number.
pub use crate::spec::Signal;

/// A fact.
#[derive(Clone, Debug)]
pub enum Event {
    /// The pod's shared surroundings stand; containers may start.
    SandboxReady,
    /// They could not be made. The pod fails.
    SandboxFailed {
        /// The cause, for people.
        message: String,
    },
    /// They broke: every container is dead or must die, and starts anew (rule 23).
    SandboxLost,
    /// The attempt's program runs (exec succeeded).
    Started {
        /// Which.
        attempt: AttemptId,
    },
    /// The attempt's program never ran.
    StartFailed {
        /// Which.
        attempt: AttemptId,
        /// Why.
        failure: StartFailure,
    },
    /// The attempt's main process ended. Descendants may be left: see `Emptied`.
    Exited {
        /// Which.
        attempt: AttemptId,
        /// How.
        exit: Exit,
    },
    /// Nothing of the attempt is left. Only now may the next attempt start or a sidecar's turn come.
    Emptied {
        /// Which; comes after its `Exited`.
        attempt: AttemptId,
    },
    /// A probe's execution is over.
    ProbeDone {
        /// Which.
        run: RunId,
        /// Its result.
        outcome: ProbeOutcome,
        /// What it printed or answered, for people.
        output: String,
    },
    /// A hook's execution is over.
    HookDone {
        /// Which.
        run: RunId,
        /// Its result.
        outcome: HookOutcome,
        /// The cause of a failure, for the log only: it may hold secrets, and events do not (rule 68).
        output: String,
    },
    /// The container spoke for itself (sd_notify).
    Notified {
        /// Which.
        attempt: AttemptId,
        /// It says that it is ready.
        ready: bool,
        /// Its own words.
        status: String,
    },
    /// The pod is to end gracefully. A repeated request only ever shortens (rule 78).
    StopRequested {
        /// Grace for this stop; `None` is the pod's own.
        grace: Option<Duration>,
        /// Who asked.
        cause: StopRequest,
    },
    /// A signal for the main containers, or for one container.
    ForwardSignal {
        /// Which signal.
        signal: Signal,
        /// `None`: every main container, or what is left of it.
        container: Option<ContainerId>,
    },
    /// A running container is to be stopped and started again, whatever its policy.
    RestartRequested {
        /// Which.
        container: ContainerId,
    },
    /// The pod is to end at once: SIGKILL for everything.
    KillRequested,
    /// The manifest changed. Containers whose image changed restart (rule 17); the others stay.
    SpecChanged(Box<Pod>),
    /// The container has the resources that `Action::Resize` asked for.
    ResizeDone {
        /// Which request; one that another has taken the place of counts as nothing.
        run: RunId,
    },
    /// It could not be given them; it keeps what it has.
    ResizeFailed {
        /// Which request.
        run: RunId,
        /// The cause, for people.
        message: String,
    },
    /// A container was added for debugging (rule 18).
    EphemeralAdded(Box<Container>),
    /// The process that carries the pod's network died, or could not be started again.
    NetworkHelperDied {
        /// Why, as far as it said so.
        message: String,
    },
    /// An action could not be done. Starting has `StartFailed` for this.
    ActionFailed {
        /// What and why, for people.
        message: String,
    },
}

/// Why an attempt's program never ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartFailure {
    /// How far it came.
    pub stage: StartStage,
    /// The system's error number; 0 where there is none.
    pub errno: i32,
    /// The cause, for people: "cannot X: cause".
    pub message: String,
    /// The cause may pass by itself (no memory, no process slot): try again later, whatever the policy.
    pub retry: bool,
}

/// How far a start came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartStage {
    /// What to run could not be worked out: CreateContainerConfigError, tried again (rule 111).
    Config,
    /// The process or its surroundings could not be made.
    Create,
    /// The program could not be executed.
    Exec,
}

/// How an attempt's main process ended, and what it left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// The kernel killed something of the attempt for want of memory (rule 129).
    pub oom_killed: bool,
    /// What it wrote to its termination message file (rule 131).
    pub termination_message: String,
    /// The end of its log, for FallbackToLogsOnError (rule 132).
    pub log_tail: String,
}

/// Exit code or signal of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited.
    Code(u8),
    /// A signal ended it.
    Signal(Signal),
    /// It is gone and nobody saw how: after a restart of the supervisor.
    Unknown,
}

/// Result of one execution of a probe (rules 48, 60 to 65).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// Succeeded.
    Success,
    /// Succeeded, with something a person should know (rule 62).
    Warning,
    /// Failed.
    Failure,
    /// Could not be carried out: counts as nothing (rule 48).
    Error,
}

/// Result of a hook (rules 67 to 75).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// Succeeded.
    Success,
    /// Succeeded over plain HTTP where HTTPS was asked for (rule 73).
    PlainHttp,
    /// Failed, or could not be carried out.
    Failure,
}

/// Who asked the pod to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRequest {
    /// A signal to the supervisor; decides the exit code where no main container ever ran.
    Signal(Signal),
}

/// Words for people that may be shared between status and events.
pub type Text = Arc<str>;

impl Exit {
    /// An end that left nothing behind.
    pub fn plain(status: ExitStatus) -> Self {
        Self { status, oom_killed: false, termination_message: String::new(), log_tail: String::new() }
    }
}

impl ExitStatus {
    /// As a shell and Kubernetes count: 128+n for signal n (rule 86), 137 where nobody saw it (rule 90).
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => signal.exit_code(),
            Self::Unknown => 137,
        }
    }
}
