//! The event loop. One turn: read the clock, take signals, start reports, exits, output and probes in
//! this order, hand the facts to the machine, carry out what it wants, sleep until its next deadline.
//! Nothing in a turn waits for anything.

mod ahead;
mod groups;
mod keyboard;
mod network;
mod open_files;
mod runs;
mod start;
mod volumes;

use std::collections::BTreeMap;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use self::ahead::Ahead;
use super::attempts::{Attempts, Start};
use super::cgroup::Cgroups;
use super::environment::Environment;
use super::keyboard::Keyboard;
use super::notified::{Notified, Said};
use super::oom::OomScores;
use super::output::{Format, Output, standard};
use super::probe::Runs;
use super::reporter::Reporter;
use super::sandbox::Sandbox;
use super::terminal;
use super::token::{Ready, Token};
use super::watch::{Reading, Watch};
use super::{Commands, Job, LAST_WORDS, cause, clock, messages};
use crate::plan::{self, Credentials, Meaning, Situation};
use crate::pod::{
    Action, AttemptId, Cause, Event, Exit, ExitStatus, JobMachine, Now, PodEvent, Signal, StartFailure,
    StopRequest,
};
use crate::spec::{ContainerId, Pod, Stdin};
use crate::sys::{self, ChildEvent, Signals, Wait};

/// One pod, running.
pub(super) struct Supervisor {
    machine: JobMachine,
    commands: Commands,
    policy: plan::SignalPolicy,
    format: Format,
    color: bool,
    warn_reaped: bool,
    environment: Environment,
    now: Now,
    epoll: Epoll,
    signals: Signals,
    attempts: Attempts,
    cgroups: Cgroups,
    oom_scores: OomScores,
    runs: Runs,
    /// podinit's own file, where a child of its own is needed.
    own_program: Option<OwnedFd>,
    /// What surrounds the containers.
    sandbox: Sandbox,
    /// As whom each container's last attempt runs, for what is executed beside it.
    credentials: BTreeMap<ContainerId, Credentials>,
    /// Made when there is something to put out.
    output: Option<Output>,
    /// Controlled by a terminal from the beginning, whatever has become of it.
    has_terminal: bool,
    /// What containers get back where the supervisor raised its own limit.
    open_files: Option<u64>,
    /// Containers that say when they are ready.
    notified: Notified,
    /// What is typed on podinit's terminal, where a container may read it.
    keyboard: Option<Keyboard>,
    /// What containers read from where nobody types.
    inputs: BTreeMap<ContainerId, OwnedFd>,
    /// Changes of the manifest, where somebody wants them taken over.
    watch: Option<Watch>,
    /// Tells programs, where one wants to know.
    reporter: Option<Reporter>,
    /// The attempts that are made ready for what comes next, in their turn.
    ahead: Vec<Ahead>,
    finished: Option<(u8, Cause)>,
}

impl Supervisor {
    pub(super) fn new(job: Job) -> io::Result<Self> {
        let is_init = std::process::id() == 1;
        if !is_init {
            // Orphans come to us, not to whoever is PID 1.
            nix::sys::prctl::set_child_subreaper(true)?;
        }
        if let Some(signal) = job.parent_death_signal {
            sys::set_parent_death_signal(signal.number())?;
        }
        // What runs in the containers may be of the same user: it is not to read our memory.
        let _ = nix::sys::prctl::set_dumpable(false);
        let is_command = matches!(job.commands, Commands::Exact(_));
        if !is_command {
            sys::show_life();
        }
        let signals = Signals::install()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        for descriptor in signals.descriptors() {
            epoll.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, Token::Signals.into()))?;
        }
        let containers = job.pod.iter().count();
        let mut environment = Environment::new();
        let has_network = job.isolation.network;
        let files = (job.status_file, job.event_file);
        let mut reporter = Reporter::new(&job.pod, &mut environment, &job.manifests, files, has_network)?;
        let watch = job.watched.map(Watch::new).transpose()?;
        if let Some(watch) = &watch {
            epoll.add(watch.fd(), EpollEvent::new(EpollFlags::EPOLLIN, Token::Watch.into()))?;
        }
        let now = clock::now();
        // Now, while /proc and the file are certainly there.
        let needs_own_program = runs::needs_own_program(&job.pod) || job.isolation.has_processes();
        let own_program = needs_own_program.then(sys::open_own_program).transpose()?;
        let open_files = if is_command { None } else { open_files::raise(&job.pod) };
        let reads = !is_command && job.pod.iter().any(|(.., it)| it.stdin != Stdin::Empty);
        let keyboard = if reads { Keyboard::find(Token::Keyboard.into()) } else { None };
        if reads {
            keyboard::tell_who_reads_nothing(&job.pod, keyboard.is_some());
        }
        let ends_by_itself = job.isolation.has_own_processes();
        let cgroups = Cgroups::open(&job.pod, watch.is_some(), job.strict, ends_by_itself);
        let cgroups = cgroups.map_err(io::Error::other)?;
        if let Some(reporter) = &mut reporter {
            reporter.lose(&job.lost);
            reporter.lose(&cgroups.complaints(&job.pod));
        }
        let oom_scores = OomScores::open(&job.pod);
        Ok(Self {
            machine: JobMachine::new(job.pod, now).exit_code_from(job.exit_code_from),
            commands: job.commands,
            policy: job.signals,
            format: job.format,
            color: job.color,
            warn_reaped: job.warn_reaped,
            environment,
            now,
            epoll,
            signals,
            attempts: Attempts::new(containers, job.signal_group),
            cgroups,
            oom_scores,
            runs: Runs::default(),
            own_program,
            sandbox: Sandbox::new(job.isolation, job.network),
            credentials: BTreeMap::new(),
            output: None,
            has_terminal: terminal::is_controlled(),
            open_files,
            notified: Notified::default(),
            keyboard,
            inputs: BTreeMap::new(),
            watch,
            reporter,
            ahead: Vec::new(),
            finished: None,
        })
    }

    /// Runs the pod to its end.
    pub(super) fn run(mut self) -> u8 {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            self.carry_out_actions();
            self.tell();
            self.report();
            if let Some((code, cause)) = self.finished {
                self.cgroups.remove_all();
                // A group is empty before those who were in it have been reaped.
                self.reap();
                self.last_words(code, cause);
                // Their memory goes with the process.
                let _ = ManuallyDrop::new((self.machine, self.environment, self.attempts, self.output));
                return code;
            }
            if let Some(output) = &mut self.output {
                output.watch(&self.epoll, |kind| (Token::Pipes(kind).into(), Token::Sink(kind).into()));
            }
            fault("panic");
            let ready = match self.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => Ready::of(events.get(..count).unwrap_or_default()),
                Err(_) => Ready::default(),
            };
            self.now = clock::now();
            self.take(ready);
        }
    }

    /// Time until the machine's next deadline, rounded up: a deadline is never early.
    fn timeout(&self) -> EpollTimeout {
        let watch = self.watch.as_ref().and_then(Watch::timeout);
        let report = self.reporter.as_ref().and_then(Reporter::timeout);
        let deadlines = [self.machine.poll_timeout(), watch, report];
        let Some(deadline) = deadlines.into_iter().flatten().min() else { return EpollTimeout::NONE };
        let left = deadline.since(clock::now().mono);
        let millis = left.as_nanos().div_ceil(1_000_000);
        let longest = i32::MAX;
        EpollTimeout::try_from(i32::try_from(millis).unwrap_or(longest)).unwrap_or(EpollTimeout::ZERO)
    }

    fn take(&mut self, ready: Ready) {
        let mut child_changed = false;
        if ready.signals {
            child_changed = self.take_signals();
        }
        for container in ready.reports {
            self.take_report(container);
        }
        if child_changed {
            self.reap();
        } else if ready.groups {
            self.take_emptied(false);
        }
        if let Some(output) = &mut self.output {
            output.flush();
            for kind in ready.pipes {
                output.pump(kind, self.now.wall);
            }
        }
        for container in ready.notified {
            self.hear(container);
        }
        for run in ready.runs {
            self.advance_run(run);
        }
        if ready.network {
            self.hear_of_network();
        }
        if ready.keyboard
            && let Some(keyboard) = &mut self.keyboard
        {
            keyboard.advance(&self.epoll);
        }
        if ready.ownership {
            self.hear_of_volumes();
        }
        self.look_at_manifest(ready.watch);
        if self.machine.poll_timeout().is_some_and(|deadline| deadline <= self.now.mono) {
            self.machine.handle_timeout(self.now);
        }
    }

    /// Takes over a changed manifest; one that is wrong changes nothing.
    fn look_at_manifest(&mut self, something_happened: bool) {
        let Some(watch) = &mut self.watch else { return };
        if something_happened {
            watch.advance(self.now.mono);
        }
        let Some(Reading { pod, problems }) = watch.poll(self.now.mono) else { return };
        let Some(pod) = pod else {
            return log::warn!("cannot take over the changed manifest; the pod goes on as it is\n{problems}");
        };
        if pod == *self.machine.intended() {
            return;
        }
        if !problems.is_empty() {
            log::warn!("the changed manifest is taken over, with warnings\n{problems}");
        }
        if self.own_program.is_none() && runs::needs_own_program(&pod) {
            self.own_program = sys::open_own_program().ok();
        }
        self.open_files = self.open_files.or_else(|| open_files::raise(&pod));
        self.drop_ahead();
        log::info!("the manifest has changed");
        self.fact(Event::SpecChanged(Box::new(pod)));
    }

    fn fact(&mut self, event: Event) {
        self.machine.handle_event(self.now, event);
    }

    /// Takes all signals that came. Returns whether a child's state may have changed.
    fn take_signals(&mut self) -> bool {
        fault("panic-at-signal");
        let mut came = Vec::new();
        self.signals.take(|received| came.push(received));
        let mut child_changed = false;
        for received in came {
            if let Some(signal) = Signal::from_number(received.signal) {
                child_changed |= signal == Signal::CHLD;
                self.take_signal(signal, received.by_kernel && self.has_terminal);
            }
        }
        child_changed
    }

    fn take_signal(&mut self, signal: Signal, from_terminal: bool) {
        if let Some(keyboard) = &mut self.keyboard {
            keyboard.take_signal(signal.number(), &self.epoll);
        }
        let situation = Situation {
            from_terminal,
            reached_command: from_terminal && terminal::reaches_group(signal),
            terminal_gone: signal == Signal::HUP && self.has_terminal && !terminal::is_controlled(),
        };
        match self.policy.meaning(signal, situation) {
            Meaning::Stop => {
                self.fact(Event::StopRequested { grace: None, cause: StopRequest::Signal(signal) })
            }
            Meaning::Kill => self.fact(Event::KillRequested),
            Meaning::Forward(signal) => self.fact(Event::ForwardSignal { signal, container: None }),
            Meaning::Suspend => {
                sys::stop();
            }
            Meaning::Ignore => {}
        }
    }

    fn take_report(&mut self, container: ContainerId) {
        match self.attempts.report_of(container, &self.epoll) {
            None => {}
            Some((attempt, Start::Running)) => {
                self.take_terminal(container);
                self.fact(Event::Started { attempt });
            }
            Some((attempt, Start::Failed(failure))) => self.start_failed(attempt, failure),
        }
    }

    fn start_failed(&mut self, attempt: AttemptId, failure: StartFailure) {
        self.drop_ahead();
        // Nobody is there who could say anything: that its descriptor is closed means nothing.
        self.notified.close(attempt.container, &self.epoll);
        self.stop_feeding(attempt.container);
        if let Some(output) = &mut self.output {
            output.close(attempt.container, self.now.wall);
        }
        self.fact(Event::StartFailed { attempt, failure });
    }

    /// Reaps until there is nothing left to reap.
    fn reap(&mut self) {
        let no_children = loop {
            match sys::next_child_event() {
                Ok(Wait::Event(event)) => self.child(event),
                Ok(Wait::Nothing) | Err(_) => break false,
                Ok(Wait::NoChildren) => break true,
            }
        };
        self.take_emptied(no_children);
    }

    fn child(&mut self, event: ChildEvent) {
        match event {
            ChildEvent::Exited { pid, code } => self.child_ended(pid, ExitStatus::Code(code)),
            ChildEvent::Signalled { pid, signal } => {
                let status = Signal::from_number(signal).map_or(ExitStatus::Unknown, ExitStatus::Signal);
                self.child_ended(pid, status);
            }
            ChildEvent::Stopped { pid } => self.child_stopped(pid),
        }
    }

    fn child_ended(&mut self, pid: i32, status: ExitStatus) {
        if self.attempts.stranger_ended(pid) || self.ahead_ended(pid) {
            return;
        }
        if self.sandbox.lost_first_process(pid) {
            self.attempts.set_first_process(None);
            log::warn!("the first process of the pod's process namespace is gone, and all others with it");
            return self.fact(Event::SandboxLost);
        }
        if let Some(container) = self.attempts.container_of(pid) {
            self.main_ended(container, status);
        } else if self.run_exited(pid, status) {
        } else if self.warn_reaped {
            log::warn!("reaped process {pid}, which was no container's main process");
        }
    }

    /// A shell gets its prompt only when all of its job has stopped, the part that it started above all.
    fn child_stopped(&self, pid: i32) {
        let is_command = matches!(self.commands, Commands::Exact(_));
        let Some(container) = self.attempts.container_of(pid) else { return };
        if is_command && self.has_terminal && sys::stop() {
            self.attempts.go_on(container);
        }
    }

    fn main_ended(&mut self, container: ContainerId, status: ExitStatus) {
        // Its report first: a program that could not be executed has not run.
        self.take_report(container);
        if let Some(output) = &mut self.output {
            output.drain(container, self.now.wall);
        }
        self.stop_feeding(container);
        let Some(attempt) = self.attempts.main_ended(container) else { return };
        // What follows from its start is decided, and told, before its end is known: whether a sidecar that
        // ends at once has started (rule 8) must not depend on which turn finds out.
        self.carry_out_actions();
        log::info!("container {} {}", name(self.machine.pod(), container), ended(status));
        // What it said last, it said before it ended.
        self.hear(container);
        self.notified.close(container, &self.epoll);
        let log_tail = self.output.as_mut().map(|output| output.take_tail(container)).unwrap_or_default();
        let termination_message = self.sandbox.take_message(attempt);
        let oom_killed = self.is_oom_killed(container);
        let exit = Exit { log_tail, termination_message, oom_killed, ..Exit::plain(status) };
        self.fact(Event::Exited { attempt, exit });
    }

    fn carry_out_actions(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        let runs = &self.runs;
        let is_run = |pid| runs.has(pid);
        match action {
            Action::SetUpSandbox => self.set_up_sandbox(),
            Action::TearDownSandbox => {
                self.drop_ahead();
                self.sandbox.tear_down();
            }
            Action::BeginTry => self.begin_try(),
            Action::StatusChanged => {
                if let Some(reporter) = &mut self.reporter {
                    reporter.status_changed();
                }
            }
            Action::Start(attempt) => {
                if let Err(failure) = self.start(attempt) {
                    self.start_failed(attempt, failure);
                }
            }
            Action::Signal { attempt, signal, target } => {
                self.thaw_to_stop(attempt, signal);
                self.attempts.signal(attempt, signal, target, is_run)
            }
            Action::Kill(attempt) => self.attempts.kill(attempt, is_run),
            Action::Remove(attempt) => {
                self.attempts.forget(attempt.container, &self.epoll);
                if let Some(output) = &mut self.output {
                    output.close(attempt.container, self.now.wall);
                }
            }
            Action::StartProbe { run, attempt, kind } => self.start_probe(run, attempt, kind),
            Action::RunHook { run, attempt, kind } => self.run_hook(run, attempt, kind),
            Action::CancelProbe(run) | Action::AbandonHook(run) => self.runs.cancel(run, &self.epoll),
            Action::Record(event) => self.record(&event),
            Action::Finish { code, cause } => self.finished = Some((code, cause)),
            Action::Resize { run, attempt } => self.resize(run, attempt),
            Action::RestartNetworkHelper => self.restart_network_helper(),
            Action::RefreshVolumes => self.refresh_volumes(),
        }
    }

    /// A new pod takes the place of the one that failed: it is another one to whoever asks for its uid.
    fn begin_try(&mut self) {
        let uid = self.environment.new_pod();
        if let (Some(reporter), Some(uid)) = (&mut self.reporter, uid) {
            reporter.new_pod(uid);
        }
    }

    fn record(&mut self, event: &PodEvent) {
        if let Some(reporter) = &mut self.reporter {
            reporter.record(self.machine.pod(), event, self.now.wall);
        }
        match (&self.commands, event) {
            // Whoever typed one command knows of no containers.
            (Commands::Exact(_), PodEvent::Failed(_, cause)) => log::error!("{cause}"),
            // Until it is up, a container's probe fails: that is what it is for.
            (_, PodEvent::Unhealthy { is_final: false, .. }) => log::info!("{event}"),
            (_, event) if event.is_warning() => log::warn!("{event}"),
            (_, event) => log::info!("{event}"),
        }
    }

    fn hear(&mut self, container: ContainerId) {
        for (attempt, said) in self.notified.take(container, &self.epoll) {
            match said {
                Said::Ready(ready, status) => self.fact(Event::Notified { attempt, ready, status }),
                Said::NeverReady => {
                    let name = name(self.machine.pod(), container);
                    log::warn!("container {name} closed its descriptor and will never be ready");
                }
            }
        }
    }

    fn make_output(&mut self) -> io::Result<()> {
        if self.output.is_none() {
            let (out, err) = (standard(io::stdout())?, standard(io::stderr())?);
            self.output = Some(Output::new(self.machine.pod(), self.format, self.color, out, err)?);
        }
        Ok(())
    }

    /// Writes the status file, if it is due.
    fn report(&mut self) {
        if let Some(reporter) = &mut self.reporter {
            let machine = &self.machine;
            reporter.write(machine.pod(), || machine.status(), machine.deletion(), self.now.mono);
        }
    }

    /// Hands queued messages to stderr, and says what had to be dropped.
    fn tell(&mut self) {
        if let Some(output) = &mut self.output {
            output.flush();
            if let Some(errno) = output.take_refusal() {
                log::warn!("cannot write output: {}; until that is possible it is dropped", cause(errno));
            }
            match output.take_dropped() {
                0 => {}
                dropped => log::warn!("{dropped} bytes of output were dropped: they could not be written"),
            }
        }
        let Some(text) = messages::take() else { return };
        if self.make_output().is_ok()
            && let Some(output) = &mut self.output
        {
            output.message(&text);
            output.flush();
        }
    }

    /// Says why the pod failed, and gives the last output a moment to be read. A single command speaks
    /// for itself.
    fn last_words(&mut self, code: u8, cause: Cause) {
        if let (Commands::OfManifest, Cause::Container(id)) = (&self.commands, cause)
            && code != 0
        {
            let pod = self.machine.pod();
            log::error!("pod {} ends with {code}, as container {} did", pod.metadata.name, name(pod, id));
        }
        if cause == Cause::DeadlineExceeded {
            let name = &self.machine.pod().metadata.name;
            log::error!("pod {name} ends with {code}: it was active for longer than it may be");
        }
        self.tell();
        if let Some(output) = &mut self.output {
            output.flush_within(LAST_WORDS);
        }
        self.tell();
    }
}

/// Debug builds have bugs on demand, so that what follows from one is tested.
fn fault(here: &str) {
    #[expect(clippy::panic, reason = "asked for")]
    if cfg!(debug_assertions) && std::env::var_os("PODINIT_FAULT").is_some_and(|fault| fault == here) {
        panic!("asked for by PODINIT_FAULT");
    }
}

fn name(pod: &Pod, id: ContainerId) -> &str {
    pod.container(id).map_or("", |container| &container.name)
}

fn ended(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("exited with code {code}"),
        ExitStatus::Signal(signal) => format!("was ended by {signal}"),
        ExitStatus::Unknown => "is gone".to_owned(),
    }
}
