//! What is left of an attempt when its main process has ended, as far as /proc tells. Where there is
//! neither a cgroup nor a pid namespace to go by, a process belongs to an attempt if it is in the
//! session or process group that the attempt's main process led, or carries the attempt's marker in
//! its environment. The supervisor is PID 1 or a subreaper: whatever has lost its parent is its child.

use std::fs;
use std::os::fd::AsFd;

use nix::errno::Errno;

use super::cause;
use crate::sys;

/// How an attempt's processes are known.
#[derive(Clone, Debug)]
pub(crate) struct Traces<'a> {
    /// Process id of its main process, which led a session and a process group of this number.
    pub(crate) leader: i32,
    /// Value of PODINIT_ATTEMPT in the environment of its processes.
    pub(crate) marker: &'a str,
    /// What the markers of all attempts of this pod begin with.
    pub(crate) pod: &'a str,
}

/// The supervisor's children, from the kernel's own list; `None` where /proc is not there or does not
/// list them.
pub(crate) fn own_children() -> Option<Vec<i32>> {
    // The supervisor has one thread, whose children these are.
    parse(&fs::read("/proc/thread-self/children").ok()?)
}

/// Whether the process belongs to the attempt. A marker of this pod decides where there is one; a
/// podinit in the container gives its own containers other ones.
pub(crate) fn belongs(pid: i32, traces: &Traces<'_>) -> bool {
    match marker_of(pid).filter(|marker| marker.starts_with(traces.pod.as_bytes())) {
        Some(marker) => marker == traces.marker.as_bytes(),
        None => {
            group_and_session(pid).is_some_and(|(group, session)| [group, session].contains(&traces.leader))
        }
    }
}

/// A process and the parent it was found under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descendant {
    pub(crate) pid: i32,
    parent: i32,
}

/// These children of the supervisor and everything they have started, as far as it is still theirs.
pub(crate) fn with_descendants(children: impl IntoIterator<Item = i32>) -> Vec<Descendant> {
    let mut found: Vec<_> = children.into_iter().map(|pid| Descendant { pid, parent: own_pid() }).collect();
    let mut next = 0;
    while let Some(Descendant { pid, .. }) = found.get(next).copied() {
        found.extend(children_of(pid).into_iter().map(|child| Descendant { pid: child, parent: pid }));
        next += 1;
    }
    found
}

/// Sends a signal to each of these processes. A child of the supervisor keeps its number until it is
/// reaped; of another process the number may have come to mean a stranger, which then has another parent.
pub(crate) fn signal(processes: &[Descendant], signal: i32) {
    for Descendant { pid, parent } in processes {
        let Ok(process) = sys::pidfd_open(*pid) else { continue };
        let is_meant = *parent == own_pid() || stat(*pid).is_some_and(|stat| stat.parent == *parent);
        if is_meant && sys::send_signal(process.as_fd(), signal).is_err_and(|error| is_denied(&error)) {
            log::warn!("cannot signal process {pid}: {}", cause(Errno::EPERM));
        }
    }
}

fn own_pid() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

fn is_denied(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EPERM as i32)
}

/// The children of a process, as far as /proc tells.
pub(crate) fn children_of(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.filter_map(|thread| fs::read(thread.ok()?.path().join("children")).ok());
    lists.filter_map(|list| parse(&list)).flatten().collect()
}

fn parse(list: &[u8]) -> Option<Vec<i32>> {
    std::str::from_utf8(list).ok()?.split_ascii_whitespace().map(|pid| pid.parse().ok()).collect()
}

/// Value of the marker variable, if the environment can be read and has one.
fn marker_of(pid: i32) -> Option<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|byte| *byte == 0);
    variables.find_map(|variable| variable.strip_prefix(b"PODINIT_ATTEMPT=")).map(<[u8]>::to_vec)
}

/// Whether the process is in the supervisor's process group.
pub(crate) fn is_in_own_group(pid: i32) -> bool {
    group_and_session(pid).is_some_and(|(group, _)| group == nix::unistd::getpgrp().as_raw())
}

fn group_and_session(pid: i32) -> Option<(i32, i32)> {
    let fields = stat(pid)?;
    Some((fields.group, fields.session))
}

struct Stat {
    parent: i32,
    group: i32,
    session: i32,
}

/// proc_pid_stat(5): the name in parentheses may contain anything, so that the fields are counted from
/// its end.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let text = std::str::from_utf8(text.get(end + 1..)?).ok()?;
    let mut fields = text.split_ascii_whitespace().skip(1).map(str::parse);
    let mut next = || fields.next()?.ok();
    Some(Stat { parent: next()?, group: next()?, session: next()? })
}
