//! The file systems of the kernel and those in memory that programs expect. Mounting is asked for again where
//! somebody has done it before: what is there stays (VM-01).

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

use crate::runtime::cause;

/// A file system, and where it belongs.
struct FileSystem {
    kind: &'static str,
    at: &'static str,
    flags: MsFlags,
    /// Options of the file system, most wanted first: older kernels do not know all.
    options: &'static [&'static str],
    /// Without it something is missing; others are there only where the kernel has them.
    is_needed: bool,
}

const NO_PROGRAMS: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV).union(MsFlags::MS_NOEXEC);
const DEVICES: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC);
const FILES: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

const PROC: FileSystem = needed("proc", "/proc", NO_PROGRAMS, &[""]);

/// In the order in which they are mounted.
const OTHERS: [FileSystem; 9] = [
    needed("sysfs", "/sys", NO_PROGRAMS, &[""]),
    needed("devtmpfs", "/dev", DEVICES, &["mode=0755"]),
    needed("devpts", "/dev/pts", DEVICES, &["gid=5,mode=0620,ptmxmode=0666"]),
    needed("tmpfs", "/dev/shm", FILES, &["mode=1777"]),
    needed("tmpfs", "/run", FILES, &["mode=0755"]),
    needed("tmpfs", "/tmp", FILES, &["mode=1777"]),
    needed("cgroup2", "/sys/fs/cgroup", NO_PROGRAMS, &["nsdelegate,memory_recursiveprot", "nsdelegate", ""]),
    FileSystem { is_needed: false, ..needed("securityfs", "/sys/kernel/security", NO_PROGRAMS, &[""]) },
    FileSystem { is_needed: false, ..needed("bpf", "/sys/fs/bpf", NO_PROGRAMS, &["mode=0700"]) },
];

/// Names in /dev that the kernel does not make.
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

const fn needed(
    kind: &'static str,
    at: &'static str,
    flags: MsFlags,
    options: &'static [&'static str],
) -> FileSystem {
    FileSystem { kind, at, flags, options, is_needed: true }
}

/// First of all, since it has the kernel's command line. Returns what went wrong, in words.
pub(super) fn mount_proc() -> Vec<String> {
    let root = is_in_memory().then(give_root_a_parent).and_then(Result::err);
    let root = root.map(|error| format!("cannot mount the root over itself: {}", cause(error)));
    root.into_iter().chain(PROC.mount().err()).collect()
}

/// All but /proc. Returns what went wrong, in words.
pub(super) fn mount_others() -> Vec<String> {
    let problems = OTHERS.iter().filter_map(|file_system| file_system.mount().err()).collect();
    for (to, name) in LINKS {
        // Mostly because it is there.
        let _ = symlink(to, name);
    }
    problems
}

/// Mounts the root of an initramfs over itself: pivot_root(2), by which containers get their root, refuses a
/// root that is mounted on nothing.
fn give_root_a_parent() -> nix::Result<()> {
    // Whatever directory is there: in the end the mount is not on it.
    let _ = fs::create_dir("/proc");
    let none = None::<&str>;
    mount(Some("/"), "/proc", none, MsFlags::MS_BIND | MsFlags::MS_REC, none)?;
    nix::unistd::chdir("/proc")?;
    mount(Some("."), "/", none, MsFlags::MS_MOVE, none)?;
    nix::unistd::chroot(".")?;
    nix::unistd::chdir("/")
}

/// Whether the root directory is in memory, as that of an initramfs is.
fn is_in_memory() -> bool {
    // linux/magic.h.
    const RAMFS_MAGIC: FsType = FsType(0x8584_58f6);
    statfs("/").is_ok_and(|status| [RAMFS_MAGIC, TMPFS_MAGIC].contains(&status.filesystem_type()))
}

impl FileSystem {
    fn mount(&self) -> Result<(), String> {
        if self.is_there() {
            return Ok(());
        }
        // A root that cannot be written to has the directory, or it has not.
        let _ = fs::DirBuilder::new().mode(0o755).create(self.at);
        let mut result = Err(Errno::EINVAL);
        for options in self.options {
            result = mount(Some(self.kind), self.at, Some(self.kind), self.flags, Some(*options));
            if result != Err(Errno::EINVAL) {
                break;
            }
        }
        match result {
            // The kernel says so of what it has only once.
            Ok(()) | Err(Errno::EBUSY) => Ok(()),
            Err(Errno::ENOENT | Errno::ENODEV) if !self.is_needed => Ok(()),
            Err(errno) => Err(format!("cannot mount {} on {}: {}", self.kind, self.at, cause(errno))),
        }
    }

    /// Something is mounted there, or what is there is in memory as it is: then files that an initramfs has
    /// there are not hidden.
    fn is_there(&self) -> bool {
        let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
        let at = Path::new(self.at);
        let parent = at.parent().unwrap_or(at);
        let is_mounted = device(at).and_then(|here| Ok(here != device(parent)?)).unwrap_or(false);
        let has_files = || fs::read_dir(at).is_ok_and(|mut entries| entries.next().is_some());
        is_mounted || self.kind == "tmpfs" && is_in_memory() && has_files()
    }
}
