//! `podinit check --kubernetes` against Kubernetes' own types: an error exactly where they refuse a
//! manifest, or where one of the rules of `broken_rule` applies, which types cannot know.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

#[path = "pods/mod.rs"]
mod pods;

use fastrand::Rng;
use k8s_openapi::api::core::v1::Pod as KubernetesPod;
use podinit::spec::{Problem, Severity, Source, Syntax, check_for_kubernetes, render_all};
use serde_json::{Value, json};

const PODS: u64 = 600;

fn source(text: String, syntax: Syntax) -> [Source; 1] {
    [Source { name: "pod.yaml".to_owned(), text, syntax }]
}

fn errors(source: &[Source]) -> Vec<Problem> {
    let mut problems = check_for_kubernetes(source, Vec::new());
    problems.retain(|problem| problem.severity == Severity::Error);
    problems
}

/// What was done to a manifest that was right.
struct Change {
    what: String,
    /// Whether it is wrong whatever the types say.
    breaks_rule: bool,
}

/// Breaks one of the rules that types cannot know.
fn broken_rule(rng: &mut Rng, pod: &mut Value) -> Change {
    const RULES: [&str; 24] = [
        "apiVersion is v1",
        "kind is Pod",
        "a pod has a name",
        "a pod's name is a DNS subdomain",
        "a label's key is a qualified name",
        "a label's value is a short word",
        "podinit.dev/ annotations are settings of podinit",
        "a pod has containers",
        "a container has a name",
        "a container's name is a DNS label",
        "two containers have two names",
        "a container has an image",
        "an image is not empty",
        "a field that is required is there: containerPort",
        "a field that is required is there, deep down: operator",
        "there is no unknown field",
        "there is no unknown field, deep down",
        "a port is from 1 to 65535",
        "a word is one of those there are: restartPolicy",
        "a word is one of those there are: effect",
        "a plain init container has no probe",
        "a mount is of a volume of the pod",
        "two volumes have two names",
        "a quantity is a number with a suffix",
    ];
    let number = rng.usize(..RULES.len());
    let (metadata, spec) = ("metadata", "spec");
    let remove = |value: &mut Value, key: &str| {
        value.as_object_mut().unwrap().remove(key);
    };
    match number {
        0 => pod["apiVersion"] = json!("v2"),
        1 => remove(pod, "kind"),
        2 => remove(&mut pod[metadata], "name"),
        3 => pod[metadata]["name"] = json!("A_b"),
        4 => pod[metadata]["labels"]["a/b/c"] = json!("d"),
        5 => pod[metadata]["labels"]["app"] = json!("a b"),
        6 => pod[metadata]["annotations"]["podinit.dev/crashLoopBackOff.maxDelaySeconds"] = json!("soon"),
        7 => pod[spec]["containers"] = json!([]),
        8 => remove(&mut pod[spec]["containers"][0], "name"),
        9 => pod[spec]["containers"][0]["name"] = json!("a.b"),
        10 => pod[spec]["initContainers"] = json!([{"name": "main-0", "image": "a"}]),
        11 => remove(&mut pod[spec]["containers"][0], "image"),
        12 => pod[spec]["containers"][0]["image"] = json!(""),
        13 => pod[spec]["containers"][0]["ports"] = json!([{"name": "a"}]),
        14 => remove(
            &mut pod[spec]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
                [0]["matchExpressions"][0],
            "operator",
        ),
        15 => pod[spec]["containers"][0]["comand"] = json!(["a"]),
        16 => pod[spec]["volumes"][0]["emptyDir"]["sizelimit"] = json!("1Gi"),
        17 => pod[spec]["containers"][0]["ports"] = json!([{"containerPort": 65536}]),
        18 => pod[spec]["restartPolicy"] = json!("always"),
        19 => pod[spec]["tolerations"] = json!([{"effect": "NoStart"}]),
        20 => {
            pod[spec]["initContainers"] =
                json!([{"name": "i", "image": "a", "startupProbe": {"tcpSocket": {"port": 1}}}])
        }
        21 => pod[spec]["containers"][0]["volumeMounts"] = json!([{"name": "dta", "mountPath": "/a"}]),
        22 => {
            pod[spec]["volumes"] = json!([{"name": "data", "emptyDir": {}}, {"name": "data", "emptyDir": {}}])
        }
        _ => pod[spec]["containers"][0]["resources"]["limits"]["memory"] = json!("64MB"),
    }
    Change { what: RULES[number].to_owned(), breaks_rule: true }
}

/// Paths of all values, as JSON pointers. Not those of settings, where a wrong value breaks a rule too, nor
/// of quantities, which the API server takes as bare numbers and the types do not.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    if path.contains("podinit.dev")
        || path.contains("/resources/limits/")
        || path.contains("/resources/requests/")
    {
        return;
    }
    if !path.is_empty() {
        found.push(path.to_owned());
    }
    match value {
        Value::Object(parts) => {
            for (key, part) in parts {
                pointers(part, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| pointers(item, &format!("{path}/{at}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn changed_type(rng: &mut Rng, pod: &mut Value) -> Change {
    let mut found = Vec::new();
    pointers(pod, "", &mut found);
    let pointer = rng.choice(found).unwrap();
    let value = pod.pointer_mut(&pointer).unwrap();
    let others = [
        json!("text"),
        json!(7),
        json!(1.5),
        json!(true),
        json!([7]),
        json!({"a": 7}),
        json!(5_000_000_000_i64),
    ];
    let kind = std::mem::discriminant(&*value);
    let is_other =
        |other: &&Value| std::mem::discriminant(*other) != kind || value.is_number() && !other.is_i64();
    let other = rng.choice(others.iter().filter(is_other).collect::<Vec<_>>()).unwrap().clone();
    let change = Change { what: format!("{pointer} is {other}"), breaks_rule: false };
    *value = other;
    change
}

#[test]
fn there_is_an_error_exactly_where_types_or_rules_refuse() {
    let (mut refused, mut taken) = (0, 0);
    for seed in 0..PODS {
        let mut rng = Rng::with_seed(seed);
        let mut pod = pods::pod(&mut rng, true);
        let change = match seed % 3 {
            0 => Change { what: "nothing".to_owned(), breaks_rule: false },
            1 => changed_type(&mut rng, &mut pod),
            _ => broken_rule(&mut rng, &mut pod),
        };
        let types = serde_json::from_value::<KubernetesPod>(pod.clone());
        let text = if seed % 2 == 0 { pods::Text::yaml(&mut rng, &pod).out } else { format!("{pod:#}") };
        let source = source(text, Syntax::Yaml);
        let found = errors(&source);
        let expected = types.is_err() || change.breaks_rule;
        assert_eq!(
            !found.is_empty(),
            expected,
            "{seed}: {}; types: {:?}\n{}\n{}",
            change.what,
            types.as_ref().err(),
            render_all(&found, &source, false),
            source[0].text
        );
        for problem in &found {
            assert!(problem.span.is_some() && !problem.help.is_empty(), "{problem:?}");
        }
        if expected { refused += 1 } else { taken += 1 }
    }
    assert!(refused > 250 && taken > 190, "{refused} refused, {taken} taken");
}

/// Problems of a manifest of one container with these fields, as shown.
fn shown(text: &str, syntax: Syntax) -> String {
    let source = source(text.to_owned(), syntax);
    render_all(&check_for_kubernetes(&source, Vec::new()), &source, false)
}

#[test]
fn what_is_podinit_s_own_in_toml_is_told_with_its_annotation() {
    let text = "profile = \"process\"\nlivenessProbe = 1\n[crashLoopBackOff]\nmaxDelaySeconds = 1\n[[containers]]\nname = \"a\"\nenv = { A = \"b\" }\nlivenessProbe = { tcpSocket = { prt = 80 } }\n";
    let expected = "\
warning: profile is podinit's own and no field of Kubernetes
 --> pod.yaml:1:1  profile
  |
1 | profile = \"process\"
  | ^^^^^^^ Kubernetes has no such field
  = help: in YAML write the annotation `podinit.dev/profile`, as `podinit convert` does

error: cannot use field \"livenessProbe\"
 --> pod.yaml:2:1  livenessProbe
  |
2 | livenessProbe = 1
  | ^^^^^^^^^^^^^ this belongs in a container
  = help: move it to an entry of containers

warning: crashLoopBackOff is podinit's own and no field of Kubernetes
 --> pod.yaml:3:2  crashLoopBackOff
  |
3 | [crashLoopBackOff]
  |  ^^^^^^^^^^^^^^^^ Kubernetes has no such field
  = help: in YAML write the annotation `podinit.dev/crashLoopBackOff.maxDelaySeconds`, as `podinit convert` does

error: cannot use container \"a\": image is missing
 --> pod.yaml:6:8  containers[0].image
  |
6 | name = \"a\"
  |        ^^^ Kubernetes wants an image
  = help: write `image = \"busybox:1\"`, for example

error: cannot use field \"prt\" for livenessProbe of container \"a\"
 --> pod.yaml:8:33  containers[0].livenessProbe.tcpSocket.prt
  |
8 | livenessProbe = { tcpSocket = { prt = 80 } }
  |                                 ^^^ there is no such field
  = help: write `port`
";
    assert_eq!(shown(text, Syntax::Toml), expected);
}

#[test]
fn what_is_podinit_s_own_in_a_container_is_told_with_its_annotation() {
    let text = "[[containers]]\nname = \"a\"\nimage = \"b\"\nkeystone = true\ncrashLoopBackOff = { initialDelaySeconds = 1, maxDelaySeconds = 60 }\nlifecycle.preStop = { sleep.seconds = 1, timeoutSeconds = 2 }\nkeystne = true\n";
    let source = source(text.to_owned(), Syntax::Toml);
    let found = check_for_kubernetes(&source, Vec::new());
    let told: Vec<_> = found
        .iter()
        .map(|problem| (problem.severity, problem.path.as_str(), problem.help.as_str()))
        .collect();
    let as_convert_does = "as `podinit convert` does";
    let one = |name| format!("in YAML write the annotation `podinit.dev/a.{name}`, {as_convert_does}");
    let both = format!(
        "in YAML write the annotations `podinit.dev/a.crashLoopBackOff.initialDelaySeconds` and `podinit.dev/a.crashLoopBackOff.maxDelaySeconds`, {as_convert_does}"
    );
    let (keystone, timeout) = (one("keystone"), one("lifecycle.preStop.timeoutSeconds"));
    let path = |field| format!("containers[0].{field}");
    let (first, second) = (path("keystone"), path("crashLoopBackOff"));
    let (third, fourth) = (path("lifecycle.preStop.timeoutSeconds"), path("keystne"));
    let expected = [
        (Severity::Warning, first.as_str(), keystone.as_str()),
        (Severity::Warning, second.as_str(), both.as_str()),
        (Severity::Warning, third.as_str(), timeout.as_str()),
        (Severity::Error, fourth.as_str(), "write `keystone`"),
    ];
    assert_eq!(told, expected);
}

/// Rule 84.
#[test]
fn a_signal_to_stop_by_needs_the_operating_system() {
    let with = |os: &str, signal: &str| {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  {os}\n  containers:\n  - {{name: a, image: b, lifecycle: {{stopSignal: {signal}}}}}\n  - {{name: c, image: b, lifecycle: {{stopSignal: SIGTERM}}}}\n"
        );
        let found = check_for_kubernetes(&source(pod, Syntax::Yaml), Vec::new());
        found.into_iter().map(|problem| (problem.severity, problem.label)).collect::<Vec<_>>()
    };
    let wanted = (Severity::Error, "Kubernetes wants to know the operating system with it".to_owned());
    assert_eq!(with("", "SIGQUIT"), [wanted.clone(), wanted]);
    let gate = (Severity::Warning, "needs the feature gate ContainerStopSignals".to_owned());
    assert_eq!(with("os: {name: linux}", "SIGQUIT"), std::slice::from_ref(&gate));
    let windows = (Severity::Error, "Windows has no such signal".to_owned());
    assert_eq!(with("os: {name: windows}", "SIGQUIT"), [windows, gate.clone()]);
    assert_eq!(with("os: {name: windows}", "SIGKILL"), [gate]);
}

#[test]
fn what_only_podinit_takes_is_refused() {
    let long = "a".repeat(40);
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations: {{podinit.dev/{long}.crashLoopBackOff.maxDelaySeconds: '5'}}\nspec:\n  containers:\n  - {{name: {long}, image: b, livenessProbe: {{exec: {{command: [a]}}, periodSeconds: 0.2, timeoutSeconds: 1.0}}}}\n"
    );
    let found = errors(&source(pod, Syntax::Yaml));
    let told: Vec<_> = found.iter().map(|problem| (problem.label.as_str(), problem.help.as_str())).collect();
    let expected = [
        ("longer than 63 characters", "write a key such as `app` or `example.com/app`"),
        ("Kubernetes has whole seconds only; fractions are podinit's own", "write `periodSeconds: 1`"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_podinit_cannot_run_a_cluster_can() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\nspec:\n  runtimeClassName: kata\n  os: {name: windows}\n  nodeName: node-1\n  containers:\n    - name: a\n      image: b\n      startupProbe: {httpGet: {host: example.com, port: 80, scheme: HTTPS}}\n      restartPolicy: Never\n      restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [1]}}]\n";
    assert_eq!(shown(text, Syntax::Yaml), "");
}

#[test]
fn a_probe_of_a_port_without_this_name_is_a_warning() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers: [{name: a, image: b, startupProbe: {tcpSocket: {port: web}}}]\n";
    assert!(shown(text, Syntax::Yaml).starts_with("warning: cannot use port \"web\""));
}

#[test]
fn every_pod_of_every_object_is_checked_in_its_place() {
    let pod = "spec: {restartPolicy: Never, containers: [{name: a, image: b, livenessProbe: {exec: {comand: [a]}}}]}";
    let around = [
        ("v1", "Pod", format!("metadata: {{name: a}}\n{pod}"), "spec"),
        (
            "batch/v1",
            "Job",
            format!("metadata: {{name: a}}\nspec:\n  template:\n    {pod}"),
            "spec.template.spec",
        ),
        (
            "batch/v1",
            "CronJob",
            format!(
                "metadata: {{name: a}}\nspec:\n  schedule: \"* * * * *\"\n  jobTemplate:\n    spec:\n      template:\n        {pod}"
            ),
            "spec.jobTemplate.spec.template.spec",
        ),
    ];
    let documents = around
        .iter()
        .map(|(version, kind, rest, _)| format!("apiVersion: {version}\nkind: {kind}\n{rest}\n"));
    let documents: Vec<String> = documents.collect();
    let found = errors(&source(documents.join("---\n"), Syntax::Yaml));
    let paths: Vec<_> = found.iter().map(|problem| problem.path.as_str()).collect();
    let expected = |prefix: &str| format!("{prefix}.containers[0].livenessProbe.exec.comand");
    assert_eq!(paths, around.each_ref().map(|(_, _, _, prefix)| expected(prefix)));
    let indented = |text: &String| text.trim_end().replace('\n', "\n    ");
    let items: String = documents.iter().map(|text| format!("  - {}\n", indented(text))).collect();
    let found = errors(&source(format!("apiVersion: v1\nkind: List\nitems:\n{items}"), Syntax::Yaml));
    let paths: Vec<_> = found.iter().map(|problem| problem.path.clone()).collect();
    let expected = [0, 1, 2].map(|at| expected(&format!("items[{at}].{}", around[at].3)));
    assert_eq!(paths, expected);
}

#[test]
fn the_object_around_a_pod_is_checked_and_another_is_told_not_to_be() {
    let stateful = |field: &str, mount: &str| {
        format!(
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: a}}\nspec:\n  replicas: 3\n  {field}\n  selector: {{matchLabels: {{app: a}}}}\n  volumeClaimTemplates: [{{metadata: {{name: data}}, spec: {{}}}}]\n  template:\n    metadata: {{labels: {{app: a}}}}\n    spec: {{containers: [{{name: a, image: b, volumeMounts: [{{name: {mount}, mountPath: /a}}]}}]}}\n"
        )
    };
    assert_eq!(shown(&stateful("minReadySeconds: 1", "data"), Syntax::Yaml), "");
    let cases = [
        ("minReadySeconds: soon", "data", "spec.minReadySeconds"),
        ("minReadySecond: 1", "data", "spec.minReadySecond"),
        ("minReadySeconds: 1", "dta", "spec.template.spec.containers[0].volumeMounts[0].name"),
    ];
    for (field, mount, path) in cases {
        let found = errors(&source(stateful(field, mount), Syntax::Yaml));
        assert_eq!(found.iter().map(|problem| problem.path.as_str()).collect::<Vec<_>>(), [path]);
    }
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {}\n";
    let said = shown(service, Syntax::Yaml);
    assert!(said.starts_with("warning: cannot check Service \"s\": it has no pod\n"), "{said}");
    assert_eq!(said.matches("warning: ").count() + said.matches("error: ").count(), 1, "{said}");
}

#[test]
fn files_of_this_host_are_told_to_be_no_part_of_kubernetes() {
    let text = "[[containers]]\nname = \"a\"\nimage = \"b\"\ncommand = [\"c\"]\nenvFile = \"d\"\nenvFromFiles = { E = \"f\" }\n";
    let found = check_for_kubernetes(&source(text.to_owned(), Syntax::Toml), Vec::new());
    let told: Vec<_> = found.iter().map(|problem| (problem.path.as_str(), problem.help.as_str())).collect();
    let help = "put the values into a ConfigMap or a Secret, and refer to it";
    assert_eq!(told, [("containers[0].envFile", help), ("containers[0].envFromFiles", help)]);
}
