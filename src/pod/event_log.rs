//! The pod's events as the Kubernetes API shows them: what happens again is counted, not listed again.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::event::Text;
use super::object::{Identity, resources};
use super::pod_event::{KillingReason, PodEvent};
use super::time::Timestamp;
use crate::spec::{ContainerKind, HookHandler, HookKind, Pod, ProbeHost};

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
    /// Of the pod it is about: each try of a Job is another one.
    uid: Text,
    number: u64,
    count: u32,
    first: Timestamp,
    last: Timestamp,
}

impl EventLog {
    /// Takes note of an event. Returns what Kubernetes makes of it, as objects of kind Event: a start is two
    /// events there.
    pub fn record(&mut self, pod: &Pod, identity: &Identity, event: &PodEvent, now: Timestamp) -> Vec<Value> {
        let created = matches!(event, PodEvent::Started(_));
        let created = created.then(|| ("Created", "Container created".to_owned()));
        let itself = (event.reason(), message(pod, identity, event));
        created
            .into_iter()
            .chain([itself])
            .map(|(reason, message)| self.count(pod, identity, event, reason, message, now))
            .collect()
    }

    fn count(
        &mut self,
        pod: &Pod,
        identity: &Identity,
        event: &PodEvent,
        reason: &'static str,
        message: String,
        now: Timestamp,
    ) -> Value {
        let field_path = event.container().map(|name| field_path(pod, name));
        let is_same = |entry: &&mut Entry| {
            (entry.reason, &entry.message, &entry.uid) == (reason, &message, &identity.uid)
                && entry.field_path == field_path
        };
        if let Some(entry) = self.0.iter_mut().find(is_same) {
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
            return entry.object(pod, identity);
        }
        let number = self.0.back().map_or(0, |entry| entry.number + 1);
        let is_warning = is_warning(event);
        let uid = Text::clone(&identity.uid);
        let entry =
            Entry { reason, message, field_path, is_warning, uid, number, count: 1, first: now, last: now };
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
            "uid": self.uid,
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

/// Whether Kubernetes warns of it: an end that it has decided on is normal, whatever led to it.
fn is_warning(event: &PodEvent) -> bool {
    event.is_warning() && !matches!(event, PodEvent::Killing(..))
}

/// Kubernetes' text (rules 54, 56, 68, 92, 112, 130).
fn message(pod: &Pod, identity: &Identity, event: &PodEvent) -> String {
    let is_init = |name: &Text| pod.init_containers.iter().any(|container| container.name == *name);
    // Of an init container, as which sidecars count, Kubernetes does not say what follows.
    let ends = |name: &Text, what: &str, restarts: bool| match (is_init(name), restarts) {
        (true, _) => format!("Init container {name} {what}"),
        (false, true) => format!("Container {name} {what}, will be restarted"),
        (false, false) => format!("Container {name} {what}"),
    };
    match event {
        PodEvent::Started(_) => "Container started".to_owned(),
        PodEvent::Failed(_, cause) => format!("Error: {cause}"),
        PodEvent::Killing(name, reason) => match reason {
            KillingReason::PodStop | KillingReason::RestartAllContainers => {
                format!("Stopping container {name}")
            }
            KillingReason::Probe { kind, restarts } => {
                ends(name, &format!("failed {} probe", kind.name().to_lowercase()), *restarts)
            }
            KillingReason::PostStartHook => "FailedPostStartHook".to_owned(),
            KillingReason::DefinitionChanged => ends(name, "definition changed", true),
            KillingReason::RestartRequested => format!("Container {name} will be restarted, as asked"),
            KillingReason::Resize => format!("Container {name} resize requires restart"),
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
        PodEvent::FailedHook(_, HookKind::PostStart) | PodEvent::HookTookTooLong(_, HookKind::PostStart) => {
            "PostStartHook failed".to_owned()
        }
        PodEvent::FailedHook(_, HookKind::PreStop) | PodEvent::HookTookTooLong(_, HookKind::PreStop) => {
            "PreStopHook failed".to_owned()
        }
        PodEvent::LifecycleHTTPFallback(name, kind) => {
            let host = hook_host(pod, identity, name, *kind);
            format!("request to HTTPS lifecycle hook {host} got HTTP response, retry with HTTP succeeded")
        }
        PodEvent::TryFailed { .. } => {
            let (pod, namespace) = (&pod.metadata.name, &pod.metadata.namespace);
            format!("Back-off restarting failed pod {pod}_{namespace}({})", identity.uid)
        }
        PodEvent::SuccessfulCreate => format!("Created pod: {}", pod.metadata.name),
        PodEvent::JobFailed(failure) => failure.message().to_owned(),
        PodEvent::DeadlineExceeded => super::DEADLINE_EXCEEDED.to_owned(),
        PodEvent::ResizeStarted(name) => format!("Pod resize started: {}", resize(pod, name, None)),
        PodEvent::ResizeCompleted(name) => format!("Pod resize completed: {}", resize(pod, name, None)),
        PodEvent::ResizeError(name, cause) => {
            format!("Pod resize error: {}", resize(pod, name, Some(cause)))
        }
        PodEvent::FailedKillPod(name) => format!("error killing pod: container {name} outlives SIGKILL"),
        PodEvent::FailedCreatePodSandBox(cause) => format!("Failed to create pod sandbox: {cause}"),
        PodEvent::NetworkNotReady(cause) => format!("network is not ready: {cause}"),
        PodEvent::SandboxChanged => "Pod sandbox changed, it will be killed and re-created.".to_owned(),
        PodEvent::FailedValidation(cause) => format!("Error validating pod: {cause}"),
        PodEvent::FailedSync(cause) => cause.to_string(),
    }
}

/// The resources that a container is to have, as Kubernetes tells of them.
fn resize(pod: &Pod, name: &str, error: Option<&Text>) -> Value {
    let container = pod.iter().find(|(_, _, container)| *container.name == *name);
    let amounts = container.map(|(_, _, container)| resources(&container.resources));
    let mut told = json!({"containers": [{"name": name, "resources": amounts}]});
    if let (Value::Object(fields), Some(error)) = (&mut told, error) {
        fields.insert("error".to_owned(), json!(error));
    }
    told
}

/// Whom a hook asks: host and port.
fn hook_host(pod: &Pod, identity: &Identity, name: &str, kind: HookKind) -> String {
    let container = pod.iter().find(|(_, _, container)| *container.name == *name);
    let hook = container.and_then(|(_, _, container)| container.hook(kind));
    let Some(HookHandler::HttpGet(asked)) = hook.map(|hook| &hook.handler) else { return String::new() };
    let host = match &asked.host {
        ProbeHost::Pod => identity.pod_ips.first().map_or_else(String::new, Text::to_string),
        ProbeHost::Localhost => "localhost".to_owned(),
        ProbeHost::Address(address) => address.to_string(),
        ProbeHost::Name(name) => name.to_string(),
    };
    if host.contains(':') { format!("[{host}]:{}", asked.port) } else { format!("{host}:{}", asked.port) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::{
        Amounts, Container, Hook, HttpGet, HttpScheme, ProbeKind, Quantity, Resources, RestartPolicy,
    };

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
        let objects = log.record(&pod, &identity, &unhealthy(), at(11));
        let [object] = objects.as_slice() else { panic!("{objects:?}") };
        assert_eq!(object["message"], "Liveness probe failed: exit code 1");
        assert_eq!((&object["count"], &object["type"]), (&json!(2), &json!("Warning")));
        assert_eq!(object["firstTimestamp"], "1970-01-01T00:00:01Z");
        assert_eq!(object["lastTimestamp"], "1970-01-01T00:00:11Z");
        assert_eq!(object["involvedObject"]["fieldPath"], "spec.containers{web}");
        let reasons: Vec<_> = log.objects(&pod, &identity).iter().map(|it| it["reason"].clone()).collect();
        assert_eq!(reasons, ["Created", "Started", "Unhealthy"]);
        // Of another pod of the same name, a Job's next try, it is not the same.
        let next = Identity { uid: "next".into(), ..identity };
        let object = &log.record(&pod, &next, &unhealthy(), at(21))[0];
        assert_eq!((&object["count"], &object["involvedObject"]["uid"]), (&json!(1), &json!("next")));
    }

    /// What Kubernetes says of this event: its type and its text.
    fn told(event: PodEvent) -> (String, String) {
        let https = HttpGet {
            scheme: HttpScheme::Https,
            host: ProbeHost::Pod,
            port: 8443,
            path: "/".to_owned(),
            http_headers: Vec::new(),
        };
        let limits = Amounts { cpu: Quantity::parse("100m"), memory: None };
        let web = Container {
            post_start: Some(Hook { handler: HookHandler::HttpGet(https), timeout: None }),
            resources: Resources { requests: Amounts::default(), limits },
            ..Container::named("web")
        };
        let side = Container { restart_policy: Some(RestartPolicy::Always), ..Container::named("side") };
        let pod = Pod { init_containers: vec![side], containers: vec![web], ..Pod::named("shop") };
        let identity = Identity { pod_ips: vec!["192.0.2.7".into()], ..Identity::unknown() };
        let objects = EventLog::default().record(&pod, &identity, &event, Timestamp::default());
        let text = |object: &Value, name: &str| object[name].as_str().unwrap().to_owned();
        let object = objects.last().unwrap();
        (text(object, "type"), text(object, "message"))
    }

    #[test]
    fn rule_54_killing_is_normal_and_only_of_main_containers_is_the_restart_told() {
        let failed = |name: &str, restarts| {
            let reason = KillingReason::Probe { kind: ProbeKind::Liveness, restarts };
            told(PodEvent::Killing(name.into(), reason))
        };
        let normal = |text: &str| ("Normal".to_owned(), text.to_owned());
        assert_eq!(failed("web", true), normal("Container web failed liveness probe, will be restarted"));
        assert_eq!(failed("web", false), normal("Container web failed liveness probe"));
        assert_eq!(failed("side", true), normal("Init container side failed liveness probe"));
        let changed = |name: &str| told(PodEvent::Killing(name.into(), KillingReason::DefinitionChanged));
        assert_eq!(changed("web"), normal("Container web definition changed, will be restarted"));
        assert_eq!(changed("side"), normal("Init container side definition changed"));
    }

    #[test]
    fn rule_73_a_hook_that_fell_back_names_whom_it_asked() {
        let (kind, text) = told(PodEvent::LifecycleHTTPFallback("web".into(), HookKind::PostStart));
        assert_eq!(kind, "Warning");
        let expected =
            "request to HTTPS lifecycle hook 192.0.2.7:8443 got HTTP response, retry with HTTP succeeded";
        assert_eq!(text, expected);
    }

    #[test]
    fn rule_174_a_resize_tells_the_resources() {
        let (kind, text) = told(PodEvent::ResizeError("web".into(), "no room".into()));
        assert_eq!(kind, "Warning");
        let expected = r#"Pod resize error: {"containers":[{"name":"web","resources":{"limits":{"cpu":"100m"}}}],"error":"no room"}"#;
        assert_eq!(text, expected);
    }
}
