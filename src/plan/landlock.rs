//! What stands in for a read-only root where no mount can be made, and only where its loss was accepted: a
//! ruleset of Landlock (landlock(7)), by which a container's processes cannot write but where a read-only
//! root would leave them. It is weaker, and said to be. Pure.

use super::lost::Instead;
use super::mounts::is_read_only;
use crate::spec::{Container, Pod, Profile};

/// A ruleset: no writing but below these paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landlock {
    /// The kernel's version of the interface.
    pub abi: u32,
    /// Where writing is allowed, as podinit sees it. What is not there allows nothing.
    pub writable: Vec<Writable>,
}

/// Where writing is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writable {
    /// Everything below this path.
    All(String),
    /// Files below this path that are there; none are made or removed.
    Files(String),
}

const WRITE_FILE: u64 = 1 << 1;
/// REMOVE_DIR, REMOVE_FILE, and MAKE_CHAR to MAKE_SYM.
const MAKE_AND_REMOVE: u64 = 0b1_1111_1111 << 4;
/// Moving and linking between directories.
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;

/// The version that knows [`REFER`]; before it nothing moves between directories, wherever they are.
const ABI_OF_REFER: u32 = 2;
/// The version that knows [`TRUNCATE`].
const ABI_OF_TRUNCATE: u32 = 3;

impl Landlock {
    /// Rights that are forbidden where no rule allows them, as bits of linux/landlock.h. Devices can be
    /// controlled, as on a root that is read-only.
    pub fn forbidden(&self) -> u64 {
        let since = |abi: u32, right: u64| if self.abi >= abi { right } else { 0 };
        WRITE_FILE | MAKE_AND_REMOVE | since(ABI_OF_REFER, REFER) | since(ABI_OF_TRUNCATE, TRUNCATE)
    }
}

impl Writable {
    /// The path.
    pub fn path(&self) -> &str {
        match self {
            Self::All(path) | Self::Files(path) => path,
        }
    }

    /// What of these rights is allowed there, as bits.
    pub fn allowed(&self, forbidden: u64) -> u64 {
        match self {
            Self::All(_) => forbidden,
            Self::Files(_) => forbidden & (WRITE_FILE | TRUNCATE),
        }
    }
}

/// What stands in for the container's read-only root; `None` where nothing can. `abi` is the kernel's.
pub(super) fn landlock(pod: &Pod, container: &Container, abi: Option<u32>) -> Option<Landlock> {
    let abi = abi.filter(|_| can_stand_in(container))?;
    let volumes = container.volume_mounts.iter().filter(|mount| !is_read_only(pod, mount));
    let volumes = volumes.map(|mount| Writable::All(mount.mount_path.clone()));
    // A container of a node has a /dev of its own, whose files in memory can be written.
    let of_node = (pod.profile == Profile::Pod).then_some(["/dev/shm", "/dev/mqueue"]);
    let of_node = of_node.into_iter().flatten().map(|path| Writable::All(path.to_owned()));
    let devices = Writable::Files("/dev".to_owned());
    Some(Landlock { abi, writable: [devices].into_iter().chain(of_node).chain(volumes).collect() })
}

/// A ruleset takes no_new_privs, which a container may have asked not to get.
fn can_stand_in(container: &Container) -> bool {
    let context = &container.security_context;
    context.read_only_root_filesystem
        && context.allow_privilege_escalation != Some(true)
        && !context.privileged
}

/// What the container has instead of a read-only root, in words.
pub(super) fn instead(container: &Container, abi: Option<u32>) -> Instead {
    let nothing = |why: &str| Instead::Nothing(format!("nothing stands in for it: {why}"));
    let Some(abi) = abi else {
        return nothing("this kernel has no Landlock");
    };
    if !can_stand_in(container) {
        return nothing(
            "Landlock forbids new privileges, which the container asks for (`allowPrivilegeEscalation: true` \
             or `privileged: true`)",
        );
    }
    let mut uncovered = "chmod, chown, times and extended attributes are not covered".to_owned();
    if abi < ABI_OF_TRUNCATE {
        uncovered.push_str(", nor is truncate");
    }
    if abi < ABI_OF_REFER {
        uncovered.push_str("; files cannot be moved between directories anywhere");
    }
    Instead::Weaker(format!(
        "Landlock (ABI {abi}) stands in, which is weaker: it forbids writing outside writable volumes, and new \
         privileges; {uncovered}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{MountPropagation, RecursiveReadOnly, SubPath, VolumeMount};

    fn container(change: impl Fn(&mut Container)) -> Container {
        let mut container = Container::named("main");
        container.security_context.read_only_root_filesystem = true;
        change(&mut container);
        container
    }

    fn made(profile: Profile, change: impl Fn(&mut Container)) -> Option<Landlock> {
        landlock(&Pod { profile, ..Pod::named("pod") }, &container(change), Some(7))
    }

    #[test]
    fn priv_12_volumes_can_be_written_as_they_could_be_without() {
        let mount = |path: &str, read_only| VolumeMount {
            name: "data".into(),
            mount_path: path.to_owned(),
            read_only,
            recursive_read_only: RecursiveReadOnly::Disabled,
            sub_path: SubPath::Whole,
            mount_propagation: MountPropagation::None,
        };
        let made = made(Profile::Process, |main| {
            main.volume_mounts = vec![mount("/data", false), mount("/config", true)];
        });
        let all = |path: &str| Writable::All(path.to_owned());
        let devices = Writable::Files("/dev".to_owned());
        assert_eq!(made.unwrap().writable, [devices.clone(), all("/data")]);
        let of_node = landlock(&Pod::named("pod"), &container(|_| {}), Some(7)).unwrap();
        assert_eq!(of_node.writable, [devices, all("/dev/shm"), all("/dev/mqueue")]);
    }

    #[test]
    fn priv_12_each_version_forbids_what_it_knows() {
        let forbidden = |abi| Landlock { abi, writable: Vec::new() }.forbidden();
        assert_eq!([1, 2, 3, 7].map(forbidden), [0x1ff2, 0x3ff2, 0x7ff2, 0x7ff2]);
        // Neither executing nor reading is forbidden (linux/landlock.h: bits 0, 2 and 3), nor device control.
        assert_eq!(forbidden(7) & (1 << 0 | 1 << 2 | 1 << 3 | 1 << 15), 0);
        assert_eq!(Writable::Files("/dev".into()).allowed(forbidden(3)), 1 << 1 | 1 << 14);
        let words = |abi| instead(&container(|_| {}), Some(abi)).words().to_owned();
        assert!(!words(7).contains("truncate") && words(2).contains("truncate"));
        assert!(words(1).contains("moved between directories"));
    }

    #[test]
    fn priv_12_who_asks_for_new_privileges_does_not_lose_them() {
        assert!(made(Profile::Pod, |_| {}).is_some());
        let asks = |main: &mut Container| main.security_context.allow_privilege_escalation = Some(true);
        assert_eq!(made(Profile::Pod, asks), None);
        assert_eq!(made(Profile::Pod, |main| main.security_context.privileged = true), None);
        let Instead::Nothing(why) = instead(&container(asks), Some(7)) else { panic!("it stands in") };
        assert!(why.contains("allowPrivilegeEscalation"), "{why}");
        let Instead::Nothing(why) = instead(&container(|_| {}), None) else { panic!("it stands in") };
        assert!(why.contains("no Landlock"), "{why}");
    }
}
