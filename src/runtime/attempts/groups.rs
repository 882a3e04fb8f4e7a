//! What attempts' control groups tell of them: who has ended, what the kernel killed. Knows the attempts that have
//! one and not how one is made.

use nix::sys::epoll::Epoll;

use super::Attempts;
use crate::pod::AttemptId;
use crate::runtime::cgroup::AttemptGroup;
use crate::runtime::oom::OomScore;
use crate::runtime::token::Token;
use crate::spec::ContainerId;

impl Attempts {
    /// The attempt's group, if it has one.
    pub(in crate::runtime) fn group(&self, id: AttemptId) -> Option<&AttemptGroup> {
        self.live.get(&id.container).filter(|attempt| attempt.id == id)?.limits.group.as_ref()
    }

    /// How soon what runs beside the attempt is killed where memory is short.
    pub(super) fn oom_score(&self, id: AttemptId) -> Option<OomScore> {
        self.live.get(&id.container).filter(|attempt| attempt.id == id)?.limits.oom_score
    }

    /// Wakes the loop when the last process of an attempt's group ends whose main process has ended. Returns
    /// whether one has ended meanwhile.
    pub(in crate::runtime) fn watch_groups(&mut self, epoll: &Epoll) -> bool {
        let ended = self.live.iter_mut().filter(|(_, attempt)| attempt.main_ended);
        let groups =
            ended.filter_map(|(container, attempt)| Some((container, attempt.limits.group.as_mut()?)));
        groups
            .fold(false, |any, (container, group)| any | !group.watch(epoll, Token::Group(*container).into()))
    }

    /// The kernel has killed something of the container's attempt for want of memory.
    pub(in crate::runtime) fn is_oom_killed(&self, container: ContainerId) -> bool {
        let group = self.live.get(&container).and_then(|attempt| attempt.limits.group.as_ref());
        group.is_some_and(AttemptGroup::is_oom_killed)
    }

    /// Removes the group of an attempt that is over, and what could not be removed before.
    pub(in crate::runtime) fn retire(&mut self, group: Option<AttemptGroup>) {
        self.retired.extend(group);
        self.retired.retain(|group| !group.remove());
    }

    /// A group that has a new attempt is not to be removed for an older one that was thrown away.
    pub(super) fn take_over(&mut self, group: Option<&AttemptGroup>) {
        if let Some(group) = group {
            self.retired.retain(|retired| !retired.is_same(group));
        }
    }

    /// Lets an attempt go on that somebody has frozen: it is to hear that it must end.
    pub(in crate::runtime) fn thaw(&self, id: AttemptId) {
        if let Some(group) = self.group(id) {
            group.thaw();
        }
    }
}
