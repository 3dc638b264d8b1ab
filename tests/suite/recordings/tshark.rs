//! Wireshark's decoding of a recording.

use std::path::Path;
use std::process::Command;

use tcpdiag::recording::Compression;

use super::content::{Item, recording};
use super::fixtures::items;
use crate::decode::capture::{KERNELS, messages};
use tcpdiag::wire::uapi::{SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};

/// These fields of a file as tshark prints them: a line per packet. `None` without tshark.
pub fn tshark(file: &Path, fields: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            assert!(
                std::env::var_os("TCPDIAG_REQUIRE_PRIVILEGED").is_none_or(|value| value != "1"),
                "tshark: {error}, and TCPDIAG_REQUIRE_PRIVILEGED=1"
            );
            eprintln!("skipped: tshark: {error}");
            return None;
        }
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// How often a field occurs.
pub fn occurrences(lines: &[String]) -> usize {
    lines.iter().map(|line| line.split(',').filter(|value| !value.is_empty()).count()).sum()
}

/// Number of written messages of these types.
fn written(items: &[(u64, Item)], wanted: &[u16]) -> usize {
    let of_item = |item: &Item| match item {
        Item::Datagram { bytes, .. } => {
            messages(bytes).iter().filter(|message| wanted.contains(&message.kind)).count()
        }
        Item::Note { .. } => 0,
    };
    items.iter().map(|(_, item)| of_item(item)).sum()
}

#[test]
fn tshark_shows_every_socket() {
    let directory = tempfile::tempdir().unwrap();
    for kernel in KERNELS {
        let items = items(kernel);
        let path = directory.path().join(format!("{}.pcapng.zst", kernel.release));
        std::fs::write(&path, recording(Compression::Zstd, &items)).unwrap();
        // It shows cookies for the messages that it decodes, those of by-family requests.
        let Some(cookies) = tshark(&path, &["netlink-sock_diag.cookie"]) else { return };
        assert_eq!(cookies.len(), items.len(), "packets");
        assert_eq!(
            occurrences(&cookies),
            written(&items, &[SOCK_DIAG_BY_FAMILY]),
            "{}",
            kernel.release
        );
        // For the older request it shows only that there are messages.
        let all = tshark(&path, &["netlink.hdr_seq"]).unwrap();
        let wanted = [TCPDIAG_GETSOCK, SOCK_DIAG_BY_FAMILY, 3];
        assert_eq!(occurrences(&all), written(&items, &wanted), "{}", kernel.release);
    }
}

#[test]
fn tshark_shows_notes_and_times() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plain.pcapng");
    let items = items(KERNELS[4]);
    std::fs::write(&path, recording(Compression::None, &items)).unwrap();
    let fields = ["frame.time_epoch", "frame.interface_name", "netlink.family"];
    let Some(lines) = tshark(&path, &fields) else { return };
    assert_eq!(lines.first().unwrap(), "1700000000.000000000\ttcpdiag\t");
    assert!(
        lines.iter().any(|line| line == "1700000000.000000006\tsock_diag\t0x0004"),
        "{lines:?}"
    );
}
