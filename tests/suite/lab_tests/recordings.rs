//! Parsing of trace lines, as Linux 6.18 prints them.

use crate::lab::{Addresses, Kind, Kinds, Side, Verdict, classify};

/// Lines with the addresses of a pair; `C` and `S` stand for them.
fn read(lines: &str) -> Verdict {
    let addresses = Addresses::next();
    let [client, server] = Side::BOTH.map(|side| addresses.v4(side).to_string());
    let ends = |from: &str, to: &str, [sport, dport]: [u16; 2]| {
        format!(
            "family=AF_INET sport={sport} dport={dport} saddr={from} daddr={to} \
             saddrv6=::ffff:{from} daddrv6=::ffff:{to}"
        )
    };
    let up = ends(&client, &server, [30_000, 80]);
    let down = ends(&server, &client, [80, 30_000]);
    let strange = ends("192.0.2.1", "192.0.2.2", [1, 2]);
    let text = lines
        .replace(
            "RETRANSMIT",
            "tcp_retransmit_skb: skbaddr=0000000079eb8f3d skaddr=000000004dcd7050",
        )
        .replace("SYNACK", "tcp_retransmit_synack:")
        .replace("STATE", "tcp_cong_state_set:")
        .replace("<up>", &up)
        .replace("<down>", &down)
        .replace("<strange>", &strange);
    classify(&text, addresses)
}

fn kinds(verdict: &Verdict) -> Vec<(Side, Kind)> {
    assert!(verdict.retransmits.iter().all(|retransmit| retransmit.port == 80));
    verdict.retransmits.iter().map(|retransmit| (retransmit.side, retransmit.kind)).collect()
}

use Side::{Client, Server};

#[test]
fn kinds_follow_from_paths_and_states() {
    let verdict = read(
        "\
           <...>-1 [000] ..s2.  10.000001: STATE <down> cong_state=0
    my [1] app-27  [001] .....  10.000002: STATE <up> cong_state=3
    my [1] app-27  [001] .....  10.000003: RETRANSMIT <up> state=TCP_ESTABLISHED err=0
    my [1] app-27  [001] .....  10.000004: <stack trace>
 => trace_event_raw_event_tcp_retransmit_skb
 => __tcp_retransmit_skb
 => tcp_retransmit_skb
 => tcp_xmit_retransmit_queue.part.0
 => tcp_ack
          <idle>-0  [000] ..s1.  11.000000: STATE <up> cong_state=4
          <idle>-0  [000] ..s1.  11.000001: RETRANSMIT <up> state=TCP_ESTABLISHED err=0
          <idle>-0  [000] ..s1.  11.000002: <stack trace>
 => tcp_retransmit_timer
 => tcp_write_timer
          <idle>-0  [000] ..s1.  11.000003: RETRANSMIT <up> state=TCP_ESTABLISHED err=0
          <idle>-0  [000] ..s1.  11.000004: <stack trace>
 => tcp_xmit_retransmit_queue
          <idle>-0  [000] ..s1.  12.000001: RETRANSMIT <down> state=TCP_LAST_ACK err=0
          <idle>-0  [000] ..s1.  12.000002: <stack trace>
 => tcp_send_loss_probe+0x12/0x100
          <idle>-0  [000] ..s1.  12.000003: RETRANSMIT <up> state=TCP_SYN_SENT err=0
          <idle>-0  [000] ..s1.  12.000004: SYNACK <down>
          <idle>-0  [000] ..s1.  12.000005: RETRANSMIT <strange> state=TCP_SYN_SENT err=0
          <idle>-0  [000] ..s1.  12.000006: RETRANSMIT <up> state=TCP_ESTABLISHED err=-16
",
    );
    let expected = [
        (Client, Kind::Fast),
        (Client, Kind::Timeout),
        (Client, Kind::SlowStart),
        (Server, Kind::Probe),
        (Client, Kind::Syn),
        (Server, Kind::SynAck),
    ];
    assert_eq!(kinds(&verdict), expected);
    assert_eq!((verdict.suppressed, verdict.failed, verdict.lost), (1, 0, 0));
    assert_eq!((verdict.with_path, verdict.disputed), (4, 0));
    assert_eq!(verdict.retransmits[0].at, 10_000_003);
    let server = Kinds { probe: 1, syn: 1, syn_ack: 1, ..Kinds::default() };
    assert_eq!(verdict.by_state[1][&80], server);
}

#[test]
fn stacks_are_matched_to_their_events() {
    // One without a stack; then an interrupt between an event and its stack, while another
    // processor has its own; and a probe that makes the peer answer below it.
    let verdict = read(
        "\
            app-27  [001] .....  10.000001: STATE <up> cong_state=3
            app-27  [001] .....  10.000002: RETRANSMIT <up> state=TCP_ESTABLISHED err=0
            app-27  [001] .....  10.000003: RETRANSMIT <up> state=TCP_ESTABLISHED err=0
            app-27  [001] ..s1.  10.000004: RETRANSMIT <down> state=TCP_ESTABLISHED err=0
            app-28  [000] .....  10.000005: RETRANSMIT <down> state=TCP_ESTABLISHED err=0
            app-27  [001] ..s1.  10.000006: <stack trace>
 => tcp_retransmit_timer
            app-27  [001] .....  10.000007: <stack trace>
 => tcp_xmit_retransmit_queue
 => tcp_retransmit_timer
            app-28  [000] .....  10.000008: <stack trace>
 => tcp_send_loss_probe
CPU:1 [LOST 12 EVENTS]
CPU:1 [LOST EVENTS]
",
    );
    let expected = [
        (Client, Kind::Fast),
        (Client, Kind::Fast),
        (Server, Kind::Timeout),
        (Server, Kind::Probe),
    ];
    assert_eq!(kinds(&verdict), expected);
    assert_eq!((verdict.with_path, verdict.lost), (3, 13));
    // From the state alone the timeout is classified as a probe.
    assert_eq!(verdict.disputed, 1);
}

#[test]
fn older_kernels_print_less() {
    let lines = "\
          <idle>-0  [000] ..s1.  11.000001: RETRANSMIT <up> state=TCP_ESTABLISHED
          <idle>-0  [000] ..s1.  12.000003: RETRANSMIT <up> state=TCP_SYN_SENT
          <idle>-0  [000] ..s1.  12.000004: SYNACK <down>
";
    let neither = read(lines);
    let expected = [(Client, Kind::Other), (Client, Kind::Syn), (Server, Kind::SynAck)];
    assert_eq!(kinds(&neither), expected);
    assert!(!neither.has_states);
    let states = format!("  <idle>-0  [000] ..s1.  11.000000: STATE <up> cong_state=4\n{lines}");
    assert_eq!(kinds(&read(&states))[0], (Client, Kind::Timeout));
}
