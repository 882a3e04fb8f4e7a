//! podinit as the first process of a machine. Its command line is `podinit run FILE` or `podinit -- CMD`, or
//! nothing that it knows; whatever comes of it, the machine is ended and the exit code told.

use std::ffi::OsString;

use crate::runtime::Machine;

/// Runs what the machine is there for, and ends the machine.
pub(super) fn run(machine: &Machine, name: OsString, arguments: Vec<OsString>) -> ! {
    let arguments = machine.prepare(arguments);
    machine.end(super::carry_out(name, arguments))
}
