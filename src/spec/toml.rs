//! TOML text to a positioned tree, with every syntax error of the file. Knows nothing of pods.

mod complaint;
mod report;

use super::BYTE_ORDER_MARK;
use super::limits::{MAX_DEPTH, MAX_NODES, too_deep, too_many_nodes, too_many_parts};
use super::problem::Problem;
use super::tree::{Entry, Node, Span, Value};
use ::toml::Spanned;
use ::toml::de::{DeInteger, DeTable, DeValue};
use report::Report;
use std::borrow::Cow;
use std::rc::Rc;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// Words, brackets, spaces and line ends of a file; one of [`MAX_NODES`] nodes has about half of them.
const MAX_PARTS: usize = 150_000;

/// Levels that the parser may make at most, in a file that is right or wrong.
const MAX_STACK: usize = 500;

/// Reads `text`; `None` where it is no TOML. A key that is there twice does not hide the rest.
pub(super) fn parse(source: usize, text: &str, problems: &mut Vec<Problem>) -> Option<Rc<Node>> {
    let skipped = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let body = text.get(skipped..).unwrap_or_default();
    if let Err(problem) = bounded(source, body, skipped) {
        problems.push(*problem);
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(body);
    if !errors.is_empty() {
        let report = Report { source, text, body, skipped };
        let readable = report.errors(&errors, problems);
        if !readable {
            return None;
        }
    }
    let mut builder = Builder { source, skipped, nodes: 0 };
    match builder.mapping(table.get_ref(), 1) {
        Ok(value) => Some(Rc::new(Node { span: Span::new(skipped, text.len()), value })),
        Err(problem) => {
            problems.push(*problem);
            None
        }
    }
}

/// Whether the parser can read the text in little memory and stack (SPEC-03): it needs some hundred
/// bytes for each part, and drops what it has read by recursion. It bounds brackets and the dots of each
/// key to 80 itself, but not their product.
fn bounded(source: usize, body: &str, skipped: usize) -> Result<(), Stop> {
    // Dots of the keys on the way to each open bracket.
    let mut outer: Vec<usize> = Vec::new();
    let (mut depth, mut dots, mut parts) = (0, 0, 0);
    for token in Source::new(body).lex() {
        parts += 1;
        match token.kind() {
            TokenKind::Dot => dots += 1,
            TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                outer.push(dots);
                depth += dots + 1;
                dots = 0;
            }
            TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                dots = outer.pop().unwrap_or_default();
                depth = depth.saturating_sub(dots + 1);
            }
            TokenKind::Comma => dots = 0,
            TokenKind::Newline if outer.is_empty() => dots = 0,
            TokenKind::Newline | TokenKind::Equals | TokenKind::Whitespace | TokenKind::Comment => {}
            TokenKind::LiteralString | TokenKind::BasicString => {}
            TokenKind::MlLiteralString | TokenKind::MlBasicString | TokenKind::Atom | TokenKind::Eof => {}
        }
        let at = token.span().start() + skipped;
        if depth + dots > MAX_STACK {
            return Err(Box::new(too_deep(source, Span::new(at, at + 1))));
        }
        if parts > MAX_PARTS {
            return Err(Box::new(too_many_parts(source)));
        }
    }
    Ok(())
}

struct Builder {
    source: usize,
    skipped: usize,
    nodes: usize,
}

/// A problem after which reading on makes no sense.
type Stop = Box<Problem>;

impl Builder {
    fn span(&self, span: std::ops::Range<usize>) -> Span {
        Span::new(span.start + self.skipped, span.end + self.skipped)
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Rc<Node>, Stop> {
        let span = self.span(value.span());
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(Box::new(too_many_nodes(self.source, span)));
        }
        if depth > MAX_DEPTH {
            return Err(Box::new(too_deep(self.source, Span::new(span.start, span.start + 1))));
        }
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Integer(digits) => integer(digits),
            DeValue::Float(digits) => Value::Float(digits.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Value::Boolean(*value),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.mapping(table, depth + 1)?,
        };
        Ok(Rc::new(Node { span, value }))
    }

    /// The entries in the order of the file, which the parser does not keep.
    fn mapping(&mut self, table: &DeTable<'_>, depth: usize) -> Result<Value, Stop> {
        let mut keys: Vec<(&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)> = table.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        let mut entries = Vec::with_capacity(keys.len());
        for (key, value) in keys {
            self.nodes += 1;
            let value = self.node(value, depth)?;
            entries.push(Entry {
                key: key.get_ref().clone().into_owned(),
                key_span: self.span(key.span()),
                value,
            });
        }
        Ok(Value::Mapping(entries))
    }
}

fn integer(digits: &DeInteger<'_>) -> Value {
    match i128::from_str_radix(digits.as_str(), digits.radix()) {
        Ok(value) => Value::Integer(value),
        // Too large for every field, which will say so.
        Err(_) => Value::Float(f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_the_order_of_the_file() {
        let text = "z = 1\na.y = 2\nb = 3\na.x = 4\n[[t]]\nk = 5\n[t.s]\n[[t]]\n";
        let mut problems = Vec::new();
        let root = parse(0, text, &mut problems).unwrap();
        let keys = |node: &Node| -> Vec<String> {
            node.as_mapping().unwrap().iter().map(|entry| entry.key.clone()).collect()
        };
        assert_eq!(keys(&root), ["z", "a", "b", "t"]);
        assert_eq!(keys(&root.entry("a").unwrap().value), ["y", "x"]);
        let Value::List(items) = &root.entry("t").unwrap().value.value else { panic!() };
        assert_eq!(items.iter().map(|item| item.span.of(text)).collect::<Vec<_>>(), ["[[t]]", "[[t]]"]);
    }

    #[test]
    fn a_byte_order_mark_moves_nothing() {
        let text = "\u{feff}é = \"ü\"\r\n";
        let root = parse(0, text, &mut Vec::new());
        assert!(root.is_none(), "a bare key is ASCII");
        let text = "\u{feff}\"é\" = \"ü\"\r\n";
        let root = parse(0, text, &mut Vec::new()).unwrap();
        let entry = &root.as_mapping().unwrap()[0];
        assert_eq!((entry.key_span.of(text), entry.value.span.of(text)), ("\"é\"", "\"ü\""));
    }

    #[test]
    fn each_line_with_an_error_is_told_of_once() {
        let mut problems = Vec::new();
        assert!(parse(0, "a = b\nc = d e\n\nf = 'g\nh = [1 2]\n", &mut problems).is_none());
        assert_eq!(problems.len(), 4);
    }
}
