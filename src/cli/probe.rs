//! `podinit probe`: asks once whether something is up, for images that have neither shell nor curl.

use std::ffi::OsString;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::{CANNOT, cannot, value};
use crate::plan::Feature;
use crate::runtime::{self, Question, Verdict};
use crate::spec::{HttpGet, HttpHeader, HttpScheme, ProbeHandler, ProbeHost};

const AFTER_HELP: &str = "\
TARGET is [HOST:]PORT, for http and https with a path behind it; without HOST it is localhost, without
PORT 80 or 443. As in Kubernetes a status from 200 to 399 is success, certificates are not verified, and
redirects are followed within the host; a TCP probe only connects; a gRPC probe asks the health service.
exec runs a command without a shell, and kills what is left of it when the time is up.

Examples:
  HEALTHCHECK CMD [\"/podinit\", \"probe\", \"http\", \"8080/healthz\"]
  podinit probe https --header 'Host: example.org' 127.0.0.1:8443/
  podinit probe tcp --timeout 5 db:5432
  podinit probe grpc --service shop.v1.Cart 50051
  podinit probe exec -- pg_isready -q

Exit code: 0 success; 1 failure, with one line on stderr that says why; 125 for a bad command line
(Docker keeps 2 for itself).";

/// As `timeoutSeconds` in Kubernetes (rule 37).
const TIMEOUT: Duration = Duration::from_secs(1);
/// A file of headers is not longer.
const LONGEST: u64 = 1 << 20;

pub(super) fn definition() -> Command {
    Command::new("probe")
        .about("Ask once whether a server is up, or run a command that knows")
        .override_usage(
            "podinit probe http|https|tcp|grpc [OPTIONS] TARGET\n       podinit probe exec [OPTIONS] -- CMD [ARG]...",
        )
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("kind")
                .value_name("KIND")
                .required(true)
                .value_parser(["http", "https", "tcp", "grpc", "exec"])
                .help("How to ask"),
        )
        .arg(Arg::new("target").value_name("TARGET").help("Whom to ask"))
        .arg(
            Arg::new("timeout")
                .short('t')
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(value::seconds)
                .help("Without an answer by then it has failed [default: 1]"),
        )
        .arg(
            Arg::new("header")
                .short('H')
                .long("header")
                .value_name("NAME: VALUE")
                .action(ArgAction::Append)
                .help("Send this with http and https, in place of our own; @FILE: the lines of a file"),
        )
        .arg(
            Arg::new("service")
                .long("service")
                .value_name("NAME")
                .help("Ask about this gRPC service and not about the server as a whole"),
        )
        .arg(
            Arg::new("command")
                .last(true)
                .num_args(1..)
                .value_name("CMD")
                .value_parser(value_parser!(OsString))
                .value_hint(ValueHint::CommandWithArguments)
                .help("Command to run, and its arguments"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let asked = match Asked::new(matches) {
        Ok(asked) => asked,
        Err(message) => return cannot(&format!("cannot probe: {message}")),
    };
    let timeout = matches.get_one("timeout").copied().unwrap_or(TIMEOUT);
    if timeout.is_zero() {
        return cannot("cannot probe: a timeout of 0 leaves no time to answer");
    }
    let (verdict, why) = match asked {
        Asked::Question(question) => runtime::ask(question, timeout),
        Asked::Command(words) => runtime::exec(&words, timeout),
    };
    let line = format!("podinit: {}\n", first_line(&why));
    match verdict {
        Verdict::Success | Verdict::PlainHttp => return 0,
        Verdict::Warning | Verdict::Failure | Verdict::Error => runtime::complain(&line),
    }
    match verdict {
        Verdict::Success | Verdict::PlainHttp | Verdict::Warning => 0,
        Verdict::Failure => 1,
        Verdict::Error => CANNOT,
    }
}

/// What servers say may have many lines, and colours.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// What the command line asks for.
enum Asked {
    Question(Question),
    Command(Vec<OsString>),
}

impl Asked {
    fn new(matches: &ArgMatches) -> Result<Self, String> {
        let kind = matches.get_one::<String>("kind").map_or("", String::as_str);
        let target = matches.get_one::<String>("target").map(String::as_str);
        let command: Vec<OsString> = matches.get_many("command").into_iter().flatten().cloned().collect();
        let given = |name| matches.contains_id(name);
        if given("header") && !matches!(kind, "http" | "https") {
            return Err(format!("{kind} has no headers"));
        }
        if given("service") && kind != "grpc" {
            return Err(format!("{kind} has no services, grpc has"));
        }
        match (kind, target, command.is_empty()) {
            ("exec", None, false) => return Ok(Self::Command(command)),
            ("exec", ..) => return Err("write `podinit probe exec -- CMD [ARG]...`".to_owned()),
            (_, _, false) => return Err(format!("only exec runs a command, {kind} asks a TARGET")),
            (_, None, _) => return Err(format!("write whom to ask: `podinit probe {kind} TARGET`")),
            (_, Some(_), true) => {}
        }
        let target = target.unwrap_or_default();
        let question = match kind {
            "tcp" => {
                let (host, port) = host_and_port(target, None)?;
                Question::of_probe(&ProbeHandler::TcpSocket { host, port })
            }
            "grpc" => {
                built_in(Feature::Grpc)?;
                let (host, port) = host_and_port(target, None)?;
                let service = matches.get_one::<String>("service").cloned().unwrap_or_default();
                Some(Question::Grpc { host, port, service })
            }
            _ => {
                let scheme = if kind == "https" { HttpScheme::Https } else { HttpScheme::Http };
                let get = http_get(scheme, target, headers(matches)?)?;
                Question::of_probe(&ProbeHandler::HttpGet(get))
            }
        };
        question.map(Self::Question).ok_or_else(|| "nothing is asked".to_owned())
    }
}

fn built_in(feature: Feature) -> Result<(), String> {
    let name = feature.name();
    let missing = || format!("this podinit was built without its feature `{name}`");
    feature.is_built_in().then_some(()).ok_or_else(missing)
}

fn http_get(scheme: HttpScheme, target: &str, headers: Vec<HttpHeader>) -> Result<HttpGet, String> {
    let (own, other, port) = match scheme {
        HttpScheme::Http => ("http", "https", 80),
        HttpScheme::Https => ("https", "http", 443),
    };
    if scheme == HttpScheme::Https {
        built_in(Feature::Https)?;
    }
    if target.starts_with(&format!("{other}://")) {
        return Err(format!("{target:?} is not for {own}: write `podinit probe {other}`"));
    }
    let target = target.strip_prefix(&format!("{own}://")).unwrap_or(target);
    let (authority, path) = target.split_at(target.find(['/', '?', '#']).unwrap_or(target.len()));
    let path = path.split('#').next().unwrap_or_default();
    if let Some(wrong) = path.chars().find(|c| !c.is_ascii_graphic()) {
        return Err(format!("{path:?} has {wrong:?} in it: write it in percent-encoding"));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let (host, port) = host_and_port(authority, Some(port))?;
    Ok(HttpGet { scheme, host, port, path: format!("{slash}{path}"), http_headers: headers })
}

/// `HOST:PORT`, `PORT`, `:PORT`, and where there is a usual port `HOST` or nothing.
fn host_and_port(text: &str, usual: Option<u16>) -> Result<(ProbeHost, u16), String> {
    let wrong = |why: &str| format!("cannot understand {text:?}: {why}");
    let (host, port) = match text.rsplit_once(':') {
        // Without brackets the last part of an IPv6 address is no port.
        _ if text.parse::<IpAddr>().is_ok() => (text, None),
        _ if text.ends_with(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => ("", Some(text)),
        None => (text, None),
    };
    let port = match port {
        Some(port) => port.parse().ok().filter(|port| *port != 0),
        None => Some(usual.ok_or_else(|| wrong("write HOST:PORT or PORT"))?),
    };
    let port = port.ok_or_else(|| wrong("a port is a number from 1 to 65535"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let host = match bare.parse() {
        Ok(address) => ProbeHost::Address(address),
        Err(_) if bare.is_empty() || bare.eq_ignore_ascii_case("localhost") => ProbeHost::Localhost,
        Err(_) if is_name(host) && host.len() <= 253 => ProbeHost::Name(Arc::from(host)),
        Err(_) => return Err(wrong("a host is a name or an address, an IPv6 address in brackets")),
    };
    Ok((host, port))
}

fn headers(matches: &ArgMatches) -> Result<Vec<HttpHeader>, String> {
    let mut all = Vec::new();
    for given in matches.get_many::<String>("header").into_iter().flatten() {
        match given.strip_prefix('@') {
            // Everybody sees a command line, and a token is not for everybody.
            Some(path) => {
                let text = read(path).map_err(|error| {
                    format!("cannot read headers from {path:?}: {}", runtime::cause(error))
                })?;
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                for line in lines {
                    all.push(header(line).ok_or_else(|| format!("{path:?} has a line that is no header"))?);
                }
            }
            None => all.push(
                header(given)
                    .ok_or_else(|| format!("{given:?} is no header: write `NAME: VALUE`, or @FILE"))?,
            ),
        }
    }
    Ok(all)
}

fn read(path: &str) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn header(text: &str) -> Option<HttpHeader> {
    let (name, value) = text.split_once(':')?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let is_fine = !name.is_empty() && name.chars().all(is_token) && !value.chars().any(char::is_control);
    is_fine.then(|| HttpHeader { name: name.to_owned(), value: value.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_may_leave_out_what_goes_without_saying() {
        let name = |name: &str| ProbeHost::Name(Arc::from(name));
        let address = |address: &str| ProbeHost::Address(address.parse().unwrap());
        let cases = [
            ("8080", ProbeHost::Localhost, 8080),
            (":8080", ProbeHost::Localhost, 8080),
            ("", ProbeHost::Localhost, 80),
            ("LOCALHOST:1", ProbeHost::Localhost, 1),
            ("db", name("db"), 80),
            ("db:5432", name("db"), 5432),
            ("10.0.0.1:81", address("10.0.0.1"), 81),
            ("10.0.0.1", address("10.0.0.1"), 80),
            ("[::1]:81", address("::1"), 81),
            ("[::1]", address("::1"), 80),
            ("::1", address("::1"), 80),
        ];
        for (text, host, port) in cases {
            assert_eq!(host_and_port(text, Some(80)), Ok((host, port)), "{text:?}");
        }
        for text in ["db:0", "db:http", "db:65536", "a b:1", "a@b:1", "[x]:1"] {
            assert!(host_and_port(text, Some(80)).is_err(), "{text:?}");
        }
        assert!(host_and_port("db", None).is_err());
    }

    #[test]
    fn a_url_may_have_its_scheme() {
        let get = |target: &str| http_get(HttpScheme::Http, target, Vec::new());
        let plain = |port, path: &str| HttpGet {
            scheme: HttpScheme::Http,
            host: ProbeHost::Localhost,
            port,
            path: path.to_owned(),
            http_headers: Vec::new(),
        };
        assert_eq!(get("http://localhost:81/x?y#z"), Ok(plain(81, "/x?y")));
        assert_eq!(get("8080/healthz"), Ok(plain(8080, "/healthz")));
        assert_eq!(get("/healthz"), Ok(plain(80, "/healthz")));
        assert_eq!(get("localhost?x"), Ok(plain(80, "/?x")));
        assert!(get("https://localhost/").is_err());
        assert!(get("localhost/a b").is_err());
    }

    #[test]
    fn a_header_is_a_name_and_a_value() {
        let own = |name: &str, value: &str| Some(HttpHeader { name: name.into(), value: value.into() });
        assert_eq!(header("Host: a:1"), own("Host", "a:1"));
        assert_eq!(header("Accept:"), own("Accept", ""));
        for text in ["", "Host", ": x", "a b: x", "a: b\r\nc: d"] {
            assert_eq!(header(text), None, "{text:?}");
        }
    }
}
