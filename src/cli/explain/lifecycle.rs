//! What happens in a container's life, as `explain` shows it: probes, hooks, how it is stopped and restarted, and
//! podinit's own settings. Knows what the fields mean, not how they are shown.

use super::report::Origin;
use super::values::{Values, quoted, seconds};
use crate::spec::{
    Container, ContainerKind, Hook, HookHandler, HookKind, HttpGet, HttpScheme, Notify, Pod, Probe,
    ProbeHandler, ProbeHost, ProbeKind, Signal, TerminationMessagePolicy,
};

impl Values<'_> {
    /// What ends the pod, or keeps it from being ready.
    pub(super) fn ends(&mut self, pod: &Pod) {
        if let Some(deadline) = pod.active_deadline {
            self.written("activeDeadlineSeconds", seconds(deadline));
        }
        self.written("readinessGates", pod.readiness_gates.join(", "));
        let Some(job) = pod.job else { return };
        let rule = || Origin::Default("Kubernetes");
        let tries = match job.backoff_limit {
            0 => "0: one try".to_owned(),
            limit => format!("{limit}: tried again after a failure, so often"),
        };
        self.of_owner("backoffLimit", "backoffLimit", tries, rule());
        if let Some(deadline) = job.active_deadline {
            let shown = "activeDeadlineSeconds of the job";
            self.of_owner("activeDeadlineSeconds", shown, seconds(deadline), rule());
        }
    }

    pub(super) fn lifecycle(&mut self, pod: &Pod, kind: ContainerKind, container: &Container) {
        self.settings(pod, container);
        for kind in ProbeKind::ALL {
            if let Some(probe) = container.probe(kind) {
                self.probe(pod, kind, probe);
            }
        }
        for kind in [HookKind::PostStart, HookKind::PreStop] {
            if let Some(hook) = container.hook(kind) {
                self.hook(container, kind, hook);
            }
        }
        let signal = container.stop_signal.unwrap_or(Signal::TERM).to_string();
        self.field("lifecycle.stopSignal", signal, Origin::Default("Kubernetes, rule 84"));
        let from = match container.termination_message_policy {
            TerminationMessagePolicy::File => "File",
            TerminationMessagePolicy::FallbackToLogsOnError => "FallbackToLogsOnError",
        };
        self.field("terminationMessagePolicy", from.to_owned(), Origin::Default("Kubernetes, rule 132"));
        match kind {
            ContainerKind::Init | ContainerKind::Ephemeral => {}
            ContainerKind::Sidecar | ContainerKind::Main => {
                let restarts = [
                    ("cpu", container.resize_policy.cpu_restarts),
                    ("memory", container.resize_policy.memory_restarts),
                ];
                let word = |restarts| if restarts { "RestartContainer" } else { "NotRequired" };
                let policy = restarts.map(|(name, restarts)| format!("{name} {}", word(restarts)));
                self.written("resizePolicy", policy.join(", "));
            }
        }
    }

    fn settings(&mut self, pod: &Pod, container: &Container) {
        if container.keystone {
            self.setting(container, "keystone", "true: its end for good ends the pod".to_owned());
        }
        if !container.start_after.is_empty() {
            let others = container.start_after.iter().filter_map(|id| pod.container(*id));
            let names: Vec<&str> = others.map(|other| &*other.name).collect();
            self.setting(container, "startAfter", names.join(", "));
        }
        match container.notify {
            None => {}
            Some(Notify::Socket) => {
                self.setting(container, "notify", "socket: READY=1 through NOTIFY_SOCKET".to_owned());
            }
            Some(Notify::Descriptor(number)) => {
                let value = format!("fd:{number}: a newline on descriptor {number}");
                self.setting(container, "notify", value);
            }
        }
        if let Some(back_off) = container.crash_loop_back_off {
            self.back_off(container, back_off);
        }
    }

    fn probe(&mut self, pod: &Pod, kind: ProbeKind, probe: &Probe) {
        let name = match kind {
            ProbeKind::Startup => "startupProbe",
            ProbeKind::Liveness => "livenessProbe",
            ProbeKind::Readiness => "readinessProbe",
        };
        self.written(name, probe_handler(&probe.handler));
        let at = |field: &str| format!("{name}.{field}");
        let number = |value: u32| value.to_string();
        let rule = || Origin::Default("Kubernetes, rule 37");
        self.field(&at("initialDelaySeconds"), seconds(probe.initial_delay), rule());
        self.field(&at("timeoutSeconds"), seconds(probe.timeout), rule());
        self.field(&at("periodSeconds"), seconds(probe.period), rule());
        match kind {
            ProbeKind::Startup | ProbeKind::Liveness => {}
            ProbeKind::Readiness => {
                self.field(&at("successThreshold"), number(probe.success_threshold), rule())
            }
        }
        self.field(&at("failureThreshold"), number(probe.failure_threshold), rule());
        match kind {
            ProbeKind::Startup | ProbeKind::Liveness => {
                let grace = probe.termination_grace_period.unwrap_or(pod.termination_grace_period);
                let otherwise = Origin::Default("the pod's");
                self.field(&at("terminationGracePeriodSeconds"), seconds(grace), otherwise);
            }
            ProbeKind::Readiness => {}
        }
    }

    fn hook(&mut self, container: &Container, kind: HookKind, hook: &Hook) {
        let name = format!("lifecycle.{}", kind.name());
        let shown = match &hook.handler {
            HookHandler::Exec { command } => exec(command),
            HookHandler::HttpGet(get) => http_get(get),
            HookHandler::Sleep(duration) => format!("sleep {}", seconds(*duration)),
            HookHandler::TcpSocket => "tcpSocket, which always fails".to_owned(),
        };
        self.written(&name, shown);
        let timeout = format!("{name}.timeoutSeconds");
        match (hook.timeout, kind) {
            (Some(limit), _) => self.setting(container, &timeout, seconds(limit)),
            (None, HookKind::PostStart) => {
                let value = "none: as long as it takes".to_owned();
                self.add(&timeout, value, Origin::Default("Kubernetes, rule 67"));
            }
            (None, HookKind::PreStop) => {
                let value = "none: what there is of the grace period".to_owned();
                self.add(&timeout, value, Origin::Default("Kubernetes, rule 71"));
            }
        }
    }
}

fn exec(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    format!("exec {}", words.join(" "))
}

fn address(host: &ProbeHost, port: u16) -> String {
    match host {
        ProbeHost::Pod => format!("127.0.0.1:{port}"),
        ProbeHost::Localhost => format!("localhost:{port}"),
        ProbeHost::Address(address) => std::net::SocketAddr::new(*address, port).to_string(),
        ProbeHost::Name(name) => format!("{name}:{port}"),
    }
}

fn http_get(HttpGet { scheme, host, port, path, http_headers }: &HttpGet) -> String {
    let scheme = match scheme {
        HttpScheme::Http => "http",
        HttpScheme::Https => "https",
    };
    let headers = match http_headers.len() {
        0 => String::new(),
        1 => " with a header of its own".to_owned(),
        count => format!(" with {count} headers of its own"),
    };
    format!("httpGet {scheme}://{}{path}{headers}", address(host, *port))
}

fn probe_handler(handler: &ProbeHandler) -> String {
    match handler {
        ProbeHandler::Exec { command } => exec(command),
        ProbeHandler::TcpSocket { host, port } => format!("tcpSocket {}", address(host, *port)),
        ProbeHandler::HttpGet(get) => http_get(get),
        ProbeHandler::Grpc { port, service } if service.is_empty() => format!("grpc 127.0.0.1:{port}"),
        ProbeHandler::Grpc { port, service } => format!("grpc 127.0.0.1:{port} {service}"),
    }
}
