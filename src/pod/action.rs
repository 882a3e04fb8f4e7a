//! What the machine wants done. An action is an intention; whether it worked comes back as an event.

use super::event::{AttemptId, RunId, Signal};
use super::outcome::Cause;
use super::pod_event::PodEvent;
use crate::spec::{HookKind, ProbeKind};

/// Something for the driver to do, in the order in which they come.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The pod failed and is tried again: from here on everything is about a new pod of the same name, with
    /// an identity of its own. Nothing of the old one is left.
    BeginTry,
    /// Make the pod's shared surroundings. Answered by `SandboxReady` or `SandboxFailed`.
    SetUpSandbox,
    /// Undo them. Nothing of any container is left.
    TearDownSandbox,
    /// Start an attempt. Answered by `Started` or `StartFailed`.
    Start(AttemptId),
    /// Send a signal.
    Signal {
        /// Whose.
        attempt: AttemptId,
        /// Which.
        signal: Signal,
        /// To whom.
        target: Target,
    },
    /// SIGKILL for all of the attempt.
    Kill(AttemptId),
    /// Forget the attempt: nothing of it will be asked for again.
    Remove(AttemptId),
    /// Run one of the container's probes once. Answered by `ProbeDone`.
    StartProbe {
        /// Its number.
        run: RunId,
        /// What is probed.
        attempt: AttemptId,
        /// By which probe.
        kind: ProbeKind,
    },
    /// The probe's time is up or its result no longer matters: end it, no answer.
    CancelProbe(RunId),
    /// Run a hook that is no sleep: that is the machine's own. Answered by `HookDone`.
    RunHook {
        /// Its number.
        run: RunId,
        /// Whose.
        attempt: AttemptId,
        /// Which.
        kind: HookKind,
    },
    /// Stop waiting for a hook: its result no longer matters, no answer. What it started dies with the
    /// container (rule 71).
    AbandonHook(RunId),
    /// Apply the container's resources as the pod gives them now. Answered by `ResizeDone` or `ResizeFailed`.
    Resize {
        /// Its number.
        run: RunId,
        /// What is to have them.
        attempt: AttemptId,
    },
    /// Write anew those of the pod's generated volumes whose files the pod as it is now gives otherwise (rule
    /// 150). No answer.
    RefreshVolumes,
    /// Start the process again that carries the pod's network.
    RestartNetworkHelper,
    /// Tell people.
    Record(PodEvent),
    /// [`PodMachine::status`](super::PodMachine::status) has changed.
    StatusChanged,
    /// The pod is over. Nothing comes after this.
    Finish {
        /// Exit code of `podinit run`.
        code: u8,
        /// What decided it.
        cause: Cause,
    },
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The attempt's main process alone (rule 84).
    Main,
    /// What the main process left behind when it ended.
    Rest,
}
