//! A connection being made in the loop, to the first of several addresses that takes it (rule 64).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::Epoll;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, connect, getsockname,
    getsockopt, socket, sockopt,
};

use super::{Progress, Result, Verdict};
use crate::runtime::{cause, unwatch};
use crate::spec::ProbeHost;

/// A connection that is being made, or that stands.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    to: SocketAddr,
    others: Vec<SocketAddr>,
}

impl Connection {
    /// Begins to connect. Fails at once where no address can even be tried.
    pub(super) fn open(host: &ProbeHost, port: u16) -> std::result::Result<Self, Result> {
        let addresses = addresses(host).iter().map(|address| SocketAddr::new(*address, port)).collect();
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
        // What podinit itself has too little of says nothing of the server.
        let is_own = matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS);
        let verdict = if is_own { Verdict::Error } else { Verdict::Failure };
        Err((verdict, format!("cannot connect to {to}: {}", cause(errno))))
    }

    /// The socket is writable: it is connected, or was refused and another address is tried.
    pub(super) fn advance(&mut self, epoll: &Epoll) -> Progress {
        match self.finish(epoll) {
            Ok(true) => Progress::Done((Verdict::Success, String::new())),
            Ok(false) => Progress::Reconnected,
            Err(result) => Progress::Done(result),
        }
    }

    /// Whether the connection stands; if not, another address is being tried.
    pub(super) fn finish(&mut self, epoll: &Epoll) -> std::result::Result<bool, Result> {
        let Err(errno) = is_connected(&self.socket, self.to) else { return Ok(true) };
        let others = std::mem::take(&mut self.others);
        if others.is_empty() {
            return Err((Verdict::Failure, format!("cannot connect to {}: {}", self.to, cause(errno))));
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

/// Whether a socket that is not being connected any more is connected, and to somebody else.
pub(super) fn is_connected(socket: &OwnedFd, to: SocketAddr) -> std::result::Result<(), Errno> {
    match getsockopt(socket, sockopt::SocketError)? {
        0 if is_to_itself(socket, to) => Err(Errno::ECONNREFUSED),
        0 => Ok(()),
        code => Err(Errno::from_raw(code)),
    }
}

/// Whether a socket has met itself: where nobody listens on a port that the kernel gives away, it may give
/// just this one to the socket that asks for it (tcp(7) calls it a simultaneous open).
fn is_to_itself(socket: &OwnedFd, to: SocketAddr) -> bool {
    let own = match to {
        SocketAddr::V4(_) => {
            getsockname::<SockaddrIn>(socket.as_raw_fd()).map(|own| SocketAddr::V4(own.into()))
        }
        SocketAddr::V6(_) => {
            getsockname::<SockaddrIn6>(socket.as_raw_fd()).map(|own| SocketAddr::V6(own.into()))
        }
    };
    own.is_ok_and(|own| (own.ip(), own.port()) == (to.ip(), to.port()))
}

/// Where a host is that no resolver has to be asked about.
pub(super) fn addresses(host: &ProbeHost) -> &[IpAddr] {
    const LOCAL: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    match host {
        ProbeHost::Pod => LOCAL.get(..1).unwrap_or_default(),
        ProbeHost::Localhost => &LOCAL,
        ProbeHost::Address(address) => std::slice::from_ref(address),
        ProbeHost::Name(_) => &[],
    }
}

/// A socket that is being connected.
pub(super) fn start_connecting(to: SocketAddr) -> std::result::Result<OwnedFd, Errno> {
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

#[cfg(test)]
mod tests {
    use nix::sys::epoll::EpollCreateFlags;
    use nix::sys::socket::bind;

    use super::*;

    #[test]
    fn a_socket_that_meets_itself_has_met_no_server() {
        let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
        for address in addresses(&ProbeHost::Localhost) {
            let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
            let socket = socket(family, SockType::Stream, SockFlag::empty(), SockProtocol::Tcp).unwrap();
            let fd = socket.as_raw_fd();
            let to = match SocketAddr::new(*address, 0) {
                SocketAddr::V4(any) => {
                    bind(fd, &SockaddrIn::from(any)).unwrap();
                    let own: SockaddrIn = getsockname(fd).unwrap();
                    connect(fd, &own).unwrap();
                    SocketAddr::V4(own.into())
                }
                SocketAddr::V6(any) => {
                    // Where there is no IPv6 there is nothing to meet.
                    let Ok(()) = bind(fd, &SockaddrIn6::from(any)) else { continue };
                    let own: SockaddrIn6 = getsockname(fd).unwrap();
                    connect(fd, &own).unwrap();
                    SocketAddr::V6(own.into())
                }
            };
            let mut connection = Connection { socket, to, others: Vec::new() };
            let (verdict, why) = connection.finish(&epoll).unwrap_err();
            assert_eq!(
                (verdict, why),
                (Verdict::Failure, format!("cannot connect to {to}: connection refused"))
            );
        }
    }
}
