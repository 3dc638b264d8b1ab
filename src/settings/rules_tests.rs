//! Tests of `rules`.

use super::super::setting::Setting;
use super::super::{Conflict, conflicts};
use super::*;

const DEFAULTS: [(&str, &str); 22] = [
    ("tcp_rmem", "4096 131072 6291456"),
    ("tcp_wmem", "4096 16384 4194304"),
    ("tcp_mem", "100 200 300"),
    ("rmem_max", "16777216"),
    ("wmem_max", "16777216"),
    ("tcp_moderate_rcvbuf", "1"),
    ("tcp_window_scaling", "1"),
    ("tcp_congestion_control", "cubic"),
    ("default_qdisc", "fq_codel"),
    ("tcp_ecn", "2"),
    ("tcp_sack", "1"),
    ("tcp_dsack", "1"),
    ("tcp_timestamps", "1"),
    ("tcp_tw_reuse", "2"),
    ("tcp_syncookies", "1"),
    ("tcp_max_syn_backlog", "512"),
    ("somaxconn", "4096"),
    ("tcp_abort_on_overflow", "0"),
    ("tcp_keepalive_time", "7200"),
    ("ip_local_port_range", "32768 60999"),
    ("tcp_max_tw_buckets", "1000"),
    ("tcp_max_orphans", "1000"),
];

fn with(changes: &[(&str, &str)], usage: &Use) -> Vec<Conflict> {
    let mut values = DEFAULTS.to_vec();
    for change in changes {
        values.retain(|(name, _)| *name != change.0);
        values.push(*change);
    }
    conflicts(&Values::of(&values), usage)
}

fn usage(listeners: &[(u16, u64)]) -> Use {
    Use {
        page_size: 4096,
        memory_pages: Some(10),
        orphans: Some(1),
        time_wait: Some(1),
        listeners: listeners.to_vec(),
    }
}

#[test]
fn default_values_have_no_conflicts() {
    assert_eq!(with(&[], &usage(&[(443, 511)])), []);
    assert_eq!(conflicts(&Values::of(&[]), &Use::default()), []);
}

/// A rule, the values for which it is found, and the use of the host.
type Case = (&'static str, &'static [(&'static str, &'static str)], Use);

#[test]
fn each_conflict_is_found() {
    let cases: &[Case] = &[
        ("memory_full", &[], Use { memory_pages: Some(201), ..usage(&[]) }),
        ("memory_order", &[("tcp_wmem", "4096 16384 8192")], usage(&[])),
        ("backlog_above_somaxconn", &[("somaxconn", "128")], usage(&[(80, 511), (81, 9)])),
        ("backlog_at_somaxconn", &[], usage(&[(80, 4096)])),
        ("receive_buffer_limit", &[("rmem_max", "212992")], usage(&[])),
        ("send_buffer_limit", &[("wmem_max", "212992")], usage(&[])),
        ("window_scaling_off", &[("tcp_window_scaling", "0")], usage(&[])),
        ("buffers_do_not_grow", &[("tcp_moderate_rcvbuf", "0")], usage(&[])),
        ("dsack_without_sack", &[("tcp_sack", "0")], usage(&[])),
        (
            "reuse_without_timestamps",
            &[("tcp_tw_reuse", "1"), ("tcp_timestamps", "0"), ("tcp_syncookies", "0")],
            usage(&[]),
        ),
        ("cookies_without_timestamps", &[("tcp_timestamps", "0")], usage(&[])),
        ("syn_backlog_small", &[("tcp_syncookies", "0")], usage(&[(80, 513)])),
        ("abort_on_overflow", &[("tcp_abort_on_overflow", "1")], usage(&[])),
        ("time_wait_full", &[], Use { time_wait: Some(900), ..usage(&[]) }),
        ("orphans_many", &[], Use { orphans: Some(1001), ..usage(&[]) }),
        ("dctcp_without_ecn", &[("tcp_congestion_control", "dctcp"), ("tcp_ecn", "0")], usage(&[])),
        ("bbr_without_fq", &[("tcp_congestion_control", "bbr")], usage(&[])),
        ("keepalive_long", &[("tcp_keepalive_time", "86400")], usage(&[])),
        ("few_ports", &[("ip_local_port_range", "50000 50999")], usage(&[])),
        ("listener_in_port_range", &[], usage(&[(40_000, 1)])),
    ];
    for (id, changes, usage) in cases {
        let found = with(changes, usage);
        let ids: Vec<&str> = found.iter().map(|conflict| conflict.id).collect();
        assert_eq!(ids, [*id]);
    }
    let tested: Vec<&str> = cases.iter().map(|(id, ..)| *id).collect();
    let all: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(tested, all, "every rule has its case");
}

#[test]
fn rules_name_known_settings() {
    for rule in &RULES {
        for name in rule.settings {
            assert!(Setting::find(name).is_some_and(|found| found.name == *name), "{name}");
        }
    }
}

#[test]
fn reserved_ports() {
    for (list, port, matches) in [
        ("", 80, false),
        ("80", 80, true),
        ("70-90", 80, true),
        ("1,70-79,81", 80, false),
        ("x,80", 80, true),
    ] {
        assert_eq!(is_reserved(list, port), matches, "{list}");
    }
}

#[test]
fn many_listeners_are_summed_up() {
    let listeners: Vec<(u16, u64)> = (40_000..40_020).map(|port| (port, 1)).collect();
    let found = with(&[], &usage(&listeners));
    assert_eq!(
        found[0].text,
        "20 listeners (ports 40000, 40001, 40002, 40003, 40004, ...) in the range of outgoing \
         ports, 32768 to 60999"
    );
}

#[test]
fn invalid_values_are_no_conflict() {
    let invalid: Vec<(&str, &str)> = DEFAULTS.iter().map(|(name, _)| (*name, "x -1 y")).collect();
    assert_eq!(with(&invalid, &usage(&[(80, 9)])), []);
}
