//! A descriptor that is written to without ever waiting, and what it has not taken yet. The file behind
//! it is shared with others (a shell, the containers), so that it is never made non-blocking for them.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::runtime::clock;

/// More than this is held back: the containers' pipes are not read any more.
const FULL: usize = 64 * 1024;

/// A way out.
pub(super) struct Sink {
    fd: OwnedFd,
    method: Method,
    /// Device and inode, by which two descriptors of one file are known.
    file: Option<(u64, u64)>,
    is_terminal: bool,
    /// The terminal is raw: it begins a new line where it is told to, and nowhere else.
    is_raw: bool,
    backlog: Vec<u8>,
    /// More than this is not held: it is dropped and counted.
    most: usize,
    dropped: u64,
    /// Why nothing is taken at present, as a full disk takes nothing.
    refusal: Option<Errno>,
    is_refusal_told: bool,
}

/// How to write without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// A regular file or a device that never makes one wait.
    Plain,
    /// A socket: MSG_DONTWAIT.
    Socket,
    /// A pipe: RWF_NOWAIT.
    NoWait,
    /// Opened anew through /proc, non-blocking: a terminal, which a plain write waits for as long as
    /// Ctrl-S holds it, or a pipe before Linux 6.4.
    Reopened,
    /// Asked with poll before each small write, where nothing else is to be had.
    Polled,
    /// Nobody will ever read it.
    Dead,
}

impl Sink {
    pub(super) fn new(fd: OwnedFd, most: usize) -> Self {
        let stat = fstat(&fd).ok();
        let kind = stat.as_ref().map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT);
        let file = stat.map(|stat| (stat.st_dev, stat.st_ino));
        let is_terminal = kind == Some(SFlag::S_IFCHR) && fd.is_terminal();
        let (fd, method) = match kind {
            None => (fd, Method::Dead),
            Some(SFlag::S_IFSOCK) => (fd, Method::Socket),
            Some(SFlag::S_IFIFO) => (fd, Method::NoWait),
            Some(_) if is_terminal => reopen(fd),
            Some(_) => (fd, Method::Plain),
        };
        let backlog = Vec::new();
        Self {
            fd,
            method,
            file,
            is_terminal,
            is_raw: false,
            backlog,
            most,
            dropped: 0,
            refusal: None,
            is_refusal_told: false,
        }
    }

    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        self.file.is_some() && self.file == other.file
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Holds so much that nothing more should be read for it.
    pub(super) fn is_full(&self) -> bool {
        self.backlog.len() >= FULL
    }

    pub(super) fn is_empty(&self) -> bool {
        self.backlog.is_empty()
    }

    /// Adds what `write` appends, about `length` bytes; or drops it where too much is held already.
    pub(super) fn put(&mut self, length: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if self.method == Method::Dead {
            // Whoever closed it does not want to hear of it.
        } else if self.backlog.len() >= self.most {
            self.dropped += length as u64;
        } else {
            let before = self.backlog.len();
            write(&mut self.backlog);
            if self.is_raw {
                let lines = self.backlog.split_off(before);
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    self.backlog.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
                    if line.ends_with(b"\n") {
                        self.backlog.extend_from_slice(b"\r\n");
                    }
                }
            }
        }
    }

    /// Adds what a terminal shows, as it is.
    pub(super) fn put_as_is(&mut self, bytes: &[u8]) {
        let is_raw = std::mem::replace(&mut self.is_raw, false);
        self.put(bytes.len(), |out| out.extend_from_slice(bytes));
        self.is_raw = is_raw;
    }

    /// The terminal has become raw, or is so no more.
    pub(super) fn set_raw(&mut self, is_raw: bool) {
        self.is_raw = is_raw && self.is_terminal;
    }

    /// Writes all that these sinks hold, waiting up to `limit` for whoever reads it; the rest is
    /// dropped.
    pub(super) fn flush_within(sinks: &mut [&mut Self], limit: Duration) {
        let deadline = clock::now().mono + limit;
        loop {
            sinks.iter_mut().for_each(|sink| sink.flush());
            let left = deadline.since(clock::now().mono);
            let held = sinks.iter().filter(|sink| !sink.is_empty());
            let mut held: Vec<_> = held.map(|sink| PollFd::new(sink.as_fd(), PollFlags::POLLOUT)).collect();
            if held.is_empty() || left.is_zero() {
                break;
            }
            let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).max(1);
            let _ = poll(&mut held, millis);
        }
        for sink in sinks {
            sink.dropped += sink.backlog.len() as u64;
            sink.backlog.clear();
            sink.refusal = None;
        }
    }

    /// Dropped bytes, once what comes is taken again or nothing more will come.
    pub(super) fn take_dropped(&mut self) -> u64 {
        if self.is_full() || self.refusal.is_some() { 0 } else { std::mem::take(&mut self.dropped) }
    }

    /// Why nothing is taken from now on, once.
    pub(super) fn take_refusal(&mut self) -> Option<Errno> {
        let refusal = self.refusal.filter(|_| !self.is_refusal_told);
        self.is_refusal_told = self.refusal.is_some();
        refusal
    }

    /// Writes as much as is taken without waiting.
    pub(super) fn flush(&mut self) {
        let mut done = 0;
        while let Some(rest) = self.backlog.get(done..).filter(|rest| !rest.is_empty()) {
            match self.write(rest) {
                Ok(0) => break,
                Ok(count) => {
                    done += count;
                    self.refusal = None;
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break,
                Err(Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL) if self.method == Method::NoWait => {
                    self.find_other_method();
                }
                // The disk is full, and may not be so for ever.
                Err(errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => {
                    self.refusal = Some(errno);
                    self.dropped += (self.backlog.len() - done) as u64;
                    done = self.backlog.len();
                }
                Err(_) => {
                    self.method = Method::Dead;
                    done = self.backlog.len();
                }
            }
        }
        if done == self.backlog.len() {
            self.backlog.clear();
            self.backlog.shrink_to(FULL);
        } else {
            self.backlog.drain(..done);
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match self.method {
            Method::Plain => nix::unistd::write(&self.fd, bytes),
            Method::Socket => {
                send(self.fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)
            }
            Method::NoWait => crate::sys::write_without_waiting(self.fd.as_fd(), bytes).map_err(errno),
            Method::Reopened => nix::unistd::write(&self.fd, bytes),
            Method::Polled => crate::sys::write_if_there_is_room(self.fd.as_fd(), bytes).map_err(errno),
            Method::Dead => Err(Errno::EPIPE),
        }
    }

    fn find_other_method(&mut self) {
        let Ok(copy) = self.fd.try_clone() else { return self.method = Method::Polled };
        (self.fd, self.method) = reopen(copy);
    }
}

impl AsFd for Sink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn reopen(fd: OwnedFd) -> (OwnedFd, Method) {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    match open(path.as_str(), flags, Mode::empty()) {
        Ok(opened) => (opened, Method::Reopened),
        Err(_) => (fd, Method::Polled),
    }
}

/// What is needed of a standard stream to make a sink.
pub(crate) fn standard(stream: impl AsFd) -> io::Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}
