//! The schema that `podinit schema` prints, against every manifest that there is: examples and good
//! manifests are right by it; each recorded problem of a bad manifest is found by it at the same place,
//! or stands below with the reason why no schema can know it.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]
// What is wrong counts here by its place, whatever it is.
#![allow(clippy::wildcard_enum_match_arm)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use podinit::spec::{Options, Profile, Severity, Source, Syntax, load};
use serde::Deserialize;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

/// What no schema can know: the file, the problem's path and the reason.
#[rustfmt::skip]
const CANNOT_KNOW: &[(&str, &str, &str)] = &[
    ("empty-byte-order-mark.yaml", "", "nothing is there to be judged"),
    ("empty-documents.yaml", "", "nothing is there to be judged"),
    ("file-keys.yaml", "spec.containers[0].env[0].valueFrom.fileKeyRef.volumeName", VOLUMES),
    ("file-keys.yaml", "spec.containers[0].env[1].valueFrom.fileKeyRef.volumeName", VOLUMES),
    ("resources.yaml", "spec.containers[0].resources.requests.cpu", "it compares no two values"),
    ("back-off.toml", "crashLoopBackOff.initialDelaySeconds", LARGER),
    ("back-off.yaml", "metadata.annotations[\"podinit.dev/crashLoopBackOff.initialDelaySeconds\"]", LARGER),
    ("commands.toml", "containers[1].command[2]", "Even Better TOML takes a date for a string"),
    ("commands.yaml", "spec.containers[0].command", PROFILE),
    ("commands.yaml", "spec.containers[1].command", PROFILE),
    ("commands.yaml", "spec.containers[2].command", PROFILE),
    ("config-twice.yaml", "", ALONE_EACH),
    ("container-settings.toml", "containers[1].startAfter[0]", NAMES),
    ("container-settings.toml", "containers[1].startAfter[1]", NAMES),
    ("container-settings.toml", "containers[1].startAfter[2]", NAMES),
    ("container-settings.toml", "containers[2].startAfter", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/migrate.keystone\"]", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/wbe.keystone\"]", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/web.startAfter\"]", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/log.startAfter\"]", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/proxy.startAfter\"]", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/one.startAfter\"]", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/migrate.notify\"]", NAMES),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/web.crashLoopBackOff.initialDelaySeconds\"]", LARGER),
    ("container-settings.yaml", "metadata.annotations[\"podinit.dev/web.lifecycle.preStop.timeoutSeconds\"]", NAMES),
    ("lifecycle.toml", "containers[2].lifecycle.preStop.sleep.seconds", LARGER),
    ("lifecycle.yaml", "spec.containers[3].lifecycle.postStart.sleep.seconds", LARGER),
    ("lifecycle.yaml", "spec.containers[8].lifecycle.postStart.httpGet.port", NAMES),
    ("resize-policies.yaml", "spec.containers[0].resizePolicy[0].restartPolicy", "it does not look from a container at its pod"),
    ("resize-policies.yaml", "spec.containers[0].resizePolicy[1].resourceName", "it compares no two values"),
    ("daemonset-fluentd.yaml", "spec.template.spec.containers[0].command", PROFILE),
    ("deployment-list.yaml", "items[0].spec.selector.matchLabels.app", SELECTOR),
    ("deployment-nginx.yaml", "spec.template.spec.containers[0].command", PROFILE),
    ("deployment-no-labels.yaml", "spec.selector.matchLabels.app", SELECTOR),
    ("deployment-selector.yaml", "spec.selector.matchLabels.app", SELECTOR),
    ("deployment-selector.yaml", "spec.selector.matchLabels.release", SELECTOR),
    ("deployment-selector.yaml", "spec.selector.matchExpressions[0]", SELECTOR),
    ("deployment-selector.yaml", "spec.selector.matchExpressions[1]", SELECTOR),
    ("deployment-selector.yaml", "spec.selector.matchExpressions[2]", SELECTOR),
    ("deployment-selector.yaml", "spec.selector.matchExpressions[3]", SELECTOR),
    ("environment-files.yaml", "metadata.annotations[\"podinit.dev/other.envFile\"]", NAMES),
    ("environment-files.yaml", "metadata.annotations[\"podinit.dev/twice.envFromFiles\"]", "it compares no two words"),
    (
        "environment-sources.yaml",
        "spec.containers[0].env[11].valueFrom.fieldRef.fieldPath",
        "it does not look behind an annotation's prefix",
    ),
    (
        "environment-sources.yaml",
        "spec.containers[0].env[15].valueFrom.resourceFieldRef.divisor",
        "it compares no two values",
    ),
    ("environment.yaml", "spec.containers[0].env[2].value", YAML_1_2),
    ("helm-hook.yaml", "", ALONE_EACH),
    ("kinds-misspelt.yaml", "dat", GUESSED),
    ("kinds-misspelt.yaml", "spec.template.spec.containers[0].comand", GUESSED),
    ("list.yaml", "items[2].spec.containers[0].command", PROFILE),
    ("names.toml", "containers[3].name", TWICE),
    ("names.yaml", "spec.containers[0].name", TWICE),
    ("ports.yaml", "spec.containers[0].ports[8].name", TWICE),
    ("probes.yaml", "spec.containers[5].startupProbe.tcpSocket.port", ELSEWHERE),
    ("probes.yaml", "spec.containers[8].startupProbe.httpGet.port", ELSEWHERE),
    ("profile-long-hostname.toml", "setHostnameAsFQDN", LONG),
    ("profile-long-hostname.toml", "containers[1].ports[0].hostPort", TWICE),
    ("profile-no-volumes.toml", "containers[0].volumeMounts[0].name", VOLUMES),
    ("profile-sandbox.toml", "containers[0].ports[1].hostPort", TWICE),
    ("profile-sandbox.yaml", "spec.containers[0].ports[0].hostPort", APART),
    ("profile-sandbox.yaml", "spec.containers[0].ports[1].hostIP", APART),
    ("profile-security-context.yaml", "spec.securityContext.sysctls[3].name", TWICE),
    ("profile-security-context.yaml", "spec.securityContext.sysctls[4].name", APART),
    ("profile-security-context.yaml", "spec.securityContext.sysctls[5].name", APART),
    ("profile-security-context.yaml", "spec.containers[0].securityContext.procMount", APART),
    ("profile-volume-mounts.yaml", "spec.containers[0].volumeMounts[0].name", VOLUMES),
    ("profile-volume-mounts.yaml", "spec.containers[0].volumeMounts[1].name", VOLUMES),
    ("profile-volume-mounts.yaml", "spec.containers[0].volumeMounts[13].mountPath", TWICE),
    ("profile-volume-objects.yaml", "spec.volumes[0].configMap.name", ALONE_EACH),
    ("profile-volume-objects.yaml", "spec.volumes[1].secret.secretName", ALONE_EACH),
    ("profile-volume-objects.yaml", "spec.volumes[2].configMap.name", ALONE_EACH),
    ("profile-volume-objects.yaml", "spec.volumes[3].configMap.items[2].key", ALONE_EACH),
    ("profile-volume-objects.yaml", "spec.volumes[5].projected.sources[1].secret.items[1].key", ALONE_EACH),
    ("profile-volume-objects.yaml", "spec.volumes[5].projected.sources[2].secret.name", ALONE_EACH),
    ("profile-volume-objects.yaml", "spec.volumes[5].projected.sources[3].downwardAPI.items[0].resourceFieldRef.containerName", NAMES),
    ("profile-volumes.yaml", "spec.volumes[3].name", TWICE),
    ("profile-volumes.yaml", "spec.volumes[5].emptyDir.mode", OCTAL),
    ("profile-volumes.yaml", "spec.volumes[15].ephemeral", NOTHING),
    ("profile-volumes.yaml", "spec.volumes[18].iscsi", NOTHING),
    ("profile-volumes.yaml", "spec.volumes[20].configMap.items[5].mode", OCTAL),
    ("profile-volumes.yaml", "spec.volumes[20].configMap.items[7].path", TWICE),
    ("profile-volumes.yaml", "spec.volumes[20].configMap.items[8].path", TWICE),
    ("profile-volumes.yaml", "spec.volumes[25].projected.sources[1].secret.items[0].path", TWICE),
    ("profile-volumes.yaml", "spec.volumes[25].projected.sources[2].downwardAPI.items[0].path", TWICE),
    ("rootfs.yaml", "metadata.annotations[\"podinit.dev/log.rootfsLayer\"]", NAMES),
    ("rootfs.yaml", "metadata.annotations[\"podinit.dev/wbe.rootfs\"]", NAMES),
    ("security-context.toml", "hostUsers", PROFILE),
    ("security-context.toml", "network", PROFILE),
    ("security-context.toml", "securityContext.sysctls[0].name", PROFILE),
    ("security-context.toml", "securityContext.sysctls[1].name", PROFILE),
    ("security-context.toml", "containers[0].ports[0].hostPort", PROFILE),
    ("security-context.toml", "containers[0].ports[1].hostIP", PROFILE),
    ("not-built.yaml", "spec.containers[0].ports[0].hostPort", PROFILE),
    ("security.yaml", "spec.hostUsers", PROFILE),
    ("nothing.yaml", "", "each document is looked at alone, and an empty one may stand beside others"),
    ("nothing-to-run.yaml", "", ALONE_EACH),
    ("statefulset-web.yaml", "spec.template.spec.containers[0].command", PROFILE),
    ("two-pods.yaml", "", ALONE_EACH),
    ("yaml-duplicate-key.yaml", "spec.containers[0].command[0]", READER),
    ("yaml-duplicate-key.yaml", "", READER),
];

/// What only the schema finds: the file and the place.
const ALONE: &[(&str, &str)] = &[];

const NAMES: &str = "it does not know names of containers and ports";
const LARGER: &str = "two numbers are compared";
const PROFILE: &str = "the profile may be given on the command line";
const ALONE_EACH: &str = "each document is looked at alone";
const SELECTOR: &str = "a selector is compared with the labels of a template";
const GUESSED: &str = "the kind is none, and the schema guesses none";
const YAML_1_2: &str = "editors read YAML 1.2, where `yes` is a string";
const APART: &str = "it does not look from one part of the pod at another";
const LONG: &str = "several names together are too long";
const VOLUMES: &str = "it does not know names of volumes";
const OCTAL: &str = "editors read YAML 1.2, where `0644` is a decimal number";
const NOTHING: &str = "a field that is refused may be there with nothing in it";
const TWICE: &str = "two names are compared";
const ELSEWHERE: &str = "the name of a port that is not there";
const READER: &str = "the text is wrong, not what it says: whoever reads it says so";

fn printed(syntax: Syntax) -> Value {
    let word = match syntax {
        Syntax::Toml => "toml",
        Syntax::Yaml => "yaml",
    };
    let output = Command::new(env!("CARGO_BIN_EXE_podinit")).args(["schema", word]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn validator(syntax: Syntax) -> Validator {
    jsonschema::draft7::options().should_validate_formats(true).build(&printed(syntax)).unwrap()
}

fn manifests(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
    let is_manifest = |path: &PathBuf| path.extension().is_some_and(|extension| extension != "txt");
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(is_manifest).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

fn syntax(path: &Path) -> Syntax {
    Syntax::guess(Some(name(path)), "")
}

/// The documents of a file as an editor sees them; an error where the file is not well-formed.
fn documents(path: &Path) -> Result<Vec<Value>, String> {
    let text = String::from_utf8(fs::read(path).unwrap()).map_err(|error| error.to_string())?;
    match syntax(path) {
        Syntax::Toml => {
            let table = DeTable::parse(&text).map_err(|error| error.to_string())?;
            Ok(vec![from_table(table.get_ref())])
        }
        // An editor has a parser of its own for JSON, which knows characters of two halves.
        Syntax::Yaml => match serde_json::from_str(&text) {
            Ok(document) => Ok(vec![document]),
            Err(_) => from_yaml(&text),
        },
    }
}

fn from_table(table: &DeTable<'_>) -> Value {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), from_toml(value.get_ref()))).collect()
}

fn from_toml(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => Value::from(digits.as_str().parse::<f64>().unwrap()),
        },
        DeValue::Float(digits) => Value::from(digits.as_str().parse::<f64>().unwrap()),
        DeValue::Boolean(value) => Value::from(*value),
        // As Even Better TOML has it.
        DeValue::Datetime(value) => Value::from(value.to_string()),
        DeValue::Array(items) => items.iter().map(|item| from_toml(item.get_ref())).collect(),
        DeValue::Table(table) => from_table(table),
    }
}

fn from_yaml(text: &str) -> Result<Vec<Value>, String> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    documents.map(|document| Value::deserialize(document).map_err(|error| error.to_string())).collect()
}

#[test]
fn the_schema_is_right_by_its_own_schema() {
    for syntax in [Syntax::Toml, Syntax::Yaml] {
        let schema = printed(syntax);
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        if let Err(error) = jsonschema::draft7::meta::validate(&schema) {
            panic!("{syntax:?}: {error} at {}", error.instance_path());
        }
    }
}

#[test]
fn examples_and_good_manifests_are_right_by_the_schema() {
    let paths: Vec<_> = ["examples", "tests/manifests/good"].into_iter().flat_map(manifests).collect();
    let validators = [validator(Syntax::Toml), validator(Syntax::Yaml)];
    for path in &paths {
        let validator = &validators[usize::from(syntax(path) == Syntax::Yaml)];
        for document in &documents(path).unwrap() {
            let errors: Vec<_> = validator
                .iter_errors(document)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        }
    }
    assert!(paths.len() >= 14, "only {} manifests", paths.len());
}

/// `spec.containers[0].env["A B"]` as `/spec/containers/0/env/A B`.
fn pointer(path: &str) -> String {
    let (mut pointer, mut rest) = (String::new(), path);
    while !rest.is_empty() {
        let (step, after) = if let Some(quoted) = rest.strip_prefix("[\"") {
            quoted.split_once("\"]").unwrap()
        } else if let Some(number) = rest.strip_prefix('[') {
            number.split_once(']').unwrap()
        } else {
            let word = rest.strip_prefix('.').unwrap_or(rest);
            word.split_at(word.find(['.', '[']).unwrap_or(word.len()))
        };
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        rest = after;
    }
    pointer
}

/// Where the schema finds something, and the fields that it misses or does not know there.
fn found(validator: &Validator, document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for error in validator.iter_errors(document) {
        let at = error.instance_path().to_string();
        let escape = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                found.insert(escape(property.as_str().unwrap()));
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                found.extend(unexpected.iter().map(|name| escape(name)));
            }
            ValidationErrorKind::PropertyNames { error } => {
                found.insert(escape(error.instance().as_str().unwrap()));
            }
            // Of two things to do, the second is one too many.
            ValidationErrorKind::OneOfMultipleValid { .. } => {
                found.extend(error.instance().as_object().unwrap().keys().map(|name| escape(name)));
            }
            _ => _ = found.insert(at),
        }
    }
    found
}

#[test]
fn every_problem_of_a_bad_manifest_is_found_by_the_schema_or_is_none_that_it_can_know() {
    let validators = [validator(Syntax::Toml), validator(Syntax::Yaml)];
    let (mut missed, mut excused, mut checked) = (Vec::new(), BTreeSet::new(), 0);
    for path in manifests("tests/manifests/bad") {
        let name = name(&path);
        let documents = match documents(&path) {
            Ok(documents) => documents,
            Err(error) => {
                let is_meant = ["yaml-", "toml-", "json-"].iter().any(|start| name.starts_with(start));
                assert!(is_meant, "{name} is not well-formed: {error}");
                continue;
            }
        };
        let validator = &validators[usize::from(syntax(&path) == Syntax::Yaml)];
        let found: BTreeSet<_> = documents.iter().flat_map(|document| found(validator, document)).collect();
        let profile = (!name.starts_with("profile-")).then_some(Profile::Process);
        let options = Options { profile, ..Options::default() };
        let text = fs::read_to_string(&path).unwrap();
        let source = Source { name: name.to_owned(), text, syntax: syntax(&path) };
        let problems = load(&[source], &options).problems;
        let is_or_holds = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|below| below.is_empty() || below.starts_with('/'))
        };
        for place in found.iter().filter(|place| !ALONE.contains(&(name, place))) {
            // podinit says once what a mapping lacks because of a slip in it.
            let mapping = place.rsplit_once('/').map_or("", |(mapping, _)| mapping);
            let mut problems = problems.iter().map(|problem| pointer(&problem.path));
            if !problems.any(|at| is_or_holds(mapping, &at) || is_or_holds(&at, place)) {
                missed.push(format!("{name}: {place}: refused by the schema alone"));
            }
        }
        for problem in problems {
            if problem.severity == Severity::Warning {
                continue;
            }
            checked += 1;
            let at = pointer(&problem.path);
            // A problem of the whole file has no path.
            let is_found = found.iter().any(|place| is_or_holds(&at, place));
            let excuse =
                CANNOT_KNOW.iter().position(|(file, path, _)| *file == name && *path == problem.path);
            match (is_found, excuse) {
                (true, None) => {}
                (true, Some(_)) => missed.push(format!("{name}: {}: found, and excused", problem.path)),
                (false, Some(excuse)) => _ = excused.insert(excuse),
                (false, None) => missed.push(format!("{name}: {}: {}", problem.path, problem.message)),
            }
        }
    }
    for (position, (file, path, _)) in CANNOT_KNOW.iter().enumerate() {
        if !excused.contains(&position) {
            missed.push(format!("{file}: {path}: there is no such problem any more"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(checked > 150, "only {checked} problems");
}
