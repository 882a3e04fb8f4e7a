//! Under a seccomp filter that hides clone3(2), as older container runtimes install: Docker's default
//! profile makes it ENOSYS, profiles from before the call EPERM.
//!
//! The test binary executes itself to get such a filter, since it is for ever.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::harness::{Directory, PODINIT, Running, has};

/// What clone3 gives under the filter; without this variable there is none.
const ERRNO: &str = "PODINIT_IT_CLONE3";
/// What is executed under it.
const SCRIPT: &str = "PODINIT_IT_SCRIPT";

#[test]
#[ignore = "what the other tests of this file execute"]
fn take_clone3_away_and_execute() {
    let Ok(errno) = std::env::var(ERRNO) else { return };
    let filter = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(errno.parse().unwrap()),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
    panic!("{}", Command::new("sh").arg("-c").arg(std::env::var_os(SCRIPT).unwrap()).exec());
}

/// Runs a script for which clone3 fails with this error. What it prints comes after what the test
/// harness prints.
fn without_clone3(errno: i32, script: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "without_clone3::take_clone3_away_and_execute", "--ignored", "--nocapture"]);
    command.env(ERRNO, errno.to_string()).env(SCRIPT, script).env("PODINIT", PODINIT);
    command
}

const ERRORS: [i32; 2] = [libc::ENOSYS, libc::EPERM];

const POD: &str = r#"
    [[initContainers]]
    name = "sidecar"
    restartPolicy = "Always"
    command = ["sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.5 & wait $!; done"]
    startupProbe = { exec = { command = ["true"] }, periodSeconds = 1 }

    [[containers]]
    name = "main"
    command = ["sh", "-c", "grep -E '^(Seccomp|Sig(Blk|Ign))' /proc/self/status; exit 7"]
"#;

/// In /proc/self/status of what was started: the filter is in force, and the signals are as they must be
/// (LEAK-08) though clone(2) cannot clear handlers.
fn check_status(lines: &[String], prefix: &str) {
    for (name, is_right) in [
        ("Seccomp", (|value| value == 2) as fn(u64) -> bool),
        ("SigBlk", |value| value == 0),
        // posix_spawn(3) ignores 32 and 33, the C library's own, in all that the test starts.
        ("SigIgn", |value| value & !(0b11 << 31) == 0),
    ] {
        let start = format!("{prefix}{name}:\t");
        let value =
            lines.iter().find_map(|line| line.strip_prefix(&start)).unwrap_or_else(|| panic!("{lines:?}"));
        assert!(is_right(u64::from_str_radix(value, 16).unwrap()), "{name}: {value}");
    }
}

#[test]
fn a_command_starts() {
    for errno in ERRORS {
        let script = "exec \"$PODINIT\" -- sh -c 'cat /proc/self/status; exit 7'";
        let ended = Running::start(&mut without_clone3(errno, script)).end();
        assert_eq!(ended.code(), 7, "{errno}: {ended:?}");
        check_status(&ended.stdout, "");
    }
}

#[test]
fn a_pod_runs() {
    for errno in ERRORS {
        let directory = Directory::new();
        directory.file("pod.toml", POD);
        let mut command = without_clone3(errno, "exec \"$PODINIT\" run pod.toml");
        let ended = Running::start(command.current_dir(directory.path("."))).end();
        assert_eq!(ended.code(), 7, "{errno}: {ended:?}");
        check_status(&ended.stdout, "main | ");
    }
}

#[test]
fn clone3_is_tried_once_and_then_clone() {
    if !has(&["strace"]) {
        return;
    }
    for (errno, name) in ERRORS.into_iter().zip(["ENOSYS", "EPERM"]) {
        let directory = Directory::new();
        directory.file("pod.toml", POD);
        let script = "exec strace -f -o trace -e trace=clone,clone3 \"$PODINIT\" run pod.toml";
        let mut command = without_clone3(errno, script);
        let ended = Running::start(command.current_dir(directory.path("."))).end();
        assert_eq!(ended.code(), 7, "{errno}: {ended:?}");
        let trace = std::fs::read_to_string(directory.path("trace")).unwrap();
        // podinit's own calls; strace begins with it.
        let podinit = trace.split_whitespace().next().unwrap();
        let is_clone = |line: &str| line.contains(" clone(") || line.contains(" clone3(");
        let is_own = |line: &&str| line.starts_with(podinit) && is_clone(line);
        let calls: Vec<_> = trace.lines().filter(is_own).collect();
        let (first, others) = calls.split_first().unwrap();
        assert!(first.contains("clone3(") && first.contains(&format!("= -1 {name}")), "{trace}");
        // A sidecar, its probe, a main container.
        assert!(others.len() >= 3 && others.iter().all(|call| call.contains(" clone(")), "{trace}");
    }
}
