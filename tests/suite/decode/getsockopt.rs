//! getsockopt(TCP_INFO) on the descriptor returns the same structure as `INET_DIAG_INFO`.

use super::capture::{KERNELS, Kernel, replies};
use tcpdiag::model::fields::tcp_info as t;
use tcpdiag::model::{Kind, Socket};
use tcpdiag::wire::{TcpInfo, uapi};

/// Clocks that advanced between the dump and the call: offset and width of the
/// three "time since" words, busy_time, rwnd_limited and total_rto_time.
const CLOCKS: [(usize, usize); 6] = [(44, 4), (52, 4), (56, 4), (168, 8), (176, 8), (244, 4)];

fn without_clocks(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, width) in CLOCKS {
        if let Some(clock) = bytes.get_mut(at..at + width) {
            clock.fill(0);
        }
    }
    bytes
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The role that scenarios.txt gives a socket of this port.
fn plays(socket: &Socket, port: u16, role: &str) -> bool {
    match role {
        "listener" => socket.state.name() == "listen" && socket.local.port == port,
        "server" => socket.state.name() != "listen" && socket.local.port == port,
        "client" => socket.remote.port == port,
        // The call returns a structure for a bound socket, the dump does not.
        "bound" => false,
        other => panic!("unknown role {other}"),
    }
}

/// The number of equal sockets, and the ports of the others.
fn compare(kernel: &Kernel) -> (usize, Vec<u16>) {
    let (v4, v6) = (kernel.bytes("tcp4.nl"), kernel.bytes("tcp6.nl"));
    let mut dumped: Vec<(Socket, Vec<u8>)> = replies(&v4)
        .iter()
        .chain(&replies(&v6))
        .filter_map(|reply| {
            let socket = Socket::new(reply, kernel.ecn()).unwrap();
            Some((socket, reply.attribute(uapi::INET_DIAG_INFO)?.to_vec()))
        })
        .collect();
    let (mut equal, mut moved) = (0, Vec::new());
    for line in kernel.text("getsockopt.txt").lines() {
        let [port, role, length, hex] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (port, bytes) = (port.parse().unwrap(), unhex(hex));
        assert_eq!(bytes.len(), length.parse::<usize>().unwrap());
        assert_eq!(bytes.len(), kernel.tcp_info);
        if role == "bound" {
            continue;
        }
        // Several sockets may share port and role; each stands for one line.
        let same = dumped.iter().position(|(socket, info)| {
            plays(socket, port, role) && without_clocks(info) == without_clocks(&bytes)
        });
        let Some(at) = same else {
            assert!(dumped.iter().any(|(socket, _)| plays(socket, port, role)), "{line}");
            moved.push(port);
            continue;
        };
        let (mut socket, _) = dumped.swap_remove(at);
        let before = socket;
        socket.tcp_info = Some(TcpInfo::new(&bytes, kernel.ecn()));
        check_clocks(&before, &socket);
        equal += 1;
    }
    (equal, moved)
}

/// Checks that clocks differ by little. A clock never started counts from the boot and wraps.
fn check_clocks(before: &Socket, after: &Socket) {
    for field in t::ALL {
        let (Some(before), Some(after)) = (field.integer(before), field.integer(after)) else {
            assert_eq!(field.read(before), field.read(after), "{}", field.name);
            continue;
        };
        let (slot, _) = field.slot().unwrap().range();
        if !CLOCKS.iter().any(|(at, _)| *at == slot) {
            assert_eq!(before, after, "{}", field.name);
            continue;
        }
        assert!(matches!(field.kind, Kind::Clock | Kind::Total), "{}", field.name);
        let ms = if field.key.ends_with("_us") { 1000 } else { 1 };
        let grown = (after as u32).wrapping_sub(before as u32) / ms;
        assert!(grown <= 100, "{}: {before} to {after}", field.name);
    }
}

#[test]
fn getsockopt_returns_the_bytes_of_the_dump() {
    for kernel in KERNELS {
        let (equal, moved) = compare(&kernel);
        println!("{}: {equal} structures are equal, {moved:?} moved", kernel.release);
        // One socket sent a retransmit between the dump and the call.
        let expected = if kernel.release == "6.1.192" { 1 } else { 0 };
        assert_eq!(moved.len(), expected, "{}: {moved:?}", kernel.release);
        assert!(equal >= 100, "{}: {equal}", kernel.release);
    }
}
