//! The table of cases, and what has become of each row: a test proves it, or `not_yet.tsv` says why
//! none does.

use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("scenarios.tsv");
const NOT_YET: &str = include_str!("not_yet.tsv");

/// The columns of the table.
const COLUMNS: [&str; 6] = ["id", "source", "pod", "expected", "title", "tier"];

/// Why a row has no test here. Nothing else may stand in `not_yet.tsv`.
const REASONS: &[(&str, &str)] = &[
    ("cgroups", "needs cgroup limits: memory, swap, process counts, OOM kills"),
    ("conditions", "asserts pod conditions"),
    ("environment", "needs fileKeyRef, which reads from volumes, or huge pages"),
    ("eviction", "needs limits that are measured and a pod that is evicted for them"),
    ("hooks", "needs postStart or preStop"),
    ("images", "is about pulling an image or what its configuration says; stays here for ever"),
    ("liveness", "needs liveness probes"),
    ("logs", "is about log files"),
    ("network", "needs addresses, host names, hosts files or ports"),
    ("not-representable", "has no counterpart here; the third column says why"),
    ("probe-handler", "is about what an exec, HTTP, TCP or gRPC probe does: the runtime's part"),
    ("security", "needs securityContext, sysctls or namespaces shared with the host"),
    ("shutdown", "needs the shutdown of a node"),
    ("termination-message", "needs termination messages"),
    ("volumes", "needs volumes"),
];

/// A row of the table.
pub struct Row {
    pub id: &'static str,
    pub pod: &'static str,
    pub expected: &'static str,
}

/// The rows in the table's order.
pub fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next().unwrap().split('\t').collect::<Vec<_>>(), COLUMNS);
    let row = |line: &'static str| {
        let fields: Vec<_> = line.split('\t').collect();
        let [id, _, pod, expected, _, _] = fields[..] else { panic!("a row of {} fields", fields.len()) };
        Row { id, pod, expected }
    };
    lines.map(row).collect()
}

/// The row that a test of this name proves: `cl_115_sidecars_stop_in_reverse_order` proves `CL-115`.
pub fn id_of(test: &str) -> Option<String> {
    let parts: Vec<_> = test.split('_').collect();
    let is_number = |part: &&str| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit());
    let number = parts.iter().position(is_number)?;
    (number > 0).then(|| parts[..=number].join("-").to_uppercase())
}

/// The names of the tests in a module's text.
fn tests_in(text: &'static str) -> impl Iterator<Item = &'static str> {
    let after_attribute = text.split("#[test]\n").skip(1);
    after_attribute.map(|rest| rest.strip_prefix("fn ").and_then(|rest| rest.split_once('(')).unwrap().0)
}

/// Every row that a test proves. Fails where a test proves none or two prove the same.
fn covered() -> BTreeSet<String> {
    let main = include_str!("main.rs");
    let mut covered = BTreeSet::new();
    let mut add = |module: &str, test: &str| {
        let id = id_of(test).unwrap_or_else(|| panic!("{module}::{test} names no row"));
        assert!(covered.insert(id), "{module}::{test} proves a row that another test proves");
    };
    for (module, text) in crate::FAMILIES {
        assert!(main.contains(&format!("\nmod {module};\n")), "{module} is not compiled");
        assert!(!text.contains("#[ignore") && !text.contains("#[cfg"), "a test of {module} may not run");
        tests_in(text).for_each(|test| add(module, test));
    }
    crate::expansion::TESTS.iter().for_each(|test| add("expansion", test));
    covered
}

/// Every row that has no test, with the reason.
fn not_yet() -> BTreeMap<&'static str, &'static str> {
    let mut not_yet = BTreeMap::new();
    for line in NOT_YET.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (id, reason, why) = (fields.next().unwrap(), fields.next().unwrap_or(""), fields.next());
        let is_known = REASONS.iter().any(|(known, _)| *known == reason);
        assert!(is_known, "{id}: unknown reason {reason:?}");
        let explains = why.is_some_and(|why| why.len() > 20);
        assert_eq!(
            reason == "not-representable",
            explains,
            "{id}: the third column is for not-representable"
        );
        assert_eq!(not_yet.insert(id, reason), None, "{id} is listed twice");
    }
    not_yet
}

#[test]
fn every_row_is_proved_or_listed_with_a_reason() {
    let covered = covered();
    let not_yet = not_yet();
    let rows = rows();
    let ids: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
    assert_eq!(ids.len(), rows.len(), "an id stands twice in the table");
    let unknown: Vec<_> = covered
        .iter()
        .map(String::as_str)
        .chain(not_yet.keys().copied())
        .filter(|id| !ids.contains(id))
        .collect();
    let both: Vec<_> = not_yet.keys().filter(|id| covered.contains(**id)).collect();
    let neither: Vec<_> =
        ids.iter().filter(|id| !covered.contains(**id) && !not_yet.contains_key(**id)).collect();
    assert!(unknown.is_empty(), "not in the table: {unknown:?}");
    assert!(both.is_empty(), "proved and listed in not_yet.tsv: {both:?}");
    assert!(neither.is_empty(), "neither proved nor listed in not_yet.tsv: {neither:?}");
    println!("covered {} of {}", covered.len(), rows.len());
    for (reason, meaning) in REASONS {
        let count = not_yet.values().filter(|listed| *listed == reason).count();
        assert!(count > 0, "reason {reason} is not used any more");
        println!("{count:>5}  {reason}: {meaning}");
    }
}

#[test]
fn a_test_is_named_after_its_row() {
    assert_eq!(id_of("cl_115_sidecars_stop_in_reverse_order").as_deref(), Some("CL-115"));
    assert_eq!(id_of("u_act_sidecar_001_all_started").as_deref(), Some("U-ACT-SIDECAR-001"));
    assert_eq!(id_of("cl_1150_x"), None);
    assert_eq!(id_of("sidecars_stop"), None);
}
