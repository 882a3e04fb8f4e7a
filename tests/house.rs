//! The rules of the house, read from its files: who may use whom, what the pure rooms must not know,
//! where unsafe code is. `docs/ARCHITECTURE.md` says why.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may use.
const ROOMS: [(&str, &[&str]); 7] = [
    ("spec", &[]),
    ("pod", &["spec"]),
    ("plan", &["spec"]),
    ("sys", &[]),
    ("sim", &["pod", "spec"]),
    ("runtime", &["spec", "pod", "plan", "sys"]),
    ("cli", &["spec", "plan", "runtime", "sim"]),
];

/// Rooms without effects, clocks and disorder.
const PURE: [&str; 4] = ["spec", "pod", "plan", "sim"];

const IMPURE: [&str; 14] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::io",
    "std::net::Tcp",
    "std::net::Udp",
    "std::sync::Mutex",
    "Instant::now",
    "SystemTime",
    "HashMap",
    "HashSet",
    "libc::",
    "nix::",
];

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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code of a file: its lines without comments, up to its unit tests.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().take_while(|(_, line)| !line.starts_with("#[cfg(test)]"));
    let without_comment = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    lines.map(|(number, line)| (number + 1, without_comment(line))).collect()
}

/// Fails with one line for each place where `is_wrong` holds.
fn expect_none(what: &str, rooms: &[&str], is_wrong: impl Fn(&str, &str) -> bool) {
    let mut wrong = Vec::new();
    for room in rooms {
        for path in sources(&root().join(room)) {
            for (number, line) in code(&path).into_iter().filter(|(_, line)| is_wrong(room, line)) {
                wrong.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_is_a_room_and_every_room_a_folder() {
    let mut folders: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut rooms: Vec<_> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    rooms.sort();
    assert_eq!(folders, rooms);
}

#[test]
fn rooms_use_only_the_rooms_they_may() {
    let all: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    expect_none("a room is used that may not be", &all, |room, line| {
        let allowed = ROOMS.iter().find(|(name, _)| *name == room).unwrap().1;
        let forbidden = |other: &&str| *other != room && !allowed.contains(other);
        all.iter().filter(|other| forbidden(other)).any(|other| line.contains(&format!("crate::{other}")))
    });
}

#[test]
fn pure_rooms_have_no_effects_no_clock_and_no_disorder() {
    expect_none("something impure in a pure room", &PURE, |_, line| {
        let before = |at: usize| line[..at].chars().next_back();
        let is_word = |at: usize| !before(at).is_some_and(|c| c.is_alphanumeric() || c == '_');
        IMPURE.iter().any(|impure| line.match_indices(impure).any(|(at, _)| is_word(at)))
    });
}

#[test]
fn unsafe_code_is_in_sys_only() {
    let others: Vec<_> = ROOMS.iter().map(|(room, _)| *room).filter(|room| *room != "sys").collect();
    expect_none("unsafe outside sys", &others, |_, line| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
    });
}

/// The C library calls `main` by its name, which only the program itself can give: a library that had one
/// could not be linked into tests.
#[test]
fn outside_of_sys_only_the_name_of_main_is_unsafe() {
    let all = code(&root().join("main.rs"));
    let found: Vec<_> =
        all.iter().map(|(_, line)| line.trim()).filter(|line| line.contains("unsafe")).collect();
    let allowed =
        ["#[expect(unsafe_code, reason = \"the name is the C library's\")]", "#[unsafe(no_mangle)]"];
    assert_eq!(found, allowed);
}

#[test]
fn every_file_says_what_it_is_for_and_is_not_too_long() {
    for path in sources(&root()) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not say what it is for", path.display());
        let lines = text.lines().count();
        assert!(lines <= 600, "{} has {lines} lines: it wants to be two files", path.display());
        for word in ["utils", "util", "common", "helpers", "manager", "misc"] {
            assert!(
                path.file_stem().is_none_or(|stem| stem != word),
                "{}: a name for anything",
                path.display()
            );
        }
    }
}

#[test]
fn main_is_the_library_s_command_line_and_nothing_else() {
    let lines = fs::read_to_string(root().join("main.rs")).unwrap().lines().count();
    assert!(lines < 60, "main.rs has {lines} lines");
}

#[test]
fn nothing_is_left_open() {
    let all: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
    let marks = ["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"];
    for room in all {
        for path in sources(&root().join(room)) {
            let text = fs::read_to_string(&path).unwrap();
            for mark in marks {
                assert!(!text.contains(mark), "{} contains {mark}", path.display());
            }
        }
    }
}

/// Ids such as `SPEC-03` and `rule 81` in a text.
fn citations(text: &str) -> Vec<String> {
    let groups =
        ["SPEC", "CONT", "LEAK", "FS", "PRIV", "RES", "PID1", "DEATH", "SOCK", "LOG", "VM", "ROOTLESS"];
    let number = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut found = Vec::new();
    for group in groups {
        for (at, mark) in text.match_indices(&format!("{group}-")) {
            let is_start = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-' || c == '_');
            let number = number(&text[at + mark.len()..]);
            // Two digits: the rows of upstream's cases have three.
            if is_start && number.len() == 2 {
                found.push(format!("{group}-{number}"));
            }
        }
    }
    for (at, mark) in text.match_indices("rule ") {
        let number = number(&text[at + mark.len()..]);
        if !number.is_empty() {
            found.push(format!("rule {number}"));
        }
    }
    found
}

#[test]
fn what_comments_cite_can_be_looked_up() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let checklist = fs::read_to_string(docs.join("checklist.md")).unwrap();
    let rules = fs::read_to_string(docs.join("kubernetes.md")).unwrap();
    let is_known = |cited: &str| match cited.strip_prefix("rule ") {
        Some(number) => rules.contains(&format!("\n{number}. ")) || rules.contains(&format!(" {number}. ")),
        None => checklist.contains(&format!("| {cited} |")),
    };
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut cited = 0;
    for path in sources(&root()).into_iter().chain(sources(&tests)) {
        for citation in citations(&fs::read_to_string(&path).unwrap()) {
            cited += 1;
            assert!(is_known(&citation), "{} cites {citation}, which is not in docs/", path.display());
        }
    }
    assert!(cited > 100, "only {cited} citations found: are they still recognised?");
}
