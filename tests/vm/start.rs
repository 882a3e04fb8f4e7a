//! What is done before the pod starts.

use crate::harness::{Finished, Vm, has_machines};

/// Every mount as `kind path`, in the order of mounting.
const MOUNTS: [&str; 10] = [
    "proc /proc",
    "sysfs /sys",
    "devtmpfs /dev",
    "devpts /dev/pts",
    "tmpfs /dev/shm",
    "tmpfs /run",
    "tmpfs /tmp",
    "cgroup2 /sys/fs/cgroup",
    "securityfs /sys/kernel/security",
    "bpf /sys/fs/bpf",
];

/// Prints all mounts but the root's.
const PRINT_MOUNTS: &str =
    "while read -r _ path kind _; do [ $path = / ] || echo $kind $path; done < /proc/mounts\n";

fn mounts(finished: &Finished) -> Vec<&str> {
    finished.lines("main").into_iter().filter(|line| line.contains(" /")).collect()
}

/// VM-01: nothing is there but the program and a pod, whose only program it is too.
#[test]
fn a_program_and_a_pod_are_enough() {
    if !has_machines() {
        return;
    }
    let pod = r#"
        name = "vm"
        [[containers]]
        name = "main"
        command = ["/init", "--version"]
    "#;
    let finished = Vm::new().bare().pod(pod).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    assert_eq!(finished.lines("main"), [format!("podinit {}", env!("CARGO_PKG_VERSION"))]);
    assert!(finished.messages().is_empty(), "{finished:#?}");
}

/// VM-01, VM-02, VM-10 and VM-12: what programs find that the machine runs, whatever words the kernel was given.
#[test]
fn programs_find_what_they_expect() {
    if !has_machines() {
        return;
    }
    let script = format!(
        r#"{PRINT_MOUNTS}
        echo "name: $(hostname)" "variables: $foo $HOME $PATH"
        echo in > /dev/fd/1; ( exec 3<> /dev/ptmx; echo "terminals: $(echo /dev/pts/*)" )
        nc -l -p 80 -e echo answer & until nc 127.0.0.1 80 < /dev/null 2>/dev/null; do :; done
        echo "lo: $(cat /sys/class/net/lo/flags)"
        mkdir /new; unshare -m sh -c '
            mount -t tmpfs new /new && mkdir /new/old /new/bin && cp /bin/busybox /new/bin && cd /new &&
            pivot_root . old && exec chroot . /bin/busybox echo root: changed'
        echo "level: $(cat /proc/sys/kernel/printk)"
        "#
    );
    let long = "x".repeat(1400);
    let words = format!("splash foo=bar --unknown podinit.hostname=tester podinit.nonsense=1 long={long}");
    let finished = Vm::new().words(&words).arguments(&["--config", "/etc/x.toml"]).script(&script).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    assert_eq!(mounts(&finished)[..MOUNTS.len()], MOUNTS, "{finished:#?}");
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for line in [
        &*format!("name: tester variables: bar / {path}"),
        "in",
        "terminals: /dev/pts/0 /dev/pts/ptmx",
        "answer",
        // IFF_LOOPBACK and IFF_UP.
        "lo: 0x9",
        "root: changed",
        // What `quiet` makes of it.
        "level: 4\t4\t1\t7",
    ] {
        assert!(finished.lines("main").contains(&line), "{line}: {finished:#?}");
    }
    let messages = finished.messages();
    assert_eq!(messages.len(), 2, "{finished:#?}");
    assert!(
        messages[0].starts_with("ignored \"podinit.nonsense=1\" of the kernel's command line: podinit knows")
    );
    let strays = "ignored words of the kernel's command line that are not for podinit: splash --unknown --config /etc/x.toml";
    assert_eq!(messages[1], strays);
}

/// VM-01: a script was there before, which mounts everything and hands over with a command line of its own.
#[test]
fn what_is_mounted_stays_and_is_not_mounted_again() {
    if !has_machines() {
        return;
    }
    let first = "#!/bin/sh
        mkdir -p /proc /sys /dev /run
        mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs devtmpfs /dev
        mkdir /dev/pts /dev/shm; mount -t devpts devpts /dev/pts; mount -t tmpfs shm /dev/shm
        mount -t tmpfs run /run; mount -t cgroup2 cgroup2 /sys/fs/cgroup
        mount -t securityfs securityfs /sys/kernel/security; mount -t bpf bpf /sys/fs/bpf
        echo mine > /run/mine
        exec /init run -v /etc/pod.toml
        ";
    let pod = format!(
        "name = \"vm\"\n[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", '''{PRINT_MOUNTS}cat /run/mine /tmp/kept''']"
    );
    let vm = Vm::new().first(first).file("/etc/pod.toml", pod, 0o644);
    let finished = vm.file("/tmp/kept", "kept\n", 0o644).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    // A /tmp that the initramfs has files in is in memory as it is.
    let mut expected: Vec<_> = MOUNTS.into_iter().filter(|mount| *mount != "tmpfs /tmp").collect();
    let mut found = mounts(&finished);
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "{finished:#?}");
    assert_eq!(finished.lines("main")[expected.len()..], ["mine", "kept"], "{finished:#?}");
    // Only what -v asks for.
    assert_eq!(finished.messages().last(), Some(&"container main exited with code 0"), "{finished:#?}");
}

/// VM-02: a command line on the kernel's own.
#[test]
fn the_kernel_s_command_line_may_have_one_of_podinit_s() {
    if !has_machines() {
        return;
    }
    let pod = "name = \"vm\"\n[[containers]]\nname = \"main\"\ncommand = [\"echo\", \"found\"]\n";
    let arguments = ["run", "--log-format", "json", "/other.toml"];
    let finished = Vm::new().file("/other.toml", pod, 0o644).words("splash").arguments(&arguments).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    assert!(finished.console.iter().any(|line| line.contains(r#""found""#)), "{finished:#?}");
    let strays = "ignored words of the kernel's command line that are not for podinit: splash";
    assert_eq!(finished.messages(), [strays]);
}

/// VM-02: or the name of a manifest.
#[test]
fn the_kernel_s_command_line_may_name_the_pod() {
    if !has_machines() {
        return;
    }
    let pod = "name = \"vm\"\n[[containers]]\nname = \"main\"\ncommand = [\"echo\", \"found\"]\n";
    let finished = Vm::new().file("/other.toml", pod, 0o644).words("podinit.pod=/other.toml").boot();
    assert_eq!((finished.code(), finished.lines("main")), (0, vec!["found"]), "{finished:#?}");
}

/// VM-09: nobody hears what is said, and the pod runs.
#[test]
fn a_machine_needs_no_console() {
    if !has_machines() {
        return;
    }
    let script = "for fd in 0 1 2; do [ $(readlink /proc/1/fd/$fd) = /dev/null ] || exit 1; done
        echo unheard; exit 42
        ";
    let finished = Vm::new().without_console().script(script).boot();
    assert_eq!(finished.told(), None, "{finished:#?}");
    assert_eq!(finished.status, Some(42 << 1 | 1), "{finished:#?}");
}

/// VM-09: a console that is there only when /dev is.
#[test]
fn a_console_that_is_found_late_is_used() {
    if !has_machines() {
        return;
    }
    let first = "#!/bin/sh\nexec /init <&- >&- 2>&-\n";
    let finished = Vm::new().first(first).script("echo heard; exit 8\n").boot();
    assert_eq!((finished.code(), finished.lines("main")), (8, vec!["heard"]), "{finished:#?}");
    assert_eq!(finished.messages(), ["pod vm ends with 8, as container main did"]);
}

/// VM-11: modules are loaded with what they need; what is missing is told of and holds nothing up.
#[test]
fn modules_are_loaded_and_missing_ones_told_of() {
    if !has_machines() {
        return;
    }
    let script = "mkdir /lower /upper /work /merged; touch /lower/file
        mount -t tmpfs t /upper && mkdir /upper/up /upper/work
        mount -t overlay -o lowerdir=/lower,upperdir=/upper/up,workdir=/upper/work o /merged && ls /merged
        ls -d /sys/module/virtio_blk /sys/module/virtio_pci
        ";
    let finished = Vm::new()
        .modules(&["overlay", "virtio_blk", "virtio_pci"])
        .words("podinit.modules=overlay,no-such-module,ext4,virtio-blk,dummy,/no/such.ko")
        .file("/etc/podinit/modules", "# for disks\nvirtio_pci # and the network\n", 0o644)
        .script(script)
        .boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    let found = ["file", "/sys/module/virtio_blk", "/sys/module/virtio_pci"];
    assert_eq!(finished.lines("main"), found, "{finished:#?}");
    let messages = finished.messages();
    assert_eq!(messages.len(), 3, "{finished:#?}");
    for (message, (name, why)) in messages.iter().zip([
        ("no-such-module", "modules.dep does not have it"),
        ("dummy", "dummy.ko: no such file or directory"),
        ("/no/such.ko", "/no/such.ko: no such file or directory"),
    ]) {
        let begin = format!("cannot load the kernel module {name}: ");
        assert!(message.starts_with(&begin) && message.ends_with(why), "{message}");
    }
}

/// VM-12: podinit's own work from the kernel's hand-over to the pod's first instruction, on a machine whose clock
/// counts instructions, so that it does not matter what else the host does.
#[test]
fn little_time_passes_before_the_pod() {
    if !has_machines() {
        return;
    }
    let script = "read -r up _ < /proc/uptime; echo up: $up; dmesg | grep 'Run /init'\n";
    // Two nanoseconds for each instruction: slower than any processor of these years.
    let finished = Vm::new().qemu(&["-icount", "shift=1,sleep=off"]).script(script).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    let lines = finished.lines("main");
    let up: f64 = lines[0].strip_prefix("up: ").unwrap().parse().unwrap();
    let started: f64 = lines[1].split(['[', ']']).nth(1).unwrap().trim().parse().unwrap();
    println!("{:.2} s", up - started);
    assert!(up - started <= 0.3, "{finished:#?}");
}

/// VM-03: the first process of a container is not that of a machine, whatever its name, with all capabilities,
/// with a /proc and without.
#[test]
fn a_container_s_first_process_ends_no_machine() {
    if !has_machines() {
        return;
    }
    let script = "mkdir -p /bare/bin; ln /init /bare/init; ln /bin/busybox /bare/bin/busybox
        unshare -pf /init -- sh -c 'echo with; exit 4'; echo $?
        unshare -pf chroot /bare /init -- busybox sh -c 'echo without; exit 5'; echo $?
        ls /bare\n";
    let finished = Vm::new().script(script).boot();
    assert_eq!(finished.code(), 0, "{finished:#?}");
    assert_eq!(finished.lines("main"), ["with", "4", "without", "5", "bin", "init"], "{finished:#?}");
}
