//! What a signal to the supervisor means.

use crate::spec::Signal;

/// How signals are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalPolicy {
    /// `podinit -- CMD`: the command gets every signal, rewritten where asked.
    Command {
        /// Signal received, signal passed on; `None` passes nothing on.
        rewrite: Vec<(Signal, Option<Signal>)>,
    },
    /// A pod of containers: some signals are for the supervisor.
    Pod {
        /// A first INT has come.
        interrupted: bool,
    },
}

/// What follows from a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// End the pod gracefully.
    Stop,
    /// End the pod at once.
    Kill,
    /// Pass this signal on to the main containers.
    Forward(Signal),
    /// Stop until told to go on, as a job of a shell does.
    Suspend,
    /// Nothing.
    Ignore,
}

/// What the supervisor knows when a signal comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// It comes from the terminal, not from a process.
    pub from_terminal: bool,
    /// The terminal sent it to the command as well, which is in the same process group.
    pub reached_command: bool,
    /// The terminal that the supervisor was started from is gone.
    pub terminal_gone: bool,
}

impl SignalPolicy {
    /// What `signal` means now. A second INT means more than the first.
    pub fn meaning(&mut self, signal: Signal, situation: Situation) -> Meaning {
        if signal == Signal::CHLD {
            return Meaning::Ignore;
        }
        match self {
            Self::Command { .. } if situation.reached_command => Meaning::Ignore,
            Self::Command { rewrite } => {
                let rule = rewrite.iter().find(|(received, _)| *received == signal);
                match rule.map_or(Some(signal), |(_, passed_on)| *passed_on) {
                    Some(signal) => Meaning::Forward(signal),
                    None => Meaning::Ignore,
                }
            }
            Self::Pod { interrupted } => match signal {
                Signal::TERM => Meaning::Stop,
                Signal::INT if std::mem::replace(interrupted, true) => Meaning::Kill,
                Signal::INT => Meaning::Stop,
                Signal::HUP if situation.terminal_gone => Meaning::Stop,
                Signal::TSTP if situation.from_terminal => Meaning::Suspend,
                other => Meaning::Forward(other),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Situation = Situation { from_terminal: false, reached_command: false, terminal_gone: false };

    fn signal(name: &str) -> Signal {
        Signal::parse(name).unwrap()
    }

    #[test]
    fn a_pod_stops_on_term_and_int_and_dies_on_the_second_int() {
        let mut policy = SignalPolicy::Pod { interrupted: false };
        let mut mean = |name| policy.meaning(signal(name), PLAIN);
        assert_eq!([mean("TERM"), mean("TERM"), mean("INT")], [Meaning::Stop; 3]);
        assert_eq!(mean("TERM"), Meaning::Stop);
        assert_eq!(mean("INT"), Meaning::Kill);
    }

    #[test]
    fn hup_stops_a_pod_only_when_its_terminal_is_gone() {
        let mut policy = SignalPolicy::Pod { interrupted: false };
        let gone = Situation { terminal_gone: true, ..PLAIN };
        assert_eq!(policy.meaning(Signal::HUP, PLAIN), Meaning::Forward(Signal::HUP));
        assert_eq!(policy.meaning(Signal::HUP, gone), Meaning::Stop);
    }

    #[test]
    fn the_stop_key_suspends_a_pod_and_a_stop_signal_is_passed_on() {
        let mut policy = SignalPolicy::Pod { interrupted: false };
        let key = Situation { from_terminal: true, ..PLAIN };
        assert_eq!(policy.meaning(Signal::TSTP, key), Meaning::Suspend);
        assert_eq!(policy.meaning(Signal::TSTP, PLAIN), Meaning::Forward(Signal::TSTP));
    }

    #[test]
    fn a_command_does_not_get_twice_what_the_terminal_sent_it() {
        let mut policy = SignalPolicy::Command { rewrite: Vec::new() };
        let key = Situation { from_terminal: true, reached_command: true, ..PLAIN };
        assert_eq!(policy.meaning(Signal::INT, key), Meaning::Ignore);
        let gone = Situation { from_terminal: true, terminal_gone: true, ..PLAIN };
        assert_eq!(policy.meaning(Signal::HUP, gone), Meaning::Forward(Signal::HUP));
    }

    #[test]
    fn a_command_gets_every_signal_but_chld_and_rewritten_as_asked() {
        let rewrite = vec![(Signal::TERM, Some(signal("QUIT"))), (Signal::HUP, None)];
        let mut policy = SignalPolicy::Command { rewrite };
        assert_eq!(policy.meaning(Signal::TERM, PLAIN), Meaning::Forward(signal("QUIT")));
        assert_eq!(policy.meaning(Signal::HUP, PLAIN), Meaning::Ignore);
        for number in (1..=64).filter(|number| ![1, 15, 17].contains(number)) {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(policy.meaning(signal, PLAIN), Meaning::Forward(signal));
        }
        assert_eq!(policy.meaning(Signal::CHLD, PLAIN), Meaning::Ignore);
    }
}
