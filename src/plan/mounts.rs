//! What a container mounts, in order, as data. Pure: where the pod's own files lie is the runtime's to know,
//! and so is how a mount is made.

use super::isolation::{ContainerIsolation, ProcessNamespace, Root};
use crate::spec::{
    Container, EmptyDir, HostPathType, MountPropagation, Pod, ProcMount, Projected, RecursiveReadOnly,
    SubPath, VolumeMount, VolumeSource, expand,
};

/// What a container's mount namespace is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountPlan {
    /// What becomes its root.
    pub root: Root,
    /// Nothing of the root itself can be written to; what is mounted below can.
    pub read_only_root: bool,
    /// Device nodes can be opened, wherever they are.
    pub devices: bool,
    /// In the order in which they are made: what is mounted below another comes after it.
    pub mounts: Vec<Mount>,
    /// What is covered by nothing.
    pub masked: Vec<&'static str>,
    /// What can only be read.
    pub read_only: Vec<&'static str>,
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where the container sees it; absolute.
    pub path: String,
    /// What is mounted.
    pub source: MountSource,
    /// Nothing of it can be executed.
    pub no_execution: bool,
    /// It cannot be written to.
    pub read_only: bool,
    /// What is mounted below it cannot be either.
    pub recursive_read_only: RecursiveReadOnly,
    /// Whether later mounts are seen on the other side.
    pub propagation: MountPropagation,
    /// What messages call it.
    pub name: String,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// The processes that the container sees.
    Proc,
    /// /proc as the host has it: a process namespace that is not the pod's has no other.
    HostProc,
    /// The kernel's objects, of the pod's network.
    Sys,
    /// /sys as the host has it.
    HostSys,
    /// /dev as the host has it.
    HostDev,
    /// A small /dev: null, zero, full, random, urandom, tty, pts, shm, mqueue.
    Dev,
    /// A file that the pod's containers share, by its name: hosts, hostname, resolv.conf.
    PodFile(&'static str),
    /// The file for the attempt's last message.
    TerminationLog,
    /// A volume, or a part of it.
    Volume {
        /// Position among the pod's volumes.
        volume: usize,
        /// Relative, without `..`; empty is all of it.
        sub_path: String,
    },
}

/// Where a volume is before it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumePlace<'a> {
    /// A directory of the pod's own: on disk.
    Disk(&'a EmptyDir),
    /// A directory of the pod's own: in memory.
    Memory(&'a EmptyDir),
    /// A path of the host.
    Host(&'a str, HostPathType),
    /// A directory that outlives the pod, by this name.
    Claim(&'a str),
    /// The directory of an image of this name.
    Image(&'a str),
    /// Files that podinit writes.
    Written(&'a Projected),
}

/// Where a volume is.
pub fn volume_place(source: &VolumeSource) -> VolumePlace<'_> {
    match source {
        VolumeSource::EmptyDir(directory) if directory.in_memory => VolumePlace::Memory(directory),
        VolumeSource::EmptyDir(directory) => VolumePlace::Disk(directory),
        VolumeSource::HostPath(host) => VolumePlace::Host(&host.path, host.type_),
        VolumeSource::PersistentVolumeClaim { claim_name, .. } => VolumePlace::Claim(claim_name),
        VolumeSource::Image { reference } => VolumePlace::Image(reference),
        VolumeSource::Projected(files) => VolumePlace::Written(files),
    }
}

/// Covered in /proc and /sys (rule 162); moby's list, `daemon/pkg/oci/defaults.go`.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// Only to be read (rule 162).
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Files that the pod's containers share: where, and their names.
pub(super) const POD_FILES: [(&str, &str); 3] =
    [("/etc/hosts", "hosts"), ("/etc/hostname", "hostname"), ("/etc/resolv.conf", "resolv.conf")];

/// The mounts of an attempt of a container that has a root of its own. `known` tells the container's
/// variables, for `subPathExpr`.
///
/// # Errors
/// What the container cannot be configured with, in words for people (rule 148).
pub fn mounts<'v>(
    pod: &Pod,
    container: &Container,
    isolation: &ContainerIsolation,
    known: impl Fn(&str) -> Option<&'v str>,
) -> Result<Option<MountPlan>, String> {
    let Some(root) = &isolation.root else { return Ok(None) };
    let mut mounts = Vec::new();
    let privileged = container.security_context.privileged;
    let has_network = isolation.as_on_node && !pod.sandbox.host.network;
    if isolation.processes != ProcessNamespace::Host {
        mounts.push(own("/proc", MountSource::Proc));
    } else if matches!(root, Root::Directory(_)) {
        mounts.push(own("/proc", MountSource::HostProc));
    }
    if isolation.as_on_node || matches!(root, Root::Directory(_)) {
        let sys = if has_network { MountSource::Sys } else { MountSource::HostSys };
        mounts.push(Mount { read_only: !privileged, ..own("/sys", sys) });
        mounts.push(own("/dev", if privileged { MountSource::HostDev } else { MountSource::Dev }));
    }
    for (path, name) in POD_FILES {
        // A volume of the container's own at this path is meant to be seen (rule 153).
        let is_covered = container.volume_mounts.iter().any(|mount| mount.mount_path == path);
        if isolation.as_on_node && !is_covered {
            mounts.push(own(path, MountSource::PodFile(name)));
        }
    }
    let has_dev = mounts.iter().any(|mount| mount.source == MountSource::Dev);
    // In a /dev of the host's nothing is made.
    if has_dev || container.termination_message_path != crate::spec::TERMINATION_LOG {
        mounts.push(own(&container.termination_message_path, MountSource::TerminationLog));
    }
    for mount in &container.volume_mounts {
        mounts.push(volume(pod, container, mount, &known)?);
    }
    mounts.sort_by_key(|mount| mount.path.split('/').filter(|part| !part.is_empty()).count());
    let hides = isolation.as_on_node && !privileged;
    let unmasked = container.security_context.proc_mount == ProcMount::Unmasked;
    let shown = |paths: &[&'static str]| -> Vec<&'static str> {
        let is_shown = |path: &&&'static str| hides && !(unmasked && path.starts_with("/proc"));
        paths.iter().filter(is_shown).copied().collect()
    };
    Ok(Some(MountPlan {
        root: root.clone(),
        read_only_root: container.security_context.read_only_root_filesystem,
        devices: privileged || !isolation.as_on_node,
        mounts,
        masked: shown(&MASKED),
        read_only: shown(&READ_ONLY),
    }))
}

/// A mount of podinit's own.
fn own(path: &str, source: MountSource) -> Mount {
    Mount {
        path: path.to_owned(),
        source,
        read_only: false,
        no_execution: false,
        recursive_read_only: RecursiveReadOnly::Disabled,
        propagation: MountPropagation::None,
        name: path.to_owned(),
    }
}

fn volume<'v>(
    pod: &Pod,
    container: &Container,
    mount: &VolumeMount,
    known: &impl Fn(&str) -> Option<&'v str>,
) -> Result<Mount, String> {
    let position = pod.volumes.iter().position(|volume| volume.name == mount.name);
    let volume = position.and_then(|position| Some((position, pod.volumes.get(position)?)));
    let Some((position, volume)) = volume else {
        return Err(format!("cannot mount volume {}: the pod has none of this name", mount.name));
    };
    let of_image = matches!(volume.source, VolumeSource::Image { .. });
    let sub_path = match &mount.sub_path {
        SubPath::Whole => String::new(),
        SubPath::Path(path) => path.clone(),
        SubPath::Expression(expression) => sub_path(expression, known).map_err(|why| {
            format!("cannot use subPathExpr {expression:?} of container {}: {why}", container.name)
        })?,
    };
    Ok(Mount {
        path: mount.mount_path.clone(),
        source: MountSource::Volume { volume: position, sub_path },
        read_only: is_read_only(pod, mount),
        no_execution: of_image,
        // Nothing of an image can be written to, whatever is mounted in its directory.
        recursive_read_only: if of_image { RecursiveReadOnly::Enabled } else { mount.recursive_read_only },
        propagation: mount.mount_propagation,
        name: format!("volume {:?} at {}", mount.name, mount.mount_path),
    })
}

/// Whether the container cannot write there. Kubernetes mounts what it writes itself for reading only.
pub(super) fn is_read_only(pod: &Pod, mount: &VolumeMount) -> bool {
    let volume = pod.volumes.iter().find(|volume| volume.name == mount.name);
    mount.read_only
        || volume.is_some_and(|volume| match volume.source {
            VolumeSource::PersistentVolumeClaim { read_only, .. } => read_only,
            VolumeSource::Projected(_) | VolumeSource::Image { .. } => true,
            VolumeSource::EmptyDir(_) | VolumeSource::HostPath(_) => false,
        })
}

/// What a subPathExpr comes to (rule 148).
fn sub_path<'v>(expression: &str, known: &impl Fn(&str) -> Option<&'v str>) -> Result<String, String> {
    let unknown = std::cell::Cell::new(None);
    let path = expand(expression, |name| {
        let value = known(name);
        if value.is_none() {
            unknown.set(Some(name.to_owned()));
        }
        value
    });
    match unknown.take() {
        Some(name) => Err(format!("there is no variable {name}")),
        None if path.is_empty() => Err("it comes to nothing".to_owned()),
        None if path.starts_with('/') => Err("it comes to an absolute path".to_owned()),
        None if path.split('/').any(|part| part == "..") => Err("it comes to a path with `..`".to_owned()),
        None => Ok(path),
    }
}
