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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Options, Pod, ProbeHost, Source, load, render_all};

    fn load_with(lifecycle: &str, rest: &str, options: &Options) -> Result<Pod, String> {
        let text = format!(
            "{rest}\n[[containers]]\nname = \"a\"\ncommand = [\"x\"]\nports = [{{ name = \"http\", containerPort = 80 }}]\nlifecycle = {{ {lifecycle} }}\n"
        );
        let sources = [Source { name: "a.toml".to_owned(), text, syntax: Syntax::Toml }];
        let loaded = load(&sources, options);
        loaded.pod.ok_or_else(|| render_all(&loaded.problems, &sources, false))
    }

    fn hook_of(lifecycle: &str) -> Hook {
        let pod = load_with(&format!("preStop = {{ {lifecycle} }}"), "", &Options::default());
        pod.unwrap().containers[0].pre_stop.clone().unwrap()
    }

    #[test]
    fn rules_67_to_75_every_hook_is_read() {
        let exec = hook_of("exec.command = [\"/bin/stop\", \"now\"]");
        let command = vec!["/bin/stop".to_owned(), "now".to_owned()];
        assert_eq!(exec, Hook { handler: HookHandler::Exec { command }, timeout: None });
        let HookHandler::HttpGet(get) = hook_of("httpGet = { port = \"http\", path = \"drain\" }").handler
        else {
            panic!("not httpGet")
        };
        assert_eq!((get.port, get.path.as_str(), get.host), (80, "/drain", ProbeHost::Pod));
        let sleep = |seconds| HookHandler::Sleep(Duration::from_secs(seconds));
        assert_eq!(hook_of("sleep.seconds = 0").handler, sleep(0));
        assert_eq!(hook_of("sleep.seconds = 30").handler, sleep(30));
        let timed = hook_of("tcpSocket.port = 80, timeoutSeconds = 0.5");
        let expected = Hook { handler: HookHandler::TcpSocket, timeout: Some(Duration::from_millis(500)) };
        assert_eq!(timed, expected);
    }

    #[test]
    fn rule_74_a_sleep_is_as_long_as_the_grace_period_at_most() {
        let sleeps = |seconds: u32, rest: &str, grace: u64| {
            let options = Options { default_grace: Duration::from_secs(grace), ..Options::default() };
            load_with(&format!("preStop.sleep.seconds = {seconds}"), rest, &options).is_ok()
        };
        assert!(sleeps(5, "terminationGracePeriodSeconds = 5", 30));
        assert!(!sleeps(6, "terminationGracePeriodSeconds = 5", 30));
        assert!(!sleeps(31, "", 30));
        // A manifest that is right is right under any `--grace`; a longer one allows more.
        assert!(sleeps(30, "", 5));
        assert!(sleeps(60, "", 60));
    }

    #[test]
    fn rule_84_every_name_of_a_signal_is_taken() {
        for (name, signal) in Signal::kubernetes_names() {
            let pod = load_with(&format!("stopSignal = \"{name}\""), "", &Options::default()).unwrap();
            assert_eq!(pod.containers[0].stop_signal, Some(signal), "{name}");
        }
        let none = load_with("stopSignal = \"\"", "", &Options::default()).unwrap();
        assert_eq!(none.containers[0].stop_signal, None);
    }

    #[test]
    fn a_signal_by_another_name_is_told_by_the_name_of_kubernetes() {
        let cases = [
            ("15", "SIGTERM"),
            ("\"15\"", "SIGTERM"),
            ("\"quit\"", "SIGQUIT"),
            ("\"RTMIN+16\"", "SIGRTMAX-14"),
            ("\"SIGTREM\"", "SIGTERM"),
        ];
        for (written, name) in cases {
            let said = load_with(&format!("stopSignal = {written}"), "", &Options::default()).unwrap_err();
            assert!(said.contains(&format!("write `stopSignal = \"{name}\"`")), "{written}: {said}");
        }
    }
}
