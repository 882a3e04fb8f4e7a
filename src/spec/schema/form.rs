//! The forms that a field's value can have, as JSON Schema. Says what the readers of `container`,
//! `probe` and their neighbours accept of one value; what concerns several values is not said here.

use super::super::fields::Place;
use super::super::settings;
use super::super::{Capability, Signal, Syntax, container_settings};
use super::rows::Row;
use super::{Writer, within};
use serde_json::{Value, json};

/// A value's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Boolean,
    /// From the first to the second.
    Integer(i64, i64),
    /// Seconds with a fraction.
    Seconds,
    /// The same, more than 0.
    Timeout,
    /// More than 0, and at most 1.
    Fraction,
    Text(Rule),
    Word(&'static [&'static str]),
    /// The same; an empty one counts as left out.
    WordOrEmpty(&'static [&'static str]),
    /// An amount, such as `500m`.
    Quantity,
    Strings {
        least: usize,
    },
    /// Strings, the first of which is a program.
    Program,
    /// Exit codes.
    Codes,
    Object(Place),
    Objects {
        place: Place,
        most: Option<usize>,
    },
    Containers,
    InitContainers,
    Labels,
    /// Labels that are looked for, whose values are compared and not judged.
    MatchLabels,
    Annotations,
    /// A selector in one of two notations, see `kinds`.
    Selector,
    /// Objects of Kubernetes.
    Items,
    /// Values under names of files.
    Data,
    /// The same in Base64.
    BinaryData,
    AccessModes,
    /// A quantity of more than 0.
    Size,
    Environment,
    /// A path of a file, or several.
    Paths,
    /// Paths under names of variables.
    NamedPaths,
    /// A number, or a name.
    Port,
    /// An address or a name.
    Host,
    /// Seconds of a probe, with a fraction.
    ProbeSeconds,
    StopSignal,
    /// Ids of users or groups.
    Ids,
    /// A numeric address.
    Address,
    /// The same; an empty one counts as left out.
    OptionalAddress,
    /// Several.
    Addresses {
        most: usize,
    },
    /// Strings of one form.
    Texts {
        rule: Rule,
        most: Option<usize>,
    },
    Capabilities,
    /// Permissions.
    Mode,
    /// The same of a directory, where who owns a file may be the only one who may remove it.
    DirectoryMode,
    Sysctl,
    /// Where a volume is seen.
    MountPath,
    /// A directory, or a table of it and its layer.
    Rootfs,
}

/// What a string may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// A pattern that JavaScript and Rust understand, without looking around.
    pattern: &'static str,
    most: Option<usize>,
    /// What is wrong with a string that is none.
    broken: &'static str,
}

const fn rule(pattern: &'static str, broken: &'static str) -> Rule {
    Rule { pattern, most: None, broken }
}

const fn short(most: usize, pattern: &'static str, broken: &'static str) -> Rule {
    Rule { pattern, most: Some(most), broken }
}

const NO_LABEL: &str = "a name has lower-case letters, digits and `-`, and no `-` at its ends";
const NO_SUBDOMAIN: &str =
    "a name has lower-case letters, digits, `-` and `.`, and ends with a letter or digit";
const NO_PORT_NAME: &str =
    "a port's name has lower-case letters, digits and single `-`, and at least one letter";
const NO_KEY: &str = "a key is such as `app` or `example.com/app`";

pub(super) const ANY: Rule = rule(r"^[^\u0000]*$", "there is a NUL character in it");
pub(super) const ONE_LINE: Rule = rule(r"^[^\u0000-\u001f\u007f]*$", "there is a control character in it");
pub(super) const IMAGE: Rule =
    rule(r"^([^\s\u0000]([^\u0000]*[^\s\u0000])?)?$", "it starts or ends with a space");
pub(super) const IMAGE_NAME: Rule =
    rule(r"^[^\s\u0000]([^\u0000]*[^\s\u0000])?$", "it is empty, or starts or ends with a space");
pub(super) const LABEL: Rule = short(63, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", NO_LABEL);
pub(super) const NAMESPACE: Rule = short(63, "^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", NO_LABEL);
pub(super) const SUBDOMAIN: Rule =
    short(253, r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", NO_SUBDOMAIN);
pub(super) const NAME_PREFIX: Rule =
    short(253, r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*[-.]*$", NO_SUBDOMAIN);
pub(super) const VARIABLE: Rule = rule("^[ -<>-~]+$", "a variable's name is printable ASCII without `=`");
pub(super) const FILE_KEY: Rule =
    short(128, "^[ -<>-~]+$", "a variable's name is printable ASCII without `=`");
pub(super) const VARIABLE_PREFIX: Rule =
    rule("^[ -<>-~]*$", "the beginning of a variable's name is printable ASCII without `=`");
/// What a variable may tell of the pod, with keys as labels and annotations have them.
pub(super) const FIELD_PATH: Rule = rule(
    concat!(
        r"^(metadata\.(name|namespace|uid",
        r"|labels\['([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?'\]",
        r"|annotations\['([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?'\])",
        r"|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?))$",
    ),
    "a variable tells of metadata.name, namespace, uid, labels['key'] or annotations['key'], of spec.nodeName or serviceAccountName, of status.hostIP, hostIPs, podIP or podIPs",
);
const PATH: Rule = rule(
    r"^([^\u0000,/\s]|[^\u0000,\s][^\u0000,]*[^\u0000,/\s])$",
    "a path of a file has no comma, and no space or `/` at its end",
);
/// The same between commas, as an annotation has it; empty words say nothing.
const PATHS: Rule = rule(
    r"^\s*([^\u0000,/\s]|[^\u0000,\s][^\u0000,]*[^\u0000,/\s])?\s*(,\s*([^\u0000,/\s]|[^\u0000,\s][^\u0000,]*[^\u0000,/\s])?\s*)*$",
    "paths of files are wanted, with commas between them",
);
/// The same after names of variables and `=`.
const NAMED_PATHS: Rule = rule(
    r"^\s*([!-+.-<>-~-][ -+.-<>-~-]*=([^\u0000,/\s]|[^\u0000,\s][^\u0000,]*[^\u0000,/\s]))?\s*(,\s*([!-+.-<>-~-][ -+.-<>-~-]*=([^\u0000,/\s]|[^\u0000,\s][^\u0000,]*[^\u0000,/\s]))?\s*)*$",
    "names and paths are wanted: NAME=path, with commas between several",
);
/// Words between single `-`, one of them with a letter.
const PORT_NAME: Rule = short(15, "^([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$", NO_PORT_NAME);
pub(super) const OPTIONAL_PORT_NAME: Rule =
    short(15, "^(([0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*)?$", NO_PORT_NAME);
pub(super) const NOTIFY: Rule = rule(
    "^(socket|fd:([3-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5]))$",
    "it is `socket`, or `fd:` and a number from 3 to 255",
);
/// A condition's type has the form of a label's key.
pub(super) const CONDITION: Rule = LABEL_KEY;
pub(super) const HEADER: Rule = rule("^[A-Za-z0-9-]+$", "a header's name has letters, digits and `-`");
pub(super) const HEADER_VALUE: Rule =
    rule(r"^[^\u0000-\u0008\u000a-\u001f\u007f]*$", "there is a control character in it");
/// As [`super::super::Quantity`] reads it.
const QUANTITY: Rule = rule(
    r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
    "a quantity is such as `500m`, `0.5` or `64Mi`",
);
/// Absolute and never up.
pub(super) const ABSOLUTE: Rule = rule(
    r"^/+((\.|[^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*|\.\.[^/\u0000]+)(/+(\.|[^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*|\.\.[^/\u0000]+))*/*)?$",
    "this path starts with `/` and has no `..`",
);
/// The same, where empty is left out.
pub(super) const OPTIONAL_ABSOLUTE: Rule = rule(
    r"^(/+((\.|[^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*|\.\.[^/\u0000]+)(/+(\.|[^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*|\.\.[^/\u0000]+))*/*)?)?$",
    "this path starts with `/` and has no `..`",
);
/// Relative and never up; empty is left out.
pub(super) const DESCENDING: Rule = rule(
    r"^((\.|[^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*|\.\.[^/\u0000]+)(/+(\.|[^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*|\.\.[^/\u0000]+))*/*)?$",
    "this path is relative and has no `..`",
);
/// The same of a file in a volume, whose own files start with `..`.
pub(super) const IN_VOLUME: Rule = rule(
    r"^(\./+)*([^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*)(/+(\.|[^/\u0000.][^/\u0000]*|\.[^/\u0000.][^/\u0000]*|\.\.[^/\u0000]+))*/*$",
    "this path is relative, has no `..` and does not start with it",
);
pub(super) const OPTIONAL_LABEL: Rule = short(63, "^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", NO_LABEL);
pub(super) const HOSTNAME: Rule =
    short(64, r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$", NO_SUBDOMAIN);
pub(super) const SEARCH: Rule = short(
    254,
    r"^(\.|[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?)$",
    "a domain is such as `example.com`",
);
pub(super) const WORD: Rule = rule(r"^[^\s\u0000-\u001f\u007f:]*$", "this is one word");
pub(super) const FULL_WORD: Rule = rule(r"^[^\s\u0000-\u001f\u007f:]+$", "this is one word");
/// Words with dots or slashes between them.
const SYSCTL: Rule = short(
    253,
    "^[a-z0-9]([a-z0-9_-]*[a-z0-9])?([./][a-z0-9]([a-z0-9_-]*[a-z0-9])?)*$",
    "a kernel parameter is called such as `net.core.somaxconn`",
);
const OWN_SYSCTL: &str = r"^(net[./]|fs[./]mqueue[./]|kernel[./](shm|msg|sem$))";
/// What a file of a volume may tell of the pod.
pub(super) const VOLUME_FIELD: Rule = rule(
    r"^metadata\.(name|namespace|uid|labels(\['[^'\u0000]+'\])?|annotations(\['[^'\u0000]+'\])?)$",
    "a file tells of metadata.name, namespace, uid, labels or annotations",
);
pub(super) const NOT_EMPTY: Rule = rule(r"^[^\u0000]+$", "it is empty");
const LABEL_VALUE: Rule = rule(
    "^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$",
    "a label is a word of at most 63 letters, digits, `-`, `_` and `.`",
);
const LABEL_KEY: Rule = rule(
    r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
    NO_KEY,
);
/// Kubernetes does not mind capitals before the `/` here.
const ANNOTATION_KEY: Rule = rule(
    r"^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
    NO_KEY,
);
/// It becomes the name of a file.
pub(super) const CONFIG_KEY: Rule = short(
    253,
    r"^([A-Za-z0-9_-]|\.[A-Za-z0-9_-])[A-Za-z0-9._-]*$",
    "a key is such as `settings.json` or `LOG_LEVEL`",
);
/// As Go reads it: line ends are skipped.
const BASE64: Rule = rule(
    r"^[\r\n]*(([A-Za-z0-9+/][\r\n]*){4})*(([A-Za-z0-9+/][\r\n]*){2}(=[\r\n]*){2}|([A-Za-z0-9+/][\r\n]*){3}=[\r\n]*)?$",
    "this is no Base64",
);
/// A number of seconds as an annotation has it.
const DECIMAL: Rule = rule(r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)$", "it is a number of seconds, such as 0.5 or 10");

/// The same, more than 0.
const POSITIVE_DECIMAL: Rule = rule(
    r"^([0-9]*[1-9][0-9]*(\.[0-9]*)?|[0-9]*\.[0-9]*[1-9][0-9]*)$",
    "it is a number of seconds above 0, such as 0.5 or 10",
);

/// A number above 0 and at most 1 as an annotation has it.
const FRACTION: Rule =
    rule(r"^(0*1(\.0*)?|0*\.[0-9]*[1-9][0-9]*)$", "it is a number above 0 and at most 1, such as 0.9");

/// A whole number above 0 as an annotation has it.
const POSITIVE: Rule = rule("^0*[1-9][0-9]*$", "it is a number above 0, such as 1024");

impl Rule {
    pub fn schema(self) -> Value {
        let mut schema = json!({
            "type": "string",
            "pattern": self.pattern,
            "patternErrorMessage": self.broken,
        });
        if let Some(most) = self.most {
            *within(&mut schema, "maxLength") = json!(most);
        }
        schema
    }
}

impl Form {
    /// The schema of a value of this form, where null is not allowed.
    pub fn schema(self, writer: &mut Writer) -> Value {
        match self {
            Self::Boolean => json!({"type": "boolean"}),
            Self::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            Self::Seconds => json!({"type": "number", "minimum": 0, "maximum": settings::MOST_SECONDS}),
            Self::Timeout => {
                json!({"type": "number", "exclusiveMinimum": 0, "maximum": settings::MOST_SECONDS})
            }
            Self::Fraction => json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
            Self::Text(rule) => rule.schema(),
            Self::Word(words) => json!({"type": "string", "enum": words}),
            Self::WordOrEmpty(words) => {
                let words: Vec<_> = words.iter().copied().chain([""]).collect();
                json!({"type": "string", "enum": words})
            }
            Self::Quantity => {
                let mut schema = QUANTITY.schema();
                *within(&mut schema, "type") = json!(["string", "number"]);
                *within(&mut schema, "minimum") = json!(0);
                schema
            }
            Self::Strings { least } => {
                json!({"type": "array", "items": ANY.schema(), "minItems": least})
            }
            Self::Program => {
                let mut program = ANY.schema();
                *within(&mut program, "minLength") = json!(1);
                json!({"type": "array", "items": [program], "additionalItems": ANY.schema()})
            }
            Self::Codes => json!({
                "type": "array",
                "items": {"type": "integer", "minimum": 0, "maximum": 255},
                "maxItems": 255,
            }),
            Self::Object(place) => writer.reference(place),
            Self::Objects { place, most } => {
                let mut schema = json!({"type": "array", "items": writer.reference(place)});
                if let Some(most) = most {
                    *within(&mut schema, "maxItems") = json!(most);
                }
                schema
            }
            Self::Containers => {
                json!({"type": "array", "items": writer.reference(Place::Container), "minItems": 1})
            }
            Self::InitContainers => {
                json!({"type": "array", "items": {"allOf": [writer.reference(Place::Container), sidecar(writer.syntax)]}})
            }
            Self::Labels => json!({
                "type": "object",
                "propertyNames": LABEL_KEY.schema(),
                "additionalProperties": LABEL_VALUE.schema(),
            }),
            Self::MatchLabels => json!({"type": "object", "additionalProperties": ANY.schema()}),
            Self::Selector => json!({"type": "object"}),
            Self::Items => json!({"type": "array", "items": {"type": "object"}}),
            Self::Data => data(json!({"type": ["string", "null"]})),
            Self::BinaryData => {
                let mut value = BASE64.schema();
                *within(&mut value, "type") = json!(["string", "null"]);
                data(value)
            }
            Self::AccessModes => {
                let modes = super::super::config::ACCESS_MODES;
                json!({"type": "array", "items": {"type": "string", "enum": modes}})
            }
            Self::Size => {
                let zero = json!({"type": "string", "pattern": r"^\+?[0.]*([^0-9.].*)?$"});
                let mut schema = Self::Quantity.schema(writer);
                *within(&mut schema, "not") = json!({"anyOf": [zero, {"enum": [0]}]});
                schema
            }
            Self::Annotations => annotations(writer),
            Self::Environment => {
                let mut schema = json!({"type": ["array"], "items": writer.reference(Place::EnvVar)});
                if writer.syntax == Syntax::Toml {
                    *within(&mut schema, "type") = json!(["array", "object"]);
                    *within(&mut schema, "propertyNames") = VARIABLE.schema();
                    *within(&mut schema, "additionalProperties") = ANY.schema();
                }
                schema
            }
            Self::Paths => {
                let mut schema = PATH.schema();
                *within(&mut schema, "type") = json!(["string", "array"]);
                *within(&mut schema, "items") = PATH.schema();
                schema
            }
            Self::NamedPaths => json!({
                "type": "object",
                "propertyNames": VARIABLE.schema(),
                "additionalProperties": PATH.schema(),
            }),
            Self::Port => {
                let mut schema = PORT_NAME.schema();
                *within(&mut schema, "type") = json!(["integer", "string"]);
                *within(&mut schema, "minimum") = json!(1);
                *within(&mut schema, "maximum") = json!(65535);
                schema
            }
            Self::Host => json!({
                "type": "string",
                "anyOf": [
                    {"format": "ipv6"},
                    {"pattern": r"^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?)?$", "maxLength": 253},
                ],
            }),
            Self::ProbeSeconds => json!({
                "type": "number",
                "maximum": i32::MAX,
                "anyOf": [{"enum": [0]}, {"minimum": 0.01}],
            }),
            Self::Ids => {
                let id = Self::Integer(0, i32::MAX.into()).schema(writer);
                json!({"type": "array", "items": id})
            }
            Self::Address => {
                json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
            }
            Self::OptionalAddress => {
                json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"maxLength": 0}]})
            }
            Self::Sysctl => {
                let mut schema = SYSCTL.schema();
                *within(&mut schema, "allOf") = json!([{"pattern": OWN_SYSCTL}]);
                schema
            }
            Self::Addresses { most } => {
                json!({"type": "array", "items": Self::Address.schema(writer), "maxItems": most})
            }
            Self::Texts { rule, most } => {
                let mut schema = json!({"type": "array", "items": rule.schema()});
                if let Some(most) = most {
                    *within(&mut schema, "maxItems") = json!(most);
                }
                schema
            }
            Self::Capabilities => capabilities(),
            Self::Mode if writer.syntax == Syntax::Toml => Self::Integer(0, 0o777).schema(writer),
            Self::DirectoryMode if writer.syntax == Syntax::Toml => Self::Integer(0, 0o1777).schema(writer),
            Self::Mode => octal(777, "^0[0-7]{1,3}$"),
            Self::DirectoryMode => octal(1777, "^0[0-7]{1,3}$|^01[0-7]{3}$"),
            Self::MountPath => {
                let mut schema = ABSOLUTE.schema();
                let kernels = r"^/+(\./+)*\.?$|^/+(\./+)*(proc|sys)(/|$)";
                *within(&mut schema, "not") = json!({"pattern": kernels});
                schema
            }
            Self::Rootfs => {
                let table = json!({"if": {"type": "object"}, "then": writer.reference(Place::TomlRootfs)});
                let mut schema = NOT_EMPTY.schema();
                *within(&mut schema, "type") = json!(["string", "object"]);
                *within(&mut schema, "allOf") = json!([table]);
                schema
            }
            Self::StopSignal => {
                let names = Signal::kubernetes_names().into_iter().map(|(name, _)| name);
                let words: Vec<_> = names.chain([String::new()]).collect();
                json!({"type": "string", "enum": words})
            }
        }
    }
}

/// `0644` is octal in Kubernetes' YAML; editors take it for a decimal number, or for text.
fn octal(most: u32, pattern: &str) -> Value {
    json!({"type": ["integer", "string"], "minimum": 0, "maximum": most, "pattern": pattern})
}

/// Names of capabilities in any spelling; editors offer the usual one.
fn capabilities() -> Value {
    let names: Vec<&str> = ["ALL"].into_iter().chain(Capability::all().map(Capability::name)).collect();
    let any_case = |name: &str| -> String {
        let letter = |c: char| match c.is_ascii_alphabetic() {
            true => format!("[{c}{}]", c.to_ascii_lowercase()),
            false => c.to_string(),
        };
        name.chars().map(letter).collect()
    };
    let spelt: Vec<String> = names.iter().skip(1).map(|name| any_case(name)).collect();
    let pattern = format!("^({}|({})?({}))$", any_case("ALL"), any_case("CAP_"), spelt.join("|"));
    json!({"type": "array", "items": {"type": "string", "anyOf": [{"enum": names}, {"pattern": pattern}]}})
}

/// A mapping of values under keys of ConfigMaps and Secrets.
fn data(value: Value) -> Value {
    json!({"type": "object", "propertyNames": CONFIG_KEY.schema(), "additionalProperties": value})
}

/// Only those init containers have probes and hooks that are sidecars (rule 20), and only those restart when
/// they are resized (rule 174). What orders main containers is for none of them.
fn sidecar(syntax: Syntax) -> Value {
    let refused = |why| super::refused(syntax, &json!({"type": "null"}), why);
    let of_sidecars = refused(
        "an init container that runs to its end has no probes and no lifecycle; \
         `restartPolicy: Always` makes it a sidecar",
    );
    let never_restarts = json!({"properties": {"restartPolicy": {"not": {"const": "RestartContainer"}}}});
    let mut plain = json!({
        "startupProbe": of_sidecars,
        "livenessProbe": of_sidecars,
        "readinessProbe": of_sidecars,
        "lifecycle": of_sidecars,
        "resizePolicy": {"items": never_restarts},
    });
    let mut all = json!({});
    if syntax == Syntax::Toml {
        *within(&mut plain, "notify") =
            refused("an init container that runs to its end is ready when it has ended");
        for name in ["keystone", "startAfter"] {
            *within(&mut all, name) = refused("this is for main containers only");
        }
    }
    json!({
        "properties": all,
        "if": {"properties": {"restartPolicy": {"const": "Always"}}, "required": ["restartPolicy"]},
        "else": {"properties": plain},
    })
}

/// Any text, and podinit's settings, which are annotations in YAML and plain keys in TOML.
fn annotations(writer: &mut Writer) -> Value {
    let other = json!({"not": {"pattern": format!("^{}", settings::PREFIX.replace('.', r"\."))}});
    let key = json!({"allOf": [ANNOTATION_KEY.schema(), other]});
    let mut schema = json!({"type": "object", "propertyNames": key, "additionalProperties": ANY.schema()});
    if writer.syntax == Syntax::Toml {
        return schema;
    }
    let names: Vec<_> = settings::names().map(|name| format!("{}{name}", settings::PREFIX)).collect();
    let of_containers = container_settings::NAMES.map(|setting| json!({"pattern": of_container(setting)}));
    let known: Vec<_> = [json!({"enum": names}), key].into_iter().chain(of_containers).collect();
    *within(&mut schema, "propertyNames") = json!({"anyOf": known});
    for (name, setting) in names.iter().zip(settings::names()) {
        if let Some(value) = setting_schema(writer, setting, Place::Toml) {
            *within(within(&mut schema, "properties"), name) = value;
        }
    }
    for setting in container_settings::NAMES {
        if let Some(value) = setting_schema(writer, setting, Place::TomlContainer) {
            let pattern = of_container(setting);
            *within(within(&mut schema, "patternProperties"), &pattern) = value;
        }
    }
    schema
}

/// Pattern of the annotations that are this setting of a container.
fn of_container(setting: &str) -> String {
    let escape = |text: &str| text.replace('.', r"\.");
    format!("^{}[a-z0-9]([a-z0-9-]*[a-z0-9])?{}$", escape(settings::PREFIX), escape(&format!(".{setting}")))
}

/// A setting as an annotation, where everything is a string.
fn setting_schema(writer: &mut Writer, setting: &str, top: Place) -> Option<Value> {
    let (top, setting) = if setting == container_settings::ROOTFS_LAYER {
        (Place::TomlRootfs, "layer")
    } else {
        (top, setting)
    };
    let (place, field) = match setting.rsplit_once('.') {
        Some(("crashLoopBackOff", field)) => (Place::CrashLoopBackOff, field),
        Some((_, field)) => (Place::TomlLifecycleHandler, field),
        None => (top, setting),
    };
    let row = Row::find(place, field)?;
    let mut value = if row.form == Form::Seconds {
        DECIMAL.schema()
    } else if row.form == Form::Timeout {
        POSITIVE_DECIMAL.schema()
    } else if row.form == Form::Fraction {
        FRACTION.schema()
    } else if matches!(row.form, Form::Integer(..)) {
        POSITIVE.schema()
    } else if row.form == Form::Boolean {
        json!({"type": "string", "enum": ["true", "false"]})
    } else if row.form == Form::Paths {
        PATHS.schema()
    } else if row.form == Form::NamedPaths {
        NAMED_PATHS.schema()
    } else if row.form == Form::Rootfs {
        NOT_EMPTY.schema()
    } else if matches!(row.form, Form::Strings { .. }) {
        ANY.schema()
    } else {
        row.form.schema(writer)
    };
    *within(&mut value, "description") = json!(row.text);
    Some(value)
}
