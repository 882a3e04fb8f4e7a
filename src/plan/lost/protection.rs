//! What can be given up by name, and a pod that does not ask for it any more.

use std::collections::BTreeSet;

use crate::plan::landlock;
use crate::spec::{Container, Pod, SecurityProfile};

/// A part of what keeps a pod apart, as `--degrade` calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// Users and groups other than podinit's.
    User,
    /// Exactly the capabilities asked for.
    Capabilities,
    /// Filters of system calls.
    Seccomp,
    /// Profiles of AppArmor's.
    AppArmor,
    /// Labels of SELinux's.
    SeLinux,
    /// Roots that cannot be written to.
    ReadOnlyRoot,
    /// The network namespace.
    Network,
    /// Process namespaces.
    Processes,
    /// The IPC namespace.
    Ipc,
    /// The UTS namespace.
    Hostname,
    /// Control group namespaces.
    Cgroup,
    /// Mount namespaces, with a /dev, /proc, /sys and /etc/hosts of the container's own.
    Mounts,
    /// Volumes: the container sees what the host has in their place.
    Volumes,
    /// Kernel parameters of the pod's own.
    Sysctls,
}

/// How a pod is without what was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduction {
    /// What was given up.
    pub without: BTreeSet<Protection>,
    /// User and group of podinit.
    pub own: (u32, u32),
    /// The version of Landlock that stands in for read-only roots.
    pub landlock: Option<u32>,
}

impl Reduction {
    /// The pod without these.
    pub fn of(&self, pod: &Pod) -> Pod {
        let mut pod = pod.clone();
        if self.without.contains(&Protection::ReadOnlyRoot) {
            let whole = pod.clone();
            each(&mut pod, |container| {
                if landlock::landlock(&whole, container, self.landlock).is_some() {
                    container.security_context.allow_privilege_escalation = Some(false);
                }
            });
        }
        for protection in &self.without {
            protection.take_from(&mut pod, self.own);
        }
        pod
    }
}

impl Protection {
    /// Each.
    pub const ALL: [Self; 14] = [
        Self::User,
        Self::Capabilities,
        Self::Seccomp,
        Self::AppArmor,
        Self::SeLinux,
        Self::ReadOnlyRoot,
        Self::Network,
        Self::Processes,
        Self::Ipc,
        Self::Hostname,
        Self::Cgroup,
        Self::Mounts,
        Self::Volumes,
        Self::Sysctls,
    ];

    /// What `--degrade` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Capabilities => "capabilities",
            Self::Seccomp => "seccomp",
            Self::AppArmor => "apparmor",
            Self::SeLinux => "selinux",
            Self::ReadOnlyRoot => "read-only-root",
            Self::Network => "network",
            Self::Processes => "processes",
            Self::Ipc => "ipc",
            Self::Hostname => "hostname",
            Self::Cgroup => "cgroup",
            Self::Mounts => "mounts",
            Self::Volumes => "volumes",
            Self::Sysctls => "sysctls",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protection| protection.name() == name)
    }

    /// The pod asks for it no more, as far as a field does. `own` are user and group of podinit.
    pub(super) fn take_from(self, pod: &mut Pod, own: (u32, u32)) {
        match self {
            Self::User => {
                let context = &mut pod.security_context;
                (context.supplemental_groups, context.fs_group) = (Vec::new(), None);
                (context.run_as.user, context.run_as.group) = (Some(own.0), Some(own.1));
                each(pod, |container| {
                    let run_as = &mut container.security_context.run_as;
                    (run_as.user, run_as.group) = (None, None);
                });
            }
            Self::Seccomp => {
                pod.security_context.profiles.seccomp = None;
                each(pod, |container| {
                    container.security_context.profiles.seccomp = Some(SecurityProfile::Unconfined);
                });
            }
            Self::AppArmor => {
                pod.security_context.profiles.app_armor = None;
                each(pod, |container| container.security_context.profiles.app_armor = None);
            }
            Self::SeLinux => {
                pod.security_context.profiles.se_linux = None;
                each(pod, |container| container.security_context.profiles.se_linux = None);
            }
            Self::ReadOnlyRoot => {
                each(pod, |container| container.security_context.read_only_root_filesystem = false);
            }
            Self::Network => pod.sandbox.host.network = true,
            Self::Processes => {
                (pod.sandbox.host.pid, pod.sandbox.share_process_namespace) = (true, false);
            }
            Self::Ipc => pod.sandbox.host.ipc = true,
            Self::Volumes => each(pod, |container| container.volume_mounts.clear()),
            Self::Sysctls => pod.security_context.sysctls.clear(),
            // No field asks for these, or none for all of it: they are taken from what surrounds the pod.
            Self::Capabilities | Self::Hostname | Self::Cgroup | Self::Mounts => {}
        }
    }
}

fn each(pod: &mut Pod, change: impl Fn(&mut Container)) {
    let all = pod.init_containers.iter_mut().chain(&mut pod.containers);
    all.for_each(change);
}
