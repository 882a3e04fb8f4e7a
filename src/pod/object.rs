//! The pod as the Kubernetes API shows it: an object of kind Pod, with the specification as far as podinit
//! acts on it, and the status. Values of environment variables are left out: they may be secret.

mod isolation;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::conditions::Condition;
use super::event::Text;
use super::status::{ContainerState, ContainerStatus, Phase, PodStatus, Terminated, WaitingReason};
use super::time::Timestamp;
use crate::spec::{
    Amounts, Container, ContainerKind, ExitCodeOperator, Hook, HookHandler, HttpGet, HttpScheme, Pod, Probe,
    ProbeHandler, ProbeHost, Protocol, Resources, RestartAction, RestartPolicy, Stdin,
    TerminationMessagePolicy,
};

/// What a Pod object says beside the manifest and the machine's status.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The pod's own, as a UUID.
    pub uid: Text,
    /// Name of the host.
    pub node_name: Text,
    /// `Guaranteed`, `Burstable` or `BestEffort`.
    pub qos_class: &'static str,
    /// Addresses of the host, which are the pod's own where it has no network for itself.
    pub host_ips: Vec<Text>,
    /// Addresses of the pod; none before it has any.
    pub pod_ips: Vec<Text>,
    /// What the pod asks for and this host does not give, each in a sentence.
    pub lost: Vec<Text>,
}

impl Identity {
    /// Of a pod that nobody asks about.
    pub fn unknown() -> Self {
        let none = || Text::from("");
        Self {
            uid: none(),
            node_name: none(),
            qos_class: "BestEffort",
            host_ips: Vec::new(),
            pod_ips: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// The object of a pod in this state. `deletion` is when its end is due at the latest, with the grace that
/// it was given, once its end has been asked for.
pub fn kubernetes_pod(
    pod: &Pod,
    status: &PodStatus,
    identity: &Identity,
    deletion: Option<(Timestamp, Duration)>,
) -> Value {
    let mut metadata = json!({
        "name": pod.metadata.name,
        "namespace": pod.metadata.namespace,
        "uid": identity.uid,
        "creationTimestamp": time(status.start_time),
    });
    put(&mut metadata, "labels", of_texts(&pod.metadata.labels));
    put(&mut metadata, "annotations", of_texts(&pod.metadata.annotations));
    if let Some((at, grace)) = deletion {
        put(&mut metadata, "deletionTimestamp", json!(time(at)));
        put(&mut metadata, "deletionGracePeriodSeconds", json!(seconds(grace)));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec(pod, identity),
        "status": pod_status(pod, status, identity),
    })
}

fn of_texts(texts: &std::collections::BTreeMap<String, String>) -> Value {
    if texts.is_empty() { Value::Null } else { json!(texts) }
}

/// Sets a field, unless its value says nothing.
fn put(object: &mut Value, name: &str, value: Value) {
    let says_nothing = match &value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    if let (Value::Object(fields), false) = (object, says_nothing) {
        fields.insert(name.to_owned(), value);
    }
}

/// Kubernetes has whole seconds; what podinit has more exactly is rounded up.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).min(i64::MAX.unsigned_abs())
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339()
}

fn spec(pod: &Pod, identity: &Identity) -> Value {
    let containers = |kinds: &[ContainerKind]| -> Value {
        pod.iter().filter(|(_, kind, _)| kinds.contains(kind)).map(|(_, _, it)| container(it)).collect()
    };
    let mut spec = json!({
        "restartPolicy": restart_policy(pod.restart_policy),
        "terminationGracePeriodSeconds": seconds(pod.termination_grace_period),
        "nodeName": identity.node_name,
        "containers": containers(&[ContainerKind::Main]),
    });
    put(&mut spec, "initContainers", containers(&[ContainerKind::Init, ContainerKind::Sidecar]));
    put(&mut spec, "ephemeralContainers", containers(&[ContainerKind::Ephemeral]));
    if let Some(deadline) = pod.active_deadline {
        put(&mut spec, "activeDeadlineSeconds", json!(seconds(deadline)));
    }
    let gate = |kind: &Text| json!({"conditionType": kind});
    put(&mut spec, "readinessGates", pod.readiness_gates.iter().map(gate).collect());
    put(&mut spec, "resources", resources(&pod.resources));
    // Without it a cluster takes no stop signal (rule 84).
    if pod.iter().any(|(_, _, container)| container.stop_signal.is_some()) {
        put(&mut spec, "os", json!({"name": "linux"}));
    }
    isolation::of_pod(pod, &mut spec);
    spec
}

fn container(container: &Container) -> Value {
    // Every field: one that is new has to be thought about here. Users, rights and mounts are told apart.
    let Container {
        name,
        image,
        command,
        args,
        working_dir,
        env: _,
        env_from: _,
        env_files: _,
        env_from_files: _,
        ports,
        restart_policy: policy,
        restart_policy_rules,
        crash_loop_back_off: _,
        keystone: _,
        start_after: _,
        startup_probe,
        liveness_probe,
        readiness_probe,
        notify: _,
        post_start,
        pre_stop,
        stop_signal,
        termination_message_path,
        termination_message_policy,
        resources: amounts,
        resize_policy,
        security_context: _,
        volume_mounts: _,
        rootfs: _,
        reaper: _,
        stdin,
        tty,
    } = container;
    let mut object = json!({"name": name});
    if !image.is_empty() {
        put(&mut object, "image", json!(image));
    }
    put(&mut object, "command", json!(command));
    put(&mut object, "args", json!(args));
    put(&mut object, "workingDir", json!(working_dir));
    let port = |port: &crate::spec::ContainerPort| {
        let protocol = match port.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Sctp => "SCTP",
        };
        let mut object = json!({"containerPort": port.container_port, "protocol": protocol});
        if let Some((address, port)) = port.host_port {
            put(&mut object, "hostPort", json!(port));
            put(&mut object, "hostIP", json!(address.map(|address| address.to_string())));
        }
        put(&mut object, "name", json!(port.name));
        object
    };
    put(&mut object, "ports", ports.iter().map(port).collect());
    put(&mut object, "restartPolicy", json!(policy.map(restart_policy)));
    put(&mut object, "restartPolicyRules", restart_policy_rules.iter().map(rule).collect());
    for (name, written) in [
        ("startupProbe", startup_probe),
        ("livenessProbe", liveness_probe),
        ("readinessProbe", readiness_probe),
    ] {
        put(&mut object, name, written.as_ref().map_or(Value::Null, probe));
    }
    let mut lifecycle = json!({});
    put(&mut lifecycle, "postStart", post_start.as_ref().map_or(Value::Null, hook));
    put(&mut lifecycle, "preStop", pre_stop.as_ref().map_or(Value::Null, hook));
    put(&mut lifecycle, "stopSignal", json!(stop_signal.map(|signal| signal.to_string())));
    put(&mut object, "lifecycle", lifecycle);
    let message = match termination_message_policy {
        TerminationMessagePolicy::File => "File",
        TerminationMessagePolicy::FallbackToLogsOnError => "FallbackToLogsOnError",
    };
    let stdin = [("stdin", *stdin != Stdin::Empty), ("stdinOnce", *stdin == Stdin::Once), ("tty", *tty)];
    for (name, _) in stdin.into_iter().filter(|(_, is_so)| *is_so) {
        put(&mut object, name, json!(true));
    }
    put(&mut object, "terminationMessagePath", json!(termination_message_path));
    put(&mut object, "terminationMessagePolicy", json!(message));
    put(&mut object, "resources", resources(amounts));
    isolation::of_container(container, &mut object);
    let policies = [("cpu", resize_policy.cpu_restarts), ("memory", resize_policy.memory_restarts)];
    let restarting = policies.into_iter().filter(|(_, restarts)| *restarts);
    let policy = |(name, _)| json!({"resourceName": name, "restartPolicy": "RestartContainer"});
    put(&mut object, "resizePolicy", restarting.map(policy).collect());
    object
}

fn restart_policy(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::Always => "Always",
        RestartPolicy::OnFailure => "OnFailure",
        RestartPolicy::Never => "Never",
    }
}

fn rule(rule: &crate::spec::RestartRule) -> Value {
    let action = match rule.action {
        RestartAction::Restart => "Restart",
        RestartAction::RestartAllContainers => "RestartAllContainers",
    };
    let operator = match rule.operator {
        ExitCodeOperator::In => "In",
        ExitCodeOperator::NotIn => "NotIn",
    };
    json!({"action": action, "exitCodes": {"operator": operator, "values": rule.values}})
}

fn probe(probe: &Probe) -> Value {
    let mut object = json!({
        "initialDelaySeconds": seconds(probe.initial_delay),
        "timeoutSeconds": seconds(probe.timeout),
        "periodSeconds": seconds(probe.period),
        "successThreshold": probe.success_threshold,
        "failureThreshold": probe.failure_threshold,
    });
    put(&mut object, "terminationGracePeriodSeconds", json!(probe.termination_grace_period.map(seconds)));
    let (name, handler) = match &probe.handler {
        ProbeHandler::Exec { command } => ("exec", json!({"command": command})),
        ProbeHandler::TcpSocket { host, port } => ("tcpSocket", with_host(json!({"port": port}), host)),
        ProbeHandler::HttpGet(asked) => ("httpGet", http_get(asked)),
        ProbeHandler::Grpc { port, service } => ("grpc", json!({"port": port, "service": service})),
    };
    put(&mut object, name, handler);
    object
}

fn hook(hook: &Hook) -> Value {
    match &hook.handler {
        HookHandler::Exec { command } => json!({"exec": {"command": command}}),
        HookHandler::HttpGet(asked) => json!({"httpGet": http_get(asked)}),
        HookHandler::Sleep(duration) => json!({"sleep": {"seconds": seconds(*duration)}}),
        HookHandler::TcpSocket => json!({}),
    }
}

/// Headers may hold tokens: their values are left out.
fn http_get(asked: &HttpGet) -> Value {
    let scheme = match asked.scheme {
        HttpScheme::Http => "HTTP",
        HttpScheme::Https => "HTTPS",
    };
    with_host(json!({"port": asked.port, "path": asked.path, "scheme": scheme}), &asked.host)
}

fn with_host(mut object: Value, host: &ProbeHost) -> Value {
    let host = match host {
        ProbeHost::Pod => Value::Null,
        ProbeHost::Localhost => json!("localhost"),
        ProbeHost::Address(address) => json!(address.to_string()),
        ProbeHost::Name(name) => json!(name),
    };
    put(&mut object, "host", host);
    object
}

pub(super) fn resources(resources: &Resources) -> Value {
    let amounts = |amounts: &Amounts| {
        let mut object = json!({});
        put(&mut object, "cpu", json!(amounts.cpu.map(|amount| amount.to_string())));
        put(&mut object, "memory", json!(amounts.memory.map(|amount| amount.to_string())));
        object
    };
    let mut object = json!({});
    put(&mut object, "requests", amounts(&resources.requests));
    put(&mut object, "limits", amounts(&resources.limits));
    object
}

fn pod_status(pod: &Pod, status: &PodStatus, identity: &Identity) -> Value {
    let phase = match status.phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    };
    let mut object = json!({
        "phase": phase,
        "startTime": time(status.start_time),
        "qosClass": identity.qos_class,
    });
    put(&mut object, "reason", json!(status.reason));
    put(&mut object, "message", json!(status.message));
    let lost = (!identity.lost.is_empty()).then(|| degraded(status, &identity.lost));
    put(&mut object, "conditions", status.conditions.iter().map(condition).chain(lost).collect());
    put(&mut object, "hostIP", json!(identity.host_ips.first()));
    put(&mut object, "podIP", json!(identity.pod_ips.first()));
    let addresses = |all: &[Text]| all.iter().map(|ip| json!({"ip": ip})).collect();
    put(&mut object, "hostIPs", addresses(&identity.host_ips));
    put(&mut object, "podIPs", addresses(&identity.pod_ips));
    let list = |statuses: &[ContainerStatus]| {
        let status = |status: &ContainerStatus| {
            let mut object = container_status(status, identity);
            let found = pod.iter().find(|(.., container)| container.name == status.name);
            if let Some((.., container)) = found {
                put(&mut object, "volumeMounts", isolation::status_of_mounts(container));
            }
            object
        };
        statuses.iter().map(status).collect()
    };
    put(&mut object, "initContainerStatuses", list(&status.init_container_statuses));
    put(&mut object, "containerStatuses", list(&status.container_statuses));
    put(&mut object, "ephemeralContainerStatuses", list(&status.ephemeral_container_statuses));
    object
}

/// A condition of podinit's own, which is there where something is lost (ROOTLESS-07): one loss a line.
fn degraded(status: &PodStatus, lost: &[Text]) -> Value {
    json!({
        "type": "podinit.dev/Degraded",
        "status": "True",
        "lastTransitionTime": time(status.start_time),
        "reason": "NotHonoured",
        "message": lost.join("\n"),
    })
}

fn condition(condition: &Condition) -> Value {
    let mut object = json!({
        "type": condition.kind.name(),
        "status": if condition.status { "True" } else { "False" },
        "lastTransitionTime": time(condition.last_transition_time),
    });
    put(&mut object, "reason", json!(condition.reason));
    put(&mut object, "message", json!(condition.message));
    object
}

fn container_status(status: &ContainerStatus, identity: &Identity) -> Value {
    let mut object = json!({
        "name": status.name,
        "image": status.image,
        "imageID": "",
        "ready": status.ready,
        "started": status.started,
        "restartCount": status.restart_count,
        "state": match &status.state {
            ContainerState::Waiting { reason, message } => {
                let mut waiting = json!({"reason": reason.name()});
                // Rule 112: kubelet names the pod with its uid, which the machine does not know.
                let message = message.as_ref().map(|message| match reason {
                    WaitingReason::CrashLoopBackOff => format!("{message}({})", identity.uid),
                    WaitingReason::PodInitializing
                    | WaitingReason::ContainerCreating
                    | WaitingReason::CreateContainerConfigError
                    | WaitingReason::CreateContainerError
                    | WaitingReason::PostStartHookError
                    | WaitingReason::RestartingAllContainers => message.to_string(),
                });
                put(&mut waiting, "message", json!(message));
                json!({"waiting": waiting})
            }
            ContainerState::Running { started_at } => json!({"running": {"startedAt": time(*started_at)}}),
            ContainerState::Terminated(end) => json!({"terminated": terminated(end)}),
        },
    });
    if let Some(end) = &status.last_state {
        put(&mut object, "lastState", json!({"terminated": terminated(end)}));
    }
    object
}

fn terminated(end: &Terminated) -> Value {
    let mut object: Map<String, Value> = Map::new();
    object.insert("exitCode".to_owned(), json!(end.exit_code));
    object.insert("reason".to_owned(), json!(end.reason.name()));
    object.insert("startedAt".to_owned(), json!(time(end.started_at)));
    object.insert("finishedAt".to_owned(), json!(time(end.finished_at)));
    let mut object = Value::Object(object);
    put(&mut object, "signal", json!(end.signal.map(|signal| signal.number())));
    put(&mut object, "message", json!(end.message));
    object
}
