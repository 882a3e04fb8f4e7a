//! What is done for a pod of three main containers that was left in some state: upstream's tables of
//! computePodActions without init containers, and with a container's own restart policy.

use podinit::pod::ProbeOutcome;
use podinit::spec::RestartPolicy::{Always, Never, OnFailure};
use podinit::spec::{Pod, RestartPolicy};

use crate::life::{pod, probe, runs};
use crate::supervisor::Supervisor;
use crate::supervisor::Was::{self, Created, Exited, NotStarted, Running};

fn three(policy: RestartPolicy) -> Pod {
    pod(policy).main("foo1", runs()).main("foo2", runs()).main("foo3", runs()).pod
}

/// `three` with this policy of each container's own.
fn three_with_own(policy: RestartPolicy, own: RestartPolicy) -> Pod {
    let mut pod = three(policy);
    pod.containers.iter_mut().for_each(|container| container.restart_policy = Some(own));
    pod
}

fn left(pod: Pod, foo1: Was, foo2: Was, foo3: Was) -> Supervisor {
    Supervisor::taking_over(pod, &[("foo1", foo1), ("foo2", foo2), ("foo3", foo3)])
}

const NOTHING: [&str; 0] = [];

/// What is wanted when the sandbox breaks and what is stopped exits with `code`: first who is stopped,
/// whose order is none (rule 83), then the rest.
fn sandbox_lost(mut supervisor: Supervisor, code: u8) -> (Vec<String>, Vec<String>) {
    let (mut stops, rest): (Vec<_>, _) =
        supervisor.sandbox_lost(code).into_iter().partition(|want| want.starts_with("stop "));
    stops.sort();
    (stops, rest)
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

#[test]
fn u_act_001_steady_state() {
    assert_eq!(left(three(Always), Running, Running, Running).wants(), NOTHING);
}

#[test]
fn u_act_002_new_pod() {
    let mut supervisor = Supervisor::new(three(Always));
    assert_eq!(supervisor.wants(), ["set up sandbox"]);
    assert_eq!(supervisor.sandbox_ready(), ["start foo1", "start foo2", "start foo3"]);
}

#[test]
fn u_act_004_on_failure_starts_what_failed() {
    assert_eq!(left(three(OnFailure), Exited(0), Exited(111), Running).wants(), ["start foo2"]);
}

#[test]
fn u_act_005_on_failure_starts_what_was_only_created() {
    assert_eq!(left(three(OnFailure), Exited(0), Created, Running).wants(), ["start foo2"]);
}

#[test]
fn u_act_007_sandbox_dead_always() {
    let (stops, rest) = sandbox_lost(left(three(Always), Running, Running, Running), 137);
    assert_eq!(stops, ["stop foo1", "stop foo2", "stop foo3"]);
    assert_eq!(rest, ["set up sandbox", "start foo1", "start foo2", "start foo3"]);
}

/// What ran when the sandbox died starts anew whatever it said when it was stopped: upstream decides
/// before it stops.
#[test]
fn u_act_008_sandbox_dead_on_failure() {
    let anew = (words(["stop foo1", "stop foo3"]), words(["set up sandbox", "start foo1", "start foo3"]));
    for code in [137, 0] {
        let supervisor = left(three(OnFailure), Running, Exited(0), Running);
        assert_eq!(sandbox_lost(supervisor, code), anew, "what is stopped exits with {code}");
    }
}

/// Surroundings that have lost their address are surroundings that are lost: there is one fact for both.
#[test]
fn u_act_009_sandbox_without_an_address() {
    let (stops, rest) = sandbox_lost(left(three(Always), Running, Running, Running), 0);
    assert_eq!(stops, ["stop foo1", "stop foo2", "stop foo3"]);
    assert_eq!(rest, ["set up sandbox", "start foo1", "start foo2", "start foo3"]);
}

#[test]
fn u_act_010_image_changed() {
    let mut changed = three(Always);
    changed.containers[1].image = "v2".into();
    let mut supervisor = left(three(Always), Running, Running, Running);
    assert_eq!(supervisor.wants(), NOTHING);
    assert_eq!(supervisor.spec_changed(changed), ["stop foo2"]);
    assert_eq!(supervisor.ends("foo2", 0), ["start foo2"]);
}

#[test]
fn u_act_012_startup_probe_failed() {
    let mut pod = three(Always);
    pod.containers[1].startup_probe = Some(probe(0, 1));
    let mut supervisor = left(pod, Running, NotStarted, Running);
    assert_eq!(supervisor.wants(), ["probe foo2"]);
    assert_eq!(supervisor.probe_gives(ProbeOutcome::Failure), ["stop foo2"]);
    assert_eq!(supervisor.ends("foo2", 0), ["start foo2"]);
}

#[test]
fn u_act_013_no_sandbox_never_all_exited() {
    let mut supervisor = left(three(Never), Exited(0), Exited(0), Exited(0));
    assert_eq!(supervisor.sandbox_lost(137), ["tear down sandbox", "finish 0"]);
}

#[test]
fn u_act_crp_001_own_always_over_never() {
    let mut supervisor = left(three_with_own(Never, Always), Exited(0), Exited(111), Running);
    assert_eq!(supervisor.wants(), ["start foo1", "start foo2"]);
}

#[test]
fn u_act_crp_002_own_on_failure_over_never() {
    let mut supervisor = left(three_with_own(Never, OnFailure), Exited(0), Exited(111), Running);
    assert_eq!(supervisor.wants(), ["start foo2"]);
}

#[test]
fn u_act_crp_003_own_on_failure_starts_what_was_only_created() {
    let mut supervisor = left(three_with_own(Never, OnFailure), Exited(0), Created, Running);
    assert_eq!(supervisor.wants(), ["start foo2"]);
}

#[test]
fn u_act_crp_004_own_never_over_always() {
    let mut supervisor = left(three_with_own(Always, Never), Exited(0), Exited(111), Running);
    assert_eq!(supervisor.wants(), NOTHING);
}

#[test]
fn u_act_crp_005_sandbox_dead_and_one_done_by_its_own_policy() {
    let mut pod = three(Always);
    pod.containers[1].restart_policy = Some(OnFailure);
    let (stops, rest) = sandbox_lost(left(pod, Running, Exited(0), Running), 137);
    assert_eq!(stops, ["stop foo1", "stop foo3"]);
    assert_eq!(rest, ["set up sandbox", "start foo1", "start foo3"]);
}
