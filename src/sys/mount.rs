//! The mount API on descriptors (Linux 5.2; mount_setattr 5.12) and openat2(2), thin: the same functions
//! serve the supervisor and, since they neither allocate nor drop anything, a child before exec.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

// linux/mount.h; libc has none of these for glibc.
const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = 0x1000;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const MOUNT_ATTR_IDMAP: u64 = 0x10_0000;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;

/// A set of mount attributes (mount_setattr(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountAttributes(u64);

impl MountAttributes {
    /// Nothing can be written.
    pub(crate) const READ_ONLY: Self = Self(0x1);
    /// Set-user-id bits and file capabilities count for nothing.
    pub(crate) const NO_SET_USER_ID: Self = Self(0x2);
    /// Device nodes cannot be opened.
    pub(crate) const NO_DEVICES: Self = Self(0x4);
    /// Nothing can be executed.
    pub(crate) const NO_EXECUTION: Self = Self(0x8);

    /// Both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Whether mounts made in one place show in others (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// As it is.
    Unchanged,
    /// In no other.
    Private,
    /// In all copies of it, and what is mounted there here.
    Shared,
    /// What is mounted in the place that this was copied from shows here, not the other way round.
    Slave,
}

impl Propagation {
    fn flag(self) -> u64 {
        match self {
            Self::Unchanged => 0,
            Self::Private => libc::MS_PRIVATE,
            Self::Shared => libc::MS_SHARED,
            Self::Slave => libc::MS_SLAVE,
        }
    }
}

/// What a path may not lead out of (openat2(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    /// Nothing: it is a path of this host.
    Host,
    /// The directory is the root of everything: links and `..` stay inside. No magic links.
    Root,
    /// The same, and no link at all is followed: what is looked for must be there itself (CVE-2019-19921).
    RootWithoutLinks,
    /// A path that leads out of the directory is refused.
    Beneath,
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Opens a path for reference (O_PATH), or with `flags`.
pub(super) fn open_within(
    directory: RawFd,
    path: &CStr,
    flags: i32,
    mode: u32,
    within: Within,
) -> Result<RawFd, Errno> {
    // SAFETY: open_how is plain old data for which all zeroes means "no flags".
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.mode = u64::from(mode);
    how.resolve = match within {
        Within::Host => 0,
        Within::Root => libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS,
        Within::RootWithoutLinks => libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_SYMLINKS,
        Within::Beneath => libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS,
    };
    loop {
        // SAFETY: a null-terminated path and an open_how of the size given, both live.
        let fd = unsafe {
            libc::syscall(libc::SYS_openat2, directory, path.as_ptr(), &raw const how, size_of_val(&how))
        };
        match descriptor(fd) {
            // A rename somewhere made it uncertain whether a `..` stayed inside: openat2(2) says try again.
            Err(Errno::EAGAIN) => {}
            other => return other,
        }
    }
}

/// A copy of the mount at this path, or of this descriptor where the path is empty; attached nowhere.
pub(super) fn clone_tree(directory: RawFd, path: &CStr, recursive: bool) -> Result<RawFd, Errno> {
    let recursive = if recursive { AT_RECURSIVE } else { 0 };
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | recursive;
    // SAFETY: a null-terminated path that lives, and numbers.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, directory, path.as_ptr(), flags) })
}

/// A new file system that is attached nowhere. An option without a value is a flag.
pub(super) fn new_filesystem<'a>(
    kind: &CStr,
    options: impl Iterator<Item = (&'a CStr, Option<&'a CStr>)>,
    attributes: MountAttributes,
) -> Result<RawFd, Errno> {
    // SAFETY: a null-terminated name and numbers.
    let context = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    let made = configured(context, options).and_then(|()| {
        // SAFETY: numbers only.
        descriptor(unsafe { libc::syscall(libc::SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes.0) })
    });
    close(context);
    made
}

fn configured<'a>(
    context: RawFd,
    options: impl Iterator<Item = (&'a CStr, Option<&'a CStr>)>,
) -> Result<(), Errno> {
    let null = std::ptr::null();
    let set = |command: u32, key: *const libc::c_char, value: *const libc::c_char| {
        // SAFETY: key and value are null or null-terminated strings that live.
        done(unsafe { libc::syscall(libc::SYS_fsconfig, context, command, key, value, 0) })
    };
    for (key, value) in options {
        match value {
            Some(value) => set(FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr())?,
            None => set(FSCONFIG_SET_FLAG, key.as_ptr(), null)?,
        }
    }
    set(FSCONFIG_CMD_CREATE, null, null)
}

/// Changes what a mount, and with `recursive` those below it, allows.
pub(super) fn set_attributes(
    mount: RawFd,
    recursive: bool,
    set: MountAttributes,
    propagation: Propagation,
) -> Result<(), Errno> {
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let change = MountAttr { set: set.0, clear: 0, propagation: propagation.flag(), user_namespace: 0 };
    set_attr(mount, flags, &change)
}

/// The ids of files are seen through a mount as those of this user namespace, and written so: a mount that is
/// attached nowhere, and whose file system allows it (MOUNT_ATTR_IDMAP).
pub(super) fn map_ids(mount: RawFd, users: RawFd) -> Result<(), Errno> {
    let user_namespace = u64::try_from(users).map_err(|_| Errno::EBADF)?;
    set_attr(
        mount,
        AT_EMPTY_PATH,
        &MountAttr { set: MOUNT_ATTR_IDMAP, clear: 0, propagation: 0, user_namespace },
    )
}

fn set_attr(mount: RawFd, flags: u32, change: &MountAttr) -> Result<(), Errno> {
    // SAFETY: an empty null-terminated path and a mount_attr of the size given, both live.
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount,
            c"".as_ptr(),
            flags,
            std::ptr::from_ref(change),
            size_of::<MountAttr>(),
        )
    })
}

/// Attaches a mount at a place that is open.
pub(super) fn move_mount(mount: RawFd, to: RawFd) -> Result<(), Errno> {
    move_mount_below(mount, to, c"")
}

/// Attaches a mount at a path of an open directory, where nobody else can have put a link on the way.
pub(super) fn move_mount_below(mount: RawFd, directory: RawFd, path: &CStr) -> Result<(), Errno> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: null-terminated paths that live, and numbers.
    done(unsafe { libc::syscall(libc::SYS_move_mount, mount, c"".as_ptr(), directory, path.as_ptr(), flags) })
}

/// The directory becomes the root of this mount namespace, and the old root is gone from it.
pub(super) fn pivot_root(to: RawFd) -> Result<(), Errno> {
    // SAFETY: a descriptor.
    done(unsafe { libc::fchdir(to) }.into())?;
    let here = c".".as_ptr();
    // The old root is stacked on the new one and taken off again: no directory is needed for it (runc's
    // way, pivot_root(2) "pivot_root(".", ".")").
    // SAFETY: null-terminated paths.
    match done(unsafe { libc::syscall(libc::SYS_pivot_root, here, here) }) {
        // SAFETY: a null-terminated path and a number.
        Ok(()) => done(unsafe { libc::umount2(here, libc::MNT_DETACH) }.into())?,
        // A root that came with the kernel (initramfs) cannot be exchanged: it is covered.
        Err(Errno::EINVAL) => {
            let (none, root) = (std::ptr::null(), c"/".as_ptr());
            // SAFETY: null-terminated paths; no file system and no data.
            done(unsafe { libc::mount(here, root, none, libc::MS_MOVE, none.cast()) }.into())?;
            // SAFETY: a null-terminated path.
            done(unsafe { libc::chroot(here) }.into())?;
        }
        Err(other) => return Err(other),
    }
    // SAFETY: a null-terminated path.
    done(unsafe { libc::chdir(c"/".as_ptr()) }.into())
}

/// Closes a descriptor that nobody owns.
pub(super) fn close(fd: RawFd) {
    // SAFETY: a number; the callers own what it names.
    unsafe { libc::close(fd) };
}

fn descriptor(result: libc::c_long) -> Result<RawFd, Errno> {
    if result == -1 { Err(Errno::last()) } else { Ok(RawFd::try_from(result).unwrap_or(-1)) }
}

pub(super) fn done(result: libc::c_long) -> Result<(), Errno> {
    if result == -1 { Err(Errno::last()) } else { Ok(()) }
}

/// For the supervisor: a path that stays within a directory, with these flags of open(2).
pub(crate) fn open_path(
    directory: BorrowedFd<'_>,
    path: &CStr,
    flags: nix::fcntl::OFlag,
    mode: u32,
    within: Within,
) -> Result<OwnedFd, Errno> {
    owned(open_within(directory.as_raw_fd(), path, flags.bits(), mode, within))
}

/// For the supervisor: a new file system that is attached nowhere.
pub(crate) fn mount_new(
    kind: &CStr,
    options: &[(&CStr, Option<&CStr>)],
    attributes: MountAttributes,
) -> Result<OwnedFd, Errno> {
    owned(new_filesystem(kind, options.iter().copied(), attributes))
}

/// For the supervisor: attaches a mount at an open place.
pub(crate) fn attach(mount: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Errno> {
    move_mount(mount.as_raw_fd(), to.as_raw_fd())
}

/// For the supervisor: changes what a mount allows.
pub(crate) fn change_mount(
    mount: BorrowedFd<'_>,
    recursive: bool,
    set: MountAttributes,
    propagation: Propagation,
) -> Result<(), Errno> {
    set_attributes(mount.as_raw_fd(), recursive, set, propagation)
}

/// For the supervisor: a copy of the mount at an open place, attached nowhere.
pub(crate) fn copy_mount(from: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    owned(clone_tree(from.as_raw_fd(), c"", false))
}

/// For the supervisor: files are seen through a mount with the ids of a user namespace.
pub(crate) fn map_ids_of(mount: BorrowedFd<'_>, users: BorrowedFd<'_>) -> Result<(), Errno> {
    map_ids(mount.as_raw_fd(), users.as_raw_fd())
}

fn owned(fd: Result<RawFd, Errno>) -> Result<OwnedFd, Errno> {
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    fd.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}
