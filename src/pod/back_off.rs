//! CrashLoopBackOff: how long a container that ended waits before its next start (rules 108 to 111).

use std::time::Duration;

use super::time::Time;
use crate::spec::CrashLoopBackOff;

/// An attempt that lasted longer than this, from its start to its end, wipes the slate (rule 110).
const RESET_AFTER: Duration = Duration::from_secs(600);

/// One container's delay. Without an entry nothing has been restarted lately.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackOff(Option<Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    delay: Duration,
    restarted: Time,
}

impl BackOff {
    /// How long after its end at `finished` the container waits.
    pub(super) fn delay(&self, finished: Time) -> Duration {
        self.valid(finished).map_or(Duration::ZERO, |entry| entry.delay)
    }

    /// A container that ended at `finished` is started again: the next delay is twice as long.
    pub(super) fn restarted(&mut self, now: Time, finished: Time, setting: CrashLoopBackOff) {
        let delay = match self.valid(finished) {
            None => setting.initial_delay,
            Some(entry) => entry.delay.saturating_mul(2).min(setting.max_delay),
        };
        self.0 = Some(Entry { delay, restarted: now });
    }

    fn valid(&self, finished: Time) -> Option<&Entry> {
        self.0.as_ref().filter(|entry| finished.since(entry.restarted) <= RESET_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(setting: CrashLoopBackOff, lasting: Duration, count: usize) -> Vec<u64> {
        let mut back_off = BackOff::default();
        let mut start = Time::from_nanos(0);
        let mut starts = vec![0];
        while starts.len() < count {
            let finished = start + lasting;
            start = finished + back_off.delay(finished);
            back_off.restarted(start, finished, setting);
            starts.push(start.since(Time::from_nanos(0)).as_secs());
        }
        starts
    }

    #[test]
    fn rule_109_doubles_from_10_s_to_300_s() {
        let starts = starts(CrashLoopBackOff::default(), Duration::ZERO, 9);
        assert_eq!(starts, [0, 0, 10, 30, 70, 150, 310, 610, 910]);
    }

    #[test]
    fn rule_110_starts_afresh_after_an_attempt_of_more_than_ten_minutes() {
        let starts = starts(CrashLoopBackOff::default(), Duration::from_secs(601), 4);
        assert_eq!(starts, [0, 601, 1202, 1803]);
    }

    #[test]
    fn a_delay_of_zero_stays_zero() {
        let setting = CrashLoopBackOff { initial_delay: Duration::ZERO, max_delay: Duration::ZERO };
        assert_eq!(starts(setting, Duration::ZERO, 5), [0, 0, 0, 0, 0]);
    }
}
