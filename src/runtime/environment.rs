//! What the environments of containers are made of: the supervisor's own variables, what this host is
//! called and has, and files. Reads these, and leaves to `plan` what comes of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::{cause, host};
use crate::plan::{
    self, AttemptInputs, CommandPlan, ContainerIsolation, FilesRead, MountPlan, NodeVariables, Surroundings,
};
use crate::pod::{StartFailure, StartStage};
use crate::spec::{Container, ContainerId, HookHandler, HookKind, Pod, ProbeHandler, ProbeKind};
use crate::sys;

/// Bytes of a file that variables are made of, as of a ConfigMap or a Secret.
const MOST: u64 = 1 << 20;

/// Bytes of all files of one container: more than execve(2) takes.
const MOST_TOGETHER: usize = 8 << 20;

/// What containers' environments are made of, and what became of them. Without a `Debug` form: there are
/// secrets in it.
pub(super) struct Environment {
    inherited: Vec<&'static CStr>,
    /// Asked for when somebody first needs it, and then the same for the pod's life.
    surroundings: Option<Surroundings>,
    /// Of the last attempt of each container beside which commands may run.
    started: BTreeMap<ContainerId, Vec<Cow<'static, CStr>>>,
}

impl Environment {
    pub(super) fn new() -> Self {
        let inherited = plan::inherited(sys::environment());
        Self { inherited, surroundings: None, started: BTreeMap::new() }
    }

    /// What this host is like, and which pod this is.
    pub(super) fn surroundings(&mut self) -> &Surroundings {
        self.surroundings.get_or_insert_with(host::surroundings)
    }

    /// The pod has a network of its own, with these addresses; somebody has asked for what this host is like
    /// before, or nobody will.
    pub(super) fn set_pod_addresses(&mut self, addresses: Vec<IpAddr>) {
        if let Some(surroundings) = &mut self.surroundings {
            surroundings.pod_addresses = addresses;
        }
    }

    /// From now on it is another pod, on the same host. Returns its uid, if anybody was told the old one.
    pub(super) fn new_pod(&mut self) -> Option<&str> {
        self.started.clear();
        let surroundings = self.surroundings.as_mut()?;
        surroundings.uid = host::random_uuid();
        Some(&surroundings.uid)
    }

    /// What is inherited.
    pub(super) fn inherited(&self) -> &[&'static CStr] {
        &self.inherited
    }

    /// The plan for an attempt of this container: what it executes, and what it mounts.
    pub(super) fn plan(
        &mut self,
        pod: &Pod,
        container: &Container,
        of: Attempted<'_>,
    ) -> Result<(CommandPlan, Option<MountPlan>), StartFailure> {
        if plan::asks_for_surroundings(container) {
            self.surroundings();
        }
        let files = read_all(plan::files(container));
        // A container of a node has what its manifest says, and nothing of podinit's (LEAK-07).
        let environment = if of.node.is_some() { &[] } else { self.inherited.as_slice() };
        let (marker, surroundings) = (of.marker, self.surroundings.as_ref());
        let inputs = AttemptInputs { environment, marker, surroundings, files: &files, node: of.node };
        let config = |message| StartFailure { stage: StartStage::Config, errno: 0, message, retry: true };
        let plan = plan::container(pod, container, inputs).map_err(config)?;
        let mounts = of.isolation.map(|isolation| plan::container_mounts(pod, container, isolation, inputs));
        let mounts = mounts.transpose().map_err(config)?.flatten();
        if runs_commands(container) {
            self.started.insert(of.id, plan.environment.clone());
        }
        Ok((plan, mounts))
    }

    /// The variables that the container's last attempt was started with.
    pub(super) fn started_with(&self, id: ContainerId) -> &[Cow<'static, CStr>] {
        self.started.get(&id).map_or(&[], Vec::as_slice)
    }
}

/// Which attempt a plan is for.
pub(super) struct Attempted<'a> {
    pub(super) id: ContainerId,
    pub(super) marker: Option<&'a str>,
    /// In profile `pod`.
    pub(super) node: Option<NodeVariables<'a>>,
    pub(super) isolation: Option<&'a ContainerIsolation>,
}

/// Whether a probe or a hook of the container executes something.
pub(super) fn runs_commands(container: &Container) -> bool {
    let is_exec = |handler: &ProbeHandler| matches!(handler, ProbeHandler::Exec { .. });
    let mut probes = ProbeKind::ALL.into_iter().filter_map(|kind| container.probe(kind));
    let hooks = [HookKind::PostStart, HookKind::PreStop];
    let mut hooks = hooks.into_iter().filter_map(|kind| container.hook(kind));
    probes.any(|probe| is_exec(&probe.handler))
        || hooks.any(|hook| matches!(hook.handler, HookHandler::Exec { .. }))
}

/// Reads files, each once.
fn read_all<'a>(paths: impl Iterator<Item = &'a str>) -> FilesRead {
    let mut files = FilesRead::new();
    let mut together = 0;
    for path in paths {
        if files.contains_key(path) {
            continue;
        }
        let read = match read(Path::new(path), MOST) {
            Ok(_) if together > MOST_TOGETHER => Err("the container's files have more than 8 MiB".to_owned()),
            Ok(bytes) => {
                together += bytes.len();
                Ok(bytes)
            }
            Err(error) => Err(cause(error)),
        };
        files.insert(path.to_owned(), read);
    }
    files
}

/// The bytes of a regular file. Anything else is refused, and does not hold the supervisor up: a pipe that
/// nobody writes to is opened at once.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {} MiB", most >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_some_size_are_read() {
        let directory = std::env::temp_dir().join(format!("podinit-environment-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        std::fs::write(path("small"), "A=1\n").unwrap();
        std::fs::write(path("large"), vec![b'x'; MOST as usize + 1]).unwrap();
        nix::unistd::mkfifo(path("pipe").as_str(), Mode::S_IRWXU).unwrap();
        let said = |name: &str| read(Path::new(&path(name)), MOST).map_err(cause);
        assert_eq!(said("small"), Ok(b"A=1\n".to_vec()));
        assert_eq!(said("large"), Err("it has more than 1 MiB".to_owned()));
        assert_eq!(said("pipe"), Err("it is no regular file".to_owned()));
        assert_eq!(said("."), Err("it is no regular file".to_owned()));
        assert!(said("none").is_err());
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
