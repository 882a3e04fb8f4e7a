//! What a pod with namespaces costs: `cargo bench --bench pod`. A pod of an init container, a sidecar and a
//! main container, started and ended, beside three unshare(1) in one shared network namespace, which make
//! namespaces and a /proc and nothing else: no /dev, no masks, no rights given away, no filter, no control group. Pair
//! by pair; needs to be root.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, clippy::indexing_slicing)]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

const PODINIT: &str = env!("CARGO_BIN_EXE_podinit");
const PAIRS: usize = 60;
/// The pod takes at most so much of their time. Measured on an idle machine: 1.03 to 1.05.
const MOST: f64 = 1.5;

const BY_HAND: &str = "#!/bin/sh
exec unshare -uin sh -c 'unshare -mpf --mount-proc /bin/true; \
    unshare -mpf --kill-child --mount-proc sleep 1000 & s=$!; \
    unshare -mpf --mount-proc /bin/true; kill -9 $s; wait $s 2>/dev/null; exit 0'
";

const POD: &str = r#"
profile = "pod"
network = "none"
os.name = "linux"
restartPolicy = "Never"
terminationGracePeriodSeconds = 1
[[initContainers]]
name = "init"
command = ["/bin/true"]
[[initContainers]]
name = "sidecar"
restartPolicy = "Always"
lifecycle.stopSignal = "SIGKILL"
command = ["sleep", "1000"]
[[containers]]
name = "main"
command = ["/bin/true"]
"#;

fn main() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(), "this benchmark needs to be root");
        return println!("skipped: this benchmark needs to be root");
    }
    let file = |name: &str, text: &str, mode: u32| {
        let path = std::env::temp_dir().join(format!("podinit-bench-pod-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (manifest, script) = (file("pod.toml", POD, 0o644), file("by-hand.sh", BY_HAND, 0o755));
    let by_hand = [script.as_str()];
    let pod = [PODINIT, "run", "--host-rootfs", &manifest];
    let mut pairs: Vec<_> = (0..PAIRS).map(|_| (time(&by_hand), time(&pod))).collect();
    pairs.sort_by(|a, b| {
        (a.1.as_secs_f64() / a.0.as_secs_f64()).total_cmp(&(b.1.as_secs_f64() / b.0.as_secs_f64()))
    });
    let (other, own) = pairs[PAIRS / 2];
    let ratio = own.as_secs_f64() / other.as_secs_f64();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "a pod with namespaces: {:.1} ms, three unshare(1) {:.1} ms (x {ratio:.2})",
        millis(own),
        millis(other)
    );
    fs::remove_file(&manifest).unwrap();
    fs::remove_file(&script).unwrap();
    assert!(ratio <= MOST, "a pod takes at most {MOST} of the time of three unshare(1)");
}

fn time(words: &[&str]) -> Duration {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        // Where cargo has its libraries the programs of the script would look for theirs first.
        .env_remove("LD_LIBRARY_PATH")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = child.wait().unwrap();
    let took = began.elapsed();
    assert!(status.success(), "{words:?}: {status}");
    // unshare(1) may end before the signal for its child has been asked for.
    let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    thread::sleep(Duration::from_millis(5));
    took
}
