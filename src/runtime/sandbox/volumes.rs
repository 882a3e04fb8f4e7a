//! The pod's volumes, made before the first container starts. What a container sees of them, and where, is
//! in `mounts`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::unistd::{Gid, chown};

use super::Sandbox;
use super::mounts::{VolumeAt, c_string};
use super::ownership::{self, Owned};
use super::place::{self, Disk, Place, c_path};
use super::written::{Workshop, Written};
use crate::plan::{self, Ids, Surroundings, VolumeFilesRead, VolumePlace, volume_place};
use crate::runtime::cause;
use crate::spec::{FsGroupChangePolicy, HostPathType, Pod, Projected, Volume, VolumeSource};
use crate::sys::{self, MountAttributes, Within};

/// Where volumes are made.
pub(super) struct Places<'a> {
    pub(super) place: &'a Place,
    pub(super) ids: Ids,
    /// They are of a user namespace that the supervisor is not in.
    pub(super) own_users: bool,
    /// For what has to be on disk.
    pub(super) base: Option<&'a Path>,
    /// Directories by image.
    pub(super) images: &'a BTreeMap<String, String>,
}

/// What was made.
pub(super) struct Made {
    /// In the pod's order.
    pub(super) volumes: Vec<VolumeAt>,
    /// Those whose files are to become the group's.
    pub(super) owned: Vec<Owned>,
    /// Those of files that podinit writes.
    pub(super) files: Files,
}

/// Volumes of files that podinit writes, by their positions.
#[derive(Debug, Default)]
pub(super) struct Files {
    workshop: Option<Workshop>,
    written: BTreeMap<usize, Written>,
}

/// Makes every volume.
pub(super) fn set_up(
    pod: &Pod,
    at: &Places<'_>,
    surroundings: &Surroundings,
    disk: &mut Option<Disk>,
) -> Result<Made, String> {
    let (mut volumes, mut files) = (Vec::new(), Files::default());
    for (position, volume) in pod.volumes.iter().enumerate() {
        if let VolumePlace::Written(projected) = volume_place(&volume.source) {
            volumes.push(files.make(pod, (position, volume), projected, at, surroundings)?);
        } else {
            volumes.push(one(pod, volume, at, disk)?);
        }
    }
    let owned = pod.security_context.fs_group.map(|group| owned(pod, &volumes, group));
    Ok(Made { volumes, owned: owned.unwrap_or_default(), files })
}

/// What there was before the pod becomes the group's (rule 151). Everything else was made so.
fn owned(pod: &Pod, made: &[VolumeAt], group: u32) -> Vec<Owned> {
    let policy = pod.security_context.fs_group_change_policy;
    let is_skipped = |path: &Path| match policy {
        FsGroupChangePolicy::Always => false,
        FsGroupChangePolicy::OnRootMismatch => ownership::is_given(path, group),
    };
    let mut owned = Vec::new();
    for (volume, at) in pod.volumes.iter().zip(made) {
        let is_claim = matches!(volume.source, VolumeSource::PersistentVolumeClaim { read_only: false, .. });
        if is_claim && !is_skipped(&at.path) {
            owned.push(Owned { volume: Arc::clone(&volume.name), path: at.path.clone(), policy });
        }
    }
    owned
}

fn one(pod: &Pod, volume: &Volume, at: &Places<'_>, disk: &mut Option<Disk>) -> Result<VolumeAt, String> {
    let cannot = |error: io::Error| format!("cannot make volume {:?}: {}", volume.name, cause(error));
    let group = group(pod, at)?;
    let ours = |path: PathBuf, mode: u32| {
        let parts = Some(mode | if group.is_some() { ownership::DIRECTORY } else { 0 });
        VolumeAt { path, type_: HostPathType::Directory, parts, namespaces: [None; 2] }
    };
    match volume_place(&volume.source) {
        VolumePlace::Memory(directory) => {
            let below = format!("volumes/{}", volume.name);
            let path = at.place.path(&below);
            fs::create_dir(&path).map_err(cannot)?;
            let mode = c_string(&format!("{:o}", directory.mode));
            let size = directory.size_limit.as_ref().map(|limit| c_string(&limit.units().to_string()));
            let mut options = vec![(c"mode", Some(mode.as_c_str()))];
            options.extend(size.as_ref().map(|size| (c"size", Some(size.as_c_str()))));
            let attributes = MountAttributes::NO_DEVICES.and(MountAttributes::NO_SET_USER_ID);
            at.place.mount_at(Path::new(&below), c"tmpfs", &options, attributes).map_err(cannot)?;
            give_to(&path, group).map_err(cannot)?;
            Ok(ours(path, directory.mode))
        }
        VolumePlace::Disk(directory) => {
            let disk = match disk {
                Some(disk) => disk,
                None => disk.insert(Disk::take(at.base, &pod.metadata.name)?),
            };
            let path = disk.make(&volume.name, directory.mode).map_err(cannot)?;
            give_to(&path, group).map_err(cannot)?;
            Ok(ours(path, directory.mode))
        }
        VolumePlace::Host(path, type_) => {
            Ok(VolumeAt { path: path.into(), type_, parts: None, namespaces: [None; 2] })
        }
        VolumePlace::Claim(name) => {
            let path = place::claim(at.base, name)?;
            let mode = fs::metadata(&path).map_err(cannot)?.permissions().mode();
            Ok(ours(path, mode & 0o7777))
        }
        VolumePlace::Image(reference) => {
            let directory = at.images.get(reference);
            let directory = directory.ok_or_else(|| {
                format!(
                    "cannot make volume {:?}: no directory was given for image {reference:?}",
                    volume.name
                )
            })?;
            Ok(VolumeAt {
                path: directory.into(),
                type_: HostPathType::Directory,
                parts: None,
                namespaces: [None; 2],
            })
        }
        VolumePlace::Written(_) => {
            Err(format!("cannot make volume {:?}: its files are written", volume.name))
        }
    }
}

/// The group that volumes are given to; the pod has it.
fn group(pod: &Pod, at: &Places<'_>) -> Result<Option<u32>, String> {
    match pod.security_context.fs_group.filter(|group| !at.ids.has(*group)) {
        Some(group) => Err(format!(
            "cannot give volumes to fsGroup {group}: {}; {}",
            at.ids.words(),
            super::ids_remedy(at.ids, at.own_users)
        )),
        None => Ok(pod.security_context.fs_group),
    }
}

impl Files {
    fn make(
        &mut self,
        pod: &Pod,
        (position, volume): (usize, &Volume),
        projected: &Projected,
        at: &Places<'_>,
        surroundings: &Surroundings,
    ) -> Result<VolumeAt, String> {
        let cannot = |why: String| format!("cannot make volume {:?}: {why}", volume.name);
        let group = group(pod, at)?;
        let path = at.place.path(&format!("volumes/{}", volume.name));
        let files = plan::volume_files(pod, projected, surroundings).map_err(cannot)?;
        let made = fs::create_dir(&path).and_then(|()| {
            let workshop = match &mut self.workshop {
                Some(workshop) => workshop,
                None => self.workshop.insert(Workshop::at(at.place.path("workshop"))?),
            };
            Written::new(&path, workshop, &files, group)
        });
        self.written.insert(position, made.map_err(|error| cannot(cause(error)))?);
        Ok(VolumeAt { path, type_: HostPathType::Directory, parts: None, namespaces: [None; 2] })
    }
}

impl Sandbox {
    /// Writes volumes of files anew where the pod as it is now gives them others. Gives their names, and
    /// what could not be done.
    pub(in crate::runtime) fn refresh(
        &mut self,
        pod: &Pod,
        surroundings: &Surroundings,
    ) -> (Vec<Arc<str>>, Vec<String>) {
        self.version += 1;
        refresh(pod, &mut self.files, surroundings, self.version)
    }

    /// Reads files of variables from volumes.
    pub(in crate::runtime) fn read_files<'f>(
        &self,
        pod: &Pod,
        files: impl Iterator<Item = (&'f Arc<str>, &'f str)>,
    ) -> VolumeFilesRead {
        let mut found = VolumeFilesRead::new();
        for (name, path) in files {
            let volume = pod.volumes.iter().position(|volume| volume.name == *name);
            // Without anybody who mounts something there are no volumes, and nothing is in them.
            let at = volume.and_then(|position| self.volumes.get(position));
            found
                .entry((Arc::clone(name), path.to_owned()))
                .or_insert_with(|| at.map_or(Ok(None), |at| read(at, path)));
        }
        found
    }
}

/// Writes those volumes anew whose files are others now, with a `version` that they have not had. Gives their
/// names, and what could not be done: such a volume stays as it was.
pub(super) fn refresh(
    pod: &Pod,
    files: &mut Files,
    surroundings: &Surroundings,
    version: u32,
) -> (Vec<Arc<str>>, Vec<String>) {
    let (mut written, mut problems) = (Vec::new(), Vec::new());
    let Some(workshop) = &files.workshop else { return (written, problems) };
    for (position, volume) in pod.volumes.iter().enumerate() {
        let VolumePlace::Written(projected) = volume_place(&volume.source) else { continue };
        let Some(holds) = files.written.get_mut(&position) else { continue };
        let renewed = plan::volume_files(pod, projected, surroundings).and_then(|files| {
            let group = pod.security_context.fs_group;
            holds.replace(workshop, &files, version, group).map_err(cause)
        });
        match renewed {
            Ok(true) => written.push(Arc::clone(&volume.name)),
            Ok(false) => {}
            Err(why) => problems.push(format!("volume {:?} stays as it was: {why}", volume.name)),
        }
    }
    (written, problems)
}

/// Bytes of a file of variables (KEP-3721).
const MOST_OF_FILE: u64 = 64 << 10;

/// What a file in a volume holds; `None` where there is none. A container may have put anything there: no link
/// leads out of the volume, and nothing but a regular file is waited for.
pub(super) fn read(at: &VolumeAt, path: &str) -> Result<Option<Vec<u8>>, String> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = sys::open_path(AT_FDCWD, &c_path(&at.path), OFlag::O_PATH, 0, Within::Host)
        .and_then(|volume| sys::open_path(volume.as_fd(), &c_string(path), flags, 0, Within::Beneath));
    let file = match opened {
        Ok(file) => fs::File::from(file),
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
        Err(Errno::EXDEV) => return Err("it leads out of the volume".to_owned()),
        Err(errno) => return Err(cause(errno)),
    };
    if !file.metadata().map_err(cause)?.is_file() {
        return Err("it is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MOST_OF_FILE + 1).read_to_end(&mut bytes).map_err(cause)?;
    if bytes.len() as u64 > MOST_OF_FILE {
        return Err("it has more than 64 KiB".to_owned());
    }
    Ok(Some(bytes))
}

/// The directory becomes the group's, and so does what is made in it (rule 151).
fn give_to(path: &Path, group: Option<u32>) -> io::Result<()> {
    let Some(group) = group else { return Ok(()) };
    chown(path, None, Some(Gid::from_raw(group)))?;
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | ownership::DIRECTORY))
}
