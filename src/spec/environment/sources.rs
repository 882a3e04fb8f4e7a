//! Where values of variables come from: `valueFrom` and `envFrom` as Kubernetes takes them (rules 137 to
//! 141). Knows how these are written, not what they come to.

use super::super::decode::{Fields, Item};
use super::super::fields::Place;
use super::super::name;
use super::super::path;
use super::super::quantity::Quantity;
use super::super::resources::quantity;
use super::super::settings;
use super::super::suggest::nearest;
use super::super::volume::{DownwardValue, VolumeKind, Volumes};
use super::{CountedResource, EnvFrom, EnvFromSource, EnvValue, FileKeyRef, KeyRef, PodField, ResourceRef};

const OBJECT_NAME: &str = "write a name such as `settings`";

/// Reads `valueFrom`: exactly one source.
pub(super) fn value_from(item: &Item<'_>, volumes: &Volumes) -> Option<EnvValue> {
    item.fields(&[Place::EnvVarSource], |fields| {
        let config_map = fields.take("configMapKeyRef");
        let secret = fields.take("secretKeyRef");
        let field = fields.take("fieldRef");
        let resource = fields.take("resourceFieldRef");
        let file = fields.take("fileKeyRef");
        let names = ["configMapKeyRef", "secretKeyRef", "fieldRef", "resourceFieldRef", "fileKeyRef"];
        let written = [&config_map, &secret, &field, &resource, &file];
        one_of(fields, &written.map(Option::as_ref), &names, "a variable has one source");
        let config_map = config_map.and_then(|item| key_ref(&item)).map(EnvValue::ConfigMapKey);
        let secret = secret.and_then(|item| key_ref(&item)).map(EnvValue::SecretKey);
        let field = field.and_then(|item| field_ref(&item)).map(EnvValue::Field);
        let resource = resource.and_then(|item| resource_ref(&item)).map(EnvValue::Resource);
        let file = file.and_then(|item| file_key_ref(&item, volumes)).map(EnvValue::FileKey);
        config_map.or(secret).or(field).or(resource).or(file)
    })?
}

/// Reads `envFrom`, in order.
pub(in crate::spec) fn env_from(item: &Item<'_>) -> Vec<EnvFrom> {
    item.list().unwrap_or_default().iter().filter_map(all_of).collect()
}

fn all_of(item: &Item<'_>) -> Option<EnvFrom> {
    item.fields(&[Place::EnvFrom], |fields| {
        fields.belong_to_part("a source of variables");
        let prefix = fields.take("prefix").and_then(|item| Some((item.string()?, item)));
        if let Some((prefix, item)) = &prefix
            && let Err(broken) = if prefix.is_empty() { Ok(()) } else { name::variable(prefix) }
        {
            item.refuse(broken, "write the beginning of a name such as `DB_`");
        }
        let config_map = fields.take("configMapRef");
        let secret = fields.take("secretRef");
        let names = ["configMapRef", "secretRef"];
        one_of(fields, &[config_map.as_ref(), secret.as_ref()], &names, "an entry is of one object");
        let config_map = config_map.and_then(|item| object_ref(&item));
        let secret = secret.and_then(|item| object_ref(&item));
        let config_map = config_map.map(|(name, optional)| (EnvFromSource::ConfigMap(name), optional));
        let secret = secret.map(|(name, optional)| (EnvFromSource::Secret(name), optional));
        let (source, optional) = config_map.or(secret)?;
        let prefix = prefix.map_or("", |(prefix, _)| prefix).to_owned();
        Some(EnvFrom { prefix, source, optional })
    })?
}

/// Reports where not exactly one of these fields is written.
fn one_of(fields: &Fields<'_>, written: &[Option<&Item<'_>>], names: &[&str], why: &str) {
    let mut written: Vec<&Item<'_>> = written.iter().flatten().copied().collect();
    written.sort_by_key(|item| item.key);
    match written.as_slice() {
        [] if names.iter().any(|name| fields.misspelt(name)) => {}
        [] => {
            let known = match names {
                [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
                [] => String::new(),
            };
            let first = names.first().copied().unwrap_or_default();
            fields.missing(&known, format!("write where it comes from, for example `{first}` with a `name`"));
        }
        [_] => {}
        [first, second, ..] => {
            let message = format!("cannot use {}{}: {why}", second.name, second.owner);
            let problem = second.scope.error(second.key, message).path(second.path.clone());
            let problem = problem.label("the second").note("the first is", first.scope.source, first.key);
            second.scope.report(problem.help(format!("remove {} or {}", first.name, second.name)));
        }
    }
}

fn key_ref(item: &Item<'_>) -> Option<KeyRef> {
    item.fields(&[Place::KeyRef], |fields| {
        let name = object_name(fields);
        let key = match fields.take("key") {
            Some(item) => {
                let key = item.string();
                if let Some(Err(broken)) = key.map(name::config_key) {
                    item.refuse(broken, "write a key such as `settings.json` or `LOG_LEVEL`");
                }
                key
            }
            None => {
                fields.missing("key", format!("write {}", fields.item.scope.word("key", "LOG_LEVEL")));
                None
            }
        };
        let optional = optional(fields);
        Some(KeyRef { name: name?, key: key?.to_owned(), optional })
    })?
}

/// As long as a name in a file may be (kubelet's kubelet_pods.go).
const MOST_OF_KEY: usize = 128;

fn file_key_ref(item: &Item<'_>, volumes: &Volumes) -> Option<FileKeyRef> {
    item.fields(&[Place::FileKeyRef], |fields| {
        let volume = match fields.take("volumeName") {
            Some(item) => volumes.named(&item, VolumeKind::EmptyDir),
            None => missing_word(fields, "volumeName", "data"),
        };
        let path = match fields.take("path") {
            Some(item) => item.string().inspect(|path| {
                if let Err(broken) = path::in_volume(path) {
                    item.refuse(broken, "write a path in the volume, such as `settings.env`");
                }
            }),
            None => missing_word(fields, "path", "settings.env"),
        };
        let key = match fields.take("key") {
            Some(item) => item.string().inspect(|key| {
                let help = "write a name such as LOG_LEVEL";
                match name::variable(key) {
                    Err(broken) => item.refuse(broken, help),
                    // A cluster takes it, and its node does not.
                    Ok(()) if key.len() > MOST_OF_KEY => {
                        item.refuse_here(format!("more than {MOST_OF_KEY} characters"), help);
                    }
                    Ok(()) => {}
                }
            }),
            None => missing_word(fields, "key", "LOG_LEVEL"),
        };
        let optional = optional(fields);
        Some(FileKeyRef { volume: volume?, path: path::plain(path?), key: key?.to_owned(), optional })
    })?
}

fn missing_word<T>(fields: &mut Fields<'_>, field: &'static str, example: &str) -> Option<T> {
    fields.missing(field, format!("write {}", fields.item.scope.word(field, example)));
    None
}

fn object_ref(item: &Item<'_>) -> Option<(String, bool)> {
    item.fields(&[Place::ObjectRef], |fields| {
        let name = object_name(fields);
        let optional = optional(fields);
        Some((name?, optional))
    })?
}

fn object_name(fields: &mut Fields<'_>) -> Option<String> {
    let Some(item) = fields.take("name") else {
        fields.missing("name", OBJECT_NAME);
        return None;
    };
    let name = item.string()?;
    if let Err(broken) = name::subdomain(name) {
        let better = name::repaired_subdomain(name);
        let help = better.map(|name| format!("write {}", item.scope.word("name", &name)));
        item.refuse(broken, help.unwrap_or_else(|| OBJECT_NAME.to_owned()));
    }
    Some(name.to_owned())
}

fn optional(fields: &mut Fields<'_>) -> bool {
    fields.take("optional").and_then(|item| item.boolean()).unwrap_or(false)
}

/// What a variable may tell of the pod.
const PATHS: [(&str, PodField); 9] = [
    ("metadata.name", PodField::Name),
    ("metadata.namespace", PodField::Namespace),
    ("metadata.uid", PodField::Uid),
    ("spec.nodeName", PodField::NodeName),
    ("spec.serviceAccountName", PodField::ServiceAccountName),
    ("status.hostIP", PodField::HostIp),
    ("status.hostIPs", PodField::HostIps),
    ("status.podIP", PodField::PodIp),
    ("status.podIPs", PodField::PodIps),
];

fn field_ref(item: &Item<'_>) -> Option<PodField> {
    with_path(item, &[Place::FieldRef], field_path)
}

/// Reads what a file of a volume tells of the pod: less of the cluster, and labels and annotations as a whole
/// (rule 138).
pub(in crate::spec) fn volume_field(item: &Item<'_>) -> Option<DownwardValue> {
    with_path(item, &[Place::DownwardFieldRef], |item| {
        let whole = [
            ("metadata.labels", DownwardValue::Labels),
            ("metadata.annotations", DownwardValue::Annotations),
        ];
        let path = item.string()?;
        if let Some((_, whole)) = whole.into_iter().find(|(known, _)| *known == path) {
            return Some(whole);
        }
        if !path.starts_with("metadata.") {
            let known =
                "metadata.name, metadata.namespace, metadata.uid, metadata.labels, metadata.annotations";
            item.refuse("a file cannot tell of this", format!("known are {known}; a variable can tell more"));
            return None;
        }
        field_path(item).map(DownwardValue::Field)
    })
}

fn with_path<T>(
    item: &Item<'_>,
    places: &'static [Place],
    read: impl FnOnce(&Item<'_>) -> Option<T>,
) -> Option<T> {
    item.fields(places, |fields| {
        if let Some(item) = fields.take("apiVersion")
            && item.node.as_string() != Some("")
        {
            item.choice(&[("v1", ())], "the only version is v1");
        }
        let Some(item) = fields.take("fieldPath") else {
            fields.missing("fieldPath", format!("write {}", item.scope.word("fieldPath", "metadata.name")));
            return None;
        };
        read(&item)
    })?
}

fn field_path(item: &Item<'_>) -> Option<PodField> {
    let path = item.string()?;
    if let Some((_, field)) = PATHS.iter().find(|(known, _)| *known == path) {
        return Some(field.clone());
    }
    let subscript = |map: &str| path.strip_prefix(map)?.strip_prefix("['")?.strip_suffix("']");
    let (key, make): (&str, fn(String) -> PodField) =
        match (subscript("metadata.labels"), subscript("metadata.annotations")) {
            (Some(key), _) => (key, PodField::Label),
            (None, Some(key)) => (key, PodField::Annotation),
            (None, None) => {
                item.refuse("a variable cannot tell of this", meant(path));
                return None;
            }
        };
    // Kubernetes folds the case of annotations' keys before it looks at them.
    let is_label = path.starts_with("metadata.labels");
    let looked_at = if is_label { key.to_owned() } else { key.to_ascii_lowercase() };
    if let Err(broken) = name::qualified(&looked_at) {
        item.refuse(broken, "write a key such as `app` or `example.com/app`");
    } else if !is_label && key.starts_with(settings::PREFIX) {
        item.refuse_here(
            "a setting of podinit is no annotation here",
            "write the value itself: `value` beside the name",
        );
    }
    Some(make(key.to_owned()))
}

/// Help with the path that was probably meant.
fn meant(path: &str) -> String {
    for (map, example) in [
        ("metadata.labels", "metadata.labels['app']"),
        ("metadata.annotations", "metadata.annotations['example.com/owner']"),
    ] {
        if path.starts_with(map) {
            return format!("write `{example}`");
        }
    }
    let paths = PATHS.map(|(path, _)| path);
    match nearest(path, paths.into_iter()) {
        Some(path) => format!("write `{path}`"),
        None => {
            format!("known are {}, metadata.labels['...'] and metadata.annotations['...']", paths.join(", "))
        }
    }
}

/// Reads an amount that a file of a volume tells; it is a container's, and says whose.
pub(in crate::spec) fn volume_resource(item: &Item<'_>) -> Option<ResourceRef> {
    let read = resource_ref(item)?;
    if read.container.is_none() {
        let message = format!("cannot use {}{}: containerName is missing", item.name, item.owner);
        let problem = item.scope.error(item.key, message).path(format!("{}.containerName", item.path));
        let help = format!("write {}, the name of a container", item.scope.word("containerName", "main"));
        item.scope.report(problem.label("it needs containerName").help(help));
    }
    Some(read)
}

fn resource_ref(item: &Item<'_>) -> Option<ResourceRef> {
    item.fields(&[Place::ResourceFieldRef], |fields| {
        let container = fields.take("containerName").and_then(|item| item.string());
        let resource = match fields.take("resource") {
            Some(item) => counted(&item),
            None => {
                fields.missing("resource", format!("write {}", item.scope.word("resource", "limits.memory")));
                None
            }
        };
        let divisor = fields.take("divisor").and_then(|item| Some((quantity(&item, "1Mi")?, item)));
        let (of_limits, resource) = resource?;
        let divisor = match divisor {
            // Nothing, and as much as leaving it out.
            Some((divisor, _)) if divisor.is_zero() => Quantity::whole(1),
            Some((divisor, item)) => unit(divisor, &item, resource),
            None => Quantity::whole(1),
        };
        let container = container.filter(|name| !name.is_empty()).map(str::to_owned);
        Some(ResourceRef { container, of_limits, resource, divisor })
    })?
}

/// Whether it is of the limits, and what is counted.
fn counted(item: &Item<'_>) -> Option<(bool, CountedResource)> {
    let known = [
        ("limits.cpu", (true, CountedResource::Cpu)),
        ("limits.memory", (true, CountedResource::Memory)),
        ("requests.cpu", (false, CountedResource::Cpu)),
        ("requests.memory", (false, CountedResource::Memory)),
    ];
    let name = item.string()?;
    let (side, what) = name.split_once('.').unwrap_or_default();
    let is_of_kubernetes = what == "ephemeral-storage" || what.starts_with("hugepages-");
    if is_of_kubernetes && matches!(side, "limits" | "requests") {
        item.refuse_not_built("write one of limits.cpu, limits.memory, requests.cpu, requests.memory");
        return None;
    }
    item.choice(&known, "one of limits.cpu, limits.memory, requests.cpu, requests.memory")
}

/// The units that Kubernetes counts in.
fn unit(divisor: Quantity, item: &Item<'_>, resource: CountedResource) -> Quantity {
    let units: &[&str] = match resource {
        CountedResource::Cpu => &["1", "1m"],
        CountedResource::Memory => {
            &["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"]
        }
    };
    if units.iter().all(|unit| Quantity::parse(unit) != Some(divisor)) {
        let units = units.join(", ");
        item.refuse(format!("one of {units}"), "write one of them, such as 1");
    }
    divisor
}
