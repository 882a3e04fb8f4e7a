//! Where a container sees the pod's volumes, as Kubernetes takes it (rules 148, 149; SPEC-06). Knows the
//! names of the volumes, and not what is in them.

use super::decode::{VolumeKind, Volumes};
use super::{MountPropagation, RecursiveReadOnly, SubPath, VolumeMount};
use crate::spec::decode::{Fields, Item};
use crate::spec::fields::Place;
use crate::spec::path;
use crate::spec::tree::{Span, cut};

/// What a container's mounts depend on.
pub(in crate::spec) struct MountsOf<'a> {
    pub volumes: &'a Volumes,
    pub privileged: bool,
}

/// Reads `volumeMounts`, in order.
pub(in crate::spec) fn volume_mounts(item: &Item<'_>, of: &MountsOf<'_>) -> Vec<VolumeMount> {
    let mut seen = Vec::new();
    item.list().unwrap_or_default().iter().filter_map(|item| mount(item, of, &mut seen)).collect()
}

fn mount(item: &Item<'_>, of: &MountsOf<'_>, seen: &mut Vec<(String, Span)>) -> Option<VolumeMount> {
    item.fields(&[Place::VolumeMount], |fields| {
        fields.belong_to_part("a mount");
        let name = match fields.take("name") {
            Some(item) => of.volumes.named(&item, VolumeKind::Any),
            None => {
                fields.missing("name", format!("write {}", fields.item.scope.word("name", "data")));
                None
            }
        };
        if let Some(name) = &name {
            fields.belong_to_part(&format!("the mount of \"{}\"", cut(name)));
        }
        let mount_path = match fields.take("mountPath") {
            Some(item) => mount_path(&item, seen),
            None => {
                fields
                    .missing("mountPath", format!("write {}", fields.item.scope.word("mountPath", "/data")));
                None
            }
        };
        let read_only = fields.take("readOnly").and_then(|item| item.boolean()).unwrap_or(false);
        let mount_propagation = propagation(fields, of.privileged);
        let recursive_read_only = recursive(fields, read_only, mount_propagation);
        let sub_path = sub_path(fields);
        Some(VolumeMount {
            name: name?,
            mount_path: mount_path?,
            read_only,
            recursive_read_only,
            sub_path,
            mount_propagation,
        })
    })?
}

/// Where it is seen, without what says nothing.
fn mount_path(item: &Item<'_>, seen: &mut Vec<(String, Span)>) -> Option<String> {
    let written = item.string()?;
    let help = || format!("write {}, for example", item.scope.word("mountPath", "/data"));
    match path::absolute(written) {
        Err(broken) if written.is_empty() => item.refuse(broken, help()),
        // A cluster takes these.
        Err(broken) => item.refuse_here(broken, help()),
        Ok(()) => {}
    }
    let plain = path::plain(written);
    let is_root = plain == "/";
    if is_root {
        item.refuse_here(
            "this is the whole of its files",
            "mount it below, and use `rootfs` or an image for these",
        );
    }
    for own in ["/proc", "/sys"] {
        if path::is_within(&plain, own) {
            item.refuse_here(format!("what is at {own} is the kernel's"), help());
        }
    }
    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == plain && !is_root) {
        item.refuse_second("the second mount at this path", *first, "give one of the two another path");
    }
    seen.push((plain.clone(), item.node.span));
    Some(plain)
}

/// What the container mounts itself is seen on the host, which only a privileged one may do.
fn propagation(fields: &mut Fields<'_>, privileged: bool) -> MountPropagation {
    let Some(item) = fields.take("mountPropagation") else { return MountPropagation::None };
    let words = [
        ("None", MountPropagation::None),
        ("HostToContainer", MountPropagation::HostToContainer),
        ("Bidirectional", MountPropagation::Bidirectional),
    ];
    let found = item.choice(&words, "one of None, HostToContainer, Bidirectional").unwrap_or_default();
    if found == MountPropagation::Bidirectional && !privileged {
        item.refuse(
            "only for privileged containers",
            format!("write {}", item.scope.word(&item.name, "HostToContainer")),
        );
    }
    found
}

fn recursive(fields: &mut Fields<'_>, read_only: bool, propagation: MountPropagation) -> RecursiveReadOnly {
    let Some(item) = fields.take("recursiveReadOnly") else { return RecursiveReadOnly::Disabled };
    let words = [
        ("Disabled", RecursiveReadOnly::Disabled),
        ("IfPossible", RecursiveReadOnly::IfPossible),
        ("Enabled", RecursiveReadOnly::Enabled),
    ];
    let found = item.choice(&words, "one of Disabled, IfPossible, Enabled").unwrap_or_default();
    if found == RecursiveReadOnly::Disabled {
        return found;
    }
    if !read_only {
        let help = format!("write {} beside it", item.scope.written("readOnly", "true"));
        item.refuse("the mount itself is not read-only", help);
    }
    if propagation != MountPropagation::None {
        item.refuse("mounts that come later would not be read-only", "remove mountPropagation");
    }
    found
}

fn sub_path(fields: &mut Fields<'_>) -> SubPath {
    let mut part = |name| fields.take(name).filter(|item| item.node.as_string() != Some(""));
    let (path, expression) = (part("subPath"), part("subPathExpr"));
    if let Some((path, expression)) = path.as_ref().zip(expression.as_ref()) {
        let (first, second) = if path.key < expression.key { (path, expression) } else { (expression, path) };
        let message = format!("cannot use {}{}: it has {}", second.name, second.owner, first.name);
        let problem = second.scope.error(second.key, message).path(second.path.clone());
        let problem = problem.label("the second").note("the first is", first.scope.source, first.key);
        second.scope.report(problem.help("remove subPath or subPathExpr"));
    }
    let read = |item: &Item<'_>| {
        let written = item.string()?;
        if let Err(broken) = path::descending(written) {
            item.refuse(broken, "write a path in the volume, such as `logs` or `data/logs`");
        }
        Some(written.to_owned())
    };
    match (path, expression) {
        (Some(path), _) => read(&path).map(SubPath::Path).unwrap_or_default(),
        (None, Some(expression)) => read(&expression).map(SubPath::Expression).unwrap_or_default(),
        (None, None) => SubPath::Whole,
    }
}
