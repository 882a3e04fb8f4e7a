//! Descriptors: a container has 0, 1 and 2, whatever podinit has or was given.

use std::fs;
use std::process::Stdio;

use crate::harness::{Running, until};
use crate::pod::{Pod, UP, Who, printed, quoted};

/// Every descriptor of the shell that runs it, and what is behind it.
const LIST: &str = "me=$$; for n in $(ls /proc/$me/fd); do [ -e /proc/$me/fd/$n ] && echo $n $(readlink /proc/$me/fd/$n); done";

/// LEAK-01, LEAK-02, CVE-2024-21626: nothing of what podinit opens or was given reaches an init container, a
/// sidecar, a main, a hook or a probe.
#[test]
fn no_process_of_a_pod_has_more_than_three_descriptors() {
    for who in Who::among(&Who::ALL) {
        let stray = "for ((n = 3; n < 1000; n++)); do eval \"exec $n</dev/null\"; done\n";
        let count = "me=$$; for n in $(seq 3 1100); do [ -e /proc/$me/fd/$n ] && echo has $n; done; true";
        let mounts = "volumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]\n";
        let count = count.replace("$$", "$$$$");
        let inner = format!("[\"sh\", \"-c\", \"({count}) >> /shared/found; echo ran >> /shared/ran\"]");
        let keys = format!(
            "{mounts}lifecycle.postStart.exec.command = {inner}\nreadinessProbe.exec.command = {inner}\n\
             readinessProbe.periodSeconds = 0.2"
        );
        let sidecar = format!("{mounts}restartPolicy = \"Always\"");
        let count = count.replace("$$$$", "$$");
        let record = format!("({count}) >> /shared/found; echo ran >> /shared/ran; ");
        let wait = "until [ $(wc -l < /shared/ran) -ge 6 ]; do sleep 0.02; done; cat /shared/found; echo end";
        let pod = Pod::new(who)
            .volume("shared", "emptyDir.medium = \"Memory\"")
            .init("init", &record, mounts)
            .init("side", &format!("{record} exec sleep 1000"), &sidecar)
            .main("main", &format!("{record} {wait}"), &keys)
            .before(stray);
        assert_eq!(pod.output(), ["end"], "{who:?}");
    }
}

/// LEAK-02: with any of 0, 1 and 2 closed at podinit's start, a container has all three, and nothing of podinit's
/// is among them.
#[test]
fn closed_standard_streams_are_not_filled_by_something_else() {
    for who in Who::among(&[Who::Root, Who::User]) {
        for closed in 0..8 {
            let closing = (0..3).filter(|n| closed & 1 << n != 0).map(|n| format!("exec {n}>&-\n"));
            let pod = Pod::new(who);
            let out = pod.host_directory("out");
            let pod = pod
                .volume("out", &format!("hostPath.path = {}", quoted(&out)))
                .main(
                    "main",
                    &format!("({LIST}) > /out/found; echo x; echo y >&2; mv /out/found /out/whole"),
                    "volumeMounts = [{ name = \"out\", mountPath = \"/out\" }]",
                )
                .before(&closing.collect::<String>());
            let mut command = pod.command();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            assert_eq!(Running::start_as_is(&mut command).end().code(), 0, "{who:?} without {closed:03b}");
            let found = fs::read_to_string(out.join("whole")).unwrap();
            let is_fine = |line: &&str| {
                let (number, target) = line.split_once(' ').unwrap_or((line, ""));
                match number {
                    "0" => target == "/dev/null",
                    "1" | "2" => target.starts_with("pipe:"),
                    _ => false,
                }
            };
            let wrong: Vec<_> = found.lines().filter(|line| !is_fine(line)).collect();
            assert!(wrong.is_empty() && found.lines().count() == 3, "{who:?} without {closed:03b}: {found}");
        }
    }
}

/// LEAK-03, CVE-2024-21626: a working directory by way of a descriptor, of the first process or of links leads
/// nowhere but into the container's own files.
#[test]
fn a_working_directory_never_leads_outside() {
    let numbers = (3..24).map(|n| format!("/proc/self/fd/{n}"));
    let others =
        ["/proc/1/cwd", "/proc/1/root", "/proc/self/cwd", "/etc/link", "/etc/up", "/proc/thread-self/root"];
    let all: Vec<_> = numbers.chain(others.map(str::to_owned)).collect();
    for who in Who::among(&Who::ALL) {
        for directory in &all {
            let script = "/bin/pwd; ls -d -i . /; [ -e canary ] && echo outside; true";
            let pod = Pod::new(who).main("main", script, &format!("workingDir = \"{directory}\""));
            std::os::unix::fs::symlink("/proc/self/fd/7", pod.root("etc/link")).unwrap();
            std::os::unix::fs::symlink("../../../../../..", pod.root("etc/up")).unwrap();
            let ended = pod.run();
            if ended.code() != 0 {
                assert_eq!(printed(&ended), [""; 0], "{who:?}: {directory}: something has run");
                continue;
            }
            let output = printed(&ended);
            assert!(output[0].starts_with('/'), "{who:?}: {directory}: {output:?}");
            assert!(!output.iter().any(|line| line == "outside"), "{who:?}: {directory}: {output:?}");
        }
    }
}

/// LEAK-04, CVE-2019-5736: root of a container that sees the pod's processes tries to write to the program behind
/// each of them, while podinit starts probes there; no try succeeds and podinit's program is what it was.
#[test]
fn podinit_s_program_cannot_be_written_to_from_a_container() {
    for who in Who::among(&Who::ALL) {
        let script = "
            tried=0
            while [ $(wc -l < /shared/ran) -lt 40 ]; do
                for exe in /proc/[0-9]*/exe; do
                    case $(readlink $exe) in
                    */busybox) ;;
                    *) tried=$((tried + 1)); (: >> $exe) 2>/dev/null && echo $exe can be written to;;
                    esac
                done
            done
            [ $tried -gt 0 ] && echo tried";
        let probe = "readinessProbe.exec.command = [\"sh\", \"-c\", \"echo ran >> /shared/ran\"]\n\
                     readinessProbe.periodSeconds = 0.05\nvolumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]";
        let pod = Pod::new(who)
            .with("shareProcessNamespace = true")
            .volume("shared", "emptyDir.medium = \"Memory\"")
            .main("main", &format!("touch /shared/ran; {script}"), probe);
        let before = fs::read(crate::harness::PODINIT).unwrap();
        assert_eq!(pod.output(), ["tried"], "{who:?}");
        let program =
            if who == Who::Root { crate::harness::PODINIT.into() } else { pod.directory.path("podinit") };
        assert!(fs::read(program).unwrap() == before, "{who:?}: podinit's program has changed");
    }
}

/// LEAK-05: a container of the same user that sees the supervisor can neither look into it nor trace it.
#[test]
fn podinit_shows_nothing_to_its_own_user() {
    for who in Who::among(&[Who::User, Who::Root]) {
        let script = "
            for name in environ maps mem auxv; do
                (head -c 1 /proc/$1/$name) >/dev/null 2>&1 && echo $name can be read
            done
            for name in exe cwd root; do readlink /proc/$1/$name >/dev/null 2>&1 && echo $name is seen; done
            for fd in 0 1 2 3 4 5 6 7 8 9; do
                readlink /proc/$1/fd/$fd >/dev/null 2>&1 && echo descriptor $fd is seen
            done
            exec probe trace $1";
        let parent = "me=$$; set -- $(awk '/^PPid:/ { print $2 }' /proc/$me/status)";
        let pod = Pod::new(who).with("hostPID = true").main("main", &format!("{parent}\n{script}"), "");
        let ended = pod.with_probe().run();
        assert_eq!(printed(&ended), ["trace EPERM"], "{who:?}: {ended:#?}");
    }
}

/// LEAK-06: an ordinary user's podinit writes what it must while it may, and shows nothing from then on: its
/// files in /proc are root's.
#[test]
fn podinit_of_an_ordinary_user_is_closed_while_its_pod_runs() {
    for who in Who::among(&Who::ROOTLESS) {
        let pod = Pod::script(who, UP);
        let running = pod.start();
        running.wait_for("main | up");
        let process = format!("/proc/{}", running.pid());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        assert!(status.contains(&format!("\nUid:\t{0}\t{0}", who.uid())), "{who:?}: {status}");
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("{process}/environ")).unwrap());
        assert_eq!(owner, 0, "{who:?}");
        running.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(running.end().code(), 143);
        until("it is gone", || !fs::exists(&process).unwrap());
    }
}
