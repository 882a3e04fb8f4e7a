//! `$(NAME)` in a container's command, arguments and environment (rules 134 and 135). Knows strings
//! only; where the values come from is the caller's.

/// Longest argument or variable that Linux takes, with its final NUL.
const MAX_ARG_STRLEN: usize = 128 << 10;

/// `input` with every `$(NAME)` that `lookup` knows replaced. An unknown one stays as written, `$$`
/// becomes `$`, and a value that was put in is not looked at again.
///
/// A result that Linux would refuse as too long (E2BIG) is cut where it has become so: variables that
/// double each other cannot fill the memory, and starting the program still fails.
pub fn expand<'v>(input: &str, lookup: impl Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    // Without this, a megabyte of `$(` would be searched for `)` once for each of them.
    let mut closes = true;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        let reference = if closes { rest.strip_prefix('(').map(|rest| rest.split_once(')')) } else { None };
        closes &= reference != Some(None);
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(Some((name, after))) = reference {
            match lookup(name) {
                Some(value) => out.push_str(value),
                None => out.extend(["$(", name, ")"]),
            }
            rest = after;
        } else {
            out.push('$');
        }
        if out.len() > MAX_ARG_STRLEN {
            break;
        }
    }
    out.push_str(rest);
    out.truncate(out.floor_char_boundary(MAX_ARG_STRLEN + 4));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row, input, output; VAR_A=A VAR_B=B VAR_C=C VAR_REF=$(VAR_A) VAR_EMPTY="".
    const ROWS: &[(&str, &str, &str)] = &[
        ("U-EXPAND-001", "$(VAR_A)", "A"),
        ("U-EXPAND-002", "$(VAR_A)-$(VAR_A)", "A-A"),
        ("U-EXPAND-003", "$(VAR_A)-1", "A-1"),
        ("U-EXPAND-005", "___$(VAR_C)", "___C"),
        ("U-EXPAND-006", "$(VAR_A)_$(VAR_B)_$(VAR_C)", "A_B_C"),
        ("U-EXPAND-008", "$$(VAR_A)_$$(VAR_B)", "$(VAR_A)_$(VAR_B)"),
        ("U-EXPAND-010", "foo\\\\$(VAR_C)bar", "foo\\\\Cbar"),
        ("U-EXPAND-011", "foo\\\\\\\\$(VAR_C)bar", "foo\\\\\\\\Cbar"),
        ("U-EXPAND-012", "foo\\\\\\\\\\\\\\\\$(VAR_A)bar", "foo\\\\\\\\\\\\\\\\Abar"),
        ("U-EXPAND-013", "$(VAR_A$(VAR_B))", "$(VAR_A$(VAR_B))"),
        ("U-EXPAND-014", "$(VAR_A$(VAR_B)", "$(VAR_A$(VAR_B)"),
        ("U-EXPAND-015", "$(VAR_REF)", "$(VAR_A)"),
        ("U-EXPAND-016", "%%$(VAR_REF)--$(VAR_REF)%%", "%%$(VAR_A)--$(VAR_A)%%"),
        ("U-EXPAND-020", "$?_boo_$!", "$?_boo_$!"),
        ("U-EXPAND-021", "$VAR_A", "$VAR_A"),
        ("U-EXPAND-022", "$(VAR_DNE)", "$(VAR_DNE)"),
        ("U-EXPAND-023", "$$$$$$(BIG_MONEY)", "$$$(BIG_MONEY)"),
        ("U-EXPAND-024", "$$$$$$(VAR_A)", "$$$(VAR_A)"),
        ("U-EXPAND-025", "$$$$$$$(GOOD_ODDS)", "$$$$(GOOD_ODDS)"),
        ("U-EXPAND-026", "$$$$$$$(VAR_A)", "$$$A"),
        ("U-EXPAND-027", "$VAR_A)", "$VAR_A)"),
        ("U-EXPAND-028", "${VAR_A}", "${VAR_A}"),
        ("U-EXPAND-029", "$(VAR_B)_______$(A", "B_______$(A"),
        ("U-EXPAND-031", "$(VAR_A)foobarzab$", "Afoobarzab$"),
        ("U-EXPAND-032", "foo-\\\\$(VAR_A", "foo-\\\\$(VAR_A"),
        ("U-EXPAND-033", "--$($($($($--", "--$($($($($--"),
        ("U-EXPAND-034", "$($($($($--foo$(", "$($($($($--foo$("),
        ("U-EXPAND-035", "foo0--$($($($(", "foo0--$($($($("),
        ("U-EXPAND-036", "$(foo$$var)", "$(foo$$var)"),
        ("U-EXPAND-037", "\n", "\n"),
        ("U-EXPAND-039", "prefix-$€-suffix", "prefix-$€-suffix"),
        ("U-EXPAND-040", "$中文", "$中文"),
    ];

    #[test]
    fn every_row_of_the_expansion_scenarios_holds() {
        let lookup = |name: &str| match name {
            "VAR_A" => Some("A"),
            "VAR_B" => Some("B"),
            "VAR_C" => Some("C"),
            "VAR_REF" => Some("$(VAR_A)"),
            "VAR_EMPTY" => Some(""),
            _ => None,
        };
        for (row, input, output) in ROWS {
            assert_eq!(expand(input, lookup), *output, "{row}");
        }
    }

    #[test]
    fn a_result_that_cannot_be_used_is_cut_and_stays_too_long() {
        let half = "é".repeat(64 << 10);
        let doubled = expand("$(A)$(A)$(A)", |_| Some(&half));
        assert!((MAX_ARG_STRLEN..MAX_ARG_STRLEN + 8).contains(&doubled.len()));
        let unclosed = "$(".repeat(1 << 20);
        assert!(expand(&unclosed, |_| None).len() >= MAX_ARG_STRLEN);
    }

    #[test]
    fn an_empty_value_leaves_nothing() {
        assert_eq!(expand("a$(E)b$()", |name| (name == "E").then_some("")), "ab$()");
    }
}
