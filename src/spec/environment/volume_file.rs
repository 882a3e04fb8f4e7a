//! The syntax of a file of variables in a volume, of which `fileKeyRef` names a key: what a shell would set, and
//! Kubernetes takes as well (KEP-3721; kubelet's env_util.go). Knows text only, and shows none of it.

use super::super::name;
use super::BrokenLine;

/// The variables of a file, in its order; of two with one name the later counts.
///
/// Each is `NAME='value'`, in which nothing is expanded and which may have line breaks in it. Blank lines and
/// those that start with `#` say nothing, and neither does what is before a name.
///
/// # Errors
/// The first line that is none of these.
pub fn volume_env_file(text: &str) -> Result<Vec<(&str, &str)>, BrokenLine> {
    let mut variables = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let broken = |why| BrokenLine { line, why };
        let (this, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let begins = rest.trim_start_matches([' ', '\t']);
        let this = this.trim_start_matches([' ', '\t']);
        if this.is_empty() || this.starts_with('#') {
            (rest, line) = (after, line + 1);
            continue;
        }
        let (name, _) = this.split_once('=').ok_or(broken("there is no `=` in it"))?;
        if name.ends_with([' ', '\t']) {
            return Err(broken("there is a space before `=`"));
        }
        name::variable(name).map_err(broken)?;
        if name.contains([' ', '#', '\'', '"', '$']) {
            return Err(broken("a name has letters, digits and `_`, and no `export` before it"));
        }
        let value = begins.get(name.len() + 1..).unwrap_or_default();
        let value = value.strip_prefix('\'').ok_or(broken("its value is not in single quotes"))?;
        let (value, after) = value.split_once('\'').ok_or(broken("its quote is not closed"))?;
        let (end, after) = after.split_once('\n').unwrap_or((after, ""));
        let is_comment = end.starts_with([' ', '\t']) && end.trim_start_matches([' ', '\t']).starts_with('#');
        if !end.trim_matches([' ', '\t']).is_empty() && !is_comment {
            return Err(broken("something follows the closing quote"));
        }
        variables.push((name, value));
        line += 1 + value.matches('\n').count();
        rest = after;
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_141_what_kubelet_reads_is_read() {
        let text = "   KEY1='val1'\n\t\tKEY2='  foo  bar  '  \n# comment\n\n   # another ='\nEMPTY=''\n\
                    EQUALS='a=b=c'\nLITERAL='$VAR ${VAR} \\n \"x\" #y 中文 🌍'\nCOMMENT='bar' # comment\n\
                    LINES='one\n\n  # two='\nKEY1='again'";
        let expected = [
            ("KEY1", "val1"),
            ("KEY2", "  foo  bar  "),
            ("EMPTY", ""),
            ("EQUALS", "a=b=c"),
            ("LITERAL", "$VAR ${VAR} \\n \"x\" #y 中文 🌍"),
            ("COMMENT", "bar"),
            ("LINES", "one\n\n  # two="),
            ("KEY1", "again"),
        ];
        assert_eq!(volume_env_file(text), Ok(expected.to_vec()));
        assert_eq!(volume_env_file(""), Ok(Vec::new()));
    }

    #[test]
    fn rule_141_what_kubelet_refuses_is_refused_with_its_line_and_without_showing_it() {
        for (broken, why) in [
            ("KEY = 'x'", "there is a space before `=`"),
            ("KEY= 'x'", "its value is not in single quotes"),
            ("KEY=x", "its value is not in single quotes"),
            ("KEY=\"x\"", "its value is not in single quotes"),
            ("KEY='x'y", "something follows the closing quote"),
            ("KEY='x''y'", "something follows the closing quote"),
            ("KEY='x'#y", "something follows the closing quote"),
            ("KEY='x'\r", "something follows the closing quote"),
            ("KEY='value with \\'nested\\' quotes'", "something follows the closing quote"),
            ("KEY='x", "its quote is not closed"),
            ("KEY", "there is no `=` in it"),
            ("export KEY='x'", "a name has letters, digits and `_`, and no `export` before it"),
            ("='x'", "it is empty"),
        ] {
            let text = format!("FIRST='a\nb'\n{broken}\n");
            assert_eq!(volume_env_file(&text), Err(BrokenLine { line: 3, why }), "{broken}");
        }
    }
}
