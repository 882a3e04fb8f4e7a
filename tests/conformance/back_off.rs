//! CrashLoopBackOff: how long a container that keeps ending waits (rules 108 to 116). Upstream's cases
//! count restarts within a time; the times themselves follow from the rules.

use std::time::Duration;

use podinit::pod::WaitingReason;
use podinit::spec::CrashLoopBackOff;
use podinit::spec::RestartPolicy::Always;

use crate::life::{Life, at, exits, pod, secs};

/// A container that exits with 0 at once, for five minutes, where the delay begins and ends with these.
fn exits_at_once(initial_delay: u64, max_delay: u64) -> Life {
    let mut pod = pod(Always).main("main", exits(0, 0));
    pod.pod.crash_loop_back_off =
        CrashLoopBackOff { initial_delay: secs(initial_delay), max_delay: secs(max_delay) };
    let mut life = pod.begin();
    life.to(300);
    life
}

#[test]
fn backoff_002_at_most_30_seconds() {
    let life = exits_at_once(10, 30);
    assert_eq!(life.starts("main"), at([0, 0, 10, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300]));
    assert_eq!(life.restarts("main"), 12);
}

#[test]
fn backoff_003_the_reduced_default() {
    let life = exits_at_once(1, 60);
    assert_eq!(life.starts("main"), at([0, 0, 1, 3, 7, 15, 31, 63, 123, 183, 243]));
    assert_eq!(life.restarts("main"), 10);
}

#[test]
fn backoff_004_at_most_one_second() {
    let life = exits_at_once(1, 1);
    let starts: Vec<_> = std::iter::once(0).chain(0..=300).map(secs).collect();
    assert_eq!(life.starts("main"), starts);
}

/// A container that crashes five seconds after each start.
fn crashes() -> Life {
    pod(Always).main("main", exits(1, 5)).image("main", "v1").begin()
}

/// How long it waited before each of its starts.
fn delays(life: &Life) -> Vec<u64> {
    let starts = life.starts("main").into_iter().skip(1);
    starts
        .zip(life.exits("main"))
        .map(|(start, exit): (Duration, Duration)| (start - exit).as_secs())
        .collect()
}

/// Starts at 0, 5, 20 and 45 s, waits from 50 to 90 s. A changed image has a back-off of its own, so
/// the container that waits for the old one's does not wait any longer (rule 108).
#[test]
fn runtime_013_a_changed_image_starts_afresh() {
    let mut life = crashes();
    life.to(60);
    assert_eq!(delays(&life), [0, 10, 20]);
    assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
    life.change_image("main", "v2");
    life.to(100);
    assert_eq!(life.starts("main"), at([0, 5, 20, 45, 60, 75, 100]));
}

#[test]
fn runtime_014_the_delay_is_at_most_five_minutes() {
    let mut life = crashes();
    life.to(2000);
    assert_eq!(delays(&life), [0, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300]);
    assert_eq!(life.waits("main"), Some(WaitingReason::CrashLoopBackOff));
}
