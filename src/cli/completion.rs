//! `podinit completion`: what a shell has to know to complete podinit's command line.

use clap::{Arg, ArgMatches, Command};
use clap_complete::aot::{Generator, Shell};

use super::print;

const AFTER_HELP: &str = "\
Examples:
  podinit completion bash > ~/.local/share/bash-completion/completions/podinit
  podinit completion zsh > ~/.zfunc/_podinit      with `fpath+=~/.zfunc` before compinit in ~/.zshrc
  podinit completion fish > ~/.config/fish/completions/podinit.fish
  . <(podinit completion bash)                    in this shell only";

pub(super) fn definition() -> Command {
    Command::new("completion")
        .about("Print a script that completes podinit's command line in a shell")
        .override_usage("podinit completion bash|zsh|fish")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(["bash", "zsh", "fish"])
                .help("Shell that reads the script"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let mut all = super::definition();
    let shell = match matches.get_one::<String>("shell").map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    all.set_bin_name("podinit");
    all.build();
    let mut script = Vec::new();
    // A Vec takes everything.
    let _ = shell.try_generate(&all, &mut script);
    print(&String::from_utf8_lossy(&script));
    0
}
