//! podinit as the first process of a machine: what is done before the pod, and the end of the machine after
//! it. Whatever fails here is a message; the kernel panics where its first process ends (VM-03).

mod console;
mod end;
mod file_systems;
mod modules;
mod remount;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use nix::sys::reboot::set_cad_enabled;

use super::{cause, complain, messages};
use crate::plan::{self, Boot, Typed};
use crate::sys;

/// Where the pod is looked for, first come first served.
const PODS: [&str; 4] =
    ["/etc/podinit/pod.yaml", "/etc/podinit/pod.yml", "/etc/podinit/pod.toml", "/etc/podinit/pod.json"];

/// Names of modules, one a line; `#` begins a comment.
const MODULES: &str = "/etc/podinit/modules";

/// What containers find commands by that have no path of their own.
const PATH: &std::ffi::CStr = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How the machine is to end. Set where there is one that is ours to end.
static BOOT: OnceLock<Boot> = OnceLock::new();

/// A machine whose first process this is.
#[derive(Debug)]
pub(crate) struct Machine(());

impl Machine {
    /// The machine, if the kernel has started this process as its first. A container's PID 1 gets none.
    pub(crate) fn if_ours() -> Option<Self> {
        sys::is_first_process().then_some(Self(()))
    }

    /// Makes of what the kernel leaves what programs expect. Returns the command line that is to be carried
    /// out, without the program's name.
    pub(crate) fn prepare(&self, arguments: Vec<OsString>) -> Vec<OsString> {
        messages::init(log::LevelFilter::Warn);
        let _ = sys::on_fault(end::after_fault);
        // Before anything that could fail in a way that nobody has thought of: from here on the end is ours.
        let proc = file_systems::mount_proc();
        let boot = match fs::read_to_string("/proc/cmdline") {
            Ok(line) => Boot::read(&line),
            Err(_) => Boot::default(),
        };
        let boot = BOOT.get_or_init(|| boot);
        let problems = file_systems::mount_others();
        console::open();
        for problem in proc.into_iter().chain(problems).chain(boot.warnings.iter().cloned()) {
            warn(&problem);
        }
        if std::env::var_os("PATH").is_none() {
            sys::add_variable(PATH);
        }
        attempt("let Ctrl-Alt-Del stop the pod", set_cad_enabled(false));
        modules::load(&listed_modules(boot));
        attempt("bring up the interface lo", sys::bring_interface_up(c"lo"));
        if let Some(name) = hostname(boot) {
            attempt(&format!("set the host's name to {name:?}"), nix::unistd::sethostname(&name));
        }
        fault();
        command_line(boot, arguments)
    }

    /// Ends the machine, as its command line asks for, and tells the exit code.
    pub(crate) fn end(&self, code: u8) -> ! {
        end::end(code)
    }
}

/// Ends the program with this exit code, or the machine where its first process is this one.
pub(super) fn leave(code: u8) -> ! {
    match BOOT.get() {
        Some(_) => end::end(code),
        None => sys::exit_now(code.into()),
    }
}

fn warn(message: &str) {
    complain(&format!("podinit: {message}\n"));
}

fn attempt<E: Into<io::Error>>(what: &str, result: Result<(), E>) {
    if let Err(error) = result {
        warn(&format!("cannot {what}: {}", cause(error)));
    }
}

fn listed_modules(boot: &Boot) -> Vec<String> {
    let file = fs::read_to_string(MODULES).unwrap_or_default();
    let listed = file.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let listed = listed.filter(|name| !name.is_empty()).map(str::to_owned);
    boot.modules.iter().cloned().chain(listed).collect()
}

/// The name that the machine is to get, unless it has one.
fn hostname(boot: &Boot) -> Option<String> {
    let file = || fs::read_to_string("/etc/hostname").ok().map(|text| text.trim().to_owned());
    let wanted = boot.hostname.clone().or_else(|| file().filter(|name| !name.is_empty()));
    let is_nameless = || nix::unistd::gethostname().is_ok_and(|name| name.is_empty() || name == "(none)");
    wanted.or_else(|| is_nameless().then(|| "localhost".to_owned()))
}

fn command_line(boot: &Boot, arguments: Vec<OsString>) -> Vec<OsString> {
    let Typed { strays, command } = plan::typed(arguments);
    if !strays.is_empty() {
        let strays: Vec<_> = strays.iter().map(|word| word.to_string_lossy()).collect();
        warn(&format!(
            "ignored words of the kernel's command line that are not for podinit: {}",
            strays.join(" ")
        ));
    }
    if !command.is_empty() {
        return command;
    }
    let usual = || PODS.into_iter().find(|path| Path::new(path).exists());
    // Where there is none, the first of them is what `run` does not find.
    let pod = boot.pod.as_deref().or_else(usual).unwrap_or(PODS[0]);
    vec!["run".into(), pod.into()]
}

/// Debug builds have faults on demand, so that what follows from one is tested.
fn fault() {
    if cfg!(debug_assertions) && std::env::var_os("PODINIT_FAULT").is_some_and(|fault| fault == "abort") {
        std::process::abort();
    }
}
