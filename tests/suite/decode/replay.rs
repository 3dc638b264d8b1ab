//! Recorded answers read through `source::Sockets`, as the live program does, and its errors.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde_json::Value;
use tcpdiag::model::{Families, Socket, StateSet};
use tcpdiag::socket_diag::{DumpOutcome, Dumper, Error, Query, Sockets, Transport};
use tcpdiag::wire::uapi::{
    AF_INET, AF_INET6, NLM_F_DUMP_INTR, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK,
};
use tcpdiag::wire::{DumpRequest, EcnWord, Extensions, Form, Reply};

use super::capture::{KERNELS, Kernel, json};
use super::script::{Request, Script, Step, datagrams, frames, numbered, refusal};

const EVERYTHING: Query<'static> = Query {
    families: Families::BOTH,
    states: StateSet::ALL,
    extensions: Extensions::ALL,
    local_port: 0,
    remote_port: 0,
    program: &[],
};

/// A filter program that accepts everything: one jump to its end.
const PROGRAM: &[u8] = &[1, 4, 4, 0];

fn newest() -> Kernel {
    KERNELS[4]
}

/// What a kernel answers to each form of the request.
fn answers(kernel: Kernel) -> impl FnMut(&Request) -> Vec<Step> {
    move |request| {
        datagrams(&kernel.bytes(match (request.kind, request.family) {
            (TCPDIAG_GETSOCK, _) => "legacy.nl",
            (SOCK_DIAG_BY_FAMILY, AF_INET) => "tcp4.nl",
            (SOCK_DIAG_BY_FAMILY, AF_INET6) => "tcp6.nl",
            other => panic!("{other:?}"),
        }))
    }
}

/// Reads all sockets; returns rows by cookie.
fn read<T: Transport>(
    sockets: &mut Sockets<T>,
    query: &Query<'_>,
    ecn: EcnWord,
) -> Result<(BTreeMap<u64, Value>, DumpOutcome), Error> {
    let mut rows = BTreeMap::new();
    let outcome = sockets.read(query, |reply: &Reply<'_>| {
        let socket = Socket::new(reply, ecn).unwrap();
        assert!(rows.insert(socket.cookie, json(&socket)).is_none(), "twice: {socket:?}");
        ControlFlow::Continue(())
    })?;
    Ok((rows, outcome))
}

/// Reads a dump of these datagrams.
fn dump(steps: Vec<Step>) -> Result<(usize, DumpOutcome), Error> {
    let mut steps = Some(steps);
    let mut dumper = Dumper::new(Script::new(move |_: &Request| steps.take().unwrap()));
    let mut seen = 0;
    let outcome = dumper.dump(&request(Form::Ipv4), |_| {
        seen += 1;
        ControlFlow::Continue(())
    })?;
    assert!(dumper.transport().is_drained());
    Ok((seen, outcome))
}

fn request(form: Form) -> DumpRequest<'static> {
    DumpRequest {
        form,
        states: StateSet::ALL.bits(),
        extensions: Extensions::ALL,
        local_port: 0,
        remote_port: 0,
        bytecode: &[],
    }
}

fn kinds(sent: &[Request]) -> Vec<(u16, u8)> {
    sent.iter().map(|request| (request.kind, request.family)).collect()
}

/// Removes fields that change between the two dumps.
fn without_clocks(mut row: Value) -> Value {
    for (part, key) in [
        ("tcp_info", "last_data_sent_ms"),
        ("tcp_info", "last_data_recv_ms"),
        ("tcp_info", "last_ack_recv_ms"),
        ("tcp_info", "busy_time_us"),
        ("tcp_info", "rwnd_limited_us"),
        ("tcp_info", "total_rto_time_ms"),
        ("derived", "rwnd_limited_share"),
        ("derived", "sndbuf_limited_share"),
        ("timer", "expires_ms"),
    ] {
        if let Some(value) = row.get_mut(part).and_then(|part| part.get_mut(key)) {
            *value = Value::Bool(true);
        }
    }
    row
}

#[test]
fn one_walk_and_two_walks_agree() {
    for kernel in KERNELS {
        let mut single = Sockets::over(Script::new(answers(kernel)));
        let (one, outcome) = read(&mut single, &EVERYTHING, kernel.ecn()).unwrap();
        assert_eq!(kinds(&single.transport().sent), [(TCPDIAG_GETSOCK, 2)]);
        let records = kernel.records[2] as u64;
        assert_eq!(outcome, DumpOutcome { sockets: records, ..DumpOutcome::default() });

        // The same kernel without the legacy request.
        let mut answer = answers(kernel);
        let mut double = Sockets::over(Script::new(move |request: &Request| {
            if request.kind == TCPDIAG_GETSOCK { refusal(libc::ENOENT) } else { answer(request) }
        }));
        let (two, outcome) = read(&mut double, &EVERYTHING, kernel.ecn()).unwrap();
        let by_family = [(TCPDIAG_GETSOCK, 2), (SOCK_DIAG_BY_FAMILY, 2), (SOCK_DIAG_BY_FAMILY, 10)];
        assert_eq!(kinds(&double.transport().sent), by_family);
        let records = (kernel.records[0] + kernel.records[1]) as u64;
        assert_eq!(outcome, DumpOutcome { sockets: records, ..DumpOutcome::default() });

        assert_eq!(one.len(), two.len());
        for ((cookie, one), (_, two)) in one.into_iter().zip(two) {
            assert_eq!(without_clocks(one), without_clocks(two), "{cookie:#x}");
        }
    }
}

#[test]
fn a_refused_form_is_not_requested_again() {
    for errno in [libc::ENOENT, libc::EINVAL, libc::EOPNOTSUPP, libc::EPROTONOSUPPORT] {
        let mut answer = answers(newest());
        let mut sockets = Sockets::over(Script::new(move |request: &Request| {
            if request.kind == TCPDIAG_GETSOCK { refusal(errno) } else { answer(request) }
        }));
        let (first, _) = read(&mut sockets, &EVERYTHING, newest().ecn()).unwrap();
        let (second, _) = read(&mut sockets, &EVERYTHING, newest().ecn()).unwrap();
        assert_eq!(first, second);
        let expected = [
            (TCPDIAG_GETSOCK, 2),
            (SOCK_DIAG_BY_FAMILY, 2),
            (SOCK_DIAG_BY_FAMILY, 10),
            (SOCK_DIAG_BY_FAMILY, 2),
            (SOCK_DIAG_BY_FAMILY, 10),
        ];
        assert_eq!(kinds(&sockets.transport().sent), expected, "errno {errno}");
    }
}

#[test]
fn other_refusals_are_errors() {
    let mut sockets = Sockets::over(Script::new(|_: &Request| refusal(libc::ENOMEM)));
    let error = read(&mut sockets, &EVERYTHING, EcnWord::Unknown).unwrap_err();
    assert_eq!(error.errno(), Some(libc::ENOMEM));
    assert_eq!(sockets.transport().sent.len(), 1);
}

#[test]
fn a_refused_program_is_left_out() {
    for errno in [libc::EINVAL, libc::EPERM] {
        let mut answer = answers(newest());
        let mut sockets = Sockets::over(Script::new(move |request: &Request| {
            if request.has_program { refusal(errno) } else { answer(request) }
        }));
        let query = Query { program: PROGRAM, ..EVERYTHING };
        let (rows, _) = read(&mut sockets, &query, newest().ecn()).unwrap();
        assert_eq!(rows.len(), newest().records[2]);
        read(&mut sockets, &query, newest().ecn()).unwrap();
        let programs: Vec<bool> =
            sockets.transport().sent.iter().map(|request| request.has_program).collect();
        assert_eq!(programs, [true, false, false], "errno {errno}");
        // The single walk is still used.
        assert!(sockets.transport().sent.iter().all(|sent| sent.kind == TCPDIAG_GETSOCK));
    }
}

#[test]
fn one_family_is_requested_alone() {
    let mut sockets = Sockets::over(Script::new(answers(newest())));
    let query = Query { families: Families { v4: false, v6: true }, ..EVERYTHING };
    let (rows, _) = read(&mut sockets, &query, newest().ecn()).unwrap();
    assert_eq!(rows.len(), newest().records[1]);
    assert_eq!(kinds(&sockets.transport().sent), [(SOCK_DIAG_BY_FAMILY, 10)]);
}

#[test]
fn recorded_refusals_are_decoded() {
    for kernel in KERNELS {
        // Within NLMSG_DONE, and as NLMSG_ERROR with the request quoted.
        for file in ["error-proto.nl", "error-enoent.nl"] {
            let steps = vec![Step::Datagram(kernel.bytes(file))];
            match dump(steps) {
                Err(Error::Refused { errno, text }) => {
                    assert_eq!((errno, text), (libc::ENOENT, None), "{file}");
                }
                other => panic!("{} {file}: {other:?}", kernel.release),
            }
        }
        // An acknowledgement is an error message with error number 0.
        let mut steps = vec![Step::Datagram(kernel.bytes("sock-destroy.nl"))];
        steps.extend(datagrams(&kernel.bytes("tcp4.nl")));
        assert_eq!(dump(steps).unwrap().0, kernel.records[0]);
    }
}

#[test]
fn answers_to_other_requests_are_skipped() {
    for stray in [0, 7, u32::MAX] {
        let capture = newest().bytes("tcp4.nl");
        let mut steps = Vec::new();
        // A complete earlier dump with its end, and an earlier refusal.
        for step in datagrams(&capture).into_iter().chain(refusal(libc::EIO)) {
            let Step::Datagram(bytes) = step else { unreachable!() };
            steps.push(Step::Stray(numbered(&bytes, stray)));
        }
        steps.extend(datagrams(&capture));
        let (seen, outcome) = dump(steps).unwrap();
        assert_eq!(seen, newest().records[0]);
        assert_eq!(outcome, DumpOutcome { sockets: seen as u64, ..DumpOutcome::default() });
    }
}

#[test]
fn requests_are_numbered_from_a_random_number() {
    let first = || {
        let mut dumper =
            Dumper::new(Script::new(|_: &Request| datagrams(&newest().bytes("tcp4.nl"))));
        for _ in 0..2 {
            dumper.dump(&request(Form::Ipv4), |_| ControlFlow::Continue(())).unwrap();
        }
        let [one, other] = &dumper.transport().sent[..] else { panic!("two requests") };
        assert_eq!(other.sequence, one.sequence.wrapping_add(1));
        one.sequence
    };
    // That both are equal happens once in four thousand million times.
    assert_ne!(first(), first());
}

#[test]
fn interruptions_are_counted() {
    let mut capture = newest().bytes("tcp4.nl");
    for (start, _) in frames(&capture.clone()).into_iter().skip(3).take(2) {
        capture[start + 6] |= NLM_F_DUMP_INTR as u8;
    }
    let (seen, outcome) = dump(datagrams(&capture)).unwrap();
    assert_eq!((seen, outcome.interrupted), (newest().records[0], 2));
    assert_eq!(outcome.decode_errors, 0);
}

#[test]
fn an_overrun_is_counted() {
    let mut steps = datagrams(&newest().bytes("tcp4.nl"));
    let lost = std::mem::replace(&mut steps[1], Step::Error(libc::ENOBUFS));
    let Step::Datagram(lost) = lost else { unreachable!() };
    let (seen, outcome) = dump(steps).unwrap();
    assert_eq!(seen, newest().records[0] - frames(&lost).len());
    assert_eq!((outcome.interrupted, outcome.decode_errors), (1, 0));
}

#[test]
fn a_datagram_that_does_not_fit_is_counted() {
    // All in one datagram: 45 kB, of which the buffer holds 32.
    let capture = newest().bytes("tcp4.nl");
    let all = frames(&capture);
    let (done, records) = all.split_last().unwrap();
    let steps = vec![
        Step::Datagram(capture[..done.0].to_vec()),
        Step::Datagram(capture[done.0..].to_vec()),
    ];
    let (seen, outcome) = dump(steps).unwrap();
    let whole = records.iter().filter(|(_, end)| *end <= 32 * 1024).count();
    assert_eq!(seen, whole);
    assert!(outcome.decode_errors > 0 && outcome.sockets == whole as u64);
}

#[test]
fn a_socket_that_fails_is_an_error() {
    let mut steps = datagrams(&newest().bytes("tcp4.nl"));
    steps[1] = Step::Error(libc::EBADF);
    assert_eq!(dump(steps).unwrap_err().errno(), Some(libc::EBADF));
    // A dump that never ends fails at the socket's timeout.
    let mut steps = datagrams(&newest().bytes("tcp4.nl"));
    steps.pop();
    assert!(matches!(dump(steps), Err(Error::Socket { .. })));
    assert!(matches!(dump(vec![Step::Datagram(Vec::new())]), Err(Error::Socket { .. })));
}

/// Stops after `limit` records, then reads all.
fn stop_then_read(steps: impl Fn(&Request) -> Vec<Step>, limit: usize) {
    let mut sockets = Sockets::over(Script::new(|request: &Request| steps(request)));
    let mut seen = 0;
    let outcome = sockets
        .read(&EVERYTHING, |_| {
            seen += 1;
            if seen == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((seen, outcome.stopped, outcome.sockets), (limit, true, limit as u64));
    let (rows, outcome) = read(&mut sockets, &EVERYTHING, newest().ecn()).unwrap();
    assert_eq!((rows.len(), outcome.stopped), (newest().records[2], false));
}

#[test]
fn a_stopped_dump_leaves_the_next_one_complete() {
    let records = newest().records[2];
    for limit in [1, 7, 60, records] {
        stop_then_read(|_| datagrams(&newest().bytes("legacy.nl")), limit);
        // An overrun while the rest is read and discarded.
        stop_then_read(
            |_| {
                let mut steps = datagrams(&newest().bytes("legacy.nl"));
                steps.insert(steps.len() - 1, Step::Error(libc::ENOBUFS));
                steps
            },
            limit,
        );
    }
}

#[test]
fn a_dump_can_be_stopped_in_its_last_datagram() {
    // Kernels up to 7.3 send the end in its own datagram, which is not guaranteed.
    let records = newest().records[2];
    for limit in [records - 1, records] {
        stop_then_read(
            |_| {
                let mut steps = datagrams(&newest().bytes("legacy.nl"));
                let Some(Step::Datagram(done)) = steps.pop() else { unreachable!() };
                let Some(Step::Datagram(last)) = steps.last_mut() else { unreachable!() };
                last.extend(done);
                steps
            },
            limit,
        );
    }
}

#[test]
fn a_stop_in_the_first_family_skips_the_second() {
    let mut answer = answers(newest());
    let mut sockets = Sockets::over(Script::new(move |request: &Request| {
        if request.kind == TCPDIAG_GETSOCK { refusal(libc::ENOENT) } else { answer(request) }
    }));
    let outcome = sockets.read(&EVERYTHING, |_| ControlFlow::Break(())).unwrap();
    assert!(outcome.stopped);
    assert_eq!(kinds(&sockets.transport().sent), [(TCPDIAG_GETSOCK, 2), (SOCK_DIAG_BY_FAMILY, 2)]);
}
