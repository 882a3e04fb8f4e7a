//! Probes of the real program: servers that misbehave, commands that do, and what a child asks.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;

use crate::harness::{Directory, PODINIT, Running, exists, run, until};
use crate::servers::{Nginx, grpc, silent};

/// A pod whose main container is probed so, once a second with this timeout.
fn probed(handler: &str, timeout: u32) -> String {
    format!(
        r#"
            terminationGracePeriodSeconds = 1
            [[containers]]
            name = "main"
            command = ["sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 1000 & wait $!; done"]
            [containers.startupProbe]
            {handler}
            periodSeconds = 1
            timeoutSeconds = {timeout}
            failureThreshold = 1000
        "#
    )
}

/// A server that answers every connection with `head` and then with `body` for as long as it is taken.
fn endless(head: &'static str, body: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            thread::spawn(move || {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(head.as_bytes());
                while stream.write_all(body.as_bytes()).is_ok() {}
            });
        }
    });
    port
}

#[test]
fn a_server_that_never_ends_its_answer_neither_holds_up_the_pod_nor_passes_for_up() {
    let servers = [
        ("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", "too many interim answers"),
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n", "cannot understand the answer"),
        ("HTTP/1.1 500 No\r\n\r\n", "no no no no", "HTTP probe failed with statuscode: 500"),
    ];
    for (head, body, said) in servers {
        let directory = Directory::new();
        let manifest = probed(&format!("httpGet = {{ port = {} }}", endless(head, body)), 5);
        let podinit = Running::start(run(&directory, &manifest).arg("-v"));
        podinit.wait_for_message(said);
        podinit.wait_for("main | up");
        podinit.signal(Signal::SIGTERM);
        assert_eq!(podinit.end().code(), 3);
    }
}

#[test]
fn rule_60_a_command_that_prints_without_end_is_ended_by_its_timeout() {
    let directory = Directory::new();
    let podinit = Running::start(run(&directory, &probed(r#"exec.command = ["yes"]"#, 1)).arg("-v"));
    podinit.wait_for_message("startup probe of container main failed: no answer within 1s");
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 3);
}

#[test]
fn a_command_that_is_not_there_is_said_to_be_missing() {
    let directory = Directory::new();
    let manifest = probed(r#"exec.command = ["/nonexistent/pg_isready"]"#, 1);
    let podinit = Running::start(run(&directory, &manifest).arg("-v"));
    podinit.wait_for_message("cannot run \"/nonexistent/pg_isready\": no such file");
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 3);
}

/// A pod whose main container says "up" when the sidecar before it has started, by this probe.
fn gated(handler: &str) -> String {
    format!(
        r#"
            terminationGracePeriodSeconds = 1
            [[initContainers]]
            name = "sidecar"
            command = ["sleep", "1000"]
            restartPolicy = "Always"
            [initContainers.startupProbe]
            {handler}
            periodSeconds = 1
            timeoutSeconds = 30
            failureThreshold = 1000
            [[containers]]
            name = "main"
            command = ["echo", "up"]
        "#
    )
}

#[track_caller]
fn succeeds(handler: &str) {
    let directory = Directory::new();
    let podinit = Running::start(&mut run(&directory, &gated(handler)));
    podinit.wait_for("main | up");
    assert_eq!(podinit.end().code(), 0);
}

/// The probe fails and says this.
#[track_caller]
fn fails(handler: &str, why: &str) {
    let directory = Directory::new();
    let podinit = Running::start(run(&directory, &gated(handler)).arg("-v"));
    podinit.wait_for_message(why);
    podinit.signal(Signal::SIGTERM);
    // The sidecar's end is not the pod's, and no main container ever ran.
    assert_eq!(podinit.end().code(), 143);
}

#[test]
fn rule_63_a_probe_over_https_takes_any_certificate() {
    let Some(nginx) = Nginx::start() else { return };
    let get = |port: u16, rest: &str| format!("httpGet = {{ port = {port}, {rest} }}");
    succeeds(&get(nginx.https, r#"scheme = "HTTPS", path = "/moved""#));
    let header = r#"httpHeaders = [{ name = "Authorization", value = "Bearer t0ken" }]"#;
    succeeds(&get(nginx.https, &format!(r#"scheme = "HTTPS", path = "/guarded", {header}"#)));
    fails(&get(nginx.https, r#"scheme = "HTTPS", path = "/broken""#), "failed with statuscode: 503");
    // The loop follows into what is not for the loop.
    succeeds(&get(nginx.http, r#"path = "/ok""#));
    fails(&get(nginx.http, r#"path = "/loop""#), "stopped after 10 redirects");
    let elsewhere = get(nginx.https, r#"scheme = "HTTPS", path = "/elsewhere""#);
    let directory = Directory::new();
    let podinit = Running::start(run(&directory, &gated(&elsewhere)).arg("-v"));
    podinit.wait_for_message("Probe terminated redirects");
    assert_eq!(podinit.end().code(), 0);
}

#[test]
fn rule_65_a_grpc_probe_asks_the_health_service() {
    let port = grpc(true);
    succeeds(&format!("grpc = {{ port = {port} }}"));
    succeeds(&format!(r#"grpc = {{ port = {port}, service = "up" }}"#));
    fails(&format!(r#"grpc = {{ port = {port}, service = "down" }}"#), "responded with \"NOT_SERVING\"");
    fails(&format!("grpc.port = {}", grpc(false)), "does not implement the grpc health protocol");
}

#[test]
fn a_host_with_a_name_is_looked_up_by_a_child() {
    fails(r#"tcpSocket = { host = "nobody.invalid", port = 80 }"#, "cannot find host \"nobody.invalid\"");
    fails(r#"httpGet = { host = "nobody.invalid", port = 80 }"#, "cannot find host \"nobody.invalid\"");
}

#[test]
fn what_a_probe_sends_is_on_no_command_line_and_its_child_ends_with_its_time() {
    let directory = Directory::new();
    let get = format!(
        r#"httpGet = {{ port = {}, scheme = "HTTPS", httpHeaders = [{{ name = "X", value = "t0ken" }}] }}"#,
        silent()
    );
    let manifest = gated(&get).replace("timeoutSeconds = 30", "timeoutSeconds = 1");
    let podinit = Running::start(run(&directory, &manifest).arg("-v").env("TOKEN", "t0ken"));
    let own = podinit.pid();
    let mut child = None;
    until("the child runs", || {
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap();
        let read = |pid: &str, file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let mut pids = children.split_ascii_whitespace();
        child = pids.find(|pid| read(pid, "cmdline") == b"podinit\0probe\0-\0").map(|pid| {
            assert_eq!(read(pid, "environ"), b"");
            pid.parse::<i32>().unwrap()
        });
        child.is_some()
    });
    podinit.wait_for_message("startup probe of container sidecar failed: no answer within 1s");
    until("the child is gone", || !exists(child.unwrap()));
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 143);
}

#[test]
fn a_child_is_started_whatever_has_become_of_podinit_s_file() {
    let directory = Directory::new();
    let copy = directory.path("podinit");
    fs::copy(PODINIT, &copy).unwrap();
    let manifest = gated(&format!("grpc.port = {}\ninitialDelaySeconds = 1", grpc(true)));
    let file = directory.file("pod.toml", &manifest);
    let podinit = Running::start(Command::new(&copy).arg("run").arg("-v").arg(file));
    podinit.wait_for_message("started container sidecar");
    fs::remove_file(&copy).unwrap();
    podinit.wait_for("main | up");
    assert_eq!(podinit.end().code(), 0);
}
