//! Where a host is: /etc/hosts, then the name servers of /etc/resolv.conf. Not the C library's resolver: in
//! a static program it loads the libraries of whatever root it finds (PRIV-15).

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::PollFlags;
use resolv_conf::Config;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use super::wire::connect;
use super::{Deadline, Failed};
use crate::runtime::probe::connection::addresses;
use crate::spec::ProbeHost;

/// Neither of the two files is longer.
const LONGEST: u64 = 4 << 20;
const DNS: u16 = 53;

/// What a name server says of a name.
enum Found {
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    Nothing,
}

/// The host's addresses; not empty.
pub(super) fn addresses_of(host: &ProbeHost, deadline: Deadline) -> Result<Vec<IpAddr>, Failed> {
    match host {
        ProbeHost::Pod | ProbeHost::Localhost | ProbeHost::Address(_) => Ok(addresses(host).to_vec()),
        ProbeHost::Name(name) => {
            look_up(name, deadline).map_err(|error| Failed::to(&format!("find host {name:?}"), error))
        }
    }
}

fn look_up(name: &str, deadline: Deadline) -> io::Result<Vec<IpAddr>> {
    let absolute = name.trim_end_matches('.');
    let is_local = absolute.eq_ignore_ascii_case("localhost");
    let mut found = read("/etc/hosts").map_or_else(Vec::new, |hosts| in_hosts(&hosts, absolute));
    if found.is_empty() && is_local {
        found.extend_from_slice(addresses(&ProbeHost::Localhost));
    }
    if !found.is_empty() {
        return Ok(found);
    }
    let text = read("/etc/resolv.conf").unwrap_or_default();
    let config =
        Config::parse(text).map_err(|error| io::Error::other(format!("/etc/resolv.conf: {error}")))?;
    for candidate in candidates(name, &config) {
        if let Found::Addresses(addresses) = ask_servers(&candidate, &config, deadline)? {
            return Ok(addresses);
        }
    }
    Err(io::Error::other("no such host"))
}

fn read(path: &str) -> Option<String> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// hosts(5).
fn in_hosts(hosts: &str, name: &str) -> Vec<IpAddr> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let address_of = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    lines.filter_map(address_of).collect()
}

/// The names to ask for, in order (resolv.conf(5): ndots, search).
fn candidates(name: &str, config: &Config) -> Vec<String> {
    if let Some(absolute) = name.strip_suffix('.') {
        return vec![absolute.to_owned()];
    }
    let searched = config.get_last_search_or_domain().filter(|domain| !domain.is_empty() && *domain != ".");
    let mut all: Vec<_> = searched.map(|domain| format!("{name}.{}", domain.trim_end_matches('.'))).collect();
    let dots = u32::try_from(name.matches('.').count()).unwrap_or(u32::MAX);
    let place = if dots >= config.ndots { 0 } else { all.len() };
    all.insert(place, name.to_owned());
    all
}

/// Asks one server after the other, as often as resolv.conf(5) says.
fn ask_servers(name: &str, config: &Config, deadline: Deadline) -> io::Result<Found> {
    let local = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let given: Vec<IpAddr> = config.nameservers.iter().map(IpAddr::from).collect();
    let servers = if given.is_empty() { &local[..] } else { &given };
    let patience = Duration::from_secs(u64::from(config.timeout.max(1)));
    let mut last = io::Error::other("no name server answered");
    for server in (0..config.attempts.max(1)).flat_map(|_| servers) {
        let to = SocketAddr::new(*server, DNS);
        deadline.left()?;
        match ask_server(name, to, deadline.at_most(patience)) {
            Ok(found) => return Ok(found),
            Err(error) => {
                last = io::Error::other(format!("name server {server}: {}", crate::runtime::cause(error)))
            }
        }
    }
    Err(last)
}

fn ask_server(name: &str, server: SocketAddr, deadline: Deadline) -> io::Result<Found> {
    let mut addresses = Vec::new();
    for kind in [TYPE::A, TYPE::AAAA] {
        let query = Query::new(name, kind)?;
        let mut answer = query.over_udp(server, deadline)?;
        if Packet::parse(&answer).is_ok_and(|packet| packet.has_flags(PacketFlag::TRUNCATION)) {
            answer = query.over_tcp(server, deadline)?;
        }
        let packet = Packet::parse(&answer).map_err(io::Error::other)?;
        let code = packet.rcode();
        if code != RCODE::NoError && code != RCODE::NameError {
            return Err(io::Error::other(format!("it answers {code:?}")));
        }
        addresses.extend(packet.answers.iter().filter_map(|answer| address_in(&answer.rdata)));
    }
    Ok(if addresses.is_empty() { Found::Nothing } else { Found::Addresses(addresses) })
}

fn address_in(data: &RData<'_>) -> Option<IpAddr> {
    if let RData::A(data) = data {
        Some(IpAddr::V4(Ipv4Addr::from(data.address)))
    } else if let RData::AAAA(data) = data {
        Some(IpAddr::V6(Ipv6Addr::from(data.address)))
    } else {
        None
    }
}

/// A question to a name server.
struct Query {
    id: u16,
    bytes: Vec<u8>,
}

impl Query {
    fn new(name: &str, kind: TYPE) -> io::Result<Self> {
        // Whoever cannot see the question cannot answer it in somebody else's name.
        let [low, high, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
        let id = u16::from_ne_bytes([low, high]);
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let name = Name::new(name).map_err(io::Error::other)?;
        packet.questions.push(Question::new(name, QTYPE::TYPE(kind), QCLASS::CLASS(CLASS::IN), false));
        let bytes = packet.build_bytes_vec().map_err(io::Error::other)?;
        Ok(Self { id, bytes })
    }

    fn over_udp(&self, server: SocketAddr, deadline: Deadline) -> io::Result<Vec<u8>> {
        let any = if server.is_ipv4() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        } else {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        // Only this server's datagrams are received then.
        socket.connect(server)?;
        socket.send(&self.bytes)?;
        let mut buffer = [0; 4096];
        loop {
            deadline.wait(socket.as_fd(), PollFlags::POLLIN)?;
            let count = match socket.recv(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let answer = buffer.get(..count).unwrap_or_default();
            if self.is_answered_by(answer) {
                return Ok(answer.to_vec());
            }
        }
    }

    /// For an answer that is too long for a datagram.
    fn over_tcp(&self, server: SocketAddr, deadline: Deadline) -> io::Result<Vec<u8>> {
        use std::io::Write;
        let mut wire = connect(server, deadline)?;
        let length = u16::try_from(self.bytes.len()).map_err(io::Error::other)?;
        wire.write_all(&[&length.to_be_bytes(), &self.bytes[..]].concat())?;
        let mut length = [0; 2];
        wire.read_exact(&mut length)?;
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        wire.read_exact(&mut answer)?;
        if self.is_answered_by(&answer) {
            Ok(answer)
        } else {
            Err(io::Error::other("it answers something else"))
        }
    }

    fn is_answered_by(&self, answer: &[u8]) -> bool {
        Packet::parse(answer)
            .is_ok_and(|packet| packet.id() == self.id && packet.has_flags(PacketFlag::RESPONSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_may_have_several_names_and_comments() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.9 db\n10.0.0.1\tDB db.example # the first\n::1 db\nx db\n";
        let addresses: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(in_hosts(hosts, "db"), addresses);
        assert!(in_hosts(hosts, "example").is_empty());
    }

    #[test]
    fn short_names_are_searched_first() {
        let config = Config::parse("search a.example b.example\noptions ndots:2\n").unwrap();
        assert_eq!(candidates("db", &config), ["db.a.example", "db.b.example", "db"]);
        assert_eq!(candidates("db.x.y", &config), ["db.x.y", "db.x.y.a.example", "db.x.y.b.example"]);
        assert_eq!(candidates("db.", &config), ["db"]);
    }
}
