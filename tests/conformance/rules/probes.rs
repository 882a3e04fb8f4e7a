//! Probes (rules 39 to 59): when each runs, how its results count and what follows. Results that come and
//! go are handed to the machine by the test itself.

use std::collections::BTreeMap;
use std::time::Duration;

use podinit::pod::{
    Action, AttemptId, Event, Exit, ExitStatus, Now, Phase, PodEvent, PodMachine, ProbeOutcome, RunId, Time,
    Timestamp,
};
use podinit::sim::{Attempt, Entry};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{ContainerId, Pod, Probe, ProbeKind};

use crate::life::{Life, PodUnderTest, at, command_hook, exits, pod, probe, runs, secs, stops_in};

fn every(period: u64, failure_threshold: u32) -> Probe {
    Probe { period: secs(period), ..probe(0, failure_threshold) }
}

/// One container's machine, whose probes are answered one by one.
struct Answered {
    machine: PodMachine,
    now: Time,
    due: BTreeMap<RunId, ProbeKind>,
    signals: u32,
    events: Vec<PodEvent>,
}

impl Answered {
    /// The pod's only container runs.
    fn new(pod: Pod) -> Self {
        let machine = PodMachine::new(pod, Now::default());
        let (now, due) = (Time::default(), BTreeMap::new());
        let mut answered = Self { machine, now, due, signals: 0, events: Vec::new() };
        answered.drain();
        answered.tell(Event::SandboxReady);
        let attempt = AttemptId { container: ContainerId::at(0), attempt: 0 };
        answered.tell(Event::Started { attempt });
        answered
    }

    fn at(&self) -> Now {
        Now { mono: self.now, wall: Timestamp::default() }
    }

    fn tell(&mut self, event: Event) {
        self.machine.handle_event(self.at(), event);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::StartProbe { run, kind, .. } => drop(self.due.insert(run, kind)),
                Action::CancelProbe(run) => drop(self.due.remove(&run)),
                Action::Signal { .. } => self.signals += 1,
                Action::Record(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    /// Waits for the next execution of this probe and answers it.
    fn answer(&mut self, kind: ProbeKind, outcome: ProbeOutcome) {
        for _ in 0..100 {
            if let Some(run) = self.due.iter().find(|(_, due)| **due == kind).map(|(run, _)| *run) {
                self.due.remove(&run);
                return self.tell(Event::ProbeDone { run, outcome, output: "words".to_owned() });
            }
            self.now = self.machine.poll_timeout().unwrap();
            self.machine.handle_timeout(self.at());
            self.drain();
        }
        panic!("{kind:?} is not probed again");
    }

    fn answers(&mut self, kind: ProbeKind, outcomes: &str) {
        for letter in outcomes.chars() {
            self.answer(
                kind,
                match letter {
                    's' => ProbeOutcome::Success,
                    'w' => ProbeOutcome::Warning,
                    'f' => ProbeOutcome::Failure,
                    _ => ProbeOutcome::Error,
                },
            );
        }
    }

    fn is_ready(&self) -> bool {
        self.machine.status().container_statuses[0].ready
    }

    fn is_started(&self) -> bool {
        self.machine.status().container_statuses[0].started
    }

    fn seconds(&self) -> Duration {
        self.now.since(Time::default())
    }
}

fn one(kind: ProbeKind, probe: Probe) -> Answered {
    Answered::new(pod(Always).main("main", runs()).given("main", kind, probe).pod)
}

/// The initial delay counts from the container's start, not from when it has started.
#[test]
fn rule_41_delays_of_other_probes_count_from_the_container_s_start() {
    for kind in [ProbeKind::Liveness, ProbeKind::Readiness] {
        for (delay, first) in [(5, 20), (20, 20), (33, 33)] {
            let pod = pod(Always).main("main", runs().ready_after(secs(20))).probed("main", every(10, 10));
            let mut life = pod.given("main", kind, probe(delay, 3)).begin();
            life.to(40);
            assert_eq!(life.trace().probed("main", kind)[0], secs(first), "{kind:?}, {delay} s");
        }
    }
}

/// A long execution puts off the next one: its period begins when it is over (rule 50).
#[test]
fn rule_50_the_period_begins_when_the_last_execution_is_over() {
    for kind in ProbeKind::ALL {
        let slow = Attempt { probe_takes: secs(3), ..runs().ready_after(secs(100)).serves_from(secs(100)) };
        let patient = Probe { timeout: secs(5), ..every(10, 100) };
        let mut life = pod(Always).main("main", slow).given("main", kind, patient).begin();
        life.to(40);
        assert_eq!(life.trace().probed("main", kind), at([0, 13, 26, 39]), "{kind:?}");
    }
}

/// Exactly at its timeout, and the next one a period after that.
#[test]
fn rule_60_an_execution_that_takes_too_long_has_failed() {
    let slow = Attempt { probe_takes: secs(60), ..runs() };
    let probe = Probe { timeout: secs(2), ..every(10, 2) };
    let mut life = pod(Always).main("main", [slow, runs()]).live("main", probe).begin();
    life.to(20);
    assert_eq!(life.trace().probed("main", ProbeKind::Liveness)[..2], at([0, 12]));
    assert_eq!(life.trace().signalled("main"), at([14]));
}

#[test]
fn rule_43_a_probe_that_is_through_comes_again_with_the_next_attempt() {
    let pod = pod(Always).main("main", [exits(1, 30), runs()]).probed("main", every(10, 3));
    let mut life = pod.begin();
    life.to(100);
    assert_eq!(life.trace().probed("main", ProbeKind::Startup), at([0, 30]));
}

/// Liveness has said its word: while the container takes its time to stop, it is not asked any more.
/// Readiness is (rule 58).
#[test]
fn rules_43_58_while_a_container_is_stopped_for_its_liveness() {
    let pod = pod(Always).main("main", [stops_in(20).healthy_for(secs(10)), runs()]);
    let mut life = pod.live("main", every(5, 1)).ready("main", every(5, 1)).begin();
    life.to(29);
    assert_eq!(life.trace().probed("main", ProbeKind::Liveness), at([0, 5, 10]));
    assert_eq!(life.trace().probed("main", ProbeKind::Readiness), at([0, 5, 10, 15, 20, 25]));
    life.to(31);
    assert_eq!(life.starts("main"), at([0, 30]));
    assert_eq!(life.trace().probed("main", ProbeKind::Liveness)[3..], at([30]));
}

/// Only results in a row count, for each probe.
#[test]
fn rule_44_one_other_result_begins_the_count_anew() {
    let mut liveness = one(ProbeKind::Liveness, every(1, 3));
    liveness.answers(ProbeKind::Liveness, "ffsffsffwff");
    assert_eq!(liveness.signals, 0);
    liveness.answers(ProbeKind::Liveness, "f");
    assert_eq!(liveness.signals, 1);
    let mut readiness = one(ProbeKind::Readiness, Probe { success_threshold: 2, ..every(1, 3) });
    for (outcomes, ready) in
        [("sfs", false), ("s", true), ("ffsffs", true), ("fff", false), ("sfs", false), ("s", true)]
    {
        readiness.answers(ProbeKind::Readiness, outcomes);
        assert_eq!(readiness.is_ready(), ready, "after {outcomes}");
    }
    assert_eq!(readiness.signals, 0);
}

/// A new attempt is not ready until its own probe says so.
#[test]
fn rule_45_a_new_attempt_begins_without_results() {
    let pod = pod(Always).main("main", [exits(1, 20), runs().serves_from(secs(15))]);
    let mut life = pod.ready("main", every(10, 1)).begin();
    life.to(19);
    assert!(life.container("main").ready);
    life.to(25);
    assert!(life.is_running("main") && !life.container("main").ready);
    life.to(40);
    assert!(life.container("main").ready);
}

/// Ended or waiting, it is not ready, whatever its probe said last.
#[test]
fn rule_46_what_does_not_run_is_not_ready() {
    let pod = pod(Always).main("main", exits(1, 5)).main("other", runs());
    let mut life = pod.ready("main", every(1, 1)).begin();
    life.to(4);
    assert!(life.container("main").ready);
    life.to(12);
    assert!(life.waits("main").is_some() && !life.container("main").ready);
    assert_eq!(life.trace().probed("main", ProbeKind::Readiness).last(), Some(&secs(9)));
}

/// Tried three times in a row and then passed over: nothing is counted.
#[test]
fn rule_48_what_cannot_be_carried_out_counts_as_nothing() {
    let mut liveness = one(ProbeKind::Liveness, every(10, 2));
    liveness.answers(ProbeKind::Liveness, "eee");
    assert_eq!(liveness.seconds(), secs(0), "tried again at once");
    liveness.answers(ProbeKind::Liveness, "e");
    assert_eq!(liveness.seconds(), secs(10), "then as any other");
    liveness.answers(ProbeKind::Liveness, "eeeee");
    assert_eq!((liveness.signals, liveness.seconds()), (0, secs(20)));
    let mut readiness = one(ProbeKind::Readiness, every(10, 2));
    readiness.answers(ProbeKind::Readiness, "seeef");
    assert!(readiness.is_ready(), "it stays what it was");
    readiness.answers(ProbeKind::Readiness, "eeef");
    assert!(!readiness.is_ready(), "two failures, and nothing that counts between them");
    let mut startup = one(ProbeKind::Startup, every(10, 1));
    startup.answers(ProbeKind::Startup, "eee");
    assert!(!startup.is_started() && startup.signals == 0);
    startup.answers(ProbeKind::Startup, "es");
    assert!(startup.is_started());
}

/// The initial delay, and a period between each failure and the next.
#[test]
fn rule_49_what_a_startup_probe_grants() {
    for (delay, threshold, killed) in [(0, 1, 0), (0, 30, 290), (7, 3, 27), (60, 1, 60)] {
        let never = runs().ready_after(secs(100_000));
        let pod = pod(Never).main("main", never).probed("main", probe(delay, threshold));
        let mut life = pod.live("main", every(1, 1)).main("other", runs()).begin();
        life.to(1000);
        assert_eq!(life.trace().signalled("main"), at([killed]), "{delay} s and {threshold} times");
        assert!(life.trace().probed("main", ProbeKind::Liveness).is_empty());
    }
}

/// Who is started again after a failed probe, however it ends: by its own policy, else the pod's.
#[test]
fn rule_52_what_follows_a_failed_probe() {
    let restarts = |pod_s: RestartPolicy, own: Option<RestartPolicy>, code: u8, kind: ProbeKind| {
        let bad = runs().stops(code, secs(1)).healthy_for(secs(5)).ready_after(secs(100_000));
        let pod = pod(pod_s).main("main", [bad, runs()]).given("main", kind, probe(10, 1));
        let pod = pod.with("main", |container| container.restart_policy = own).main("other", runs());
        let mut life = pod.begin();
        life.to(100);
        assert_eq!(life.trace().signalled("main"), at([10]));
        assert!(life.is_running("other") && life.restarts("other") == 0);
        life.starts("main").len() == 2
    };
    for kind in [ProbeKind::Startup, ProbeKind::Liveness] {
        for code in [0, 1] {
            assert!(restarts(Always, None, code, kind));
            assert!(restarts(OnFailure, None, code, kind), "decided before there is a code");
            assert!(!restarts(Never, None, code, kind));
            assert!(restarts(Never, Some(Always), code, kind));
            assert!(restarts(Never, Some(OnFailure), code, kind));
            assert!(!restarts(Always, Some(Never), code, kind));
        }
    }
}

fn only_main_fails(grace: u64, own_grace: u64) -> PodUnderTest {
    let liveness = Probe { termination_grace_period: Some(secs(own_grace)), ..probe(10, 1) };
    let deaf = runs().ignores_term().healthy_for(secs(5));
    pod(Never).grace(grace).sidecar("sidecar", stops_in(1)).main("main", deaf).live("main", liveness)
}

/// Nothing is left to keep or to start: the kill becomes the pod's, with the pod's grace and order.
#[test]
fn rule_52_the_kill_of_the_last_container_is_the_pod_s() {
    let mut life = only_main_fails(20, 5).begin();
    assert_eq!(life.run(), Some(137));
    assert_eq!(life.exits("main"), at([30]), "not the probe's 5 s");
    assert_eq!(life.trace().signalled("sidecar"), at([30]), "in order, after it");
    assert_eq!(life.phase(), Phase::Failed);
}

/// With another main container it is a kill of its own, with the probe's grace.
#[test]
fn rule_53_the_probe_s_grace_where_others_go_on() {
    let mut life = only_main_fails(20, 5).main("other", runs()).begin();
    life.to(60);
    assert_eq!(life.exits("main"), at([15]));
    assert!(life.is_running("other") && life.is_running("sidecar"));
    assert_eq!(life.phase(), Phase::Running);
}

/// It may be longer than the pod's, until the pod is deleted.
#[test]
fn rule_53_a_longer_grace_ends_with_the_pod_s_deletion() {
    let mut life = only_main_fails(20, 300).main("other", runs()).begin();
    life.to(100);
    assert!(life.is_running("main"));
    life.delete_within(7);
    life.run();
    assert_eq!(life.exits("main"), at([107]));
}

#[test]
fn rule_55_an_init_is_ready_when_it_has_succeeded() {
    let pod = pod(Always).init("fails", [exits(1, 5), exits(0, 5)]).main("main", runs());
    let mut life = pod.begin();
    for (seconds, ready) in [(3, false), (5, false), (8, false), (10, true), (20, true)] {
        life.to(seconds);
        assert_eq!(life.container("fails").ready, ready, "at {seconds} s");
    }
}

/// One for each attempt that failed, and others for what is no failure.
#[test]
fn rule_56_every_failing_attempt_is_told() {
    let mut probed = one(ProbeKind::Readiness, every(1, 5));
    probed.answers(ProbeKind::Readiness, "ffsfwe");
    let told: Vec<_> =
        probed.events.iter().map(PodEvent::reason).filter(|reason| *reason != "Started").collect();
    assert_eq!(told, ["Unhealthy", "Unhealthy", "Unhealthy", "ProbeWarning", "Unhealthy"]);
    let is_error = |event: &PodEvent| matches!(event, PodEvent::ProbeError(..));
    assert_eq!(probed.events.iter().filter(|event| is_error(event)).count(), 1);
}

/// A warning is a success.
#[test]
fn rule_62_a_warning_counts_as_success() {
    let mut startup = one(ProbeKind::Startup, every(1, 1));
    startup.answers(ProbeKind::Startup, "w");
    assert!(startup.is_started());
}

/// An answer that comes after the timeout, or after the attempt's end, is nobody's.
#[test]
fn rule_45_a_late_answer_is_dropped() {
    let mut liveness = one(ProbeKind::Liveness, every(10, 1));
    let run = *liveness.due.keys().next().unwrap();
    let attempt = AttemptId { container: ContainerId::at(0), attempt: 0 };
    liveness.tell(Event::Exited { attempt, exit: Exit::plain(ExitStatus::Code(1)) });
    liveness.tell(Event::Emptied { attempt });
    liveness.tell(Event::Started { attempt: AttemptId { attempt: 1, ..attempt } });
    liveness.tell(Event::ProbeDone { run, outcome: ProbeOutcome::Failure, output: String::new() });
    assert_eq!(liveness.signals, 0);
    assert!(liveness.events.iter().all(|event| event.reason() != "Unhealthy"));
}

fn told_of(life: &Life, kind: ProbeKind) -> usize {
    let is_meant =
        |entry: &Entry| matches!(entry, Entry::Event(PodEvent::Unhealthy { probe, .. }) if *probe == kind);
    life.trace().iter().filter(|(_, entry)| is_meant(entry)).count()
}

/// A container that was about to be killed for a probe is not, once the pod is deleted: the probes are
/// over, and it is stopped as all are.
#[test]
fn rule_57_a_deletion_ends_startup_and_liveness() {
    let slow = stops_in(30).healthy_for(secs(5)).ready_after(secs(5000));
    for kind in [ProbeKind::Startup, ProbeKind::Liveness] {
        let mut life = pod(Always).main("main", slow.clone()).given("main", kind, every(5, 4)).begin();
        life.to(12);
        let before = told_of(&life, kind);
        life.delete();
        life.run();
        assert_eq!(told_of(&life, kind), before, "{kind:?}");
        assert_eq!(life.trace().signalled("main"), at([12]));
    }
}

/// A completed main ends the pod, and sidecars are asked whether they are ready until they are gone.
#[test]
fn rule_58_readiness_goes_on_when_the_mains_are_done() {
    let sidecar = stops_in(20).serves_until(secs(15));
    let pod = pod(Never).sidecar("sidecar", sidecar).ready("sidecar", every(2, 1)).main("main", exits(0, 10));
    let mut life = pod.begin();
    life.to(11);
    assert!(life.container("sidecar").ready);
    life.to(17);
    assert!(!life.container("sidecar").ready && life.is_running("sidecar"));
}

/// While the hook before the stop runs, too.
#[test]
fn rule_58_readiness_goes_on_during_a_hook() {
    let main = runs().pre_stop(podinit::sim::HookConduct::takes(secs(20))).healthy_for(secs(10));
    let pod = pod(Always).main("main", [main, runs()]).live("main", every(10, 1));
    let mut life = pod.ready("main", every(5, 1)).pre_stop("main", command_hook()).begin();
    life.to(29);
    assert_eq!(life.trace().probed("main", ProbeKind::Readiness), at([0, 5, 10, 15, 20, 25]));
    assert_eq!(life.trace().probed("main", ProbeKind::Liveness), at([0, 10]));
}

/// The next supervisor finds a container ready and does not take that back before its probe has spoken.
#[test]
fn rule_180_readiness_is_kept_until_the_probe_speaks() {
    let pod = pod(Always).main("main", runs().serves_until(secs(5))).ready("main", every(10, 3));
    let mut life = pod.clone().begin();
    life.to(3);
    let status = life.status();
    assert!(status.container("main").unwrap().ready);
    let pod = pod.clone();
    let mut life = pod.restore(&status, secs(3));
    life.to(22);
    assert!(life.container("main").ready, "one failure and another");
    life.to(60);
    assert!(!life.container("main").ready);
}
