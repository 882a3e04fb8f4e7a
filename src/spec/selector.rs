//! Label selectors: whether that of an object matches the labels of its template, without which
//! Kubernetes refuses the object. Knows labels only.

use super::decode::{Fields, Item};
use super::fields::Place;
use super::tree::{Entry, cut};

/// The labels of a template, as written.
pub(super) struct Template<'a> {
    /// What the object is.
    pub kind: &'static str,
    /// Where the template is in the object.
    pub path: &'static str,
    pub labels: Option<&'a Entry>,
}

impl Template<'_> {
    fn label(&self, key: &str) -> Option<&Entry> {
        self.labels?.value.entry(key)
    }

    fn mismatch(&self, item: &Item<'_>, label: String, help: String) {
        let message = format!("cannot run this {}: its selector does not match its template", self.kind);
        let problem = item.scope.error(item.node.span, message).path(item.path.clone());
        let problem = problem.label(label).help(help);
        item.scope.report(match self.labels {
            Some(labels) => problem.note("the template's labels are", item.scope.source, labels.key_span),
            None => problem,
        });
    }

    /// Labels alone, as in a ReplicationController.
    pub fn check_labels(&self, selector: &Item<'_>) {
        let newer = ["matchLabels", "matchExpressions"];
        if newer.into_iter().any(|name| selector.node.entry(name).is_some()) {
            let help = "write the labels below `selector:` itself, or `kind: ReplicaSet`";
            selector.refuse(format!("a {} has labels alone here", self.kind), help);
        } else {
            self.equal(selector);
        }
    }

    /// Labels that have to be there with these values.
    fn equal(&self, selector: &Item<'_>) {
        for (key, item) in selector.entries().unwrap_or_default() {
            let Some(wanted) = item.string() else { continue };
            let found = self.label(key);
            // A label that is no string has been reported.
            if found.is_some_and(|label| label.value.as_string().is_none_or(|value| value == wanted)) {
                continue;
            }
            let label = match found.and_then(|label| label.value.as_string()) {
                Some(value) => format!("the template has \"{}\"", cut(value)),
                None => "the template has no such label".to_owned(),
            };
            let help = format!("write `{}: {}` below {}.metadata.labels", cut(key), cut(wanted), self.path);
            self.mismatch(&item, label, help);
        }
    }

    /// A selector with `matchLabels` and `matchExpressions`.
    pub fn check(&self, selector: &Item<'_>) {
        selector.fields(&[Place::LabelSelector], |fields| {
            if let Some(item) = fields.take("matchLabels") {
                self.equal(&item);
            }
            let requirements = fields.take("matchExpressions").and_then(|item| item.list());
            for item in requirements.unwrap_or_default() {
                item.fields(&[Place::SelectorRequirement], |fields| self.requirement(fields));
            }
        });
    }

    fn requirement(&self, fields: &mut Fields<'_>) {
        fields.belong_to_part("a requirement");
        let key = match fields.take("key") {
            Some(item) => item.string(),
            None => {
                fields.missing("key", "write `key:` with the name of a label");
                None
            }
        };
        let operators = [
            ("In", Operator::In),
            ("NotIn", Operator::NotIn),
            ("Exists", Operator::Exists),
            ("DoesNotExist", Operator::DoesNotExist),
        ];
        let operator = match fields.take("operator") {
            Some(item) => item.choice(&operators, "one of In, NotIn, Exists, DoesNotExist"),
            None => {
                fields.missing("operator", "write `operator: Exists`, for example");
                None
            }
        };
        let values = values(fields, operator);
        if let (Some(key), Some(operator), Some(values)) = (key, operator, values) {
            self.compare(&fields.item, key, operator, &values);
        }
    }

    fn compare(&self, item: &Item<'_>, key: &str, operator: Operator, values: &[String]) {
        let found = self.label(key);
        let has = found.is_some();
        let value = found.and_then(|label| label.value.as_string());
        if has && value.is_none() {
            return;
        }
        let among = value.is_some_and(|value| values.iter().any(|other| other == value));
        let matches = match operator {
            Operator::In => among,
            Operator::NotIn => !among,
            Operator::Exists => has,
            Operator::DoesNotExist => !has,
        };
        if !matches {
            let label = match value {
                Some(value) => format!("the template has {}: {}", cut(key), cut(value)),
                None => format!("the template has no label {}", cut(key)),
            };
            let help = format!("change it, or the labels in {}.metadata", self.path);
            self.mismatch(item, label, help);
        }
    }
}

/// The values of a requirement; `None` where that is reported.
fn values(fields: &mut Fields<'_>, operator: Option<Operator>) -> Option<Vec<String>> {
    let item = fields.take("values");
    let values = match &item {
        Some(item) => Some(item.strings()?),
        None => None,
    };
    match operator? {
        Operator::In | Operator::NotIn => match (item, &values) {
            (Some(item), Some(values)) if values.is_empty() => {
                item.refuse("there is no value in it", "write the values that the label may have");
                return None;
            }
            (None, _) => {
                fields.missing("values", "write the values that the label may have");
                return None;
            }
            (Some(_), _) => {}
        },
        Operator::Exists | Operator::DoesNotExist => {
            if let Some(item) = item.filter(|item| !item.node.is_empty()) {
                item.refuse("Exists and DoesNotExist have no values", "remove it, or write `operator: In`");
            }
        }
    }
    Some(values.unwrap_or_default())
}

#[derive(Clone, Copy)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}
