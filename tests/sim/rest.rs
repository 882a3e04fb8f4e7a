//! What a main process leaves behind in profile `process`, on the virtual clock.

use std::time::Duration;

use podinit::sim::{Attempt, Behaviour, Entry, Rest, World};
use podinit::spec::{Container, Pod, Profile, RestartPolicy};

/// A pod whose only container exits with 3 after a second, and leaves this behind.
fn leaving(rest: Rest, grace: Duration) -> World {
    let pod = Pod {
        profile: Profile::Process,
        restart_policy: RestartPolicy::Never,
        termination_grace_period: grace,
        containers: vec![Container::named("main")],
        ..Pod::named("pod")
    };
    let attempt = Attempt { rest: Some(rest), ..Attempt::exits(3, Duration::from_secs(1)) };
    World::new(pod, vec![Behaviour::always(attempt)])
}

/// When this happened, from the end of the main process on.
fn after_the_end(world: &World, wanted: &Entry) -> Option<Duration> {
    let found = world.trace().iter().find(|(_, entry)| entry == wanted);
    found.map(|(at, _)| at.checked_sub(Duration::from_secs(1)).unwrap())
}

#[test]
fn what_is_left_has_the_grace_and_no_more() {
    for millis in [0, 200, 1_000, 10_000] {
        let grace = Duration::from_millis(millis);
        let mut world = leaving(Rest { on_term: None, lasts: None }, grace);
        assert_eq!(world.run(), Some(3));
        assert!(world.violation().is_none());
        assert_eq!(after_the_end(&world, &Entry::Killed("main".into())), Some(grace), "{grace:?}");
        let signalled = after_the_end(&world, &Entry::RestSignalled("main".into()));
        assert_eq!(signalled, (millis > 0).then_some(Duration::ZERO), "{grace:?}");
    }
}

#[test]
fn the_pod_ends_as_soon_as_nothing_is_left() {
    let rest = Rest { on_term: Some(Duration::from_millis(300)), lasts: None };
    let mut world = leaving(rest, Duration::from_secs(1_000));
    assert_eq!(world.run(), Some(3));
    assert_eq!(after_the_end(&world, &Entry::Finished(3)), Some(Duration::from_millis(300)));
    assert_eq!(after_the_end(&world, &Entry::Killed("main".into())), None);
}
