//! What goes on in containers that run: the hook after the start, the gates to being started, the
//! probes. What follows from their results is decided in `reconcile`.

use std::sync::Arc;

use super::event::RunId;
use super::hook::{HookRun, PostStart};
use super::pod_event::PodEvent;
use super::probe::Due;
use super::record::{Live, Record, Stage};
use super::{Action, Dirty, PodMachine, ProbeOutcome};
use crate::spec::{ContainerId, Hook, HookHandler, HookKind, ProbeKind};

impl PodMachine {
    pub(super) fn advance_running(&mut self) {
        for id in self.records.ids() {
            self.advance_post_start(id);
            self.advance_gates(id);
        }
        self.advance_probes();
    }

    /// Begins the hook after the start, and ends it when its time is up.
    fn advance_post_start(&mut self, id: ContainerId) {
        let now = self.now.mono;
        let Some(Live { stage: Stage::Running(running), stop: None }) = self.records[id].live() else {
            return;
        };
        let next = match running.post_start {
            PostStart::Due => match self.begin_hook(id, HookKind::PostStart) {
                Some(hook) => PostStart::Running(hook),
                None => PostStart::Done,
            },
            PostStart::Running(hook) if hook.timeout().is_some_and(|until| until <= now) => {
                self.abandon(hook.run().map(Action::AbandonHook));
                if hook.succeeds_in_time() {
                    PostStart::Done
                } else {
                    let name = self.name(id);
                    self.record(PodEvent::HookTookTooLong(name, HookKind::PostStart));
                    PostStart::Failed
                }
            }
            PostStart::Running(_) | PostStart::Done | PostStart::Failed => return,
        };
        if let Some(running) = self.records[id].running_mut() {
            running.post_start = next;
        }
        // A sleep of no time is over at once.
        if next.timeout().is_some_and(|until| until <= now) {
            self.advance_post_start(id);
        }
    }

    /// Begins a hook, if the container has it.
    pub(super) fn begin_hook(&mut self, id: ContainerId, kind: HookKind) -> Option<HookRun> {
        let now = self.now.mono;
        let Hook { handler, timeout } = self.container(id)?.hook(kind)?;
        let until = timeout.map(|timeout| now + timeout);
        match handler {
            HookHandler::Sleep(duration) => {
                let woken = now + *duration;
                let cut_short = until.is_some_and(|until| until < woken);
                Some(HookRun::Sleeping { until: until.map_or(woken, |until| until.min(woken)), cut_short })
            }
            HookHandler::Exec { .. } | HookHandler::HttpGet(_) | HookHandler::TcpSocket => {
                let run = self.new_run(id);
                let attempt = self.records[id].attempt(id);
                self.actions.push_back(Action::RunHook { run, attempt, kind });
                Some(HookRun::Executing(run, until))
            }
        }
    }

    /// Notices that a container has started (rule 7), and lets its probes begin.
    fn advance_gates(&mut self, id: ContainerId) {
        let now = self.now.mono;
        let record = &mut self.records[id];
        let Some(Live { stage: Stage::Running(running), stop: None }) = record.live_mut() else { return };
        if running.post_start == PostStart::Done {
            running.probes.release_startup(now);
        }
        if !running.started && running.has_passed_every_gate() {
            running.started = true;
            running.probes.release_others(now);
            record.has_started = true;
            self.status_changed = true;
        }
    }

    /// Starts the probes that are due and ends those whose time is up.
    pub(super) fn advance_probes(&mut self) {
        let now = self.now.mono;
        for id in self.records.ids() {
            while let Some((kind, due)) =
                self.records[id].running().and_then(|running| running.probes.due(now))
            {
                self.advance_probe(id, kind, due);
            }
        }
    }

    fn advance_probe(&mut self, id: ContainerId, kind: ProbeKind, due: Due) {
        let now = self.now.mono;
        let attempt = self.records[id].attempt(id);
        let Some(container) = self.pod.container(id) else { return };
        let name = Arc::clone(&container.name);
        let Some(running) = self.records.get_mut(id).and_then(Record::running_mut) else { return };
        let Some(probe) = container.probe(kind) else { return running.probes.forget(kind) };
        match due {
            Due::Start => {
                let run = RunId(self.next_run);
                running.probes.started(kind, run, now + probe.timeout);
                self.next_run += 1;
                self.runs.insert(run, id);
                self.actions.push_back(Action::StartProbe { run, attempt, kind });
            }
            Due::TimedOut(run) => {
                let has_changed = running.probes.done(kind, probe, ProbeOutcome::Failure, now);
                let is_final = has_changed && running.probes.failed() == Some(kind);
                let output = Arc::from(format!("no answer within {:?}", probe.timeout));
                self.abandon([Action::CancelProbe(run)]);
                self.probe_result_changed(has_changed);
                self.record(PodEvent::Unhealthy { name, probe: kind, output, is_final });
            }
        }
    }

    /// What a probe's results come to concerns everybody; a single one only itself.
    pub(super) fn probe_result_changed(&mut self, has_changed: bool) {
        self.status_changed |= has_changed;
        self.dirty = self.dirty.max(if has_changed { Dirty::Everything } else { Dirty::Probes });
    }
}
