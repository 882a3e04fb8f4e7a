//! What probes cost the supervisor: `cargo bench --bench probes`. A thousand containers, each probed every
//! second over TCP and then over HTTP; the supervisor's own processor time is counted, not the server's.
//! Prints a line for each and fails where it takes more than it may.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, clippy::indexing_slicing)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{Backlog, listen};

const PODINIT: &str = env!("CARGO_BIN_EXE_podinit");
const CONTAINERS: usize = 1000;
/// How long is counted.
const COUNTED: Duration = Duration::from_secs(10);
/// Most of one processor that the supervisor may take.
const MOST: f64 = 0.15;

fn main() {
    let mut broken = 0;
    for (kind, probe) in [("tcp", "tcpSocket.port = PORT"), ("http", "httpGet.port = PORT")] {
        let server = Server::start();
        let mut child = run(&probe.replace("PORT", &server.port.to_string()));
        // Every container has been probed at least once.
        while server.served() < 2 * CONTAINERS as u64 {
            assert!(child.try_wait().unwrap().is_none(), "podinit has ended");
            std::thread::sleep(Duration::from_millis(50));
        }
        let (served, used, began) = (server.served(), processor_time(child.id()), Instant::now());
        std::thread::sleep(COUNTED);
        let (served, used) = (server.served() - served, processor_time(child.id()) - used);
        let share = used.as_secs_f64() / began.elapsed().as_secs_f64();
        let each = used.as_secs_f64() * 1e6 / served as f64;
        println!(
            "{CONTAINERS} containers with a {kind} probe every second: {:.1} % of a processor, {served} probes, {each:.0} us each",
            share * 100.0
        );
        // The server answers one at a time, and a period begins with the end of the probe before.
        let enough = served as f64 > 0.75 * CONTAINERS as f64 * COUNTED.as_secs_f64();
        if share > MOST || !enough {
            println!("BROKEN: at most {:.0} %, and every probe every second", MOST * 100.0);
            broken += 1;
        }
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        child.wait().unwrap();
    }
    let _ = fs::remove_file(manifest());
    assert!(broken == 0, "{broken} contracts are broken");
}

/// Answers whoever connects, and counts them.
struct Server {
    port: u16,
    served: Arc<AtomicU64>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // All containers may be probed in one turn. With the 128 places of the standard library the kernel
        // takes what does not fit for connected and forgets it: the probe succeeds, and is not counted here.
        listen(&listener, Backlog::new(4096).unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::Relaxed);
                answer(stream);
            }
        });
        Self { port, served }
    }

    fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

/// A probe over TCP says nothing and is gone.
fn answer(mut stream: TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut request = [0; 1024];
    if stream.read(&mut request).is_ok_and(|read| read > 0) {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    }
}

fn run(probe: &str) -> Child {
    let containers: String = (0..CONTAINERS)
        .map(|n| {
            format!(
                "[[containers]]\nname = \"c{n}\"\ncommand = [\"sleep\", \"1000\"]\n\
                 livenessProbe = {{ periodSeconds = 1, timeoutSeconds = 5, {probe} }}\n"
            )
        })
        .collect();
    fs::write(manifest(), format!("terminationGracePeriodSeconds = 5\n{containers}")).unwrap();
    Command::new(PODINIT).arg("run").arg(manifest()).stdout(Stdio::null()).spawn().unwrap()
}

fn manifest() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("podinit-bench-probes-{}.toml", std::process::id()))
}

/// User and system time of a process, from fields 14 and 15 of its stat.
fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
