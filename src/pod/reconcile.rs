//! The decisions: one look at everything that is known, and what follows from it. Modelled on
//! kubelet's computePodActions. Nothing here depends on which event came last.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hook::PostStart;
use super::phase::restarts_after;
use super::pod_event::{KillingReason, PodEvent, go_duration};
use super::record::{End, Ended, Live, Refusal, Resize, Stage, State, Stop, Then};
use super::status::WaitingReason;
use super::stop::StopCause;
use super::{Action, ExitStatus, PodMachine, Sandbox};
use crate::spec::{ContainerId, ContainerKind, Metadata, RestartPolicy};

/// What is to become of a main container.
enum Fate {
    /// It is up, or will start once its last attempt is gone.
    Keep,
    /// It is due to start.
    Start,
    /// It is up and to be ended.
    Stop { reason: KillingReason, then: Then },
    /// It ended for good, or is being ended for good.
    Done,
}

impl Fate {
    /// It neither runs on nor starts: when this holds for all, the pod is done (rule 30). A container
    /// that is to be ended for good does not hold the pod; its end becomes part of the pod's (rule 52).
    fn is_over(&self) -> bool {
        match self {
            Self::Done => true,
            Self::Keep | Self::Start => false,
            Self::Stop { reason, then } => !Stop::keeps_pod(*then, *reason),
        }
    }
}

/// How far the init containers are.
enum Init {
    Done,
    Ongoing,
    Failed(ContainerId),
}

impl PodMachine {
    /// Decides. Calling it again without news changes nothing.
    pub(super) fn reconcile(&mut self) {
        if self.sandbox == Sandbox::Finished {
            return;
        }
        self.expire_refusals();
        self.advance_running();
        self.advance_network_helper();
        if self.deadline().is_some_and(|deadline| deadline <= self.now.mono) {
            self.record(PodEvent::DeadlineExceeded);
            self.begin_stop(StopCause::DeadlineExceeded, self.pod.termination_grace_period);
        }
        if self.stop.is_none() {
            self.decide();
        }
        self.advance_stops();
        self.conclude_restart_all();
        self.conclude_stop();
        // Only after the surroundings were lost: the pod begins anew.
        if self.stop.is_none() && self.sandbox == Sandbox::Absent {
            self.decide();
        }
    }

    fn expire_refusals(&mut self) {
        let now = self.now.mono;
        for (_, record) in self.records.iter_mut() {
            if record.refusal.as_ref().is_some_and(|refusal| refusal.until <= now) {
                record.refusal = None;
                self.status_changed = true;
            }
        }
    }

    pub(super) fn decide(&mut self) {
        let grace = self.pod.termination_grace_period;
        if self.wants_to_restart_all() {
            return self.end_all_to_restart();
        }
        let fates = self.fates();
        if let Some(id) = self.keystone_that_is_over(&fates) {
            return self.begin_stop(StopCause::KeystoneEnded(id), grace);
        }
        if fates.iter().all(Fate::is_over) {
            return self.begin_stop(StopCause::Completed, grace);
        }
        match self.sandbox {
            Sandbox::Absent => {
                self.sandbox = Sandbox::SettingUp;
                return self.actions.push_back(Action::SetUpSandbox);
            }
            Sandbox::SettingUp | Sandbox::Finished => return,
            Sandbox::Ready => {}
        }
        self.start_ephemeral();
        match self.advance_init() {
            Init::Ongoing => {}
            Init::Failed(id) => return self.begin_stop(StopCause::InitFailed(id), grace),
            Init::Done => self.advance_mains(&fates),
        }
        self.advance_resizes();
    }

    /// Main containers start in the pod's order; at its first start one waits for the postStart hooks of
    /// those before it (rule 4) and for those it is to start after.
    fn advance_mains(&mut self, fates: &[Fate]) {
        let mut is_held = false;
        for (id, fate) in self.mains().zip(fates) {
            let is_first_start = matches!(self.records[id].state, State::Absent);
            match fate {
                Fate::Start if is_first_start && (is_held || !self.may_follow(id)) => {}
                Fate::Start => self.start(id),
                Fate::Stop { reason, then } => self.stop_container(id, *reason, *then),
                Fate::Keep | Fate::Done => {}
            }
            is_held |= self.holds_next(id);
        }
    }

    /// Its postStart hook is not done.
    fn holds_next(&self, id: ContainerId) -> bool {
        let has_hook = self.container(id).is_some_and(|container| container.post_start.is_some());
        has_hook
            && match self.records[id].live() {
                Some(Live { stage: Stage::Starting { .. }, stop: None }) => true,
                Some(Live { stage: Stage::Running(running), stop: None }) => running.post_start.is_pending(),
                Some(_) | None => false,
            }
    }

    /// Everything that it is to start after has started.
    fn may_follow(&self, id: ContainerId) -> bool {
        self.start_after(id).all(|other| self.records[other].has_started)
    }

    fn start_after(&self, id: ContainerId) -> impl Iterator<Item = ContainerId> {
        self.container(id).into_iter().flat_map(|container| container.start_after.iter().copied())
    }

    /// A keystone that ended for good, or is to: the first in the pod's order (kubernetes#25908).
    fn keystone_that_is_over(&self, fates: &[Fate]) -> Option<ContainerId> {
        let is_keystone = |id: ContainerId| self.container(id).is_some_and(|container| container.keystone);
        let mut mains = self.mains().zip(fates);
        mains.find(|(id, fate)| fate.is_over() && is_keystone(*id)).map(|(id, _)| id)
    }

    fn mains(&self) -> impl Iterator<Item = ContainerId> + use<> {
        let init = self.pod.init_containers.len();
        (init..init + self.pod.containers.len()).map(ContainerId::at)
    }

    /// What is to become of every main container, in the pod's order. Each is looked at once, however many
    /// name it: what is to start after something that never will never starts either.
    fn fates(&self) -> Vec<Fate> {
        let mut fates: Vec<Fate> = self.mains().map(|id| self.own_fate(id)).collect();
        let mut followers: BTreeMap<ContainerId, Vec<ContainerId>> = BTreeMap::new();
        for id in self.mains().filter(|id| matches!(self.records[*id].state, State::Absent)) {
            for other in self.start_after(id) {
                followers.entry(other).or_default().push(id);
            }
        }
        if followers.is_empty() {
            return fates;
        }
        let is_over = |(id, fate): &(ContainerId, &Fate)| !self.records[*id].has_started && fate.is_over();
        let mut never: Vec<ContainerId> =
            self.mains().zip(&fates).filter(is_over).map(|(id, _)| id).collect();
        let first = self.pod.init_containers.len();
        while let Some(id) = never.pop() {
            for follower in followers.remove(&id).unwrap_or_default() {
                if let Some(fate) = fates.get_mut(follower.position() - first).filter(|fate| !fate.is_over())
                {
                    *fate = Fate::Done;
                    never.push(follower);
                }
            }
        }
        fates
    }

    /// As far as the container itself decides it.
    fn own_fate(&self, id: ContainerId) -> Fate {
        let record = &self.records[id];
        match &record.state {
            State::Absent => Fate::Start,
            State::Ended(_) if self.restarts(id) => Fate::Start,
            State::Live(Live { stage: Stage::Emptying { .. }, .. }) if self.restarts(id) => Fate::Keep,
            State::Ended(_) | State::Live(Live { stage: Stage::Emptying { .. }, .. }) => Fate::Done,
            State::Live(Live { stop: Some(stop), .. }) if Stop::keeps_pod(stop.then, stop.reason) => {
                Fate::Keep
            }
            State::Live(Live { stop: Some(_), .. }) => Fate::Done,
            State::Live(Live { stop: None, .. }) => match self.reason_to_stop(id) {
                Some((reason, then)) => Fate::Stop { reason, then },
                None => Fate::Keep,
            },
        }
    }

    /// Why a container that is up should not stay so, and whether it starts again afterwards.
    fn reason_to_stop(&self, id: ContainerId) -> Option<(KillingReason, Then)> {
        let record = &self.records[id];
        let container = self.container(id)?;
        let policy = container.restart_policy.unwrap_or(self.pod.restart_policy);
        if record.image != container.image || record.changed {
            return Some((KillingReason::DefinitionChanged, Then::Restart));
        }
        if record.restart_requested {
            return Some((KillingReason::RestartRequested, Then::Restart));
        }
        let running = record.running()?;
        if running.post_start == PostStart::Failed {
            return Some((KillingReason::PostStartHook, Then::AsPolicySays));
        }
        // Rule 52: decided by the policy alone; there is no exit code yet for rules to look at.
        let restarts = record.kind == ContainerKind::Sidecar || policy != RestartPolicy::Never;
        let then = if restarts { Then::Restart } else { Then::AsPolicySays };
        running.probes.failed().map(|kind| (KillingReason::Probe { kind, restarts }, then))
    }

    /// Whether the container's newest end leads to another attempt (rules 16, 28, 99, 100).
    pub(super) fn restarts(&self, id: ContainerId) -> bool {
        let record = &self.records[id];
        let (Some(container), Some(ended)) = (self.container(id), record.ended()) else { return true };
        let by_policy = || match &ended.end {
            End::Exited(exit) => restarts_after(&self.pod, container, exit.status.code()),
            End::NeverRan(_) => match container.restart_policy.unwrap_or(self.pod.restart_policy) {
                RestartPolicy::Always | RestartPolicy::OnFailure => true,
                RestartPolicy::Never => false,
            },
        };
        let is_unknown = matches!(&ended.end, End::Exited(exit) if exit.status == ExitStatus::Unknown);
        match record.kind {
            ContainerKind::Ephemeral => false,
            ContainerKind::Init | ContainerKind::Sidecar | ContainerKind::Main if self.restarting_all => true,
            ContainerKind::Sidecar => true,
            ContainerKind::Main => record.restart_intended || is_unknown || by_policy(),
            ContainerKind::Init => record.restart_intended || by_policy(),
        }
    }

    fn start_ephemeral(&mut self) {
        for id in self.records.ids().rev().take(self.pod.ephemeral_containers.len()) {
            if matches!(self.records[id].state, State::Absent) {
                self.start(id);
            }
        }
    }

    /// Walks the init containers backwards from the newest that has a record: whatever comes before
    /// it has been passed, and of what has been passed only sidecars are looked after (rules 9 to 11).
    fn advance_init(&mut self) -> Init {
        let mut passed = self.is_any_main_up();
        let mut done = passed || self.pod.init_containers.is_empty();
        let mut due = Vec::new();
        let last = self.pod.init_containers.len();
        for position in (0..last).rev() {
            let id = ContainerId::at(position);
            let next = ContainerId::at(position + 1);
            let is_last = position + 1 == last;
            let record = &self.records[id];
            let is_sidecar = record.kind == ContainerKind::Sidecar;
            let mut lets_next_start = false;
            match &record.state {
                State::Absent => {
                    if passed && is_sidecar {
                        due.push(id);
                    }
                    continue;
                }
                State::Live(_) | State::Ended(_) if passed && !is_sidecar => continue,
                State::Live(live) if is_sidecar => {
                    lets_next_start = record.is_started();
                    if let (None, Some((reason, then))) = (&live.stop, self.reason_to_stop(id)) {
                        self.stop_container(id, reason, then);
                    }
                }
                State::Live(_) if record.ended().is_some_and(Ended::is_failure) && !self.restarts(id) => {
                    return Init::Failed(id);
                }
                State::Live(_) => {}
                State::Ended(_) if is_sidecar => due.push(id),
                State::Ended(ended) if !ended.is_failure() => lets_next_start = true,
                State::Ended(_) if self.restarts(id) => due.push(id),
                State::Ended(_) => return Init::Failed(id),
            }
            if lets_next_start && is_last {
                done = true;
            } else if lets_next_start && !passed {
                due.push(next);
            }
            passed = true;
        }
        if !passed && !done {
            due.push(ContainerId::at(0));
        }
        for id in due.into_iter().rev() {
            self.start(id);
        }
        if done { Init::Done } else { Init::Ongoing }
    }

    /// Starts the container's next attempt, or says why it must wait.
    fn start(&mut self, id: ContainerId) {
        let now = self.now;
        let record = &self.records[id];
        if record.is_live() || record.refusal.is_some() {
            return;
        }
        let finished = record.newest_end().map(|ended| ended.finished.mono);
        if let Some(finished) = finished {
            let delay = record.back_off.delay(finished);
            let until = finished + delay;
            if now.mono < until {
                let name = self.name(id);
                let Metadata { name: pod, namespace, .. } = &self.pod.metadata;
                let message = format!(
                    "back-off {} restarting failed container={name} pod={pod}_{namespace}",
                    go_duration(delay)
                );
                let message = Arc::from(message);
                self.records[id].refusal =
                    Some(Refusal { reason: WaitingReason::CrashLoopBackOff, message, until });
                self.status_changed = true;
                return self.record(PodEvent::BackOff(name, delay));
            }
        }
        let Some(container) = self.pod.container(id) else { return };
        let setting = container.crash_loop_back_off.unwrap_or(self.pod.crash_loop_back_off);
        let (image, resources) = (Arc::clone(&container.image), container.resources);
        let record = &mut self.records[id];
        if let Some(finished) = finished {
            record.back_off.restarted(now.mono, finished, setting);
        }
        let previous = match std::mem::replace(&mut record.state, State::Absent) {
            State::Ended(ended) => Some(ended),
            State::Absent | State::Live(_) => None,
        };
        record.state = State::Live(Live { stage: Stage::Starting { since: now, previous }, stop: None });
        record.image = image;
        record.changed = false;
        (record.resources, record.resize) = (resources, Resize::Settled);
        record.restart_requested = false;
        record.restart_intended = false;
        record.attempts = record.attempts.saturating_add(1);
        let attempt = record.attempt(id);
        self.status_changed = true;
        self.actions.push_back(Action::Start(attempt));
    }
}
