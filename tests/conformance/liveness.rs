//! Liveness probes of main containers and sidecars (rules 41 to 59): a container that fails its probe is
//! stopped and started again.

use podinit::pod::{Event, PodEvent, ProbeOutcome};
use podinit::sim::{Attempt, Entry};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{HookHandler, ProbeKind};

use crate::life::{Behaves, Life, PodUnderTest, at, exits, hook, pod, probe, runs, secs, stops_in};
use crate::supervisor::Supervisor;
use crate::supervisor::Was::Running;

/// A pod of one probed container, as a main container or as a sidecar beside one.
fn probed(sidecar: bool, behaves: impl Behaves, probe: podinit::spec::Probe) -> PodUnderTest {
    let pod = match sidecar {
        true => pod(Always).sidecar("probed", behaves).main("main", runs()),
        false => pod(Always).main("probed", behaves),
    };
    pod.live("probed", probe)
}

fn quick(initial_delay: u64, failure_threshold: u32) -> podinit::spec::Probe {
    podinit::spec::Probe { period: secs(1), ..probe(initial_delay, failure_threshold) }
}

/// Healthy for 10 s; looked at from 15 s on, once is enough.
fn fails_after_10_s(sidecar: bool) {
    let mut life = probed(sidecar, runs().healthy_for(secs(10)), probe(15, 1)).begin();
    life.to(16);
    assert_eq!(life.trace().probed("probed", ProbeKind::Liveness), at([15]));
    assert_eq!(life.starts("probed"), at([0, 15]));
    assert_eq!(life.restarts("probed"), 1);
}

/// Healthy: probed every 10 s, never restarted.
fn stays(sidecar: bool) {
    let mut life = probed(sidecar, runs(), probe(15, 1)).begin();
    life.to(240);
    assert_eq!(life.restarts("probed"), 0);
    assert_eq!(life.trace().probed("probed", ProbeKind::Liveness).len(), 23);
}

/// Fails 10 s after every start, so that delays double: the count only grows.
fn counts_only_grow(sidecar: bool) {
    let mut life = probed(sidecar, runs().healthy_for(secs(10)), quick(5, 1)).begin();
    let mut seen = 0;
    for minute in 1..=14 {
        life.to(60 * minute);
        assert!(life.restarts("probed") >= seen);
        seen = life.restarts("probed");
    }
    assert!(seen >= 5, "{seen} restarts in 14 minutes");
    assert_eq!(life.starts("probed")[..5], at([0, 10, 30, 60, 110]));
}

#[test]
fn probe_003_main_exec_restarts() {
    fails_after_10_s(false);
}

#[test]
fn probe_004_main_exec_ok() {
    stays(false);
}

#[test]
fn probe_005_main_http_restarts() {
    fails_after_10_s(false);
}

#[test]
fn probe_007_main_restart_count_is_monotonic() {
    counts_only_grow(false);
}

#[test]
fn probe_015_startup_holds_liveness() {
    let never = runs().ready_after(secs(100_000)).healthy_for(secs(0));
    let pod = probed(false, never, probe(0, 1)).probed("probed", probe(0, 60));
    let mut life = pod.begin();
    life.to(240);
    assert_eq!(life.restarts("probed"), 0);
    assert!(life.trace().probed("probed", ProbeKind::Liveness).is_empty());
}

#[test]
fn probe_016_liveness_after_startup_success() {
    let unhealthy = runs().ready_after(secs(10)).healthy_for(secs(0));
    let mut life = probed(false, unhealthy, probe(0, 1)).probed("probed", probe(0, 60)).begin();
    life.to(11);
    assert_eq!(life.trace().probed("probed", ProbeKind::Liveness), at([10]));
    assert_eq!(life.starts("probed"), at([0, 10]));
}

#[test]
fn probe_018_the_probe_s_own_grace() {
    let mut probe = probe(10, 1);
    probe.termination_grace_period = Some(secs(5));
    let deaf = runs().ignores_term().healthy_for(secs(0));
    let mut life = probed(false, deaf, probe).grace(500).begin();
    life.to(20);
    assert_eq!(life.trace().signalled("probed"), at([10]));
    assert_eq!(life.exits("probed"), at([15]));
    assert_eq!(life.restarts("probed"), 1);
}

#[test]
fn probe_026_sidecar_exec_restarts() {
    fails_after_10_s(true);
}

#[test]
fn probe_027_sidecar_exec_ok() {
    stays(true);
}

#[test]
fn probe_028_sidecar_http_restarts() {
    fails_after_10_s(true);
}

#[test]
fn probe_030_sidecar_restart_count_is_monotonic() {
    counts_only_grow(true);
}

#[test]
fn probe_031_sidecar_http_ok() {
    stays(true);
}

/// As with a failing startup probe, the changed container starts at once and has a back-off of its own.
#[test]
fn cl_010_image_changed_after_failed_liveness() {
    let pod = pod(OnFailure).main("regular-1", runs().healthy_for(secs(0))).live("regular-1", probe(20, 1));
    let mut life = pod.image("regular-1", "v1").begin();
    life.to(30);
    assert_eq!(life.starts("regular-1"), at([0, 20]));
    life.change_image("regular-1", "v2");
    life.to(60);
    assert_eq!(life.starts("regular-1"), at([0, 20, 30, 60]));
    assert_eq!(&*life.container("regular-1").image, "v2");
}

#[test]
fn cl_111_a_failing_sidecar_does_not_hold_back_the_next_container() {
    let sidecar = exits(0, 600).stops(0, secs(15)).healthy_for(secs(0));
    let pod = pod(Always).sidecar("sidecar-1", sidecar).live("sidecar-1", quick(5, 1));
    let pod = pod.pre_stop("sidecar-1", hook(HookHandler::Sleep(secs(1)))).main("regular-1", exits(0, 1));
    let mut life = pod.begin();
    life.to(120);
    assert_eq!(life.starts("regular-1")[..2], at([0, 1]), "it did not wait");
    assert!(life.restarts("regular-1") >= 1);
    assert_eq!(life.trace().signalled("sidecar-1")[..1], at([6]), "after its hook of a second");
    assert!(life.restarts("sidecar-1") >= 2);
}

fn sidecar_image_after_failed_liveness(policy: RestartPolicy) {
    let pod = pod(policy)
        .sidecar("sidecar-1", exits(0, 600))
        .sidecar("sidecar-2", exits(0, 600).healthy_for(secs(0)))
        .live("sidecar-2", probe(10, 1))
        .image("sidecar-2", "v1");
    let mut life = pod.main("regular-1", exits(0, 600)).begin();
    life.to(15);
    assert_eq!(life.restarts("sidecar-2"), 1);
    life.change_image("sidecar-2", "v2");
    life.to(45);
    assert_eq!(&*life.container("sidecar-2").image, "v2");
    assert!(life.restarts("sidecar-2") >= 2);
    assert_eq!((life.restarts("sidecar-1"), life.restarts("regular-1")), (0, 0));
    assert!(life.is_running("regular-1"));
}

#[test]
fn cl_112_never_sidecar_image_after_failed_liveness() {
    sidecar_image_after_failed_liveness(Never);
}

#[test]
fn cl_113_on_failure_sidecar_image_after_failed_liveness() {
    sidecar_image_after_failed_liveness(OnFailure);
}

/// Upstream's case is about what fails to be exact there: fifty containers probed every second.
#[test]
fn pstress_002_fifty_containers_probed_every_second() {
    let mut pod = pod(Never);
    let names: Vec<String> = (0..50).map(|n| format!("c{n}")).collect();
    for name in &names {
        pod = pod.main(name, runs()).live(name, quick(0, 3));
    }
    let mut life = pod.begin();
    life.to(120);
    for name in &names {
        assert_eq!(life.restarts(name), 0);
        assert_eq!(life.trace().probed(name, ProbeKind::Liveness).len(), 121);
    }
}

#[test]
fn u_act_011_liveness_failed() {
    let mut pod = pod(Always).main("foo1", runs()).main("foo2", runs()).main("foo3", runs());
    pod = pod.live("foo2", probe(0, 1));
    let left = [("foo1", Running), ("foo2", Running), ("foo3", Running)];
    let mut supervisor = Supervisor::taking_over(pod.pod, &left);
    assert_eq!(supervisor.wants(), ["probe foo2"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Failure), ["stop foo2"]);
    assert_eq!(supervisor.ends("foo2", 143), ["start foo2"]);
}

/// Killing and starting are ours one after the other; the main containers wait for neither.
#[test]
fn u_act_sidecar_008_liveness_of_the_last_sidecar_failed() {
    let pod = pod(Always).sidecar("restartable-init-1", runs()).sidecar("restartable-init-2", runs());
    let pod = pod.live("restartable-init-2", probe(0, 1)).main("foo1", runs()).main("foo2", runs());
    let left = [("restartable-init-1", Running), ("restartable-init-2", Running)];
    let mut supervisor = Supervisor::taking_over(pod.pod, &left);
    assert_eq!(supervisor.wants(), ["probe restartable-init-2", "start foo1", "start foo2"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Failure), ["stop restartable-init-2"]);
    assert_eq!(supervisor.ends("restartable-init-2", 0), ["start restartable-init-2"]);
}

/// How long a container that ignores its stop signal has when it is restarted for no probe's sake.
fn restarted_with_grace(pod: PodUnderTest) -> Life {
    let mut life = pod.begin();
    life.to(5);
    let container = podinit::spec::ContainerId::at(0);
    life.send(Event::RestartRequested { container });
    life.to(100);
    life
}

#[test]
fn u_grace_007_another_kill_has_the_pod_s_grace() {
    let mut liveness = probe(0, 1);
    liveness.termination_grace_period = Some(secs(10));
    let pod = pod(Always).grace(60).main("main", runs().ignores_term()).live("main", liveness);
    assert_eq!(restarted_with_grace(pod).exits("main"), at([65]));
}

#[test]
fn u_grace_009_another_kill_beside_two_probes_has_the_pod_s_grace() {
    let (mut startup, mut liveness) = (probe(0, 1), probe(0, 1));
    startup.termination_grace_period = Some(secs(10));
    liveness.termination_grace_period = Some(secs(30));
    let pod = pod(Always).grace(60).main("main", runs().ignores_term());
    let pod = pod.probed("main", startup).live("main", liveness);
    assert_eq!(restarted_with_grace(pod).exits("main"), at([65]));
}

#[test]
fn u_probe_018_failures_count_from_the_beginning_after_the_threshold() {
    let mut life = probed(false, runs().healthy_for(secs(0)), quick(0, 3)).begin();
    life.to(5);
    assert_eq!(life.starts("probed"), at([0, 2]));
    assert_eq!(life.trace().probed("probed", ProbeKind::Liveness), at([0, 1, 2, 2, 3, 4]));
    assert_eq!(life.trace().signalled("probed"), at([2, 4]), "three failures again, not one");
}

#[test]
fn u_probe_022_liveness_is_skipped_until_started() {
    let slow = runs().ready_after(secs(30)).healthy_for(secs(0));
    let mut life = probed(false, slow, quick(0, 1)).probed("probed", probe(0, 60)).begin();
    life.to(29);
    assert!(life.trace().probed("probed", ProbeKind::Liveness).is_empty());
    assert!(life.is_running("probed") && life.trace().signalled("probed").is_empty());
}

/// The main container's probe fails for good: its kill becomes the pod's (rule 52). While its hook runs
/// the sidecar is neither probed for liveness nor restarted (rule 59).
#[test]
fn cl_028_no_sidecar_is_probed_or_restarted_while_the_main_is_in_its_hook() {
    let main = stops_in(1).healthy_for(secs(0));
    let sidecar = exits(0, 100).stops(0, secs(1)).healthy_for(secs(12));
    let pod = pod(Never).grace(100).sidecar("sidecar-1", sidecar).live("sidecar-1", quick(0, 1));
    let pod = pod.main("regular-1", main).live("regular-1", probe(10, 1));
    let mut life = pod.pre_stop("regular-1", hook(HookHandler::Sleep(secs(40)))).begin();
    assert!(life.run().is_some());
    let probes = life.trace().probed("sidecar-1", ProbeKind::Liveness);
    assert_eq!(probes, at([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
    assert_eq!(life.starts("sidecar-1"), at([0]));
    assert_eq!(life.exits("regular-1"), at([51]));
    assert_eq!(life.exits("sidecar-1"), at([52]), "stopped in order, with the pod");
    let failed =
        |event: &PodEvent| matches!(event, PodEvent::Unhealthy { name, .. } if **name == *"sidecar-1");
    let told = life.trace().iter().any(|(_, entry)| matches!(entry, Entry::Event(event) if failed(event)));
    assert!(!told, "nothing is said of a sidecar that is only being stopped");
}

/// A probe that takes longer than its timeout has failed.
fn takes_too_long(sidecar: bool) {
    let slow = Attempt { probe_takes: secs(10), ..runs() };
    let mut life = probed(sidecar, slow, probe(0, 1)).begin();
    life.to(2);
    assert_eq!(life.starts("probed"), at([0, 1]));
}

#[test]
fn probe_009_main_liveness_takes_too_long() {
    takes_too_long(false);
}

#[test]
fn probe_032_sidecar_liveness_takes_too_long() {
    takes_too_long(true);
}
