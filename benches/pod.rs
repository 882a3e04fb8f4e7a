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
/// Rounds of pairs at most: a machine that does something else meanwhile slows down whom it likes.
const ROUNDS: usize = 3;
/// The pod takes less than so much of their time. Measured on an idle machine: 0.88 to 0.98.
const BELOW: f64 = 1.0;

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
    let is_faster = (0..ROUNDS).any(|_| round(&by_hand, &pod) < BELOW);
    fs::remove_file(&manifest).unwrap();
    fs::remove_file(&script).unwrap();
    assert!(is_faster, "a pod takes less than {BELOW} of the time of three unshare(1)");
}

/// The median of the pairs' ratios.
fn round(by_hand: &[&str], pod: &[&str]) -> f64 {
    let ratio = |(other, own): &(Duration, Duration)| own.as_secs_f64() / other.as_secs_f64();
    let mut pairs: Vec<_> = (0..PAIRS).map(|_| (time(by_hand), time(pod))).collect();
    pairs.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let (other, own) = pairs[PAIRS / 2];
    let (own_millis, other_millis) = (own.as_secs_f64() * 1e3, other.as_secs_f64() * 1e3);
    let ratio = ratio(&(other, own));
    println!(
        "a pod with namespaces: {own_millis:.1} ms, three unshare(1) {other_millis:.1} ms (x {ratio:.2})"
    );
    ratio
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
