//! podinit as a child of a test: started with a manifest or a command, read line by line, signalled,
//! waited for with a deadline, and gone with everything it started when the test is over.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

pub const PODINIT: &str = env!("CARGO_BIN_EXE_podinit");

/// Longer than anything takes that works, on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of the test's own, gone with it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("podinit-it-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file of this name with this content.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `podinit -- WORDS`.
pub fn command(words: &[&str]) -> Command {
    let mut command = Command::new(PODINIT);
    command.arg("--").args(words);
    command
}

/// `podinit run` of this TOML manifest, which is kept until the test is over.
pub fn run(directory: &Directory, manifest: &str) -> Command {
    let mut command = Command::new(PODINIT);
    command.arg("run").arg(directory.file("pod.toml", manifest));
    command
}

/// A program under test, in a process group of its own.
pub struct Running {
    child: Child,
    stdout: Option<Lines>,
    stderr: Option<Lines>,
}

/// Lines as they come, read by a thread.
struct Lines(Receiver<String>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (send, receive) = channel();
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
                if send.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self(receive)
    }
}

impl Running {
    /// Starts the program. stdout and stderr are read unless the command has other plans for them.
    pub fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::start_as_is(command)
    }

    /// Starts the program with the descriptors that the command says.
    pub fn start_as_is(command: &mut Command) -> Self {
        let mut child = command.process_group(0).spawn().unwrap();
        let stdout = child.stdout.take().map(Lines::of);
        let stderr = child.stderr.take().map(Lines::of);
        Self { child, stdout, stderr }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// The next line of stdout.
    pub fn line(&self) -> String {
        match self.stdout.as_ref().unwrap().0.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => panic!("no line on stdout: {error}; stderr: {:?}", self.errors()),
        }
    }

    /// Waits for this line on stdout, whatever comes before it.
    pub fn wait_for(&self, wanted: &str) {
        while self.line() != wanted {}
    }

    /// Waits for a line on stderr that contains this.
    pub fn wait_for_message(&self, wanted: &str) -> String {
        let lines = &self.stderr.as_ref().unwrap().0;
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(wanted) => return line,
                Ok(_) => {}
                Err(error) => panic!("no message {wanted:?} on stderr: {error}"),
            }
        }
    }

    /// What has come on stderr so far.
    pub fn errors(&self) -> Vec<String> {
        self.stderr.as_ref().map(|lines| lines.0.try_iter().collect()).unwrap_or_default()
    }

    /// Waits for the end. Everything that was not read yet is in the result.
    pub fn end(mut self) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "podinit does not end; stderr: {:?}", self.errors());
            thread::sleep(Duration::from_millis(1));
        };
        let took = began.elapsed();
        Ended { status, took, stdout: rest(self.stdout.take()), stderr: rest(self.stderr.take()) }
    }
}

/// The lines up to the end of a stream. Something that outlives podinit may hold it open: then what comes
/// within a second.
fn rest(lines: Option<Lines>) -> Vec<String> {
    let mut all = Vec::new();
    if let Some(lines) = lines {
        while let Ok(line) = lines.0.recv_timeout(Duration::from_secs(1)) {
            all.push(line);
        }
    }
    all
}

impl Drop for Running {
    fn drop(&mut self) {
        // podinit dies first and takes its children with it.
        let _ = self.child.kill();
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// From when the end was waited for.
    pub took: Duration,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

impl Ended {
    /// The exit code; 128+n if a signal ended podinit itself, which it should not.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("a signal ended podinit: {self:?}"))
    }
}

/// Runs to the end and gives the exit code.
pub fn code(command: &mut Command) -> i32 {
    Running::start(command).end().code()
}

/// Whether these programs are installed and the test may go on. `root` stands for being root.
pub fn has(needs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |need: &str| match need {
        "root" => fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0),
        "landlock" => {
            let doctor = Command::new(PODINIT).args(["doctor", "--format", "json"]).output().unwrap();
            let told: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
            let facts = told["facts"].as_array().unwrap().iter();
            facts.into_iter().any(|fact| fact["name"] == "landlock" && fact["ok"] == true)
        }
        program => std::env::split_paths(&path).any(|directory| directory.join(program).is_file()),
    };
    let Some(missing) = needs.iter().find(|need| !is_there(need)) else { return true };
    assert!(std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(), "this test needs {missing}");
    println!("skipped: this test needs {missing}");
    false
}

/// Waits until it is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a process with this number exists, as a zombie or not.
pub fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// A FIFO by which a container and the test speak, whatever becomes of the container's output. The test
/// has both its ends: neither side waits for the other to open it.
pub struct Fifo(fs::File);

impl Fifo {
    pub fn new(directory: &Directory, name: &str) -> Self {
        let path = directory.path(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self(fs::OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    /// The next line that somebody writes.
    pub fn line(&self) -> String {
        use nix::poll::{PollFd, PollFlags, poll};
        use std::os::fd::AsFd;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let count = poll(&mut ready, u16::try_from(PATIENCE.as_millis()).unwrap()).unwrap();
            assert!(count > 0, "nothing is said but {:?}", String::from_utf8_lossy(&line));
            let mut byte = [0];
            (&self.0).read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    /// Lets one `read` go on.
    pub fn say(&self, line: &str) {
        use std::io::Write;
        (&self.0).write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}
