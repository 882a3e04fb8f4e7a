//! What containers print, on its way to the supervisor's own stdout and stderr. Nothing here ever
//! waits: a reader that does not read stops the containers' pipes from being read, and nothing else.

mod format;
mod sink;
mod stream;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub(crate) use format::Format;
use format::Style;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use sink::Sink;
pub(crate) use sink::standard;
use stream::Stream;

use super::unwatch;

use crate::pod::Timestamp;
use crate::spec::{ContainerId, Pod};

/// Bytes of a container's log that may become its termination message (rule 132).
const TAIL: usize = 2048;

/// One of a container's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// How much is read from one pipe before others get their turn, and how much text may come of it.
const CHUNK: usize = 16 * 1024;
const CHUNK_OF_TEXT: usize = 256 * 1024;

/// How many chunks are read before the rest of the supervisor's work gets its turn.
const CHUNKS: usize = 4;

/// How much may be held for a reader that does not read, before anything is dropped: more than comes of
/// reading once, and then what each container may leave in its pipes. What a container prints while it
/// runs is never dropped: its pipe is not read for a sink that is full.
const MOST: usize = 512 * 1024;
const MOST_OF_EACH: usize = 1024 * 1024;

/// The two ways out, and the containers' pipes that lead to each.
pub(crate) struct Output {
    style: Style,
    ways: Ways,
    /// By position of the container; stdout, then stderr.
    streams: Vec<[Option<Stream>; 2]>,
    /// The end of what containers printed whose termination message it may be (rule 132).
    tails: BTreeMap<ContainerId, Vec<u8>>,
    /// Whose terminal is shown on podinit's, as it comes.
    shown: Option<ContainerId>,
    buffer: Box<[u8]>,
}

struct Ways {
    out: Way,
    /// `None` where stderr is the same file as stdout: one way, or lines would cut into one another.
    err: Option<Way>,
}

/// A sink, and the pipes that are read for it while it takes more.
struct Way {
    sink: Sink,
    pipes: Epoll,
    watches_pipes: bool,
    watches_sink: bool,
}

impl Output {
    /// The way out for the containers of `pod`, through these descriptors. `color` is the user's wish;
    /// it is granted on a terminal.
    pub(crate) fn new(
        pod: &Pod,
        format: Format,
        color: bool,
        out: OwnedFd,
        err: OwnedFd,
    ) -> io::Result<Self> {
        let most = MOST + MOST_OF_EACH * pod.iter().count();
        let (out, err) = (Sink::new(out, most), Sink::new(err, most));
        let err = if out.is_same_file(&err) { None } else { Some(Way::new(err)?) };
        let style = Style::new(pod, format, color);
        let chunk = CHUNK.min(CHUNK_OF_TEXT / style.most_of_a_byte());
        Ok(Self {
            style,
            ways: Ways { out: Way::new(out)?, err },
            streams: Vec::new(),
            tails: BTreeMap::new(),
            shown: None,
            buffer: vec![0; chunk].into_boxed_slice(),
        })
    }

    /// Reads `pipe` from now on as what the container prints to `kind`.
    pub(crate) fn add(&mut self, container: ContainerId, kind: Kind, pipe: OwnedFd) -> io::Result<()> {
        self.add_stream(container, kind, pipe, false)
    }

    /// Reads the other side of its terminal as what the container prints.
    pub(crate) fn add_terminal(&mut self, container: ContainerId, master: OwnedFd) -> io::Result<()> {
        self.add_stream(container, Kind::Stdout, master, true)
    }

    /// Who has podinit's terminal, which is raw, sees what comes of his own at once and as it is.
    pub(crate) fn show_terminal(&mut self, shown: Option<ContainerId>) {
        self.shown = shown;
        self.ways.each(|way| way.sink.set_raw(shown.is_some()));
    }

    fn add_stream(
        &mut self,
        container: ContainerId,
        kind: Kind,
        pipe: OwnedFd,
        is_terminal: bool,
    ) -> io::Result<()> {
        // A container can open its end for reading and take back what was there a moment ago. The flag is
        // this end's alone: writers wait as they always do.
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let position = container.position();
        if self.streams.len() <= position {
            self.streams.resize_with(position + 1, || [None, None]);
        }
        self.ways.of(kind).pipes.add(&pipe, EpollEvent::new(EpollFlags::EPOLLIN, token(container, kind)))?;
        if let Some(slot) = slot(&mut self.streams, container, kind) {
            *slot = Some(Stream::new(pipe, is_terminal));
        }
        Ok(())
    }

    /// Keeps the end of what the container prints from now on, of both streams as it comes.
    pub(crate) fn keep_tail(&mut self, container: ContainerId) {
        self.tails.insert(container, Vec::new());
    }

    /// The end of what the container has printed; empty where it is not kept.
    pub(crate) fn take_tail(&mut self, container: ContainerId) -> String {
        let tail = self.tails.remove(&container).unwrap_or_default();
        String::from_utf8_lossy(&tail).into_owned()
    }

    /// A message of the supervisor's own, on stderr.
    pub(crate) fn message(&mut self, text: &[u8]) {
        let sink = &mut self.ways.of(Kind::Stderr).sink;
        let is_terminal = sink.is_terminal();
        sink.put(text.len(), |out| format::write_message(text, is_terminal, out));
    }

    /// Reads what the pipes of one way hold, chunk by chunk, while the sink takes it.
    pub(crate) fn pump(&mut self, kind: Kind, now: Timestamp) {
        for _ in 0..CHUNKS {
            let way = self.ways.of(kind);
            // One at a time: a pipe that was named goes to the end of epoll's queue, and of those named
            // but not read before the sink was full always the same would come first.
            let mut event = [EpollEvent::empty()];
            if way.sink.is_full() || way.pipes.wait(&mut event, EpollTimeout::ZERO) != Ok(1) {
                return;
            }
            let [event] = event;
            let (container, kind) = of_token(event.data());
            self.read(container, kind, CHUNK, now);
        }
    }

    /// The main process ended: what it wrote before is taken out now, up to what the pipe holds at
    /// this moment. Descendants may hold the pipe and go on writing.
    pub(crate) fn drain(&mut self, container: ContainerId, now: Timestamp) {
        for kind in [Kind::Stdout, Kind::Stderr] {
            let stream = slot(&mut self.streams, container, kind).and_then(|slot| slot.as_ref());
            let held = stream.map_or(Ok(0), |stream| match stream.is_terminal {
                // What was written a moment ago is on its way: only reading tells.
                true => Ok(MOST_OF_EACH),
                false => crate::sys::bytes_available(stream.pipe()),
            });
            let mut left = held.unwrap_or(0);
            while left > 0 {
                match self.read(container, kind, left, now) {
                    0 => break,
                    count => left = left.saturating_sub(count),
                }
            }
        }
    }

    /// Nothing of the attempt is left: the rest is taken out and the pipes are closed.
    pub(crate) fn close(&mut self, container: ContainerId, now: Timestamp) {
        self.drain(container, now);
        for kind in [Kind::Stdout, Kind::Stderr] {
            self.end(container, kind, now);
        }
    }

    /// Hands over what the sinks hold, as far as they take it.
    pub(crate) fn flush(&mut self) {
        self.ways.each(|way| way.sink.flush());
    }

    /// Hands over what is held, waiting up to `limit` for whoever reads it; the rest is dropped.
    pub(crate) fn flush_within(&mut self, limit: Duration) {
        let Ways { out, err } = &mut self.ways;
        match err {
            Some(err) => Sink::flush_within(&mut [&mut out.sink, &mut err.sink], limit),
            None => Sink::flush_within(&mut [&mut out.sink], limit),
        }
    }

    /// How many bytes had to be dropped since this was last asked, once there is room to say so.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        let mut dropped = 0;
        self.ways.each(|way| dropped += way.sink.take_dropped());
        dropped
    }

    /// Why a way out takes nothing from now on, once.
    pub(crate) fn take_refusal(&mut self) -> Option<Errno> {
        let mut refusal = None;
        self.ways.each(|way| refusal = refusal.or(way.sink.take_refusal()));
        refusal
    }

    /// Has the loop's epoll watch what is worth watching: pipes while their sink takes more, a sink
    /// while it holds something. Idle means that neither wakes anybody.
    pub(crate) fn watch(&mut self, epoll: &Epoll, tokens: impl Fn(Kind) -> (u64, u64)) {
        let (pipes, sink) = tokens(Kind::Stdout);
        self.ways.out.watch(epoll, pipes, sink);
        if let Some(err) = &mut self.ways.err {
            let (pipes, sink) = tokens(Kind::Stderr);
            err.watch(epoll, pipes, sink);
        }
    }

    /// Reads once, at most `limit` bytes, and passes on the lines that are complete. 0 is the end, or
    /// nothing there.
    fn read(&mut self, container: ContainerId, kind: Kind, limit: usize, now: Timestamp) -> usize {
        let Some(Some(stream)) = slot(&mut self.streams, container, kind) else { return 0 };
        let limit = limit.min(self.buffer.len());
        let Some(room) = self.buffer.get_mut(..limit) else { return 0 };
        match nix::unistd::read(stream.pipe(), room) {
            Ok(0) => {
                self.end(container, kind, now);
                0
            }
            Ok(count) => {
                let sink = &mut self.ways.of(kind).sink;
                let bytes = self.buffer.get(..count).unwrap_or_default();
                if let Some(tail) = self.tails.get_mut(&container) {
                    keep_end(tail, bytes);
                }
                if self.shown == Some(container) && stream.is_terminal && self.style.shows_terminals() {
                    sink.put_as_is(bytes);
                } else if self.style.is_raw() {
                    sink.put(count, |out| out.extend_from_slice(bytes));
                } else {
                    stream.take(bytes, |line| self.style.write(container, kind, line, now, sink));
                }
                sink.flush();
                count
            }
            // Nobody has the other side of the terminal any more.
            Err(Errno::EIO) if stream.is_terminal => {
                self.end(container, kind, now);
                0
            }
            Err(_) => 0,
        }
    }

    fn end(&mut self, container: ContainerId, kind: Kind, now: Timestamp) {
        let Some(stream) = slot(&mut self.streams, container, kind).and_then(Option::take) else { return };
        let way = self.ways.of(kind);
        unwatch(&way.pipes, stream.pipe());
        stream.finish(|line| self.style.write(container, kind, line, now, &mut way.sink));
        way.sink.flush();
    }
}

/// Adds to the end of a log, of which [`TAIL`] bytes are kept.
fn keep_end(tail: &mut Vec<u8>, bytes: &[u8]) {
    let bytes = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or_default();
    let too_many = (tail.len() + bytes.len()).saturating_sub(TAIL);
    tail.drain(..too_many);
    tail.extend_from_slice(bytes);
}

/// Puts text out through a standard stream, without a pod; what is not read in time is dropped.
pub(crate) fn put(stream: impl AsFd, text: &[u8], limit: Duration) {
    if let Ok(fd) = standard(stream) {
        let mut sink = Sink::new(fd, MOST);
        sink.put(text.len(), |out| out.extend_from_slice(text));
        Sink::flush_within(&mut [&mut sink], limit);
    }
}

impl Ways {
    fn of(&mut self, kind: Kind) -> &mut Way {
        match (kind, &mut self.err) {
            (Kind::Stderr, Some(err)) => err,
            (Kind::Stderr, None) | (Kind::Stdout, _) => &mut self.out,
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Way)) {
        act(&mut self.out);
        self.err.iter_mut().for_each(act);
    }
}

impl Way {
    fn new(sink: Sink) -> io::Result<Self> {
        let pipes = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { sink, pipes, watches_pipes: false, watches_sink: false })
    }

    fn watch(&mut self, epoll: &Epoll, pipes: u64, sink: u64) {
        let wanted = !self.sink.is_full();
        if wanted != self.watches_pipes && set(epoll, &self.pipes.0, EpollFlags::EPOLLIN, pipes, wanted) {
            self.watches_pipes = wanted;
        }
        let wanted = !self.sink.is_empty();
        if wanted != self.watches_sink && set(epoll, &self.sink, EpollFlags::EPOLLOUT, sink, wanted) {
            self.watches_sink = wanted;
        }
    }
}

fn set(epoll: &Epoll, fd: &impl AsFd, flags: EpollFlags, token: u64, wanted: bool) -> bool {
    match wanted {
        true => epoll.add(fd, EpollEvent::new(flags, token)).is_ok(),
        false => epoll.delete(fd).is_ok(),
    }
}

fn slot(
    streams: &mut [[Option<Stream>; 2]],
    container: ContainerId,
    kind: Kind,
) -> Option<&mut Option<Stream>> {
    let [out, err] = streams.get_mut(container.position())?;
    Some(match kind {
        Kind::Stdout => out,
        Kind::Stderr => err,
    })
}

fn token(container: ContainerId, kind: Kind) -> u64 {
    (container.position() as u64) << 1 | u64::from(kind == Kind::Stderr)
}

fn of_token(token: u64) -> (ContainerId, Kind) {
    let kind = if token & 1 == 0 { Kind::Stdout } else { Kind::Stderr };
    (ContainerId::at(usize::try_from(token >> 1).unwrap_or(usize::MAX)), kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{self, Options, Source, Syntax};

    fn pod() -> Pod {
        let text = "[[containers]]\nname = \"main\"\ncommand = [\"true\"]\n".to_owned();
        let source = Source { name: "pod.toml".to_owned(), text, syntax: Syntax::Toml };
        let options = Options::default();
        spec::load(&[source], &options).pod.unwrap()
    }

    #[test]
    fn what_a_container_has_taken_back_from_its_pipe_is_not_waited_for() {
        let [out, err] = [(), ()].map(|()| std::fs::File::create("/dev/null").unwrap().into());
        let mut output = Output::new(&pod(), Format::Text, false, out, err).unwrap();
        let (read, _write) = nix::unistd::pipe().unwrap();
        let main = ContainerId::at(0);
        output.add(main, Kind::Stdout, read).unwrap();
        assert_eq!(output.read(main, Kind::Stdout, 1, Timestamp::from_nanos(0)), 0);
    }
}
