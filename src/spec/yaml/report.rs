//! What is wrong with a YAML text, as problems: one for each cause, where the cause is. Knows YAML only.

use super::complaint::{Place, complaint};
use super::json;
use crate::spec::limits::too_deep;
use crate::spec::problem::Problem;
use crate::spec::tree::{Entry, Node, Span, Value, cut};

/// Help for an escape sequence of JSON that stands for no character.
const HALF: &str =
    "write the character itself, four hexadecimal digits, or both halves, such as `\\ud83d\\ude00`";

/// A text with problems.
#[derive(Clone, Copy)]
pub(super) struct Report<'a> {
    pub source: usize,
    pub text: &'a str,
    pub language: Language,
}

/// What the text was meant to be. Both are read alike.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Yaml,
    Json,
}

impl<'a> Report<'a> {
    fn error(self, span: Span, message: impl Into<String>) -> Problem {
        Problem::error(self.source, span, message)
    }

    /// The text cannot be read.
    fn unreadable(self, span: Span, cause: &str) -> Problem {
        let language = match self.language {
            Language::Yaml => "YAML",
            Language::Json => "JSON",
        };
        self.error(span, format!("cannot read this as {language}: {cause}"))
    }

    /// Whether a list or mapping in brackets starts at `at`.
    pub fn bracket_at(self, at: usize) -> bool {
        self.text.get(at..).is_some_and(|text| text.starts_with(['[', '{']))
    }

    fn line_start(self, at: usize) -> usize {
        self.text.get(..at).and_then(|text| text.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    fn line(self, at: usize) -> &'a str {
        self.text.get(self.line_start(at)..).and_then(|text| text.lines().next()).unwrap_or_default()
    }

    /// A complaint of the parser at `at`. `open` is the start of the innermost list or mapping there.
    pub fn not_yaml(self, info: &str, at: usize, open: Option<usize>) -> Problem {
        if info.contains("recursion limit") {
            return too_deep(self.source, Span::new(at, at + 1));
        }
        if info.contains("unknown anchor") {
            return self.undefined_alias(at);
        }
        // At the end of the file it says nothing to point behind the last line.
        let rest = self.text.get(at..).unwrap_or_default();
        let at = if rest.trim().is_empty() { self.text.trim_end().len().min(at) } else { at };
        if let Some(template) = self.line(at).find("{{") {
            return self.template(self.line_start(at) + template);
        }
        if let Some(problem) = self.key_without_colon(info, at) {
            return problem;
        }
        let rest = self.text.get(at..).unwrap_or_default();
        let in_bracket = open.is_some_and(|open| self.bracket_at(open));
        let goes_on = in_bracket && info.contains("illegal placement of ':'");
        let complaint = complaint(if goes_on { "in flow construct" } else { info }, rest);
        let end = rest.chars().next().map_or(at, |c| at + c.len_utf8());
        let place = complaint.place.find(self.text, Span::new(at, end));
        let problem = self.unreadable(place, complaint.cause);
        let half = matches!(complaint.place, Place::NoCharacter) && json::takes_halves(self.text);
        let help = if half { HALF } else { complaint.help };
        let problem = problem.label(complaint.label).help(help);
        let about_brackets = complaint.cause.contains("bracket") || complaint.cause.contains("brace");
        match open.filter(|open| about_brackets && self.bracket_at(*open)) {
            Some(open) => problem.note("the bracket is opened", self.source, Span::at(open)),
            None => problem,
        }
    }

    /// A word alone on the line before an entry or list that is indented below it.
    fn key_without_colon(self, info: &str, at: usize) -> Option<Problem> {
        if !info.contains("mapping values are not allowed") {
            return None;
        }
        let before = self.text.get(..self.line_start(at)).unwrap_or_default().trim_end();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let word = line.trim_start().trim_start_matches("- ");
        let simple = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        if word.is_empty() || !word.chars().all(simple) {
            return None;
        }
        let span = Span::new(before.len() - word.len(), before.len());
        let problem = self.unreadable(span, "a key has no `:`");
        Some(problem.label("`:` was expected behind this").help(format!("write `{}:`", cut(word))))
    }

    /// A `{{` at `at`.
    pub fn template(self, at: usize) -> Problem {
        self.unreadable(Span::new(at, at + 2), "it is a template")
            .label("to be replaced before a manifest can be read")
            .help("render the template first, for example with `helm template`")
    }

    fn undefined_alias(self, at: usize) -> Problem {
        let rest = self.text.get(at..).unwrap_or_default();
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}');
        let span = Span::new(at, at + rest.find(ends).unwrap_or(rest.len()));
        let name = cut(span.of(self.text));
        self.error(span, format!("cannot use alias `{name}`: no anchor of this name stands before it"))
            .label("a copy of nothing")
            .help("put the value in quotes if no alias is meant")
    }

    /// An alias that cannot stand for its anchor's value, as this is not finished or in another document.
    pub fn alias_out_of_reach(self, span: Span, inside: bool) -> Problem {
        let (cause, help) = if inside {
            ("it stands inside of what it repeats", "write the value out")
        } else {
            ("its anchor is in another document", "write the value out in this document")
        };
        let message = format!("cannot use alias `{}`: {cause}", cut(span.of(self.text)));
        self.error(span, message).label("a copy of an earlier value").help(help)
    }

    pub fn too_many_aliases(self, span: Span) -> Problem {
        self.error(span, "cannot read this file: it becomes too large where aliases are written out")
            .label("the limit is reached here")
            .help("aliases count as what they stand for: write fewer of them")
    }

    pub fn unknown_tag(self, span: Span) -> Problem {
        let span = Span::new(span.start, span.start + span.of(self.text).trim_end().len());
        self.error(span, format!("cannot use tag `{}`", cut(span.of(self.text))))
            .label("unknown, or it does not fit its value")
            .help("leave the tag out; put a value that starts with `!` in quotes")
    }

    pub fn merge_key(self, span: Span) -> Problem {
        self.error(span, "cannot use merge key `<<`")
            .label("a mapping is not merged into another")
            .help("write the keys out")
    }

    pub fn duplicate_key(self, entry: &Entry, first: Span) -> Problem {
        self.error(entry.key_span, format!("cannot use key \"{}\" twice in one mapping", cut(&entry.key)))
            .label("the second of the same name")
            .note("the first is", self.source, first)
            .help("remove one of the two")
    }

    /// A key that is no string. `place` is where it is used, which for an alias is not where it was written.
    pub fn key_is_no_string(self, node: &Node, place: Span) -> Problem {
        let shown = node.shown(self.text);
        let (message, label, help) = match &node.value {
            Value::Null if place.of(self.text).is_empty() => (
                "cannot use an empty key".to_owned(),
                "a key is a string",
                "write a word before the `:`".to_owned(),
            ),
            Value::Boolean(_) => (
                format!("cannot use {shown} as a key"),
                "YAML reads this as a boolean; a key is a string",
                format!("put it in quotes: \"{shown}\""),
            ),
            Value::Integer(_) | Value::Float(_) => (
                format!("cannot use {shown} as a key"),
                "YAML reads this as a number; a key is a string",
                format!("put it in quotes: \"{shown}\""),
            ),
            Value::Null
            | Value::String(_)
            | Value::Date
            | Value::List(_)
            | Value::Mapping(_)
            | Value::Unreadable => (
                format!("cannot use {shown} as a key"),
                "a key is a string",
                "write a word as the key".to_owned(),
            ),
        };
        self.error(place, message).label(label).help(help)
    }
}
