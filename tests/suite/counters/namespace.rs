//! Tests in their own network namespaces.

use std::path::Path;
use std::process::{Command, Output};

use crate::lab::plain;

/// Runs a shell script in its own network namespace, and user namespace unless this is root;
/// `$1` is `home`, `$2` the program. Prints the reason and returns `None` where such namespaces
/// cannot be made; with `TCPDIAG_REQUIRE_PRIVILEGED=1` that is a failure.
pub fn script(script: &str, home: &Path) -> Option<Output> {
    // Linux 5.10 hides net.core.somaxconn from root of another user namespace
    // (`sysctl_core_net_init()`).
    let flags = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let possible = Command::new("unshare").args([flags, "true"]).output();
    if !possible.as_ref().is_ok_and(|output| output.status.success()) {
        let required = std::env::var_os("TCPDIAG_REQUIRE_PRIVILEGED").is_some_and(|set| set == "1");
        assert!(!required, "user and network namespaces cannot be made: {possible:?}");
        eprintln!("skipped: user and network namespaces cannot be made here ({possible:?})");
        return None;
    }
    let output = plain(&mut Command::new("timeout"))
        .args(["300", "unshare", flags, "--", "sh", "-c", script, "sh"])
        .arg(home)
        .arg(env!("CARGO_BIN_EXE_tcpdiag"))
        .env("HOME", home)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output)
}

/// Traffic within a namespace: connections, data, refusals, resets.
pub const TRAFFIC: &str = r#"
import socket, struct, threading
def serve(server):
    while True:
        try: c, _ = server.accept()
        except OSError: return
        try:
            while c.recv(65536): c.sendall(b"x" * 5000)
        except OSError: pass
        c.close()
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = socket.socket(family); server.bind((address, 0)); server.listen(16)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    for n in range(20):
        c = socket.create_connection(server.getsockname()[:2])
        c.sendall(b"y" * 3000); c.recv(100)
        if n % 3 == 0: c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    try: socket.create_connection((address, 9))
    except OSError: pass
"#;

#[test]
fn another_namespace_has_its_own_counters_and_history() {
    let script = format!(
        "ip link set lo up; python3 -c '{TRAFFIC}'; sleep 0.3
         \"$2\" stats -o json ActiveOpens > \"$1/inside\"
         unshare -n sleep 60 & child=$!
         sleep 0.3
         \"$2\" stats -o json ActiveOpens --netns $child > \"$1/other\"
         \"$2\" stats -o json ActiveOpens --netns $child --netns $$ > \"$1/both\"
         \"$2\" stats -o json ActiveOpens --netns $child --interval 20ms --count 3 > \"$1/repeated\"
         kill $child"
    );
    let home = tempfile::tempdir().unwrap();
    if self::script(&script, home.path()).is_none() {
        return;
    }
    let documents = |file: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(home.path().join(file)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let opens = |document: &serde_json::Value| document["counters"][0]["value"].as_i64().unwrap();
    let (inside, other, both) = (documents("inside"), documents("other"), documents("both"));
    assert!(opens(&inside[0]) >= 40);
    assert_eq!(opens(&other[0]), 0);
    assert_ne!(inside[0]["netns"]["inode"], other[0]["netns"]["inode"]);
    let of_both: Vec<i64> = both.iter().map(opens).collect();
    assert_eq!(of_both, [0, opens(&inside[0])]);
    // Each is compared with its own last run.
    assert!(both.iter().all(|document| document["since"]["basis"] == "last_run"));
    let repeated = documents("repeated");
    assert_eq!(repeated.len(), 3);
    assert!(repeated.iter().all(|document| document["netns"] == other[0]["netns"]));
}
