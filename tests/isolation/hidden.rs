//! What of /proc, /sys and /dev a container can read and write.

use crate::pod::{Pod, Who};

/// Docker's lists, `daemon/pkg/oci/defaults.go`.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// CONT-08: to root of the container what is masked is empty, as file and as directory, wherever this kernel has
/// it, and nothing of it can be taken off.
#[test]
fn what_is_masked_is_empty() {
    let script = format!(
        "seen=0
         for path in {}; do
            [ -e $path ] || continue
            seen=$((seen + 1))
            if [ -d $path ]; then [ -z \"$(ls -A $path)\" ] || echo $path has entries
            else [ -z \"$(head -c 1 $path)\" ] || echo $path has content; fi
            umount $path 2>/dev/null && echo $path comes off
         done
         [ $seen -gt 0 ] && echo looked",
        MASKED.join(" ")
    );
    for who in Who::among(&Who::ALL) {
        assert_eq!(Pod::script(who, &script).output(), ["looked"], "{who:?}");
    }
}

/// CONT-08, CONT-09, CVE-2023-25809: root of the container changes nothing of the kernel, of devices, or of groups.
#[test]
fn what_is_the_kernel_s_cannot_be_written_to() {
    let script = "
        for path in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/sys/kernel/hostname \\
            /proc/irq/default_smp_affinity /proc/sysrq-trigger /proc/bus/input/devices \\
            /sys/kernel/mm/transparent_hugepage/enabled /sys/power/state; do
            [ -e $path ] || continue
            (cat $path > /tmp/was; cat /tmp/was > $path) 2>/tmp/why && echo $path was written
            grep -qE 'Read-only|ermission|Operation not' /tmp/why || echo $path $(cat /tmp/why)
        done
        mkdir /sys/fs/cgroup/mine 2>/dev/null && echo made a group
        find /sys/fs/cgroup -mindepth 1 2>/dev/null | head -3
        for path in /proc/sys /sys /proc; do
            mount -o remount,rw $path 2>/dev/null && echo $path is writable now
            umount $path 2>/dev/null && echo $path is off now
        done
        mount -t proc proc /tmp 2>/dev/null && echo another proc
        mount -t cgroup2 none /tmp 2>/dev/null && echo has mounted groups
        echo done";
    for who in Who::among(&Who::ALL) {
        let output = Pod::script(who, script).output();
        assert_eq!(output, ["done"], "{who:?}");
    }
}

/// FS-15: /dev has what OCI's runtime specification lists; what a container makes itself or what lies in its root
/// file system opens no device.
#[test]
fn no_device_can_be_opened_but_the_usual() {
    let script = "
        echo $(cd /dev; ls | sort)
        echo more > /dev/null; head -c 3 /dev/zero | tr '\\0' z; echo
        for made in c:1:1 c:1:3 b:7:0 c:10:200; do
            rm -f /tmp/node; mknod /tmp/node $(echo $made | tr : ' ') 2>/dev/null && (: < /tmp/node) 2>/dev/null && echo $made opens
        done
        (: < /etc/memory) 2>/dev/null && echo the memory opens
        true";
    for who in Who::among(&Who::ALL) {
        let pod = Pod::script(who, script);
        let node = pod.root("etc/memory");
        let (kind, mode) = (nix::sys::stat::SFlag::S_IFCHR, nix::sys::stat::Mode::from_bits_truncate(0o666));
        nix::sys::stat::mknod(&node, kind, mode, nix::sys::stat::makedev(1, 3)).unwrap();
        let expected =
            "fd full mqueue null ptmx pts random shm stderr stdin stdout termination-log tty urandom zero";
        assert_eq!(pod.output(), [expected, "zzz"], "{who:?}");
    }
}
