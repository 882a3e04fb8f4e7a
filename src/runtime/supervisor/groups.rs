//! The supervisor's part in control groups: where attempts are put, what is told of their ends, limits that change.

use super::Supervisor;
use crate::pod::{AttemptId, Event, RunId, Signal, StartFailure, StartStage};
use crate::runtime::attempts::Limits;
use crate::spec::ContainerId;

impl Supervisor {
    /// What the attempt gets of the host's resources, and where its processes will be known by.
    pub(super) fn limits(&mut self, id: AttemptId) -> Result<Limits, StartFailure> {
        let pod = self.machine.pod();
        let group = self.cgroups.prepare(pod, id).map_err(|message| StartFailure {
            stage: StartStage::Create,
            errno: 0,
            message,
            retry: false,
        })?;
        Ok(Limits { group, oom_score: self.oom_scores.of(pod, id.container) })
    }

    /// Attempts of which nothing is left. `no_children` says that the supervisor has no children at all.
    pub(super) fn take_emptied(&mut self, no_children: bool) {
        let runs = &self.runs;
        self.attempts.ask_adopted(|pid| runs.has(pid));
        loop {
            let runs = &self.runs;
            for attempt in self.attempts.emptied(no_children, |pid| runs.has(pid)) {
                self.attempts.forget(attempt.container, &self.epoll);
                if let Some(output) = &mut self.output {
                    output.close(attempt.container, self.now.wall);
                }
                self.fact(Event::Emptied { attempt });
            }
            if !self.attempts.watch_groups(&self.epoll) {
                return;
            }
        }
    }

    /// What somebody has frozen is to hear that it must end.
    pub(super) fn thaw_to_stop(&self, attempt: AttemptId, signal: Signal) {
        let container = self.machine.pod().container(attempt.container);
        if container.and_then(|container| container.stop_signal).unwrap_or(Signal::TERM) == signal {
            self.attempts.thaw(attempt);
        }
    }

    /// Whether the kernel has killed something of the container's attempt for want of memory, and says so.
    pub(super) fn is_oom_killed(&self, container: ContainerId) -> bool {
        let oom_killed = self.attempts.is_oom_killed(container);
        if oom_killed {
            let pod = self.machine.pod();
            let who =
                if pod.kubelet.single_process_oom_kill { "a process of container" } else { "container" };
            let name = super::name(pod, container);
            log::warn!("{who} {name} wanted more memory than there was and was killed for it");
        }
        oom_killed
    }

    /// Gives a container that runs the resources that the manifest says now.
    pub(super) fn resize(&mut self, run: RunId, attempt: AttemptId) {
        let group = self.attempts.group(attempt);
        let resized = self.cgroups.resize(self.machine.pod(), attempt.container, group);
        self.fact(match resized {
            Ok(()) => Event::ResizeDone { run },
            Err(message) => Event::ResizeFailed { run, message },
        });
    }
}
