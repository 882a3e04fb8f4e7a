//! `podinit simulate`: a pod's life on a virtual clock, as text or as a picture. Nothing is run.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};

use super::source::Manifests;
use super::{colors_errors, files, print, refuse_usage, run, source, value};
use crate::runtime;
use crate::sim;
use crate::spec::{self, LoadedScript, Pod, Script};

/// A bug of the machine.
const BUG: u8 = 70;

const AFTER_HELP: &str = "\
The decisions are those of `podinit run`; only time and processes are made up. Without a script an init
container runs for 1 second, a main container for 10, both exit with 0; a sidecar runs until it is
stopped; everything needs 0.2 seconds to stop, hooks take 0.1 seconds; startup and readiness probes succeed
1 second after a start, which is also when a container says that it is ready; liveness probes always.

A script says otherwise, in TOML or YAML. Everything in it may be left out; times are seconds:

  [containers.proxy]
  runs = [{ lasts = 4, exit = 1 }, {}]   one after the other, the last is repeated;
                                         exit is a code or a signal such as \"KILL\" [default: 0];
                                         without lasts it runs until it is stopped
  startTakes = 0.1                       from the start to the running program
  readyAfter = 1                         its startup probe fails before that
  healthyFor = 20                        its liveness probe fails after that
  servesFrom = 1                         its readiness probe fails before that,
  servesUntil = 20                       and after that
  notifiesAfter = 1                      it says that it is ready
  postStart = { takes = 2, fails = true }  how its hook goes; preStop likewise
  stopTakes = 0.5                        from the stop signal to the end
  stopExit = \"TERM\"                      how it ends when stopped [default: 0]
  ignoresStop = true                     instead: only SIGKILL ends it

  [[events]]                             with one of
  at = 30                                stop = \"TERM\" or \"INT\"
  stop = \"TERM\"                          kill = true
                                         restart = \"proxy\"

Examples:
  podinit simulate pod.toml
  podinit simulate --script crash.toml --until 60 pod.toml
  podinit simulate --script crash.toml -o svg pod.toml > pod.svg

Exit code: 0 when there is a timeline, whatever became of the pod; 1 when the manifest or the script
has errors; 70 for a bug in podinit.";

pub(super) fn definition() -> Command {
    Command::new("simulate")
        .about("Show what would happen to a pod and when, without running it")
        .override_usage("podinit simulate [OPTIONS] FILE...")
        .after_help(AFTER_HELP)
        .args(files())
        .arg(run::profile())
        .arg(
            Arg::new("script")
                .long("script")
                .value_name("SCRIPT")
                .value_parser(clap::value_parser!(OsString))
                .help("How the containers behave and what happens; - is standard input"),
        )
        .arg(
            Arg::new("until")
                .long("until")
                .value_name("SECONDS")
                .value_parser(value::seconds)
                .help("Where to end [default: the pod's end, or 10 minutes after the script's last event]"),
        )
        .arg(
            Arg::new("grace")
                .long("grace")
                .value_name("SECONDS")
                .value_parser(value::seconds)
                .help("Grace period where the manifest has none [default: 30]"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser(["text", "svg"])
                .default_value("text")
                .help("A line for each occurrence, or a picture"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let is_stdin = |name| matches.get_many::<OsString>(name).into_iter().flatten().any(|name| name == "-");
    if is_stdin("script") && (is_stdin("FILE") || is_stdin("filename")) {
        return refuse_usage("cannot read both the manifest and the script from standard input");
    }
    let read = pod(matches).and_then(|pod| Some((script(matches, &pod)?, pod)));
    let Some((script, pod)) = read else { return 1 };
    match sim::simulate(pod, &script, matches.get_one::<Duration>("until").copied()) {
        Ok(timeline) => {
            let is_svg = matches.get_one::<String>("output").is_some_and(|format| format == "svg");
            print(&if is_svg { timeline.to_svg() } else { timeline.to_text() });
            0
        }
        Err(violation) => {
            runtime::complain(&format!("podinit: cannot simulate the pod, a bug in podinit: {violation}\n"));
            BUG
        }
    }
}

/// The pod; problems have been shown.
fn pod(matches: &ArgMatches) -> Option<Pod> {
    let usual = spec::Options::default();
    let options = spec::Options {
        profile: matches.get_one("profile").copied(),
        default_grace: matches.get_one("grace").copied().unwrap_or(usual.default_grace),
        ..usual
    };
    let Manifests { sources, unreadable } = source::read_all(matches);
    let loaded = spec::load_readable(&sources, unreadable, &options);
    if !loaded.problems.is_empty() {
        runtime::complain(&spec::render_all(&loaded.problems, &sources, colors_errors()));
    }
    loaded.pod
}

/// The script; problems have been shown.
fn script(matches: &ArgMatches, pod: &Pod) -> Option<Script> {
    let Some(name) = matches.get_one::<OsString>("script") else { return Some(Script::default()) };
    let Manifests { sources, unreadable } = source::read_one(name);
    let loaded = match sources.first() {
        Some(source) if unreadable.is_empty() => spec::load_script(source, pod),
        Some(_) | None => LoadedScript { script: None, problems: unreadable },
    };
    if !loaded.problems.is_empty() {
        runtime::complain(&spec::render_all(&loaded.problems, &sources, colors_errors()));
    }
    loaded.script
}
