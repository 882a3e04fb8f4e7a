//! One pipe of one attempt: bytes in, lines out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A line longer than this is passed on in pieces, as container runtimes do (rule 177).
const LONGEST: usize = 16 * 1024;

/// A piece of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Without the newline.
    pub(super) bytes: &'a [u8],
    /// The line goes on in the next piece.
    pub(super) is_partial: bool,
}

/// The read end of a container's stdout or stderr.
pub(super) struct Stream {
    pipe: OwnedFd,
    /// It is a terminal, which ends lines with a carriage return before the newline.
    pub(super) is_terminal: bool,
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Stream {
    pub(super) fn new(pipe: OwnedFd, is_terminal: bool) -> Self {
        Self { pipe, is_terminal, rest: Vec::new() }
    }

    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Passes on the lines that `bytes` complete and keeps the beginning of the next.
    pub(super) fn take(&mut self, bytes: &[u8], mut emit: impl FnMut(Line<'_>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let end = piece.strip_suffix(b"\n");
            let end = end.map(|line| line.strip_suffix(b"\r").filter(|_| self.is_terminal).unwrap_or(line));
            if let Some(line) = end.filter(|line| self.rest.is_empty() && line.len() <= LONGEST) {
                emit(Line { bytes: line, is_partial: false });
                continue;
            }
            self.rest.extend_from_slice(end.unwrap_or(piece));
            while let Some((bytes, _)) = cut(&self.rest) {
                emit(Line { bytes, is_partial: true });
                let length = bytes.len();
                self.rest.drain(..length);
            }
            if end.is_some() {
                emit(Line { bytes: &self.rest, is_partial: false });
                self.rest.clear();
            }
        }
    }

    /// Passes on what came last without a newline.
    pub(super) fn finish(self, mut emit: impl FnMut(Line<'_>)) {
        if !self.rest.is_empty() {
            emit(Line { bytes: &self.rest, is_partial: false });
        }
    }
}

/// The first piece of a line that is too long to be passed on whole, and what follows it. A piece does
/// not end within a letter: JSON could not say what it was.
fn cut(line: &[u8]) -> Option<(&[u8], &[u8])> {
    if line.len() <= LONGEST {
        return None;
    }
    let is_inside = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let end = (LONGEST - 3..=LONGEST).rev().find(|at| !is_inside(at)).unwrap_or(LONGEST);
    line.split_at_checked(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (read, _) = nix::unistd::pipe().unwrap();
        let mut stream = Stream::new(read, false);
        let mut lines = Vec::new();
        let mut note = |line: Line<'_>| lines.push((line.bytes.to_vec(), line.is_partial));
        for chunk in chunks {
            stream.take(chunk, &mut note);
        }
        stream.finish(&mut note);
        lines
    }

    #[test]
    fn a_line_is_whole_however_it_comes() {
        let expected = [(b"one".to_vec(), false), (b"".to_vec(), false), (b"two".to_vec(), false)];
        assert_eq!(lines(&[b"one\n\ntwo"]), expected);
        assert_eq!(lines(&[b"o", b"ne", b"\n", b"\ntw", b"o"]), expected);
    }

    #[test]
    fn a_line_without_end_is_passed_on_in_pieces_and_nothing_is_lost() {
        let long = vec![b'x'; 2 * LONGEST + 5];
        let lines = lines(&[&long, b"\ny\n"]);
        let lengths: Vec<_> = lines.iter().map(|(bytes, partial)| (bytes.len(), *partial)).collect();
        assert_eq!(lengths, [(LONGEST, true), (LONGEST, true), (5, false), (1, false)]);
    }

    #[test]
    fn a_long_line_is_cut_at_the_same_places_however_it_comes() {
        for length in [LONGEST - 1, LONGEST, LONGEST + 1, 2 * LONGEST - 1, 2 * LONGEST] {
            let line = [vec![b'x'; length], b"\n".to_vec()].concat();
            let whole = lines(&[&line]);
            assert_eq!(whole.iter().filter(|(_, is_partial)| *is_partial).count(), (length - 1) / LONGEST);
            for cut in [1, LONGEST - 1, LONGEST, length] {
                let (one, two) = line.split_at(cut.min(length));
                assert_eq!(lines(&[one, two]), whole, "{length} bytes, apart at {cut}");
            }
        }
    }

    #[test]
    fn a_piece_ends_between_letters_if_there_are_any() {
        for before in 0..4 {
            let line = ["x".repeat(before), "🦀".repeat(LONGEST / 4 + 1)].concat();
            let pieces = lines(&[line.as_bytes()]);
            assert!(pieces.iter().all(|(bytes, _)| str::from_utf8(bytes).is_ok()), "{before}");
        }
        let bytes = lines(&[&vec![0b1000_0000; LONGEST + 1]]);
        assert_eq!(bytes.iter().map(|(bytes, _)| bytes.len()).collect::<Vec<_>>(), [LONGEST, 1]);
    }
}
