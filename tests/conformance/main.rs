//! Kubernetes' own test cases, run against the pod machine on its virtual clock.
//!
//! `scenarios.tsv` is the table of those cases. A test is named after the row it proves: `CL-115` is
//! proved by `cl_115_…`, and by nothing else. `not_yet.tsv` lists every other row with a reason, and
//! `table` sees to it that no row is missing from both.
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
mod deletion;
mod environment;
mod expansion;
mod hooks;
mod images;
mod init;
mod life;
mod liveness;
mod phase;
mod readiness;
mod restart_all;
mod restart_policy;
mod sidecars;
mod startup_probe;
mod stop_order;
mod supervisor;
mod supervisor_restart;
mod table;

/// The modules that hold rows, with their text: what is tested is read from it.
const FAMILIES: &[(&str, &str)] = &[
    ("actions", include_str!("actions.rs")),
    ("actions_init", include_str!("actions_init.rs")),
    ("back_off", include_str!("back_off.rs")),
    ("deletion", include_str!("deletion.rs")),
    ("environment", include_str!("environment.rs")),
    ("hooks", include_str!("hooks.rs")),
    ("images", include_str!("images.rs")),
    ("init", include_str!("init.rs")),
    ("liveness", include_str!("liveness.rs")),
    ("phase", include_str!("phase.rs")),
    ("readiness", include_str!("readiness.rs")),
    ("restart_all", include_str!("restart_all.rs")),
    ("restart_policy", include_str!("restart_policy.rs")),
    ("sidecars", include_str!("sidecars.rs")),
    ("startup_probe", include_str!("startup_probe.rs")),
    ("stop_order", include_str!("stop_order.rs")),
    ("supervisor_restart", include_str!("supervisor_restart.rs")),
];
