//! What is on a disk when the machine has ended.

use std::path::Path;
use std::process::Command;

use crate::harness::{Directory, Vm, has};

/// An empty ext4 in a file.
fn ext4(directory: &Directory) -> std::path::PathBuf {
    let image = directory.path("disk");
    std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
    let made = Command::new("/sbin/mke2fs").args(["-q", "-t", "ext4"]).arg(&image).status().unwrap();
    assert!(made.success());
    image
}

/// What this program says of the image.
fn about(program: &str, arguments: &[&str], image: &Path) -> (Option<i32>, String) {
    let output = Command::new(program).args(arguments).arg(image).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn is_clean(image: &Path) -> bool {
    let (code, _) = about("/sbin/e2fsck", &["-n", "-f"], image);
    let (_, superblock) = about("/sbin/dumpe2fs", &["-h"], image);
    // A journal that must be replayed is what a machine leaves that has just gone off.
    code == Some(0) && !superblock.contains("needs_recovery")
}

/// VM-08: whoever still writes is ended, and the file system is whole.
#[test]
fn a_disk_is_clean_after_the_end() {
    if !has("mke2fs") {
        return;
    }
    let directory = Directory::new();
    let image = ext4(&directory);
    // The second writer is nobody's: it has neither a session nor a variable of the container's.
    let script = "mkdir /mnt /mnt2; mount /dev/vda /mnt || exit 1; mount --bind /mnt /mnt2
        write='trap \"\" TERM; while :; do echo more; done'
        sh -c \"$write\" >> /mnt/one & env -i setsid sh -c \"$write\" >> /mnt2/two &
        until [ -s /mnt/one ] && [ -s /mnt/two ]; do :; done
        echo kept > /mnt/kept; exit 4\n";
    let pod = format!(
        "name = \"vm\"\nterminationGracePeriodSeconds = 1\n[[containers]]\nname = \"main\"\ncommand = [\"sh\", \"-c\", '''\n{script}''']\n"
    );
    let finished = Vm::new().disk(&image).pod(&pod).boot();
    assert_eq!(finished.code(), 4, "{finished:#?}");
    assert!(is_clean(&image), "{finished:#?}");
    let (_, kept) = about("/sbin/debugfs", &["-R", "cat /kept"], &image);
    assert_eq!(kept, "kept\n", "{finished:#?}");
    let killed = "container main did not end within its grace period, killed";
    let ends = "pod vm ends with 4, as container main did";
    assert_eq!(finished.messages(), [killed, ends], "{finished:#?}");
}

/// DEATH-05: the machine goes off in the middle of it all, and the next start of the pod is like the first.
#[test]
fn a_machine_that_just_went_off_starts_again() {
    if !has("mke2fs") {
        return;
    }
    let directory = Directory::new();
    let image = ext4(&directory);
    let machine = |script: &str| {
        let first = "#!/bin/sh
            mkdir -p /proc /sys /dev /mnt
            mount -t proc proc /proc; mount -t devtmpfs devtmpfs /dev
            modprobe virtio_pci; modprobe virtio_blk
            mount /dev/vda /mnt
            exec /init run --status-file /mnt/status --event-file /mnt/events /etc/podinit/pod.toml
            ";
        Vm::new().disk(&image).first(first).script(script)
    };
    let mut running = machine("sync; echo up; while :; do sleep 1; done\n").start();
    running.wait_for("main | up");
    running.monitor("quit");
    let dead = running.finish();
    assert_eq!(dead.told(), None, "{dead:#?}");
    assert!(!is_clean(&image), "the disk of a machine that just went off looks clean");
    let finished = machine("exit 6\n").boot();
    assert_eq!(finished.code(), 6, "{finished:#?}");
    assert!(is_clean(&image), "{finished:#?}");
    let (_, status) = about("/sbin/debugfs", &["-R", "cat /status"], &image);
    assert!(status.replace(' ', "").contains("\"exitCode\":6"), "{status}");
}
