//! From the documents of all sources to the one pod they have, and to the objects beside it: which
//! document is what, lists taken apart. Knows kinds; what is in an object reads itself.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use super::config::{ObjectName, Objects, Reader};
use super::decode::{Item, Purpose, Scope};
use super::fields::Place;
use super::kind::{ConfigKind, KINDS, Kind, POD, Role, Workload, is_foreign};
use super::manifest::Form;
use super::metadata::option_name;
use super::object::{Head, head, object_metadata};
use super::origins::{Home, Origins};
use super::pod::Pod;
use super::problem::{Problem, Severity};
use super::references;
use super::tree::{Node, Span, Value, cut};
use super::workload::homes;
use super::{BYTE_ORDER_MARK, Options, Source, Syntax};

/// One document of a source.
pub(super) struct Document {
    pub source: usize,
    pub root: Rc<Node>,
}

/// A document, or an item of a list in one.
#[derive(Clone)]
struct Object<'a> {
    source: usize,
    node: &'a Node,
    path: String,
    /// Of what it is in a list.
    listed: Option<&'static Kind>,
}

/// What an object says that it is.
struct Found {
    head: Head,
    /// Whether that is written, and a guess otherwise.
    written: bool,
}

/// An object with a pod in it.
struct Candidate<'a> {
    object: Object<'a>,
    found: Found,
    workload: Workload,
}

/// An object, and what it is.
pub(super) struct Subject<'a> {
    pub source: usize,
    pub node: &'a Node,
    /// Empty for a document.
    pub path: String,
    pub head: Head,
}

/// What the documents have.
pub(super) struct Read<'a> {
    pub pod: Option<Pod>,
    pub objects: Arc<Objects>,
    pub origins: Origins,
    /// All objects, a list before its items.
    pub subjects: Vec<Subject<'a>>,
}

/// Reads the pod of the documents and the objects it may refer to. There is exactly one pod where it is to be
/// run; otherwise the first one is returned, and all are checked.
pub(super) fn read<'a>(
    sources: &[Source],
    documents: &'a [Document],
    options: &Options,
    purpose: Purpose,
    problems: &mut Vec<Problem>,
) -> Read<'a> {
    let mut reader = Reader::default();
    let mut subjects = Vec::new();
    let mut candidates = Vec::new();
    let mut without_effect = false;
    // What is wrong may be what would be the pod.
    let mut is_wrong = problems.iter().any(is_error);
    let mut queue: VecDeque<Object<'a>> =
        documents.iter().filter_map(|document| object(sources, document)).collect();
    while let Some(object) = queue.pop_front() {
        let Some(source) = sources.get(object.source) else { continue };
        let mut scope = Scope::new(object.source, &source.text, source.syntax, purpose);
        scope.kube_strict = options.kube_strict;
        if let Some(found) = what(&scope, &object) {
            let head = found.head;
            let Object { source, node, path, .. } = object.clone();
            subjects.push(Subject { source, node, path, head });
            without_effect |= !matches!(head.kind.role, Role::Workload(_));
            match head.kind.role {
                Role::Workload(workload) => candidates.push(Candidate { object, found, workload }),
                Role::Config(config) => {
                    scope.secret = config == ConfigKind::Secret;
                    read_config(&mut reader, &scope, &object, config, head);
                }
                Role::List => {
                    items(&scope, &object, head).into_iter().rev().for_each(|item| queue.push_front(item));
                }
                Role::Ignored(why) => {
                    pass_over(&scope, &object, head, why);
                    problems.extend(scope.into_problems());
                    continue;
                }
            }
        }
        let found = scope.into_problems();
        is_wrong |= found.iter().any(is_error);
        problems.extend(found);
    }
    let objects = Arc::new(reader.objects);
    let (mut pod, origins) = pods(sources, &candidates, options, purpose, problems);
    if let Some(pod) = &mut pod {
        pod.objects = Arc::clone(&objects);
        // What is wrong may be what is missing.
        if purpose == Purpose::Run && !problems.iter().any(is_error) {
            problems.extend(references::unmet(pod, &origins));
            problems.extend(references::volumes(pod, &origins));
        }
    }
    let fine_without = without_effect && purpose != Purpose::Run;
    if candidates.is_empty() && !fine_without && !is_wrong {
        problems.push(no_pod(sources, without_effect));
    }
    Read { pod, objects, origins, subjects }
}

fn is_error(problem: &Problem) -> bool {
    problem.severity == Severity::Error
}

/// A document that says something.
fn object<'a>(sources: &[Source], document: &'a Document) -> Option<Object<'a>> {
    let toml = sources.get(document.source)?.syntax == Syntax::Toml;
    let empty = document.root.value == Value::Null || (toml && document.root.is_empty());
    let (source, node) = (document.source, &*document.root);
    (!empty).then_some(Object { source, node, path: String::new(), listed: None })
}

/// Reads the first candidate, and the others as well or, where it is to be run, refuses them.
fn pods(
    sources: &[Source],
    candidates: &[Candidate<'_>],
    options: &Options,
    purpose: Purpose,
    problems: &mut Vec<Problem>,
) -> (Option<Pod>, Origins) {
    let first = candidates.iter().position(|candidate| candidate.found.written).unwrap_or(0);
    let (mut pod, mut origins) = (None, Origins::default());
    for (position, candidate) in candidates.iter().enumerate() {
        let (object, head) = (&candidate.object, candidate.found.head);
        let Some(source) = sources.get(object.source) else { continue };
        let mut scope = Scope::new(object.source, &source.text, source.syntax, purpose);
        scope.homes = homes(candidate.workload);
        scope.kube_strict = options.kube_strict;
        if position == first || (purpose != Purpose::Run && candidate.found.written) {
            let root = Item::object(&scope, object.node, &object.path);
            let option_name = option_name(options, problems);
            let workload = candidate.workload;
            let form = Form { root: &root, head, workload, options, option_name, source };
            let read = match scope.syntax {
                Syntax::Yaml => form.yaml(),
                Syntax::Toml => form.toml(),
            };
            if position != first {
                problems.extend(scope.into_problems());
                continue;
            }
            pod = read;
            origins = scope.origins(match scope.syntax {
                Syntax::Yaml => Home::in_object(&object.path, workload.template()),
                Syntax::Toml => Home::default(),
            });
        } else if !candidate.found.written {
            without_kind(&scope, object, head);
        } else if let Some(first) = candidates.get(first) {
            scope.report(another_pod(&scope, candidate, first));
        }
        problems.extend(scope.into_problems());
    }
    (pod, origins)
}

/// What an object says that it is; `None` where that is nothing podinit knows, which is reported then.
fn what(scope: &Scope<'_>, object: &Object<'_>) -> Option<Found> {
    let root = object.node;
    let start = Span::at(root.span.start);
    let implied = |listed: &'static Kind| Found {
        head: Head { kind: listed, place: start, implied: true },
        written: true,
    };
    let guess = |place| Found { head: Head { kind: &POD, place, implied: false }, written: false };
    if scope.syntax == Syntax::Toml {
        return Some(Found { written: true, ..guess(start) });
    }
    let Value::Mapping(_) = &root.value else {
        if root.value != Value::Unreadable {
            let message = format!("cannot use {} as a manifest", root.shown(scope.text));
            let problem =
                scope.error(root.span, message).path(object.path.clone()).label("a mapping is wanted");
            scope.report(problem.help("start with `apiVersion: v1` and `kind: Pod`"));
        }
        return None;
    };
    // What is missing is reported when the object is read.
    let Some(entry) = root.entry("kind").filter(|entry| entry.value.value != Value::Null) else {
        return Some(object.listed.map_or_else(|| guess(start), implied));
    };
    let place = entry.value.span;
    match &entry.value.value {
        Value::String(word) => kind_of_word(scope, object, word, place),
        Value::Unreadable => Some(guess(place)),
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Date
        | Value::List(_)
        | Value::Mapping(_) => {
            let message = "cannot use this manifest: kind is no word";
            let problem = scope.error(entry.key_span, message).path(path_of(object, "kind"));
            scope.report(problem.help("write `kind: Pod`"));
            Some(guess(place))
        }
    }
}

fn kind_of_word(scope: &Scope<'_>, object: &Object<'_>, word: &str, place: Span) -> Option<Found> {
    let api_version = object.node.entry("apiVersion").and_then(|entry| entry.value.as_string());
    let found = |kind| Some(Found { head: Head { kind, place, implied: false }, written: true });
    let refuse = |message: String, label: &str, help: &str| {
        let problem = scope.error(place, message).path(path_of(object, "kind"));
        scope.report(problem.label(label).help(help));
    };
    let message = format!("cannot use kind \"{}\"", cut(word));
    if word == "Kustomization" {
        refuse(message, "this says how to make manifests", "run `kubectl kustomize . | podinit run -`");
        return None;
    }
    if let Some(api_version) = api_version.filter(|version| is_foreign(version)) {
        let message = format!("{message} of {}", cut(api_version));
        let help = "leave it out; if a pod is in it, copy that into a manifest with `kind: Pod`";
        refuse(message, "podinit knows the kinds of Kubernetes itself", help);
        return None;
    }
    let listed = word.strip_suffix("List").and_then(Kind::find);
    if let Some(kind) = Kind::find(word).or_else(|| listed.and_then(|_| Kind::find("List"))) {
        return found(kind);
    }
    let Some(meant) = Kind::meant(word) else {
        refuse(
            message,
            "podinit knows no such kind",
            &format!("write one of {}, or leave it out", runnable()),
        );
        return None;
    };
    let same = meant.name.eq_ignore_ascii_case(word);
    let label = if same { "upper and lower case count" } else { "there is no such kind" };
    refuse(message, label, &format!("write `kind: {}`", meant.name));
    found(meant).filter(|_| !matches!(meant.role, Role::Ignored(_)))
}

/// A document that does not say what it is, and is not taken for the pod because another is.
fn without_kind(scope: &Scope<'_>, object: &Object<'_>, as_pod: Head) {
    const PLACES: &[Place] = &[Place::Document, Place::ConfigMap, Place::Secret, Place::List];
    const FIELDS: [&str; 10] = [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "data",
        "binaryData",
        "stringData",
        "immutable",
        "type",
        "items",
    ];
    let root = Item::object(scope, object.node, &object.path);
    root.fields(PLACES, |fields| {
        fields.anchor = as_pod.place;
        if fields.peek("kind").is_none() {
            fields.missing("kind", "write `kind:` with the kind of this object");
        }
        for name in FIELDS {
            fields.take(name);
        }
    });
}

/// Reads an object that a pod may refer to.
fn read_config(reader: &mut Reader, scope: &Scope<'_>, object: &Object<'_>, config: ConfigKind, found: Head) {
    let root = Item::object(scope, object.node, &object.path);
    root.fields(config.places(), |fields| {
        head(fields, found);
        let metadata = object_metadata(fields, "", true);
        let name = metadata.name.map(|name| {
            fields.belong_to(&format!("{} \"{}\"", config.name(), cut(name)));
            (ObjectName { namespace: metadata.namespace.to_owned(), name: name.to_owned() }, metadata.place)
        });
        reader.read(fields, config, name);
    });
}

/// The items of a list.
fn items<'a>(scope: &Scope<'_>, object: &Object<'a>, found: Head) -> Vec<Object<'a>> {
    let root = Item::object(scope, object.node, &object.path);
    let kind = object.node.entry("kind").and_then(|entry| entry.value.as_string());
    let listed = kind.and_then(|kind| kind.strip_suffix("List")).and_then(Kind::find);
    let api_version = listed.map_or(found.kind.api_version, |kind| kind.api_version);
    root.fields(&[Place::Document, Place::List], |fields| {
        fields.take("kind");
        match fields.take("apiVersion") {
            Some(item) => {
                item.choice(&[(api_version, ())], &format!("this list is of {api_version}"));
            }
            None => fields.missing("apiVersion", format!("write `apiVersion: {api_version}`")),
        }
        if let Some(item) = fields.take("metadata") {
            item.fields(&[Place::ListMetadata], |_| ());
        }
        match fields.take("items") {
            Some(item) => drop(item.list()),
            None => fields.missing("items", "write `items:` with one object for each item"),
        }
    });
    let Some(Value::List(nodes)) = object.node.entry("items").map(|entry| &entry.value.value) else {
        return Vec::new();
    };
    let path = path_of(object, "items");
    nodes
        .iter()
        .enumerate()
        .map(|(position, node)| Object {
            source: object.source,
            node,
            path: format!("{path}[{position}]"),
            listed,
        })
        .collect()
}

/// Tells of an object that nothing is done with.
fn pass_over(scope: &Scope<'_>, object: &Object<'_>, found: Head, why: &str) {
    let name = object.node.entry("metadata").and_then(|metadata| metadata.value.entry("name"));
    let name = name.and_then(|name| name.value.as_string()).map(|name| format!(" \"{}\"", cut(name)));
    let described = format!("{}{}", found.kind.name, name.unwrap_or_default());
    let problem = match scope.purpose {
        Purpose::Run => scope.ignored(found.place, &described, why),
        Purpose::Kubernetes => {
            let message = format!("cannot check {described}: it has no pod");
            Problem::warning(scope.source, found.place, message).label("not checked")
        }
        Purpose::Convert => return,
    };
    scope.report(problem.path(path_of(object, "kind")));
}

fn another_pod(scope: &Scope<'_>, candidate: &Candidate<'_>, first: &Candidate<'_>) -> Problem {
    let head = candidate.found.head;
    let label = match candidate.workload {
        Workload::Pod => "another pod".to_owned(),
        Workload::Deployment
        | Workload::StatefulSet
        | Workload::DaemonSet
        | Workload::ReplicaSet
        | Workload::ReplicationController
        | Workload::Job
        | Workload::CronJob => format!("this {} has a pod as well", head.kind.name),
    };
    let hook = [candidate, first].into_iter().any(|candidate| is_hook(candidate.object.node));
    let help = if hook {
        "leave Helm's hooks out: `helm template --no-hooks`"
    } else {
        "give each a file of its own, and start podinit once for each"
    };
    let problem = scope.error(head.place, "cannot run two pods at once").label(label).help(help);
    problem.path(if candidate.object.path.is_empty() { "" } else { &candidate.object.path }).note(
        "the first is",
        first.object.source,
        first.found.head.place,
    )
}

/// Whether Helm runs an object at some event, such as a test, and not with the others.
fn is_hook(root: &Node) -> bool {
    let annotations = root.entry("metadata").and_then(|metadata| metadata.value.entry("annotations"));
    annotations.is_some_and(|annotations| annotations.value.entry("helm.sh/hook").is_some())
}

fn no_pod(sources: &[Source], without_effect: bool) -> Problem {
    let says_something = |line: &str| !line.is_empty() && !line.starts_with("---");
    let is_empty = |source: &Source| {
        let text = source.text.trim_start_matches(BYTE_ORDER_MARK);
        !text.lines().any(|line| says_something(line.trim()))
    };
    let message = match sources {
        [] => "there is no file",
        [..] if without_effect => "nothing here is something to run",
        [source] if is_empty(source) => "the file is empty",
        several if several.iter().all(is_empty) => "the files are empty",
        [..] => "there is nothing but comments",
    };
    let message = format!("cannot find a pod: {message}");
    let problem =
        if sources.len() == 1 { Problem::of_source(0, message) } else { Problem::of_options(message) };
    problem.help(match without_effect {
        true => format!("add a document of kind {}", runnable()),
        false => "write a manifest with `kind: Pod`, or a TOML file with `[[containers]]`".to_owned(),
    })
}

fn path_of(object: &Object<'_>, field: &str) -> String {
    if object.path.is_empty() { field.to_owned() } else { format!("{}.{field}", object.path) }
}

/// The kinds that are run, as words.
fn runnable() -> String {
    let names = KINDS.iter().filter(|kind| matches!(kind.role, Role::Workload(_))).map(|kind| kind.name);
    names.collect::<Vec<_>>().join(", ")
}
