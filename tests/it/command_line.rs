//! What is said about a command line, and what `podinit check` says of several files.

use std::process::Command;

use crate::harness::{Directory, Ended, PODINIT, Running};

fn podinit(words: &[&str]) -> Ended {
    Running::start(Command::new(PODINIT).args(words)).end()
}

#[test]
fn a_slip_of_the_finger_is_told_the_command() {
    for (word, command) in [("chekc", "check"), ("runn", "run"), ("halp", "help")] {
        let ended = podinit(&[word, "pod.toml"]);
        let message = format!("podinit: cannot understand {word:?}: did you mean `podinit {command}`?");
        assert_eq!((ended.code(), &ended.stderr[..]), (125, &[message][..]));
    }
}

#[test]
fn a_program_without_dashes_before_it_is_told_where_they_go() {
    let cases: [(&[&str], &str, &str); 4] = [
        (&["true"], "true", "podinit -- true"),
        (&["-g", "true"], "true", "podinit -g -- true"),
        (&["-e", "143", "check", "x"], "check", "podinit -e 143 -- check x"),
        (&["sh", "-c", "echo a b", "it's"], "sh", "podinit -- sh -c 'echo a b' \"it's\""),
    ];
    for (words, word, line) in cases {
        let ended = podinit(words);
        let message = format!("podinit: cannot understand {word:?}: to run a program write `{line}`");
        assert_eq!((ended.code(), &ended.stderr[..]), (125, &[message][..]));
    }
}

#[test]
fn a_manifest_without_a_command_is_told_the_command() {
    let ended = podinit(&["my pod.yaml"]);
    let message =
        "podinit: cannot understand \"my pod.yaml\": to run a pod write `podinit run 'my pod.yaml'`";
    assert_eq!((ended.code(), &ended.stderr[..]), (125, &[message.to_owned()][..]));
}

#[test]
fn an_unknown_option_is_no_program() {
    for (words, code) in [(&["--foo"][..], 125), (&["check", "--foo", "pod.toml"], 2)] {
        let ended = podinit(words);
        assert_eq!(ended.code(), code);
        assert!(ended.stderr[0].starts_with("error: unexpected argument '--foo'"), "{ended:?}");
    }
}

#[test]
fn help_helps() {
    assert_eq!(podinit(&["help"]).stdout, podinit(&["--help"]).stdout);
    let ended = podinit(&["help", "check"]);
    assert_eq!(ended.code(), 0);
    assert_eq!(ended.stdout, podinit(&["check", "--help"]).stdout);
    let codes = ended.stdout.iter().find(|line| line.starts_with("Exit code")).unwrap();
    assert!(codes.contains("1 otherwise; 2 for a bad command line"), "{codes}");
}

const POD: &str = "[[containers]]\nname = \"main\"\ncommand = [\"true\"]\n";

#[test]
fn an_empty_grace_of_the_environment_is_none() {
    let directory = Directory::new();
    let pod = directory.file("pod.toml", POD);
    let pod = pod.to_str().unwrap();
    for words in [&["--", "true"][..], &["-g", "--", "true"], &["run", pod], &["check", pod]] {
        let ended = Running::start(Command::new(PODINIT).args(words).env("PODINIT_GRACE", "")).end();
        assert_eq!(ended.code(), 0, "{ended:?}");
    }
}

#[test]
fn a_bad_grace_of_the_environment_matters_only_where_there_is_a_grace() {
    let directory = Directory::new();
    let pod = directory.file("pod.toml", POD);
    let pod = pod.to_str().unwrap();
    let run =
        |words: &[&str]| Running::start(Command::new(PODINIT).args(words).env("PODINIT_GRACE", "abc")).end();
    let message = "podinit: cannot use PODINIT_GRACE=abc: write a number of seconds, such as 10 or 0.5";
    for words in [&["--", "true"][..], &["-g", "--", "true"], &["run", pod]] {
        let ended = run(words);
        assert_eq!((ended.code(), ended.stderr), (125, vec![message.to_owned()]));
    }
    // An option wins over the environment, so that nobody reads that.
    for words in [&["check", pod][..], &["--grace", "1", "--", "true"], &["run", "--grace=1", pod]] {
        assert_eq!(run(words).code(), 0, "{words:?}");
    }
}

#[test]
fn files_that_cannot_be_read_hide_nothing() {
    let directory = Directory::new();
    directory.file("bad.yaml", "kind: Pod\n");
    directory.file("broken.yaml", "a: [\n");
    std::fs::write(directory.path("bytes.toml"), b"a = \"\xff\"\n").unwrap();
    let files = ["bad.yaml", "gone", "broken.yaml", "bytes.toml", "gone too"];
    let check = |options: &[&str]| {
        let mut command = Command::new(PODINIT);
        Running::start(command.arg("check").args(options).args(files).current_dir(directory.path("."))).end()
    };
    let ended = check(&[]);
    assert_eq!(ended.code(), 1);
    let places: Vec<&str> =
        ended.stdout.iter().filter_map(|line| line.trim_start().strip_prefix("--> ")).collect();
    let starts: Vec<_> =
        files.iter().map(|file| places.iter().position(|place| place.starts_with(file)).unwrap()).collect();
    assert!(starts.is_sorted(), "the files are out of order: {places:?}");
    assert!(!ended.stdout.iter().any(|line| line.contains("cannot find a pod")), "{ended:?}");

    let diagnostics: serde_json::Value =
        serde_json::from_str(&check(&["--format", "json"]).stdout.concat()).unwrap();
    let diagnostics = diagnostics["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), places.len());
    assert_eq!(diagnostics.last().unwrap()["file"], "gone too");
}

#[test]
fn run_tells_of_every_missing_file() {
    let directory = Directory::new();
    let pod = directory.file("pod.toml", POD);
    let mut command = Command::new(PODINIT);
    command.args(["run", "a", "b"]).arg(&pod).current_dir(directory.path("."));
    let ended = Running::start(&mut command).end();
    assert_eq!(ended.code(), 125);
    for line in [" --> a", " --> b", "podinit: cannot run the pod: 2 errors in its manifest"] {
        assert!(ended.stderr.iter().any(|found| found == line), "{line}: {ended:?}");
    }
}

#[test]
fn a_list_on_standard_input_is_json() {
    let directory = Directory::new();
    let list = directory.file("list", "[{\"a\": 1}]");
    let mut command = Command::new(PODINIT);
    let ended = Running::start(command.args(["check", "-"]).stdin(std::fs::File::open(list).unwrap())).end();
    assert_eq!((ended.code(), ended.stdout[0].as_str()), (1, "error: cannot use a list as a manifest"));
}
