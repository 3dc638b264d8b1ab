//! The `summary` document.

use serde::Serialize;
use serde::ser::Serializer;

use super::sums::{Families, RETRANSMITTED, SENT, SummarySums, TroubledListener};
use crate::counters::problem_rank;
use crate::identity::ServiceBasis;
use crate::report::{Basis, Cost, Document, GroupTable, KeyValue, Quality};

/// Its schema.
pub const SUMMARY: &str = "tcpdiag.summary/1";

/// How many sockets have a name.
#[derive(Debug, Clone, Serialize)]
pub struct NamedCount<'a> {
    /// The name; null where it is not known.
    pub name: &'a KeyValue,
    /// What the name of a service rests on, where only its port gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_basis: Option<&'static str>,
    /// Sockets.
    pub count: u64,
}

impl<'a> NamedCount<'a> {
    /// The groups with the most sockets, and what is left.
    pub fn most(table: &'a GroupTable, most: usize) -> (Vec<Self>, Option<Omitted>) {
        let groups = table.sorted(|one, other| other.figures.count.cmp(&one.figures.count));
        let mut groups = groups.into_iter().filter(|group| group.figures.count > 0);
        let of_group = |group: &'a crate::report::Group| {
            let name = group.key.first()?;
            let service_basis = name.is_guess().then(|| ServiceBasis::PortName.name());
            Some(Self { name, service_basis, count: group.figures.count })
        };
        let shown = groups.by_ref().take(most).filter_map(of_group).collect();
        let rest = table.rest();
        let none = Omitted { groups: 0, groups_at_least: !rest.is_empty(), sockets: rest.count };
        let omitted = groups.fold(none, |sum, group| Omitted {
            groups: sum.groups + 1,
            sockets: sum.sockets + group.figures.count,
            ..sum
        });
        (shown, (omitted.sockets > 0).then_some(omitted))
    }
}

/// Groups that are not listed. Beyond 10,000 groups, those that came later are only sockets here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// How many are known.
    pub groups: u64,
    /// Whether there are more.
    pub groups_at_least: bool,
    /// Their sockets.
    pub sockets: u64,
}

impl Omitted {
    /// What stands behind a number of groups that is the least.
    pub fn sign(&self) -> &'static str {
        if self.groups_at_least { "+" } else { "" }
    }
}

/// The listeners.
#[derive(Debug, Clone, Serialize)]
pub struct Listeners<'a> {
    /// How many there are.
    pub count: u64,
    /// Those at which connections wait for `accept()`.
    pub waiting: u64,
    /// Those that discarded segments: in the interval, or over their lives.
    pub dropped: u64,
    /// Both kinds: full queues first, then the most drops.
    pub troubled: Vec<ListenerEntry<'a>>,
    /// Those of either kind that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub troubled_omitted: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A listener with waiting or dropped connections.
#[derive(Debug, Clone, Copy)]
pub struct ListenerEntry<'a>(pub &'a TroubledListener);

impl Serialize for ListenerEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry<'a> {
            local: Local<'a>,
            accept_queue: u64,
            accept_queue_max: u64,
            drops: u64,
            #[serde(skip_serializing_if = "Option::is_none")]
            drops_delta: Option<u64>,
            service: Option<&'a KeyValue>,
        }
        #[derive(Serialize)]
        struct Local<'a> {
            addr: std::net::IpAddr,
            port: u16,
            #[serde(skip_serializing_if = "Option::is_none")]
            interface: Option<&'a str>,
        }
        let Self(listener) = self;
        let (addr, port) = (listener.local.address, listener.local.port);
        Entry {
            local: Local { addr, port, interface: listener.interface.as_deref() },
            accept_queue: listener.accept_queue,
            accept_queue_max: listener.accept_queue_max,
            drops: listener.drops,
            drops_delta: listener.drops_delta,
            service: listener.service.as_ref(),
        }
        .serialize(serializer)
    }
}

/// One counter.
#[derive(Debug, Clone, Serialize)]
pub struct CounterGrowth<'a> {
    /// nstat's name.
    pub name: &'a str,
    /// Events since the namespace was created, at most since boot.
    pub value: u64,
    /// Events since the previous sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<u64>,
}

impl CounterGrowth<'_> {
    /// Events of the period.
    pub fn events(&self) -> u64 {
        self.delta.unwrap_or(self.value)
    }
}

/// What the counters of the host show.
#[derive(Debug, Clone, Serialize)]
pub struct Trouble<'a> {
    /// [`Basis::Total`], or [`Basis::Interval`] where there is a previous sample.
    pub basis: Basis,
    /// Segments retransmitted in that time, where that is known (RetransSegs).
    pub retrans_segs: Option<u64>,
    /// Segments sent for the first time (OutSegs).
    pub out_segs: Option<u64>,
    /// The sum of both: OutSegs leaves repeated segments out.
    #[serde(skip)]
    pub all_sent: Option<u64>,
    /// The share of the first in the sum.
    pub retrans_ratio: Option<f64>,
    /// The counters that indicate problems and grew, the most serious first.
    pub counters: Vec<CounterGrowth<'a>>,
}

/// What the counters of a sample show.
pub fn trouble(sums: &SummarySums) -> Trouble<'_> {
    let growth = |name: &str, now: i64| {
        let before = sums.before.as_ref()?.get(name).copied().flatten().unwrap_or(now);
        Some(u64::try_from(now.saturating_sub(before)).unwrap_or(0))
    };
    let known = sums.counters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let all = known.map(|(name, value)| CounterGrowth {
        name,
        value: u64::try_from(value).unwrap_or(0),
        delta: growth(name, value),
    });
    let of = |wanted: &str| all.clone().find(|it| it.name == wanted).map(|it| it.events());
    let (retrans_segs, out_segs) = (of(RETRANSMITTED), of(SENT));
    // The kernel counts repeated segments apart from the others, as the ratio of `stats` says.
    let all_sent = retrans_segs.zip(out_segs).map(|(again, sent)| sent.saturating_add(again));
    let sent = all_sent.filter(|&sent| sent > 0);
    let mut counters: Vec<_> =
        all.clone().filter(|it| it.events() > 0 && it.name != SENT).collect();
    counters.sort_by_cached_key(|it| (problem_rank(it.name), std::cmp::Reverse(it.events())));
    Trouble {
        basis: if sums.before.is_some() { Basis::Interval } else { Basis::Total },
        retrans_segs,
        out_segs,
        all_sent,
        retrans_ratio: retrans_segs.zip(sent).map(|(again, sent)| again as f64 / sent as f64),
        counters,
    }
}

/// The whole document.
#[derive(Debug, Serialize)]
pub struct SummaryDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// Sockets.
    pub sockets: u64,
    /// Sockets that are new since the previous sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<u64>,
    /// Sockets that are gone since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<u64>,
    /// By state.
    #[serde(serialize_with = "states")]
    pub states: &'a SummarySums,
    /// By family.
    pub families: Families,
    /// Connections that their programs have closed, and that are not over yet.
    pub orphaned: u64,
    /// Connections by service.
    pub services: Vec<NamedCount<'a>>,
    /// Services that are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services_omitted: Option<Omitted>,
    /// By the peer's address.
    pub remotes: Vec<NamedCount<'a>>,
    /// Peers that are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remotes_omitted: Option<Omitted>,
    /// By process; null if processes were not looked up.
    pub processes: Option<Vec<NamedCount<'a>>>,
    /// Processes that are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes_omitted: Option<Omitted>,
    /// Why processes were not looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes_skipped: Option<&'a str>,
    /// Listeners.
    pub listeners: Listeners<'a>,
    /// What the counters of the host show, all sockets' and not only those of a filter.
    pub trouble: Trouble<'a>,
    /// See [`Quality`].
    pub quality: &'a Quality,
    /// See [`Cost`].
    pub cost: Cost,
}

impl<'a> SummaryDocument<'a> {
    /// From the sums of a sample, with the first `most` of each list.
    pub fn new(
        document: Document<'a>,
        sums: &'a SummarySums,
        most: usize,
        processes_skipped: Option<&'a str>,
        quality: &'a Quality,
        cost: Cost,
    ) -> Self {
        let repeated = document.interval_s.is_some();
        let (services, services_omitted) = NamedCount::most(&sums.services, most);
        let (remotes, remotes_omitted) = NamedCount::most(&sums.remotes, most);
        let (processes, processes_omitted) = match &sums.processes {
            Some(table) => {
                let (processes, omitted) = NamedCount::most(table, most);
                (Some(processes), omitted)
            }
            None => (None, None),
        };
        let troubled: Vec<_> = sums.troubled().into_iter().take(most).map(ListenerEntry).collect();
        Self {
            document,
            sockets: sums.sockets,
            opened: repeated.then_some(sums.opened),
            closed: repeated.then_some(sums.closed),
            states: sums,
            families: sums.families,
            orphaned: sums.orphaned,
            services,
            services_omitted,
            remotes,
            remotes_omitted,
            processes,
            processes_omitted,
            processes_skipped,
            listeners: Listeners {
                count: sums.listeners,
                waiting: sums.waiting,
                dropped: sums.dropped,
                troubled_omitted: sums.troubled_count - troubled.len() as u64,
                troubled,
            },
            trouble: trouble(sums),
            quality,
            cost,
        }
    }
}

fn states<S: Serializer>(sums: &&SummarySums, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(sums.states().map(|(state, count)| (state.name(), count)))
}
