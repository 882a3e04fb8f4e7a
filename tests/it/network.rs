//! The network of a pod: none, or one with a way out that pasta carries; ports of the host that lead into it;
//! and what is told where it cannot be.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::container::podinit_for_all;
use crate::harness::{Directory, PODINIT, Running, exists, has, until};

const NEEDS: [&str; 4] = ["root", "busybox", "pasta", "unshare"];

/// A manifest in YAML of one container, which `fields` say more of.
fn manifest(directory: &Directory, name: &str, script: &str, fields: &str) {
    let script = script.replace('\n', "\n      ");
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  restartPolicy: Never\n  \
         terminationGracePeriodSeconds: 1\n  containers:\n  - name: main\n    {fields}\n    command:\n    - sh\n    - -c\n    - |\n      {script}\n"
    );
    let path = directory.file("pod.yaml", &text);
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
}

fn run(directory: &Directory, options: &[&str]) -> Command {
    let mut command = Command::new(PODINIT);
    command.args(["run", "--host-rootfs", "-v"]).args(options).arg(directory.path("pod.yaml"));
    command
}

/// The same where /dev/net/tun is as `tun` makes it, in a mount namespace of its own, by the user with this
/// number.
fn run_in(directory: &Directory, user: u32, tun: &str, options: &[&str]) -> Command {
    let mut command = podinit_in(directory, user, tun, &["run", "--host-rootfs", "-v"]);
    command.args(options).arg(directory.path("pod.yaml"));
    command
}

/// podinit with these arguments there.
fn podinit_in(directory: &Directory, user: u32, tun: &str, arguments: &[&str]) -> Command {
    let there = directory.path("podinit");
    let podinit = if there.exists() { there } else { podinit_for_all(directory) };
    let script = format!(
        "mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /dev/net && {tun} || exit 99\n\
         exec setpriv --reuid {user} --regid {user} --clear-groups \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh"]).arg(podinit).args(arguments);
    for name in ["HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
        command.env(name, directory.path("."));
    }
    command
}

/// Everybody may use it.
const TUN: &str = "mknod -m 666 /dev/net/tun c 10 200";
const NO_TUN: &str = "true";

/// A port that nobody has. Another test could take it, but does not ask for this one.
fn free_port() -> u16 {
    TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

/// An address of this host that others reach. Nothing is sent.
fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    let found = socket.connect("203.0.113.1:9").and_then(|()| socket.local_addr()).ok();
    assert!(
        found.is_some() || std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(),
        "this test needs a default route"
    );
    if found.is_none() {
        println!("skipped: this test needs a default route");
    }
    found.map(|at| at.ip())
}

/// What the pod answers on this port of the host; the pod may need a moment until it listens.
fn answer(port: u16) -> String {
    let mut answer = String::new();
    until("an answer on the published port", || {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let _ = stream.read_to_string(&mut answer);
        !answer.is_empty()
    });
    answer
}

/// The processes whose command lines have all of these words in them.
fn processes(words: &[&str]) -> Vec<i32> {
    let entries =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let numbers = entries.filter_map(|name| name.parse::<i32>().ok());
    let is_meant = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        words.iter().all(|word| line.contains(word))
    };
    numbers.filter(is_meant).collect()
}

/// The pasta that publishes this port of the host.
fn pasta(port: u16) -> Vec<i32> {
    processes(&["--no-map-gw", &format!("--tcp-ports {port}:")])
}

/// Nothing is left of the network of a pod that published this port.
fn is_all_gone(port: u16) {
    assert!(pasta(port).is_empty(), "pasta is left");
    TcpListener::bind(("0.0.0.0", port)).unwrap();
}

/// ROOTLESS-09, and by root: in, out, and gone.
#[test]
fn a_published_port_leads_in_and_pasta_leads_out_for_root_and_for_an_ordinary_user() {
    if !has(&NEEDS) || !has(&["setpriv"]) {
        return;
    }
    let Some(address) = address() else { return };
    for user in [0, 12345] {
        let (directory, port) = (Directory::new(), free_port());
        let outside = TcpListener::bind((address, 0)).unwrap();
        let there = outside.local_addr().unwrap().port();
        let script = format!(
            "echo $IP\nbusybox nc -l -p 80 < /etc/hostname\nbusybox wget -q -O - http://{address}:{there}/"
        );
        let fields = format!(
            "ports: [{{containerPort: 80, hostPort: {port}}}]\n    \
             env: [{{name: IP, valueFrom: {{fieldRef: {{fieldPath: status.podIP}}}}}}]"
        );
        manifest(&directory, "through-pasta", &script, &fields);
        let status = directory.path("status");
        let options = ["--status-file", status.to_str().unwrap()];
        let running = Running::start(&mut run_in(&directory, user, TUN, &options));
        assert_eq!(running.line(), "main | 100.64.0.2", "user {user}");
        let own: serde_json::Value = serde_json::from_slice(&fs::read(&status).unwrap()).unwrap();
        assert_eq!(own["status"]["podIP"], "100.64.0.2");
        assert_eq!(own["status"]["hostIP"], address.to_string());
        assert_eq!(answer(port), "through-pasta\n", "user {user}");
        let (mut from_pod, _) = outside.accept().unwrap();
        let mut request = [0; 512];
        assert!(from_pod.read(&mut request).unwrap() > 0);
        from_pod.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 13\r\n\r\nfrom outside\n").unwrap();
        drop(from_pod);
        running.wait_for("main | from outside");
        let ended = running.end();
        assert_eq!(ended.code(), 0, "user {user}: {ended:?}");
        is_all_gone(port);
    }
}

/// The pod does not reach what only the host may, by default.
#[test]
fn the_pod_does_not_reach_the_host_s_loopback() {
    if !has(&NEEDS) {
        return;
    }
    let directory = Directory::new();
    let only_host = TcpListener::bind("127.0.0.1:0").unwrap();
    only_host.set_nonblocking(true).unwrap();
    let port = only_host.local_addr().unwrap().port();
    let script = format!(
        "for at in 127.0.0.1 100.64.0.1 169.254.1.1; do busybox nc -w 1 $at {port} < /dev/null; done; exit 0"
    );
    manifest(&directory, "no-loopback", &script, "");
    let ended = Running::start(&mut run(&directory, &["--network", "pasta"])).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(only_host.accept().map(drop).unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// CONT-06, VM-10.
#[test]
fn a_network_of_none_has_a_loopback_interface_that_is_up_and_nothing_else() {
    if !has(&["root", "busybox"]) {
        return;
    }
    let directory = Directory::new();
    let script = "readlink /proc/self/ns/net\nbusybox ip -o link | cut -d: -f2\nbusybox nc -l -p 80 < /etc/hostname &\n\
                  until busybox nc 127.0.0.1 80 < /dev/null; do :; done\ngrep none /etc/hosts";
    manifest(&directory, "none", script, "");
    let ended = Running::start(&mut run(&directory, &["--network", "none"])).end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    assert_ne!(ended.stdout[0], format!("main | {}", own.display()));
    assert_eq!(ended.stdout[1..], ["main |  lo", "main | none", "main | 127.0.0.1\tnone"], "{ended:?}");
    assert!(!ended.stderr.iter().any(|line| line.contains("way out")), "{ended:?}");
}

/// Fails unless `explain` tells of the pod what `run` does: that this is lost, as something of this class.
fn explained(directory: &Directory, field: &str, class: &str, cause: &str) {
    let mut command = Command::new(PODINIT);
    command.args(["explain", "-o", "json", "--host-rootfs"]).arg(directory.path("pod.yaml"));
    let output = command.env("PATH", directory.path(".")).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let lost: Vec<_> =
        told["lost"].as_array().unwrap().iter().filter(|it| it["class"] != "resource").collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
    assert_eq!(lost[0]["field"], field, "{lost:?}");
    assert_eq!((&lost[0]["class"], &lost[0]["cause"]), (&class.into(), &cause.into()), "{lost:?}");
    let remedy = lost[0]["remedy"].as_str().unwrap();
    assert!(remedy.contains("install pasta (package passt)"), "{remedy}");
    let told = told["notHonoured"].to_string();
    assert!(told.contains(remedy), "{told}");
}

/// ROOTLESS-09: pasta is not there.
#[test]
fn without_pasta_a_pod_is_told_that_it_has_no_way_out_and_one_that_needs_it_does_not_start() {
    if !has(&["root"]) {
        return;
    }
    let directory = Directory::new();
    let start = |fields: &str, options: &[&str]| {
        manifest(&directory, "without", "echo up", fields);
        Running::start(run(&directory, options).env("PATH", directory.path("."))).end()
    };
    let without = start("", &[]);
    assert_eq!((without.code(), &*without.stdout), (0, &["main | up".to_owned()][..]), "{without:?}");
    let told = without.stderr.iter().filter(|line| line.contains("no way out: pasta is not installed"));
    assert_eq!(told.count(), 1, "{without:?}");
    explained(&directory, "network", "network", "it is not installed");
    let published = start("ports: [{containerPort: 80, hostPort: 8080}]", &[]);
    assert_eq!((published.code(), published.stdout.len()), (125, 0), "{published:?}");
    let says = |ended: &crate::harness::Ended, words: &str| {
        assert!(ended.stderr.iter().any(|line| line.contains(words)), "{words}: {ended:?}");
    };
    says(
        &published,
        "cannot publish port 8080 of the host: pasta is not installed; install pasta (package passt)",
    );
    explained(&directory, "hostPort", "security", "it is not installed");
    let asked = start("", &["--network", "pasta"]);
    assert_eq!((asked.code(), asked.stdout.len()), (125, 0), "{asked:?}");
    says(&asked, "cannot give the pod a network with a way out: pasta is not installed");
}

/// ROOTLESS-09: /dev/net/tun is not to be had, and pasta may wait for ever.
#[test]
fn without_tun_it_is_told_what_helps_and_nothing_hangs() {
    if !has(&NEEDS) || !has(&["setpriv"]) || address().is_none() {
        return;
    }
    for user in [0, 12345] {
        let directory = Directory::new();
        manifest(&directory, "without-tun", "echo up", "");
        let without = Running::start(&mut run_in(&directory, user, NO_TUN, &[])).end();
        assert_eq!(without.code(), 0, "user {user}: {without:?}");
        let says = |ended: &crate::harness::Ended, words: &str| {
            let is_said = |line: &String| line.contains(words) && line.contains("use /dev/net/tun");
            assert!(ended.stderr.iter().any(is_said), "{words}: {ended:?}");
        };
        says(&without, "the pod's network has no way out: Failed to open tun");
        let doctor = Running::start(&mut podinit_in(&directory, user, NO_TUN, &["doctor"])).end();
        let of_pasta = doctor.stdout.iter().find(|line| line.starts_with("no  pasta")).unwrap();
        assert!(of_pasta.contains("/dev/net/tun: no such file or directory"), "{doctor:?}");
        let port = free_port();
        let publish = ["--publish", &format!("{port}:80")];
        let refused = Running::start(&mut run_in(&directory, user, NO_TUN, &publish)).end();
        assert_eq!((refused.code(), refused.stdout.len()), (125, 0), "user {user}: {refused:?}");
        says(&refused, "cannot publish ports: Failed to open tun");
        is_all_gone(port);
    }
}

/// ROOTLESS-09.
#[test]
fn a_port_that_somebody_has_is_named_and_nothing_starts() {
    if !has(&NEEDS) {
        return;
    }
    let (directory, taken) = (Directory::new(), TcpListener::bind("0.0.0.0:0").unwrap());
    let port = taken.local_addr().unwrap().port();
    manifest(&directory, "busy", "echo up", "");
    let ended = Running::start(&mut run(&directory, &["--publish", &format!("127.0.0.1:{port}:80")])).end();
    assert_eq!((ended.code(), ended.stdout.len()), (125, 0), "{ended:?}");
    let words =
        format!("cannot publish port 127.0.0.1:{port} of the host: address already in use; end what listens");
    assert!(ended.stderr.iter().any(|line| line.contains(&words)), "{ended:?}");
}

/// ROOTLESS-10.
#[test]
fn the_end_of_pasta_is_told_and_it_is_started_again() {
    if !has(&NEEDS) || !has(&["setpriv"]) || address().is_none() {
        return;
    }
    for user in [0, 12345] {
        let (directory, port) = (Directory::new(), free_port());
        manifest(&directory, "again", "while :; do busybox nc -l -p 80 < /etc/hostname; done", "");
        let events = directory.path("events");
        let options = ["--publish", &format!("{port}:80"), "--event-file", events.to_str().unwrap()];
        let running = Running::start(&mut run_in(&directory, user, TUN, &options));
        assert_eq!(answer(port), "again\n", "user {user}");
        let [first] = pasta(port)[..] else { panic!("user {user}: {:?}", pasta(port)) };
        kill(Pid::from_raw(first), Signal::SIGKILL).unwrap();
        running.wait_for_message("the pod has no way out of its network: pasta was ended by SIGKILL");
        running.wait_for_message("the pod's network has a way out again");
        assert_eq!(answer(port), "again\n", "user {user}");
        assert_ne!(pasta(port), [first]);
        running.signal(Signal::SIGTERM);
        let ended = running.end();
        assert_eq!(ended.code(), 137, "user {user}: {ended:?}");
        assert!(fs::read_to_string(events).unwrap().contains("\"reason\":\"NetworkNotReady\""));
        is_all_gone(port);
    }
}

/// What starts pasta ends with it, and the pod goes on.
#[test]
fn a_network_that_is_lost_for_good_is_told_and_the_pod_goes_on() {
    if !has(&NEEDS) || address().is_none() {
        return;
    }
    let (directory, port) = (Directory::new(), free_port());
    manifest(&directory, "lost", "trap 'echo told; exit 3' TERM\necho up\nwhile :; do sleep 0.1; done", "");
    let running = Running::start(&mut run(&directory, &["--publish", &format!("{port}:80")]));
    running.wait_for("main | up");
    let [carrier] = pasta(port)[..] else { panic!("{:?}", pasta(port)) };
    let status = fs::read_to_string(format!("/proc/{carrier}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    kill(Pid::from_raw(parent.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    running.wait_for_message("the pod's network has no way out any more");
    until("pasta is gone", || !exists(carrier));
    is_all_gone(port);
    running.signal(Signal::SIGTERM);
    let ended = running.end();
    assert_eq!((ended.code(), &*ended.stdout), (3, &["main | told".to_owned()][..]), "{ended:?}");
}

/// What SIGKILL to podinit leaves: nothing.
#[test]
fn nothing_of_the_network_survives_podinit() {
    if !has(&NEEDS) || !has(&["setpriv"]) || address().is_none() {
        return;
    }
    for user in [0, 12345] {
        let (directory, port) = (Directory::new(), free_port());
        manifest(&directory, "killed", "echo up\nexec sleep 1000", "");
        let publish = ["--publish", &format!("{port}:80")];
        let running = Running::start(&mut run_in(&directory, user, TUN, &publish));
        running.wait_for("main | up");
        let [carrier] = pasta(port)[..] else { panic!("user {user}: {:?}", pasta(port)) };
        let podinit = format!("{} run", directory.path("podinit").display());
        assert_eq!(processes(&[&podinit]).len(), 2, "podinit, and what starts pasta");
        running.signal(Signal::SIGKILL);
        until("pasta is gone", || !exists(carrier));
        until("what starts pasta is gone", || processes(&[&podinit]).iter().all(|pid| is_dead(*pid)));
        is_all_gone(port);
    }
}

/// The test is its parent, and has not waited for it.
fn is_dead(pid: i32) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    status.map_or(true, |status| status.contains("State:\tZ"))
}

#[test]
fn a_network_that_cannot_be_is_refused_with_all_that_is_wrong() {
    let directory = Directory::new();
    manifest(&directory, "refused", "true", "");
    let start = |options: &[&str]| Running::start(&mut run(&directory, options)).end();
    for (options, words) in [
        (&["--publish", "80", "--publish", "a:b"][..], "cannot use --publish \"a:b\": \"a\" is no port"),
        (&["--publish", "80:80", "--publish", "127.0.0.1:80:81"], "it leads to port 80 already"),
        (&["--network", "none", "--publish", "80:80"], "the pod's network is `none`"),
        (&["--network", "host", "--publish", "8080:80"], "the pod has the host's network"),
        (&["--profile", "process", "--network", "none"], "profile \"process\" has the host's"),
    ] {
        let ended = start(options);
        assert_eq!(ended.code(), 125, "{options:?}: {ended:?}");
        assert!(ended.stderr.iter().any(|line| line.contains(words)), "{options:?}: {ended:?}");
    }
}
