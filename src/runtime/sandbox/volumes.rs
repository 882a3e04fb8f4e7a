//! The pod's volumes, made before the first container starts. What a container sees of them, and where, is
//! in `mounts`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, chown};

use super::mounts::{VolumeAt, c_string};
use super::place::{self, Disk, Place};
use super::written;
use crate::plan::{self, Ids, Surroundings, VolumePlace, volume_place};
use crate::runtime::cause;
use crate::spec::{HostPathType, Pod, Volume};
use crate::sys::MountAttributes;

/// Where volumes are made.
pub(super) struct Places<'a> {
    pub(super) place: &'a Place,
    pub(super) ids: Ids,
    /// They are of a user namespace that the supervisor is not in.
    pub(super) own_users: bool,
    /// For what has to be on disk.
    pub(super) base: Option<&'a Path>,
}

/// Makes every volume.
pub(super) fn set_up(
    pod: &Pod,
    at: &Places<'_>,
    surroundings: &Surroundings,
    disk: &mut Option<Disk>,
) -> Result<Vec<VolumeAt>, String> {
    let mut made = Vec::new();
    for volume in &pod.volumes {
        made.push(one(pod, volume, at, surroundings, disk)?);
    }
    Ok(made)
}

fn one(
    pod: &Pod,
    volume: &Volume,
    at: &Places<'_>,
    surroundings: &Surroundings,
    disk: &mut Option<Disk>,
) -> Result<VolumeAt, String> {
    let cannot = |error: io::Error| format!("cannot make volume {:?}: {}", volume.name, cause(error));
    let group = pod.security_context.fs_group;
    if let Some(group) = group.filter(|group| !at.ids.has(*group)) {
        return Err(format!(
            "cannot give volumes to fsGroup {group}: the pod has no such id; {}",
            super::ids_remedy(at.ids, at.own_users)
        ));
    }
    let ours = |path: PathBuf| VolumeAt {
        path,
        type_: HostPathType::Directory,
        is_ours: true,
        namespaces: [None; 2],
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
            Ok(ours(path))
        }
        VolumePlace::Disk(directory) => {
            let disk = match disk {
                Some(disk) => disk,
                None => disk.insert(Disk::take(at.base, &pod.metadata.name)?),
            };
            let path = disk.make(&volume.name, directory.mode).map_err(cannot)?;
            give_to(&path, group).map_err(cannot)?;
            Ok(ours(path))
        }
        VolumePlace::Host(path, type_) => {
            Ok(VolumeAt { path: path.into(), type_, is_ours: false, namespaces: [None; 2] })
        }
        VolumePlace::Claim(name) => {
            let path = place::claim(at.base, name)?;
            give_to(&path, group).map_err(cannot)?;
            Ok(ours(path))
        }
        VolumePlace::Written(projected) => {
            let path = at.place.path(&format!("volumes/{}", volume.name));
            let files = plan::volume_files(pod, projected, surroundings)
                .map_err(|why| format!("cannot make volume {:?}: {why}", volume.name))?;
            fs::create_dir(&path).map_err(cannot)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(cannot)?;
            written::write(&path, &files, 0, group).map_err(cannot)?;
            Ok(VolumeAt { is_ours: false, ..ours(path) })
        }
    }
}

/// The directory becomes the group's, and so does what is made in it (rule 151).
fn give_to(path: &Path, group: Option<u32>) -> io::Result<()> {
    let Some(group) = group else { return Ok(()) };
    chown(path, None, Some(Gid::from_raw(group)))?;
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o2770))
}
