//! The filters that containers get, in the kernel: it takes the programs, and programs of others run under
//! them.
//!
//! The test binary executes itself to get such a filter, since it is for ever.

use std::os::unix::process::CommandExt;
use std::process::Command;

use podinit::plan::{Filter, localhost, runtime_default};
use podinit::spec::Capability;
use seccompiler::{apply_filter, sock_filter};

use crate::harness::{Running, has};

/// What is executed under the filter; without this variable there is none.
const SCRIPT: &str = "PODINIT_IT_SYSTEM_CALLS";
/// The filter's profile; without it Docker's default.
const PROFILE: &str = "PODINIT_IT_SECCOMP_PROFILE";

#[test]
#[ignore = "what the other tests of this file execute"]
fn take_calls_away_and_execute() {
    let Some(script) = std::env::var_os(SCRIPT) else { return };
    let usual = Capability::usual().fold(0, |bits, capability| bits | 1 << capability.number());
    let filter = match std::env::var(PROFILE) {
        Ok(profile) => localhost(profile.as_bytes(), usual, (6, 0)).unwrap().0,
        Err(_) => runtime_default(usual).unwrap(),
    };
    install(&filter);
    panic!("{}", Command::new("sh").arg("-c").arg(script).exec());
}

fn install(filter: &Filter) {
    for program in filter.programs() {
        let instruction = |made: &podinit::plan::Instruction| sock_filter {
            code: made.code,
            jt: made.jump_true,
            jf: made.jump_false,
            k: made.operand,
        };
        apply_filter(&program.iter().map(instruction).collect::<Vec<_>>()).unwrap();
    }
}

/// Runs a script under a filter. What it prints comes after what the test harness prints.
fn filtered(profile: Option<&str>, script: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "system_calls::take_calls_away_and_execute", "--ignored", "--nocapture"]);
    command.env(SCRIPT, script).env_remove(PROFILE);
    if let Some(profile) = profile {
        command.env(PROFILE, profile);
    }
    command
}

#[test]
fn priv_05_the_kernel_takes_the_default_filter_and_enforces_it() {
    if !has(&["unshare", "python3"]) {
        return;
    }
    let script = r#"
        grep -E '^Seccomp:' /proc/self/status
        unshare --uts true 2>&1 | grep -o 'Operation not permitted'
        exec python3 -c '
import ctypes, os, socket, threading
thread = threading.Thread(target=print, args=("a thread",))
thread.start(); thread.join()
call = ctypes.CDLL(None, use_errno=True).syscall
def errno(*arguments):
    ctypes.set_errno(0)
    call(*arguments)
    return ctypes.get_errno()
clone3, keyctl, x32 = 435, {"x86_64": 250}.get(os.uname().machine, 219), 0x40000000
print("clone3", errno(clone3, 0, 0), "keyctl", errno(keyctl, 0, 0))
if os.uname().machine == "x86_64":
    print("x32", errno(x32 | 39))
for family in 38, 40:
    try: socket.socket(family, socket.SOCK_STREAM)
    except OSError as refused: print("family", family, refused.errno)
'"#;
    let ended = Running::start(&mut filtered(None, script)).end();
    let mut expected = vec!["Seccomp:\t2", "Operation not permitted", "a thread", "clone3 38 keyctl 1"];
    if cfg!(target_arch = "x86_64") {
        expected.push("x32 1");
    }
    expected.extend(["family 38 1", "family 40 1"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
    assert!(ended.stdout.ends_with(&expected), "{ended:?}");
}

#[test]
fn priv_08_a_profile_of_several_actions_is_several_programs_that_the_kernel_takes() {
    let profile = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
        {"names": ["rmdir"], "action": "SCMP_ACT_KILL_PROCESS"}]}"#;
    let script = "mkdir /nowhere 2>&1 | grep -o 'No space left on device'; (rmdir /nowhere); echo $?";
    let ended = Running::start(&mut filtered(Some(profile), script)).end();
    assert!(ended.stdout.ends_with(&["No space left on device", "159"].map(str::to_owned)), "{ended:?}");
}
