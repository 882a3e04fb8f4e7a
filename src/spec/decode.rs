//! The strict decoder's tools: a value that knows its place, and a cursor over a mapping. They collect
//! problems instead of stopping at the first, and nothing of a mapping is left unread. They know fields
//! by name and class only, not what a pod is.

mod mapping;

pub(super) use mapping::Fields;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::Syntax;
use super::fields::{Place, Shape};
use super::origins::{Home, Origins};
use super::problem::Problem;
use super::suggest::nearest;
use super::tree::{Entry, Node, Span, Value, cut};

/// What a manifest is read for: whether what podinit cannot do is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be run here.
    Run,
    /// To be written in another syntax, where every field of Kubernetes has its place.
    Convert,
    /// To be given to a cluster.
    Kubernetes,
}

/// The source that is decoded, and what is wrong with it.
pub(super) struct Scope<'a> {
    pub source: usize,
    pub text: &'a str,
    pub syntax: Syntax,
    pub purpose: Purpose,
    /// The mappings around the pod, with their paths, where the object has the template of one.
    pub homes: &'static [(Place, &'static str)],
    /// Whether its values are nobody's business: they are in no message then.
    pub secret: bool,
    /// Whether nothing may be ignored.
    pub kube_strict: bool,
    problems: RefCell<Vec<Problem>>,
    /// The fields that were read, in their order.
    places: RefCell<Vec<(String, Span)>>,
    /// Fields that a warning has been given for; a second one would say nothing new.
    warned: RefCell<BTreeSet<(Place, &'static str)>>,
}

impl<'a> Scope<'a> {
    pub fn new(source: usize, text: &'a str, syntax: Syntax, purpose: Purpose) -> Self {
        Self {
            source,
            text,
            syntax,
            purpose,
            homes: &[],
            secret: false,
            kube_strict: false,
            problems: RefCell::default(),
            places: RefCell::default(),
            warned: RefCell::default(),
        }
    }

    pub fn report(&self, problem: Problem) {
        let secret = self.secret;
        self.problems.borrow_mut().push(Problem { secret, ..problem });
    }

    pub fn error(&self, span: Span, message: impl Into<String>) -> Problem {
        Problem::error(self.source, span, message)
    }

    /// Something of the manifest that has no effect here: a warning, unless nothing may be ignored.
    pub fn ignored(&self, place: Span, what: &str, why: &str) -> Problem {
        if self.kube_strict {
            let help = "remove it, or leave out `--kube-strict`";
            let problem = self.error(place, format!("cannot ignore {what}: {why}"));
            return problem.label("refused by `--kube-strict`").help(help);
        }
        Problem::warning(self.source, place, format!("ignoring {what}: {why}")).label("no effect")
    }

    pub fn into_problems(self) -> Vec<Problem> {
        self.problems.into_inner()
    }

    /// Where the fields stand that were read so far.
    pub fn origins(&self, home: Home) -> Origins {
        Origins::new(self.source, home, self.places.take())
    }

    pub fn was_read(&self, path: &str, key: Span) {
        self.places.borrow_mut().push((path.to_owned(), key));
    }

    /// A field with its value as one writes it, in backquotes.
    pub fn written(&self, field: &str, value: &str) -> String {
        match self.syntax {
            Syntax::Yaml => format!("`{field}: {value}`"),
            Syntax::Toml => format!("`{field} = {value}`"),
        }
    }

    /// A mapping of one field.
    fn mapping(&self, field: &str, value: &str) -> String {
        match self.syntax {
            Syntax::Yaml => format!("{{{field}: {value}}}"),
            Syntax::Toml => format!("{{ {field} = {value} }}"),
        }
    }

    /// A word as a value of a field: YAML needs no quotes for it.
    pub fn word(&self, field: &str, word: &str) -> String {
        match self.syntax {
            Syntax::Yaml => self.written(field, word),
            Syntax::Toml => self.written(field, &format!("\"{word}\"")),
        }
    }
}

/// A value with its place in the manifest.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub scope: &'a Scope<'a>,
    pub node: &'a Node,
    /// The key, or the value itself in a list.
    pub key: Span,
    pub path: String,
    /// What messages call it, such as `command[1]`.
    pub name: String,
    /// Whose it is, with a space in front, such as ` for container "web"`; empty where that is clear.
    pub owner: Rc<str>,
}

impl<'a> Item<'a> {
    /// An object: a document or, with a path, an item of a list in one.
    pub fn object(scope: &'a Scope<'a>, node: &'a Node, path: &str) -> Self {
        let name = if path.is_empty() { "manifest" } else { path }.to_owned();
        Self { scope, node, key: Span::at(node.span.start), path: path.to_owned(), name, owner: Rc::from("") }
    }

    /// An error about the value, or about the key of a secret one. The cause goes into its label.
    pub fn wrong(&self) -> Problem {
        let (name, owner) = (&self.name, &self.owner);
        if self.scope.secret {
            let message = format!("cannot use {name}{owner}");
            return self.scope.error(self.key, message).path(self.path.clone());
        }
        let shown = self.node.shown(self.scope.text);
        let message = match self.node.value {
            Value::List(_) | Value::Mapping(_) => format!("cannot use {shown} as {name}{owner}"),
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Date
            | Value::Unreadable => format!("cannot use {name} {shown}{owner}"),
        };
        self.scope.error(self.node.span, message).path(self.path.clone())
    }

    pub fn refuse(&self, label: impl Into<String>, help: impl Into<String>) {
        self.scope.report(self.wrong().label(label).help(help));
    }

    /// Refuses something that is right in Kubernetes and not there yet in podinit.
    pub fn refuse_not_built(&self, help: &str) {
        self.refuse_here("podinit does not support it yet", help);
    }

    /// Refuses something that is right in Kubernetes and cannot be run by podinit.
    pub fn refuse_here(&self, label: impl Into<String>, help: impl Into<String>) {
        if self.scope.purpose == Purpose::Run {
            self.refuse(label, help);
        }
    }

    /// Refuses the second of two that there can be one of.
    pub fn refuse_second(&self, label: &str, first: Span, help: &str) {
        let problem = self.wrong().label(label).note("the first is", self.scope.source, first);
        self.scope.report(problem.help(help));
    }

    /// The value as text without line breaks, for use in help.
    fn raw(&self) -> String {
        if self.scope.secret {
            return "...".to_owned();
        }
        cut(self.node.span.of(self.scope.text).lines().next().unwrap_or_default().trim())
    }

    /// A string without NUL, which nothing in Linux can carry (SPEC-13).
    pub fn string(&self) -> Option<&'a str> {
        match &self.node.value {
            Value::String(text) if text.contains('\0') => {
                self.refuse(
                    "it has a NUL character",
                    "remove the NUL: no argument, variable or path can hold one",
                );
                None
            }
            Value::String(text) => Some(text),
            Value::Boolean(_) | Value::Integer(_) | Value::Float(_) | Value::Date => {
                let read_as = match self.node.value {
                    Value::Boolean(_) => "this is a boolean, and a string is wanted",
                    Value::Date => "this is a date, and a string is wanted",
                    Value::Null | Value::Integer(_) | Value::Float(_) | Value::String(_) => {
                        "this is a number, and a string is wanted"
                    }
                    Value::List(_) | Value::Mapping(_) | Value::Unreadable => "a string is wanted",
                };
                self.refuse(read_as, format!("put it in quotes: \"{}\"", self.raw()));
                None
            }
            Value::Null => {
                self.refuse("a string is wanted", "write a string, \"\" for an empty one");
                None
            }
            Value::List(_) | Value::Mapping(_) => {
                let help = match self.scope.syntax {
                    Syntax::Yaml => "write one string; a text with `: ` in it needs quotes",
                    Syntax::Toml => "write one string; a key with dots in it needs quotes",
                };
                self.refuse("a string is wanted", help);
                None
            }
            Value::Unreadable => None,
        }
    }

    /// A whole number of at least 1; 0 counts as left out, and so does a field that is.
    pub fn positive(&self, most: i64) -> Option<i64> {
        let is_zero = matches!(self.node.value, Value::Integer(0))
            || matches!(self.node.value, Value::Float(value) if value == 0.0);
        if is_zero { None } else { self.integer(1, most) }
    }

    /// A whole number; a float without fraction is one, as in Kubernetes (SPEC-04).
    pub fn integer(&self, least: i64, most: i64) -> Option<i64> {
        let value = match &self.node.value {
            Value::Integer(value) => *value,
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e18 => *value as i128,
            Value::Unreadable => return None,
            Value::String(text) if text.trim().parse::<i64>().is_ok() => {
                self.refuse(
                    "this is a string, and a whole number is wanted",
                    format!("write {} without quotes", cut(text.trim())),
                );
                return None;
            }
            Value::Float(value) if value.is_finite() && value.abs() < 1e18 => {
                let whole = (value.trunc() as i64).clamp(least, most);
                self.refuse("a whole number is wanted", format!("write {whole}, for example"));
                return None;
            }
            Value::Float(_) => return self.out_of_range(least, most),
            Value::Null
            | Value::Boolean(_)
            | Value::String(_)
            | Value::Date
            | Value::List(_)
            | Value::Mapping(_) => {
                self.refuse("a whole number is wanted", "write a number, without quotes");
                return None;
            }
        };
        match i64::try_from(value) {
            Ok(value) if (least..=most).contains(&value) => Some(value),
            Ok(_) | Err(_) => self.out_of_range(least, most),
        }
    }

    fn out_of_range(&self, least: i64, most: i64) -> Option<i64> {
        let below = |value: &Value| match value {
            Value::Integer(value) => *value < i128::from(least),
            Value::Float(value) => *value < least as f64,
            Value::Null | Value::Boolean(_) | Value::String(_) | Value::Date => false,
            Value::List(_) | Value::Mapping(_) | Value::Unreadable => false,
        };
        let small = below(&self.node.value);
        let label = if small { format!("less than {least}") } else { format!("more than {most}") };
        let help = match small {
            _ if most < i64::from(i32::MAX) => format!("write a number from {least} to {most}"),
            true => format!("write {least} or more"),
            false => format!("write {most} or less"),
        };
        self.refuse(label, help);
        None
    }

    pub fn boolean(&self) -> Option<bool> {
        match &self.node.value {
            Value::Boolean(value) => return Some(*value),
            Value::Unreadable => {}
            Value::String(text) if ["true", "false"].contains(&text.as_str()) => {
                self.refuse(
                    "this is a string, and a boolean is wanted",
                    format!("write {text} without quotes"),
                );
            }
            Value::Null
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Date
            | Value::List(_)
            | Value::Mapping(_) => self.refuse("a boolean is wanted", "write true or false"),
        }
        None
    }

    /// One of some words. `label` says which there are.
    pub fn choice<T: Copy>(&self, words: &[(&'static str, T)], label: &str) -> Option<T> {
        if self.node.value == Value::Unreadable {
            return None;
        }
        let text = self.node.as_string().unwrap_or_default();
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let first = words.first().map_or("", |(word, _)| word);
        let word = nearest(text, words.iter().map(|(word, _)| *word)).unwrap_or(first);
        self.refuse(label, format!("write {}", self.scope.word(&self.name, word)));
        None
    }

    /// One of some words; an empty string counts as left out, as where Kubernetes fills in a default.
    pub fn choice_or_default<T: Copy>(&self, words: &[(&'static str, T)], label: &str) -> Option<T> {
        if self.node.as_string() == Some("") { None } else { self.choice(words, label) }
    }

    /// The items of a list.
    pub fn list(&self) -> Option<Vec<Item<'a>>> {
        let items = match &self.node.value {
            Value::List(items) => items,
            Value::Unreadable => return None,
            Value::Mapping(_) => {
                let help = match self.scope.syntax {
                    Syntax::Yaml => "start each item with `- `".to_owned(),
                    Syntax::Toml => format!("write `[[{}]]`, with two brackets", self.name),
                };
                self.refuse("a list is wanted", help);
                return None;
            }
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::String(_)
            | Value::Date => {
                let help = format!("put it in brackets: [{}]", self.raw());
                self.refuse("a list is wanted", help);
                return None;
            }
        };
        Some(items.iter().enumerate().map(|(position, node)| self.at(position, node)).collect())
    }

    fn at(&self, position: usize, node: &'a Node) -> Item<'a> {
        Item {
            scope: self.scope,
            node,
            key: node.span,
            path: format!("{}[{position}]", self.path),
            name: format!("{}[{position}]", self.name),
            owner: Rc::clone(&self.owner),
        }
    }

    /// A list of strings.
    pub fn strings(&self) -> Option<Vec<String>> {
        if let Value::String(text) = &self.node.value {
            self.refuse("a list of strings is wanted", format!("write {}", as_list(text)));
            return None;
        }
        let items = self.list()?;
        Some(items.iter().filter_map(|item| item.string().map(str::to_owned)).collect())
    }

    /// The entries of a mapping whose keys are the user's own, such as labels.
    pub fn entries(&self) -> Option<Vec<(&'a str, Item<'a>)>> {
        let Value::Mapping(entries) = &self.node.value else {
            self.not_a_mapping();
            return None;
        };
        Some(entries.iter().map(|entry| (entry.key.as_str(), self.below(entry))).collect())
    }

    fn not_a_mapping(&self) {
        if self.node.value != Value::Unreadable {
            let help = match self.scope.syntax {
                Syntax::Yaml => "write one `key: value` a line, indented deeper than this key",
                Syntax::Toml => "write a table: `{ key = value }`",
            };
            self.refuse("a mapping is wanted", help);
        }
    }

    /// Whether a value that is not looked at is at least of its kind. It is reported if not.
    fn has_shape(&self, shape: Shape) -> bool {
        match shape {
            Shape::Text => self.string().is_some(),
            Shape::Integer => self.integer(i64::MIN, i64::MAX).is_some(),
            Shape::Boolean => self.boolean().is_some(),
            Shape::Word(words) => {
                let choices: Vec<(&'static str, ())> = words.iter().map(|word| (*word, ())).collect();
                let label = format!("one of {}", words.join(", "));
                self.node.as_string() == Some("") || self.choice(&choices, &label).is_some()
            }
            Shape::Mapping => self.entries().is_some(),
            Shape::MappingOfTexts => {
                let named = |key| format!("{} \"{}\"", self.name, cut(key));
                let wrong = |entries: Vec<(_, Item<'_>)>| {
                    let items = entries.into_iter().map(|(key, item)| Item { name: named(key), ..item });
                    items.filter(|item| item.string().is_none()).count()
                };
                self.entries().map(wrong) == Some(0)
            }
            Shape::Texts => match (&self.node.value, self.strings()) {
                (Value::List(items), Some(texts)) => texts.len() == items.len(),
                _ => false,
            },
            Shape::Mappings => {
                let wrong =
                    |items: Vec<Item<'_>>| items.iter().filter(|item| item.entries().is_none()).count();
                self.list().map(wrong) == Some(0)
            }
        }
    }

    /// A mapping of which this value is the most important field, written in full.
    pub(super) fn written_in_full(&self, field: &str) -> Option<String> {
        let value = match &self.node.value {
            Value::Integer(_) => self.raw(),
            Value::String(text) if field == "command" => {
                Some(as_list(text)).filter(|list| list.ends_with(']'))?
            }
            Value::String(text) if text.parse::<u16>().is_ok() => text.clone(),
            Value::String(_) => self.raw(),
            Value::List(items) if field == "command" => {
                let words = items.iter().map(|item| item.as_string().map(|word| format!("{:?}", cut(word))));
                format!("[{}]", words.collect::<Option<Vec<_>>>()?.join(", "))
            }
            Value::Null | Value::Boolean(_) | Value::Float(_) | Value::Date => return None,
            Value::List(_) | Value::Mapping(_) | Value::Unreadable => return None,
        };
        let in_list = self.name.ends_with(']');
        Some(match self.scope.syntax {
            // The item's `- ` is there.
            Syntax::Yaml if in_list => self.scope.written(field, &value),
            Syntax::Yaml | Syntax::Toml => format!("`{}`", self.scope.mapping(field, &value)),
        })
    }

    /// Reads a mapping as [`Item::fields`] does. Where there is only the value of its most important
    /// field, the help has the mapping.
    pub fn fields_with_main<R>(
        &self,
        places: &'static [Place],
        main: &'static str,
        read: impl FnOnce(&mut Fields<'a>) -> R,
    ) -> Option<R> {
        if let Some(mapping) = self.written_in_full(main) {
            self.refuse("a mapping is wanted", format!("write {mapping}"));
            return None;
        }
        self.fields(places, read)
    }

    fn below(&self, entry: &'a Entry) -> Item<'a> {
        Item {
            scope: self.scope,
            node: &entry.value,
            key: entry.key_span,
            path: join(&self.path, &entry.key),
            name: cut(&entry.key),
            owner: Rc::clone(&self.owner),
        }
    }

    /// Reads a mapping. Whatever `read` does not take is looked up in the table of fields and reported.
    pub fn fields<R>(&self, places: &'static [Place], read: impl FnOnce(&mut Fields<'a>) -> R) -> Option<R> {
        let Value::Mapping(entries) = &self.node.value else {
            self.not_a_mapping();
            return None;
        };
        let mut fields = Fields::new(self.clone(), places, entries);
        let value = read(&mut fields);
        fields.report_rest();
        Some(value)
    }
}

/// A command line as a list: its words, or a shell where it needs one.
fn as_list(text: &str) -> String {
    if text.contains(['|', '&', ';', '<', '>', '$', '*', '`', '"', '\'', '\n']) {
        return "[\"/bin/sh\", \"-c\", \"...\"], a shell with the whole line as its last argument".to_owned();
    }
    let words: Vec<String> = cut(text).split_whitespace().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(", "))
}

/// Path of a key below another, in Kubernetes' notation.
fn join(path: &str, key: &str) -> String {
    let simple = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match (path, simple) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[\"{key}\"]"),
    }
}
