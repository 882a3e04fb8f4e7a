//! One line of a source around a place, made safe and measured for a terminal. Knows only text.

use super::BYTE_ORDER_MARK;
use super::tree::Span;
use unicode_width::UnicodeWidthChar;

/// The line of a source that a place starts in.
pub(super) struct Snippet {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line as shown: without control characters, cut to at most [`WIDEST`] columns.
    pub text: String,
    /// Columns of `text` before the place.
    pub before: usize,
    /// Columns of the place within `text`; at least 1.
    pub width: usize,
}

/// Columns that a line may take.
const WIDEST: usize = 110;

/// Columns before the place that are kept when a line is cut.
const LEAD: usize = 40;

const TAB: &str = "    ";

/// Line and column of a byte, both from 1, the column in characters.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let (start, at) = line_start(text, at);
    let before = text.get(..start).unwrap_or_default();
    let lines = before.bytes().filter(|byte| *byte == b'\n').count();
    (lines + 1, text.get(start..at).unwrap_or_default().chars().count() + 1)
}

/// The line around the start of `span`; without what is around it where that is `secret`.
pub(super) fn snippet(text: &str, span: Span, secret: bool) -> Snippet {
    let (line, column) = position(text, span.start);
    let (start, at) = line_start(text, span.start);
    let rest = text.get(at..).unwrap_or_default();
    let after = rest.split('\n').next().unwrap_or_default().trim_end();
    let marked = after.get(..span.end.saturating_sub(at)).unwrap_or(after).trim_end();
    let after = after.get(marked.len()..).unwrap_or_default();
    let before = text.get(start..at).unwrap_or_default();
    let indented = before.trim_start_matches([' ', '-']).is_empty();
    let before = if secret && !indented { "… " } else { before };
    let after = if secret && !after.is_empty() { " …" } else { after };

    let whole = [before, marked, after];
    let room = if whole.iter().map(|part| width(part)).sum::<usize>() <= WIDEST { WIDEST } else { LEAD };
    let before = tail(before, room);
    let used = columns(&before);
    let marked = head(marked, WIDEST.saturating_sub(used));
    let width = columns(&marked);
    let after = head(after, WIDEST.saturating_sub(used + width));
    Snippet { line, column, text: format!("{before}{marked}{after}"), before: used, width: width.max(1) }
}

/// Text of a manifest on one line of a terminal, without anything that could steer it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c == '\t' { ' ' } else { visible(c) }).collect()
}

/// Start of the line that has `at`, and `at` itself put onto a character.
fn line_start(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = text.get(..at).unwrap_or_default();
    let start = match before.rfind('\n') {
        Some(newline) => newline + 1,
        None if text.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len_utf8(),
        None => 0,
    };
    (start.min(at), at)
}

/// A control character's picture, `�` for what changes the direction or has no width of its own.
fn visible(c: char) -> char {
    match c {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('�'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => '�',
        '\u{2060}'..='\u{206f}' | BYTE_ORDER_MARK | '\u{fff9}'..='\u{fffb}' => '�',
        '\u{e0000}'..='\u{e007f}' => '�',
        c => c,
    }
}

/// Columns of text that is shown already.
fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Columns of one character of a manifest.
fn column(c: char) -> usize {
    if c == '\t' { TAB.len() } else { visible(c).width().unwrap_or(0) }
}

/// Columns of `text`, or more than there is room for: a line of a megabyte is not measured to its end.
fn width(text: &str) -> usize {
    if text.len() > LONGEST { LONGEST } else { text.chars().map(column).sum() }
}

/// Bytes that at most are shown of a part of a line, as characters need not have width.
const LONGEST: usize = 8 * WIDEST;

fn show(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\t' { shown.push_str(TAB) } else { shown.push(visible(c)) }
    }
    shown
}

/// The start of `text`, in at most `room` columns.
fn head(text: &str, room: usize) -> String {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += column(c);
        // Characters without width count as well, or a line of them would have no end.
        if used > room || at > LONGEST {
            let kept = text.get(..at).unwrap_or_default();
            let kept =
                kept.char_indices().next_back().map_or("", |(last, _)| kept.get(..last).unwrap_or_default());
            return format!("{}…", show(kept));
        }
    }
    show(text)
}

/// The end of `text`, in at most `room` columns.
fn tail(text: &str, room: usize) -> String {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += column(c);
        if used > room || text.len() - at > LONGEST {
            let kept = text.get(at..).unwrap_or_default();
            let kept =
                kept.char_indices().nth(2).map_or("", |(third, _)| kept.get(third..).unwrap_or_default());
            return format!("…{}", show(kept));
        }
    }
    show(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str, wanted: &str) -> String {
        let start = text.find(wanted).unwrap();
        let snippet = snippet(text, Span::new(start, start + wanted.len()), false);
        format!("{}\n{}{}", snippet.text, " ".repeat(snippet.before), "^".repeat(snippet.width))
    }

    #[test]
    fn carets_stand_under_tabs_and_wide_characters() {
        assert_eq!(drawn("\ta: bad", "bad"), "    a: bad\n       ^^^");
        assert_eq!(drawn("容器: 悪い x", "悪い"), "容器: 悪い x\n      ^^^^");
        assert_eq!(drawn("e\u{301}: bad", "bad"), "e\u{301}: bad\n   ^^^");
    }

    #[test]
    fn a_column_counts_characters_and_no_byte_order_mark() {
        assert_eq!(position("\u{feff}é: x", 7), (1, 4));
        assert_eq!(position("a\r\né\tx", 6), (2, 3));
        assert_eq!(position("a\n", 2), (2, 1));
        assert_eq!(position("a", 99), (1, 2));
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}bad{}", "x".repeat(500_000), "y".repeat(500_000));
        let snippet = snippet(&text, Span::new(500_000, 500_003), false);
        assert!(columns(&snippet.text) <= WIDEST, "{}", snippet.text);
        assert_eq!(&snippet.text[..3], "…");
        assert!(snippet.text.ends_with('…'));
        let at: usize = snippet.text.char_indices().nth(snippet.before).unwrap().0;
        assert_eq!(&snippet.text[at..at + 3], "bad");
        assert_eq!(snippet.column, 500_001);
    }

    #[test]
    fn a_place_of_several_lines_is_shown_by_its_first() {
        assert_eq!(drawn("a:  b \r\n  c\n", "b \r\n  c"), "a:  b\n    ^");
    }

    #[test]
    fn a_place_without_length_gets_one_caret() {
        let snippet = snippet("abc", Span::at(3), false);
        assert_eq!((snippet.before, snippet.width), (3, 1));
    }
}
