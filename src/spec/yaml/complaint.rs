//! What the YAML parser complains about, in words that help. Knows its messages, and no manifest.

use super::super::tree::Span;
use super::json;

/// Cause, label and help for one complaint of the parser. The cause follows "cannot read this as YAML: ".
pub(super) struct Complaint {
    pub cause: &'static str,
    pub label: &'static str,
    pub help: &'static str,
    pub place: Place,
}

/// Where what is complained about stands, seen from where the parser says so.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Here,
    /// The last tab before.
    Tab,
    /// The first word of the line.
    LineStart,
    /// The first escape sequence after that YAML does not have.
    Escape,
    /// The first escape sequence after whose number is none of a character.
    NoCharacter,
}

impl Place {
    /// The place in `text`; `here` where there is no better one.
    pub fn find(self, text: &str, here: Span) -> Span {
        let found = match self {
            Self::Here => None,
            Self::Tab => text.get(..here.start).and_then(|before| before.rfind('\t')).map(|tab| (tab, 1)),
            Self::LineStart => {
                let before = text.get(..here.start).unwrap_or_default();
                let line = before.rsplit('\n').next().unwrap_or_default().trim_start();
                Some((here.start - line.len(), line.len())).filter(|(_, length)| *length > 0)
            }
            Self::Escape | Self::NoCharacter => {
                let wrong = if matches!(self, Self::Escape) { unknown_escape } else { no_character };
                let rest = text.get(here.start..).unwrap_or_default();
                let halves = json::takes_halves(text);
                first_escape(rest, halves, wrong).map(|(at, length)| (here.start + at, length))
            }
        };
        found.map_or(here, |(start, length)| Span::new(start, start + length))
    }
}

/// Place and length of the first escape sequence that is wrong; `wrong` is asked of what follows the `\`.
fn first_escape(text: &str, halves: bool, wrong: fn(&str) -> Option<usize>) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.find('\\')?;
        if halves && json::whole(text, at).is_some() {
            at += json::HALVES;
            continue;
        }
        let escaped = text.get(at + 1..)?;
        if let Some(length) = wrong(escaped) {
            return Some((at, 1 + length));
        }
        at += 1 + escaped.chars().next()?.len_utf8();
    }
}

fn unknown_escape(escaped: &str) -> Option<usize> {
    let c = escaped.chars().next()?;
    (!"0abt\tnvfre \"/\\N_LPxuU\r\n".contains(c)).then(|| c.len_utf8())
}

fn no_character(escaped: &str) -> Option<usize> {
    let digits = match escaped.chars().next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return None,
    };
    let number = escaped.get(1..=digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match number {
        Some(number) if char::from_u32(number).is_some() => None,
        Some(_) => Some(1 + digits),
        None => Some(1),
    }
}

/// Part of the parser's message, and what we say. The first that fits is taken.
const COMPLAINTS: &[(&[&str], Complaint)] = &[
    (
        &["tab", "valid YAML whitespace"],
        Complaint {
            cause: "a tab indents it",
            label: "YAML indents with spaces only",
            help: "write spaces instead of the tab",
            place: Place::Tab,
        },
    ),
    (
        &["mapping values are not allowed", "illegal placement of ':'", "may not precede any of"],
        Complaint {
            cause: "this `:` makes a key where none can be",
            label: "no key is expected here",
            help: "put a value that contains `: ` in quotes, or give the key a line of its own with the indentation of its neighbours",
            place: Place::Here,
        },
    ),
    (
        &["mapping keys are not allowed"],
        Complaint {
            cause: "there is a key where none can be",
            label: "no key is expected here",
            help: "give the key a line of its own with the indentation of its neighbours",
            place: Place::Here,
        },
    ),
    (
        &["expected <document start>", "after document end marker"],
        Complaint {
            cause: "the document has ended before this",
            label: "indented less than the first key, or after the closing bracket",
            help: "indent all keys of one mapping alike, and put a line `---` between two documents",
            place: Place::Here,
        },
    ),
    (
        &["block sequence entries are not allowed"],
        Complaint {
            cause: "a list cannot start here",
            label: "no list is expected here",
            help: "start the list on a line of its own below its key, or write it in brackets: `[a, b]`",
            place: Place::Here,
        },
    ),
    (
        &["simple key expect"],
        Complaint {
            cause: "a key has no value",
            label: "before this, a `:` was expected",
            help: "write `key: value`, and indent a value of several lines deeper than its key",
            place: Place::Here,
        },
    ),
    (
        &["quoted scalar, found unexpected", "in quoted scalar"],
        Complaint {
            cause: "a quoted string has no end",
            label: "the quote that opens it",
            help: "close the string with the same quote",
            place: Place::Here,
        },
    ),
    (
        &["indentation indicator equal to 0"],
        Complaint {
            cause: "text cannot be indented by 0",
            label: "a digit from 1 to 9 can stand here",
            help: "leave the digit out",
            place: Place::Here,
        },
    ),
    (
        &["did not find expected comment or line break"],
        Complaint {
            cause: "something follows on the same line",
            label: "only a line's end can follow",
            help: "start the text on the next line, indented deeper than its key",
            place: Place::Here,
        },
    ),
    (
        &["in flow construct"],
        Complaint {
            cause: "a bracket is not closed before this line",
            label: "inside a list in brackets no key is expected",
            help: "write `]` behind the last item",
            place: Place::LineStart,
        },
    ),
    (
        &["indent"],
        Complaint {
            cause: "the indentation does not fit",
            label: "not indented deep enough for what it belongs to",
            help: "indent it deeper than the key it belongs to",
            place: Place::Here,
        },
    ),
    (
        &["hexadecimal number", "Unicode character escape"],
        Complaint {
            cause: "this escape sequence stands for no character",
            label: "not the number of a character",
            help: "write the character itself; `\\u` has four hexadecimal digits, and two halves of a character are put together only in JSON",
            place: Place::NoCharacter,
        },
    ),
    (
        &["unknown escape"],
        Complaint {
            cause: "this escape sequence has no meaning",
            label: "no such escape",
            help: "write `\\\\` for a backslash, or use single quotes, where a backslash is only a backslash",
            place: Place::Escape,
        },
    ),
    (
        &["trailing content after double-quoted"],
        Complaint {
            cause: "something follows the closing quote",
            label: "the string has ended before this",
            help: "put a comma between two items, or the whole value into one pair of quotes",
            place: Place::Here,
        },
    ),
    (
        &["expected ',' or ']'"],
        Complaint {
            cause: "a list in brackets goes on without a comma or has no end",
            label: "`,` or `]` was expected before this",
            help: "put a comma between two items and `]` behind the last",
            place: Place::Here,
        },
    ),
    (
        &["expected ',' or '}'"],
        Complaint {
            cause: "a mapping in braces goes on without a comma or has no end",
            label: "`,` or `}` was expected before this",
            help: "put a comma between two entries and `}` behind the last",
            place: Place::Here,
        },
    ),
    (
        &["misplaced bracket"],
        Complaint {
            cause: "a bracket closes what was never opened",
            label: "nothing to close",
            help: "remove it, or put the value in quotes",
            place: Place::Here,
        },
    ),
    (
        &["'-' followed by", "\"-\" is only valid"],
        Complaint {
            cause: "a list in brackets has no `-`",
            label: "items are separated by `,` here",
            help: "leave the `-` out, or write the list without brackets",
            place: Place::Here,
        },
    ),
    (
        &["unexpected character"],
        Complaint {
            cause: "no plain value can start with this character",
            label: "reserved by YAML",
            help: "put the value in quotes",
            place: Place::Here,
        },
    ),
    (
        &["anchor or alias, did not find"],
        Complaint {
            cause: "`*` and `&` need a name behind them",
            label: "an alias or anchor without a name",
            help: "put a value that starts with `*` or `&` in quotes",
            place: Place::Here,
        },
    ),
    (
        &["byte order mark"],
        Complaint {
            cause: "there is a byte order mark inside the text",
            label: "the invisible character U+FEFF",
            help: "remove the character; two files were perhaps put together",
            place: Place::Here,
        },
    ),
    (
        &["comments must be separated", "comment intercepting"],
        Complaint {
            cause: "a comment cannot stand here",
            label: "`#` after a space starts a comment; a value does not go on after one",
            help: "put the comment on a line of its own before the value, or the value in quotes",
            place: Place::Here,
        },
    ),
    (
        &["directive", "TAG", "a tag", "tag character", "the handle"],
        Complaint {
            cause: "a directive or tag is not well formed",
            label: "lines with `%` and words with `!` are special",
            help: "leave it out, or put the value in quotes; a manifest needs neither",
            place: Place::Here,
        },
    ),
    (
        &["node content", "end of plain scalar", "eof", "next token"],
        Complaint {
            cause: "a value is missing",
            label: "a value was expected here",
            help: "write the value, or close the bracket before this",
            place: Place::Here,
        },
    ),
];

/// An entry or item of a block that is not in the column of the others.
const KEY_NOT_ALIGNED: Complaint = Complaint {
    cause: "it does not line up with the keys above",
    label: "indented differently",
    help: "indent all keys of one mapping alike",
    place: Place::Here,
};

/// An item of a block that is not in the column of the others.
const ITEM_NOT_ALIGNED: Complaint = Complaint {
    cause: "it does not line up with the list above",
    label: "indented differently",
    help: "start every item of the list with `- ` in the same column",
    place: Place::Here,
};

const OTHER: Complaint = Complaint {
    cause: "this is not understood",
    label: "the text makes no sense from here on",
    help: "look at the indentation, the quotes and the brackets before this place",
    place: Place::Here,
};

/// What to say about a message of the parser. `rest` is the text from its place on.
pub(super) fn complaint(info: &str, rest: &str) -> &'static Complaint {
    if info.contains("did not find expected key") || info.contains("did not find expected '-' indicator") {
        return if rest.starts_with("- ") { &ITEM_NOT_ALIGNED } else { &KEY_NOT_ALIGNED };
    }
    COMPLAINTS
        .iter()
        .find(|(parts, _)| parts.iter().any(|part| info.contains(part)))
        .map_or(&OTHER, |(_, complaint)| complaint)
}
