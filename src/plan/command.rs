//! What one attempt executes: program, arguments, environment, working directory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt;

use super::environment::{FilesRead, MOST_EXPANDED, Surroundings, VolumeFilesRead, variables};
use super::isolation::ContainerIsolation;
use super::mounts::{MountPlan, mounts};
use crate::spec::{Container, EnvFrom, EnvFromSource, EnvValue, Pod, SubPath, VolumeMount, expand};

/// Searched where the environment has no PATH: what container images are built with.
const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Names an attempt in the environment of its processes, so that what it leaves behind is known.
const MARKER: &str = "PODINIT_ATTEMPT";

/// What the host contributes to an attempt. Without a `Debug` form: there are secrets in it.
#[derive(Clone, Copy)]
pub struct AttemptInputs<'a> {
    /// The environment that containers inherit, as [`inherited`] gives it.
    pub environment: &'a [&'static CStr],
    /// Value of PODINIT_ATTEMPT, where the attempt needs to be told from others.
    pub marker: Option<&'a str>,
    /// There where [`asks_for_surroundings`](super::asks_for_surroundings) says that they are needed.
    pub surroundings: Option<&'a Surroundings>,
    /// Every file of [`files`](super::files).
    pub files: &'a FilesRead,
    /// Every file of [`volume_env_files`](super::volume_env_files).
    pub volume_files: &'a VolumeFilesRead,
    /// In profile `pod`: what a node sets where the manifest does not.
    pub node: Option<NodeVariables<'a>>,
}

/// Variables that a container of a node has beside its own (rule 143).
#[derive(Clone, Copy, Debug)]
pub struct NodeVariables<'a> {
    /// HOSTNAME.
    pub hostname: &'a str,
    /// HOME.
    pub home: &'a [u8],
}

/// What to execute, as execve(2) wants it. What is inherited is not copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandPlan {
    /// Files to try in order; never empty.
    pub programs: Vec<CString>,
    /// The first is the program's name as given.
    pub arguments: Vec<CString>,
    /// `NAME=value`.
    pub environment: Vec<Cow<'static, CStr>>,
    /// `None`: the supervisor's own.
    pub working_dir: Option<CString>,
    /// What messages call the program: its name as given, or as written where a secret may be in it.
    pub shown: String,
}

impl CommandPlan {
    /// One variable more, `NAME=value`, that nothing of the manifest refers to.
    pub fn add_variable(&mut self, variable: &str) {
        self.environment.push(Cow::Owned(c_string(variable.as_bytes().to_vec())));
    }
}

/// The variables that containers inherit in profile `process`: podinit's own without those that are
/// meant for podinit alone.
pub fn inherited(own: impl Iterator<Item = &'static CStr>) -> Vec<&'static CStr> {
    let is_private = |variable: &&CStr| {
        let name = name_of(variable);
        name.starts_with(b"PODINIT_") || FOR_SUPERVISOR.contains(&name)
    };
    own.filter(|variable| !is_private(variable)).collect()
}

/// What systemd tells a service (sd_listen_fds(3), sd_notify(3)). Other names with `LISTEN_` are users' own.
const FOR_SUPERVISOR: [&[u8]; 5] =
    [b"NOTIFY_SOCKET", b"LISTEN_PID", b"LISTEN_FDS", b"LISTEN_FDNAMES", b"LISTEN_PIDFDID"];

/// The plan for an attempt of a container of a manifest. `$(NAME)` is expanded from the manifest's own
/// variables, never from inherited ones (rules 133 to 135).
///
/// # Errors
/// What the container cannot be configured with, in words for people (rule 140).
pub fn container(pod: &Pod, container: &Container, inputs: AttemptInputs<'_>) -> Result<CommandPlan, String> {
    let own = variables(pod, container, inputs)?;
    let words = container.command.iter().chain(&container.args);
    let arguments = expanded(words, |name| own.get(name));
    let is_own = |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| own.get(name).is_some());
    let inherited = inputs.environment.iter().filter(|variable| !is_own(name_of(variable)));
    let inherited = inherited.map(|variable| Cow::Borrowed(*variable));
    let marker = inputs.marker.map(|marker| (MARKER, marker));
    let given = own.in_order().into_iter().chain(marker);
    let given = given.map(|(name, value)| Cow::Owned(c_string(format!("{name}={value}").into_bytes())));
    let node = inputs.node.map(|node| node_variables(node, container.tty)).unwrap_or_default().into_iter();
    let node = node.filter(|variable| !is_own(name_of(variable))).map(Cow::Owned);
    let environment = inherited.chain(node).chain(given).collect();
    let written = container.command.first().or_else(|| container.args.first());
    let directory = working_dir(container).or_else(|| inputs.node.map(|_| c"/".to_owned()));
    let plan = plan(arguments, environment, directory);
    let shown = match written.filter(|word| word.contains("$(") && may_have_secrets(container)) {
        Some(written) => written.clone(),
        None => plan.shown,
    };
    Ok(CommandPlan { shown, ..plan })
}

/// What the container mounts at this attempt; nothing where it has no files of its own.
///
/// # Errors
/// What the container cannot be configured with, in words for people (rule 148).
pub fn container_mounts(
    pod: &Pod,
    container: &Container,
    isolation: &ContainerIsolation,
    inputs: AttemptInputs<'_>,
) -> Result<Option<MountPlan>, String> {
    let is_expression = |mount: &VolumeMount| matches!(mount.sub_path, SubPath::Expression(_));
    if !container.volume_mounts.iter().any(is_expression) {
        return mounts(pod, container, isolation, |_| None);
    }
    let own = variables(pod, container, inputs)?;
    mounts(pod, container, isolation, |name| own.get(name))
}

fn node_variables(node: NodeVariables<'_>, has_terminal: bool) -> Vec<CString> {
    let variable = |name: &[u8], value: &[u8]| c_string([name, b"=", value].concat());
    let mut variables = vec![
        variable(b"PATH", DEFAULT_PATH),
        variable(b"HOSTNAME", node.hostname.as_bytes()),
        variable(b"HOME", node.home),
    ];
    if has_terminal {
        variables.push(variable(b"TERM", b"xterm"));
    }
    variables
}

/// Whether a variable of the container may hold a secret.
fn may_have_secrets(container: &Container) -> bool {
    let is_secret = |value: &EnvValue| matches!(value, EnvValue::SecretKey(_) | EnvValue::FileKey(_));
    let is_of_secret = |from: &EnvFrom| matches!(from.source, EnvFromSource::Secret(_));
    let files = container.env_files.len() + container.env_from_files.len();
    files > 0
        || container.env_from.iter().any(is_of_secret)
        || container.env.iter().any(|variable| is_secret(&variable.value))
}

/// The plan for a probe's command, which runs beside the container with the environment that it was started
/// with. `$(NAME)` is what the manifest has written for the variable, and nothing for one that comes from
/// elsewhere (rule 135).
pub fn probe(container: &Container, command: &[String], environment: &[Cow<'static, CStr>]) -> CommandPlan {
    let mut written = BTreeMap::new();
    for variable in &container.env {
        let value = match &variable.value {
            EnvValue::Literal(text) => text.as_str(),
            EnvValue::ConfigMapKey(_) | EnvValue::SecretKey(_) => "",
            EnvValue::FileKey(_) | EnvValue::Field(_) | EnvValue::Resource(_) => "",
        };
        // The last of equal names counts.
        written.insert(variable.name.as_str(), value);
    }
    let arguments = expanded(command.iter(), |name| written.get(name).copied());
    plan(arguments, environment.to_vec(), working_dir(container))
}

/// The plan for a hook's command, which runs beside the container with the environment that it was started
/// with. Nothing is expanded (rule 72).
pub fn hook(container: &Container, command: &[String], environment: &[Cow<'static, CStr>]) -> CommandPlan {
    let arguments = command.iter().map(|word| c_string(word.clone().into_bytes())).collect();
    plan(arguments, environment.to_vec(), working_dir(container))
}

/// The plan for a command line that is executed as it is.
pub fn exact(arguments: &[OsString], environment: &[&'static CStr]) -> CommandPlan {
    let arguments = arguments.iter().map(|argument| c_string(argument.clone().into_vec())).collect();
    let environment = environment.iter().map(|variable| Cow::Borrowed(*variable)).collect();
    plan(arguments, environment, None)
}

/// Words with `$(NAME)` put in.
fn expanded<'v>(
    words: impl Iterator<Item = impl AsRef<str>>,
    known: impl Fn(&str) -> Option<&'v str>,
) -> Vec<CString> {
    let mut made = 0;
    let mut word = |word: &str| {
        if made > MOST_EXPANDED {
            return word.to_owned();
        }
        let expanded = expand(word, &known);
        made += expanded.len();
        expanded
    };
    words.map(|written| c_string(word(written.as_ref()).into_bytes())).collect()
}

fn working_dir(container: &Container) -> Option<CString> {
    container.working_dir.as_ref().map(|directory| c_string(directory.clone().into_bytes()))
}

fn plan(
    arguments: Vec<CString>,
    environment: Vec<Cow<'static, CStr>>,
    working_dir: Option<CString>,
) -> CommandPlan {
    let path = environment.iter().find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
    let name = arguments.first().map_or(&b""[..], |name| name.to_bytes());
    let (programs, shown) =
        (search(name, path.unwrap_or(DEFAULT_PATH)), String::from_utf8_lossy(name).into_owned());
    CommandPlan { programs, arguments, environment, working_dir, shown }
}

fn name_of(variable: &CStr) -> &[u8] {
    variable.to_bytes().split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Where a program of this name may be, as execvp(3) looks: a name with a slash is a path, and an empty
/// entry of PATH is the working directory.
fn search(name: &[u8], path: &[u8]) -> Vec<CString> {
    if name.is_empty() || name.contains(&b'/') {
        return vec![c_string(name.to_vec())];
    }
    let files = path.split(|byte| *byte == b':').map(|directory| match directory {
        [] => name.to_vec(),
        directory => [directory, b"/", name].concat(),
    });
    files.map(c_string).collect()
}

/// Neither manifests nor arguments can contain a NUL; what did would be cut there, as the kernel does.
fn c_string(bytes: Vec<u8>) -> CString {
    CString::new(bytes).unwrap_or_else(|error| {
        let end = error.nul_position();
        let mut bytes = error.into_vec();
        bytes.truncate(end);
        CString::new(bytes).unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{EnvVar, PodField};

    fn with_env(env: &[(&str, &str)], command: &[&str]) -> Container {
        let variable = |(name, value): &(&str, &str)| EnvVar {
            name: (*name).into(),
            value: EnvValue::Literal((*value).into()),
        };
        Container {
            env: env.iter().map(variable).collect(),
            command: command.iter().map(|word| (*word).into()).collect(),
            ..Container::named("main")
        }
    }

    static NO_FILES: FilesRead = FilesRead::new();
    static NO_VOLUME_FILES: VolumeFilesRead = VolumeFilesRead::new();

    fn inputs<'a>(environment: &'a [&'static CStr]) -> AttemptInputs<'a> {
        AttemptInputs {
            environment,
            marker: None,
            surroundings: None,
            files: &NO_FILES,
            volume_files: &NO_VOLUME_FILES,
            node: None,
        }
    }

    /// The plan in a pod of which nothing is known.
    fn container(container: &Container, inputs: AttemptInputs<'_>) -> CommandPlan {
        super::container(&Pod::named("pod"), container, inputs).unwrap()
    }

    fn environment(plan: &CommandPlan) -> Vec<&str> {
        plan.environment.iter().map(|variable| variable.to_str().unwrap()).collect()
    }

    #[test]
    fn rule_133_the_last_of_two_equal_names_counts() {
        let plan = container(&with_env(&[("A", "1"), ("B", "$(A)"), ("A", "2")], &["x"]), inputs(&[]));
        assert_eq!(environment(&plan), ["B=1", "A=2"]);
    }

    #[test]
    fn rule_134_only_earlier_variables_of_the_manifest_are_known() {
        let host = [c"HOME=/root"];
        let plan = container(&with_env(&[("A", "$(B)$(HOME)"), ("B", "b")], &["x"]), inputs(&host));
        assert_eq!(environment(&plan), ["HOME=/root", "A=$(B)$(HOME)", "B=b"]);
    }

    #[test]
    fn rule_135_command_and_arguments_know_the_final_environment() {
        let plan = container(&with_env(&[("A", "1"), ("A", "2")], &["echo", "$(A)", "$$(A)"]), inputs(&[]));
        assert_eq!(plan.arguments, [c"echo".to_owned(), c"2".to_owned(), c"$(A)".to_owned()]);
    }

    #[test]
    fn rule_135_a_probe_s_command_knows_values_as_written() {
        let mut of = with_env(&[("B", "b"), ("A", "$(B)"), ("B", "c")], &["x"]);
        of.env.push(EnvVar { name: "C".to_owned(), value: EnvValue::Field(PodField::Name) });
        let started = container(&of, inputs(&[]));
        let words = ["test", "$(A)", "$(B)", "[$(C)]", "$(D)"].map(str::to_owned);
        let plan = probe(&of, &words, &started.environment);
        let expected = [c"test", c"$(B)", c"c", c"[]", c"$(D)"];
        assert_eq!(plan.arguments, expected.map(CStr::to_owned));
        assert_eq!(environment(&plan), ["A=b", "B=c", "C=pod"]);
    }

    #[test]
    fn rule_72_a_hook_s_command_is_not_expanded() {
        let of = with_env(&[("A", "1"), ("PATH", "/x")], &["y"]);
        let started = container(&of, inputs(&[]));
        let plan = hook(&of, &["z".to_owned(), "$(A)$$".to_owned()], &started.environment);
        assert_eq!(plan.arguments, [c"z".to_owned(), c"$(A)$$".to_owned()]);
        assert_eq!(environment(&plan), ["A=1", "PATH=/x"]);
        assert_eq!(plan.programs, [c"/x/z".to_owned()]);
    }

    #[test]
    fn a_variable_of_the_manifest_replaces_the_inherited_one() {
        let plan = container(&with_env(&[("A", "own")], &["x"]), inputs(&[c"A=host", c"AB=host"]));
        assert_eq!(environment(&plan), ["AB=host", "A=own"]);
    }

    #[test]
    fn an_attempt_is_marked_where_it_is_told_from_others() {
        let inputs = AttemptInputs { marker: Some("1/0/2"), ..inputs(&[]) };
        assert_eq!(environment(&container(&with_env(&[], &["x"]), inputs)), ["PODINIT_ATTEMPT=1/0/2"]);
    }

    #[test]
    fn an_exact_command_line_is_not_expanded() {
        let plan = exact(&["sh".into(), "-c".into(), "echo $$ $(A)".into()], &[]);
        assert_eq!(plan.arguments, [c"sh".to_owned(), c"-c".to_owned(), c"echo $$ $(A)".to_owned()]);
    }

    #[test]
    fn a_program_that_may_be_a_secret_is_shown_as_it_is_written() {
        let mut of = with_env(&[("A", "a")], &["$(A)", "b"]);
        assert_eq!(container(&of, inputs(&[])).shown, "a");
        of.env_files.push("a.env".to_owned());
        let files = FilesRead::from([("a.env".to_owned(), Ok(b"S=hunter2".to_vec()))]);
        of.command = vec!["$(S)".to_owned()];
        let plan = container(&of, AttemptInputs { files: &files, ..inputs(&[]) });
        assert_eq!((plan.shown.as_str(), &*plan.arguments[0]), ("$(S)", c"hunter2"));
    }

    #[test]
    fn programs_are_looked_for_as_execvp_does() {
        let found = |name: &[u8], path: &[u8]| -> Vec<String> {
            search(name, path).into_iter().map(|file| file.into_string().unwrap()).collect()
        };
        assert_eq!(found(b"ls", b"/bin::/usr/bin"), ["/bin/ls", "ls", "/usr/bin/ls"]);
        assert_eq!(found(b"./ls", b"/bin"), ["./ls"]);
        assert_eq!(found(b"", b"/bin"), [""]);
        assert_eq!(exact(&["ls".into()], &[c"PATH=/x"]).programs, [c"/x/ls".to_owned()]);
    }

    #[test]
    fn what_is_meant_for_podinit_is_not_inherited() {
        let private = [c"PODINIT_LOG=x", c"LISTEN_FDS=1", c"LISTEN_PID=1", c"NOTIFY_SOCKET=/x"];
        let users = [c"PATH=/x", c"NOTIFY_SOCKETS=x", c"LISTEN_ADDR=:80", c"PODINITX=1"];
        assert_eq!(inherited(private.into_iter().chain(users)), users);
    }
}
