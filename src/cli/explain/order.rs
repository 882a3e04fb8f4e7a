//! In which order containers start and stop, and how the pod ends, in words. Knows the pod's rules, not its
//! manifest.

use super::report::Step;
use super::values;
use crate::spec::{Container, ContainerKind, Pod, RestartPolicy, Signal};

fn kind_word(kind: ContainerKind) -> &'static str {
    match kind {
        ContainerKind::Init => "init container",
        ContainerKind::Sidecar => "sidecar",
        ContainerKind::Main => "main container",
        ContainerKind::Ephemeral => "ephemeral container",
    }
}

/// Several things as a sentence has them: "a, b and c".
fn list(names: &[&str]) -> String {
    match names {
        [rest @ .., last] if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        names => names.concat(),
    }
}

/// "has" or "have", as it fits so many.
fn has(names: &[&str]) -> &'static str {
    if names.len() == 1 { "has" } else { "have" }
}

/// What has to happen before the container counts as started (rule 7).
fn gate(container: &Container) -> String {
    let gates = [
        container.post_start.is_some().then_some("its postStart hook is done"),
        container.notify.is_some().then_some("it has said that it is ready"),
        container.startup_probe.is_some().then_some("its startup probe has succeeded"),
    ];
    let gates: Vec<&str> = gates.into_iter().flatten().collect();
    if gates.is_empty() { "it has started".to_owned() } else { list(&gates) }
}

pub(super) fn start(pod: &Pod) -> Vec<Step> {
    let step = |(_, kind, container): (_, ContainerKind, &Container)| Step {
        name: container.name.to_string(),
        kind: kind_word(kind),
        what: match kind {
            ContainerKind::Init => "runs to its end; the next starts when it has exited with 0".to_owned(),
            ContainerKind::Sidecar => format!("is kept running; the next starts when {}", gate(container)),
            ContainerKind::Main | ContainerKind::Ephemeral => main(pod, container),
        },
    };
    pod.iter().map(step).collect()
}

fn main(pod: &Pod, container: &Container) -> String {
    let before = container.start_after.iter().filter_map(|id| pod.container(*id));
    let before: Vec<&Container> = before.collect();
    let names: Vec<&str> = before.iter().map(|container| &*container.name).collect();
    match before.as_slice() {
        [] if pod.containers.len() > 1 => first(pod, container),
        [] => "the pod lasts as long as this".to_owned(),
        [only] if has_gate(only) => format!("starts after {}: when {}", only.name, gate(only)),
        _ => format!("starts when {} {} started", list(&names), has(&names)),
    }
}

/// A main container that waits for no other.
fn first(pod: &Pod, container: &Container) -> String {
    let free = pod.containers.iter().filter(|other| other.start_after.is_empty());
    let names: Vec<&str> = free.map(|other| &*other.name).filter(|name| *name != &*container.name).collect();
    match names.as_slice() {
        [] => "starts before the other main containers".to_owned(),
        names if names.len() + 1 == pod.containers.len() => {
            "starts together with the other main containers".to_owned()
        }
        names => format!("starts together with {}", list(names)),
    }
}

fn has_gate(container: &Container) -> bool {
    container.post_start.is_some() || container.notify.is_some() || container.startup_probe.is_some()
}

/// The main containers first, then the sidecars in reverse order (rule 81). The hooks of all run at once
/// (rule 80).
pub(super) fn stop(pod: &Pod) -> Vec<Step> {
    let mut before: Vec<&str> = pod.containers.iter().map(|container| &*container.name).collect();
    let signal = |container: &Container| container.stop_signal.unwrap_or(Signal::TERM);
    let step = |container: &Container, kind, what| Step {
        name: container.name.to_string(),
        kind: kind_word(kind),
        what,
    };
    let mut steps: Vec<Step> = Vec::new();
    for container in &pod.containers {
        let when = match container.pre_stop {
            Some(_) => "when its preStop hook is done",
            None => "at once",
        };
        let what = format!("gets {} {when}", signal(container));
        steps.push(step(container, ContainerKind::Main, what));
    }
    let sidecars = pod.init_containers.iter().filter(|c| c.kind_among_init() == ContainerKind::Sidecar);
    for sidecar in sidecars.rev() {
        let hook = match sidecar.pre_stop {
            Some(_) => ", and its preStop hook, which runs at once, is done",
            None => "",
        };
        let names = (list(&before), has(&before));
        let what = format!("gets {} when {} {} ended{hook}", signal(sidecar), names.0, names.1);
        steps.push(step(sidecar, ContainerKind::Sidecar, what));
        before = vec![&sidecar.name];
    }
    steps
}

pub(super) fn end(pod: &Pod) -> Vec<String> {
    let grace = values::seconds(pod.termination_grace_period);
    let mains: Vec<&str> = pod.containers.iter().map(|container| &*container.name).collect();
    let keystones = pod.containers.iter().filter(|container| container.keystone);
    let keystones: Vec<&str> = keystones.map(|container| &*container.name).collect();
    // Under another policy it is tried until it succeeds (rule 21).
    let fails_the_pod =
        |c: &&Container| c.restart_policy.unwrap_or(pod.restart_policy) == RestartPolicy::Never;
    let init = pod.init_containers.iter().filter(|c| c.kind_among_init() == ContainerKind::Init);
    let init: Vec<&str> = init.filter(fails_the_pod).map(|container| &*container.name).collect();
    let keystone = match keystones.as_slice() {
        [] => String::new(),
        [one] => format!(", as soon as {one} alone has"),
        several => format!(", as soon as one of {} has", list(several)),
    };
    let verb = has(&mains);
    let mut said = vec![
        format!("The pod stops when {} {verb} ended for good{keystone}, and by TERM or INT.", list(&mains)),
        format!("All containers share {grace}; what is left then gets SIGKILL."),
    ];
    if let Some(deadline) = pod.active_deadline {
        said.push(format!("It fails and stops when it has been active for {}.", values::seconds(deadline)));
    }
    said.extend(pod.job.map(|job| match (job.backoff_limit, job.active_deadline) {
        (0, None) => "It is tried once, whether it fails or not.".to_owned(),
        (0, Some(limit)) => format!("It is tried once, for {} at most.", values::seconds(limit)),
        (limit, None) => format!("When it fails it is tried again, up to {limit} times."),
        (limit, Some(time)) => {
            format!(
                "When it fails it is tried again, up to {limit} times and for {} in all.",
                values::seconds(time)
            )
        }
    }));
    let of_init = match init.as_slice() {
        [] => String::new(),
        [only] => format!(", or of {only} if that fails"),
        several => format!(", or of the one of {} that fails", list(several)),
    };
    said.push(match mains.as_slice() {
        [main] => format!("podinit exits with the code of {main}{of_init}."),
        mains => format!("podinit exits with the code of the first of {} that fails{of_init}.", list(mains)),
    });
    let of_keystone = |which| format!("Where the end of {which} ends the pod, the code is that one's.");
    said.extend(match keystones.as_slice() {
        _ if mains.len() == 1 => None,
        [] => None,
        [one] => Some(of_keystone(one.to_string())),
        several => Some(of_keystone(format!("one of {}", list(several)))),
    });
    said
}
