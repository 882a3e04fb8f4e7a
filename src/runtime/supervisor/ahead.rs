//! Attempts that are made ready before their turn, while the supervisor has nothing else to do: what surrounds them
//! is made, and only their programs wait. When one starts is the machine's to say, as ever; one
//! that has to be started otherwise, or cannot be made ready, is thrown away and started like any other.

use std::os::fd::AsRawFd;

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::Supervisor;
use crate::plan::{self, Credentials};
use crate::pod::{AttemptId, StartFailure};
use crate::spec::{ContainerId, ContainerKind, Stdin};

/// How many attempts are ready at most: each is a process.
const MOST: usize = 2;

/// An attempt whose program waits.
pub(super) struct Ahead {
    attempt: AttemptId,
    /// As whom it is to run.
    credentials: Credentials,
    /// Lets it go on when it is written to.
    gate: EventFd,
}

impl Supervisor {
    /// Makes the attempts ready that come after this one, where that is certain and worth it.
    pub(super) fn make_ahead(&mut self, of: AttemptId) {
        let kind = self.machine.pod().iter().find_map(|(id, kind, _)| (id == of.container).then_some(kind));
        let running = (kind == Some(ContainerKind::Init)).then_some(of.container);
        while self.ahead.len() < MOST {
            let last = self.ahead.last().map_or(of, |ahead| ahead.attempt);
            let next = self.machine.follower(last);
            let Some(next) = next.filter(|next| self.is_worth_it(running, next.container)) else { return };
            // What fails now fails again when the attempt is to start, and is told then.
            let Ok(gate) = EventFd::from_flags(EfdFlags::EFD_CLOEXEC) else { return };
            let Ok(plan) = self.plan(next) else { return };
            let credentials = plan.credentials.clone();
            match self.make(next, plan, Some(gate.as_raw_fd())) {
                Ok(()) => self.ahead.push(Ahead { attempt: next, credentials, gate }),
                Err(StartFailure { .. }) => return self.close_output(next.container),
            }
        }
    }

    /// Only what is put together takes time; and what says of itself when it is ready has a descriptor that
    /// must not be opened twice.
    fn is_worth_it(&self, running: Option<ContainerId>, id: ContainerId) -> bool {
        let Some(container) = self.container(id) else { return false };
        let is_silent = container.notify.is_none() && !container.tty && container.stdin == Stdin::Empty;
        // What a container before it mounts for others is part of what it begins with.
        let sees_mounts = self.sandbox.shares_mounts();
        self.sandbox.has_own_processes(id)
            && is_silent
            && !sees_mounts
            && !self.is_handed_over(id)
            && plan::is_known_ahead(self.machine.pod(), self.sandbox.isolation(), running, id)
    }

    /// Lets the attempt go on if it is the next one that was made ready, and would be made the same now. Any other
    /// is started. What was made ready goes on waiting for one that comes before it; otherwise it is out of date.
    pub(super) fn let_go(&mut self, id: AttemptId) -> bool {
        if self.ahead.first().is_none_or(|first| id.container < first.attempt.container) {
            return false;
        }
        let Ahead { attempt, credentials, gate } = self.ahead.remove(0);
        let pod = self.machine.pod();
        let now = pod.container(id.container).map(|it| self.sandbox.credentials(pod, it, id.container));
        // The accounts among its files may be others by now.
        let is_same =
            attempt == id && now == Some(Ok(credentials)) && !self.attempts.has_failed(id.container);
        let mut has_hosts = || self.sandbox.renew_hosts(self.machine.pod(), id.container).is_ok();
        let goes_on = is_same && has_hosts() && gate.write(1).is_ok();
        if !goes_on {
            self.throw_away(attempt);
            self.drop_ahead();
        }
        goes_on
    }

    /// What was made ready is not to be started, or not as it is.
    pub(super) fn drop_ahead(&mut self) {
        for Ahead { attempt, .. } in std::mem::take(&mut self.ahead) {
            self.throw_away(attempt);
        }
    }

    /// Whether this was a child that was made ready: it has failed, and will say why when it is started. Those that
    /// come after it are out of turn.
    pub(super) fn ahead_ended(&mut self, pid: i32) -> bool {
        let Some(container) = self.attempts.container_of(pid) else { return false };
        let Some(position) = self.ahead.iter().position(|ahead| ahead.attempt.container == container) else {
            return false;
        };
        self.attempts.forget(container, &self.epoll);
        self.close_output(container);
        for Ahead { attempt, .. } in self.ahead.split_off(position).into_iter().skip(1) {
            self.throw_away(attempt);
        }
        true
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
