//! The supervisor's part in probes and hooks: who carries them out, and what is told of them.

use std::borrow::Cow;
use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd;

use super::Supervisor;
use crate::plan;
use crate::pod::{AttemptId, ExitStatus, RunId};
use crate::runtime::attempts::Executed;
use crate::runtime::cause;
use crate::runtime::probe::{Ended, Occasion, Outcome, Question, Verdict};
use crate::runtime::token::Token;
use crate::spec::{Container, HookHandler, HookKind, Pod, ProbeHandler, ProbeKind};
use crate::sys;

/// Whether something of the pod can only be asked by another podinit.
pub(super) fn needs_own_program(pod: &Pod) -> bool {
    let of_probes = |container: &Container| {
        let handlers = ProbeKind::ALL.into_iter().filter_map(|kind| Some(&container.probe(kind)?.handler));
        handlers.filter_map(Question::of_probe).any(|question| question.needs_child())
    };
    let of_hooks = |container: &Container| {
        let kinds = [HookKind::PostStart, HookKind::PreStop];
        let handlers = kinds.into_iter().filter_map(|kind| Some(&container.hook(kind)?.handler));
        handlers.filter_map(Question::of_hook).any(|question| question.needs_child())
    };
    pod.iter().any(|(_, _, container)| container.reaper || of_probes(container) || of_hooks(container))
}

impl Supervisor {
    /// Runs one of the container's probes once.
    pub(super) fn start_probe(&mut self, run: RunId, attempt: AttemptId, kind: ProbeKind) {
        let container = self.machine.pod().container(attempt.container);
        let Some(handler) = container.and_then(|container| container.probe(kind)).map(|probe| &probe.handler)
        else {
            return;
        };
        if let ProbeHandler::Exec { command } = handler {
            let command = command.clone();
            match self.execute(attempt, &command, plan::probe) {
                Ok(executed) => {
                    let token = Token::Run(run).into();
                    self.runs.executes(run, Occasion::Probe, executed, &self.epoll, token);
                }
                Err(result) => self.run_ended(run, Ended::new(Occasion::Probe, result)),
            }
        } else if let Some(question) = Question::of_probe(handler) {
            self.ask(run, Occasion::Probe, question);
        }
    }

    /// Runs one of the container's hooks (rules 67 to 75).
    pub(super) fn run_hook(&mut self, run: RunId, attempt: AttemptId, kind: HookKind) {
        let container = self.machine.pod().container(attempt.container);
        let Some(handler) = container.and_then(|container| container.hook(kind)).map(|hook| &hook.handler)
        else {
            return;
        };
        let occasion = Occasion::Hook(attempt.container, kind);
        let failed = |why: &str| Ended::new(occasion, (Verdict::Failure, why.to_owned()));
        match handler {
            HookHandler::Exec { command } => {
                let command = command.clone();
                match self.execute(attempt, &command, plan::hook) {
                    Ok(executed) => {
                        self.attempts.add_hook(attempt, &executed);
                        let token = Token::Run(run).into();
                        self.runs.executes(run, occasion, executed, &self.epoll, token);
                    }
                    Err(result) => self.run_ended(run, Ended::new(occasion, result)),
                }
            }
            HookHandler::HttpGet(_) => {
                if let Some(question) = Question::of_hook(handler) {
                    self.ask(run, occasion, question);
                }
            }
            HookHandler::TcpSocket => {
                self.run_ended(run, failed("a tcpSocket hook does nothing in Kubernetes but fail"));
            }
            // The machine sleeps itself.
            HookHandler::Sleep(_) => self.run_ended(run, failed("a sleep is not executed")),
        }
    }

    /// Something can be done for the run.
    pub(super) fn advance_run(&mut self, run: RunId) {
        let outcome = self.runs.advance(run, &self.epoll, Token::Run(run).into());
        self.take_outcome(run, outcome);
    }

    /// Whether the process with this number was a run's; its end is a fact now.
    pub(super) fn run_exited(&mut self, pid: i32, status: ExitStatus) -> bool {
        self.attempts.hook_ended(pid);
        let exited = self.runs.exited(pid, status, &self.epoll);
        let was_run = exited.is_some();
        if let Some(Some((run, ended))) = exited {
            self.run_ended(run, ended);
        }
        was_run
    }

    fn ask(&mut self, run: RunId, occasion: Occasion, question: Question) {
        let outcome = self.runs.connect(run, occasion, question, &self.epoll, Token::Run(run).into());
        self.take_outcome(run, outcome);
    }

    fn take_outcome(&mut self, run: RunId, outcome: Option<Outcome>) {
        match outcome {
            None => {}
            Some(Outcome::Ended(ended)) => self.run_ended(run, ended),
            Some(Outcome::Elsewhere(occasion, question)) => match self.start_own(&question) {
                Ok(executed) => {
                    self.runs.asks(run, occasion, executed, &self.epoll, Token::Run(run).into());
                }
                Err(why) => self.run_ended(run, Ended::new(occasion, (Verdict::Error, why))),
            },
        }
    }

    /// Starts a podinit that asks this.
    fn start_own(&mut self, question: &Question) -> Result<Executed, String> {
        let cannot = |what: &str, error: io::Error| format!("cannot {what}: {}", cause(error));
        let input = question.to_file().map_err(|error| cannot("hand a question over", error))?;
        let own = match self.own_program.take() {
            Some(own) => own,
            None => sys::open_own_program().map_err(|error| cannot("open podinit's own program", error))?,
        };
        let own = self.own_program.insert(own);
        let arguments = [c"podinit", c"probe", c"-"];
        Executed::own(own.as_fd(), &arguments, input.as_fd()).map_err(|failure| failure.message)
    }

    /// What a hook's command prints may hold secrets (rule 68), so that it is in no event; whoever asks for
    /// every detail gets it, as he gets what the container itself prints. Why a hook failed is podinit's own
    /// wording: without it nobody could find out.
    fn run_ended(&mut self, run: RunId, ended: Ended) {
        if let Occasion::Hook(container, kind) = ended.occasion {
            let (name, kind) = (super::name(self.machine.pod(), container), kind.name());
            if ended.verdict.is_failure() {
                log::warn!("{kind} hook of container {name}: {}", ended.text);
            }
            if !ended.printed.is_empty() {
                log::debug!("{kind} hook of container {name} printed: {}", ended.printed);
            }
        }
        self.fact(ended.event(run));
    }

    /// Executes a command beside the container's attempt.
    fn execute(
        &mut self,
        attempt: AttemptId,
        command: &[String],
        plan: fn(&Container, &[String], &[Cow<'static, CStr>]) -> plan::CommandPlan,
    ) -> Result<Executed, crate::runtime::probe::Result> {
        let Some(container) = self.machine.pod().container(attempt.container) else {
            return Err((Verdict::Error, "the container is gone".to_owned()));
        };
        let environment = self.environment.started_with(attempt.container);
        let plan = plan(container, command, environment);
        let nobody = plan::Credentials::default();
        let credentials = self.credentials.get(&attempt.container).unwrap_or(&nobody);
        let enclosure = self.sandbox.enclosure(attempt, None, credentials, None);
        let executed =
            enclosure.and_then(|enclosure| self.attempts.execute(attempt, plan, self.open_files, enclosure));
        // Where the pod has as many processes as it may have, that is the container's failure (RES-04).
        let is_full =
            |errno: i32| errno == libc::EAGAIN && self.machine.pod().kubelet.pod_pids_limit.is_some();
        executed.map_err(|failure| match is_full(failure.errno) {
            true => (Verdict::Failure, failure.message),
            false => (Verdict::Error, failure.message),
        })
    }
}
