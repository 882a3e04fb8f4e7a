//! As whom containers run, and what they may do.

use std::fs;
use std::process::Command;

use crate::harness::{Running, has};
use crate::pod::{Pod, Who, printed};

/// Docker's 14 capabilities.
const USUAL: &str = "00000000a80425fb";
const NONE: &str = "0000000000000000";
/// Who they are and what they may do, as the kernel says it.
const TELL: &str = "awk '/^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp):?/ { print }' /proc/self/status";

/// Inheritable, permitted, effective, bounding and ambient capabilities.
fn sets(who: Who, keys: &str) -> Vec<String> {
    let tell = "[\"awk\", \"/^Cap/ { print $2 }\", \"/proc/self/status\"]";
    Pod::new(who).words("containers", "main", tell, keys).output()
}

/// PRIV-01, CVE-2022-29162, CVE-2022-27650: by default Docker's 14, of them nothing inheritable nor ambient; who
/// is not root has none; `add` and `drop` change exactly what they name.
#[test]
fn capabilities_are_docker_s_and_what_the_manifest_says() {
    for who in Who::among(&Who::ALL) {
        assert_eq!(sets(who, ""), [NONE, USUAL, USUAL, USUAL, NONE], "{who:?}");
        let dropped = "securityContext.capabilities.drop = [\"ALL\"]";
        assert_eq!(sets(who, dropped), [NONE; 5], "{who:?}");
        let one = "securityContext.capabilities = { drop = [\"ALL\"], add = [\"NET_BIND_SERVICE\"] }";
        let bit = "0000000000000400";
        assert_eq!(sets(who, one), [NONE, bit, bit, bit, NONE], "{who:?}");
        let added = "securityContext.capabilities = { add = [\"SYS_TIME\"], drop = [\"CHOWN\", \"MKNOD\"] }";
        let set = "00000000a20425fa";
        assert_eq!(sets(who, added), [NONE, set, set, set, NONE], "{who:?}");
        if who != Who::User {
            let ordinary = "securityContext.runAsUser = 1001";
            assert_eq!(sets(who, ordinary), [NONE, NONE, NONE, USUAL, NONE], "{who:?}");
        }
    }
}

/// PRIV-01: what podinit was started with does not change it: with inheritable and ambient capabilities of its
/// own too.
#[test]
fn inheritable_capabilities_of_podinit_are_not_handed_on() {
    for who in Who::among(&[Who::Root]) {
        let tell = "[\"awk\", \"/^Cap/ { print $2 }\", \"/proc/self/status\"]";
        let pod = Pod::new(who).words("containers", "main", tell, "");
        let inner = pod.command();
        let mut command = Command::new("setpriv");
        command.args(["--inh-caps=+net_admin,+sys_time", "--ambient-caps=+net_admin"]);
        command.arg(inner.get_program()).args(inner.get_args()).current_dir(pod.directory.path("."));
        let ended = Running::start(&mut command).end();
        assert_eq!(printed(&ended), [NONE, USUAL, USUAL, USUAL, NONE], "{ended:#?}");
    }
}

/// PRIV-02: what takes a right comes before the right is gone: the bounding set while that can be changed, groups
/// before the user, capabilities when everything else is done, and the filter where it needs no right any more.
#[test]
fn rights_are_given_away_in_an_order_in_which_each_can_be() {
    if !has(&["root", "strace"]) {
        return;
    }
    let keys = "securityContext = { runAsUser = 1001, runAsGroup = 1002, allowPrivilegeEscalation = false }";
    let pod = Pod::new(Who::Root).words("containers", "main", "[\"true\"]", keys);
    let trace = pod.directory.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(&trace);
    command.args(["-e", "trace=pivot_root,setgroups,setresgid,setgid,setresuid,setuid,capset,prctl,seccomp,close_range,execve"]);
    let inner = pod.command();
    command.arg(inner.get_program()).args(inner.get_args());
    assert_eq!(Running::start(&mut command).end().code(), 0);
    let text = fs::read_to_string(&trace).unwrap();
    let last = text.lines().rfind(|line| line.contains("execve(") && line.contains("= 0")).unwrap();
    let child = last.split_ascii_whitespace().next().unwrap();
    let steps: Vec<&str> = text.lines().filter(|line| line.starts_with(child)).collect();
    let at = |what: &str| {
        steps.iter().position(|step| step.contains(what)).unwrap_or_else(|| panic!("no {what}: {steps:#?}"))
    };
    let last_of = |what: &str| steps.iter().rposition(|step| step.contains(what)).unwrap();
    let user = steps.iter().position(|step| step.contains("setresuid") || step.contains("setuid")).unwrap();
    let group = steps.iter().position(|step| step.contains("setresgid") || step.contains("setgid")).unwrap();
    let order = [
        at("pivot_root("),
        last_of("PR_CAPBSET_DROP"),
        at("setgroups("),
        group,
        user,
        last_of("PR_SET_PDEATHSIG"),
        last_of("capset("),
        at("PR_SET_NO_NEW_PRIVS"),
        at("seccomp("),
        last_of("execve("),
    ];
    assert!(order.is_sorted(), "{order:?}: {steps:#?}");
}

/// PRIV-09: whichever step of it fails, the container's program does not run, and the message names the step.
#[test]
fn a_program_does_not_run_when_a_step_before_it_fails() {
    if !has(&["root", "strace"]) {
        return;
    }
    let keys = "securityContext = { runAsUser = 1001, runAsGroup = 1002, allowPrivilegeEscalation = false }";
    let calls = [
        ("setgroups", "groups"),
        ("setresuid", "become user 1001"),
        ("setresgid", "become user 1001"),
        ("capset", ""),
        ("seccomp", "filter of system calls"),
        ("pivot_root", "enter the root file system"),
        ("move_mount", "mount"),
        ("fsmount", "mount"),
        ("openat2", ""),
        ("close_range", ""),
    ];
    for (call, words) in calls {
        let pod = Pod::new(Who::Root).words("containers", "main", "[\"echo\", \"it runs\"]", keys);
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o"]).arg(pod.directory.path("trace"));
        command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:error=EPERM")]);
        let inner = pod.command();
        command.arg(inner.get_program()).args(inner.get_args());
        let ended = Running::start(&mut command).end();
        let errors = ended.stderr.join("\n");
        let trace = fs::read_to_string(pod.directory.path("trace")).unwrap();
        assert!(trace.contains("(INJECTED)"), "{call} was not called");
        assert_eq!(printed(&ended), [""; 0], "{call}: {ended:#?}");
        assert_ne!(ended.code(), 0, "{call}: {ended:#?}");
        assert!(errors.contains(words), "{call}: {ended:#?}");
    }
}

/// PRIV-03, CVE-2010-2956: supplementary groups are the manifest's and those of the image's accounts, never podinit's own; who
/// cannot set any refuses a manifest that asks for some.
#[test]
fn supplementary_groups_are_exactly_those_asked_for() {
    let groups = |who: Who, pod_keys: &str, keys: &str| {
        let tell = "[\"awk\", \"/^(Uid|Gid|Groups):/ { $1 = $1; print }\", \"/proc/self/status\"]";
        let pod = Pod::new(who).with(pod_keys).words("containers", "main", tell, keys);
        let inner = pod.command();
        let mut command = Command::new("setpriv");
        // The groups of whoever starts it.
        command.args(["--groups", "4,5,6"]).arg(inner.get_program()).args(inner.get_args());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ended = Running::start(&mut command).end();
        (ended.code(), printed(&ended), ended.stderr.join("\n"))
    };
    for who in Who::among(&[Who::Root, Who::Ranged]) {
        let (code, lines, _) = groups(who, "", "");
        assert_eq!((code, lines[2].as_str()), (0, "Groups:"), "{who:?}");
        let all = "securityContext = { runAsUser = 1001, fsGroup = 7, supplementalGroups = [8, 9] }";
        let (_, lines, _) = groups(who, all, "");
        let expected = ["Uid: 1001 1001 1001 1001", "Gid: 1002 1002 1002 1002", "Groups: 7 8 9 1003"];
        assert_eq!(lines, expected, "{who:?}");
        let strict = "securityContext = { runAsUser = 1001, supplementalGroups = [8], supplementalGroupsPolicy = \"Strict\" }";
        assert_eq!(groups(who, strict, "").1[2], "Groups: 8", "{who:?}");
    }
    for who in Who::among(&[Who::User]) {
        let (code, lines, errors) = groups(who, "securityContext.supplementalGroups = [8]", "");
        assert_eq!((code, lines), (125, vec![]), "{errors}");
        assert!(errors.contains("supplementary groups"), "{errors}");
    }
}

/// PRIV-04: a set-user-id program gains nothing where privilege escalation is not allowed, in the container, its
/// hooks and its probes; where it is allowed, it does.
#[test]
fn set_user_id_programs_gain_nothing_unless_allowed() {
    for who in Who::among(&[Who::Root, Who::Ranged]) {
        for (allow, expected) in [
            (", allowPrivilegeEscalation = false", "effective 1001 1002"),
            (", allowPrivilegeEscalation = true", "effective 0 1002"),
            // As where it is left out.
            ("", "effective 0 1002"),
        ] {
            let inner = "[\"sh\", \"-c\", \"/bin/probe effective >> /shared/others\"]";
            let keys = format!(
                "securityContext = {{ runAsUser = 1001{allow} }}\n\
                 lifecycle.postStart.exec.command = {inner}\nreadinessProbe.exec.command = {inner}\n\
                 readinessProbe.periodSeconds = 0.1\nvolumeMounts = [{{ name = \"shared\", mountPath = \"/shared\" }}]"
            );
            let script = "probe effective
                until [ -e /shared/others ] && [ $(wc -l < /shared/others) -ge 2 ]; do sleep 0.02; done
                head -2 /shared/others";
            let pod = Pod::new(who)
                .volume("shared", "emptyDir.medium = \"Memory\"")
                .main("main", script, &keys)
                .with_probe();
            set_user_id(&pod, "bin/probe");
            assert_eq!(pod.output(), [expected; 3], "{who:?}: {allow}");
        }
    }
}

/// A program that runs as the container's root, whoever that is outside.
fn set_user_id(pod: &Pod, below: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(pod.root(below), fs::Permissions::from_mode(0o4755)).unwrap();
}

/// PRIV-13: only where a manifest says so: all rights, no filter, nothing masked, the host's devices. An
/// ordinary user's is root of his user namespace.
#[test]
fn a_privileged_container_is_one_because_its_manifest_says_so() {
    for who in Who::among(&[Who::Root, Who::User]) {
        let script = format!(
            "{TELL}; for path in /proc/keys /proc/timer_list; do [ -s $path ] || stat -c %t:%T $path; done"
        );
        let plain = Pod::new(who).main("main", &script, "").output();
        assert!(plain.iter().any(|line| line == "Seccomp:\t2"), "{plain:?}");
        let keys = "securityContext.privileged = true";
        let ended = Pod::new(who)
            .main(
                "main",
                &format!(
                    "{TELL}; ls /dev | grep -cE '^(mem|kmsg|loop0|fuse)$'; mount | grep -c ' /proc/'; true"
                ),
                keys,
            )
            .run();
        let output = printed(&ended);
        assert_eq!(ended.code(), 0, "{who:?}: {ended:#?}");
        assert!(output.iter().any(|line| line == "Seccomp:\t0"), "{who:?}: {output:?}");
        let bounding = fs::read_to_string("/proc/self/status").unwrap();
        let bounding = bounding.lines().find(|line| line.starts_with("CapBnd:")).unwrap().to_owned();
        if who == Who::Root {
            assert!(output.contains(&bounding), "{who:?}: {output:?}, not {bounding}");
        }
        let count: u32 = output[output.len() - 2].parse().unwrap();
        assert!(count > 0, "{who:?}: none of the host's devices: {output:?}");
        assert_eq!(output.last().unwrap(), "0", "{who:?}: something of /proc is covered");
    }
}
