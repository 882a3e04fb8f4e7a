//! What happens around a container's life: the hooks and the signal to stop by. Knows what a manifest may
//! say (rules 67 to 75, 84), not how it is done.

use super::decode::{Fields, Item, Purpose};
use super::fields::Place;
use super::handler::{exec_action, http_get_action, tcp_socket_action};
use super::pod::{ContainerPort, Hook, HookHandler};
use super::probe::one_handler;
use super::problem::Problem;
use super::signal::Signal;
use super::suggest::nearest;
use super::tree::Value;
use super::{Syntax, settings};
use std::time::Duration;

/// The field `lifecycle` of a container.
#[derive(Default)]
pub(super) struct Lifecycle {
    pub post_start: Option<Hook>,
    pub pre_stop: Option<Hook>,
    pub stop_signal: Option<Signal>,
}

/// Reads `lifecycle` of a container with these ports. No hook may sleep for longer than `longest_sleep`.
pub(super) fn lifecycle(
    item: &Item<'_>,
    container: &str,
    ports: &[ContainerPort],
    longest_sleep: Duration,
) -> Lifecycle {
    let read = item.fields(&[Place::Lifecycle], |fields| {
        fields.belong_to(container);
        let mut hook = |name| fields.take(name).and_then(|item| hook(&item, container, ports, longest_sleep));
        let (post_start, pre_stop) = (hook("postStart"), hook("preStop"));
        let stop_signal = fields.take("stopSignal").and_then(|item| stop_signal(&item));
        Lifecycle { post_start, pre_stop, stop_signal }
    });
    read.unwrap_or_default()
}

fn hook(item: &Item<'_>, container: &str, ports: &[ContainerPort], longest_sleep: Duration) -> Option<Hook> {
    let places: &'static [Place] = match item.scope.syntax {
        Syntax::Yaml => &[Place::LifecycleHandler],
        Syntax::Toml => &[Place::LifecycleHandler, Place::TomlLifecycleHandler],
    };
    item.fields(places, |fields| {
        fields.belong_to(&format!("{} of {container}", item.name));
        let timeout = match item.scope.syntax {
            Syntax::Yaml => None,
            Syntax::Toml => fields.take("timeoutSeconds").and_then(|item| settings::timeout(&item)),
        };
        Some(Hook { handler: handler(fields, ports, longest_sleep)?, timeout })
    })?
}

fn handler(fields: &mut Fields<'_>, ports: &[ContainerPort], longest_sleep: Duration) -> Option<HookHandler> {
    let items = ["exec", "httpGet", "sleep", "tcpSocket"].map(|name| fields.take(name));
    if !one_handler(fields, &items, "a hook does one thing", "exec, httpGet or sleep") {
        return None;
    }
    let [exec, http_get, sleep, tcp_socket] = items;
    let exec = exec.and_then(|item| exec_action(&item)).map(|command| HookHandler::Exec { command });
    let http_get = http_get.and_then(|item| http_get_action(&item, ports)).map(HookHandler::HttpGet);
    let sleep = sleep.and_then(|item| sleep_action(&item, longest_sleep));
    let tcp_socket = tcp_socket.and_then(|item| {
        always_fails(&item);
        tcp_socket_action(&item, ports).map(|_| HookHandler::TcpSocket)
    });
    exec.or(http_get).or(sleep).or(tcp_socket)
}

/// Rule 75: the API server takes it, and no kubelet ever did it.
fn always_fails(item: &Item<'_>) {
    if item.scope.purpose == Purpose::Run {
        let message = format!("tcpSocket{} always fails, as in Kubernetes", item.owner);
        let problem = Problem::warning(item.scope.source, item.key, message).path(item.path.clone());
        item.scope.report(problem.label("a hook cannot do this").help("use exec or httpGet"));
    }
}

/// At most the grace period of the pod (rule 74).
fn sleep_action(item: &Item<'_>, longest: Duration) -> Option<HookHandler> {
    item.fields_with_main(&[Place::SleepAction], "seconds", |fields| {
        let Some(item) = fields.take("seconds") else {
            fields.missing("seconds", format!("write {}", item.scope.written("seconds", "5")));
            return None;
        };
        let seconds = item.integer(0, i64::MAX)?;
        let most = longest.as_secs();
        if seconds.unsigned_abs() > most {
            item.refuse(
                format!("longer than terminationGracePeriodSeconds, which is {most}"),
                "write a shorter sleep, or a longer terminationGracePeriodSeconds",
            );
        }
        Some(HookHandler::Sleep(Duration::from_secs(seconds.unsigned_abs())))
    })?
}

/// One of the 65 names that Kubernetes has on Linux (rule 84).
fn stop_signal(item: &Item<'_>) -> Option<Signal> {
    let text = match &item.node.value {
        Value::Integer(number) => number.to_string(),
        Value::String(_)
        | Value::Null
        | Value::Boolean(_)
        | Value::Float(_)
        | Value::Date
        | Value::List(_)
        | Value::Mapping(_)
        | Value::Unreadable => item.string()?.to_owned(),
    };
    let known = Signal::kubernetes_names();
    match known.iter().find(|(name, _)| *name == text) {
        _ if text.is_empty() => None,
        Some((_, signal)) => Some(*signal),
        None => {
            let meant = Signal::parse(&text);
            let same = known.iter().find(|(_, signal)| Some(*signal) == meant).map(|(name, _)| name.as_str());
            let similar = || nearest(&text, known.iter().map(|(name, _)| name.as_str()));
            let label = match meant {
                Some(_) => "Kubernetes has another name for it",
                None => "there is no signal of this name",
            };
            let name = same.or_else(similar).unwrap_or("SIGTERM");
            item.refuse(label, format!("write {}", item.scope.word("stopSignal", name)));
            None
        }
    }
}
