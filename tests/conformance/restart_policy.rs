//! What an exit leads to: the container's rules, its own policy, the pod's (rules 96 to 99).

use podinit::pod::{Phase, TerminatedReason};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{ExitCodeOperator, RestartAction, RestartRule};

use crate::life::{Life, at, exits, pod, runs};

/// A main container that exits after a second with `code`, with a policy of its own and perhaps a rule
/// that restarts it for exit code 42.
fn own(policy: RestartPolicy, own: RestartPolicy, rule: bool, code: u8) -> Life {
    let pod = pod(policy).main("main", exits(code, 1)).with("main", |container| {
        container.restart_policy = Some(own);
        if rule {
            let rule = RestartRule {
                action: RestartAction::Restart,
                operator: ExitCodeOperator::In,
                values: vec![42],
            };
            container.restart_policy_rules = vec![rule];
        }
    });
    pod.begin()
}

#[test]
fn crp_001_a_rule_that_matches_restarts() {
    let mut life = own(Never, Never, true, 42);
    life.to(60);
    assert_eq!(life.starts("main"), at([0, 1, 12, 33]));
    assert_eq!(life.restarts("main"), 3);
    assert_eq!(life.phase(), Phase::Running);
}

#[test]
fn crp_002_a_rule_that_does_not_match_decides_nothing() {
    let mut life = own(Never, Never, true, 1);
    assert_eq!(life.run(), Some(1));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!(life.restarts("main"), 0);
}

#[test]
fn crp_003_own_never_over_always() {
    let mut life = own(Always, Never, false, 1);
    assert_eq!(life.run(), Some(1));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!(life.restarts("main"), 0);
}

#[test]
fn crp_004_own_always_over_never() {
    let mut life = own(Never, Always, false, 1);
    life.to(60);
    assert_eq!(life.restarts("main"), 3);
}

#[test]
fn crp_005_without_its_own_the_pods() {
    let mut life = pod(Always).main("main", exits(1, 1)).begin();
    life.to(60);
    assert_eq!(life.restarts("main"), 3);
}

/// The script of the exit status rows: fails, then exits 0, then stays up.
fn fails_then_succeeds(policy: RestartPolicy) -> Life {
    pod(policy).main("main", [exits(1, 1), exits(0, 1), runs()]).begin()
}

#[test]
fn runtime_001_always() {
    let mut life = fails_then_succeeds(Always);
    life.to(300);
    assert_eq!(life.phase(), Phase::Running);
    let main = life.container("main");
    assert_eq!((main.restart_count, main.ready, main.started), (2, true, true));
    assert!(life.is_running("main"));
    assert_eq!(main.last_state.unwrap().exit_code, 0);
}

#[test]
fn runtime_002_on_failure() {
    let mut life = fails_then_succeeds(OnFailure);
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.phase(), Phase::Succeeded);
    let main = life.container("main");
    assert_eq!((main.restart_count, main.ready), (1, false));
    assert_eq!(life.ended("main"), Some((0, TerminatedReason::Completed)));
    assert_eq!(main.last_state.unwrap().exit_code, 1);
}

#[test]
fn runtime_017_a_pod_that_always_fails_can_be_deleted() {
    for seconds in [0, 15, 60] {
        let mut life = pod(Always).main("main", exits(1, 0)).begin();
        life.to(seconds);
        assert!(life.restarts("main") > 0);
        life.delete();
        assert!(life.run().is_some());
        assert_eq!(life.phase(), Phase::Failed);
        assert_eq!(life.elapsed().as_secs(), seconds);
    }
}
