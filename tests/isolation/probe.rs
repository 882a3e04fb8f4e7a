//! What a container runs where busybox cannot help: this test program itself, copied into the root file system
//! as /bin/probe. It must not start as a test program does, with threads and handlers of its own, so it runs
//! before `main`, among the initialisers of the C library.
#![allow(unsafe_code, reason = "system calls that no crate has, and an entry before main")]

use std::ffi::{CStr, c_char, c_int, c_long};

use nix::errno::Errno;

/// The C library calls what stands here before `main` with the arguments of the program.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn(c_int, *const *const c_char, *const *const c_char) = before_main;

extern "C" fn before_main(count: c_int, words: *const *const c_char, _: *const *const c_char) {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: the C library hands over as many pointers to strings as it says, which stay.
    let word = |at: usize| unsafe { CStr::from_ptr(*words.add(at)) }.to_string_lossy().into_owned();
    let words: Vec<String> = (0..count).map(word).collect();
    if words.first().is_some_and(|name| name.rsplit('/').next() == Some("probe")) {
        let words: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        std::process::exit(run(&words));
    }
}

fn run(words: &[&str]) -> i32 {
    match words {
        ["calls"] => calls(),
        ["other-architectures"] => other_architectures(),
        ["trace", pid] => told("trace", trace(pid.parse().unwrap())),
        ["type-in"] => type_in(),
        ["effective"] => println!("effective {} {}", nix::unistd::geteuid(), nix::unistd::getegid()),
        ["escape"] => escape(),
        ["wait", ..] => loop {
            nix::unistd::pause();
        },
        _ => return 64,
    }
    0
}

/// One line: the name of a call, and how it ended.
fn told(name: &str, result: c_long) {
    if result >= 0 {
        println!("{name} ok");
    } else {
        println!("{name} {:?}", Errno::last());
    }
}

/// What Docker's default profile refuses, or what a profile of it must let through.
fn calls() {
    const NEW_USER: c_long = 0x1000_0000;
    const NEW_MOUNT: c_long = 0x2_0000;
    let all: [(&str, c_long, [c_long; 5]); 20] = [
        ("unshare-user", libc::SYS_unshare, [NEW_USER, 0, 0, 0, 0]),
        ("unshare-mount", libc::SYS_unshare, [NEW_MOUNT, 0, 0, 0, 0]),
        ("setns", libc::SYS_setns, [0, 0, 0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0, 0, 0]),
        ("umount2", libc::SYS_umount2, [0, 0, 0, 0, 0]),
        ("pivot_root", libc::SYS_pivot_root, [0, 0, 0, 0, 0]),
        ("fsopen", libc::SYS_fsopen, [0, 0, 0, 0, 0]),
        ("open_tree", libc::SYS_open_tree, [-1, 0, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [0, 0, 0, 0, 0]),
        ("add_key", libc::SYS_add_key, [0, 0, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [0, 0, 0, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0, 0, -1, -1, 0]),
        ("userfaultfd", libc::SYS_userfaultfd, [0, 0, 0, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0, 0, 0, 0]),
        ("clone3", libc::SYS_clone3, [0, 0, 0, 0, 0]),
        ("kexec_load", libc::SYS_kexec_load, [0, 0, 0, 0, 0]),
        ("init_module", libc::SYS_init_module, [0, 0, 0, 0, 0]),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, [-1, 0, 0, 0, 0]),
        ("getpid", libc::SYS_getpid, [0, 0, 0, 0, 0]),
        ("memfd_create", libc::SYS_memfd_create, [c"m".as_ptr() as c_long, 0, 0, 0, 0]),
    ];
    for (name, number, [a, b, c, d, e]) in all {
        // SAFETY: none of these writes to memory of this process; what they read is null or a string.
        told(name, unsafe { libc::syscall(number, a, b, c, d, e) });
    }
}

/// getpid by the numbers of x32 and by the interrupt of i386: each ends in a child of its own, since a filter
/// may kill who tries.
#[cfg(target_arch = "x86_64")]
fn other_architectures() {
    use nix::sys::wait::waitpid;
    use nix::unistd::{ForkResult, fork};

    let x32 = || {
        const X32: c_long = 0x4000_0000;
        // SAFETY: getpid has no effect.
        unsafe { libc::syscall(X32 | libc::SYS_getpid) }
    };
    let i386 = || {
        let result: i32;
        // SAFETY: the registers that the kernel changes are named; getpid (20) has no effect.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("eax") 20 => result, out("r8") _, out("r9") _,
                out("r10") _, out("r11") _);
        }
        c_long::from(result)
    };
    let tries: [(&str, &dyn Fn() -> c_long); 2] = [("x32", &x32), ("i386", &i386)];
    for (name, call) in tries {
        // SAFETY: there is one thread.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                let result = call();
                std::process::exit(if result > 0 { 0 } else { 1 });
            }
            ForkResult::Parent { child } => {
                let ended = match waitpid(child, None).unwrap() {
                    nix::sys::wait::WaitStatus::Exited(_, 0) => "works".to_owned(),
                    nix::sys::wait::WaitStatus::Exited(..) => "fails".to_owned(),
                    nix::sys::wait::WaitStatus::Signaled(_, signal, _) => signal.to_string(),
                    other => format!("{other:?}"),
                };
                println!("{name} {ended}");
            }
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn other_architectures() {
    println!("there are none");
}

fn trace(pid: c_long) -> c_long {
    const SEIZE: c_long = 0x4206;
    // SAFETY: without options nothing of this process is read or written.
    unsafe { libc::syscall(libc::SYS_ptrace, SEIZE, pid, 0, 0) }
}

/// Tries to type into the terminal that podinit was started on.
fn type_in() {
    for descriptor in 0..3 {
        // SAFETY: one byte is read from where the string lies.
        let result = unsafe { libc::ioctl(descriptor, libc::TIOCSTI, c"x".as_ptr()) };
        told(&format!("type-in-{descriptor}"), c_long::from(result));
    }
    // SAFETY: the string ends with a zero.
    let opened = unsafe { libc::open(c"/dev/tty".as_ptr(), libc::O_RDWR) };
    told("open-tty", c_long::from(opened));
}

/// The way out of a chroot(2) that everybody knows: another one below, and then upwards without end.
fn escape() {
    std::fs::create_dir("/tmp/cell").unwrap();
    // SAFETY: these read strings that end with a zero.
    unsafe {
        told("chroot", c_long::from(libc::chroot(c"/tmp/cell".as_ptr())));
        for _ in 0..64 {
            libc::chdir(c"..".as_ptr());
        }
        told("chroot-out", c_long::from(libc::chroot(c".".as_ptr())));
    }
    let mut names: Vec<_> = std::fs::read_dir("/")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    println!("sees {}", names.join(" "));
}
