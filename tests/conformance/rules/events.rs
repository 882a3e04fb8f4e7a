//! What Kubernetes' events say (rules 52, 54, 56, 62, 68, 70, 92, 112, 130) in lives that have them.

use podinit::pod::{Event, EventLog, Identity, ProbeOutcome, StartStage, Timestamp};
use podinit::sim::{Attempt, Entry, HookConduct};
use podinit::spec::RestartPolicy::{Always, Never};
use podinit::spec::{ContainerId, ProbeKind};

use crate::life::{Life, PodUnderTest, cannot_start, command_hook, exits, pod, probe, runs, secs, stops_in};

/// Reason and message of each event, with the times that it came.
fn events(life: &Life) -> Vec<(String, String, u64)> {
    let (mut log, identity) = (EventLog::default(), Identity::unknown());
    for (_, entry) in life.trace().iter() {
        if let Entry::Event(event) = entry {
            log.record(life.pod(), &identity, event, Timestamp::default());
        }
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let objects = log.objects(life.pod(), &identity);
    let one = |object: &serde_json::Value| {
        (text(&object["reason"]), text(&object["message"]), object["count"].as_u64().unwrap())
    };
    objects.iter().map(one).collect()
}

/// The events of this reason.
fn of(life: &Life, reason: &str) -> Vec<(String, u64)> {
    let events = events(life).into_iter();
    events.filter(|(r, ..)| r == reason).map(|(_, message, count)| (message, count)).collect()
}

fn lived(pod: PodUnderTest, seconds: u64) -> Life {
    let mut life = pod.begin();
    life.to(seconds);
    life
}

fn one(message: &str, count: u64) -> Vec<(String, u64)> {
    vec![(message.to_owned(), count)]
}

#[test]
fn rule_54_a_probe_that_failed() {
    let bad = || [stops_in(1).healthy_for(secs(0)).ready_after(secs(1000)), runs()];
    for (kind, word) in [(ProbeKind::Liveness, "liveness"), (ProbeKind::Startup, "startup")] {
        let main = lived(pod(Always).main("it", bad()).given("it", kind, probe(5, 1)), 20);
        let expected = format!("Container it failed {word} probe, will be restarted");
        assert_eq!(of(&main, "Killing"), one(&expected, 1));
        let sidecar = pod(Always).sidecar("it", bad()).given("it", kind, probe(5, 1)).main("main", runs());
        let expected = format!("Init container it failed {word} probe");
        assert_eq!(of(&lived(sidecar, 20), "Killing"), one(&expected, 1));
    }
}

/// What is stopped with its pod is stopped, whatever began it.
#[test]
fn rule_52_the_last_container_s_kill_is_told_as_the_pod_s() {
    let main = runs().healthy_for(secs(0));
    let mut life = pod(Never).main("main", main).live("main", probe(5, 1)).begin();
    life.run();
    assert_eq!(of(&life, "Killing"), one("Stopping container main", 1));
}

#[test]
fn rule_79_a_deletion_is_told_of_each_container() {
    let mut life = pod(Always).sidecar("sidecar", runs()).main("main", runs().ignores_term()).begin();
    life.to(10);
    life.delete();
    life.run();
    let mut killing = of(&life, "Killing");
    killing.sort();
    assert_eq!(killing, [one("Stopping container main", 1), one("Stopping container sidecar", 1)].concat());
    assert_eq!(of(&life, "ExceededGracePeriod").len(), 1);
}

#[test]
fn rule_56_probes_that_fail_or_warn_or_cannot_be_carried_out() {
    for (kind, word) in [(ProbeKind::Liveness, "Liveness"), (ProbeKind::Readiness, "Readiness")] {
        for (outcome, reason, expected) in [
            (ProbeOutcome::Failure, "Unhealthy", "probe failed: as simulated"),
            (ProbeOutcome::Warning, "ProbeWarning", "probe warning: as simulated"),
            (ProbeOutcome::Error, "Unhealthy", "probe errored and resulted in unknown state: as simulated"),
        ] {
            let it = Attempt { probe: outcome, ..runs() };
            let life = lived(pod(Always).main("it", it).given("it", kind, probe(0, 100)), 5);
            let told = of(&life, reason);
            let count = if outcome == ProbeOutcome::Error { 3 } else { 1 };
            assert_eq!(told, one(&format!("{word} {expected}"), count));
        }
    }
}

/// Without a word of what went wrong: it may hold secrets.
#[test]
fn rules_68_70_hooks_that_fail() {
    let main = runs().post_start(HookConduct::fails(secs(1))).pre_stop(HookConduct::fails(secs(1)));
    let pod = pod(Never).main("main", main).post_start("main", command_hook());
    let mut life = pod.pre_stop("main", command_hook()).main("other", exits(0, 10)).begin();
    life.run();
    assert_eq!(of(&life, "FailedPostStartHook"), one("PostStartHook failed", 1));
    assert_eq!(of(&life, "FailedPreStopHook"), one("PreStopHook failed", 1));
    assert_eq!(of(&life, "Killing"), one("FailedPostStartHook", 1));
}

#[test]
fn rule_112_back_off_is_told_each_time_and_counted() {
    let life = lived(pod(Always).main("main", exits(1, 1)), 40);
    let told = of(&life, "BackOff");
    assert_eq!(told.len(), 1);
    assert!(told[0].0.starts_with("Back-off restarting failed container main in pod pod_default("));
    assert_eq!(told[0].1, 3, "10 s, 20 s, 40 s");
    assert_eq!(of(&life, "Started"), one("Container started", 4));
}

#[test]
fn rule_130_starts_that_fail() {
    let life = lived(pod(Always).main("main", cannot_start(StartStage::Config, 0)), 5);
    assert_eq!(of(&life, "Failed"), one("Error: cannot", 1));
    assert!(of(&life, "Started").is_empty());
}

#[test]
fn rule_130_changes() {
    let mut life = lived(pod(Always).main("main", runs()).sidecar("sidecar", runs()).image("main", "v1"), 10);
    life.change_image("main", "v2");
    life.to(20);
    assert_eq!(of(&life, "Killing"), one("Container main definition changed, will be restarted", 1));
    life.send(Event::SandboxLost);
    life.to(30);
    assert_eq!(of(&life, "SandboxChanged"), one("Pod sandbox changed, it will be killed and re-created.", 1));
    life.send(Event::RestartRequested { container: ContainerId::at(0) });
    life.to(40);
    assert_eq!(of(&life, "Killing").len(), 4, "the change, two with the sandbox, and the request");
}

#[test]
fn rule_92_the_deadline() {
    let mut short = pod(Always).main("main", runs());
    short.pod.active_deadline = Some(secs(5));
    let mut life = short.begin();
    life.run();
    let expected = "Pod was active on the node longer than the specified deadline";
    assert_eq!(of(&life, "DeadlineExceeded"), one(expected, 1));
}
