//! podinit in a container of podinit's own: with Docker's capabilities and filter as root, as an ordinary user, as
//! Kubernetes' restricted policy has it, and without the filter. What a pod of two containers can and cannot have
//! in each.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::PODINIT;
use crate::pod::{Pod, Who};

/// What the container is allowed in which podinit runs.
const DOCKER: &str = "";
const USER: &str = "securityContext.runAsUser = 1000";
const RESTRICTED: &str = "securityContext = { runAsUser = 1000, allowPrivilegeEscalation = false, \
                          capabilities.drop = [\"ALL\"], readOnlyRootFilesystem = true }";
const UNCONFINED: &str = "securityContext.seccompProfile.type = \"Unconfined\"";
const ALL: [(&str, &str); 4] =
    [("Docker", DOCKER), ("user", USER), ("restricted", RESTRICTED), ("unconfined", UNCONFINED)];

/// What the inner podinit says to this manifest there, and its exit code at last. What it may write to is
/// /dev/shm.
fn inside(around: &str, options: &str, manifest: &str) -> Vec<String> {
    assert!(!manifest.contains("$$"));
    let script = format!(
        "cat > /dev/shm/pod.toml <<'END'\n{manifest}\nEND\n\
         HOME=/dev/shm podinit run {options} /dev/shm/pod.toml 2>&1; echo ends with $?"
    );
    let pod = Pod::new(Who::Root).main("outer", &script, around);
    let program = pod.root("bin/podinit");
    assert!(Command::new("cp").args([Path::new(PODINIT), &program]).status().unwrap().success());
    let mut lines = pod.output();
    // One line is each container's, in any order.
    let last = lines.pop().unwrap();
    lines.sort();
    lines.push(last);
    lines
}

fn two(keys: &str, script: &str) -> String {
    let container = |name: &str| {
        format!(
            "[[containers]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", \"\"\"{script}\"\"\"]\n{keys}\n"
        )
    };
    format!("name = \"inner\"\n{}{}", container("a"), container("b"))
}

/// ROOTLESS-05, ROOTLESS-06: without any right to make namespaces, mounts or groups a pod of two containers runs as
/// podinit's own user, and ends with its result; nothing is tried again and again, and nothing said.
#[test]
fn a_pod_of_profile_process_runs_in_any_container() {
    for (name, around) in ALL {
        if Who::among(&[Who::Root]).is_empty() {
            return;
        }
        let lines = inside(around, "", &two("", "id -u; exit 0"));
        let user = if [USER, RESTRICTED].contains(&around) { "1000" } else { "0" };
        assert_eq!(lines, [&format!("a | {user}"), &format!("b | {user}"), "ends with 0"], "{name}");
        // Init container, sidecar, exec probe, and a stop in order.
        let whole = "name = \"inner\"\n[[initContainers]]\nname = \"init\"\ncommand = [\"echo\", \"first\"]\n\
             [[initContainers]]\nname = \"side\"\nrestartPolicy = \"Always\"\n\
             command = [\"sh\", \"-c\", \"trap 'echo last; exit 0' TERM; touch /dev/shm/up; sleep 1000 & wait\"]\n\
             startupProbe = { exec.command = [\"test\", \"-e\", \"/dev/shm/up\"], periodSeconds = 0.05 }\n\
             [[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", \"echo second; exit 3\"]\n";
        let lines = inside(around, "", whole);
        let said = ["init | first", "main | second"];
        assert!(said.iter().all(|line| lines.contains(&(*line).to_owned())), "{name}: {lines:#?}");
        assert!(
            lines.iter().any(|line| line.starts_with("side") && line.ends_with("last")),
            "{name}: {lines:#?}"
        );
        assert_eq!(lines.last().unwrap(), "ends with 3", "{name}: {lines:#?}");
    }
}

/// ROOTLESS-05, ROOTLESS-07: profile `pod` is refused before anything runs where namespaces are forbidden, and the
/// message names what forbids them and both ways out.
#[test]
fn profile_pod_is_refused_where_a_container_forbids_namespaces() {
    for (name, around) in ALL {
        if Who::among(&[Who::Root]).is_empty() {
            return;
        }
        let manifest = format!("restartPolicy = \"Never\"\n{}", two("", "echo it runs"));
        let lines = inside(around, "--profile pod --host-rootfs", &manifest);
        assert_eq!(lines.last().unwrap(), "ends with 125", "{name}: {lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("it runs")), "{name}: {lines:#?}");
        let said = lines.join("\n");
        assert!(said.contains("--profile process"), "{name}: {said}");
        if around != UNCONFINED {
            assert!(said.contains("seccomp=unconfined"), "{name}: {said}");
        }
    }
}

/// ROOTLESS-07: a right that cannot be given away or a namespace that cannot be made is refused, never left out
/// without a word.
#[test]
fn what_cannot_be_had_in_a_container_is_refused() {
    let cases = [
        (USER, "securityContext.runAsUser = 4000"),
        (RESTRICTED, "securityContext.runAsUser = 4000"),
        (DOCKER, "securityContext.readOnlyRootFilesystem = true"),
        (RESTRICTED, "securityContext.readOnlyRootFilesystem = true"),
    ];
    for (around, keys) in cases {
        if Who::among(&[Who::Root]).is_empty() {
            return;
        }
        let lines = inside(around, "", &two(keys, "echo it runs"));
        assert!(!lines.iter().any(|line| line.contains("it runs")), "{around}: {keys}: {lines:#?}");
        assert_ne!(lines.last().unwrap(), "ends with 0", "{around}: {keys}: {lines:#?}");
    }
    for sharing in
        ["shareProcessNamespace = true", "hostAliases = [{ ip = \"192.0.2.1\", hostnames = [\"x\"] }]"]
    {
        let lines = inside(DOCKER, "", &format!("{sharing}\n{}", two("", "echo it runs")));
        assert_eq!(lines.last().unwrap(), "ends with 125", "{sharing}: {lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("it runs")), "{sharing}: {lines:#?}");
    }
}

/// PRIV-07: a filter without no_new_privs needs a right that a container has not: it is refused with its reason,
/// and applied where nothing gains rights anyway.
#[test]
fn a_filter_that_cannot_be_installed_is_not_left_out() {
    let filter = "seccompProfile.type = \"RuntimeDefault\"";
    let script = "grep Seccomp: /proc/self/status";
    for (name, around) in [("Docker", DOCKER), ("user", USER), ("unconfined", UNCONFINED)] {
        if Who::among(&[Who::Root]).is_empty() {
            return;
        }
        let lines = inside(around, "", &two(&format!("securityContext.{filter}"), script));
        assert!(!lines.iter().any(|line| line.contains("Seccomp:")), "{name}: {lines:#?}");
        assert!(lines.join("\n").contains("filter"), "{name}: {lines:#?}");
        let keys = format!("securityContext = {{ {filter}, allowPrivilegeEscalation = false }}");
        let lines = inside(around, "", &two(&keys, script));
        assert_eq!(lines, ["a | Seccomp:\t2", "b | Seccomp:\t2", "ends with 0"], "{name}");
    }
}

/// ROOTLESS-08: without groups and namespaces what detaches itself from its container is found and ended with it.
#[test]
fn what_detaches_itself_in_a_container_is_ended() {
    for (name, around) in ALL {
        if Who::among(&[Who::Root]).is_empty() {
            return;
        }
        let script = "(setsid sh -c 'trap : TERM; exec sleep 1234567' </dev/null >/dev/null 2>&1 &); \
                      until grep -q 1234567 /proc/[0-9]*/cmdline; do :; done; exit 0";
        let manifest = format!("terminationGracePeriodSeconds = 1\n{}", two("", script));
        let lines = inside(around, "", &manifest);
        assert_eq!(lines.last().unwrap(), "ends with 0", "{name}: {lines:#?}");
        let left = fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|entry| {
            fs::read(entry.path().join("cmdline")).is_ok_and(|words| words == b"sleep\x001234567\0")
        });
        assert!(!left, "{name}: it runs");
    }
}

/// ROOTLESS-04: where /proc is covered, as in a container without a filter, a pod with a user namespace cannot mount
/// one of its own: that is refused with the remedy, and nothing runs with the outer one.
#[test]
fn a_proc_that_cannot_be_mounted_is_refused_with_the_remedy() {
    if Who::among(&[Who::Root]).is_empty() {
        return;
    }
    let around = "securityContext = { runAsUser = 1000, seccompProfile.type = \"Unconfined\" }";
    let manifest = format!("restartPolicy = \"Never\"\n{}", two("", "echo it runs"));
    let lines = inside(around, "--profile pod --host-rootfs", &manifest);
    assert_eq!(lines.last().unwrap(), "ends with 125", "{lines:#?}");
    let said = lines.join("\n");
    assert!(!said.contains("it runs") && said.contains("processes of its own"), "{said}");
    assert!(said.contains("systempaths=unconfined"), "{said}");
}
