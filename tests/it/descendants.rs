//! podinit waits for everything that CMD leaves behind, however far away it went, and its exit code is
//! CMD's all the same: what other inits are asked for (tini#180, dumb-init#212).

use std::fs;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::container::{Place, UNPRIVILEGED, behind, podinit_for_all};
use crate::harness::{Directory, PODINIT, Running, exists, has};

/// How CMD starts `sh rest` before it ends.
const WAYS: [(&str, &str); 4] = [
    ("in the command's process group", "sh rest &"),
    ("in a group of its own", "bash -mc 'sh rest &'"),
    ("in a session of its own", "setsid sh rest &"),
    ("as a daemon, by two forks", "(setsid sh -c 'sh rest &' &)"),
];

/// A CMD that leaves something behind.
struct Case {
    /// In words.
    what: String,
    place: Place,
    directory: Directory,
    running: Running,
}

/// Starts CMD, which starts `rest` in this way, waits until that has said its process id to `up`, and ends
/// with 3. As root, or as a user who may nothing.
fn leave(place: Place, is_root: bool, (what, way): (&str, &str), options: &[&str], rest: &str) -> Case {
    let directory = Directory::new();
    directory.file("rest", rest);
    let script = format!("mkfifo up; {way}\nread pid < up; echo \"$pid\"; exit 3");
    let mut inner = Command::new(podinit_for_all(&directory));
    inner.args(options).args(["--", "bash", "-c", &script]).current_dir(directory.path("."));
    let user = if is_root { &["env"][..] } else { &UNPRIVILEGED };
    let running = Running::start(&mut place.command(&behind(user, &inner)));
    Case { what: format!("{what}, {place:?}, root: {is_root}"), place, directory, running }
}

/// The same in every place, by every user and in every way, at the same time.
fn leave_everywhere(options: &[&str], rest: &str) -> Vec<Case> {
    let users = if has(&["root", "setpriv"]) { &[true, false][..] } else { &[true] };
    let cases = Place::all().into_iter().flat_map(|place| users.iter().map(move |user| (place, *user)));
    let start = |(place, user)| WAYS.map(|way| leave(place, user, way, options, rest));
    cases.flat_map(start).collect()
}

#[test]
fn what_is_left_may_finish_its_work_within_the_grace_period() {
    if !has(&["bash", "setsid"]) {
        return;
    }
    // It begins when it is told to end, and takes a second.
    let rest = r#"
        trap 'for n in 1 2 3 4 5 6 7 8 9 10; do echo $n >> file; sleep 0.1; done; echo done >> file; exit' TERM
        echo $$ > up
        while :; do sleep 0.5 & wait $!; done
    "#;
    for Case { what, directory, running, .. } in leave_everywhere(&["--grace", "1000"], rest) {
        let ended = running.end();
        let file = fs::read_to_string(directory.path("file")).unwrap_or_default();
        assert_eq!(file, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\ndone\n", "{what}: {ended:?}");
        assert_eq!(ended.code(), 3, "{what}");
    }
}

#[test]
fn what_ignores_term_is_killed_after_the_grace_period() {
    if !has(&["bash", "setsid"]) {
        return;
    }
    let rest = "trap '' TERM; echo $$ > up; while :; do sleep 1; done";
    for Case { what, place, running, .. } in leave_everywhere(&["-w", "--grace", "0.2"], rest) {
        let pid = running.line();
        let ended = running.end();
        assert_eq!(ended.code(), 3, "{what}");
        // Not only gone with podinit's own end.
        let reaped = format!("podinit: reaped process {pid},");
        assert!(ended.stderr.iter().any(|line| line.starts_with(&reaped)), "{what}: {ended:?}");
        if place == Place::Subreaper {
            assert!(!exists(pid.parse().unwrap()), "{what}");
        }
    }
}

#[test]
fn what_is_stopped_does_not_keep_podinit() {
    if !has(&["bash", "setsid"]) {
        return;
    }
    // A stopped process does not see TERM, but KILL.
    let rest = "echo $$ > up; kill -STOP $$; exit 9";
    for Case { what, running, .. } in leave_everywhere(&["--grace", "0.2"], rest) {
        assert_eq!(running.end().code(), 3, "{what}");
    }
}

#[test]
fn signals_go_on_to_what_is_left_and_do_not_end_podinit() {
    if !has(&["bash", "setsid"]) {
        return;
    }
    let rest = r#"
        trap 'echo told' TERM
        trap 'echo done; exit' USR1
        echo $$ > up
        while :; do sleep 0.5 & wait $!; done
    "#;
    for place in Place::all() {
        let Case { running, directory: _directory, .. } =
            leave(place, true, WAYS[3], &["--grace", "1000"], rest);
        running.wait_for("told");
        // A background process of a script ignores INT.
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            kill(place.podinit(&running), signal).unwrap();
        }
        running.wait_for("told");
        kill(place.podinit(&running), Signal::SIGUSR1).unwrap();
        let ended = running.end();
        assert_eq!((ended.code(), &ended.stdout[..]), (3, &["done".to_owned()][..]), "{place:?}");
    }
}

#[test]
fn children_that_podinit_had_before_it_was_podinit_are_left_alone() {
    // As an entrypoint does: `helper & exec podinit -- main`. The helper ignores what would end it in time.
    let script = "(trap '' TERM; exec sleep 1000) & echo $!; exec \"$0\" -- sh -c 'exit 3'";
    let running = Running::start(Command::new("sh").args(["-c", script, PODINIT]));
    let helper: i32 = running.line().parse().unwrap();
    let ended = running.end();
    assert_eq!(ended.code(), 3);
    assert!(exists(helper), "podinit ended it");
    kill(Pid::from_raw(helper), Signal::SIGKILL).unwrap();
}

/// What begins its end by starting something that outlives it, away from itself: that is asked to end as well,
/// and no more than once, however much else comes and goes meanwhile.
#[test]
fn what_is_adopted_after_the_rest_was_told_to_end_is_told_once() {
    if !has(&["bash", "setsid"]) {
        return;
    }
    for place in Place::all() {
        let rest = "trap '(setsid sh late & read ready < up); exit' TERM; echo $$ > up; while :; do sleep 0.1 & wait $!; done";
        let directory = Directory::new();
        directory.file("rest", rest);
        // It is adopted when it is ready to be told. Orphans that end at once make podinit look at what is left again and again.
        let late = r#"
            trap 'told=$((told + 1))' TERM
            count=0
            echo ready > up
            until [ "$told" ]; do (true &); sleep 0.01; done
            while [ $count -lt 20 ]; do (true &); sleep 0.01; count=$((count + 1)); done
            echo "told $told"
        "#;
        directory.file("late", late);
        let mut inner = Command::new(podinit_for_all(&directory));
        let script = "mkfifo up; setsid sh rest &\nread pid < up; exit 3";
        inner.args(["--grace", "1000", "--", "bash", "-c", script]).current_dir(directory.path("."));
        let running = Running::start(&mut place.command(&behind(&["env"], &inner)));
        let ended = running.end();
        assert_eq!((ended.code(), &ended.stdout[..]), (3, &["told 1".to_owned()][..]), "{place:?}");
    }
}
