//! What is done for a pod with init containers, sidecars or ephemeral containers that was left in some
//! state: upstream's tables of computePodActions. Its numbers count from 0, these names from 1.

use podinit::pod::{Event, ProbeOutcome};
use podinit::sim::Entry;
use podinit::spec::RestartPolicy::{Always, Never, OnFailure};
use podinit::spec::{Amounts, Container, Pod, Quantity, Resources, RestartPolicy};

use crate::life::{at, exits, pod, probe, runs};
use crate::supervisor::Supervisor;
use crate::supervisor::Was::{self, Created, Exited, NotStarted, Running, Unknown};

fn with_inits(policy: RestartPolicy) -> Pod {
    let pod = pod(policy).init("init1", runs()).init("init2", runs()).init("init3", runs());
    pod.main("foo1", runs()).main("foo2", runs()).main("foo3", runs()).pod
}

fn with_sidecars(policy: RestartPolicy) -> Pod {
    let pod = pod(policy).sidecar("side1", runs()).sidecar("side2", runs()).sidecar("side3", runs());
    pod.main("foo1", runs()).main("foo2", runs()).main("foo3", runs()).pod
}

fn with_ephemeral(policy: RestartPolicy) -> Pod {
    let pod = pod(policy).init("init1", runs());
    let mut pod = pod.main("foo1", runs()).main("foo2", runs()).main("foo3", runs()).pod;
    pod.ephemeral_containers.push(Container::named("debug"));
    pod
}

/// The first two init containers are done, the third was left so, no main container has run.
fn third_init(policy: RestartPolicy, was: Was) -> Supervisor {
    let left = [("init1", Exited(0)), ("init2", Exited(0)), ("init3", was)];
    Supervisor::taking_over(with_inits(policy), &left)
}

/// The sidecars were left so, no main container has run.
fn sidecars(pod: Pod, left: [Was; 3]) -> Supervisor {
    let [side1, side2, side3] = left;
    Supervisor::taking_over(pod, &[("side1", side1), ("side2", side2), ("side3", side3)])
}

/// `with_sidecars` where this sidecar has a startup probe that may fail so many times.
fn with_probe(policy: RestartPolicy, sidecar: usize, failures: u32) -> Pod {
    let mut pod = with_sidecars(policy);
    pod.init_containers[sidecar].startup_probe = Some(probe(0, failures));
    pod
}

const NOTHING: [&str; 0] = [];
const START_MAINS: [&str; 3] = ["start foo1", "start foo2", "start foo3"];

#[test]
fn u_act_init_002_nothing_started() {
    let mut supervisor = Supervisor::new(with_inits(Always));
    assert_eq!(supervisor.wants(), ["set up sandbox"]);
    assert_eq!(supervisor.sandbox_ready(), ["start init1"]);
}

#[test]
fn u_act_init_003_in_progress() {
    let mut supervisor = third_init(Always, Running);
    assert_eq!(supervisor.wants(), NOTHING);
    assert_eq!(supervisor.ends("init3", 0), START_MAINS, "it does go on");
}

#[test]
fn u_act_init_004_sandbox_dead() {
    let mut supervisor = third_init(Always, Exited(0));
    assert_eq!(supervisor.sandbox_lost(137), ["set up sandbox", "start init1"]);
}

#[test]
fn u_act_init_006_last_init_failed_on_failure() {
    assert_eq!(third_init(OnFailure, Exited(137)).wants(), ["start init3"]);
}

#[test]
fn u_act_init_008_last_init_unknown_always() {
    assert_eq!(third_init(Always, Running).unknown("init3"), ["kill init3", "start init3"]);
}

#[test]
fn u_act_init_009_last_init_unknown_on_failure() {
    assert_eq!(third_init(OnFailure, Running).unknown("init3"), ["kill init3", "start init3"]);
}

#[test]
fn u_act_init_010_last_init_unknown_never() {
    let wants = third_init(Never, Running).unknown("init3");
    assert_eq!(wants, ["kill init3", "tear down sandbox", "finish 137"]);
}

#[test]
fn u_act_init_011_no_sandbox_never_inits_exited() {
    for last in [Exited(2), Exited(0)] {
        let wants = third_init(Never, last).sandbox_lost(137);
        assert_eq!(wants[0], "tear down sandbox", "{last:?}");
        assert!(wants.len() == 2 && wants[1].starts_with("finish "), "nothing starts: {wants:?}");
    }
}

#[test]
fn u_act_init_012_no_sandbox_never_no_visible_inits() {
    let mut supervisor = Supervisor::taking_over(with_inits(Never), &[]);
    assert_eq!(supervisor.wants(), ["set up sandbox"]);
    assert_eq!(supervisor.sandbox_ready(), ["start init1"]);
}

#[test]
fn u_act_init_014_earlier_records_missing_last_running() {
    let mut supervisor = Supervisor::taking_over(with_inits(Always), &[("init3", Running)]);
    assert_eq!(supervisor.wants(), NOTHING);
    assert_eq!(supervisor.ends("init3", 0), START_MAINS, "the earlier ones count as passed");
}

#[test]
fn u_act_init_015_init_stuck_in_created() {
    assert_eq!(third_init(Always, Created).wants(), ["start init3"]);
}

#[test]
fn u_act_sidecar_001_complete() {
    assert_eq!(sidecars(with_sidecars(Always), [Running; 3]).wants(), START_MAINS);
}

#[test]
fn u_act_sidecar_002_nothing_started() {
    let mut supervisor = Supervisor::new(with_sidecars(Always));
    assert_eq!(supervisor.wants(), ["set up sandbox"]);
    assert_eq!(supervisor.sandbox_ready(), ["start side1"]);
}

#[test]
fn u_act_sidecar_004_first_running() {
    let mut supervisor = Supervisor::taking_over(with_sidecars(Always), &[("side1", Running)]);
    assert_eq!(supervisor.wants(), ["start side2"]);
}

#[test]
fn u_act_sidecar_009_startup_not_yet_run() {
    let left = [("side1", Running), ("side2", NotStarted)];
    let mut supervisor = Supervisor::taking_over(with_probe(Always, 1, 1), &left);
    assert_eq!(supervisor.wants(), ["probe side2"], "nothing but the probe");
}

/// A probe that cannot be carried out says nothing (rule 48).
#[test]
fn u_act_sidecar_010_startup_unknown() {
    let left = [("side1", Running), ("side2", NotStarted)];
    let mut supervisor = Supervisor::taking_over(with_probe(Always, 1, 1), &left);
    assert_eq!(supervisor.wants(), ["probe side2"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Error), ["probe side2"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Error), ["probe side2"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Error), NOTHING);
}

#[test]
fn u_act_sidecar_011_startup_succeeded() {
    let left = [("side1", Running), ("side2", NotStarted)];
    let mut supervisor = Supervisor::taking_over(with_probe(Always, 1, 1), &left);
    assert_eq!(supervisor.wants(), ["probe side2"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Success), ["start side3"]);
}

#[test]
fn u_act_sidecar_012_startup_failed() {
    let mut supervisor = sidecars(with_probe(Always, 2, 1), [Running, Running, NotStarted]);
    assert_eq!(supervisor.wants(), ["probe side3"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Failure), ["stop side3"]);
    assert_eq!(supervisor.ends("side3", 0), ["start side3"], "and no main container");
}

#[test]
fn u_act_sidecar_013_definition_changed() {
    let mut changed = with_sidecars(Always);
    changed.init_containers[2].image = "v2".into();
    let mut supervisor = sidecars(with_sidecars(Always), [Running; 3]);
    let mut wants = supervisor.spec_changed(changed);
    wants.sort();
    assert_eq!(wants, ["start foo1", "start foo2", "start foo3", "stop side3"], "in one pass");
    assert_eq!(supervisor.ends("side3", 0), ["start side3"]);
}

#[test]
fn u_act_sidecar_014_first_and_last_exited() {
    let mut supervisor = sidecars(with_sidecars(Always), [Exited(1), Running, Exited(1)]);
    assert_eq!(supervisor.wants(), ["start side1", "start side3"]);
}

#[test]
fn u_act_sidecar_015_first_exited() {
    let mut supervisor = sidecars(with_sidecars(Always), [Exited(1), Running, Running]);
    assert_eq!(supervisor.wants(), ["start side1", "start foo1", "start foo2", "start foo3"]);
}

#[test]
fn u_act_sidecar_016_no_sandbox_never_sidecar_failed() {
    let mut supervisor = sidecars(with_sidecars(Never), [Running, Running, Exited(137)]);
    let wants = supervisor.sandbox_lost(137);
    assert_eq!(wants[..3], ["stop side2", "stop side1", "tear down sandbox"]);
    assert_eq!(wants.len(), 4, "nothing starts: {wants:?}");
}

#[test]
fn u_act_sidecar_017_no_sandbox_never_nothing_visible() {
    let mut supervisor = Supervisor::taking_over(with_sidecars(Never), &[]);
    assert_eq!(supervisor.wants(), ["set up sandbox"]);
    assert_eq!(supervisor.sandbox_ready(), ["start side1"]);
}

#[test]
fn u_act_sidecar_018_no_sandbox_on_failure() {
    let mut supervisor = sidecars(with_sidecars(OnFailure), [Running, Running, Exited(137)]);
    let wants = supervisor.sandbox_lost(137);
    assert_eq!(wants, ["stop side2", "stop side1", "set up sandbox", "start side1"]);
}

#[test]
fn u_act_sidecar_019_no_sandbox_always() {
    let mut supervisor = sidecars(with_sidecars(Always), [Running, Running, Exited(137)]);
    let wants = supervisor.sandbox_lost(137);
    assert_eq!(wants, ["stop side2", "stop side1", "set up sandbox", "start side1"]);
}

#[test]
fn u_act_sidecar_020_last_failed_during_init_never() {
    let mut supervisor = sidecars(with_sidecars(Never), [Running, Running, Exited(137)]);
    assert_eq!(supervisor.wants(), ["start side3"]);
}

#[test]
fn u_act_sidecar_021_last_unknown_never() {
    let mut pod = with_sidecars(Never);
    pod.init_containers[2].startup_probe = Some(probe(60, 1));
    let mut supervisor = sidecars(pod, [Running, Running, NotStarted]);
    assert_eq!(supervisor.unknown("side3"), ["kill side3", "start side3"]);
    let mut supervisor = sidecars(with_sidecars(Never), [Running, Running, Unknown]);
    assert_eq!(supervisor.wants(), ["start side3"], "nothing is left to kill");
}

#[test]
fn u_act_sidecar_022_last_failed_with_mains_running_never() {
    let left = [
        ("side1", Running),
        ("side2", Running),
        ("side3", Exited(137)),
        ("foo1", Running),
        ("foo2", Running),
        ("foo3", Running),
    ];
    assert_eq!(Supervisor::taking_over(with_sidecars(Never), &left).wants(), ["start side3"]);
}

#[test]
fn u_act_sidecar_023_all_mains_succeeded_never() {
    let left = [
        ("side1", Running),
        ("side2", Running),
        ("side3", Running),
        ("foo1", Exited(0)),
        ("foo2", Exited(0)),
        ("foo3", Exited(0)),
    ];
    let mut supervisor = Supervisor::taking_over(with_sidecars(Never), &left);
    assert_eq!(supervisor.wants(), ["stop side3"], "the others wait for their turn");
    assert_eq!(supervisor.ends("side3", 0), ["stop side2"]);
    assert_eq!(supervisor.ends("side2", 0), ["stop side1"]);
    assert_eq!(supervisor.ends("side1", 0), ["tear down sandbox", "finish 0"]);
}

#[test]
fn u_act_eph_005_started_while_init_is_in_progress() {
    let mut supervisor = Supervisor::taking_over(with_ephemeral(Always), &[("init1", Running)]);
    assert_eq!(supervisor.wants(), ["start debug"]);
}

#[test]
fn u_act_eph_006_sandbox_dead_on_failure_init_failed() {
    let left = [("init1", Exited(137)), ("debug", Running)];
    let mut supervisor = Supervisor::taking_over(with_ephemeral(OnFailure), &left);
    assert_eq!(supervisor.sandbox_lost(137), ["stop debug", "set up sandbox", "start init1"]);
}

#[test]
fn u_act_eph_007_not_restarted_after_the_sandbox_died() {
    let left =
        [("init1", Exited(0)), ("foo1", Running), ("foo2", Running), ("foo3", Running), ("debug", Running)];
    let mut supervisor = Supervisor::taking_over(with_ephemeral(Always), &left);
    let wants = supervisor.sandbox_lost(137);
    let (stops, rest): (Vec<_>, Vec<_>) = wants.into_iter().partition(|want| want.starts_with("stop "));
    assert_eq!(stops.len(), 4, "{stops:?}");
    assert_eq!(rest, ["set up sandbox", "start init1"]);
}

#[test]
fn u_act_eph_009_unknown_ephemeral_is_left_alone() {
    let left =
        [("init1", Exited(0)), ("foo1", Running), ("foo2", Running), ("foo3", Running), ("debug", Unknown)];
    let mut supervisor = Supervisor::taking_over(with_ephemeral(Never), &left);
    assert_eq!(supervisor.wants(), NOTHING);
}

#[test]
fn u_act_init_017_other_resources_for_an_init_that_runs() {
    let asked = |cpu: &str, memory: &str| Resources {
        requests: Amounts { cpu: Quantity::parse(cpu), memory: Quantity::parse(memory) },
        ..Resources::default()
    };
    let pod = pod(Always).init("init", exits(0, 60)).main("main", runs());
    let mut life = pod.with("init", |container| container.resources = asked("400m", "400Mi")).begin();
    life.to(1);
    let mut changed = life.pod().clone();
    changed.init_containers[0].resources = asked("800m", "800Mi");
    life.send(Event::SpecChanged(Box::new(changed)));
    let resized = life.trace().iter().filter(|(_, entry)| *entry == Entry::Resizing("init".into())).count();
    assert_eq!(resized, 1);
    life.to(59);
    assert_eq!((life.starts("init"), life.restarts("init")), (at([0]), 0));
}
