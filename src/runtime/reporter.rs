//! What is told to programs while the pod runs: the Pod object in a file that is replaced at every change,
//! and its events, one a line, in a file that grows. Writes what `pod` makes, and judges nothing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::cause;
use super::environment::Environment;
use crate::plan;
use crate::pod::{EventLog, Identity, PodEvent, PodStatus, Timestamp, kubernetes_pod};
use crate::spec::Pod;

/// The files, where somebody asked for them.
#[derive(Debug)]
pub(super) struct Reporter {
    status: Option<StatusFile>,
    events: Option<EventFile>,
    identity: Identity,
}

#[derive(Debug)]
struct StatusFile {
    path: PathBuf,
    /// Beside it, until it is whole.
    temporary: PathBuf,
    /// The status has changed since it was written.
    is_due: bool,
    has_failed: bool,
}

#[derive(Debug)]
struct EventFile {
    path: PathBuf,
    file: File,
    /// The end of a line that there was no room for: it comes before the next one.
    rest: Vec<u8>,
    log: EventLog,
    has_failed: bool,
}

impl Reporter {
    /// `None` where nobody wants to know.
    ///
    /// # Errors
    /// A file that cannot be written: nothing has been started yet.
    pub(super) fn new(
        pod: &Pod,
        environment: &mut Environment,
        status: Option<PathBuf>,
        events: Option<PathBuf>,
    ) -> io::Result<Option<Self>> {
        if status.is_none() && events.is_none() {
            return Ok(None);
        }
        let host = environment.surroundings();
        let identity = Identity {
            uid: host.uid.as_str().into(),
            node_name: host.node_name.as_str().into(),
            qos_class: plan::qos_class(pod).name(),
            host_ips: host.addresses.iter().map(|address| address.to_string().into()).collect(),
        };
        Ok(Some(Self {
            status: status.map(StatusFile::new).transpose()?,
            events: events.map(EventFile::new).transpose()?,
            identity,
        }))
    }

    /// From now on it is about another pod.
    pub(super) fn new_pod(&mut self, uid: &str) {
        self.identity.uid = uid.into();
    }

    /// The status is another one.
    pub(super) fn status_changed(&mut self) {
        if let Some(status) = &mut self.status {
            status.is_due = true;
        }
    }

    /// Something worth telling.
    pub(super) fn record(&mut self, pod: &Pod, event: &PodEvent, now: Timestamp) {
        let Some(events) = &mut self.events else { return };
        let objects = events.log.record(pod, &self.identity, event, now);
        let lines: String = objects.into_iter().map(|object| format!("{object}\n")).collect();
        let written = append(&mut events.file, &mut events.rest, lines.as_bytes());
        tell_once(&mut events.has_failed, "event file", &events.path, written);
    }

    /// Writes the status if it is due: once for everything that changed in one turn of the loop.
    pub(super) fn write(
        &mut self,
        pod: &Pod,
        status: impl FnOnce() -> PodStatus,
        deletion: Option<(Timestamp, Duration)>,
    ) {
        let Some(file) = self.status.as_mut().filter(|file| file.is_due) else { return };
        file.is_due = false;
        let object = kubernetes_pod(pod, &status(), &self.identity, deletion);
        let written = file.replace(format!("{object}\n").as_bytes());
        tell_once(&mut file.has_failed, "status file", &file.path, written);
    }
}

/// A disk that is full is said once, until there is room again.
fn tell_once(has_failed: &mut bool, what: &str, path: &Path, written: io::Result<()>) {
    if let Err(error) = &written
        && !*has_failed
    {
        log::warn!(
            "cannot write {what} {}: {}; trying again at the next change",
            path.display(),
            error_cause(error)
        );
    }
    *has_failed = written.is_err();
}

fn error_cause(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |errno| cause(Errno::from_raw(errno)))
}

impl StatusFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        let wrong =
            |cause: &str| io::Error::other(format!("cannot write status file {}: {cause}", path.display()));
        let Some(name) = path.file_name() else { return Err(wrong("it names no file")) };
        if let Some(error) = what_is_in_the_way(&path) {
            return Err(wrong(&error.to_string()));
        }
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = Self { path: path.clone(), temporary, is_due: true, has_failed: false };
        file.create()
            .and_then(|_| fs::remove_file(&file.temporary))
            .map_err(|error| wrong(&error_cause(&error)))?;
        Ok(file)
    }

    /// A reader sees what was there before or all of this, whatever happens.
    fn replace(&self, text: &[u8]) -> io::Result<()> {
        if let Some(error) = what_is_in_the_way(&self.path) {
            return Err(error);
        }
        let written = self.create().and_then(|mut file| file.write_all(text));
        let replaced = written.and_then(|()| fs::rename(&self.temporary, &self.path));
        if replaced.is_err() {
            let _ = fs::remove_file(&self.temporary);
        }
        replaced
    }

    /// A file of our own: what another left under this name is no link that is followed.
    fn create(&self) -> io::Result<File> {
        let create = || {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o644).custom_flags(OFlag::O_NOFOLLOW.bits());
            options.open(&self.temporary)
        };
        match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&self.temporary)?;
                create()
            }
            created => created,
        }
    }
}

/// A device, FIFO or link is not replaced: asked at each write, since it may have come there meanwhile.
fn what_is_in_the_way(path: &Path) -> Option<io::Error> {
    let is_other = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
    is_other.then(|| io::Error::other("there is something that is no file, and would be replaced"))
}

impl EventFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        let wrong =
            |cause: &str| io::Error::other(format!("cannot write event file {}: {cause}", path.display()));
        // A FIFO without a reader would be waited for.
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o644).custom_flags(OFlag::O_NONBLOCK.bits());
        let file = options.open(&path).map_err(|error| wrong(&error_cause(&error)))?;
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(wrong("it is no regular file"));
        }
        Ok(Self { path, file, rest: Vec::new(), log: EventLog::default(), has_failed: false })
    }
}

/// Writes lines behind what was left of the last one. What there is no room for is dropped, but not the end
/// of a line that has begun: the next one would become a part of it.
fn append(file: &mut impl Write, rest: &mut Vec<u8>, lines: &[u8]) -> io::Result<()> {
    write_some(file, rest)?;
    let mut unwritten = lines.to_vec();
    let written = write_some(file, &mut unwritten);
    let count = lines.len() - unwritten.len();
    let has_begun = lines.get(..count).is_some_and(|lines| lines.last().is_some_and(|last| *last != b'\n'));
    if has_begun {
        let end = unwritten.iter().position(|byte| *byte == b'\n').map_or(unwritten.len(), |end| end + 1);
        unwritten.truncate(end);
        *rest = unwritten;
    }
    written
}

/// Writes what can be written and leaves the rest.
fn write_some(file: &mut impl Write, bytes: &mut Vec<u8>) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => drop(bytes.drain(..count.min(bytes.len()))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        room: usize,
        text: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(Errno::ENOSPC.into());
            }
            self.room -= count;
            self.text.extend(bytes.iter().take(count));
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_of_events_is_whole_when_there_is_room_again() {
        for room in 0..12 {
            let (mut disk, mut rest) = (Disk { room, text: Vec::new() }, Vec::new());
            assert!(append(&mut disk, &mut rest, b"first\nsecond\n").is_err());
            assert!(append(&mut disk, &mut rest, b"dropped\n").is_err());
            disk.room = 100;
            append(&mut disk, &mut rest, b"last\n").unwrap();
            let text = String::from_utf8(disk.text).unwrap();
            let lines: Vec<_> = text.lines().collect();
            let expected: &[&str] = match room {
                0 => &["last"],
                1..=6 => &["first", "last"],
                _ => &["first", "second", "last"],
            };
            assert_eq!(lines, expected, "{room}");
        }
    }
}
