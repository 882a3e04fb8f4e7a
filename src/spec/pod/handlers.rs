//! What is asked of a container, and what is done beside it when it starts and ends: probes and hooks, with what
//! they do. Knows neither manifests nor how any of it is done.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// A check made again and again on a running container (rule 37).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What is done.
    pub handler: ProbeHandler,
    /// From the container's start to the first attempt.
    pub initial_delay: Duration,
    /// Longer than this is a failure. Above zero.
    pub timeout: Duration,
    /// From the end of one attempt to the next. Above zero.
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
    /// Asks for a page; a status from 200 to 399 is success (rule 62).
    HttpGet(HttpGet),
    /// Asks the gRPC health service, version 1, of the pod; SERVING is success (rule 65).
    Grpc {
        /// A number; gRPC probes name no ports.
        port: u16,
        /// What is asked about; empty is the server as a whole.
        service: String,
    },
}

/// Asks for a page, for a probe or a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    /// HTTPS does not look at the certificate (rule 63).
    pub scheme: HttpScheme,
    /// Where to.
    pub host: ProbeHost,
    /// Named ports have been looked up.
    pub port: u16,
    /// Path and query, starting with `/`.
    pub path: String,
    /// Sent as written; `Host`, `User-Agent` and `Accept` replace what we would send (rule 63).
    pub http_headers: Vec<HttpHeader>,
}

/// Over what a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpScheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

/// Which of a container's probes. Its order is the one in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Until it succeeds the others rest and nothing counts as started.
    Startup,
    /// Its failure restarts the container.
    Liveness,
    /// Its result is the container's readiness.
    Readiness,
}

/// Something done once in a container's life (rules 67 to 76).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What is done.
    pub handler: HookHandler,
    /// Longer than this is a failure (kubernetes#99761); `None`: as long as it takes, as Kubernetes.
    pub timeout: Option<Duration>,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookHandler {
    /// Runs a command as the container would; exit code 0 is success (rule 72).
    Exec {
        /// Not run in a shell, no `$(VAR)` in it. Never empty.
        command: Vec<String>,
    },
    /// Asks for a page; any answer is success (rule 73).
    HttpGet(HttpGet),
    /// Waits, in the supervisor (rule 74).
    Sleep(Duration),
    /// Accepted and always a failure (rule 75).
    TcpSocket,
}

/// Which of a container's hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookKind {
    /// After the start.
    PostStart,
    /// Before the stop signal.
    PreStop,
}

/// A header field of an HTTP probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHeader {
    /// A token of RFC 9110.
    pub name: String,
    /// Without control characters.
    pub value: String,
}

/// Where a network probe goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeHost {
    /// The pod's own address, the default.
    Pod,
    /// `localhost`: 127.0.0.1, then ::1.
    Localhost,
    /// A numeric address.
    Address(IpAddr),
    /// A name that needs a resolver, which never runs in PID 1.
    Name(Arc<str>),
}

impl ProbeKind {
    /// Every kind, in the order in which they are looked at.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Liveness, Self::Readiness];

    /// As it begins a sentence in Kubernetes' events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

impl HookKind {
    /// As Kubernetes calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostStart => "postStart",
            Self::PreStop => "preStop",
        }
    }
}
