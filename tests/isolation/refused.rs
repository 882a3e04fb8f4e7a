//! What a manifest may not ask for, what a host cannot give, and commands that are none.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Running, has, until};
use crate::pod::{Pod, STAY, UP, Who, printed};

/// SPEC-02, SPEC-05: names that are there twice, or that would be paths, are refused before anything is made: no
/// process, no namespace, no mount, no directory.
#[test]
fn bad_names_have_no_effect() {
    if !has(&["root", "strace"]) {
        return;
    }
    let main = |pod: Pod, name: &str| pod.main(name, "echo it runs", "");
    let new = || Pod::new(Who::Root);
    let volume = "emptyDir.medium = \"Memory\"";
    let long = "x".repeat(64);
    let mut pods = vec![
        main(main(new(), "same"), "same"),
        main(new().init("same", "true", ""), "same"),
        main(new().volume("same", volume).volume("same", volume), "main"),
        main(new().with("restartPolicy = \"Never\"\nrestartPolicy = \"Always\""), "main"),
        main(new(), "main").options(&["--name", "../up"]),
        main(new(), "main").options(&["--name", "a/b"]),
    ];
    for name in ["../up", "a/b", "", ".", "-x", "A", &long] {
        pods.push(main(new(), name));
        pods.push(main(new().volume(name, volume), "main"));
    }
    for pod in pods {
        let trace = pod.directory.path("trace");
        let inner = pod.command();
        // Behind the shell that executes podinit.
        let words: Vec<_> = inner.get_args().skip(3).collect();
        let mut command = Command::new("strace");
        let calls = "clone,clone3,fork,vfork,unshare,mount,fsopen,fsmount,move_mount,open_tree,mkdir,mkdirat";
        command.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace={calls}"), "-o"]).arg(&trace);
        let ended = Running::start(command.args(words)).end();
        assert!([125, 2].contains(&ended.code()) && printed(&ended).is_empty(), "{ended:#?}");
        assert_eq!(fs::read_to_string(&trace).unwrap(), "", "{ended:#?}");
    }
}

/// SPEC-04: numbers beyond what a field can hold are refused, and nothing of them is cut off.
#[test]
fn numbers_out_of_range_are_refused() {
    let of_pod = [
        "terminationGracePeriodSeconds = 9223372036854775808",
        "activeDeadlineSeconds = -1",
        "securityContext.runAsUser = -1",
        "securityContext.runAsUser = 4294967295",
        "securityContext.fsGroup = 4294967296",
        "securityContext.supplementalGroups = [2147483648000]",
    ];
    let of_container = [
        "resources.limits.memory = \"-1\"",
        "resources.limits.cpu = \"-0.5\"",
        "securityContext.runAsGroup = 4294967295",
        "readinessProbe = { tcpSocket.port = 65536 }",
    ];
    for who in Who::among(&[Who::Root]) {
        let pods = of_pod.map(|keys| Pod::new(who).with(keys).main("main", "echo it runs", ""));
        let others = of_container.map(|keys| Pod::new(who).main("main", "echo it runs", keys));
        for pod in pods.into_iter().chain(others) {
            let ended = pod.run();
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{ended:#?}");
            assert!(ended.stderr.join("\n").contains("pod.toml:"), "{ended:#?}");
        }
    }
}

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
            let pod = Pod::new(who).main("main", UP, &keys).main("other", UP, "");
            let pod = pod.options(&["--event-file", "events.json"]);
            let events = pod.directory.file("events.json", "");
            pod.give(&events);
            let running = pod.start();
            running.wait_for("other | up");
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

/// PRIV-11: a profile of AppArmor or a label of SELinux is refused where the kernel has neither, the usual profile where
/// it is written, as kubelet and containerd do; what asks for none runs, and so does what accepts the loss by name.
#[test]
fn profiles_that_are_not_applied_are_refused() {
    if Path::new("/sys/kernel/security/apparmor").exists() || Path::new("/sys/fs/selinux/enforce").exists() {
        println!("this kernel has AppArmor or SELinux: tests/vm shows what becomes of profiles");
        return;
    }
    for who in Who::among(&[Who::Root, Who::User]) {
        let run = |context: &str| {
            let ended = Pod::new(who)
                .main("main", "echo it runs", &format!("securityContext = {{ {context} }}"))
                .run();
            (ended.code(), printed(&ended), ended.stderr.join("\n"))
        };
        for context in [
            "appArmorProfile = { type = \"Localhost\", localhostProfile = \"mine\" }",
            "seLinuxOptions = { type = \"container_t\" }",
            "appArmorProfile.type = \"RuntimeDefault\"",
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
        let keys =
            "securityContext = { appArmorProfile.type = \"RuntimeDefault\", seLinuxOptions.level = \"s0\" }";
        let pod = Pod::new(who).main("main", "echo it runs", keys).options(&["--degrade=apparmor,selinux"]);
        let ended = pod.run();
        assert_eq!(printed(&ended), ["it runs"], "{who:?}: {ended:#?}");
        let said = ended.stderr.join("\n");
        assert!(said.contains("AppArmor") && said.contains("SELinux"), "{who:?}: {said}");
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
        // It is there and listens; whichever main failed first in time decides.
        running.signal(nix::sys::signal::Signal::SIGTERM);
        let ended = running.end();
        assert!([125, 143].contains(&ended.code()), "{who:?}: {ended:#?}");
    }
}
