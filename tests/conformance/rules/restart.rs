//! Restart policies and rules, RestartAllContainers, back-off (rules 96 to 114).

use podinit::pod::{
    Action, ContainerState, Event, Exit, ExitStatus, Identity, Now, Phase, PodMachine, StartStage,
    TerminatedReason, Time, Timestamp, WaitingReason, kubernetes_pod,
};
use podinit::sim::{Attempt, HookConduct};
use podinit::spec::ExitCodeOperator::{In, NotIn};
use podinit::spec::RestartAction::{Restart, RestartAllContainers};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{Container, CrashLoopBackOff, HookKind, RestartRule};

use crate::life::{Life, PodUnderTest, at, cannot_start, command_hook, exits, pod, probe, rule, runs, secs};

/// Whether a main container of this policy, and of this policy and these rules of its own, starts again
/// after it has exited with `code`.
fn starts_again(policy: RestartPolicy, own: Option<RestartPolicy>, rules: &[RestartRule], code: u8) -> bool {
    let pod = pod(policy).main("main", [exits(code, 5), runs()]).main("other", runs());
    let mut life = pod
        .with("main", |container| {
            container.restart_policy = own;
            container.restart_policy_rules = rules.to_vec();
        })
        .begin();
    life.to(6);
    assert_eq!(life.starts("other"), at([0]));
    life.starts("main").len() == 2
}

#[test]
fn rule_96_what_each_policy_makes_of_each_code() {
    for (policy, after_success, after_failure) in
        [(Always, true, true), (OnFailure, false, true), (Never, false, false)]
    {
        for (code, expected) in
            [(0, after_success), (1, after_failure), (137, after_failure), (255, after_failure)]
        {
            assert_eq!(starts_again(policy, None, &[], code), expected, "{policy:?} and {code}");
            for pod_s in [Always, OnFailure, Never] {
                let own = starts_again(pod_s, Some(policy), &[], code);
                assert_eq!(own, expected, "rule 97: {policy:?} in a pod of {pod_s:?} and {code}");
            }
        }
    }
}

/// The first rule that matches decides, then the container's policy; the pod's is not asked.
#[test]
fn rules_98_99_rules_then_own_policy() {
    let some = rule(Restart, In, &[3, 42]);
    let others = rule(Restart, NotIn, &[0, 1]);
    for pod_s in [Always, OnFailure, Never] {
        for (own, rules, code, expected) in [
            (Never, &[some.clone()][..], 42, true),
            (Never, &[some.clone()][..], 3, true),
            (Never, &[some.clone()][..], 4, false),
            (Never, &[some.clone()][..], 0, false),
            (OnFailure, &[some.clone()][..], 4, true),
            (OnFailure, &[rule(Restart, In, &[0])][..], 0, true),
            (Never, &[others.clone()][..], 1, false),
            (Never, &[others.clone()][..], 2, true),
            (Never, &[some.clone(), others.clone()][..], 42, true),
            (Never, &[others.clone(), some.clone()][..], 0, false),
            (Always, &[rule(Restart, In, &[])][..], 7, true),
            (Never, &[rule(Restart, NotIn, &[])][..], 0, true),
        ] {
            let found = starts_again(pod_s, Some(own), rules, code);
            assert_eq!(found, expected, "{own:?} in {pod_s:?}, {rules:?}, {code}");
        }
    }
}

/// Of two rules that both match the first counts, whatever it does.
#[test]
fn rule_98_the_first_match_wins() {
    for (first, second, others_restart) in
        [(Restart, RestartAllContainers, false), (RestartAllContainers, Restart, true)]
    {
        let pod = pod(Never).main("main", [exits(42, 5), runs()]).main("other", runs());
        let rules = [rule(first, In, &[42]), rule(second, NotIn, &[0])];
        let mut life = pod.rules("main", Never, &rules).begin();
        life.to(20);
        assert_eq!(life.starts("main").len(), 2);
        assert_eq!(life.restarts("other") > 0, others_restart, "{first:?}");
    }
}

/// A signal's 128+n is an exit code as others are.
#[test]
fn rule_98_rules_see_signals_as_exit_codes() {
    let killed = Attempt { exit: ExitStatus::Signal(podinit::pod::Signal::KILL), ..exits(0, 5) };
    let pod = pod(Never).main("main", [killed, runs()]).main("other", runs());
    let mut life = pod.rules("main", Never, &[rule(Restart, In, &[137])]).begin();
    life.to(6);
    assert_eq!(life.starts("main"), at([0, 5]));
}

#[test]
fn rules_98_21_rules_of_an_init() {
    let pod = pod(Never).init("init", [exits(42, 1), exits(42, 1), exits(0, 1)]).main("main", exits(0, 1));
    let mut life = pod.rules("init", Never, &[rule(Restart, In, &[42])]).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.starts("init"), life.starts("main")), (at([0, 1, 12]), at([13])));
    let pod = crate::life::pod(Always).init("init", exits(1, 1)).main("main", runs());
    let mut life = pod.rules("init", Never, &[rule(Restart, In, &[42])]).begin();
    assert_eq!((life.run(), life.phase()), (Some(1), Phase::Failed));
}

/// There is no exit code that a rule could look at, only the 128 that the status shows.
#[test]
fn rule_100_a_start_that_failed_is_no_exit() {
    let mut life = pod(Never)
        .main("main", cannot_start(StartStage::Exec, 2))
        .rules("main", Never, &[rule(Restart, In, &[128]), rule(Restart, NotIn, &[0])])
        .begin();
    assert_eq!(life.run(), Some(127));
    assert_eq!(life.ended("main"), Some((128, TerminatedReason::StartError)));
    assert_eq!(life.restarts("main"), 0);
}

/// What a probe's kill makes of the container is decided by the policy; the code that it then exits with
/// is one as any other (rules 52, 100).
#[test]
fn rule_100_the_code_after_a_probe_s_kill_is_looked_at() {
    for (code, starts) in [(42, 2), (1, 1)] {
        let unhealthy = runs().stops(code, secs(3)).healthy_for(secs(5));
        let pod =
            pod(Never).main("main", [unhealthy, runs()]).live("main", probe(10, 1)).main("other", runs());
        let mut life = pod.rules("main", Never, &[rule(Restart, In, &[42])]).begin();
        life.to(30);
        assert_eq!(life.starts("main").len(), starts, "after {code}");
        assert!(life.is_running("other"));
    }
}

/// One more restart, and the container before is shown as what it was before.
#[test]
fn rule_101_a_restart_is_counted_and_its_past_shown() {
    let mut life = pod(Always).main("main", [exits(3, 5), exits(0, 5), runs()]).begin();
    life.to(4);
    assert_eq!((life.restarts("main"), life.container("main").last_state), (0, None));
    life.to(6);
    let last = life.container("main").last_state.unwrap();
    assert_eq!((life.restarts("main"), last.exit_code), (1, 3));
    life.to(21);
    let last = life.container("main").last_state.unwrap();
    assert_eq!((life.restarts("main"), last.exit_code, last.reason), (2, 0, TerminatedReason::Completed));
}

fn on_42() -> RestartRule {
    rule(RestartAllContainers, In, &[42])
}

/// No grace and no hook: the stop signal, two seconds, SIGKILL.
#[test]
fn rule_103_all_are_stopped_without_grace_and_hooks() {
    let deaf = runs().ignores_term().pre_stop(HookConduct::hangs());
    let pod = pod(Never).grace(300).sidecar("sidecar", deaf.clone()).main("main", [exits(42, 10), runs()]);
    let pod = pod.main("other", deaf).rules("main", Never, &[on_42()]);
    let mut life = pod.pre_stop("other", command_hook()).pre_stop("sidecar", command_hook()).begin();
    life.to(20);
    for name in ["sidecar", "other"] {
        assert!(life.trace().hooked(name, HookKind::PreStop).is_empty());
        assert_eq!((life.trace().signalled(name), life.exits(name)), (at([10]), at([12])), "{name}");
        let last = life.container(name).last_state.unwrap();
        assert_eq!((last.exit_code, last.reason), (137, TerminatedReason::RestartingAllContainers));
    }
    assert_eq!(life.starts("main"), at([0, 12]));
}

/// A container that is being stopped already, with all the grace in the world, has none any more.
#[test]
fn rule_103_a_stop_under_way_loses_its_grace() {
    let slow = [runs().ignores_term().healthy_for(secs(0)), runs()];
    let pod = pod(Never).grace(300).main("main", [exits(42, 10), runs()]).main("slow", slow);
    let mut life = pod.live("slow", probe(5, 1)).rules("main", Never, &[on_42()]).begin();
    life.to(60);
    assert_eq!((life.trace().signalled("slow"), life.exits("slow")), (at([5]), at([10])));
    assert_eq!((life.starts("main"), life.starts("slow")), (at([0, 10]), at([0, 10])));
}

/// A restart that somebody asked for meanwhile has happened with that of all.
#[test]
fn rule_103_a_restart_asked_for_meanwhile_is_part_of_it() {
    let pod = pod(Never).main("main", [exits(42, 10), runs()]).main("slow", runs().ignores_term());
    let mut life = pod.rules("main", Never, &[on_42()]).begin();
    life.to(11);
    life.send(Event::RestartRequested { container: podinit::spec::ContainerId::at(1) });
    life.to(60);
    assert_eq!((life.starts("main"), life.starts("slow")), (at([0, 12]), at([0, 12])));
}

/// The pod initializes anew: it is Pending until its sidecars have started.
#[test]
fn rule_105_pending_until_the_sidecars_have_started_again() {
    let pod = pod(Never).sidecar("sidecar", runs().ready_after(secs(20))).probed("sidecar", probe(0, 10));
    let mut life = pod.main("main", [exits(42, 20), runs()]).rules("main", Never, &[on_42()]).begin();
    for (seconds, expected) in [
        (10, Phase::Pending),
        (30, Phase::Running),
        (45, Phase::Pending),
        (55, Phase::Pending),
        (65, Phase::Running),
    ] {
        life.to(seconds);
        assert_eq!(life.phase(), expected, "at {seconds} s");
    }
}

#[test]
fn rule_103_ephemeral_containers_are_left_alone() {
    let mut life = pod(Never).main("main", [exits(42, 10), runs()]).rules("main", Never, &[on_42()]).begin();
    life.to(5);
    life.send(Event::EphemeralAdded(Box::new(Container::named("debug"))));
    life.to(30);
    assert_eq!(life.restarts("main"), 1);
    assert_eq!(life.starts("debug"), at([5]));
    assert!(life.is_running("debug"));
}

/// What is shown while they are down, and what the phase is until the mains run again.
#[test]
fn rule_105_statuses_while_all_are_down() {
    let pod = pod(Never).init("init", exits(0, 10)).main("main", [exits(42, 10), runs()]);
    let pod = pod.main("slow", runs().ignores_term()).rules("main", Never, &[on_42()]);
    let mut life = pod.begin();
    life.to(15);
    assert_eq!(life.phase(), Phase::Running);
    life.to(21);
    assert_eq!(life.waits("main"), Some(WaitingReason::RestartingAllContainers));
    let last = life.container("main").last_state.unwrap();
    assert_eq!((last.exit_code, last.reason), (137, TerminatedReason::RestartingAllContainers));
    assert!(life.is_running("slow"));
    life.to(25);
    for name in ["main", "slow"] {
        let last = life.container(name).last_state.unwrap();
        assert_eq!((last.exit_code, last.reason), (137, TerminatedReason::RestartingAllContainers));
    }
    assert!(life.is_running("init"));
    assert_eq!(life.phase(), Phase::Pending);
    life.to(40);
    assert_eq!(life.phase(), Phase::Running);
    for name in ["init", "main", "slow"] {
        assert_eq!(life.restarts(name), 1, "{name}");
    }
}

/// A pod that is being deleted restarts nothing, whatever its containers exit with.
#[test]
fn rule_106_not_once_the_pod_is_deleted() {
    let pod = pod(Always).sidecar("sidecar", runs()).main("main", runs().stops(42, secs(2)));
    let mut life = pod.main("other", runs()).rules("main", Always, &[on_42()]).begin();
    life.to(10);
    life.delete();
    assert_eq!(life.run(), Some(42));
    assert_eq!(life.phase(), Phase::Failed);
    assert_eq!((life.starts("main"), life.starts("sidecar")), (at([0]), at([0])));
}

/// A deletion while all are being stopped ends the pod.
#[test]
fn rule_106_a_deletion_goes_before_the_restart() {
    let pod = pod(Never).main("main", exits(42, 10)).main("slow", runs().ignores_term());
    let mut life = pod.rules("main", Never, &[on_42()]).begin();
    life.to(11);
    life.delete();
    assert!(life.run().is_some());
    assert_eq!((life.starts("main"), life.starts("slow")), (at([0]), at([0])));
    assert_eq!(life.phase(), Phase::Failed);
}

/// An exit that restarts all comes while init containers still run, or is an init container's own.
#[test]
fn rule_102_any_kind_of_container_restarts_all() {
    let init = pod(Never).sidecar("sidecar", runs()).init("source", [exits(42, 5), exits(0, 5)]);
    let sidecar = pod(Never).sidecar("sidecar", runs()).sidecar("source", [exits(42, 5), runs()]);
    for (pod, own) in [(init, Never), (sidecar, Always)] {
        let mut life = pod.main("main", exits(0, 20)).rules("source", own, &[on_42()]).begin();
        assert_eq!(life.run(), Some(0));
        assert_eq!((life.restarts("source"), life.restarts("sidecar")), (1, 1));
    }
}

/// As BACKOFF-001, which is a row of its own upstream.
#[test]
fn rule_109_an_instantly_ending_container() {
    let mut life = pod(Always).main("main", exits(0, 0)).begin();
    life.to(1000);
    assert_eq!(life.starts("main"), at([0, 0, 10, 30, 70, 150, 310, 610, 910]));
    assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
}

/// The delay counts from the end, not from the start, of the attempt before.
#[test]
fn rule_109_the_delay_counts_from_the_end() {
    let mut life = pod(Always).main("main", exits(1, 30)).begin();
    life.to(400);
    assert_eq!(life.starts("main"), at([0, 30, 70, 120, 190, 300]));
}

/// More than ten minutes from start to end, whatever the longest delay is.
#[test]
fn rule_110_ten_minutes_wipe_the_slate() {
    for max_delay in [30, 300] {
        for (lasts, delay) in [(600, 20), (601, 0)] {
            let attempts = [exits(1, 1), exits(1, 1), exits(1, lasts), runs()];
            let mut pod = pod(Always).main("main", attempts);
            pod.pod.crash_loop_back_off =
                CrashLoopBackOff { initial_delay: secs(10), max_delay: secs(max_delay) };
            let mut life = pod.begin();
            life.to(700);
            assert_eq!(life.starts("main"), at([0, 1, 12, 12 + lasts + delay]), "{lasts} s");
        }
    }
}

/// Inits, sidecars and mains; after success, failure, a probe's kill.
#[test]
fn rule_111_everything_that_ran_waits() {
    let inits = pod(Always).init("it", exits(1, 1)).main("main", runs());
    let sidecars = pod(Always).sidecar("it", exits(0, 1)).main("main", runs());
    let mains = pod(Always).main("it", exits(0, 1)).main("main", runs());
    for pod in [inits, sidecars, mains] {
        let mut life = pod.begin();
        life.to(40);
        assert_eq!(life.starts("it"), at([0, 1, 12, 33]));
    }
    let pod = pod(Always).main("it", runs().healthy_for(secs(0))).live("it", probe(1, 1));
    let mut life = pod.main("main", runs()).begin();
    life.to(40);
    assert_eq!(life.starts("it"), at([0, 1, 12, 33]));
}

/// What never ran is tried again after ten seconds each time, and counts as no restart.
#[test]
fn rule_111_what_never_ran_has_no_back_off() {
    let attempts = [(); 5].map(|()| cannot_start(StartStage::Config, 0));
    let [a, b, c, d, e] = attempts;
    let mut life = pod(Never).main("main", [a, b, c, d, e, exits(0, 1)]).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.starts("main"), at([50]));
    assert_eq!((life.restarts("main"), life.told("BackOff")), (0, 0));
}

#[test]
fn rule_112_what_is_shown_while_it_waits() {
    let mut life = pod(Always).main("main", exits(3, 1)).begin();
    life.to(5);
    let status = life.container("main");
    let ContainerState::Waiting { reason, message } = status.state else { panic!("{status:?}") };
    assert_eq!(reason, WaitingReason::CrashLoopBackOff);
    let message = message.unwrap();
    assert!(
        message.starts_with("back-off 10s restarting failed container=main pod=pod_default"),
        "{message}"
    );
    assert_eq!(status.last_state.unwrap().exit_code, 3);
    assert_eq!(status.restart_count, 1);
    assert_eq!(life.told("BackOff"), 1);
    assert_eq!(life.phase(), Phase::Running, "rule 118: it will be started again");
}

/// The pod is named as kubelet names it, with the uid that only the object's maker knows.
#[test]
fn rule_112_the_object_names_the_pod_by_its_uid() {
    let mut life = pod(Always).main("main", exits(3, 1)).begin();
    life.to(5);
    let identity = Identity { uid: "u-1".into(), ..Identity::unknown() };
    let object = kubernetes_pod(life.pod(), &life.status(), &identity, None);
    assert_eq!(
        object.pointer("/status/containerStatuses/0/state/waiting/message").unwrap(),
        "back-off 10s restarting failed container=main pod=pod_default(u-1)"
    );
}

/// More restarts than can be counted are the most that can.
#[test]
fn restarts_are_counted_as_far_as_one_can_count() {
    let pod = || pod(Always).main("main", exits(1, 5));
    let mut before = pod().begin();
    before.to(11);
    let mut status = before.status();
    status.container_statuses[0].restart_count = u32::MAX;
    let mut machine = PodMachine::restore(pod().pod, &status, now(11));
    let mut attempts = Vec::new();
    for seconds in [20, 100] {
        machine.handle_timeout(now(seconds));
        let polled: Vec<_> = std::iter::from_fn(|| machine.poll_action()).collect();
        for action in polled {
            if let Action::Start(attempt) = action {
                attempts.push(attempt.attempt);
                machine.handle_event(now(seconds), Event::Started { attempt });
                let exit = Exit::plain(ExitStatus::Code(1));
                machine.handle_event(now(seconds), Event::Exited { attempt, exit });
                machine.handle_event(now(seconds), Event::Emptied { attempt });
            }
        }
    }
    assert_eq!(machine.status().container_statuses[0].restart_count, u32::MAX);
    assert_eq!(attempts.len(), 2);
}

fn now(seconds: u64) -> Now {
    Now { mono: Time::default() + secs(seconds), wall: Timestamp::default() }
}

/// Without other things to do, the wait ends exactly when it is over.
#[test]
fn rule_113_nothing_is_added_to_a_delay() {
    let mut life = pod(Always).main("main", exits(1, 0)).main("other", runs()).begin();
    life.to(9);
    assert_eq!(life.starts("main"), at([0, 0]));
    life.to(10);
    assert_eq!(life.starts("main"), at([0, 0, 10]));
}

fn with_own_back_off() -> PodUnderTest {
    let own = CrashLoopBackOff { initial_delay: secs(1), max_delay: secs(2) };
    let pod = pod(Always).main("main", exits(1, 1)).main("other", exits(1, 1));
    pod.with("main", |container| container.crash_loop_back_off = Some(own))
}

/// Beyond rule 117: a container's own delays (kubernetes#57291) are no other container's.
#[test]
fn rule_117_a_container_s_own_back_off() {
    let mut life = with_own_back_off().begin();
    life.to(15);
    assert_eq!(life.starts("main"), at([0, 1, 3, 6, 9, 12, 15]));
    assert_eq!(life.starts("other"), at([0, 1, 12]));
}

/// Back-off is lost with the supervisor: it starts at once, and begins again with ten seconds.
#[test]
fn rule_180_back_off_begins_anew_with_the_supervisor() {
    let pod = pod(Always).main("main", exits(1, 1)).main("other", runs());
    let mut life: Life = pod.clone().begin();
    life.to(40);
    assert_eq!(life.starts("main"), at([0, 1, 12, 33]));
    assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
    let status = life.status();
    let mut life = pod.restore(&status, secs(40));
    life.to(60);
    assert_eq!(life.starts("main"), at([40, 51]));
    assert_eq!(life.restarts("main"), status.container("main").unwrap().restart_count + 2);
}
