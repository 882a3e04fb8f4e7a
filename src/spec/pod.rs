//! The validated pod: what a manifest means once it is known to be right. Every other room reads
//! these types and none of them sees a manifest's text. Values are final: defaults that depend on
//! the profile have been filled in.

mod handlers;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::config::Objects;
use super::environment::{EnvFrom, EnvVar};
use super::kubelet::KubeletConfiguration;
use super::resources::Resources;
use super::rootfs::Rootfs;
use super::sandbox::Sandbox;
use super::security_context::{PodSecurityContext, SecurityContext};
use super::signal::Signal;
use super::stdin::Stdin;
use super::volume::{Volume, VolumeMount};

pub use handlers::{
    Hook, HookHandler, HookKind, HttpGet, HttpHeader, HttpScheme, Probe, ProbeHandler, ProbeHost, ProbeKind,
};

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
    /// From the pod's acceptance to the moment at which it fails with `DeadlineExceeded` (rule 92).
    pub active_deadline: Option<Duration>,
    /// How long a container that keeps ending waits before its next start (rule 109).
    pub crash_loop_back_off: CrashLoopBackOff,
    /// Conditions beside the containers' readiness. Nobody here sets any: such a pod is never `Ready` (rule 123).
    pub readiness_gates: Vec<Arc<str>>,
    /// The Job that this pod is a try of.
    pub job: Option<Job>,
    /// Of the pod as a whole, which replace the sum of the containers' (rule 164).
    pub resources: Resources,
    /// What a kubelet's configuration would say of the pod's control groups.
    pub kubelet: KubeletConfiguration,
    /// As written, a word that variables may tell and nothing more on one host.
    pub service_account_name: Arc<str>,
    /// What stands beside the pod in the manifest, for its variables.
    pub objects: Arc<Objects>,
    /// Namespaces, names and name resolution.
    pub sandbox: Sandbox,
    /// Users, groups and what else counts for every container.
    pub security_context: PodSecurityContext,
    /// What containers may mount, in order.
    pub volumes: Vec<Volume>,
    /// Run before the main containers, in this order; those with `restartPolicy: Always` are sidecars.
    pub init_containers: Vec<Container>,
    /// The main containers. Never empty.
    pub containers: Vec<Container>,
    /// Containers added to a running pod for debugging. No manifest carries them (rule 18).
    pub ephemeral_containers: Vec<Container>,
}

/// How often a pod that failed is tried again, and how long that may take in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// So many failures are forgiven.
    pub backoff_limit: u32,
    /// From the start of the first try; then the Job has failed, and what runs is stopped.
    pub active_deadline: Option<Duration>,
}

/// Where a container writes the message about its end, if it says nothing else (rule 131).
pub const TERMINATION_LOG: &str = "/dev/termination-log";

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
    /// In order, below `env`: the last of two equal names counts (rule 133).
    pub env_from: Vec<EnvFrom>,
    /// Paths of files with variables, which stand below `env_from`. Relative to the supervisor's directory.
    pub env_files: Vec<String>,
    /// Variables whose values are what files hold: names and paths. They stand between `env_from` and `env`.
    pub env_from_files: Vec<(String, String)>,
    /// Documentation, and the names that probes may use.
    pub ports: Vec<ContainerPort>,
    /// Overrides the pod's policy (rule 97). On an init container, `Always` makes it a sidecar.
    pub restart_policy: Option<RestartPolicy>,
    /// Looked at before the policy when the container exits; the first that matches decides (rule 98).
    pub restart_policy_rules: Vec<RestartRule>,
    /// Delays between its restarts; `None` is the pod's (kubernetes#57291).
    pub crash_loop_back_off: Option<CrashLoopBackOff>,
    /// Its end for good ends the pod, whatever others do (kubernetes#25908). Only a main container.
    pub keystone: bool,
    /// Main containers that must have started before this one does (kubernetes#65502). Never a cycle.
    pub start_after: Vec<ContainerId>,
    /// Holds back what comes after a sidecar, until it succeeds (rule 7).
    pub startup_probe: Option<Probe>,
    /// Its final failure restarts the container (rule 52).
    pub liveness_probe: Option<Probe>,
    /// Decides whether the container is ready (rule 55).
    pub readiness_probe: Option<Probe>,
    /// How the container itself says that it has started and is ready.
    pub notify: Option<Notify>,
    /// Run right after the start; the container has started once it is done (rule 67).
    pub post_start: Option<Hook>,
    /// Run before the stop signal (rule 69).
    pub pre_stop: Option<Hook>,
    /// Asks the container to end; `None` is SIGTERM (rule 84).
    pub stop_signal: Option<Signal>,
    /// The file for the message about its end, as the container sees it (rule 131).
    pub termination_message_path: String,
    /// Where the message about its end comes from (rule 132).
    pub termination_message_policy: TerminationMessagePolicy,
    /// What it asks for and is limited to.
    pub resources: Resources,
    /// What a change of its resources means while it runs (rule 174).
    pub resize_policy: ResizePolicy,
    /// Users and rights.
    pub security_context: SecurityContext,
    /// Where it sees which volumes; each volume is one of the pod's.
    pub volume_mounts: Vec<VolumeMount>,
    /// What it sees as its files; `None` where the profile or the image says.
    pub rootfs: Option<Rootfs>,
    /// Its main process is a child of one of podinit's own that reaps what it leaves behind (kubernetes#84210).
    pub reaper: bool,
    /// What it can read.
    pub stdin: Stdin,
    /// It has a terminal of its own in place of its standard input, output and error.
    pub tty: bool,
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
    /// Of the host, that leads here; with the address that it listens on.
    pub host_port: Option<(Option<IpAddr>, u16)>,
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

/// A rule that restarts a container for some of its exit codes (rule 98).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartRule {
    /// What happens.
    pub action: RestartAction,
    /// Whether the code must be among `values` or must not.
    pub operator: ExitCodeOperator,
    /// Exit codes, 0 to 255.
    pub values: Vec<u8>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartAction {
    /// The container starts again.
    Restart,
    /// Every container of the pod starts again, from the first init container on (rule 102).
    RestartAllContainers,
}

/// How a rule's exit codes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCodeOperator {
    /// The exit code is one of the values.
    In,
    /// The exit code is none of the values.
    NotIn,
}

/// How a container says that it is ready: until it does it has not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// `READY=1` to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).
    Socket,
    /// A newline written to this descriptor, 3 or higher (as s6 has it).
    Descriptor(u8),
}

/// Where the message about a container's end comes from (rules 131, 132).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TerminationMessagePolicy {
    /// Only from the file that the container wrote it to.
    #[default]
    File,
    /// From the end of its log where it failed and wrote none.
    FallbackToLogsOnError,
}

/// Whether a container restarts when its resources change (rule 174).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResizePolicy {
    /// A changed amount of processor restarts it.
    pub cpu_restarts: bool,
    /// A changed amount of memory restarts it.
    pub memory_restarts: bool,
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
            env_from: Vec::new(),
            env_files: Vec::new(),
            env_from_files: Vec::new(),
            ports: Vec::new(),
            restart_policy: None,
            restart_policy_rules: Vec::new(),
            crash_loop_back_off: None,
            keystone: false,
            start_after: Vec::new(),
            startup_probe: None,
            liveness_probe: None,
            readiness_probe: None,
            notify: None,
            post_start: None,
            pre_stop: None,
            stop_signal: None,
            termination_message_path: TERMINATION_LOG.to_owned(),
            termination_message_policy: TerminationMessagePolicy::File,
            resources: Resources::default(),
            resize_policy: ResizePolicy::default(),
            security_context: SecurityContext::default(),
            volume_mounts: Vec::new(),
            rootfs: None,
            reaper: false,
            stdin: Stdin::Empty,
            tty: false,
        }
    }

    /// The probe of this kind.
    pub fn probe(&self, kind: ProbeKind) -> Option<&Probe> {
        match kind {
            ProbeKind::Startup => self.startup_probe.as_ref(),
            ProbeKind::Liveness => self.liveness_probe.as_ref(),
            ProbeKind::Readiness => self.readiness_probe.as_ref(),
        }
    }

    /// The hook of this kind.
    pub fn hook(&self, kind: HookKind) -> Option<&Hook> {
        match kind {
            HookKind::PostStart => self.post_start.as_ref(),
            HookKind::PreStop => self.pre_stop.as_ref(),
        }
    }

    /// The first rule that says something about this exit code (rule 98).
    pub fn rule_for(&self, code: u8) -> Option<&RestartRule> {
        self.restart_policy_rules.iter().find(|rule| rule.matches(code))
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
    /// A pod of this name with Kubernetes' defaults and no container yet.
    pub fn named(name: &str) -> Self {
        Self {
            metadata: Metadata {
                name: Arc::from(name),
                namespace: Arc::from("default"),
                labels: BTreeMap::new(),
                annotations: BTreeMap::new(),
            },
            profile: Profile::Pod,
            restart_policy: RestartPolicy::Always,
            termination_grace_period: Duration::from_secs(30),
            active_deadline: None,
            crash_loop_back_off: CrashLoopBackOff::default(),
            readiness_gates: Vec::new(),
            job: None,
            resources: Resources::default(),
            kubelet: KubeletConfiguration::default(),
            service_account_name: Arc::from("default"),
            objects: Arc::default(),
            sandbox: Sandbox::default(),
            security_context: PodSecurityContext::default(),
            volumes: Vec::new(),
            init_containers: Vec::new(),
            containers: Vec::new(),
            ephemeral_containers: Vec::new(),
        }
    }

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

impl Pod {
    /// The container with this id, to be changed.
    pub(crate) fn container_mut(&mut self, id: ContainerId) -> Option<&mut Container> {
        let all =
            self.init_containers.iter_mut().chain(&mut self.containers).chain(&mut self.ephemeral_containers);
        all.into_iter().nth(id.position())
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
