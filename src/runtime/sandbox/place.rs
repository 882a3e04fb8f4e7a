//! Where the pod's own files lie: a file system in memory that only the supervisor's mount namespace has, so
//! that nothing is left of it whatever becomes of podinit; and directories on disk, which the next run of a
//! pod of this name removes.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag};
use nix::unistd::geteuid;

use crate::runtime::cause;
use crate::sys::{self, MountAttributes, Within};

/// Bytes of the pod's own files in memory, which a container can fill with its last message.
const SIZE: &CStr = c"16m";

/// The mounted file system with the pod's own files.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    is_mounted: Cell<bool>,
}

/// What is in the pod's place from the beginning: where a root is put together, where its layer is, what
/// covers other things, files of volumes, last messages.
const DIRECTORIES: [&str; 6] = ["root", "layer", "empty", "shm", "volumes", "messages"];

impl Place {
    /// The directory of this user's podinits, in which each has its mount point.
    pub(super) fn directory() -> Result<PathBuf, String> {
        let mut path = Self::find()?.path;
        path.pop();
        Ok(path)
    }

    /// Finds the mount point. Before the supervisor leaves its user namespace: as root in one of its own it
    /// may not be able to make directories here.
    pub(super) fn find() -> Result<Self, String> {
        let user = geteuid();
        let runtime = match (user.is_root(), std::env::var_os("XDG_RUNTIME_DIR")) {
            (true, _) => Some(PathBuf::from("/run")),
            (false, Some(directory)) if Path::new(&directory).is_absolute() => Some(directory.into()),
            (false, _) => None,
        };
        let runtime = runtime.map(|directory| directory.join("podinit"));
        let others = ["/tmp", "/dev/shm", "/var/tmp"].map(|it| PathBuf::from(format!("{it}/podinit-{user}")));
        let mut why = String::new();
        for directory in runtime.into_iter().chain(others) {
            match private(&directory).and_then(|()| {
                let path = directory.join("sandbox");
                private(&path).map(|()| path)
            }) {
                Ok(path) => return Ok(Self { path, is_mounted: Cell::new(false) }),
                Err(error) => why.push_str(&format!("; {}: {}", directory.display(), cause(error))),
            }
        }
        Err(format!("cannot find a directory for the pod's own files{why}"))
    }

    /// Mounts a new file system there, with what is always in it.
    pub(super) fn mount(&self) -> io::Result<()> {
        // What an earlier try of a Job had goes now; that of the last one with podinit's mount namespace.
        if self.is_mounted.replace(true) {
            nix::mount::umount2(&self.path, nix::mount::MntFlags::MNT_DETACH)?;
        }
        let options = [(c"size", Some(SIZE)), (c"mode", Some(c"0711")), (c"nr_inodes", Some(c"16k"))];
        let attributes = MountAttributes::NO_DEVICES.and(MountAttributes::NO_SET_USER_ID);
        self.mount_at(Path::new(""), c"tmpfs", &options, attributes)?;
        for name in DIRECTORIES {
            DirBuilder::new().mode(0o711).create(self.path.join(name))?;
        }
        let none = [(c"size", Some(c"4k")), (c"mode", Some(c"0755"))];
        let attributes = attributes.and(MountAttributes::NO_EXECUTION).and(MountAttributes::READ_ONLY);
        self.mount_at(Path::new("empty"), c"tmpfs", &none, attributes)?;
        let shared = [(c"size", Some(c"64m")), (c"mode", Some(c"1777"))];
        let attributes = MountAttributes::NO_DEVICES.and(MountAttributes::NO_SET_USER_ID);
        self.mount_at(Path::new("shm"), c"tmpfs", &shared, attributes.and(MountAttributes::NO_EXECUTION))
    }

    /// Mounts a new file system at a directory of this place.
    pub(super) fn mount_at(
        &self,
        below: &Path,
        kind: &CStr,
        options: &[(&CStr, Option<&CStr>)],
        attributes: MountAttributes,
    ) -> io::Result<()> {
        let mount = sys::mount_new(kind, options, attributes)?;
        let path = if below.as_os_str().is_empty() { self.path.clone() } else { self.path.join(below) };
        let at = open_directory(&path)?;
        Ok(sys::attach(mount.as_fd(), at.as_fd())?)
    }

    /// A path in it.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.path.join(below)
    }

    /// The mount point, for a system call.
    pub(super) fn c_path(&self, below: &str) -> CString {
        c_path(&self.path(below))
    }

    /// Whether there is just this in a file.
    pub(super) fn holds(&self, below: &str, text: &[u8]) -> io::Result<bool> {
        let mut found = Vec::new();
        let most = text.len() as u64 + 1;
        File::open(self.path(below))?.take(most).read_to_end(&mut found)?;
        Ok(found == text)
    }

    /// Makes a file with these permissions. Before any container can see it.
    pub(super) fn write(&self, below: &str, text: &[u8], mode: u32) -> io::Result<()> {
        let mut file = File::create(self.path(below))?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text)
    }
}

/// Directories of a pod on disk, while it runs.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Of the pod's directory: two runs of a pod of one name would share what is the pod's own.
    _lock: Flock<File>,
}

impl Disk {
    /// Takes the directory of a pod of this name. What an earlier run has left is removed.
    pub(super) fn take(base: Option<&Path>, name: &str) -> Result<Self, String> {
        let path = in_base(base, "pods", name)?;
        let cannot =
            |what: &str, error: io::Error| format!("cannot {what} {}: {}", path.display(), cause(error));
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| cannot("make", error))?;
        let directory = File::open(&path).map_err(|error| cannot("open", error))?;
        let lock = Flock::lock(directory, FlockArg::LockExclusiveNonblock);
        let lock = lock.map_err(|(_, errno)| match errno == Errno::EWOULDBLOCK {
            true => format!(
                "cannot run a second pod of the name {name:?}: {} is in use; give it another name with `--name`",
                path.display()
            ),
            // A file system without locks.
            false => cannot("lock", errno.into()),
        })?;
        let disk = Self { path: path.clone(), _lock: lock };
        disk.clear().map_err(|error| cannot("clear", error))?;
        Ok(disk)
    }

    /// Makes a directory for a volume.
    pub(super) fn make(&self, volume: &str, mode: u32) -> io::Result<PathBuf> {
        let path = self.path.join(volume);
        fs::create_dir(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(path)
    }

    /// Removes everything in it. What is mounted there stays, and what links lead to.
    pub(super) fn clear(&self) -> io::Result<()> {
        let device = fs::symlink_metadata(&self.path)?.dev();
        remove_within(&self.path, device)
    }

    /// Removes it; the pod is over.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.clear()?;
        fs::remove_dir(&self.path)
    }
}

/// The directory of a claim of this name, which outlives pods.
pub(super) fn claim(base: Option<&Path>, name: &str) -> Result<PathBuf, String> {
    let path = in_base(base, "claims", name)?;
    let made = DirBuilder::new().recursive(true).mode(0o755).create(&path);
    made.map_err(|error| format!("cannot make {} for a claim: {}", path.display(), cause(error)))?;
    Ok(path)
}

/// Where podinit keeps what has to be on disk.
pub(super) fn base() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/podinit"));
    }
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    data.map(|directory| directory.join("podinit"))
}

fn in_base(base: Option<&Path>, kind: &str, name: &str) -> Result<PathBuf, String> {
    let base = base.ok_or("cannot find a directory for volumes on disk: set XDG_DATA_HOME or HOME")?;
    Ok(base.join(kind).join(name))
}

/// Makes a directory that is ours alone, or finds it: nobody else may have put one in its place.
fn private(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(io::Error::other("it is there, and not a directory of this user's alone"));
    }
    Ok(())
}

/// Removes what is in a directory, as long as it is of this file system and nothing is mounted there: what is
/// mounted may be of this file system too, and only the kernel's refusal to remove its place tells (rmdir(2),
/// EBUSY; FS-14). Iterative: a container can nest directories deeper than a stack.
fn remove_within(top: &Path, device: u64) -> io::Result<()> {
    let mut open = vec![top.to_owned()];
    while let Some(directory) = open.last().cloned() {
        let mut deeper = None;
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            let removed = if found.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) };
            let Err(error) = removed else { continue };
            if found.dev() != device || error.kind() == io::ErrorKind::ResourceBusy {
                return Err(io::Error::other(format!("something is mounted at {}", path.display())));
            } else if !found.is_dir() {
                return Err(error);
            }
            deeper = Some(path);
            break;
        }
        match deeper {
            Some(path) => open.push(path),
            None => {
                open.pop();
                if !open.is_empty() {
                    fs::remove_dir(&directory)?;
                }
            }
        }
    }
    Ok(())
}

/// The number of the mount that an open file is on, as /proc/self/mountinfo has it.
pub(super) fn mount_of(file: BorrowedFd<'_>) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
    info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok())
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    Ok(sys::open_path(AT_FDCWD, &c_path(path), flags, 0, Within::Host)?)
}

/// Paths come from the manifest and the environment, neither of which can have a NUL in it.
pub(super) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}
