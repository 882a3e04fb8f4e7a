//! Kernel modules that are wanted before the pod, with what they need. One that is missing is a message: what
//! needs it says so in its turn (VM-11).

use std::fs::{self, File};
use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::sys::utsname::uname;

use super::warn;
use crate::plan;
use crate::runtime::cause;

/// linux/module.h, MODULE_INIT_COMPRESSED_FILE: the kernel decompresses it, from 5.17 on where it was built so.
const DECOMPRESS: ModuleInitFlags = ModuleInitFlags::from_bits_retain(4);

/// Loads each of them.
pub(super) fn load(wanted: &[String]) {
    if wanted.is_empty() {
        return;
    }
    let release = uname().map(|uname| uname.release().to_string_lossy().into_owned()).unwrap_or_default();
    let directory = Path::new("/lib/modules").join(release);
    let dependencies = fs::read_to_string(directory.join("modules.dep"));
    let built_in = fs::read_to_string(directory.join("modules.builtin")).unwrap_or_default();
    for name in wanted {
        let loaded = if name.contains('/') {
            load_file(Path::new(name))
        } else if is_loaded(name) || plan::is_built_in(&built_in, name) {
            Ok(())
        } else {
            load_by_name(&directory, dependencies.as_deref(), name)
        };
        if let Err(why) = loaded {
            warn(&format!("cannot load the kernel module {name}: {why}"));
        }
    }
}

fn is_loaded(name: &str) -> bool {
    Path::new("/sys/module").join(name.replace('-', "_")).exists()
}

fn load_by_name(directory: &Path, dependencies: Result<&str, &io::Error>, name: &str) -> Result<(), String> {
    let list = directory.join("modules.dep");
    let dependencies = dependencies.map_err(|error| format!("cannot read {}: {error}", list.display()))?;
    let files = plan::modules_to_load(dependencies, name)
        .ok_or_else(|| format!("{} does not have it", list.display()))?;
    files.iter().try_for_each(|file| load_file(&directory.join(file)))
}

fn load_file(path: &Path) -> Result<(), String> {
    let cannot = |error: io::Error| format!("{}: {}", path.display(), cause(error));
    let file = File::open(path).map_err(cannot)?;
    let flags = match path.extension() {
        Some(extension) if extension != "ko" => DECOMPRESS,
        Some(_) | None => ModuleInitFlags::empty(),
    };
    match finit_module(&file, c"", flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(cannot(errno.into())),
    }
}
