//! A socket for tests.

use super::{CongestionDetail, Endpoint, Socket, State};
use crate::wire::{EcnWord, SkMem, TcpInfo};

/// `tcp_info` with these words (offset, value) and zeros elsewhere.
pub(crate) fn tcp_info(words: &[(usize, u32)]) -> TcpInfo {
    let mut bytes = [0; 280];
    for &(at, value) in words {
        bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    TcpInfo::new(&bytes, EcnWord::Unknown)
}

/// The memory words, all the same.
pub(crate) fn skmem(value: u32) -> SkMem {
    SkMem::new(&[value.to_ne_bytes(); 9].concat()).unwrap()
}

/// An established connection of a service on port 8080.
pub(crate) fn socket() -> Socket {
    Socket {
        cookie: 1,
        state: State::Established,
        local: Endpoint { address: "10.0.0.1".parse().unwrap(), port: 8080 },
        remote: Endpoint { address: "192.0.2.7".parse().unwrap(), port: 50000 },
        interface: 3,
        timer: None,
        receive_queue: 0,
        send_queue: 0,
        uid: 1000,
        inode: 5,
        // rtt, total_retrans, bytes_acked (on a little-endian host), segs_out, min_rtt.
        tcp_info: Some(tcp_info(&[
            (68, 60_000),
            (100, 2),
            (120, 1 << 20),
            (136, 100),
            (148, 60_000),
        ])),
        skmem: Some(skmem(128 << 10)),
        congestion: None,
        congestion_detail: CongestionDetail::None,
        tos: None,
        tclass: None,
        class_id: None,
        shutdown: None,
        v6only: None,
        mark: Some(3),
        cgroup_id: Some(77),
        sockopt: None,
        ulp: None,
        md5: None,
    }
}
