//! The exit code on its way out of the machine, and the machine's end.

use crate::harness::{Vm, has_machines};

/// VM-04: by the device and by the console.
#[test]
fn exit_codes_make_it_out_of_the_machine() {
    if !has_machines() {
        return;
    }
    std::thread::scope(|scope| {
        for code in [0, 1, 7, 100, 137, 255] {
            scope.spawn(move || {
                let finished = Vm::new().script(&format!("exit {code}\n")).boot();
                assert_eq!(finished.code(), code, "{finished:#?}");
            });
        }
    });
}
