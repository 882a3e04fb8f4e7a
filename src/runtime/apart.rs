//! What a copy of podinit does in its place, since it may hang, or since the process that does it cannot go back. A
//! copy ends with what it has done. Knows nothing of what that is.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::{Pid, pipe2};

use crate::sys;

/// What a copy may take. None that is waited for waits for anything but the kernel.
const LONGEST: Duration = Duration::from_secs(10);

/// Milliseconds that a killed copy gets to end; one that waits for a disk is left to the kernel.
const UNTIL_GONE: u16 = 1000;

/// Has a copy do it, and returns its number, as [`sys::aside`]. It hears no signal: what podinit does with one would
/// be told to podinit.
pub(super) fn copy(work: impl FnOnce()) -> io::Result<i32> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let made = sys::aside(work);
    let _ = before.thread_set_mask();
    made
}

/// A copy that goes on beside podinit, and ends with this.
#[derive(Debug)]
pub(super) struct OwnCopy {
    pid: i32,
    process: OwnedFd,
}

impl OwnCopy {
    /// Has a copy begin to do it.
    pub(super) fn begin(work: impl FnOnce()) -> io::Result<Self> {
        let pid = copy(work)?;
        match sys::pidfd_open(pid) {
            Ok(process) => Ok(Self { pid, process }),
            Err(error) => {
                // A child of ours that nobody has reaped: the number is its own. It is reaped with the others.
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                Err(error)
            }
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }
}

impl Drop for OwnCopy {
    /// Ends it, and waits a moment for it.
    fn drop(&mut self) {
        let _ = sys::send_signal(self.process.as_fd(), Signal::SIGKILL as i32);
        let mut ended = [PollFd::new(self.process.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ended, PollTimeout::from(UNTIL_GONE));
        // By its descriptor: whoever has reaped it already has given its number back.
        let _ = waitid(Id::PIDFd(self.process.as_fd()), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG);
    }
}

/// Has a copy do it, and waits for what came of it.
pub(super) fn apart(work: impl FnOnce() -> Result<u32, Errno>) -> Result<u32, Errno> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    let (mut read, mut write) = (fs::File::from(read), fs::File::from(write));
    let child = copy(|| {
        // Not without us, whatever it is stuck in.
        let _ = sys::set_parent_death_signal(Signal::SIGKILL as i32);
        let [errno, value] = match work() {
            Ok(value) => [0, value],
            Err(errno) => [errno as u32, 0],
        };
        let _ = write.write_all(&[errno.to_ne_bytes(), value.to_ne_bytes()].concat());
    });
    let child = Pid::from_raw(child.map_err(errno)?);
    drop(write);
    let told = told(&mut read);
    // It has said what there is to say.
    let _ = kill(child, Signal::SIGKILL);
    while let Err(Errno::EINTR) = waitpid(child, None) {}
    told
}

/// Waits until a copy says something, or a process of ours has ended whose pidfd this is, whatever signals come
/// meanwhile.
pub(super) fn ready(from: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut ready = [PollFd::new(from, PollFlags::POLLIN)];
    let longest = PollTimeout::try_from(LONGEST).unwrap_or(PollTimeout::ZERO);
    loop {
        match poll(&mut ready, longest) {
            Err(Errno::EINTR) => {}
            Ok(0) => return Err(Errno::ETIMEDOUT),
            other => return other.map(drop),
        }
    }
}

fn told(read: &mut fs::File) -> Result<u32, Errno> {
    ready(read.as_fd())?;
    let mut bytes = [0; 8];
    read.read_exact(&mut bytes).map_err(|_| Errno::ECHILD)?;
    let [a, b, c, d, value @ ..] = bytes;
    match i32::from_ne_bytes([a, b, c, d]) {
        0 => Ok(u32::from_ne_bytes(value)),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// The number of an error of the system's.
pub(super) fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}
