//! The exit code of podinit (design: the code of the first main container, in time, that failed for good).

use nix::sys::signal::Signal;

use crate::harness::{Directory, PODINIT, Running, code, command, run};

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
        let ended = Running::start(std::process::Command::new(PODINIT).args(arguments)).end();
        assert_eq!(ended.code(), 125, "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?} says nothing");
    }
}
