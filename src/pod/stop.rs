//! The end of the pod and of single containers: who is signalled when, and what follows if that is not
//! enough (rules 77 to 91). All of it is data in the records, so that it can be looked at and replayed.

use std::time::Duration;

use super::event::Signal;
use super::hook::{HookRun, PostStart};
use super::job::JobFailure;
use super::pod_event::{KillingReason, PodEvent};
use super::record::{End, Ended, Live, Record, Stage, State, Stop, StopStep, Then};
use super::time::{Time, Timestamp};
use super::{Action, Exit, ExitStatus, PodMachine, Sandbox, Target};
use crate::spec::{ContainerId, ContainerKind, HookKind, Profile, RestartPolicy};

/// The shortest grace that a repeated request may leave (rule 78).
const SHORTEST: Duration = Duration::from_secs(1);

/// The end of the whole pod, under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct PodStop {
    pub(super) cause: StopCause,
    pub(super) began: Time,
    /// One clock for all containers (rule 82).
    pub(super) deadline: Time,
    /// Do not wait for it: SIGKILL now.
    pub(super) kill: bool,
}

/// Why every container of the pod is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopCause {
    /// The main containers are done (rule 30).
    Completed,
    /// A keystone ended for good (kubernetes#25908).
    KeystoneEnded(ContainerId),
    /// The pod was active for as long as it may be (rule 92).
    DeadlineExceeded,
    /// The Job that the pod is a try of has failed.
    JobFailed(JobFailure),
    /// A plain init container failed for good (rule 21).
    InitFailed(ContainerId),
    /// Somebody asked.
    Requested,
    /// The surroundings could not be made.
    SandboxFailed,
    /// The surroundings broke; what may restart starts anew afterwards (rule 23).
    SandboxLost,
}

impl PodMachine {
    /// Why every container is being ended and when the grace period is over, once that has begun.
    pub fn ending(&self) -> Option<(StopCause, Time)> {
        self.stop.map(|stop| (stop.cause, stop.deadline))
    }

    /// When the end of a pod that somebody asked to end is due, and the grace that it has for that.
    pub fn deletion(&self) -> Option<(Timestamp, Duration)> {
        let stop = self.stop.filter(|stop| stop.cause == StopCause::Requested)?;
        let left = stop.deadline.since(self.now.mono);
        let late = self.now.mono.since(stop.deadline);
        Some((self.now.wall + left - late, stop.deadline.since(stop.began)))
    }

    /// Begins the end of the pod, or makes one under way shorter: never longer (rule 78).
    pub(super) fn begin_stop(&mut self, cause: StopCause, grace: Duration) {
        let now = self.now.mono;
        match &mut self.stop {
            None => self.stop = Some(PodStop { cause, began: now, deadline: now + grace, kill: false }),
            Some(stop) => {
                stop.deadline = stop.deadline.min(now + grace.max(SHORTEST));
                if stop.cause == StopCause::SandboxLost {
                    (stop.cause, stop.began) = (cause, now);
                }
            }
        }
        self.restarting_all = false;
        self.status_changed = true;
    }

    /// Everything is to be sent SIGKILL at once.
    pub(super) fn begin_kill(&mut self) {
        self.begin_stop(StopCause::Requested, Duration::ZERO);
        if let Some(stop) = &mut self.stop {
            stop.kill = true;
        }
    }

    pub(super) fn sandbox_lost(&mut self) {
        if self.sandbox == Sandbox::Ready && self.stop.is_none() {
            self.record(PodEvent::SandboxChanged);
            self.begin_stop(StopCause::SandboxLost, self.pod.termination_grace_period);
        }
    }

    /// Nothing of the pod will start again in this sandbox or another.
    pub(super) fn is_ending(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.cause != StopCause::SandboxLost)
    }

    /// A single container is to be ended while the pod goes on: unordered (rule 83).
    pub(super) fn stop_container(&mut self, id: ContainerId, reason: KillingReason, then: Then) {
        let grace = match reason {
            KillingReason::Probe { kind, .. } => self
                .container(id)
                .and_then(|container| container.probe(kind)?.termination_grace_period)
                .unwrap_or(self.pod.termination_grace_period),
            KillingReason::PodStop
            | KillingReason::DefinitionChanged
            | KillingReason::RestartRequested
            | KillingReason::PostStartHook
            | KillingReason::RestartAllContainers
            | KillingReason::Resize => self.pod.termination_grace_period,
        };
        self.give_stop(id, Stop::new(self.now.mono + grace, reason, then));
    }

    /// The attempt is being ended from now on. Its startup and liveness probes are over (rules 57, 58),
    /// and so is its hook after the start.
    pub(super) fn give_stop(&mut self, id: ContainerId, stop: Stop) {
        let (reason, has_grace) = (stop.reason, stop.deadline > self.now.mono);
        let Some(live) = self.records[id].live_mut() else { return };
        live.stop = Some(stop);
        let is_running = if let Stage::Running(running) = &mut live.stage {
            let hook = running.post_start.run().map(Action::AbandonHook);
            if running.post_start.is_pending() {
                running.post_start = PostStart::Done;
            }
            let probes = running.probes.stop(reason == KillingReason::PodStop).map(Action::CancelProbe);
            self.abandon(probes.chain(hook).collect::<Vec<_>>());
            true
        } else {
            false
        };
        let name = self.name(id);
        self.record(PodEvent::Killing(name, reason));
        let kill = self.stop.is_some_and(|stop| stop.kill);
        if is_running
            && has_grace
            && !kill
            && let Some(hook) = self.begin_hook(id, HookKind::PreStop)
        {
            self.set_step(id, StopStep::PreStop(hook));
        }
    }

    /// Takes every stop that is under way as far as it can go now.
    pub(super) fn advance_stops(&mut self) {
        if let Some(stop) = self.stop {
            for id in self.records.ids() {
                self.include_in_pod_stop(id, stop);
            }
        }
        // Sidecars last and backwards: what ends before them may be what they wait for.
        let is_sidecar = |id: &ContainerId| self.records[*id].kind == ContainerKind::Sidecar;
        let (sidecars, others): (Vec<_>, Vec<_>) = self.records.ids().partition(is_sidecar);
        for id in others {
            self.advance_stop(id, true);
        }
        let mut is_turn =
            self.stop.is_none() || self.records.of(ContainerKind::Main).all(|(_, r)| !r.is_live());
        for id in sidecars.into_iter().rev() {
            self.advance_stop(id, is_turn);
            is_turn &= self.stop.is_none() || !self.records[id].is_live();
        }
    }

    /// `is_turn`: nothing goes before it. Sidecars end after everything that may need them: the main
    /// containers first, then one another in reverse order (rule 81). Only when the whole pod ends (rule 83).
    fn advance_stop(&mut self, id: ContainerId, is_turn: bool) {
        match self.records[id].live().map(|live| &live.stage) {
            Some(Stage::Starting { .. } | Stage::Running(_)) => self.advance_main_process(id, is_turn),
            Some(Stage::Emptying { .. }) => self.advance_rest(id),
            None => {}
        }
    }

    fn include_in_pod_stop(&mut self, id: ContainerId, pod_stop: PodStop) {
        // What is stopped because the surroundings broke would be running otherwise (rule 23).
        let anew = pod_stop.cause == StopCause::SandboxLost;
        let record = &mut self.records[id];
        record.refusal = None;
        let is_up = record.is_up();
        match record.live_mut().map(|live| &mut live.stop) {
            Some(Some(stop)) => {
                stop.deadline = stop.deadline.min(pod_stop.deadline);
                if !anew {
                    stop.then = Then::Stay;
                }
            }
            Some(None) if is_up => {
                let then = if anew { Then::Restart } else { Then::Stay };
                self.give_stop(id, Stop::new(pod_stop.deadline, KillingReason::PodStop, then));
            }
            Some(None) | None => {}
        }
    }

    fn advance_main_process(&mut self, id: ContainerId, is_turn: bool) {
        let now = self.now.mono;
        let attempt = self.records[id].attempt(id);
        let Some(stop) = self.records[id].live().and_then(|live| live.stop.clone()) else { return };
        let kill_now = self.stop.is_some_and(|stop| stop.kill);
        if let StopStep::PreStop(hook) = stop.step {
            if !kill_now && now < stop.due() {
                return;
            }
            self.end_pre_stop(id, hook);
            return self.advance_main_process(id, is_turn);
        }
        let next = match stop.step {
            StopStep::PreStop(_) => return,
            StopStep::AwaitingTurn | StopStep::Signalled(_) if kill_now => StopStep::Killed(now),
            StopStep::AwaitingTurn if is_turn || stop.due() <= now => StopStep::Signalled(now),
            StopStep::Signalled(_) if stop.due() <= now => {
                let name = self.name(id);
                self.record(PodEvent::ExceededGracePeriod(name));
                StopStep::Killed(now)
            }
            StopStep::Killed(_) if self.is_ending() && stop.due() <= now => return self.give_up(id),
            StopStep::AwaitingTurn | StopStep::Signalled(_) | StopStep::Killed(_) => return,
        };
        self.set_step(id, next);
        match next {
            StopStep::Signalled(_) => {
                let signal = self.container(id).and_then(|container| container.stop_signal);
                self.actions.push_back(Action::Signal {
                    attempt,
                    signal: signal.unwrap_or(Signal::TERM),
                    target: Target::Main,
                });
            }
            StopStep::Killed(_) => {
                if let Some(running) = self.records[id].running_mut() {
                    let probes = running.probes.end().map(Action::CancelProbe);
                    self.abandon(probes);
                }
                self.actions.push_back(Action::Kill(attempt));
            }
            StopStep::AwaitingTurn | StopStep::PreStop(_) => {}
        }
    }

    /// The hook's time is up: it is no longer waited for (rule 71).
    fn end_pre_stop(&mut self, id: ContainerId, hook: HookRun) {
        self.abandon(hook.run().map(Action::AbandonHook));
        self.set_step(id, StopStep::AwaitingTurn);
        if hook.fails_at(self.now.mono) {
            let name = self.name(id);
            self.record(PodEvent::HookTookTooLong(name, HookKind::PreStop));
        }
    }

    /// Ends what a main process left behind: at once as a container runtime does, or in profile
    /// `process` with a signal first, within what remains of the grace.
    fn advance_rest(&mut self, id: ContainerId) {
        let now = self.now.mono;
        let attempt = self.records[id].attempt(id);
        let grace = self.pod.termination_grace_period;
        let deadline = self.stop.map_or(now + grace, |stop| stop.deadline);
        let is_ending = self.is_ending();
        let at_once = self.pod.profile == Profile::Pod || self.stop.is_some_and(|stop| stop.kill);
        let name = self.name(id);
        let Some(live) = self.records[id].live_mut() else { return };
        let Stage::Emptying { rest_signalled, .. } = &mut live.stage else { return };
        // Where the main process ended unasked, the whole grace is there: no minimum is added (rule 79).
        let stop = live.stop.get_or_insert(Stop::new(deadline, KillingReason::PodStop, Then::AsPolicySays));
        match stop.step {
            StopStep::PreStop(_) | StopStep::AwaitingTurn | StopStep::Signalled(_)
                if at_once || stop.due() <= now =>
            {
                stop.step = StopStep::Killed(now);
                self.actions.push_back(Action::Kill(attempt));
                if !at_once {
                    self.record(PodEvent::ExceededGracePeriod(name));
                }
            }
            StopStep::PreStop(_) | StopStep::AwaitingTurn | StopStep::Signalled(_) if !*rest_signalled => {
                *rest_signalled = true;
                self.actions.push_back(Action::Signal {
                    attempt,
                    signal: Signal::TERM,
                    target: Target::Rest,
                });
            }
            StopStep::Killed(_) if is_ending && stop.due() <= now => self.give_up(id),
            StopStep::PreStop(_) | StopStep::AwaitingTurn | StopStep::Signalled(_) | StopStep::Killed(_) => {}
        }
    }

    fn set_step(&mut self, id: ContainerId, step: StopStep) {
        if let Some(stop) = self.records[id].live_mut().and_then(|live| live.stop.as_mut()) {
            stop.step = step;
        }
    }

    /// SIGKILL did not end it: a process in D state. The end of the pod does not wait for it (rule 90).
    /// While the pod goes on it is waited for: a second attempt beside it would be one too many.
    fn give_up(&mut self, id: ContainerId) {
        let now = self.now;
        let attempt = self.records[id].attempt(id);
        let record = &mut self.records[id];
        let State::Live(Live { stage, stop }) = &record.state else { return };
        let killed = stop.as_ref().map(|stop| stop.reason);
        let unseen = |started| Ended {
            end: End::Exited(Exit::plain(ExitStatus::Unknown)),
            killed,
            started,
            finished: now,
        };
        let ended = match stage {
            Stage::Starting { since, .. } => unseen(since.wall),
            Stage::Running(running) => unseen(running.since.wall),
            Stage::Emptying { ended, .. } => ended.clone(),
        };
        record.count_attempt();
        record.state = State::Ended(ended);
        self.status_changed = true;
        self.actions.push_back(Action::Remove(attempt));
        let name = self.name(id);
        self.record(PodEvent::FailedKillPod(name));
    }

    /// Once nothing is left of a pod that was stopped: the end, or a new beginning.
    pub(super) fn conclude_stop(&mut self) {
        let Some(stop) = self.stop else { return };
        if self.records.iter().any(|(_, record)| record.is_live()) {
            return;
        }
        if stop.cause == StopCause::SandboxLost {
            match self.cause_to_end() {
                Some(cause) => self.stop = Some(PodStop { cause, ..stop }),
                None => return self.start_anew(),
            }
        }
        if self.sandbox != Sandbox::Absent {
            self.actions.push_back(Action::TearDownSandbox);
        }
        self.sandbox = Sandbox::Finished;
        self.status_changed = false;
        self.note_conditions();
        let (code, cause) = self.outcome();
        self.actions.push_back(Action::StatusChanged);
        self.actions.push_back(Action::Finish { code, cause });
    }

    /// Why a pod whose surroundings broke does not start anew: nothing that is left to run may, or
    /// an init container has failed for good (rules 23, 24, 118).
    fn cause_to_end(&self) -> Option<StopCause> {
        let failed = |(id, record): &(ContainerId, &Record)| {
            record.ended().is_some_and(Ended::is_failure) && !self.restarts(*id)
        };
        if let Some((id, _)) = self.records.of(ContainerKind::Init).find(failed) {
            return Some(StopCause::InitFailed(id));
        }
        let is_fresh = self.records.iter().all(|(_, record)| record.attempts == record.first_attempt);
        if !is_fresh && self.pod.restart_policy == RestartPolicy::Never {
            return Some(StopCause::Completed);
        }
        let mut mains = self.records.of(ContainerKind::Main);
        mains.all(|(id, _)| self.rests(id)).then_some(StopCause::Completed)
    }

    /// It ended for good and is not run again in new surroundings (rule 23).
    fn rests(&self, id: ContainerId) -> bool {
        let record = &self.records[id];
        let runs_again = match record.kind {
            ContainerKind::Init | ContainerKind::Sidecar => true,
            ContainerKind::Main => self.restarts(id),
            ContainerKind::Ephemeral => false,
        };
        record.ended().is_some() && !runs_again
    }

    fn start_anew(&mut self) {
        self.stop = None;
        self.sandbox = Sandbox::Absent;
        self.initialized = false;
        self.status_changed = true;
        let again: Vec<_> = self.records.ids().filter(|id| !self.rests(*id)).collect();
        for id in again {
            let record = &mut self.records[id];
            record.has_started = false;
            if let State::Ended(ended) = std::mem::replace(&mut record.state, State::Absent) {
                record.last = Some(ended);
            }
        }
    }
}
