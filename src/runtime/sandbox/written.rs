//! Volumes of files that podinit writes. A change is seen at once and as a whole: files lie in a directory of
//! their own, a link named `..data` leads there, and is replaced (rule 150; kubelet's atomic_writer.go). A
//! container with rights over its mounts can change what it sees of a volume: files are written where no container
//! can reach, nothing that lies in a volume is read, and no link in it is followed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, RenameFlags, renameat, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, UnlinkatFlags, chown, fchownat, symlinkat, unlinkat};

use super::place::c_path;
use crate::plan::VolumeFile;
use crate::sys::{self, Within};

const DATA: &str = "..data";
/// The link while it is another's turn.
const NEW: &str = "..data_new";

/// Where files are put together, out of the reach of containers; on the volumes' file system.
#[derive(Debug)]
pub(super) struct Workshop {
    path: PathBuf,
    directory: OwnedFd,
}

/// What a volume holds.
#[derive(Debug)]
pub(super) struct Written {
    volume: PathBuf,
    /// The directory in it.
    name: String,
    /// Files in that.
    files: Vec<String>,
    /// Of all of them, with their contents.
    digest: u64,
}

impl Workshop {
    /// At this path, where there may be one already.
    pub(super) fn at(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let directory = open(&path)?;
        Ok(Self { path, directory })
    }
}

impl Written {
    /// Fills a new volume.
    pub(super) fn new(
        volume: &Path,
        workshop: &Workshop,
        files: &[VolumeFile<'_>],
        group: Option<u32>,
    ) -> io::Result<Self> {
        make(volume, group)?;
        let mut made = Self { volume: volume.to_owned(), name: String::new(), files: Vec::new(), digest: 0 };
        made.write(workshop, files, 0, group)?;
        Ok(made)
    }

    /// Makes the volume hold exactly these files, under a `version` that no other had. Readers see either what
    /// was there before or what is there now. False where nothing is another.
    pub(super) fn replace(
        &mut self,
        workshop: &Workshop,
        files: &[VolumeFile<'_>],
        version: u32,
        group: Option<u32>,
    ) -> io::Result<bool> {
        let is_another = digest(files) != self.digest;
        if is_another {
            self.write(workshop, files, version, group)?;
        }
        Ok(is_another)
    }

    fn write(
        &mut self,
        workshop: &Workshop,
        files: &[VolumeFile<'_>],
        version: u32,
        group: Option<u32>,
    ) -> io::Result<()> {
        let name = format!("..{version}");
        let place = open(&self.volume)?;
        let directory = workshop.path.join(&name);
        let put = fill(&directory, files, group).and_then(|()| {
            renameat2(&workshop.directory, &*name, &place, &*name, RenameFlags::RENAME_NOREPLACE)?;
            Ok(())
        });
        if let Err(error) = put {
            // Nobody else has been there.
            let _ = fs::remove_dir_all(&directory);
            return Err(error);
        }
        let paths = files.iter().map(|file| file.path.clone()).collect();
        if let Err(errno) = show(place.as_fd(), &name, group) {
            clear(place.as_fd(), &name, &paths);
            return Err(errno.into());
        }
        let before = std::mem::replace(&mut self.name, name);
        let before_files = std::mem::replace(&mut self.files, paths);
        self.digest = digest(files);
        let shown: BTreeSet<&str> = files.iter().filter_map(|file| file.path.split('/').next()).collect();
        for name in &shown {
            match link(&format!("{DATA}/{name}"), place.as_fd(), name, group) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        if !before.is_empty() {
            clear(place.as_fd(), &before, &before_files);
        }
        for name in names(place.as_fd())? {
            if !name.starts_with("..") && !shown.contains(&*name) {
                unlinkat(&place, &*name, UnlinkatFlags::NoRemoveDir)?;
            }
        }
        Ok(())
    }
}

/// Whatever `..data` was, from now on it leads to this directory.
fn show(place: BorrowedFd<'_>, name: &str, group: Option<u32>) -> nix::Result<()> {
    // One that was left by half a change, or put there.
    match unlinkat(place, NEW, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    link(name, place, NEW, group)?;
    renameat(place, NEW, place, DATA)
}

/// Takes away the files of a directory in the volume, and what is empty then. What a container has put there stays
/// as long as the pod.
fn clear(place: BorrowedFd<'_>, name: &str, files: &Vec<String>) {
    let mut directories = BTreeSet::from([name.to_owned()]);
    for file in files {
        let path = format!("{name}/{file}");
        let Some((above, last)) = path.rsplit_once('/') else { continue };
        if let Ok(directory) = beneath(place, above) {
            let _ = unlinkat(&directory, last, UnlinkatFlags::NoRemoveDir);
        }
        let parts = path.match_indices('/').filter_map(|(end, _)| path.get(..end));
        directories.extend(parts.map(str::to_owned));
    }
    // What is deeper comes later.
    for path in directories.iter().rev() {
        let (above, last) = path.rsplit_once('/').unwrap_or((".", path));
        if let Ok(directory) = beneath(place, above) {
            let _ = unlinkat(&directory, last, UnlinkatFlags::RemoveDir);
        }
    }
}

/// A directory of the volume, to which no link leads.
fn beneath(place: BorrowedFd<'_>, path: &str) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    sys::open_path(place, &c_path(Path::new(path)), flags, 0, Within::RootWithoutLinks)
}

fn open(path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    sys::open_path(AT_FDCWD, &c_path(path), flags, 0, Within::Host)
}

fn names(place: BorrowedFd<'_>) -> nix::Result<Vec<String>> {
    let mut directory = Dir::openat(place, ".", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let names = directory.iter().flatten();
    let names = names.filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
    Ok(names.filter(|name| name != "." && name != "..").collect())
}

fn fill(directory: &Path, files: &[VolumeFile<'_>], group: Option<u32>) -> io::Result<()> {
    make(directory, group)?;
    for file in files {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            make(parent, group)?;
        }
        fs::write(&path, &file.contents)?;
        chown(&path, None, group.map(Gid::from_raw))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

fn digest(files: &[VolumeFile<'_>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        (&file.path, file.mode, &file.contents).hash(&mut hasher);
    }
    hasher.finish()
}

/// A directory that everybody may look into, and those above it that are missing.
fn make(path: &Path, group: Option<u32>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    let Some(group) = group else { return Ok(()) };
    chown(path, None, Some(Gid::from_raw(group)))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o2755))
}

fn link(target: &str, place: BorrowedFd<'_>, name: &str, group: Option<u32>) -> nix::Result<()> {
    symlinkat(target, place, name)?;
    match group {
        Some(group) => fchownat(place, name, None, Some(Gid::from_raw(group)), AtFlags::AT_SYMLINK_NOFOLLOW),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use std::os::unix::fs::symlink;

    fn file<'a>(path: &str, contents: &'a str) -> VolumeFile<'a> {
        VolumeFile { path: path.to_owned(), mode: 0o440, contents: Cow::Borrowed(contents.as_bytes()) }
    }

    /// A directory of this test's, with a workshop and a volume in it.
    fn place(name: &str) -> (PathBuf, Workshop, PathBuf) {
        let top = std::env::temp_dir().join(format!("podinit-written-{name}-{}", std::process::id()));
        let volume = top.join("volume");
        fs::create_dir_all(&volume).unwrap();
        let workshop = Workshop::at(top.join("workshop")).unwrap();
        (top, workshop, volume)
    }

    fn all(directory: &Path) -> Vec<String> {
        let mut all: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn rule_150_files_are_replaced_together_and_what_is_gone_is_gone() {
        let (top, workshop, volume) = place("replaced");
        let read = |path: &str| fs::read_to_string(volume.join(path)).ok();
        let files = [file("a", "1"), file("d/e", "2")];
        let mut written = Written::new(&volume, &workshop, &files, None).unwrap();
        assert_eq!((read("a"), read("d/e")), (Some("1".into()), Some("2".into())));
        assert_eq!(fs::metadata(volume.join("a")).unwrap().permissions().mode() & 0o7777, 0o440);
        assert_eq!(fs::read_link(volume.join("d")).unwrap(), Path::new("..data/d"));
        let mut replace =
            |files: &[VolumeFile<'_>], version| written.replace(&workshop, files, version, None);
        assert!(!replace(&files, 1).unwrap(), "nothing is another");
        assert!(replace(&[file("a", "3"), file("f", "4")], 2).unwrap());
        assert_eq!((read("a"), read("d/e"), read("f")), (Some("3".into()), None, Some("4".into())));
        assert_eq!(all(&volume), ["..2", "..data", "a", "f"]);
        // A file where a directory is to be: what was there stays, and nothing else.
        assert!(replace(&[file("a", "5"), file("a/b", "6")], 3).is_err());
        assert_eq!((read("a"), read("f")), (Some("3".into()), Some("4".into())));
        assert_eq!((all(&volume).len(), all(&workshop.path).len()), (4, 0));
        fs::remove_dir_all(&top).unwrap();
    }

    /// FS-02: links that a container has put into its volume lead podinit nowhere.
    #[test]
    fn fs_02_links_in_a_volume_are_not_followed() {
        let (top, workshop, volume) = place("links");
        let outside = top.join("outside");
        fs::create_dir_all(outside.join("d")).unwrap();
        fs::write(outside.join("d/e"), "kept").unwrap();
        let mut written =
            Written::new(&volume, &workshop, &[file("a", "1"), file("d/e", "2")], None).unwrap();
        fs::remove_file(volume.join(DATA)).unwrap();
        symlink(&outside, volume.join(DATA)).unwrap();
        fs::rename(volume.join("..0/d"), volume.join("..0/moved")).unwrap();
        symlink(outside.join("d"), volume.join("..0/d")).unwrap();
        symlink(&outside, volume.join("..1")).unwrap();
        symlink(&outside, volume.join(NEW)).unwrap();
        let files = [file("a", "3"), file("d/e", "4")];
        assert!(written.replace(&workshop, &files, 1, None).is_err(), "its name is taken");
        assert!(written.replace(&workshop, &files, 2, None).unwrap());
        assert_eq!(fs::read_to_string(volume.join("a")).unwrap(), "3");
        assert_eq!(fs::read_to_string(volume.join("d/e")).unwrap(), "4");
        assert_eq!(fs::read_to_string(outside.join("d/e")).unwrap(), "kept");
        assert_eq!((all(&outside), all(&workshop.path)), (vec!["d".to_owned()], vec![]));
        fs::remove_dir_all(&top).unwrap();
    }
}
