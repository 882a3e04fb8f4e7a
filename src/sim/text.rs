//! A timeline as text: a line for each occurrence, in the words of the program's own messages.

use std::fmt::Write as _;
use std::time::Duration;

use super::timeline::{Conclusion, Occurrence, State, Timeline, What};
use crate::pod::{Cause, ExitStatus, Phase, PodEvent, StopCause, Target};

impl Timeline {
    /// The timeline as text of several lines.
    pub fn to_text(&self) -> String {
        let lines: Vec<(String, &str, String)> = self
            .occurrences()
            .iter()
            .enumerate()
            .filter_map(|(position, occurrence)| {
                let name = occurrence.container.and_then(|id| self.row(id)).map_or("", |row| &row.name);
                Some((time(occurrence.at), name, self.words(position, occurrence)?))
            })
            .collect();
        let widest_time = lines.iter().map(|(time, ..)| time.len()).max().unwrap_or(0);
        let widest_name = lines.iter().map(|(_, name, _)| name.len()).max().unwrap_or(0);
        let mut out = format!("pod {}, simulated\n\n", self.name);
        for (time, name, words) in lines {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{time:>widest_time$}  {name:widest_name$}  {words}");
        }
        let _ = write!(out, "\n{}\n", self.summary());
        if self.missed > 0 {
            let events =
                if self.missed == 1 { "1 event".to_owned() } else { format!("{} events", self.missed) };
            let _ = writeln!(out, "not reached: {events} of the script");
        }
        out
    }

    /// How it ended, and why.
    pub(super) fn summary(&self) -> String {
        let phase = phase(self.phase());
        let end = time(self.end());
        match self.conclusion() {
            Conclusion::Over(code, cause) => {
                format!("{phase}, exit code {code}: {}", self.cause(code, cause))
            }
            Conclusion::Quiet => format!("{phase}, not over: {}", self.still_running()),
            Conclusion::Bounded => {
                format!("{phase}, not over at {end}, where the simulation ends (--until says where)")
            }
            Conclusion::Busy => {
                format!("{phase}, not over at {end}: too much happens, containers restart without a delay")
            }
        }
    }

    fn cause(&self, code: u8, cause: Cause) -> String {
        match cause {
            Cause::Succeeded => "every main container ended with 0".to_owned(),
            Cause::Container(id) => {
                let name = self.row(id).map_or("", |row| &row.name);
                if code == 0 {
                    format!("that of container {name}")
                } else {
                    format!("container {name} failed")
                }
            }
            Cause::Stopped => "stopped before a main container decided it".to_owned(),
            Cause::DeadlineExceeded => "the deadline was exceeded".to_owned(),
            Cause::SandboxFailed => "the pod could not be set up".to_owned(),
        }
    }

    fn still_running(&self) -> String {
        let is_live = |span: &super::Span| span.state.is_live() && span.state != State::Emptying;
        let rows = self.rows().iter().filter(|row| row.spans.last().is_some_and(is_live));
        let names: Vec<&str> = rows.map(|row| &*row.name).collect();
        match names.as_slice() {
            [] => "nothing more happens by itself".to_owned(),
            [name] => format!("{name} runs until it is told to end"),
            names => format!("{} run until they are told to end", names.join(", ")),
        }
    }

    /// What is said of an occurrence; `None` where another one says it.
    fn words(&self, position: usize, occurrence: &Occurrence) -> Option<String> {
        let is_instant = |what: fn(&What) -> bool| {
            let before = self.occurrences().iter().take(position).rev();
            let mut before = before.take_while(|other| other.at == occurrence.at);
            before.any(|other| other.container == occurrence.container && what(&other.what))
        };
        Some(match &occurrence.what {
            What::Phase(now) => phase(*now).to_owned(),
            What::Starting(_) if self.starts_at_once(position, occurrence) => return None,
            What::Starting(0) => "starting".to_owned(),
            What::Starting(attempt) => format!("starting again, attempt {}", attempt + 1),
            What::Told(event @ PodEvent::Started(_)) => match self.restarts(position, occurrence) {
                0 => event.to_string(),
                restarts => format!("{event}, restart {restarts}"),
            },
            What::Told(event) => event.to_string(),
            What::ProbeSucceeded(kind) => format!("{} probe succeeded", kind.name().to_lowercase()),
            What::HookBegan(kind) => format!("{} hook begins", kind.name()),
            What::Signalled(signal, Target::Main) => format!("sent {signal}"),
            What::Signalled(signal, Target::Rest) => format!("sent {signal} to what it left behind"),
            What::Killed => "sent SIGKILL".to_owned(),
            What::Exited(status) => ended(*status),
            // The message of the failed start says it.
            What::NeverRan => return None,
            What::Emptied if is_instant(|what| matches!(what, What::Exited(_))) => return None,
            What::Emptied => "nothing of it is left".to_owned(),
            What::StopRequested(signal) => format!("asked to stop by {signal}"),
            What::KillRequested => "asked to end at once".to_owned(),
            What::RestartRequested => "asked to restart".to_owned(),
            What::Ending(cause, deadline) => self.ending(occurrence.at, *cause, *deadline),
            What::Finished(code, _) => format!("over, exit code {code}"),
        })
    }

    fn starts_at_once(&self, position: usize, starting: &Occurrence) -> bool {
        let after = self.occurrences().iter().skip(position + 1);
        let mut after = after.take_while(|other| other.at == starting.at);
        after.any(|other| {
            other.container == starting.container
                && matches!(other.what, What::Told(PodEvent::Started(_) | PodEvent::Failed(..)))
        })
    }

    /// How often a container was started before.
    fn restarts(&self, position: usize, started: &Occurrence) -> usize {
        let before = self.occurrences().iter().take(position).rev();
        // A new pod's containers were never started.
        let is_new = |other: &&Occurrence| matches!(other.what, What::Told(PodEvent::SuccessfulCreate));
        before
            .take_while(|other| !is_new(other))
            .filter(|other| other.container == started.container)
            .filter(|other| matches!(other.what, What::Told(PodEvent::Started(_))))
            .count()
    }

    fn ending(&self, at: Duration, cause: StopCause, deadline: Duration) -> String {
        let why = match cause {
            StopCause::Completed => "the main containers are done".to_owned(),
            StopCause::InitFailed(id) => {
                format!("init container {} failed", self.row(id).map_or("", |row| &row.name))
            }
            StopCause::KeystoneEnded(id) => {
                format!("keystone {} ended", self.row(id).map_or("", |row| &row.name))
            }
            StopCause::DeadlineExceeded => "the pod was active for as long as it may be".to_owned(),
            StopCause::JobFailed(failure) => PodEvent::JobFailed(failure).to_string(),
            StopCause::Requested => "stopping".to_owned(),
            StopCause::SandboxFailed => "the pod cannot be set up".to_owned(),
            StopCause::SandboxLost => "the surroundings are gone".to_owned(),
        };
        match deadline.saturating_sub(at) {
            Duration::ZERO => format!("{why}, without grace"),
            grace => format!("{why}, grace period {grace:?}, until {}", time(deadline)),
        }
    }
}

/// A moment since the beginning: `+12.345`.
fn time(at: Duration) -> String {
    format!("+{}.{:03}", at.as_secs(), at.subsec_millis())
}

/// A phase as Kubernetes writes it.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "Pending",
        Phase::Running => "Running",
        Phase::Succeeded => "Succeeded",
        Phase::Failed => "Failed",
    }
}

fn ended(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(0) => "exited with code 0, Completed".to_owned(),
        ExitStatus::Code(code) => format!("exited with code {code}, Error"),
        ExitStatus::Signal(signal) => {
            format!("was ended by {signal}, exit code {}, Error", signal.exit_code())
        }
        ExitStatus::Unknown => "is gone".to_owned(),
    }
}
