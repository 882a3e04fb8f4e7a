//! A manifest in another syntax, with everything that it says: fields that podinit ignores or does not
//! support yet, and comments. Works on the tree and not on the pod, which has no place for these. Knows
//! both forms of a manifest; what fields mean has been checked before.

mod comments;
mod container;
mod form;

use super::decode::Purpose;
use super::documents::Subject;
use super::kind::{Role, Workload};
use super::metadata::file_name;
use super::problem::Problem;
use super::tree::{Entry, Node, Value, cut};
use super::write::{self, Content, Element, File};
use super::{Options, Severity, Source, Syntax, documents, parse, read, settings};
use form::{Parts, SECTIONS};
use std::rc::Rc;

/// What a manifest is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The spec's fields at the top.
    Toml,
    /// A Kubernetes object.
    Yaml,
    /// The same object; JSON has no comments.
    Json,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The whole file; there exactly when no problem is an error.
    pub text: Option<String>,
    /// What is wrong with the manifest, but for what podinit only does not support: that has its place
    /// in every syntax. A warning for what is left out.
    pub problems: Vec<Problem>,
}

/// Writes the one object of `source` as `target`; in TOML that is a Pod.
///
/// Between the two forms the profile and the restart policy are written out, since their defaults
/// differ. What a cluster has written (`status`, `metadata.uid` and so on) has no place in TOML.
pub fn convert(source: &Source, target: Target) -> Converted {
    let sources = std::slice::from_ref(source);
    let mut problems = Vec::new();
    let documents = documents(sources, &mut problems);
    let (checked, subjects) = read(Purpose::Convert, sources, &documents, &Options::default(), problems);
    // Its warnings are of running the pod.
    let mut problems = checked.problems;
    problems.retain(|problem| problem.severity == Severity::Error);
    let [subject, others @ ..] = subjects.as_slice() else { return Converted { text: None, problems } };
    if problems.is_empty() {
        let second = others.iter().find(|other| other.path.is_empty());
        problems.extend(second.map(|second| several(subject, second)));
    }
    if problems.is_empty() && syntax_of(target) == Syntax::Toml {
        problems.extend(without_toml(subject));
    }
    if !problems.is_empty() {
        return Converted { text: None, problems };
    }
    let roots: Vec<&Node> = documents.iter().map(|document| &*document.root).collect();
    let text = Conversion { source, target, problems: &mut problems }.text(subject, &roots);
    Converted { text, problems }
}

fn syntax_of(target: Target) -> Syntax {
    match target {
        Target::Toml => Syntax::Toml,
        Target::Yaml | Target::Json => Syntax::Yaml,
    }
}

/// A file of several documents says something of each, and a TOML file is one pod.
fn several(first: &Subject<'_>, second: &Subject<'_>) -> Problem {
    Problem::error(0, second.head.place, "cannot convert several objects at once")
        .label("the second object")
        .note("the first is", 0, first.head.place)
        .help("give each a file of its own")
}

/// What has no form in TOML.
fn without_toml(subject: &Subject<'_>) -> Option<Problem> {
    let kind = subject.node.entry("kind").and_then(|kind| kind.value.as_string());
    let kind = kind.filter(|kind| *kind != "Pod")?;
    let help = match subject.head.kind.role {
        Role::Workload(workload) => {
            format!(
                "copy {} into a manifest with `kind: Pod` and a name, or use `-o json`",
                workload.template()
            )
        }
        Role::List => "give each item a file of its own, or use `-o json`".to_owned(),
        Role::Config(_) | Role::Ignored(_) => "leave it in YAML, or use `-o json`".to_owned(),
    };
    let message = format!("cannot convert kind \"{}\": only a Pod has a TOML form", cut(kind));
    let problem = Problem::error(0, subject.head.place, message).path("kind");
    Some(problem.label(format!("this is a {}", cut(kind))).help(help))
}

struct Conversion<'a> {
    source: &'a Source,
    target: Target,
    problems: &'a mut Vec<Problem>,
}

impl Conversion<'_> {
    fn text(mut self, subject: &Subject<'_>, roots: &[&Node]) -> Option<String> {
        let (root, to) = (subject.node, syntax_of(self.target));
        let is_pod = subject.head.kind.role == Role::Workload(Workload::Pod);
        let elements = if is_pod { self.pod(root, to) } else { self.elements(root) };
        let mut file = File { elements, ..File::default() };
        comments::attach(&self.source.text, self.source.syntax, roots, &mut file);
        let text = match self.target {
            Target::Toml => write::toml(&file, &SECTIONS),
            Target::Yaml => write::yaml(&file),
            Target::Json => write::json(&file.elements),
        };
        if self.says(&text, to, &file.elements) {
            return self.problems.iter().all(|problem| problem.severity == Severity::Warning).then_some(text);
        }
        self.problems.push(
            Problem::of_source(0, "cannot convert this manifest: something in it would be lost")
                .help("this is a bug of podinit, or a key of more than 1024 characters: please report it"),
        );
        None
    }

    /// The elements of a pod in the form that this syntax has for it.
    fn pod(&mut self, root: &Node, to: Syntax) -> Vec<Element> {
        let mut parts = Parts::of(self.elements(root), self.source.syntax);
        if to != self.source.syntax {
            let written = parts.settings.iter().find(|setting| setting.key == settings::PROFILE);
            let profile = written.and_then(Element::as_string).unwrap_or(match self.source.syntax {
                Syntax::Toml => "process",
                Syntax::Yaml => "pod",
            });
            let profile = profile.to_owned();
            parts.write_defaults_out(&profile, if profile == "process" { "Never" } else { "Always" });
        }
        match to {
            Syntax::Yaml => parts.into_object(&file_name(self.source)),
            Syntax::Toml => {
                let (elements, homeless) = parts.into_toml();
                self.leave_out(root, &homeless);
                elements
            }
        }
    }

    /// Whether the text that was written is read as what it was written of.
    fn says(&mut self, text: &str, syntax: Syntax, elements: &[Element]) -> bool {
        let mut problems = Vec::new();
        let written_source = Source { name: String::new(), text: text.to_owned(), syntax };
        let read = parse(0, &written_source, &mut problems).into_iter().next();
        let written = Element::new("", Content::Mapping(elements.to_vec()));
        problems.is_empty()
            && read.is_some_and(|root| {
                let read = Element::new("", Content::Mapping(self.elements(&root)));
                read.says_the_same_as(&written)
            })
    }

    fn elements(&mut self, root: &Node) -> Vec<Element> {
        let content = self.content(root);
        if let Some(Content::Mapping(entries)) = content { entries } else { Vec::new() }
    }

    /// A value without its nulls, which say what leaving them out says.
    fn content(&mut self, node: &Node) -> Option<Content> {
        Some(match &node.value {
            Value::Null | Value::Unreadable => return None,
            Value::Boolean(value) => Content::Boolean(*value),
            Value::Integer(value) => Content::Integer(*value),
            Value::Float(value) if value.is_finite() => number(*value),
            Value::Float(_) => {
                let problem = Problem::error(0, node.span, "cannot convert a number that is not finite");
                self.problems
                    .push(problem.label("JSON and Kubernetes have no such number").help("remove it"));
                return None;
            }
            Value::String(text) => Content::String(text.clone()),
            Value::Date => Content::String(node.span.of(&self.source.text).to_owned()),
            Value::List(items) => {
                let item = |item: &Rc<Node>| {
                    let origins = vec![item.span.start];
                    self.content(item).map(|content| Element { origins, content, ..Element::default() })
                };
                Content::List(items.iter().filter_map(item).collect())
            }
            Value::Mapping(entries) => {
                let entry = |entry: &Entry| {
                    let (key, origins) = (entry.key.clone(), vec![entry.key_span.start]);
                    let content = self.content(&entry.value)?;
                    Some(Element { key, origins, content, ..Element::default() })
                };
                Content::Mapping(entries.iter().filter_map(entry).collect())
            }
        })
    }

    /// Says what TOML has no place for.
    fn leave_out(&mut self, root: &Node, homeless: &[Element]) {
        let places = [Some(root), root.entry("metadata").map(|entry| &*entry.value)];
        let mut entries: Vec<&Entry> = homeless
            .iter()
            .filter_map(|element| places.iter().flatten().find_map(|node| node.entry(&element.key)))
            .filter(|entry| !entry.value.is_empty())
            .collect();
        entries.sort_by_key(|entry| entry.key_span.start);
        let Some(first) = entries.first() else { return };
        let names: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        let message = format!("leaving out {}: written by a cluster", names.join(", "));
        self.problems.push(Problem::warning(0, first.key_span, message).label("TOML has no place for it"));
    }
}

/// A float without a fraction is a whole number to Kubernetes.
fn number(value: f64) -> Content {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        Content::Integer(value as i128)
    } else {
        Content::Float(value)
    }
}
