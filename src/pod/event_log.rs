//! The pod's events as the Kubernetes API shows them: what happens again is counted, not listed again.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::event::Text;
use super::object::Identity;
use super::pod_event::{KillingReason, PodEvent};
use super::time::Timestamp;
use crate::spec::{ContainerKind, HookKind, Pod};

/// How many different events are remembered; the oldest are forgotten first.
const MOST: usize = 200;

/// What has happened, each kind of thing once.
#[derive(Clone, Debug, Default)]
pub struct EventLog(VecDeque<Entry>);

#[derive(Clone, Debug)]
struct Entry {
    reason: &'static str,
    message: String,
    /// Path of the container it is about, in Kubernetes' notation.
    field_path: Option<String>,
    is_warning: bool,
    number: u64,
    count: u32,
    first: Timestamp,
    last: Timestamp,
}

impl EventLog {
    /// Takes note of an event. Returns it as an object of kind Event.
    pub fn record(&mut self, pod: &Pod, identity: &Identity, event: &PodEvent, now: Timestamp) -> Value {
        let (reason, message) = (event.reason(), message(pod, identity, event));
        let field_path = event.container().map(|name| field_path(pod, name));
        let is_same = |entry: &&mut Entry| {
            entry.reason == reason && entry.message == message && entry.field_path == field_path
        };
        if let Some(entry) = self.0.iter_mut().find(is_same) {
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
            return entry.object(pod, identity);
        }
        let number = self.0.back().map_or(0, |entry| entry.number + 1);
        let is_warning = event.is_warning();
        let entry =
            Entry { reason, message, field_path, is_warning, number, count: 1, first: now, last: now };
        let object = entry.object(pod, identity);
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(entry);
        object
    }

    /// Every event that is remembered, oldest first.
    pub fn objects(&self, pod: &Pod, identity: &Identity) -> Vec<Value> {
        self.0.iter().map(|entry| entry.object(pod, identity)).collect()
    }
}

impl Entry {
    fn object(&self, pod: &Pod, identity: &Identity) -> Value {
        let metadata = &pod.metadata;
        let mut involved = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": identity.uid,
        });
        if let (Value::Object(fields), Some(path)) = (&mut involved, &self.field_path) {
            fields.insert("fieldPath".to_owned(), json!(path));
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{}.{:x}", metadata.name, self.number),
                "namespace": metadata.namespace,
                "creationTimestamp": self.first.to_rfc3339(),
            },
            "involvedObject": involved,
            "reason": self.reason,
            "message": self.message,
            "type": if self.is_warning { "Warning" } else { "Normal" },
            "count": self.count,
            "firstTimestamp": self.first.to_rfc3339(),
            "lastTimestamp": self.last.to_rfc3339(),
            "source": {"component": "podinit", "host": identity.node_name},
            "reportingComponent": "podinit",
            "reportingInstance": identity.node_name,
        })
    }
}

fn field_path(pod: &Pod, name: &str) -> String {
    let kind = pod.iter().find(|(_, _, container)| *container.name == *name).map(|(_, kind, _)| kind);
    let list = match kind {
        Some(ContainerKind::Init | ContainerKind::Sidecar) => "initContainers",
        Some(ContainerKind::Main) | None => "containers",
        Some(ContainerKind::Ephemeral) => "ephemeralContainers",
    };
    format!("spec.{list}{{{name}}}")
}

/// Kubernetes' text (rules 54, 56, 68, 92, 112, 130).
fn message(pod: &Pod, identity: &Identity, event: &PodEvent) -> String {
    let subject = |name: &Text| {
        let is_init = pod.init_containers.iter().any(|container| container.name == *name);
        format!("{} {name}", if is_init { "Init container" } else { "Container" })
    };
    match event {
        PodEvent::Started(_) => "Container started".to_owned(),
        PodEvent::Failed(_, cause) => format!("Error: {cause}"),
        PodEvent::Killing(name, reason) => match reason {
            KillingReason::PodStop | KillingReason::RestartAllContainers => {
                format!("Stopping container {name}")
            }
            KillingReason::Probe { kind, restarts } => {
                let then = if *restarts { ", will be restarted" } else { "" };
                format!("{} failed {} probe{then}", subject(name), kind.name().to_lowercase())
            }
            KillingReason::PostStartHook => "FailedPostStartHook".to_owned(),
            KillingReason::DefinitionChanged => {
                format!("{} definition changed, will be restarted", subject(name))
            }
            KillingReason::RestartRequested => format!("{} will be restarted, as asked", subject(name)),
            KillingReason::Resize => format!("{} resize requires restart", subject(name)),
        },
        PodEvent::ExceededGracePeriod(_) => {
            "Container runtime did not kill the pod within specified grace period.".to_owned()
        }
        PodEvent::BackOff(name, _) => {
            let (pod, namespace) = (&pod.metadata.name, &pod.metadata.namespace);
            format!("Back-off restarting failed container {name} in pod {pod}_{namespace}({})", identity.uid)
        }
        PodEvent::Unhealthy { probe, output, .. } => format!("{} probe failed: {output}", probe.name()),
        PodEvent::ProbeError(_, probe, output) => {
            format!("{} probe errored and resulted in unknown state: {output}", probe.name())
        }
        PodEvent::ProbeWarning(_, probe, output) => format!("{} probe warning: {output}", probe.name()),
        PodEvent::FailedHook(_, HookKind::PostStart) => "PostStartHook failed".to_owned(),
        PodEvent::FailedHook(_, HookKind::PreStop) => "PreStopHook failed".to_owned(),
        PodEvent::LifecycleHTTPFallback(_, kind) => {
            format!("request to HTTPS {} hook got HTTP response, retry with HTTP succeeded", kind.name())
        }
        PodEvent::DeadlineExceeded => super::DEADLINE_EXCEEDED.to_owned(),
        PodEvent::ResizeStarted(_) => "Container resize started".to_owned(),
        PodEvent::ResizeCompleted(_) => "Container resize completed".to_owned(),
        PodEvent::ResizeError(_, cause) => format!("Container resize error: {cause}"),
        PodEvent::FailedKillPod(name) => format!("error killing pod: container {name} outlives SIGKILL"),
        PodEvent::FailedCreatePodSandBox(cause) => format!("Failed to create pod sandbox: {cause}"),
        PodEvent::SandboxChanged => "Pod sandbox changed, it will be killed and re-created.".to_owned(),
        PodEvent::FailedValidation(cause) => format!("Error validating pod: {cause}"),
        PodEvent::FailedSync(cause) => cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::{Container, ProbeKind};

    #[test]
    fn what_happens_again_is_counted() {
        let pod = Pod { containers: vec![Container::named("web")], ..Pod::named("shop") };
        let identity = Identity::unknown();
        let mut log = EventLog::default();
        let unhealthy = || PodEvent::Unhealthy {
            name: "web".into(),
            probe: ProbeKind::Liveness,
            output: "exit code 1".into(),
            is_final: false,
        };
        let at = |seconds: u64| Timestamp::default() + Duration::from_secs(seconds);
        log.record(&pod, &identity, &PodEvent::Started("web".into()), at(0));
        log.record(&pod, &identity, &unhealthy(), at(1));
        let object = log.record(&pod, &identity, &unhealthy(), at(11));
        assert_eq!(object["message"], "Liveness probe failed: exit code 1");
        assert_eq!((&object["count"], &object["type"]), (&json!(2), &json!("Warning")));
        assert_eq!(object["firstTimestamp"], "1970-01-01T00:00:01Z");
        assert_eq!(object["lastTimestamp"], "1970-01-01T00:00:11Z");
        assert_eq!(object["involvedObject"]["fieldPath"], "spec.containers{web}");
        assert_eq!(log.objects(&pod, &identity).len(), 2);
    }
}
