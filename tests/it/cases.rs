//! Kubernetes' own cases that are about what hooks and probes do, with real servers and programs. A test is
//! named after its row of `tests/conformance/scenarios.tsv`, where `proofs` names it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use nix::sys::signal::Signal;

use crate::harness::{Directory, PATIENCE, PODINIT, Running, run};
use crate::servers::{Answering, Nginx, free_port, grpc};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Which kind of container a case is about.
#[derive(Clone, Copy)]
enum Kind {
    Main,
    Sidecar,
}

/// A pod whose container `it` is of this kind and has these fields. It says `up` when it is.
fn pod(kind: Kind, fields: &str) -> String {
    let up = "echo up; exec sleep 1000";
    let it = format!("name = \"it\"\ncommand = [\"sh\", \"-c\", {up:?}]\n{fields}\n");
    let containers = match kind {
        Kind::Main => format!("[[containers]]\n{it}"),
        Kind::Sidecar => format!(
            "[[initContainers]]\nrestartPolicy = \"Always\"\n{it}\
             [[containers]]\nname = \"pause\"\ncommand = [\"sleep\", \"1000\"]\n"
        ),
    };
    format!("terminationGracePeriodSeconds = 15\nrestartPolicy = \"Always\"\n{containers}")
}

/// A hook whose command asks a server, with the only client that is certain to be there.
fn asks(port: u16) -> String {
    format!("exec.command = [{PODINIT:?}, \"probe\", \"http\", \"http://127.0.0.1:{port}/echo?msg=hook\"]")
}

fn get(port: u16, rest: &str) -> String {
    format!("httpGet = {{ host = \"127.0.0.1\", port = {port}, path = \"/echo?msg=hook\"{rest} }}")
}

/// The request comes soon after the start.
fn after_the_start(kind: Kind, hook: impl Fn(u16) -> String) {
    let (directory, server) = (Directory::new(), Answering::new(OK));
    let manifest = pod(kind, &format!("lifecycle.postStart.{}", hook(server.port)));
    let podinit = Running::start(&mut run(&directory, &manifest));
    podinit.wait_for("it | up");
    assert!(server.request().starts_with("GET /echo?msg=hook HTTP/1.1\r\n"));
}

/// The request comes soon after the pod is told to stop, and not before.
fn before_the_stop(kind: Kind, hook: impl Fn(u16) -> String) {
    let (directory, server) = (Directory::new(), Answering::new(OK));
    let manifest = pod(kind, &format!("lifecycle.preStop.{}", hook(server.port)));
    let podinit = Running::start(&mut run(&directory, &manifest));
    podinit.wait_for("it | up");
    assert!(server.is_unasked());
    podinit.signal(Signal::SIGTERM);
    assert!(server.request().starts_with("GET /echo?msg=hook HTTP/1.1\r\n"));
    let ended = podinit.end();
    assert!(!ended.stderr.iter().any(|line| line.contains("hook")), "{ended:?}");
}

#[test]
fn hook_001_main_post_start_exec() {
    after_the_start(Kind::Main, asks);
}

#[test]
fn hook_004_main_pre_stop_exec() {
    before_the_stop(Kind::Main, asks);
}

#[test]
fn hook_005_main_pre_stop_http() {
    before_the_stop(Kind::Main, |port| get(port, ""));
}

/// An answer over HTTPS is one: nothing is said of a failure, and plain HTTP is not tried.
#[test]
fn hook_006_main_pre_stop_https() {
    let Some(nginx) = Nginx::start() else { return };
    let directory = Directory::new();
    let hook = format!("lifecycle.preStop.{}", get(nginx.https, ", scheme = \"HTTPS\""));
    let podinit = Running::start(run(&directory, &pod(Kind::Main, &hook)).arg("-v"));
    podinit.wait_for("it | up");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert!(!ended.stderr.iter().any(|line| line.contains("hook")), "{ended:?}");
}

#[test]
fn hook_007_sidecar_post_start_exec() {
    after_the_start(Kind::Sidecar, asks);
}

/// The server that the hook asks sends it on to another.
#[test]
fn hook_008_sidecar_post_start_http_by_a_redirect() {
    let (directory, server) = (Directory::new(), Answering::new(OK));
    let there = format!("http://127.0.0.1:{}/echo?msg=hook", server.port);
    let redirector =
        Answering::new(format!("HTTP/1.1 302 Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n"));
    let hook =
        format!("lifecycle.postStart.httpGet = {{ host = \"127.0.0.1\", port = {} }}", redirector.port);
    let podinit = Running::start(&mut run(&directory, &pod(Kind::Sidecar, &hook)));
    podinit.wait_for("it | up");
    assert!(redirector.request().starts_with("GET / HTTP/1.1\r\n"));
    assert!(server.request().starts_with("GET /echo?msg=hook HTTP/1.1\r\n"));
}

#[test]
fn hook_010_sidecar_pre_stop_exec() {
    before_the_stop(Kind::Sidecar, asks);
}

#[test]
fn hook_011_sidecar_pre_stop_http() {
    before_the_stop(Kind::Sidecar, |port| get(port, ""));
}

/// Fields of a liveness probe that looks ten times a second and gives up at once.
fn live(handler: &str) -> String {
    format!("livenessProbe = {{ {handler}, periodSeconds = 0.1, timeoutSeconds = 1, failureThreshold = 1 }}")
}

/// Killed for its probe, started again and killed for it again. It may have had no time to say `up`.
fn restarts(kind: Kind, handler: &str) {
    let directory = Directory::new();
    let podinit = Running::start(&mut run(&directory, &pod(kind, &live(handler))));
    for _ in 0..2 {
        podinit.wait_for_message("failed liveness probe, will be restarted");
    }
}

/// Asked ten times, as `asked` tells, it has still started only once. What was said meanwhile.
fn stays(kind: Kind, handler: &str, mut asked: impl FnMut()) -> Vec<String> {
    let directory = Directory::new();
    let podinit = Running::start(run(&directory, &pod(kind, &live(handler))).arg("-v"));
    podinit.wait_for("it | up");
    (0..10).for_each(|_| asked());
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert!(!ended.stdout.contains(&"it | up".to_owned()), "it was started again: {ended:?}");
    ended.stderr
}

/// The shell exits with 1 at once; what it has left behind holds its output open.
const LEAVES_CHILD: &str = r#"exec.command = ["sh", "-c", "sleep 10 & exit 1"]"#;

#[test]
fn probe_011_main_failing_exec_with_a_child_left_behind() {
    restarts(Kind::Main, LEAVES_CHILD);
}

#[test]
fn probe_034_sidecar_failing_exec_with_a_child_left_behind() {
    restarts(Kind::Sidecar, LEAVES_CHILD);
}

/// A server whose `/redirect` leads to its `/healthz`, which is well for three requests and then is not.
fn redirecting() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, asked) = channel();
    thread::spawn(move || {
        let mut healthy = 3;
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
            let count = stream.read(&mut request).unwrap_or(0);
            let path = String::from_utf8_lossy(&request[..count]);
            let path = path.split(' ').nth(1).unwrap_or("").to_owned();
            let head = match &path[..] {
                "/redirect" => "302 Found\r\nLocation: /healthz",
                "/healthz" if healthy > 0 => {
                    healthy -= 1;
                    "200 OK"
                }
                _ => "500 No",
            };
            let _ = stream.write_all(format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n").as_bytes());
            if send.send(path).is_err() {
                return;
            }
        }
    });
    (port, asked)
}

fn follows_a_redirect(kind: Kind) {
    let (port, asked) = redirecting();
    restarts(kind, &format!("httpGet = {{ host = \"127.0.0.1\", port = {port}, path = \"/redirect\" }}"));
    let asked: Vec<String> = (0..8).map(|_| asked.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(asked, ["/redirect", "/healthz"].repeat(4), "well three times, and then the end");
}

#[test]
fn probe_012_main_local_redirect() {
    follows_a_redirect(Kind::Main);
}

#[test]
fn probe_035_sidecar_local_redirect() {
    follows_a_redirect(Kind::Sidecar);
}

fn stops_at_a_foreign_redirect(kind: Kind) {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://0.0.0.0/\r\nContent-Length: 4\r\n\r\naway";
    let server = Answering::new(answer);
    let handler =
        format!("httpGet = {{ host = \"127.0.0.1\", port = {}, path = \"/redirect\" }}", server.port);
    let said = stays(kind, &handler, || assert!(server.request().starts_with("GET /redirect ")));
    let warned = |line: &String| line.contains("Probe terminated redirects, Response body: away");
    assert!(said.iter().any(warned), "{said:?}");
}

#[test]
fn probe_013_main_foreign_redirect() {
    stops_at_a_foreign_redirect(Kind::Main);
}

#[test]
fn probe_036_sidecar_foreign_redirect() {
    stops_at_a_foreign_redirect(Kind::Sidecar);
}

/// A port that passes connections on to another, and tells of each.
fn counted(to: u16) -> (u16, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (send, connections) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, there) = (stream.unwrap(), TcpStream::connect(("127.0.0.1", to)).unwrap());
            for (mut from, mut to) in
                [(stream.try_clone().unwrap(), there.try_clone().unwrap()), (there, stream)]
            {
                thread::spawn(move || {
                    std::io::copy(&mut from, &mut to).map(|_| to.shutdown(std::net::Shutdown::Write))
                });
            }
            if send.send(()).is_err() {
                return;
            }
        }
    });
    (port, connections)
}

#[test]
fn probe_020_main_grpc_ok() {
    let (port, connections) = counted(grpc(true));
    let handler = format!("grpc = {{ port = {port}, service = \"up\" }}");
    stays(Kind::Main, &handler, || connections.recv_timeout(PATIENCE).unwrap());
}

#[test]
fn probe_044_sidecar_grpc_wrong_port() {
    restarts(Kind::Sidecar, &format!("grpc = {{ port = {} }}", free_port()));
}

/// The port is open and says nothing that HTTP would take for well.
#[test]
fn probe_029_sidecar_tcp_ok() {
    let server = Answering::new("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let (port, connections) = counted(server.port);
    let handler = format!("tcpSocket = {{ host = \"127.0.0.1\", port = {port} }}");
    stays(Kind::Sidecar, &handler, || connections.recv_timeout(PATIENCE).unwrap());
}
