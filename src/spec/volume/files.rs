//! Volumes of files that podinit writes: `configMap`, `secret`, `downwardAPI` and `projected` as Kubernetes
//! takes them (rules 138, 139, 150). Knows how they are written, not what the objects hold.

use super::decode::{mode, object_name};
use super::{DownwardFile, DownwardValue, KeyToPath, Projected, ProjectedObject, ProjectedSource};
use crate::spec::decode::{Fields, Item, Purpose};
use crate::spec::environment::{volume_field, volume_resource};
use crate::spec::fields::Place;
use crate::spec::tree::{Entry, Span, Value, cut};
use crate::spec::{name, path};

/// Permissions of a file of which nothing is said.
const FILE: u32 = 0o644;

const KEY: &str = "write a key such as `settings.json` or `LOG_LEVEL`";

/// Paths of the files of one volume, with their places.
#[derive(Default)]
struct Paths {
    seen: Vec<(String, Span)>,
    is_projected: bool,
}

/// Reads a volume of a ConfigMap.
pub(super) fn config_map(item: &Item<'_>) -> Option<Projected> {
    item.fields_with_main(&[Place::ConfigMapVolume], "name", |fields| {
        let default_mode = default_mode(fields);
        let object = object(fields, "name", &mut Paths::default())?;
        Some(Projected { sources: vec![ProjectedSource::ConfigMap(object)], default_mode })
    })?
}

/// Reads a volume of a Secret.
pub(super) fn secret(item: &Item<'_>) -> Option<Projected> {
    item.fields_with_main(&[Place::SecretVolume], "secretName", |fields| {
        let default_mode = default_mode(fields);
        let object = object(fields, "secretName", &mut Paths::default())?;
        Some(Projected { sources: vec![ProjectedSource::Secret(object)], default_mode })
    })?
}

/// Reads a volume of what the pod knows of itself.
pub(super) fn downward_api(item: &Item<'_>) -> Option<Projected> {
    item.fields(&[Place::DownwardVolume], |fields| {
        let default_mode = default_mode(fields);
        let files = downward_files(fields, &mut Paths::default());
        Projected { sources: vec![ProjectedSource::DownwardApi(files)], default_mode }
    })
}

/// Reads a volume of several of these.
pub(super) fn projected(item: &Item<'_>) -> Option<Projected> {
    item.fields(&[Place::ProjectedVolume], |fields| {
        let default_mode = default_mode(fields);
        let items = fields.take("sources").and_then(|item| item.list()).unwrap_or_default();
        let mut paths = Paths { is_projected: true, ..Paths::default() };
        let sources = items.iter().filter_map(|item| source(item, &mut paths)).collect();
        Projected { sources, default_mode }
    })
}

fn default_mode(fields: &mut Fields<'_>) -> u32 {
    fields.take("defaultMode").and_then(|item| mode(&item)).unwrap_or(FILE)
}

const SOURCES: [&str; 3] = ["configMap", "secret", "downwardAPI"];

fn source(item: &Item<'_>, paths: &mut Paths) -> Option<ProjectedSource> {
    item.fields(&[Place::ProjectedSource], |fields| {
        fields.belong_to_part("a source");
        let entries = fields.item.node.as_mapping().unwrap_or_default();
        let written: Vec<&Entry> = entries.iter().filter(|entry| entry.value.value != Value::Null).collect();
        if let [first, second, ..] = written.as_slice()
            && let Some(item) = fields.peek(&second.key)
        {
            let message = format!("cannot use {}{}: a source is one thing", second.key, item.owner);
            let scope = item.scope;
            let problem = scope.error(second.key_span, message).path(item.path.clone());
            let problem =
                problem.label("the second thing").note("the first is", scope.source, first.key_span);
            scope.report(problem.help("write an entry of `sources` for each"));
        }
        if written.is_empty() {
            fields.missing(
                "configMap, secret or downwardAPI",
                "write what is in it, for example `configMap` with a `name`",
            );
        }
        let [map, secret, downward] = SOURCES.map(|name| fields.take(name));
        let mut of_object = |item: Option<Item<'_>>| {
            item.and_then(|item| {
                item.fields_with_main(&[Place::ProjectedObject], "name", |fields| {
                    object(fields, "name", paths)
                })?
            })
        };
        let map = of_object(map).map(ProjectedSource::ConfigMap);
        let secret = of_object(secret).map(ProjectedSource::Secret);
        let downward = downward.and_then(|item| {
            item.fields(&[Place::ProjectedDownward], |fields| downward_files(fields, paths))
        });
        map.or(secret).or(downward.map(ProjectedSource::DownwardApi))
    })?
}

fn object(fields: &mut Fields<'_>, field: &'static str, paths: &mut Paths) -> Option<ProjectedObject> {
    let name = object_name(fields, field, "settings");
    let optional = fields.take("optional").and_then(|item| item.boolean()).unwrap_or(false);
    let items = fields.take("items").and_then(|item| item.list()).unwrap_or_default();
    // An empty list says nothing, as in Kubernetes.
    let is_all = items.is_empty();
    let keys = items.iter().filter_map(|item| key_to_path(item, paths)).collect();
    Some(ProjectedObject { name: name?, items: (!is_all).then_some(keys), optional })
}

fn key_to_path(item: &Item<'_>, paths: &mut Paths) -> Option<KeyToPath> {
    item.fields(&[Place::KeyToPath], |fields| {
        fields.belong_to_part("an item");
        let key = match fields.take("key") {
            Some(item) => item.string().inspect(|key| {
                match name::config_key(key) {
                    Err(broken) if key.is_empty() => item.refuse(broken, KEY),
                    // A cluster takes it, and no object has it.
                    Err(broken) => item.refuse_here(broken, KEY),
                    Ok(()) => {}
                }
            }),
            None => {
                fields.missing("key", format!("write {}", fields.item.scope.word("key", "settings.json")));
                None
            }
        };
        let path = file_path(fields, paths);
        let mode = fields.take("mode").and_then(|item| mode(&item));
        Some(KeyToPath { key: key?.to_owned(), path: path?, mode })
    })?
}

/// The path of a file in the volume, which no other has.
fn file_path(fields: &mut Fields<'_>, paths: &mut Paths) -> Option<String> {
    let Some(item) = fields.take("path") else {
        fields.missing("path", format!("write {}", fields.item.scope.word("path", "settings.json")));
        return None;
    };
    let written = item.string()?;
    if let Err(broken) = path::in_volume(written) {
        item.refuse(broken, "write a path in the volume, such as `settings.json` or `conf/settings.json`");
        return None;
    }
    let plain = path::plain(written);
    let meets = |other: &str| path::is_within(&plain, other) || path::is_within(other, &plain);
    if let Some((other, first)) = paths.seen.iter().find(|(other, _)| meets(other)) {
        let label = match *other == plain {
            true => "the second file at this path".to_owned(),
            false => format!("\"{}\" is a file and a directory then", cut(other)),
        };
        // A cluster minds it among sources only, and its node lets one of the two win.
        if paths.is_projected || item.scope.purpose == Purpose::Run {
            item.refuse_second(&label, *first, "give one of the two another path");
        }
    }
    paths.seen.push((plain.clone(), item.node.span));
    Some(plain)
}

fn downward_files(fields: &mut Fields<'_>, paths: &mut Paths) -> Vec<DownwardFile> {
    let items = fields.take("items").and_then(|item| item.list()).unwrap_or_default();
    items.iter().filter_map(|item| downward_file(item, paths)).collect()
}

fn downward_file(item: &Item<'_>, paths: &mut Paths) -> Option<DownwardFile> {
    item.fields(&[Place::DownwardFile], |fields| {
        fields.belong_to_part("an item");
        let path = file_path(fields, paths);
        let mode = fields.take("mode").and_then(|item| mode(&item));
        let field = fields.take("fieldRef");
        let resource = fields.take("resourceFieldRef");
        match (&field, &resource) {
            (None, None) => {
                let help = "write what the file tells, for example `fieldRef` with a `fieldPath`";
                fields.missing("fieldRef or resourceFieldRef", help);
            }
            (Some(field), Some(resource)) => {
                let (first, second) =
                    if field.key < resource.key { (field, resource) } else { (resource, field) };
                let message = format!("cannot use {}{}: a file tells one thing", second.name, second.owner);
                let problem = second.scope.error(second.key, message).path(second.path.clone());
                let problem = problem.label("the second").note("the first is", first.scope.source, first.key);
                second.scope.report(problem.help("remove fieldRef or resourceFieldRef"));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
        let field = field.and_then(|item| volume_field(&item));
        let resource = resource.and_then(|item| volume_resource(&item)).map(DownwardValue::Resource);
        Some(DownwardFile { path: path?, value: field.or(resource)?, mode })
    })?
}
