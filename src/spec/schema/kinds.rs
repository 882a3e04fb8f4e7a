//! The kinds of Kubernetes objects in the schema: what each makes of the fields that all objects have, and
//! what it asks of its template. Knows what stands around a pod, not what is in one.

use super::super::fields::Field;
use super::super::fields::Place::{self, *};
use super::super::kind::{ConfigKind, KINDS, Kind, Role, Workload};
use super::between::{no_settings, selects_something};
use super::form::ANY;
use super::{Writer, refused, says_nothing, tell, within};
use serde_json::{Value, json};

/// Name of the definition of what stands in a list.
pub(super) const OBJECT: &str = "object";

impl Kind {
    /// Name of its definition.
    pub(super) fn definition(&self) -> String {
        let (first, rest) = self.name.split_at_checked(1).unwrap_or_default();
        first.to_lowercase() + rest
    }

    /// The mappings whose fields its objects have; none where nothing of an object is looked at.
    pub(super) fn places(&self) -> &'static [Place] {
        match self.role {
            Role::Workload(_) => &[Document],
            Role::Config(config) => config.places(),
            Role::List => &[Document, List],
            Role::Ignored(_) => &[],
        }
    }

    /// What its spec is, if it has one.
    fn spec(&self) -> Option<Place> {
        match self.role {
            Role::Workload(Workload::Pod) => Some(Spec),
            Role::Workload(Workload::Deployment) => Some(DeploymentSpec),
            Role::Workload(Workload::StatefulSet) => Some(StatefulSetSpec),
            Role::Workload(Workload::DaemonSet) => Some(DaemonSetSpec),
            Role::Workload(Workload::ReplicaSet | Workload::ReplicationController) => Some(ReplicaSetSpec),
            Role::Workload(Workload::Job) => Some(JobSpec),
            Role::Workload(Workload::CronJob) => Some(CronJobSpec),
            Role::Config(ConfigKind::PersistentVolumeClaim) => Some(ClaimSpec),
            Role::Config(ConfigKind::ConfigMap | ConfigKind::Secret) | Role::List | Role::Ignored(_) => None,
        }
    }

    /// What a list of its objects is called.
    fn list(&self) -> String {
        if self.role == Role::List { self.name.to_owned() } else { format!("{}List", self.name) }
    }
}

impl Writer {
    /// An object is what its kind says. One without a kind is taken for a pod, and completed as such.
    pub(super) fn kinds(&mut self) -> Value {
        let lists: Vec<_> = KINDS.iter().map(Kind::list).collect();
        let known = KINDS.iter().filter(|kind| !kind.places().is_empty());
        let choice = |kind: &'static Kind| {
            let names = if kind.role == Role::List { lists.clone() } else { vec![kind.name.to_owned()] };
            let needed: &[&str] = if kind.spec() == Some(Spec) { &[] } else { &["kind"] };
            json!({
                "if": {"type": "object", "properties": {"kind": {"enum": names}}, "required": needed},
                "then": {"allOf": [self.object(kind), {"required": ["apiVersion", "kind"]}]},
            })
        };
        let mut choices: Vec<Value> = known.map(choice).collect();
        choices.push(no_foreign_group());
        let alone = KINDS.iter().filter(|kind| kind.role != Role::List).map(|kind| kind.name);
        let names: Vec<_> = alone.chain(lists.iter().map(String::as_str)).collect();
        json!({"type": "object", "properties": {"kind": {"enum": names}}, "allOf": choices})
    }

    /// A reference to the definition of a kind, which is written when it is first asked for.
    fn object(&mut self, kind: &'static Kind) -> Value {
        let name = kind.definition();
        if !self.definitions.contains_key(&name) {
            let object = self.definition_of(kind);
            self.definitions.insert(name.clone(), object);
        }
        json!({"$ref": format!("#/definitions/{name}")})
    }

    /// Kind and apiVersion are not asked for here: in a list of one kind an object can do without.
    fn definition_of(&mut self, kind: &'static Kind) -> Value {
        let mut object = self.mapping(kind.places());
        let spec = match kind.spec() {
            Some(place) => self.reference(place),
            None => refused(self.syntax, &says_nothing(&[]), "it has no meaning here"),
        };
        let is_list = kind.role == Role::List;
        let own = match is_list {
            true => vec![("metadata", self.reference(ListMetadata)), ("spec", spec)],
            false => vec![
                ("apiVersion", json!({"type": "string", "enum": [kind.api_version]})),
                ("kind", json!({"type": "string", "enum": [kind.name]})),
                ("spec", spec),
            ],
        };
        let properties = within(&mut object, "properties");
        for (name, mut schema) in own {
            if let Some(field) = Field::find(Document, name) {
                tell(&mut schema, self.syntax, field);
            }
            *within(properties, name) = schema;
        }
        if is_list {
            for name in ["apiVersion", "kind"] {
                // Which there are, the choices below say.
                if let Value::Object(words) = within(properties, name) {
                    words.remove("enum");
                }
            }
        }
        let needed: &[&str] = match kind.spec() {
            Some(_) => &["metadata", "spec"],
            None if is_list => &["items"],
            None => &["metadata"],
        };
        *within(&mut object, "required") = json!(needed);
        let between = if is_list { self.lists() } else { self.between(kind) };
        if !between.is_empty() {
            *within(&mut object, "allOf") = Value::Array(between);
        }
        object
    }

    /// What a kind asks of fields that others have as well.
    fn between(&mut self, kind: &Kind) -> Vec<Value> {
        let settings = json!({"properties": {"metadata": no_settings()}});
        match kind.role {
            Role::Workload(Workload::Pod) => Vec::new(),
            Role::Workload(Workload::ReplicaSet) => {
                let selector = self.reference(LabelSelector);
                let spec = json!({"properties": {"selector": selector}, "required": ["selector"]});
                vec![settings, json!({"properties": {"spec": {"allOf": [spec, selects_something()]}}})]
            }
            // The older kind has labels alone.
            Role::Workload(Workload::ReplicationController) => {
                let labels = json!({"properties": {"selector": {"additionalProperties": ANY.schema()}}});
                vec![settings, json!({"properties": {"spec": labels}})]
            }
            Role::Workload(_) | Role::Config(_) | Role::List | Role::Ignored(_) => vec![settings],
        }
    }

    /// Each kind of list has objects of its kind, which need not say what they are, or any others.
    fn lists(&mut self) -> Vec<Value> {
        let list = |kind: &'static Kind| {
            let alone = match kind.role {
                Role::List => json!({"$ref": format!("#/definitions/{OBJECT}")}),
                Role::Workload(_) | Role::Config(_) => self.object(kind),
                Role::Ignored(_) => json!({}),
            };
            let says_what = json!({"required": ["kind"], "properties": {"kind": {"not": {"type": "null"}}}});
            let any = json!({"$ref": format!("#/definitions/{OBJECT}")});
            let items = json!({"items": {"if": says_what, "then": any, "else": alone}});
            json!({
                "if": {"properties": {"kind": {"const": kind.list()}}, "required": ["kind"]},
                "then": {"properties": {"apiVersion": {"enum": [kind.api_version]}, "items": items}},
            })
        };
        KINDS.iter().map(list).collect()
    }
}

/// A kind of a group that is none of Kubernetes' own is another, whatever it is called.
fn no_foreign_group() -> Value {
    let own = json!({"pattern": r"^[^/]*\.k8s\.io/"});
    let foreign = json!({"type": "string", "pattern": r"^[^/]*\.[^/]*/", "not": own});
    let message = "podinit knows the kinds of Kubernetes itself";
    json!({
        "if": {"properties": {"apiVersion": foreign}, "required": ["apiVersion", "kind"]},
        "then": {"properties": {"kind": {"type": "null", "errorMessage": message}}},
    })
}
