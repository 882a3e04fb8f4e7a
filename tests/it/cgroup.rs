//! Control groups on whatever host this is: who is in which, what is killed by them, and what is said of limits
//! that the host does not enforce (RES-06). Limits themselves are tested in virtual machines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::container::behind;
use crate::harness::{Directory, Running, exists, has, run, until};

/// Where cgroup v2 is mounted and this test may make groups.
fn tree() -> Option<PathBuf> {
    let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(PathBuf::from);
    let found = mounts.into_iter().find(|mount| mount.join("cgroup.subtree_control").exists());
    if has(&["root"])
        && let Some(found) = found
    {
        return Some(found);
    }
    assert!(std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(), "this test needs root and cgroup v2");
    println!("skipped: this test needs root and cgroup v2");
    None
}

/// Whether a controller is still cgroup v1's.
fn is_hybrid() -> bool {
    let list = fs::read_to_string("/proc/self/cgroup").unwrap();
    list.lines()
        .any(|line| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == "memory")))
}

/// A pod with a limit of memory, of a name of the test's own.
fn limited(name: &str, script: &str) -> String {
    let name = format!("podinit-it-{}-{name}", std::process::id());
    format!(
        "name = \"{name}\"\nterminationGracePeriodSeconds = 1\n[[containers]]\nname = \"main\"\n\
         command = [\"sh\", \"-c\", '''{script}''']\nresources.limits.memory = \"256Mi\"\n"
    )
}

/// CONT-04: from its first moment on.
#[test]
fn a_container_with_limits_is_in_a_group_of_its_own_that_is_gone_afterwards() {
    let Some(tree) = tree() else { return };
    let directory = Directory::new();
    let ended = Running::start(&mut run(&directory, &limited("own", "grep ^0:: /proc/self/cgroup"))).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let group = ended.stdout[0].split("0::/").nth(1).unwrap().to_owned();
    assert!(group.ends_with(&format!("podinit/podinit-it-{}-own/main.0", std::process::id())), "{group}");
    assert!(!tree.join(Path::new(&group).parent().unwrap()).exists(), "{group} is left");
}

#[test]
fn a_container_without_limits_stays_where_podinit_is() {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let directory = Directory::new();
    let manifest = "[[containers]]\nname = \"main\"\ncommand = [\"cat\", \"/proc/self/cgroup\"]\n";
    let ended = Running::start(run(&directory, manifest).args(["--log-format", "raw"])).end();
    assert_eq!(ended.stdout.join("\n"), own.trim_end());
}

/// CONT-01: it has left its session, forgotten its environment and closed what it could be known by.
#[test]
fn who_hides_from_everything_but_its_group_is_killed_with_the_container() {
    if tree().is_none() || !has(&["setsid"]) {
        return;
    }
    let hides = r#"
        (env -i setsid sh -c "trap '' TERM; echo \$\$ > pid; exec < /dev/null > /dev/null 2>&1; while :; do sleep 1; done" &)
        until [ -s pid ]; do sleep 0.01; done
        exit 3
    "#;
    let directory = Directory::new();
    let beside = "[[containers]]\nname = \"beside\"\ncommand = [\"true\"]\n";
    let manifest = limited("hides", hides) + beside;
    let ended = Running::start(run(&directory, &manifest).current_dir(directory.path("."))).end();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let pid = fs::read_to_string(directory.path("pid")).unwrap().trim().parse().unwrap();
    // Reaped by podinit, or in its very last moment by whoever is next.
    until("it is gone", || !exists(pid));
    let killed = "podinit: container main did not end within its grace period, killed";
    assert!(ended.stderr.iter().any(|line| line == killed), "{ended:?}");
}

/// RES-06: one warning, or with `--strict` a refusal before anything is started.
fn refuses(command: impl Fn() -> Command, why: &str) {
    let message = format!("cannot enforce the memory limit of container main: {why}");
    let ended = Running::start(&mut command()).end();
    assert_eq!((ended.code(), &ended.stdout[..]), (0, &["main | runs".to_owned()][..]), "{ended:?}");
    assert_eq!(ended.stderr, [format!("podinit: {message}")]);
    let ended = Running::start(command().arg("--strict")).end();
    assert_eq!((ended.code(), ended.stdout.len()), (125, 0), "{ended:?}");
    assert_eq!(ended.stderr, [format!("podinit: cannot run the pod: {message}")]);
}

#[test]
fn limits_of_a_host_with_cgroup_v1_are_told() {
    if tree().is_none() {
        return;
    }
    if !is_hybrid() {
        println!("skipped: this test needs a host with controllers in cgroup v1");
        return;
    }
    let directory = Directory::new();
    let why = "cgroup v1 has controller memory on this host, and podinit uses v2 alone; boot with \
        `systemd.unified_cgroup_hierarchy=1`, or limit podinit itself";
    refuses(|| run(&directory, &limited("hybrid", "echo runs")), why);
}

#[test]
fn limits_where_the_groups_are_read_only_are_told() {
    let Some(tree) = tree().filter(|_| has(&["unshare"])) else { return };
    let directory = Directory::new();
    let tree = tree.display();
    let read_only = format!("mount -o remount,bind,ro {tree} && exec \"$0\" \"$@\"");
    let words = ["unshare", "--mount", "sh", "-c", &read_only];
    let why = format!(
        "cannot make {tree}/podinit: read-only file system; make the control groups writable, or limit the \
         container that podinit runs in"
    );
    refuses(|| behind(&words, &run(&directory, &limited("read-only", "echo runs"))), &why);
}

#[test]
fn limits_without_any_groups_are_told() {
    if tree().is_none() || !has(&["unshare"]) {
        return;
    }
    let directory = Directory::new();
    let words =
        ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /sys/fs/cgroup && exec \"$0\" \"$@\""];
    let why = "there is no cgroup v2 at /sys/fs/cgroup; mount it there, with \
        `mount -t cgroup2 cgroup2 /sys/fs/cgroup`, or limit podinit itself";
    refuses(|| behind(&words, &run(&directory, &limited("none", "echo runs"))), why);
}

/// A bug of podinit's own kills the pod: who hides too. The next podinit clears away the empty groups.
#[test]
fn nothing_survives_a_bug_of_podinit_in_its_group() {
    if tree().is_none() || !has(&["setsid"]) {
        return;
    }
    let hides = r#"
        (env -i setsid sh -c "echo \$\$ > pid; exec < /dev/null > /dev/null 2>&1; while :; do sleep 1; done" &)
        until [ -s pid ]; do sleep 0.01; done
        echo up; sleep 1000
    "#;
    let directory = Directory::new();
    let mut command = run(&directory, &limited("bug", hides));
    let running =
        Running::start(command.current_dir(directory.path(".")).env("PODINIT_FAULT", "panic-at-signal"));
    running.wait_for("main | up");
    let pid = fs::read_to_string(directory.path("pid")).unwrap().trim().parse().unwrap();
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().code(), 70);
    until("it is gone", || !exists(pid));
    let next = Running::start(&mut run(&directory, &limited("bug", "true"))).end();
    assert_eq!(next.code(), 0, "{next:?}");
    assert!(!next.stderr.iter().any(|line| line.contains("earlier run")), "{next:?}");
}
