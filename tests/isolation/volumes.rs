//! Volumes: what is mounted of the host's with which flags, what the pod's own hold, and what is left of them.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::sys::signal::Signal;

use crate::harness::until;
use crate::pod::{FIRST_ID, Pod, UP, USER, Who, printed, quoted};

fn mount_keys(name: &str, path: &str, more: &str) -> String {
    format!("volumeMounts = [{{ name = \"{name}\", mountPath = \"{path}\"{more} }}]")
}

/// FS-08: a directory that is mounted without set-user-id programs, devices or programs is so in the container,
/// whoever runs it, also where it is to be read only; what can be written to can be.
#[test]
fn flags_of_a_mount_of_the_host_s_are_kept() {
    for who in Who::among(&Who::ALL) {
        for (more, written) in [("", "wrote"), (", readOnly = true", "refused")] {
            let script = "grep ' /volume ' /proc/self/mountinfo | cut -d' ' -f 6
                (echo > /volume/new) 2>/dev/null && echo wrote || echo refused
                cp /bin/busybox /volume/sh 2>/dev/null; /volume/sh -c 'echo executed' 2>/dev/null; true";
            let pod = Pod::new(who);
            let directory = pod.host_directory("volume");
            let shown = directory.display().to_string();
            // In a mount namespace of the test's own, which podinit is started in.
            let before = format!("mount -t tmpfs -o nosuid,nodev,noexec,mode=777 none {shown}\n");
            let pod = pod
                .volume("volume", &format!("hostPath.path = {}", quoted(&directory)))
                .main("main", script, &mount_keys("volume", "/volume", more))
                .in_own_mounts(&before);
            let output = pod.output();
            let flags: Vec<&str> = output[0].split(',').collect();
            let first = if more.is_empty() { "rw" } else { "ro" };
            assert_eq!(flags[..4], [first, "nosuid", "nodev", "noexec"], "{who:?}: {output:?}");
            assert_eq!(output[1..], [written], "{who:?}: {more}");
        }
    }
}

/// FS-09: whatever containers mount and unmount, the host has the mounts that it had, whether one pod has run or a hundred.
#[test]
fn no_mount_of_a_pod_reaches_the_host() {
    let mounts = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    for who in Who::among(&Who::ALL) {
        let keys = "securityContext = { privileged = true }\n\
                    volumeMounts = [{ name = \"volume\", mountPath = \"/volume\" }, { name = \"host\", mountPath = \"/host\" }]";
        let pod = Pod::new(who);
        let directory = pod.host_directory("host");
        let pod = pod
            .volume("volume", "emptyDir.medium = \"Memory\"")
            .volume("host", &format!("hostPath.path = {}", quoted(&directory)))
            .main("main", "mount -t tmpfs none /host && mount -t tmpfs none /volume && mount -t tmpfs none /tmp && echo mounted", keys);
        let before = mounts();
        for _ in 0..100 {
            assert_eq!(pod.output(), ["mounted"], "{who:?}");
        }
        assert_eq!(mounts(), before, "{who:?}");
    }
}

/// FS-09: what the host mounts later below a hostPath is seen where the manifest asks for it, and nowhere else.
#[test]
fn later_mounts_of_the_host_are_seen_where_the_manifest_says_so() {
    for who in Who::among(&[Who::Root]) {
        for (propagation, expected) in [("None", "no"), ("HostToContainer", "yes")] {
            let pod = Pod::new(who);
            let directory = pod.host_directory("host");
            fs::create_dir(directory.join("below")).unwrap();
            let shown = directory.display();
            let before = format!(
                "mount --make-rshared /\nmount --bind {shown} {shown}\nmount --make-shared {shown}\n\
                 (until [ -e {shown}/ready ]; do sleep 0.01; done; mount -t tmpfs none {shown}/below; \
                 touch {shown}/below/later {shown}/go) &\n"
            );
            let script = "touch /host/ready; until [ -e /host/go ]; do sleep 0.01; done
                          [ -e /host/below/later ] && echo yes || echo no";
            let keys = mount_keys("host", "/host", &format!(", mountPropagation = \"{propagation}\""));
            let pod = pod
                .volume("host", &format!("hostPath.path = {shown:?}", shown = shown.to_string()))
                .main("main", script, &keys)
                .in_own_mounts(&before);
            assert_eq!(pod.output(), [expected], "{propagation}");
        }
    }
}

/// FS-11: hostPath with each type, where there is what it says, something else, or nothing, as Kubernetes has it;
/// a link on the host leads where it leads.
#[test]
fn host_paths_are_what_their_type_says() {
    let types =
        ["", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket", "CharDevice", "BlockDevice"];
    let kinds = ["directory", "file", "socket", "character", "nothing", "link-to-directory", "link-to-file"];
    let fits = |type_: &str, kind: &str| match type_ {
        "" => kind != "nothing",
        "Directory" => kind.ends_with("directory"),
        "DirectoryOrCreate" => kind.ends_with("directory") || kind == "nothing",
        "File" => kind.ends_with("file"),
        "FileOrCreate" => kind.ends_with("file") || kind == "nothing",
        "Socket" => kind == "socket",
        "CharDevice" => kind == "character",
        _ => false,
    };
    for who in Who::among(&Who::ALL) {
        for type_ in types {
            for kind in kinds {
                let pod = Pod::new(who);
                let host = pod.host_directory("host");
                let path = host.join("it");
                let _keeps_it =
                    (kind == "socket").then(|| std::os::unix::net::UnixListener::bind(&path).unwrap());
                match kind {
                    "directory" => fs::create_dir(&path).unwrap(),
                    "file" => fs::write(&path, "").unwrap(),
                    "character" => symlink("/dev/null", &path).unwrap(),
                    "link-to-directory" => symlink("/proc", &path).unwrap(),
                    "link-to-file" => symlink("/etc/passwd", &path).unwrap(),
                    _ => {}
                }
                let keys = format!("hostPath.path = {}\nhostPath.type = \"{type_}\"", quoted(&path));
                let pod = pod.volume("host", &keys).main(
                    "main",
                    "[ -e /mounted/here ] && echo runs",
                    &mount_keys("host", "/mounted/here", ""),
                );
                let ended = pod.run();
                let runs = fits(type_, kind);
                let expected = if runs { (0, vec!["runs".to_owned()]) } else { (125, vec![]) };
                assert_eq!(
                    (ended.code(), printed(&ended)),
                    expected,
                    "{who:?}: {type_} of {kind}: {ended:#?}"
                );
                if kind == "nothing" {
                    assert_eq!(path.exists(), runs, "{who:?}: {type_}");
                }
            }
        }
    }
}

/// FS-13: what is in memory has the size it says; both kinds survive the container, and are gone after the pod with
/// what links of theirs lead to untouched.
#[test]
fn empty_directories_last_as_long_as_the_pod() {
    for who in Who::among(&Who::ALL) {
        let script = "
            if [ ! -e /disk/once ]; then
                dd if=/dev/zero of=/memory/big bs=64k count=32 2>&1 | grep -o 'No space.*'
                wc -c < /memory/big; rm /memory/big; touch /memory/once /disk/once
                ln -s CANARY /disk/link; ln -s / /disk/root; mkdir -p /disk/a/b/c; chmod 0 /disk/a/b
                mkfifo /disk/fifo; touch /disk/closed; chmod 0 /disk/closed
                exit 1
            fi
            ls /memory /disk";
        let pod = Pod::new(who);
        let canary = pod.host_directory("canary");
        fs::write(canary.join("file"), "host").unwrap();
        let keys = "restartPolicy = \"OnFailure\"\nvolumeMounts = [\
                    { name = \"memory\", mountPath = \"/memory\" }, { name = \"disk\", mountPath = \"/disk\" }]";
        let pod = pod
            .with("crashLoopBackOff.initialDelaySeconds = 0\ncrashLoopBackOff.maxDelaySeconds = 0")
            .volume("memory", "emptyDir = { medium = \"Memory\", sizeLimit = \"1Mi\" }")
            .volume("disk", "emptyDir = {}")
            .main("main", &script.replace("CANARY", canary.to_str().unwrap()), keys);
        let output = pod.output();
        let expected = [
            "No space left on device",
            "1048576",
            "/disk:",
            "a",
            "closed",
            "fifo",
            "link",
            "once",
            "root",
            "",
            "/memory:",
            "once",
        ];
        assert_eq!(output, expected, "{who:?}");
        assert_eq!(fs::read_to_string(canary.join("file")).unwrap(), "host");
        assert!(!pod.disk().exists(), "{who:?}: {} is left", pod.disk().display());
    }
}

/// FS-14: what a killed podinit has left is cleared by the next run of its pod, but not through what somebody has
/// mounted there: then the run says so and touches nothing of it.
#[test]
fn what_is_cleared_is_never_behind_a_mount() {
    for who in Who::among(&[Who::Root]) {
        let pod = Pod::new(who).volume("disk", "emptyDir = {}").main(
            "main",
            &format!("ls /disk; mkdir /disk/busy; touch /disk/file; {UP}"),
            &mount_keys("disk", "/disk", ""),
        );
        let running = pod.start();
        running.wait_for("main | up");
        running.signal(Signal::SIGKILL);
        let _ = running;
        until("its volume is free", || !pod.disk().join("disk/file").exists() || is_unlocked(&pod.disk()));
        assert!(pod.disk().join("disk/file").exists());
        let canary = pod.host_directory("canary");
        fs::write(canary.join("file"), "host").unwrap();
        let busy = pod.disk().join("disk/busy");
        let mounted = format!("mount --bind {} {}\n", canary.display(), busy.display());
        let pod = pod.in_own_mounts(&mounted);
        let ended = pod.run();
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{ended:#?}");
        assert_eq!(fs::read_to_string(canary.join("file")).unwrap_or_default(), "host", "{ended:#?}");
        let said = ended.stderr.join("\n");
        assert!(said.contains(&format!("mounted at {}", busy.display())), "{ended:#?}");
        // Without the mount it is cleared, and the pod begins with an empty directory.
        let pod = pod.in_own_mounts("");
        let running = pod.start();
        assert_eq!(running.line(), "main | up");
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().code(), 143);
        assert!(!pod.disk().exists());
    }
}

/// Whether no podinit has this directory.
fn is_unlocked(directory: &Path) -> bool {
    let open = fs::File::open(directory).unwrap();
    nix::fcntl::Flock::lock(open, nix::fcntl::FlockArg::LockExclusiveNonblock).is_ok()
}

/// ROOTLESS-13: what a pod writes on the host belongs to whoever runs it or to one of his ids, and podinit removes
/// what it has made, whomever of these it belongs to.
#[test]
fn files_on_the_host_belong_to_the_user_and_his_ids() {
    for who in Who::among(&Who::ROOTLESS) {
        let other = if who == Who::Ranged { "; chown 5:6 /host/two /disk/two && echo given" } else { "" };
        let script =
            format!("touch /host/one /host/two /disk/one; mkdir /disk/two; touch /disk/two/x{other}");
        let pod = Pod::new(who);
        let host = pod.host_directory("host");
        let pod = pod
            .volume("host", &format!("hostPath.path = {}", quoted(&host)))
            .volume("disk", "emptyDir = {}")
            .main(
                "main",
                &script,
                "volumeMounts = [{ name = \"host\", mountPath = \"/host\" }, { name = \"disk\", mountPath = \"/disk\" }]",
            );
        pod.output();
        let owner = |name: &str| {
            let found = fs::metadata(host.join(name)).unwrap();
            (found.uid(), found.gid())
        };
        assert_eq!(owner("one"), (USER, USER), "{who:?}");
        // Id 1 of the pod is the first of the range.
        let two = if who == Who::Ranged { (FIRST_ID + 4, FIRST_ID + 5) } else { (USER, USER) };
        assert_eq!(owner("two"), two, "{who:?}");
        assert!(!pod.disk().exists(), "{who:?}");
    }
}

/// A directory as /tmp is: who owns a file is the only one who may remove it.
#[test]
fn an_empty_directory_may_be_sticky() {
    for who in Who::among(&Who::ALL) {
        let mounts = "volumeMounts = [{ name = \"disk\", mountPath = \"/a\" }, { name = \"memory\", mountPath = \"/b\" }]";
        let pod = Pod::new(who)
            .volume("disk", "emptyDir = { mode = 0o1777 }")
            .volume("memory", "emptyDir = { mode = 0o1777, medium = \"Memory\" }")
            .main("main", "stat -c %a /a /b", mounts);
        assert_eq!(pod.output(), ["1777", "1777"], "{who:?}");
    }
}

/// Where containers mount in a volume for others, each has been in another mount namespace, whose directory is another.
#[test]
fn a_relative_root_is_found_from_every_mount_namespace() {
    for who in Who::among(&Who::ALL) {
        let mounts = |propagation: &str| {
            format!(
                "volumeMounts = [{{ name = \"disk\", mountPath = \"/a\", mountPropagation = \"{propagation}\" }}]"
            )
        };
        let shows = format!("securityContext.privileged = true\n{}", mounts("Bidirectional"));
        let pod = Pod::new(who).volume("disk", "emptyDir = {}");
        let pod = pod.main("looks-on", "echo found", &mounts("HostToContainer")).main(
            "shows",
            "echo found",
            &shows,
        );
        assert_eq!(pod.with_relative_root().output(), ["found", "found"], "{who:?}");
    }
}

/// VOL-008 to VOL-021: files that root and others make in an empty directory have the mode that they are given, in
/// memory and on disk, and the pod's other containers read them.
#[test]
fn files_in_an_empty_directory_have_the_mode_that_they_are_given() {
    for who in Who::among(&[Who::Root, Who::Ranged]) {
        for (user, medium) in [("0", "Memory"), ("1001", "Memory"), ("0", ""), ("1001", "")] {
            let write =
                "for mode in 644 666 777; do echo $mode > /volume/$mode; chmod $mode /volume/$mode; done";
            let read = "cd /volume; stat -c '%a %u' . *; cat *";
            let keys = mount_keys("volume", "/volume", "");
            let as_user = format!("{keys}\nsecurityContext = {{ runAsUser = {user} }}");
            let pod = Pod::new(who)
                .volume("volume", &format!("emptyDir.medium = \"{medium}\""))
                .init("writer", write, &as_user)
                .main("main", read, &keys);
            let modes = ["644", "666", "777"].map(|mode| format!("{mode} {user}"));
            let expected =
                [vec!["777 0".to_owned()], modes.to_vec(), ["644", "666", "777"].map(str::to_owned).to_vec()];
            assert_eq!(pod.output(), expected.concat(), "{who:?}: {user}, {medium}");
        }
    }
}
