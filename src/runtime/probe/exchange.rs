//! One GET over plain HTTP in the loop: connecting, sending, receiving, and once more for each redirect. It
//! knows sockets that are ready, not time.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollFlags};
use nix::sys::socket::{MsgFlags, recv, send};

use super::connection::Connection;
use super::http::{Answer, Next, Request};
use super::{Progress, Question, Result, Verdict};
use crate::runtime::cause;

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    connection: Connection,
    request: Request,
    state: State,
}

#[derive(Debug)]
enum State {
    Connecting,
    Sending { bytes: Vec<u8>, sent: usize },
    Receiving(Answer),
}

impl Exchange {
    pub(super) fn open(request: Request) -> std::result::Result<Self, Result> {
        let connection = Connection::open(&request.get.host, request.get.port)?;
        Ok(Self { connection, request, state: State::Connecting })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self, epoll: &Epoll) -> Progress {
        match self.try_advance(epoll) {
            Ok(progress) => progress,
            Err(errno) => {
                let answer = format!("cannot talk to {}: {}", self.request.authority(), cause(errno));
                Progress::Done((Verdict::Failure, answer))
            }
        }
    }

    fn try_advance(&mut self, epoll: &Epoll) -> std::result::Result<Progress, Errno> {
        if let State::Connecting = self.state {
            match self.connection.finish(epoll) {
                Err(result) => return Ok(Progress::Done(result)),
                Ok(false) => return Ok(Progress::Reconnected),
                Ok(true) => self.state = State::Sending { bytes: self.request.bytes(), sent: 0 },
            }
        }
        if let State::Sending { bytes, sent } = &mut self.state {
            while let Some(rest) = bytes.get(*sent..).filter(|rest| !rest.is_empty()) {
                let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
                match send(self.connection.socket().as_raw_fd(), rest, flags) {
                    Ok(count) => *sent += count,
                    Err(Errno::EAGAIN) => return Ok(Progress::Wait(EpollFlags::EPOLLOUT)),
                    Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            self.state = State::Receiving(Answer::default());
        }
        self.receive(epoll)
    }

    /// Reads once: a server that sends for ever takes its turns like everybody else.
    fn receive(&mut self, epoll: &Epoll) -> std::result::Result<Progress, Errno> {
        let again = Ok(Progress::Wait(EpollFlags::EPOLLIN));
        let State::Receiving(answer) = &mut self.state else { return again };
        let mut buffer = [0; 16 * 1024];
        let count = match recv(self.connection.socket().as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(count) => count,
            Err(Errno::EAGAIN | Errno::EINTR) => return again,
            Err(errno) => return Err(errno),
        };
        match answer.take(buffer.get(..count).unwrap_or_default(), count == 0) {
            Ok(None) => again,
            Ok(Some(answer)) => Ok(match self.request.judge(&answer) {
                Next::Done(result) => Progress::Done(result),
                Next::Again => self.redirect(epoll),
            }),
            Err(what) => {
                let what = format!("cannot understand the answer of {}: {what}", self.request.authority());
                Ok(Progress::Done((Verdict::Failure, what)))
            }
        }
    }

    fn redirect(&mut self, epoll: &Epoll) -> Progress {
        let question = Question::Http(self.request.clone());
        if question.needs_child() {
            return Progress::Elsewhere(question);
        }
        self.state = State::Connecting;
        match Connection::open(&self.request.get.host, self.request.get.port) {
            Ok(connection) => {
                self.connection.replace(connection, epoll);
                Progress::Reconnected
            }
            Err(result) => Progress::Done(result),
        }
    }
}
