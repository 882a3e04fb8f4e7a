//! Volumes of which containers mount parts themselves, to be seen on the other side (`mountPropagation:
//! Bidirectional`): on the host, where the volume is the host's; else in the pod's other containers alone. The mount
//! namespaces that they are copied from; what is left on the host at the end.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};

use super::mounts::VolumeAt;
use super::place;
use crate::plan::{VolumePlace, volume_place};
use crate::runtime::{apart, cause};
use crate::spec::{MountPropagation, Pod, Volume};
use crate::sys::{self, Namespaces, Propagation, Within};

/// Where such volumes are.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The host's mount namespace, as long as something of it is asked for.
    host: Option<OwnedFd>,
    /// One in which the pod's own volumes are shared.
    pod: Option<OwnedFd>,
    /// What was mounted at and below each path of the host before the pod.
    before: Vec<(PathBuf, BTreeSet<PathBuf>)>,
}

/// A line of /proc/self/mountinfo (proc(5)).
struct Mounted {
    id: u32,
    at: PathBuf,
    is_shared: bool,
}

fn is_of_host(volume: &Volume) -> bool {
    matches!(volume_place(&volume.source), VolumePlace::Host(..))
}

/// Whether a container shows what it mounts in this volume.
fn is_shown(pod: &Pod, volume: &Volume) -> bool {
    let mut mounts = pod.iter().flat_map(|(.., container)| &container.volume_mounts);
    mounts
        .any(|mount| mount.name == volume.name && mount.mount_propagation == MountPropagation::Bidirectional)
}

impl Shared {
    /// Keeps the host's mount namespace, where a container's mounts are to be seen in it. Before the supervisor leaves
    /// that.
    ///
    /// # Errors
    /// Nothing that is mounted there would be seen elsewhere (containerd refuses that as well).
    pub(super) fn find(&mut self, pod: &Pod) -> Result<(), String> {
        for volume in pod.volumes.iter().filter(|volume| is_shown(pod, volume)) {
            let VolumePlace::Host(path, _) = volume_place(&volume.source) else { continue };
            let cannot = |why: String| {
                format!("cannot show this host what is mounted in volume {:?} ({path}): {why}", volume.name)
            };
            let path = existing(Path::new(path)).map_err(|errno| cannot(cause(errno)))?;
            let (canonical, mount) = open(&path).map_err(|errno| cannot(cause(errno)))?;
            let all = mounts();
            if let Some(found) = all.iter().find(|one| one.id == mount).filter(|found| !found.is_shared) {
                let at = found.at.display();
                return Err(cannot(format!(
                    "{at}, which it is on, is not shared; make it so with `mount --make-shared {at}`, or use \
                     mountPropagation HostToContainer"
                )));
            }
            let below = below(&canonical, all);
            self.before.push((canonical, below));
            let namespace = File::open("/proc/self/ns/mnt").map_err(|error| cannot(cause(error)))?;
            self.host = Some(namespace.into());
        }
        Ok(())
    }

    /// Whether there is a volume of that kind.
    pub(super) fn is_needed(&self) -> bool {
        self.host.is_some() || self.pod.is_some()
    }

    /// Makes a mount namespace in which those of the pod's own volumes are shared that containers mount in. They are
    /// there.
    pub(super) fn make(&mut self, pod: &Pod, volumes: &[VolumeAt]) -> Result<(), String> {
        let all = pod.volumes.iter().zip(volumes);
        let shown = all.filter(|(volume, _)| !is_of_host(volume) && is_shown(pod, volume));
        let paths: Vec<&Path> = shown.map(|(_, at)| at.path.as_path()).collect();
        self.pod = match paths.is_empty() {
            true => None,
            false => Some(shared_namespace(&paths).map_err(|errno| {
                format!("cannot share what containers mount in volumes: {}", cause(errno))
            })?),
        };
        Ok(())
    }

    /// The mount namespaces that mounts of a volume are copied from, as [`VolumeAt::namespaces`].
    pub(super) fn namespaces(&self, pod: &Pod, volume: &Volume) -> [Option<RawFd>; 2] {
        if !is_shown(pod, volume) {
            return [None; 2];
        }
        let (host, own) =
            (self.host.as_ref().map(AsRawFd::as_raw_fd), self.pod.as_ref().map(AsRawFd::as_raw_fd));
        // Who only looks on sees in the supervisor's namespace what is mounted on the host.
        if is_of_host(volume) { [None, host] } else { [own; 2] }
    }

    /// Says what containers have mounted on the host and not taken away, as is theirs to do in Kubernetes too.
    /// What is mounted at `own` and below is in podinit's own namespace.
    pub(super) fn tell_what_is_left(&self, own: Option<&Path>) {
        for (path, before) in &self.before {
            // The supervisor's own mounts follow the host's.
            let now = below(path, mounts());
            let is_own = |at: &&PathBuf| own.is_some_and(|own| at.starts_with(own));
            let left = now.difference(before).filter(|at| !is_own(at));
            let left: Vec<String> = left.map(|at| at.display().to_string()).collect();
            if !left.is_empty() {
                log::warn!(
                    "the pod has left mounts on this host: {}; take them away with `umount`",
                    left.join(", ")
                );
            }
        }
    }
}

/// The path, or what there is of it: the rest is made when a container starts.
fn existing(path: &Path) -> Result<PathBuf, Errno> {
    let mut path = path.to_owned();
    loop {
        // By a copy that may hang, as where a server of files is gone.
        let found = apart::apart(|| {
            sys::open_path(AT_FDCWD, &place::c_path(&path), OFlag::O_PATH, 0, Within::Host).map(|_| 0)
        });
        match found {
            Err(Errno::ENOENT) if path.pop() => {}
            other => return other.map(|_| path),
        }
    }
}

/// Where a path leads, and the mount that it is on.
fn open(path: &Path) -> Result<(PathBuf, u32), Errno> {
    let file = sys::open_path(AT_FDCWD, &place::c_path(path), OFlag::O_PATH, 0, Within::Host)?;
    let canonical =
        fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|_| Errno::ENOENT)?;
    Ok((canonical, place::mount_of(file.as_fd()).ok_or(Errno::ENOENT)?))
}

/// The mounts of this process's mount namespace.
fn mounts() -> Vec<Mounted> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (fields, _) = line.split_once(" - ")?;
            let mut fields = fields.split(' ');
            let id = fields.next()?.parse().ok()?;
            let at = PathBuf::from(unescaped(fields.nth(3)?));
            Some(Mounted { id, at, is_shared: fields.any(|field| field.starts_with("shared:")) })
        })
        .collect()
}

fn below(path: &Path, all: Vec<Mounted>) -> BTreeSet<PathBuf> {
    all.into_iter().map(|one| one.at).filter(|at| at.starts_with(path)).collect()
}

/// What stands there in place of white space and backslashes.
fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (escaped, meant) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(escaped, meant);
    }
    text
}

/// A copy of the supervisor's mount namespace, in which each of these is a mount of its own that is shared with the
/// copies of it.
fn shared_namespace(paths: &[&Path]) -> Result<OwnedFd, Errno> {
    let kind = SockType::SeqPacket;
    let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    apart::apart(|| {
        sys::unshare(Namespaces::MOUNT)?;
        for path in paths {
            let at = sys::open_path(AT_FDCWD, &place::c_path(path), OFlag::O_PATH, 0, Within::Host)?;
            let mount = sys::copy_mount(at.as_fd())?;
            for propagation in [Propagation::Private, Propagation::Shared] {
                sys::change_mount(mount.as_fd(), false, Default::default(), propagation)?;
            }
            sys::attach(mount.as_fd(), at.as_fd())?;
        }
        let namespace = File::open("/proc/self/ns/mnt").map_err(|_| Errno::ENOENT)?;
        let descriptors = [namespace.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        sendmsg::<()>(theirs.as_raw_fd(), &[std::io::IoSlice::new(b"-")], &rights, flags, None)?;
        Ok(0)
    })?;
    let [namespace] = sys::receive_descriptors(ours.as_fd()).ok_or(Errno::ECHILD)?;
    Ok(namespace)
}
