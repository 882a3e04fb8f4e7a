//! What a container mounts in a volume for others (`mountPropagation: Bidirectional`): who sees it, who does not, and
//! what is left of it.

use std::fs;

use nix::sys::signal::Signal;

use crate::harness::until;
use crate::pod::{Pod, Who, printed, quoted};

/// Keys of a container that mounts the volume `shared` at /shared.
fn keys(propagation: &str) -> String {
    let privileged = if propagation == "Bidirectional" { "securityContext.privileged = true\n" } else { "" };
    format!(
        "{privileged}volumeMounts = [{{ name = \"shared\", mountPath = \"/shared\", mountPropagation = \"{propagation}\" }}]"
    )
}

/// A directory of a host whose mounts are shared, and a mount in it that is nobody's business.
fn host(pod: &Pod, made: &str, more: &str) -> (String, String) {
    let directory = pod.host_directory("host");
    for name in ["below", "data"] {
        fs::create_dir(directory.join(name)).unwrap();
    }
    let shown = directory.display().to_string();
    let lines = format!(
        "mount --make-rshared /\nmount --bind {shown} {shown}\nmount --make-{made} {shown}\n\
         mount -t tmpfs none {shown}/data\ntouch {shown}/data/kept\n{more}\n"
    );
    (quoted(&directory), lines)
}

/// FS-09: what a privileged container mounts in a directory of the host is seen there, and by containers with
/// HostToContainer, and not by others. What it leaves is said at the end, and what was there before stays.
#[test]
fn mounts_of_a_container_are_seen_on_the_host_where_the_manifest_says_so() {
    for who in Who::among(&[Who::Root]) {
        for (ending, is_left) in [("umount /shared/below", false), ("true", true)] {
            let pod = Pod::new(who);
            let shown = pod.directory.path("host").display().to_string();
            let more = format!(
                "setsid bash -c 'until [ -e {shown}/below/made ]; do sleep 0.01; done; touch {shown}/seen
                  while kill -0 $1 2>/dev/null; do sleep 0.01; done
                  [ -e {shown}/data/kept ] && kept=kept; [ -e {shown}/below/made ] && left=left
                  echo \"$kept $left\" > {shown}/result.new; mv {shown}/result.new {shown}/result' bash $$ \
                  > /dev/null 2>&1 &"
            );
            let (path, lines) = host(&pod, "shared", &more);
            let mounts = format!(
                "until [ -e /shared/up ]; do usleep 10000; done
                 mount -t tmpfs none /shared/below && touch /shared/below/made
                 until [ -e /shared/seen ] && [ -e /shared/follows ] && [ -e /shared/alone ]; do usleep 10000; done
                 {ending}; touch /shared/over; ls /shared/data"
            );
            let follows = "until [ -e /shared/below/made ]; do usleep 10000; done; touch /shared/follows
                           until [ -e /shared/over ]; do usleep 10000; done; ls /shared/data";
            let alone = "touch /shared/up; until [ -e /shared/follows ]; do usleep 10000; done
                         [ -e /shared/below/made ] && echo wrong; touch /shared/alone";
            let pod = pod
                .volume("shared", &format!("hostPath.path = {path}"))
                .main("mounts", &mounts, &keys("Bidirectional"))
                .main("follows", follows, &keys("HostToContainer"))
                .main("alone", alone, &keys("None"))
                .in_own_mounts(&lines);
            let ended = pod.run();
            assert_eq!((ended.code(), printed(&ended)), (0, vec!["kept".to_owned(); 2]), "{ended:#?}");
            let said = ended.stderr.join("\n");
            let told = format!("left mounts on this host: {shown}/below");
            assert_eq!(said.contains(&told), is_left, "{said}");
            let result = pod.directory.path("host/result");
            until("the host has looked", || result.exists());
            let expected = if is_left { "kept left\n" } else { "kept \n" };
            assert_eq!(fs::read_to_string(result).unwrap(), expected);
        }
    }
}

/// FS-09: where nothing would be seen, as the host's mount is not shared, the pod is refused with what helps.
#[test]
fn a_mount_of_the_host_that_is_not_shared_is_refused() {
    for who in Who::among(&[Who::Root]) {
        for made in ["private", "slave"] {
            let pod = Pod::new(who);
            let (path, lines) = host(&pod, made, "");
            let pod = pod
                .volume("shared", &format!("hostPath.path = {path}"))
                .main("mounts", "echo it runs", &keys("Bidirectional"))
                .in_own_mounts(&lines);
            let ended = pod.run();
            let said = ended.stderr.join("\n");
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{made}: {said}");
            assert!(
                said.contains("mount --make-shared") && said.contains("HostToContainer"),
                "{made}: {said}"
            );
        }
    }
}

/// FS-09: what a container mounts in a volume of the pod's is seen by the pod's other containers, also by those that
/// start later, whoever runs podinit; the host sees nothing of it.
#[test]
fn mounts_in_a_volume_of_the_pod_are_the_pod_s() {
    for who in Who::among(&Who::ALL) {
        for volume in ["emptyDir = {}", "emptyDir.medium = \"Memory\""] {
            let mounts = "mkdir -p /shared/below; mount -t tmpfs none /shared/below; touch /shared/below/made
                          trap 'exit 0' TERM; sleep 1000 & wait";
            // It is started again and again, each time with a root of its own.
            let follows = "[ -e /shared/below/made ] || exit 1
                           [ -e /shared/below/one ] || { touch /shared/below/one; exit 1; }
                           [ -e /shared/below/two ] || { touch /shared/below/two; exit 1; }
                           ls /shared/below";
            let side = format!(
                "restartPolicy = \"Always\"\nstartupProbe = {{ exec.command = [\"test\", \"-e\", \"/shared/below/made\"], \
                 periodSeconds = 0.05 }}\n{}",
                keys("Bidirectional")
            );
            let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
            let pod = Pod::new(who)
                .with("restartPolicy = \"OnFailure\"\ncrashLoopBackOff.initialDelaySeconds = 0")
                .volume("shared", volume)
                .init("side", mounts, &side)
                .main("follows", follows, &keys("HostToContainer"));
            let running = pod.start();
            running.wait_for("follows | two");
            assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
            assert_eq!(running.end().code(), 0, "{who:?}: {volume}");
            assert!(!pod.disk().exists(), "{who:?}: {volume}");
        }
    }
}

/// FS-09: SIGKILL to podinit takes the pod's own mounts with it.
#[test]
fn mounts_in_a_volume_of_the_pod_end_with_podinit() {
    for who in Who::among(&[Who::Root]) {
        let script = "mkdir -p /shared/below; mount -t tmpfs none /shared/below && echo up; sleep 1000";
        let pod =
            Pod::new(who).volume("shared", "emptyDir = {}").main("main", script, &keys("Bidirectional"));
        for _ in 0..2 {
            let running = pod.start();
            // The second run clears what the first has left on disk.
            running.wait_for("main | up");
            running.signal(Signal::SIGKILL);
        }
    }
}

/// FS-09, ROOTLESS-07: whose mounts cannot be the host's, or must not be others', is refused.
#[test]
fn who_cannot_mount_for_others_is_refused() {
    for who in Who::among(&[Who::User, Who::Ranged, Who::OwnUsers]) {
        let pod = Pod::new(who);
        let directory = quoted(&pod.host_directory("host"));
        let pod = pod.volume("shared", &format!("hostPath.path = {directory}"));
        let ended = pod.main("mounts", "echo it runs", &keys("Bidirectional")).run();
        let said = ended.stderr.join("\n");
        assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {said}");
        // Root of the pod could take back what the mount forbids.
        let whys = if who == Who::OwnUsers {
            ["SYS_ADMIN", "hostUsers: false"]
        } else {
            ["mountPropagation", "HostToContainer"]
        };
        assert!(whys.iter().all(|why| said.contains(why)), "{who:?}: {said}");
    }
}
