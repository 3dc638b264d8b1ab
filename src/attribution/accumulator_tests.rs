//! Hosts whose truth is known, observed in short and in long intervals.

use proptest::prelude::*;

use super::*;
use crate::attribution::testing::{Host, Sketch, Slot};
use crate::attribution::{Interval, ListenerDrops, RetransmitKind, Work, reconcile};
use crate::model::Role;

/// A generator with the same sequence on every platform (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % limit
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How a service's connections lose segments.
#[derive(Clone, Copy)]
struct LossProfile {
    sockets: u64,
    /// The chance of a loss per socket and tick, in percent.
    loss: u64,
    /// How losses are repaired: the chances of a fast retransmit, a timeout, a probe. The rest are
    /// SYNs of new connections.
    fast: u64,
    timeout: u64,
    probe: u64,
    /// Segments lost at the same time.
    burst: u64,
}

/// Bulk transfer, requests over a bad path, short connections, a mixture.
const LOSS_PROFILES: [LossProfile; 4] = [
    LossProfile { sockets: 6, loss: 8, fast: 96, timeout: 2, probe: 2, burst: 14 },
    LossProfile { sockets: 10, loss: 2, fast: 20, timeout: 45, probe: 35, burst: 3 },
    LossProfile { sockets: 20, loss: 1, fast: 5, timeout: 25, probe: 20, burst: 1 },
    LossProfile { sockets: 5, loss: 2, fast: 50, timeout: 20, probe: 20, burst: 5 },
];

#[derive(Clone, Copy, Default)]
struct Did {
    kinds: [u64; 5],
    fresh: u64,
    opened: bool,
    /// In state Loss at the start of the tick.
    in_loss: bool,
}

impl Did {
    fn join(&mut self, next: &Self, first: bool) {
        if first {
            *self = *next;
            return;
        }
        self.kinds.iter_mut().zip(next.kinds).for_each(|(sum, more)| *sum += more);
        self.fresh += next.fresh;
        self.opened |= next.opened;
    }
}

/// By tick, service and socket.
fn simulate(ticks: usize, random: &mut Random) -> Vec<Vec<Vec<Did>>> {
    let mut in_loss: Vec<Vec<bool>> =
        LOSS_PROFILES.iter().map(|profile| vec![false; profile.sockets as usize]).collect();
    let mut tick = || -> Vec<Vec<Did>> {
        let services = LOSS_PROFILES.iter().zip(&mut in_loss);
        services
            .map(|(profile, in_loss)| {
                in_loss.iter_mut().map(|in_loss| act(profile, in_loss, random)).collect()
            })
            .collect()
    };
    (0..ticks).map(|_| tick()).collect()
}

fn act(profile: &LossProfile, in_loss: &mut bool, random: &mut Random) -> Did {
    let mut did =
        Did { in_loss: *in_loss, fresh: random.below(4 * profile.burst) + 1, ..Did::default() };
    let [fast, slow, rto, probe, syn] = &mut did.kinds;
    if *in_loss {
        // The other lost segments are retransmitted, which ends recovery.
        *slow += random.below(profile.burst + 1);
        *in_loss = random.happens(30);
    } else if random.happens(profile.loss) {
        let kind = random.below(100);
        if kind < profile.fast {
            *fast += 1 + random.below(profile.burst);
        } else if kind < profile.fast + profile.timeout {
            *rto += 1;
            *slow += random.below(profile.burst);
            *in_loss = random.happens(60);
        } else if kind < profile.fast + profile.timeout + profile.probe {
            *probe += 1;
        } else {
            *syn += 1 + random.below(2);
            did.opened = true;
        }
    }
    did
}

/// Joins this many ticks to one interval.
fn joined(ticks: &[Vec<Vec<Did>>], by: usize) -> Vec<Vec<Vec<Did>>> {
    let intervals = ticks.chunks(by);
    intervals
        .map(|chunk| {
            let mut sum = chunk[0].clone();
            for (at, tick) in chunk.iter().enumerate() {
                for (service, sockets) in tick.iter().enumerate() {
                    for (socket, did) in sockets.iter().enumerate() {
                        sum[service][socket].join(did, at == 0);
                    }
                }
            }
            sum
        })
        .collect()
}

type Kinds = [[u64; 5]; LOSS_PROFILES.len()];

fn truth(ticks: &[Vec<Vec<Did>>]) -> Kinds {
    let mut truth = Kinds::default();
    for tick in ticks {
        for (sum, sockets) in truth.iter_mut().zip(tick) {
            for did in sockets {
                sum.iter_mut().zip(did.kinds).for_each(|(sum, more)| *sum += more);
            }
        }
    }
    truth
}

fn work(service: usize, did: &Did) -> Work {
    let [fast, slow, rto, probe, syn] = did.kinds;
    let data = fast + slow + rto + probe;
    let sketch = Sketch::new(service as u32, Role::Client)
        .grew(Slot::TotalRetrans, data + syn)
        .grew(Slot::TotalRto, rto + syn)
        .grew(Slot::DataSegsOut, did.fresh + data)
        .grew(Slot::BytesRetrans, data * 1000)
        .hints(|hints| hints.in_loss = Some(did.in_loss));
    if did.opened { sketch.opened().work() } else { sketch.work() }
}

/// The attributed kinds when the host is sampled once per interval.
fn found(intervals: &[Vec<Vec<Did>>], random: &mut Random) -> KindTable {
    let mut accumulator = Accumulator::new();
    for interval in intervals {
        let works: Vec<Work> = interval
            .iter()
            .enumerate()
            .flat_map(|(service, sockets)| sockets.iter().map(move |did| work(service, did)))
            .collect();
        let kinds = truth(std::slice::from_ref(interval));
        let column = |kind: usize| kinds.iter().map(|row| row[kind]).sum::<u64>();
        let total: u64 = (0..5).map(column).sum();
        let host = Host::grown(&[
            ("TcpRetransSegs", total),
            ("TcpExtTCPFastRetrans", column(0)),
            ("TcpExtTCPSlowStartRetrans", column(1)),
            ("TcpExtTCPTimeouts", column(2) + column(4)),
            ("TcpExtTCPLossProbes", column(3) + random.below(3)),
            ("TcpExtTCPSynRetrans", column(4)),
            ("TcpExtTCPRetransFail", 0),
        ]);
        accumulator.add(&reconcile(&host.interval(&works)));
    }
    accumulator.total().kinds
}

/// Segments with the wrong kind or service, as a share of all.
fn variation(truth: &Kinds, values: &[[f64; 5]]) -> f64 {
    let all: u64 = truth.iter().flatten().sum();
    let cells = truth.iter().flatten().zip(values.iter().flatten());
    cells.map(|(truth, value)| (*truth as f64 - value).abs()).sum::<f64>() / 2.0 / all as f64
}

fn values(table: &KindTable) -> Vec<[f64; 5]> {
    let mut values = vec![[0.0; 5]; LOSS_PROFILES.len()];
    for (service, row) in &table.services {
        values[service.index()] = RetransmitKind::ALL.map(|kind| row.kind(kind).value as f64);
    }
    values
}

/// The host's kinds, divided among services by their retransmits.
fn proportional(truth: &Kinds) -> Vec<[f64; 5]> {
    let all: u64 = truth.iter().flatten().sum();
    let row = |row: &[u64; 5]| {
        let share = row.iter().sum::<u64>() as f64 / all as f64;
        std::array::from_fn(|kind| share * truth.iter().map(|row| row[kind]).sum::<u64>() as f64)
    };
    truth.iter().map(row).collect()
}

fn contains(table: &KindTable, truth: &Kinds) -> Result<(), String> {
    for (service, row) in &table.services {
        for kind in RetransmitKind::ALL {
            let (truth, found) = (truth[service.index()][kind as usize], row.kind(kind));
            if !(found.low..=found.high).contains(&truth) {
                return Err(format!("{service:?} {kind:?}: {truth} is not in {found:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn short_intervals_narrow_the_bounds() {
    let mut random = Random(1);
    let ticks = simulate(600, &mut random);
    let truth = truth(&ticks);
    let guess = variation(&truth, &proportional(&truth));
    let mut errors = Vec::new();
    let mut widths = Vec::new();
    for by in [1, 10, 600] {
        let table = found(&joined(&ticks, by), &mut random);
        contains(&table, &truth).unwrap();
        errors.push(variation(&truth, &values(&table)));
        let cells = table
            .services
            .iter()
            .flat_map(|(_, row)| RetransmitKind::ALL.map(|kind| row.kind(kind)));
        widths.push(cells.map(|cell| cell.high - cell.low).sum::<u64>());
    }
    let [short, middle, long] = errors[..] else { panic!() };
    println!(
        "short {short:.4} middle {middle:.4} long {long:.4} guess {guess:.4}, widths {widths:?}"
    );
    assert!(short < 0.03 && short < middle && middle < long && long < guess);
    assert!(widths[0] < widths[1] && widths[1] < widths[2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn bounds_contain_the_truth_for_any_interval_length(seed in any::<u64>(), by in 1usize..40) {
        let mut random = Random(seed);
        let ticks = simulate(40, &mut random);
        let table = found(&joined(&ticks, by), &mut random);
        prop_assert_eq!(contains(&table, &truth(&ticks)), Ok(()));
    }
}

#[test]
fn repeats_shown_in_a_later_interval_are_set_off() {
    // SYN-ACK repeats: the host counts them first, the child shows them once it exists.
    let counted = Host::grown(&[("TcpRetransSegs", 2)]);
    let quiet = [Sketch::new(1, Role::Server).work()];
    let child = [Sketch::new(1, Role::Server).grew(Slot::TotalRetrans, 3).opened().work()];
    let then = Host::grown(&[("TcpRetransSegs", 1)]);
    let mut accumulator = Accumulator::new();
    accumulator.add(&reconcile(&counted.interval(&quiet)));
    assert_eq!(accumulator.total().counters[0].unattributed, 2);
    accumulator.add(&reconcile(&then.interval(&child)));
    let total = accumulator.total().counters.remove(0);
    assert_eq!((total.delta, total.attributed, total.unattributed), (3, 3, 0));
    assert_eq!(total.by_service[0].estimate.value, 3);
    assert!(total.reasons.is_empty());
}

#[test]
fn growth_is_set_off_after_the_counter_stopped() {
    // Counted when it connects, seen only at its destroy event; the counter does not move again.
    let counted = Host::grown(&[("TcpActiveOpens", 2)]);
    let known = [Sketch::new(1, Role::Client).opened().work()];
    let still = Host::grown(&[("TcpActiveOpens", 0)]);
    let late = reconcile(&still.interval(&known));
    assert!(late.counters.is_empty());
    for orders in [[0, 1], [1, 0]] {
        let mut accumulator = Accumulator::new();
        for order in orders {
            match order {
                0 => accumulator.add(&reconcile(&counted.interval(&known))),
                // Through another accumulator, as the intervals of a run are added up.
                _ => {
                    let mut inner = Accumulator::new();
                    inner.add(&late);
                    assert!(inner.total().counters.is_empty(), "it did not grow");
                    accumulator.add(&inner.total());
                }
            }
        }
        let total = accumulator.total().counters.remove(0);
        assert_eq!((total.delta, total.attributed, total.unattributed), (2, 2, 0), "{orders:?}");
    }
}

#[test]
fn levels_are_the_last_ones_summed_over_namespaces() {
    let established = [(ServiceId(1), 4)];
    let at = |level: u64| {
        let host = Host::grown(&[("TcpCurrEstab", level)]);
        reconcile(&Interval {
            established: &established[..usize::from(level > 0)],
            ..host.interval(&[])
        })
    };
    let level = |accumulator: &Accumulator| {
        accumulator.total().counters.first().map(|level| (level.delta, level.attributed))
    };
    let mut accumulator = Accumulator::new();
    accumulator.add(&at(9));
    accumulator.add(&at(4));
    assert_eq!(level(&accumulator), Some((4, 4)));
    accumulator.join(&at(5));
    assert_eq!(level(&accumulator), Some((9, 8)), "another namespace's count besides");
    accumulator.add(&at(0));
    assert_eq!(level(&accumulator), None, "none are left");
}

#[test]
fn the_least_reliable_interval_decides_the_class() {
    let host = Host::grown(&[("TcpRetransSegs", 2), ("TcpExtTCPTimeouts", 0)]);
    let sketch = Sketch::new(0, Role::Server).grew(Slot::TotalRetrans, 2);
    let mut sum = Accumulator::new();
    for (sketch, class) in [
        (sketch.clone(), Class::Exact),
        (sketch.clone().inferred(), Class::Inferred),
        (sketch, Class::Inferred),
    ] {
        sum.add(&reconcile(&host.interval(&[sketch.work()])));
        let total = sum.total();
        let mut counters = total.counters.iter();
        let found = counters.find(|counter| &*counter.counter == "TcpRetransSegs").unwrap();
        assert_eq!((found.class, found.attributed), (class, found.delta));
    }
}

#[test]
fn drops_counted_while_listeners_were_read_are_set_off() {
    let drops = [ListenerDrops { service: ServiceId(1), drops: 8 }];
    let read_between = Host::read_twice(&[("TcpExtListenDrops", 0)], &[("TcpExtListenDrops", 7)]);
    let counted = reconcile(&read_between.interval(&[]));
    assert_eq!((counted.counters[0].unattributed, counted.counters[0].skew), (7, 7));
    let mut accumulator = Accumulator::new();
    accumulator.add(&counted);
    // The listener shows them in the next interval, and one more that the counter does not count.
    let still = Host::grown(&[("TcpExtListenDrops", 0)]);
    let next = Interval { before: read_between.interval(&[]).after, ..still.interval(&[]) };
    let next = Interval { after: next.before, listeners: &drops, ..next };
    accumulator.add(&reconcile(&next));
    let total = accumulator.total().counters.remove(0);
    assert_eq!((total.class, total.attributed, total.unattributed), (Class::Bounded, 7, 0));
    assert_eq!(total.by_service[0].estimate, Estimate { value: 7, low: 0, high: 7 });
}
