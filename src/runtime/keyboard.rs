//! What is typed on podinit's terminal, on its way to the one container that reads it. Where that has a terminal
//! of its own, podinit's is made raw, so that every key reaches it, and is as it was afterwards whatever becomes
//! of podinit.

use std::fmt;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, pipe2, read, setsid, tcgetpgrp, write};

use super::apart::{self, OwnCopy};
use super::unwatch;
use crate::spec::ContainerId;
use crate::sys;

/// Bytes that are read at once.
const CHUNK: usize = 4096;
/// How often something is read before the rest of the supervisor's work gets its turn.
const MOST_IN_A_TURN: usize = 16;

/// podinit's terminal, as an input.
pub(super) struct Keyboard {
    /// A description of its own, where one can be had.
    terminal: OwnedFd,
    reader: Option<Reader>,
    /// What was read and has found no room.
    pending: Vec<u8>,
    waits: Waits,
    token: u64,
}

/// Who reads what is typed.
struct Reader {
    container: ContainerId,
    sink: OwnedFd,
    /// The end of what is typed is the reader's end as well.
    ends: bool,
    raw: Option<Raw>,
}

/// What the loop is to wake for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Nothing,
    Typing,
    Room,
}

/// How what is typed is passed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// The container has a terminal.
    pub(super) has_terminal: bool,
    /// See [`Stdin::Once`](crate::spec::Stdin).
    pub(super) ends: bool,
}

impl Keyboard {
    /// Where standard input is a terminal. `token` is what the loop is woken with.
    pub(super) fn find(token: u64) -> Option<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        if !io::stdin().is_terminal() {
            return None;
        }
        // One that is another user's (su(1)) cannot be opened anew.
        let terminal = match open("/proc/self/fd/0", flags, Mode::empty()) {
            Ok(terminal) => terminal,
            Err(_) => io::stdin().as_fd().try_clone_to_owned().ok()?,
        };
        Some(Self { terminal, reader: None, pending: Vec::new(), waits: Waits::Nothing, token })
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (u16, u16) {
        sys::terminal_size(self.terminal.as_fd()).unwrap_or_default()
    }

    /// Passes on from now on what is typed. Whether the terminal is raw, and the process that keeps its settings.
    pub(super) fn begin(
        &mut self,
        container: ContainerId,
        sink: OwnedFd,
        manner: Manner,
        epoll: &Epoll,
    ) -> Result<Option<i32>, Errno> {
        self.end(container, epoll);
        fcntl(&sink, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        // In the background what is typed is somebody else's.
        let is_ours = tcgetpgrp(&self.terminal).is_ok_and(|group| group == getpgrp());
        let raw = match manner.has_terminal && is_ours {
            true => Some(Raw::begin(&self.terminal)?),
            false => None,
        };
        let keeper = raw.as_ref().map(|raw| raw.keeper.copy.pid());
        self.reader = Some(Reader { container, sink, ends: manner.ends, raw });
        self.resize();
        if is_ours {
            self.wait(Waits::Typing, epoll);
        }
        Ok(keeper)
    }

    /// The container reads no more. Gives the process that kept the terminal's settings.
    pub(super) fn end(&mut self, container: ContainerId, epoll: &Epoll) -> Option<i32> {
        if self.reader.as_ref().is_none_or(|reader| reader.container != container) {
            return None;
        }
        self.wait(Waits::Nothing, epoll);
        self.pending.clear();
        Some(self.reader.take()?.raw?.keeper.copy.pid())
    }

    /// The container's terminal gets the size of podinit's.
    fn resize(&self) {
        if let Some(Reader { sink, raw: Some(_), .. }) = &self.reader {
            let _ = sys::set_terminal_size(sink.as_fd(), self.size());
        }
    }

    /// What podinit hears of its terminal.
    pub(super) fn take_signal(&mut self, signal: i32, epoll: &Epoll) {
        match signal {
            libc::SIGWINCH => self.resize(),
            libc::SIGCONT => self.go_on(epoll),
            _ => {}
        }
    }

    /// podinit may be in the foreground again: what is typed is for the container.
    fn go_on(&mut self, epoll: &Epoll) {
        let is_ours = tcgetpgrp(&self.terminal).is_ok_and(|group| group == getpgrp());
        if is_ours && self.reader.is_some() && self.waits == Waits::Nothing {
            self.wait(Waits::Typing, epoll);
        }
    }

    /// Something was typed, or there is room for it.
    pub(super) fn advance(&mut self, epoll: &Epoll) {
        for _ in 0..MOST_IN_A_TURN {
            let Some(reader) = &mut self.reader else { return };
            let passed = if self.pending.is_empty() {
                let mut ready = [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)];
                if poll(&mut ready, PollTimeout::ZERO) != Ok(1) {
                    return self.wait(Waits::Typing, epoll);
                }
                let mut bytes = [0; CHUNK];
                // One that is gone for ever reads as nothing, and is always ready.
                let is_gone = ready.iter().any(|it| {
                    it.revents().is_some_and(|is| is.intersects(PollFlags::POLLHUP | PollFlags::POLLERR))
                });
                match read(&self.terminal, &mut bytes) {
                    Ok(0) if reader.ends || is_gone => return self.close(epoll),
                    // The end of what is typed can be typed again.
                    Ok(0) => return,
                    Ok(count) => {
                        self.pending.extend_from_slice(bytes.get(..count).unwrap_or_default());
                        Ok(())
                    }
                    Err(Errno::EAGAIN) => return self.wait(Waits::Typing, epoll),
                    Err(errno) => Err(errno),
                }
            } else {
                match write(&reader.sink, &self.pending) {
                    Ok(count) => {
                        self.pending.drain(..count);
                        Ok(())
                    }
                    Err(Errno::EAGAIN) => return self.wait(Waits::Room, epoll),
                    Err(errno) => Err(errno),
                }
            };
            match passed {
                Ok(()) | Err(Errno::EINTR) => {}
                // Nobody types or reads any more.
                Err(_) => return self.wait(Waits::Nothing, epoll),
            }
        }
        let next = if self.pending.is_empty() { Waits::Typing } else { Waits::Room };
        self.wait(next, epoll);
    }

    fn close(&mut self, epoll: &Epoll) {
        self.wait(Waits::Nothing, epoll);
        if let Some(Reader { container, raw: None, .. }) = self.reader {
            self.end(container, epoll);
        }
    }

    fn wait(&mut self, waits: Waits, epoll: &Epoll) {
        if waits == self.waits {
            return;
        }
        let sink = self.reader.as_ref().map(|reader| &reader.sink);
        match (self.waits, sink) {
            (Waits::Typing, _) => unwatch(epoll, &self.terminal),
            (Waits::Room, Some(sink)) => unwatch(epoll, sink),
            (Waits::Room, None) | (Waits::Nothing, _) => {}
        }
        let done = match (waits, sink) {
            (Waits::Typing, _) => epoll.add(&self.terminal, EpollEvent::new(EpollFlags::EPOLLIN, self.token)),
            (Waits::Room, Some(sink)) => epoll.add(sink, EpollEvent::new(EpollFlags::EPOLLOUT, self.token)),
            (Waits::Room, None) | (Waits::Nothing, _) => Ok(()),
        };
        self.waits = if done.is_ok() { waits } else { Waits::Nothing };
    }
}

impl fmt::Debug for Keyboard {
    /// What was typed may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyboard").finish_non_exhaustive()
    }
}

/// A terminal that is raw, and how it was.
struct Raw {
    terminal: OwnedFd,
    before: Termios,
    keeper: Keeper,
}

impl Raw {
    fn begin(terminal: &OwnedFd) -> Result<Self, Errno> {
        let before = tcgetattr(terminal)?;
        let keeper = Keeper::start(&before)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(terminal, SetArg::TCSANOW, &raw)?;
        let terminal = terminal.try_clone().map_err(|_| Errno::EMFILE)?;
        Ok(Self { terminal, before, keeper })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}

/// A copy of the supervisor that gives standard input its settings back where podinit cannot: it was killed.
struct Keeper {
    copy: OwnCopy,
    /// While this is open podinit lives.
    _life: OwnedFd,
}

impl Keeper {
    fn start(before: &Termios) -> Result<Self, Errno> {
        let (life, ours) = pipe2(OFlag::O_CLOEXEC)?;
        let copy = OwnCopy::begin(|| {
            sys::close_others(life.as_fd());
            // Whoever is in another session may set the terminal in the background too.
            let _ = setsid();
            while read(&life, &mut [0]) == Err(Errno::EINTR) {}
            let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, before);
        });
        let copy = copy.map_err(apart::errno)?;
        Ok(Self { copy, _life: ours })
    }
}
