//! What of a pod this podinit cannot do because it was built without the part for it.

use crate::spec::{Container, HookHandler, HookKind, HttpScheme, Pod, ProbeHandler, ProbeKind};

/// A part that a build may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Probes and hooks over HTTPS.
    Https,
    /// Probes by the gRPC health service.
    Grpc,
}

impl Feature {
    /// Whether this podinit has it.
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Https => cfg!(feature = "https"),
            Self::Grpc => cfg!(feature = "grpc"),
        }
    }

    /// Its name, as one builds with it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Grpc => "grpc",
        }
    }

    fn of_probe(handler: &ProbeHandler) -> Option<Self> {
        match handler {
            ProbeHandler::HttpGet(get) => (get.scheme == HttpScheme::Https).then_some(Self::Https),
            ProbeHandler::Grpc { .. } => Some(Self::Grpc),
            ProbeHandler::Exec { .. } | ProbeHandler::TcpSocket { .. } => None,
        }
    }

    fn of_hook(handler: &HookHandler) -> Option<Self> {
        match handler {
            HookHandler::HttpGet(get) => (get.scheme == HttpScheme::Https).then_some(Self::Https),
            HookHandler::Exec { .. } | HookHandler::Sleep(_) | HookHandler::TcpSocket => None,
        }
    }
}

/// What asks for a feature, in words, and the feature: of everything in the pod for which `is_there` does not
/// hold.
pub fn left_out(pod: &Pod, is_there: impl Fn(Feature) -> bool) -> Vec<(String, Feature)> {
    let asked = pod.iter().flat_map(|(_, _, container)| asked_by(container));
    asked.filter(|(_, feature)| !is_there(*feature)).collect()
}

fn asked_by(container: &Container) -> Vec<(String, Feature)> {
    let probes = ProbeKind::ALL.into_iter().filter_map(|kind| {
        let feature = Feature::of_probe(&container.probe(kind)?.handler)?;
        Some((format!("the {} probe of container {}", kind.name().to_lowercase(), container.name), feature))
    });
    let hooks = [HookKind::PostStart, HookKind::PreStop].into_iter().filter_map(|kind| {
        let feature = Feature::of_hook(&container.hook(kind)?.handler)?;
        Some((format!("the {} hook of container {}", kind.name(), container.name), feature))
    });
    probes.chain(hooks).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::{Hook, HttpGet, Probe, ProbeHost};

    #[test]
    fn what_a_build_left_out_is_said_of_each_that_asks_for_it() {
        let second = Duration::from_secs(1);
        let probe = |handler| Probe {
            handler,
            initial_delay: Duration::ZERO,
            timeout: second,
            period: second,
            success_threshold: 1,
            failure_threshold: 3,
            termination_grace_period: None,
        };
        let get = |scheme| HttpGet {
            scheme,
            host: ProbeHost::Pod,
            port: 443,
            path: "/".to_owned(),
            http_headers: Vec::new(),
        };
        let container = Container {
            startup_probe: Some(probe(ProbeHandler::HttpGet(get(HttpScheme::Http)))),
            liveness_probe: Some(probe(ProbeHandler::Grpc { port: 1, service: String::new() })),
            pre_stop: Some(Hook { handler: HookHandler::HttpGet(get(HttpScheme::Https)), timeout: None }),
            ..Container::named("main")
        };
        let pod = Pod { containers: vec![container], ..Pod::named("pod") };
        let grpc = ("the liveness probe of container main".to_owned(), Feature::Grpc);
        let https = ("the preStop hook of container main".to_owned(), Feature::Https);
        assert_eq!(left_out(&pod, |_| false), [grpc, https.clone()]);
        assert_eq!(left_out(&pod, |feature| feature == Feature::Grpc), [https]);
    }
}
