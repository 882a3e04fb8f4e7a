//! The table of cases, and what has become of each row: a test proves it, here or elsewhere, or there is
//! a reason why none does. `docs/conformance.md` is made of this.

use std::collections::BTreeMap;

use crate::proofs::{self, ELSEWHERE};
use crate::reasons::{Reason, UNPROVED};

const TABLE: &str = include_str!("scenarios.tsv");

/// The columns of the table.
const COLUMNS: [&str; 6] = ["id", "source", "pod", "expected", "title", "tier"];

/// A row of the table.
pub struct Row {
    pub id: &'static str,
    pub pod: &'static str,
    pub expected: &'static str,
    pub title: &'static str,
    pub tier: &'static str,
}

/// What has become of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// This test proves it.
    Passed { file: &'static str, test: &'static str },
    /// None does, for this reason.
    Unproved(Reason),
}

/// The rows in the table's order.
pub fn rows() -> Vec<Row> {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next().unwrap().split('\t').collect::<Vec<_>>(), COLUMNS);
    let row = |line: &'static str| {
        let fields: Vec<_> = line.split('\t').collect();
        let [id, _, pod, expected, title, tier] = fields[..] else { panic!("{} fields", fields.len()) };
        Row { id, pod, expected, title, tier }
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

/// What has become of every row. Fails where that is said twice, and where it is said of no row.
pub fn fates() -> BTreeMap<String, Fate> {
    let main = include_str!("main.rs");
    let mut fates = BTreeMap::new();
    let mut say = |row: String, fate| {
        if let Some(other) = fates.insert(row.clone(), fate) {
            panic!("{row} is spoken for twice: {other:?} and {fate:?}");
        }
    };
    let mut say_passed = |file, test| {
        let row = id_of(test).unwrap_or_else(|| panic!("{file}: {test} names no row"));
        say(row, Fate::Passed { file, test });
    };
    for (module, file, text) in crate::FAMILIES {
        assert!(main.contains(&format!("\nmod {module};\n")), "{module} is not compiled");
        assert!(!text.contains("#[ignore") && !text.contains("#[cfg"), "a test of {module} may not run");
        tests_in(text).for_each(|test| say_passed(*file, test));
    }
    crate::expansion::TESTS.iter().for_each(|test| say_passed("tests/conformance/expansion.rs", *test));
    for (row, file, test) in ELSEWHERE {
        proofs::check((*row, *file, *test));
        say((*row).to_owned(), Fate::Passed { file, test });
    }
    for (reason, rows) in UNPROVED {
        assert!(!rows.is_empty(), "{reason:?} is not used any more");
        rows.iter().for_each(|row| say((*row).to_owned(), Fate::Unproved(*reason)));
    }
    fates
}

#[test]
fn every_row_is_proved_or_has_a_reason_and_nothing_else_is() {
    let mut fates = fates();
    let mut tiers = BTreeMap::new();
    for row in rows() {
        assert_eq!(tiers.insert(row.id, row.tier), None, "{} stands twice in the table", row.id);
        let fate = fates.remove(row.id).unwrap_or_else(|| panic!("{} is spoken for by nobody", row.id));
        if let Fate::Unproved(Reason::Never(never)) = fate {
            assert!(never.is_allowed(row.tier), "{}: no reason in tier {}: {never:?}", row.id, row.tier);
        }
    }
    assert!(fates.is_empty(), "not in the table: {:?}", fates.keys());
}

#[test]
fn a_test_is_named_after_its_row() {
    assert_eq!(id_of("cl_115_sidecars_stop_in_reverse_order").as_deref(), Some("CL-115"));
    assert_eq!(id_of("u_act_sidecar_001_all_started").as_deref(), Some("U-ACT-SIDECAR-001"));
    assert_eq!(id_of("cl_1150_x"), None);
    assert_eq!(id_of("sidecars_stop"), None);
}
