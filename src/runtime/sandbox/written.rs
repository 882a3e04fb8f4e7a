//! Volumes of files that podinit writes. A change is seen at once and as a whole: files lie in a directory of
//! their own, a link named `..data` leads there, and is replaced (rule 150; kubelet's atomic_writer.go).

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use nix::unistd::{Gid, chown};

use crate::plan::VolumeFile;

const DATA: &str = "..data";

/// Makes the volume hold exactly these files. Each time with another `version`. Readers see either what was
/// there before or what is there now.
pub(super) fn write(
    volume: &Path,
    files: &[VolumeFile<'_>],
    version: u32,
    group: Option<u32>,
) -> io::Result<()> {
    let name = format!("..{version}");
    let directory = volume.join(&name);
    make(volume, group)?;
    make(&directory, group)?;
    for file in files {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            make(parent, group)?;
        }
        fs::write(&path, &file.contents)?;
        chown(&path, None, group.map(Gid::from_raw))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    let before = fs::read_link(volume.join(DATA)).ok();
    let unfinished = volume.join("..data_new");
    link(Path::new(&name), &unfinished, group)?;
    fs::rename(&unfinished, volume.join(DATA))?;
    let shown: BTreeSet<&str> = files.iter().filter_map(|file| file.path.split('/').next()).collect();
    for name in &shown {
        match link(&Path::new(DATA).join(name), &volume.join(name), group) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    for entry in fs::read_dir(volume)? {
        let name = entry?.file_name();
        let is_stale = name.to_str().is_none_or(|name| !name.starts_with("..") && !shown.contains(name));
        if is_stale {
            fs::remove_file(volume.join(name))?;
        }
    }
    match before.filter(|before| before.as_os_str() != name.as_str()) {
        Some(before) => fs::remove_dir_all(volume.join(before)),
        None => Ok(()),
    }
}

/// A directory that everybody may look into, and those above it that are missing.
fn make(path: &Path, group: Option<u32>) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)?;
    let Some(group) = group else { return Ok(()) };
    chown(path, None, Some(Gid::from_raw(group)))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o2755))
}

fn link(target: &Path, at: &Path, group: Option<u32>) -> io::Result<()> {
    symlink(target, at)?;
    if let Some(group) = group {
        lchown(at, None, Some(group))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn file<'a>(path: &str, contents: &'a str) -> VolumeFile<'a> {
        VolumeFile { path: path.to_owned(), mode: 0o440, contents: Cow::Borrowed(contents.as_bytes()) }
    }

    #[test]
    fn rule_150_files_are_replaced_together_and_what_is_gone_is_gone() {
        let volume = std::env::temp_dir().join(format!("podinit-written-{}", std::process::id()));
        fs::create_dir_all(&volume).unwrap();
        let read = |path: &str| fs::read_to_string(volume.join(path)).ok();
        write(&volume, &[file("a", "1"), file("d/e", "2")], 0, None).unwrap();
        assert_eq!((read("a"), read("d/e")), (Some("1".into()), Some("2".into())));
        assert_eq!(fs::metadata(volume.join("a")).unwrap().permissions().mode() & 0o7777, 0o440);
        let link = fs::read_link(volume.join("d")).unwrap();
        assert_eq!(link, Path::new("..data/d"));
        write(&volume, &[file("a", "3"), file("f", "4")], 1, None).unwrap();
        assert_eq!((read("a"), read("d/e"), read("f")), (Some("3".into()), None, Some("4".into())));
        let mut left: Vec<_> =
            fs::read_dir(&volume).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["..1", "..data", "a", "f"]);
        fs::remove_dir_all(&volume).unwrap();
    }
}
