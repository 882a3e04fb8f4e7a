//! What a host allows, as data: each thing that a pod may need of it, whether it is there, and where it is
//! not, why and what helps. Pure: the runtime finds it out, by trying.

mod remedy;

use std::collections::{BTreeMap, BTreeSet};

pub use remedy::{Around, Knob, Signs, remedy};

use super::cgroup::Controller;
use super::isolation::{Isolation, ProcessNamespace, Root};
use super::labels::{app_armor_profile, has_se_linux_label};
use crate::spec::{Pod, Profile, SecurityProfile};

/// One thing that a host may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A user namespace, where podinit needs one to make the others.
    UserNamespace,
    /// A mount namespace whose mounts are not the host's.
    MountNamespace,
    /// A process namespace.
    ProcessNamespace,
    /// A network namespace.
    NetworkNamespace,
    /// A namespace of System V IPC and message queues.
    IpcNamespace,
    /// A UTS namespace, and a name in it.
    Hostname,
    /// A control group namespace.
    CgroupNamespace,
    /// fsopen(2), open_tree(2) and what belongs to them.
    MountApi,
    /// mount_setattr(2).
    MountAttributes,
    /// A /proc of a process namespace.
    Proc,
    /// A layer on top of a directory.
    Overlay,
    /// clone3(2).
    Clone3,
    /// Being born into a control group.
    CloneIntoCgroup,
    /// pidfd_open(2).
    Pidfd,
    /// openat2(2).
    Openat2,
    /// close_range(2).
    CloseRange,
    /// A control group of the pod's own.
    Cgroup,
    /// Limits of processor time.
    Cpu,
    /// Limits of memory.
    Memory,
    /// Limits of processes.
    Pids,
    /// Filters of system calls, with no_new_privs.
    Seccomp,
    /// The same without, which takes a right.
    SeccompByRight,
    /// Landlock.
    Landlock,
    /// AppArmor.
    AppArmor,
    /// The profile that `RuntimeDefault` stands for: it confines, or podinit may load it.
    DefaultAppArmor,
    /// SELinux.
    SeLinux,
    /// More user and group ids in a pod than one.
    Ids,
    /// Users of a pod's own where podinit is root: a user namespace, and files with its ids (`hostUsers: false`).
    OwnUsers,
    /// Becoming another user, as podinit is.
    ChangeUser,
    /// Other supplementary groups, as podinit is.
    Groups,
    /// Giving capabilities up for good, as podinit is.
    DropCapabilities,
    /// Being killed sooner than others where memory is short.
    RaiseOomScore,
    /// Being killed later.
    LowerOomScore,
    /// A way out of a network of the pod's own.
    Pasta,
}

impl Fact {
    /// Each, in the order in which they are shown.
    pub const ALL: [Self; 34] = [
        Self::UserNamespace,
        Self::MountNamespace,
        Self::ProcessNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::Hostname,
        Self::CgroupNamespace,
        Self::MountApi,
        Self::MountAttributes,
        Self::Proc,
        Self::Overlay,
        Self::Pasta,
        Self::Cgroup,
        Self::Cpu,
        Self::Memory,
        Self::Pids,
        Self::Ids,
        Self::OwnUsers,
        Self::ChangeUser,
        Self::Groups,
        Self::DropCapabilities,
        Self::Seccomp,
        Self::SeccompByRight,
        Self::Landlock,
        Self::AppArmor,
        Self::DefaultAppArmor,
        Self::SeLinux,
        Self::RaiseOomScore,
        Self::LowerOomScore,
        Self::Clone3,
        Self::CloneIntoCgroup,
        Self::Pidfd,
        Self::Openat2,
        Self::CloseRange,
    ];

    /// A word for programs.
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is, for people.
    pub fn title(self) -> &'static str {
        self.words().1
    }

    /// That limits by this controller can be had.
    pub fn of_limits(controller: Controller) -> Self {
        match controller {
            Controller::Cpu => Self::Cpu,
            Controller::Memory => Self::Memory,
            Controller::Pids => Self::Pids,
        }
    }

    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::UserNamespace => ("user-namespace", "user namespace"),
            Self::MountNamespace => ("mount-namespace", "mount namespace"),
            Self::ProcessNamespace => ("process-namespace", "process namespace"),
            Self::NetworkNamespace => ("network-namespace", "network namespace"),
            Self::IpcNamespace => ("ipc-namespace", "IPC namespace"),
            Self::Hostname => ("hostname", "UTS namespace, host name"),
            Self::CgroupNamespace => ("cgroup-namespace", "cgroup namespace"),
            Self::MountApi => ("mount-api", "new mounts (fsopen, open_tree)"),
            Self::MountAttributes => ("mount-attributes", "read-only mounts (mount_setattr)"),
            Self::Proc => ("proc", "/proc of its own"),
            Self::Overlay => ("overlay", "layers on directories (overlay)"),
            Self::Clone3 => ("clone3", "clone3"),
            Self::CloneIntoCgroup => ("clone-into-cgroup", "CLONE_INTO_CGROUP"),
            Self::Pidfd => ("pidfd", "pidfd_open"),
            Self::Openat2 => ("openat2", "openat2"),
            Self::CloseRange => ("close-range", "close_range"),
            Self::Cgroup => ("cgroup", "control groups"),
            Self::Cpu => ("cpu", "limits of cpu"),
            Self::Memory => ("memory", "limits of memory"),
            Self::Pids => ("pids", "limits of processes"),
            Self::Seccomp => ("seccomp", "seccomp with no_new_privs"),
            Self::SeccompByRight => ("seccomp-by-right", "seccomp without no_new_privs"),
            Self::Landlock => ("landlock", "Landlock"),
            Self::AppArmor => ("apparmor", "AppArmor"),
            Self::DefaultAppArmor => ("default-apparmor", "AppArmor's RuntimeDefault"),
            Self::SeLinux => ("selinux", "SELinux"),
            Self::Ids => ("ids", "users and groups in a pod"),
            Self::OwnUsers => ("own-users", "users of a pod's own (idmapped mounts)"),
            Self::ChangeUser => ("change-user", "another user, as podinit is"),
            Self::Groups => ("groups", "other groups, as podinit is"),
            Self::DropCapabilities => ("drop-capabilities", "fewer capabilities, as podinit is"),
            Self::RaiseOomScore => ("raise-oom-score", "raise oom_score_adj"),
            Self::LowerOomScore => ("lower-oom-score", "lower oom_score_adj"),
            Self::Pasta => ("pasta", "pasta"),
        }
    }
}

/// Why something is not there, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// The kernel's word, or what is missing.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

/// Something is there, with what there is to say of it, or it is not.
pub type Finding = Result<String, Lack>;

/// Which user and group ids there are in a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// All of this host's.
    Host,
    /// Only 0, which is whoever runs podinit. Supplementary groups cannot be set.
    Single,
    /// From 0 up to below this.
    Below(u32),
}

impl Ids {
    /// Whether this id is there.
    pub fn has(self, id: u32) -> bool {
        match self {
            Self::Host => true,
            Self::Single => id == 0,
            Self::Below(end) => id < end,
        }
    }

    /// Which are there, in words.
    pub fn words(self) -> String {
        match self {
            Self::Host => "every user and group is in the pod".to_owned(),
            Self::Single => "only user and group 0 are in the pod, whoever runs podinit".to_owned(),
            Self::Below(end) => format!("only users and groups below {end} are in the pod"),
        }
    }

    /// Whether supplementary groups can be set.
    pub fn allows_groups(self) -> bool {
        self != Self::Single
    }
}

/// What was found out. What nobody asked for is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// Each by itself.
    pub found: BTreeMap<Fact, Finding>,
    /// podinit may make namespaces without one of users.
    pub is_privileged: bool,
    /// User and group that podinit runs as.
    pub own: (u32, u32),
    /// Supplementary groups that podinit has.
    pub own_groups: Vec<u32>,
    /// Ids in a pod that has a user namespace; of a privileged podinit all.
    pub ids: Ids,
    /// Capabilities that podinit can hand on, as bits.
    pub capabilities: u64,
    /// Version of Landlock's interface, where it was asked for and is there.
    pub landlock: Option<u32>,
}

impl HostFacts {
    /// Why it is not there; `None` where it is, or where nobody asked.
    pub fn lack(&self, fact: Fact) -> Option<&Lack> {
        self.found.get(&fact).and_then(|found| found.as_ref().err())
    }
}

/// What a pod in these surroundings needs of its host, as far as it can be refused for want of it.
pub fn asked_of_host(pod: &Pod, isolation: &Isolation) -> BTreeSet<Fact> {
    let mut asked = BTreeSet::new();
    let mut ask = |is_asked: bool, facts: &[Fact]| {
        if is_asked {
            asked.extend(facts.iter().copied());
        }
    };
    let containers = || isolation.containers.iter();
    ask(isolation.is_needed(), &[Fact::UserNamespace]);
    ask(isolation.users, &[Fact::OwnUsers]);
    ask(isolation.network, &[Fact::NetworkNamespace]);
    ask(isolation.ipc, &[Fact::IpcNamespace]);
    ask(isolation.uts, &[Fact::Hostname]);
    let mounts = [Fact::MountNamespace, Fact::MountApi, Fact::MountAttributes, Fact::Openat2];
    ask(isolation.mounts, &mounts);
    ask(containers().any(|of| of.root.as_ref().is_some_and(Root::has_layer)), &[Fact::Overlay]);
    ask(pod.iter().any(|(.., it)| it.security_context.read_only_root_filesystem), &[Fact::Landlock]);
    let has_processes = containers().any(|of| of.processes != ProcessNamespace::Host);
    ask(has_processes, &[Fact::ProcessNamespace, Fact::Proc]);
    ask(containers().any(|of| of.cgroup), &[Fact::CgroupNamespace]);
    let is_pod = pod.profile == Profile::Pod;
    let all = &pod.security_context;
    let says = |asks: fn(&crate::spec::Container) -> bool| pod.iter().any(|(_, _, it)| asks(it));
    let has_user = |run_as: &crate::spec::RunAs| run_as.user.or(run_as.group).is_some_and(|id| id != 0);
    let other_user =
        has_user(&all.run_as) || pod.iter().any(|(.., it)| has_user(&it.security_context.run_as));
    let has_groups = !all.supplemental_groups.is_empty() || all.fs_group.is_some();
    ask(isolation.is_needed() && (other_user || has_groups), &[Fact::Ids]);
    ask(
        is_pod || other_user || has_groups || says(|it| it.security_context.run_as.user.is_some()),
        &[Fact::ChangeUser, Fact::Groups],
    );
    let changes = |it: &crate::spec::Container| it.security_context.capabilities != Default::default();
    ask(is_pod || pod.iter().any(|(.., it)| changes(it)), &[Fact::DropCapabilities]);
    let filters = says(|it| it.security_context.profiles.seccomp.is_some()) || all.profiles.seccomp.is_some();
    ask(is_pod || filters, &[Fact::Seccomp, Fact::SeccompByRight]);
    let app_armor: Vec<_> = pod.iter().filter_map(|(.., it)| app_armor_profile(pod, it)).collect();
    ask(!app_armor.is_empty(), &[Fact::AppArmor]);
    ask(app_armor.contains(&SecurityProfile::RuntimeDefault), &[Fact::DefaultAppArmor]);
    ask(has_se_linux_label(pod), &[Fact::SeLinux]);
    ask(crate::plan::wants_cgroups(pod), &[Fact::Cpu, Fact::Memory]);
    ask(pod.kubelet.pod_pids_limit.is_some(), &[Fact::Pids]);
    asked
}
