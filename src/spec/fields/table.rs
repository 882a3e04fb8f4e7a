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
const NO_VOLUMES: &str = "leave it out; in profile `process` the containers see this host's own files";
const NO_SECURITY: &str = "leave it out to run as the user that podinit runs as, with that user's rights";
const NO_ISOLATION: &str = "leave it out; in profile `process` the containers share this host's namespaces";
const BY_CGROUPS: &str =
    "by cgroup v2; a limit that this host cannot enforce is a warning, with `--strict` an error";
const NO_RESOURCES: &str = "leave it out, and limit podinit itself if the pod needs limits";
const NO_FILE_KEYS: &str = "leave it out; in TOML `envFile` reads a file of this host";
const NO_HOST_PORT: &str = "leave it out; in profile `process` the container listens on this host itself";
const SO_ALREADY: &str =
    "so already in profile `process`, where `false` says no more than leaving it out, as it is the default";
const HOST_DNS: &str = "leave it out; in profile `process` the containers resolve names as this host does";
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
    field(Metadata, "annotations", yes("those of podinit.dev/ are settings: `profile`, `crashLoopBackOff.initialDelaySeconds`, `crashLoopBackOff.maxDelaySeconds`; those of podinit.dev/CONTAINER. are a container's: `keystone`, `startAfter`, `notify`, `crashLoopBackOff.initialDelaySeconds`, `crashLoopBackOff.maxDelaySeconds`, `lifecycle.postStart.timeoutSeconds`, `lifecycle.preStop.timeoutSeconds`")),
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
    field(Toml, "profile", yes("`process`; `pod` is refused until it is built")),
    field(Toml, "crashLoopBackOff", YES),
    field(CrashLoopBackOff, "initialDelaySeconds", yes("0 and fractions allowed; 1 with a maxDelaySeconds of 60 is what KEP-4603 has for a whole cluster")),
    field(CrashLoopBackOff, "maxDelaySeconds", yes("0 and fractions allowed")),
    field(TomlContainer, "keystone", yes("`true`: the end of this main container ends the pod")),
    field(TomlContainer, "startAfter", yes("names of main containers that must have started before")),
    field(TomlContainer, "notify", yes("`socket`: ready when it says so through NOTIFY_SOCKET; `fd:3`: with a newline on that descriptor")),
    field(TomlContainer, "crashLoopBackOff", yes("as that of the pod, for this container")),
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
    field(Spec, "volumes", not_built(NO_VOLUMES)),
    field(Spec, "hostname", not_built(DO_WITHOUT)),
    field(Spec, "subdomain", not_built(DO_WITHOUT)),
    field(Spec, "setHostnameAsFQDN", not_built_unless(&["false"], DO_WITHOUT)),
    field(Spec, "hostnameOverride", not_built(DO_WITHOUT)),
    field(Spec, "hostAliases", not_built(DO_WITHOUT)),
    field(Spec, "dnsPolicy", not_built_unless(&["ClusterFirst", "ClusterFirstWithHostNet", "Default"], HOST_DNS)),
    field(Spec, "dnsConfig", not_built(HOST_DNS)),
    field(Spec, "hostNetwork", yes(SO_ALREADY)),
    field(Spec, "hostPID", yes(SO_ALREADY)),
    field(Spec, "hostIPC", yes(SO_ALREADY)),
    field(Spec, "hostUsers", not_built_unless(&["true"], NO_ISOLATION)),
    field(Spec, "shareProcessNamespace", not_built_unless(&["false"], NO_ISOLATION)),
    field(Spec, "securityContext", not_built(NO_SECURITY)),
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
    field(Container, "stdin", not_built_unless(&["false"], DO_WITHOUT)),
    field(Container, "stdinOnce", not_built_unless(&["false"], DO_WITHOUT)),
    field(Container, "tty", not_built_unless(&["false"], DO_WITHOUT)),
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
    field(Container, "terminationMessagePath", not_built_unless(&["/dev/termination-log"], DO_WITHOUT)),
    field(Container, "terminationMessagePolicy", YES),
    field(Container, "securityContext", not_built(NO_SECURITY)),
    field(Container, "volumeMounts", not_built(NO_VOLUMES)),
    field(Container, "volumeDevices", not_built(NO_VOLUMES)),
    field(Container, "targetContainerName", refused("only containers that are added to a running pod have it", "remove it")),
    field(EnvVar, "name", YES),
    field(EnvVar, "value", yes("`$(VAR)` is expanded")),
    field(EnvVar, "valueFrom", yes("exactly one source")),
    field(EnvVarSource, "configMapKeyRef", yes("of a ConfigMap of the manifest, in the pod's namespace; `binaryData` is for files")),
    field(EnvVarSource, "secretKeyRef", yes("with the fields of `configMapKeyRef`; its value is shown nowhere")),
    field(EnvVarSource, "fieldRef", YES),
    field(EnvVarSource, "resourceFieldRef", YES),
    field(EnvVarSource, "fileKeyRef", not_built(NO_FILE_KEYS)),
    field(KeyRef, "name", YES),
    field(KeyRef, "key", YES),
    field(KeyRef, "optional", YES),
    field(FieldRef, "apiVersion", yes("`v1`")),
    field(FieldRef, "fieldPath", yes("in profile `process` the pod's addresses are this host's; the node is called as the host")),
    field(ResourceFieldRef, "containerName", YES),
    field(ResourceFieldRef, "resource", yes("of `cpu` and `memory`; a limit that is missing is the pod's, else what this host has")),
    field(ResourceFieldRef, "divisor", YES),
    field(ContainerPort, "containerPort", YES),
    field(ContainerPort, "name", YES),
    field(ContainerPort, "protocol", YES),
    field(ContainerPort, "hostPort", not_built_unless(&["0"], NO_HOST_PORT)),
    field(ContainerPort, "hostIP", not_built(NO_HOST_PORT)),
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

    // Below fields that are not built, and refused with them
    field(Below("spec.hostAliases[]"), "ip", not_built(DO_WITHOUT)),
    field(Below("spec.hostAliases[]"), "hostnames", not_built(DO_WITHOUT)),
    field(Below("spec.dnsConfig"), "nameservers", not_built(HOST_DNS)),
    field(Below("spec.dnsConfig"), "searches", not_built(HOST_DNS)),
    field(Below("spec.dnsConfig"), "options", not_built(HOST_DNS)),
    field(Below("spec.securityContext"), "runAsUser", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "runAsGroup", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "runAsNonRoot", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "supplementalGroups", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "supplementalGroupsPolicy", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "fsGroup", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "fsGroupChangePolicy", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "sysctls", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "seccompProfile", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "appArmorProfile", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "seLinuxOptions", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "seLinuxChangePolicy", not_built(NO_SECURITY)),
    field(Below("spec.securityContext"), "windowsOptions", refused("podinit runs on Linux", "remove it")),
    field(Below("spec.securityContext.sysctls[]"), "name", not_built(NO_SECURITY)),
    field(Below("spec.securityContext.sysctls[]"), "value", not_built(NO_SECURITY)),
    field(Below("spec.securityContext.seccompProfile"), "type", not_built(NO_SECURITY)),
    field(Below("spec.securityContext.seccompProfile"), "localhostProfile", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "runAsUser", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "runAsGroup", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "runAsNonRoot", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "allowPrivilegeEscalation", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "capabilities", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "privileged", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "readOnlyRootFilesystem", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "procMount", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "seccompProfile", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "appArmorProfile", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "seLinuxOptions", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext"), "windowsOptions", refused("podinit runs on Linux", "remove it")),
    field(Below("containers[].securityContext.capabilities"), "add", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext.capabilities"), "drop", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext.seccompProfile"), "type", not_built(NO_SECURITY)),
    field(Below("containers[].securityContext.seccompProfile"), "localhostProfile", not_built(NO_SECURITY)),
    field(Below("containers[].env[].valueFrom.fileKeyRef"), "volumeName", not_built(NO_FILE_KEYS)),
    field(Below("containers[].env[].valueFrom.fileKeyRef"), "path", not_built(NO_FILE_KEYS)),
    field(Below("containers[].env[].valueFrom.fileKeyRef"), "key", not_built(NO_FILE_KEYS)),
    field(Below("containers[].env[].valueFrom.fileKeyRef"), "optional", not_built(NO_FILE_KEYS)),
    field(Below("containers[].volumeMounts[]"), "name", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeMounts[]"), "mountPath", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeMounts[]"), "readOnly", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeMounts[]"), "recursiveReadOnly", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeMounts[]"), "subPath", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeMounts[]"), "subPathExpr", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeMounts[]"), "mountPropagation", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeMounts[]"), "bindMountOptions", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeDevices[]"), "name", not_built(NO_VOLUMES)),
    field(Below("containers[].volumeDevices[]"), "devicePath", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "name", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "emptyDir", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "hostPath", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "configMap", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "secret", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "downwardAPI", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "projected", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "persistentVolumeClaim", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "image", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "ephemeral", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "nfs", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].emptyDir"), "medium", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].emptyDir"), "sizeLimit", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].emptyDir"), "mode", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].hostPath"), "path", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].hostPath"), "type", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].configMap"), "name", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].configMap"), "items", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].configMap"), "defaultMode", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].configMap"), "optional", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].configMap"), "defaultUser", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].secret"), "secretName", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].secret"), "items", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].secret"), "defaultMode", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].secret"), "optional", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].secret"), "defaultUser", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].downwardAPI"), "items", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].downwardAPI"), "defaultMode", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].downwardAPI"), "defaultUser", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].projected"), "defaultMode", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].projected"), "defaultUser", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].projected.sources[]"), "configMap", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].projected.sources[]"), "secret", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].projected.sources[]"), "downwardAPI", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].projected.sources[]"), "serviceAccountToken", refused("only a cluster can issue it", "remove it")),
    field(Below("spec.volumes[].projected.sources[]"), "clusterTrustBundle", refused("only a cluster can issue it", "remove it")),
    field(Below("spec.volumes[].projected.sources[]"), "podCertificate", refused("only a cluster can issue it", "remove it")),
    field(Below("spec.volumes[].persistentVolumeClaim"), "claimName", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].persistentVolumeClaim"), "readOnly", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].image"), "reference", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[].image"), "pullPolicy", not_built(NO_VOLUMES)),
    field(Below("spec.volumes[]"), "csi", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "iscsi", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "fc", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "flexVolume", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "gitRepo", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "awsElasticBlockStore", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "azureDisk", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "azureFile", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "cephfs", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "cinder", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "flocker", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "gcePersistentDisk", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "glusterfs", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "photonPersistentDisk", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "portworxVolume", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "quobyte", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "rbd", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "scaleIO", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "storageos", refused("only a cluster can attach it", "mount it on this host and use the directory")),
    field(Below("spec.volumes[]"), "vsphereVolume", refused("only a cluster can attach it", "mount it on this host and use the directory")),
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
