//! Where a live test runs: the test binary starts itself again, for this one
//! test, in a user and a network namespace of its own, which die with it.

use std::process::Command;

/// Set, to the test's name, in the process that stands in the namespaces.
const INSIDE: &str = "TCPDIAG_LEDGER_GROUND";
const NAMESPACES: [&str; 3] = ["--user", "--map-root-user", "--net"];
/// A filter that matches no test is a success to the harness.
const FINISHED: &str = "got to its end";

/// Runs `body` as the test of this path: root of a user namespace, and thus
/// without any privilege of the host's, and with no other socket in sight.
pub fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
        body();
        println!("{FINISHED}");
        return;
    }
    let probe = Command::new("unshare").args(NAMESPACES).args(["ip", "link"]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        return skip(&format!("needs user namespaces and ip(8): {probe:?}"));
    }
    let output = Command::new("unshare")
        .args(NAMESPACES)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}{err}");
    assert!(output.status.success() && out.contains(FINISHED), "{test} failed inside");
}

/// Says that a test did not run; fails where it has to.
pub fn skip(reason: &str) {
    let required = std::env::var_os("TCPDIAG_REQUIRE_PRIVILEGED").is_some_and(|value| value == "1");
    assert!(!required, "{reason}, and TCPDIAG_REQUIRE_PRIVILEGED=1");
    eprintln!("skipped: {reason}");
}
