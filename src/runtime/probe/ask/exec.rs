//! A command that is waited for: `podinit probe exec`. Not how the supervisor runs one, which waits for
//! nothing.

use std::ffi::OsString;
use std::os::fd::AsFd;

use nix::poll::PollFlags;

use super::{Deadline, Failed};
use crate::plan;
use crate::runtime::attempts::why_not_executed;
use crate::runtime::cause;
use crate::runtime::probe::{Result, Verdict};
use crate::sys::{self, Birth, ChildEvent, ChildOp, CommandLine, Memory, StartReport, Wait};

/// Runs the command with our own environment and descriptors. What is left of it when the time is up is
/// killed: nobody else will wait for it.
pub(crate) fn exec(words: &[OsString], deadline: Deadline) -> Result {
    run(words, deadline).unwrap_or_else(|Failed(why)| (Verdict::Failure, why))
}

fn run(words: &[OsString], deadline: Deadline) -> std::result::Result<Result, Failed> {
    let program = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let failed = |error: std::io::Error| Failed(format!("cannot run {program:?}: {}", cause(error)));
    let environment = plan::inherited(sys::environment());
    let plan = plan::exact(words, &environment);
    let mut command = CommandLine::new(plan.programs, plan.arguments, plan.environment);
    let ops = [ChildOp::NewProcessGroup, ChildOp::DieWithParent];
    let child = sys::spawn(&ops, &mut command, Birth::plain(Memory::Lent)).map_err(failed)?;
    if let Err(error) = deadline.wait(child.pidfd.as_fd(), PollFlags::POLLIN) {
        let _ = sys::signal_group(child.pid, libc::SIGKILL);
        return Err(Failed(cause(error)));
    }
    let mut report = [0; 8];
    if nix::unistd::read(&child.report, &mut report) == Ok(report.len()) {
        let (StartReport::Exec { errno } | StartReport::Join { errno } | StartReport::Step { errno, .. }) =
            StartReport::read(report);
        return Err(Failed(format!("cannot run {program:?}: {}", why_not_executed(&program, errno))));
    }
    loop {
        match sys::next_child_event().map_err(failed)? {
            Wait::Event(ChildEvent::Exited { pid, code: 0 }) if pid == child.pid => {
                return Ok((Verdict::Success, String::new()));
            }
            Wait::Event(ChildEvent::Exited { pid, code }) if pid == child.pid => {
                return Ok((Verdict::Failure, format!("exit code {code}")));
            }
            Wait::Event(ChildEvent::Signalled { pid, signal }) if pid == child.pid => {
                let signal = crate::pod::Signal::from_number(signal);
                let name = signal.map_or_else(|| "a signal".to_owned(), |signal| signal.to_string());
                return Ok((Verdict::Failure, format!("ended by {name}")));
            }
            // Children that were there before.
            Wait::Event(_) => {}
            Wait::Nothing | Wait::NoChildren => return Ok((Verdict::Error, "it is gone".to_owned())),
        }
    }
}
