//! Values of options that are more than text.

use std::time::Duration;

use clap::ArgMatches;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::spec::{Profile, Signal};

/// `10`, `0.5` or `10s`.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text);
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = number.parse::<f64>().ok().filter(|_| is_plain);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "write a number of seconds, such as 10 or 0.5".to_owned())
}

/// The grace period by `--grace` or the environment; the first is not to be spoilt by the other.
pub(super) fn grace(matches: &ArgMatches) -> Result<Option<Duration>, String> {
    match matches.get_one("grace") {
        Some(grace) => Ok(Some(*grace)),
        None => grace_of_environment(),
    }
}

/// PODINIT_GRACE, where it says anything.
pub(super) fn grace_of_environment() -> Result<Option<Duration>, String> {
    match std::env::var_os("PODINIT_GRACE") {
        Some(text) if !text.is_empty() => match seconds(&text.to_string_lossy()) {
            Ok(grace) => Ok(Some(grace)),
            Err(help) => Err(format!("cannot use PODINIT_GRACE={}: {help}", text.display())),
        },
        _ => Ok(None),
    }
}

/// `TERM`, `SIGTERM` or `15`.
pub(super) fn signal(text: &str) -> Result<Signal, String> {
    Signal::parse(text).ok_or_else(|| "write a signal's name or number, such as TERM or 15".to_owned())
}

/// `TERM:QUIT` or `15:3`; a second part of `0` passes nothing on.
pub(super) fn rewrite(text: &str) -> Result<(Signal, Option<Signal>), String> {
    let (received, passed_on) =
        text.split_once(':').ok_or_else(|| "write RECEIVED:PASSED_ON, such as TERM:QUIT".to_owned())?;
    let passed_on = if passed_on == "0" { None } else { Some(signal(passed_on)?) };
    Ok((signal(received)?, passed_on))
}

/// A parser that knows its words, so that a shell can complete them.
pub(super) fn profile() -> impl TypedValueParser<Value = Profile> {
    let words = PossibleValuesParser::new(["process", "pod"]);
    words.map(|word| if word == "pod" { Profile::Pod } else { Profile::Process })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions_and_nothing_else() {
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(seconds("0.25s"), Ok(Duration::from_millis(250)));
        for text in ["", "-1", "1e3", "inf", "nan", "10m", " 1", "1 s", "99999999999999999999999"] {
            assert!(seconds(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_rewrite_to_0_passes_nothing_on() {
        let term = Signal::TERM;
        assert_eq!(rewrite("15:3"), Ok((term, Signal::from_number(3))));
        assert_eq!(rewrite("TERM:0"), Ok((term, None)));
        assert!(rewrite("TERM").is_err());
        assert!(rewrite("TERM:KILLALL").is_err());
    }
}
