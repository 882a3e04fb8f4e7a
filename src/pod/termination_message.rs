//! What is shown of a container's end besides its code (rules 131, 132).

use super::event::{Exit, Text};
use crate::spec::TerminationMessagePolicy;

/// Bytes of the message itself.
const MOST: usize = 4096;
/// Bytes and lines of the log in its stead.
const MOST_OF_LOG: usize = 2048;
const MOST_LINES: usize = 80;
/// Bytes of all containers of a pod together.
const MOST_OF_POD: usize = 12 << 10;

/// The message of an end, of which the pod has `containers`.
pub(super) fn termination_message(
    exit: &Exit,
    policy: TerminationMessagePolicy,
    containers: usize,
) -> Option<Text> {
    let most = MOST_OF_POD / containers.max(1);
    let message = match policy {
        TerminationMessagePolicy::FallbackToLogsOnError
            if exit.termination_message.is_empty() && exit.status.code() != 0 =>
        {
            last_lines(&exit.log_tail)
        }
        TerminationMessagePolicy::FallbackToLogsOnError | TerminationMessagePolicy::File => {
            beginning(&exit.termination_message, MOST)
        }
    };
    let message = beginning(message, most);
    (!message.is_empty()).then(|| Text::from(message))
}

/// The last lines of a log, whole if they fit.
fn last_lines(log: &str) -> &str {
    let lines = log.trim_end_matches('\n').rmatch_indices('\n').nth(MOST_LINES - 1);
    let log = lines.map_or(log, |(end, _)| log.get(end + 1..).unwrap_or(log));
    let cut = log.len().saturating_sub(MOST_OF_LOG);
    let start = (cut..=log.len()).find(|start| log.is_char_boundary(*start)).unwrap_or(log.len());
    log.get(start..).unwrap_or_default()
}

fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::ExitStatus;
    use TerminationMessagePolicy::{FallbackToLogsOnError, File};

    fn message(code: u8, written: &str, log: &str, policy: TerminationMessagePolicy) -> Option<String> {
        let exit = Exit {
            termination_message: written.to_owned(),
            log_tail: log.to_owned(),
            ..Exit::plain(ExitStatus::Code(code))
        };
        termination_message(&exit, policy, 1).map(|text| text.to_string())
    }

    #[test]
    fn rule_132_the_log_speaks_for_a_failure_that_said_nothing() {
        assert_eq!(message(1, "", "DONE\n", FallbackToLogsOnError).as_deref(), Some("DONE\n"));
        assert_eq!(message(0, "", "DONE\n", FallbackToLogsOnError), None);
        assert_eq!(message(1, "OK", "DONE\n", FallbackToLogsOnError).as_deref(), Some("OK"));
        assert_eq!(message(1, "", "DONE\n", File), None);
    }

    #[test]
    fn rule_132_eighty_lines_and_two_kibibytes_of_the_log() {
        let log: String = (0..100).map(|n| format!("{n}\n")).collect();
        let shown = message(1, "", &log, FallbackToLogsOnError).unwrap();
        assert_eq!((shown.lines().next(), shown.lines().count()), (Some("20"), 80));
        let shown = message(1, "", &"é".repeat(2000), FallbackToLogsOnError).unwrap();
        assert_eq!(shown.len(), 2048);
    }

    #[test]
    fn rule_131_and_132_messages_are_cut() {
        assert_eq!(message(1, &"x".repeat(5000), "", File).unwrap().len(), 4096);
        let exit = Exit { termination_message: "x".repeat(5000), ..Exit::plain(ExitStatus::Code(1)) };
        assert_eq!(termination_message(&exit, File, 12).unwrap().len(), 1024);
    }
}
