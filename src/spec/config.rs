//! Objects that a pod may refer to: ConfigMap, Secret, PersistentVolumeClaim. Knows how these are
//! written, and not who uses them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::decode::{Fields, Item};
use super::fields::Place;
use super::kind::ConfigKind;
use super::name;
use super::quantity::Quantity;
use super::resources::quantity;
use super::tree::{Span, Value, cut};

/// The objects that a pod may refer to, by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Values that are no secret.
    pub config_maps: BTreeMap<ObjectName, ConfigMap>,
    /// Values that are to be shown nowhere.
    pub secrets: BTreeMap<ObjectName, Secret>,
}

/// What an object is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// DNS-1123 label.
    pub namespace: String,
    /// DNS-1123 subdomain.
    pub name: String,
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// Texts, which variables can be set to.
    pub data: BTreeMap<String, String>,
    /// `binaryData`, decoded: only for files.
    pub binary_data: BTreeMap<String, Vec<u8>>,
    /// Whoever changes it has to give it another name.
    pub immutable: bool,
}

/// A Secret. Its values do not show in its `Debug` form.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// `data`, decoded, and over it `stringData`.
    pub data: BTreeMap<String, Vec<u8>>,
    /// Whoever changes it has to give it another name.
    pub immutable: bool,
}

impl Objects {
    /// Kind and name of an object that may not become what it is in `later`. One that was gone
    /// in between is another one.
    pub fn changed_immutable(&self, later: &Self) -> Option<(&'static str, &ObjectName)> {
        let map = self.config_maps.iter().filter(|(_, object)| object.immutable);
        let map = map.filter(|(name, object)| later.config_maps.get(*name).is_some_and(|new| new != *object));
        let secret = self.secrets.iter().filter(|(_, object)| object.immutable);
        let mut secret =
            secret.filter(|(name, object)| later.secrets.get(*name).is_some_and(|new| new != *object));
        let map = map.map(|(name, _)| (ConfigKind::ConfigMap.name(), name)).next();
        map.or_else(|| secret.next().map(|(name, _)| (ConfigKind::Secret.name(), name)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.data.keys()).finish()
    }
}

/// Objects as they are read, with the places of their names.
#[derive(Default)]
pub(super) struct Reader {
    pub objects: Objects,
    seen: BTreeMap<(&'static str, ObjectName), (usize, Span)>,
}

impl Reader {
    /// The fields of an object below its kind, version and metadata, which are the caller's. `name` is
    /// `None` where it has been reported.
    pub fn read(&mut self, fields: &mut Fields<'_>, config: ConfigKind, name: Option<(ObjectName, Span)>) {
        let name = name.and_then(|(name, place)| self.first_of(&fields.item, config, name, place));
        match config {
            ConfigKind::ConfigMap => {
                let config_map = config_map(fields);
                name.map(|name| self.objects.config_maps.insert(name, config_map));
            }
            ConfigKind::Secret => {
                let secret = secret(fields);
                name.map(|name| self.objects.secrets.insert(name, secret));
            }
            ConfigKind::PersistentVolumeClaim => claim(fields),
        }
    }

    /// The name, if no other object of this kind has it.
    fn first_of(
        &mut self,
        item: &Item<'_>,
        config: ConfigKind,
        name: ObjectName,
        place: Span,
    ) -> Option<ObjectName> {
        let kind = config.name();
        let key = (kind, name);
        if let Some((source, first)) = self.seen.get(&key) {
            let message = format!("cannot use two objects of kind {kind} with name \"{}\"", cut(&key.1.name));
            let problem = item.scope.error(place, message).label("the second of this name");
            item.scope.report(
                problem
                    .note("the first is", *source, *first)
                    .help("give one of the two another name, or put the values of both into one"),
            );
            return None;
        }
        self.seen.insert(key.clone(), (item.scope.source, place));
        Some(key.1)
    }
}

fn config_map(fields: &mut Fields<'_>) -> ConfigMap {
    let mut data = BTreeMap::new();
    let mut keys = Keys::default();
    for (key, item) in entries(fields, "data") {
        keys.check(key, &item);
        if let Some(text) = text(&item) {
            data.insert(key.to_owned(), text.to_owned());
        }
    }
    let mut binary_data = BTreeMap::new();
    for (key, item) in entries(fields, "binaryData") {
        keys.check(key, &item);
        if let Some(bytes) = decoded(&item, "data") {
            binary_data.insert(key.to_owned(), bytes);
        }
    }
    ConfigMap { data, binary_data, immutable: immutable(fields) }
}

fn secret(fields: &mut Fields<'_>) -> Secret {
    let mut data = BTreeMap::new();
    for (key, item) in entries(fields, "data") {
        Keys::default().check(key, &item);
        if let Some(bytes) = decoded(&item, "stringData") {
            data.insert(key.to_owned(), bytes);
        }
    }
    // As in Kubernetes, these win over those of `data`.
    for (key, item) in entries(fields, "stringData") {
        Keys::default().check(key, &item);
        if let Some(text) = text(&item) {
            data.insert(key.to_owned(), text.as_bytes().to_vec());
        }
    }
    fields.take("type").and_then(|item| item.string());
    Secret { data, immutable: immutable(fields) }
}

fn immutable(fields: &mut Fields<'_>) -> bool {
    fields.take("immutable").and_then(|item| item.boolean()).unwrap_or(false)
}

fn entries<'a>(fields: &mut Fields<'a>, name: &'static str) -> Vec<(&'a str, Item<'a>)> {
    fields.take(name).and_then(|item| item.entries()).unwrap_or_default()
}

/// A value, empty where it is null: Kubernetes reads it so.
fn text<'a>(item: &Item<'a>) -> Option<&'a str> {
    match &item.node.value {
        Value::Null => Some(""),
        // NUL is fine here: what cannot carry it is not known yet.
        Value::String(text) => Some(text),
        Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Date
        | Value::List(_)
        | Value::Mapping(_)
        | Value::Unreadable => item.string(),
    }
}

/// Like Go's, which Kubernetes reads it with: line breaks are skipped, left-over bits may be set.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A value in Base64. Plain text belongs into the field `plain`.
fn decoded(item: &Item<'_>, plain: &str) -> Option<Vec<u8>> {
    let text: String = text(item)?.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match BASE64.decode(text) {
        Ok(bytes) => Some(bytes),
        Err(_) => {
            let help = format!("move it to `{plain}` as plain text, or encode it with `base64 -w0`");
            item.refuse("this is no Base64", help);
            None
        }
    }
}

/// The keys of a ConfigMap's two mappings, which share their names.
#[derive(Default)]
struct Keys<'a>(BTreeMap<&'a str, Span>);

impl<'a> Keys<'a> {
    fn check(&mut self, key: &'a str, item: &Item<'a>) {
        let scope = item.scope;
        let message = format!("cannot use key \"{}\"{}", item.name, item.owner);
        let problem = scope.error(item.key, message).path(item.path.clone());
        if let Err(broken) = name::config_key(key) {
            scope.report(problem.label(broken).help("write a key such as `settings.json` or `LOG_LEVEL`"));
        } else if let Some(first) = self.0.insert(key, item.key) {
            let problem =
                problem.label("in data and in binaryData").note("the first is", scope.source, first);
            scope.report(problem.help("remove one of the two"));
        }
    }
}

/// How a volume may be used, and by how many.
pub(super) const ACCESS_MODES: [&str; 4] =
    ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

/// What Kubernetes wants of a claim. Nothing of it is kept: volumes are not built.
fn claim(fields: &mut Fields<'_>) {
    let Some(spec) = fields.take("spec") else {
        fields.missing("spec", "write `spec:` with `accessModes:` and `resources:` below it");
        return;
    };
    spec.fields(&[Place::ClaimSpec], |fields| {
        match fields.take("accessModes") {
            Some(item) => {
                let label = "one of ReadWriteOnce, ReadOnlyMany, ReadWriteMany, ReadWriteOncePod";
                for item in item.list().unwrap_or_default() {
                    let item = Item { name: "access mode".to_owned(), ..item };
                    if item.node.as_string().is_none_or(|mode| !ACCESS_MODES.contains(&mode)) {
                        item.refuse(label, "write `accessModes: [ReadWriteOnce]`");
                    }
                }
            }
            None => fields.missing("accessModes", "write `accessModes: [ReadWriteOnce]`"),
        }
        let storage = "write `resources: {requests: {storage: 1Gi}}`";
        let Some(resources) = fields.take("resources") else {
            fields.missing("resources", storage);
            return;
        };
        resources.fields(&[Place::ClaimResources], |fields| {
            let Some(requests) = fields.take("requests") else {
                fields.missing("requests", storage);
                return;
            };
            requests.fields(&[Place::ClaimRequests], |fields| match fields.take("storage") {
                Some(item) => amount(&item),
                None => fields.missing("storage", storage),
            });
        });
    });
}

/// An amount of bytes, of which there has to be some.
fn amount(item: &Item<'_>) {
    if quantity(item, "10Gi") == Some(Quantity::default()) {
        item.refuse("it has to be more than 0", "write a quantity such as 10Gi");
    }
}

impl ConfigKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
        }
    }

    /// The mappings that an object of this kind is made of.
    pub fn places(self) -> &'static [Place] {
        match self {
            Self::ConfigMap => &[Place::Document, Place::ConfigMap],
            Self::Secret => &[Place::Document, Place::Secret],
            Self::PersistentVolumeClaim => &[Place::Document],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Loaded, Options, Source, Syntax, load, render_all};

    fn read(text: &str) -> (Loaded, String) {
        let source = Source { name: "x.yaml".to_owned(), text: text.to_owned(), syntax: Syntax::Yaml };
        let loaded = load(std::slice::from_ref(&source), &Options::default());
        let shown = render_all(&loaded.problems, &[source], false);
        (loaded, shown)
    }

    fn name(namespace: &str, name: &str) -> ObjectName {
        ObjectName { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn values_are_kept_under_namespace_and_name() {
        let (loaded, shown) = read(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v, e: }, binaryData: {b: /w==}}\n\
             ---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: b}}\n",
        );
        let config_map = &loaded.objects.config_maps[&name("default", "a")];
        let texts = [("k", "v"), ("e", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(config_map.data, BTreeMap::from(texts), "{shown}");
        assert_eq!(config_map.binary_data, BTreeMap::from([("b".to_owned(), b"\xff".to_vec())]), "{shown}");
        assert!(loaded.objects.config_maps.contains_key(&name("b", "a")));
    }

    #[test]
    fn plain_values_of_a_secret_win_and_none_shows() {
        let (loaded, _) = read(
            "{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {k: b2xk, o: aHVudGVyMg==}, \
             stringData: {k: new}}\n",
        );
        let secret = &loaded.objects.secrets[&name("default", "a")];
        assert_eq!((&*secret.data["k"], &*secret.data["o"]), (&b"new"[..], &b"hunter2"[..]));
        assert_eq!(format!("{secret:?}"), r#"{"k", "o"}"#);
    }

    #[test]
    fn base64_is_read_as_kubernetes_reads_it() {
        let decode = |value: &str| {
            let text =
                format!("{{apiVersion: v1, kind: Secret, metadata: {{name: a}}, data: {{k: {value}}}}}");
            read(&text).0.objects.secrets[&name("default", "a")].data.get("k").cloned()
        };
        for (value, bytes) in [("''", &b""[..]), ("YQ==", b"a"), ("YR==", b"a"), ("\"Y\\nQ=\\r=\"", b"a")] {
            assert_eq!(decode(value).as_deref(), Some(bytes), "{value}");
        }
        for value in ["YQ", "YQ=", "'YQ ='", "_w==", "a", "é"] {
            assert_eq!(decode(value), None, "{value}");
        }
    }
}
