//! `podinit man`: the manual page, made of the same definition as the command line and its help.

use std::io;

use clap::{ArgMatches, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::print;

const AFTER_HELP: &str = "\
Examples:
  podinit man | man -l -
  podinit man > /usr/local/share/man/man1/podinit.1";

pub(super) fn definition() -> Command {
    Command::new("man")
        .about("Print the manual page, podinit(1)")
        .override_usage("podinit man")
        .after_help(AFTER_HELP)
}

pub(super) fn run(_: &ArgMatches) -> u8 {
    let all = super::definition();
    let mut page = Vec::new();
    // A Vec takes everything.
    let _ = write(all, &mut page);
    print(&String::from_utf8_lossy(&page));
    0
}

/// One page for everything: a section for the program itself and one for each command.
fn write(mut all: Command, page: &mut Vec<u8>) -> io::Result<()> {
    all.build();
    let commands: Vec<Command> = all.get_subcommands().cloned().collect();
    let man = Man::new(all.clone()).manual("User Commands");
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    section("podinit -- CMD", all, page)?;
    for command in commands {
        section(&format!("podinit {}", command.get_name()), command, page)?;
    }
    man.render_version_section(page)
}

fn section(heading: &str, command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    let after = command.get_after_help().map(|text| text.to_string()).unwrap_or_default();
    let mut start = Roff::new();
    start.control("SH", [heading.to_uppercase().as_str()]);
    if let Some(about) = command.get_about().filter(|_| !heading.contains("--")) {
        start.text([roman(format!("{about}."))]);
    }
    start.to_writer(page)?;
    let mut options = Vec::new();
    Man::new(command).render_options_section(&mut options)?;
    // A section of its own elsewhere, a part of one here.
    let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS", ".SS OPTIONS");
    page.extend_from_slice(options.as_bytes());
    notes(&after).to_writer(page)
}

/// The text below a command's help: paragraphs, and indented lines that stay as they are.
fn notes(text: &str) -> Roff {
    let mut roff = Roff::new();
    if !text.is_empty() {
        roff.control("SS", ["NOTES"]);
    }
    for paragraph in text.split("\n\n") {
        roff.control("PP", []);
        let mut is_kept = false;
        for line in paragraph.lines() {
            if line.starts_with(' ') != is_kept {
                is_kept = !is_kept;
                let controls = if is_kept { ["RS", "nf"] } else { ["fi", "RE"] };
                controls.into_iter().for_each(|control| _ = roff.control(control, []));
            }
            if is_kept {
                let line = line.trim_start();
                let (example, remark) = line.split_at(line.find("  ").unwrap_or(line.len()));
                roff.text([bold(example), roman(remark)]);
            } else {
                // `Environment: ...` on a line of its own.
                if line.split_once(": ").is_some_and(|(word, _)| word.chars().all(char::is_alphabetic)) {
                    roff.control("PP", []);
                }
                roff.text([roman(line)]);
            }
        }
        if is_kept {
            roff.control("fi", []);
            roff.control("RE", []);
        }
    }
    roff
}
