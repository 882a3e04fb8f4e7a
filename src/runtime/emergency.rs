//! What happens when podinit itself has a bug: one line, the pod is killed, exit code 70. The release
//! build aborts on a panic, which cannot be caught; the hook runs before that.

use std::fs::File;
use std::io::Write;
use std::panic;
use std::sync::Mutex;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// Exit code for a bug in podinit.
const INTERNAL_ERROR: u8 = 70;

/// The main processes that are alive; each leads a process group.
static LIVE: Mutex<Vec<i32>> = Mutex::new(Vec::new());

/// `cgroup.kill` of the pod's group, if it has one: one write kills everything in it.
static GROUP: Mutex<Option<File>> = Mutex::new(None);

/// The pod has a group.
pub(super) fn add_group(kill: File) {
    if let Ok(mut group) = GROUP.lock() {
        *group = Some(kill);
    }
}

/// It is about to be removed.
pub(super) fn remove_group() {
    if let Ok(mut group) = GROUP.lock() {
        *group = None;
    }
}

/// A main process was started.
pub(super) fn add(pid: i32) {
    if let Ok(mut live) = LIVE.lock() {
        live.push(pid);
    }
}

/// It was reaped.
pub(super) fn remove(pid: i32) {
    if let Ok(mut live) = LIVE.lock() {
        live.retain(|other| *other != pid);
    }
}

pub(super) fn install() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
        let message = info.payload_as_str().unwrap_or("panic");
        let line = format!("podinit: internal error{place}: {message}; the pod is killed\n");
        crate::sys::write_once(&line);
        if let Ok(live) = LIVE.try_lock() {
            for pid in live.iter().map(|pid| Pid::from_raw(*pid)) {
                let _ = killpg(pid, Signal::SIGKILL);
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
        if let Ok(Some(kill)) = GROUP.try_lock().as_deref() {
            let _ = (&*kill).write(b"1");
        }
        super::init::leave(INTERNAL_ERROR)
    }));
}
