//! `podinit schema`: what a manifest may say, as JSON Schema for editors.

use clap::{Arg, ArgMatches, Command};

use super::print;
use crate::spec::{self, Syntax};

const AFTER_HELP: &str = "\
The schema is of draft 7. It knows each field with its type, default and meaning, and what podinit
makes of it; it cannot know what two values have to do with each other: `podinit check` does.

Examples:
  podinit schema toml > podinit.schema.json
  podinit schema yaml > podinit-yaml.schema.json

Even Better TOML takes it from the first line of a manifest:
  #:schema ./podinit.schema.json

yaml-language-server (VS Code, Neovim, Helix and others) likewise:
  # yaml-language-server: $schema=./podinit-yaml.schema.json";

pub(super) fn definition() -> Command {
    Command::new("schema")
        .about("Print the JSON Schema of manifests, for editors")
        .override_usage("podinit schema [toml|yaml]")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("syntax")
                .value_name("SYNTAX")
                .value_parser(["toml", "yaml"])
                .default_value("toml")
                .help("How the manifests are written"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let is_yaml = matches.get_one::<String>("syntax").is_some_and(|syntax| syntax == "yaml");
    let schema = spec::schema(if is_yaml { Syntax::Yaml } else { Syntax::Toml });
    print(&format!("{schema:#}\n"));
    0
}
