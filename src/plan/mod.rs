//! A pod as kernel work, in data: what to execute with which arguments and environment, what a signal
//! to the supervisor means, what the kernel's command line asks for. Pure: it is handed what the host knows
//! and does nothing itself.

mod boot;
mod command;
mod environment;
mod features;
mod resources;
mod signals;

pub use boot::{AtEnd, Boot, Typed, is_built_in, modules_to_load, typed};
pub use command::{AttemptInputs, CommandPlan, container, exact, hook, inherited, probe};
pub use environment::{FilesRead, Surroundings, asks_for_surroundings, files};
pub use features::{Feature, left_out};
pub use resources::{
    CPU_PERIOD, CgroupValues, Effective, QosClass, cgroup_values, effective, oom_score_adj, qos_class,
};
pub use signals::{Meaning, SignalPolicy, Situation};
