//! Reading manifests: regular files of bounded size, or standard input (SPEC-14).

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::ArgMatches;
use nix::fcntl::OFlag;

use crate::runtime;
use crate::spec::{self, Problem, Severity, Source, Syntax};

/// A manifest that cannot be read.
pub(super) struct Unreadable {
    problem: Problem,
    /// What the problem is shown with.
    sources: Vec<Source>,
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
        Box::new(Self { problem, sources: vec![source] })
    }

    pub(super) fn to_text(&self, color: bool) -> String {
        self.problem.render(&self.sources, color)
    }

    pub(super) fn to_json(&self) -> String {
        format!("{}\n", spec::to_json(std::slice::from_ref(&self.problem), &self.sources))
    }
}

/// Reads every file that was named, in this order.
pub(super) fn read_all(matches: &ArgMatches) -> Result<Vec<Source>, Box<Unreadable>> {
    let named = |name| matches.get_many::<OsString>(name).into_iter().flatten();
    named("FILE").chain(named("filename")).map(|name| read(name)).collect()
}

fn read(name: &OsStr) -> Result<Source, Box<Unreadable>> {
    let (shown, bytes) = if name == "-" {
        let shown = "<stdin>".to_owned();
        let bytes = read_limited(io::stdin());
        (shown, bytes)
    } else {
        (name.to_string_lossy().into_owned(), read_file(Path::new(name))?)
    };
    let bytes = bytes.map_err(|error| cannot_read(&shown, error))?;
    let file_name = (name != "-").then_some(shown.as_str());
    let syntax = Syntax::guess(file_name, &String::from_utf8_lossy(&bytes));
    Source::from_bytes(&shown, bytes, syntax).map_err(|not_text| {
        Box::new(Unreadable { problem: not_text.problem, sources: vec![not_text.source] })
    })
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

fn cannot_read(shown: &str, error: io::Error) -> Box<Unreadable> {
    let cause = runtime::cause(error);
    Unreadable::new(shown, format!("cannot read this file: {cause}"), "is the path right?")
}
