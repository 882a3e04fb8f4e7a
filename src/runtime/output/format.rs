//! How a line of a container is shown: with its name before it, as JSON, or as it is.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use super::Kind;
use super::sink::Sink;
use super::stream::Line;
use crate::pod::Timestamp;
use crate::spec::{ContainerId, Pod};

/// What the output looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `name | line`; on a terminal aligned and coloured.
    Text,
    /// One JSON object a line.
    Json,
    /// The bytes as they come.
    Raw,
}

/// A format for the containers of one pod.
pub(super) struct Style {
    format: Format,
    color: bool,
    names: Vec<String>,
    /// Length of the longest name, to which names are padded on a terminal.
    width: usize,
}

/// Cyan, yellow, green, magenta, blue, red: one after the other, so that neighbours differ.
const COLORS: [&str; 6] = ["36", "33", "32", "35", "34", "31"];

impl Style {
    pub(super) fn new(pod: &Pod, format: Format, color: bool) -> Self {
        let names: Vec<_> = match format {
            Format::Raw => Vec::new(),
            Format::Text | Format::Json => pod.iter().map(|(_, _, c)| c.name.to_string()).collect(),
        };
        let width = names.iter().map(String::len).max().unwrap_or(0);
        Self { format, color, names, width }
    }

    /// Not where programs read it.
    pub(super) fn shows_terminals(&self) -> bool {
        self.format != Format::Json
    }

    pub(super) fn is_raw(&self) -> bool {
        self.format == Format::Raw
    }

    /// How many bytes a byte that is read may become: an empty line, with all that is put before it.
    pub(super) fn most_of_a_byte(&self) -> usize {
        match self.format {
            Format::Raw => 1,
            Format::Text => self.width + 16,
            Format::Json => self.width + 128,
        }
    }

    /// Writes one line of a container to the sink.
    pub(super) fn write(&self, id: ContainerId, kind: Kind, line: Line<'_>, now: Timestamp, sink: &mut Sink) {
        let name = self.names.get(id.position()).map_or("", String::as_str);
        let is_terminal = sink.is_terminal();
        sink.put(line.bytes.len() + 1, |out| match self.format {
            Format::Raw => out.extend_from_slice(line.bytes),
            Format::Json => write_json(name, kind, line, now, out),
            Format::Text if is_terminal => {
                let color = COLORS.get(id.position() % COLORS.len()).filter(|_| self.color);
                write_for_terminal(name, self.width, color.copied(), line.bytes, out);
            }
            Format::Text => {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b" | ");
                out.extend_from_slice(line.bytes);
                out.push(b'\n');
            }
        });
    }
}

/// Writes messages of the supervisor's own, which may repeat what a container's probe has said.
pub(super) fn write_message(text: &[u8], is_terminal: bool, out: &mut Vec<u8>) {
    if !is_terminal {
        return out.extend_from_slice(text);
    }
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        write_harmless(line.strip_suffix(b"\n").unwrap_or(line), false, out);
        out.push(b'\n');
    }
}

fn write_json(name: &str, kind: Kind, line: Line<'_>, now: Timestamp, out: &mut Vec<u8>) {
    let since = Duration::from_nanos(u64::try_from(now.as_nanos()).unwrap_or(0));
    let time = humantime::format_rfc3339_nanos(SystemTime::UNIX_EPOCH + since);
    let stream = match kind {
        Kind::Stdout => "stdout",
        Kind::Stderr => "stderr",
    };
    let text = String::from_utf8_lossy(line.bytes);
    let quoted = serde_json::Value::from(text.as_ref());
    let partial = if line.is_partial { ",\"partial\":true" } else { "" };
    // Names are DNS labels: nothing in them needs quoting. Writing to a Vec cannot fail.
    let _ = writeln!(
        out,
        "{{\"time\":\"{time}\",\"container\":\"{name}\",\"stream\":\"{stream}\",\"line\":{quoted}{partial}}}"
    );
}

fn write_for_terminal(name: &str, width: usize, color: Option<&str>, line: &[u8], out: &mut Vec<u8>) {
    let _ = match color {
        Some(color) => write!(out, "\x1b[{color}m{name:width$} |\x1b[0m "),
        None => write!(out, "{name:width$} | "),
    };
    if write_harmless(line, color.is_some(), out) {
        out.extend_from_slice(b"\x1b[0m");
    }
    out.push(b'\n');
}

/// Writes a line so that it cannot do anything to a terminal but show text: what a container prints is
/// not to move the cursor, set the title or answer for the user. Colours pass where they are wanted;
/// true if one was set. A carriage return at the end belongs to the line's end.
fn write_harmless(line: &[u8], keep_colors: bool, out: &mut Vec<u8>) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut colored = false;
    for chunk in line.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(position) = rest.find(|c: char| c.is_control() && c != '\t') {
            let (text, from) = rest.split_at(position);
            out.extend_from_slice(text.as_bytes());
            let color = color_at(from);
            let length = match color {
                Some(sequence) if keep_colors => {
                    out.extend_from_slice(sequence.as_bytes());
                    colored = true;
                    sequence.len()
                }
                Some(sequence) => sequence.len(),
                None => write_control(from, out),
            };
            rest = from.get(length..).unwrap_or_default();
        }
        out.extend_from_slice(rest.as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    colored
}

/// The colour sequence (`ESC [ digits and semicolons m`) that `text` begins with.
fn color_at(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters.get(end..)?.starts_with('m').then(|| text.get(..2 + end + 1))?
}

/// Shows the control character that `text` begins with: `^[` for ESC. Returns its length.
fn write_control(text: &str, out: &mut Vec<u8>) -> usize {
    let Some(control) = text.chars().next() else { return 0 };
    let shown = match u8::try_from(control) {
        Ok(code @ 0..=0x1f) => format!("^{}", char::from(code + b'@')),
        Ok(0x7f) => "^?".to_owned(),
        _ => format!("<U+{:04X}>", u32::from(control)),
    };
    out.extend_from_slice(shown.as_bytes());
    control.len_utf8()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmless(line: &[u8]) -> String {
        let mut out = Vec::new();
        write_harmless(line, true, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn log_05_no_sequence_but_a_colour_reaches_a_terminal() {
        assert_eq!(harmless(b"\x1b[2J\x1b[H"), "^[[2J^[[H");
        assert_eq!(harmless(b"\x1b]52;c;ZXZpbA==\x07"), "^[]52;c;ZXZpbA==^G");
        assert_eq!(harmless(b"\x1b]0;title\x1b\\"), "^[]0;title^[\\");
        assert_eq!(harmless("\u{9b}2J".as_bytes()), "<U+009B>2J");
        assert_eq!(harmless(b"\x9b2J"), "\u{fffd}2J");
        assert_eq!(harmless(b"rm -rf /\rls     "), "rm -rf /^Mls     ");
        assert_eq!(harmless(b"a\x08b\x7f\0"), "a^Hb^?^@");
        assert_eq!(harmless(b"\x1b[1;31mred\x1b[0m \x1b[31"), "\x1b[1;31mred\x1b[0m ^[[31");
    }

    #[test]
    fn text_with_tabs_and_letters_of_all_scripts_stays_as_it_is() {
        assert_eq!(harmless("a\tb žluťoučký 漢字 🦀\r".as_bytes()), "a\tb žluťoučký 漢字 🦀");
    }

    #[test]
    fn colours_are_taken_out_where_they_are_not_wanted() {
        let mut out = Vec::new();
        assert!(!write_harmless(b"\x1b[31mred\x1b[0m", false, &mut out));
        assert_eq!(out, b"red");
    }

    #[test]
    fn an_empty_line_does_not_become_longer_than_is_reckoned_with() {
        let (mut terminal, mut json) = (Vec::new(), Vec::new());
        let name = "a-name";
        write_for_terminal(name, 6, Some("36"), b"", &mut terminal);
        let line = Line { bytes: b"", is_partial: false };
        write_json(name, Kind::Stdout, line, Timestamp::from_nanos(1), &mut json);
        for (format, length) in [(Format::Text, terminal.len()), (Format::Json, json.len())] {
            let style = Style { format, color: true, names: Vec::new(), width: 6 };
            assert!(length <= style.most_of_a_byte(), "{format:?}: {length}");
        }
    }

    #[test]
    fn a_json_line_is_json_whatever_the_bytes() {
        let mut out = Vec::new();
        let line = Line { bytes: b"a\"b\\c\x1b\xff\n", is_partial: true };
        write_json("main", Kind::Stderr, line, Timestamp::from_nanos(1_000_000_001), &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["line"], "a\"b\\c\u{1b}\u{fffd}\n");
        assert_eq!(value["time"], "1970-01-01T00:00:01.000000001Z");
        assert_eq!(value["stream"], "stderr");
        assert_eq!(value["partial"], true);
    }
}
