//! Executes probes and hooks: what is done once, and what came of it (rules 60 to 65 and 72 to 75). When
//! that is and what follows from it is the machine's business; so is the timeout, which comes as a
//! cancellation.

pub(super) mod ask;
mod connection;
mod exchange;
mod exec;
mod http;
mod question;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::attempts::Executed;
use super::{cause, unwatch};
use crate::pod::{Event, ExitStatus, HookOutcome, ProbeOutcome, RunId};
use crate::spec::{ContainerId, HookKind};
use connection::Connection;
use exchange::Exchange;
use exec::{Exec, explain};
pub(crate) use question::Question;

/// So much of what a probe or hook prints or answers is kept (rules 60, 62).
const OUTPUT: usize = 10 * 1024;

/// The arguments by which podinit starts itself to ask something: [`ask::answer`].
pub(crate) const OWN_CHILD: [&str; 2] = ["probe", "-"];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Probe,
    /// Any HTTP answer is a success (rule 73).
    Hook,
}

/// What a run is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    Probe,
    Hook(ContainerId, HookKind),
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Success,
    /// A success with something a person should know (rule 62).
    Warning,
    /// A hook's success over plain HTTP where HTTPS was asked for (rule 73).
    PlainHttp,
    Failure,
    /// It could not be carried out.
    Error,
}

/// How a run ended: for the machine, and in words for people.
pub(crate) type Result = (Verdict, String);

/// The runs under way.
#[derive(Debug, Default)]
pub(crate) struct Runs(BTreeMap<RunId, Run>);

#[derive(Debug)]
struct Run {
    occasion: Occasion,
    execution: Execution,
    /// Nobody waits for its result any more.
    abandoned: bool,
}

#[derive(Debug)]
enum Execution {
    /// The container's command.
    Exec(Exec),
    /// A podinit that does what PID 1 does not.
    Asked(Exec),
    Connect(Connection),
    Http(Box<Exchange>),
}

/// What is to be done with a socket next.
enum Progress {
    /// Wait until this can be done.
    Wait(EpollFlags),
    /// A new socket is to be waited for until it can be written to; the old one is not watched any more.
    Reconnected,
    /// A child has to go on.
    Elsewhere(Question),
    Done(Result),
}

/// What has become of a run.
#[derive(Debug)]
pub(crate) enum Outcome {
    Ended(Ended),
    /// This has to be asked by a child: see [`Runs::asks`].
    Elsewhere(Occasion, Question),
}

/// The end of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) occasion: Occasion,
    pub(crate) verdict: Verdict,
    /// For people; of a hook the cause of its failure alone.
    pub(crate) text: String,
    /// What a hook's command has printed, which may hold secrets (rule 68).
    pub(crate) printed: String,
}

impl Runs {
    /// Starts a run over the network. `token` is what the loop's epoll will say about it. A result
    /// comes at once where nothing can be waited for.
    pub(crate) fn connect(
        &mut self,
        run: RunId,
        occasion: Occasion,
        question: Question,
        epoll: &Epoll,
        token: u64,
    ) -> Option<Outcome> {
        let execution = match question {
            question if question.needs_child() => return Some(Outcome::Elsewhere(occasion, question)),
            Question::Tcp { host, port } => Connection::open(&host, port).map(Execution::Connect),
            Question::Http(request) => Exchange::open(request).map(Box::new).map(Execution::Http),
            question @ Question::Grpc { .. } => return Some(Outcome::Elsewhere(occasion, question)),
        };
        match execution {
            Err(result) => Some(Outcome::Ended(Ended::new(occasion, result))),
            Ok(execution) => {
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, token);
                if let Err(errno) = epoll.add(execution.fd(), event) {
                    return Some(Outcome::Ended(Ended::new(occasion, cannot("watch a socket", errno))));
                }
                self.0.insert(run, Run { occasion, execution, abandoned: false });
                None
            }
        }
    }

    /// A command of the container's runs.
    pub(crate) fn executes(
        &mut self,
        run: RunId,
        occasion: Occasion,
        executed: Executed,
        epoll: &Epoll,
        token: u64,
    ) {
        self.add(run, occasion, Execution::Exec(Exec::new(executed)), epoll, token);
    }

    /// A child of podinit's own runs, which was asked a [`Question`].
    pub(crate) fn asks(
        &mut self,
        run: RunId,
        occasion: Occasion,
        executed: Executed,
        epoll: &Epoll,
        token: u64,
    ) {
        self.add(run, occasion, Execution::Asked(Exec::new(executed)), epoll, token);
    }

    fn add(&mut self, run: RunId, occasion: Occasion, execution: Execution, epoll: &Epoll, token: u64) {
        // What cannot be watched is read at the end.
        let _ = epoll.add(execution.fd(), EpollEvent::new(EpollFlags::EPOLLIN, token));
        self.0.insert(run, Run { occasion, execution, abandoned: false });
    }

    /// Something can be done for the run. Returns what became of it when it has come to something.
    pub(crate) fn advance(&mut self, run: RunId, epoll: &Epoll, token: u64) -> Option<Outcome> {
        let Run { occasion, execution, .. } = self.0.get_mut(&run)?;
        let occasion = *occasion;
        let progress = match execution {
            Execution::Exec(exec) | Execution::Asked(exec) => {
                if !exec.read() {
                    unwatch(epoll, exec.output());
                }
                return None;
            }
            Execution::Connect(connection) => connection.advance(epoll),
            Execution::Http(exchange) => exchange.advance(epoll),
        };
        let watched = match progress {
            Progress::Wait(flags) => epoll.modify(execution.fd(), &mut EpollEvent::new(flags, token)),
            Progress::Reconnected => epoll.add(execution.fd(), EpollEvent::new(EpollFlags::EPOLLOUT, token)),
            Progress::Elsewhere(question) => {
                self.forget(run, epoll);
                return Some(Outcome::Elsewhere(occasion, question));
            }
            Progress::Done(result) => {
                self.forget(run, epoll);
                return Some(Outcome::Ended(Ended::new(occasion, result)));
            }
        };
        watched.err().map(|errno| {
            self.forget(run, epoll);
            Outcome::Ended(Ended::new(occasion, cannot("watch a socket", errno)))
        })
    }

    /// The process with this number ended. `None` if it was no run's; the run's end, if somebody waits for
    /// that.
    pub(crate) fn exited(
        &mut self,
        pid: i32,
        status: ExitStatus,
        epoll: &Epoll,
    ) -> Option<Option<(RunId, Ended)>> {
        let run = *self.0.iter().find(|(_, run)| run.is_process(pid))?.0;
        let Run { occasion, execution, abandoned } = self.forget(run, epoll)?;
        let ended = match execution {
            Execution::Exec(exec) => {
                let (result, printed) = exec.result(status);
                Ended::new(occasion, result).printed(printed)
            }
            Execution::Asked(exec) => Ended::new(occasion, exec.answer(status)),
            Execution::Connect(_) | Execution::Http(_) => return None,
        };
        Some((!abandoned).then_some((run, ended)))
    }

    /// The run no longer matters. A probe's command is killed, alone (rule 60); it is reaped with the rest.
    /// A hook's command is not: it ends with its container (rule 71), and may go on printing until then.
    pub(crate) fn cancel(&mut self, run: RunId, epoll: &Epoll) {
        if let Some(run) = self.0.get_mut(&run)
            && run.ends_with_container()
        {
            run.abandoned = true;
        } else if let Some(Run { execution: Execution::Exec(exec) | Execution::Asked(exec), .. }) =
            self.forget(run, epoll)
        {
            exec.kill();
        }
    }

    fn forget(&mut self, run: RunId, epoll: &Epoll) -> Option<Run> {
        let run = self.0.remove(&run)?;
        unwatch(epoll, run.execution.fd());
        Some(run)
    }

    /// Whether this process is one that ends with its run. A hook's command is the container's.
    pub(crate) fn has(&self, pid: i32) -> bool {
        self.0.values().any(|run| run.is_process(pid) && !run.ends_with_container())
    }
}

impl Run {
    fn is_process(&self, pid: i32) -> bool {
        match &self.execution {
            Execution::Exec(exec) | Execution::Asked(exec) => exec.pid() == pid,
            Execution::Connect(_) | Execution::Http(_) => false,
        }
    }

    fn ends_with_container(&self) -> bool {
        matches!((self.occasion, &self.execution), (Occasion::Hook(..), Execution::Exec(_)))
    }
}

impl Execution {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Exec(exec) | Self::Asked(exec) => exec.output(),
            Self::Connect(connection) => connection.socket().as_fd(),
            Self::Http(exchange) => exchange.connection().socket().as_fd(),
        }
    }
}

impl Ended {
    pub(crate) fn new(occasion: Occasion, (verdict, text): Result) -> Self {
        Self { occasion, verdict, text, printed: String::new() }
    }

    /// What a probe prints is its answer (rule 60); what a hook prints is told apart.
    fn printed(mut self, printed: String) -> Self {
        match self.occasion {
            Occasion::Probe => self.text = explain(&self.text, &printed),
            Occasion::Hook(..) => self.printed = printed,
        }
        self
    }

    /// What the machine is told.
    pub(crate) fn event(self, run: RunId) -> Event {
        let Self { occasion, verdict, text: output, .. } = self;
        match occasion {
            Occasion::Probe => Event::ProbeDone { run, outcome: verdict.of_probe(), output },
            Occasion::Hook(..) => Event::HookDone { run, outcome: verdict.of_hook(), output },
        }
    }
}

impl Verdict {
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::Success | Self::Warning | Self::PlainHttp => false,
            Self::Failure | Self::Error => true,
        }
    }

    /// The exit code by which a child of podinit's own says this.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Warning => 3,
            Self::PlainHttp => 4,
            Self::Error => 5,
        }
    }

    fn of_exit_code(code: u8) -> Option<Self> {
        let all = [Self::Success, Self::Failure, Self::Warning, Self::PlainHttp, Self::Error];
        all.into_iter().find(|verdict| verdict.exit_code() == code)
    }

    fn of_probe(self) -> ProbeOutcome {
        match self {
            Self::Success | Self::PlainHttp => ProbeOutcome::Success,
            Self::Warning => ProbeOutcome::Warning,
            Self::Failure => ProbeOutcome::Failure,
            Self::Error => ProbeOutcome::Error,
        }
    }

    fn of_hook(self) -> HookOutcome {
        match self {
            Self::Success | Self::Warning => HookOutcome::Success,
            Self::PlainHttp => HookOutcome::PlainHttp,
            Self::Failure | Self::Error => HookOutcome::Failure,
        }
    }
}

/// The run could not be carried out.
fn cannot(what: &str, errno: Errno) -> Result {
    (Verdict::Error, format!("cannot {what}: {}", cause(errno)))
}
