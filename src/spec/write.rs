//! A manifest as it is to be written: values with comments, and one writer for each syntax. Knows
//! syntaxes, and nothing of pods or of where a value came from but a number for it.

mod json;
mod toml;
mod yaml;

pub(super) use json::json;
pub(super) use toml::toml;
pub(super) use yaml::yaml;

/// An entry of a mapping or an item of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Element {
    /// Empty for an item.
    pub key: String,
    /// Where its key or, in a list, its value starts in the text it was read from; more where it is
    /// made of several.
    pub origins: Vec<usize>,
    /// Comments that stand above it, `#` included; an empty one is an empty line between two.
    pub above: Vec<String>,
    /// The comment on its own line.
    pub beside: Option<String>,
    pub content: Content,
}

/// What both syntaxes can say.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Boolean(bool),
    Integer(i128),
    /// Finite.
    Float(f64),
    String(String),
    List(Vec<Element>),
    Mapping(Vec<Element>),
}

impl Default for Content {
    fn default() -> Self {
        Self::Mapping(Vec::new())
    }
}

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Comments in front of everything.
    pub header: Vec<String>,
    pub elements: Vec<Element>,
    /// Comments behind everything.
    pub footer: Vec<String>,
}

impl Element {
    /// An entry that was nowhere.
    pub fn new(key: &str, content: Content) -> Self {
        Self { key: key.to_owned(), content, ..Self::default() }
    }

    /// An entry with a string.
    pub fn string(key: &str, text: &str) -> Self {
        Self::new(key, Content::String(text.to_owned()))
    }

    pub fn as_string(&self) -> Option<&str> {
        if let Content::String(text) = &self.content { Some(text) } else { None }
    }

    /// The parts, if it is a mapping.
    pub fn entries(&self) -> Option<&[Self]> {
        if let Content::Mapping(entries) = &self.content { Some(entries) } else { None }
    }

    /// The parts of a list or mapping.
    pub fn parts(&self) -> &[Self] {
        match &self.content {
            Content::List(parts) | Content::Mapping(parts) => parts,
            Content::Boolean(_) | Content::Integer(_) | Content::Float(_) | Content::String(_) => &[],
        }
    }

    /// The parts of a list or mapping, to be changed.
    pub fn parts_mut(&mut self) -> &mut [Self] {
        match &mut self.content {
            Content::List(parts) | Content::Mapping(parts) => parts,
            Content::Boolean(_) | Content::Integer(_) | Content::Float(_) | Content::String(_) => &mut [],
        }
    }

    fn is_commented(&self) -> bool {
        !self.above.is_empty() || self.beside.is_some()
    }

    /// Whether a part of it, however deep, has a comment.
    fn has_comments_inside(&self) -> bool {
        self.parts().iter().any(|part| part.is_commented() || part.has_comments_inside())
    }

    /// Takes the comments of all parts to itself, for a place where parts have no lines of their own.
    fn gathered(mut self) -> Self {
        let mut found = Vec::new();
        for part in self.parts_mut() {
            take_comments(part, &mut found);
        }
        // One comment alone can stay where it was: on the line.
        if let ([(false, _)], None) = (found.as_slice(), &self.beside) {
            self.beside = found.pop().map(|(_, comment)| comment);
        }
        self.above.extend(found.into_iter().map(|(_, comment)| comment));
        self
    }

    /// Whether both say the same. The order of entries counts where it has a meaning: nowhere.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        let same_parts = |ours: &[Self], others: &[Self]| {
            ours.len() == others.len() && ours.iter().zip(others).all(|(a, b)| a.says_the_same_as(b))
        };
        self.key == other.key
            && match (&self.content, &other.content) {
                (Content::Boolean(a), Content::Boolean(b)) => a == b,
                (Content::Integer(a), Content::Integer(b)) => a == b,
                (Content::Float(a), Content::Float(b)) => a == b,
                (Content::String(a), Content::String(b)) => a == b,
                (Content::List(a), Content::List(b)) => same_parts(a, b),
                (Content::Mapping(a), Content::Mapping(b)) => same_parts(&by_key(a), &by_key(b)),
                (
                    Content::Boolean(_)
                    | Content::Integer(_)
                    | Content::Float(_)
                    | Content::String(_)
                    | Content::List(_)
                    | Content::Mapping(_),
                    _,
                ) => false,
            }
    }
}

fn by_key(entries: &[Element]) -> Vec<Element> {
    let mut sorted = entries.to_vec();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted
}

/// Each with whether it stood on a line of its own.
fn take_comments(element: &mut Element, found: &mut Vec<(bool, String)>) {
    let above = std::mem::take(&mut element.above);
    found.extend(above.into_iter().filter(|comment| !comment.is_empty()).map(|comment| (true, comment)));
    found.extend(element.beside.take().map(|comment| (false, comment)));
    for part in element.parts_mut() {
        take_comments(part, found);
    }
}

/// Comments, each on a line of its own.
fn comment_lines(out: &mut String, comments: &[String], indent: usize) {
    for comment in comments {
        if !comment.is_empty() {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(comment);
        }
        out.push('\n');
    }
}

/// The rest of a line, with the comment that belongs to it.
fn end_line(out: &mut String, beside: Option<&String>) {
    if let Some(comment) = beside {
        out.push(' ');
        out.push_str(comment);
    }
    out.push('\n');
}

/// A number with a fraction as all three syntaxes read it.
fn float(value: f64) -> String {
    format!("{value:?}")
}

/// Whether a string is for reading on lines of its own: it has more than one.
fn has_lines(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
}

/// Characters that cannot be told from others, or that move the line: they are written as escapes.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{fff9}'..='\u{ffff}' | '\u{a0}')
}
