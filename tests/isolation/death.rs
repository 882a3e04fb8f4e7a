//! podinit killed without a chance to do anything: what is left, and what the next run makes of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Directory, PODINIT, Running, until};
use crate::pod::{Pod, STAY, UP, Who};

/// Within this everything is gone.
const SOON: Duration = Duration::from_secs(1);

/// Processes with this in their command line, beside those that are ending.
fn processes(mark: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    all.filter_map(|entry| {
        let words = String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
        words.contains(mark).then(|| format!("{}: {words}", entry.file_name().display()))
    })
    .collect()
}

/// Network namespaces that some process is in.
fn networks() -> BTreeSet<PathBuf> {
    let all = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    all.filter_map(|entry| fs::read_link(entry.path().join("ns/net")).ok()).collect()
}

/// The mounts of this mount namespace.
fn mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

/// Control groups of a pod of this name.
fn groups(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec!["/sys/fs/cgroup".into()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().filter_map(Result::ok) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let is_of_pod = entry.file_name().to_string_lossy().contains(name);
                if is_of_pod { found.push(entry.path()) } else { open.push(entry.path()) }
            }
        }
    }
    found
}

/// A pod with everything that can be left: init, sidecar and main, hooks, probes, volumes of both kinds, limits.
/// The mark is in every command line.
fn whole(who: Who, mark: &str) -> Pod {
    let child = format!("(setsid sh -c 'trap \"\" TERM; sleep 1000; : {mark}' &)");
    let mounts = "volumeMounts = [{ name = \"disk\", mountPath = \"/disk\" }, { name = \"memory\", mountPath = \"/memory\" }]";
    let command = format!("[\"sh\", \"-c\", \"sleep 0.01; : {mark}\"]");
    let keys = format!(
        "{mounts}\nlifecycle.postStart.exec.command = {command}\nreadinessProbe.exec.command = {command}\n\
         readinessProbe.periodSeconds = 0.05\nlifecycle.preStop.exec.command = {command}\n\
         resources.limits.memory = \"256Mi\""
    );
    Pod::new(who)
        .with("restartPolicy = \"Always\"\ncrashLoopBackOff.initialDelaySeconds = 0\ncrashLoopBackOff.maxDelaySeconds = 0")
        .volume("disk", "emptyDir = {}")
        .volume("memory", "emptyDir.medium = \"Memory\"")
        .init("init", &format!(": {mark}; [ ! -e /disk/old ] || exit 9; touch /disk/old"), mounts)
        .init("side", &format!(": {mark}; {child}; {STAY}"), &format!("{mounts}\nrestartPolicy = \"Always\""))
        .main("main", &format!(": {mark}; {child}; {UP}"), &keys)
        .main("short", &format!(": {mark}; sleep 0.02"), mounts)
}

/// DEATH-01, DEATH-04, RES-08: SIGKILL to podinit at 200 random moments of a pod's life leaves within a second no
/// process, no mount, no network; what is on disk and its groups are cleared by the next run of the pod, which
/// finds nothing of the last.
#[test]
fn sigkill_at_any_moment_leaves_nothing_that_the_next_run_does_not_clear() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for (who, times) in [(Who::Root, 75), (Who::OwnUsers, 50), (Who::User, 50), (Who::Ranged, 50)] {
        for who in Who::among(&[who]) {
            let mark = format!("mark-of-{}-{who:?}", std::process::id());
            let pod = whole(who, &mark);
            // Until it runs, and half of it again: everything that a pod does, once.
            let began = Instant::now();
            let running = pod.start();
            running.wait_for("main | up");
            let life = began.elapsed() * 3;
            drop(running);
            let before = mounts();
            for time in 0..times {
                let running = pod.start();
                let moment = life.mul_f64(random.f64());
                let killed = Instant::now() + moment;
                while Instant::now() < killed {
                    std::thread::sleep(Duration::from_micros(200));
                }
                let podinit = running.pid().as_raw();
                let stop = random.bool();
                if stop {
                    // In the middle of its stop, too.
                    running.signal(Signal::SIGTERM);
                    std::thread::sleep(Duration::from_micros(random.u64(..5_000)));
                }
                let network = fs::read_link(format!("/proc/{podinit}/ns/net")).ok();
                running.signal(Signal::SIGKILL);
                let killed = Instant::now();
                let what = format!("{who:?}, time {time}, after {moment:?}, stop {stop}");
                let own = fs::read_link("/proc/self/ns/net").unwrap();
                let network = network.filter(|network| *network != own);
                loop {
                    let left = processes(&mark);
                    let has_network = network.as_ref().is_some_and(|network| networks().contains(network));
                    if left.is_empty() && !has_network {
                        break;
                    }
                    let late = killed.elapsed() > SOON;
                    assert!(!late, "{what}: {left:#?}, its network: {has_network}");
                }
                assert_eq!(mounts(), before, "{what}");
                drop(running);
            }
            // The init container says if it finds anything; the pod ends as if none had been killed.
            let running = pod.start();
            running.wait_for("main | up");
            running.signal(Signal::SIGTERM);
            assert_eq!(running.end().code(), 143, "{who:?}");
            assert!(!pod.disk().exists(), "{who:?}");
            assert_eq!(groups(&pod.name), [""; 0].map(PathBuf::from), "{who:?}");
        }
    }
}

/// DEATH-03, DEATH-10: a container of another user than podinit's ends with podinit, though a change of user clears
/// the signal of a parent's death; so does one whose program changes its user when it is executed, which clears it
/// again.
#[test]
fn containers_of_other_users_end_with_podinit() {
    let cases = [
        ("", "", "", 0o755, false),
        ("", "", "", 0o4755, true),
        ("", ", allowPrivilegeEscalation = false", "", 0o4755, false),
        ("shareProcessNamespace = true", "", "", 0o4755, true),
        ("", "", "reaper = true", 0o4755, true),
    ];
    for who in Who::among(&[Who::Root, Who::Ranged]) {
        for (keys, context, own, mode, changes) in cases {
            let mark = format!("1{}77", std::process::id());
            let words = format!("[\"/bin/probe\", \"wait\", \"{mark}\"]");
            let context = format!("securityContext = {{ runAsUser = 1001{context} }}\n{own}");
            let pod = Pod::new(who).with(keys).words("containers", "main", &words, &context).with_probe();
            fs::set_permissions(pod.root("bin/probe"), fs::Permissions::from_mode(mode)).unwrap();
            let running = pod.start();
            until("it runs", || !is_alive(&mark).is_empty());
            let process = &is_alive(&mark)[0];
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
            let ids = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
            let ids: Vec<_> = ids.split_ascii_whitespace().collect();
            assert_eq!(ids[1] != ids[2], changes, "{who:?}: {keys}: {ids:?}");
            running.signal(Signal::SIGKILL);
            let killed = Instant::now();
            while !is_alive(&mark).is_empty() {
                assert!(killed.elapsed() < SOON, "{who:?}: {keys}, {context}: it is left");
            }
            drop(running);
        }
    }
}

/// Processes that run the probe with this as its last word.
fn is_alive(mark: &str) -> Vec<String> {
    processes(&format!("probe wait {mark}"))
        .iter()
        .map(|line| line.split(':').next().unwrap().to_owned())
        .filter(|pid| !is_podinit(pid))
        .collect()
}

/// Whether it is podinit's own child before it executes anything.
fn is_podinit(pid: &str) -> bool {
    let words = fs::read(Path::new("/proc").join(pid).join("cmdline")).unwrap_or_default();
    !words.starts_with(b"/bin/probe")
}

/// DEATH-01: profile `process` without being the first process, and without groups: direct children die with
/// podinit, what has detached itself stays. That remainder is this, and no more.
#[test]
fn in_profile_process_only_what_detached_itself_survives() {
    let directory = Directory::new();
    let mark = format!("process-{}", std::process::id());
    let script = format!(
        "(setsid sh -c ': {mark} detached; sleep 1000; :' &); : {mark} direct; echo up; sleep 1000; :"
    );
    let manifest = format!(
        "[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n\
         [[containers]]\nname = \"other\"\ncommand = [\"sh\", \"-c\", ''': {mark} direct; sleep 1000; :''']\n"
    );
    let mut command = std::process::Command::new(PODINIT);
    command.arg("run").arg(directory.file("pod.toml", &manifest));
    let running = Running::start(&mut command);
    running.wait_for("main | up");
    let is_detached = |line: &String| line.split_once(": ").is_some_and(|(_, it)| it.starts_with("sh -c : "));
    until("all run", || {
        let all = processes(&mark);
        // Three, and not the shells on the way there.
        all.len() == 3 && all.iter().filter(|line| is_detached(line)).count() == 2
    });
    running.signal(Signal::SIGKILL);
    let killed = Instant::now();
    let left = loop {
        let left = processes(&mark);
        if left.len() <= 1 {
            break left;
        }
        assert!(killed.elapsed() < SOON, "{left:#?}");
    };
    assert!(left.len() == 1 && is_detached(&left[0]) && left[0].contains("detached"), "{left:#?}");
    let pid = left[0].split(':').next().unwrap().parse().unwrap();
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    drop(running);
}

/// DEATH-06: two pods of one name that would share directories on disk: the second says so; a kill frees the name.
#[test]
fn a_second_pod_of_the_name_is_refused_while_the_first_runs() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who).volume("disk", "emptyDir = {}").main(
            "main",
            UP,
            "volumeMounts = [{ name = \"disk\", mountPath = \"/disk\" }]",
        );
        let first = pod.start();
        first.wait_for("main | up");
        let second = pod.run();
        assert_eq!(second.code(), 125, "{who:?}: {second:#?}");
        assert!(second.stderr.join("\n").contains("second pod of the name"), "{who:?}: {second:#?}");
        first.signal(Signal::SIGKILL);
        until("it is gone", || !is_alive_pid(first.pid().as_raw()));
        let third = pod.start();
        third.wait_for("main | up");
        third.signal(Signal::SIGTERM);
        assert_eq!(third.end().code(), 143, "{who:?}");
        drop(first);
    }
}

/// Whether it has not ended, reaped or not.
fn is_alive_pid(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// DEATH-02, PID1-15: podinit has one thread, also while it starts, probes and restarts, so that none can end before
/// it, and no lock can be held by another when a child is made.
#[test]
fn podinit_has_one_thread() {
    for who in Who::among(&[Who::Root, Who::User]) {
        let pod = whole(who, &format!("threads-{}", std::process::id()));
        let running = pod.start();
        running.wait_for("main | up");
        for _ in 0..200 {
            let tasks = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap().count();
            assert_eq!(tasks, 1, "{who:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().code(), 143, "{who:?}");
    }
}

/// DEATH-07: while a pod runs podinit's program is replaced by another: what has to be started of podinit's own is
/// what the pod began with.
#[test]
fn a_pod_goes_on_when_podinit_s_program_is_replaced() {
    for who in Who::among(&[Who::User]) {
        let keys = "readinessProbe = { exec.command = [\"touch\", \"/tmp/probed\"], periodSeconds = 0.05 }";
        let script = "until [ -e /tmp/go ] || [ -e /shared/go ]; do sleep 0.01; done; rm -f /tmp/probed
                      until [ -e /tmp/probed ]; do sleep 0.01; done; echo probed; exit 1";
        let pod = Pod::new(who);
        let shared = pod.host_directory("shared");
        let volume = format!("hostPath.path = {}", crate::pod::quoted(&shared));
        let keys = format!("{keys}\nvolumeMounts = [{{ name = \"shared\", mountPath = \"/shared\" }}]");
        let pod = pod
            .with(
                "shareProcessNamespace = true\nrestartPolicy = \"Always\"\n\
                   crashLoopBackOff.initialDelaySeconds = 0\ncrashLoopBackOff.maxDelaySeconds = 0",
            )
            .volume("shared", &volume)
            .main("main", script, &keys)
            .main("first", "echo up; sleep 1000", "");
        let running = pod.start();
        running.wait_for("first | up");
        let program = pod.directory.path("podinit");
        let other = pod.directory.path("other");
        fs::write(&other, "#!/bin/sh\necho replaced\n").unwrap();
        fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&other, &program).unwrap();
        fs::write(shared.join("go"), "").unwrap();
        running.wait_for("main | probed");
        running.wait_for("main | probed");
        running.signal(Signal::SIGTERM);
        let ended = running.end();
        assert!(!ended.stdout.iter().any(|line| line.contains("replaced")), "{ended:#?}");
    }
}
