//! Plain init containers, alone and among sidecars: their order, their failures, and that they do not
//! run again.

use podinit::pod::{Phase, TerminatedReason, WaitingReason};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};

use crate::life::Step::{Exited, Started, Starting};
use crate::life::{Life, at, exits, pod, runs};

#[test]
fn cl_015_never_and_a_failing_init() {
    let mut life = pod(Never).init("init-1", exits(1, 1)).main("regular-1", runs()).begin();
    assert_eq!(life.waits("regular-1"), Some(WaitingReason::PodInitializing));
    assert_eq!(life.run(), Some(1));
    assert_eq!(life.starts("init-1"), at([0]));
    assert_eq!(life.exits("init-1"), at([1]));
    assert_eq!(life.ended("init-1"), Some((1, TerminatedReason::Error)));
    assert!(life.starts("regular-1").is_empty());
    assert_eq!(life.phase(), Phase::Failed);
}

#[test]
fn cl_022_a_restarted_main_does_not_run_inits_again() {
    let pod = pod(Always).init("init-1", exits(0, 1)).init("init-2", exits(0, 1)).init("init-3", exits(0, 1));
    let mut life = pod.main("regular-1", exits(1, 10)).begin();
    life.to(120);
    assert_eq!(life.starts("init-1"), at([0]));
    assert_eq!(life.starts("init-2"), at([1]));
    assert_eq!(life.starts("init-3"), at([2]));
    assert_eq!(life.starts("regular-1"), at([3, 13, 33, 63, 113]));
    assert_eq!(life.restarts("regular-1"), 4);
    assert_eq!(life.restarts("init-1") + life.restarts("init-2") + life.restarts("init-3"), 0);
}

/// Five init entries, two of them sidecars, and a main container that ends after a second.
fn five_entries() -> Life {
    let pod = pod(Never)
        .init("init-1", exits(0, 1))
        .sidecar("sidecar-1", exits(0, 600))
        .init("init-2", exits(0, 1))
        .sidecar("sidecar-2", exits(0, 600))
        .init("init-3", exits(0, 1));
    let mut life = pod.main("regular-1", exits(0, 1)).begin();
    assert_eq!(life.run(), Some(0));
    life
}

#[test]
fn cl_033_init_1_ends_before_sidecar_1_starts() {
    five_entries().in_order(&[Started("init-1"), Exited("init-1"), Starting("sidecar-1")]);
}

#[test]
fn cl_034_sidecar_1_and_init_2_run_together() {
    let life = five_entries();
    life.in_order(&[Started("sidecar-1"), Starting("init-2")]);
    assert!(life.ran_together("sidecar-1", "init-2"));
}

#[test]
fn cl_035_init_2_ends_before_sidecar_2_starts() {
    five_entries().in_order(&[Started("init-2"), Exited("init-2"), Starting("sidecar-2")]);
}

#[test]
fn cl_037_both_sidecars_run_with_init_3() {
    let life = five_entries();
    assert!(life.ran_together("sidecar-1", "init-3"));
    assert!(life.ran_together("sidecar-2", "init-3"));
}

#[test]
fn cl_038_init_3_ends_before_regular_1_starts() {
    five_entries().in_order(&[Started("init-3"), Exited("init-3"), Starting("regular-1")]);
}

#[test]
fn cl_039_both_sidecars_run_with_regular_1() {
    let life = five_entries();
    assert!(life.ran_together("sidecar-1", "regular-1"));
    assert!(life.ran_together("sidecar-2", "regular-1"));
    assert_eq!(life.starts("sidecar-1").len() + life.starts("sidecar-2").len(), 2);
}

/// An init container that fails, before a sidecar.
fn failing_init_before_sidecar(policy: RestartPolicy) -> Life {
    let pod = pod(policy).init("init-1", exits(1, 1)).sidecar("sidecar-1", exits(0, 600));
    pod.main("regular-1", exits(0, 1)).begin()
}

/// An init container that fails, after a sidecar that keeps failing.
fn failing_init_after_sidecar(policy: RestartPolicy) -> Life {
    let pod = pod(policy).sidecar("sidecar-1", exits(1, 5)).init("init-1", exits(1, 1));
    pod.main("regular-1", exits(0, 1)).begin()
}

#[test]
fn cl_058_never_init_before_sidecar_fails() {
    let mut life = failing_init_before_sidecar(Never);
    assert_eq!(life.run(), Some(1));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!(life.exits("init-1"), at([1]));
}

#[test]
fn cl_061_never_init_after_sidecar_fails() {
    let mut life = failing_init_after_sidecar(Never);
    assert_eq!(life.run(), Some(1));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!(life.exits("init-1"), at([1]));
    assert_eq!(life.exits("sidecar-1"), at([1]), "it is stopped with the pod");
}

#[test]
fn cl_063_never_sidecar_and_failing_init_run_together() {
    let mut life = failing_init_after_sidecar(Never);
    life.run();
    assert!(life.ran_together("sidecar-1", "init-1"));
}

#[test]
fn cl_081_on_failure_init_before_sidecar_fails() {
    let mut life = failing_init_before_sidecar(OnFailure);
    life.to(300);
    assert_eq!(life.starts("init-1"), at([0, 1, 12, 33, 74, 155]));
    assert!(life.starts("sidecar-1").is_empty());
}

#[test]
fn cl_082_on_failure_the_pod_stays_pending_while_sidecar_and_init_fail() {
    let mut life = failing_init_after_sidecar(OnFailure);
    let mut phases = Vec::new();
    let restarted = life.run_until(|world| {
        phases.push(world.status().phase);
        world.status().container("sidecar-1").unwrap().restart_count == 3
    });
    assert!(restarted);
    assert_eq!(life.starts("sidecar-1"), at([0, 5, 20, 45]));
    assert!(phases.iter().all(|phase| *phase == Phase::Pending), "{phases:?}");
    assert!(life.starts("regular-1").is_empty());
}

#[test]
fn cl_083_on_failure_init_after_sidecar_restarts() {
    let mut life = failing_init_after_sidecar(OnFailure);
    life.to(100);
    assert_eq!(life.starts("init-1"), at([0, 1, 12, 33, 74]));
    assert_eq!(life.restarts("init-1"), 4);
}

#[test]
fn cl_084_on_failure_sidecar_and_failing_init_run_together() {
    let mut life = failing_init_after_sidecar(OnFailure);
    life.to(100);
    assert!(life.ran_together("sidecar-1", "init-1"));
}

#[test]
fn cl_100_always_init_before_sidecar_fails() {
    let mut life = failing_init_before_sidecar(Always);
    let restarted = life.run_until(|world| {
        assert_eq!(world.status().phase, Phase::Pending);
        world.status().container("init-1").unwrap().restart_count == 3
    });
    assert!(restarted);
    assert_eq!(life.starts("init-1"), at([0, 1, 12, 33]));
}

#[test]
fn cl_102_always_sidecar_after_a_failing_init_never_starts() {
    let mut life = failing_init_before_sidecar(Always);
    life.to(300);
    assert_eq!(life.restarts("init-1"), 5);
    assert!(life.starts("sidecar-1").is_empty());
    assert_eq!(life.waits("sidecar-1"), Some(WaitingReason::PodInitializing));
}

#[test]
fn cl_104_always_init_after_sidecar_restarts() {
    let mut life = failing_init_after_sidecar(Always);
    life.to(100);
    assert_eq!(life.starts("init-1"), at([0, 1, 12, 33, 74]));
    assert!(life.starts("regular-1").is_empty());
}
