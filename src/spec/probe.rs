//! A probe from the manifest. Knows what a probe may say (rules 37, 38, 60 to 65), not how it is done.

use super::decode::{Fields, Item, Purpose};
use super::fields::Place;
use super::handler::{exec_action, http_get_action, tcp_socket_action};
use super::pod::{ContainerPort, Probe, ProbeHandler, ProbeKind};
use super::tree::{Value, cut};
use std::time::Duration;

const SECONDS: i64 = i32::MAX as i64;
/// The shortest time of a probe that makes sense: a hundred a second.
const SHORTEST: f64 = 0.01;

/// Reads a probe. `ports` are those of its container, `container` is what messages call that.
pub(super) fn probe(
    item: &Item<'_>,
    kind: ProbeKind,
    container: &str,
    ports: &[ContainerPort],
) -> Option<Probe> {
    item.fields(&[Place::Probe], |fields| {
        fields.belong_to(&format!("{} of {container}", item.name));
        let initial_delay = fields.take("initialDelaySeconds").and_then(|item| seconds(&item, 0));
        let mut above_zero = |name, default| {
            let written = fields.take(name).filter(|item| !is_zero(&item.node.value));
            written.and_then(|item| seconds(&item, 1)).unwrap_or(Duration::from_secs(default))
        };
        let timeout = above_zero("timeoutSeconds", 1);
        let period = above_zero("periodSeconds", 10);
        let failure_threshold = count(fields.take("failureThreshold"), 3);
        let success_threshold = success_threshold(fields.take("successThreshold"), kind);
        let grace = fields.take("terminationGracePeriodSeconds");
        let handler = handler(fields, ports);
        Some(Probe {
            handler: handler?,
            initial_delay: initial_delay.unwrap_or(Duration::ZERO),
            timeout,
            period,
            success_threshold,
            failure_threshold,
            termination_grace_period: grace.and_then(|item| termination_grace_period(&item, kind)),
        })
    })?
}

/// Zero counts as left out.
fn is_zero(value: &Value) -> bool {
    matches!(value, Value::Integer(0)) || matches!(value, Value::Float(value) if *value == 0.0)
}

/// Seconds, with a fraction; Kubernetes has whole ones only (kubernetes/enhancements#3066).
/// `least` is the least whole number of them.
fn seconds(item: &Item<'_>, least: i64) -> Option<Duration> {
    let whole = || item.integer(least, SECONDS).map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
    if let Value::String(text) = &item.node.value
        && text.trim().parse::<f64>().is_ok_and(f64::is_finite)
    {
        let help = format!("write {} without quotes", cut(text.trim()));
        item.refuse("this is a string, and a number is wanted", help);
        return None;
    }
    let is_negative = matches!(item.node.value, Value::Integer(value) if value < 0)
        || matches!(item.node.value, Value::Float(value) if value < 0.0 && value.is_finite());
    if is_negative {
        let shortest = if item.scope.purpose == Purpose::Kubernetes { 1.0 } else { SHORTEST };
        item.refuse("less than 0", format!("write {} or more", if least > 0 { shortest } else { 0.0 }));
        return None;
    }
    let Value::Float(value) = item.node.value else { return whole() };
    if value.fract() == 0.0 || !value.is_finite() || value > SECONDS as f64 {
        return whole();
    }
    if item.scope.purpose == Purpose::Kubernetes {
        let example = item.scope.written(&item.name, &format!("{}", value.ceil()));
        item.refuse(
            "Kubernetes has whole seconds only; fractions are podinit's own",
            format!("write {example}"),
        );
        return None;
    }
    if value < SHORTEST {
        item.refuse("too short to be of use", format!("write {SHORTEST} or more"));
        return None;
    }
    Duration::try_from_secs_f64(value).ok()
}

fn count(item: Option<Item<'_>>, default: u32) -> u32 {
    let value = item.and_then(|item| item.positive(SECONDS));
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default)
}

/// Only readiness comes and goes (rule 38).
fn success_threshold(item: Option<Item<'_>>, kind: ProbeKind) -> u32 {
    let why = match kind {
        ProbeKind::Readiness => return count(item, 1),
        ProbeKind::Startup => "one success ends the start-up",
        ProbeKind::Liveness => "one success is enough to live",
    };
    let Some(item) = item else { return 1 };
    if item.positive(SECONDS).is_some_and(|value| value > 1) {
        item.refuse(why, format!("write {}", item.scope.written("successThreshold", "1")));
    }
    1
}

/// Rule 53.
fn termination_grace_period(item: &Item<'_>, kind: ProbeKind) -> Option<Duration> {
    match kind {
        ProbeKind::Readiness => {
            item.refuse("a readiness probe stops nothing", "remove it");
            None
        }
        ProbeKind::Startup | ProbeKind::Liveness => {
            item.integer(1, i64::MAX).map(|seconds| Duration::from_secs(seconds.unsigned_abs()))
        }
    }
}

fn handler(fields: &mut Fields<'_>, ports: &[ContainerPort]) -> Option<ProbeHandler> {
    let items = ["exec", "httpGet", "tcpSocket", "grpc"].map(|name| fields.take(name));
    if !one_handler(fields, &items, "a probe does one thing", "exec, httpGet, tcpSocket or grpc") {
        return None;
    }
    let [exec, http_get, tcp_socket, grpc] = items;
    let exec = exec.and_then(|item| exec_action(&item)).map(|command| ProbeHandler::Exec { command });
    let http_get = http_get.and_then(|item| http_get_action(&item, ports)).map(ProbeHandler::HttpGet);
    let tcp_socket = tcp_socket.and_then(|item| tcp_socket_action(&item, ports));
    let tcp_socket = tcp_socket.map(|(host, port)| ProbeHandler::TcpSocket { host, port });
    let grpc = grpc.and_then(|item| grpc_action(&item));
    exec.or(http_get).or(tcp_socket).or(grpc)
}

/// Whether there is something to do; more than one thing is an error. `items` are the fields of which
/// there is to be one, `what` names them.
pub(super) fn one_handler(fields: &Fields<'_>, items: &[Option<Item<'_>>], only: &str, what: &str) -> bool {
    let mut written: Vec<&Item<'_>> = items.iter().flatten().collect();
    written.sort_by_key(|item| item.key.start);
    match written.as_slice() {
        // There is no such hook, which is reported.
        [] if fields.peek("grpc").is_some() => false,
        [] if ["exec", "httpGet", "tcpSocket", "sleep"].iter().any(|name| fields.misspelt(name)) => false,
        [] => {
            fields.missing(what, "write what it does, for example `exec` with a `command`");
            false
        }
        [_] => true,
        [first, second, ..] => {
            let message = format!("cannot use {}{}: {only}", second.name, second.owner);
            let problem = second.scope.error(second.key, message).path(second.path.clone());
            second.scope.report(
                problem
                    .label("the second thing to do")
                    .note("the first is", first.scope.source, first.key)
                    .help(format!("remove {} or {}", first.name, second.name)),
            );
            true
        }
    }
}

/// A number only: gRPC probes know no names of ports (rule 65).
fn grpc_action(item: &Item<'_>) -> Option<ProbeHandler> {
    item.fields_with_main(&[Place::GrpcAction], "port", |fields| {
        let service = fields.take("service").and_then(|item| item.string()).unwrap_or_default().to_owned();
        let Some(item) = fields.take("port") else {
            fields.missing("port", "write the number of the port");
            return None;
        };
        let port = item.integer(1, 65535).and_then(|port| u16::try_from(port).ok())?;
        Some(ProbeHandler::Grpc { port, service })
    })?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Container, HttpScheme, Options, ProbeHost, Source, Syntax, load, render_all};

    /// The only container, with these fields in TOML.
    fn container(fields: &str) -> Container {
        let text = format!("[[containers]]\nname = \"a\"\ncommand = [\"x\"]\n{fields}\n");
        let source = Source { name: "a.toml".to_owned(), text, syntax: Syntax::Toml };
        let loaded = load(std::slice::from_ref(&source), &Options::default());
        let shown = || render_all(&loaded.problems, std::slice::from_ref(&source), false);
        loaded.pod.as_ref().unwrap_or_else(|| panic!("{}", shown())).containers[0].clone()
    }

    fn probe_of(fields: &str) -> Probe {
        container(&format!("livenessProbe = {{ {fields} }}")).liveness_probe.unwrap()
    }

    #[test]
    fn rule_37_defaults_are_the_same_for_every_kind() {
        let tcp = "{ tcpSocket = { port = 1 } }";
        let found =
            container(&format!("startupProbe = {tcp}\nlivenessProbe = {tcp}\nreadinessProbe = {tcp}"));
        for kind in ProbeKind::ALL {
            let expected = Probe {
                handler: ProbeHandler::TcpSocket { host: ProbeHost::Pod, port: 1 },
                initial_delay: Duration::ZERO,
                timeout: Duration::from_secs(1),
                period: Duration::from_secs(10),
                success_threshold: 1,
                failure_threshold: 3,
                termination_grace_period: None,
            };
            assert_eq!(found.probe(kind), Some(&expected), "{kind:?}");
        }
    }

    #[test]
    fn seconds_may_have_a_fraction() {
        let times = "initialDelaySeconds = 0.25, timeoutSeconds = 0.01, periodSeconds = 1.5";
        let found = probe_of(&format!("exec.command = [\"x\"], {times}"));
        let millis = [found.initial_delay, found.timeout, found.period].map(|time| time.as_millis());
        assert_eq!(millis, [250, 10, 1500]);
    }

    #[test]
    fn rule_38_only_readiness_needs_several_successes() {
        let found = container("readinessProbe = { exec.command = [\"x\"], successThreshold = 4 }");
        assert_eq!(found.readiness_probe.unwrap().success_threshold, 4);
    }

    #[test]
    fn every_handler_is_read() {
        let grpc = |service: &str| ProbeHandler::Grpc { port: 9, service: service.to_owned() };
        assert_eq!(probe_of("grpc.port = 9").handler, grpc(""));
        assert_eq!(probe_of("grpc = { port = 9, service = \"a.b\" }").handler, grpc("a.b"));
        let ProbeHandler::HttpGet(get) = probe_of("httpGet = { port = 1, scheme = \"HTTPS\" }").handler
        else {
            panic!("not httpGet")
        };
        assert_eq!((get.scheme, get.path.as_str()), (HttpScheme::Https, "/"));
        let hosts = [
            ("", ProbeHost::Pod),
            ("localhost", ProbeHost::Localhost),
            ("::1", ProbeHost::Address("::1".parse().unwrap())),
            ("db.example_1.com.", ProbeHost::Name("db.example_1.com.".into())),
        ];
        for (written, expected) in hosts {
            let found = probe_of(&format!("tcpSocket = {{ port = 1, host = \"{written}\" }}")).handler;
            assert_eq!(found, ProbeHandler::TcpSocket { host: expected, port: 1 }, "{written}");
        }
    }

    #[test]
    fn rule_53_a_probe_has_a_grace_period_of_its_own() {
        let found = probe_of("exec.command = [\"x\"], terminationGracePeriodSeconds = 300");
        assert_eq!(found.termination_grace_period, Some(Duration::from_secs(300)));
    }
}
