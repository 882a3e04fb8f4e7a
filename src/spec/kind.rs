//! The kinds of Kubernetes objects, and what podinit makes of each. Knows names and versions, and
//! nothing of what is in an object.

use super::pod::RestartPolicy;
use super::suggest::nearest;

/// A kind of object.
pub(super) struct Kind {
    pub name: &'static str,
    /// What the object's apiVersion has to be.
    pub api_version: &'static str,
    pub role: Role,
}

/// What happens to an object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It has a pod, which is run.
    Workload(Workload),
    /// A pod may refer to it.
    Config(ConfigKind),
    /// Its items are objects.
    List,
    /// It has no meaning on one host: a warning that says why.
    Ignored(&'static str),
}

/// Objects that have a pod in them or, all but the first, the template of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Workload {
    Pod,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    ReplicationController,
    Job,
    CronJob,
}

/// Objects that a pod may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConfigKind {
    ConfigMap,
    Secret,
    PersistentVolumeClaim,
}

const NO_SERVICES: &str = "there are no services on one host";
const NO_ACCOUNTS: &str = "there are no accounts on one host";
const NO_CLUSTER: &str = "only a cluster has a use for it";
const NO_POLICIES: &str = "nothing on this host enforces it";
const NO_STORAGE: &str = "there is no storage to choose from on one host";

const fn workload(name: &'static str, api_version: &'static str, workload: Workload) -> Kind {
    Kind { name, api_version, role: Role::Workload(workload) }
}

const fn config(name: &'static str, config: ConfigKind) -> Kind {
    Kind { name, api_version: "v1", role: Role::Config(config) }
}

const fn ignored(name: &'static str, api_version: &'static str, why: &'static str) -> Kind {
    Kind { name, api_version, role: Role::Ignored(why) }
}

/// What a document without a kind is taken for.
pub(super) const POD: Kind = workload("Pod", "v1", Workload::Pod);

/// Every kind that is known, once.
pub(super) const KINDS: &[Kind] = &[
    POD,
    workload("Deployment", "apps/v1", Workload::Deployment),
    workload("StatefulSet", "apps/v1", Workload::StatefulSet),
    workload("DaemonSet", "apps/v1", Workload::DaemonSet),
    workload("ReplicaSet", "apps/v1", Workload::ReplicaSet),
    workload("ReplicationController", "v1", Workload::ReplicationController),
    workload("Job", "batch/v1", Workload::Job),
    workload("CronJob", "batch/v1", Workload::CronJob),
    config("ConfigMap", ConfigKind::ConfigMap),
    config("Secret", ConfigKind::Secret),
    config("PersistentVolumeClaim", ConfigKind::PersistentVolumeClaim),
    Kind { name: "List", api_version: "v1", role: Role::List },
    ignored("Service", "v1", NO_SERVICES),
    ignored("Endpoints", "v1", NO_SERVICES),
    ignored("EndpointSlice", "discovery.k8s.io/v1", NO_SERVICES),
    ignored("Ingress", "networking.k8s.io/v1", NO_SERVICES),
    ignored("IngressClass", "networking.k8s.io/v1", NO_SERVICES),
    ignored("Gateway", "gateway.networking.k8s.io/v1", NO_SERVICES),
    ignored("HTTPRoute", "gateway.networking.k8s.io/v1", NO_SERVICES),
    ignored("GRPCRoute", "gateway.networking.k8s.io/v1", NO_SERVICES),
    ignored("NetworkPolicy", "networking.k8s.io/v1", NO_POLICIES),
    ignored("ServiceAccount", "v1", NO_ACCOUNTS),
    ignored("Role", "rbac.authorization.k8s.io/v1", NO_ACCOUNTS),
    ignored("RoleBinding", "rbac.authorization.k8s.io/v1", NO_ACCOUNTS),
    ignored("ClusterRole", "rbac.authorization.k8s.io/v1", NO_ACCOUNTS),
    ignored("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", NO_ACCOUNTS),
    ignored("Namespace", "v1", NO_CLUSTER),
    ignored("PodDisruptionBudget", "policy/v1", NO_CLUSTER),
    ignored("HorizontalPodAutoscaler", "autoscaling/v2", NO_CLUSTER),
    ignored("VerticalPodAutoscaler", "autoscaling.k8s.io/v1", NO_CLUSTER),
    ignored("PriorityClass", "scheduling.k8s.io/v1", NO_CLUSTER),
    ignored("RuntimeClass", "node.k8s.io/v1", NO_CLUSTER),
    ignored("CustomResourceDefinition", "apiextensions.k8s.io/v1", NO_CLUSTER),
    ignored("APIService", "apiregistration.k8s.io/v1", NO_CLUSTER),
    ignored("MutatingWebhookConfiguration", "admissionregistration.k8s.io/v1", NO_CLUSTER),
    ignored("ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", NO_CLUSTER),
    ignored("ResourceQuota", "v1", NO_POLICIES),
    ignored("LimitRange", "v1", NO_POLICIES),
    ignored("StorageClass", "storage.k8s.io/v1", NO_STORAGE),
    ignored("PersistentVolume", "v1", NO_STORAGE),
];

impl Kind {
    /// The kind of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The kind that was probably meant by a name that is none.
    pub fn meant(name: &str) -> Option<&'static Self> {
        let same = KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(name));
        same.or_else(|| nearest(name, KINDS.iter().map(|kind| kind.name)).and_then(Self::find))
    }
}

/// Whether an apiVersion is of a group that is none of Kubernetes' own, where a kind may be called as
/// one of these and be another.
pub(super) fn is_foreign(api_version: &str) -> bool {
    let Some((group, _)) = api_version.split_once('/') else { return false };
    group.contains('.') && !group.ends_with(".k8s.io")
}

/// Which restart policies a workload's pod may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restarts {
    /// All of them.
    Any,
    /// The workload is there to keep the pod running.
    Always,
    /// The workload is there to end, and the policy has to be written.
    Ending,
}

impl Workload {
    /// Which restart policies its pod may have.
    pub fn restarts(self) -> Restarts {
        match self {
            Self::Pod => Restarts::Any,
            Self::Deployment
            | Self::StatefulSet
            | Self::DaemonSet
            | Self::ReplicaSet
            | Self::ReplicationController => Restarts::Always,
            Self::Job | Self::CronJob => Restarts::Ending,
        }
    }

    /// Where the pod stands in the object; empty where the object is the pod.
    pub fn template(self) -> &'static str {
        match self {
            Self::Pod => "",
            Self::Deployment
            | Self::StatefulSet
            | Self::DaemonSet
            | Self::ReplicaSet
            | Self::ReplicationController
            | Self::Job => "spec.template",
            Self::CronJob => "spec.jobTemplate.spec.template",
        }
    }
}

impl Restarts {
    pub fn allow(self, policy: RestartPolicy) -> bool {
        match self {
            Self::Any => true,
            Self::Always => policy == RestartPolicy::Always,
            Self::Ending => policy != RestartPolicy::Always,
        }
    }
}

/// The kinds as `docs/spec-support.md` has them, in Markdown.
#[cfg(test)]
pub(super) fn documentation() -> String {
    let row = |kind: &Kind| {
        let (class, note) = match kind.role {
            Role::Workload(Workload::Pod) => ("run", "the pod itself".to_owned()),
            Role::Workload(workload) => ("run", format!("one pod of `{}`", workload.template())),
            Role::Config(ConfigKind::PersistentVolumeClaim) => {
                ("read", "a directory of this host".to_owned())
            }
            Role::Config(_) => ("read", "for variables and volumes".to_owned()),
            Role::List => (
                "read",
                "each item is as a document of its own; so are those of `PodList` and the like".to_owned(),
            ),
            Role::Ignored(why) => ("ignored", why.to_owned()),
        };
        format!("| `{}` | `{}` | {class} | {note} |\n", kind.name, kind.api_version)
    };
    KINDS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_there_once() {
        for (position, kind) in KINDS.iter().enumerate() {
            assert!(KINDS.iter().skip(position + 1).all(|other| other.name != kind.name), "{}", kind.name);
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_no_other_kind() {
        for (written, kind) in [("pod", "Pod"), ("Deploymnet", "Deployment"), ("Cronjob", "CronJob")] {
            assert_eq!(Kind::meant(written).map(|kind| kind.name), Some(kind));
        }
        for written in ["Rollout", "Application", "ServiceMonitor", "", "Certificate", "Kustomization"] {
            assert!(Kind::meant(written).is_none(), "{written}");
        }
    }

    #[test]
    fn groups_of_kubernetes_are_told_from_those_of_others() {
        for own in ["v1", "apps/v1", "batch/v1beta1", "networking.k8s.io/v1", "extensions/v1beta1", "", "a.b"]
        {
            assert!(!is_foreign(own), "{own}");
        }
        for foreign in ["serving.knative.dev/v1", "monitoring.coreos.com/v1", "cluster.x-k8s.io/v1beta1"] {
            assert!(is_foreign(foreign), "{foreign}");
        }
    }
}
