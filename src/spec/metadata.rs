//! A pod's name, namespace, labels and annotations, in both forms. Knows Kubernetes' rules for them.

use std::collections::BTreeMap;

use super::Syntax;
use super::decode::{Fields, Item, Purpose};
use super::name;
use super::problem::Problem;
use super::settings::Settings;
use super::tree::cut;
use super::{Options, Source};

/// Bytes that all annotations of an object may have together in Kubernetes.
const MOST_ANNOTATIONS: usize = 256 << 10;

/// The pod's name as the manifest has it.
pub(super) fn pod_name<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    object_name(fields, "pod")
}

/// An object's name; `example` is a name that is right.
pub(super) fn object_name<'a>(fields: &mut Fields<'a>, example: &str) -> Option<&'a str> {
    let item = fields.take("name")?;
    let name = item.string()?;
    if let Err(broken) = name::subdomain(name) {
        let better = name::repaired_subdomain(name).unwrap_or_else(|| example.to_owned());
        item.refuse(broken, format!("write {}", item.scope.word("name", &better)));
    }
    Some(name)
}

/// What a cluster would make a name of, by adding to it; on one host it is name enough.
pub(super) fn generated_name<'a>(fields: &mut Fields<'a>) -> Option<&'a str> {
    let item = fields.take("generateName")?;
    let name = without_joint(item.string()?);
    if let Err(broken) = name::subdomain(name) {
        let better = name::repaired(name).unwrap_or_else(|| "pod".to_owned());
        item.refuse(broken, format!("write {}", item.scope.word("generateName", &format!("{better}-"))));
    }
    Some(name)
}

/// A name that is to be completed, without what joins it to the rest.
pub(super) fn without_joint(name: &str) -> &str {
    name.trim_end_matches(['-', '.'])
}

/// The name that was asked for by an option.
pub(super) fn option_name<'a>(options: &'a Options, problems: &mut Vec<Problem>) -> Option<&'a str> {
    let name = options.name.as_deref()?;
    if let Err(broken) = name::subdomain(name) {
        let better = name::repaired_subdomain(name).unwrap_or_else(|| "pod".to_owned());
        let message = format!("cannot use pod name \"{}\": {broken}", cut(name));
        problems.push(Problem::of_options(message).help(format!("use `--name {better}`")));
    }
    Some(name)
}

/// A name made of the file's.
pub(super) fn file_name(source: &Source) -> String {
    let file = source.name.rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let name = if source.name.starts_with('<') { None } else { name::repaired(stem) };
    name.unwrap_or_else(|| "pod".to_owned())
}

/// The namespace, `default` where it is left out.
pub(super) fn namespace<'a>(fields: &mut Fields<'a>) -> &'a str {
    let Some(item) = fields.take("namespace") else { return "default" };
    let Some(namespace) = item.string().filter(|namespace| !namespace.is_empty()) else { return "default" };
    if let Err(broken) = name::label(namespace) {
        let better = name::repaired(namespace).unwrap_or_else(|| "default".to_owned());
        item.refuse(broken, format!("write {}", item.scope.word("namespace", &better)));
    }
    namespace
}

/// Labels, checked as Kubernetes does.
pub(super) fn labels(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let entries = fields.take("labels").and_then(|item| item.entries()).unwrap_or_default();
    let labels = entries.into_iter().filter_map(|(key, item)| {
        check_key("label", key, &item);
        let item = Item { name: format!("label \"{}\"", item.name), ..item };
        let value = item.string()?;
        if let Err(broken) = name::label_value(value) {
            item.refuse(broken, "write a short word; an annotation can have any text");
        }
        Some((key.to_owned(), value.to_owned()))
    });
    labels.collect()
}

/// Annotations without those that are settings of podinit, and these.
pub(super) fn annotations<'a>(fields: &mut Fields<'a>) -> (BTreeMap<String, String>, Settings<'a>) {
    let mut settings = Settings::default();
    let mut annotations = BTreeMap::new();
    let Some(list) = fields.take("annotations") else { return (annotations, settings) };
    let mut bytes = 0;
    for (key, item) in list.entries().unwrap_or_default() {
        let setting = match item.scope.syntax {
            Syntax::Yaml => settings.take_annotation(key, &item),
            Syntax::Toml => Settings::refuse_annotation(key, &item),
        };
        if setting {
            // The name of a container may make it too long for a cluster.
            if item.scope.purpose == Purpose::Kubernetes {
                check_key("annotation", &key.to_ascii_lowercase(), &item);
            }
            continue;
        }
        // Kubernetes folds the case of annotations' keys before it looks at them.
        check_key("annotation", &key.to_ascii_lowercase(), &item);
        let item = Item { name: format!("annotation \"{}\"", item.name), ..item };
        if let Some(value) = item.string() {
            bytes += key.len() + value.len();
            annotations.insert(key.to_owned(), value.to_owned());
        }
    }
    if bytes > MOST_ANNOTATIONS {
        let problem = list.scope.error(list.key, format!("cannot use {bytes} bytes of annotations"));
        let help = "put large values into a file of their own";
        list.scope.report(problem.path(list.path).label(format!("at most {MOST_ANNOTATIONS}")).help(help));
    }
    (annotations, settings)
}

fn check_key(kind: &str, key: &str, item: &Item<'_>) {
    if let Err(broken) = name::qualified(key) {
        let problem = item.scope.error(item.key, format!("cannot use {kind} \"{}\"", item.name));
        item.scope.report(
            problem
                .path(item.path.clone())
                .label(broken)
                .help("write a key such as `app` or `example.com/app`"),
        );
    }
}
