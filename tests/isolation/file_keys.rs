//! Variables that a file in a volume says, which another container of the pod has written (`fileKeyRef`).

use std::fs;

use nix::sys::signal::Signal;

use crate::pod::{Pod, Who, printed};

const DATA: &str = "volumeMounts = [{ name = \"data\", mountPath = \"/data\" }]";

/// A variable of this name that a key of /data/KEY.env says.
fn variable(name: &str, path: &str, more: &str) -> String {
    format!(
        "[[containers.env]]\nname = \"{name}\"\n\
         valueFrom.fileKeyRef = {{ volumeName = \"data\", path = \"{path}\", key = \"KEY\"{more} }}\n"
    )
}

/// FILEKEY-001, FILEKEY-003, FILEKEY-010, rule 141: what an init container writes is a variable of the next one, and
/// of one that does not mount the volume, in its commands as well; what is missing and optional is none. In both
/// profiles, on disk and in memory.
#[test]
fn a_file_of_a_volume_says_what_variables_are() {
    for who in Who::among(&Who::ALL) {
        for (profile, medium) in
            [("pod", "emptyDir = {}"), ("pod", "emptyDir.medium = \"Memory\""), ("process", "emptyDir = {}")]
        {
            let more = variable("NONE", "a.env", ", optional = true").replace("KEY", "OTHER");
            let no_file = variable("NO_FILE", "b.env", ", optional = true");
            let keys = variable("VALUE", "a.env", "") + &more + &no_file;
            let of_second = format!("{}{DATA}", keys.replace("containers.env", "initContainers.env"));
            let of_second = of_second.replace(DATA, "");
            let print = "echo $VALUE ${NONE-none} ${NO_FILE-none}";
            let hook =
                "lifecycle.postStart.exec.command = [\"sh\", \"-c\", \"echo hook $VALUE > /proc/1/fd/1\"]\n";
            let hook = if profile == "pod" { hook } else { "" };
            let pod = Pod::new(who)
                .with("")
                .volume("data", medium)
                .init("first", "echo \"KEY='one \\$(x) \\$y'\" > /data/a.env", DATA)
                .init("second", print, &of_second)
                .main("main", &format!("{print}; [ ! -e /data ] || echo mounted"), &format!("{hook}{keys}"))
                .options(&["--profile", profile, "--degrade", "mounts"]);
            let ended = pod.run();
            assert_eq!(ended.code(), 0, "{who:?}: {profile}: {ended:#?}");
            let mut output = printed(&ended);
            output.retain(|line| !line.starts_with("hook"));
            assert_eq!(output, ["one $(x) $y none none"; 2], "{who:?}: {profile}: {medium}");
        }
    }
}

/// A file that a sidecar writes until it has started is read afterwards, and not while what follows is made ready; and
/// /etc/hosts is as it should be then (rule 153).
#[test]
fn what_a_sidecar_writes_until_it_has_started_is_read_afterwards() {
    for who in Who::among(&Who::ALL) {
        let side = "echo broken > /etc/hosts; usleep 100000; echo \"KEY='late'\" > /data/a.env; sleep 1000";
        let keys = format!(
            "restartPolicy = \"Always\"\n{DATA}\n\
             startupProbe = {{ exec.command = [\"test\", \"-e\", \"/data/a.env\"], periodSeconds = 1 }}"
        );
        let main = "echo ${VALUE-none}; grep -c broken /etc/hosts; exit 0";
        let pod = Pod::new(who).volume("data", "emptyDir = {}").init("side", side, &keys);
        let pod = pod.main("main", main, &variable("VALUE", "a.env", ", optional = true"));
        assert_eq!(pod.output(), ["late", "0"], "{who:?}");
    }
}

/// FILEKEY-008, LEAK-10: what is missing, broken, too large or no file keeps the container from starting, which waits
/// with CreateContainerConfigError and is tried again; no message shows anything of the file.
#[test]
fn what_cannot_be_used_keeps_the_container_waiting_and_is_not_shown() {
    for who in Who::among(&[Who::Root]) {
        for (written, why) in [
            ("", "file \"a.env\" of volume data not found"),
            ("echo \"OTHER='canary'\" > a.env", "couldn't find key KEY in file \"a.env\" of volume data"),
            ("echo KEY=canary > a.env", "line 1: its value is not in single quotes"),
            (
                "dd if=/dev/zero bs=65537 count=1 2>/dev/null | tr '\\0' '#' > a.env",
                "it has more than 64 KiB",
            ),
            ("mkfifo a.env", "it is no regular file"),
            ("mkdir a.env", "it is no regular file"),
        ] {
            let pod = Pod::new(who)
                .volume("data", "emptyDir = {}")
                .init("first", &format!("cd /data; {written}"), DATA)
                .main("main", "echo ran", &variable("VALUE", "a.env", ""));
            let status = pod.directory.path("status.json");
            let pod = pod.options(&["--status-file", status.to_str().unwrap()]);
            let running = pod.start();
            let said = running.wait_for_message(why);
            assert!(!said.contains("canary"), "{said}");
            crate::harness::until("the status tells", || {
                fs::read_to_string(&status).is_ok_and(|text| text.contains("CreateContainerConfigError"))
            });
            running.signal(Signal::SIGTERM);
            let ended = running.end();
            assert_eq!(printed(&ended), [""; 0], "{why}");
            assert!(!format!("{ended:?}").contains("canary"), "{ended:#?}");
        }
    }
}

/// FS-12: a link in the volume that leads out of it is not followed, whoever runs the pod; one that stays in it is.
#[test]
fn a_link_in_the_volume_leads_nowhere_else() {
    for who in Who::among(&Who::ALL) {
        for (target, is_inside) in [
            ("CANARY", false),
            ("../../../../../../CANARY", false),
            ("/proc/self/environ", false),
            ("b.env", true),
        ] {
            let pod = Pod::new(who);
            let canary = pod.host_directory("canary").join("a.env");
            fs::write(&canary, "KEY='canary'\n").unwrap();
            let target = target.replace("CANARY", canary.to_str().unwrap());
            let script = format!("cd /data; echo \"KEY='inside'\" > b.env; ln -s {target} a.env");
            let keys = variable("VALUE", "a.env", "");
            let pod = pod.volume("data", "emptyDir = {}").init("first", &script, DATA).main(
                "main",
                "echo $VALUE",
                &keys,
            );
            if is_inside {
                assert_eq!(pod.output(), ["inside"], "{who:?}");
                continue;
            }
            let running = pod.start();
            running.wait_for_message("cannot read file \"a.env\" of volume data: ");
            running.signal(Signal::SIGTERM);
            let ended = running.end();
            assert_eq!(printed(&ended), [""; 0], "{who:?}: {target}");
            assert!(!format!("{ended:?}").contains("canary"), "{who:?}: {ended:#?}");
        }
    }
}
