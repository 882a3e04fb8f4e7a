//! Surroundings as in a container: podinit as PID 1 of namespaces, and a read-only root directory with
//! next to nothing in it, for any user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Pid;

use crate::harness::{Directory, PODINIT, Running, has, until};

/// What podinit is among the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// PID 1 of a pid namespace, as the entrypoint of a container.
    Pid1,
    /// A process like others, which is a subreaper.
    Subreaper,
}

impl Place {
    /// All of them; without root only what everybody can have.
    pub fn all() -> Vec<Self> {
        if has(&["root", "unshare"]) { vec![Self::Pid1, Self::Subreaper] } else { vec![Self::Subreaper] }
    }

    /// The command line, executed there. A pid namespace ends with `unshare`, whose exit code is podinit's.
    pub fn command(self, inner: &Command) -> Command {
        let words: &[&str] = match self {
            Self::Pid1 => &["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
            Self::Subreaper => &["env"],
        };
        behind(words, inner)
    }

    /// podinit itself, as the test sees it.
    pub fn podinit(self, running: &Running) -> Pid {
        let pid = running.pid();
        match self {
            Self::Subreaper => pid,
            Self::Pid1 => {
                let mut child = None;
                until("unshare has a child", || {
                    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
                    child = list.split_ascii_whitespace().next().map(|pid| pid.parse().unwrap());
                    child.is_some()
                });
                Pid::from_raw(child.unwrap())
            }
        }
    }
}

/// `inner`, executed by `words`, which expect a command line at their end.
pub fn behind(words: &[&str], inner: &Command) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(directory) = inner.get_current_dir() {
        command.current_dir(directory);
    }
    command
}

/// Executes what follows as a user who may nothing that root may, and never will.
pub const UNPRIVILEGED: [&str; 7] = [
    "setpriv",
    "--reuid=12345",
    "--regid=12345",
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--no-new-privs",
];

/// podinit where every user can execute it, which the build directory need not be, in a directory that
/// every user can write to.
pub fn podinit_for_all(directory: &Directory) -> PathBuf {
    fs::set_permissions(directory.path("."), Permissions::from_mode(0o777)).unwrap();
    let path = directory.path("podinit");
    link(&path);
    path
}

/// A link, where that is possible: a debug build is large.
fn link(path: &Path) {
    fs::hard_link(PODINIT, path).or_else(|_| fs::copy(PODINIT, path).map(drop)).unwrap();
}

/// `podinit OPTIONS -- WORDS`.
pub fn podinit(options: &[&str], words: &[&str]) -> Command {
    let mut command = Command::new(PODINIT);
    command.args(options).arg("--").args(words);
    command
}

/// A user that is in nobody's list of users, and its group.
pub const NOBODY_S_OWN: &str = "12345:12345";
pub const ROOT: &str = "0:0";

/// A root directory that holds `/podinit`, `/bin` with a busybox, and nothing else: neither /proc nor
/// /dev, /run or /tmp.
pub struct Root(Directory);

/// What a [`Root`] needs of the machine.
pub const ROOT_NEEDS: [&str; 6] = ["root", "unshare", "mount", "setpriv", "chroot", "busybox"];

const APPLETS: [&str; 8] = ["cat", "id", "ls", "setsid", "sh", "sleep", "touch", "true"];

/// Makes the directory read-only in a mount namespace of its own, and executes there what follows, as a
/// user without any capability who cannot get one.
const ENTER: &str = r#"
    root=$1 user=$2
    shift 2
    mount --bind "$root" "$root" && mount -o remount,bind,ro "$root" || exit 99
    cd "$root" || exit 99
    exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" "$@"
"#;

impl Root {
    pub fn new() -> Self {
        let root = Self(Directory::new());
        let path = |name| root.0.path(name);
        fs::create_dir(path("bin")).unwrap();
        for directory in [path("."), path("bin")] {
            fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
        link(&path("podinit"));
        let directories = std::env::var_os("PATH").unwrap();
        let busybox = std::env::split_paths(&directories).map(|directory| directory.join("busybox"));
        fs::copy(busybox.into_iter().find(|file| file.is_file()).unwrap(), path("bin/busybox")).unwrap();
        for applet in APPLETS {
            symlink("busybox", path("bin").join(applet)).unwrap();
        }
        root
    }

    /// A file that everybody there can read.
    pub fn file(&self, name: &str, content: &str) {
        fs::set_permissions(self.0.file(name, content), Permissions::from_mode(0o644)).unwrap();
    }

    /// `/podinit WORDS`, run there by this user.
    pub fn podinit(&self, place: Place, user: &str, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if place == Place::Pid1 {
            command.args(["--pid", "--fork", "--kill-child"]);
        }
        command.args(["sh", "-c", ENTER, "enter"]).arg(self.0.path("."));
        command.args([user, "/podinit"]).args(words);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command
    }
}
