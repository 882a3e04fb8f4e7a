//! Sidecars that run on and sidecars that keep ending, under every pod policy.

use podinit::pod::Phase;
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};

use crate::life::Step::{Started, Starting};
use crate::life::{Life, at, exits, pod, secs};

/// A sidecar that ends every five seconds with `code`, an init container of five seconds, a main
/// container of a minute.
fn ending_sidecar(policy: RestartPolicy, code: u8) -> Life {
    let pod = pod(policy).sidecar("sidecar-1", exits(code, 5)).init("init-1", exits(0, 5));
    pod.main("regular-1", exits(0, 60)).begin()
}

fn succeeds(mut life: Life) {
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    assert!(life.restarts("sidecar-1") > 0);
}

fn sidecar_starts_first(mut life: Life) {
    life.to(10);
    life.in_order(&[Started("sidecar-1"), Starting("init-1"), Starting("regular-1")]);
}

/// The main container starts at 5 s; the sidecar ends at 5, 10, 25, 50 s and waits as every container.
fn sidecar_starts_again(mut life: Life) {
    life.to(64);
    assert_eq!(life.starts("regular-1"), at([5]));
    assert_eq!(life.starts("sidecar-1"), at([0, 5, 20, 45]));
}

fn main_completes(mut life: Life) {
    life.run();
    assert_eq!(life.starts("regular-1"), at([5]));
    assert_eq!(life.exits("regular-1"), at([65]));
}

#[test]
fn cl_050_never_sidecar_exits_0_pod_succeeds() {
    succeeds(ending_sidecar(Never, 0));
}

#[test]
fn cl_051_never_sidecar_exits_0_starts_before_main() {
    sidecar_starts_first(ending_sidecar(Never, 0));
}

#[test]
fn cl_053_never_sidecar_exits_0_main_completes() {
    main_completes(ending_sidecar(Never, 0));
}

#[test]
fn cl_054_never_sidecar_exits_1_pod_succeeds() {
    succeeds(ending_sidecar(Never, 1));
}

#[test]
fn cl_055_never_sidecar_exits_1_starts_before_main() {
    sidecar_starts_first(ending_sidecar(Never, 1));
}

#[test]
fn cl_056_never_sidecar_exits_1_starts_again() {
    sidecar_starts_again(ending_sidecar(Never, 1));
}

#[test]
fn cl_057_never_sidecar_exits_1_main_completes() {
    main_completes(ending_sidecar(Never, 1));
}

#[test]
fn cl_072_on_failure_sidecar_exits_0_starts_before_main() {
    sidecar_starts_first(ending_sidecar(OnFailure, 0));
}

#[test]
fn cl_073_on_failure_sidecar_exits_0_starts_again() {
    sidecar_starts_again(ending_sidecar(OnFailure, 0));
}

#[test]
fn cl_074_on_failure_sidecar_exits_0_main_completes() {
    main_completes(ending_sidecar(OnFailure, 0));
}

#[test]
fn cl_075_on_failure_sidecar_exits_1_pod_succeeds() {
    succeeds(ending_sidecar(OnFailure, 1));
}

#[test]
fn cl_076_on_failure_sidecar_exits_1_starts_before_main() {
    sidecar_starts_first(ending_sidecar(OnFailure, 1));
}

#[test]
fn cl_077_on_failure_sidecar_exits_1_starts_again() {
    sidecar_starts_again(ending_sidecar(OnFailure, 1));
}

#[test]
fn cl_078_on_failure_sidecar_exits_1_main_completes() {
    main_completes(ending_sidecar(OnFailure, 1));
}

/// Under `Always` the main container is restarted like everything else: at once the first time.
fn main_restarts(mut life: Life) {
    let mut running = Vec::new();
    life.run_until(|world| {
        if !world.trace().started("regular-1").is_empty() {
            running.push(world.status().phase);
        }
        world.elapsed() >= secs(120)
    });
    assert_eq!(life.starts("regular-1"), at([5, 65]));
    assert_eq!(life.restarts("regular-1"), 1);
    assert!(running.len() > 5 && running.iter().all(|phase| *phase == Phase::Running), "{running:?}");
}

#[test]
fn cl_092_always_sidecar_exits_0_main_restarts() {
    main_restarts(ending_sidecar(Always, 0));
}

#[test]
fn cl_093_always_sidecar_exits_0_starts_before_main() {
    sidecar_starts_first(ending_sidecar(Always, 0));
}

#[test]
fn cl_095_always_sidecar_exits_0_main_starts() {
    let mut life = ending_sidecar(Always, 0);
    life.to(5);
    assert_eq!(life.starts("regular-1"), at([5]));
}

#[test]
fn cl_096_always_sidecar_exits_1_main_restarts() {
    main_restarts(ending_sidecar(Always, 1));
}

#[test]
fn cl_097_always_sidecar_exits_1_starts_before_main() {
    sidecar_starts_first(ending_sidecar(Always, 1));
}

#[test]
fn cl_098_always_sidecar_exits_1_starts_again() {
    sidecar_starts_again(ending_sidecar(Always, 1));
}

#[test]
fn cl_099_always_sidecar_exits_1_main_starts() {
    let mut life = ending_sidecar(Always, 1);
    life.to(5);
    assert_eq!(life.starts("regular-1"), at([5]));
}

/// A sidecar that runs on beside a main container of a second.
fn running_sidecar(policy: RestartPolicy) -> Life {
    pod(policy).sidecar("sidecar-1", exits(0, 600)).main("regular-1", exits(0, 1)).begin()
}

#[test]
fn cl_065_on_failure_running_sidecar_is_not_restarted() {
    let mut life = running_sidecar(OnFailure);
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.starts("sidecar-1"), at([0]));
    assert_eq!(life.restarts("sidecar-1"), 0);
}

#[test]
fn cl_066_on_failure_main_completes_beside_a_running_sidecar() {
    let mut life = running_sidecar(OnFailure);
    life.run();
    assert_eq!(life.exits("regular-1"), at([1]));
    assert_eq!(life.restarts("regular-1"), 0);
}

#[test]
fn cl_085_always_pod_keeps_running_and_main_restarts() {
    let mut life = running_sidecar(Always);
    life.run_until(|world| {
        // A main that waits for its next attempt does not change the phase (rule 118).
        assert!(world.elapsed() == secs(0) || world.status().phase == Phase::Running);
        world.elapsed() >= secs(120)
    });
    assert_eq!(life.starts("regular-1"), at([0, 1, 12, 33, 74]));
    assert_eq!(life.phase(), Phase::Running);
}

#[test]
fn cl_086_always_running_sidecar_is_not_restarted() {
    let mut life = running_sidecar(Always);
    life.to(120);
    assert!(life.is_running("sidecar-1"));
    assert_eq!(life.starts("sidecar-1"), at([0]));
}

#[test]
fn cl_087_always_main_restarts_beside_a_running_sidecar() {
    let mut life = running_sidecar(Always);
    life.to(120);
    assert_eq!(life.restarts("regular-1"), 4);
}
