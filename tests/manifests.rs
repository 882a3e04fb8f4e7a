//! The corpus of manifests. Each file of `manifests/bad` has its diagnostics beside it, as a user sees
//! them; each pair of `manifests/good` is one pod in both syntaxes.
//!
//! `PODINIT_BLESS=1 cargo test --test manifests` writes the diagnostics anew; read them before you keep them.

// A test fails by panicking, and measures what it measures in a process of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(clippy::disallowed_methods)]

use podinit::spec::{
    Job, Loaded, Options, Pod, Profile, Severity, Source, Syntax, load, render_all, to_json,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(name)
}

/// The manifests of a directory, in order.
fn manifests(name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension != "txt")).collect();
    paths.sort();
    paths
}

/// As the program reads it: the file's name alone, so that the checkout's place does not show.
fn read(path: &Path) -> (Source, Loaded) {
    read_under(path, options)
}

/// The same, under the options that there are for a file of this name.
fn read_under(path: &Path, options: impl Fn(&str) -> Options) -> (Source, Loaded) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let bytes = fs::read(path).unwrap();
    let syntax = Syntax::guess(Some(name), &String::from_utf8_lossy(&bytes));
    match Source::from_bytes(name, bytes, syntax) {
        Ok(source) => {
            let loaded = load(std::slice::from_ref(&source), &options(name));
            (source, loaded)
        }
        Err(no_text) => {
            let problems = vec![no_text.problem];
            (no_text.source, Loaded { problems, ..Loaded::default() })
        }
    }
}

/// Files whose name starts with `profile-` are read without `--profile process`, those with `kube-strict`
/// under this option.
fn options(name: &str) -> Options {
    let profile = (!name.starts_with("profile-")).then_some(Profile::Process);
    Options { profile, kube_strict: name.starts_with("kube-strict"), ..Options::default() }
}

/// What differs, a line each.
fn difference(recorded: &str, found: &str) -> String {
    let (mut recorded, mut found) = (recorded.lines(), found.lines());
    let mut out = String::new();
    loop {
        match (recorded.next(), found.next()) {
            (None, None) => return out,
            (old, new) if old == new => out.push_str(&format!("  {}\n", new.unwrap_or_default())),
            (old, new) => {
                old.into_iter().for_each(|old| out.push_str(&format!("- {old}\n")));
                new.into_iter().for_each(|new| out.push_str(&format!("+ {new}\n")));
            }
        }
    }
}

/// The recorded problems of every manifest of a directory; no record means that there are none.
fn compare_with_records(name: &str, makes_a_pod: bool) {
    let mut wrong = String::new();
    for path in manifests(name) {
        let (source, loaded) = read(&path);
        let found = render_all(&loaded.problems, &[source], false);
        assert_eq!(loaded.pod.is_some(), makes_a_pod, "{}:\n{found}", path.display());
        let record = path.with_added_extension("txt");
        if std::env::var_os("PODINIT_BLESS").is_some() {
            let _ = fs::remove_file(&record);
            if !found.is_empty() {
                fs::write(&record, &found).unwrap();
            }
        }
        let recorded = fs::read_to_string(&record).unwrap_or_default();
        if recorded != found {
            wrong.push_str(&format!("{}:\n{}\n", path.display(), difference(&recorded, &found)));
        }
    }
    assert!(wrong.is_empty(), "other diagnostics than recorded (PODINIT_BLESS=1 records them):\n{wrong}");
}

#[test]
fn each_bad_manifest_is_refused_as_recorded() {
    compare_with_records("bad", false);
}

#[test]
fn each_good_manifest_makes_a_pod_with_the_recorded_warnings() {
    compare_with_records("good", true);
}

#[test]
fn no_record_is_left_of_a_manifest_that_is_gone() {
    for entry in ["bad", "good"].map(directory).iter().flat_map(|path| fs::read_dir(path).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            assert!(path.with_extension("").exists(), "{} has no manifest", path.display());
        }
    }
}

#[test]
fn the_same_pod_in_both_syntaxes_is_the_same() {
    let paths = manifests("good");
    let mut pairs = 0;
    for path in paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml")) {
        let pods: Vec<_> = [path.clone(), path.with_extension("yaml")]
            .iter()
            .map(|path| {
                let (source, loaded) = read(path);
                let shown = render_all(&loaded.problems, &[source], false);
                let pod = loaded.pod.unwrap_or_else(|| panic!("{} makes no pod:\n{shown}", path.display()));
                // Only YAML has objects beside a pod.
                Pod { objects: Arc::default(), ..pod }
            })
            .collect();
        // Only an object around a pod can say that it is tried again.
        let of_yaml = Pod { job: None, ..pods[1].clone() };
        assert_eq!(pods[0], of_yaml, "{} and its YAML differ", path.display());
        pairs += 1;
    }
    assert_eq!(pairs * 2, paths.len(), "a manifest of tests/manifests/good has no twin");
}

#[test]
fn kube_strict_refuses_everything_that_is_ignored_and_nothing_else() {
    let mut ignored = 0;
    for path in ["bad", "good"].into_iter().flat_map(manifests) {
        let (source, loaded) = read(&path);
        let name = source.name;
        let found = read_under(&path, |name| Options { kube_strict: true, ..options(name) }).1.problems;
        let has_no_effect =
            |message: &str| ["ignoring ", "running one "].iter().any(|start| message.starts_with(start));
        let (without, rest): (Vec<_>, Vec<_>) =
            loaded.problems.iter().filter(|_| !name.starts_with("kube-strict")).partition(|problem| {
                problem.severity == Severity::Warning && has_no_effect(&problem.message)
            });
        for problem in &without {
            let place = (problem.span, Severity::Error);
            assert!(found.iter().any(|found| (found.span, found.severity) == place), "{name}: {problem:?}");
        }
        for problem in rest {
            assert!(found.contains(problem), "{name}: {problem:?}");
        }
        ignored += without.len();
    }
    assert!(ignored > 40, "{ignored}");
}

#[test]
fn a_job_says_how_often_its_pod_is_tried_and_for_how_long() {
    let job = |name: &str| read(&directory("good").join(name)).1.pod.unwrap().job;
    let told = Job { backoff_limit: 4, active_deadline: Some(Duration::from_secs(100)) };
    assert_eq!(job("job-pi.yaml"), Some(told));
    assert_eq!(job("cronjob.yaml"), Some(Job { backoff_limit: 6, active_deadline: None }));
    assert_eq!(job("deployment.yaml"), None);
}

#[test]
fn every_problem_says_where_and_what_to_do() {
    for path in manifests("bad") {
        let (source, loaded) = read(&path);
        let name = path.display();
        for problem in &loaded.problems {
            let message = &problem.message;
            for word in ["invalid", "failed to", "error while", "Invalid"] {
                assert!(!message.contains(word), "{name}: {message}");
            }
            assert!(message.starts_with(|c: char| c.is_lowercase()), "{name}: {message}");
            assert!(
                problem.severity == Severity::Warning || !problem.help.is_empty(),
                "{name}: no help: {message}"
            );
        }
        let json = to_json(&loaded.problems, &[source]);
        assert_eq!(json["diagnostics"].as_array().unwrap().len(), loaded.problems.len().min(100), "{name}");
    }
}

/// Highest memory use of this process so far, in KiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Time that this thread has had a processor, in milliseconds: others' load does not count.
fn processor_time() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
}

/// Makes a text of up to a MiB.
type Maker = Box<dyn Fn() -> String>;

/// Texts that are small in the file and large, deep or slow in a parser (SPEC-03).
fn bombs() -> Vec<(&'static str, Syntax, Maker)> {
    const SIZE: usize = 1 << 20;
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n";
    let fill = |part: &'static str| -> Maker { Box::new(move || part.repeat(SIZE / part.len())) };
    let fill_after = |start: &'static str, part: &'static str| -> Maker {
        Box::new(move || format!("{start}{}", part.repeat((SIZE - start.len()) / part.len())))
    };
    let long = || "a".repeat(900_000);
    let laughs = || -> String {
        let line =
            |c: u8| format!("{0}: &{0} [{1}]\n", char::from(c), format!("*{},", char::from(c - 1)).repeat(9));
        (b'b'..=b'z').map(line).collect()
    };
    let dotted = || "a.".repeat(78) + "a = ";
    let (yaml, toml) = (Syntax::Yaml, Syntax::Toml);
    vec![
        ("flow lists", yaml, fill("[")),
        ("flow mappings", yaml, fill("{a: ")),
        (
            "ten thousand levels",
            yaml,
            Box::new(move || format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000))),
        ),
        ("block lists", yaml, fill("- ")),
        ("explicit keys", yaml, fill("? ")),
        (
            "block mappings",
            yaml,
            Box::new(move || (0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect()),
        ),
        ("items of a list that might be a key", yaml, fill_after("[", "a,")),
        ("items of a nested list that might be a key", yaml, fill_after("a: [[", "a,")),
        ("entries of a mapping that might be a key", yaml, fill_after("{", "a: b,")),
        ("keys of a list that might be a key", yaml, fill_after("[", "? ")),
        ("empty values of a list that might be a key", yaml, fill_after("[", ": ")),
        ("anchors", yaml, fill_after("[", "&a ")),
        ("aliases", yaml, fill_after("- &a b\n- [", "*a ")),
        ("quoted words", yaml, fill_after("\"", "a ")),
        ("a MiB of a plain word", yaml, fill("a")),
        ("a MiB of a quoted word", yaml, Box::new(move || format!("\"{}\"", "a".repeat(SIZE - 2)))),
        ("a MiB of text", yaml, fill_after("a: |\n", " a, b\n")),
        ("empty lines", yaml, fill("\n")),
        ("tabs", yaml, fill("\t")),
        ("comments", yaml, fill("#\n")),
        ("documents", yaml, fill("---\n")),
        ("documents with words", yaml, fill("--- a\n")),
        ("a billion laughs", yaml, Box::new(move || format!("a: &a x\n{}", laughs()))),
        (
            "a long string, often",
            yaml,
            Box::new(move || format!("a: &a {}\nb: [{}]\n", long(), "*a,".repeat(10_000))),
        ),
        (
            "a long tag, often",
            yaml,
            Box::new(move || format!("%TAG !a! {}\n---\n{}", long(), "- !a!b c\n".repeat(10_000))),
        ),
        (
            "a long name with many problems",
            yaml,
            Box::new(move || format!("{POD}  - name: {}\n    env: [{}]\n", long(), "1,".repeat(9_000))),
        ),
        ("many problems", yaml, fill_after(POD, "  - 1\n")),
        ("many unknown keys", yaml, Box::new(move || (0..60_000).map(|n| format!("k{n}: 1\n")).collect())),
        ("equal keys", yaml, Box::new(move || format!("kind: Pod\n{}", "a: 1\n".repeat(9_000)))),
        ("lists in TOML", toml, fill_after("a = ", "[")),
        ("tables in TOML", toml, fill_after("a = ", "{a = ")),
        ("headers", toml, fill("[a]\n")),
        ("lists of tables", toml, fill("[[a]]\n")),
        ("a long dotted key", toml, fill("a.")),
        (
            "dotted keys in tables in each other",
            toml,
            Box::new(move || format!("{}1{}", format!("{}{{ ", dotted()).repeat(70), "}".repeat(70))),
        ),
        ("equals signs", toml, fill("=\n")),
        ("strings without end", toml, fill("a=\"\n")),
        ("errors on one line", toml, fill_after("a = [", "b ")),
        ("equal keys in TOML", toml, fill("a=1\n")),
        ("commas", toml, fill_after("a = [", "1,")),
        ("errors below the limit", toml, Box::new(|| "=\n".repeat(70_000))),
        ("commas below the limit", toml, Box::new(|| format!("a = [{}", "1,".repeat(70_000)))),
        ("keys below the limit", toml, Box::new(|| (0..35_000).map(|n| format!("k{n}=1\n")).collect())),
        ("a MiB of a string", toml, Box::new(move || format!("a = \"{}\"", "a".repeat(SIZE - 6)))),
        ("an integer of a MiB", toml, Box::new(move || format!("a = {}", "1".repeat(SIZE - 4)))),
        ("NUL", toml, fill("\0")),
        ("more than a MiB", toml, Box::new(move || "a".repeat(SIZE + 1))),
    ]
}

/// One bomb in this process: milliseconds of a processor, and KiB above what the process had before.
fn explode(name: &'static str, syntax: Syntax, text: String) -> (u64, u64) {
    // Less than any thread's stack: nothing may recurse on the depth of its input.
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    let run = thread.spawn(move || {
        let (before, start) = (peak_memory(), processor_time());
        let sources = [Source { name: name.to_owned(), text, syntax }];
        let loaded = load(&sources, &options(name));
        let shown = render_all(&loaded.problems, &sources, true);
        to_json(&loaded.problems, &sources);
        assert!(loaded.pod.is_none(), "{name} makes a pod");
        assert!(shown.len() < 200_000, "{name} is shown in {} bytes", shown.len());
        (processor_time() - start, peak_memory() - before)
    });
    run.unwrap().join().unwrap()
}

#[test]
fn bombs_cost_little_time_and_memory() {
    const ONE: &str = "PODINIT_TEST_BOMB";
    if let Some(one) = std::env::var_os(ONE) {
        let (name, syntax, text) = bombs().into_iter().find(|(name, ..)| one == **name).unwrap();
        let (time, memory) = explode(name, syntax, text());
        println!("cost {time} {memory}");
        return;
    }
    for (name, ..) in bombs() {
        // A process of its own, so that its memory can be told from that of the others.
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "bombs_cost_little_time_and_memory", "--nocapture"]).env(ONE, name);
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
        let cost = text.lines().find_map(|line| line.split_once("cost ")).unwrap().1;
        let numbers: Vec<u64> = cost.split(' ').map(|number| number.parse().unwrap()).collect();
        println!("{name}: {} ms, {} MiB", numbers[0], numbers[1] >> 10);
        // In a debug build; a release build takes a tenth.
        assert!(numbers[0] < 10_000, "{name} takes {} ms", numbers[0]);
        assert!(numbers[1] >> 10 < 64, "{name} takes {} KiB", numbers[1]);
    }
}
