//! What names may look like, in Kubernetes and in Linux. Knows strings only. A rule is told as what
//! follows "a name has ".

/// A rule that a name breaks, as the label beside it.
type Broken = &'static str;

/// DNS-1123 label: a container's name, a namespace (SPEC-05).
pub(super) fn label(name: &str) -> Result<(), Broken> {
    if name.len() > 63 {
        return Err("longer than 63 characters");
    }
    dns(name)
}

/// DNS-1123 subdomain: a pod's name.
pub(super) fn subdomain(name: &str) -> Result<(), Broken> {
    if name.len() > 253 {
        return Err("longer than 253 characters");
    }
    if !name.bytes().all(|byte| fine(byte) || matches!(byte, b'-' | b'.')) {
        return Err("only lower-case letters, digits, `-` and `.` can be in it");
    }
    if name.split('.').any(str::is_empty) && !name.is_empty() {
        return Err("a part between two dots is empty");
    }
    name.split('.').try_for_each(dns)
}

fn fine(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn dns(name: &str) -> Result<(), Broken> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if !name.bytes().all(|byte| fine(byte) || byte == b'-') {
        return Err("only lower-case letters, digits and `-` can be in it");
    }
    let ends = [name.bytes().next(), name.bytes().next_back()];
    if ends.into_iter().flatten().all(fine) {
        Ok(())
    } else {
        Err("it has to start and end with a letter or digit")
    }
}

/// A similar name that is right as a [`label`], if there is one. There is none for a name of other
/// letters, of which little would be left.
pub(super) fn repaired(name: &str) -> Option<String> {
    if !name.is_ascii() {
        return None;
    }
    let mut repaired = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_alphanumeric() {
            repaired.push(c);
        } else if !repaired.is_empty() && !repaired.ends_with('-') {
            repaired.push('-');
        }
    }
    repaired.truncate(63);
    let repaired = repaired.trim_end_matches('-');
    (!repaired.is_empty()).then(|| repaired.to_owned())
}

/// A similar name that is right as a [`subdomain`]: with its dots, unless a path was meant.
pub(super) fn repaired_subdomain(name: &str) -> Option<String> {
    if name.contains('/') || !name.contains('.') {
        return repaired(name);
    }
    let parts: Vec<String> = name.split('.').filter_map(repaired).collect();
    Some(parts.join(".")).filter(|name| subdomain(name).is_ok())
}

/// A name that a resolver may know: a probe's host.
pub(super) fn host(name: &str) -> Result<(), Broken> {
    if name.len() > 253 {
        return Err("longer than 253 characters");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
        return Err("only letters, digits, `-`, `.` and `_` can be in a host's name");
    }
    if name.trim_end_matches('.').split('.').any(str::is_empty) {
        return Err("a part between two dots is empty");
    }
    Ok(())
}

/// IANA service name: a port's name.
pub(super) fn port(name: &str) -> Result<(), Broken> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.len() > 15 {
        return Err("longer than 15 characters");
    }
    if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Err("only lower-case letters, digits and `-` can be in it");
    }
    if !name.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Err("at least one letter has to be in it");
    }
    if name.contains("--") {
        return Err("two `-` cannot follow each other");
    }
    if name.starts_with('-') || name.ends_with('-') {
        Err("it has to start and end with a letter or digit")
    } else {
        Ok(())
    }
}

/// Name of an environment variable: printable ASCII without `=` (rule 137).
pub(super) fn variable(name: &str) -> Result<(), Broken> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.contains('=') {
        return Err("`=` ends a variable's name");
    }
    if name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(())
    } else {
        Err("only printable ASCII can be in it")
    }
}

/// Key of a label or annotation: a name of at most 63 characters, and perhaps a DNS subdomain and `/`
/// before it.
pub(super) fn qualified(key: &str) -> Result<(), Broken> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.map(subdomain).is_some_and(|prefix| prefix.is_err()) {
        return Err("what stands before the `/` is no DNS name");
    }
    if name.is_empty() {
        return Err("the name is empty");
    }
    word(name)
}

/// Value of a label; may be empty.
pub(super) fn label_value(value: &str) -> Result<(), Broken> {
    if value.is_empty() { Ok(()) } else { word(value) }
}

fn word(text: &str) -> Result<(), Broken> {
    if text.len() > 63 {
        return Err("longer than 63 characters");
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return Err("only letters, digits, `-`, `_` and `.` can be in it");
    }
    let ends = [text.bytes().next(), text.bytes().next_back()];
    let fine = ends.into_iter().flatten().all(|byte| byte.is_ascii_alphanumeric());
    if fine { Ok(()) } else { Err("it has to start and end with a letter or digit") }
}

/// Key of a ConfigMap or Secret, which becomes a file's name.
pub(super) fn config_key(key: &str) -> Result<(), Broken> {
    if key.is_empty() {
        return Err("it is empty");
    }
    if key.len() > 253 {
        return Err("longer than 253 characters");
    }
    if !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')) {
        return Err("only letters, digits, `-`, `_` and `.` can be in it");
    }
    if key == "." || key.starts_with("..") {
        return Err("it would lead out of its directory");
    }
    Ok(())
}

/// Name of a header field, as Kubernetes has it.
pub(super) fn header(name: &str) -> Result<(), Broken> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(())
    } else {
        Err("only letters, digits and `-` can be in it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_leaves_no_way_out_of_a_directory() {
        for name in ["../x", "a/b", "", ".", "..", "-rf", "a-", "A", "a_b", "a b", "a.b", "é", "a\0"] {
            assert!(label(name).is_err(), "{name:?}");
        }
        assert!(label(&"a".repeat(64)).is_err());
        for name in ["a", "0", "web-1", &"a".repeat(63)] {
            assert!(label(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn a_subdomain_is_labels_with_dots() {
        for name in ["a.b", "a-1.b-2", "1.2.3", &"a".repeat(253)] {
            assert!(subdomain(name).is_ok(), "{name:?}");
        }
        for name in ["", ".", "a.", ".a", "a..b", "a.-b", "A.b", "a/b", &"a".repeat(254)] {
            assert!(subdomain(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_port_is_called_as_iana_wants() {
        for name in ["http", "h2", "a-b", "fifteen-letters"] {
            assert!(port(name).is_ok(), "{name:?}");
        }
        for name in ["", "80", "-a", "a-", "a--b", "HTTP", "a_b", "sixteen-letters-"] {
            assert!(port(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_variable_is_printable_ascii_without_equals() {
        for name in ["PATH", "a b", "1", "-", "x.y/z"] {
            assert!(variable(name).is_ok(), "{name:?}");
        }
        for name in ["", "A=B", "A\n", "A\0", "é", "\x7f"] {
            assert!(variable(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_label_key_may_have_a_domain() {
        for key in ["app", "app.kubernetes.io/name", "a_b.c-D", "x/Y"] {
            assert!(qualified(key).is_ok(), "{key:?}");
        }
        for key in ["", "/a", "a/", "a/b/c", "A/b", "-a", "a b", "é"] {
            assert!(qualified(key).is_err(), "{key:?}");
        }
        assert!(label_value("").is_ok());
        assert!(label_value("a/b").is_err());
    }

    #[test]
    fn a_config_key_is_a_file_s_name() {
        for key in ["a", ".dockerconfigjson", "LOG_LEVEL", "a..b", "-", &"a".repeat(253)] {
            assert!(config_key(key).is_ok(), "{key:?}");
        }
        for key in ["", ".", "..", "..a", "a/b", "a b", "é", "a\0", &"a".repeat(254)] {
            assert!(config_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_repaired_name_is_right() {
        for (name, better) in
            [("My_App", "my-app"), ("../x", "x"), ("web.toml", "web-toml"), ("--a--b--", "a-b")]
        {
            assert_eq!(repaired(name).as_deref(), Some(better));
            assert!(label(better).is_ok());
        }
        assert_eq!(repaired("名前1"), None);
        assert_eq!(repaired("--"), None);
    }

    #[test]
    fn a_repaired_subdomain_keeps_its_dots() {
        let cases =
            [("My_Web.App", "my-web.app"), ("a..b.", "a.b"), ("web/../../etc", "web-etc"), ("A_b", "a-b")];
        for (name, better) in cases {
            assert_eq!(repaired_subdomain(name).as_deref(), Some(better));
            assert!(subdomain(better).is_ok());
        }
        assert_eq!(repaired_subdomain("..."), None);
    }

    #[test]
    fn a_header_is_called_as_kubernetes_wants() {
        for name in ["Host", "X-1", "-"] {
            assert!(header(name).is_ok(), "{name:?}");
        }
        for name in ["", "X Y", "X_Y", "X.Y", "X:", "é"] {
            assert!(header(name).is_err(), "{name:?}");
        }
    }
}
