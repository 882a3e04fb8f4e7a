//! TOML as people write it: what fits on a line first, small mappings in braces, then `[tables]` and
//! `[[lists of tables]]`; long texts in three quotes.

use super::{Content, Element, File, comment_lines, end_line, float, has_lines, is_hidden};

/// A value in braces or brackets that is wider than this gets lines of its own.
const WIDTH: usize = 100;

/// The file. Lists of mappings under a key of `sections` are always written as `[[key]]`.
pub(in crate::spec) fn toml(file: &File, sections: &[&str]) -> String {
    let mut out = String::new();
    comment_lines(&mut out, &file.header, 0);
    Writer { out: &mut out, sections }.table("", &file.elements);
    comment_lines(&mut out, &file.footer, 0);
    out
}

/// How an entry is written.
enum Shape {
    /// `key = value`, and the comments that go with it.
    Value(Element, String),
    Table,
    Tables,
}

struct Writer<'a> {
    out: &'a mut String,
    sections: &'a [&'a str],
}

impl Writer<'_> {
    /// The entries of a table whose header has been written. Values come first: behind the next header
    /// they would belong to it.
    fn table(&mut self, path: &str, elements: &[Element]) {
        let mut rest = Vec::new();
        for element in elements {
            match self.shape(element) {
                Shape::Value(element, value) => {
                    comment_lines(self.out, &element.above, 0);
                    self.out.push_str(&format!("{} = {value}", key(&element.key)));
                    end_line(self.out, element.beside.as_ref());
                }
                Shape::Table => rest.push((element, false)),
                Shape::Tables => rest.push((element, true)),
            }
        }
        for (element, list) in rest {
            let path = match path {
                "" => key(&element.key),
                path => format!("{path}.{}", key(&element.key)),
            };
            if list {
                self.tables(&path, element);
            } else {
                self.header(&[&element.above], &format!("[{path}]"), element.beside.as_ref());
                self.table(&path, element.parts());
            }
        }
    }

    /// The list has no line of its own: its comments go to the first item.
    fn tables(&mut self, path: &str, element: &Element) {
        let mut of_list = element.above.clone();
        of_list.extend(element.beside.clone());
        for item in element.parts() {
            self.header(&[&of_list, &item.above], &format!("[[{path}]]"), item.beside.as_ref());
            of_list.clear();
            self.table(path, item.parts());
        }
    }

    fn header(&mut self, above: &[&[String]], header: &str, beside: Option<&String>) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        above.iter().for_each(|comments| comment_lines(self.out, comments, 0));
        self.out.push_str(header);
        end_line(self.out, beside);
    }

    fn shape(&self, element: &Element) -> Shape {
        let at = key(&element.key).len() + 3;
        match &element.content {
            Content::List(items) if items.iter().any(|item| item.entries().is_none()) => {
                let value = values(items, at);
                Shape::Value(element.clone(), value)
            }
            Content::List(items) if !items.is_empty() => self.mappings(element, items, at),
            Content::Mapping(parts) if !parts.is_empty() => match one_line(element, at) {
                Some((element, value)) => Shape::Value(element, value),
                None => Shape::Table,
            },
            Content::String(text) => Shape::Value(element.clone(), string(text)),
            content @ (Content::Boolean(_)
            | Content::Integer(_)
            | Content::Float(_)
            | Content::List(_)
            | Content::Mapping(_)) => Shape::Value(element.clone(), inline(content)),
        }
    }

    /// A list of mappings only.
    fn mappings(&self, element: &Element, items: &[Element], at: usize) -> Shape {
        if self.sections.contains(&element.key.as_str()) {
            return Shape::Tables;
        }
        if let Some((element, value)) = one_line(element, at) {
            return Shape::Value(element, value);
        }
        let mut value = String::from("[\n");
        for item in items {
            let item = item.clone().gathered();
            let Some((item, text)) = one_line(&item, 5) else { return Shape::Tables };
            comment_lines(&mut value, &item.above, 2);
            value.push_str(&format!("  {text},"));
            end_line(&mut value, item.beside.as_ref());
        }
        value.push(']');
        Shape::Value(element.clone(), value)
    }
}

/// A list or mapping as one line that starts at column `at`, if it is short, all its texts are, and its
/// comments can stay beside it.
fn one_line(element: &Element, at: usize) -> Option<(Element, String)> {
    let gathered = element.clone().gathered();
    let text = inline(&gathered.content);
    let fits = at + text.chars().count() <= WIDTH && !has_texts(element);
    (fits && gathered.above.len() == element.above.len()).then_some((gathered, text))
}

fn has_texts(element: &Element) -> bool {
    element.as_string().is_some_and(has_lines) || element.parts().iter().any(has_texts)
}

/// A list of which not every item is a mapping. A text of several lines may stand in it as it is.
fn values(items: &[Element], at: usize) -> String {
    let is_commented = items.iter().any(|item| item.is_commented() || item.has_comments_inside());
    let written = |item: &Element| item.as_string().map_or_else(|| inline(&item.content), string);
    let texts: Vec<String> = items.iter().map(written).collect();
    let line = format!("[{}]", texts.join(", "));
    let any_text = items.iter().any(has_texts);
    if !is_commented && (any_text || at + line.chars().count() <= WIDTH) {
        return line;
    }
    let mut out = String::from("[\n");
    for (item, text) in items.iter().zip(texts) {
        let mut item = item.clone().gathered();
        if has_texts(&item) {
            // Behind the text nobody would look for it.
            item.above.extend(item.beside.take());
        }
        comment_lines(&mut out, &item.above, 2);
        out.push_str(&format!("  {text},"));
        end_line(&mut out, item.beside.as_ref());
    }
    out.push(']');
    out
}

/// A value on one line, without comments.
fn inline(content: &Content) -> String {
    match content {
        Content::Boolean(value) => value.to_string(),
        Content::Integer(value) => value.to_string(),
        Content::Float(value) => float(*value),
        Content::String(text) => line_string(text),
        Content::List(items) => {
            let items: Vec<String> = items.iter().map(|item| inline(&item.content)).collect();
            format!("[{}]", items.join(", "))
        }
        Content::Mapping(entries) if entries.is_empty() => "{}".to_owned(),
        Content::Mapping(entries) => {
            let entry = |entry: &Element| format!("{} = {}", key(&entry.key), inline(&entry.content));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn key(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { basic(key) }
}

/// A string, on lines of its own where it has several.
fn string(text: &str) -> String {
    if !has_lines(text) {
        return line_string(text);
    }
    let is_literal = text.contains('\\')
        && !text.contains("'''")
        && !text.ends_with('\'')
        && text.chars().all(|c| c == '\n' || c == '\t' || !is_hidden(c));
    if is_literal {
        return format!("'''\n{text}'''");
    }
    let mut out = String::from("\"\"\"\n");
    let mut quotes = 0;
    for (at, c) in text.char_indices() {
        quotes = if c == '"' { quotes + 1 } else { 0 };
        let is_last = at + 1 == text.len();
        match c {
            '\n' | '\t' => out.push(c),
            '"' if quotes == 3 || is_last => {
                out.push_str("\\\"");
                quotes = 0;
            }
            '"' => out.push(c),
            _ => escaped(&mut out, c),
        }
    }
    out.push_str("\"\"\"");
    out
}

/// A string on one line: in single quotes where it would have escapes otherwise.
fn line_string(text: &str) -> String {
    let gains = text.contains(['"', '\\']) && !text.contains('\'') && !text.contains(is_hidden);
    if gains { format!("'{text}'") } else { basic(text) }
}

fn basic(text: &str) -> String {
    let mut out = String::from("\"");
    text.chars().for_each(|c| escaped(&mut out, c));
    out.push('"');
    out
}

fn escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        _ if is_hidden(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        _ => out.push(c),
    }
}
