//! What must hold in every life of every pod, judged from outside: from the facts that went in, the
//! actions that came out and the status that is shown. It knows nothing of the machine's insides.

use std::fmt;
use std::time::Duration;

use crate::pod::{
    Action, AttemptId, ContainerState, ContainerStatus, Event, ExitStatus, KillingReason, Phase, PodEvent,
    PodStatus, ProbeOutcome, RunId, Signal, Target, TerminatedReason, Time, WaitingReason,
};
use crate::spec::{Container, ContainerId, ContainerKind, Pod};

/// SIGKILL comes at most this long after the grace is over (rule 82).
const AFTER_GRACE: Duration = Duration::from_secs(2);
/// The pod is over at most this long after SIGKILL, whatever lives on.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    rule: &'static str,
    at: Duration,
    what: String,
}

impl Violation {
    pub(super) fn new(rule: &'static str, at: Time, what: String) -> Self {
        Self { rule, at: at.since(Time::default()), what }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}: {}", self.rule, self.at, self.what)
    }
}

/// What has been seen of one container.
#[derive(Clone, Debug, Default)]
struct Seen {
    live: Option<AttemptId>,
    next: u32,
    killed: bool,
    /// Plain init: ended with 0. Sidecar: its program ran and its startup probe, if it has one,
    /// succeeded. Since the sandbox was set up.
    passed: bool,
    has_probe: bool,
    /// The execution of its probe that was asked for last.
    run: Option<RunId>,
    restarts: u32,
}

/// The judge.
#[derive(Debug)]
pub(super) struct Invariants {
    seen: Vec<Seen>,
    kinds: Vec<ContainerKind>,
    /// A main container was started since the sandbox was set up.
    initialized: bool,
    /// The sandbox is lost and not set up again.
    lost: bool,
    /// When the grace of the pod's end is over, once it has begun.
    deadline: Option<Time>,
    /// The pod is ending for good.
    ending: bool,
    phase: Phase,
    finished: bool,
}

type Verdict = Result<(), Violation>;

impl Invariants {
    pub(super) fn new(pod: &Pod) -> Self {
        let has_probe = |container: &Container| container.startup_probe.is_some();
        let seen = |container| Seen { has_probe: has_probe(container), ..Seen::default() };
        Self {
            seen: pod.iter().map(|(_, _, container)| seen(container)).collect(),
            kinds: pod.iter().map(|(_, kind, _)| kind).collect(),
            initialized: false,
            lost: false,
            deadline: None,
            ending: false,
            phase: Phase::Pending,
            finished: false,
        }
    }

    /// A status that a machine is restored from: what it shows has been seen. An init container that
    /// has a record, or a main container that runs, means that everything before it has passed (rule 9).
    pub(super) fn adopt(&mut self, pod: &Pod, status: &PodStatus) {
        let containers: Vec<_> = pod.iter().collect();
        let mut has_passed = false;
        for (id, kind, container) in containers.into_iter().rev() {
            let status = status.container(&container.name);
            let is_running =
                |status: &&ContainerStatus| matches!(status.state, ContainerState::Running { .. });
            let running = status.filter(is_running);
            let is_terminated =
                status.is_some_and(|status| matches!(status.state, ContainerState::Terminated(_)));
            let has_run = running.is_some() || status.is_some_and(|status| status.last_state.is_some());
            let restarts = status.map_or(0, |status| status.restart_count);
            let itself = match kind {
                ContainerKind::Init => status.is_some_and(|status| status.ready),
                ContainerKind::Sidecar => status.is_some_and(|status| status.started),
                ContainerKind::Main | ContainerKind::Ephemeral => false,
            };
            let seen = self.of(id);
            seen.live = running.map(|status| AttemptId { container: id, attempt: status.restart_count });
            seen.next = if has_run { restarts } else { 0 };
            seen.passed = has_passed || itself;
            match kind {
                ContainerKind::Main => {
                    self.initialized |= running.is_some();
                    has_passed |= running.is_some();
                }
                ContainerKind::Init | ContainerKind::Sidecar => has_passed |= has_run || is_terminated,
                ContainerKind::Ephemeral => {}
            }
        }
    }

    /// A fact goes in.
    pub(super) fn saw(&mut self, now: Time, pod: &Pod, event: &Event) {
        match event {
            Event::Exited { attempt, exit } => {
                let is_init = self.kind(attempt.container) == ContainerKind::Init;
                self.of(attempt.container).passed |= is_init && exit.status == ExitStatus::Code(0);
            }
            Event::Emptied { attempt } | Event::StartFailed { attempt, .. } => {
                self.of(attempt.container).live = None;
            }
            Event::Started { attempt } => {
                let is_sidecar = self.kind(attempt.container) == ContainerKind::Sidecar;
                let seen = self.of(attempt.container);
                seen.passed |= is_sidecar && !seen.has_probe;
            }
            Event::ProbeDone { run, outcome: ProbeOutcome::Success | ProbeOutcome::Warning, .. } => {
                self.seen
                    .iter_mut()
                    .filter(|seen| seen.run == Some(*run))
                    .for_each(|seen| seen.passed = true);
            }
            Event::StopRequested { grace, .. } => {
                self.shorten(now, grace.unwrap_or(pod.termination_grace_period));
            }
            Event::KillRequested => self.shorten(now, Duration::ZERO),
            Event::SandboxLost => self.lost = !self.ending,
            Event::SandboxReady
            | Event::SandboxFailed { .. }
            | Event::ProbeDone { .. }
            | Event::HookDone { .. }
            | Event::Notified { .. }
            | Event::ForwardSignal { .. }
            | Event::RestartRequested { .. }
            | Event::SpecChanged(_)
            | Event::ResizeDone { .. }
            | Event::ResizeFailed { .. }
            | Event::EphemeralAdded(_)
            | Event::NetworkHelperDied
            | Event::ActionFailed { .. } => {}
        }
    }

    /// An action comes out.
    pub(super) fn wants(&mut self, now: Time, pod: &Pod, action: &Action) -> Verdict {
        if self.finished {
            return fail("finish is last", now, format!("{action:?} after Finish"));
        }
        match action {
            Action::SetUpSandbox => {
                (self.lost, self.initialized, self.deadline) = (false, false, None);
                self.seen.iter_mut().for_each(|seen| seen.passed = false);
                Ok(())
            }
            Action::Start(attempt) => self.may_start(now, *attempt),
            Action::Signal { attempt, signal: Signal::TERM, target: Target::Main } => {
                self.may_signal(now, attempt.container)
            }
            Action::Kill(attempt) => {
                self.of(attempt.container).killed = true;
                Ok(())
            }
            Action::Remove(attempt) => {
                let seen = self.of(attempt.container);
                seen.live = None;
                if seen.killed { Ok(()) } else { fail("kill before giving up", now, format!("{attempt:?}")) }
            }
            Action::StartProbe { run, attempt, .. } => {
                self.of(attempt.container).run = Some(*run);
                Ok(())
            }
            Action::Record(PodEvent::Killing(_, KillingReason::PodStop)) => {
                self.ending |= !self.lost;
                self.deadline.get_or_insert(now + pod.termination_grace_period);
                Ok(())
            }
            Action::Finish { .. } => {
                self.finished = true;
                match self.seen.iter().find_map(|seen| seen.live) {
                    Some(live) => fail("nothing left behind", now, format!("{live:?} at Finish")),
                    None => Ok(()),
                }
            }
            Action::TearDownSandbox
            | Action::Signal { .. }
            | Action::CancelProbe(_)
            | Action::RunHook { .. }
            | Action::AbandonHook(_)
            | Action::Resize(_)
            | Action::RefreshVolumes
            | Action::RestartNetworkHelper
            | Action::Record(_)
            | Action::StatusChanged => Ok(()),
        }
    }

    fn may_start(&mut self, now: Time, attempt: AttemptId) -> Verdict {
        let kind = self.kind(attempt.container);
        if self.ending {
            return fail("no start after a stop", now, format!("{attempt:?}"));
        }
        let not_passed = |(seen, kind): &(&Seen, &ContainerKind)| match kind {
            ContainerKind::Init | ContainerKind::Sidecar => !seen.passed,
            ContainerKind::Main | ContainerKind::Ephemeral => false,
        };
        let must_pass = match kind {
            ContainerKind::Main if !self.initialized => self.seen.len(),
            ContainerKind::Main | ContainerKind::Ephemeral => 0,
            ContainerKind::Init | ContainerKind::Sidecar if self.initialized => 0,
            ContainerKind::Init | ContainerKind::Sidecar => attempt.container.position(),
        };
        if let Some(position) =
            self.seen.iter().zip(&self.kinds).take(must_pass).position(|each| not_passed(&each))
        {
            return fail("init first", now, format!("{attempt:?} starts before container {position} passed"));
        }
        self.initialized |= kind == ContainerKind::Main;
        let seen = self.of(attempt.container);
        if let Some(live) = seen.live {
            return fail("one live attempt", now, format!("{attempt:?} starts while {live:?} lives"));
        }
        if attempt.attempt < seen.next {
            return fail("attempts are numbered", now, format!("{attempt:?}, expected {}", seen.next));
        }
        (seen.live, seen.next, seen.killed) = (Some(attempt), attempt.attempt + 1, false);
        Ok(())
    }

    /// In the pod's end a sidecar's turn comes when the main containers and the later sidecars are
    /// gone, or when the grace is over (rules 81, 82).
    fn may_signal(&mut self, now: Time, id: ContainerId) -> Verdict {
        let in_time = self.deadline.is_some_and(|deadline| now < deadline);
        if !self.ending || !in_time || self.kind(id) != ContainerKind::Sidecar {
            return Ok(());
        }
        let goes_first = |(position, kind): (usize, &ContainerKind)| match kind {
            ContainerKind::Main => true,
            ContainerKind::Sidecar => position > id.position(),
            ContainerKind::Init | ContainerKind::Ephemeral => false,
        };
        let waits_for = self.kinds.iter().enumerate().zip(&self.seen);
        match waits_for.into_iter().find(|(kind, seen)| goes_first(*kind) && seen.live.is_some()) {
            Some((_, seen)) => {
                fail("stop order", now, format!("{id:?} is signalled while {:?} lives", seen.live))
            }
            None => Ok(()),
        }
    }

    /// The status changed.
    pub(super) fn check_status(&mut self, now: Time, pod: &Pod, status: &PodStatus) -> Verdict {
        while self.kinds.len() < status.iter().count() {
            self.kinds.push(ContainerKind::Ephemeral);
            self.seen.push(Seen::default());
        }
        for (seen, status) in self.seen.iter_mut().zip(status.iter()) {
            if status.restart_count < seen.restarts {
                return fail("restarts only grow", now, format!("{status:?}"));
            }
            seen.restarts = status.restart_count;
        }
        self.check_phase(now, status)?;
        status.iter().zip(&self.kinds).try_for_each(|(status, kind)| check_container(now, pod, status, *kind))
    }

    /// Everything has been done that is to be done at this moment.
    pub(super) fn check(&self, now: Time) -> Verdict {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let late = |seen: &&Seen| seen.live.is_some() && !seen.killed;
        if let Some(seen) = self.seen.iter().find(late).filter(|_| now > deadline + AFTER_GRACE) {
            return fail("killed in time", now, format!("{:?} was not sent SIGKILL", seen.live));
        }
        if self.ending && !self.finished && now > deadline + AFTER_GRACE + AFTER_KILL {
            return fail("over in time", now, "the pod goes on".to_owned());
        }
        Ok(())
    }

    fn check_phase(&mut self, now: Time, status: &PodStatus) -> Verdict {
        let before = std::mem::replace(&mut self.phase, status.phase);
        let is_final = |phase| matches!(phase, Phase::Succeeded | Phase::Failed);
        if is_final(before) && before != status.phase {
            return fail("a final phase is final", now, format!("{before:?} became {:?}", status.phase));
        }
        if self.finished && !is_final(status.phase) {
            return fail("the end is final", now, format!("{:?} at the end", status.phase));
        }
        Ok(())
    }

    fn shorten(&mut self, now: Time, grace: Duration) {
        // A repeated request leaves at least a second (rule 78).
        let grace = if self.deadline.is_some() { grace.max(Duration::from_secs(1)) } else { grace };
        let deadline = now + grace;
        self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    fn kind(&self, id: ContainerId) -> ContainerKind {
        self.kinds.get(id.position()).copied().unwrap_or(ContainerKind::Ephemeral)
    }

    #[expect(clippy::indexing_slicing, reason = "the line above makes room")]
    fn of(&mut self, id: ContainerId) -> &mut Seen {
        let position = id.position();
        while self.seen.len() <= position {
            self.kinds.push(ContainerKind::Ephemeral);
            self.seen.push(Seen::default());
        }
        &mut self.seen[position]
    }
}

/// A container's status is one that Kubernetes could show (rules 55, 126 to 128).
fn check_container(now: Time, pod: &Pod, status: &ContainerStatus, kind: ContainerKind) -> Verdict {
    let newest = match &status.state {
        ContainerState::Terminated(end) => Some(end),
        ContainerState::Running { .. } | ContainerState::Waiting { .. } => None,
    };
    for end in newest.into_iter().chain(&status.last_state) {
        let fits = match end.reason {
            TerminatedReason::Completed => end.exit_code == 0 && end.signal.is_none(),
            TerminatedReason::Error | TerminatedReason::OOMKilled => end.exit_code != 0,
            TerminatedReason::StartError => end.exit_code == 128,
            TerminatedReason::ContainerStatusUnknown | TerminatedReason::RestartingAllContainers => {
                end.exit_code == 137
            }
        };
        if !fits || end.finished_at.as_nanos() < end.started_at.as_nanos() {
            return fail("a possible status", now, format!("{status:?}"));
        }
    }
    let is_running = matches!(status.state, ContainerState::Running { .. });
    let possible = match &status.state {
        ContainerState::Running { .. } => status.ready == status.started || kind == ContainerKind::Init,
        ContainerState::Terminated(end) => {
            !status.started && status.ready == (kind == ContainerKind::Init && end.exit_code == 0)
        }
        ContainerState::Waiting { reason, .. } => {
            let after_init = !pod.init_containers.is_empty() || *reason != WaitingReason::PodInitializing;
            let after_end = *reason != WaitingReason::CrashLoopBackOff || status.last_state.is_some();
            !status.started && !status.ready && after_init && after_end
        }
    };
    let is_terminated = matches!(status.state, ContainerState::Terminated(_));
    let counted = status.restart_count == 0 || status.last_state.is_some() || is_terminated;
    let ephemeral = kind == ContainerKind::Ephemeral && is_running;
    if (possible || ephemeral) && counted {
        Ok(())
    } else {
        fail("a possible status", now, format!("{status:?}"))
    }
}

fn fail(rule: &'static str, at: Time, what: String) -> Verdict {
    Err(Violation::new(rule, at, what))
}
