//! Manifests from standard input.

use std::fs::File;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::harness::{Directory, Fifo, PODINIT, Running, until};

const MANIFEST: &str = "[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n";

#[test]
fn a_manifest_is_read_from_a_file_and_from_a_pipe() {
    let directory = Directory::new();
    let file = File::open(directory.file("pod.toml", MANIFEST)).unwrap();
    let mut from_file = Command::new(PODINIT);
    assert_eq!(Running::start(from_file.args(["run", "-"]).stdin(file)).end().code(), 3);
    let mut from_pipe = Command::new("sh");
    let pipeline = format!("cat pod.toml | '{PODINIT}' run -f -");
    from_pipe.args(["-c", &pipeline]).current_dir(directory.path("."));
    assert_eq!(Running::start(&mut from_pipe).end().code(), 3);
}

#[test]
fn a_signal_ends_what_waits_for_a_manifest() {
    for (command, signal, code) in [
        ("run", Signal::SIGTERM, 143),
        ("run", Signal::SIGINT, 130),
        ("check", Signal::SIGTERM, 143),
        ("check", Signal::SIGHUP, 129),
    ] {
        let directory = Directory::new();
        let fifo = Fifo::new(&directory, "manifest");
        let stdin = Stdio::from(File::open(directory.path("manifest")).unwrap());
        let podinit = Running::start(Command::new(PODINIT).args([command, "-"]).stdin(stdin));
        fifo.say("# a manifest that is not written to its end");
        let syscall = format!("/proc/{}/wchan", podinit.pid());
        until("podinit waits", || std::fs::read_to_string(&syscall).is_ok_and(|at| at.contains("poll")));
        podinit.signal(signal);
        assert_eq!(podinit.end().code(), code, "{command} {signal}");
    }
}
