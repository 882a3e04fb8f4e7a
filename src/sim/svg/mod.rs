//! A timeline as a picture: a row for each container, its attempts as bars, delays hatched, probes and
//! exits as marks, the pod's phase above and its grace period behind them. The same timeline always gives
//! the same bytes; nothing in it is loaded from elsewhere, and nothing of it runs.

mod canvas;
mod rows;
mod scale;

use std::time::Duration;

use super::text;
use super::timeline::{Conclusion, Occurrence, Timeline, What};
use crate::pod::{JobFailure, Phase, StopCause};
use crate::spec::ContainerKind;
use canvas::{Anchor, Canvas};
use scale::Scale;

const STYLE: &str = include_str!("style.css");
/// What a browser, GitHub and a printer show whole.
const WIDTH: f64 = 980.0;
const MARGIN: f64 = 24.0;
/// Of a container's row.
const ROW: f64 = 44.0;
const STRIP: f64 = 18.0;
/// Of one line of labels above the rows.
const LANE: f64 = 15.0;
/// Longer names are cut.
const LONGEST_NAME: usize = 30;
/// Width of a character of a monospaced name, and of a label; a little more than fonts need.
const NAME_CHARACTER: f64 = 7.5;
const LABEL_CHARACTER: f64 = 6.2;

/// A label at a moment, in one of several lines so that no two touch.
struct Label {
    at: f64,
    text: String,
    class: &'static str,
    from: f64,
    line: usize,
}

impl Label {
    fn covers(&self, x: f64) -> bool {
        (self.from - 3.0..=self.from + width(&self.text) + 3.0).contains(&x)
    }
}

impl Timeline {
    /// The timeline as an SVG document.
    pub fn to_svg(&self) -> String {
        let longest = self.rows().iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let names = longest.clamp(9, LONGEST_NAME) as f64 * NAME_CHARACTER;
        let scale = Scale::new(MARGIN + names + 14.0, WIDTH - MARGIN - 8.0, self.shown());
        let mut canvas = Canvas::default();
        canvas.text("title", (MARGIN, 34.0), Anchor::Start, &cut(&self.name, 80));
        canvas.text("soft", (MARGIN, 54.0), Anchor::Start, &cut(&self.summary(), 150));
        let strip = 70.0;
        let labels = self.labels(&scale);
        let lines = labels.iter().map(|label| label.line + 1).max().unwrap_or(0);
        let lanes = strip + STRIP + 6.0;
        let top = lanes + lines as f64 * LANE + 4.0;
        let bottom = top + self.rows().len() as f64 * ROW;
        self.draw_axis(&mut canvas, &scale, top, bottom);
        self.draw_phases(&mut canvas, &scale, strip);
        self.draw_grace(&mut canvas, &scale, top, bottom);
        for label in &labels {
            // Below the labels that it would go through.
            let in_the_way = labels.iter().filter(|other| other.covers(label.at));
            let line = in_the_way.map(|other| other.line + 1).max().unwrap_or(0).max(label.line + 1);
            canvas.line(label.class, (label.at, lanes + line as f64 * LANE - 2.0), (label.at, bottom));
            let y = lanes + (label.line + 1) as f64 * LANE - 5.0;
            canvas.text("", (label.from, y), Anchor::Start, &label.text);
        }
        self.draw_rows(&mut canvas, &scale, top);
        let height = self.draw_legend(&mut canvas, bottom + 44.0) + MARGIN;
        let title = format!("pod {}, simulated: {}", self.name, self.summary());
        canvas.finish((WIDTH, height), &title, &head())
    }

    /// The last moment on the picture: the end of the grace period, where that is not far beyond the
    /// pod's own end; else the pod's end and a little more for its last phase.
    fn shown(&self) -> Duration {
        let end = self.end();
        let after = match self.conclusion() {
            Conclusion::Over(..) => end + end / 9,
            Conclusion::Quiet | Conclusion::Bounded | Conclusion::Busy => end,
        };
        let deadline = self.endings().next_back().map(|(_, deadline)| deadline);
        let deadline = deadline.filter(|deadline| *deadline <= end + end / 2);
        after.max(deadline.map_or(Duration::ZERO, |deadline| deadline + end / 20))
    }

    fn draw_axis(&self, canvas: &mut Canvas, scale: &Scale, top: f64, bottom: f64) {
        for (x, label) in scale.ticks() {
            canvas.line("grid", (x, top), (x, bottom));
            canvas.line("axis", (x, bottom), (x, bottom + 4.0));
            canvas.text("small", (x, bottom + 17.0), Anchor::Middle, &label);
        }
        canvas.line("axis", (scale.left, bottom), (scale.right, bottom));
    }

    fn draw_phases(&self, canvas: &mut Canvas, scale: &Scale, y: f64) {
        canvas.text("small", (MARGIN, y + 13.0), Anchor::Start, "phase");
        let phases = self.phases();
        for (position, (at, phase)) in phases.iter().enumerate() {
            let from = scale.x(*at);
            let to = match (phases.get(position + 1), self.conclusion()) {
                (Some((next, _)), _) => scale.x(*next),
                (None, Conclusion::Over(..)) => scale.right,
                (None, Conclusion::Quiet | Conclusion::Bounded | Conclusion::Busy) => scale.x(self.end()),
            };
            let class = match phase {
                Phase::Pending => "pending",
                Phase::Running => "phase-running",
                Phase::Succeeded => "succeeded",
                Phase::Failed => "failed",
            };
            let name = text::phase(*phase);
            canvas.bar(class, (from, y), (to - from, STRIP), name);
            if width(name) + 8.0 <= to - from {
                canvas.text("", (from + 6.0, y + 13.0), Anchor::Start, name);
            }
        }
    }

    /// From each beginning or shortening of the pod's end until the next, or the end of its grace.
    fn draw_grace(&self, canvas: &mut Canvas, scale: &Scale, top: f64, bottom: f64) {
        let endings: Vec<_> = self.endings().filter(|(at, _)| *at < self.end()).collect();
        for (position, (from, deadline)) in endings.iter().enumerate() {
            let next = endings.get(position + 1).map_or(Duration::MAX, |(at, _)| *at);
            let (left, right) = (scale.x(*from), scale.x((*deadline).min(next)));
            canvas.bar("grace", (left, top), (right - left, bottom - top), "grace period");
        }
    }

    /// What happens to the whole pod, and when.
    fn labels(&self, scale: &Scale) -> Vec<Label> {
        let mut labels: Vec<Label> = Vec::new();
        for occurrence in self.occurrences() {
            if let Some((class, text)) = self.label(occurrence) {
                labels.push(label(scale, occurrence.at, class, text));
            }
        }
        let deadline = self.endings().rfind(|(at, _)| *at < self.end());
        if let Some((_, deadline)) = deadline.filter(|(_, deadline)| scale.has(*deadline)) {
            labels.push(label(scale, deadline, "moment", "grace is over".to_owned()));
        }
        for position in 0..labels.len() {
            let (before, rest) = labels.split_at_mut(position);
            let Some(label) = rest.first_mut() else { continue };
            let touches = |line: usize| {
                before.iter().filter(|other| other.line == line).any(|other| {
                    label.from < other.from + width(&other.text) + 8.0
                        && other.from < label.from + width(&label.text) + 8.0
                })
            };
            label.line = (0..).find(|line| !touches(*line)).unwrap_or_default();
        }
        labels
    }

    /// Class and words of an occurrence that concerns the whole pod.
    fn label(&self, occurrence: &Occurrence) -> Option<(&'static str, String)> {
        let words = match &occurrence.what {
            What::StopRequested(signal) => format!("stop requested, {signal}"),
            What::KillRequested => "kill requested".to_owned(),
            What::RestartRequested => {
                let name = occurrence.container.and_then(|id| self.row(id)).map_or("", |row| &row.name);
                format!("restart of {} requested", cut(name, LONGEST_NAME))
            }
            What::Finished(code, _) => return Some(("over", format!("over, exit code {code}"))),
            // Over at once: that label is enough.
            What::Ending(..) if occurrence.at == self.end() => return None,
            What::Ending(StopCause::Completed, _) => "main containers are done".to_owned(),
            What::Ending(StopCause::InitFailed(_), _) => "init container failed".to_owned(),
            What::Ending(StopCause::KeystoneEnded(_), _) => "keystone ended".to_owned(),
            What::Ending(StopCause::JobFailed(JobFailure::BackoffLimitExceeded), _) => {
                "backoffLimit reached".to_owned()
            }
            What::Ending(StopCause::JobFailed(JobFailure::DeadlineExceeded), _) => {
                "deadline exceeded".to_owned()
            }
            What::Ending(StopCause::DeadlineExceeded, _) => "deadline exceeded".to_owned(),
            What::Ending(StopCause::SandboxFailed | StopCause::SandboxLost, _) => {
                "surroundings are gone".to_owned()
            }
            // The request has a label of its own.
            What::Ending(StopCause::Requested, _) => return None,
            What::Phase(_)
            | What::Starting(_)
            | What::Told(_)
            | What::ProbeSucceeded(_)
            | What::HookBegan(_)
            | What::Signalled(..)
            | What::Killed
            | What::Exited(_)
            | What::NeverRan
            | What::Emptied => return None,
        };
        Some(("moment", words))
    }

    /// Returns where it ends.
    fn draw_legend(&self, canvas: &mut Canvas, top: f64) -> f64 {
        let (mut x, mut y) = (MARGIN, top);
        for (draw, words) in rows::LEGEND {
            let needed = 24.0 + width(words) + 16.0;
            if x + needed > WIDTH - MARGIN {
                (x, y) = (MARGIN, y + 20.0);
            }
            draw(canvas, x, y);
            canvas.text("soft", (x + 24.0, y + 4.0), Anchor::Start, words);
            x += needed;
        }
        y + 6.0
    }
}

fn label(scale: &Scale, at: Duration, class: &'static str, text: String) -> Label {
    let at = scale.x(at);
    let from = (at - width(&text) / 2.0).min(scale.right + 8.0 - width(&text)).max(scale.left - 8.0);
    Label { at, text, class, from, line: 0 }
}

/// About as wide as a text of labels' size is.
fn width(text: &str) -> f64 {
    text.chars().count() as f64 * LABEL_CHARACTER
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

fn kind(kind: ContainerKind) -> &'static str {
    match kind {
        ContainerKind::Init => "init",
        ContainerKind::Sidecar => "sidecar",
        ContainerKind::Main => "main",
        ContainerKind::Ephemeral => "ephemeral",
    }
}

fn head() -> String {
    format!(
        "<defs>\n<style>\n{STYLE}</style>\n<pattern id=\"hatch\" width=\"6\" height=\"6\" \
         patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <line class=\"hatch\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern>\n</defs>\n"
    )
}
