//! A mapping whose fields are taken one by one, and what is said of the keys that nobody took.

use super::{Item, Purpose, join};
use crate::spec::Syntax;
use crate::spec::fields::{Class, Field, Place, TOLD_TOGETHER};
use crate::spec::settings::PREFIX;
use crate::spec::suggest::{nearest, synonym};
use crate::spec::tree::{Entry, MERGE_KEY, Node, Span, Value, cut};
use std::rc::Rc;

/// Fields with a mapping that is often left out around its most important field.
const MAIN_FIELDS: [(&str, &str); 3] = [("exec", "command"), ("httpGet", "port"), ("tcpSocket", "port")];

/// A mapping whose fields are taken one by one.
pub(in crate::spec) struct Fields<'a> {
    /// The mapping itself.
    pub item: Item<'a>,
    places: &'static [Place],
    entries: &'a [Entry],
    taken: Vec<bool>,
    /// Where a field is reported that is not there: the mapping's key or, in a list, its start, unless
    /// it has a name to point at.
    pub anchor: Span,
    /// Whose the fields are; like [`Item::owner`].
    owner: Rc<str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(item: Item<'a>, places: &'static [Place], entries: &'a [Entry]) -> Self {
        let (taken, anchor, owner) = (vec![false; entries.len()], item.key, Rc::clone(&item.owner));
        Self { item, places, entries, taken, anchor, owner }
    }

    /// From here on messages say whose fields these are, such as `container "web"`.
    pub fn belong_to(&mut self, owner: &str) {
        self.owner = Rc::from(format!(" for {owner}"));
    }

    /// From here on messages say of which part these are fields, such as `a port`.
    pub fn belong_to_part(&mut self, part: &str) {
        let whole = self.item.owner.strip_prefix(" for ").map(|owner| format!(" of {owner}"));
        self.belong_to(&format!("{part}{}", whole.unwrap_or_default()));
    }

    /// The field of this name; `None` where it is left out or null. Only for implemented fields.
    pub fn take(&mut self, name: &'static str) -> Option<Item<'a>> {
        debug_assert!(
            self.places
                .iter()
                .filter_map(|place| Field::find(*place, name))
                .any(|field| matches!(field.class, Class::Implemented { .. })),
            "{name} is read and not in the table of fields"
        );
        let position = self.entries.iter().position(|entry| entry.key == name)?;
        if let Some(taken) = self.taken.get_mut(position) {
            *taken = true;
        }
        let item = self.entries.get(position).and_then(|entry| self.field(entry))?;
        item.scope.was_read(&item.path, item.key);
        Some(item)
    }

    /// The field of this name, if it is there, without taking it.
    pub fn peek(&self, name: &str) -> Option<Item<'a>> {
        self.entries.iter().find(|entry| entry.key == name).and_then(|entry| self.field(entry))
    }

    fn field(&self, entry: &'a Entry) -> Option<Item<'a>> {
        let field = Item { owner: Rc::clone(&self.owner), ..self.item.below(entry) };
        (entry.value.value != Value::Null).then_some(field)
    }

    /// Whether a field is there under a name that was probably meant to be this one, or some part of the
    /// mapping could not be read. That is reported, and the field is not reported as missing as well.
    pub fn misspelt(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| {
            let known = self.names().any(|known| known == entry.key);
            entry.key == MERGE_KEY || (!known && self.meant(&entry.key) == Some(name))
        })
    }

    /// The field that somebody meant by a name that is none.
    fn meant(&self, key: &str) -> Option<&'static str> {
        let known = |name: &&str| self.names().any(|known| known == *name);
        synonym(key).filter(known).or_else(|| nearest(key, self.names()))
    }

    /// The fields there are.
    fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let places = self.places;
        places.iter().flat_map(|place| Field::of(*place)).map(|field| field.name)
    }

    /// Reports a field that has to be there.
    pub fn missing(&self, name: &str, help: impl Into<String>) {
        if self.misspelt(name) {
            return;
        }
        let item = &self.item;
        let message = match item.path.as_str() {
            "" => format!("cannot use this manifest: {name} is missing"),
            _ => format!("cannot use {}{}: {name} is missing", item.name, item.owner),
        };
        let path = if name.contains(' ') { item.path.clone() } else { join(&item.path, name) };
        let problem = item.scope.error(self.anchor, message).path(path);
        item.scope.report(problem.label(format!("it needs {name}")).help(help));
    }

    /// Reports every key that nobody took.
    pub(super) fn report_rest(&self) {
        let mut together: [Vec<&Entry>; TOLD_TOGETHER.len()] = Default::default();
        let purpose = self.item.scope.purpose;
        let runs = purpose == Purpose::Run;
        for (entry, taken) in self.entries.iter().zip(&self.taken) {
            if *taken {
                continue;
            }
            let field = self.places.iter().find_map(|place| Field::find(*place, &entry.key));
            match field.map(|field| (field, field.class)) {
                None => self.unknown(entry),
                Some((field, Class::Ignored { shape, why, unless })) => {
                    let has_shape = self.field(entry).is_none_or(|item| item.has_shape(shape));
                    if runs && has_shape && !says_nothing(&entry.value, unless) {
                        let reason = TOLD_TOGETHER.iter().position(|reason| *reason == why);
                        if let Some(entries) = reason.and_then(|reason| together.get_mut(reason)) {
                            entries.push(entry);
                        } else if self.item.scope.warned.borrow_mut().insert((field.place, field.name))
                            || self.item.scope.kube_strict
                        {
                            self.ignored(&[entry], why);
                        }
                    }
                }
                Some((_, Class::NotBuilt { unless, help })) => {
                    if runs && !says_nothing(&entry.value, unless) {
                        self.unsupported(entry, "podinit does not support it yet", help);
                    }
                }
                Some((field, Class::Refused { why, help })) => {
                    let wrong = match purpose {
                        Purpose::Run => true,
                        Purpose::Convert => false,
                        Purpose::Kubernetes => !field.is_taken_by_a_cluster(),
                    };
                    if wrong && !says_nothing(&entry.value, &[]) {
                        self.unsupported(entry, why, help);
                    }
                }
                // Nobody asked for it here: refused rather than lost.
                Some((_, Class::Implemented { .. })) => {
                    if !says_nothing(&entry.value, &[]) {
                        self.unsupported(entry, "it has no meaning here", "leave it out");
                    }
                }
            }
        }
        for (entries, why) in together.iter().zip(TOLD_TOGETHER) {
            self.ignored(entries, why);
        }
    }

    fn ignored(&self, entries: &[&Entry], why: &str) {
        let Some(first) = entries.first() else { return };
        let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let names = match names.as_slice() {
            [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
            names => names.concat(),
        };
        let scope = self.item.scope;
        let problem = scope.ignored(first.key_span, &names, why);
        scope.report(problem.path(join(&self.item.path, &first.key)));
    }

    fn unsupported(&self, entry: &Entry, why: &str, help: &str) {
        let scope = self.item.scope;
        let message = format!("cannot use {}{}: {why}", entry.key, self.owner);
        scope.report(scope.error(entry.key_span, message).path(join(&self.item.path, &entry.key)).help(help));
    }

    /// A key that is no field: misspelt, or in the wrong place.
    fn unknown(&self, entry: &Entry) {
        let key = entry.key.as_str();
        if key == MERGE_KEY || entry.value.value == Value::Unreadable || self.is_of_a_cluster(key) {
            return;
        }
        let runs = self.item.scope.purpose == Purpose::Run;
        if let Some((why, help)) = self.refused_elsewhere(key).filter(|_| runs) {
            self.unsupported(entry, why, help);
            return;
        }
        let same_word = self.names().find(|name| name.eq_ignore_ascii_case(key));
        let (label, help) = if let Some(name) = same_word {
            ("upper and lower case count".to_owned(), format!("write `{name}`"))
        } else if let Some(advice) = self.elsewhere(key) {
            advice
        } else if let Some(name) = self.meant(key) {
            let main = MAIN_FIELDS.iter().find(|(field, _)| *field == name).map(|(_, main)| main);
            let value = main.and_then(|main| self.item.below(entry).written_in_full(main));
            let help = match value {
                Some(value) => self.item.scope.written(name, value.trim_matches('`')),
                None => format!("`{name}`"),
            };
            ("there is no such field".to_owned(), format!("write {help}"))
        } else {
            ("there is no such field".to_owned(), self.known())
        };
        let scope = self.item.scope;
        let message = format!("cannot use field \"{}\"{}", cut(key), self.owner);
        scope.report(
            scope.error(entry.key_span, message).path(join(&self.item.path, key)).label(label).help(help),
        );
    }

    /// Whether it is a resource that only a cluster knows.
    fn is_of_a_cluster(&self, key: &str) -> bool {
        self.item.scope.purpose != Purpose::Run
            && self.places.contains(&Place::Amounts)
            && (key.contains('/') || key.starts_with("hugepages-"))
    }

    /// Cause and help for a field of another place, where nothing is won by moving it there.
    fn refused_elsewhere(&self, key: &str) -> Option<(&'static str, &'static str)> {
        let around = self.around(key).map(|(place, _)| place);
        // What only another kind has is told to be there.
        let near = || self.place_of(key).filter(|place| !place.is_around_template());
        match Field::find(around.or_else(near)?, key)?.class {
            Class::NotBuilt { unless: _, help } => Some(("podinit does not support it yet", help)),
            Class::Refused { why, help } => Some((why, help)),
            Class::Implemented { .. } | Class::Ignored { .. } => None,
        }
    }

    /// The mapping around the pod that has such a field, with its path.
    fn around(&self, key: &str) -> Option<(Place, &'static str)> {
        let mut homes = self.item.scope.homes.iter().filter(|(place, _)| !self.places.contains(place));
        homes.find(|(place, _)| Field::find(*place, key).is_some()).copied()
    }

    /// The place near this one that has such a field.
    fn place_of(&self, key: &str) -> Option<Place> {
        let toml = self.item.scope.syntax == Syntax::Toml;
        let neighbours = self.places.iter().flat_map(|place| place.neighbours()).copied();
        neighbours
            .filter(|place| if toml { !place.is_around_template() } else { *place != Place::Toml })
            .find(|place| !self.places.contains(place) && Field::find(*place, key).is_some())
    }

    /// Label and help for a field of another place.
    fn elsewhere(&self, key: &str) -> Option<(String, String)> {
        let toml = self.item.scope.syntax == Syntax::Toml;
        let is_script = self.places.iter().any(|place| place.is_of_script());
        if toml && !is_script && Field::find(Place::Document, key).is_some() {
            let help = match key {
                "metadata" | "spec" => "write its fields at the top of the file, without a table for them",
                _ => "remove it",
            };
            return Some(("TOML has no Kubernetes object around the pod".to_owned(), help.to_owned()));
        }
        if let Some(advice) = self.setting_of_yaml(key).filter(|_| !toml) {
            return Some(advice);
        }
        if let Some((_, path)) = self.around(key) {
            return Some((format!("this belongs in {path}"), format!("move it to {path}")));
        }
        let place = self.place_of(key)?;
        let top = matches!(place, Place::Spec | Place::Metadata | Place::Toml);
        let (at, to) = if toml && top { Place::Toml.home()? } else { place.home()? };
        Some((format!("this belongs {at}"), format!("move it to {to}")))
    }

    /// Label and help for a key that TOML has, and that is an annotation in YAML.
    fn setting_of_yaml(&self, key: &str) -> Option<(String, String)> {
        let is_own = |place| Field::find(place, key).is_some();
        let setting = match self.places {
            [Place::Container] if is_own(Place::TomlContainer) => {
                let name = self.item.node.entry("name").and_then(|entry| entry.value.as_string());
                format!("{}.{key}", name.unwrap_or("CONTAINER"))
            }
            [Place::LifecycleHandler] if is_own(Place::TomlLifecycleHandler) => {
                let container = self.owner.strip_suffix('"').and_then(|owner| owner.rsplit_once('"'));
                let container = container.map_or("CONTAINER", |(_, name)| name);
                format!("{container}.lifecycle.{}.{key}", self.item.name)
            }
            [Place::Spec] if is_own(Place::Toml) && Field::find(Place::Metadata, key).is_none() => {
                key.to_owned()
            }
            _ => return None,
        };
        let label = "podinit's own: in YAML it is an annotation".to_owned();
        Some((label, format!("write an annotation that starts with `{PREFIX}{}`", cut(&setting))))
    }

    /// Help that names the fields there are, where these are few.
    fn known(&self) -> String {
        let implemented = |name: &&str| {
            let field = self.places.iter().find_map(|place| Field::find(*place, name));
            field.is_some_and(|field| matches!(field.class, Class::Implemented { .. }))
        };
        let names: Vec<&str> = self.names().filter(implemented).collect();
        // The table of fields has none of a script's.
        if names.len() <= 8 || self.places.iter().any(|place| place.is_of_script()) {
            format!("remove it; known here are {}", names.join(", "))
        } else {
            "remove it; docs/spec-support.md lists every field".to_owned()
        }
    }
}

/// Whether leaving the field out would mean the same; `defaults` are values that do.
fn says_nothing(node: &Node, defaults: &[&str]) -> bool {
    let default = |value: &str| defaults.contains(&value);
    match &node.value {
        Value::String(text) => text.is_empty() || default(text),
        Value::Boolean(value) => default(if *value { "true" } else { "false" }),
        Value::Integer(value) => default(&value.to_string()),
        Value::Null | Value::List(_) | Value::Mapping(_) => node.is_empty(),
        // Reported already.
        Value::Unreadable => true,
        Value::Float(_) | Value::Date => false,
    }
}
