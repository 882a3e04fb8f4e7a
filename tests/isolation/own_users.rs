//! Root's pods with users of their own (`hostUsers: false`, KEP-127): who the containers are, inside and for the
//! host, whose files they see and make, and who else has their ids.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{PODINIT, Running, until};
use crate::pod::{Pod, STAY, Who, printed, quoted, text};

const OWN: [Who; 1] = [Who::OwnUsers];

/// As `STAY`, and tells which ids there are when it can be told to stop.
const TELL: &str = "trap 'exit 143' TERM; cat /proc/self/uid_map; sleep 1000 & wait";

/// The process on this host that has this in its command line and nothing of podinit's.
fn process(mark: &str) -> PathBuf {
    let mut found = None;
    until("the container's process is there", || {
        let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        found = all.map(|entry| entry.path()).find(|path| {
            let words =
                String::from_utf8_lossy(&fs::read(path.join("cmdline")).unwrap_or_default()).into_owned();
            words.starts_with("sh\0") && words.contains(mark)
        });
        found.is_some()
    });
    found.unwrap()
}

/// The first id on this host of a pod that runs, by the line that its container prints of /proc/self/uid_map; it
/// has 65536 of them.
fn first_of(running: &Running) -> u32 {
    let line = running.line();
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    assert_eq!(words[4], "65536", "{line}");
    words[3].parse().unwrap()
}

/// The files that say who has which ids, with these lines, in a mount namespace of the test's own.
fn ranges(pod: &Pod, lines: &str) -> String {
    let file = pod.directory.file("ranges", lines).display().to_string();
    format!("mount --bind {file} /etc/subuid; mount --bind {file} /etc/subgid\n")
}

/// ROOTLESS-14: root of the pod is nobody of the host: neither its id nor its capabilities count outside, for main
/// containers, hooks and whoever has another id inside. What belongs to the host's root is not its own.
#[test]
fn root_of_the_pod_is_nobody_on_the_host() {
    for who in Who::among(&OWN) {
        let mark = format!("mark-of-own-users-{}", std::process::id());
        let pod = Pod::new(who).main("main", &format!(": {mark}-0; {TELL}"), "").main(
            "web",
            &format!(": {mark}-7; {STAY}"),
            "securityContext.runAsUser = 7",
        );
        let running = pod.start();
        let first = first_of(&running);
        assert!(first >= 65_536 && first.is_multiple_of(65_536), "{first}");
        for (id, capabilities) in [(0, "00000000a80425fb"), (7, "0000000000000000")] {
            let process = process(&format!("{mark}-{id}"));
            let status = fs::read_to_string(process.join("status")).unwrap();
            let outside = first + id;
            assert!(
                status.contains(&format!("Uid:\t{outside}\t{outside}\t{outside}\t{outside}\n")),
                "{status}"
            );
            assert!(status.contains(&format!("Gid:\t{first}\t{first}\t{first}\t{first}\n")), "{status}");
            assert!(status.contains(&format!("CapEff:\t{capabilities}\n")), "{status}");
            let users = fs::read_link(process.join("ns/user")).unwrap();
            assert_ne!(users, fs::read_link("/proc/self/ns/user").unwrap());
            let map = fs::read_to_string(process.join("gid_map")).unwrap();
            let map: Vec<u32> = map.split_ascii_whitespace().map(|id| id.parse().unwrap()).collect();
            assert_eq!(map, [0, first, 65_536]);
        }
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().code(), 143);
    }
}

/// FS-17: files of each kind of volume belong inside to whom they belong outside, and what is made inside belongs
/// outside to whom it belongs inside: mounts are mapped, and no owner is changed on disk.
#[test]
fn files_of_volumes_have_the_owners_that_they_have() {
    for who in Who::among(&OWN) {
        let pod = Pod::new(who).with("securityContext.fsGroup = 77");
        let directory = pod.host_directory("host");
        let file = directory.join("five");
        fs::write(&file, "").unwrap();
        chown(&file, Some(5), Some(6)).unwrap();
        let outside = directory.join("outside");
        fs::write(&outside, "").unwrap();
        chown(&outside, Some(100_000), Some(0)).unwrap();
        let mounts: Vec<String> = ["host", "disk", "memory", "pod"]
            .iter()
            .map(|name| format!("{{ name = \"{name}\", mountPath = \"/{name}\" }}"))
            .collect();
        let script =
            "stat -c '%n %u %g' /host /host/five /host/outside /disk /memory /pod/name/ /pod/..data/name \
                          /etc/hosts /etc/passwd /dev/shm /dev/termination-log /bin/busybox
                      for of in host disk memory tmp dev/shm; do touch /$of/made; chown 8:9 /$of/made; done
                      stat -c '%n %u %g' /tmp/made /dev/shm/made
                      echo bye > /dev/termination-log
                      stat -c 'disk %u %g' /disk/made; stat -c 'memory %u %g' /memory/made
                      trap 'exit 0' TERM; echo done; sleep 1000 & wait";
        let script = script.replace("/pod/name/ ", "");
        let pod = pod
            .volume("host", &format!("hostPath.path = {}", quoted(&directory)))
            .volume("disk", "emptyDir = {}")
            .volume("memory", "emptyDir.medium = \"Memory\"")
            .volume(
                "pod",
                "downwardAPI.items = [{ path = \"name\", fieldRef.fieldPath = \"metadata.name\" }]",
            )
            .main("main", &script, &format!("volumeMounts = [{}]", mounts.join(", ")))
            .options(&["--status-file", "status.json"]);
        let running = pod.start();
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != "done") {
            lines.push(text(&running.line()).to_owned());
        }
        let made = pod.disk().join("disk/made");
        let of_disk = fs::metadata(&made).unwrap();
        assert_eq!((of_disk.uid(), of_disk.gid()), (8, 9), "on the host");
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().code(), 0);
        let expected = [
            "/host 0 0",
            "/host/five 5 6",
            // Nobody of the pod has this one.
            "/host/outside 65534 0",
            "/disk 0 77",
            "/memory 0 77",
            "/pod/..data/name 0 77",
            "/etc/hosts 0 0",
            "/etc/passwd 0 0",
            "/dev/shm 0 0",
            "/dev/termination-log 0 0",
            "/bin/busybox 0 0",
            "/tmp/made 8 9",
            "/dev/shm/made 8 9",
            "disk 8 9",
            "memory 8 9",
            "done",
        ];
        assert_eq!(lines, expected);
        let of_host = fs::metadata(directory.join("made")).unwrap();
        assert_eq!((of_host.uid(), of_host.gid()), (8, 9), "on the host");
        let status = fs::read_to_string(pod.directory.path("status.json")).unwrap();
        assert!(status.contains("\"message\": \"bye") || status.contains("\"message\":\"bye"), "{status}");
    }
}

/// FS-17: a root file system is the pod's in the same way, whether a layer is on top or it is written to itself.
#[test]
fn a_root_file_system_belongs_to_root_of_the_pod() {
    for who in Who::among(&OWN) {
        let script = "touch /root/made /etc/passwd; mv /etc/group /etc/moved; rm /etc/moved; mkdir -p /new/dir; \
                      chown 3:4 /root/made; stat -c '%n %u %g' / /root/made /etc/passwd /new/dir; [ ! -e /etc/group ] && echo gone";
        let pod = Pod::script(who, script);
        let expected = ["/ 0 0", "/root/made 3 4", "/etc/passwd 0 0", "/new/dir 0 0", "gone"];
        assert_eq!(pod.output(), expected);
        assert_eq!(
            fs::metadata(pod.root("etc/group")).unwrap().uid(),
            0,
            "what is below the layer is as it was"
        );
        // The directory itself, without a layer.
        let mut pod = Pod::new(who);
        let keys = format!("rootfs = {{ path = {}, layer = \"directory\" }}", quoted(&pod.root("")));
        pod = pod.main("main", script, &keys);
        assert_eq!(pod.output(), expected);
        let made = fs::metadata(pod.root("root/made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (3, 4), "on the host");
    }
}

/// ROOTLESS-14: two pods at the same time have no id in common, nor has a user who is in /etc/subuid any of theirs.
#[test]
fn no_other_pod_and_no_user_of_the_host_has_its_ids() {
    for who in Who::among(&OWN) {
        let own = 3_000_000_000 / 65_536 * 65_536;
        let pods = [0; 3].map(|_| {
            let pod = Pod::script(who, TELL);
            // Of all that there is a user has the first part, and most of the next.
            let lines = format!("web:65536:{}\n", own - 65_536 + 1);
            let mounts = ranges(&pod, &lines);
            pod.in_own_mounts(&mounts)
        });
        let running: Vec<Running> = pods.iter().map(Pod::start).collect();
        let mut firsts: Vec<u32> = running.iter().map(first_of).collect();
        firsts.sort_unstable();
        assert_eq!(firsts, [1, 2, 3].map(|block| own + block * 65_536));
        for one in running {
            one.signal(Signal::SIGTERM);
            assert_eq!(one.end().code(), 143);
        }
    }
}

/// ROOTLESS-14, DEATH-01: podinit keeps to ranges that /etc/subuid gives it; when all are taken the next pod is
/// refused with what helps, and SIGKILL to podinit gives its range back.
#[test]
fn a_range_is_a_pod_s_until_its_podinit_ends() {
    for who in Who::among(&OWN) {
        let first = 3_600_000_000_u32 / 65_536 * 65_536;
        let made = || {
            let pod = Pod::script(who, TELL);
            let mounts = ranges(&pod, &format!("podinit:{first}:65536\nweb:100000:65536\n"));
            pod.in_own_mounts(&mounts)
        };
        let (one, two) = (made(), made());
        let running = one.start();
        assert_eq!(first_of(&running), first);
        let refused = two.run();
        assert_eq!(refused.code(), 125, "{refused:#?}");
        let said = refused.stderr.join("\n");
        assert!(said.contains("hostUsers") || said.contains("users of its own"), "{said}");
        assert!(said.contains("/etc/subuid") && said.contains("podinit"), "{said}");
        running.signal(Signal::SIGKILL);
        drop(running);
        let running = two.start();
        assert_eq!(first_of(&running), first);
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().code(), 143);
    }
}

/// FS-17, SPEC-07: what cannot have the pod's ids is refused before anything runs, with the file system's name; and
/// so are ids that the pod has not.
#[test]
fn what_cannot_have_the_pod_s_ids_is_refused() {
    for who in Who::among(&OWN) {
        let refused = |pod: Pod, words: &[&str]| {
            let ended = pod.run();
            let said = ended.stderr.join("\n");
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{said}");
            for word in words.iter().chain(&["remove `hostUsers: false`"]) {
                assert!(said.contains(word), "{word}: {said}");
            }
        };
        let volume = Pod::new(who).volume("kernel", "hostPath.path = \"/sys/kernel\"").main(
            "main",
            "echo it runs",
            "volumeMounts = [{ name = \"kernel\", mountPath = \"/mnt\" }]",
        );
        refused(volume, &["volume \"kernel\"", "file system sysfs", "ext4"]);
        let user = Pod::new(who).main("main", "echo it runs", "securityContext.runAsUser = 65536");
        refused(user, &["65536", "below 65536"]);
        let group = Pod::new(who).with("securityContext.fsGroup = 70000").main("main", "echo it runs", "");
        refused(group, &["group 70000", "fsGroup", "below 65536"]);
    }
}

/// PRIV-13: a privileged container is so among its own users: it mounts and configures its network, and
/// neither the host's kernel nor its devices are its own.
#[test]
fn a_privileged_container_has_every_right_over_what_is_its_own() {
    for who in Who::among(&OWN) {
        let script = "mount -t tmpfs none /mnt && echo mounted
                      mount -t cgroup2 none /mnt && echo groups
                      ip link set lo down && ip link set lo up && echo network
                      hostname other && hostname
                      (echo 1 > /proc/sys/kernel/panic) 2>/dev/null || echo kernel kept
                      mknod /tmp/kmsg c 1 11 2>/dev/null || echo no devices
                      mount -o remount,rw /proc/sys 2>/dev/null; (echo x > /proc/sysrq-trigger) 2>/dev/null || echo no keys";
        let pod = Pod::new(who);
        fs::create_dir(pod.root("mnt")).unwrap();
        let lines = pod.main("main", script, "securityContext.privileged = true").output();
        assert_eq!(lines, ["mounted", "groups", "network", "other", "kernel kept", "no devices", "no keys"]);
    }
}

/// CONT-08, rule 162: with users of its own a container may see all of /proc, and make a /proc in namespaces of its own,
/// which a covered one forbids.
#[test]
fn all_of_proc_is_for_pods_with_users_of_their_own() {
    for who in Who::among(&OWN) {
        let script = "grep -c ' /proc' /proc/self/mountinfo
                      unshare -U -r -m -p -f sh -c 'mount -t proc proc /proc && echo mounted' 2>/dev/null || echo refused";
        for (mount, expected) in [("Default", None), ("Unmasked", Some(["1", "mounted"]))] {
            let keys = format!(
                "securityContext = {{ procMount = \"{mount}\", seccompProfile.type = \"Unconfined\" }}"
            );
            let lines = Pod::new(who).main("main", script, &keys).output();
            match expected {
                Some(expected) => assert_eq!(lines, expected),
                None => assert_eq!(lines[1], "refused", "{lines:?}"),
            }
        }
    }
}

/// Rule 156: a kernel parameter of the pod's namespaces is set for it, and a container with CAP_NET_ADMIN may
/// change its network, without being root of the host.
#[test]
fn the_network_belongs_to_the_pod_s_users() {
    for who in Who::among(&OWN) {
        let sysctl = "securityContext.sysctls = [{ name = \"net.ipv4.ip_unprivileged_port_start\", value = \"7\" }, \
                      { name = \"kernel.shm_rmid_forced\", value = \"1\" }]";
        let script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shm_rmid_forced
                      stat -c %u /proc/sys/net/ipv4/ip_forward
                      ip addr add 10.9.9.9/32 dev lo && echo changed";
        let keys = "securityContext.capabilities.add = [\"NET_ADMIN\"]";
        let lines = Pod::new(who).with(sysctl).main("main", script, keys).output();
        assert_eq!(lines, ["7", "1", "0", "changed"]);
    }
}

/// FS-17: on this host's own files a pod with users of its own is somebody else: it reads what everybody may, and the
/// pod's own files are hidden.
#[test]
fn on_this_host_s_files_it_is_nobody() {
    for who in Who::among(&OWN) {
        let manifest = Pod::new(who);
        let text = format!(
            "name = \"{}\"\nprofile = \"pod\"\nrestartPolicy = \"Never\"\nhostUsers = false\n[[containers]]\nname = \"main\"\n\
             command = [\"sh\", \"-c\", '''stat -c %u /etc; cat /etc/shadow 2>/dev/null || echo kept; \
             touch /etc/new 2>/dev/null || echo not written; ls /run/podinit 2>/dev/null || echo hidden; id -u''']\n",
            manifest.name
        );
        let file = manifest.directory.file("host.toml", &text);
        let ended = Running::start(Command::new(PODINIT).args(["run", "--host-rootfs"]).arg(file)).end();
        assert_eq!(ended.code(), 0, "{ended:#?}");
        assert_eq!(printed(&ended), ["65534", "kept", "not written", "hidden", "0"]);
    }
}
