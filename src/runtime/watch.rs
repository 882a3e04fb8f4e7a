//! Whether the files of a manifest have changed (inotify(7)). Knows their names and when they changed, not
//! what is in them: whoever asked for the watch reads them again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::pod::Time;
use crate::spec::Pod;

/// Editors and `kubectl` write a file in several steps: it is looked at when nothing has happened for so long.
const QUIET: Duration = Duration::from_millis(100);

/// Buffers of events in one turn of the loop: who makes files without end beside a manifest has it not for
/// himself. What is left is there in the next turn.
const MOST_IN_A_TURN: usize = 16;

/// How often a directory that has just come is looked for anew: one that comes and goes without end is not
/// waited for.
const MOST_TRIES: u32 = 16;

/// In each directory, the names that matter.
type Names = BTreeMap<WatchDescriptor, Vec<OsString>>;

/// The directory in which kubelet swaps the files of a ConfigMap, all at once (rule 150).
const SWAPPED: &str = "..data";

/// Files to be watched, and what reads them again.
pub(crate) struct Watched {
    /// The names under which they were read.
    pub(crate) files: Vec<PathBuf>,
    /// Reads what is in them now.
    pub(crate) read_again: Box<dyn FnMut() -> Reading>,
}

/// What the files have in them.
pub(crate) struct Reading {
    /// `None` where they are wrong.
    pub(crate) pod: Option<Pod>,
    /// Errors and warnings, for people; empty where there are none.
    pub(crate) problems: String,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

/// The watch itself.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: Inotify,
    watched: Watched,
    names: Names,
    /// Where each file was last, through every link: a file that is gone may come back there.
    places: Vec<Option<PathBuf>>,
    /// As the files were when they were read last.
    read: Vec<Option<Stamp>>,
    /// When they are looked at, because something has happened.
    due: Option<Time>,
}

/// What changes when a file does, or when its name means another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// The system has no watch left, or a directory is gone.
    pub(super) fn new(watched: Watched) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let read = watched.files.iter().map(|file| stamp(file)).collect();
        let places = watched.files.iter().map(|_| None).collect();
        let mut watch = Self { inotify, watched, names: BTreeMap::new(), places, read, due: None };
        watch.follow()?;
        Ok(watch)
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// When [`poll`](Self::poll) is wanted.
    pub(super) fn timeout(&self) -> Option<Time> {
        self.due
    }

    /// Something has happened in one of the directories.
    pub(super) fn advance(&mut self, now: Time) {
        for _ in 0..MOST_IN_A_TURN {
            match self.inotify.read_events() {
                Ok(events) => {
                    let matters = events.iter().any(|event| {
                        let names = self.names.get(&event.wd);
                        // Without a name: events were lost, or the directory itself is another one.
                        event.name.as_ref().is_none_or(|name| names.is_some_and(|names| names.contains(name)))
                    });
                    if matters {
                        self.due = Some(now + QUIET);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// What the files have in them now, if they have changed and are at rest.
    pub(super) fn poll(&mut self, now: Time) -> Option<Reading> {
        self.due.filter(|due| *due <= now)?;
        self.due = None;
        // The names may lead elsewhere from now on. First, so that what comes there meanwhile is seen.
        let _ = self.follow();
        let found: Vec<_> = self.watched.files.iter().map(|file| stamp(file)).collect();
        if found == self.read {
            return None;
        }
        self.read = found;
        Some((self.watched.read_again)())
    }

    /// Watches every directory on the way to the files: a new file under an old name is seen there, and a
    /// link to it as well.
    fn follow(&mut self) -> io::Result<()> {
        let mut names = Names::new();
        for (file, place) in self.watched.files.iter().zip(&mut self.places) {
            if let Ok(found) = fs::canonicalize(file) {
                *place = Some(found);
            }
            // That one of these goes away is seen in itself alone; what happens in it wakes nobody. Before the
            // directories themselves, which are watched for more. One that may not be read is not watched.
            let itself =
                AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR;
            for above in place.iter().flat_map(|place| place.ancestors().skip(1)) {
                if let Ok(watch) = self.inotify.add_watch(above, itself) {
                    names.entry(watch).or_default();
                }
            }
        }
        for (file, place) in self.watched.files.iter().zip(&self.places) {
            for path in [Some(file.as_path()), place.as_deref()].into_iter().flatten() {
                watch_for(&self.inotify, path, &mut names)?;
            }
        }
        for gone in self.names.keys().filter(|watch| !names.contains_key(watch)) {
            let _ = self.inotify.rm_watch(*gone);
        }
        self.names = names;
        Ok(())
    }
}

/// Watches the directory in which a file is, or as much of the way to it as there is.
fn watch_for(inotify: &Inotify, file: &Path, names: &mut Names) -> io::Result<()> {
    let what = AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_DELETE_SELF
        | AddWatchFlags::IN_MOVE_SELF
        | AddWatchFlags::IN_ONLYDIR;
    let mut path = file;
    let mut tries = 0;
    while let Some(name) = path.file_name() {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        match inotify.add_watch(directory, what) {
            Ok(watch) => {
                names.entry(watch).or_default().extend([name.to_owned(), OsString::from(SWAPPED)]);
                // What was missing may have come before its directory was watched.
                tries += 1;
                if path == file || tries == MOST_TRIES || !path.exists() {
                    return Ok(());
                }
                path = file;
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) if directory != Path::new(".") => path = directory,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn stamp(file: &Path) -> Option<Stamp> {
    let found = fs::metadata(file).ok()?;
    Some(Stamp {
        file: (found.dev(), found.ino()),
        size: found.size(),
        modified: (found.mtime(), found.mtime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_makes_files_without_end_does_not_have_the_supervisor_for_himself() {
        let directory = std::env::temp_dir().join(format!("podinit-watch-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let files = vec![directory.join("pod.toml")];
        let mut watch = Watch::new(Watched {
            files,
            read_again: Box::new(|| Reading { pod: None, problems: String::new() }),
        })
        .unwrap();
        // An event is 32 bytes, a buffer 4096.
        for number in 0..MOST_IN_A_TURN * 4096 / 32 {
            let file = directory.join(number.to_string());
            fs::write(&file, "").unwrap();
            fs::remove_file(&file).unwrap();
        }
        watch.advance(Time::from_nanos(0));
        assert!(watch.inotify.read_events().is_ok_and(|events| !events.is_empty()), "some are left");
        assert_eq!(watch.timeout(), None, "none of them matters");
        fs::remove_dir_all(&directory).unwrap();
    }
}
