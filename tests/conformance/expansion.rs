//! `$(VAR)` expansion (rule 134): upstream's table, whose rows carry input and output themselves.

use podinit::spec::expand;

use crate::table;

/// One test for each row.
macro_rules! rows {
    ($($test:ident)*) => {
        $(#[test]
        fn $test() {
            check(stringify!($test));
        })*

        /// The tests of this module.
        pub const TESTS: &[&str] = &[$(stringify!($test)),*];
    };
}

rows! {
    u_expand_001 u_expand_002 u_expand_003 u_expand_005 u_expand_006 u_expand_008 u_expand_010 u_expand_011
    u_expand_012 u_expand_013 u_expand_014 u_expand_015 u_expand_016 u_expand_020 u_expand_021 u_expand_022
    u_expand_023 u_expand_024 u_expand_025 u_expand_026 u_expand_027 u_expand_028 u_expand_029 u_expand_031
    u_expand_032 u_expand_033 u_expand_034 u_expand_035 u_expand_036 u_expand_037 u_expand_039 u_expand_040
}

fn check(test: &str) {
    let id = table::id_of(test).unwrap();
    let row = table::rows().into_iter().find(|row| row.id == id).unwrap();
    let (input, variables) = row.pod.strip_prefix("input ").unwrap().split_once("   (").unwrap();
    let output = row.expected.strip_prefix("output ").unwrap();
    let value = |name: &str| {
        let mut variables = variables.strip_suffix(')').unwrap().split(' ');
        let value = variables.find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='))?;
        Some(if value == "\"\"" { "" } else { value })
    };
    assert_eq!(value("VAR_REF"), Some("$(VAR_A)"), "the row's variables are read right");
    assert_eq!(expand(&unescaped(input), value), unescaped(output), "{input}");
}

/// The row is written as the source text it was taken from.
fn unescaped(text: &str) -> String {
    text.replace(r"\n", "\n").replace(r"\\", r"\")
}
