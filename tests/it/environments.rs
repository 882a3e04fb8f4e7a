//! What a pod can and cannot have as root, as an ordinary user and in containers of others (ROOTLESS-05,
//! ROOTLESS-06, ROOTLESS-07). The containers are made without a container runtime: namespaces and mounts by
//! unshare(1), Docker's filter of system calls by podinit's own copy of it, rights by setpriv(1).
//!
//! `PODINIT_BLESS=1` writes the tables of docs/isolation.md anew.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use podinit::plan::{Protection, runtime_default};
use podinit::spec::Capability;
use serde_json::Value;

use crate::harness::{Directory, Ended, PODINIT, Running, has};

/// Where podinit runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Environment {
    /// Root of a host.
    Root,
    /// An ordinary user of a host, without a range of ids.
    User,
    /// Root of a container of Docker's, as it is by default.
    Docker,
    /// An ordinary user in one.
    DockerUser,
    /// Kubernetes' standard "restricted": an ordinary user, no capabilities, no_new_privs, a read-only root.
    Restricted,
    /// Root of a container without a filter, but with parts of /proc covered: Podman's default, Docker's
    /// `seccomp=unconfined`.
    Unfiltered,
}

use Environment::{Docker, DockerUser, Restricted, Root, Unfiltered, User};

const NEEDS: [&str; 4] = ["root", "unshare", "setpriv", "python3"];

/// Installs filters without no_new_privs, as container runtimes do, and executes the rest.
const INSTALL: &str = r#"
import ctypes, os, sys
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
for path in sys.argv[1].split(":"):
    data = open(path, "rb").read()
    buffer = ctypes.create_string_buffer(data, len(data))
    program = Program(len(data) // 8, ctypes.addressof(buffer))
    if libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
        sys.exit("cannot install the filter: %d" % ctypes.get_errno())
os.execvp(sys.argv[2], sys.argv[2:])
"#;

impl Environment {
    const ALL: [Self; 6] = [Root, User, Docker, DockerUser, Restricted, Unfiltered];

    fn is_container(self) -> bool {
        !matches!(self, Root | User)
    }

    fn has_filter(self) -> bool {
        self.is_container() && self != Unfiltered
    }

    /// A shell's commands that make the file systems what they are there.
    fn mounts(self) -> String {
        let mut script = "set -e; mount -t tmpfs tmpfs /run; ".to_owned();
        for file in ["/etc/subuid", "/etc/subgid"] {
            script.push_str(&format!("[ ! -e {file} ] || mount --bind /dev/null {file}; "));
        }
        if self.is_container() {
            script.push_str("mount --bind /dev/null /proc/interrupts; mount --bind /proc/sys /proc/sys; ");
            script.push_str("mount -o remount,bind,ro /proc/sys; ");
        }
        if self == Restricted {
            script.push_str("mount --bind / /; cd /; mount -o remount,bind,ro /; ");
        }
        script
    }

    fn rights(self) -> String {
        let usual: Vec<_> = Capability::usual().map(|it| format!("+{}", it.name().to_lowercase())).collect();
        let usual = format!("--inh-caps=-all --bounding-set=-all,{}", usual.join(","));
        let user = "--reuid 1000 --regid 1000 --clear-groups --inh-caps=-all";
        match self {
            Root => "--reuid 0".to_owned(),
            User => user.to_owned(),
            Docker | Unfiltered => usual,
            DockerUser => format!("{usual} --reuid 1000 --regid 1000 --clear-groups"),
            Restricted => format!("{user} --bounding-set=-all --no-new-privs"),
        }
    }
}

/// One of them, with a copy of podinit that everybody can execute.
struct Host {
    environment: Environment,
    directory: Directory,
}

impl Host {
    fn new(environment: Environment) -> Self {
        let directory = Directory::new();
        let podinit = directory.path("podinit");
        fs::copy(PODINIT, &podinit).unwrap();
        for name in ["state", "home"] {
            fs::create_dir(directory.path(name)).unwrap();
            fs::set_permissions(directory.path(name), Permissions::from_mode(0o777)).unwrap();
        }
        directory.file("install.py", INSTALL);
        let usual = Capability::usual().fold(0, |bits, capability| bits | 1 << capability.number());
        let filter = runtime_default(usual).unwrap();
        for (number, program) in filter.programs().iter().enumerate() {
            let bytes = program.iter().flat_map(|it| {
                let [a, b] = it.code.to_ne_bytes();
                let [c, d, e, f] = it.operand.to_ne_bytes();
                [a, b, it.jump_true, it.jump_false, c, d, e, f]
            });
            fs::write(directory.path(&format!("filter-{number}")), bytes.collect::<Vec<_>>()).unwrap();
        }
        Self { environment, directory }
    }

    fn filters(&self) -> String {
        let paths = (0..).map(|number| self.directory.path(&format!("filter-{number}")));
        let paths: Vec<_> = paths.take_while(|path| path.exists()).collect();
        paths.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>().join(":")
    }

    /// Runs a script there, to its end. `$PODINIT` is podinit.
    fn sh(&self, script: &str) -> Ended {
        let directory = self.directory.path(".");
        let install = match self.environment.has_filter() {
            true => format!("python3 {}/install.py {}", directory.display(), self.filters()),
            false => "env".to_owned(),
        };
        let inside = format!(
            "{}exec {install} setpriv {} sh -c \"$SCRIPT\"",
            self.environment.mounts(),
            self.environment.rights()
        );
        let mut command = Command::new("unshare");
        let namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        command.args(namespaces).args(["sh", "-c", &inside]).current_dir("/");
        command.env("SCRIPT", format!("cd {}; {script}", directory.display()));
        command.env("PODINIT", self.directory.path("podinit"));
        command.env("XDG_RUNTIME_DIR", self.directory.path("state"));
        command.env("HOME", self.directory.path("home")).env_remove("XDG_DATA_HOME");
        Running::start(&mut command).end()
    }

    /// The user whom podinit runs as there.
    fn user(&self) -> u32 {
        if matches!(self.environment, Root | Docker | Unfiltered) { 0 } else { 1000 }
    }

    /// A filter under which the kernel has no landlock_create_ruleset(2), which has the number 444 everywhere.
    fn without_landlock(&self) -> String {
        let instructions: [(u16, u8, u8, u32); 4] = [
            (0x20, 0, 0, 0),                // load the number
            (0x15, 0, 1, 444),              // skip one unless it is this
            (0x06, 0, 0, 0x0005_0000 | 38), // SECCOMP_RET_ERRNO, ENOSYS
            (0x06, 0, 0, 0x7fff_0000),      // SECCOMP_RET_ALLOW
        ];
        let bytes = instructions.iter().flat_map(|(code, if_true, if_false, operand)| {
            let [a, b] = code.to_ne_bytes();
            let [c, d, e, f] = operand.to_ne_bytes();
            [a, b, *if_true, *if_false, c, d, e, f]
        });
        let path = self.directory.path("no-landlock");
        fs::write(&path, bytes.collect::<Vec<_>>()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn json(&self, command: &str) -> Value {
        let ended = self.sh(&format!("\"$PODINIT\" {command}"));
        serde_json::from_str(&ended.stdout.join("\n")).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }

    /// Runs a pod.
    fn run(&self, options: &str, manifest: &str) -> Ended {
        self.directory.file("pod.yaml", manifest);
        self.sh(&format!("\"$PODINIT\" run {options} pod.yaml"))
    }
}

/// A sidecar and a main container, with this in the pod and in the main container.
fn pod(of_pod: &str, of_main: &str) -> String {
    format!(
        r#"{{apiVersion: v1, kind: Pod, metadata: {{name: env-two}}, spec: {{restartPolicy: Never, {of_pod}
        volumes: [{{name: data, emptyDir: {{}}}}],
        initContainers: [{{name: side, image: x, restartPolicy: Always, 
          startupProbe: {{exec: {{command: ["true"]}}, periodSeconds: 1}},
          command: [sh, -c, 'trap "exit 0" TERM; while :; do sleep 0.1 & wait $!; done']}}],
        containers: [{{name: main, image: x, {of_main}
          command: [sh, -c, 'echo "$(id -u) $(hostname) $(cut -d" " -f1 /proc/self/stat | wc -l)"; exit 3']}}]}}}}"#
    )
}

/// Every protection that the profile has or a field asks for.
fn everything(profile: &str) -> (String, &'static [Protection]) {
    let in_pod = "securityContext: {sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: '0'}]},";
    let in_process = "shareProcessNamespace: true, hostname: other,";
    let main = "volumeMounts: [{name: data, mountPath: /mnt}],
         securityContext: {runAsUser: 1234, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]},
         seccompProfile: {type: RuntimeDefault}},";
    use Protection::{
        Capabilities, Cgroup, Hostname, Ipc, Mounts, Network, Processes, ReadOnlyRoot, Seccomp, Sysctls,
        User, Volumes,
    };
    match profile {
        "pod" => (
            pod(in_pod, main),
            // Whether a kernel has AppArmor and SELinux is the machine's.
            &[
                User,
                Capabilities,
                Seccomp,
                ReadOnlyRoot,
                Network,
                Processes,
                Ipc,
                Hostname,
                Cgroup,
                Mounts,
                Volumes,
                Sysctls,
            ],
        ),
        _ => (
            pod(in_process, main),
            &[User, Capabilities, Seccomp, ReadOnlyRoot, Processes, Hostname, Volumes],
        ),
    }
}

fn lost(host: &Host, options: &str, manifest: &str) -> BTreeSet<String> {
    host.directory.file("pod.yaml", manifest);
    let explained = host.json(&format!("explain -o json {options} pod.yaml"));
    let lost = explained["lost"].as_array().unwrap().iter();
    let lost = lost.filter(|loss| loss["class"] == "security");
    lost.map(|loss| loss["degrade"].as_str().unwrap().to_owned()).collect()
}

fn facts(host: &Host) -> Vec<(String, bool)> {
    let doctor = host.json("doctor --format json");
    let facts = doctor["facts"].as_array().unwrap().iter();
    facts.map(|fact| (fact["name"].as_str().unwrap().to_owned(), fact["ok"] == true)).collect()
}

/// What depends on the machine and not on the environment.
const OF_THE_MACHINE: [&str; 10] = [
    "pasta",
    "cgroup",
    "cpu",
    "memory",
    "pids",
    "landlock",
    "apparmor",
    "default-apparmor",
    "selinux",
    "lower-oom-score",
];

#[test]
fn the_environments_are_as_they_say() {
    if !has(&NEEDS) {
        return;
    }
    let script = "id -u; sed -n 's/^\\(CapEff\\|CapBnd\\|NoNewPrivs\\|Seccomp\\):.//p' /proc/self/status; \
                  touch /env-two 2>/dev/null && rm /env-two && echo writes || echo no; \
                  unshare -U true 2>/dev/null && echo user || echo no";
    for (environment, user, effective, bounding, rest) in [
        (Docker, "0", "00000000a80425fb", "00000000a80425fb", ["0", "2", "writes", "no"]),
        (DockerUser, "1000", "0000000000000000", "00000000a80425fb", ["0", "2", "no", "no"]),
        (Restricted, "1000", "0000000000000000", "0000000000000000", ["1", "2", "no", "no"]),
        (Unfiltered, "0", "00000000a80425fb", "00000000a80425fb", ["0", "0", "writes", "user"]),
    ] {
        let ended = Host::new(environment).sh(script);
        let expected = [&[user, effective, bounding][..], &rest].concat();
        assert_eq!(ended.stdout, expected, "{environment:?}: {ended:?}");
    }
}

#[test]
fn rootless_07_the_matrix_of_the_documentation_is_what_is_found() {
    if !has(&NEEDS) {
        return;
    }
    let hosts = Environment::ALL.map(Host::new);
    let found: Vec<_> = hosts.iter().map(facts).collect();
    let row = |name: &str, cells: Vec<bool>| {
        let cells = cells.iter().map(|is_there| if *is_there { "yes" } else { "no" });
        format!("| `{name}` | {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let head = |what: &str| {
        format!(
            "| {what} | root | user | Docker | Docker, user | restricted | no filter |\n|---|---|---|---|---|---|---|\n"
        )
    };
    let mut table = head("`podinit doctor`");
    for (index, (name, _)) in found[0].iter().enumerate() {
        if !OF_THE_MACHINE.contains(&name.as_str()) {
            table.push_str(&row(name, found.iter().map(|facts| facts[index].1).collect()));
        }
    }
    for profile in ["pod", "process"] {
        let (manifest, protections) = everything(profile);
        let lost: Vec<_> =
            hosts.iter().map(|host| lost(host, &format!("--profile {profile}"), &manifest)).collect();
        table.push_str(&format!("\n{}", head(&format!("profile `{profile}`"))));
        for name in protections.iter().map(|it| it.name()) {
            table.push_str(&row(name, lost.iter().map(|lost| !lost.contains(name)).collect()));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/isolation.md");
    let text = fs::read_to_string(&path).unwrap();
    let [start, end] = ["<!-- found by tests/it/environments.rs -->\n", "<!-- until here -->"];
    let (before, rest) = text.split_once(start).unwrap();
    let (recorded, after) = rest.split_once(end).unwrap();
    if std::env::var_os("PODINIT_BLESS").is_some() {
        fs::write(&path, format!("{before}{start}{table}{end}{after}")).unwrap();
    } else {
        assert!(recorded == table, "found:\n{table}");
    }
}

/// ROOTLESS-05, ROOTLESS-06: pods run everywhere, as what the profile says.
#[test]
fn a_pod_of_two_containers_runs_everywhere_in_profile_process() {
    if !has(&NEEDS) {
        return;
    }
    for environment in Environment::ALL {
        let host = Host::new(environment);
        let ended = host.run("--profile process", &pod("", ""));
        assert_eq!(ended.code(), 3, "{environment:?}: {ended:?}");
        let user =
            if matches!(environment, Root | Docker | Unfiltered) { "main | 0 " } else { "main | 1000 " };
        assert!(ended.stdout.iter().any(|line| line.starts_with(user)), "{environment:?}: {ended:?}");
    }
}

/// What "restricted" wants to be written is honoured there: it takes no right.
#[test]
fn rootless_06_the_restricted_standard_s_own_fields_are_honoured_there() {
    if !has(&NEEDS) {
        return;
    }
    let context = "securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, \
                   allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, \
                   seccompProfile: {type: RuntimeDefault}},";
    let ended = Host::new(Restricted).run("--profile process", &pod("", context));
    assert_eq!(ended.code(), 3, "{ended:?}");
    // On a host as well, but there the read-only root is honoured too.
    let host = Host::new(Restricted);
    let ended = host.run("--profile process", &pod("", "securityContext: {readOnlyRootFilesystem: true},"));
    assert_eq!((ended.code(), &ended.stdout[..]), (125, &[][..]), "{ended:?}");
    let message = ended.stderr.join("\n");
    assert!(message.contains("containers[0].securityContext.readOnlyRootFilesystem"), "{message}");
    assert!(message.contains("--degrade=read-only-root"), "{message}");
}

#[test]
fn profile_pod_runs_where_namespaces_are_and_is_refused_elsewhere_before_anything_is_done() {
    if !has(&NEEDS) {
        return;
    }
    for environment in Environment::ALL {
        let host = Host::new(environment);
        let ended = host.run("--host-rootfs", &pod("", ""));
        if environment.is_container() {
            assert_eq!((ended.code(), &ended.stdout[..]), (125, &[][..]), "{environment:?}: {ended:?}");
            let message = ended.stderr.join("\n");
            let remedy = "--security-opt systempaths=unconfined";
            assert!(message.contains(remedy) && message.contains("--profile process"), "{message}");
            assert!(message.contains("processes of its own (hostPID)"), "{message}");
            let left = fs::read_dir(host.directory.path("state")).unwrap().count();
            assert_eq!(left, 0, "{environment:?}");
        } else {
            assert_eq!(ended.code(), 3, "{environment:?}: {ended:?}");
            assert!(ended.stdout.iter().any(|line| line.starts_with("main | 0 env-two")), "{ended:?}");
        }
    }
}

/// Each loss is told once, with the name that accepted it.
#[test]
fn rootless_07_what_was_given_up_by_name_is_told_and_the_pod_runs() {
    if !has(&NEEDS) {
        return;
    }
    for environment in Environment::ALL {
        let host = Host::new(environment);
        let plain = pod("", "");
        let names = lost(&host, "--profile pod", &plain);
        assert_eq!(names.is_empty(), !environment.is_container(), "{environment:?}: {names:?}");
        let option = match names.is_empty() {
            true => "--degrade=all".to_owned(),
            false => format!("--degrade={}", names.iter().cloned().collect::<Vec<_>>().join(",")),
        };
        let ended = host.run(&format!("--host-rootfs {option}"), &plain);
        assert_eq!(ended.code(), 3, "{environment:?}: {ended:?}");
        let told = ended.stderr.iter().filter(|line| line.contains("as --degrade="));
        let told: Vec<_> = told.collect();
        let of_name = |name: &String| told.iter().any(|line| line.contains(&format!("--degrade={name} ")));
        assert!(names.iter().all(of_name), "{environment:?}: {names:?}: {told:?}");
        assert_eq!(told.is_empty(), names.is_empty(), "{environment:?}: {told:?}");
    }
}

/// ROOTLESS-07: with the options of a run `explain` tells what that run loses, and so does the pod's status.
#[test]
fn rootless_07_explain_and_the_status_tell_what_a_run_loses() {
    if !has(&NEEDS) {
        return;
    }
    let host = Host::new(Docker);
    let context = "securityContext: {runAsUser: 1234, readOnlyRootFilesystem: true}, \
                   resources: {limits: {memory: 64Mi}},";
    host.directory.file("pod.yaml", &pod("", context));
    let options = "--profile pod --host-rootfs --degrade=all";
    let ran = host.sh(&format!("\"$PODINIT\" run {options} --status-file status.json pod.yaml"));
    assert_eq!(ran.code(), 3, "{ran:?}");
    let told = ran.stderr.iter().filter_map(|line| line.strip_prefix("podinit: "));
    let told: BTreeSet<_> = told.filter(|line| line.starts_with("without ")).map(str::to_owned).collect();
    assert!(told.len() > 5, "{ran:?}");
    let explained = host.json(&format!("explain -o json {options} pod.yaml"));
    let not_honoured = explained["notHonoured"].as_array().unwrap().iter();
    let not_honoured: BTreeSet<_> = not_honoured.map(|line| line.as_str().unwrap().to_owned()).collect();
    let limit = |lines: &BTreeSet<String>| {
        lines.iter().find(|line| line.contains("cannot enforce the memory limit of container main")).cloned()
    };
    let without = not_honoured.iter().filter(|line| line.starts_with("without ")).cloned();
    assert_eq!(without.collect::<BTreeSet<_>>(), told);
    let losses = explained["lost"].as_array().unwrap();
    assert!(
        losses.iter().all(|loss| (loss["class"] == "security") == (loss["accepted"] == true)),
        "{losses:#?}"
    );
    let status: Value =
        serde_json::from_slice(&fs::read(host.directory.path("status.json")).unwrap()).unwrap();
    let conditions = status["status"]["conditions"].as_array().unwrap();
    let degraded = conditions.iter().find(|it| it["type"] == "podinit.dev/Degraded").unwrap();
    let shown = degraded["message"].as_str().unwrap().lines().map(str::to_owned).collect::<BTreeSet<_>>();
    assert!(shown.is_superset(&told), "{degraded:#}");
    assert!(limit(&shown).is_some() && limit(&shown) == limit(&not_honoured), "{shown:?} {not_honoured:?}");
    // Without an option that names the files of its image the run is refused, and so is said.
    let other = host.json("explain -o json --profile pod --image y=/srv --degrade=all pod.yaml");
    let other = other["notHonoured"].to_string();
    assert!(other.contains("image \\\"x\\\" is not available"), "{other}");
}

#[test]
fn doctor_says_by_its_exit_code_whether_profile_pod_can_run_and_leaves_nothing() {
    if !has(&NEEDS) {
        return;
    }
    let script = "cat /proc/self/mountinfo >/dev/shm/env-before; cat /proc/sys/kernel/hostname; \"$PODINIT\" doctor; \
                  echo code $?; cat /proc/sys/kernel/hostname; \
                  cat /proc/self/mountinfo | cmp - /dev/shm/env-before && echo same; \
                  echo processes $(ls /proc | grep -c '^[0-9]'); rm /dev/shm/env-before";
    for environment in Environment::ALL {
        let ended = Host::new(environment).sh(script);
        let code = if environment.is_container() { "code 1" } else { "code 0" };
        assert!(ended.stdout.iter().any(|line| line == code), "{environment:?}: {ended:?}");
        assert!(ended.stdout.iter().any(|line| line == "same"), "{environment:?}: {ended:?}");
        // The shell, and the pipe that counts.
        let processes = ended.stdout.last().unwrap();
        assert!(["processes 3", "processes 4"].contains(&processes.as_str()), "{environment:?}: {processes}");
        let (first, names) = (&ended.stdout[0], ended.stdout.iter());
        assert_eq!(names.filter(|line| *line == first).count(), 2, "{environment:?}: {ended:?}");
    }
}

/// What a container may write where its root should be read-only and mounts cannot be made.
const WRITES: &str = r#"t() { "$@" 2>/dev/null && echo yes || echo no; }
    try() { printf '%s ' "$1"; shift; t "$@"; }
    cd $D
    try new sh -c 'echo x > new'
    try old sh -c 'echo x > old'
    try append sh -c 'echo x >> old'
    try cut truncate -s 0 old
    try directory mkdir directory
    try remove rm -f old
    try move mv old volume/old
    try link ln -s x link
    try volume sh -c 'mkdir volume/a volume/b && echo x > volume/a/x && mv volume/a/x volume/b/ && rm -r volume/a volume/b'
    try file sh -c 'echo x > one'
    try fixed sh -c 'echo x > fixed/x'
    try null sh -c 'echo x > /dev/null'
    try device mkdir /dev/shm/landlock-made
    try read grep -q text old
    try chmod chmod 600 old
    sed -n 's/^NoNewPrivs:./privileges /p' /proc/self/status"#;

/// The pod of these tests: a main container that tries to write, and says what came of it. A command in the
/// container, its postStart hook, tries one thing as well.
fn writes(host: &Host, of_context: &str) -> String {
    let directory = fs::canonicalize(host.directory.path(".")).unwrap();
    for name in ["volume", "fixed"] {
        fs::create_dir_all(directory.join(name)).unwrap();
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o777)).unwrap();
    }
    for name in ["old", "one"] {
        fs::write(directory.join(name), "text\n").unwrap();
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o666)).unwrap();
        std::os::unix::fs::chown(directory.join(name), Some(host.user()), None).unwrap();
    }
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    let directory = directory.display();
    let script = WRITES.replace('\n', "\n              ");
    format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: env-landlock}}
spec:
  restartPolicy: Never
  volumes: [{{name: data, emptyDir: {{}}}}]
  containers:
  - name: main
    image: x
    env: [{{name: D, value: "{directory}"}}]
    securityContext: {{readOnlyRootFilesystem: true, {of_context}}}
    volumeMounts:
    - {{name: data, mountPath: "{directory}/volume"}}
    - {{name: data, mountPath: "{directory}/one", subPath: one}}
    - {{name: data, mountPath: "{directory}/fixed", readOnly: true}}
    - {{name: data, mountPath: "{directory}/missing"}}
    lifecycle: {{postStart: {{exec: {{command: [sh, -c, 'echo x > {directory}/hook; echo x > {directory}/volume/hook']}}}}}}
    command:
    - sh
    - -c
    - |
              while [ ! -e $D/volume/hook ]; do sleep 0.05; done
              [ -e $D/hook ] && echo hook yes || echo hook no
              {script}
"#
    )
}

/// PRIV-12: Landlock stands in for a read-only root whose loss was accepted, and for nothing that was not.
#[test]
fn priv_12_landlock_stands_in_for_a_read_only_root_where_no_mount_can_be_made() {
    if !has(&[&NEEDS[..], &["landlock"]].concat()) {
        return;
    }
    // Where the root is read-only already there is nothing to be seen.
    for environment in [Docker, DockerUser] {
        let host = Host::new(environment);
        let manifest = writes(&host, "");
        let options = "--profile process --strict --degrade=read-only-root,volumes";
        let ended = host.run(options, &manifest);
        assert_eq!(ended.code(), 0, "{environment:?}: {ended:?}");
        let expected = [
            "hook no",
            "new no",
            "old no",
            "append no",
            "cut no",
            "directory no",
            "remove no",
            "move no",
            "link no",
            "volume yes",
            "file yes",
            "fixed no",
            "null yes",
            "device no",
            "read yes",
            // What is not covered is told below.
            "chmod yes",
            "privileges 1",
        ];
        let expected: Vec<_> = expected.iter().map(|line| format!("main | {line}")).collect();
        assert_eq!(ended.stdout, expected, "{environment:?}: {ended:?}");
        let told = ended.stderr.iter().filter(|line| line.contains("as --degrade=read-only-root accepts"));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 1, "{ended:?}");
        for words in ["Landlock (ABI ", "weaker", "new privileges", "chmod, chown, times"] {
            assert!(told[0].contains(words), "{told:?}");
        }
        // Who has not accepted it is told of it, and nothing is run.
        let refused = host.run("--profile process --degrade=volumes", &manifest);
        assert_eq!((refused.code(), &refused.stdout[..]), (125, &[][..]), "{refused:?}");
        let message = refused.stderr.join("\n");
        assert!(message.contains("with --degrade=read-only-root Landlock (ABI "), "{message}");
    }
}

/// PRIV-12: what Landlock would take from a container that asked to keep it is not taken, and it is told.
#[test]
fn priv_12_where_landlock_cannot_stand_in_the_loss_is_told_as_one_and_strict_refuses_it() {
    if !has(&[&NEEDS[..], &["landlock"]].concat()) {
        return;
    }
    let host = Host::new(Docker);
    let options = "--profile process --degrade=read-only-root,volumes";
    let of_hosts_without = format!(
        "setpriv --no-new-privs python3 install.py {} \"$PODINIT\" run {options}",
        host.without_landlock()
    );
    let with = format!("\"$PODINIT\" run {options}");
    for (context, run, why) in [
        ("allowPrivilegeEscalation: true", &with, "which the container asks for (`allowPrivilegeEscalation"),
        ("", &of_hosts_without, "nothing stands in for it: this kernel has no Landlock"),
    ] {
        let manifest = writes(&host, context);
        host.directory.file("pod.yaml", &manifest);
        let ended = host.sh(&format!("{run} pod.yaml"));
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(ended.stdout.contains(&"main | new yes".to_owned()), "{ended:?}");
        assert!(ended.stderr.iter().any(|line| line.contains(why)), "{ended:?}");
        let strict = host.sh(&format!("{run} --strict pod.yaml"));
        assert_eq!((strict.code(), &strict.stdout[..]), (125, &[][..]), "{strict:?}");
        assert!(strict.stderr.iter().any(|line| line.contains("--strict refuses that")), "{strict:?}");
    }
}
