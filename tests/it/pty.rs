//! Pseudo-terminals: what a program shows on one, what is typed on it, who has it in the foreground, and
//! a session of its own that has one as its controlling terminal.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, tcgetpgrp};

use crate::harness::PATIENCE;

/// The keys that the terminal makes signals of.
pub const CTRL_C: &str = "\x03";
pub const CTRL_Z: &str = "\x1a";
/// The keys that stop the terminal's output and let it go on.
pub const CTRL_S: &str = "\x13";
pub const CTRL_Q: &str = "\x11";

/// Both sides of a pseudo-terminal. It does not echo, so that what it shows was printed.
pub struct Pty {
    master: PtyMaster,
    slave: File,
    name: String,
    seen: Vec<u8>,
}

impl Pty {
    pub fn new() -> Self {
        // Close-on-exec from the first moment: other tests start programs meanwhile.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname_r(&master).unwrap();
        let slave = open_slave(&name, OFlag::empty());
        let mut settings = tcgetattr(&slave).unwrap();
        settings.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(&slave, SetArg::TCSANOW, &settings).unwrap();
        Self { master, slave, name, seen: Vec::new() }
    }

    /// The side that a program gets.
    pub fn slave(&self) -> Stdio {
        Stdio::from(self.slave.try_clone().unwrap())
    }

    /// Types text; a line needs its newline.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the terminal shows this, after what was waited for before. Returns what came first.
    pub fn wait_for(&mut self, wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let found = self.seen.windows(wanted.len()).position(|window| window == wanted.as_bytes());
            if let Some(at) = found {
                let before = String::from_utf8_lossy(&self.seen[..at]).into_owned();
                self.seen.drain(..at + wanted.len());
                return before;
            }
            let shown = String::from_utf8_lossy(&self.seen);
            assert!(began.elapsed() < PATIENCE, "the terminal does not show {wanted:?} but {shown:?}");
            self.read_some();
        }
    }

    /// What is there to be read, if it comes within a moment.
    fn read_some(&mut self) {
        let mut ready = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, 100u8).unwrap() > 0 {
            let mut buffer = [0; 4096];
            let count = self.master.read(&mut buffer).unwrap();
            self.seen.extend_from_slice(&buffer[..count]);
        }
    }

    #[allow(dead_code, reason = "for the tests of isolation alone")]
    /// Gives it another size, of which whoever has it in the foreground is told.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = [rows.to_string(), columns.to_string()];
        let words = ["-F", &self.name, "rows", &size[0], "cols", &size[1]];
        assert!(Command::new("stty").args(words).status().unwrap().success());
    }

    #[allow(dead_code, reason = "for the tests of isolation alone")]
    /// Its settings, whatever becomes of it.
    pub fn settings(&self) -> Settings {
        Settings(self.slave.try_clone().unwrap())
    }

    /// The process group that has the terminal.
    pub fn foreground(&self) -> Pid {
        tcgetpgrp(&self.master).unwrap()
    }

    /// Fills the terminal with what nobody reads, until it takes no more.
    pub fn fill(&self) {
        let mut slave = open_slave(&self.name, OFlag::O_NONBLOCK);
        while slave.write(&[b'.'; 64]).is_ok() {}
        while slave.write(b".").is_ok() {}
    }

    /// Starts a program as the first of a session that this terminal controls.
    pub fn start(self, command: &Command) -> Session {
        let mut setsid = Command::new("setsid");
        setsid.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => setsid.env(name, value),
                None => setsid.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            setsid.current_dir(directory);
        }
        setsid.stdin(self.slave()).stdout(self.slave()).stderr(self.slave());
        Session { leader: setsid.spawn().unwrap(), terminal: self }
    }
}

#[allow(dead_code, reason = "for the tests of isolation alone")]
/// The settings of a terminal.
pub struct Settings(File);

impl Settings {
    #[allow(dead_code, reason = "for the tests of isolation alone")]
    /// Whether every key is passed on as it is.
    pub fn is_raw(&self) -> bool {
        let flags = tcgetattr(&self.0).unwrap().local_flags;
        !flags.intersects(LocalFlags::ICANON | LocalFlags::ISIG)
    }
}

fn open_slave(name: &str, flags: OFlag) -> File {
    let flags = flags | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(name).unwrap()
}

/// A session and its terminal. Everything in it ends with the test.
pub struct Session {
    leader: Child,
    pub terminal: Pty,
}

impl Session {
    /// The process id of its first process, which is the session's.
    pub fn leader(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.leader.id()).unwrap())
    }

    /// Waits for the end of its first process, and reads what it shows until then.
    pub fn end(mut self) -> (ExitStatus, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.leader.try_wait().unwrap() {
                break status;
            }
            let shown = String::from_utf8_lossy(&self.terminal.seen);
            assert!(began.elapsed() < PATIENCE, "the session does not end; its terminal shows {shown:?}");
            self.terminal.read_some();
        };
        // What was written before the end is there to be read.
        let mut before = usize::MAX;
        while before != self.terminal.seen.len() {
            before = self.terminal.seen.len();
            self.terminal.read_some();
        }
        (status, String::from_utf8_lossy(&self.terminal.seen).into_owned())
    }

    /// Every process in it.
    pub fn members(&self) -> Vec<Pid> {
        let id = self.leader().to_string();
        let numbers = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let name = entry.ok()?.file_name();
            name.to_str()?.parse::<i32>().ok()
        });
        let is_member = |pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // After the name: state, parent, group, session.
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(3)) == Some(id.as_str())
        };
        numbers.filter(is_member).map(Pid::from_raw).collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for pid in self.members() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.leader.kill();
        let _ = self.leader.wait();
    }
}
