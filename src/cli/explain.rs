//! `podinit explain`: what a manifest comes to. In which order containers start and stop, every value that
//! holds and where it comes from, what resources come to, and what is not enforced.

mod environment;
mod isolation;
mod lifecycle;
mod lost;
mod order;
mod report;
mod text;
mod values;

use std::io::IsTerminal;

use clap::{Arg, ArgMatches, Command};

use super::source::Manifests;
use super::{colors_errors, degrade, files, print, refuse_usage, run, source, wants_color};
use crate::runtime;
use crate::spec;
use report::Report;

const AFTER_HELP: &str = "\
Examples:
  podinit explain pod.toml
  podinit explain --profile process pod.yaml
  podinit explain --image web:1=./web --degrade=user pod.yaml   what `run` with these would lose here
  podinit explain -o json pod.toml | jq '.resources.qosClass'

Exit code: 0 when the pod could run, 1 when its manifest has errors, 2 for a bad command line.";

pub(super) fn definition() -> Command {
    Command::new("explain")
        .about("Show what a manifest comes to: order, values and where they come from, resources")
        .override_usage("podinit explain [OPTIONS] FILE...")
        .after_help(AFTER_HELP)
        .args(files())
        .arg(run::profile())
        .arg(run::name())
        .arg(run::grace())
        .args(run::root_file_systems())
        .arg(degrade::argument())
        .args(run::network())
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("For people or for programs"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let options = match run::options(matches) {
        Ok(options) => options,
        Err(message) => return refuse_usage(&message),
    };
    let Manifests { sources, unreadable } = source::read_all(matches);
    let loaded = spec::load_readable(&sources, unreadable, &options);
    let Some(pod) = &loaded.pod else {
        runtime::complain(&spec::render_all(&loaded.problems, &sources, colors_errors()));
        return 1;
    };
    let lost = match lost::lost(matches, pod) {
        Ok(lost) => lost,
        Err(message) => return refuse_usage(&message),
    };
    let told = report::Told {
        sources: &sources,
        origins: &loaded.origins,
        options: &options,
        grace_of_option: matches.contains_id("grace"),
        problems: &loaded.problems,
        host_memory: runtime::host_memory(),
        not_enforced: runtime::not_enforced(pod),
        lost,
    };
    let report = Report::of(pod, &told);
    match matches.get_one::<String>("output").map(String::as_str) {
        Some("json") => print(&format!("{:#}\n", report.to_json())),
        _ => print(&text::render(&report, wants_color() && std::io::stdout().is_terminal())),
    }
    0
}
