//! podinit as the first process of a machine: the program under test boots in virtual machines.
//!
//! A test that needs what the machine lacks says so and passes, unless `PODINIT_TESTS_MUST_RUN=1`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods
)]

mod app_armor;
mod cgroups;
mod disk;
mod harness;
mod initramfs;
mod result;
mod start;
