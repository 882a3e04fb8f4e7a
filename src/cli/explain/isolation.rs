//! What surrounds the containers and what they may, as `explain` shows it: namespaces, names, users, rights,
//! volumes. Knows what the fields mean; what a Secret holds is not looked at.

use super::report::Origin;
use super::values::{Values, quoted};
use crate::spec::{
    Capability, CapabilitySet, Container, DnsPolicy, FsGroupChangePolicy, HostNamespaces,
    MemoryReservationPolicy, MountPropagation, Network, Pod, ProcMount, Profile, ProjectedSource,
    RecursiveReadOnly, RootfsLayer, RunAs, SecurityProfile, SecurityProfiles, Stdin, SubPath,
    SupplementalGroupsPolicy, Volume, VolumeMount, VolumeSource,
};

/// Not in any manifest, and so by the profile's nature.
pub(super) fn by_profile(profile: Profile) -> [(&'static str, &'static str); 9] {
    match profile {
        Profile::Process => [
            ("user", "podinit's own"),
            ("capabilities", "podinit's own, unchanged"),
            ("seccompProfile", "none"),
            ("namespaces", "this host's"),
            ("root file system", "this host's"),
            ("mounts", "none of its own"),
            ("umask, rlimits", "podinit's own"),
            ("environment", "podinit's own, without what is meant for podinit"),
            ("stdin", "/dev/null"),
        ],
        Profile::Pod => [
            ("user", "0"),
            ("capabilities", "the 14 that containers usually have"),
            ("seccompProfile", "RuntimeDefault"),
            ("namespaces", "network, IPC and names of the pod; mounts, processes and cgroup of its own"),
            ("root file system", "that of its image"),
            ("mounts", "/proc, /sys and /dev of its own"),
            ("umask, rlimits", "umask 022; podinit's limits"),
            ("environment", "PATH, HOSTNAME and HOME"),
            ("stdin", "/dev/null"),
        ],
    }
}

impl Values<'_> {
    /// What the pod says.
    pub(super) fn sandbox(&mut self, pod: &Pod) {
        let sandbox = &pod.sandbox;
        let HostNamespaces { network, pid, ipc, users } = sandbox.host;
        let whose = |is_host: bool| if is_host { "this host's" } else { "the pod's own" }.to_owned();
        for (field, is_host) in
            [("hostNetwork", network), ("hostPID", pid), ("hostIPC", ipc), ("hostUsers", users)]
        {
            self.written(field, whose(is_host));
        }
        self.written("shareProcessNamespace", sandbox.share_process_namespace.to_string());
        let reach = match sandbox.network {
            Network::Private => "private: the outside through pasta where that is there",
            Network::None => "none: only the pod itself",
            Network::Pasta => "pasta: the outside through pasta, or the pod does not start",
        };
        self.setting_of_pod("network", reach.to_owned());
        for (field, name) in [
            ("hostname", &sandbox.hostname),
            ("subdomain", &sandbox.subdomain),
            ("hostnameOverride", &sandbox.hostname_override),
        ] {
            self.written(field, name.clone().unwrap_or_default());
        }
        self.written("setHostnameAsFQDN", sandbox.set_hostname_as_fqdn.to_string());
        let aliases = sandbox.host_aliases.iter().map(|it| format!("{} {}", it.ip, it.hostnames.join(" ")));
        self.written("hostAliases", aliases.collect::<Vec<_>>().join("; "));
        let policy = match sandbox.dns_policy {
            DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet | DnsPolicy::Default => {
                "this host's name servers"
            }
            DnsPolicy::None => "the name servers of dnsConfig alone",
        };
        self.written("dnsPolicy", policy.to_owned());
        let config = &sandbox.dns_config;
        let servers: Vec<String> = config.nameservers.iter().map(ToString::to_string).collect();
        self.written("dnsConfig.nameservers", servers.join(", "));
        self.written("dnsConfig.searches", config.searches.join(", "));
        let option = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!("{name}:{value}"),
            None => name.clone(),
        };
        self.written("dnsConfig.options", config.options.iter().map(option).collect::<Vec<_>>().join(" "));
        self.rights_of_pod(pod);
        for (position, volume) in pod.volumes.iter().enumerate() {
            self.part("volumes", &format!("volumes[{position}].name"), described(volume));
        }
    }

    /// What a kubelet's configuration would say of the pod.
    pub(super) fn kubelet(&mut self, pod: &Pod) {
        let kubelet = pod.kubelet;
        let killed = match kubelet.single_process_oom_kill {
            true => "true: where memory is short one process is killed",
            false => "false: where memory is short the container is killed as a whole",
        };
        self.setting_of_pod("singleProcessOOMKill", killed.to_owned());
        let pids = kubelet.pod_pids_limit.unwrap_or_default();
        self.setting_of_pod("podPidsLimit", format!("{pids} processes and threads at once"));
        let factor = kubelet.memory_throttling_factor.unwrap_or_default();
        self.setting_of_pod("memoryThrottlingFactor", factor.to_string());
        let policy = match kubelet.memory_reservation_policy {
            MemoryReservationPolicy::None => "None: requested memory may be reclaimed",
            MemoryReservationPolicy::TieredReservation => {
                "TieredReservation: requested memory is kept, of Burstable pods as long as there is other"
            }
        };
        self.setting_of_pod("memoryReservationPolicy", policy.to_owned());
    }

    fn rights_of_pod(&mut self, pod: &Pod) {
        let context = &pod.security_context;
        self.run_as(&context.run_as);
        let ids: Vec<String> = context.supplemental_groups.iter().map(u32::to_string).collect();
        self.written("securityContext.supplementalGroups", ids.join(", "));
        let policy = match context.supplemental_groups_policy {
            SupplementalGroupsPolicy::Merge => "Merge: with the image's groups of the user",
            SupplementalGroupsPolicy::Strict => "Strict: without the image's groups of the user",
        };
        self.written("securityContext.supplementalGroupsPolicy", policy.to_owned());
        self.written("securityContext.fsGroup", context.fs_group.unwrap_or_default().to_string());
        let change = match context.fs_group_change_policy {
            FsGroupChangePolicy::Always => "Always: every file of a volume is looked at",
            FsGroupChangePolicy::OnRootMismatch => "OnRootMismatch: only where the volume's root differs",
        };
        self.written("securityContext.fsGroupChangePolicy", change.to_owned());
        let sysctls = context.sysctls.iter().map(|it| format!("{}={}", it.name, quoted(&it.value)));
        if !context.sysctls.is_empty() {
            self.written("securityContext.sysctls", sysctls.collect::<Vec<_>>().join(", "));
        }
        self.profiles(&context.profiles);
    }

    /// What a container says.
    pub(super) fn rights(&mut self, container: &Container) {
        let context = &container.security_context;
        self.run_as(&context.run_as);
        let changes = [("added", &context.capabilities.add), ("dropped", &context.capabilities.drop)];
        let changes = changes.into_iter().filter_map(|(what, set)| Some(format!("{} {what}", names(set)?)));
        self.written("securityContext.capabilities", changes.collect::<Vec<_>>().join(", "));
        for (field, value) in [
            ("privileged", context.privileged),
            ("allowPrivilegeEscalation", context.allow_privilege_escalation.unwrap_or(true)),
            ("readOnlyRootFilesystem", context.read_only_root_filesystem),
        ] {
            self.written(&format!("securityContext.{field}"), value.to_string());
        }
        let proc_mount = match context.proc_mount {
            ProcMount::Default => "Default: without what tells of or changes the host",
            ProcMount::Unmasked => "Unmasked: all of /proc",
        };
        self.written("securityContext.procMount", proc_mount.to_owned());
        self.profiles(&context.profiles);
        for (position, mount) in container.volume_mounts.iter().enumerate() {
            self.part("volumeMounts", &format!("volumeMounts[{position}].mountPath"), mounted(mount));
        }
        let stdin = match container.stdin {
            Stdin::Empty => "empty",
            Stdin::Open | Stdin::Once => "what is typed, where podinit has a terminal",
        };
        self.written("stdin", stdin.to_owned());
        self.written("stdinOnce", (container.stdin == Stdin::Once).to_string());
        self.written("tty", if container.tty { "a terminal of its own" } else { "none" }.to_owned());
        self.written("terminationMessagePath", quoted(&container.termination_message_path));
        if let Some(rootfs) = &container.rootfs {
            let layer = match rootfs.layer {
                RootfsLayer::Ephemeral => "with an ephemeral layer",
                RootfsLayer::Directory => "itself",
            };
            self.setting(container, "rootfs", format!("{} {layer}", quoted(&rootfs.path)));
        }
        if container.reaper {
            let value = "a process of podinit's reaps what the main process leaves behind";
            self.setting(container, "reaper", value.to_owned());
        }
    }

    fn run_as(&mut self, run_as: &RunAs) {
        self.written("securityContext.runAsUser", run_as.user.unwrap_or_default().to_string());
        self.written("securityContext.runAsGroup", run_as.group.unwrap_or_default().to_string());
        self.written("securityContext.runAsNonRoot", run_as.non_root.unwrap_or_default().to_string());
    }

    fn profiles(&mut self, profiles: &SecurityProfiles) {
        let shown = |profile: &Option<SecurityProfile>| match profile {
            Some(SecurityProfile::RuntimeDefault) => "RuntimeDefault".to_owned(),
            Some(SecurityProfile::Localhost(name)) => format!("Localhost: {}", quoted(name)),
            Some(SecurityProfile::Unconfined) | None => "Unconfined".to_owned(),
        };
        self.written("securityContext.seccompProfile", shown(&profiles.seccomp));
        self.written("securityContext.appArmorProfile", shown(&profiles.app_armor));
        let label = profiles.se_linux.clone().unwrap_or_default();
        let parts = [label.user, label.role, label.type_, label.level];
        self.written("securityContext.seLinuxOptions", quoted(&parts.join(":")));
    }

    /// A part of a list, under the list's name.
    fn part(&mut self, field: &'static str, path: &str, value: String) {
        match self.origin(path) {
            Some(origin) => self.add(field, value, origin),
            None => self.add(field, value, Origin::Default("the manifest")),
        }
    }
}

fn names(set: &CapabilitySet) -> Option<String> {
    match set {
        CapabilitySet::All => Some("ALL".to_owned()),
        CapabilitySet::These(these) if these.is_empty() => None,
        CapabilitySet::These(these) => {
            Some(these.iter().map(|one| Capability::name(*one)).collect::<Vec<_>>().join(" "))
        }
    }
}

fn mounted(mount: &VolumeMount) -> String {
    let part = match &mount.sub_path {
        SubPath::Whole => String::new(),
        SubPath::Path(path) | SubPath::Expression(path) => format!(", its {}", quoted(path)),
    };
    let rights = match (mount.read_only, mount.recursive_read_only) {
        (false, _) => "",
        (true, RecursiveReadOnly::Disabled) => ", read-only",
        (true, RecursiveReadOnly::IfPossible) => ", read-only with what is mounted below where that can be",
        (true, RecursiveReadOnly::Enabled) => ", read-only with what is mounted below",
    };
    let propagation = match mount.mount_propagation {
        MountPropagation::None => "",
        MountPropagation::HostToContainer => ", with what the host mounts later",
        MountPropagation::Bidirectional => ", with what either side mounts later",
    };
    format!("{}: {}{part}{rights}{propagation}", quoted(&mount.mount_path), mount.name)
}

fn described(volume: &Volume) -> String {
    let source = match &volume.source {
        VolumeSource::EmptyDir(directory) => {
            let place = if directory.in_memory { "empty, in memory" } else { "empty, on disk" };
            // On disk nobody counts.
            let limit = directory.size_limit.filter(|_| directory.in_memory);
            let limit = limit.map_or(String::new(), |limit| format!(", at most {limit}"));
            format!("{place}{limit}")
        }
        VolumeSource::HostPath(host) => format!("{} of this host", quoted(&host.path)),
        VolumeSource::PersistentVolumeClaim { claim_name, read_only } => {
            let rights = if *read_only { ", read-only" } else { "" };
            format!("the directory of claim {claim_name}{rights}")
        }
        VolumeSource::Image { reference } => format!("the files of image {reference}, read-only"),
        VolumeSource::Projected(projected) => {
            let source = |source: &ProjectedSource| match source {
                ProjectedSource::ConfigMap(object) => format!("ConfigMap {}", object.name),
                ProjectedSource::Secret(object) => format!("Secret {}", object.name),
                ProjectedSource::DownwardApi(_) => "the pod itself".to_owned(),
            };
            let sources: Vec<String> = projected.sources.iter().map(source).collect();
            format!("files of {}", sources.join(", "))
        }
    };
    format!("{}: {source}", volume.name)
}
