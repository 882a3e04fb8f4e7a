//! The supervisor goes away and another takes the pod over, or the pod's sandbox is lost, or both (rules
//! 23 to 26, 180).

use podinit::pod::{ContainerState, Event, Phase, TerminatedReason, WaitingReason};
use podinit::sim::Attempt;
use podinit::spec::RestartPolicy::{Always, Never};
use podinit::spec::{Container, ProbeKind};

use crate::life::Step::{Exited, Started, Starting};
use crate::life::{Life, PodUnderTest, at, exits, pod, probe, runs, secs};

/// The supervisor goes after so many seconds; the next one has this pod.
fn taken_over(old: &PodUnderTest, seconds: u64, new: PodUnderTest) -> Life {
    let mut life = old.clone().begin();
    life.to(seconds);
    new.restore(&life.status(), secs(seconds))
}

/// As `taken_over`, where nothing is left of what is known about these containers.
fn taken_over_without(pod: &PodUnderTest, seconds: u64, forgotten: &[&str]) -> Life {
    let mut life = pod.clone().begin();
    life.to(seconds);
    let mut status = life.status();
    for container in &mut status.init_container_statuses {
        if forgotten.contains(&&*container.name) {
            container.state =
                ContainerState::Waiting { reason: WaitingReason::PodInitializing, message: None };
            container.last_state = None;
            (container.ready, container.started) = (false, false);
        }
    }
    pod.clone().restore(&status, secs(seconds))
}

#[test]
fn cls_003_records_of_finished_inits_are_lost() {
    let pod = pod(Always).init("init-1", exits(0, 1)).init("init-2", exits(0, 1)).init("init-3", exits(0, 1));
    let pod = pod.main("regular-1", exits(0, 300));
    let mut life = taken_over_without(&pod, 30, &["init-1", "init-2", "init-3"]);
    life.to(90);
    for init in ["init-1", "init-2", "init-3"] {
        assert!(life.starts(init).is_empty(), "{init} runs again");
    }
    assert!(life.is_running("regular-1"));
    assert_eq!(life.restarts("regular-1"), 0);
}

fn with_long_third_init() -> PodUnderTest {
    let pod = pod(Always).init("init-1", exits(0, 1)).init("init-2", exits(0, 1));
    pod.init("init-3", exits(0, 300)).main("regular-1", exits(0, 300))
}

#[test]
fn cls_004_during_a_long_init() {
    let pod = with_long_third_init();
    let mut life = taken_over(&pod, 30, pod.clone());
    life.to(90);
    assert!(life.is_running("init-3"));
    assert_eq!(life.phase(), Phase::Pending);
    // It runs for its 300 s again here, because nobody knows for how long it had run.
    life.to(400);
    assert!(life.starts("init-1").is_empty() && life.starts("init-2").is_empty());
    assert_eq!(life.starts("regular-1"), at([330]), "the pod goes on");
}

/// That it goes on afterwards is shown by row U-ACT-INIT-014.
#[test]
fn cls_005_during_a_long_init_with_records_lost() {
    let mut life = taken_over_without(&with_long_third_init(), 30, &["init-1", "init-2"]);
    life.to(90);
    assert!(life.starts("init-1").is_empty() && life.starts("init-2").is_empty());
    assert!(life.is_running("init-3"));
}

/// Starting the sidecar takes a second, in which nothing runs.
fn with_sidecar_between_inits() -> PodUnderTest {
    let sidecar = Attempt { start_takes: secs(1), ..exits(0, 300) };
    let pod = pod(Always).init("init-1", exits(0, 5)).sidecar("sidecar-2", sidecar);
    pod.init("init-3", exits(0, 5)).main("regular-1", exits(0, 300)).image("sidecar-2", "v1")
}

const INIT_ORDER: [crate::life::Step; 7] = [
    Started("init-1"),
    Exited("init-1"),
    Starting("sidecar-2"),
    Started("sidecar-2"),
    Starting("init-3"),
    Exited("init-3"),
    Starting("regular-1"),
];

#[test]
fn cls_006_node_reboot_runs_everything_again_in_order() {
    let pod = with_sidecar_between_inits();
    let mut before = pod.clone().begin();
    before.to(60);
    before.in_order(&INIT_ORDER);
    let mut life = pod.restore(&before.status(), secs(60));
    life.send(Event::SandboxLost);
    let mut pending = 0;
    life.run_until(|world| {
        let status = world.status();
        let initialized = !world.trace().exited("init-3").is_empty();
        if status.container("init-1").unwrap().restart_count == 1 && !initialized {
            assert_eq!(status.phase, Phase::Pending, "at {:?}", world.elapsed());
            pending += 1;
        }
        initialized
    });
    assert!(pending > 3, "{pending}");
    life.to(100);
    assert_eq!(life.phase(), Phase::Running);
    life.in_order(&INIT_ORDER);
    assert_eq!(life.starts("init-1"), at([60]));
    assert_eq!(life.starts("sidecar-2"), at([66]));
    assert_eq!(life.starts("init-3"), at([66]));
    assert_eq!(life.starts("regular-1"), at([71]));
    assert_eq!(life.restarts("regular-1"), 1);
}

#[test]
fn cls_007_sidecar_image_changed_during_a_node_reboot() {
    let pod = with_sidecar_between_inits();
    let mut life = taken_over(&pod, 60, pod.clone().image("sidecar-2", "v2"));
    life.send(Event::SandboxLost);
    life.to(100);
    assert_eq!(life.restarts("regular-1"), 1);
    assert!(life.is_running("regular-1"));
    assert_eq!(life.starts("sidecar-2"), at([66]));
    assert!(life.restarts("sidecar-2") > 0);
    assert_eq!(&*life.container("sidecar-2").image, "v2");
}

#[test]
fn cls_008_sidecar_image_changed_while_the_supervisor_was_down() {
    let pod = with_sidecar_between_inits();
    let mut life = taken_over(&pod, 60, pod.clone().image("sidecar-2", "v2"));
    life.to(100);
    assert_eq!(life.restarts("regular-1"), 0);
    assert!(life.is_running("regular-1"));
    assert_eq!(life.starts("sidecar-2"), at([61]));
    assert_eq!(life.restarts("sidecar-2"), 1);
    assert_eq!(&*life.container("sidecar-2").image, "v2");
}

/// After the take-over the pod is Running and these containers are as they were.
fn stays_as_it_was(pod: &PodUnderTest, names: &[&str]) {
    let mut life = taken_over(pod, 60, pod.clone());
    for seconds in [60, 61, 75, 120, 1000] {
        life.to(seconds);
        assert_eq!(life.phase(), Phase::Running);
        for name in names {
            let container = life.container(name);
            let seen = (container.restart_count, container.started, container.ready);
            assert_eq!(seen, (0, true, true), "{name} at {seconds} s");
        }
    }
    for name in names {
        assert!(life.starts(name).is_empty(), "{name} runs again");
        assert!(life.trace().probed(name, ProbeKind::Startup).is_empty(), "{name} has started long ago");
    }
}

#[test]
fn clr_001_no_probe() {
    stays_as_it_was(&pod(Always).main("main", exits(0, 3600)), &["main"]);
}

#[test]
fn clr_005_several_containers() {
    let pod = pod(Always).main("one", exits(0, 3600)).main("two", exits(0, 3600));
    stays_as_it_was(&pod, &["one", "two"]);
}

#[test]
fn clr_010_startup_probe_of_a_sidecar() {
    let pod = pod(Always).sidecar("sidecar", exits(0, 3600)).probed("sidecar", probe(0, 3));
    stays_as_it_was(&pod.main("pause", runs()), &["sidecar", "pause"]);
}

#[test]
fn cond_015_the_pod_is_pending_while_inits_run_again() {
    let mut life = pod(Always).init("init", exits(0, 10)).main("main", runs()).begin();
    life.to(30);
    assert_eq!(life.phase(), Phase::Running);
    life.send(Event::SandboxLost);
    life.to(31);
    assert!(life.is_running("init"));
    assert_eq!(life.phase(), Phase::Pending);
    life.to(39);
    assert_eq!(life.phase(), Phase::Pending);
    life.to(40);
    assert_eq!(life.phase(), Phase::Running);
    assert_eq!((life.restarts("init"), life.restarts("main")), (1, 1));
}

#[test]
fn cond_017_a_lost_record_of_an_init_is_shown_as_completed() {
    let pod = pod(Always).init("init", exits(0, 1)).main("main", runs());
    let mut life = taken_over_without(&pod, 30, &["init"]);
    life.to(90);
    assert!(life.starts("init").is_empty());
    assert_eq!(life.phase(), Phase::Running);
    assert_eq!(life.ended("init"), Some((0, TerminatedReason::Completed)));
    let ContainerState::Terminated(end) = life.container("init").state else { panic!("it ended") };
    assert!(end.message.unwrap().contains("Unable to get init container status"));
}

#[test]
fn cond_018_a_sidecar_that_is_gone_runs_again() {
    let pod = pod(Always).sidecar("sidecar", runs()).main("main", [exits(1, 5), runs()]);
    let mut life = taken_over_without(&pod, 30, &["sidecar"]);
    life.to(31);
    assert_eq!(life.starts("sidecar"), at([30]));
    assert!(life.is_running("sidecar") && life.is_running("main"));
    assert!(life.starts("main").is_empty());
    assert_eq!(life.restarts("main"), 1, "what was known of it is kept");
}

/// Attaching to it is the runtime's part.
#[test]
fn eph_001_an_ephemeral_container_in_a_running_pod() {
    let mut life = pod(Never).main("pause", runs()).begin();
    life.to(10);
    let before = life.container("pause");
    life.send(Event::EphemeralAdded(Box::new(Container::named("debug"))));
    life.to(20);
    assert!(life.is_running("debug"));
    assert_eq!(life.status().ephemeral_container_statuses.len(), 1);
    assert_eq!(life.container("pause"), before);
    assert_eq!(life.phase(), Phase::Running);
}

/// The same pods with a readiness probe, and with both.
fn with_readiness(pod: PodUnderTest, names: &[&str], startup: bool) -> PodUnderTest {
    names.iter().fold(pod, |pod, name| {
        let pod = pod.ready(name, probe(0, 3));
        if startup { pod.probed(name, probe(0, 3)) } else { pod }
    })
}

#[test]
fn clr_003_readiness_probe() {
    stays_as_it_was(&with_readiness(pod(Always).main("main", exits(0, 3600)), &["main"], false), &["main"]);
}

#[test]
fn clr_004_startup_and_readiness_probes() {
    stays_as_it_was(&with_readiness(pod(Always).main("main", exits(0, 3600)), &["main"], true), &["main"]);
}

#[test]
fn clr_007_readiness_probes_of_several_containers() {
    let pod = pod(Always).main("one", exits(0, 3600)).main("two", exits(0, 3600));
    stays_as_it_was(&with_readiness(pod, &["one", "two"], false), &["one", "two"]);
}

#[test]
fn clr_008_startup_and_readiness_probes_of_several_containers() {
    let pod = pod(Always).main("one", exits(0, 3600)).main("two", exits(0, 3600));
    stays_as_it_was(&with_readiness(pod, &["one", "two"], true), &["one", "two"]);
}

#[test]
fn clr_011_readiness_probe_of_a_sidecar() {
    let pod = pod(Always).sidecar("sidecar", exits(0, 3600)).main("pause", runs());
    stays_as_it_was(&with_readiness(pod, &["sidecar"], false), &["sidecar", "pause"]);
}

#[test]
fn clr_012_startup_and_readiness_probes_of_a_sidecar() {
    let pod = pod(Always).sidecar("sidecar", exits(0, 3600)).main("pause", runs());
    stays_as_it_was(&with_readiness(pod, &["sidecar"], true), &["sidecar", "pause"]);
}
