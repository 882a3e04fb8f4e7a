//! A word that is no command: a slip of the finger, or a program that somebody wanted to run.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::definition;
use crate::spec::nearest;

/// What to say about an error that such a word has made; `None` where it is another one.
pub(super) fn explain(error: &clap::Error, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return None };
    let definition = definition();
    let commands = || definition.get_subcommands().map(clap::Command::get_name);
    let in_command = arguments.first().is_some_and(|first| commands().any(|name| first == name));
    if error.kind() != ErrorKind::UnknownArgument || word.starts_with('-') || in_command {
        return None;
    }
    let at = arguments.iter().position(|argument| argument == word.as_str())?;
    let is_manifest = [".toml", ".yaml", ".yml", ".json"].iter().any(|end| word.ends_with(end));
    if at == 0 && is_manifest {
        return Some(format!(
            "cannot understand {word:?}: to run a pod write `podinit run {}`",
            shell_word(word.as_ref())
        ));
    }
    // Options stand before a program, never before a command.
    if let Some(command) = nearest(word, commands().chain(["help"])).filter(|_| at == 0) {
        return Some(format!("cannot understand {word:?}: did you mean `podinit {command}`?"));
    }
    let (options, program) = arguments.split_at(at);
    if program.iter().any(|argument| argument == "--") {
        return Some(format!("cannot understand {word:?}: only options stand before `--`"));
    }
    let separator = OsString::from("--");
    let words = options.iter().chain([&separator]).chain(program).map(|word| shell_word(word));
    let line = words.collect::<Vec<_>>().join(" ");
    Some(format!("cannot understand {word:?}: to run a program write `podinit {line}`"))
}

/// A word as a shell wants it, in quotes if it has to.
fn shell_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into_owned()
    } else if text.contains(|c: char| c == '\'' || c.is_control()) {
        format!("{text:?}")
    } else {
        format!("'{text}'")
    }
}
