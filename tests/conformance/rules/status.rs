//! What is shown of containers (rules 126 to 129), and supervisors that take over (rules 25, 180, 181).

use podinit::pod::{
    AttemptId, ContainerState, Event, Exit, ExitStatus, Now, Phase, PodMachine, PodStatus, Signal,
    StartStage, TerminatedReason, WaitingReason,
};
use podinit::sim::Attempt;
use podinit::spec::RestartPolicy::{Always, Never, OnFailure};
use podinit::spec::{ContainerId, HookKind, ProbeKind};

use crate::life::{
    Life, PodUnderTest, at, cannot_start, command_hook, exits, pod, probe, runs, secs, stops_in,
};

/// An end is shown as such until a start is refused for it; then it is what was before.
#[test]
fn rule_126_an_end_moves_to_the_last_state_when_a_start_is_refused() {
    let slow_to_go =
        Attempt { rest: Some(podinit::sim::Rest { on_term: Some(secs(3)), lasts: None }), ..exits(1, 5) };
    let mut process = pod(Always).main("main", slow_to_go);
    process.pod.profile = podinit::spec::Profile::Process;
    let mut life = process.begin();
    life.to(6);
    assert_eq!(life.ended("main"), Some((1, TerminatedReason::Error)), "what it left behind is ended");
    assert_eq!(life.container("main").last_state, None);
    life.to(14);
    assert_eq!(life.ended("main"), Some((1, TerminatedReason::Error)));
    life.to(17);
    assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
    assert_eq!(life.container("main").last_state.unwrap().exit_code, 1);
}

/// What runs again shows how it ended before.
#[test]
fn rule_126_the_last_state_is_the_end_before() {
    let mut life = pod(Always).main("main", [exits(7, 5), runs()]).begin();
    life.to(6);
    assert!(life.is_running("main"));
    let last = life.container("main").last_state.unwrap();
    assert_eq!((last.exit_code, last.signal, last.reason), (7, None, TerminatedReason::Error));
    assert_eq!((last.finished_at.as_nanos() - last.started_at.as_nanos()), 5_000_000_000);
}

#[test]
fn rule_127_why_a_container_waits() {
    let slow = || Attempt { start_takes: secs(10), ..runs() };
    let mut alone = pod(Always).main("main", slow()).begin();
    alone.to(5);
    assert_eq!(alone.waits("main"), Some(WaitingReason::ContainerCreating));
    let mut behind = pod(Always).init("init", exits(0, 10)).main("main", slow()).begin();
    behind.to(5);
    assert_eq!(behind.waits("main"), Some(WaitingReason::PodInitializing));
    behind.to(15);
    assert_eq!(behind.waits("main"), Some(WaitingReason::ContainerCreating));
    let mut config = pod(Always).main("main", cannot_start(StartStage::Config, 0)).begin();
    config.to(5);
    assert_eq!(config.waits("main"), Some(WaitingReason::CreateContainerConfigError));
    let passing = podinit::pod::StartFailure {
        stage: StartStage::Create,
        errno: 11,
        message: "cannot fork".to_owned(),
        retry: true,
    };
    let attempt = Attempt { start_fails: Some(passing), ..runs() };
    let mut create = pod(Always).main("main", attempt).begin();
    create.to(5);
    assert_eq!(create.waits("main"), Some(WaitingReason::CreateContainerError));
}

/// How the end of a main container that ran is shown.
fn shown(exit: Exit) -> (u8, Option<Signal>, TerminatedReason) {
    let mut machine =
        PodMachine::new(pod(Never).main("main", runs()).main("other", runs()).pod, Now::default());
    let attempt = AttemptId { container: ContainerId::at(0), attempt: 0 };
    while machine.poll_action().is_some() {}
    for event in [
        Event::SandboxReady,
        Event::Started { attempt },
        Event::Exited { attempt, exit },
        Event::Emptied { attempt },
    ] {
        machine.handle_event(Now::default(), event);
        while machine.poll_action().is_some() {}
    }
    let status = machine.status();
    let ContainerState::Terminated(end) = &status.container_statuses[0].state else { panic!("{status:?}") };
    (end.exit_code, end.signal, end.reason)
}

#[test]
fn rules_86_128_how_an_end_is_shown() {
    let code = |code| Exit::plain(ExitStatus::Code(code));
    let signal = |signal| Exit::plain(ExitStatus::Signal(signal));
    let short_of_memory = |exit: Exit| Exit { oom_killed: true, ..exit };
    for (exit, expected) in [
        (code(0), (0, None, TerminatedReason::Completed)),
        (code(1), (1, None, TerminatedReason::Error)),
        (code(255), (255, None, TerminatedReason::Error)),
        (signal(Signal::KILL), (137, Some(Signal::KILL), TerminatedReason::Error)),
        (signal(Signal::TERM), (143, Some(Signal::TERM), TerminatedReason::Error)),
        (short_of_memory(signal(Signal::KILL)), (137, Some(Signal::KILL), TerminatedReason::OOMKilled)),
        // Rule 129: of any process of it, and whatever the main process made of that.
        (short_of_memory(code(0)), (0, None, TerminatedReason::OOMKilled)),
        (short_of_memory(code(3)), (3, None, TerminatedReason::OOMKilled)),
    ] {
        assert_eq!(shown(exit.clone()), expected, "{exit:?}");
    }
}

#[test]
fn rule_128_a_program_that_could_not_be_run() {
    for (errno, code) in [(2, 127), (13, 126)] {
        let mut life = pod(Never).main("main", cannot_start(StartStage::Exec, errno)).begin();
        assert_eq!(life.run(), Some(code), "as a shell has it");
        assert_eq!(life.ended("main"), Some((128, TerminatedReason::StartError)));
        assert_eq!(life.phase(), Phase::Failed);
    }
    for policy in [Always, OnFailure] {
        let mut life = pod(policy).main("main", cannot_start(StartStage::Exec, 2)).begin();
        life.to(20);
        assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff), "{policy:?}");
        assert_eq!(life.container("main").last_state.unwrap().exit_code, 128);
    }
}

/// The supervisor after this one has the pod from so many seconds on.
fn taken_over(pod: &PodUnderTest, seconds: u64) -> (PodStatus, Life) {
    let mut life = pod.clone().begin();
    life.to(seconds);
    let status = life.status();
    let life = pod.clone().restore(&status, secs(seconds));
    (status, life)
}

/// Nothing of a pod that runs changes, whatever it has been through and whatever it is made of.
#[test]
fn rule_180_taking_over_changes_nothing() {
    let pod = pod(Always)
        .init("init", exits(0, 5))
        .sidecar("sidecar", runs())
        .main("main", [exits(1, 10), runs()])
        .main("other", runs())
        .post_start("main", command_hook())
        .pre_stop("main", command_hook())
        .probed("sidecar", probe(0, 3))
        .live("main", probe(0, 3))
        .ready("other", probe(0, 3));
    for seconds in [6, 14, 30, 500] {
        let (before, life) = taken_over(&pod, seconds);
        assert_eq!(life.status(), before, "at {seconds} s");
    }
}

/// Hooks after the start are not run again, startup probes that succeeded are not asked again, and the
/// other probes go on.
#[test]
fn rule_180_what_is_through_stays_through() {
    let pod = pod(Always).main("main", runs()).post_start("main", command_hook()).probed("main", probe(0, 3));
    let (_, mut life) = taken_over(&pod.live("main", probe(0, 3)), 20);
    life.to(50);
    assert!(life.trace().hooked("main", HookKind::PostStart).is_empty());
    assert!(life.trace().probed("main", ProbeKind::Startup).is_empty());
    assert_eq!(life.trace().probed("main", ProbeKind::Liveness).len(), 4);
    assert!(life.starts("main").is_empty());
}

/// A container whose startup probe has not succeeded goes on with it, and is killed when it fails.
#[test]
fn rule_180_what_has_not_started_is_asked_again() {
    let main = [runs().ready_after(secs(100_000)), runs()];
    let pod = pod(Always).main("main", main).probed("main", probe(0, 3));
    let (status, mut life) = taken_over(&pod, 15);
    assert!(!status.container("main").unwrap().started);
    life.to(60);
    assert_eq!(life.trace().probed("main", ProbeKind::Startup)[..3], at([15, 25, 35]));
    assert_eq!(life.restarts("main"), 1);
}

/// What had ended for good stays so; what was to start again does.
#[test]
fn rule_25_what_ended_for_good_stays_ended() {
    let pod = pod(OnFailure).init("init", exits(0, 1)).main("done", exits(0, 1)).main("main", runs());
    let pod = pod.main("fails", exits(1, 20));
    let (_, mut life) = taken_over(&pod, 10);
    life.to(60);
    assert!(
        life.starts("init").is_empty() && life.starts("done").is_empty() && life.starts("main").is_empty()
    );
    assert_eq!(life.ended("done"), Some((0, TerminatedReason::Completed)));
    assert_eq!(life.starts("fails"), at([30, 60]));
}

/// A start that was to come whatever the exit code, because a probe had decided so, comes.
#[test]
fn rule_180_a_restart_that_was_due_is_not_forgotten() {
    let pod = pod(OnFailure).main("main", runs().healthy_for(secs(0))).live("main", probe(5, 1));
    let pod = pod.main("other", runs());
    let (status, mut life) = taken_over(&pod, 15);
    let main = status.container("main").unwrap();
    assert_eq!(main.last_state.as_ref().unwrap().exit_code, 0);
    assert!(matches!(main.state, ContainerState::Waiting { reason: WaitingReason::CrashLoopBackOff, .. }));
    life.to(16);
    assert_eq!((life.starts("main"), life.starts("other")), (at([15]), at([])));
}

/// A pod that had initialized stays so: a sidecar that starts again does not make it Pending (rule 14).
#[test]
fn rule_180_an_initialized_pod_stays_initialized() {
    let pod = pod(Always).sidecar("sidecar", [exits(1, 20), runs().ready_after(secs(500))]);
    let pod = pod.probed("sidecar", probe(0, 100)).main("main", runs());
    let (status, life) = taken_over(&pod, 30);
    assert!(!status.container("sidecar").unwrap().started);
    assert_eq!((status.phase, life.phase()), (Phase::Running, Phase::Running));
}

/// A start under way when the pod is deleted: nothing is over before it is.
#[test]
fn rule_121_no_end_is_shown_while_a_start_is_under_way() {
    let slow = Attempt { start_takes: secs(10), ..runs().ignores_term() };
    let mut life = pod(Always).grace(20).main("main", [exits(1, 5), slow]).begin();
    life.to(7);
    life.delete();
    life.to(8);
    assert_eq!(life.phase(), Phase::Running);
    life.run();
    assert_eq!((life.phase(), life.elapsed()), (Phase::Failed, secs(27)));
}

/// A pod whose last main container ended while nobody was there is over, sidecars and all.
#[test]
fn rule_30_a_pod_that_was_done_ends_with_the_next_supervisor() {
    let pod = pod(Never).sidecar("sidecar", stops_in(2)).main("main", exits(0, 10));
    let mut life = pod.clone().begin();
    life.to(10);
    let (_, mut life) = {
        let status = life.status();
        (0, pod.restore(&status, secs(10)))
    };
    assert_eq!(life.run(), Some(0));
    assert_eq!((life.phase(), life.elapsed()), (Phase::Succeeded, secs(12)));
}

/// A stop that was under way begins again with all of its grace, once it is asked for again.
#[test]
fn rule_181_a_stop_begins_again_with_the_whole_grace() {
    let pod = pod(Always).grace(30).main("main", runs().ignores_term());
    let mut life = pod.clone().begin();
    life.to(10);
    life.delete();
    life.to(35);
    let status = life.status();
    let mut life = pod.restore(&status, secs(35));
    life.delete();
    life.run();
    assert_eq!((life.trace().signalled("main"), life.exits("main")), (at([35]), at([65])));
}
