//! `podinit doctor`: what this host allows, and what helps where it does not.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::IsTerminal;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::degrade::refused;
use super::{print, wants_color};
use crate::plan::{self, Fact, Finding, HostFacts, Ids, Images, Loss, LossClass, Protection};
use crate::runtime;
use crate::spec::{Container, Pod, Profile};

const AFTER_HELP: &str = "\
Everything is tried, by copies of podinit that end with it: nothing of it stays. What a pod loses here is
in `podinit explain FILE`; docs/isolation.md tells what each line is needed for.

Examples:
  podinit doctor
  podinit doctor --format json | jq -r '.facts[] | select(.ok | not) | .remedy'

Exit code: 0 when a pod with namespaces of its own (profile pod) can run here, 1 when only profile
process can, 2 for a bad command line.";

pub(super) fn definition() -> Command {
    Command::new("doctor")
        .about("Show what this host allows, and what helps where it does not")
        .override_usage("podinit doctor [OPTIONS]")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("For people or for programs"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    let facts = runtime::all_facts();
    let lost = [Profile::Process, Profile::Pod].map(|profile| (profile, lost_by_plain_pod(profile, &facts)));
    match matches.get_one::<String>("format").map(String::as_str) {
        Some("json") => print(&format!("{:#}\n", to_json(&facts, &lost))),
        _ => print(&text(&facts, &lost, wants_color() && std::io::stdout().is_terminal())),
    }
    u8::from(lost.iter().any(|(_, lost)| !lost.is_empty()))
}

/// What a pod of one container that asks for nothing loses.
fn lost_by_plain_pod(profile: Profile, facts: &HostFacts) -> Vec<Loss> {
    let main = Container { command: vec!["true".to_owned()], ..Container::named("main") };
    let pod = Pod { profile, containers: vec![main], ..Pod::named("plain") };
    let images = Images { host_rootfs: true, ..Images::default() };
    let isolation = plan::isolation(&pod, &images).unwrap_or_default();
    let lost = plan::lost(&pod, &isolation, facts);
    lost.into_iter().filter(|loss| loss.class == LossClass::Security).collect()
}

fn names(lost: &[Loss]) -> Vec<&'static str> {
    let all: BTreeSet<Protection> = lost.iter().filter_map(|loss| loss.protection).collect();
    all.into_iter().map(Protection::name).collect()
}

fn profile_name(profile: Profile) -> &'static str {
    match profile {
        Profile::Process => "process",
        Profile::Pod => "pod",
    }
}

fn to_json(facts: &HostFacts, lost: &[(Profile, Vec<Loss>)]) -> Value {
    let fact = |(fact, found): (&Fact, &Finding)| match found {
        Ok(detail) => json!({"name": fact.name(), "title": fact.title(), "ok": true, "detail": detail}),
        Err(lack) => json!({
            "name": fact.name(),
            "title": fact.title(),
            "ok": false,
            "cause": lack.cause,
            "remedy": lack.remedy,
        }),
    };
    let in_order = Fact::ALL.iter().filter_map(|fact| facts.found.get_key_value(fact));
    let profiles = lost.iter().map(|(profile, lost)| {
        let value = json!({"ok": lost.is_empty(), "lost": names(lost)});
        (profile_name(*profile).to_owned(), value)
    });
    let ids = match facts.ids {
        Ids::Host => Value::Null,
        Ids::Single => json!(1),
        Ids::Below(end) => json!(end),
    };
    json!({
        "facts": in_order.map(fact).collect::<Vec<_>>(),
        "privileged": facts.is_privileged,
        "user": facts.own.0,
        "group": facts.own.1,
        "idsInPod": ids,
        "profiles": profiles.collect::<serde_json::Map<_, _>>(),
    })
}

fn text(facts: &HostFacts, lost: &[(Profile, Vec<Loss>)], color: bool) -> String {
    let mark = |is_there: bool| match (is_there, color) {
        (true, true) => "\x1b[32mok\x1b[0m",
        (true, false) => "ok",
        (false, true) => "\x1b[31mno\x1b[0m",
        (false, false) => "no",
    };
    let width = Fact::ALL.iter().map(|fact| fact.title().chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for fact in Fact::ALL {
        let Some(found) = facts.found.get(&fact) else { continue };
        let said = match found {
            Ok(detail) => detail.clone(),
            Err(lack) => lack.cause.clone(),
        };
        let line = format!("{}  {:width$}  {said}", mark(found.is_ok()), fact.title());
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let mut remedies: Vec<(&str, Vec<&str>)> = Vec::new();
    for fact in Fact::ALL {
        let Some(lack) = facts.lack(fact) else { continue };
        match remedies.iter_mut().find(|(remedy, _)| *remedy == lack.remedy) {
            Some((_, of)) => of.push(fact.title()),
            None => remedies.push((&lack.remedy, vec![fact.title()])),
        }
    }
    if !remedies.is_empty() {
        out.push_str("\nWhat helps\n");
    }
    for (remedy, of) in remedies {
        let _ = writeln!(out, "  {}:\n    {remedy}", of.join("; "));
    }
    out.push('\n');
    for (profile, lost) in lost {
        let name = profile_name(*profile);
        match lost.is_empty() {
            true => {
                let _ = writeln!(out, "{}  profile {name}", mark(true));
            }
            false => {
                let _ = writeln!(out, "{}  profile {name}: without {}", mark(false), names(lost).join(", "));
            }
        }
    }
    if let Some((_, lost)) = lost.iter().find(|(_, lost)| !lost.is_empty()) {
        out.push_str(&refused(lost));
    }
    out
}
