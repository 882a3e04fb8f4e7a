//! What JSON has and YAML has not: a character beyond U+FFFF written as two halves, `\ud83c\udf89`.
//! Knows where JSON's strings are, and nothing of what they mean.

use crate::spec::BYTE_ORDER_MARK;
use std::borrow::Cow;

/// A text whose halves have been put together, so that a YAML parser can read it.
pub(super) struct Joined<'a> {
    pub text: Cow<'a, str>,
    /// Where each joined escape sequence ends in `text`.
    ends: Vec<usize>,
}

/// Bytes of `\ud83c\udf89`.
pub(super) const HALVES: usize = 12;

/// Bytes of `\U0001f389`.
const WHOLE: usize = 10;

impl Joined<'_> {
    /// Where a byte of the joined text stands in the text as it was written.
    pub fn written_at(&self, at: usize) -> usize {
        at + (HALVES - WHOLE) * self.ends.partition_point(|end| *end <= at)
    }
}

/// Whether somebody meant this to be JSON: the name says so or, where it says nothing, the start.
pub(super) fn is_json(name: &str, text: &str) -> bool {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    let mut marks = text.chars().filter(|c| !c.is_ascii_whitespace());
    let looks_so = match (marks.next(), marks.next()) {
        (Some('{'), second) => matches!(second, Some('"' | '}')),
        (Some('['), second) => matches!(second, Some('{' | '"')),
        _ => false,
    };
    extension == "json" || (looks_so && !["yaml", "yml"].contains(&extension.as_str()))
}

/// Whether two halves are one character in this text: Kubernetes takes what starts with `{` for JSON.
pub(super) fn takes_halves(text: &str) -> bool {
    text.trim_start_matches(BYTE_ORDER_MARK).trim_start().starts_with('{')
}

/// Joins the halves in the strings of a text. What is no JSON is left alone from there on.
pub(super) fn join_halves(text: &str) -> Joined<'_> {
    let untouched = Joined { text: Cow::Borrowed(text), ends: Vec::new() };
    if !takes_halves(text) || !text.contains("\\u") {
        return untouched;
    }
    let (mut joined, mut ends, mut copied) = (String::new(), Vec::new(), 0);
    let mut at = 0;
    let mut in_string = false;
    while let Some(byte) = text.as_bytes().get(at) {
        at += match byte {
            b'"' => {
                in_string = !in_string;
                1
            }
            b'\\' if in_string => match whole(text, at) {
                Some(character) => {
                    joined.push_str(text.get(copied..at).unwrap_or_default());
                    joined.push_str(&format!("\\U{:08x}", u32::from(character)));
                    ends.push(joined.len());
                    copied = at + HALVES;
                    HALVES
                }
                None => 2,
            },
            b'\'' | b'#' | b'|' | b'>' | b'\\' if !in_string => break,
            _ => 1,
        };
    }
    if ends.is_empty() {
        return untouched;
    }
    joined.push_str(text.get(copied..).unwrap_or_default());
    Joined { text: Cow::Owned(joined), ends }
}

/// The character that is written in two halves at `at`.
pub(super) fn whole(text: &str, at: usize) -> Option<char> {
    let half = |at: usize| {
        let digits = text.get(at..at + HALVES / 2)?.strip_prefix("\\u")?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_number.then(|| u16::from_str_radix(digits, 16).ok())?
    };
    let halves = [half(at)?, half(at + HALVES / 2)?];
    char::decode_utf16(halves).next()?.ok().filter(|character| character.len_utf16() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_in_a_string_become_one_escape() {
        let cases = [
            (r#"{"a": "\ud83c\udf89b"}"#, r#"{"a": "\U0001f389b"}"#),
            (r#" {"\uD83D\uDE00\ud83d\ude00": 1}"#, r#" {"\U0001f600\U0001f600": 1}"#),
            (r#"{"a": "\\\ud83c\udf89"}"#, r#"{"a": "\\\U0001f389"}"#),
        ];
        for (text, joined) in cases {
            assert_eq!(join_halves(text).text, joined, "{text}");
        }
    }

    #[test]
    fn what_is_no_pair_in_a_string_of_json_stays() {
        for text in [
            r#"{"a": "\\ud83c\\udf89"}"#,
            r#"{"a": "\ud83c"}"#,
            r#"{"a": "\udf89\ud83c"}"#,
            r#"{"a": "\ud83c\u0041"}"#,
            r#"{"a": "\ud83c\ud83c"}"#,
            r#"{"a": "\u00e9\u0041"}"#,
            r#"{"a": '"\ud83c\udf89"'}"#,
            r#"{a: \ud83c\udf89}"#,
            "a: \"\\ud83c\\udf89\"",
            "{\"a\": \"\\ud83cé\\udf",
        ] {
            assert_eq!(join_halves(text).text, text);
        }
    }

    #[test]
    fn places_behind_a_pair_are_those_of_the_written_text() {
        let text = r#"{"a": "x\ud83c\udf89y\ud83c\udf89z"}"#;
        let joined = join_halves(text);
        for letter in ["x", "y", "z", "}"] {
            let at = joined.text.find(letter).unwrap();
            assert_eq!(joined.written_at(at), text.find(letter).unwrap(), "{letter}");
        }
    }

    #[test]
    fn a_text_is_json_by_its_name_or_its_start() {
        for (name, text) in [("a.json", "a: b"), ("<stdin>", "\n{ \"a\": 1}"), ("x", "[{}]"), ("x", "{}")] {
            assert!(is_json(name, text), "{name} {text}");
        }
        for (name, text) in [("a.yaml", "{\"a\": 1}"), ("x", "{{ .Values }}"), ("x", "{a: b}"), ("x", "a: b")]
        {
            assert!(!is_json(name, text), "{name} {text}");
        }
    }
}
