//! `podinit convert`: a manifest in another syntax.

use std::ffi::OsString;

use clap::{Arg, ArgMatches, Command, ValueHint};

use super::source::Manifests;
use super::{colors_errors, print, source};
use crate::runtime;
use crate::spec::{self, Target};

const AFTER_HELP: &str = "\
Everything that the manifest says is kept: fields that podinit ignores or does not support yet, and
comments (JSON has none). The profile and the restart policy, whose defaults TOML and YAML do not
share, are written out: the profile as the annotation podinit.dev/profile in YAML. What a cluster
has written, such as status, has no place in TOML; a warning says so. Only a Pod has a form in TOML:
another object, such as a Deployment, stays what it is, as YAML or JSON.

Examples:
  podinit convert pod.toml -o yaml > pod.yaml
  podinit convert pod.yaml -o toml > pod.toml
  kubectl get pod web -o yaml | podinit convert - -o toml
  podinit convert pod.toml -o json | jq .spec.containers[].name

Exit code: 0 when it is written, 1 when something is wrong with the manifest; `podinit check` finds
the same problems.";

pub(super) fn definition() -> Command {
    let file = || {
        Arg::new("FILE")
            .value_parser(clap::value_parser!(OsString))
            .value_hint(ValueHint::FilePath)
            .help("Manifest in TOML or Kubernetes YAML; - is standard input")
    };
    Command::new("convert")
        .about("Write a manifest in another syntax")
        .override_usage("podinit convert [OPTIONS] --output FORMAT FILE")
        .after_help(AFTER_HELP)
        .arg(file().required_unless_present("filename").conflicts_with("filename"))
        .arg(
            Arg::new("filename")
                .short('f')
                .long("filename")
                .value_name("FILE")
                .value_parser(clap::value_parser!(OsString))
                .value_hint(ValueHint::FilePath)
                .help("The same, for fingers used to kubectl"),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FORMAT")
                .value_parser(["yaml", "toml", "json"])
                .required(true)
                .help("Syntax to write"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let color = colors_errors();
    let Manifests { sources, unreadable } = source::read_all(matches);
    if !unreadable.is_empty() {
        runtime::complain(&spec::render_all(&unreadable, &sources, color));
        return 1;
    }
    let target = match matches.get_one::<String>("output").map(String::as_str) {
        Some("toml") => Target::Toml,
        Some("json") => Target::Json,
        _ => Target::Yaml,
    };
    let converted = sources.first().map(|source| spec::convert(source, target));
    let Some(converted) = converted else { return 1 };
    runtime::complain(&spec::render_all(&converted.problems, &sources, color));
    let Some(text) = converted.text else { return 1 };
    print(&text);
    0
}
