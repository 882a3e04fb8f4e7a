//! The table of fields: every field of the Pod API that a manifest can have, and podinit's own of TOML.

use super::Place::*;
use super::Shape::*;
use super::{Class, Field, Place, Shape};

const NO_SCHEDULER: &str = "the pod runs on this host, nothing schedules it";
const NO_CLUSTER: &str = "only a cluster has a use for it";
const NO_IMAGES: &str = "no image is pulled";
const NO_ACCOUNTS: &str = "there are no accounts and no tokens on one host";
const NO_SERVICES: &str = "there are no services on one host";
const FROM_SERVER: &str = "written by a cluster";
const ONE_POD: &str = "one pod is run, and no other takes its place";
const RUNS_NOW: &str = "the job runs once, now";
const NO_STORAGE: &str = "there is no storage to choose from on one host";
const OWNERS_NAME: &str = "the pod is called as the object that its template is in";
/// Fields of such a reason are told of in one warning for each mapping: `kubectl get -o yaml` has many.
pub(in crate::spec) const TOLD_TOGETHER: [&str; 4] = [FROM_SERVER, ONE_POD, RUNS_NOW, OWNERS_NAME];

const DO_WITHOUT: &str = "leave it out if the pod can do without it";
const NO_VOLUMES: &str = "leave it out; `hostPath` shows a directory or a device of this host";
const NO_EPHEMERAL: &str = "write `emptyDir`, which is gone with the pod as well";
const NO_NFS: &str = "mount it on this host and use `hostPath` with the directory";
const ONLY_A_CLUSTER: &str = "only a cluster can attach it";
const MOUNT_IT: &str = "mount it on this host and use `hostPath` with the directory";
const BY_CGROUPS: &str =
    "by cgroup v2; a limit that this host cannot enforce is a warning, with `--strict` an error";
const NO_RESOURCES: &str = "leave it out, and limit podinit itself if the pod needs limits";
const SO_ALREADY: &str =
    "so already in profile `process`, where `false` says no more than leaving it out, as it is the default";
const NO_JOBS: &str =
    "leave it out; one pod of the job runs at a time, and is tried again as `backoffLimit` says";

const YES: Class = yes("");

const fn yes(note: &'static str) -> Class {
    Class::Implemented { note }
}

const fn ignored(shape: Shape, why: &'static str) -> Class {
    Class::Ignored { shape, why, unless: &[] }
}

const fn ignored_unless(shape: Shape, unless: &'static [&'static str], why: &'static str) -> Class {
    Class::Ignored { shape, why, unless }
}

const fn not_built(help: &'static str) -> Class {
    Class::NotBuilt { unless: &[], help }
}

const fn not_built_unless(unless: &'static [&'static str], help: &'static str) -> Class {
    Class::NotBuilt { unless, help }
}

const fn refused(why: &'static str, help: &'static str) -> Class {
    Class::Refused { why, help }
}

const fn field(place: Place, name: &'static str, class: Class) -> Field {
    Field { place, name, class }
}

/// Every field, once.
#[rustfmt::skip]
pub(in crate::spec) const FIELDS: &[Field] = &[
    // The object
    field(Document, "apiVersion", yes("that of the kind")),
    field(Document, "kind", yes("a kind that podinit runs, reads or ignores")),
    field(Document, "metadata", YES),
    field(Document, "spec", YES),
    field(Document, "status", ignored(Mapping, FROM_SERVER)),

    // metadata
    field(Metadata, "name", YES),
    field(Metadata, "namespace", yes("checked; of no effect but in the message of a back-off, as there are no namespaces on one host")),
    field(Metadata, "labels", YES),
    field(Metadata, "annotations", yes("those of podinit.dev/ are settings: `profile`, `network`, `singleProcessOOMKill`, `podPidsLimit`, `memoryThrottlingFactor`, `memoryReservationPolicy`, `crashLoopBackOff.initialDelaySeconds`, `crashLoopBackOff.maxDelaySeconds`; those of podinit.dev/CONTAINER. are a container's: `rootfs`, `rootfsLayer`, `reaper`, `keystone`, `startAfter`, `notify`, `crashLoopBackOff.initialDelaySeconds`, `crashLoopBackOff.maxDelaySeconds`, `lifecycle.postStart.timeoutSeconds`, `lifecycle.preStop.timeoutSeconds`")),
    field(Metadata, "generateName", yes("the name where there is none, as it is, without its last `-`")),
    field(Metadata, "uid", ignored(Text, FROM_SERVER)),
    field(Metadata, "creationTimestamp", ignored(Text, FROM_SERVER)),
    field(Metadata, "deletionTimestamp", ignored(Text, FROM_SERVER)),
    field(Metadata, "deletionGracePeriodSeconds", ignored(Integer, FROM_SERVER)),
    field(Metadata, "resourceVersion", ignored(Text, FROM_SERVER)),
    field(Metadata, "generation", ignored(Integer, FROM_SERVER)),
    field(Metadata, "finalizers", ignored(Texts, FROM_SERVER)),
    field(Metadata, "ownerReferences", ignored(Mappings, FROM_SERVER)),
    field(Metadata, "managedFields", ignored(Mappings, FROM_SERVER)),
    field(Metadata, "selfLink", ignored(Text, FROM_SERVER)),

    // The top of a TOML file, besides the fields of spec
    field(Toml, "name", YES),
    field(Toml, "namespace", YES),
    field(Toml, "labels", YES),
    field(Toml, "annotations", YES),
    field(Toml, "profile", yes("`process`, `pod`")),
    field(Toml, "network", yes("of the pod's own network: `private`, with a way out through pasta where that is there; `none`, without; `pasta`, with one or not at all")),
    field(Toml, "singleProcessOOMKill", yes("`true`: where memory is short one process is killed, and not its container as a whole; as in KubeletConfiguration")),
    field(Toml, "podPidsLimit", yes("as in KubeletConfiguration: processes and threads that the pod may have at once")),
    field(Toml, "memoryThrottlingFactor", yes("as in KubeletConfiguration: `memory.high` of containers by KEP-2570; none where it is left out")),
    field(Toml, "memoryReservationPolicy", yes("as in KubeletConfiguration: `None`, `TieredReservation`, which sets `memory.min` and `memory.low`")),
    field(Toml, "crashLoopBackOff", YES),
    field(CrashLoopBackOff, "initialDelaySeconds", yes("0 and fractions allowed; 1 with a maxDelaySeconds of 60 is what KEP-4603 has for a whole cluster")),
    field(CrashLoopBackOff, "maxDelaySeconds", yes("0 and fractions allowed")),
    field(TomlContainer, "keystone", yes("`true`: the end of this main container ends the pod")),
    field(TomlContainer, "startAfter", yes("names of main containers that must have started before")),
    field(TomlContainer, "notify", yes("`socket`: ready when it says so through NOTIFY_SOCKET; `fd:3`: with a newline on that descriptor")),
    field(TomlContainer, "crashLoopBackOff", yes("as that of the pod, for this container")),
    field(TomlContainer, "rootfs", yes("the directory of its root file system, or a table; relative to the manifest")),
    field(TomlContainer, "reaper", yes("`true`: a process of podinit's is above the main process and reaps what that leaves behind")),
    field(TomlRootfs, "path", YES),
    field(TomlRootfs, "layer", yes("`ephemeral`: what is written is gone with the attempt; `directory`: it is written to the directory")),
    field(TomlContainer, "envFile", yes("a path or several, of files with lines `NAME=value`; read at each start")),
    field(TomlContainer, "envFromFiles", yes("a table of variables and paths: the value is what the file holds")),
    field(TomlLifecycleHandler, "timeoutSeconds", yes("how long the hook may take; fractions allowed")),

    // spec
    field(Spec, "initContainers", YES),
    field(Spec, "containers", YES),
    field(Spec, "ephemeralContainers", refused("these are added to a running pod only", "remove it")),
    field(Spec, "restartPolicy", yes("in the template of a Deployment, StatefulSet, DaemonSet or ReplicaSet `Always`, also where it is left out; in that of a Job `OnFailure` or `Never`")),
    field(Spec, "terminationGracePeriodSeconds", YES),
    field(Spec, "activeDeadlineSeconds", yes("from the start of the pod")),
    field(Spec, "volumes", yes("one source each; none is an emptyDir")),
    field(Spec, "hostname", YES),
    field(Spec, "subdomain", yes("HOSTNAME.SUBDOMAIN.NAMESPACE.svc.cluster.local stands in /etc/hosts")),
    field(Spec, "setHostnameAsFQDN", yes("at most 64 characters")),
    field(Spec, "hostnameOverride", yes("at most 64 characters; not with hostNetwork or setHostnameAsFQDN")),
    field(Spec, "hostAliases", YES),
    field(Spec, "dnsPolicy", yes("ClusterFirst, ClusterFirstWithHostNet and Default are this host's name servers; None has those of dnsConfig alone")),
    field(Spec, "dnsConfig", YES),
    field(Spec, "hostNetwork", yes(SO_ALREADY)),
    field(Spec, "hostPID", yes(SO_ALREADY)),
    field(Spec, "hostIPC", yes(SO_ALREADY)),
    field(Spec, "hostUsers", yes("`false` needs profile `pod`, and namespaces of the pod's own; as root 65536 ids that no other pod has")),
    field(Spec, "shareProcessNamespace", yes("not with hostPID")),
    field(Spec, "securityContext", YES),
    field(Spec, "resources", yes(BY_CGROUPS)),
    field(Spec, "os", YES),
    field(Os, "name", yes("`linux`")),
    field(Spec, "readinessGates", yes("nobody sets conditions on one host: the pod runs, and is never Ready")),
    field(ReadinessGate, "conditionType", YES),
    field(Spec, "imagePullSecrets", ignored(Mappings, NO_IMAGES)),
    field(Spec, "nodeName", ignored(Text, NO_SCHEDULER)),
    field(Spec, "nodeSelector", ignored(MappingOfTexts, NO_SCHEDULER)),
    field(Spec, "affinity", ignored(Mapping, NO_SCHEDULER)),
    field(Spec, "tolerations", ignored(Mappings, NO_SCHEDULER)),
    field(Spec, "topologySpreadConstraints", ignored(Mappings, NO_SCHEDULER)),
    field(Spec, "schedulerName", ignored_unless(Text, &["default-scheduler"], NO_SCHEDULER)),
    field(Spec, "schedulingGates", ignored(Mappings, NO_SCHEDULER)),
    field(Spec, "schedulingGroup", ignored(Mapping, NO_SCHEDULER)),
    field(Spec, "priority", ignored_unless(Integer, &["0"], NO_SCHEDULER)),
    field(Spec, "priorityClassName", ignored(Text, NO_SCHEDULER)),
    field(Spec, "preemptionPolicy", ignored_unless(Word(&["PreemptLowerPriority", "Never"]), &["PreemptLowerPriority"], NO_SCHEDULER)),
    field(Spec, "overhead", ignored(Mapping, NO_CLUSTER)),
    field(Spec, "runtimeClassName", refused("there is one runtime, podinit itself", "remove it")),
    field(Spec, "resourceClaims", not_built(DO_WITHOUT)),
    field(Spec, "evictionResponders", ignored(Mappings, NO_CLUSTER)),
    field(Spec, "serviceAccountName", ignored_unless(Text, &["default"], NO_ACCOUNTS)),
    field(Spec, "serviceAccount", ignored_unless(Text, &["default"], NO_ACCOUNTS)),
    field(Spec, "automountServiceAccountToken", ignored_unless(Boolean, &["false"], NO_ACCOUNTS)),
    field(Spec, "enableServiceLinks", ignored_unless(Boolean, &["true", "false"], NO_SERVICES)),

    // An entry of containers or initContainers
    field(Container, "name", YES),
    field(Container, "image", yes("a label in profile `process`")),
    field(Container, "imagePullPolicy", ignored(Word(&["IfNotPresent", "Always", "Never"]), NO_IMAGES)),
    field(Container, "command", yes("needed in profile `process`; `$(VAR)` is expanded")),
    field(Container, "args", yes("`$(VAR)` is expanded")),
    field(Container, "workingDir", YES),
    field(Container, "stdin", yes("what is typed, where podinit has a terminal")),
    field(Container, "stdinOnce", yes("with `stdin`")),
    field(Container, "tty", YES),
    field(Container, "ports", YES),
    field(Container, "env", yes("in TOML also a table of strings")),
    field(Container, "envFrom", yes("objects of the manifest, in the pod's namespace")),
    field(EnvFrom, "configMapRef", YES),
    field(EnvFrom, "secretRef", yes("with the fields of `configMapRef`; its values are shown nowhere")),
    field(EnvFrom, "prefix", YES),
    field(ObjectRef, "name", YES),
    field(ObjectRef, "optional", YES),
    field(Container, "restartPolicy", yes("`Always` makes a sidecar of an init container")),
    field(Container, "restartPolicyRules", YES),
    field(Container, "resizePolicy", YES),
    field(ResizePolicy, "resourceName", yes("`cpu`, `memory`")),
    field(ResizePolicy, "restartPolicy", yes("`NotRequired`; `RestartContainer` where the pod restarts containers, and not on plain init containers")),
    field(Container, "resources", yes(BY_CGROUPS)),
    field(Resources, "requests", YES),
    field(Resources, "limits", YES),
    field(Resources, "claims", not_built(NO_RESOURCES)),
    field(Amounts, "cpu", YES),
    field(Amounts, "memory", YES),
    field(Amounts, "ephemeral-storage", not_built(NO_RESOURCES)),
    field(Amounts, "hugepages-2Mi", not_built(NO_RESOURCES)),
    field(Amounts, "hugepages-1Gi", not_built(NO_RESOURCES)),
    field(Container, "livenessProbe", yes("not on plain init containers")),
    field(Container, "readinessProbe", yes("not on plain init containers")),
    field(Container, "startupProbe", yes("not on plain init containers")),
    field(Container, "lifecycle", yes("not on plain init containers")),
    field(Lifecycle, "postStart", YES),
    field(Lifecycle, "preStop", YES),
    field(Lifecycle, "stopSignal", yes("the 65 names of Linux")),
    field(Container, "terminationMessagePath", yes("absolute")),
    field(Container, "terminationMessagePolicy", YES),
    field(Container, "securityContext", YES),
    field(Container, "volumeMounts", YES),
    field(Container, "volumeDevices", not_built(NO_VOLUMES)),
    field(Container, "targetContainerName", refused("only containers that are added to a running pod have it", "remove it")),
    field(EnvVar, "name", YES),
    field(EnvVar, "value", yes("`$(VAR)` is expanded")),
    field(EnvVar, "valueFrom", yes("exactly one source")),
    field(EnvVarSource, "configMapKeyRef", yes("of a ConfigMap of the manifest, in the pod's namespace; `binaryData` is for files")),
    field(EnvVarSource, "secretKeyRef", yes("with the fields of `configMapKeyRef`; its value is shown nowhere")),
    field(EnvVarSource, "fieldRef", YES),
    field(EnvVarSource, "resourceFieldRef", YES),
    field(EnvVarSource, "fileKeyRef", yes("read at each start of the container")),
    field(KeyRef, "name", YES),
    field(KeyRef, "key", YES),
    field(KeyRef, "optional", YES),
    field(FileKeyRef, "volumeName", yes("of an emptyDir of the pod")),
    field(FileKeyRef, "path", yes("relative, without `..`")),
    field(FileKeyRef, "key", YES),
    field(FileKeyRef, "optional", YES),
    field(FieldRef, "apiVersion", yes("`v1`")),
    field(FieldRef, "fieldPath", yes("in profile `process` the pod's addresses are this host's; the node is called as the host")),
    field(ResourceFieldRef, "containerName", YES),
    field(ResourceFieldRef, "resource", yes("of `cpu` and `memory`; a limit that is missing is the pod's, else what this host has")),
    field(ResourceFieldRef, "divisor", YES),
    field(ContainerPort, "containerPort", YES),
    field(ContainerPort, "name", YES),
    field(ContainerPort, "protocol", YES),
    field(ContainerPort, "hostPort", yes("with the host's network the same as `containerPort`")),
    field(ContainerPort, "hostIP", yes("an address")),
    field(RestartRule, "action", yes("`Restart`, `RestartAllContainers`")),
    field(RestartRule, "exitCodes", YES),
    field(ExitCodes, "operator", YES),
    field(ExitCodes, "values", YES),

    // A probe
    field(Probe, "exec", YES),
    field(Probe, "httpGet", YES),
    field(Probe, "tcpSocket", YES),
    field(Probe, "grpc", YES),
    field(Probe, "initialDelaySeconds", yes("fractions allowed, which Kubernetes does not take")),
    field(Probe, "timeoutSeconds", yes("fractions allowed, which Kubernetes does not take")),
    field(Probe, "periodSeconds", yes("fractions allowed, which Kubernetes does not take")),
    field(Probe, "successThreshold", yes("1 but for readinessProbe")),
    field(Probe, "failureThreshold", YES),
    field(Probe, "terminationGracePeriodSeconds", yes("not on readinessProbe")),
    field(ExecAction, "command", YES),
    field(HttpGetAction, "path", YES),
    field(HttpGetAction, "port", YES),
    field(HttpGetAction, "host", yes("an address, or a name that is looked up by a process of its own")),
    field(HttpGetAction, "scheme", yes("`HTTP`, `HTTPS`")),
    field(HttpGetAction, "httpHeaders", YES),
    field(HttpGetAction, "protocol", not_built_unless(&["HTTP1"], DO_WITHOUT)),
    field(HttpHeader, "name", YES),
    field(HttpHeader, "value", YES),
    field(GrpcAction, "port", yes("a number")),
    field(GrpcAction, "service", YES),
    field(GrpcAction, "mode", not_built(DO_WITHOUT)),
    field(LifecycleHandler, "exec", YES),
    field(LifecycleHandler, "httpGet", YES),
    field(LifecycleHandler, "sleep", YES),
    field(LifecycleHandler, "tcpSocket", yes("always fails, as in Kubernetes, which a warning says")),
    field(SleepAction, "seconds", YES),
    field(TcpSocketAction, "port", YES),
    field(TcpSocketAction, "host", yes("an address, or a name that is looked up by a process of its own")),

    // Around the template of a pod
    field(DeploymentSpec, "replicas", yes("one pod is run, and a warning says so where it is not 1")),
    field(DeploymentSpec, "selector", yes("has to match the template's labels")),
    field(DeploymentSpec, "template", YES),
    field(DeploymentSpec, "strategy", ignored(Mapping, ONE_POD)),
    field(DeploymentSpec, "minReadySeconds", ignored_unless(Integer, &["0"], ONE_POD)),
    field(DeploymentSpec, "revisionHistoryLimit", ignored_unless(Integer, &["10"], ONE_POD)),
    field(DeploymentSpec, "progressDeadlineSeconds", ignored_unless(Integer, &["600"], ONE_POD)),
    field(DeploymentSpec, "paused", ignored_unless(Boolean, &["false"], ONE_POD)),
    field(StatefulSetSpec, "replicas", yes("one pod is run, and a warning says so where it is not 1")),
    field(StatefulSetSpec, "selector", yes("has to match the template's labels")),
    field(StatefulSetSpec, "template", YES),
    field(StatefulSetSpec, "serviceName", ignored(Text, NO_SERVICES)),
    field(StatefulSetSpec, "volumeClaimTemplates", not_built(NO_VOLUMES)),
    field(StatefulSetSpec, "persistentVolumeClaimRetentionPolicy", ignored(Mapping, ONE_POD)),
    field(StatefulSetSpec, "podManagementPolicy", ignored_unless(Word(&["OrderedReady", "Parallel"]), &["OrderedReady"], ONE_POD)),
    field(StatefulSetSpec, "updateStrategy", ignored(Mapping, ONE_POD)),
    field(StatefulSetSpec, "minReadySeconds", ignored_unless(Integer, &["0"], ONE_POD)),
    field(StatefulSetSpec, "revisionHistoryLimit", ignored_unless(Integer, &["10"], ONE_POD)),
    field(StatefulSetSpec, "ordinals", ignored(Mapping, ONE_POD)),
    field(DaemonSetSpec, "selector", yes("has to match the template's labels")),
    field(DaemonSetSpec, "template", YES),
    field(DaemonSetSpec, "updateStrategy", ignored(Mapping, ONE_POD)),
    field(DaemonSetSpec, "minReadySeconds", ignored_unless(Integer, &["0"], ONE_POD)),
    field(DaemonSetSpec, "revisionHistoryLimit", ignored_unless(Integer, &["10"], ONE_POD)),
    field(ReplicaSetSpec, "replicas", yes("one pod is run, and a warning says so where it is not 1")),
    field(ReplicaSetSpec, "selector", yes("has to match the template's labels; labels alone for a ReplicationController")),
    field(ReplicaSetSpec, "template", YES),
    field(ReplicaSetSpec, "minReadySeconds", ignored_unless(Integer, &["0"], ONE_POD)),
    field(JobSpec, "template", YES),
    field(JobSpec, "parallelism", yes("one pod is run, and a warning says so where it is not 1")),
    field(JobSpec, "completions", yes("one pod is run, and a warning says so where it is not 1")),
    field(JobSpec, "backoffLimit", yes("6 where it is left out")),
    field(JobSpec, "selector", yes("has to match the template's labels")),
    field(JobSpec, "manualSelector", yes("nothing generates selectors on one host")),
    field(JobSpec, "activeDeadlineSeconds", yes("from the start of the first try")),
    field(JobSpec, "completionMode", not_built_unless(&["NonIndexed"], NO_JOBS)),
    field(JobSpec, "suspend", not_built_unless(&["false"], "write `suspend: false` to run the job")),
    field(JobSpec, "podFailurePolicy", not_built(NO_JOBS)),
    field(JobSpec, "successPolicy", not_built(NO_JOBS)),
    field(JobSpec, "backoffLimitPerIndex", not_built(NO_JOBS)),
    field(JobSpec, "maxFailedIndexes", not_built(NO_JOBS)),
    field(JobSpec, "podReplacementPolicy", ignored(Word(&["TerminatingOrFailed", "Failed"]), ONE_POD)),
    field(JobSpec, "ttlSecondsAfterFinished", ignored(Integer, NO_CLUSTER)),
    field(JobSpec, "managedBy", ignored_unless(Text, &["kubernetes.io/job-controller"], NO_CLUSTER)),
    field(CronJobSpec, "schedule", ignored(Text, RUNS_NOW)),
    field(CronJobSpec, "jobTemplate", YES),
    field(CronJobSpec, "timeZone", ignored(Text, RUNS_NOW)),
    field(CronJobSpec, "suspend", ignored_unless(Boolean, &["false"], RUNS_NOW)),
    field(CronJobSpec, "startingDeadlineSeconds", ignored(Integer, RUNS_NOW)),
    field(CronJobSpec, "concurrencyPolicy", ignored_unless(Word(&["Allow", "Forbid", "Replace"]), &["Allow"], RUNS_NOW)),
    field(CronJobSpec, "successfulJobsHistoryLimit", ignored_unless(Integer, &["3"], RUNS_NOW)),
    field(CronJobSpec, "failedJobsHistoryLimit", ignored_unless(Integer, &["1"], RUNS_NOW)),
    field(JobTemplate, "metadata", YES),
    field(JobTemplate, "spec", yes("as `Job.spec`")),
    field(PodTemplate, "metadata", YES),
    field(PodTemplate, "spec", yes("as `spec` of a Pod")),
    field(TemplateMetadata, "labels", YES),
    field(TemplateMetadata, "annotations", yes("those of podinit.dev/ are settings, as in a Pod; in the jobTemplate they are refused")),
    field(TemplateMetadata, "name", ignored(Text, OWNERS_NAME)),
    field(TemplateMetadata, "generateName", ignored(Text, OWNERS_NAME)),
    field(TemplateMetadata, "namespace", ignored(Text, OWNERS_NAME)),
    field(TemplateMetadata, "uid", ignored(Text, FROM_SERVER)),
    field(TemplateMetadata, "creationTimestamp", ignored(Text, FROM_SERVER)),
    field(TemplateMetadata, "deletionTimestamp", ignored(Text, FROM_SERVER)),
    field(TemplateMetadata, "deletionGracePeriodSeconds", ignored(Integer, FROM_SERVER)),
    field(TemplateMetadata, "resourceVersion", ignored(Text, FROM_SERVER)),
    field(TemplateMetadata, "generation", ignored(Integer, FROM_SERVER)),
    field(TemplateMetadata, "finalizers", ignored(Texts, FROM_SERVER)),
    field(TemplateMetadata, "ownerReferences", ignored(Mappings, FROM_SERVER)),
    field(TemplateMetadata, "managedFields", ignored(Mappings, FROM_SERVER)),
    field(TemplateMetadata, "selfLink", ignored(Text, FROM_SERVER)),
    field(LabelSelector, "matchLabels", YES),
    field(LabelSelector, "matchExpressions", YES),
    field(SelectorRequirement, "key", YES),
    field(SelectorRequirement, "operator", yes("`In`, `NotIn`, `Exists`, `DoesNotExist`")),
    field(SelectorRequirement, "values", YES),

    // Objects that a pod may refer to, and lists
    field(ConfigMap, "data", YES),
    field(ConfigMap, "binaryData", yes("Base64")),
    field(ConfigMap, "immutable", yes("so in any case while the pod runs")),
    field(Secret, "data", yes("Base64")),
    field(Secret, "stringData", YES),
    field(Secret, "type", yes("any word")),
    field(Secret, "immutable", yes("so in any case while the pod runs")),
    field(ClaimSpec, "accessModes", YES),
    field(ClaimSpec, "resources", YES),
    field(ClaimSpec, "storageClassName", ignored(Text, NO_STORAGE)),
    field(ClaimSpec, "volumeName", ignored(Text, NO_STORAGE)),
    field(ClaimSpec, "selector", ignored(Mapping, NO_STORAGE)),
    field(ClaimSpec, "volumeAttributesClassName", ignored(Text, NO_STORAGE)),
    field(ClaimSpec, "volumeMode", not_built_unless(&["Filesystem"], NO_VOLUMES)),
    field(ClaimSpec, "dataSource", not_built(NO_VOLUMES)),
    field(ClaimSpec, "dataSourceRef", not_built(NO_VOLUMES)),
    field(ClaimResources, "requests", YES),
    field(ClaimResources, "limits", not_built(DO_WITHOUT)),
    field(ClaimRequests, "storage", YES),
    field(List, "items", YES),
    field(ListMetadata, "resourceVersion", ignored(Text, FROM_SERVER)),
    field(ListMetadata, "continue", ignored(Text, FROM_SERVER)),
    field(ListMetadata, "remainingItemCount", ignored(Integer, FROM_SERVER)),
    field(ListMetadata, "selfLink", ignored(Text, FROM_SERVER)),

    // What surrounds the containers, and what they may
    field(HostAlias, "ip", YES),
    field(HostAlias, "hostnames", YES),
    field(DnsConfig, "nameservers", yes("at most 3")),
    field(DnsConfig, "searches", yes("at most 32, of 2048 characters together")),
    field(DnsConfig, "options", YES),
    field(DnsOption, "name", YES),
    field(DnsOption, "value", YES),
    field(PodSecurityContext, "runAsUser", yes("0 to 2147483647")),
    field(PodSecurityContext, "runAsGroup", yes("0 to 2147483647")),
    field(PodSecurityContext, "runAsNonRoot", YES),
    field(PodSecurityContext, "supplementalGroups", YES),
    field(PodSecurityContext, "supplementalGroupsPolicy", yes("`Merge`, `Strict`")),
    field(PodSecurityContext, "fsGroup", YES),
    field(PodSecurityContext, "fsGroupChangePolicy", yes("`Always`, `OnRootMismatch`")),
    field(PodSecurityContext, "sysctls", yes("of the pod's own namespaces: kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*, net.*")),
    field(PodSecurityContext, "seccompProfile", YES),
    field(PodSecurityContext, "appArmorProfile", YES),
    field(PodSecurityContext, "seLinuxOptions", YES),
    field(PodSecurityContext, "seLinuxChangePolicy", refused("no volume gets another label on one host", "remove it")),
    field(PodSecurityContext, "windowsOptions", refused("podinit runs on Linux", "remove it")),
    field(Sysctl, "name", yes("with dots, or with slashes")),
    field(Sysctl, "value", YES),
    field(SeccompProfile, "type", yes("`RuntimeDefault`, `Localhost`, `Unconfined`")),
    field(SeccompProfile, "localhostProfile", yes("a path below the directory of profiles, for `Localhost`")),
    field(AppArmorProfile, "type", yes("`RuntimeDefault` (podinit-default, loaded where it is not), `Localhost`, `Unconfined`; where nothing is written, none")),
    field(AppArmorProfile, "localhostProfile", yes("the name of a loaded profile, for `Localhost`")),
    field(SeLinuxOptions, "user", YES),
    field(SeLinuxOptions, "role", YES),
    field(SeLinuxOptions, "type", YES),
    field(SeLinuxOptions, "level", YES),
    field(SecurityContext, "runAsUser", yes("0 to 2147483647")),
    field(SecurityContext, "runAsGroup", yes("0 to 2147483647")),
    field(SecurityContext, "runAsNonRoot", YES),
    field(SecurityContext, "allowPrivilegeEscalation", yes("`false` not with privileged or CAP_SYS_ADMIN")),
    field(SecurityContext, "capabilities", YES),
    field(SecurityContext, "privileged", YES),
    field(SecurityContext, "readOnlyRootFilesystem", YES),
    field(SecurityContext, "procMount", yes("`Unmasked` needs `hostUsers: false`")),
    field(SecurityContext, "seccompProfile", yes("as that of the pod")),
    field(SecurityContext, "appArmorProfile", yes("as that of the pod")),
    field(SecurityContext, "seLinuxOptions", yes("as those of the pod")),
    field(SecurityContext, "windowsOptions", refused("podinit runs on Linux", "remove it")),
    field(Capabilities, "add", yes("names with or without `CAP_`, or `ALL`")),
    field(Capabilities, "drop", yes("names with or without `CAP_`, or `ALL`; dropping comes first")),
    field(VolumeMount, "name", yes("of a volume of the pod")),
    field(VolumeMount, "mountPath", yes("absolute, and not `/`, /proc, /sys or below these")),
    field(VolumeMount, "readOnly", YES),
    field(VolumeMount, "recursiveReadOnly", yes("`Disabled`; `IfPossible`, `Enabled` with readOnly and without mountPropagation")),
    field(VolumeMount, "subPath", YES),
    field(VolumeMount, "subPathExpr", yes("`$(VAR)` is expanded")),
    field(VolumeMount, "mountPropagation", yes("`None`, `HostToContainer`; `Bidirectional` for privileged containers, in a hostPath as root")),
    field(VolumeMount, "bindMountOptions", not_built(DO_WITHOUT)),

    // A volume
    field(Volume, "name", YES),
    field(Volume, "emptyDir", YES),
    field(Volume, "hostPath", YES),
    field(Volume, "configMap", yes("of the manifest")),
    field(Volume, "secret", yes("of the manifest; its values are shown nowhere")),
    field(Volume, "downwardAPI", YES),
    field(Volume, "projected", YES),
    field(Volume, "persistentVolumeClaim", yes("a directory of this host that outlives the pod")),
    field(Volume, "image", yes("a directory that `--image` gives for its name")),
    field(Volume, "ephemeral", not_built(NO_EPHEMERAL)),
    field(Volume, "nfs", not_built(NO_NFS)),
    field(Volume, "csi", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "iscsi", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "fc", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "flexVolume", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "gitRepo", refused("Kubernetes has given it up", "clone into an emptyDir with an init container")),
    field(Volume, "awsElasticBlockStore", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "azureDisk", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "azureFile", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "cephfs", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "cinder", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "flocker", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "gcePersistentDisk", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "glusterfs", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "photonPersistentDisk", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "portworxVolume", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "quobyte", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "rbd", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "scaleIO", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "storageos", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(Volume, "vsphereVolume", refused(ONLY_A_CLUSTER, MOUNT_IT)),
    field(EmptyDir, "medium", yes("`Memory`")),
    field(EmptyDir, "sizeLimit", yes("enforced in memory; on disk a warning says that it is not")),
    field(EmptyDir, "mode", yes("0 to 01777")),
    field(HostPath, "path", yes("absolute")),
    field(HostPath, "type", yes("`DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`, `Socket`, `CharDevice`, `BlockDevice`")),
    field(ConfigMapVolume, "name", YES),
    field(ConfigMapVolume, "items", YES),
    field(ConfigMapVolume, "defaultMode", yes("0 to 0777")),
    field(ConfigMapVolume, "optional", YES),
    field(ConfigMapVolume, "defaultUser", not_built(DO_WITHOUT)),
    field(SecretVolume, "secretName", YES),
    field(SecretVolume, "items", yes("as those of `configMap`")),
    field(SecretVolume, "defaultMode", yes("0 to 0777")),
    field(SecretVolume, "optional", YES),
    field(SecretVolume, "defaultUser", not_built(DO_WITHOUT)),
    field(DownwardVolume, "items", YES),
    field(DownwardVolume, "defaultMode", yes("0 to 0777")),
    field(DownwardVolume, "defaultUser", not_built(DO_WITHOUT)),
    field(ProjectedVolume, "sources", yes("no two files at one path")),
    field(ProjectedVolume, "defaultMode", yes("0 to 0777")),
    field(ProjectedVolume, "defaultUser", not_built(DO_WITHOUT)),
    field(ClaimVolume, "claimName", YES),
    field(ClaimVolume, "readOnly", YES),
    field(ImageVolume, "reference", YES),
    field(ImageVolume, "pullPolicy", ignored(Word(&["IfNotPresent", "Always", "Never"]), NO_IMAGES)),
    field(KeyToPath, "key", YES),
    field(KeyToPath, "path", yes("relative, not beginning with `..`")),
    field(KeyToPath, "mode", yes("0 to 0777")),
    field(DownwardFile, "path", yes("relative, not beginning with `..`")),
    field(DownwardFile, "mode", yes("0 to 0777")),
    field(DownwardFile, "fieldRef", YES),
    field(DownwardFieldRef, "apiVersion", yes("`v1`")),
    field(DownwardFieldRef, "fieldPath", yes("metadata.name, namespace, uid, labels and annotations, as a whole or one of them")),
    field(DownwardFile, "resourceFieldRef", yes("with `containerName`")),
    field(ProjectedSource, "configMap", YES),
    field(ProjectedSource, "secret", yes("with the fields of `configMap`")),
    field(ProjectedSource, "downwardAPI", YES),
    field(ProjectedSource, "serviceAccountToken", refused("only a cluster can issue it", "remove it")),
    field(ProjectedSource, "clusterTrustBundle", refused("only a cluster can issue it", "remove it")),
    field(ProjectedSource, "podCertificate", refused("only a cluster can issue it", "remove it")),
    field(ProjectedObject, "name", YES),
    field(ProjectedObject, "items", yes("as those of `configMap`")),
    field(ProjectedObject, "optional", YES),
    field(ProjectedDownward, "items", yes("as those of `downwardAPI`")),

    // Below fields that are not built, and refused with them
    field(Below("containers[].volumeDevices[]"), "name", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeDevices[]"), "devicePath", not_built(NO_VOLUMES)),
];

/// What stands above the table in `docs/spec-support.md`.
#[cfg(test)]
pub(super) const INTRODUCTION: &str = "\
# What podinit makes of each kind and each field

A manifest has one object that is run: a Pod, or one that has the template of a pod. Other objects may
stand beside it, as further documents or files; what each kind is to podinit:

- *run*: its pod is run. There is exactly one such object. Of a template one pod is run.
- *read*: read and checked.
- *ignored*: it has no meaning on one host. podinit says so in a warning, and refuses it under `--kube-strict`.

Other kinds are errors. In TOML there are pods only.

| kind | apiVersion | class | note |
|---|---|---|---|
";

/// What stands between the kinds and the fields in `docs/spec-support.md`.
#[cfg(test)]
pub(super) const FIELDS_INTRODUCTION: &str = "
## Fields
Every field of the Kubernetes Pod API that a manifest can have, and of the kinds that are run or read, is in
one of three classes.

- *implemented*: read, checked and applied.
- *ignored*: it has no meaning on one host. podinit says so in a warning, and refuses the manifest under
  `--kube-strict`. A value that the API server would refuse for its type is refused here, too.
- *refused*: podinit does not start the pod. A field that is not built yet is refused, never read and
  then not applied; so is every field that would protect something and cannot.

Nothing else is accepted: a key that is not in this table is an error. A field that is refused or ignored
may be there with an empty value (`null`, `{}`, `[]`, `\"\"`), as in the output of `kubectl get -o yaml`.
`containers[]` is an entry of `spec.containers` or `spec.initContainers`; in TOML, `spec` is the top of
the file. `probe` is `startupProbe`, `livenessProbe` or `readinessProbe`, `hook` is `postStart` or
`preStop` in `lifecycle`. `template` is that of any kind, `selector` as well; a
ReplicationController has the fields of a ReplicaSet.

This file is written by a test from `src/spec/kind.rs` and `src/spec/fields/table.rs`:
`PODINIT_BLESS=1 cargo test --lib fields`.

| field | class | note |
|---|---|---|
";
