//! Who of what is left of an attempt has been asked to end. A process that begins its end by starting another
//! one, away from itself, leaves an orphan that nobody has asked: it would hold the pod until its grace is over.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::{Attempt, Attempts};
use crate::pod::AttemptId;
use crate::runtime::processes;
use crate::spec::ContainerId;

impl Attempts {
    /// Sends TERM to what is left of the attempt, and from now on to what is adopted of it.
    pub(super) fn ask_rest(&mut self, id: AttemptId, is_probe: impl Fn(i32) -> bool) {
        let orphans = self.unknown_children(&is_probe);
        let Some(attempt) = self.live.get_mut(&id.container) else { return };
        // Everybody, also who was asked before.
        attempt.asked = None;
        match orphans {
            Some(orphans) => self.ask(id.container, &orphans, is_probe),
            // Without /proc nobody can be told from others.
            None => {
                if let Some(attempt) = self.live.get(&id.container) {
                    self.signal_rest(attempt, libc::SIGTERM, is_probe);
                }
            }
        }
    }

    /// Sends TERM to orphans of attempts whose rest was asked to end before these were adopted: once to each.
    pub(in crate::runtime) fn ask_adopted(&mut self, is_probe: impl Fn(i32) -> bool) {
        let is_asking = |attempt: &Attempt| attempt.asked.is_some() && attempt.main_ended && !attempt.killed;
        let asking = self.live.iter().filter(|(_, attempt)| is_asking(attempt));
        let asking: Vec<ContainerId> = asking.map(|(container, _)| *container).collect();
        if asking.is_empty() {
            return;
        }
        let Some(orphans) = self.unknown_children(&is_probe) else { return };
        for container in asking {
            self.ask(container, &orphans, &is_probe);
        }
    }

    fn ask(&mut self, container: ContainerId, orphans: &[i32], is_probe: impl Fn(i32) -> bool) {
        let Some(attempt) = self.live.get(&container) else { return };
        let asked = self.asked_now(attempt, orphans, is_probe);
        if let Some(attempt) = self.live.get_mut(&container) {
            attempt.asked = Some(asked);
        }
    }

    /// Who of those that are alive has been asked by now. At first that is everybody. Later only orphans are
    /// new: what somebody starts who has been asked is his way to end, and his to wait for.
    fn asked_now(&self, attempt: &Attempt, orphans: &[i32], is_probe: impl Fn(i32) -> bool) -> BTreeSet<i32> {
        let was_asked = |pid: i32| attempt.asked.as_ref().is_some_and(|asked| asked.contains(&pid));
        if let Some(group) = &attempt.limits.group {
            let asked = RefCell::new(BTreeSet::new());
            group.signal(libc::SIGTERM, |pid| {
                let is_new = attempt.asked.is_none() || orphans.contains(&pid) && !was_asked(pid);
                let is_meant = is_new && !is_probe(pid);
                if is_meant || was_asked(pid) {
                    asked.borrow_mut().insert(pid);
                }
                is_meant
            });
            return asked.into_inner();
        }
        let new = orphans.iter().copied().filter(|pid| !was_asked(*pid) && self.is_of(attempt, *pid));
        let mut new = processes::with_descendants(new);
        new.retain(|process| !was_asked(process.pid));
        processes::signal(&new, libc::SIGTERM);
        let rest = self.rest(attempt, orphans);
        let asked = rest.iter().map(|process| process.pid).filter(|pid| was_asked(*pid));
        asked.chain(new.iter().map(|process| process.pid)).collect()
    }
}
