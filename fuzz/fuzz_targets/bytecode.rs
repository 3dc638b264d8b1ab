//! Filter programs: checking and running them ends, and what the kernel would
//! load runs to a verdict. `cargo +nightly fuzz run bytecode`.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use tcpdiag::wire::bytecode::{Subject, accepts, verify};

fuzz_target!(|program: &[u8]| {
    let _ = verify(program);
    for local in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let subject = Subject {
            local,
            local_port: 80,
            remote: local,
            remote_port: 40_000,
            interface: 1,
            port_locked: true,
            mark: 1,
            cgroup: 1,
        };
        let _ = accepts(program, &subject);
    }
});
