//! Volumes that outlive pods, given to the pod's `fsGroup` file by file (rule 151; kubelet's volume_linux.go).
//! A copy of the supervisor does it while the supervisor goes on with its duties: a claim may have a million
//! files, and may lie on a file system that hangs. The first container waits for it.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{FileStat, fstat};
use nix::unistd::{Gid, fchownat, pipe2, setsid};

use super::place::c_path;
use crate::runtime::apart::OwnCopy;
use crate::runtime::{cause, emergency};
use crate::spec::FsGroupChangePolicy;
use crate::sys::{self, Within};

/// What a directory of the group allows: its owner and the group everything, and what is made in it is the
/// group's.
pub(super) const DIRECTORY: u32 = 0o2770;
/// What of that makes it hand the group on.
const HANDS_ON: u32 = 0o2000;
/// What a file of the group allows.
const FILE: u32 = 0o660;

/// How often a volume is begun anew that somebody else changes meanwhile.
const MOST_TRIES: u32 = 4;

/// Bytes of a path that are told.
const MOST_PATH: usize = 400;

/// A volume to be gone through.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    /// Its name in the manifest.
    pub(super) volume: Arc<str>,
    pub(super) path: PathBuf,
    /// When it will be gone through again.
    pub(super) policy: FsGroupChangePolicy,
}

/// Volumes on their way to the group.
#[derive(Debug)]
pub(in crate::runtime) struct OwnershipChange {
    copy: OwnCopy,
    report: OwnedFd,
}

impl OwnershipChange {
    /// Begins to give these volumes to the group.
    pub(super) fn begin(volumes: &[Owned], group: u32) -> io::Result<Self> {
        let (report, theirs) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let copy = OwnCopy::begin(|| work(volumes, Gid::from_raw(group), theirs.as_fd()))?;
        emergency::add(copy.pid());
        Ok(Self { copy, report })
    }

    pub(in crate::runtime) fn pid(&self) -> i32 {
        self.copy.pid()
    }

    /// Readable when there is something to [`hear`](Self::hear).
    pub(in crate::runtime) fn report(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }

    /// How it went, once it is over: which files could not be given, in words, if there are such.
    ///
    /// # Errors
    /// Why it did not come to its end.
    pub(in crate::runtime) fn hear(&self) -> Option<Result<Option<String>, String>> {
        let mut bytes = [0; 4096];
        match nix::unistd::read(&self.report, &mut bytes) {
            Err(Errno::EAGAIN | Errno::EINTR) => None,
            Ok(0) => Some(Err(cannot("what was to do it has been killed".to_owned()))),
            Err(errno) => Some(Err(cannot(cause(errno)))),
            Ok(count) => {
                let (kind, words) = bytes.get(..count).and_then(|said| said.split_first())?;
                let words = String::from_utf8_lossy(words).into_owned();
                Some(if *kind == b'E' { Err(words) } else { Ok(Some(words).filter(|it| !it.is_empty())) })
            }
        }
    }
}

impl Drop for OwnershipChange {
    fn drop(&mut self) {
        emergency::remove(self.copy.pid());
    }
}

fn cannot(why: String) -> String {
    format!("cannot give the pod's volumes to its fsGroup: {why}")
}

/// Whether the volume looks as if it had been gone through, for `OnRootMismatch`.
pub(super) fn is_given(volume: &Path, group: u32) -> bool {
    // Its directory is marked last, and only where everything in it is the group's.
    fs::metadata(volume).is_ok_and(|found| found.gid() == group && found.mode() & DIRECTORY == DIRECTORY)
}

/// What the copy does.
fn work(volumes: &[Owned], group: Gid, report: BorrowedFd<'_>) {
    sys::close_others(report);
    // Keys on the terminal are not meant for it.
    let _ = setsid();
    let _ = sys::set_parent_death_signal(libc::SIGKILL);
    // Whoever ended before that is not told of it.
    let mut reader = [PollFd::new(report, PollFlags::empty())];
    if poll(&mut reader, PollTimeout::ZERO) == Ok(1) {
        return;
    }
    let mut kept = Vec::new();
    let mut said = b"D".to_vec();
    for Owned { volume, path, policy } in volumes {
        match give(path, group, *policy) {
            Ok(Kept { count: 0, .. }) => {}
            Ok(Kept { count, first }) => kept.push(format!(
                "cannot give {count} of the files of volume {volume:?} to fsGroup {group}: {first}"
            )),
            Err(error) => {
                said = b"E".to_vec();
                kept = vec![format!("cannot give volume {volume:?} to fsGroup {group}: {}", cause(error))];
                break;
            }
        }
    }
    said.extend(kept.join("; ").into_bytes());
    said.truncate(4096);
    let _ = nix::unistd::write(report, &said);
}

/// What stayed as it was.
#[derive(Debug, Default)]
struct Kept {
    count: u64,
    /// The first of them, and why.
    first: String,
}

/// Gives a directory and everything in it to the group.
fn give(volume: &Path, group: Gid, policy: FsGroupChangePolicy) -> io::Result<Kept> {
    for _ in 0..MOST_TRIES {
        let mut walk = Walk { group, policy, path: Vec::new(), kept: Kept::default() };
        match walk.go_through(volume) {
            Err(Errno::ESTALE) => {}
            Err(errno) => return Err(errno.into()),
            Ok(()) => return Ok(walk.kept),
        }
    }
    Err(io::Error::other("somebody else changes it all the time"))
}

/// A way through a volume. Nothing is looked up by more than one name at once, in a directory that is open:
/// whatever a container makes of its names meanwhile, what is changed is in the volume (CVE-2018-15664).
struct Walk {
    group: Gid,
    policy: FsGroupChangePolicy,
    /// Names from the volume down to where it is, for people.
    path: Vec<CString>,
    kept: Kept,
}

/// A directory that is being gone through, and what of it is left.
struct Level {
    identity: (u64, u64),
    directories: Vec<CString>,
}

impl Walk {
    /// # Errors
    /// ESTALE: somebody has moved a directory while it was gone through.
    fn go_through(&mut self, volume: &Path) -> Result<(), Errno> {
        // The volume's own directory may be a link, to wherever whoever runs podinit wants it to be.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let top = sys::open_path(AT_FDCWD, &c_path(volume), flags, 0, Within::Host)?;
        let mut here = top.try_clone().map_err(|_| Errno::last())?;
        let mut levels = vec![self.level(here.as_fd())?];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.directories.pop() {
                if let Some((opened, level)) = self.descend(here.as_fd(), name) {
                    here = opened;
                    levels.push(level);
                }
                continue;
            }
            levels.pop();
            self.path.pop();
            // However deep they are nested: one descriptor is enough, and the way back is looked at.
            if let Some(above) = levels.last() {
                here = sys::open_path(here.as_fd(), c"..", flags, 0, Within::Host)?;
                if identity(&fstat(&here)?) != above.identity {
                    return Err(Errno::ESTALE);
                }
            }
        }
        // Last of all: one that was interrupted is begun anew with `OnRootMismatch` too.
        self.mark(top.as_fd())
    }

    /// Changes the volume's own directory, which [says](is_given) that all in it is right. Where something is not and
    /// whoever comes next would not look, it lacks what hands the group on, so that he does. A kubelet's pod would not
    /// start.
    fn mark(&self, top: BorrowedFd<'_>) -> Result<(), Errno> {
        let found = fstat(top)?;
        let is_whole = match self.policy {
            FsGroupChangePolicy::Always => true,
            FsGroupChangePolicy::OnRootMismatch => self.kept.count == 0,
        };
        match is_whole {
            true => self.change(top, &found),
            false => self.set(top, &found, (found.st_mode | DIRECTORY) & !HANDS_ON),
        }
    }

    /// Opens a directory in another one, changes it, and all in it that is none.
    fn descend(&mut self, parent: BorrowedFd<'_>, name: CString) -> Option<(OwnedFd, Level)> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let opened = sys::open_path(parent, &name, flags, 0, Within::SameMount);
        let opened = opened.and_then(|opened| {
            self.change(opened.as_fd(), &fstat(&opened)?)?;
            Ok(opened)
        });
        let opened = opened.map_err(|errno| self.keep(&name, errno)).ok()?;
        self.path.push(name);
        match self.level(opened.as_fd()) {
            Ok(level) => Some((opened, level)),
            Err(errno) => {
                let name = self.path.pop().unwrap_or_default();
                self.keep(&name, errno);
                None
            }
        }
    }

    /// Changes what is in a directory, and gives the names of the directories among it.
    fn level(&mut self, directory: BorrowedFd<'_>) -> Result<Level, Errno> {
        let identity = identity(&fstat(directory)?);
        let mut directories = Vec::new();
        let listed = directory.try_clone_to_owned().map_err(|_| Errno::last())?;
        let mut listed = Dir::from_fd(listed)?;
        for entry in listed.iter() {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            match self.entry(directory, name) {
                Ok(true) => directories.push(name.to_owned()),
                Ok(false) => {}
                Err(errno) => self.keep(name, errno),
            }
        }
        Ok(Level { identity, directories })
    }

    /// Changes an entry of a directory, unless it is one itself, which it tells.
    fn entry(&self, directory: BorrowedFd<'_>, name: &CStr) -> Result<bool, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let opened = sys::open_path(directory, name, flags, 0, Within::SameMount)?;
        let found = fstat(&opened)?;
        if found.st_mode & libc::S_IFMT == libc::S_IFDIR {
            return Ok(true);
        }
        self.change(opened.as_fd(), &found).map(|()| false)
    }

    fn change(&self, file: BorrowedFd<'_>, found: &FileStat) -> Result<(), Errno> {
        let more = match found.st_mode & libc::S_IFMT {
            // What it leads to is another file's matter.
            libc::S_IFLNK => return self.give_group(file, found),
            libc::S_IFDIR => DIRECTORY,
            _ => FILE,
        };
        self.set(file, found, found.st_mode | more)
    }

    /// It becomes the group's, with these permissions.
    fn set(&self, file: BorrowedFd<'_>, found: &FileStat, wanted: u32) -> Result<(), Errno> {
        self.give_group(file, found)?;
        let (mode, wanted) = (found.st_mode & 0o7777, wanted & 0o7777);
        // Another group has taken set-user-id bits away.
        let is_changed = found.st_gid != self.group.as_raw() && mode & 0o6000 != 0;
        if mode == wanted && !is_changed {
            return Ok(());
        }
        sys::change_mode(file, wanted)
    }

    fn give_group(&self, file: BorrowedFd<'_>, found: &FileStat) -> Result<(), Errno> {
        if found.st_gid == self.group.as_raw() {
            return Ok(());
        }
        fchownat(file, c"", None, Some(self.group), AtFlags::AT_EMPTY_PATH)
    }

    /// Takes note of what stays as it is.
    fn keep(&mut self, name: &CStr, errno: Errno) {
        // It has gone meanwhile.
        if errno == Errno::ENOENT {
            return;
        }
        if self.kept.count == 0 {
            let names = self.path.iter().map(CString::as_c_str).chain([name]);
            let names: Vec<_> = names.map(CStr::to_string_lossy).collect();
            let path: String = names.join("/").chars().take(MOST_PATH).collect();
            let is_mounted = errno == Errno::EXDEV;
            let why = if is_mounted { "something is mounted there".to_owned() } else { cause(errno) };
            self.kept.first = format!("the first is {path:?}: {why}");
        }
        self.kept.count += 1;
    }
}

fn identity(found: &FileStat) -> (u64, u64) {
    (found.st_dev, found.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::{Mode, mkdirat};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("podinit-ownership-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        path
    }

    #[test]
    fn rule_151_the_group_may_read_and_write_everything_and_links_stay_as_they_are() {
        let volume = directory("rule-151");
        let outside = directory("outside");
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir_all(volume.join("a/b")).unwrap();
        for (name, mode) in [("file", 0o400), ("a/script", 0o711), ("a/b/set", 0o4700)] {
            fs::write(volume.join(name), "").unwrap();
            set(&volume.join(name), mode);
        }
        for (name, mode) in [("", 0o755), ("a", 0o700), ("a/b", 0o500)] {
            set(&volume.join(name), mode);
        }
        fs::write(outside.join("file"), "").unwrap();
        set(&outside.join("file"), 0o600);
        set(&outside, 0o700);
        symlink(&outside, volume.join("a/directory")).unwrap();
        symlink(outside.join("file"), volume.join("a/link")).unwrap();
        let group = nix::unistd::getgid();
        assert!(!is_given(&volume, group.as_raw()));
        assert_eq!(give(&volume, group, FsGroupChangePolicy::Always).unwrap().count, 0);
        assert!(is_given(&volume, group.as_raw()));
        let modes = ["", "a", "a/b", "file", "a/script", "a/b/set"].map(|name| mode(&volume.join(name)));
        assert_eq!(modes, [0o2775, 0o2770, 0o2770, 0o660, 0o771, 0o4760]);
        assert_eq!([mode(&outside), mode(&outside.join("file"))], [0o700, 0o600]);
        fs::remove_dir_all(volume).unwrap();
        fs::remove_dir_all(outside).unwrap();
    }

    #[test]
    fn a_volume_of_which_something_is_not_the_group_s_is_not_taken_for_given() {
        use FsGroupChangePolicy::{Always, OnRootMismatch};
        let volume = directory("marked");
        let group = nix::unistd::getgid();
        for before in [0o700, 0o2755, 0o2770] {
            for (policy, count, expected) in [
                (Always, 1, before | 0o2770),
                (OnRootMismatch, 0, before | 0o2770),
                (OnRootMismatch, 1, (before | 0o770) & !0o2000),
            ] {
                fs::set_permissions(&volume, fs::Permissions::from_mode(before)).unwrap();
                let kept = Kept { count, first: String::new() };
                let walk = Walk { group, policy, path: Vec::new(), kept };
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
                let top = sys::open_path(AT_FDCWD, &c_path(&volume), flags, 0, Within::Host).unwrap();
                walk.mark(top.as_fd()).unwrap();
                assert_eq!(mode(&volume), expected, "{before:o} {policy:?} {count}");
                let is_skipped = policy == OnRootMismatch && is_given(&volume, group.as_raw());
                assert_eq!(is_skipped, (policy, count) == (OnRootMismatch, 0));
            }
        }
        fs::remove_dir_all(volume).unwrap();
    }

    #[test]
    fn one_descriptor_is_enough_however_deep_directories_are_nested() {
        const DEPTH: usize = 3000;
        let volume = directory("deep");
        let open = |at: BorrowedFd<'_>, name: &CStr| {
            sys::open_path(at, name, OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0, Within::Host).unwrap()
        };
        let top = open(AT_FDCWD, &c_path(&volume));
        let mut here = top.try_clone().unwrap();
        for _ in 0..DEPTH {
            mkdirat(&here, c"d", Mode::S_IRWXU).unwrap();
            here = open(here.as_fd(), c"d");
        }
        assert_eq!(fstat(&here).unwrap().st_mode & 0o7777, 0o700);
        let before = fs::read_dir("/proc/self/fd").unwrap().count();
        assert_eq!(give(&volume, nix::unistd::getgid(), FsGroupChangePolicy::Always).unwrap().count, 0);
        assert_eq!(fstat(&here).unwrap().st_mode & 0o7777, 0o2770);
        assert!(fs::read_dir("/proc/self/fd").unwrap().count() < before + 100);
        #[expect(clippy::disallowed_methods, reason = "std has a descriptor for each level")]
        let removed = std::process::Command::new("rm").arg("-rf").arg(&volume).status().unwrap();
        assert!(removed.success());
    }
}
