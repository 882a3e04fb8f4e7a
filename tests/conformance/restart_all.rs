//! RestartAllContainers (rules 102 to 107): one container's exit restarts all.

use podinit::pod::{Phase, TerminatedReason, WaitingReason};
use podinit::spec::RestartPolicy::{Always, Never};
use podinit::spec::{ExitCodeOperator, RestartAction, RestartRule};

use crate::life::{Life, PodUnderTest, at, exits, hook, pod, runs, secs, stops_in};

/// The rule that every case has.
fn on_42() -> RestartRule {
    let values = vec![42];
    RestartRule { action: RestartAction::RestartAllContainers, operator: ExitCodeOperator::In, values }
}

trait WithRule {
    fn restarts_all(self, name: &str) -> PodUnderTest;
}

impl WithRule for PodUnderTest {
    fn restarts_all(self, name: &str) -> PodUnderTest {
        self.with(name, |container| {
            container.restart_policy.get_or_insert(Never);
            container.restart_policy_rules = vec![on_42()];
        })
    }
}

/// Each was restarted and shows how its first attempt ended.
fn all_restarted(life: &Life, names: &[&str]) {
    for name in names {
        let status = life.container(name);
        assert_eq!(status.restart_count, 1, "{name}");
        let last = status.last_state.unwrap();
        let expected = (137, TerminatedReason::RestartingAllContainers);
        assert_eq!((last.exit_code, last.reason), expected, "{name}");
    }
}

#[test]
fn rac_001_on_the_exit_of_a_main() {
    let pod = pod(Never)
        .init("init", exits(0, 1))
        .sidecar("sidecar", runs())
        .main("source", [exits(42, 10), runs()])
        .main("regular", runs());
    let mut life = pod.restarts_all("source").begin();
    life.to(60);
    all_restarted(&life, &["init", "sidecar", "source", "regular"]);
    assert_eq!(life.starts("init"), at([0, 11]));
    assert_eq!(life.starts("sidecar"), at([1, 12]));
    assert!(life.is_running("source") && life.is_running("regular"));
    assert_eq!(life.phase(), Phase::Running);
}

#[test]
fn rac_004_a_container_that_the_restart_ends_does_not_restart_all_again() {
    let regular = runs().stops(42, secs(1));
    let pod = pod(Never).main("source", [exits(42, 10), runs()]).main("regular", regular);
    let mut life = pod.restarts_all("source").restarts_all("regular").begin();
    life.to(1000);
    all_restarted(&life, &["source", "regular"]);
    assert!(life.is_running("source") && life.is_running("regular"));
}

#[test]
fn rac_005_by_a_container_that_was_restarted_before() {
    let source = [exits(1, 5), exits(42, 5), runs()];
    let pod = pod(Never).main("source", source).main("regular", runs());
    let pod = pod.restarts_all("source").with("source", |container| container.restart_policy = Some(Always));
    let mut life = pod.begin();
    life.to(100);
    assert_eq!((life.restarts("source"), life.restarts("regular")), (2, 1));
    assert!(life.is_running("source") && life.is_running("regular"));
}

/// Ten containers that take a second to stop beside the source.
fn many() -> PodUnderTest {
    let mut pod = pod(Never).main("source", [exits(42, 10), runs()]).restarts_all("source");
    for n in 0..10 {
        pod = pod.main(&format!("regular-{n}"), stops_in(1));
    }
    pod
}

#[test]
fn rac_006_the_supervisor_is_restarted_while_all_are_being_stopped() {
    let mut life = many().begin();
    life.run_for(secs(10) + secs(1) / 2);
    assert_eq!(life.waits("source"), Some(WaitingReason::RestartingAllContainers));
    let mut life = many().restore(&life.status(), life.elapsed());
    life.to(60);
    for name in life.pod().containers.iter().map(|container| container.name.to_string()).collect::<Vec<_>>() {
        assert!(life.restarts(&name) > 0 && life.is_running(&name), "{name}");
    }
}

#[test]
fn rac_007_the_supervisor_is_restarted_while_all_start_again() {
    let pod = || many().init("init", exits(0, 20));
    let mut life = pod().begin();
    life.to(35);
    assert_eq!(life.starts("init"), at([0, 31]));
    let mut life = pod().restore(&life.status(), life.elapsed());
    life.to(100);
    for n in 0..10 {
        let name = format!("regular-{n}");
        assert!(life.restarts(&name) > 0 && life.is_running(&name), "{name}");
    }
}

/// Without an API server, as always here.
#[test]
fn rac_008_in_a_static_pod() {
    let pod = pod(Never)
        .init("init", exits(0, 1))
        .sidecar("sidecar", runs())
        .main("source", [exits(42, 60), runs()])
        .main("regular", runs());
    let mut life = pod.restarts_all("source").begin();
    life.to(30);
    assert!(life.container("source").ready && life.container("regular").ready);
    life.to(600);
    all_restarted(&life, &["init", "sidecar", "source", "regular"]);
}

/// Everything is ended with no grace: SIGKILL two seconds after the stop signal, no hook.
#[test]
fn u_act_rac_002_mains_that_run() {
    let deaf = || runs().ignores_term();
    let pod = pod(Never).main("foo1", deaf()).main("foo2", deaf()).main("foo3", [exits(42, 10), runs()]);
    let pod = pod.pre_stop("foo1", hook(podinit::spec::HookHandler::Sleep(secs(20))));
    let mut life = pod.restarts_all("foo3").begin();
    life.to(20);
    assert_eq!(life.trace().signalled("foo1"), at([10]), "no hook comes before it");
    assert_eq!(life.trace().signalled("foo2"), at([10]));
    assert_eq!((life.exits("foo1"), life.exits("foo2")), (at([12]), at([12])));
    assert_eq!(life.starts("foo3"), at([0, 12]));
}

#[test]
fn u_act_rac_001_nothing_happens_for_other_exit_codes() {
    let pod = pod(Never).main("foo1", runs()).main("foo2", exits(41, 10)).restarts_all("foo2");
    let mut life = pod.begin();
    life.to(100);
    assert_eq!((life.restarts("foo1"), life.restarts("foo2")), (0, 0));
    assert_eq!(life.ended("foo2"), Some((41, TerminatedReason::Error)));
}

#[test]
fn u_act_rac_003_inits_that_ended_run_again() {
    let pod = pod(Never).init("init1", exits(0, 1)).init("init2", exits(0, 1)).init("init3", exits(0, 1));
    let mut life = pod.main("main", [exits(42, 1), runs()]).restarts_all("main").begin();
    life.to(60);
    all_restarted(&life, &["init1", "init2", "init3", "main"]);
    assert_eq!(life.starts("init1"), at([0, 4]));
    assert_eq!(life.starts("init3"), at([2, 6]));
}

#[test]
fn u_act_rac_004_sidecars_that_run_are_ended_all_at_once() {
    let pod =
        pod(Never).sidecar("init1", stops_in(1)).sidecar("init2", stops_in(1)).sidecar("init3", stops_in(1));
    let mut life = pod.main("main", [exits(42, 5), runs()]).restarts_all("main").begin();
    life.to(60);
    for name in ["init1", "init2", "init3"] {
        assert_eq!(
            life.trace().signalled(name),
            at([5]),
            "not in their order, which is the pod's end's (rule 83)"
        );
    }
    all_restarted(&life, &["init1", "init2", "init3", "main"]);
}

#[test]
fn u_act_rac_005_by_the_exit_of_an_init() {
    let pod = pod(Never)
        .init("init1", exits(0, 1))
        .sidecar("init2", runs())
        .init("init3", [exits(42, 1), exits(0, 1)]);
    let mut life = pod.main("main", runs()).restarts_all("init3").begin();
    life.to(60);
    all_restarted(&life, &["init1", "init2", "init3"]);
    assert_eq!(life.starts("init1"), at([0, 2]));
    assert_eq!((life.starts("main"), life.restarts("main")), (at([4]), 0));
}

#[test]
fn u_act_rac_006_by_the_exit_of_a_sidecar() {
    let pod =
        pod(Never).sidecar("init1", runs()).sidecar("init2", runs()).sidecar("init3", [exits(42, 5), runs()]);
    let mut life = pod.main("main", runs()).restarts_all("init3").begin();
    life.to(60);
    all_restarted(&life, &["init1", "init2", "init3", "main"]);
}

#[test]
fn u_act_rac_007_by_the_exit_of_a_main_beside_sidecars() {
    let pod = pod(Never).sidecar("init1", runs()).sidecar("init2", runs()).sidecar("init3", runs());
    let pod = pod.main("foo1", runs()).main("foo2", runs()).main("foo3", [exits(42, 5), runs()]);
    let mut life = pod.restarts_all("foo3").begin();
    life.to(60);
    all_restarted(&life, &["init1", "init2", "init3", "foo1", "foo2", "foo3"]);
}

/// Older ends are not looked at again: what ended before has one count more, and no rule of it counts.
#[test]
fn u_act_rac_008_containers_with_earlier_attempts() {
    let source = [exits(1, 1), exits(42, 5), runs()];
    let pod = pod(Always).main("foo1", [exits(1, 1), runs()]).main("foo2", source);
    let pod = pod.restarts_all("foo2").with("foo2", |container| container.restart_policy = Some(Always));
    let mut life = pod.begin();
    life.to(100);
    assert_eq!((life.restarts("foo1"), life.restarts("foo2")), (2, 2));
    assert!(life.is_running("foo1") && life.is_running("foo2"));
}

#[test]
fn u_act_rac_009_afterwards_the_first_init_starts() {
    let pod = pod(Never).init("init1", exits(0, 1)).init("init2", exits(0, 1));
    let mut life = pod.main("main", [exits(42, 1), runs()]).restarts_all("main").begin();
    life.to(3);
    assert!(life.is_running("init1"));
    assert_eq!(life.waits("init2"), Some(WaitingReason::PodInitializing));
    assert_eq!(life.waits("main"), Some(WaitingReason::PodInitializing));
}

#[test]
fn u_act_rac_010_without_inits_the_mains_start() {
    let pod = pod(Never).main("foo1", runs()).main("foo2", runs()).main("foo3", [exits(42, 1), runs()]);
    let mut life = pod.restarts_all("foo3").begin();
    life.to(2);
    for name in ["foo1", "foo2", "foo3"] {
        assert_eq!(life.starts(name), at([0, 1]), "{name}");
    }
}

/// The worker goes on for a container that has ended and starts again with all others.
#[test]
fn u_probe_010_a_container_that_ended_is_probed_after_all_restarted() {
    let pod = pod(Never).main("ended", exits(0, 1)).main("source", [exits(42, 5), runs()]);
    let pod = pod.restarts_all("source").ready("ended", crate::life::probe(0, 1));
    let mut life = pod.begin();
    life.to(60);
    let probed = life.trace().probed("ended", podinit::spec::ProbeKind::Readiness);
    assert_eq!(probed, at([0, 5]));
}
