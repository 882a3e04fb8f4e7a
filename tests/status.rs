//! The state of a pod as a Kubernetes object: Kubernetes' own types read it and lose nothing of it, in
//! hundreds of states of random lives and of real pods, and every word in it is one that Kubernetes has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    dead_code
)]

#[path = "sim/random.rs"]
mod random;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use podinit::pod::{Identity, Timestamp, kubernetes_pod};
use podinit::sim::World;
use serde_json::Value;

/// Rules 122 to 125.
const CONDITIONS: [&str; 9] = [
    "PodScheduled",
    "Initialized",
    "PodReadyToStartContainers",
    "ContainersReady",
    "Ready",
    "DisruptionTarget",
    "PodResizePending",
    "PodResizeInProgress",
    "AllContainersRestarting",
];
const CONDITION_REASONS: [&str; 7] = [
    "ContainersNotInitialized",
    "ContainersNotReady",
    "ReadinessGatesNotReady",
    "PodCompleted",
    "PodFailed",
    "RestartAllContainersStarted",
    "Error",
];
/// Rule 127.
const WAITING: [&str; 16] = [
    "PodInitializing",
    "ContainerCreating",
    "CrashLoopBackOff",
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "ErrImageNeverPull",
    "InvalidImageName",
    "RegistryUnavailable",
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "RunContainerError",
    "PostStartHookError",
    "RestartingAllContainers",
];
/// Rule 128.
const TERMINATED: [&str; 7] = [
    "Completed",
    "Error",
    "OOMKilled",
    "StartError",
    "ContainerStatusUnknown",
    "RestartingAllContainers",
    "Unknown",
];
/// Rules 92 to 94.
/// The first is a Job's, of which there is no object here: it stands in that of its last pod.
const POD_REASONS: [&str; 4] = ["BackoffLimitExceeded", "DeadlineExceeded", "Evicted", "Terminated"];
/// Rule 130, and rule 73.
const EVENTS: [&str; 29] = [
    "SuccessfulCreate",
    "BackoffLimitExceeded",
    "Pulling",
    "Pulled",
    "Created",
    "Started",
    "Failed",
    "Killing",
    "BackOff",
    "Unhealthy",
    "ProbeWarning",
    "FailedPostStartHook",
    "FailedPreStopHook",
    "LifecycleHTTPFallback",
    "FailedSync",
    "FailedKillPod",
    "FailedMount",
    "FailedCreatePodSandBox",
    "SandboxChanged",
    "DeadlineExceeded",
    "Evicted",
    "ExceededGracePeriod",
    "Preempting",
    "NetworkNotReady",
    "FailedValidation",
    "ResizeStarted",
    "ResizeCompleted",
    "ResizeError",
    "Shutdown",
];

fn identity() -> Identity {
    Identity {
        uid: "4b5b7a4c-0f3e-4c39-9a5c-0d4f3f1b6a51".into(),
        node_name: "host".into(),
        qos_class: "Burstable",
        host_ips: vec!["192.0.2.7".into(), "2001:db8::7".into()],
        pod_ips: vec!["192.0.2.7".into(), "2001:db8::7".into()],
        lost: vec!["without a filter".into(), "cannot enforce the cpu limit of the pod".into()],
    }
}

/// Reads the object with Kubernetes' types, writes it again, and compares.
fn survives(object: &Value) {
    let read: Pod =
        serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}: {object:#}"));
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(written, *object);
}

/// Every word is one of Kubernetes'. Gives those that were seen.
fn words(object: &Value) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut check = |word: &Value, known: &[&str]| {
        if let Some(word) = word.as_str() {
            assert!(known.contains(&word), "{word} is no word of Kubernetes' for this: {known:?}");
            seen.insert(word.to_owned());
        }
    };
    let status = &object["status"];
    check(&status["phase"], &["Pending", "Running", "Succeeded", "Failed"]);
    check(&status["reason"], &POD_REASONS);
    // One of podinit's own has a domain, as Kubernetes wants it of others' conditions.
    let is_own = |condition: &&Value| condition["type"] == "podinit.dev/Degraded";
    let conditions = || status["conditions"].as_array().into_iter().flatten();
    assert!(conditions().filter(is_own).all(|condition| condition["reason"] == "NotHonoured"));
    for condition in conditions().filter(|condition| !is_own(condition)) {
        check(&condition["type"], &CONDITIONS);
        check(&condition["reason"], &CONDITION_REASONS);
    }
    for list in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
        for container in status[list].as_array().into_iter().flatten() {
            check(&container["state"]["waiting"]["reason"], &WAITING);
            check(&container["state"]["terminated"]["reason"], &TERMINATED);
            check(&container["lastState"]["terminated"]["reason"], &TERMINATED);
        }
    }
    seen
}

/// The object of a pod in a simulated life.
fn object(world: &World) -> Value {
    let deletion = Some((Timestamp::from_nanos(1_800_000_000_000_000_000), Duration::from_millis(1_500)));
    kubernetes_pod(world.pod(), &world.status(), &identity(), deletion)
}

#[test]
fn hundreds_of_states_of_random_lives_are_kubernetes_pods() {
    let mut states = 0;
    let mut seen = BTreeSet::new();
    for seed in 0..150 {
        let mut life = random::Life::new(seed);
        let (pod, behaviours) = life.pod();
        let mut world = World::new(pod, behaviours);
        for _ in 0..6 {
            world.run_for(life.pause());
            let object = object(&world);
            survives(&object);
            seen.extend(words(&object));
            states += 1;
            let event = life.event(&world);
            world.send(event);
        }
        world.send(life.stop());
        world.run();
        let object = object(&world);
        survives(&object);
        seen.extend(words(&object));
    }
    assert!(states > 200, "{states} states");
    for word in
        ["CrashLoopBackOff", "PodInitializing", "Completed", "DeadlineExceeded", "PodFailed", "Running"]
    {
        assert!(seen.contains(word), "{word} was never seen: {seen:?}");
    }
}

/// A pod of a real podinit, with what it wrote into its files: every state that was seen, and its events.
fn run(name: &str, manifest: &str) -> (Vec<Value>, Vec<Value>, i32) {
    let directory = std::env::temp_dir().join(format!("podinit-status-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = |name: &str| -> PathBuf { directory.join(name) };
    std::fs::write(path("pod.toml"), manifest).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_podinit"))
        .args(["run", "--status-file"])
        .arg(path("status.json"))
        .arg("--event-file")
        .arg(path("events.json"))
        .arg(path("pod.toml"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut states = Vec::new();
    let code = loop {
        let over = child.try_wait().unwrap();
        // Whatever moment it is, the file is whole or not there yet.
        if let Ok(text) = std::fs::read_to_string(path("status.json")) {
            let state: Value = serde_json::from_str(&text).unwrap();
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
        if let Some(status) = over {
            break status.code().unwrap();
        }
        std::thread::yield_now();
    };
    let events = std::fs::read_to_string(path("events.json")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let left: Vec<_> =
        std::fs::read_dir(&directory).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 3, "nothing is left beside the files: {left:?}");
    std::fs::remove_dir_all(&directory).unwrap();
    (states, events, code)
}

const MANIFESTS: [(&str, &str, i32); 4] = [
    (
        "whole",
        r#"
        initContainers = [
            { name = "setup", command = ["true"] },
            { name = "side", restartPolicy = "Always", command = ["sleep", "100"], lifecycle.preStop.exec.command = ["true"] },
        ]
        [[containers]]
        name = "main"
        command = ["sh", "-c", "sleep 0.3; exit 3"]
        livenessProbe = { exec.command = ["true"], periodSeconds = 0.1 }
        readinessProbe = { exec.command = ["true"], periodSeconds = 0.1 }
        lifecycle.postStart.exec.command = ["true"]
        "#,
        3,
    ),
    (
        "restarts",
        r#"
        restartPolicy = "OnFailure"
        crashLoopBackOff = { initialDelaySeconds = 0.1, maxDelaySeconds = 0.1 }
        [[containers]]
        name = "main"
        command = ["sh", "-c", "sleep 0.1; test $(ps -o etimes= -p $PPID) -ge 1"]
        "#,
        0,
    ),
    (
        "deadline",
        "activeDeadlineSeconds = 1\n[[containers]]\nname = \"main\"\ncommand = [\"sleep\", \"100\"]\n",
        124,
    ),
    ("missing", "[[containers]]\nname = \"main\"\ncommand = [\"/no/such/program\"]\n", 127),
];

#[test]
fn the_states_and_events_of_real_pods_are_kubernetes_objects() {
    let mut seen = 0;
    for (name, manifest, expected) in MANIFESTS {
        let (states, events, code) = run(name, manifest);
        assert_eq!(code, expected, "{name}");
        seen += states.len();
        for state in &states {
            survives(state);
            words(state);
        }
        let phase = states.last().unwrap()["status"]["phase"].clone();
        assert_eq!(phase, if expected == 0 { "Succeeded" } else { "Failed" }, "{name}");
        assert!(!events.is_empty(), "{name}");
        for event in &events {
            let read: Event = serde_json::from_value(event.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), *event);
            let reason = event["reason"].as_str().unwrap();
            assert!(EVENTS.contains(&reason), "{reason} is no reason of Kubernetes'");
        }
    }
    // A pod that ends at once is seen only at its end.
    assert!(seen > 2 * MANIFESTS.len(), "{seen} states");
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is_started() {
    let directory = std::env::temp_dir().join(format!("podinit-status-refused-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let manifest = directory.join("pod.toml");
    let marker = directory.join("ran");
    let command =
        format!("[[containers]]\nname = \"main\"\ncommand = [\"touch\", \"{}\"]\n", marker.display());
    std::fs::write(&manifest, command).unwrap();
    for option in ["--status-file", "--event-file"] {
        for wrong in [directory.clone(), directory.join("none/file"), PathBuf::from("/dev/null")] {
            let output = Command::new(env!("CARGO_BIN_EXE_podinit"))
                .args(["run", option])
                .arg(&wrong)
                .arg(&manifest)
                .output();
            let output = output.unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(125), "{option} {}: {told}", wrong.display());
            assert!(told.contains(&format!("file {}: ", wrong.display())), "{told}");
            assert!(!marker.exists());
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
