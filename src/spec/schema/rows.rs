//! What the schema says of each field that is implemented: its form, a sentence, its default. A test
//! of `schema` compares this table with that of `fields`. Knows fields by name, no manifest.

use super::super::fields::Place::{self, *};
use super::form::{self, Form};

/// One implemented field.
pub(super) struct Row {
    pub place: Place,
    pub name: &'static str,
    pub form: Form,
    pub text: &'static str,
    /// What holds where the field is left out, as it is written in JSON.
    pub default: Option<&'static str>,
    pub need: Need,
}

/// Whether a field may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Optional,
    Required,
    /// In Kubernetes' objects an image may have it.
    RequiredInToml,
}

impl Row {
    pub fn find(place: Place, name: &str) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.place == place && row.name == name)
    }

    const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    const fn required(self) -> Self {
        Self { need: Need::Required, ..self }
    }

    const fn required_in_toml(self) -> Self {
        Self { need: Need::RequiredInToml, ..self }
    }
}

const fn row(place: Place, name: &'static str, form: Form, text: &'static str) -> Row {
    Row { place, name, form, text, default: None, need: Need::Optional }
}

/// A number that Kubernetes keeps in 32 bits.
const COUNT: Form = Form::Integer(0, i32::MAX as i64);
const RESTART_POLICIES: Form = Form::Word(&["Always", "OnFailure", "Never"]);

/// Every implemented field, once, in the order of the table of fields.
#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    row(Document, "apiVersion", Form::Word(&["v1"]), "Version of the Kubernetes API that the kind belongs to.").required(),
    row(Document, "kind", Form::Word(&["Pod"]), "What the document describes.").required(),
    row(Document, "metadata", Form::Object(Metadata), "What the object is called, and what is noted on it.").required(),
    row(Document, "spec", Form::Object(Spec), "What the object is: a pod's containers, or the template of a pod and what is done with it.").required(),

    row(Metadata, "name", Form::Text(form::SUBDOMAIN), "Name of the object and of its pod: lower-case letters, digits, `-` and `.`."),
    row(Metadata, "generateName", Form::Text(form::NAME_PREFIX), "Beginning of the name that a cluster makes up; here the name itself, where there is none."),
    row(Metadata, "namespace", Form::Text(form::NAMESPACE), "Namespace of the object and of its pod.").default("\"default\""),
    row(Metadata, "labels", Form::Labels, "Short words by which programs tell pods apart."),
    row(Metadata, "annotations", Form::Annotations, "Any text for people and programs."),

    row(Toml, "name", Form::Text(form::SUBDOMAIN), "Name of the pod: lower-case letters, digits, `-` and `.`; left out, the name of the file."),
    row(Toml, "namespace", Form::Text(form::NAMESPACE), "Namespace of the pod, a word in messages.").default("\"default\""),
    row(Toml, "labels", Form::Labels, "Short words by which programs tell pods apart."),
    row(Toml, "annotations", Form::Annotations, "Any text for people and programs."),
    row(Toml, "profile", Form::Word(&["process", "pod"]), "Defaults and surroundings: `process` is this host's own files, environment and namespaces, `pod` is what a Kubernetes node gives. TOML has `process` where it is left out, YAML has `pod`; `--profile` wins."),
    row(Toml, "crashLoopBackOff", Form::Object(CrashLoopBackOff), "How long a container that keeps ending waits before its next start."),
    row(CrashLoopBackOff, "initialDelaySeconds", Form::Seconds, "Delay before the second restart; the first is immediate, and each further delay doubles.").default("10"),
    row(CrashLoopBackOff, "maxDelaySeconds", Form::Seconds, "The longest delay.").default("300"),

    row(Spec, "initContainers", Form::InitContainers, "Containers that run before the main ones, one after the other; those with `restartPolicy: Always` are sidecars, kept running and stopped last."),
    row(Spec, "containers", Form::Containers, "The main containers. The pod lasts as long as these, and podinit exits with their result.").required(),
    row(Spec, "restartPolicy", Form::WordOrEmpty(&["Always", "OnFailure", "Never"]), "Whether a container that ended is started again. Left out, it is `Never` in profile `process` and `Always` in profile `pod`."),
    row(Spec, "terminationGracePeriodSeconds", Form::Integer(i64::MIN, i64::MAX), "Seconds that all containers together have between the stop signal and SIGKILL; less than 0 counts as 1. `--grace` holds where it is left out.").default("30"),
    row(Spec, "activeDeadlineSeconds", Form::Integer(1, i32::MAX as i64), "Seconds that the pod may be active; then it has failed and what runs is stopped."),
    row(Spec, "hostNetwork", Form::Boolean, "Use this host's network.").default("false"),
    row(Spec, "hostPID", Form::Boolean, "See this host's processes.").default("false"),
    row(Spec, "hostIPC", Form::Boolean, "Share this host's System V IPC objects and message queues.").default("false"),
    row(Spec, "os", Form::Object(Os), "Operating system that the containers need."),
    row(Spec, "resources", Form::Object(Resources), "What the pod as a whole asks for and is limited to."),
    row(Spec, "readinessGates", Form::Objects { place: ReadinessGate, most: None }, "Conditions that have to be True before the pod is Ready."),
    row(ReadinessGate, "conditionType", Form::Text(form::CONDITION), "Type of the condition.").required(),
    row(Os, "name", Form::Word(&["linux"]), "Name of the operating system.").required(),

    row(Container, "name", Form::Text(form::LABEL), "Name of the container, unique in the pod: lower-case letters, digits and `-`.").required(),
    row(Container, "image", Form::Text(form::IMAGE), "Image that the container was built from."),
    row(Container, "command", Form::Program, "Program and its first arguments, run without a shell.").required_in_toml(),
    row(Container, "args", Form::Strings { least: 0 }, "Further arguments, put after `command`."),
    row(Container, "workingDir", Form::Text(form::ANY), "Directory that the program starts in."),
    row(Container, "ports", Form::Objects { place: ContainerPort, most: None }, "Ports that the container listens on; probes may use their names."),
    row(Container, "env", Form::Environment, "Environment variables, in order; the last of two equal names counts."),
    row(Container, "envFrom", Form::Objects { place: EnvFrom, most: None }, "Objects whose values become variables, in order; `env` wins over these, and a later one over an earlier one."),
    row(EnvFrom, "configMapRef", Form::Object(ObjectRef), "A ConfigMap: every text of its `data`."),
    row(EnvFrom, "secretRef", Form::Object(ObjectRef), "A Secret: every value."),
    row(EnvFrom, "prefix", Form::Text(form::VARIABLE_PREFIX), "Stands before each key.").default("\"\""),
    row(ObjectRef, "name", Form::Text(form::SUBDOMAIN), "Name of the object, in the pod's namespace.").required(),
    row(ObjectRef, "optional", Form::Boolean, "Whether the container starts without the object.").default("false"),
    row(Container, "restartPolicy", RESTART_POLICIES, "Whether this container is started again when it ended; left out, the pod's policy holds."),
    row(Container, "restartPolicyRules", Form::Objects { place: RestartRule, most: Some(20) }, "Exceptions from `restartPolicy` for some exit codes; the first that matches decides."),
    row(Container, "resizePolicy", Form::Objects { place: ResizePolicy, most: None }, "Whether a change of a resource restarts the container."),
    row(ResizePolicy, "resourceName", Form::Word(&["cpu", "memory"]), "The resource.").required(),
    row(ResizePolicy, "restartPolicy", Form::Word(&["NotRequired", "RestartContainer"]), "What a change of it means.").required(),
    row(Container, "livenessProbe", Form::Object(Probe), "Check that a running container has to pass; one that it fails for is restarted."),
    row(Container, "readinessProbe", Form::Object(Probe), "Check that decides whether the container is ready."),
    row(Container, "startupProbe", Form::Object(Probe), "Check that has to succeed once before what comes after a sidecar is started; a container that it fails for is stopped."),
    row(Container, "lifecycle", Form::Object(Lifecycle), "What is done after the start and before the stop."),
    row(Lifecycle, "postStart", Form::Object(LifecycleHandler), "Done right after the start; the container has started once it is done."),
    row(Lifecycle, "preStop", Form::Object(LifecycleHandler), "Done before the stop signal, within the grace period."),
    row(Lifecycle, "stopSignal", Form::StopSignal, "Signal that asks the container to end."),
    row(LifecycleHandler, "exec", Form::Object(ExecAction), "Run a command as the container would; exit code 0 is success."),
    row(LifecycleHandler, "httpGet", Form::Object(HttpGetAction), "Ask for a page; any answer is success."),
    row(LifecycleHandler, "sleep", Form::Object(SleepAction), "Wait."),
    row(LifecycleHandler, "tcpSocket", Form::Object(TcpSocketAction), "Always a failure, as in Kubernetes."),
    row(SleepAction, "seconds", Form::Integer(0, i64::MAX), "Seconds, at most those of the grace period.").required(),
    row(Container, "terminationMessagePolicy", Form::WordOrEmpty(&["File", "FallbackToLogsOnError"]), "Where the message about a failure comes from.").default("\"File\""),
    row(TomlContainer, "envFile", Form::Paths, "Files with lines `NAME=value`, read at each start; relative to the manifest. `envFrom` and `env` win over these."),
    row(TomlContainer, "envFromFiles", Form::NamedPaths, "Variables whose values are what these files hold, without the line breaks at the end: for secrets. Read at each start; relative to the manifest."),
    row(TomlContainer, "keystone", Form::Boolean, "Whether the end of this main container ends the pod.").default("false"),
    row(TomlContainer, "startAfter", Form::Strings { least: 0 }, "Main containers that must have started before this one does."),
    row(TomlContainer, "notify", Form::Text(form::NOTIFY), "How the container says that it has started: `socket` for NOTIFY_SOCKET, `fd:3` for a newline on that descriptor."),
    row(TomlContainer, "crashLoopBackOff", Form::Object(CrashLoopBackOff), "How long this container waits before its next start when it keeps ending."),
    row(TomlLifecycleHandler, "timeoutSeconds", Form::Timeout, "Seconds that the hook may take."),
    row(Container, "resources", Form::Object(Resources), "What the container asks for and is limited to."),
    row(Resources, "requests", Form::Object(Amounts), "What it is to have at least; left out, as much as its limit."),
    row(Resources, "limits", Form::Object(Amounts), "What it may have at most."),
    row(Amounts, "cpu", Form::Quantity, "Processors: `0.5` or `500m` is half of one."),
    row(Amounts, "memory", Form::Quantity, "Bytes: `64Mi`, `1G`."),
    row(EnvVar, "name", Form::Text(form::VARIABLE), "Name of the variable: printable ASCII without `=`.").required(),
    row(EnvVar, "value", Form::Text(form::ANY), "Value of the variable.").default("\"\""),
    row(EnvVar, "valueFrom", Form::Object(EnvVarSource), "Where the value comes from."),
    row(EnvVarSource, "configMapKeyRef", Form::Object(KeyRef), "A text of a ConfigMap."),
    row(EnvVarSource, "secretKeyRef", Form::Object(KeyRef), "A value of a Secret."),
    row(EnvVarSource, "fieldRef", Form::Object(FieldRef), "Something about the pod."),
    row(EnvVarSource, "resourceFieldRef", Form::Object(ResourceFieldRef), "What a container asks for or is limited to."),
    row(KeyRef, "name", Form::Text(form::SUBDOMAIN), "Name of the object, in the pod's namespace.").required(),
    row(KeyRef, "key", Form::Text(form::CONFIG_KEY), "Key in the object.").required(),
    row(KeyRef, "optional", Form::Boolean, "Whether the container starts without the key or the object; there is no variable then.").default("false"),
    row(FieldRef, "apiVersion", Form::WordOrEmpty(&["v1"]), "Version of the API that the path is of.").default("\"v1\""),
    row(FieldRef, "fieldPath", Form::Text(form::FIELD_PATH), "Which field: `metadata.name`, `metadata.labels['app']`, `spec.nodeName`, `status.podIP` and others.").required(),
    row(ResourceFieldRef, "containerName", Form::Text(form::ANY), "Which container; left out, this one."),
    row(ResourceFieldRef, "resource", Form::Word(&["limits.cpu", "limits.memory", "requests.cpu", "requests.memory"]), "Which amount.").required(),
    row(ResourceFieldRef, "divisor", Form::Quantity, "Unit that it is counted in, rounded up: `1` or `1m` for cpu, `1`, `1k`, `1Mi` and the like for memory.").default("\"1\""),
    row(ContainerPort, "containerPort", Form::Integer(1, 65535), "Number of the port.").required(),
    row(ContainerPort, "name", Form::Text(form::OPTIONAL_PORT_NAME), "Name of the port, unique in the container: at most 15 lower-case letters, digits and `-`."),
    row(ContainerPort, "protocol", Form::WordOrEmpty(&["TCP", "UDP", "SCTP"]), "Protocol of the port.").default("\"TCP\""),
    row(RestartRule, "action", Form::Word(&["Restart", "RestartAllContainers"]), "What is done when the rule matches.").required(),
    row(RestartRule, "exitCodes", Form::Object(ExitCodes), "Exit codes that the rule is about.").required(),
    row(ExitCodes, "operator", Form::Word(&["In", "NotIn"]), "Whether the exit code has to be one of `values` or none of them.").required(),
    row(ExitCodes, "values", Form::Codes, "Exit codes, 0 to 255."),

    row(Probe, "exec", Form::Object(ExecAction), "Run a command as the container would; exit code 0 is success."),
    row(Probe, "httpGet", Form::Object(HttpGetAction), "Ask for a page over HTTP; a status from 200 to 399 is success."),
    row(Probe, "tcpSocket", Form::Object(TcpSocketAction), "Open a connection; being accepted is success."),
    row(Probe, "grpc", Form::Object(GrpcAction), "Ask the gRPC health service; SERVING is success."),
    row(Probe, "initialDelaySeconds", Form::ProbeSeconds, "Seconds from the container's start to the first attempt.").default("0"),
    row(Probe, "timeoutSeconds", Form::ProbeSeconds, "Seconds after which an attempt has failed; 0 counts as left out.").default("1"),
    row(Probe, "periodSeconds", Form::ProbeSeconds, "Seconds from the end of one attempt to the next; 0 counts as left out.").default("10"),
    row(Probe, "successThreshold", COUNT, "Successes in a row that count as success; only readiness may need more than one.").default("1"),
    row(Probe, "failureThreshold", COUNT, "Failures in a row that count as failure; 0 counts as left out.").default("3"),
    row(Probe, "terminationGracePeriodSeconds", Form::Integer(1, i64::MAX), "Grace for the stop that a failure causes; left out, the pod's holds."),
    row(ExecAction, "command", Form::Strings { least: 1 }, "Program and arguments, run without a shell.").required(),
    row(HttpGetAction, "path", Form::Text(form::ONE_LINE), "Path and query.").default("\"/\""),
    row(HttpGetAction, "port", Form::Port, "Number of the port, or its name in the container's `ports`.").required(),
    row(HttpGetAction, "host", Form::Host, "Address to connect to; left out, the pod itself."),
    row(HttpGetAction, "scheme", Form::WordOrEmpty(&["HTTP", "HTTPS"]), "How it is asked.").default("\"HTTP\""),
    row(HttpGetAction, "httpHeaders", Form::Objects { place: HttpHeader, most: None }, "Headers of the request; `Host`, `User-Agent` and `Accept` replace podinit's own."),
    row(HttpHeader, "name", Form::Text(form::HEADER), "Name of the header.").required(),
    row(HttpHeader, "value", Form::Text(form::HEADER_VALUE), "Value of the header, on one line.").default("\"\""),
    row(GrpcAction, "port", Form::Integer(1, 65535), "Number of the port.").required(),
    row(GrpcAction, "service", Form::Text(form::ANY), "What is asked about; left out, the server as a whole.").default("\"\""),
    row(TcpSocketAction, "port", Form::Port, "Number of the port, or its name in the container's `ports`.").required(),
    row(TcpSocketAction, "host", Form::Host, "Address to connect to; left out, the pod itself."),

    row(DeploymentSpec, "replicas", COUNT, "Pods that a cluster would run; podinit runs one.").default("1"),
    row(DeploymentSpec, "selector", Form::Object(LabelSelector), "Which pods are the Deployment's: labels that the template has.").required(),
    row(DeploymentSpec, "template", Form::Object(PodTemplate), "The pod.").required(),
    row(StatefulSetSpec, "replicas", COUNT, "Pods that a cluster would run; podinit runs one.").default("1"),
    row(StatefulSetSpec, "selector", Form::Object(LabelSelector), "Which pods are the StatefulSet's: labels that the template has.").required(),
    row(StatefulSetSpec, "template", Form::Object(PodTemplate), "The pod.").required(),
    row(DaemonSetSpec, "selector", Form::Object(LabelSelector), "Which pods are the DaemonSet's: labels that the template has.").required(),
    row(DaemonSetSpec, "template", Form::Object(PodTemplate), "The pod.").required(),
    row(ReplicaSetSpec, "replicas", COUNT, "Pods that a cluster would run; podinit runs one.").default("1"),
    row(ReplicaSetSpec, "selector", Form::Selector, "Which pods are the ReplicaSet's: labels that the template has."),
    row(ReplicaSetSpec, "template", Form::Object(PodTemplate), "The pod.").required(),
    row(JobSpec, "template", Form::Object(PodTemplate), "The pod.").required(),
    row(JobSpec, "parallelism", COUNT, "Pods that a cluster would run at once; podinit runs one.").default("1"),
    row(JobSpec, "completions", COUNT, "Pods that a cluster would run until they succeed; podinit runs one."),
    row(JobSpec, "backoffLimit", COUNT, "So many failures of the pod are forgiven: it is tried again.").default("6"),
    row(JobSpec, "activeDeadlineSeconds", Form::Integer(0, i64::MAX), "Seconds that all tries together may take; then the job has failed and what runs is stopped."),
    row(JobSpec, "selector", Form::Object(LabelSelector), "Which pods are the Job's: labels that the template has."),
    row(JobSpec, "manualSelector", Form::Boolean, "Whether `selector` is written by hand.").default("false"),
    row(CronJobSpec, "jobTemplate", Form::Object(JobTemplate), "The job; podinit runs it once, now.").required(),
    row(JobTemplate, "metadata", Form::Object(TemplateMetadata), "What is noted on the job."),
    row(JobTemplate, "spec", Form::Object(JobSpec), "The job's pod, and how often it is tried.").required(),
    row(PodTemplate, "metadata", Form::Object(TemplateMetadata), "What is noted on the pod."),
    row(PodTemplate, "spec", Form::Object(Spec), "The pod's containers, and how they are run.").required(),
    row(TemplateMetadata, "labels", Form::Labels, "Short words by which programs tell pods apart."),
    row(TemplateMetadata, "annotations", Form::Annotations, "Any text for people and programs."),
    row(LabelSelector, "matchLabels", Form::MatchLabels, "Labels that a pod has to have, with these values."),
    row(LabelSelector, "matchExpressions", Form::Objects { place: SelectorRequirement, most: None }, "What else is asked of a pod's labels."),
    row(SelectorRequirement, "key", Form::Text(form::ANY), "Name of the label.").required(),
    row(SelectorRequirement, "operator", Form::Word(&["In", "NotIn", "Exists", "DoesNotExist"]), "Whether the label has to be there, or have one of `values`.").required(),
    row(SelectorRequirement, "values", Form::Strings { least: 0 }, "Values for `In` and `NotIn`."),

    row(ConfigMap, "data", Form::Data, "Texts under names."),
    row(ConfigMap, "binaryData", Form::BinaryData, "Bytes under names, in Base64."),
    row(ConfigMap, "immutable", Form::Boolean, "Whether a cluster refuses to change it.").default("false"),
    row(Secret, "data", Form::BinaryData, "Values under names, in Base64."),
    row(Secret, "stringData", Form::Data, "Values under names, as plain text; these win over `data`."),
    row(Secret, "type", Form::Text(form::ANY), "What the Secret is for.").default("\"Opaque\""),
    row(Secret, "immutable", Form::Boolean, "Whether a cluster refuses to change it.").default("false"),
    row(ClaimSpec, "accessModes", Form::AccessModes, "How the volume may be used, and by how many.").required(),
    row(ClaimSpec, "resources", Form::Object(ClaimResources), "How much is asked for.").required(),
    row(ClaimResources, "requests", Form::Object(ClaimRequests), "What it has to have at least.").required(),
    row(ClaimRequests, "storage", Form::Size, "Bytes: `500Mi`, `10Gi`.").required(),
    row(List, "items", Form::Items, "Objects, each as in a document of its own.").required(),
];
