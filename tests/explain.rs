//! `podinit explain`, as people and as programs read it. `PODINIT_BLESS=1` writes the recorded text anew.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::fs;
use std::process::{Command, Output, Stdio};

fn explain(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_podinit"));
    command.arg("explain").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env_remove("PODINIT_GRACE").stdin(Stdio::null()).output().unwrap()
}

fn text(arguments: &[&str]) -> String {
    let output = explain(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A manifest with this much said about resources, explained.
fn of_manifest(name: &str, manifest: &str, arguments: &[&str]) -> String {
    let path = std::env::temp_dir().join(format!("podinit-explain-{}-{name}", std::process::id()));
    fs::write(&path, manifest).unwrap();
    let said = text(&[arguments, &[path.to_str().unwrap()]].concat());
    fs::remove_file(path).unwrap();
    said
}

#[test]
fn the_pod_of_the_sidecar_announcement_is_explained_as_recorded() {
    let said = text(&["--profile", "process", "examples/announcement.yaml"]);
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/explain/announcement.txt");
    if std::env::var_os("PODINIT_BLESS").is_some() {
        fs::write(recorded, &said).unwrap();
    }
    let recorded = fs::read_to_string(recorded).unwrap_or_default();
    assert!(said == recorded, "explain says:\n{said}");
}

/// The pod is deep in the object, and has the object's name.
#[test]
fn values_of_a_template_are_found_where_they_stand() {
    let manifest = r#"apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: settings, annotations: {a: b}}
- apiVersion: batch/v1
  kind: CronJob
  metadata:
    name: report
    annotations: {containers: none}
  spec:
    schedule: "0 * * * *"
    jobTemplate:
      spec:
        template:
          metadata:
            annotations:
              podinit.dev/crashLoopBackOff.maxDelaySeconds: "20"
              podinit.dev/profile: process
          spec:
            terminationGracePeriodSeconds: 5
            restartPolicy: OnFailure
            containers:
            - name: main
              image: report
              command: [/bin/report]
"#;
    let said = of_manifest("report.yaml", manifest, &[]);
    assert!(said.starts_with("pod report in namespace default"), "{said}");
    let place = |field: &str| {
        let line = said.lines().find(|line| line.split_whitespace().next() == Some(field));
        line.and_then(|line| line.rsplit(':').next()).map(str::trim).map(str::to_owned)
    };
    let places = [
        ("restartPolicy", 23),
        ("terminationGracePeriodSeconds", 22),
        ("crashLoopBackOff", 18),
        ("image", 26),
        ("command", 27),
    ];
    for (field, line) in places {
        assert_eq!(place(field), Some(line.to_string()), "{field}: {said}");
    }
    let first = said.lines().next().unwrap_or_default();
    assert!(first.ends_with(":20)"), "{said}");
}

#[test]
fn a_deployment_is_restarted_for_its_kind_and_not_for_the_profile() {
    let manifest = r#"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {
        selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {
        containers: [{name: web, command: [web]}]}}}}"#;
    let said = of_manifest("deployment.yaml", manifest, &["--profile", "process"]);
    let policy = said.lines().find(|line| line.trim_start().starts_with("restartPolicy"));
    let policy: Vec<_> = policy.unwrap_or_default().split_whitespace().collect();
    assert_eq!(policy.join(" "), "restartPolicy Always default: the only one for this kind");
}

const RESOURCES: &str = r#"
    terminationGracePeriodSeconds = 7
    [[initContainers]]
    name = "fetch"
    command = ["fetch"]
    resources = { requests = { memory = "1Gi" } }
    [[initContainers]]
    name = "proxy"
    restartPolicy = "Always"
    command = ["proxy"]
    resources = { requests = { cpu = "250m", memory = "64Mi" } }
    [[containers]]
    name = "web"
    command = ["web"]
    resources = { requests = { cpu = 1 }, limits = { cpu = "1500m", memory = "512Mi" } }
"#;

#[test]
fn rule_164_the_share_of_the_sidecars_is_shown() {
    let said = of_manifest("share.toml", RESOURCES, &[]);
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    let has = |row: &str| rows.contains(&row.split_whitespace().collect());
    assert!(said.contains("QoS class Burstable"), "{said}");
    for row in [
        "cpu main containers 1 1500m",
        "sidecars 250m -",
        "the pod 1250m 1500m",
        "memory main containers 512Mi 512Mi",
        "while initializing 1Gi -",
        "the pod 1Gi 512Mi",
        "resources.requests.memory 512Mi default: its limit, rule 164",
        "cgroup cpu.weight 100, cpu.max 150000 100000, memory.max 536870912 default: rules 166 to 168",
    ] {
        assert!(has(row), "no row {row:?} in:\n{said}");
    }
    assert!(said.contains("cannot enforce limits yet"), "{said}");
}

#[test]
fn json_says_the_same_with_places() {
    let said = of_manifest("json.toml", RESOURCES, &["-o", "json", "--grace", "99"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["resources"]["qosClass"], "Burstable");
    assert_eq!(json["resources"]["cpu"]["requests"]["effective"], "1250m");
    assert_eq!(json["stop"][1]["name"], "proxy");
    let pod = json["groups"][0]["values"].as_array().unwrap();
    let of = |field: &str| pod.iter().find(|value| value["field"] == field).unwrap();
    // The manifest's wins over the option.
    assert_eq!(of("terminationGracePeriodSeconds")["from"]["manifest"]["line"], 2);
    assert_eq!(of("restartPolicy")["from"]["profile"], "process");
}

#[test]
fn every_origin_of_a_value_is_told() {
    let manifest = "[[containers]]\nname = \"main\"\ncommand = [\"true\"]\n";
    let grace = |arguments: &[&str]| {
        let said = of_manifest("origin.toml", manifest, arguments);
        let line = said.lines().find(|line| line.contains("terminationGracePeriodSeconds")).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(grace(&[]), "30 s default: Kubernetes, rule 77");
    assert_eq!(grace(&["--grace", "5"]), "5 s --grace");
}

#[test]
fn a_pod_that_could_not_run_is_not_explained() {
    let output = explain(&["examples/announcement.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("profile \"pod\""));
    assert_eq!(explain(&["--nonexistent"]).status.code(), Some(2));
}
