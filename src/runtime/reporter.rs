//! What is told to programs while the pod runs: the Pod object in a file that is replaced at every change,
//! and its events, one a line, in a file that grows. Writes what `pod` makes, and judges nothing.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::cause;
use super::environment::Environment;
use crate::plan;
use crate::pod::{EventLog, Identity, PodEvent, PodStatus, Text, Time, Timestamp, kubernetes_pod};
use crate::spec::Pod;

/// Between a failed try to write the status and the next one; twice as long each time.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// What that grows to.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

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
    /// The status has changed since writing it was last tried.
    is_due: bool,
    /// When that has failed.
    retry: Option<Retry>,
}

/// Another try to write what could not be written.
#[derive(Clone, Copy, Debug)]
struct Retry {
    at: Time,
    delay: Duration,
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
    /// `None` where nobody wants to know. `manifests` are the files that the pod was read from; a pod that is to
    /// have a network of its own has no addresses before it is made.
    ///
    /// # Errors
    /// A file that cannot be written, or is something else as well: nothing has been started.
    pub(super) fn new(
        pod: &Pod,
        environment: &mut Environment,
        manifests: &[PathBuf],
        (status, events): (Option<PathBuf>, Option<PathBuf>),
        has_network: bool,
    ) -> io::Result<Option<Self>> {
        if status.is_none() && events.is_none() {
            return Ok(None);
        }
        used_otherwise(manifests, status.as_deref(), events.as_deref())?;
        let host = environment.surroundings();
        let identity = Identity {
            uid: host.uid.as_str().into(),
            node_name: host.node_name.as_str().into(),
            qos_class: plan::qos_class(pod).name(),
            host_ips: texts(&host.addresses),
            pod_ips: if has_network { Vec::new() } else { texts(&host.pod_addresses) },
            lost: Vec::new(),
        };
        Ok(Some(Self {
            status: status.map(StatusFile::new).transpose()?,
            events: events.map(EventFile::new).transpose()?,
            identity,
        }))
    }

    /// The pod has a network of its own, with these addresses.
    pub(super) fn set_pod_addresses(&mut self, addresses: &[IpAddr]) {
        self.identity.pod_ips = texts(addresses);
        self.status_changed();
    }

    /// The host does not give the pod this, in sentences. What was told already is not told again.
    pub(super) fn lose(&mut self, lost: &[String]) {
        for sentence in lost {
            if !self.identity.lost.iter().any(|told| **told == **sentence) {
                self.identity.lost.push(sentence.as_str().into());
            }
        }
        self.status_changed();
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
        tell_once(
            &mut events.has_failed,
            "event file",
            &events.path,
            written,
            "trying again at the next event",
        );
    }

    /// Writes the status if it is due: once for everything that changed in one turn of the loop.
    pub(super) fn write(
        &mut self,
        pod: &Pod,
        status: impl FnOnce() -> PodStatus,
        deletion: Option<(Timestamp, Duration)>,
        now: Time,
    ) {
        let Some(file) = self.status.as_mut().filter(|file| file.is_wanted(now)) else { return };
        let object = kubernetes_pod(pod, &status(), &self.identity, deletion);
        let written = file.replace(format!("{object}\n").as_bytes());
        let mut has_failed = file.retry.is_some();
        file.tried(written.is_ok(), now);
        tell_once(&mut has_failed, "status file", &file.path, written, "trying again");
    }

    /// When [`write`](Self::write) is wanted although nothing changes.
    pub(super) fn timeout(&self) -> Option<Time> {
        self.status.as_ref()?.retry.map(|retry| retry.at)
    }
}

fn texts(addresses: &[IpAddr]) -> Vec<Text> {
    addresses.iter().map(|address| address.to_string().into()).collect()
}

/// Refuses a file that would be written over what else it is.
fn used_otherwise(manifests: &[PathBuf], status: Option<&Path>, events: Option<&Path>) -> io::Result<()> {
    let wrong = |what: &str, path: &Path, is: &str| {
        let path = path.display();
        Err(io::Error::other(format!("cannot write {what} {path}: it is {is}; name another one")))
    };
    for (what, path) in [("status file", status), ("event file", events)] {
        let Some((path, found)) = path.and_then(|path| Some((path, file_id(fs::metadata(path))?))) else {
            continue;
        };
        let is_manifest = |manifest: &PathBuf| match manifest.as_os_str() == "-" {
            true => of_descriptor(io::stdin()) == Some(found),
            false => file_id(fs::metadata(manifest)) == Some(found),
        };
        if manifests.iter().any(is_manifest) {
            return wrong(what, path, "the manifest");
        }
        if of_descriptor(io::stdout()) == Some(found) {
            return wrong(what, path, "where standard output goes");
        }
        if of_descriptor(io::stderr()) == Some(found) {
            return wrong(what, path, "where standard error goes");
        }
    }
    match (status, events) {
        (Some(status), Some(events)) if is_same(status, events) => {
            wrong("event file", events, "the status file")
        }
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// Which file it is, whatever its name.
fn file_id(found: io::Result<fs::Metadata>) -> Option<(u64, u64)> {
    found.ok().filter(fs::Metadata::is_file).map(|found| (found.dev(), found.ino()))
}

fn of_descriptor(fd: impl AsFd) -> Option<(u64, u64)> {
    let fd = fd.as_fd().try_clone_to_owned().ok()?;
    file_id(File::from(fd).metadata())
}

/// Whether both are one file, or will be once they are made.
fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
        Some(directory.join(path.file_name()?))
    };
    match (file_id(fs::metadata(one)), file_id(fs::metadata(other))) {
        (Some(one), Some(other)) => one == other,
        (None, None) => place(one).is_some_and(|one| Some(one) == place(other)),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// A disk that is full is said once, until there is room again.
fn tell_once(has_failed: &mut bool, what: &str, path: &Path, written: io::Result<()>, then: &str) {
    if let Err(error) = &written
        && !*has_failed
    {
        log::warn!("cannot write {what} {}: {}; {then}", path.display(), error_cause(error));
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
        let file = Self { path: path.clone(), temporary, is_due: true, retry: None };
        file.create()
            .and_then(|_| fs::remove_file(&file.temporary))
            .map_err(|error| wrong(&error_cause(&error)))?;
        Ok(file)
    }

    fn is_wanted(&self, now: Time) -> bool {
        self.is_due || self.retry.is_some_and(|retry| retry.at <= now)
    }

    /// Writing it was tried. Where that has failed it is tried again at every change, and in growing
    /// intervals.
    fn tried(&mut self, has_succeeded: bool, now: Time) {
        self.is_due = false;
        self.retry = match self.retry {
            _ if has_succeeded => None,
            Some(retry) if now < retry.at => Some(retry),
            before => {
                let delay = before.map_or(FIRST_DELAY, |before| LONGEST_DELAY.min(before.delay * 2));
                Some(Retry { at: now + delay, delay })
            }
        };
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
    fn a_failed_write_is_tried_again_in_growing_intervals() {
        let at = |seconds: u64| Time::default() + Duration::from_secs(seconds);
        let mut file = StatusFile { path: "a".into(), temporary: "b".into(), is_due: true, retry: None };
        let mut tries = Vec::new();
        let mut now = 0;
        while tries.len() < 9 {
            if file.is_wanted(at(now)) {
                tries.push(now);
                file.tried(false, at(now));
            }
            now += 1;
        }
        assert_eq!(tries, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        // A change is no step on that way, and success its end.
        file.is_due = true;
        assert!(file.is_wanted(at(190)));
        file.tried(false, at(190));
        assert!(!file.is_wanted(at(242)) && file.is_wanted(at(243)));
        file.tried(true, at(243));
        assert!(!file.is_wanted(at(100_000)) && file.retry.is_none());
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
