//! The volumes of a pod, as Kubernetes takes them (rules 144 to 151). Knows how they are written; the files
//! of `configMap`, `secret`, `downwardAPI` and `projected` read themselves.

use std::sync::Arc;

use super::files::{config_map, downward_api, projected, secret};
use super::{EmptyDir, HostPath, HostPathType, Volume, VolumeSource};
use crate::spec::decode::{Fields, Item, Purpose};
use crate::spec::fields::{Field, Place};
use crate::spec::resources::quantity;
use crate::spec::suggest::nearest;
use crate::spec::tree::{Entry, Span, Value, cut};
use crate::spec::{Syntax, name, path};

/// The volumes of a pod, with the places of their names.
#[derive(Default)]
pub(in crate::spec) struct Volumes {
    pub read: Vec<Volume>,
    /// Of those as well that could not be read.
    pub names: Vec<(Arc<str>, Span)>,
    /// Whether there may be others: then nothing is said of mounts without a volume.
    pub is_broken: bool,
}

/// What a reference to a volume is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::spec) enum VolumeKind {
    Any,
    EmptyDir,
}

impl Volumes {
    /// The volume that is named here.
    pub(in crate::spec) fn named(&self, item: &Item<'_>, kind: VolumeKind) -> Option<Arc<str>> {
        let written = item.string()?;
        let is_wanted = |name: &Arc<str>| match self.read.iter().find(|volume| volume.name == *name) {
            Some(volume) => kind == VolumeKind::Any || matches!(volume.source, VolumeSource::EmptyDir(_)),
            // What is wrong with it is told of elsewhere.
            None => true,
        };
        let found = self.names.iter().find(|(name, _)| **name == *written).map(|(name, _)| name);
        if let Some(name) = found.filter(|name| is_wanted(name)) {
            return Some(Arc::clone(name));
        }
        if found.is_some() || !self.is_broken {
            let names = || self.names.iter().map(|(name, _)| name).filter(|name| is_wanted(name));
            let better =
                nearest(written, names().map(|name| &**name)).or_else(|| names().next().map(|name| &**name));
            let help = match (better, kind) {
                (Some(name), _) => format!("write {}", item.scope.word(&item.name, name)),
                (None, VolumeKind::Any) => "write a volume of this name into `volumes`".to_owned(),
                (None, VolumeKind::EmptyDir) => "write an `emptyDir` of this name into `volumes`".to_owned(),
            };
            let label = if found.is_some() {
                "this volume is no emptyDir"
            } else {
                "the pod has no volume of this name"
            };
            item.refuse(label, help);
        }
        Some(Arc::from(written))
    }
}

/// Reads `volumes`, in order.
pub(in crate::spec) fn volumes(item: &Item<'_>) -> Volumes {
    let mut volumes = Volumes::default();
    let Some(items) = item.list() else { return Volumes { is_broken: true, ..volumes } };
    for item in &items {
        let is_named = volumes.names.len();
        let volume = item.fields(&[Place::Volume], |fields| volume(fields, &mut volumes.names)).flatten();
        volumes.is_broken |= volumes.names.len() == is_named;
        volumes.read.extend(volume);
    }
    volumes
}

/// The sources that are read.
const SOURCES: [&str; 8] = [
    "emptyDir",
    "hostPath",
    "configMap",
    "secret",
    "downwardAPI",
    "projected",
    "persistentVolumeClaim",
    "image",
];

fn volume(fields: &mut Fields<'_>, names: &mut Vec<(Arc<str>, Span)>) -> Option<Volume> {
    fields.belong_to_part("a volume");
    let name = match fields.take("name") {
        Some(item) => volume_name(&item, names),
        None => {
            fields.missing("name", format!("write {}", fields.item.scope.word("name", "data")));
            None
        }
    };
    if let Some(name) = &name {
        fields.belong_to(&format!("volume \"{}\"", cut(name)));
    }
    one_source(fields);
    let [empty_dir, host_path, map, secrets, downward, several, claim, image] =
        SOURCES.map(|name| fields.take(name));
    let read = [
        empty_dir.map(|item| self::empty_dir(&item)),
        host_path.map(|item| self::host_path(&item)),
        map.map(|item| config_map(&item).map(VolumeSource::Projected)),
        secrets.map(|item| secret(&item).map(VolumeSource::Projected)),
        downward.map(|item| downward_api(&item).map(VolumeSource::Projected)),
        several.map(|item| projected(&item).map(VolumeSource::Projected)),
        claim.map(|item| self::claim(&item)),
        image.map(|item| self::image(&item)),
    ];
    // A volume of which no more is said is an empty directory, as Kubernetes fills it in.
    let nothing = EmptyDir { in_memory: false, size_limit: None, mode: EMPTY_DIR };
    let source = read.into_iter().flatten().next().unwrap_or(Some(VolumeSource::EmptyDir(nothing)))?;
    Some(Volume { name: name?, source })
}

fn volume_name(item: &Item<'_>, names: &mut Vec<(Arc<str>, Span)>) -> Option<Arc<str>> {
    let written = item.string()?;
    if let Err(broken) = name::label(written) {
        let better = name::repaired(written).unwrap_or_else(|| "data".to_owned());
        item.refuse(broken, format!("write {}", item.scope.word("name", &better)));
    }
    let name: Arc<str> = Arc::from(written);
    if let Some((_, first)) = names.iter().find(|(other, _)| *other == name) {
        item.refuse_second("the second volume of this name", *first, "give one of the two another name");
    }
    names.push((Arc::clone(&name), item.node.span));
    Some(name)
}

/// A volume is one thing (as the API server has it). What podinit does not have is told of apart, unless
/// nothing is said of it.
fn one_source(fields: &Fields<'_>) {
    let entries = fields.item.node.as_mapping().unwrap_or_default();
    let is_source = |entry: &&Entry| {
        entry.key != "name"
            && entry.value.value != Value::Null
            && Field::find(Place::Volume, &entry.key).is_some()
    };
    let sources: Vec<&Entry> = entries.iter().filter(is_source).collect();
    let scope = fields.item.scope;
    if let [first, second, ..] = sources.as_slice()
        && let Some(item) = fields.peek(&second.key)
    {
        let message = format!("cannot use {}{}: a volume is one thing", second.key, item.owner);
        let problem = scope.error(second.key_span, message).path(item.path.clone()).label("the second thing");
        let problem = problem.note("the first is", scope.source, first.key_span);
        scope.report(problem.help(format!("remove {} or {}", first.key, second.key)));
    }
    if let [only] = sources.as_slice()
        && !SOURCES.contains(&only.key.as_str())
        && only.value.is_empty()
        && let Some(item) = fields.peek(&only.key)
    {
        item.refuse_here("podinit has no such volume", "write `emptyDir`, or another volume");
    }
}

/// Permissions of an emptyDir (rule 144).
const EMPTY_DIR: u32 = 0o777;

/// Permissions in the last nine bits.
pub(super) fn mode(item: &Item<'_>) -> Option<u32> {
    permissions(item, 0o777, "0644")
}

/// Permissions up to these; `example` is what one writes, without what TOML puts before it.
fn permissions(item: &Item<'_>, most: i64, example: &str) -> Option<u32> {
    if let Value::Integer(written) = item.node.value
        && !(0..=i128::from(most)).contains(&written)
    {
        let example = match item.scope.syntax {
            Syntax::Toml => example.replacen('0', "0o", 1),
            Syntax::Yaml => example.to_owned(),
        };
        let label = if written < 0 { "less than 0".to_owned() } else { format!("more than 0{most:o}") };
        let help = format!("permissions are octal: write {}", item.scope.written(&item.name, &example));
        item.refuse(label, help);
        return None;
    }
    item.integer(0, most).and_then(|mode| u32::try_from(mode).ok())
}

fn empty_dir(item: &Item<'_>) -> Option<VolumeSource> {
    item.fields(&[Place::EmptyDir], |fields| {
        let in_memory = fields.take("medium").is_some_and(|item| is_memory(&item));
        // None at all is no limit, as in Kubernetes.
        let size = fields.take("sizeLimit");
        let size_limit = size.as_ref().and_then(|item| quantity(item, "64Mi"));
        // With the bit that keeps who owns a file the only one who may remove it, as of /tmp.
        let mode = fields.take("mode").and_then(|item| permissions(&item, 0o1777, "01777"));
        let mode = mode.unwrap_or(EMPTY_DIR);
        let size_limit = size_limit.filter(|limit| !limit.is_zero());
        if let (Some(item), Some(_), false) = (&size, size_limit, in_memory)
            && item.scope.purpose == Purpose::Run
        {
            let why = "what is on disk is not counted; in memory it is: `medium: Memory`";
            item.scope.report(item.scope.ignored(item.key, "sizeLimit", why).path(item.path.clone()));
        }
        VolumeSource::EmptyDir(EmptyDir { in_memory, size_limit, mode })
    })
}

fn is_memory(item: &Item<'_>) -> bool {
    if item.node.as_string().is_some_and(|medium| medium.starts_with("HugePages")) {
        item.refuse_not_built(&format!("write {}", item.scope.word("medium", "Memory")));
        return false;
    }
    match item.string() {
        Some("Memory") => true,
        Some("") | None => false,
        // A cluster takes it, and its node does not.
        Some(_) => {
            item.refuse_here(
                "only Memory, or nothing",
                format!("write {}", item.scope.word("medium", "Memory")),
            );
            false
        }
    }
}

fn host_path(item: &Item<'_>) -> Option<VolumeSource> {
    item.fields_with_main(&[Place::HostPath], "path", |fields| {
        let types = [
            ("", HostPathType::Unset),
            ("DirectoryOrCreate", HostPathType::DirectoryOrCreate),
            ("Directory", HostPathType::Directory),
            ("FileOrCreate", HostPathType::FileOrCreate),
            ("File", HostPathType::File),
            ("Socket", HostPathType::Socket),
            ("CharDevice", HostPathType::CharDevice),
            ("BlockDevice", HostPathType::BlockDevice),
        ];
        let label =
            "one of DirectoryOrCreate, Directory, FileOrCreate, File, Socket, CharDevice, BlockDevice";
        let type_ = fields.take("type").and_then(|item| item.choice(&types, label)).unwrap_or_default();
        let Some(item) = fields.take("path") else {
            fields.missing("path", format!("write {}", fields.item.scope.word("path", "/srv/data")));
            return None;
        };
        let written = item.string()?;
        let help = format!("write {}, for example", item.scope.word("path", "/srv/data"));
        match path::absolute(written) {
            // A cluster takes it, and its node does not find it.
            Err(broken) if !written.starts_with('/') && !written.is_empty() => item.refuse_here(broken, help),
            Err(broken) => item.refuse(broken, help),
            Ok(()) => {}
        }
        Some(VolumeSource::HostPath(HostPath { path: written.to_owned(), type_ }))
    })?
}

fn claim(item: &Item<'_>) -> Option<VolumeSource> {
    item.fields_with_main(&[Place::ClaimVolume], "claimName", |fields| {
        let read_only = fields.take("readOnly").and_then(|item| item.boolean()).unwrap_or(false);
        let claim_name = object_name(fields, "claimName", "data")?;
        Some(VolumeSource::PersistentVolumeClaim { claim_name, read_only })
    })?
}

fn image(item: &Item<'_>) -> Option<VolumeSource> {
    item.fields_with_main(&[Place::ImageVolume], "reference", |fields| {
        let help = |item: &Item<'_>| format!("write {}", item.scope.word("reference", "models:1"));
        let Some(item) = fields.take("reference") else {
            fields.missing("reference", help(&fields.item));
            return None;
        };
        let reference = item.string()?;
        if reference.is_empty() {
            item.refuse("it is empty", help(&item));
        } else if reference.trim() != reference {
            item.refuse("it starts or ends with a space", help(&item));
        }
        Some(VolumeSource::Image { reference: reference.to_owned() })
    })?
}

/// The name of an object; `example` is one that is right.
pub(super) fn object_name(fields: &mut Fields<'_>, field: &'static str, example: &str) -> Option<String> {
    let Some(item) = fields.take(field) else {
        fields.missing(field, format!("write {}", fields.item.scope.word(field, example)));
        return None;
    };
    let written = item.string()?;
    if let Err(broken) = name::subdomain(written) {
        let better = name::repaired_subdomain(written).unwrap_or_else(|| example.to_owned());
        let help = format!("write {}", item.scope.word(field, &better));
        // A cluster takes what no object can be called.
        if written.is_empty() { item.refuse(broken, help) } else { item.refuse_here(broken, help) }
    }
    Some(written.to_owned())
}
