//! The tries themselves. Each is made by a copy of podinit, which has a limited time and is reaped.

use std::ffi::CStr;
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getegid, geteuid, pipe2};

use crate::plan::{Controller, Fact, Ids};
use crate::runtime::apart::{apart, errno};
use crate::runtime::sandbox::users::{enter, map_single};
use crate::sys::{self, CredentialOp, FilterInstruction, MountAttributes, Namespaces, Propagation, Within};

/// What a copy does.
pub(super) type Act = fn() -> Result<(), Errno>;

/// How one learns of a fact.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// By trying it where a pod would have it: in namespaces of its own, unless podinit is root in one of users.
    InPod(InPod),
    /// By trying it as podinit is.
    AsWeAre(Act),
    /// By looking: there is nothing to try.
    Look(Look),
}

/// Something to be tried in namespaces of its own.
#[derive(Clone, Copy)]
pub(super) struct InPod {
    namespaces: Namespaces,
    act: Act,
}

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Ids,
    OwnUsers,
    Landlock,
    AppArmor,
    DefaultAppArmor,
    SeLinux,
    Pasta,
    Cgroups(Option<Controller>),
}

/// What surrounds a pod is tried as a whole where it can be.
pub(super) fn in_pod(fact: Fact) -> Option<InPod> {
    match way(fact) {
        Way::InPod(trial) => Some(trial),
        Way::AsWeAre(_) | Way::Look(_) => None,
    }
}

/// How one learns of it.
pub(super) fn way(fact: Fact) -> Way {
    let in_pod = |namespaces, act| Way::InPod(InPod { namespaces, act });
    let nothing: Act = || Ok(());
    match fact {
        Fact::UserNamespace => in_pod(Namespaces::NONE, nothing),
        Fact::MountNamespace => in_pod(Namespaces::MOUNT, nothing),
        Fact::ProcessNamespace => in_pod(Namespaces::PROCESS, nothing),
        Fact::NetworkNamespace => in_pod(Namespaces::NETWORK, loopback),
        Fact::IpcNamespace => in_pod(Namespaces::IPC, nothing),
        Fact::Hostname => in_pod(Namespaces::UTS, hostname),
        Fact::CgroupNamespace => in_pod(Namespaces::CGROUP, nothing),
        Fact::MountApi => in_pod(Namespaces::MOUNT, mount_api),
        Fact::MountAttributes => in_pod(Namespaces::MOUNT, mount_attributes),
        Fact::Proc => in_pod(Namespaces::MOUNT.and(Namespaces::PROCESS), proc),
        Fact::Overlay => in_pod(Namespaces::MOUNT, overlay),
        Fact::Clone3 => Way::AsWeAre(sys::try_clone3),
        Fact::CloneIntoCgroup => Way::AsWeAre(sys::try_clone_into_cgroup),
        Fact::Pidfd => Way::AsWeAre(|| {
            let own = i32::try_from(std::process::id()).unwrap_or(0);
            sys::pidfd_open(own).map(drop).map_err(errno)
        }),
        Fact::Openat2 => {
            Way::AsWeAre(|| sys::open_path(AT_FDCWD, c"/", OFlag::O_PATH, 0, Within::Host).map(drop))
        }
        Fact::CloseRange => Way::AsWeAre(sys::try_close_range),
        Fact::Seccomp => Way::AsWeAre(|| {
            sys::give_away(&CredentialOp::NoNewPrivileges)?;
            sys::give_away(&allow_all())
        }),
        Fact::SeccompByRight => Way::AsWeAre(|| sys::give_away(&allow_all())),
        Fact::ChangeUser => {
            Way::AsWeAre(|| sys::give_away(&CredentialOp::User { user: NOBODY, group: NOBODY }))
        }
        Fact::Groups => Way::AsWeAre(|| sys::give_away(&CredentialOp::Groups(Vec::new()))),
        Fact::DropCapabilities => Way::AsWeAre(|| sys::give_away(&CredentialOp::BoundingSet(0))),
        Fact::RaiseOomScore => Way::AsWeAre(|| change_oom_score(1)),
        Fact::LowerOomScore => Way::AsWeAre(|| change_oom_score(-1)),
        Fact::Ids => Way::Look(Look::Ids),
        Fact::OwnUsers => Way::Look(Look::OwnUsers),
        Fact::Landlock => Way::Look(Look::Landlock),
        Fact::AppArmor => Way::Look(Look::AppArmor),
        Fact::DefaultAppArmor => Way::Look(Look::DefaultAppArmor),
        Fact::SeLinux => Way::Look(Look::SeLinux),
        Fact::Pasta => Way::Look(Look::Pasta),
        Fact::Cgroup => Way::Look(Look::Cgroups(None)),
        Fact::Cpu => Way::Look(Look::Cgroups(Some(Controller::Cpu))),
        Fact::Memory => Way::Look(Look::Cgroups(Some(Controller::Memory))),
        Fact::Pids => Way::Look(Look::Cgroups(Some(Controller::Pids))),
    }
}

/// Tries something as podinit is.
pub(super) fn as_we_are(act: Act) -> Result<(), Errno> {
    apart(|| act().map(|()| 0)).map(|_| ())
}

const NOBODY: u32 = 65_534;

/// Makes the namespaces of all of these at once, and tries in them what is to be tried.
pub(super) fn together(trials: &[InPod], is_privileged: bool) -> Result<(), Errno> {
    let all = trials.iter().fold(Namespaces::NONE, |all, trial| all.and(trial.namespaces));
    let done = apart(|| {
        if is_privileged {
            sys::unshare(all)?;
        } else {
            let (user, group) = (geteuid(), getegid());
            sys::unshare(Namespaces::USER.and(all))?;
            map_single(user.as_raw(), group.as_raw()).map_err(errno)?;
        }
        trials.iter().try_for_each(|trial| (trial.act)())?;
        Ok(0)
    });
    done.map(|_| ())
}

/// How many user and group ids a pod of this user has; `None` where there is one.
pub(super) fn ids() -> Result<Option<u32>, Errno> {
    let count = apart(|| match enter(Namespaces::NONE) {
        Ok(Ids::Below(count)) => Ok(count),
        Ok(Ids::Single | Ids::Host) => Ok(0),
        Err(_) => Err(Errno::EPERM),
    });
    count.map(|count| Some(count).filter(|count| *count > 0))
}

fn loopback() -> Result<(), Errno> {
    sys::bring_interface_up(c"lo").map_err(errno)
}

fn hostname() -> Result<(), Errno> {
    nix::unistd::sethostname("podinit")
}

fn mount_api() -> Result<(), Errno> {
    sys::mount_new(c"tmpfs", &[], MountAttributes::default()).map(drop)
}

fn mount_attributes() -> Result<(), Errno> {
    let mount = sys::mount_new(c"tmpfs", &[], MountAttributes::default())?;
    let (set, propagation) = (MountAttributes::READ_ONLY, Propagation::Unchanged);
    sys::change_mount(mount.as_fd(), false, set, propagation)
}

/// By the first process of the process namespace, whose /proc it is.
fn proc() -> Result<(), Errno> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    let (mut read, mut write) = (fs::File::from(read), fs::File::from(write));
    let first = sys::aside(|| {
        let made = sys::mount_new(c"proc", &[], MountAttributes::default());
        let errno = made.err().map_or(0, |errno| errno as i32);
        let _ = write.write_all(&errno.to_ne_bytes());
    });
    let first = Pid::from_raw(first.map_err(errno)?);
    drop(write);
    let mut bytes = [0; 4];
    let read = read.read_exact(&mut bytes);
    while let Err(Errno::EINTR) = waitpid(first, None) {}
    read.map_err(|_| Errno::ECHILD)?;
    match i32::from_ne_bytes(bytes) {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// Read before /proc is covered; the map of the initial namespace has every id.
fn is_in_user_namespace() -> bool {
    fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !map.contains("4294967295"))
}

/// Over /proc, which is there and which nobody but this copy sees covered.
fn overlay() -> Result<(), Errno> {
    let open = |path: &CStr| sys::open_path(AT_FDCWD, path, OFlag::O_PATH, 0, Within::Host);
    let keep = |root: BorrowedFd<'_>| {
        sys::change_mount(root, true, MountAttributes::default(), Propagation::Private)
    };
    keep(open(c"/")?.as_fd())?;
    let is_rootless = is_in_user_namespace();
    let memory = sys::mount_new(c"tmpfs", &[], MountAttributes::default())?;
    sys::attach(memory.as_fd(), open(c"/proc")?.as_fd())?;
    for directory in ["lower", "upper", "work"] {
        fs::create_dir(format!("/proc/{directory}")).map_err(errno)?;
    }
    let mut options = vec![
        (c"lowerdir", Some(c"/proc/lower")),
        (c"upperdir", Some(c"/proc/upper")),
        (c"workdir", Some(c"/proc/work")),
    ];
    if is_rootless {
        options.push((c"userxattr", None));
    }
    sys::mount_new(c"overlay", &options, MountAttributes::default()).map(drop)
}

/// A filter that lets everything through: BPF_RET of SECCOMP_RET_ALLOW.
fn allow_all() -> CredentialOp {
    CredentialOp::Filter(
        [FilterInstruction { code: 0x06, if_true: 0, if_false: 0, operand: 0x7fff_0000 }].into(),
    )
}

fn change_oom_score(by: i32) -> Result<(), Errno> {
    const FILE: &str = "/proc/self/oom_score_adj";
    let text = fs::read_to_string(FILE).map_err(errno)?;
    let now: i32 = text.trim().parse().map_err(|_| Errno::EINVAL)?;
    fs::write(FILE, format!("{}", (now + by).clamp(-1000, 1000))).map_err(errno)
}
