//! `podinit -- CMD` in front of a command, as PID 1 of a container and as a process like others: signals,
//! exit codes, orphans, and what CMD finds when it starts.

use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::container::{Place, UNPRIVILEGED, behind, podinit_for_all};
use crate::harness::{Directory, PODINIT, Running, code, command, has};

/// What can be passed on: not KILL and STOP, which no process gets; not CHLD, which is podinit's own;
/// not what reports a fault of podinit's own; and not 32 and 33, which belong to the C library.
fn passed_on() -> impl Iterator<Item = i32> {
    let kept = [4, 5, 6, 7, 8, 9, 11, 17, 19, 31, 32, 33];
    (1..=64).filter(move |number| !kept.contains(number))
}

fn send(number: i32, place: Place, running: &Running) {
    // Real-time signals have no name in nix.
    let script = format!("kill -{number} {}", place.podinit(running));
    assert!(Command::new("bash").args(["-c", &script]).status().unwrap().success());
}

#[test]
fn every_signal_reaches_the_command_each_time_it_is_sent() {
    if !has(&["bash"]) {
        return;
    }
    let script = r#"
        for number in "$@"; do trap "echo $number" "$number"; done
        echo up
        while [ ! -e over ]; do sleep 0.5 & wait $!; done
        exit 7
    "#;
    for place in Place::all() {
        let directory = Directory::new();
        let numbers: Vec<_> = passed_on().map(|number| number.to_string()).collect();
        let mut inner = command(&["bash", "-c", script, "bash"]);
        inner.args(&numbers).current_dir(directory.path("."));
        let running = Running::start(&mut place.command(&inner));
        running.wait_for("up");
        for number in passed_on() {
            for _ in 0..2 {
                send(number, place, &running);
                // The next line: nothing comes twice, and nothing but what was sent.
                assert_eq!(running.line(), number.to_string(), "{place:?}");
            }
        }
        directory.file("over", "");
        let ended = running.end();
        assert_eq!((ended.code(), &ended.stdout[..]), (7, &[][..]), "{place:?}: {ended:?}");
    }
}

#[test]
fn every_signal_that_the_command_sends_to_podinit_comes_back_pid1_04() {
    if !has(&["bash"]) {
        return;
    }
    // The kernel does not deliver what a process of the namespace sends to a PID 1 without handlers.
    let script = r#"
        for number in "$@"; do trap "got=$number" "$number"; done
        for number in "$@" "$@"; do
            got=
            kill "-$number" "$PPID"
            until [ "$got" = "$number" ]; do sleep 0.05 & wait $!; done
            echo "$number"
        done
    "#;
    for place in Place::all() {
        let mut inner = command(&["bash", "-c", script, "bash"]);
        inner.args(passed_on().map(|number| number.to_string()));
        let running = Running::start(&mut place.command(&inner));
        for number in passed_on().chain(passed_on()) {
            assert_eq!(running.line(), number.to_string(), "{place:?}");
        }
        assert_eq!(running.end().code(), 0);
    }
}

#[test]
fn the_exit_code_is_the_command_s_pid1_06() {
    if !has(&["bash"]) {
        return;
    }
    let scripts = [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 125", 125),
        ("exit 255", 255),
        ("kill -s TERM $$", 143),
        ("kill -s KILL $$", 137),
        ("kill -s RTMIN+3 $$", 165),
    ];
    for (place, (script, expected)) in in_all_places(scripts) {
        let inner = command(&["bash", "-c", script]);
        assert_eq!(code(&mut place.command(&inner)), expected, "{place:?}: {script}");
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_127_or_126_and_named() {
    let directory = Directory::new();
    let not_executable = directory.file("not-executable", "exit 0\n");
    let programs = [
        ("podinit-test-nonexistent", 127, "not found in PATH"),
        ("/nonexistent/program", 127, "no such file"),
        (not_executable.to_str().unwrap(), 126, "permission denied"),
        ("/", 126, "permission denied"),
    ];
    for (place, (program, expected, why)) in in_all_places(programs) {
        let mut inner = command(&[program]);
        // As execvp(3): a directory that may not be looked into would make it 126.
        inner.env("PATH", "/usr/bin:/bin");
        let ended = Running::start(&mut place.command(&inner)).end();
        assert_eq!(ended.code(), expected, "{place:?}: {program}");
        let said = ended.stderr.join("\n");
        assert!(said.contains(why) && said.contains(program), "{place:?}: {said}");
    }
}

fn in_all_places<T: Copy>(cases: impl IntoIterator<Item = T>) -> Vec<(Place, T)> {
    let places = Place::all();
    cases
        .into_iter()
        .flat_map(|case| places.iter().map(move |place| (*place, case)).collect::<Vec<_>>())
        .collect()
}

#[test]
fn any_user_without_any_capability_will_do() {
    if !has(&["root", "unshare", "setpriv"]) {
        return;
    }
    let directory = Directory::new();
    let path = podinit_for_all(&directory);
    let script = r#"
        trap 'exit 7' TERM
        cat /proc/self/status
        echo up
        while :; do sleep 0.5 & wait $!; done
    "#;
    for place in Place::all() {
        let mut inner = Command::new(&path);
        inner.args(["--", "sh", "-c", script]);
        let running = Running::start(&mut place.command(&behind(&UNPRIVILEGED, &inner)));
        let mut status = Vec::new();
        while status.last().is_none_or(|line| line != "up") {
            status.push(running.line());
        }
        let nothing = "0000000000000000";
        for (name, value) in [
            ("Uid", "12345\t12345\t12345\t12345"),
            ("Gid", "12345\t12345\t12345\t12345"),
            ("CapPrm", nothing),
            ("CapEff", nothing),
            ("CapBnd", nothing),
            ("NoNewPrivs", "1"),
        ] {
            assert!(status.contains(&format!("{name}:\t{value}")), "{place:?}: {name}: {status:?}");
        }
        kill(place.podinit(&running), Signal::SIGTERM).unwrap();
        assert_eq!(running.end().code(), 7, "{place:?}");
    }
}

#[test]
fn ten_thousand_orphans_leave_no_zombie_pid1_01() {
    if !has(&["root", "unshare"]) {
        return;
    }
    // A zombie has a directory in /proc like any process: in the end there are podinit and the script.
    let script = r#"
        wave=0
        while [ $wave -lt 10 ]; do
            orphan=0
            while [ $orphan -lt 1000 ]; do (: &); orphan=$((orphan + 1)); done
            set -- /proc/[0-9]*
            until [ $# = 2 ]; do set -- /proc/[0-9]*; done
            wave=$((wave + 1))
        done
        echo "$wave waves, and only $* $$ is left"
        exit 7
    "#;
    let running = Running::start(&mut Place::Pid1.command(&command(&["sh", "-c", script])));
    assert_eq!(running.line(), "10 waves, and only /proc/1 /proc/2 2 is left");
    assert_eq!(running.end().code(), 7);
}

#[test]
fn what_is_meant_for_podinit_is_not_in_the_command_s_environment_leak_07() {
    let private =
        ["PODINIT_LOG", "PODINIT_GRACE", "PODINIT_ANYTHING", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"];
    for place in Place::all() {
        let mut inner = command(&["env"]);
        inner.envs(private.map(|name| (name, "1")));
        inner.env("KEPT", "as it was");
        let ended = Running::start(&mut place.command(&inner)).end();
        assert_eq!(ended.code(), 0);
        assert!(ended.stdout.contains(&"KEPT=as it was".to_owned()), "{ended:?}");
        let is_private =
            |line: &&String| ["PODINIT_", "NOTIFY_", "LISTEN_"].iter().any(|p| line.starts_with(p));
        assert_eq!(ended.stdout.iter().find(is_private), None, "{place:?}");
    }
}

#[test]
fn descriptors_that_the_caller_left_open_are_closed_leak_02() {
    if !has(&["bash"]) {
        return;
    }
    for place in Place::all() {
        // `ls` looks at the shell: it has one descriptor more itself.
        let inner = command(&["sh", "-c", "ls /proc/$$/fd; exit 7"]);
        let open = "exec 3</dev/null 9>/dev/null 200<>/dev/null; exec \"$@\"";
        let outer = behind(&["bash", "-c", open, "bash"], &place.command(&inner));
        let ended = Running::start(&mut { outer }).end();
        assert_eq!(
            (ended.code(), &ended.stdout[..]),
            (7, &["0", "1", "2"].map(String::from)[..]),
            "{place:?}"
        );
    }
}

#[test]
fn the_command_starts_without_blocked_and_ignored_signals_leak_08() {
    for place in Place::all() {
        let inner = command(&["cat", "/proc/self/status"]);
        // podinit itself is started with everything blocked and ignored.
        let signals = ["env", "--block-signal", "--ignore-signal"];
        let ended = Running::start(&mut place.command(&behind(&signals, &inner))).end();
        assert_eq!(ended.code(), 0, "{ended:?}");
        for name in ["SigPnd:\t", "ShdPnd:\t", "SigBlk:\t", "SigIgn:\t"] {
            let value = ended.stdout.iter().find_map(|line| line.strip_prefix(name)).unwrap();
            let signals = u64::from_str_radix(value, 16).unwrap();
            // posix_spawn(3) ignores 32 and 33, the C library's own, in all that the test starts. HUP is
            // nohup's; to PID 1 it means nothing.
            let hup = u64::from(place == Place::Subreaper && name == "SigIgn:\t");
            assert_eq!(signals & !(0b11 << 31), hup, "{place:?}: {name}{value}");
        }
    }
}

/// Ends with 42 by TERM, unless that comes before the trap is set.
const UNTIL_TERM: [&str; 3] = ["sh", "-c", "trap 'exit 42' TERM; while :; do sleep 0.5 & wait $!; done"];
const ENDED_BY_TERM: [i32; 2] = [42, 143];

#[test]
fn nohup_is_meant_for_podinit_and_its_command() {
    let script = "kill -HUP $PPID; kill -HUP $$; exit 3";
    let mut nohup = Command::new("nohup");
    let ended = Running::start(nohup.arg(PODINIT).args(["--", "sh", "-c", script])).end();
    assert_eq!(ended.code(), 3);
}

#[test]
fn a_signal_that_waits_when_podinit_is_executed_is_not_lost_pid1_05() {
    for place in Place::all() {
        let script = "kill -TERM $$; exec \"$@\"";
        let with_term = ["env", "--block-signal=TERM", "sh", "-c", script, "sh"];
        let inner = behind(&with_term, &command(&UNTIL_TERM));
        let ended = Running::start(&mut place.command(&inner)).end();
        assert!(ENDED_BY_TERM.contains(&ended.code()), "{place:?}: {ended:?}");
    }
}

#[test]
fn a_signal_that_comes_before_podinit_has_handlers_is_not_lost_pid1_05() {
    if !has(&["strace"]) {
        return;
    }
    // The first prctl(2) makes podinit a subreaper, before anything else is set up.
    let strace = ["strace", "--output=/dev/null", "--trace=prctl", "--inject=prctl:signal=TERM:when=1"];
    let ended = Running::start(&mut behind(&strace, &command(&UNTIL_TERM))).end();
    assert!(ENDED_BY_TERM.contains(&ended.code()), "{ended:?}");
}

#[test]
fn term_ends_a_command_that_does_nothing_about_it() {
    for place in Place::all() {
        let running = Running::start(&mut place.command(&command(&["sh", "-c", "echo up; exec sleep 1000"])));
        running.wait_for("up");
        kill(place.podinit(&running), Signal::SIGTERM).unwrap();
        assert_eq!(running.end().code(), 143, "{place:?}");
    }
}
