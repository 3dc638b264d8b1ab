//! The mount table, `/proc/self/mountinfo`.
//!
//! Read line by line with the procfs crate's parser, so that a line that does not parse (a mount
//! point that is not UTF-8, say) loses that line only; the crate's reader of the whole file fails.

use std::path::{Path, PathBuf};

use ::procfs::process::MountInfo;

/// Reads the mounts that this process sees.
///
/// # Errors
/// When the file cannot be read.
pub fn mounts(proc_root: &Path) -> std::io::Result<Vec<MountInfo>> {
    std::fs::read(proc_root.join("self/mountinfo")).map(|text| parse(&text))
}

fn parse(text: &[u8]) -> Vec<MountInfo> {
    text.split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .filter_map(|line| MountInfo::from_line(std::str::from_utf8(line).ok()?).ok())
        .map(|mount| MountInfo { mount_point: unescape(&mount.mount_point), ..mount })
        .collect()
}

/// Undoes `mangle()` (`fs/proc_namespace.c`): blank, tab, newline, backslash and `#` are written as
/// three octal digits.
fn unescape(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(part.get(3..).unwrap_or_default());
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_loses_that_line_only() {
        let text = b"22 27 0:21 / /proc rw,relatime - proc proc rw,hidepid=invisible\n\
            23 27 0:22 / /a\xff rw - tmpfs x rw\n\
            short line\n\
            41 31 0:38 / /mnt/two\\040words\\134x rw shared:5 - cgroup2 cgroup2 rw\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].super_options["hidepid"].as_deref(), Some("invisible"));
        assert_eq!(mounts[1].mount_point, Path::new("/mnt/two words\\x"));
    }

    #[test]
    fn reads_the_real_table() {
        let mounts = mounts(Path::new("/proc")).unwrap();
        assert!(mounts.iter().any(|mount| mount.fs_type == "proc"));
    }
}
