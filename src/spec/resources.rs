//! What a container or the pod asks for and is limited to. Knows what Kubernetes accepts (rule 164); what
//! follows from it is `plan`'s.

use super::decode::{Fields, Item};
use super::fields::Place;
use super::quantity::Quantity;
use super::tree::Value;

/// Requests and limits of one container, or of the pod as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// What it is to have at least; a request that is left out is the limit (rule 164).
    pub requests: Amounts,
    /// What it may have at most.
    pub limits: Amounts,
}

/// Amounts of the resources that podinit knows; `None` is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// In processors.
    pub cpu: Option<Quantity>,
    /// In bytes.
    pub memory: Option<Quantity>,
}

impl Resources {
    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads `resources`. `owner` is what messages call whose they are.
pub(super) fn resources(item: &Item<'_>, owner: &str) -> Resources {
    let read = item.fields(&[Place::Resources], |fields| {
        fields.belong_to(owner);
        let written = ["requests", "limits"].map(|name| fields.take(name));
        let [requests, limits] =
            written.each_ref().map(|item| item.as_ref().map(amounts).unwrap_or_default());
        if let [Some(requests_item), Some(limits_item)] = &written {
            let pairs = [("cpu", requests.cpu, limits.cpu), ("memory", requests.memory, limits.memory)];
            for (name, request, limit) in pairs {
                if request.zip(limit).is_some_and(|(request, limit)| request > limit) {
                    more_than_limit(name, requests_item, limits_item);
                }
            }
        }
        Resources {
            requests: Amounts { cpu: requests.cpu.or(limits.cpu), memory: requests.memory.or(limits.memory) },
            limits,
        }
    });
    read.unwrap_or_default()
}

fn amounts(item: &Item<'_>) -> Amounts {
    let read = item.fields(&[Place::Amounts], |fields| {
        fields.belong_to_part(&item.name);
        Amounts { cpu: amount(fields, "cpu"), memory: amount(fields, "memory") }
    });
    read.unwrap_or_default()
}

fn amount(fields: &mut Fields<'_>, name: &'static str) -> Option<Quantity> {
    let item = fields.take(name)?;
    quantity(&item, if name == "cpu" { "500m" } else { "64Mi" })
}

/// A value that is a quantity, such as `example`.
pub(super) fn quantity(item: &Item<'_>, example: &str) -> Option<Quantity> {
    let help = format!("write a quantity such as {example}");
    let text = match &item.node.value {
        Value::String(text) => text.clone(),
        // `0777` is what YAML 1.1 takes it for, not what it looks like.
        Value::Integer(value) => value.to_string(),
        Value::Float(_) => item.node.span.of(item.scope.text).to_owned(),
        Value::Unreadable => return None,
        Value::Null | Value::Boolean(_) | Value::Date | Value::List(_) | Value::Mapping(_) => {
            item.refuse("a quantity is wanted", help);
            return None;
        }
    };
    let quantity = Quantity::parse(&text);
    if quantity.is_none() {
        let label = if text.starts_with('-') { "less than 0" } else { "no quantity" };
        item.refuse(label, repaired(&text).map_or(help, |text| format!("write {text}")));
    }
    quantity
}

/// The quantity that was probably meant: `128MB` and `64mi` have a wrong suffix.
fn repaired(text: &str) -> Option<String> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, suffix) = text.split_at_checked(end)?;
    let suffix = match suffix.to_ascii_lowercase().as_str() {
        "k" | "kb" | "ki" | "kib" => "Ki",
        "mb" | "mi" | "mib" => "Mi",
        "g" | "gb" | "gi" | "gib" => "Gi",
        "t" | "tb" | "ti" | "tib" => "Ti",
        _ => return None,
    };
    let repaired = format!("{}{suffix}", number.trim());
    Quantity::parse(&repaired).map(|_| repaired)
}

fn more_than_limit(name: &str, requests: &Item<'_>, limits: &Item<'_>) {
    let (Some(request), Some(limit)) = (requests.node.entry(name), limits.node.entry(name)) else { return };
    let scope = requests.scope;
    let message = format!("cannot request more {name} than the limit{}", requests.owner);
    scope.report(
        scope
            .error(request.value.span, message)
            .path(format!("{}.{name}", requests.path))
            .label("more than the limit")
            .note("the limit is", scope.source, limit.value.span)
            .help("write a smaller request or a larger limit"),
    );
}
