//! A ruleset of Landlock, made and entered by a child (landlock(7)): rights that are forbidden, and below
//! which paths they are not. What the bits mean is not known here but for one thing: which of them a rule about
//! a single file can have.

use std::ffi::CString;

use nix::errno::Errno;

use crate::sys::mount::done;

/// Below this path these rights are allowed.
#[derive(Debug)]
pub(crate) struct LandlockRule {
    pub(crate) path: CString,
    pub(crate) allowed: u64,
}

/// `struct landlock_ruleset_attr` of ABI 1, which every later kernel takes.
#[repr(C)]
struct RulesetAttributes {
    handled_access_fs: u64,
}

#[repr(C, packed)]
struct PathBeneathAttributes {
    allowed_access: u64,
    parent_fd: i32,
}

const RULE_PATH_BENEATH: libc::c_int = 1;
/// EXECUTE, WRITE_FILE, READ_FILE, TRUNCATE and IOCTL_DEV: a file has no others.
const OF_FILES: u64 = 0b111 | 1 << 14 | 1 << 15;

/// Forbids the rights but where a rule allows them, for good. Takes no_new_privs.
pub(super) fn restrict(forbidden: u64, rules: &[LandlockRule]) -> Result<(), Errno> {
    let attributes = RulesetAttributes { handled_access_fs: forbidden };
    let size = size_of_val(&attributes);
    // SAFETY: attributes of the size given, which live and are only read.
    let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, size, 0) };
    if ruleset == -1 {
        return Err(Errno::last());
    }
    // The program does not get it: it is closed on exec (landlock_create_ruleset(2)).
    let ruleset = ruleset as libc::c_int;
    for rule in rules {
        allow(ruleset, rule)?;
    }
    // SAFETY: numbers only.
    done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) })
}

fn allow(ruleset: libc::c_int, rule: &LandlockRule) -> Result<(), Errno> {
    let flags = libc::O_PATH | libc::O_CLOEXEC;
    // SAFETY: a null-terminated path that lives.
    let place = unsafe { libc::open(rule.path.as_ptr(), flags) };
    if place == -1 {
        let errno = Errno::last();
        // What cannot be reached cannot be written to.
        let is_out_of_reach = [Errno::ENOENT, Errno::ENOTDIR, Errno::EACCES].contains(&errno);
        return if is_out_of_reach { Ok(()) } else { Err(errno) };
    }
    let add = |allowed_access: u64| {
        let attributes = PathBeneathAttributes { allowed_access, parent_fd: place };
        let (number, none) = (libc::SYS_landlock_add_rule, 0);
        // SAFETY: attributes of the type given, which live and are only read.
        done(unsafe { libc::syscall(number, ruleset, RULE_PATH_BENEATH, &raw const attributes, none) })
    };
    match add(rule.allowed) {
        // Rights of directories, for something that is none.
        Err(Errno::EINVAL) => add(rule.allowed & OF_FILES),
        other => other,
    }
}
