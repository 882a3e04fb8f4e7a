//! What a mapping asks of several of its fields together, as JSON Schema. Knows fields by name, no manifest.

use super::super::fields::Place::{self, *};
use super::super::settings;
use super::form::Form;
use super::rows::{ROWS, Row};
use super::within;
use serde_json::{Value, json};

/// What a mapping asks of its fields together.
pub(super) fn between_fields(place: Place) -> Option<Value> {
    match place {
        // Only privileged containers mount for the host (rule 149); rules need a policy beside them (rule 98); only readiness comes and goes (rule 38).
        Container => {
            let once = json!({"properties": {"successThreshold": {"maximum": 1}}});
            let privileged = with("securityContext", &with("privileged", &json!({"const": true})));
            let of_host = json!({"properties": {"mountPropagation": {"not": {"const": "Bidirectional"}}}});
            Some(json!({
                "allOf": [{
                    "if": {"not": privileged},
                    "then": {"properties": {"volumeMounts": {"items": of_host}}},
                }],
                "if": {
                    "properties": {"restartPolicyRules": {"type": "array", "minItems": 1}},
                    "required": ["restartPolicyRules"],
                },
                "then": {
                    "properties": {"restartPolicy": {"type": "string"}},
                    "required": ["restartPolicy"],
                },
                "properties": {
                    "startupProbe": once,
                    "livenessProbe": once,
                    "readinessProbe": {"properties": {"terminationGracePeriodSeconds": {"type": "null"}}},
                },
            }))
        }
        Probe => Some(one_of(place, "a probe does")),
        LifecycleHandler => Some(one_of(place, "a hook does")),
        EnvVarSource => Some(one_of(place, "a variable comes from")),
        EnvFrom => Some(one_of(place, "variables come from")),
        // A value is written or comes from somewhere.
        EnvVar => Some(json!({
            "if": {"properties": {"value": {"type": "string", "minLength": 1}}, "required": ["value"]},
            "then": {"properties": {"valueFrom": {"type": "null"}}},
        })),
        // One of them.
        Metadata => Some(json!({
            "if": {"required": ["generateName"], "properties": {"generateName": {"type": "string"}}},
            "else": {"required": ["name"], "properties": {"name": {"type": "string"}}},
        })),
        DeploymentSpec | StatefulSetSpec | DaemonSetSpec => {
            Some(json!({"allOf": [selects_something(), keeps_running()]}))
        }
        ReplicaSetSpec => Some(keeps_running()),
        JobSpec => Some(ends()),
        CronJobSpec => Some(json!({
            "required": ["schedule"],
            "properties": {"schedule": {"not": {"type": "null"}}},
        })),
        JobTemplate => Some(json!({"properties": {"metadata": no_settings()}})),
        // A value is asked for, or none is.
        SelectorRequirement => Some(json!({
            "if": {"properties": {"operator": {"enum": ["In", "NotIn"]}}, "required": ["operator"]},
            "then": {"properties": {"values": {"type": "array", "minItems": 1}}, "required": ["values"]},
            "else": {
                "if": {"properties": {"operator": {"enum": ["Exists", "DoesNotExist"]}}, "required": ["operator"]},
                "then": {"properties": {"values": {"maxItems": 0}}},
            },
        })),
        // A volume is an emptyDir where nothing is said.
        Volume => Some(at_most_one(place, "a volume is")),
        ProjectedSource => Some(one_of(place, "a source is")),
        DownwardFile => {
            let mut one = one_of(place, "a file tells of");
            let whose = with("containerName", &json!({"type": "string", "minLength": 1}));
            let of_table = json!({"resourceFieldRef": {"if": {"type": "object"}, "then": whose}});
            *within(&mut one, "properties") = of_table;
            Some(one)
        }
        SeccompProfile | AppArmorProfile => Some(localhost()),
        SecurityContext => Some(no_escalation()),
        VolumeMount => Some(mount()),
        Spec => Some(host_namespaces()),
        // An image that is a file system may have a program.
        Toml => Some(json!({
            "if": {"properties": {"profile": {"const": "pod"}}, "required": ["profile"]},
            "else": {"properties": {"containers": programs(), "initContainers": programs()}},
            "allOf": [{
                "if": with("hostNetwork", &json!({"const": true})),
                "then": {"properties": {"network": {"type": "null"}}},
            }],
        })),
        HostAlias | DnsConfig | DnsOption | PodSecurityContext | Sysctl | SeLinuxOptions => None,
        Capabilities | EmptyDir | HostPath | ConfigMapVolume | SecretVolume | DownwardVolume => None,
        ProjectedVolume | ClaimVolume | ImageVolume | KeyToPath | DownwardFieldRef | ProjectedObject
        | ProjectedDownward => None,
        Document | CrashLoopBackOff | Os | ContainerPort | TomlRootfs => None,
        KeyRef | FileKeyRef | ObjectRef | FieldRef | ResourceFieldRef => None,
        RestartRule | ExitCodes | ExecAction | HttpGetAction | HttpHeader | TcpSocketAction => None,
        PodTemplate | TemplateMetadata | LabelSelector | ConfigMap | Secret | List | ListMetadata => None,
        ClaimSpec | ClaimResources | ClaimRequests | Resources | Amounts => None,
        GrpcAction | Lifecycle | SleepAction | ReadinessGate | ResizePolicy => None,
        TomlContainer | TomlLifecycleHandler => None,
        Script | ScriptContainer | ScriptRun | ScriptHook | ScriptEvent | Below(_) => None,
    }
}

/// Entries that have a command.
fn programs() -> Value {
    json!({"items": {"required": ["command"], "properties": {"command": {"minItems": 1}}}})
}

/// A field that is there as `value`.
fn with(name: &str, value: &Value) -> Value {
    json!({"properties": {name: value}, "required": [name]})
}

/// Only a profile of this type has a name, and has one always.
fn localhost() -> Value {
    json!({
        "if": with("type", &json!({"const": "Localhost"})),
        "then": with("localhostProfile", &json!({"type": "string"})),
        "else": {"properties": {"localhostProfile": {"enum": ["", null]}}},
    })
}

/// In any spelling.
const SYS_ADMIN: &str = "^([Cc][Aa][Pp]_)?[Ss][Yy][Ss]_[Aa][Dd][Mm][Ii][Nn]$";

/// Who has all rights cannot gain more (rule 160).
fn no_escalation() -> Value {
    let added = json!({"properties": {"add": {"not": {"contains": {"pattern": SYS_ADMIN}}}}});
    json!({
        "if": with("privileged", &json!({"const": true})),
        "then": {"properties": {"allowPrivilegeEscalation": {"enum": [true, null]}}},
        "else": {
            "if": {"required": ["capabilities"], "not": {"properties": {"capabilities": added}}},
            "then": {"properties": {"allowPrivilegeEscalation": {"enum": [true, null]}}},
        },
    })
}

/// What of a mount needs or excludes what else (rules 148, 149).
fn mount() -> Value {
    let written = json!({"type": "string", "minLength": 1});
    json!({"allOf": [
        {
            "if": with("subPath", &written),
            "then": {"properties": {"subPathExpr": {"enum": ["", null]}}},
        },
        {
            "if": with("readOnly", &json!({"const": true})),
            "else": {"properties": {"recursiveReadOnly": {"enum": ["Disabled", null]}}},
        },
        {
            "if": with("mountPropagation", &json!({"enum": ["HostToContainer", "Bidirectional"]})),
            "then": {"properties": {"recursiveReadOnly": {"enum": ["Disabled", null]}}},
        },
    ]})
}

/// Which namespaces and names exclude each other (rules 152, 154, 155, 163).
fn host_namespaces() -> Value {
    let yes = json!({"const": true});
    let no = json!({"enum": [false, null]});
    let nothing = json!({"type": "null"});
    let servers = with("dnsConfig", &with("nameservers", &json!({"type": "array", "minItems": 1})));
    json!({"allOf": [
        {
            "if": with("hostUsers", &json!({"const": false})),
            "then": {"properties": {"hostNetwork": no, "hostPID": no, "hostIPC": no}},
        },
        {"if": with("hostPID", &yes), "then": {"properties": {"shareProcessNamespace": no}}},
        {"if": with("hostNetwork", &yes), "then": {"properties": {"hostnameOverride": nothing}}},
        {"if": with("setHostnameAsFQDN", &yes), "then": {"properties": {"hostnameOverride": nothing}}},
        {
            "if": {"not": servers},
            "then": {"properties": {"dnsPolicy": {"not": {"const": "None"}}}},
        },
    ]})
}

/// None or one of the mappings that may stand in this one.
fn at_most_one(place: Place, does: &str) -> Value {
    let mut one = one_of(place, does);
    let choices = one.pointer_mut("/then/oneOf").and_then(Value::as_array_mut);
    if let Some(choices) = choices {
        let none = json!({"not": {"anyOf": choices}});
        choices.push(none);
    }
    one
}

/// Exactly one of the mappings that may stand in this one; `does` begins the sentence about it.
fn one_of(place: Place, does: &str) -> Value {
    let is_mapping = |row: &&Row| row.place == place && matches!(row.form, Form::Object(_));
    let names: Vec<_> = ROWS.iter().filter(is_mapping).map(|row| row.name).collect();
    let message = format!("{does} one of {}", names.join(", "));
    let is_there = |name: &str| {
        json!({
            "required": [name],
            "properties": {name: {"not": {"type": "null"}}},
            "errorMessage": message,
        })
    };
    let one: Value = names.into_iter().map(is_there).collect();
    json!({"if": {"type": "object"}, "then": {"oneOf": one}})
}

/// Metadata whose annotations are no settings of podinit: these stand at the pod.
pub(super) fn no_settings() -> Value {
    let setting = json!({"pattern": format!("^{}", settings::PREFIX.replace('.', r"\."))});
    json!({"properties": {"annotations": {"propertyNames": {"not": setting}}}})
}

/// A spec with a selector that is not empty: that would select every pod.
pub(super) fn selects_something() -> Value {
    let message = "an empty selector matches every pod";
    let something = json!({"not": {"$ref": "#/definitions/empty"}, "errorMessage": message});
    json!({"properties": {"selector": something}})
}

/// A spec whose template has such a restart policy.
fn template(policies: &[Value]) -> Value {
    let spec = json!({"properties": {"restartPolicy": {"enum": policies}}});
    json!({"properties": {"template": {"properties": {"spec": spec}}}})
}

/// What is there to keep its pod running.
fn keeps_running() -> Value {
    template(&[json!("Always"), json!(""), Value::Null])
}

/// What is there to end; its pod's policy has to be written.
fn ends() -> Value {
    let needed = |name: &str, below: Value| json!({"properties": {name: below}, "required": [name]});
    let policy = |words: &[&str]| needed("restartPolicy", json!({"enum": words}));
    json!({"properties": {"template": {"properties": {"spec": policy(&["OnFailure", "Never"])}}}})
}
