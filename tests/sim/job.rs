//! Jobs on the virtual clock: when a pod that failed is tried again, and when no longer.

use std::time::Duration;

use podinit::pod::{
    Action, AttemptId, Event, Exit, ExitStatus, JobMachine, Now, Phase, PodEvent, ProbeOutcome, RunId,
    Signal, StopRequest, Time,
};
use podinit::sim::{Attempt, Behaviour, Entry, World};
use podinit::spec::{Container, Job, Pod, Probe, ProbeHandler, RestartPolicy};

const TERM: Event = Event::StopRequested { grace: None, cause: StopRequest::Signal(Signal::TERM) };

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn pod(restart_policy: RestartPolicy, backoff_limit: u32, deadline: Option<u64>) -> Pod {
    Pod {
        restart_policy,
        job: Some(Job { backoff_limit, active_deadline: deadline.map(secs) }),
        containers: vec![Container::named("main")],
        ..Pod::named("job")
    }
}

/// Exits with each of these codes after a second, one attempt after the other; the last is repeated.
fn exits<const N: usize>(codes: [u8; N]) -> Vec<Attempt> {
    codes.map(|code| Attempt::exits(code, secs(1))).to_vec()
}

fn begin(pod: Pod, attempts: Vec<Attempt>) -> World {
    World::new(pod, vec![Behaviour::each(attempts)])
}

fn starts(world: &World, name: &str) -> Vec<u64> {
    world.trace().started(name).iter().map(Duration::as_secs).collect()
}

fn check(world: &World) {
    assert!(world.violation().is_none(), "{}", world.violation().unwrap());
}

fn told(world: &World, wanted: fn(&PodEvent) -> bool) -> usize {
    let told = |entry: &Entry| matches!(entry, Entry::Event(event) if wanted(event));
    world.trace().iter().filter(|(_, entry)| told(entry)).count()
}

/// What a Job comes to.
struct Row {
    what: &'static str,
    policy: RestartPolicy,
    limit: u32,
    deadline: Option<u64>,
    runs: Vec<Attempt>,
    starts: Vec<u64>,
    ends: u64,
    code: u8,
    reason: Option<&'static str>,
}

#[test]
fn tries_and_their_times_are_those_of_the_job_controller() {
    use RestartPolicy::{Never, OnFailure};
    const LIMIT: Option<&str> = Some("BackoffLimitExceeded");
    const DEADLINE: Option<&str> = Some("DeadlineExceeded");
    let row = |what, policy, limit, deadline, runs, starts: &[u64], ends, code, reason| {
        let starts = starts.to_vec();
        Row { what, policy, limit, deadline, runs, starts, ends, code, reason }
    };
    let hangs = |mut before: Vec<Attempt>| {
        before.push(Attempt::runs().stops(0, Duration::ZERO));
        before
    };
    let usual = [0, 11, 32, 73, 154, 315, 636];
    for row in [
        row("success", Never, 6, None, exits([0]), &[0], 1, 0, None),
        row("all of the usual limit", Never, 6, None, exits([3]), &usual, 637, 3, LIMIT),
        row("nothing is forgiven", Never, 0, None, exits([3]), &[0], 1, 3, LIMIT),
        row("the last try decides", Never, 1, None, exits([3, 5]), &[0, 11], 12, 5, LIMIT),
        row("success in the end", Never, 2, None, exits([3, 4, 0]), &[0, 11, 32], 33, 0, None),
        row("too long in the first try", Never, 6, Some(20), hangs(vec![]), &[0], 20, 124, DEADLINE),
        row("too long in a later try", Never, 6, Some(15), hangs(exits([3])), &[0, 11], 15, 124, DEADLINE),
        row("too long between tries", Never, 6, Some(5), exits([3]), &[0], 5, 3, DEADLINE),
        row("no time at all", Never, 6, Some(0), exits([0]), &[], 0, 124, DEADLINE),
        row("in time", Never, 6, Some(13), exits([3, 0]), &[0, 11], 12, 0, None),
        // The first restart is immediate (rule 109); the one that reaches the limit is stopped as it starts.
        row("restarts count", OnFailure, 3, None, exits([2]), &[0, 1, 12, 33], 33, 2, LIMIT),
        row("restarts that help", OnFailure, 3, None, exits([2, 2, 0]), &[0, 1, 12], 13, 0, None),
        row("no restart is forgiven", OnFailure, 0, None, exits([2]), &[0, 1], 1, 2, LIMIT),
        row("one is as good as none", OnFailure, 1, None, exits([2]), &[0, 1], 1, 2, LIMIT),
    ] {
        let mut world = begin(pod(row.policy, row.limit, row.deadline), row.runs);
        assert_eq!(world.run(), Some(row.code), "{}", row.what);
        check(&world);
        assert_eq!(starts(&world, "main"), row.starts, "{}", row.what);
        assert_eq!(world.elapsed(), secs(row.ends), "{}", row.what);
        let status = world.status();
        assert_eq!(status.reason, row.reason, "{}", row.what);
        let phase = if row.code == 0 { Phase::Succeeded } else { Phase::Failed };
        assert_eq!(status.phase, phase, "{}", row.what);
        assert_eq!(told(&world, |event| matches!(event, PodEvent::JobFailed(_))), row.reason.iter().count());
    }
}

#[test]
fn the_delay_is_at_most_ten_minutes() {
    let mut world = begin(pod(RestartPolicy::Never, 8, None), exits([1]));
    world.run();
    check(&world);
    let (starts, exits) = (world.trace().started("main"), world.trace().exited("main"));
    let delays: Vec<u64> =
        starts[1..].iter().zip(&exits).map(|(start, exit)| (*start - *exit).as_secs()).collect();
    assert_eq!(delays, [10, 20, 40, 80, 160, 320, 600, 600]);
}

#[test]
fn a_main_that_failed_in_time_decides_the_code_and_not_the_deadline() {
    let containers = vec![Container::named("main"), Container::named("other")];
    let pod = Pod { containers, ..pod(RestartPolicy::Never, 6, Some(10)) };
    let behaviours = vec![Behaviour::each(exits([3])), Behaviour::always(Attempt::runs())];
    let mut world = World::new(pod, behaviours);
    assert_eq!(world.run(), Some(3));
    check(&world);
    assert_eq!((world.elapsed(), world.status().reason), (secs(10), Some("DeadlineExceeded")));
}

#[test]
fn the_restarts_of_sidecars_count_too() {
    let mut side = Container::named("side");
    side.restart_policy = Some(RestartPolicy::Always);
    let pod = Pod { init_containers: vec![side], ..pod(RestartPolicy::OnFailure, 2, None) };
    let main = Attempt::runs().stops(0, Duration::ZERO);
    let mut world = World::new(pod, vec![Behaviour::each(exits([7])), Behaviour::always(main)]);
    assert_eq!(world.run(), Some(7));
    check(&world);
    assert_eq!(starts(&world, "side"), [0, 1, 12]);
    assert_eq!(world.status().reason, Some("BackoffLimitExceeded"));
}

#[test]
fn a_pod_that_fails_for_its_own_deadline_is_tried_again() {
    let mut pod = pod(RestartPolicy::OnFailure, 1, None);
    pod.active_deadline = Some(secs(5));
    let mut world = begin(pod, vec![Attempt::runs()]);
    assert_eq!(world.run(), Some(124));
    check(&world);
    assert_eq!(starts(&world, "main"), [0, 15]);
    assert_eq!((world.elapsed(), world.status().reason), (secs(20), Some("BackoffLimitExceeded")));
}

#[test]
fn a_failed_init_container_is_a_failed_try() {
    let pod = Pod { init_containers: vec![Container::named("init")], ..pod(RestartPolicy::Never, 1, None) };
    let mut world = World::new(pod, vec![Behaviour::each(exits([4, 0])), Behaviour::each(exits([0]))]);
    assert_eq!(world.run(), Some(0));
    check(&world);
    assert_eq!((starts(&world, "init"), starts(&world, "main")), (vec![0, 11], vec![12]));
}

#[test]
fn a_stop_ends_the_tries() {
    for (event, at, code) in [
        // Between two tries there is nothing to stop.
        (TERM, 5, 3),
        (Event::KillRequested, 5, 3),
        (TERM, 11, 143),
    ] {
        let mut runs = exits([3]);
        runs.push(Attempt::runs().stops(143, secs(1)));
        let mut world = begin(pod(RestartPolicy::Never, 6, None), runs);
        world.run_for(secs(at));
        world.send(event);
        assert_eq!(world.run(), Some(code), "at {at} s");
        check(&world);
        assert_eq!(world.elapsed(), if at == 5 { secs(5) } else { secs(12) });
        assert_eq!(starts(&world, "main").len(), if at == 5 { 1 } else { 2 });
        assert_eq!((world.status().reason, world.status().phase), (None, Phase::Failed));
    }
}

#[test]
fn a_try_that_failed_while_it_was_being_stopped_is_the_last() {
    let mut side = Container::named("side");
    side.restart_policy = Some(RestartPolicy::Always);
    let pod = Pod { init_containers: vec![side], ..pod(RestartPolicy::Never, 6, None) };
    let side = Attempt::runs().stops(0, secs(5));
    let mut world = World::new(pod, vec![Behaviour::always(side), Behaviour::each(exits([3]))]);
    // The main container has failed, its sidecar is on its way out.
    world.run_for(secs(3));
    world.send(TERM);
    assert_eq!(world.run(), Some(3));
    check(&world);
    assert_eq!(world.elapsed(), secs(6));
}

#[test]
fn each_try_is_a_pod_of_its_own() {
    let mut world = begin(pod(RestartPolicy::Never, 2, None), exits([3, 3, 0]));
    world.run_for(secs(5));
    let first = world.status();
    assert_eq!((first.phase, first.reason), (Phase::Failed, None));
    world.run_for(Duration::from_millis(6_500));
    let second = world.status();
    assert_eq!(second.phase, Phase::Running);
    assert_eq!(second.start_time.since(first.start_time), secs(11));
    assert_eq!(
        (second.container_statuses[0].restart_count, &second.container_statuses[0].last_state),
        (0, &None)
    );
    check(&world);
}

#[test]
fn the_next_try_is_of_the_changed_manifest() {
    let mut world = begin(pod(RestartPolicy::Never, 6, None), exits([3, 0]));
    world.run_for(secs(5));
    let mut changed = world.pod().clone();
    changed.containers[0].image = "v2".into();
    changed.job = Some(Job { backoff_limit: 1, active_deadline: None });
    world.send(Event::SpecChanged(Box::new(changed)));
    assert_eq!(&*world.status().container_statuses[0].image, "");
    // A job stays one.
    let no_job = Pod { job: None, ..world.pod().clone() };
    world.send(Event::SpecChanged(Box::new(no_job)));
    assert_eq!(told(&world, |event| matches!(event, PodEvent::FailedValidation(_))), 1);
    assert_eq!(world.run(), Some(0));
    check(&world);
    assert_eq!(&*world.status().container_statuses[0].image, "v2");
    assert_eq!(world.pod().job.unwrap().backoff_limit, 1);
}

#[test]
fn a_change_that_is_taken_back_before_the_next_try_is_none() {
    let now = Now::default();
    let mut machine = ByHand(JobMachine::new(pod(RestartPolicy::Never, 6, None), now), now);
    let attempt = machine.settle().0[0];
    machine.tell(Event::Exited { attempt, exit: Exit::plain(ExitStatus::Code(1)) });
    machine.tell(Event::Emptied { attempt });
    machine.settle();
    let written = machine.0.pod().clone();
    let mut changed = written.clone();
    changed.containers[0].image = "v2".into();
    machine.tell(Event::SpecChanged(Box::new(changed.clone())));
    assert_eq!((machine.0.intended(), machine.0.pod()), (&changed, &written));
    machine.tell(Event::SpecChanged(Box::new(written.clone())));
    assert_eq!(machine.0.intended(), &written);
    machine.pass(10);
    machine.settle();
    assert_eq!(machine.0.pod(), &written);
}

#[test]
fn a_restored_job_goes_on_with_its_tries() {
    let runs = || vec![Behaviour::each(exits([3]))];
    // In the second try, which began at 11 s; and after its end, when the third was to begin at 32 s.
    for (at, expected) in [(11_500, vec![32_500]), (15_000, vec![35_000])] {
        let mut before = begin(pod(RestartPolicy::Never, 2, None), exits([3]));
        before.run_for(Duration::from_millis(at));
        assert_eq!(before.job_status().unwrap().failed, 1, "at {at} ms");
        let (pod, status, job) = (before.pod().clone(), before.status(), before.job_status());
        let mut world = World::restore_job(pod, &status, job, runs(), before.elapsed());
        assert_eq!(world.run(), Some(3));
        check(&world);
        let starts: Vec<_> = world.trace().started("main").iter().map(|at| at.as_millis()).collect();
        assert_eq!(starts, expected, "at {at} ms");
        assert_eq!(world.status().reason, Some("BackoffLimitExceeded"));
    }
}

#[test]
fn the_deadline_of_a_restored_job_counts_from_its_first_try() {
    let mut runs = exits([3]);
    runs.push(Attempt::runs());
    let mut before = begin(pod(RestartPolicy::Never, 2, Some(20)), runs);
    before.run_for(secs(13));
    let (pod, status, job) = (before.pod().clone(), before.status(), before.job_status());
    let behaviours = vec![Behaviour::always(Attempt::runs())];
    let mut world = World::restore_job(pod, &status, job, behaviours, before.elapsed());
    assert_eq!((world.run(), world.elapsed()), (Some(124), secs(20)));
    check(&world);
}

/// A machine, driven by hand.
struct ByHand(JobMachine, Now);

impl ByHand {
    /// Carries out everything, and gives the attempts and probes that were asked for.
    fn settle(&mut self) -> (Vec<AttemptId>, Vec<RunId>) {
        let (mut starts, mut probes) = (Vec::new(), Vec::new());
        while let Some(action) = self.0.poll_action() {
            match action {
                Action::SetUpSandbox => self.0.handle_event(self.1, Event::SandboxReady),
                Action::Start(attempt) => {
                    starts.push(attempt);
                    self.0.handle_event(self.1, Event::Started { attempt });
                }
                Action::StartProbe { run, .. } => probes.push(run),
                Action::BeginTry
                | Action::TearDownSandbox
                | Action::Signal { .. }
                | Action::Kill(_)
                | Action::Remove(_)
                | Action::CancelProbe(_)
                | Action::RunHook { .. }
                | Action::AbandonHook(_)
                | Action::Resize { .. }
                | Action::RefreshVolumes
                | Action::RestartNetworkHelper
                | Action::Record(_)
                | Action::StatusChanged
                | Action::Finish { .. } => {}
            }
        }
        (starts, probes)
    }

    fn tell(&mut self, event: Event) {
        self.0.handle_event(self.1, event);
    }

    fn pass(&mut self, seconds: u64) {
        self.1.mono = self.1.mono + secs(seconds);
        self.0.handle_timeout(self.1);
    }
}

#[test]
fn what_is_told_of_an_earlier_try_is_dropped() {
    let mut pod = pod(RestartPolicy::Never, 6, None);
    pod.containers[0].readiness_probe = Some(Probe {
        handler: ProbeHandler::Exec { command: vec!["true".to_owned()] },
        initial_delay: Duration::ZERO,
        timeout: secs(1),
        period: secs(1),
        success_threshold: 1,
        failure_threshold: 3,
        termination_grace_period: None,
    });
    let now = Now { mono: Time::default(), ..Now::default() };
    let mut machine = ByHand(JobMachine::new(pod, now), now);
    let (first, first_runs) = machine.settle();
    let exit = |attempt| Event::Exited { attempt, exit: Exit::plain(ExitStatus::Code(1)) };
    machine.tell(exit(first[0]));
    machine.tell(Event::Emptied { attempt: first[0] });
    assert_eq!(machine.settle().0, []);
    assert_eq!(machine.0.poll_timeout(), Some(Time::default() + secs(10)));
    machine.pass(10);
    let (second, second_runs) = machine.settle();
    assert_eq!((first.len(), second.len(), second_runs.len()), (1, 1, 1));
    assert!(second[0].attempt > first[0].attempt && second_runs[0] > first_runs[0]);
    // Late, from the first.
    machine.tell(Event::ProbeDone {
        run: first_runs[0],
        outcome: ProbeOutcome::Success,
        output: String::new(),
    });
    machine.tell(exit(first[0]));
    machine.tell(Event::Emptied { attempt: first[0] });
    machine.settle();
    let status = machine.0.status();
    assert_eq!((status.phase, status.container_statuses[0].ready), (Phase::Running, false));
    // The same of the second counts.
    machine.tell(Event::ProbeDone {
        run: second_runs[0],
        outcome: ProbeOutcome::Success,
        output: String::new(),
    });
    machine.settle();
    assert!(machine.0.status().container_statuses[0].ready);
    machine.tell(exit(second[0]));
    machine.tell(Event::Emptied { attempt: second[0] });
    machine.settle();
    assert_eq!(machine.0.poll_timeout(), Some(Time::default() + secs(30)));
}

#[test]
fn containers_for_debugging_do_not_outlive_their_try_and_are_numbered_on() {
    let now = Now::default();
    let mut machine = ByHand(JobMachine::new(pod(RestartPolicy::Never, 6, None), now), now);
    let mut debug = Vec::new();
    let mut main = Vec::new();
    for _ in 0..2 {
        main.extend(machine.settle().0);
        machine.tell(Event::EphemeralAdded(Box::new(Container::named("debug"))));
        debug.extend(machine.settle().0);
        for attempt in [*main.last().unwrap(), *debug.last().unwrap()] {
            let exit = Exit::plain(ExitStatus::Code(1));
            machine.tell(Event::Exited { attempt, exit });
            machine.tell(Event::Emptied { attempt });
        }
        machine.settle();
        machine.pass(10);
    }
    assert_eq!((main.len(), debug.len()), (2, 2));
    assert_eq!(debug[0].container, debug[1].container);
    assert_ne!(debug[0], debug[1]);
    assert_ne!(main[0], main[1]);
}
