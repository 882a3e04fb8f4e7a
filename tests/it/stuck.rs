//! Output that nobody reads. It stops what containers write, and nothing else: restarts, stops and the
//! other stream go on as ever, nothing is killed, and what came out before is there for a reader who comes
//! back (LOG-01, LOG-02).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe2;

use crate::endurance::calls_within;
use crate::harness::{Directory, Fifo, Running, has, run, until};
use crate::pty::{CTRL_Q, CTRL_S, Pty};

/// More than a stop takes, with the second for the last words; less than the grace period of 30 seconds.
const SOON: Duration = Duration::from_secs(10);

/// A way out that takes nothing, and whoever could read it.
struct Outlet {
    write: Stdio,
    reader: Reader,
}

enum Reader {
    File(Unread),
    Terminal(Pty),
    Nobody,
}

/// The other end of a pipe or socket that was filled.
struct Unread {
    file: BufReader<File>,
    filling: usize,
}

impl Unread {
    /// The next line, without what the pipe was filled with.
    fn line(&mut self) -> Option<String> {
        self.file.read_exact(&mut vec![0; std::mem::take(&mut self.filling)]).unwrap();
        let mut line = String::new();
        let count = self.file.read_line(&mut line).unwrap();
        (count > 0).then(|| line.trim_end().to_owned())
    }
}

impl Outlet {
    fn full_pipe() -> Self {
        let (write, unread) = full_pipe();
        Self { write, reader: Reader::File(unread) }
    }

    fn full_socket() -> Self {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (read, write) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags).unwrap();
        let (write, unread) = fill(read, write);
        Self { write, reader: Reader::File(unread) }
    }

    fn closed_pipe() -> Self {
        let (_, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
        Self { write: Stdio::from(write), reader: Reader::Nobody }
    }

    fn full_disk() -> Self {
        let full = File::options().write(true).open("/dev/full").unwrap();
        Self { write: Stdio::from(full), reader: Reader::Nobody }
    }

    fn stopped_terminal() -> Self {
        let mut terminal = Pty::new();
        terminal.type_in(CTRL_S);
        Self { write: terminal.slave(), reader: Reader::Terminal(terminal) }
    }

    fn full_terminal() -> Self {
        let terminal = Pty::new();
        terminal.fill();
        Self { write: terminal.slave(), reader: Reader::Terminal(terminal) }
    }
}

fn full_pipe() -> (Stdio, Unread) {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).unwrap();
    fill(read, write)
}

/// Fills it, and leaves it as blocking as it was.
fn fill(read: OwnedFd, write: OwnedFd) -> (Stdio, Unread) {
    let flags = OFlag::from_bits_retain(fcntl(&write, FcntlArg::F_GETFL).unwrap());
    fcntl(&write, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
    let mut file = File::from(write);
    let mut filling = 0;
    for piece in [&[b'.'; 4096][..], b"."] {
        while let Ok(count) = file.write(piece) {
            filling += count;
        }
    }
    fcntl(&file, FcntlArg::F_SETFL(flags)).unwrap();
    (Stdio::from(file), Unread { file: BufReader::new(File::from(read)), filling })
}

/// One of podinit's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn descriptor(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Stdout => Self::Stderr,
            Self::Stderr => Self::Stdout,
        }
    }

    /// Starts podinit with this stream leading to `write`; the other one is read.
    fn start(self, mut command: Command, write: Stdio) -> Running {
        match self {
            Self::Stdout => command.stdout(write).stderr(Stdio::piped()),
            Self::Stderr => command.stdout(Stdio::piped()).stderr(write),
        };
        Running::start_as_is(&mut command)
    }

    /// Waits for a line.
    fn wait_for(self, podinit: &Running, line: &str) {
        match self {
            Self::Stdout => podinit.wait_for(line),
            Self::Stderr => assert_eq!(podinit.wait_for_message(line), line),
        }
    }
}

/// In a manifest `$$` is `$`: this is the process id of a shell.
const PID: &str = "$$$$";

/// A pod with a container that writes to the stream for ever, a sidecar and a container that end again and
/// again and say so through a FIFO, and one that answers on the other stream.
fn busy_pod(stream: Stream) -> String {
    let (stuck, other) = (stream.descriptor(), stream.other().descriptor());
    format!(
        r#"
        restartPolicy = "Always"
        [crashLoopBackOff]
        initialDelaySeconds = 0.02
        maxDelaySeconds = 0.02
        [[initContainers]]
        name = "side"
        restartPolicy = "Always"
        command = ["sh", "-c", "echo line >&{stuck}; echo side > starts"]
        [[containers]]
        name = "noisy"
        command = ["sh", "-c", "echo {PID} > noisy; exec yes >&{stuck}"]
        [[containers]]
        name = "again"
        command = ["sh", "-c", "echo line >&{stuck}; echo again > starts"]
        [[containers]]
        name = "answers"
        command = ["sh", "-c", "while read word < go; do echo $word >&{other}; done"]
        "#
    )
}

/// Waits until the process writes no more.
fn until_blocked(pid: i32) {
    let (mut last, mut unchanged) = (String::new(), 0);
    until("the writer is blocked", || {
        let io = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
        unchanged = if io == last { unchanged + 1 } else { 0 };
        last = io;
        unchanged == 100
    });
}

fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Whether the outlet will ever hold anything up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    /// Whoever writes to it is blocked.
    Writers,
    /// It takes everything and loses it.
    Nothing,
}

/// Restarts, the other stream and the stop do not wait for this outlet.
fn nothing_waits_for(make: impl Fn() -> Outlet, holds: Holds) {
    nothing_waits_in(|podinit| Command::new(podinit), make, holds);
}

/// The same with podinit in the surroundings that the command in front of it makes.
fn nothing_waits_in(surroundings: impl Fn(&OsStr) -> Command, make: impl Fn() -> Outlet, holds: Holds) {
    for stream in [Stream::Stdout, Stream::Stderr] {
        let directory = Directory::new();
        let [noisy, starts, go] = ["noisy", "starts", "go"].map(|name| Fifo::new(&directory, name));
        let Outlet { write, reader } = make();
        let plain = run(&directory, &busy_pod(stream));
        let mut command = surroundings(plain.get_program());
        command
            .args(plain.get_args())
            .arg("-vv")
            .env("PODINIT_LOG", "trace")
            .current_dir(directory.path("."));
        let podinit = stream.start(command, write);
        let noisy: i32 = noisy.line().parse().unwrap();
        if holds == Holds::Writers {
            until_blocked(noisy);
        }
        let (mut side, mut again) = (0, 0);
        while side < 20 || again < 20 {
            match starts.line().as_str() {
                "side" => side += 1,
                "again" => again += 1,
                other => panic!("{other}"),
            }
        }
        go.say("word");
        stream.other().wait_for(&podinit, "answers | word");
        assert!(is_alive(noisy), "{stream:?}: killed for writing");
        podinit.signal(Signal::SIGTERM);
        let ended = podinit.end();
        assert_eq!(ended.code(), 143, "{stream:?}: {ended:?}");
        assert!(ended.took < SOON, "{stream:?}: {ended:?}");
        if stream == Stream::Stdout && holds == Holds::Writers {
            let tells = |line: &String| line.contains("bytes of output were dropped");
            assert!(ended.stderr.iter().any(tells), "{ended:?}");
        }
        drop(reader);
    }
}

#[test]
fn nothing_waits_for_a_pipe_that_nobody_reads() {
    nothing_waits_for(Outlet::full_pipe, Holds::Writers);
}

#[test]
fn nothing_waits_for_a_pipe_that_is_closed() {
    nothing_waits_for(Outlet::closed_pipe, Holds::Nothing);
}

#[test]
fn nothing_waits_for_a_socket_that_nobody_reads() {
    nothing_waits_for(Outlet::full_socket, Holds::Writers);
}

#[test]
fn nothing_waits_for_a_terminal_that_is_stopped() {
    nothing_waits_for(Outlet::stopped_terminal, Holds::Writers);
}

#[test]
fn nothing_waits_for_a_terminal_that_nobody_reads() {
    nothing_waits_for(Outlet::full_terminal, Holds::Writers);
}

#[test]
fn nothing_waits_for_a_disk_that_is_full() {
    nothing_waits_for(Outlet::full_disk, Holds::Nothing);
}

#[test]
fn nothing_waits_for_a_terminal_that_cannot_be_opened_anew() {
    if !has(&["root", "unshare"]) {
        return;
    }
    let without_proc = |podinit: &OsStr| {
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs none /proc && exec \"$@\"";
        command.args(["--mount", "sh", "-c", script, "sh"]).arg(podinit);
        command
    };
    nothing_waits_in(without_proc, Outlet::stopped_terminal, Holds::Writers);
    nothing_waits_in(without_proc, Outlet::full_terminal, Holds::Writers);
}

#[test]
fn a_bug_is_told_without_waiting() {
    let outlets = [
        Outlet::full_pipe,
        Outlet::closed_pipe,
        Outlet::full_socket,
        Outlet::full_disk,
        Outlet::stopped_terminal,
        Outlet::full_terminal,
    ];
    for (number, make) in outlets.into_iter().enumerate() {
        let directory = Directory::new();
        let mut command = run(&directory, &main("main", "exec sleep 1000"));
        command.env("PODINIT_FAULT", "panic");
        let Outlet { write, reader } = make();
        let podinit = Stream::Stderr.start(command, write);
        assert_eq!(podinit.end().code(), 70, "outlet {number}");
        drop(reader);
    }
}

#[test]
fn a_full_disk_is_told_once_and_what_was_lost_at_the_end() {
    let directory = Directory::new();
    let manifest = r#"
        [[containers]]
        name = "main"
        command = ["sh", "-c", "n=0; while [ $n -lt 50 ]; do n=$((n + 1)); echo line; sleep 0.001; done"]
    "#;
    let podinit = Stream::Stdout.start(run(&directory, manifest), Outlet::full_disk().write);
    let ended = podinit.end();
    assert_eq!(ended.code(), 0);
    let length = 50 * "main | line\n".len();
    let expected = [
        "podinit: cannot write output: no space left on device; until that is possible it is dropped"
            .to_owned(),
        format!("podinit: {length} bytes of output were dropped: they could not be written"),
    ];
    assert_eq!(ended.stderr, expected);
}

#[test]
fn both_streams_may_be_stuck() {
    for make in [Outlet::full_pipe, Outlet::closed_pipe, Outlet::full_disk, Outlet::full_terminal] {
        let directory = Directory::new();
        let [_noisy, starts, _go] = ["noisy", "starts", "go"].map(|name| Fifo::new(&directory, name));
        let (out, err) = (make(), make());
        let mut command = run(&directory, &busy_pod(Stream::Stdout));
        command.arg("-vv").current_dir(directory.path(".")).stdout(out.write).stderr(err.write);
        let podinit = Running::start_as_is(&mut command);
        for _ in 0..20 {
            starts.line();
        }
        podinit.signal(Signal::SIGTERM);
        let ended = podinit.end();
        assert_eq!(ended.code(), 143);
        assert!(ended.took < SOON, "{ended:?}");
    }
}

/// How many numbers are written: more than podinit, the pipe and what is read of it hold.
const NUMBERS: usize = 60_000;

/// The container is blocked, not killed; when the reader comes back, everything is there, in order.
fn everything_is_there_for_a_reader_who_comes_back(make: impl Fn() -> Outlet) {
    for stream in [Stream::Stdout, Stream::Stderr] {
        let directory = Directory::new();
        let report = Fifo::new(&directory, "report");
        let script = format!("echo {PID} > report; exec seq 1 {NUMBERS} >&{}", stream.descriptor());
        let manifest = format!("[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", '{script}']\n");
        let mut command = run(&directory, &manifest);
        command.current_dir(directory.path(".")).env("NO_COLOR", "1");
        let Outlet { write, reader } = make();
        let podinit = stream.start(command, write);
        let seq: i32 = report.line().parse().unwrap();
        until_blocked(seq);
        assert!(is_alive(seq));
        match reader {
            Reader::File(mut unread) => {
                for n in 1..=NUMBERS {
                    assert_eq!(unread.line().unwrap(), format!("main | {n}"));
                }
                assert_eq!(unread.line(), None);
            }
            Reader::Terminal(mut terminal) => {
                terminal.type_in(CTRL_Q);
                // What a terminal was filled with comes first.
                terminal.wait_for("main | 1\r\n");
                for n in 2..=NUMBERS {
                    assert_eq!(terminal.wait_for(&format!("{n}\r\n")), "main | ");
                }
            }
            Reader::Nobody => panic!("there is no reader"),
        }
        let ended = podinit.end();
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(ended.stdout.is_empty() && ended.stderr.is_empty(), "{ended:?}");
    }
}

#[test]
fn everything_is_there_for_the_reader_of_a_pipe_who_comes_back() {
    everything_is_there_for_a_reader_who_comes_back(Outlet::full_pipe);
}

#[test]
fn everything_is_there_for_the_reader_of_a_socket_who_comes_back() {
    everything_is_there_for_a_reader_who_comes_back(Outlet::full_socket);
}

#[test]
fn everything_is_there_on_a_terminal_that_was_stopped() {
    everything_is_there_for_a_reader_who_comes_back(Outlet::stopped_terminal);
}

#[test]
fn everything_is_there_on_a_terminal_that_was_not_read() {
    everything_is_there_for_a_reader_who_comes_back(Outlet::full_terminal);
}

/// A manifest's container that runs this script.
fn main(name: &str, script: &str) -> String {
    format!("[[containers]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", '''{script}''']\n")
}

const RESTARTS_AT_ONCE: &str = r#"
    restartPolicy = "Always"
    [crashLoopBackOff]
    initialDelaySeconds = 0.01
    maxDelaySeconds = 0.01
"#;

#[test]
fn what_containers_left_in_their_pipes_at_their_end_is_kept() {
    let directory = Directory::new();
    let [report, go] = ["report", "go"].map(|name| Fifo::new(&directory, name));
    // Each leaves nearly all that a pipe holds.
    let line = "0123456789012345678";
    let script = format!("yes {line} | head -n 3000; echo done > report");
    let mut manifest: String = (0..5).map(|n| main(&format!("c{n}"), &script)).collect();
    manifest += &main("last", "read line < go; echo end");
    let (write, mut unread) = full_pipe();
    let mut command = run(&directory, &manifest);
    command.arg("-v").current_dir(directory.path("."));
    let podinit = Stream::Stdout.start(command, write);
    for _ in 0..5 {
        assert_eq!(report.line(), "done");
    }
    for _ in 0..5 {
        podinit.wait_for_message("exited with code 0");
    }
    for _ in 0..5 * 3000 {
        let shown = unread.line().unwrap();
        assert_eq!(shown.split_once(" | ").unwrap().1, line);
    }
    go.say("on");
    assert_eq!(unread.line().unwrap(), "last | end");
    let ended = podinit.end();
    assert_eq!(ended.code(), 0);
    assert!(!ended.stderr.iter().any(|line| line.contains("dropped")), "{ended:?}");
}

#[test]
fn what_is_dropped_is_counted_to_the_byte() {
    let directory = Directory::new();
    let [starts, go] = ["starts", "go"].map(|name| Fifo::new(&directory, name));
    // More runs than fit in what is held for a reader, each with less than a pipe holds.
    let (runs, lines, line) = (60, 600, "x".repeat(79));
    let script = format!(
        "echo run >> runs
         if [ $(wc -l < runs) -le {runs} ]; then yes {line} | head -n {lines}; exit; fi
         echo end > starts; read word < go; echo last; read word < go"
    );
    let manifest = RESTARTS_AT_ONCE.to_owned() + &main("main", &script);
    let (write, mut unread) = full_pipe();
    let mut command = run(&directory, &manifest);
    command.current_dir(directory.path("."));
    let podinit = Stream::Stdout.start(command, write);
    assert_eq!(starts.line(), "end");
    go.say("on");
    let mut received = 0;
    loop {
        let shown = unread.line().unwrap();
        if shown == "main | last" {
            break;
        }
        assert_eq!(shown.strip_prefix("main | "), Some(&line[..]));
        received += line.len() + 1;
    }
    let message = podinit.wait_for_message("bytes of output were dropped");
    let dropped: usize = message.split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(received + dropped, runs * lines * (line.len() + 1), "{message}");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 143);
}

#[test]
fn a_container_that_prints_without_end_leaves_others_their_turn_however_slow_the_reader() {
    let directory = Directory::new();
    let [noisy, go] = ["noisy", "go"].map(|name| Fifo::new(&directory, name));
    let quiet = "echo up > noisy; while read word < go; do echo $word; done";
    let manifest = main("noisy", &format!("echo {PID} > noisy; exec yes")) + &main("quiet", quiet);
    let (write, mut unread) = full_pipe();
    let mut command = run(&directory, &manifest);
    command.current_dir(directory.path("."));
    let podinit = Stream::Stdout.start(command, write);
    let said = [noisy.line(), noisy.line()];
    let writer = said.iter().find_map(|line| line.parse().ok()).unwrap();
    until_blocked(writer);
    go.say("word");
    // The reader never keeps up. What podinit and the pipe held before is read first.
    let is_heard = (0..40).any(|_| {
        until_blocked(writer);
        (0..2000).any(|_| unread.line().unwrap() == "quiet | word")
    });
    assert!(is_heard, "a quiet container is not heard");
    podinit.signal(Signal::SIGTERM);
    let ended = podinit.end();
    assert_eq!(ended.code(), 143);
    assert!(ended.took < SOON, "{ended:?}");
}

#[test]
fn output_that_is_stuck_costs_no_time() {
    if !has(&["root", "strace", "timeout"]) {
        return;
    }
    let outlets = [Outlet::full_pipe, Outlet::full_socket, Outlet::stopped_terminal, Outlet::full_terminal];
    let start = |make: fn() -> Outlet| {
        let directory = Directory::new();
        let noisy = Fifo::new(&directory, "noisy");
        let mut command = run(&directory, &main("noisy", &format!("echo {PID} > noisy; exec yes")));
        command.current_dir(directory.path("."));
        let Outlet { write, reader } = make();
        let podinit = Stream::Stdout.start(command, write);
        until_blocked(noisy.line().parse().unwrap());
        (podinit, directory, reader)
    };
    let pods = outlets.map(start);
    let (_, directory, _) = &pods[0];
    let calls = calls_within(1, pods.iter().map(|(podinit, ..)| podinit), directory);
    // That strace attaches makes one turn of each loop: it wakes, tries to write, and waits again.
    assert!(calls.len() <= 5 * pods.len(), "{calls:#?}");
}
