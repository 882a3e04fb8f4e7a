//! What a pod's variables and volumes refer to, and what is not in the manifest. Knows the read pod and the
//! objects beside it. What variables refer to is no error: Kubernetes takes such a pod, and the container waits
//! (rule 140). A volume holds up the whole pod, for ever on one host, where nobody adds objects.

use super::config::ObjectName;
use super::environment::{EnvFromSource, EnvValue, KeyRef};
use super::expand::expand;
use super::origins::Origins;
use super::pod::{Container, Pod};
use super::problem::Problem;
use super::suggest::nearest;
use super::tree::cut;
use super::volume::{DownwardFile, DownwardValue, ProjectedObject, ProjectedSource, VolumeSource};
use std::collections::BTreeSet;

/// Warnings for what would keep a container waiting, and for secrets that it would show.
pub(super) fn unmet(pod: &Pod, origins: &Origins) -> Vec<Problem> {
    let init = pod.init_containers.iter().enumerate().map(|(n, one)| (format!("initContainers[{n}]"), one));
    let main = pod.containers.iter().enumerate().map(|(n, one)| (format!("containers[{n}]"), one));
    let mut problems = Vec::new();
    for (path, container) in init.chain(main) {
        let mut look = Look { pod, origins, container, secrets: BTreeSet::new(), problems: &mut problems };
        look.env_from(&path);
        look.env(&path);
        look.command_line(&path);
    }
    problems
}

/// Errors for volumes of objects, keys and containers that are not there.
pub(super) fn volumes(pod: &Pod, origins: &Origins) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (position, volume) in pod.volumes.iter().enumerate() {
        let VolumeSource::Projected(projected) = &volume.source else { continue };
        for (number, source) in projected.sources.iter().enumerate() {
            // A source is written alone, or among others.
            let path = |field: &str| {
                let paths = [
                    format!("volumes[{position}].{field}"),
                    format!("volumes[{position}].projected.sources[{number}].{field}"),
                ];
                paths.into_iter().find(|path| origins.of_spec(path).is_some()).unwrap_or_default()
            };
            let mut look = VolumeLook { pod, origins, volume: &volume.name, problems: &mut problems };
            match source {
                ProjectedSource::ConfigMap(object) => look.object("ConfigMap", object, &path("configMap")),
                ProjectedSource::Secret(object) => look.object("Secret", object, &path("secret")),
                ProjectedSource::DownwardApi(files) => look.files(files, &path("downwardAPI")),
            }
        }
    }
    problems
}

/// A look at one volume.
struct VolumeLook<'a> {
    pod: &'a Pod,
    origins: &'a Origins,
    volume: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl VolumeLook<'_> {
    fn object(&mut self, kind: &str, object: &ProjectedObject, path: &str) {
        if object.optional {
            return;
        }
        let namespace = &self.pod.metadata.namespace;
        let name = ObjectName { namespace: namespace.to_string(), name: object.name.clone() };
        let (objects, shown) = (&self.pod.objects, cut(&object.name));
        let map = objects.config_maps.get(&name).filter(|_| kind == "ConfigMap");
        let secret = objects.secrets.get(&name).filter(|_| kind == "Secret");
        if map.is_none() && secret.is_none() {
            let why = format!("there is no {kind} \"{shown}\" in namespace \"{namespace}\"");
            let help = "add it as a further document or file, or write `optional` as true beside its name";
            let secret_name = format!("{path}.secretName");
            let name = format!("{path}.name");
            let place = if self.origins.of_spec(&name).is_some() { name } else { secret_name };
            return self.refuse(&why, "not in the manifest", help, &place);
        }
        for (position, item) in object.items.iter().flatten().enumerate() {
            let is_there = map.is_some_and(|map| {
                map.data.contains_key(&item.key) || map.binary_data.contains_key(&item.key)
            }) || secret.is_some_and(|secret| secret.data.contains_key(&item.key));
            if !is_there {
                let why = format!("{kind} \"{shown}\" has no key \"{}\"", cut(&item.key));
                let help = format!("add it to the {kind}, or write `optional` as true beside the name");
                self.refuse(&why, "no such key", &help, &format!("{path}.items[{position}].key"));
            }
        }
    }

    fn files(&mut self, files: &[DownwardFile], path: &str) {
        for (position, file) in files.iter().enumerate() {
            let DownwardValue::Resource(told) = &file.value else { continue };
            let Some(name) = &told.container else { continue };
            if self.pod.iter().all(|(_, _, container)| *container.name != **name) {
                let names = self.pod.iter().map(|(_, _, container)| &*container.name);
                let help = match nearest(name, names) {
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => "write the name of a container of this pod".to_owned(),
                };
                let why = format!("the pod has no container \"{}\"", cut(name));
                let path = format!("{path}.items[{position}].resourceFieldRef.containerName");
                self.refuse(&why, "no such container", &help, &path);
            }
        }
    }

    fn refuse(&mut self, why: &str, label: &str, help: &str, path: &str) {
        let Some(place) = self.origins.of_spec(path) else { return };
        let message = format!("cannot make volume \"{}\": {why}", cut(self.volume));
        let problem = Problem::error(self.origins.source(), place, message);
        self.problems.push(problem.path(self.origins.path_of_spec(path)).label(label).help(help));
    }
}

/// So many variables that hold a secret are kept in mind; more than a process can have.
const MOST_NAMES: usize = 100_000;

/// A look at one container.
struct Look<'a> {
    pod: &'a Pod,
    origins: &'a Origins,
    container: &'a Container,
    /// Variables that hold a secret.
    secrets: BTreeSet<String>,
    problems: &'a mut Vec<Problem>,
}

impl Look<'_> {
    fn env_from(&mut self, path: &str) {
        for (position, from) in self.container.env_from.iter().enumerate() {
            let (kind, field, name) = match &from.source {
                EnvFromSource::ConfigMap(name) => ("ConfigMap", "configMapRef", name),
                EnvFromSource::Secret(name) => ("Secret", "secretRef", name),
            };
            if let EnvFromSource::Secret(name) = &from.source
                && self.secrets.len() < MOST_NAMES
                && let Some(secret) = self.pod.objects.secrets.get(&self.object(name))
            {
                self.secrets.extend(secret.data.keys().map(|key| format!("{}{key}", from.prefix)));
            }
            if self.has(kind, name, None).is_none() && !from.optional {
                self.no_object(kind, name, &format!("{path}.envFrom[{position}].{field}.name"));
            }
        }
    }

    fn env(&mut self, path: &str) {
        for (position, variable) in self.container.env.iter().enumerate() {
            let (kind, field, wanted) = match &variable.value {
                EnvValue::ConfigMapKey(wanted) => ("ConfigMap", "configMapKeyRef", wanted),
                EnvValue::SecretKey(wanted) => ("Secret", "secretKeyRef", wanted),
                EnvValue::Literal(text) => {
                    // What is made of a secret is one as well.
                    if self.shows_secret(text) {
                        self.secrets.insert(variable.name.clone());
                    }
                    continue;
                }
                EnvValue::FileKey(_) => {
                    self.secrets.insert(variable.name.clone());
                    continue;
                }
                EnvValue::Field(_) | EnvValue::Resource(_) => continue,
            };
            if kind == "Secret" {
                self.secrets.insert(variable.name.clone());
            }
            self.key(kind, wanted, &format!("{path}.env[{position}].valueFrom.{field}"));
        }
    }

    fn key(&mut self, kind: &'static str, wanted: &KeyRef, path: &str) {
        let KeyRef { name, key, optional } = wanted;
        match self.has(kind, name, Some(key)) {
            _ if *optional => {}
            None => self.no_object(kind, name, &format!("{path}.name")),
            Some(true) => {}
            Some(false) => {
                let what = format!("{kind} \"{}\" has no key \"{}\"", cut(name), cut(key));
                let help = format!("add it to the {kind}, or write `optional` as true beside the key");
                self.warn(&what, "no such key", help, &format!("{path}.key"));
            }
        }
    }

    fn no_object(&mut self, kind: &str, name: &str, path: &str) {
        let namespace = &self.pod.metadata.namespace;
        let what = format!("there is no {kind} \"{}\" in namespace \"{namespace}\"", cut(name));
        let help = "add it as a further document or file, or write `optional` as true beside its name";
        self.warn(&what, "not in the manifest", help.to_owned(), path);
    }

    fn warn(&mut self, what: &str, label: &str, help: String, path: &str) {
        let Some(place) = self.origins.of_spec(path) else { return };
        let message = format!("{what}: container \"{}\" will wait for it", self.container.name);
        let problem = Problem::warning(self.origins.source(), place, message);
        self.problems.push(problem.path(self.origins.path_of_spec(path)).label(label).help(help));
    }

    /// Whether the object has the key, or anything to set variables to; `None` where there is no object.
    fn has(&self, kind: &str, name: &str, key: Option<&str>) -> Option<bool> {
        let (objects, name) = (&self.pod.objects, self.object(name));
        if kind == "Secret" {
            let data = &objects.secrets.get(&name)?.data;
            return Some(key.is_none_or(|key| data.contains_key(key)));
        }
        let data = &objects.config_maps.get(&name)?.data;
        Some(key.is_none_or(|key| data.contains_key(key)))
    }

    fn object(&self, name: &str) -> ObjectName {
        ObjectName { namespace: self.pod.metadata.namespace.to_string(), name: name.to_owned() }
    }

    /// Whether a secret would be put into this text.
    fn shows_secret(&self, text: &str) -> bool {
        let shown = std::cell::Cell::new(false);
        expand(text, |name| {
            shown.set(shown.get() || self.secrets.contains(name));
            None
        });
        shown.get()
    }

    /// A command line can be read by every user of the host.
    fn command_line(&mut self, path: &str) {
        for (field, words) in [("command", &self.container.command), ("args", &self.container.args)] {
            let path = format!("{path}.{field}");
            let Some(place) = self.origins.of_spec(&path) else { continue };
            if words.iter().any(|word| self.shows_secret(word)) {
                let message = format!(
                    "the command line of container \"{}\" will show a secret to every user of this host",
                    self.container.name
                );
                let problem = Problem::warning(self.origins.source(), place, message);
                let problem =
                    problem.path(self.origins.path_of_spec(&path)).label("a Secret's value is put in here");
                let help = "let the program read the variable itself, or give it the path of a file";
                self.problems.push(problem.help(help));
            }
        }
    }
}
