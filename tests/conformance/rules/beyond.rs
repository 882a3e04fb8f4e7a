//! What podinit adds to Kubernetes' lifecycle, each asked for since years: keystones, order among main
//! containers, containers that say when they are ready, hooks with a timeout; and in-place resizes
//! (rules 108, 174, 175).

use std::time::Duration;

use podinit::pod::{AttemptId, Event, Phase, WaitingReason};
use podinit::sim::{Attempt, Entry, HookConduct, Rest};
use podinit::spec::RestartPolicy::{Always, Never, OnFailure};
use podinit::spec::{
    ContainerId, ExitCodeOperator, Hook, HookKind, Notify, ProbeKind, Profile, Quantity, ResizePolicy,
    Resources, RestartAction,
};

use crate::life::{Life, PodUnderTest, at, command_hook, exits, pod, probe, rule, runs, secs, stops_in};

fn keystone(pod: PodUnderTest, name: &str) -> PodUnderTest {
    pod.with(name, |container| container.keystone = true)
}

/// Its end for good ends the pod, in order, and decides how (kubernetes#25908).
#[test]
fn a_keystone_ends_the_pod() {
    for (code, phase) in [(0, Phase::Succeeded), (3, Phase::Failed)] {
        let pod = pod(Never).sidecar("proxy", stops_in(1)).main("job", exits(code, 10));
        let mut life = keystone(pod.main("helper", runs().stops(9, secs(2))), "job").begin();
        assert_eq!(life.run(), Some(code));
        assert_eq!((life.phase(), life.elapsed()), (phase, secs(13)));
        assert_eq!((life.trace().signalled("helper"), life.trace().signalled("proxy")), (at([10]), at([12])));
    }
}

/// What will be started again has not ended for good, and other containers end nothing.
#[test]
fn a_keystone_that_restarts_keeps_the_pod() {
    let pod = pod(OnFailure).main("job", [exits(1, 10), exits(0, 10)]).main("helper", exits(0, 5));
    let mut life = keystone(pod.main("other", runs()), "job").begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.starts("job"), life.elapsed()), (at([0, 10]), secs(20)));
    assert_eq!(life.phase(), Phase::Succeeded);
}

fn after(pod: PodUnderTest, name: &str, others: &[usize]) -> PodUnderTest {
    let others = others.iter().map(|position| ContainerId::at(*position)).collect();
    pod.with(name, |container| container.start_after = others)
}

/// A container starts when those that it names have started, startup probe and all (kubernetes#65502).
#[test]
fn mains_start_after_those_they_name() {
    let pod =
        pod(Always).main("web", runs()).main("database", runs().ready_after(secs(15))).main("other", runs());
    let pod = after(pod.probed("database", probe(0, 10)), "web", &[1]);
    let mut life = pod.begin();
    life.to(19);
    assert!(life.starts("web").is_empty());
    assert_eq!((life.phase(), life.starts("other")), (Phase::Pending, at([0])));
    life.to(30);
    assert_eq!((life.starts("web"), life.phase()), (at([20]), Phase::Running));
}

/// Only the first start waits: what has started once holds up nobody when it is started again.
#[test]
fn order_is_for_the_first_start() {
    let pod = pod(Always).main("database", [exits(1, 10), runs().ready_after(secs(1000))]);
    let pod = pod.probed("database", probe(0, 1000)).main("web", [exits(1, 12), runs()]);
    let mut life = after(pod, "web", &[0]).begin();
    life.to(30);
    assert_eq!((life.starts("database"), life.starts("web")), (at([0, 10]), at([0, 12])));
}

/// New surroundings, and a restart of all containers, begin everything anew: order too.
#[test]
fn order_holds_again_when_everything_starts_anew() {
    let pod =
        pod(Always).main("database", [exits(42, 40), runs()].map(|attempt| attempt.ready_after(secs(10))));
    let pod = after(pod.probed("database", probe(0, 10)).main("web", runs()), "web", &[0]);
    let restart = rule(RestartAction::RestartAllContainers, ExitCodeOperator::In, &[42]);
    let mut life = pod.rules("database", Always, &[restart]).begin();
    life.to(60);
    assert_eq!((life.starts("database"), life.starts("web")), (at([0, 40]), at([10, 50])));
    life.send(Event::SandboxLost);
    life.to(100);
    assert_eq!(life.starts("web")[2] - life.starts("database")[2], secs(10));
}

/// What ends well has done its work; what never starts keeps those from starting that name it.
#[test]
fn order_behind_what_ends() {
    for (code, starts) in [(0, at([5])), (4, Vec::new())] {
        let first = exits(code, 5).ready_after(secs(1000));
        let pod = pod(Never).main("first", first).probed("first", probe(0, 1000)).main("second", exits(0, 5));
        let mut life = after(pod, "second", &[0]).begin();
        assert_eq!(life.run(), Some(code));
        assert_eq!(life.starts("second"), starts);
    }
}

/// What is to become of containers that all name one another is worked out once for each, not once for each
/// way from one to another: sixty of them would hold up the supervisor for ever.
#[test]
fn order_of_many_that_name_all_before_them() {
    let count: usize = 60;
    for (code, expected) in [(4, 1), (0, count)] {
        let mut pod =
            pod(Never).main("0", exits(code, 5).ready_after(secs(1000))).probed("0", probe(0, 1000));
        for n in 1..count {
            pod = after(pod.main(&n.to_string(), exits(0, 1)), &n.to_string(), &(0..n).collect::<Vec<_>>());
        }
        let mut life = pod.begin();
        assert_eq!(life.run(), Some(code));
        let started = (0..count).filter(|n| !life.starts(&n.to_string()).is_empty()).count();
        assert_eq!(started, expected);
    }
}

/// A container that is stopped because it does not get ready has not started, however well it then ends.
#[test]
fn order_behind_what_was_stopped_for_its_startup_probe() {
    let first = [runs().ready_after(secs(1000)), runs()];
    let pod = pod(Always).main("first", first).probed("first", probe(5, 1)).main("second", runs());
    let mut life = after(pod, "second", &[0]).begin();
    life.run_until(|world| world.trace().started("second").len() == 1);
    assert_eq!((life.exits("first"), life.starts("first")), (at([5]), at([0, 5])));
    assert!(life.starts("second") >= at([6]), "{:?}", life.starts("second"));
}

/// Its work stays done when another supervisor takes over.
#[test]
fn order_behind_what_ended_under_another_supervisor() {
    let pod = || {
        let first = exits(0, 5).ready_after(secs(1000));
        let pod = pod(Never).main("first", first).probed("first", probe(0, 1000));
        let pod = pod.main("other", runs()).main("second", Attempt { start_takes: secs(2), ..exits(0, 5) });
        after(pod, "second", &[0])
    };
    let mut before = pod().begin();
    before.to(6);
    assert!(before.starts("second").is_empty());
    let status = before.status();
    let mut life = pod().restore(&status, secs(6));
    life.to(60);
    assert_eq!(life.starts("second"), at([8]));
}

fn notifying(attempt: Attempt) -> PodUnderTest {
    pod(Always).main("main", attempt).with("main", |container| container.notify = Some(Notify::Socket))
}

/// It has started when it says so, and its probes begin then.
#[test]
fn a_container_says_when_it_has_started() {
    let attempt = Attempt { notifies_after: Some(secs(7)), ..runs() };
    let mut life = notifying(attempt).live("main", probe(0, 1)).begin();
    for (seconds, started) in [(6, false), (7, true), (20, true)] {
        life.to(seconds);
        let status = life.container("main");
        assert_eq!((status.started, status.ready), (started, started), "at {seconds} s");
    }
    assert_eq!(life.trace().probed("main", ProbeKind::Liveness), at([7, 17]));
}

/// A sidecar that has not said it holds up what comes after it.
#[test]
fn a_sidecar_that_says_nothing_is_waited_for() {
    let silent = Attempt { notifies_after: None, ..runs() };
    let pod = pod(Always).sidecar("sidecar", silent).main("main", runs());
    let pod = pod.with("sidecar", |container| container.notify = Some(Notify::Descriptor(3)));
    let mut life = pod.begin();
    life.to(1000);
    assert!(life.starts("main").is_empty() && !life.container("sidecar").started);
    let attempt = AttemptId { container: ContainerId::at(0), attempt: 0 };
    life.send(Event::Notified { attempt, ready: true, status: String::new() });
    life.to(1001);
    assert_eq!(life.starts("main"), at([1000]));
}

/// What it takes back is its readiness, not its start.
#[test]
fn a_container_takes_its_readiness_back() {
    let mut life = notifying(runs()).begin();
    life.to(10);
    let attempt = AttemptId { container: ContainerId::at(0), attempt: 0 };
    for (ready, at) in [(false, 11), (true, 12), (false, 13)] {
        life.send(Event::Notified { attempt, ready, status: String::new() });
        life.to(at);
        let status = life.container("main");
        assert_eq!((status.started, status.ready), (true, ready));
    }
    assert_eq!(life.restarts("main"), 0);
}

fn timed(seconds: u64) -> Hook {
    Hook { timeout: Some(secs(seconds)), ..command_hook() }
}

/// Without a timeout in Kubernetes (kubernetes#99761): here one that takes too long has failed.
#[test]
fn a_hook_after_the_start_that_takes_too_long_has_failed() {
    for (takes, restarts) in [(4, 0), (6, 1)] {
        let slow = runs().post_start(HookConduct::takes(secs(takes)));
        let mut life = pod(Always).main("main", [slow, runs()]).post_start("main", timed(5)).begin();
        life.to(9);
        assert_eq!(life.restarts("main"), restarts, "{takes} s");
        assert_eq!(life.told("FailedPostStartHook"), usize::from(restarts > 0));
    }
}

/// The signal comes when the hook's own time is up, long before the grace is.
#[test]
fn a_hook_before_the_stop_has_no_longer_than_its_timeout() {
    for (takes, signalled) in [(HookConduct::takes(secs(3)), 13), (HookConduct::hangs(), 15)] {
        let mut life = pod(Always).main("main", runs().pre_stop(takes)).pre_stop("main", timed(5)).begin();
        life.to(10);
        life.delete();
        life.run();
        assert_eq!(life.trace().signalled("main"), at([signalled]));
        assert_eq!(life.told("FailedPreStopHook"), usize::from(signalled == 15));
    }
}

/// Killed at once, nothing is waited for, neither hook nor turn.
#[test]
fn a_kill_waits_for_nothing() {
    for kill_at in [10, 12] {
        let pod = pod(Always).sidecar("sidecar", runs().pre_stop(HookConduct::hangs()));
        let pod = pod.main("main", runs().ignores_term().pre_stop(HookConduct::hangs()));
        let mut life = pod.pre_stop("main", command_hook()).pre_stop("sidecar", command_hook()).begin();
        life.to(10);
        if kill_at > 10 {
            life.delete();
            life.to(kill_at);
        }
        life.send(Event::KillRequested);
        assert_eq!(life.run(), Some(137));
        assert_eq!((life.exits("main"), life.exits("sidecar")), (at([kill_at]), at([kill_at])));
        let hooks = life.trace().hooked("main", HookKind::PreStop).len();
        assert_eq!(hooks, usize::from(kill_at > 10), "at {kill_at} s");
    }
}

/// Somebody asks for a restart: whatever the policy, in its own grace and with its hook; nobody else.
#[test]
fn a_restart_that_is_asked_for() {
    for policy in [Always, OnFailure, Never] {
        let pod = pod(policy).main("main", stops_in(2)).main("other", runs());
        let pod = pod.pre_stop("main", command_hook());
        let mut life = pod.begin();
        life.to(10);
        life.send(Event::RestartRequested { container: ContainerId::at(0) });
        life.to(30);
        assert_eq!(life.trace().hooked("main", HookKind::PreStop), at([10]));
        assert_eq!((life.starts("main"), life.starts("other")), (at([0, 12]), at([0])), "{policy:?}");
    }
}

/// What waits for its back-off does not wait any longer once somebody asks.
#[test]
fn a_restart_that_is_asked_for_during_a_back_off() {
    let mut life = pod(Always).main("main", exits(1, 1)).main("other", runs()).begin();
    life.to(5);
    assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
    life.send(Event::RestartRequested { container: ContainerId::at(0) });
    life.to(8);
    assert_eq!(life.starts("main"), at([0, 1, 5]));
}

/// Nor is it forgotten while what the container left behind is being ended, or while the container is being
/// stopped in a way after which its policy would have been asked.
#[test]
fn a_restart_that_is_asked_for_during_an_end() {
    let lingering = Attempt { rest: Some(Rest { on_term: Some(secs(5)), lasts: None }), ..exits(1, 10) };
    let mut pods = vec![pod(Never).main("main", [lingering, runs()])];
    pods[0].pod.profile = Profile::Process;
    let failing = stops_in(5).post_start(HookConduct::fails(secs(10)));
    pods.push(pod(Never).main("main", [failing, runs()]).post_start("main", command_hook()));
    for pod in pods {
        let mut life = pod.main("other", runs()).begin();
        life.to(12);
        life.send(Event::RestartRequested { container: ContainerId::at(0) });
        life.to(30);
        assert_eq!(life.starts("main"), at([0, 15]));
    }
}

fn amounts(cpu: &str, memory: &str) -> Resources {
    let mut resources = Resources::default();
    resources.limits.cpu = Quantity::parse(cpu);
    resources.limits.memory = Quantity::parse(memory);
    resources.requests = resources.limits;
    resources
}

/// A pod of two containers of which the first is to have other amounts after ten seconds.
fn resized(attempt: Attempt, policy: ResizePolicy, to: Resources) -> Life {
    let pod = pod(Never).main("main", attempt).main("other", runs()).with("main", |container| {
        container.resources = amounts("1", "1Gi");
        container.resize_policy = policy;
    });
    let mut life = pod.begin();
    life.to(10);
    let mut changed = life.pod().clone();
    changed.containers[0].resources = to;
    life.send(Event::SpecChanged(Box::new(changed)));
    life
}

fn resizes(life: &Life) -> Vec<Duration> {
    let is_meant = |entry: &Entry| matches!(entry, Entry::Resizing(name) if **name == *"main");
    life.trace().iter().filter(|(_, entry)| is_meant(entry)).map(|(at, _)| *at).collect()
}

/// Whether a changed amount restarts the container is said for each resource.
#[test]
fn rule_174_what_a_changed_amount_does() {
    let cpu = amounts("2", "1Gi");
    let memory = amounts("1", "2Gi");
    let both = amounts("2", "2Gi");
    let same = amounts("1", "1Gi");
    for (cpu_restarts, memory_restarts, to, restarts, resized_in_place) in [
        (false, false, cpu, false, true),
        (false, false, both, false, true),
        (true, false, cpu, true, false),
        (true, false, memory, false, true),
        (false, true, memory, true, false),
        (false, true, both, true, false),
        (true, true, same, false, false),
    ] {
        let policy = ResizePolicy { cpu_restarts, memory_restarts };
        let mut life = resized(runs(), policy, to);
        life.to(60);
        assert_eq!(life.starts("main").len() == 2, restarts, "{policy:?} {to:?}");
        assert_eq!(resizes(&life), if resized_in_place { at([10]) } else { Vec::new() }, "{policy:?} {to:?}");
        assert_eq!(life.starts("other"), at([0]));
    }
}

/// What cannot be given is asked for again, and the container stays what it is (rule 175).
#[test]
fn rule_175_a_resize_that_fails_is_tried_again() {
    let stubborn = Attempt { resize_fails: true, ..runs() };
    let mut life = resized(stubborn, ResizePolicy::default(), amounts("1", "100Mi"));
    life.to(35);
    assert_eq!(resizes(&life), at([10, 20, 30]));
    assert_eq!((life.restarts("main"), life.told("ResizeError")), (0, 3));
}

/// Told once when it begins and once when it is done.
#[test]
fn rule_130_a_resize_is_told() {
    let mut life = resized(runs(), ResizePolicy::default(), amounts("2", "1Gi"));
    life.to(60);
    assert_eq!((life.told("ResizeStarted"), life.told("ResizeCompleted")), (1, 1));
}

/// Other amounts begin the back-off anew, as another image does.
#[test]
fn rule_108_other_amounts_begin_the_back_off_anew() {
    let pod = pod(Always).main("main", exits(1, 1)).main("other", runs());
    let mut life = pod.begin();
    life.to(30);
    assert_eq!(life.starts("main"), at([0, 1, 12]));
    let mut changed = life.pod().clone();
    changed.containers[0].resources = amounts("1", "1Gi");
    life.send(Event::SpecChanged(Box::new(changed)));
    life.to(60);
    assert_eq!(life.starts("main")[3..], at([30, 41]));
}
