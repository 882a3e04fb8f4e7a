//! Text of a manifest in, a validated [`Pod`] or every [`Problem`] of the file out. Pure: this room
//! knows no file, clock, environment or process, and no other room of the house.
//!
//! `yaml` and `toml` make one positioned `tree`. `documents` tells what each document is; `manifest`,
//! `workload`, `config` and their parts read it with the strict cursors of `decode`; what is done about a
//! key nobody reads stands in `fields`, about a kind in `kind`.

mod config;
mod container;
mod container_settings;
mod convert;
mod decode;
mod documents;
mod environment;
mod expand;
mod fields;
mod handler;
mod job;
mod kind;
mod kubelet;
mod kubernetes;
mod lifecycle;
mod limits;
mod manifest;
mod metadata;
mod name;
mod object;
mod origins;
mod path;
mod pod;
mod port;
mod probe;
mod problem;
mod quantity;
mod references;
mod resize;
mod resources;
mod rootfs;
mod sandbox;
mod schema;
mod script;
mod security_context;
mod selector;
mod settings;
mod signal;
mod snippet;
mod stdin;
mod suggest;
mod toml;
mod tree;
mod volume;
mod workload;
mod write;
mod yaml;

pub use config::{ConfigMap, ObjectName, Objects, Secret};
pub use convert::{Converted, Target, convert};
pub use environment::{
    BrokenLine, CountedResource, EnvFrom, EnvFromSource, EnvValue, EnvVar, FileKeyRef, KeyRef, PodField,
    ResourceRef, env_file, volume_env_file,
};
pub use expand::expand;
pub use kubelet::{KubeletConfiguration, MemoryReservationPolicy};
pub use kubernetes::check_for_kubernetes;
pub use limits::{MAX_DEPTH, MAX_NODES, MAX_SIZE};
pub use origins::Origins;
pub use pod::*;
pub use problem::{MAX_PROBLEMS_SHOWN, Note, Problem, Severity, render_all, to_json};
pub use quantity::Quantity;
pub use resources::{Amounts, Resources};
pub use rootfs::{Rootfs, RootfsLayer};
pub use sandbox::*;
pub use schema::schema;
pub use script::{
    Conduct, Incident, IncidentKind, LoadedScript, Run, Script, ScriptedExit, ScriptedHook, load_script,
};
pub use security_context::*;
pub use signal::Signal;
pub use stdin::Stdin;
pub use suggest::nearest;
pub use tree::Span;
pub use volume::*;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use limits::too_large;

use decode::Purpose;
use documents::{Document, Read, Subject};

/// At the start of a text it says only that the text is Unicode.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// A manifest's text and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As shown in problems: the path, or `<stdin>`.
    pub name: String,
    /// All of it.
    pub text: String,
    /// How to read it.
    pub syntax: Syntax,
}

/// How a manifest is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// The spec's fields at the top.
    Toml,
    /// A Kubernetes object; JSON as well.
    Yaml,
}

/// What the caller has to say about the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Wins over the manifest's.
    pub profile: Option<Profile>,
    /// Wins over the manifest's.
    pub name: Option<String>,
    /// Grace where the manifest has none.
    pub default_grace: Duration,
    /// What would have no effect on one host is an error, not a warning.
    pub kube_strict: bool,
}

/// As if nothing was said; Kubernetes' grace.
impl Default for Options {
    fn default() -> Self {
        Self { profile: None, name: None, default_grace: Duration::from_secs(30), kube_strict: false }
    }
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// The pod; there exactly when no problem is an error.
    pub pod: Option<Pod>,
    /// What stands beside the pod for it to refer to.
    pub objects: Arc<Objects>,
    /// In the order of the sources and their lines.
    pub problems: Vec<Problem>,
    /// Where the pod's values stand.
    pub origins: Origins,
}

/// Bytes that are no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotText {
    /// The bytes with `�` for what is no UTF-8: what the problem is shown with.
    pub source: Source,
    /// What is wrong, as a problem of the source at position 0.
    pub problem: Problem,
}

/// Reads the one pod that the sources have between them, and finds everything that is wrong with it.
pub fn load(sources: &[Source], options: &Options) -> Loaded {
    load_readable(sources, Vec::new(), options)
}

/// As [`load`], where some sources could not be read: `unreadable` has a problem for each of them. Their
/// texts are only what the problems are shown with.
pub fn load_readable(sources: &[Source], unreadable: Vec<Problem>, options: &Options) -> Loaded {
    let mut problems = unreadable;
    let documents = documents(sources, &mut problems);
    read(Purpose::Run, sources, &documents, options, problems).0
}

/// The documents of all sources that `problems` do not call unreadable.
fn documents(sources: &[Source], problems: &mut Vec<Problem>) -> Vec<Document> {
    let left_out: Vec<Option<usize>> = problems.iter().map(|problem| problem.source).collect();
    let mut documents = Vec::new();
    for (position, source) in sources.iter().enumerate() {
        if left_out.contains(&Some(position)) {
            continue;
        }
        if let Some(problem) = unusable(position, &source.text) {
            problems.push(problem);
            continue;
        }
        let roots = parse(position, source, problems);
        documents.extend(roots.into_iter().map(|root| Document { source: position, root }));
    }
    documents
}

/// The pod of the documents, and every object that they have.
fn read<'a>(
    purpose: Purpose,
    sources: &[Source],
    documents: &'a [Document],
    options: &Options,
    mut problems: Vec<Problem>,
) -> (Loaded, Vec<Subject<'a>>) {
    let Read { pod, objects, origins, subjects } =
        documents::read(sources, documents, options, purpose, &mut problems);
    problems.sort_by_key(|problem| (problem.source, problem.span.map(|span| span.start)));
    let fine = problems.iter().all(|problem| problem.severity == Severity::Warning);
    (Loaded { pod: pod.filter(|_| fine), objects, problems, origins }, subjects)
}

/// The documents of one source.
fn parse(position: usize, source: &Source, problems: &mut Vec<Problem>) -> Vec<Rc<tree::Node>> {
    match source.syntax {
        Syntax::Yaml => yaml::parse(position, &source.name, &source.text, problems),
        Syntax::Toml => toml::parse(position, &source.text, problems).into_iter().collect(),
    }
}

fn unusable(source: usize, text: &str) -> Option<Problem> {
    if text.len() > MAX_SIZE {
        return Some(too_large(source));
    }
    let nul = text.find('\0')?;
    Some(
        Problem::error(source, Span::new(nul, nul + 1), "cannot read this file: it has a NUL character")
            .label("a byte of value 0")
            .help("save the file as UTF-8 text; an escape such as `\\0` in a string is refused as well"),
    )
}

impl Source {
    /// The line, from 1, that a place of this source is in.
    pub fn line(&self, place: Span) -> usize {
        snippet::position(&self.text, place.start).0
    }

    /// A source of bytes that should be UTF-8.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, syntax: Syntax) -> Result<Self, Box<NotText>> {
        let name = name.to_owned();
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => return Ok(Self { name, text, syntax }),
            Err(error) => error.into_bytes(),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        // Up to the first bad byte both are the same.
        let at = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
        let problem = Problem::error(
            0,
            Span::new(at, at + '\u{fffd}'.len_utf8()),
            "cannot read this file: it is no UTF-8",
        )
        .label(format!("byte 0x{:02x}", bytes.get(at).copied().unwrap_or_default()))
        .help("save the file as UTF-8");
        Err(Box::new(NotText { source: Self { name, text, syntax }, problem }))
    }
}

impl Syntax {
    /// The syntax of a file by its name or, where that says nothing, by its first lines.
    pub fn guess(file_name: Option<&str>, text: &str) -> Self {
        let extension = file_name.and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("toml") => return Self::Toml,
            Some("yaml" | "yml" | "json") => return Self::Yaml,
            Some(_) | None => {}
        }
        let text = text.trim_start_matches(BYTE_ORDER_MARK);
        let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let first = first.unwrap_or_default();
        let key = first.find('=').map_or("", |at| first.get(..at).unwrap_or_default());
        let list = first.strip_prefix('[').map(str::trim_start);
        let is_json = list.is_some_and(|items| items.is_empty() || items.starts_with(['{', '"']));
        let toml = (list.is_some() && !is_json) || (!key.is_empty() && !key.contains([':', '{']));
        if toml { Self::Toml } else { Self::Yaml }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a, command: [x]}]\n";

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.to_owned(), text: text.to_owned(), syntax: Syntax::guess(Some(name), text) }
    }

    fn options() -> Options {
        Options {
            profile: Some(Profile::Process),
            default_grace: Duration::from_secs(7),
            ..Options::default()
        }
    }

    fn pod(source: Source, options: &Options) -> Pod {
        let loaded = load(std::slice::from_ref(&source), options);
        loaded.pod.unwrap_or_else(|| panic!("{}", render_all(&loaded.problems, &[source], false)))
    }

    #[test]
    fn options_fill_in_and_win() {
        let found = pod(source("a.yaml", POD), &options());
        assert_eq!(found.termination_grace_period, Duration::from_secs(7));
        assert_eq!(found.restart_policy, RestartPolicy::Never);
        let named = Options { name: Some("b.c".to_owned()), ..options() };
        assert_eq!(&*pod(source("a.yaml", POD), &named).metadata.name, "b.c");
        let no_profile = Options { profile: None, ..options() };
        assert_eq!(pod(source("a.yaml", POD), &no_profile).profile, Profile::Pod);
        let bad_name = Options { name: Some("B/c".to_owned()), ..options() };
        let problems = load(&[source("a.yaml", POD)], &bad_name).problems;
        assert_eq!(problems[0].source, None);
        assert_eq!(problems[0].help, "use `--name b-c`");
    }

    #[test]
    fn a_toml_pod_without_a_name_is_called_as_its_file() {
        let text = "[[containers]]\nname = \"a\"\ncommand = [\"x\"]\n";
        let names = [("x/My Web.v1.toml", "my-web-v1"), ("<stdin>", "pod"), ("….toml", "pod")];
        for (file, name) in names {
            let source = Source { name: file.to_owned(), text: text.to_owned(), syntax: Syntax::Toml };
            assert_eq!(&*pod(source, &options()).metadata.name, name);
        }
    }

    #[test]
    fn the_pod_may_be_in_any_of_several_sources() {
        let sources = [source("empty.yaml", "# nothing\n"), source("a.yaml", POD)];
        assert!(load(&sources, &options()).pod.is_some());
        let twice = [source("a.yaml", POD), source("b.yaml", POD)];
        let problems = load(&twice, &options()).problems;
        assert_eq!((problems.len(), problems[0].source), (1, Some(1)));
        assert_eq!(problems[0].note.as_ref().map(|note| note.source), Some(0));
        assert_eq!(load(&[], &options()).problems.len(), 1);
    }

    #[test]
    fn what_can_be_read_is_judged_beside_what_cannot() {
        let sources = [source("gone", ""), source("b.yaml", &POD.replace("name: a,", "nam: a,"))];
        let gone = || vec![Problem::of_source(0, "cannot read this file")];
        let problems = load_readable(&sources, gone(), &options()).problems;
        assert_eq!(problems.iter().map(|problem| problem.source).collect::<Vec<_>>(), [Some(0), Some(1)]);
        // Whether the pod is in the file that is gone, nobody knows.
        assert_eq!(load_readable(&sources[..1], gone(), &options()).problems, gone());
    }

    #[test]
    fn a_negative_grace_period_counts_as_one_second() {
        let text = |seconds: &str| format!("{POD}  terminationGracePeriodSeconds: {seconds}\n");
        let cases = [
            ("-1", 1),
            ("-9223372036854775808", 1),
            ("0", 0),
            ("1e1", 10),
            ("9223372036854775807", i64::MAX as u64),
        ];
        for (seconds, grace) in cases {
            let found = pod(source("a.yaml", &text(seconds)), &options()).termination_grace_period;
            assert_eq!(found, Duration::from_secs(grace), "{seconds}");
        }
        for seconds in ["9223372036854775808", "-9223372036854775809", "1e30", "0.5", ".nan", "-.inf"] {
            assert!(load(&[source("a.yaml", &text(seconds))], &options()).pod.is_none(), "{seconds}");
        }
    }

    #[test]
    fn a_short_longest_delay_is_the_first_delay_as_well() {
        let delays = |keys: &str| {
            let text = format!("[[containers]]\nname = \"a\"\ncommand = [\"x\"]\n[crashLoopBackOff]\n{keys}");
            let back_off = pod(source("a.toml", &text), &options()).crash_loop_back_off;
            (back_off.initial_delay.as_secs_f64(), back_off.max_delay.as_secs_f64())
        };
        assert_eq!(delays(""), (10.0, 300.0));
        assert_eq!(delays("maxDelaySeconds = 2.5"), (2.5, 2.5));
        assert_eq!(delays("maxDelaySeconds = 20"), (10.0, 20.0));
        assert_eq!(delays("initialDelaySeconds = 0"), (0.0, 300.0));
    }

    #[test]
    fn syntax_is_guessed_by_name_and_then_by_text() {
        let cases = [
            (Some("a.toml"), "a: b", Syntax::Toml),
            (Some("a.YML"), "a = 1", Syntax::Yaml),
            (Some("a.json"), "{}", Syntax::Yaml),
            (None, "\n# x\nname = \"a\"", Syntax::Toml),
            (None, "[[containers]]", Syntax::Toml),
            (None, "a: b=c", Syntax::Yaml),
            (Some("manifest"), "{\"a\": \"b=c\"}", Syntax::Yaml),
            (None, "---\nkind: Pod", Syntax::Yaml),
            (None, "[{\"a\": 1}]", Syntax::Yaml),
            (None, "[ \"a\"]", Syntax::Yaml),
            (None, "[\n {\"a\": 1}]", Syntax::Yaml),
            (None, "[os]", Syntax::Toml),
            (None, "", Syntax::Yaml),
        ];
        for (name, text, syntax) in cases {
            assert_eq!(Syntax::guess(name, text), syntax, "{name:?} {text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_where_they_are() {
        let no_text =
            Source::from_bytes("a.yaml", b"a: \xc3\xa9\nb: \xff\n".to_vec(), Syntax::Yaml).unwrap_err();
        let shown = no_text.problem.render(&[no_text.source], false);
        assert!(shown.contains("a.yaml:2:4\n") && shown.contains("byte 0xff"), "{shown}");
    }

    #[test]
    fn what_a_probe_leaves_out_or_sets_to_zero_is_the_default() {
        let text = POD
            .replace("[x]", "[x], startupProbe: {httpGet: {port: 80, path: \"a b#c\"}, timeoutSeconds: 0}");
        let found = pod(source("a.yaml", &text), &options());
        let probe = found.containers[0].startup_probe.as_ref().unwrap();
        assert_eq!((probe.timeout, probe.period), (Duration::from_secs(1), Duration::from_secs(10)));
        assert_eq!((probe.success_threshold, probe.failure_threshold), (1, 3));
        let ProbeHandler::HttpGet(HttpGet { path, host, .. }) = &probe.handler else { panic!("{probe:?}") };
        assert_eq!((path.as_str(), host), ("/a%20b", &ProbeHost::Pod));
    }
}
