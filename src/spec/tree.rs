//! A manifest as a tree in which every key and every value knows its place. Both syntaxes become this
//! one tree. It knows neither of them, and nothing of pods.

use std::rc::Rc;

/// A stretch of a source's text, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// First byte after it; equal to `start` where something is missing.
    pub end: usize,
}

impl Span {
    pub(super) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The place `at`, without length.
    pub(super) const fn at(at: usize) -> Self {
        Self { start: at, end: at }
    }

    /// What `text` has here.
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// A value with its place. Shared, so that a YAML alias costs nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub span: Span,
    pub value: Value,
}

/// What both syntaxes can say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    String(String),
    /// A date or time of TOML, which no field wants.
    Date,
    List(Vec<Rc<Node>>),
    Mapping(Vec<Entry>),
    /// Already reported; whoever finds it says nothing more.
    Unreadable,
}

/// A key of a mapping and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Rc<Node>,
}

/// YAML's key for merging mappings, which is refused. Its entry stays, so that what it would have
/// brought is not reported as missing.
pub(super) const MERGE_KEY: &str = "<<";

impl Node {
    /// Whether the value says as much as leaving the field out: null, `{}`, `[]`, or a mapping of these.
    pub fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::List(items) => items.is_empty(),
            Value::Mapping(entries) => entries.iter().all(|entry| entry.value.is_empty()),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) => false,
            Value::Date | Value::Unreadable => false,
        }
    }

    /// The string, if it is one.
    pub fn as_string(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }

    /// The entries, if it is a mapping.
    pub fn as_mapping(&self) -> Option<&[Entry]> {
        if let Value::Mapping(entries) = &self.value { Some(entries) } else { None }
    }

    /// The entry of this key, if it is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_mapping()?.iter().find(|entry| entry.key == key)
    }

    /// The value in a message: scalars as written, strings in quotes and cut.
    pub fn shown(&self, text: &str) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::String(string) => format!("\"{}\"", cut(string)),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Date | Value::Unreadable => {
                cut(self.span.of(text))
            }
            Value::List(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

/// Text of a manifest as part of a message: its first 60 characters.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Takes the later of two entries with the same key out, each with the place of the key that stays.
pub(super) fn take_duplicates(entries: &mut Vec<Entry>) -> Vec<(Entry, Span)> {
    let mut order: Vec<(&str, usize)> =
        entries.iter().enumerate().map(|(position, entry)| (entry.key.as_str(), position)).collect();
    order.sort_unstable();
    let mut first_of: Vec<Option<usize>> = vec![None; order.len()];
    let mut first = ("", usize::MAX);
    for (key, position) in order {
        if first.1 != usize::MAX && first.0 == key {
            if let Some(slot) = first_of.get_mut(position) {
                *slot = Some(first.1);
            }
        } else {
            first = (key, position);
        }
    }
    if first_of.iter().all(Option::is_none) {
        return Vec::new();
    }
    let spans: Vec<Span> = entries.iter().map(|entry| entry.key_span).collect();
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for (entry, first) in entries.drain(..).zip(first_of) {
        match first.and_then(|first| spans.get(first)) {
            Some(span) => dropped.push((entry, *span)),
            None => kept.push(entry),
        }
    }
    *entries = kept;
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, start: usize) -> Entry {
        let value = Rc::new(Node { span: Span::at(start), value: Value::Null });
        Entry { key: key.to_owned(), key_span: Span::at(start), value }
    }

    #[test]
    fn the_first_of_equal_keys_stays_in_its_place() {
        let mut entries = vec![entry("b", 0), entry("a", 1), entry("b", 2), entry("c", 3), entry("b", 4)];
        let dropped = take_duplicates(&mut entries);
        let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "c"]);
        let places: Vec<(usize, usize)> =
            dropped.iter().map(|(entry, first)| (entry.key_span.start, first.start)).collect();
        assert_eq!(places, [(2, 0), (4, 0)]);
    }
}
