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

#[test]
fn rule_21_an_init_container_that_is_tried_again_fails_no_pod() {
    let manifest = |policy: &str| {
        format!(
            "[[initContainers]]\nname = \"fetch\"\ncommand = [\"fetch\"]\nrestartPolicy = \"{policy}\"\n\
             [[containers]]\nname = \"web\"\ncommand = [\"web\"]\n"
        )
    };
    let never = of_manifest("pod.toml", &manifest("Never"), &[]);
    assert!(never.contains("podinit exits with the code of web, or of fetch if that fails."), "{never}");
    let on_failure = of_manifest("pod.toml", &manifest("OnFailure"), &[]);
    assert!(on_failure.contains("podinit exits with the code of web."), "{on_failure}");
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
fn rules_164_to_171_what_resources_come_to_is_shown() {
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
    ] {
        assert!(has(row), "no row {row:?} in:\n{said}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&of_manifest("share.toml", RESOURCES, &["-o", "json"])).unwrap();
    let values = json["groups"].as_array().unwrap().last().unwrap()["values"].as_array().unwrap();
    let cgroup = values.iter().find(|value| value["field"] == "cgroup").unwrap();
    assert_eq!(
        cgroup["value"],
        "cpu.weight 100, cpu.max 150000 100000, memory.swap.max 0, memory.max 536870912, memory.oom.group 1"
    );
}

/// The row of a value: field, value and origin, with the file's name left out.
fn row(said: &str, group: &str, field: &str) -> String {
    let of_group = said.lines().skip_while(|line| *line != group).skip(1).take_while(|line| !line.is_empty());
    let mut rows = of_group.map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&field)).unwrap_or_else(|| panic!("no {field}:\n{said}"));
    let row = row[1..].join(" ");
    match row.rsplit_once(' ') {
        Some((value, place)) if place.contains(".yaml:") || place.contains(".toml:") => {
            format!("{value} @{}", place.rsplit(':').next().unwrap_or_default())
        }
        _ => row,
    }
}

/// In YAML podinit's own settings are annotations, in TOML keys.
#[test]
fn what_happens_in_a_container_s_life_is_told_with_its_origin() {
    let good = |name: &str| format!("tests/manifests/good/{name}");
    let (toml, yaml) = (good("full.toml"), good("full.yaml"));
    let toml_said = text(&[&toml]);
    let yaml_said = text(&["--profile", "process", &yaml]);
    let lines = |path: &str| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    };
    let at = |lines: &[String], line: &str| {
        let found = lines.iter().rposition(|found| found.starts_with(line));
        format!("@{}", found.unwrap_or_else(|| panic!("no line {line}")) + 1)
    };
    let (toml, yaml) = (lines(&toml), lines(&yaml));
    let cases = [
        ("pod", "activeDeadlineSeconds", "3600 s", "activeDeadlineSeconds", "activeDeadlineSeconds"),
        ("pod", "hostname", "shop-1", "hostname", "hostname:"),
        ("pod", "dnsConfig.options", "ndots:2 edns0", "options", "options:"),
        ("pod", "securityContext.runAsUser", "1000", "runAsUser = 1000", "runAsUser: 1000"),
        ("pod", "securityContext.fsGroup", "2000", "fsGroup =", "fsGroup:"),
        (
            "container web",
            "securityContext.capabilities",
            "CHOWN NET_BIND_SERVICE added, ALL dropped",
            "capabilities",
            "capabilities",
        ),
        (
            "container web",
            "terminationMessagePath",
            "/run/end",
            "terminationMessagePath",
            "terminationMessagePath",
        ),
        (
            "container worker",
            "rootfs",
            "tests/manifests/good/rootfs/worker itself",
            "rootfs",
            "podinit.dev/worker.rootfs:",
        ),
        ("pod", "readinessGates", "example.com/ready", "readinessGates", "readinessGates"),
        (
            "container worker",
            "keystone",
            "true: its end for good ends the pod",
            "keystone",
            "podinit.dev/worker.keystone",
        ),
        ("container worker", "startAfter", "web, cache", "startAfter", "podinit.dev/worker.startAfter"),
        (
            "container worker",
            "notify",
            "fd:3: a newline on descriptor 3",
            "notify",
            "podinit.dev/worker.notify",
        ),
        (
            "container worker",
            "crashLoopBackOff",
            "from 1 s, doubling, to 60 s",
            "initialDelaySeconds",
            "podinit.dev/worker.crashLoopBackOff.initialDelaySeconds",
        ),
        ("container worker", "livenessProbe", "grpc 127.0.0.1:9000 live", "livenessProbe", "livenessProbe"),
        ("container worker", "livenessProbe.periodSeconds", "0.5 s", "livenessProbe", "periodSeconds: 0.5"),
        (
            "container worker",
            "readinessProbe",
            "httpGet https://shop.example:8443/",
            "readinessProbe",
            "readinessProbe",
        ),
        ("container worker", "readinessProbe.successThreshold", "2", "readinessProbe", "successThreshold: 2"),
        ("container worker", "lifecycle.postStart", "exec /bin/warm-up", "postStart", "postStart"),
        (
            "container worker",
            "lifecycle.postStart.timeoutSeconds",
            "2.5 s",
            "postStart",
            "podinit.dev/worker.lifecycle.postStart.timeoutSeconds",
        ),
        ("container worker", "lifecycle.stopSignal", "SIGQUIT", "stopSignal", "stopSignal"),
        (
            "container worker",
            "terminationMessagePolicy",
            "FallbackToLogsOnError",
            "terminationMessagePolicy",
            "terminationMessagePolicy",
        ),
        (
            "container worker",
            "resizePolicy",
            "cpu NotRequired, memory RestartContainer",
            "resizePolicy",
            "resizePolicy",
        ),
    ];
    for (group, field, value, toml_line, yaml_line) in cases {
        for (said, lines, line) in [(&toml_said, &toml, toml_line), (&yaml_said, &yaml, yaml_line)] {
            let first = lines.iter().position(|found| found.starts_with(line)).unwrap() + 1;
            // Some keys are there twice, for two containers.
            let places = [at(lines, line), format!("@{first}")];
            let row = row(said, group, field);
            let is_said = places.iter().any(|place| row == format!("{value} {place}"));
            assert!(is_said, "{field}: {row}, not {value} {places:?}");
        }
    }
    let defaults = [
        ("lifecycle.stopSignal", "SIGTERM default: Kubernetes, rule 84"),
        ("terminationMessagePolicy", "File default: Kubernetes, rule 132"),
        (
            "lifecycle.preStop.timeoutSeconds",
            "none: what there is of the grace period default: Kubernetes, rule 71",
        ),
    ];
    for (field, expected) in defaults {
        assert_eq!(row(&toml_said, "container cache", field), expected);
    }
    for line in [
        "4. worker main container starts when web and cache have started",
        "5. cache main container starts together with web",
        "2. worker main container gets SIGQUIT when its preStop hook is done",
        "It fails and stops when it has been active for 3600 s.",
        "Where the end of worker ends the pod, the code is that one's.",
        "nobody sets the condition example.com/ready: the pod is never Ready",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let is_said = toml_said.lines().any(|said| said.split_whitespace().collect::<Vec<_>>() == words);
        assert!(is_said, "{line}:\n{toml_said}");
    }
    assert!(toml_said.contains("as soon as worker alone has"), "{toml_said}");
}

#[test]
fn a_job_s_tries_are_told_with_their_places() {
    let said = text(&["--profile", "process", "tests/manifests/good/job-pi.yaml"]);
    assert_eq!(row(&said, "pod", "backoffLimit"), "4: tried again after a failure, so often @13");
    assert_eq!(row(&said, "pod", "activeDeadlineSeconds"), "of the job 100 s @14");
    let said = text(&["--profile", "process", "tests/manifests/good/cronjob.yaml"]);
    let usual = "6: tried again after a failure, so often default: Kubernetes";
    assert_eq!(row(&said, "pod", "backoffLimit"), usual);
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
    let output = explain(&["tests/manifests/bad/names.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "));
    assert_eq!(explain(&["--nonexistent"]).status.code(), Some(2));
}
