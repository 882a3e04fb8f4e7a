//! What surrounds the pod's containers, made: the namespaces that the supervisor enters for all of them, the
//! pod's own files and volumes, and for each attempt the steps that its child takes. What is to be made was
//! decided in `plan`.

pub(super) mod labels;
mod mounts;
mod names;
mod namespaces;
mod network;
pub(super) mod own_users;
mod ownership;
mod place;
mod processes;
mod rights;
mod shared;
pub(super) mod users;
mod volumes;
mod written;

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};

use self::mounts::{Host, MOST_MOUNTS, VolumeAt};
use self::network::Network;
use self::own_users::OwnUsers;
use self::ownership::OwnershipChange;
use self::place::{Disk, Place};
use self::processes::PodProcesses;
use self::rights::Filters;
use self::shared::Shared;
pub(crate) use processes::{FIRST_PROCESS, be_first_process};

use super::cause;
use super::host::random_number;
use crate::plan::{
    self, Accounts, ContainerIsolation, Credentials, Hostname, Ids, Isolation, MOST_ACCOUNT_BYTES, MountPlan,
    NetworkPlan, ProcessNamespace, Root, Surroundings, asks_for_identity, credentials,
};
use crate::pod::{AttemptId, StartFailure, StartStage};
use crate::spec::{Container, ContainerId, Pod, Sysctl};
use crate::sys::{self, ChildOp, Namespaces, Within};

/// Bytes of a last message that are read; more than is shown of it.
const MOST_MESSAGE: u64 = 8 << 10;

/// What surrounds one pod.
#[derive(Debug)]
pub(super) struct Sandbox {
    isolation: Isolation,
    network: Network,
    ids: Ids,
    /// Users that are not this host's, where podinit is root; it stays outside.
    own_users: Option<OwnUsers>,
    /// Namespaces that stay for good have been entered.
    has_entered: bool,
    place: Option<Place>,
    /// Where podinit keeps what has to be on disk, where there is such a place.
    base: Option<PathBuf>,
    disk: Option<Disk>,
    volumes: Vec<VolumeAt>,
    /// What is in those that podinit writes.
    files: volumes::Files,
    /// While volumes become the group's.
    change: Option<OwnershipChange>,
    /// How often volumes of files have been written.
    version: u32,
    /// A container has been started, which may have changed what all of them see.
    has_started: bool,
    shared: Shared,
    /// Tells this pod from others where a label of SELinux's does not; 0 where nobody asked.
    number: u64,
    hostname: Hostname,
    processes: Option<PodProcesses>,
    filters: Filters,
}

/// What a step does, in words that follow "cannot".
pub(super) type Words = Cow<'static, str>;

/// Steps of a child, and what each does.
pub(super) type ChildSteps = Vec<(ChildOp, Words)>;

/// What surrounds one attempt: the steps of its child beside those that every child takes.
#[derive(Debug, Default)]
pub(super) struct Enclosure {
    /// Namespaces of its own.
    pub(super) namespaces: Namespaces,
    /// What the kernel's security modules are told, first of all.
    pub(super) labels: ChildSteps,
    /// What is done as the supervisor, before the pod's users are joined.
    pub(super) before: ChildSteps,
    /// The pod's user namespace, where the supervisor is not in it.
    pub(super) users_of_pod: Option<RawFd>,
    /// Mounts, before rights are given away.
    pub(super) mounts: ChildSteps,
    /// Users and what else may come before the working directory is entered.
    pub(super) users: ChildSteps,
    /// Rights and filters, last of all.
    pub(super) rights: ChildSteps,
    /// There is something around it: descriptors are closed, and the working directory is looked at.
    pub(super) is_closed: bool,
}

impl Enclosure {
    /// Its main process is the first of its process namespace: nothing outlives it.
    pub(super) fn has_first_process(&self) -> bool {
        self.namespaces.has(Namespaces::PROCESS)
    }
}

impl Sandbox {
    pub(super) fn new(mut isolation: Isolation, network: NetworkPlan) -> Self {
        let roots = isolation.containers.iter_mut().filter_map(|of| match &mut of.root {
            Some(Root::Directory(rootfs)) => Some(&mut rootfs.path),
            Some(Root::Host) | None => None,
        });
        // A child has another working directory once it has been in another mount namespace (setns(2)).
        for path in roots.chain(isolation.image_volumes.values_mut()) {
            if let Ok(absolute) = std::path::absolute(&*path) {
                *path = absolute.to_string_lossy().into_owned();
            }
        }
        Self {
            isolation,
            network: Network::new(network),
            ids: Ids::Host,
            own_users: None,
            has_entered: false,
            place: None,
            base: None,
            disk: None,
            volumes: Vec::new(),
            files: volumes::Files::default(),
            change: None,
            version: 0,
            has_started: false,
            shared: Shared::default(),
            number: 0,
            hostname: Hostname { name: String::new(), fqdn: None, kernel: String::new() },
            processes: None,
            filters: Filters::default(),
        }
    }

    /// Makes ready what the kernel's security modules will be told of containers, before anything else.
    pub(super) fn prepare_labels(&mut self, pod: &Pod) -> Result<(), String> {
        if self.number == 0 && plan::has_se_linux_label(pod) {
            self.number = random_number();
        }
        labels::load_default(pod)
    }

    /// The pod has another name than this host.
    pub(super) fn has_own_hostname(&self, pod: &Pod) -> bool {
        self.isolation.uts && !pod.sandbox.host.network
    }

    /// Makes everything that is the pod's, but for what [`change`](Self::change) does on its own. `surroundings`
    /// are needed by a pod that has volumes or this host's name. On an error nothing of it is left but
    /// namespaces that end with podinit.
    pub(super) fn set_up(
        &mut self,
        pod: &Pod,
        surroundings: Option<&Surroundings>,
        own_program: Option<BorrowedFd<'_>>,
    ) -> Result<(), String> {
        self.check_roots(pod)?;
        self.hostname = plan::hostname(pod)?;
        if let Some(surroundings) = surroundings.filter(|_| !self.has_own_hostname(pod)) {
            // The name of the host is the pod's as well.
            self.hostname.kernel.clone_from(&surroundings.node_name);
        }
        if self.isolation.mounts && self.place.is_none() {
            self.place = Some(Place::find()?);
        }
        if let (true, Some(place)) = (self.isolation.network, &self.place) {
            self.network.find(place, !users::is_privileged(), self.has_entered)?;
        }
        if !self.has_entered {
            // Whoever podinit is now, before it is root of a namespace.
            self.base = place::base();
            self.shared.find(pod)?;
        }
        self.enter()?;
        // It takes its time, in which the rest is made.
        self.network.begin()?;
        if let Some(place) = &self.place {
            place.mount().map_err(|error| format!("cannot mount the pod's own files: {}", cause(error)))?;
        }
        self.set_up_network(pod)?;
        let mut owned = Vec::new();
        if let (Some(place), Some(surroundings)) = (&self.place, surroundings) {
            let at = volumes::Places {
                place,
                ids: self.ids,
                own_users: self.own_users.is_some(),
                base: self.base.as_deref(),
                images: &self.isolation.image_volumes,
            };
            let made = volumes::set_up(pod, &at, surroundings, &mut self.disk)?;
            (self.volumes, self.files, owned) = (made.volumes, made.files, made.owned);
            self.shared.make(pod, &self.volumes)?;
            for (volume, at) in pod.volumes.iter().zip(&mut self.volumes) {
                at.namespaces = self.shared.namespaces(pod, volume);
            }
            self.check_files(pod)?;
        }
        if self.isolation.shares_processes() {
            let place = self.place.as_ref();
            self.processes = Some(PodProcesses::start(own_program, place)?);
        }
        if self.isolation.network {
            self.network.wait()?;
        }
        self.write_names(pod)?;
        // Last of all: its end would interrupt what is waited for above.
        if let Some(group) = pod.security_context.fs_group.filter(|_| !owned.is_empty()) {
            let begun = OwnershipChange::begin(&owned, group);
            let cannot = |error| format!("cannot give volumes to fsGroup {group}: {}", cause(error));
            self.change = Some(begun.map_err(cannot)?);
        }
        Ok(())
    }

    /// What is mounted for a pod with users of its own has to take their ids.
    fn check_files(&self, pod: &Pod) -> Result<(), String> {
        let Some(users) = &self.own_users else { return Ok(()) };
        let volumes = pod.volumes.iter().zip(&self.volumes);
        let mut named: Vec<(String, PathBuf)> =
            volumes.map(|(volume, at)| (format!("volume {:?}", volume.name), at.path.clone())).collect();
        for (container, isolation) in pod.iter().map(|(.., it)| it).zip(&self.isolation.containers) {
            if let Some(Root::Directory(rootfs)) = &isolation.root {
                let what = format!("the root file system {} of container {}", rootfs.path, container.name);
                named.push((what, PathBuf::from(&rootfs.path)));
            }
        }
        named.extend(self.place.iter().map(|place| ("the pod's own files".to_owned(), place.path(""))));
        users.check(&named)
    }

    /// A root file system that is not there will not be there when a container is tried again.
    fn check_roots(&self, pod: &Pod) -> Result<(), String> {
        for (container, isolation) in
            pod.iter().map(|(.., container)| container).zip(&self.isolation.containers)
        {
            let Some(Root::Directory(rootfs)) = &isolation.root else { continue };
            open_root(Path::new(&rootfs.path)).map_err(|errno| {
                format!(
                    "cannot use the root file system {} of container {}: {}",
                    rootfs.path,
                    container.name,
                    cause(errno)
                )
            })?;
        }
        for (image, directory) in &self.isolation.image_volumes {
            open_root(Path::new(directory)).map_err(|errno| {
                format!("cannot use {directory} for image {image}, which is a volume: {}", cause(errno))
            })?;
        }
        Ok(())
    }

    /// What of the identity the pod has not, in words.
    fn missing_id(&self, container: &str, identity: &plan::Identity) -> Option<String> {
        let is_missing = |id: &u32| !self.ids.has(*id);
        let own = [identity.user, identity.group].into_iter().find(is_missing).map(|id| format!("as {id}"));
        let other = || identity.groups.iter().copied().find(is_missing).map(|id| format!("with group {id}"));
        let what = own.or_else(other)?;
        let remedy = ids_remedy(self.ids, self.own_users.is_some());
        Some(format!("cannot run container {container} {what}: {}; {remedy}", self.ids.words()))
    }

    fn set_up_network(&self, pod: &Pod) -> Result<(), String> {
        if self.isolation.network {
            sys::bring_interface_up(c"lo")
                .map_err(|error| format!("cannot bring up the pod's loopback interface: {}", cause(error)))?;
        }
        if self.isolation.uts {
            let name = &self.hostname.kernel;
            nix::unistd::sethostname(name)
                .map_err(|errno| format!("cannot set the pod's host name to {name:?}: {}", cause(errno)))?;
        }
        let sysctls = &pod.security_context.sysctls;
        let refused = match &self.own_users {
            Some(users) if !sysctls.is_empty() => users.by_root(|| first_refused(sysctls))?,
            Some(_) | None => first_refused(sysctls),
        };
        let Some((position, errno)) = refused else { return Ok(()) };
        let Some(Sysctl { name, value }) = sysctls.get(position) else { return Ok(()) };
        Err(format!("cannot set sysctl {name} to {value:?}: {}", cause(errno)))
    }

    /// Ends what was made for the pod. Nothing of any container is left.
    pub(super) fn tear_down(&mut self) {
        self.processes = None;
        self.change = None;
        self.network.stop();
        self.shared.tell_what_is_left(self.place.as_ref().map(|place| place.path("")).as_deref());
        self.volumes.clear();
        self.files = volumes::Files::default();
        if let Some(disk) = self.disk.take()
            && let Err(error) = disk.remove()
        {
            log::warn!("cannot remove the pod's directories: {}", cause(error));
        }
    }

    /// The addresses of the pod's own network; `None` where it has the host's.
    pub(super) fn addresses(&self) -> Option<&[IpAddr]> {
        self.isolation.network.then(|| self.network.addresses())
    }

    /// What gives volumes to the pod's group, until it has come to its end: no container starts before.
    pub(super) fn change(&mut self) -> &mut Option<OwnershipChange> {
        &mut self.change
    }

    /// What carries the pod's network.
    pub(super) fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// What a container is called on its network, and in HOSTNAME.
    pub(super) fn hostname(&self) -> &str {
        &self.hostname.kernel
    }

    /// Whether there is anything around the pod.
    pub(super) fn is_needed(&self) -> bool {
        self.isolation.is_needed()
    }

    /// As it was decided.
    pub(super) fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// Of one container.
    pub(super) fn of(&self, id: ContainerId) -> Option<&ContainerIsolation> {
        self.isolation.of(id)
    }

    /// Containers mount parts of volumes for others.
    pub(super) fn shares_mounts(&self) -> bool {
        self.shared.is_needed()
    }

    /// The container's main process is the first of a process namespace: with it everything ends.
    pub(super) fn has_own_processes(&self, id: ContainerId) -> bool {
        self.of(id).is_some_and(|of| of.processes == ProcessNamespace::Own)
    }

    /// The process namespace that an attempt of the container is born into; it is the pod's.
    pub(super) fn joins(&self, id: ContainerId) -> Option<BorrowedFd<'_>> {
        let shares = self.of(id).is_some_and(|of| of.processes == ProcessNamespace::Pod);
        self.processes.as_ref().filter(|_| shares).map(PodProcesses::namespace)
    }

    /// The first process of the pod's process namespace, whose children are what the containers leave.
    pub(super) fn first_process(&self) -> Option<i32> {
        self.processes.as_ref().map(PodProcesses::pid)
    }

    /// Whether this was the first process of the pod's process namespace, without which there is none.
    pub(super) fn lost_first_process(&mut self, pid: i32) -> bool {
        let lost = self.first_process() == Some(pid);
        if lost && let Some(processes) = self.processes.take() {
            processes.ended();
        }
        lost
    }

    /// As whom an attempt runs.
    pub(super) fn credentials(
        &self,
        pod: &Pod,
        container: &Container,
        id: ContainerId,
    ) -> Result<Credentials, StartFailure> {
        let accounts = if asks_for_identity(pod, container) {
            let root = self.of(id).and_then(|isolation| isolation.root.as_ref());
            accounts(root).map_err(|error| {
                config(format!("cannot read the container's /etc/passwd: {}", cause(error)))
            })?
        } else {
            Accounts::default()
        };
        let own = nix::unistd::geteuid().as_raw();
        let mut credentials = credentials(pod, container, &accounts, own).map_err(config)?;
        credentials.landlock = self.of(id).and_then(|isolation| isolation.landlock.clone());
        self.keep(&mut credentials);
        let missing = credentials.identity.as_ref().and_then(|it| self.missing_id(&container.name, it));
        missing.map_or(Ok(credentials), |message| Err(config(message)))
    }

    /// What was given up stays as podinit has it, and so does who it is already, which it may lack the right
    /// to become.
    fn keep(&self, credentials: &mut Credentials) {
        let is_own = |identity: &plan::Identity| {
            let (user, group) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
            (identity.user, identity.group) == (user, group) && identity.has_groups(&users::own_groups())
        };
        // Root has rights to lose: becoming it anew is nothing to save.
        let is_root = nix::unistd::geteuid().is_root();
        // Who has users of his own is nobody among them before he becomes one.
        let keeps_user = self.isolation.keeps_user && self.own_users.is_none();
        if keeps_user || !is_root && credentials.identity.as_ref().is_some_and(is_own) {
            credentials.identity = None;
        }
        if self.isolation.keeps_capabilities {
            credentials.capabilities = None;
        }
    }

    /// The steps of an attempt's child.
    pub(super) fn enclosure(
        &mut self,
        id: AttemptId,
        plan: Option<&MountPlan>,
        credentials: &Credentials,
        working_dir: Option<&std::ffi::CStr>,
    ) -> Result<Enclosure, StartFailure> {
        let Some(isolation) = self.isolation.of(id.container) else { return Ok(Enclosure::default()) };
        let as_on_node = isolation.as_on_node;
        let mut enclosure =
            rights::enclosure(credentials, as_on_node, self.ids, &mut self.filters).map_err(config)?;
        if credentials.app_armor.is_some() || credentials.se_linux.is_some() {
            enclosure.labels = labels::steps(credentials, self.number);
        }
        enclosure.users_of_pod =
            self.own_users.as_ref().and_then(OwnUsers::namespace).map(|users| users.as_raw_fd());
        if isolation.processes == ProcessNamespace::Own {
            enclosure.namespaces = enclosure.namespaces.and(Namespaces::PROCESS);
        }
        if isolation.cgroup {
            enclosure.namespaces = enclosure.namespaces.and(Namespaces::CGROUP);
        }
        if let (Some(plan), Some(place)) = (plan, &self.place) {
            if plan.mounts.len() > MOST_MOUNTS {
                return Err(config(format!("cannot make more than {MOST_MOUNTS} mounts for one container")));
            }
            enclosure.namespaces = enclosure.namespaces.and(Namespaces::MOUNT);
            let message = message(id);
            place.write(&message, b"", 0o666).map_err(|error| {
                config(format!("cannot make the file for the last message: {}", cause(error)))
            })?;
            let host = Host {
                place,
                volumes: &self.volumes,
                is_rootless: self.ids != Ids::Host,
                users: enclosure.users_of_pod,
                own_ipc: self.isolation.ipc,
                message: &message,
                working_dir,
            };
            let steps = mounts::steps(plan, host);
            let [before, mounts] =
                steps.map(|steps| steps.into_iter().map(|(op, what)| (ChildOp::Mount(op), what)).collect());
            (enclosure.before, enclosure.mounts) = (before, mounts);
        }
        enclosure.is_closed = enclosure.namespaces != Namespaces::NONE || !enclosure.users.is_empty();
        Ok(enclosure)
    }

    /// What the attempt wrote to its file for the last message; the file is gone afterwards (rule 131).
    pub(super) fn take_message(&self, id: AttemptId) -> String {
        let Some(place) = &self.place else { return String::new() };
        let path = place.path(&message(id));
        let mut text = Vec::new();
        // The container has the file under a mount, and cannot have put anything else in its place.
        let read = fs::File::open(&path).and_then(|file| file.take(MOST_MESSAGE).read_to_end(&mut text));
        let _ = fs::remove_file(path);
        read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }
}

/// What helps where a pod lacks an id.
fn ids_remedy(ids: Ids, own_users: bool) -> &'static str {
    match ids {
        Ids::Below(_) if own_users => "use an id below that, or remove `hostUsers: false`",
        Ids::Host | Ids::Single | Ids::Below(_) => IDS,
    }
}

const IDS: &str = "give this user ranges in /etc/subuid and /etc/subgid, with newuidmap installed (package uidmap), \
                   or run podinit as root";

fn message(id: AttemptId) -> String {
    format!("messages/{}-{}", id.container.position(), id.attempt)
}

/// Sets kernel parameters until one cannot be set: its position, and why.
fn first_refused(sysctls: &[Sysctl]) -> Option<(usize, Errno)> {
    sysctls.iter().enumerate().find_map(|(position, sysctl)| {
        let path = format!("/proc/sys/{}", sysctl.name.replace('.', "/"));
        let error = fs::write(path, &sysctl.value).err()?;
        Some((position, Errno::from_raw(error.raw_os_error().unwrap_or(0))))
    })
}

/// A container that cannot be configured is tried again (rule 111).
fn config(message: String) -> StartFailure {
    StartFailure { stage: StartStage::Config, errno: 0, message, retry: true }
}

fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    sys::open_path(AT_FDCWD, &place::c_path(path), OFlag::O_PATH | OFlag::O_DIRECTORY, 0, Within::Host)
}

/// The accounts of a container's files. Links in them lead nowhere else (PRIV-10).
fn accounts(root: Option<&Root>) -> io::Result<Accounts> {
    let directory = match root {
        Some(Root::Directory(rootfs)) => Path::new(&rootfs.path),
        Some(Root::Host) | None => Path::new("/"),
    };
    let root = open_root(directory)?;
    let read = |name: &std::ffi::CStr| -> io::Result<Vec<u8>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        match sys::open_path(root.as_fd(), name, flags, 0, Within::Root) {
            Ok(file) => {
                let file = fs::File::from(file);
                let found = file.metadata()?;
                let mut text = Vec::new();
                if found.is_file() {
                    let most = MOST_ACCOUNT_BYTES as u64;
                    // With room for the end, so that one read finds all of it and one the end.
                    text.reserve(usize::try_from(found.len().min(most)).unwrap_or(0) + 32);
                    file.take(most).read_to_end(&mut text)?;
                }
                Ok(text)
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(Vec::new()),
            Err(errno) => Err(errno.into()),
        }
    };
    Ok(Accounts::parse(&read(c"etc/passwd")?, &read(c"etc/group")?))
}
