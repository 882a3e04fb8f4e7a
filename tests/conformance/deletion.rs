//! Pods that are deleted, at any time of their lives.

use podinit::pod::TerminatedReason::{Completed, Error};
use podinit::pod::{
    ContainerState, Event, Phase, PodEvent, PodStatus, StartFailure, StartStage, WaitingReason,
};
use podinit::sim::{Attempt, Entry};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{Options, Profile, Source, Syntax, load};

use crate::life::{Life, PodUnderTest, at, exits, pod, probe, runs, secs, stops_in};

#[test]
fn cl_023_the_grace_is_respected() {
    let mut life = pod(Always).main("regular-1", runs().ignores_term()).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(life.trace().signalled("regular-1"), at([10]));
    assert_eq!(life.exits("regular-1"), at([40]));
    assert_eq!(life.elapsed(), secs(40));
}

/// Their preStop hooks would never run: none of them starts.
#[test]
fn cl_121_deletion_during_init_does_not_wait_for_what_never_started() {
    let pod = pod(Never).init("start-init", exits(0, 300)).sidecar("sidecar-1", runs());
    let pod = pod.sidecar("sidecar-2", runs()).sidecar("sidecar-3", runs());
    let mut life = pod.main("regular-1", runs()).begin();
    life.to(10);
    assert!(life.is_running("start-init") && life.container("start-init").started);
    life.delete_within(3);
    assert!(life.run().is_some());
    assert_eq!(life.elapsed(), secs(10), "start-init stops at once");
    assert_eq!(life.phase(), Phase::Failed);
    for name in ["sidecar-1", "sidecar-2", "sidecar-3", "regular-1"] {
        assert!(life.starts(name).is_empty() && life.trace().signalled(name).is_empty(), "{name}");
    }
    assert_eq!(life.waits("regular-1"), Some(WaitingReason::PodInitializing), "it never ran (rule 89)");
}

#[test]
fn cl_122_a_sidecar_that_has_not_started_is_stopped_at_once() {
    let pod = pod(Never).grace(180).init("init-1", exits(0, 1));
    let pod = pod.sidecar("sidecar-2", exits(0, 600).stops(0, secs(1)).ready_after(secs(100_000)));
    let pod = pod.probed("sidecar-2", probe(0, 600)).sidecar("sidecar-3", runs());
    let mut life = pod.main("regular-1", runs()).begin();
    life.to(30);
    assert!(life.is_running("sidecar-2") && !life.container("sidecar-2").started);
    assert_eq!(life.phase(), Phase::Pending);
    life.delete();
    assert!(life.run().is_some());
    assert_eq!(life.trace().signalled("sidecar-2"), at([30]));
    assert_eq!(life.elapsed(), secs(31));
    assert!(life.starts("sidecar-3").is_empty() && life.starts("regular-1").is_empty());
}

/// A start that cannot succeed keeps this pod Pending, as an image that cannot be had does upstream's.
#[test]
fn del_001_deleted_while_pending() {
    let failure =
        StartFailure { stage: StartStage::Config, errno: 0, message: "cannot".to_owned(), retry: false };
    let attempt = Attempt { start_fails: Some(failure), ..runs() };
    let mut life = pod(Always).main("main", attempt).begin();
    life.to(15);
    assert_eq!(life.phase(), Phase::Pending);
    assert_eq!(life.waits("main"), Some(WaitingReason::CreateContainerConfigError));
    life.delete();
    assert!(life.run().is_some());
    assert_eq!(life.phase(), Phase::Failed);
}

/// Deleted with a grace of a second; SIGKILL comes after the minimum of two (rule 79).
fn ignores_term_with_grace_1(policy: RestartPolicy) {
    let mut life = pod(policy).grace(1).main("main", exits(0, 1800).ignores_term()).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(137));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!(life.ended("main"), Some((137, Error)));
    assert_eq!(life.exits("main"), at([12]));
}

#[test]
fn del_002_always_and_a_nonzero_exit() {
    ignores_term_with_grace_1(Always);
}

#[test]
fn del_004_never_and_a_nonzero_exit() {
    ignores_term_with_grace_1(Never);
}

fn exits_0_on_term(policy: RestartPolicy) {
    let mut life = pod(policy).main("main", runs()).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    assert_eq!(life.ended("main"), Some((0, Completed)));
    assert_eq!(life.starts("main"), at([0]));
}

#[test]
fn del_005_always_and_exit_0() {
    exits_0_on_term(Always);
}

#[test]
fn del_007_never_and_exit_0() {
    exits_0_on_term(Never);
}

#[test]
fn del_008_sigkill_after_the_grace() {
    let mut life = pod(Always).grace(5).main("main", runs().ignores_term()).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(life.ended("main"), Some((137, Error)));
    assert_eq!(life.exits("main"), at([15]));
}

#[test]
fn del_010_deleted_with_a_grace_of_30() {
    let mut life = pod(Always).main("main", stops_in(3)).begin();
    life.to(10);
    life.delete_within(30);
    assert!(life.run().is_some());
    assert!(life.ended("main").is_some());
    assert_eq!(life.elapsed(), secs(13));
}

#[test]
fn del_011_a_negative_grace_is_one_second() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  terminationGracePeriodSeconds: -1\n  \
                containers: [{name: main, command: [sleep]}]\n";
    let source = Source { name: "pod.yaml".to_owned(), text: text.to_owned(), syntax: Syntax::Yaml };
    let options = Options { profile: Some(Profile::Process), ..Options::default() };
    let loaded = load(&[source], &options);
    assert_eq!(loaded.pod.unwrap().termination_grace_period, secs(1));
}

/// The pod deleted at every tenth of a second of its first two, each life with every status that it
/// showed.
fn deleted_at_every_moment(pod: &PodUnderTest) -> Vec<(Life, Vec<PodStatus>)> {
    let lives = (0..20).map(|tenth| {
        let mut life = pod.clone().begin();
        let mut shown = vec![life.status()];
        life.run_until(|world| {
            shown.push(world.status());
            world.elapsed().as_millis() >= tenth * 100
        });
        life.delete();
        life.run_until(|world| {
            shown.push(world.status());
            false
        });
        shown.push(life.status());
        (life, shown)
    });
    lives.collect()
}

/// How far a container's state is; it never goes back.
fn stage(status: &PodStatus, name: &str) -> u8 {
    match status.container(name).unwrap().state {
        ContainerState::Waiting { .. } => 0,
        ContainerState::Running { .. } => 1,
        ContainerState::Terminated(_) => 2,
    }
}

#[test]
fn del_012_no_success_is_ever_shown_for_a_pod_that_fails() {
    let mut attempt = Attempt::exits(1, secs(1));
    attempt.start_takes = std::time::Duration::from_millis(250);
    let mut ended = 0;
    for (life, shown) in deleted_at_every_moment(&pod(Never).main("main", attempt)) {
        assert!(shown.iter().all(|status| status.phase != Phase::Succeeded));
        assert!(shown.is_sorted_by_key(|status| stage(status, "main")), "states only move forward");
        let final_phase = shown.last().unwrap().phase;
        assert_eq!(final_phase, Phase::Failed);
        assert_ne!(life.exit_code(), Some(0));
        if let ContainerState::Terminated(end) = &shown.last().unwrap().container("main").unwrap().state {
            assert_ne!(end.exit_code, 0);
            ended += 1;
        }
    }
    assert!(ended > 10, "most lives got so far as to run it: {ended}");
}

#[test]
fn del_013_no_start_of_a_main_is_shown_when_init_fails() {
    let pod = pod(Never).init("init", Attempt::exits(1, secs(1))).main("main", runs());
    let mut started = 0;
    for (life, shown) in deleted_at_every_moment(&pod) {
        for status in &shown {
            let main = status.container("main").unwrap();
            assert!(!main.started && stage(status, "main") == 0, "{main:?}");
        }
        started += life.starts("init").len();
        assert_eq!(life.phase(), Phase::Failed);
    }
    assert!(started > 10, "most lives got so far as to run init: {started}");
}

#[test]
fn del_014_no_new_sandbox_after_completion() {
    let mut life = pod(OnFailure).init("init", exits(0, 0)).main("main", exits(0, 0)).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    assert_eq!((life.starts("init"), life.starts("main")), (at([0]), at([0])));
    let changed = Entry::Event(PodEvent::SandboxChanged);
    assert!(life.trace().iter().all(|(_, entry)| *entry != changed));
}

/// A manifest that goes away stops its pod as any deletion does.
#[test]
fn del_017_the_grace_is_honoured_when_the_manifest_goes() {
    let mut life = pod(Always).grace(20).main("main", runs().ignores_term()).begin();
    life.to(10);
    life.delete();
    life.to(29);
    assert!(life.is_running("main"));
    assert!(life.run().is_some());
    assert_eq!(life.elapsed(), secs(30));
}

#[test]
fn del_016_the_deadline_is_lowered_while_the_pod_runs() {
    let mut life = pod(Always).main("pause", runs()).begin();
    life.to(3);
    let mut lowered = life.pod().clone();
    lowered.active_deadline = Some(secs(5));
    life.send(Event::SpecChanged(Box::new(lowered)));
    assert_eq!(life.run(), Some(124));
    assert_eq!(life.elapsed(), secs(5));
    assert_eq!(life.phase(), Phase::Failed);
    assert!(life.starts("pause").len() == 1 && life.ended("pause").is_some());
}
