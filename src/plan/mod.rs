//! A pod as kernel work, in data: what to execute with which arguments and environment, and what a
//! signal to the supervisor means. Pure: it is handed what the host knows and does nothing itself.

mod command;
mod signals;

pub use command::{AttemptInputs, CommandPlan, container, exact, inherited, probe};
pub use signals::{Meaning, SignalPolicy, Situation};
