//! The user namespace of a pod of an ordinary user: which ids it has, and entering it.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getegid, geteuid};

use crate::plan::{self, Accounts, Fact, Ids};
use crate::runtime::{cause, facts};
use crate::spec::Capability;
use crate::sys::{self, Birth, ChildOp, CommandLine, Memory, Namespaces};

/// Whether this process may make namespaces other than of users: CAP_SYS_ADMIN is effective.
pub(crate) fn is_privileged() -> bool {
    sys::effective_capabilities().unwrap_or(0) & 1 << Capability::SYS_ADMIN.number() != 0
}

/// Supplementary groups of this process.
pub(crate) fn own_groups() -> Vec<u32> {
    let groups = nix::unistd::getgroups().unwrap_or_default();
    groups.into_iter().map(nix::unistd::Gid::as_raw).collect()
}

/// Leaves this user's namespace for one in which he is root, together with other namespaces. For ever: what
/// only the user himself can open has to be open.
pub(crate) fn enter(others: Namespaces) -> Result<Ids, String> {
    let (user, group) = (geteuid(), getegid());
    let ranges = subordinate(user.as_raw(), "/etc/subuid").zip(subordinate(user.as_raw(), "/etc/subgid"));
    let mut helpers = match ranges {
        Some((users, groups)) => Helpers::start(user.as_raw(), users, group.as_raw(), groups),
        None => None,
    };
    if let Err(errno) = sys::unshare(Namespaces::USER.and(others)) {
        drop(helpers.take());
        let remedy = plan::remedy(Fact::UserNamespace, errno as i32, &facts::signs());
        return Err(format!(
            "cannot make a user namespace: {}; {remedy}; or run the pod without isolation: `--profile process`",
            cause(errno)
        ));
    }
    if let Some(helpers) = helpers
        && let Some(count) = helpers.finish()
    {
        return Ok(Ids::Below(count));
    }
    map_single(user.as_raw(), group.as_raw())
        .map_err(|error| format!("cannot map user {user} to root of a user namespace: {}", cause(error)))?;
    Ok(Ids::Single)
}

/// This user is root of the user namespace that was just entered, and nobody else is there.
pub(crate) fn map_single(user: u32, group: u32) -> io::Result<()> {
    // The files of /proc belong to root while this process cannot be dumped (proc(5)). There is nobody yet
    // who could look into it.
    let _ = nix::sys::prctl::set_dumpable(true);
    let mapped = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")));
    let _ = nix::sys::prctl::set_dumpable(false);
    mapped
}

/// A user's range of ids in a file such as /etc/subuid: its first and how many (subuid(5)).
pub(crate) fn subordinate(user: u32, file: &str) -> Option<(u32, u32)> {
    let text = fs::read_to_string(file).ok()?;
    let passwd = fs::read("/etc/passwd").unwrap_or_default();
    let name =
        Accounts::parse(&passwd, b"").name_of(user).map(|name| String::from_utf8_lossy(name).into_owned());
    let number = user.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let whose = fields.next()?;
        let range = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (whose == number || Some(whose) == name.as_deref()).then_some(range).filter(|(_, count)| *count > 0)
    })
}

/// newuidmap and newgidmap on their way: they are made outside of the namespace, and wait until it is there.
struct Helpers {
    begin: EventFd,
    children: Vec<i32>,
    count: u32,
}

impl Helpers {
    /// `None` where one of them cannot be started.
    fn start(user: u32, users: (u32, u32), group: u32, groups: (u32, u32)) -> Option<Self> {
        let program = |name: &str| CString::new(facts::program(name)?).ok();
        let Some((of_users, of_groups)) = program("newuidmap").zip(program("newgidmap")) else {
            log::warn!(
                "this user has a range of ids in /etc/subuid, but newuidmap is not installed (package uidmap): \
                 only user 0 is in the pod"
            );
            return None;
        };
        let count = users.1.min(groups.1).min(65_535);
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_SEMAPHORE;
        let mut helpers =
            Self { begin: EventFd::from_value_and_flags(0, flags).ok()?, children: Vec::new(), count };
        for (program, name, own, first) in
            [(of_users, "newuidmap", user, users.0), (of_groups, "newgidmap", group, groups.0)]
        {
            let numbers = [std::process::id(), 0, own, 1, 1, first, count];
            let words = std::iter::once(name.to_owned()).chain(numbers.iter().map(u32::to_string));
            let words = words.filter_map(|word| CString::new(word).ok()).collect();
            let ops = [ChildOp::DieWithParent, ChildOp::Await { event: helpers.begin.as_raw_fd() }];
            let mut command = CommandLine::new(vec![program], words, Vec::new());
            let spawned = sys::spawn(&ops, &mut command, Birth::plain(Memory::Copied)).ok()?;
            helpers.children.push(spawned.pid);
        }
        Some(helpers)
    }

    /// Lets them go on, and waits for them. How many ids there are, if both did their work.
    fn finish(mut self) -> Option<u32> {
        for _ in &self.children {
            self.begin.write(1).ok()?;
        }
        let mut succeeded = true;
        for child in std::mem::take(&mut self.children) {
            succeeded &= ended_well(child);
        }
        if !succeeded {
            log::warn!("newuidmap or newgidmap failed: only user 0 is in the pod");
        }
        succeeded.then_some(self.count + 1)
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        for child in std::mem::take(&mut self.children) {
            let _ = nix::sys::signal::kill(Pid::from_raw(child), nix::sys::signal::Signal::SIGKILL);
            ended_well(child);
        }
    }
}

/// Waits for a child that does one short thing. Nothing of the pod runs yet.
fn ended_well(child: i32) -> bool {
    loop {
        match waitpid(Pid::from_raw(child), Some(WaitPidFlag::empty())) {
            Ok(WaitStatus::Exited(_, code)) => return code == 0,
            Err(nix::errno::Errno::EINTR) => {}
            Ok(_) | Err(_) => return false,
        }
    }
}
