//! The environment of a container, as written: what `$(VAR)` stands for and what the sources hold is found
//! out at its start. Knows names, values and where values come from; no object that they come from.

mod file;
mod sources;
mod volume_file;

use std::sync::Arc;

use super::Syntax;
use super::decode::{Fields, Item};
use super::fields::Place;
use super::name;
use super::quantity::Quantity;
use super::tree::{Value, cut};
use super::volume::Volumes;

pub use file::{BrokenLine, env_file};
pub(super) use sources::{env_from, volume_field, volume_resource};
pub use volume_file::volume_env_file;

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// Printable ASCII without `=` (rule 137).
    pub name: String,
    /// What it is set to.
    pub value: EnvValue,
}

/// What a variable is set to. Only what is written is looked at for `$(VAR)` (rule 135).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// As written, not yet expanded (rule 134).
    Literal(String),
    /// A value of a ConfigMap's `data`.
    ConfigMapKey(KeyRef),
    /// A value of a Secret, to be shown nowhere.
    SecretKey(KeyRef),
    /// What a file in a volume says at the container's start (rule 141); to be shown nowhere.
    FileKey(FileKeyRef),
    /// Something about the pod (rule 138).
    Field(PodField),
    /// What a container may use (rule 139).
    Resource(ResourceRef),
}

/// A key of an object in the pod's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    /// Of the object.
    pub name: String,
    /// In the object.
    pub key: String,
    /// Without the key or the object there is no variable; otherwise the container cannot start (rule 140).
    pub optional: bool,
}

/// A key of a file of variables in an emptyDir of the pod (rule 141).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileKeyRef {
    /// Of the volume; the container need not mount it.
    pub volume: Arc<str>,
    /// In the volume: relative, without `..`.
    pub path: String,
    /// In the file.
    pub key: String,
    /// Without the key or the file there is no variable; otherwise the container cannot start.
    pub optional: bool,
}

/// Every value of an object in the pod's namespace (rule 133).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFrom {
    /// Stands before each key; may be empty.
    pub prefix: String,
    /// Which object.
    pub source: EnvFromSource,
    /// Without the object there are no variables; otherwise the container cannot start (rule 140).
    pub optional: bool,
}

/// The object, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvFromSource {
    /// Its `data`.
    ConfigMap(String),
    /// Its values, to be shown nowhere.
    Secret(String),
}

/// What a variable may tell of the pod (rule 138).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodField {
    /// `metadata.name`
    Name,
    /// `metadata.namespace`
    Namespace,
    /// `metadata.uid`
    Uid,
    /// `metadata.labels['...']`; empty where there is no such label.
    Label(String),
    /// `metadata.annotations['...']`; empty where there is no such annotation.
    Annotation(String),
    /// `spec.nodeName`
    NodeName,
    /// `spec.serviceAccountName`
    ServiceAccountName,
    /// `status.hostIP`
    HostIp,
    /// `status.hostIPs`
    HostIps,
    /// `status.podIP`
    PodIp,
    /// `status.podIPs`
    PodIps,
}

/// An amount of a container's resources (rule 139).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRef {
    /// Whose; `None`: its own.
    pub container: Option<String>,
    /// What it may have at most; otherwise what it asks for.
    pub of_limits: bool,
    /// Of what.
    pub resource: CountedResource,
    /// The amount is told in this unit, rounded up. Above zero.
    pub divisor: Quantity,
}

/// A resource that a variable may tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedResource {
    /// Processors.
    Cpu,
    /// Bytes.
    Memory,
}

impl ResourceRef {
    /// As Kubernetes writes it, such as `limits.cpu`.
    pub fn name(&self) -> &'static str {
        match (self.of_limits, self.resource) {
            (true, CountedResource::Cpu) => "limits.cpu",
            (true, CountedResource::Memory) => "limits.memory",
            (false, CountedResource::Cpu) => "requests.cpu",
            (false, CountedResource::Memory) => "requests.memory",
        }
    }
}

impl PodField {
    /// As Kubernetes writes it.
    pub fn path(&self) -> String {
        match self {
            Self::Label(key) => format!("metadata.labels['{key}']"),
            Self::Annotation(key) => format!("metadata.annotations['{key}']"),
            Self::Name => "metadata.name".to_owned(),
            Self::Namespace => "metadata.namespace".to_owned(),
            Self::Uid => "metadata.uid".to_owned(),
            Self::NodeName => "spec.nodeName".to_owned(),
            Self::ServiceAccountName => "spec.serviceAccountName".to_owned(),
            Self::HostIp => "status.hostIP".to_owned(),
            Self::HostIps => "status.hostIPs".to_owned(),
            Self::PodIp => "status.podIP".to_owned(),
            Self::PodIps => "status.podIPs".to_owned(),
        }
    }
}

/// A list of names and values or, in TOML, a table of strings; in the order of the file.
pub(super) fn environment(item: &Item<'_>, volumes: &Volumes) -> Vec<EnvVar> {
    match (&item.node.value, item.scope.syntax) {
        (Value::Mapping(_), Syntax::Toml) => {
            let variable = |(name, item): (&str, Item<'_>)| {
                let value = EnvValue::Literal(item.string()?.to_owned());
                Some(EnvVar { name: name.to_owned(), value })
            };
            named(item).into_iter().filter_map(variable).collect()
        }
        (Value::Mapping(_), Syntax::Yaml) => {
            item.refuse(
                "a list is wanted",
                "write `- name: NAME` and `value: \"...\"` below it for each variable",
            );
            Vec::new()
        }
        _ => {
            let items = item.list().unwrap_or_default();
            items.iter().filter_map(|item| variable(item, volumes)).collect()
        }
    }
}

/// The entries of a table under names of variables, in the order of the file.
pub(super) fn named<'a>(item: &Item<'a>) -> Vec<(&'a str, Item<'a>)> {
    let entries = item.entries().unwrap_or_default().into_iter();
    let checked = entries.map(|(name, item)| {
        if let Err(broken) = name::variable(name) {
            let message = format!("cannot use variable \"{}\"{}", item.name, item.owner);
            let problem = item.scope.error(item.key, message).path(item.path.clone());
            item.scope.report(problem.label(broken).help("write a name such as LOG_LEVEL"));
        }
        (name, Item { name: format!("variable \"{}\"", item.name), ..item })
    });
    checked.collect()
}

fn variable(item: &Item<'_>, volumes: &Volumes) -> Option<EnvVar> {
    if let Some((name, value)) = item.node.as_string().and_then(|text| text.split_once('=')) {
        let (name, value) = (cut(name), cut(value));
        let help = match item.scope.syntax {
            Syntax::Yaml => format!("write {{name: \"{name}\", value: \"{value}\"}}"),
            Syntax::Toml => format!("write {{ name = \"{name}\", value = \"{value}\" }}"),
        };
        item.refuse("a mapping of name and value is wanted", help);
        return None;
    }
    item.fields(&[Place::EnvVar], |fields| {
        fields.belong_to_part("a variable");
        let name = match fields.take("name") {
            Some(item) => {
                fields.anchor = item.node.span;
                let name = item.string();
                if let Some(Err(broken)) = name.map(name::variable) {
                    item.refuse(broken, "write a name such as LOG_LEVEL");
                }
                name
            }
            None => {
                fields.missing("name", format!("write {}", item.scope.word("name", "NAME")));
                None
            }
        };
        if let Some(name) = name {
            fields.belong_to_part(&format!("variable \"{}\"", cut(name)));
        }
        let value = value(fields, volumes);
        Some(EnvVar { name: name?.to_owned(), value: value? })
    })?
}

/// What is written, or where it comes from, and not both.
fn value(fields: &mut Fields<'_>, volumes: &Volumes) -> Option<EnvValue> {
    let written = fields.take("value");
    let source = fields.take("valueFrom");
    let literal = written.as_ref().map(|item| item.string());
    match (literal, source) {
        (None, None) => Some(EnvValue::Literal(String::new())),
        (Some(literal), None) => Some(EnvValue::Literal(literal?.to_owned())),
        (literal, Some(source)) => {
            if let Some(written) = written.filter(|_| literal != Some(Some(""))) {
                let message = format!("cannot use valueFrom{}: it has a value", source.owner);
                let problem = source.scope.error(source.key, message).path(source.path.clone());
                let problem = problem.label("the second place for a value to come from");
                let problem = problem.note("the first is", source.scope.source, written.key);
                source.scope.report(problem.help("remove value or valueFrom"));
            }
            sources::value_from(&source, volumes)
        }
    }
}
