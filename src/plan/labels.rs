//! What the kernel's security modules are told of a container's processes: an AppArmor profile by its name, an SELinux
//! label (rules 157 and 161). Pure: which profiles are loaded and what the host's policy has is handed in.

use crate::spec::{Container, Pod, SeLinuxOptions, SecurityProfile};

/// The profile that `RuntimeDefault` stands for, and what apparmor_parser(8) makes it of.
pub const DEFAULT_APP_ARMOR: (&str, &str) = ("podinit-default", include_str!("default.apparmor"));

/// What containers are where the host's policy says nothing (container-selinux).
const USUAL_LABEL: &str = "system_u:system_r:container_t:s0";

/// How many categories there are for telling pods apart (s0:c0 to s0:c1023).
const CATEGORIES: u32 = 1024;

/// The AppArmor profile that confines a container; `None`: podinit's own, as where nothing is written. A privileged
/// container has the usual one no more than with containerd.
pub fn app_armor_profile(pod: &Pod, container: &Container) -> Option<SecurityProfile> {
    let own = &container.security_context;
    let written = own.profiles.app_armor.as_ref().or(pod.security_context.profiles.app_armor.as_ref())?;
    match written {
        SecurityProfile::Unconfined => None,
        SecurityProfile::RuntimeDefault if own.privileged => None,
        SecurityProfile::RuntimeDefault | SecurityProfile::Localhost(_) => Some(written.clone()),
    }
}

/// What there is of the profile that `RuntimeDefault` stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefaultProfile {
    /// It is not loaded.
    Missing,
    /// It is loaded, and keeps to what it says.
    Confines,
    /// It is loaded in this mode, in which it forbids nothing.
    Idle(String),
}

/// What there is of it among loaded profiles, one a line with its mode in brackets.
pub fn default_profile(loaded: &str) -> DefaultProfile {
    let (name, _) = DEFAULT_APP_ARMOR;
    let mode = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(" (")?.strip_suffix(')')?.to_owned());
    match loaded.lines().find_map(mode) {
        None => DefaultProfile::Missing,
        // Whoever breaks it is refused, killed, or somebody else is asked.
        Some(mode) if ["enforce", "kill", "user"].contains(&mode.as_str()) => DefaultProfile::Confines,
        Some(mode) => DefaultProfile::Idle(mode),
    }
}

/// What a container says of its SELinux label, or the pod; `None`: nobody says anything.
pub fn se_linux_options<'p>(pod: &'p Pod, container: &'p Container) -> Option<&'p SeLinuxOptions> {
    let own = container.security_context.profiles.se_linux.as_ref();
    own.or(pod.security_context.profiles.se_linux.as_ref())
}

/// Whether a container of the pod has a label.
pub fn has_se_linux_label(pod: &Pod) -> bool {
    pod.iter().any(|(.., container)| se_linux_options(pod, container).is_some())
}

/// The whole label. `contexts` is the policy's lxc_contexts, which says what containers are; `number` tells pods
/// apart where no level is written.
pub fn se_linux_label(options: &SeLinuxOptions, contexts: &str, number: u64) -> String {
    let of_policy = contexts.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "process").then(|| value.trim().trim_matches('"'))
    });
    let usual = of_policy.unwrap_or(USUAL_LABEL);
    let mut parts = usual.splitn(4, ':');
    let mut part = |written: &str| {
        let usual = parts.next().unwrap_or_default();
        if written.is_empty() { usual.to_owned() } else { written.to_owned() }
    };
    let (user, role, type_) = (part(&options.user), part(&options.role), part(&options.type_));
    let level = part(&options.level);
    let level = if options.level.is_empty() { format!("{level}:{}", categories(number)) } else { level };
    format!("{user}:{role}:{type_}:{level}")
}

/// Two categories, as container runtimes take them: the lower one first, never twice the same.
fn categories(number: u64) -> String {
    let pick = |number: u64, count: u32| u32::try_from(number % u64::from(count)).unwrap_or(0);
    let one = pick(number, CATEGORIES);
    let other = (one + 1 + pick(number >> 32, CATEGORIES - 1)) % CATEGORIES;
    format!("c{},c{}", one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(own: Option<SecurityProfile>, privileged: bool) -> Option<SecurityProfile> {
        let (mut pod, mut container) = (Pod::named("pod"), Container::named("main"));
        pod.security_context.profiles.app_armor = Some(SecurityProfile::RuntimeDefault);
        container.security_context.profiles.app_armor = own;
        container.security_context.privileged = privileged;
        app_armor_profile(&pod, &container)
    }

    #[test]
    fn priv_11_a_container_s_profile_counts_before_the_pod_s() {
        use SecurityProfile::{Localhost, RuntimeDefault, Unconfined};
        assert_eq!(written(None, false), Some(RuntimeDefault));
        assert_eq!(written(Some(Unconfined), false), None);
        assert_eq!(written(Some(Localhost("own".into())), true), Some(Localhost("own".into())));
        assert_eq!(written(None, true), None, "privileged");
        let (name, text) = DEFAULT_APP_ARMOR;
        assert!(text.contains(&format!("profile {name} ")), "{text}");
    }

    #[test]
    fn priv_11_a_profile_that_is_loaded_and_forbids_nothing_does_not_confine() {
        let of = |line: &str| default_profile(&format!("other (complain)\n{line}\n/usr/bin/man (enforce)\n"));
        for mode in ["enforce", "kill"] {
            assert_eq!(of(&format!("podinit-default ({mode})")), DefaultProfile::Confines);
        }
        for mode in ["complain", "unconfined", "of tomorrow"] {
            assert_eq!(of(&format!("podinit-default ({mode})")), DefaultProfile::Idle(mode.to_owned()));
        }
        for line in
            ["podinit-default//child (enforce)", "podinit-default2 (enforce)", ":ns:podinit-default (kill)"]
        {
            assert_eq!(of(line), DefaultProfile::Missing, "{line}");
        }
        assert_eq!(default_profile(""), DefaultProfile::Missing);
    }

    #[test]
    fn priv_11_a_label_is_the_policy_s_but_for_what_is_written() {
        let of = |options: SeLinuxOptions, contexts: &str| se_linux_label(&options, contexts, 0);
        let type_ = SeLinuxOptions { type_: "web_t".into(), ..SeLinuxOptions::default() };
        assert_eq!(of(type_.clone(), ""), "system_u:system_r:web_t:s0:c0,c1");
        let policy = "process = \"user_u:user_r:lxc_t:s3\"\nfile = \"x:y:z:s0\"\n";
        assert_eq!(of(type_, policy), "user_u:user_r:web_t:s3:c0,c1");
        let level = SeLinuxOptions { level: "s0:c123,c456".into(), ..SeLinuxOptions::default() };
        assert_eq!(of(level, ""), "system_u:system_r:container_t:s0:c123,c456");
    }

    #[test]
    fn priv_11_categories_are_two() {
        assert_eq!(categories(5 | 7 << 32), "c5,c13");
        assert_eq!(categories(1023), "c0,c1023");
        assert_eq!(categories(u64::MAX), "c3,c1023");
    }
}
