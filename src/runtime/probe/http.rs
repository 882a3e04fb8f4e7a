//! One HTTP probe: a GET over plain HTTP, its redirects within the host, the answer's status (rules 62,
//! 63). It knows sockets that are ready, not time.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollFlags};
use nix::sys::socket::{MsgFlags, recv, send};

use super::{Connection, OUTPUT, Progress, Result};
use crate::pod::ProbeOutcome;
use crate::runtime::cause;
use crate::spec::{HttpHeader, ProbeHost};

/// Redirects that are followed before it counts as a failure.
const REDIRECTS: u8 = 10;
/// An answer's head may be so long.
const HEAD: usize = 64 * 1024;
/// Interim answers that may come before the real one.
const INTERIM: u8 = 8;
const HEADERS: usize = 128;

/// A request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    connection: Connection,
    host: ProbeHost,
    port: u16,
    path: String,
    headers: Vec<HttpHeader>,
    redirects: u8,
    state: State,
}

#[derive(Debug)]
enum State {
    Connecting,
    Sending { request: Vec<u8>, sent: usize },
    Receiving { answer: Vec<u8>, interim: u8 },
}

/// What an answer's beginning says.
enum Answer {
    /// More must come.
    Incomplete,
    /// An interim answer of this length; the real one follows it.
    Interim(usize),
    Complete {
        status: u16,
        location: Option<String>,
        body: String,
    },
}

/// Where a redirect goes.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    SameHost { port: u16, path: String },
    OtherHost,
    Tls,
}

impl Exchange {
    pub(super) fn open(
        host: ProbeHost,
        port: u16,
        path: &str,
        headers: &[HttpHeader],
    ) -> std::result::Result<Self, Result> {
        Ok(Self {
            connection: Connection::open(&host, port)?,
            host,
            port,
            path: path.to_owned(),
            headers: headers.to_vec(),
            redirects: 0,
            state: State::Connecting,
        })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self, epoll: &Epoll) -> Progress {
        match self.try_advance(epoll) {
            Ok(progress) => progress,
            Err(errno) => {
                let answer = format!("cannot talk to {}: {}", self.authority(), cause(errno));
                Progress::Done((ProbeOutcome::Failure, answer))
            }
        }
    }

    fn try_advance(&mut self, epoll: &Epoll) -> std::result::Result<Progress, Errno> {
        if let State::Connecting = self.state {
            match self.connection.finish(epoll) {
                Err(result) => return Ok(Progress::Done(result)),
                Ok(false) => return Ok(Progress::Reconnected),
                Ok(true) => self.state = State::Sending { request: self.request(), sent: 0 },
            }
        }
        if let State::Sending { request, sent } = &mut self.state {
            while let Some(rest) = request.get(*sent..).filter(|rest| !rest.is_empty()) {
                let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
                match send(self.connection.socket().as_raw_fd(), rest, flags) {
                    Ok(count) => *sent += count,
                    Err(Errno::EAGAIN) => return Ok(Progress::Wait(EpollFlags::EPOLLOUT)),
                    Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            self.state = State::Receiving { answer: Vec::new(), interim: 0 };
        }
        self.receive(epoll)
    }

    /// Reads once: a server that sends for ever takes its turns like everybody else.
    fn receive(&mut self, epoll: &Epoll) -> std::result::Result<Progress, Errno> {
        let again = Ok(Progress::Wait(EpollFlags::EPOLLIN));
        let State::Receiving { answer, interim } = &mut self.state else { return again };
        let mut buffer = [0; 16 * 1024];
        let is_end = match recv(self.connection.socket().as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(count) => {
                answer.extend(buffer.iter().take(count));
                count == 0
            }
            Err(Errno::EAGAIN | Errno::EINTR) => return again,
            Err(errno) => return Err(errno),
        };
        let what = loop {
            match parse(answer, is_end) {
                Ok(Answer::Incomplete) => return again,
                Ok(Answer::Interim(_)) if *interim == INTERIM => break "too many interim answers".to_owned(),
                Ok(Answer::Interim(length)) => {
                    *interim += 1;
                    answer.drain(..length);
                }
                Ok(Answer::Complete { status, location, body }) => {
                    return Ok(self.judge(status, location.as_deref(), &body, epoll));
                }
                Err(what) => break what,
            }
        };
        let what = format!("cannot understand the answer of {}: {what}", self.authority());
        Ok(Progress::Done((ProbeOutcome::Failure, what)))
    }

    fn judge(&mut self, status: u16, location: Option<&str>, body: &str, epoll: &Epoll) -> Progress {
        let is_redirect = matches!(status, 301 | 302 | 303 | 307 | 308);
        let target = location.filter(|_| is_redirect).map(|location| self.target(location));
        let result = match target {
            Some(Target::SameHost { port, path }) => return self.redirect(port, path, epoll),
            Some(Target::OtherHost) => {
                (ProbeOutcome::Warning, format!("Probe terminated redirects, Response body: {body}"))
            }
            Some(Target::Tls) => {
                (ProbeOutcome::Failure, "cannot follow a redirect to https: not supported yet".to_owned())
            }
            None if (200..400).contains(&status) => (ProbeOutcome::Success, String::new()),
            None => (ProbeOutcome::Failure, format!("HTTP probe failed with statuscode: {status}")),
        };
        Progress::Done(result)
    }

    fn redirect(&mut self, port: u16, path: String, epoll: &Epoll) -> Progress {
        self.redirects += 1;
        if self.redirects > REDIRECTS {
            return Progress::Done((ProbeOutcome::Failure, format!("stopped after {REDIRECTS} redirects")));
        }
        (self.port, self.path, self.state) = (port, path, State::Connecting);
        match Connection::open(&self.host, port) {
            Ok(connection) => {
                self.connection.replace(connection, epoll);
                Progress::Reconnected
            }
            Err(result) => Progress::Done(result),
        }
    }

    fn target(&self, location: &str) -> Target {
        let with_path = |port, path: &str| {
            let path = path.split('#').next().unwrap_or_default();
            let slash = if path.starts_with('/') { "" } else { "/" };
            Target::SameHost { port, path: format!("{slash}{path}") }
        };
        let absolute = location.strip_prefix("//").or_else(|| strip_scheme(location, "http://"));
        if let Some(rest) = absolute {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            return match port_on(authority, &self.host_name()) {
                Some(port) => with_path(port, path),
                None => Target::OtherHost,
            };
        }
        if let Some(rest) = strip_scheme(location, "https://") {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return if port_on(authority, &self.host_name()).is_some() {
                Target::Tls
            } else {
                Target::OtherHost
            };
        }
        if location.starts_with('/') {
            return with_path(self.port, location);
        }
        let base = self.path.split(['?', '#']).next().unwrap_or_default();
        let directory = base.rfind('/').map_or("/", |end| base.get(..=end).unwrap_or("/"));
        with_path(self.port, &format!("{directory}{location}"))
    }

    fn host_name(&self) -> String {
        match &self.host {
            ProbeHost::Pod => "127.0.0.1".to_owned(),
            ProbeHost::Localhost => "localhost".to_owned(),
            ProbeHost::Address(address) => address.to_string(),
            ProbeHost::Name(name) => name.to_string(),
        }
    }

    fn authority(&self) -> String {
        match &self.host {
            ProbeHost::Address(address) => SocketAddr::new(*address, self.port).to_string(),
            ProbeHost::Pod | ProbeHost::Localhost | ProbeHost::Name(_) => {
                format!("{}:{}", self.host_name(), self.port)
            }
        }
    }

    /// What the manifest says replaces what we would say; an empty Accept says nothing (rule 63).
    fn request(&self) -> Vec<u8> {
        let given = |name: &str| self.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        let mut request = format!("GET {} HTTP/1.1\r\n", self.path);
        if !given("host") {
            request.push_str(&format!("Host: {}\r\n", self.authority()));
        }
        if !given("user-agent") {
            request.push_str("User-Agent: kube-probe/1.36\r\n");
        }
        if !given("accept") {
            request.push_str("Accept: */*\r\n");
        }
        for header in &self.headers {
            let is_suppressed = header.value.is_empty() && header.name.eq_ignore_ascii_case("accept");
            if !is_suppressed {
                request.push_str(&format!("{}: {}\r\n", header.name, header.value));
            }
        }
        request.push_str("Connection: close\r\n\r\n");
        request.into_bytes()
    }
}

fn strip_scheme<'a>(location: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = location.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// The port of `host` or `host:port`, if it is this host.
fn port_on(authority: &str, host: &str) -> Option<u16> {
    let authority = authority.rsplit('@').next()?;
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()?),
        _ => (authority, 80),
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case(host).then_some(port)
}

/// Understands an answer as far as it has come; `is_end` says that no more will.
fn parse(answer: &[u8], is_end: bool) -> std::result::Result<Answer, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(answer).map_err(|error| error.to_string())? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if is_end => return Err("it ends before its head does".to_owned()),
        httparse::Status::Partial if answer.len() > HEAD => return Err("its head is too long".to_owned()),
        httparse::Status::Partial => return Ok(Answer::Incomplete),
    };
    let status = response.code.unwrap_or(0);
    if (100..200).contains(&status) {
        return Ok(Answer::Interim(head));
    }
    let body = answer.get(head..).unwrap_or_default();
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
    };
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let is_chunked =
        header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
    let is_whole = match (is_chunked, length) {
        _ if status == 204 || status == 304 => true,
        (true, _) => are_chunks_whole(body),
        (false, Some(length)) => body.len() >= length,
        (false, None) => is_end,
    };
    if is_end && !is_whole {
        return Err("it ends before its body does".to_owned());
    }
    if !is_whole && body.len() < OUTPUT {
        return Ok(Answer::Incomplete);
    }
    let body = String::from_utf8_lossy(body.get(..OUTPUT).unwrap_or(body)).into_owned();
    Ok(Answer::Complete { status, location: header("location"), body })
}

fn are_chunks_whole(mut body: &[u8]) -> bool {
    while let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(body) {
        if size == 0 {
            return true;
        }
        let Some(next) = usize::try_from(size).ok().and_then(|size| start.checked_add(size)?.checked_add(2))
        else {
            return false;
        };
        let Some(rest) = body.get(next..) else { return false };
        body = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(path: &str) -> Exchange {
        Exchange::open(ProbeHost::Pod, 8080, path, &[]).unwrap()
    }

    fn status(answer: &[u8], is_end: bool) -> Option<u16> {
        match parse(answer, is_end) {
            Ok(Answer::Complete { status, .. }) => Some(status),
            Ok(Answer::Incomplete | Answer::Interim(_)) | Err(_) => None,
        }
    }

    #[test]
    fn an_answer_is_complete_when_its_body_is() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false), Some(200));
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", false), None);
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\nok", false), None);
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\nok", true), Some(200));
        assert_eq!(
            status(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false),
            Some(200)
        );
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", false), None);
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n\r\n", false), Some(204));
    }

    #[test]
    fn an_interim_answer_is_not_final() {
        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let both = [&interim[..], b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"].concat();
        let Ok(Answer::Interim(length)) = parse(&both, false) else { panic!("not interim") };
        assert_eq!(length, interim.len());
        assert_eq!(status(&both[length..], false), Some(500));
    }

    #[test]
    fn a_cut_answer_is_a_failure() {
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Le", true).is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", true).is_err());
        assert!(parse(b"SSH-2.0-OpenSSH_9.2\r\n", false).is_err());
    }

    #[test]
    fn rule_62_redirects_stay_on_the_host() {
        let exchange = exchange("/a/b?c=d");
        let here = |port, path: &str| Target::SameHost { port, path: path.to_owned() };
        assert_eq!(exchange.target("/x"), here(8080, "/x"));
        assert_eq!(exchange.target("x?y#z"), here(8080, "/a/x?y"));
        assert_eq!(exchange.target("http://127.0.0.1:81/x"), here(81, "/x"));
        assert_eq!(exchange.target("HTTP://127.0.0.1"), here(80, "/"));
        assert_eq!(exchange.target("//127.0.0.1/?x"), here(80, "/?x"));
        assert_eq!(exchange.target("http://0.0.0.0/"), Target::OtherHost);
        assert_eq!(exchange.target("http://example.org/"), Target::OtherHost);
        assert_eq!(exchange.target("https://127.0.0.1/"), Target::Tls);
    }

    #[test]
    fn rule_63_headers_of_the_manifest_replace_ours() {
        let header = |name: &str, value: &str| HttpHeader { name: name.into(), value: value.into() };
        let mut exchange = exchange("/");
        exchange.headers = vec![header("host", "example.org"), header("ACCEPT", ""), header("X-A", "1")];
        let request = String::from_utf8(exchange.request()).unwrap();
        let expected = "GET / HTTP/1.1\r\nUser-Agent: kube-probe/1.36\r\nhost: example.org\r\nX-A: 1\r\n\
                        Connection: close\r\n\r\n";
        assert_eq!(request, expected);
    }
}
