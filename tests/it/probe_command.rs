//! `podinit probe`, asked by hand: exit codes, and the line that says why.

use std::process::Command;

use crate::harness::{Directory, Ended, PODINIT, Running, has};
use crate::servers::{Answering, Nginx, free_port, grpc, silent};

fn probe(words: &[&str]) -> Ended {
    Running::start(Command::new(PODINIT).arg("probe").args(words)).end()
}

/// Longer than an answer takes on a machine that is busy.
fn patient<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&["--timeout", "60"], words].concat()
}

fn succeeds(words: &[&str]) {
    let ended = probe(&patient(words));
    assert_eq!((ended.code(), ended.stdout.len(), ended.stderr.len()), (0, 0, 0), "{words:?}: {ended:?}");
}

/// Fails, and says this on its only line.
fn fails(words: &[&str], why: &str) {
    let ended = probe(&patient(words));
    assert_eq!((ended.code(), ended.stdout.len()), (1, 0), "{words:?}: {ended:?}");
    assert!(matches!(&ended.stderr[..], [line] if line.contains(why)), "{words:?}: {ended:?}");
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn rule_63_a_server_is_asked_as_kubernetes_asks() {
    let server = Answering::new(OK);
    let target = format!("{}/healthz?x=1", server.port);
    succeeds(&["http", &target]);
    let expected = format!(
        "GET /healthz?x=1 HTTP/1.1\r\nHost: localhost:{}\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        server.port
    );
    assert_eq!(server.request(), expected);
    succeeds(&["http", "-H", "Host: example.org", "-H", "User-Agent: me", "-H", "Accept:", &target]);
    let request = server.request();
    assert!(request.contains("\r\nHost: example.org\r\nUser-Agent: me\r\nConnection"), "{request}");
}

#[test]
fn a_token_need_not_stand_on_the_command_line() {
    let directory = Directory::new();
    let headers = directory.file("headers", "Authorization: Bearer t0ken\n\nX-A: 1\n");
    let server = Answering::new(OK);
    succeeds(&["http", "-H", &format!("@{}", headers.display()), &server.port.to_string()]);
    assert!(server.request().contains("\r\nAuthorization: Bearer t0ken\r\nX-A: 1\r\n"));
}

#[test]
fn rule_62_a_status_from_200_to_399_is_success() {
    for (status, succeeded) in [("200", true), ("204", true), ("304", true), ("404", false), ("503", false)] {
        let server = Answering::new(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n"));
        let target = server.port.to_string();
        match succeeded {
            true => succeeds(&["http", &target]),
            false => fails(&["http", &target], &format!("HTTP probe failed with statuscode: {status}")),
        }
    }
}

#[test]
fn rule_62_a_redirect_to_another_host_is_success_and_said() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\nContent-Length: 4\r\n\r\ngone";
    let ended = probe(&patient(&["http", &Answering::new(answer).port.to_string()]));
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.stderr, ["podinit: Probe terminated redirects, Response body: gone"]);
}

#[test]
fn rule_63_https_takes_a_certificate_that_nobody_has_vouched_for() {
    let Some(nginx) = Nginx::start() else { return };
    let at = |path: &str| format!("127.0.0.1:{}{path}", nginx.https);
    succeeds(&["https", &at("/ok")]);
    succeeds(&["https", &at("/moved")]);
    succeeds(&["https", "-H", "Authorization: Bearer t0ken", &at("/guarded")]);
    fails(&["https", &at("/guarded")], "HTTP probe failed with statuscode: 401");
    fails(&["https", &at("/broken")], "HTTP probe failed with statuscode: 503");
    fails(&["https", &at("/loop")], "stopped after 10 redirects");
    // From plain HTTP to HTTPS, as many servers send everybody.
    succeeds(&["http", &format!("127.0.0.1:{}/ok", nginx.http)]);
    fails(&["http", &format!("127.0.0.1:{}/broken", nginx.http)], "statuscode: 503");
    // nginx answers 400 to who speaks plain HTTP where it speaks TLS.
    fails(&["http", &at("/ok")], "HTTP probe failed with statuscode: 400");
}

#[test]
fn https_of_a_server_without_it_is_told_apart_from_a_broken_one() {
    let plain = Answering::new("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    fails(&["https", &format!("127.0.0.1:{}", plain.port)], "it speaks plain HTTP");
    let other = Answering::new("SSH-2.0-OpenSSH_9.2\r\n");
    fails(&["https", &format!("127.0.0.1:{}", other.port)], "cannot speak TLS with 127.0.0.1");
}

#[test]
fn rule_64_a_tcp_probe_connects() {
    succeeds(&["tcp", &silent().to_string()]);
    fails(&["tcp", &format!("127.0.0.1:{}", free_port())], "connection refused");
}

#[test]
fn rule_65_grpc_health() {
    let port = grpc(true).to_string();
    succeeds(&["grpc", &port]);
    succeeds(&["grpc", "--service", "up", &port]);
    fails(&["grpc", "--service", "down", &port], "service unhealthy (responded with \"NOT_SERVING\")");
    fails(&["grpc", "--service", "unknown", &port], "health rpc probe failed: code 5");
    fails(&["grpc", &grpc(false).to_string()], "this server does not implement the grpc health protocol");
    fails(&["grpc", &format!("127.0.0.1:{}", free_port())], "connection refused");
    let http = Answering::new("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    fails(&["grpc", &format!("127.0.0.1:{}", http.port)], "the server speaks HTTP/1, not HTTP/2");
}

#[test]
fn nobody_is_waited_for_longer_than_was_said() {
    let silent = silent().to_string();
    for kind in ["http", "https", "grpc"] {
        let ended = probe(&[kind, "--timeout", "0.2", &format!("127.0.0.1:{silent}")]);
        assert_eq!(ended.code(), 1, "{kind}: {ended:?}");
        assert!(ended.stderr[0].contains("no answer within 200ms"), "{kind}: {ended:?}");
    }
    // Kubernetes' default (rule 37).
    let ended = probe(&["http", &format!("127.0.0.1:{silent}")]);
    assert!(ended.stderr[0].contains("no answer within 1s"), "{ended:?}");
}

#[test]
fn a_name_is_looked_up() {
    // Every machine's own files know this one, and Kubernetes' too.
    let server = Answering::new(OK);
    succeeds(&["http", &format!("localhost:{}", server.port)]);
    fails(&["tcp", "nobody.invalid:80"], "cannot find host \"nobody.invalid\"");
}

#[test]
fn a_command_is_asked() {
    succeeds(&["exec", "--", "true"]);
    fails(&["exec", "--", "sh", "-c", "exit 7"], "exit code 7");
    fails(&["exec", "--", "sh", "-c", "kill -9 $$"], "ended by SIGKILL");
    fails(&["exec", "--", "/nonexistent/pg_isready"], "no such file");
    let ended = probe(&patient(&["exec", "--", "sh", "-c", "echo out; echo err >&2"]));
    assert_eq!((ended.stdout, ended.stderr), (vec!["out".to_owned()], vec!["err".to_owned()]));
}

#[test]
fn what_is_left_of_a_command_that_takes_too_long_is_killed() {
    // The end of its output, which the background process has open too, comes when both are gone.
    let ended = probe(&["exec", "--timeout", "0.2", "--", "sh", "-c", "sleep 1000 & sleep 1000"]);
    assert_eq!((ended.code(), &ended.stderr[..]), (1, &["podinit: no answer within 200ms".to_owned()][..]));
}

#[test]
fn a_probe_can_be_interrupted() {
    let running =
        Running::start(Command::new(PODINIT).args(["probe", "http", "-t", "1000", &silent().to_string()]));
    crate::harness::until("it can be ended", || {
        running.signal(nix::sys::signal::Signal::SIGINT);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", running.pid())).unwrap_or_default();
        stat.contains(") Z ")
    });
}

#[test]
fn a_bad_command_line_is_neither_success_nor_failure() {
    let cases: [(&[&str], &str); 8] = [
        (&["http"], "write whom to ask"),
        (&["tcp", "db"], "write HOST:PORT or PORT"),
        (&["http", "x:y"], "a port is a number from 1 to 65535"),
        (&["http", "https://x"], "write `podinit probe https`"),
        (&["exec", "true"], "write `podinit probe exec -- CMD"),
        (&["tcp", "1", "--header", "A: b"], "tcp has no headers"),
        (&["http", "1", "--header", "A"], "is no header"),
        (&["http", "1", "--timeout", "0"], "leaves no time"),
    ];
    for (words, why) in cases {
        let ended = probe(words);
        assert_eq!(ended.code(), 125, "{words:?}");
        assert!(matches!(&ended.stderr[..], [line] if line.contains(why)), "{words:?}: {ended:?}");
    }
    assert_eq!(probe(&["ftp", "1"]).code(), 125);
}

#[test]
fn a_probe_needs_nothing_of_its_image() {
    if !has(&["root", "unshare", "chroot"]) {
        return;
    }
    let (directory, server) = (Directory::new(), Answering::new(OK));
    std::fs::copy(PODINIT, directory.path("podinit")).unwrap();
    let root = directory.path("").display().to_string();
    let target = server.port.to_string();
    let words = [&root[..], "/podinit", "probe", "http", "-t", "60", &target];
    let ended = Running::start(Command::new("chroot").args(words)).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
}
