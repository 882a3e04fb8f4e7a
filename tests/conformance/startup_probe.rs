//! Startup probes of main containers and sidecars (rules 40 to 50).

use podinit::pod::{Phase, TerminatedReason};
use podinit::spec::RestartPolicy::{Always, Never, OnFailure};
use podinit::spec::{ExitCodeOperator, ProbeKind, RestartAction, RestartRule};

use crate::life::Step::{Exited, Starting};
use crate::life::{Behaves, Life, PodUnderTest, at, exits, pod, probe, runs, secs, stops_in};

/// A pod of one probed container, as a main container or as a sidecar beside one.
fn probed(sidecar: bool, behaves: impl Behaves, probe: podinit::spec::Probe) -> PodUnderTest {
    let pod = match sidecar {
        true => pod(Always).sidecar("probed", behaves).main("main", runs()),
        false => pod(Always).main("probed", behaves),
    };
    pod.probed("probed", probe)
}

#[test]
fn cl_106_sidecars_with_startup_probes_start_one_after_the_other() {
    let mut probe = probe(0, 60);
    probe.period = secs(1);
    let slow = || exits(0, 600).ready_after(secs(10));
    let pod = pod(Never).sidecar("sidecar-1", slow()).sidecar("sidecar-2", slow());
    let pod = pod.probed("sidecar-1", probe.clone()).probed("sidecar-2", probe);
    let mut life = pod.main("regular-1", exits(0, 1)).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.starts("sidecar-1"), at([0]));
    assert_eq!(life.starts("sidecar-2"), at([10]));
    assert_eq!(life.starts("regular-1"), at([20]));
    assert_eq!(life.elapsed(), secs(21));
    life.in_order(&[
        Starting("sidecar-1"),
        Starting("sidecar-2"),
        Starting("regular-1"),
        Exited("regular-1"),
    ]);
}

/// Probed at 15, 25 and 35 s, then killed and started again. The rows' liveness probe never runs: a
/// container that has not started has none.
fn failing(sidecar: bool) {
    let never_ready = exits(0, 600).ready_after(secs(100_000));
    let mut life = probed(sidecar, never_ready, probe(15, 3)).begin();
    life.to(40);
    assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([15, 25, 35]));
    assert_eq!(life.starts("probed"), at([0, 35]));
    assert_eq!(life.restarts("probed"), 1);
}

#[test]
fn probe_014_main_startup_fails() {
    failing(false);
}

#[test]
fn probe_037_sidecar_startup_fails() {
    failing(true);
}

/// The pod's grace is 500 s, the probe's 5 s, and the container does not listen: probed at 10 s, killed
/// at 15 s.
fn with_grace_of_its_own(sidecar: bool) {
    let mut probe = probe(10, 1);
    probe.termination_grace_period = Some(secs(5));
    let deaf = runs().ignores_term().ready_after(secs(100_000));
    let mut life = probed(sidecar, deaf, probe).grace(500).begin();
    life.to(20);
    assert_eq!(life.trace().signalled("probed"), at([10]));
    assert_eq!(life.exits("probed"), at([15]));
    assert_eq!(life.starts("probed"), at([0, 15]));
    assert_eq!(life.restarts("probed"), 1);
}

#[test]
fn probe_019_main_startup_grace() {
    with_grace_of_its_own(false);
}

#[test]
fn probe_042_sidecar_startup_grace() {
    with_grace_of_its_own(true);
}

/// Whether the container has been found not to start: it has been signalled for it.
fn found_failed(life: &Life) -> bool {
    !life.trace().signalled("probed").is_empty()
}

#[test]
fn u_probe_019_failures_count_up_to_the_threshold_and_from_the_beginning_after_it() {
    let never_ready = runs().ready_after(secs(100_000));
    let mut life = probed(false, never_ready, probe(0, 3)).begin();
    for (seconds, failed) in [(0, false), (10, false), (19, false), (20, true)] {
        life.to(seconds);
        assert_eq!(found_failed(&life), failed, "at {seconds} s");
        assert!(!life.container("probed").started);
    }
    life.to(49);
    assert_eq!(life.starts("probed"), at([0, 20]));
    assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([0, 10, 20, 20, 30, 40]));
    assert_eq!(life.trace().signalled("probed"), at([20, 40]), "three failures again, not one");
}

#[test]
fn u_probe_021_a_main_that_ended_for_good_is_probed_no_more() {
    let pod = pod(Never).main("probed", exits(0, 15).ready_after(secs(100_000))).main("other", exits(0, 100));
    let mut life = pod.probed("probed", probe(0, 100)).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.elapsed(), secs(100));
    assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([0, 10]));
    assert!(!life.container("probed").started);
}

#[test]
fn u_probe_023_what_has_started_is_probed_no_more() {
    let mut life = probed(false, exits(0, 600).ready_after(secs(10)), probe(0, 3)).begin();
    life.to(9);
    assert!(!life.container("probed").started);
    life.to(500);
    assert!(life.container("probed").started);
    assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([0, 10]));
    assert_eq!(life.restarts("probed"), 0);
}

#[test]
fn u_probe_002_a_pod_that_has_ended_is_probed_no_more() {
    for (code, phase) in [(0, Phase::Succeeded), (1, Phase::Failed)] {
        let pod = pod(Never).main("probed", exits(code, 15).ready_after(secs(100_000)));
        let mut life = pod.probed("probed", probe(0, 100)).begin();
        assert_eq!(life.run(), Some(code));
        life.to(100);
        assert_eq!(life.phase(), phase);
        assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([0, 10]));
    }
}

#[test]
fn u_probe_006_what_ended_for_good_has_not_started() {
    // Ready from the beginning, and gone before its first probe.
    let pod = pod(Never).main("probed", exits(1, 5)).main("other", exits(0, 100));
    let mut life = pod.probed("probed", probe(10, 3)).begin();
    life.to(50);
    assert_eq!(life.ended("probed"), Some((1, TerminatedReason::Error)));
    assert!(!life.container("probed").started);
    assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([]));
}

/// The pod has been accepted and nothing is known of the container yet: there is nothing to probe, and
/// probing is not over either.
#[test]
fn u_probe_001_before_there_is_a_status() {
    let late = || podinit::sim::Attempt { start_takes: secs(20), ..runs() };
    for kind in ProbeKind::ALL {
        let mut life = pod(Always).main("probed", late()).given("probed", kind, probe(0, 1)).begin();
        life.to(19);
        assert_eq!(life.trace().probed("probed", kind), at([]));
        assert!(life.waits("probed").is_some() && !life.container("probed").ready);
        life.to(20);
        assert_eq!(life.trace().probed("probed", kind), at([20]), "{kind:?}");
    }
}

/// The other container has a status, this one has none before its turn.
#[test]
fn u_probe_004_before_the_container_has_a_status() {
    for kind in ProbeKind::ALL {
        let pod = pod(Always).init("init", exits(0, 20)).main("probed", runs());
        let mut life = pod.given("probed", kind, probe(0, 1)).begin();
        life.to(19);
        assert!(life.is_running("init"));
        assert_eq!(life.trace().probed("probed", kind), at([]));
        assert!(!life.container("probed").ready && !life.container("probed").started);
        life.to(20);
        assert_eq!(life.trace().probed("probed", kind), at([20]), "{kind:?}");
    }
}

/// Told ten times to stop, the container is not probed a single time more, and what the probe had found
/// is forgotten with it.
#[test]
fn u_probe_016_stopped_again_and_again() {
    for kind in [ProbeKind::Startup, ProbeKind::Liveness] {
        let slow = stops_in(20).ready_after(secs(100_000));
        let often = podinit::spec::Probe { period: secs(1), ..probe(0, 1000) };
        let mut life = pod(Always).main("probed", slow).given("probed", kind, often).begin();
        life.to(9);
        for _ in 0..10 {
            life.delete();
        }
        assert!(life.run().is_some());
        assert_eq!(life.trace().probed("probed", kind).len(), 10, "at 0 to 9 s, {kind:?}");
        assert!(!life.container("probed").started && !life.container("probed").ready);
    }
}

#[test]
fn u_probe_007_a_success_is_the_start() {
    let mut life = probed(false, exits(0, 600).ready_after(secs(5)), probe(0, 3)).begin();
    life.to(9);
    assert!(!life.container("probed").started && !life.container("probed").ready);
    life.to(10);
    assert!(life.container("probed").started && life.container("probed").ready);
}

#[test]
fn u_probe_008_a_probe_runs_when_its_initial_delay_has_passed() {
    let mut life = probed(false, exits(0, 600), probe(15, 3)).begin();
    life.to(14);
    assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([]));
    life.to(15);
    assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([15]));
    assert!(life.container("probed").started);
}

#[test]
fn u_probe_009_what_is_to_run_again_is_probed_again() {
    let twice = || [exits(42, 15).ready_after(secs(100_000)), exits(0, 600).ready_after(secs(100_000))];
    let by_policy = pod(OnFailure).main("probed", twice());
    let by_rule = pod(Never).main("probed", twice()).with("probed", |container| {
        container.restart_policy = Some(Never);
        container.restart_policy_rules = vec![RestartRule {
            action: RestartAction::Restart,
            operator: ExitCodeOperator::In,
            values: vec![42],
        }];
    });
    for pod in [by_policy, by_rule] {
        let mut life = pod.probed("probed", probe(0, 100)).begin();
        life.to(39);
        assert_eq!(life.starts("probed"), at([0, 15]));
        assert_eq!(life.trace().probed("probed", ProbeKind::Startup), at([0, 10, 15, 25, 35]));
    }
}
