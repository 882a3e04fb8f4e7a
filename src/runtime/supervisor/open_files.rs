//! How many files the supervisor may have open: enough for the pod, where the system allows it (RES-10).

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::spec::{HookKind, Pod, ProbeKind};

/// Raises the soft limit of open files to the hard one where the pod's pipes may not fit. Returns what
/// it was.
pub(super) fn raise(pod: &Pod) -> Option<u64> {
    let wanted = pod.iter().map(|(_, _, container)| {
        let probes = ProbeKind::ALL.into_iter().filter(|kind| container.probe(*kind).is_some()).count();
        let hooks = [HookKind::PostStart, HookKind::PreStop]
            .into_iter()
            .filter(|kind| container.hook(*kind).is_some())
            .count();
        // Two pipes, a pidfd and a start report; a control group, its end; where it says that it is ready;
        // a process, a pipe and a start report for each run.
        6 + usize::from(container.notify.is_some()) + 3 * (probes + hooks)
    });
    // And what the supervisor needs.
    let wanted = wanted.sum::<usize>() as u64 + 64;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    (soft < wanted && soft < hard).then_some(())?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    Some(soft)
}
