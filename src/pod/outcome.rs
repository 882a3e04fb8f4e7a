//! The exit code of `podinit run`, and what decided it.

use super::PodMachine;
use super::event::{Signal, StartStage, StopRequest};
use super::job::JobFailure;
use super::record::End;
use super::status::Phase;
use super::stop::StopCause;
use super::time::Time;
use crate::spec::{ContainerId, ContainerKind};

/// What decided the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Every main container ended with 0.
    Succeeded,
    /// This container failed for good, or is the one asked for.
    Container(ContainerId),
    /// The pod was stopped before a main container could decide anything.
    Stopped,
    /// The pod or its Job was active for as long as it may be, and no main container had failed by then.
    DeadlineExceeded,
    /// The pod's surroundings could not be made.
    SandboxFailed,
}

/// Exit code for what podinit itself could not do.
const CANNOT: u8 = 125;

/// Exit code for a pod that was active for too long, as timeout(1) has it.
const TIMED_OUT: u8 = 124;

impl PodMachine {
    /// The code of the first main container, in time, that failed for good, or of the init
    /// container that failed the pod; 0 where the pod succeeded.
    pub(super) fn outcome(&self) -> (u8, Cause) {
        if self.stop.is_some_and(|stop| stop.cause == StopCause::SandboxFailed) {
            return (CANNOT, Cause::SandboxFailed);
        }
        let named = self.exit_code_from.and_then(|id| Some((self.exit_code_of(id)?, Cause::Container(id))));
        self.failed_too_often()
            .or(named)
            .or_else(|| self.deciding())
            .or_else(|| self.failed_main(None))
            .unwrap_or_else(|| match self.status().phase {
                Phase::Succeeded => (0, Cause::Succeeded),
                Phase::Pending | Phase::Running | Phase::Failed => (self.stopped_code(), Cause::Stopped),
            })
    }

    /// What decides where the pod ended for one cause.
    fn deciding(&self) -> Option<(u8, Cause)> {
        let stop = self.stop?;
        match stop.cause {
            StopCause::InitFailed(id) => Some((self.exit_code_of(id)?, Cause::Container(id))),
            StopCause::KeystoneEnded(id) => match self.exit_code_of(id)? {
                0 => Some((0, Cause::Succeeded)),
                code => Some((code, Cause::Container(id))),
            },
            // What fails because it is stopped for this does not hide the reason.
            StopCause::DeadlineExceeded | StopCause::JobFailed(JobFailure::DeadlineExceeded) => {
                Some(self.failed_main(Some(stop.began)).unwrap_or((TIMED_OUT, Cause::DeadlineExceeded)))
            }
            StopCause::Completed
            | StopCause::Requested
            | StopCause::JobFailed(JobFailure::BackoffLimitExceeded)
            | StopCause::SandboxFailed
            | StopCause::SandboxLost => None,
        }
    }

    /// The newest failure for which a container was restarted, where that happened too often for a Job; of
    /// the container whose code is asked for, if there is one. What runs then fails because it is stopped.
    fn failed_too_often(&self) -> Option<(u8, Cause)> {
        let cause = StopCause::JobFailed(JobFailure::BackoffLimitExceeded);
        let stop = self.stop.filter(|stop| stop.cause == cause)?;
        let is_meant = |id| self.exit_code_from.is_none_or(|named| named == id);
        let failures = self.records.iter().filter(|(id, _)| is_meant(*id)).flat_map(|(id, record)| {
            let before = record.ended().filter(|ended| ended.finished.mono < stop.began);
            [record.last.as_ref(), before].into_iter().flatten().map(move |ended| (ended, id))
        });
        let failures = failures.filter(|(ended, _)| ended.is_failure());
        let (ended, id) = failures.max_by_key(|(ended, _)| ended.finished.mono)?;
        Some((exit_code(&ended.end), Cause::Container(id)))
    }

    /// The first main container, in time, that failed for good, before a time if there is one.
    fn failed_main(&self, before: Option<Time>) -> Option<(u8, Cause)> {
        let failed = |(id, record): (ContainerId, &super::Record)| {
            let ended = record.ended()?;
            let in_time = before.is_none_or(|before| ended.finished.mono < before);
            (ended.is_failure() && in_time).then_some((ended.finished.mono, id))
        };
        let (_, id) = self.records.of(ContainerKind::Main).filter_map(failed).min()?;
        Some((self.exit_code_of(id)?, Cause::Container(id)))
    }

    fn exit_code_of(&self, id: ContainerId) -> Option<u8> {
        Some(exit_code(&self.records[id].ended()?.end))
    }

    fn stopped_code(&self) -> u8 {
        match self.stop_request() {
            Some(StopRequest::Signal(signal)) => signal.exit_code(),
            None if self.stop.is_some_and(|stop| stop.kill) => Signal::KILL.exit_code(),
            None => CANNOT,
        }
    }
}

/// As a shell would say it: 127 for a program that was not found, 126 for one that could not be executed,
/// though the status shows StartError 128.
fn exit_code(end: &End) -> u8 {
    match end {
        End::Exited(exit) => exit.status.code(),
        End::NeverRan(failure) => match failure.stage {
            StartStage::Exec if failure.errno == ENOENT => 127,
            StartStage::Exec => 126,
            StartStage::Config | StartStage::Create => CANNOT,
        },
    }
}

/// errno(3): no such file or directory. The pure rooms do not know libc.
const ENOENT: i32 = 2;
