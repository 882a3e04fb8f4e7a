//! The machine taking over a pod that another supervisor left, looked at action by action: what
//! upstream's tests of computePodActions look at.

use podinit::pod::{
    Action, AttemptId, ContainerState, ContainerStatus, Event, Exit, ExitStatus, Now, Phase, PodMachine,
    PodStatus, ProbeOutcome, RunId, Target, Terminated, TerminatedReason, Timestamp, WaitingReason,
};
use podinit::spec::{ContainerKind, Pod};

/// In which state a container was left.
#[derive(Clone, Copy, Debug)]
pub enum Was {
    /// Its start was asked for and never answered.
    Created,
    /// It runs, and started.
    Running,
    /// It runs, and its startup probe has not succeeded.
    NotStarted,
    Exited(u8),
    /// It is gone and nobody saw how.
    Unknown,
}

/// The machine at its first moment, with what it asked for last.
pub struct Supervisor {
    machine: PodMachine,
    run: Option<RunId>,
}

impl Supervisor {
    /// Of a pod that nobody ran before.
    pub fn new(pod: Pod) -> Self {
        Self { machine: PodMachine::new(pod, Now::default()), run: None }
    }

    /// Of a pod whose containers were left so; of the others nothing is known.
    pub fn taking_over(pod: Pod, left: &[(&str, Was)]) -> Self {
        let mut status = PodStatus {
            phase: Phase::Pending,
            reason: None,
            message: None,
            conditions: Vec::new(),
            start_time: Timestamp::default(),
            init_container_statuses: Vec::new(),
            container_statuses: Vec::new(),
            ephemeral_container_statuses: Vec::new(),
        };
        for (name, was) in left {
            let found = pod.iter().find(|(_, _, container)| *container.name == **name);
            let (_, kind, container) = found.unwrap();
            let list = match kind {
                ContainerKind::Init | ContainerKind::Sidecar => &mut status.init_container_statuses,
                ContainerKind::Main => &mut status.container_statuses,
                ContainerKind::Ephemeral => &mut status.ephemeral_container_statuses,
            };
            list.push(left_as(name, &container.image, *was));
        }
        Self { machine: PodMachine::restore(pod, &status, Now::default()), run: None }
    }

    /// What it wants now, in order: `start`, `stop`, `kill` and `probe` with a name, and what it does
    /// with the sandbox and at the end.
    pub fn wants(&mut self) -> Vec<String> {
        let mut wants = Vec::new();
        while let Some(action) = self.machine.poll_action() {
            wants.extend(self.word(&action));
        }
        wants
    }

    fn word(&mut self, action: &Action) -> Option<String> {
        let name =
            |attempt: &AttemptId| self.machine.pod().container(attempt.container).unwrap().name.clone();
        match action {
            Action::SetUpSandbox => Some("set up sandbox".to_owned()),
            Action::TearDownSandbox => Some("tear down sandbox".to_owned()),
            Action::Start(attempt) => Some(format!("start {}", name(attempt))),
            Action::Signal { attempt, target: Target::Main, .. } => Some(format!("stop {}", name(attempt))),
            Action::Kill(attempt) => Some(format!("kill {}", name(attempt))),
            Action::StartProbe { attempt, run, .. } => {
                let word = format!("probe {}", name(attempt));
                self.run = Some(*run);
                Some(word)
            }
            Action::Finish { code, .. } => Some(format!("finish {code}")),
            Action::Record(_) | Action::StatusChanged | Action::Remove(_) | Action::CancelProbe(_) => None,
            other => panic!("{other:?} is not wanted in any of these cases"),
        }
    }

    /// The sandbox stands.
    pub fn sandbox_ready(&mut self) -> Vec<String> {
        self.tell(Event::SandboxReady)
    }

    /// The container ends with this code and leaves nothing behind.
    pub fn ends(&mut self, name: &str, code: u8) -> Vec<String> {
        self.gone(name, ExitStatus::Code(code))
    }

    /// The container's main process is gone and nobody saw how. What it wants at once, and then when
    /// nothing is left of it.
    pub fn unknown(&mut self, name: &str) -> Vec<String> {
        let attempt = self.attempt(name);
        let mut wants = self.tell(Event::Exited { attempt, exit: Exit::plain(ExitStatus::Unknown) });
        wants.extend(self.tell(Event::Emptied { attempt }));
        wants
    }

    /// The manifest changes to this.
    pub fn spec_changed(&mut self, pod: Pod) -> Vec<String> {
        self.tell(Event::SpecChanged(Box::new(pod)))
    }

    /// The probe that was asked for last gives this.
    pub fn probe_gives(&mut self, outcome: ProbeOutcome) -> Vec<String> {
        let run = self.run.unwrap();
        self.tell(Event::ProbeDone { run, outcome, output: String::new() })
    }

    /// The sandbox breaks. Whatever is stopped ends with `code`, a new sandbox stands at once.
    /// Everything that is wanted on the way.
    pub fn sandbox_lost(&mut self, code: u8) -> Vec<String> {
        self.machine.handle_event(Now::default(), Event::SandboxLost);
        let mut wants = self.wants();
        let mut next = 0;
        while let Some(want) = wants.get(next).cloned() {
            next += 1;
            if let Some(name) = want.strip_prefix("stop ") {
                wants.extend(self.ends(name, code));
            } else if want == "set up sandbox" {
                wants.extend(self.sandbox_ready());
            }
        }
        wants
    }

    fn gone(&mut self, name: &str, status: ExitStatus) -> Vec<String> {
        let attempt = self.attempt(name);
        self.machine.handle_event(Now::default(), Event::Exited { attempt, exit: Exit::plain(status) });
        self.tell(Event::Emptied { attempt })
    }

    fn tell(&mut self, event: Event) -> Vec<String> {
        self.machine.handle_event(Now::default(), event);
        self.wants()
    }

    /// The container's newest attempt. None of these cases starts one twice.
    fn attempt(&self, name: &str) -> AttemptId {
        let mut containers = self.machine.pod().iter();
        let (container, _, _) = containers.find(|(_, _, container)| *container.name == *name).unwrap();
        AttemptId { container, attempt: 0 }
    }
}

fn left_as(name: &str, image: &str, was: Was) -> ContainerStatus {
    let ended = |exit_code, reason| {
        ContainerState::Terminated(Terminated {
            exit_code,
            signal: None,
            reason,
            message: None,
            started_at: Timestamp::default(),
            finished_at: Timestamp::default(),
        })
    };
    let state = match was {
        Was::Created => ContainerState::Waiting { reason: WaitingReason::ContainerCreating, message: None },
        Was::Running | Was::NotStarted => ContainerState::Running { started_at: Timestamp::default() },
        Was::Exited(0) => ended(0, TerminatedReason::Completed),
        Was::Exited(code) => ended(code, TerminatedReason::Error),
        Was::Unknown => ended(137, TerminatedReason::ContainerStatusUnknown),
    };
    ContainerStatus {
        name: name.into(),
        image: image.into(),
        state,
        last_state: None,
        ready: matches!(was, Was::Running),
        started: matches!(was, Was::Running),
        restart_count: 0,
    }
}
