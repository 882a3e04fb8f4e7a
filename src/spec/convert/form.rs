//! A pod between its two forms: a Kubernetes object, and the spec's fields at the top of a TOML file.
//! Knows which field stands where in each, and no text.

use super::super::Syntax;
use super::super::write::{Content, Element};
use super::super::{metadata, settings};
use super::container::{place_of_setting, plain, put_setting, take_settings};

/// Lists that have a section for each item in TOML.
pub(super) const SECTIONS: [&str; 4] = ["initContainers", "containers", "ephemeralContainers", "volumes"];

/// Fields of metadata that a TOML file has at its top.
const METADATA: [&str; 4] = ["name", "namespace", "labels", "annotations"];

/// Starts what is expanded in a value, which then depends on the variables before it (rule 134).
const REFERENCE: &str = "$(";

/// A pod in neither form.
pub(super) struct Parts {
    /// Name, namespace, labels, annotations, and in YAML whatever else the manifest has there.
    pub metadata: Vec<Element>,
    /// podinit's own settings by their names: `profile`, `crashLoopBackOff.maxDelaySeconds`, and those of
    /// containers, such as `web.keystone`.
    pub settings: Vec<Element>,
    pub spec: Vec<Element>,
    /// What a Kubernetes object has besides.
    pub around: Vec<Element>,
}

impl Parts {
    pub fn of(elements: Vec<Element>, syntax: Syntax) -> Self {
        match syntax {
            Syntax::Yaml => Self::of_object(elements),
            Syntax::Toml => Self::of_toml(elements),
        }
    }

    fn of_object(elements: Vec<Element>) -> Self {
        let mut parts = Self { metadata: vec![], settings: vec![], spec: vec![], around: vec![] };
        for element in elements {
            match (element.key.as_str(), element.content) {
                ("metadata", Content::Mapping(entries)) => parts.metadata = entries,
                ("spec", Content::Mapping(entries)) => parts.spec = entries,
                ("apiVersion" | "kind", _) => {}
                (_, content) => parts.around.push(Element { content, ..element }),
            }
        }
        for element in &mut parts.metadata {
            if let ("annotations", Content::Mapping(entries)) = (element.key.as_str(), &mut element.content) {
                let all = std::mem::take(entries);
                let (own, others): (Vec<_>, Vec<_>) =
                    all.into_iter().partition(|entry| entry.key.starts_with(settings::PREFIX));
                *entries = others;
                parts.settings = own.into_iter().map(plain_key).collect();
            }
        }
        parts
    }

    fn of_toml(elements: Vec<Element>) -> Self {
        let mut parts = Self { metadata: vec![], settings: vec![], spec: vec![], around: vec![] };
        for element in elements {
            match element.key.as_str() {
                key if METADATA.contains(&key) => parts.metadata.push(element),
                key if settings::is_plain_key(key) => parts.settings.push(element),
                "crashLoopBackOff" => {
                    // The table has no place of its own among annotations; its comments go with its parts.
                    let Element { key, origins, content, .. } = element;
                    let Content::Mapping(entries) = content else { continue };
                    for (position, mut entry) in entries.into_iter().enumerate() {
                        entry.key = format!("{key}.{}", entry.key);
                        if position == 0 {
                            entry.origins.splice(0..0, origins.iter().copied());
                        }
                        parts.settings.push(entry);
                    }
                }
                _ => parts.spec.push(element),
            }
        }
        parts.settings.extend(take_settings(&mut parts.spec));
        parts
    }

    pub fn has(list: &[Element], key: &str) -> bool {
        list.iter().any(|element| element.key == key)
    }

    /// Writes out what the manifest leaves to a default that the other syntax does not share.
    pub fn write_defaults_out(&mut self, profile: &str, restart_policy: &str) {
        if !Self::has(&self.settings, settings::PROFILE) {
            self.settings.insert(0, Element::string(settings::PROFILE, profile));
        }
        match self.spec.iter_mut().find(|element| element.key == "restartPolicy") {
            // Empty is the default as well.
            Some(element) if element.as_string() == Some("") => {
                element.content = Content::String(restart_policy.to_owned());
            }
            Some(_) => {}
            None => self.spec.insert(0, Element::string("restartPolicy", restart_policy)),
        }
    }

    /// The elements of a Kubernetes object. The name is taken where the manifest has none.
    pub fn into_object(mut self, name: &str) -> Vec<Element> {
        self.metadata.retain(|element| element.key != "name" || element.as_string() != Some(""));
        if !Self::has(&self.metadata, "name") && !Self::has(&self.metadata, "generateName") {
            self.metadata.insert(0, Element::string("name", name));
        }
        self.metadata.sort_by_key(rank);
        let own: Vec<Element> = self.settings.into_iter().map(annotation).collect();
        if !own.is_empty() {
            match self.metadata.iter_mut().find(|element| element.key == "annotations") {
                Some(Element { content: Content::Mapping(entries), .. }) => entries.extend(own),
                _ => self.metadata.push(Element::new("annotations", Content::Mapping(own))),
            }
        }
        self.metadata.retain(says_something);
        let mut spec = self.spec;
        containers(&mut spec, &mut env_as_list);
        let mut object = vec![
            Element::string("apiVersion", "v1"),
            Element::string("kind", "Pod"),
            Element::new("metadata", Content::Mapping(self.metadata)),
            Element::new("spec", Content::Mapping(spec)),
        ];
        object.extend(self.around);
        object
    }

    /// The elements of a TOML file, and those that have no place there.
    pub fn into_toml(mut self) -> (Vec<Element>, Vec<Element>) {
        let (mut top, mut homeless) = (Vec::new(), self.around);
        let is_named = Self::has(&self.metadata, "name");
        let named = |element: Element| match element.as_string() {
            Some(text) if element.key == "generateName" && !is_named => {
                let name = metadata::without_joint(text).to_owned();
                Element { key: "name".to_owned(), content: Content::String(name), ..element }
            }
            _ => element,
        };
        for element in self.metadata.into_iter().map(named).filter(says_something) {
            let known = METADATA.contains(&element.key.as_str());
            if known { top.push(element) } else { homeless.push(element) }
        }
        top.sort_by_key(rank);
        let mut delays: Vec<Element> = Vec::new();
        let mut spec = self.spec;
        self.settings.sort_by_key(place_of_setting);
        for setting in self.settings {
            match setting.key.strip_prefix("crashLoopBackOff.") {
                Some(name) => delays.push(Element { key: name.to_owned(), ..setting }),
                None => top.extend(put_setting(&mut spec, setting)),
            }
        }
        if !delays.is_empty() {
            top.push(Element::new("crashLoopBackOff", Content::Mapping(delays)));
        }
        containers(&mut spec, &mut env_as_table);
        top.extend(spec);
        (top, homeless)
    }
}

/// An annotation as the plain key it is in TOML.
fn plain_key(element: Element) -> Element {
    let key = element.key.strip_prefix(settings::PREFIX).unwrap_or(&element.key).to_owned();
    let setting = key.split_once('.').map_or(key.as_str(), |(_, setting)| setting);
    let content = match &element.content {
        Content::String(text) if key != settings::PROFILE => plain(setting, text),
        content @ (Content::String(_)
        | Content::Boolean(_)
        | Content::Integer(_)
        | Content::Float(_)
        | Content::List(_)
        | Content::Mapping(_)) => content.clone(),
    };
    Element { key, content, ..element }
}

pub(super) fn number(text: &str) -> Content {
    match text.parse::<f64>() {
        Ok(value) => super::number(value),
        Err(_) => Content::String(text.to_owned()),
    }
}

/// A setting as the annotation it is in YAML: always a string.
fn annotation(element: Element) -> Element {
    let content = match &element.content {
        Content::Integer(value) => Content::String(value.to_string()),
        Content::Float(value) => Content::String(value.to_string()),
        Content::Boolean(value) => Content::String(value.to_string()),
        Content::List(items) => {
            let words: Vec<&str> = items.iter().filter_map(Element::as_string).collect();
            Content::String(words.join(","))
        }
        Content::Mapping(entries) => {
            let pair = |entry: &Element| Some(format!("{}={}", entry.key, entry.as_string()?));
            Content::String(entries.iter().filter_map(pair).collect::<Vec<_>>().join(","))
        }
        content @ Content::String(_) => content.clone(),
    };
    Element { key: format!("{}{}", settings::PREFIX, element.key), content, ..element }
}

/// Changes `env` of every container.
fn containers(spec: &mut [Element], change: &mut impl FnMut(&mut Content)) {
    let lists = spec.iter_mut().filter(|element| element.key.ends_with("ontainers"));
    for container in lists.flat_map(|list| list.parts_mut().iter_mut()) {
        for env in container.parts_mut().iter_mut().filter(|part| part.key == "env") {
            change(&mut env.content);
        }
    }
}

fn env_as_list(env: &mut Content) {
    let Content::Mapping(entries) = env else { return };
    let items = std::mem::take(entries).into_iter().map(|entry| {
        let name =
            Element { key: "name".to_owned(), content: Content::String(entry.key), ..Element::default() };
        let value = Element::new("value", entry.content);
        Element {
            key: String::new(),
            content: Content::Mapping(vec![name, value]),
            ..entry_of(entry.origins)
        }
    });
    *env = Content::List(items.collect());
}

fn entry_of(origins: Vec<usize>) -> Element {
    Element { origins, ..Element::default() }
}

/// Names and values only, each name once, and nothing that depends on the order.
fn env_as_table(env: &mut Content) {
    let Content::List(items) = env else { return };
    let mut entries: Vec<Element> = Vec::new();
    for item in items.iter() {
        let Some(entry) = variable(item) else { return };
        if Parts::has(&entries, &entry.key) || entry.as_string().is_none_or(|value| value.contains(REFERENCE))
        {
            return;
        }
        entries.push(entry);
    }
    *env = Content::Mapping(entries);
}

fn variable(item: &Element) -> Option<Element> {
    let parts = item.entries()?;
    let of = |key: &str| parts.iter().find(|part| part.key == key);
    let (name, value) = (of("name")?.as_string()?, of("value"));
    if parts.len() != 1 + usize::from(value.is_some()) {
        return None;
    }
    let content = value.map_or(Content::String(String::new()), |value| value.content.clone());
    let origins = item.origins.iter().chain(parts.iter().flat_map(|part| &part.origins));
    Some(Element { key: name.to_owned(), origins: origins.copied().collect(), content, ..Element::default() })
}

/// Not so annotations that are empty, or emptied of settings.
fn says_something(element: &Element) -> bool {
    element.key != "annotations" || !element.parts().is_empty()
}

/// The place of a field of metadata among the others.
fn rank(element: &Element) -> usize {
    METADATA.iter().position(|key| *key == element.key).unwrap_or(METADATA.len())
}
