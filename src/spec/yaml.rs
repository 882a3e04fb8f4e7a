//! YAML and JSON text to positioned trees, one for each document. Knows what Kubernetes accepts of
//! YAML, and nothing of pods. Nothing here recurses on the depth of the input (SPEC-03).

mod complaint;
mod input;
mod json;
mod report;
mod scalar;

use super::BYTE_ORDER_MARK;
use super::limits::{MAX_DEPTH, MAX_NODES, MAX_PROBLEMS, MAX_SIZE, too_deep, too_many_nodes, too_many_parts};
use super::problem::Problem;
use super::tree::{Entry, MERGE_KEY, Node, Span, Value, take_duplicates};
use input::{ManifestInput, Reading};
use json::{Joined, is_json, join_halves};
use report::{Language, Report};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use scalar::{core_name, resolve, resolve_tagged};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Steps of the parser; a file of [`MAX_NODES`] nodes takes about half of them.
const MAX_STEPS: usize = 150_000;

/// Bytes that all strings together may have, aliases counted as often as they are used.
const MAX_STRING_BYTES: usize = 4 * MAX_SIZE;

/// Reads `text` into one tree for each document; none where a part of it is no YAML, as what a slip
/// makes of the lines before it is not to be judged. `name` is the file's.
pub(super) fn parse(source: usize, name: &str, text: &str, problems: &mut Vec<Problem>) -> Vec<Rc<Node>> {
    let reading = Reading::new(MAX_STEPS);
    let skipped = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let body = text.get(skipped..).unwrap_or_default();
    let joined = join_halves(body);
    let mut parser = Parser::new(ManifestInput::new(&joined.text, &reading));
    let language = if is_json(name, body) { Language::Json } else { Language::Yaml };
    let mut builder = Builder {
        report: Report { source, text, language },
        offsets: Offsets::new(&joined, skipped, &reading),
        problems,
        documents: Vec::new(),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        spent: Spent::default(),
    };
    while let Some(event) = parser.next_event() {
        let fine = match event {
            _ if reading.given_up() => Err(Box::new(too_many_parts(source))),
            Ok((event, span)) => builder.event(event, span.start, span.end),
            Err(error) => Err(builder.complaint(error.info(), *error.marker())),
        };
        if let Err(problem) = fine {
            builder.problems.push(*problem);
            return Vec::new();
        }
        if builder.problems.len() > MAX_PROBLEMS {
            return Vec::new();
        }
    }
    builder.documents
}

/// Where a string in quotes ends: the parser counts a comment on its last line to it.
fn quoted_length(written: &str) -> usize {
    let double = written.starts_with('"');
    let mut is_escaped = false;
    for (at, c) in written.char_indices().skip(1) {
        match c {
            '\\' if double => is_escaped = !is_escaped,
            '"' if double && !is_escaped => return at + 1,
            // Two single quotes are one of the string's own.
            '\'' if !double && is_escaped => is_escaped = false,
            '\'' if !double && !written.get(at + 1..).is_some_and(|rest| rest.starts_with('\'')) => {
                return at + 1;
            }
            '\'' if !double => is_escaped = true,
            _ => is_escaped = false,
        }
    }
    written.trim_end().len()
}

/// What a scalar without quotes is read as.
pub(super) fn resolve_plain(text: &str) -> Value {
    resolve(text, ScalarStyle::Plain)
}

/// Where the parser's characters stand in bytes. It counts from 0 behind a byte order mark.
struct Offsets<'a> {
    reading: &'a Reading,
    skipped: usize,
    joined: &'a Joined<'a>,
    /// Byte of every character in the joined text; empty where all characters are one byte long.
    of_character: Vec<u32>,
}

impl<'a> Offsets<'a> {
    fn new(joined: &'a Joined<'a>, skipped: usize, reading: &'a Reading) -> Self {
        let text = &joined.text;
        let of_character = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX)).collect()
        };
        Self { reading, skipped, joined, of_character }
    }

    fn byte(&self, marker: Marker) -> usize {
        let (index, end) = (self.reading.index_in_text(marker.index()), self.joined.text.len());
        let within = if self.of_character.is_empty() {
            index
        } else {
            self.of_character.get(index).map_or(end, |at| *at as usize)
        };
        self.joined.written_at(within.min(end)) + self.skipped
    }
}

/// What has been read, counted as if aliases had been written out.
#[derive(Clone, Copy, Default)]
struct Spent {
    nodes: usize,
    bytes: usize,
}

/// A collection whose end has not been seen.
struct Open {
    start: usize,
    /// In brackets.
    flow: bool,
    anchor: usize,
    /// Levels of collections below this one.
    height: usize,
    before: Spent,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Mapping { entries: Vec<Entry>, key: Option<Key> },
}

struct Key {
    /// `None` where it was no string: its value is read and dropped.
    name: Option<String>,
    span: Span,
}

/// What an alias stands for.
struct Anchored {
    node: Rc<Node>,
    height: usize,
    spent: Spent,
}

/// What may stand before a value.
struct Properties<'e> {
    anchor: usize,
    tag: Option<Cow<'e, Tag>>,
}

/// A finished value on its way to where it belongs.
struct Finished {
    node: Rc<Node>,
    /// Where it is used, which for an alias is not where it was written.
    place: Span,
    height: usize,
    anchor: usize,
    /// What had been spent before it.
    before: Spent,
}

struct Builder<'a> {
    report: Report<'a>,
    offsets: Offsets<'a>,
    problems: &'a mut Vec<Problem>,
    documents: Vec<Rc<Node>>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    spent: Spent,
}

/// A problem after which reading on makes no sense.
type Stop = Box<Problem>;

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, start: Marker, end: Marker) -> Result<(), Stop> {
        let span = Span::new(self.offsets.byte(start), self.offsets.byte(end));
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => {
                // An alias cannot reach into the document before.
                self.anchors.clear();
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, &Properties { anchor, tag }, span)
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(&Properties { anchor, tag }, span, Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => self.start(
                &Properties { anchor, tag },
                span,
                Content::Mapping { entries: Vec::new(), key: None },
            ),
            Event::SequenceEnd | Event::MappingEnd => self.end(span.start),
        }
    }

    fn complaint(&self, info: &str, marker: Marker) -> Stop {
        let open = self.open.last().map(|open| open.start);
        Box::new(self.report.not_yaml(info, self.offsets.byte(marker), open))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        properties: &Properties<'_>,
        span: Span,
    ) -> Result<(), Stop> {
        let start = self.after_properties(span.start).min(span.end);
        let written = Span::new(start, span.end).of(self.report.text);
        let written = match style {
            ScalarStyle::DoubleQuoted | ScalarStyle::SingleQuoted => quoted_length(written),
            ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => written.trim_end().len(),
        };
        let place = Span::new(start, start + written);
        let before = self.spent;
        self.spend(Spent { nodes: 1, bytes: text.len() }, place)?;
        let value = match &properties.tag {
            None if style == ScalarStyle::Plain && text == MERGE_KEY && self.expects_key() => {
                self.problems.push(self.report.merge_key(place));
                Value::String(MERGE_KEY.to_owned())
            }
            None => resolve(text, style),
            Some(tag) => resolve_tagged(text, tag).unwrap_or_else(|| {
                self.problems.push(self.report.unknown_tag(Span::new(span.start, start)));
                Value::Unreadable
            }),
        };
        let node = Rc::new(Node { span: place, value });
        self.deliver(Finished { node, place, height: 0, anchor: properties.anchor, before })
    }

    fn alias(&mut self, anchor: usize, place: Span) -> Result<(), Stop> {
        let before = self.spent;
        let Some(anchored) = self.anchors.get(&anchor) else {
            let inside = self.open.iter().any(|open| open.anchor == anchor);
            self.problems.push(self.report.alias_out_of_reach(place, inside));
            let node = Rc::new(Node { span: place, value: Value::Unreadable });
            return self.deliver(Finished { node, place, height: 0, anchor: 0, before });
        };
        let (node, height, spent) = (Rc::clone(&anchored.node), anchored.height, anchored.spent);
        if self.spend(spent, place).is_err() {
            return Err(Box::new(self.report.too_many_aliases(place)));
        }
        if self.open.len() + height > MAX_DEPTH {
            return Err(Box::new(too_deep(self.report.source, place)));
        }
        self.deliver(Finished { node, place, height, anchor: 0, before })
    }

    fn start(&mut self, properties: &Properties<'_>, span: Span, content: Content) -> Result<(), Stop> {
        let start = self.after_properties(span.start);
        let first = Span::new(span.start, span.start + 1);
        let before = self.spent;
        self.spend(Spent { nodes: 1, bytes: 0 }, first)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(Box::new(too_deep(self.report.source, first)));
        }
        let kind = match content {
            Content::List(_) => "seq",
            Content::Mapping { .. } => "map",
        };
        if properties.tag.as_ref().is_some_and(|tag| core_name(tag) != Some(kind)) {
            self.problems.push(self.report.unknown_tag(Span::new(span.start, start)));
        }
        // The bracket has a length, the start of a block has none.
        let flow = span.end > start && self.report.bracket_at(start);
        self.open.push(Open { start, flow, anchor: properties.anchor, height: 1, before, content });
        Ok(())
    }

    fn end(&mut self, at: usize) -> Result<(), Stop> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (value, last) = match open.content {
            Content::List(items) => {
                let last = items.last().map(|item| item.span.end);
                (Value::List(items), last)
            }
            Content::Mapping { mut entries, key: _ } => {
                let last = entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end));
                for (entry, first) in take_duplicates(&mut entries) {
                    self.problems.push(self.report.duplicate_key(&entry, first));
                }
                (Value::Mapping(entries), last)
            }
        };
        // The parser counts what follows a bracket to it, and gives a block the start of the next token.
        let end = if open.flow { at + 1 } else { last.unwrap_or(open.start) };
        let span = Span::new(open.start, end.clamp(open.start, self.report.text.len().max(open.start)));
        let node = Rc::new(Node { span, value });
        let Open { height, anchor, before, .. } = open;
        self.deliver(Finished { node, place: span, height, anchor, before })
    }

    fn deliver(&mut self, finished: Finished) -> Result<(), Stop> {
        let Finished { node, place, height, anchor, before } = finished;
        if anchor > 0 {
            let spent =
                Spent { nodes: self.spent.nodes - before.nodes, bytes: self.spent.bytes - before.bytes };
            self.anchors.insert(anchor, Anchored { node: Rc::clone(&node), height, spent });
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.height = open.height.max(height + 1);
        let (entries, key) = match &mut open.content {
            Content::List(items) => {
                items.push(node);
                return Ok(());
            }
            Content::Mapping { entries, key } => (entries, key),
        };
        match key.take() {
            Some(Key { name: Some(name), span }) => {
                entries.push(Entry { key: name, key_span: span, value: node })
            }
            Some(Key { name: None, span: _ }) => {}
            None => {
                let name = node.as_string().map(str::to_owned);
                if name.is_none() && node.value != Value::Unreadable {
                    let brace = place.start.saturating_sub(1);
                    if self.report.text.get(brace..).is_some_and(|text| text.starts_with("{{")) {
                        return Err(Box::new(self.report.template(brace)));
                    }
                    self.problems.push(self.report.key_is_no_string(&node, place));
                }
                *key = Some(Key { name, span: place });
            }
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.content, Content::Mapping { key: None, .. }))
    }

    /// Where the value starts behind `&anchor` and `!tag`, with which the parser starts it.
    fn after_properties(&self, start: usize) -> usize {
        let text = self.report.text;
        let mut rest = text.get(start..).unwrap_or_default();
        while rest.starts_with(['&', '!']) {
            let word = |c: char| !c.is_ascii_whitespace() && !matches!(c, ',' | ']' | '}');
            rest = rest.trim_start_matches(word).trim_start();
            while let Some(comment) = rest.strip_prefix('#') {
                rest = comment.trim_start_matches(|c| c != '\n').trim_start();
            }
        }
        text.len() - rest.len()
    }

    fn spend(&mut self, more: Spent, span: Span) -> Result<(), Stop> {
        self.spent.nodes += more.nodes;
        self.spent.bytes += more.bytes;
        if self.spent.nodes <= MAX_NODES && self.spent.bytes <= MAX_STRING_BYTES {
            Ok(())
        } else {
            Err(Box::new(too_many_nodes(self.report.source, span)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as text, each value with what the source has at its place.
    fn drawn(text: &str) -> String {
        fn draw(text: &str, node: &Node, out: &mut String) {
            if let Value::List(items) = &node.value {
                out.push('[');
                items.iter().for_each(|item| draw(text, item, out));
                out.push(']');
            } else if let Some(entries) = node.as_mapping() {
                out.push('{');
                for entry in entries {
                    out.push_str(&format!("{}:", entry.key_span.of(text)));
                    draw(text, &entry.value, out);
                }
                out.push('}');
            } else if node.value == Value::Null {
                out.push_str("null ");
            } else {
                out.push_str(&format!("<{}>", node.span.of(text)));
            }
        }
        let mut problems = Vec::new();
        let documents = parse(0, "", text, &mut problems);
        assert_eq!(problems, [], "{text}");
        let mut out = String::new();
        for document in documents {
            draw(text, &document, &mut out);
            out.push(';');
        }
        out
    }

    #[test]
    fn each_value_knows_its_place() {
        let cases = [
            ("a: b\nc:\n  - d\n  - e f # g\n", "{a:<b>c:[<d><e f>]};"),
            ("\u{feff}é: [ü, \"x y\" ] # z\r\nb: 'it''s'\r\n", "{é:[<ü><\"x y\">]b:<'it''s'>};"),
            ("a: &x !!str 5\nb: *x\n", "{a:<5>b:<5>};"),
            ("a: !!map # c\n  {b: c}\n? d\n: \n", "{a:{b:<c>}d:null };"),
            ("a: \"b \\\"# c\" # d\nb: 'e''# f' # g", "{a:<\"b \\\"# c\">b:<'e''# f'>};"),
            ("a: |\n  x\n  y\n\nb: 1", "{a:<x\n  y>b:<1>};"),
            ("--- a\n--- \n...\n---\n- b", "<a>;null ;[<b>];"),
            ("- - a\n  - b\n-\n- {c, d: }", "[[<a><b>]null {c:null d:null }];"),
            ("{\"a\":[1,2],\"b\":{}}", "{\"a\":[<1><2>]\"b\":{}};"),
            (
                "\u{feff}{\"\\ud83c\\udf89é\": [\n\"\\ud83c\\udf89\", \"ü\"\n], \"b\": 1}",
                "{\"\\ud83c\\udf89é\":[<\"\\ud83c\\udf89\"><\"ü\">]\"b\":<1>};",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(drawn(text), expected, "{text}");
        }
    }

    #[test]
    fn a_collection_ends_where_its_last_value_or_bracket_does() {
        let text = "a: [b, c] # d\ne: {f: g}\nh:\n  i: j\n\nk: l";
        let mut problems = Vec::new();
        let documents = parse(0, "", text, &mut problems);
        let places: Vec<&str> = ["a", "e", "h"]
            .iter()
            .filter_map(|key| documents[0].entry(key))
            .map(|entry| entry.value.span.of(text))
            .collect();
        assert_eq!(places, ["[b, c]", "{f: g}", "i: j"]);
    }

    #[test]
    fn aliases_count_as_what_they_stand_for() {
        let text = |times: usize| format!("- &a [{}]\n- [{}]\n", "x,".repeat(99), "*a,".repeat(times));
        let mut problems = Vec::new();
        assert_eq!(parse(0, "", &text(195), &mut problems).len(), 1);
        assert_eq!(problems, []);
        assert_eq!(parse(0, "", &text(205), &mut problems).len(), 0);
        assert_eq!(problems.len(), 1);
    }
}
