//! A container's variables as `explain` shows them: what is written, and otherwise where it comes from. A
//! Secret's values are not looked at.

use super::values::quoted;
use crate::spec::{Container, EnvFromSource, EnvValue, FileKeyRef, KeyRef};

/// A variable, or several, of one source.
pub(super) struct Shown {
    pub(super) field: &'static str,
    pub(super) value: String,
    /// Path of a part of the entry that it is from, in the container.
    pub(super) path: String,
}

/// What is set, the weakest first: a later variable wins over an earlier one of its name.
pub(super) fn values(container: &Container) -> Vec<Shown> {
    let mut values = Vec::new();
    let mut show = |field, value, path| values.push(Shown { field, value, path });
    for path in &container.env_files {
        show("envFile", format!("every variable of {}", quoted(path)), String::new());
    }
    for (position, from) in container.env_from.iter().enumerate() {
        let (object, field) = match &from.source {
            EnvFromSource::ConfigMap(name) => (format!("ConfigMap {name}"), "configMapRef"),
            EnvFromSource::Secret(name) => (format!("Secret {name}"), "secretRef"),
        };
        let prefix = match from.prefix.as_str() {
            "" => String::new(),
            prefix => format!(", {} before each", quoted(prefix)),
        };
        let value = format!("every key of {object}{prefix}{}", if_there(from.optional));
        show("envFrom", value, format!("envFrom[{position}].{field}"));
    }
    for (name, path) in &container.env_from_files {
        show("envFromFiles", format!("{name} from file {}", quoted(path)), String::new());
    }
    for (position, variable) in container.env.iter().enumerate() {
        let name = &variable.name;
        let shown = match &variable.value {
            EnvValue::Literal(text) => format!("{name}={}", quoted(text)),
            EnvValue::ConfigMapKey(from) => format!("{name} from {}", key_of("ConfigMap", from)),
            EnvValue::SecretKey(from) => format!("{name} from {}", key_of("Secret", from)),
            EnvValue::FileKey(from) => {
                let FileKeyRef { volume, path, key, optional } = from;
                let path = quoted(path);
                format!("{name} from file {path} of volume {volume}, key {key}{}", if_there(*optional))
            }
            EnvValue::Field(field) => format!("{name} from {}", field.path()),
            EnvValue::Resource(wanted) => {
                let whose = wanted.container.as_ref().map_or(String::new(), |name| format!(" of {name}"));
                format!("{name} from {}{whose}, in units of {}", wanted.name(), wanted.divisor)
            }
        };
        show("env", shown, format!("env[{position}].name"));
    }
    values
}

fn key_of(kind: &str, KeyRef { name, key, optional }: &KeyRef) -> String {
    format!("{kind} {name}, key {key}{}", if_there(*optional))
}

fn if_there(optional: bool) -> &'static str {
    if optional { ", if it is there" } else { "" }
}
