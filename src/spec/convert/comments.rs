//! Comments of a manifest: found in the text between its values, and given to the elements that are
//! written of it. Knows both syntaxes' comments, and nothing of pods.

use std::collections::{BTreeMap, BTreeSet};

use toml_parser::lexer::TokenKind;

use super::super::tree::{Node, Span, Value};
use super::super::write::{Element, File};
use super::super::{BYTE_ORDER_MARK, Syntax};

/// A comment with what is around it.
struct Comment {
    at: usize,
    text: String,
    /// Something else stands before it on its line.
    is_beside: bool,
    /// Behind the bracket that it follows; 0 where it follows none.
    closes: usize,
    /// The line before it is empty, or the line after it.
    after_blank: bool,
    before_blank: bool,
}

/// Puts every comment of the text into the file. `roots` are the trees of all its documents.
///
/// A comment on a line of its own belongs to the key or item that follows, one behind something to what
/// it follows; where that is not written, to the next that is. So none is lost.
pub(super) fn attach(text: &str, syntax: Syntax, roots: &[&Node], file: &mut File) {
    let mut places = Places::default();
    roots.iter().for_each(|root| places.read(root, root.span.start));
    let comments = match syntax {
        Syntax::Toml => of_toml(text),
        Syntax::Yaml => of_yaml(text, &places.values),
    };
    let mut kept = BTreeSet::new();
    file.elements.iter().for_each(|element| origins(element, &mut kept));
    let first = places.anchors.first().copied().unwrap_or(usize::MAX);
    let mut given: BTreeMap<usize, Vec<Comment>> = BTreeMap::new();
    for comment in comments {
        if comment.at < first && !comment.is_beside {
            push(&mut file.header, &comment);
            if comment.before_blank {
                file.header.push(String::new());
            }
            continue;
        }
        // A word such as `labels['app']` closes nothing.
        let closes = places.closed.get(&comment.closes).filter(|_| !places.value_ends(comment.closes));
        let before = match closes {
            Some(closed) => Some(closed),
            None => places.anchors.range(..comment.at).next_back(),
        };
        let target = match before.filter(|before| comment.is_beside && kept.contains(before)) {
            Some(before) => Some(*before),
            None => kept.range(comment.at..).next().copied(),
        };
        match target {
            Some(target) => given.entry(target).or_default().push(comment),
            None => {
                if comment.after_blank && file.footer.is_empty() {
                    file.footer.push(String::new());
                }
                push(&mut file.footer, &comment);
            }
        }
    }
    while file.header.ends_with(&[String::new(), String::new()]) {
        file.header.pop();
    }
    file.elements.iter_mut().for_each(|element| give(element, &mut given));
}

fn push(comments: &mut Vec<String>, comment: &Comment) {
    if comment.after_blank && comments.last().is_some_and(|last| !last.is_empty()) {
        comments.push(String::new());
    }
    comments.push(comment.text.clone());
}

fn origins(element: &Element, kept: &mut BTreeSet<usize>) {
    kept.extend(&element.origins);
    element.parts().iter().for_each(|part| origins(part, kept));
}

/// The first element of an origin gets its comments: an alias repeats values, not comments.
fn give(element: &mut Element, given: &mut BTreeMap<usize, Vec<Comment>>) {
    // An item of YAML starts where its first key does: what is beside that is the key's.
    let first = element.entries().and_then(<[Element]>::first);
    let shared = first.and_then(|part| part.origins.first()).copied();
    for origin in element.origins.clone() {
        let (mine, of_key): (Vec<_>, Vec<_>) = given
            .remove(&origin)
            .unwrap_or_default()
            .into_iter()
            .partition(|comment| shared != Some(origin) || !comment.is_beside || comment.at < origin);
        for comment in mine {
            // A comment behind something that is not written stood before this.
            if comment.is_beside && comment.at > origin && element.beside.is_none() {
                element.beside = Some(comment.text);
            } else {
                push(&mut element.above, &comment);
            }
        }
        if !of_key.is_empty() {
            given.insert(origin, of_key);
        }
    }
    element.parts_mut().iter_mut().for_each(|part| give(part, given));
}

/// Where keys, items and values are.
#[derive(Default)]
struct Places {
    /// Starts of keys and items.
    anchors: BTreeSet<usize>,
    /// Keys and values that are no lists or mappings.
    values: BTreeSet<Span>,
    /// Ends of lists and mappings in brackets, and the anchors of these.
    closed: BTreeMap<usize, usize>,
}

impl Places {
    /// Whether a key or a value ends here.
    fn value_ends(&self, at: usize) -> bool {
        let before = self.values.range(..Span { start: at, end: 0 }).next_back();
        before.is_some_and(|value| value.end == at)
    }

    /// What ends with its last part is overwritten by that.
    fn read(&mut self, node: &Node, anchor: usize) {
        match &node.value {
            Value::List(items) => {
                self.closed.insert(node.span.end, anchor);
                for item in items {
                    self.anchors.insert(item.span.start);
                    self.read(item, item.span.start);
                }
            }
            Value::Mapping(entries) => {
                self.closed.insert(node.span.end, anchor);
                for entry in entries {
                    self.anchors.insert(entry.key_span.start);
                    self.values.insert(entry.key_span);
                    self.read(&entry.value, entry.key_span.start);
                }
            }
            Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Float(_) => {
                self.values.insert(node.span);
            }
            Value::String(_) | Value::Date | Value::Unreadable => {
                self.values.insert(node.span);
            }
        }
    }
}

fn of_toml(text: &str) -> Vec<Comment> {
    let skipped = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let body = text.get(skipped..).unwrap_or_default();
    let tokens = toml_parser::Source::new(body).lex();
    tokens
        .filter(|token| token.kind() == TokenKind::Comment)
        .map(|token| comment(text, token.span().start() + skipped))
        .collect()
}

/// `#` at the start of a line or behind a space, outside of every key and value.
fn of_yaml(text: &str, values: &BTreeSet<Span>) -> Vec<Comment> {
    let mut found: Vec<Comment> = Vec::new();
    for (at, _) in text.match_indices('#') {
        let before = text.get(..at).unwrap_or_default();
        let starts =
            before.is_empty() || before.ends_with(|c: char| c.is_whitespace() || c == BYTE_ORDER_MARK);
        let inside_comment = found.last().is_some_and(|last| at < last.at + last.text.len());
        let up_to_here = ..=Span { start: at, end: usize::MAX };
        let inside_value = values.range(up_to_here).next_back().is_some_and(|value| at < value.end);
        if starts && !inside_comment && !inside_value {
            found.push(comment(text, at));
        }
    }
    found
}

fn comment(text: &str, at: usize) -> Comment {
    let (before, rest) = text.split_at_checked(at).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let indent = before.rsplit('\n').next().unwrap_or_default();
    // A dash, and the mark of a block of text behind it, belong to what follows.
    let is_before = |c: char| c.is_whitespace() || matches!(c, BYTE_ORDER_MARK | '-' | '|' | '>' | '+');
    let is_blank = |line: Option<&str>| line.is_some_and(|line| line.trim().is_empty());
    Comment {
        at,
        text: line.trim_end().to_owned(),
        is_beside: !indent.trim_matches(is_before).is_empty(),
        closes: if indent.trim_end().ends_with([']', '}']) { before.trim_end().len() } else { 0 },
        after_blank: is_blank(before.rsplit('\n').nth(1)),
        before_blank: is_blank(rest.lines().nth(1)),
    }
}
