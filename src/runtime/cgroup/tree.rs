//! The pod's part of the host's tree of control groups: claiming it, handing controllers down to it, limits,
//! and leaving the tree as it was.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{fstat, stat};
use nix::unistd::{AccessFlags, access};

use super::attempt::AttemptGroup;
use super::group::Group;
use super::obstacle::Obstacle;
use super::place::{self, Place};
use crate::plan::{self, CgroupFile, CgroupValue, CgroupWrite, Controller, GroupOf};
use crate::pod::AttemptId;
use crate::runtime::{self, cause, clock, emergency};
use crate::spec::{ContainerId, Pod};

/// The group that all pods on this host are in, or all that were started from the same group.
const BASE: &str = "podinit";
/// The group of podinit itself: where controllers are handed down nobody may be but in the leaves.
const SUPERVISOR: &str = "supervisor";

/// So many pods of the same name may run at the same time, and so often a group may vanish while it is
/// being claimed.
const CLAIMS: u32 = 64;

/// How long killed processes may take to go, before anything is started and after everything has ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pod's group and what is around it.
#[derive(Debug)]
pub(super) struct Tree {
    place: Group,
    base: Group,
    pod: Rc<Group>,
    /// Its name in `base`.
    name: String,
    /// Nobody else takes it for something left behind.
    _lock: Flock<OwnedFd>,
    /// podinit has moved itself out of `place`.
    has_moved: bool,
    /// Controllers that podinit has enabled in `place`.
    enabled: Vec<Controller>,
    /// Controllers that containers' groups do not have, and why.
    missing: Vec<(Controller, Obstacle)>,
    /// The pod as its groups have been told.
    applied: Pod,
}

impl Tree {
    pub(super) fn make(pod: &Pod, place: Place) -> Result<Self, Obstacle> {
        let Place { path, holds_podinit, own } = place;
        let refused = |what, path| move |errno: Errno| Obstacle::Refused(what, path, errno.into());
        let place = Group::open(&path).map_err(refused("open", path.clone()))?;
        let Claim { base, name, group, lock } =
            claim(&place, &pod.metadata.name).map_err(refused("make", path.join(BASE)))?;
        let mut tree = Self {
            place,
            base,
            pod: Rc::new(group),
            name,
            _lock: lock,
            has_moved: false,
            enabled: Vec::new(),
            missing: Vec::new(),
            applied: pod.clone(),
        };
        let offered = tree.place.read("cgroup.controllers").unwrap_or_default();
        let is_offered = |controller: Controller| has_word(&offered, controller.name());
        if holds_podinit && Controller::wanted_by(pod).any(is_offered) {
            tree.move_away();
        }
        for controller in Controller::wanted_by(pod) {
            let handed_down = if is_offered(controller) {
                tree.hand_down(controller, &own)
            } else {
                Err(absent(&tree.place, controller, &own))
            };
            if let Err(obstacle) = handed_down {
                tree.missing.push((controller, obstacle));
            }
        }
        for write in plan::pod_cgroup(pod) {
            if let Err((path, error)) = tree.write(&tree.pod, write)
                && write.is_limit()
            {
                tree.missing.push((write.file.controller(), Obstacle::Refused("limit", path, error)));
            }
        }
        if let Ok(kill) = tree.pod.writable("cgroup.kill") {
            emergency::add_group(kill);
        }
        Ok(tree)
    }

    /// Controllers that containers lack.
    pub(super) fn missing(&self) -> impl Iterator<Item = (Controller, &Obstacle)> {
        self.missing.iter().map(|(controller, obstacle)| (*controller, obstacle))
    }

    /// Makes room for controllers. Where that fails, they say so themselves.
    fn move_away(&mut self) {
        let moved = self.base.child_or_new(SUPERVISOR).map_err(io::Error::from);
        let moved = moved.and_then(|(group, _)| group.write("cgroup.procs", "0"));
        self.has_moved = moved.is_ok();
    }

    /// Enables a controller from the place, which has it, down to the containers' groups. `own` are podinit's
    /// own groups.
    fn hand_down(&mut self, controller: Controller, own: &str) -> Result<(), Obstacle> {
        for group in [&self.place, &self.base, &self.pod] {
            if !std::ptr::eq(group, &self.place) && group.lacks(controller) {
                return Err(absent(group, controller, own));
            }
            let name = controller.name();
            if group.read("cgroup.subtree_control").is_ok_and(|list| has_word(&list, name)) {
                continue;
            }
            group.write("cgroup.subtree_control", &format!("+{name}")).map_err(|error| {
                let path = group.path().to_owned();
                match error.raw_os_error() {
                    Some(libc::EBUSY) => Obstacle::Occupied(path),
                    _ => Obstacle::Refused("enable controllers in", path, error),
                }
            })?;
            if std::ptr::eq(group, &self.place) {
                self.enabled.push(controller);
            }
        }
        Ok(())
    }

    /// Makes the group of an attempt and gives it its values; the pod's own follow.
    pub(super) fn prepare(&mut self, pod: &Pod, id: AttemptId, strict: bool) -> Result<AttemptGroup, String> {
        let Some(container) = pod.container(id.container) else {
            return Err("the container is gone".to_owned());
        };
        let name = format!("{}.{}", container.name, id.attempt);
        let (group, _) = self.pod.child_or_new(&name).map_err(|errno| {
            format!("cannot make control group {}: {}", self.pod.path().join(&name).display(), cause(errno))
        })?;
        let made = AttemptGroup::new(Rc::clone(&self.pod), name, group);
        let after = self.with(pod, id.container);
        let now = after.as_ref().unwrap_or(&self.applied);
        let host_memory = host_memory(now);
        let of_container = plan::container_cgroup(now, container, host_memory);
        let changes =
            after.as_ref().map(|after| plan::resized(&self.applied, after, id.container, host_memory));
        let changes = changes.unwrap_or_default().into_iter();
        let of_pod = changes.filter(|(of, _)| *of == GroupOf::Pod).map(|(_, write)| (&*self.pod, write));
        let of_container = of_container.into_iter().map(|write| (made.group(), write));
        for (group, write) in of_pod.chain(of_container) {
            if let Err((path, error)) = self.write(group, write)
                && write.is_limit()
            {
                let why = format!("cannot limit {}: {}", path.display(), cause(error));
                if strict {
                    made.remove();
                    return Err(why);
                }
                log::warn!("{why}");
            }
        }
        if let Some(after) = after {
            self.applied = after;
        }
        Ok(made)
    }

    /// Changes what a running container and the pod have.
    pub(super) fn resize(&mut self, pod: &Pod, id: ContainerId, group: &AttemptGroup) -> Result<(), String> {
        let Some(after) = self.with(pod, id) else { return Ok(()) };
        for (of, write) in plan::resized(&self.applied, &after, id, host_memory(&after)) {
            let group = match of {
                GroupOf::Pod => &self.pod,
                GroupOf::Container => group.group(),
            };
            is_above_use(group, write)?;
            self.write(group, write)
                .map_err(|(path, error)| format!("cannot change {}: {}", path.display(), cause(error)))?;
        }
        self.applied = after;
        Ok(())
    }

    /// What the groups have been told, but for this container and the pod as a whole; `None` where that is the
    /// same.
    fn with(&self, pod: &Pod, id: ContainerId) -> Option<Pod> {
        let resources = |of: &Pod| of.container(id).map(|container| container.resources);
        let of_container = resources(pod);
        if self.applied.resources == pod.resources && resources(&self.applied) == of_container {
            return None;
        }
        let mut after = self.applied.clone();
        after.resources = pod.resources;
        if let (Some(resources), Some(container)) = (of_container, after.container_mut(id)) {
            container.resources = resources;
        }
        Some(after)
    }

    /// Writes where the controller is there; that it is not has been said.
    fn write(&self, group: &Group, write: CgroupWrite) -> Result<(), (std::path::PathBuf, io::Error)> {
        if self.missing.iter().any(|(controller, _)| *controller == write.file.controller()) {
            return Ok(());
        }
        let file = write.file.name();
        match group.write(file, &write.to_string()) {
            // A kernel without swap has nothing to limit.
            Err(error)
                if error.raw_os_error() == Some(libc::ENOENT) && write.file == CgroupFile::MemorySwapMax =>
            {
                Ok(())
            }
            other => other.map_err(|error| (group.path().join(file), error)),
        }
    }

    /// Kills what is left, removes the pod's groups and undoes what was done for them.
    pub(super) fn remove(&mut self) {
        emergency::remove_group();
        if let Err(errno) = clear(&self.base, &self.name, &self.pod) {
            let path = self.pod.path().display();
            return log::warn!("cannot remove control group {path}: {}", cause(errno));
        }
        if self.has_moved {
            self.move_back();
        }
        // Other pods may be in it.
        let _ = self.place.remove_empty(BASE);
    }

    fn move_back(&self) {
        for controller in &self.enabled {
            let off = format!("-{}", controller.name());
            let _ = self.base.write("cgroup.subtree_control", &off);
            let _ = self.place.write("cgroup.subtree_control", &off);
        }
        if self.place.write("cgroup.procs", "0").is_ok() {
            let _ = self.base.remove_empty(SUPERVISOR);
        }
    }
}

/// What the host has in all, where it is asked for: it costs reading a file.
fn host_memory(pod: &Pod) -> Option<u64> {
    pod.kubelet.memory_throttling_factor.and_then(|_| runtime::host_memory())
}

/// Why none of the controllers that the pod is to have is there, where that is so.
pub(super) fn without_controllers(
    pod: &Pod,
    Place { path, own, .. }: &Place,
) -> Result<Option<Vec<(Controller, Obstacle)>>, Obstacle> {
    let place = Group::open(path).map_err(|errno| Obstacle::Refused("open", path.clone(), errno.into()))?;
    let offered = place.read("cgroup.controllers").unwrap_or_default();
    let is_offered = |controller: &Controller| has_word(&offered, controller.name());
    let missing = |controller| (controller, absent(&place, controller, own));
    let wanted: Vec<Controller> = Controller::wanted_by(pod).collect();
    Ok((!wanted.iter().any(is_offered)).then(|| wanted.into_iter().map(missing).collect()))
}

/// What keeps groups from being made at all, as far as can be told without making one.
pub(super) fn judge_place() -> Option<Obstacle> {
    match place::find() {
        Ok(Place { path, .. }) => {
            let refused = access(&path, AccessFlags::W_OK).err();
            refused.map(|errno| Obstacle::Refused("make", path.join(BASE), errno.into()))
        }
        Err(obstacle) => Some(obstacle),
    }
}

/// What keeps the controller from a pod's groups here, as far as can be told without a try.
pub(super) fn judge(controller: Controller) -> Option<Obstacle> {
    let Place { path, holds_podinit, own } = match place::find() {
        Ok(place) => place,
        Err(obstacle) => return Some(obstacle),
    };
    let place = match Group::open(&path) {
        Ok(place) => place,
        Err(errno) => return Some(Obstacle::Refused("open", path, errno.into())),
    };
    if place.lacks(controller) {
        return Some(absent(&place, controller, &own));
    }
    if let Err(errno) = access(&path, AccessFlags::W_OK) {
        return Some(Obstacle::Refused("make", path.join(BASE), errno.into()));
    }
    let is_enabled =
        place.read("cgroup.subtree_control").is_ok_and(|list| has_word(&list, controller.name()));
    let others = || place.read("cgroup.procs").unwrap_or_default().lines().count() > 1;
    (holds_podinit && !is_enabled && others()).then_some(Obstacle::Occupied(path))
}

/// A group that is the pod's alone.
struct Claim {
    base: Group,
    name: String,
    group: Group,
    lock: Flock<OwnedFd>,
}

/// Claims a group for a pod of this name: one that nobody holds. What an earlier run has left in it is killed.
fn claim(place: &Group, pod: &str) -> nix::Result<Claim> {
    let mut number = 1;
    for _ in 0..CLAIMS {
        let (base, _) = place.child_or_new(BASE)?;
        // No pod's name has a colon.
        let name = if number == 1 { pod.to_owned() } else { format!("{pod}:{number}") };
        let group = match base.child_or_new(&name) {
            Ok((group, _)) => group,
            // The last pod in it has ended, and removed it.
            Err(Errno::ENOENT) => continue,
            Err(errno) => return Err(errno),
        };
        let descriptor = group.as_fd().try_clone_to_owned().map_err(|_| Errno::EMFILE)?;
        let Ok(lock) = Flock::lock(descriptor, FlockArg::LockExclusiveNonblock) else {
            number += 1;
            continue;
        };
        let inode = |found: nix::Result<nix::sys::stat::FileStat>| found.map(|found| found.st_ino);
        if inode(fstat(&group)) != inode(stat(group.path())) {
            continue;
        }
        match empty(&group) {
            Ok(()) => {
                sweep(&base, pod, &name);
                return Ok(Claim { base, name, group, lock });
            }
            Err(errno) => {
                let path = group.path().display();
                log::warn!("cannot clear control group {path} of an earlier run: {}", cause(errno));
                number += 1;
            }
        }
    }
    Err(Errno::EBUSY)
}

/// Clears the groups of earlier runs of a pod of this name that had another number, since nobody may ever ask
/// for that again. Who still holds one is let alone; what cannot be cleared is told of where it is in the way.
fn sweep(base: &Group, pod: &str, own: &str) {
    let is_another = |name: &&String| {
        let of_pod = name.strip_prefix(pod).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        of_pod && name.as_str() != own
    };
    for name in base.names().iter().filter(is_another) {
        let Ok(group) = base.child(name) else { continue };
        let Ok(descriptor) = group.as_fd().try_clone_to_owned() else { continue };
        if let Ok(_lock) = Flock::lock(descriptor, FlockArg::LockExclusiveNonblock) {
            let _ = clear(base, name, &group);
        }
    }
}

/// Kills everything in the group and removes the groups below it.
fn empty(group: &Group) -> nix::Result<()> {
    let names = group.names();
    if names.is_empty() {
        return Ok(());
    }
    group.kill();
    await_end(group);
    names.iter().try_for_each(|name| group.remove(name))
}

/// The same, and the group itself.
fn clear(base: &Group, name: &str, group: &Group) -> nix::Result<()> {
    empty(group)?;
    base.remove(name)
}

/// Waits until nobody is in the group, at most [`PATIENCE`]: killed processes go at once, unless they hang in
/// the kernel.
fn await_end(group: &Group) {
    let until = clock::now().mono + PATIENCE;
    let Ok(events) = group.readable("cgroup.events") else { return };
    while group.is_populated_in(&events) {
        let left = until.since(clock::now().mono);
        let mut wanted = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
        match poll(&mut wanted, PollTimeout::from(millis)) {
            // As by the end of a child.
            Ok(1..) | Err(Errno::EINTR) if !left.is_zero() => {}
            Ok(_) | Err(_) => return,
        }
    }
}

/// A limit of memory below what is used would kill (rule 175).
fn is_above_use(group: &Group, write: CgroupWrite) -> Result<(), String> {
    let (CgroupFile::MemoryMax, CgroupValue::Number(limit)) = (write.file, write.value) else {
        return Ok(());
    };
    let used: Option<u64> = group.read("memory.current").ok().and_then(|text| text.trim().parse().ok());
    match used {
        Some(used) if used > limit => {
            Err(format!("cannot lower the memory limit to {limit} bytes: {used} are in use"))
        }
        Some(_) | None => Ok(()),
    }
}

fn absent(group: &Group, controller: Controller, own: &str) -> Obstacle {
    match place::is_of_v1(own, controller.name()) {
        true => Obstacle::OfV1,
        false => Obstacle::Missing(group.path().to_owned()),
    }
}

impl Group {
    fn lacks(&self, controller: Controller) -> bool {
        !self.read("cgroup.controllers").is_ok_and(|list| has_word(&list, controller.name()))
    }
}

fn has_word(list: &str, word: &str) -> bool {
    list.split_ascii_whitespace().any(|other| other == word)
}
