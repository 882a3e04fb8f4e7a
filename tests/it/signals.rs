//! What signals to `podinit run` do to a pod (design: TERM and INT stop, a second INT kills, the rest is for
//! the main containers).

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::harness::{Directory, Fifo, PODINIT, Running, has, until};
use crate::manifest::{IGNORE_TERM, Pod, answering, processes_in};
use crate::pty::Pty;

/// Ignores TERM and shows with USR1 that it is alive.
const STUBBORN: [(&str, &str); 2] = [("TERM", ""), ("USR1", "echo alive")];

/// Longer than tests wait.
const ENDLESS: u32 = 1000;

#[test]
fn term_and_int_stop_the_containers_with_term() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = Directory::new();
        let answers = answering(&[("TERM", "echo TERM; exit 0"), ("INT", "echo INT; exit 1")]);
        let podinit = Pod::new("Always").main("main", &answers).start(&directory, &[]);
        podinit.wait_for("main | up");
        podinit.signal(signal);
        let ended = podinit.end();
        assert_eq!((ended.code(), &ended.stdout[..]), (0, &["main | TERM".to_owned()][..]), "{signal}");
    }
}

#[test]
fn a_second_int_kills_the_pod_at_once_and_one_after_term_is_the_first() {
    for first in [Signal::SIGTERM, Signal::SIGINT] {
        let directory = Directory::new();
        let pod =
            Pod::new("Never").grace(ENDLESS).sidecar("side", IGNORE_TERM).main("main", &answering(&STUBBORN));
        let podinit = pod.start(&directory, &[]);
        podinit.wait_for("main | up");
        podinit.signal(first);
        if first == Signal::SIGTERM {
            podinit.signal(Signal::SIGINT);
        }
        // The first answer may cross what INT did; the second comes after it.
        for _ in 0..2 {
            podinit.signal(Signal::SIGUSR1);
            podinit.wait_for("main | alive");
        }
        podinit.signal(Signal::SIGINT);
        assert_eq!(podinit.end().code(), 137);
        until("everything is gone", || processes_in(&directory).is_empty());
    }
}

#[test]
fn a_repeated_term_neither_kills_early_nor_gives_more_time() {
    // Rule 78.
    const GRACE: Duration = Duration::from_secs(6);
    let directory = Directory::new();
    let script = format!("trap '' TERM; {{ sleep 3; echo half; }} & {}", answering(&STUBBORN));
    let podinit = Pod::new("Never").grace(6).main("main", &script).start(&directory, &[]);
    podinit.wait_for("main | up");
    let began = Instant::now();
    let alive_after_term = || {
        podinit.signal(Signal::SIGTERM);
        podinit.signal(Signal::SIGUSR1);
        podinit.wait_for("main | alive");
    };
    alive_after_term();
    alive_after_term();
    podinit.wait_for("main | half");
    let half = began.elapsed();
    alive_after_term();
    let ended = podinit.end();
    let took = began.elapsed();
    assert_eq!(ended.code(), 137);
    assert!(took >= GRACE, "{took:?}");
    assert!(took < GRACE + half, "the last one began a new grace period: {took:?}");
    let message = "podinit: container main did not end within its grace period, killed".to_owned();
    assert!(ended.stderr.contains(&message), "{:?}", ended.stderr);
}

/// How long a pod with this grace, these options and this PODINIT_GRACE takes to end a main container
/// that ignores TERM.
struct Stopped {
    podinit: Running,
    began: Instant,
}

impl Stopped {
    fn begin(directory: &Directory, pod: &Pod, options: &[&str], environment: Option<&str>) -> Self {
        let mut command = pod.command(directory, options);
        match environment {
            Some(grace) => command.env("PODINIT_GRACE", grace),
            None => command.env_remove("PODINIT_GRACE"),
        };
        let podinit = Running::start(&mut command);
        podinit.wait_for("main | up");
        let began = Instant::now();
        podinit.signal(Signal::SIGTERM);
        Self { podinit, began }
    }

    fn took(self) -> Duration {
        assert_eq!(self.podinit.end().code(), 137);
        self.began.elapsed()
    }
}

#[test]
fn the_grace_period_is_the_pod_s_or_the_option_s_or_the_environment_s() {
    let named = Pod::new("Never").grace(3).main("main", IGNORE_TERM);
    let unnamed = Pod::new("Never").main("main", IGNORE_TERM);
    let directories = [Directory::new(), Directory::new(), Directory::new()];
    // All at once: each takes its three seconds, which is more than the least.
    let stopped = [
        Stopped::begin(&directories[0], &named, &["--grace", "1000"], Some("1000")),
        Stopped::begin(&directories[1], &unnamed, &["--grace", "3"], Some("1000")),
        Stopped::begin(&directories[2], &unnamed, &[], Some("3")),
    ];
    for (stopped, whose) in stopped.into_iter().zip(["pod", "option", "environment"]) {
        let took = stopped.took();
        // Less than the 30 seconds that hold where nobody says anything.
        assert!((3.0..29.0).contains(&took.as_secs_f64()), "{whose}: {took:?}");
    }
}

#[test]
fn a_main_container_has_two_seconds_at_least() {
    // Rule 79.
    let directories = [Directory::new(), Directory::new()];
    let named = Pod::new("Never").grace(1).main("main", IGNORE_TERM);
    let unnamed = Pod::new("Never").main("main", IGNORE_TERM);
    let stopped = [
        Stopped::begin(&directories[0], &named, &[], None),
        Stopped::begin(&directories[1], &unnamed, &["--grace", "0"], None),
    ];
    for stopped in stopped {
        let took = stopped.took();
        assert!((2.0..29.0).contains(&took.as_secs_f64()), "{took:?}");
    }
}

/// Real-time signals have no name in nix.
fn send(podinit: &Running, signal: &str) {
    let mut bash = Command::new("bash");
    bash.args(["-c", "kill -s \"$0\" \"$1\"", signal, &podinit.pid().to_string()]);
    assert!(bash.status().unwrap().success(), "{signal}");
}

#[test]
fn other_signals_are_forwarded_to_the_main_containers_and_not_to_sidecars() {
    const SIGNALS: [&str; 21] = [
        "HUP", "QUIT", "USR1", "USR2", "PIPE", "ALRM", "CONT", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "RTMIN", "RTMIN+5", "RTMAX",
    ];
    if !has(&["bash"]) {
        return;
    }
    let answers = SIGNALS.map(|signal| (signal, format!("echo {signal}")));
    let answers = answers.each_ref().map(|(signal, answer)| (*signal, answer.as_str()));
    let script = answering(&answers);
    let words = ["bash", "-c", &script];
    let directory = Directory::new();
    let pod = Pod::new("Never")
        .container("initContainers", "side", &words)
        .with("restartPolicy", "Always")
        .container("containers", "one", &words)
        .container("containers", "two", &words);
    let podinit = pod.start(&directory, &[]);
    let mut up = [podinit.line(), podinit.line(), podinit.line()];
    up.sort();
    assert_eq!(up, ["one | up", "side | up", "two | up"]);
    for signal in SIGNALS {
        send(&podinit, signal);
        let mut lines = [podinit.line(), podinit.line()];
        lines.sort();
        assert_eq!(lines, [format!("one | {signal}"), format!("two | {signal}")]);
    }
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!((ended.code(), ended.stdout.len()), (143, 0), "{:?}", ended.stdout);
}

#[test]
fn hup_is_forwarded_while_the_terminal_is_there() {
    if !has(&["setsid"]) {
        return;
    }
    let directory = Directory::new();
    let script = answering(&[("HUP", "echo HUP"), ("TERM", "exit 3")]);
    let pod = Pod::new("Never").main("main", &script);
    let mut session = Pty::new().start(pod.command(&directory, &[]).env("NO_COLOR", "1"));
    session.terminal.wait_for("main | up");
    kill(session.leader(), Signal::SIGHUP).unwrap();
    session.terminal.wait_for("main | HUP");
    kill(session.leader(), Signal::SIGTERM).unwrap();
    assert_eq!(session.end().0.code(), Some(3));
}

/// A main container that reports what it gets.
fn reporting() -> Pod {
    let script = answering(&[
        ("HUP", "echo HUP > report"),
        ("USR1", "echo USR1 > report"),
        ("TERM", "echo TERM > report; exit 3"),
    ]);
    Pod::new("Never").main("main", &format!("echo $PPID > report; {script}"))
}

#[test]
fn hup_stops_the_pod_when_its_terminal_has_gone() {
    if !has(&["setsid"]) {
        return;
    }
    // As the first of its session, and as a child of the shell that is.
    for shell in [None, Some("\"$0\" run pod.toml; exit 0")] {
        let directory = Directory::new();
        let report = Fifo::new(&directory, "report");
        let mut command = reporting().command(&directory, &[]);
        if let Some(script) = shell {
            command = Command::new("sh");
            command.args(["-c", script, PODINIT]).current_dir(directory.path("."));
        }
        let mut session = Pty::new().start(command.env("NO_COLOR", "1"));
        session.terminal.wait_for("main | up");
        report.line();
        drop(std::mem::replace(&mut session.terminal, Pty::new()));
        assert_eq!(report.line(), "TERM", "{shell:?}");
        until("everything is gone", || processes_in(&directory).len() <= 1);
        let (status, _) = session.end();
        assert!(shell.is_some() || status.code() == Some(3), "{status:?}");
        until("everything is gone", || processes_in(&directory).is_empty());
    }
}

#[test]
fn a_pod_under_nohup_outlives_its_terminal() {
    if !has(&["setsid"]) {
        return;
    }
    let directory = Directory::new();
    let report = Fifo::new(&directory, "report");
    directory.file("pod.toml", &reporting().to_toml());
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" run pod.toml", PODINIT]);
    command.current_dir(directory.path("."));
    let mut session = Pty::new().start(command.env("NO_COLOR", "1"));
    session.terminal.wait_for("main | up");
    report.line();
    kill(session.leader(), Signal::SIGHUP).unwrap();
    drop(std::mem::replace(&mut session.terminal, Pty::new()));
    // The first answer may cross what HUP did; the second comes after it.
    for _ in 0..2 {
        kill(session.leader(), Signal::SIGUSR1).unwrap();
        assert_eq!(report.line(), "USR1");
    }
    kill(session.leader(), Signal::SIGTERM).unwrap();
    assert_eq!(report.line(), "TERM");
    assert_eq!(session.end().0.code(), Some(3));
}
