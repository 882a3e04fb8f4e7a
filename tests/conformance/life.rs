//! Pods as the rows describe them, living on the virtual clock, and the questions that the rows ask.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use podinit::pod::{
    ContainerState, ContainerStatus, Event, Phase, PodStatus, Signal, StartFailure, StartStage, StopRequest,
    Terminated, TerminatedReason, WaitingReason,
};
use podinit::sim::{Attempt, Behaviour, Entry, World};
use podinit::spec::{
    Container, ExitCodeOperator, Hook, HookHandler, Pod, Probe, ProbeHandler, ProbeKind, RestartAction,
    RestartPolicy, RestartRule,
};

/// A pod and how its containers behave.
#[derive(Clone)]
pub struct PodUnderTest {
    pub pod: Pod,
    init: Vec<Behaviour>,
    main: Vec<Behaviour>,
}

/// Something that a container does, attempt after attempt.
pub trait Behaves {
    fn behaviour(self) -> Behaviour;
}

impl Behaves for Attempt {
    fn behaviour(self) -> Behaviour {
        Behaviour::always(self)
    }
}

impl<const N: usize> Behaves for [Attempt; N] {
    fn behaviour(self) -> Behaviour {
        Behaviour::each(self.to_vec())
    }
}

/// A pod with Kubernetes' defaults and nothing in it yet.
pub fn pod(restart_policy: RestartPolicy) -> PodUnderTest {
    let pod = Pod { restart_policy, ..Pod::named("pod") };
    PodUnderTest { pod, init: Vec::new(), main: Vec::new() }
}

impl PodUnderTest {
    pub fn init(mut self, name: &str, behaves: impl Behaves) -> Self {
        self.pod.init_containers.push(Container::named(name));
        self.init.push(behaves.behaviour());
        self
    }

    pub fn sidecar(self, name: &str, behaves: impl Behaves) -> Self {
        self.init(name, behaves)
            .with(name, |container| container.restart_policy = Some(RestartPolicy::Always))
    }

    pub fn main(mut self, name: &str, behaves: impl Behaves) -> Self {
        self.pod.containers.push(Container::named(name));
        self.main.push(behaves.behaviour());
        self
    }

    /// Says more about the container of this name.
    pub fn with(mut self, name: &str, say: impl FnOnce(&mut Container)) -> Self {
        let mut containers = self.pod.init_containers.iter_mut().chain(&mut self.pod.containers);
        say(containers.find(|container| *container.name == *name).unwrap());
        self
    }

    /// Gives the container a probe of this kind.
    pub fn given(self, name: &str, kind: ProbeKind, probe: Probe) -> Self {
        self.with(name, |container| match kind {
            ProbeKind::Startup => container.startup_probe = Some(probe),
            ProbeKind::Liveness => container.liveness_probe = Some(probe),
            ProbeKind::Readiness => container.readiness_probe = Some(probe),
        })
    }

    pub fn probed(self, name: &str, probe: Probe) -> Self {
        self.given(name, ProbeKind::Startup, probe)
    }

    /// Gives the container a liveness probe.
    pub fn live(self, name: &str, probe: Probe) -> Self {
        self.given(name, ProbeKind::Liveness, probe)
    }

    /// Gives the container a readiness probe.
    pub fn ready(self, name: &str, probe: Probe) -> Self {
        self.given(name, ProbeKind::Readiness, probe)
    }

    pub fn post_start(self, name: &str, hook: Hook) -> Self {
        self.with(name, |container| container.post_start = Some(hook))
    }

    pub fn pre_stop(self, name: &str, hook: Hook) -> Self {
        self.with(name, |container| container.pre_stop = Some(hook))
    }

    pub fn image(self, name: &str, image: &str) -> Self {
        self.with(name, |container| container.image = image.into())
    }

    pub fn grace(mut self, seconds: u64) -> Self {
        self.pod.termination_grace_period = secs(seconds);
        self
    }

    /// The pod begins to live.
    pub fn begin(self) -> Life {
        let behaviours = self.init.into_iter().chain(self.main).collect();
        Life(World::new(self.pod, behaviours))
    }

    /// The container has these rules, and this policy where none of them matches.
    pub fn rules(self, name: &str, policy: RestartPolicy, rules: &[RestartRule]) -> Self {
        self.with(name, |container| {
            container.restart_policy = Some(policy);
            container.restart_policy_rules = rules.to_vec();
        })
    }

    /// Another supervisor left the pod in this status after `elapsed`; the next one takes it over.
    pub fn restore(self, status: &PodStatus, elapsed: Duration) -> Life {
        let behaviours = self.init.into_iter().chain(self.main).collect();
        Life(World::restore(self.pod, status, behaviours, elapsed))
    }
}

/// A hook of Kubernetes: without a timeout.
pub fn hook(handler: HookHandler) -> Hook {
    Hook { handler, timeout: None }
}

/// A hook that goes as the container's behaviour says.
pub fn command_hook() -> Hook {
    hook(HookHandler::Exec { command: vec!["hook".to_owned()] })
}

/// A probe that begins after `initial_delay` and gives up after `failure_threshold` failures.
pub fn probe(initial_delay: u64, failure_threshold: u32) -> Probe {
    Probe {
        handler: ProbeHandler::Exec { command: vec!["probe".to_owned()] },
        initial_delay: secs(initial_delay),
        timeout: secs(1),
        period: secs(10),
        success_threshold: 1,
        failure_threshold,
        termination_grace_period: None,
    }
}

pub fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Points in time, in seconds.
pub fn at<const N: usize>(seconds: [u64; N]) -> Vec<Duration> {
    seconds.into_iter().map(secs).collect()
}

/// Runs for so many seconds, then exits with `code`; with 0 at once when told to stop, as upstream's
/// test programs do.
pub fn exits(code: u8, seconds: u64) -> Attempt {
    Attempt::exits(code, secs(seconds)).stops(0, Duration::ZERO)
}

/// Runs until told to stop, which takes so many seconds; then exits with 0.
pub fn stops_in(seconds: u64) -> Attempt {
    Attempt::runs().stops(0, secs(seconds))
}

/// Runs until told to stop, then exits with 0 at once.
pub fn runs() -> Attempt {
    stops_in(0)
}

/// A start that comes only so far, with this error number.
pub fn cannot_start(stage: StartStage, errno: i32) -> Attempt {
    let failure = StartFailure { stage, errno, message: "cannot".to_owned(), retry: false };
    Attempt { start_fails: Some(failure), ..Attempt::runs() }
}

/// A rule about exit codes, beside `restartPolicy: Never` of the container's own.
pub fn rule(action: RestartAction, operator: ExitCodeOperator, values: &[u8]) -> RestartRule {
    RestartRule { action, operator, values: values.to_vec() }
}

/// A life under way. However it ends, it must not have violated an invariant.
pub struct Life(World);

impl Deref for Life {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl DerefMut for Life {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.0
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.violation().map(ToString::to_string), None);
        }
    }
}

/// A moment in a container's first attempt.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Starting(&'static str),
    Started(&'static str),
    Signalled(&'static str),
    Exited(&'static str),
}

impl Life {
    /// Lets time pass until so many seconds after the beginning.
    pub fn to(&mut self, seconds: u64) {
        let rest = secs(seconds).checked_sub(self.elapsed()).unwrap();
        self.run_for(rest);
    }

    /// The pod is deleted with its own grace.
    pub fn delete(&mut self) {
        self.send(Event::StopRequested { grace: None, cause: StopRequest::Signal(Signal::TERM) });
    }

    /// The pod is deleted with another grace than its own.
    pub fn delete_within(&mut self, seconds: u64) {
        let grace = Some(secs(seconds));
        self.send(Event::StopRequested { grace, cause: StopRequest::Signal(Signal::TERM) });
    }

    /// The manifest names another image for a container.
    pub fn change_image(&mut self, name: &str, image: &str) {
        let mut pod = self.0.pod().clone();
        let mut containers = pod.init_containers.iter_mut().chain(&mut pod.containers);
        containers.find(|container| *container.name == *name).unwrap().image = image.into();
        self.send(Event::SpecChanged(Box::new(pod)));
    }

    pub fn phase(&self) -> Phase {
        self.status().phase
    }

    pub fn container(&self, name: &str) -> ContainerStatus {
        self.status().container(name).unwrap().clone()
    }

    pub fn restarts(&self, name: &str) -> u32 {
        self.container(name).restart_count
    }

    pub fn is_running(&self, name: &str) -> bool {
        matches!(self.container(name).state, ContainerState::Running { .. })
    }

    /// Why the container waits, if it does.
    pub fn waits(&self, name: &str) -> Option<WaitingReason> {
        match self.container(name).state {
            ContainerState::Waiting { reason, .. } => Some(reason),
            ContainerState::Running { .. } | ContainerState::Terminated(_) => None,
        }
    }

    /// How the container ended, if that is its state.
    pub fn ended(&self, name: &str) -> Option<(u8, TerminatedReason)> {
        match self.container(name).state {
            ContainerState::Terminated(Terminated { exit_code, reason, .. }) => Some((exit_code, reason)),
            ContainerState::Running { .. } | ContainerState::Waiting { .. } => None,
        }
    }

    /// How often something was told with this reason.
    pub fn told(&self, reason: &str) -> usize {
        let is_meant = |entry: &Entry| matches!(entry, Entry::Event(event) if event.reason() == reason);
        self.trace().iter().filter(|(_, entry)| is_meant(entry)).count()
    }

    /// When the container's program was started, each time.
    pub fn starts(&self, name: &str) -> Vec<Duration> {
        self.trace().started(name)
    }

    /// When the container's program ended, each time.
    pub fn exits(&self, name: &str) -> Vec<Duration> {
        self.trace().exited(name)
    }

    /// These moments came in this order. What is started is started only when it is asked for, so a
    /// container that is *starting* after something waited for it.
    pub fn in_order(&self, steps: &[Step]) {
        let positions: Vec<_> = steps.iter().map(|step| self.position(*step)).collect();
        for (pair, steps) in positions.windows(2).zip(steps.windows(2)) {
            assert!(pair[0] < pair[1], "{:?} was not before {:?}", steps[0], steps[1]);
        }
    }

    /// Some attempt of the one ran while some attempt of the other did.
    pub fn ran_together(&self, one: &str, other: &str) -> bool {
        let (one, other) = (self.intervals(one), self.intervals(other));
        let overlap = |a: &(usize, usize), b: &(usize, usize)| a.0 < b.1 && b.0 < a.1;
        one.iter().any(|a| other.iter().any(|b| overlap(a, b)))
    }

    fn position(&self, step: Step) -> usize {
        let is_meant = |entry: &Entry| match (entry, step) {
            (Entry::Starting(n), Step::Starting(name))
            | (Entry::Started(n), Step::Started(name))
            | (Entry::Signalled(n), Step::Signalled(name))
            | (Entry::Exited(n, _), Step::Exited(name)) => **n == *name,
            _ => false,
        };
        let position = self.trace().iter().position(|(_, entry)| is_meant(entry));
        position.unwrap_or_else(|| panic!("{step:?} never came"))
    }

    /// From where to where in the trace each attempt ran.
    fn intervals(&self, name: &str) -> Vec<(usize, usize)> {
        let mut intervals = Vec::new();
        for (position, (_, entry)) in self.trace().iter().enumerate() {
            match entry {
                Entry::Started(n) if **n == *name => intervals.push((position, usize::MAX)),
                Entry::Exited(n, _) if **n == *name => intervals.last_mut().unwrap().1 = position,
                _ => {}
            }
        }
        intervals
    }
}
