//! Network namespaces that appear and disappear while all of them are recorded.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use tcpdiag::recording::{InterfaceName, Kind, NamespaceOf};

use super::command::{items, json, new_file, notes, record, start, wait_for};
use super::content::read;
use crate::lab::{Child, Socket, Tcpdiag, lab};

fn inode(path: &str) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).unwrap().ino()
}

lab!(
    fn namespaces_appear_and_disappear() {
        let (_directory, file) = new_file();
        let mut child = start(&file, &["--netns", "all", "-i", "100ms"]);
        let there = Child::running(&["unshare", "--net"], Path::new("sleep"));
        let inode = inode(&format!("/proc/{}/ns/net", there.pid()));
        let is_noted = |kind| {
            let (items, _) = read(std::fs::read(&file).unwrap().as_slice());
            json::<NamespaceOf>(&notes(&items, kind)).into_iter().any(|fact| fact.inode == inode)
        };
        wait_for(|| is_noted(Kind::Namespace));
        drop(there);
        wait_for(|| is_noted(Kind::NamespaceGone));
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        let items = items(&file);
        let facts: Vec<NamespaceOf> = json(&notes(&items, Kind::Namespace));
        assert!(facts.iter().enumerate().all(|(number, fact)| {
            // Interface 1 holds the notes.
            fact.interface as usize == if number == 0 { 0 } else { number + 1 }
        }));
        // It was recorded in between and not afterwards.
        let position = |wanted| {
            items.iter().position(|(_, item)| match item {
                super::content::Item::Note { kind, namespace, .. } => {
                    *kind == wanted && *namespace == inode
                }
                super::content::Item::Datagram { .. } => false,
            })
        };
        let [came, dumped, went] = [Kind::Namespace, Kind::DumpEnd, Kind::NamespaceGone]
            .map(|kind| position(kind).unwrap());
        assert!(came < dumped && dumped < went, "{came} {dumped} {went}");
    }
);

lab!(
    fn both_recorders_name_network_interfaces() {
        let listener = Socket::of(IpAddr::V4(Ipv4Addr::LOCALHOST));
        listener.set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, b"lo\0").unwrap();
        listener.listen(1);
        let (_directory, file) = new_file();
        let again = file.with_file_name("services.pcapng.zst");
        assert!(record(&file, &["--count", "2", "-i", "10ms"]).status.success());
        let path = again.to_str().unwrap();
        Tcpdiag::new().run(&["services", "--count", "1", "-i", "10ms", "--record", path]);
        for file in [file, again] {
            let names: Vec<InterfaceName> = json(&notes(&items(&file), Kind::Interfaces));
            // Written once for several samples.
            assert_eq!(names, [InterfaceName { index: 1, name: "lo".to_owned() }]);
        }
    }
);
