//! Terminals of containers (`tty`), and what is typed on podinit's (`stdin`, `stdinOnce`).

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::harness::until;
use crate::pod::{Pod, Who};
use crate::pty::{CTRL_C, Pty, Session};

const EVERYBODY: [Who; 4] = [Who::Root, Who::User, Who::Ranged, Who::OwnUsers];

const CTRL_D: &str = "\x04";

/// The pod on a terminal of 24 times 80, in a shell that shows afterwards how it ended and how the terminal is set.
fn on_terminal(pod: &Pod) -> Session {
    let terminal = Pty::new();
    terminal.resize(24, 80);
    let podinit = pod.command();
    let mut shell = Command::new("bash");
    shell.args(["-c", "\"$@\"; code=$?; echo ended with $code; stty -a; exit $code", "bash"]);
    shell.arg(podinit.get_program()).args(podinit.get_args()).current_dir(podinit.get_current_dir().unwrap());
    shell.env_remove("XDG_RUNTIME_DIR").env("XDG_DATA_HOME", pod.data_home()).env("NO_COLOR", "1");
    terminal.start(&shell)
}

/// The terminal as it was: lines are edited, and keys make signals.
const AS_BEFORE: &str = "\nisig icanon ";

/// A container has a terminal of its own, in its own /dev, which belongs to its user; what it shows goes the way
/// of all output, in both profiles and without a terminal of podinit's.
#[test]
fn a_container_has_a_terminal_of_its_own() {
    let script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three; readlink /proc/self/fd/0
        stat -L -c %u /proc/self/fd/0; echo to the terminal > /dev/tty; echo $TERM; echo -n no newline";
    for who in Who::among(&EVERYBODY) {
        let user = if who == Who::User { 0 } else { 1001 };
        let keys = format!("tty = true\nsecurityContext = {{ runAsUser = {user} }}");
        let expected =
            ["all three", "/dev/pts/0", &user.to_string(), "to the terminal", "xterm", "no newline"];
        assert_eq!(Pod::new(who).main("main", script, &keys).output(), expected, "{who:?}");
    }
    for who in Who::among(&[Who::Root]) {
        let pod = Pod::new(who).main("main", "[ -t 0 ] && echo a terminal", "tty = true");
        assert_eq!(pod.options(&["--profile", "process"]).output(), ["a terminal"]);
    }
}

/// FS-05, CVE-2025-52565: what a root file system has in place of terminals is neither used nor changed.
#[test]
fn terminals_of_a_root_file_system_are_not_used() {
    for who in Who::among(&Who::ALL) {
        let pod = Pod::new(who);
        let canary = pod.host_directory("canary").join("file");
        std::fs::write(&canary, "host").unwrap();
        std::fs::create_dir(pod.root("dev/pts")).unwrap();
        for name in ["ptmx", "console", "tty", "pts/ptmx", "pts/0"] {
            std::os::unix::fs::symlink(&canary, pod.root("dev").join(name)).unwrap();
        }
        let pod = pod.main("main", "[ -t 1 ] && readlink /proc/self/fd/1", "tty = true");
        assert_eq!(pod.output(), ["/dev/pts/0"], "{who:?}");
        assert_eq!(std::fs::read_to_string(&canary).unwrap(), "host", "{who:?}");
        assert_eq!(std::fs::metadata(&canary).unwrap().uid(), 0, "{who:?}");
    }
}

/// Where nobody types, a standard input that is open says nothing and does not end; one that is not ends at once.
#[test]
fn an_input_that_is_open_does_not_end() {
    for who in Who::among(&[Who::Root]) {
        for (keys, expected) in [("stdin = true", "waits"), ("", "ended"), ("stdinOnce = true", "ended")] {
            let pod = Pod::new(who).main("main", "timeout 0.3 cat && echo ended || echo waits", keys);
            assert_eq!(pod.output(), [expected], "{keys}");
        }
    }
}

/// As with `kubectl run -it` and `docker run -it`: prompts are seen, keys reach the container, Ctrl-C its programs
/// and not podinit, the window's size is its terminal's, other containers' lines begin on the left, and afterwards the
/// terminal is as it was; the exit code is the shell's.
#[test]
fn a_shell_in_a_container_is_used_as_any_other() {
    for who in Who::among(&EVERYBODY) {
        let pod = Pod::new(who)
            .volume("shared", "emptyDir = {}")
            .words("containers", "main", "[\"sh\", \"-i\"]", &format!("stdin = true\ntty = true\n{MOUNT}"))
            .main("other", "until [ -e /shared/go ]; do usleep 10000; done; echo a line", MOUNT);
        let mut session = on_terminal(&pod);
        let settings = session.terminal.settings();
        session.terminal.wait_for("# ");
        assert!(settings.is_raw(), "{who:?}");
        session.terminal.type_in("echo $((6 * 7)) is it\r");
        session.terminal.wait_for("42 is it\r\n");
        session.terminal.type_in("busybox stty size\r");
        session.terminal.wait_for("24 80\r\n");
        session.terminal.resize(30, 101);
        session.terminal.type_in("until busybox stty size | grep '30 101'; do :; done\r");
        session.terminal.wait_for("\n30 101\r\n");
        let program =
            "sh -c 'trap \"echo caught; exit\" INT; echo armed $((6 * 7)); while :; do usleep 9999; done'\r";
        session.terminal.type_in(program);
        session.terminal.wait_for("armed 42\r\n");
        session.terminal.type_in(CTRL_C);
        session.terminal.wait_for("caught\r\n");
        session.terminal.type_in("touch /shared/go\r");
        session.terminal.wait_for("other | a line\r\n");
        session.terminal.type_in("exit 7\r");
        session.terminal.wait_for("ended with 7\r\n");
        session.terminal.wait_for(AS_BEFORE);
        assert_eq!(session.end().0.code(), Some(7), "{who:?}");
    }
}

/// Whatever becomes of podinit, the terminal is as it was.
#[test]
fn a_terminal_is_as_it_was_when_podinit_is_killed() {
    for who in Who::among(&Who::ALL) {
        for signal in [Signal::SIGKILL, Signal::SIGTERM] {
            let keys = "stdin = true\ntty = true";
            let pod = Pod::new(who).main("main", "trap 'exit 0' TERM; echo up; read x", keys);
            let mut session = on_terminal(&pod);
            let settings = session.terminal.settings();
            session.terminal.wait_for("up");
            until("the terminal is raw", || settings.is_raw());
            let is_podinit = |pid: &nix::unistd::Pid| {
                let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                name.trim() == "podinit"
            };
            let podinit = session.members().into_iter().find(is_podinit).unwrap();
            kill(podinit, signal).unwrap();
            session.terminal.wait_for("ended with ");
            session.terminal.wait_for(AS_BEFORE);
            session.end();
        }
    }
}

/// Without a terminal of its own a container reads lines as they are typed. Their end is its end with `stdinOnce`
/// alone. Where two containers would read, none does.
#[test]
fn lines_that_are_typed_are_read_by_the_one_container_that_reads() {
    for who in Who::among(&[Who::Root, Who::User]) {
        for (once, is_end) in [("true", true), ("false", false)] {
            let keys = format!("stdin = true\nstdinOnce = {once}");
            let pod = Pod::new(who).main("main", "while read x; do echo read $x; done; echo over", &keys);
            let mut session = on_terminal(&pod);
            session.terminal.type_in("one\n");
            session.terminal.wait_for("main | read one");
            session.terminal.type_in(CTRL_D);
            if is_end {
                session.terminal.wait_for("main | over");
                assert_eq!(session.end().0.code(), Some(0), "{who:?}");
                continue;
            }
            session.terminal.type_in("two\n");
            session.terminal.wait_for("main | read two");
            session.terminal.type_in(CTRL_C);
            assert!(!session.end().1.contains("over"), "{who:?}");
        }
        let keys = "stdin = true\ntty = true";
        let pod = Pod::new(who).main("one", "echo up; cat", keys).main("other", "echo up; cat", keys);
        let mut session = on_terminal(&pod);
        session.terminal.wait_for("up");
        session.terminal.wait_for("up");
        assert!(!session.terminal.settings().is_raw(), "{who:?}");
        session.terminal.type_in(CTRL_C);
        session.end();
    }
}

const MOUNT: &str = "volumeMounts = [{ name = \"shared\", mountPath = \"/shared\" }]";
