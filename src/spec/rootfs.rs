//! A directory of this host as a container's root file system: podinit's own, in both forms of a manifest. Knows
//! how it is written, and not what is in the directory.

use super::decode::Item;
use super::fields::Place;
use super::settings::is_annotation;
use super::tree::Value;

/// A directory of this host as a container's root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// Relative ones have been joined to the manifest's directory.
    pub path: String,
    /// Whether what is written goes to a layer that is gone with the attempt (rule 101), or to the
    /// directory itself.
    pub layer: RootfsLayer,
}

/// Where what is written to a root file system goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootfsLayer {
    /// To a layer on top that each attempt has anew.
    #[default]
    Ephemeral,
    /// To the directory.
    Directory,
}

/// In TOML: the path alone, or a table of path and layer.
pub(super) fn rootfs_keys(item: Item<'_>) -> (Option<Item<'_>>, Option<Item<'_>>) {
    if !matches!(item.node.value, Value::Mapping(_)) {
        return (Some(item), None);
    }
    let read = item.fields(&[Place::TomlRootfs], |fields| {
        fields.belong_to_part("rootfs");
        let path = fields.take("path");
        if path.is_none() {
            fields.missing("path", "write `path = \"rootfs\"`, a directory");
        }
        (path, fields.take("layer"))
    });
    read.unwrap_or_default()
}

/// A directory with a layer on top, or without.
pub(super) fn rootfs(path: Option<&Item<'_>>, layer: Option<&Item<'_>>) -> Option<Rootfs> {
    let layers = [("ephemeral", RootfsLayer::Ephemeral), ("directory", RootfsLayer::Directory)];
    let layer = layer.and_then(|item| Some((item.choice(&layers, "one of ephemeral, directory")?, item)));
    let Some(item) = path else {
        // In TOML the path that is missing has been reported.
        if let Some((_, item)) = layer.filter(|(_, item)| is_annotation(item)) {
            item.refuse(
                "the container has no rootfs",
                "remove it, or write the annotation for `rootfs` as well",
            );
        }
        return None;
    };
    let written = item.string()?;
    if written.is_empty() {
        item.refuse("it is empty", "write the path of a directory, such as \"rootfs\" or \"/srv/alpine\"");
    }
    Some(Rootfs { path: written.to_owned(), layer: layer.map(|(layer, _)| layer).unwrap_or_default() })
}
