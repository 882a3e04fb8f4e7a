//! A problem of a manifest: what, where, and what to do about it; for people and as JSON. Knows
//! sources by their text only, and nothing of pods.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Source;
use super::snippet::{plain, position, snippet};
use super::tree::Span;

/// Whether a pod can be made in spite of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// There is no pod.
    Error,
    /// There is a pod; something in the manifest has no effect.
    Warning,
}

/// Something wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// "cannot X: cause", lower case, without a full stop.
    pub message: String,
    /// Position of the source among those that were loaded; `None` where the cause is an option.
    pub source: Option<usize>,
    /// What the caret points at; `None` where the whole source is meant.
    pub span: Option<Span>,
    /// The field in Kubernetes' notation, such as `spec.containers[0].name`; empty where none is meant.
    pub path: String,
    /// What is said beside the caret; may be empty.
    pub label: String,
    /// A second place that explains the first.
    pub note: Option<Note>,
    /// What one can do; may be empty.
    pub help: String,
    /// Whether the line has something in it that no log should have: nothing but the place is shown then.
    pub secret: bool,
}

/// A place that a problem also has to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Such as "the first one is"; the place follows.
    pub text: &'static str,
    /// Position of the source among those that were loaded.
    pub source: usize,
    /// Where in it.
    pub span: Span,
}

/// At most so many problems of one source are shown, so that showing them takes no longer than
/// finding them (SPEC-03).
pub const MAX_PROBLEMS_SHOWN: usize = 100;

impl Problem {
    /// An error at a place.
    pub(super) fn error(source: usize, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            message: message.into(),
            source: Some(source),
            span: Some(span),
            path: String::new(),
            label: String::new(),
            note: None,
            help: String::new(),
            secret: false,
        }
    }

    /// A warning at a place.
    pub(super) fn warning(source: usize, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(source, span, message) }
    }

    /// An error of a whole source.
    pub(super) fn of_source(source: usize, message: impl Into<String>) -> Self {
        Self { span: None, ..Self::error(source, Span::at(0), message) }
    }

    /// An error of no source.
    pub(super) fn of_options(message: impl Into<String>) -> Self {
        Self { source: None, ..Self::of_source(0, message) }
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    pub(super) fn note(mut self, text: &'static str, source: usize, span: Span) -> Self {
        self.note = Some(Note { text, source, span });
        self
    }

    pub(super) fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The problem as text of several lines. `sources` are those that were loaded. Control characters
    /// of the manifest are made visible; escape sequences are only there where `color` is asked for.
    // annotate-snippets, which draws such pictures, cannot put the field's path on the arrow line.
    pub fn render(&self, sources: &[Source], color: bool) -> String {
        let (word, tint) = match self.severity {
            Severity::Error => ("error", "\x1b[1;31m"),
            Severity::Warning => ("warning", "\x1b[1;33m"),
        };
        let paint = |tint: &'static str| if color { tint } else { "" };
        let (bold, blue, reset) = (paint("\x1b[1m"), paint("\x1b[1;34m"), paint("\x1b[0m"));
        let tint = paint(tint);
        let mut out = format!("{tint}{word}{reset}{bold}: {}{reset}\n", plain(&self.message));
        let mut indent = 1;
        if let Some(source) = self.source.and_then(|source| sources.get(source)) {
            let name = plain(&source.name);
            let path = plain(&self.path);
            let path = if path.is_empty() { path } else { format!("  {path}") };
            if let Some(span) = self.span {
                let snippet = snippet(&source.text, span, self.secret);
                let (line, column) = (snippet.line, snippet.column);
                indent = line.to_string().len();
                let caret = format!("{}{}", " ".repeat(snippet.before), "^".repeat(snippet.width));
                let label = plain(&self.label);
                let label = if label.is_empty() { label } else { format!(" {label}") };
                // Writing to a String cannot fail.
                let _ = write!(
                    out,
                    "{:indent$}{blue}-->{reset} {name}:{line}:{column}{path}\n{:indent$} {blue}|{reset}\n\
                     {blue}{line} |{reset} {}\n{:indent$} {blue}|{reset} {tint}{caret}{label}{reset}\n",
                    "", "", snippet.text, "",
                );
            } else {
                let _ = writeln!(out, "{:indent$}{blue}-->{reset} {name}{path}", "");
            }
        }
        if let Some((note, source)) =
            self.note.as_ref().and_then(|note| Some((note, sources.get(note.source)?)))
        {
            let (line, column) = position(&source.text, note.span.start);
            let (text, name) = (note.text, plain(&source.name));
            let _ = writeln!(out, "{:indent$} {blue}={reset} note: {text} at {name}:{line}:{column}", "");
        }
        if !self.help.is_empty() {
            let _ = writeln!(out, "{:indent$} {blue}={reset} help: {}", "", plain(&self.help));
        }
        out
    }

    fn to_json(&self, sources: &[Source]) -> Value {
        let source = self.source.and_then(|source| sources.get(source));
        let text = source.map(|source| source.text.as_str());
        let start = text.zip(self.span).map(|(text, span)| position(text, span.start));
        let end = text.zip(self.span).map(|(text, span)| position(text, span.end));
        json!({
            "severity": match self.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "message": self.message,
            "file": source.map(|source| source.name.as_str()),
            "line": start.map(|(line, _)| line),
            "column": start.map(|(_, column)| column),
            "endLine": end.map(|(line, _)| line),
            "endColumn": end.map(|(_, column)| column),
            "path": self.path,
            "label": self.label,
            "help": self.help,
        })
    }
}

/// All problems as text, an empty line between two. No more than [`MAX_PROBLEMS_SHOWN`] of one source;
/// the rest are counted.
pub fn render_all(problems: &[Problem], sources: &[Source], color: bool) -> String {
    let mut blocks = Vec::new();
    for (source, shown, more) in by_source(problems, sources) {
        blocks.extend(shown.iter().map(|problem| problem.render(sources, color)));
        if more > 0 {
            let name = source.and_then(|source| sources.get(source)).map(|source| plain(&source.name));
            blocks.push(format!("and {more} more in {}\n", name.unwrap_or_default()));
        }
    }
    blocks.join("\n")
}

/// All problems as the JSON object `{"diagnostics": [...], "omitted": 0}`. Lines and columns count from
/// 1, columns in characters; the end is the first column after the place. Strings are as in the manifest.
/// No more than [`MAX_PROBLEMS_SHOWN`] of one source; the number of others is `omitted`.
pub fn to_json(problems: &[Problem], sources: &[Source]) -> Value {
    let mut diagnostics = Vec::new();
    let mut omitted = 0;
    for (_, shown, more) in by_source(problems, sources) {
        diagnostics.extend(shown.iter().map(|problem| problem.to_json(sources)));
        omitted += more;
    }
    json!({ "diagnostics": diagnostics, "omitted": omitted })
}

/// Each source with the problems that are shown of it, and how many are not.
fn by_source<'a>(
    problems: &'a [Problem],
    sources: &[Source],
) -> impl Iterator<Item = (Option<usize>, Vec<&'a Problem>, usize)> {
    std::iter::once(None).chain((0..sources.len()).map(Some)).map(|source| {
        let mut of_source = problems.iter().filter(|problem| problem.source == source);
        let shown = of_source.by_ref().take(MAX_PROBLEMS_SHOWN).collect();
        (source, shown, of_source.count())
    })
}

#[cfg(test)]
mod tests {
    use super::super::Syntax;
    use super::*;

    fn source(text: &str) -> Vec<Source> {
        vec![Source { name: "pod.yaml".to_owned(), text: text.to_owned(), syntax: Syntax::Yaml }]
    }

    #[test]
    fn a_problem_looks_as_the_design_shows_it() {
        let text = format!("{}      restartPolicy: always\n", "#\n".repeat(13));
        let start = text.find("always").unwrap();
        let problem = Problem::error(
            0,
            Span::new(start, start + 6),
            "cannot use restartPolicy \"always\" for init container \"proxy\"",
        )
        .path("spec.initContainers[1].restartPolicy")
        .label("the only value that makes a sidecar is \"Always\"")
        .help("write `restartPolicy: Always`");
        let expected = "\
error: cannot use restartPolicy \"always\" for init container \"proxy\"
  --> pod.yaml:14:22  spec.initContainers[1].restartPolicy
   |
14 |       restartPolicy: always
   |                      ^^^^^^ the only value that makes a sidecar is \"Always\"
   = help: write `restartPolicy: Always`
";
        assert_eq!(problem.render(&source(&text), false), expected);
    }

    #[test]
    fn nothing_of_the_manifest_reaches_the_terminal_as_control() {
        let text = "a: \"\x1b[31m\u{202e}\x07\"\r\n";
        let mut problem = Problem::error(0, Span::new(3, 14), "cannot use \x1b[2J").path("a\x1b").label("\n");
        problem.help = "\u{9b}".to_owned();
        let shown = problem.render(&source(text), false);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n' || c == '\u{202e}'), "{shown:?}");
        assert_eq!(shown.lines().count(), 6);
    }

    #[test]
    fn color_changes_nothing_but_color() {
        let problem = Problem::error(0, Span::new(0, 1), "cannot").help("do");
        let mut colored = problem.render(&source("abc"), true);
        for code in ["\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"] {
            colored = colored.replace(code, "");
        }
        assert_eq!(colored, problem.render(&source("abc"), false));
    }

    #[test]
    fn the_json_form_has_both_ends() {
        let problem = Problem::error(0, Span::new(7, 10), "cannot").path("b");
        let value = to_json(&[problem], &source("é: 1\nb: xyz\n"));
        let diagnostic = &value["diagnostics"][0];
        assert_eq!(diagnostic["line"], 2);
        assert_eq!(diagnostic["column"], 2);
        assert_eq!(diagnostic["endColumn"], 5);
        assert_eq!(diagnostic["file"], "pod.yaml");
    }

    #[test]
    fn problems_beyond_the_hundredth_are_counted() {
        let problems = vec![Problem::of_source(0, "cannot"); 103];
        let shown = render_all(&problems, &source(""), false);
        assert_eq!(shown.matches("error: cannot").count(), 100);
        assert!(shown.ends_with("\nand 3 more in pod.yaml\n"));
    }
}
