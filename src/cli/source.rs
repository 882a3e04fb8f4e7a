//! Reading manifests: regular files of bounded size, or standard input (SPEC-14).

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::ArgMatches;
use nix::fcntl::OFlag;

use crate::plan::{self, Feature};
use crate::runtime;
use crate::spec::{self, Loaded, Problem, Severity, Source, Syntax};

/// What the files have in them.
pub(super) struct Manifests {
    /// Every file that was named, in this order.
    pub sources: Vec<Source>,
    /// What is wrong with each of these that could not be read.
    pub unreadable: Vec<Problem>,
}

/// A manifest that cannot be read, as the only source of its problem.
struct Unreadable {
    source: Source,
    problem: Problem,
}

impl Unreadable {
    fn new(name: &str, message: String, help: &str) -> Box<Self> {
        let source = Source { name: name.to_owned(), text: String::new(), syntax: Syntax::Toml };
        let problem = Problem {
            severity: Severity::Error,
            message,
            source: Some(0),
            span: None,
            path: String::new(),
            label: String::new(),
            note: None,
            help: help.to_owned(),
            secret: false,
        };
        Box::new(Self { source, problem })
    }
}

/// The files that were named.
pub(super) fn names(matches: &ArgMatches) -> impl Iterator<Item = &OsString> {
    let named = |name| matches.get_many::<OsString>(name).into_iter().flatten();
    named("FILE").chain(named("filename"))
}

/// Reads every file that was named.
pub(super) fn read_all(matches: &ArgMatches) -> Manifests {
    let mut all = Manifests { sources: Vec::new(), unreadable: Vec::new() };
    for name in names(matches) {
        all.add(name);
    }
    all
}

/// Reads one file.
pub(super) fn read_one(name: &OsStr) -> Manifests {
    let mut one = Manifests { sources: Vec::new(), unreadable: Vec::new() };
    one.add(name);
    one
}

impl Manifests {
    fn add(&mut self, name: &OsStr) {
        self.sources.push(match read(name) {
            Ok(source) => source,
            Err(unreadable) => {
                let source = Some(self.sources.len());
                self.unreadable.push(Problem { source, ..unreadable.problem });
                unreadable.source
            }
        });
    }
}

fn read(name: &OsStr) -> Result<Source, Box<Unreadable>> {
    let (shown, bytes) = if name == "-" {
        let shown = "<stdin>".to_owned();
        let bytes = runtime::read_standard_input(spec::MAX_SIZE + 1);
        (shown, bytes)
    } else {
        (name.to_string_lossy().into_owned(), read_file(Path::new(name))?)
    };
    let bytes = bytes.map_err(|error| cannot_read(&shown, error))?;
    let file_name = (name != "-").then_some(shown.as_str());
    let syntax = Syntax::guess(file_name, &String::from_utf8_lossy(&bytes));
    Source::from_bytes(&shown, bytes, syntax)
        .map_err(|not_text| Box::new(Unreadable { source: not_text.source, problem: not_text.problem }))
}

/// Looks at what was opened, not at a name that may come to mean something else; O_NONBLOCK, or a FIFO
/// would be waited for.
fn read_file(path: &Path) -> Result<io::Result<Vec<u8>>, Box<Unreadable>> {
    let shown = path.to_string_lossy();
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(path) {
        Ok(file) => file,
        Err(error) => return Err(cannot_read(&shown, error)),
    };
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => {
            let message = "cannot read this file: it is no regular file".to_owned();
            let help = format!("pass its content to standard input: `podinit run - < {shown}`");
            Err(Unreadable::new(&shown, message, &help))
        }
        Ok(_) => Ok(read_limited(file)),
        Err(error) => Ok(Err(error)),
    }
}

/// One byte more than allowed is enough to know that it is too much.
fn read_limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(spec::MAX_SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What was read, and as a problem what of the pod this podinit was built without.
pub(super) fn with_features(mut loaded: Loaded) -> Loaded {
    let Some(pod) = &loaded.pod else { return loaded };
    let problem = |(what, feature): (String, Feature)| Problem {
        severity: Severity::Error,
        message: format!("cannot do {what}: this podinit was built without its feature `{}`", feature.name()),
        source: None,
        span: None,
        path: String::new(),
        label: String::new(),
        note: None,
        help: "use a podinit with all of its features, which a plain `cargo build` makes".to_owned(),
        secret: false,
    };
    let problems: Vec<_> = plan::left_out(pod, Feature::is_built_in).into_iter().map(problem).collect();
    if !problems.is_empty() {
        loaded.pod = None;
        loaded.problems.extend(problems);
    }
    loaded
}

fn cannot_read(shown: &str, error: io::Error) -> Box<Unreadable> {
    let cause = runtime::cause(error);
    Unreadable::new(shown, format!("cannot read this file: {cause}"), "is the path right?")
}
