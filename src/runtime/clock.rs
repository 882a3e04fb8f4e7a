//! The clocks, read once per turn of the loop.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::pod::{Now, Time, Timestamp};

/// Both clocks now. CLOCK_MONOTONIC stands still while the host sleeps, and so do the containers.
pub(crate) fn now() -> Now {
    let nanos = |clock| clock_gettime(clock).map_or(0, nanos);
    Now {
        mono: Time::from_nanos(u64::try_from(nanos(ClockId::CLOCK_MONOTONIC)).unwrap_or(0)),
        wall: Timestamp::from_nanos(nanos(ClockId::CLOCK_REALTIME)),
    }
}

fn nanos(time: TimeSpec) -> i64 {
    time.tv_sec().saturating_mul(1_000_000_000).saturating_add(time.tv_nsec())
}
