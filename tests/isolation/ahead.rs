//! The containers that follow a sidecar or an init container are made while that is under way: nothing of them shows
//! before their turn, they begin with what they would find then, and what keeps them from starting is told as ever.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::Signal;

use crate::harness::{Running, until};
use crate::pod::{Pod, STAY, Who, printed};

/// KEP-753: a main container does not run before its sidecar has started; one that was made ready is thrown away, and
/// nothing of it is left.
#[test]
fn what_follows_a_sidecar_that_cannot_start_does_not_run() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who)
            .with("restartPolicy = \"Always\"\ncrashLoopBackOff.initialDelaySeconds = 0.02\ncrashLoopBackOff.maxDelaySeconds = 0.02")
            .volume("shared", "emptyDir = {}")
            .words("initContainers", "side", "[\"/no/such\"]", "restartPolicy = \"Always\"")
            .main("main", "echo ran", "volumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]");
        let running = pod.start();
        for _ in 0..5 {
            running.wait_for_message("side");
        }
        let children = format!("/proc/{0}/task/{0}/children", running.pid());
        // Not one for each try: at most the one of the try that is under way, and one that is being killed.
        until("what was thrown away is gone", || {
            fs::read_to_string(&children).unwrap().split_whitespace().count() <= 3
        });
        running.signal(Signal::SIGTERM);
        let ended = running.end();
        assert_eq!(printed(&ended), [""; 0], "{who:?}");
        assert!(!pod.disk().exists(), "{who:?}");
    }
}

/// A container that cannot be made is told of as often as it was to start: not when it was made ready in vain.
#[test]
fn what_cannot_be_made_ready_is_told_of_when_it_is_to_start() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who);
        let path = pod.directory.path("nothing");
        let pod = pod
            .volume("gone", &format!("hostPath = {{ path = \"{}\", type = \"File\" }}", path.display()))
            .init("side", STAY, "restartPolicy = \"Always\"")
            .main("main", "echo ran", "volumeMounts = [{ name = \"gone\", mountPath = \"/gone\" }]");
        let ended = Running::start(&mut pod.command()).end();
        assert_ne!(ended.code(), 0, "{who:?}: {ended:#?}");
        let told = ended.stderr.iter().filter(|line| line.contains("cannot use")).count();
        assert_eq!(told, 1, "{who:?}: {ended:#?}");
        assert_eq!(printed(&ended), [""; 0], "{who:?}");
    }
}

/// An init container finds its volume empty, as `git clone` wants it, whatever the next one mounts there; and the next
/// one finds what the init container made: a part of the volume, and where it works.
#[test]
fn what_an_init_container_makes_is_what_the_next_one_begins_with() {
    const MOUNT: &str = "volumeMounts = [{ name = \"data\", mountPath = \"/data\" }";
    let init = "[ -z \"$(ls -A /data)\" ] || ls -lA /data; sleep 0.2; mkdir -p /data/part /data/etc; echo made > /data/part/file";
    let cases = [
        ("cat /data/part/file", format!("{MOUNT}]")),
        (
            "cat /part/file",
            format!("{MOUNT}, {{ name = \"data\", mountPath = \"/part\", subPath = \"part\" }}]"),
        ),
        ("cat /data/part/file", format!("{MOUNT}, {{ name = \"other\", mountPath = \"/data/other\" }}]")),
        ("cat file", format!("workingDir = \"/data/part\"\n{MOUNT}]")),
        ("cat /etc/part/file", "volumeMounts = [{ name = \"data\", mountPath = \"/etc\" }]".to_owned()),
        ("cat /data/part/file", format!("terminationMessagePath = \"/data/message\"\n{MOUNT}]")),
    ];
    for who in Who::among(&Who::ALL) {
        for (script, keys) in &cases {
            let pod = Pod::new(who)
                .volume("data", "emptyDir = {}")
                .volume("other", "emptyDir = {}")
                .init("init", init, &format!("{MOUNT}]"))
                .init("side", STAY, "restartPolicy = \"Always\"")
                .main("main", script, keys);
            assert_eq!(pod.output(), ["made"], "{who:?}: {keys}");
        }
    }
}

/// A root file system that an init container fills through a volume.
#[test]
fn an_init_container_fills_the_root_of_the_next_one() {
    for who in Who::among(&[Who::Root]) {
        let pod = Pod::new(who);
        let root = pod.root("").display().to_string();
        let pod = pod
            .volume("root", &format!("hostPath.path = \"{root}\""))
            .init(
                "init",
                "sleep 0.2; echo made > /root-of-main/made; mkdir /root-of-main/work.new; echo here > /root-of-main/work.new/file; \
                 mv /root-of-main/work /root-of-main/work.old; mv /root-of-main/work.new /root-of-main/work; \
                 echo 'root:x:0:0:root:/made:/bin/sh' > /root-of-main/etc/passwd",
                "volumeMounts = [{ name = \"root\", mountPath = \"/root-of-main\" }]",
            )
            .main("main", "cat /made file; echo $HOME", "workingDir = \"/work\"");
        pod.file("work/file", "before\n", 0o644);
        assert_eq!(pod.output(), ["made", "here", "/made"]);
    }
}

/// The host's own files are an init container's to change: accounts, and the directory that the next one works in.
#[test]
fn on_the_hosts_files_an_init_container_changes_what_the_next_one_is() {
    for who in Who::among(&[Who::Root]) {
        let pod = Pod::new(who);
        let passwd = pod.directory.file("passwd", "root:x:0:0:root:/before:/bin/sh\n").display().to_string();
        let init = format!(
            "sleep 0.2; sed s:/before:/after: {passwd} > {passwd}.new; cat {passwd}.new > /etc/passwd"
        );
        let pod = pod.in_own_mounts(&format!("mount --bind {passwd} /etc/passwd\n")).init("init", &init, "");
        assert_eq!(pod.main("main", "echo $HOME", "").on_host().output(), ["/after"]);

        let pod = Pod::new(who);
        let work = pod.host_directory("work").display().to_string();
        let init = format!("sleep 0.2; mv {work} {work}.old; mkdir {work}; echo here > {work}/file");
        let keys = format!("workingDir = \"{work}\"");
        assert_eq!(pod.init("init", &init, "").main("main", "cat file", &keys).on_host().output(), ["here"]);
    }
}

/// What waits for an init container to end ends with the pod, and is not made anew for each of its tries.
#[test]
fn what_waits_for_an_init_container_ends_with_the_pod() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who)
            .with("restartPolicy = \"Always\"\ncrashLoopBackOff.initialDelaySeconds = 0.02\ncrashLoopBackOff.maxDelaySeconds = 0.02")
            .volume("tries", "emptyDir = {}")
            .init(
                "init",
                "echo try; echo >> /tries/all; [ $(wc -l < /tries/all) = 5 ] && exec sleep 1000; exit 1",
                "volumeMounts = [{ name = \"tries\", mountPath = \"/tries\" }]",
            )
            .init("side", STAY, "restartPolicy = \"Always\"")
            .main("main", "echo ran", "")
            // Nothing else is podinit's child.
            .options(&["--network", "none"]);
        let running = pod.start();
        let children = format!("/proc/{0}/task/{0}/children", running.pid());
        let all = || -> BTreeSet<String> {
            fs::read_to_string(&children).unwrap().split_whitespace().map(str::to_owned).collect()
        };
        running.wait_for("init | try");
        let at_first = all();
        for _ in 1..5 {
            running.wait_for("init | try");
        }
        assert_eq!(at_first.intersection(&all()).count(), 2, "{who:?}: side and main wait as before");
        // The init container, and what follows it.
        until("nobody else is there", || all().len() <= 3);
        running.signal(Signal::SIGTERM);
        let ended = running.end();
        assert!(printed(&ended).iter().all(|line| line != "ran"), "{who:?}: {ended:#?}");
        assert!(!pod.disk().exists(), "{who:?}");
    }
}
