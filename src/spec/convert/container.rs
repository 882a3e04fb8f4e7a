//! podinit's settings of single containers between their two places: keys in a container's table, and
//! settings of the pod called `CONTAINER.setting`. Knows where each stands, and not what it means.

use super::super::container_settings::{self, ROOTFS, ROOTFS_LAYER};
use super::super::write::{Content, Element};
use super::form::Parts;

/// Takes the settings out of the containers of a spec.
pub(super) fn take_settings(spec: &mut [Element]) -> Vec<Element> {
    let mut found = Vec::new();
    for container in containers(spec) {
        let Some(name) = name_of(container) else { continue };
        for setting in container_settings::NAMES {
            let path: Vec<&str> = setting.split('.').collect();
            let Some(element) = take(container, &path) else { continue };
            if setting == ROOTFS {
                found.extend(rootfs_apart(&name, element));
            } else {
                found.push(Element { key: format!("{name}.{setting}"), ..element });
            }
        }
        // Without anything in it, it says what leaving it out says; YAML has no place for it.
        if let Content::Mapping(entries) = &mut container.content {
            entries.retain(|entry| entry.key != "crashLoopBackOff");
        }
    }
    found
}

/// The table of a root file system as two settings. Its comments go with the first.
fn rootfs_apart(name: &str, element: Element) -> Vec<Element> {
    let key = |setting| format!("{name}.{setting}");
    let Element { content: Content::Mapping(parts), origins, .. } = element else {
        return vec![Element { key: key(ROOTFS), ..element }];
    };
    let named = parts.into_iter().map(|mut part| {
        part.key = key(if part.key == "layer" { ROOTFS_LAYER } else { ROOTFS });
        part
    });
    let mut named: Vec<Element> = named.collect();
    if let Some(first) = named.first_mut() {
        first.origins.splice(0..0, origins);
    }
    named
}

/// Puts the layer beside the path, which then is a table.
fn put_layer(container: &mut Element, setting: Element) {
    let parts = container.parts_mut();
    let Some(rootfs) = parts.iter_mut().find(|part| part.key == ROOTFS) else { return };
    let path = std::mem::take(&mut rootfs.content);
    let layer = Element { key: "layer".to_owned(), ..setting };
    rootfs.content = Content::Mapping(vec![Element::new("path", path), layer]);
}

/// Puts a setting called `CONTAINER.setting` into its container. Gives back what is none.
pub(super) fn put_setting(spec: &mut [Element], setting: Element) -> Option<Element> {
    let key = setting.key.clone();
    let Some((name, path)) = key.split_once('.') else { return Some(setting) };
    let container = containers(spec).find(|container| name_of(container).as_deref() == Some(name));
    let Some(container) = container else { return Some(setting) };
    if path == ROOTFS_LAYER {
        put_layer(container, setting);
        return None;
    }
    let path: Vec<&str> = path.split('.').collect();
    put(container, &path, setting);
    None
}

/// Place of a setting among those of its container: always the same, so that converting again changes nothing.
pub(super) fn place_of_setting(setting: &Element) -> Option<usize> {
    let (_, name) = setting.key.split_once('.')?;
    container_settings::NAMES.iter().position(|known| *known == name)
}

/// The value of a setting as a plain key has it, of the text that an annotation has.
pub(super) fn plain(setting: &str, text: &str) -> Content {
    match setting {
        "keystone" | "reaper" | "singleProcessOOMKill" if text == "true" || text == "false" => {
            Content::Boolean(text == "true")
        }
        "startAfter" | "envFile" => {
            Content::List(words(text).map(|word| Element::string("", word)).collect())
        }
        "envFromFiles" => {
            let pairs = words(text).filter_map(|word| word.split_once('='));
            Content::Mapping(pairs.map(|(name, path)| Element::string(name, path)).collect())
        }
        "keystone"
        | "reaper"
        | "singleProcessOOMKill"
        | "memoryReservationPolicy"
        | "notify"
        | "network"
        | ROOTFS
        | ROOTFS_LAYER => Content::String(text.to_owned()),
        _ => super::form::number(text),
    }
}

/// What stands between commas.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn containers(spec: &mut [Element]) -> impl Iterator<Item = &mut Element> {
    let lists = spec.iter_mut().filter(|element| element.key.ends_with("ontainers"));
    lists.flat_map(|list| list.parts_mut().iter_mut())
}

fn name_of(container: &Element) -> Option<String> {
    let name = container.entries()?.iter().find(|part| part.key == "name")?;
    name.as_string().map(str::to_owned)
}

/// Takes what is at a path, and a mapping that has nothing else in it with it.
fn take(element: &mut Element, path: &[&str]) -> Option<Element> {
    let Content::Mapping(entries) = &mut element.content else { return None };
    let (first, rest) = path.split_first()?;
    let position = entries.iter().position(|entry| entry.key == *first)?;
    if rest.is_empty() {
        return Some(entries.remove(position));
    }
    let inner = entries.get_mut(position)?;
    let mut taken = take(inner, rest)?;
    if inner.parts().is_empty() {
        // What is said beside the mapping goes with what was in it.
        taken.origins.splice(0..0, entries.remove(position).origins);
    }
    Some(taken)
}

fn put(element: &mut Element, path: &[&str], setting: Element) {
    let Content::Mapping(entries) = &mut element.content else { return };
    match path {
        [] => {}
        [last] => entries.push(Element { key: (*last).to_owned(), ..setting }),
        [first, rest @ ..] => {
            if !Parts::has(entries, first) {
                entries.push(Element::new(first, Content::default()));
            }
            let inner = entries.iter_mut().find(|entry| entry.key == *first);
            if let Some(inner) = inner {
                put(inner, rest, setting);
            }
        }
    }
}
