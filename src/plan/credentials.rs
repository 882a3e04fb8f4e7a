//! As whom a container's processes run and what they may do (rules 157 to 161). Pure: it is handed the
//! accounts of the container's root file system.

use super::accounts::Accounts;
use super::labels::{app_armor_profile, se_linux_options};
use super::landlock::Landlock;
use crate::spec::{
    Capability, CapabilitySet, Container, Pod, Profile, SeLinuxOptions, SecurityProfile,
    SupplementalGroupsPolicy,
};

/// What a process gives away before it executes the container's program. `None` and `false`: it stays as
/// the supervisor has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User and groups.
    pub identity: Option<Identity>,
    /// Every capability that the container can ever have, as bits.
    pub capabilities: Option<u64>,
    /// No program gains rights by being executed.
    pub no_new_privileges: bool,
    /// Which system calls it may make; `None`: all that podinit may.
    pub seccomp: Option<SecurityProfile>,
    /// Under which AppArmor profile it runs; `None`: podinit's own.
    pub app_armor: Option<SecurityProfile>,
    /// What its SELinux label is to be; `None`: what the policy makes of podinit's own.
    pub se_linux: Option<SeLinuxOptions>,
    /// Where it may not write; takes that no program gains rights.
    pub landlock: Option<Landlock>,
    /// Value of HOME where nothing else sets it.
    pub home: Option<Vec<u8>>,
}

/// User and groups of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// User id, as the container sees it.
    pub user: u32,
    /// Primary group.
    pub group: u32,
    /// Supplementary groups, each once.
    pub groups: Vec<u32>,
}

impl Credentials {
    /// Capabilities that the program begins with, as bits; `None`: those that podinit has. Who is not root has
    /// none, whatever the container may have (capabilities(7)).
    pub fn held(&self) -> Option<u64> {
        match &self.identity {
            Some(identity) if identity.user != 0 => Some(0),
            Some(_) | None => self.capabilities,
        }
    }
}

impl Identity {
    /// Whether these are its supplementary groups, in any order. Its own group may be among them.
    pub fn has_groups(&self, groups: &[u32]) -> bool {
        let of = |groups: &[u32]| -> std::collections::BTreeSet<u32> {
            groups.iter().copied().filter(|group| *group != self.group).collect()
        };
        of(&self.groups) == of(groups)
    }
}

/// Whether the container runs as somebody, so that its accounts have to be read.
pub fn asks_for_identity(pod: &Pod, container: &Container) -> bool {
    let (all, own) = (&pod.security_context, &container.security_context);
    pod.profile == Profile::Pod
        || [all.run_as, own.run_as].iter().any(|run_as| run_as.user.is_some() || run_as.group.is_some())
        || !all.supplemental_groups.is_empty()
        || all.fs_group.is_some()
}

/// What a container's processes are. `own_user` is whom the supervisor runs as, in the pod's user namespace.
///
/// # Errors
/// Why the container must not start, in kubelet's words.
pub fn credentials(
    pod: &Pod,
    container: &Container,
    accounts: &Accounts,
    own_user: u32,
) -> Result<Credentials, String> {
    let (all, own) = (&pod.security_context, &container.security_context);
    let written = own.run_as.user.or(all.run_as.user);
    let default_user = match pod.profile {
        // A directory has no user of its own, so that it is root, as of an image without one.
        Profile::Pod => 0,
        Profile::Process => own_user,
    };
    let user = written.unwrap_or(default_user);
    if own.run_as.non_root.or(all.run_as.non_root) == Some(true) && user == 0 {
        return Err(match written {
            Some(_) => "container's runAsUser breaks non-root policy".to_owned(),
            None => "container has runAsNonRoot and image will run as root".to_owned(),
        });
    }
    let identity = asks_for_identity(pod, container).then(|| {
        let group = own.run_as.group.or(all.run_as.group);
        let group = group.or_else(|| accounts.group_of(user)).unwrap_or(0);
        let of_image = match all.supplemental_groups_policy {
            SupplementalGroupsPolicy::Merge => accounts.groups_of(user).collect(),
            SupplementalGroupsPolicy::Strict => Vec::new(),
        };
        let mut groups = Vec::new();
        for id in all.fs_group.into_iter().chain(all.supplemental_groups.iter().copied()).chain(of_image) {
            if !groups.contains(&id) {
                groups.push(id);
            }
        }
        Identity { user, group, groups }
    });
    Ok(Credentials {
        identity,
        capabilities: capabilities(pod, container),
        no_new_privileges: own.allow_privilege_escalation == Some(false),
        seccomp: seccomp(pod, container),
        app_armor: app_armor_profile(pod, container),
        se_linux: se_linux_options(pod, container).cloned(),
        // By what surrounds the container, not by what it asks for.
        landlock: None,
        home: (pod.profile == Profile::Pod).then(|| accounts.home_of(user).unwrap_or(b"/").to_vec()),
    })
}

/// The container's profile, the pod's, then what profile `pod` has by itself (rule 161).
fn seccomp(pod: &Pod, container: &Container) -> Option<SecurityProfile> {
    let (all, own) = (&pod.security_context.profiles, &container.security_context);
    let written = own.profiles.seccomp.as_ref().or(all.seccomp.as_ref()).cloned();
    let usual = || (pod.profile == Profile::Pod).then_some(SecurityProfile::RuntimeDefault);
    let profile = written.or_else(usual).filter(|_| !own.privileged);
    profile.filter(|profile| *profile != SecurityProfile::Unconfined)
}

/// Whether the container can have SYS_ADMIN, the right to change its mounts.
pub(super) fn may_change_mounts(pod: &Pod, container: &Container) -> bool {
    capabilities(pod, container).is_none_or(|set| set >> Capability::SYS_ADMIN.number() & 1 == 1)
}

/// Dropping comes before adding, and `ALL` before names (rule 160).
fn capabilities(pod: &Pod, container: &Container) -> Option<u64> {
    let own = &container.security_context;
    let nothing =
        own.capabilities.add == CapabilitySet::default() && own.capabilities.drop == CapabilitySet::default();
    if own.privileged {
        return Some(u64::MAX);
    }
    let usual = bits(Capability::usual());
    let before = match pod.profile {
        Profile::Process if nothing => return None,
        // What podinit itself has is what a process of this host begins with.
        Profile::Process => u64::MAX,
        Profile::Pod => usual,
    };
    let kept = match &own.capabilities.drop {
        CapabilitySet::All => 0,
        CapabilitySet::These(dropped) => before & !bits(dropped.iter().copied()),
    };
    Some(match &own.capabilities.add {
        CapabilitySet::All => match &own.capabilities.drop {
            CapabilitySet::All => u64::MAX,
            CapabilitySet::These(dropped) => !bits(dropped.iter().copied()),
        },
        CapabilitySet::These(added) => kept | bits(added.iter().copied()),
    })
}

fn bits(capabilities: impl Iterator<Item = Capability>) -> u64 {
    capabilities.fold(0, |bits, capability| bits | 1 << capability.number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn these(names: &[&str]) -> CapabilitySet {
        CapabilitySet::These(
            names.iter().map(|name| Capability::named(name).unwrap()).collect::<BTreeSet<_>>(),
        )
    }

    fn of(change: impl Fn(&mut Pod, &mut Container)) -> Result<Credentials, String> {
        let (mut pod, mut container) = (Pod::named("pod"), Container::named("main"));
        change(&mut pod, &mut container);
        let accounts = Accounts::parse(
            b"root:x:0:0::/root:\nweb:x:33:34::/var/www:\n",
            b"adm:x:4:web\nvideo:x:44:web\n",
        );
        credentials(&pod, &container, &accounts, 1000)
    }

    #[test]
    fn priv_01_the_default_is_docker_s_set() {
        let usual = of(|_, _| {}).unwrap();
        assert_eq!(usual.capabilities, Some(0xa804_25fb));
        assert_eq!(usual.seccomp, Some(SecurityProfile::RuntimeDefault));
        assert_eq!(usual.identity, Some(Identity { user: 0, group: 0, groups: vec![] }));
        assert_eq!(usual.home, Some(b"/root".to_vec()));
        let process = of(|pod, _| pod.profile = Profile::Process).unwrap();
        assert_eq!(process, Credentials::default());
    }

    #[test]
    fn rule_160_dropping_comes_before_adding() {
        let set = |add: CapabilitySet, drop: CapabilitySet| {
            of(|_, container| {
                container.security_context.capabilities.add = add.clone();
                container.security_context.capabilities.drop = drop.clone();
            })
            .unwrap()
            .capabilities
            .unwrap()
        };
        assert_eq!(set(these(&["NET_BIND_SERVICE"]), CapabilitySet::All), 1 << 10);
        assert_eq!(set(these(&["SYS_ADMIN"]), these(&["CHOWN"])), 0xa804_25fb & !1 | 1 << 21);
        assert_eq!(set(CapabilitySet::All, these(&["CHOWN"])), !1);
        assert_eq!(set(these(&[]), CapabilitySet::All), 0);
    }

    #[test]
    fn rule_157_the_container_counts_before_the_pod_field_by_field() {
        let both = of(|pod, container| {
            (pod.security_context.run_as.user, pod.security_context.run_as.group) = (Some(1), Some(2));
            container.security_context.run_as.user = Some(33);
        });
        assert_eq!(both.unwrap().identity.unwrap(), Identity { user: 33, group: 2, groups: vec![4, 44] });
    }

    #[test]
    fn rule_158_the_group_is_the_account_s_or_root_s() {
        let group = |user| {
            of(|_, container| container.security_context.run_as.user = Some(user))
                .map(|credentials| credentials.identity.unwrap().group)
        };
        assert_eq!((group(33), group(77)), (Ok(34), Ok(0)));
    }

    #[test]
    fn rule_158_and_spec_08_who_must_not_be_root_is_refused_as_root() {
        let refused = |user: Option<u32>| {
            of(|pod, container| {
                pod.security_context.run_as.non_root = Some(true);
                container.security_context.run_as.user = user;
            })
            .map(|_| ())
        };
        assert_eq!(refused(None), Err("container has runAsNonRoot and image will run as root".to_owned()));
        assert_eq!(refused(Some(0)), Err("container's runAsUser breaks non-root policy".to_owned()));
        assert_eq!(refused(Some(5)), Ok(()));
    }

    #[test]
    fn rule_159_and_priv_03_supplementary_groups_are_exactly_what_is_asked_for() {
        let groups = |policy| {
            of(|pod, _| {
                let context = &mut pod.security_context;
                (context.fs_group, context.supplemental_groups) = (Some(7), vec![8, 7, 44]);
                (context.run_as.user, context.supplemental_groups_policy) = (Some(33), policy);
            })
            .unwrap()
            .identity
            .unwrap()
            .groups
        };
        assert_eq!(groups(SupplementalGroupsPolicy::Merge), [7, 8, 44, 4]);
        assert_eq!(groups(SupplementalGroupsPolicy::Strict), [7, 8, 44]);
    }

    #[test]
    fn priv_13_privileged_has_everything_and_no_filter() {
        let all = of(|pod, container| {
            container.security_context.privileged = true;
            pod.security_context.profiles.seccomp = Some(SecurityProfile::RuntimeDefault);
        })
        .unwrap();
        assert_eq!((all.capabilities, all.seccomp), (Some(u64::MAX), None));
    }

    #[test]
    fn priv_04_no_new_privileges_only_where_it_is_written() {
        let set = |written| {
            of(|_, container| container.security_context.allow_privilege_escalation = written)
                .unwrap()
                .no_new_privileges
        };
        assert_eq!([set(None), set(Some(true)), set(Some(false))], [false, false, true]);
    }
}
