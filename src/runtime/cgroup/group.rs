//! One control group of cgroup v2, by the descriptor of its directory: what stands in its files, who is in
//! it, its end. Knows neither pod nor limits.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::sys;

/// Bytes that the files of a group have as a rule.
const SHORT: usize = 1 << 10;

/// How deep groups are looked for below a container's: what runs there may make its own.
const DEPTH: u32 = 16;

/// A control group.
#[derive(Debug)]
pub(crate) struct Group {
    directory: OwnedFd,
    /// For messages.
    path: PathBuf,
}

impl Group {
    /// The group at this path.
    pub(crate) fn open(path: &Path) -> nix::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(Self { directory: open(path, flags, Mode::empty())?, path: path.to_owned() })
    }

    /// The group of this name below.
    pub(crate) fn child(&self, name: &str) -> nix::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let directory = openat(&self.directory, name, flags, Mode::empty())?;
        Ok(Self { directory, path: self.path.join(name) })
    }

    /// The group of this name below, made where it is not there. Returns whether it was made.
    pub(crate) fn child_or_new(&self, name: &str) -> nix::Result<(Self, bool)> {
        let mode = Mode::from_bits_truncate(0o755);
        let made = match mkdirat(&self.directory, name, mode) {
            Ok(()) => true,
            Err(Errno::EEXIST) => false,
            Err(errno) => return Err(errno),
        };
        Ok((self.child(name)?, made))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What one of its files holds.
    pub(crate) fn read(&self, file: &str) -> io::Result<String> {
        // None tells its size, and most are short: with room, and without asking (`take`), one read finds all and
        // one the end.
        let mut text = Vec::with_capacity(SHORT);
        let mut file = self.file(file, OFlag::O_RDONLY)?;
        Read::by_ref(&mut file).take(u64::MAX).read_to_end(&mut text)?;
        String::from_utf8(text).map_err(io::Error::other)
    }

    /// Writes to one of its files.
    pub(crate) fn write(&self, file: &str, value: &str) -> io::Result<()> {
        // In one piece: each write is a command.
        let count = self.file(file, OFlag::O_WRONLY)?.write(value.as_bytes())?;
        if count == value.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn file(&self, name: &str, access: OFlag) -> nix::Result<File> {
        let file =
            openat(&self.directory, name, access | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty());
        file.map(File::from)
    }

    /// A file to be written to later, whatever has become of the mounts.
    pub(crate) fn writable(&self, name: &str) -> nix::Result<File> {
        self.file(name, OFlag::O_WRONLY)
    }

    /// A file to be read and waited for.
    pub(crate) fn readable(&self, name: &str) -> nix::Result<File> {
        self.file(name, OFlag::O_RDONLY)
    }

    /// Whether a process is in it or below it. None is where there is no group any more.
    pub(crate) fn is_populated(&self) -> bool {
        self.readable("cgroup.events").is_ok_and(|events| self.is_populated_in(&events))
    }

    /// The same, by its cgroup.events: what has been read does not wake again who waits for it.
    pub(crate) fn is_populated_in(&self, events: &File) -> bool {
        let mut bytes = [0; 128];
        let count = events.read_at(&mut bytes, 0).unwrap_or(0);
        let text = bytes.get(..count).and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.is_some_and(|events| value(events, "populated") != Some(0))
    }

    /// How many processes of it the kernel has killed for want of memory.
    pub(crate) fn oom_kills(&self) -> u64 {
        self.read("memory.events").ok().and_then(|events| value(&events, "oom_kill")).unwrap_or(0)
    }

    /// Whether its processes stand still, or are about to, because somebody has frozen it.
    pub(crate) fn is_frozen(&self) -> bool {
        self.read("cgroup.freeze").is_ok_and(|state| state.trim() == "1")
    }

    /// Lets its processes go on, or stand still.
    pub(crate) fn freeze(&self, stand_still: bool) {
        // Before Linux 5.2 there is no such file, and nothing that could be frozen.
        let _ = self.write("cgroup.freeze", if stand_still { "1" } else { "0" });
    }

    /// SIGKILL for everything in it and below it, for what is being forked too (Linux 5.14). Before that:
    /// nothing may fork while it is killed.
    pub(crate) fn kill(&self) {
        if self.write("cgroup.kill", "1").is_ok() {
            return;
        }
        self.freeze(true);
        self.signal(libc::SIGKILL, |_| true);
        self.freeze(false);
    }

    /// Sends a signal to the processes in it and below it that are meant.
    pub(crate) fn signal(&self, signal: i32, is_meant: impl Fn(i32) -> bool) {
        let found: Vec<_> = self.processes().into_iter().filter(|pid| is_meant(*pid)).collect();
        let found: Vec<_> =
            found.into_iter().filter_map(|pid| Some((pid, sys::pidfd_open(pid).ok()?))).collect();
        // A number that has come to mean a stranger meanwhile is not in the second list; a descriptor of
        // what is gone signals nobody.
        let still = self.processes();
        for (_, process) in found.iter().filter(|(pid, _)| still.contains(pid)) {
            let _ = sys::send_signal(process.as_fd(), signal);
        }
    }

    fn processes(&self) -> Vec<i32> {
        let mut all = Vec::new();
        self.collect_processes(&mut all, DEPTH);
        all
    }

    fn collect_processes(&self, all: &mut Vec<i32>, depth: u32) {
        let list = self.read("cgroup.procs").unwrap_or_default();
        // 0 is a process that is in no process namespace of ours.
        all.extend(list.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
        if let Some(depth) = depth.checked_sub(1) {
            self.children().into_iter().for_each(|child| child.collect_processes(all, depth));
        }
    }

    /// The groups right below.
    pub(crate) fn children(&self) -> Vec<Self> {
        self.names().into_iter().filter_map(|name| self.child(&name).ok()).collect()
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        // A directory has one link of its own, one of its parent, and one of each directory in it; the kernel
        // counts them in this file system (kernfs_refresh_inode).
        if fstat(&self.directory).is_ok_and(|found| found.st_nlink == 2) {
            return Vec::new();
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let Ok(mut directory) = Dir::openat(&self.directory, ".", flags, Mode::empty()) else {
            return Vec::new();
        };
        let entries = directory.iter().flatten();
        let directories = entries.filter(|entry| entry.file_type() == Some(Type::Directory));
        let names = directories.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
        names.filter(|name| name != "." && name != "..").collect()
    }

    /// Removes a group below that has none itself.
    pub(crate) fn remove_empty(&self, name: &str) -> nix::Result<()> {
        unlinkat(&self.directory, name, UnlinkatFlags::RemoveDir)
    }

    /// Removes a group below, with what is below that. Fails with EBUSY where a process is in one.
    pub(crate) fn remove(&self, name: &str) -> nix::Result<()> {
        self.remove_within(name, DEPTH)
    }

    fn remove_within(&self, name: &str, depth: u32) -> nix::Result<()> {
        match unlinkat(&self.directory, name, UnlinkatFlags::RemoveDir) {
            // It may have groups of its own.
            Err(Errno::EBUSY) if depth > 0 => {}
            Err(Errno::ENOENT) => return Ok(()),
            other => return other,
        }
        let child = self.child(name)?;
        for grandchild in child.names() {
            child.remove_within(&grandchild, depth - 1)?;
        }
        unlinkat(&self.directory, name, UnlinkatFlags::RemoveDir)
    }
}

/// The directory, to be born into and to be locked.
impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// The number behind this key in a file of keys and numbers.
pub(crate) fn value(text: &str, key: &str) -> Option<u64> {
    let of_line = |line: &str| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok();
    text.lines().find_map(of_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_whole_word() {
        let events = "low 0\nhigh 0\nmax 18\noom 1\noom_kill 3\noom_group_kill 1\n";
        assert_eq!(["oom", "oom_kill", "oom_group"].map(|key| value(events, key)), [Some(1), Some(3), None]);
    }
}
