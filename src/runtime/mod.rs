//! Effects: the one thread and its event loop, starting and reaping, output, probes. What is to be done
//! is decided in `pod` and `plan`; this room does it and reports facts back.

mod apart;
mod attempts;
mod cause;
mod cgroup;
mod clock;
mod emergency;
mod environment;
mod facts;
mod host;
mod init;
mod input;
mod keyboard;
mod messages;
mod network;
mod notified;
mod oom;
mod output;
mod probe;
mod processes;
mod reporter;
mod sandbox;
mod supervisor;
mod terminal;
mod token;
mod watch;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;
use nix::sys::epoll::Epoll;

pub(crate) use cause::cause;
pub(crate) use cgroup::not_enforced;
pub(crate) use facts::{all_facts, facts, tried_facts};
pub(crate) use host::host_memory;
pub(crate) use init::Machine;
pub(crate) use input::read_standard_input;
pub(crate) use output::Format;
pub(crate) use probe::{OWN_CHILD, Question, Verdict};
pub(crate) use sandbox::{FIRST_PROCESS, be_first_process};
pub(crate) use watch::{Reading, Watched};

use crate::plan::{Isolation, NetworkPlan, SignalPolicy};
use crate::spec::{ContainerId, Pod, Signal};

/// How long the last words may take to be read before they are dropped.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A pod to be run, and how.
#[derive(Debug)]
pub(crate) struct Job {
    /// The pod.
    pub(crate) pod: Pod,
    /// Where the containers' command lines come from.
    pub(crate) commands: Commands,
    /// What surrounds the pod and its containers.
    pub(crate) isolation: Isolation,
    /// How far the pod's network reaches, and what leads into it.
    pub(crate) network: NetworkPlan,
    /// What signals to the supervisor mean.
    pub(crate) signals: SignalPolicy,
    /// Signals go to the container's whole process group.
    pub(crate) signal_group: bool,
    /// Say so when a process is reaped that is no container's main process.
    pub(crate) warn_reaped: bool,
    /// What the supervisor itself gets when its parent ends.
    pub(crate) parent_death_signal: Option<Signal>,
    /// What containers' output looks like.
    pub(crate) format: Format,
    /// Colours on a terminal.
    pub(crate) color: bool,
    /// Whose exit code the pod's is to be.
    pub(crate) exit_code_from: Option<ContainerId>,
    /// The files that the pod was read from; `-` is standard input.
    pub(crate) manifests: Vec<PathBuf>,
    /// Where the Pod object is written at every change.
    pub(crate) status_file: Option<PathBuf>,
    /// Where events are appended.
    pub(crate) event_file: Option<PathBuf>,
    /// What was given up of the pod, in sentences.
    pub(crate) lost: Vec<String>,
    /// A pod with limits that this host does not enforce is refused.
    pub(crate) strict: bool,
    /// Files whose changes are taken over while the pod runs.
    pub(crate) watched: Option<Watched>,
}

/// Where command lines come from.
#[derive(Debug)]
pub(crate) enum Commands {
    /// Each container's part of the manifest; `$(NAME)` is expanded.
    OfManifest,
    /// This one, for the only container, exactly as it is. It gets the supervisor's descriptors and
    /// its terminal.
    Exact(Vec<OsString>),
}

/// First of all: signals wait until somebody handles them, and what the caller left open is closed.
pub fn prepare() {
    crate::sys::block_signals();
    crate::sys::close_from(3);
    emergency::install();
}

/// Messages of this level and above are told.
pub(crate) fn tell(level: LevelFilter) {
    messages::init(level);
}

/// Runs the pod to its end. Returns its exit code.
///
/// # Errors
/// Only before anything has been started: the system refused what the supervisor itself needs.
pub(crate) fn run(job: Job) -> io::Result<u8> {
    Ok(supervisor::Supervisor::new(job)?.run())
}

/// Asks once, and waits for the answer at most so long. Returns what came of it, and why in words.
pub(crate) fn ask(question: Question, timeout: Duration) -> (Verdict, String) {
    crate::sys::allow_signals();
    probe::ask::ask(question, probe::ask::Deadline::after(timeout))
}

/// Runs a command once, at most so long. Returns what came of it, and why in words.
pub(crate) fn exec(words: &[OsString], timeout: Duration) -> (Verdict, String) {
    crate::sys::allow_signals();
    probe::ask::exec(words, probe::ask::Deadline::after(timeout))
}

/// What a podinit does that another one has started to ask something. Returns its exit code.
pub(crate) fn answer() -> u8 {
    crate::sys::allow_signals();
    probe::ask::answer()
}

/// Ends the watch over a descriptor that is about to be closed. Closing alone does not do it: a child on
/// its way to exec has a copy, and while that hangs, the loop would be woken for ever.
fn unwatch(epoll: &Epoll, fd: impl AsFd) {
    // What was never watched need not be unwatched.
    let _ = epoll.delete(fd);
}

/// Puts a complaint on stderr. Gives a reader that does not read a moment, not for ever: as PID 1 a
/// stuck reader must not keep the container.
pub(crate) fn complain(text: &str) {
    output::put(io::stderr(), text.as_bytes(), LAST_WORDS);
}
