//! What there is to say about a pod, as data. Knows the pod and where its values stand, and no layout.

use serde_json::{Value, json};

use super::lost::Lost;
use super::order::{end, start, stop};
use super::values;

use crate::plan::{self, Effective, Instead, Loss, LossClass, Protection, QosClass};
use crate::spec::{Options, Origins, Pod, Problem, Profile, Quantity, Resources, Source};

/// What is known besides the pod.
pub(super) struct Told<'a> {
    pub(super) sources: &'a [Source],
    pub(super) origins: &'a Origins,
    pub(super) options: &'a Options,
    /// `--grace` was written.
    pub(super) grace_of_option: bool,
    pub(super) problems: &'a [Problem],
    /// Bytes of memory; `None` where /proc does not tell.
    pub(super) host_memory: Option<u64>,
    /// Limits that this host does not enforce, and why.
    pub(super) not_enforced: Vec<String>,
    /// What this host cannot honour.
    pub(super) lost: Lost,
}

/// The whole answer.
pub(super) struct Report {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) profile: Valued,
    pub(super) start: Vec<Step>,
    pub(super) stop: Vec<Step>,
    /// Sentences about the grace period and the exit code.
    pub(super) end: Vec<String>,
    /// The pod's own values, then each container's.
    pub(super) groups: Vec<Group>,
    pub(super) resources: Vec<Resource>,
    pub(super) qos: QosClass,
    /// What this host, this profile or podinit does not honour.
    pub(super) not_honoured: Vec<String>,
    /// Of that, what this host cannot, in its parts.
    pub(super) lost: Lost,
}

/// A container's place in an order.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) kind: &'static str,
    /// What happens.
    pub(super) what: String,
}

/// The values of the pod or of one container.
pub(super) struct Group {
    pub(super) title: String,
    pub(super) values: Vec<Valued>,
}

/// A value that holds.
pub(super) struct Valued {
    pub(super) field: String,
    pub(super) value: String,
    pub(super) origin: Origin,
}

/// Where a value comes from.
pub(super) enum Origin {
    /// The manifest.
    Line { file: String, line: usize },
    /// An option or a variable.
    Option(&'static str),
    /// The profile's default.
    Profile(Profile),
    /// A default that holds everywhere, and the rule.
    Default(&'static str),
}

/// How the amounts of one resource come about.
pub(super) struct Resource {
    pub(super) name: &'static str,
    pub(super) requests: Effective,
    pub(super) limits: Effective,
}

impl Report {
    pub(super) fn of(pod: &Pod, told: &Told<'_>) -> Self {
        let profile = values::profile(pod, told);
        let mut not_honoured: Vec<String> =
            told.problems.iter().map(|problem| problem.message.clone()).collect();
        if !pod.readiness_gates.is_empty() {
            let gates = pod.readiness_gates.join(", ");
            not_honoured.push(format!("nobody sets the condition {gates}: the pod is never Ready"));
        }
        not_honoured.extend(told.not_enforced.iter().cloned());
        // Limits have been told of in one sentence each.
        not_honoured.extend(told.lost.sentences());
        if told.host_memory.is_none() && plan::wants_cgroups(pod) {
            not_honoured.push("cannot tell this host's memory: oom_score_adj is left out".to_owned());
        }
        Self {
            name: pod.metadata.name.to_string(),
            namespace: pod.metadata.namespace.to_string(),
            profile,
            start: start(pod),
            stop: stop(pod),
            end: end(pod),
            groups: values::groups(pod, told),
            resources: resources(pod),
            qos: plan::qos_class(pod),
            not_honoured,
            lost: told.lost.clone(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let steps = |steps: &[Step]| -> Vec<Value> {
            let step = |step: &Step| json!({"name": step.name, "kind": step.kind, "what": step.what});
            steps.iter().map(step).collect()
        };
        let values = |values: &[Valued]| -> Vec<Value> { values.iter().map(Valued::to_json).collect() };
        let groups = self.groups.iter();
        let groups: Vec<_> =
            groups.map(|group| json!({"of": group.title, "values": values(&group.values)})).collect();
        let mut resources = serde_json::Map::new();
        resources.insert("qosClass".to_owned(), self.qos.name().into());
        for Resource { name, requests, limits } in &self.resources {
            let both = json!({"requests": amounts(requests), "limits": amounts(limits)});
            resources.insert((*name).to_owned(), both);
        }
        json!({
            "name": self.name,
            "namespace": self.namespace,
            "profile": self.profile.to_json(),
            "start": steps(&self.start),
            "stop": steps(&self.stop),
            "end": self.end,
            "groups": groups,
            "resources": resources,
            "notHonoured": self.not_honoured,
            "lost": self.lost.losses.iter().map(loss).collect::<Vec<_>>(),
        })
    }
}

impl Valued {
    fn to_json(&self) -> Value {
        let origin = match &self.origin {
            Origin::Line { file, line } => json!({"manifest": {"file": file, "line": line}}),
            Origin::Option(option) => json!({"option": option}),
            Origin::Profile(profile) => json!({"profile": values::word(*profile)}),
            Origin::Default(rule) => json!({"default": rule}),
        };
        json!({"field": self.field, "value": self.value, "from": origin})
    }
}

fn loss((loss, is_accepted): &(Loss, bool)) -> Value {
    let class = match loss.class {
        LossClass::Security => "security",
        LossClass::Resource => "resource",
        LossClass::Network => "network",
    };
    json!({
        "field": loss.field,
        "what": loss.what,
        "class": class,
        "cause": loss.cause,
        "remedy": loss.remedy,
        "degrade": loss.protection.map(Protection::name),
        "accepted": is_accepted,
        "instead": loss.instead.as_ref().map(Instead::words),
    })
}

fn amounts(effective: &Effective) -> Value {
    json!({
        "effective": effective.total.to_string(),
        "ofPod": effective.is_of_pod,
        "mains": effective.mains.to_string(),
        "sidecars": effective.sidecars.to_string(),
        "initializing": effective.initializing.to_string(),
    })
}

/// The resources that anything asks for.
fn resources(pod: &Pod) -> Vec<Resource> {
    type Take = fn(&Resources) -> Option<Quantity>;
    let known: [(&str, Take, Take); 2] = [
        ("cpu", |resources| resources.requests.cpu, |resources| resources.limits.cpu),
        ("memory", |resources| resources.requests.memory, |resources| resources.limits.memory),
    ];
    let resource = |(name, requests, limits): (&'static str, Take, Take)| Resource {
        name,
        requests: plan::effective(pod, requests),
        limits: plan::effective(pod, limits),
    };
    let is_asked =
        |resource: &Resource| !resource.requests.total.is_zero() || !resource.limits.total.is_zero();
    known.map(resource).into_iter().filter(is_asked).collect()
}
