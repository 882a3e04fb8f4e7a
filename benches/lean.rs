//! How lean podinit is, beside its peers in one run: `cargo bench --bench lean`. Prints a table and fails
//! where a contract is broken. Times are compared pair by pair, so that a machine that is slow for a while
//! is slow for both. Peers come from Debian packages; one that is not installed is left out, and said so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PODINIT: &str = env!("CARGO_BIN_EXE_podinit");

/// `podinit -- true` takes at most so much of catatonit's time.
const MOST_OF_CATATONIT: f64 = 1.25;
/// Private dirty memory with ten containers, in KiB.
const MOST_MEMORY: u64 = 400;
/// Size of the program, in bytes.
const MOST_BYTES: u64 = 5_300_000;

fn main() {
    let mut broken = Vec::new();
    broken.extend(program());
    broken.extend(start_to_end());
    broken.extend(ten_containers());
    thousand_containers();
    for contract in &broken {
        println!("BROKEN: {contract}");
    }
    assert!(broken.is_empty(), "{} contracts are broken", broken.len());
}

/// Static, not PIE, small.
fn program() -> Option<String> {
    let bytes = fs::read(PODINIT).unwrap();
    let kind = u16::from_le_bytes([bytes[16], bytes[17]]);
    let has_interpreter = bytes.windows(8).any(|window| window == b"/ld-linu" || window == b"/ld-musl");
    println!("program: {} bytes, {}", bytes.len(), if kind == 2 { "not PIE" } else { "PIE" });
    let is_fine = bytes.len() as u64 <= MOST_BYTES && kind == 2 && !has_interpreter;
    (!is_fine).then(|| format!("the program is static, not PIE and at most {MOST_BYTES} bytes"))
}

/// From start to end of supervising one `true`.
fn start_to_end() -> Option<String> {
    let peers = [
        ("raw", vec!["/bin/true"]),
        ("catatonit", vec!["catatonit", "--", "/bin/true"]),
        ("tini", vec!["tini", "-s", "--", "/bin/true"]),
        ("dumb-init", vec!["dumb-init", "--", "/bin/true"]),
    ];
    let ours = [PODINIT, "--", "/bin/true"];
    println!(
        "\nfrom start to end of `true` (medians of 400 pairs)\npeer          peer ms  podinit ms   ratio"
    );
    let mut of_catatonit = None;
    for (name, command) in peers {
        if name != "raw" && !is_installed(name) {
            println!("{name:10} not installed");
            continue;
        }
        let pairs: Vec<_> = (0..400).map(|_| (time(&command), time(&ours))).collect();
        let ratio = median(pairs.iter().map(|(peer, own)| own.as_secs_f64() / peer.as_secs_f64()));
        let peer = median(pairs.iter().map(|(peer, _)| peer.as_secs_f64() * 1e3));
        let own = median(pairs.iter().map(|(_, own)| own.as_secs_f64() * 1e3));
        println!("{name:10} {peer:10.3} {own:11.3} {ratio:7.2}");
        if name == "catatonit" {
            of_catatonit = Some(ratio);
        }
    }
    match of_catatonit {
        None if std::env::var_os("PODINIT_TESTS_MUST_RUN").is_some() => Some("catatonit is there".to_owned()),
        Some(ratio) if ratio > MOST_OF_CATATONIT => {
            Some(format!("podinit takes at most {MOST_OF_CATATONIT} of catatonit's time, not {ratio:.2}"))
        }
        _ => None,
    }
}

/// Memory and threads with ten containers that have printed something and sleep.
fn ten_containers() -> Option<String> {
    // Pages of a program that was just built count as dirty until they are on disk.
    fs::File::open(PODINIT).unwrap().sync_all().unwrap();
    let mut child = run(10, "echo up; exec sleep 1000");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..10 {
        lines.next().unwrap().unwrap();
    }
    let memory = field(child.id(), "smaps_rollup", "Private_Dirty:");
    let threads = field(child.id(), "status", "Threads:");
    println!("\nten containers: {memory} KiB private dirty memory, {threads} thread");
    end(child);
    (memory > MOST_MEMORY || threads != 1).then(|| format!("at most {MOST_MEMORY} KiB and one thread"))
}

/// From start until a thousand containers have reported, beside starting them by hand. No contract yet.
fn thousand_containers() {
    let count = 1000;
    let report = "echo up; exec sleep 1000";
    let began = Instant::now();
    let mut raw: Vec<_> = (0..count)
        .map(|_| Command::new("sh").args(["-c", report]).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    for child in &mut raw {
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    }
    let by_hand = began.elapsed();
    for mut child in raw {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let began = Instant::now();
    let mut child = run(count, report);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..count {
        lines.next().unwrap().unwrap();
    }
    let ours = began.elapsed();
    let memory = field(child.id(), "smaps_rollup", "Private_Dirty:");
    let stopping = Instant::now();
    end(child);
    println!(
        "\n{count} containers up: {ours:.0?}, by hand {by_hand:.0?} (x {:.2}); stopped in {:.0?}; {memory} KiB",
        ours.as_secs_f64() / by_hand.as_secs_f64(),
        stopping.elapsed(),
    );
}

/// podinit with `count` main containers that run this.
fn run(count: usize, script: &str) -> Child {
    let container =
        |n| format!("[[containers]]\nname = \"c{n}\"\ncommand = [\"sh\", \"-c\", \"{script}\"]\n");
    let path = std::env::temp_dir().join(format!("podinit-bench-{}-{count}.toml", std::process::id()));
    fs::write(&path, (0..count).map(container).collect::<String>()).unwrap();
    let child = Command::new(PODINIT).arg("run").arg(&path).stdout(Stdio::piped()).spawn().unwrap();
    while field(child.id(), "status", "Threads:") == 0 {}
    child
}

fn end(mut child: Child) {
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    child.wait().unwrap();
    let path = format!("podinit-bench-{}-", std::process::id());
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&path) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

fn time(command: &[&str]) -> Duration {
    let began = Instant::now();
    let status = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    began.elapsed()
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// A number from a file of /proc/PID; 0 where it is not there.
fn field(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
