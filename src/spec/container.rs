//! One entry of `containers` or `initContainers`. Knows what a container may say, alone and in its
//! list; what concerns several of them is the pod's.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use super::container_settings::ContainerSettings;
use super::decode::{Fields, Item};
use super::environment::{env_from, environment};
use super::fields::Place;
use super::lifecycle::{Lifecycle, lifecycle};
use super::name;
use super::pod::{
    Container, ContainerKind, ContainerPort, ExitCodeOperator, Probe, ProbeKind, Profile, RestartAction,
    RestartPolicy, RestartRule, TERMINATION_LOG, TerminationMessagePolicy,
};
use super::port::{HostPort, ports};
use super::problem::Problem;
use super::resize::resize_policy;
use super::resources::resources;
use super::sandbox::Host;
use super::security_context::{SecurityContext, security_context};
use super::stdin::stdin;
use super::tree::{Span, cut};
use super::volume::{MountsOf, VolumeMount, Volumes, volume_mounts};
use super::{Syntax, path, probe};

/// What the containers of one pod have in common.
pub(super) struct Surroundings<'a> {
    pub profile: Profile,
    /// The pod's.
    pub restart_policy: RestartPolicy,
    /// At most as long a hook may sleep.
    pub longest_sleep: Duration,
    /// Containers by name and what they are to start after, as written in TOML.
    pub start_after: RefCell<Vec<(Arc<str>, Item<'a>)>>,
    /// Whether it has been said that an image is only a label.
    pub image_told: Cell<bool>,
    pub host: &'a Host<'a>,
    pub volumes: &'a Volumes,
    /// Ports of the host that are taken, with their places.
    pub host_ports: RefCell<Vec<(HostPort, Span)>>,
}

/// The list that a container is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ContainerList {
    Init,
    Main,
}

pub(super) const RESTART_POLICIES: &[(&str, RestartPolicy)] = &[
    ("Always", RestartPolicy::Always),
    ("OnFailure", RestartPolicy::OnFailure),
    ("Never", RestartPolicy::Never),
];

/// Reads one container. Its name may be empty where that has been reported.
pub(super) fn container<'a>(
    item: &Item<'a>,
    list: ContainerList,
    surroundings: &Surroundings<'a>,
) -> Option<Container> {
    let places: &'static [Place] = match item.scope.syntax {
        Syntax::Yaml => &[Place::Container],
        Syntax::Toml => &[Place::Container, Place::TomlContainer],
    };
    item.fields(places, |fields| {
        let sidecar = list == ContainerList::Init
            && fields.peek("restartPolicy").is_some_and(|item| item.node.as_string() == Some("Always"));
        let kind = match list {
            ContainerList::Main => "container",
            ContainerList::Init if sidecar => "sidecar",
            ContainerList::Init => "init container",
        };
        let name = container_name(fields, kind);
        let described = match fields.peek("name").and_then(|item| item.node.as_string().map(cut)) {
            Some(name) => format!("{kind} \"{name}\""),
            None => item.name.clone(),
        };
        fields.belong_to(&described);
        if name.is_none() && fields.peek("name").is_none() {
            fields.missing("name", format!("write {}", item.scope.word("name", "main")));
        }
        image_is_a_label(fields, surroundings);
        let restart_policy = restart_policy(fields, list);
        let plain_init = list == ContainerList::Init && !sidecar;
        let ports = ports(fields, plain_init, surroundings);
        let [startup_probe, liveness_probe, readiness_probe] =
            ProbeKind::ALL.map(|kind| probe(fields, kind, &described, plain_init, &ports));
        let Lifecycle { post_start, pre_stop, stop_signal } =
            hooks(fields, &described, plain_init, &ports, surroundings);
        let messages = [
            ("File", TerminationMessagePolicy::File),
            ("FallbackToLogsOnError", TerminationMessagePolicy::FallbackToLogsOnError),
        ];
        let message = fields.take("terminationMessagePolicy");
        let message =
            message.and_then(|item| item.choice_or_default(&messages, "one of File, FallbackToLogsOnError"));
        let security_context =
            fields.take("securityContext").map(|item| security_context(&item, &described, surroundings.host));
        let security_context = security_context.unwrap_or_default();
        let mut container = Container {
            name: Arc::from(name.unwrap_or_default()),
            image: Arc::from(image(fields)),
            command: command(fields, &described, surroundings.profile),
            args: fields.take("args").and_then(|item| item.strings()).unwrap_or_default(),
            working_dir: fields
                .take("workingDir")
                .and_then(|item| item.string())
                .filter(|directory| !directory.is_empty())
                .map(str::to_owned),
            env: fields.take("env").map(|item| environment(&item, surroundings.volumes)).unwrap_or_default(),
            env_from: fields.take("envFrom").map(|item| env_from(&item)).unwrap_or_default(),
            env_files: Vec::new(),
            env_from_files: Vec::new(),
            ports,
            restart_policy,
            restart_policy_rules: restart_rules(fields),
            crash_loop_back_off: None,
            keystone: false,
            start_after: Vec::new(),
            startup_probe,
            liveness_probe,
            readiness_probe,
            notify: None,
            post_start,
            pre_stop,
            stop_signal,
            termination_message_path: message_path(fields),
            termination_message_policy: message.unwrap_or_default(),
            resources: fields.take("resources").map(|item| resources(&item, &described)).unwrap_or_default(),
            resize_policy: resize_policy(fields, plain_init, surroundings.restart_policy),
            volume_mounts: mounts(fields, &security_context, surroundings),
            security_context,
            rootfs: None,
            reaper: false,
            stdin: stdin(fields),
            tty: fields.take("tty").and_then(|item| item.boolean()).unwrap_or(false),
        };
        if item.scope.syntax == Syntax::Toml {
            let kind = match list {
                ContainerList::Main => ContainerKind::Main,
                ContainerList::Init => container.kind_among_init(),
            };
            if let Some(item) = ContainerSettings::take_keys(fields).apply(kind, &mut container) {
                surroundings.start_after.borrow_mut().push((Arc::clone(&container.name), item));
            }
        }
        container
    })
}

fn container_name<'a>(fields: &mut Fields<'a>, kind: &str) -> Option<&'a str> {
    fields.belong_to(&format!("{} {kind}", if kind.starts_with('i') { "an" } else { "a" }));
    let item = fields.take("name")?;
    fields.anchor = item.node.span;
    let name = item.string()?;
    if let Err(broken) = name::label(name) {
        let better = name::repaired(name).unwrap_or_else(|| "main".to_owned());
        item.refuse(broken, format!("write {}", item.scope.word("name", &better)));
    }
    Some(name)
}

fn image<'a>(fields: &mut Fields<'a>) -> &'a str {
    let Some(item) = fields.take("image") else { return "" };
    let image = item.string().unwrap_or_default();
    if image.trim() != image {
        item.refuse(
            "it starts or ends with a space",
            format!("write {}", item.scope.word("image", &cut(image.trim()))),
        );
    }
    image
}

fn image_is_a_label(fields: &Fields<'_>, surroundings: &Surroundings<'_>) {
    let Some(item) = fields.peek("image").filter(|_| fields.peek("rootfs").is_none()) else { return };
    if surroundings.profile == Profile::Process && !surroundings.image_told.replace(true) {
        let message =
            format!("image {} is only a label in profile \"process\"", item.node.shown(item.scope.text));
        item.scope.report(
            Problem::warning(item.scope.source, item.node.span, message)
                .path(item.path)
                .label("not looked up: the containers run on this host's own files")
                .help("make sure that the programs of all images are installed on this host"),
        );
    }
}

/// Without an image to look an entry point up in, profile `process` needs a program.
fn command(fields: &mut Fields<'_>, described: &str, profile: Profile) -> Vec<String> {
    let item = fields.take("command");
    let command = item.as_ref().map(|item| item.strings());
    let scope = fields.item.scope;
    match (command, item) {
        (Some(None), _) => Vec::new(),
        (Some(Some(command)), Some(item)) if command.first().is_some_and(String::is_empty) => {
            if let Some(first) = item.list().unwrap_or_default().first() {
                first.refuse_here("the program's name is empty", "write the program as the first item");
            }
            command
        }
        (command, item) => {
            let command = command.flatten().unwrap_or_default();
            let reported = item.as_ref().is_some_and(|item| !item.node.is_empty());
            if command.is_empty() && !reported && profile == Profile::Process && !fields.misspelt("command") {
                let (place, label) = match &item {
                    Some(item) => (item.node.span, "there is no program in it"),
                    None => (fields.anchor, "it needs a command"),
                };
                let message = format!("cannot run {described}: it has no command");
                let path = format!("{}.command", fields.item.path);
                let example = scope.written("command", "[\"/path/to/program\", \"argument\"]");
                scope.report(scope.error(place, message).path(path).label(label).help(format!(
                    "write {example}; in profile \"process\" no image is there to have an entry point"
                )));
            }
            command
        }
    }
}

/// Where the container sees the file for the message about its end (rule 131); empty counts as left out.
fn message_path(fields: &mut Fields<'_>) -> String {
    let item = fields.take("terminationMessagePath").filter(|item| item.node.as_string() != Some(""));
    let Some(written) = item.as_ref().and_then(|item| item.string()) else {
        return TERMINATION_LOG.to_owned();
    };
    if let (Err(broken), Some(item)) = (path::absolute(written), &item) {
        // A cluster takes it, and its node does not find it.
        item.refuse_here(broken, format!("write {}", item.scope.word(&item.name, TERMINATION_LOG)));
    }
    written.to_owned()
}

fn mounts(
    fields: &mut Fields<'_>,
    context: &SecurityContext,
    surroundings: &Surroundings<'_>,
) -> Vec<VolumeMount> {
    let of = MountsOf { volumes: surroundings.volumes, privileged: context.privileged };
    fields.take("volumeMounts").map(|item| volume_mounts(&item, &of)).unwrap_or_default()
}

fn restart_policy(fields: &mut Fields<'_>, list: ContainerList) -> Option<RestartPolicy> {
    let item = fields.take("restartPolicy")?;
    let always = item.node.as_string().is_some_and(|text| text.eq_ignore_ascii_case("always"));
    item.choice(
        RESTART_POLICIES,
        match list {
            ContainerList::Init if always => "the only value that makes a sidecar is \"Always\"",
            ContainerList::Init | ContainerList::Main => "one of Always, OnFailure, Never",
        },
    )
}

/// At most 20 rules, and only beside a policy (rule 98).
fn restart_rules(fields: &mut Fields<'_>) -> Vec<RestartRule> {
    let Some(item) = fields.take("restartPolicyRules") else { return Vec::new() };
    let Some(items) = item.list() else { return Vec::new() };
    if items.len() > 20 {
        let scope = item.scope;
        let message = format!("cannot use {} restartPolicyRules{}", items.len(), item.owner);
        scope.report(
            scope
                .error(item.key, message)
                .path(item.path.clone())
                .label("at most 20")
                .help("put the exit codes of several rules into one"),
        );
    }
    if !items.is_empty() && fields.peek("restartPolicy").is_none() {
        let scope = item.scope;
        let message = format!("cannot use restartPolicyRules{}: restartPolicy is missing", item.owner);
        let example = scope.word("restartPolicy", "Never");
        scope.report(
            scope
                .error(item.key, message)
                .path(item.path)
                .label("rules need a policy beside them")
                .help(format!("write {example} beside it, for example; it holds where no rule does")),
        );
    }
    items.iter().filter_map(restart_rule).collect()
}

fn restart_rule(item: &Item<'_>) -> Option<RestartRule> {
    item.fields(&[Place::RestartRule], |fields| {
        fields.belong_to_part("a restart rule");
        let actions = [
            ("Restart", RestartAction::Restart),
            ("RestartAllContainers", RestartAction::RestartAllContainers),
        ];
        let action = match fields.take("action") {
            Some(item) => item.choice(&actions, "one of Restart, RestartAllContainers"),
            None => {
                fields.missing("action", format!("write {}", item.scope.word("action", "Restart")));
                None
            }
        };
        let rule = match fields.take("exitCodes") {
            Some(item) => exit_codes(&item),
            None => {
                fields.missing("exitCodes", "write `exitCodes` with `operator` and `values`");
                None
            }
        };
        let (operator, values) = rule?;
        Some(RestartRule { action: action?, operator, values })
    })?
}

fn exit_codes(item: &Item<'_>) -> Option<(ExitCodeOperator, Vec<u8>)> {
    item.fields(&[Place::ExitCodes], |fields| {
        let operators = [("In", ExitCodeOperator::In), ("NotIn", ExitCodeOperator::NotIn)];
        let operator = match fields.take("operator") {
            Some(item) => item.choice(&operators, "one of In, NotIn"),
            None => {
                fields.missing("operator", format!("write {}", item.scope.word("operator", "In")));
                None
            }
        };
        let items = fields.take("values").and_then(|item| Some((item.list()?, item)));
        let values = items.map_or(Vec::new(), |(items, list)| {
            if items.len() > 255 {
                let message = format!("cannot use {} values{}", items.len(), list.owner);
                let problem = list.scope.error(list.key, message).path(list.path);
                list.scope.report(problem.label("at most 255").help("use `NotIn` with the other exit codes"));
            }
            items
                .iter()
                .filter_map(|item| item.integer(0, 255))
                .filter_map(|code| u8::try_from(code).ok())
                .collect()
        });
        Some((operator?, values))
    })?
}

/// Plain init containers have none (rule 20).
fn probe(
    fields: &mut Fields<'_>,
    kind: ProbeKind,
    described: &str,
    plain_init: bool,
    ports: &[ContainerPort],
) -> Option<Probe> {
    let (name, what) = match kind {
        ProbeKind::Startup => ("startupProbe", "has no probes"),
        ProbeKind::Liveness => ("livenessProbe", "has no probes"),
        ProbeKind::Readiness => ("readinessProbe", "has no probes"),
    };
    let item = fields.take(name)?;
    if !plain_init {
        return probe::probe(&item, kind, described, ports);
    }
    not_for_plain_init(&item, what);
    None
}

/// Plain init containers have none (rule 20).
fn hooks(
    fields: &mut Fields<'_>,
    described: &str,
    plain_init: bool,
    ports: &[ContainerPort],
    surroundings: &Surroundings<'_>,
) -> Lifecycle {
    let Some(item) = fields.take("lifecycle") else { return Lifecycle::default() };
    if !plain_init {
        return lifecycle(&item, described, ports, surroundings.longest_sleep);
    }
    not_for_plain_init(&item, "has no lifecycle");
    Lifecycle::default()
}

fn not_for_plain_init(item: &Item<'_>, what: &str) {
    let (scope, message) = (item.scope, format!("cannot use {}{}", item.name, item.owner));
    let sidecar = scope.word("restartPolicy", "Always");
    scope.report(
        scope
            .error(item.key, message)
            .path(item.path.clone())
            .label(format!("an init container that runs to its end {what}"))
            .help(format!("remove it, or write {sidecar} to make the container a sidecar")),
    );
}
