//! `--degrade`: what of a pod's isolation may be lost where the host cannot give it, by name; and in words what
//! is lost, refused or accepted.

use std::collections::BTreeSet;

use clap::{Arg, ArgAction, ArgMatches};

use crate::plan::{Loss, Protection};

pub(super) fn argument() -> Arg {
    let names = Protection::ALL.map(Protection::name).join(", ");
    Arg::new("degrade")
        .long("degrade")
        .value_name("NAME")
        .action(ArgAction::Append)
        .value_delimiter(',')
        .help(format!("Run without this where the host cannot give it; may be repeated: {names}, or all"))
}

/// What may be lost.
pub(super) fn accepted(matches: &ArgMatches) -> Result<BTreeSet<Protection>, String> {
    let mut accepted = BTreeSet::new();
    for name in matches.get_many::<String>("degrade").into_iter().flatten() {
        match (name.as_str(), Protection::named(name)) {
            ("all", _) => accepted.extend(Protection::ALL),
            (_, Some(protection)) => {
                accepted.insert(protection);
            }
            (_, None) => {
                let names = Protection::ALL.map(Protection::name).join(", ");
                return Err(format!("cannot degrade {name:?}: there are {names}, and all"));
            }
        }
    }
    Ok(accepted)
}

/// A loss as a sentence.
pub(super) fn sentence(loss: &Loss) -> String {
    let Loss { what, field, cause, remedy, .. } = loss;
    let instead = match (&loss.instead, loss.protection) {
        (Some(instead), Some(protection)) => {
            format!("; with --degrade={} {}", protection.name(), instead.words())
        }
        (Some(_) | None, _) => String::new(),
    };
    format!("cannot have {what} ({field}): {cause}; {remedy}{instead}")
}

/// A loss that was accepted, as it is told once at the start.
pub(super) fn told(loss: &Loss) -> String {
    let name = loss.protection.map_or("", Protection::name);
    let instead = loss.instead.as_ref().map_or(String::new(), |instead| format!("; {}", instead.words()));
    format!("without {} ({}), as --degrade={name} accepts: {}{instead}", loss.what, loss.field, loss.cause)
}

/// What there is to do about losses beside what each says.
pub(super) fn refused(losses: &[Loss]) -> String {
    let mut ways = Vec::new();
    // What the kernel has no module for is refused in every profile.
    let by_profile =
        |loss: &Loss| ![Some(Protection::AppArmor), Some(Protection::SeLinux)].contains(&loss.protection);
    if losses.iter().any(by_profile) {
        ways.push("or run it without isolation: `--profile process`".to_owned());
    }
    if losses.iter().all(|loss| loss.protection.is_some()) {
        let names: BTreeSet<Protection> = losses.iter().filter_map(|loss| loss.protection).collect();
        let names: Vec<_> = names.into_iter().map(Protection::name).collect();
        ways.push(format!("or accept the loss: `--degrade={}`", names.join(",")));
    }
    format!("{}\n", ways.join("; "))
}
