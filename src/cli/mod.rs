//! The command line: what was typed becomes a job for the runtime or an answer. One file for each
//! command; none of them knows `sys` or the machine's insides.

mod check;
mod command;
mod completion;
mod convert;
mod degrade;
mod doctor;
mod explain;
mod init;
mod man;
mod probe;
mod run;
mod schema;
mod simulate;
mod source;
mod unknown;
mod value;

use std::ffi::OsString;
use std::io::IsTerminal;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use crate::runtime;

/// What podinit itself could not do: a bad manifest, a bad command line, no process.
const CANNOT: u8 = 125;
/// A bad command line of a command that runs nothing.
const USAGE: u8 = 2;

/// A word that may follow `podinit`.
struct Subcommand {
    name: &'static str,
    definition: fn() -> Command,
    /// Returns the exit code.
    run: fn(&ArgMatches) -> u8,
    /// It only tells something, so that a bad command line is nothing worse.
    runs_nothing: bool,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { runs_nothing: false, ..tells("run", run::definition, run::run) },
    tells("check", check::definition, check::run),
    tells("convert", convert::definition, convert::run),
    tells("explain", explain::definition, explain::run),
    tells("doctor", doctor::definition, doctor::run),
    tells("simulate", simulate::definition, simulate::run),
    Subcommand { runs_nothing: false, ..tells("probe", probe::definition, probe::run) },
    tells("schema", schema::definition, schema::run),
    tells("completion", completion::definition, completion::run),
    tells("man", man::definition, man::run),
];

const fn tells(name: &'static str, definition: fn() -> Command, run: fn(&ArgMatches) -> u8) -> Subcommand {
    Subcommand { name, definition, run, runs_nothing: true }
}

impl Subcommand {
    fn find(name: &str) -> Option<&'static Self> {
        SUBCOMMANDS.iter().find(|command| command.name == name)
    }
}

/// The program. Called first of all: signals are held back from here on. Returns its exit code.
pub fn main() -> u8 {
    runtime::prepare();
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let arguments: Vec<_> = arguments.collect();
    match runtime::Machine::if_ours() {
        Some(machine) => init::run(&machine, name, arguments),
        None => carry_out(name, arguments),
    }
}

fn carry_out(name: OsString, arguments: Vec<OsString>) -> u8 {
    // The way a container starts us, without options: nothing to parse, and nothing to wait for.
    if let Some((first, words)) = arguments.split_first()
        && first == "--"
        && !words.is_empty()
    {
        return command::run_plain(words.to_vec());
    }
    // The way podinit starts itself.
    if arguments == runtime::OWN_CHILD {
        return runtime::answer();
    }
    if arguments == runtime::FIRST_PROCESS {
        return runtime::be_first_process();
    }
    let typed = [name].into_iter().chain(arguments.iter().cloned());
    match definition_for(arguments.first()).try_get_matches_from(typed) {
        Ok(matches) => match matches.subcommand() {
            Some((name, matches)) => Subcommand::find(name).map_or(CANNOT, |command| (command.run)(matches)),
            None => command::run(&matches),
        },
        Err(error) => match unknown::explain(&error, &arguments) {
            Some(message) => cannot(&message),
            None => refuse(&error, arguments.first()),
        },
    }
}

/// Everything that can be typed.
fn definition() -> Command {
    with_subcommands(|_| true)
}

/// What can be typed after this first word: all that there is takes a twentieth of a short pod's time to put
/// together.
fn definition_for(first: Option<&OsString>) -> Command {
    let chosen = first.and_then(|first| Subcommand::find(first.to_str()?));
    with_subcommands(|command| chosen.is_none_or(|chosen| chosen.name == command.name))
}

fn with_subcommands(are_wanted: impl Fn(&Subcommand) -> bool) -> Command {
    Command::new("podinit")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs a pod on one Linux host: init containers in sequence, sidecars, main containers")
        .override_usage("podinit COMMAND [OPTIONS] FILE...\n       podinit [OPTIONS] -- CMD [ARG]...")
        .after_help(command::AFTER_HELP)
        .args_conflicts_with_subcommands(true)
        .args(command::arguments())
        .subcommands(SUBCOMMANDS.iter().filter(|it| are_wanted(it)).map(|command| (command.definition)()))
}

/// A bad command line, or a request for help or the version.
fn refuse(error: &clap::Error, first: Option<&OsString>) -> u8 {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        print(&text);
        return 0;
    }
    runtime::complain(&text);
    let command = first.and_then(|first| Subcommand::find(first.to_str()?));
    if command.is_some_and(|command| command.runs_nothing) { USAGE } else { CANNOT }
}

/// Says why the command cannot be carried out.
fn cannot(message: &str) -> u8 {
    runtime::complain(&format!("podinit: {message}\n"));
    CANNOT
}

/// Says why a command that runs nothing cannot be carried out as it was typed.
fn refuse_usage(message: &str) -> u8 {
    runtime::complain(&format!("podinit: {message}\n"));
    USAGE
}

/// Puts an answer out. Whoever closed stdout has had enough: that is no failure.
fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout();
    // Nobody else does that at the end: see `main.rs`.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Whether the user wants colours where they are possible (https://no-color.org).
fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether problems are shown in colours.
fn colors_errors() -> bool {
    wants_color() && std::io::stderr().is_terminal()
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
            .value_hint(ValueHint::FilePath)
            .help("Manifest in TOML or Kubernetes YAML; - is standard input"),
        Arg::new("filename")
            .short('f')
            .long("filename")
            .value_name("FILE")
            .action(ArgAction::Append)
            .value_parser(clap::value_parser!(OsString))
            .value_hint(ValueHint::FilePath)
            .help("The same, for fingers used to kubectl"),
    ]
}
