//! `docs/security.md`: every row of docs/checklist.md with the tests that prove it, or why none does, and past
//! faults of other runtimes. A test proves the rows that its name has in it (`priv_05_...`, `..._leak_02`) or that
//! its comment begins with (`/// FS-02, CVE-2019-19921: ...`). `PODINIT_BLESS=1 cargo test --test security` writes
//! the page anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod proofs;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proofs::{Proof, proofs};

const INTRODUCTION: &str = "\
# What surrounds a pod, and what shows it

The threats and faults that podinit is built against are [a list](checklist.md) with what must happen in each. This
page says which tests show that it does. `cargo test --test security` fails where the page is not true: a row has
tests that exist and are run, or one reason why there is none, and `PODINIT_BLESS=1` writes the page anew; it does not
write fewer rows than there were.

Tests of `tests/isolation` run real pods as root, as an ordinary user with one id, and as one with a range of ids;
those of `tests/vm` in a virtual machine; those of `src` are tables of what is decided before anything is done.
";

const CVES: &str = "\
Faults that others had and that the rows name, with the tests that try the same on podinit, or why there is nothing to
try.
";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One row of the checklist.
struct Row {
    id: String,
    group: String,
    threat: String,
    /// Why no test proves it.
    why_not: Option<String>,
}

/// Lines of a table with tabs, without its head.
fn table(name: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(repository().join("tests/security").join(name)).unwrap();
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// The rows of the checklist, by group.
fn rows() -> Vec<Row> {
    let reasons: BTreeMap<String, String> =
        table("without.tsv").into_iter().map(|fields| (fields[0].clone(), fields[1].clone())).collect();
    let text = fs::read_to_string(repository().join("docs/checklist.md")).unwrap();
    let (mut group, mut rows): (String, Vec<Row>) = Default::default();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut group);
        }
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, threat, ..] = cells[..] else { continue };
        if line.starts_with("| ") && proofs::is_row(id) {
            let (id, group, threat) = (id.to_owned(), group.clone(), threat.to_owned());
            rows.push(Row { why_not: reasons.get(&id).cloned(), id, group, threat });
        }
    }
    // A group may be in two places.
    rows.sort_by(|a, b| (a.group.as_str(), number(&a.id)).cmp(&(b.group.as_str(), number(&b.id))));
    for id in reasons.keys() {
        assert!(rows.iter().any(|row| row.id == *id), "without.tsv: there is no row {id}");
    }
    rows
}

fn number(id: &str) -> u32 {
    id.rsplit('-').next().unwrap().parse().unwrap()
}

fn links(proofs: &[Proof]) -> String {
    let link = |proof: &Proof| format!("[`{}`](../{})", proof.test, proof.file);
    proofs.iter().map(link).collect::<Vec<_>>().join(", ")
}

fn document() -> String {
    let (rows, proofs) = (rows(), proofs());
    let of = |id: &str| proofs.get(id).map_or(&[][..], Vec::as_slice);
    let is_proven = |row: &&Row| !of(&row.id).is_empty();
    let mut text = INTRODUCTION.to_owned();
    let proven = rows.iter().filter(is_proven).count();
    write!(
        text,
        "\n**{proven}** of {} rows are proven.\n\n| group | rows | proven |\n|---|---:|---:|\n",
        rows.len()
    )
    .unwrap();
    let mut groups: Vec<&str> = rows.iter().map(|row| row.group.as_str()).collect();
    groups.dedup();
    for group in &groups {
        let all = || rows.iter().filter(|row| row.group == *group);
        writeln!(text, "| {group} | {} | {} |", all().count(), all().filter(is_proven).count()).unwrap();
    }
    for group in &groups {
        write!(text, "\n## {group}\n\n| row | threat or fault | |\n|---|---|---|\n").unwrap();
        for row in rows.iter().filter(|row| row.group == *group) {
            let proofs = of(&row.id);
            let fate = match (proofs, &row.why_not) {
                ([], Some(why)) => format!("not shown: {why}"),
                ([], None) => {
                    panic!("{} has neither a test nor a reason in tests/security/without.tsv", row.id)
                }
                (proofs, None) => links(proofs),
                (proofs, Some(_)) => {
                    panic!("{} has a reason why no test proves it, and is proven: {}", row.id, links(proofs))
                }
            };
            writeln!(text, "| {} | {} | {fate} |", row.id, row.threat).unwrap();
        }
    }
    write!(text, "\n## Past faults of others\n\n{CVES}\n| fault | whose | what | |\n|---|---|---|---|\n")
        .unwrap();
    for fields in table("cves.tsv") {
        let [cve, whose, what, why_not] = &fields[..] else { panic!("{fields:?}") };
        let proofs = of(cve);
        let fate = match (proofs, why_not.as_str()) {
            ([], "") => panic!("{cve} has neither a test nor a reason in tests/security/cves.tsv"),
            ([], why) => format!("does not apply: {why}"),
            (proofs, "") => links(proofs),
            (proofs, _) => panic!("{cve} does not apply, and is tried: {}", links(proofs)),
        };
        writeln!(text, "| {cve} | {whose} | {what} | {fate} |").unwrap();
    }
    text
}

/// How many rows a page says are proven.
fn proven(page: &str) -> usize {
    let number = page.split("\n**").nth(1).and_then(|rest| rest.split("**").next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn the_page_is_what_the_tests_say() {
    let path: PathBuf = repository().join("docs/security.md");
    let document = document();
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    let (now, before) = (proven(&document), proven(&recorded));
    assert!(now >= before, "{now} rows are proven, and docs/security.md says {before}");
    if std::env::var_os("PODINIT_BLESS").is_some() {
        fs::write(&path, &document).unwrap();
        return;
    }
    assert!(recorded == document, "docs/security.md is not current (PODINIT_BLESS=1 writes it anew)");
}

/// What is cited as proven is a row or a fault of the tables.
#[test]
fn what_tests_say_they_prove_can_be_looked_up() {
    let rows = rows();
    let cves = table("cves.tsv");
    for (id, proofs) in proofs() {
        let is_known = rows.iter().any(|row| row.id == id) || cves.iter().any(|fields| fields[0] == id);
        assert!(is_known, "{} proves {id}, which is in no table", links(&proofs));
    }
}

/// The page is only as good as what reads the tests.
#[test]
fn a_test_proves_what_its_name_and_its_comment_say() {
    let text = "\
/// FS-02, FS-03 and CVE-2019-19921: links. FS-09 is another.
#[test]
#[cfg(unix)]
fn links() {}
    /// Not FS-04.
    #[test]
    fn priv_05_a_filter_leak_02() {}
/// FS-05: no test.
fn other() {}
";
    let found = proofs::of_text(text);
    let expected = [
        ("FS-02", "links"),
        ("FS-03", "links"),
        ("CVE-2019-19921", "links"),
        ("PRIV-05", "priv_05_a_filter_leak_02"),
        ("LEAK-02", "priv_05_a_filter_leak_02"),
    ];
    assert_eq!(found, expected.map(|(id, test)| (id.to_owned(), test.to_owned())));
    assert_eq!(proven("# Page\n\n**31** of 40"), 31);
}
