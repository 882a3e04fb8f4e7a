//! The process namespace of a pod whose containers see each other. Its first process is podinit's own
//! program in an empty root: a mere copy of the supervisor would show the host's files and the supervisor's
//! memory to a container's root (LEAK-12).

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::place::Place;
use crate::runtime::{cause, emergency};
use crate::sys::{
    self, Birth, ChildOp, CommandLine, CredentialOp, FileKind, From, Memory, MountAttributes, MountOp,
    Namespaces, Slot, StartReport, Wait, Within,
};

/// What podinit is started with as the first process of a pod's process namespace.
pub(crate) const FIRST_PROCESS: [&str; 1] = ["reap"];

/// What that process does until it is killed: nothing. The kernel reaps for it what ends (sigaction(2),
/// SA_NOCLDWAIT). Returns the exit code that is never asked for.
pub(crate) fn be_first_process() -> u8 {
    // Those that podinit makes sure of when it is started without.
    sys::close_from(0);
    sys::reap_without_looking();
    0
}

/// The namespace and its first process.
#[derive(Debug)]
pub(super) struct PodProcesses {
    pid: i32,
    process: OwnedFd,
    namespace: OwnedFd,
}

impl PodProcesses {
    /// Starts the first process.
    pub(super) fn start(program: Option<BorrowedFd<'_>>, place: Option<&Place>) -> Result<Self, String> {
        let cannot = |why: String| format!("cannot make the pod's process namespace: {why}");
        let (Some(program), Some(place)) = (program, place) else {
            return Err(cannot("podinit's own program is not to be opened".to_owned()));
        };
        let kind = SockType::SeqPacket;
        let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
            .map_err(|errno| cannot(cause(errno)))?;
        let mut ops = vec![ChildOp::HandOverNamespaces { socket: theirs.as_raw_fd() }];
        ops.push(ChildOp::NewSession);
        ops.extend(empty_root(place).into_iter().map(ChildOp::Mount));
        ops.push(ChildOp::DieWithParent);
        // podinit's own, which a container's root could open through /proc/1/fd (LEAK-12).
        ops.push(ChildOp::CloseOthers { from: 0, but: [Some(program.as_raw_fd()), None, None] });
        ops.push(ChildOp::Credential(CredentialOp::BoundingSet(0)));
        ops.push(ChildOp::Credential(CredentialOp::Capabilities(0)));
        ops.push(ChildOp::Credential(CredentialOp::NoNewPrivileges));
        let words = std::iter::once("podinit").chain(FIRST_PROCESS);
        let arguments: Vec<CString> = words.filter_map(|word| CString::new(word).ok()).collect();
        let mut command = CommandLine::of_open(program, arguments, Vec::new());
        let namespaces = Namespaces::PROCESS.and(Namespaces::MOUNT).and(Namespaces::CGROUP);
        let birth = Birth { namespaces, ..Birth::plain(Memory::Copied) };
        let spawned = sys::spawn(&ops, &mut command, birth).map_err(|error| cannot(cause(error)))?;
        emergency::add(spawned.pid);
        drop(theirs);
        let started = Self::wait(&spawned.report, &ours).map_err(cannot);
        match started {
            Ok(namespace) => Ok(Self { pid: spawned.pid, process: spawned.pidfd, namespace }),
            Err(why) => {
                end(spawned.pid, &spawned.pidfd);
                Err(why)
            }
        }
    }

    /// The child does a few short things, and nothing of the pod runs yet: we wait for it.
    fn wait(report: &OwnedFd, socket: &OwnedFd) -> Result<OwnedFd, String> {
        let mut ready = [PollFd::new(report.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::from(10_000_u16);
        while poll(&mut ready, timeout) == Err(nix::errno::Errno::EINTR) {}
        let mut bytes = [0; 8];
        match nix::unistd::read(report, &mut bytes) {
            Ok(8) => {
                let (StartReport::Exec { errno }
                | StartReport::Join { errno }
                | StartReport::Step { errno, .. }) = StartReport::read(bytes);
                return Err(cause(nix::errno::Errno::from_raw(errno)));
            }
            Ok(_) => {}
            Err(errno) => return Err(cause(errno)),
        }
        let [_, processes, _] = sys::receive_namespaces(socket.as_fd())
            .ok_or_else(|| "its first process has ended".to_owned())?;
        Ok(processes)
    }

    pub(super) fn namespace(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// It was reaped already.
    pub(super) fn ended(mut self) {
        emergency::remove(self.pid);
        self.pid = 0;
    }
}

impl Drop for PodProcesses {
    /// With its first process a namespace ends, and with it everything that is left there.
    fn drop(&mut self) {
        if self.pid != 0 {
            end(self.pid, &self.process);
        }
    }
}

/// Kills the first process, and waits a moment for it. It ends when all of the namespace have been reaped,
/// of whom some may be the supervisor's own children: those are reaped here. They are nobody's any more.
fn end(pid: i32, process: &OwnedFd) {
    let _ = sys::send_signal(process.as_fd(), nix::sys::signal::Signal::SIGKILL as i32);
    emergency::remove(pid);
    for _ in 0..MOST_ROUNDS {
        let mut ready = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(ROUND)) == Ok(1) {
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
            return;
        }
        while let Ok(Wait::Event(_)) = sys::next_child_event() {}
    }
    log::warn!("the first process of the pod's process namespace does not end");
}

/// How long the first process may take to end, in parts of so many milliseconds.
const ROUND: u16 = 5;
const MOST_ROUNDS: u32 = 200;

/// An empty file system that cannot be written to.
fn empty_root(place: &Place) -> Vec<MountOp> {
    let (root, at) = (Slot(0), Slot(1));
    let read_only =
        MountAttributes::READ_ONLY.and(MountAttributes::NO_DEVICES).and(MountAttributes::NO_EXECUTION);
    let path = place.c_path("root");
    vec![
        MountOp::New { filesystem: c"tmpfs", options: Vec::new(), attributes: read_only, into: root },
        MountOp::Open { from: From::Here, path, within: Within::Host, kind: FileKind::Directory, into: at },
        MountOp::Attach { mount: root, at },
        MountOp::Root { mount: root },
    ]
}
