//! Whom the kernel kills when memory is short: podinit last, and its containers in the order of their quality of
//! service (rule 170, PRIV-14). Knows /proc's file for it; the numbers are `plan`'s.

use std::fs;

use super::host_memory;
use crate::plan;
use crate::spec::{ContainerId, Pod};

/// Before everything that may be killed at all.
const SUPERVISOR: i64 = -999;

/// What podinit may say about itself and its containers.
#[derive(Clone, Copy, Debug)]
pub(super) enum OomScores {
    /// Nothing is asked for that depends on memory, or there is no /proc.
    Untouched,
    /// podinit's own score is the lowest that it may give.
    AtLeast { own: i64, by: By },
    /// It may give every score (CAP_SYS_RESOURCE).
    Any,
}

/// Who writes a process's score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The process, before it executes and gives anything away.
    Itself,
    /// podinit, afterwards: until then a child of an ordinary user's belongs to nobody, as podinit's memory is
    /// in it.
    Podinit,
}

/// What a process is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OomScore {
    pub(super) value: i64,
    pub(super) by: By,
}

impl OomScores {
    /// Takes podinit itself out of the kernel's choice, if it may.
    pub(super) fn open(pod: &Pod) -> Self {
        const OWN: &str = "/proc/self/oom_score_adj";
        if !plan::wants_cgroups(pod) {
            return Self::Untouched;
        }
        let Ok(own) = fs::read_to_string(OWN) else { return Self::Untouched };
        let by = if nix::unistd::geteuid().is_root() { By::Itself } else { By::Podinit };
        match (fs::write(OWN, SUPERVISOR.to_string()), own.trim().parse()) {
            (Ok(()), _) => Self::Any,
            (Err(_), Ok(own)) => Self::AtLeast { own, by },
            (Err(_), Err(_)) => Self::Untouched,
        }
    }

    /// What the container's processes are to have, where that differs from podinit's own.
    pub(super) fn of(self, pod: &Pod, id: ContainerId) -> Option<OomScore> {
        let wanted = || plan::oom_score_adj(pod, id, || host_memory().unwrap_or(u64::MAX));
        match self {
            Self::Untouched => None,
            Self::AtLeast { own, by } => {
                Some(OomScore { value: wanted(), by }).filter(|score| score.value > own)
            }
            Self::Any => Some(OomScore { value: wanted(), by: By::Itself }),
        }
    }
}

impl OomScore {
    /// Gives it to a process that could not give it to itself, and that runs now.
    pub(super) fn give(self, pid: i32) {
        if self.by == By::Podinit {
            // It may have ended, or run as somebody else.
            let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), self.value.to_string());
        }
    }
}
