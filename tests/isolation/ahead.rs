//! The container that follows a sidecar is made while the sidecar's start is under way: nothing of it shows before
//! its turn, and what keeps it from starting is told as ever.

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
