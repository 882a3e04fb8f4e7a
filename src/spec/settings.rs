//! What Kubernetes has no field for: plain keys in TOML, annotations of `podinit.dev/` in YAML. Knows
//! the settings, and not where the pod comes from.

use super::Options;
use super::container_settings::{self, ContainerSettings, StartAfter};
use super::decode::{Fields, Item};
use super::fields::Place;
use super::kubelet::{self, KubeletSettings};
use super::pod::{CrashLoopBackOff, Pod, Profile};
use super::suggest::nearest;
use super::tree::{Value, cut};
use std::sync::Arc;
use std::time::Duration;

pub(super) const PREFIX: &str = "podinit.dev/";

pub(super) const PROFILE: &str = "profile";
pub(super) const NETWORK: &str = "network";
const INITIAL_DELAY: &str = "crashLoopBackOff.initialDelaySeconds";
const MAX_DELAY: &str = "crashLoopBackOff.maxDelaySeconds";

/// Every setting but a kubelet's; in TOML these are the paths of plain keys.
const NAMES: [&str; 4] = [PROFILE, NETWORK, INITIAL_DELAY, MAX_DELAY];

/// Every setting.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain(kubelet::NAMES)
}

/// Whether this key at the top of a TOML file is a setting, and no table of several.
pub(super) fn is_plain_key(key: &str) -> bool {
    [PROFILE, NETWORK].contains(&key) || kubelet::NAMES.contains(&key)
}

/// About thirty years; more makes no sense and fewer digits fit a duration exactly.
pub(super) const MOST_SECONDS: f64 = 1e9;

/// The settings that a manifest has.
#[derive(Default)]
pub(super) struct Settings<'a> {
    profile: Option<Item<'a>>,
    /// What a network of the pod's own can reach; read with what surrounds the containers.
    pub network: Option<Item<'a>>,
    initial_delay: Option<Item<'a>>,
    max_delay: Option<Item<'a>>,
    /// What a kubelet's configuration would say.
    pub kubelet: KubeletSettings<'a>,
    /// Those of single containers, by name.
    containers: Vec<(&'a str, ContainerSettings<'a>)>,
}

impl<'a> Settings<'a> {
    /// Takes an annotation, if it is a setting or was meant to be one.
    pub fn take_annotation(&mut self, key: &'a str, item: &Item<'a>) -> bool {
        let Some(name) = key.strip_prefix(PREFIX) else { return false };
        if self.take_of_container(name, item) {
            return true;
        }
        let slot = match name {
            PROFILE => &mut self.profile,
            NETWORK => &mut self.network,
            INITIAL_DELAY => &mut self.initial_delay,
            MAX_DELAY => &mut self.max_delay,
            _ if kubelet::NAMES.contains(&name) => {
                if let Some(slot) = self.kubelet.slot(name) {
                    *slot = Some(item.clone());
                }
                item.scope.was_read(&item.path, item.key);
                return true;
            }
            _ => {
                let help = match meant(name) {
                    Some(name) => format!("write `{PREFIX}{name}`"),
                    None => format!(
                        "known are {}, and {PREFIX}CONTAINER. followed by {}",
                        names().map(|name| format!("{PREFIX}{name}")).collect::<Vec<_>>().join(", "),
                        container_settings::NAMES.join(", ")
                    ),
                };
                let problem = item.scope.error(item.key, format!("cannot use annotation \"{}\"", item.name));
                item.scope
                    .report(problem.path(item.path.clone()).label("there is no such setting").help(help));
                return true;
            }
        };
        item.scope.was_read(&item.path, item.key);
        *slot = Some(item.clone());
        true
    }

    /// `CONTAINER.setting`; no name of a container has a dot.
    fn take_of_container(&mut self, name: &'a str, item: &Item<'a>) -> bool {
        let Some((container, setting)) = name.split_once('.') else { return false };
        let position = self.containers.iter().position(|(name, _)| *name == container);
        let mut settings =
            position.map(|position| self.containers.swap_remove(position).1).unwrap_or_default();
        let is_taken = settings.take(setting, item);
        if is_taken {
            item.scope.was_read(&item.path, item.key);
        }
        if is_taken || position.is_some() {
            self.containers.push((container, settings));
        }
        is_taken
    }

    /// Gives containers what annotations say of them. Returns what they are to start after.
    pub fn apply_to_containers(&mut self, pod: &mut Pod) -> Vec<StartAfter<'a>> {
        let mut start_after = Vec::new();
        for (name, settings) in std::mem::take(&mut self.containers) {
            let found = pod.iter().find(|(_, _, container)| *container.name == *name);
            let Some((id, kind, _)) = found else {
                let names: Vec<_> = pod.iter().map(|(_, _, container)| Arc::clone(&container.name)).collect();
                let help = match nearest(name, names.iter().map(|name| &**name)) {
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => "write the name of a container of this pod".to_owned(),
                };
                for item in settings.items() {
                    let message = format!("cannot use annotation \"{}\"", item.name);
                    let problem = item.scope.error(item.key, message).path(item.path.clone());
                    let label = format!("the pod has no container \"{}\"", cut(name));
                    item.scope.report(problem.label(label).help(help.clone()));
                }
                continue;
            };
            let Some(container) = pod.container_mut(id) else { continue };
            start_after.extend(settings.apply(kind, container).map(|item| (id, item)));
        }
        start_after
    }

    /// Refuses the settings of an object that is no pod; `template` is where its pod is, if it has one.
    pub fn refuse_outside(&self, template: &str) {
        let of_containers = self.containers.iter().flat_map(|(_, settings)| settings.items());
        let of_pod =
            [&self.profile, &self.network, &self.initial_delay, &self.max_delay].into_iter().flatten();
        for item in of_pod.chain(self.kubelet.items()).chain(of_containers) {
            let message = format!("cannot use annotation \"{}\" here", item.name);
            let help = match template {
                "" => "remove it".to_owned(),
                template => format!("move it to {template}.metadata.annotations"),
            };
            let problem = item.scope.error(item.key, message).path(item.path.clone());
            item.scope.report(problem.label("this is a setting of the pod").help(help));
        }
    }

    /// Whether an annotation is one that in TOML is a plain key. It has been reported then.
    pub fn refuse_annotation(key: &str, item: &Item<'_>) -> bool {
        let Some(name) = key.strip_prefix(PREFIX) else { return false };
        let problem = item.scope.error(item.key, format!("cannot use annotation \"{}\" in TOML", item.name));
        let of_container = name.split_once('.').filter(|(_, name)| container_settings::NAMES.contains(name));
        let help = match of_container {
            Some((container, name)) => {
                format!("write `{name} = ...` into the table of container \"{}\"", cut(container))
            }
            None => format!("write `{name} = ...` at the top of the file"),
        };
        item.scope.report(
            problem.path(item.path.clone()).label("a setting of podinit is a plain key here").help(help),
        );
        true
    }

    /// Takes the keys of a TOML file.
    pub fn take_keys(fields: &mut Fields<'a>) -> Self {
        let [profile, network] = [PROFILE, NETWORK].map(|name| fields.take(name));
        let crash_loop_back_off = fields.take("crashLoopBackOff");
        let delays = crash_loop_back_off.and_then(|item| {
            item.fields(&[Place::CrashLoopBackOff], |fields| {
                fields.belong_to("crashLoopBackOff");
                (fields.take("initialDelaySeconds"), fields.take("maxDelaySeconds"))
            })
        });
        let (initial_delay, max_delay) = delays.unwrap_or_default();
        let kubelet = KubeletSettings::take_keys(fields);
        Self { profile, network, initial_delay, max_delay, kubelet, containers: Vec::new() }
    }

    /// The profile: the option, else the manifest, else `default`.
    pub fn profile(&self, options: &Options, default: Profile) -> Profile {
        let words = [("process", Profile::Process), ("pod", Profile::Pod)];
        let written = self.profile.as_ref().and_then(|item| item.choice(&words, "one of process, pod"));
        options.profile.or(written).unwrap_or(default)
    }

    /// The delays of the pod's containers.
    pub fn back_off(&self) -> CrashLoopBackOff {
        back_off(self.initial_delay.as_ref(), self.max_delay.as_ref())
    }
}

/// The setting that was probably meant by a name that is none.
fn meant(name: &str) -> Option<String> {
    let of_container = || {
        let (container, setting) = name.split_once('.')?;
        let is_end = |known: &&str| known.ends_with(&format!(".{setting}"));
        let known = || container_settings::NAMES.into_iter();
        let setting = nearest(setting, known()).or_else(|| known().find(is_end))?;
        Some(format!("{container}.{setting}"))
    };
    nearest(name, names()).map(str::to_owned).or_else(of_container)
}

/// Delays between restarts (rule 114): a maximum below the usual first delay is the first delay as well.
pub(super) fn back_off(
    written_initial: Option<&Item<'_>>,
    written_max: Option<&Item<'_>>,
) -> CrashLoopBackOff {
    let default = CrashLoopBackOff::default();
    let initial = written_initial.map(seconds);
    let max = written_max.map(seconds);
    let max_delay = max.flatten().unwrap_or(default.max_delay);
    let initial_delay = match (initial, max) {
        (Some(initial), _) => initial.unwrap_or(default.initial_delay),
        (None, _) => default.initial_delay.min(max_delay),
    };
    // Something that is no number has been reported, and cannot be compared.
    let comparable = initial != Some(None) && max != Some(None);
    if let Some(item) = written_initial.filter(|_| comparable && initial_delay > max_delay) {
        let problem = item.wrong().label("longer than the longest delay");
        item.scope.report(match written_max {
            Some(max) => problem
                .note("the longest is", max.scope.source, max.node.span)
                .help("write a longer maxDelaySeconds, or a shorter initialDelaySeconds"),
            None => problem.help("write maxDelaySeconds as well; it is 300 where it is left out"),
        });
    }
    CrashLoopBackOff { initial_delay, max_delay }
}

/// How long a hook may take; zero makes no sense.
pub(super) fn timeout(item: &Item<'_>) -> Option<Duration> {
    let timeout = seconds(item)?;
    if timeout.is_zero() {
        item.refuse("no hook is over at once", "write the seconds that it may take, or leave it out");
        return None;
    }
    Some(timeout)
}

/// Whether the setting is written as an annotation, which is a string.
pub(super) fn is_annotation(item: &Item<'_>) -> bool {
    item.name.starts_with(PREFIX)
}

/// Seconds, with a fraction; a string of digits in an annotation.
pub(super) fn seconds(item: &Item<'_>) -> Option<Duration> {
    let help = "write seconds, such as 0.5 or 10";
    let seconds = decimal(item, "a number of seconds is wanted", help)?;
    // Also false for NaN.
    if (0.0..=MOST_SECONDS).contains(&seconds) {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    item.refuse(if seconds < 0.0 { "less than 0" } else { "more than a delay can be" }, help);
    None
}

/// A number with a fraction; a string of digits in an annotation.
pub(super) fn decimal(item: &Item<'_>, wanted: &str, help: &str) -> Option<f64> {
    let is_annotation = is_annotation(item);
    if is_annotation {
        // Kubernetes has strings in annotations, and nothing else.
        item.string()?;
    }
    match &item.node.value {
        Value::Integer(value) => return Some(*value as f64),
        Value::Float(value) => return Some(*value),
        Value::String(text) if is_annotation => {
            let is_decimal = text.chars().all(|c| c.is_ascii_digit() || c == '.');
            if let Some(value) = text.parse().ok().filter(|_| is_decimal) {
                return Some(value);
            }
        }
        Value::Unreadable => return None,
        Value::Null
        | Value::Boolean(_)
        | Value::String(_)
        | Value::Date
        | Value::List(_)
        | Value::Mapping(_) => {}
    }
    item.refuse(wanted, help);
    None
}

/// A boolean in TOML, its word in an annotation.
pub(super) fn boolean(item: &Item<'_>) -> Option<bool> {
    if !is_annotation(item) {
        return item.boolean();
    }
    match item.string()? {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            item.refuse("one of \"true\", \"false\"", "write \"true\", or remove it");
            None
        }
    }
}
