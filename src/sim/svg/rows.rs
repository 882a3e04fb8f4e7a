//! The containers' rows: bars for what they are in, marks for probes, exits and restarts.

use super::canvas::{Anchor, Canvas};
use super::scale::Scale;
use super::{LONGEST_NAME, MARGIN, ROW, WIDTH, cut, kind};
use crate::sim::timeline::{Occurrence, Row, Span, State, Timeline, What};

/// Of a bar, below the labels of exits and above the marks of probes.
const BAR: f64 = 14.0;
const BAR_TOP: f64 = 17.0;
/// The least that an attempt is wide, so that it can be seen at all.
const LEAST: f64 = 1.5;
/// Marks that are nearer to one another than this are one.
const NEAR: f64 = 1.0;

/// Draws a sign of the legend at a place.
type Sign = fn(&mut Canvas, f64, f64);

pub(super) const LEGEND: [(Sign, &str); 11] = [
    (|canvas, x, y| canvas.bar("starting", (x, y - 5.0), (16.0, 10.0), ""), "starting"),
    (
        |canvas, x, y| canvas.bar("not-started", (x, y - 5.0), (16.0, 10.0), ""),
        "running, startup probe not passed",
    ),
    (|canvas, x, y| canvas.bar("running", (x, y - 5.0), (16.0, 10.0), ""), "running"),
    (|canvas, x, y| canvas.bar("stopping", (x, y - 5.0), (16.0, 10.0), ""), "sent a stop signal"),
    (|canvas, x, y| canvas.bar("waiting", (x + 0.5, y - 4.5), (15.0, 9.0), ""), "back-off"),
    (|canvas, x, y| canvas.bar("completed", (x, y - 1.5), (16.0, 3.0), ""), "terminated, Completed"),
    (|canvas, x, y| canvas.bar("error", (x, y - 1.5), (16.0, 3.0), ""), "terminated, Error"),
    (exits, "exit and its code"),
    (restarted, "restart"),
    (probes, "startup probe: success, failure"),
    (|canvas, x, y| canvas.bar("grace", (x, y - 6.0), (16.0, 12.0), ""), "grace period"),
];

fn exits(canvas: &mut Canvas, x: f64, y: f64) {
    canvas.dot("good mark", (x + 4.0, y), 4.0);
    canvas.dot("bad mark", (x + 13.0, y), 4.0);
}

fn restarted(canvas: &mut Canvas, x: f64, y: f64) {
    canvas.bar("running", (x, y - 5.0), (16.0, 10.0), "");
    canvas.pointer("again", (x + 5.0, y), 3.5);
}

fn probes(canvas: &mut Canvas, x: f64, y: f64) {
    canvas.dot("good", (x + 4.0, y), 2.5);
    canvas.cross("cross", (x + 13.0, y), 2.5);
}

impl Timeline {
    pub(super) fn draw_rows(&self, canvas: &mut Canvas, scale: &Scale, top: f64) {
        for (position, row) in self.rows().iter().enumerate() {
            let y = top + position as f64 * ROW;
            canvas.line("grid", (MARGIN, y), (WIDTH - MARGIN, y));
            canvas.text("name", (MARGIN, y + 22.0), Anchor::Start, &cut(&row.name, LONGEST_NAME));
            canvas.text("small", (MARGIN, y + 35.0), Anchor::Start, kind(row.kind));
            draw_spans(canvas, scale, y, row);
            let of_row =
                |occurrence: &&Occurrence| occurrence.container.is_some_and(|id| id.position() == position);
            let occurrences: Vec<&Occurrence> = self.occurrences().iter().filter(of_row).collect();
            draw_restarts(canvas, scale, y, row, &occurrences);
            draw_exits(canvas, scale, y, &occurrences);
            draw_probes(canvas, scale, y, &occurrences);
        }
    }
}

/// What lies behind is drawn first: short attempts are drawn wider than they are.
fn draw_spans(canvas: &mut Canvas, scale: &Scale, y: f64, row: &Row) {
    let (live, others): (Vec<&Span>, Vec<&Span>) = row.spans.iter().partition(|span| span.state.is_live());
    let mut last: Option<(f64, State)> = None;
    for span in others.into_iter().chain(live) {
        let (from, to) = (scale.x(span.from), scale.x(span.to));
        let least = if span.state.is_live() { LEAST } else { 0.0 };
        // The same once more at the same place: nothing to be seen.
        if last.is_some_and(|(end, state)| state == span.state && end >= from && to <= end) {
            continue;
        }
        let to = to.max(from + least);
        last = Some((to, span.state));
        let (class, words) = match span.state {
            State::Starting => ("starting", "starting"),
            State::NotStarted => ("not-started", "running, startup probe not passed"),
            State::Running => ("running", "running"),
            State::Stopping => ("stopping", "sent a stop signal"),
            State::Emptying => ("emptying", "ended, something of it is left"),
            State::Waiting(_) => ("waiting", "back-off"),
            State::Terminated { completed: true } => ("completed", "terminated, Completed"),
            State::Terminated { completed: false } => ("error", "terminated, Error"),
        };
        let (top, height) = match span.state {
            State::Terminated { .. } => (BAR_TOP + BAR / 2.0 - 1.5, 3.0),
            State::Waiting(_) => (BAR_TOP + 2.5, BAR - 5.0),
            State::Starting | State::NotStarted | State::Running | State::Stopping | State::Emptying => {
                (BAR_TOP, BAR)
            }
        };
        let hint = format!("{}: {words}, {:?} to {:?}", row.name, span.from, span.to);
        canvas.bar(class, (from, y + top), (to - from, height), &hint);
    }
}

/// A pointer in the first bar of each attempt but the first that has room for one.
fn draw_restarts(canvas: &mut Canvas, scale: &Scale, y: f64, row: &Row, occurrences: &[&Occurrence]) {
    const ROOM: f64 = 15.0;
    let starts = occurrences.iter().filter(|occurrence| matches!(occurrence.what, What::Starting(1..)));
    for start in starts {
        let attempt = row.spans.iter().skip_while(|span| span.from < start.at);
        let mut attempt = attempt.take_while(|span| span.state.is_live());
        let has_room = |span: &&Span| scale.x(span.to) - scale.x(span.from) >= ROOM;
        if let Some(span) = attempt.find(has_room) {
            // Clear of the mark of the exit before.
            let x = scale.x(span.from) + if span.from == start.at { 7.0 } else { 4.0 };
            canvas.pointer("again", (x, y + BAR_TOP + BAR / 2.0), 3.5);
        }
    }
}

/// A mark at each end of an attempt, with the exit code where there is room for it.
fn draw_exits(canvas: &mut Canvas, scale: &Scale, y: f64, occurrences: &[&Occurrence]) {
    let (mut last, mut written_to) = (f64::MIN, f64::MIN);
    for occurrence in occurrences {
        let Some(code) = occurrence.what.exit_code() else { continue };
        let x = scale.x(occurrence.at);
        if x - last < NEAR {
            continue;
        }
        last = x;
        let (dot, class) =
            if code == 0 { ("good mark", "code halo good") } else { ("bad mark", "code halo bad") };
        canvas.dot(dot, (x, y + BAR_TOP + BAR / 2.0), 4.5);
        let code = code.to_string();
        let half = code.len() as f64 * 3.2;
        if x - half >= written_to {
            canvas.text(class, (x, y + BAR_TOP - 5.0), Anchor::Middle, &code);
            written_to = x + half + 3.0;
        }
    }
}

fn draw_probes(canvas: &mut Canvas, scale: &Scale, y: f64, occurrences: &[&Occurrence]) {
    let mut last = f64::MIN;
    for occurrence in occurrences {
        let Some(is_success) = occurrence.what.probe_result() else { continue };
        let place = (scale.x(occurrence.at), y + BAR_TOP + BAR + 6.0);
        if place.0 - last < NEAR {
            continue;
        }
        last = place.0;
        if is_success {
            canvas.dot("good", place, 2.5);
        } else {
            canvas.cross("cross", place, 2.5);
        }
    }
}
