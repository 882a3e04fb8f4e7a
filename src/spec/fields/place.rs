//! The mappings of a manifest that fields stand in: what each is called, and which fields are written there by
//! mistake. Knows no field.

/// The mapping that a field stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::spec) enum Place {
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
    /// A key of a file in a volume.
    FileKeyRef,
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
    ImageVolume,
    KeyToPath,
    DownwardFile,
    DownwardFieldRef,
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
            Self::FileKeyRef => "containers[].env[].valueFrom.fileKeyRef",
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
            Self::ImageVolume => "spec.volumes[].image",
            Self::KeyToPath => "spec.volumes[].configMap.items[]",
            Self::DownwardFile => "spec.volumes[].downwardAPI.items[]",
            Self::DownwardFieldRef => "spec.volumes[].downwardAPI.items[].fieldRef",
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
            Self::KeyRef | Self::FileKeyRef | Self::FieldRef => None,
            Self::ResourceFieldRef | Self::ObjectRef => None,
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
            Self::ProjectedVolume | Self::ClaimVolume | Self::ImageVolume => None,
            Self::KeyToPath | Self::DownwardFile => None,
            Self::ProjectedSource | Self::ProjectedObject | Self::ProjectedDownward => None,
            Self::DownwardFieldRef | Self::TomlRootfs => None,
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
            Self::EnvVarSource
            | Self::KeyRef
            | Self::FileKeyRef
            | Self::FieldRef
            | Self::ResourceFieldRef => &[Self::EnvVarSource],
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
            Self::EmptyDir | Self::HostPath => &[Self::Volume, Self::VolumeMount],
            Self::ConfigMapVolume | Self::SecretVolume => &[],
            Self::DownwardVolume | Self::ProjectedVolume | Self::ClaimVolume | Self::ImageVolume => {
                &[Self::Volume, Self::VolumeMount]
            }
            Self::ProjectedSource | Self::ProjectedObject | Self::ProjectedDownward => &[Self::Volume],
            Self::KeyToPath | Self::DownwardFile => &[],
            Self::DnsConfig | Self::DnsOption | Self::HostAlias => &[Self::DnsConfig, Self::Spec],
            Self::Sysctl | Self::DownwardFieldRef | Self::TomlRootfs => &[],
        }
    }
}
