//! An archive that the kernel unpacks as its first root: cpio in the format `newc`
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::collections::BTreeMap;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// The files of a root directory, by their paths.
#[derive(Clone, Default)]
pub struct Initramfs(BTreeMap<String, (u32, Vec<u8>)>);

impl Initramfs {
    /// A regular file; its directories come by themselves.
    pub fn file(&mut self, path: &str, content: impl Into<Vec<u8>>, mode: u32) {
        self.add(path, REGULAR | mode, content.into());
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.add(path, LINK | 0o777, target.into());
    }

    fn add(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            self.0.entry(path[..at].to_owned()).or_insert((DIRECTORY | 0o755, Vec::new()));
        }
        self.0.insert(path.to_owned(), (mode, content));
    }

    /// The archive. Directories come before what is in them, as names are sorted.
    pub fn archive(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        for (number, (path, (mode, content))) in self.0.iter().enumerate() {
            entry(&mut archive, number + 1, path, *mode, content);
        }
        entry(&mut archive, 0, "TRAILER!!!", 0, &[]);
        archive
    }
}

fn entry(archive: &mut Vec<u8>, number: usize, path: &str, mode: u32, content: &[u8]) {
    let links = 1 + usize::from(mode & DIRECTORY == DIRECTORY);
    let fields = [number, mode as usize, 0, 0, links, 0, content.len(), 0, 0, 0, 0, path.len() + 1, 0];
    archive.extend(b"070701");
    for field in fields {
        archive.extend(format!("{field:08x}").bytes());
    }
    archive.extend(path.bytes());
    archive.push(0);
    pad(archive);
    archive.extend(content);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}
