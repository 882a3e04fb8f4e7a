//! From moments to places on the picture, and the axis' round moments.

use std::time::Duration;

/// The least distance of two marks of the axis.
const TICK: f64 = 64.0;

/// Seconds between two marks.
const STEPS: [f64; 31] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0,
    300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0, 86400.0, 172800.0, 604800.0,
    2592000.0, 31536000.0,
];

pub(super) struct Scale {
    pub left: f64,
    pub right: f64,
    /// The last moment on it, in seconds.
    last: f64,
}

impl Scale {
    pub fn new(left: f64, right: f64, last: Duration) -> Self {
        Self { left, right, last: last.as_secs_f64().max(0.001) }
    }

    /// Where a moment is; what is later than the last is at the right end.
    pub fn x(&self, at: Duration) -> f64 {
        self.place(at.as_secs_f64())
    }

    fn place(&self, seconds: f64) -> f64 {
        self.left + (seconds / self.last).min(1.0) * (self.right - self.left)
    }

    /// Whether a moment is on it.
    pub fn has(&self, at: Duration) -> bool {
        at.as_secs_f64() <= self.last
    }

    /// Round moments, with their places.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let fits = |step: &&f64| **step / self.last * (self.right - self.left) >= TICK;
        let longest = STEPS.last().copied().unwrap_or(1.0);
        let step = STEPS.iter().find(fits).copied().unwrap_or(longest.max(self.last / 10.0));
        let count = (self.last / step + 1e-9).floor() as u32;
        (0..=count).map(|n| f64::from(n) * step).map(|at| (self.place(at), moment(at))).collect()
    }
}

/// A round moment: `0s`, `0.5s`, `1m30s`, `2h`.
fn moment(seconds: f64) -> String {
    if seconds < 60.0 {
        // Without the digits that only the sum of fractions has.
        return format!("{}s", (seconds * 1000.0).round() / 1000.0);
    }
    let whole = seconds.round() as u64;
    let parts = [(whole / 86400, "d"), (whole / 3600 % 24, "h"), (whole / 60 % 60, "m"), (whole % 60, "s")];
    parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(last: f64) -> Vec<String> {
        let scale = Scale::new(0.0, 640.0, Duration::from_secs_f64(last));
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn the_axis_has_round_moments_that_do_not_touch() {
        assert_eq!(labels(0.5)[..4], ["0s", "0.05s", "0.1s", "0.15s"]);
        assert_eq!(labels(58.0), ["0s", "10s", "20s", "30s", "40s", "50s"]);
        assert_eq!(labels(100.0)[5..], ["50s", "1m", "1m10s", "1m20s", "1m30s", "1m40s"]);
        assert_eq!(labels(1800.0)[..3], ["0s", "5m", "10m"]);
        assert_eq!(labels(100_000.0)[..3], ["0s", "3h", "6h"]);
        for last in [0.0, 0.001, 7.0, 59.9, 3601.0, 1e6, 1e10] {
            let scale = Scale::new(0.0, 640.0, Duration::from_secs_f64(last));
            let ticks = scale.ticks();
            assert!((1..=11).contains(&ticks.len()), "{last}: {}", ticks.len());
            assert!(ticks.windows(2).all(|pair| pair[1].0 - pair[0].0 > 60.0), "{last}");
        }
    }
}
