//! Datagrams through everything that reads and shows them. Start with the
//! captures, as `fuzz/run` does.
#![no_main]

use std::io::sink;

use libfuzzer_sys::fuzz_target;
use tcpdiag::model::{Role, RoleBasis, Socket};
use tcpdiag::output::{JsonLines, Layout, OutputWriter, Style, Table, all_columns, detail};
use tcpdiag::report::{Connection, Interface, Processes};
use tcpdiag::tracking::Delta;
use tcpdiag::wire::{Answer, EcnWord, Messages, Reply};

fuzz_target!(|datagram: &[u8]| {
    let mut previous: Option<Socket> = None;
    for message in Messages::new(datagram) {
        let Ok(message) = message else { break };
        let _ = (Answer::of_done(&message), Answer::of_error(&message));
        let Some(reply) = Reply::new(message.payload) else { continue };
        let _ = (reply.has_bad_attribute(), reply.meminfo(), reply.protocol());
        for ecn in [EcnWord::Unknown, EcnWord::Halves, EcnWord::Bits] {
            let Some(socket) = Socket::new(&reply, ecn) else { continue };
            let delta = previous.map(|before| Delta::between(&before, &socket));
            show(&socket, delta.as_ref());
            previous = Some(socket);
        }
    }
});

fn show(socket: &Socket, delta: Option<&Delta>) {
    let row = Connection {
        socket,
        role: Role::Unknown,
        role_basis: RoleBasis::ListenersUnknown,
        service: None,
        service_basis: None,
        netns: None,
        interface: Some(Interface { index: socket.interface, name: None }),
        cgroup_path: None,
        unit: None,
        container: None,
        processes: Processes::NotAsked,
        change: None,
        repeats: true,
        captured_at: "",
        delta,
        interval_s: Some(1.0),
        syn_recv: None,
        group: None,
        ended: None,
        remote_name: None,
    };
    let style = Style::new(true);
    let out = || OutputWriter::new(sink());
    JsonLines::new(out(), "", String::new()).row(&row).expect("a sink takes everything");
    detail(&mut out(), &row, 80, style).expect("a sink takes everything");
    let layout = Layout { width: Some(80), shorten: true, header: true, rows: None, style };
    let mut table = Table::new(out(), all_columns().collect(), layout);
    table.row(&row).expect("a sink takes everything");
    table.end().expect("a sink takes everything");
}
