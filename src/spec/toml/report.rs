//! The TOML parser's errors as problems: one for each cause, where the cause is. Knows TOML only.

use super::complaint::{complaint, is_unquoted, quoted};
use crate::spec::limits::{MAX_PROBLEMS, too_deep};
use crate::spec::problem::Problem;
use crate::spec::tree::{Span, cut};
use ::toml::de::Error;
use toml_parser::Source;
use toml_parser::lexer::TokenKind;

/// A text with errors.
pub(super) struct Report<'a> {
    pub source: usize,
    pub text: &'a str,
    /// `text` without the byte order mark, which the parser does not see.
    pub body: &'a str,
    /// Bytes of the byte order mark.
    pub skipped: usize,
}

/// An error with its line, from 1.
struct Complained<'e> {
    line: usize,
    span: Span,
    message: &'e str,
}

impl Complained<'_> {
    /// A string has no closing quote.
    fn open_string(&self) -> bool {
        self.message.contains("string, expected `\"`") || self.message.contains("string, expected `'`")
    }

    fn open_bracket(&self) -> bool {
        self.message.contains("unclosed array,") || self.message.contains("unclosed inline table")
    }

    fn open_header(&self) -> bool {
        self.message.contains("unclosed table") || self.message.contains("unclosed array table")
    }

    fn duplicate(&self) -> bool {
        self.message == "duplicate key"
    }
}

impl Report<'_> {
    /// One problem for each line that has errors, and nothing about what only follows from another
    /// error. Whether the rest of the file can be read in spite of them.
    pub fn errors(&self, errors: &[Error], problems: &mut Vec<Problem>) -> bool {
        let errors = self.in_order(errors);
        let open_string = errors.iter().any(Complained::open_string);
        let strings = if open_string { self.strings() } else { Vec::new() };
        // A string without an end takes the bracket with it.
        let open_bracket = !open_string && errors.iter().any(Complained::open_bracket);
        let bracket = if open_bracket { self.open_bracket() } else { None };
        let (mut last_line, mut header, mut yaml, mut readable) = (0, false, false, true);
        for (position, error) in errors.iter().enumerate() {
            header |= error.open_header();
            let follows = bracket.is_some_and(|bracket| error.span.start > bracket)
                || (open_string && error.open_bracket())
                || (header && error.duplicate());
            if problems.len() > MAX_PROBLEMS {
                return false;
            }
            if follows || error.line == last_line || (yaml && self.is_yaml(error.span)) {
                continue;
            }
            last_line = error.line;
            yaml |= self.is_yaml(error.span);
            // A second table of the same name replaces the first.
            readable &= error.duplicate() && !self.is_header(error.span);
            let problem = self.problem(error, &strings);
            let same_line = errors.get(position..).unwrap_or_default();
            let same_line = same_line.iter().take_while(|other| other.line == error.line);
            problems.push(match self.with_quotes(same_line) {
                Some(line) => problem.help(format!("write `{line}`")),
                None => problem,
            });
        }
        if let Some(bracket) = bracket {
            readable = false;
            problems.push(self.never_closed(bracket));
        }
        readable
    }

    /// Errors by line; one about a string that has no end explains the others of its line.
    fn in_order<'e>(&self, errors: &'e [Error]) -> Vec<Complained<'e>> {
        let span = |error: &Error| error.span().map_or(Span::at(0), |span| Span::new(span.start, span.end));
        let mut errors: Vec<(Span, &str)> =
            errors.iter().map(|error| (span(error), error.message())).collect();
        errors.sort_unstable();
        let (mut line, mut at) = (1, 0);
        let lines = errors.into_iter().map(|(span, message)| {
            let between = self.body.as_bytes().get(at..span.start).unwrap_or_default();
            line += between.iter().filter(|byte| **byte == b'\n').count();
            at = at.max(span.start);
            Complained { line, span, message }
        });
        let mut errors: Vec<Complained<'e>> = lines.collect();
        errors.sort_by_key(|error| (error.line, !error.open_string(), error.span));
        errors
    }

    fn line_start(&self, span: Span) -> usize {
        let before = self.body.get(..span.start).unwrap_or_default();
        before.rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn line(&self, span: Span) -> &str {
        self.body.get(self.line_start(span)..).and_then(|text| text.lines().next()).unwrap_or_default()
    }

    /// A line of several words without quotes as it was meant, if they are all that is wrong with it.
    fn with_quotes<'e>(&self, errors: impl Iterator<Item = &'e Complained<'e>>) -> Option<String> {
        let (mut line, mut words, mut end) = (String::new(), 0, None);
        for error in errors {
            let word = error.span.of(self.body);
            if word.is_empty() || word.contains([' ', '\t']) || !is_unquoted(error.message, word) {
                return None;
            }
            let from = end.unwrap_or_else(|| self.line_start(error.span));
            line.push_str(Span::new(from, error.span.start).of(self.body));
            line.push_str(&quoted(word));
            (words, end) = (words + 1, Some(error.span.end));
        }
        let rest = self.body.get(end?..)?.lines().next().unwrap_or_default();
        (words > 1).then(|| cut(format!("{line}{rest}").trim()))
    }

    fn is_header(&self, span: Span) -> bool {
        self.line(span).trim_start().starts_with('[')
    }

    /// Whether the line is `key: value` or `- item`.
    fn is_yaml(&self, span: Span) -> bool {
        let line = self.line(span).trim_start();
        let key = line.split_once(':').map_or("", |(key, _)| key);
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ' ');
        line.starts_with("- ") || line == "---" || (!key.is_empty() && key.chars().all(word))
    }

    /// The innermost bracket of a value that is open at the end of the file.
    fn open_bracket(&self) -> Option<usize> {
        let mut open = Vec::new();
        let mut value = false;
        for token in Source::new(self.body).lex() {
            let kind = token.kind();
            match kind {
                TokenKind::Equals => value = true,
                // A line that starts with a bracket is a header, which ends with its line.
                TokenKind::Newline => value &= !open.is_empty(),
                TokenKind::LeftSquareBracket | TokenKind::LeftCurlyBracket => {
                    if value {
                        open.push(token.span().start());
                    }
                }
                TokenKind::RightSquareBracket | TokenKind::RightCurlyBracket => {
                    open.pop();
                }
                TokenKind::LiteralString | TokenKind::BasicString => {}
                TokenKind::MlLiteralString | TokenKind::MlBasicString => {}
                TokenKind::Dot | TokenKind::Comma | TokenKind::Whitespace | TokenKind::Comment => {}
                TokenKind::Atom | TokenKind::Eof => {}
            }
        }
        open.pop()
    }

    /// Every string, in order.
    fn strings(&self) -> Vec<Span> {
        let tokens = Source::new(self.body).lex();
        let spans = tokens.map(|token| Span::new(token.span().start(), token.span().end()));
        spans.filter(|span| span.of(self.body).starts_with(['"', '\''])).collect()
    }

    /// A place of the parser in the text.
    fn place(&self, span: Span) -> Span {
        Span::new(span.start + self.skipped, span.end + self.skipped)
    }

    fn never_closed(&self, bracket: usize) -> Problem {
        let span = self.place(Span::new(bracket, bracket + 1));
        let closing = if span.of(self.text) == "{" { "}" } else { "]" };
        Problem::error(self.source, span, "cannot read this as TOML: a bracket is never closed")
            .label("opened here")
            .help(format!("write `{closing}` behind the last item"))
    }

    fn problem(&self, error: &Complained<'_>, strings: &[Span]) -> Problem {
        let mut span = error.span;
        if error.open_string() {
            // The parser means the end of the string.
            let string = strings.get(strings.partition_point(|string| string.end < span.start));
            span = string
                .map_or(span, |string| Span::new(string.start, string.start + quotes(string.of(self.body))));
        }
        let (written, place) = (cut(span.of(self.body)), self.place(span));
        if error.duplicate() {
            return self.twice(span, &written);
        }
        if error.message.contains("recursion") {
            return too_deep(self.source, place);
        }
        if self.is_yaml(span) {
            return Problem::error(self.source, place, "cannot read this as TOML: it looks like YAML")
                .label("`=` was expected here")
                .help("write `key = value`, or call the file `.yaml`");
        }
        let mut complaint =
            complaint(error.message, &written, self.body.get(span.start..).unwrap_or_default());
        if error.open_header() {
            let name = cut(self.line(span).trim().trim_matches(['[', ']']));
            complaint.help = complaint.help.replace("name", &name);
        }
        if error.open_string() && written.len() > 1 {
            complaint.help = format!("close it with `{written}`");
        }
        Problem::error(self.source, place, format!("cannot read this as TOML: {}", complaint.cause))
            .label(complaint.label)
            .help(complaint.help)
    }

    fn twice(&self, span: Span, written: &str) -> Problem {
        let (message, help) = if self.is_header(span) {
            let help = "write `[[...]]`, with two brackets, for each item of a list";
            (format!("cannot use table \"{written}\" twice"), help)
        } else {
            (format!("cannot use key \"{written}\" twice in one table"), "remove one of the two")
        };
        Problem::error(self.source, self.place(span), message)
            .label("there is one of this name before")
            .help(help)
    }
}

/// How many quotes open a string.
fn quotes(string: &str) -> usize {
    if string.starts_with("\"\"\"") || string.starts_with("'''") { 3 } else { 1 }
}
