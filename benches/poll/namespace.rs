//! A separate network namespace for a benchmark.

use std::process::Command;

use anyhow::Context as _;

use super::clock;

/// Set inside the namespace.
const INSIDE: &str = "TCPDIAG_BENCH_INSIDE";

/// A whole run takes minutes; one that takes this long has hung.
const LONGEST_RUN: &str = "1500";

/// Whether this process is inside the namespace.
pub(super) fn is_entered() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program again inside, with a time limit; returns whether it failed.
pub(super) fn enter(arguments: &[String]) -> anyhow::Result<bool> {
    clock::keep_descriptors_here();
    let unshare = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let status = Command::new("timeout")
        .args(["--kill-after=5", LONGEST_RUN, "unshare", unshare, "sh", "-c"])
        .arg("ip link set lo up && exec \"$0\" \"$@\"")
        .arg(std::env::current_exe()?)
        .args(arguments)
        .env(INSIDE, "1")
        .status()
        .context("cannot run timeout, unshare and sh")?;
    Ok(!status.success())
}
