//! Volumes of a pod with an `fsGroup`: what becomes the group's, what does not, and who waits for it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::signal::Signal;

use crate::pod::{FIRST_ID, Pod, Who, printed, quoted};

/// A group of the pod, and the host's number of it.
fn group(who: Who) -> (u32, u32) {
    match who {
        // Who has one id only has no groups.
        Who::Root | Who::OwnUsers | Who::User => (2000, 2000),
        Who::Ranged => (2000, FIRST_ID + 1999),
    }
}

fn with_group(pod: Pod, more: &str) -> Pod {
    let (group, _) = group(pod.who);
    pod.with(&format!("securityContext = {{ fsGroup = {group}{more} }}"))
}

/// Whose group it is, and its permissions.
fn shown(path: &Path) -> (u32, u32) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.gid(), found.mode() & 0o7777)
}

/// Makes a file, or a directory, with these permissions, which belongs to whoever runs the pod.
fn make(pod: &Pod, path: &Path, mode: u32) {
    if path.file_name().unwrap().to_str().unwrap().starts_with('d') {
        fs::create_dir(path).unwrap();
    } else {
        fs::write(path, "").unwrap();
    }
    pod.give(path);
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

const MOUNT: &str = "volumeMounts = [{ name = \"data\", mountPath = \"/data\" }]";

fn claimed(pod: Pod, more: &str) -> Pod {
    let claim = pod.name.clone();
    pod.volume("data", &format!("persistentVolumeClaim = {{ claimName = \"{claim}\"{more} }}"))
}

/// FS-12: everything in a claim becomes the group's, which may read and write it (rule 151); links
/// do too, and what they lead to outside stays as it is.
#[test]
fn a_claim_s_files_become_the_group_s_and_nothing_behind_links() {
    for who in Who::among(&[Who::Root, Who::Ranged, Who::OwnUsers]) {
        let pod = with_group(Pod::new(who), "");
        let (claim, canary) = (pod.claim(), pod.host_directory("canary"));
        make(&pod, &canary.join("file"), 0o600);
        for (name, mode) in [("d", 0o700), ("d/d", 0o755), ("file", 0o400), ("d/script", 0o750)] {
            make(&pod, &claim.join(name), mode);
        }
        symlink(&canary, claim.join("d/directory")).unwrap();
        symlink(canary.join("file"), claim.join("link")).unwrap();
        for link in ["d/directory", "link"] {
            lchown(claim.join(link), Some(who.uid()), Some(who.uid())).unwrap();
        }
        let before = [shown(&canary), shown(&canary.join("file"))];
        let script =
            "id -G; cd /data; stat -c '%g %a' . d d/d file d/script; stat -c '%g' link d/directory; exit 0";
        let pod = claimed(pod, "").main("main", script, MOUNT);
        let (inside, outside) = group(who);
        let output = pod.output();
        assert!(output[0].split(' ').any(|id| id == inside.to_string()), "{who:?}: {output:?}");
        let expected = ["2775", "2770", "2775", "660", "770"].map(|mode| format!("{inside} {mode}"));
        assert_eq!(output[1..6], expected, "{who:?}");
        assert_eq!(output[6..], [inside.to_string(), inside.to_string()], "{who:?}");
        assert_eq!(shown(&claim.join("d/script")), (outside, 0o770), "{who:?}");
        assert_eq!([shown(&canary), shown(&canary.join("file"))], before, "{who:?}");
    }
}

/// With `OnRootMismatch` a claim that looks right is left alone, and one that does not is gone through (KEP-695).
#[test]
fn a_claim_that_looks_right_is_left_alone_where_the_manifest_says_so() {
    for who in Who::among(&[Who::Root, Who::Ranged, Who::OwnUsers]) {
        let pod = with_group(Pod::new(who), ", fsGroupChangePolicy = \"OnRootMismatch\"");
        let claim = pod.claim();
        make(&pod, &claim.join("file"), 0o600);
        let pod = claimed(pod, "").main("main", "stat -c '%a' /data/file; exit 0", MOUNT);
        assert_eq!(pod.output(), ["660"], "{who:?}");
        fs::set_permissions(claim.join("file"), Permissions::from_mode(0o600)).unwrap();
        assert_eq!(pod.output(), ["600"], "{who:?}: its directory is the group's");
        fs::set_permissions(&claim, Permissions::from_mode(0o770)).unwrap();
        assert_eq!(pod.output(), ["660"], "{who:?}: what is made in it would not be the group's");
    }
}

/// With `OnRootMismatch` a claim of which something could not be given is not taken for right: the next pod goes through
/// it again. The group may use its directory all the same.
#[test]
fn a_claim_that_was_not_given_as_a_whole_is_gone_through_again() {
    for who in Who::among(&[Who::Root, Who::Ranged, Who::OwnUsers]) {
        let pod = with_group(Pod::new(who), ", fsGroupChangePolicy = \"OnRootMismatch\"");
        let claim = pod.claim();
        for (name, mode) in [("d", 0o755), ("file", 0o600)] {
            make(&pod, &claim.join(name), mode);
        }
        let script = "stat -c '%g %a' /data /data/file; echo > /data/made; stat -c '%g' /data/made";
        let keys = format!("{MOUNT}\nsecurityContext.runAsUser = 1001");
        let pod = claimed(pod, "").main("main", script, &keys);
        // What another file system is mounted at is nobody's to give.
        let pod = pod.in_own_mounts(&format!("mount -t tmpfs none {}\n", claim.join("d").display()));
        for _ in 0..2 {
            let ended = pod.run();
            let lines = ["2000 775", "2000 660", "1002"].map(str::to_owned).to_vec();
            assert_eq!((ended.code(), printed(&ended)), (0, lines), "{who:?}: {ended:#?}");
            let told = "the first is \"d\": something is mounted there";
            assert!(ended.stderr.iter().any(|line| line.contains(told)), "{who:?}: {ended:#?}");
            fs::remove_file(claim.join("made")).unwrap();
            fs::set_permissions(claim.join("file"), Permissions::from_mode(0o600)).unwrap();
        }
        let pod = pod.in_own_mounts("");
        assert_eq!(pod.output(), ["2000 2775", "2000 660", "2000"], "{who:?}");
        fs::set_permissions(claim.join("file"), Permissions::from_mode(0o600)).unwrap();
        assert_eq!(pod.output(), ["2000 2775", "2000 600", "2000"], "{who:?}: it is right now");
    }
}

/// What nobody may write to, and what is the host's, keeps its group and permissions.
#[test]
fn read_only_claims_and_the_host_s_directories_stay_as_they_are() {
    for who in Who::among(&[Who::Root, Who::Ranged, Who::OwnUsers]) {
        let pod = with_group(Pod::new(who), "");
        let (claim, host) = (pod.claim(), pod.host_directory("host"));
        for directory in [&claim, &host] {
            make(&pod, &directory.join("file"), 0o600);
        }
        let shown_all = || [&claim, &host].map(|it| (shown(it), shown(&it.join("file"))));
        let before = shown_all();
        let pod =
            claimed(pod, ", readOnly = true").volume("host", &format!("hostPath.path = {}", quoted(&host)));
        let keys = "volumeMounts = [{ name = \"data\", mountPath = \"/data\" }, { name = \"host\", mountPath = \"/host\" }]";
        let pod = pod.main("main", "ls /data /host | grep -c file; exit 0", keys);
        assert_eq!(pod.output(), ["2"], "{who:?}");
        assert_eq!(shown_all(), before, "{who:?}");
    }
}

/// VOL-001 to VOL-006: what anybody makes in a volume of the pod's own is the group's, in memory and on disk, in a
/// part of it that was missing as well (rule 148); files that podinit writes can be read by it.
#[test]
fn what_is_made_in_volumes_of_the_pod_is_the_group_s() {
    for (who, user) in Who::among(&[Who::Root, Who::Ranged, Who::OwnUsers])
        .into_iter()
        .flat_map(|who| [(who, "0"), (who, "1001")])
    {
        let script = "umask 117; for at in memory disk memory-part disk-part; do
            echo > /$at/file; stat -c '%g %a' /$at /$at/file; done
            stat -L -c '%g %a' /files /files/key /files/..data; stat -c '%g' /files/key; cat /files/key";
        let mounts = "volumeMounts = [
            { name = \"memory\", mountPath = \"/memory\" }, { name = \"disk\", mountPath = \"/disk\" },
            { name = \"memory\", mountPath = \"/memory-part\", subPath = \"a/b\" },
            { name = \"disk\", mountPath = \"/disk-part\", subPath = \"a/b\" },
            { name = \"files\", mountPath = \"/files\" }]
            securityContext = { runAsUser = USER }";
        let pod = with_group(Pod::new(who), "").with("annotations = { key = \"value\" }");
        let item = "downwardAPI = { defaultMode = 0o400, items = [\
                    { path = \"key\", fieldRef.fieldPath = \"metadata.annotations['key']\" }] }";
        let pod = pod
            .volume("memory", "emptyDir.medium = \"Memory\"")
            .volume("disk", "emptyDir = {}")
            .volume("files", item)
            .main("main", script, &mounts.replace("USER", user));
        let made = ["2000 2777", "2000 660"];
        let written = ["2000 2755", "2000 440", "2000 2755", "2000", "value"];
        let expected = [&made[..], &made[..], &made[..], &made[..], &written[..]].concat();
        assert_eq!(pod.output(), expected, "{who:?} as {user}");
    }
}

/// A file that whoever runs podinit may not give away keeps its group, and is told of; the pod runs, as in Kubernetes.
#[test]
fn a_file_that_is_somebody_else_s_is_told_of() {
    for who in Who::among(&[Who::Ranged]) {
        let pod = with_group(Pod::new(who), "");
        let claim = pod.claim();
        make(&pod, &claim.join("d"), 0o755);
        make(&pod, &claim.join("d/file"), 0o600);
        chown(claim.join("d/file"), Some(0), Some(0)).unwrap();
        let pod = claimed(pod, "").main("main", "echo ran", MOUNT);
        let ended = pod.run();
        assert_eq!((ended.code(), printed(&ended)), (0, vec!["ran".to_owned()]), "{ended:#?}");
        let expected = "cannot give 1 of the files of volume \"data\" to fsGroup 2000: the first is \"d/file\": \
                        operation not permitted";
        assert!(ended.stderr.iter().any(|line| line.contains(expected)), "{ended:#?}");
        assert_eq!(shown(&claim.join("d/file")), (0, 0o600));
    }
}

/// A group that the user has not is refused, with what helps.
#[test]
fn a_group_that_the_user_has_not_is_refused() {
    for (who, group) in [(Who::User, 2000), (Who::Ranged, 70_000)] {
        if Who::among(&[who]).is_empty() {
            continue;
        }
        let pod = Pod::new(who).with(&format!("securityContext = {{ fsGroup = {group} }}"));
        let claim = pod.claim();
        make(&pod, &claim.join("file"), 0o600);
        let pod = claimed(pod, "").main("main", "echo ran", MOUNT);
        let ended = pod.run();
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{ended:#?}");
        let said = ended.stderr.join("\n");
        assert!(said.contains(&format!("group {group}")) && said.contains("/etc/subuid"), "{said}");
        let why = match who {
            Who::User => "no groups can be set where there is only 0, who is this user",
            Who::Root | Who::Ranged | Who::OwnUsers => "only users and groups below 65536 are in the pod",
        };
        assert!(said.contains(why) && said.contains("securityContext.fsGroup"), "{said}");
        assert_eq!(shown(&claim.join("file")).1, 0o600);
    }
}

/// Who has one id only has one group, 0, which is his own and can be given volumes.
#[test]
fn whoever_has_one_group_can_give_volumes_to_it() {
    for who in Who::among(&[Who::User]) {
        let pod = Pod::new(who).with("securityContext = { fsGroup = 0, supplementalGroups = [0] }");
        let claim = pod.claim();
        make(&pod, &claim.join("file"), 0o600);
        let keys = "volumeMounts = [{ name = \"data\", mountPath = \"/data\" }, { name = \"disk\", mountPath = \"/disk\" }]";
        let pod = claimed(pod, "").volume("disk", "emptyDir = {}");
        let pod = pod.main("main", "id -g; stat -c '%g %a' /data /data/file /disk", keys);
        assert_eq!(pod.output(), ["0", "0 2775", "0 660", "0 2777"]);
        assert_eq!(shown(&claim.join("file")), (who.uid(), 0o660));
    }
}

/// FS-12: a directory of a claim that is exchanged with a link to the host all the while leads
/// nowhere else: of the host nothing is changed.
#[test]
fn a_link_that_comes_and_goes_in_a_claim_does_not_lead_out_of_it() {
    for who in Who::among(&[Who::Root]) {
        let pod = with_group(Pod::new(who), "");
        let (claim, canary) = (pod.claim(), pod.host_directory("canary"));
        for number in 0..200 {
            make(&pod, &canary.join(format!("file{number}")), 0o600);
        }
        let names = ["d", "link"].map(|name| claim.join(name));
        make(&pod, &names[0], 0o755);
        for number in 0..200 {
            make(&pod, &names[0].join(format!("file{number}")), 0o600);
        }
        symlink(&canary, &names[1]).unwrap();
        let pod = claimed(pod, "").main("main", "exit 0", MOUNT);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let flags = RenameFlags::RENAME_EXCHANGE;
                    renameat2(AT_FDCWD, &names[0], AT_FDCWD, &names[1], flags).unwrap();
                }
            });
            for _ in 0..50 {
                assert_eq!(pod.output(), [""; 0]);
            }
            stop.store(true, Ordering::Relaxed);
        });
        let changed = (0..200).map(|number| shown(&canary.join(format!("file{number}"))));
        assert!(changed.into_iter().all(|it| it == (0, 0o600)));
        assert_eq!(shown(&canary), (0, 0o755));
    }
}

/// A claim on a file system that does not answer keeps the pod's containers from starting, and nobody from
/// stopping the pod.
#[test]
fn a_claim_that_hangs_does_not_hold_up_the_supervisor() {
    for who in Who::among(&[Who::Root]) {
        let pod = with_group(Pod::new(who), "");
        let claim = pod.claim();
        make(&pod, &claim.join("d"), 0o755);
        let Some(hanging) = Hanging::at(&claim) else { return };
        let pod = claimed(pod, "").main("main", "echo ran", MOUNT);
        let running = pod.start();
        hanging.wait();
        running.signal(Signal::SIGTERM);
        let ended = running.end();
        // Whoever removes the claim opens it as well.
        drop(hanging);
        assert_eq!((ended.code(), printed(&ended)), (143, vec![]), "{ended:#?}");
    }
}

/// Whoever opens a directory waits for as long as this is there (fanotify(7)).
struct Hanging(nix::sys::fanotify::Fanotify);

impl Hanging {
    fn at(directory: &Path) -> Option<Self> {
        use nix::sys::fanotify::{EventFFlags, Fanotify, InitFlags, MarkFlags, MaskFlags};
        let flags = InitFlags::FAN_CLASS_CONTENT | InitFlags::FAN_CLOEXEC;
        let made = Fanotify::init(flags, EventFFlags::O_RDONLY | EventFFlags::O_CLOEXEC).and_then(|it| {
            let mask = MaskFlags::FAN_OPEN_PERM | MaskFlags::FAN_ONDIR;
            it.mark(MarkFlags::FAN_MARK_ADD, mask, AT_FDCWD, Some(directory))?;
            Ok(it)
        });
        match made {
            Ok(made) => Some(Self(made)),
            Err(errno) => {
                println!("skipped: fanotify(7): {errno}");
                let must_run = std::env::var_os("PODINIT_TESTS_MUST_RUN").is_some_and(|it| it == "1");
                assert!(!must_run, "{errno}");
                None
            }
        }
    }

    /// Until somebody waits.
    fn wait(&self) {
        use std::os::fd::AsFd;
        let mut ready = [nix::poll::PollFd::new(self.0.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut ready, 20_000_u16), Ok(1), "nobody opens the claim");
    }
}
