//! Signals by name and number, as Linux has them on every architecture but alpha, mips, parisc and
//! sparc. The pure rooms do not know libc, and its names stop at 31.

use std::fmt;

/// A signal: 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// First and last real-time signal that programs may use; 32 and 33 belong to the C library.
const RTMIN: u8 = 34;
const RTMAX: u8 = 64;

const NAMES: [(&str, u8); 34] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
    // Other names of the same signals; the first one is the one that is shown.
    ("IOT", 6),
    ("CLD", 17),
    ("POLL", 29),
];

impl Signal {
    /// Asks to end.
    pub const TERM: Self = Self(15);
    /// Ends.
    pub const KILL: Self = Self(9);
    /// From the keyboard.
    pub const INT: Self = Self(2);
    /// The terminal went away.
    pub const HUP: Self = Self(1);
    /// A child ended or stopped.
    pub const CHLD: Self = Self(17);
    /// Stop, from the keyboard.
    pub const TSTP: Self = Self(20);
    /// Go on.
    pub const CONT: Self = Self(18);

    /// The signal of this number, 1 to 64.
    pub fn from_number(number: i32) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| (1..=RTMAX).contains(number)).map(Self)
    }

    /// A signal as people write it: `TERM`, `SIGTERM`, `term`, `15`, `RTMIN+3`, `SIGRTMAX-1`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(number) = text.parse::<u8>() {
            return Self::from_number(number.into());
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| Self(*number));
        named.or_else(|| real_time(name))
    }

    /// The 65 names that Kubernetes takes as `stopSignal` on Linux, with what they mean (rule 84).
    pub fn kubernetes_names() -> Vec<(String, Self)> {
        let named = NAMES.iter().map(|(name, number)| (format!("SIG{name}"), Self(*number)));
        let numbered = |base: u8, sign: &str, offset: u8| match offset {
            0 => format!("SIGRT{}", if base == RTMIN { "MIN" } else { "MAX" }),
            _ => format!("SIGRT{}{sign}{offset}", if base == RTMIN { "MIN" } else { "MAX" }),
        };
        let from_first = (0..=15).map(|offset| (numbered(RTMIN, "+", offset), Self(RTMIN + offset)));
        let from_last = (0..=14).rev().map(|offset| (numbered(RTMAX, "-", offset), Self(RTMAX - offset)));
        named.chain(from_first).chain(from_last).collect()
    }

    /// The number that the kernel knows.
    pub fn number(self) -> i32 {
        self.0.into()
    }

    /// What a shell and Kubernetes say of a process that it ended: 128+n (rule 86).
    pub fn exit_code(self) -> u8 {
        128 + self.0
    }
}

fn real_time(name: &str) -> Option<Signal> {
    let offset = |text: &str, sign: char| match text {
        "" => Some(0),
        text => text.strip_prefix(sign)?.parse::<u8>().ok().filter(|offset| *offset <= RTMAX - RTMIN),
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return Some(Signal(RTMIN + offset(rest, '+')?));
    }
    Some(Signal(RTMAX - offset(name.strip_prefix("RTMAX")?, '-')?))
}

impl fmt::Display for Signal {
    /// `SIGTERM`, `SIGRTMIN+3`; 32 and 33, which have no name, as `signal 32`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => write!(f, "SIG{name}"),
            None if self.0 < RTMIN => write!(f, "signal {}", self.0),
            None if self.0 == RTMIN => f.write_str("SIGRTMIN"),
            None => write!(f, "SIGRTMIN+{}", self.0 - RTMIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_is_known_by_the_name_it_is_shown_with() {
        for number in (1..=64).filter(|number| ![32, 33].contains(number)) {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal));
        }
    }

    #[test]
    fn names_are_read_as_people_write_them() {
        for text in ["TERM", "SIGTERM", "term", "SigTerm", "15"] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::parse("SIGRTMAX-1"), Signal::from_number(63));
        assert_eq!(Signal::parse("RTMIN+30"), Signal::from_number(64));
    }

    #[test]
    fn rule_84_kubernetes_has_65_names() {
        let names = Signal::kubernetes_names();
        assert_eq!(names.len(), 65);
        for (name, signal) in &names {
            assert_eq!(Signal::parse(name), Some(*signal), "{name}");
        }
        assert!(names.iter().any(|(name, _)| name == "SIGRTMAX-14"));
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for text in ["", "SIG", "0", "65", "-1", "TERMINATE", "RTMIN+31", "RTMAX-31", "RTMIN-1", "RTMIN+"] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
    }
}
