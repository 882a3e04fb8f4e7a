//! Other resources for containers that run (rules 174, 175). What a container gets is somebody else's
//! work; here stands only whether and when.

use super::pod_event::{KillingReason, PodEvent};
use super::record::{Resize, Then};
use super::{Action, PodMachine};
use crate::spec::{Container, ContainerId, ContainerKind, Resources};

impl PodMachine {
    /// Asks for the resources that the manifest gives now, or restarts what cannot do without.
    pub(super) fn advance_resizes(&mut self) {
        let now = self.now.mono;
        for id in self.records.ids() {
            let record = &self.records[id];
            let Some(container) = self.container(id) else { continue };
            let wanted = container.resources;
            let is_due = match record.resize {
                Resize::Settled => true,
                Resize::Asked(_) => false,
                Resize::Refused(until) => until <= now,
            };
            let runs_freely =
                record.running().is_some() && record.live().is_some_and(|live| live.stop.is_none());
            if !runs_freely
                || !is_due
                || record.resources == wanted
                || record.kind == ContainerKind::Ephemeral
            {
                continue;
            }
            if restarts(container, record.resources) && record.kind != ContainerKind::Init {
                self.stop_container(id, KillingReason::Resize, Then::Restart);
            } else {
                self.ask(id, wanted);
            }
        }
    }

    fn ask(&mut self, id: ContainerId, wanted: Resources) {
        self.records[id].resize = Resize::Asked(wanted);
        self.status_changed = true;
        self.actions.push_back(Action::Resize(id));
        let name = self.name(id);
        self.record(PodEvent::ResizeStarted(name));
    }
}

/// Whether one of the amounts that change restarts the container.
fn restarts(container: &Container, before: Resources) -> bool {
    let after = container.resources;
    let cpu = (before.requests.cpu, before.limits.cpu) != (after.requests.cpu, after.limits.cpu);
    let memory =
        (before.requests.memory, before.limits.memory) != (after.requests.memory, after.limits.memory);
    cpu && container.resize_policy.cpu_restarts || memory && container.resize_policy.memory_restarts
}
