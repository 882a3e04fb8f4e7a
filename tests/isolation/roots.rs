//! Root file systems that are made to mislead: links where something is mounted, ways back to the host.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{PODINIT, Running};
use crate::pod::{Pod, Who, printed};

/// What a directory of the host that nobody may touch holds, with what it is.
fn is_untouched(canary: &std::path::Path) -> bool {
    let entries: Vec<_> = fs::read_dir(canary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    entries == ["file"] && fs::read_to_string(canary.join("file")).unwrap() == "host"
}

/// FS-02, FS-03, CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2026-41579, CVE-2026-47766: a link in the
/// place of /proc, /sys or /dev is refused, and where it leads to nothing is made or mounted.
#[test]
fn links_in_place_of_the_kernel_s_directories_are_refused() {
    for who in Who::among(&Who::ALL) {
        for name in ["proc", "sys", "dev"] {
            for target in ["/tmp/inside", "CANARY", "../../../../../..", "proc-of-another", "."] {
                let pod = Pod::script(who, "echo it runs");
                let canary = pod.host_directory("canary");
                fs::write(canary.join("file"), "host").unwrap();
                fs::create_dir(pod.root("tmp/inside")).unwrap();
                pod.give(&pod.root("tmp/inside"));
                let link = pod.root(name);
                fs::remove_dir(&link).unwrap();
                let target = target.replace("CANARY", canary.to_str().unwrap());
                symlink(&target, &link).unwrap();
                let ended = pod.run();
                assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {name} -> {target}");
                let place = format!("/{name}");
                assert!(ended.stderr.join("\n").contains(&place), "{who:?}: {name} -> {target}: {ended:?}");
                assert!(is_untouched(&canary), "{who:?}: {name} -> {target}");
                assert_eq!(fs::read_dir(pod.root("tmp/inside")).unwrap().count(), 0);
            }
        }
    }
}

/// FS-04, CVE-2025-31133: whatever a root file system has as /dev/null, what is masked is masked with the device,
/// and the file that its link leads to is not mounted anywhere.
#[test]
fn a_root_file_system_s_dev_null_masks_nothing() {
    for who in Who::among(&Who::ALL) {
        let script = "stat -c '%t:%T %F' /dev/null; for path in /proc/keys /proc/interrupts /proc/timer_list; do
                          [ -e $path ] && stat -c '%t:%T' $path; done; grep -c core_pattern /proc/self/mountinfo
                      cat /dev/null/x 2>/dev/null; true";
        let pod = Pod::script(who, script);
        symlink("/proc/sys/kernel/core_pattern", pod.root("dev/null")).unwrap();
        let before = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
        let output = pod.output();
        assert_eq!(output[0], "1:3 character special file", "{who:?}");
        let masks = &output[1..output.len() - 1];
        assert!(!masks.is_empty() && masks.iter().all(|mask| mask == "1:3"), "{who:?}: {output:?}");
        assert_eq!(output.last().unwrap(), "0", "{who:?}: the mask is another file");
        assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), before);
    }
}

/// FS-10: in a chroot(2), out of which every container would find a way, profile `pod` is refused, and nothing of podinit
/// gets out; behind pivot_root(2) it is not.
#[test]
fn in_a_chroot_containers_cannot_be_kept_in_their_files() {
    for who in Who::among(&[Who::Root]) {
        let pod = Pod::new(who);
        let root = pod.root("").display().to_string();
        fs::copy(PODINIT, pod.root("bin/podinit")).unwrap();
        pod.file(
            "pod.toml",
            "restartPolicy = \"Never\"\n[[containers]]\nname = \"main\"\ncommand = [\"cat\", \"/where\"]\n",
            0o644,
        );
        pod.file("where", "inside\n", 0o644);
        for name in ["etc/hosts", "etc/hostname", "etc/resolv.conf"] {
            pod.file(name, "", 0o644);
        }
        let run = |how: &str, options: &str| {
            let lines = format!(
                "set -e; mount --bind {root} {root}; cd {root}; mkdir -p run old; mount -t proc proc proc; \
                 mount --rbind /dev dev; mount --rbind /sys sys; mount -t tmpfs tmpfs run; \
                 {how} /bin/podinit run {options} /pod.toml"
            );
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "sh", "-c", &lines]);
            Running::start(&mut command).end()
        };
        let isolated = "--profile pod --host-rootfs --network none";
        let refused = run("exec chroot .", isolated);
        assert_eq!(refused.code(), 125, "{refused:#?}");
        assert!(refused.stderr.join("\n").contains("podinit is in a chroot, out of which"), "{refused:#?}");
        assert_eq!(printed(&refused), [""; 0]);
        for (how, options) in [("exec chroot .", ""), ("pivot_root . old; exec", isolated)] {
            let ended = run(how, options);
            assert_eq!((ended.code(), printed(&ended)), (0, vec!["inside".to_owned()]), "{how}: {ended:#?}");
        }
    }
}

/// FS-10: no way leads out of the root file system: not a second chroot(2), not the first process, not a
/// descriptor, not a mount of what lies above.
#[test]
fn the_host_s_root_cannot_be_reached() {
    for who in Who::among(&Who::ALL) {
        let script = "
            [ -e /canary-of-the-root ] || echo the root is another
            ls -d /proc/1/root/canary-of-the-root /proc/self/root/../../../canary-of-the-root
            for process in /proc/[0-9]*; do [ -e $process/root/canary-of-the-root ] || echo $process is outside; done
            mount --bind /proc/1/root /tmp 2>/dev/null && echo has mounted
            grep -E ' / (/run|/tmp)/podinit' /proc/self/mountinfo
            exec probe escape";
        let pod = Pod::script(who, script).with_probe();
        pod.file("canary-of-the-root", "", 0o644);
        let output = pod.output();
        let expected = [
            "/proc/1/root/canary-of-the-root",
            "/proc/self/root/../../../canary-of-the-root",
            "chroot ok",
            "chroot-out ok",
            "sees bin canary-of-the-root dev etc proc root sys tmp",
        ];
        assert_eq!(output, expected, "{who:?}");
    }
}

/// FS-16: with a layer in memory above a directory an attempt creates, changes, renames and deletes, as root and
/// as an ordinary user, and the directory stays what it was; the next attempt begins with it.
#[test]
fn a_root_s_layer_takes_every_change() {
    for who in Who::among(&Who::ALL) {
        let script = "
            set -e
            [ ! -e /etc/new ] && [ $(cat /etc/old) = old ]
            echo changed > /etc/old; echo new > /etc/new; mkdir -p /etc/directory/deep
            rm /etc/gone; mv /etc/here /etc/there; rm -r /etc/full; mkdir /etc/full; ls -A /etc/full
            chmod 700 /etc/new; ln -s new /etc/link; mkfifo /etc/fifo; mv /etc/subdirectory /etc/renamed || true
            [ ! -e /etc/gone ] && [ $(cat /etc/there) = here ] && [ $(cat /etc/link) = new ]
            echo all of it; [ -e /shared/once ] || { touch /shared/once; exit 1; }";
        let pod = Pod::new(who)
            .with("crashLoopBackOff.initialDelaySeconds = 0\ncrashLoopBackOff.maxDelaySeconds = 0")
            .volume("shared", "emptyDir.medium = \"Memory\"")
            .main(
                "main",
                script,
                "restartPolicy = \"OnFailure\"\nvolumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]",
            );
        for name in ["old", "gone", "here", "full/file", "subdirectory/file"] {
            pod.file(&format!("etc/{name}"), name, 0o644);
        }
        for name in ["etc/full", "etc/subdirectory"] {
            pod.give(&pod.root(name));
        }
        let ended = pod.run();
        assert_eq!(ended.code(), 0, "{who:?}: {ended:#?}");
        assert_eq!(printed(&ended), ["all of it"; 2], "{who:?}: {ended:#?}");
        for name in ["old", "gone", "here", "full/file", "subdirectory/file"] {
            assert_eq!(fs::read_to_string(pod.root("etc").join(name)).unwrap(), name);
        }
        assert!(!pod.root("etc/new").exists() && !pod.root("etc/there").exists());
    }
}

/// FS-07: with a root that is only to be read nothing can be written but to what is mounted to be written to, by
/// whatever name.
#[test]
fn a_read_only_root_is_read_only_everywhere_but_in_volumes() {
    for who in Who::among(&Who::ALL) {
        let script = "
            for directory in / /etc /tmp /bin /proc /proc/sys /sys /dev /root /volume /closed; do
                touch $directory/new 2>/dev/null && echo $directory
            done
            for file in /etc/hosts /etc/hostname /etc/resolv.conf /dev/termination-log; do
                (echo >> $file) 2>/dev/null && echo $file
            done; mount -o remount,rw / 2>/dev/null && echo remounted; chmod 777 /etc 2>/dev/null && echo mode; true";
        let keys = "securityContext.readOnlyRootFilesystem = true\n\
                    volumeMounts = [{ name = \"volume\", mountPath = \"/volume\" }, \
                    { name = \"volume\", mountPath = \"/closed\", readOnly = true }]";
        let pod = Pod::new(who).volume("volume", "emptyDir.medium = \"Memory\"").main("main", script, keys);
        for name in ["volume", "closed"] {
            fs::create_dir(pod.root(name)).unwrap();
        }
        let output = pod.output();
        let expected =
            ["/dev", "/volume", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log"];
        assert_eq!(output, expected, "{who:?}");
    }
}

/// FS-18: what podinit writes for containers is whole, root's, and 0644; a container that fills what it can
/// reach of that changes nothing of it for others.
#[test]
fn files_with_names_are_whole_and_have_the_usual_mode() {
    for who in Who::among(&Who::ALL) {
        let script = "stat -c '%n %a %u %g' /etc/hosts /etc/hostname /etc/resolv.conf; cat /etc/hostname
                      grep -c localhost /etc/hosts; [ -s /etc/hosts ] && echo whole";
        let fill = "dd if=/dev/zero of=/dev/termination-log bs=64k 2>/dev/null; exit 0";
        let pod = Pod::new(who)
            .with("crashLoopBackOff.initialDelaySeconds = 0\ncrashLoopBackOff.maxDelaySeconds = 0")
            .init("fill", fill, "")
            .main("main", script, "");
        let output = pod.output();
        let names = ["hosts", "hostname", "resolv.conf"].map(|name| format!("/etc/{name} 644 0 0"));
        assert_eq!(output[..3], names, "{who:?}");
        assert_eq!(output[3], pod.name, "{who:?}");
        assert_eq!(output.last().unwrap(), "whole", "{who:?}: {output:?}");
    }
}

/// FS-06, SPEC-06, CVE-2019-16884, CVE-2025-52881: nothing of the manifest's is mounted over /proc or below it,
/// so that what is read and written there is the kernel's.
#[test]
fn nothing_can_be_mounted_over_proc() {
    for who in Who::among(&[Who::Root, Who::User]) {
        for path in
            ["/proc", "/proc/self", "/proc/sys/kernel", "/proc/", "/sys/kernel", "/", "/a/../proc", ".."]
        {
            let pod = Pod::new(who).volume("volume", "emptyDir.medium = \"Memory\"").main(
                "main",
                "stat -f -c %T /proc /proc/self/attr; touch /proc/self/attr/mine 2>&1; touch /sys/kernel/mine 2>&1",
                &format!("volumeMounts = [{{ name = \"volume\", mountPath = \"{path}\" }}]"),
            );
            let ended = pod.run();
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {path}: {ended:#?}");
        }
        // By a link of the image's own: the kernel's files are in front of it.
        let pod = Pod::new(who).volume("volume", "emptyDir.medium = \"Memory\"").main(
            "main",
            "stat -f -c %T /proc /proc/self /proc/self/attr | sort -u",
            "volumeMounts = [{ name = \"volume\", mountPath = \"/etc/link/self/attr\" }]",
        );
        symlink("/proc", pod.root("etc/link")).unwrap();
        let output = printed(&pod.run());
        assert!(output.is_empty() || output == ["proc"], "{who:?}: {output:?}");
    }
}
