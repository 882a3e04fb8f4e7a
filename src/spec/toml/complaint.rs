//! What the TOML parser complains about, in words that help. Knows its messages, and no manifest.

/// Cause, label and help for one complaint of the parser. The cause follows "cannot read this as TOML: ".
pub(super) struct Complaint {
    pub cause: &'static str,
    pub label: &'static str,
    pub help: String,
}

/// Part of the parser's message, cause, label, help. The first that fits is taken.
const COMPLAINTS: &[(&str, &str, &str, &str)] = &[
    (
        "string, expected `",
        "a string has no end",
        "the quote that opens it",
        "close the string with the same quote, on the same line; a string of several lines is written \"\"\"...\"\"\"",
    ),
    ("unclosed table", "the header of a table has no end", "`]` was expected here", "write `[name]`"),
    (
        "unclosed array table",
        "the header of a list of tables has no end",
        "`]]` was expected here",
        "write `[[name]]`",
    ),
    (
        "key with no value",
        "a key has no value",
        "`=` was expected here",
        "write `key = value`; put a key with spaces in quotes",
    ),
    ("missing comma", "two items are not separated", "`,` was expected here", "put a comma between the two"),
    ("extra comma", "there is a comma too many", "no item before this comma", "remove the comma"),
    (
        "unexpected `=` in array",
        "a list has no keys",
        "no `=` is expected here",
        "close the list before this, or write a table: `{ key = value }`",
    ),
    (
        "unexpected key or value",
        "something follows the value",
        "the line should end before this",
        "start every key on a line of its own",
    ),
    (
        "missing escaped value",
        "this escape sequence has no meaning",
        "no such escape",
        "write `\\\\` for a backslash, or use single quotes, where a backslash is only a backslash",
    ),
    (
        "unicode",
        "this escape sequence has no meaning",
        "`\\u` needs four hexadecimal digits, `\\U` eight",
        "write all digits, with zeros in front",
    ),
    (
        "boolean",
        "a boolean is written in lower case",
        "`true` or `false` was expected here",
        "write `true` or `false`",
    ),
    (
        "float, expected `",
        "infinity and what is no number are written in lower case",
        "`inf` or `nan` was expected here",
        "write it in lower case",
    ),
    (
        "float, expected nothing",
        "a number has one point at most",
        "the number has ended before this",
        "put the whole value in quotes if no number is meant",
    ),
    (
        "leading zero",
        "a number cannot start with 0",
        "a zero too many",
        "leave the zero out; an octal number is written `0o17`",
    ),
    (
        "radix must be lowercase",
        "the prefix of a number is in lower case",
        "`0x`, `0o` or `0b`",
        "write it in lower case",
    ),
    ("`_` may only go", "`_` stands only between two digits", "not between two digits", "remove it"),
    (
        "cannot extend value",
        "keys are put into what is no table, or into one that is closed",
        "this has a value already",
        "write all keys of the table in one place",
    ),
    (
        "carriage return",
        "a line ends with a carriage return alone",
        "a line ends with a newline here",
        "save the file with the line ends of Unix or Windows",
    ),
    ("comment character", "a comment has a control character", "not printable", "remove the character"),
    (
        "visible characters",
        "a string has a control character",
        "not printable",
        "write it as an escape such as `\\u0007`",
    ),
    (
        "invalid date",
        "there is no such date",
        "read as a date or time",
        "put it in quotes: a manifest has strings only",
    ),
    (
        "invalid time",
        "there is no such time",
        "read as a date or time",
        "put it in quotes: a manifest has strings only",
    ),
    (
        "digits",
        "a number has no digits where it needs some",
        "digits were expected here",
        "write the number in full: `0.5`, `1.0`",
    ),
    (
        "keys cannot be",
        "a key is on one line",
        "a string of several lines",
        "write the key in single quotes or in one pair of double quotes",
    ),
    (
        "key",
        "a key is missing or has characters that it cannot have",
        "letters, digits, `-` and `_` can be in a key",
        "put the key in quotes",
    ),
    ("value", "a value is missing", "a value was expected here", "write the value behind the `=`"),
];

/// What to say about a message of the parser. `written` is the place's own text, `rest` all from there on.
pub(super) fn complaint(message: &str, written: &str, rest: &str) -> Complaint {
    if rest.starts_with([']', '}']) && !message.contains("comma") {
        return Complaint {
            cause: "a bracket closes what was never opened",
            label: "nothing to close",
            help: "remove the bracket".to_owned(),
        };
    }
    if is_unquoted(message, written) {
        return unquoted(written);
    }
    let known = COMPLAINTS.iter().find(|(part, ..)| message.contains(part));
    known.map_or_else(
        || Complaint {
            cause: "this is not understood",
            label: "the text makes no sense here",
            help: "look at the quotes and the brackets before this place".to_owned(),
        },
        |(_, cause, label, help)| Complaint { cause, label, help: (*help).to_owned() },
    )
}

/// Whether a value is a word without quotes. By its first letter the parser takes it for a misspelt
/// boolean or number.
pub(super) fn is_unquoted(message: &str, written: &str) -> bool {
    let misspelt = ["boolean", "float, expected `"].iter().any(|part| message.contains(part));
    let word = written.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_meant = ["true", "false", "inf", "nan"].contains(&word.as_str());
    message.contains("must be quoted") || (misspelt && !is_meant)
}

/// A word without quotes as the string it was meant to be.
pub(super) fn quoted(written: &str) -> String {
    let bare = bare(written);
    if bare.contains(['"', '\\']) && !bare.contains('\'') { format!("'{bare}'") } else { format!("{bare:?}") }
}

/// A word without the quotes that only look like some.
fn bare(written: &str) -> &str {
    written.trim_matches(['“', '”', '‘', '’', '`'])
}

fn unquoted(written: &str) -> Complaint {
    let bare = bare(written);
    if bare.is_empty() {
        return Complaint {
            cause: "a value is missing",
            label: "a value was expected here",
            help: "write the value behind the `=`".to_owned(),
        };
    }
    let boolean = match bare {
        "yes" | "on" => Some("true"),
        "no" | "off" => Some("false"),
        _ => None,
    };
    if let Some(boolean) = boolean {
        return Complaint {
            cause: "this is neither a boolean nor a string",
            label: "a boolean is `true` or `false`",
            help: format!("write {boolean}, or \"{bare}\" where a string is wanted"),
        };
    }
    let list = bare.split_whitespace().nth(1).is_some();
    Complaint {
        cause: "a string has no quotes",
        label: "neither a string in quotes nor a number, `true` or `false`",
        help: format!(
            "write {}{}",
            quoted(written),
            if list { ", or put a comma between two items" } else { "" }
        ),
    }
}
