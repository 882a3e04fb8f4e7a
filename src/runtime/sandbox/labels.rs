//! What is told to the kernel's security modules before a program is executed: under which AppArmor profile, with
//! which SELinux label. It counts from the execution on. Told while /proc is the host's: another one could be anything
//! (CVE-2019-16884).

use std::ffi::CString;
use std::fs;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::ChildSteps;
use crate::plan::{self, Credentials, DEFAULT_APP_ARMOR, DefaultProfile, Finding, Lack};
use crate::runtime::{apart, cause, facts};
use crate::spec::{Pod, SecurityProfile};
use crate::sys::{self, Birth, ChildOp, CommandLine, Memory};

/// What the policy says of containers.
const CONTEXTS: &str = "/etc/selinux/targeted/contexts/lxc_contexts";
/// Every loaded profile, one a line, with its mode in brackets.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";

/// What helps where the usual profile forbids nothing. podinit does not do it: whoever loaded it so had a reason, and
/// it is the whole host's.
const REPLACE: &str = "load it in enforce mode, or remove it for podinit to load its own: \
                       `echo -n podinit-default > /sys/kernel/security/apparmor/.remove`";

/// The steps that tell it.
pub(super) fn steps(credentials: &Credentials, number: u64) -> ChildSteps {
    let mut steps = Vec::new();
    let name = match &credentials.app_armor {
        Some(SecurityProfile::RuntimeDefault) => Some(DEFAULT_APP_ARMOR.0),
        Some(SecurityProfile::Localhost(name)) => Some(name.as_str()),
        Some(SecurityProfile::Unconfined) | None => None,
    };
    if let Some(name) = name {
        // Before Linux 5.8 there is one file for all modules.
        let path = match Path::new("/proc/self/attr/apparmor/exec").exists() {
            true => c"/proc/self/attr/apparmor/exec",
            false => c"/proc/self/attr/exec",
        };
        let op = ChildOp::Write { path, bytes: format!("exec {name}").into_bytes() };
        steps.push((op, format!("run under AppArmor profile {name:?}, which has to be loaded").into()));
    }
    if let Some(options) = &credentials.se_linux {
        let contexts = fs::read_to_string(CONTEXTS).unwrap_or_default();
        let label = plan::se_linux_label(options, &contexts, number);
        let what = format!("run with SELinux label {label}").into();
        steps.push((ChildOp::Write { path: c"/proc/self/attr/exec", bytes: label.into_bytes() }, what));
    }
    steps
}

/// Loads the profile that `RuntimeDefault` stands for, where a container has it and it is not loaded. Before anything
/// runs.
pub(super) fn load_default(pod: &Pod) -> Result<(), String> {
    let is_usual = |profile: Option<SecurityProfile>| profile == Some(SecurityProfile::RuntimeDefault);
    let is_wanted = pod.iter().any(|(.., container)| is_usual(plan::app_armor_profile(pod, container)));
    if !is_wanted {
        return Ok(());
    }
    let (name, text) = DEFAULT_APP_ARMOR;
    let cannot = |what: &str, why: &str| {
        format!("cannot {what} AppArmor profile {name} for appArmorProfile RuntimeDefault: {why}")
    };
    match plan::default_profile(&fs::read_to_string(LOADED).unwrap_or_default()) {
        DefaultProfile::Confines => Ok(()),
        DefaultProfile::Idle(mode) => Err(cannot("use", &format!("{}; {REPLACE}", idle(&mode)))),
        DefaultProfile::Missing => {
            load(text).map_err(|why| cannot("load", &format!("{why}; load a profile of this name")))
        }
    }
}

/// Whether it confines, or podinit may load it.
pub(in crate::runtime) fn find_default(missing: impl Fn(&str) -> Lack) -> Finding {
    let loaded = fs::read_to_string(LOADED).map_err(|error| Lack {
        cause: format!("cannot read {LOADED}: {}", cause(error)),
        remedy: "run podinit as root, with securityfs at /sys/kernel/security".to_owned(),
    })?;
    match plan::default_profile(&loaded) {
        DefaultProfile::Confines => Ok(DEFAULT_APP_ARMOR.0.to_owned()),
        DefaultProfile::Idle(mode) => Err(Lack { cause: idle(&mode), remedy: REPLACE.to_owned() }),
        DefaultProfile::Missing if parser().is_some() => Ok("loaded by podinit".to_owned()),
        DefaultProfile::Missing => Err(missing(&format!(
            "profile {} is not loaded, and there is no apparmor_parser",
            DEFAULT_APP_ARMOR.0
        ))),
    }
}

fn idle(mode: &str) -> String {
    format!("profile {} is loaded in {mode} mode, which forbids nothing", DEFAULT_APP_ARMOR.0)
}

fn parser() -> Option<String> {
    facts::program("apparmor_parser")
        .or_else(|| Some("/sbin/apparmor_parser".to_owned()).filter(|path| Path::new(path).exists()))
}

fn load(text: &str) -> Result<(), String> {
    let program = parser().ok_or("there is no apparmor_parser (package apparmor)")?;
    let cannot = |error: std::io::Error| format!("{program}: {}", cause(error));
    let profile = memfd_create(c"profile", MFdFlags::MFD_CLOEXEC).map_err(|errno| cannot(errno.into()))?;
    let mut profile = fs::File::from(profile);
    profile.write_all(text.as_bytes()).and_then(|()| profile.rewind()).map_err(cannot)?;
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty());
    let null = null.map_err(|errno| cannot(errno.into()))?;
    let mut ops: Vec<ChildOp> = [(profile.as_raw_fd(), 0), (null.as_raw_fd(), 1), (null.as_raw_fd(), 2)]
        .into_iter()
        .map(|(from, to)| ChildOp::Redirect { from, to })
        .collect();
    ops.push(ChildOp::DieWithParent);
    let words = ["apparmor_parser", "-Kr"].into_iter().filter_map(|word| CString::new(word).ok());
    let programs = CString::new(program.as_str()).into_iter().collect();
    let mut command = CommandLine::new(programs, words.collect(), Vec::new());
    let spawned = sys::spawn(&ops, &mut command, Birth::plain(Memory::Copied)).map_err(cannot)?;
    let _ = apart::ready(spawned.pidfd.as_fd());
    // It has ended, or takes too long.
    let _ = sys::send_signal(spawned.pidfd.as_fd(), libc::SIGKILL);
    match waitpid(Pid::from_raw(spawned.pid), None) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, code)) => Err(format!("{program} exited with code {code}")),
        Ok(_) | Err(_) => Err(format!("{program} did not end well")),
    }
}
