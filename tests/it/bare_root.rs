//! The poorest container: any user without capabilities, a read-only root directory without /proc, /dev,
//! /run and /tmp.

use nix::sys::signal::{Signal, kill};

use crate::container::{NOBODY_S_OWN, Place, ROOT, ROOT_NEEDS, Root};
use crate::harness::{Ended, Running, code, exists, has};
use crate::servers::grpc;

const USERS: [&str; 2] = [NOBODY_S_OWN, ROOT];

fn everywhere() -> impl Iterator<Item = (Place, &'static str)> {
    [Place::Pid1, Place::Subreaper].into_iter().flat_map(|place| USERS.map(|user| (place, user)))
}

#[test]
fn the_root_directory_of_these_tests_is_as_poor_as_they_say() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    let script = "ls /; id -u; id -G; touch /file || touch /bin/file || echo read-only";
    let mut command = root.podinit(Place::Pid1, NOBODY_S_OWN, &["--", "sh", "-c", script]);
    let ended = Running::start(&mut command).end();
    assert_eq!(ended.stdout, ["bin", "podinit", "12345", "12345", "read-only"], "{ended:?}");
    let ended = Running::start(&mut root.podinit(Place::Pid1, ROOT, &["--", "touch", "/file"])).end();
    assert!(ended.stderr[0].ends_with("Read-only file system"), "{ended:?}");
}

#[test]
fn exit_codes_are_the_same_there() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    root.file("not-executable", "exit 0\n");
    for (place, user) in everywhere() {
        for (words, expected) in [
            (&["sh", "-c", "exit 7"][..], 7),
            (&["sh", "-c", "kill -TERM $$"], 143),
            (&["sh", "-c", "kill -KILL $$"], 137),
            (&["nonexistent"], 127),
            (&["/not-executable"], 126),
        ] {
            let words: Vec<_> = ["--"].iter().chain(words).copied().collect();
            assert_eq!(code(&mut root.podinit(place, user, &words)), expected, "{place:?} {user}: {words:?}");
        }
    }
}

#[test]
fn signals_reach_the_command_there() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    let script = r#"
        trap 'echo hup' HUP
        trap 'echo term; exit 7' TERM
        echo up
        while :; do sleep 0.1; done
    "#;
    for (place, user) in everywhere() {
        let running = Running::start(&mut root.podinit(place, user, &["--", "sh", "-c", script]));
        running.wait_for("up");
        for _ in 0..2 {
            kill(place.podinit(&running), Signal::SIGHUP).unwrap();
            assert_eq!(running.line(), "hup");
        }
        kill(place.podinit(&running), Signal::SIGTERM).unwrap();
        assert_eq!(running.line(), "term");
        assert_eq!(running.end().code(), 7, "{place:?} {user}");
    }
}

/// A command that leaves `/rest` running: TERM ends it as soon as that has said something. (Without
/// /dev/null the shell has no background jobs, but pipelines.) From then on descriptor 3 is stdout.
fn leaving(start: &str) -> String {
    format!("exec 3>&1; {start} sh /rest | {{ read line; kill -TERM $$; }}")
}

/// In the command's process group; and, for PID 1, in a session of its own. A subreaper that sees no /proc
/// has no way to tell a daemon of the command's to end, but waits for it.
fn starts(place: Place) -> &'static [&'static str] {
    match place {
        Place::Pid1 => &["", "setsid"],
        Place::Subreaper => &[""],
    }
}

/// Such commands in every place, by every user and in every way, at the same time.
fn leave_everywhere(root: &Root, options: &[&str], starts: Starts) -> Vec<(String, Running)> {
    let start = |(place, user)| {
        starts(place).iter().map(move |start| {
            let command = leaving(start);
            let words: Vec<_> = options.iter().copied().chain(["--", "sh", "-c", &command]).collect();
            (format!("{place:?} {user} {start}"), Running::start(&mut root.podinit(place, user, &words)))
        })
    };
    everywhere().flat_map(start).collect()
}

type Starts = fn(Place) -> &'static [&'static str];

#[test]
fn what_is_left_may_finish_its_work_there() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    let rest = r#"
        trap 'for n in 1 2 3 4 5; do echo $n; sleep 0.1; done; echo done; exit' TERM
        exec 4>&1 >&3
        echo up >&4
        while :; do sleep 0.1; done
    "#;
    root.file("rest", rest);
    for (what, running) in leave_everywhere(&root, &["--grace", "1000"], starts) {
        let ended = running.end();
        assert_eq!(ended.code(), 143, "{what}");
        assert_eq!(ended.stdout, ["1", "2", "3", "4", "5", "done"], "{what}");
    }
}

#[test]
fn what_ignores_term_is_killed_there() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    root.file("rest", "trap '' TERM; echo up; echo $$ >&3; while :; do sleep 1; done");
    for (what, running) in leave_everywhere(&root, &["-w", "--grace", "0.2"], starts) {
        expect_reaped(&running.end(), &what);
    }
}

/// What was left has said its process id, and was not there any more when podinit ended.
fn expect_reaped(ended: &Ended, what: &str) {
    assert_eq!(ended.code(), 143, "{what}: {ended:?}");
    let reaped = format!("podinit: reaped process {},", ended.stdout[0]);
    assert!(ended.stderr.iter().any(|line| line.starts_with(&reaped)), "{what}: {ended:?}");
}

#[test]
fn a_daemon_that_ends_by_itself_is_waited_for_there() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    root.file("rest", "trap '' TERM; echo up; exec >&3; sleep 0.5; echo $$");
    for (what, running) in leave_everywhere(&root, &["-w", "--grace", "1000"], |_| &["setsid"]) {
        expect_reaped(&running.end(), &what);
    }
}

#[test]
fn a_pod_runs_there() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    let manifest = r#"
        [[initContainers]]
        name = "init"
        command = ["sh", "-c", "echo prepares"]

        [[initContainers]]
        name = "sidecar"
        restartPolicy = "Always"
        command = ["sh", "-c", '''
            trap "echo ends; exit 0" TERM
            echo up
            while :; do sleep 0.1; done
        ''']
        startupProbe = { exec = { command = ["true"] }, periodSeconds = 1 }

        [[containers]]
        name = "main"
        command = ["sh", "-c", '''
            trap "echo stops; exit 4" TERM
            cat && echo up
            while :; do sleep 0.1; done
        ''']
    "#;
    root.file("pod.toml", manifest);
    let order = ["init | prepares", "sidecar | up", "main | up", "main | stops", "sidecar | ends"];
    for (place, user) in everywhere() {
        let running = Running::start(&mut root.podinit(place, user, &["run", "/pod.toml"]));
        let mut said: Vec<_> = std::iter::repeat_with(|| running.line()).take(3).collect();
        kill(place.podinit(&running), Signal::SIGTERM).unwrap();
        let ended = running.end();
        said.extend(ended.stdout.iter().cloned());
        assert_eq!(said, order, "{place:?} {user}: {:?}", ended.stderr);
        assert_eq!(ended.code(), 4, "{place:?} {user}");
    }
}

#[test]
fn a_pod_s_containers_leave_nothing_behind_there() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    root.file("rest", "trap '' TERM; echo up; echo $$ >&3; while :; do sleep 1; done");
    // Two containers, so that without /proc there is only the process group to go by.
    let manifest = format!(
        r#"
        terminationGracePeriodSeconds = 1

        [[containers]]
        name = "one"
        command = ["sh", "-c", "{}"]

        [[containers]]
        name = "other"
        command = ["true"]
    "#,
        leaving("").replace("$$", "$$$$")
    );
    root.file("pod.toml", &manifest);
    let start =
        |(place, user)| (place, user, Running::start(&mut root.podinit(place, user, &["run", "/pod.toml"])));
    for (place, user, running) in everywhere().map(start).collect::<Vec<_>>() {
        let ended = running.end();
        assert_eq!(ended.code(), 143, "{place:?} {user}: {ended:?}");
        let rest = ended.stdout[0].trim_start_matches("one | ").parse().unwrap();
        assert!(place == Place::Pid1 || !exists(rest), "{user}: {ended:?}");
    }
}

#[test]
fn what_another_podinit_has_to_ask_is_asked_there_too() {
    if !has(&ROOT_NEEDS) {
        return;
    }
    let root = Root::new();
    let manifest = format!(
        r#"
            terminationGracePeriodSeconds = 1
            [[initContainers]]
            name = "sidecar"
            command = ["sleep", "1000"]
            restartPolicy = "Always"
            startupProbe = {{ grpc.port = {}, periodSeconds = 1, timeoutSeconds = 30, failureThreshold = 9 }}
            [[containers]]
            name = "main"
            command = ["true"]
        "#,
        grpc(true)
    );
    root.file("pod.toml", &manifest);
    for (place, user) in everywhere() {
        let mut command = root.podinit(place, user, &["run", "-v", "/pod.toml"]);
        let ended = Running::start(&mut command).end();
        assert_eq!(ended.code(), 0, "{place:?} {user}: {ended:?}");
    }
}
