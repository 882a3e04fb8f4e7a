//! YAML as people write it for Kubernetes: block style, short lists in brackets, long texts with `|`,
//! and quotes only where a reader of YAML 1.1 or 1.2 would see something else than a string.

use super::super::tree::{MERGE_KEY, Value};
use super::super::yaml::resolve_plain;
use super::{Content, Element, File, comment_lines, end_line, float, has_lines, is_hidden};

/// A list in brackets is at most so wide, from the left edge.
const WIDTH: usize = 100;

/// The file as one document.
pub(in crate::spec) fn yaml(file: &File) -> String {
    let mut out = String::new();
    comment_lines(&mut out, &file.header, 0);
    entries(&mut out, &file.elements, 0);
    comment_lines(&mut out, &file.footer, 0);
    out
}

fn entries(out: &mut String, elements: &[Element], indent: usize) {
    for element in elements {
        comment_lines(out, &element.above, indent);
        spaces(out, indent);
        entry(out, element, indent);
    }
}

/// An entry from its key on; its line has been begun.
fn entry(out: &mut String, element: &Element, indent: usize) {
    out.push_str(&scalar(&element.key, false));
    out.push(':');
    match &element.content {
        Content::List(items) if !items.is_empty() => {
            if let Some(list) = in_brackets(element, indent + element.key.len() + 2) {
                out.push(' ');
                out.push_str(&list);
                end_line(out, element.beside.as_ref());
            } else {
                end_line(out, element.beside.as_ref());
                list(out, items, indent + 2);
            }
        }
        Content::Mapping(parts) if !parts.is_empty() => {
            end_line(out, element.beside.as_ref());
            entries(out, parts, indent + 2);
        }
        Content::String(text) if is_block(text) => {
            out.push(' ');
            block(out, text, element.beside.as_ref(), indent + 2);
        }
        content @ (Content::Boolean(_)
        | Content::Integer(_)
        | Content::Float(_)
        | Content::String(_)
        | Content::List(_)
        | Content::Mapping(_)) => {
            out.push(' ');
            out.push_str(&on_a_line(content));
            end_line(out, element.beside.as_ref());
        }
    }
}

fn list(out: &mut String, items: &[Element], indent: usize) {
    for item in items {
        comment_lines(out, &item.above, indent);
        match &item.content {
            Content::Mapping(parts) if !parts.is_empty() => mapping_item(out, item, parts, indent),
            Content::List(parts) if !parts.is_empty() => {
                spaces(out, indent);
                out.push('-');
                if let Some(list) = in_brackets(item, indent + 2) {
                    out.push(' ');
                    out.push_str(&list);
                    end_line(out, item.beside.as_ref());
                } else {
                    end_line(out, item.beside.as_ref());
                    list(out, parts, indent + 2);
                }
            }
            Content::String(text) if is_block(text) => {
                // Behind the `|` a comment would seem to be the text's.
                comment_lines(out, item.beside.as_slice(), indent);
                spaces(out, indent);
                out.push_str("- ");
                block(out, text, None, indent + 2);
            }
            content @ (Content::Boolean(_)
            | Content::Integer(_)
            | Content::Float(_)
            | Content::String(_)
            | Content::List(_)
            | Content::Mapping(_)) => {
                spaces(out, indent);
                out.push_str("- ");
                out.push_str(&on_a_line(content));
                end_line(out, item.beside.as_ref());
            }
        }
    }
}

/// The first entry stands behind the dash, and what would stand above it above the dash.
fn mapping_item(out: &mut String, item: &Element, parts: &[Element], indent: usize) {
    let Some((first, rest)) = parts.split_first() else { return };
    let mut first = first.clone();
    match (&item.beside, &first.beside) {
        (Some(_), Some(_)) => comment_lines(out, item.beside.as_slice(), indent),
        (Some(comment), None) => first.beside = Some(comment.clone()),
        (None, _) => {}
    }
    comment_lines(out, &first.above, indent);
    spaces(out, indent);
    out.push_str("- ");
    entry(out, &first, indent + 2);
    entries(out, rest, indent + 2);
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// A value without lines of its own.
fn on_a_line(content: &Content) -> String {
    match content {
        Content::Boolean(value) => value.to_string(),
        Content::Integer(value) => value.to_string(),
        Content::Float(value) => float(*value),
        Content::String(text) => scalar(text, false),
        Content::List(_) => "[]".to_owned(),
        Content::Mapping(_) => "{}".to_owned(),
    }
}

/// A list of short scalars in brackets; `at` is the column it would start in.
fn in_brackets(element: &Element, at: usize) -> Option<String> {
    if element.has_comments_inside() {
        return None;
    }
    let items = element.parts().iter().map(|item| match &item.content {
        Content::String(text) => (!has_lines(text)).then(|| scalar(text, true)),
        Content::Boolean(_) | Content::Integer(_) | Content::Float(_) => Some(on_a_line(&item.content)),
        Content::List(_) | Content::Mapping(_) => None,
    });
    let list = format!("[{}]", items.collect::<Option<Vec<_>>>()?.join(", "));
    (at + list.chars().count() <= WIDTH).then_some(list)
}

/// Whether a text can stand under `|` as it is, and gains by it.
fn is_block(text: &str) -> bool {
    let is_indented = text.starts_with([' ', '\t', '\n']);
    let ends_in_spaces = text.trim_end_matches('\n').ends_with([' ', '\t']);
    let blank_lines_with_spaces = text.lines().any(|line| !line.is_empty() && line.trim().is_empty());
    has_lines(text)
        && !is_indented
        && !ends_in_spaces
        && !blank_lines_with_spaces
        && text.chars().all(|c| c == '\n' || c == '\t' || !is_hidden(c))
}

fn block(out: &mut String, text: &str, beside: Option<&String>, indent: usize) {
    let body = text.trim_end_matches('\n');
    out.push_str(match text.len() - body.len() {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    end_line(out, beside);
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            spaces(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// A string on one line, in quotes where it needs them.
fn scalar(text: &str, in_brackets: bool) -> String {
    if is_plain(text, in_brackets) {
        return text.to_owned();
    }
    let count = |wanted: &[char]| text.matches(wanted).count();
    if !text.contains(is_hidden) && count(&['"', '\\']) > count(&['\'']) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{ff}' if is_hidden(c) => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            _ if is_hidden(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether a string is itself without quotes.
fn is_plain(text: &str, in_brackets: bool) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let second = text.chars().nth(1);
    let starts_well = match first {
        '-' => {
            second.is_some_and(|c| !c.is_whitespace() && c != '-')
                || text.starts_with("--") && !text.starts_with("---")
        }
        _ => !"?:,[]{}#&*!|>'\"%@`=".contains(first),
    };
    let is_mark = text.trim_matches(['-', '+']).is_empty()
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':')
        || text.starts_with("...")
        || text == MERGE_KEY;
    // A blank alone would do no harm, but the words would be hard to tell from the items.
    let is_bracket = in_brackets && text.contains([' ', ',', '[', ']', '{', '}', '\'', '"']);
    starts_well
        && !is_mark
        && !is_bracket
        && text.trim() == text
        && !text.contains(is_hidden)
        && matches!(resolve_plain(text), Value::String(_))
        && !looks_like_a_number(text)
}

/// Dates, times, numbers of base 60 and whatever else some reader of YAML takes for one.
fn looks_like_a_number(text: &str) -> bool {
    let is_address = text.split('.').count() == 4;
    !is_address
        && text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_hexdigit() || "_.:+-TtZzXxOo ".contains(c))
}
