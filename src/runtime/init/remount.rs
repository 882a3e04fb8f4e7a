//! File systems on disks, made so that the next start finds them whole.

use std::fs;

use nix::mount::{MsFlags, mount};

use crate::runtime::cause;

/// Makes every file system read-only that is on a device, last mounted first. Returns what went wrong, in
/// words.
pub(super) fn read_only() -> Vec<String> {
    let kinds = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let problem = |path: &String| {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let result = mount(None::<&str>, path.as_str(), None::<&str>, flags, None::<&str>);
        result.err().map(|errno| format!("cannot make {path} read-only: {}", cause(errno)))
    };
    writable(&mounts, &kinds).iter().filter_map(problem).collect()
}

/// Where file systems of these kinds are mounted that are on a device and can be written to, the last first.
fn writable(mounts: &str, kinds: &str) -> Vec<String> {
    let is_on_device =
        |kind: &str| kinds.lines().any(|line| line.trim() == kind && !line.starts_with("nodev"));
    let mut paths: Vec<_> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
            let is_writable = options.split(',').any(|option| option == "rw");
            (is_on_device(kind) && is_writable).then(|| unescape(path))
        })
        .collect();
    paths.reverse();
    paths
}

/// Blanks, line ends and backslashes are three octal digits after a backslash.
fn unescape(path: &str) -> String {
    const ESCAPED: [(&str, &str); 4] = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    ESCAPED.iter().fold(path.to_owned(), |path, (code, char)| path.replace(code, char))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_a_device_and_writable_is_found_last_first() {
        let kinds = "nodev\tsysfs\nnodev\ttmpfs\n\text4\n\tvfat\n";
        let mounts = "none / tmpfs rw 0 0\n/dev/vda /a ext4 rw,relatime 0 0\n/dev/vdb /b\\040c vfat rw 0 0\n\
                      /dev/vdc /d ext4 ro,relatime 0 0\nsysfs /sys sysfs rw 0 0\n";
        assert_eq!(writable(mounts, kinds), ["/b c", "/a"]);
        assert_eq!(writable("", ""), [""; 0]);
    }

    #[test]
    fn a_path_is_what_it_was() {
        assert_eq!(unescape("/a\\040b\\134040"), "/a b\\040");
    }
}
