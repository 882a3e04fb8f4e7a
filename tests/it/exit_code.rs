//! The exit code of podinit (design: the code of the first main container, in time, that failed for good).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{Directory, Fifo, PODINIT, Running, code, command, run, until};
use crate::manifest::{Pod, STAY, answering, processes_in};

#[test]
fn a_command_s_exit_code_is_podinit_s() {
    for expected in [0, 1, 7, 125, 255] {
        assert_eq!(code(&mut command(&["sh", "-c", &format!("exit {expected}")])), expected);
    }
}

#[test]
fn a_signal_that_ends_the_command_counts_from_128() {
    for (signal, expected) in [("TERM", 143), ("KILL", 137), ("SEGV", 139), ("RTMIN+3", 165), ("RTMAX", 192)]
    {
        let script = format!("kill -s {signal} $$");
        assert_eq!(code(&mut command(&["bash", "-c", &script])), expected, "{signal}");
    }
}

#[test]
fn a_main_container_s_code_ends_the_pod() {
    let directory = Directory::new();
    let manifest = "[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n";
    assert_eq!(code(&mut run(&directory, manifest)), 3);
}

#[test]
fn a_pod_that_is_stopped_before_a_main_container_ran_ends_with_the_signal() {
    for (signal, expected) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let directory = Directory::new();
        let manifest = r#"
            [[initContainers]]
            name = "init"
            command = ["sh", "-c", "echo up; exec sleep 1000"]
            [[containers]]
            name = "main"
            command = ["true"]
        "#;
        let podinit = Running::start(&mut run(&directory, manifest));
        podinit.wait_for("init | up");
        podinit.signal(signal);
        assert_eq!(podinit.end().code(), expected);
    }
}

#[test]
fn what_podinit_cannot_do_is_125() {
    for arguments in [&["run", "/nonexistent.toml"][..], &["run", "--nonexistent"], &["run"], &[]] {
        let ended = Running::start(Command::new(PODINIT).args(arguments)).end();
        assert_eq!(ended.code(), 125, "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?} says nothing");
    }
}

#[test]
fn a_pod_whose_main_containers_exit_with_0_ends_with_0_whatever_its_sidecars_did() {
    // Rules 29 and 87.
    let directory = Directory::new();
    let ready = Fifo::new(&directory, "ready");
    let pod = Pod::new("Never")
        .init("init", "exit 0")
        .sidecar("side", &answering(&[("TERM", "exit 9"), ("USR1", ":")]))
        .main("one", "exit 0")
        .main("two", "read line < ready; exit 0");
    let podinit = pod.start(&directory, &["-v"]);
    podinit.wait_for("side | up");
    ready.say("on");
    let ended = podinit.end();
    assert_eq!(ended.code(), 0);
    let sidecar = "podinit: container side exited with code 9".to_owned();
    assert!(ended.stderr.contains(&sidecar), "{:?}", ended.stderr);
}

#[test]
fn the_first_main_container_in_time_that_fails_decides() {
    for (first, second, expected) in [("one", "two", 3), ("two", "one", 4)] {
        let directory = Directory::new();
        let (one, two) = (Fifo::new(&directory, "one"), Fifo::new(&directory, "two"));
        let end = |name| if name == "one" { one.say("end") } else { two.say("end") };
        let pod = Pod::new("Never")
            .main("zero", "exit 0")
            .main("one", "read line < one; exit 3")
            .main("two", "read line < two; exit 4");
        let podinit = pod.start(&directory, &["-v"]);
        end(first);
        podinit.wait_for_message(&format!("container {first} exited"));
        end(second);
        let ended = podinit.end();
        assert_eq!(ended.code(), expected);
        let why = format!("podinit: pod it ends with {expected}, as container {first} did");
        assert_eq!(ended.stderr.last(), Some(&why));
    }
}

#[test]
fn a_failure_that_is_made_good_does_not_count() {
    const FLAKY: &str = "test -e tried && exit 0; touch tried; exit 3";
    let directory = Directory::new();
    assert_eq!(Pod::new("OnFailure").main("flaky", FLAKY).code(&directory, &[]), 0);

    // Not even beside one that comes later and stays (rule 97).
    let directory = Directory::new();
    let go = Fifo::new(&directory, "go");
    let pod = Pod::new("OnFailure")
        .main("flaky", FLAKY)
        .main("worker", "read line < go; exit 4")
        .with("restartPolicy", "Never");
    let podinit = pod.start(&directory, &["-v"]);
    podinit.wait_for_message("container flaky exited with code 3");
    podinit.wait_for_message("container flaky exited with code 0");
    go.say("on");
    assert_eq!(podinit.end().code(), 4);
}

#[test]
fn a_signal_that_ends_a_main_container_counts_from_128() {
    for (signal, expected) in [("TERM", 143), ("KILL", 137), ("RTMIN", 162)] {
        let script = format!("kill -s {signal} $$");
        let pod = Pod::new("Never").container("containers", "main", &["bash", "-c", &script]);
        assert_eq!(pod.code(&Directory::new(), &[]), expected, "{signal}");
    }
}

#[test]
fn an_init_container_that_fails_for_good_decides_and_nothing_follows_it() {
    // Rules 21 and 22: by the pod's policy, or by its own.
    let pods = [("Never", None), ("Always", Some("Never"))];
    for (script, expected) in [("exit 5", 5), ("kill -s KILL $$", 137)] {
        for (policy, own) in pods {
            let directory = Directory::new();
            let mut pod = Pod::new(policy).sidecar("side", STAY).init("init", script);
            if let Some(own) = own {
                pod = pod.with("restartPolicy", own);
            }
            let pod = pod.init("next", "touch followed").main("main", "touch followed");
            assert_eq!(pod.code(&directory, &[]), expected, "{policy}");
            assert!(!directory.path("followed").exists(), "{policy}");
        }
    }
    let directory = Directory::new();
    let again = "test -e tried && exit 0; touch tried; exit 5";
    assert_eq!(Pod::new("OnFailure").init("init", again).main("main", "exit 0").code(&directory, &[]), 0);
}

#[test]
fn after_podinit_s_own_stop_the_main_container_s_code_counts() {
    // Rule 88: whatever the restart policy.
    for policy in ["Never", "OnFailure", "Always"] {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let scripts = [
                (answering(&[("TERM", "exit 3")]), 3),
                (answering(&[("TERM", "exit 0")]), 0),
                (STAY.to_owned(), 143),
            ];
            for (script, expected) in scripts {
                let directory = Directory::new();
                let podinit = Pod::new(policy).main("main", &script).start(&directory, &[]);
                podinit.wait_for("main | up");
                podinit.signal(signal);
                assert_eq!(podinit.end().code(), expected, "{policy} {signal}");
            }
        }
    }
}

#[test]
fn after_a_stop_too_the_first_failure_in_time_decides() {
    let directory = Directory::new();
    let go = Fifo::new(&directory, "go");
    let pod = Pod::new("Never")
        .main("slow", &answering(&[("TERM", "read line < go; exit 4")]))
        .main("fast", &answering(&[("TERM", "exit 3")]));
    let podinit = pod.start(&directory, &["-v"]);
    let mut up = [podinit.line(), podinit.line()];
    up.sort();
    assert_eq!(up, ["fast | up", "slow | up"]);
    podinit.signal(Signal::SIGTERM);
    podinit.wait_for_message("container fast exited");
    go.say("on");
    assert_eq!(podinit.end().code(), 3);
}

#[test]
fn a_pod_that_is_stopped_between_two_attempts_ends_with_the_last_one_s_code() {
    // Rule 91: the restart that is due in ten seconds does not come.
    let directory = Directory::new();
    let podinit = Pod::new("Always").main("main", "exit 3").start(&directory, &[]);
    podinit.wait_for_message("back-off 10s restarting failed container main");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 3);
}

#[test]
fn exit_code_from_names_the_container_that_decides() {
    for (name, expected) in [("setup", 0), ("proxy", 7), ("app", 3), ("other", 4)] {
        let directory = Directory::new();
        let ready = Fifo::new(&directory, "ready");
        let pod = Pod::new("Never")
            .init("setup", "exit 0")
            .sidecar("proxy", &answering(&[("TERM", "exit 7")]))
            .main("app", "exit 3")
            .main("other", "read line < ready; exit 4");
        let podinit = pod.start(&directory, &["--exit-code-from", name]);
        podinit.wait_for("proxy | up");
        ready.say("on");
        assert_eq!(podinit.end().code(), expected, "{name}");
    }
}

#[test]
fn exit_code_from_decides_even_where_an_init_container_failed_the_pod() {
    let directory = Directory::new();
    let go = Fifo::new(&directory, "go");
    let pod = Pod::new("Never")
        .sidecar("proxy", &answering(&[("TERM", "exit 7")]))
        .init("setup", "read line < go; exit 5")
        .main("app", "exit 3");
    let podinit = pod.start(&directory, &["--exit-code-from", "proxy"]);
    podinit.wait_for("proxy | up");
    go.say("on");
    assert_eq!(podinit.end().code(), 7);
}

#[test]
fn exit_code_from_a_container_that_never_ran_leaves_it_to_the_others() {
    let pod = Pod::new("Never").init("setup", "exit 5").main("app", "exit 3");
    assert_eq!(pod.code(&Directory::new(), &["--exit-code-from", "app"]), 5);
}

#[test]
fn exit_code_from_an_unknown_container_is_refused_before_anything_starts() {
    let directory = Directory::new();
    let pod =
        Pod::new("Never").init("setup", "touch ran").sidecar("proxy", "touch ran").main("app", "touch ran");
    let ended = pod.start(&directory, &["--exit-code-from", "ap"]).end();
    assert_eq!(ended.code(), 125);
    let message = "podinit: cannot take the exit code from \"ap\": the pod has setup, proxy, app";
    assert_eq!(ended.stderr, [message]);
    assert!(!directory.path("ran").exists());
}

#[test]
fn a_program_that_is_not_found_is_127_and_one_that_cannot_be_executed_126() {
    let directory = Directory::new();
    let execute = |name: &str, content: &str| {
        let file = directory.file(name, content);
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    directory.file("text", "exit 0\n");
    execute("without-interpreter", "#!/nonexistent/sh\n");
    let programs = [
        ("podinit-it-nonexistent", 127),
        ("./nonexistent", 127),
        ("./without-interpreter", 127),
        ("./text", 126),
        ("/", 126),
    ];
    for (program, expected) in programs {
        let main = Pod::new("Never").container("containers", "main", &[program]);
        let init = Pod::new("Never").container("initContainers", "init", &[program]).main("main", "exit 0");
        let mut alone = command(&[program]);
        alone.current_dir(directory.path("."));
        let ended = [
            main.start(&directory, &[]).end(),
            init.start(&directory, &[]).end(),
            Running::start(&mut alone).end(),
        ];
        for ended in ended {
            assert_eq!(ended.code(), expected, "{program}: {ended:?}");
            let why = format!("cannot run {program:?}: ");
            assert!(ended.stderr.iter().any(|line| line.contains(&why)), "{:?}", ended.stderr);
        }
    }
}

#[test]
fn a_working_directory_that_is_missing_is_125() {
    // Nothing of the container ran: this is not the command's failure.
    let main = Pod::new("Never").main("main", "exit 3").with("workingDir", "/nonexistent");
    let init =
        Pod::new("Never").init("init", "exit 3").with("workingDir", "/nonexistent").main("main", "exit 3");
    for pod in [main, init] {
        let ended = pod.start(&Directory::new(), &[]).end();
        assert_eq!(ended.code(), 125);
        let why = "cannot change to working directory \"/nonexistent\": no such file or directory";
        assert!(ended.stderr.iter().any(|line| line.contains(why)), "{:?}", ended.stderr);
    }
}

#[test]
fn what_is_wrong_with_a_manifest_or_an_option_is_125_before_anything_starts() {
    let directory = Directory::new();
    let pod = Pod::new("Never").init("init", "touch ran").main("main", "touch ran");
    let mut bad_grace = pod.command(&directory, &[]);
    bad_grace.env("PODINIT_GRACE", "soon");
    let mut bad = Command::new(PODINIT);
    bad.arg("run").arg(directory.file("bad.toml", &pod.to_toml().replace("restartPolicy", "restart")));
    let mut no_text = Command::new(PODINIT);
    no_text.arg("run").arg(directory.path("no-text.toml"));
    fs::write(directory.path("no-text.toml"), [pod.to_toml().as_bytes(), b"# \xff\n"].concat()).unwrap();
    let mut no_file = Command::new(PODINIT);
    no_file.arg("run").arg(directory.path("."));
    let commands = [
        (bad, "cannot run the pod: 1 error in its manifest"),
        (no_text, "it is no UTF-8"),
        (no_file, "it is no regular file"),
        (bad_grace, "write a number of seconds"),
        (pod.command(&directory, &["--grace=-1"]), "--grace"),
        (pod.command(&directory, &["--log-format", "xml"]), "text, json, raw"),
        (pod.command(&directory, &["--profile", "host"]), "process, pod"),
        (pod.command(&directory, &["--profile", "pod"]), "it has no image and no `rootfs`"),
        (pod.command_of_yaml(&directory, &[]), "it has no image and no `rootfs`"),
    ];
    for (mut command, why) in commands {
        let ended = Running::start(&mut command).end();
        assert_eq!(ended.code(), 125, "{command:?}");
        assert!(ended.stderr.iter().any(|line| line.contains(why)), "{why}: {:?}", ended.stderr);
        assert!(!directory.path("ran").exists(), "{command:?}");
    }
}

/// Release builds have no bugs on demand.
#[test]
#[cfg(debug_assertions)]
fn a_bug_in_podinit_says_one_line_kills_the_pod_and_is_70() {
    // PID1-10. At first, when containers are on their way, and later, when they have children.
    for fault in ["panic", "panic-at-signal"] {
        let directory = Directory::new();
        let script = "sleep 1000 & echo up; wait";
        let pod = Pod::new("Never").sidecar("side", script).main("main", script);
        let podinit = Running::start(pod.command(&directory, &[]).env("PODINIT_FAULT", fault));
        if fault == "panic-at-signal" {
            let mut up = [podinit.line(), podinit.line()];
            up.sort();
            assert_eq!(up, ["main | up", "side | up"]);
            assert_eq!(processes_in(&directory).len(), 5, "podinit, two shells and what they started");
            podinit.signal(Signal::SIGUSR1);
        }
        let ended = podinit.end();
        assert_eq!(ended.code(), 70);
        let [line] = &ended.stderr[..] else { panic!("more or less than one line: {:?}", ended.stderr) };
        assert!(line.starts_with("podinit: internal error at src/runtime/supervisor.rs:"), "{line}");
        assert!(line.ends_with(": asked for by PODINIT_FAULT; the pod is killed"), "{line}");
        until("the pod's processes are gone", || processes_in(&directory).is_empty());
    }
}

fn check(words: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let ended = Running::start(Command::new(PODINIT).arg("check").args(words)).end();
    (ended.code(), ended.stdout, ended.stderr)
}

#[test]
fn check_is_0_where_nothing_is_wrong() {
    let directory = Directory::new();
    // A warning is no problem.
    let pod = Pod::new("Never").main("main", "touch ran").with("image", "busybox");
    let file = directory.file("pod.toml", &pod.to_toml());
    let file = file.to_str().unwrap();
    let (code, stdout, _) = check(&[file]);
    assert_eq!(code, 0, "{stdout:?}");
    assert!(stdout[0].starts_with("warning: "), "{stdout:?}");
    assert_eq!(stdout.last().unwrap(), "pod it is fine");
    let (code, stdout, _) = check(&["--format", "json", file]);
    assert_eq!(code, 0);
    assert_eq!(severities(&stdout), ["warning"]);
}

#[test]
fn check_is_1_where_something_is_wrong() {
    let directory = Directory::new();
    let manifest = Pod::new("Sometimes").main("main", "exit 0").with("imag", "x").to_toml();
    let bad = directory.file("bad.toml", &manifest);
    let (code, stdout, _) = check(&[bad.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert_eq!(stdout.iter().filter(|line| line.starts_with("error: ")).count(), 2, "{stdout:?}");
    let (code, stdout, _) = check(&["--format", "json", bad.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert_eq!(severities(&stdout), ["error", "error"]);

    let missing = directory.path("missing.toml");
    let (code, stdout, _) = check(&[missing.to_str().unwrap()]);
    assert_eq!((code, stdout.len()), (1, 3), "{stdout:?}");
    let (code, stdout, _) = check(&["--format", "json", missing.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert_eq!(severities(&stdout), ["error"]);
}

#[test]
fn check_is_2_where_the_command_line_is_wrong() {
    for words in [&[][..], &["--format", "xml", "pod.toml"], &["--nonexistent", "pod.toml"]] {
        let (code, stdout, stderr) = check(words);
        assert_eq!((code, stdout.is_empty(), stderr.is_empty()), (2, true, false), "{words:?}");
    }
}

/// How bad each diagnostic is.
fn severities(stdout: &[String]) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(&stdout.join("\n")).unwrap();
    let diagnostics = value["diagnostics"].as_array().unwrap();
    diagnostics.iter().map(|diagnostic| diagnostic["severity"].as_str().unwrap().to_owned()).collect()
}
