//! A supervisor for one pod on one Linux host. `docs/ARCHITECTURE.md` draws the house; data flows one
//! way through its rooms: a manifest becomes a [`spec::Pod`], the pod becomes decisions in [`pod`] and
//! kernel work in [`plan`], and only `runtime` and `sys` have effects.

pub mod cli;
pub mod plan;
pub mod pod;
mod runtime;
pub mod sim;
pub mod spec;
mod sys;
