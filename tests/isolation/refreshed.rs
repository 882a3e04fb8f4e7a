//! Volumes of files that podinit writes, while their pod runs and its manifest changes (`--watch`); and the file of
//! names, which every container finds as it should be.

use std::fs;

use nix::sys::signal::Signal;

use crate::harness::Running;
use crate::pod::{Pod, UP, Who, printed, text};

/// A ConfigMap and a Secret, and what else is put there.
fn objects(level: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{level: \"{level}\", other: \"{level}\"{more}}}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {{name: key}}\nstringData: {{key: \"key-{level}\"}}\n"
    )
}

/// Watches its manifest and a file of objects beside it.
fn watched(pod: Pod, objects: &str) -> Pod {
    let path = pod.directory.file("objects.yaml", objects);
    pod.options(&["-v", "--watch", path.to_str().unwrap()])
}

fn write(pod: &Pod, name: &str, text: &str) {
    fs::write(pod.directory.path(name), text).unwrap();
}

/// What the container says next.
fn said(running: &Running) -> String {
    text(&running.line()).to_owned()
}

fn end(running: Running) {
    running.signal(Signal::SIGTERM);
    running.end();
}

const CONFIG: &str = "configMap.name = \"settings\"";

/// Waits for a file to say something, and shows the others.
const SCRIPT: &str = "
    shows() { echo $(cat /config/level) $(cat /part) $(cat /all/key) $(cat /all/labels) $LEVEL; }
    seen() { until grep -q \"$1\" $2; do usleep 10000; done; shows; }
    shows; seen 2 /config/level; seen new /all/labels; ls -A /config /all; ";

/// Rule 150: what a ConfigMap, a Secret and the pod's labels tell is told anew to a container that runs; a part
/// that is mounted by itself and the container's variables stay.
#[test]
fn files_of_a_running_pod_follow_its_manifest() {
    for who in Who::among(&Who::ALL) {
        let mounts = "volumeMounts = [{ name = \"config\", mountPath = \"/config\" },
            { name = \"config\", mountPath = \"/part\", subPath = \"level\" }, { name = \"all\", mountPath = \"/all\" }]
            [[containers.env]]\nname = \"LEVEL\"\nvalueFrom.configMapKeyRef = { name = \"settings\", key = \"level\" }";
        let all = "[[volumes.projected.sources]]\nsecret.name = \"key\"
            [[volumes.projected.sources]]\nconfigMap = { name = \"later\", optional = true }
            [[volumes.projected.sources]]
            downwardAPI.items = [{ path = \"labels\", fieldRef.fieldPath = \"metadata.labels\" }]";
        let pod =
            Pod::new(who).with("labels = { app = \"old\" }").volume("config", CONFIG).volume("all", all);
        let pod = watched(pod.main("main", &format!("{SCRIPT}{UP}"), mounts), &objects("1", ""));
        let running = pod.start();
        assert_eq!(said(&running), "1 1 key-1 app=\"old\" 1", "{who:?}");
        let later = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: later}\ndata: {file: x}\n";
        write(&pod, "objects.yaml", &(objects("2", "") + later));
        assert_eq!(said(&running), "2 1 key-2 app=\"old\" 1", "{who:?}");
        let manifest = fs::read_to_string(pod.directory.path("pod.toml")).unwrap();
        write(&pod, "pod.toml", &manifest.replace("\"old\"", "\"new\""));
        assert_eq!(said(&running), "2 1 key-2 app=\"new\" 1", "{who:?}");
        let listed: Vec<String> = (0..13).map(|_| said(&running)).collect();
        let listed = listed.join(" ");
        let rest = listed.strip_prefix("/all: ..").and_then(|rest| rest.split_once(' ')).unwrap().1;
        let expected = "..data file key labels  /config: ..1 ..data level other up";
        assert_eq!(rest, expected, "{who:?}: {listed}");
        end(running);
    }
}

/// FS-02: a container that may change its mounts makes its volume writable and puts links there that lead to this
/// host's files: podinit follows none of them, and removes and writes nothing there.
#[test]
fn links_that_a_container_puts_into_its_volume_lead_nowhere() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who).volume("config", CONFIG);
        let victim = pod.directory.path("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("level"), "kept").unwrap();
        let path = victim.display();
        let script = format!(
            "mount -o remount,bind,rw /config && rm /config/..data && ln -s {path} /config/..data &&
            ln -s {path} /config/..1 && ln -s {path} /config/..data_new && echo planted
            until grep -q 3 /config/level; do usleep 10000; done; echo $(cat /config/level); {UP}"
        );
        let keys = "volumeMounts = [{ name = \"config\", mountPath = \"/config\" }]\n\
                    securityContext.capabilities.add = [\"SYS_ADMIN\"]";
        let pod = watched(pod.main("main", &script, keys), &objects("1", ""));
        let running = pod.start();
        assert_eq!(said(&running), "planted", "{who:?}");
        write(&pod, "objects.yaml", &objects("2", ""));
        running.wait_for_message("stays as it was");
        write(&pod, "objects.yaml", &objects("3", ""));
        assert_eq!(said(&running), "3", "{who:?}");
        end(running);
        let left: Vec<_> = fs::read_dir(&victim).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["level"], "{who:?}");
        assert_eq!(fs::read_to_string(victim.join("level")).unwrap(), "kept", "{who:?}");
    }
}

/// Rule 150: two files of one volume are never of two versions to whoever looks at both in one directory.
#[test]
fn files_change_together() {
    for who in Who::among(&[Who::Root]) {
        let script = "
            until [ \"$(cat /config/level)\" = 20 ]; do
                cd -P /config/..data 2>/dev/null || continue
                a=$(cat level 2>/dev/null) && b=$(cat other 2>/dev/null) || continue
                [ \"$a\" = \"$b\" ] || echo mixed $a $b
            done; echo seen";
        let mounts = "volumeMounts = [{ name = \"config\", mountPath = \"/config\" }]";
        let pod =
            Pod::new(who).volume("config", CONFIG).main("main", &format!("echo begins; {script}"), mounts);
        let pod = watched(pod, &objects("0", ""));
        let running = pod.start();
        assert_eq!(said(&running), "begins");
        for version in 1..=20 {
            write(&pod, "objects.yaml", &objects(&version.to_string(), ""));
            running.wait_for_message("volume config are others");
        }
        assert_eq!(printed(&running.end()), ["seen"]);
    }
}

/// An object that is gone and not optional, other volumes, and an immutable object that changes are refused, and
/// told; the pod goes on as it is, and nothing restarts.
#[test]
fn a_change_that_cannot_be_taken_over_is_told_and_changes_nothing() {
    for who in Who::among(&[Who::Root]) {
        let mounts = "volumeMounts = [{ name = \"config\", mountPath = \"/config\" }]";
        let script = "echo begins; until grep -q 2 /config/level; do usleep 10000; done; echo seen
            until grep -q 3 /config/level; do usleep 10000; done; echo immutable was changed";
        let pod = Pod::new(who).volume("config", CONFIG).main("main", script, mounts);
        let pod = watched(pod, &objects("1", ""));
        let running = pod.start();
        assert_eq!(said(&running), "begins");
        write(&pod, "objects.yaml", &objects("1", "").replace("settings", "others"));
        running.wait_for_message("there is no ConfigMap \"settings\"");
        write(&pod, "objects.yaml", &objects("1", ""));
        let manifest = fs::read_to_string(pod.directory.path("pod.toml")).unwrap();
        write(&pod, "pod.toml", &manifest.replace(CONFIG, "secret.secretName = \"key\""));
        running.wait_for_message("volumes were added, removed or changed; run it anew to have that");
        write(&pod, "pod.toml", &manifest);
        let immutable =
            |level| objects(level, "").replace("kind: ConfigMap", "immutable: true\nkind: ConfigMap");
        write(&pod, "objects.yaml", &immutable("2"));
        assert_eq!(said(&running), "seen");
        for changed in [immutable("3"), objects("2", "")] {
            write(&pod, "objects.yaml", &changed);
            running.wait_for_message("ConfigMap settings is immutable; give the changed one another name");
        }
        running.signal(Signal::SIGTERM);
        assert_eq!(printed(&running.end()), [""; 0]);
    }
}

/// Rule 153: whatever a container has made of /etc/hosts, the next one and those beside it find it as it should be.
#[test]
fn every_container_finds_the_file_of_names_as_it_should_be() {
    for who in Who::among(&Who::ALL) {
        for network in ["", "hostNetwork = true"] {
            let pod = Pod::new(who)
                .with(&format!("{network}\nhostAliases = [{{ ip = \"10.0.0.1\", hostnames = [\"alias\"] }}]"))
                .init("first", "cp /etc/hosts /shared/; echo broken > /etc/hosts", MOUNT)
                .init("second", "cmp /etc/hosts /shared/hosts && echo same; : > /etc/hosts", MOUNT);
            let pod = pod.main("main", "cmp /etc/hosts /shared/hosts && grep -c alias /etc/hosts", MOUNT);
            let pod = pod.volume("shared", "emptyDir = {}");
            assert_eq!(pod.output(), ["same", "1"], "{who:?}: {network}");
        }
    }
}

const MOUNT: &str = "volumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]";
