//! Every value that holds for a pod and its containers, and where it comes from. Knows what the fields mean,
//! not how they are shown.

use std::time::Duration;

use super::report::{Group, Origin, Told, Valued};
use super::{environment, isolation};
use crate::plan::{self};
use crate::spec::{
    Container, ContainerKind, CrashLoopBackOff, ExitCodeOperator, Pod, Profile, Protocol, RestartAction,
    RestartPolicy,
};

/// Values of one container under construction.
pub(super) struct Values<'a> {
    told: &'a Told<'a>,
    /// `containers[0].`, or empty for the pod.
    path: String,
    values: Vec<Valued>,
}

pub(super) fn word(profile: Profile) -> &'static str {
    match profile {
        Profile::Process => "process",
        Profile::Pod => "pod",
    }
}

/// `10s`, `0.5s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

pub(super) fn profile(pod: &Pod, told: &Told<'_>) -> Valued {
    let written = ["profile", "annotations[\"podinit.dev/profile\"]"];
    let written = written.iter().find_map(|path| told.origins.of_metadata(path));
    let origin = match (told.options.profile, written) {
        (Some(_), _) => Origin::Option("--profile"),
        (None, Some(place)) => line(told, place),
        (None, None) => Origin::Default("the default of this syntax"),
    };
    Valued { field: "profile".to_owned(), value: word(pod.profile).to_owned(), origin }
}

fn line(told: &Told<'_>, place: crate::spec::Span) -> Origin {
    match told.sources.get(told.origins.source()) {
        Some(source) => Origin::Line { file: source.name.clone(), line: source.line(place) },
        None => Origin::Default("the manifest"),
    }
}

pub(super) fn groups(pod: &Pod, told: &Told<'_>) -> Vec<Group> {
    let init = pod.init_containers.iter().enumerate();
    let init = init.map(|(n, container)| (format!("initContainers[{n}]."), container));
    let main = pod.containers.iter().enumerate();
    let main = main.map(|(n, container)| (format!("containers[{n}]."), container));
    let kinds = pod.iter().map(|(id, kind, _)| (id, kind));
    let containers = kinds.zip(init.chain(main)).map(|((id, kind), (path, container))| {
        let title = match kind {
            ContainerKind::Init => format!("init container {}", container.name),
            ContainerKind::Sidecar => format!("sidecar {}", container.name),
            ContainerKind::Main | ContainerKind::Ephemeral => format!("container {}", container.name),
        };
        let mut values = Values { told, path, values: Vec::new() };
        values.container(pod, kind, container);
        values.resources(pod, id, container);
        Group { title, values: values.values }
    });
    let every = isolation::by_profile(pod.profile).map(|(field, value)| Valued {
        field: field.to_owned(),
        value: value.to_owned(),
        origin: Origin::Profile(pod.profile),
    });
    let mut all = vec![Group { title: "pod".to_owned(), values: of_pod(pod, told) }];
    all.push(Group { title: "every container".to_owned(), values: every.into() });
    all.extend(containers);
    all
}

fn of_pod(pod: &Pod, told: &Told<'_>) -> Vec<Valued> {
    let mut values = Values { told, path: String::new(), values: Vec::new() };
    let policy = restart_policy(pod.restart_policy).to_owned();
    let otherwise = match told.origins.is_template() {
        true => Origin::Default("the only one for this kind"),
        false => Origin::Profile(pod.profile),
    };
    values.field("restartPolicy", policy, otherwise);
    let is_usual = told.options.default_grace == crate::spec::Options::default().default_grace;
    let grace = match told.grace_of_option {
        true => Origin::Option("--grace"),
        false if is_usual => Origin::Default("Kubernetes, rule 77"),
        false => Origin::Option("PODINIT_GRACE"),
    };
    values.field("terminationGracePeriodSeconds", seconds(pod.termination_grace_period), grace);
    let back_off = pod.crash_loop_back_off;
    let is_default = back_off == Default::default();
    let written = ["crashLoopBackOff", "annotations"]
        .iter()
        .find_map(|path| told.origins.of_spec(path).or_else(|| told.origins.of_metadata(path)));
    let place = written.filter(|_| !is_default);
    let origin = place.map_or(Origin::Default("Kubernetes, rule 109"), |place| line(told, place));
    values.add("crashLoopBackOff", delays(back_off), origin);
    values.ends(pod);
    values.sandbox(pod);
    values.kubelet(pod);
    values.values
}

/// Delays between restarts, in words.
fn delays(back_off: CrashLoopBackOff) -> String {
    match (back_off.initial_delay, back_off.max_delay) {
        (first, most) if first == most => format!("{} before each restart but the first", seconds(first)),
        (first, most) => format!("from {}, doubling, to {}", seconds(first), seconds(most)),
    }
}

impl Values<'_> {
    pub(super) fn add(&mut self, field: &str, value: String, origin: Origin) {
        self.values.push(Valued { field: field.to_owned(), value, origin });
    }

    /// A value of a field that the manifest may have.
    pub(super) fn field(&mut self, field: &str, value: String, otherwise: Origin) {
        let place = self.told.origins.of_spec(&format!("{}{field}", self.path));
        let origin = place.map_or(otherwise, |place| line(self.told, place));
        self.add(field, value, origin);
    }

    /// Where a field of the manifest stands, if it has it.
    pub(super) fn origin(&self, field: &str) -> Option<Origin> {
        let place = self.told.origins.of_spec(&format!("{}{field}", self.path))?;
        Some(line(self.told, place))
    }

    /// A setting of the pod, be it a key or an annotation, where the manifest has it.
    pub(super) fn setting_of_pod(&mut self, name: &str, value: String) {
        let origins = self.told.origins;
        let annotation = format!("annotations[\"podinit.dev/{name}\"]");
        let place = origins.of_spec(name).or_else(|| origins.of_metadata(&annotation));
        if let Some(place) = place {
            let origin = line(self.told, place);
            self.add(name, value, origin);
        }
    }

    /// A field that is shown only where the manifest has it.
    pub(super) fn written(&mut self, field: &str, value: String) {
        if let Some(origin) = self.origin(field) {
            self.add(field, value, origin);
        }
    }

    /// A setting of a container that is there.
    pub(super) fn setting(&mut self, container: &Container, name: &str, value: String) {
        let place = self.place_of_setting(container, name);
        let origin = place.map_or(Origin::Default("the manifest"), |place| line(self.told, place));
        self.add(name, value, origin);
    }

    /// The delays of a container, of which one may be left out.
    pub(super) fn back_off(&mut self, container: &Container, back_off: CrashLoopBackOff) {
        let names = ["crashLoopBackOff.initialDelaySeconds", "crashLoopBackOff.maxDelaySeconds"];
        let place = names.iter().find_map(|name| self.place_of_setting(container, name));
        let origin = place.map_or(Origin::Default("the manifest"), |place| line(self.told, place));
        self.add("crashLoopBackOff", delays(back_off), origin);
    }

    /// Where a setting stands, be it a key or an annotation.
    fn place_of_setting(&self, container: &Container, name: &str) -> Option<crate::spec::Span> {
        let origins = self.told.origins;
        let annotation = format!("annotations[\"podinit.dev/{}.{name}\"]", container.name);
        let key = origins.of_spec(&format!("{}{name}", self.path));
        key.or_else(|| origins.of_metadata(&annotation))
    }

    /// A field of the object around the pod.
    pub(super) fn of_owner(&mut self, field: &str, shown: &str, value: String, otherwise: Origin) {
        let place = self.told.origins.of_owner(field);
        let origin = place.map_or(otherwise, |place| line(self.told, place));
        self.add(shown, value, origin);
    }

    fn container(&mut self, pod: &Pod, kind: ContainerKind, container: &Container) {
        let is_label = pod.profile == Profile::Process && container.rootfs.is_none();
        let label = if is_label { " (a label)" } else { "" };
        self.written("image", format!("{}{label}", container.image));
        let words = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        self.written("command", words(&container.command));
        self.written("args", words(&container.args));
        let directory = container.working_dir.clone();
        let own = Origin::Profile(pod.profile);
        let otherwise = match pod.profile {
            Profile::Process => "podinit's own",
            Profile::Pod => "that of its image",
        };
        self.field("workingDir", directory.unwrap_or_else(|| otherwise.to_owned()), own);
        for environment::Shown { field, value, path } in environment::values(container) {
            let part = self.told.origins.of_spec(&format!("{}{path}", self.path));
            let place = part.or_else(|| self.place_of_setting(container, field));
            let origin = place.map_or(Origin::Default("the manifest"), |place| line(self.told, place));
            self.add(field, value, origin);
        }
        let ports: Vec<String> = container.ports.iter().map(port).collect();
        self.written("ports", ports.join(", "));
        match kind {
            ContainerKind::Sidecar => {
                self.written("restartPolicy", "Always: a sidecar, restarted on any exit".to_owned())
            }
            ContainerKind::Init | ContainerKind::Main | ContainerKind::Ephemeral => {
                let policy = container.restart_policy.unwrap_or(pod.restart_policy);
                self.field("restartPolicy", restart_policy(policy).to_owned(), Origin::Default("the pod's"));
            }
        }
        let rules = container.restart_policy_rules.iter().map(|rule| {
            let codes = rule.values.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            let what = match rule.action {
                RestartAction::Restart => "restart",
                RestartAction::RestartAllContainers => "restart all containers",
            };
            match rule.operator {
                ExitCodeOperator::In => format!("{what} on exit code {codes}"),
                ExitCodeOperator::NotIn => format!("{what} on any exit code but {codes}"),
            }
        });
        self.written("restartPolicyRules", rules.collect::<Vec<_>>().join("; "));
        self.rights(container);
        self.lifecycle(pod, kind, container);
    }

    fn resources(&mut self, pod: &Pod, id: crate::spec::ContainerId, container: &Container) {
        let (requests, limits) = (container.resources.requests, container.resources.limits);
        let pairs = [("cpu", requests.cpu, limits.cpu), ("memory", requests.memory, limits.memory)];
        for (name, request, limit) in pairs {
            if let Some(request) = request {
                let otherwise = Origin::Default("its limit, rule 164");
                self.field(&format!("resources.requests.{name}"), request.to_string(), otherwise);
            }
            if let Some(limit) = limit {
                let otherwise = Origin::Default("none");
                self.field(&format!("resources.limits.{name}"), limit.to_string(), otherwise);
            }
        }
        if plan::wants_cgroups(pod) {
            let files = plan::container_cgroup(pod, container, self.told.host_memory);
            let shown: Vec<_> = files.iter().map(|write| format!("{} {write}", write.file.name())).collect();
            self.add("cgroup", shown.join(", "), Origin::Default("rules 166 to 171"));
            if let Some(memory) = self.told.host_memory {
                let score = plan::oom_score_adj(pod, id, || memory);
                self.add("oom_score_adj", score.to_string(), Origin::Default("rule 170"));
            }
        }
    }
}

fn restart_policy(policy: RestartPolicy) -> &'static str {
    match policy {
        RestartPolicy::Always => "Always",
        RestartPolicy::OnFailure => "OnFailure",
        RestartPolicy::Never => "Never",
    }
}

fn port(port: &crate::spec::ContainerPort) -> String {
    let protocol = match port.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    };
    let name = port.name.as_ref().map_or(String::new(), |name| format!("{name} "));
    let of_host = match port.host_port {
        Some((Some(address), port)) => format!(" at {address} port {port} of this host"),
        Some((None, port)) => format!(" at port {port} of this host"),
        None => String::new(),
    };
    format!("{name}{}/{protocol}{of_host}", port.container_port)
}

/// A word as one would type it in a shell, on one line; line breaks are shown as `\n`.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let shown: String = word.trim_end_matches('\n').chars().flat_map(visible).collect();
    format!("'{shown}'")
}

/// A character as it may be shown on a terminal.
fn visible(c: char) -> Vec<char> {
    match c {
        '\'' => vec!['\'', '\\', '\'', '\''],
        '\n' => vec!['\\', 'n'],
        '\t' => vec!['\\', 't'],
        c if c.is_control() => c.escape_default().collect(),
        c => vec![c],
    }
}
