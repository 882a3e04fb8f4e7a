//! What programs find in their environment (rules 133 to 140), and that secrets are nowhere else.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::harness::{Directory, Ended, PODINIT, Running, run};

const SECRET: &str = "hunter2-of-nobody";

/// A pod whose main container has these fields, beside a ConfigMap `settings` and a Secret `db`.
fn manifest(fields: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{level: debug, color: blue}}\n---\n\
         apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData: {{password: {SECRET}}}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  labels: {{app: shop}}\n  annotations:\n    \
         podinit.dev/profile: process\n    podinit.dev/crashLoopBackOff.initialDelaySeconds: \"0\"\n    \
         podinit.dev/crashLoopBackOff.maxDelaySeconds: \"0\"\nspec:\n  restartPolicy: Never\n  containers:\n\
         {fields}"
    )
}

fn podinit(directory: &Directory, words: &[&str], manifest: &str) -> Command {
    let mut command = Command::new(PODINIT);
    command.args(words).arg(directory.file("pod.yaml", manifest)).env("color", "of-podinit");
    command
}

/// The lines that the container prints.
fn printed(ended: &Ended) -> Vec<&str> {
    ended.stdout.iter().map(|line| line.split_once(" | ").unwrap().1).collect()
}

const ALL: &str = "
  - name: main
    resources: {limits: {memory: 64Mi}}
    command: [sh, -c, 'for name in level S_password PASSWORD URL APP NODE MEMORY color GONE; do eval \"echo $name=\\${$name-unset}\"; done; echo \"$UID_ $IP\"']
    envFrom:
    - configMapRef: {name: settings}
    - {prefix: S_, secretRef: {name: db}}
    - secretRef: {name: none, optional: true}
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: URL, value: 'db://$(PASSWORD)@$(level)/$(HOME)'}
    - {name: APP, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['app']\"}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: GONE, valueFrom: {configMapKeyRef: {name: settings, key: gone, optional: true}}}
    - {name: UID_, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
";

#[test]
fn rules_133_to_140_a_program_finds_what_its_sources_have() {
    let directory = Directory::new();
    let ended = Running::start(&mut podinit(&directory, &["run"], &manifest(ALL))).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let lines = printed(&ended);
    let node = nix::unistd::gethostname().unwrap().to_str().unwrap().to_lowercase();
    assert_eq!(
        lines[..9],
        [
            "level=debug".to_owned(),
            format!("S_password={SECRET}"),
            format!("PASSWORD={SECRET}"),
            // Inherited variables are not known to the manifest.
            format!("URL=db://{SECRET}@debug/$(HOME)"),
            "APP=shop".to_owned(),
            format!("NODE={node}"),
            "MEMORY=64".to_owned(),
            "color=blue".to_owned(),
            "GONE=unset".to_owned(),
        ]
    );
    let (uid, address) = lines[9].split_once(' ').unwrap();
    assert_eq!((uid.len(), uid.matches('-').count()), (36, 4), "{uid}");
    assert!(address.parse::<std::net::IpAddr>().is_ok(), "{address}");
}

/// LEAK-10: everything that podinit says, at its most talkative, and every command line.
#[test]
fn a_secret_is_in_the_environment_of_its_program_and_nowhere_else() {
    let directory = Directory::new();
    let fields = "
  - name: main
    command: [sh, -c, 'test -n \"$PASSWORD\" && echo up; exec sleep 1000']
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
  - name: broken
    command: [echo, never]
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: OTHER, valueFrom: {secretKeyRef: {name: db, key: other}}}
  initContainers:
  - name: guard
    restartPolicy: Always
    command: [sleep, '1000']
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
    # Of what is not written in the manifest a probe's command line has nothing (rule 135).
    startupProbe: {exec: {command: [sh, -c, 'test -n \"$PASSWORD\" && test -z \"$0\"', $(PASSWORD)]}, periodSeconds: 1}
";
    let manifest = manifest(fields);
    let running = Running::start(&mut podinit(&directory, &["run", "-vvv"], &manifest));
    running.wait_for("main | up");
    running.wait_for_message("couldn't find key other in Secret default/db");
    for pid in command_lines_of(running.pid().as_raw()) {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&words).contains(SECRET), "{pid}");
    }
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    let mut said = vec![format!("{ended:?}")];
    for words in [&["explain"][..], &["explain", "-o", "json"], &["check"], &["check", "--kubernetes"]] {
        let ended = Running::start(&mut podinit(&directory, words, &manifest)).end();
        assert!(!ended.stdout.is_empty() || !ended.stderr.is_empty(), "{words:?}");
        said.push(format!("{ended:?}"));
    }
    assert!(said[1].contains("PASSWORD from Secret db, key password"), "{}", said[1]);
    assert!(!said.concat().contains(SECRET), "{said:#?}");
}

/// The process and its children.
fn command_lines_of(pid: i32) -> Vec<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(!children.is_empty());
    [vec![pid], children].concat()
}

#[test]
fn rule_140_a_container_waits_for_what_is_missing_and_the_others_run() {
    let directory = Directory::new();
    let fields = "
  - name: broken
    command: [echo, never]
    envFrom: [{configMapRef: {name: none}}]
  - {name: fine, command: [sh, -c, 'echo up; exec sleep 1000']}
";
    let running = Running::start(&mut podinit(&directory, &["run"], &manifest(fields)));
    running.wait_for_message("there is no ConfigMap \"none\" in namespace \"default\"");
    running.wait_for("fine | up");
    running.wait_for_message("configmap \"none\" not found");
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    assert!(!ended.stdout.iter().any(|line| line.contains("never")), "{ended:?}");
}

#[test]
fn a_secret_on_a_command_line_is_warned_of() {
    let directory = Directory::new();
    let fields = "
  - name: main
    command: [echo, 'at $(URL)']
    env:
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}
    - {name: URL, value: 'db://$(PASSWORD)'}
";
    let ended = Running::start(&mut podinit(&directory, &["check"], &manifest(fields))).end();
    let said = ended.stderr.concat() + &ended.stdout.concat();
    assert!(said.contains("will show a secret to every user of this host"), "{said}");
    let escaped = fields.replace("at $(URL)", "at $$(URL)");
    let ended = Running::start(&mut podinit(&directory, &["check"], &manifest(&escaped))).end();
    let said = ended.stderr.concat() + &ended.stdout.concat();
    assert!(!said.contains("show a secret"), "{said}");
}

const FILES: &str = "restartPolicy = \"OnFailure\"
[crashLoopBackOff]
maxDelaySeconds = 0
[[containers]]
name = \"main\"
envFile = [\"settings.env\"]
envFromFiles = { PASSWORD = \"password\" }
command = [\"sh\", \"-c\", \"\"\"
echo \"$LEVEL $PASSWORD $OWN\"
if [ $LEVEL = debug ]; then echo 'LEVEL=info' > settings.env; exit 1; fi
\"\"\"]
env = { OWN = \"$(LEVEL)\" }
";

/// Paths are relative to the manifest, and each attempt reads anew.
#[test]
fn files_give_variables_and_are_read_at_each_start() {
    let directory = Directory::new();
    directory.file("settings.env", "# of the test\nLEVEL='debug'\nOWN=file\n");
    directory.file("password", &format!("{SECRET}\n"));
    let manifest = FILES.replace("command =", &format!("workingDir = {:?}\ncommand =", directory.path("")));
    let ended = Running::start(&mut run(&directory, &manifest)).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(printed(&ended), [format!("debug {SECRET} debug"), format!("info {SECRET} info")]);
    assert!(!ended.stderr.concat().contains(SECRET), "{ended:?}");
}

#[test]
fn in_yaml_the_files_are_annotations() {
    let directory = Directory::new();
    directory.file("a.env", "A=1\nB=1\n");
    directory.file("b.env", "B=2\n");
    directory.file("token", "t\n\n");
    let fields = "  - {name: main, command: [sh, -c, 'echo \"$A $B [$TOKEN]\"']}\n";
    let annotations = "annotations:\n    podinit.dev/main.envFile: a.env, b.env\n    podinit.dev/main.envFromFiles: TOKEN=token\n";
    let manifest = manifest(fields).replace("annotations:\n", annotations);
    let ended = Running::start(&mut podinit(&directory, &["run"], &manifest)).end();
    assert_eq!(printed(&ended), ["1 2 [t]"], "{ended:?}");
}

/// Nothing blocks PID 1: a pipe that nobody writes to least of all.
#[test]
fn a_file_that_is_none_keeps_its_container_waiting_and_nothing_else() {
    let directory = Directory::new();
    directory.file("settings.env", &format!("GOOD=1\nBAD={SECRET} 'x'\n"));
    mkfifo(&directory.path("pipe"), Mode::S_IRWXU).unwrap();
    let container = |name: &str, file: &str| {
        format!("[[containers]]\nname = \"{name}\"\ncommand = [\"echo\", \"never\"]\n{file}\n")
    };
    let manifest = [
        container("gone", "envFile = \"none.env\""),
        container("broken", "envFile = \"settings.env\""),
        container("pipe", "envFromFiles = { PASSWORD = \"pipe\" }"),
        "[[containers]]\nname = \"fine\"\ncommand = [\"sh\", \"-c\", \"echo up; exec sleep 1000\"]\n"
            .to_owned(),
    ];
    let running = Running::start(&mut run(&directory, &manifest.concat()));
    running.wait_for("fine | up");
    let path = |name: &str| directory.path(name).display().to_string();
    for message in [
        format!("cannot read {}: no such file", path("none.env")),
        format!("cannot use {}, line 2: ", path("settings.env")),
        format!("cannot read {}: it is no regular file", path("pipe")),
    ] {
        running.wait_for_message(&message);
    }
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    let said = format!("{ended:?}");
    assert!(!said.contains(SECRET) && !said.contains("never"), "{said}");
}
