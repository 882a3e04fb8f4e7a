//! What every Kubernetes object has: kind, apiVersion and, where it is no pod, the metadata of an object
//! whose labels and annotations are nobody's on one host. Knows nothing below that.

use super::decode::Fields;
use super::fields::Place;
use super::kind::Kind;
use super::metadata::{annotations, generated_name, labels, namespace, object_name};
use super::tree::Span;

/// How a document says what it is.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub kind: &'static Kind,
    /// Where it says so.
    pub place: Span,
    /// Whether it need not say so, being in a list of one kind.
    pub implied: bool,
}

/// Takes kind and apiVersion. A kind that is none has been reported.
pub(super) fn head(fields: &mut Fields<'_>, head: Head) {
    fields.anchor = head.place;
    let Head { kind, implied, .. } = head;
    if fields.take("kind").is_none() && !implied {
        fields.missing("kind", format!("write `kind: {}`", kind.name));
    }
    match fields.take("apiVersion") {
        Some(item) => {
            let article = if kind.name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
            let label = format!("{article} {} is of {}", kind.name, kind.api_version);
            item.choice(&[(kind.api_version, ())], &label);
        }
        None if implied => {}
        None => fields.missing("apiVersion", format!("write `apiVersion: {}`", kind.api_version)),
    }
}

/// Name and namespace of an object that is no pod.
pub(super) struct ObjectMetadata<'a> {
    pub name: Option<&'a str>,
    /// Of the name, where there is one.
    pub place: Span,
    pub namespace: &'a str,
}

/// Takes the metadata of an object that is no pod. `template` is where its pod is, empty where it has none.
pub(super) fn object_metadata<'a>(
    fields: &mut Fields<'a>,
    template: &str,
    needs_name: bool,
) -> ObjectMetadata<'a> {
    let unnamed = ObjectMetadata { name: None, place: fields.anchor, namespace: "default" };
    let example = if template.is_empty() { "my-config" } else { "my-pod" };
    let option = if template.is_empty() { "" } else { ", or use `--name`" };
    let Some(item) = fields.take("metadata") else {
        if needs_name {
            fields.missing("metadata", format!("write `metadata:` with `name: {example}` below it{option}"));
        }
        return unnamed;
    };
    let read = item.fields(&[Place::Metadata], |fields| {
        let written = fields.peek("name").or_else(|| fields.peek("generateName"));
        if written.is_none() && needs_name {
            fields.missing("name", format!("write `name: {example}`{option}"));
        }
        let place = fields.peek("name").map_or(item.key, |item| item.node.span);
        // What no pod is made of is called by its name alone, which nobody knows of a generated one.
        let generated = generated_name(fields).filter(|_| !template.is_empty());
        let name = object_name(fields, example).or(generated);
        let namespace = namespace(fields);
        labels(fields);
        let (_, settings) = annotations(fields);
        settings.refuse_outside(template);
        ObjectMetadata { name, place, namespace }
    });
    read.unwrap_or(unnamed)
}
