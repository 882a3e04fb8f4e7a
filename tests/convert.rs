//! `podinit convert`: nothing is lost on the way to the other syntax and back, other programs read what
//! is written, and it looks as people write it.
//!
//! `PODINIT_BLESS=1 cargo test --test convert` writes the records of `convert/out` anew; read them before
//! you keep them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

#[path = "pods/mod.rs"]
mod pods;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fastrand::Rng;
use k8s_openapi::api::core::v1::Pod as KubernetesPod;
use podinit::spec::{Options, Pod, Profile, Source, Syntax, Target, convert, load, render_all};
use serde_json::Value;

const PODS: u64 = 300;

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned(), syntax: Syntax::guess(Some(name), text) }
}

fn converted(text: &str, from: Syntax, to: Target) -> String {
    let name = if from == Syntax::Toml { "pod.toml" } else { "pod.yaml" };
    let source = source(name, text);
    let result = convert(&source, to);
    let shown = || render_all(&result.problems, std::slice::from_ref(&source), false);
    result.text.clone().unwrap_or_else(|| panic!("{}\n{text}", shown()))
}

fn json(text: &str, from: Syntax) -> Value {
    serde_json::from_str(&converted(text, from, Target::Json)).unwrap()
}

fn pod(text: &str, syntax: Syntax) -> Pod {
    let options = Options { profile: Some(Profile::Process), ..Options::default() };
    let source = Source { name: "pod".to_owned(), text: text.to_owned(), syntax };
    let loaded = load(std::slice::from_ref(&source), &options);
    loaded.pod.unwrap_or_else(|| panic!("{}\n{text}", render_all(&loaded.problems, &[source], false)))
}

/// Random texts in both syntaxes, with the number of their comments.
fn texts(whole: bool) -> impl Iterator<Item = (String, Syntax, usize)> {
    (0..PODS).map(move |seed| {
        let mut rng = Rng::with_seed(seed);
        let pod = pods::pod(&mut rng, whole);
        let syntax = if rng.bool() { Syntax::Toml } else { Syntax::Yaml };
        let text = match syntax {
            Syntax::Toml => pods::Text::toml(&mut rng, &pod),
            Syntax::Yaml => pods::Text::yaml(&mut rng, &pod),
        };
        (text.out, syntax, text.comments)
    })
}

fn other(syntax: Syntax) -> (Syntax, Target) {
    match syntax {
        Syntax::Toml => (Syntax::Yaml, Target::Yaml),
        Syntax::Yaml => (Syntax::Toml, Target::Toml),
    }
}

fn same(syntax: Syntax) -> Target {
    other(other(syntax).0).1
}

/// The first place where two values differ.
fn difference(a: &Value, b: &Value) -> Option<String> {
    match (a, b) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let mut keys = ours.keys().chain(theirs.keys());
            keys.find_map(|key| difference(&a[key], &b[key]).map(|found| format!(".{key}{found}")))
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            (0..ours.len()).find_map(|at| difference(&a[at], &b[at]).map(|found| format!("[{at}]{found}")))
        }
        _ => (a != b).then(|| format!(": {a} and {b}")),
    }
}

/// A variable without a value is one with an empty value, and in a table it has that.
fn empty_variables(pod: &mut Value) {
    for list in ["containers", "initContainers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            for variable in container["env"].as_array_mut().into_iter().flatten() {
                if variable.as_object().unwrap().len() == 1 {
                    variable["value"] = "".into();
                }
            }
        }
    }
}

#[test]
fn the_pod_is_the_same_in_the_other_syntax_and_back_again() {
    for (text, syntax, _) in texts(false) {
        let (other_syntax, target) = other(syntax);
        let there = converted(&text, syntax, target);
        let back = converted(&there, other_syntax, same(syntax));
        let expected = pod(&text, syntax);
        assert_eq!(pod(&there, other_syntax), expected, "{text}\n\n{there}");
        assert_eq!(pod(&back, syntax), expected, "{text}\n\n{there}\n\n{back}");
    }
}

#[test]
fn what_podinit_does_not_support_survives_as_well() {
    for (text, syntax, _) in texts(true) {
        let (other_syntax, target) = other(syntax);
        let there = converted(&text, syntax, target);
        let mut expected = json(&text, syntax);
        empty_variables(&mut expected);
        // The default of the first syntax is written out for the second.
        let profile = if syntax == Syntax::Toml { "process" } else { "pod" };
        let annotations = &mut expected["metadata"]["annotations"];
        if annotations["podinit.dev/profile"].is_null() {
            annotations["podinit.dev/profile"] = profile.into();
        }
        let mut found = json(&there, other_syntax);
        empty_variables(&mut found);
        assert_eq!(difference(&found, &expected), None, "{text}\n\n{there}");
        let mut rewritten = json(&converted(&text, syntax, same(syntax)), syntax);
        let mut expected = json(&text, syntax);
        empty_variables(&mut rewritten);
        empty_variables(&mut expected);
        assert_eq!(difference(&rewritten, &expected), None, "{text}");
    }
}

#[test]
fn converting_again_and_again_changes_nothing() {
    for (text, syntax, _) in texts(true) {
        let (other_syntax, target) = other(syntax);
        let there = converted(&text, syntax, target);
        assert_eq!(converted(&there, other_syntax, target), there, "the same syntax again");
        // TOML has values before tables: what is first may change once, and a comment above it with it.
        let round = |text: &str| converted(&converted(text, syntax, target), other_syntax, same(syntax));
        let second = round(&round(&text));
        assert_eq!(round(&second), second, "{text}");
    }
}

#[test]
fn no_comment_is_lost_or_written_twice() {
    for (text, syntax, comments) in texts(true) {
        for target in [Target::Toml, Target::Yaml] {
            let written = converted(&text, syntax, target);
            for number in 1..=comments {
                let comment = format!("# comment {number}.");
                assert_eq!(written.matches(&comment).count(), 1, "{comment}\n{text}\n\n{written}");
            }
        }
    }
}

/// Whether everything of `part` is in `whole`.
fn is_in(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|other| is_in(value, other)))
        }
        (Value::Array(part), Value::Array(whole)) => {
            part.len() == whole.len() && part.iter().zip(whole).all(|(part, whole)| is_in(part, whole))
        }
        (part, whole) => part == whole,
    }
}

#[test]
fn kubernetes_types_read_the_yaml_and_miss_nothing() {
    for (text, syntax, _) in texts(true) {
        let yaml = converted(&text, syntax, Target::Yaml);
        // A reader of YAML 1.2 that is not podinit's: quotes that only YAML 1.1 needs do no harm.
        let read: Value = serde_yaml_ng::from_str(&yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
        assert_eq!(difference(&read, &json(&text, syntax)), None, "{yaml}");
        let pod: KubernetesPod = serde_json::from_value(read.clone()).unwrap();
        let again = serde_json::to_value(&pod).unwrap();
        assert!(is_in(&read, &again), "{yaml}\n{again:#}");
    }
}

/// Every file of a directory but its records.
fn files(directory: &str) -> Vec<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "toml"));
    files.sort();
    files
}

#[test]
fn every_example_and_good_manifest_is_converted_as_recorded() {
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert/out");
    let mut wrong = Vec::new();
    let mut records = Vec::new();
    for path in ["examples", "tests/manifests/good", "tests/convert/in"].into_iter().flat_map(files) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let syntax = Syntax::guess(Some(name), &text);
        let source = Source { name: name.to_owned(), text, syntax };
        let (target, extension) = match syntax {
            Syntax::Toml => (Target::Yaml, "yaml"),
            Syntax::Yaml => (Target::Toml, "toml"),
        };
        let result = convert(&source, target);
        // Another object than a Pod has no form in TOML, and the record is of what is said then.
        let extension = if result.text.is_some() { extension } else { "txt" };
        let record = out.join(format!("{name}.{extension}"));
        let found = result.text.unwrap_or_else(|| render_all(&result.problems, &[source], false));
        if std::env::var_os("PODINIT_BLESS").is_some() {
            fs::write(&record, &found).unwrap();
        }
        if fs::read_to_string(&record).ok().as_deref() != Some(&found) {
            wrong.push(format!("{}:\n{found}", record.display()));
        }
        records.push(record);
    }
    assert!(wrong.is_empty(), "other than recorded (PODINIT_BLESS=1 records it):\n{}", wrong.join("\n"));
    for path in fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path()) {
        assert!(records.contains(&path), "{} is the record of nothing", path.display());
    }
}

#[test]
fn a_manifest_with_an_error_is_refused_with_the_problems_of_check() {
    let bad = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n    - {name: A, command: [1]}\n";
    let bad = source("bad.yaml", bad);
    let result = convert(&bad, Target::Toml);
    assert_eq!(result.text, None);
    let options = Options { profile: Some(Profile::Process), ..Options::default() };
    assert_eq!(result.problems, load(&[bad], &options).problems);
}

const DEPLOYMENT: &str = "# the web\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 3\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: a, image: b}]} # one\n";

#[test]
fn an_object_that_is_no_pod_stays_what_it_is() {
    let written = converted(DEPLOYMENT, Syntax::Yaml, Target::Yaml);
    assert!(written.starts_with("# the web\napiVersion: apps/v1\nkind: Deployment\n"), "{written}");
    assert!(written.contains(" # one\n"), "{written}");
    let expected: Value = serde_yaml_ng::from_str(DEPLOYMENT).unwrap();
    assert_eq!(serde_yaml_ng::from_str::<Value>(&written).unwrap(), expected);
    assert_eq!(json(DEPLOYMENT, Syntax::Yaml), expected);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n";
    let item = |text: &str| serde_yaml_ng::from_str::<Value>(text).unwrap().to_string();
    let list = format!("apiVersion: v1\nkind: List\nitems: [{}, {}]\n", item(DEPLOYMENT), item(pod));
    assert_eq!(json(&list, Syntax::Yaml)["items"][1]["kind"], "Pod");
    // Kind, and the message that says that it has no form in TOML.
    for (text, kind) in [(DEPLOYMENT, "Deployment"), (&list, "List")] {
        let result = convert(&source("a.yaml", text), Target::Toml);
        let problem = &result.problems[0];
        assert_eq!((result.text, result.problems.len(), problem.path.as_str()), (None, 1, "kind"));
        let expected = format!("cannot convert kind \"{kind}\": only a Pod has a TOML form");
        assert_eq!(problem.message, expected);
    }
    let config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n";
    for target in [Target::Toml, Target::Yaml, Target::Json] {
        let result = convert(&source("a.yaml", &format!("{pod}{config}")), target);
        assert_eq!((result.text, result.problems.len()), (None, 1));
        assert_eq!(result.problems[0].message, "cannot convert several objects at once");
    }
}

#[test]
fn what_cannot_be_said_in_the_other_syntax_is_told_of() {
    let object = |metadata: &str| {
        source(
            "a.yaml",
            &format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{{metadata}}}\nspec: {{containers: [{{name: a}}]}}\nstatus: {{phase: Running}}\n"
            ),
        )
    };
    let generated = convert(&object("generateName: a-"), Target::Toml).text.unwrap();
    assert!(generated.starts_with("name = \"a\"\n") && !generated.contains("generateName"), "{generated}");
    let both = convert(&object("generateName: a-, name: a-b"), Target::Toml);
    assert!(both.text.unwrap().starts_with("name = \"a-b\"\n"));
    assert_eq!(both.problems[0].message, "leaving out generateName, status: written by a cluster");
    let result = convert(&object("name: a, uid: b"), Target::Toml);
    assert!(result.text.is_some());
    let messages: Vec<_> = result.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(messages, ["leaving out uid, status: written by a cluster"]);
    let kept = convert(&object("generateName: a-, uid: b"), Target::Yaml);
    assert!(kept.text.unwrap().contains("uid: b") && kept.problems.is_empty());
    // A key that YAML cannot have: what is written is read again before it is given out.
    let text = format!(
        "nodeSelector = {{ {} = \"a\" }}\n[[containers]]\nname = \"a\"\ncommand = [\"b\"]\n",
        "k".repeat(2000)
    );
    let result = convert(&source("long.toml", &text), Target::Yaml);
    assert!(result.text.is_none() && result.problems.len() == 1, "{result:?}");
}

#[test]
fn files_of_variables_are_words_in_an_annotation() {
    let text = "[[containers]]\nname = \"a\"\ncommand = [\"b\"]\nenvFile = [\"c\", \"/d e\"]\nenvFromFiles = { F = \"g=h\", I = \"/j\" }\n";
    let yaml = convert(&source("files.toml", text), Target::Yaml).text.unwrap();
    assert!(yaml.contains("podinit.dev/a.envFile: c,/d e\n"), "{yaml}");
    assert!(yaml.contains("podinit.dev/a.envFromFiles: F=g=h,I=/j\n"), "{yaml}");
    let toml = convert(&source("files.yaml", &yaml), Target::Toml).text.unwrap();
    assert!(toml.contains("envFile = [\"c\", \"/d e\"]"), "{toml}");
    assert!(toml.contains("envFromFiles = { F = \"g=h\", I = \"/j\" }"), "{toml}");
}

/// Exit code, stdout and stderr of `podinit` with these words and this on its standard input.
fn podinit(words: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podinit"));
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever refuses the command line does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_writes_the_manifest_or_says_what_is_wrong() {
    let good = "[[containers]]\nname = \"a\"\nimage = \"b\"\ncommand = [\"c\"]\n";
    let (code, yaml, complaints) = podinit(&["convert", "-", "-o", "yaml"], good);
    assert_eq!((code, complaints.as_str()), (Some(0), ""));
    assert!(yaml.starts_with("apiVersion: v1\nkind: Pod\n") && yaml.ends_with("command: [c]\n"), "{yaml}");
    assert_eq!(podinit(&["check", "--kubernetes", "-"], &yaml).0, Some(0));
    let (code, written, complaints) =
        podinit(&["convert", "-f", "-", "-o", "json"], &good.replace("[\"c\"]", "3"));
    assert_eq!((code, written.as_str()), (Some(1), ""));
    assert!(complaints.starts_with("error: cannot use command 3"), "{complaints}");
    let without_image = good.replace("image = \"b\"\n", "");
    assert_eq!(podinit(&["check", "-"], &without_image).0, Some(0));
    assert_eq!(podinit(&["check", "--kubernetes", "-"], &without_image).0, Some(1));
    for words in [&["convert", "-"][..], &["convert", "-o", "xml", "-"], &["convert", "a", "b", "-o", "yaml"]]
    {
        assert_eq!(podinit(words, "").0, Some(2), "{words:?}");
    }
}
