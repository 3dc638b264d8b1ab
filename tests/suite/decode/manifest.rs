//! The captures match the manifest.

use std::collections::BTreeSet;
use std::path::Path;

use super::capture::{KERNELS, folder};
use super::sha256;

/// The folder of recordings of faults.
const RECORDINGS: &str = "diagnose";

/// Files that describe the captures.
const ABOUT: [&str; 2] = ["MANIFEST.md", "SHA256SUMS"];

fn list(directory: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else {
            let name = path.strip_prefix(folder()).unwrap();
            found.insert(name.to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn checksums_cover_exactly_the_files() {
    let sums = std::fs::read_to_string(folder().join("SHA256SUMS")).unwrap();
    let mut listed = BTreeSet::new();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let name = name.trim_start_matches("./");
        let bytes = std::fs::read(folder().join(name)).unwrap();
        assert_eq!(sha256::hex(&bytes), sum, "{name} is not the file that was captured");
        assert!(listed.insert(name.to_owned()), "{name} is listed twice");
    }
    let mut found = BTreeSet::new();
    list(&folder(), &mut found);
    found.retain(|name| !ABOUT.contains(&name.as_str()));
    assert_eq!(found, listed);
}

#[test]
fn the_manifest_names_every_kernel_and_file() {
    let manifest = std::fs::read_to_string(folder().join("MANIFEST.md")).unwrap();
    let mut found = BTreeSet::new();
    list(&folder(), &mut found);
    found.retain(|name| !ABOUT.contains(&name.as_str()));
    for kernel in KERNELS {
        assert!(manifest.contains(kernel.release), "{}", kernel.release);
    }
    for name in found {
        let (release, file) = name.split_once('/').unwrap();
        if release == RECORDINGS {
            // Named after what they show; tests/suite/diagnosis/cases.rs lists them.
            assert!(file.ends_with(".pcapng.zst"), "{file}");
            assert!(manifest.contains(&format!("`{RECORDINGS}/`")));
            continue;
        }
        assert!(KERNELS.iter().any(|kernel| kernel.release == release), "{release}");
        assert!(manifest.contains(&format!("`{file}`")), "{file} is not in the manifest");
    }
}
