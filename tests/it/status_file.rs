//! `--status-file` and `--event-file` end to end: what they say of a pod, and that nothing which becomes of
//! the files holds the pod up or ends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{Directory, PODINIT, Running, run, until};

fn state(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// `podinit run` of this manifest, with both files in a directory `told` of their own.
fn told(directory: &Directory, manifest: &str) -> Command {
    fs::create_dir(directory.path("told")).unwrap();
    let mut command = run(directory, manifest);
    command.arg("--status-file").arg(directory.path("told/status.json"));
    command.arg("--event-file").arg(directory.path("told/events.json"));
    command
}

#[test]
fn the_object_has_the_uid_that_variables_give() {
    let directory = Directory::new();
    let manifest = r#"
        [[containers]]
        name = "main"
        command = ["sh", "-c", "echo uid $POD_UID"]
        env = [{ name = "POD_UID", valueFrom.fieldRef.fieldPath = "metadata.uid" }]
    "#;
    let ended = Running::start(&mut told(&directory, manifest)).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let shown = state(&directory.path("told/status.json"));
    let uid = shown["metadata"]["uid"].as_str().unwrap();
    assert_eq!(ended.stdout, [format!("main | uid {uid}")]);
    let events = fs::read_to_string(directory.path("told/events.json")).unwrap();
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["involvedObject"]["uid"] == uid), "{events:?}");
    let reasons: Vec<_> = events.iter().map(|event| event["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["Created", "Started"], "rule 130");
}

#[test]
fn the_last_state_is_there_when_podinit_has_ended() {
    let directory = Directory::new();
    let manifest = "[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", \"exit 3\"]\n";
    let ended = Running::start(&mut told(&directory, manifest)).end();
    assert_eq!(ended.code(), 3, "{ended:?}");
    let path = directory.path("told/status.json");
    let status = state(&path)["status"].clone();
    assert_eq!(status["phase"], "Failed");
    assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 3);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o133, 0, "nobody else writes it");
}

/// A full disk, a read-only one and a directory that is gone are the same to podinit: it cannot write.
#[test]
fn a_directory_that_vanishes_is_said_once_and_ends_nothing() {
    let directory = Directory::new();
    let gone = directory.path("told");
    let manifest = format!(
        "restartPolicy = \"OnFailure\"\ncrashLoopBackOff.initialDelaySeconds = 0\n\
         [[initContainers]]\nname = \"first\"\ncommand = [\"rm\", \"-r\", \"{}\"]\n\
         [[containers]]\nname = \"one\"\ncommand = [\"true\"]\n\
         [[containers]]\nname = \"other\"\ncommand = [\"true\"]\n",
        gone.display()
    );
    let ended = Running::start(&mut told(&directory, &manifest)).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let complaints = ended.stderr.iter().filter(|line| line.contains("cannot write status file"));
    assert_eq!(complaints.count(), 1, "{:?}", ended.stderr);
    assert!(!gone.exists(), "podinit does not make directories");
}

#[test]
fn a_fifo_that_nobody_reads_is_refused_at_once() {
    for option in ["--status-file", "--event-file"] {
        let directory = Directory::new();
        let fifo = directory.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let manifest = "[[containers]]\nname = \"main\"\ncommand = [\"true\"]\n";
        let ended = Running::start(run(&directory, manifest).arg(option).arg(&fifo)).end();
        assert_eq!(ended.code(), 125, "{option}: {ended:?}");
        assert!(fs::symlink_metadata(&fifo).is_ok(), "it is still there");
    }
}

/// What was put in the file's place meanwhile is not what podinit was given to replace.
#[test]
fn what_takes_the_file_s_place_is_not_replaced() {
    let directory = Directory::new();
    let path = directory.path("told/status.json");
    let manifest = format!(
        "[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", \"until rm -f {0}; mkfifo {0} 2>&-; do :; done\"]\n",
        path.display()
    );
    let ended = Running::start(&mut told(&directory, &manifest)).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(!fs::symlink_metadata(&path).unwrap().is_file(), "the FIFO is still there");
    assert!(ended.stderr.iter().any(|line| line.contains("cannot write status file")), "{ended:?}");
}

/// What could not be written is written when that is possible again, without another change.
#[test]
fn a_state_that_could_not_be_written_is_written_later() {
    let directory = Directory::new();
    let (place, away) = (directory.path("told"), directory.path("away"));
    let script = "trap 'echo again' USR1; echo up; while :; do sleep 0.1; done";
    let manifest = format!(
        "[[initContainers]]\nname = \"first\"\ncommand = [\"mv\", \"{}\", \"{}\"]\n\
         [[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", {:?}]\n",
        place.display(),
        away.display(),
        script
    );
    let podinit = Running::start(&mut told(&directory, &manifest));
    podinit.wait_for_message("cannot write status file");
    podinit.wait_for("main | up");
    // The signal is forwarded, which changes nothing: what was to be written before it was tried.
    podinit.signal(Signal::SIGUSR1);
    podinit.wait_for("main | again");
    fs::rename(&away, &place).unwrap();
    let shown = || serde_json::from_str(&fs::read_to_string(place.join("status.json")).ok()?).ok();
    until("the state is there", || {
        shown().is_some_and(|object: Value| object["status"]["containerStatuses"][0]["started"] == true)
    });
    podinit.signal(Signal::SIGTERM);
    podinit.end();
}

/// Nothing is written over what else the file is, and nothing has happened when that is said.
#[test]
fn a_file_that_is_something_else_as_well_is_refused() {
    let manifest = "[[containers]]\nname = \"main\"\ncommand = [\"touch\", \"ran\"]\n";
    let refused = |directory: &Directory, command: &mut Command, why: &str| {
        let ended = Running::start(command.current_dir(directory.path("."))).end();
        assert_eq!(ended.code(), 125, "{why}: {ended:?}");
        assert!(ended.stderr.iter().any(|line| line.contains(why)), "{why}: {ended:?}");
        assert!(!directory.path("ran").exists());
    };
    for option in ["--status-file", "--event-file"] {
        let directory = Directory::new();
        let path = directory.file("own.toml", manifest);
        let mut command = Command::new(PODINIT);
        command.args(["run", "own.toml", option]).arg(&path);
        refused(&directory, &mut command, "it is the manifest");
        // By another name, and from standard input.
        fs::hard_link(&path, directory.path("linked.toml")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" run - \"$1\" linked.toml < own.toml", PODINIT, option]);
        refused(&directory, &mut command, "it is the manifest");
        assert_eq!(fs::read_to_string(&path).unwrap(), manifest);
        for (redirect, name) in [(">> out", "output"), ("2>> out", "error")] {
            let mut command = Command::new("sh");
            let script = format!(
                "exec 3>&2; \"$0\" run own.toml \"$1\" out {redirect}; code=$?; cat out >&3; exit $code"
            );
            command.args(["-c", &script, PODINIT, option]);
            if name == "output" {
                refused(&directory, &mut command, "it is where standard output goes");
            } else {
                refused(&directory, &mut command, "it is where standard error goes");
            }
        }
    }
    for exists in [false, true] {
        let directory = Directory::new();
        directory.file("own.toml", manifest);
        if exists {
            directory.file("both", "");
        }
        let mut command = Command::new(PODINIT);
        command.args(["run", "own.toml", "--status-file", "both", "--event-file", "./both"]);
        refused(&directory, &mut command, "it is the status file");
        assert_eq!(directory.path("both").exists(), exists);
    }
}
