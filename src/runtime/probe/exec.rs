//! A command under way beside a container, or a child of podinit's own: what it prints, and what its end
//! means (rules 60, 61 and 72).

use std::os::fd::{AsFd, BorrowedFd};

use super::{OUTPUT, Result, Verdict};
use crate::pod::ExitStatus;
use crate::runtime::attempts::Executed;

/// What a pipe holds at most (pipe(7)).
const PIPE: usize = 64 * 1024;

/// A process that was executed, and the beginning of what it has printed.
#[derive(Debug)]
pub(super) struct Exec {
    executed: Executed,
    output: Vec<u8>,
}

impl Exec {
    pub(super) fn new(executed: Executed) -> Self {
        Self { executed, output: Vec::new() }
    }

    pub(super) fn pid(&self) -> i32 {
        self.executed.pid
    }

    /// Its stdout and stderr.
    pub(super) fn output(&self) -> BorrowedFd<'_> {
        self.executed.output.as_fd()
    }

    /// Takes what it has printed. False when no more will come.
    pub(super) fn read(&mut self) -> bool {
        read_output(self.executed.output.as_fd(), &mut self.output)
    }

    pub(super) fn kill(&self) {
        let _ = crate::sys::send_signal(self.executed.process.as_fd(), libc::SIGKILL);
    }

    /// What the end of a container's command means, and apart from it what it has printed. What it wrote
    /// is there; what its children go on writing does not matter (rule 61).
    pub(super) fn result(mut self, status: ExitStatus) -> (Result, String) {
        if let Some(failure) = self.executed.failure() {
            return ((Verdict::Failure, failure.message), String::new());
        }
        let result = match status {
            ExitStatus::Code(0) => (Verdict::Success, String::new()),
            ExitStatus::Code(code) => (Verdict::Failure, format!("exit code {code}")),
            ExitStatus::Signal(signal) => (Verdict::Failure, format!("ended by {signal}")),
            ExitStatus::Unknown => (Verdict::Error, "it is gone".to_owned()),
        };
        (result, self.text())
    }

    /// What the end of a podinit that was asked something means: see [`Verdict::exit_code`].
    pub(super) fn answer(mut self, status: ExitStatus) -> Result {
        if let Some(failure) = self.executed.failure() {
            return (Verdict::Error, failure.message);
        }
        let text = self.text();
        let verdict = match status {
            ExitStatus::Code(code) => Verdict::of_exit_code(code),
            ExitStatus::Signal(_) | ExitStatus::Unknown => None,
        };
        match verdict {
            Some(verdict) => (verdict, text),
            None => (Verdict::Error, explain("podinit's own child broke down", &text)),
        }
    }

    fn text(&mut self) -> String {
        self.read();
        String::from_utf8_lossy(&self.output).trim_end().to_owned()
    }
}

/// Takes what the pipe holds, not what may go on coming, and keeps the beginning. False at the end.
fn read_output(pipe: BorrowedFd<'_>, output: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    for _ in 0..PIPE / buffer.len() {
        match nix::unistd::read(pipe, &mut buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let room = OUTPUT.saturating_sub(output.len());
                output.extend(buffer.iter().take(count.min(room)));
            }
            Err(_) => return true,
        }
    }
    true
}

/// What happened, and what was printed with it.
pub(super) fn explain(what: &str, output: &str) -> String {
    match (what, output) {
        (what, "") => what.to_owned(),
        ("", output) => output.to_owned(),
        (what, output) => format!("{what}: {output}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_prints_without_end_does_not_have_the_supervisor_for_itself() {
        let endless = std::fs::File::open("/dev/zero").unwrap();
        let mut output = Vec::new();
        assert!(read_output(endless.as_fd(), &mut output));
        assert_eq!(output.len(), OUTPUT);
    }
}
