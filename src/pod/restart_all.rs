//! RestartAllContainers (KEP-5532, rules 102 to 107): a container's exit ends all of them, and they start
//! again from the first init container on, in the same surroundings. The delays between restarts hold, as
//! the KEP says: what exits at once cannot spin the whole pod.

use super::pod_event::KillingReason;
use super::record::{End, Ended, Live, Record, Stage, State, Stop, Then};
use super::{PodMachine, Sandbox};
use crate::spec::{ContainerKind, RestartAction};

impl PodMachine {
    /// Every container is being ended so that all start again (rule 102).
    pub fn is_restarting_all(&self) -> bool {
        self.restarting_all
    }

    /// A container has exited in a way that restarts all, and not because all are being restarted
    /// (rule 106).
    pub(super) fn wants_to_restart_all(&self) -> bool {
        self.restarting_all
            || self.records.iter().any(|(id, record)| {
                let Some(Ended { end: End::Exited(exit), killed, .. }) = record.ended() else { return false };
                let Some(container) = self.container(id) else { return false };
                let rule = container.rule_for(exit.status.code());
                *killed != Some(KillingReason::RestartAllContainers)
                    && record.kind != ContainerKind::Ephemeral
                    && rule.is_some_and(|rule| rule.action == RestartAction::RestartAllContainers)
            })
    }

    /// Ends whatever is still up, with no grace and without preStop hooks (rule 103). Ephemeral
    /// containers are left alone.
    pub(super) fn end_all_to_restart(&mut self) {
        if !self.restarting_all {
            self.restarting_all = true;
            self.status_changed = true;
        }
        let now = self.now.mono;
        for id in self.records.ids() {
            let record = &mut self.records[id];
            record.refusal = None;
            if record.kind == ContainerKind::Ephemeral {
                continue;
            }
            let is_up = record.is_up();
            let Some(live) = record.live_mut() else { continue };
            match &mut live.stop {
                Some(stop) => {
                    (stop.reason, stop.then) = (KillingReason::RestartAllContainers, Then::Restart);
                    stop.deadline = stop.deadline.min(now);
                }
                None => {
                    let stop = Stop::new(now, KillingReason::RestartAllContainers, Then::Restart);
                    if is_up { self.give_stop(id, stop) } else { live.stop = Some(stop) }
                }
            }
        }
    }

    /// Once nothing of them is left: everything is as at the beginning, apart from counts and delays
    /// (rules 104 to 106).
    pub(super) fn conclude_restart_all(&mut self) {
        let is_left = |(_, record): (_, &Record)| record.kind != ContainerKind::Ephemeral && record.is_live();
        if !self.restarting_all || self.records.iter().any(is_left) || self.sandbox != Sandbox::Ready {
            return;
        }
        self.restarting_all = false;
        self.initialized = false;
        self.status_changed = true;
        for (_, record) in
            self.records.iter_mut().filter(|(_, record)| record.kind != ContainerKind::Ephemeral)
        {
            record.has_started = false;
            record.restart_requested = false;
            if let State::Ended(ended) = std::mem::replace(&mut record.state, State::Absent) {
                let killed = Some(KillingReason::RestartAllContainers);
                record.last = Some(Ended { killed, ..ended });
            }
        }
        self.decide();
    }

    /// How the attempt ended, if it is down because all restart.
    pub(super) fn is_down_to_restart<'a>(&self, record: &'a Record) -> Option<&'a Ended> {
        let is_meant = self.restarting_all && record.kind != ContainerKind::Ephemeral;
        match &record.state {
            State::Ended(ended) | State::Live(Live { stage: Stage::Emptying { ended, .. }, .. })
                if is_meant =>
            {
                Some(ended)
            }
            State::Absent | State::Live(_) | State::Ended(_) => None,
        }
    }
}
