//! A container's image changes while the pod lives (rule 17): who restarts for it, and who does not.

use podinit::pod::Phase;
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};

use crate::life::{Life, at, exits, pod, probe, secs, stops_in};

fn image(life: &Life, name: &str) -> String {
    life.container(name).image.to_string()
}

#[test]
fn cl_001_always_image_of_one_main() {
    let pod = pod(Always).main("regular-1", exits(0, 60)).main("regular-2", exits(0, 60));
    let mut life = pod.image("regular-1", "v1").begin();
    life.to(20);
    life.change_image("regular-1", "v2");
    life.to(40);
    assert_eq!(life.starts("regular-1"), at([0, 20]));
    assert_eq!((life.restarts("regular-1"), life.restarts("regular-2")), (1, 0));
    assert!(life.is_running("regular-1"));
    assert_eq!(image(&life, "regular-1"), "v2");
}

#[test]
fn cl_005_on_failure_image_of_a_main_during_init() {
    let pod = pod(OnFailure).init("init-1", exits(0, 60)).main("regular-1", exits(0, 60));
    let mut life = pod.main("regular-2", exits(0, 60)).image("regular-1", "v1").begin();
    life.to(10);
    life.change_image("regular-1", "v2");
    life.to(59);
    assert_eq!(life.phase(), Phase::Pending);
    assert!(life.starts("regular-1").is_empty() && life.starts("regular-2").is_empty());
    life.to(60);
    assert_eq!(image(&life, "regular-1"), "v2");
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.starts("init-1"), at([0]));
    assert_eq!((life.starts("regular-1"), life.starts("regular-2")), (at([60]), at([60])));
}

/// The probe fails 20 s after every start. The changed container has a back-off of its own (rule 108):
/// it starts at once, and only its next failure waits.
#[test]
fn cl_008_on_failure_image_after_failed_startup_probe() {
    let mut never_ready = exits(0, 600);
    never_ready.ready_after = secs(10_000);
    let pod = pod(OnFailure).main("regular-1", never_ready).probed("regular-1", probe(20, 1));
    let mut life = pod.image("regular-1", "v1").begin();
    life.to(30);
    assert_eq!(life.starts("regular-1"), at([0, 20]));
    life.change_image("regular-1", "v2");
    life.to(60);
    assert_eq!(life.starts("regular-1"), at([0, 20, 30, 60]));
    assert_eq!(life.restarts("regular-1"), 3);
    assert_eq!(image(&life, "regular-1"), "v2");
}

/// Deleted at 10 s, image changed at 20 s, while the container takes a minute to stop.
fn changed_during_termination(policy: RestartPolicy) {
    let pod = pod(policy).main("regular-1", stops_in(60)).image("regular-1", "v1");
    let mut life = pod.begin();
    life.to(10);
    life.delete_within(120);
    life.to(20);
    life.change_image("regular-1", "v2");
    assert!(life.run().is_some());
    assert_eq!(life.elapsed(), secs(70));
    assert_eq!(life.starts("regular-1"), at([0]));
    assert!(life.trace().killed("regular-1").iter().all(|at| *at == secs(70)), "what is left of it");
}

#[test]
fn cl_011_always_image_during_termination() {
    changed_during_termination(Always);
}

#[test]
fn cl_012_on_failure_image_during_termination() {
    changed_during_termination(OnFailure);
}

#[test]
fn cl_013_never_image_during_termination() {
    changed_during_termination(Never);
}

#[test]
fn cl_029_always_image_of_an_init_that_finished() {
    let pod = pod(Always).init("init-1", exits(0, 1)).main("regular-1", exits(0, 20));
    let mut life = pod.image("init-1", "v1").begin();
    life.to(10);
    let before = life.container("init-1");
    life.change_image("init-1", "v2");
    life.to(120);
    assert_eq!(life.starts("init-1"), at([0]));
    assert_eq!(life.container("init-1"), before, "exit 0, old image, no restart");
    assert_eq!(image(&life, "init-1"), "v1");
}

fn sidecar_image_during_init(policy: RestartPolicy) {
    let pod = pod(policy)
        .init("init-1", exits(0, 1))
        .sidecar("sidecar-1", exits(0, 600).stops(0, secs(5)))
        .init("init-2", exits(0, 600))
        .sidecar("sidecar-2", exits(0, 600));
    let mut life = pod.main("regular-1", exits(0, 600)).image("sidecar-1", "v1").begin();
    life.to(30);
    assert_eq!(life.phase(), Phase::Pending);
    assert!(life.is_running("init-2") && life.container("init-2").started);
    life.change_image("sidecar-1", "v2");
    life.to(90);
    assert_eq!(life.starts("init-1"), at([0]));
    assert_eq!(life.starts("sidecar-1"), at([1, 35]));
    assert_eq!(life.starts("init-2"), at([1]));
    assert_eq!((life.restarts("sidecar-1"), image(&life, "sidecar-1")), (1, "v2".to_owned()));
    assert_eq!(life.restarts("init-1") + life.restarts("init-2"), 0);
    assert!(life.starts("sidecar-2").is_empty() && life.starts("regular-1").is_empty());
}

#[test]
fn cl_040_always_sidecar_image_during_init() {
    sidecar_image_during_init(Always);
}

#[test]
fn cl_041_on_failure_sidecar_image_during_init() {
    sidecar_image_during_init(OnFailure);
}

/// Two sidecars beside a main container of so many seconds; the first one's image changes at 5 s.
fn sidecar_image(policy: RestartPolicy, main_lasts: u64) -> Life {
    let pod = pod(policy).sidecar("sidecar-1", exits(0, 600)).sidecar("sidecar-2", exits(0, 600));
    let mut life = pod.main("regular-1", exits(0, main_lasts)).image("sidecar-1", "v1").begin();
    life.to(5);
    life.change_image("sidecar-1", "v2");
    life.to(9);
    assert!(life.is_running("sidecar-1"));
    assert_eq!((life.restarts("sidecar-1"), image(&life, "sidecar-1")), (1, "v2".to_owned()));
    assert_eq!(life.starts("sidecar-1"), at([0, 5]));
    assert_eq!((life.starts("sidecar-2"), life.starts("regular-1")), (at([0]), at([0])));
    life
}

#[test]
fn cl_046_never_sidecar_image() {
    let mut life = sidecar_image(Never, 60);
    life.to(59);
    assert_eq!(life.restarts("sidecar-2") + life.restarts("regular-1"), 0);
}

#[test]
fn cl_067_on_failure_sidecar_image() {
    let mut life = sidecar_image(OnFailure, 30);
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    assert_eq!(life.restarts("sidecar-2") + life.restarts("regular-1"), 0);
}

#[test]
fn cl_088_always_sidecar_image() {
    let mut life = sidecar_image(Always, 10);
    life.to(120);
    assert_eq!(life.starts("regular-1"), at([0, 10, 30, 60, 110]));
    assert!(life.is_running("sidecar-1"));
    assert_eq!((life.restarts("sidecar-1"), life.restarts("sidecar-2")), (1, 0));
}

fn sidecar_image_after_failed_startup_probe(policy: RestartPolicy) {
    let mut never_ready = exits(0, 600);
    never_ready.ready_after = secs(10_000);
    let pod = pod(policy).sidecar("sidecar-1", exits(0, 600)).sidecar("sidecar-2", never_ready);
    let pod = pod.probed("sidecar-2", probe(20, 1)).image("sidecar-2", "v1");
    let mut life = pod.main("regular-1", exits(0, 600)).begin();
    life.to(30);
    assert_eq!(life.starts("sidecar-2"), at([0, 20]));
    life.change_image("sidecar-2", "v2");
    life.to(60);
    assert_eq!(life.starts("sidecar-2"), at([0, 20, 30, 60]));
    assert_eq!(life.restarts("sidecar-2"), 3);
    assert_eq!((life.phase(), image(&life, "sidecar-2")), (Phase::Pending, "v2".to_owned()));
    assert!(life.starts("regular-1").is_empty());
    assert_eq!(life.starts("sidecar-1"), at([0]));
}

#[test]
fn cl_107_never_sidecar_image_after_failed_startup_probe() {
    sidecar_image_after_failed_startup_probe(Never);
}

#[test]
fn cl_109_always_sidecar_image_after_failed_startup_probe() {
    sidecar_image_after_failed_startup_probe(Always);
}

/// Deleted at 10 s, image changed at 15 s; main, sidecar-3 and sidecar-2 take 10 s each, in turn.
fn sidecar_image_during_termination(policy: RestartPolicy) {
    let slow = || exits(0, 600).stops(0, secs(10));
    let pod = pod(policy).grace(180).init("init-1", exits(0, 1));
    let pod = pod.sidecar("sidecar-2", slow()).sidecar("sidecar-3", slow()).main("regular-1", slow());
    let mut life = pod.image("sidecar-2", "v1").begin();
    life.to(10);
    life.delete();
    life.to(15);
    life.change_image("sidecar-2", "v2");
    assert!(life.run().is_some());
    assert_eq!(life.elapsed(), secs(40), "long before the grace is over");
    assert_eq!(life.starts("init-1"), at([0]));
    assert_eq!((life.starts("sidecar-2"), life.starts("sidecar-3")), (at([1]), at([1])));
    assert_eq!(life.exits("sidecar-2"), at([40]));
}

#[test]
fn cl_116_always_sidecar_image_during_termination() {
    sidecar_image_during_termination(Always);
}

#[test]
fn cl_118_never_sidecar_image_during_termination() {
    sidecar_image_during_termination(Never);
}
