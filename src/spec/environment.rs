//! The environment of a container, as written: what `$(VAR)` stands for is found out at its start.
//! Knows names and values only.

use super::Syntax;
use super::decode::Item;
use super::fields::Place;
use super::name;
use super::pod::EnvVar;
use super::tree::{Value, cut};

/// A list of names and values or, in TOML, a table of strings; in the order of the file.
pub(super) fn environment(item: &Item<'_>) -> Vec<EnvVar> {
    match (&item.node.value, item.scope.syntax) {
        (Value::Mapping(_), Syntax::Toml) => item
            .entries()
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, item)| {
                if let Err(broken) = name::variable(name) {
                    let message = format!("cannot use variable \"{}\"{}", item.name, item.owner);
                    let problem = item.scope.error(item.key, message).path(item.path.clone());
                    item.scope.report(problem.label(broken).help("write a name such as LOG_LEVEL"));
                }
                let item = Item { name: format!("variable \"{}\"", item.name), ..item };
                Some(EnvVar { name: name.to_owned(), value: item.string()?.to_owned() })
            })
            .collect(),
        (Value::Mapping(_), Syntax::Yaml) => {
            item.refuse(
                "a list is wanted",
                "write `- name: NAME` and `value: \"...\"` below it for each variable",
            );
            Vec::new()
        }
        _ => item.list().unwrap_or_default().iter().filter_map(variable).collect(),
    }
}

fn variable(item: &Item<'_>) -> Option<EnvVar> {
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
        let value = match fields.take("value") {
            Some(item) => item.string(),
            None => Some(""),
        };
        Some(EnvVar { name: name?.to_owned(), value: value?.to_owned() })
    })?
}
