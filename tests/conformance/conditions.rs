//! The pod's conditions and when they become what they are (rules 122 to 124), and the init containers that
//! Kubernetes' own tests watch by them.

use std::time::Duration;

use podinit::pod::{Condition, ConditionType, ContainerState, Phase, PodStatus, WaitingReason};
use podinit::sim::Attempt;
use podinit::spec::RestartPolicy::{self, Always, Never};

use crate::life::{Life, PodUnderTest, exits, pod, probe, runs, secs};

fn condition(status: &PodStatus, kind: ConditionType) -> Condition {
    status.conditions.iter().find(|condition| condition.kind == kind).unwrap().clone()
}

/// What holds of init containers at every moment: in order, what is not reached waits, and what is
/// initialized stays so.
fn inits_hold(before: &PodStatus, status: &PodStatus) {
    let mut open = false;
    for init in &status.init_container_statuses {
        let waits =
            matches!(init.state, ContainerState::Waiting { reason: WaitingReason::PodInitializing, .. });
        assert!(!open || waits, "{}: {:?}", init.name, init.state);
        open |= !matches!(&init.state, ContainerState::Terminated(end) if end.exit_code == 0);
    }
    for main in status.container_statuses.iter().filter(|_| open) {
        let waits =
            matches!(main.state, ContainerState::Waiting { reason: WaitingReason::PodInitializing, .. });
        assert!(waits && main.restart_count == 0, "{main:?}");
    }
    let is_initialized = |status| condition(status, ConditionType::Initialized).status;
    assert!(is_initialized(status) || !is_initialized(before));
}

/// Lives so long, and `inits_hold` all the while.
fn watched(pod: PodUnderTest, seconds: u64) -> Life {
    let mut life = pod.begin();
    let mut before = life.status();
    let end = secs(seconds);
    life.run_until(|world| {
        let status = world.status();
        inits_hold(&before, &status);
        before = status;
        world.elapsed() >= end
    });
    life
}

fn two_inits(policy: RestartPolicy, main: Attempt) -> Life {
    let pod = pod(policy).init("init1", exits(0, 1)).init("init2", exits(0, 1)).main("run1", main);
    let life = watched(pod, 60);
    let status = life.status();
    assert!(condition(&status, ConditionType::Initialized).status);
    for init in ["init1", "init2"] {
        assert!(life.container(init).ready);
        assert_eq!(life.ended(init).map(|(code, _)| code), Some(0));
    }
    life
}

#[test]
fn init_001_never() {
    let life = two_inits(Never, exits(0, 1));
    assert_eq!(life.phase(), Phase::Succeeded);
    assert_eq!(condition(&life.status(), ConditionType::Initialized).reason, Some("PodCompleted"));
}

#[test]
fn init_002_always() {
    assert_eq!(two_inits(Always, runs()).phase(), Phase::Running);
}

#[test]
fn init_003_a_failing_init_under_always() {
    let pod = pod(Always).init("init1", exits(1, 1)).init("init2", exits(0, 1)).main("run1", runs());
    let life = watched(pod, 60);
    assert_eq!(life.restarts("init1"), 3);
    assert_eq!(life.waits("init2"), Some(WaitingReason::PodInitializing));
    assert_eq!(life.waits("run1"), Some(WaitingReason::PodInitializing));
    assert_eq!(life.phase(), Phase::Pending);
    let initialized = condition(&life.status(), ConditionType::Initialized);
    assert!(!initialized.status);
    assert_eq!(initialized.reason, Some("ContainersNotInitialized"));
    let message = initialized.message.unwrap();
    assert_eq!(&*message, "containers with incomplete status: [init1 init2]");
}

/// Since when each of these is true, from the pod's acceptance on.
fn true_since<const N: usize>(life: &Life, kinds: [ConditionType; N]) -> [Duration; N] {
    let status = life.status();
    kinds.map(|kind| {
        let condition = condition(&status, kind);
        assert!(condition.status, "{condition:?}");
        let since = condition.last_transition_time.as_nanos() - status.start_time.as_nanos();
        Duration::from_nanos(u64::try_from(since).unwrap())
    })
}

/// A server that takes five seconds to start and is ready ten seconds later.
fn server() -> Attempt {
    Attempt { start_takes: secs(5), ..runs().serves_from(secs(10)) }
}

fn served(pod: PodUnderTest) -> Life {
    let mut life = pod.main("server", server()).ready("server", probe(0, 3)).begin();
    life.to(60);
    life
}

#[test]
fn cond_001_order_without_inits() {
    use ConditionType::{ContainersReady, Initialized, PodReadyToStartContainers, PodScheduled, Ready};
    let life = served(pod(Always));
    let order = [PodScheduled, Initialized, PodReadyToStartContainers, ContainersReady, Ready];
    assert_eq!(true_since(&life, order), [0, 0, 0, 15, 15].map(secs));
}

#[test]
fn cond_002_order_with_an_init() {
    use ConditionType::{ContainersReady, Initialized, PodReadyToStartContainers, PodScheduled, Ready};
    let life = served(pod(Always).init("init", exits(0, 7)));
    let order = [PodScheduled, PodReadyToStartContainers, Initialized, ContainersReady, Ready];
    assert_eq!(true_since(&life, order), [0, 0, 7, 22, 22].map(secs));
}

/// The same without the condition about the surroundings, which upstream can leave out.
#[test]
fn cond_007_order_without_inits_and_surroundings() {
    use ConditionType::{ContainersReady, Initialized, PodScheduled, Ready};
    let life = served(pod(Always));
    let since = true_since(&life, [PodScheduled, Initialized, ContainersReady, Ready]);
    assert!(since.is_sorted(), "{since:?}");
    assert_eq!(since[2], since[3]);
}

/// What comes between the surroundings and the first process takes its time: a pull upstream.
fn ready_to_start(pod: PodUnderTest) {
    let mut life = pod.begin();
    life.to(20);
    let status = life.status();
    assert!(status.iter().all(|container| matches!(container.state, ContainerState::Waiting { .. })));
    assert!(condition(&status, ConditionType::PodReadyToStartContainers).status);
    assert!(!condition(&status, ConditionType::Ready).status);
}

fn slow() -> Attempt {
    Attempt { start_takes: secs(30), ..exits(0, 600) }
}

#[test]
fn cond_013_ready_to_start_before_a_slow_start_is_over() {
    ready_to_start(pod(Always).main("main", slow()));
}

#[test]
fn cond_014_ready_to_start_before_a_slow_start_of_an_init_is_over() {
    ready_to_start(pod(Always).init("init", slow()).main("main", runs()));
}
