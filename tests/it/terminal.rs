//! `podinit -- CMD` on a controlling terminal, and `podinit run` as a job of a shell: the terminal behaves
//! as if podinit were not there (PID1-09, CONT-12).

use std::fs;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Directory, Fifo, PODINIT, has, until};
use crate::pty::{CTRL_C, CTRL_Z, Pty, Session};

/// Shells with job control and without a prompt that would be mistaken for output.
const SHELLS: [&[&str]; 2] = [&["bash", "--norc", "--noprofile", "--noediting", "-i"], &["dash", "-i"]];

/// A shell that somebody types into.
struct Shell {
    session: Session,
    directory: Directory,
}

impl Shell {
    fn start(words: &[&str]) -> Self {
        let directory = Directory::new();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(directory.path("."));
        command.env("PS1", "").env("PS2", "").env("PODINIT", PODINIT).env("NO_COLOR", "1").env_remove("ENV");
        let mut shell = Self { session: Pty::new().start(&command), directory };
        shell.answers();
        shell
    }

    /// A script that the shell can run as `sh NAME`: what it prints is not in a command line, which
    /// shells repeat.
    fn script(&self, name: &str, text: &str) {
        self.directory.file(name, text);
    }

    fn type_line(&mut self, line: &str) {
        self.session.terminal.type_in(&format!("{line}\n"));
    }

    fn press(&mut self, key: &str) {
        self.session.terminal.type_in(key);
    }

    /// Stops the job in the foreground. What is typed before all of it has stopped may still be read by it.
    fn press_stop(&mut self) {
        self.session.terminal.type_in(CTRL_Z);
        self.wait_for("Stopped");
        let leader = self.session.leader();
        let job = || self.session.members().into_iter().filter(move |pid| *pid != leader);
        until("the job has stopped", || job().all(|pid| state(pid.as_raw()) == 'T'));
        self.answers();
    }

    fn wait_for(&mut self, text: &str) {
        self.session.terminal.wait_for(text);
    }

    /// The shell has the terminal and reads from it.
    fn answers(&mut self) {
        self.type_line("echo the-shell-$((40 + 2))-answers");
        self.wait_for("the-shell-42-answers");
        assert_eq!(self.session.terminal.foreground(), self.session.leader());
    }
}

#[test]
fn ctrl_c_reaches_the_command_once_and_not_through_podinit() {
    if !has(&["setsid"]) {
        return;
    }
    let directory = Directory::new();
    let script = r#"
        n=0
        trap 'n=$((n + 1)); echo "interrupt $n"' INT
        trap 'echo "in all $n"; exit 0' USR1
        echo up
        while :; do sleep 1000 & wait $!; done
    "#;
    let mut command = Command::new(PODINIT);
    command.arg("--").arg("sh").arg(directory.file("count", script));
    let mut session = Pty::new().start(&command);
    session.terminal.wait_for("up");
    for n in 1..=3 {
        session.terminal.type_in(CTRL_C);
        session.terminal.wait_for(&format!("interrupt {n}"));
    }
    // What podinit has to pass on it passes on in order.
    kill(session.leader(), Signal::SIGUSR1).unwrap();
    session.terminal.wait_for("in all 3");
    let (status, _) = session.end();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_command_has_the_terminal_and_afterwards_whoever_started_podinit() {
    if !has(&["setsid"]) {
        return;
    }
    let directory = Directory::new();
    directory.file("work", "read first; echo \"the command read $first\"\n");
    let script = r#"
        "$PODINIT" -- sh work
        read second; echo "the script read $second"
    "#;
    directory.file("script", script);
    let mut command = Command::new("sh");
    command.arg("script").env("PODINIT", PODINIT).current_dir(directory.path("."));
    let mut session = Pty::new().start(&command);
    session.terminal.type_in("one\n");
    session.terminal.wait_for("the command read one");
    session.terminal.type_in("two\n");
    session.terminal.wait_for("the script read two");
    assert_eq!(session.end().0.code(), Some(0));
}

#[test]
fn ctrl_z_stops_the_job_and_fg_continues_it_with_the_terminal() {
    if !has(&["setsid", "bash", "dash"]) {
        return;
    }
    for shell in SHELLS {
        let mut shell = Shell::start(shell);
        shell.script("work", "echo up; read a; echo \"got $a\"; read b; echo \"then $b\"; exit 7\n");
        shell.type_line("\"$PODINIT\" -- sh work");
        shell.wait_for("up");
        // Stopped twice, so that the second time is like the first.
        for (said, word) in [("got", "one"), ("then", "two")] {
            shell.press_stop();
            shell.type_line("fg");
            shell.wait_for("sh work");
            shell.type_line(word);
            shell.wait_for(&format!("{said} {word}"));
        }
        shell.type_line("echo code-$?");
        shell.wait_for("code-7");
        shell.answers();
    }
}

#[test]
fn bg_continues_the_job_without_the_terminal_and_its_end_leaves_the_terminal_to_the_shell() {
    if !has(&["setsid", "bash", "dash"]) {
        return;
    }
    for shell in SHELLS {
        let mut shell = Shell::start(shell);
        let (_go, report) = (Fifo::new(&shell.directory, "go"), Fifo::new(&shell.directory, "report"));
        shell.script("work", "echo up; read line < go; echo \"$line\" > report; exit 7\n");
        shell.type_line("\"$PODINIT\" -- sh work");
        shell.wait_for("up");
        shell.press_stop();
        shell.type_line("bg");
        shell.answers();
        // In one line: a shell forgets a job when it has told of its end.
        shell.type_line("echo on > go; wait %1; echo code-$?");
        assert_eq!(report.line(), "on");
        shell.wait_for("code-7");
        assert_eq!(shell.session.terminal.foreground(), shell.session.leader(), "the terminal was stolen");
        shell.answers();
    }
}

#[test]
fn in_the_background_podinit_does_not_steal_the_terminal() {
    if !has(&["setsid", "bash", "dash"]) {
        return;
    }
    for shell in SHELLS {
        let mut shell = Shell::start(shell);
        let (_go, report) = (Fifo::new(&shell.directory, "go"), Fifo::new(&shell.directory, "report"));
        shell.script("work", "echo up > report; read line < go; exit 7\n");
        shell.type_line("\"$PODINIT\" -- sh work &");
        assert_eq!(report.line(), "up");
        shell.answers();
        shell.type_line("echo on > go; wait %1; echo code-$?");
        shell.wait_for("code-7");
        shell.answers();
    }
}

#[test]
fn a_background_job_that_reads_the_terminal_stops_and_fg_gives_it_the_terminal() {
    if !has(&["setsid", "bash", "dash"]) {
        return;
    }
    for shell in SHELLS {
        let mut shell = Shell::start(shell);
        let report = Fifo::new(&shell.directory, "report");
        shell.script("work", "echo $$ > report; read a; echo \"got $a\"; exit 7\n");
        shell.type_line("\"$PODINIT\" -- sh work & podinit=$!");
        let command: i32 = report.line().parse().unwrap();
        until("the command is stopped", || state(command) == 'T');
        // The shell sees the job stopped only if all of it is.
        shell.type_line("echo \"podinit=$podinit\"");
        shell.wait_for("podinit=");
        let number = shell.session.terminal.wait_for("\r");
        let podinit: i32 = number.parse().unwrap();
        until("podinit stops with its command", || state(podinit) == 'T');
        shell.type_line("fg");
        shell.type_line("word");
        shell.wait_for("got word");
        shell.type_line("echo code-$?");
        shell.wait_for("code-7");
        shell.answers();
    }
}

fn state(pid: i32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
}

#[test]
fn as_pid_1_ctrl_z_does_not_freeze_the_command() {
    if !has(&["root", "unshare", "setsid"]) {
        return;
    }
    // In a session of its own as in a container, and in that of a script.
    for inner in ["setsid --ctty", ""] {
        let directory = Directory::new();
        directory.file("work", "echo up; read a; echo \"the command read $a\"\n");
        let script = format!(
            "unshare --pid --fork --kill-child {inner} \"$PODINIT\" -- sh work\n\
             read b; echo \"the script read $b\"\n"
        );
        directory.file("script", &script);
        let mut command = Command::new("sh");
        command.arg("script").env("PODINIT", PODINIT).current_dir(directory.path("."));
        // A terminal is not taken from a session that has it.
        if inner.is_empty() {
            let mut session = Pty::new().start(&command);
            session.terminal.wait_for("up");
            session.terminal.type_in(CTRL_Z);
            session.terminal.type_in("one\n");
            session.terminal.wait_for("the command read one");
            // The terminal was the script's before.
            session.terminal.type_in("two\n");
            session.terminal.wait_for("the script read two");
        } else {
            let mut command = Command::new("unshare");
            command.args(["--pid", "--fork", "--kill-child", PODINIT, "--", "sh", "work"]);
            command.current_dir(directory.path("."));
            let mut session = Pty::new().start(&command);
            session.terminal.wait_for("up");
            session.terminal.type_in(CTRL_Z);
            session.terminal.type_in("one\n");
            session.terminal.wait_for("the command read one");
            assert_eq!(session.end().0.code(), Some(0));
        }
    }
}

#[test]
fn ctrl_z_does_not_freeze_a_job_that_nobody_would_continue() {
    if !has(&["setsid"]) {
        return;
    }
    // `sh -c "podinit -- CMD; ..."` as the first process of a container with a terminal: without podinit
    // the kernel would not stop this orphaned process group.
    let directory = Directory::new();
    directory.file("work", "echo up; read a; echo \"the command read $a\"\n");
    let mut command = Command::new("sh");
    command.args(["-c", "\"$PODINIT\" -- sh work; echo code-$?"]);
    command.env("PODINIT", PODINIT).current_dir(directory.path("."));
    let mut session = Pty::new().start(&command);
    session.terminal.wait_for("up");
    session.terminal.type_in(CTRL_Z);
    session.terminal.type_in("one\n");
    session.terminal.wait_for("the command read one");
    session.terminal.wait_for("code-0");
}

#[test]
fn a_command_whose_stdin_is_no_terminal_has_the_terminal_all_the_same() {
    if !has(&["setsid", "bash", "dash"]) {
        return;
    }
    // As `generate | podinit -- pager`.
    for shell in SHELLS {
        let mut shell = Shell::start(shell);
        shell.script("pager", "read a; echo \"first $a\"; read key < /dev/tty; echo \"key $key\"\n");
        shell.type_line("echo page < /dev/null | \"$PODINIT\" -- sh pager");
        shell.wait_for("first page");
        shell.type_line("q");
        shell.wait_for("key q");
        shell.answers();
    }
}

#[test]
fn the_rest_of_a_pipeline_has_the_terminal_too() {
    if !has(&["setsid", "bash", "dash"]) {
        return;
    }
    // As `podinit -- generate | pager`: all of a job is in the foreground.
    for shell in SHELLS {
        let mut shell = Shell::start(shell);
        let go = Fifo::new(&shell.directory, "go");
        shell.script("generate", "echo page; read line < go\n");
        shell.script("pager", "read a; echo \"first $a\"; read key < /dev/tty; echo \"key $key\"\n");
        shell.type_line("\"$PODINIT\" -- sh generate | sh pager");
        shell.wait_for("first page");
        shell.type_line("q");
        shell.wait_for("key q");
        go.say("on");
        shell.answers();
    }
}

#[test]
fn a_terminal_that_goes_away_hangs_up_the_command_once() {
    if !has(&["setsid"]) {
        return;
    }
    // The kernel tells the first process of a session, and the others when that has ended: podinit is the
    // first, or a shell is.
    for first in [&[PODINIT, "--", "sh", "work"][..], &["sh", "-c", "\"$PODINIT\" -- sh work; exit"]] {
        let directory = Directory::new();
        let report = Fifo::new(&directory, "report");
        let script = r#"
            n=0
            trap 'n=$((n + 1)); echo hung-up > report' HUP
            trap 'echo "in all $n" > report; exit' USR1
            echo $PPID > report
            while :; do sleep 1000 & wait $!; done
        "#;
        directory.file("work", script);
        let mut command = Command::new(first[0]);
        command.args(&first[1..]).env("PODINIT", PODINIT).current_dir(directory.path("."));
        let mut session = Pty::new().start(&command);
        let podinit = Pid::from_raw(report.line().parse().unwrap());
        session.terminal = Pty::new();
        assert_eq!(report.line(), "hung-up");
        // What podinit has to pass on it passes on in order.
        kill(podinit, Signal::SIGUSR1).unwrap();
        assert_eq!(report.line(), "in all 1");
    }
}

/// A container that reads what is typed finds the end of it when the terminal goes away, and podinit does not ask a
/// terminal that is gone again and again.
#[test]
fn what_is_typed_ends_with_the_terminal() {
    if !has(&["setsid"]) {
        return;
    }
    let directory = Directory::new();
    let report = Fifo::new(&directory, "report");
    let script = r#"
        trap '' TERM HUP
        ticks() { read -r stat < /proc/$PPID/stat; set -- ${stat##*) }; echo $((${12} + ${13})); }
        echo $PPID > report
        cat > typed
        before=$(ticks)
        sleep 0.5
        echo "typed $(cat typed), then $(($(ticks) - before)) ticks" > report
    "#;
    directory.file("work", script);
    directory.file(
        "pod.toml",
        "terminationGracePeriodSeconds = 30\n[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"work\"]\nstdin = true\n",
    );
    let mut command = Command::new(PODINIT);
    command.args(["run", "pod.toml"]).current_dir(directory.path("."));
    let mut session = Pty::new().start(&command);
    report.line();
    session.terminal.type_in("a line\n");
    until("the line has reached the container", || {
        fs::read_to_string(directory.path("typed")).is_ok_and(|typed| typed == "a line\n")
    });
    session.terminal = Pty::new();
    let line = report.line();
    let ticks = line.strip_prefix("typed a line, then ").and_then(|rest| rest.strip_suffix(" ticks"));
    let ticks: u32 = ticks.and_then(|ticks| ticks.parse().ok()).unwrap_or_else(|| panic!("{line}"));
    assert!(ticks <= 5, "podinit has taken {ticks} ticks of half a second in which nothing happened");
}

#[test]
fn on_a_terminal_a_signal_for_the_group_reaches_the_command_s_part_of_it_alone() {
    if !has(&["setsid", "bash"]) {
        return;
    }
    let mut shell = Shell::start(SHELLS[0]);
    let report = Fifo::new(&shell.directory, "report");
    let rest = "echo up > report; while :; do sleep 1000 & wait $!; done\n";
    shell.script("child", &format!("trap 'echo child > report; exit' USR1; {rest}"));
    // When it ends, what is left of it is ended: it waits until its child has spoken.
    let trap = "trap 'echo work > report; wait $child; exit' USR1";
    shell.script("work", &format!("sh child & child=$!; {trap}; {rest}"));
    shell.type_line("\"$PODINIT\" -g -- sh work | cat & podinit=$(jobs -p)");
    assert_eq!([report.line(), report.line()], ["up", "up"]);
    // USR1 would end cat, which is in the same group.
    shell.type_line("kill -USR1 $podinit; wait %1; echo code-$?");
    let mut names = [report.line(), report.line()];
    names.sort();
    assert_eq!(names, ["child", "work"]);
    shell.wait_for("code-0");
}

#[test]
fn a_pod_is_a_job_like_any_other() {
    if !has(&["setsid", "bash", "dash"]) {
        return;
    }
    for shell in SHELLS {
        let mut shell = Shell::start(shell);
        let report = Fifo::new(&shell.directory, "report");
        // Its containers have sessions of their own: the keyboard is podinit's. A shell that is about to
        // execute loses the signal that ends what is left: hence the short grace.
        let manifest = r#"
            terminationGracePeriodSeconds = 1
            [[containers]]
            name = "main"
            command = ["sh", "-c", '''
                trap 'echo interrupted; exit 3' INT
                trap 'echo terminated; exit 4' TERM
                echo $PPID > report
                while :; do sleep 1000 & wait $!; done
            ''']
        "#;
        shell.script("pod.toml", manifest);
        shell.type_line("\"$PODINIT\" run pod.toml");
        let podinit = Pid::from_raw(report.line().parse().unwrap());
        shell.press_stop();
        assert_eq!(state(podinit.as_raw()), 'T');
        shell.type_line("fg");
        until("the pod is in the foreground", || shell.session.terminal.foreground() == podinit);
        shell.press(CTRL_C);
        shell.wait_for("main | terminated");
        shell.type_line("echo code-$?");
        shell.wait_for("code-4");
        shell.answers();
    }
}
