//! `podinit simulate` as a user has it: bad scripts with their diagnostics beside them, the recorded
//! timeline and picture of a pod's whole life, and pictures that are well-formed whatever the pod.
//!
//! `PODINIT_BLESS=1 cargo test --test simulate` records them anew; read and look before you keep them.

// A test fails by panicking, and starts the program that it tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use podinit::sim::{Conclusion, State, Timeline, simulate};
use podinit::spec::{Options, Pod, Profile, Script, Source, Syntax, load, load_script, render_all};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn source(path: &Path) -> Source {
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let text = fs::read_to_string(path).unwrap();
    Source { syntax: Syntax::guess(Some(&name), &text), name, text }
}

fn pod_of(source: Source) -> Pod {
    let options = Options { profile: Some(Profile::Process), ..Options::default() };
    let loaded = load(std::slice::from_ref(&source), &options);
    loaded.pod.unwrap_or_else(|| panic!("{}", render_all(&loaded.problems, &[source], false)))
}

fn pod(toml: &str) -> Pod {
    pod_of(Source { name: "pod.toml".to_owned(), text: toml.to_owned(), syntax: Syntax::Toml })
}

fn script(toml: &str, pod: &Pod) -> Script {
    let source = Source { name: "script.toml".to_owned(), text: toml.to_owned(), syntax: Syntax::Toml };
    let loaded = load_script(&source, pod);
    loaded.script.unwrap_or_else(|| panic!("{}", render_all(&loaded.problems, &[source], false)))
}

fn life(manifest: &str, its_script: &str, until: Option<u64>) -> Timeline {
    let pod = pod(manifest);
    let script = script(its_script, &pod);
    simulate(pod, &script, until.map(Duration::from_secs)).unwrap()
}

/// Compares with what is recorded, or records it.
fn assert_recorded(record: &Path, found: &str) {
    if std::env::var_os("PODINIT_BLESS").is_some() {
        fs::write(record, found).unwrap();
    }
    let recorded = fs::read_to_string(record).unwrap_or_default();
    let record = record.display();
    assert!(recorded == found, "{record} differs (PODINIT_BLESS=1 records it):\n{found}");
}

fn podinit(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podinit"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("PODINIT_GRACE");
    command.arg("simulate").args(arguments).output().unwrap()
}

const WHOLE_LIFE: [&str; 3] =
    ["--script", "examples/scripts/crashing-sidecars.toml", "examples/crashing-sidecars.yaml"];

#[test]
fn each_bad_script_is_refused_as_recorded() {
    let pod = pod_of(source(&path("tests/scripts/pod.toml")));
    let entries = fs::read_dir(path("tests/scripts/bad")).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts = 0;
    for script in entries {
        if script.extension().is_some_and(|extension| extension == "txt") {
            assert!(script.with_extension("").exists(), "{} has no script", script.display());
            continue;
        }
        scripts += 1;
        let source = source(&script);
        let loaded = load_script(&source, &pod);
        assert_eq!(loaded.script, None, "{}", script.display());
        for problem in &loaded.problems {
            assert!(problem.message.starts_with("cannot "), "{}: {}", script.display(), problem.message);
            assert!(!problem.help.is_empty(), "{}: no help: {}", script.display(), problem.message);
        }
        let found = render_all(&loaded.problems, &[source], false);
        assert_recorded(&script.with_added_extension("txt"), &found);
    }
    assert!(scripts >= 8, "{scripts} scripts");
}

#[test]
fn a_whole_life_is_told_as_recorded() {
    let output = podinit(&WHOLE_LIFE);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_recorded(&path("tests/scripts/crashing-sidecars.txt"), &String::from_utf8(output.stdout).unwrap());
}

#[test]
fn the_picture_of_the_readme_is_the_one_that_its_command_makes() {
    let command = format!("podinit simulate {} -o svg {}", WHOLE_LIFE[..2].join(" "), WHOLE_LIFE[2]);
    let readme = fs::read_to_string(path("README.md")).unwrap();
    assert!(readme.contains(&command), "README.md does not have `{command}`");
    assert!(readme.contains("(docs/crashing-sidecars.svg)"), "README.md does not show the picture");
    let output = podinit(&[&WHOLE_LIFE[..], &["-o", "svg"]].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_recorded(&path("docs/crashing-sidecars.svg"), &String::from_utf8(output.stdout).unwrap());
}

#[test]
fn problems_go_to_stderr_and_the_exit_code_says_so() {
    let bad = "tests/scripts/bad/unknown-containers.toml";
    let output = podinit(&["--script", bad, "tests/scripts/pod.toml"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
    assert!(stderr.contains(&format!("{bad}:1:13")) && stderr.contains("did you mean \"web\"?"), "{stderr}");
    assert_eq!(podinit(&["tests/manifests/bad/misspelt.toml"]).status.code(), Some(1));
    assert_eq!(podinit(&["no-such-file"]).status.code(), Some(1));
    // One of them would be empty, and an empty script is a script.
    assert_eq!(podinit(&["--script", "-", "-"]).status.code(), Some(2));
    assert_eq!(podinit(&["--until", "soon", "tests/scripts/pod.toml"]).status.code(), Some(2));
}

const PAIR: &str = "
restartPolicy = \"Always\"
[crashLoopBackOff]
initialDelaySeconds = 0
maxDelaySeconds = 0
[[initContainers]]
name = \"helper\"
restartPolicy = \"Always\"
command = [\"x\"]
[[containers]]
name = \"web\"
command = [\"x\"]
";

#[test]
fn a_life_without_an_end_is_followed_as_far_as_the_output_says() {
    let runs_on = "[containers.web]\nruns = [{}]\n";
    let quiet = life(PAIR, runs_on, None);
    assert_eq!(quiet.conclusion(), Conclusion::Quiet);
    assert!(quiet.to_text().ends_with("\nRunning, not over: helper, web run until they are told to end\n"));
    let bounded = life(PAIR, "", Some(60));
    assert_eq!((bounded.conclusion(), bounded.end()), (Conclusion::Bounded, Duration::from_secs(60)));
    assert!(bounded.to_text().contains("not over at +60.000, where the simulation ends"));
    assert_eq!(life(PAIR, "", None).end(), Duration::from_secs(600));
    let busy = life(PAIR, "[containers.web]\nruns = [{ lasts = 0 }]\n", None);
    assert_eq!(busy.conclusion(), Conclusion::Busy);
    assert!(busy.to_text().contains("containers restart without a delay"));
    assert!(busy.to_svg().len() < 20_000, "{} bytes", busy.to_svg().len());
}

#[test]
fn events_that_come_too_late_are_not_passed_over_in_silence() {
    let script = "[[events]]\nat = 1\nkill = true\n[[events]]\nat = 2\nrestart = \"web\"\n";
    let killed = life(PAIR, script, None);
    assert!(matches!(killed.conclusion(), Conclusion::Over(137, _)), "{:?}", killed.conclusion());
    assert!(killed.to_text().ends_with("\nnot reached: 1 event of the script\n"), "{}", killed.to_text());
}

#[test]
fn the_states_of_a_container_follow_its_script() {
    let manifest = PAIR.replace(
        "[[containers]]",
        "startupProbe = { tcpSocket = { port = 1 }, periodSeconds = 1 }\n[[containers]]",
    );
    let script = "
[containers.helper]
runs = [{ lasts = 5, exit = \"SEGV\" }, {}]
startTakes = 0.5
readyAfter = 1.5
[containers.web]
runs = [{}]
ignoresStop = true
[[events]]
at = 20
stop = \"INT\"
";
    let timeline = life(&manifest, script, None);
    let spans = |position: usize| -> Vec<(u128, State)> {
        timeline.rows()[position].spans.iter().map(|span| (span.from.as_millis(), span.state)).collect()
    };
    use State::*;
    let helper = [
        (0, Starting),
        (500, NotStarted),
        (2500, Running),
        (5500, Starting),
        (6000, NotStarted),
        (8000, Running),
        (50_000, Stopping),
    ];
    assert_eq!(spans(0), helper);
    let web = [(2500, Running), (20_000, Stopping), (50_000, Terminated { completed: false })];
    assert_eq!(spans(1), web);
    // SIGKILL by the end of the grace period; the sidecar's turn comes after the main container's end.
    assert_eq!(timeline.end(), Duration::from_millis(50_200));
    let text = timeline.to_text();
    assert!(text.contains("+50.000  web     sent SIGKILL\n"), "{text}");
    assert!(text.ends_with("\nFailed, exit code 137: container web failed\n"), "{text}");
}

#[test]
fn every_picture_is_well_formed_and_stands_alone() {
    let mut names = vec!["examples/crashing-sidecars.yaml".to_owned()];
    for entry in fs::read_dir(path("examples")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_file() {
            names.push(format!("examples/{}", entry.file_name().into_string().unwrap()));
        }
    }
    for name in names {
        let mut pod = pod_of(source(&path(&name)));
        pod.metadata.name = "<a & \"b\">".into();
        let svg = simulate(pod, &Script::default(), None).unwrap().to_svg();
        let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
        let texts: Vec<_> = document.descendants().filter_map(|node| node.text()).collect();
        assert!(texts.contains(&"<a & \"b\">"), "{name}: the pod's name is not there as it is");
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            assert!(
                !["script", "image", "use", "a", "foreignObject"].contains(&node.tag_name().name()),
                "{name}"
            );
            for attribute in node.attributes() {
                let is_event = attribute.name().starts_with("on");
                assert!(
                    !is_event && attribute.name() != "href" && !attribute.value().contains("NaN"),
                    "{name}"
                );
            }
        }
        let without_namespace = svg.replacen("http://www.w3.org/2000/svg", "", 1);
        assert!(!without_namespace.contains("://") && !without_namespace.contains("@import"), "{name}");
    }
}

/// The example with probes and hooks, by its script: what each of them leads to.
#[test]
fn probes_and_hooks_go_as_the_script_says() {
    let arguments = ["--script", "examples/scripts/probes-and-hooks.toml", "examples/probes-and-hooks.toml"];
    let output = podinit(&arguments);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = [
        " +0.200  web    postStart hook begins",
        " +0.700  web    startup probe succeeded",
        " +5.700  web    readiness probe succeeded",
        "+20.700  web    container web failed liveness probe, will be restarted",
        "+20.700  web    preStop hook begins",
        "+21.700  web    sent SIGTERM",
        "+21.900  web    started container web, restart 1",
    ];
    let mut lines = text.lines();
    for line in expected {
        assert!(lines.any(|found| found == line), "{line:?} does not come in its order:\n{text}");
    }
}
