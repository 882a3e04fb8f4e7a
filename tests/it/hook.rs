//! Hooks of the real program (rules 67 to 75).

use std::fs;

use nix::sys::signal::Signal;

use crate::harness::{Directory, Running, exists, run, until};
use crate::servers::{Answering, Nginx, free_port};

/// A pod whose main container ends with 3 when it is told to, and has these hooks. A shell may lose a signal
/// to a `sleep` that it has just forked: that one ends with the grace period.
fn hooked(hooks: &str) -> String {
    format!(
        r#"
            terminationGracePeriodSeconds = 10
            restartPolicy = "Never"
            [[containers]]
            name = "main"
            command = ["sh", "-c", "trap 'echo term; exit 3' TERM; echo up; while :; do sleep 1000 & wait $!; done"]
            env = {{ WHO = "me" }}
            {hooks}
        "#
    )
}

/// The same with another container, so that processes have to be told apart.
fn beside(hooks: &str) -> String {
    format!("{}\n[[containers]]\nname = \"other\"\ncommand = [\"sleep\", \"1000\"]\n", hooked(hooks))
}

fn is_there(path: &std::path::Path, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|found| found == text)
}

#[test]
fn rule_72_a_command_runs_in_the_container_s_environment_and_is_not_expanded() {
    let directory = Directory::new();
    let file = directory.path("hooked");
    let script = format!(r#"echo "$WHO $1" > {}.new; mv {0}.new {0}"#, file.display());
    let hooks = format!(r#"lifecycle.postStart.exec.command = ["sh", "-c", {script:?}, "sh", "$(WHO)"]"#);
    let podinit = Running::start(&mut run(&directory, &hooked(&hooks)));
    podinit.wait_for("main | up");
    until("the hook has run", || is_there(&file, "me $(WHO)\n"));
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 3);
}

#[test]
fn rule_69_a_hook_before_the_stop_is_over_before_the_signal() {
    let directory = Directory::new();
    let hooks = r#"lifecycle.preStop.exec.command = ["sh", "-c", "kill -USR1 $PPID; exit 0"]"#;
    let manifest = hooked(hooks).replace("trap 'echo term", "trap 'echo asked' USR1; trap 'echo term");
    // podinit passes SIGUSR1 on to the main container, whose answer comes while the hook runs.
    let podinit = Running::start(&mut run(&directory, &manifest));
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!(
        (ended.code(), &ended.stdout[..]),
        (3, &["main | asked".to_owned(), "main | term".to_owned()][..])
    );
}

#[test]
fn rule_70_a_hook_that_fails_before_the_stop_holds_nothing_up_and_keeps_what_it_printed() {
    let directory = Directory::new();
    let hooks = r#"lifecycle.preStop.exec.command = ["sh", "-c", "echo s3cret; exit 7"]"#;
    let podinit = Running::start(run(&directory, &hooked(hooks)).arg("-v"));
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!(ended.code(), 3);
    let said = |wanted: &str| ended.stderr.iter().any(|line| line.contains(wanted));
    assert!(said("preStop hook of container main: exit code 7"), "{ended:?}");
    assert!(!said("s3cret"), "{ended:?}");
}

#[test]
fn rule_71_a_hook_that_takes_too_long_is_given_up_and_told_of() {
    let directory = Directory::new();
    let hooks = r#"lifecycle.preStop = { exec.command = ["sleep", "1000"], timeoutSeconds = 0.2 }"#;
    let podinit = Running::start(&mut run(&directory, &hooked(hooks)));
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!(ended.code(), 3);
    let is_said = |line: &String| line.contains("preStop hook of container main failed: it took too long");
    assert!(ended.stderr.iter().any(is_said), "{ended:?}");
}

#[test]
fn rule_68_a_hook_that_fails_after_the_start_stops_the_container() {
    let cases = [
        (r#"exec.command = ["false"]"#.to_owned(), "exit code 1"),
        (r#"exec.command = ["/nonexistent"]"#.to_owned(), "cannot run \"/nonexistent\": no such file"),
        (format!("httpGet = {{ port = {} }}", free_port()), "connection refused"),
        ("tcpSocket = { port = 80 }".to_owned(), "a tcpSocket hook does nothing in Kubernetes but fail"),
    ];
    for (hook, why) in cases {
        let directory = Directory::new();
        let mut command = run(&directory, &hooked(&format!("lifecycle.postStart.{hook}")));
        let ended = Running::start(&mut command).end();
        // It may be told to stop before it has set its trap.
        assert!([3, 143].contains(&ended.code()), "{ended:?}");
        let is_said =
            |line: &String| line.contains("postStart hook of container main: ") && line.contains(why);
        assert!(ended.stderr.iter().any(is_said), "{ended:?}");
    }
}

#[test]
fn rule_73_any_answer_satisfies_a_hook_and_says_who_asked() {
    let directory = Directory::new();
    let server = Answering::new("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let hooks = format!("lifecycle.preStop.httpGet = {{ port = {}, path = \"/bye\" }}", server.port);
    let podinit = Running::start(&mut run(&directory, &hooked(&hooks)));
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    let request = server.request();
    assert!(request.starts_with("GET /bye HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nUser-Agent: kube-lifecycle/1.36\r\n"), "{request}");
    let ended = podinit.end();
    assert_eq!(ended.code(), 3);
    assert!(!ended.stderr.iter().any(|line| line.contains("hook")), "{ended:?}");
}

#[test]
fn rule_73_https_that_meets_plain_http_is_asked_again_without_the_token() {
    let directory = Directory::new();
    let server = Answering::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let hooks = format!(
        r#"lifecycle.preStop.httpGet = {{ port = {}, scheme = "HTTPS", httpHeaders = [
            {{ name = "Authorization", value = "Bearer t0ken" }}, {{ name = "X-A", value = "1" }}] }}"#,
        server.port
    );
    let podinit = Running::start(&mut run(&directory, &hooked(&hooks)));
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(server.request(), "TLS");
    let request = server.request();
    assert!(request.contains("\r\nX-A: 1\r\n") && !request.contains("t0ken"), "{request}");
    let ended = podinit.end();
    assert_eq!(ended.code(), 3);
    assert!(ended.stderr.iter().any(|line| line.contains("asked over plain HTTP")), "{ended:?}");
}

#[test]
fn a_hook_over_https_gets_its_answer() {
    let Some(nginx) = Nginx::start() else { return };
    let directory = Directory::new();
    let hooks = format!(r#"lifecycle.postStart.httpGet = {{ port = {}, scheme = "HTTPS" }}"#, nginx.https);
    let podinit = Running::start(run(&directory, &hooked(&hooks)).arg("-v"));
    podinit.wait_for("main | up");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!(ended.code(), 3);
    assert!(!ended.stderr.iter().any(|line| line.contains("hook")), "{ended:?}");
}

#[test]
fn rule_71_what_a_hook_started_ends_with_its_container_and_no_sooner() {
    // It cannot be told by its environment whose it is, and not by its session either.
    let script = |file: &str| {
        format!(
            "lifecycle.postStart.exec.command = [\"env\", \"-i\", \"/bin/sh\", \"-c\", \"echo $$ > {file}.new; mv {file}.new {file}; exec sleep 1000\"]"
        )
    };
    for with_other in [false, true] {
        let directory = Directory::new();
        let file = directory.path("pid");
        let hooks = script(&file.display().to_string());
        let manifest = if with_other { beside(&hooks) } else { hooked(&hooks) };
        let manifest =
            manifest.replace("terminationGracePeriodSeconds = 10", "terminationGracePeriodSeconds = 2");
        let podinit = Running::start(&mut run(&directory, &manifest));
        podinit.wait_for("main | up");
        until("the hook runs", || file.exists());
        let pid: i32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        assert!(exists(pid));
        podinit.signal(Signal::SIGTERM);
        assert_eq!(podinit.end().code(), 3);
        assert!(!exists(pid), "the hook outlived its container");
    }
}
