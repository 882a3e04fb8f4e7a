//! The exit code on its way out of the machine, and how the machine ends.

use std::panic::catch_unwind;
use std::time::Duration;

use crate::harness::{Vm, has_machines};

const UP_AND_WAITING: &str = "echo up; while :; do sleep 1; done\n";

/// VM-03 and VM-04: by the device and by the console.
#[test]
fn exit_codes_make_it_out_of_the_machine() {
    if !has_machines() {
        return;
    }
    let code_of = |code: u8| {
        move || {
            let finished = Vm::new().script(&format!("exit {code}\n")).boot();
            assert_eq!(finished.code(), code, "{finished:#?}");
        }
    };
    std::thread::scope(|scope| {
        for code in [0, 1, 2, 7, 42, 64, 100, 127, 137, 255] {
            scope.spawn(code_of(code));
        }
    });
}

/// VM-03 and VM-04: off or on again as it is asked for; without the device the console tells the result.
#[test]
fn machines_go_off_or_start_again() {
    if !has_machines() {
        return;
    }
    for (words, event) in [("quiet", "Power down"), ("podinit.end=reboot", "Restarting system")] {
        let finished = Vm::new().without_exit_device().words(words).script("exit 7\n").boot();
        assert_eq!((finished.status, finished.told()), (Some(0), Some(7)), "{finished:#?}");
        let last = finished.console.last().unwrap();
        assert!(last.ends_with(event), "{finished:#?}");
    }
}

/// VM-03: neither a panic nor a fault of podinit's own is the machine's.
#[test]
fn bugs_of_podinit_s_own_end_the_machine_in_good_order() {
    if !has_machines() {
        return;
    }
    for (fault, message) in [("panic", "internal error at"), ("abort", "internal error: it ran into a fault")]
    {
        let words = format!("PODINIT_FAULT={fault}");
        let finished = Vm::new().words(&words).script(UP_AND_WAITING).boot();
        assert_eq!(finished.code(), 70, "{finished:#?}");
        assert!(finished.messages().iter().any(|line| line.starts_with(message)), "{finished:#?}");
        assert!(!finished.console.iter().any(|line| line.contains("Kernel panic")), "{finished:#?}");
    }
}

/// VM-03: what podinit cannot do is a result like others.
#[test]
fn a_machine_without_a_pod_says_so_and_ends() {
    if !has_machines() {
        return;
    }
    let finished = Vm::new().boot();
    assert_eq!(finished.code(), 125, "{finished:#?}");
    let messages = finished.console.join("\n");
    assert!(messages.contains("cannot read this file: no such file or directory"), "{finished:#?}");
    assert!(messages.contains("/etc/podinit/pod.yaml"), "{finished:#?}");
}

/// VM-04 and VM-13: a machine that stops, panics or never ends is no success, whatever QEMU's status.
#[test]
fn only_a_result_is_a_success() {
    if !has_machines() {
        return;
    }
    let panicked = Vm::new().script("echo c > /proc/sysrq-trigger\n").boot();
    assert_eq!((panicked.status, panicked.told()), (Some(0), None), "{panicked:#?}");
    assert!(panicked.console.iter().any(|line| line.contains("Kernel panic")), "{panicked:#?}");
    assert!(catch_unwind(|| panicked.code()).is_err());

    let mut running = Vm::new().script(UP_AND_WAITING).start();
    running.wait_for("main | up");
    running.monitor("quit");
    let quit = running.finish();
    assert_eq!((quit.status, quit.told()), (Some(0), None), "{quit:#?}");
    assert!(catch_unwind(|| quit.code()).is_err());

    let mut running = Vm::new().script(UP_AND_WAITING).start();
    running.wait_for("main | up");
    running.wait_at_most(Duration::ZERO);
    let why = catch_unwind(move || running.finish()).map(drop).unwrap_err();
    assert!(why.downcast_ref::<String>().is_some_and(|why| why.starts_with("the machine does not end")));
}

/// VM-05: what asks for a reboot in a PID namespace of its own ends that namespace, and not the machine.
#[test]
fn a_reboot_in_a_pid_namespace_is_the_end_of_that_namespace() {
    if !has_machines() {
        return;
    }
    let script = "unshare -pf sh -c 'reboot -f'; echo reboot: $?
        unshare -pf sh -c 'poweroff -f'; echo poweroff: $?
        exit 3\n";
    let finished = Vm::new().script(script).boot();
    assert_eq!(finished.code(), 3, "{finished:#?}");
    // SIGHUP and SIGINT, as a shell shows them.
    let shown: Vec<_> = finished.lines("main").into_iter().filter(|line| line.contains(": ")).collect();
    assert_eq!(shown, ["reboot: 129", "poweroff: 130"], "{finished:#?}");
}

/// VM-06: three keys ask podinit and not the kernel.
#[test]
fn ctrl_alt_del_stops_the_pod() {
    if !has_machines() {
        return;
    }
    let script = "trap 'echo stopping; exit 5' TERM; cat /proc/sys/kernel/ctrl-alt-del; echo up
        while :; do sleep 1; done\n";
    let mut running = Vm::new().script(script).start();
    running.wait_for("main | up");
    running.monitor("sendkey ctrl-alt-delete");
    let finished = running.finish();
    assert_eq!(finished.code(), 5, "{finished:#?}");
    assert_eq!(finished.lines("main"), ["0", "up", "stopping"], "{finished:#?}");
}

/// VM-06: signals that would end any other process mean what they always mean.
#[test]
fn faults_that_others_send_are_no_faults() {
    if !has_machines() {
        return;
    }
    let script = "for signal in SEGV ABRT BUS ILL FPE TRAP SYS KILL STOP; do kill -$signal 1; done; exit 9\n";
    let finished = Vm::new().script(script).boot();
    assert_eq!(finished.code(), 9, "{finished:#?}");
}

/// RES-13: clocks that are set say nothing about how long something takes.
#[test]
fn timers_do_not_care_about_the_date() {
    if !has_machines() {
        return;
    }
    let pod = r#"
        name = "vm"
        activeDeadlineSeconds = 3
        [[containers]]
        name = "main"
        command = ["sh", "-c", '''
            trap 'read -r up _ < /proc/uptime; echo "$begin $up"; exit 0' TERM
            read -r begin _ < /proc/uptime
            date -s @4000000000; date -s @1000000000
            while :; do sleep 0.1; done
        ''']
    "#;
    let finished = Vm::new().pod(pod).boot();
    assert_eq!(finished.code(), 124, "{finished:#?}");
    let lines = finished.lines("main");
    let (begin, up) = lines.last().unwrap().split_once(' ').unwrap();
    let took = up.parse::<f64>().unwrap() - begin.parse::<f64>().unwrap();
    // Before the script looked at its watch there were some tenths of a second, after it some more.
    assert!((2.0..10.0).contains(&took), "{finished:#?}");
}
