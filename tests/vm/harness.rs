//! A virtual machine whose first process is the podinit under test: an initramfs with it, busybox and a pod,
//! booted under QEMU without hardware acceleration, read line by line, and waited for with a deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::initramfs::Initramfs;

/// Twenty times what a boot takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of the test's own, gone with it.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static NEXT: Mutex<u32> = Mutex::new(0);
        let mut number = NEXT.lock().unwrap();
        *number += 1;
        let path = std::env::temp_dir().join(format!("podinit-vm-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether virtual machines can be booted here and the test may go on.
pub fn has_machines() -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        println!("skipped: the machines of these tests have another processor than podinit is built for");
        return false;
    }
    let is_there = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    };
    let programs = ["qemu-system-x86_64", "busybox", "strip"];
    let missing = programs.into_iter().find(|program| !is_there(program)).map(str::to_owned);
    let no_kernel = || kernel().is_none().then(|| "a kernel, which tests/vm/kernel fetches".to_owned());
    let Some(missing) = missing.or_else(no_kernel) else { return true };
    assert!(std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(), "this test needs {missing}");
    println!("skipped: this test needs {missing}");
    false
}

/// Whether this program is installed, beside what every machine needs.
pub fn has(program: &str) -> bool {
    let directories = ["/sbin", "/usr/sbin", "/bin", "/usr/bin"];
    if directories.iter().any(|directory| Path::new(directory).join(program).is_file()) {
        return has_machines();
    }
    assert!(std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(), "this test needs {program}");
    println!("skipped: this test needs {program}");
    false
}

fn kernel_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/vm")
}

/// The kernel's image and its release.
fn kernel() -> Option<(PathBuf, String)> {
    let entries = fs::read_dir(kernel_directory().join("boot")).ok()?;
    entries.filter_map(Result::ok).find_map(|entry| {
        let release = entry.file_name().to_str()?.strip_prefix("vmlinuz-")?.to_owned();
        Some((entry.path(), release))
    })
}

/// The podinit under test without its symbols, which would be most of the memory.
fn podinit() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let directory = Directory::new();
        let stripped = directory.path("podinit");
        let original = env!("CARGO_BIN_EXE_podinit");
        assert!(
            Command::new("strip")
                .arg("-o")
                .args([stripped.as_os_str(), original.as_ref()])
                .status()
                .unwrap()
                .success()
        );
        fs::read(stripped).unwrap()
    })
}

/// What every machine has beside podinit: busybox under all of its names.
fn busybox() -> &'static Initramfs {
    static FILES: OnceLock<Initramfs> = OnceLock::new();
    FILES.get_or_init(|| {
        let path = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
        let mut files = Initramfs::default();
        files.file("/bin/busybox", fs::read(path.unwrap()).unwrap(), 0o755);
        let names = Command::new("busybox").arg("--list").output().unwrap().stdout;
        for name in String::from_utf8(names).unwrap().lines().filter(|name| *name != "busybox") {
            files.link(&format!("/bin/{name}"), "busybox");
        }
        files
    })
}

/// As many machines run at once as there are processors: more only wait for one another.
struct Turn;

static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Turn {
    fn take() -> Self {
        let most = thread::available_parallelism().map_or(1, usize::from);
        let mut running =
            RUNNING.1.wait_while(RUNNING.0.lock().unwrap(), |running| *running >= most).unwrap();
        *running += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.0.lock().unwrap() -= 1;
        RUNNING.1.notify_one();
    }
}

/// A machine that is going to be booted.
pub struct Vm {
    files: Initramfs,
    init: &'static str,
    words: Vec<String>,
    after_dashes: Vec<String>,
    exit_device: bool,
    console: bool,
    qemu: Vec<String>,
}

impl Vm {
    /// With podinit as /init, busybox, and nothing else.
    pub fn new() -> Self {
        let mut files = busybox().clone();
        files.file("/init", podinit(), 0o755);
        // Output is easier to read without colours.
        let words = ["NO_COLOR=1"].map(str::to_owned).to_vec();
        Self {
            files,
            init: "/init",
            words,
            after_dashes: Vec::new(),
            exit_device: true,
            console: true,
            qemu: Vec::new(),
        }
    }

    /// The pod that podinit finds by itself, in TOML or, where it begins with apiVersion, in YAML.
    pub fn pod(self, manifest: &str) -> Self {
        let is_yaml = manifest.trim_start().starts_with("apiVersion");
        self.file(if is_yaml { "/etc/podinit/pod.yaml" } else { "/etc/podinit/pod.toml" }, manifest, 0o644)
    }

    /// A pod of one container that runs this in a shell.
    pub fn script(self, script: &str) -> Self {
        assert!(!script.contains("'''"));
        self.pod(&format!(
            "name = \"vm\"\n[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", '''\n{script}''']\n"
        ))
    }

    /// A file of the initramfs, which is the machine's root directory.
    pub fn file(mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.files.file(path, content, mode);
        self
    }

    /// A program that is the machine's first process in podinit's place, and becomes podinit at last.
    pub fn first(mut self, script: &str) -> Self {
        self.init = "/first";
        self.file("/first", script, 0o755)
    }

    /// Leaves only podinit and what has been added after this.
    pub fn bare(mut self) -> Self {
        self.files = Initramfs::default();
        self.file("/init", podinit(), 0o755)
    }

    /// Words of the kernel's command line.
    pub fn words(mut self, words: &str) -> Self {
        self.words.extend(words.split(' ').map(str::to_owned));
        self
    }

    /// Words of the kernel's command line that it hands to the first process as they are.
    pub fn arguments(mut self, words: &[&str]) -> Self {
        self.after_dashes.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Options of QEMU.
    pub fn qemu(mut self, options: &[&str]) -> Self {
        self.qemu.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// A machine without the device by which QEMU gets an exit code.
    pub fn without_exit_device(mut self) -> Self {
        self.exit_device = false;
        self
    }

    /// A kernel that has no console; its messages are lost.
    pub fn without_console(mut self) -> Self {
        self.console = false;
        self
    }

    /// Modules of the kernel in the initramfs, for podinit to load with what they need.
    pub fn modules(mut self, names: &[&str]) -> Self {
        let (_, release) = kernel().unwrap();
        let directory = format!("lib/modules/{release}");
        let host = kernel_directory().join(&directory);
        let list = fs::read_to_string(host.join("modules.dep")).unwrap();
        let builtin = fs::read(host.join("modules.builtin")).unwrap();
        self.files.file(&format!("{directory}/modules.builtin"), builtin, 0o644);
        for name in names {
            let is_wanted = |line: &&str| line.split(':').next().unwrap().ends_with(&format!("/{name}.ko"));
            let line = list.lines().find(is_wanted).unwrap_or_else(|| panic!("no module {name}"));
            for path in line.split([':', ' ']).filter(|path| !path.is_empty()) {
                self.files.file(&format!("{directory}/{path}"), fs::read(host.join(path)).unwrap(), 0o644);
            }
        }
        self.files.file(&format!("{directory}/modules.dep"), list, 0o644);
        self
    }

    /// A disk for the driver virtio_blk, which this brings along: /dev/vda.
    pub fn disk(self, image: &Path) -> Self {
        let drive = format!("file={},format=raw,if=none,id=disk", image.display());
        self.modules(&["virtio_pci", "virtio_blk"]).words("podinit.modules=virtio_pci,virtio_blk").qemu(&[
            "-drive",
            &drive,
            "-device",
            "virtio-blk-pci,drive=disk",
        ])
    }

    /// Boots it and waits for its end.
    pub fn boot(self) -> Finished {
        self.start().finish()
    }

    /// Boots it.
    pub fn start(self) -> Running {
        let turn = Turn::take();
        let directory = Directory::new();
        let (initramfs, monitor) = (directory.path("initramfs"), directory.path("monitor"));
        fs::write(&initramfs, self.files.archive()).unwrap();
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-M", "pc", "-accel", "tcg", "-m", "256", "-nodefaults", "-nographic", "-no-reboot"]);
        command.args(["-serial", "stdio", "-monitor"]);
        command.arg(format!("unix:{},server,nowait", monitor.display()));
        command.arg("-kernel").arg(kernel().unwrap().0).arg("-initrd").arg(&initramfs);
        command.arg("-append").arg(self.command_line());
        if self.exit_device {
            command.args(["-device", "isa-debug-exit,iobase=0x501,iosize=0x04"]);
        }
        let mut child = command
            .args(&self.qemu)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = lines(&mut child);
        let deadline = Instant::now() + PATIENCE;
        Running { child, lines, monitor, deadline, console: Vec::new(), _directory: directory, _turn: turn }
    }

    fn command_line(&self) -> String {
        let console = if self.console { "console=ttyS0" } else { "console=none" };
        let mut words =
            vec![console.to_owned(), "panic=-1 quiet".to_owned(), format!("rdinit={}", self.init)];
        if self.exit_device {
            words.push("podinit.exit=isa-debug-exit".to_owned());
        }
        words.extend_from_slice(&self.words);
        if !self.after_dashes.is_empty() {
            words.push("--".to_owned());
            words.extend_from_slice(&self.after_dashes);
        }
        words.join(" ")
    }
}

fn lines(child: &mut Child) -> Receiver<String> {
    let (send, receive) = channel();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line);
            if send.send(without_escapes(text.trim_end_matches(['\r', '\n']))).is_err() {
                return;
            }
            line.clear();
        }
    });
    receive
}

/// What is to be seen: the firmware clears the screen before it hands over.
fn without_escapes(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let sequence = match part.strip_prefix('[') {
            Some(rest) => rest.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 2),
            None => part.len().min(1),
        };
        let text = if part.starts_with("[2J") { String::new() } else { text };
        text + &part[sequence..]
    })
}

/// A machine that runs; gone with the test.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    monitor: PathBuf,
    deadline: Instant,
    console: Vec<String>,
    _directory: Directory,
    _turn: Turn,
}

impl Running {
    /// Waits for a line on the console that contains this.
    pub fn wait_for(&mut self, wanted: &str) {
        while let Some(line) = self.next_line() {
            if line.contains(wanted) {
                return;
            }
        }
        panic!("the machine ended without {wanted:?}:\n{}", self.console.join("\n"));
    }

    /// Changes how long the machine's end is waited for, from now on.
    pub fn wait_at_most(&mut self, limit: Duration) {
        self.deadline = Instant::now() + limit;
    }

    /// Gives QEMU's monitor a command.
    pub fn monitor(&self, command: &str) {
        let mut monitor = UnixStream::connect(&self.monitor).unwrap();
        writeln!(monitor, "{command}").unwrap();
        // QEMU ends the connection when it has read all of it, and with it the keys.
        monitor.shutdown(Shutdown::Write).unwrap();
        monitor.read_to_end(&mut Vec::new()).unwrap();
    }

    fn next_line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.console.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("the machine does not end:\n{}", self.console.join("\n"))
            }
        }
    }

    /// Waits for the machine's end.
    pub fn finish(mut self) -> Finished {
        while self.next_line().is_some() {}
        let status = self.child.wait().unwrap().code();
        Finished { status, console: std::mem::take(&mut self.console) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a machine ended.
#[derive(Debug)]
pub struct Finished {
    /// QEMU's exit status: 0 too where the kernel panicked, and where something inside rebooted.
    pub status: Option<i32>,
    /// What was on the console, line by line.
    pub console: Vec<String>,
}

impl Finished {
    /// The exit code that the machine told its console, if it told one.
    pub fn told(&self) -> Option<u8> {
        let results = self.console.iter().filter_map(|line| line.strip_prefix("PODINIT-RESULT "));
        let results: Vec<_> = results.map(|code| code.parse().unwrap()).collect();
        assert!(results.len() <= 1, "{self:#?}");
        results.first().copied()
    }

    /// The exit code, told in both ways: that of the device has seven bits.
    pub fn code(&self) -> u8 {
        let told = self.told().unwrap_or_else(|| panic!("the machine told no result: {self:#?}"));
        assert_eq!(self.status, Some((i32::from(told) << 1 | 1) & 0xff), "{self:#?}");
        told
    }

    /// The lines that a container printed.
    pub fn lines(&self, container: &str) -> Vec<&str> {
        let line = |line: &&String| line.split_once('|').is_some_and(|(name, _)| name.trim() == container);
        let of = self.console.iter().filter(line);
        of.map(|line| line.split_once("| ").map_or("", |(_, text)| text)).collect()
    }

    /// podinit's own messages.
    pub fn messages(&self) -> Vec<&str> {
        self.console.iter().filter_map(|line| line.strip_prefix("podinit: ")).collect()
    }
}
