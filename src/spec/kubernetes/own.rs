//! What in a TOML file is podinit's own, which a cluster has no field for. Knows where such keys stand, and the
//! annotations that say the same.

use super::super::container_settings;
use super::super::decode::Item;
use super::super::fields::{Field, Place};
use super::super::problem::Problem;
use super::super::tree::Value;
use super::super::{Syntax, settings};
use super::types::Type;
use super::{below, value};

/// The top of a TOML file: the fields of two objects, and podinit's own.
pub(super) fn toml(root: &Item<'_>) {
    let types = ["PodSpec", "ObjectMeta"].map(Type::find);
    for (key, item) in root.entries().unwrap_or_default() {
        let is_own = Field::find(Place::Toml, key).is_some();
        let is_setting = settings::is_plain_key(key) || key == "crashLoopBackOff";
        let [spec, metadata] = types;
        let place = if is_own { metadata } else { spec };
        let field = place.and_then(|place| place.fields().find(|field| field.name == key));
        match field {
            _ if is_setting => tell(key, key, &item),
            Some(field) => value(&item, field.kind),
            None => {}
        }
        if key == "containers" || key == "initContainers" {
            for container in
                matches!(item.node.value, Value::List(_)).then(|| item.list()).flatten().unwrap_or_default()
            {
                of_container(&container);
            }
        }
    }
}

/// Whether a key that the type does not have is a setting of podinit.
pub(super) fn is_own(item: &Item<'_>, of: Type) -> bool {
    let place = match of.name {
        "Container" => Place::TomlContainer,
        "LifecycleHandler" => Place::TomlLifecycleHandler,
        _ => return false,
    };
    item.scope.syntax == Syntax::Toml && Field::find(place, &item.name).is_some()
}

fn of_container(container: &Item<'_>) {
    let Some(name) = container.node.entry("name").and_then(|entry| entry.value.as_string()) else { return };
    let mut told = Vec::new();
    for setting in container_settings::NAMES {
        let Some(item) = below(container, setting) else { continue };
        // Both delays stand in one table.
        let table = match setting.rsplit_once('.') {
            Some(("crashLoopBackOff", _)) => "crashLoopBackOff",
            Some(_) | None => setting,
        };
        let item = if table == setting { Some(item) } else { below(container, table) };
        let Some(item) = item.filter(|_| !told.contains(&table)) else { continue };
        told.push(table);
        tell(table, &format!("{name}.{table}"), &item);
    }
}

/// The annotations that say what a key says.
fn names_below(setting: &str, item: &Item<'_>) -> Vec<String> {
    match item.node.as_mapping() {
        Some(_) if setting.ends_with(container_settings::ROOTFS) => {
            ["", "Layer"].map(|end| format!("`{}{setting}{end}`", settings::PREFIX)).to_vec()
        }
        Some(entries) => {
            entries.iter().map(|entry| format!("`{}{setting}.{}`", settings::PREFIX, entry.key)).collect()
        }
        None => vec![format!("`{}{setting}`", settings::PREFIX)],
    }
}

/// `setting` is what it is called in annotations.
fn tell(key: &str, setting: &str, item: &Item<'_>) {
    if matches!(key, "envFile" | "envFromFiles") {
        let help = "put the values into a ConfigMap or a Secret, and refer to it";
        return report(key, item, help.to_owned());
    }
    let names = names_below(setting, item);
    let plural = if names.len() > 1 { "s" } else { "" };
    let help =
        format!("in YAML write the annotation{plural} {}, as `podinit convert` does", names.join(" and "));
    report(key, item, help);
}

fn report(key: &str, item: &Item<'_>, help: String) {
    let message = format!("{key} is podinit's own and no field of Kubernetes");
    item.scope.report(
        Problem::warning(item.scope.source, item.key, message)
            .path(item.path.clone())
            .label("Kubernetes has no such field")
            .help(help),
    );
}
