//! A container's variables as `explain` shows them: what is written, and otherwise where it comes from. A
//! Secret's values are not looked at.

use super::values::quoted;
use crate::spec::{Container, EnvFromSource, EnvValue, KeyRef};

/// Field and value, the weakest first: a later variable wins over an earlier one of its name.
pub(super) fn values(container: &Container) -> Vec<(&'static str, String)> {
    let mut values = Vec::new();
    for path in &container.env_files {
        values.push(("envFile", format!("every variable of {}", quoted(path))));
    }
    for from in &container.env_from {
        let object = match &from.source {
            EnvFromSource::ConfigMap(name) => format!("ConfigMap {name}"),
            EnvFromSource::Secret(name) => format!("Secret {name}"),
        };
        let prefix = match from.prefix.as_str() {
            "" => String::new(),
            prefix => format!(", {} before each", quoted(prefix)),
        };
        values.push(("envFrom", format!("every key of {object}{prefix}{}", if_there(from.optional))));
    }
    for (name, path) in &container.env_from_files {
        values.push(("envFromFiles", format!("{name} from file {}", quoted(path))));
    }
    for variable in &container.env {
        let name = &variable.name;
        let shown = match &variable.value {
            EnvValue::Literal(text) => format!("{name}={}", quoted(text)),
            EnvValue::ConfigMapKey(from) => format!("{name} from {}", key_of("ConfigMap", from)),
            EnvValue::SecretKey(from) => format!("{name} from {}", key_of("Secret", from)),
            EnvValue::Field(field) => format!("{name} from {}", field.path()),
            EnvValue::Resource(wanted) => {
                let whose = wanted.container.as_ref().map_or(String::new(), |name| format!(" of {name}"));
                format!("{name} from {}{whose}, in units of {}", wanted.name(), wanted.divisor)
            }
        };
        values.push(("env", shown));
    }
    values
}

fn key_of(kind: &str, KeyRef { name, key, optional }: &KeyRef) -> String {
    format!("{kind} {name}, key {key}{}", if_there(*optional))
}

fn if_there(optional: bool) -> &'static str {
    if optional { ", if it is there" } else { "" }
}
