//! `docs/conformance.md`: what has become of every row, as the tests know it. `PODINIT_BLESS=1 cargo test
//! --test conformance` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::reasons::Reason;
use crate::table::{Fate, Row, fates, rows};

const INTRODUCTION: &str = "\
# Kubernetes' own cases

Kubernetes tests how it runs a pod. 530 of these cases that are about one pod on one host are the table
[`scenarios.tsv`](../tests/conformance/scenarios.tsv), with what each expects. This page says what became of
each. `cargo test --test conformance` fails where it is not true: a row has one test that exists and is run,
or one reason, and `PODINIT_BLESS=1` writes the page anew.

Most tests run the machine that podinit runs, on a virtual clock, with times to the nanosecond; what only
real processes and servers can show, tests of the program prove. Rows of the tier *core* are Kubernetes' end
to end tests of the lifecycle, *unit* are tables of its unit tests, *extra* is what surrounds them.
[The rules](kubernetes.md) decide where a row is terse. *Not yet* is what podinit does not do so far, *never*
what it is not for.
";

const TIERS: [&str; 3] = ["core", "unit", "extra"];

fn document() -> String {
    let fates = fates();
    let rows = rows();
    let mut text = INTRODUCTION.to_owned();
    text.push_str("\n| tier | rows | passed | not yet | never |\n|---|---:|---:|---:|---:|\n");
    for tier in TIERS {
        let of_tier = || rows.iter().filter(|row| row.tier == tier).map(|row| fates[row.id]);
        let not_yet = of_tier().filter(|fate| matches!(fate, Fate::Unproved(Reason::NotYet(_)))).count();
        let never = of_tier().filter(|fate| matches!(fate, Fate::Unproved(Reason::Never(_)))).count();
        let all = of_tier().count();
        writeln!(text, "| {tier} | {all} | {} | {not_yet} | {never} |", all - not_yet - never).unwrap();
    }
    let mut reasons: BTreeMap<Reason, usize> = BTreeMap::new();
    for fate in fates.values() {
        if let Fate::Unproved(reason) = fate {
            *reasons.entry(*reason).or_default() += 1;
        }
    }
    text.push_str("\n| rows | why not |\n|---:|---|\n");
    for (reason, count) in reasons {
        writeln!(text, "| {count} | {} |", why_not(reason)).unwrap();
    }
    let mut group = "";
    for row in &rows {
        if group_of(row) != group {
            group = group_of(row);
            write!(text, "\n## {group}\n\n| row | case | |\n|---|---|---|\n").unwrap();
        }
        let title = row.title.replace('|', "\\|");
        writeln!(text, "| {} | {title} | {} |", row.id, verdict(fates[row.id])).unwrap();
    }
    text
}

/// What stands before the number: `CL` of `CL-115`.
fn group_of(row: &Row) -> &'static str {
    row.id.rsplit_once('-').unwrap().0
}

fn verdict(fate: Fate) -> String {
    match fate {
        Fate::Passed { file, test } => format!("passed: [`{test}`](../{file})"),
        Fate::Unproved(reason) => why_not(reason),
    }
}

fn why_not(reason: Reason) -> String {
    let when = match reason {
        Reason::Never(_) => "never",
        Reason::NotYet(_) => "not yet",
    };
    format!("{when}: {}", reason.text())
}

#[test]
fn the_document_is_what_the_tests_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let document = document();
    if std::env::var_os("PODINIT_BLESS").is_some() {
        std::fs::write(&path, &document).unwrap();
    }
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(recorded == document, "docs/conformance.md is not current (PODINIT_BLESS=1 writes it anew)");
}
