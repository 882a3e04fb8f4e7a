//! Kubernetes' own cases of users, rights, namespaces, names and volumes, with real containers. Which rows of
//! tests/conformance/scenarios.tsv a test proves stands in front of it; tests/conformance/proofs.rs names it.

use std::collections::BTreeSet;
use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::until;
use crate::pod::{Pod, Who, printed, text};

/// Who can have every user and group that these cases ask for.
const WITH_IDS: [Who; 2] = [Who::Root, Who::Ranged];

/// What a container of this name printed.
fn of(lines: &[String], name: &str) -> Vec<String> {
    let is_its = |line: &&String| line.starts_with(&format!("{name} | "));
    lines.iter().filter(is_its).map(|line| text(line).to_owned()).collect()
}

/// Runs the pod to its end, which is good; what was printed, with names.
fn lines(pod: &Pod) -> Vec<String> {
    let ended = pod.run();
    assert_eq!(ended.code(), 0, "{:?}: {ended:#?}", pod.who);
    ended.stdout
}

/// The pod with a file for its status, and one for its events.
fn told(pod: Pod) -> Pod {
    let directory = pod.host_directory("told").display().to_string();
    let options = [("--status-file", "status.json"), ("--event-file", "events.json")];
    options
        .into_iter()
        .fold(pod, |pod, (option, name)| pod.options(&[option, &format!("{directory}/{name}")]))
}

fn status(pod: &Pod) -> Value {
    let path = pod.directory.path("told/status.json");
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// The state of the first main container.
fn state(pod: &Pod) -> Value {
    status(pod)["status"]["containerStatuses"][0]["state"].clone()
}

/// SEC-001: each main process is the first of its own. SEC-002: shared processes have the same numbers everywhere.
#[test]
fn processes_are_each_container_s_or_the_pod_s() {
    for who in Who::among(&Who::ALL) {
        let own = Pod::new(who).main("one", "echo $$", "").main("two", "echo $$", "");
        assert_eq!(own.output(), ["1", "1"], "{who:?}");
        let shared = "volumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]";
        let one = "sleep 4321 & echo $!; until [ -e /shared/seen ]; do usleep 20000; done; kill $!";
        let two = "find() { ps -o pid,args | awk '$2 == \"sleep\" && $3 == 4321 { print $1 }'; }
            until [ -n \"$(find)\" ]; do usleep 20000; done
            find; touch /shared/seen";
        let pod = Pod::new(who).with("shareProcessNamespace = true").volume("shared", "emptyDir = {}");
        let both: BTreeSet<String> =
            pod.main("one", one, shared).main("two", two, shared).output().into_iter().collect();
        assert_eq!(both.len(), 1, "{who:?}: {both:?}");
    }
}

/// SEC-015, SEC-016, SEC-017, SEC-034, SEC-035, SEC-037: users and groups are those of the pod and of the
/// container, which wins. SEC-029, SEC-030, SEC-032, SEC-033: groups beside them.
#[test]
fn containers_run_as_who_the_manifest_says() {
    let tell = "echo $(id -u) $(id -g) $(id -G)";
    for who in Who::among(&WITH_IDS) {
        let of_containers = Pod::new(who)
            .main("nobody", tell, "securityContext = { runAsUser = 65534 }")
            .main("root", tell, "securityContext = { runAsUser = 0 }")
            .main("other", tell, "securityContext = { runAsUser = 1000, runAsNonRoot = true }");
        let said = lines(&of_containers);
        assert_eq!(of(&said, "nobody"), ["65534 0 0"], "{who:?}");
        assert_eq!(of(&said, "root"), ["0 0 0"], "{who:?}");
        assert_eq!(of(&said, "other"), ["1000 0 0"], "{who:?}");
        let of_pod = |context: &str, of_main: &str| {
            let pod = Pod::new(who).with(&format!("securityContext = {{ {context} }}"));
            pod.main("main", tell, of_main).output().remove(0)
        };
        assert_eq!(of_pod("runAsUser = 2001", ""), "2001 0 0", "{who:?}");
        let both = "runAsUser = 2001, runAsGroup = 2002";
        assert_eq!(of_pod(both, ""), "2001 2002 2002", "{who:?}");
        let own = "securityContext = { runAsUser = 1234, runAsGroup = 5678 }";
        assert_eq!(of_pod(both, own), "1234 5678 5678", "{who:?}");
        let groups = |context: &str| {
            let said = of_pod(context, "");
            said.split(' ')
                .skip(2)
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(groups("supplementalGroups = [1234, 5678]"), ["0", "1234", "5678"], "{who:?}");
        // The image's user 1001 is in group 1003 as well.
        let web = "runAsUser = 1001, runAsGroup = 1002, supplementalGroups = [6000]";
        assert_eq!(groups(web), ["1002", "1003", "6000"], "{who:?}");
        let merged = format!("{web}, supplementalGroupsPolicy = \"Merge\"");
        assert_eq!(groups(&merged), ["1002", "1003", "6000"], "{who:?}");
        let strict = format!("{web}, supplementalGroupsPolicy = \"Strict\"");
        assert_eq!(groups(&strict), ["1002", "6000"], "{who:?}");
    }
}

/// SEC-018, SEC-020: who must not be root and is, by the manifest or by the image, does not run, and an event says so.
#[test]
fn who_must_not_be_root_does_not_run_as_root() {
    for who in Who::among(&Who::ALL) {
        for context in ["runAsNonRoot = true, runAsUser = 0", "runAsNonRoot = true"] {
            let keys = format!("securityContext = {{ {context} }}");
            let pod = told(Pod::new(who).main("main", "echo it runs", &keys)).options(&["--grace", "0"]);
            let running = pod.start();
            until("the container waits", || state(&pod)["waiting"]["reason"] == "CreateContainerConfigError");
            running.signal(Signal::SIGTERM);
            assert_eq!(printed(&running.end()), [""; 0], "{who:?}");
            let events = fs::read_to_string(pod.directory.path("told/events.json")).unwrap();
            let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let mut failed = events.filter(|event| event["reason"] == "Failed" && event["type"] == "Warning");
            assert!(failed.any(|event| event["message"].as_str().unwrap().contains("root")), "{who:?}");
        }
    }
}

/// SEC-021, SEC-022, RUNTIME-019: a root that is to be read only is, and another is not.
#[test]
fn a_root_is_written_to_unless_it_is_read_only() {
    let script = "touch /file 2>/dev/null && echo wrote || echo refused";
    for who in Who::among(&Who::ALL) {
        let context = |is_read_only: bool| format!("securityContext.readOnlyRootFilesystem = {is_read_only}");
        let pod = Pod::new(who).main("fixed", script, &context(true)).main("free", script, &context(false));
        let said = lines(&pod);
        assert_eq!((of(&said, "fixed"), of(&said, "free")), (vec!["refused".into()], vec!["wrote".into()]));
    }
}

/// SEC-041 to SEC-045: a filter of system calls is there unless it is given up, by the container or by the pod.
#[test]
fn system_calls_are_filtered_unless_the_manifest_says_otherwise() {
    let script = "sed -n 's/^Seccomp:.//p' /proc/self/status";
    let keys = |kind: &str| format!("securityContext.seccompProfile.type = \"{kind}\"");
    for who in Who::among(&Who::ALL) {
        let of_pod = |of_pod: &str, of_main: &str| {
            Pod::new(who).with(of_pod).main("main", script, of_main).output().remove(0)
        };
        assert_eq!(of_pod("", ""), "2", "{who:?}");
        assert_eq!(of_pod("", &keys("RuntimeDefault")), "2", "{who:?}");
        assert_eq!(of_pod("", &keys("Unconfined")), "0", "{who:?}");
        assert_eq!(of_pod(&keys("Unconfined"), ""), "0", "{who:?}");
        assert_eq!(of_pod(&keys("RuntimeDefault"), &keys("Unconfined")), "0", "{who:?}");
    }
}

/// SEC-046: parts of /proc are covered or read only. SEC-048: none is where users are the pod's own and that is asked for.
#[test]
fn proc_is_covered_unless_the_manifest_says_otherwise() {
    let script = "grep ' /proc' /proc/mounts | cut -d' ' -f4 | cut -d, -f1";
    for who in Who::among(&Who::ALL) {
        let output = Pod::script(who, script).output();
        assert!(output.len() > 1 && output.contains(&"ro".to_owned()), "{who:?}: {output:?}");
        if who != Who::Root {
            let unmasked = "securityContext.procMount = \"Unmasked\"";
            let output = Pod::new(who).with("hostUsers = false").main("main", script, unmasked).output();
            assert_eq!(output, ["rw"], "{who:?}");
        }
    }
}

/// SEC-053, SEC-056: a parameter of the kernel is the pod's own, whichever way its name is written.
#[test]
fn a_sysctl_has_its_value_in_the_pod() {
    let read = || fs::read_to_string("/proc/sys/kernel/shm_rmid_forced").unwrap();
    let before = read();
    for who in Who::among(&Who::ALL) {
        for name in ["kernel.shm_rmid_forced", "kernel/shm_rmid_forced"] {
            let keys = format!("securityContext.sysctls = [{{ name = \"{name}\", value = \"1\" }}]");
            let pod = Pod::new(who).with(&keys).main("main", "cat /proc/sys/kernel/shm_rmid_forced", "");
            assert_eq!(pod.output(), ["1"], "{who:?}: {name}");
        }
    }
    assert_eq!(read(), before);
}

/// ENV-008: what is written to a part of a volume, by an expression, is in the volume.
#[test]
fn what_is_written_to_a_part_is_in_the_volume() {
    for who in Who::among(&Who::ALL) {
        let part = "env.PART = \"mypath\"
            volumeMounts = [{ name = \"volume\", mountPath = \"/part\", subPathExpr = \"$(PART)\" }]";
        let whole = "volumeMounts = [{ name = \"volume\", mountPath = \"/whole\" }]";
        let read = "until [ -e /whole/mypath/done ]; do usleep 20000; done; cat /whole/mypath/foo";
        let pod = Pod::new(who)
            .volume("volume", "emptyDir = {}")
            .main("writer", "echo text > /part/foo; touch /part/done", part)
            .main("reader", read, whole);
        assert_eq!(pod.output(), ["text"], "{who:?}");
    }
}

/// SEC-049: what is mounted below a volume that is read only can be written to, unless that is to be read only as well,
/// and the status says which it is.
#[test]
fn what_is_read_only_with_what_is_below_it_says_so() {
    let script = "touch /volume/new 2>/dev/null && echo wrote || echo refused
        touch /volume/below/new 2>/dev/null && echo wrote || echo refused";
    for who in Who::among(&Who::ALL) {
        for (mode, below, shown) in [
            ("Enabled", "refused", "Enabled"),
            ("IfPossible", "refused", "Enabled"),
            ("Disabled", "wrote", "Disabled"),
        ] {
            let pod = Pod::new(who);
            let directory = pod.host_directory("volume").display().to_string();
            let mounts =
                format!("mkdir {directory}/below; mount -t tmpfs -o mode=777 none {directory}/below\n");
            let keys = format!(
                "volumeMounts = [{{ name = \"volume\", mountPath = \"/volume\", readOnly = true, recursiveReadOnly = \"{mode}\" }}]"
            );
            let pod = pod.volume("volume", &format!("hostPath.path = {directory:?}"));
            let pod = told(pod.main("main", script, &keys).in_own_mounts(&mounts));
            assert_eq!(pod.output(), ["refused", below], "{who:?}: {mode}");
            let mount = status(&pod)["status"]["containerStatuses"][0]["volumeMounts"][0].clone();
            assert_eq!(mount["recursiveReadOnly"], shown, "{who:?}: {mode}: {mount}");
            assert_eq!((&mount["name"], &mount["readOnly"]), (&"volume".into(), &true.into()), "{mount}");
        }
    }
}

/// ENV-005, ENV-006: an expression that leads out of its volume keeps the container from starting.
#[test]
fn an_expression_that_leads_out_of_its_volume_starts_nothing() {
    for who in Who::among(&[Who::Root, Who::User]) {
        for value in ["..", "/tmp"] {
            let keys = format!(
                "env.PART = \"{value}\"\nvolumeMounts = [{{ name = \"volume\", mountPath = \"/part\", subPathExpr = \"$(PART)\" }}]"
            );
            let pod = Pod::new(who).volume("volume", "emptyDir = {}").main("main", "echo it runs", &keys);
            let pod = told(pod).options(&["--grace", "0"]);
            let running = pod.start();
            until("the container waits", || state(&pod)["waiting"]["reason"] == "CreateContainerConfigError");
            running.signal(Signal::SIGTERM);
            assert_eq!(printed(&running.end()), [""; 0], "{who:?}: {value}");
        }
    }
}

/// HOST-001, HOST-003, HOST-004, HOST-007, HOST-008: the name of the host, short and with its domain.
#[test]
fn names_of_hosts_are_as_the_manifest_says() {
    for who in Who::among(&Who::ALL) {
        let names = |keys: &str| {
            let pod = Pod::new(who).with(keys).main("main", "hostname; hostname -f", "");
            let output = pod.output();
            let shown = |line: &String| line.replace(&pod.name, "NAME");
            output.iter().map(shown).collect::<Vec<_>>().join(";")
        };
        assert_eq!(names(""), "NAME;NAME", "{who:?}");
        let domain = "NAME.t.default.svc.cluster.local";
        assert_eq!(names("subdomain = \"t\""), format!("NAME;{domain}"), "{who:?}");
        let both = "subdomain = \"t\"\nsetHostnameAsFQDN = true";
        assert_eq!(names(both), format!("{domain};{domain}"), "{who:?}");
        assert_eq!(names("hostnameOverride = \"other\""), "other;other", "{who:?}");
        let wins = "hostname = \"named\"\nhostnameOverride = \"other\"";
        assert_eq!(names(wins), "other;other", "{who:?}");
    }
}

/// HOST-011, HOST-012: a name that cannot be is refused before anything is done.
#[test]
fn names_of_hosts_that_cannot_be_are_refused() {
    for who in Who::among(&[Who::Root, Who::User]) {
        for keys in ["hostnameOverride = \"other\"\nhostNetwork = true", "hostnameOverride = \"Not_A_Name\""]
        {
            let ended = Pod::new(who).with(keys).main("main", "echo it runs", "").run();
            assert_eq!((ended.code(), printed(&ended)), (125, vec![]), "{who:?}: {keys}: {ended:#?}");
            assert!(ended.stderr.iter().any(|line| line.contains("hostnameOverride")), "{ended:#?}");
        }
    }
}

/// HOST-013: /etc/hosts is the pod's in containers that mount none of their own there, and with the host's network
/// the host's. RUNTIME-020: further names are in that as well.
#[test]
fn etc_hosts_is_the_pod_s_unless_a_container_has_its_own() {
    const HEADER: &str = "# Kubernetes-managed hosts file";
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who);
        let own = pod.directory.file("own-hosts", "of the container's own\n");
        let pod = pod
            .volume("hosts", &format!("hostPath = {{ path = {own:?}, type = \"File\" }}"))
            .main("one", "cat /etc/hosts", "")
            .main("two", "cat /etc/hosts", "")
            .main(
                "three",
                "cat /etc/hosts",
                "volumeMounts = [{ name = \"hosts\", mountPath = \"/etc/hosts\" }]",
            );
        let said = lines(&pod);
        for name in ["one", "two"] {
            assert!(of(&said, name)[0].starts_with(HEADER), "{who:?}: {said:?}");
        }
        assert_eq!(of(&said, "three"), ["of the container's own"], "{who:?}");
        let keys =
            "hostNetwork = true\nhostAliases = [{ ip = \"192.0.2.9\", hostnames = [\"far\", \"away\"] }]";
        let output = Pod::new(who).with(keys).main("main", "cat /etc/hosts", "").output();
        for line in fs::read_to_string("/etc/hosts").unwrap().lines() {
            assert!(output.iter().any(|said| said == line), "{who:?}: {line:?}: {output:?}");
        }
        assert!(output.iter().any(|line| line == "192.0.2.9\tfar\taway"), "{who:?}: {output:?}");
    }
}

/// RUNTIME-005 to RUNTIME-008: the last message is what the container wrote to its file, wherever that is and whoever
/// it runs as; the end of its log where it failed without one and asked for that.
#[test]
fn last_messages_are_in_the_status() {
    for who in Who::among(&WITH_IDS) {
        let message = |script: &str, keys: &str| {
            let pod = told(Pod::new(who).main("main", script, keys));
            pod.run();
            state(&pod)["terminated"]["message"].as_str().unwrap_or("").to_owned()
        };
        let path = "/dev/termination-custom-log";
        let keys = format!("terminationMessagePath = \"{path}\"\nsecurityContext.runAsUser = 10000");
        assert_eq!(message(&format!("printf DONE > {path}"), &keys), "DONE", "{who:?}");
        let falls_back = "terminationMessagePolicy = \"FallbackToLogsOnError\"";
        assert_eq!(message("printf DONE; exit 1", falls_back), "DONE", "{who:?}");
        assert_eq!(message("printf DONE", falls_back), "", "{who:?}");
        assert_eq!(message("printf log; printf OK > /dev/termination-log", falls_back), "OK", "{who:?}");
    }
}

/// LOG-06: where the file of the last message is to be, something else may lie in a volume: it is covered, neither
/// followed nor read; and of a message only so much is told.
#[test]
fn log_06_what_lies_at_the_path_of_the_last_message_is_not_read() {
    let of_host = "of the host";
    for who in Who::among(&Who::ALL) {
        for kind in ["link", "fifo", "device", "file"] {
            let pod = Pod::new(who);
            let directory = pod.host_directory("volume");
            let secret = pod.directory.file("secret", of_host);
            let path = directory.join("message");
            match kind {
                "link" => std::os::unix::fs::symlink(&secret, &path).unwrap(),
                "fifo" => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
                "device" => {
                    let zero = nix::sys::stat::makedev(1, 5);
                    let mode = nix::sys::stat::Mode::all();
                    nix::sys::stat::mknod(&path, nix::sys::stat::SFlag::S_IFCHR, mode, zero).unwrap();
                }
                _ => fs::write(&path, of_host).unwrap(),
            }
            let keys = "terminationMessagePath = \"/volume/message\"
                volumeMounts = [{ name = \"volume\", mountPath = \"/volume\" }]";
            let volume = format!("hostPath.path = {:?}", directory.display().to_string());
            let pod = told(pod.volume("volume", &volume).main("main", "exit 0", keys));
            let ended = pod.run();
            assert!(!status(&pod).to_string().contains(of_host), "{who:?}: {kind}: {ended:#?}");
            assert_eq!(fs::read_to_string(&secret).unwrap(), of_host, "{who:?}: {kind}");
        }
        let long = "head -c 1000000 /dev/zero | tr '\\0' m > /dev/termination-log; true";
        let pod = told(Pod::new(who).main("main", long, ""));
        pod.output();
        assert_eq!(state(&pod)["terminated"]["message"].as_str().unwrap().len(), 4096, "{who:?}");
    }
}
