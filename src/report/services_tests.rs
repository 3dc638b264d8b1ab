//! The document of services.

use serde_json::{Value, json};

use super::super::testing;
use super::*;
use crate::attribution::testing::{Host, Sketch, Slot, server_of_process};
use crate::attribution::{Interval, ListenerDrops, reconcile};
use crate::identity::{Grouping, Rules, ServiceRegistry};
use crate::model::example::socket;
use crate::model::{Role, Socket, State};
use crate::procfs::PortNames;

#[test]
fn document_matches() {
    let names = PortNames::parse("");
    let mut registry = ServiceRegistry::new(Rules::default(), Grouping::Service, names);
    let id = server_of_process(&mut registry, "10.0.0.1:2181", "java");
    let work = Sketch::new(id.0, Role::Server)
        .grew(Slot::TotalRetrans, 3)
        .grew(Slot::TotalRto, 1)
        .grew(Slot::SegsOut, 60)
        .grew(Slot::BytesSent, 9000)
        .work();
    let mut table = ServiceTable::new();
    table.begin_poll();
    table.see(id, &socket());
    table.see(id, &Socket { state: State::Listen, receive_queue: 1, send_queue: 8, ..socket() });
    table.enter(&work);
    table.add_drops(&ListenerDrops { service: id, drops: 2 });
    let host = Host::grown(&[
        ("TcpRetransSegs", 4),
        ("TcpExtTCPFastRetrans", 2),
        ("TcpExtTCPSlowStartRetrans", 0),
        ("TcpExtTCPSynRetrans", 1),
        ("TcpExtTCPTimeouts", 2),
        ("TcpExtTCPLossProbes", 0),
    ]);
    let works = [work];
    let reconciliation = reconcile(&Interval { ..host.interval(&works) });
    let host = testing::host();
    let frame = testing::frame(&host, Basis::Interval);
    let document = Services::new(frame, &table, &reconciliation, &registry);
    let document: Value = serde_json::to_value(&document).unwrap();
    let range = |value: u64| json!({"value": value, "low": value, "high": value});
    assert_eq!(
        document["services"][0],
        json!({
            "service": "java", "role": "server", "port": 2181, "owner": "java",
            "role_basis": "tcp_info", "service_basis": "process",
            "connections": {"established": 1}, "opened": 0, "closed": 0,
            "bytes_in": 0, "bytes_out": 9000, "segs_in": 0, "segs_out": 60,
            "retrans_segs": 3, "retrans_ratio": 0.05,
            "retransmits_by_kind": {"fast": range(2), "slow_start": range(0),
                "rto": range(1), "probe": range(0), "syn": range(0)},
            "rtt_us": {"p50": 60000, "p90": 60000, "p99": 60000, "min": 60000},
            "limited": null,
            "listen": {"accept_queue": 1, "accept_queue_max": 8, "drops": 2},
        })
    );
    let retransmits = document["attribution"].as_array().unwrap().iter();
    let retransmits = retransmits.filter(|entry| entry["counter"] == "TcpRetransSegs");
    assert_eq!(
        retransmits.collect::<Vec<_>>(),
        [&json!({
            "counter": "TcpRetransSegs", "delta": 4, "class": "exact", "skew": 0,
            "attributed": 3, "unattributed": 1,
            "unattributed_reasons": ["half_open", "cleared"],
            "by_service": [{"service": "java", "role": "server", "port": 2181,
                "role_basis": "tcp_info", "service_basis": "process",
                "value": 3, "low": 3, "high": 4, "share": 0.75}],
        })]
    );
}

#[test]
fn the_envelope_and_the_order() {
    let sample = testing::Busy::new();
    let value = |basis| serde_json::to_value(sample.document(basis)).unwrap();
    let document = value(Basis::Interval);
    let keys: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
    insta::assert_snapshot!(keys.join(" "));
    assert_eq!(
        (&document["schema"], &document["basis"]),
        (&json!(Services::SCHEMA), &json!("interval"))
    );
    let summary = value(Basis::WholeRun);
    assert_eq!(
        (&summary["schema"], &summary["basis"]),
        (&json!(Services::SUMMARY), &json!("whole_run"))
    );
    let of = |key: &str| {
        let services = document["services"].as_array().unwrap().iter();
        services.map(|service| service[key].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert!(of("retrans_segs").is_sorted_by(|a, b| a >= b));
}

#[test]
fn parts_add_up() {
    let sample = testing::Busy::new();
    for entry in sample.document(Basis::Interval).attribution {
        let Attribution { counter, delta, attributed, unattributed, .. } = entry.attribution;
        assert_eq!(attributed + unattributed, *delta, "{counter}");
        let parts: u64 = entry.parts().map(|part| part.estimate.value).sum();
        assert_eq!(parts, *attributed, "{counter}");
        for Estimate { low, value, high } in entry.parts().map(|part| part.estimate) {
            assert!(low <= value && value <= high, "{counter}");
        }
    }
}

#[test]
fn kinds_are_absent_if_not_counted() {
    let sample = testing::Busy::new();
    let nothing = Reconciliation::default();
    let names = &sample.names;
    let frame = testing::frame(&sample.host, Basis::Interval);
    let document = Services::new(frame, &sample.table, &nothing, names);
    for service in serde_json::to_value(&document).unwrap()["services"].as_array().unwrap() {
        let counted = service.get("retransmits_by_kind").is_some();
        assert_eq!(counted, service["retrans_segs"] == 0, "{service}");
    }
}
