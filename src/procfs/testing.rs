//! Shared by the tests of this module: running as another user, and reporting skipped tests.

use std::process::{Command, Output};
use std::sync::Mutex;

/// A user id that owns nothing.
const NOBODY: u32 = 65_534;

static ALONE: Mutex<()> = Mutex::new(());

/// What a test may lack.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Privilege {
    /// Being root.
    Root,
    /// Making network namespaces.
    Namespaces,
    /// Making a cgroup in the cgroup2 mount.
    Cgroup,
}

/// Reports that a test did not run; fails where it must run (`TCPDIAG_REQUIRE_PRIVILEGED=1`).
pub(crate) fn skipped(privilege: Privilege) {
    assert!(
        std::env::var_os("TCPDIAG_REQUIRE_PRIVILEGED").is_none_or(|value| value != "1"),
        "needs {privilege:?}, and TCPDIAG_REQUIRE_PRIVILEGED=1"
    );
    eprintln!("skipped: needs {privilege:?}");
}

/// Runs one ignored test of this binary as nobody; `None` when we are not root.
pub(crate) fn as_nobody(test: &str, environment: &[(&str, &str)]) -> Option<Output> {
    as_nobody_after("true", test, environment)
}

/// The same in a mount namespace of its own, where the shell command `setup` ran before as root.
/// The binary is copied to a directory from which that user may execute it.
pub(crate) fn as_nobody_after(
    setup: &str,
    test: &str,
    environment: &[(&str, &str)],
) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    for path in [directory.path(), &copy] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    }
    let drop_privilege = format!("setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups");
    let script = format!(
        "{setup} && cd / && exec {drop_privilege} {} --ignored --nocapture {test}",
        copy.display()
    );
    // One at a time: each counts the processes of nobody that it cannot look into.
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let output = Command::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("running 1 test"), "{output:?}");
    Some(output)
}
