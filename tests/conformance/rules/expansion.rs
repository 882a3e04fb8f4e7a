//! `$(VAR)` (rule 134) in every text of a few letters, against the rule written out as it stands.

use podinit::spec::expand;

/// What is known.
fn value(name: &str) -> Option<&'static str> {
    match name {
        "A" => Some("a"),
        "B" => Some("$(A)"),
        "" => Some("nothing"),
        "$" => Some("dollar"),
        _ => None,
    }
}

/// From left to right: `$$` is `$`; `$(NAME)` with a known name is its value, which is not looked at again;
/// anything else is itself.
fn by_the_rule(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let reference = rest.strip_prefix("$(").and_then(|rest| rest.split_once(')'));
        if let Some(after) = rest.strip_prefix("$$") {
            result.push('$');
            rest = after;
        } else if let Some((name, after)) = reference {
            result.push_str(&value(name).map_or_else(|| format!("$({name})"), str::to_owned));
            rest = after;
        } else {
            result.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    result
}

#[test]
fn rule_134_every_text_of_seven_letters() {
    const LETTERS: [char; 6] = ['$', '(', ')', 'A', 'B', '{'];
    let mut texts = vec![String::new()];
    let mut compared = 0;
    for _ in 0..7 {
        for text in &texts {
            let found = expand(text, value);
            assert_eq!(found, by_the_rule(text), "{text}");
            compared += 1;
        }
        texts = texts.iter().flat_map(|text| LETTERS.map(|letter| format!("{text}{letter}"))).collect();
    }
    assert_eq!(compared, (6usize.pow(7) - 1) / 5);
}

#[test]
fn rule_134_escapes_and_references_beside_each_other() {
    for (text, expected) in [
        ("$(A)$(A)", "aa"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$$$$(A)", "$$(A)"),
        ("$(C)", "$(C)"),
        ("$(B)", "$(A)"),
        ("$A ${A} $((A)) $(A", "$A ${A} $((A)) $(A"),
        (r"\$(A)", r"\a"),
        ("ä$(A)ö", "äaö"),
        ("$", "$"),
        ("$$", "$"),
        ("a$", "a$"),
    ] {
        assert_eq!(expand(text, value), expected, "{text}");
        assert_eq!(by_the_rule(text), expected, "{text}");
    }
}
