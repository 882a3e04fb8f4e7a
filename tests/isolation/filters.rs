//! Filters of system calls, seen by trying.

use std::collections::BTreeMap;

use crate::pod::{Pod, Who};

/// How each call ended.
fn calls(who: Who, keys: &str) -> BTreeMap<String, String> {
    let pod = Pod::new(who).words("containers", "main", "[\"probe\", \"calls\"]", keys).with_probe();
    let split = |line: &String| line.split_once(' ').map(|(call, end)| (call.to_owned(), end.to_owned()));
    pod.output().iter().map(|line| split(line).unwrap()).collect()
}

/// PRIV-05, ROOTLESS-14: by default Docker's profile holds, for root of a container too, and for an ordinary user's.
#[test]
fn the_default_filter_refuses_what_docker_refuses() {
    for who in Who::among(&Who::ALL) {
        let all = calls(who, "");
        let refused = [
            "unshare-user",
            "unshare-mount",
            "setns",
            "mount",
            "umount2",
            "pivot_root",
            "fsopen",
            "open_tree",
            "keyctl",
            "add_key",
            "bpf",
            "perf_event_open",
            "userfaultfd",
            "io_uring_setup",
            "kexec_load",
            "init_module",
            "open_by_handle_at",
        ];
        for call in refused {
            assert_eq!(all[call], "EPERM", "{who:?}: {call}: {all:#?}");
        }
        // Else a C library would not fall back to clone(2).
        assert_eq!(all["clone3"], "ENOSYS", "{who:?}");
        assert_eq!([&all["getpid"], &all["memfd_create"]], ["ok", "ok"], "{who:?}");
        let open = calls(who, "securityContext.seccompProfile.type = \"Unconfined\"");
        assert_eq!(open["unshare-user"], "ok", "{who:?}: the filter and nothing else refused it");
        assert_ne!(open["keyctl"], "EPERM", "{who:?}");
    }
}

/// PRIV-05: the filter is on every process of a container: its own, its children, its hooks and its probes.
#[test]
fn the_filter_is_on_every_process() {
    for who in Who::among(&Who::ALL) {
        let inner = "[\"sh\", \"-c\", \"grep Seccomp: /proc/self/status >> /shared/others\"]";
        let keys = format!(
            "lifecycle.postStart.exec.command = {inner}\nreadinessProbe.exec.command = {inner}\n\
             readinessProbe.periodSeconds = 0.1\nvolumeMounts = [{{ name = \"shared\", mountPath = \"/shared\" }}]"
        );
        let script = "grep Seccomp: /proc/$$/status; (grep Seccomp: /proc/self/status)
            until [ -e /shared/others ] && [ $(wc -l < /shared/others) -ge 2 ]; do sleep 0.02; done
            head -2 /shared/others";
        let pod = Pod::new(who).volume("shared", "emptyDir.medium = \"Memory\"").main("main", script, &keys);
        assert_eq!(pod.output(), ["Seccomp:\t2"; 4], "{who:?}");
    }
}

/// PRIV-06: neither the numbers of x32 nor the interrupt of i386 lead around the filter.
#[test]
#[cfg(target_arch = "x86_64")]
fn another_architecture_is_no_way_around_the_filter() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who)
            .words("containers", "main", "[\"probe\", \"other-architectures\"]", "")
            .with_probe();
        let output = pod.output();
        let found: Vec<&str> = output.iter().map(|line| line.split_once(' ').unwrap().1).collect();
        assert!(found.iter().all(|how| ["fails", "SIGSYS", "SIGSEGV"].contains(how)), "{who:?}: {output:?}");
    }
}
