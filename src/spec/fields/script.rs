//! The fields of a simulation's script. Like the table of the Pod API, but no part of a manifest: they
//! stand in `podinit simulate --help`, not in `docs/spec-support.md`.

use super::Place::{self, *};
use super::{Class, Field};

const fn field(place: Place, name: &'static str) -> Field {
    Field { place, name, class: Class::Implemented { note: "" } }
}

/// Every field, once.
pub(in crate::spec) const SCRIPT: &[Field] = &[
    field(Script, "containers"),
    field(Script, "events"),
    field(ScriptContainer, "runs"),
    field(ScriptContainer, "startTakes"),
    field(ScriptContainer, "stopTakes"),
    field(ScriptContainer, "stopExit"),
    field(ScriptContainer, "ignoresStop"),
    field(ScriptContainer, "readyAfter"),
    field(ScriptContainer, "healthyFor"),
    field(ScriptContainer, "servesFrom"),
    field(ScriptContainer, "servesUntil"),
    field(ScriptContainer, "notifiesAfter"),
    field(ScriptContainer, "postStart"),
    field(ScriptContainer, "preStop"),
    field(ScriptHook, "takes"),
    field(ScriptHook, "fails"),
    field(ScriptRun, "lasts"),
    field(ScriptRun, "exit"),
    field(ScriptEvent, "at"),
    field(ScriptEvent, "stop"),
    field(ScriptEvent, "kill"),
    field(ScriptEvent, "restart"),
];
