//! The JSON Schema of manifests, by which editors complete, explain and check them. It is made of the
//! table of fields and of `rows`, a row for each implemented field; it knows nothing else of a pod, and
//! no manifest.
//!
//! It is of draft 7, the newest that both Even Better TOML and yaml-language-server understand. Besides
//! the draft's own words it has some of these two's: `errorMessage`, `patternErrorMessage`,
//! `doNotSuggest` and `x-taplo`; `x-podinit` is the class of a field.

mod between;
mod form;
mod kinds;
mod rows;

use super::Syntax;
use super::fields::{Class, Field, Place, Shape};
use between::between_fields;
use rows::{Need, Row};
use serde_json::{Map, Value, json};

/// The schema of manifests in one syntax.
pub fn schema(syntax: Syntax) -> Value {
    let mut writer = Writer { syntax, definitions: Map::new() };
    let mut schema = match syntax {
        Syntax::Toml => writer.mapping(&[Place::Toml, Place::Spec]),
        Syntax::Yaml => {
            let mut document = writer.kinds();
            writer.definitions.insert(kinds::OBJECT.to_owned(), document.clone());
            // An empty document says nothing.
            allow_null(&mut document);
            document
        }
    };
    let title = match syntax {
        Syntax::Toml => "Pod for podinit, in TOML",
        Syntax::Yaml => "Pod for podinit, in Kubernetes YAML",
    };
    writer.definitions.extend(nothing().map(|(name, schema)| (name.to_owned(), schema)));
    *within(&mut schema, "$schema") = json!("http://json-schema.org/draft-07/schema#");
    *within(&mut schema, "title") = json!(title);
    *within(&mut schema, "definitions") = Value::Object(writer.definitions);
    schema
}

/// Collects the definitions that a schema refers to.
struct Writer {
    syntax: Syntax,
    definitions: Map<String, Value>,
}

impl Writer {
    /// A reference to the definition of a place, which is written when it is first asked for.
    fn reference(&mut self, place: Place) -> Value {
        let name = definition(place);
        if !self.definitions.contains_key(name) {
            // Its own place is taken, so that a mapping may have one of its kind inside.
            self.definitions.insert(name.to_owned(), Value::Null);
            // What Kubernetes has no field for is beside its fields in TOML.
            let places: &[Place] = match (self.syntax, place) {
                (Syntax::Toml, Place::Container) => &[Place::Container, Place::TomlContainer],
                (Syntax::Toml, Place::LifecycleHandler) => {
                    &[Place::LifecycleHandler, Place::TomlLifecycleHandler]
                }
                (Syntax::Toml | Syntax::Yaml, place) => &[place],
            };
            let mut mapping = self.mapping(places);
            if self.may_be_null(place) {
                *within(&mut mapping, "type") = json!(["object", "null"]);
            }
            self.definitions.insert(name.to_owned(), mapping);
        }
        json!({"$ref": format!("#/definitions/{name}")})
    }

    /// Null says that a field is left out; TOML has no null.
    fn may_be_null(&self, place: Place) -> bool {
        let is_optional = |row: &Row| row.form == form::Form::Object(place) && row.need == Need::Optional;
        self.syntax == Syntax::Yaml && (place == Place::ListMetadata || rows::ROWS.iter().any(is_optional))
    }

    /// A mapping with the fields of some places and no others.
    fn mapping(&mut self, places: &[Place]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in places.iter().flat_map(|place| Field::of(*place)) {
            properties.insert(field.name.to_owned(), self.field(field));
            if Row::find(field.place, field.name).is_some_and(|row| self.needs(row)) {
                required.push(field.name);
            }
        }
        let mut mapping = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        let between: Vec<Value> = places.iter().filter_map(|place| between_fields(*place)).collect();
        if !between.is_empty() {
            *within(&mut mapping, "allOf") = Value::Array(between);
        }
        mapping
    }

    fn needs(&self, row: &Row) -> bool {
        match row.need {
            Need::Optional => false,
            Need::Required => true,
        }
    }

    fn field(&mut self, field: &'static Field) -> Value {
        if let Some(row) = Row::find(field.place, field.name) {
            let mut schema = self.implemented(row);
            tell(&mut schema, self.syntax, field);
            return schema;
        }
        let mut schema = match field.class {
            Class::Ignored { shape, .. } => self.ignored(shape),
            Class::Implemented { .. } | Class::NotBuilt { .. } | Class::Refused { .. } => json!({}),
        };
        tell(&mut schema, self.syntax, field);
        below(&mut schema, self.syntax, &format!("{}.{}", field.place.path(), field.name));
        schema
    }

    /// What is ignored has the form that the API server asks for.
    fn ignored(&self, shape: Shape) -> Value {
        let text = || json!({"type": "string"});
        let mut schema = match shape {
            Shape::Text => text(),
            Shape::Integer => json!({"type": "integer"}),
            Shape::Boolean => json!({"type": "boolean"}),
            Shape::Word(words) => {
                let words: Vec<_> = words.iter().copied().chain([""]).collect();
                json!({"type": "string", "enum": words})
            }
            Shape::Mapping => json!({"type": "object"}),
            Shape::MappingOfTexts => json!({"type": "object", "additionalProperties": text()}),
            Shape::Texts => json!({"type": "array", "items": text()}),
            Shape::Mappings => json!({"type": "array", "items": {"type": "object"}}),
        };
        if self.syntax == Syntax::Yaml {
            allow_null(&mut schema);
        }
        schema
    }

    fn implemented(&mut self, row: &'static Row) -> Value {
        let mut schema = row.form.schema(self);
        if self.syntax == Syntax::Yaml && row.need != Need::Required {
            allow_null(&mut schema);
        }
        if let Some(default) = row.default.and_then(|default| serde_json::from_str::<Value>(default).ok()) {
            *within(&mut schema, "default") = default;
        }
        schema
    }
}

/// What a schema has under a word, null if there is nothing yet.
fn within<'a>(schema: &'a mut Value, word: &str) -> &'a mut Value {
    if schema.is_null() {
        *schema = json!({});
    }
    match schema {
        Value::Object(words) => words.entry(word).or_insert(Value::Null),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => schema,
    }
}

/// Lets a value be null as well. A definition that is referred to does so itself.
fn allow_null(schema: &mut Value) {
    let mut types = match schema.get("type") {
        Some(Value::Array(types)) => types.clone(),
        Some(one) => vec![one.clone()],
        None => return,
    };
    types.push(json!("null"));
    *within(schema, "type") = Value::Array(types);
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
}

/// Name of the definition of a mapping.
fn definition(place: Place) -> &'static str {
    match place {
        Place::Document => "document",
        Place::Metadata => "metadata",
        Place::Spec => "spec",
        Place::Toml => "file",
        Place::CrashLoopBackOff => "crashLoopBackOff",
        Place::Os => "os",
        Place::Container => "container",
        Place::EnvVar => "envVar",
        Place::EnvVarSource => "envVarSource",
        Place::KeyRef => "keyRef",
        Place::FileKeyRef => "fileKeyRef",
        Place::FieldRef => "fieldRef",
        Place::ResourceFieldRef => "resourceFieldRef",
        Place::EnvFrom => "envFrom",
        Place::ObjectRef => "objectRef",
        Place::ContainerPort => "containerPort",
        Place::RestartRule => "restartRule",
        Place::ExitCodes => "exitCodes",
        Place::Probe => "probe",
        Place::ExecAction => "exec",
        Place::HttpGetAction => "httpGet",
        Place::HttpHeader => "httpHeader",
        Place::TcpSocketAction => "tcpSocket",
        Place::GrpcAction => "grpc",
        Place::Lifecycle => "lifecycle",
        Place::LifecycleHandler | Place::TomlLifecycleHandler => "hook",
        Place::SleepAction => "sleep",
        Place::ReadinessGate => "readinessGate",
        Place::ResizePolicy => "resizePolicy",
        Place::TomlContainer => "container",
        Place::Resources => "resources",
        Place::Amounts => "amounts",
        Place::DeploymentSpec => "deploymentSpec",
        Place::StatefulSetSpec => "statefulSetSpec",
        Place::DaemonSetSpec => "daemonSetSpec",
        Place::ReplicaSetSpec => "replicaSetSpec",
        Place::JobSpec => "jobSpec",
        Place::CronJobSpec => "cronJobSpec",
        Place::JobTemplate => "jobTemplate",
        Place::PodTemplate => "podTemplate",
        Place::TemplateMetadata => "templateMetadata",
        Place::LabelSelector => "labelSelector",
        Place::SelectorRequirement => "selectorRequirement",
        Place::ConfigMap => "configMap",
        Place::Secret => "secret",
        Place::ClaimSpec => "persistentVolumeClaimSpec",
        Place::ClaimResources => "persistentVolumeClaimResources",
        Place::ClaimRequests => "persistentVolumeClaimRequests",
        Place::List => "list",
        Place::ListMetadata => "listMetadata",
        Place::HostAlias => "hostAlias",
        Place::DnsConfig => "dnsConfig",
        Place::DnsOption => "dnsOption",
        Place::PodSecurityContext => "podSecurityContext",
        Place::Sysctl => "sysctl",
        Place::SeccompProfile => "seccompProfile",
        Place::AppArmorProfile => "appArmorProfile",
        Place::SeLinuxOptions => "seLinuxOptions",
        Place::SecurityContext => "securityContext",
        Place::Capabilities => "capabilities",
        Place::VolumeMount => "volumeMount",
        Place::Volume => "volume",
        Place::EmptyDir => "emptyDir",
        Place::HostPath => "hostPath",
        Place::ConfigMapVolume => "configMapVolume",
        Place::SecretVolume => "secretVolume",
        Place::DownwardVolume => "downwardVolume",
        Place::ProjectedVolume => "projectedVolume",
        Place::ClaimVolume => "claimVolume",
        Place::ImageVolume => "imageVolume",
        Place::KeyToPath => "keyToPath",
        Place::DownwardFile => "downwardFile",
        Place::DownwardFieldRef => "downwardFieldRef",
        Place::ProjectedSource => "projectedSource",
        Place::ProjectedObject => "projectedObject",
        Place::ProjectedDownward => "projectedDownward",
        Place::TomlRootfs => "rootfs",
        // A simulation's script has no schema.
        Place::Script
        | Place::ScriptContainer
        | Place::ScriptRun
        | Place::ScriptHook
        | Place::ScriptEvent => "script",
        Place::Below(path) => path,
    }
}

/// Says what podinit makes of a field, and refuses what it refuses.
fn tell(schema: &mut Value, syntax: Syntax, field: &Field) {
    let text = Row::find(field.place, field.name).map_or("", |row| row.text);
    let (class, title, description) = match field.class {
        Class::Implemented { note: "" } => ("implemented", String::new(), text.to_owned()),
        Class::Implemented { note } => {
            ("implemented", String::new(), format!("{text}\n\nImplemented: {note}."))
        }
        Class::Ignored { why, .. } => ("ignored", " (ignored)".to_owned(), format!("Ignored: {why}.")),
        Class::NotBuilt { help, .. } => (
            "not built",
            " (not supported yet)".to_owned(),
            format!("podinit does not support it yet: {help}."),
        ),
        Class::Refused { why, help } => {
            ("refused", " (refused)".to_owned(), format!("Refused: {why}; {help}."))
        }
    };
    match field.class {
        Class::Implemented { .. } => {}
        Class::Ignored { .. } => *within(schema, "deprecated") = json!(true),
        Class::NotBuilt { unless, .. } => *schema = refused(syntax, &says_nothing(unless), &description),
        Class::Refused { .. } => *schema = refused(syntax, &says_nothing(&[]), &description),
    }
    *within(schema, "x-podinit") = json!(class);
    *within(schema, "title") = json!(format!("{}{title}", field.name));
    *within(schema, "description") = json!(description);
}

/// Refuses everything that `accepted` does not accept, in words that the editors of the syntax show:
/// yaml-language-server has `errorMessage` for some errors, Even Better TOML shows what is broken.
fn refused(syntax: Syntax, accepted: &Value, why: &str) -> Value {
    let never = match syntax {
        Syntax::Yaml => json!({"type": "null", "errorMessage": why}),
        Syntax::Toml => json!({"not": {"$comment": why}}),
    };
    json!({"if": accepted, "else": never, "doNotSuggest": true, "x-taplo": {"hidden": true}})
}

/// Values that mean as much as leaving the field out; `defaults` are some of them.
fn says_nothing(defaults: &[&str]) -> Value {
    let nothing = json!({"$ref": "#/definitions/nothing"});
    if defaults.is_empty() {
        return nothing;
    }
    let typed = defaults.iter().filter_map(|default| match serde_json::from_str(default) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => Some(value),
        Ok(_) | Err(_) => None,
    });
    let values: Vec<Value> = defaults.iter().map(|default| json!(default)).chain(typed).collect();
    json!({"anyOf": [nothing, {"enum": values}]})
}

/// Null, an empty string or list, or a mapping of nulls and empty lists.
fn nothing() -> [(&'static str, Value); 2] {
    let empty = json!({"$ref": "#/definitions/empty"});
    let collections =
        json!({"type": ["null", "array", "object"], "maxItems": 0, "additionalProperties": empty});
    [("empty", collections), ("nothing", json!({"anyOf": [empty, {"enum": [""]}]}))]
}

/// Adds the fields below one that is refused as a whole: they are explained, and not checked.
fn below(schema: &mut Value, syntax: Syntax, path: &str) {
    for field in Field::all() {
        let full = format!("{}.{}", field.place.path(), field.name);
        let Some(rest) = full.strip_prefix(path).filter(|_| matches!(field.place, Place::Below(_))) else {
            continue;
        };
        let (mut at, rest) = match (rest.strip_prefix("[]."), rest.strip_prefix('.')) {
            (Some(rest), _) => (within(schema, "items"), rest),
            (None, Some(rest)) => (&mut *schema, rest),
            (None, None) => continue,
        };
        for step in rest.split('.') {
            at = match step.split_once('*') {
                Some((start, _)) => within(within(at, "patternProperties"), &format!("^{start}")),
                None => match step.strip_suffix("[]") {
                    Some(step) => within(within(within(at, "properties"), step), "items"),
                    None => within(within(at, "properties"), step),
                },
            };
        }
        let mut told = json!({});
        tell(&mut told, syntax, field);
        for word in ["title", "description", "x-podinit", "x-taplo", "doNotSuggest"] {
            if let Some(value) = told.get(word) {
                *within(at, word) = value.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::kind::KINDS;
    use std::collections::BTreeSet;

    const fn class(field: &Field) -> &'static str {
        match field.class {
            Class::Implemented { .. } => "implemented",
            Class::Ignored { .. } => "ignored",
            Class::NotBuilt { .. } => "not built",
            Class::Refused { .. } => "refused",
        }
    }

    #[test]
    fn each_implemented_field_has_one_row_and_no_other_has() {
        let mut seen = BTreeSet::new();
        for row in rows::ROWS {
            assert!(seen.insert((row.place, row.name)), "{:?} {} twice", row.place, row.name);
            assert!(row.text.ends_with('.'), "{} has no sentence", row.name);
            let default = row.default.map(|default| serde_json::from_str::<Value>(default).is_ok());
            assert_ne!(default, Some(false), "{}: the default is no JSON", row.name);
        }
        let implemented = |field: &&Field| matches!(field.class, Class::Implemented { .. });
        let wanted: BTreeSet<_> =
            Field::all().filter(implemented).map(|field| (field.place, field.name)).collect();
        assert_eq!(seen, wanted);
    }

    /// The fields of the schema with their classes, by the mapping that they are in.
    fn fields_of(mapping: &Value) -> BTreeSet<(&str, &str)> {
        let properties = mapping["properties"].as_object().unwrap();
        properties.iter().map(|(name, field)| (name.as_str(), field["x-podinit"].as_str().unwrap())).collect()
    }

    #[test]
    fn the_schemas_have_the_fields_of_the_table_and_no_others() {
        let (toml, yaml) = (schema(Syntax::Toml), schema(Syntax::Yaml));
        let table = |places: &[Place]| -> BTreeSet<_> {
            places
                .iter()
                .flat_map(|place| Field::of(*place))
                .map(|field| (field.name, class(field)))
                .collect()
        };
        assert_eq!(fields_of(&toml), table(&[Place::Toml, Place::Spec]));
        let mut of_objects = BTreeSet::from([Place::Toml]);
        let mut mappings = Vec::new();
        for kind in KINDS.iter().filter(|kind| !kind.places().is_empty()) {
            of_objects.extend(kind.places());
            mappings.push((kind.definition(), kind.places().to_vec()));
        }
        let places: BTreeSet<Place> = Field::all().map(|field| field.place).collect();
        let is_apart = |place: &&Place| {
            !matches!(place, Place::Below(_) | Place::TomlContainer | Place::TomlLifecycleHandler)
        };
        let places = places.difference(&of_objects).filter(is_apart);
        mappings.extend(places.map(|place| (definition(*place).to_owned(), vec![*place])));
        let mut names: BTreeSet<&str> = nothing().into_iter().map(|(name, _)| name).collect();
        names.insert(kinds::OBJECT);
        for (name, places) in &mappings {
            let found = [&toml, &yaml].map(|schema| schema["definitions"].get(name));
            assert!(found.iter().any(Option::is_some), "{name} is in no schema");
            for (syntax, mapping) in [Syntax::Toml, Syntax::Yaml].into_iter().zip(found) {
                let Some(mapping) = mapping else { continue };
                let beside: &[Place] = match (syntax, places.as_slice()) {
                    (Syntax::Toml, [Place::Container]) => &[Place::TomlContainer],
                    (Syntax::Toml, [Place::LifecycleHandler]) => &[Place::TomlLifecycleHandler],
                    (Syntax::Toml | Syntax::Yaml, _) => &[],
                };
                let places: Vec<Place> = places.iter().chain(beside).copied().collect();
                assert_eq!(fields_of(mapping), table(&places), "{name}");
            }
            assert!(names.insert(name), "{name} twice");
        }
        for schema in [&toml, &yaml] {
            for name in schema["definitions"].as_object().unwrap().keys() {
                assert!(names.contains(name.as_str()), "{name} is of no place");
            }
        }
    }

    /// Paths of the fields that are explained below others, with their classes.
    fn explained(schema: &Value, path: &str, found: &mut BTreeSet<(String, String)>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if let Some(class) = field["x-podinit"].as_str() {
                found.insert((path.clone(), class.to_owned()));
            }
            explained(field, &path, found);
        }
        for (pattern, field) in schema["patternProperties"].as_object().into_iter().flatten() {
            let class = field["x-podinit"].as_str().unwrap();
            found.insert((format!("{path}.{}*", &pattern[1..]), class.to_owned()));
        }
        if schema.get("items").is_some_and(Value::is_object) {
            explained(&schema["items"], &format!("{path}[]"), found);
        }
    }

    #[test]
    fn what_stands_below_a_refused_field_is_explained_there() {
        for syntax in [Syntax::Toml, Syntax::Yaml] {
            let schema = schema(syntax);
            let spec = if syntax == Syntax::Toml { &schema } else { &schema["definitions"]["spec"] };
            let mut found = BTreeSet::new();
            explained(spec, "spec", &mut found);
            for (name, path) in [
                ("container", "containers[]"),
                ("probe", "probe"),
                ("envVar", "containers[].env[]"),
                ("envVarSource", "containers[].env[].valueFrom"),
                ("volume", "spec.volumes[]"),
            ] {
                explained(&schema["definitions"][name], path, &mut found);
            }
            for field in Field::all().filter(|field| matches!(field.place, Place::Below(_))) {
                let path = format!("{}.{}", field.place.path(), field.name);
                assert!(found.contains(&(path.clone(), class(field).to_owned())), "{path} is not explained");
            }
        }
    }

    #[test]
    fn references_lead_somewhere() {
        fn follow(value: &Value, definitions: &Value) {
            if let Some(to) = value["$ref"].as_str() {
                let name = to.strip_prefix("#/definitions/").unwrap();
                assert!(definitions[name].is_object(), "{to}");
            }
            value.as_object().into_iter().flatten().for_each(|(_, value)| follow(value, definitions));
            value.as_array().into_iter().flatten().for_each(|value| follow(value, definitions));
        }
        for syntax in [Syntax::Toml, Syntax::Yaml] {
            let schema = schema(syntax);
            follow(&schema, &schema["definitions"]);
        }
    }
}
