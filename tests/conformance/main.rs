//! Kubernetes' own test cases, run against the pod machine on its virtual clock.
//!
//! `scenarios.tsv` is the table of those cases. A test is named after the row it proves: `CL-115` is
//! proved by `cl_115_…`, and by nothing else. `proofs` names the tests elsewhere that prove a row, `reasons`
//! lists every other row with a reason, and `table` sees to it that each stands in one of the three. What
//! has become of each row is told to people in `docs/conformance.md`, which `document` writes.
//!
//! `rules` tests what the rules say and no row does.
//!
//! Times are the exact ones of the rules. Upstream's cases allow for a kubelet that looks once a
//! second (rule 1), serves one container after the other (rule 3) and spreads its back-off (rule
//! 113); we do none of these.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm
)]

mod actions;
mod actions_init;
mod back_off;
mod conditions;
mod deletion;
mod document;
mod environment;
mod expansion;
mod hooks;
mod images;
mod init;
mod life;
mod liveness;
mod phase;
mod proofs;
mod readiness;
mod reasons;
mod restart_all;
mod restart_policy;
mod rules;
mod sidecars;
mod startup_probe;
mod stop_order;
mod supervisor;
mod supervisor_restart;
mod table;

/// A module that holds rows, with its file and its text: what is tested is read from it.
macro_rules! families {
    ($($module:literal)*) => {
        &[$(($module, concat!("tests/conformance/", $module, ".rs"), include_str!(concat!($module, ".rs")))),*]
    };
}

/// The modules that hold rows.
const FAMILIES: &[(&str, &str, &str)] = families! {
    "actions"
    "actions_init"
    "back_off"
    "conditions"
    "deletion"
    "environment"
    "hooks"
    "images"
    "init"
    "liveness"
    "phase"
    "readiness"
    "restart_all"
    "restart_policy"
    "sidecars"
    "startup_probe"
    "stop_order"
    "supervisor_restart"
};
