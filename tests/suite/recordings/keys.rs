//! TCP-MD5 keys are recorded only on request.

use std::net::{IpAddr, Ipv4Addr};

use tcpdiag::wire::{Messages, Reply};

use super::command::{items, new_file, record, stderr};
use super::content::Item;
use crate::lab::{Socket, lab, require};

const KEY: &[u8] = b"open sesame";

lab!(
    fn md5_keys_are_recorded_only_on_request() {
        let listener = Socket::listening(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, 8);
        // struct tcp_md5sig: the peer's address, flags, prefix length, key length, interface, key.
        let mut option = vec![0u8; 216];
        option[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
        option[4..8].copy_from_slice(&[10, 0, 0, 1]);
        option[130..132].copy_from_slice(&(KEY.len() as u16).to_ne_bytes());
        option[136..136 + KEY.len()].copy_from_slice(KEY);
        let set = listener.set(libc::IPPROTO_TCP, libc::TCP_MD5SIG, &option);
        if !require(set.is_ok(), &format!("TCP_MD5SIG: {set:?}")) {
            return;
        }
        let (_directory, file) = new_file();
        for (arguments, has_key) in
            [(&["--count", "1"][..], false), (&["--count", "1", "--force", "--with-keys"], true)]
        {
            let output = record(&file, arguments);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let (mut found, mut peers) = (false, 0);
            for (_, item) in items(&file) {
                let Item::Datagram { bytes, .. } = item else { continue };
                found |= bytes.windows(KEY.len()).any(|window| window == KEY);
                for message in Messages::new(&bytes).map(Result::unwrap) {
                    let Some(reply) = Reply::new(message.payload) else { continue };
                    let Some(keys) = reply.md5() else { continue };
                    peers += usize::from(keys.total());
                    // The peer and the key's length are recorded either way.
                    let key = keys.kept().next().unwrap();
                    assert_eq!(key.address, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
                    assert_eq!(usize::from(key.key_length), KEY.len());
                }
            }
            assert_eq!((found, peers), (has_key, 1), "{arguments:?}");
        }
    }
);
