//! Sockets that are held by many descriptors.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd as _, OwnedFd};

use tcpdiag::recording::{Kind, MOST_HOLDERS, SocketOwners};

use super::command::{items, new_file, notes};
use crate::lab::{Socket, Tcpdiag, lab};

/// Descriptors of one socket.
const HOLDERS: usize = 900;

lab!(
    fn a_recording_has_the_first_holders_and_counts_the_others() {
        let listener = Socket::listening(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, 8);
        let copy = |_| rustix::io::fcntl_dupfd_cloexec(listener.as_fd(), 0).unwrap();
        let _copies: Vec<OwnedFd> = (1..HOLDERS).map(copy).collect();
        let tcpdiag = Tcpdiag::new();
        let omitted = (HOLDERS - MOST_HOLDERS) as u64;
        let (_directory, file) = new_file();
        let again = file.with_file_name("services.pcapng.zst");
        let [path, other] = [&file, &again].map(|file| file.to_str().unwrap());
        for words in [
            vec!["record", path, "--count", "2", "-i", "50ms"],
            vec!["services", "--count", "1", "-i", "50ms", "--record", other],
        ] {
            let output = tcpdiag.run(&words);
            assert_eq!(output.code, Some(0), "{words:?}: {}", output.stderr);
        }
        for (file, path) in [(&file, path), (&again, other)] {
            let items = items(file);
            let lines = notes(&items, Kind::Owners);
            let owners = lines
                .iter()
                .flat_map(|lines| serde_json::Deserializer::from_slice(lines).into_iter())
                .map(Result::unwrap)
                .find(|owners: &SocketOwners| u64::from(owners.inode) == listener.inode());
            let owners = owners.unwrap();
            assert_eq!((owners.holders.len(), owners.omitted), (MOST_HOLDERS, omitted));
            let read = ["listeners", "-P", "--read", path];
            let [row] = &tcpdiag.rows(&read)[..] else { panic!() };
            assert_eq!(row.at("processes").unwrap().as_array().unwrap().len(), MOST_HOLDERS);
            assert_eq!(row.number("processes_omitted"), Some(omitted));
            let table = tcpdiag.run(&[&read[..], &["-O"]].concat());
            assert!(table.stdout.contains(&format!("+{}", HOLDERS - 1)), "{}", table.stdout);
            let detail = tcpdiag.run(&[&read[..], &["--detail"]].concat());
            let words = format!("processes_omitted:{omitted}");
            assert!(detail.stdout.contains(&words), "{}", detail.stdout);
        }
        // All are named where nothing is recorded.
        let [row] = &tcpdiag.rows(&["listeners", "-P"])[..] else { panic!() };
        assert_eq!(row.at("processes").unwrap().as_array().unwrap().len(), HOLDERS);
        assert!(row.at("processes_omitted").is_none());
    }
);
