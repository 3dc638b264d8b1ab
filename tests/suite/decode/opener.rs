//! Which end opened the scenarios' connections, derived from their counters alone.

use std::collections::BTreeMap;

use tcpdiag::model::fields::tcp_info as t;
use tcpdiag::model::{Field, Opener, Socket, State, opened_by, opened_by_event};

use super::capture::KERNELS;

/// The true opener: servers have ports from 20000, clients from 30000 (`scenarios.txt`).
fn truth(socket: &Socket) -> Opener {
    match socket.local.port {
        20000..30000 => Opener::Peer,
        30000..40000 => Opener::Own,
        port => panic!("no scenario has port {port}"),
    }
}

/// Whether the handshake is complete, so that the counters can decide.
fn is_open(socket: &Socket) -> bool {
    let open = [State::Established, State::CloseWait, State::FinWait2];
    open.contains(&socket.state) && !socket.is_minisock()
}

#[test]
fn no_answer_contradicts_the_scenarios() {
    for kernel in KERNELS {
        let mut undecided = BTreeMap::new();
        let mut decided = [0; 2];
        for socket in kernel.dump() {
            let answer = opened_by(&socket);
            if !is_open(&socket) {
                assert_eq!(answer, None, "{} {socket:?}", kernel.release);
                continue;
            }
            match answer {
                Some(opener) => {
                    assert_eq!(opener, truth(&socket), "{} {socket:?}", kernel.release);
                    decided[usize::from(opener == Opener::Own)] += 1;
                }
                None => *undecided.entry(reason(&socket)).or_insert(0) += 1,
            }
        }
        println!("{}: {decided:?} of acceptors, openers; not: {undecided:?}", kernel.release);
        let all = decided[0] + decided[1];
        let rest = undecided.get("counters").copied().unwrap_or(0);
        // On 6.1 a client repeated both its SYN and data.
        assert_eq!(rest, 0, "{}", kernel.release);
        assert!(all >= 88 && decided.into_iter().all(|count| count >= 44), "{decided:?}");
    }
}

fn reason(socket: &Socket) -> &'static str {
    let info = socket.tcp_info.unwrap();
    let read = |field: &Field| info.read(field.slot().unwrap()).unwrap();
    if socket.send_queue > 0 || read(&t::UNACKED) > 0 || read(&t::NOTSENT_BYTES) > 0 {
        "in flight"
    } else if read(&t::OPTIONS) & (32 | 128) != 0 {
        "fast open"
    } else {
        "counters"
    }
}

#[test]
fn no_answer_contradicts_the_destroy_events() {
    for kernel in KERNELS {
        let events = kernel.sockets("destroy.nl");
        let mut decided = [0; 2];
        for event in &events {
            if let Some(opener) = opened_by_event(event) {
                assert_eq!(opener, truth(event), "{} {event:?}", kernel.release);
                decided[usize::from(opener == Opener::Own)] += 1;
            }
        }
        println!("{}: {decided:?} of {} events", kernel.release, events.len());
        // Undecided: a failed connect, four zeroed ones, two closed listeners and four
        // openers that were reset before they sent a FIN.
        assert_eq!(decided, [7, 4], "{}", kernel.release);
    }
}
