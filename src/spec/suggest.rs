//! "Did you mean": the word that someone probably wanted. Knows words only.

/// The nearest of `words`, if one is near enough: some letters wrong, missing or swapped, fewer for
/// short words, or only upper and lower case different.
pub fn nearest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A key of a megabyte is no misspelt word.
    if written.len() > 64 {
        return None;
    }
    let lower = written.to_lowercase();
    let reach = |word: &str| match word.len().max(lower.len()) {
        0..=1 => 0,
        2 => usize::from(word.chars().next() == lower.chars().next()),
        3..=5 => 1,
        6..=9 => 2,
        _ => 3,
    };
    words
        .map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= reach(word))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Words of other tools for what is a field here.
const SYNONYMS: &[(&str, &str)] = &[
    ("cmd", "command"),
    ("entrypoint", "command"),
    ("program", "command"),
    ("environment", "env"),
    ("enviroment", "env"),
    ("envs", "env"),
    ("variables", "env"),
    ("cwd", "workingDir"),
    ("directory", "workingDir"),
    ("workdir", "workingDir"),
    ("restart", "restartPolicy"),
    ("grace", "terminationGracePeriodSeconds"),
    ("gracePeriod", "terminationGracePeriodSeconds"),
    ("stopTimeout", "terminationGracePeriodSeconds"),
    ("services", "containers"),
    ("sidecars", "initContainers"),
    ("tcp", "tcpSocket"),
    ("http", "httpGet"),
    ("interval", "periodSeconds"),
    ("timeout", "timeoutSeconds"),
    ("retries", "failureThreshold"),
    ("headers", "httpHeaders"),
    ("url", "path"),
];

/// The field that other tools call by this word.
pub(super) fn synonym(written: &str) -> Option<&'static str> {
    SYNONYMS.iter().find(|(word, _)| written.eq_ignore_ascii_case(word)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_a_slip_of_the_finger() {
        let words = ["command", "containers", "env", "image", "args"];
        for (written, word) in [
            ("comand", "command"),
            ("conatiners", "containers"),
            ("evn", "env"),
            ("IMAGE", "image"),
            ("arg", "args"),
        ] {
            assert_eq!(nearest(written, words.into_iter()), Some(word));
        }
    }

    #[test]
    fn another_word_is_not_taken_for_a_slip() {
        let words = ["command", "env", "ip", "args"];
        for written in ["volume", "x", "", "ab", "entrypoint"] {
            assert_eq!(nearest(written, words.into_iter()), None, "{written}");
        }
    }
}
