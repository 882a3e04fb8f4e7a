//! Steps of a child that make its mounts. What one step opens, later ones find in a slot: the child has no
//! other memory.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;

use nix::errno::Errno;

use crate::sys::mount::{self, MountAttributes, Propagation, Within};

/// Where a child keeps a descriptor between its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u8);

/// As many as one child may have.
pub(crate) const SLOTS: usize = 256;

/// The descriptors of a child's slots; -1 where there is none.
pub(super) type Slots = [RawFd; SLOTS];

/// From where a path is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The working directory, or the root of an absolute path.
    Here,
    /// A directory that an earlier step opened.
    Slot(Slot),
}

/// What must be there, or is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// Whatever it is.
    Any,
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// The character device with these numbers.
    Device(u32, u32),
}

/// What is made where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MakeKind {
    Directory,
    File,
    /// A directory where the slot is one, else a file: something to mount it on.
    Like(Slot),
}

/// One step.
#[derive(Debug)]
pub(crate) enum MountOp {
    /// Opens what is at a path, without following a link out of `within`.
    Open { from: From, path: CString, within: Within, kind: FileKind, into: Slot },
    /// Makes what is missing of a path: directories, and last a directory or an empty file.
    Make { from: From, path: CString, within: Within, kind: MakeKind, mode: u32 },
    /// Makes a symbolic link, unless there is one.
    Link { from: Slot, path: CString, target: CString },
    /// Joins another mount namespace for a while. The child's own is kept in a slot.
    Elsewhere { namespace: RawFd, own: Slot },
    /// Comes back to it.
    Back { own: Slot },
    /// Copies the mount at a path that leads where it leads, or of a slot where the path is empty; attached
    /// nowhere.
    Copy { from: From, path: CString, kind: FileKind, recursive: bool, into: Slot },
    /// A new file system, attached nowhere.
    New {
        filesystem: &'static CStr,
        options: Vec<(CString, Option<CString>)>,
        attributes: MountAttributes,
        into: Slot,
    },
    /// Changes what a mount allows.
    Change { mount: Slot, recursive: bool, set: MountAttributes, propagation: Propagation },
    /// The ids of files are seen through a mount as those of a user namespace.
    MapIds { mount: Slot, users: RawFd },
    /// Attaches a mount at a place that an earlier step opened.
    Attach { mount: Slot, at: Slot },
    /// Makes an entry of a directory that nobody else has, and attaches a mount there.
    AttachNew { mount: Slot, directory: Slot, name: &'static CStr, is_directory: bool },
    /// Covers what is at a path of a file system of the kernel's, in which nobody else makes links: a directory
    /// by a copy of the mount `directory`, anything else by one of `file`. Nothing there is nothing to cover.
    Cover { of: Slot, path: CString, directory: Slot, file: Slot },
    /// The same for a path of a root.
    CoverWithin { root: Slot, path: CString, directory: Slot, file: Slot },
    /// What is at a path of a file system of the kernel's, if it is there, can only be read.
    ReadOnly { of: Slot, path: CString },
    /// The same for a path of a root.
    ReadOnlyWithin { root: Slot, path: CString },
    /// A directory becomes the working directory: paths that a file system is given are found from there.
    Enter { directory: Slot },
    /// Makes this mount the root, and lets go of the old one.
    Root { mount: Slot },
}

/// Takes one step. Neither allocates nor drops.
pub(super) fn take(op: &MountOp, slots: &mut Slots) -> Result<(), Errno> {
    match op {
        MountOp::Open { from, path, within, kind, into } => {
            let fd = mount::open_within(directory(slots, *from), path, libc::O_PATH, 0, *within)?;
            put_checked(slots, *into, fd, *kind)
        }
        MountOp::Make { from, path, within, kind, mode } => {
            let is_directory = match kind {
                MakeKind::Directory => true,
                MakeKind::File => false,
                MakeKind::Like(slot) => status(get(slots, *slot))?.st_mode & libc::S_IFMT == libc::S_IFDIR,
            };
            make(directory(slots, *from), path, *within, is_directory, *mode)
        }
        MountOp::Link { from, path, target } => {
            // SAFETY: null-terminated strings that live.
            let made = unsafe { libc::symlinkat(target.as_ptr(), get(slots, *from), path.as_ptr()) };
            match mount::done(made.into()) {
                Err(Errno::EEXIST) => Ok(()),
                other => other,
            }
        }
        MountOp::Elsewhere { namespace, own } => {
            let flags = libc::O_RDONLY;
            let fd = mount::open_within(libc::AT_FDCWD, c"/proc/self/ns/mnt", flags, 0, Within::Host)?;
            put(slots, *own, fd);
            join(*namespace)
        }
        MountOp::Back { own } => join(get(slots, *own)),
        MountOp::Copy { from, path, kind, recursive, into } => {
            let fd = mount::clone_tree(directory(slots, *from), path, *recursive)?;
            put_checked(slots, *into, fd, *kind)
        }
        MountOp::New { filesystem, options, attributes, into } => {
            let options = options.iter().map(|(key, value)| (key.as_c_str(), value.as_deref()));
            let fd = mount::new_filesystem(filesystem, options, *attributes)?;
            put(slots, *into, fd);
            Ok(())
        }
        MountOp::Change { mount: slot, recursive, set, propagation } => {
            mount::set_attributes(get(slots, *slot), *recursive, *set, *propagation)
        }
        MountOp::MapIds { mount: slot, users } => mount::map_ids(get(slots, *slot), *users),
        MountOp::Attach { mount: slot, at } => mount::move_mount(get(slots, *slot), get(slots, *at)),
        MountOp::AttachNew { mount: slot, directory, name, is_directory } => {
            attach_new(get(slots, *slot), get(slots, *directory), name, *is_directory)
        }
        MountOp::Cover { of, path, directory, file } => {
            cover(get(slots, *of), path, get(slots, *directory), get(slots, *file))
        }
        MountOp::CoverWithin { root, path, directory, file } => {
            let (directory, file) = (get(slots, *directory), get(slots, *file));
            within(get(slots, *root), path, |at| cover(at, c"", directory, file))
        }
        MountOp::ReadOnly { of, path } => read_only(get(slots, *of), path),
        MountOp::ReadOnlyWithin { root, path } => within(get(slots, *root), path, |at| read_only(at, c"")),
        MountOp::Enter { directory } => {
            // SAFETY: a descriptor; one that is none is refused.
            mount::done(unsafe { libc::fchdir(get(slots, *directory)) }.into())
        }
        MountOp::Root { mount: slot } => mount::pivot_root(get(slots, *slot)),
    }
}

fn join(namespace: RawFd) -> Result<(), Errno> {
    // SAFETY: numbers only; one that is no descriptor of a mount namespace is refused.
    mount::done(unsafe { libc::setns(namespace, libc::CLONE_NEWNS) }.into())
}

fn get(slots: &Slots, slot: Slot) -> RawFd {
    slots.get(usize::from(slot.0)).copied().unwrap_or(-1)
}

fn put(slots: &mut Slots, slot: Slot, fd: RawFd) {
    let Some(place) = slots.get_mut(usize::from(slot.0)) else { return };
    let before = std::mem::replace(place, fd);
    if before != -1 {
        mount::close(before);
    }
}

fn put_checked(slots: &mut Slots, slot: Slot, fd: RawFd, kind: FileKind) -> Result<(), Errno> {
    if let Err(errno) = check(fd, kind) {
        mount::close(fd);
        return Err(errno);
    }
    put(slots, slot, fd);
    Ok(())
}

fn directory(slots: &Slots, from: From) -> RawFd {
    match from {
        From::Here => libc::AT_FDCWD,
        From::Slot(slot) => get(slots, slot),
    }
}

/// Whether what is open is of this kind; the errors are what open(2) says of the wrong one.
fn check(fd: RawFd, kind: FileKind) -> Result<(), Errno> {
    if kind == FileKind::Any {
        return Ok(());
    }
    let status = status(fd)?;
    let is = status.st_mode & libc::S_IFMT;
    let (wanted, otherwise) = match kind {
        FileKind::Any => return Ok(()),
        FileKind::Directory => (libc::S_IFDIR, Errno::ENOTDIR),
        FileKind::File if is == libc::S_IFDIR => (libc::S_IFREG, Errno::EISDIR),
        FileKind::File => (libc::S_IFREG, Errno::EINVAL),
        FileKind::Socket => (libc::S_IFSOCK, Errno::ENOTSOCK),
        FileKind::CharDevice => (libc::S_IFCHR, Errno::ENODEV),
        FileKind::BlockDevice => (libc::S_IFBLK, Errno::ENOTBLK),
        FileKind::Device(major, minor) => {
            let same = libc::major(status.st_rdev) == major && libc::minor(status.st_rdev) == minor;
            if !same {
                return Err(Errno::ENODEV);
            }
            (libc::S_IFCHR, Errno::ENODEV)
        }
    };
    if is == wanted { Ok(()) } else { Err(otherwise) }
}

fn status(fd: RawFd) -> Result<libc::stat, Errno> {
    status_at(fd, c"")
}

/// Of what is at a path, or of the descriptor where that is empty.
fn status_at(fd: RawFd, path: &CStr) -> Result<libc::stat, Errno> {
    // SAFETY: stat is plain old data that the kernel fills.
    let mut status: libc::stat = unsafe { std::mem::zeroed() };
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: a null-terminated path that lives; `status` lives and may be filled.
    mount::done(unsafe { libc::fstatat(fd, path.as_ptr(), &raw mut status, flags) }.into())?;
    Ok(status)
}

/// Longest path that the kernel takes, with its null.
const LONGEST: usize = libc::PATH_MAX as usize;

/// Makes each part of a path that is missing, none of them outside of `within`.
fn make(root: RawFd, path: &CStr, within: Within, is_directory: bool, mode: u32) -> Result<(), Errno> {
    let bytes = path.to_bytes();
    if bytes.len() >= LONGEST {
        return Err(Errno::ENAMETOOLONG);
    }
    match mount::open_within(root, path, libc::O_PATH, 0, within) {
        Ok(fd) => {
            mount::close(fd);
            return Ok(());
        }
        Err(Errno::ENOENT) => {}
        Err(other) => return Err(other),
    }
    let mut buffer = [0_u8; LONGEST];
    let mut end = 0;
    loop {
        // The next part, from one slash to the next.
        let rest = bytes.get(end..).unwrap_or_default();
        let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
        let name = rest.iter().skip(slashes).take_while(|byte| **byte != b'/').count();
        if name == 0 {
            return Ok(());
        }
        let (before, start) = (end, end + slashes);
        end = start + name;
        let is_last = bytes.get(end..).unwrap_or_default().iter().all(|byte| *byte == b'/');
        let parent = part(&mut buffer, bytes, 0, before)?;
        let parent = if parent.is_empty() {
            mount::open_within(
                root,
                if within == Within::Host { c"/" } else { c"." },
                libc::O_PATH,
                0,
                within,
            )
        } else {
            mount::open_within(root, parent, libc::O_PATH | libc::O_DIRECTORY, 0, within)
        }?;
        let made = part(&mut buffer, bytes, start, end).and_then(|name| {
            if is_directory || !is_last {
                make_directory(parent, name, mode, is_last)
            } else {
                make_file(parent, name, mode)
            }
        });
        mount::close(parent);
        made?;
    }
}

/// Part of a path as a string of its own, in the buffer.
fn part<'a>(buffer: &'a mut [u8], bytes: &[u8], start: usize, end: usize) -> Result<&'a CStr, Errno> {
    let part = bytes.get(start..end).ok_or(Errno::EINVAL)?;
    let place = buffer.get_mut(..=part.len()).ok_or(Errno::ENAMETOOLONG)?;
    for (to, byte) in place.iter_mut().zip(part.iter().chain([&0])) {
        *to = *byte;
    }
    CStr::from_bytes_with_nul(place).map_err(|_| Errno::EINVAL)
}

fn make_directory(parent: RawFd, name: &CStr, mode: u32, is_last: bool) -> Result<(), Errno> {
    let mode = if is_last { mode } else { 0o755 };
    // SAFETY: a null-terminated name that lives.
    match mount::done(unsafe { libc::mkdirat(parent, name.as_ptr(), mode) }.into()) {
        Err(Errno::EEXIST) => Ok(()),
        other => other,
    }
}

fn make_file(parent: RawFd, name: &CStr, mode: u32) -> Result<(), Errno> {
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_WRONLY;
    // SAFETY: a null-terminated name that lives.
    let file = unsafe { libc::openat(parent, name.as_ptr(), flags, mode) };
    match mount::done(file.into()) {
        // Nothing open for writing may keep the file system from becoming read-only.
        Ok(()) => mount::close(file),
        Err(Errno::EEXIST) => {}
        Err(other) => return Err(other),
    }
    Ok(())
}

fn attach_new(mount: RawFd, directory: RawFd, name: &CStr, is_directory: bool) -> Result<(), Errno> {
    let made = if is_directory {
        // SAFETY: a null-terminated name that lives.
        unsafe { libc::mkdirat(directory, name.as_ptr(), 0o755) }
    } else {
        // SAFETY: as above.
        unsafe { libc::mknodat(directory, name.as_ptr(), libc::S_IFREG | 0o644, 0) }
    };
    mount::done(made.into())?;
    mount::move_mount_below(mount, directory, name)
}

/// Does this with what is at a path inside a root. Nothing there is nothing to do.
fn within(root: RawFd, path: &CStr, act: impl FnOnce(RawFd) -> Result<(), Errno>) -> Result<(), Errno> {
    match mount::open_within(root, path, libc::O_PATH, 0, Within::Root) {
        Ok(at) => {
            let done = act(at);
            mount::close(at);
            done
        }
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        Err(other) => Err(other),
    }
}

fn cover(of: RawFd, path: &CStr, directory: RawFd, file: RawFd) -> Result<(), Errno> {
    let status = match status_at(of, path) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        other => other?,
    };
    let is_directory = status.st_mode & libc::S_IFMT == libc::S_IFDIR;
    let cover = mount::clone_tree(if is_directory { directory } else { file }, c"", false)?;
    let moved = mount::move_mount_below(cover, of, path);
    mount::close(cover);
    moved
}

fn read_only(of: RawFd, path: &CStr) -> Result<(), Errno> {
    let copy = match mount::clone_tree(of, path, true) {
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(()),
        other => other?,
    };
    let moved = mount::set_attributes(copy, true, MountAttributes::READ_ONLY, Propagation::Unchanged)
        .and_then(|()| mount::move_mount_below(copy, of, path));
    mount::close(copy);
    moved
}
