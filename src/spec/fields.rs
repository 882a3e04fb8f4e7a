//! Which field of the Pod API is what to podinit. The decoder takes its decisions from here, so that
//! nothing can be parsed and then not applied. Knows names and classes, no values.

mod place;
mod script;
mod table;

pub(super) use place::Place;

use script::SCRIPT;
use table::FIELDS;
pub(super) use table::TOLD_TOGETHER;

/// A field of the Pod API, or of podinit's TOML form.
pub(super) struct Field {
    pub place: Place,
    pub name: &'static str,
    pub class: Class,
}

/// What happens to a field that a manifest has. Each field is in exactly one class (SPEC-07).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Read, checked and applied.
    Implemented {
        /// What of it, where it is not all; for the documentation.
        note: &'static str,
    },
    /// Without meaning on one host: a warning. Never a field that protects something.
    Ignored {
        /// What its value has to be all the same: what the API server refuses is refused here.
        shape: Shape,
        why: &'static str,
        /// Values that Kubernetes takes where the field is left out, or that ask for what is so anyway;
        /// they get no warning.
        unless: &'static [&'static str],
    },
    /// Refused until it is built.
    NotBuilt {
        /// Values that Kubernetes takes where the field is left out, or that ask for what is so anyway;
        /// they are accepted.
        unless: &'static [&'static str],
        help: &'static str,
    },
    /// Refused for good.
    Refused { why: &'static str, help: &'static str },
}

/// What the value of a field is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Integer,
    Boolean,
    /// One of these; empty is the default.
    Word(&'static [&'static str]),
    Mapping,
    MappingOfTexts,
    Texts,
    Mappings,
}

impl Field {
    /// The field of this name in a place.
    pub fn find(place: Place, name: &str) -> Option<&'static Self> {
        Self::of(place).find(|field| field.name == name)
    }

    /// Every field there is.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        FIELDS.iter()
    }

    /// Whether a cluster takes a new pod with this field, which podinit refuses for good.
    pub fn is_taken_by_a_cluster(&self) -> bool {
        !matches!(self.name, "ephemeralContainers" | "targetContainerName")
    }

    /// All fields of a place.
    pub fn of(place: Place) -> impl Iterator<Item = &'static Self> {
        FIELDS.iter().chain(SCRIPT).filter(move |field| field.place == place)
    }
}

/// The table as `docs/spec-support.md` has it, in Markdown.
#[cfg(test)]
fn documentation() -> String {
    let kinds = super::kind::documentation();
    let mut out = [table::INTRODUCTION, &kinds, table::FIELDS_INTRODUCTION].concat();
    for field in FIELDS {
        let path = field.place.path();
        let name = match path {
            "" => format!("`{}`", field.name),
            path => match path.strip_prefix("(TOML)") {
                Some("") => format!("`{}` (TOML)", field.name),
                Some(table) => format!("`{}.{}` (TOML)", table.trim_start(), field.name),
                None => format!("`{path}.{}`", field.name),
            },
        };
        let unless = |values: &[&str]| -> String {
            values.iter().map(|value| format!("; `{value}` is accepted")).collect()
        };
        let (class, note) = match field.class {
            Class::Implemented { note } => ("implemented", note.to_owned()),
            Class::Ignored { shape: _, why, unless: value } => ("ignored", format!("{why}{}", unless(value))),
            Class::NotBuilt { unless: value, help } => {
                ("refused", format!("not built yet{}; {help}", unless(value)))
            }
            Class::Refused { why, help } => ("refused", format!("{why}; {help}")),
        };
        out.push_str(&format!("| {name} | {class} | {note} |\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tree::{Node, Span, Value};
    use crate::spec::{Options, Profile, Severity, Source, Syntax, load, toml, yaml};
    use std::collections::BTreeSet;

    #[test]
    fn each_field_is_in_exactly_one_class() {
        let mut seen = BTreeSet::new();
        for field in FIELDS {
            assert!(seen.insert((field.place, field.name)), "{:?} {} twice", field.place, field.name);
        }
    }

    #[test]
    fn no_field_that_protects_something_is_ignored() {
        let protecting = [
            "security",
            "seccomp",
            "capabilit",
            "runas",
            "privilege",
            "readonly",
            "procmount",
            "selinux",
            "apparmor",
            "hostusers",
            "hostnetwork",
            "hostpid",
            "hostipc",
            "fsgroup",
            "supplemental",
            "sysctl",
            "shareprocess",
            "limits",
            "subpath",
        ];
        for field in FIELDS {
            let path = format!("{}.{}", field.place.path(), field.name).to_lowercase();
            if protecting.iter().any(|word| path.contains(word)) {
                assert!(!matches!(field.class, Class::Ignored { .. }), "{path} is ignored");
            }
        }
    }

    /// Keys that are fields, with their places; keys of users' own mappings are none.
    fn keys(node: &Node, found: &mut Vec<(String, Span)>) {
        if let Value::List(items) = &node.value {
            items.iter().for_each(|item| keys(item, found));
        }
        for entry in node.as_mapping().unwrap_or_default() {
            found.push((entry.key.clone(), entry.key_span));
            let users = ["labels", "annotations", "matchLabels", "data", "binaryData", "stringData"];
            if !users.contains(&entry.key.as_str()) && entry.value.entry("PORT").is_none() {
                keys(&entry.value, found);
            }
        }
    }

    /// SPEC-01. Gives the keys that the text has.
    fn each_key_is_missed(text: &str, syntax: Syntax) -> BTreeSet<String> {
        let mut problems = Vec::new();
        let roots = match syntax {
            Syntax::Yaml => yaml::parse(0, "", text, &mut problems),
            Syntax::Toml => toml::parse(0, text, &mut problems).into_iter().collect(),
        };
        let mut found = Vec::new();
        roots.iter().for_each(|root| keys(root, &mut found));
        let options = Options { profile: Some(Profile::Process), ..Options::default() };
        for (key, span) in &found {
            let mut text = text.to_owned();
            if text[..span.start].ends_with("[[") {
                // A list of tables is named once for each item.
                text = text.replace(&format!("[{key}"), &format!("[{}z", &key[..key.len() - 1]));
            }
            text.replace_range(span.end - 1..span.end, "z");
            let source = Source { name: "x".to_owned(), text, syntax };
            let problems = load(&[source], &options).problems;
            let errors: Vec<_> =
                problems.iter().filter(|problem| problem.severity == Severity::Error).collect();
            let about = errors.iter().find(|problem| problem.span == Some(*span));
            let problem = about.unwrap_or_else(|| panic!("{key}: {errors:#?}"));
            assert_eq!(problem.help, format!("write `{key}`"), "{key}");
        }
        found.into_iter().map(|(key, _)| key).collect()
    }

    fn each_implemented_is_among(keys: &BTreeSet<String>, places: impl Fn(Place) -> bool) {
        for field in FIELDS.iter().filter(|field| places(field.place)) {
            let used = keys.contains(field.name);
            assert!(used || !matches!(field.class, Class::Implemented { .. }), "{} is not tried", field.name);
        }
    }

    #[test]
    fn each_implemented_key_with_one_letter_changed_is_found_and_put_right() {
        let texts = [
            include_str!("../../tests/manifests/good/full.yaml"),
            include_str!("../../tests/manifests/good/profile-isolation.yaml"),
            include_str!("../../tests/manifests/good/full-deployment.yaml"),
            include_str!("../../tests/manifests/good/full-cronjob.yaml"),
        ];
        let keys = texts.into_iter().flat_map(|text| each_key_is_missed(text, Syntax::Yaml)).collect();
        let in_toml = |place| {
            matches!(
                place,
                Place::Toml
                    | Place::CrashLoopBackOff
                    | Place::TomlContainer
                    | Place::TomlLifecycleHandler
                    | Place::TomlRootfs
            )
        };
        each_implemented_is_among(&keys, |place| !in_toml(place));
        let texts = [
            include_str!("../../tests/manifests/good/full.toml"),
            include_str!("../../tests/manifests/good/profile-isolation.toml"),
        ];
        let keys = texts.into_iter().flat_map(|text| each_key_is_missed(text, Syntax::Toml)).collect();
        // What is below the spec is the same in both; only YAML has objects around it.
        each_implemented_is_among(&keys, |place| in_toml(place) || PARTS_OF_SPEC.contains(&place));
    }

    const PARTS_OF_SPEC: [Place; 53] = [
        Place::Spec,
        Place::GrpcAction,
        Place::Lifecycle,
        Place::LifecycleHandler,
        Place::SleepAction,
        Place::ReadinessGate,
        Place::ResizePolicy,
        Place::Os,
        Place::Container,
        Place::EnvVar,
        Place::EnvVarSource,
        Place::KeyRef,
        Place::FileKeyRef,
        Place::FieldRef,
        Place::ResourceFieldRef,
        Place::EnvFrom,
        Place::ObjectRef,
        Place::ContainerPort,
        Place::RestartRule,
        Place::ExitCodes,
        Place::Probe,
        Place::ExecAction,
        Place::HttpGetAction,
        Place::HttpHeader,
        Place::TcpSocketAction,
        Place::Resources,
        Place::Amounts,
        Place::HostAlias,
        Place::DnsConfig,
        Place::DnsOption,
        Place::PodSecurityContext,
        Place::Sysctl,
        Place::SeccompProfile,
        Place::AppArmorProfile,
        Place::SeLinuxOptions,
        Place::SecurityContext,
        Place::Capabilities,
        Place::VolumeMount,
        Place::Volume,
        Place::EmptyDir,
        Place::HostPath,
        Place::ConfigMapVolume,
        Place::SecretVolume,
        Place::DownwardVolume,
        Place::ProjectedVolume,
        Place::ClaimVolume,
        Place::ImageVolume,
        Place::KeyToPath,
        Place::DownwardFile,
        Place::DownwardFieldRef,
        Place::ProjectedSource,
        Place::ProjectedObject,
        Place::ProjectedDownward,
    ];

    #[test]
    fn what_is_never_reached_is_never_implemented() {
        for field in FIELDS {
            if matches!(field.place, Place::Below(_)) {
                assert!(
                    !matches!(field.class, Class::Implemented { .. } | Class::Ignored { .. }),
                    "{}",
                    field.name
                );
            }
        }
    }

    #[test]
    fn the_documentation_says_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/spec-support.md");
        if std::env::var_os("PODINIT_BLESS").is_some() {
            std::fs::write(path, documentation()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == documentation(),
            "docs/spec-support.md differs from src/spec/kind.rs or src/spec/fields/table.rs: run `PODINIT_BLESS=1 cargo test --lib fields`"
        );
    }
}
