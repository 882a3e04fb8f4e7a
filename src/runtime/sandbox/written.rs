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
    let before = fs::read_link(volume.join(DATA)).ok();
    let unfinished = volume.join("..data_new");
    let written = make(volume, group).and_then(|()| fill(&directory, files, group)).and_then(|()| {
        link(Path::new(&name), &unfinished, group)?;
        fs::rename(&unfinished, volume.join(DATA))
    });
    if let Err(error) = written {
        // The place is small, and what was there before stays.
        let _ = fs::remove_file(&unfinished);
        let _ = fs::remove_dir_all(&directory);
        return Err(error);
    }
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

fn fill(directory: &Path, files: &[VolumeFile<'_>], group: Option<u32>) -> io::Result<()> {
    make(directory, group)?;
    for file in files {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            make(parent, group)?;
        }
        fs::write(&path, &file.contents)?;
        chown(&path, None, group.map(Gid::from_raw))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    Ok(())
}

/// Whether the volume holds exactly these files: one that does is not touched.
pub(super) fn holds(volume: &Path, files: &[VolumeFile<'_>]) -> bool {
    let data = volume.join(DATA);
    let is_same = |file: &VolumeFile<'_>| {
        let path = data.join(&file.path);
        let has_mode = fs::metadata(&path).is_ok_and(|found| {
            found.is_file()
                && found.len() == file.contents.len() as u64
                && found.permissions().mode() & 0o777 == file.mode
        });
        has_mode && fs::read(&path).is_ok_and(|contents| contents == *file.contents)
    };
    files.iter().all(is_same) && count(&data).is_ok_and(|count| count == files.len())
}

/// How many files there are in a directory and below it.
fn count(directory: &Path) -> io::Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        files += if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 };
    }
    Ok(files)
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
        assert!(holds(&volume, &[file("a", "1"), file("d/e", "2")]));
        for other in
            [&[file("a", "1")][..], &[file("a", "2"), file("d/e", "2")], &[file("a", "1"), file("e", "2")]]
        {
            assert!(!holds(&volume, other));
        }
        assert_eq!(fs::metadata(volume.join("a")).unwrap().permissions().mode() & 0o7777, 0o440);
        let link = fs::read_link(volume.join("d")).unwrap();
        assert_eq!(link, Path::new("..data/d"));
        write(&volume, &[file("a", "3"), file("f", "4")], 1, None).unwrap();
        assert_eq!((read("a"), read("d/e"), read("f")), (Some("3".into()), None, Some("4".into())));
        let mut left: Vec<_> =
            fs::read_dir(&volume).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["..1", "..data", "a", "f"]);
        // A file where a directory is to be: what was there stays, and nothing else.
        assert!(write(&volume, &[file("a", "5"), file("a/b", "6")], 2, None).is_err());
        assert_eq!((read("a"), read("f")), (Some("3".into()), Some("4".into())));
        assert!(!volume.join("..2").exists());
        fs::remove_dir_all(&volume).unwrap();
    }
}
