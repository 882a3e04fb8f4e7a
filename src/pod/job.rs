//! A Job: a pod that failed is tried again, as a new pod with a machine of its own, until it succeeds, has
//! failed too often or has taken too long. A layer above the machine with the machine's interface; a pod
//! that is no Job's goes straight through. Judges pods, and leaves their containers to the machine.

use std::time::Duration;

use super::outcome::Cause;
use super::pod_event::PodEvent;
use super::status::{Phase, PodStatus};
use super::stop::StopCause;
use super::{Action, AttemptId, Dirty, Event, Now, PodMachine, Record, Sandbox, Text, Time, Timestamp};
use crate::spec::{ContainerId, ContainerKind, Job, Pod, RestartPolicy};

/// Before the second try; the delay doubles with every further failure (`DefaultJobPodFailureBackOff` in
/// Kubernetes' `job_controller.go`).
const FIRST_DELAY: Duration = Duration::from_secs(10);
/// `MaxJobPodFailureBackOff` in the same file. Kubernetes' documentation still says six minutes.
const LONGEST_DELAY: Duration = Duration::from_secs(600);

/// One pod's life, or those of all the pods that a Job comes to, one after the other.
#[derive(Clone, Debug)]
pub struct JobMachine {
    /// The pod of the newest try.
    pod: PodMachine,
    /// `None` where the pod is no Job's.
    tries: Option<Tries>,
}

#[derive(Clone, Debug)]
struct Tries {
    /// When the first try began.
    start_time: Timestamp,
    /// How long the Job had been active when this machine began, at that time.
    active: (Duration, Time),
    /// Tries that failed.
    failed: u32,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    /// The pod lives.
    Trying,
    /// It failed like this; the next one begins at `until`.
    Waiting { until: Time, code: u8, cause: Cause, changed: Option<Box<Pod>> },
    /// No other try follows.
    Over(Option<JobFailure>),
}

/// Why a Job failed where that is not one try's doing, in Kubernetes' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobFailure {
    /// More tries failed than are forgiven, or containers were restarted too often.
    BackoffLimitExceeded,
    /// All tries together took too long.
    DeadlineExceeded,
}

/// How far a Job is: what its next machine cannot see from the pod's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobStatus {
    /// When the first try began.
    pub start_time: Timestamp,
    /// Tries that failed before the one that the pod's status shows.
    pub failed: u32,
}

impl JobFailure {
    /// Kubernetes' word for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::BackoffLimitExceeded => "BackoffLimitExceeded",
            Self::DeadlineExceeded => "DeadlineExceeded",
        }
    }

    /// Kubernetes' text for it.
    pub fn message(self) -> &'static str {
        match self {
            Self::BackoffLimitExceeded => "Job has reached the specified backoff limit",
            Self::DeadlineExceeded => "Job was active longer than specified deadline",
        }
    }
}

impl JobMachine {
    /// A pod that has just been accepted. The first actions are ready to be polled.
    pub fn new(pod: Pod, now: Now) -> Self {
        let tries = pod.job.map(|_| Tries::new(now.wall, (Duration::ZERO, now.mono), 0));
        Self::with(PodMachine::new(pod, now), tries)
    }

    /// A machine that takes over a pod in the state that `status` shows, as [`PodMachine::restore`] does.
    /// Without a `job` the pod that is shown is the Job's first. The delay before the next try begins again.
    pub fn restore(pod: Pod, status: &PodStatus, job: Option<JobStatus>, now: Now) -> Self {
        let tries = pod.job.map(|_| {
            let job = job.unwrap_or(JobStatus { start_time: status.start_time, failed: 0 });
            Tries::new(job.start_time, (now.wall.since(job.start_time), now.mono), job.failed)
        });
        Self::with(PodMachine::restore(pod, status, now), tries)
    }

    fn with(pod: PodMachine, tries: Option<Tries>) -> Self {
        let mut machine = Self { pod, tries };
        machine.advance();
        machine
    }

    /// The pod's exit code shall be this container's.
    #[must_use]
    pub fn exit_code_from(mut self, container: Option<ContainerId>) -> Self {
        self.pod.exit_code_from = container;
        self
    }

    /// The pod as it is to be.
    pub fn pod(&self) -> &Pod {
        self.pod.pod()
    }

    /// As [`PodMachine::follower`].
    pub fn follower(&self, starting: AttemptId) -> Option<AttemptId> {
        self.pod.follower(starting)
    }

    /// The pod as it is to be from the next try on, where one is to come: a changed manifest waits for that.
    pub fn intended(&self) -> &Pod {
        match &self.tries {
            Some(Tries { step: Step::Waiting { changed: Some(changed), .. }, .. }) => changed,
            Some(_) | None => self.pod(),
        }
    }

    /// The status of the newest try's pod at this moment, with what became of the Job when it is over.
    pub fn status(&self) -> PodStatus {
        let status = self.pod.status();
        match self.tries {
            Some(Tries { step: Step::Over(Some(failure)), .. }) => PodStatus {
                reason: Some(failure.reason()),
                message: Some(Text::from(failure.message())),
                ..status
            },
            Some(_) | None => status,
        }
    }

    /// How far the Job is, where the pod is one's.
    pub fn job_status(&self) -> Option<JobStatus> {
        let Tries { start_time, failed, step, .. } = self.tries.as_ref()?;
        // Whoever takes over sees for himself that the pod has failed, and counts it.
        let shown = match step {
            Step::Trying => 0,
            Step::Waiting { .. } | Step::Over(_) => 1,
        };
        Some(JobStatus { start_time: *start_time, failed: failed.saturating_sub(shown) })
    }

    /// See [`PodMachine::ending`].
    pub fn ending(&self) -> Option<(StopCause, Time)> {
        self.pod.ending()
    }

    /// See [`PodMachine::deletion`].
    pub fn deletion(&self) -> Option<(Timestamp, Duration)> {
        self.pod.deletion()
    }

    /// Takes note of a fact. One about a try that is over is dropped.
    pub fn handle_event(&mut self, now: Now, event: Event) {
        if let Event::SpecChanged(pod) = &event
            && pod.job.is_some() != self.tries.is_some()
        {
            let cause = if pod.job.is_some() { "the pod became a Job's" } else { "the Job became a pod" };
            return self.pod.record(PodEvent::FailedValidation(Text::from(cause)));
        }
        let Some(tries) = &mut self.tries else { return self.pod.handle_event(now, event) };
        match (event, &mut tries.step) {
            (Event::SpecChanged(pod), Step::Waiting { changed, .. }) => *changed = Some(pod),
            (Event::StopRequested { .. } | Event::KillRequested, Step::Waiting { code, cause, .. }) => {
                let (code, cause) = (*code, *cause);
                self.pod.now = now;
                self.finish(code, cause, None);
            }
            (Event::EphemeralAdded(container), _) => {
                self.pod.handle_event(now, Event::EphemeralAdded(container));
                self.number_ephemeral();
            }
            (event, _) => {
                let is_result = matches!(event, Event::ProbeDone { .. });
                self.pod.handle_event(now, event);
                if !is_result {
                    self.advance();
                }
            }
        }
    }

    /// Takes note of the time. Afterwards [`poll_timeout`](Self::poll_timeout) is `None` or later.
    pub fn handle_timeout(&mut self, now: Now) {
        self.pod.handle_timeout(now);
        self.advance();
    }

    /// The next thing to do, if there is one.
    pub fn poll_action(&mut self) -> Option<Action> {
        match (self.pod.poll_action(), &self.tries) {
            (Some(Action::Finish { code, cause }), Some(Tries { step: Step::Trying, .. })) => {
                self.try_over(code, cause);
                self.pod.poll_action()
            }
            (action, _) => action,
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is wanted at the latest; `None` is never. Asked
    /// after the actions have been drained.
    pub fn poll_timeout(&self) -> Option<Time> {
        let of_pod = self.pod.poll_timeout();
        let Some(tries) = &self.tries else { return of_pod };
        let deadline = self.deadline();
        let of_job = match tries.step {
            Step::Trying if self.pod.is_ending() => None,
            Step::Trying => deadline,
            Step::Waiting { until, .. } => Some(deadline.map_or(until, |deadline| deadline.min(until))),
            Step::Over(_) => None,
        };
        [of_pod, of_job].into_iter().flatten().min()
    }

    /// When all tries together have taken as long as they may.
    fn deadline(&self) -> Option<Time> {
        let (before, began) = self.tries.as_ref()?.active;
        let deadline = self.job()?.active_deadline?;
        Some(began + deadline.saturating_sub(before))
    }

    fn is_deadline_over(&self) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= self.pod.now.mono)
    }

    fn job(&self) -> Option<Job> {
        self.pod.pod.job
    }

    /// Ends a try that takes too long, or restarts too often, and begins the next one when it is time.
    fn advance(&mut self) {
        let Some(tries) = &self.tries else { return };
        match tries.step {
            Step::Trying if self.pod.is_ending() || self.pod.sandbox == Sandbox::Finished => {}
            Step::Trying if self.has_restarted_too_often() => {
                self.stop_try(JobFailure::BackoffLimitExceeded);
            }
            Step::Trying if self.is_deadline_over() => self.stop_try(JobFailure::DeadlineExceeded),
            Step::Waiting { code, cause, .. } if self.is_deadline_over() => {
                self.finish(code, cause, Some(JobFailure::DeadlineExceeded));
            }
            Step::Waiting { until, .. } if until <= self.pod.now.mono => self.try_again(),
            Step::Trying | Step::Waiting { .. } | Step::Over(_) => {}
        }
    }

    /// Where containers are restarted in their pod, the restarts count, as in `pastBackoffLimitOnFailure` of
    /// `job_controller.go`: the one that reaches the limit, or the first where nothing is forgiven, ends the
    /// Job once it has begun.
    fn has_restarted_too_often(&self) -> bool {
        if self.pod.pod.restart_policy != RestartPolicy::OnFailure {
            return false;
        }
        let is_counted = |record: &&Record| record.kind != ContainerKind::Ephemeral;
        let records = self.pod.records.iter().map(|(_, record)| record).filter(is_counted);
        let restarts: u64 = records.map(|record| u64::from(record.restart_count)).sum();
        self.job().is_some_and(|job| restarts >= u64::from(job.backoff_limit.max(1)))
    }

    /// The Job has failed: what runs is stopped.
    fn stop_try(&mut self, failure: JobFailure) {
        self.pod.record(PodEvent::JobFailed(failure));
        self.pod.begin_stop(StopCause::JobFailed(failure), self.pod.pod.termination_grace_period);
        self.pod.dirty = Dirty::Everything;
    }

    /// The pod is over: the Job is too, or the pod is tried again.
    fn try_over(&mut self, code: u8, cause: Cause) {
        let stop = self.pod.stop.filter(|stop| stop.kill || stop.cause == StopCause::Requested);
        let is_asked = stop.is_some() || self.pod.stop_request.is_some();
        if let Some(StopCause::JobFailed(failure)) = self.pod.stop.map(|stop| stop.cause) {
            self.set_step(Step::Over(Some(failure)));
            return self.tell_end(code, cause);
        }
        if is_asked || self.pod.status().phase == Phase::Succeeded {
            return self.finish(code, cause, None);
        }
        let is_late = self.is_deadline_over();
        let limit = self.job().map_or(0, |job| job.backoff_limit);
        let Some(tries) = &mut self.tries else { return };
        tries.failed = tries.failed.saturating_add(1);
        let failed = tries.failed;
        if failed > limit {
            return self.finish(code, cause, Some(JobFailure::BackoffLimitExceeded));
        }
        if is_late {
            return self.finish(code, cause, Some(JobFailure::DeadlineExceeded));
        }
        let delay = delay(failed);
        self.set_step(Step::Waiting { until: self.pod.now.mono + delay, code, cause, changed: None });
        self.pod.record(PodEvent::TryFailed { delay, failed, limit });
    }

    fn finish(&mut self, code: u8, cause: Cause, failure: Option<JobFailure>) {
        if let Some(failure) = failure {
            self.pod.record(PodEvent::JobFailed(failure));
        }
        self.set_step(Step::Over(failure));
        self.tell_end(code, cause);
    }

    fn tell_end(&mut self, code: u8, cause: Cause) {
        self.pod.actions.push_back(Action::StatusChanged);
        self.pod.actions.push_back(Action::Finish { code, cause });
    }

    fn set_step(&mut self, step: Step) {
        if let Some(tries) = &mut self.tries {
            tries.step = step;
        }
    }

    /// A new pod takes the place of the one that failed. Attempts and runs are numbered on, so that what is
    /// still told of the old ones is known as such; restarts are counted anew.
    fn try_again(&mut self) {
        let Some(Tries { step, .. }) = &mut self.tries else { return };
        let Step::Waiting { changed, .. } = std::mem::replace(step, Step::Trying) else { return };
        let (old, now) = (&self.pod, self.pod.now);
        let pod = Pod { ephemeral_containers: Vec::new(), ..old.pod.clone() };
        let mut new = PodMachine::new(pod, now).exit_code_from(old.exit_code_from);
        new.next_run = old.next_run;
        for ((_, old), (_, new)) in old.records.iter().zip(new.records.iter_mut()) {
            new.number_from(old.attempts);
        }
        new.actions.push_back(Action::BeginTry);
        new.record(PodEvent::SuccessfulCreate);
        new.status_changed = true;
        self.pod = new;
        if let Some(changed) = changed {
            self.pod.handle_event(now, Event::SpecChanged(changed));
        }
        self.advance();
    }

    /// A container for debugging may stand where another one stood in an earlier try.
    fn number_ephemeral(&mut self) {
        let highest = self.pod.records.iter().map(|(_, record)| record.attempts).max().unwrap_or(0);
        let added = self.pod.records.iter_mut().last();
        if let Some((_, record)) = added.filter(|(_, record)| record.attempts == 0 && !record.is_live()) {
            record.number_from(highest);
        }
    }
}

impl Tries {
    fn new(start_time: Timestamp, active: (Duration, Time), failed: u32) -> Self {
        Self { start_time, active, failed, step: Step::Trying }
    }
}

/// How long after the last of so many failures the next try begins.
fn delay(failed: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
    FIRST_DELAY.saturating_mul(doubled).min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_from_10_s_to_10_minutes() {
        let delays: Vec<u64> = (1..=9).map(|failed| delay(failed).as_secs()).collect();
        assert_eq!(delays, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        assert_eq!(delay(u32::MAX), LONGEST_DELAY);
    }
}
