//! What helps where a host does not allow something: the exact knob, option or version (ROOTLESS-01,
//! ROOTLESS-04). Knows causes as the kernel gives them, and what runs around podinit.

use super::Fact;
use crate::plan::users::{IDS_OF_POD, OWNER_OF_RANGES};

/// What there is to be seen of why a host refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// A switch of the kernel's that is off.
    pub knob: Option<Knob>,
    /// A seccomp filter judges podinit's system calls.
    pub is_filtered: bool,
    /// no_new_privs is set: set-user-id programs such as newuidmap gain nothing.
    pub no_new_privileges: bool,
    /// What podinit runs in.
    pub around: Around,
}

/// A switch of the kernel's that keeps user namespaces from being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knob {
    /// user.max_user_namespaces is 0.
    MaxUserNamespaces,
    /// kernel.unprivileged_userns_clone is 0 (Debian, before 11).
    UnprivilegedUserNamespaces,
    /// kernel.apparmor_restrict_unprivileged_userns is 1 (Ubuntu).
    AppArmorRestricts,
}

/// What podinit runs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Around {
    /// A host, or a container that nothing tells of.
    #[default]
    Unknown,
    /// A container of Docker's.
    Docker,
    /// A container of Podman's.
    Podman,
    /// A container of a Kubernetes pod.
    Kubernetes,
}

const EPERM: i32 = 1;
const EINVAL: i32 = 22;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;
const ENOSYS: i32 = 38;

/// What helps where the kernel refuses this with this error.
pub fn remedy(fact: Fact, errno: i32, signs: &Signs) -> String {
    let new_kernel = |version: &str| format!("use Linux {version} or later");
    let is_missing = errno == ENOSYS && !signs.is_filtered || errno == EINVAL;
    match fact {
        Fact::UserNamespace
        | Fact::MountNamespace
        | Fact::ProcessNamespace
        | Fact::NetworkNamespace
        | Fact::IpcNamespace
        | Fact::Hostname
        | Fact::CgroupNamespace => namespaces(fact, errno, signs),
        Fact::Proc if errno == EPERM && !signs.is_filtered => uncovered(signs.around).to_owned(),
        Fact::MountApi if is_missing => new_kernel("5.2"),
        Fact::MountAttributes if is_missing => new_kernel("5.12"),
        Fact::Overlay if is_missing => {
            format!("load the module overlay; for an ordinary user, {}", new_kernel("5.11"))
        }
        Fact::MountApi | Fact::MountAttributes | Fact::Proc | Fact::Overlay => {
            namespaces(fact, errno, signs)
        }
        Fact::Clone3 | Fact::CloneIntoCgroup if signs.is_filtered => {
            "nothing has to be done: podinit makes do with clone".to_owned()
        }
        Fact::Clone3 => new_kernel("5.3"),
        Fact::CloneIntoCgroup => new_kernel("5.7"),
        Fact::Pidfd => new_kernel("5.3"),
        Fact::Openat2 => new_kernel("5.6"),
        Fact::CloseRange => new_kernel("5.9"),
        Fact::Seccomp => "use a kernel with CONFIG_SECCOMP_FILTER".to_owned(),
        Fact::SeccompByRight if errno == EACCES || errno == EPERM => {
            "write `allowPrivilegeEscalation: false`, with which a filter takes no right".to_owned()
        }
        Fact::SeccompByRight => "use a kernel with CONFIG_SECCOMP_FILTER".to_owned(),
        Fact::Landlock => "use Linux 5.13 or later with `landlock` among the `lsm=` of its command line".to_owned(),
        Fact::AppArmor => "use a kernel that has it, with `apparmor=1 security=apparmor` on its command line; only pods that \
            ask for a profile need it"
            .to_owned(),
        Fact::DefaultAppArmor => "install apparmor_parser (package apparmor), which podinit as root has load its profile; \
            only pods that ask for it need it"
            .to_owned(),
        Fact::SeLinux => "use a system that has it; only pods that ask for a label need it".to_owned(),
        Fact::Ids if signs.no_new_privileges => {
            "start podinit without no_new_privs, which keeps newuidmap from working, or as root".to_owned()
        }
        Fact::Ids => "give this user ranges in /etc/subuid and /etc/subgid, with `usermod --add-subuids \
            100000-165535 --add-subgids 100000-165535 USER`, and install newuidmap (package uidmap)"
            .to_owned(),
        Fact::OwnUsers if is_missing => {
            "use Linux 6.3 or later, whose file systems in memory can be mounted with other ids".to_owned()
        }
        Fact::OwnUsers if errno == 0 => own_ranges(),
        Fact::OwnUsers => namespaces(fact, errno, signs),
        Fact::ChangeUser | Fact::Groups => match signs.around {
            Around::Kubernetes => "write the user in the securityContext of podinit's own container",
            Around::Docker | Around::Podman | Around::Unknown => {
                "start podinit as root, or as the user whom the containers are to run as"
            }
        }
        .to_owned(),
        Fact::DropCapabilities => {
            "start podinit as root, or with nothing to drop: `--cap-drop=ALL` (Docker, Podman), \
             `capabilities: {drop: [ALL]}` (Kubernetes)"
                .to_owned()
        }
        Fact::RaiseOomScore => "mount /proc so that podinit can write there".to_owned(),
        Fact::LowerOomScore => "give podinit CAP_SYS_RESOURCE".to_owned(),
        Fact::Pasta => "install pasta (package passt), or use this host's network: `hostNetwork: true`".to_owned(),
        Fact::Cgroup | Fact::Cpu | Fact::Memory | Fact::Pids => {
            "start podinit with `systemd-run --user --scope -p Delegate=yes podinit ...`, as root without `--user`"
                .to_owned()
        }
    }
}

fn namespaces(fact: Fact, errno: i32, signs: &Signs) -> String {
    let container = match signs.around {
        Around::Docker => {
            "run the container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`"
        }
        Around::Podman => "run the container with `--security-opt unmask=ALL`",
        Around::Kubernetes => {
            "give podinit's own pod `hostUsers: false`, and its container `procMount: Unmasked` and a \
            seccompProfile `Unconfined`"
        }
        Around::Unknown => {
            "in a container, run that with `--security-opt seccomp=unconfined --security-opt \
            systempaths=unconfined` (Docker), `--security-opt unmask=ALL` (Podman), or `hostUsers: false` and \
            `procMount: Unmasked` (Kubernetes)"
        }
    };
    match signs.knob {
        Some(Knob::MaxUserNamespaces) => "user.max_user_namespaces is 0: set it to some thousands".to_owned(),
        Some(Knob::UnprivilegedUserNamespaces) => "kernel.unprivileged_userns_clone is 0: set it to 1".to_owned(),
        Some(Knob::AppArmorRestricts) => {
            "kernel.apparmor_restrict_unprivileged_userns is 1: set it to 0, or give podinit an AppArmor profile with `userns,`"
                .to_owned()
        }
        None if signs.is_filtered => container.to_owned(),
        None if errno == ENOSPC => "raise the limits user.max_*_namespaces".to_owned(),
        None if errno == EINVAL || errno == ENOSYS => {
            format!("use a kernel that has it: {}", fact.title())
        }
        None => format!("run podinit as root; {container}"),
    }
}

/// What gives pods ranges of ids of their own.
fn own_ranges() -> String {
    format!(
        "give the user {OWNER_OF_RANGES} ranges in /etc/subuid and /etc/subgid that begin with a multiple of \
         {IDS_OF_POD}, {IDS_OF_POD} ids for each pod, or end a pod that has one"
    )
}

/// A fresh /proc would show what is covered in the one there is: the kernel refuses it (mount_too_revealing).
fn uncovered(around: Around) -> &'static str {
    match around {
        Around::Docker => {
            "run the container with `--security-opt systempaths=unconfined`: parts of its /proc are covered"
        }
        Around::Podman => {
            "run the container with `--security-opt unmask=ALL`: parts of its /proc are covered"
        }
        Around::Kubernetes => {
            "give podinit's own pod `hostUsers: false` and its container `procMount: Unmasked`: parts of its /proc are covered"
        }
        Around::Unknown => {
            "parts of this /proc are covered, as in a container: run that with `--security-opt systempaths=unconfined` \
             (Docker), `--security-opt unmask=ALL` (Podman), or `hostUsers: false` and `procMount: Unmasked` (Kubernetes)"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fact: Fact, errno: i32, change: fn(&mut Signs)) -> String {
        let mut signs = Signs::default();
        change(&mut signs);
        remedy(fact, errno, &signs)
    }

    #[test]
    fn rootless_01_the_remedy_names_the_knob() {
        let user = |change| of(Fact::UserNamespace, EPERM, change);
        assert!(
            user(|signs| signs.knob = Some(Knob::MaxUserNamespaces)).contains("user.max_user_namespaces")
        );
        let debian = user(|signs| signs.knob = Some(Knob::UnprivilegedUserNamespaces));
        assert!(debian.contains("kernel.unprivileged_userns_clone is 0: set it to 1"));
        let ubuntu = user(|signs| signs.knob = Some(Knob::AppArmorRestricts));
        assert!(ubuntu.contains("kernel.apparmor_restrict_unprivileged_userns is 1: set it to 0"));
        let docker = user(|signs| (signs.is_filtered, signs.around) = (true, Around::Docker));
        assert!(docker.contains("--security-opt seccomp=unconfined"), "{docker}");
        let kubernetes = user(|signs| (signs.is_filtered, signs.around) = (true, Around::Kubernetes));
        assert!(kubernetes.contains("hostUsers: false") && kubernetes.contains("procMount: Unmasked"));
    }

    #[test]
    fn rootless_04_a_covered_proc_is_not_a_filter() {
        let covered = of(Fact::Proc, EPERM, |_| {});
        assert!(covered.contains("systempaths=unconfined") && !covered.contains("seccomp"), "{covered}");
        assert!(of(Fact::Proc, EPERM, |signs| signs.around = Around::Podman).contains("unmask=ALL"));
    }

    #[test]
    fn every_lack_has_a_remedy() {
        for fact in Fact::ALL {
            for errno in [EPERM, EINVAL, ENOSYS, ENOSPC, EACCES] {
                assert!(!of(fact, errno, |_| {}).is_empty());
            }
        }
    }

    #[test]
    fn facts_have_names_of_their_own_and_all_are_listed() {
        let names: std::collections::BTreeSet<_> = Fact::ALL.into_iter().map(Fact::name).collect();
        assert_eq!(names.len(), Fact::ALL.len());
    }
}
