//! Loss on a wire, by nftables: on the way in, where the sender's kernel does
//! not learn of it. (A packet dropped on the way out is an error to the sender,
//! which then counts a failed retransmission.)

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use super::{Network, Side};

/// The loss of several services on both sides.
#[derive(Debug)]
pub struct Loss(());

/// Chances are told to nftables in these parts.
const PARTS: f64 = 1_000_000.0;

impl Loss {
    /// Begins to lose: by port, the chances by the side that sends.
    pub fn begin(
        networks: &[Network; 2],
        losses: &BTreeMap<u16, [f64; 2]>,
    ) -> Result<Self, String> {
        for receiver in Side::BOTH {
            // What one side sends is lost where the other receives.
            let (sender, port) = match receiver {
                Side::Client => (Side::Server, "sport"),
                Side::Server => (Side::Client, "dport"),
            };
            let mut rules = String::from("table inet loss {\nchain before {\n");
            rules.push_str("type filter hook prerouting priority -300;\n");
            for (number, losses) in losses {
                let parts = (losses[sender.index()] * PARTS).round() as u64;
                let _ = writeln!(rules, "tcp {port} {number} counter");
                if parts > 0 {
                    let _ = writeln!(
                        rules,
                        "tcp {port} {number} numgen random mod {PARTS} < {parts} counter drop"
                    );
                }
            }
            rules.push_str("}\n}\n");
            networks[receiver.index()].inside(|| nft(&rules))?;
        }
        Ok(Self(()))
    }

    /// Packets that came to `receiver`, and how many of them were lost, by
    /// port.
    pub fn tally(receiver: Side, networks: &[Network; 2]) -> BTreeMap<u16, [u64; 2]> {
        let text = networks[receiver.index()].inside(|| nft("list table inet loss\n")).unwrap();
        let mut tally: BTreeMap<u16, [u64; 2]> = BTreeMap::new();
        for line in text.lines().filter(|line| line.contains("counter packets")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let after = |word: &str| {
                let at = words.iter().position(|known| *known == word)?;
                words.get(at + 1)?.parse::<u64>().ok()
            };
            let port = words[2].parse().unwrap();
            let entry = tally.entry(port).or_default();
            entry[usize::from(line.contains("drop"))] += after("packets").unwrap();
        }
        tally
    }

    /// Loses no more.
    pub fn end(networks: &[Network; 2]) {
        for network in networks {
            network.inside(|| nft("delete table inet loss\n")).unwrap();
        }
    }
}

/// Runs nft(8) where the calling thread is.
fn nft(script: &str) -> Result<String, String> {
    use std::io::Write as _;
    let mut command = Command::new("nft");
    command.args(["-n", "-f", "-"]).stdin(Stdio::piped());
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("nft(8) does not run: {error}"))?;
    let mut pipe = child.stdin.take().ok_or("no pipe")?;
    pipe.write_all(script.as_bytes()).map_err(|error| error.to_string())?;
    drop(pipe);
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
