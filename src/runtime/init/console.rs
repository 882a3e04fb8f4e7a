//! The three standard descriptors: on the console, else /dev/null. The kernel opens them where it finds a
//! console before anything is mounted.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::{fs, io};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

/// The console, if there is one.
pub(super) fn console() -> io::Result<File> {
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open("/dev/console")
}

/// Replaces what leads nowhere.
pub(super) fn open() {
    let null = || OpenOptions::new().read(true).write(true).open("/dev/null");
    let Ok(instead) = console().or_else(|_| null()) else { return };
    if leads_nowhere(io::stdin().as_fd()) {
        let _ = dup2_stdin(&instead);
    }
    if leads_nowhere(io::stdout().as_fd()) {
        let _ = dup2_stdout(&instead);
    }
    if leads_nowhere(io::stderr().as_fd()) {
        let _ = dup2_stderr(&instead);
    }
}

/// What podinit has made of a descriptor that was closed: /dev/null or a pipe without another end.
fn leads_nowhere(fd: BorrowedFd<'_>) -> bool {
    let Ok(copy) = fd.try_clone_to_owned() else { return true };
    let Ok(metadata) = File::from(copy).metadata() else { return true };
    if metadata.file_type().is_fifo() {
        let mut state = [PollFd::new(fd, PollFlags::empty())];
        return poll(&mut state, PollTimeout::ZERO).is_ok_and(|count| count > 0);
    }
    let null = fs::metadata("/dev/null").map(|null| null.rdev());
    metadata.file_type().is_char_device() && null.is_ok_and(|null| null == metadata.rdev())
}
