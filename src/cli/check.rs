//! `podinit check`: all problems of manifests, and nothing else.

use std::io::IsTerminal;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::source::Manifests;
use super::{files, print, run, source, wants_color};
use crate::spec::{self, Severity};

const AFTER_HELP: &str = "\
Examples:
  podinit check pod.toml
  podinit check --profile process pod.yaml
  podinit check --kube-strict --profile process pod.yaml
  podinit check --kubernetes pod.yaml
  podinit check --format json pod.yaml | jq -r '.diagnostics[].message'

With --kube-strict whatever `podinit run` would ignore with a warning is an error. Only the image of a
container stays a label where profile `process` was chosen: that is what choosing it means.

With --kubernetes there may be several pods, in a Deployment, a Job and the like as well. Of the objects
around them the names and kinds of the fields are checked, not what is inside a strategy and the like;
an object that has no pod, such as a Service, is not checked, and a warning says so.

Exit code: 0 when nothing is wrong (warnings are no errors), 1 otherwise; 2 for a bad command line.";

pub(super) fn definition() -> Command {
    Command::new("check")
        .about("Find every problem of a manifest without running it")
        .override_usage("podinit check [OPTIONS] FILE...")
        .after_help(AFTER_HELP)
        .args(files())
        .arg(run::profile())
        .arg(run::kube_strict().conflicts_with("kubernetes"))
        .arg(
            Arg::new("kubernetes")
                .long("kubernetes")
                .action(ArgAction::SetTrue)
                .conflicts_with("profile")
                .help("Whether a cluster would take it; what podinit does not support is no problem then"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("How problems are shown"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let options = spec::Options {
        profile: matches.get_one("profile").copied(),
        kube_strict: matches.get_flag("kube-strict"),
        ..spec::Options::default()
    };
    let is_json = matches.get_one::<String>("format").is_some_and(|format| format == "json");
    let color = wants_color() && std::io::stdout().is_terminal();
    let Manifests { sources, unreadable } = source::read_all(matches);
    let (problems, fine) = if matches.get_flag("kubernetes") {
        let problems = spec::check_for_kubernetes(&sources, unreadable);
        (problems, Some("fine for a cluster\n".to_owned()))
    } else {
        let loaded = source::with_features(spec::load_readable(&sources, unreadable, &options));
        (loaded.problems, loaded.pod.map(|pod| format!("pod {} is fine\n", pod.metadata.name)))
    };
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    if is_json {
        print(&format!("{}\n", spec::to_json(&problems, &sources)));
    } else {
        print(&spec::render_all(&problems, &sources, color));
        print(&fine.filter(|_| !is_wrong).unwrap_or_default());
    }
    u8::from(is_wrong)
}
