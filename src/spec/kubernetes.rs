//! Whether a cluster would take a manifest: the types of Kubernetes' API, which know every field, and
//! what its API server asks for besides. Knows nothing of what podinit supports.

mod own;
mod stop_signal;
mod types;

use super::decode::{Item, Purpose, Scope};
use super::kind::{Role, Workload};
use super::problem::Problem;
use super::suggest::nearest;
use super::tree::{Entry, Node, Value, cut};
use super::{Options, Profile, Quantity, Severity, Source, Syntax, documents, read};
use std::collections::BTreeMap;
use types::{Kind, Type};

/// Every problem that a cluster would have with the pods of the sources, and with those in a Deployment and
/// the like. What podinit does not support yet is none, and what it ignores is not told of. A TOML file is
/// judged as [`convert`](super::convert()) writes it. Of the objects around a pod the names and kinds of the
/// fields are checked; of those that have no pod a warning says that they are not.
///
/// Sources that are `unreadable` have a problem there, as for [`load_readable`](super::load_readable).
pub fn check_for_kubernetes(sources: &[Source], unreadable: Vec<Problem>) -> Vec<Problem> {
    // Profile `pod`, which knows that an image brings a command and files.
    let options = Options { profile: Some(Profile::Pod), ..Options::default() };
    let mut problems = unreadable;
    let documents = documents(sources, &mut problems);
    let (loaded, subjects) = read(Purpose::Kubernetes, sources, &documents, &options, problems);
    let mut problems = loaded.problems;
    for subject in &subjects {
        let (Some(source), Role::Workload(workload)) = (sources.get(subject.source), subject.head.kind.role)
        else {
            continue;
        };
        // What does not say that it is a pod has been told so, and is not judged as one.
        if source.syntax == Syntax::Yaml && subject.node.entry("kind").is_none() && !subject.head.implied {
            continue;
        }
        let scope = Scope::new(subject.source, &source.text, source.syntax, Purpose::Kubernetes);
        judge(&Item::object(&scope, subject.node, &subject.path), workload);
        // The decoder has found the same where it looked, and says it better.
        for problem in scope.into_problems() {
            if !problems.iter().any(|known| is_same(known, &problem)) {
                problems.push(problem);
            }
        }
    }
    problems.sort_by_key(|problem| (problem.source, problem.span.map(|span| span.start)));
    problems
}

fn is_same(known: &Problem, new: &Problem) -> bool {
    let same_path = !new.path.is_empty() && known.path == new.path;
    known.severity == Severity::Error && known.source == new.source && (known.span == new.span || same_path)
}

fn judge(root: &Item<'_>, workload: Workload) {
    match root.scope.syntax {
        Syntax::Yaml => {
            let Some(pod) = below(root, workload.template()) else { return };
            object(&pod, if workload == Workload::Pod { "Pod" } else { "PodTemplateSpec" });
            if let Some(spec) = below(&pod, "spec") {
                containers(&spec, &claims(root, workload));
                stop_signal::judge(&spec);
            }
        }
        Syntax::Toml => {
            own::toml(root);
            containers(root, &[]);
            stop_signal::judge(root);
        }
    }
}

/// The value at a path, if it is there.
fn below<'a>(item: &Item<'a>, path: &str) -> Option<Item<'a>> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(item.clone(), |item, name| {
        item.node.as_mapping()?;
        item.entries()?.into_iter().find(|(key, _)| *key == name).map(|(_, item)| item)
    })
}

/// Names of the volumes that each pod of a StatefulSet has beside those of its template.
fn claims<'a>(root: &Item<'a>, workload: Workload) -> Vec<(&'a str, &'a Node)> {
    let claims = below(root, "spec.volumeClaimTemplates").filter(|_| workload == Workload::StatefulSet);
    let Some(Value::List(claims)) = claims.map(|claims| &claims.node.value) else { return Vec::new() };
    let name = |claim: &'a Node| {
        let name = &claim.entry("metadata")?.value.entry("name")?.value;
        Some((name.as_string()?, &**name))
    };
    claims.iter().filter_map(|claim| name(claim)).collect()
}

fn object(item: &Item<'_>, name: &str) {
    match Type::find(name) {
        Some(found) => value(item, Kind::Object(found)),
        None => debug_assert!(false, "{name} is no type"),
    }
}

/// Whether a value is of a kind.
fn value(item: &Item<'_>, kind: Kind) {
    match kind {
        Kind::Anything => {}
        Kind::String => {
            item.string();
        }
        Kind::Boolean => {
            item.boolean();
        }
        Kind::Integer { wide: true } => {
            item.integer(i64::MIN, i64::MAX);
        }
        Kind::Integer { wide: false } => {
            item.integer(i32::MIN.into(), i32::MAX.into());
        }
        Kind::Float => {
            if !matches!(item.node.value, Value::Integer(_) | Value::Float(_) | Value::Unreadable) {
                item.refuse("a number is wanted", "write a number, without quotes");
            }
        }
        Kind::Quantity => quantity(item),
        Kind::Port => {
            if !matches!(item.node.value, Value::String(_)) {
                item.integer(i32::MIN.into(), i32::MAX.into());
            }
        }
        Kind::Word(words) => word(item, words),
        Kind::List(inner) => list(item, inner),
        Kind::Map(inner) => {
            let Some(inner) = Kind::of(inner) else { return };
            for (_, item) in item.entries().unwrap_or_default() {
                // A null among the user's own keys is an empty value.
                if item.node.value != Value::Null {
                    value(&item, inner);
                }
            }
        }
        Kind::Object(found) => fields_of(item, found),
    }
}

fn list(item: &Item<'_>, inner: &'static str) {
    let is_table = item.name == "env" && item.scope.syntax == Syntax::Toml;
    if is_table && matches!(item.node.value, Value::Mapping(_)) {
        return;
    }
    let Some(inner) = Kind::of(inner) else { return };
    for item in item.list().unwrap_or_default() {
        value(&item, inner);
    }
}

fn word(item: &Item<'_>, words: &'static str) {
    let Some(text) = item.string() else { return };
    if !text.is_empty() && !words.split('|').any(|word| word == text) {
        let better = nearest(text, words.split('|')).or_else(|| words.split('|').next()).unwrap_or_default();
        let help = format!("write {}", item.scope.word(&item.name, better));
        item.refuse(format!("one of {}", words.replace('|', ", ")), help);
    }
}

fn fields_of(item: &Item<'_>, found: Type) {
    let Some(entries) = item.entries() else { return };
    let names = || found.fields().map(|field| field.name);
    for (key, part) in &entries {
        match found.fields().find(|field| field.name == *key) {
            Some(_) if part.node.value == Value::Null => {}
            Some(field) => value(part, field.kind),
            None if own::is_own(part, found) => {}
            None => {
                let message = format!("cannot use field \"{}\" in {}", cut(key), item.name);
                let help = match nearest(key, names()) {
                    Some(name) => format!("write `{name}`"),
                    None => "remove it".to_owned(),
                };
                let problem = item.scope.error(part.key, message).path(part.path.clone());
                let label = format!("Kubernetes' {} has no such field", found.name);
                item.scope.report(problem.label(label).help(help));
            }
        }
    }
    for field in found.fields().filter(|field| field.is_required) {
        let example = match field.kind {
            Kind::Object(_) | Kind::Map(_) => format!("write `{}` with its fields", field.name),
            Kind::List(_) => format!("write `{}` with its items", field.name),
            Kind::String
            | Kind::Boolean
            | Kind::Integer { .. }
            | Kind::Float
            | Kind::Quantity
            | Kind::Port
            | Kind::Word(_)
            | Kind::Anything => format!("write {}", item.scope.written(field.name, "...")),
        };
        missing(item, field.name, found.fields().map(|field| field.name), &example);
    }
}

/// Reports a field that is not there, unless some key was probably meant to be it.
fn missing<'n>(item: &Item<'_>, name: &str, names: impl Iterator<Item = &'n str> + Clone, help: &str) {
    let entries = item.node.as_mapping().unwrap_or_default();
    let is_there = entries.iter().any(|entry| entry.key == name && entry.value.value != Value::Null);
    let is_unknown = |key: &str| names.clone().all(|known| known != key);
    let is_meant = |entry: &Entry| is_unknown(&entry.key) && nearest(&entry.key, names.clone()) == Some(name);
    if is_there || entries.iter().any(is_meant) {
        return;
    }
    let path = if item.path.is_empty() { name.to_owned() } else { format!("{}.{name}", item.path) };
    let problem = item.scope.error(item.key, format!("cannot use {}: {name} is missing", item.name));
    item.scope.report(
        problem
            .path(path)
            .label(format!("Kubernetes wants {}{name}", if name == "image" { "an " } else { "" }))
            .help(help),
    );
}

/// A number with a suffix: `100m`, `1.5`, `64Mi`, `1e3`.
fn quantity(item: &Item<'_>) {
    // The API server takes a bare number for what it says.
    if matches!(item.node.value, Value::Integer(_) | Value::Float(_)) {
        return;
    }
    let Some(text) = item.string() else { return };
    // Where one may be negative is not the type's.
    if Quantity::parse(text.strip_prefix('-').unwrap_or(text)).is_none() {
        item.refuse("this is no quantity", "write a number with a suffix, such as 500m, 2 or 64Mi");
    }
}

/// What the API server asks of containers and volumes beyond their types.
fn containers(spec: &Item<'_>, claims: &[(&str, &Node)]) {
    let mut volumes: BTreeMap<&str, &Node> = BTreeMap::new();
    for (key, item) in spec.entries().unwrap_or_default() {
        if key == "volumes" {
            volume_names(&item, &mut volumes);
        }
    }
    // A claim wins over a volume of its name.
    volumes.extend(claims.iter().copied());
    for (key, item) in spec.entries().unwrap_or_default() {
        if key != "containers" && key != "initContainers" {
            continue;
        }
        let Value::List(_) = item.node.value else { continue };
        for container in item.list().unwrap_or_default() {
            image(&container);
            mounts(&container, &volumes);
        }
    }
}

fn volume_names<'a>(item: &Item<'a>, volumes: &mut BTreeMap<&'a str, &'a Node>) {
    let Value::List(_) = item.node.value else { return };
    for volume in item.list().unwrap_or_default() {
        let Some(entries) = volume.node.as_mapping() else { continue };
        let Some(entry) = volume.node.entry("name") else { continue };
        let Some(name) = entry.value.as_string() else { continue };
        let place = Item {
            node: &entry.value,
            path: format!("{}.name", volume.path),
            name: "name".to_owned(),
            ..volume.clone()
        };
        if let Err(broken) = super::name::label(name) {
            let better = super::name::repaired(name).unwrap_or_else(|| "data".to_owned());
            place.refuse(broken, format!("write {}", item.scope.word("name", &better)));
        }
        if let Some(first) = volumes.insert(name, &entry.value) {
            let problem = place.wrong().label("the second volume of this name");
            let problem = problem.note("the first is", item.scope.source, first.span);
            item.scope.report(problem.help("give one of the two another name"));
        }
        let sources: Vec<&Entry> =
            entries.iter().filter(|entry| entry.key != "name" && entry.value.value != Value::Null).collect();
        if let [first, second, ..] = sources.as_slice() {
            let message =
                format!("cannot use {} for volume \"{}\": a volume is one thing", second.key, cut(name));
            let problem = item.scope.error(second.key_span, message).label("the second thing");
            let problem = problem.note("the first is", item.scope.source, first.key_span);
            item.scope.report(problem.help(format!("remove {} or {}", first.key, second.key)));
        }
    }
}

fn image(container: &Item<'_>) {
    let Some(entries) = container.node.as_mapping() else { return };
    let names = Type::find("Container").into_iter().flat_map(Type::fields).map(|field| field.name);
    let is_empty = |entry: &&Entry| entry.key == "image" && entry.value.as_string() == Some("");
    let name =
        container.node.entry("name").and_then(|entry| Some((entry.value.as_string()?, entry.value.span)));
    let owner =
        name.map_or_else(|| container.name.clone(), |(name, _)| format!("container \"{}\"", cut(name)));
    let place = name.map_or(container.key, |(_, span)| span);
    let help = format!("write {}, for example", container.scope.word("image", "busybox:1"));
    if let Some(entry) = entries.iter().find(is_empty) {
        let problem = container.scope.error(entry.value.span, format!("cannot use {owner}: image is empty"));
        container.scope.report(
            problem.path(format!("{}.image", container.path)).label("Kubernetes wants an image").help(help),
        );
        return;
    }
    let named = Item { name: owner, key: place, ..container.clone() };
    missing(&named, "image", names, &help);
}

fn mounts(container: &Item<'_>, volumes: &BTreeMap<&str, &Node>) {
    for (key, item) in
        container.node.as_mapping().map(|_| container.entries()).into_iter().flatten().flatten()
    {
        let Value::List(_) = item.node.value else { continue };
        if key != "volumeMounts" && key != "volumeDevices" {
            continue;
        }
        for mount in item.list().unwrap_or_default() {
            let Some(entry) = mount.node.entry("name") else { continue };
            let Some(name) = entry.value.as_string().filter(|name| !volumes.contains_key(name)) else {
                continue;
            };
            let place = Item {
                node: &entry.value,
                path: format!("{}.name", mount.path),
                name: "name".to_owned(),
                ..mount.clone()
            };
            let help = match nearest(name, volumes.keys().copied()).or_else(|| volumes.keys().copied().next())
            {
                Some(name) => format!("write {}", item.scope.word("name", name)),
                None => "write a volume of this name into `volumes`".to_owned(),
            };
            place.refuse("the pod has no volume of this name", help);
        }
    }
}
