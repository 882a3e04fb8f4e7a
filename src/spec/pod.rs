//! The validated pod: what a manifest means once it is known to be right. Every other room reads
//! these types and none of them sees a manifest's text. Values are final: defaults that depend on
//! the profile have been filled in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::resources::Resources;

/// One pod: the containers that are started, watched and stopped together.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Name, namespace, labels and annotations.
    pub metadata: Metadata,
    /// What the pod may assume about its surroundings.
    pub profile: Profile,
    /// What happens when a main or plain init container ends (rule 96).
    pub restart_policy: RestartPolicy,
    /// How long the containers have between the stop signal and SIGKILL, shared by all (rule 82).
    pub termination_grace_period: Duration,
    /// How long a container that keeps ending waits before its next start (rule 109).
    pub crash_loop_back_off: CrashLoopBackOff,
    /// Of the pod as a whole, which replace the sum of the containers' (rule 164).
    pub resources: Resources,
    /// Run before the main containers, in this order; those with `restartPolicy: Always` are sidecars.
    pub init_containers: Vec<Container>,
    /// The main containers. Never empty.
    pub containers: Vec<Container>,
    /// Containers added to a running pod for debugging. No manifest carries them (rule 18).
    pub ephemeral_containers: Vec<Container>,
}

/// What identifies the pod to people and programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// DNS-1123 subdomain of at most 253 characters.
    pub name: Arc<str>,
    /// DNS-1123 label; a word in messages, nothing more on one host.
    pub namespace: Arc<str>,
    /// As written.
    pub labels: BTreeMap<String, String>,
    /// As written, without those of `podinit.dev/`: they are settings, and have fields of their own.
    pub annotations: BTreeMap<String, String>,
}

/// The set of defaults a pod is run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The host's own files, environment and namespaces: what a process supervisor gives.
    Process,
    /// What a Kubernetes node gives a pod.
    Pod,
}

/// What a container's end leads to (rule 96).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Start again, whatever the exit code. On an entry of `initContainers`: a sidecar.
    Always,
    /// Start again after an exit code other than 0.
    OnFailure,
    /// Leave it ended.
    Never,
}

/// The delay before a container that ended is started again. The first restart is immediate; from
/// then on the delay doubles from `initial_delay` to `max_delay` (rule 109).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashLoopBackOff {
    /// Delay before the second restart. Zero: every restart is immediate.
    pub initial_delay: Duration,
    /// Upper bound of the delay; at least `initial_delay`.
    pub max_delay: Duration,
}

impl Default for CrashLoopBackOff {
    fn default() -> Self {
        Self { initial_delay: Duration::from_secs(10), max_delay: Duration::from_secs(300) }
    }
}

/// One container: a command and how it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    /// DNS-1123 label, unique in the pod (rule 19).
    pub name: Arc<str>,
    /// As written; empty where none is given. Only a label in profile `process`.
    pub image: Arc<str>,
    /// Replaces the image's entry point; `$(VAR)` not yet expanded (rule 135).
    pub command: Vec<String>,
    /// Appended to the command; `$(VAR)` not yet expanded (rule 135).
    pub args: Vec<String>,
    /// Where the command starts; `None` is the profile's default.
    pub working_dir: Option<String>,
    /// In order; `$(VAR)` not yet expanded, the last of two equal names counts (rules 133, 134).
    pub env: Vec<EnvVar>,
    /// Documentation, and the names that probes may use.
    pub ports: Vec<ContainerPort>,
    /// Overrides the pod's policy for this container (rule 97). On an init container, `Always`
    /// makes it a sidecar.
    pub restart_policy: Option<RestartPolicy>,
    /// Looked at before the policy when the container exits; the first that matches decides (rule 98).
    pub restart_policy_rules: Vec<RestartRule>,
    /// Holds back what comes after a sidecar, until it succeeds (rule 7).
    pub startup_probe: Option<Probe>,
    /// What it asks for and is limited to.
    pub resources: Resources,
}

/// One environment variable, not yet expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Printable ASCII without `=` (rule 137).
    pub name: String,
    /// As written.
    pub value: String,
}

/// One port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    /// What a probe may call it; unique in the container.
    pub name: Option<String>,
    /// 1 to 65535.
    pub container_port: u16,
    /// Transport.
    pub protocol: Protocol,
}

/// Transport of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// The default.
    Tcp,
    /// Datagrams.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

/// A rule that restarts a container for some of its exit codes (rule 98). Its only action so far
/// is `Restart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartRule {
    /// Whether the code must be among `values` or must not.
    pub operator: ExitCodeOperator,
    /// Exit codes, 0 to 255.
    pub values: Vec<u8>,
}

/// How a rule's exit codes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCodeOperator {
    /// The exit code is one of the values.
    In,
    /// The exit code is none of the values.
    NotIn,
}

/// A check made again and again on a running container (rule 37).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is done.
    pub handler: ProbeHandler,
    /// From the container's start to the first attempt.
    pub initial_delay: Duration,
    /// Longer than this is a failure. At least a second.
    pub timeout: Duration,
    /// From the end of one attempt to the next. At least a second.
    pub period: Duration,
    /// So many successes in a row count as success.
    pub success_threshold: u32,
    /// So many failures in a row count as failure.
    pub failure_threshold: u32,
    /// Grace for the stop that a failure causes; `None` is the pod's (rule 53).
    pub termination_grace_period: Option<Duration>,
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeHandler {
    /// Runs a command as the container would; exit code 0 is success (rule 60).
    Exec {
        /// Not run in a shell. Never empty.
        command: Vec<String>,
    },
    /// Opens a connection (rule 64).
    TcpSocket {
        /// Where to.
        host: ProbeHost,
        /// Named ports have been looked up.
        port: u16,
    },
    /// Asks for a page over plain HTTP; a status from 200 to 399 is success (rule 62).
    HttpGet {
        /// Where to.
        host: ProbeHost,
        /// Named ports have been looked up.
        port: u16,
        /// Path and query, starting with `/`.
        path: String,
        /// Sent as written; `Host`, `User-Agent` and `Accept` replace what we would send (rule 63).
        http_headers: Vec<HttpHeader>,
    },
}

/// A header field of an HTTP probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeader {
    /// A token of RFC 9110.
    pub name: String,
    /// Without control characters.
    pub value: String,
}

/// Where a network probe goes. Names that need a resolver are refused: no resolver runs in PID 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeHost {
    /// The pod's own address, the default.
    Pod,
    /// `localhost`: 127.0.0.1, then ::1.
    Localhost,
    /// A numeric address.
    Address(IpAddr),
}

/// A container's position in the pod: init containers, then main, then ephemeral ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(u32);

/// What a container is to its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerKind {
    /// Runs to its end before the next entry starts.
    Init,
    /// An init container that is kept alive until the main containers have ended.
    Sidecar,
    /// The pod lasts as long as these.
    Main,
    /// Added for debugging; decides nothing (rule 18).
    Ephemeral,
}

impl Container {
    /// A container of this name with nothing else said about it.
    pub fn named(name: &str) -> Self {
        Self {
            name: Arc::from(name),
            image: Arc::from(""),
            command: Vec::new(),
            args: Vec::new(),
            working_dir: None,
            env: Vec::new(),
            ports: Vec::new(),
            restart_policy: None,
            restart_policy_rules: Vec::new(),
            startup_probe: None,
            resources: Resources::default(),
        }
    }

    /// What this container is as an entry of `initContainers` (rule 97).
    pub fn kind_among_init(&self) -> ContainerKind {
        match self.restart_policy {
            Some(RestartPolicy::Always) => ContainerKind::Sidecar,
            Some(RestartPolicy::OnFailure | RestartPolicy::Never) | None => ContainerKind::Init,
        }
    }
}

impl ContainerId {
    /// The container at `position` of [`Pod::ids`].
    pub fn at(position: usize) -> Self {
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    /// Position in the pod, from 0.
    pub fn position(self) -> usize {
        self.0 as usize
    }
}

impl Pod {
    /// Every container with its id and kind: init containers, main containers, ephemeral ones.
    pub fn iter(&self) -> impl Iterator<Item = (ContainerId, ContainerKind, &Container)> {
        let init = self.init_containers.iter().map(|c| (c.kind_among_init(), c));
        let main = self.containers.iter().map(|c| (ContainerKind::Main, c));
        let ephemeral = self.ephemeral_containers.iter().map(|c| (ContainerKind::Ephemeral, c));
        init.chain(main)
            .chain(ephemeral)
            .enumerate()
            .map(|(position, (kind, container))| (ContainerId::at(position), kind, container))
    }

    /// The container with this id, if the pod has one.
    pub fn container(&self, id: ContainerId) -> Option<&Container> {
        let position = id.position();
        let main = position.checked_sub(self.init_containers.len());
        let ephemeral = main.and_then(|position| position.checked_sub(self.containers.len()));
        match (main, ephemeral) {
            (None, _) => self.init_containers.get(position),
            (Some(main), None) => self.containers.get(main),
            (Some(_), Some(ephemeral)) => self.ephemeral_containers.get(ephemeral),
        }
    }
}

impl RestartRule {
    /// Whether an exit with `code` is restarted by this rule (rule 98).
    pub fn matches(&self, code: u8) -> bool {
        match self.operator {
            ExitCodeOperator::In => self.values.contains(&code),
            ExitCodeOperator::NotIn => !self.values.contains(&code),
        }
    }
}
