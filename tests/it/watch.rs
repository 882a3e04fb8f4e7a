//! `podinit run --watch`: a manifest that changes while the pod runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{Directory, PODINIT, Running};

/// Two containers that say who they are (`$$` of a shell is `$$$$` in a manifest, rule 134) and with what they
/// were started.
fn manifest(one: &str, other: &str) -> String {
    let container = |name: &str, word: &str| {
        format!(
            "[[containers]]\nname = \"{name}\"\ncommand = [\"sh\", \"-c\", \"echo $$$$ {word}; exec sleep 1000\"]\n"
        )
    };
    format!("terminationGracePeriodSeconds = 5\n{}{}", container("one", one), container("other", other))
}

struct Watching {
    podinit: Running,
}

/// What a container says when it starts: its process id and its word.
struct Line {
    container: String,
    pid: String,
    word: String,
}

impl Watching {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(PODINIT);
        command.args(["run", "-v", "--watch"]).arg(path);
        Self { podinit: Running::start(&mut command) }
    }

    fn line(&self) -> Line {
        let line = self.podinit.line();
        let (container, said) = line.split_once(" | ").unwrap();
        let (pid, word) = said.split_once(' ').unwrap();
        Line { container: container.trim().to_owned(), pid: pid.to_owned(), word: word.to_owned() }
    }

    /// Both have started.
    fn both(&self) -> [Line; 2] {
        let mut lines = [self.line(), self.line()];
        lines.sort_by(|a, b| b.container.len().cmp(&a.container.len()).reverse());
        lines
    }

    /// The next that starts is this one, with this word.
    fn restarts(&self, container: &str, word: &str) {
        let line = self.line();
        assert_eq!((&*line.container, &*line.word), (container, word));
    }

    fn is_alive(pid: &str) -> bool {
        Path::new("/proc").join(pid).exists()
    }

    fn stop(self) {
        self.podinit.signal(Signal::SIGTERM);
        self.podinit.end();
    }
}

/// Replaces a file as editors and `mv` do.
fn rename_over(path: &Path, text: &str) {
    let new: PathBuf = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_container_that_has_changed_restarts_and_the_others_stay() {
    let directory = Directory::new();
    let path = directory.file("pod.toml", &manifest("a", "b"));
    let watching = Watching::start(&path);
    let [one, other] = watching.both();
    rename_over(&path, &manifest("changed", "b"));
    watching.restarts("one", "changed");
    assert!(Watching::is_alive(&other.pid) && !Watching::is_alive(&one.pid));
    // In place, as `>` in a shell does.
    fs::write(&path, manifest("again", "b")).unwrap();
    watching.restarts("one", "again");
    assert!(Watching::is_alive(&other.pid), "it is the same process all the time");
    watching.stop();
}

#[test]
fn files_that_are_swapped_through_a_link_are_seen() {
    let directory = Directory::new();
    for (version, word) in [("v1", "a"), ("v2", "b")] {
        fs::create_dir(directory.path(version)).unwrap();
        fs::write(directory.path(version).join("pod.toml"), manifest(word, "same")).unwrap();
    }
    symlink("v1", directory.path("..data")).unwrap();
    symlink("..data/pod.toml", directory.path("pod.toml")).unwrap();
    let watching = Watching::start(&directory.path("pod.toml"));
    let [_, other] = watching.both();
    symlink("v2", directory.path("..new")).unwrap();
    fs::rename(directory.path("..new"), directory.path("..data")).unwrap();
    watching.restarts("one", "b");
    // And in place where the link leads now.
    fs::write(directory.path("v2").join("pod.toml"), manifest("c", "same")).unwrap();
    watching.restarts("one", "c");
    assert!(Watching::is_alive(&other.pid));
    watching.stop();
}

#[test]
fn a_manifest_that_is_wrong_changes_nothing_and_is_told_of() {
    let directory = Directory::new();
    let path = directory.file("pod.toml", &manifest("a", "b"));
    let watching = Watching::start(&path);
    let [one, other] = watching.both();
    rename_over(&path, "[[containers]]\nname = \"Wrong\"\n");
    watching.podinit.wait_for_message("cannot take over the changed manifest; the pod goes on as it is");
    watching.podinit.wait_for_message("only lower-case letters");
    let added = format!("{}[[containers]]\nname = \"third\"\ncommand = [\"true\"]\n", manifest("a", "b"));
    rename_over(&path, &added);
    watching.podinit.wait_for_message("containers were added, removed or moved");
    assert!(Watching::is_alive(&one.pid) && Watching::is_alive(&other.pid));
    // What is right again is taken over.
    rename_over(&path, &manifest("a", "changed"));
    watching.restarts("other", "changed");
    assert!(Watching::is_alive(&one.pid));
    watching.stop();
}

#[test]
fn the_warnings_of_a_changed_manifest_are_told() {
    let directory = Directory::new();
    let path = directory.file("pod.toml", &manifest("a", "b"));
    let watching = Watching::start(&path);
    let [one, other] = watching.both();
    let ignored = "nodeSelector = { disk = \"fast\" }\n";
    let limits = "resources.limits.memory = \"1Gi\"\n";
    rename_over(&path, &(ignored.to_owned() + &manifest("a", "b") + limits));
    watching.podinit.wait_for_message("the changed manifest is taken over, with warnings");
    watching.podinit.wait_for_message("ignoring nodeSelector");
    // Resources are given to what runs (rule 174).
    watching.podinit.wait_for_message("container other has its new resources");
    assert!(Watching::is_alive(&one.pid) && Watching::is_alive(&other.pid));
    watching.stop();
}

/// The pod is in one of the files; what it refers to is in the other.
#[test]
fn every_file_of_a_manifest_is_watched() {
    let directory = Directory::new();
    let settings = |word: &str| {
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings}}, data: {{WORD: {word}}}}}")
    };
    let pod = directory.file(
        "pod.yaml",
        "
apiVersion: v1
kind: Pod
metadata: {name: two-files}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: one
    command: [sh, -c, 'echo $$$$ $$WORD; exec sleep 1000']
    envFrom: [{configMapRef: {name: settings}}]
",
    );
    let beside = directory.file("settings.yaml", &settings("a"));
    let mut command = Command::new(PODINIT);
    command.args(["run", "-v", "--watch", "--profile", "process"]).args([&pod, &beside]);
    let watching = Watching { podinit: Running::start(&mut command) };
    let one = watching.line();
    assert_eq!(one.word, "a");
    // As Kubernetes has it, a changed ConfigMap alone restarts nothing.
    rename_over(&beside, &settings("b"));
    watching.podinit.wait_for_message("the manifest has changed");
    assert!(Watching::is_alive(&one.pid));
    let changed = fs::read_to_string(&pod).unwrap().replace("sleep 1000", "sleep 2000");
    rename_over(&pod, &changed);
    watching.restarts("one", "b");
    watching.stop();
}

#[test]
fn standard_input_cannot_be_watched() {
    let ended = Running::start(Command::new(PODINIT).args(["run", "--watch", "-"])).end();
    assert_eq!(ended.code(), 125);
    assert!(ended.stderr.iter().any(|line| line.contains("standard input")), "{:?}", ended.stderr);
}

/// What replaces a whole directory, as a deployment does: by removing it and making it again, or by moving it
/// out of the way.
#[test]
fn a_directory_that_is_made_again_is_watched_again() {
    for is_moved in [false, true] {
        let directory = Directory::new();
        let place = directory.path("some/where");
        let path = place.join("pod.toml");
        fs::create_dir_all(&place).unwrap();
        fs::write(&path, manifest("a", "b")).unwrap();
        let watching = Watching::start(&path);
        let [_, other] = watching.both();
        for word in ["second", "third"] {
            if is_moved {
                fs::rename(directory.path("some"), directory.path(word)).unwrap();
            } else {
                fs::remove_dir_all(directory.path("some")).unwrap();
            }
            watching.podinit.wait_for_message("cannot take over the changed manifest");
            fs::create_dir_all(&place).unwrap();
            fs::write(&path, manifest(word, "b")).unwrap();
            watching.restarts("one", word);
        }
        assert!(Watching::is_alive(&other.pid));
        watching.stop();
    }
}
