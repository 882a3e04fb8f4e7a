//! A probe from the manifest. Knows what a probe may say (rules 37 and 38), not how it is done.

use super::decode::{Fields, Item, Purpose};
use super::fields::Place;
use super::name;
use super::pod::{ContainerPort, HttpGet, HttpHeader, HttpScheme, Probe, ProbeHandler, ProbeHost};
use super::problem::{Problem, Severity};
use super::suggest::nearest;
use super::tree::Value;
use std::time::Duration;

const SECONDS: i64 = i32::MAX as i64;

/// Reads a startup probe. `ports` are those of its container, `container` is what messages call that.
pub(super) fn startup_probe(item: &Item<'_>, container: &str, ports: &[ContainerPort]) -> Option<Probe> {
    item.fields(&[Place::Probe], |fields| {
        fields.belong_to(&format!("startupProbe of {container}"));
        let seconds = |fields: &mut Fields<'_>, name, default| {
            let value = fields.take(name).and_then(|item| item.positive(SECONDS)).unwrap_or(default);
            Duration::from_secs(value.unsigned_abs())
        };
        let initial_delay = fields.take("initialDelaySeconds").and_then(|item| item.integer(0, SECONDS));
        let initial_delay = Duration::from_secs(initial_delay.unwrap_or(0).unsigned_abs());
        let timeout = seconds(fields, "timeoutSeconds", 1);
        let period = seconds(fields, "periodSeconds", 10);
        let failure_threshold = count(fields.take("failureThreshold"), 3);
        success_threshold(fields.take("successThreshold"));
        let termination_grace_period = fields
            .take("terminationGracePeriodSeconds")
            .and_then(|item| item.integer(1, i64::MAX))
            .map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
        let handler = handler(fields, ports);
        Some(Probe {
            handler: handler?,
            initial_delay,
            timeout,
            period,
            success_threshold: 1,
            failure_threshold,
            termination_grace_period,
        })
    })?
}

fn count(item: Option<Item<'_>>, default: u32) -> u32 {
    let value = item.and_then(|item| item.positive(SECONDS));
    value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default)
}

fn success_threshold(item: Option<Item<'_>>) {
    let Some(item) = item else { return };
    if item.positive(SECONDS).is_some_and(|value| value > 1) {
        item.refuse(
            "one success ends the start-up",
            format!("write {}", item.scope.written("successThreshold", "1")),
        );
    }
}

fn handler(fields: &mut Fields<'_>, ports: &[ContainerPort]) -> Option<ProbeHandler> {
    let exec = fields.take("exec");
    let tcp_socket = fields.take("tcpSocket");
    let http_get = fields.take("httpGet");
    let grpc = fields.peek("grpc").filter(|item| !item.node.is_empty());
    let written: Vec<&Item<'_>> = [&exec, &http_get, &tcp_socket, &grpc].into_iter().flatten().collect();
    match written.as_slice() {
        [] if ["exec", "httpGet", "tcpSocket"].iter().any(|name| fields.misspelt(name)) => return None,
        [] => {
            fields.missing(
                "exec, httpGet or tcpSocket",
                "write what the probe does, for example `tcpSocket` with a `port`",
            );
            return None;
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("cannot use {}{}: a probe does one thing", second.name, second.owner);
            let problem = second.scope.error(second.key, message).path(second.path.clone());
            second.scope.report(
                problem
                    .label("the second thing to do")
                    .note("the first is", first.scope.source, first.key)
                    .help(format!("remove {} or {}", first.name, second.name)),
            );
        }
    }
    let exec = exec.and_then(|item| exec_action(&item));
    let tcp_socket = tcp_socket.and_then(|item| tcp_socket_action(&item, ports));
    let http_get = http_get.and_then(|item| http_get_action(&item, ports));
    exec.or(http_get).or(tcp_socket)
}

fn exec_action(item: &Item<'_>) -> Option<ProbeHandler> {
    item.fields_with_main(&[Place::ExecAction], "command", |fields| {
        let help = "write `command: [\"/path/to/program\"]`; it is not run in a shell";
        match fields.take("command") {
            Some(item) => {
                let command = item.strings()?;
                if command.is_empty() && matches!(&item.node.value, Value::List(items) if items.is_empty()) {
                    item.refuse("there is no program in it", help);
                }
                Some(ProbeHandler::Exec { command })
            }
            None => {
                fields.missing("command", help);
                None
            }
        }
    })?
}

fn tcp_socket_action(item: &Item<'_>, ports: &[ContainerPort]) -> Option<ProbeHandler> {
    item.fields_with_main(&[Place::TcpSocketAction], "port", |fields| {
        let host = host(fields);
        let port = port(fields, ports);
        Some(ProbeHandler::TcpSocket { host: host?, port: port? })
    })?
}

fn http_get_action(item: &Item<'_>, ports: &[ContainerPort]) -> Option<ProbeHandler> {
    item.fields_with_main(&[Place::HttpGetAction], "port", |fields| {
        let host = host(fields);
        let port = port(fields, ports);
        let path = fields.take("path").map_or(Some("/".to_owned()), |item| path(&item));
        if let Some(item) = fields.take("scheme") {
            scheme(&item);
        }
        let http_headers = match fields.take("httpHeaders").map(|item| item.list()) {
            Some(items) => items?.iter().map(http_header).collect::<Option<Vec<_>>>()?,
            None => Vec::new(),
        };
        let scheme = HttpScheme::Http;
        Some(ProbeHandler::HttpGet(HttpGet { scheme, host: host?, port: port?, path: path?, http_headers }))
    })?
}

/// The number of a port, or the name of one that the container has (rule 63).
fn port(fields: &mut Fields<'_>, ports: &[ContainerPort]) -> Option<u16> {
    let Some(item) = fields.take("port") else {
        fields.missing("port", "write the number of the port, or its name in `ports`");
        return None;
    };
    let Value::String(wanted) = &item.node.value else {
        return item.integer(1, 65535).and_then(|port| u16::try_from(port).ok());
    };
    if wanted.parse::<u16>().is_ok() {
        item.refuse("this is a string, and so the name of a port", format!("write {wanted} without quotes"));
        return None;
    }
    if let Err(broken) = name::port(wanted) {
        item.refuse(broken, "write the number of the port, or its name in `ports`");
        return None;
    }
    let found = ports.iter().find(|port| port.name.as_deref() == Some(wanted.as_str()));
    if found.is_none() {
        let names = || ports.iter().filter_map(|port| port.name.as_deref());
        let help = match nearest(wanted, names()).or_else(|| names().next()) {
            Some(name) => format!("write {}, or the number of the port", item.scope.word("port", name)),
            None => "write the number of the port, or give a port of the container this name".to_owned(),
        };
        let problem = item.wrong().label("the container has no port of this name").help(help);
        // The API server does not look, and no probe of the pod would ever succeed.
        let is_taken = item.scope.purpose == Purpose::Kubernetes;
        let severity = if is_taken { Severity::Warning } else { Severity::Error };
        item.scope.report(Problem { severity, ..problem });
    }
    found.map(|port| port.container_port)
}

/// No resolver runs in PID 1, so that names are refused.
fn host(fields: &mut Fields<'_>) -> Option<ProbeHost> {
    let Some(item) = fields.take("host") else {
        return Some(ProbeHost::Pod);
    };
    match item.string()? {
        "" => Some(ProbeHost::Pod),
        "localhost" => Some(ProbeHost::Localhost),
        text => {
            let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
            match bare.parse() {
                Ok(address) if bare == text => Some(ProbeHost::Address(address)),
                Ok(_) => {
                    item.refuse_here(
                        "an address has no brackets here",
                        format!("write {}", item.scope.written("host", &format!("\"{bare}\""))),
                    );
                    None
                }
                Err(_) => {
                    match without_port(text) {
                        Some(host) => {
                            let example = item.scope.written("host", &format!("\"{host}\""));
                            let help = format!("the port goes into `port`: write {example}");
                            item.refuse_here("a host has no port", help);
                        }
                        None => item.refuse_here(
                            "podinit does not look names up in a probe yet",
                            "write the numeric address, or `localhost`; left out, it is the pod itself",
                        ),
                    }
                    None
                }
            }
        }
    }
}

/// The host of `localhost:80`, `127.0.0.1:80` or `[::1]:80`.
fn without_port(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
    (is_host && port.parse::<u16>().is_ok()).then_some(host)
}

fn scheme(item: &Item<'_>) {
    if item.choice_or_default(&[("HTTP", true), ("HTTPS", false)], "one of HTTP, HTTPS") == Some(false) {
        item.refuse_not_built("use HTTP, or an exec probe that asks over TLS");
    }
}

/// Path and query as they are sent: with a `/` in front, what is not allowed in a request line encoded
/// and without a fragment.
fn path(item: &Item<'_>) -> Option<String> {
    let text = item.string()?;
    if text.contains(|c: char| c.is_ascii_control()) {
        item.refuse_here(
            "it has a control character",
            "remove it, or write it as `%` and two hexadecimal digits",
        );
        return None;
    }
    let text = text.split('#').next().unwrap_or_default();
    let mut path = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        path.push('/');
    }
    for byte in text.bytes() {
        match byte {
            b'!' | b'#'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => {
                path.push(byte.into())
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(path)
}

fn http_header(item: &Item<'_>) -> Option<HttpHeader> {
    item.fields(&[Place::HttpHeader], |fields| {
        fields.belong_to_part("a header");
        let (name, value) = (fields.take("name"), fields.take("value"));
        if let Some(item) = &value
            && let Some(value) = item.string()
            && value.contains(|c: char| c.is_ascii_control() && c != '\t')
        {
            item.refuse("it has a control character", "write the value on one line");
        }
        let value = value.and_then(|item| item.node.as_string()).unwrap_or_default().to_owned();
        let Some(item) = name else {
            fields.missing("name", "write a header's name, such as `Host`");
            return None;
        };
        let name = item.string()?.to_owned();
        if let Err(broken) = name::header(&name) {
            item.refuse(broken, "write a header's name, such as `Host`");
        }
        Some(HttpHeader { name, value })
    })?
}
