//! Conditions (rules 92, 102, 122 to 125): what each is at each moment, with its reason and message.

use podinit::pod::{Condition, ConditionType, Event};
use podinit::spec::ExitCodeOperator::In;
use podinit::spec::RestartAction::RestartAllContainers;
use podinit::spec::RestartPolicy::{Always, Never};

use crate::life::{Life, exits, pod, probe, rule, runs, secs, stops_in};

fn condition(life: &Life, kind: ConditionType) -> Option<Condition> {
    life.status().conditions.into_iter().find(|condition| condition.kind == kind)
}

/// Status, reason and message.
fn shown(life: &Life, kind: ConditionType) -> (bool, Option<&'static str>, String) {
    let found = condition(life, kind).unwrap();
    (found.status, found.reason, found.message.map_or_else(String::new, |text| text.to_string()))
}

fn is_true(life: &Life, kind: ConditionType) -> bool {
    shown(life, kind).0
}

/// A sidecar is through when it has started, not when it is ready.
#[test]
fn rule_122_initialized_waits_for_inits_and_sidecars() {
    let pod = pod(Always).init("init", exits(0, 5)).sidecar("sidecar", runs().ready_after(secs(5)));
    let pod = pod.probed("sidecar", probe(0, 10)).ready("sidecar", probe(1000, 1));
    let mut life = pod.main("main", runs()).begin();
    for (seconds, incomplete) in [(4, "[init sidecar]"), (6, "[sidecar]")] {
        life.to(seconds);
        let message = format!("containers with incomplete status: {incomplete}");
        assert_eq!(
            shown(&life, ConditionType::Initialized),
            (false, Some("ContainersNotInitialized"), message)
        );
    }
    life.to(15);
    assert_eq!(shown(&life, ConditionType::Initialized), (true, None, String::new()));
}

/// Once a main container has run, whatever becomes of sidecars, surroundings and inits.
#[test]
fn rule_122_initialized_stays() {
    let pod = pod(Always).init("init", exits(0, 5)).sidecar("sidecar", [exits(1, 10), exits(1, 10), runs()]);
    let mut life = pod.main("main", runs()).begin();
    life.to(20);
    for _ in 0..3 {
        let to = life.elapsed() + secs(4);
        while life.elapsed() < to {
            life.run_for(secs(1));
            assert!(is_true(&life, ConditionType::Initialized), "at {:?}", life.elapsed());
        }
        life.send(Event::SandboxLost);
        assert!(is_true(&life, ConditionType::Initialized));
    }
}

#[test]
fn rule_123_ready_is_all_of_them() {
    let pod = pod(Always).sidecar("sidecar", runs().serves_from(secs(20)).serves_until(secs(40)));
    let pod = pod.ready("sidecar", probe(0, 1)).main("a", runs()).main("b", runs().serves_from(secs(10)));
    let mut life = pod.ready("b", probe(0, 1)).begin();
    for (seconds, unready) in [(5, "[sidecar b]"), (15, "[sidecar]"), (45, "[sidecar]")] {
        life.to(seconds);
        let message = format!("containers with unready status: {unready}");
        for kind in [ConditionType::ContainersReady, ConditionType::Ready] {
            assert_eq!(shown(&life, kind), (false, Some("ContainersNotReady"), message.clone()));
        }
        if seconds == 15 {
            life.to(35);
            assert!(is_true(&life, ConditionType::Ready) && is_true(&life, ConditionType::ContainersReady));
        }
    }
}

/// A plain init container has no part in it.
#[test]
fn rule_123_an_init_does_not_count() {
    let mut life = pod(Always).init("init", exits(0, 5)).main("main", runs()).begin();
    life.to(3);
    let message = "containers with unready status: [main]".to_owned();
    assert_eq!(shown(&life, ConditionType::ContainersReady), (false, Some("ContainersNotReady"), message));
    life.to(6);
    assert!(is_true(&life, ConditionType::Ready));
}

/// Nobody sets a readiness gate here: the containers are ready and the pod is not.
#[test]
fn rule_123_a_readiness_gate_that_nobody_sets() {
    let mut gated = pod(Always).main("main", runs());
    gated.pod.readiness_gates = vec!["example.org/a".into(), "example.org/b".into()];
    let mut life = gated.begin();
    life.to(10);
    assert!(is_true(&life, ConditionType::ContainersReady));
    let (status, reason, message) = shown(&life, ConditionType::Ready);
    assert_eq!((status, reason), (false, Some("ReadinessGatesNotReady")));
    for gate in ["example.org/a", "example.org/b"] {
        assert!(
            message.contains(&format!(
                "corresponding condition of pod readiness gate \"{gate}\" does not exist."
            ))
        );
    }
}

#[test]
fn rule_123_at_the_end() {
    for (code, reason) in [(0, "PodCompleted"), (1, "PodFailed")] {
        let mut life = pod(Never).init("init", exits(0, 1)).main("main", exits(code, 5)).begin();
        life.run();
        for kind in [ConditionType::ContainersReady, ConditionType::Ready] {
            assert_eq!(shown(&life, kind), (false, Some(reason), String::new()), "{kind:?}");
        }
        assert!(is_true(&life, ConditionType::Initialized));
        assert!(!is_true(&life, ConditionType::PodReadyToStartContainers));
    }
}

/// While the pod is stopped its containers may still be ready; one that is gone is not.
#[test]
fn rule_123_while_the_pod_ends() {
    let pod = pod(Always).main("quick", stops_in(2)).main("slow", stops_in(10));
    let mut life = pod.begin();
    life.to(10);
    life.delete();
    life.to(11);
    assert!(is_true(&life, ConditionType::Ready));
    life.to(13);
    let message = "containers with unready status: [quick]".to_owned();
    assert_eq!(shown(&life, ConditionType::Ready), (false, Some("ContainersNotReady"), message));
}

/// A condition's time is that of its last change, not of the last look.
#[test]
fn rule_123_times_are_of_changes() {
    let pod = pod(Always).main("main", runs().serves_from(secs(10)).serves_until(secs(40)));
    let mut life = pod.ready("main", probe(0, 1)).begin();
    for (seconds, since) in [(5, 0), (35, 10), (60, 40), (90, 40)] {
        life.to(seconds);
        let status = life.status();
        let since_start = condition(&life, ConditionType::Ready).unwrap().last_transition_time.as_nanos()
            - status.start_time.as_nanos();
        assert_eq!(since_start, since * 1_000_000_000, "at {seconds} s");
    }
}

/// The surroundings stand, are lost and stand again.
#[test]
fn rule_124_ready_to_start_is_the_surroundings() {
    let mut life = pod(Always).main("main", stops_in(5)).begin();
    life.to(10);
    assert!(is_true(&life, ConditionType::PodReadyToStartContainers));
    life.send(Event::SandboxLost);
    life.to(20);
    assert!(is_true(&life, ConditionType::PodReadyToStartContainers));
    life.delete();
    life.run();
    assert!(!is_true(&life, ConditionType::PodReadyToStartContainers));
}

/// There, and False, wherever a rule may make it True.
#[test]
fn rule_102_all_containers_restarting() {
    let kind = ConditionType::AllContainersRestarting;
    let pod = pod(Never).init("init", exits(0, 5)).main("main", [exits(42, 10), runs()]);
    let pod = pod.main("slow", runs().ignores_term());
    let mut life = pod.rules("main", Never, &[rule(RestartAllContainers, In, &[42])]).begin();
    life.to(14);
    let no = (false, None, String::new());
    assert_eq!(shown(&life, kind), no);
    life.to(16);
    let message = "container exited with restart policy rule".to_owned();
    assert_eq!(shown(&life, kind), (true, Some("RestartAllContainersStarted"), message));
    assert!(is_true(&life, ConditionType::Initialized), "rule 105");
    life.to(18);
    assert_eq!(shown(&life, kind), no);
    assert!(life.is_running("init") && is_true(&life, ConditionType::Initialized), "rule 105");
    life.to(30);
    assert!(is_true(&life, ConditionType::Ready));
}

/// Reason and message of a pod that was active for too long.
#[test]
fn rule_92_reason_and_message() {
    let mut short = pod(Always).main("main", runs());
    short.pod.active_deadline = Some(secs(5));
    let mut life = short.begin();
    life.to(4);
    assert_eq!((life.status().reason, life.status().message), (None, None));
    life.run();
    assert_eq!(life.status().reason, Some("DeadlineExceeded"));
    let message = life.status().message.unwrap();
    assert_eq!(&*message, "Pod was active on the node longer than the specified deadline");
}

/// What a supervisor that takes over shows, and since when.
#[test]
fn rule_180_conditions_are_kept() {
    let pod = pod(Always).init("init", exits(0, 5)).sidecar("sidecar", runs()).main("main", runs());
    let pod = pod.ready("main", probe(10, 1));
    let mut life = pod.clone().begin();
    life.to(100);
    let status = life.status();
    let life = pod.restore(&status, secs(100));
    assert_eq!(life.status().conditions, status.conditions);
}
