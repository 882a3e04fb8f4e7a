//! An attempt that is made ready while the one before it starts: what surrounds it is made meanwhile, on another
//! processor, and only its program waits. When it starts is the machine's to say, as ever; one that has to be
//! started otherwise, or cannot be made ready, is thrown away and started like any other.

use std::os::fd::AsRawFd;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Supervisor;
use crate::plan;
use crate::pod::{AttemptId, StartFailure};
use crate::spec::{ContainerId, Stdin};

/// An attempt whose program waits.
pub(super) struct Ahead {
    attempt: AttemptId,
    /// Lets it go on when it is written to.
    gate: EventFd,
}

impl Supervisor {
    /// Makes the attempt ready that comes after this one, where that is certain and worth it.
    pub(super) fn make_ahead(&mut self, starting: AttemptId) {
        let Some(next) = self.machine.follower(starting).filter(|next| self.is_worth_it(next.container))
        else {
            return;
        };
        // What fails now fails again when the attempt is to start, and is told then.
        let Ok(gate) = EventFd::from_flags(EfdFlags::EFD_CLOEXEC) else { return };
        match self.make(next, Some(gate.as_raw_fd())) {
            Ok(()) => self.ahead = Some(Ahead { attempt: next, gate }),
            Err(StartFailure { .. }) => self.close_output(next.container),
        }
    }

    /// Only what is put together takes time; and what says of itself when it is ready has a descriptor that
    /// must not be opened twice.
    fn is_worth_it(&self, id: ContainerId) -> bool {
        let Some(container) = self.container(id) else { return false };
        let is_silent = container.notify.is_none() && !container.tty && container.stdin == Stdin::Empty;
        // What a container before it mounts for others is part of what it begins with.
        let sees_mounts = self.sandbox.shares_mounts();
        let is_known = plan::is_known_ahead(container) && !sees_mounts;
        self.sandbox.has_own_processes(id) && is_silent && is_known && !self.is_handed_over(id)
    }

    /// Lets the attempt go on if it is the one that was made ready. Any other is started; what was made ready
    /// is out of date then.
    pub(super) fn let_go(&mut self, id: AttemptId) -> bool {
        let Some(Ahead { attempt, gate }) = self.ahead.take() else { return false };
        let mut has_hosts = || self.sandbox.renew_hosts(self.machine.pod(), id.container).is_ok();
        let is_it = attempt == id && has_hosts() && gate.write(1).is_ok();
        if !is_it {
            self.throw_away(attempt);
        }
        is_it
    }

    /// What was made ready is not to be started, or not as it is.
    pub(super) fn drop_ahead(&mut self) {
        if let Some(Ahead { attempt, .. }) = self.ahead.take() {
            self.throw_away(attempt);
        }
    }

    /// Whether this was the child that was made ready: it has failed, and will say why when it is started.
    pub(super) fn ahead_ended(&mut self, pid: i32) -> bool {
        let container = self.ahead.as_ref().map(|ahead| ahead.attempt.container);
        let is_it = container.is_some() && self.attempts.container_of(pid) == container;
        if is_it && let Some(Ahead { attempt, .. }) = self.ahead.take() {
            self.attempts.forget(attempt.container, &self.epoll);
            self.close_output(attempt.container);
        }
        is_it
    }

    fn throw_away(&mut self, attempt: AttemptId) {
        self.attempts.throw_away(attempt.container, &self.epoll);
        self.close_output(attempt.container);
    }

    fn close_output(&mut self, container: ContainerId) {
        if let Some(output) = &mut self.output {
            output.close(container, self.now.wall);
        }
    }
}
