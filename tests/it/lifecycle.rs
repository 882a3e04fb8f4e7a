//! The life of a pod: init containers in sequence, sidecars beside and after them, the end in reverse order,
//! and the same from TOML as from YAML.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Directory, Fifo, Running, run, until};
use crate::manifest::{Pod, STAY, answering, processes_in};

#[test]
fn init_containers_run_one_after_the_other_and_before_the_main_ones() {
    // Rules 6 and 12.
    let directory = Directory::new();
    let go = Fifo::new(&directory, "go");
    let pod = Pod::new("Never")
        .init("one", "echo begins; read line < go; touch one; echo ends")
        .init("two", "test -e one || echo early; echo begins; read line < go; touch two; echo ends")
        .main("main", "test -e two || echo early; echo begins");
    let podinit = pod.start(&directory, &[]);
    for expected in ["one | begins", "one | ends", "two | begins", "two | ends", "main | begins"] {
        assert_eq!(podinit.line(), expected);
        if expected.ends_with("begins") && !expected.starts_with("main") {
            go.say("on");
        }
    }
    let ended = podinit.end();
    assert_eq!((ended.code(), ended.stdout.len()), (0, 0), "{:?}", ended.stdout);
}

#[test]
fn what_follows_a_sidecar_waits_for_its_start_and_not_for_its_end() {
    // Rule 7: the startup probe decides what a start is.
    let directory = Directory::new();
    let manifest = r#"
        [[initContainers]]
        name = "side"
        restartPolicy = "Always"
        command = ["sh", "-c", "echo up; read line < go; touch ready; exec sleep 1000"]
        startupProbe = { exec = { command = ["test", "-e", "ready"] }, periodSeconds = 1, failureThreshold = 1000 }
        [[containers]]
        name = "main"
        command = ["sh", "-c", "test -e ready || echo early; echo main"]
    "#;
    let go = Fifo::new(&directory, "go");
    let mut command = run(&directory, manifest);
    let podinit = Running::start(command.arg("-v").current_dir(directory.path(".")));
    assert_eq!(podinit.line(), "side | up");
    podinit.wait_for_message("startup probe of container side failed");
    go.say("on");
    assert_eq!(podinit.line(), "main | main");
    assert_eq!(podinit.end().code(), 0);
}

#[test]
fn sidecars_are_restarted_whatever_they_end_with() {
    // Rule 28.
    for policy in ["Never", "OnFailure", "Always"] {
        let directory = Directory::new();
        let fourth = Fifo::new(&directory, "fourth");
        let script = "
            echo run >> runs
            case $(wc -l < runs) in
                1) exit 0;;
                2) exit 5;;
                3) kill -s KILL $$;;
            esac
            echo up > fourth
            exec sleep 1000
        ";
        let pod = Pod::new(policy).delays("0", "0").sidecar("side", script).main("main", STAY);
        let podinit = pod.start(&directory, &[]);
        assert_eq!(fourth.line(), "up", "{policy}");
        podinit.wait_for("main | up");
        podinit.signal(Signal::SIGTERM);
        assert_eq!(podinit.end().code(), 143, "{policy}");
        let runs = std::fs::read_to_string(directory.path("runs")).unwrap();
        assert_eq!(runs.lines().count(), 4, "{policy}: restarted after the stop");
    }
}

#[test]
fn a_sidecar_that_waits_for_its_restart_does_not_keep_the_pod() {
    // Rule 30: the pending restart is cancelled.
    let directory = Directory::new();
    let go = Fifo::new(&directory, "go");
    let pod =
        Pod::new("Never").delays("1000", "1000").sidecar("side", "exit 1").main("main", "read line < go");
    let podinit = pod.start(&directory, &[]);
    podinit.wait_for_message("back-off 16m40s restarting failed container side");
    go.say("on");
    assert_eq!(podinit.end().code(), 0);
}

#[test]
fn sidecars_are_stopped_after_the_main_containers_and_in_reverse_order() {
    // Rule 81 and PID1-08: when the pod is stopped, and when it is done.
    for stopped in [true, false] {
        let directory = Directory::new();
        let go = Fifo::new(&directory, "go");
        let stop = |waits_for: &str, leaves: &str| {
            let early = format!("test -e {waits_for} || echo early; echo stopping; ");
            answering(&[("TERM", &format!("{early}read line < go; touch {leaves}; exit 0"))])
        };
        let main = if stopped {
            stop(".", "main-ended")
        } else {
            "echo up; read line < go; touch main-ended".to_owned()
        };
        let pod = Pod::new("Never")
            .sidecar("one", &stop("two-ended", "one-ended"))
            .sidecar("two", &stop("main-ended", "two-ended"))
            .main("main", &main);
        let podinit = pod.start(&directory, &[]);
        let mut up = [podinit.line(), podinit.line(), podinit.line()];
        up.sort();
        assert_eq!(up, ["main | up", "one | up", "two | up"]);
        if stopped {
            podinit.signal(Signal::SIGTERM);
            assert_eq!(podinit.line(), "main | stopping");
        }
        go.say("on");
        assert_eq!(podinit.line(), "two | stopping");
        go.say("on");
        assert_eq!(podinit.line(), "one | stopping");
        go.say("on");
        let ended = podinit.end();
        assert_eq!((ended.code(), ended.stdout.len()), (0, 0), "{:?}", ended.stdout);
    }
}

#[test]
fn a_job_with_two_sidecars_ends_within_50_ms_of_its_main_container() {
    const BOUND: Duration = Duration::from_millis(50);
    let lasting = || {
        let directory = Directory::new();
        let go = Fifo::new(&directory, "go");
        let pod = Pod::new("Never")
            .sidecar("one", STAY)
            .sidecar("two", STAY)
            .main("main", "echo up; read line < go");
        let podinit = pod.start(&directory, &[]);
        (0..3).for_each(|_| drop(podinit.line()));
        let began = Instant::now();
        go.say("on");
        assert_eq!(podinit.end().code(), 0);
        began.elapsed()
    };
    // The median of nine, in the best of some rounds: a machine that is busy elsewhere is not what is
    // measured, and a wait that podinit makes itself is there in every round.
    let median = || {
        let mut all: Vec<_> = (0..9).map(|_| lasting()).collect();
        all.sort();
        all[4]
    };
    let mut best = median();
    for _ in 0..4 {
        if best > BOUND {
            best = best.min(median());
        }
    }
    assert!(best <= BOUND, "{best:?}");
}

#[test]
fn a_stop_during_an_init_container_lets_nothing_start_any_more() {
    // Rule 89, whatever the init container answers, and though sidecars were never started (rule 36).
    for (answer, policy) in [("exit 0", "Never"), ("exit 5", "Always"), ("exit 0", "Always")] {
        let directory = Directory::new();
        let late = "touch late";
        let pod = Pod::new(policy)
            .sidecar("first", &answering(&[("TERM", "echo stopped; exit 0")]))
            .init("init", &answering(&[("TERM", &format!("echo stopped; {answer}"))]))
            .init("next", late)
            .sidecar("last", late)
            .main("main", late);
        let podinit = pod.start(&directory, &[]);
        let mut up = [podinit.line(), podinit.line()];
        up.sort();
        assert_eq!(up, ["first | up", "init | up"]);
        podinit.signal(Signal::SIGTERM);
        let mut ended = podinit.end();
        assert_eq!(ended.code(), 143, "{answer} {policy}");
        ended.stdout.sort();
        assert_eq!(ended.stdout, ["first | stopped", "init | stopped"], "{answer} {policy}");
        assert!(!directory.path("late").exists(), "{answer} {policy}");
        until("everything is gone", || processes_in(&directory).is_empty());
    }
}

#[test]
fn the_same_pod_behaves_the_same_from_toml_and_from_yaml() {
    let retry = "echo try >> tries; n=$(wc -l < tries); echo \"try $n\"; test $n -ge 4";
    let pods = [
        (
            "nothing said",
            Pod::without_policy().main("main", "echo \"it's \\\"quoted\\\"\"; echo warn >&2"),
            0,
        ),
        ("a failure", Pod::new("Never").init("init", "echo init").main("main", "echo main; exit 3"), 3),
        ("a failing init container", Pod::new("Never").init("init", "exit 5").main("main", "echo main"), 5),
        ("restarts at once", Pod::new("OnFailure").delays("0", "0").main("main", retry), 0),
        ("restarts with delays", Pod::new("OnFailure").delays("0.2", "0.3").main("main", retry), 0),
        (
            "a sidecar, and a main container that waits for it",
            Pod::new("Never")
                .grace(20)
                .sidecar("side", "echo side; echo up > up; exec sleep 1000")
                .main("main", "read line < up; echo $line; kill -s KILL $$"),
            137,
        ),
        ("a missing program", Pod::new("Never").container("containers", "main", &["/nonexistent"]), 127),
        (
            "a missing directory",
            Pod::new("Never").main("main", "echo").with("workingDir", "/nonexistent"),
            125,
        ),
        ("an image", Pod::new("Never").main("main", "echo").with("image", "busybox:1"), 0),
    ];
    for (what, pod, expected) in pods {
        let options = ["-v", "--profile", "process"];
        let [toml, yaml] = [Pod::command, Pod::command_of_yaml].map(|command| {
            let directory = Directory::new();
            let _up = Fifo::new(&directory, "up");
            let mut ended = Running::start(&mut command(&pod, &directory, &options)).end();
            // Which of two containers is heard first is open.
            ended.stdout.sort();
            (ended.code(), ended.stdout, messages(ended.stderr))
        });
        assert_eq!(toml.0, expected, "{what}: {toml:?}");
        assert!(!toml.2.is_empty(), "{what}");
        assert_eq!(toml, yaml, "{what}");
    }
}

/// What podinit and then what the container said, whose order is open; without what points into the text of a
/// manifest, which differs.
fn messages(mut stderr: Vec<String>) -> Vec<String> {
    stderr.retain(|line| !line.starts_with(|c: char| c == ' ' || c.is_ascii_digit()));
    stderr.sort_by_key(|line| !line.starts_with("podinit: "));
    stderr
}
