//! Hooks and the end of containers and pods (rules 67 to 92).

use podinit::pod::TerminatedReason::{Completed, ContainerStatusUnknown, Error};
use podinit::pod::{Event, Phase, StartStage, StopRequest, WaitingReason};
use podinit::sim::{Attempt, HookConduct};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{HookHandler, HookKind, ProbeKind, Signal};

use crate::life::{
    Life, PodUnderTest, at, cannot_start, command_hook, exits, hook, pod, probe, runs, secs, stops_in,
};

fn takes(seconds: u64) -> HookConduct {
    HookConduct::takes(secs(seconds))
}

fn sleep(seconds: u64) -> podinit::spec::Hook {
    hook(HookHandler::Sleep(secs(seconds)))
}

/// It has no timeout, and until it ends the container has not started and is not probed.
#[test]
fn rule_67_nothing_limits_a_hook_after_the_start() {
    for kind in ProbeKind::ALL {
        let pod = pod(Always).main("main", runs().post_start(takes(100_000)));
        let pod = pod.post_start("main", command_hook()).given("main", kind, probe(0, 1));
        let mut life = pod.begin();
        life.to(99_999);
        assert!(life.is_running("main") && !life.container("main").started && !life.container("main").ready);
        assert_eq!(life.trace().probed("main", kind), at([]));
        life.to(100_000);
        assert_eq!(life.trace().probed("main", kind), at([100_000]), "{kind:?}");
        assert!(life.container("main").started);
    }
}

/// Stopped as it would be otherwise: its hook before the stop, the signal, the grace; then its policy.
#[test]
fn rule_68_a_container_whose_hook_failed_is_stopped_and_started_again_with_back_off() {
    let main = stops_in(3).post_start(HookConduct::fails(secs(1))).pre_stop(takes(2));
    let pod = pod(Always).main("main", main);
    let mut life = pod.post_start("main", command_hook()).pre_stop("main", command_hook()).begin();
    life.to(20);
    assert_eq!(life.trace().hooked("main", HookKind::PostStart), at([0, 6]));
    assert_eq!(life.trace().hooked("main", HookKind::PreStop), at([1, 7]));
    assert_eq!(life.trace().signalled("main"), at([3, 9]));
    assert_eq!(life.exits("main"), at([6, 12]));
    assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
    assert_eq!(life.told("FailedPostStartHook"), 2);
    life.to(22);
    assert_eq!(life.starts("main"), at([0, 6, 22]));
}

#[test]
fn rule_68_under_never_a_failed_hook_fails_the_pod() {
    let main = runs().stops(9, secs(0)).post_start(HookConduct::fails(secs(1)));
    let mut life = pod(Never).main("main", main).post_start("main", command_hook()).begin();
    assert_eq!(life.run(), Some(9));
    assert_eq!((life.phase(), life.starts("main")), (Phase::Failed, at([0])));
}

/// A sidecar is started again whatever its policy, and the next entry waits for the hook that succeeds.
#[test]
fn rule_68_a_sidecar_whose_hook_failed_is_started_again() {
    let failing = runs().post_start(HookConduct::fails(secs(1)));
    let pod = pod(Never).sidecar("sidecar", [failing, runs().post_start(takes(1))]);
    let mut life = pod.post_start("sidecar", command_hook()).main("main", exits(0, 1)).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.starts("sidecar"), life.starts("main")), (at([0, 1]), at([2])));
}

fn hooks_before_stop(life: &Life, name: &str) -> usize {
    life.trace().hooked(name, HookKind::PreStop).len()
}

/// Every stop of a container that runs has it; an end of its own and a stop without grace have not.
#[test]
fn rule_69_when_a_hook_before_the_stop_runs() {
    let one = |main: Attempt| pod(Always).main("main", main).pre_stop("main", command_hook());
    let mut deleted = one(runs()).begin();
    deleted.to(10);
    deleted.delete();
    let mut unhealthy = one(runs().healthy_for(secs(5))).live("main", probe(10, 1)).begin();
    unhealthy.to(11);
    let mut never_started = one(runs().ready_after(secs(5000))).probed("main", probe(10, 1)).begin();
    never_started.to(11);
    let mut changed = one(runs()).begin();
    changed.to(10);
    changed.change_image("main", "v2");
    let mut hook_failed =
        one(runs().post_start(HookConduct::fails(secs(1)))).post_start("main", command_hook()).begin();
    hook_failed.to(1);
    let completed = pod(Never).sidecar("main", runs()).pre_stop("main", command_hook());
    let mut completed = completed.main("done", exits(0, 5)).begin();
    completed.run();
    for (why, life) in [
        ("deletion", &deleted),
        ("liveness", &unhealthy),
        ("startup", &never_started),
        ("a change", &changed),
        ("its other hook", &hook_failed),
        ("completion", &completed),
    ] {
        assert_eq!(hooks_before_stop(life, "main"), 1, "{why}");
    }
    let mut by_itself = one(exits(1, 5)).begin();
    by_itself.to(5);
    assert_eq!(hooks_before_stop(&by_itself, "main"), 0);
    let mut without_grace = one(runs()).begin();
    without_grace.to(10);
    without_grace.delete_within(0);
    assert_eq!(hooks_before_stop(&without_grace, "main"), 0);
}

/// The container whose start is still under way has no process that a hook could run beside.
#[test]
fn rule_69_not_for_a_container_that_does_not_run_yet() {
    let slow = Attempt { start_takes: secs(20), ..runs() };
    let mut life = pod(Always).main("main", slow).pre_stop("main", sleep(20)).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!(life.told("FailedPreStopHook"), 0);
    assert!(life.elapsed() <= secs(42));
}

/// A hook that fails is told, and that is all.
#[test]
fn rule_70_a_failed_hook_changes_nothing() {
    let main = stops_in(2).pre_stop(HookConduct::fails(secs(3)));
    let mut life = pod(Always).main("main", main).pre_stop("main", command_hook()).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.trace().signalled("main"), life.exits("main")), (at([13]), at([15])));
    assert_eq!(life.told("FailedPreStopHook"), 1);
}

/// The time that the hook takes is not there for the process any more.
#[test]
fn rule_79_a_hook_s_time_is_part_of_the_grace() {
    for (hook, killed) in [(4, 20), (9, 21), (10, 22), (50, 22)] {
        let deaf = runs().ignores_term().pre_stop(takes(hook));
        let mut life = pod(Always).grace(10).main("main", deaf).pre_stop("main", command_hook()).begin();
        life.to(10);
        life.delete();
        life.run();
        assert_eq!(life.trace().signalled("main"), at([10 + hook.min(10)]));
        assert_eq!(life.exits("main"), at([killed]), "a hook of {hook} s");
    }
}

#[test]
fn rule_74_a_sleep_of_no_time_is_none() {
    let pod = pod(Always).main("main", runs()).pre_stop("main", sleep(0)).post_start("main", sleep(0));
    let mut life = pod.begin();
    life.to(10);
    assert!(life.container("main").started);
    life.delete();
    life.run();
    assert_eq!(life.exits("main"), at([10]));
    assert_eq!(life.told("FailedPreStopHook"), 0);
}

/// A sleep that the grace cuts short has not failed: kubelet tells of hooks that returned an error. A command
/// is told of.
#[test]
fn rule_71_a_sleep_that_the_grace_cuts_short_has_not_failed() {
    for (hook, told) in [(sleep(20), 0), (command_hook(), 1)] {
        let main = runs().pre_stop(HookConduct::hangs());
        let mut life = pod(Always).grace(30).main("main", main).pre_stop("main", hook).begin();
        life.to(10);
        life.delete_within(5);
        life.run();
        assert_eq!(life.trace().signalled("main"), at([15]));
        assert_eq!(life.told("FailedPreStopHook"), told);
    }
}

/// What the deleter asks for goes before what the pod says, shorter or longer; two seconds are the least.
#[test]
fn rule_77_the_deleter_s_grace_goes_before_the_pod_s() {
    for (grace, killed) in [(None, 30), (Some(5), 5), (Some(100), 100), (Some(1), 2), (Some(0), 2)] {
        let mut life = pod(Always).grace(30).main("main", runs().ignores_term()).begin();
        life.to(10);
        let grace = grace.map(secs);
        life.send(Event::StopRequested { grace, cause: StopRequest::Signal(Signal::TERM) });
        life.run();
        assert_eq!(life.trace().signalled("main"), at([10]));
        assert_eq!(life.exits("main"), at([10 + killed]), "{grace:?}");
        assert_eq!(life.ended("main"), Some((137, Error)), "rule 86");
    }
}

/// Deleted again: a shorter grace counts from then on and is a second at the least; a longer one is none.
#[test]
fn rule_78_the_grace_only_shrinks() {
    for (again, killed) in [(50, 40), (10, 25), (1, 16), (0, 16)] {
        let mut life = pod(Always).grace(30).main("main", runs().ignores_term()).begin();
        life.to(10);
        life.delete();
        life.to(15);
        life.delete_within(again);
        life.run();
        assert_eq!(life.exits("main"), at([killed]), "{again} s");
        assert_eq!(life.trace().signalled("main"), at([10]), "rule 85: the signal is sent once");
    }
}

/// Sidecars' hooks begin with everybody's, long before the sidecars are signalled.
#[test]
fn rule_80_every_hook_begins_at_once() {
    let pod = pod(Never)
        .sidecar("sidecar", runs().pre_stop(takes(2)))
        .main("main", stops_in(10).pre_stop(takes(1)));
    let mut life = pod.pre_stop("sidecar", command_hook()).pre_stop("main", command_hook()).begin();
    life.to(10);
    life.delete();
    life.run();
    for name in ["sidecar", "main"] {
        assert_eq!(life.trace().hooked(name, HookKind::PreStop), at([10]));
    }
    assert_eq!((life.trace().signalled("main"), life.trace().signalled("sidecar")), (at([11]), at([21])));
}

/// Nobody waits for an init container that runs.
#[test]
fn rule_81_a_running_init_is_stopped_beside_the_sidecars() {
    let pod = pod(Always).sidecar("sidecar", runs()).init("init", exits(0, 100).stops(0, secs(20)));
    let mut life = pod.main("main", runs()).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!((life.trace().signalled("init"), life.trace().signalled("sidecar")), (at([10]), at([10])));
    assert!(life.starts("main").is_empty());
}

/// A sidecar that has ended, or waits for its restart, holds up no other.
#[test]
fn rule_81_what_does_not_run_has_ended() {
    let pod =
        pod(Never).sidecar("first", stops_in(1)).sidecar("second", exits(1, 5)).sidecar("third", runs());
    let mut life = pod.main("main", exits(0, 8)).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.waits("second"), None);
    assert_eq!((life.trace().signalled("third"), life.trace().signalled("first")), (at([8]), at([8])));
    assert_eq!(life.elapsed(), secs(9));
}

/// One clock for all: what the main containers use of it, the sidecars do not have.
#[test]
fn rule_82_the_clock_is_shared() {
    let deaf = || runs().ignores_term();
    let pod = pod(Never).grace(10).sidecar("first", deaf()).sidecar("second", deaf());
    let mut life = pod.main("main", stops_in(4)).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!((life.trace().signalled("second"), life.exits("second")), (at([14]), at([20])));
    assert_eq!((life.trace().signalled("first"), life.exits("first")), (at([20]), at([22])));
}

/// A single stop has no order: the sidecar does not wait for main containers that stay.
#[test]
fn rule_83_single_stops_are_unordered() {
    let pod = pod(Always).sidecar("sidecar", runs().healthy_for(secs(5))).live("sidecar", probe(10, 1));
    let mut life = pod.main("main", runs()).begin();
    life.to(10);
    assert_eq!(life.trace().signalled("sidecar"), at([10]));
    assert_eq!((life.starts("sidecar"), life.starts("main")), (at([0, 10]), at([0])));
}

/// A container that is being stopped when the pod is has its signal already.
#[test]
fn rule_85_one_signal_for_one_attempt() {
    let slow = stops_in(20).healthy_for(secs(5));
    let mut life = pod(Always).main("main", slow).live("main", probe(10, 1)).main("other", runs()).begin();
    life.to(15);
    life.delete();
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.trace().signalled("main"), life.exits("main")), (at([10]), at([30])));
    assert_eq!(life.starts("main"), at([0]), "rule 91");
}

/// How a pod ends that is deleted: by the codes of its main containers, under every policy, whatever the
/// sidecar makes of it.
#[test]
fn rules_87_88_the_mains_codes_decide_under_every_policy() {
    let cases = [
        (runs(), Phase::Succeeded, (0, Completed)),
        (runs().stops(3, secs(1)), Phase::Failed, (3, Error)),
        (runs().ignores_term(), Phase::Failed, (137, Error)),
    ];
    for policy in [Always, OnFailure, Never] {
        for (main, phase, ended) in &cases {
            let pod = pod(policy).sidecar("sidecar", runs().stops(9, secs(1))).main("main", main.clone());
            let mut life = pod.main("other", runs()).begin();
            life.to(10);
            life.delete();
            assert_eq!(life.run(), Some(i32::from(ended.0).try_into().unwrap()), "{policy:?}");
            assert_eq!((life.phase(), life.ended("main")), (*phase, Some(*ended)), "{policy:?}");
            assert_eq!(life.starts("main"), at([0]));
        }
    }
}

/// A container that waits for its restart when the pod is deleted counts with how it ended.
#[test]
fn rule_88_a_container_in_back_off_counts_with_its_last_end() {
    for (code, phase) in [(0, Phase::Succeeded), (4, Phase::Failed)] {
        let mut life = pod(Always).main("main", exits(code, 1)).main("other", runs()).begin();
        life.to(5);
        assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
        life.delete();
        assert_eq!(life.run(), Some(code));
        assert_eq!(life.phase(), phase);
        assert_eq!(life.ended("main").map(|(code, _)| code), Some(code));
    }
}

/// Main containers that never ran stay Waiting, and the pod has failed.
#[test]
fn rule_89_deleted_while_initializing() {
    for policy in [Always, OnFailure, Never] {
        let pod = pod(policy).init("init", exits(0, 100).stops(0, secs(3))).sidecar("sidecar", runs());
        let mut life = pod.main("main", runs()).begin();
        life.to(10);
        life.delete();
        life.run();
        assert_eq!(life.elapsed(), secs(13));
        assert_eq!((life.phase(), life.ended("init")), (Phase::Failed, Some((0, Completed))));
        assert_eq!(life.waits("main"), Some(WaitingReason::PodInitializing));
        assert!(life.starts("sidecar").is_empty() && life.starts("main").is_empty());
    }
}

/// Whatever outlives SIGKILL: its end is not known, and the pod does not wait for it.
#[test]
fn rule_90_an_end_that_nobody_saw() {
    for policy in [Always, Never] {
        let stuck = Attempt { unkillable: true, ..runs().ignores_term() };
        let mut life = pod(policy).grace(5).main("main", stuck).main("other", runs()).begin();
        life.to(10);
        life.delete();
        assert_eq!(life.run(), Some(137));
        assert_eq!(life.ended("main"), Some((137, ContainerStatusUnknown)));
        assert_eq!(life.phase(), Phase::Failed);
    }
}

/// A pod that could never start its container is Failed once it has been deleted.
#[test]
fn rule_90_a_pod_that_is_pending_at_its_end_has_failed() {
    let mut life = pod(Always).main("main", cannot_start(StartStage::Config, 0)).begin();
    life.to(10);
    life.delete();
    life.run();
    assert_eq!((life.phase(), life.elapsed()), (Phase::Failed, secs(10)));
}

#[test]
fn rule_91_what_ends_during_its_hook_does_not_start_again() {
    for policy in [Always, OnFailure, Never] {
        let pod = pod(policy).main("main", exits(1, 15).pre_stop(takes(20))).main("other", stops_in(20));
        let mut life = pod.pre_stop("main", command_hook()).begin();
        life.to(10);
        life.delete();
        assert_eq!(life.run(), Some(1));
        assert_eq!((life.starts("main"), life.exits("main")), (at([0]), at([15])));
        assert!(life.trace().signalled("main").is_empty());
        assert_eq!(life.elapsed(), secs(30));
    }
}

fn with_deadline(policy: RestartPolicy, seconds: u64) -> PodUnderTest {
    let mut pod = pod(policy);
    pod.pod.active_deadline = Some(secs(seconds));
    pod
}

/// From the pod's acceptance: what its init containers take is part of it.
#[test]
fn rule_92_the_deadline_counts_from_the_beginning() {
    let pod = with_deadline(Always, 30).init("init", exits(0, 20)).main("main", stops_in(5));
    let mut life = pod.begin();
    assert_eq!(life.run(), Some(124));
    assert_eq!(life.trace().signalled("main"), at([30]));
    assert_eq!((life.phase(), life.elapsed()), (Phase::Failed, secs(35)));
    assert_eq!(life.told("DeadlineExceeded"), 1);
    assert_eq!(life.ended("main"), Some((0, Completed)), "and the pod has failed all the same");
}

#[test]
fn rule_92_the_deadline_ends_a_pod_that_is_initializing() {
    let pod = with_deadline(Always, 30).init("init", exits(1, 1)).main("main", runs());
    let mut life = pod.begin();
    assert_eq!(life.run(), Some(124));
    assert_eq!((life.phase(), life.elapsed()), (Phase::Failed, secs(30)));
}

/// What fails because it is stopped for the deadline does not hide it; what failed before is what failed.
#[test]
fn rule_92_the_exit_code_says_what_came_first() {
    let mut life = with_deadline(Never, 30).main("main", runs().stops(3, secs(1))).begin();
    assert_eq!((life.run(), life.phase()), (Some(124), Phase::Failed));
    let pod = with_deadline(Never, 30).main("first", exits(4, 10)).main("main", runs().stops(3, secs(1)));
    let mut life = pod.begin();
    assert_eq!((life.run(), life.elapsed()), (Some(4), secs(31)));
}

/// The containers have the pod's grace, hooks and order.
#[test]
fn rule_92_a_deadline_stops_as_gracefully_as_a_deletion() {
    let deaf = runs().ignores_term().pre_stop(takes(4));
    let pod = with_deadline(Never, 30).grace(10).sidecar("sidecar", runs()).main("main", deaf);
    let mut life = pod.pre_stop("main", command_hook()).begin();
    life.run();
    assert_eq!(life.trace().hooked("main", HookKind::PreStop), at([30]));
    assert_eq!((life.trace().signalled("main"), life.exits("main")), (at([34]), at([40])));
    assert_eq!(life.trace().signalled("sidecar"), at([40]));
}

#[test]
fn rule_92_a_pod_that_was_done_before_is_not_touched_by_its_deadline() {
    let mut life = with_deadline(Never, 30).main("main", exits(0, 29)).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.phase(), life.elapsed()), (Phase::Succeeded, secs(29)));
}

/// The next supervisor counts from when the first accepted the pod.
#[test]
fn rule_92_the_deadline_outlives_the_supervisor() {
    let pod = with_deadline(Always, 30).main("main", runs());
    let mut life = pod.clone().begin();
    life.to(20);
    let status = life.status();
    let mut life = pod.restore(&status, secs(20));
    assert_eq!(life.run(), Some(124));
    assert_eq!(life.elapsed(), secs(30));
}
