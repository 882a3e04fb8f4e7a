//! Containers that say themselves when they are ready, and what is kept of the end of their output.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Directory, Running, has, run, until};

/// A sidecar that says when it is ready through `notify`, and a main container that comes after it.
fn notifying(notify: &str, sidecar: &str) -> String {
    format!(
        r#"
            restartPolicy = "Never"
            [[initContainers]]
            name = "side"
            restartPolicy = "Always"
            command = ["sh", "-c", {sidecar:?}]
            notify = "{notify}"
            [[containers]]
            name = "main"
            command = ["sh", "-c", "echo started"]
        "#
    )
}

/// What sd_notify(3) does, from a shell.
const SEND: &str = r#"printf %s "$1" | socat - "ABSTRACT-SENDTO:${NOTIFY_SOCKET#@}""#;

#[test]
fn a_sidecar_has_started_when_it_says_so_to_notify_socket() {
    if !has(&["socat"]) {
        return;
    }
    let directory = Directory::new();
    let script = format!("set -- 'STATUS=ready to go\nREADY=1'; echo before; sleep 0.3; {SEND}; sleep 1000");
    let ended = Running::start(&mut run(&directory, &notifying("socket", &script))).end();
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.stdout, ["side | before", "main | started"]);
}

#[test]
fn a_sidecar_has_started_when_it_writes_a_newline_to_its_descriptor() {
    let directory = Directory::new();
    // Among the first numbers, where podinit itself has descriptors.
    for number in [3, 5, 9, 200] {
        // dash has only one digit for a redirection.
        let script = format!("echo before; sleep 0.2; echo > /dev/fd/{number}; sleep 1000");
        let ended = Running::start(&mut run(&directory, &notifying(&format!("fd:{number}"), &script))).end();
        assert_eq!(ended.code(), 0, "{number}: {:?}", ended.stderr);
        assert_eq!(ended.stdout, ["side | before", "main | started"], "{number}");
    }
}

#[test]
fn what_comes_after_a_sidecar_that_says_nothing_waits() {
    let directory = Directory::new();
    let manifest = notifying("fd:3", "exec 3>&-; echo closed; exec sleep 1000");
    let podinit = Running::start(&mut run(&directory, &manifest));
    podinit.wait_for("side | closed");
    podinit.wait_for_message("container side closed its descriptor and will never be ready");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!(ended.code(), 143);
    assert!(!ended.stdout.iter().any(|line| line.contains("started")), "{:?}", ended.stdout);
}

/// A program that cannot be run has said nothing by the end of its descriptor.
#[test]
fn a_container_that_cannot_start_is_not_said_to_be_unready_for_ever() {
    let directory = Directory::new();
    // The other one keeps the pod while the end of the descriptor comes to be seen.
    let manifest = r#"
        restartPolicy = "Never"
        [[containers]]
        name = "main"
        notify = "fd:3"
        command = ["/nowhere/program"]
        [[containers]]
        name = "other"
        command = ["sleep", "0.5"]
    "#;
    let ended = Running::start(&mut run(&directory, manifest)).end();
    assert_eq!(ended.code(), 127, "{ended:?}");
    assert!(ended.stderr.iter().any(|line| line.contains("cannot start container main")), "{ended:?}");
    assert!(!ended.stderr.iter().any(|line| line.contains("never be ready")), "{ended:?}");
}

/// A main container's readiness, and that it is gone when it says that it is reloading.
#[test]
fn a_main_container_is_ready_as_long_as_it_says_so() {
    if !has(&["socat"]) {
        return;
    }
    let directory = Directory::new();
    let status = directory.path("status.json");
    let script = format!(
        "say() {{ set -- \"$1\"; {SEND}; }}; trap 'say RELOADING=1' USR1; trap 'say READY=1' USR2; trap 'exit 0' TERM; \
         say READY=1; while :; do sleep 1000 & wait $!; done"
    );
    let manifest = format!(
        "[[containers]]\nname = \"main\"\nnotify = \"socket\"\ncommand = [\"sh\", \"-c\", {script:?}]\n"
    );
    let mut command = run(&directory, &manifest);
    command.arg("--status-file").arg(&status);
    let podinit = Running::start(&mut command);
    let seen = || -> Option<(bool, bool)> {
        let state: Value = serde_json::from_str(&std::fs::read_to_string(&status).ok()?).ok()?;
        let container = &state["status"]["containerStatuses"][0];
        Some((container["started"].as_bool()?, container["ready"].as_bool()?))
    };
    until("it is ready", || seen() == Some((true, true)));
    podinit.signal(Signal::SIGUSR1);
    until("it reloads", || seen() == Some((true, false)));
    podinit.signal(Signal::SIGUSR2);
    until("it is ready again", || seen() == Some((true, true)));
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 0);
}

/// The name can be seen by everybody in /proc/net/unix: it is not enough to know it.
#[test]
fn another_user_cannot_speak_for_a_container() {
    if !has(&["root", "socat", "setpriv"]) {
        return;
    }
    let directory = Directory::new();
    let script = "echo \"$NOTIFY_SOCKET\"; sleep 1000";
    let podinit = Running::start(&mut run(&directory, &notifying("socket", script)));
    let line = podinit.line();
    let name = line.strip_prefix("side | @").unwrap();
    // As nobody, and as what is certainly not of podinit's user.
    let send = |user: &str| {
        let status = std::process::Command::new("setpriv")
            .args(["--reuid", user, "--clear-groups", "socat", "-u", "-", &format!("ABSTRACT-SENDTO:{name}")])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .and_then(|mut child| {
                use std::io::Write;
                child.stdin.take().unwrap().write_all(b"READY=1")?;
                child.wait()
            });
        assert!(status.unwrap().success());
    };
    send("65534");
    // What is heard after it shows that the first was not: datagrams come in order.
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let own = UnixDatagram::unbound().unwrap();
    own.send_to_addr(b"STATUS=still nothing", &address).unwrap();
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert!(!ended.stdout.iter().any(|line| line.contains("started")), "{:?}", ended.stdout);
}

/// Rule 132: the end of both streams, in the order in which they were written.
#[test]
fn rule_132_the_end_of_the_log_is_the_message_of_a_failure() {
    let directory = Directory::new();
    let status = directory.path("status.json");
    let message = |policy: &str, script: &str, format: &str| -> Option<String> {
        let manifest = format!(
            "[[containers]]\nname = \"main\"\nterminationMessagePolicy = \"{policy}\"\n\
             command = [\"sh\", \"-c\", {script:?}]\n"
        );
        let mut command = run(&directory, &manifest);
        command.arg("--status-file").arg(&status).args(["--log-format", format]);
        Running::start(&mut command).end();
        let state: Value = serde_json::from_str(&std::fs::read_to_string(&status).unwrap()).unwrap();
        let end = &state["status"]["containerStatuses"][0]["state"]["terminated"];
        end["message"].as_str().map(str::to_owned)
    };
    let (fallback, fails) = ("FallbackToLogsOnError", "echo one; echo two >&2; echo three; exit 1");
    for format in ["text", "json", "raw"] {
        let told = message(fallback, fails, format).unwrap();
        let mut lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{format}: {told:?}");
        lines.sort_unstable();
        assert_eq!(lines, ["one", "three", "two"], "{format}");
    }
    assert_eq!(message(fallback, "echo fine", "text"), None);
    assert_eq!(message("File", fails, "text"), None);
    let told = message(fallback, "seq 1 10000; exit 1", "text").unwrap();
    assert!(told.len() <= 2048 && told.ends_with("9999\n10000\n") && told.lines().count() == 80, "{told}");
}
