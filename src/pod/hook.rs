//! The hooks of one attempt: how far each is (rules 67 to 76). A sleep is the machine's own timer; the
//! others are somebody else's work.

use super::event::RunId;
use super::time::Time;

/// A hook under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookRun {
    Sleeping {
        until: Time,
        /// Its own timeout ends it before it has slept as long as it should.
        cut_short: bool,
    },
    /// Somebody else does it, until this time at the latest; `None`: as long as it takes.
    Executing(RunId, Option<Time>),
}

/// How far the hook after the start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostStart {
    /// To be run.
    Due,
    Running(HookRun),
    /// It succeeded, or there is none.
    Done,
    /// It failed; the container is to be stopped (rule 68).
    Failed,
}

impl HookRun {
    /// When its time is up.
    pub(super) fn timeout(self) -> Option<Time> {
        match self {
            Self::Sleeping { until, .. } => Some(until),
            Self::Executing(_, until) => until,
        }
    }

    /// The execution that somebody else does.
    pub(super) fn run(self) -> Option<RunId> {
        match self {
            Self::Sleeping { .. } => None,
            Self::Executing(run, _) => Some(run),
        }
    }

    /// Ended at `now`, it has failed. A sleep that its grace cuts short has not: kubelet tells only of hooks
    /// that returned an error, and what a sleep is for is over with the grace.
    pub(super) fn fails_at(self, now: Time) -> bool {
        match self {
            Self::Sleeping { until, cut_short } => cut_short && until <= now,
            Self::Executing(..) => true,
        }
    }

    /// What its time's end means: a sleep has done what it should, anything else took too long.
    pub(super) fn succeeds_in_time(self) -> bool {
        match self {
            Self::Sleeping { cut_short, .. } => !cut_short,
            Self::Executing(..) => false,
        }
    }
}

impl PostStart {
    /// When something is due.
    pub(super) fn timeout(self) -> Option<Time> {
        match self {
            Self::Running(hook) => hook.timeout(),
            Self::Due | Self::Done | Self::Failed => None,
        }
    }

    /// The execution under way.
    pub(super) fn run(self) -> Option<RunId> {
        match self {
            Self::Running(hook) => hook.run(),
            Self::Due | Self::Done | Self::Failed => None,
        }
    }

    /// It holds back what comes after the container.
    pub(super) fn is_pending(self) -> bool {
        match self {
            Self::Due | Self::Running(_) => true,
            Self::Done | Self::Failed => false,
        }
    }
}
