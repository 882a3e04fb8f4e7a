//! Who starts when (rules 3 to 36).

use podinit::pod::{Event, Phase, StartStage, TerminatedReason, WaitingReason};
use podinit::sim::{Attempt, HookConduct};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{Container, ProbeKind};

use crate::life::{
    Life, PodUnderTest, at, cannot_start, command_hook, exits, pod, probe, runs, secs, stops_in,
};

/// A slow stop of one container holds up no other's restart: here nothing blocks (rule 3).
#[test]
fn rule_3_a_slow_stop_holds_up_nobody() {
    let deaf = runs().ignores_term().healthy_for(secs(10));
    let pod = pod(Always).grace(300).main("deaf", deaf).live("deaf", probe(10, 1));
    let mut life = pod.main("other", [exits(1, 20), runs()]).begin();
    life.to(30);
    assert_eq!(life.trace().signalled("deaf"), at([10]));
    assert!(life.is_running("deaf"), "it has 300 s");
    assert_eq!(life.starts("other"), at([0, 20]));
}

#[test]
fn rule_4_each_hook_holds_back_the_containers_after_its_own() {
    let hooked = || runs().post_start(HookConduct::takes(secs(5)));
    let pod = pod(Always).main("a", hooked()).main("b", hooked()).main("c", runs());
    let mut life = pod.post_start("a", command_hook()).post_start("b", command_hook()).begin();
    life.to(20);
    assert_eq!((life.starts("a"), life.starts("b"), life.starts("c")), (at([0]), at([5]), at([10])));
}

/// Only until it is known: a hook that failed does not hold back the others.
#[test]
fn rule_4_a_hook_that_fails_lets_the_next_container_start() {
    let failing = stops_in(20).post_start(HookConduct::fails(secs(5)));
    let pod = pod(Never).main("a", failing).main("b", exits(0, 1));
    let mut life = pod.post_start("a", command_hook()).begin();
    life.run();
    assert_eq!(life.starts("b"), at([5]));
    assert_eq!(life.trace().signalled("a"), at([5]));
}

/// A container that is started again waits for nobody's hook.
#[test]
fn rule_4_hooks_hold_back_first_starts_alone() {
    let slow = exits(0, 10_000).post_start(HookConduct::takes(secs(50)));
    let pod = pod(Always).main("a", [exits(1, 10), slow]).main("b", [exits(1, 15), runs()]);
    let mut life = pod.post_start("a", command_hook()).begin();
    life.to(40);
    assert_eq!(life.starts("a"), at([0, 10]), "its second hook goes on until 60 s");
    assert_eq!(life.starts("b"), at([0, 15]));
}

#[test]
fn rule_5_an_init_that_cannot_be_made_holds_up_everything_and_is_tried_again() {
    let later = [cannot_start(StartStage::Config, 0), cannot_start(StartStage::Config, 0), exits(0, 1)];
    let mut life = pod(Never).init("init", later).main("main", exits(0, 1)).begin();
    life.to(5);
    assert_eq!(life.phase(), Phase::Pending);
    assert_eq!(life.waits("init"), Some(WaitingReason::CreateContainerConfigError));
    assert_eq!(life.waits("main"), Some(WaitingReason::PodInitializing));
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.starts("init"), life.starts("main")), (at([20]), at([21])));
}

#[test]
fn rule_5_a_sidecar_that_cannot_be_made_does_not_hold_up_another_one_s_restart() {
    let broken = [exits(1, 10), cannot_start(StartStage::Config, 0), runs()];
    let pod = pod(Always).sidecar("broken", broken).sidecar("other", [exits(1, 10), runs()]);
    let mut life = pod.main("main", runs()).begin();
    life.to(30);
    assert_eq!(life.starts("broken"), at([0, 20]));
    assert_eq!(life.starts("other"), at([0, 10]));
    assert_eq!(life.starts("main"), at([0]));
}

#[test]
fn rule_5_a_main_that_cannot_be_made_does_not_stop_the_others() {
    let mut life = pod(Always)
        .main("config", cannot_start(StartStage::Config, 0))
        .main("create", cannot_start(StartStage::Create, 11))
        .main("other", runs())
        .begin();
    life.to(30);
    assert_eq!(life.starts("other"), at([0]));
    assert_eq!(life.phase(), Phase::Pending, "one of them has never run");
}

/// Its process runs, its hook is through, and only then its startup probe is asked and must succeed.
#[test]
fn rule_7_a_sidecar_has_started_after_hook_and_startup_probe() {
    let sidecar = runs().post_start(HookConduct::takes(secs(3))).ready_after(secs(5));
    let pod = pod(Always).sidecar("sidecar", sidecar).post_start("sidecar", command_hook());
    let mut life = pod.probed("sidecar", probe(0, 3)).main("main", runs()).begin();
    life.to(12);
    assert_eq!(life.trace().probed("sidecar", ProbeKind::Startup), at([3]));
    assert!(!life.container("sidecar").started);
    life.to(20);
    assert_eq!(life.starts("main"), at([13]));
}

/// Neither liveness nor readiness of a sidecar holds anything back.
#[test]
fn rules_7_8_nobody_waits_for_a_sidecar_to_be_ready() {
    let sidecar = runs().serves_from(secs(1000)).healthy_for(secs(0));
    let pod = pod(Always).sidecar("sidecar", sidecar).ready("sidecar", probe(0, 1));
    let mut life = pod.live("sidecar", probe(50, 1)).main("main", runs()).begin();
    life.to(10);
    assert_eq!(life.starts("main"), at([0]));
    assert!(!life.container("sidecar").ready && life.container("sidecar").started);
}

#[test]
fn rule_12_mains_start_together() {
    let slow = Attempt { start_takes: secs(30), ..runs() };
    let pod = pod(Always).init("init", exits(0, 5)).main("slow", slow).main("b", runs()).main("c", runs());
    let mut life = pod.begin();
    life.to(40);
    assert_eq!((life.starts("slow"), life.starts("b"), life.starts("c")), (at([35]), at([5]), at([5])));
}

/// All of them are down at the same moment, and all start before the init container that comes next.
#[test]
fn rule_13_crashed_sidecars_start_again_beside_the_init_that_runs() {
    let crashes = || [exits(1, 10), runs()];
    let pod = pod(Always).sidecar("a", crashes()).sidecar("b", crashes()).init("init", exits(0, 30));
    let mut life = pod.main("main", runs()).begin();
    life.to(40);
    assert_eq!((life.starts("a"), life.starts("b")), (at([0, 10]), at([0, 10])));
    assert_eq!((life.starts("init"), life.starts("main")), (at([0]), at([30])));
}

/// A sidecar that starts anew with a startup probe of its own changes neither phase nor main containers.
#[test]
fn rule_14_a_restarted_sidecar_takes_nothing_back() {
    let pod = pod(Always).sidecar("sidecar", [exits(1, 20), runs().ready_after(secs(500))]);
    let mut life = pod.probed("sidecar", probe(0, 100)).main("main", runs()).begin();
    life.to(19);
    assert_eq!(life.phase(), Phase::Running);
    for seconds in [20, 25, 100, 400] {
        life.to(seconds);
        assert_eq!(life.phase(), Phase::Running, "at {seconds} s");
        assert!(!life.container("sidecar").started);
    }
    assert_eq!(life.starts("main"), at([0]));
}

/// What changed starts again, whatever the policies; what did not stays.
#[test]
fn rule_17_only_what_changed_starts_again() {
    for policy in [Always, OnFailure, Never] {
        let pod = pod(policy).sidecar("sidecar", runs()).main("a", runs()).main("b", runs());
        let mut life = pod.begin();
        life.to(10);
        let mut changed = life.pod().clone();
        changed.metadata.labels.insert("app".to_owned(), "other".to_owned());
        life.send(Event::SpecChanged(Box::new(changed.clone())));
        life.to(11);
        assert_eq!((life.restarts("sidecar"), life.restarts("a"), life.restarts("b")), (0, 0, 0));
        changed.containers[0].args = vec!["other".to_owned()];
        changed.init_containers[0].args = vec!["other".to_owned()];
        life.send(Event::SpecChanged(Box::new(changed)));
        life.to(20);
        assert_eq!((life.starts("sidecar"), life.starts("a")), (at([0, 11]), at([0, 11])), "{policy:?}");
        assert_eq!(life.starts("b"), at([0]));
    }
}

/// Neither an init container that is through nor one that runs starts anew because it changed.
#[test]
fn rule_17_init_containers_do_not_start_anew() {
    let mut life = pod(Always).init("a", exits(0, 10)).init("b", exits(0, 10)).main("main", runs()).begin();
    life.to(15);
    life.change_image("a", "v2");
    life.change_image("b", "v2");
    life.to(30);
    assert_eq!((life.starts("a"), life.starts("b")), (at([0]), at([10])));
    assert_eq!(life.starts("main"), at([20]));
}

fn debugged(mut life: Life, seconds: u64) -> Life {
    life.to(seconds);
    life.send(Event::EphemeralAdded(Box::new(Container::named("debug"))));
    life.to(seconds);
    life
}

/// Whatever the pod is doing, and it holds nothing up.
#[test]
fn rule_18_an_ephemeral_container_starts_at_once() {
    let pod = pod(Never).init("init", exits(0, 10)).main("main", exits(0, 10));
    let mut life = debugged(pod.begin(), 5);
    assert_eq!(life.starts("debug"), at([5]));
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.starts("main"), at([10]));
    assert_eq!(life.exits("debug"), at([20]), "it does not keep the pod");
    assert_eq!(life.phase(), Phase::Succeeded);
}

#[test]
fn rule_18_an_ephemeral_container_does_not_start_again() {
    let mut life = pod(Always).main("main", runs()).begin();
    life.behave(podinit::spec::ContainerId::at(1), podinit::sim::Behaviour::always(exits(1, 5)));
    let mut life = debugged(life, 10);
    life.to(1000);
    assert_eq!(life.starts("debug"), at([10]));
    assert_eq!(life.ended("debug"), Some((1, TerminatedReason::Error)));
    assert_eq!(life.phase(), Phase::Running);
}

/// Only the one that failed runs again, not those before it.
#[test]
fn rule_21_only_the_failed_init_runs_again() {
    for policy in [Always, OnFailure] {
        let pod = pod(policy).init("a", exits(0, 1)).init("b", [exits(1, 1), exits(1, 1), exits(0, 1)]);
        let mut life = pod.init("c", exits(0, 1)).main("main", runs()).begin();
        life.to(60);
        assert_eq!(life.starts("a"), at([0]));
        assert_eq!(life.starts("b"), at([1, 2, 13]), "at once, and after 10 s");
        assert_eq!((life.starts("c"), life.starts("main")), (at([14]), at([15])));
        assert_eq!(life.restarts("b"), 2);
    }
}

/// The policy of an init container of its own goes before the pod's, either way.
#[test]
fn rules_22_97_an_init_s_own_policy_decides() {
    let own = |policy: RestartPolicy, own: RestartPolicy| -> Life {
        let pod = pod(policy).init("init", [exits(3, 1), exits(0, 1)]).main("main", exits(0, 1));
        pod.with("init", |container| container.restart_policy = Some(own)).begin()
    };
    for policy in [Always, OnFailure] {
        let mut life = own(policy, Never);
        assert_eq!(life.run(), Some(3), "{policy:?}");
        assert_eq!(life.phase(), Phase::Failed);
        assert!(life.starts("main").is_empty());
    }
    let mut life = own(Never, OnFailure);
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.starts("init"), life.starts("main")), (at([0, 1]), at([2])));
}

/// A pod that may not restart and has lost its surroundings is over.
#[test]
fn rule_23_never_ends_with_its_sandbox() {
    let mut life = pod(Never).sidecar("sidecar", runs()).main("main", runs()).begin();
    life.to(10);
    life.send(Event::SandboxLost);
    assert!(life.run().is_some());
    assert_eq!((life.starts("sidecar"), life.starts("main")), (at([0]), at([0])));
}

/// From the first entry on, but for a main container that is done.
#[test]
fn rule_23_on_failure_runs_everything_again_but_what_is_done() {
    let pod = pod(OnFailure).init("init", exits(0, 1)).sidecar("sidecar", runs());
    let mut life = pod.main("done", exits(0, 1)).main("main", runs()).begin();
    life.to(10);
    life.send(Event::SandboxLost);
    life.to(20);
    assert_eq!(life.starts("init").len(), 2);
    assert_eq!(life.starts("sidecar").len(), 2);
    assert_eq!(life.starts("main"), at([1, 11]));
    assert_eq!(life.starts("done"), at([1]));
}

/// The restart of an init container counts as any other, and the count goes on in new surroundings.
#[test]
fn rule_26_restarts_of_inits_count() {
    let pod = pod(Always).init("init", [exits(1, 1), exits(0, 1)]).main("main", runs());
    let mut life = pod.begin();
    life.to(10);
    assert_eq!(life.restarts("init"), 1);
    life.send(Event::SandboxLost);
    life.to(30);
    assert_eq!((life.restarts("init"), life.restarts("main")), (2, 1));
}

/// A sidecar that waits for its restart when the main containers are done stays down, and the pod is
/// over at once.
#[test]
fn rule_30_a_restart_that_is_due_later_is_cancelled() {
    let pod = pod(Never).sidecar("sidecar", exits(1, 1)).main("main", exits(0, 5));
    let mut life = pod.begin();
    life.to(4);
    assert_eq!(life.waits("sidecar"), Some(WaitingReason::CrashLoopBackOff));
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.elapsed(), secs(5));
    assert_eq!(life.starts("sidecar"), at([0, 1]));
}

/// Between the end of the main containers and that of the last sidecar the pod is still Running.
#[test]
fn rules_29_31_running_until_the_last_sidecar_is_gone() {
    for (main, sidecar, end) in [(0, 7, Phase::Succeeded), (7, 0, Phase::Failed)] {
        let stops = runs().stops(sidecar, secs(10));
        let mut life = pod(Never).sidecar("sidecar", stops).main("main", exits(main, 5)).begin();
        life.to(14);
        assert!(life.ended("main").is_some() && life.is_running("sidecar"));
        assert_eq!(life.phase(), Phase::Running);
        life.run();
        assert_eq!((life.phase(), life.elapsed()), (end, secs(15)));
    }
}

#[test]
fn rule_33_no_sidecar_starts_again_while_the_pod_ends() {
    let pod = pod(Always).sidecar("sidecar", exits(1, 12)).main("main", stops_in(15));
    let mut life = pod.begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.exits("sidecar"), life.exits("main")), (at([12]), at([25])));
    assert_eq!(life.starts("sidecar"), at([0]));
}

fn with_sidecar_that_starts_late() -> PodUnderTest {
    let pod = pod(Never).sidecar("first", stops_in(3)).sidecar("second", runs().ready_after(secs(1000)));
    pod.probed("second", probe(0, 1000)).main("main", runs())
}

/// kubernetes#125880: a later sidecar that has not started yet does not take the grace of the first.
#[test]
fn rule_36_sidecars_stop_gracefully_before_all_have_started() {
    let mut life = with_sidecar_that_starts_late().begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(life.trace().signalled("second"), at([10]));
    assert_eq!((life.trace().signalled("first"), life.exits("first")), (at([10]), at([13])));
    assert!(life.trace().killed("first").iter().all(|killed| *killed >= secs(13)));
}

/// kubernetes#136910, and CLR-013 upstream: only the sidecar survives the supervisor.
#[test]
fn rule_36_mains_start_again_beside_a_sidecar_that_survived() {
    let pod = pod(Always).sidecar("sidecar", runs()).main("a", exits(1, 20)).main("b", exits(0, 20));
    let mut life = pod.clone().begin();
    life.to(20);
    let mut status = life.status();
    assert_eq!(life.trace().started("a"), at([0, 20]));
    for container in &mut status.container_statuses {
        container.state = podinit::pod::ContainerState::Terminated(container.last_state.take().unwrap());
        (container.ready, container.started) = (false, false);
    }
    let mut life = pod.restore(&status, secs(25));
    life.to(26);
    assert_eq!((life.starts("a"), life.starts("b")), (at([25]), at([25])));
    assert!(life.starts("sidecar").is_empty() && life.is_running("sidecar"));
}

/// fix #133072: under Never, too, a sidecar that is started again is asked by its startup probe again.
#[test]
fn rule_36_a_restarted_sidecar_is_asked_again_under_never() {
    let pod = pod(Never).sidecar("sidecar", [runs().ready_after(secs(1000)), runs()]);
    let mut life = pod.probed("sidecar", probe(0, 1)).main("main", exits(0, 5)).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.starts("sidecar"), at([0, 0]));
    assert_eq!(life.trace().probed("sidecar", ProbeKind::Startup), at([0, 0]));
    assert_eq!(life.starts("main"), at([0]));
}
