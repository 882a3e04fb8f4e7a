//! Manifests of other kinds than Pod: the pod of the template runs, once, and what stands beside it does
//! not keep it from that.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{Directory, Ended, PODINIT, Running, until};

/// `podinit run --profile process` of these YAML files.
fn run(directory: &Directory, manifests: &[&str]) -> Command {
    let mut command = Command::new(PODINIT);
    command.args(["run", "--profile", "process"]);
    for (number, manifest) in manifests.iter().enumerate() {
        command.arg(directory.file(&format!("{number}.yaml"), manifest));
    }
    command
}

fn end(manifests: &[&str]) -> Ended {
    Running::start(&mut run(&Directory::new(), manifests)).end()
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - name: web
        command: [sh, -c, 'trap \"exit 0\" TERM; if [ -e marker ]; then echo again; else echo first; : > marker; exit 3; fi; while :; do sleep 0.01; done']
        workingDir: DIRECTORY
";

const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: {name: report}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      initContainers:
      - {name: prepare, command: [echo, prepared]}
      containers:
      - {name: report, command: [sh, -c, 'echo reported; exit 4']}
";

#[test]
fn a_job_of_which_nothing_is_forgiven_runs_once_and_ends_with_its_code() {
    let ended = end(&[JOB]);
    assert_eq!(ended.code(), 4, "{ended:?}");
    assert_eq!(ended.stdout, ["prepare | prepared", "report | reported"]);
    assert!(!ended.stderr.iter().any(|line| line.starts_with("warning")), "{ended:?}");
    let told = "the job has failed: its backoffLimit is reached";
    assert!(ended.stderr.iter().any(|line| line.contains(told)), "{ended:?}");
}

#[test]
fn a_job_that_failed_is_tried_again_as_another_pod() {
    let directory = Directory::new();
    let place = directory.path("").display().to_string();
    // Ten seconds later: no test waits for that twice.
    let manifest = format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: report}}
spec:
  backoffLimit: 1
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: report
        workingDir: {place}
        env: [{{name: POD_UID, valueFrom: {{fieldRef: {{fieldPath: metadata.uid}}}}}}]
        command: [sh, -c, 'echo $POD_UID; test -e marker && exit 0; : > marker; exit 4']
"
    );
    let (status, events) = (directory.path("status.json"), directory.path("events.json"));
    let mut command = run(&directory, &[&manifest]);
    command.arg("--status-file").arg(&status).arg("--event-file").arg(&events);
    let podinit = Running::start(&mut command);
    let first = podinit.line();
    podinit.wait_for_message("the pod failed, trying it again in 10s (1 of 1 failures forgiven)");
    let shown =
        || -> serde_json::Value { serde_json::from_str(&std::fs::read_to_string(&status).unwrap()).unwrap() };
    until("the first pod has failed", || shown()["status"]["phase"] == "Failed");
    assert_eq!(format!("report | {}", shown()["metadata"]["uid"].as_str().unwrap()), first);
    let second = podinit.line();
    assert_ne!(first, second);
    assert_eq!(podinit.end().code(), 0);
    assert_eq!(format!("report | {}", shown()["metadata"]["uid"].as_str().unwrap()), second);
    assert_eq!(shown()["status"]["phase"], "Succeeded");
    let events = std::fs::read_to_string(events).unwrap();
    assert!(events.contains("\"reason\":\"SuccessfulCreate\""), "{events}");
}

#[test]
fn a_stop_between_two_tries_ends_a_job_with_the_code_of_the_last() {
    let directory = Directory::new();
    let manifest = JOB.replace("backoffLimit: 0", "backoffLimit: 6");
    let podinit = Running::start(&mut run(&directory, &[&manifest]));
    podinit.wait_for_message("trying it again in 10s");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 4);
}

#[test]
fn a_job_that_takes_too_long_ends_with_124() {
    let manifest =
        JOB.replace("exit 4", "exec sleep 1000").replace("backoffLimit: 0", "activeDeadlineSeconds: 1");
    let ended = end(&[&manifest]);
    assert_eq!(ended.code(), 124);
    let told = "the job has failed: it was active for longer than it may be";
    assert!(ended.stderr.iter().any(|line| line.contains(told)), "{ended:?}");
}

#[test]
fn a_deployment_is_kept_running_until_it_is_stopped() {
    let directory = Directory::new();
    let place = directory.path("").display().to_string();
    let podinit = Running::start(&mut run(&directory, &[&DEPLOYMENT.replace("DIRECTORY", &place)]));
    podinit.wait_for_message("running one replica");
    podinit.wait_for("web | first");
    podinit.wait_for("web | again");
    podinit.signal(Signal::SIGTERM);
    assert_eq!(podinit.end().code(), 0);
}

#[test]
fn a_cron_job_runs_now() {
    let manifest = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: hello}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers: [{name: hello, command: [echo, hello]}]
";
    let ended = end(&[manifest]);
    assert_eq!((ended.code(), ended.stdout), (0, vec!["hello | hello".to_owned()]));
    assert!(ended.stderr.iter().any(|line| line.contains("ignoring schedule")), "{:?}", ended.stderr);
}

#[test]
fn the_pod_in_a_list_runs() {
    let manifest = "
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {}}
- apiVersion: v1
  kind: Pod
  metadata: {name: web}
  spec:
    containers: [{name: web, command: [echo, listed]}]
";
    let ended = end(&[manifest]);
    assert_eq!((ended.code(), ended.stdout), (0, vec!["web | listed".to_owned()]));
}

const BESIDE: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {LOG_LEVEL: debug}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {password: hunter2}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
";

#[test]
fn the_pod_among_several_documents_and_files_runs() {
    let one = format!("{BESIDE}---{JOB}");
    for manifests in [&[one.as_str()][..], &[BESIDE, JOB], &[JOB, BESIDE]] {
        let ended = end(manifests);
        assert_eq!(ended.code(), 4, "{ended:?}");
        let warnings: Vec<_> = ended.stderr.iter().filter(|line| line.starts_with("warning")).collect();
        assert_eq!(warnings, ["warning: ignoring ServiceAccount \"web\": there are no accounts on one host"]);
    }
}

#[test]
fn two_pods_in_two_files_are_refused_with_both_places() {
    let ended = end(&[JOB, DEPLOYMENT]);
    assert_eq!(ended.code(), 125);
    assert!(ended.stdout.is_empty(), "{ended:?}");
    let shown = ended.stderr.join("\n");
    for part in ["cannot run two pods at once", "1.yaml:3:7", "note: the first is at", "0.yaml:3:7"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_secret_s_values_are_in_no_message() {
    let manifest = "
apiVersion: v1
kind: Secret
metadata: {name: password}
data: {user: admin-hunter2, password: hunter2 in plain text}
stringData: {pin: [hunter2], hunter: {hunter2: hunter2}}
";
    for arguments in [&["run"][..], &["check"], &["check", "--format", "json"]] {
        let directory = Directory::new();
        let mut command = Command::new(PODINIT);
        let ended =
            Running::start(command.args(arguments).arg(directory.file("secret.yaml", manifest))).end();
        let shown = [ended.stdout.concat(), ended.stderr.concat()].concat();
        assert!(shown.contains("this is no Base64"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
