//! Pods of shell scripts, written as TOML and as YAML.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Directory, PODINIT, Running};

/// A pod to be written down.
pub struct Pod {
    fields: Vec<(&'static str, String)>,
    delays: Option<(&'static str, &'static str)>,
    containers: Vec<Container>,
}

struct Container {
    list: &'static str,
    name: &'static str,
    command: Vec<String>,
    fields: Vec<(&'static str, String)>,
}

impl Pod {
    /// A pod with this restart policy.
    pub fn new(policy: &str) -> Self {
        Self::without_policy().with_pod_field("restartPolicy", policy)
    }

    pub fn without_policy() -> Self {
        Self { fields: Vec::new(), delays: None, containers: Vec::new() }
    }

    fn with_pod_field(mut self, key: &'static str, text: &str) -> Self {
        self.fields.push((key, quoted(text)));
        self
    }

    pub fn grace(mut self, seconds: u32) -> Self {
        self.fields.push(("terminationGracePeriodSeconds", seconds.to_string()));
        self
    }

    /// First and longest delay before restarts.
    pub fn delays(mut self, initial: &'static str, max: &'static str) -> Self {
        self.delays = Some((initial, max));
        self
    }

    pub fn init(self, name: &'static str, script: &str) -> Self {
        self.container("initContainers", name, &["sh", "-c", script])
    }

    pub fn sidecar(self, name: &'static str, script: &str) -> Self {
        self.init(name, script).with("restartPolicy", "Always")
    }

    pub fn main(self, name: &'static str, script: &str) -> Self {
        self.container("containers", name, &["sh", "-c", script])
    }

    /// A container of `initContainers` or `containers` with this command, word for word.
    pub fn container(mut self, list: &'static str, name: &'static str, words: &[&str]) -> Self {
        // A manifest says `$$` for `$` (rule 135).
        let command = words.iter().map(|word| word.replace("$$", "$$$$")).collect();
        self.containers.push(Container { list, name, command, fields: Vec::new() });
        self
    }

    /// The last container has this field as well.
    pub fn with(mut self, key: &'static str, text: &str) -> Self {
        self.containers.last_mut().unwrap().fields.push((key, quoted(text)));
        self
    }

    pub fn to_toml(&self) -> String {
        let mut text = "name = \"it\"\n".to_owned();
        for (key, value) in &self.fields {
            writeln!(text, "{key} = {value}").unwrap();
        }
        if let Some((initial, max)) = self.delays {
            let delays = format!("{{ initialDelaySeconds = {initial}, maxDelaySeconds = {max} }}");
            writeln!(text, "crashLoopBackOff = {delays}").unwrap();
        }
        for Container { list, name, command, fields } in &self.containers {
            write!(text, "[[{list}]]\nname = \"{name}\"\ncommand = {command:?}\n").unwrap();
            for (key, value) in fields {
                writeln!(text, "{key} = {value}").unwrap();
            }
        }
        text
    }

    pub fn to_yaml(&self) -> String {
        let mut text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: it\n".to_owned();
        if let Some((initial, max)) = self.delays {
            text.push_str("  annotations:\n");
            for (key, value) in [("initialDelaySeconds", initial), ("maxDelaySeconds", max)] {
                writeln!(text, "    podinit.dev/crashLoopBackOff.{key}: \"{value}\"").unwrap();
            }
        }
        text.push_str("spec:\n");
        for (key, value) in &self.fields {
            writeln!(text, "  {key}: {value}").unwrap();
        }
        for wanted in ["initContainers", "containers"] {
            let mut entries = self.containers.iter().filter(|container| container.list == wanted).peekable();
            if entries.peek().is_some() {
                writeln!(text, "  {wanted}:").unwrap();
            }
            for Container { name, command, fields, .. } in entries {
                write!(text, "  - name: {name}\n    command: {command:?}\n").unwrap();
                for (key, value) in fields {
                    writeln!(text, "    {key}: {value}").unwrap();
                }
            }
        }
        text
    }

    /// `podinit run OPTIONS` of this pod, whose containers work in the directory.
    pub fn command(&self, directory: &Directory, options: &[&str]) -> Command {
        command(directory.file("pod.toml", &self.to_toml()), directory, options)
    }

    pub fn command_of_yaml(&self, directory: &Directory, options: &[&str]) -> Command {
        command(directory.file("pod.yaml", &self.to_yaml()), directory, options)
    }

    pub fn start(&self, directory: &Directory, options: &[&str]) -> Running {
        Running::start(&mut self.command(directory, options))
    }

    /// Runs to the end and gives the exit code.
    pub fn code(&self, directory: &Directory, options: &[&str]) -> i32 {
        self.start(directory, options).end().code()
    }
}

fn command(file: PathBuf, directory: &Directory, options: &[&str]) -> Command {
    let mut command = Command::new(PODINIT);
    command.arg("run").args(options).arg(file).current_dir(directory.path("."));
    command
}

/// A string for both syntaxes.
fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// A script that says `up` and stays until a signal ends it.
pub const STAY: &str = "echo up; exec sleep 1000";

/// A script that says `up` and stays until a signal ends it, though not SIGTERM.
pub const IGNORE_TERM: &str = "trap '' TERM; echo up; exec sleep 1000";

/// A script that says `up`, stays, and answers signals with commands. It is its child that says `up`: on its
/// way to exec a child has the shell's handlers, and loses a signal that is meant to end it.
pub fn answering(answers: &[(&str, &str)]) -> String {
    let traps: String =
        answers.iter().map(|(signal, answer)| format!("trap '{answer}' {signal}; ")).collect();
    format!("{traps}sh -c \"{STAY}\" & while :; do wait $!; done")
}

/// The processes that work in this directory: those of a pod that was started there, and podinit.
pub fn processes_in(directory: &Directory) -> Vec<String> {
    let own = fs::canonicalize(directory.path(".")).unwrap();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let here = entries.filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == own));
    here.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// SPEC-14: a manifest is a regular file, of bounded size. What is none is neither waited for nor read.
#[test]
fn spec_14_what_is_no_manifest_by_its_kind_or_size_is_refused_at_once() {
    let directory = Directory::new();
    let whole = "[[containers]]\nname = \"main\"\ncommand = [\"true\"]\n";
    nix::unistd::mkfifo(&directory.path("fifo.toml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(directory.path("directory.toml")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path("socket.toml")).unwrap();
    // Ten gibibytes that take no room.
    let sparse = fs::File::create(directory.path("sparse.toml")).unwrap();
    sparse.set_len(10 << 30).unwrap();
    std::os::unix::fs::symlink("/dev/zero", directory.path("zero.toml")).unwrap();
    std::os::unix::fs::symlink(directory.file("whole.toml", whole), directory.path("link.toml")).unwrap();
    for (name, why) in [
        ("fifo.toml", "it is no regular file"),
        ("directory.toml", "it is no regular file"),
        ("socket.toml", "no such device or address"),
        ("sparse.toml", "it has more than 1 MiB"),
        ("zero.toml", "it is no regular file"),
    ] {
        // As much memory as a small program needs: ten gibibytes are not among it.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -v 600000; exec \"$0\" run \"$1\"", PODINIT]).arg(directory.path(name));
        let ended = Running::start(&mut command).end();
        assert_eq!(ended.code(), 125, "{name}: {ended:?}");
        assert!(ended.stderr[0].contains(why), "{name}: {ended:?}");
    }
    let mut command = Command::new(PODINIT);
    assert_eq!(Running::start(command.arg("run").arg(directory.path("link.toml"))).end().code(), 0);
}
