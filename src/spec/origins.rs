//! Where in the manifest each value stands that was read. Knows paths and places, not what they mean.

use super::tree::Span;

/// The places of the fields that a manifest has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    source: usize,
    home: Home,
    /// Path in Kubernetes' notation, and where the key stands.
    places: Vec<(String, Span)>,
}

/// What stands before the paths of a pod's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Home {
    pub spec: String,
    pub metadata: String,
    /// Of the name and the namespace, which a template has from the object around it.
    pub name: String,
    /// Of the fields beside the template; empty where there is none.
    pub owner: String,
    /// Whether the pod is a template's.
    pub is_template: bool,
}

impl Home {
    /// In an object at this path, whose pod is at `template`; both may be empty.
    pub fn in_object(object: &str, template: &str) -> Self {
        let below = |path: &str, field: &str| match path {
            "" => format!("{field}."),
            path => format!("{path}.{field}."),
        };
        let pod = match (object, template) {
            ("", template) => template.to_owned(),
            (object, "") => object.to_owned(),
            (object, template) => format!("{object}.{template}"),
        };
        Self {
            spec: below(&pod, "spec"),
            metadata: below(&pod, "metadata"),
            name: below(object, "metadata"),
            owner: match (object, template.strip_suffix("template").unwrap_or_default()) {
                ("", beside) => beside.to_owned(),
                (object, beside) => format!("{object}.{beside}"),
            },
            is_template: !template.is_empty(),
        }
    }
}

impl Origins {
    pub(super) fn new(source: usize, home: Home, places: Vec<(String, Span)>) -> Self {
        Self { source, home, places }
    }

    /// Which of the sources the pod stands in.
    pub fn source(&self) -> usize {
        self.source
    }

    /// Whether the pod is made of the template in another object.
    pub fn is_template(&self) -> bool {
        self.home.is_template
    }

    /// Where a field of the pod's spec stands, such as `containers[0].image`.
    pub fn of_spec(&self, path: &str) -> Option<Span> {
        self.find(&self.home.spec, path)
    }

    /// The whole path of a field of the pod's spec.
    pub(super) fn path_of_spec(&self, path: &str) -> String {
        format!("{}{path}", self.home.spec)
    }

    /// Where a field of the metadata stands, such as `name`; in TOML that is the top of the file.
    pub fn of_metadata(&self, path: &str) -> Option<Span> {
        let of_owner = matches!(path, "name" | "generateName" | "namespace");
        self.find(if of_owner { &self.home.name } else { &self.home.metadata }, path)
    }

    /// Where a field beside the pod's template stands, such as `backoffLimit` of a Job.
    pub fn of_owner(&self, path: &str) -> Option<Span> {
        self.find(&self.home.owner, path).filter(|_| self.home.is_template)
    }

    fn find(&self, prefix: &str, path: &str) -> Option<Span> {
        let is_meant = |found: &str| found.strip_prefix(prefix) == Some(path);
        self.places.iter().find(|(found, _)| is_meant(found)).map(|(_, span)| *span)
    }
}
