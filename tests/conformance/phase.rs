//! The pod's phase from its containers' statuses (rule 118): upstream's tables of getPhase.

use podinit::pod::{
    ContainerState, ContainerStatus, Phase, Progress, Terminated, TerminatedReason, Timestamp, WaitingReason,
    phase,
};
use podinit::spec::RestartPolicy::{Always, Never, OnFailure};
use podinit::spec::{Pod, RestartPolicy};

use crate::life::{pod, runs};

/// A pod whose phase is asked for.
struct Case {
    pod: Pod,
    progress: Progress,
}

fn mains(policy: RestartPolicy) -> Case {
    case(pod(policy).main("a", runs()).main("b", runs()).pod)
}

fn init_and_mains(policy: RestartPolicy) -> Case {
    case(pod(policy).init("x", runs()).main("a", runs()).main("b", runs()).pod)
}

fn sidecar_and_mains(policy: RestartPolicy) -> Case {
    case(pod(policy).sidecar("x", runs()).main("a", runs()).main("b", runs()).pod)
}

fn init_sidecar_and_main() -> Case {
    case(pod(Always).init("x", runs()).sidecar("y", runs()).main("a", runs()).pod)
}

/// Mains `a` and `b` whose own policies are these.
fn own_policies(policy: RestartPolicy, a: RestartPolicy, b: RestartPolicy) -> Case {
    let pod = pod(policy).main("a", runs()).main("b", runs());
    let pod = pod.with("a", |c| c.restart_policy = Some(a)).with("b", |c| c.restart_policy = Some(b));
    case(pod.pod)
}

fn case(pod: Pod) -> Case {
    Case { pod, progress: Progress::default() }
}

impl Case {
    fn initialized(mut self) -> Self {
        self.progress.initialized = true;
        self
    }

    fn terminal(mut self) -> Self {
        self.progress.terminal = true;
        self
    }

    fn is(&self, init: &[ContainerStatus], main: &[ContainerStatus]) -> Phase {
        phase(&self.pod, init, main, self.progress)
    }
}

/// Running, its startup probe pending.
fn running() -> ContainerStatus {
    status(ContainerState::Running { started_at: Timestamp::default() }, None)
}

fn started() -> ContainerStatus {
    ContainerStatus { started: true, ..running() }
}

fn ended(code: u8) -> ContainerStatus {
    status(ContainerState::Terminated(end(code)), None)
}

fn waiting() -> ContainerStatus {
    status(ContainerState::Waiting { reason: WaitingReason::ContainerCreating, message: None }, None)
}

/// Waiting for its next attempt after one that ended with `code`.
fn waiting_after(code: u8) -> ContainerStatus {
    status(
        ContainerState::Waiting { reason: WaitingReason::CrashLoopBackOff, message: None },
        Some(end(code)),
    )
}

fn end(exit_code: u8) -> Terminated {
    let reason = if exit_code == 0 { TerminatedReason::Completed } else { TerminatedReason::Error };
    Terminated {
        exit_code,
        signal: None,
        reason,
        message: None,
        started_at: Timestamp::default(),
        finished_at: Timestamp::default(),
    }
}

fn status(state: ContainerState, last_state: Option<Terminated>) -> ContainerStatus {
    ContainerStatus {
        name: "".into(),
        image: "".into(),
        state,
        last_state,
        ready: false,
        started: false,
        restart_count: 0,
    }
}

#[test]
fn u_phase_001_always_no_statuses() {
    assert_eq!(mains(Always).is(&[], &[]), Phase::Pending);
}

#[test]
fn u_phase_002_always_both_running() {
    assert_eq!(mains(Always).is(&[], &[running(), running()]), Phase::Running);
}

#[test]
fn u_phase_004_always_both_exit_0_and_terminal() {
    assert_eq!(mains(Always).terminal().is(&[], &[ended(0), ended(0)]), Phase::Succeeded);
}

#[test]
fn u_phase_005_always_0_and_failure_and_terminal() {
    assert_eq!(mains(Always).terminal().is(&[], &[ended(0), ended(1)]), Phase::Failed);
}

#[test]
fn u_phase_006_always_running_and_stopped() {
    assert_eq!(mains(Always).is(&[], &[running(), ended(0)]), Phase::Running);
}

#[test]
fn u_phase_008_always_running_and_waiting() {
    assert_eq!(mains(Always).is(&[], &[running(), waiting()]), Phase::Pending);
}

#[test]
fn u_phase_010_init_no_statuses() {
    assert_eq!(init_and_mains(Always).is(&[], &[]), Phase::Pending);
}

#[test]
fn u_phase_011_init_running() {
    assert_eq!(init_and_mains(Always).is(&[running()], &[]), Phase::Pending);
}

#[test]
fn u_phase_013_init_waiting_after_0() {
    assert_eq!(init_and_mains(Always).is(&[waiting_after(0)], &[]), Phase::Pending);
}

#[test]
fn u_phase_015_init_waiting_never_ran() {
    assert_eq!(init_and_mains(Always).is(&[waiting()], &[]), Phase::Pending);
}

#[test]
fn u_phase_016_init_ok_and_mains_running() {
    assert_eq!(init_and_mains(Always).is(&[ended(0)], &[running(), running()]), Phase::Running);
}

#[test]
fn u_phase_018_sidecar_not_started() {
    assert_eq!(sidecar_and_mains(Always).is(&[running()], &[]), Phase::Pending);
}

#[test]
fn u_phase_020_sidecar_waiting_after_0() {
    assert_eq!(sidecar_and_mains(Always).is(&[waiting_after(0)], &[]), Phase::Pending);
}

#[test]
fn u_phase_021_sidecar_waiting_after_failure() {
    assert_eq!(sidecar_and_mains(Always).is(&[waiting_after(1)], &[]), Phase::Pending);
}

#[test]
fn u_phase_022_sidecar_waiting() {
    assert_eq!(sidecar_and_mains(Always).is(&[waiting()], &[]), Phase::Pending);
}

#[test]
fn u_phase_024_sidecar_started_and_mains_running() {
    assert_eq!(sidecar_and_mains(Always).is(&[started()], &[running(), running()]), Phase::Running);
}

#[test]
fn u_phase_025_sidecar_not_started_but_initialized() {
    assert_eq!(
        sidecar_and_mains(Always).initialized().is(&[running()], &[running(), running()]),
        Phase::Running
    );
}

#[test]
fn u_phase_026_sidecar_stopped_and_mains_running() {
    assert_eq!(
        sidecar_and_mains(Always).initialized().is(&[ended(0)], &[running(), running()]),
        Phase::Running
    );
}

#[test]
fn u_phase_030_everything_running_but_not_initialized() {
    assert_eq!(sidecar_and_mains(Always).is(&[running()], &[running(), running()]), Phase::Pending);
}

#[test]
fn u_phase_032_init_running_and_main_stopped() {
    assert_eq!(init_sidecar_and_main().is(&[running(), running()], &[ended(0)]), Phase::Pending);
}

#[test]
fn u_phase_034_initialized_and_main_stopped() {
    assert_eq!(init_sidecar_and_main().initialized().is(&[ended(0), running()], &[ended(0)]), Phase::Running);
}

#[test]
fn u_phase_035_initialized_and_main_running() {
    assert_eq!(
        init_sidecar_and_main().initialized().is(&[ended(0), running()], &[running()]),
        Phase::Running
    );
}

#[test]
fn u_phase_036_never_no_statuses() {
    assert_eq!(mains(Never).is(&[], &[]), Phase::Pending);
}

#[test]
fn u_phase_038_never_both_0() {
    assert_eq!(mains(Never).is(&[], &[ended(0), ended(0)]), Phase::Succeeded);
}

#[test]
fn u_phase_039_never_both_failed() {
    assert_eq!(mains(Never).is(&[], &[ended(1), ended(1)]), Phase::Failed);
}

#[test]
fn u_phase_041_never_running_and_no_status() {
    assert_eq!(mains(Never).is(&[], &[running()]), Phase::Pending);
}

#[test]
fn u_phase_042_never_running_and_waiting() {
    assert_eq!(mains(Never).is(&[], &[running(), waiting()]), Phase::Pending);
}

#[test]
fn u_phase_044_never_init_running() {
    assert_eq!(init_and_mains(Never).is(&[running()], &[]), Phase::Pending);
}

#[test]
fn u_phase_045_never_init_failed() {
    assert_eq!(init_and_mains(Never).is(&[ended(1)], &[]), Phase::Failed);
}

#[test]
fn u_phase_046_never_init_waiting_after_0() {
    assert_eq!(init_and_mains(Never).is(&[waiting_after(0)], &[]), Phase::Pending);
}

#[test]
fn u_phase_047_never_init_waiting_after_failure() {
    assert_eq!(init_and_mains(Never).is(&[waiting_after(1)], &[]), Phase::Failed);
}

#[test]
fn u_phase_048_never_init_waiting() {
    assert_eq!(init_and_mains(Never).is(&[waiting()], &[]), Phase::Pending);
}

#[test]
fn u_phase_050_never_sidecar_no_statuses() {
    assert_eq!(sidecar_and_mains(Never).is(&[], &[]), Phase::Pending);
}

#[test]
fn u_phase_051_never_sidecar_running() {
    assert_eq!(sidecar_and_mains(Never).is(&[running()], &[]), Phase::Pending);
}

#[test]
fn u_phase_052_never_sidecar_stopped() {
    assert_eq!(sidecar_and_mains(Never).is(&[ended(0)], &[]), Phase::Pending);
}

#[test]
fn u_phase_053_never_sidecar_waiting_after_0() {
    assert_eq!(sidecar_and_mains(Never).is(&[waiting_after(0)], &[]), Phase::Pending);
}

#[test]
fn u_phase_055_never_sidecar_waiting() {
    assert_eq!(sidecar_and_mains(Never).is(&[waiting()], &[]), Phase::Pending);
}

#[test]
fn u_phase_057_never_sidecar_up_after_mains() {
    assert_eq!(
        sidecar_and_mains(Never).initialized().is(&[started()], &[ended(0), ended(0)]),
        Phase::Running
    );
}

#[test]
fn u_phase_058_never_sidecar_re_running_after_mains() {
    assert_eq!(
        sidecar_and_mains(Never).initialized().is(&[running()], &[ended(0), ended(0)]),
        Phase::Running
    );
}

#[test]
fn u_phase_059_never_everything_0() {
    assert_eq!(
        sidecar_and_mains(Never).initialized().is(&[ended(0)], &[ended(0), ended(0)]),
        Phase::Succeeded
    );
}

#[test]
fn u_phase_060_never_sidecar_failed() {
    assert_eq!(
        sidecar_and_mains(Never).initialized().is(&[ended(1)], &[ended(0), ended(0)]),
        Phase::Succeeded
    );
}

#[test]
fn u_phase_061_never_sidecar_crash_looping() {
    assert_eq!(
        sidecar_and_mains(Never).initialized().is(&[waiting_after(0)], &[ended(0), ended(0)]),
        Phase::Succeeded
    );
}

#[test]
fn u_phase_063_on_failure_no_statuses() {
    assert_eq!(mains(OnFailure).is(&[], &[]), Phase::Pending);
}

#[test]
fn u_phase_064_on_failure_both_running() {
    assert_eq!(mains(OnFailure).is(&[], &[running(), running()]), Phase::Running);
}

#[test]
fn u_phase_065_on_failure_both_0() {
    assert_eq!(mains(OnFailure).is(&[], &[ended(0), ended(0)]), Phase::Succeeded);
}

#[test]
fn u_phase_066_on_failure_both_failed() {
    assert_eq!(mains(OnFailure).is(&[], &[ended(1), ended(1)]), Phase::Running);
}

#[test]
fn u_phase_067_on_failure_running_and_0() {
    assert_eq!(mains(OnFailure).is(&[], &[running(), ended(0)]), Phase::Running);
}

#[test]
fn u_phase_068_on_failure_running_and_no_status() {
    assert_eq!(mains(OnFailure).is(&[], &[running()]), Phase::Pending);
}

#[test]
fn u_phase_069_on_failure_running_and_waiting() {
    assert_eq!(mains(OnFailure).is(&[], &[running(), waiting()]), Phase::Pending);
}

#[test]
fn u_phase_070_on_failure_running_and_crash_looping() {
    assert_eq!(mains(OnFailure).is(&[], &[running(), waiting_after(1)]), Phase::Running);
}

#[test]
fn u_phase_072_own_policy_on_failure_failed() {
    assert_eq!(own_policies(Always, OnFailure, Never).is(&[], &[ended(1), ended(0)]), Phase::Running);
}

#[test]
fn u_phase_073_own_policy_always_failed() {
    assert_eq!(own_policies(Never, Always, Never).is(&[], &[ended(1), ended(0)]), Phase::Running);
}

#[test]
fn u_phase_075_own_policies_that_restart_nothing() {
    assert_eq!(own_policies(Always, Never, OnFailure).is(&[], &[ended(1), ended(0)]), Phase::Failed);
}

#[test]
fn u_phase_078_own_policy_of_an_init_that_failed() {
    let pod = pod(Never).init("x", runs()).main("a", runs()).main("b", runs());
    let pod = pod.with("x", |container| container.restart_policy = Some(OnFailure));
    assert_eq!(case(pod.pod).is(&[ended(1)], &[]), Phase::Pending);
}

// What the rule of the sidecar does, RestartAllContainers, comes after the phase: it asks only what runs.
#[test]
fn u_phase_082_a_sidecar_failed_and_the_mains_wait() {
    assert_eq!(sidecar_and_mains(Always).is(&[ended(42)], &[waiting(), waiting()]), Phase::Pending);
}

#[test]
fn u_phase_083_a_sidecar_failed_and_another_init_container_waits() {
    let pod = pod(Always).sidecar("x", runs()).init("y", runs()).main("a", runs());
    assert_eq!(case(pod.pod).is(&[ended(42), waiting()], &[waiting()]), Phase::Pending);
}

fn restarting() -> ContainerStatus {
    let mut status = waiting_after(137);
    status.state = ContainerState::Waiting { reason: WaitingReason::RestartingAllContainers, message: None };
    status
}

#[test]
fn u_phase_084_a_main_is_down_to_restart() {
    assert_eq!(mains(Never).is(&[], &[restarting(), ended(0)]), Phase::Running);
}

#[test]
fn u_phase_086_a_sidecar_is_down_to_restart_and_a_main_waits() {
    assert_eq!(sidecar_and_mains(Never).is(&[restarting()], &[waiting(), waiting()]), Phase::Pending);
}

#[test]
fn u_phase_087_a_sidecar_and_an_init_are_down_to_restart() {
    assert_eq!(init_sidecar_and_main().is(&[restarting(), restarting()], &[restarting()]), Phase::Pending);
}

#[test]
fn u_phase_088_an_init_ended_again_and_a_main_is_down_to_restart() {
    let pod = pod(Never).init("x", runs()).main("a", runs());
    assert_eq!(case(pod.pod).is(&[ended(0)], &[restarting()]), Phase::Running);
}

#[test]
fn u_phase_089_an_init_failed_when_it_ran_again() {
    let pod = pod(Never).init("x", runs()).main("a", runs());
    assert_eq!(case(pod.pod).is(&[ended(1)], &[restarting()]), Phase::Failed);
}

#[test]
fn u_phase_092_a_sidecar_and_a_main_are_down_to_restart() {
    let pod = pod(Never).sidecar("x", runs()).main("a", runs());
    assert_eq!(case(pod.pod).is(&[restarting()], &[restarting()]), Phase::Running);
}

#[test]
fn u_phase_094_a_sidecar_runs_and_an_init_is_down_to_restart() {
    let pod = pod(Never).sidecar("y", runs()).init("x", runs()).main("a", runs());
    assert_eq!(case(pod.pod).is(&[running(), restarting()], &[restarting()]), Phase::Pending);
}
