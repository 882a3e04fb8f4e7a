//! AppArmor, which the kernel of these machines has.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::{Finished, Vm, has};

/// Confines nothing but two paths.
const PROFILE: &str = "profile podinit-test flags=(attach_disconnected) {\n\
     file,\n network,\n capability,\n signal,\n ptrace,\n unix,\n mount,\n umount,\n\
     deny /etc/secret r,\n deny /tmp/denied w,\n}\n";

/// What apparmor_parser(8) makes of a profile.
fn compiled(profile: &str) -> Vec<u8> {
    let mut parser = Command::new("apparmor_parser");
    parser.env("PATH", "/sbin:/usr/sbin:/bin:/usr/bin").args([
        "--skip-kernel-load",
        "--skip-cache",
        "--stdout",
    ]);
    let mut parser =
        parser.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    parser.stdin.take().unwrap().write_all(profile.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    output.stdout
}

/// Boots with these profiles loaded, and these containers.
fn boot(profiles: &[&str], pod: &str) -> Finished {
    let mut script =
        "#!/bin/sh\nmkdir -p /proc /sys /tmp\nmount -t proc proc /proc\nmount -t sysfs sysfs /sys\n\
         mount -t securityfs securityfs /sys/kernel/security\n"
            .to_owned();
    let mut vm = Vm::new().file("/etc/secret", "secret\n", 0o644);
    for (number, profile) in profiles.iter().enumerate() {
        let path = format!("/profile{number}");
        script += &format!("dd if={path} of=/sys/kernel/security/apparmor/.load bs=1M 2>/dev/null\n");
        vm = vm.file(&path, compiled(profile), 0o644);
    }
    script += "umount /sys/kernel/security /sys /proc\nexec /init\n";
    vm.first(&script).words("apparmor=1 security=apparmor").pod(pod).boot()
}

const TELL: &str = "cat /proc/self/attr/current; cat /etc/secret 2>/dev/null || echo refused; \
                    echo x 2>/dev/null > /tmp/denied || echo refused; echo x > /tmp/allowed && echo written";

fn container(name: &str, keys: &str, script: &str) -> String {
    format!("[[containers]]\nname = \"{name}\"\n{keys}\ncommand = [\"sh\", \"-c\", '''\n{script}''']\n")
}

/// PRIV-11: a container runs under the profile that it names, in either profile of podinit's, and what runs beside it
/// does so too; one that names none runs as podinit.
#[test]
fn a_container_runs_under_the_profile_that_it_names() {
    if !has("apparmor_parser") {
        return;
    }
    let confined =
        "securityContext.appArmorProfile = { type = \"Localhost\", localhostProfile = \"podinit-test\" }";
    let hook = format!(
        "{confined}\nlifecycle.postStart.exec.command = [\"sh\", \"-c\", \"cat /proc/self/attr/current > /tmp/hook; echo x > /tmp/denied || echo refused >> /tmp/hook; mv /tmp/hook /tmp/hooked\"]"
    );
    let waits = format!("{TELL}; until [ -e /tmp/hooked ]; do :; done; cat /tmp/hooked");
    let root = "rootfs = { path = \"/\", layer = \"directory\" }";
    let pod = format!("name = \"vm\"\n{}", container("main", &hook, &waits))
        + &container("free", "", "cat /proc/self/attr/current; cat /etc/secret");
    let finished = boot(&[PROFILE], &pod);
    assert_eq!(finished.code(), 0, "{finished:#?}");
    let expected =
        ["podinit-test (enforce)", "refused", "refused", "written", "podinit-test (enforce)", "refused"];
    assert_eq!(finished.lines("main"), expected, "{finished:#?}");
    assert_eq!(finished.lines("free"), ["unconfined", "secret"], "{finished:#?}");

    let keys = format!("{confined}\n{root}");
    let pod = format!(
        "name = \"vm\"\nprofile = \"pod\"\nrestartPolicy = \"Never\"\n{}",
        container("main", &keys, TELL)
    );
    let finished = boot(&[PROFILE], &pod);
    assert_eq!(finished.code(), 0, "{finished:#?}");
    assert_eq!(finished.lines("main"), expected[..4], "{finished:#?}");
}

/// PRIV-11: `RuntimeDefault` is podinit's own profile: it keeps from the kernel and lets do what containers do. Where it
/// is not loaded and cannot be, and where a named profile is missing, nothing runs.
#[test]
fn the_usual_profile_keeps_containers_from_the_kernel() {
    if !has("apparmor_parser") {
        return;
    }
    let default = include_str!("../../src/plan/default.apparmor");
    let usual = "securityContext.appArmorProfile.type = \"RuntimeDefault\"";
    let script = "cat /proc/self/attr/current
        echo 1 2>/dev/null > /proc/sys/kernel/panic || echo no panic
        echo h 2>/dev/null > /proc/sysrq-trigger || echo no keys
        echo 1 2>/dev/null > /sys/kernel/mm/ksm/run || echo no memory
        echo x > /tmp/file && cat /tmp/file
        sleep 1000 & kill $! && echo killed
        nc -l -p 80 -e echo answer & until nc 127.0.0.1 80 < /dev/null 2>/dev/null; do :; done";
    let finished = boot(&[default], &format!("name = \"vm\"\n{}", container("main", usual, script)));
    assert_eq!(finished.code(), 0, "{finished:#?}");
    let expected = ["podinit-default (enforce)", "no panic", "no keys", "no memory", "x", "killed", "answer"];
    assert_eq!(finished.lines("main"), expected, "{finished:#?}");

    let finished = boot(&[], &format!("name = \"vm\"\n{}", container("main", usual, "echo it runs")));
    assert_eq!(finished.code(), 125, "{finished:#?}");
    let said = finished.messages().join("\n");
    assert!(said.contains("apparmor_parser") && said.contains("podinit-default"), "{said}");

    let complains = default.replace("flags=(", "flags=(complain,");
    let finished =
        boot(&[&complains], &format!("name = \"vm\"\n{}", container("main", usual, "echo it runs")));
    assert_eq!(finished.code(), 125, "{finished:#?}");
    let said = finished.messages().join("\n");
    assert!(said.contains("podinit-default is loaded in complain mode, which forbids nothing"), "{said}");

    let missing =
        "securityContext.appArmorProfile = { type = \"Localhost\", localhostProfile = \"missing\" }";
    let finished = boot(&[], &format!("name = \"vm\"\n{}", container("main", missing, "echo it runs")));
    assert_ne!(finished.code(), 0, "{finished:#?}");
    assert_eq!(finished.lines("main"), [""; 0], "{finished:#?}");
    let said = finished.messages().join("\n");
    assert!(said.contains("AppArmor profile \"missing\", which has to be loaded"), "{said}");
}

/// PRIV-11: where the usual profile is not loaded podinit has apparmor_parser load it, once.
#[test]
fn the_usual_profile_is_loaded_where_it_is_not() {
    if !has("apparmor_parser") {
        return;
    }
    let libraries = Command::new("ldd").arg("/sbin/apparmor_parser").output().unwrap().stdout;
    let libraries = String::from_utf8(libraries).unwrap();
    let usual = "securityContext.appArmorProfile.type = \"RuntimeDefault\"";
    let script = "cat /proc/self/attr/current; mount -t tmpfs none /tmp 2>/dev/null || echo no mount";
    let pod = format!("name = \"vm\"\n{}", container("main", usual, script))
        + &container("free", "", "cat /sys/kernel/security/apparmor/profiles");
    let mut vm = Vm::new().words("apparmor=1 security=apparmor").pod(&pod);
    let paths = libraries.split_ascii_whitespace().filter(|word| word.starts_with('/'));
    for path in paths.chain(["/sbin/apparmor_parser"]) {
        vm = vm.file(path, std::fs::read(path).unwrap(), 0o755);
    }
    let finished = vm.boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    assert_eq!(finished.lines("main"), ["podinit-default (enforce)", "no mount"], "{finished:#?}");
    assert_eq!(finished.lines("free"), ["podinit-default (enforce)"], "{finished:#?}");
}
