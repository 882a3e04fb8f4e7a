//! What a manifest may not ask for, what a host cannot give, and commands that are none.

use std::fs;

use crate::harness::until;
use crate::pod::{Pod, STAY, UP, Who, printed};

/// SPEC-10: no escalation and all rights contradict one another.
#[test]
fn a_container_is_not_both_privileged_and_without_escalation() {
    for context in [
        "{ allowPrivilegeEscalation = false, privileged = true }",
        "{ allowPrivilegeEscalation = false, capabilities.add = [\"SYS_ADMIN\"] }",
        "{ allowPrivilegeEscalation = false, capabilities.add = [\"CAP_SYS_ADMIN\"] }",
    ] {
        for who in Who::among(&[Who::Root]) {
            let ended =
                Pod::new(who).main("main", "echo it runs", &format!("securityContext = {context}")).run();
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{context}: {ended:#?}");
            assert!(ended.stderr.join("\n").contains("allowPrivilegeEscalation"), "{context}: {ended:#?}");
        }
    }
}

/// SPEC-11: a setting of the kernel that no namespace of the pod owns is refused and unchanged on the host; one that
/// the pod owns is set in the pod and nowhere else.
#[test]
fn only_the_pod_s_own_settings_of_the_kernel_are_set() {
    let read = |path: &str| fs::read_to_string(format!("/proc/sys/{path}")).unwrap();
    for who in Who::among(&Who::ALL) {
        for (name, path) in [("kernel.panic", "kernel/panic"), ("vm.swappiness", "vm/swappiness")] {
            let before = read(path);
            let keys = format!("securityContext.sysctls = [{{ name = \"{name}\", value = \"7\" }}]");
            let ended = Pod::new(who).with(&keys).main("main", "echo it runs", "").run();
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {name}: {ended:#?}");
            assert_eq!(read(path), before, "{who:?}: {name}");
        }
        let (name, path) = ("net.ipv4.ip_local_port_range", "net/ipv4/ip_local_port_range");
        let before = read(path);
        let keys = format!("securityContext.sysctls = [{{ name = \"{name}\", value = \"40000 40100\" }}]");
        let output = Pod::new(who).with(&keys).main("main", &format!("cat /proc/sys/{path}"), "").output();
        assert_eq!(output, ["40000\t40100"], "{who:?}");
        assert_eq!(read(path), before, "{who:?}");
        let keys = format!("hostNetwork = true\n{keys}");
        let ended = Pod::new(who).with(&keys).main("main", "echo it runs", "").run();
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {ended:#?}");
        assert_eq!(read(path), before, "{who:?}");
    }
}

/// SPEC-09: capabilities go by their names in Kubernetes, with and without CAP_; an unknown one is refused.
#[test]
fn capabilities_are_known_by_name() {
    for who in Who::among(&[Who::Root]) {
        let tell = "awk '/CapEff/ { print $2 }' /proc/self/status";
        let set = |name: &str| {
            let keys = format!("securityContext.capabilities = {{ drop = [\"ALL\"], add = [\"{name}\"] }}");
            let ended = Pod::new(who).main("main", tell, &keys).run();
            (ended.code(), printed(&ended))
        };
        let chown = (0, vec!["0000000000000001".to_owned()]);
        assert_eq!(set("CHOWN"), chown);
        for name in ["CAP_CHOWN", "chown"] {
            let found = set(name);
            assert!(found == chown || found == (125, vec![]), "{name}: {found:?}");
        }
        assert_eq!(set("FLY"), (125, vec![]));
    }
}

/// SPEC-12: a command of a container, a hook or a probe that is not there, no program, or a directory ends neither
/// podinit nor the pod's others.
#[test]
fn commands_that_are_none_are_told_of() {
    for who in Who::among(&[Who::Root, Who::User]) {
        for (command, code) in
            [("/no/such", 127), ("/etc/passwd", 126), ("/etc", 126), ("no-such-in-path", 127)]
        {
            let ended = Pod::new(who).words("containers", "main", &format!("[\"{command}\"]"), "").run();
            assert_eq!(ended.code(), code, "{who:?}: {command}: {ended:#?}");
            assert!(ended.stderr.join("\n").contains("main"), "{who:?}: {command}: {ended:#?}");
            let keys = format!(
                "readinessProbe = {{ exec.command = [\"{command}\"], periodSeconds = 0.05 }}\n\
                 lifecycle.preStop.exec.command = [\"{command}\"]"
            );
            let pod = Pod::new(who).main("main", UP, &keys).main("other", STAY, "");
            let pod = pod.options(&["--event-file", "events.json"]);
            let events = pod.directory.file("events.json", "");
            pod.give(&events);
            let running = pod.start();
            let is_told = || fs::read_to_string(&events).unwrap().contains("Readiness probe");
            until("the probe is told of", is_told);
            running.signal(nix::sys::signal::Signal::SIGTERM);
            assert_eq!(running.end().code(), 143, "{who:?}: {command}");
        }
    }
}

/// SPEC-13: variables are what is written, byte for byte; more than the kernel takes fails that container's start
/// and nothing else.
#[test]
fn variables_may_be_long_but_not_endless() {
    for who in Who::among(&[Who::Root, Who::User]) {
        let long = "x".repeat(100_000);
        let keys = format!(
            "env = [{{ name = \"LONG\", value = \"{long}\" }}, {{ name = \"ODD\", value = \"a=b\\n\\tc \" }}]"
        );
        let script = "printf %s \"$LONG\" | wc -c; printf %s \"$ODD\" | od -An -c | tr -s ' '";
        let output = Pod::new(who).main("main", script, &keys).output();
        assert_eq!(output, ["100000", " a = b \\n \\t c "], "{who:?}");
        let endless = "x".repeat(200_000);
        let keys = format!("env = [{{ name = \"LONG\", value = \"{endless}\" }}]");
        let ended = Pod::new(who).main("main", "echo it runs", &keys).main("other", "echo other", "").run();
        assert_eq!(printed(&ended), ["other"], "{who:?}: {ended:#?}");
        assert_ne!(ended.code(), 0, "{who:?}");
        assert!(ended.stderr.iter().all(|line| line.len() < 1000), "{who:?}: a value is in a message");
    }
}

/// PRIV-11: a profile of AppArmor or SELinux that this kernel has not is refused, and RuntimeDefault is not, as no
/// container runtime does.
#[test]
fn profiles_of_what_the_kernel_has_not_are_refused() {
    for who in Who::among(&[Who::Root, Who::User]) {
        if fs::exists("/sys/kernel/security/apparmor").unwrap() {
            return;
        }
        let run = |context: &str| {
            let ended = Pod::new(who)
                .main("main", "echo it runs", &format!("securityContext = {{ {context} }}"))
                .run();
            (ended.code(), printed(&ended), ended.stderr.join("\n"))
        };
        for context in [
            "appArmorProfile = { type = \"Localhost\", localhostProfile = \"mine\" }",
            "seLinuxOptions = { type = \"container_t\" }",
        ] {
            let (code, lines, said) = run(context);
            assert_eq!((code, lines), (125, vec![]), "{who:?}: {context}: {said}");
            assert!(
                said.contains("AppArmor") || said.contains("SELinux") || said.contains("seLinux"),
                "{said}"
            );
        }
        let (code, lines, said) = run("appArmorProfile.type = \"Unconfined\"");
        assert_eq!((code, lines), (0, vec!["it runs".to_owned()]), "{who:?}: {said}");
    }
}

/// RES-10: podinit takes as many descriptors as it may have, and containers get what podinit was started with; with
/// too few for another container that one fails to start, and those that run go on.
#[test]
fn descriptors_are_podinit_s_own_and_run_out_with_a_message() {
    for who in Who::among(&Who::ALL) {
        let output = Pod::script(who, "ulimit -n; ulimit -H -n")
            .before("ulimit -S -n 77; ulimit -H -n 999\n")
            .output();
        assert_eq!(output, ["77", "999"], "{who:?}");
        let mut pod = Pod::new(who).with("restartPolicy = \"Always\"").before("ulimit -n 60\n");
        pod = pod.main("first", UP, "");
        for n in 0..40 {
            pod = pod.main(&format!("more{n}"), STAY, "");
        }
        let running = pod.start();
        running.wait_for_message("too many open files");
        // It is there and listens; what could not be started decides.
        running.signal(nix::sys::signal::Signal::SIGTERM);
        let ended = running.end();
        assert_eq!(ended.code(), 125, "{who:?}: {ended:#?}");
    }
}
