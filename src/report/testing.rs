//! A synthetic busy host.

use super::{Basis, Cost, Coverage, Frame, Namespace, Polls, Quality, Services};
use crate::attribution::testing::{
    Host as Counted, Sketch, Slot, client_of, server_of, server_of_process,
};
use crate::attribution::{Interval, ListenerDrops, Reconciliation, ServiceTable, Work, reconcile};
use crate::identity::{Grouping, Owner, Rules, ServiceId, ServiceRegistry};
use crate::model::example::{socket, tcp_info};
use crate::model::{Role, Socket, State};
use crate::procfs::{Host, PortNames};

/// A host.
pub(crate) fn host() -> Host {
    Host { hostname: "db1".to_owned(), kernel: "6.12.0".to_owned(), boot_id: None }
}

/// A complete interval of five seconds.
pub(crate) fn frame(host: &Host, basis: Basis) -> Frame<'_> {
    Frame {
        basis,
        captured_at: "2026-08-01T00:00:05.000000000Z".to_owned(),
        host,
        netns: Some(Namespace { inode: 4_026_531_840, name: None }),
        interval_s: Some(if basis == Basis::WholeRun { 120.004 } else { 5.002 }),
        coverage: Coverage {
            destroy_events: Some(140),
            opened: 151,
            closed: 140,
            between_polls: 31,
            ..Coverage::default()
        },
        polls: Polls {
            regular: 5,
            early: 2,
            skipped: Some(0),
            looks: Some(50),
            looks_skipped: Some(0),
            cpu_budget: Some(0.01),
        },
        quality: Quality::default(),
        cost: Cost { wall_ms: 12.5, cpu_user_ms: 4.0, cpu_sys_ms: 3.5, sockets_dumped: 900 },
    }
}

/// Several services, some with problems, one with a malicious name.
pub(crate) struct Busy {
    pub(crate) host: Host,
    pub(crate) table: ServiceTable,
    pub(crate) reconciliation: Reconciliation,
    pub(crate) names: ServiceRegistry,
}

/// Growth in the order that [`Busy::connection`] expects.
type Traffic = [(Slot, u64); 4];

fn traffic(bytes_in: u64, bytes_out: u64, segs_in: u64, segs_out: u64) -> Traffic {
    [
        (Slot::BytesReceived, bytes_in),
        (Slot::BytesSent, bytes_out),
        (Slot::SegsIn, segs_in),
        (Slot::SegsOut, segs_out),
    ]
}

fn sketch(id: ServiceId, role: Role, traffic: Traffic) -> Sketch {
    traffic.into_iter().fold(Sketch::new(id.0, role), |sketch, (slot, by)| sketch.grew(slot, by))
}

impl Busy {
    /// All services.
    pub(crate) fn new() -> Self {
        let ports = PortNames::parse("mysql 3306/tcp\n");
        let mut names = ServiceRegistry::new(Rules::default(), Grouping::Service, ports);
        let java = server_of_process(&mut names, "10.0.0.1:2181", "java");
        let mysql = client_of(&mut names, "10.0.0.9:3306");
        let evil = server_of_process(&mut names, "10.0.0.1:6667", "\u{1b}[2J\nroot: ok");
        let gateway = Owner {
            container: Some("k8s_payments-gateway_payments-7d9f8b6c5d-x2x4z_prod"),
            process: Some("envoy"),
            ..Owner::default()
        };
        let container = server_of(&mut names, "10.0.0.1:8443", gateway);
        let sshd = server_of_process(&mut names, "10.0.0.1:22", "sshd");
        let far = client_of(&mut names, "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:9999");
        let work = work(&[java, mysql, evil, container, sshd, far]);
        let mut table = ServiceTable::new();
        table.begin_poll();
        see(&mut table, java, State::Established, 212, 1_200..61_000);
        see(&mut table, java, State::CloseWait, 14, 1_200..1_300);
        see(&mut table, java, State::TimeWait, 3, 0..1);
        see(&mut table, mysql, State::Established, 40, 350..900);
        see(&mut table, mysql, State::SynSent, 1, 0..1);
        see(&mut table, evil, State::Established, 1, 90_000..90_001);
        see(&mut table, container, State::Established, 31_208, 200..4_000);
        see(&mut table, sshd, State::Established, 2, 25_000..30_000);
        see(&mut table, far, State::Established, 1, 181_000..181_001);
        for (service, queue, limit) in [(java, 129, 128), (container, 3, 4096), (sshd, 0, 128)] {
            let (state, receive_queue, send_queue) = (State::Listen, queue, limit);
            table.see(service, &Socket { state, receive_queue, send_queue, ..socket() });
        }
        work.iter().for_each(|work| table.enter(work));
        let established: Vec<_> = table.established().collect();
        let drops = ListenerDrops { service: java, drops: 37 };
        table.add_drops(&drops);
        let counted = Counted::read_twice(&counters(0), &counters(2));
        let interval = counted.interval(&work);
        let reconciliation =
            reconcile(&Interval { established: &established, listeners: &[drops], ..interval });
        Self { host: host(), table, reconciliation, names }
    }

    /// The document.
    pub(crate) fn document(&self, basis: Basis) -> Services<'_> {
        Services::new(frame(&self.host, basis), &self.table, &self.reconciliation, &self.names)
    }
}

fn see(
    table: &mut ServiceTable,
    service: ServiceId,
    state: State,
    count: u32,
    rtt: std::ops::Range<u32>,
) {
    for number in 0..count {
        let rtt_us = rtt.start + (rtt.end - rtt.start - 1) * number / count;
        let info = tcp_info(&[(68, rtt_us), (148, rtt_us.min(rtt.start))]);
        table.see(service, &Socket { state, tcp_info: Some(info), ..socket() });
    }
}

/// The host's counters. The second reading has `more` additional retransmits.
fn counters(more: u64) -> Vec<(&'static str, u64)> {
    vec![
        ("TcpActiveOpens", 12),
        ("TcpPassiveOpens", 139),
        ("TcpAttemptFails", 2),
        ("TcpEstabResets", 6),
        ("TcpCurrEstab", 31_470 + more),
        ("TcpInSegs", 90_000),
        ("TcpOutSegs", 120_000),
        ("TcpRetransSegs", 461 + more),
        ("TcpOutRsts", 19),
        ("TcpExtListenOverflows", 36),
        ("TcpExtListenDrops", 37),
        ("TcpExtTCPHPHits", 4_000),
        ("TcpExtDelayedACKs", 300),
        ("TcpExtTCPFastRetrans", 320),
        ("TcpExtTCPSlowStartRetrans", 31),
        ("TcpExtTCPSynRetrans", 9),
        ("TcpExtTCPTimeouts", 64),
        ("TcpExtTCPLossProbes", 52),
        ("TcpExtTCPLossProbeRecovery", 11),
        ("TcpExtTCPLostRetransmit", 17),
        ("TcpExtTCPSackRecovery", 71),
        ("TcpExtTCPDSACKRecv", 24),
        ("TcpExtTCPDSACKUndo", 3),
        ("TcpExtTCPOFOQueue", 811),
        ("TcpExtTCPToZeroWindowAdv", 4),
        ("TcpExtTCPAbortOnTimeout", 1),
        ("TcpExtTCPSomethingNew", 5),
    ]
}

fn work([java, mysql, evil, container, sshd, far]: &[ServiceId; 6]) -> Vec<Work> {
    let (server, client) = (Role::Server, Role::Client);
    vec![
        sketch(*java, server, traffic(900_000, 30_000_000, 9_000, 21_000))
            .grew(Slot::TotalRetrans, 301)
            .grew(Slot::TotalRto, 21)
            .grew(Slot::DataSegsOut, 20_900)
            .grew(Slot::BytesRetrans, 430_000)
            .grew(Slot::RcvOoopack, 700)
            .grew(Slot::DsackDups, 20)
            .grew(Slot::BusyTime, 4_000_000)
            .grew(Slot::RwndLimited, 1_400_000)
            .grew(Slot::SndbufLimited, 480_000)
            .work(),
        // Short connections: they can have had retransmits of most kinds.
        sketch(*java, server, traffic(4_000, 80_000, 60, 90))
            .opened()
            .closed()
            .grew(Slot::TotalRetrans, 9)
            .grew(Slot::TotalRto, 4)
            .grew(Slot::DataSegsOut, 70)
            .work(),
        sketch(*mysql, client, traffic(12_000_000, 700_000, 9_100, 3_900))
            .grew(Slot::TotalRetrans, 118)
            .grew(Slot::TotalRto, 30)
            .grew(Slot::DataSegsOut, 3_000)
            .grew(Slot::BytesRetrans, 90_000)
            .grew(Slot::BusyTime, 3_000_000)
            .grew(Slot::SndbufLimited, 20)
            .work(),
        sketch(*mysql, client, traffic(0, 0, 0, 3))
            .opened()
            .state(State::SynSent)
            .grew(Slot::TotalRetrans, 3)
            .grew(Slot::TotalRto, 3)
            .work(),
        sketch(*evil, server, traffic(1_000, 90_000, 30, 80))
            .grew(Slot::TotalRetrans, 7)
            .grew(Slot::TotalRto, 2)
            .grew(Slot::BytesRetrans, 7_000)
            .work(),
        sketch(*container, server, traffic(70_000_000, 900_000_000, 70_000, 95_000))
            .grew(Slot::TotalRetrans, 20)
            .grew(Slot::TotalRto, 4)
            .grew(Slot::BytesRetrans, 20_000)
            .work(),
        sketch(*sshd, server, traffic(600, 2_000, 9, 9)).work(),
        sketch(*far, client, traffic(0, 120, 1, 1)).closed().work(),
    ]
}
