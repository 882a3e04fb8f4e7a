//! `podinit run`: a pod from manifests.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use super::source::Manifests;
use super::{cannot, colors_errors, degrade, files, level, source, value, verbose, wants_color};
use crate::plan::{self, Images, Published, Reduction, SignalPolicy};
use crate::runtime::{self, Commands, Format, Job, Reading, Watched};
use crate::spec::{self, ContainerId, Network, Pod, Profile, Severity};

const AFTER_HELP: &str = "\
Init containers run one after the other; those with `restartPolicy: Always` are sidecars, which are
kept running and stopped last. When the main containers are done, podinit exits with their result.
Of a Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob one pod is run, now; that of a Job
is tried again when it failed, as its backoffLimit says.

Examples:
  podinit run pod.toml
  podinit run --profile process pod.yaml           on this host's own files, without isolation
  helm template . | podinit run --profile process -
  podinit run --log-format json --exit-code-from web pod.toml

Signals: TERM and INT stop the pod, a second INT kills it; HUP stops it when the terminal has gone.
Others go to the main containers. As PID 1 of a container, mind that Docker kills after 10 seconds
of its own: use --grace or `docker stop -t`.

Exit code: 0 when every main container exited with 0; otherwise that of the first that failed for
good, or of the init container that failed (128+n by signal n), and always that of a keystone whose
end ended the pod; 127 when it was not found, 126 when it was not executable; 124 when
activeDeadlineSeconds were over before a main container had failed; 143 or 130 when the pod was
stopped by TERM or INT before a main container ran; 125 when podinit could not do it; 70 for a bug
in podinit.";

pub(super) fn definition() -> Command {
    Command::new("run")
        .about("Run a pod from a manifest until its main containers are done")
        .override_usage("podinit run [OPTIONS] FILE...")
        .after_help(AFTER_HELP)
        .args(files())
        .arg(profile())
        .arg(name())
        .arg(grace())
        .args(root_file_systems())
        .arg(
            Arg::new("strict")
                .long("strict")
                .action(ArgAction::SetTrue)
                .help("Refuse a pod whose limits this host cannot enforce"),
        )
        .arg(kube_strict())
        .arg(degrade::argument())
        .args(network())
        .arg(
            Arg::new("exit-code-from")
                .long("exit-code-from")
                .value_name("CONTAINER")
                .help("Exit with this container's code"),
        )
        .arg(
            Arg::new("watch").long("watch").action(ArgAction::SetTrue).help(
                "Take over changes of the manifest: containers that have changed restart, the others stay",
            ),
        )
        .arg(
            Arg::new("status-file")
                .long("status-file")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Write the pod's state to this file at every change, as a Kubernetes Pod in JSON"),
        )
        .arg(
            Arg::new("event-file")
                .long("event-file")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Append the pod's events to this file, as Kubernetes Events in JSON, one a line"),
        )
        .arg(
            Arg::new("log-format")
                .long("log-format")
                .value_name("FORMAT")
                .value_parser(["text", "json", "raw"])
                .default_value("text")
                .help("How the containers' output is shown: `name | line`, JSON lines, or as it is"),
        )
        .arg(verbose())
}

pub(super) fn kube_strict() -> Arg {
    Arg::new("kube-strict").long("kube-strict").action(ArgAction::SetTrue).help(
        "Refuse a manifest of which anything would be ignored: fields, objects, replicas; `run`: and limits",
    )
}

pub(super) fn root_file_systems() -> [Arg; 2] {
    [
        Arg::new("image")
            .long("image")
            .value_name("NAME=DIRECTORY")
            .action(ArgAction::Append)
            .help("The files of this image are in a directory; each attempt writes to a layer of its own"),
        Arg::new("host-rootfs")
            .long("host-rootfs")
            .action(ArgAction::SetTrue)
            .help("Containers without an image of their own see this host's files"),
    ]
}

pub(super) fn network() -> [Arg; 2] {
    [
        Arg::new("network")
            .long("network")
            .value_name("NETWORK")
            .value_parser(["private", "none", "pasta", "host"])
            .help("The pod's network, whatever the manifest says: its own, or the host's"),
        Arg::new("publish").long("publish").value_name("[HOSTIP:]HOSTPORT:PORT").action(ArgAction::Append).help(
            "A port of the host leads to this port of the pod, by TCP or with /udp at the end; may be repeated",
        ),
    ]
}

pub(super) fn name() -> Arg {
    Arg::new("name").long("name").value_name("NAME").help("Name of the pod, whatever the manifest says")
}

pub(super) fn grace() -> Arg {
    Arg::new("grace")
        .long("grace")
        .value_name("SECONDS")
        .value_parser(value::seconds)
        .help("Grace period where the manifest has none [default: PODINIT_GRACE, or 30]")
}

/// What the arguments above say of the pod.
pub(super) fn options(matches: &ArgMatches) -> Result<spec::Options, String> {
    let usual = spec::Options::default();
    Ok(spec::Options {
        profile: matches.get_one("profile").copied(),
        name: matches.get_one("name").cloned(),
        default_grace: value::grace(matches)?.unwrap_or(usual.default_grace),
        ..usual
    })
}

pub(super) fn profile() -> Arg {
    Arg::new("profile")
        .long("profile")
        .value_name("PROFILE")
        .value_parser(value::profile())
        .help("Defaults and surroundings: process or pod [default: process for TOML, pod for YAML]")
}

pub(super) fn run(matches: &ArgMatches) -> u8 {
    runtime::tell(level(matches.get_count("verbose")));
    let options = match options(matches) {
        Ok(options) => spec::Options { kube_strict: matches.get_flag("kube-strict"), ..options },
        Err(message) => return cannot(&message),
    };
    let network = network_given(matches);
    let watched = match matches.get_flag("watch").then(|| watched(matches, &options, network)).transpose() {
        Ok(watched) => watched,
        Err(message) => return cannot(&message),
    };
    let Manifests { sources, unreadable } = source::read_all(matches);
    let loaded = source::with_features(spec::load_readable(&sources, unreadable, &options));
    if !loaded.problems.is_empty() {
        runtime::complain(&spec::render_all(&loaded.problems, &sources, colors_errors()));
    }
    let Some(mut pod) = loaded.pod else {
        let errors = loaded.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let what = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
        return cannot(&format!("cannot run the pod: {what} in its manifest"));
    };
    if let Err(message) = give_network(network, &mut pod) {
        return cannot(&message);
    }
    let exit_code_from = match matches.get_one::<String>("exit-code-from") {
        None => None,
        Some(name) => match find(&pod, name) {
            Ok(id) => Some(id),
            Err(message) => return cannot(&message),
        },
    };
    let images = match images(matches) {
        Ok(images) => images,
        Err(message) => return cannot(&message),
    };
    let fitted = match fitted(matches, &pod, &images) {
        Ok(fitted) => fitted,
        Err(problems) => return cannot(&problems.join("\npodinit: ")),
    };
    let strict = matches.get_flag("strict") || matches.get_flag("kube-strict");
    if let Some(loss) = fitted.lost.iter().find(|loss| strict && loss.is_unreplaced()) {
        return cannot(&format!("{}; --strict refuses that", degrade::told(loss)));
    }
    let lost: Vec<String> = fitted.lost.iter().map(degrade::told).collect();
    lost.iter().for_each(|told| log::warn!("{told}"));
    let watched = watched.map(|watched| watched_without(watched, &fitted.reduction));
    let plan::Fitted { pod, isolation, .. } = fitted;
    let network = match published(matches).and_then(|published| plan::network(&pod, &published)) {
        Ok(network) => network,
        Err(problems) => return cannot(&problems.join("\npodinit: ")),
    };
    let job = Job {
        pod,
        isolation,
        network,
        watched,
        strict,
        lost,
        commands: Commands::OfManifest,
        signals: SignalPolicy::Pod { interrupted: false },
        signal_group: false,
        warn_reaped: false,
        parent_death_signal: None,
        format: match matches.get_one::<String>("log-format").map(String::as_str) {
            Some("json") => Format::Json,
            Some("raw") => Format::Raw,
            _ => Format::Text,
        },
        color: wants_color(),
        exit_code_from,
        manifests: source::names(matches).map(PathBuf::from).collect(),
        status_file: matches.get_one("status-file").cloned(),
        event_file: matches.get_one("event-file").cloned(),
    };
    match runtime::run(job) {
        Ok(code) => code,
        Err(error) => cannot(&format!("cannot run the pod: {}", runtime::cause(error))),
    }
}

/// The pod as this host can run it. Nothing has been done by then.
fn fitted(matches: &ArgMatches, pod: &Pod, images: &Images) -> Result<plan::Fitted, Vec<String>> {
    let accepted = degrade::accepted(matches).map_err(|message| vec![message])?;
    let mut problems = plan::missing_image_volumes(pod, images);
    let isolation = match plan::isolation(pod, images) {
        Ok(isolation) if problems.is_empty() => isolation,
        Ok(_) => return Err(problems),
        Err(others) => {
            problems.extend(others);
            return Err(problems);
        }
    };
    let asked = plan::asked_of_host(pod, &isolation);
    let facts = if accepted.is_empty() { runtime::facts(&asked) } else { runtime::tried_facts(&asked) };
    plan::fitted(pod, images, &facts, &accepted).map_err(|unfit| match unfit {
        plan::Unfit::Problems(problems) => problems,
        plan::Unfit::Losses(losses) => {
            let sentences = losses.iter().map(degrade::sentence);
            sentences.chain([degrade::refused(&losses).trim_end().to_owned()]).collect()
        }
    })
}

/// What is read again is run without what was given up as well.
fn watched_without(watched: Watched, reduction: &Reduction) -> Watched {
    let (mut read_again, reduction) = (watched.read_again, reduction.clone());
    let read_again = move || {
        let reading = read_again();
        let pod = reading.pod.map(|pod| reduction.of(&pod));
        Reading { pod, ..reading }
    };
    Watched { read_again: Box::new(read_again), ..watched }
}

/// The files of the manifest, and what reads them again in the same way.
fn watched(
    matches: &ArgMatches,
    options: &spec::Options,
    network: Option<PodNetwork>,
) -> Result<Watched, String> {
    let files: Vec<PathBuf> = source::names(matches).map(PathBuf::from).collect();
    if files.iter().any(|file| file.as_os_str() == "-") {
        return Err("cannot watch standard input: use --watch with files".to_owned());
    }
    let (matches, options) = (matches.clone(), options.clone());
    let read_again = move || {
        let Manifests { sources, unreadable } = source::read_all(&matches);
        let loaded = source::with_features(spec::load_readable(&sources, unreadable, &options));
        let problems = spec::render_all(&loaded.problems, &sources, false).trim_end().to_owned();
        let mut pod = loaded.pod;
        match (network, &mut pod) {
            (Some(network), Some(read)) => match network.give(read) {
                Ok(()) => Reading { pod, problems },
                Err(message) => Reading { pod: None, problems: message },
            },
            (Some(_) | None, _) => Reading { pod, problems },
        }
    };
    Ok(Watched { files, read_again: Box::new(read_again) })
}

/// A network by the command line, which wins over the manifest's.
#[derive(Clone, Copy, Debug)]
enum PodNetwork {
    Host,
    Own(Network),
}

impl PodNetwork {
    /// One of the words that the option takes.
    fn of(word: &str) -> Self {
        match word {
            "host" => Self::Host,
            "none" => Self::Own(Network::None),
            "pasta" => Self::Own(Network::Pasta),
            _ => Self::Own(Network::Private),
        }
    }

    fn give(self, pod: &mut Pod) -> Result<(), String> {
        match (self, pod.profile) {
            (Self::Own(_), Profile::Process) => Err(
                "cannot give the pod a network of its own: profile \"process\" has the host's; use --profile pod, or \
                 leave --network out"
                    .to_owned(),
            ),
            (Self::Own(network), Profile::Pod) => {
                pod.sandbox.host.network = false;
                pod.sandbox.network = network;
                Ok(())
            }
            (Self::Host, Profile::Process | Profile::Pod) => {
                pod.sandbox.host.network = true;
                let sysctls = &pod.security_context.sysctls;
                match sysctls.iter().find(|sysctl| sysctl.name.starts_with("net.")) {
                    Some(sysctl) => Err(format!(
                        "cannot use the host's network: sysctl {} of the manifest would change the host's",
                        sysctl.name
                    )),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The network of the command line, if it names one.
fn network_given(matches: &ArgMatches) -> Option<PodNetwork> {
    matches.get_one::<String>("network").map(|word| PodNetwork::of(word))
}

fn give_network(network: Option<PodNetwork>, pod: &mut Pod) -> Result<(), String> {
    network.map_or(Ok(()), |network| network.give(pod))
}

/// The pod with the network of the command line, if that names one.
///
/// # Errors
/// It cannot have that.
pub(super) fn with_network(matches: &ArgMatches, pod: &Pod) -> Result<Pod, String> {
    let mut pod = pod.clone();
    give_network(network_given(matches), &mut pod).map(|()| pod)
}

/// The ports that are to lead into the pod.
pub(super) fn published(matches: &ArgMatches) -> Result<Vec<Published>, Vec<String>> {
    let (mut published, mut problems) = (Vec::new(), Vec::new());
    for given in matches.get_many::<String>("publish").into_iter().flatten() {
        match Published::parse(given) {
            Ok(port) => published.push(port),
            Err(why) => problems.push(format!("cannot use --publish {given:?}: {why}")),
        }
    }
    if problems.is_empty() { Ok(published) } else { Err(problems) }
}

/// Where containers without `rootfs` have their files from.
pub(super) fn images(matches: &ArgMatches) -> Result<Images, String> {
    let mut directories = std::collections::BTreeMap::new();
    for given in matches.get_many::<String>("image").into_iter().flatten() {
        let Some((name, directory)) =
            given.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty())
        else {
            return Err(format!(
                "cannot use --image {given:?}: write the image's name, `=`, and a directory"
            ));
        };
        directories.insert(name.to_owned(), directory.to_owned());
    }
    Ok(Images { directories, host_rootfs: matches.get_flag("host-rootfs") })
}

fn find(pod: &Pod, name: &str) -> Result<ContainerId, String> {
    let found = pod.iter().find(|(_, _, container)| *container.name == *name);
    found.map(|(id, ..)| id).ok_or_else(|| {
        let names: Vec<_> = pod.iter().map(|(_, _, container)| &*container.name).collect();
        format!("cannot take the exit code from {name:?}: the pod has {}", names.join(", "))
    })
}
