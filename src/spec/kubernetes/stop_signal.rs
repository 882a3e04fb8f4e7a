//! What a cluster asks of `lifecycle.stopSignal` beyond its name: the operating system beside it, and a feature
//! that is off where nobody turned it on (rule 84).

use super::super::Syntax;
use super::super::decode::Item;
use super::super::problem::Problem;
use super::super::tree::Value;
use super::below;

/// The signals that there are on Windows.
const OF_WINDOWS: [&str; 2] = ["SIGTERM", "SIGKILL"];

/// Judges the signals of all containers of a spec.
pub(super) fn judge(spec: &Item<'_>) {
    let os = below(spec, "os.name").and_then(|name| name.node.as_string());
    let mut told = false;
    for list in ["initContainers", "containers"] {
        let containers = below(spec, list).filter(|item| matches!(item.node.value, Value::List(_)));
        for container in containers.and_then(|item| item.list()).unwrap_or_default() {
            let Some(signal) = below(&container, "lifecycle.stopSignal") else { continue };
            let Some(name) = signal.node.as_string().filter(|name| !name.is_empty()) else { continue };
            match os {
                None | Some("") => {
                    let problem =
                        signal.wrong().label("Kubernetes wants to know the operating system with it");
                    let help = match signal.scope.syntax {
                        Syntax::Yaml => "write `os: {name: linux}` into the pod's spec",
                        Syntax::Toml => "write `os = { name = \"linux\" }` at the top of the file",
                    };
                    signal.scope.report(problem.help(help));
                }
                Some("windows") if !OF_WINDOWS.contains(&name) => {
                    let help = "write SIGTERM or SIGKILL, or another operating system";
                    signal.refuse("Windows has no such signal", help);
                }
                // Once: it is about the cluster.
                Some(_) if !told => {
                    told = true;
                    off_by_default(&signal);
                }
                Some(_) => {}
            }
        }
    }
}

fn off_by_default(signal: &Item<'_>) {
    let message = "a cluster may drop stopSignal: it is alpha, and off where nobody turned it on";
    let problem = Problem::warning(signal.scope.source, signal.key, message).path(signal.path.clone());
    let problem = problem.label("needs the feature gate ContainerStopSignals");
    signal.scope.report(problem.help("give the image a STOPSIGNAL, which every cluster heeds"));
}
