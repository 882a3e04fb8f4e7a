//! Hooks after the start and before the stop (rules 67 to 76, 79 to 82).

use std::time::Duration;

use podinit::pod::TerminatedReason::{Completed, Error};
use podinit::pod::{Phase, PodEvent, Signal};
use podinit::sim::{Entry, HookConduct};
use podinit::spec::RestartPolicy::{Always, Never};
use podinit::spec::{HookHandler, HookKind};

use crate::life::Step::Exited;
use crate::life::{Life, PodUnderTest, at, command_hook, exits, hook, pod, probe, runs, secs, stops_in};

fn takes(seconds: u64) -> HookConduct {
    HookConduct::takes(secs(seconds))
}

fn hooks_began(life: &Life, name: &str, kind: HookKind) -> Vec<Duration> {
    life.trace().hooked(name, kind)
}

#[test]
fn cl_016_post_start_of_a_main_runs_after_the_inits_and_beside_the_main() {
    let pod = pod(Never).init("init-1", exits(0, 1)).main("regular-1", exits(0, 10).post_start(takes(1)));
    let mut life = pod.post_start("regular-1", command_hook()).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.exits("init-1"), at([1]));
    assert_eq!(hooks_began(&life, "regular-1", HookKind::PostStart), at([1]));
    assert_eq!(life.exits("regular-1"), at([11]), "it ran all the while");
}

#[test]
fn cl_018_post_start_holds_back_the_next_main() {
    let pod = pod(Never).main("regular-1", exits(0, 10).post_start(takes(1))).main("regular-2", exits(0, 1));
    let mut life = pod.post_start("regular-1", command_hook()).begin();
    life.to(0);
    assert_eq!(life.phase(), Phase::Pending, "one main is not there yet (rule 120)");
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.starts("regular-2"), at([1]));
}

/// The hook is cut at the grace period, then the stop signal and two seconds.
#[test]
fn cl_024_a_hook_that_takes_too_long_is_cut_at_the_grace_period() {
    let deaf = runs().ignores_term().pre_stop(takes(10_000));
    let mut life = pod(Always).main("regular-1", deaf).pre_stop("regular-1", command_hook()).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(life.trace().signalled("regular-1"), at([40]));
    assert_eq!(life.exits("regular-1"), at([42]));
    assert!(told(&life, "FailedPreStopHook"));
}

fn told(life: &Life, reason: &str) -> bool {
    life.trace().iter().any(|(_, entry)| matches!(entry, Entry::Event(event) if event.reason() == reason))
}

#[test]
fn cl_025_pre_stop_when_the_startup_probe_failed() {
    let main = exits(0, 100).stops(0, secs(15)).ready_after(secs(10_000)).pre_stop(takes(1));
    let pod = pod(Never).main("regular-1", main).probed("regular-1", probe(10, 1));
    let mut life = pod.pre_stop("regular-1", command_hook()).begin();
    assert!(life.run().is_some());
    assert_eq!(hooks_began(&life, "regular-1", HookKind::PreStop), at([10]));
    assert_eq!(life.trace().signalled("regular-1"), at([11]));
    assert_eq!(life.exits("regular-1"), at([26]));
}

/// Three sidecars with such hooks and containers beside a main container that ends after 5 s.
fn three_sidecars(hook: HookConduct, stop: u64) -> PodUnderTest {
    let mut pod = pod(Never);
    for name in ["sidecar-1", "sidecar-2", "sidecar-3"] {
        pod = pod.sidecar(name, exits(0, 60).stops(0, secs(stop)).pre_stop(hook));
        pod = pod.pre_stop(name, command_hook());
    }
    pod.main("regular-1", exits(0, 5))
}

#[test]
fn cl_119_hooks_of_sidecars_that_never_end() {
    let mut life = three_sidecars(HookConduct::hangs(), 5).begin();
    assert_eq!(life.run(), Some(0));
    for name in ["sidecar-1", "sidecar-2", "sidecar-3"] {
        assert_eq!(life.ended(name), Some((137, Error)), "{name}");
        assert_eq!(hooks_began(&life, name, HookKind::PreStop), at([5]));
        assert_eq!(life.trace().signalled(name), at([35]), "30 s of grace");
        assert_eq!(life.exits(name), at([37]), "and the minimum of 2 s");
    }
}

#[test]
fn cl_120_hooks_of_sidecars_run_at_the_same_time() {
    let mut life = three_sidecars(takes(1), 5).begin();
    assert_eq!(life.run(), Some(0));
    for name in ["sidecar-1", "sidecar-2", "sidecar-3"] {
        assert_eq!(hooks_began(&life, name, HookKind::PreStop), at([5]), "{name}");
        assert_eq!(life.ended(name), Some((0, Completed)), "{name}");
    }
    life.in_order(&[Exited("regular-1"), Exited("sidecar-3"), Exited("sidecar-2"), Exited("sidecar-1")]);
    assert_eq!(life.exits("sidecar-3"), at([11]), "a second for its hook, five to stop");
}

#[test]
fn cl_124_a_failing_hook_does_not_change_a_sidecar_s_result() {
    let pod = pod(Never)
        .sidecar("sidecar-1", stops_in(1))
        .sidecar("sidecar-2", stops_in(1).pre_stop(HookConduct::fails(secs(1))))
        .sidecar("sidecar-3", stops_in(1));
    let mut life = pod.pre_stop("sidecar-2", command_hook()).main("regular-1", runs()).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    for name in ["sidecar-1", "sidecar-2", "sidecar-3"] {
        assert_eq!(life.ended(name), Some((0, Completed)), "{name}");
    }
    assert!(told(&life, "FailedPreStopHook"));
}

#[test]
fn cl_127_a_main_s_hook_that_exceeds_the_grace_fails_the_pod() {
    let pod = pod(Never)
        .grace(5)
        .sidecar("sidecar-1", stops_in(1))
        .sidecar("sidecar-2", stops_in(20))
        .sidecar("sidecar-3", stops_in(1));
    let pod = pod.main("regular-1", stops_in(20).pre_stop(takes(20)));
    let mut life = pod.pre_stop("regular-1", command_hook()).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(137));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!(life.ended("regular-1"), Some((137, Error)));
    assert_eq!(life.ended("sidecar-1"), Some((0, Completed)));
    assert_eq!(life.ended("sidecar-2"), Some((137, Error)));
    assert_eq!(life.ended("sidecar-3"), Some((0, Completed)));
}

#[test]
fn cl_128_a_sidecar_s_hook_that_exceeds_the_grace_does_not_fail_the_pod() {
    let pod = pod(Never)
        .grace(5)
        .sidecar("sidecar-1", stops_in(1).pre_stop(takes(1)))
        .sidecar("sidecar-2", stops_in(20).pre_stop(takes(30)))
        .sidecar("sidecar-3", stops_in(1).pre_stop(takes(1)));
    let pod = ["sidecar-1", "sidecar-2", "sidecar-3"]
        .iter()
        .fold(pod, |pod, name| pod.pre_stop(name, command_hook()));
    let mut life = pod.main("regular-1", stops_in(1)).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    assert_eq!(life.ended("regular-1"), Some((0, Completed)));
    assert_eq!(life.ended("sidecar-1"), Some((0, Completed)));
    assert_eq!(life.ended("sidecar-2"), Some((137, Error)));
    assert_eq!(life.ended("sidecar-3"), Some((0, Completed)));
}

#[test]
fn hook_013_pre_stop_sleep() {
    let pod = pod(Always).grace(100).main("pause", runs());
    let mut life = pod.pre_stop("pause", hook(HookHandler::Sleep(secs(50)))).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(life.exits("pause"), at([60]));
}

#[test]
fn hook_014_a_shorter_grace_at_deletion_cuts_the_sleep() {
    let pod = pod(Always).grace(100).main("pause", runs());
    let mut life = pod.pre_stop("pause", hook(HookHandler::Sleep(secs(50)))).begin();
    life.to(10);
    life.delete_within(30);
    life.run();
    assert_eq!(life.exits("pause"), at([40]));
}

#[test]
fn hook_015_no_hook_for_a_container_that_ends_by_itself() {
    let pod = pod(Never).main("main", exits(0, 3));
    let mut life = pod.pre_stop("main", hook(HookHandler::Sleep(secs(10)))).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.elapsed(), secs(3));
}

/// Upstream only asks whether it is accepted. Here it is also what the container is stopped by.
#[test]
fn hook_017_a_stop_signal_of_its_own() {
    let pod =
        pod(Never).main("main", runs()).with("main", |container| container.stop_signal = Some(Signal::INT));
    let mut life = pod.begin();
    life.to(1);
    assert_eq!(life.phase(), Phase::Running);
    life.delete();
    assert_eq!(life.run(), Some(0), "it ends for SIGINT; for SIGTERM it would have been killed");
    let killed = |event: &PodEvent| event.reason() == "ExceededGracePeriod";
    assert!(!life.trace().iter().any(|(_, entry)| matches!(entry, Entry::Event(event) if killed(event))));
}
