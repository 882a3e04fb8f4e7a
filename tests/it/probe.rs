//! Startup probes of the real program: servers that misbehave, commands that do.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use nix::sys::signal::Signal;

use crate::harness::{Directory, Running, run};

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
