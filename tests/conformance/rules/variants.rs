//! What a row asserts under one restart policy, or of one kind of container, under every policy and of both.

use podinit::pod::TerminatedReason::{Completed, Error};
use podinit::pod::{Phase, ProbeOutcome, WaitingReason};
use podinit::sim::{Attempt, HookConduct};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{ContainerKind, HookKind, Probe, ProbeKind};

use crate::life::Step::{Exited, Signalled, Started, Starting};
use crate::life::{Life, PodUnderTest, at, command_hook, exits, pod, probe, runs, secs, stops_in};
use crate::supervisor::Supervisor;
use crate::supervisor::Was::{self, Created, Running, Unknown};

const POLICIES: [RestartPolicy; 3] = [Always, OnFailure, Never];

/// A sidecar that ends every five seconds, with 0 or not: it starts again and again, before and after the
/// init container beside it, which it does not hold up, and changes nothing of the result.
#[test]
fn rule_28_a_sidecar_that_keeps_ending() {
    for policy in POLICIES {
        for code in [0, 1] {
            let pod = pod(policy).sidecar("sidecar", exits(code, 5)).init("init", exits(0, 7));
            let mut life = pod.main("main", exits(0, 60)).begin();
            life.to(60);
            assert_eq!(life.starts("sidecar"), at([0, 5, 20, 45]), "{policy:?}, {code}");
            assert_eq!((life.starts("init"), life.starts("main")), (at([0]), at([7])));
            life.in_order(&[Started("sidecar"), Starting("init"), Exited("init"), Starting("main")]);
            life.to(68);
            if policy == Always {
                assert_eq!((life.starts("main").len(), life.phase()), (2, Phase::Running));
            } else {
                assert_eq!((life.starts("main").len(), life.phase()), (1, Phase::Succeeded));
            }
        }
    }
}

/// An init container before a sidecar fails: the sidecar never starts.
#[test]
fn rule_21_a_failing_init_before_a_sidecar() {
    for policy in POLICIES {
        let pod = pod(policy).init("init", exits(1, 1)).sidecar("sidecar", runs()).main("main", runs());
        let mut life = pod.begin();
        life.to(100);
        assert!(life.starts("sidecar").is_empty() && life.starts("main").is_empty(), "{policy:?}");
        if policy == Never {
            assert_eq!((life.starts("init").len(), life.phase()), (1, Phase::Failed));
        } else {
            assert_eq!(life.starts("init"), at([0, 1, 12, 33, 74]));
            assert_eq!(life.phase(), Phase::Pending);
        }
    }
}

/// After a sidecar: the sidecar goes on being restarted; under Never it is stopped with the pod.
#[test]
fn rule_21_a_failing_init_after_a_sidecar() {
    for policy in POLICIES {
        let pod = pod(policy).sidecar("sidecar", exits(1, 5)).init("init", exits(1, 1)).main("main", runs());
        let mut life = pod.begin();
        life.to(100);
        assert!(life.starts("main").is_empty());
        if policy == Never {
            assert_eq!((life.phase(), life.starts("sidecar").len()), (Phase::Failed, 1));
        } else {
            assert_eq!((life.starts("init").len(), life.starts("sidecar").len()), (5, 5), "{policy:?}");
            assert_eq!(life.phase(), Phase::Pending);
        }
    }
}

fn changes(pod: PodUnderTest, seconds: u64, name: &str, then: u64) -> Life {
    let mut life = pod.image(name, "v1").begin();
    life.to(seconds);
    life.change_image(name, "v2");
    life.to(then);
    life
}

/// Whoever runs starts again with the new image, at once and alone, under every policy.
#[test]
fn rule_17_a_new_image_for_a_container_that_runs() {
    for policy in POLICIES {
        let pod = pod(policy).sidecar("sidecar-1", stops_in(2)).sidecar("sidecar-2", runs());
        let pod = pod.main("main-1", stops_in(2)).main("main-2", runs());
        for changed in ["sidecar-1", "main-1"] {
            let life = changes(pod.clone(), 30, changed, 60);
            for name in ["sidecar-1", "sidecar-2", "main-1", "main-2"] {
                let expected = if name == changed { at([0, 32]) } else { at([0]) };
                assert_eq!(life.starts(name), expected, "{policy:?}: {changed} changed");
            }
            assert_eq!(&*life.container(changed).image, "v2");
            assert_eq!(life.phase(), Phase::Running);
        }
    }
}

/// While a later init container runs: the sidecar starts again, the init does not, the pod is Pending.
#[test]
fn rule_17_a_sidecar_s_new_image_during_init() {
    for policy in POLICIES {
        let pod = pod(policy)
            .init("init-1", exits(0, 1))
            .sidecar("sidecar", stops_in(5))
            .init("init-2", exits(0, 60));
        let life = changes(pod.main("main", runs()), 30, "sidecar", 50);
        assert_eq!(life.starts("sidecar"), at([1, 35]), "{policy:?}");
        assert_eq!((life.starts("init-1"), life.starts("init-2")), (at([0]), at([1])));
        assert!(life.starts("main").is_empty());
        assert_eq!(life.phase(), Phase::Pending);
    }
}

/// A main container that has not started yet starts once, with the new image, in its turn.
#[test]
fn rule_17_a_main_s_new_image_during_init() {
    for policy in POLICIES {
        let pod = pod(policy).init("init", exits(0, 60)).main("main-1", runs()).main("main-2", runs());
        let life = changes(pod, 30, "main-1", 100);
        assert_eq!(
            (life.starts("init"), life.starts("main-1"), life.starts("main-2")),
            (at([0]), at([60]), at([60]))
        );
        assert_eq!(&*life.container("main-1").image, "v2", "{policy:?}");
    }
}

/// Nothing starts again in a pod that is being deleted.
#[test]
fn rule_91_a_new_image_while_the_pod_ends() {
    for policy in POLICIES {
        let pod = pod(policy).grace(180).init("init", exits(0, 1)).sidecar("sidecar", stops_in(10));
        for changed in ["init", "sidecar", "main"] {
            let mut life = pod.clone().main("main", stops_in(10)).image(changed, "v1").begin();
            life.to(20);
            life.delete();
            life.to(25);
            life.change_image(changed, "v2");
            assert_eq!(life.run(), Some(0));
            for name in ["init", "sidecar", "main"] {
                assert_eq!(life.starts(name).len(), 1, "{policy:?}: {changed} changed");
            }
            life.in_order(&[Exited("main"), Signalled("sidecar"), Exited("sidecar")]);
        }
    }
}

/// After a probe has failed and its container waits for the back-off, a new image starts at once, and has a
/// back-off of its own that begins with that start.
#[test]
fn rules_17_108_a_new_image_after_a_failed_probe() {
    for (policy, kind) in
        [Always, OnFailure].into_iter().flat_map(|p| [(p, ProbeKind::Startup), (p, ProbeKind::Liveness)])
    {
        let bad = runs().ready_after(secs(100_000)).healthy_for(secs(0));
        for sidecar in [false, true] {
            let pod = match sidecar {
                true => pod(policy).sidecar("it", bad.clone()).main("main", runs()),
                false => pod(policy).main("it", bad.clone()).main("main", runs()),
            };
            let life = changes(pod.given("it", kind, probe(1, 1)), 5, "it", 20);
            assert_eq!(life.starts("it"), at([0, 1, 5, 16]), "{policy:?} {kind:?} {sidecar}");
        }
    }
}

/// A sidecar whose probe fails is started again under every policy; main containers stay.
#[test]
fn rule_52_a_sidecar_is_started_again_after_a_failed_probe() {
    for policy in POLICIES {
        let pod = pod(policy).sidecar("first", runs()).sidecar("it", [runs().healthy_for(secs(10)), runs()]);
        let pod = pod.live("it", probe(10, 1)).main("main", runs());
        let mut life = pod.begin();
        life.to(60);
        assert_eq!(life.starts("it"), at([0, 10]), "{policy:?}");
        assert_eq!((life.restarts("first"), life.restarts("main")), (0, 0));
        let never = runs().ready_after(secs(100_000));
        let pod = crate::life::pod(policy).sidecar("first", runs()).sidecar("it", [never, runs()]);
        let mut life = pod.probed("it", probe(20, 1)).main("main", runs()).begin();
        life.to(60);
        assert_eq!((life.starts("it"), life.starts("main")), (at([0, 20]), at([40])), "{policy:?}");
        assert_eq!(life.restarts("first"), 0);
    }
}

/// Its hook before the stop, then the signal, then the next attempt.
#[test]
fn rule_69_hooks_when_a_probe_fails() {
    for kind in [ProbeKind::Startup, ProbeKind::Liveness] {
        for sidecar in [false, true] {
            let bad = runs().stops(0, secs(15)).ready_after(secs(100_000)).healthy_for(secs(0));
            let it = [bad.pre_stop(HookConduct::takes(secs(1))), runs()];
            let pod = match sidecar {
                true => pod(Always).sidecar("it", it).main("main", runs()),
                false => pod(Always).main("it", it).main("main", runs()),
            };
            let mut life = pod.given("it", kind, probe(5, 1)).pre_stop("it", command_hook()).begin();
            life.to(100);
            assert_eq!(life.trace().hooked("it", HookKind::PreStop), at([5]));
            assert_eq!(
                (life.trace().signalled("it"), life.starts("it")),
                (at([6]), at([0, 21])),
                "{kind:?} {sidecar}"
            );
        }
    }
}

/// The only container of a pod that does not restart: while its hook runs, readiness goes on and the
/// liveness probe that failed does not (upstream's CL-027).
#[test]
fn rule_58_probes_during_the_hook_of_a_failed_main() {
    let main = stops_in(5).healthy_for(secs(5)).pre_stop(HookConduct::takes(secs(10)));
    let often = || Probe { period: secs(1), ..probe(0, 1) };
    let pod = pod(Never).main("main", main).live("main", often()).ready("main", often());
    let mut life = pod.pre_stop("main", command_hook()).begin();
    assert_eq!(life.run(), Some(0));
    assert_eq!(life.trace().probed("main", ProbeKind::Liveness).last(), Some(&secs(5)));
    assert!(life.trace().probed("main", ProbeKind::Readiness).last() >= Some(&secs(19)));
    assert_eq!((life.trace().signalled("main"), life.elapsed()), (at([15]), secs(20)));
    assert_eq!(life.starts("main"), at([0]));
}

/// A sidecar that outstays the grace is killed, and the pod has succeeded (upstream's CL-126).
#[test]
fn rule_87_a_sidecar_that_exceeds_the_grace_does_not_fail_the_pod() {
    let pod = pod(Never).grace(5).sidecar("first", stops_in(1)).sidecar("second", stops_in(20));
    let mut life = pod.main("main", stops_in(1)).begin();
    life.to(10);
    life.delete();
    assert_eq!((life.run(), life.phase()), (Some(0), Phase::Succeeded));
    assert_eq!(life.ended("second"), Some((137, Error)));
    assert_eq!(life.ended("first"), Some((0, Completed)));
    assert_eq!((life.exits("second"), life.exits("first")), (at([15]), at([16])));
}

/// Which grace a kill has: the probe's own for its own kill, the pod's for everything else.
#[test]
fn rule_53_whose_grace_a_kill_has() {
    let graced = |grace: Option<u64>| Probe { termination_grace_period: grace.map(secs), ..probe(10, 1) };
    for startup in [None, Some(7), Some(90)] {
        for liveness in [None, Some(8), Some(80)] {
            for failed in [Some(ProbeKind::Startup), Some(ProbeKind::Liveness), None] {
                let deaf = Attempt {
                    ready_after: if failed == Some(ProbeKind::Startup) { secs(1000) } else { secs(0) },
                    healthy_for: (failed == Some(ProbeKind::Liveness)).then(|| secs(0)),
                    ..runs().ignores_term()
                };
                let pod = pod(Always).grace(60).main("main", [deaf, runs()]).main("other", runs());
                let mut life = pod.probed("main", graced(startup)).live("main", graced(liveness)).begin();
                life.to(10);
                let expected = match failed {
                    Some(ProbeKind::Startup) => startup.unwrap_or(60),
                    Some(ProbeKind::Liveness | ProbeKind::Readiness) => liveness.unwrap_or(60),
                    None => {
                        life.change_image("main", "v2");
                        60
                    }
                };
                life.to(200);
                assert_eq!(life.exits("main"), at([10 + expected]), "{startup:?} {liveness:?} {failed:?}");
            }
        }
    }
}

/// A probe that succeeds ends a restart of nobody, on both kinds of container; one that fails restarts both.
#[test]
fn rule_40_probes_of_mains_and_sidecars_are_the_same() {
    let lives = |it: fn() -> [Attempt; 2], kinds: &[(ProbeKind, Probe)]| -> Vec<Life> {
        let pods = [
            pod(Always).main("it", it()).main("main", runs()),
            pod(Always).sidecar("it", it()).main("main", runs()),
        ];
        let give =
            |pod: PodUnderTest, (kind, probe): &(ProbeKind, Probe)| pod.given("it", *kind, probe.clone());
        let mut lives: Vec<Life> = pods.into_iter().map(|pod| kinds.iter().fold(pod, give).begin()).collect();
        lives.iter_mut().for_each(|life| life.to(240));
        lives
    };
    let (startup, liveness) = (ProbeKind::Startup, ProbeKind::Liveness);
    // The startup probe holds liveness back.
    let held = || [runs().ready_after(secs(100_000)).healthy_for(secs(0)), runs()];
    for life in lives(held, &[(startup, probe(0, 60)), (liveness, probe(0, 1))]) {
        assert_eq!(life.restarts("it"), 0);
    }
    // Liveness fails once the startup probe has succeeded.
    let after = || [runs().ready_after(secs(10)).healthy_for(secs(0)), runs()];
    for life in lives(after, &[(startup, probe(0, 60)), (liveness, probe(0, 1))]) {
        assert_eq!(life.starts("it"), at([0, 10]));
    }
    // The startup probe fails.
    let fails = || [runs().ready_after(secs(100_000)), runs()];
    for life in lives(fails, &[(startup, probe(15, 3)), (liveness, probe(0, 1))]) {
        assert_eq!(life.starts("it"), at([0, 35]));
    }
    // Readiness fails for ever.
    let unready = || [runs().serves_from(secs(100_000)), runs()];
    for life in lives(unready, &[(ProbeKind::Readiness, probe(0, 1))]) {
        assert!(life.restarts("it") == 0 && !life.container("it").ready && life.container("it").started);
    }
    // A grace of the probe's own.
    let deaf = || [runs().ignores_term().healthy_for(secs(0)), runs()];
    let own = Probe { termination_grace_period: Some(secs(5)), ..probe(10, 1) };
    for life in lives(deaf, &[(liveness, own)]) {
        assert_eq!((life.exits("it"), life.starts("it")), (at([15]), at([0, 15])));
    }
    // What cannot be carried out.
    let broken = || [Attempt { probe: ProbeOutcome::Error, ..runs() }, runs()];
    for life in lives(broken, &[(liveness, probe(0, 1))]) {
        assert_eq!(life.restarts("it"), 0);
    }
}

/// What a supervisor does about two main containers that it finds in any state (rules 16, 99).
#[test]
fn rule_99_what_is_started_from_every_state() {
    let states = [Created, Running, Was::Exited(0), Was::Exited(111), Unknown];
    let starts = |policy: RestartPolicy, was: Was| match was {
        Created | Unknown => true,
        Running | Was::NotStarted => false,
        Was::Exited(0) => policy == Always,
        Was::Exited(_) => policy != Never,
    };
    for policy in POLICIES {
        for a in states {
            for b in states {
                let pod = pod(policy).main("a", runs()).main("b", runs()).pod;
                let mut supervisor = Supervisor::taking_over(pod, &[("a", a), ("b", b)]);
                let mut wants = supervisor.wants();
                if wants == ["set up sandbox"] {
                    wants = supervisor.sandbox_ready();
                }
                let due = [("a", a), ("b", b)].into_iter().filter(|(_, was)| starts(policy, *was));
                let expected: Vec<_> = due.map(|(name, _)| format!("start {name}")).collect();
                if expected.is_empty() && !matches!((a, b), (Running, _) | (_, Running)) {
                    assert_eq!(wants[0], "tear down sandbox", "{policy:?} {a:?} {b:?}: {wants:?}");
                } else {
                    assert_eq!(wants, expected, "{policy:?} {a:?} {b:?}");
                }
            }
        }
    }
}

/// An init container found in any state before a main container that never ran (rules 9, 10, 16, 21).
#[test]
fn rules_9_21_an_init_from_every_state() {
    for policy in POLICIES {
        for (was, expected) in [
            (Created, &["start init"][..]),
            (Running, &[]),
            (Was::Exited(0), &["start main"]),
            (
                Was::Exited(3),
                if policy == Never { &["tear down sandbox", "finish 3"] } else { &["start init"] },
            ),
        ] {
            let pod = pod(policy).init("init", runs()).main("main", runs()).pod;
            let mut supervisor = Supervisor::taking_over(pod, &[("init", was)]);
            let mut wants = supervisor.wants();
            if wants == ["set up sandbox"] {
                wants = supervisor.sandbox_ready();
            }
            assert_eq!(wants, expected, "{policy:?} {was:?}");
        }
    }
}

/// Ephemeral containers run beside everything, whatever the pod is doing, and are never started again
/// (rule 18).
#[test]
fn rule_18_an_ephemeral_container_from_every_state() {
    for policy in POLICIES {
        for was in [Running, Was::Exited(0), Was::Exited(1), Unknown] {
            let mut under_test = pod(policy).main("main", runs());
            under_test.pod.ephemeral_containers.push(podinit::spec::Container::named("debug"));
            let left = [("main", Running), ("debug", was)];
            assert!(Supervisor::taking_over(under_test.pod.clone(), &left).wants().is_empty(), "{was:?}");
            let left = [("main", Running)];
            assert_eq!(Supervisor::taking_over(under_test.pod, &left).wants(), ["start debug"], "{policy:?}");
        }
    }
}

/// The kinds are told by their policy alone.
#[test]
fn rule_97_always_on_an_init_entry_makes_a_sidecar() {
    for (own, kind) in [
        (None, ContainerKind::Init),
        (Some(Never), ContainerKind::Init),
        (Some(OnFailure), ContainerKind::Init),
        (Some(Always), ContainerKind::Sidecar),
    ] {
        let pod = pod(Always).init("it", runs()).with("it", |container| container.restart_policy = own);
        assert_eq!(pod.main("main", runs()).pod.iter().next().unwrap().1, kind, "{own:?}");
    }
}

/// A pod whose containers each start with an end: `restartCount`, state and phase by policy, as upstream's
/// matrix of exit statuses has it (RUNTIME-001 to 003).
#[test]
fn rule_96_the_matrix_of_exit_statuses() {
    let script = || [exits(1, 1), exits(0, 1), runs()];
    let end = |policy| {
        let mut life = pod(policy).main("main", script()).begin();
        life.to(60);
        (life.phase(), life.restarts("main"), life.container("main").ready, life.ended("main"))
    };
    assert_eq!(end(Always), (Phase::Running, 2, true, None));
    assert_eq!(end(OnFailure), (Phase::Succeeded, 1, false, Some((0, Completed))));
    assert_eq!(end(Never), (Phase::Failed, 0, false, Some((1, Error))));
}

/// Many containers with a probe a second each keep to their second, and to their first attempt.
#[test]
fn rule_40_many_probes_keep_their_time() {
    for kind in ProbeKind::ALL {
        let names: Vec<String> = (0..50).map(|number| format!("c{number}")).collect();
        let often = || Probe { period: secs(1), ..probe(0, 1) };
        let with = |pod: PodUnderTest, name: &String| {
            pod.main(name, runs().ready_after(secs(30))).given(name, kind, often())
        };
        let mut life = names.iter().fold(pod(Never), with);
        for container in &mut life.pod.containers {
            if let Some(probe) = &mut container.startup_probe {
                probe.failure_threshold = 60;
            }
        }
        let mut life = life.begin();
        life.to(60);
        let expected = if kind == ProbeKind::Startup { 31 } else { 61 };
        for name in &names {
            assert_eq!(life.trace().probed(name, kind).len(), expected, "{kind:?}");
            assert_eq!(life.restarts(name), 0);
            assert_ne!(life.waits(name), Some(WaitingReason::CrashLoopBackOff));
        }
    }
}
