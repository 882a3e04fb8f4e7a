//! Which tests there are, and which rows each says that it proves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{repository, table};

/// A test and the file that it is in, from the repository's root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proof {
    pub file: String,
    pub test: String,
}

const GROUPS: [&str; 12] =
    ["SPEC", "CONT", "LEAK", "FS", "PRIV", "RES", "PID1", "DEATH", "SOCK", "LOG", "VM", "ROOTLESS"];

/// `FS-02`: two digits; the cases of Kubernetes have three.
pub fn is_row(id: &str) -> bool {
    let Some((group, number)) = id.split_once('-') else { return false };
    GROUPS.contains(&group) && number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_fault(id: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    id.strip_prefix("CVE-").and_then(|rest| rest.split_once('-')).is_some_and(|(a, b)| digits(a) && digits(b))
        || id.starts_with("GHSA-")
}

/// The ids that a comment begins with, before its first colon or other word.
fn ids_of_comment(comment: &str) -> Vec<String> {
    let words = comment.split([' ', ',']).filter(|word| !word.is_empty() && *word != "and");
    let mut ids = Vec::new();
    for word in words {
        let id = word.trim_end_matches([':', '.']);
        if !is_row(id) && !is_fault(id) {
            break;
        }
        ids.push(id.to_owned());
        if id != word {
            break;
        }
    }
    ids
}

/// The ids that a name has in it: `priv_05_...`.
fn ids_of_name(name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split('_').collect();
    let pairs = parts.windows(2).map(|pair| format!("{}-{}", pair[0].to_uppercase(), pair[1]));
    pairs.filter(|id| is_row(id)).collect()
}

/// What the tests of a file prove: id and test.
pub fn of_text(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut comment, mut is_test) = (String::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(more) = line.strip_prefix("///") {
            comment.push_str(more);
        } else if line == "#[test]" {
            is_test = true;
        } else if line.starts_with("#[") {
            // What may stand between the two.
        } else {
            if let (true, Some(rest)) = (is_test, line.strip_prefix("fn ")) {
                let name = rest.split('(').next().unwrap().to_owned();
                let ids = ids_of_comment(comment.trim()).into_iter().chain(ids_of_name(&name));
                found.extend(ids.map(|id| (id, name.clone())));
            }
            (comment, is_test) = (String::new(), false);
        }
    }
    found
}

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Fails where the tests of a file below tests/ would not be run.
fn check_is_compiled(path: &Path) {
    let folder = path.parent().unwrap();
    let name = path.file_stem().unwrap().to_str().unwrap();
    if folder.ends_with("tests") || name == "main" {
        return;
    }
    let main = fs::read_to_string(folder.join("main.rs")).unwrap();
    assert!(main.contains(&format!("\nmod {name};\n")), "{} is not compiled", path.display());
}

/// Every id that some test proves, with these tests.
pub fn proofs() -> BTreeMap<String, Vec<Proof>> {
    let mut all: BTreeMap<String, Vec<Proof>> = BTreeMap::new();
    let files = ["src", "tests"].into_iter().flat_map(|folder| sources(&repository().join(folder)));
    let mut tests: BTreeMap<String, String> = BTreeMap::new();
    for path in files {
        let file = path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        // Its own tests prove that it reads others.
        if file.starts_with("tests/security/") {
            continue;
        }
        for (id, test) in of_text(&text) {
            if file.starts_with("tests/") {
                check_is_compiled(&path);
            }
            all.entry(id).or_default().push(Proof { file: file.clone(), test });
        }
        tests.insert(file, text);
    }
    for fields in table("elsewhere.tsv") {
        let [id, file, test] = &fields[..] else { panic!("elsewhere.tsv: {fields:?}") };
        let text = tests.get(file).unwrap_or_else(|| panic!("elsewhere.tsv: {id}: there is no {file}"));
        let is_there = text.contains(&format!("#[test]\nfn {test}()"))
            || text.contains(&format!("#[test]\n    fn {test}()"));
        assert!(is_there, "elsewhere.tsv: {id}: {file} has no test {test}");
        if file.starts_with("tests/") {
            check_is_compiled(&repository().join(file));
        }
        all.entry(id.clone()).or_default().push(Proof { file: file.clone(), test: test.clone() });
    }
    for proofs in all.values_mut() {
        proofs.sort();
        proofs.dedup();
    }
    all
}
