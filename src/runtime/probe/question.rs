//! What is asked over the network, and who asks it: plain HTTP and TCP to addresses the loop itself; names,
//! TLS and HTTP/2 a child of podinit's own, so that no resolver, no certificate and no frame is read in
//! PID 1.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::Arc;

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::{Value, json};

use super::Purpose;
use super::http::Request;
use crate::spec::{HookHandler, HttpGet, HttpHeader, HttpScheme, ProbeHandler, ProbeHost};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Http(Request),
    Tcp { host: ProbeHost, port: u16 },
    Grpc { host: ProbeHost, port: u16, service: String },
}

impl Question {
    /// What a probe asks over the network, if it does.
    pub(crate) fn of_probe(handler: &ProbeHandler) -> Option<Self> {
        match handler {
            ProbeHandler::Exec { .. } => None,
            ProbeHandler::TcpSocket { host, port } => Some(Self::Tcp { host: host.clone(), port: *port }),
            ProbeHandler::HttpGet(get) => Some(Self::Http(Request::new(get, Purpose::Probe))),
            ProbeHandler::Grpc { port, service } => {
                Some(Self::Grpc { host: ProbeHost::Pod, port: *port, service: service.clone() })
            }
        }
    }

    /// What a hook asks over the network, if it does.
    pub(crate) fn of_hook(handler: &HookHandler) -> Option<Self> {
        match handler {
            HookHandler::HttpGet(get) => Some(Self::Http(Request::new(get, Purpose::Hook))),
            HookHandler::Exec { .. } | HookHandler::Sleep(_) | HookHandler::TcpSocket => None,
        }
    }

    /// Whether it is not for PID 1 to ask.
    pub(crate) fn needs_child(&self) -> bool {
        let is_name = |host: &ProbeHost| matches!(host, ProbeHost::Name(_));
        match self {
            Self::Http(request) => request.get.scheme == HttpScheme::Https || is_name(&request.get.host),
            Self::Tcp { host, .. } => is_name(host),
            Self::Grpc { .. } => true,
        }
    }

    /// What a child reads. Not its arguments: headers may hold secrets, and everybody sees arguments.
    pub(super) fn to_json(&self) -> String {
        let question = match self {
            Self::Http(Request { get, purpose, redirects }) => json!({
                "http": {
                    "https": get.scheme == HttpScheme::Https,
                    "host": host_to_json(&get.host),
                    "port": get.port,
                    "path": get.path,
                    "headers": get.http_headers.iter().map(|h| json!([h.name, h.value])).collect::<Vec<_>>(),
                    "hook": *purpose == Purpose::Hook,
                    "redirects": redirects,
                },
            }),
            Self::Tcp { host, port } => json!({"tcp": {"host": host_to_json(host), "port": port}}),
            Self::Grpc { host, port, service } => {
                json!({"grpc": {"host": host_to_json(host), "port": port, "service": service}})
            }
        };
        question.to_string()
    }

    /// A file that a child finds it in, without a name that others could open.
    pub(crate) fn to_file(&self) -> io::Result<File> {
        let mut file = File::from(memfd_create(c"question", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(self.to_json().as_bytes())?;
        file.rewind()?;
        Ok(file)
    }

    /// `None` where it is none of [`Question::to_json`].
    pub(super) fn from_json(text: &[u8]) -> Option<Self> {
        let question: Value = serde_json::from_slice(text).ok()?;
        let (kind, question) = question.as_object()?.iter().next()?;
        let host = host_from_json(question.get("host")?)?;
        let port = u16::try_from(question.get("port")?.as_u64()?).ok()?;
        let text = |name: &str| Some(question.get(name)?.as_str()?.to_owned());
        let flag = |name: &str| question.get(name)?.as_bool();
        match kind.as_str() {
            "tcp" => Some(Self::Tcp { host, port }),
            "grpc" => Some(Self::Grpc { host, port, service: text("service")? }),
            "http" => {
                let header = |header: &Value| {
                    let text = |index: usize| Some(header.get(index)?.as_str()?.to_owned());
                    Some(HttpHeader { name: text(0)?, value: text(1)? })
                };
                let headers = question.get("headers")?.as_array()?;
                let get = HttpGet {
                    scheme: if flag("https")? { HttpScheme::Https } else { HttpScheme::Http },
                    host,
                    port,
                    path: text("path")?,
                    http_headers: headers.iter().map(header).collect::<Option<_>>()?,
                };
                let purpose = if flag("hook")? { Purpose::Hook } else { Purpose::Probe };
                let redirects = u8::try_from(question.get("redirects")?.as_u64()?).ok()?;
                Some(Self::Http(Request { get, purpose, redirects }))
            }
            _ => None,
        }
    }
}

fn host_to_json(host: &ProbeHost) -> Value {
    match host {
        ProbeHost::Pod => json!("pod"),
        ProbeHost::Localhost => json!("localhost"),
        ProbeHost::Address(address) => json!({"address": address.to_string()}),
        ProbeHost::Name(name) => json!({"name": &**name}),
    }
}

fn host_from_json(host: &Value) -> Option<ProbeHost> {
    let text = |name: &str| host.get(name).and_then(Value::as_str);
    match (host.as_str(), text("address"), text("name")) {
        (Some("pod"), ..) => Some(ProbeHost::Pod),
        (Some("localhost"), ..) => Some(ProbeHost::Localhost),
        (None, Some(address), _) => Some(ProbeHost::Address(address.parse().ok()?)),
        (None, None, Some(name)) => Some(ProbeHost::Name(Arc::from(name))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_asked_exactly_what_was_to_be_asked() {
        let get = HttpGet {
            scheme: HttpScheme::Https,
            host: ProbeHost::Name("db.example".into()),
            port: 8443,
            path: "/a?b=\"c\"".to_owned(),
            http_headers: vec![HttpHeader { name: "Authorization".into(), value: "Bearer \\x".into() }],
        };
        let questions = [
            Question::Http(Request { redirects: 3, ..Request::new(&get, Purpose::Hook) }),
            Question::Http(Request::new(&HttpGet { scheme: HttpScheme::Http, ..get }, Purpose::Probe)),
            Question::Tcp { host: ProbeHost::Localhost, port: 1 },
            Question::Tcp { host: ProbeHost::Address("::1".parse().unwrap()), port: 65535 },
            Question::Grpc { host: ProbeHost::Pod, port: 50051, service: "a.b".to_owned() },
        ];
        for question in questions {
            assert_eq!(Question::from_json(question.to_json().as_bytes()), Some(question));
        }
        assert_eq!(Question::from_json(b"{}"), None);
    }
}
