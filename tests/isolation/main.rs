//! What surrounds the containers of a pod of profile `pod`, seen from inside and from the host: as root, as an
//! ordinary user with one id, and as one with a range of ids. Which row of docs/checklist.md a test proves
//! stands in front of it; docs/security.md is made of that.
//!
//! A test that needs what the machine lacks says so and passes, unless `PODINIT_TESTS_MUST_RUN=1`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod accounts;
mod ahead;
mod cases;
mod death;
mod descriptors;
mod file_keys;
mod filters;
mod groups;
#[path = "../it/harness.rs"]
#[allow(dead_code, reason = "the harness of the tests of the program")]
mod harness;
mod hidden;
mod images;
mod inherited;
mod links;
mod namespaces;
mod nested;
mod own_users;
mod pod;
mod probe;
#[path = "../it/pty.rs"]
#[allow(dead_code, reason = "the terminals of the tests of the program")]
mod pty;
mod refreshed;
mod refused;
mod rights;
mod rootless;
mod roots;
mod shared;
mod terminals;
mod volumes;
