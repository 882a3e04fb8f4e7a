//! The supervisor's part in starts: what surrounds the pod, what an attempt executes and in what, and where
//! its output goes.

use std::ffi::{CStr, OsString};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::fcntl::OFlag;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::unistd::pipe2;

use super::{Supervisor, name};
use crate::plan::{self, CommandPlan, Credentials, MountPlan, NodeVariables};
use crate::pod::{AttemptId, Event, StartFailure};
use crate::runtime::attempts::{self, Provisions, Reaper, Stdio};
use crate::runtime::environment::{self, Attempted};
use crate::runtime::notified::Mouth;
use crate::runtime::output::{Format, Kind};
use crate::runtime::token::Token;
use crate::runtime::{Commands, cause};
use crate::spec::{Container, ContainerId, ContainerKind, Stdin, TerminationMessagePolicy};

/// What one attempt is.
pub(super) struct ContainerPlan {
    command: CommandPlan,
    mounts: Option<MountPlan>,
    pub(super) credentials: Credentials,
}

impl ContainerPlan {
    /// A command line as it is, on this host as it is.
    fn exact(arguments: &[OsString], environment: &[&'static CStr]) -> Self {
        let command = plan::exact(arguments, environment);
        Self { command, mounts: None, credentials: Credentials::default() }
    }
}

impl Supervisor {
    pub(super) fn start(&mut self, id: AttemptId) -> Result<(), StartFailure> {
        if !self.let_go(id) {
            let plan = self.plan(id)?;
            self.make(id, plan, None)?;
        }
        if let Some(report) = self.attempts.report_fd(id.container) {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, Token::Report(id.container).into());
            // Without it the start is noticed when the main process ends.
            let _ = self.epoll.add(report, event);
        }
        self.make_ahead(id);
        Ok(())
    }

    /// Makes an attempt. With a `gate`, an eventfd, its program waits for that.
    pub(super) fn make(
        &mut self,
        id: AttemptId,
        mut plan: ContainerPlan,
        gate: Option<RawFd>,
    ) -> Result<(), StartFailure> {
        let limits = self.limits(id)?;
        let mouth = self.listen(id).map_err(attempts::cannot_create)?;
        let notify = match &mouth {
            Some(Mouth::Descriptor(fd, number)) => Some((fd.as_raw_fd(), *number)),
            Some(Mouth::Variable(variable)) => {
                plan.command.add_variable(variable);
                None
            }
            None => None,
        };
        let provisions = Provisions { notify, limits, gate, ..Provisions::default() };
        match self.commands {
            Commands::Exact(_) => {
                let own_group = !self.has_terminal;
                let stdio = Stdio::Inherited { own_group };
                let started = self.attempts.start(id, plan.command, &stdio, provisions);
                // Nobody waits ten seconds for a command line.
                started.map_err(|failure| StartFailure { retry: false, ..failure })?;
                // Its memory was lent: it has executed, or could not. But execve gives the memory back
                // before it closes the report.
                self.take_report(id.container);
            }
            Commands::OfManifest if self.container(id.container).is_some_and(|container| container.tty) => {
                self.start_with_terminal(id, plan, provisions)?;
            }
            Commands::OfManifest if self.is_handed_over(id.container) => {
                self.start_enclosed(id, plan, &Stdio::HandedOver, provisions)?;
            }
            Commands::OfManifest => self.start_with_pipes(id, plan, provisions)?,
        }
        Ok(())
    }

    pub(super) fn set_up_sandbox(&mut self) {
        if let Err(message) = self.sandbox.prepare_labels(self.machine.pod()) {
            return self.fact(Event::SandboxFailed { message });
        }
        if !self.sandbox.is_needed() {
            return self.fact(Event::SandboxReady);
        }
        let own_program = self.own_program.as_ref().map(AsFd::as_fd);
        let pod = self.machine.pod();
        // Afterwards podinit is in the pod's network, and cannot find the host's addresses any more.
        let may_be_asked = self.watch.is_some() || self.reporter.is_some();
        let is_asked = !self.sandbox.has_own_hostname(pod) || plan::pod_asks_for_surroundings(pod);
        let surroundings = (may_be_asked || is_asked).then(|| self.environment.surroundings());
        match self.sandbox.set_up(pod, surroundings, own_program) {
            Ok(()) => {
                self.attempts.set_first_process(self.sandbox.first_process());
                self.network_made();
                self.follow_volumes();
            }
            Err(message) => {
                self.sandbox.tear_down();
                self.fact(Event::SandboxFailed { message });
            }
        }
    }

    /// Starts an attempt in its surroundings.
    fn start_enclosed(
        &mut self,
        id: AttemptId,
        plan: ContainerPlan,
        stdio: &Stdio<'_>,
        provisions: Provisions<'_>,
    ) -> Result<(), StartFailure> {
        let ContainerPlan { command, mounts, credentials } = plan;
        // What waits for its turn gets them then: the container before it may change them until it ends.
        if mounts.is_some() && provisions.gate.is_none() {
            self.sandbox.renew_hosts(self.machine.pod(), id.container)?;
        }
        let working_dir = command.working_dir.as_deref();
        let enclosure = self.sandbox.enclosure(id, mounts.as_ref(), &credentials, working_dir)?;
        let container = self.machine.pod().container(id.container);
        let is_joined = container.is_some_and(environment::runs_commands);
        if is_joined {
            self.credentials.insert(id.container, credentials);
        }
        let inside = self.sandbox.joins(id.container);
        let wants_reaper = container.is_some_and(|container| container.reaper);
        let reaper = match self.own_program.as_ref().map(AsFd::as_fd) {
            Some(program) if wants_reaper => Reaper::Always(program),
            Some(program) if enclosure.has_first_process() => Reaper::IfNeeded(program),
            Some(_) | None => Reaper::Never,
        };
        let open_files = self.open_files;
        let provisions = Provisions { open_files, enclosure, inside, is_joined, reaper, ..provisions };
        self.attempts.start(id, command, stdio, provisions)
    }

    pub(super) fn plan(&mut self, id: AttemptId) -> Result<ContainerPlan, StartFailure> {
        let marker = self.attempts.marker(id);
        let pod = self.machine.pod();
        match (&self.commands, pod.container(id.container)) {
            (Commands::OfManifest, Some(container)) => {
                let credentials = self.sandbox.credentials(pod, container, id.container)?;
                let home = credentials.home.as_deref();
                let node = home.map(|home| NodeVariables { hostname: self.sandbox.hostname(), home });
                let isolation = self.sandbox.of(id.container);
                let sandbox = &self.sandbox;
                let of = Attempted { id: id.container, marker: marker.as_deref(), node, isolation, sandbox };
                let (command, mounts) = self.environment.plan(pod, container, of)?;
                Ok(ContainerPlan { command, mounts, credentials })
            }
            (Commands::OfManifest, None) => Ok(ContainerPlan::exact(&[], self.environment.inherited())),
            (Commands::Exact(arguments), _) => {
                Ok(ContainerPlan::exact(arguments, self.environment.inherited()))
            }
        }
    }

    /// The end of its log may become its termination message (rule 132).
    fn wants_tail(&self, id: ContainerId) -> bool {
        let policy = |container: &Container| container.termination_message_policy;
        self.machine.pod().container(id).map(policy) == Some(TerminationMessagePolicy::FallbackToLogsOnError)
    }

    /// Raw output of the one main container needs nobody in between.
    pub(super) fn is_handed_over(&self, id: ContainerId) -> bool {
        let pod = self.machine.pod();
        let is_main = pod.iter().any(|(other, kind, _)| other == id && kind == ContainerKind::Main);
        self.format == Format::Raw && pod.containers.len() == 1 && is_main && !self.wants_tail(id)
    }

    /// Where the container will say that it is ready, if it is to.
    fn listen(&mut self, id: AttemptId) -> nix::Result<Option<Mouth>> {
        let how = self.machine.pod().container(id.container).and_then(|container| container.notify);
        let token = Token::Notify(id.container).into();
        how.map(|how| self.notified.open(id, how, &self.epoll, token)).transpose()
    }

    /// Its other side comes when the program runs.
    fn start_with_terminal(
        &mut self,
        id: AttemptId,
        plan: ContainerPlan,
        provisions: Provisions<'_>,
    ) -> Result<(), StartFailure> {
        self.make_output().map_err(attempts::cannot_create)?;
        let owner = plan.credentials.identity.as_ref().map(|identity| identity.user);
        let stdio = Stdio::Terminal { owner, size: self.terminal_size(id.container) };
        self.start_enclosed(id, plan, &stdio, provisions)?;
        let wants_tail = self.wants_tail(id.container);
        if let (true, Some(output)) = (wants_tail, &mut self.output) {
            output.keep_tail(id.container);
        }
        Ok(())
    }

    pub(super) fn container(&self, id: ContainerId) -> Option<&Container> {
        self.machine.pod().container(id)
    }

    fn start_with_pipes(
        &mut self,
        id: AttemptId,
        plan: ContainerPlan,
        provisions: Provisions<'_>,
    ) -> Result<(), StartFailure> {
        let reads = self.container(id.container).is_some_and(|container| container.stdin != Stdin::Empty);
        let input = reads.then(|| pipe2(OFlag::O_CLOEXEC)).transpose().map_err(attempts::cannot_create)?;
        let (stdin, input) = input.unzip();
        let (out, stdout) = pipe2(OFlag::O_CLOEXEC).map_err(attempts::cannot_create)?;
        let (err, stderr) = pipe2(OFlag::O_CLOEXEC).map_err(attempts::cannot_create)?;
        self.make_output().map_err(attempts::cannot_create)?;
        let stdio = Stdio::Pipes { stdin: stdin.as_ref(), stdout: &stdout, stderr: &stderr };
        self.start_enclosed(id, plan, &stdio, provisions)?;
        if let Some(input) = input {
            self.feed(id.container, input, false);
        }
        let wants_tail = self.wants_tail(id.container);
        if let Some(output) = &mut self.output {
            if wants_tail {
                output.keep_tail(id.container);
            }
            for (kind, pipe) in [(Kind::Stdout, out), (Kind::Stderr, err)] {
                if let Err(error) = output.add(id.container, kind, pipe) {
                    let name = name(self.machine.pod(), id.container);
                    log::warn!("cannot read the output of container {name}: {}", cause(error));
                }
            }
        }
        Ok(())
    }
}
