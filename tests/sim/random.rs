//! Random pods, behaviours and disturbances. Everything a life does follows from its seed.

use std::time::Duration;

use podinit::pod::{
    Event, ExitStatus, HookOutcome, ProbeOutcome, Signal, StartFailure, StartStage, StopRequest,
};
use podinit::sim::{Attempt, Behaviour, HookConduct, OnTerm, Rest, World};
use podinit::spec::{
    Amounts, Container, ContainerId, CrashLoopBackOff, ExitCodeOperator, Hook, HookHandler, Job, Notify, Pod,
    Probe, ProbeHandler, Profile, Quantity, ResizePolicy, Resources, RestartAction, RestartPolicy,
    RestartRule,
};

/// The source of one life's accidents.
pub struct Life(fastrand::Rng, u64);

impl Life {
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed), seed)
    }

    /// A pod of one to seven containers and how each behaves.
    pub fn pod(&mut self) -> (Pod, Vec<Behaviour>) {
        let init = self.0.usize(0..4);
        let main = self.0.usize(1..4);
        let pod = Pod {
            profile: if self.0.bool() { Profile::Process } else { Profile::Pod },
            restart_policy: self.policy(),
            termination_grace_period: self.pick(&[0, 1, 2, 5, 30]),
            crash_loop_back_off: CrashLoopBackOff {
                initial_delay: self.pick(&[0, 1, 10]),
                max_delay: Duration::from_secs(300),
            },
            active_deadline: (self.0.u8(0..6) == 0).then(|| self.pick(&[1, 20, 300, 2_000])),
            job: self.job(),
            init_containers: (0..init).map(|n| self.init_container(n)).collect(),
            containers: (0..main).map(|n| self.main_container(init, n)).collect(),
            ..Pod::named("random")
        };
        // Without a delay between restarts, attempts that end at once would never let time pass.
        let shortest = match pod.crash_loop_back_off.initial_delay {
            Duration::ZERO => Duration::from_secs(20),
            _ => Duration::ZERO,
        };
        let behaviours = pod.iter().map(|_| self.behaviour(shortest)).collect();
        (pod, behaviours)
    }

    pub fn disturbances(&mut self) -> usize {
        self.0.usize(0..4)
    }

    pub fn pause(&mut self) -> Duration {
        match self.0.u8(0..4) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(self.0.u64(1..2_000)),
            2 => Duration::from_secs(self.0.u64(1..60)),
            _ => Duration::from_secs(self.0.u64(1..1_200)),
        }
    }

    pub fn rest_of_life(&mut self) -> Duration {
        Duration::from_secs(self.0.u64(0..3_000))
    }

    pub fn stop(&mut self) -> Event {
        let grace = self.0.bool().then(|| self.pick(&[0, 1, 3, 60]));
        let signal = if self.0.bool() { Signal::TERM } else { Signal::INT };
        Event::StopRequested { grace, cause: StopRequest::Signal(signal) }
    }

    /// Something from outside, at any moment.
    pub fn event(&mut self, world: &World) -> Event {
        let count = world.pod().iter().count();
        let container = ContainerId::at(self.0.usize(0..count));
        match self.0.u8(0..10) {
            0 | 1 => self.stop(),
            2 => Event::KillRequested,
            3 => Event::SandboxLost,
            4 => Event::RestartRequested { container },
            5 => Event::ForwardSignal { signal: Signal::HUP, container: None },
            6 => Event::SpecChanged(Box::new(self.with_new_image(world.pod().clone()))),
            7 | 8 => Event::SpecChanged(Box::new(self.with_new_resources(world.pod().clone()))),
            _ => Event::EphemeralAdded(Box::new(Container::named(&format!("debug-{}", self.0.u8(0..4))))),
        }
    }

    fn with_new_image(&mut self, mut pod: Pod) -> Pod {
        self.any_container(&mut pod).image = format!("v{}", self.0.u32(..)).into();
        pod
    }

    fn with_new_resources(&mut self, mut pod: Pod) -> Pod {
        let cpu = Quantity::parse(&self.0.u8(1..9).to_string());
        let container = self.any_container(&mut pod);
        container.resources = Resources { limits: Amounts { cpu, memory: None }, ..Resources::default() };
        pod
    }

    fn any_container<'a>(&mut self, pod: &'a mut Pod) -> &'a mut Container {
        let init = pod.init_containers.len();
        let n = self.0.usize(0..init + pod.containers.len());
        match n.checked_sub(init) {
            Some(main) => &mut pod.containers[main],
            None => &mut pod.init_containers[n],
        }
    }

    /// Every eighth pod is a Job's. Nothing is drawn for it, so that the other lives stay what they are.
    fn job(&self) -> Option<Job> {
        let active_deadline = [None, None, Some(15), Some(200)][usize::try_from(self.1 / 8 % 4).unwrap()];
        (self.1 % 8 == 5).then(|| Job {
            backoff_limit: u32::try_from(self.1 / 32 % 4).unwrap(),
            active_deadline: active_deadline.map(Duration::from_secs),
        })
    }

    fn policy(&mut self) -> RestartPolicy {
        match self.0.u8(0..3) {
            0 => RestartPolicy::Always,
            1 => RestartPolicy::OnFailure,
            _ => RestartPolicy::Never,
        }
    }

    fn init_container(&mut self, n: usize) -> Container {
        let mut container = Container::named(&format!("init-{n}"));
        container.restart_policy = match self.0.u8(0..6) {
            0..3 => Some(RestartPolicy::Always),
            3 => Some(RestartPolicy::Never),
            _ => None,
        };
        if container.restart_policy == Some(RestartPolicy::Always) {
            if self.0.bool() {
                container.startup_probe = Some(self.probe());
            }
            self.lifecycle(&mut container);
        }
        if self.0.u8(0..12) == 0 {
            container.restart_policy_rules = vec![self.rule()];
        }
        container
    }

    fn rule(&mut self) -> RestartRule {
        let all = self.0.u8(0..3) == 0;
        RestartRule {
            action: if all { RestartAction::RestartAllContainers } else { RestartAction::Restart },
            operator: if self.0.u8(0..4) == 0 { ExitCodeOperator::NotIn } else { ExitCodeOperator::In },
            values: vec![1, 42, 143, self.0.u8(..)],
        }
    }

    /// Hooks, the probes that go on, and how it is stopped.
    fn lifecycle(&mut self, container: &mut Container) {
        container.liveness_probe = (self.0.u8(0..4) == 0).then(|| self.probe());
        container.readiness_probe = (self.0.u8(0..4) == 0).then(|| Probe {
            success_threshold: self.0.u32(1..3),
            termination_grace_period: None,
            ..self.probe()
        });
        container.post_start = (self.0.u8(0..5) == 0).then(|| self.hook());
        container.pre_stop = (self.0.u8(0..4) == 0).then(|| self.hook());
        container.stop_signal = (self.0.u8(0..8) == 0).then_some(Signal::INT);
        container.notify = (self.0.u8(0..8) == 0).then_some(Notify::Socket);
        container.resize_policy = ResizePolicy { cpu_restarts: self.0.bool(), memory_restarts: false };
        if self.0.u8(0..6) == 0 {
            let (initial_delay, max_delay) = (Duration::from_secs(1), Duration::from_secs(60));
            container.crash_loop_back_off = Some(CrashLoopBackOff { initial_delay, max_delay });
        }
    }

    fn hook(&mut self) -> Hook {
        Hook {
            handler: match self.0.u8(0..3) {
                0 => HookHandler::Sleep(self.pick(&[0, 1, 5, 30])),
                1 => HookHandler::TcpSocket,
                _ => HookHandler::Exec { command: vec!["true".to_owned()] },
            },
            timeout: (self.0.u8(0..4) == 0).then(|| self.pick(&[1, 3])),
        }
    }

    fn hook_conduct(&mut self) -> HookConduct {
        HookConduct {
            takes: (self.0.u8(0..10) != 0).then(|| self.moment()),
            outcome: match self.0.u8(0..6) {
                0 => HookOutcome::Failure,
                1 => HookOutcome::PlainHttp,
                _ => HookOutcome::Success,
            },
        }
    }

    fn main_container(&mut self, init: usize, n: usize) -> Container {
        let mut container = Container::named(&format!("main-{n}"));
        if self.0.u8(0..4) == 0 {
            container.restart_policy = Some(self.policy());
            if self.0.bool() {
                container.restart_policy_rules = (0..self.0.u8(1..3)).map(|_| self.rule()).collect();
            }
        }
        if self.0.u8(0..4) == 0 {
            container.startup_probe = Some(self.probe());
        }
        self.lifecycle(&mut container);
        container.keystone = self.0.u8(0..10) == 0;
        if n > 0 && self.0.u8(0..5) == 0 {
            container.start_after = vec![ContainerId::at(init + self.0.usize(0..n))];
        }
        container
    }

    fn probe(&mut self) -> Probe {
        Probe {
            handler: ProbeHandler::Exec { command: vec!["true".to_owned()] },
            initial_delay: self.pick(&[0, 0, 1, 10]),
            timeout: self.pick(&[1, 3]),
            period: if self.0.u8(0..8) == 0 { Duration::from_millis(500) } else { self.pick(&[1, 10]) },
            success_threshold: 1,
            failure_threshold: self.0.u32(1..5),
            termination_grace_period: self.0.bool().then(|| self.pick(&[1, 5, 100])),
        }
    }

    fn behaviour(&mut self, shortest: Duration) -> Behaviour {
        let attempts = self.0.usize(1..4);
        Behaviour::each((0..attempts).map(|_| self.attempt(shortest)).collect())
    }

    fn attempt(&mut self, shortest: Duration) -> Attempt {
        let lasts = match self.0.u8(0..4) {
            0 => None,
            1 => Some(shortest),
            2 => Some(shortest + self.moment()),
            _ => Some(shortest + Duration::from_secs(self.0.u64(0..900))),
        };
        Attempt {
            lasts,
            start_takes: if self.0.bool() { Duration::ZERO } else { self.moment() },
            start_fails: (shortest.is_zero() && self.0.u8(0..12) == 0).then(|| self.start_failure()),
            exit: self.exit_status(),
            on_term: match self.0.u8(0..5) {
                0 => OnTerm::Ignores,
                1 => OnTerm::Exits {
                    after: Duration::from_secs(self.0.u64(0..60)),
                    status: self.exit_status(),
                },
                _ => OnTerm::Exits { after: self.moment(), status: self.exit_status() },
            },
            rest: (self.0.u8(0..6) == 0).then(|| Rest {
                on_term: self.0.bool().then(|| self.moment()),
                lasts: (self.0.u8(0..3) == 0).then(|| self.moment()),
            }),
            unkillable: self.0.u8(0..40) == 0,
            ready_after: if self.0.bool() { Duration::ZERO } else { Duration::from_secs(self.0.u64(0..40)) },
            probe: match self.0.u8(0..10) {
                0 => ProbeOutcome::Failure,
                1 => ProbeOutcome::Error,
                2 => ProbeOutcome::Warning,
                _ => ProbeOutcome::Success,
            },
            probe_takes: if self.0.u8(0..5) == 0 { Duration::from_secs(5) } else { self.moment() },
            healthy_for: (self.0.u8(0..3) == 0).then(|| Duration::from_secs(self.0.u64(0..400))),
            serves_from: if self.0.bool() { Duration::ZERO } else { Duration::from_secs(self.0.u64(0..40)) },
            serves_until: (self.0.u8(0..3) == 0).then(|| Duration::from_secs(self.0.u64(0..400))),
            notifies_after: (self.0.u8(0..8) != 0).then(|| self.moment()),
            post_start: self.hook_conduct(),
            pre_stop: self.hook_conduct(),
            resize_fails: self.0.u8(0..4) == 0,
        }
    }

    fn start_failure(&mut self) -> StartFailure {
        let (stage, errno) = match self.0.u8(0..4) {
            0 => (StartStage::Config, 0),
            1 => (StartStage::Create, 11),
            2 => (StartStage::Exec, 2),
            _ => (StartStage::Exec, 13),
        };
        StartFailure { stage, errno, message: "cannot start".to_owned(), retry: stage == StartStage::Create }
    }

    fn exit_status(&mut self) -> ExitStatus {
        match self.0.u8(0..5) {
            0 | 1 => ExitStatus::Code(0),
            2 => ExitStatus::Signal(Signal::TERM),
            _ => ExitStatus::Code(self.0.u8(..)),
        }
    }

    fn moment(&mut self) -> Duration {
        Duration::from_millis(self.0.u64(0..1_500))
    }

    fn pick(&mut self, seconds: &[u64]) -> Duration {
        Duration::from_secs(*self.0.choice(seconds).unwrap())
    }
}
