//! The process that carries the pod's network, where it has one: started again when it dies, as late as a
//! container would be.

use std::sync::Arc;

use super::back_off::BackOff;
use super::pod_event::PodEvent;
use super::time::Time;
use super::{Action, PodMachine, Sandbox};

/// What is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NetworkHelper {
    back_off: BackOff,
    /// When it died, until it is started again.
    died: Option<Time>,
}

impl NetworkHelper {
    fn due(&self) -> Option<Time> {
        self.died.map(|died| died + self.back_off.delay(died))
    }
}

impl PodMachine {
    pub(super) fn network_helper_died(&mut self, cause: String) {
        if self.sandbox == Sandbox::Ready {
            self.record(PodEvent::NetworkNotReady(Arc::from(cause)));
            self.network_helper.died = Some(self.now.mono);
        }
    }

    /// Also while the pod ends: its containers may have something to tell others before they do.
    pub(super) fn advance_network_helper(&mut self) {
        if self.sandbox != Sandbox::Ready {
            self.network_helper = NetworkHelper::default();
        }
        let now = self.now.mono;
        let is_due = self.network_helper.due().is_some_and(|due| due <= now);
        if is_due && let Some(died) = self.network_helper.died.take() {
            self.network_helper.back_off.restarted(now, died, self.pod.crash_loop_back_off);
            self.actions.push_back(Action::RestartNetworkHelper);
        }
    }

    /// When it is to be started again.
    pub(super) fn network_helper_due(&self) -> Option<Time> {
        self.network_helper.due()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::{Event, Now, Timestamp};
    use crate::spec::{Container, Pod};

    fn now(seconds: u64) -> Now {
        let nanos = seconds * 1_000_000_000;
        Now { mono: Time::from_nanos(nanos), wall: Timestamp::from_nanos(i64::try_from(nanos).unwrap()) }
    }

    fn actions(machine: &mut PodMachine) -> Vec<Action> {
        std::iter::from_fn(|| machine.poll_action()).collect()
    }

    #[test]
    fn rootless_10_what_carries_the_network_is_told_of_and_started_again_later_each_time() {
        let pod = Pod { containers: vec![Container::named("main")], ..Pod::named("pod") };
        let mut machine = PodMachine::new(pod, now(0));
        actions(&mut machine);
        machine.handle_event(now(0), Event::SandboxReady);
        actions(&mut machine);
        let mut at = 1;
        for delay in [0, 10, 20, 40] {
            let message = "pasta was ended by SIGKILL".to_owned();
            machine.handle_event(now(at), Event::NetworkHelperDied { message });
            let told = actions(&mut machine);
            let is_told = |action: &Action| matches!(action, Action::Record(PodEvent::NetworkNotReady(_)));
            assert!(told.iter().any(is_told), "{told:?}");
            if delay > 0 {
                assert!(!told.contains(&Action::RestartNetworkHelper), "{told:?}");
                assert_eq!(machine.poll_timeout(), Some(now(at + delay).mono));
                machine.handle_timeout(now(at + delay));
                assert_eq!(actions(&mut machine), [Action::RestartNetworkHelper]);
            } else {
                assert!(told.contains(&Action::RestartNetworkHelper), "{told:?}");
            }
            assert_eq!(machine.poll_timeout(), None);
            at += delay + 1;
        }
    }
}
