//! The end of a pod: who is told to stop when, how long each has, and what the ends make of the pod
//! (rules 77 to 87).

use std::time::Duration;

use podinit::pod::TerminatedReason::{Completed, Error};
use podinit::pod::{Event, Phase};
use podinit::spec::RestartPolicy::{Always, Never};

use crate::life::Step::{Exited, Signalled, Started, Starting};
use crate::life::{Life, at, exits, pod, probe, runs, secs, stops_in};

#[test]
fn cl_115_sidecars_stop_in_reverse_order() {
    let slow = || exits(0, 60).stops(0, secs(5));
    let pod = pod(Never).sidecar("sidecar-1", slow()).sidecar("sidecar-2", slow());
    let mut life = pod.sidecar("sidecar-3", slow()).main("regular-1", exits(0, 5)).begin();
    assert_eq!(life.run(), Some(0));
    life.in_order(&[
        Started("sidecar-1"),
        Starting("sidecar-2"),
        Started("sidecar-2"),
        Starting("sidecar-3"),
        Started("sidecar-3"),
        Starting("regular-1"),
        Exited("regular-1"),
        Signalled("sidecar-3"),
        Exited("sidecar-3"),
        Signalled("sidecar-2"),
        Exited("sidecar-2"),
        Signalled("sidecar-1"),
        Exited("sidecar-1"),
    ]);
    assert_eq!(life.exits("sidecar-1"), at([20]));
    for sidecar in ["sidecar-1", "sidecar-2", "sidecar-3"] {
        assert_eq!(life.ended(sidecar), Some((0, Completed)), "{sidecar}");
    }
}

#[test]
fn cl_123_a_sidecar_that_fails_when_stopped_does_not_fail_the_pod() {
    let pod = pod(Never)
        .sidecar("sidecar-1", stops_in(1))
        .sidecar("sidecar-2", stops_in(1).stops(1, secs(1)))
        .sidecar("sidecar-3", stops_in(1));
    let mut life = pod.main("regular-1", runs()).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    assert_eq!(life.ended("regular-1"), Some((0, Completed)));
    assert_eq!(life.ended("sidecar-1"), Some((0, Completed)));
    assert_eq!(life.ended("sidecar-2"), Some((1, Error)));
    assert_eq!(life.ended("sidecar-3"), Some((0, Completed)));
}

/// The main container uses all of the grace; the sidecars are then signalled together and have 2 s.
#[test]
fn cl_125_a_main_that_exceeds_the_grace_fails_the_pod() {
    let pod = pod(Never)
        .grace(5)
        .sidecar("sidecar-1", stops_in(20))
        .sidecar("sidecar-2", stops_in(1))
        .sidecar("sidecar-3", stops_in(20));
    let mut life = pod.main("regular-1", stops_in(20)).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(137));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!(life.ended("regular-1"), Some((137, Error)));
    assert_eq!(life.ended("sidecar-1"), Some((137, Error)));
    assert_eq!(life.ended("sidecar-2"), Some((0, Completed)));
    assert_eq!(life.ended("sidecar-3"), Some((137, Error)));
    assert_eq!(life.exits("regular-1"), at([15]));
    assert_eq!(life.trace().signalled("sidecar-2"), at([15]));
    assert_eq!(life.exits("sidecar-2"), at([16]));
    assert_eq!((life.exits("sidecar-1"), life.exits("sidecar-3")), (at([17]), at([17])));
}

#[test]
fn u_term_001_a_sidecar_waits_for_the_main() {
    let mut life = pod(Always).sidecar("sidecar", runs()).main("main", stops_in(1)).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(life.trace().signalled("main"), at([10]));
    assert_eq!(life.trace().signalled("sidecar"), at([11]));
}

/// The row gives whole seconds because upstream cuts them off; the turns themselves come at 1.25 s each.
#[test]
fn u_term_002_sidecars_wait_for_those_after_them() {
    let slow = || runs().stops(0, Duration::from_millis(1250));
    let pod = pod(Always).sidecar("sc1", slow()).sidecar("sc2", slow()).sidecar("sc3", slow());
    let mut life = pod.main("main", slow()).begin();
    life.to(10);
    life.delete();
    life.run();
    let waits = |name| -> Vec<_> {
        let signalled = life.trace().signalled(name);
        signalled.into_iter().map(|at| (at - secs(10)).as_millis()).collect()
    };
    assert_eq!(waits("main"), [0]);
    assert_eq!(waits("sc3"), [1250]);
    assert_eq!(waits("sc2"), [2500]);
    assert_eq!(waits("sc1"), [3750]);
}

/// How long a container that does not listen has from its stop signal to SIGKILL.
fn window(life: &Life, name: &str) -> u64 {
    let (signalled, killed) = (life.trace().signalled(name), life.trace().killed(name));
    assert_eq!((signalled.len(), killed.len()), (1, 1));
    (killed[0] - signalled[0]).as_secs()
}

/// A pod always has a grace here; the least it can be is 0.
#[test]
fn u_grace_001_the_minimum_is_two_seconds() {
    let mut life = pod(Always).grace(0).main("main", runs().ignores_term()).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(window(&life, "main"), 2);
}

#[test]
fn u_grace_002_the_pods() {
    let mut life = pod(Always).grace(60).main("main", runs().ignores_term()).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(window(&life, "main"), 60);
}

/// A pod with a grace of 60 s whose startup probe has one of 10 s and fails after 300 s.
fn with_grace_of_startup_probe() -> Life {
    let mut probe = probe(300, 1);
    probe.termination_grace_period = Some(secs(10));
    let mut attempt = runs().ignores_term();
    attempt.ready_after = secs(10_000);
    let pod = pod(Always).grace(60).main("main", attempt).probed("main", probe);
    pod.main("other", runs()).image("main", "v1").begin()
}

#[test]
fn u_grace_004_the_startup_probes_for_its_own_kill() {
    let mut life = with_grace_of_startup_probe();
    life.to(320);
    assert_eq!(life.trace().signalled("main"), at([300]));
    assert_eq!(window(&life, "main"), 10);
}

#[test]
fn u_grace_008_the_pods_for_another_kill() {
    let mut life = with_grace_of_startup_probe();
    life.to(10);
    life.change_image("main", "v2");
    life.to(100);
    assert_eq!(window(&life, "main"), 60);

    let mut life = with_grace_of_startup_probe();
    life.to(10);
    let (container, _, _) = life.pod().iter().next().unwrap();
    life.send(Event::RestartRequested { container });
    life.to(100);
    assert_eq!(window(&life, "main"), 60);
}
