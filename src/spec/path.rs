//! What paths of a manifest may look like. Knows strings only; what is at a path on this host is looked
//! at by nobody here.

/// A rule that a path breaks, as the label beside it.
type Broken = &'static str;

/// As long as a path can be in Linux, with the NUL at its end.
const MOST: usize = 4095;

/// Relative, and never up: a part of a volume, a profile (Kubernetes' local descending path).
pub(super) fn descending(path: &str) -> Result<(), Broken> {
    if path.starts_with('/') {
        return Err("it is not relative");
    }
    steps(path)
}

/// The path of a file in a volume. What begins with `..` is podinit's own there (rule 150).
pub(super) fn in_volume(path: &str) -> Result<(), Broken> {
    descending(path)?;
    let plain = plain(path);
    if plain.starts_with("..") {
        return Err("a volume's own files start with `..`");
    }
    if plain.is_empty() { Err("this is no path of a file") } else { Ok(()) }
}

/// From the root, and never up.
pub(super) fn absolute(path: &str) -> Result<(), Broken> {
    if !path.starts_with('/') && !path.is_empty() {
        return Err("it is not absolute");
    }
    steps(path)
}

fn steps(path: &str) -> Result<(), Broken> {
    if path.is_empty() {
        return Err("it is empty");
    }
    if path.len() > MOST || path.split('/').any(|part| part.len() > 255) {
        return Err("longer than Linux can have it");
    }
    if path.split('/').any(|part| part == "..") {
        return Err("`..` would lead out of it");
    }
    Ok(())
}

/// Without what says nothing: `/a//b/./` is `/a/b`, `./a` is `a`.
pub(super) fn plain(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("{root}{}", parts.join("/"))
}

/// Whether a plain path is another one, or below it.
pub(super) fn is_within(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_up() {
        for path in ["..", "../a", "a/..", "a/../b"] {
            assert!(descending(path).is_err() && in_volume(path).is_err(), "{path}");
            assert!(absolute(&format!("/{path}")).is_err(), "{path}");
        }
        for path in ["a", "a/b", "..a", "a..", "./a", "..."] {
            assert!(descending(path).is_ok() && absolute(&format!("/{path}")).is_ok(), "{path}");
        }
        for path in ["", "/a", &"a".repeat(256), &"a/".repeat(2048)] {
            assert!(descending(path).is_err(), "{path}");
        }
        assert!(absolute("a").is_err() && absolute("").is_err());
        for path in ["..data", "./..data", ".", "./."] {
            assert!(in_volume(path).is_err(), "{path}");
        }
    }

    #[test]
    fn a_plain_path_is_the_same_path() {
        for (path, same) in [("/a//b/./c/", "/a/b/c"), ("/", "/"), ("./a/", "a"), ("//", "/"), (".", "")] {
            assert_eq!(plain(path), same);
        }
        assert!(is_within("/proc/sys", "/proc") && is_within("/proc", "/proc"));
        assert!(!is_within("/process", "/proc"));
    }
}
