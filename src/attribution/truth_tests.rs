//! Simulates hosts with everything the kernel would count, and compares the attribution with it.

use proptest::prelude::*;
use rustc_hash::FxHashMap;

use super::testing::{Host, Sketch, Slot};
use super::{Interval, ListenerDrops, Part, Work, reconcile};
use crate::identity::ServiceId;
use crate::model::{Role, State};

/// The events of one connection.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    service: u32,
    client: bool,
    opened: bool,
    /// Its own FIN went out without data.
    finished: bool,
    data_out: u64,
    data_repeats: u64,
    fin_repeats: u64,
    syn_repeats: u64,
    timeouts: u64,
    given_up: bool,
    bare_out: u64,
    delayed: u64,
    probes: u64,
    bare_in: u64,
    data_in: u64,
    /// Packets after GRO merged `data_in`.
    packets_in: u64,
    out_of_order: u64,
    out_of_order_packets: u64,
    delivered: u64,
    reordered: [u64; 2],
    duplicates: u64,
    drops: u64,
    backlog_drops: u64,
    recoveries: u64,
    undone: bool,
    /// Its destroy event was lost, so that it is unknown.
    unseen: bool,
}

prop_compose! {
    fn life()(service in 0u32..3, flags in any::<[bool; 5]>(), unseen in 0u32..8,
        sent in (0u64..60, 0u64..9, 0u64..2, 0u64..2, 0u64..3, 0u64..30),
        received in (0u64..30, 0u64..60, 1u64..9, 0u64..9),
        other in (0u64..3, 0u64..3, 0u64..4, 0u64..6, 0u64..3), parts in (0u64..100, 0u64..100, 0u64..100)) -> Life {
        let [client, opened, finished, given_up, undone] = flags;
        let (data_out, repeats, fin_repeats, syn_repeats, timeouts, bare_out) = sent;
        let (bare_in, data_in, merged, ofo) = received;
        let data_repeats = if data_out > 0 { repeats } else { 0 };
        let syn_repeats = if opened { syn_repeats } else { 0 };
        let fin_repeats = if finished { fin_repeats } else { 0 };
        let of = |whole: u64, part: u64| whole * part / 100;
        let drops = other.3;
        Life {
            service, client, opened, finished, data_out, data_repeats, fin_repeats, syn_repeats,
            timeouts: timeouts.min(data_repeats) + syn_repeats,
            given_up: given_up && finished,
            bare_out, delayed: of(bare_out, parts.0),
            probes: of(data_out, parts.1),
            bare_in, data_in, packets_in: data_in.div_ceil(merged),
            out_of_order: ofo.min(data_in), out_of_order_packets: ofo.min(data_in).div_ceil(merged),
            delivered: data_out, reordered: [other.0, other.1], duplicates: other.2,
            drops, backlog_drops: of(drops, parts.2),
            recoveries: other.4.min(data_repeats - timeouts.min(data_repeats)),
            undone: undone && timeouts.min(data_repeats) > 0,
            unseen: unseen == 0,
        }
    }
}

type Count = fn(&Life) -> u64;

/// What the kernel counts for a connection: summed per service this is the truth.
const COUNTED: [(&str, Count); 17] = [
    ("TcpRetransSegs", repeats),
    ("TcpExtTCPTimeouts", |life| life.timeouts + u64::from(life.given_up)),
    ("TcpExtTCPAbortOnTimeout", |life| u64::from(life.given_up)),
    ("TcpOutSegs", |life| {
        life.data_out
            + life.bare_out
            + u64::from(life.finished)
            + u64::from(life.client && life.opened)
    }),
    ("TcpExtTCPOrigDataSent", |life| life.data_out + u64::from(life.finished)),
    ("TcpExtTCPDelivered", |life| life.delivered),
    ("TcpInSegs", |life| life.bare_in + life.packets_in),
    ("TcpExtTCPOFOQueue", |life| life.out_of_order_packets),
    ("TcpExtTCPSACKReorder", |life| life.reordered[0]),
    ("TcpExtTCPTSReorder", |life| life.reordered[1]),
    ("TcpExtTCPDSACKRecvSegs", |life| life.duplicates),
    ("TcpExtTCPBacklogDrop", |life| life.backlog_drops),
    ("TcpExtTCPLossProbes", |life| life.probes),
    ("TcpExtDelayedACKs", |life| life.delayed),
    ("TcpExtTCPSackRecovery", |life| life.recoveries),
    ("TcpExtTCPLossUndo", |life| u64::from(life.undone)),
    ("TcpExtTCPSynRetrans", |life| life.syn_repeats),
];

fn repeats(life: &Life) -> u64 {
    life.data_repeats + life.fin_repeats + life.syn_repeats
}

fn work(life: &Life) -> Work {
    let role = if life.client { Role::Client } else { Role::Server };
    let syn = u64::from(life.client && life.opened);
    // A child inherits the SYN-ACK repeats but did not send them.
    let sent_syns = if life.client { life.syn_repeats } else { 0 };
    let child = u64::from(life.opened && !life.client);
    let bare = life.bare_out + u64::from(life.finished) + syn + life.fin_repeats + sent_syns;
    let data = life.data_out + life.data_repeats;
    let sketch = Sketch::new(life.service, role)
        .grew(Slot::TotalRetrans, repeats(life))
        .grew(Slot::TotalRto, life.timeouts)
        .grew(Slot::SegsOut, data + bare)
        .grew(Slot::DataSegsOut, data)
        .grew(Slot::BytesRetrans, life.data_repeats * 1000)
        .grew(Slot::SegsIn, life.bare_in + life.data_in)
        .grew(Slot::DataSegsIn, life.data_in)
        .grew(Slot::Delivered, life.delivered + child)
        .grew(Slot::RcvOoopack, life.out_of_order)
        .grew(Slot::ReordSeen, life.reordered.iter().sum())
        .grew(Slot::DsackDups, life.duplicates)
        .grew(Slot::Drops, life.drops);
    let sketch = if life.finished { sketch.state(State::LastAck).closed() } else { sketch };
    if life.opened { sketch.opened().work() } else { sketch.work() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bounds_contain_the_truth(lives in prop::collection::vec(life(), 0..10),
        listeners in prop::collection::vec((0u32..3, 0u64..5, 0u64..3), 0..3),
        socketless in (0u64..9, 0u64..9), skews in prop::collection::vec(0u64..4, COUNTED.len())) {
        let mut truth: FxHashMap<(u32, &str), u64> = FxHashMap::default();
        let mut grown: Vec<(&str, u64)> = Vec::new();
        for (name, count) in COUNTED {
            for life in &lives {
                *truth.entry((life.service, name)).or_default() += count(life);
            }
            grown.push((name, lives.iter().map(count).sum()));
        }
        grown[3].1 += socketless.0;
        grown[6].1 += socketless.1;
        // A dropped final ACK counts twice on the listener.
        let drops: u64 = listeners.iter().map(|listener| listener.1).sum();
        grown.push(("TcpExtListenDrops", drops));
        for (service, drops, _) in &listeners {
            *truth.entry((*service, "TcpExtListenDrops")).or_default() += drops;
        }
        let dropped: Vec<_> = listeners.iter().map(|&(service, drops, twice)| ListenerDrops {
            service: ServiceId(service), drops: drops + twice.min(drops) }).collect();
        // The first read was a little earlier for some counters; the sockets may agree with either.
        let first: Vec<_> = grown.iter().enumerate().map(|(at, &(name, value))| {
            (name, value.saturating_sub(skews.get(at).copied().unwrap_or(0)))
        }).collect();
        let host = Host::read_twice(&first, &grown);
        let works: Vec<Work> = lives.iter().filter(|life| !life.unseen).map(work).collect();
        let events_lost = lives.iter().filter(|life| life.unseen).count() as u64;
        let interval = Interval { listeners: &dropped, events_lost, ..host.interval(&works) };
        for found in reconcile(&interval).counters {
            for Part { service, estimate, .. } in &found.by_service {
                // The simulation does not cover how connections end.
                if &*found.counter == "TcpExtTCPAbortOnTimeout" {
                    continue;
                }
                let truth = truth.get(&(service.0, &*found.counter)).copied().unwrap_or(0);
                prop_assert!((estimate.low..=estimate.high).contains(&truth),
                    "{} {truth} {estimate:?} {found:?}", found.counter);
            }
        }
    }
}
