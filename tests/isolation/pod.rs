//! A pod under test: its manifest, its root file system with busybox and the probe, and who runs it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Directory, Ended, PODINIT, Running, has};

/// An ordinary user, and the first of the ids that he has beside his own, if any.
pub const USER: u32 = 1000;
pub const FIRST_ID: u32 = 200_000;

/// Who runs podinit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// root, who has all ids.
    Root,
    /// An ordinary user, who has his own id only.
    User,
    /// An ordinary user with a range of ids in /etc/subuid.
    Ranged,
    /// root, whose pods have users of their own: `hostUsers: false`.
    OwnUsers,
}

impl Who {
    /// Everybody whose pods are as podinit makes them without being asked for more.
    pub const ALL: [Self; 3] = [Self::Root, Self::User, Self::Ranged];
    /// Who has a user namespace.
    pub const ROOTLESS: [Self; 2] = [Self::User, Self::Ranged];

    /// As whom podinit runs, seen from the host.
    pub fn uid(self) -> u32 {
        if self.is_root() { 0 } else { USER }
    }

    /// Whether podinit is root.
    pub fn is_root(self) -> bool {
        [Self::Root, Self::OwnUsers].contains(&self)
    }

    /// Whoever of these there can be here.
    pub fn among(all: &[Self]) -> Vec<Self> {
        if !has(&["root", "busybox", "setpriv", "unshare", "newuidmap"]) {
            return Vec::new();
        }
        all.to_vec()
    }
}

/// A pod that has not been started.
pub struct Pod {
    pub who: Who,
    pub name: String,
    /// Its files: root file system, manifest, whatever the test adds.
    pub directory: Directory,
    manifest: String,
    options: Vec<String>,
    before: String,
    own_mounts: Option<String>,
}

impl Pod {
    /// A pod without containers. Its files belong to whoever runs it.
    pub fn new(who: Who) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("podinit-isolation-{}-{number}", std::process::id());
        let directory = Directory::new();
        fs::set_permissions(directory.path("."), Permissions::from_mode(0o755)).unwrap();
        let pod = Self {
            who,
            manifest: format!(
                "name = \"{name}\"\nprofile = \"pod\"\nrestartPolicy = \"Never\"\n\
                 terminationGracePeriodSeconds = 1\n"
            ),
            name,
            directory,
            options: Vec::new(),
            before: String::new(),
            own_mounts: None,
        };
        pod.make_root();
        if who == Who::OwnUsers { pod.with("hostUsers = false") } else { pod }
    }

    /// A pod of one container that runs this in a shell.
    pub fn script(who: Who, script: &str) -> Self {
        Self::new(who).main("main", script, "")
    }

    /// Adds keys of the pod itself; before any container.
    pub fn with(mut self, keys: &str) -> Self {
        assert!(!self.manifest.contains("[["), "keys of the pod come first");
        if keys.contains("restartPolicy") {
            self.manifest = self.manifest.replace("restartPolicy = \"Never\"\n", "");
        }
        self.manifest += keys;
        self.manifest.push('\n');
        self
    }

    /// Adds a volume, as keys of TOML.
    pub fn volume(mut self, name: &str, keys: &str) -> Self {
        self.manifest += &format!("[[volumes]]\nname = \"{name}\"\n{keys}\n");
        self
    }

    /// Adds a main container with these further keys.
    pub fn main(self, name: &str, script: &str, keys: &str) -> Self {
        self.container("containers", name, script, keys)
    }

    /// Adds an init container with these further keys.
    pub fn init(self, name: &str, script: &str, keys: &str) -> Self {
        self.container("initContainers", name, script, keys)
    }

    fn container(self, list: &str, name: &str, script: &str, keys: &str) -> Self {
        assert!(!script.contains("'''"));
        // In a command `$$` stands for `$`, as in Kubernetes.
        let script = script.replace("$$", "$$$$");
        self.words(list, name, &format!("[\"sh\", \"-c\", '''\n{script}''']"), keys)
    }

    /// Adds a container of this command line.
    pub fn words(mut self, list: &str, name: &str, words: &str, keys: &str) -> Self {
        self.manifest +=
            &format!("[[{list}]]\nname = \"{name}\"\nimage = \"files\"\ncommand = {words}\n{keys}\n");
        self
    }

    /// Options of `podinit run`.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// Its containers have this host's own files, those that there are so far.
    pub fn on_host(mut self) -> Self {
        self.manifest = self.manifest.replace("image = \"files\"\n", "image = \"host\"\n");
        self.options(&["--host-rootfs"])
    }

    /// The root file system of its containers so far is given as a path relative to where podinit is started.
    pub fn with_relative_root(mut self) -> Self {
        self.manifest = self.manifest.replace("image = \"files\"\n", "image = \"relative\"\n");
        self.options(&["--image", "relative=root"])
    }

    /// A line for bash that comes before podinit, in the process that becomes it.
    pub fn before(mut self, line: &str) -> Self {
        self.before = line.to_owned();
        self
    }

    /// Lines for bash, as root, in a mount namespace of the test's own: of what is mounted there the host sees
    /// nothing. None are the host's mounts.
    pub fn in_own_mounts(mut self, lines: &str) -> Self {
        self.own_mounts = (!lines.is_empty()).then(|| lines.to_owned());
        self
    }

    /// Where the pod's volumes on disk are while it runs.
    pub fn disk(&self) -> PathBuf {
        let base = if self.who.is_root() { PathBuf::from("/var/lib") } else { self.data_home() };
        base.join("podinit/pods").join(&self.name)
    }

    /// The directory of a claim that has the pod's name, which belongs to whoever runs it. Gone with the pod.
    pub fn claim(&self) -> PathBuf {
        let claims = self.disk().parent().unwrap().parent().unwrap().join("claims");
        if !claims.exists() {
            fs::create_dir_all(&claims).unwrap();
            self.give(claims.parent().unwrap());
            self.give(&claims);
        }
        let path = claims.join(&self.name);
        fs::create_dir(&path).unwrap();
        self.give(&path);
        path
    }

    /// A file of the root file system, or a directory, seen from the host.
    pub fn root(&self, below: &str) -> PathBuf {
        let root = self.directory.path("root");
        if below.is_empty() { root } else { root.join(below.trim_start_matches('/')) }
    }

    /// Writes a file into the root file system.
    pub fn file(&self, below: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.root(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        self.give(&path);
        path
    }

    /// Makes a directory of the host that whoever runs the pod may write to.
    pub fn host_directory(&self, name: &str) -> PathBuf {
        let path = self.directory.path(name);
        fs::create_dir(&path).unwrap();
        self.give(&path);
        path
    }

    /// The program that does what busybox cannot: this one, under another name.
    pub fn with_probe(self) -> Self {
        let path = self.root("bin/probe");
        copy_program(&std::env::current_exe().unwrap(), &path);
        self.give(&path);
        self
    }

    /// Makes it belong to who runs the pod.
    pub fn give(&self, path: &Path) {
        let id = Some(self.who.uid());
        chown(path, id, id).unwrap();
    }

    fn make_root(&self) {
        for below in ["", "bin", "etc", "tmp", "proc", "sys", "dev", "root"] {
            let path = self.root(below);
            fs::create_dir(&path).unwrap();
            let mode = if below == "tmp" { 0o1777 } else { 0o755 };
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            self.give(&path);
        }
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
        copy_program(Path::new(busybox.unwrap()), &self.root("bin/busybox"));
        self.give(&self.root("bin/busybox"));
        for name in APPLETS.split_ascii_whitespace() {
            symlink("busybox", self.root("bin").join(name)).unwrap();
        }
        self.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nweb:x:1001:1002::/tmp:/bin/sh\n", 0o644);
        self.file("etc/group", "root:x:0:\nweb:x:1002:\nextra:x:1003:web\n", 0o644);
    }

    /// The command line, of whoever runs it.
    pub fn command(&self) -> Command {
        let manifest = self.directory.file("pod.toml", &self.manifest);
        let image = format!("files={}", self.root("").display());
        let podinit = if self.who.is_root() {
            PathBuf::from(PODINIT)
        } else {
            // Where everybody may look.
            let copy = self.directory.path("podinit");
            if !copy.exists() {
                // Not a copy of 20 MB for each of some hundred pods, where one file system allows it.
                if fs::hard_link(PODINIT, &copy).is_err() {
                    copy_program(Path::new(PODINIT), &copy);
                }
            }
            copy
        };
        let mut command = Command::new("bash");
        let own_mounts = self.own_mounts.as_deref().unwrap_or_default();
        let line = format!("{}\n{own_mounts}{}exec \"$@\"", self.mounts(), self.before);
        if self.who == Who::Ranged || self.own_mounts.is_some() {
            command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private", "bash"]);
        }
        command.args(["-c", &line, "bash"]);
        if !self.who.is_root() {
            let user = [format!("--reuid={USER}"), format!("--regid={USER}")];
            command.arg("setpriv").args(user).args(["--clear-groups", "--inh-caps=-all"]);
        }
        command.arg(podinit).args(["run", "--image", &image]).args(&self.options).arg(manifest);
        command.current_dir(self.directory.path("."));
        command.env_remove("XDG_RUNTIME_DIR");
        command.env("XDG_DATA_HOME", self.data_home());
        command
    }

    /// Where volumes of an ordinary user are on disk.
    pub fn data_home(&self) -> PathBuf {
        let path = self.directory.path("data");
        if !path.exists() {
            fs::create_dir(&path).unwrap();
            self.give(&path);
        }
        path
    }

    /// What whoever has a range of ids sees in /etc.
    fn mounts(&self) -> String {
        if self.who != Who::Ranged {
            return String::new();
        }
        let ids = format!("{USER}:{FIRST_ID}:65535\n");
        let passwd = format!("root:x:0:0:root:/root:/bin/sh\ntester:x:{USER}:{USER}::/tmp:/bin/sh\n");
        let mut lines = "set -e\n".to_owned();
        for (name, text) in [("subuid", &ids), ("subgid", &ids), ("passwd", &passwd)] {
            let file = self.directory.file(name, text);
            lines += &format!("mount --bind {} /etc/{name}\n", file.display());
        }
        lines
    }

    /// Starts it; the pod's files stay as long as this.
    pub fn start(&self) -> Running {
        Running::start(&mut self.command())
    }

    /// Runs it to its end.
    pub fn run(&self) -> Ended {
        self.start().end()
    }

    /// Runs it to its end, which is good, and gives what its containers printed.
    #[track_caller]
    pub fn output(&self) -> Vec<String> {
        let ended = self.run();
        assert_eq!(ended.code(), 0, "{:?}: {ended:#?}", self.who);
        printed(&ended)
    }
}

impl Drop for Pod {
    /// A podinit that was killed leaves what the next run of its pod would clear, and there is none.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.disk());
        let base = self.disk();
        let base = base.parent().unwrap().parent().unwrap();
        let _ = fs::remove_dir_all(base.join("claims").join(&self.name));
        for tree in ["/sys/fs/cgroup/podinit", "/sys/fs/cgroup/unified/podinit"] {
            for entry in fs::read_dir(tree).into_iter().flatten().filter_map(Result::ok) {
                let is_own = entry.file_name().to_string_lossy().split(':').next() == Some(&self.name);
                // Who was killed is in it until the kernel is done with him.
                let began = Instant::now();
                while is_own && entry.path().exists() && began.elapsed() < Duration::from_secs(1) {
                    let below = fs::read_dir(entry.path()).into_iter().flatten().filter_map(Result::ok);
                    below.for_each(|group| drop(fs::remove_dir(group.path())));
                    let _ = fs::remove_dir(entry.path());
                }
            }
        }
    }
}

/// The end of a script that runs until it is told to stop, with 143.
pub const STAY: &str = "trap 'exit 143' TERM; sleep 1000 & wait";
/// As [`STAY`], saying `up` when it can be told.
pub const UP: &str = "trap 'exit 143' TERM; echo up; sleep 1000 & wait";

/// What containers printed, without their names.
pub fn printed(ended: &Ended) -> Vec<String> {
    ended.stdout.iter().map(|line| text(line).to_owned()).collect()
}

/// A line of a container without the container's name.
pub fn text(line: &str) -> &str {
    line.split_once(" | ").map_or(line, |(_, text)| text)
}

/// Copies a program by another one: of a file that is open for writing here a child that another thread starts
/// would have a copy for a moment, and it could not be executed.
fn copy_program(from: &Path, to: &Path) {
    assert!(Command::new("cp").args([from, to]).status().unwrap().success());
}

/// A string of TOML.
pub fn quoted(path: &Path) -> String {
    format!("{:?}", path.display().to_string())
}

/// Of busybox what the tests use.
const APPLETS: &str = "sh cat ls echo readlink id grep sed awk head tail sort cut tr wc mount umount mkdir \
    rmdir rm mv cp ln touch chmod chown chroot mknod stat dd true false sleep kill setsid env hostname ip \
    mkfifo test [ seq date od find basename dirname df sync ps tee nc printf sha256sum sysctl cmp \
    unshare usleep truncate pwd xargs timeout";
