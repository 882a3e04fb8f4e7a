//! From documents to the one pod they have: which document it is, and both forms of a manifest. Knows
//! the shape of a pod; its parts read themselves.

use super::container::{ContainerList, RESTART_POLICIES, Surroundings, container};
use super::decode::{Fields, Item, Purpose, Scope};
use super::fields::Place;
use super::metadata::{annotations, file_name, generated_name, labels, namespace, option_name, pod_name};
use super::origins::Origins;
use super::pod::{Container, Metadata, Pod, Profile, RestartPolicy};
use super::problem::Problem;
use super::resources::resources;
use super::settings::Settings;
use super::tree::{Node, Span, Value, cut};
use super::{BYTE_ORDER_MARK, Options, Source, Syntax};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// One document of a source.
pub(super) struct Document {
    pub source: usize,
    pub root: Rc<Node>,
}

/// Kinds that people have beside a pod, and what to do about them.
const KINDS: &[(&str, &str)] = &[
    ("Deployment", TEMPLATE),
    ("StatefulSet", TEMPLATE),
    ("DaemonSet", TEMPLATE),
    ("ReplicaSet", TEMPLATE),
    ("ReplicationController", TEMPLATE),
    ("Job", TEMPLATE),
    ("CronJob", "copy spec.jobTemplate.spec.template into a manifest with `kind: Pod`"),
    ("List", "copy one of its items into a file of its own"),
    ("PodList", "copy one of its items into a file of its own"),
    ("ConfigMap", "write the values into `env` of the containers, and leave it out"),
    ("Secret", "write the values into `env` of the containers, and leave it out"),
    ("PersistentVolumeClaim", "use a directory of this host, and leave it out"),
];

const TEMPLATE: &str = "copy spec.template into a manifest with `kind: Pod`";

/// Reads the pod of the documents. There is exactly one.
pub(super) fn pod(
    sources: &[Source],
    documents: &[Document],
    options: &Options,
    purpose: Purpose,
    problems: &mut Vec<Problem>,
) -> Option<(Pod, Origins)> {
    let clean = problems.is_empty();
    let mut found: Option<(&Document, Scope<'_>, Span)> = None;
    let mut refused = false;
    for document in documents {
        let Some(source) = sources.get(document.source) else { continue };
        let toml = source.syntax == Syntax::Toml;
        if document.root.value == Value::Null || (toml && document.root.is_empty()) {
            continue;
        }
        let scope = Scope::new(document.source, &source.text, source.syntax, purpose);
        match place_of_pod(&scope, &document.root) {
            Some(place) => match &found {
                Some((first, _, first_place)) => {
                    scope.report(second_pod(&scope, place, first.source, *first_place))
                }
                None => {
                    found = Some((document, scope, place));
                    continue;
                }
            },
            None => refused = true,
        }
        problems.extend(scope.into_problems());
    }
    let Some((document, scope, place)) = found else {
        if clean && !refused {
            problems.push(no_pod(sources));
        }
        return None;
    };
    let pod = {
        let root = Item::root(&scope, &document.root);
        let option_name = option_name(options, problems);
        let form = Form { root: &root, place, options, option_name, source: sources.get(document.source)? };
        match scope.syntax {
            Syntax::Yaml => form.yaml(),
            Syntax::Toml => form.toml(),
        }
    };
    let origins = scope.origins();
    problems.extend(scope.into_problems());
    Some((pod?, origins))
}

/// Where a document says that it is a pod; `None` where it is something else, which is reported then.
fn place_of_pod(scope: &Scope<'_>, root: &Node) -> Option<Span> {
    let start = Span::at(root.span.start);
    if scope.syntax == Syntax::Toml {
        return Some(start);
    }
    let Value::Mapping(_) = &root.value else {
        if root.value != Value::Unreadable {
            let message = format!("cannot use {} as a manifest", root.shown(scope.text));
            let problem = scope.error(root.span, message).label("a mapping is wanted");
            scope.report(problem.help("start with `apiVersion: v1` and `kind: Pod`"));
        }
        return None;
    };
    // What is missing is reported when the pod is read.
    let Some(kind) = root.entry("kind").filter(|entry| entry.value.value != Value::Null) else {
        return Some(start);
    };
    let place = kind.value.span;
    match &kind.value.value {
        Value::String(word) if word == "Pod" => Some(place),
        Value::String(word) => {
            let refuse = |label: &str, help: &str| {
                let problem = scope.error(place, format!("cannot run kind \"{}\"", cut(word))).path("kind");
                scope.report(problem.label(label).help(help));
            };
            if word.eq_ignore_ascii_case("pod") {
                refuse("upper and lower case count", "write `kind: Pod`");
                return Some(place);
            }
            match KINDS.iter().find(|(kind, _)| kind == word) {
                Some((_, help)) => refuse("podinit does not support it yet", help),
                None => refuse("podinit runs pods only", "leave it out"),
            }
            None
        }
        Value::Unreadable => Some(place),
        Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Date
        | Value::List(_)
        | Value::Mapping(_) => {
            let problem =
                scope.error(kind.key_span, "cannot use this manifest: kind is no word").path("kind");
            scope.report(problem.help("write `kind: Pod`"));
            Some(place)
        }
    }
}

fn second_pod(scope: &Scope<'_>, place: Span, first: usize, first_place: Span) -> Problem {
    scope
        .error(place, "cannot run two pods at once")
        .label("the second pod")
        .note("the first is", first, first_place)
        .help("give each pod a file of its own, and start podinit once for each")
}

fn no_pod(sources: &[Source]) -> Problem {
    let says_something = |line: &str| !line.is_empty() && !line.starts_with("---");
    let is_empty = |source: &Source| {
        let text = source.text.trim_start_matches(BYTE_ORDER_MARK);
        !text.lines().any(|line| says_something(line.trim()))
    };
    let problem = match sources {
        [source] if is_empty(source) => Problem::of_source(0, "cannot find a pod: the file is empty"),
        [_] => Problem::of_source(0, "cannot find a pod: there is nothing but comments"),
        [] => Problem::of_options("cannot find a pod: there is no file"),
        several if several.iter().all(is_empty) => {
            Problem::of_options("cannot find a pod: the files are empty")
        }
        [..] => Problem::of_options("cannot find a pod: there is nothing but comments"),
    };
    problem.help("write a manifest with `kind: Pod`, or a TOML file with `[[containers]]`")
}

/// A manifest that is to be a pod.
struct Form<'a> {
    root: &'a Item<'a>,
    /// Where it says that it is a pod.
    place: Span,
    options: &'a Options,
    option_name: Option<&'a str>,
    source: &'a Source,
}

impl<'a> Form<'a> {
    fn yaml(&self) -> Option<Pod> {
        self.root.fields(&[Place::Document], |fields| {
            fields.anchor = self.place;
            if fields.take("kind").is_none() {
                fields.missing("kind", "write `kind: Pod`");
            }
            self.api_version(fields);
            let (metadata, settings) = self.yaml_metadata(fields);
            let profile = settings.profile(self.options, Profile::Pod, (self.root, self.place));
            let back_off = settings.back_off();
            let Some(spec) = fields.take("spec") else {
                fields.missing("spec", "write `spec:` with `containers:` below it");
                return None;
            };
            spec.fields(&[Place::Spec], |fields| {
                let spec = self.spec(fields, profile);
                Pod { metadata, crash_loop_back_off: back_off, ..spec }
            })
        })?
    }

    fn api_version(&self, fields: &mut Fields<'_>) {
        match fields.take("apiVersion") {
            Some(item) => {
                item.choice(&[("v1", ())], "a Pod is of v1");
            }
            None => fields.missing("apiVersion", "write `apiVersion: v1`"),
        }
    }

    fn yaml_metadata<'f>(&self, fields: &mut Fields<'f>) -> (Metadata, Settings<'f>) {
        let item = fields.take("metadata");
        let read = item.as_ref().and_then(|item| {
            item.fields(&[Place::Metadata], |fields| {
                let written = fields.peek("name").or_else(|| fields.peek("generateName"));
                if written.is_none() && self.option_name.is_none() {
                    fields.missing("name", "write `name: my-pod`, or use `--name`");
                }
                let generated = generated_name(fields);
                let (mut metadata, settings) = self.metadata(fields);
                if fields.peek("name").is_none() && self.option_name.is_none() {
                    metadata.name = Arc::from(generated.unwrap_or(&metadata.name));
                }
                (metadata, settings)
            })
        });
        if item.is_none() && self.option_name.is_none() {
            fields.missing("metadata", "write `metadata:` with `name: my-pod` below it, or use `--name`");
        }
        read.unwrap_or_else(|| (self.metadata_of("", "default"), Settings::default()))
    }

    fn toml(&self) -> Option<Pod> {
        self.root.fields(&[Place::Toml, Place::Spec], |fields| {
            let (metadata, _) = self.metadata(fields);
            let profile = fields.take("profile");
            let back_off = fields.take("crashLoopBackOff");
            let settings = Settings::take_keys(profile, back_off.as_ref());
            let profile = settings.profile(self.options, Profile::Process, (self.root, self.place));
            let back_off = settings.back_off();
            let spec = self.spec(fields, profile);
            Pod { metadata, crash_loop_back_off: back_off, ..spec }
        })
    }

    /// Name, namespace, labels and annotations, which are the same fields in both forms.
    fn metadata<'f>(&self, fields: &mut Fields<'f>) -> (Metadata, Settings<'f>) {
        let name = pod_name(fields);
        let namespace = namespace(fields);
        let labels = labels(fields);
        let (annotations, settings) = annotations(fields);
        let metadata = self.metadata_of(name.unwrap_or_default(), namespace);
        (Metadata { labels, annotations, ..metadata }, settings)
    }

    fn metadata_of(&self, name: &str, namespace: &str) -> Metadata {
        let from_file = || file_name(self.source);
        let name = match self.option_name.unwrap_or(name) {
            "" => Arc::from(from_file()),
            name => Arc::from(name),
        };
        Metadata {
            name,
            namespace: Arc::from(namespace),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// The fields of the spec; metadata and delays are the caller's.
    fn spec(&self, fields: &mut Fields<'_>, profile: Profile) -> Pod {
        let written = fields.take("restartPolicy");
        let restart_policy = written
            .and_then(|item| item.choice_or_default(RESTART_POLICIES, "one of Always, OnFailure, Never"));
        self.host_namespaces(fields);
        operating_system(fields);
        let surroundings = Surroundings {
            profile,
            image_told: Cell::new(false),
            limits_told: Cell::new(false),
            strict: self.options.strict,
        };
        let resources = fields.take("resources").map(|item| {
            let resources = resources(&item, "the pod");
            surroundings.limits_are_not_enforced(&item, &resources);
            resources
        });
        let init = fields.take("initContainers");
        let main = fields.take("containers");
        if main.as_ref().is_none_or(|item| matches!(&item.node.value, Value::List(items) if items.is_empty()))
        {
            let help = match fields.item.scope.syntax {
                Syntax::Yaml => {
                    "write `containers:` with one item for each container, starting with `- name: `"
                }
                Syntax::Toml => {
                    "write `[[containers]]` with `name = \"main\"` and `command = [...]` below it"
                }
            };
            match &main {
                Some(item) => item.scope.report(
                    item.scope
                        .error(item.key, "cannot run a pod without containers")
                        .path(item.path.clone())
                        .label("the list is empty")
                        .help(help),
                ),
                None => fields.missing("containers", help),
            }
        }
        let mut names = Names::default();
        let init_containers = containers(init.as_ref(), ContainerList::Init, &surroundings, &mut names);
        let containers = containers(main.as_ref(), ContainerList::Main, &surroundings, &mut names);
        Pod {
            metadata: self.metadata_of("", "default"),
            profile,
            restart_policy: restart_policy.unwrap_or(match profile {
                Profile::Process => RestartPolicy::Never,
                Profile::Pod => RestartPolicy::Always,
            }),
            termination_grace_period: self.grace(fields),
            crash_loop_back_off: Default::default(),
            resources: resources.unwrap_or_default(),
            init_containers,
            containers,
            ephemeral_containers: Vec::new(),
        }
    }

    /// Seconds; a negative number counts as 1 (rule 77).
    fn grace(&self, fields: &mut Fields<'_>) -> Duration {
        let seconds =
            fields.take("terminationGracePeriodSeconds").and_then(|item| item.integer(i64::MIN, i64::MAX));
        match seconds {
            Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(1)),
            None => self.options.default_grace,
        }
    }

    /// Profile `process` has the host's namespaces anyway; profile `pod` is refused as a whole.
    fn host_namespaces(&self, fields: &mut Fields<'_>) {
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            fields.take(name).map(|item| item.boolean());
        }
    }
}

fn operating_system(fields: &mut Fields<'_>) {
    let Some(item) = fields.take("os") else { return };
    item.fields(&[Place::Os], |fields| {
        fields.belong_to("os");
        match fields.take("name") {
            Some(item) => {
                let words = [("linux", true), ("windows", false)];
                if item.choice(&words, "podinit runs on Linux") == Some(false) {
                    let help = format!("write {}", item.scope.word("name", "linux"));
                    item.refuse_here("podinit runs on Linux", help);
                }
            }
            None => fields.missing("name", format!("write {}", item.scope.word("name", "linux"))),
        }
    });
}

/// The containers' names with their places (rule 19).
type Names = BTreeMap<String, Span>;

fn containers(
    item: Option<&Item<'_>>,
    list: ContainerList,
    surroundings: &Surroundings,
    names: &mut Names,
) -> Vec<Container> {
    let items = item.and_then(|item| item.list()).unwrap_or_default();
    let mut read = Vec::new();
    for item in &items {
        let Some(container) = container(item, list, surroundings) else { continue };
        let place = item.node.entry("name").map_or(item.node.span, |entry| entry.value.span);
        if !container.name.is_empty() {
            match names.get(&*container.name) {
                Some(first) => {
                    let message = format!("cannot use name \"{}\" for two containers", cut(&container.name));
                    item.scope.report(
                        item.scope
                            .error(place, message)
                            .path(format!("{}.name", item.path))
                            .label("the second container of this name")
                            .note("the first is", item.scope.source, *first)
                            .help("give one of the two another name; init containers and containers share their names"),
                    );
                }
                None => {
                    names.insert(container.name.to_string(), place);
                }
            }
        }
        read.push(container);
    }
    read
}
