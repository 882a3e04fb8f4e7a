//! Readiness of main containers and sidecars (rules 39 to 58): who is ready when.

use podinit::pod::{ContainerStatus, PodEvent};
use podinit::sim::Entry;
use podinit::spec::ProbeKind;
use podinit::spec::RestartPolicy::Always;

use crate::life::{Behaves, Life, PodUnderTest, at, pod, probe, runs, secs, stops_in};

/// A pod of one probed container, as a main container or as a sidecar beside one.
fn probed(sidecar: bool, behaves: impl Behaves, probe: podinit::spec::Probe) -> PodUnderTest {
    let pod = match sidecar {
        true => pod(Always).sidecar("probed", behaves).main("main", runs()),
        false => pod(Always).main("probed", behaves),
    };
    pod.ready("probed", probe)
}

fn is_ready(life: &Life) -> bool {
    life.container("probed").ready
}

fn not_before_initial_delay(sidecar: bool) {
    let mut life = probed(sidecar, runs(), probe(15, 3)).begin();
    life.to(14);
    assert!(!is_ready(&life));
    life.to(15);
    assert!(is_ready(&life));
    assert_eq!(life.restarts("probed"), 0);
}

#[test]
fn probe_001_main_not_ready_before_the_initial_delay() {
    not_before_initial_delay(false);
}

#[test]
fn probe_024_sidecar_not_ready_before_the_initial_delay() {
    not_before_initial_delay(true);
}

#[test]
fn probe_002_a_failing_readiness_probe_restarts_nothing() {
    let mut life = probed(false, runs().serves_from(secs(100_000)), probe(0, 1)).begin();
    for seconds in [0, 30, 60, 1000] {
        life.to(seconds);
        assert!(!is_ready(&life) && life.container("probed").started);
    }
    assert_eq!(life.restarts("probed"), 0);
}

/// Ready at the very moment at which it has started: the readiness probe does not wait for its period.
fn soon_after_startup(sidecar: bool) {
    let (mut readiness, mut startup) = (probe(0, 3), probe(0, 60));
    (readiness.period, startup.period) = (secs(30), secs(5));
    let mut life = probed(sidecar, runs().ready_after(secs(32)), readiness).probed("probed", startup).begin();
    life.to(34);
    assert!(!life.container("probed").started && !is_ready(&life));
    life.to(35);
    assert!(life.container("probed").started && is_ready(&life));
}

#[test]
fn probe_017_main_ready_soon_after_startup() {
    soon_after_startup(false);
}

#[test]
fn probe_040_sidecar_ready_soon_after_startup() {
    soon_after_startup(true);
}

/// Deleted at 10 s, from when on it does not serve; it takes 20 s to stop and is looked at all the time.
fn not_ready_while_terminating(sidecar: bool, with_liveness: bool) -> Life {
    let mut readiness = probe(0, 1);
    readiness.period = secs(2);
    let behaves = stops_in(20).serves_until(secs(10)).healthy_for(secs(10));
    let mut pod = probed(sidecar, behaves, readiness.clone());
    if with_liveness {
        pod = pod.live("probed", podinit::spec::Probe { period: secs(1), ..probe(0, 1) });
    }
    let mut life = pod.begin();
    life.to(9);
    assert!(is_ready(&life));
    life.delete();
    life.to(12);
    assert!(!is_ready(&life) && life.is_running("probed"));
    life.run();
    life
}

#[test]
fn probe_022_main_not_ready_while_terminating() {
    let life = not_ready_while_terminating(false, false);
    assert_eq!(life.trace().probed("probed", ProbeKind::Readiness).len(), 15, "until it is gone");
}

#[test]
fn probe_045_sidecar_not_ready_while_terminating() {
    not_ready_while_terminating(true, false);
}

fn told_of_liveness(life: &Life) -> bool {
    life.trace().iter().any(|(_, entry)| {
        matches!(entry, Entry::Event(PodEvent::Unhealthy { probe: ProbeKind::Liveness, .. }))
    })
}

#[test]
fn probe_046_sidecar_not_ready_and_not_probed_for_liveness_while_terminating() {
    assert!(!told_of_liveness(&not_ready_while_terminating(true, true)));
}

#[test]
fn u_probe_003_a_deleted_pod_is_probed_for_readiness_alone() {
    let life = not_ready_while_terminating(false, true);
    assert_eq!(life.trace().probed("probed", ProbeKind::Liveness).len(), 10, "at 0 to 9 s");
    assert!(life.trace().probed("probed", ProbeKind::Readiness).iter().any(|at| *at > secs(9)));
    assert!(!told_of_liveness(&life));
}

/// During the initial delay: not ready, not failed, not started.
#[test]
fn u_probe_011_before_the_first_probe() {
    for kind in ProbeKind::ALL {
        let mut life = pod(Always).main("probed", runs()).given("probed", kind, probe(10, 1)).begin();
        life.to(9);
        let ContainerStatus { started, ready, .. } = life.container("probed");
        let expected = match kind {
            ProbeKind::Startup => (false, false),
            ProbeKind::Liveness => (true, true),
            ProbeKind::Readiness => (true, false),
        };
        assert_eq!((started, ready), expected, "{kind:?}");
        assert!(life.trace().probed("probed", kind).is_empty());
        life.to(10);
        assert_eq!(life.trace().probed("probed", kind), at([10]));
        assert!(is_ready(&life));
    }
}

/// Ready until the third failure in a row.
#[test]
fn u_probe_012_failures_in_a_row_up_to_the_threshold() {
    let mut readiness = probe(0, 3);
    readiness.period = secs(1);
    let mut life = probed(false, runs().serves_until(secs(10)), readiness).begin();
    for (seconds, ready) in [(0, true), (9, true), (10, true), (11, true), (12, false), (20, false)] {
        life.to(seconds);
        assert_eq!(is_ready(&life), ready, "at {seconds} s");
    }
}

/// Three successes in a row are wanted; one failure is enough.
#[test]
fn u_probe_013_successes_in_a_row_up_to_the_threshold() {
    let mut readiness = probe(0, 1);
    (readiness.period, readiness.success_threshold) = (secs(1), 3);
    let mut life = probed(false, runs().serves_from(secs(5)).serves_until(secs(10)), readiness).begin();
    for (seconds, ready) in [(5, false), (6, false), (7, true), (9, true), (10, false)] {
        life.to(seconds);
        assert_eq!(is_ready(&life), ready, "at {seconds} s");
    }
}

/// An attempt that takes longer than its timeout has failed.
fn takes_too_long(sidecar: bool) {
    let slow = podinit::sim::Attempt { probe_takes: secs(10), ..runs() };
    let mut life = probed(sidecar, slow, probe(0, 3)).begin();
    for seconds in [1, 30, 60] {
        life.to(seconds);
        assert!(!is_ready(&life));
    }
    assert_eq!(life.restarts("probed"), 0);
}

#[test]
fn probe_010_main_readiness_takes_too_long() {
    takes_too_long(false);
}

#[test]
fn probe_033_sidecar_readiness_takes_too_long() {
    takes_too_long(true);
}
