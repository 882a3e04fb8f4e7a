//! Standard input, read to its end before there is a pod. Signals are blocked from the first instruction of
//! the program: here they are waited for as well, so that a writer that never ends can be given up.

use std::io;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What ends a program that has nothing to look after yet.
const ENDING: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// Reads standard input to its end, at most `limit` bytes. A signal that would have ended the program ends
/// it, with the exit code that a shell shows for it.
pub(crate) fn read_standard_input(limit: usize) -> io::Result<Vec<u8>> {
    let ending = ENDING.into_iter().collect::<SigSet>();
    let signals = SignalFd::with_flags(&ending, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let input = io::stdin();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while bytes.len() < limit {
        let mut ready = [&signals.as_fd(), &input.as_fd()].map(|fd| PollFd::new(*fd, PollFlags::POLLIN));
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if let Some(signal) = signals.read_signal()? {
            let number = u8::try_from(signal.ssi_signo).unwrap_or_default();
            super::init::leave(number.saturating_add(128));
        }
        let [_, from] = ready;
        // A regular file is always ready, and a descriptor that cannot be read says so when it is read.
        if from.any() == Some(true) {
            match nix::unistd::read(&input, &mut buffer) {
                Ok(0) => break,
                Ok(count) => bytes.extend(buffer.iter().take(count)),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    Ok(bytes)
}
