//! JSON, two spaces a level. It has no comments.

use super::{Content, Element, float};

/// The elements as one object.
pub(in crate::spec) fn json(elements: &[Element]) -> String {
    let mut out = String::new();
    brackets(&mut out, elements, 0, ['{', '}'], true);
    out.push('\n');
    out
}

fn value(out: &mut String, element: &Element, indent: usize) {
    match &element.content {
        Content::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Content::Integer(value) => out.push_str(&value.to_string()),
        Content::Float(value) => out.push_str(&float(*value)),
        Content::String(text) => out.push_str(&string(text)),
        Content::List(items) => brackets(out, items, indent, ['[', ']'], false),
        Content::Mapping(entries) => brackets(out, entries, indent, ['{', '}'], true),
    }
}

fn brackets(out: &mut String, parts: &[Element], indent: usize, [open, close]: [char; 2], keys: bool) {
    out.push(open);
    for (position, part) in parts.iter().enumerate() {
        out.push_str(if position == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n(' ', indent + 2));
        if keys {
            out.push_str(&string(&part.key));
            out.push_str(": ");
        }
        value(out, part, indent + 2);
    }
    if !parts.is_empty() {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
    }
    out.push(close);
}

fn string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
