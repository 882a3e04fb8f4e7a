//! Steps of a child that give rights away. Each of them is final, and one that fails ends the child: nothing
//! runs with more than it was to have.

use std::rc::Rc;

use nix::errno::Errno;

use super::landlock::{self, LandlockRule};
use crate::sys::mount::done;
use crate::sys::rights::{self, CapabilityData};

/// One step.
#[derive(Debug)]
pub(crate) enum CredentialOp {
    /// Exactly these supplementary groups.
    Groups(Vec<u32>),
    /// What the process may ever have, by exec or otherwise: these bits (PR_CAPBSET_DROP).
    BoundingSet(u64),
    /// User and group, real, effective and saved. Capabilities stay permitted, whoever this is
    /// (PR_SET_KEEPCAPS): the last step is to give them away.
    User { user: u32, group: u32 },
    /// Permitted and effective are these bits, inheritable and ambient are none (CVE-2022-29162).
    Capabilities(u64),
    /// No program gains rights by being executed (PR_SET_NO_NEW_PRIVS).
    NoNewPrivileges,
    /// A seccomp filter; those of one process are all asked, and the strictest answer counts.
    Filter(Rc<[FilterInstruction]>),
    /// These rights are forbidden but where a rule allows them (landlock(7)).
    Landlock { forbidden: u64, rules: Vec<LandlockRule> },
    /// Permissions that new files do not get.
    FileModeMask(u32),
    /// No core is dumped: where it went would be the host's to say (core(5)).
    NoCoreDumps,
}

/// An instruction of a seccomp filter, as `struct sock_filter` of linux/filter.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct FilterInstruction {
    pub(crate) code: u16,
    pub(crate) if_true: u8,
    pub(crate) if_false: u8,
    pub(crate) operand: u32,
}

/// Capabilities that a kernel may know at most.
const MOST_CAPABILITIES: u32 = 64;
/// Takes one step. System calls by their numbers: what the C library makes of some of them takes locks.
pub(super) fn take(op: &CredentialOp) -> Result<(), Errno> {
    match op {
        CredentialOp::Groups(groups) => {
            // SAFETY: as many numbers as given, which live.
            done(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) })
        }
        CredentialOp::BoundingSet(kept) => bound(*kept),
        CredentialOp::User { user, group } => {
            // SAFETY: numbers only.
            done(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_KEEPCAPS, 1, 0, 0, 0) })?;
            // SAFETY: numbers only.
            done(unsafe { libc::syscall(libc::SYS_setresgid, *group, *group, *group) })?;
            // SAFETY: numbers only.
            done(unsafe { libc::syscall(libc::SYS_setresuid, *user, *user, *user) })?;
            // What is permitted was kept; becoming somebody else took the effect away (capabilities(7)).
            raise_permitted()
        }
        CredentialOp::Capabilities(set) => capabilities(*set),
        CredentialOp::NoNewPrivileges => {
            // SAFETY: numbers only.
            done(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })
        }
        CredentialOp::Filter(program) => filter(program),
        CredentialOp::Landlock { forbidden, rules } => landlock::restrict(*forbidden, rules),
        CredentialOp::FileModeMask(mask) => {
            // SAFETY: a number; it cannot fail.
            unsafe { libc::umask(*mask) };
            Ok(())
        }
        CredentialOp::NoCoreDumps => {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: `none` lives and is only read.
            done(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) }.into())
        }
    }
}

/// For a copy of the supervisor that finds out whether a step can be taken.
pub(crate) fn give_away(op: &CredentialOp) -> Result<(), Errno> {
    take(op)
}

/// Drops what is not kept, as far as the kernel knows capabilities.
fn bound(kept: u64) -> Result<(), Errno> {
    for capability in 0..MOST_CAPABILITIES {
        if kept & (1 << capability) != 0 {
            continue;
        }
        let prctl = |option: libc::c_int| {
            // SAFETY: numbers only.
            unsafe { libc::syscall(libc::SYS_prctl, option, capability, 0, 0, 0) }
        };
        match done(prctl(libc::PR_CAPBSET_DROP)) {
            Ok(()) => {}
            // Who has nothing to give away needs no right to do it.
            Err(Errno::EPERM) if prctl(libc::PR_CAPBSET_READ) == 0 => {}
            // One that the kernel does not know: there are no more.
            Err(_) if prctl(libc::PR_CAPBSET_READ) == -1 => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn raise_permitted() -> Result<(), Errno> {
    let mut data = rights::read()?;
    for half in &mut data {
        half.effective = half.permitted;
    }
    rights::write(&data)
}

fn capabilities(set: u64) -> Result<(), Errno> {
    // SAFETY: numbers only.
    done(unsafe {
        libc::syscall(libc::SYS_prctl, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    })?;
    let before = rights::read()?;
    let [low, high] = [set as u32, (set >> 32) as u32];
    let mut data = [CapabilityData { effective: 0, permitted: 0, inheritable: 0 }; 2];
    for ((half, wanted), before) in data.iter_mut().zip([low, high]).zip(before) {
        // What we do not have ourselves we cannot give; the bounding set decides what an exec by root gains.
        half.permitted = wanted & before.permitted;
        half.effective = half.permitted;
    }
    rights::write(&data)
}

fn filter(program: &[FilterInstruction]) -> Result<(), Errno> {
    #[repr(C)]
    struct Program {
        length: u16,
        instructions: *const FilterInstruction,
    }
    let length = u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let program = Program { length, instructions: program.as_ptr() };
    // SAFETY: a sock_fprog whose instructions live and are only read.
    done(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
}
