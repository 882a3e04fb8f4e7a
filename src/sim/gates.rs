//! What one attempt has been through, seen from outside: its hooks, what holds back its being started, and
//! its end. The judge's memory of it, which knows nothing of the machine's insides.

use std::time::Duration;

use crate::pod::{HookOutcome, KillingReason, RunId, Time};
use crate::spec::{Container, HookHandler, HookKind, ProbeKind};

/// One attempt.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates {
    /// When its program began to run; `None`: it does not.
    since: Option<Time>,
    post_start: Gate,
    startup: Gate,
    notify: Gate,
    /// The hook before the stop.
    pre_stop: Gate,
    /// Why it is being stopped, if it is.
    pub(super) stopping: Option<KillingReason>,
}

/// Something that has to be over before something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Gate {
    #[default]
    Open,
    Closed,
    /// Open after so long.
    Timed(Duration),
    /// Open when this is done.
    Awaits(RunId),
}

impl Gates {
    /// An attempt whose program runs since `since`.
    fn running(container: &Container, since: Time) -> Self {
        let closed_if = |closed: bool| if closed { Gate::Closed } else { Gate::Open };
        Self {
            since: Some(since),
            post_start: match container.post_start.as_ref().map(|hook| &hook.handler) {
                Some(HookHandler::Sleep(duration)) => Gate::Timed(*duration),
                Some(HookHandler::Exec { .. } | HookHandler::HttpGet(_) | HookHandler::TcpSocket) => {
                    Gate::Closed
                }
                None => Gate::Open,
            },
            startup: closed_if(container.startup_probe.is_some()),
            notify: closed_if(container.notify.is_some()),
            pre_stop: Gate::Open,
            stopping: None,
        }
    }

    /// An attempt that an earlier supervisor started: its hook is not run again.
    pub(super) fn restored(container: &Container, started: bool, now: Time) -> Self {
        let gates = Self { post_start: Gate::Open, ..Self::running(container, now) };
        if started { Self { startup: Gate::Open, notify: Gate::Open, ..gates } } else { gates }
    }

    /// Its program begins to run. It may be being stopped already.
    pub(super) fn begin(&mut self, container: &Container, now: Time) {
        *self = Self { stopping: self.stopping, ..Self::running(container, now) };
    }

    /// Its program runs.
    pub(super) fn is_running(&self) -> bool {
        self.since.is_some()
    }

    /// Nothing holds back its being started (rule 7).
    pub(super) fn has_started(&self, now: Time) -> bool {
        self.hook_is_over(now) && self.startup == Gate::Open && self.notify == Gate::Open
    }

    /// Its postStart hook holds back the next main container (rule 4).
    pub(super) fn holds_next(&self, now: Time) -> bool {
        self.stopping.is_none() && self.is_running() && !self.hook_is_over(now)
    }

    fn hook_is_over(&self, now: Time) -> bool {
        self.since.is_some_and(|since| match self.post_start {
            Gate::Open => true,
            Gate::Closed | Gate::Awaits(_) => false,
            Gate::Timed(duration) => now.since(since) >= duration,
        })
    }

    /// Its program has ended.
    pub(super) fn end(&mut self) {
        *self = Self { stopping: self.stopping, ..Self::default() };
    }

    /// It says that it is ready.
    pub(super) fn notified(&mut self) {
        self.notify = Gate::Open;
    }

    /// Its startup probe succeeded.
    pub(super) fn startup_succeeded(&mut self) {
        self.startup = Gate::Open;
    }

    /// A hook's execution is over, or given up.
    pub(super) fn hook_over(&mut self, run: RunId, outcome: Option<HookOutcome>) {
        if self.post_start == Gate::Awaits(run) {
            self.post_start = match outcome {
                Some(HookOutcome::Success | HookOutcome::PlainHttp) => Gate::Open,
                Some(HookOutcome::Failure) | None => Gate::Closed,
            };
        }
        if self.pre_stop == Gate::Awaits(run) {
            self.pre_stop = Gate::Open;
        }
    }

    /// What is wrong with running this hook now.
    pub(super) fn run_hook(&mut self, kind: HookKind, run: RunId) -> Option<&'static str> {
        match kind {
            _ if self.since.is_none() => return Some("nothing runs"),
            HookKind::PostStart if self.stopping.is_some() => return Some("it is being stopped"),
            HookKind::PostStart if self.post_start != Gate::Closed => return Some("a second time"),
            HookKind::PreStop if self.stopping.is_none() => return Some("it is not being stopped"),
            HookKind::PreStop if self.stopping == Some(KillingReason::RestartAllContainers) => {
                return Some("there is no grace");
            }
            HookKind::PreStop if self.pre_stop != Gate::Open => return Some("a second time"),
            HookKind::PostStart => self.post_start = Gate::Awaits(run),
            HookKind::PreStop => self.pre_stop = Gate::Awaits(run),
        }
        None
    }

    /// What is wrong with running this probe now (rules 41, 57, 58).
    pub(super) fn run_probe(&self, kind: ProbeKind, now: Time) -> Option<&'static str> {
        match kind {
            _ if self.since.is_none() => Some("nothing runs"),
            ProbeKind::Startup | ProbeKind::Liveness if self.stopping.is_some() => {
                Some("it is being stopped")
            }
            ProbeKind::Startup if !self.hook_is_over(now) => Some("its hook runs"),
            ProbeKind::Startup => None,
            ProbeKind::Liveness | ProbeKind::Readiness
                if self.stopping.is_some() || self.has_started(now) =>
            {
                None
            }
            ProbeKind::Liveness | ProbeKind::Readiness => Some("it has not started"),
        }
    }

    /// Its hook before the stop is not over.
    pub(super) fn has_hook_to_wait_for(&self) -> bool {
        matches!(self.pre_stop, Gate::Awaits(_))
    }
}
