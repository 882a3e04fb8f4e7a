//! What the loop waits for: descriptors known by tokens, and what one wait brought.

use nix::sys::epoll::EpollEvent;

use super::output::Kind;
use crate::pod::RunId;
use crate::spec::ContainerId;

/// What an epoll event is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    Signals,
    Report(ContainerId),
    Pipes(Kind),
    Sink(Kind),
    Run(RunId),
    Notify(ContainerId),
    Watch,
    /// The control group of its attempt has lost its last process.
    Group(ContainerId),
    /// What carries the pod's network has something to say.
    Network,
    /// What gives volumes to the pod's group has something to say.
    Ownership,
    /// Something was typed, or there is room for it.
    Keyboard,
}

/// What one wait for events brought, sorted by what comes first.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) signals: bool,
    pub(super) reports: Vec<ContainerId>,
    pub(super) pipes: Vec<Kind>,
    pub(super) runs: Vec<RunId>,
    pub(super) notified: Vec<ContainerId>,
    pub(super) watch: bool,
    pub(super) groups: bool,
    pub(super) network: bool,
    pub(super) ownership: bool,
    pub(super) keyboard: bool,
}

impl Ready {
    pub(super) fn of(events: &[EpollEvent]) -> Self {
        let mut ready = Self::default();
        for event in events {
            match Token::of(event.data()) {
                Token::Signals => ready.signals = true,
                Token::Report(container) => ready.reports.push(container),
                Token::Pipes(kind) => ready.pipes.push(kind),
                Token::Run(run) => ready.runs.push(run),
                Token::Notify(container) => ready.notified.push(container),
                Token::Watch => ready.watch = true,
                Token::Group(_) => ready.groups = true,
                Token::Network => ready.network = true,
                Token::Ownership => ready.ownership = true,
                Token::Keyboard => ready.keyboard = true,
                // Sinks are flushed every turn.
                Token::Sink(_) => {}
            }
        }
        ready
    }
}

/// A token is a kind in the upper byte, and what it is about below.
const KIND: u32 = 56;

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let is_err = |kind| Self::from(kind == Kind::Stderr);
        let (kind, about) = match token {
            Token::Signals => (0, 0),
            Token::Report(container) => (1, container.position() as Self),
            Token::Pipes(kind) => (2, is_err(kind)),
            Token::Sink(kind) => (3, is_err(kind)),
            Token::Run(run) => (4, run.0),
            Token::Notify(container) => (5, container.position() as Self),
            Token::Watch => (6, 0),
            Token::Group(container) => (7, container.position() as Self),
            Token::Network => (8, 0),
            Token::Ownership => (9, 0),
            Token::Keyboard => (10, 0),
        };
        kind << KIND | about
    }
}

impl Token {
    fn of(token: u64) -> Self {
        let about = token & ((1 << KIND) - 1);
        let kind = if about == 0 { Kind::Stdout } else { Kind::Stderr };
        match token >> KIND {
            1 => Self::Report(ContainerId::at(usize::try_from(about).unwrap_or(usize::MAX))),
            2 => Self::Pipes(kind),
            3 => Self::Sink(kind),
            4 => Self::Run(RunId(about)),
            6 => Self::Watch,
            8 => Self::Network,
            9 => Self::Ownership,
            10 => Self::Keyboard,
            7 => Self::Group(ContainerId::at(usize::try_from(about).unwrap_or(usize::MAX))),
            5 => Self::Notify(ContainerId::at(usize::try_from(about).unwrap_or(usize::MAX))),
            _ => Self::Signals,
        }
    }
}
