//! Random lives of random pods on the virtual kernel, with every invariant checked after every step.
//! A failure prints the seed of the life; `PODINIT_SIM_SEED=n` runs that one again and prints what
//! happened. `PODINIT_SIM_LIVES=n` runs so many lives instead of two seconds' worth, beginning with
//! `PODINIT_SIM_FIRST` or 0.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod job;
mod random;
mod rest;

use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use podinit::sim::{Behaviour, Entry, State, World};
use podinit::spec::Pod;

/// The life of seed `seed`, whole. Returns the world it ended in.
fn live(seed: u64) -> World {
    live_in(seed, World::new)
}

fn live_in(seed: u64, begin: fn(Pod, Vec<Behaviour>) -> World) -> World {
    let mut life = random::Life::new(seed);
    let (pod, behaviours) = life.pod();
    let mut world = begin(pod, behaviours);
    for _ in 0..life.disturbances() {
        world.run_for(life.pause());
        let event = life.event(&world);
        world.send(event);
    }
    world.run_for(life.rest_of_life());
    world.send(life.stop());
    world.run();
    world
}

fn judge(seed: u64, world: &World) {
    if let Some(violation) = world.violation() {
        panic!("seed {seed}: {violation}\nagain: PODINIT_SIM_SEED={seed} cargo test --test sim");
    }
    assert!(world.exit_code().is_some(), "seed {seed}: the pod never ends");
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn every_random_life_keeps_the_invariants() {
    if let Some(seed) = number("PODINIT_SIM_SEED") {
        let world = live(seed);
        println!("{:#?}", world.pod());
        for (at, entry) in world.trace().iter() {
            println!("{at:>12.3?}  {entry:?}");
        }
        return judge(seed, &world);
    }
    let began = Instant::now();
    let first = number("PODINIT_SIM_FIRST").unwrap_or(0);
    let lives = number("PODINIT_SIM_LIVES");
    let is_enough = |done: u64| match lives {
        Some(lives) => done >= lives,
        None => began.elapsed() > Duration::from_secs(2),
    };
    // Each processor takes the next life that nobody has taken.
    let next = AtomicU64::new(0);
    let live_on = || {
        let mut codes = BTreeSet::new();
        loop {
            let done = next.fetch_add(1, Ordering::Relaxed);
            if is_enough(done) {
                return codes;
            }
            let world = live(first + done);
            judge(first + done, &world);
            codes.insert(world.exit_code());
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut codes = BTreeSet::new();
    thread::scope(|scope| {
        let all: Vec<_> = (0..processors).map(|_| scope.spawn(live_on)).collect();
        // A panic in one is this test's.
        all.into_iter().for_each(|one| codes.extend(one.join().unwrap_or_else(|panic| resume_unwind(panic))));
    });
    let done = next.into_inner() - processors as u64;
    println!("{done} lives from seed {first} in {:.2?}", began.elapsed());
    let outcomes = codes.len();
    assert!(done < 1000 || outcomes > 5, "{outcomes} different exit codes in {done} lives: too tame");
}

#[test]
fn the_same_seed_gives_the_same_life() {
    for seed in 0..50 {
        let (one, other) = (live(seed), live(seed));
        assert_eq!(one.trace(), other.trace(), "seed {seed}");
        assert_eq!(one.status(), other.status(), "seed {seed}");
    }
}

#[test]
fn a_life_goes_on_from_its_status_at_any_moment() {
    for seed in 0..300 {
        let mut life = random::Life::new(seed);
        let (pod, behaviours) = life.pod();
        let mut world = World::new(pod.clone(), behaviours.clone());
        world.run_for(life.pause());
        if world.exit_code().is_some() {
            continue;
        }
        let mut world =
            World::restore_job(pod, &world.status(), world.job_status(), behaviours, world.elapsed());
        world.run_for(life.rest_of_life());
        world.send(life.stop());
        world.run();
        judge(seed, &world);
    }
}

/// The timeline is made of actions and states, the trace of facts: each must bear the other out.
#[test]
fn the_timeline_of_every_random_life_has_no_gap_and_no_overlap_and_ends_with_the_pod() {
    let mut spans = 0;
    for seed in 0..600 {
        let world = live_in(seed, World::observed);
        judge(seed, &world);
        let timeline = world.timeline().unwrap();
        assert_eq!(timeline.end(), world.elapsed(), "seed {seed}");
        // Of earlier tries of a Job there are containers for debugging, too.
        let (rows, containers) = (timeline.rows().len(), world.pod().iter().count());
        assert!(rows == containers || world.pod().job.is_some() && rows > containers, "seed {seed}");
        for row in timeline.rows() {
            let context = || format!("seed {seed}, {}: {:#?}", row.name, row.spans);
            spans += row.spans.len();
            assert!(row.spans.iter().all(|span| span.from < span.to), "{}", context());
            assert!(row.spans.windows(2).all(|pair| pair[0].to == pair[1].from), "{}", context());
            if let Some(last) = row.spans.last() {
                assert_eq!(last.to, timeline.end(), "{}", context());
            }
            let trace = world.trace();
            let starts: Vec<Duration> = times(&world, |entry| *entry == Entry::Starting(row.name.clone()));
            for (position, start) in starts.iter().enumerate() {
                let end = starts.get(position + 1).copied().unwrap_or(timeline.end());
                let during = row.spans.iter().filter(|span| span.from >= *start && span.to <= end);
                let is_covered = during.map(|span| span.to - span.from).sum::<Duration>() == end - *start;
                assert!(is_covered, "{} from {start:?} to {end:?}", context());
            }
            let is_up = |state| {
                matches!(state, State::Starting | State::NotStarted | State::Running | State::Stopping)
            };
            for exited in trace.exited(&row.name) {
                let mut up = row.spans.iter().filter(|span| is_up(span.state));
                assert!(!up.any(|span| span.from < exited && exited < span.to), "{} {exited:?}", context());
            }
            for started in trace.started(&row.name) {
                let mut starting = row.spans.iter().filter(|span| span.state == State::Starting);
                let is_inside = starting.any(|span| span.from < started && started < span.to);
                assert!(!is_inside, "{} {started:?}", context());
            }
        }
    }
    assert!(spans > 10_000, "{spans} spans: too tame");
}

fn times(world: &World, is_meant: impl Fn(&Entry) -> bool) -> Vec<Duration> {
    world.trace().iter().filter(|(_, entry)| is_meant(entry)).map(|(at, _)| *at).collect()
}
