//! A transparent proxy: its connections have a port on which nothing listens.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::expected::{BY_EVIDENCE, check};
use super::{Expected, Views};
use crate::lab::{Network, Program, ip, lab, require};

const RULES: &str = "
table ip divert {
    chain pre {
        type filter hook prerouting priority mangle
        ip protocol tcp tcp dport 8080 tproxy to :7400 meta mark set 1 accept
    }
}
";

/// Loads the rules; the reason if the kernel or nft(8) cannot.
fn load() -> Result<(), String> {
    let mut command = Command::new("nft");
    let command = command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("nft(8): {error}"))?;
    child.stdin.take().unwrap().write_all(RULES.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(complaint) }
}

lab!(
    fn a_transparent_proxy_is_the_server_of_what_it_accepts() {
        if let Err(reason) = load() {
            require(false, &format!("no tproxy of nftables: {reason}"));
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let far = Network::new();
        let there = far.path();
        for line in [
            format!("link add near type veth peer name far netns {there}").as_str(),
            "address add 10.91.0.1/24 dev near",
            "link set near up",
            "rule add fwmark 1 lookup 100",
            "route add local 0.0.0.0/0 dev lo table 100",
        ] {
            ip(line).unwrap();
        }
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        far.inside(|| {
            ip("address add 10.91.0.2/24 dev far").unwrap();
            ip("link set far up").unwrap();
            ip("route add default via 10.91.0.1").unwrap();
        });
        let proxy = Program::start("proxy", directory.path());
        let caller = Program::start_in(&far.path(), "caller", directory.path());
        proxy.run("l = listen(7400, '0.0.0.0', transparent=True)");
        caller.run("c = connect(8080, '198.51.100.7')");
        proxy.run("s = accept(l)");
        let views = Views::collect(directory.path());
        let accepted = proxy.cookie("s");
        let local = &views.ss[&accepted].local;
        assert_eq!((local.address.as_str(), local.port), ("198.51.100.7", 8080));
        check(
            &[
                Expected::listener(&proxy, proxy.cookie("l")),
                Expected::accepted(&proxy, accepted).by(BY_EVIDENCE),
            ],
            &views,
        );
    }
);
