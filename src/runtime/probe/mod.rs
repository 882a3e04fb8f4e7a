//! Executes probes: what is asked once, how the answer is judged (rules 60 to 64). When to probe and
//! what follows from it is the machine's business; so is the timeout, which comes as a cancellation.

mod http;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, connect, getsockopt, socket,
    sockopt,
};

use super::attempts::Executed;
use super::{cause, unwatch};
use crate::pod::{ExitStatus, ProbeOutcome, RunId};
use crate::spec::{HttpGet, HttpScheme, ProbeHandler, ProbeHost};
use http::Exchange;

/// So much of what a probe prints or answers is kept (rules 60, 62).
const OUTPUT: usize = 10 * 1024;

/// What a pipe holds at most (pipe(7)).
const PIPE: usize = 64 * 1024;

/// How an execution ended: for the machine, and in words for people.
pub(crate) type Result = (ProbeOutcome, String);

/// The executions under way.
#[derive(Debug, Default)]
pub(crate) struct Probes(BTreeMap<RunId, Execution>);

#[derive(Debug)]
enum Execution {
    Exec { executed: Executed, output: Vec<u8> },
    Connect(Connection),
    Http(Box<Exchange>),
}

/// A connection being made, to the first of several addresses that takes it.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    to: SocketAddr,
    others: Vec<SocketAddr>,
}

/// What is to be done with a socket next.
pub(super) enum Progress {
    /// Wait until this can be done.
    Wait(EpollFlags),
    /// A new socket is to be waited for until it can be written to; the old one is not watched any more.
    Reconnected,
    Done(Result),
}

impl Probes {
    /// Starts a probe over the network. `token` is what the loop's epoll will say about it. A result
    /// comes at once where nothing can be waited for.
    pub(crate) fn connect(
        &mut self,
        run: RunId,
        handler: &ProbeHandler,
        epoll: &Epoll,
        token: u64,
    ) -> Option<Result> {
        let execution = match handler {
            ProbeHandler::TcpSocket { host, port } => Connection::open(host, *port).map(Execution::Connect),
            ProbeHandler::HttpGet(HttpGet { host, port, path, http_headers, scheme: HttpScheme::Http }) => {
                Exchange::open(host.clone(), *port, path, http_headers).map(Box::new).map(Execution::Http)
            }
            // No manifest that asks for these is accepted yet.
            ProbeHandler::HttpGet(HttpGet { scheme: HttpScheme::Https, .. }) | ProbeHandler::Grpc { .. } => {
                return Some(cannot("probe", Errno::ENOSYS));
            }
            ProbeHandler::Exec { .. } => return None,
        };
        match execution {
            Err(result) => Some(result),
            Ok(execution) => {
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, token);
                if let Err(errno) = epoll.add(execution.fd(), event) {
                    return Some(cannot("watch a socket", errno));
                }
                self.0.insert(run, execution);
                None
            }
        }
    }

    /// A command runs as a probe.
    pub(crate) fn executes(&mut self, run: RunId, executed: Executed, epoll: &Epoll, token: u64) {
        let _ = epoll.add(&executed.output, EpollEvent::new(EpollFlags::EPOLLIN, token));
        self.0.insert(run, Execution::Exec { executed, output: Vec::new() });
    }

    /// Something can be done for the execution. Returns its result when it has come to one.
    pub(crate) fn advance(&mut self, run: RunId, epoll: &Epoll, token: u64) -> Option<Result> {
        let execution = self.0.get_mut(&run)?;
        let progress = match execution {
            Execution::Exec { executed, output } => {
                if !read_output(executed.output.as_fd(), output) {
                    unwatch(epoll, &executed.output);
                }
                return None;
            }
            Execution::Connect(connection) => connection.advance(epoll),
            Execution::Http(exchange) => exchange.advance(epoll),
        };
        let watched = match progress {
            Progress::Wait(flags) => epoll.modify(execution.fd(), &mut EpollEvent::new(flags, token)),
            Progress::Reconnected => epoll.add(execution.fd(), EpollEvent::new(EpollFlags::EPOLLOUT, token)),
            Progress::Done(result) => {
                self.forget(run, epoll);
                return Some(result);
            }
        };
        watched.err().map(|errno| {
            self.forget(run, epoll);
            cannot("watch a socket", errno)
        })
    }

    /// The process with this number ended. Returns the execution it was and its result, if it was one.
    pub(crate) fn exited(&mut self, pid: i32, status: ExitStatus, epoll: &Epoll) -> Option<(RunId, Result)> {
        let run = *self.0.iter().find(|(_, execution)| execution.is_process(pid))?.0;
        let Execution::Exec { executed, mut output } = self.forget(run, epoll)? else { return None };
        if let Some(failure) = executed.failure() {
            return Some((run, (ProbeOutcome::Failure, failure.message)));
        }
        // What it wrote is there; what its children go on writing does not matter (rule 61).
        read_output(executed.output.as_fd(), &mut output);
        let text = String::from_utf8_lossy(&output).trim_end().to_owned();
        let result = match status {
            ExitStatus::Code(0) => (ProbeOutcome::Success, text),
            ExitStatus::Code(code) => (ProbeOutcome::Failure, explain(&format!("exit code {code}"), &text)),
            ExitStatus::Signal(signal) => {
                (ProbeOutcome::Failure, explain(&format!("ended by {signal}"), &text))
            }
            ExitStatus::Unknown => (ProbeOutcome::Error, text),
        };
        Some((run, result))
    }

    /// The execution no longer matters. A command is killed, alone (rule 60); it is reaped with the rest.
    pub(crate) fn cancel(&mut self, run: RunId, epoll: &Epoll) {
        if let Some(Execution::Exec { executed, .. }) = self.forget(run, epoll) {
            let _ = crate::sys::send_signal(executed.process.as_fd(), libc::SIGKILL);
        }
    }

    fn forget(&mut self, run: RunId, epoll: &Epoll) -> Option<Execution> {
        let execution = self.0.remove(&run)?;
        unwatch(epoll, execution.fd());
        Some(execution)
    }

    /// Whether this process is a probe's command.
    pub(crate) fn has(&self, pid: i32) -> bool {
        self.0.values().any(|execution| execution.is_process(pid))
    }
}

impl Execution {
    fn is_process(&self, pid: i32) -> bool {
        match self {
            Self::Exec { executed, .. } => executed.pid == pid,
            Self::Connect(_) | Self::Http(_) => false,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Exec { executed, .. } => executed.output.as_fd(),
            Self::Connect(connection) => connection.socket.as_fd(),
            Self::Http(exchange) => exchange.connection().socket.as_fd(),
        }
    }
}

impl Connection {
    /// Begins to connect. Fails at once where no address can even be tried.
    pub(super) fn open(host: &ProbeHost, port: u16) -> std::result::Result<Self, Result> {
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let addresses = match host {
            ProbeHost::Pod => local.get(..1).unwrap_or_default(),
            ProbeHost::Localhost => &local,
            ProbeHost::Address(address) => std::slice::from_ref(address),
            ProbeHost::Name(_) => &[],
        };
        let addresses = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        Self::try_each(addresses, Errno::EADDRNOTAVAIL)
    }

    fn try_each(mut addresses: Vec<SocketAddr>, mut errno: Errno) -> std::result::Result<Self, Result> {
        let mut last = None;
        while !addresses.is_empty() {
            let to = addresses.remove(0);
            match start_connecting(to) {
                Ok(socket) => return Ok(Self { socket, to, others: addresses }),
                Err(error) => (errno, last) = (error, Some(to)),
            }
        }
        let to = last.map_or_else(|| "no address".to_owned(), |to| to.to_string());
        Err((ProbeOutcome::Failure, format!("cannot connect to {to}: {}", cause(errno))))
    }

    /// The socket is writable: it is connected, or was refused and another address is tried.
    fn advance(&mut self, epoll: &Epoll) -> Progress {
        match self.finish(epoll) {
            Ok(true) => Progress::Done((ProbeOutcome::Success, String::new())),
            Ok(false) => Progress::Reconnected,
            Err(result) => Progress::Done(result),
        }
    }

    /// Whether the connection stands; if not, another address is being tried.
    pub(super) fn finish(&mut self, epoll: &Epoll) -> std::result::Result<bool, Result> {
        let errno = match getsockopt(&self.socket, sockopt::SocketError) {
            Ok(0) => return Ok(true),
            Ok(code) => Errno::from_raw(code),
            Err(errno) => errno,
        };
        let others = std::mem::take(&mut self.others);
        if others.is_empty() {
            return Err((ProbeOutcome::Failure, format!("cannot connect to {}: {}", self.to, cause(errno))));
        }
        let next = Self::try_each(others, errno)?;
        self.replace(next, epoll);
        Ok(false)
    }

    /// Goes on with another connection.
    pub(super) fn replace(&mut self, other: Self, epoll: &Epoll) {
        unwatch(epoll, &self.socket);
        *self = other;
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }
}

fn start_connecting(to: SocketAddr) -> std::result::Result<OwnedFd, Errno> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, SockProtocol::Tcp)?;
    let connected = match to {
        SocketAddr::V4(to) => connect(socket.as_raw_fd(), &SockaddrIn::from(to)),
        SocketAddr::V6(to) => connect(socket.as_raw_fd(), &SockaddrIn6::from(to)),
    };
    match connected {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}

/// Takes what the pipe holds, not what may go on coming, and keeps the beginning. False at the end.
fn read_output(pipe: BorrowedFd<'_>, output: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    for _ in 0..PIPE / buffer.len() {
        match nix::unistd::read(pipe, &mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let room = OUTPUT.saturating_sub(output.len());
                output.extend(buffer.iter().take(count.min(room)));
            }
            Err(_) => return true,
        }
    }
    true
}

fn explain(what: &str, output: &str) -> String {
    if output.is_empty() { what.to_owned() } else { format!("{what}: {output}") }
}

/// The probe could not be carried out.
pub(super) fn cannot(what: &str, errno: Errno) -> Result {
    (ProbeOutcome::Error, format!("cannot {what}: {}", cause(errno)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_prints_without_end_does_not_have_the_supervisor_for_itself() {
        let endless = std::fs::File::open("/dev/zero").unwrap();
        let mut output = Vec::new();
        assert!(read_output(endless.as_fd(), &mut output));
        assert_eq!(output.len(), OUTPUT);
    }
}
