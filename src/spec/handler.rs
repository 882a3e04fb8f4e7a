//! What a probe or a hook does: run a command, connect, ask for a page. Knows what these may say, not what
//! they are done for.

use super::decode::{Fields, Item, Purpose};
use super::fields::Place;
use super::name;
use super::pod::{ContainerPort, HttpGet, HttpHeader, HttpScheme, ProbeHost};
use super::problem::{Problem, Severity};
use super::suggest::nearest;
use super::tree::Value;
use std::sync::Arc;

/// The command. Never empty.
pub(super) fn exec_action(item: &Item<'_>) -> Option<Vec<String>> {
    item.fields_with_main(&[Place::ExecAction], "command", |fields| {
        let example = item.scope.written("command", "[\"/path/to/program\"]");
        let help = format!("write {example}; it is not run in a shell");
        match fields.take("command") {
            Some(item) => {
                let command = item.strings()?;
                if command.is_empty() && matches!(&item.node.value, Value::List(items) if items.is_empty()) {
                    item.refuse("there is no program in it", help);
                }
                Some(command)
            }
            None => {
                fields.missing("command", help);
                None
            }
        }
    })?
}

/// Where to connect to.
pub(super) fn tcp_socket_action(item: &Item<'_>, ports: &[ContainerPort]) -> Option<(ProbeHost, u16)> {
    item.fields_with_main(&[Place::TcpSocketAction], "port", |fields| {
        let host = host(fields);
        let port = port(fields, ports);
        Some((host?, port?))
    })?
}

/// What to ask for.
pub(super) fn http_get_action(item: &Item<'_>, ports: &[ContainerPort]) -> Option<HttpGet> {
    item.fields_with_main(&[Place::HttpGetAction], "port", |fields| {
        let host = host(fields);
        let port = port(fields, ports);
        let path = fields.take("path").map_or(Some("/".to_owned()), |item| path(&item));
        let schemes = [("HTTP", HttpScheme::Http), ("HTTPS", HttpScheme::Https)];
        let scheme = fields.take("scheme");
        let scheme = scheme.and_then(|item| item.choice_or_default(&schemes, "one of HTTP, HTTPS"));
        let http_headers = match fields.take("httpHeaders").map(|item| item.list()) {
            Some(items) => items?.iter().map(http_header).collect::<Option<Vec<_>>>()?,
            None => Vec::new(),
        };
        let scheme = scheme.unwrap_or(HttpScheme::Http);
        Some(HttpGet { scheme, host: host?, port: port?, path: path?, http_headers })
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

/// An address, or a name: that is looked up by whoever does it, at each time.
fn host(fields: &mut Fields<'_>) -> Option<ProbeHost> {
    let Some(item) = fields.take("host") else {
        return Some(ProbeHost::Pod);
    };
    let text = item.string()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    match (text, bare.parse()) {
        ("", _) => return Some(ProbeHost::Pod),
        ("localhost", _) => return Some(ProbeHost::Localhost),
        (_, Ok(address)) if bare == text => return Some(ProbeHost::Address(address)),
        (_, Ok(_)) => item.refuse_here(
            "an address has no brackets here",
            format!("write {}", item.scope.written("host", &format!("\"{bare}\""))),
        ),
        (_, Err(_)) => match (without_port(text), name::host(text)) {
            (Some(host), _) => {
                let example = item.scope.written("host", &format!("\"{host}\""));
                item.refuse_here("a host has no port", format!("the port goes into `port`: write {example}"));
            }
            (None, Ok(())) => return Some(ProbeHost::Name(Arc::from(text))),
            (None, Err(broken)) => item.refuse_here(
                broken,
                "write an address or a name, such as `example.com`; left out, it is the pod itself",
            ),
        },
    }
    None
}

/// The host of `localhost:80`, `127.0.0.1:80` or `[::1]:80`.
fn without_port(text: &str) -> Option<&str> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
    (is_host && port.parse::<u16>().is_ok()).then_some(host)
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
