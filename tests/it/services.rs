//! Services that people run, as pods: each is started, found ready, used and stopped as its own
//! documentation asks.

use std::path::PathBuf;

use crate::harness::{Directory, Running, has, run};
use crate::servers::free_port;

/// nginx as a sidecar: ready when a page answers to which another leads, stopped by its own signal.
#[test]
fn nginx_is_ready_when_a_redirected_page_answers_and_quits_gracefully() {
    if !has(&["nginx", "curl"]) {
        return;
    }
    let (directory, port) = (Directory::new(), free_port());
    let own = directory.path("nginx");
    std::fs::create_dir(&own).unwrap();
    let at = own.display();
    let config = format!(
        "daemon off; worker_processes 1; pid {at}/pid; error_log stderr; events {{}}\n\
         http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; \
         uwsgi_temp_path {at}/u; scgi_temp_path {at}/s; server {{ listen 127.0.0.1:{port}; \
         location = /old {{ return 302 /new; }} location = /new {{ return 200 'fine\\n'; }} }} }}\n"
    );
    let config = directory.file("nginx.conf", &config);
    let manifest = format!(
        r#"
            terminationGracePeriodSeconds = 10
            [[initContainers]]
            name = "nginx"
            restartPolicy = "Always"
            command = ["nginx", "-c", "{}", "-e", "stderr"]
            startupProbe = {{ httpGet = {{ path = "/old", port = {port} }}, periodSeconds = 0.1, failureThreshold = 100 }}
            livenessProbe = {{ httpGet = {{ path = "/new", port = {port} }}, periodSeconds = 1 }}
            lifecycle.stopSignal = "SIGQUIT"
            [[containers]]
            name = "main"
            command = ["curl", "-sSfL", "http://127.0.0.1:{port}/old"]
        "#,
        config.display()
    );
    let ended = Running::start(run(&directory, &manifest).arg("-v")).end();
    assert_eq!((ended.code(), &ended.stdout[..]), (0, &["main | fine".to_owned()][..]), "{:?}", ended.stderr);
    let told = |words: &str| ended.stderr.iter().any(|line| line.contains(words));
    assert!(
        told("container nginx exited with code 0"),
        "it quits when it is asked by SIGQUIT: {:?}",
        ended.stderr
    );
}

/// redis-server as a sidecar, asked by its own client.
#[test]
fn redis_is_ready_when_redis_cli_gets_an_answer() {
    if !has(&["redis-server", "redis-cli"]) {
        return;
    }
    let (directory, port) = (Directory::new(), free_port());
    let manifest = format!(
        r#"
            terminationGracePeriodSeconds = 10
            [[initContainers]]
            name = "redis"
            restartPolicy = "Always"
            command = ["redis-server", "--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--dir", "{}"]
            startupProbe = {{ exec.command = ["redis-cli", "-p", "{port}", "ping"], periodSeconds = 0.1, failureThreshold = 100 }}
            readinessProbe = {{ exec.command = ["redis-cli", "-p", "{port}", "ping"], periodSeconds = 1 }}
            lifecycle.postStart.exec.command = ["sh", "-c", "until redis-cli -p {port} set greeting hello; do sleep 0.1; done"]
            [[containers]]
            name = "main"
            command = ["redis-cli", "-p", "{port}", "get", "greeting"]
        "#,
        directory.path("").display()
    );
    let ended = Running::start(run(&directory, &manifest).arg("-v")).end();
    assert_eq!(ended.code(), 0, "{:?}", ended.stderr);
    assert!(ended.stdout.iter().any(|line| line == "main | hello"), "{:?}", ended.stdout);
    let told = |words: &str| ended.stderr.iter().any(|line| line.contains(words));
    assert!(told("container redis exited with code 0"), "{:?}", ended.stderr);
}

/// Where Debian has PostgreSQL's programs, which are in nobody's PATH.
fn postgresql() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).find(|path| path.join("initdb").is_file());
    if found.is_none() {
        assert!(std::env::var_os("PODINIT_TESTS_MUST_RUN").is_none(), "this test needs postgresql");
        println!("skipped: this test needs postgresql");
    }
    found
}

/// An init container makes the database, a sidecar serves it until the main container has used it, and
/// `pg_ctl` stops it before podinit would.
#[test]
fn postgresql_starts_when_pg_isready_says_so_and_is_stopped_by_pg_ctl() {
    if !has(&["root", "setpriv"]) {
        return;
    }
    let Some(bin) = postgresql() else { return };
    let (directory, port) = (Directory::new(), free_port());
    let data = directory.path("data");
    std::fs::create_dir(&data).unwrap();
    let (bin, at) = (bin.display(), data.display());
    // It refuses to run as root. Whoever runs the tests may not pass through the temporary directory.
    std::os::unix::fs::chown(&data, Some(uid_of("postgres")), None).unwrap();
    let open: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(""), open).unwrap();
    let user = r#""setpriv", "--reuid", "postgres", "--clear-groups", "#;
    let manifest = format!(
        r#"
            terminationGracePeriodSeconds = 30
            [[initContainers]]
            name = "initdb"
            workingDir = "/"
            command = [{user}"{bin}/initdb", "-D", "{at}", "-A", "trust", "--no-sync", "--locale=C"]
            [[initContainers]]
            name = "postgres"
            restartPolicy = "Always"
            workingDir = "/"
            command = [{user}"{bin}/postgres", "-D", "{at}", "-p", "{port}", "-c", "unix_socket_directories=", "-c", "fsync=off"]
            startupProbe = {{ exec.command = ["{bin}/pg_isready", "-h", "127.0.0.1", "-p", "{port}"], periodSeconds = 0.1, failureThreshold = 300 }}
            lifecycle.preStop.exec.command = [{user}"{bin}/pg_ctl", "stop", "-D", "{at}", "-m", "fast", "-w"]
            [[containers]]
            name = "main"
            command = ["{bin}/psql", "-h", "127.0.0.1", "-p", "{port}", "-U", "postgres", "-Atc", "select 6 * 7"]
        "#
    );
    let ended = Running::start(run(&directory, &manifest).arg("-v")).end();
    assert_eq!(ended.code(), 0, "{:?} {:?}", ended.stdout, ended.stderr);
    assert!(ended.stdout.iter().any(|line| line == "main | 42"), "{:?}", ended.stdout);
    let log = |words: &str| ended.stderr.iter().any(|line| line.contains(words));
    assert!(
        log("received fast shutdown request"),
        "by pg_ctl: SIGTERM asks for a smart one: {:?}",
        ended.stderr
    );
    assert!(log("container postgres exited with code 0"), "{:?}", ended.stderr);
}

fn uid_of(user: &str) -> u32 {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(user)).unwrap();
    line.split(':').nth(2).unwrap().parse().unwrap()
}
