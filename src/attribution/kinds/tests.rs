use proptest::prelude::*;

use super::super::super::growth::Slot;
use super::super::super::interval::Requests;
use super::super::super::testing::{Host as Counters, Sketch};
use super::*;
use crate::model::{Role, State};
use RetransmitKind::{Fast, Probe, Rto, SlowStart, Syn};

/// What one socket really retransmitted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Truth {
    pub(super) service: u32,
    pub(super) kinds: [u64; 5],
    pub(super) failed: u64,
    pub(super) opened: bool,
    pub(super) client: bool,
    /// In state Loss at the start.
    pub(super) in_loss: bool,
    /// New segments with data.
    pub(super) fresh: u64,
    /// SYN-ACKs repeated because the SYN came again.
    pub(super) untimed: u64,
}

impl Truth {
    fn total(&self) -> u64 {
        self.kinds.iter().sum::<u64>() + self.failed
    }

    pub(super) fn work(&self, knows_timeouts: bool) -> Work {
        let role = if self.client { Role::Client } else { Role::Server };
        let [.., rto, _, syn] = self.kinds;
        let data = self.total() - syn;
        let mut sketch = Sketch::new(self.service, role)
            .grew(Slot::TotalRetrans, self.total())
            .grew(Slot::DataSegsOut, self.fresh + data)
            .grew(Slot::BytesRetrans, data * 1000)
            .hints(|hints| hints.in_loss = Some(self.in_loss));
        if knows_timeouts {
            sketch = sketch.grew(Slot::TotalRto, rto + syn - self.untimed.min(syn));
        }
        if self.opened { sketch.opened().work() } else { sketch.work() }
    }
}

fn solve(interval: &Interval<'_>) -> KindTable {
    let mut builder = KindTableBuilder::new(interval);
    for work in interval.work {
        builder.add(work, &work.growth());
    }
    builder.solve(interval)
}

pub(super) struct Solved {
    pub(super) table: KindTable,
    pub(super) truth: FxHashMap<u32, [u64; 5]>,
}

/// A host with these sockets, requests and new-data probes.
pub(super) fn solve_host(truths: &[Truth], requests: u64, lost: u64, new_probes: u64) -> Solved {
    let works: Vec<Work> = truths.iter().map(|truth| truth.work(true)).collect();
    let column = |at: usize| truths.iter().map(|truth| truth.kinds[at]).sum::<u64>();
    let failed: u64 = truths.iter().map(|truth| truth.failed).sum();
    let total: u64 = truths.iter().map(Truth::total).sum::<u64>() + requests + lost;
    let syn = column(4) + requests + lost;
    let host = Counters::grown(&[
        ("TcpRetransSegs", total),
        ("TcpExtTCPFastRetrans", column(0)),
        ("TcpExtTCPSlowStartRetrans", column(1)),
        ("TcpExtTCPTimeouts", column(2) + syn),
        ("TcpExtTCPLossProbes", column(3) + new_probes),
        ("TcpExtTCPSynRetrans", syn),
        ("TcpExtTCPRetransFail", failed),
        ("TcpExtTCPSpuriousRtxHostQueues", 0),
    ]);
    let seen = [Requests { service: ServiceId(0), repeats: requests, gone: 0, inferred: false }];
    let interval = Interval { requests: &seen, ..host.interval(&works) };
    let mut truth: FxHashMap<u32, [u64; 5]> = FxHashMap::default();
    for one in truths {
        let sums = truth.entry(one.service).or_default();
        sums.iter_mut().zip(one.kinds).for_each(|(sum, kind)| *sum += kind);
    }
    truth.entry(0).or_default()[4] += requests;
    Solved { table: solve(&interval), truth }
}

fn check(solved: &Solved) {
    for (service, row) in &solved.table.services {
        let truth = solved.truth[&service.0];
        let sum: u64 = RetransmitKind::ALL.iter().map(|kind| row.kind(*kind).value).sum();
        assert_eq!(sum + row.failed.value, row.total);
        for (kind, truth) in RetransmitKind::ALL.into_iter().zip(truth) {
            let estimate = row.kind(kind);
            let Estimate { value, low, high } = estimate;
            assert!(low <= value && value <= high, "{service:?} {kind:?} {estimate:?}");
            assert!(low <= truth && truth <= high, "{service:?} {kind:?} {estimate:?} {truth}");
        }
    }
}

fn truth() -> impl Strategy<Value = Truth> {
    let kinds = (0u64..40, 0u64..20, 0u64..4, 0u64..4, 0u64..3);
    (0u32..4, kinds, 0u64..3, any::<[bool; 3]>(), 0u64..200, 0u64..2).prop_map(
        |(
            service,
            (fast, slow, rto, probe, syn),
            failed,
            [opened, client, in_loss],
            fresh,
            untimed,
        )| {
            let in_loss = in_loss && !opened;
            let syn = if opened { syn } else { 0 };
            let untimed = if client { 0 } else { untimed.min(syn) };
            let timeouts = rto + syn - untimed;
            let slow = if timeouts > 0 || in_loss { slow } else { 0 };
            let kinds = [fast, slow, rto, probe, syn];
            Truth { service, kinds, failed, opened, client, in_loss, fresh, untimed }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn margins_hold_and_bounds_contain_the_truth(truths in prop::collection::vec(truth(), 0..12),
        requests in 0u64..3, lost in 0u64..3, new_probes in 0u64..9) {
        let solved = solve_host(&truths, requests, lost, new_probes);
        check(&solved);
        // Each column adds up to the host's counter.
        let table = &solved.table;
        for (at, kind) in RetransmitKind::ALL.into_iter().enumerate() {
            let counted: u64 = truths.iter().map(|truth| truth.kinds[at]).sum();
            let rows = table.services.iter().map(|(_, row)| row.kind(kind).value).sum::<u64>();
            let all = rows + table.outside.kind(kind).value;
            match kind {
                Fast | SlowStart => prop_assert_eq!(all, counted),
                Syn => prop_assert_eq!(all, counted + requests + lost),
                Rto | Probe => {}
            }
        }
    }
}

#[test]
fn certain_kinds_are_exact() {
    // One socket with a timeout, one without: only the probe has to be inferred.
    let fast = Truth { service: 1, kinds: [7, 0, 0, 0, 0], fresh: 50, ..Truth::default() };
    let slow = Truth { service: 2, kinds: [0, 5, 2, 0, 0], fresh: 50, ..Truth::default() };
    let solved = solve_host(&[fast, slow], 0, 0, 0);
    check(&solved);
    let [(_, first), (_, second)] = solved.table.services[..] else { panic!() };
    assert_eq!(first.kind(Fast), Estimate::exactly(7));
    assert_eq!(first.kind(Rto), Estimate::exactly(0));
    assert_eq!(second.kind(SlowStart), Estimate::exactly(5));
    assert_eq!(second.kind(Rto), Estimate::exactly(2));
    // A connect() without an answer.
    let syn = Truth {
        service: 3,
        kinds: [0, 0, 0, 0, 3],
        client: true,
        opened: true,
        ..Truth::default()
    };
    let work = Work { ..syn.work(true) };
    assert!(work.may_have_shaken_hands());
    let solved = solve_host(&[fast, syn], 0, 0, 0);
    let [_, (_, row)] = solved.table.services[..] else { panic!() };
    assert_eq!(row.kind(Syn), Estimate::exactly(3));
    // A loss probe, which only one of two services can have sent.
    let probe = Truth { service: 4, kinds: [0, 0, 0, 1, 0], fresh: 1, ..Truth::default() };
    let solved = solve_host(&[slow, probe], 0, 0, 1);
    let [_, (_, row)] = solved.table.services[..] else { panic!() };
    assert_eq!(row.kind(Probe), Estimate::exactly(1));
}

#[test]
fn a_syn_sent_socket_repeats_syns() {
    let work = Sketch::new(1, Role::Client)
        .grew(Slot::TotalRetrans, 2)
        .grew(Slot::TotalRto, 2)
        .state(State::SynSent)
        .opened()
        .work();
    let works = [work];
    let host = Counters::grown(&[("TcpRetransSegs", 2), ("TcpExtTCPLossProbes", 0)]);
    let interval = host.interval(&works);
    let table = solve(&interval);
    // 3.10 does not count SYN retransmits and has no total_rto: only the socket's state shows them.
    assert_eq!(table.services[0].1.kind(Syn), Estimate::exactly(2));
}

#[test]
fn host_counts_less_than_its_sockets() {
    // The child shows its request's SYN-ACK repeats, which the host counted earlier.
    let child =
        Truth { service: 1, kinds: [3, 0, 0, 0, 2], opened: true, fresh: 9, ..Truth::default() };
    let works = [child.work(true)];
    let host = Counters::grown(&[
        ("TcpRetransSegs", 3),
        ("TcpExtTCPFastRetrans", 3),
        ("TcpExtTCPSlowStartRetrans", 0),
        ("TcpExtTCPSynRetrans", 0),
        ("TcpExtTCPTimeouts", 0),
        ("TcpExtTCPLossProbes", 0),
    ]);
    let interval = host.interval(&works);
    let table = solve(&interval);
    let row = table.services[0].1;
    assert_eq!(row.total, 5);
    assert_eq!((row.kind(Fast).value, row.kind(Syn).value), (3, 2));
    assert!(row.kind(Syn).high >= 2 && row.kind(Fast).high >= 3);
}

#[test]
fn carried_over_retransmits_keep_their_kind() {
    // A SYN was sent between a dump and the reading of the counters.
    let client = Truth { service: 1, client: true, opened: true, ..Truth::default() };
    let counted = Counters::grown(&[
        ("TcpRetransSegs", 1),
        ("TcpExtTCPFastRetrans", 0),
        ("TcpExtTCPSlowStartRetrans", 0),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPLossProbes", 0),
        ("TcpExtTCPSynRetrans", 1),
    ]);
    let carried_over = solve(&counted.interval(&[])).outside;
    assert_eq!((carried_over.total, carried_over.kind(Syn).value), (1, 1));
    // The socket shows it in the next interval, together with a timeout counted there.
    let works = [Truth { kinds: [0, 0, 1, 0, 1], fresh: 9, ..client }.work(true)];
    let counted = Counters::grown(&[
        ("TcpRetransSegs", 1),
        ("TcpExtTCPFastRetrans", 0),
        ("TcpExtTCPSlowStartRetrans", 0),
        ("TcpExtTCPTimeouts", 1),
        ("TcpExtTCPLossProbes", 0),
        ("TcpExtTCPSynRetrans", 0),
    ]);
    let table = solve(&Interval { carried_over, ..counted.interval(&works) });
    let (_, row) = &table.services[0];
    assert_eq!((row.kind(Rto).value, row.kind(Syn).value), (1, 1));
}

#[test]
fn late_destroy_events_widen_the_bounds() {
    // The host counted its SYN in the interval before, and here a probe that shows later.
    let client = Truth { service: 1, client: true, opened: true, fresh: 2, ..Truth::default() };
    let mut work = Truth { kinds: [0, 0, 0, 0, 1], ..client }.work(true);
    work.activity.closed = true;
    let works = [work];
    let counted = Counters::grown(&[
        ("TcpRetransSegs", 1),
        ("TcpExtTCPFastRetrans", 0),
        ("TcpExtTCPSlowStartRetrans", 0),
        ("TcpExtTCPTimeouts", 0),
        ("TcpExtTCPLossProbes", 1),
        ("TcpExtTCPSynRetrans", 0),
    ]);
    for (late, bounds) in [(0.0, (0, 0)), (0.05, (0, 1))] {
        let table = solve(&Interval { late, ..counted.interval(&works) });
        let syn = table.services[0].1.kind(Syn);
        assert_eq!((syn.low, syn.high), bounds);
    }
}
