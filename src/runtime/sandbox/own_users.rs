//! Users of a pod's own where podinit is root (KEP-127): a range of this host's ids that no other pod has, and a
//! user namespace of these that only the pod's processes join. podinit itself stays outside.

use std::fs::{self, File, OpenOptions};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, fcntl};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, send, sendmsg, socketpair,
};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::place;
use crate::plan::{self, Fact, IDS_OF_POD, IdFiles};
use crate::runtime::{apart, cause, facts};
use crate::sys::{self, CredentialOp, MountAttributes, Namespaces, Within};

/// A file next to the pod's place in which each range has a byte: who has locked it has the range. The lock ends
/// with podinit, however that ends.
const CLAIMS: &str = "ids";

/// A range of ids, and a namespace of users who have them.
#[derive(Debug)]
pub(crate) struct OwnUsers {
    first: u32,
    namespace: Option<OwnedFd>,
    _claim: File,
}

/// What a copy of podinit has made: namespaces of users, network, IPC and names.
type Made = [OwnedFd; 4];

impl OwnUsers {
    /// Claims a range that no other pod has, for as long as podinit lives. `directory` is this podinit's, and that
    /// of every other one of its user.
    pub(crate) fn claim(directory: &Path) -> Result<Self, String> {
        let path = directory.join(CLAIMS);
        let cannot = |why: String| format!("cannot give the pod users of its own: {why}");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file =
            options.open(&path).map_err(|error| cannot(format!("{}: {}", path.display(), cause(error))))?;
        for first in ranges() {
            match lock(&file, first / IDS_OF_POD) {
                Ok(()) => return Ok(Self { first, namespace: None, _claim: file }),
                Err(Errno::EAGAIN | Errno::EACCES) => {}
                Err(errno) => return Err(cannot(format!("{}: {}", path.display(), cause(errno)))),
            }
        }
        let remedy = plan::remedy(Fact::OwnUsers, 0, &facts::signs());
        Err(cannot(format!("there is no range of {IDS_OF_POD} ids that nobody has; {remedy}")))
    }

    /// Makes the user namespace, and of these others those that are its own. podinit enters the others.
    pub(crate) fn enter(&mut self, others: Namespaces) -> Result<(), String> {
        let made = make(self.first, others).and_then(|[users, network, ipc, uts]| {
            let all = [
                (Namespaces::NETWORK, network, CloneFlags::CLONE_NEWNET),
                (Namespaces::IPC, ipc, CloneFlags::CLONE_NEWIPC),
                (Namespaces::UTS, uts, CloneFlags::CLONE_NEWUTS),
            ];
            for (_, namespace, kind) in all.into_iter().filter(|(one, ..)| others.has(*one)) {
                setns(namespace, kind)?;
            }
            Ok(users)
        });
        self.namespace = Some(made.map_err(|errno| {
            let remedy = plan::remedy(Fact::OwnUsers, errno as i32, &facts::signs());
            format!(
                "cannot make the pod's user namespace: {}; {remedy}; or remove `hostUsers: false`",
                cause(errno)
            )
        })?);
        Ok(())
    }

    /// The user namespace, once it was made.
    pub(crate) fn namespace(&self) -> Option<BorrowedFd<'_>> {
        self.namespace.as_ref().map(AsFd::as_fd)
    }

    /// Has a copy of podinit do this as root of the pod's users: some of what is theirs the kernel lets nobody else
    /// change. Returns what it found to be refused, at which position.
    pub(crate) fn by_root(
        &self,
        work: impl FnOnce() -> Option<(usize, Errno)>,
    ) -> Result<Option<(usize, Errno)>, String> {
        let done = apart::apart(|| {
            setns(self.namespace().ok_or(Errno::ENOENT)?, CloneFlags::CLONE_NEWUSER)?;
            become_root()?;
            Ok(work().map_or(0, refusal))
        });
        done.map(refused).map_err(|errno| format!("cannot become root of the pod's users: {}", cause(errno)))
    }

    /// Tries whether what lies at these paths can be mounted with the pod's ids; `named` is what each is in words.
    pub(crate) fn check(&self, named: &[(String, PathBuf)]) -> Result<(), String> {
        let Some(users) = self.namespace() else { return Ok(()) };
        let cannot = |what: &str, why: &str| format!("cannot give {what} the pod's users: {why}");
        // By a copy that may hang, as where a server of files is gone.
        let found = apart::apart(|| {
            let paths = named.iter().map(|(_, path)| path.as_path());
            Ok(first_refused(paths, users).map_or(0, refusal))
        });
        let found = found.map_err(|errno| cannot("the pod's files", &cause(errno)))?;
        let Some((position, errno)) = refused(found) else { return Ok(()) };
        let Some((what, path)) = named.get(position) else { return Ok(()) };
        let kind = file_system(path);
        let why = if errno == Errno::EINVAL {
            format!("file system {kind} cannot be mounted with other ids here")
        } else {
            format!("file system {kind}: {}", cause(errno))
        };
        let help = "put it on one that can, as ext4, XFS and Btrfs, in memory from Linux 6.3 on, or remove `hostUsers: false`";
        Err(cannot(what, &format!("{why}; {help}")))
    }
}

/// Whether a pod of root's can have users of its own: a namespace of them, and a mount with their ids. `Err(None)`:
/// there is no range.
pub(crate) fn try_out() -> Result<(), Option<Errno>> {
    let first = ranges().next().ok_or(None)?;
    let [users, ..] = make(first, Namespaces::NONE).map_err(Some)?;
    let mount = sys::mount_new(c"tmpfs", &[], MountAttributes::default()).map_err(Some)?;
    sys::map_ids_of(mount.as_fd(), users.as_fd()).map_err(Some)
}

/// The ranges that a pod of this host may have.
fn ranges() -> impl Iterator<Item = u32> {
    let files = [
        "/etc/subuid",
        "/etc/subgid",
        "/etc/passwd",
        "/etc/group",
        "/proc/self/uid_map",
        "/proc/self/gid_map",
    ];
    let read = |path: &str| fs::read(path).map(|text| String::from_utf8_lossy(&text).into_owned());
    let [subuid, subgid, passwd, group, uid_map, gid_map] = files.map(|path| read(path).unwrap_or_default());
    plan::ranges_for_pods(IdFiles {
        subuid: &subuid,
        subgid: &subgid,
        passwd: &passwd,
        group: &group,
        uid_map: &uid_map,
        gid_map: &gid_map,
    })
}

/// Locks the byte of a range.
fn lock(file: &File, byte: u32) -> Result<(), Errno> {
    // Of the open file, and not of the process: it is ours alone.
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: libc::off_t::from(byte),
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_OFD_SETLK(&whole)).map(drop)
}

/// Makes a user namespace with the ids from this one on, and of these others those that are its own.
fn make(first: u32, others: Namespaces) -> Result<Made, Errno> {
    let kind = SockType::SeqPacket;
    let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
    let copy = apart::copy(|| {
        // Not without us, whatever it is stuck in.
        let _ = sys::set_parent_death_signal(libc::SIGKILL);
        sys::close_others(theirs.as_fd());
        let _ = make_namespaces(theirs.as_fd(), others);
    });
    let copy = copy.map_err(apart::errno)?;
    drop(theirs);
    let made = map(first, &ours, copy);
    // Whatever it is stuck in, it is done.
    let _ = kill(Pid::from_raw(copy), Signal::SIGKILL);
    drop(ours);
    while let Err(Errno::EINTR) = waitpid(Pid::from_raw(copy), None) {}
    made
}

/// Gives the copy's new namespace its ids, when it is there, and takes what the copy has made.
fn map(first: u32, socket: &OwnedFd, copy: i32) -> Result<Made, Errno> {
    heard(socket)?;
    let map = format!("0 {} {IDS_OF_POD}\n", first);
    for file in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{copy}/{file}"), &map).map_err(apart::errno)?;
    }
    send(socket.as_raw_fd(), b"-", MsgFlags::MSG_NOSIGNAL)?;
    heard(socket)?;
    apart::ready(socket.as_fd())?;
    sys::receive_descriptors(socket.as_fd()).ok_or(Errno::ECHILD)
}

/// What the copy does: each step is told.
fn make_namespaces(socket: BorrowedFd<'_>, others: Namespaces) -> Result<(), Errno> {
    let tell = |done: Result<(), Errno>| {
        let errno = done.err().map_or(0, |errno| errno as i32);
        send(socket.as_raw_fd(), &errno.to_ne_bytes(), MsgFlags::MSG_NOSIGNAL)?;
        done
    };
    tell(sys::unshare(Namespaces::USER))?;
    // There are ids when this comes.
    if recv(socket.as_raw_fd(), &mut [0], MsgFlags::empty())? != 1 {
        return Err(Errno::EPIPE);
    }
    // What belongs to nobody in the namespace would be made by nobody.
    tell(become_root().and_then(|()| sys::unshare(others)))?;
    let open = |name| File::open(format!("/proc/self/ns/{name}")).map_err(|_| Errno::ECHILD);
    let namespaces = [open("user")?, open("net")?, open("ipc")?, open("uts")?];
    let descriptors = namespaces.each_ref().map(|file| file.as_raw_fd());
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(b"-")], &rights, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// Of the user namespace that this process is in.
fn become_root() -> Result<(), Errno> {
    sys::give_away(&CredentialOp::Groups(Vec::new()))?;
    sys::give_away(&CredentialOp::User { user: 0, group: 0 })
}

/// A position and an error that is not 0 as one number that is not 0.
fn refusal((position, errno): (usize, Errno)) -> u32 {
    u32::try_from(position).unwrap_or(0) << 8 | errno as u32 & 0xff
}

/// What such a number says.
fn refused(number: u32) -> Option<(usize, Errno)> {
    let position = usize::try_from(number >> 8).ok()?;
    (number != 0).then(|| (position, Errno::from_raw((number & 0xff) as i32)))
}

/// How a step of the copy went.
fn heard(socket: &OwnedFd) -> Result<(), Errno> {
    apart::ready(socket.as_fd())?;
    let mut bytes = [0; 4];
    match recv(socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT)? {
        4 if bytes == [0; 4] => Ok(()),
        4 => Err(Errno::from_raw(i32::from_ne_bytes(bytes))),
        _ => Err(Errno::ECHILD),
    }
}

/// The first that cannot be mounted with other ids, and why not. What is not there will be missed when it is used.
fn first_refused<'p>(paths: impl Iterator<Item = &'p Path>, users: BorrowedFd<'_>) -> Option<(usize, Errno)> {
    let mut paths = paths.enumerate();
    paths.find_map(|(position, path)| {
        let at = sys::open_path(AT_FDCWD, &place::c_path(path), OFlag::O_PATH, 0, Within::Host).ok()?;
        let tried = sys::copy_mount(at.as_fd()).and_then(|copy| sys::map_ids_of(copy.as_fd(), users));
        Some((position, tried.err()?))
    })
}

/// What the file system at a path is called.
fn file_system(path: &Path) -> String {
    let mount = apart::apart(|| {
        let file = sys::open_path(AT_FDCWD, &place::c_path(path), OFlag::O_PATH, 0, Within::Host)?;
        place::mount_of(file.as_fd()).ok_or(Errno::ENOENT)
    });
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let kind = mount.ok().and_then(|id| {
        let of_line = |line: &str| -> Option<String> {
            let (head, tail) = line.split_once(" - ")?;
            let is_it = head.split(' ').next()?.parse() == Ok(id);
            is_it.then(|| tail.split(' ').next().unwrap_or_default().to_owned())
        };
        mounts.lines().find_map(of_line)
    });
    kind.unwrap_or_else(|| "of an unknown kind".to_owned())
}
