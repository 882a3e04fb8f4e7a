//! What is done before the pod starts.

use crate::harness::{Vm, has_machines};

/// VM-01: with nothing but the program and a pod.
#[test]
fn file_systems_are_mounted() {
    if !has_machines() {
        return;
    }
    let finished = Vm::new().script("cat /proc/mounts; ls -l /dev/console /; env; id; cat /proc/1/status; dmesg | tail -3; cat /proc/uptime\n").boot();
    println!("{finished:#?}");
    assert_eq!(finished.code(), 0, "{finished:#?}");
}
