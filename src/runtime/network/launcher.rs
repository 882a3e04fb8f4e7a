//! The process that stays in the host's network when the supervisor leaves it, and starts pasta there as
//! often as it is told to: who is in a user namespace of his own can never go back. A copy of the supervisor
//! that was made before; it ends with it, and pasta with both.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2, setsid};

use super::Said;
use crate::runtime::{cause, clock};
use crate::sys::{self, Birth, ChildOp, CommandLine, CredentialOp, Memory, Namespaces, StartReport};

/// How long pasta may take until it is ready. It takes a thirtieth of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of what pasta said that are told.
const MOST_WORDS: usize = 1000;

/// What root's pasta may ever do: be in namespaces, make an interface, listen on low ports. Bits of
/// capabilities(7): CAP_SETGID, CAP_SETUID, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_SYS_ADMIN.
const RIGHTS: u64 = 1 << 6 | 1 << 7 | 1 << 10 | 1 << 12 | 1 << 21;

/// Where the network namespace is mounted for pasta, below the pod's place.
const NAMESPACE: &str = "network";

/// What is started, and where.
#[derive(Debug)]
pub(super) struct Launcher {
    /// pasta's file.
    pub(super) program: CString,
    /// What it is called with.
    pub(super) arguments: Vec<CString>,
    /// A directory in which mounts of this process show nowhere else.
    pub(super) place: PathBuf,
    /// The supervisor leaves its user namespace: this process follows it.
    pub(super) joins_user: bool,
    /// To the supervisor.
    pub(super) socket: OwnedFd,
}

/// pasta, running.
struct Carrier {
    pid: i32,
    process: OwnedFd,
    ready: Option<OwnedFd>,
    words: Option<OwnedFd>,
    said: String,
    is_ready: bool,
}

/// Why the wait for something ended.
enum Turn {
    /// The supervisor wants it to be started for these namespaces: of network and user.
    Start([OwnedFd; 2]),
    /// It is to end.
    Stop,
    /// The supervisor has ended.
    Over,
    /// pasta has, in these words.
    Ended(String),
}

/// Where the network namespace will be mounted.
pub(super) fn namespace_at(place: &std::path::Path) -> PathBuf {
    place.join(NAMESPACE)
}

impl Launcher {
    /// Does what it is told until the supervisor ends.
    pub(super) fn work(self) {
        sys::close_others(self.socket.as_fd());
        // Keys on the terminal are not meant for it.
        let _ = setsid();
        let _ = sys::set_parent_death_signal(libc::SIGKILL);
        let mut carrier: Option<Carrier> = None;
        let mut has_moved = false;
        loop {
            let turn = self.wait(carrier.as_mut());
            match turn {
                Turn::Ended(words) => {
                    carrier = None;
                    self.say(Said::Ended(words));
                }
                Turn::Stop => {
                    end(carrier.take());
                    self.say(Said::Stopped);
                }
                Turn::Over => return end(carrier.take()),
                Turn::Start(namespaces) => {
                    end(carrier.take());
                    match self.start(namespaces, &mut has_moved) {
                        Ok(started) => carrier = Some(started),
                        Err(why) => self.say(Said::Ended(why)),
                    }
                }
            }
        }
    }

    fn say(&self, said: Said) {
        // Who does not listen has ended, which is seen at the next wait.
        let _ = send(self.socket.as_raw_fd(), &said.to_bytes(), MsgFlags::MSG_NOSIGNAL);
    }

    /// Waits until there is something to do.
    fn wait(&self, mut carrier: Option<&mut Carrier>) -> Turn {
        let deadline = clock::now().mono + PATIENCE;
        loop {
            let mut ready = vec![PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let mut timeout = PollTimeout::NONE;
            if let Some(carrier) = carrier.as_deref() {
                ready.push(PollFd::new(carrier.process.as_fd(), PollFlags::POLLIN));
                let pipes = [&carrier.ready, &carrier.words].into_iter().flatten();
                ready.extend(pipes.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
                if !carrier.is_ready {
                    let left = deadline.since(clock::now().mono).as_millis();
                    timeout = PollTimeout::from(u16::try_from(left).unwrap_or(u16::MAX));
                }
            }
            let count = poll(&mut ready, timeout);
            let seen =
                |index: usize| ready.get(index).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
            let (of_socket, of_process) = (seen(0), seen(1));
            drop(ready);
            if of_socket.contains(PollFlags::POLLHUP) {
                return Turn::Over;
            }
            if of_socket.contains(PollFlags::POLLIN) {
                return receive(self.socket.as_fd());
            }
            let Some(carrier) = carrier.as_deref_mut() else { continue };
            if carrier.listen() {
                self.say(Said::Ready);
            }
            if !of_process.is_empty() {
                return Turn::Ended(carrier.ended());
            }
            let is_late = count == Ok(0) && !carrier.is_ready;
            if is_late || carrier.has_failed() {
                carrier.kill();
                let words = carrier.words_or("it said nothing");
                return Turn::Ended(if is_late {
                    format!("pasta was not ready within {} s: {words}", PATIENCE.as_secs())
                } else {
                    words
                });
            }
        }
    }

    fn start(&self, namespaces: [OwnedFd; 2], has_moved: &mut bool) -> Result<Carrier, String> {
        let cannot = |what: &str| {
            let what = what.to_owned();
            move |errno: Errno| format!("cannot {what} for pasta: {}", cause(errno))
        };
        let [network, user] = namespaces;
        let none = None::<&str>;
        if !*has_moved {
            if self.joins_user {
                setns(user, CloneFlags::CLONE_NEWUSER).map_err(cannot("join the pod's user namespace"))?;
                // Joining has cleared it (prctl(2)).
                let _ = sys::set_parent_death_signal(libc::SIGKILL);
            }
            sys::unshare(Namespaces::MOUNT).map_err(cannot("make a mount namespace"))?;
            mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
                .map_err(cannot("keep mounts to it"))?;
            mount(Some("tmpfs"), &self.place, Some("tmpfs"), MsFlags::MS_NOSUID, Some("size=4k,mode=0711"))
                .map_err(cannot("mount a place"))?;
            *has_moved = true;
        }
        let at = namespace_at(&self.place);
        let _ = umount2(&at, MntFlags::MNT_DETACH);
        File::create(&at).map_err(|error| format!("cannot make {}: {}", at.display(), cause(error)))?;
        let path = format!("/proc/self/fd/{}", network.as_raw_fd());
        mount(Some(path.as_str()), &at, none, MsFlags::MS_BIND, none)
            .map_err(cannot("mount the pod's network namespace"))?;
        self.spawn().map_err(|error| format!("cannot start pasta: {}", cause(error)))
    }

    fn spawn(&self) -> std::io::Result<Carrier> {
        let null = File::open("/dev/null")?;
        let (ready, stdout) = pipe2(OFlag::O_CLOEXEC)?;
        let (words, stderr) = pipe2(OFlag::O_CLOEXEC)?;
        let redirect = |from: BorrowedFd<'_>, to| ChildOp::Redirect { from: from.as_raw_fd(), to };
        let mut ops =
            vec![redirect(null.as_fd(), 0), redirect(stdout.as_fd(), 1), redirect(stderr.as_fd(), 2)];
        if !self.joins_user {
            ops.push(ChildOp::Credential(CredentialOp::BoundingSet(RIGHTS)));
        }
        ops.push(ChildOp::DieWithParent);
        let words_of_command = std::iter::once(c"pasta".to_owned()).chain(self.arguments.iter().cloned());
        let mut command =
            CommandLine::new(vec![self.program.clone()], words_of_command.collect(), Vec::new());
        let spawned = sys::spawn(&ops, &mut command, Birth::plain(Memory::Copied))?;
        let (ready, words) = (Some(ready), Some(words));
        let mut carrier = Carrier {
            pid: spawned.pid,
            process: spawned.pidfd,
            ready,
            words,
            said: String::new(),
            is_ready: false,
        };
        if let Some(errno) = failure(&spawned.report) {
            carrier.kill();
            return Err(std::io::Error::from_raw_os_error(errno));
        }
        Ok(carrier)
    }
}

/// Why the child could not execute its program, if so. It takes no time that anybody would notice.
fn failure(report: &OwnedFd) -> Option<i32> {
    let mut closed = [PollFd::new(report.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::from(5000_u16);
    while poll(&mut closed, timeout) == Err(Errno::EINTR) {}
    let mut bytes = [0; 8];
    match nix::unistd::read(report, &mut bytes) {
        Ok(8) => {
            let (StartReport::Exec { errno } | StartReport::Join { errno } | StartReport::Step { errno, .. }) =
                StartReport::read(bytes);
            Some(errno)
        }
        Ok(_) | Err(_) => None,
    }
}

/// What the supervisor has sent.
fn receive(socket: BorrowedFd<'_>) -> Turn {
    match sys::receive_descriptors(socket) {
        Some(namespaces) => Turn::Start(namespaces),
        None => Turn::Stop,
    }
}

fn end(carrier: Option<Carrier>) {
    if let Some(mut carrier) = carrier {
        carrier.kill();
    }
}

impl Carrier {
    /// Reads what it says. Whether it has just become ready: it has written its number.
    fn listen(&mut self) -> bool {
        let was_ready = self.is_ready;
        read(&mut self.ready, |_| self.is_ready = true);
        read(&mut self.words, |words| {
            self.said.push_str(&String::from_utf8_lossy(words));
            let over = self.said.len().saturating_sub(MOST_WORDS);
            let cut = (over..=self.said.len()).find(|at| self.said.is_char_boundary(*at));
            self.said.drain(..cut.unwrap_or(0));
        });
        let has_become_ready = self.is_ready && !was_ready;
        if has_become_ready {
            // What it said on its way matters no more.
            self.said.clear();
        }
        has_become_ready
    }

    /// It has said why it cannot, and does not always end for it (ROOTLESS-09).
    fn has_failed(&self) -> bool {
        !self.is_ready && self.said.contains("Failed to open tun")
    }

    /// Its last words. Neither those about the log of the system that it has not got, nor how it is called.
    fn words_or(&self, without: &str) -> String {
        let is_meant = |line: &&str| {
            let line = line.trim();
            !line.is_empty() && !line.ends_with("to syslog") && !line.starts_with("Usage:")
        };
        let lines: Vec<&str> = self.said.lines().filter(is_meant).map(str::trim).take(4).collect();
        if lines.is_empty() { without.to_owned() } else { lines.join("; ") }
    }

    fn kill(&mut self) {
        let _ = sys::send_signal(self.process.as_fd(), libc::SIGKILL);
        self.reap();
        self.listen();
    }

    /// It has ended by itself.
    fn ended(&mut self) -> String {
        let status = self.reap();
        self.listen();
        self.words_or(&match status {
            Some(WaitStatus::Exited(_, code)) => format!("pasta exited with code {code}"),
            Some(WaitStatus::Signaled(_, signal, _)) => format!("pasta was ended by {signal}"),
            Some(_) | None => "pasta is gone".to_owned(),
        })
    }

    fn reap(&mut self) -> Option<WaitStatus> {
        loop {
            match waitpid(Pid::from_raw(self.pid), None) {
                Err(Errno::EINTR) => {}
                other => return other.ok(),
            }
        }
    }
}

/// Reads what is there, and closes a pipe that has ended.
fn read(pipe: &mut Option<OwnedFd>, mut take: impl FnMut(&[u8])) {
    let Some(open) = pipe else { return };
    let mut bytes = [0; 4096];
    loop {
        let mut ready = [PollFd::new(open.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::ZERO) != Ok(1) {
            return;
        }
        match nix::unistd::read(&*open, &mut bytes) {
            Ok(count @ 1..) => take(bytes.get(..count).unwrap_or_default()),
            Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => break,
        }
    }
    *pipe = None;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_last_words_are_those_that_matter() {
        let (null, _) = pipe2(OFlag::O_CLOEXEC).unwrap();
        let mut carrier = Carrier {
            pid: 0,
            process: null,
            ready: None,
            words: None,
            said: "Failed to send 45 bytes to syslog\nFailed to open tun socket in namespace\n".to_owned(),
            is_ready: false,
        };
        assert!(carrier.has_failed());
        assert_eq!(carrier.words_or("-"), "Failed to open tun socket in namespace");
        carrier.said.clear();
        assert_eq!(carrier.words_or("-"), "-");
    }
}
