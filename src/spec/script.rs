//! A simulation's script: how the containers of a pod behave and what happens to the pod, in the
//! syntax of manifests and read as strictly. Knows the pod it is for, and not how it is simulated.

use std::collections::BTreeMap;
use std::time::Duration;

use super::decode::{Fields, Item, Purpose, Scope};
use super::fields::Place;
use super::pod::{Container, ContainerId, ContainerKind, HookKind, Pod};
use super::problem::{Problem, Severity};
use super::settings::seconds;
use super::suggest::nearest;
use super::tree::{Span, Value, cut};
use super::{Signal, Source, Syntax, parse, unusable};

/// What happens in a simulation. Empty: everything behaves as it does without a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The containers that the script says something about.
    pub containers: BTreeMap<ContainerId, Conduct>,
    /// In the order in which they happen.
    pub events: Vec<Incident>,
}

/// How the processes of one container behave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conduct {
    /// One after the other, the last over and over. Empty: as without a script.
    pub runs: Vec<Run>,
    /// From the start of an attempt until its program runs.
    pub start_takes: Duration,
    /// From the stop signal to the end.
    pub stop_takes: Option<Duration>,
    /// How it ends when told to.
    pub stop_exit: Option<ScriptedExit>,
    /// A stop signal does nothing.
    pub ignores_stop: bool,
    /// From the program's start until its startup probe succeeds.
    pub ready_after: Option<Duration>,
    /// From the program's start until its liveness probe begins to fail.
    pub healthy_for: Option<Duration>,
    /// From the program's start until its readiness probe succeeds.
    pub serves_from: Option<Duration>,
    /// From the program's start until its readiness probe fails again.
    pub serves_until: Option<Duration>,
    /// From the program's start until it says that it is ready.
    pub notifies_after: Option<Duration>,
    /// How its hook after the start goes.
    pub post_start: Option<ScriptedHook>,
    /// How its hook before the stop goes.
    pub pre_stop: Option<ScriptedHook>,
}

/// How a hook goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptedHook {
    /// From its beginning to its end.
    pub takes: Duration,
    /// It fails then.
    pub fails: bool,
}

/// One attempt of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// `None`: until it is told to end.
    pub lasts: Option<Duration>,
    /// How it ends by itself.
    pub exit: ScriptedExit,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptedExit {
    /// It exits.
    Code(u8),
    /// A signal ends it.
    Signal(Signal),
}

/// Something that happens to the pod from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Since the pod's beginning.
    pub at: Duration,
    /// What.
    pub kind: IncidentKind,
}

/// What can happen to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentKind {
    /// A signal asks it to stop.
    Stop(Signal),
    /// It is to end at once.
    Kill,
    /// A container is to be started anew.
    Restart(ContainerId),
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedScript {
    /// The script; there exactly when there are no problems.
    pub script: Option<Script>,
    /// In the order of the lines.
    pub problems: Vec<Problem>,
}

/// Reads the script for `pod`, and finds everything that is wrong with it.
pub fn load_script(source: &Source, pod: &Pod) -> LoadedScript {
    let mut problems = Vec::new();
    let mut script = Script::default();
    if let Some(problem) = unusable(0, &source.text) {
        problems.push(problem);
    } else {
        let roots = parse(0, source, &mut problems);
        let mut roots = roots.iter().filter(|root| root.value != Value::Null);
        let scope = Scope::new(0, &source.text, source.syntax, Purpose::Run);
        if let Some(root) = roots.next() {
            let root = Item { name: "script".to_owned(), ..Item::object(&scope, root, "") };
            if let Some(place) = place_of_manifest(&root) {
                let problem = scope.error(place, "cannot use this as a script: it is a manifest");
                let help = "a script has `containers` by name and `events`: see `podinit simulate --help`";
                scope.report(problem.label("a script has no such thing").help(help));
            } else {
                let read = root.fields(&[Place::Script], |fields| read(fields, pod));
                script = read.unwrap_or_default();
            }
        }
        if let Some(second) = roots.next() {
            let problem = scope.error(second.span, "cannot use two scripts at once");
            scope.report(problem.label("the second document").help("put everything into one document"));
        }
        problems.extend(scope.into_problems());
    }
    problems.sort_by_key(|problem| problem.span.map(|span| span.start));
    let is_fine = problems.iter().all(|problem| problem.severity == Severity::Warning);
    LoadedScript { script: is_fine.then_some(script), problems }
}

/// Where it can be seen that somebody took the pod for its script.
fn place_of_manifest(root: &Item<'_>) -> Option<Span> {
    let kind = root.node.entry("apiVersion").or_else(|| root.node.entry("kind"));
    let list = || {
        let containers = root.node.entry("containers")?;
        matches!(containers.value.value, Value::List(_)).then_some(containers)
    };
    kind.or_else(list).map(|entry| entry.key_span)
}

fn read(fields: &mut Fields<'_>, pod: &Pod) -> Script {
    let containers = fields.take("containers").and_then(|item| item.entries()).unwrap_or_default();
    let containers = containers.into_iter().filter_map(|(name, item)| {
        let Some(id) = find(pod, name) else {
            let message = format!("cannot find container \"{}\" in the pod", item.name);
            item.scope.report(
                item.scope
                    .error(item.key, message)
                    .path(item.path.clone())
                    .label("no container of the pod has this name")
                    .help(names_there_are(pod, name)),
            );
            return None;
        };
        Some((id, conduct(&item, pod, id)?))
    });
    let containers = containers.collect();
    let events = fields.take("events").and_then(|item| item.list()).unwrap_or_default();
    let mut events: Vec<Incident> = events.iter().filter_map(|item| incident(item, pod)).collect();
    events.sort_by_key(|incident| incident.at);
    Script { containers, events }
}

fn find(pod: &Pod, name: &str) -> Option<ContainerId> {
    pod.iter().find(|(_, _, container)| *container.name == *name).map(|(id, ..)| id)
}

fn names_there_are(pod: &Pod, name: &str) -> String {
    let names: Vec<&str> = pod.iter().map(|(_, _, container)| &*container.name).collect();
    match nearest(name, names.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("the pod has {}", names.join(", ")),
    }
}

fn conduct(item: &Item<'_>, pod: &Pod, id: ContainerId) -> Option<Conduct> {
    item.fields(&[Place::ScriptContainer], |fields| {
        fields.belong_to(&format!("container \"{}\"", item.name));
        let runs = fields.take("runs").map(|item| runs(&item)).unwrap_or_default();
        let start_takes = fields.take("startTakes").and_then(|item| seconds(&item)).unwrap_or_default();
        let ignores = fields.take("ignoresStop");
        let ignores_stop = ignores.as_ref().and_then(|item| item.boolean()).unwrap_or_default();
        let stop_takes = fields.take("stopTakes");
        let stop_exit = fields.take("stopExit");
        if let (Some(ignores), true) = (&ignores, ignores_stop) {
            for item in [&stop_takes, &stop_exit].into_iter().flatten() {
                contradicts(item, ignores.key);
            }
        }
        let stop_takes = stop_takes.and_then(|item| seconds(&item));
        let stop_exit = stop_exit.and_then(|item| exit(&item));
        let asked = |has: fn(&Container) -> bool| pod.container(id).is_some_and(has);
        let mut time = |name, needs, is_asked| {
            let item = fields.take(name)?;
            only_where_asked(&item, needs, is_asked);
            seconds(&item)
        };
        let ready_after = time("readyAfter", "startupProbe", asked(|it| it.startup_probe.is_some()));
        let healthy_for = time("healthyFor", "livenessProbe", asked(|it| it.liveness_probe.is_some()));
        let serves_from = time("servesFrom", "readinessProbe", asked(|it| it.readiness_probe.is_some()));
        let serves_until = time("servesUntil", "readinessProbe", asked(|it| it.readiness_probe.is_some()));
        let notifies_after = time("notifiesAfter", "notify", asked(|it| it.notify.is_some()));
        let mut hook = |name, kind| {
            let item = fields.take(name)?;
            only_where_asked(&item, name, pod.container(id).is_some_and(|it| it.hook(kind).is_some()));
            scripted_hook(&item)
        };
        let post_start = hook("postStart", HookKind::PostStart);
        let pre_stop = hook("preStop", HookKind::PreStop);
        Conduct {
            runs,
            start_takes,
            stop_takes,
            stop_exit,
            ignores_stop,
            ready_after,
            healthy_for,
            serves_from,
            serves_until,
            notifies_after,
            post_start,
            pre_stop,
        }
    })
}

/// Refuses what nothing in the manifest asks for.
fn only_where_asked(item: &Item<'_>, needs: &str, is_asked: bool) {
    if !is_asked {
        let message = format!("cannot use {}{}: it has no {needs}", item.name, item.owner);
        let problem = item.scope.error(item.key, message).path(item.path.clone());
        let help = format!("leave it out, or give the container a {needs} in the manifest");
        item.scope.report(problem.label(format!("only a {needs} asks for it")).help(help));
    }
}

fn scripted_hook(item: &Item<'_>) -> Option<ScriptedHook> {
    item.fields(&[Place::ScriptHook], |fields| {
        fields.belong_to_part(&item.name);
        let takes = fields.take("takes").and_then(|item| seconds(&item)).unwrap_or_default();
        let fails = fields.take("fails").and_then(|item| item.boolean()).unwrap_or_default();
        ScriptedHook { takes, fails }
    })
}

fn contradicts(item: &Item<'_>, ignores: Span) {
    let message = format!("cannot use {}{}: it ignores the stop", item.name, item.owner);
    let problem = item.scope.error(item.key, message).path(item.path.clone());
    let help = format!("leave out {} or ignoresStop", item.name);
    item.scope.report(problem.note("ignoresStop is", item.scope.source, ignores).help(help));
}

fn runs(item: &Item<'_>) -> Vec<Run> {
    let example = match item.scope.syntax {
        Syntax::Toml => "`runs = [{ lasts = 1 }]`",
        Syntax::Yaml => "`runs: [{lasts: 1}]`",
    };
    if let Value::Mapping(_) = item.node.value {
        item.refuse("a list of runs is wanted", format!("write {example}"));
        return Vec::new();
    }
    let Some(items) = item.list() else { return Vec::new() };
    if items.is_empty() {
        item.refuse("there is no run in it", format!("leave it out, or write one run: {example}"));
    }
    let runs = items.iter().filter_map(|item| {
        item.fields(&[Place::ScriptRun], |fields| {
            fields.belong_to_part("a run");
            let lasts = fields.take("lasts");
            let ending = fields.take("exit");
            if let (None, Some(ending)) = (&lasts, &ending)
                && !fields.misspelt("lasts")
            {
                let message = format!("cannot use exit{}: it never ends by itself", ending.owner);
                let problem = ending.scope.error(ending.key, message).path(ending.path.clone());
                let lasts = ending.scope.written("lasts", "2");
                let help = format!("say after how many seconds it ends: {lasts}; or use stopExit");
                ending
                    .scope
                    .report(problem.label("a run without lasts goes on until it is stopped").help(help));
            }
            let lasts = lasts.and_then(|item| seconds(&item));
            Run { lasts, exit: ending.and_then(|item| exit(&item)).unwrap_or(ScriptedExit::Code(0)) }
        })
    });
    runs.collect()
}

/// An exit code, or the name of a signal.
fn exit(item: &Item<'_>) -> Option<ScriptedExit> {
    let help = "write a signal such as \"KILL\" or \"SEGV\", or a code from 0 to 255";
    let text = match &item.node.value {
        Value::String(text) => text,
        Value::Integer(_) | Value::Float(_) | Value::Unreadable => {
            let code = item.integer(0, 255)?;
            return u8::try_from(code).ok().map(ScriptedExit::Code);
        }
        Value::Null | Value::Boolean(_) | Value::Date | Value::List(_) | Value::Mapping(_) => {
            item.refuse("an exit code or the name of a signal is wanted", help);
            return None;
        }
    };
    if text.parse::<f64>().is_ok() {
        item.refuse("a string is the name of a signal", format!("write {} without quotes", cut(text)));
        return None;
    }
    let signal = Signal::parse(text);
    if signal.is_none() {
        item.refuse("no signal has this name", help);
    }
    signal.map(ScriptedExit::Signal)
}

const WHAT: &str = "stop, kill or restart";

fn incident(item: &Item<'_>, pod: &Pod) -> Option<Incident> {
    item.fields(&[Place::ScriptEvent], |fields| {
        let at = fields.take("at");
        if at.is_none() {
            fields.missing("at", format!("say when, in seconds: {}", item.scope.written("at", "30")));
        }
        let stop = fields.take("stop");
        let kill = fields.take("kill");
        let restart = fields.take("restart");
        let written: Vec<&Item<'_>> = [&stop, &kill, &restart].into_iter().flatten().collect();
        if let [first, second, ..] = written.as_slice() {
            let message = format!("cannot use {} in {}: an event is one thing", second.name, item.name);
            let problem = second.scope.error(second.key, message).path(second.path.clone());
            second.scope.report(
                problem
                    .label("the second thing to happen")
                    .note("the first is", first.scope.source, first.key)
                    .help("make two events of it"),
            );
        } else if written.is_empty() && !["stop", "kill", "restart"].iter().any(|name| fields.misspelt(name))
        {
            let help = format!("say what happens, for example {}", item.scope.word("stop", "TERM"));
            fields.missing(WHAT, help);
        }
        let kind = stop
            .and_then(|item| stop_signal(&item))
            .or_else(|| kill.and_then(|item| killed(&item)))
            .or_else(|| restart.and_then(|item| restarted(&item, pod)));
        Some(Incident { at: at.and_then(|item| seconds(&item))?, kind: kind? })
    })?
}

fn stop_signal(item: &Item<'_>) -> Option<IncidentKind> {
    let words = [("TERM", Signal::TERM), ("INT", Signal::INT)];
    item.choice(&words, "TERM or INT stop a pod").map(IncidentKind::Stop)
}

fn killed(item: &Item<'_>) -> Option<IncidentKind> {
    if !item.boolean()? {
        item.refuse("an event is something that happens", "write true, or remove the event");
    }
    Some(IncidentKind::Kill)
}

fn restarted(item: &Item<'_>, pod: &Pod) -> Option<IncidentKind> {
    let name = item.string()?;
    let found = pod.iter().find(|(_, _, container)| *container.name == *name);
    match found {
        Some((id, ContainerKind::Sidecar | ContainerKind::Main, _)) => Some(IncidentKind::Restart(id)),
        Some((_, ContainerKind::Init | ContainerKind::Ephemeral, _)) => {
            item.refuse("an init container runs once", "name a sidecar or a main container");
            None
        }
        None => {
            item.refuse("no container of the pod has this name", names_there_are(pod, name));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Options, Profile, load, render_all};

    const POD: &str = "
[[initContainers]]
name = \"fetch\"
command = [\"x\"]
[[initContainers]]
name = \"proxy\"
restartPolicy = \"Always\"
command = [\"x\"]
startupProbe = { tcpSocket = { port = 80 } }
[[containers]]
name = \"web\"
command = [\"x\"]
livenessProbe = { tcpSocket = { port = 80 } }
readinessProbe = { tcpSocket = { port = 80 } }
notify = \"socket\"
lifecycle = { postStart.exec.command = [\"x\"], preStop.exec.command = [\"x\"] }
";

    const FULL: &str = "
[containers.proxy]
runs = [{ lasts = 4, exit = 1 }, { lasts = 0.5, exit = \"KILL\" }, {}]
startTakes = 0.1
stopTakes = 0.5
stopExit = \"SIGTERM\"
readyAfter = 1
[containers.web]
ignoresStop = true
healthyFor = 20
servesFrom = 1
servesUntil = 30
notifiesAfter = 2
postStart = { takes = 3, fails = true }
preStop = { takes = 0.5 }
[[events]]
at = 30
stop = \"TERM\"
[[events]]
at = 20
restart = \"proxy\"
[[events]]
at = 50
kill = true
";

    fn pod() -> Pod {
        let source = Source { name: "pod.toml".to_owned(), text: POD.to_owned(), syntax: Syntax::Toml };
        let options = Options { profile: Some(Profile::Process), ..Options::default() };
        load(&[source], &options).pod.unwrap()
    }

    fn script(text: &str, syntax: Syntax) -> Result<Script, String> {
        let source = Source { name: "script".to_owned(), text: text.to_owned(), syntax };
        let loaded = load_script(&source, &pod());
        loaded.script.ok_or_else(|| render_all(&loaded.problems, &[source], false))
    }

    #[test]
    fn a_script_says_how_containers_behave_and_what_happens() {
        let seconds = Duration::from_secs_f64;
        let run = |lasts: Option<f64>, exit| Run { lasts: lasts.map(seconds), exit };
        let proxy = Conduct {
            runs: vec![
                run(Some(4.0), ScriptedExit::Code(1)),
                run(Some(0.5), ScriptedExit::Signal(Signal::KILL)),
                run(None, ScriptedExit::Code(0)),
            ],
            start_takes: seconds(0.1),
            stop_takes: Some(seconds(0.5)),
            stop_exit: Some(ScriptedExit::Signal(Signal::TERM)),
            ignores_stop: false,
            ready_after: Some(seconds(1.0)),
            ..Conduct::default()
        };
        let hook = |takes, fails| Some(ScriptedHook { takes: seconds(takes), fails });
        let web = Conduct {
            ignores_stop: true,
            healthy_for: Some(seconds(20.0)),
            serves_from: Some(seconds(1.0)),
            serves_until: Some(seconds(30.0)),
            notifies_after: Some(seconds(2.0)),
            post_start: hook(3.0, true),
            pre_stop: hook(0.5, false),
            ..Conduct::default()
        };
        let at = |at: f64, kind| Incident { at: seconds(at), kind };
        let events = vec![
            at(20.0, IncidentKind::Restart(ContainerId::at(1))),
            at(30.0, IncidentKind::Stop(Signal::TERM)),
            at(50.0, IncidentKind::Kill),
        ];
        let containers = [(ContainerId::at(1), proxy), (ContainerId::at(2), web)].into();
        assert_eq!(script(FULL, Syntax::Toml), Ok(Script { containers, events }));
    }

    #[test]
    fn both_syntaxes_say_the_same() {
        let yaml = "
containers:
  proxy:
    runs: [{lasts: 4, exit: 1}, {lasts: 0.5, exit: KILL}, {}]
    startTakes: 0.1
    stopTakes: 0.5
    stopExit: SIGTERM
    readyAfter: 1
  web:
    ignoresStop: true
    healthyFor: 20
    servesFrom: 1
    servesUntil: 30
    notifiesAfter: 2
    postStart: {takes: 3, fails: true}
    preStop: {takes: 0.5}
events:
  - {at: 30, stop: TERM}
  - {at: 20, restart: proxy}
  - {at: 50, kill: true}
";
        assert_eq!(script(yaml, Syntax::Yaml), script(FULL, Syntax::Toml));
    }

    #[test]
    fn an_empty_script_says_nothing() {
        for (text, syntax) in [("", Syntax::Toml), ("# nothing\n", Syntax::Yaml), ("{}", Syntax::Yaml)] {
            assert_eq!(script(text, syntax), Ok(Script::default()), "{text:?}");
        }
    }

    /// SPEC-01.
    #[test]
    fn each_key_with_one_letter_changed_is_found_and_put_right() {
        let places =
            [Place::Script, Place::ScriptContainer, Place::ScriptRun, Place::ScriptHook, Place::ScriptEvent];
        for field in places.into_iter().flat_map(crate::spec::fields::Field::of) {
            let name = field.name;
            assert!(FULL.contains(name), "{name} is not tried");
            let misspelt = format!("{}z", &name[..name.len() - 1]);
            let problems = script(&FULL.replace(name, &misspelt), Syntax::Toml).unwrap_err();
            assert!(problems.contains(&format!("write `{name}`")), "{name}:\n{problems}");
        }
    }
}
