//! `securityContext` of the pod and of its containers, as Kubernetes takes it (rules 156 to 162). Knows
//! how it is written; what counts where nothing is, the plan says.

use std::collections::BTreeSet;

use super::{
    Capability, CapabilityChanges, CapabilitySet, FsGroupChangePolicy, PodSecurityContext, ProcMount, RunAs,
    SeLinuxOptions, SecurityContext, SecurityProfile, SecurityProfiles, SupplementalGroupsPolicy, Sysctl,
};
use crate::spec::decode::{Fields, Item, Purpose};
use crate::spec::fields::Place;
use crate::spec::path;
use crate::spec::sandbox::Host;
use crate::spec::suggest::nearest;
use crate::spec::tree::{Span, cut};

/// The highest id of a user or group that Kubernetes takes.
const MOST_ID: i64 = i32::MAX as i64;

/// Reads that of the pod.
pub(in crate::spec) fn pod_security_context(item: &Item<'_>, host: &Host<'_>) -> PodSecurityContext {
    let read = item.fields(&[Place::PodSecurityContext], |fields| {
        fields.belong_to("the pod");
        let policies =
            [("Merge", SupplementalGroupsPolicy::Merge), ("Strict", SupplementalGroupsPolicy::Strict)];
        let changes = [
            ("Always", FsGroupChangePolicy::Always),
            ("OnRootMismatch", FsGroupChangePolicy::OnRootMismatch),
        ];
        PodSecurityContext {
            run_as: run_as(fields),
            supplemental_groups: fields
                .take("supplementalGroups")
                .and_then(|item| item.list())
                .map(|items| items.iter().filter_map(id).collect())
                .unwrap_or_default(),
            supplemental_groups_policy: fields
                .take("supplementalGroupsPolicy")
                .and_then(|item| item.choice(&policies, "one of Merge, Strict"))
                .unwrap_or_default(),
            fs_group: fields.take("fsGroup").and_then(|item| id(&item)),
            fs_group_change_policy: fields
                .take("fsGroupChangePolicy")
                .and_then(|item| item.choice(&changes, "one of Always, OnRootMismatch"))
                .unwrap_or_default(),
            sysctls: fields.take("sysctls").map(|item| sysctls(&item, host)).unwrap_or_default(),
            profiles: profiles(fields),
        }
    });
    read.unwrap_or_default()
}

/// Reads that of a container. `owner` is what messages call the container.
pub(in crate::spec) fn security_context(item: &Item<'_>, owner: &str, host: &Host<'_>) -> SecurityContext {
    let read = item.fields(&[Place::SecurityContext], |fields| {
        fields.belong_to(owner);
        let run_as = run_as(fields);
        let capabilities = fields.take("capabilities");
        let changes = capabilities.as_ref().map(capability_changes).unwrap_or_default();
        let privileged = fields.take("privileged").and_then(|item| Some((item.boolean()?, item)));
        let escalation =
            fields.take("allowPrivilegeEscalation").and_then(|item| Some((item.boolean()?, item)));
        if let Some((false, item)) = &escalation {
            if let Some((true, privileged)) = &privileged {
                escalates(item, privileged);
            }
            if let Some(added) = capabilities.as_ref().and_then(adds_sys_admin) {
                escalates(item, &added);
            }
        }
        SecurityContext {
            run_as,
            capabilities: changes,
            privileged: privileged.is_some_and(|(privileged, _)| privileged),
            allow_privilege_escalation: escalation.map(|(escalation, _)| escalation),
            read_only_root_filesystem: fields
                .take("readOnlyRootFilesystem")
                .and_then(|item| item.boolean())
                .unwrap_or(false),
            proc_mount: proc_mount(fields, host),
            profiles: profiles(fields),
        }
    });
    read.unwrap_or_default()
}

fn id(item: &Item<'_>) -> Option<u32> {
    item.integer(0, MOST_ID).and_then(|id| u32::try_from(id).ok())
}

/// That user 0 is refused by `runAsNonRoot` is seen at the start, when the user is known (rule 158).
fn run_as(fields: &mut Fields<'_>) -> RunAs {
    RunAs {
        user: fields.take("runAsUser").and_then(|item| id(&item)),
        group: fields.take("runAsGroup").and_then(|item| id(&item)),
        non_root: fields.take("runAsNonRoot").and_then(|item| item.boolean()),
    }
}

fn profiles(fields: &mut Fields<'_>) -> SecurityProfiles {
    SecurityProfiles {
        seccomp: fields.take("seccompProfile").and_then(|item| seccomp_profile(&item)),
        app_armor: fields.take("appArmorProfile").and_then(|item| app_armor_profile(&item)),
        se_linux: fields.take("seLinuxOptions").and_then(|item| se_linux_options(&item)),
    }
}

fn seccomp_profile(item: &Item<'_>) -> Option<SecurityProfile> {
    item.fields_with_main(&[Place::SeccompProfile], "type", |fields| {
        profile(fields, "profiles/audit.json", path::descending)
    })?
}

fn app_armor_profile(item: &Item<'_>) -> Option<SecurityProfile> {
    item.fields_with_main(&[Place::AppArmorProfile], "type", |fields| {
        profile(fields, "k8s-nginx", |written| {
            if written.trim().is_empty() {
                Err("it is empty")
            } else if written.trim() != written || written.contains(char::is_control) {
                Err("a profile's name has no space at its ends")
            } else if written.len() > 4095 {
                Err("longer than 4095 bytes")
            } else {
                Ok(())
            }
        })
    })?
}

/// A type and, where it is `Localhost`, which.
fn profile(
    fields: &mut Fields<'_>,
    example: &str,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Option<SecurityProfile> {
    let types = [
        ("RuntimeDefault", ProfileType::RuntimeDefault),
        ("Localhost", ProfileType::Localhost),
        ("Unconfined", ProfileType::Unconfined),
    ];
    let found = match fields.take("type") {
        Some(item) => item.choice(&types, "one of RuntimeDefault, Localhost, Unconfined"),
        None => {
            fields.missing("type", format!("write {}", fields.item.scope.word("type", "RuntimeDefault")));
            None
        }
    };
    let file = fields.take("localhostProfile").filter(|file| file.node.as_string() != Some(""));
    let other = match found? {
        ProfileType::Localhost => return local_profile(fields, file.as_ref(), example, check),
        ProfileType::RuntimeDefault => SecurityProfile::RuntimeDefault,
        ProfileType::Unconfined => SecurityProfile::Unconfined,
    };
    if let Some(file) = file {
        let localhost = file.scope.word("type", "Localhost");
        file.refuse("only a profile of type Localhost has one", format!("remove it, or write {localhost}"));
    }
    Some(other)
}

#[derive(Clone, Copy)]
enum ProfileType {
    RuntimeDefault,
    Localhost,
    Unconfined,
}

fn local_profile(
    fields: &Fields<'_>,
    file: Option<&Item<'_>>,
    example: &str,
    check: impl Fn(&str) -> Result<(), &'static str>,
) -> Option<SecurityProfile> {
    let help = format!("write {}, for example", fields.item.scope.word("localhostProfile", example));
    let Some(file) = file else {
        fields.missing("localhostProfile", help);
        return None;
    };
    let written = file.string()?;
    if let Err(broken) = check(written) {
        file.refuse(broken, help);
    }
    Some(SecurityProfile::Localhost(written.to_owned()))
}

fn se_linux_options(item: &Item<'_>) -> Option<SeLinuxOptions> {
    let options = item.fields(&[Place::SeLinuxOptions], |fields| {
        let [user, role, type_, level] = ["user", "role", "type", "level"].map(|name| {
            fields.take(name).and_then(|item| item.string()).map(str::to_owned).unwrap_or_default()
        });
        SeLinuxOptions { user, role, type_, level }
    })?;
    (options != SeLinuxOptions::default()).then_some(options)
}

/// As the API server refuses it (SPEC-10): both cannot be had.
fn escalates(item: &Item<'_>, other: &Item<'_>) {
    let message = format!("cannot use allowPrivilegeEscalation false{}", item.owner);
    let problem = item.scope.error(item.node.span, message).path(item.path.clone());
    let problem = problem.label("its processes have all rights that they could gain");
    let problem = problem.note("these are given here", other.scope.source, other.node.span);
    item.scope.report(problem.help("remove it, or do not give the container these rights"));
}

/// Where CAP_SYS_ADMIN is added. A cluster minds it under its long name only.
fn adds_sys_admin<'a>(capabilities: &Item<'a>) -> Option<Item<'a>> {
    let added = capabilities.node.entry("add")?;
    let crate::spec::tree::Value::List(items) = &added.value.value else { return None };
    let is_it = |name: &str| match capabilities.scope.purpose {
        Purpose::Run => capability(name) == Some(Named::One(Capability::SYS_ADMIN)),
        Purpose::Convert | Purpose::Kubernetes => name == "CAP_SYS_ADMIN",
    };
    let node = items.iter().find(|item| item.as_string().is_some_and(is_it))?;
    Some(Item { node, ..capabilities.clone() })
}

fn capability_changes(item: &Item<'_>) -> CapabilityChanges {
    let read = item.fields(&[Place::Capabilities], |fields| CapabilityChanges {
        add: fields.take("add").map(|item| capability_set(&item)).unwrap_or_default(),
        drop: fields.take("drop").map(|item| capability_set(&item)).unwrap_or_default(),
    });
    read.unwrap_or_default()
}

/// What a name of a capability stands for.
#[derive(PartialEq, Eq)]
enum Named {
    One(Capability),
    All,
}

/// In capitals or not, with `CAP_` or without (SPEC-09).
fn capability(name: &str) -> Option<Named> {
    let upper = name.to_ascii_uppercase();
    if upper == "ALL" {
        return Some(Named::All);
    }
    Capability::named(upper.strip_prefix("CAP_").unwrap_or(&upper)).map(Named::One)
}

fn capability_set(item: &Item<'_>) -> CapabilitySet {
    let mut these = BTreeSet::new();
    let mut all = false;
    for item in item.list().unwrap_or_default() {
        let Some(name) = item.string() else { continue };
        match capability(name) {
            Some(Named::One(capability)) => drop(these.insert(capability)),
            Some(Named::All) => all = true,
            None => {
                let upper = name.to_ascii_uppercase();
                let names = Capability::all().map(Capability::name).chain(["ALL"]);
                let better = nearest(upper.strip_prefix("CAP_").unwrap_or(&upper), names);
                let help = match better {
                    Some(name) => format!("write \"{name}\""),
                    None => "write a name such as \"NET_BIND_SERVICE\", or \"ALL\"; capabilities(7) has them"
                        .to_owned(),
                };
                item.refuse_here("Linux has no such capability", help);
            }
        }
    }
    if all { CapabilitySet::All } else { CapabilitySet::These(these) }
}

/// All of /proc is seen only with users of the pod's own (rule 162).
fn proc_mount(fields: &mut Fields<'_>, host: &Host<'_>) -> ProcMount {
    let Some(item) = fields.take("procMount") else { return ProcMount::Default };
    if item.node.as_string().is_some_and(|word| word.eq_ignore_ascii_case("masked")) {
        item.refuse("one of Default, Unmasked", format!("write {}", item.scope.word("procMount", "Default")));
        return ProcMount::Default;
    }
    let words = [("Default", ProcMount::Default), ("Unmasked", ProcMount::Unmasked)];
    let found = item.choice(&words, "one of Default, Unmasked").unwrap_or_default();
    if found == ProcMount::Unmasked && host.shared.users {
        let own = item.scope.written("hostUsers", "false");
        item.refuse(
            "root would change the host through it",
            format!("write {own} for the pod, or remove it"),
        );
    }
    found
}

/// The namespace that a kernel parameter belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Ipc,
    Network,
}

/// Which namespace a kernel parameter belongs to, if to one of a pod (rule 156).
fn owner(name: &str) -> Option<Owner> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    if name == "kernel.sem" || starts(&["kernel.shm", "kernel.msg", "fs.mqueue."]) {
        Some(Owner::Ipc)
    } else if starts(&["net."]) {
        Some(Owner::Network)
    } else {
        None
    }
}

/// A name whose first separator is `/` has its dots and slashes the other way round, as sysctl(8) has it.
fn with_dots(name: &str) -> String {
    let slashes =
        name.find(['.', '/']).is_some_and(|at| name.get(at..).is_some_and(|it| it.starts_with('/')));
    let swap = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    if slashes { name.chars().map(swap).collect() } else { name.to_owned() }
}

/// As Kubernetes has it: words of small letters, digits, `-` and `_`.
fn is_sysctl(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let word = |word: &str| {
        let ends = [word.bytes().next(), word.bytes().next_back()];
        ends.into_iter().all(|end| end.is_some_and(fine))
            && word.bytes().all(|byte| fine(byte) || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split(['.', '/']).all(word)
}

fn sysctls(item: &Item<'_>, host: &Host<'_>) -> Vec<Sysctl> {
    let mut seen: Vec<(String, Span)> = Vec::new();
    let items = item.list().unwrap_or_default();
    items.iter().filter_map(|item| sysctl(item, host, &mut seen)).collect()
}

fn sysctl(item: &Item<'_>, host: &Host<'_>, seen: &mut Vec<(String, Span)>) -> Option<Sysctl> {
    item.fields(&[Place::Sysctl], |fields| {
        fields.belong_to_part("a sysctl");
        let name = match fields.take("name") {
            Some(item) => sysctl_name(&item, host, seen),
            None => {
                let example = item.scope.word("name", "net.ipv4.ip_unprivileged_port_start");
                fields.missing("name", format!("write {example}, for example"));
                None
            }
        };
        let value = match fields.take("value") {
            Some(item) => item.string().filter(|value| {
                if value.contains('\n') {
                    item.refuse_here("a value is one line", "remove the line break");
                }
                true
            }),
            None => {
                fields.missing("value", "write the value as a string, in quotes");
                None
            }
        };
        Some(Sysctl { name: name?, value: value?.to_owned() })
    })?
}

fn sysctl_name(item: &Item<'_>, host: &Host<'_>, seen: &mut Vec<(String, Span)>) -> Option<String> {
    let written = item.string()?;
    if !is_sysctl(written) {
        item.refuse("this is no name of a kernel parameter", "write a name such as `net.core.somaxconn`");
        return None;
    }
    let name = with_dots(written);
    if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
        item.refuse_second("the second value for it", *first, "remove one of the two");
    }
    seen.push((name.clone(), item.node.span));
    let shared = |what: &str, namespace: Option<&Item<'_>>, is_shared: bool| {
        let label = format!("it is the host's with {what}");
        match namespace {
            Some(namespace) => {
                let problem = item.wrong().label(label);
                let problem = problem.note("shared here", namespace.scope.source, namespace.node.span);
                item.scope.report(problem.help("remove it, or do not share the namespace"));
            }
            None if is_shared => {
                item.refuse_here(
                    "in profile \"process\" it is the host's",
                    "remove it and set it for the whole host, or use profile \"pod\"",
                );
            }
            None => {}
        }
    };
    match owner(&name) {
        Some(Owner::Network) => shared("hostNetwork", host.network.as_ref(), host.shared.network),
        Some(Owner::Ipc) => shared("hostIPC", host.ipc.as_ref(), host.shared.ipc),
        None => {
            let label = format!("\"{}\" is of the whole host", cut(&name));
            item.refuse_here(
                label,
                "remove it; a pod has kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* and net.*",
            );
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sysctl_is_called_with_dots() {
        let cases = [
            ("net/ipv4/ip_forward", "net.ipv4.ip_forward"),
            ("net.ipv4.ip_forward", "net.ipv4.ip_forward"),
            ("net/ipv4/conf/eno2.100/rp_filter", "net.ipv4.conf.eno2/100.rp_filter"),
            ("net.ipv4.conf.eno2/100.rp_filter", "net.ipv4.conf.eno2/100.rp_filter"),
        ];
        for (written, name) in cases {
            assert_eq!(with_dots(written), name);
            assert!(is_sysctl(written), "{written}");
        }
        for name in ["", ".", "net..x", "net/../x", "/net", "net.", "A.b", "net.é", &"a".repeat(254)] {
            assert!(!is_sysctl(name), "{name}");
        }
    }

    #[test]
    fn only_what_belongs_to_a_namespace_of_the_pod_is_one_of_it() {
        for name in
            ["kernel.shmmax", "kernel.shm_rmid_forced", "kernel.msgmax", "kernel.sem", "fs.mqueue.msg_max"]
        {
            assert!(owner(name) == Some(Owner::Ipc), "{name}");
        }
        assert!(owner("net.core.somaxconn") == Some(Owner::Network));
        for name in
            ["kernel.panic", "vm.swappiness", "kernel.sem2", "network.x", "fs.mqueues", "kernel.hostname"]
        {
            assert!(owner(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_capability_has_its_name_in_many_spellings() {
        let net_raw = Capability::named("NET_RAW").map(Named::One);
        for name in ["NET_RAW", "CAP_NET_RAW", "net_raw", "cap_net_raw"] {
            assert!(capability(name) == net_raw && net_raw.is_some(), "{name}");
        }
        assert!(capability("all") == Some(Named::All));
        for name in ["", "CAP_", "NET RAW", "CAP_CAP_NET_RAW", "CAP_ALL"] {
            assert!(capability(name).is_none(), "{name}");
        }
    }
}
