//! Mounts into a root file system or out of a volume that somebody has prepared with links, or changes while they
//! are made.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::pod::{Pod, Who, printed, quoted};

/// A directory of the host with one file, beside the pod's.
fn canary(pod: &Pod) -> std::path::PathBuf {
    let path = pod.host_directory("canary");
    fs::write(path.join("file"), "host").unwrap();
    path
}

fn assert_untouched(canary: &Path, what: &str) {
    let mut names: Vec<_> = fs::read_dir(canary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["file"], "{what}");
    assert_eq!(fs::read_to_string(canary.join("file")).unwrap(), "host", "{what}");
}

/// FS-01, CVE-2021-30465, CVE-2024-45310: where a root file system has a link in the way of a mount, at its end or
/// before, it leads to the container's own files; outside nothing is made and nothing mounted.
#[test]
fn links_in_the_way_of_a_mount_stay_inside() {
    for who in Who::among(&Who::ALL) {
        for target in
            ["CANARY", "/", "../../../../../../../CANARY", "/no/where", "link", "/proc/1/root", "/etc/passwd"]
        {
            for path in ["/etc/link", "/etc/link/deeper", "/etc/link/a/b/c"] {
                let pod = Pod::new(who).volume("volume", "emptyDir.medium = \"Memory\"").main(
                    "main",
                    "ls -d /file-of-the-host /canary 2>/dev/null; echo ran; exit 0",
                    &format!("volumeMounts = [{{ name = \"volume\", mountPath = \"{path}\" }}]"),
                );
                let canary = canary(&pod);
                let target = target.replace("CANARY", canary.to_str().unwrap());
                symlink(&target, pod.root("etc/link")).unwrap();
                let before = mounts_of_the_host();
                let ended = pod.run();
                let output = printed(&ended);
                let is_refused = ended.code() == 125 && output.is_empty();
                assert!(is_refused || output == ["ran"], "{who:?}: {path} -> {target}: {ended:#?}");
                assert_untouched(&canary, &format!("{who:?}: {path} -> {target}"));
                assert_eq!(mounts_of_the_host(), before, "{who:?}: {path} -> {target}");
            }
        }
    }
}

/// Mounts of the host's that have something of these tests' in their names.
fn mounts_of_the_host() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
    text.lines().filter(|line| line.contains("podinit")).map(str::to_owned).collect()
}

/// Exchanges two entries of a directory all the time, until it is told to stop.
fn exchange_until(stop: &AtomicBool, one: &Path, other: &Path) -> u32 {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).unwrap();
        count += 1;
    }
    count
}

/// FS-01, CVE-2021-30465, CVE-2024-45310: 10,000 mounts into a directory that is exchanged with a link to the host
/// all the while: each is made inside, or refused; nothing is made outside, and no container sees the host.
#[test]
fn a_link_that_comes_and_goes_while_mounts_are_made_does_not_lead_outside() {
    for who in Who::among(&[Who::Root, Who::Ranged]) {
        let mounts = (0..100).map(|n| format!("{{ name = \"volume\", mountPath = \"/way/swapped/{n}\" }}"));
        let keys = format!(
            "volumeMounts = [{}]\nrootfs = {{ path = \"ROOT\", layer = \"directory\" }}",
            mounts.collect::<Vec<_>>().join(", ")
        );
        let pod = Pod::new(who);
        let canary = canary(&pod);
        let keys = keys.replace("\"ROOT\"", &quoted(&pod.root("")));
        let script = "find / -xdev -name file -maxdepth 6 2>/dev/null; echo ran; exit 0";
        let pod = pod.volume("volume", "emptyDir.medium = \"Memory\"").main("main", script, &keys);
        let [swapped, link] = ["way/swapped", "way/link"].map(|below| pod.root(below));
        fs::create_dir_all(&swapped).unwrap();
        pod.give(&pod.root("way"));
        pod.give(&swapped);
        symlink(&canary, &link).unwrap();
        // Inside there is a directory of this name too, so that a mount behind the link can be made.
        let inside = pod.root(canary.to_str().unwrap());
        fs::create_dir_all(&inside).unwrap();
        for directory in inside.ancestors().take_while(|directory| *directory != pod.root("")) {
            pod.give(directory);
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let swapper = scope.spawn(|| exchange_until(&stop, &swapped, &link));
            let (mut runs, mut refused) = (0, 0);
            while runs < 100 && refused < 300 {
                let ended = pod.run();
                let output = printed(&ended);
                match ended.code() {
                    0 => runs += 1,
                    125 => refused += 1,
                    _ => panic!("{who:?}: {ended:#?}"),
                }
                assert!(output == ["ran"] || output.is_empty(), "{who:?}: {ended:#?}");
                assert_untouched(&canary, &format!("{who:?}"));
            }
            stop.store(true, Ordering::Relaxed);
            let exchanged = swapper.join().unwrap();
            assert!(
                runs == 100 && exchanged > runs + refused,
                "{exchanged} exchanges in {runs} runs, {refused} of them refused"
            );
        });
        assert_eq!(mounts_of_the_host(), [""; 0], "{who:?}");
    }
}

/// FS-12, CVE-2017-1002101, CVE-2021-25741: a part of a volume that is a link, or that lies behind one, leads
/// nowhere outside of the volume.
#[test]
fn a_part_of_a_volume_stays_in_the_volume() {
    for who in Who::among(&Who::ALL) {
        for (target, part) in [
            ("/etc", "link"),
            ("CANARY", "link"),
            ("../canary", "link"),
            ("../canary", "link/file"),
            ("/proc/self/root", "link"),
        ] {
            let pod = Pod::new(who);
            let (canary, volume) = (canary(&pod), pod.host_directory("volume"));
            symlink(target.replace("CANARY", canary.to_str().unwrap()), volume.join("link")).unwrap();
            let pod = pod.volume("volume", &format!("hostPath.path = {}", quoted(&volume))).main(
                "main",
                "echo it runs; ls /volume; cat /volume",
                &format!(
                    "volumeMounts = [{{ name = \"volume\", mountPath = \"/volume\", subPath = \"{part}\" }}]"
                ),
            );
            let ended = pod.run();
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {target}: {ended:#?}");
            assert_untouched(&canary, target);
        }
    }
}

/// FS-12, CVE-2021-25741: while a directory of the volume is exchanged with a link to the host all the time, what a
/// container gets is of the volume.
#[test]
fn a_part_of_a_volume_that_changes_while_it_is_mounted_stays_in_the_volume() {
    for who in Who::among(&[Who::Root, Who::User]) {
        let pod = Pod::new(who);
        let (canary, volume) = (canary(&pod), pod.host_directory("volume"));
        fs::create_dir(volume.join("part")).unwrap();
        fs::write(volume.join("part/inside"), "").unwrap();
        symlink(&canary, volume.join("link")).unwrap();
        let mounts = (0..50).map(|n| {
            format!(
                "{{ name = \"volume\", mountPath = \"/volume{n}\", subPath = \"part\", readOnly = true }}"
            )
        });
        let keys = format!("volumeMounts = [{}]", mounts.collect::<Vec<_>>().join(", "));
        let pod = pod.volume("volume", &format!("hostPath.path = {}", quoted(&volume))).main(
            "main",
            "cat /volume*/file 2>/dev/null; echo ran",
            &keys,
        );
        let stop = AtomicBool::new(false);
        let (one, other) = (volume.join("part"), volume.join("link"));
        thread::scope(|scope| {
            let swapper = scope.spawn(|| exchange_until(&stop, &one, &other));
            for _ in 0..100 {
                let ended = pod.run();
                let output = printed(&ended);
                let is_refused = ended.code() == 125 && output.is_empty();
                assert!(is_refused || output == ["ran"], "{who:?}: {ended:#?}");
            }
            stop.store(true, Ordering::Relaxed);
            assert!(swapper.join().unwrap() > 100);
        });
        assert_untouched(&canary, "after all");
    }
}
