//! The options of `podinit -- CMD`, which are tini's and dumb-init's, and the environment variables that
//! say the same.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::container::podinit;
use crate::harness::{Directory, Ended, Fifo, PODINIT, Running, code, has};

/// Tells of TERM, QUIT, USR1 and USR2, and ends with 7 when `over` exists.
const TELLS: &str = r#"
    for name in TERM QUIT USR1 USR2; do trap "echo $name" $name; done
    echo up
    while [ ! -e over ]; do sleep 0.1 & wait $!; done
    exit 7
"#;

/// What the command tells of these signals, sent one after the other. The last one must arrive.
fn told(options: &[&str], signals: &[Signal]) -> Vec<String> {
    let directory = Directory::new();
    let running = Running::start(podinit(options, &["sh", "-c", TELLS]).current_dir(directory.path(".")));
    running.wait_for("up");
    let mut told = Vec::new();
    for signal in signals {
        running.signal(*signal);
    }
    let last = signals[signals.len() - 1].as_str().trim_start_matches("SIG").to_owned();
    while told.last() != Some(&last) {
        told.push(running.line());
    }
    directory.file("over", "");
    let ended = running.end();
    assert_eq!(ended.code(), 7, "{ended:?}");
    told.extend(ended.stdout);
    told.sort();
    told
}

#[test]
fn signals_are_rewritten() {
    use Signal::{SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    assert_eq!(told(&[], &[SIGTERM, SIGUSR1]), ["TERM", "USR1"]);
    for options in [&["--rewrite", "TERM:QUIT"], &["-r", "15:3"], &["-r", "SIGTERM:sigquit"]] {
        assert_eq!(told(options, &[SIGTERM, SIGUSR1]), ["QUIT", "USR1"], "{options:?}");
    }
    // One rewrite does not feed another.
    let swapped = ["-r", "TERM:QUIT", "-r", "QUIT:TERM", "-rUSR2:0"];
    assert_eq!(told(&swapped, &[SIGTERM, SIGUSR2, SIGUSR1]), ["QUIT", "USR1"]);
    assert_eq!(told(&swapped, &[SIGQUIT, SIGUSR2, SIGUSR1]), ["TERM", "USR1"]);
    assert_eq!(told(&["-r", "TERM:0"], &[SIGTERM, SIGUSR1]), ["USR1"]);
}

/// Sends USR1 to a command with a child in its process group, and returns what both say in their lives.
fn signal_a_group(command: &mut Command) -> Vec<String> {
    let directory = Directory::new();
    let child = r#"
        trap 'echo "child got USR1"' USR1
        trap 'echo "child ends"; exit' TERM
        echo up > up
        while :; do sleep 0.5 & wait $!; done
    "#;
    directory.file("child", child);
    let up = Fifo::new(&directory, "up");
    let running = Running::start(command.current_dir(directory.path(".")));
    running.wait_for("up");
    assert_eq!(up.line(), "up");
    running.signal(Signal::SIGUSR1);
    let mut said = vec![];
    while said.last().is_none_or(|line| line != "USR1") {
        said.push(running.line());
    }
    directory.file("over", "");
    let ended = running.end();
    assert_eq!(ended.code(), 7);
    said.extend(ended.stdout);
    said.sort();
    said
}

#[test]
fn signals_go_to_the_whole_group_where_that_is_asked_for() {
    let script = format!("sh child & {TELLS}");
    let command = |options: &[&str]| podinit(options, &["sh", "-c", &script]);
    let alone = ["USR1", "child ends"];
    let together = ["USR1", "child ends", "child got USR1"];
    assert_eq!(signal_a_group(&mut command(&[])), alone);
    assert_eq!(signal_a_group(&mut command(&["-g"])), together);
    assert_eq!(signal_a_group(&mut command(&["--group"])), together);
    assert_eq!(signal_a_group(command(&[]).env("TINI_KILL_PROCESS_GROUP", "")), together);
}

#[test]
fn an_expected_exit_code_is_success() {
    let run = |options: &[&str], script| code(&mut podinit(options, &["sh", "-c", script]));
    assert_eq!(run(&["-e", "3"], "exit 3"), 0);
    assert_eq!(run(&["-e", "3", "-e", "143"], "kill -s TERM $$"), 0);
    assert_eq!(run(&["-e3", "--expect=143"], "exit 3"), 0);
    assert_eq!(run(&["-e", "3", "-e", "4"], "exit 5"), 5);
    assert_eq!(run(&["-e", "3"], "exit 0"), 0);
}

#[test]
fn the_end_of_podinit_s_parent_is_a_signal() {
    if !has(&["bash"]) {
        return;
    }
    for (option, name) in [("USR1", "USR1"), ("SIGTERM", "TERM"), ("RTMIN+3", "RTMIN+3"), ("64", "64")] {
        let directory = Directory::new();
        let go = Fifo::new(&directory, "go");
        let command =
            format!("trap 'echo told; exit' {name}; echo up; while :; do sleep 0.5 & wait $!; done");
        let parent = r#""$PODINIT" -p "$SIGNAL" -- bash -c "$COMMAND" & read line < go"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", parent]).current_dir(directory.path("."));
        shell.env("PODINIT", PODINIT).env("SIGNAL", option).env("COMMAND", command);
        let running = Running::start(&mut shell);
        running.wait_for("up");
        go.say("on");
        // podinit and the command are no children of ours; their end is that of their output.
        running.wait_for("told");
    }
}

fn messages(command: &mut Command) -> Vec<String> {
    let ended = Running::start(command).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    ended.stderr
}

#[test]
fn podinit_says_what_it_does_where_that_is_asked_for() {
    let quiet = || podinit(&[], &["true"]);
    let said = ["podinit: started container main", "podinit: container main exited with code 0"];
    for command in [
        &mut podinit(&["-v"], &["true"]),
        &mut podinit(&["--verbose"], &["true"]),
        quiet().env("TINI_VERBOSITY", "2"),
        quiet().env("DUMB_INIT_DEBUG", "1"),
        quiet().env("PODINIT_LOG", "info"),
    ] {
        assert_eq!(messages(command), said, "{command:?}");
    }
    for command in [
        &mut quiet(),
        quiet().env("TINI_VERBOSITY", "1"),
        quiet().env("TINI_VERBOSITY", "loud"),
        quiet().env("DUMB_INIT_DEBUG", "0"),
        podinit(&["-v"], &["true"]).env("PODINIT_LOG", "off"),
        // What podinit always does.
        &mut podinit(&["-s"], &["true"]),
        quiet().env("TINI_SUBREAPER", ""),
    ] {
        assert_eq!(messages(command), [""; 0], "{command:?}");
    }
}

#[test]
fn a_start_is_told_when_it_happens() {
    // Not only at the end. execve(2) closes the start report when podinit may run again already, so that
    // the report is sometimes read too early: often enough to show in so many starts.
    for _ in 0..30 {
        let running = Running::start(&mut podinit(&["-v"], &["sleep", "1000"]));
        running.wait_for_message("started container main");
        running.signal(Signal::SIGTERM);
        assert_eq!(running.end().code(), 143);
    }
}

#[test]
fn orphans_that_are_reaped_are_told_of_where_that_is_asked_for() {
    let script = "(sh -c 'echo $$ > up' &); read orphan < up; echo $orphan";
    for (options, expected) in [(&["-w"][..], 1), (&["--warn-reaped"], 1), (&[], 0)] {
        let directory = Directory::new();
        drop(Fifo::new(&directory, "up"));
        let mut command = podinit(options, &["sh", "-c", script]);
        let ended = Running::start(command.current_dir(directory.path("."))).end();
        let orphan = &ended.stdout[0];
        let said = format!("podinit: reaped process {orphan}, which was no container's main process");
        assert_eq!(ended.stderr, vec![said; expected], "{options:?}");
    }
}

/// Leaves behind what ignores TERM, or what takes a second to end and then says so.
fn leave(rest: &str, command: impl FnOnce(&[&str]) -> Command) -> Ended {
    let directory = Directory::new();
    drop(Fifo::new(&directory, "up"));
    let script = format!("sh -c '{rest}' & read line < up; exit 3");
    let ended = Running::start(command(&["sh", "-c", &script]).current_dir(directory.path("."))).end();
    assert_eq!(ended.code(), 3, "{ended:?}");
    ended
}

#[test]
fn the_grace_period_is_an_option_or_a_variable() {
    const STUBBORN: &str = "trap \"\" TERM; echo > up; while :; do sleep 1; done";
    const SLOW: &str =
        "trap \"sleep 1; echo finished; exit\" TERM; echo > up; while :; do sleep 0.5 & wait $!; done";
    let variable = |value: &'static str| {
        move |words: &[&str]| {
            let mut command = podinit(&[], words);
            command.env("PODINIT_GRACE", value);
            command
        }
    };
    let option = |value: &'static str| move |words: &[&str]| podinit(&["--grace", value], words);
    // The option goes before the variable.
    let both = |option: &'static str, value: &'static str| {
        move |words: &[&str]| {
            let mut command = podinit(&["--grace", option], words);
            command.env("PODINIT_GRACE", value);
            command
        }
    };
    // A grace of 100,000 seconds would be noticed.
    leave(STUBBORN, option("0.1"));
    leave(STUBBORN, option("0"));
    leave(STUBBORN, variable("0.1s"));
    leave(STUBBORN, both("0.1", "100000"));
    for ended in [
        leave(SLOW, |words| podinit(&[], words)),
        leave(SLOW, option("100000")),
        leave(SLOW, variable("100000")),
        leave(SLOW, both("100000", "0")),
    ] {
        assert_eq!(ended.stdout, ["finished"]);
    }
}

#[test]
fn a_bad_command_line_is_125_with_a_message_and_nothing_is_started() {
    let directory = Directory::new();
    let started = directory.path("started");
    let words = ["touch", started.to_str().unwrap()];
    let seconds = "write a number of seconds, such as 10 or 0.5";
    let signal = "write a signal's name or number, such as TERM or 15";
    for (options, message) in [
        (&["-e", "256"][..], "256 is not in 0..=255"),
        (&["-e", "TERM"], "invalid value 'TERM'"),
        (&["-p", "TERMINATE"], signal),
        (&["-p", "0"], signal),
        (&["-p", "65"], signal),
        (&["-r", "TERM"], "write RECEIVED:PASSED_ON, such as TERM:QUIT"),
        (&["-r", "TERM:TERMINATE"], signal),
        (&["-r", "0:TERM"], signal),
        (&["--rewrite", "TERM:QUIT:HUP"], signal),
        (&["--grace", "soon"], seconds),
        (&["--grace=-1"], seconds),
        (&["--grace="], seconds),
        (&["--loud"], "unexpected argument '--loud'"),
        (&["-x"], "unexpected argument '-x'"),
        (&["server"], "only options stand before `--`"),
    ] {
        let ended = Running::start(&mut podinit(options, &words)).end();
        assert_eq!(ended.code(), 125, "{options:?}");
        assert!(ended.stderr[0].contains(message), "{options:?}: {ended:?}");
    }
    for options in [&[][..], &["-s"]] {
        let ended = Running::start(podinit(options, &words).env("PODINIT_GRACE", "soon")).end();
        assert_eq!(ended.code(), 125, "{options:?}");
        assert!(ended.stderr[0].contains(seconds) && ended.stderr[0].contains("soon"), "{ended:?}");
    }
    assert!(!started.exists());
    for options in [&[][..], &["-v"], &["-e", "3"]] {
        let ended = Running::start(&mut podinit(options, &[])).end();
        assert_eq!(ended.code(), 125, "{options:?}");
        assert!(ended.stderr.join("\n").contains("<CMD>"), "{options:?}: {ended:?}");
    }
}

#[test]
fn help_and_version_are_answers_and_not_errors() {
    let answer = |words: &[&str]| {
        let ended = Running::start(Command::new(PODINIT).args(words)).end();
        assert_eq!((ended.code(), &ended.stderr[..]), (0, &[][..]), "{words:?}");
        ended.stdout
    };
    for words in [&["--version"], &["-V"]] {
        assert_eq!(answer(words), [concat!("podinit ", env!("CARGO_PKG_VERSION"))], "{words:?}");
    }
    for words in [&["--help"][..], &["-h"], &["run", "--help"], &["check", "--help"]] {
        let help = answer(words).join("\n");
        assert!(help.contains("Usage: podinit") && help.contains("Examples:"), "{words:?}: {help}");
    }
    // What comes after `--` is the command's.
    let ended = Running::start(&mut podinit(&[], &["sh", "-c", "echo \"$1\"", "sh", "--help"])).end();
    assert_eq!(ended.stdout, ["--help"]);
}
