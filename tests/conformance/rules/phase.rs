//! The phase (rules 118 to 121) of every pod of up to four containers, each in every state, against the rule
//! written out as it stands.

use podinit::pod::{
    ContainerState, ContainerStatus, Phase, Progress, Terminated, TerminatedReason, Timestamp, WaitingReason,
    phase,
};
use podinit::spec::RestartPolicy::{self, Always, Never, OnFailure};
use podinit::spec::{ContainerKind, Pod};

use crate::life::{pod, runs};

/// What a status says of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Waiting,
    /// For its next attempt.
    WaitingAfter(u8),
    Running,
    Started,
    Ended(u8),
}

const ALL: [Is; 8] = [
    Is::Waiting,
    Is::WaitingAfter(0),
    Is::WaitingAfter(1),
    Is::Running,
    Is::Started,
    Is::Ended(0),
    Is::Ended(1),
    Is::Ended(42),
];

impl Is {
    fn status(self) -> ContainerStatus {
        let end = |exit_code| Terminated {
            exit_code,
            signal: None,
            reason: if exit_code == 0 { TerminatedReason::Completed } else { TerminatedReason::Error },
            message: None,
            started_at: Timestamp::default(),
            finished_at: Timestamp::default(),
        };
        let waits = |reason| ContainerState::Waiting { reason, message: None };
        let (state, last_state) = match self {
            Self::Waiting => (waits(WaitingReason::ContainerCreating), None),
            Self::WaitingAfter(code) => (waits(WaitingReason::CrashLoopBackOff), Some(end(code))),
            Self::Running | Self::Started => {
                (ContainerState::Running { started_at: Timestamp::default() }, None)
            }
            Self::Ended(code) => (ContainerState::Terminated(end(code)), None),
        };
        let started = self == Self::Started;
        ContainerStatus {
            name: "c".into(),
            image: "".into(),
            state,
            last_state,
            ready: started,
            started,
            restart_count: 0,
        }
    }

    fn runs(self) -> bool {
        matches!(self, Self::Running | Self::Started)
    }

    /// How it ended last, if it does not run.
    fn ended(self) -> Option<u8> {
        match self {
            Self::Ended(code) | Self::WaitingAfter(code) => Some(code),
            Self::Waiting | Self::Running | Self::Started => None,
        }
    }
}

/// A container, in a state.
type Seen = (ContainerKind, Is);

/// Rule 118, letter by letter.
fn by_the_rule(policy: RestartPolicy, containers: &[Seen], progress: Progress) -> Phase {
    let restarts = |code: u8| match policy {
        Always => true,
        OnFailure => code != 0,
        Never => false,
    };
    let of = |kind| containers.iter().filter(move |(k, _)| *k == kind).map(|(_, is)| *is);
    let inits = || of(ContainerKind::Init);
    let sidecars = || of(ContainerKind::Sidecar);
    let mains = || of(ContainerKind::Main);
    // a
    if inits().filter_map(Is::ended).any(|code| code != 0 && policy == Never) {
        return Phase::Failed;
    }
    // b
    if inits().any(|is| is.ended().is_none())
        || !progress.initialized && sidecars().any(|is| matches!(is, Is::Waiting | Is::Running))
    {
        return Phase::Pending;
    }
    // c
    if sidecars().chain(mains()).any(|is| is == Is::Waiting) {
        return Phase::Pending;
    }
    // d
    if sidecars().chain(mains()).any(Is::runs) {
        return Phase::Running;
    }
    // e
    let codes: Vec<u8> = mains().filter_map(Is::ended).collect();
    let all_well = codes.iter().all(|code| *code == 0);
    match codes.is_empty() {
        true => Phase::Pending, // f
        false if !progress.terminal && codes.iter().any(|code| restarts(*code)) => Phase::Running,
        false if all_well => Phase::Succeeded,
        false => Phase::Failed,
    }
}

fn pod_of(policy: RestartPolicy, kinds: &[ContainerKind]) -> Pod {
    let names = ["a", "b", "c", "d"];
    let add = |pod: crate::life::PodUnderTest, (kind, name): (&ContainerKind, &str)| match kind {
        ContainerKind::Init => pod.init(name, runs()),
        ContainerKind::Sidecar => pod.sidecar(name, runs()),
        ContainerKind::Main | ContainerKind::Ephemeral => pod.main(name, runs()),
    };
    kinds.iter().zip(names).fold(pod(policy), add).pod
}

/// Every way in which so many containers can be.
fn all_states(count: usize) -> impl Iterator<Item = Vec<Is>> {
    let ways = ALL.len().pow(u32::try_from(count).unwrap());
    (0..ways).map(move |mut way| {
        let next = |way: &mut usize| {
            let is = ALL[*way % ALL.len()];
            *way /= ALL.len();
            is
        };
        (0..count).map(|_| next(&mut way)).collect()
    })
}

#[test]
fn rule_118_of_every_pod_in_every_state() {
    use ContainerKind::{Init, Main, Sidecar};
    let shapes: [&[ContainerKind]; 8] = [
        &[Main],
        &[Main, Main],
        &[Init, Main],
        &[Sidecar, Main],
        &[Init, Init, Main],
        &[Init, Sidecar, Main],
        &[Sidecar, Sidecar, Main],
        &[Init, Sidecar, Main, Main],
    ];
    let mut compared = 0;
    for policy in [Always, OnFailure, Never] {
        for kinds in shapes {
            let pod = pod_of(policy, kinds);
            for states in all_states(kinds.len()) {
                let statuses: Vec<_> = states.iter().map(|is| is.status()).collect();
                let inits = kinds.iter().filter(|kind| **kind != Main).count();
                let (init, main) = statuses.split_at(inits);
                let containers: Vec<_> = kinds.iter().copied().zip(states).collect();
                for (initialized, terminal) in [(false, false), (false, true), (true, false), (true, true)] {
                    let progress = Progress { initialized, terminal };
                    let expected = by_the_rule(policy, &containers, progress);
                    let found = phase(&pod, init, main, progress);
                    assert_eq!(found, expected, "{policy:?} {containers:?} {progress:?}");
                    compared += 1;
                }
            }
        }
    }
    assert_eq!(compared, 12 * (8 + 3 * 64 + 3 * 512 + 4096));
}

/// A container without a status has never run: the pod is Pending, unless an init container has failed
/// for good.
#[test]
fn rule_118_a_missing_status_is_no_end() {
    let two = pod(Never).main("a", runs()).main("b", runs()).pod;
    let progress = Progress { initialized: true, terminal: false };
    for is in ALL {
        assert_eq!(phase(&two, &[], &[is.status()], progress), Phase::Pending, "{is:?}");
    }
    let with_init = pod(Never).init("init", runs()).main("a", runs()).pod;
    for is in ALL {
        let failed = is.ended().is_some_and(|code| code != 0);
        let expected = if failed { Phase::Failed } else { Phase::Pending };
        assert_eq!(phase(&with_init, &[is.status()], &[], Progress::default()), expected, "{is:?}");
    }
}

/// A second main container that is not there yet, because the hook of the first is slow.
#[test]
fn rule_120_pending_until_all_mains_have_been_started() {
    let first = runs().post_start(podinit::sim::HookConduct::takes(crate::life::secs(30)));
    let pod = pod(Always).main("first", first).main("second", runs());
    let mut life = pod.post_start("first", crate::life::command_hook()).begin();
    for (seconds, expected) in [(0, Phase::Pending), (29, Phase::Pending), (30, Phase::Running)] {
        life.to(seconds);
        assert_eq!(life.phase(), expected, "at {seconds} s");
    }
}

/// Whatever comes afterwards.
#[test]
fn rule_121_the_end_is_final() {
    use podinit::pod::Event;
    for (code, end) in [(0, Phase::Succeeded), (1, Phase::Failed)] {
        let mut life =
            pod(Never).sidecar("sidecar", runs()).main("main", crate::life::exits(code, 5)).begin();
        life.run();
        let status = life.status();
        assert_eq!(status.phase, end);
        life.delete();
        life.send(Event::SandboxLost);
        life.send(Event::RestartRequested { container: podinit::spec::ContainerId::at(1) });
        life.send(Event::KillRequested);
        assert_eq!(life.status(), status);
    }
}
