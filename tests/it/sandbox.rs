//! Profile `pod`: what surrounds a pod's containers, as root and as an ordinary user. Containers run busybox
//! from a root file system of the test's own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use super::harness::{Directory, PODINIT, Running, code, has};

/// Whether these tests can be run here.
fn is_root() -> bool {
    has(&["root", "busybox", "setpriv"])
}

/// A root file system with busybox and two accounts, whose files belong to this user.
fn root_file_system(directory: &Directory, owner: u32) -> String {
    let root = directory.path("root");
    for part in ["bin", "etc"] {
        fs::create_dir_all(root.join(part)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    let output = Command::new("/bin/busybox").arg("--list").output().unwrap();
    for name in String::from_utf8(output.stdout).unwrap().lines().filter(|name| *name != "busybox") {
        symlink("busybox", root.join("bin").join(name)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/var/www:/bin/sh\n").unwrap();
    fs::write(root.join("etc/group"), "adm:x:4:web\n").unwrap();
    for path in [root.clone(), root.join("bin"), root.join("etc"), directory.path("")] {
        chown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    root.to_str().unwrap().to_owned()
}

/// Runs a pod and returns its exit code and what its containers printed, sorted by container.
fn run(directory: &Directory, user: u32, manifest: &str) -> (i32, Vec<String>) {
    let root = root_file_system(directory, user);
    let program = directory.path("podinit");
    fs::copy(PODINIT, &program).unwrap();
    let pod = directory.file("pod.yaml", manifest);
    let mut command = if user == 0 { Command::new(&program) } else { Command::new("setpriv") };
    if user != 0 {
        let ids = [format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()];
        command.args(ids).arg(&program).env("HOME", directory.path("")).env_remove("XDG_RUNTIME_DIR");
        command.env("XDG_DATA_HOME", directory.path("data"));
    }
    command.arg("run").arg(format!("--image=files={root}")).arg(pod);
    let ended = Running::start(&mut command).end();
    let printed = ended.stdout.clone();
    (ended.code(), printed)
}

const HEAD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: NAME, labels: {tier: web}}\n";

fn manifest(name: &str, spec: &str) -> String {
    HEAD.replace("NAME", &format!("{name}-{}", std::process::id())) + spec
}

fn lines<'a>(printed: &'a [String], container: &str) -> Vec<&'a str> {
    let prefix = format!("{container} | ");
    printed.iter().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

/// CONT-06, LEAK-01, LEAK-08, PRIV-01, PRIV-05: what a container without any word about security has.
#[test]
fn a_container_has_namespaces_rights_and_descriptors_of_its_own() {
    if !is_root() {
        return;
    }
    for user in [0, 1000] {
        let directory = Directory::new();
        let spec = "spec:\n  restartPolicy: Never\n  containers:\n  - name: main\n    image: files\n    command: [sh, -c, 'echo $$$$; id -u; hostname; ls /proc/self/fd | wc -l; grep -E \"^(Cap|Sig[BIC]|Seccomp:|NoNew)\" /proc/self/status; for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done; ls /sys/class/net; ls /dev; echo $PATH $HOME; touch /here && ls -d /here; unshare -m true || echo refused']\n";
        let (code, printed) = run(&directory, user, &manifest("sandbox-own", spec));
        let main = lines(&printed, "main");
        assert_eq!(code, 0, "{printed:#?}");
        assert_eq!(main[0], "1", "the first process of its namespace");
        assert_eq!(main[1], "0", "root, as an image without a user");
        assert_eq!(main[2], format!("sandbox-own-{}", std::process::id()));
        assert_eq!(main[3], "4", "three descriptors, and ls's own");
        for expected in [
            "CapInh:\t0000000000000000",
            "CapPrm:\t00000000a80425fb",
            "CapEff:\t00000000a80425fb",
            "CapBnd:\t00000000a80425fb",
            "CapAmb:\t0000000000000000",
            "SigBlk:\t0000000000000000",
            "SigIgn:\t0000000000000000",
            "NoNewPrivs:\t0",
            "Seccomp:\t2",
            "lo",
            "termination-log",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /root",
            "/here",
            "refused",
        ] {
            assert!(main.contains(&expected), "{expected} as user {user}: {main:#?}");
        }
        for kind in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
            let own = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
            let own = own.to_str().unwrap();
            assert!(!main.contains(&own), "{kind} is the host's: {main:#?}");
        }
        assert!(!Path::new(&directory.path("root/here")).exists(), "rule 101: a layer of the attempt's own");
    }
}

/// Rules 144 to 153, 157 to 159, FS-07, FS-13, PRIV-03: volumes, users and files with names.
#[test]
fn volumes_users_and_names_are_as_the_manifest_says() {
    if !is_root() {
        return;
    }
    let directory = Directory::new();
    fs::create_dir(directory.path("shown")).unwrap();
    fs::write(directory.path("shown/file"), "of the host\n").unwrap();
    let spec = r#"spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  hostname: named
  hostAliases: [{ip: 10.1.2.3, hostnames: [one, two]}]
  securityContext: {runAsUser: 33, fsGroup: 77, supplementalGroups: [5], runAsNonRoot: true}
  volumes:
  - {name: disk, emptyDir: {}}
  - {name: memory, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: shown, hostPath: {path: SHOWN, type: Directory}}
  - {name: labels, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  initContainers:
  - name: init
    image: files
    command: [sh, -c, 'id; echo kept > /disk/file; stat -c "%a %g" /disk /disk/file; dd if=/dev/zero of=/memory/big bs=1M count=2 2>/dev/null || echo full; cat /labels/labels; echo; cat /etc/hosts']
    volumeMounts: [{name: disk, mountPath: /disk}, {name: memory, mountPath: /memory}, {name: labels, mountPath: /labels}]
  containers:
  - name: main
    image: files
    command: [sh, -c, 'cat /disk/deep/../file /shown/file; hostname; for p in /x /shown/x /tmp/x; do touch $p 2>/dev/null || echo no $p; done; touch /disk/y && echo wrote; echo last > /dev/termination-log; exit 3']
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}
    volumeMounts: [{name: disk, mountPath: /disk}, {name: shown, mountPath: /shown, readOnly: true}]
"#
    .replace("SHOWN", directory.path("shown").to_str().unwrap());
    let spec = spec.replace("/disk/deep/../file", "/disk/file");
    let (code, printed) = run(&directory, 0, &manifest("sandbox-volumes", &spec));
    assert_eq!(code, 3, "{printed:#?}");
    let init = lines(&printed, "init");
    assert_eq!(init[0], "uid=33(web) gid=34 groups=4(adm),5,77", "{init:#?}");
    assert_eq!(init[1..4], ["2777 77", "644 77", "full"], "{init:#?}");
    assert!(init.contains(&"tier=\"web\"") && init.contains(&"10.1.2.3\tone\ttwo"), "{init:#?}");
    let main = lines(&printed, "main");
    assert_eq!(main, ["kept", "of the host", "named", "no /x", "no /shown/x", "no /tmp/x", "wrote"]);
    let left = format!("/var/lib/podinit/pods/sandbox-volumes-{}", std::process::id());
    assert!(!Path::new(&left).exists(), "the volumes are gone with the pod");
}

/// LEAK-12, CONT-07: a process namespace of the pod's shows its processes, and nothing of podinit.
#[test]
fn a_shared_process_namespace_begins_with_an_empty_process() {
    if !is_root() {
        return;
    }
    let directory = Directory::new();
    let spec = "spec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 1\n  shareProcessNamespace: true\n  initContainers:\n  - name: side\n    image: files\n    restartPolicy: Always\n    command: [sleep, '1000']\n  containers:\n  - name: main\n    image: files\n    command: [sh, -c, 'ps -o args | grep -c \"^sleep 1000\"; ls /proc/1/root; ls /proc/1/fd | wc -l; wc -c < /proc/1/environ; cat /proc/1/cmdline']\n    securityContext: {capabilities: {add: [SYS_PTRACE]}}\n";
    let (code, printed) = run(&directory, 0, &manifest("sandbox-shared", spec));
    let main = lines(&printed, "main");
    assert_eq!(main[..3], ["1", "0", "0"], "{printed:#?}");
    assert!(main.len() == 4 && main[3].starts_with("podinit\0reap"), "{main:#?}");
    assert_eq!(code, 0);
}

/// Probes and hooks run inside the container, as its user (rules 60, 72; CONT-05).
#[test]
fn probes_and_hooks_run_in_the_container() {
    if !is_root() {
        return;
    }
    for user in [0, 1000] {
        let directory = Directory::new();
        let spec = "spec:\n  restartPolicy: Never\n  terminationGracePeriodSeconds: 2\n  volumes: [{name: shared, emptyDir: {}}]\n  containers:\n  - name: main\n    image: files\n    command: [sh, -c, 'until [ -e /shared/probed ]; do sleep 0.05; done; cat /shared/probed']\n    lifecycle: {postStart: {exec: {command: [sh, -c, 'echo hook > /shared/hooked']}}}\n    livenessProbe: {periodSeconds: 1, exec: {command: [sh, -c, 'ps -o pid,args | grep -q \"1 sh -c until\" && cat /shared/hooked > /shared/probing && id -u >> /shared/probing && grep Seccomp: /proc/self/status >> /shared/probing; mv /shared/probing /shared/probed']}}\n    volumeMounts: [{name: shared, mountPath: /shared}]\n";
        let (code, printed) = run(&directory, user, &manifest("sandbox-exec", spec));
        let main = lines(&printed, "main");
        assert_eq!(code, 0, "{printed:#?}");
        assert_eq!(main, ["hook", "0", "Seccomp:\t2"], "as user {user}: {main:#?}");
    }
}

/// kubernetes#84210: on request what a main process leaves behind is reaped.
#[test]
fn a_reaper_is_the_first_process_where_it_is_asked_for() {
    if !is_root() {
        return;
    }
    let directory = Directory::new();
    let spec = "spec:\n  restartPolicy: Never\n  containers:\n  - name: main\n    image: files\n    command: [sh, -c, '(sleep 0.1 &) ; echo $$$$; while ps -o comm | grep -q sleep; do :; done; exit 7']\n";
    let name = format!("sandbox-reaper-{}", std::process::id());
    let head = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{podinit.dev/main.reaper: 'true'}}}}\n"
    );
    let (code, printed) = run(&directory, 0, &(head + spec));
    assert_eq!(code, 7, "{printed:#?}");
    assert_ne!(lines(&printed, "main"), ["1"], "podinit is the first");
}

/// PRIV-01, capabilities(7): who is not root has none of the container's capabilities while his program is looked
/// for, either: one that he may not reach is not executed.
#[test]
fn who_is_not_root_executes_only_what_he_may() {
    if !is_root() {
        return;
    }
    let directory = Directory::new();
    let root = root_file_system(&directory, 0);
    let closed = Path::new(&root).join("closed");
    fs::create_dir(&closed).unwrap();
    fs::copy("/bin/busybox", closed.join("true")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    for (user, expected) in [(0, 0), (33, 126)] {
        let spec = format!(
            "spec:\n  restartPolicy: Never\n  containers:\n  - name: main\n    image: files\n    command: [/closed/true]\n    securityContext: {{runAsUser: {user}}}\n"
        );
        let pod = directory.file("pod.yaml", &manifest("sandbox-closed", &spec));
        let mut command = Command::new(PODINIT);
        command.args(["run", &format!("--image=files={root}")]).arg(pod);
        assert_eq!(code(&mut command), expected, "as user {user}");
    }
}

/// LEAK-10: on the host's own files a container sees nothing of the pod's files in podinit's keeping, among them
/// Secrets that others mount.
#[test]
fn on_the_host_s_files_the_pod_s_own_are_hidden() {
    if !is_root() {
        return;
    }
    let directory = Directory::new();
    let script = "find /run/podinit/sandbox | wc -l";
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{key: x}}\n---\n{}",
        manifest(
            "sandbox-hidden",
            &format!(
                "spec:\n  restartPolicy: Never\n  volumes: [{{name: s, secret: {{secretName: s}}}}]\n  containers:\n  - name: main\n    command: [sh, -c, '{script}']\n"
            )
        )
    );
    let pod = directory.file("pod.yaml", &text);
    let mut command = Command::new(PODINIT);
    let ended = Running::start(command.args(["run", "--host-rootfs"]).arg(pod)).end();
    assert_eq!(lines(&ended.stdout, "main"), ["1"], "the place itself: {ended:?}");
}

/// LEAK-03, CVE-2024-21626: on the host's own files, where no root is exchanged, a working directory by way of a
/// descriptor of podinit's does not lead to the pod's own files either.
#[test]
fn a_working_directory_by_way_of_a_descriptor_is_none() {
    if !is_root() {
        return;
    }
    let directory = Directory::new();
    // As many as are open when the mounts have been made.
    for number in 3..64 {
        let manifest = format!(
            "profile = \"pod\"\nnetwork = \"none\"\n[[containers]]\nname = \"main\"\nworkingDir = \"/proc/self/fd/{number}\"\ncommand = [\"ls\"]\n"
        );
        let mut command =
            super::harness::run(&directory, &(String::from("restartPolicy = \"Never\"\n") + &manifest));
        let ended = Running::start(command.arg("--host-rootfs")).end();
        assert_eq!((ended.code(), ended.stdout), (125, Vec::new()), "{number}");
    }
}

/// A pod on the host's own files that does not start says this.
fn on_host(spec: &str, words: &[&str]) {
    let directory = Directory::new();
    let pod = directory.file("pod.yaml", &manifest("sandbox-on-host", spec));
    let mut command = Command::new(PODINIT);
    let ended = Running::start(command.args(["run", "--host-rootfs"]).arg(pod)).end();
    assert_eq!(ended.code(), 125);
    let said = ended.stderr.join("\n");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// A root file system that is not there is told of at once: trying again would not make it.
#[test]
fn a_root_file_system_that_is_missing_is_named() {
    if !is_root() {
        return;
    }
    let directory = Directory::new();
    let manifest =
        "profile = \"pod\"\n[[containers]]\nname = \"main\"\ncommand = [\"true\"]\nrootfs = \"/nowhere\"\n";
    let ended = Running::start(&mut super::harness::run(&directory, manifest)).end();
    assert_eq!(ended.code(), 125, "{ended:?}");
    let said = ended.stderr.join("\n");
    assert!(
        said.contains("cannot use the root file system /nowhere of container main: no such file"),
        "{said}"
    );
}

/// SPEC-07, ROOTLESS-02: what cannot be had is refused, with what helps.
#[test]
fn what_is_not_honoured_is_refused_with_a_remedy() {
    if !is_root() {
        return;
    }
    let refused = |user: u32, spec: &str, words: &[&str]| {
        let directory = Directory::new();
        let root = root_file_system(&directory, user);
        let pod = directory.file("pod.yaml", &manifest("sandbox-refused", spec));
        let program = directory.path("podinit");
        fs::copy(PODINIT, &program).unwrap();
        let mut command = if user == 0 { Command::new(&program) } else { Command::new("setpriv") };
        if user != 0 {
            let ids = [format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()];
            command.args(ids).arg(&program).env("HOME", directory.path("")).env_remove("XDG_RUNTIME_DIR");
        }
        command.arg("run").arg(format!("--image=files={root}")).arg(pod);
        let ended = Running::start(&mut command).end();
        assert_eq!(ended.code(), 125);
        let said = ended.stderr.join("\n");
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    };
    let with = |more: &str| {
        format!(
            "spec:\n  restartPolicy: Never\n{more}  containers:\n  - {{name: main, image: files, command: ['true']}}\n"
        )
    };
    refused(
        0,
        &with("  securityContext: {seLinuxOptions: {level: s0}}\n"),
        &["SELinux", "--degrade=selinux"],
    );
    let ids = with("  hostUsers: false\n  securityContext: {runAsUser: 70000}\n");
    refused(0, &ids, &["as 70000", "below 65536", "hostUsers"]);
    refused(1000, &with("  securityContext: {runAsUser: 5}\n"), &["as 5", "/etc/subuid"]);
    let elsewhere = with("  volumes: [{name: v, emptyDir: {}}]\n")
        .replace("['true']}", "['true'], volumeMounts: [{name: v, mountPath: /nowhere}]}");
    on_host(&elsewhere, &["volume \"v\" at /nowhere", "this host's files, to which nothing is added"]);
    let image = "spec:\n  containers:\n  - {name: main, image: other, command: ['true']}\n";
    refused(0, image, &["image \"other\" is not available", "--image other=DIRECTORY", "--host-rootfs"]);
}
