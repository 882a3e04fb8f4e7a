//! The real program, seen from outside: its exit codes, signals, descendants, output, terminals.
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

mod answers;
mod bare_root;
mod cases;
mod cgroup;
mod command_line;
mod container;
mod descendants;
mod endurance;
mod entrypoint;
mod environment;
mod environments;
mod exit_code;
mod harness;
mod hook;
mod kinds;
mod lifecycle;
mod manifest;
mod names;
mod network;
mod notify;
mod options;
mod output;
mod probe;
mod probe_command;
mod pty;
mod sandbox;
mod servers;
mod services;
mod signals;
mod status_file;
mod stdin;
mod stuck;
mod system_calls;
mod terminal;
mod watch;
mod without_clone3;
