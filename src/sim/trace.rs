//! What happened in a simulated life, in the words of the conformance tests: who started, ended, was
//! signalled and when.

use std::time::Duration;

use crate::pod::{Action, Event, HookOutcome, PodEvent, Target, Text, Time};
use crate::spec::{ContainerId, HookKind, Pod, ProbeKind};

/// Everything that happened, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace(Vec<(Duration, Entry)>);

/// One thing that happened. The text is the container's name.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// An attempt was asked for.
    Starting(Text),
    /// Its program runs.
    Started(Text),
    /// Its program could not be run.
    StartFailed(Text),
    /// A stop signal was sent to its main process.
    Signalled(Text),
    /// What it left behind was signalled.
    RestSignalled(Text),
    /// All of it was sent SIGKILL.
    Killed(Text),
    /// Its main process ended, with this code.
    Exited(Text, u8),
    /// Nothing of it is left.
    Emptied(Text),
    /// One of its probes was executed.
    Probed(Text, ProbeKind),
    /// A hook was begun that is no sleep.
    Hook(Text, HookKind),
    /// Such a hook ended.
    HookDone(HookOutcome),
    /// Other resources were asked for.
    Resizing(Text),
    /// Told to people.
    Event(PodEvent),
    /// The pod is over, with this code.
    Finished(u8),
}

impl Trace {
    /// In order, with the time since the beginning.
    pub fn iter(&self) -> impl Iterator<Item = &(Duration, Entry)> {
        self.0.iter()
    }

    /// When the container's program was started, each time.
    pub fn started(&self, name: &str) -> Vec<Duration> {
        self.times(|entry| matches!(entry, Entry::Started(n) if **n == *name))
    }

    /// When the container's main process ended, each time.
    pub fn exited(&self, name: &str) -> Vec<Duration> {
        self.times(|entry| matches!(entry, Entry::Exited(n, _) if **n == *name))
    }

    /// When the container was sent its stop signal, each time.
    pub fn signalled(&self, name: &str) -> Vec<Duration> {
        self.times(|entry| matches!(entry, Entry::Signalled(n) if **n == *name))
    }

    /// When the container was sent SIGKILL, each time.
    pub fn killed(&self, name: &str) -> Vec<Duration> {
        self.times(|entry| matches!(entry, Entry::Killed(n) if **n == *name))
    }

    /// When the container was probed by this probe, each time.
    pub fn probed(&self, name: &str, kind: ProbeKind) -> Vec<Duration> {
        self.times(|entry| matches!(entry, Entry::Probed(n, k) if **n == *name && *k == kind))
    }

    /// When the container's hook was begun, each time.
    pub fn hooked(&self, name: &str, kind: HookKind) -> Vec<Duration> {
        self.times(|entry| matches!(entry, Entry::Hook(n, k) if **n == *name && *k == kind))
    }

    /// Where in the order `wanted` first happened.
    pub fn position(&self, wanted: &Entry) -> Option<usize> {
        self.0.iter().position(|(_, entry)| entry == wanted)
    }

    fn times(&self, is_meant: impl Fn(&Entry) -> bool) -> Vec<Duration> {
        self.0.iter().filter(|(_, entry)| is_meant(entry)).map(|(at, _)| *at).collect()
    }

    pub(super) fn saw(&mut self, now: Time, pod: &Pod, event: &Event) {
        let entry = match event {
            Event::Started { attempt } => Entry::Started(name(pod, attempt.container)),
            Event::StartFailed { attempt, .. } => Entry::StartFailed(name(pod, attempt.container)),
            Event::Exited { attempt, exit } => {
                Entry::Exited(name(pod, attempt.container), exit.status.code())
            }
            Event::Emptied { attempt } => Entry::Emptied(name(pod, attempt.container)),
            Event::HookDone { outcome, .. } => Entry::HookDone(*outcome),
            Event::SandboxReady
            | Event::SandboxFailed { .. }
            | Event::SandboxLost
            | Event::ProbeDone { .. }
            | Event::Notified { .. }
            | Event::StopRequested { .. }
            | Event::ForwardSignal { .. }
            | Event::RestartRequested { .. }
            | Event::KillRequested
            | Event::SpecChanged(_)
            | Event::ResizeDone { .. }
            | Event::ResizeFailed { .. }
            | Event::EphemeralAdded(_)
            | Event::NetworkHelperDied { .. }
            | Event::ActionFailed { .. } => return,
        };
        self.push(now, entry);
    }

    pub(super) fn wants(&mut self, now: Time, pod: &Pod, action: &Action) {
        let entry = match action {
            Action::Start(attempt) => Entry::Starting(name(pod, attempt.container)),
            Action::Signal { attempt, target: Target::Main, .. } => {
                Entry::Signalled(name(pod, attempt.container))
            }
            Action::Signal { attempt, target: Target::Rest, .. } => {
                Entry::RestSignalled(name(pod, attempt.container))
            }
            Action::Kill(attempt) => Entry::Killed(name(pod, attempt.container)),
            Action::StartProbe { attempt, kind, .. } => Entry::Probed(name(pod, attempt.container), *kind),
            Action::RunHook { attempt, kind, .. } => Entry::Hook(name(pod, attempt.container), *kind),
            Action::Resize { attempt, .. } => Entry::Resizing(name(pod, attempt.container)),
            Action::Record(event) => Entry::Event(event.clone()),
            Action::Finish { code, .. } => Entry::Finished(*code),
            Action::BeginTry
            | Action::SetUpSandbox
            | Action::TearDownSandbox
            | Action::Remove(_)
            | Action::CancelProbe(_)
            | Action::AbandonHook(_)
            | Action::RefreshVolumes
            | Action::RestartNetworkHelper
            | Action::StatusChanged => return,
        };
        self.push(now, entry);
    }

    fn push(&mut self, now: Time, entry: Entry) {
        self.0.push((now.since(Time::default()), entry));
    }
}

fn name(pod: &Pod, id: ContainerId) -> Text {
    pod.container(id).map_or_else(|| Text::from(""), |container| Text::clone(&container.name))
}
