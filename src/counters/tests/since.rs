//! First and last kernels agree with the captures.

use super::fixtures::{KERNELS, dir};
use crate::counters::{Catalogue, Group, Release, read};

#[test]
fn releases_agree_with_the_fixtures() {
    for kernel in KERNELS {
        let release: Release = kernel.parse().unwrap();
        let counters = read(&dir(kernel, "dump")).unwrap();
        let has_mptcp = counters.iter().any(|(name, _)| name.starts_with("MPTcpExt"));
        for entry in Catalogue::builtin().entries() {
            // Without CONFIG_MPTCP the whole group is missing.
            if entry.group() == Some(Group::MpTcpExt) && !has_mptcp {
                continue;
            }
            let present = counters.get(&entry.name).is_some();
            let name = &entry.name;
            if entry.in_mainline(release) {
                assert!(present, "{kernel} should have {name}");
            } else if !entry.in_stable(release) {
                assert!(!present, "{kernel} should not have {name}");
            }
        }
    }
}

#[test]
fn every_backport_is_needed() {
    for entry in Catalogue::builtin().entries() {
        for series in &entry.stable {
            let release: Release = series.parse().unwrap();
            assert!(!entry.in_mainline(release), "{}: {series} has it anyway", entry.name);
        }
        if let (Some(until), Some(again)) = (entry.until, entry.again) {
            assert!(until < again, "{}", entry.name);
        }
        assert!(entry.again.is_none() || entry.until.is_some(), "{}", entry.name);
        assert!(entry.renamed_to.is_none() || entry.until.is_some(), "{}", entry.name);
    }
}

#[test]
fn removed_and_returned() {
    let entry = Catalogue::builtin().entry("MPTcpExtRcvPruned").unwrap();
    for (kernel, wanted) in
        [("5.10", false), ("6.12", true), ("6.18", false), ("7.2", false), ("7.3", true)]
    {
        assert_eq!(entry.in_mainline(kernel.parse().unwrap()), wanted, "{kernel}");
    }
}
