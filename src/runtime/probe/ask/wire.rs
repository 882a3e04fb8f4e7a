//! A connection that is waited for: to the first address of a host that takes it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, recv, send};

use super::{Deadline, Failed, names};
use crate::runtime::probe::connection::{is_connected, start_connecting};
use crate::spec::ProbeHost;

/// A connection that stands. Reading and writing wait until its deadline.
#[derive(Debug)]
pub(super) struct Wire {
    socket: OwnedFd,
    deadline: Deadline,
    /// What the other side said first, as far as that matters.
    first: Vec<u8>,
}

/// What a server says to something that it does not understand, if it speaks HTTP without TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/";

impl Wire {
    pub(super) fn open(host: &ProbeHost, port: u16, deadline: Deadline) -> Result<Self, Failed> {
        let mut failed = Failed("cannot connect: the host has no address".to_owned());
        for address in names::addresses_of(host, deadline)? {
            let to = SocketAddr::new(address, port);
            match connect(to, deadline) {
                Ok(wire) => return Ok(wire),
                Err(error) => failed = Failed::to(&format!("connect to {to}"), error),
            }
        }
        Err(failed)
    }

    /// Whether the other side answered as a server does that speaks HTTP without TLS.
    #[cfg_attr(
        not(any(feature = "https", feature = "grpc")),
        expect(dead_code, reason = "only TLS and HTTP/2 ask")
    )]
    pub(super) fn speaks_plain_http(&self) -> bool {
        self.first == PLAIN_HTTP
    }

    /// Reads what is there; `WouldBlock` if nothing is.
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?;
        let missing = PLAIN_HTTP.len().saturating_sub(self.first.len());
        self.first.extend(buffer.iter().take(count.min(missing)));
        Ok(count)
    }

    /// Writes what there is room for; `WouldBlock` if there is none.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?)
    }

    /// Waits until this can be done.
    pub(super) fn wait(&self, flags: PollFlags) -> io::Result<()> {
        self.deadline.wait(self.socket.as_fd(), flags)
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::POLLIN)?,
                other => return other,
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PollFlags::POLLOUT)?,
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A connection to this address.
pub(super) fn connect(to: SocketAddr, deadline: Deadline) -> io::Result<Wire> {
    let socket = start_connecting(to)?;
    deadline.wait(socket.as_fd(), PollFlags::POLLOUT)?;
    is_connected(&socket, to)?;
    Ok(Wire { socket, deadline, first: Vec::new() })
}
