//! What containers say of themselves: a datagram to NOTIFY_SOCKET (sd_notify(3)), or a newline on a
//! descriptor (as s6 has it). Reads and understands it; what follows is the machine's.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt};
use nix::unistd::{geteuid, pipe2};

use super::unwatch;
use crate::pod::AttemptId;
use crate::spec::{ContainerId, Notify};
use crate::sys::{self, Datagram};

/// Bytes of one datagram, as in systemd.
const MOST: usize = 4096;
/// Datagrams in one turn of the loop: one container does not hold up the others.
const MOST_IN_A_TURN: usize = 16;

/// Where containers are listened to: at most one place for each.
#[derive(Debug, Default)]
pub(super) struct Notified(BTreeMap<ContainerId, Ear>);

#[derive(Debug)]
struct Ear {
    attempt: AttemptId,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Socket(OwnedFd),
    Pipe(OwnedFd),
}

/// What the child is given.
#[derive(Debug)]
pub(super) enum Mouth {
    /// This variable.
    Variable(String),
    /// This descriptor, as that number.
    Descriptor(OwnedFd, RawFd),
}

/// What a container said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Ready(bool, String),
    /// It closed its descriptor without having said anything: it will never be ready.
    NeverReady,
}

impl Notified {
    /// Prepares for an attempt that is to say when it is ready.
    pub(super) fn open(
        &mut self,
        attempt: AttemptId,
        how: Notify,
        epoll: &Epoll,
        token: u64,
    ) -> nix::Result<Mouth> {
        self.close(attempt.container, epoll);
        let (kind, mouth) = match how {
            Notify::Socket => {
                let (socket, name) = listening_socket()?;
                (Kind::Socket(socket), Mouth::Variable(format!("NOTIFY_SOCKET=@{name}")))
            }
            Notify::Descriptor(number) => {
                let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
                fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                (Kind::Pipe(read), Mouth::Descriptor(apart_from(write, number)?, number.into()))
            }
        };
        let ear = Ear { attempt, kind };
        epoll.add(ear.kind.fd(), EpollEvent::new(EpollFlags::EPOLLIN, token))?;
        self.0.insert(attempt.container, ear);
        Ok(mouth)
    }

    /// The container's attempt is over.
    pub(super) fn close(&mut self, container: ContainerId, epoll: &Epoll) {
        if let Some(ear) = self.0.remove(&container) {
            unwatch(epoll, ear.kind.fd());
        }
    }

    /// What the container has said since it was last asked.
    pub(super) fn take(&mut self, container: ContainerId, epoll: &Epoll) -> Vec<(AttemptId, Said)> {
        let Some(ear) = self.0.get(&container) else { return Vec::new() };
        let (said, is_over) = match &ear.kind {
            Kind::Socket(socket) => (datagrams(socket), false),
            Kind::Pipe(pipe) => {
                let (said, is_over) = newline(pipe);
                (Vec::from_iter(said), is_over)
            }
        };
        let said = said.into_iter().map(|said| (ear.attempt, said)).collect();
        if is_over {
            self.close(container, epoll);
        }
        said
    }
}

impl Kind {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(fd) | Self::Pipe(fd) => fd.as_fd(),
        }
    }
}

/// A socket with an abstract name: it needs no directory that can be written to, and is gone with its
/// last descriptor. Others see the name in /proc/net/unix, so that who sends is looked at.
fn listening_socket() -> nix::Result<(OwnedFd, String)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    setsockopt(&socket, sockopt::PassCred, &true)?;
    // The hasher's keys are the kernel's random bytes.
    let [one, other] = [0_u8, 1].map(|number| RandomState::new().hash_one(number));
    let name = format!("podinit/{one:016x}{other:016x}");
    bind(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
    Ok((socket, name))
}

/// The descriptor under another number than the child is to see: dup2(2) onto itself would leave it
/// closed on exec.
fn apart_from(fd: OwnedFd, number: u8) -> nix::Result<OwnedFd> {
    if fd.as_raw_fd() != RawFd::from(number) {
        return Ok(fd);
    }
    nix::unistd::dup(&fd).and_then(|copy| {
        fcntl(&copy, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
        Ok(copy)
    })
}

fn datagrams(socket: &OwnedFd) -> Vec<Said> {
    let mut said = Vec::new();
    for _ in 0..MOST_IN_A_TURN {
        let mut bytes = [0; MOST];
        let Datagram { length, sender } = match sys::receive(socket.as_fd(), &mut bytes) {
            Ok(datagram) => datagram,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let is_ours = sender.is_some_and(|uid| uid == 0 || uid == geteuid().as_raw());
        if is_ours {
            said.extend(bytes.get(..length).and_then(understand));
        }
    }
    said
}

/// The assignments that matter here; the last of equal names counts.
fn understand(bytes: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(bytes);
    let (mut ready, mut status) = (None, String::new());
    for line in text.lines() {
        match line.split_once('=') {
            Some(("READY", "1")) => ready = Some(true),
            // It is not ready until it says so again, or never.
            Some(("RELOADING" | "STOPPING", "1")) => ready = Some(false),
            Some(("STATUS", words)) => status = words.to_owned(),
            Some(_) | None => {}
        }
    }
    ready.map(|ready| Said::Ready(ready, status))
}

/// Whether there is a newline in what was written, and whether that was all there is to hear.
fn newline(pipe: &OwnedFd) -> (Option<Said>, bool) {
    let mut bytes = [0; 512];
    match nix::unistd::read(pipe, &mut bytes) {
        Ok(0) => (Some(Said::NeverReady), true),
        Ok(count) if bytes.get(..count).is_some_and(|read| read.contains(&b'\n')) => {
            (Some(Said::Ready(true, String::new())), true)
        }
        Ok(_) | Err(_) => (None, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sd_notify_says_is_understood() {
        let ready = |text: &str| understand(text.as_bytes());
        assert_eq!(ready("READY=1"), Some(Said::Ready(true, String::new())));
        assert_eq!(ready("STATUS=up\nREADY=1\nMAINPID=4\n"), Some(Said::Ready(true, "up".to_owned())));
        assert_eq!(ready("RELOADING=1\nMONOTONIC_USEC=5"), Some(Said::Ready(false, String::new())));
        assert_eq!(ready("WATCHDOG=1"), None);
        assert_eq!(ready("READY=0"), None);
    }

    /// systemd's own clients do it (FDSTORE=1). What comes along does not stay open here.
    #[test]
    fn what_is_said_together_with_descriptors_is_heard() {
        use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
        let (listening, name) = listening_socket().unwrap();
        let to = UnixAddr::new_abstract(name.as_bytes()).unwrap();
        let speaking = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        for count in [1, 100] {
            let many = vec![write.as_raw_fd(); count];
            let parts = [io::IoSlice::new(b"READY=1")];
            let rights = [ControlMessage::ScmRights(&many)];
            sendmsg(speaking.as_raw_fd(), &parts, &rights, MsgFlags::empty(), Some(&to)).unwrap();
            assert_eq!(datagrams(&listening), [Said::Ready(true, String::new())], "with {count}");
        }
        drop(write);
        assert_eq!(nix::unistd::read(&read, &mut [0]), Ok(0), "nobody has the other end");
    }

    #[test]
    fn a_newline_is_ready_and_an_end_without_one_never_is() {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
        assert_eq!(newline(&read), (None, false));
        nix::unistd::write(&write, b"almost").unwrap();
        assert_eq!(newline(&read), (None, false));
        nix::unistd::write(&write, b" there\n").unwrap();
        assert_eq!(newline(&read), (Some(Said::Ready(true, String::new())), true));
        drop(write);
        assert_eq!(newline(&read), (Some(Said::NeverReady), true));
    }
}
