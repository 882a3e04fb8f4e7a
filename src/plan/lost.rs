//! What of a pod a host cannot honour, and the pod without what was given up by name. Nothing is dropped that
//! was not named, and nothing that was named is dropped where the host can honour it (ROOTLESS-07). Pure.

mod protection;

use std::collections::{BTreeMap, BTreeSet};

pub use protection::{Protection, Reduction};

use super::cgroup::{Controller, kubelet_settings, limited_by};
use super::credentials::{Identity, asks_for_identity, credentials};
use super::facts::{Fact, HostFacts, Ids, Lack};
use super::isolation::{ContainerIsolation, Images, Isolation, ProcessNamespace, Root, isolation};
use super::network::{NetworkPlan, Reach};
use super::users::IDS_OF_POD;
use super::{Accounts, Credentials, landlock};
use crate::spec::{
    Capability, CapabilitySet, Container, ContainerKind, MountPropagation, Pod, RootfsLayer, SecurityProfile,
    VolumeSource,
};

/// What it means that something cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossClass {
    /// The pod is refused, unless the loss was accepted by name.
    Security,
    /// The pod runs, and a warning says so.
    Resource,
    /// The same: its network ends at the pod.
    Network,
}

/// One thing that a host cannot honour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where it is asked for, in Kubernetes' words: the pod's field where the container has not its own. Where the
    /// profile alone does, the field that would undo it.
    pub field: String,
    /// What is lost, in words that follow "cannot have".
    pub what: String,
    /// Whether the pod can run all the same.
    pub class: LossClass,
    /// Why.
    pub cause: String,
    /// What helps.
    pub remedy: String,
    /// What accepts it; `None`: nothing does.
    pub protection: Option<Protection>,
    /// What there is instead once it is accepted, where something may stand in.
    pub instead: Option<Instead>,
}

/// What there is instead of what is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Something weaker, in words.
    Weaker(String),
    /// Nothing, and why.
    Nothing(String),
}

impl Instead {
    /// In words that follow what is lost.
    pub fn words(&self) -> &str {
        match self {
            Self::Weaker(words) | Self::Nothing(words) => words,
        }
    }
}

impl Loss {
    /// What usually stands in for it does not.
    pub fn is_unreplaced(&self) -> bool {
        matches!(self.instead, Some(Instead::Nothing(_)))
    }
}

/// A pod as this host can run it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fitted {
    /// The pod, without what was given up.
    pub pod: Pod,
    /// What surrounds it.
    pub isolation: Isolation,
    /// What was given up, and how any manifest is to be without it.
    pub reduction: Reduction,
    /// The same, each with its cause.
    pub lost: Vec<Loss>,
}

/// Why a pod cannot run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Whatever the host can do.
    Problems(Vec<String>),
    /// The host cannot do this, and nobody has accepted it.
    Losses(Vec<Loss>),
}

/// The pod as it can run on a host with these facts, where what is lost has been accepted.
///
/// # Errors
/// What keeps it from running.
pub fn fitted(
    pod: &Pod,
    images: &Images,
    facts: &HostFacts,
    accepted: &BTreeSet<Protection>,
) -> Result<Fitted, Unfit> {
    let mut all = Vec::new();
    let mut reduction = Reduction { without: BTreeSet::new(), own: facts.own, landlock: facts.landlock };
    // What is given up may make something else impossible; each turn gives up one more, or is the last.
    loop {
        let fitted_pod = reduction.of(pod);
        let mut isolation = surrounding(&fitted_pod, images, &reduction.without).map_err(Unfit::Problems)?;
        let lost = lost(&fitted_pod, &isolation, facts);
        let security = lost.into_iter().filter(|loss| loss.class == LossClass::Security);
        let (given_up, refused): (Vec<_>, Vec<_>) = security.partition(|loss| {
            loss.protection.is_some_and(|it| accepted.contains(&it) && !reduction.without.contains(&it))
        });
        // With Landlock comes what lets a filter be had without a right: the next turn tells.
        let gives = |protection| given_up.iter().any(|loss| loss.protection == Some(protection));
        let gives_root = gives(Protection::ReadOnlyRoot);
        let is_final = |loss: &Loss| !(gives_root && loss.protection == Some(Protection::Seccomp));
        if refused.iter().any(is_final) {
            return Err(Unfit::Losses(refused));
        }
        if given_up.is_empty() {
            if reduction.without.contains(&Protection::ReadOnlyRoot) {
                stand_in(pod, &mut isolation, facts.landlock);
            }
            return Ok(Fitted { pod: fitted_pod, isolation, reduction, lost: all });
        }
        reduction.without.extend(given_up.iter().filter_map(|loss| loss.protection));
        all.extend(given_up);
    }
}

/// What is there instead of read-only roots.
fn stand_in(pod: &Pod, isolation: &mut Isolation, abi: Option<u32>) {
    for ((.., container), of) in pod.iter().zip(&mut isolation.containers) {
        of.landlock = landlock::landlock(pod, container, abi);
    }
}

/// What surrounds a pod without these.
fn surrounding(pod: &Pod, images: &Images, without: &BTreeSet<Protection>) -> Result<Isolation, Vec<String>> {
    let mut isolation = isolation(pod, images)?;
    isolation.uts &= !without.contains(&Protection::Hostname);
    isolation.keeps_user = without.contains(&Protection::User);
    isolation.keeps_capabilities = without.contains(&Protection::Capabilities);
    for container in &mut isolation.containers {
        container.cgroup &= !without.contains(&Protection::Cgroup);
        if without.contains(&Protection::Mounts) {
            container.as_on_node = false;
            container.root = container.root.take().filter(|root| *root != Root::Host);
        }
    }
    isolation.mounts = isolation.containers.iter().any(|container| container.root.is_some());
    Ok(isolation)
}

/// What of a pod in these surroundings a host with these facts cannot honour. What nobody asked about counts
/// as there: trying it will tell.
pub fn lost(pod: &Pod, isolation: &Isolation, facts: &HostFacts) -> Vec<Loss> {
    let mut judge = Judge { pod, isolation, facts, found: Vec::new(), whose: BTreeMap::new() };
    judge.namespaces();
    judge.sysctls();
    for (position, (kind, container)) in by_kind(pod) {
        let list = if kind == ContainerKind::Main { "containers" } else { "initContainers" };
        let path = format!("{list}[{position}]");
        let index = pod.iter().position(|(.., other)| std::ptr::eq(other, container));
        if let Some(of) = index.and_then(|index| isolation.containers.get(index)) {
            judge.files(container, &path, of);
        }
        judge.rights(container, &path);
    }
    judge.resources();
    judge.found
}

/// What a pod with this network lacks where nothing carries it to the outside.
pub fn lost_of_network(network: &NetworkPlan, facts: &HostFacts) -> Option<Loss> {
    let class = match network.reach {
        Reach::Host | Reach::Itself => return None,
        Reach::OutsideIfPossible => LossClass::Network,
        Reach::Outside => LossClass::Security,
    };
    let lack = facts.lack(Fact::Pasta)?;
    let published: Vec<String> = network.published.iter().map(ToString::to_string).collect();
    let (field, what) = match published.is_empty() {
        true => ("network", "a way out of the pod's network".to_owned()),
        false => ("hostPort", format!("ports of the host that lead into the pod: {}", published.join(", "))),
    };
    Some(Loss {
        field: field.to_owned(),
        what,
        class,
        cause: lack.cause.clone(),
        remedy: lack.remedy.clone(),
        protection: None,
        instead: None,
    })
}

/// Each container with its position in its own list.
fn by_kind(pod: &Pod) -> impl Iterator<Item = (usize, (ContainerKind, &Container))> {
    let of = |is_main: bool| {
        let these = pod.iter().filter(move |(_, kind, _)| (*kind == ContainerKind::Main) == is_main);
        these.map(|(_, kind, container)| (kind, container)).enumerate()
    };
    of(false).chain(of(true))
}

struct Judge<'a> {
    pod: &'a Pod,
    isolation: &'a Isolation,
    facts: &'a HostFacts,
    found: Vec<Loss>,
    /// Which containers a loss is of, by its position.
    whose: BTreeMap<usize, Vec<&'a str>>,
}

impl<'a> Judge<'a> {
    fn add(&mut self, field: &str, what: &str, lack: &Lack, protection: Option<Protection>) {
        self.found.push(Loss {
            field: field.to_owned(),
            what: what.to_owned(),
            class: LossClass::Security,
            cause: lack.cause.clone(),
            remedy: lack.remedy.clone(),
            protection,
            instead: None,
        });
    }

    /// What several containers have from the pod is lost once.
    fn add_for(
        &mut self,
        container: &'a Container,
        field: &str,
        what: &dyn Fn(&str) -> String,
        lack: &Lack,
        protection: Protection,
    ) {
        for (position, names) in &mut self.whose {
            let Some(known) = self.found.get_mut(*position) else { continue };
            let is_why = known.cause == lack.cause && known.remedy == lack.remedy;
            if is_why && known.field == field && known.what == what(&words_of(names)) {
                names.push(&container.name);
                known.what = what(&words_of(names));
                return;
            }
        }
        let names = vec![&*container.name];
        let what = what(&words_of(&names));
        self.whose.insert(self.found.len(), names);
        self.add(field, &what, lack, Some(protection));
    }

    fn lack(&self, facts: &[Fact]) -> Option<Lack> {
        facts.iter().find_map(|fact| self.facts.lack(*fact)).cloned()
    }

    /// What keeps mounts from being made.
    fn no_mounts(&self) -> Option<Lack> {
        self.lack(&[Fact::MountNamespace, Fact::MountApi, Fact::MountAttributes, Fact::Openat2])
    }

    /// What is done to a container is done in a user namespace, by root of it, who may do all of that.
    fn is_inside(&self) -> bool {
        let as_user = self.isolation.is_needed() && !self.facts.is_privileged;
        self.has_own_users() || as_user && self.facts.lack(Fact::UserNamespace).is_none()
    }

    /// As root podinit stays outside of the pod's user namespace.
    fn has_own_users(&self) -> bool {
        self.isolation.users && self.facts.is_privileged
    }

    fn namespaces(&mut self) {
        let (isolation, sandbox) = (self.isolation, &self.pod.sandbox);
        if let Some(lack) = self.lack(&[Fact::OwnUsers]).filter(|_| self.has_own_users()) {
            self.add("hostUsers", "users of its own", &lack, None);
        }
        let processes = isolation.containers.iter().any(|of| of.processes != ProcessNamespace::Host);
        let field_of_processes =
            if sandbox.share_process_namespace { "shareProcessNamespace" } else { "hostPID" };
        let field_of_name = if sandbox.hostname.is_some() { "hostname" } else { "hostNetwork" };
        let no_processes = self.lack(&[Fact::ProcessNamespace, Fact::Proc]).or_else(|| self.no_mounts());
        let cgroup = isolation.containers.iter().any(|of| of.cgroup);
        for (is_asked, field, what, lack, protection) in [
            (
                isolation.network,
                "hostNetwork",
                "a network of its own",
                self.lack(&[Fact::NetworkNamespace]),
                Protection::Network,
            ),
            (isolation.ipc, "hostIPC", "IPC of its own", self.lack(&[Fact::IpcNamespace]), Protection::Ipc),
            (
                isolation.uts,
                field_of_name,
                "a host name of its own",
                self.lack(&[Fact::Hostname]),
                Protection::Hostname,
            ),
            (processes, field_of_processes, "processes of its own", no_processes, Protection::Processes),
            (
                cgroup,
                "profile",
                "a view of its own control group alone",
                self.lack(&[Fact::CgroupNamespace]),
                Protection::Cgroup,
            ),
        ] {
            if let Some(lack) = lack.filter(|_| is_asked) {
                self.add(field, what, &lack, Some(protection));
            }
        }
    }

    /// A parameter of a namespace that is not the pod's own would be the host's (rule 156).
    fn sysctls(&mut self) {
        let isolation = self.isolation;
        for (position, sysctl) in self.pod.security_context.sysctls.iter().enumerate() {
            let (is_own, fact) = match sysctl.name.starts_with("net.") {
                true => (isolation.network, Fact::NetworkNamespace),
                false => (isolation.ipc, Fact::IpcNamespace),
            };
            let lack = self.lack(&[fact]).or_else(|| (!is_own).then(not_its_own));
            if let Some(lack) = lack {
                let field = format!("securityContext.sysctls[{position}]");
                let what = format!("{} of its own", sysctl.name);
                self.add(&field, &what, &lack, Some(Protection::Sysctls));
            }
        }
    }

    fn files(&mut self, container: &Container, path: &str, of: &ContainerIsolation) {
        let root = of.root.as_ref();
        let no_mounts = self.no_mounts();
        if let Some(Root::Directory(rootfs)) = root {
            let no_layer = self.lack(&[Fact::Overlay]).filter(|_| rootfs.layer == RootfsLayer::Ephemeral);
            if let Some(lack) = no_mounts.clone().or(no_layer) {
                let what = format!("the root file system {} for container {}", rootfs.path, container.name);
                self.add(&format!("{path}.rootfs"), &what, &lack, None);
            }
        }
        self.shown_mounts(container, path);
        let is_read_only = container.security_context.read_only_root_filesystem;
        let lack = no_mounts.or_else(|| root.is_none().then(no_mount_namespace));
        let Some(lack) = lack else { return };
        if is_read_only {
            let field = format!("{path}.securityContext.readOnlyRootFilesystem");
            let what = format!("a read-only root for container {}", container.name);
            self.add(&field, &what, &lack, Some(Protection::ReadOnlyRoot));
            let instead = landlock::instead(container, self.facts.landlock);
            if let Some(loss) = self.found.last_mut() {
                loss.instead = Some(instead);
            }
        }
        for (position, mount) in container.volume_mounts.iter().enumerate() {
            let what = format!("volume {} in container {}", mount.name, container.name);
            self.add(&format!("{path}.volumeMounts[{position}]"), &what, &lack, Some(Protection::Volumes));
        }
        let is_explained =
            is_read_only || !container.volume_mounts.is_empty() || of.processes == ProcessNamespace::Pod;
        if root == Some(&Root::Host) && (of.as_on_node || !is_explained) {
            let what = format!("mounts of its own for container {}", container.name);
            self.add(path, &what, &lack, Some(Protection::Mounts));
        }
    }

    /// Mounts of a container that others are to see: on the host only root's can be.
    fn shown_mounts(&mut self, container: &Container, path: &str) {
        for (position, mount) in container.volume_mounts.iter().enumerate() {
            if mount.mount_propagation != MountPropagation::Bidirectional {
                continue;
            }
            let volume = self.pod.volumes.iter().find(|volume| volume.name == mount.name);
            let is_of_host = volume.is_some_and(|it| matches!(it.source, VolumeSource::HostPath(_)));
            let cause = if self.has_own_users() {
                "whoever has users of his own would mount for others (hostUsers)"
            } else if is_of_host && !self.facts.is_privileged {
                "what an ordinary user's pod mounts stays in its user namespace"
            } else {
                continue;
            };
            let remedy = match self.has_own_users() {
                true => "remove `hostUsers: false`, or use HostToContainer",
                false => "run podinit as root, or use HostToContainer",
            };
            let lack = Lack { cause: cause.to_owned(), remedy: remedy.to_owned() };
            let field = format!("{path}.volumeMounts[{position}].mountPropagation");
            let what = format!("mounts of container {} that others see", container.name);
            self.add(&field, &what, &lack, None);
        }
    }

    fn rights(&mut self, container: &'a Container, path: &str) {
        let own = self.facts.own.0;
        // An account's name is not looked up here: what it comes to is told when the container starts.
        let Ok(made) = credentials(self.pod, container, &Accounts::default(), own) else { return };
        if let Some(identity) = &made.identity
            && !self.isolation.keeps_user
            && asks_for_identity(self.pod, container)
        {
            self.identity(container, path, identity);
        }
        if !self.isolation.keeps_capabilities {
            self.capabilities(container, path, &made);
        }
        self.filters(container, path, &made);
        self.labels(container, path, &made);
    }

    fn identity(&mut self, container: &'a Container, path: &str, identity: &Identity) {
        let (user, group) = (identity.user, identity.group);
        let own = self.facts.own;
        let run_as = container.security_context.run_as;
        let field = |has_user: bool| match has_user {
            false => setting(path, run_as.user.is_some(), "runAsUser"),
            true => setting(path, run_as.group.is_some(), "runAsGroup"),
        };
        let what = |whom: &str| format!("{whom} as {user}:{group}");
        if self.is_inside() {
            let ids = if self.has_own_users() { Ids::Below(IDS_OF_POD) } else { self.facts.ids };
            let lack = self.lack(&[Fact::Ids]).unwrap_or_else(|| outside(ids, self.has_own_users()));
            if !ids.has(user) || !ids.has(group) {
                self.add_for(container, &field(ids.has(user)), &what, &lack, Protection::User);
                return;
            }
            // Its own group everybody has.
            let is_there = |id: u32| id == group || ids.allows_groups() && ids.has(id);
            let missing: Vec<_> = identity.groups.iter().copied().filter(|id| !is_there(*id)).collect();
            if !missing.is_empty() {
                self.groups(container, &missing, &if ids.allows_groups() { lack } else { no_groups(lack) });
            }
            return;
        }
        // Being who one is takes no right.
        let is_own = (user, group) == own;
        if is_own && identity.has_groups(&self.facts.own_groups) {
            return;
        }
        if let Some(lack) = self.lack(&[Fact::ChangeUser]).filter(|_| !is_own) {
            self.add_for(container, &field(user == own.0), &what, &lack, Protection::User);
        } else if let Some(lack) = self.lack(&[Fact::Groups]) {
            let others: Vec<_> = identity.groups.iter().copied().filter(|id| *id != group).collect();
            self.groups(container, &others, &lack);
        }
    }

    /// These it cannot have; none: it cannot be without others.
    fn groups(&mut self, container: &'a Container, missing: &[u32], lack: &Lack) {
        let of_volumes = self.pod.security_context.fs_group.filter(|group| missing.contains(group));
        if let Some(group) = of_volumes {
            let what = |whom: &str| format!("the volumes' group {group} for {whom}");
            self.add_for(container, "securityContext.fsGroup", &what, lack, Protection::User);
        }
        if of_volumes.is_none() || missing.len() > 1 {
            let what = |whom: &str| format!("supplementary groups for {whom}");
            self.add_for(container, "securityContext.supplementalGroups", &what, lack, Protection::User);
        }
    }

    fn capabilities(&mut self, container: &Container, path: &str, made: &Credentials) {
        if made.capabilities.is_none() || self.is_inside() {
            return;
        }
        let field = format!("{path}.securityContext.capabilities");
        if let Some(lack) = self.lack(&[Fact::DropCapabilities]) {
            let what = format!("fewer capabilities for container {}", container.name);
            self.add(&field, &what, &lack, Some(Protection::Capabilities));
        }
        let CapabilitySet::These(added) = &container.security_context.capabilities.add else { return };
        let missing = added.iter().filter(|it| self.facts.capabilities & 1 << it.number() == 0);
        let missing: Vec<_> = missing.map(|it| Capability::name(*it)).collect();
        if !missing.is_empty() {
            let names = missing.join(" and ");
            let what = format!("{names} for container {}", container.name);
            let cause = "podinit does not have it itself".to_owned();
            let remedy = format!("give podinit {names}: `--cap-add` (Docker, Podman), or as root");
            self.add(&field, &what, &Lack { cause, remedy }, Some(Protection::Capabilities));
        }
    }

    fn filters(&mut self, container: &'a Container, path: &str, made: &Credentials) {
        let fact = if made.no_new_privileges { Fact::Seccomp } else { Fact::SeccompByRight };
        let lack = self.lack(&[fact]).filter(|_| made.no_new_privileges || !self.is_inside());
        if let Some(lack) = lack.filter(|_| made.seccomp.is_some()) {
            let is_own = container.security_context.profiles.seccomp.is_some();
            let field = setting(path, is_own, "seccompProfile");
            let what = |whom: &str| format!("a filter of system calls for {whom}");
            self.add_for(container, &field, &what, &lack, Protection::Seccomp);
        }
    }

    /// As kubelet and containerd do, what is written is refused where the kernel has no such module; what is not
    /// written is not missed.
    fn labels(&mut self, container: &'a Container, path: &str, made: &Credentials) {
        let own = &container.security_context.profiles;
        let of_profile: &[Fact] = match made.app_armor {
            Some(SecurityProfile::RuntimeDefault) => &[Fact::AppArmor, Fact::DefaultAppArmor],
            Some(SecurityProfile::Localhost(_)) => &[Fact::AppArmor],
            Some(SecurityProfile::Unconfined) | None => &[],
        };
        if let Some(lack) = self.lack(of_profile) {
            let field = setting(path, own.app_armor.is_some(), "appArmorProfile");
            let what = |whom: &str| format!("an AppArmor profile for {whom}");
            self.add_for(container, &field, &what, &lack, Protection::AppArmor);
        }
        if let Some(lack) = self.lack(&[Fact::SeLinux]).filter(|_| made.se_linux.is_some()) {
            let field = setting(path, own.se_linux.is_some(), "seLinuxOptions");
            let what = |whom: &str| format!("an SELinux label for {whom}");
            self.add_for(container, &field, &what, &lack, Protection::SeLinux);
        }
    }

    fn resources(&mut self) {
        for controller in Controller::ALL {
            let Some(lack) = self.lack(&[Fact::of_limits(controller)]) else { continue };
            let field = match controller {
                Controller::Cpu | Controller::Memory => format!("resources.limits.{}", controller.name()),
                Controller::Pids => "podPidsLimit".to_owned(),
            };
            let limits = limited_by(self.pod, controller).into_iter();
            let limits =
                limits.map(|who| (field.clone(), format!("the {} limit of {who}", controller.name())));
            let settings = kubelet_settings(self.pod, controller).into_iter();
            let settings = settings.map(|setting| (setting.name.to_owned(), setting.what.to_owned()));
            self.found.extend(limits.chain(settings).map(|(field, what)| Loss {
                field,
                what,
                class: LossClass::Resource,
                cause: lack.cause.clone(),
                remedy: lack.remedy.clone(),
                protection: None,
                instead: None,
            }));
        }
    }
}

/// The path of a setting of a container's securityContext, where it is its own and not the pod's.
fn setting(path: &str, is_own: bool, name: &str) -> String {
    match is_own {
        true => format!("{path}.securityContext.{name}"),
        false => format!("securityContext.{name}"),
    }
}

/// Containers by their names.
fn words_of(names: &[&str]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("containers {} and {last}", others.join(", ")),
        _ => format!("container {}", names.concat()),
    }
}

fn not_its_own() -> Lack {
    let cause = "its namespace is this host's".to_owned();
    Lack { cause, remedy: "leave the pod its own namespaces".to_owned() }
}

fn no_mount_namespace() -> Lack {
    let cause = "it has no mounts of its own".to_owned();
    Lack { cause, remedy: "leave it its mounts".to_owned() }
}

/// user_namespaces(7): whoever maps no id but his own has to forbid setgroups(2).
fn no_groups(lack: Lack) -> Lack {
    Lack { cause: format!("no groups can be set where {}", lack.cause), ..lack }
}

fn outside(ids: Ids, has_own_users: bool) -> Lack {
    let remedy = if has_own_users {
        "use an id below that, or remove `hostUsers: false`"
    } else {
        "give this user a longer range in /etc/subuid and /etc/subgid, or run podinit as root"
    };
    Lack { cause: ids.words(), remedy: remedy.to_owned() }
}

#[cfg(test)]
mod tests;
