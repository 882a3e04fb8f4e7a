//! A pod that runs for long or is large: nothing grows, nothing wakes the idle, nothing is in another's way.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::harness::{Directory, Fifo, Running, has, run};

/// The system calls that these supervisors make within this time, as strace writes them.
pub fn calls_within<'a>(
    seconds: u32,
    pods: impl IntoIterator<Item = &'a Running>,
    directory: &Directory,
) -> Vec<String> {
    let trace = directory.path("trace");
    let mut strace = Command::new("timeout");
    strace.args(["--signal=INT", &seconds.to_string(), "strace", "-q", "-o"]).arg(&trace);
    for podinit in pods {
        strace.args(["-p", &podinit.pid().to_string()]);
    }
    strace.stdin(Stdio::null());
    let output = strace.output().unwrap();
    let text = fs::read_to_string(&trace).unwrap_or_default();
    assert!(!text.is_empty(), "strace traced nothing: {output:?}");
    text.lines().map(str::to_owned).collect()
}

/// What a process occupies that grows: pages of its own, in KiB, and descriptors. Pages of a program that was
/// just built are dirty as well, and private when no other test runs it: they do not count.
fn occupied(podinit: &Running) -> (i64, usize) {
    let process = format!("/proc/{}", podinit.pid());
    let pages = fs::read_to_string(format!("{process}/smaps_rollup")).unwrap();
    let own = pages.lines().find_map(|line| line.strip_prefix("Anonymous:")).unwrap();
    let own = own.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    (own, fs::read_dir(format!("{process}/fd")).unwrap().count())
}

/// Containers c0, c1 and so on that run this script.
fn mains(count: usize, script: &str) -> String {
    let main = |n| format!("[[containers]]\nname = \"c{n}\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n");
    (0..count).map(main).collect()
}

#[test]
fn ten_thousand_restarts_leave_nothing_behind() {
    if !has(&["root"]) {
        return;
    }
    let manifest = r#"
        restartPolicy = "Always"
        [crashLoopBackOff]
        initialDelaySeconds = 0
        maxDelaySeconds = 0
        [[containers]]
        name = "main"
        command = ["echo", "again"]
    "#;
    let directory = Directory::new();
    let podinit = Running::start(&mut run(&directory, manifest));
    let restarts = |count: u32| {
        for _ in 0..count {
            assert_eq!(podinit.line(), "main | again");
        }
        occupied(&podinit)
    };
    let (early, early_descriptors) = restarts(1_000);
    let (late, late_descriptors) = restarts(10_000);
    assert!(late - early < 64, "memory grew from {early} KiB to {late} KiB");
    // One attempt's pipes, pidfd and report may be there or not.
    assert!(late_descriptors.abs_diff(early_descriptors) <= 6, "{early_descriptors}, {late_descriptors}");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert!(ended.stderr.len() <= 1, "{ended:?}");
}

#[test]
fn an_idle_pod_makes_no_system_call_in_ten_seconds() {
    if !has(&["root", "strace", "timeout"]) {
        return;
    }
    let directory = Directory::new();
    let side = r#"
        [[initContainers]]
        name = "side"
        restartPolicy = "Always"
        command = ["sh", "-c", "echo up; exec sleep 1000"]
        startupProbe.exec.command = ["true"]
        startupProbe.periodSeconds = 1
    "#;
    let manifest = side.to_owned() + &mains(9, "echo up; exec sleep 1000");
    // A watch over the manifest is idle, too, in a directory in which nothing happens.
    let watched = Directory::new();
    let podinit = Running::start(run(&watched, &manifest).arg("--watch"));
    for _ in 0..10 {
        assert!(podinit.line().ends_with(" | up"));
    }
    let calls = calls_within(10, [&podinit], &directory);
    // That strace attaches interrupts the call that waits; it goes on until strace leaves.
    assert!(calls.len() <= 2 && calls.iter().all(|call| call.starts_with("epoll_")), "{calls:#?}");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 143);
}

#[test]
fn three_hundred_containers_start_and_stop() {
    let directory = Directory::new();
    let podinit = Running::start(&mut run(&directory, &mains(300, "echo up; exec sleep 1000")));
    let mut up: Vec<_> = (0..300).map(|_| podinit.line()).collect();
    up.sort();
    let mut expected: Vec<_> = (0..300).map(|n| format!("c{n} | up")).collect();
    expected.sort();
    assert_eq!(up, expected);
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!(ended.code(), 143);
    // The last words, and no complaints.
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
}

#[test]
fn three_hundred_containers_that_end_at_once_end_the_pod() {
    let directory = Directory::new();
    let ended = Running::start(&mut run(&directory, &mains(300, "echo done"))).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(ended.stdout.len(), 300);
}

#[test]
fn descendants_that_hold_the_output_open_do_not_keep_the_pod() {
    let directory = Directory::new();
    let [report, go] = ["report", "go"].map(|name| Fifo::new(&directory, name));
    // One that prints without end and one that is silent, each in a session of its own.
    let script = "setsid sh -c 'echo up > report; exec yes' &
                  setsid sh -c 'echo up > report; exec sleep 1000' &
                  read line < go; exit 5";
    let manifest =
        format!("[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", \"\"\"{script}\"\"\"]\n");
    let mut command = run(&directory, &manifest);
    command.current_dir(directory.path(".")).stdout(Stdio::null());
    let podinit = Running::start_as_is(&mut command);
    assert_eq!([report.line(), report.line()], ["up", "up"]);
    go.say("on");
    assert_eq!(podinit.end().code(), 5);
}

/// PID1-03: while orphans end all the time, every probe gets its own result and the container its own end.
#[test]
fn pid1_03_orphans_that_end_all_the_time_take_nobody_s_result() {
    let directory = Directory::new();
    let manifest = r#"
        [[containers]]
        name = "main"
        command = ["sh", "-c", """
            while [ $(wc -l < good) -lt 101 ] || [ $(wc -l < bad) -lt 101 ]; do
                for one in 1 2 3 4 5 6 7 8; do (true & exit 3) & done
                wait
            done
            exit 7"""]
        livenessProbe = { exec.command = ["sh", "-c", "echo >> good"], periodSeconds = 0.01, failureThreshold = 1 }
        readinessProbe = { exec.command = ["sh", "-c", "echo >> bad; exit 9"], periodSeconds = 0.01 }
    "#;
    for name in ["good", "bad"] {
        directory.file(name, "");
    }
    let mut command = run(&directory, manifest);
    let ended = Running::start(command.arg("-v").current_dir(directory.path("."))).end();
    assert_eq!(ended.code(), 7, "{ended:?}");
    let of = |kind: &str| -> Vec<&String> {
        ended.stderr.iter().filter(|line| line.contains(&format!("{kind} probe of container main"))).collect()
    };
    assert!(of("liveness").is_empty(), "{:?}", of("liveness"));
    let failed = of("readiness");
    assert!(failed.len() >= 100, "{}", failed.len());
    let last = failed.len() - 1;
    // The last one may have been ended with its container.
    assert!(failed[..last].iter().all(|line| line.ends_with("failed: exit code 9")), "{failed:?}");
}
