//! The syntax of a file of variables (`envFile`): one `NAME=value` a line. What other programs read in
//! different ways is refused instead of guessed at. Knows text only, and shows none of it.

use std::collections::BTreeMap;

use super::super::name;

/// A line that says nothing clear. Its text is nobody's business: it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenLine {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The variables of a file, in its order.
///
/// Empty lines and lines that start with `#` say nothing. A value is `'...'`, exactly what stands between
/// the quotes; or `"..."`, in which `\n`, `\t`, `\"` and `\\` are known; or bare, up to the end of the line.
/// Nothing is expanded.
///
/// # Errors
/// The first line that is none of these, or a name that stands twice. A bare value with a quote, `\`, `$`,
/// `` ` `` or ` #` in it, and `$` or `` ` `` between double quotes, mean different things to different
/// programs, and are errors too.
pub fn env_file(text: &str) -> Result<Vec<(&str, String)>, BrokenLine> {
    let mut variables = Vec::new();
    let mut seen = BTreeMap::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.split('\n')) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let broken = |why| BrokenLine { line: number, why };
        let (name, value) = line.split_once('=').ok_or(broken("there is no `=` in it"))?;
        if name.trim() != name {
            return Err(broken("there is a space before or after the name"));
        }
        name::variable(name).map_err(broken)?;
        if name.contains([' ', '#', '\'', '"', '$']) {
            return Err(broken("a name has letters, digits and `_`, and no `export` before it"));
        }
        let value = value_of(value).map_err(broken)?;
        if seen.insert(name, ()).is_some() {
            return Err(broken("its name stands twice in the file"));
        }
        variables.push((name, value));
    }
    Ok(variables)
}

fn value_of(written: &str) -> Result<String, &'static str> {
    const OPEN: &str = "a quote is not closed, or something follows it";
    if written.contains(|c: char| c.is_control() && c != '\t') {
        return Err("there is a control character in it");
    }
    let trimmed = written.trim_end();
    if let Some(rest) = trimmed.strip_prefix('\'') {
        let value = rest.strip_suffix('\'').filter(|value| !value.contains('\''));
        return value.map(str::to_owned).ok_or(OPEN);
    }
    if let Some(rest) = trimmed.strip_prefix('"') {
        return rest.strip_suffix('"').ok_or(OPEN).and_then(unescaped);
    }
    if written.trim() != written {
        return Err("there is a space before or after the value: put it in single quotes");
    }
    let starts_comment = written.starts_with('#') || written.contains([' ', '\t']) && written.contains(" #");
    if starts_comment || written.contains(['\'', '"', '\\', '$', '`']) {
        return Err("a value with quotes, `\\`, `$`, `` ` `` or ` #` needs single quotes around it");
    }
    Ok(written.to_owned())
}

fn unescaped(text: &str) -> Result<String, &'static str> {
    let mut value = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        value.push(match c {
            '"' => return Err("something follows the closing quote"),
            '$' | '`' => return Err("nothing is expanded: a value with `$` or `` ` `` needs single quotes"),
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some(c @ ('"' | '\\')) => c,
                Some(_) | None => {
                    return Err("only `\\n`, `\\t`, `\\\"` and `\\\\` are known between quotes");
                }
            },
            c => c,
        });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_clear_is_read() {
        let text = "\u{feff}# comment\n\n  # another\nA=1\nB=\nC='$x \"y\" \\n # z'\r\nD=\"two\\nlines\\t\\\"\\\\\"\n\
                    E=hello world\nF=a=b\nG='' \nH=a#b\n";
        let expected = [
            ("A", "1"),
            ("B", ""),
            ("C", "$x \"y\" \\n # z"),
            ("D", "two\nlines\t\"\\"),
            ("E", "hello world"),
            ("F", "a=b"),
            ("G", ""),
            ("H", "a#b"),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name, value.to_owned())).into();
        assert_eq!(env_file(text), Ok(expected));
        assert_eq!(env_file(""), Ok(Vec::new()));
    }

    #[test]
    fn what_programs_read_differently_is_refused_without_showing_it() {
        let lines = [
            "A",
            "=1",
            "export A=1",
            " A=1",
            "A =1",
            "A= 1",
            "A=1 ",
            "A=$B",
            "A=a\\b",
            "A=`b`",
            "A=b #c",
            "A=#c",
            "A='b",
            "A='b'c",
            "A='b'c'",
            "A=\"b",
            "A=\"b\"c",
            "A=\"$b\"",
            "A=\"\\x\"",
            "A=\"\\",
            "A=b'c",
            "A=\u{1}",
            "É=1",
            "A B=1",
        ];
        for line in lines {
            let found = env_file(&format!("# first\n{line}\n")).expect_err(line);
            assert_eq!(found.line, 2, "{line}");
        }
        let twice = env_file("A=1\nB=2\nA=1\n");
        assert_eq!(twice, Err(BrokenLine { line: 3, why: "its name stands twice in the file" }));
    }
}
