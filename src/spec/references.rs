//! What a pod's variables refer to, and what is not in the manifest. Knows the read pod and the objects
//! beside it. Nothing here is an error: Kubernetes takes such a pod, and its containers wait (rule 140).

use super::config::ObjectName;
use super::environment::{EnvFromSource, EnvValue, KeyRef};
use super::expand::expand;
use super::origins::Origins;
use super::pod::{Container, Pod};
use super::problem::Problem;
use super::tree::cut;
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
