//! The command line: what was typed becomes a job for the runtime or an answer. One file for each
//! command; none of them knows `sys` or the machine's insides.

mod check;
mod command;
mod convert;
mod run;
mod source;
mod value;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use crate::runtime;

/// What podinit itself could not do: a bad manifest, a bad command line, no process.
const CANNOT: u8 = 125;
/// A bad command line of a command that runs nothing.
const USAGE: u8 = 2;

/// The program. Called first of all: signals are held back from here on. Returns its exit code.
pub fn main() -> u8 {
    runtime::prepare();
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    // The way a container starts us, without options: nothing to parse, and nothing to wait for.
    if let Some((first, words)) = arguments.split_first()
        && first == "--"
        && !words.is_empty()
    {
        return command::run_plain(words.to_vec());
    }
    let is_check = arguments.first().is_some_and(|first| first == "check" || first == "convert");
    let typed = [name].into_iter().chain(arguments);
    match definition().try_get_matches_from(typed) {
        Ok(matches) => match matches.subcommand() {
            Some(("run", matches)) => run::run(matches),
            Some(("check", matches)) => check::run(matches),
            Some(("convert", matches)) => convert::run(matches),
            _ => command::run(&matches),
        },
        Err(error) => refuse(&error, is_check),
    }
}

/// Everything that can be typed.
fn definition() -> Command {
    Command::new("podinit")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a pod on one Linux host: init containers in sequence, sidecars, main containers")
        .override_usage("podinit run [OPTIONS] FILE...\n       podinit check [OPTIONS] FILE...\n       podinit convert -o FORMAT FILE\n       podinit [OPTIONS] -- CMD [ARG]...")
        .after_help(command::AFTER_HELP)
        .args_conflicts_with_subcommands(true)
        .disable_help_subcommand(true)
        .args(command::arguments())
        .subcommand(run::definition())
        .subcommand(check::definition())
        .subcommand(convert::definition())
}

/// A bad command line, or a request for help or the version.
fn refuse(error: &clap::Error, is_check: bool) -> u8 {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        print(&text);
        return 0;
    }
    runtime::complain(&text);
    if is_check { USAGE } else { CANNOT }
}

/// Says why the command cannot be carried out.
fn cannot(message: &str) -> u8 {
    runtime::complain(&format!("podinit: {message}\n"));
    CANNOT
}

/// Puts an answer out. Whoever closed stdout has had enough: that is no failure.
fn print(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Whether the user wants colours where they are possible (https://no-color.org).
fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `-v`, and what more of it means.
fn verbose() -> Arg {
    Arg::new("verbose")
        .short('v')
        .long("verbose")
        .action(ArgAction::Count)
        .help("Tell what happens; twice: in detail (also PODINIT_LOG=info)")
}

fn level(verbosity: u8) -> log::LevelFilter {
    match verbosity {
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    }
}

fn files() -> [Arg; 2] {
    [
        Arg::new("FILE")
            .num_args(1..)
            .required_unless_present("filename")
            .value_parser(clap::value_parser!(OsString))
            .help("Manifest in TOML or Kubernetes YAML; - is standard input"),
        Arg::new("filename")
            .short('f')
            .long("filename")
            .value_name("FILE")
            .action(ArgAction::Append)
            .value_parser(clap::value_parser!(OsString))
            .help("The same, for fingers used to kubectl"),
    ]
}
