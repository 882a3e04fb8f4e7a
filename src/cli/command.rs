//! `podinit -- CMD`: one command as the only main container, with podinit in front of it as tini or
//! dumb-init would be, and with their options and environment variables.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, ValueHint, value_parser};

use super::{cannot, level, value, verbose};
use crate::plan::SignalPolicy;
use crate::runtime::{self, Commands, Format, Job};
use crate::spec::{Container, Pod, Profile, RestartPolicy, Signal};

/// What descendants have after the command ended, to end as well.
const GRACE: Duration = Duration::from_secs(10);

pub(super) const AFTER_HELP: &str = "\
CMD gets every signal that podinit gets; on a terminal the keys reach it without podinit, in podinit's
own process group. When CMD ends, what it has left running gets SIGTERM and,
after the grace period, SIGKILL; podinit exits with CMD's exit code when nothing is left.

Examples:
  ENTRYPOINT [\"podinit\", \"--\"]       reap and forward signals, in place of tini or dumb-init
  podinit -e 143 -- server            a server that exits with 143 when stopped has not failed
  podinit --rewrite TERM:QUIT -- nginx -g 'daemon off;'
  podinit run pod.yaml --profile process

Exit code: CMD's; 128+n if signal n ended it; 127 not found; 126 not executable; 125 podinit cannot.
Environment: PODINIT_GRACE, PODINIT_LOG; TINI_KILL_PROCESS_GROUP, TINI_VERBOSITY, DUMB_INIT_DEBUG as
there. TINI_SUBREAPER and -s ask for what podinit always does.";

pub(super) fn arguments() -> Vec<Arg> {
    vec![
        Arg::new("subreaper")
            .short('s')
            .action(ArgAction::Count)
            .help("As in tini; podinit always takes in orphans"),
        Arg::new("group")
            .short('g')
            .long("group")
            .action(ArgAction::SetTrue)
            .help("Send signals to CMD's whole process group"),
        Arg::new("expect")
            .short('e')
            .long("expect")
            .value_name("CODE")
            .action(ArgAction::Append)
            .value_parser(value_parser!(u8))
            .help("Exit with 0 when CMD exits with this code; may be repeated"),
        Arg::new("parent-death-signal")
            .short('p')
            .long("parent-death-signal")
            .value_name("SIGNAL")
            .value_parser(value::signal)
            .help("Get this signal when podinit's own parent ends"),
        Arg::new("rewrite")
            .short('r')
            .long("rewrite")
            .value_name("S:R")
            .action(ArgAction::Append)
            .value_parser(value::rewrite)
            .help("Pass signal S on as R; R of 0 passes nothing on; may be repeated"),
        Arg::new("grace")
            .long("grace")
            .value_name("SECONDS")
            .value_parser(value::seconds)
            .help("Time for what is left when CMD ends [default: PODINIT_GRACE, or 10]"),
        Arg::new("warn-reaped")
            .short('w')
            .long("warn-reaped")
            .action(ArgAction::SetTrue)
            .help("Say so when an orphan is reaped"),
        verbose(),
        Arg::new("command")
            .last(true)
            .required(true)
            .num_args(1..)
            .value_name("CMD")
            .value_parser(value_parser!(OsString))
            .value_hint(ValueHint::CommandWithArguments)
            .help("Command to run, and its arguments"),
    ]
}

/// What the options say.
#[derive(Debug, Default)]
struct Options {
    group: bool,
    expect: Vec<u8>,
    parent_death_signal: Option<Signal>,
    rewrite: Vec<(Signal, Option<Signal>)>,
    grace: Option<Duration>,
    warn_reaped: bool,
    verbosity: u8,
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    fn all<T: Clone + Send + Sync + 'static>(matches: &ArgMatches, name: &str) -> Vec<T> {
        matches.get_many(name).into_iter().flatten().cloned().collect()
    }
    let grace = match value::grace(matches) {
        Ok(grace) => grace,
        Err(message) => return cannot(&message),
    };
    let options = Options {
        group: matches.get_flag("group"),
        expect: all(matches, "expect"),
        parent_death_signal: matches.get_one("parent-death-signal").copied(),
        rewrite: all(matches, "rewrite"),
        grace,
        warn_reaped: matches.get_flag("warn-reaped"),
        verbosity: matches.get_count("verbose"),
    };
    start(options, all(matches, "command"))
}

/// Without options: only the environment has a say.
pub(super) fn run_plain(words: Vec<OsString>) -> u8 {
    match value::grace_of_environment() {
        Ok(grace) => start(Options { grace, ..Options::default() }, words),
        Err(message) => cannot(&message),
    }
}

fn start(mut options: Options, words: Vec<OsString>) -> u8 {
    options.group |= std::env::var_os("TINI_KILL_PROCESS_GROUP").is_some();
    options.verbosity = options.verbosity.max(verbosity_of_environment());
    runtime::tell(level(options.verbosity));
    let container = Container { command: vec![String::new()], ..Container::named("main") };
    let pod = Pod {
        profile: Profile::Process,
        restart_policy: RestartPolicy::Never,
        termination_grace_period: options.grace.unwrap_or(GRACE),
        containers: vec![container],
        ..Pod::named("main")
    };
    let job = Job {
        pod,
        isolation: Default::default(),
        network: Default::default(),
        commands: Commands::Exact(words),
        signals: SignalPolicy::Command { rewrite: options.rewrite },
        signal_group: options.group,
        warn_reaped: options.warn_reaped,
        parent_death_signal: options.parent_death_signal,
        format: Format::Raw,
        color: false,
        exit_code_from: None,
        manifests: Vec::new(),
        status_file: None,
        event_file: None,
        watched: None,
        strict: false,
        lost: Vec::new(),
    };
    match runtime::run(job) {
        Ok(code) if options.expect.contains(&code) => 0,
        Ok(code) => code,
        Err(error) => cannot(&format!("cannot run anything: {}", runtime::cause(error))),
    }
}

/// tini counts from 1, its warnings; dumb-init knows on and off.
fn verbosity_of_environment() -> u8 {
    let tini = std::env::var("TINI_VERBOSITY").ok().and_then(|text| text.parse::<u8>().ok());
    let dumb_init = std::env::var_os("DUMB_INIT_DEBUG").is_some_and(|value| value == "1");
    tini.map_or(0, |level| level.saturating_sub(1)).max(u8::from(dumb_init))
}
