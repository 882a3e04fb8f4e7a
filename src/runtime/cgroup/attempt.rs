//! The group of one attempt: who is in it, whether anybody is left, what the kernel did to it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::group::Group;

/// The group of one attempt of a container.
#[derive(Debug)]
pub(crate) struct AttemptGroup {
    pod: Rc<Group>,
    name: String,
    group: Group,
    /// cgroup.events, while its end is waited for.
    events: Option<File>,
}

impl AttemptGroup {
    pub(super) fn new(pod: Rc<Group>, name: String, group: Group) -> Self {
        Self { pod, name, group, events: None }
    }

    pub(super) fn group(&self) -> &Group {
        &self.group
    }

    /// A process of the attempt is alive.
    pub(crate) fn is_populated(&self) -> bool {
        self.group.is_populated()
    }

    /// The kernel has killed something of the attempt for want of memory (rule 129).
    pub(crate) fn is_oom_killed(&self) -> bool {
        // The group is the attempt's own: it began with none.
        self.group.oom_kills() > 0
    }

    /// SIGKILL for everything in it.
    pub(crate) fn kill(&self) {
        self.group.kill();
    }

    /// Sends a signal to those in it that are meant.
    pub(crate) fn signal(&self, signal: i32, is_meant: impl Fn(i32) -> bool) {
        self.group.signal(signal, is_meant);
    }

    /// What somebody has frozen hears no signal but SIGKILL.
    pub(crate) fn thaw(&self) {
        if self.group.is_frozen() {
            self.group.freeze(false);
        }
    }

    /// Wakes the loop when the last process of it ends. Returns whether one is alive.
    pub(crate) fn watch(&mut self, epoll: &Epoll, token: u64) -> bool {
        if self.events.is_none()
            && let Ok(events) = self.group.readable("cgroup.events")
            && epoll.add(&events, EpollEvent::new(EpollFlags::EPOLLPRI, token)).is_ok()
        {
            self.events = Some(events);
        }
        // After it is watched: what happens from now on wakes the loop.
        match &self.events {
            Some(events) => self.group.is_populated_in(events),
            None => self.is_populated(),
        }
    }

    /// Its end is not waited for any more.
    pub(crate) fn unwatch(&mut self, epoll: &Epoll) {
        if let Some(events) = self.events.take() {
            crate::runtime::unwatch(epoll, &events);
        }
    }

    /// Whether both are one directory.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name
    }

    /// Removes the group. False where it is to be tried again: a process is still on its way out.
    pub(crate) fn remove(&self) -> bool {
        self.pod.remove(&self.name) != Err(Errno::EBUSY)
    }
}

/// Where a process is born into it.
impl AsFd for AttemptGroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }
}
