//! Volumes and where containers see them.

mod decode;
mod files;
mod mounts;

pub(super) use decode::{VolumeKind, Volumes, volumes};
pub(super) use mounts::{MountsOf, volume_mounts};

use std::sync::Arc;

use super::environment::{PodField, ResourceRef};
use super::quantity::Quantity;

/// A volume of the pod. Every volume has one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// DNS-1123 label, unique in the pod.
    pub name: Arc<str>,
    /// What is in it.
    pub source: VolumeSource,
}

/// What is in a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// Nothing at first; gone with the pod (rule 144).
    EmptyDir(EmptyDir),
    /// A file or directory of the host (rule 145).
    HostPath(HostPath),
    /// A directory of this host that outlives the pod, by the claim's name.
    PersistentVolumeClaim {
        /// Names the directory.
        claim_name: String,
        /// Nobody may write.
        read_only: bool,
    },
    /// The files of an image, to be read only (KEP-4639): of a directory that the command line gives for it.
    Image {
        /// The image's name.
        reference: String,
    },
    /// Files that podinit writes: of configMap, secret, downwardAPI and projected.
    Projected(Projected),
}

/// A directory for the pod's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmptyDir {
    /// In memory (a tmpfs).
    pub in_memory: bool,
    /// Bytes at most.
    pub size_limit: Option<Quantity>,
    /// Permissions of the directory; 0777 where nothing else is said.
    pub mode: u32,
}

/// A file or directory of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPath {
    /// Absolute, without `..`.
    pub path: String,
    /// What must be there, or is made.
    pub type_: HostPathType,
}

/// What must be at a path of the host (rule 145).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostPathType {
    /// Nothing is checked.
    #[default]
    Unset,
    /// A directory, made with mode 0755 where there is nothing.
    DirectoryOrCreate,
    /// A directory.
    Directory,
    /// A regular file, made empty with mode 0644 where there is nothing.
    FileOrCreate,
    /// A regular file.
    File,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

/// A directory of files that podinit writes, replaced as a whole when they change (rule 150).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projected {
    /// In order: of two files with one path the later counts.
    pub sources: Vec<ProjectedSource>,
    /// Permissions of files that say nothing else.
    pub default_mode: u32,
}

/// Where files come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectedSource {
    /// Keys of a ConfigMap of the manifest.
    ConfigMap(ProjectedObject),
    /// Keys of a Secret of the manifest.
    Secret(ProjectedObject),
    /// What the pod knows of itself.
    DownwardApi(Vec<DownwardFile>),
}

/// Keys of a ConfigMap or Secret as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectedObject {
    /// Its name, in the pod's namespace.
    pub name: String,
    /// Which keys; `None`: every key, as a file of its name.
    pub items: Option<Vec<KeyToPath>>,
    /// A missing object or key is no error.
    pub optional: bool,
}

/// A key of an object as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyToPath {
    /// Of the object.
    pub key: String,
    /// Relative, without `..`, and not beginning with it.
    pub path: String,
    /// Permissions; `None` is the volume's default.
    pub mode: Option<u32>,
}

/// A file that tells something of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownwardFile {
    /// Relative, without `..`.
    pub path: String,
    /// What it tells.
    pub value: DownwardValue,
    /// Permissions; `None` is the volume's default.
    pub mode: Option<u32>,
}

/// What a file tells of the pod (rule 138).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownwardValue {
    /// A field that variables have as well.
    Field(PodField),
    /// All labels, sorted, a line `key="escaped"` for each.
    Labels,
    /// All annotations, likewise.
    Annotations,
    /// An amount of a container that is named.
    Resource(ResourceRef),
}

/// Where a container sees a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeMount {
    /// A volume of the pod.
    pub name: Arc<str>,
    /// Absolute; unique in the container.
    pub mount_path: String,
    /// The container cannot write to it.
    pub read_only: bool,
    /// What is mounted below it cannot be written to either (rule 149).
    pub recursive_read_only: RecursiveReadOnly,
    /// What of the volume.
    pub sub_path: SubPath,
    /// Whether mounts made later are seen on the other side.
    pub mount_propagation: MountPropagation,
}

/// Which part of a volume (rule 148).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SubPath {
    /// All of it.
    #[default]
    Whole,
    /// Relative, without `..`.
    Path(String),
    /// The same, with `$(VAR)` from the container's environment.
    Expression(String),
}

/// Whether mounts below a read-only mount are read-only (rule 149).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecursiveReadOnly {
    /// As they are.
    #[default]
    Disabled,
    /// Where the kernel can.
    IfPossible,
    /// Always, or the container does not start.
    Enabled,
}

/// Whether mounts made later are seen on the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountPropagation {
    /// On neither side.
    #[default]
    None,
    /// The container sees what the host mounts.
    HostToContainer,
    /// The host sees as well what the container mounts.
    Bidirectional,
}
