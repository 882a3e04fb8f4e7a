//! Which namespaces a container shares with whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::sys::signal::{Signal, kill};

use crate::harness::Running;
use crate::pod::{Pod, UP, Who, printed};
use crate::pty::Pty;

const KINDS: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

const TELL: &str =
    "for kind in cgroup ipc mnt net pid time user uts; do echo $kind $(readlink /proc/self/ns/$kind); done";

/// Which namespaces each container of the pod is in, and the host's under the name "".
fn namespaces(pod: &Pod) -> BTreeMap<String, BTreeMap<String, String>> {
    let ended = pod.run();
    assert_eq!(ended.code(), 0, "{:?}: {ended:#?}", pod.who);
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for line in ended.stdout {
        let (container, line) = line.split_once(" | ").unwrap();
        let (kind, namespace) = line.split_once(' ').unwrap();
        all.entry(container.to_owned()).or_default().insert(kind.to_owned(), namespace.to_owned());
    }
    let host = KINDS.map(|kind| {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        (kind.to_owned(), link.into_os_string().into_string().unwrap())
    });
    all.insert(String::new(), host.into_iter().collect());
    all
}

/// With whom `one` and `two` share each kind: "host", "pod" or "nobody".
fn shared(pod: &Pod) -> BTreeMap<String, &'static str> {
    let all = namespaces(pod);
    let (host, one, two) = (&all[""], &all["one"], &all["two"]);
    KINDS
        .iter()
        .map(|kind| {
            let [host, one, two] = [host, one, two].map(|of| &of[*kind]);
            let whom = match (one == host, two == host, one == two) {
                (true, true, true) => "host",
                (false, false, true) => "pod",
                (false, false, false) => "nobody",
                _ => panic!("{kind}: {host} {one} {two}"),
            };
            ((*kind).to_owned(), whom)
        })
        .collect()
}

fn expected(user: &'static str, changed: &[(&str, &'static str)]) -> BTreeMap<String, &'static str> {
    let usual = [
        ("cgroup", "nobody"),
        ("ipc", "pod"),
        ("mnt", "nobody"),
        ("net", "pod"),
        ("pid", "nobody"),
        // Kubernetes has no namespace of time.
        ("time", "host"),
        ("user", user),
        ("uts", "pod"),
    ];
    usual.iter().chain(changed).map(|(kind, whom)| ((*kind).to_owned(), *whom)).collect()
}

fn two(who: Who, keys: &str) -> Pod {
    Pod::new(who).with(keys).main("one", TELL, "").main("two", TELL, "")
}

/// CONT-06, CONT-07: the network, IPC and the host name are the pod's, the rest each container's; of the host's
/// it has none, and an ordinary user's pod has users of its own.
#[test]
fn a_pod_shares_what_a_pod_shares_and_nothing_with_the_host() {
    for who in Who::among(&[Who::Root, Who::User, Who::Ranged, Who::OwnUsers]) {
        let user = if who == Who::Root { "host" } else { "pod" };
        assert_eq!(shared(&two(who, "")), expected(user, &[]), "{who:?}");
    }
    for who in Who::among(&[Who::OwnUsers]) {
        let keys = "shareProcessNamespace = true";
        assert_eq!(shared(&two(who, keys)), expected("pod", &[("pid", "pod")]), "{who:?}");
    }
}

/// CONT-07: what a manifest asks for is shared, and nothing beside it.
#[test]
fn host_namespaces_are_shared_exactly_as_they_are_asked_for() {
    let cases: [(&str, &[(&str, &str)]); 5] = [
        ("hostNetwork = true", &[("net", "host"), ("uts", "host")]),
        ("hostIPC = true", &[("ipc", "host")]),
        ("hostPID = true", &[("pid", "host")]),
        ("shareProcessNamespace = true", &[("pid", "pod")]),
        (
            "hostPID = true\nhostIPC = true\nhostNetwork = true",
            &[("pid", "host"), ("ipc", "host"), ("net", "host"), ("uts", "host")],
        ),
    ];
    for who in Who::among(&Who::ALL) {
        let user = if who == Who::Root { "host" } else { "pod" };
        for (keys, changed) in cases {
            assert_eq!(shared(&two(who, keys)), expected(user, changed), "{who:?}: {keys}");
        }
    }
}

/// CONT-05, CVE-2016-9962: commands of hooks and probes are in the namespaces of an attempt of their container,
/// each kind of them, while attempts end and begin all the time.
#[test]
fn probes_and_hooks_are_where_their_container_is() {
    for who in Who::among(&[Who::Root, Who::User, Who::Ranged, Who::OwnUsers]) {
        let tell =
            "echo $(for kind in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$kind; done)";
        let script = format!(
            "{tell} >> /shared/main\n\
             sleep 0.0$(($(date +%s) % 3))\n\
             [ -e /shared/other ] && [ $(wc -l < /shared/other) -ge 100 ] || exit 1\n\
             sed 's/^/main /' /shared/main; sed 's/^/other /' /shared/other"
        );
        let other = format!("[\"sh\", \"-c\", \"{tell} >> /shared/other\"]");
        let keys = format!(
            "restartPolicy = \"OnFailure\"\nlifecycle.postStart.exec.command = {other}\n\
             readinessProbe.exec.command = {other}\nreadinessProbe.periodSeconds = 0.1\n\
             volumeMounts = [{{ name = \"shared\", mountPath = \"/shared\" }}]"
        );
        let pod = Pod::new(who)
            .with("crashLoopBackOff.initialDelaySeconds = 0\ncrashLoopBackOff.maxDelaySeconds = 0")
            .volume("shared", "emptyDir.medium = \"Memory\"")
            .main("main", &script, &keys);
        let output = pod.output();
        let of = |whose: &str| -> BTreeSet<String> {
            output.iter().filter_map(|line| line.strip_prefix(whose)).map(str::to_owned).collect()
        };
        let (attempts, others) = (of("main "), of("other "));
        // The kernel gives the numbers of namespaces that have ended to new ones.
        let count = |whose: &str| output.iter().filter(|line| line.starts_with(whose)).count();
        assert!(count("main ") > 10 && count("other ") > 10, "{who:?}: {output:#?}");
        assert!(others.iter().all(|line| line.split(' ').count() == 7), "{who:?}: {others:#?}");
        assert!(others.is_subset(&attempts), "{who:?}: {:#?}", others.difference(&attempts));
    }
}

/// LEAK-12: what is the first process of a shared process namespace shows a container's root nothing: no file,
/// no variable, no descriptor. It reaps what nobody else waits for.
#[test]
fn the_first_process_of_shared_processes_has_nothing_to_show() {
    let script = "
        echo $$ is not 1
        echo root: $(ls -A /proc/1/root/ 2>&1)
        echo environment: $(tr '\\0' ' ' < /proc/1/environ 2>&1)
        echo descriptors: $(ls /proc/1/fd 2>&1)
        echo words: $(tr '\\0' ' ' < /proc/1/cmdline)
        touch /proc/1/root/mine 2>/dev/null && echo it can be written to
        (sh -c 'sleep 0.02 & exec true'; true)
        sleep 0.1; echo zombies: $(grep -l ^State:.Z /proc/[0-9]*/status 2>/dev/null | wc -l)";
    for who in Who::among(&Who::ALL) {
        let output = Pod::new(who).with("shareProcessNamespace = true").main("main", script, "").output();
        assert!(output[0].ends_with(" is not 1") && !output[0].starts_with("1 "), "{who:?}: {output:?}");
        // A container of another user or without the right to trace may not even look.
        for line in &output[1..4] {
            let is_empty = line.ends_with(':') || line.contains("ermission denied");
            assert!(is_empty, "{who:?}: {output:#?}");
        }
        assert_eq!(output[4], "words: podinit reap", "{who:?}");
        assert_eq!(output[5..], ["zombies: 0"], "{who:?}: {output:#?}");
    }
}

/// CONT-12, LEAK-11, CVE-2017-5226, CVE-2005-4890: a container is a session of its own without a terminal, also where podinit
/// runs on one, and cannot type into that.
#[test]
fn a_container_has_no_terminal_to_type_into() {
    for who in Who::among(&Who::ALL) {
        let script = "probe type-in; cut -d' ' -f 1,6,7,8 /proc/self/stat; echo $$";
        let pod = Pod::script(who, script).with_probe();
        let terminal = Pty::new();
        let mut command = pod.command();
        command.stdin(terminal.slave());
        let ended = Running::start(&mut command).end();
        let output = printed(&ended);
        assert_eq!(
            output[..4],
            ["type-in-0 ENOTTY", "type-in-1 ENOTTY", "type-in-2 ENOTTY", "open-tty ENXIO"]
        );
        // Its own pid, its session, no terminal, nobody in the foreground; the shell began the session.
        let numbers: Vec<&str> = output[4].split(' ').collect();
        assert_eq!(numbers[1..], [output[5].as_str(), "0", "-1"], "{who:?}: {ended:#?}");
    }
}

/// CONT-10: when the first process of a shared process namespace is killed from outside, the pod says why its
/// containers ended, and goes on as Kubernetes does with a new sandbox.
#[test]
fn a_pod_that_loses_its_process_namespace_says_so_and_begins_anew() {
    for who in Who::among(&[Who::Root, Who::User]) {
        let pod = Pod::new(who)
            .with("shareProcessNamespace = true\nrestartPolicy = \"Always\"")
            .main("main", UP, "");
        let running = pod.start();
        running.wait_for("main | up");
        let podinit = running.pid();
        let children = fs::read_to_string(format!("/proc/{podinit}/task/{podinit}/children")).unwrap();
        let is_first = |pid: &&str| {
            fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words == b"podinit\0reap\0")
        };
        let first = children.split_ascii_whitespace().find(is_first).unwrap();
        kill(nix::unistd::Pid::from_raw(first.parse().unwrap()), Signal::SIGKILL).unwrap();
        running.wait_for_message("process namespace");
        running.wait_for("main | up");
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().code(), 143, "{who:?}");
    }
}

/// CONT-11: a container that crashes leaves no file, and cannot ask for one.
#[test]
fn nothing_is_dumped_when_a_container_crashes() {
    let script = "
        ulimit -c; ulimit -H -c; ulimit -c unlimited 2>/dev/null && echo has changed it
        cd /tmp; sh -c 'kill -SEGV $$'; echo $?; ls -A /tmp";
    for who in Who::among(&Who::ALL) {
        assert_eq!(Pod::script(who, script).output(), ["0", "0", "139"], "{who:?}");
    }
}

/// CONT-01: what leaves its session and its parent is of the container all the same, and gone with it.
#[test]
fn what_detaches_itself_ends_with_its_container() {
    for who in Who::among(&Who::ALL) {
        let marker = format!("10{}", std::process::id());
        let script = format!(
            "trap '' TERM; (setsid sh -c 'trap \"\" TERM; exec sleep {marker} </dev/null >/dev/null 2>&1' &); \
             until grep -q {marker} /proc/[0-9]*/cmdline; do :; done; echo it is up"
        );
        let ended = Pod::script(who, &script).run();
        assert_eq!(printed(&ended), ["it is up"], "{who:?}: {ended:#?}");
        assert!(!is_running(&marker), "{who:?}: it runs");
    }
}

/// Whether any process of this machine has the word in its command line.
fn is_running(word: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let words = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    words.into_iter().any(|words| words.split(|byte| *byte == 0).any(|each| each == word.as_bytes()))
}
