//! What must hold in every life of every pod, judged from outside: from the facts that went in, the
//! actions that came out and the status that is shown. It knows nothing of the machine's insides.

use std::fmt;
use std::time::Duration;

use crate::pod::{
    Action, AttemptId, ContainerState, ContainerStatus, Event, ExitStatus, KillingReason, Phase, PodEvent,
    PodStatus, ProbeOutcome, RunId, Signal, Target, TerminatedReason, Time, WaitingReason,
};
use crate::spec::{ContainerId, ContainerKind, Pod, ProbeKind, RestartAction};

use super::gates::Gates;

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
    /// Plain init: ended with 0. Others: have started. Since the sandbox was set up, or all restarted.
    passed: bool,
    /// An attempt has been asked for since then, or was over before: what ended for good is not reset.
    asked: bool,
    /// Nothing of it was there when the sandbox was lost.
    rests: bool,
    /// What the attempt that lives has been through.
    gates: Gates,
    /// The execution of its startup probe that was asked for last.
    run: Option<RunId>,
    restarts: u32,
}

impl Seen {
    /// New surroundings, or everything restarts.
    fn begin_anew(&mut self) {
        (self.passed, self.asked, self.rests) = (self.passed && self.rests, self.rests, false);
    }
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
    /// Everything is being ended so that it starts again (rule 102).
    restarting_all: bool,
    /// When the pod was accepted, and when the first pod was of the Job that it is a try of.
    accepted: Time,
    began: Time,
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
        Self {
            seen: pod.iter().map(|_| Seen::default()).collect(),
            kinds: pod.iter().map(|(_, kind, _)| kind).collect(),
            initialized: false,
            lost: false,
            restarting_all: false,
            accepted: Time::default(),
            began: Time::default(),
            deadline: None,
            ending: false,
            phase: Phase::Pending,
            finished: false,
        }
    }

    /// A status that a machine is restored from: what it shows has been seen. An init container that
    /// has a record, or a main container that runs, means that everything before it has passed (rule 9).
    pub(super) fn adopt(&mut self, now: Time, pod: &Pod, status: &PodStatus) {
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
                ContainerKind::Main => status.is_some_and(|status| status.started) || is_terminated,
                ContainerKind::Ephemeral => false,
            };
            self.restarting_all |= status.is_some_and(is_down_to_restart);
            let seen = self.of(id);
            if let Some(status) = running {
                seen.gates = Gates::restored(container, status.started, now);
            }
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
                let kind = self.kind(attempt.container);
                let rule = pod.container(attempt.container).and_then(|c| c.rule_for(exit.status.code()));
                let restarts_all =
                    rule.is_some_and(|rule| rule.action == RestartAction::RestartAllContainers);
                let is_ending = self.ending || self.lost;
                let seen = self.of(attempt.container);
                let succeeded = exit.status == ExitStatus::Code(0);
                seen.passed |= match kind {
                    ContainerKind::Init => succeeded,
                    ContainerKind::Main => succeeded && seen.gates.stopping.is_none(),
                    ContainerKind::Sidecar | ContainerKind::Ephemeral => false,
                };
                let by_itself = seen.gates.stopping != Some(KillingReason::RestartAllContainers);
                seen.gates.end();
                self.restarting_all |=
                    restarts_all && by_itself && !is_ending && kind != ContainerKind::Ephemeral;
            }
            Event::Emptied { attempt } | Event::StartFailed { attempt, .. } => {
                let seen = self.of(attempt.container);
                (seen.live, seen.gates) = (None, Gates::default());
            }
            Event::Started { attempt } => {
                if let Some(container) = pod.container(attempt.container) {
                    let seen = self.of(attempt.container);
                    seen.gates.begin(container, now);
                }
            }
            Event::ProbeDone { run, outcome: ProbeOutcome::Success | ProbeOutcome::Warning, .. } => {
                let probed = self.seen.iter_mut().filter(|seen| seen.run == Some(*run));
                probed.for_each(|seen| seen.gates.startup_succeeded());
            }
            Event::HookDone { run, outcome, .. } => {
                self.seen.iter_mut().for_each(|seen| seen.gates.hook_over(*run, Some(*outcome)));
            }
            Event::Notified { attempt, ready: true, .. } => self.of(attempt.container).gates.notified(),
            Event::StopRequested { grace, .. } => {
                self.shorten(now, grace.unwrap_or(pod.termination_grace_period));
            }
            Event::KillRequested => self.shorten(now, Duration::ZERO),
            Event::SandboxLost => {
                self.lost = !self.ending;
                self.restarting_all &= !self.lost;
                for (seen, kind) in self.seen.iter_mut().zip(&self.kinds) {
                    seen.rests = *kind == ContainerKind::Main && seen.asked && seen.live.is_none();
                }
            }
            Event::SandboxReady
            | Event::SandboxFailed { .. }
            | Event::ProbeDone { .. }
            | Event::Notified { .. }
            | Event::ForwardSignal { .. }
            | Event::RestartRequested { .. }
            | Event::SpecChanged(_)
            | Event::ResizeDone { .. }
            | Event::ResizeFailed { .. }
            | Event::EphemeralAdded(_)
            | Event::NetworkHelperDied { .. }
            | Event::ActionFailed { .. } => {}
        }
        self.pass(now);
    }

    /// What has started has passed; once everything is down that is to restart, nothing has.
    fn pass(&mut self, now: Time) {
        let not_init = |kind: &ContainerKind| *kind != ContainerKind::Init;
        let kinds = self.kinds.iter().zip(&mut self.seen);
        for (_, seen) in kinds.filter(|(kind, _)| not_init(kind)) {
            seen.passed |= seen.gates.has_started(now);
        }
        let is_counted = |(kind, _): &(&ContainerKind, &Seen)| **kind != ContainerKind::Ephemeral;
        let mut counted = self.kinds.iter().zip(&self.seen).filter(is_counted);
        if self.restarting_all && counted.all(|(_, seen)| seen.live.is_none()) {
            (self.restarting_all, self.initialized) = (false, false);
            self.seen.iter_mut().for_each(Seen::begin_anew);
        }
    }

    /// An action comes out.
    pub(super) fn wants(&mut self, now: Time, pod: &Pod, action: &Action) -> Verdict {
        self.pass(now);
        if self.finished {
            return fail("finish is last", now, format!("{action:?} after Finish"));
        }
        match action {
            Action::BeginTry => self.begin_try(now, pod),
            // Over, and to be tried again: that takes as long as it takes.
            Action::Record(PodEvent::TryFailed { .. }) => {
                self.deadline = None;
                self.nothing_lives(now, "at the end of a try")
            }
            Action::SetUpSandbox => {
                (self.lost, self.initialized, self.deadline) = (false, false, None);
                self.restarting_all = false;
                self.seen.iter_mut().for_each(Seen::begin_anew);
                Ok(())
            }
            Action::Start(attempt) => self.may_start(now, pod, *attempt),
            Action::Signal { attempt, signal, target: Target::Main } if is_stop(pod, *attempt, *signal) => {
                self.may_signal(now, attempt.container)
            }
            Action::Kill(attempt) => {
                let seen = self.of(attempt.container);
                seen.killed = true;
                match seen.gates.has_hook_to_wait_for() {
                    true => fail("no kill while a hook is waited for", now, format!("{attempt:?}")),
                    false => Ok(()),
                }
            }
            Action::Remove(attempt) => {
                let seen = self.of(attempt.container);
                seen.live = None;
                if seen.killed { Ok(()) } else { fail("kill before giving up", now, format!("{attempt:?}")) }
            }
            Action::StartProbe { run, attempt, kind } => {
                let seen = self.of(attempt.container);
                if *kind == ProbeKind::Startup {
                    seen.run = Some(*run);
                }
                let wrong = seen.gates.run_probe(*kind, now);
                wrong.map_or(Ok(()), |why| {
                    fail("probes in time", now, format!("{kind:?} of {attempt:?}: {why}"))
                })
            }
            Action::RunHook { run, attempt, kind } => {
                let wrong = self.of(attempt.container).gates.run_hook(*kind, *run);
                wrong.map_or(Ok(()), |why| {
                    fail("hooks in time", now, format!("{kind:?} of {attempt:?}: {why}"))
                })
            }
            Action::AbandonHook(run) => {
                self.seen.iter_mut().for_each(|seen| seen.gates.hook_over(*run, None));
                Ok(())
            }
            Action::Resize { attempt, .. } => {
                let gates = &self.of(attempt.container).gates;
                match gates.is_running() && gates.stopping.is_none() {
                    true => Ok(()),
                    false => fail("only what runs is resized", now, format!("{attempt:?}")),
                }
            }
            Action::Record(PodEvent::Killing(name, reason)) => {
                if let Some((id, ..)) = pod.iter().find(|(_, _, container)| container.name == *name) {
                    self.of(id).gates.stopping = Some(*reason);
                }
                if *reason == KillingReason::PodStop {
                    self.ending |= !self.lost;
                    self.restarting_all = false;
                    self.deadline.get_or_insert(now + pod.termination_grace_period);
                }
                Ok(())
            }
            Action::Record(PodEvent::DeadlineExceeded | PodEvent::JobFailed(_)) => {
                (self.ending, self.restarting_all) = (true, false);
                self.deadline.get_or_insert(now + pod.termination_grace_period);
                Ok(())
            }
            Action::Finish { .. } => {
                self.finished = true;
                self.nothing_lives(now, "at Finish")
            }
            Action::TearDownSandbox
            | Action::Signal { .. }
            | Action::CancelProbe(_)
            | Action::RefreshVolumes
            | Action::RestartNetworkHelper
            | Action::Record(_)
            | Action::StatusChanged => Ok(()),
        }
    }

    fn nothing_lives(&self, now: Time, when: &str) -> Verdict {
        match self.seen.iter().find_map(|seen| seen.live) {
            Some(live) => fail("nothing left behind", now, format!("{live:?} {when}")),
            None => Ok(()),
        }
    }

    /// A Job tries the pod again: nothing of the old one is left, and attempts are numbered on.
    fn begin_try(&mut self, now: Time, pod: &Pod) -> Verdict {
        let old = std::mem::replace(self, Self { accepted: now, began: self.began, ..Self::new(pod) });
        for (seen, old) in self.seen.iter_mut().zip(&old.seen) {
            seen.next = old.next;
        }
        old.nothing_lives(now, "at the next try")?;
        match old.phase {
            Phase::Failed => Ok(()),
            phase @ (Phase::Pending | Phase::Running | Phase::Succeeded) => {
                fail("only what failed is tried again", now, format!("{phase:?}"))
            }
        }
    }

    fn may_start(&mut self, now: Time, pod: &Pod, attempt: AttemptId) -> Verdict {
        let kind = self.kind(attempt.container);
        if self.ending {
            return fail("no start after a stop", now, format!("{attempt:?}"));
        }
        if self.restarting_all && kind != ContainerKind::Ephemeral {
            return fail("all end before all start", now, format!("{attempt:?}"));
        }
        self.may_follow(now, pod, attempt.container)?;
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
        (seen.asked, seen.gates) = (true, Gates::default());
        Ok(())
    }

    /// At its first start a main container waits for what it is to start after, and for the postStart
    /// hooks of those before it (rule 4).
    fn may_follow(&self, now: Time, pod: &Pod, id: ContainerId) -> Verdict {
        let is_first = self.seen.get(id.position()).is_some_and(|seen| !seen.passed && !seen.asked);
        let Some(container) = pod.container(id).filter(|_| is_first && self.kind(id) == ContainerKind::Main)
        else {
            return Ok(());
        };
        let has_passed = |id: &ContainerId| self.seen.get(id.position()).is_some_and(|seen| seen.passed);
        if let Some(other) = container.start_after.iter().find(|id| !has_passed(id)) {
            return fail("start order", now, format!("{id:?} starts before {other:?} has started"));
        }
        let before = self.kinds.iter().zip(&self.seen).take(id.position());
        let mut mains = before.filter(|(kind, _)| **kind == ContainerKind::Main);
        match mains.find(|(_, seen)| seen.gates.holds_next(now)) {
            Some((_, seen)) => {
                fail("hooks before the next start", now, format!("{id:?} beside {:?}", seen.live))
            }
            None => Ok(()),
        }
    }

    /// In the pod's end a sidecar's turn comes when the main containers and the later sidecars are
    /// gone, or when the grace is over (rules 81, 82).
    fn may_signal(&mut self, now: Time, id: ContainerId) -> Verdict {
        if self.of(id).gates.has_hook_to_wait_for() {
            return fail("no signal while a hook is waited for", now, format!("{id:?}"));
        }
        // What was being stopped for itself before the pod was keeps its own time (rule 83).
        let with_pod = self.of(id).gates.stopping == Some(KillingReason::PodStop);
        let in_time = with_pod && self.deadline.is_some_and(|deadline| now < deadline);
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
        for (seen, status) in self.seen.iter().zip(status.iter()) {
            let is_early = status.started && seen.gates.is_running() && !seen.gates.has_started(now);
            if is_early
                && seen.gates.stopping.is_none()
                && pod.init_containers.iter().all(|c| c.name != status.name || c.restart_policy.is_some())
            {
                return fail("started when it has", now, format!("{status:?}"));
            }
        }
        self.check_phase(now, status)?;
        status.iter().zip(&self.kinds).try_for_each(|(status, kind)| check_container(now, pod, status, *kind))
    }

    /// Everything has been done that is to be done at this moment.
    pub(super) fn check(&self, now: Time, pod: &Pod) -> Verdict {
        let is_up = |seen: &&Seen| seen.gates.is_running() && seen.gates.stopping.is_none();
        let job_deadline = pod.job.and_then(|job| job.active_deadline);
        let is_over = pod.active_deadline.is_some_and(|deadline| now > self.accepted + deadline)
            || job_deadline.is_some_and(|deadline| now > self.began + deadline);
        if is_over && let Some(seen) = self.seen.iter().find(is_up) {
            return fail("stopped at the deadline", now, format!("{:?}", seen.live));
        }
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

/// Whether this is the signal that asks the container to end.
fn is_stop(pod: &Pod, attempt: AttemptId, signal: Signal) -> bool {
    let own = pod.container(attempt.container).and_then(|container| container.stop_signal);
    signal == own.unwrap_or(Signal::TERM)
}

fn is_down_to_restart(status: &ContainerStatus) -> bool {
    matches!(status.state, ContainerState::Waiting { reason: WaitingReason::RestartingAllContainers, .. })
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
        ContainerState::Running { .. } => !status.ready || status.started,
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
