//! Which field of the Pod API is what to podinit. The decoder takes its decisions from here, so that
//! nothing can be parsed and then not applied. Knows names and classes, no values.

mod script;
mod table;

use script::SCRIPT;
use table::FIELDS;
pub(super) use table::TOLD_TOGETHER;

/// A field of the Pod API, or of podinit's TOML form.
pub(super) struct Field {
    pub place: Place,
    pub name: &'static str,
    pub class: Class,
}

/// What happens to a field that a manifest has. Each field is in exactly one class (SPEC-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Read, checked and applied.
    Implemented {
        /// What of it, where it is not all; for the documentation.
        note: &'static str,
    },
    /// Without meaning on one host: a warning. Never a field that protects something.
    Ignored {
        /// What its value has to be all the same: what the API server refuses is refused here.
        shape: Shape,
        why: &'static str,
        /// Values that Kubernetes takes where the field is left out, or that ask for what is so anyway;
        /// they get no warning.
        unless: &'static [&'static str],
    },
    /// Refused until it is built.
    NotBuilt {
        /// Values that Kubernetes takes where the field is left out, or that ask for what is so anyway;
        /// they are accepted.
        unless: &'static [&'static str],
        help: &'static str,
    },
    /// Refused for good.
    Refused { why: &'static str, help: &'static str },
}

/// What the value of a field is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Integer,
    Boolean,
    /// One of these; empty is the default.
    Word(&'static [&'static str]),
    Mapping,
    MappingOfTexts,
    Texts,
    Mappings,
}

/// The mapping that a field stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A Kubernetes object.
    Document,
    Metadata,
    Spec,
    /// The top of a TOML file, besides the spec's fields.
    Toml,
    CrashLoopBackOff,
    Os,
    Container,
    EnvVar,
    EnvVarSource,
    /// A key of a ConfigMap or a Secret.
    KeyRef,
    FieldRef,
    ResourceFieldRef,
    EnvFrom,
    /// A ConfigMap or a Secret as a whole.
    ObjectRef,
    ContainerPort,
    RestartRule,
    ExitCodes,
    Probe,
    ExecAction,
    HttpGetAction,
    HttpHeader,
    TcpSocketAction,
    GrpcAction,
    Lifecycle,
    LifecycleHandler,
    SleepAction,
    ReadinessGate,
    ResizePolicy,
    /// A container's table in TOML, and a hook's, besides the fields of Kubernetes.
    TomlContainer,
    TomlLifecycleHandler,
    /// What stands around a pod's template.
    DeploymentSpec,
    StatefulSetSpec,
    DaemonSetSpec,
    /// Of a ReplicationController as well.
    ReplicaSetSpec,
    JobSpec,
    CronJobSpec,
    JobTemplate,
    PodTemplate,
    TemplateMetadata,
    LabelSelector,
    SelectorRequirement,
    /// Of objects that a pod may refer to.
    ConfigMap,
    Secret,
    ClaimSpec,
    ClaimResources,
    ClaimRequests,
    /// Of a list of objects.
    List,
    ListMetadata,
    /// The top of a simulation's script, and what stands in it.
    Script,
    ScriptContainer,
    ScriptRun,
    ScriptHook,
    ScriptEvent,
    Resources,
    /// Requests or limits.
    Amounts,
    /// What surrounds the containers, and what they may.
    HostAlias,
    DnsConfig,
    DnsOption,
    PodSecurityContext,
    Sysctl,
    SeccompProfile,
    AppArmorProfile,
    SeLinuxOptions,
    SecurityContext,
    Capabilities,
    VolumeMount,
    Volume,
    EmptyDir,
    HostPath,
    ConfigMapVolume,
    SecretVolume,
    DownwardVolume,
    ProjectedVolume,
    ClaimVolume,
    KeyToPath,
    DownwardFile,
    ProjectedSource,
    /// A ConfigMap or a Secret among the sources of a volume.
    ProjectedObject,
    ProjectedDownward,
    /// podinit's own, in TOML.
    TomlRootfs,
    /// Below a field that is not implemented, so never reached.
    Below(&'static str),
}

impl Place {
    /// Path of the mapping in Kubernetes' notation, for the documentation.
    pub fn path(self) -> &'static str {
        match self {
            Self::Document => "",
            Self::Metadata => "metadata",
            Self::Spec => "spec",
            Self::Toml => "(TOML)",
            Self::CrashLoopBackOff => "(TOML) crashLoopBackOff",
            Self::Os => "spec.os",
            Self::Container => "containers[]",
            Self::EnvVar => "containers[].env[]",
            Self::EnvVarSource => "containers[].env[].valueFrom",
            Self::KeyRef => "containers[].env[].valueFrom.configMapKeyRef",
            Self::FieldRef => "containers[].env[].valueFrom.fieldRef",
            Self::ResourceFieldRef => "containers[].env[].valueFrom.resourceFieldRef",
            Self::EnvFrom => "containers[].envFrom[]",
            Self::ObjectRef => "containers[].envFrom[].configMapRef",
            Self::ContainerPort => "containers[].ports[]",
            Self::RestartRule => "containers[].restartPolicyRules[]",
            Self::ExitCodes => "containers[].restartPolicyRules[].exitCodes",
            Self::Probe => "probe",
            Self::ExecAction => "probe.exec",
            Self::HttpGetAction => "probe.httpGet",
            Self::HttpHeader => "probe.httpGet.httpHeaders[]",
            Self::TcpSocketAction => "probe.tcpSocket",
            Self::GrpcAction => "probe.grpc",
            Self::Lifecycle => "containers[].lifecycle",
            Self::LifecycleHandler => "hook",
            Self::SleepAction => "hook.sleep",
            Self::ReadinessGate => "spec.readinessGates[]",
            Self::ResizePolicy => "containers[].resizePolicy[]",
            Self::TomlContainer => "(TOML) containers[]",
            Self::TomlLifecycleHandler => "(TOML) hook",
            Self::DeploymentSpec => "Deployment.spec",
            Self::StatefulSetSpec => "StatefulSet.spec",
            Self::DaemonSetSpec => "DaemonSet.spec",
            Self::ReplicaSetSpec => "ReplicaSet.spec",
            Self::JobSpec => "Job.spec",
            Self::CronJobSpec => "CronJob.spec",
            Self::JobTemplate => "CronJob.spec.jobTemplate",
            Self::PodTemplate => "template",
            Self::TemplateMetadata => "template.metadata",
            Self::LabelSelector => "selector",
            Self::SelectorRequirement => "selector.matchExpressions[]",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::ClaimSpec => "PersistentVolumeClaim.spec",
            Self::ClaimResources => "PersistentVolumeClaim.spec.resources",
            Self::ClaimRequests => "PersistentVolumeClaim.spec.resources.requests",
            Self::List => "List",
            Self::ListMetadata => "List.metadata",
            Self::Script => "(script)",
            Self::ScriptContainer => "(script) containers.*",
            Self::ScriptRun => "(script) containers.*.runs[]",
            Self::ScriptHook => "(script) containers.*.postStart",
            Self::ScriptEvent => "(script) events[]",
            Self::Resources => "containers[].resources",
            Self::Amounts => "containers[].resources.limits",
            Self::HostAlias => "spec.hostAliases[]",
            Self::DnsConfig => "spec.dnsConfig",
            Self::DnsOption => "spec.dnsConfig.options[]",
            Self::PodSecurityContext => "spec.securityContext",
            Self::Sysctl => "spec.securityContext.sysctls[]",
            Self::SeccompProfile => "spec.securityContext.seccompProfile",
            Self::AppArmorProfile => "spec.securityContext.appArmorProfile",
            Self::SeLinuxOptions => "spec.securityContext.seLinuxOptions",
            Self::SecurityContext => "containers[].securityContext",
            Self::Capabilities => "containers[].securityContext.capabilities",
            Self::VolumeMount => "containers[].volumeMounts[]",
            Self::Volume => "spec.volumes[]",
            Self::EmptyDir => "spec.volumes[].emptyDir",
            Self::HostPath => "spec.volumes[].hostPath",
            Self::ConfigMapVolume => "spec.volumes[].configMap",
            Self::SecretVolume => "spec.volumes[].secret",
            Self::DownwardVolume => "spec.volumes[].downwardAPI",
            Self::ProjectedVolume => "spec.volumes[].projected",
            Self::ClaimVolume => "spec.volumes[].persistentVolumeClaim",
            Self::KeyToPath => "spec.volumes[].configMap.items[]",
            Self::DownwardFile => "spec.volumes[].downwardAPI.items[]",
            Self::ProjectedSource => "spec.volumes[].projected.sources[]",
            Self::ProjectedObject => "spec.volumes[].projected.sources[].configMap",
            Self::ProjectedDownward => "spec.volumes[].projected.sources[].downwardAPI",
            Self::TomlRootfs => "(TOML) containers[].rootfs",
            Self::Below(path) => path,
        }
    }

    /// Whether it is no part of a manifest.
    pub fn is_of_script(self) -> bool {
        matches!(
            self,
            Self::Script | Self::ScriptContainer | Self::ScriptRun | Self::ScriptHook | Self::ScriptEvent
        )
    }

    /// Where its fields stand, as "in ..." and as where to move them to.
    pub fn home(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Document => Some(("at the top of the manifest", "the top of the manifest")),
            Self::Metadata => Some(("in metadata", "metadata")),
            Self::Spec => Some(("in spec", "spec")),
            Self::Toml => Some(("at the top of the file", "the top of the file, before the first `[`")),
            Self::Container => Some(("in a container", "an entry of containers")),
            Self::ContainerPort => Some(("in a port", "an entry of ports")),
            Self::Probe => Some(("in a probe", "the probe")),
            Self::LifecycleHandler => Some(("in a hook", "postStart or preStop")),
            Self::Lifecycle => Some(("in lifecycle", "lifecycle")),
            Self::GrpcAction | Self::SleepAction | Self::ReadinessGate => None,
            Self::ResizePolicy | Self::TomlLifecycleHandler => None,
            Self::HttpGetAction => Some(("in httpGet", "httpGet")),
            Self::ScriptContainer => Some(("beside runs", "the container's table, beside runs")),
            Self::ScriptRun => Some(("in a run", "an entry of runs")),
            Self::CrashLoopBackOff | Self::Os | Self::EnvVar | Self::RestartRule | Self::ExitCodes => None,
            Self::EnvVarSource => Some(("in valueFrom", "valueFrom")),
            Self::EnvFrom => Some(("in an entry of envFrom", "an entry of envFrom")),
            Self::KeyRef | Self::FieldRef | Self::ResourceFieldRef | Self::ObjectRef => None,
            Self::TomlContainer => Some(("in a container", "an entry of containers")),
            Self::DeploymentSpec | Self::DaemonSetSpec | Self::ReplicaSetSpec => {
                Some(("in the spec of a Deployment", "the spec of the Deployment"))
            }
            Self::StatefulSetSpec => Some(("in the spec of a StatefulSet", "the spec of the StatefulSet")),
            Self::JobSpec => Some(("in the spec of a Job", "the spec of the Job")),
            Self::CronJobSpec => Some(("in the spec of a CronJob", "the spec of the CronJob")),
            Self::PodTemplate | Self::JobTemplate => Some(("in the template", "the template")),
            Self::TemplateMetadata => Some(("in the template's metadata", "metadata of the template")),
            Self::LabelSelector => Some(("in selector", "selector")),
            Self::ConfigMap => Some(("at the top of a ConfigMap", "the top of the ConfigMap")),
            Self::Secret => Some(("at the top of a Secret", "the top of the Secret")),
            Self::ClaimSpec => Some(("in spec", "spec")),
            Self::ClaimRequests => Some(("in resources.requests", "resources.requests")),
            Self::List => Some(("at the top of a List", "the top of the List")),
            Self::SelectorRequirement | Self::ClaimResources | Self::ListMetadata => None,
            Self::Amounts => Some(("in requests or limits", "requests or limits")),
            Self::Script | Self::ScriptHook | Self::ScriptEvent | Self::Resources => None,
            Self::ExecAction | Self::HttpHeader | Self::TcpSocketAction | Self::Below(_) => None,
            Self::PodSecurityContext => Some(("in the pod's securityContext", "securityContext of the pod")),
            Self::SecurityContext => {
                Some(("in a container's securityContext", "securityContext of a container"))
            }
            Self::VolumeMount => Some(("in an entry of volumeMounts", "an entry of volumeMounts")),
            Self::Volume => Some(("in a volume", "an entry of volumes")),
            Self::DnsConfig => Some(("in dnsConfig", "dnsConfig")),
            Self::EmptyDir => Some(("in emptyDir", "emptyDir")),
            Self::HostAlias | Self::DnsOption | Self::Sysctl | Self::Capabilities => None,
            Self::SeccompProfile | Self::AppArmorProfile | Self::SeLinuxOptions => None,
            Self::HostPath | Self::ConfigMapVolume | Self::SecretVolume | Self::DownwardVolume => None,
            Self::ProjectedVolume | Self::ClaimVolume | Self::KeyToPath | Self::DownwardFile => None,
            Self::ProjectedSource | Self::ProjectedObject | Self::ProjectedDownward => None,
            Self::TomlRootfs => None,
        }
    }

    /// Whether it is around the template of a pod, which TOML has not.
    pub fn is_around_template(self) -> bool {
        matches!(self, Self::DeploymentSpec | Self::StatefulSetSpec | Self::JobSpec | Self::CronJobSpec)
    }

    /// Where users write this place's fields by mistake, and the other way round.
    pub fn neighbours(self) -> &'static [Self] {
        match self {
            Self::Document => &[
                Self::Spec,
                Self::Metadata,
                Self::DeploymentSpec,
                Self::StatefulSetSpec,
                Self::JobSpec,
                Self::CronJobSpec,
                Self::ConfigMap,
                Self::Secret,
            ],
            Self::Metadata => &[Self::Spec, Self::Document],
            Self::Spec => &[
                Self::Metadata,
                Self::Container,
                Self::PodSecurityContext,
                Self::DnsConfig,
                Self::Document,
                Self::DeploymentSpec,
                Self::StatefulSetSpec,
                Self::JobSpec,
                Self::CronJobSpec,
            ],
            Self::DeploymentSpec
            | Self::StatefulSetSpec
            | Self::DaemonSetSpec
            | Self::ReplicaSetSpec
            | Self::JobSpec
            | Self::CronJobSpec => &[
                Self::LabelSelector,
                Self::Container,
                Self::DeploymentSpec,
                Self::StatefulSetSpec,
                Self::JobSpec,
                Self::CronJobSpec,
                Self::Metadata,
                Self::Document,
            ],
            Self::PodTemplate | Self::JobTemplate => &[Self::TemplateMetadata],
            Self::TemplateMetadata => &[],
            Self::ClaimSpec | Self::ClaimResources => &[Self::ClaimRequests, Self::ClaimSpec],
            Self::ConfigMap | Self::Secret | Self::List => &[Self::Metadata],
            Self::LabelSelector | Self::SelectorRequirement | Self::ClaimRequests => &[],
            Self::ListMetadata => &[],
            Self::Toml => &[Self::Container, Self::TomlContainer],
            Self::Container => &[
                Self::Spec,
                Self::Toml,
                Self::Metadata,
                Self::ContainerPort,
                Self::Probe,
                Self::Lifecycle,
                Self::SecurityContext,
                Self::VolumeMount,
            ],
            Self::Lifecycle => &[Self::LifecycleHandler, Self::Container],
            Self::LifecycleHandler | Self::SleepAction => {
                &[Self::Lifecycle, Self::HttpGetAction, Self::SleepAction, Self::Container]
            }
            Self::TomlContainer | Self::TomlLifecycleHandler => &[],
            Self::ReadinessGate | Self::ResizePolicy => &[],
            Self::Probe => &[Self::HttpGetAction, Self::Container, Self::Spec, Self::Toml],
            Self::HttpGetAction | Self::ExecAction | Self::TcpSocketAction | Self::GrpcAction => {
                &[Self::Probe, Self::HttpGetAction, Self::Container, Self::Spec, Self::Toml]
            }
            Self::EnvVar => &[Self::EnvVarSource, Self::Container, Self::Spec, Self::Toml],
            Self::ContainerPort | Self::RestartRule | Self::ExitCodes => {
                &[Self::Container, Self::Spec, Self::Toml]
            }
            Self::EnvVarSource | Self::KeyRef | Self::FieldRef | Self::ResourceFieldRef => {
                &[Self::EnvVarSource]
            }
            Self::EnvFrom | Self::ObjectRef => &[Self::EnvFrom, Self::ObjectRef],
            Self::ScriptContainer => &[Self::ScriptRun],
            Self::ScriptRun => &[Self::ScriptContainer],
            Self::Script | Self::ScriptHook | Self::ScriptEvent => &[],
            Self::Resources => &[Self::Amounts, Self::Container, Self::Spec, Self::Toml],
            Self::CrashLoopBackOff | Self::Os | Self::HttpHeader | Self::Amounts | Self::Below(_) => &[],
            Self::PodSecurityContext => &[Self::SecurityContext, Self::Spec, Self::Toml],
            Self::SecurityContext => {
                &[Self::PodSecurityContext, Self::Capabilities, Self::Container, Self::Spec, Self::Toml]
            }
            Self::Capabilities | Self::SeccompProfile | Self::AppArmorProfile | Self::SeLinuxOptions => {
                &[Self::SecurityContext, Self::PodSecurityContext]
            }
            Self::VolumeMount => &[Self::Volume, Self::Container, Self::Spec, Self::Toml],
            Self::Volume => &[
                Self::VolumeMount,
                Self::EmptyDir,
                Self::HostPath,
                Self::ConfigMapVolume,
                Self::SecretVolume,
            ],
            Self::EmptyDir | Self::HostPath | Self::ConfigMapVolume | Self::SecretVolume => {
                &[Self::Volume, Self::VolumeMount]
            }
            Self::DownwardVolume | Self::ProjectedVolume | Self::ClaimVolume => {
                &[Self::Volume, Self::VolumeMount]
            }
            Self::ProjectedSource | Self::ProjectedObject | Self::ProjectedDownward => &[Self::Volume],
            Self::KeyToPath | Self::DownwardFile => &[],
            Self::DnsConfig | Self::DnsOption | Self::HostAlias => &[Self::DnsConfig, Self::Spec],
            Self::Sysctl | Self::TomlRootfs => &[],
        }
    }
}

impl Field {
    /// The field of this name in a place.
    pub fn find(place: Place, name: &str) -> Option<&'static Self> {
        Self::of(place).find(|field| field.name == name)
    }

    /// Every field there is.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FIELDS.iter()
    }

    /// Whether a cluster takes a new pod with this field, which podinit refuses for good.
    pub fn is_taken_by_a_cluster(&self) -> bool {
        !matches!(self.name, "ephemeralContainers" | "targetContainerName")
    }

    /// All fields of a place.
    pub fn of(place: Place) -> impl Iterator<Item = &'static Self> {
        FIELDS.iter().chain(SCRIPT).filter(move |field| field.place == place)
    }
}

/// The table as `docs/spec-support.md` has it, in Markdown.
#[cfg(test)]
fn documentation() -> String {
    let kinds = super::kind::documentation();
    let mut out = [table::INTRODUCTION, &kinds, table::FIELDS_INTRODUCTION].concat();
    for field in FIELDS {
        let path = field.place.path();
        let name = match path {
            "" => format!("`{}`", field.name),
            path => match path.strip_prefix("(TOML)") {
                Some("") => format!("`{}` (TOML)", field.name),
                Some(table) => format!("`{}.{}` (TOML)", table.trim_start(), field.name),
                None => format!("`{path}.{}`", field.name),
            },
        };
        let unless = |values: &[&str]| -> String {
            values.iter().map(|value| format!("; `{value}` is accepted")).collect()
        };
        let (class, note) = match field.class {
            Class::Implemented { note } => ("implemented", note.to_owned()),
            Class::Ignored { shape: _, why, unless: value } => ("ignored", format!("{why}{}", unless(value))),
            Class::NotBuilt { unless: value, help } => {
                ("refused", format!("not built yet{}; {help}", unless(value)))
            }
            Class::Refused { why, help } => ("refused", format!("{why}; {help}")),
        };
        out.push_str(&format!("| {name} | {class} | {note} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tree::{Node, Span, Value};
    use crate::spec::{Options, Profile, Severity, Source, Syntax, load, toml, yaml};
    use std::collections::BTreeSet;

    #[test]
    fn each_field_is_in_exactly_one_class() {
        let mut seen = BTreeSet::new();
        for field in FIELDS {
            assert!(seen.insert((field.place, field.name)), "{:?} {} twice", field.place, field.name);
        }
    }

    #[test]
    fn no_field_that_protects_something_is_ignored() {
        let protecting = [
            "security",
            "seccomp",
            "capabilit",
            "runas",
            "privilege",
            "readonly",
            "procmount",
            "selinux",
            "apparmor",
            "hostusers",
            "hostnetwork",
            "hostpid",
            "hostipc",
            "fsgroup",
            "supplemental",
            "sysctl",
            "shareprocess",
            "limits",
            "subpath",
        ];
        for field in FIELDS {
            let path = format!("{}.{}", field.place.path(), field.name).to_lowercase();
            if protecting.iter().any(|word| path.contains(word)) {
                assert!(!matches!(field.class, Class::Ignored { .. }), "{path} is ignored");
            }
        }
    }

    /// Keys that are fields, with their places; keys of users' own mappings are none.
    fn keys(node: &Node, found: &mut Vec<(String, Span)>) {
        if let Value::List(items) = &node.value {
            items.iter().for_each(|item| keys(item, found));
        }
        for entry in node.as_mapping().unwrap_or_default() {
            found.push((entry.key.clone(), entry.key_span));
            let users = ["labels", "annotations", "matchLabels", "data", "binaryData", "stringData"];
            if !users.contains(&entry.key.as_str()) && entry.value.entry("PORT").is_none() {
                keys(&entry.value, found);
            }
        }
    }

    /// SPEC-01. Gives the keys that the text has.
    fn each_key_is_missed(text: &str, syntax: Syntax) -> BTreeSet<String> {
        let mut problems = Vec::new();
        let roots = match syntax {
            Syntax::Yaml => yaml::parse(0, "", text, &mut problems),
            Syntax::Toml => toml::parse(0, text, &mut problems).into_iter().collect(),
        };
        let mut found = Vec::new();
        roots.iter().for_each(|root| keys(root, &mut found));
        let options = Options { profile: Some(Profile::Process), ..Options::default() };
        for (key, span) in &found {
            let mut text = text.to_owned();
            if text[..span.start].ends_with("[[") {
                // A list of tables is named once for each item.
                text = text.replace(&format!("[{key}"), &format!("[{}z", &key[..key.len() - 1]));
            }
            text.replace_range(span.end - 1..span.end, "z");
            let source = Source { name: "x".to_owned(), text, syntax };
            let problems = load(&[source], &options).problems;
            let errors: Vec<_> =
                problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
            let about = errors.iter().find(|problem| problem.span == Some(*span));
            let problem = about.unwrap_or_else(|| panic!("{key}: {errors:#?}"));
            assert_eq!(problem.help, format!("write `{key}`"), "{key}");
        }
        found.into_iter().map(|(key, _)| key).collect()
    }

    fn each_implemented_is_among(keys: &BTreeSet<String>, places: impl Fn(Place) -> bool) {
        for field in FIELDS.iter().filter(|field| places(field.place)) {
            let used = keys.contains(field.name);
            assert!(used || !matches!(field.class, Class::Implemented { .. }), "{} is not tried", field.name);
        }
    }

    #[test]
    fn each_implemented_key_with_one_letter_changed_is_found_and_put_right() {
        let texts = [
            include_str!("../../tests/manifests/good/full.yaml"),
            include_str!("../../tests/manifests/good/profile-isolation.yaml"),
            include_str!("../../tests/manifests/good/full-deployment.yaml"),
            include_str!("../../tests/manifests/good/full-cronjob.yaml"),
        ];
        let keys = texts.into_iter().flat_map(|text| each_key_is_missed(text, Syntax::Yaml)).collect();
        let in_toml = |place| {
            matches!(
                place,
                Place::Toml
                    | Place::CrashLoopBackOff
                    | Place::TomlContainer
                    | Place::TomlLifecycleHandler
                    | Place::TomlRootfs
            )
        };
        each_implemented_is_among(&keys, |place| !in_toml(place));
        let texts = [
            include_str!("../../tests/manifests/good/full.toml"),
            include_str!("../../tests/manifests/good/profile-isolation.toml"),
        ];
        let keys = texts.into_iter().flat_map(|text| each_key_is_missed(text, Syntax::Toml)).collect();
        // What is below the spec is the same in both; only YAML has objects around it.
        each_implemented_is_among(&keys, |place| in_toml(place) || PARTS_OF_SPEC.contains(&place));
    }

    const PARTS_OF_SPEC: [Place; 50] = [
        Place::Spec,
        Place::GrpcAction,
        Place::Lifecycle,
        Place::LifecycleHandler,
        Place::SleepAction,
        Place::ReadinessGate,
        Place::ResizePolicy,
        Place::Os,
        Place::Container,
        Place::EnvVar,
        Place::EnvVarSource,
        Place::KeyRef,
        Place::FieldRef,
        Place::ResourceFieldRef,
        Place::EnvFrom,
        Place::ObjectRef,
        Place::ContainerPort,
        Place::RestartRule,
        Place::ExitCodes,
        Place::Probe,
        Place::ExecAction,
        Place::HttpGetAction,
        Place::HttpHeader,
        Place::TcpSocketAction,
        Place::Resources,
        Place::Amounts,
        Place::HostAlias,
        Place::DnsConfig,
        Place::DnsOption,
        Place::PodSecurityContext,
        Place::Sysctl,
        Place::SeccompProfile,
        Place::AppArmorProfile,
        Place::SeLinuxOptions,
        Place::SecurityContext,
        Place::Capabilities,
        Place::VolumeMount,
        Place::Volume,
        Place::EmptyDir,
        Place::HostPath,
        Place::ConfigMapVolume,
        Place::SecretVolume,
        Place::DownwardVolume,
        Place::ProjectedVolume,
        Place::ClaimVolume,
        Place::KeyToPath,
        Place::DownwardFile,
        Place::ProjectedSource,
        Place::ProjectedObject,
        Place::ProjectedDownward,
    ];

    #[test]
    fn what_is_never_reached_is_never_implemented() {
        for field in FIELDS {
            if matches!(field.place, Place::Below(_)) {
                assert!(
                    !matches!(field.class, Class::Implemented { .. } | Class::Ignored { .. }),
                    "{}",
                    field.name
                );
            }
        }
    }

    #[test]
    fn the_documentation_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/spec-support.md");
        if std::env::var_os("PODINIT_BLESS").is_some() {
            std::fs::write(path, documentation()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == documentation(),
            "docs/spec-support.md differs from src/spec/kind.rs or src/spec/fields/table.rs: run `PODINIT_BLESS=1 cargo test --lib fields`"
        );
    }
}
