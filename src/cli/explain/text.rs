//! The report as text for people. Knows columns and colours, and nothing of pods.

use std::fmt::Write as _;

use super::report::{Group, Origin, Report, Resource, Step};
use super::values::word;

/// Columns that a value may take before it is cut: the rest stands in the manifest.
const WIDEST: usize = 60;

pub(super) fn render(report: &Report, color: bool) -> String {
    let heading = |text: &str| if color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    let mut out = String::new();
    let line = |out: &mut String, text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    let profile = &report.profile;
    let from = origin(&profile.origin);
    let title = format!("pod {} in namespace {}, profile {}", report.name, report.namespace, profile.value);
    line(&mut out, &format!("{} ({from})", heading(&title)));
    line(&mut out, &format!("\n{}", heading("Start")));
    steps(&mut out, &report.start);
    line(&mut out, &format!("\n{}", heading("Stop")));
    steps(&mut out, &report.stop);
    out.push('\n');
    report.end.iter().for_each(|said| line(&mut out, said));
    resources(&mut out, report, &heading);
    let columns = Columns::of(&report.groups);
    for group in &report.groups {
        let _ = writeln!(out, "\n{}", heading(&group.title));
        for value in &group.values {
            let shown = columns.row(&value.field, &value.value, &origin(&value.origin));
            line(&mut out, &shown);
        }
    }
    if !report.not_honoured.is_empty() {
        let _ = writeln!(out, "\n{}", heading("Not honoured"));
        report.not_honoured.iter().for_each(|what| line(&mut out, &format!("  {what}")));
    }
    out
}

fn steps(out: &mut String, steps: &[Step]) {
    let names = steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
    let kinds = steps.iter().map(|step| step.kind.len()).max().unwrap_or(0);
    for (number, step) in (1..).zip(steps) {
        let _ = writeln!(out, "{number:>3}. {:names$}  {:kinds$}  {}", step.name, step.kind, step.what);
    }
}

fn resources(out: &mut String, report: &Report, heading: &impl Fn(&str) -> String) {
    let _ = writeln!(out, "\n{}, QoS class {}", heading("Resources"), report.qos.name());
    if report.resources.is_empty() {
        out.push_str("  no container asks for any\n");
        return;
    }
    let _ = writeln!(out, "  {:8}{:22}{:>12}{:>12}", "", "", "requests", "limits");
    for Resource { name, requests, limits } in &report.resources {
        let mut row = |name: &str, what: &str, request: String, limit: String| {
            let _ = writeln!(out, "  {name:8}{what:22}{request:>12}{limit:>12}");
        };
        let shown = |amount: crate::spec::Quantity| {
            if amount.is_zero() { "-".to_owned() } else { amount.to_string() }
        };
        row(name, "main containers", shown(requests.mains), shown(limits.mains));
        row("", "sidecars", shown(requests.sidecars), shown(limits.sidecars));
        row("", "while initializing", shown(requests.initializing), shown(limits.initializing));
        let what = if requests.is_of_pod { "the pod, as it says" } else { "the pod" };
        row("", what, shown(requests.total), shown(limits.total));
    }
}

/// Where a value comes from, in words.
fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Line { file, line } => format!("{}:{line}", file.rsplit('/').next().unwrap_or(file)),
        Origin::Option(option) => (*option).to_owned(),
        Origin::Profile(profile) => format!("profile {}", word(*profile)),
        Origin::Default(rule) => format!("default: {rule}"),
    }
}

/// Widths that all rows share.
struct Columns {
    field: usize,
    value: usize,
}

impl Columns {
    fn of(groups: &[Group]) -> Self {
        let values = || groups.iter().flat_map(|group| &group.values);
        let width = |text: &str| text.chars().count().min(WIDEST);
        Self {
            field: values().map(|value| width(&value.field)).max().unwrap_or(0),
            value: values().map(|value| width(&value.value)).max().unwrap_or(0),
        }
    }

    fn row(&self, field: &str, value: &str, origin: &str) -> String {
        let shown = match value.char_indices().nth(WIDEST) {
            Some(_) => {
                let end = value.char_indices().nth(WIDEST - 1).map_or(value.len(), |(at, _)| at);
                format!("{}…", value.get(..end).unwrap_or(value))
            }
            None => value.to_owned(),
        };
        format!("  {field:0$}  {shown:1$}  {origin}", self.field, self.value)
    }
}
