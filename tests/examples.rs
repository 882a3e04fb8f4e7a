//! Every example, run as its comment says, with the real programs it names.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// An example that ends by itself.
struct Ending {
    name: &'static str,
    /// The programs that it needs.
    programs: &'static [&'static str],
    code: i32,
    /// The last line that it prints.
    last: &'static str,
}

const fn ending(
    name: &'static str,
    programs: &'static [&'static str],
    code: i32,
    last: &'static str,
) -> Ending {
    Ending { name, programs, code, last }
}

const ENDING: [Ending; 16] = [
    ending("announcement.yaml", &["openssl", "socat", "curl"], 0, "main | hello through the proxy"),
    ending("batch-log-shipper.toml", &[], 0, "shipper | shipped 4 lines"),
    ending("crashing-sidecars.yaml", &[], 0, "web | served for two seconds"),
    ending(
        "config.yaml",
        &[],
        0,
        "main | hello from shop in config at level debug, with a password of 28 letters and 32 MiB",
    ),
    ending("env-files.toml", &[], 0, "main | hello, $USER at level debug, with a password of 28 letters"),
    ending("environment.yaml", &[], 0, "main | http://localhost:8080/ and $(HOST) by example"),
    ending("first-failure.toml", &[], 3, "slow | finished"),
    ending("found-out.yaml", &[], 0, "main | 42 it is, and no question is known"),
    ending("keystone.toml", &[], 0, "web | drained"),
    ending("pi-job.yaml", &["awk"], 0, "pi | pi is about 3.14159"),
    ending("probes-and-hooks.toml", &[], 0, "web | served for a second"),
    ending("restart-rules.toml", &[], 0, "worker | this time it works"),
    ending("retry.toml", &[], 0, "job | try 4 succeeds"),
    ending("sidecar.toml", &[], 0, "ticker | main is done, goodbye"),
    ending("startup-probes.toml", &["busybox", "socat"], 0, "main | all three are up"),
    ending("test-against-server.toml", &["busybox", "curl"], 0, "tests | ok: what is missing is not"),
];

/// The examples that serve until they are stopped.
const SERVING: [&str; 1] = ["nginx-behind-haproxy.yaml"];

/// The example of a pod with objects beside it.
const SEVERAL_OBJECTS: &str = "config.yaml";

fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn podinit(name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podinit"));
    command.args(["run", "--profile", "process", &example(name)]);
    command
}

fn is_installed(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&&str| std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return true };
    assert!(std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(), "{missing} is not installed");
    println!("skipped: {missing} is not installed");
    false
}

fn assert_ends_as_expected(example: &Ending, output: &Output) {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let name = example.name;
    assert_eq!(output.status.code(), Some(example.code), "{name}:\n{stdout}{stderr}");
    assert_eq!(stdout.lines().last(), Some(example.last), "{name}:\n{stdout}{stderr}");
}

#[test]
fn every_example_is_run_here_and_says_what_it_shows() {
    let examples = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
    // Below are scripts for simulations of these.
    let files = examples.map(Result::unwrap).filter(|entry| entry.path().is_file());
    for name in files.map(|entry| entry.file_name().into_string().unwrap()) {
        let is_run = ENDING.iter().any(|known| known.name == name) || SERVING.contains(&name.as_str());
        assert!(is_run, "{name} is run by no test");
        assert!(
            fs::read_to_string(example(&name)).unwrap().starts_with("# "),
            "{name} does not say what it shows"
        );
    }
}

/// Every manifest in examples/, by name.
fn all() -> impl Iterator<Item = &'static str> {
    ENDING.iter().map(|example| example.name).chain(SERVING)
}

/// What a command of podinit says on stdout about an example; it has to succeed.
fn told(words: &[&str], name: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_podinit")).args(words).arg(example(name)).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "podinit {words:?} {name}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_example_can_be_checked_explained_converted_and_simulated() {
    let process = ["--profile", "process"];
    for name in all() {
        assert!(told(&["check", process[0], process[1]], name).contains(" is fine"), "{name}");
        let explained = told(&["explain", process[0], process[1]], name);
        assert!(explained.contains("\nStart\n") && explained.contains(name), "{name}: {explained}");
        let simulated = told(&["simulate", process[0], process[1], "--until", "60"], name);
        assert!(simulated.lines().count() > 3, "{name}: {simulated}");
        if name == SEVERAL_OBJECTS {
            // Only one object at a time is converted.
            continue;
        }
        // A Job has no TOML form; in its own it is whole.
        let form = if name.ends_with(".toml") || name == "pi-job.yaml" { "yaml" } else { "toml" };
        let converted = std::env::temp_dir().join(format!("podinit-{}-{name}.{form}", std::process::id()));
        fs::write(&converted, told(&["convert", "-o", form], name)).unwrap();
        let path = converted.to_str().unwrap();
        let again = Command::new(env!("CARGO_BIN_EXE_podinit"))
            .args(["check", process[0], process[1], path])
            .output()
            .unwrap();
        fs::remove_file(&converted).unwrap();
        assert!(again.status.success(), "{name}: {}", String::from_utf8_lossy(&again.stdout));
    }
    assert!(all().count() >= 12);
}

#[test]
fn examples_that_end_end_as_they_say() {
    for example in ENDING.iter().filter(|example| is_installed(example.programs)) {
        assert_ends_as_expected(example, &podinit(example.name).output().unwrap());
    }
}

#[test]
fn the_example_s_nginx_answers_through_haproxy_until_it_is_stopped() {
    if !is_installed(&["nginx", "haproxy"]) {
        return;
    }
    let mut child = podinit(SERVING[0]).arg("-v").stderr(Stdio::piped()).spawn().unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(messages.any(|line| line == "podinit: started container nginx"));
    let page = get_until_ok(&mut child);
    assert!(page.ends_with("hello from nginx\n"), "{page}");
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let is_end = |line: &String| line.contains(" exited with ") || line.contains(" was ended by ");
    let ended: Vec<_> = messages.filter(is_end).collect();
    assert!(ended[0].contains("nginx") && ended[1].contains("haproxy"), "{ended:?}");
    assert!(child.wait().unwrap().success());
}

/// nginx listens a moment after it was started; haproxy says 503 until then.
fn get_until_ok(child: &mut Child) -> String {
    loop {
        assert!(child.try_wait().unwrap().is_none(), "podinit ended");
        let mut stream = TcpStream::connect("127.0.0.1:28080").unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        if answer.starts_with("HTTP/1.1 200") {
            return answer;
        }
    }
}
