//! Why limits cannot be enforced here, in words, and what would help (RES-06).

use std::io;
use std::path::PathBuf;

use crate::plan::{self, Controller};
use crate::runtime::cause;
use crate::spec::Pod;

/// What keeps podinit from enforcing limits.
#[derive(Debug)]
pub(super) enum Obstacle {
    /// There is no cgroup v2.
    NotMounted,
    /// podinit's own group is not below what is mounted, and it is not root.
    OutOfSight,
    /// This could not be done with this group.
    Refused(&'static str, PathBuf, io::Error),
    /// The controller is cgroup v1's.
    OfV1,
    /// The controller is not handed down to this group.
    Missing(PathBuf),
    /// The controller cannot be handed on while there are other processes in this group.
    Occupied(PathBuf),
}

impl Obstacle {
    /// Why and what helps. `controller` is what is missed.
    fn text(&self, controller: Controller) -> String {
        let name = controller.name();
        let scope = own_scope();
        match self {
            Self::NotMounted => {
                "no cgroup v2 at /sys/fs/cgroup; mount it (`mount -t cgroup2 cgroup2 /sys/fs/cgroup`) or limit podinit itself".to_owned()
            }
            Self::OutOfSight => {
                format!("podinit's own control group is not below /sys/fs/cgroup; start it with {scope}")
            }
            Self::Refused(what, path, error) => {
                let help = match error.raw_os_error() {
                    Some(libc::EROFS) => {
                        "make the control groups writable to podinit, or limit the container that it runs in"
                            .to_owned()
                    }
                    _ => format!("start podinit with {scope}"),
                };
                format!("cannot {what} {}: {}; {help}", path.display(), cause(error_of(error)))
            }
            Self::OfV1 => format!(
                "controller {name} belongs to cgroup v1 on this host and podinit uses v2; boot with `systemd.unified_cgroup_hierarchy=1`, or limit podinit itself"
            ),
            Self::Missing(path) => {
                format!("controller {name} is not available in {}; start podinit with {scope}", path.display())
            }
            Self::Occupied(path) => format!(
                "controller {name} cannot be enabled in {}: other processes are in it; start podinit with {scope}",
                path.display()
            ),
        }
    }

    /// One sentence for each controller that limits of the pod need; none where nobody has such limits.
    pub(super) fn complaint(&self, controller: Controller, pod: &Pod) -> Option<String> {
        let limited = plan::limited_by(pod, controller);
        let whose = match limited.as_slice() {
            [] => return None,
            [only] => only.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        };
        Some(format!("cannot enforce the {} limit of {whose}: {}", controller.name(), self.text(controller)))
    }
}

/// How to get a control group of one's own that one may divide.
fn own_scope() -> &'static str {
    match nix::unistd::geteuid().is_root() {
        true => "`systemd-run --scope -p Delegate=yes podinit ...`",
        false => "`systemd-run --user --scope -p Delegate=yes podinit ...`",
    }
}

fn error_of(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}
