//! Users and groups of a root file system, which is a stranger's.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use crate::harness::{Running, has};
use crate::pod::{Pod, Who, printed};

const TELL: &str = "echo $(grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr '\\t' ' ') $HOME";

/// PRIV-10, CVE-2026-30892: accounts are read inside the root file system, whatever it links to, as much as has a
/// bound, without what makes no sense; an unknown user has group 0 and no home.
#[test]
fn accounts_are_the_image_s_and_cannot_mislead() {
    let long = "x".repeat(3 << 20);
    let odd = format!("\0\0\nnonsense\n:::::\nbig:x:4294967296:0::/big:\n{long}\nweb:x:1001:5::/far:\n");
    let cases: [(&str, &str); 3] = [
        ("web:x:1001:1002::/home/web:/bin/sh\n", "Gid: 1002 1002 1002 1002 Groups: 1003 /home/web"),
        ("1001:x:77:78::/digits:/bin/sh\n", "Gid: 0 0 0 0 Groups: /"),
        // More than a megabyte is in front of it.
        (&odd, "Gid: 0 0 0 0 Groups: /"),
    ];
    for who in Who::among(&[Who::Root, Who::Ranged]) {
        for (passwd, expected) in &cases {
            let pod = Pod::new(who).with("securityContext.runAsUser = 1001").main("main", TELL, "");
            pod.file("etc/passwd", passwd, 0o644);
            let group = if passwd.starts_with("web") { "extra:x:1003:web\n" } else { "" };
            pod.file("etc/group", group, 0o644);
            let output = pod.output();
            assert_eq!(output, [format!("Uid: 1001 1001 1001 1001 {expected}")], "{who:?}");
        }
        // Links stay inside: here to a file that the host has, and the image has not.
        for target in [
            "/proc/1/root/etc/passwd",
            "../../../../../../../etc/accounts-of-the-host",
            "/proc/self/fd/3",
            "/dev/zero",
        ] {
            let pod = Pod::new(who).with("securityContext.runAsUser = 1001").main("main", TELL, "");
            fs::remove_file(pod.root("etc/passwd")).unwrap();
            symlink(target, pod.root("etc/passwd")).unwrap();
            let ended = pod.run();
            let output = printed(&ended);
            let expected = "Uid: 1001 1001 1001 1001 Gid: 0 0 0 0 Groups: /";
            assert!(output.is_empty() || output == [expected], "{who:?}: {target}: {ended:#?}");
            assert!(ended.code() == if output.is_empty() { 125 } else { 0 }, "{who:?}: {target}: {ended:#?}");
        }
    }
}

/// SPEC-08: who must not be root is not started as root, whether it is written or left out.
#[test]
fn a_container_that_must_not_be_root_is_not() {
    for who in Who::among(&Who::ALL) {
        for keys in ["runAsNonRoot = true", "runAsNonRoot = true, runAsUser = 0"] {
            let ended = Pod::new(who)
                .main("main", "echo it runs", &format!("securityContext = {{ {keys} }}"))
                .options(&["--grace", "0"]);
            let running = ended.start();
            let message = running.wait_for_message("container main");
            assert!(message.contains("non-root") || message.contains("runAsNonRoot"), "{who:?}: {message}");
            running.signal(nix::sys::signal::Signal::SIGTERM);
            assert_eq!(printed(&running.end()), [""; 0], "{who:?}");
        }
    }
}

/// PRIV-15: of a root file system with a nsswitch.conf and libraries of its own nothing of these is opened, by
/// podinit nor by the children that become containers.
#[test]
fn no_library_of_a_root_file_system_is_loaded() {
    if !has(&["root", "strace"]) {
        return;
    }
    let keys = "securityContext.runAsUser = 1001\nworkingDir = \"/tmp\"";
    // pasta is a program of the host's, with its libraries.
    let pod = Pod::new(Who::Root).with("network = \"none\"");
    let pod = pod.words("containers", "main", "[\"true\"]", keys);
    pod.file("etc/nsswitch.conf", "passwd: mine files\ngroup: mine files\nhosts: mine\n", 0o644);
    for directory in ["lib", "lib64", "usr/lib", "lib/x86_64-linux-gnu"] {
        pod.file(&format!("{directory}/libnss_mine.so.2"), "no library", 0o755);
    }
    let trace = pod.directory.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=open,openat,openat2,execve,mmap", "-o"]).arg(&trace);
    let inner = pod.command();
    command.arg(inner.get_program()).args(inner.get_args());
    assert_eq!(Running::start(&mut command).end().code(), 0);
    let text = fs::read_to_string(&trace).unwrap();
    // From where podinit begins to where the container's program does.
    let begin = text.find("podinit\", [").unwrap();
    let text = &text[begin..];
    assert!(text.contains("passwd"), "its accounts were read: {text}");
    let found: Vec<_> = text
        .lines()
        .filter(|line| line.contains("libnss") || line.contains("nsswitch") || line.contains(".so"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
