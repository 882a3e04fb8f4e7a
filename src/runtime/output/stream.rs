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
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
}

impl Stream {
    pub(super) fn new(pipe: OwnedFd) -> Self {
        Self { pipe, rest: Vec::new() }
    }

    pub(super) fn pipe(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }

    /// Passes on the lines that `bytes` complete and keeps the beginning of the next.
    pub(super) fn take(&mut self, bytes: &[u8], mut emit: impl FnMut(Line<'_>)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(end) if self.rest.is_empty() => emit(Line { bytes: end, is_partial: false }),
                Some(end) => {
                    self.rest.extend_from_slice(end);
                    emit(Line { bytes: &self.rest, is_partial: false });
                    self.rest.clear();
                }
                None => self.rest.extend_from_slice(piece),
            }
            while let Some((bytes, _)) = self.rest.split_at_checked(LONGEST) {
                emit(Line { bytes, is_partial: true });
                self.rest.drain(..LONGEST);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (read, _) = nix::unistd::pipe().unwrap();
        let mut stream = Stream::new(read);
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
}
