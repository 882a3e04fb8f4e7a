//! What the YAML parser reads from: a string that ends early when reading it takes too many steps, and
//! whose lines inside brackets are indented as the parser wants it. Knows characters and the order in
//! which the parser asks for them.

use saphyr_parser::Input;
use saphyr_parser::input::SkipTabs;
use std::cell::{Cell, RefCell};

/// What the input and its user share, as the parser owns the input.
pub(super) struct Reading {
    steps_left: Cell<usize>,
    /// For each stretch of spaces that was put in: where it ends, in characters as the parser counts
    /// them, and how many spaces have been put in up to there.
    added: RefCell<Vec<(usize, usize)>>,
}

impl Reading {
    pub fn new(steps: usize) -> Self {
        Self { steps_left: Cell::new(steps), added: RefCell::default() }
    }

    /// Whether the text was cut off.
    pub fn given_up(&self) -> bool {
        self.steps_left.get() == 0
    }

    /// Where the parser's character `index` stands in the text, in characters.
    pub fn index_in_text(&self, index: usize) -> usize {
        let added = self.added.borrow();
        let before = added.partition_point(|(end, _)| *end <= index);
        let total = before.checked_sub(1).and_then(|last| added.get(last)).map_or(0, |(_, total)| *total);
        match added.get(before) {
            // Inside of what was put in.
            Some((end, next)) if *end - (*next - total) < index => *end - *next,
            Some(_) | None => index - total,
        }
    }
}

/// A string for the parser.
///
/// **Steps.** The parser holds back every token of a flow collection that might be a key (`{a: b}: c`)
/// until it closes, some 100 times its text. It asks for four characters once for each token and each
/// word, which is how its steps are counted; where they are used up, the text just ends.
///
/// **Indentation.** YAML 1.2 wants lines inside of brackets deeper than the key, and so does the parser.
/// Kubernetes' does not, and manifests close a bracket in the column of its key. Such a line gets the
/// spaces it lacks; what it says does not change, as spaces at the start of a line mean nothing inside
/// brackets. A bracket is one where the parser skips it and then looks for the end of the line.
pub(super) struct ManifestInput<'a> {
    text: &'a str,
    rest: &'a str,
    reading: &'a Reading,
    lookahead: usize,
    /// Characters that were read.
    index: usize,
    /// Spaces that are read before `rest` goes on.
    spaces: usize,
    /// The last character that was skipped for itself.
    skipped: char,
    /// Brackets that are open.
    depth: usize,
    /// Columns that a line inside the outermost bracket starts with at least.
    indentation: usize,
}

impl<'a> ManifestInput<'a> {
    pub fn new(text: &'a str, reading: &'a Reading) -> Self {
        Self {
            text,
            rest: text,
            reading,
            lookahead: 0,
            index: 0,
            spaces: 0,
            skipped: '\0',
            depth: 0,
            indentation: 0,
        }
    }

    fn next(&mut self) -> Option<char> {
        if self.spaces > 0 {
            self.spaces -= 1;
            self.index += 1;
            return Some(' ');
        }
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.index += 1;
        if self.depth > 0 && (c == '\n' || (c == '\r' && !self.rest.starts_with('\n'))) {
            self.indent();
        }
        Some(c)
    }

    /// Puts spaces before the line that starts here, if it has too few.
    fn indent(&mut self) {
        let line = self.rest.trim_start_matches(' ');
        let nothing = line.is_empty() || line.starts_with(['\n', '\r', '#']);
        let marker = self.rest.starts_with("---") || self.rest.starts_with("...");
        let lacking = self.indentation.saturating_sub(self.rest.len() - line.len());
        if lacking > 0 && !nothing && !marker {
            self.spaces = lacking;
            let mut added = self.reading.added.borrow_mut();
            let total = added.last().map_or(0, |(_, total)| *total);
            added.push((self.index + lacking, total + lacking));
        }
    }

    /// A bracket was opened; it is the last character that was read.
    fn open(&mut self) {
        // No manifest indents deeper, and a hostile one is not to gain by it.
        const DEEPEST: usize = 200;
        self.depth += 1;
        if self.depth == 1 {
            let before = self.text.get(..self.text.len() - self.rest.len()).unwrap_or_default();
            let line = before.rsplit(['\n', '\r']).next().unwrap_or_default();
            // A list's dashes indent what follows them.
            let content = line.trim_start_matches([' ', '-', '?']);
            self.indentation = (line.len() - content.len() + 1).min(DEEPEST);
        }
    }
}

impl Input for ManifestInput<'_> {
    fn lookahead(&mut self, count: usize) {
        if count == 4 {
            let left = self.reading.steps_left.get().saturating_sub(1);
            self.reading.steps_left.set(left);
            if left == 0 {
                (self.rest, self.spaces) = ("", 0);
            }
        }
        self.lookahead = self.lookahead.max(count);
    }

    fn buflen(&self) -> usize {
        self.lookahead
    }

    fn bufmaxlen(&self) -> usize {
        128
    }

    fn raw_read_ch(&mut self) -> char {
        self.next().unwrap_or('\0')
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        let ends = matches!(self.peek(), '\0' | '\n' | '\r' | '\u{feff}');
        if ends { None } else { self.next() }
    }

    fn skip(&mut self) {
        self.skipped = self.next().unwrap_or('\0');
    }

    fn skip_n(&mut self, count: usize) {
        for _ in 0..count {
            self.skip();
        }
    }

    fn peek(&self) -> char {
        self.peek_opt().unwrap_or('\0')
    }

    fn peek_nth(&self, n: usize) -> char {
        match n.checked_sub(self.spaces) {
            Some(n) => self.rest.chars().nth(n).unwrap_or('\0'),
            None => ' ',
        }
    }

    fn peek_opt(&self) -> Option<char> {
        if self.spaces > 0 { Some(' ') } else { self.rest.chars().next() }
    }

    fn skip_ws_to_eol(&mut self, skip_tabs: SkipTabs) -> (usize, Result<SkipTabs, &'static str>) {
        match self.skipped {
            '[' | '{' => self.open(),
            ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.skipped = '\0';
        let from = self.index;
        let (mut tabs, mut spaces) = (false, false);
        loop {
            match self.peek() {
                ' ' => spaces = true,
                '\t' if skip_tabs == SkipTabs::Yes => tabs = true,
                '#' if tabs || spaces => {
                    while self.raw_read_non_breakz_ch().is_some() {}
                    break;
                }
                '#' => {
                    let message = "comments must be separated from other tokens by whitespace";
                    return (self.index - from, Err(message));
                }
                _ => break,
            }
            self.next();
        }
        (self.index - from, Ok(SkipTabs::Result(tabs, spaces)))
    }

    fn fetch_while_is_yaml_non_space(&mut self, out: &mut String) -> usize {
        let from = self.index;
        while !matches!(self.peek(), '\0' | '\n' | '\r' | '\u{feff}' | ' ' | '\t') {
            out.extend(self.next());
        }
        // A word of a directive may end with a bracket that is none.
        self.skipped = '\0';
        self.index - from
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saphyr_parser::{Event, Parser};

    /// The events of a text and the characters at which each starts; `None` where it is no YAML.
    fn events<'a, T: Input>(
        parser: Parser<'a, T>,
        index: impl Fn(usize) -> usize,
    ) -> Option<Vec<(usize, Event<'a>)>> {
        parser.map(|event| event.ok().map(|(event, span)| (index(span.start.index()), event))).collect()
    }

    fn read(text: &str) -> Option<Vec<(usize, String)>> {
        let reading = Reading::new(usize::MAX);
        let found =
            events(Parser::new(ManifestInput::new(text, &reading)), |index| reading.index_in_text(index));
        found.map(|events| events.into_iter().map(|(at, event)| (at, format!("{event:?}"))).collect())
    }

    #[test]
    fn what_the_parser_reads_without_help_it_reads_the_same_with_it() {
        let parts = [
            "a", "b: ", "- ", "? ", ": ", "[", "]", "{", "}", ",", "\n", "\n", "  ", " ", "\t", "#",
            " # c\n", "'", "\"", "|\n", ">\n", "&x ", "*x", "!t ", "---\n", "...\n", "%T [\n", "é", "\r\n",
            "\r", "[a", "x]", "a[ ", "a{\t", "- [\n", "k: {\n", "  k: [\n", "}\n", "\u{feff}",
        ];
        let mut seed = 1_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        let mut compared = 0;
        for _ in 0..100_000 {
            let text: String = (0..=random(14)).map(|_| parts[random(parts.len())]).collect();
            let Some(plain) = events(Parser::new_from_str(&text), |index| index) else { continue };
            let plain: Vec<(usize, String)> =
                plain.into_iter().map(|(at, event)| (at, format!("{event:?}"))).collect();
            assert_eq!(read(&text), Some(plain), "{text:?}");
            compared += 1;
        }
        assert!(compared > 5_000, "{compared}");
    }

    #[test]
    fn a_bracket_may_close_in_the_column_of_its_key() {
        let deep = "a:\n  - b: [\n      c, {\n        d: e\n      }\n    ]\n    f: g\n";
        let flat = "a:\n  - b: [\n    c, {\n    d: e\n    }\n    ]\n    f: g\n";
        let words = |text: &str| -> Vec<String> {
            read(text).unwrap_or_else(|| panic!("{text}")).into_iter().map(|(_, event)| event).collect()
        };
        assert_eq!(words(flat), words(deep));
        let at = |text: &str, word: &str| {
            let event = format!("\"{word}\"");
            read(text).unwrap().into_iter().find(|(_, found)| found.contains(&event)).unwrap().0
        };
        for word in ["c", "d", "e", "f", "g"] {
            assert_eq!(at(flat, word), flat.find(word).unwrap(), "{word}");
        }
    }
}
