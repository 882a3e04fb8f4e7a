//! What Kubernetes has no field for in a container: plain keys of its table in TOML, annotations
//! `podinit.dev/<container>.<setting>` in YAML. Knows the settings and what they mean, in both forms.

use std::time::Duration;

use super::decode::{Fields, Item};
use super::environment::named;
use super::fields::Place;
use super::name;
use super::pod::{Container, ContainerId, ContainerKind, CrashLoopBackOff, HookKind, Notify, Pod};
use super::rootfs::{rootfs, rootfs_keys};
use super::settings::{back_off, boolean, is_annotation, timeout};
use super::suggest::nearest;
use super::tree::{Value, cut};

pub(super) const ROOTFS: &str = "rootfs";
/// In TOML this is `layer` in the table `rootfs`.
pub(super) const ROOTFS_LAYER: &str = "rootfsLayer";

/// Every setting; in TOML these are the paths of keys in the container's table.
pub(super) const NAMES: [&str; 12] = [
    ROOTFS,
    ROOTFS_LAYER,
    "reaper",
    "envFile",
    "envFromFiles",
    "keystone",
    "startAfter",
    "notify",
    "crashLoopBackOff.initialDelaySeconds",
    "crashLoopBackOff.maxDelaySeconds",
    "lifecycle.postStart.timeoutSeconds",
    "lifecycle.preStop.timeoutSeconds",
];

/// The settings of one container, as written.
#[derive(Default)]
pub(super) struct ContainerSettings<'a> {
    rootfs: Option<Item<'a>>,
    rootfs_layer: Option<Item<'a>>,
    reaper: Option<Item<'a>>,
    env_file: Option<Item<'a>>,
    env_from_files: Option<Item<'a>>,
    keystone: Option<Item<'a>>,
    start_after: Option<Item<'a>>,
    notify: Option<Item<'a>>,
    initial_delay: Option<Item<'a>>,
    max_delay: Option<Item<'a>>,
    post_start_timeout: Option<Item<'a>>,
    pre_stop_timeout: Option<Item<'a>>,
}

/// A container and what it is to start after, as written.
pub(super) type StartAfter<'a> = (ContainerId, Item<'a>);

impl<'a> ContainerSettings<'a> {
    /// Takes the keys of a container's table. The hooks' are in their own tables.
    pub fn take_keys(fields: &mut Fields<'a>) -> Self {
        let delays = fields.take("crashLoopBackOff").and_then(|item| {
            item.fields(&[Place::CrashLoopBackOff], |fields| {
                fields.belong_to_part("crashLoopBackOff");
                (fields.take("initialDelaySeconds"), fields.take("maxDelaySeconds"))
            })
        });
        let (initial_delay, max_delay) = delays.unwrap_or_default();
        let (rootfs, rootfs_layer) = fields.take(ROOTFS).map(rootfs_keys).unwrap_or_default();
        Self {
            rootfs,
            rootfs_layer,
            reaper: fields.take("reaper"),
            env_file: fields.take("envFile"),
            env_from_files: fields.take("envFromFiles"),
            keystone: fields.take("keystone"),
            start_after: fields.take("startAfter"),
            notify: fields.take("notify"),
            initial_delay,
            max_delay,
            post_start_timeout: None,
            pre_stop_timeout: None,
        }
    }

    /// Takes an annotation, whose name is `name` without the container's. False where there is no such
    /// setting.
    pub fn take(&mut self, name: &str, item: &Item<'a>) -> bool {
        let slot = match name {
            ROOTFS => &mut self.rootfs,
            ROOTFS_LAYER => &mut self.rootfs_layer,
            "reaper" => &mut self.reaper,
            "envFile" => &mut self.env_file,
            "envFromFiles" => &mut self.env_from_files,
            "keystone" => &mut self.keystone,
            "startAfter" => &mut self.start_after,
            "notify" => &mut self.notify,
            "crashLoopBackOff.initialDelaySeconds" => &mut self.initial_delay,
            "crashLoopBackOff.maxDelaySeconds" => &mut self.max_delay,
            "lifecycle.postStart.timeoutSeconds" => &mut self.post_start_timeout,
            "lifecycle.preStop.timeoutSeconds" => &mut self.pre_stop_timeout,
            _ => return false,
        };
        *slot = Some(item.clone());
        true
    }

    /// Every setting that is there.
    pub fn items(&self) -> impl Iterator<Item = &Item<'a>> {
        let Self {
            rootfs,
            rootfs_layer,
            reaper,
            env_file,
            env_from_files,
            keystone,
            start_after,
            notify,
            initial_delay,
            max_delay,
            post_start_timeout,
            pre_stop_timeout,
        } = self;
        let all = [
            rootfs,
            rootfs_layer,
            reaper,
            env_file,
            env_from_files,
            keystone,
            start_after,
            notify,
            initial_delay,
            max_delay,
            post_start_timeout,
            pre_stop_timeout,
        ];
        all.into_iter().flatten()
    }

    /// Gives the container what is said. What it is to start after is returned: it is known when all
    /// containers are.
    pub fn apply(self, kind: ContainerKind, container: &mut Container) -> Option<Item<'a>> {
        let (is_main, is_kept) = match kind {
            ContainerKind::Main => (true, true),
            ContainerKind::Sidecar => (false, true),
            ContainerKind::Init | ContainerKind::Ephemeral => (false, false),
        };
        for item in [&self.keystone, &self.start_after].into_iter().flatten().filter(|_| !is_main) {
            item.refuse("only for main containers", "remove it");
        }
        if let Some(item) = self.notify.as_ref().filter(|_| !is_kept) {
            item.refuse("an init container that runs to its end is ready when it has ended", "remove it");
        }
        container.rootfs = rootfs(self.rootfs.as_ref(), self.rootfs_layer.as_ref());
        container.reaper = self.reaper.as_ref().and_then(boolean).unwrap_or(false);
        container.env_files = self.env_file.as_ref().map(paths).unwrap_or_default();
        container.env_from_files = self.env_from_files.as_ref().map(named_paths).unwrap_or_default();
        container.keystone = self.keystone.as_ref().and_then(boolean).unwrap_or(false);
        container.notify = self.notify.as_ref().and_then(notify);
        if self.initial_delay.is_some() || self.max_delay.is_some() {
            let delays: CrashLoopBackOff = back_off(self.initial_delay.as_ref(), self.max_delay.as_ref());
            container.crash_loop_back_off = Some(delays);
        }
        let timeouts =
            [(HookKind::PostStart, &self.post_start_timeout), (HookKind::PreStop, &self.pre_stop_timeout)];
        for (kind, item) in timeouts {
            let Some(item) = item else { continue };
            let timeout: Option<Duration> = timeout(item);
            let hook = match kind {
                HookKind::PostStart => &mut container.post_start,
                HookKind::PreStop => &mut container.pre_stop,
            };
            match hook {
                Some(hook) => hook.timeout = timeout,
                None => item.refuse(format!("the container has no {} hook", kind.name()), "remove it"),
            }
        }
        self.start_after.filter(|_| is_main)
    }
}

/// Resolves what containers are to start after: other main containers, and never in a circle.
pub(super) fn start_after(pod: &mut Pod, mut written: Vec<StartAfter<'_>>) {
    written.sort_by_key(|(id, _)| *id);
    for (id, item) in &written {
        let mut wanted = Vec::new();
        for (name, item) in names(item) {
            match main_container(pod, &name) {
                Some(other) if other == *id => {
                    item.refuse(
                        "a container cannot start after itself",
                        format!("remove \"{}\"", cut(&name)),
                    );
                }
                Some(other) if wanted.contains(&other) => {}
                Some(other) => wanted.push(other),
                None => {
                    let known = pod.containers.iter().map(|container| &*container.name);
                    let is_init = pod.init_containers.iter().any(|container| *container.name == *name);
                    let help = match nearest(&name, known) {
                        _ if is_init => "remove it: init containers come first in any case".to_owned(),
                        Some(known) => format!("did you mean \"{known}\"?"),
                        None => "write the name of another entry of `containers`".to_owned(),
                    };
                    item.refuse(format!("there is no main container \"{}\"", cut(&name)), help);
                }
            }
        }
        let position = id.position().checked_sub(pod.init_containers.len());
        if let Some(container) = position.and_then(|position| pod.containers.get_mut(position)) {
            container.start_after = wanted;
        }
    }
    for (id, item) in &written {
        if comes_after(pod, *id, *id) {
            item.refuse(
                "it would wait for itself, through the others",
                "take one of the containers out of the circle",
            );
            let position = id.position().checked_sub(pod.init_containers.len());
            if let Some(container) = position.and_then(|position| pod.containers.get_mut(position)) {
                container.start_after.clear();
            }
        }
    }
}

/// Whether `id` has to wait for `goal`, directly or through others.
fn comes_after(pod: &Pod, id: ContainerId, goal: ContainerId) -> bool {
    let mut seen = Vec::new();
    let mut to_visit = vec![id];
    while let Some(next) = to_visit.pop() {
        for other in pod.container(next).map(|container| container.start_after.clone()).unwrap_or_default() {
            if other == goal {
                return true;
            }
            if !seen.contains(&other) {
                seen.push(other);
                to_visit.push(other);
            }
        }
    }
    false
}

fn main_container(pod: &Pod, name: &str) -> Option<ContainerId> {
    let position = pod.containers.iter().position(|container| *container.name == *name)?;
    Some(ContainerId::at(pod.init_containers.len() + position))
}

/// A list in TOML, words between commas in an annotation; each with where it stands.
fn names<'a>(item: &Item<'a>) -> Vec<(String, Item<'a>)> {
    if is_annotation(item) {
        return words(item).into_iter().map(|name| (name.to_owned(), item.clone())).collect();
    }
    if item.strings().is_none() {
        return Vec::new();
    }
    let items = item.list().unwrap_or_default().into_iter();
    items.filter_map(|item| Some((item.node.as_string()?.to_owned(), item))).collect()
}

/// Paths of files: one or a list in TOML, between commas in an annotation.
fn paths(item: &Item<'_>) -> Vec<String> {
    if is_annotation(item) {
        return words(item).into_iter().filter_map(|word| path(item, word)).collect();
    }
    let is_list = matches!(item.node.value, Value::List(_));
    let items = if is_list { item.list().unwrap_or_default() } else { vec![item.clone()] };
    items.iter().filter_map(|item| path(item, item.string()?)).collect()
}

/// Paths under names of variables: a table in TOML, `NAME=path` between commas in an annotation.
fn named_paths(item: &Item<'_>) -> Vec<(String, String)> {
    if !is_annotation(item) {
        let entry = |(name, item): (&str, Item<'_>)| {
            if name.contains(',') || name.trim() != name {
                // In an annotation it could not be told from two.
                item.refuse("a name has no comma here, and no space at its ends", "choose another name");
            }
            Some((name.to_owned(), path(&item, item.string()?)?))
        };
        return named(item).into_iter().filter_map(entry).collect();
    }
    let pair = |word: &str| {
        let Some((name, written)) = word.split_once('=') else {
            item.refuse("a name and a path are wanted", "write NAME=path, and commas between several");
            return None;
        };
        if let Err(broken) = name::variable(name) {
            item.refuse(broken, "write a name such as LOG_LEVEL before the `=`");
        }
        Some((name.to_owned(), path(item, written)?))
    };
    let pairs: Vec<(String, String)> = words(item).into_iter().filter_map(pair).collect();
    let is_twice =
        |(at, (name, _)): (usize, &(String, String))| pairs.iter().take(at).any(|(other, _)| other == name);
    if pairs.iter().enumerate().any(is_twice) {
        item.refuse("a name stands twice in it", "remove one of the two");
    }
    pairs
}

/// A path of a file; it may be relative to the manifest.
fn path(item: &Item<'_>, written: &str) -> Option<String> {
    let broken = if written.is_empty() || written.ends_with('/') {
        "this is no path of a file"
    } else if written.contains(',') || written.trim() != written {
        // In an annotation a path could not be told from two.
        "a path has no comma here, and no space at its ends"
    } else {
        return Some(written.to_owned());
    };
    item.refuse(broken, "write a path such as \"settings.env\" or \"/run/secrets/db\"");
    None
}

/// The words of an annotation, between commas.
fn words<'a>(item: &Item<'a>) -> Vec<&'a str> {
    let words = item.string().unwrap_or_default().split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).collect()
}

/// `socket`, or `fd:` and the number of a descriptor.
fn notify(item: &Item<'_>) -> Option<Notify> {
    let help = "write \"socket\" for NOTIFY_SOCKET, or \"fd:3\" for a newline on descriptor 3";
    let text = match &item.node.value {
        Value::String(_) => item.string()?,
        Value::Unreadable => return None,
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Date
        | Value::List(_)
        | Value::Mapping(_) => {
            item.refuse("a string is wanted", help);
            return None;
        }
    };
    let descriptor = text.strip_prefix("fd:").map(str::parse::<u8>);
    match descriptor {
        None if text == "socket" => Some(Notify::Socket),
        Some(Ok(number)) if number >= 3 => Some(Notify::Descriptor(number)),
        Some(Ok(_)) => {
            item.refuse(
                "0, 1 and 2 are the standard descriptors",
                "write \"fd:3\" or a higher number, up to 255",
            );
            None
        }
        Some(Err(_)) | None => {
            item.refuse("neither a socket nor a descriptor", help);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Options, Profile, Source, Syntax, load, render_all};

    fn pod(text: &str, syntax: Syntax) -> Result<Pod, String> {
        let options = Options { profile: Some(Profile::Process), ..Options::default() };
        let sources = [Source { name: "pod".to_owned(), text: text.to_owned(), syntax }];
        let loaded = load(&sources, &options);
        loaded.pod.ok_or_else(|| render_all(&loaded.problems, &sources, false))
    }

    #[test]
    fn settings_reach_the_container_that_they_name() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    podinit.dev/b.startAfter: c, a\n    podinit.dev/b.notify: socket\n    podinit.dev/c.crashLoopBackOff.maxDelaySeconds: '5'\n    podinit.dev/c.keystone: 'true'\nspec:\n  initContainers: [{name: init, command: [x]}]\n  containers: [{name: a, command: [x]}, {name: b, command: [x]}, {name: c, command: [x]}]\n";
        let pod = pod(text, Syntax::Yaml).unwrap();
        let [a, b, c] = pod.containers.as_slice() else { panic!("{pod:?}") };
        let after: Vec<&str> = b.start_after.iter().map(|id| &*pod.container(*id).unwrap().name).collect();
        assert_eq!((after, b.notify), (vec!["c", "a"], Some(Notify::Socket)));
        let seconds = Duration::from_secs(5);
        let delays = CrashLoopBackOff { initial_delay: seconds, max_delay: seconds };
        assert_eq!((c.crash_loop_back_off, c.keystone), (Some(delays), true));
        assert_eq!((a.crash_loop_back_off, a.keystone, a.notify), (None, false, None));
    }

    #[test]
    fn a_circle_is_found_however_long_it_is_and_nothing_else_is_one() {
        let with = |orders: &[(usize, &[usize])]| {
            let container = |n: usize| {
                let after = orders.iter().find(|(from, _)| *from == n).map_or(&[][..], |(_, after)| after);
                let names: Vec<String> = after.iter().map(|n| format!("\"c{n}\"")).collect();
                let after = names.join(", ");
                format!("[[containers]]\nname = \"c{n}\"\ncommand = [\"x\"]\nstartAfter = [{after}]\n")
            };
            pod(&(0..5).map(container).collect::<String>(), Syntax::Toml)
        };
        // A diamond.
        assert!(with(&[(3, &[1, 2]), (1, &[0]), (2, &[0]), (4, &[3, 0])]).is_ok());
        for circle in [
            &[(0, &[0][..])][..],
            &[(0, &[1]), (1, &[0])],
            &[(0, &[1]), (1, &[2]), (2, &[3]), (3, &[4]), (4, &[0])],
            &[(4, &[3]), (3, &[2, 1]), (2, &[1, 3])],
        ] {
            let said = with(circle).unwrap_err();
            assert!(said.contains("after itself") || said.contains("wait for itself"), "{circle:?}: {said}");
        }
    }
}
