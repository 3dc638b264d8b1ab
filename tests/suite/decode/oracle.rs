//! Every record compared with the decoder of the `netlink-packet-sock-diag` crate, which tcpdiag
//! does not use because of its cost.

use netlink_packet_core::{Nla as _, Parseable};
use netlink_packet_sock_diag::inet::InetResponse;
use netlink_packet_sock_diag::inet::Timer as TheirTimer;
use netlink_packet_sock_diag::inet::nlas::Nla;
use tcpdiag::model::{Socket, State, TimerKind};
use tcpdiag::wire::{ATTRIBUTE_COUNT, Reply, uapi};

use super::capture::{KERNELS, Kernel, messages, replies};

/// Every file with records.
const FILES: [&str; 8] = [
    "tcp4.nl",
    "tcp6.nl",
    "tcp4-noext.nl",
    "legacy.nl",
    "get-one.nl",
    "privileged.nl",
    "unprivileged.nl",
    "destroy.nl",
];

fn header(reply: &Reply<'_>, socket: &Socket, theirs: &InetResponse) {
    let header = &theirs.header;
    let id = &header.socket_id;
    assert_eq!(reply.family(), header.family);
    assert_eq!(reply.state(), header.state);
    if socket.state != State::BoundInactive {
        assert_eq!(socket.state as u8, header.state);
    }
    assert_eq!((socket.local.address, socket.local.port), (id.source_address, id.source_port));
    assert_eq!(
        (socket.remote.address, socket.remote.port),
        (id.destination_address, id.destination_port)
    );
    assert_eq!(socket.interface, id.interface_id);
    assert_eq!(socket.cookie.to_le_bytes(), id.cookie);
    assert_eq!(socket.receive_queue, header.recv_queue);
    assert_eq!(socket.send_queue, header.send_queue);
    assert_eq!(socket.uid, header.uid);
    assert_eq!(socket.inode, header.inode);
    let ours = socket.timer.map(|timer| {
        let left = std::time::Duration::from_millis(timer.expires_ms.into());
        match timer.kind {
            TimerKind::Retransmit => TheirTimer::Retransmit(left, timer.retransmits),
            TimerKind::Keepalive => TheirTimer::KeepAlive(left),
            TimerKind::TimeWait => TheirTimer::TimeWait,
            TimerKind::ZeroWindowProbe => TheirTimer::Probe(left),
            other => panic!("the crate knows no timer {other:?}"),
        }
    });
    assert_eq!(ours, header.timer);
}

fn attribute(reply: &Reply<'_>, socket: &Socket, theirs: &Nla) {
    match theirs {
        Nla::LegacyMemInfo(info) => assert_eq!(
            reply.meminfo(),
            Some([info.receive_queue, info.bottom_send_queue, info.cache, info.send_queue])
        ),
        Nla::TcpInfo(bytes) => {
            assert_eq!(reply.attribute(uapi::INET_DIAG_INFO), Some(bytes.as_slice()));
            assert_eq!(socket.tcp_info.unwrap().sent_length(), bytes.len());
        }
        Nla::Congestion(name) => {
            assert_eq!(socket.congestion.unwrap().as_bytes(), name.as_bytes());
        }
        Nla::Tos(tos) => assert_eq!(socket.tos, Some(*tos)),
        Nla::Tc(class) => assert_eq!(socket.tclass, Some(*class)),
        Nla::MemInfo(info) => {
            let theirs = [
                info.receive_queue,
                info.receive_queue_max,
                info.bottom_send_queues,
                info.send_queue_max,
                info.cache,
                info.send_queue,
                info.options,
                info.backlog_queue_length,
                info.drops,
            ];
            for (index, word) in theirs.into_iter().enumerate() {
                assert_eq!(socket.skmem.unwrap().word(index as u8), Some(word), "word {index}");
            }
        }
        Nla::Shutdown(bits) => assert_eq!(socket.shutdown, Some(*bits)),
        Nla::Protocol(protocol) => assert_eq!(reply.protocol(), Some(*protocol)),
        Nla::SkV6Only(only) => assert_eq!(socket.v6only, Some(*only)),
        Nla::Mark(mark) => assert_eq!(socket.mark, Some(*mark)),
        Nla::ClassId(class) => assert_eq!(socket.class_id, Some(*class)),
        Nla::Other(other) => {
            let mut bytes = vec![0; other.value_len()];
            other.emit_value(&mut bytes);
            // The nested flag is not part of the number.
            assert_eq!(reply.attribute(other.kind() & 0x3fff), Some(bytes.as_slice()));
        }
    }
}

/// The numbers of equal records and attributes.
fn compare(kernel: &Kernel, file: &str) -> (usize, usize) {
    let bytes = kernel.bytes(file);
    let (mut records, mut attributes) = (0, 0);
    // Error messages that quote a request are longer than a record's header.
    let payloads = messages(&bytes).into_iter().filter(|message| message.kind >= 16);
    for (reply, payload) in replies(&bytes).iter().zip(payloads.map(|message| message.payload)) {
        let socket = Socket::new(reply, kernel.ecn()).unwrap();
        let theirs = <InetResponse as Parseable<[u8]>>::parse(payload).unwrap();
        header(reply, &socket, &theirs);
        theirs.nlas.iter().for_each(|nla| attribute(reply, &socket, nla));
        // We found no attribute that the crate did not.
        let ours = (0..ATTRIBUTE_COUNT as u16).filter(|&kind| reply.attribute(kind).is_some());
        assert_eq!(ours.count(), theirs.nlas.len());
        records += 1;
        attributes += theirs.nlas.len();
    }
    (records, attributes)
}

#[test]
fn the_crate_agrees_on_every_record() {
    for kernel in KERNELS {
        let (mut records, mut attributes) = (0, 0);
        for file in FILES {
            let (some, more) = compare(&kernel, file);
            assert!(some > 0, "{} {file}", kernel.release);
            (records, attributes) = (records + some, attributes + more);
        }
        println!("{}: {records} records, {attributes} attributes", kernel.release);
        let [v4, v6, both] = kernel.records;
        assert!(records >= 2 * v4 + v6 + both + 1 + 4 + 21, "{}", kernel.release);
    }
}
