//! Where in the manifest each value stands that was read. Knows paths and places, not what they mean.

use super::tree::Span;

/// The places of the fields that a manifest has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    source: usize,
    /// Path in Kubernetes' notation, and where the key stands.
    places: Vec<(String, Span)>,
}

impl Origins {
    pub(super) fn new(source: usize, places: Vec<(String, Span)>) -> Self {
        Self { source, places }
    }

    /// Which of the sources the pod stands in.
    pub fn source(&self) -> usize {
        self.source
    }

    /// Where a field of the pod's spec stands, such as `containers[0].image`.
    pub fn of_spec(&self, path: &str) -> Option<Span> {
        self.find(self.prefix_of("containers")?, path)
    }

    /// Where a field of the metadata stands, such as `name`; in TOML that is the top of the file.
    pub fn of_metadata(&self, path: &str) -> Option<Span> {
        self.find(self.prefix_of("metadata.name").map_or("", |_| "metadata."), path)
    }

    fn find(&self, prefix: &str, path: &str) -> Option<Span> {
        let is_meant = |found: &str| found.strip_prefix(prefix) == Some(path);
        self.places.iter().find(|(found, _)| is_meant(found)).map(|(_, span)| *span)
    }

    /// What stands before this path: the spec is deeper in some kinds of manifests.
    fn prefix_of(&self, path: &str) -> Option<&str> {
        let before = |found: &'_ str| found.len().checked_sub(path.len()).filter(|_| found.ends_with(path));
        self.places.iter().find_map(|(found, _)| found.get(..before(found)?))
    }
}
