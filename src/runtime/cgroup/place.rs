//! Where in the host's tree a pod's group may be: below podinit's own group where that was delegated, else
//! at the top, where only root may. Knows how hosts are set up and nothing of pods.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::obstacle::Obstacle;
use crate::sys;

/// Where cgroup v2 is mounted: alone, or beside v1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// systemd's mark on a group that it leaves to whoever runs there.
const DELEGATED: [&std::ffi::CStr; 2] = [c"user.delegate", c"trusted.delegate"];

/// The group below which podinit makes its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// podinit itself is in it, and must not be where its controllers are handed on to groups below.
    pub(super) holds_podinit: bool,
    /// podinit's own groups, of v1 and of v2: /proc/self/cgroup.
    pub(super) own: String,
}

/// Finds it. Changes nothing.
pub(super) fn find() -> Result<Place, Obstacle> {
    let is_v2 =
        |path: &&&str| statfs(**path).is_ok_and(|found| found.filesystem_type() == CGROUP2_SUPER_MAGIC);
    let mount = Path::new(MOUNTS.iter().find(is_v2).ok_or(Obstacle::NotMounted)?);
    let list = fs::read_to_string("/proc/self/cgroup").map_err(|_| Obstacle::NotMounted)?;
    let own = own_group(&list).map(|own| mount.join(own));
    let place = |path, holds_podinit| Place { path, holds_podinit, own: list.clone() };
    let at_the_top = |is_own| place(mount.to_owned(), is_own && !is_first_of_all(mount));
    let is_root = nix::unistd::geteuid().is_root();
    let is_delegated = |path: &PathBuf| DELEGATED.iter().any(|name| sys::has_attribute(path, name));
    match own {
        Some(own) if own == mount => Ok(at_the_top(true)),
        Some(own) if !is_root || is_delegated(&own) => Ok(place(own, true)),
        Some(_) => Ok(at_the_top(false)),
        None if is_root => Ok(at_the_top(false)),
        None => Err(Obstacle::OutOfSight),
    }
}

/// Whether processes may be in it beside other groups: in the host's very first group. One that is the first of a
/// cgroup namespace is like any other.
fn is_first_of_all(mount: &Path) -> bool {
    !mount.join("cgroup.events").exists()
}

/// podinit's own group below the mount, from /proc/self/cgroup; `None` where it is not below.
fn own_group(list: &str) -> Option<&str> {
    let path = list.lines().find_map(|line| line.strip_prefix("0::/"))?;
    (!path.split('/').any(|part| part == "..")).then_some(path)
}

/// Whether the controller is cgroup v1's on this host, from /proc/self/cgroup.
pub(super) fn is_of_v1(list: &str, controller: &str) -> bool {
    let controllers = list.lines().filter_map(|line| line.split(':').nth(1));
    controllers.flat_map(|names| names.split(',')).any(|name| name == controller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_the_line_of_v2() {
        let hybrid = "4:memory:/x\n1:name=systemd:/y\n0::/user.slice/a.scope\n";
        assert_eq!(own_group(hybrid), Some("user.slice/a.scope"));
        assert_eq!(own_group("0::/\n"), Some(""));
        assert_eq!(own_group("0::/../../system.slice\n"), None);
        assert_eq!(own_group("4:memory:/x\n"), None);
    }

    #[test]
    fn a_controller_of_v1_is_told_by_its_line() {
        let hybrid = "5:cpu,cpuacct:/\n4:memory:/x\n1:name=systemd:/y\n0::/\n";
        assert_eq!(["cpu", "memory", "pids"].map(|name| is_of_v1(hybrid, name)), [true, true, false]);
    }
}
