//! What a pod and its containers say of users, rights and what is seen of the kernel. A container's word
//! counts before the pod's, field by field (rule 157); what counts where neither says anything depends on
//! the profile, and is the plan's to say.

mod decode;

pub(super) use decode::{pod_security_context, security_context};

use std::collections::BTreeSet;

/// `securityContext` of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSecurityContext {
    /// Of every container that says nothing else.
    pub run_as: RunAs,
    /// Groups that every process has beside its own, in order.
    pub supplemental_groups: Vec<u32>,
    /// What the groups of the image's user count for (rule 159).
    pub supplemental_groups_policy: SupplementalGroupsPolicy,
    /// Owns the volumes that have owners, and is a supplementary group (rule 151).
    pub fs_group: Option<u32>,
    /// Whether a volume that looks right is gone through.
    pub fs_group_change_policy: FsGroupChangePolicy,
    /// In order; names with dots. Only those that belong to a namespace (rule 156).
    pub sysctls: Vec<Sysctl>,
    /// Of every container that says nothing else.
    pub profiles: SecurityProfiles,
}

/// `securityContext` of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityContext {
    /// Before the pod's, field by field.
    pub run_as: RunAs,
    /// Changes of the default set.
    pub capabilities: CapabilityChanges,
    /// All rights, the host's devices, nothing masked.
    pub privileged: bool,
    /// `false` sets no_new_privs; `None` is Kubernetes' default, that is true.
    pub allow_privilege_escalation: Option<bool>,
    /// The root file system cannot be written to; volumes can.
    pub read_only_root_filesystem: bool,
    /// What of /proc is masked.
    pub proc_mount: ProcMount,
    /// Before the pod's, field by field.
    pub profiles: SecurityProfiles,
}

/// As whom processes run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunAs {
    /// Never 4294967295, which setresuid(2) takes for "no change".
    pub user: Option<u32>,
    /// Likewise.
    pub group: Option<u32>,
    /// `true` refuses user 0 (rule 158).
    pub non_root: Option<bool>,
}

/// What the kernel's security modules and filters are to enforce.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityProfiles {
    /// System calls.
    pub seccomp: Option<SecurityProfile>,
    /// AppArmor.
    pub app_armor: Option<SecurityProfile>,
    /// SELinux.
    pub se_linux: Option<SeLinuxOptions>,
}

/// A profile of seccomp or AppArmor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecurityProfile {
    /// The usual one.
    RuntimeDefault,
    /// A file below the directory of profiles for seccomp, a loaded profile's name for AppArmor.
    Localhost(String),
    /// None.
    Unconfined,
}

/// A label of SELinux; an empty part is the default's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeLinuxOptions {
    /// `user` of the label.
    pub user: String,
    /// `role` of the label.
    pub role: String,
    /// `type` of the label.
    pub type_: String,
    /// `level` of the label.
    pub level: String,
}

/// What the groups count for that the image's /etc/group gives its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SupplementalGroupsPolicy {
    /// They come on top.
    #[default]
    Merge,
    /// Only what the pod lists.
    Strict,
}

/// Whether a volume's files are gone through for `fsGroup`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsGroupChangePolicy {
    /// Each time.
    #[default]
    Always,
    /// Only where the volume's root does not look right.
    OnRootMismatch,
}

/// What is seen of /proc.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcMount {
    /// Without what tells of or changes the host (rule 162).
    #[default]
    Default,
    /// All of it; only with a user namespace.
    Unmasked,
}

/// A kernel parameter of the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// Its parts separated by dots.
    pub name: String,
    /// Written as it is.
    pub value: String,
}

/// What a container has more and less than the default capabilities. Dropping comes first (rule 160).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapabilityChanges {
    /// Added.
    pub add: CapabilitySet,
    /// Dropped.
    pub drop: CapabilitySet,
}

/// Some capabilities, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CapabilitySet {
    /// These.
    These(BTreeSet<Capability>),
    /// `ALL`.
    All,
}

impl Default for CapabilitySet {
    fn default() -> Self {
        Self::These(BTreeSet::new())
    }
}

/// A capability of Linux, by its number (capabilities(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capability(u8);

/// In the order of their numbers.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

impl Capability {
    /// To trace, mount and much more; what is nearly everything.
    pub const SYS_ADMIN: Self = Self(21);

    /// The capability of this name, without `CAP_`.
    pub fn named(name: &str) -> Option<Self> {
        let number = CAPABILITIES.iter().position(|known| *known == name)?;
        u8::try_from(number).ok().map(Self)
    }

    /// As Kubernetes calls it, without `CAP_`.
    pub fn name(self) -> &'static str {
        CAPABILITIES.get(usize::from(self.0)).copied().unwrap_or_default()
    }

    /// As the kernel counts it.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Every capability that has a name.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).zip(CAPABILITIES).map(|(number, _)| Self(number))
    }

    /// What containers have by default, as Docker's.
    pub fn usual() -> impl Iterator<Item = Self> {
        [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31].into_iter().map(Self)
    }
}
