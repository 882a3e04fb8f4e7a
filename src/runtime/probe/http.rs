//! HTTP/1.1 as probes and hooks speak it: what a request says, where an answer ends, what it means and
//! which redirects are followed (rules 62, 63 and 73). It knows bytes, not sockets and not time.

use std::net::SocketAddr;

use super::{OUTPUT, Purpose, Result, Verdict};
use crate::spec::{HttpGet, HttpScheme, ProbeHost};

/// Redirects that are followed before it counts as a failure.
const REDIRECTS: u8 = 10;
/// An answer's head may be so long.
const HEAD: usize = 64 * 1024;
/// Interim answers that may come before the real one.
const INTERIM: u8 = 8;
const HEADERS: usize = 128;

/// A GET, and what asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(super) get: HttpGet,
    pub(super) purpose: Purpose,
    /// How many redirects have led here.
    pub(super) redirects: u8,
}

/// What comes after an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Done(Result),
    /// A redirect is followed: the request says now where to.
    Again,
}

/// An answer as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Answer {
    bytes: Vec<u8>,
    interim: u8,
}

/// An answer that is whole, or of which enough has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    status: u16,
    location: Option<String>,
    body: String,
}

/// What an answer's beginning says.
enum Beginning {
    /// More must come.
    Incomplete,
    /// An interim answer of this length; the real one follows it.
    Interim(usize),
    Whole(Whole),
}

/// Where a redirect goes.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    SameHost { scheme: HttpScheme, port: u16, path: String },
    OtherHost,
}

impl Request {
    pub(super) fn new(get: &HttpGet, purpose: Purpose) -> Self {
        Self { get: get.clone(), purpose, redirects: 0 }
    }

    /// Host and port, as URLs write them.
    pub(super) fn authority(&self) -> String {
        authority(&self.get.host, self.get.port)
    }

    /// What the manifest says replaces what we would say; an empty Accept says nothing (rule 63).
    pub(super) fn bytes(&self) -> Vec<u8> {
        let headers = &self.get.http_headers;
        let given = |name: &str| headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
        let mut request = format!("GET {} HTTP/1.1\r\n", self.get.path);
        if !given("host") {
            request.push_str(&format!("Host: {}\r\n", self.authority()));
        }
        if !given("user-agent") {
            request.push_str(&format!("User-Agent: {}\r\n", self.purpose.user_agent()));
        }
        if !given("accept") {
            request.push_str("Accept: */*\r\n");
        }
        for header in headers {
            let is_suppressed = header.value.is_empty() && header.name.eq_ignore_ascii_case("accept");
            if !is_suppressed {
                request.push_str(&format!("{}: {}\r\n", header.name, header.value));
            }
        }
        request.push_str("Connection: close\r\n\r\n");
        request.into_bytes()
    }

    /// What follows from an answer.
    pub(super) fn judge(&mut self, answer: &Whole) -> Next {
        let is_redirect = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
        let target = answer.location.as_deref().filter(|_| is_redirect).map(|location| self.target(location));
        let result = match (target, self.purpose) {
            (Some(Target::SameHost { scheme, port, path }), _) => {
                self.redirects += 1;
                if self.redirects <= REDIRECTS {
                    (self.get.scheme, self.get.port, self.get.path) = (scheme, port, path);
                    return Next::Again;
                }
                (Verdict::Failure, format!("stopped after {REDIRECTS} redirects"))
            }
            // Any answer is one (rule 73).
            (_, Purpose::Hook) => (Verdict::Success, String::new()),
            (Some(Target::OtherHost), Purpose::Probe) => {
                (Verdict::Warning, format!("Probe terminated redirects, Response body: {}", answer.body))
            }
            (None, Purpose::Probe) if (200..400).contains(&answer.status) => {
                (Verdict::Success, String::new())
            }
            (None, Purpose::Probe) => {
                (Verdict::Failure, format!("HTTP probe failed with statuscode: {}", answer.status))
            }
        };
        Next::Done(result)
    }

    fn target(&self, location: &str) -> Target {
        let here = |path: &str| Target::SameHost {
            scheme: self.get.scheme,
            port: self.get.port,
            path: path.split('#').next().unwrap_or_default().to_owned(),
        };
        let absolute =
            [("http://", HttpScheme::Http), ("https://", HttpScheme::Https), ("//", self.get.scheme)]
                .into_iter()
                .find_map(|(start, scheme)| Some((strip_start(location, start)?, scheme)));
        if let Some((rest, scheme)) = absolute {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let path = path.split('#').next().unwrap_or_default();
            let slash = if path.starts_with('/') { "" } else { "/" };
            return match port_on(authority, &host_name(&self.get.host), scheme) {
                Some(port) => Target::SameHost { scheme, port, path: format!("{slash}{path}") },
                None => Target::OtherHost,
            };
        }
        if location.starts_with('/') {
            return here(location);
        }
        let base = self.get.path.split(['?', '#']).next().unwrap_or_default();
        let directory = base.rfind('/').map_or("/", |end| base.get(..=end).unwrap_or("/"));
        here(&format!("{directory}{location}"))
    }
}

impl Answer {
    /// Takes what came; nothing more will where `is_end`. `None` while more must come, an error in words
    /// where it is no answer.
    pub(super) fn take(&mut self, bytes: &[u8], is_end: bool) -> std::result::Result<Option<Whole>, String> {
        self.bytes.extend_from_slice(bytes);
        loop {
            match parse(&self.bytes, is_end)? {
                Beginning::Incomplete => return Ok(None),
                Beginning::Interim(_) if self.interim == INTERIM => {
                    return Err("too many interim answers".to_owned());
                }
                Beginning::Interim(length) => {
                    self.interim += 1;
                    self.bytes.drain(..length);
                }
                Beginning::Whole(answer) => return Ok(Some(answer)),
            }
        }
    }
}

impl Purpose {
    /// Kubernetes' own names, so that servers that know them know us (rules 63 and 73).
    pub(super) fn user_agent(self) -> &'static str {
        match self {
            Self::Probe => "kube-probe/1.36",
            Self::Hook => "kube-lifecycle/1.36",
        }
    }
}

fn host_name(host: &ProbeHost) -> String {
    match host {
        ProbeHost::Pod => "127.0.0.1".to_owned(),
        ProbeHost::Localhost => "localhost".to_owned(),
        ProbeHost::Address(address) => address.to_string(),
        ProbeHost::Name(name) => name.to_string(),
    }
}

/// Host and port, as URLs write them.
pub(super) fn authority(host: &ProbeHost, port: u16) -> String {
    match host {
        ProbeHost::Address(address) => SocketAddr::new(*address, port).to_string(),
        ProbeHost::Pod | ProbeHost::Localhost | ProbeHost::Name(_) => format!("{}:{port}", host_name(host)),
    }
}

fn strip_start<'a>(location: &'a str, start: &str) -> Option<&'a str> {
    let (first, rest) = location.split_at_checked(start.len())?;
    first.eq_ignore_ascii_case(start).then_some(rest)
}

/// The port of `host` or `host:port`, if it is this host.
fn port_on(authority: &str, host: &str, scheme: HttpScheme) -> Option<u16> {
    let authority = authority.rsplit('@').next()?;
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()?),
        _ => match scheme {
            HttpScheme::Http => (authority, 80),
            HttpScheme::Https => (authority, 443),
        },
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case(host).then_some(port)
}

/// Understands an answer as far as it has come; `is_end` says that no more will.
fn parse(answer: &[u8], is_end: bool) -> std::result::Result<Beginning, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(answer).map_err(|error| error.to_string())? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if is_end => return Err("it ends before its head does".to_owned()),
        httparse::Status::Partial if answer.len() > HEAD => return Err("its head is too long".to_owned()),
        httparse::Status::Partial => return Ok(Beginning::Incomplete),
    };
    let status = response.code.unwrap_or(0);
    if (100..200).contains(&status) {
        return Ok(Beginning::Interim(head));
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
        return Ok(Beginning::Incomplete);
    }
    let body = String::from_utf8_lossy(body.get(..OUTPUT).unwrap_or(body)).into_owned();
    Ok(Beginning::Whole(Whole { status, location: header("location"), body }))
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
    use crate::spec::HttpHeader;

    fn request(path: &str) -> Request {
        let get = HttpGet {
            scheme: HttpScheme::Http,
            host: ProbeHost::Pod,
            port: 8080,
            path: path.to_owned(),
            http_headers: Vec::new(),
        };
        Request::new(&get, Purpose::Probe)
    }

    fn status(answer: &[u8], is_end: bool) -> Option<u16> {
        Answer::default().take(answer, is_end).unwrap().map(|answer| answer.status)
    }

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
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
        let mut answer = Answer::default();
        assert_eq!(answer.take(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", false), Ok(None));
        let whole = answer.take(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", false).unwrap();
        assert_eq!(whole.unwrap().status, 500);
    }

    #[test]
    fn a_cut_answer_is_none() {
        let refused = |answer: &[u8], is_end| Answer::default().take(answer, is_end).is_err();
        assert!(refused(b"HTTP/1.1 200 OK\r\nContent-Le", true));
        assert!(refused(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", true));
        assert!(refused(b"SSH-2.0-OpenSSH_9.2\r\n", false));
    }

    #[test]
    fn rule_62_redirects_stay_on_the_host() {
        let request = request("/a/b?c=d");
        let to = |scheme, port, path: &str| Target::SameHost { scheme, port, path: path.to_owned() };
        let here = |port, path| to(HttpScheme::Http, port, path);
        assert_eq!(request.target("/x"), here(8080, "/x"));
        assert_eq!(request.target("x?y#z"), here(8080, "/a/x?y"));
        assert_eq!(request.target("http://127.0.0.1:81/x"), here(81, "/x"));
        assert_eq!(request.target("HTTP://127.0.0.1"), here(80, "/"));
        assert_eq!(request.target("//127.0.0.1/?x"), here(80, "/?x"));
        assert_eq!(request.target("http://0.0.0.0/"), Target::OtherHost);
        assert_eq!(request.target("http://example.org/"), Target::OtherHost);
        assert_eq!(request.target("https://127.0.0.1/"), to(HttpScheme::Https, 443, "/"));
        assert_eq!(request.target("https://example.org/"), Target::OtherHost);
    }

    #[test]
    fn rule_62_ten_redirects_are_followed() {
        let mut request = request("/");
        let answer = Whole { status: 302, location: Some("/x".to_owned()), body: String::new() };
        for _ in 0..REDIRECTS {
            assert_eq!(request.judge(&answer), Next::Again);
        }
        let Next::Done((verdict, _)) = request.judge(&answer) else { panic!("followed") };
        assert_eq!(verdict, Verdict::Failure);
    }

    #[test]
    fn rule_73_any_answer_satisfies_a_hook() {
        let answer = |status, location: Option<&str>| Whole {
            status,
            location: location.map(str::to_owned),
            body: String::new(),
        };
        for answer in [answer(500, None), answer(404, None), answer(302, Some("http://example.org/"))] {
            let mut request = Request { purpose: Purpose::Hook, ..request("/") };
            assert_eq!(request.judge(&answer), Next::Done((Verdict::Success, String::new())));
        }
    }

    #[test]
    fn rule_63_headers_of_the_manifest_replace_ours() {
        let header = |name: &str, value: &str| HttpHeader { name: name.into(), value: value.into() };
        let mut request = request("/");
        request.get.http_headers =
            vec![header("host", "example.org"), header("ACCEPT", ""), header("X-A", "1")];
        let expected = "GET / HTTP/1.1\r\nUser-Agent: kube-probe/1.36\r\nhost: example.org\r\nX-A: 1\r\n\
                        Connection: close\r\n\r\n";
        assert_eq!(String::from_utf8(request.bytes()).unwrap(), expected);
    }
}
