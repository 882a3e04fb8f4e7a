//! Which namespaces a pod and its containers get, and what each container has for a root: by profile, and by
//! what the fields ask for. What must be refused whatever the host can do is refused here.

use std::collections::BTreeMap;

use super::credentials::may_change_mounts;
use super::landlock::Landlock;
use super::mounts::POD_FILES;
use crate::spec::{
    Container, ContainerId, DnsConfig, DnsPolicy, MountPropagation, Pod, Profile, Rootfs, RootfsLayer,
    Sandbox, TERMINATION_LOG, VolumeMount, VolumeSource,
};

/// What the command line says of root file systems.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Directories by the name of the image that they are the files of.
    pub directories: BTreeMap<String, String>,
    /// Containers without one have the host's own files.
    pub host_rootfs: bool,
}

/// What surrounds the pod and each of its containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Namespaces that the whole pod has, and the supervisor with it.
    pub network: bool,
    /// System V IPC and POSIX message queues.
    pub ipc: bool,
    /// Host name.
    pub uts: bool,
    /// Mounts: where a container has some of its own, or the pod has volumes.
    pub mounts: bool,
    /// Users of the pod's own (`hostUsers: false`). An ordinary user's podinit needs such a namespace anyway.
    pub users: bool,
    /// Users and groups stay podinit's own: others were given up.
    pub keeps_user: bool,
    /// Capabilities stay podinit's own: their being fewer was given up.
    pub keeps_capabilities: bool,
    /// Of each container, by its position.
    pub containers: Vec<ContainerIsolation>,
    /// Directories of the images that are volumes, by image.
    pub image_volumes: BTreeMap<String, String>,
}

/// What surrounds one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerIsolation {
    /// Its files; `None`: the host's, as podinit sees them, without a mount namespace of its own.
    pub root: Option<Root>,
    /// Which processes it sees.
    pub processes: ProcessNamespace,
    /// Its part of the control groups is all it sees.
    pub cgroup: bool,
    /// What a container of a node has beside its files: /dev, /proc and /sys of its own, /etc/hosts.
    pub as_on_node: bool,
    /// What stands in for a read-only root that was given up.
    pub landlock: Option<Landlock>,
}

/// What a container has for a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// The host's files, in a mount namespace of the container's own.
    Host,
    /// A directory.
    Directory(Rootfs),
}

/// Which processes a container sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProcessNamespace {
    /// All of the host's, or of podinit's own container.
    #[default]
    Host,
    /// Its own.
    Own,
    /// Those of the pod.
    Pod,
}

impl Root {
    /// Whether what is written to it goes to a layer of the attempt's own.
    pub fn has_layer(&self) -> bool {
        matches!(self, Self::Directory(rootfs) if rootfs.layer == RootfsLayer::Ephemeral)
    }
}

impl Isolation {
    /// Whether there is anything to do.
    pub fn is_needed(&self) -> bool {
        let of_container = |container: &ContainerIsolation| {
            container.root.is_some() || container.processes != ProcessNamespace::Host || container.cgroup
        };
        self.network || self.ipc || self.uts || self.mounts || self.containers.iter().any(of_container)
    }

    /// Whether the containers share a process namespace of the pod's.
    pub fn shares_processes(&self) -> bool {
        self.containers.iter().any(|container| container.processes == ProcessNamespace::Pod)
    }

    /// Whether a container has a process namespace of its own, or the pod's.
    pub fn has_processes(&self) -> bool {
        self.containers.iter().any(|container| container.processes != ProcessNamespace::Host)
    }

    /// The main process of each container is the first of a process namespace: with it everything ends.
    pub fn has_own_processes(&self) -> bool {
        self.containers.iter().all(|container| container.processes == ProcessNamespace::Own)
    }

    /// Of one container.
    pub fn of(&self, id: ContainerId) -> Option<&ContainerIsolation> {
        self.containers.get(id.position())
    }
}

/// What surrounds the pod and its containers.
///
/// # Errors
/// Everything that cannot be, with what to do about it.
pub fn isolation(pod: &Pod, images: &Images) -> Result<Isolation, Vec<String>> {
    let mut problems = Vec::new();
    let is_pod = pod.profile == Profile::Pod;
    let sandbox = &pod.sandbox;
    let asks_for_names = asks_for_names(sandbox);
    let network = is_pod && !sandbox.host.network;
    let containers: Vec<_> = pod
        .iter()
        .map(|(_, _, container)| {
            let root = match root(pod, container, images, asks_for_names) {
                Ok(root) => root,
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            };
            let processes = match (sandbox.share_process_namespace, is_pod && !sandbox.host.pid) {
                (true, _) => ProcessNamespace::Pod,
                (false, true) => ProcessNamespace::Own,
                (false, false) => ProcessNamespace::Host,
            };
            // A process namespace without a /proc of its own would show the wrong processes.
            let root = root.or_else(|| (processes != ProcessNamespace::Host).then_some(Root::Host));
            ContainerIsolation { root, processes, cgroup: is_pod, as_on_node: is_pod, landlock: None }
        })
        .collect();
    if is_pod {
        problems.extend(without_command(pod));
    }
    if !sandbox.host.users {
        problems.extend(with_rights_over_mounts(pod));
    }
    problems.extend(pod.iter().filter_map(|(.., container)| shown_to_host(pod, container)));
    if !problems.is_empty() {
        return Err(problems);
    }
    let mounts = containers.iter().any(|container| container.root.is_some());
    let uts = network || (sandbox.hostname_override.is_some() || sandbox.hostname.is_some()) && !is_pod;
    let ipc = is_pod && !sandbox.host.ipc;
    let image_volumes = image_volumes(pod)
        .filter_map(|(_, reference)| images.directories.get_key_value(reference))
        .map(|(reference, directory)| (reference.clone(), directory.clone()))
        .collect();
    Ok(Isolation {
        network,
        ipc,
        uts,
        mounts,
        users: !sandbox.host.users,
        keeps_user: false,
        keeps_capabilities: false,
        containers,
        image_volumes,
    })
}

/// Containers that could take back what a volume of the host forbids: the kernel locks mounts for a user namespace
/// only where they are copied into it, and volumes with the pod's ids are not.
fn with_rights_over_mounts(pod: &Pod) -> impl Iterator<Item = String> {
    let has_volume = |it: &Container| it.volume_mounts.iter().any(|mount| is_of_host(pod, mount));
    let found = pod.iter().map(|(.., container)| container);
    let found = found.filter(move |it| may_change_mounts(pod, it) && has_volume(it));
    found.map(|container| {
        format!(
            "cannot give container {} the capability SYS_ADMIN with hostUsers: false and a hostPath volume: it could \
             make what is mounted for reading only writable; remove one of the three",
            container.name
        )
    })
}

fn is_of_host(pod: &Pod, mount: &VolumeMount) -> bool {
    let volume = pod.volumes.iter().find(|volume| volume.name == mount.name);
    volume.is_some_and(|volume| matches!(volume.source, VolumeSource::HostPath(_)))
}

/// What podinit mounts for the container below a part of the host that shows mounts both ways: it would be on the
/// host, and stay there.
fn shown_to_host(pod: &Pod, container: &Container) -> Option<String> {
    let shows = |mount: &&VolumeMount| {
        mount.mount_propagation == MountPropagation::Bidirectional && is_of_host(pod, mount)
    };
    let own = || ["/proc", "/sys", "/dev"].into_iter().chain(POD_FILES.map(|(path, _)| path));
    let volumes = || container.volume_mounts.iter().map(|mount| &*mount.mount_path);
    let all = || own().chain([&*container.termination_message_path]).chain(volumes());
    container.volume_mounts.iter().filter(shows).find_map(|mount| {
        let top = mount.mount_path.trim_end_matches('/');
        let is_below = |path: &&str| match path.strip_prefix(top) {
            Some(rest) => rest.len() > 1 && rest.starts_with('/'),
            None => false,
        };
        let (below, name) = (all().find(is_below)?, &container.name);
        Some(format!(
            "cannot mount {below} in container {name}: it is below {}, which shows this host what is mounted \
             in it (mountPropagation: Bidirectional); mount one of the two elsewhere",
            mount.mount_path
        ))
    })
}

/// The names of volumes that are images, and of these.
fn image_volumes(pod: &Pod) -> impl Iterator<Item = (&str, &str)> {
    pod.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Image { reference } => Some((&*volume.name, reference.as_str())),
        VolumeSource::EmptyDir(_) | VolumeSource::HostPath(_) | VolumeSource::Projected(_) => None,
        VolumeSource::PersistentVolumeClaim { .. } => None,
    })
}

/// Which volumes are images that the command line gives no directory for, with what to do about it.
pub fn missing_image_volumes(pod: &Pod, images: &Images) -> Vec<String> {
    let missing = image_volumes(pod).filter(|(_, reference)| !images.directories.contains_key(*reference));
    let problem = |(name, reference)| {
        format!(
            "cannot make volume {name:?}: image {reference:?} is not available, as podinit pulls none; give its files \
             with `--image {reference}=DIRECTORY`"
        )
    };
    missing.map(problem).collect()
}

/// Whether files with names, or of name resolution, are asked for beyond what the host has.
fn asks_for_names(sandbox: &Sandbox) -> bool {
    !sandbox.host_aliases.is_empty()
        || sandbox.dns_policy == DnsPolicy::None
        || sandbox.dns_config != DnsConfig::default()
        || sandbox.hostname.is_some()
        || sandbox.hostname_override.is_some()
}

fn root(
    pod: &Pod,
    container: &Container,
    images: &Images,
    asks_for_names: bool,
) -> Result<Option<Root>, String> {
    if let Some(rootfs) = &container.rootfs {
        return Ok(Some(Root::Directory(rootfs.clone())));
    }
    if let Some(path) = images.directories.get(&*container.image) {
        return Ok(Some(Root::Directory(Rootfs { path: path.clone(), layer: RootfsLayer::Ephemeral })));
    }
    let asks_for_mounts = asks_for_names
        || !container.volume_mounts.is_empty()
        || container.security_context.read_only_root_filesystem
        || container.termination_message_path != TERMINATION_LOG;
    match pod.profile {
        Profile::Process => Ok(asks_for_mounts.then_some(Root::Host)),
        Profile::Pod if images.host_rootfs => Ok(Some(Root::Host)),
        Profile::Pod => {
            let (name, image) = (&container.name, &container.image);
            let missing = match &**image {
                "" => format!("cannot start container {name}: it has no image and no `rootfs`"),
                image => format!(
                    "cannot start container {name}: image {image:?} is not available, as podinit pulls none"
                ),
            };
            let image = if image.is_empty() { "NAME" } else { image };
            Err(format!(
                "{missing}; give its files with `--image {image}=DIRECTORY` or `rootfs`, or use this host's \
                 files, in namespaces of its own with `--host-rootfs`, without isolation with `--profile process`"
            ))
        }
    }
}

/// A directory has no entry point.
fn without_command(pod: &Pod) -> Vec<String> {
    let without =
        pod.iter().filter(|(_, _, container)| container.command.is_empty() && container.args.is_empty());
    let problem = |(_, _, container): (_, _, &Container)| {
        format!(
            "cannot start container {}: it has no command, and a directory has no entry point; write `command`",
            container.name
        )
    };
    without.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{self, Options, Source, Syntax, Volume};
    use std::sync::Arc;

    fn pod(change: impl Fn(&mut Pod)) -> Pod {
        let mut pod = Pod::named("pod");
        pod.containers.push(Container { command: vec!["true".to_owned()], ..Container::named("main") });
        change(&mut pod);
        pod
    }

    fn on_host(pod: &Pod) -> Isolation {
        isolation(pod, &Images { host_rootfs: true, ..Images::default() }).unwrap()
    }

    #[test]
    fn cont_07_namespaces_are_shared_exactly_as_the_pod_says() {
        let shape = |change: fn(&mut Sandbox)| {
            let made = on_host(&pod(|pod| change(&mut pod.sandbox)));
            (made.network, made.ipc, made.uts, made.containers[0].processes)
        };
        use ProcessNamespace::{Host, Own, Pod as Shared};
        assert_eq!(shape(|_| {}), (true, true, true, Own));
        // With the host's network the host's name as well, as kubelet has it.
        assert_eq!(shape(|sandbox| sandbox.host.network = true), (false, true, false, Own));
        assert_eq!(shape(|sandbox| sandbox.host.ipc = true), (true, false, true, Own));
        assert_eq!(shape(|sandbox| sandbox.host.pid = true), (true, true, true, Host));
        assert_eq!(shape(|sandbox| sandbox.share_process_namespace = true), (true, true, true, Shared));
    }

    #[test]
    fn profile_process_has_only_what_fields_ask_for() {
        let of = |change: fn(&mut Pod)| {
            on_host(&pod(|pod| {
                pod.profile = Profile::Process;
                change(pod);
            }))
        };
        assert!(!of(|_| {}).is_needed());
        let shared = of(|pod| pod.sandbox.share_process_namespace = true);
        assert_eq!(shared.containers[0].root, Some(Root::Host), "a /proc of its own");
        let read_only = of(|pod| pod.containers[0].security_context.read_only_root_filesystem = true);
        assert!(read_only.mounts && !read_only.network && !read_only.containers[0].as_on_node);
    }

    #[test]
    fn an_image_needs_files_and_a_command() {
        let image = |pod: &mut Pod| {
            pod.containers[0].image = Arc::from("web:1");
            pod.containers[0].command.clear();
        };
        let problems = isolation(&pod(image), &Images::default()).unwrap_err();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("--image web:1=DIRECTORY"), "{problems:?}");
        assert!(problems[1].contains("no command"), "{problems:?}");
        let given = Images { directories: [("web:1".into(), "/srv/web".into())].into(), host_rootfs: false };
        let made = isolation(&pod(|pod| pod.containers[0].image = Arc::from("web:1")), &given).unwrap();
        let rootfs = Rootfs { path: "/srv/web".into(), layer: RootfsLayer::Ephemeral };
        assert_eq!(made.containers[0].root, Some(Root::Directory(rootfs)));
    }

    #[test]
    fn a_volume_that_is_an_image_has_the_directory_that_is_given_for_it() {
        let source = VolumeSource::Image { reference: "models:1".to_owned() };
        let pod = pod(|pod| pod.volumes.push(Volume { name: "models".into(), source: source.clone() }));
        let images = |directories: &[(&str, &str)]| {
            let directories =
                directories.iter().map(|(name, path)| ((*name).into(), (*path).into())).collect();
            Images { directories, host_rootfs: true }
        };
        let problems = missing_image_volumes(&pod, &images(&[("other", "/srv")]));
        assert!(problems.len() == 1 && problems[0].contains("--image models:1=DIRECTORY"), "{problems:?}");
        let given = images(&[("models:1", "/srv/models"), ("other", "/srv")]);
        assert_eq!(missing_image_volumes(&pod, &given), [""; 0]);
        let made = isolation(&pod, &given).unwrap();
        assert_eq!(made.image_volumes, [("models:1".to_owned(), "/srv/models".to_owned())].into());
    }

    /// FS-08, FS-09: what podinit mounts below a part of the host that shows mounts both ways would stay on the host.
    #[test]
    fn fs_09_nothing_of_podinit_s_is_mounted_where_the_host_sees_it() {
        let text = |path: &str, more: &str| {
            format!(
                "profile = \"pod\"\n[[volumes]]\nname = \"host\"\nhostPath.path = \"/srv\"\n[[volumes]]\nname = \"own\"\n\
                 [[containers]]\nname = \"main\"\ncommand = [\"true\"]\nsecurityContext.privileged = true\nvolumeMounts = [{{ \
                 name = \"host\", mountPath = \"{path}\", mountPropagation = \"Bidirectional\" }}, {{ name = \"own\", mountPath = \"{more}\" }}]\n"
            )
        };
        let problems = |path: &str, more: &str| {
            let source = Source { name: "pod.toml".to_owned(), text: text(path, more), syntax: Syntax::Toml };
            let pod = spec::load(&[source], &Options::default()).pod.unwrap();
            isolation(&pod, &Images { host_rootfs: true, ..Images::default() }).err().unwrap_or_default()
        };
        assert_eq!(problems("/mnt", "/data"), [""; 0]);
        assert_eq!(problems("/mnt", "/mntdata"), [""; 0]);
        for (path, below) in [("/mnt", "/mnt/sub"), ("/etc", "/etc/hosts"), ("/etc/", "/etc/hosts")] {
            let more = if below == "/mnt/sub" { below } else { "/data" };
            let found = problems(path, more);
            assert!(found.len() == 1 && found[0].contains(&format!("cannot mount {below} ")), "{found:?}");
        }
    }
}
