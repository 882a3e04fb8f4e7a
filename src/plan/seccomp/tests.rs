//! The programs are run by a small interpreter of BPF, which knows the instructions that they have.

use super::*;

#[cfg(target_arch = "x86_64")]
const OWN: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN: u32 = 0xc000_00b7;

const ALLOWED: u32 = 0x7fff_0000;
const KILLED: u32 = 0x8000_0000;
const KILLED_THREAD: u32 = 0;
const TRAPPED: u32 = 0x0003_0000;
const LOGGED: u32 = 0x7ffc_0000;
const TRACED: u32 = 0x7ff0_0000;

fn failed(errno: u32) -> u32 {
    0x0005_0000 | errno
}

/// What the kernel does: the strictest of all programs, in its order.
fn judged(filter: &Filter, architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = [number, architecture, 0, 0].map(u32::to_ne_bytes).concat();
    data.extend(arguments.iter().flat_map(|argument| argument.to_ne_bytes()));
    let strictness = |verdict: &u32| (*verdict & 0xffff_0000).cast_signed();
    filter.programs().iter().map(|program| run(program, &data)).min_by_key(strictness).unwrap()
}

fn run(program: &[Instruction], data: &[u8]) -> u32 {
    let (mut at, mut value) = (0, 0_u32);
    loop {
        let Instruction { code, jump_true, jump_false, operand } = program[at];
        at += 1;
        let jump = |holds| usize::from(if holds { jump_true } else { jump_false });
        match code {
            0x20 => {
                let from = operand as usize;
                value = u32::from_ne_bytes(data[from..from + 4].try_into().unwrap());
            }
            0x54 => value &= operand,
            0x05 => at += operand as usize,
            0x15 => at += jump(value == operand),
            0x25 => at += jump(value > operand),
            0x35 => at += jump(value >= operand),
            0x06 => return operand,
            other => panic!("instruction {other:#x} is not known"),
        }
    }
}

fn call(filter: &Filter, name: &str, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let number = syscalls::number(name).unwrap_or_else(|| panic!("{name} has no number"));
    judged(filter, OWN, u32::try_from(number).unwrap(), all)
}

fn bits(names: &[&str]) -> u64 {
    names.iter().fold(0, |bits, name| bits | 1 << Capability::named(name).unwrap().number())
}

fn usual() -> u64 {
    Capability::usual().fold(0, |bits, capability| bits | 1 << capability.number())
}

fn profile(text: &str) -> Result<(Filter, Vec<String>), String> {
    localhost(text.as_bytes(), usual(), (6, 1))
}

#[test]
fn priv_05_what_a_container_may_call_by_default() {
    let filter = runtime_default(usual()).unwrap();
    let namespace = 0x1000_0000;
    let cases: [(&str, &[u64], u32); 48] = [
        ("read", &[], ALLOWED),
        ("write", &[], ALLOWED),
        ("openat", &[], ALLOWED),
        ("execve", &[], ALLOWED),
        ("exit_group", &[], ALLOWED),
        ("mmap", &[], ALLOWED),
        ("futex", &[], ALLOWED),
        ("prctl", &[], ALLOWED),
        ("seccomp", &[], ALLOWED),
        ("ptrace", &[], ALLOWED),
        ("chroot", &[], ALLOWED),
        ("mknodat", &[], ALLOWED),
        ("memfd_create", &[], ALLOWED),
        ("landlock_restrict_self", &[], ALLOWED),
        ("mseal", &[], ALLOWED),
        // moby does not look at what ioctl(2) is asked for: TIOCSTI is up to the kernel's dev.tty.legacy_tiocsti.
        ("ioctl", &[0, 0x5412], ALLOWED),
        ("clone", &[0x3d_0f00], ALLOWED),
        ("clone", &[17], ALLOWED),
        ("clone", &[namespace | 17], failed(EPERM)),
        ("clone", &[0x0200_0000], failed(EPERM)),
        ("clone3", &[], failed(ENOSYS)),
        ("unshare", &[namespace], failed(EPERM)),
        ("setns", &[], failed(EPERM)),
        ("mount", &[], failed(EPERM)),
        ("umount2", &[], failed(EPERM)),
        ("fsopen", &[], failed(EPERM)),
        ("move_mount", &[], failed(EPERM)),
        ("pivot_root", &[], failed(EPERM)),
        ("keyctl", &[], failed(EPERM)),
        ("add_key", &[], failed(EPERM)),
        ("bpf", &[], failed(EPERM)),
        ("userfaultfd", &[], failed(EPERM)),
        ("perf_event_open", &[], failed(EPERM)),
        ("io_uring_setup", &[], failed(EPERM)),
        ("kexec_load", &[], failed(EPERM)),
        ("init_module", &[], failed(EPERM)),
        ("open_by_handle_at", &[], failed(EPERM)),
        ("reboot", &[], failed(EPERM)),
        ("settimeofday", &[], failed(EPERM)),
        ("mbind", &[], failed(EPERM)),
        ("swapon", &[], failed(EPERM)),
        ("socket", &[2, 1], ALLOWED),
        ("socket", &[16], ALLOWED),
        ("socket", &[38], failed(EPERM)),
        ("socket", &[40], failed(EPERM)),
        ("personality", &[0x2_0000], ALLOWED),
        ("personality", &[0xffff_ffff], ALLOWED),
        ("personality", &[0x40_0000], failed(EPERM)),
    ];
    for (name, arguments, expected) in cases {
        assert_eq!(call(&filter, name, arguments), expected, "{name} {arguments:x?}");
    }
}

#[test]
fn priv_05_what_capabilities_allow_more_or_less() {
    let cases = [
        ("SYS_ADMIN", vec!["mount", "unshare", "setns", "bpf", "clone3", "fsopen", "syslog"]),
        ("SYS_BOOT", vec!["reboot"]),
        ("SYS_MODULE", vec!["init_module", "finit_module", "delete_module"]),
        ("SYS_PTRACE", vec!["kcmp", "pidfd_getfd", "process_madvise"]),
        ("SYS_TIME", vec!["settimeofday", "clock_settime"]),
        ("SYS_NICE", vec!["mbind", "set_mempolicy"]),
        ("SYS_PACCT", vec!["acct"]),
        ("SYS_TTY_CONFIG", vec!["vhangup"]),
        ("DAC_READ_SEARCH", vec!["open_by_handle_at"]),
        ("SYSLOG", vec!["syslog"]),
        ("BPF", vec!["bpf"]),
        ("PERFMON", vec!["perf_event_open"]),
    ];
    let without = runtime_default(usual()).unwrap();
    for (capability, names) in cases {
        let with = runtime_default(usual() | bits(&[capability])).unwrap();
        for name in names {
            let refused = if name == "clone3" { ENOSYS } else { EPERM };
            let both = (call(&without, name, &[]), call(&with, name, &[]));
            assert_eq!(both, (failed(refused), ALLOWED), "{name} with {capability}");
        }
    }
    let admin = runtime_default(bits(&["SYS_ADMIN"])).unwrap();
    assert_eq!(call(&admin, "clone", &[0x1000_0000]), ALLOWED);
    let nothing = runtime_default(0).unwrap();
    assert_eq!(call(&nothing, "chroot", &[]), failed(EPERM), "SYS_CHROOT is one of the usual ones");
    assert_eq!(call(&runtime_default(u64::MAX).unwrap(), "keyctl", &[]), failed(EPERM));
}

#[test]
fn priv_06_calls_of_other_architectures_are_killed_or_fail() {
    let nothing_said = r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#;
    let one_refused = r#"{"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]}"#;
    let allowing = [nothing_said, one_refused].map(|text| profile(text).unwrap().0);
    for filter in [runtime_default(u64::MAX).unwrap()].iter().chain(&allowing) {
        assert_ne!(judged(filter, OWN, 0x3fff_ffff, [0; 6]), KILLED);
        // i386, arm.
        for other in [0x4000_0003, 0x4000_0028] {
            assert_eq!(judged(filter, other, 3, [0; 6]), KILLED);
        }
        if cfg!(target_arch = "x86_64") {
            for number in [0, 165, 512, 547] {
                assert_eq!(judged(filter, OWN, X32 | number, [0; 6]), failed(EPERM));
            }
        }
    }
    assert_eq!(call(&allowing[1], "mount", &[]), failed(EPERM));
    assert_eq!(call(&allowing[1], "unshare", &[]), ALLOWED);
}

#[test]
fn priv_08_every_action_and_comparison_does_what_it_says() {
    let text = r#"{
        "defaultAction": "SCMP_ACT_KILL_PROCESS",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "comment": "x"},
            {"name": "getpid", "action": "SCMP_ACT_ERRNO"},
            {"names": ["getppid"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "errno": "ENOSYS"},
            {"names": ["getuid"], "action": "SCMP_ACT_TRAP"},
            {"names": ["getgid"], "action": "SCMP_ACT_KILL"},
            {"names": ["geteuid"], "action": "SCMP_ACT_LOG"},
            {"names": ["getegid"], "action": "SCMP_ACT_TRACE", "errnoRet": 7},
            {"names": ["getsid"], "action": "SCMP_ACT_KILL_THREAD"},
            {"names": ["kill"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 5, "op": "SCMP_CMP_GE"}, {"index": 1, "value": 9, "op": "SCMP_CMP_NE"}]},
            {"names": ["dup3"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
            {"names": ["mprotect"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 2, "value": 4, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]},
            {"names": ["lseek"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 1, "value": 4294967296, "op": "SCMP_CMP_GT"}]},
            {"names": ["close"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 3, "op": "SCMP_CMP_LE"}]},
            {"names": ["fchdir"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 3, "op": "SCMP_CMP_LT"}]}
        ]}"#;
    let (filter, warnings) = profile(text).unwrap();
    assert_eq!(warnings, [""; 0]);
    let cases: [(&str, &[u64], u32); 26] = [
        ("read", &[], ALLOWED),
        ("mount", &[], KILLED),
        ("getpid", &[], failed(1)),
        ("getppid", &[], failed(38)),
        ("getuid", &[], TRAPPED),
        ("getgid", &[], KILLED_THREAD),
        ("geteuid", &[], LOGGED),
        ("getegid", &[], TRACED | 7),
        ("getsid", &[], KILLED_THREAD),
        ("kill", &[5, 1], ALLOWED),
        ("kill", &[u64::MAX, 1], ALLOWED),
        ("kill", &[4, 1], KILLED),
        ("kill", &[5, 9], KILLED),
        ("dup3", &[1], ALLOWED),
        ("dup3", &[2], ALLOWED),
        ("dup3", &[3], KILLED),
        ("mprotect", &[0, 0, 3], ALLOWED),
        ("mprotect", &[0, 0, 7], KILLED),
        ("lseek", &[0, 1 << 32], KILLED),
        ("lseek", &[0, (1 << 32) + 1], ALLOWED),
        ("lseek", &[0, 5], KILLED),
        ("close", &[3], ALLOWED),
        ("close", &[4], KILLED),
        ("close", &[1 << 32], KILLED),
        ("fchdir", &[2], ALLOWED),
        ("fchdir", &[3], KILLED),
    ];
    for (name, arguments, expected) in cases {
        assert_eq!(call(&filter, name, arguments), expected, "{name} {arguments:x?}");
    }
}

#[test]
fn priv_08_what_is_not_a_call_here_is_left_out_and_said_once() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [
        {"names": ["read", "socketcall", "_llseek", "socketcall"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let (filter, warnings) = profile(text).unwrap();
    let said = |name| format!("seccomp profile: left out {name:?}, no system call of this machine");
    assert_eq!(warnings, [said("socketcall"), said("_llseek")]);
    assert_eq!((call(&filter, "read", &[]), call(&filter, "write", &[])), (ALLOWED, failed(38)));
}

#[test]
fn priv_08_what_is_not_understood_is_refused_all_at_once() {
    let cases = [
        (r#"{"defaultAction": "SCMP_ACT_SOME"}"#, "unknown defaultAction \"SCMP_ACT_SOME\""),
        (r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#, "SCMP_ACT_NOTIFY asks a program"),
        (r#"{}"#, "it has no defaultAction"),
        (r#"[]"#, "[] is no object"),
        (r#"{"#, "EOF while parsing"),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscall": []}"#, "unknown field \"syscall\""),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["NEW"]}"#, "unknown flag \"NEW\""),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x"]}"#, "unknown architecture \"x\""),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}"#,
            "defaultErrnoRet is at most 4095",
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS"}"#,
            "write defaultErrnoRet, the number, beside defaultErrno",
        ),
    ];
    for (text, expected) in cases {
        let said = profile(text).unwrap_err();
        assert!(
            said.starts_with("cannot use seccomp profile: ") && said.contains(expected),
            "{text}: {said}"
        );
    }
    let several = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_PERMIT"},
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]},
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_OR"}]},
        {"names": [], "action": "SCMP_ACT_ALLOW", "include": {}},
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "new"}}]}"#;
    assert_eq!(
        profile(several).unwrap_err(),
        "cannot use seccomp profile: syscalls[0]: unknown action \"SCMP_ACT_PERMIT\"; \
         syscalls[1].args[0]: a call has no argument 6: they are numbered from 0 to 5; \
         syscalls[2].args[0]: unknown op \"SCMP_CMP_OR\"; \
         syscalls[3]: unknown field \"include\"; \
         syscalls[3]: it names no system call; \
         syscalls[4].includes: minKernel is written as 4.8, not as \"new\""
    );
}

#[test]
fn priv_08_clauses_choose_by_capability_architecture_and_kernel() {
    let holds = |clauses: &str| {
        let text = format!(
            r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
                {{"names": ["read"], "action": "SCMP_ACT_ALLOW", {clauses}}}]}}"#
        );
        call(&profile(&text).unwrap().0, "read", &[]) == ALLOWED
    };
    let own = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let cases = [
        (r#""includes": {}"#, true),
        (r#""includes": {"caps": ["CAP_CHOWN"]}"#, true),
        (r#""includes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}"#, false),
        (r#""includes": {"caps": ["CAP_NEW"]}"#, false),
        (r#""excludes": {"caps": ["CAP_SYS_ADMIN"]}"#, true),
        (r#""excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_CHOWN"]}"#, false),
        (r#""includes": {"arches": ["s390x"]}"#, false),
        (&format!(r#""includes": {{"arches": ["s390x", "{own}"]}}"#), true),
        (&format!(r#""excludes": {{"arches": ["{own}"]}}"#), false),
        (r#""includes": {"minKernel": "6.1"}"#, true),
        (r#""includes": {"minKernel": "6.2"}"#, false),
        (r#""excludes": {"minKernel": "4.8"}"#, false),
        (r#""excludes": {"minKernel": "10.0"}"#, true),
    ];
    for (clauses, expected) in cases {
        assert_eq!(holds(clauses), expected, "{clauses}");
    }
}

#[test]
fn rules_that_contradict_each_other_are_as_strict_as_the_strictest() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["read"], "action": "SCMP_ACT_KILL_PROCESS", "args": [{"index": 0, "value": 9, "op": "SCMP_CMP_EQ"}]},
        {"names": ["write"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 9, "op": "SCMP_CMP_EQ"}]},
        {"names": ["write"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let (filter, _) = profile(text).unwrap();
    assert_eq!((call(&filter, "read", &[9]), call(&filter, "read", &[8])), (KILLED, ALLOWED));
    assert_eq!(call(&filter, "write", &[8]), ALLOWED, "a rule without conditions holds always");
}

#[test]
fn what_one_rule_says_of_a_call_takes_no_program_of_its_own() {
    let filter = runtime_default(usual()).unwrap();
    assert_eq!(filter.programs().len(), 1);
    assert_eq!(call(&filter, "clone3", &[]), failed(ENOSYS));
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["open", "write"], "action": "SCMP_ACT_KILL_PROCESS"},
        {"names": ["seccomp"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}"#;
    let (filter, _) = profile(text).unwrap();
    assert_eq!(filter.programs().len(), 2, "two rules are about write");
    let calls = ["read", "write", "open", "seccomp", "getppid"].map(|name| call(&filter, name, &[]));
    assert_eq!(calls, [ALLOWED, KILLED, KILLED, failed(ENOSYS), failed(EPERM)]);
}

#[test]
fn priv_05_a_program_that_refuses_seccomp_comes_last() {
    let refusing = [
        r#"{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "args": [{"index": 0, "value": 9, "op": "SCMP_CMP_EQ"}]}"#,
        r#"{"names": ["seccomp"], "action": "SCMP_ACT_TRAP"},
           {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "args": [{"index": 0, "value": 9, "op": "SCMP_CMP_EQ"}]}"#,
    ];
    for rules in refusing {
        let text = format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{rules}]}}"#);
        let programs = profile(&text).unwrap().0.programs;
        let refuses = |program: &Vec<Instruction>| {
            call(&Filter { programs: vec![program.clone()] }, "seccomp", &[]) != ALLOWED
        };
        let order: Vec<_> = programs.iter().map(refuses).collect();
        assert!(order.is_sorted() && order.ends_with(&[false, true]), "{order:?}: {rules}");
    }
}

#[test]
fn programs_are_what_the_kernel_takes() {
    assert_eq!(size_of::<Instruction>(), 8);
    for capabilities in [0, usual(), u64::MAX] {
        let filter = runtime_default(capabilities).unwrap();
        let sizes: Vec<_> = filter.programs().iter().map(Vec::len).collect();
        assert!(sizes.iter().all(|size| *size < MOST_INSTRUCTIONS), "{sizes:?}");
    }
    let many: Vec<_> =
        (0..2000).map(|value| format!(r#"{{"index": 0, "value": {value}, "op": "SCMP_CMP_EQ"}}"#)).collect();
    let text = format!(
        r#"{{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{}]}}]}}"#,
        many.join(",")
    );
    assert!(profile(&text).unwrap_err().contains("too many BPF instructions"));
}

#[test]
fn priv_08_names_have_the_numbers_of_this_architecture() {
    let own = if cfg!(target_arch = "aarch64") { 1 } else { 0 };
    let known = [
        ("read", [0, 63]),
        ("unshare", [272, 97]),
        ("userfaultfd", [323, 282]),
        ("clone3", [435, 435]),
        ("removexattrat", [466, 466]),
    ];
    for (name, numbers) in known {
        assert_eq!(syscalls::number(name), Some(numbers[own]), "{name}");
    }
    assert_eq!(syscalls::number("socketcall"), None);
    let all = docker::ALLOWED.iter().map(|(_, names)| *names).chain([docker::ALWAYS]);
    let listed = all.flat_map(str::split_whitespace);
    let always: Vec<_> = docker::ALWAYS.split_whitespace().map(syscalls::number).collect();
    let compiled: Vec<_> = docker::ALWAYS_HERE.iter().map(|number| syscalls::is_here(*number)).collect();
    assert_eq!(always, compiled);
    let unknown: Vec<_> = listed.filter(|name| syscalls::number(name).is_none()).collect();
    if cfg!(target_arch = "x86_64") {
        assert_eq!(unknown, [""; 0]);
    }
}
