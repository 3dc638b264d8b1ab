//! A poll of settled sockets allocates nothing for each of them: counted over a recording, which
//! takes the path of a live poll from the decoder to the attribution.

use std::time::{Duration, Instant};

use tcpdiag::attribution::NamespaceAttribution;
use tcpdiag::counters::CounterWidth;
use tcpdiag::diagnosis::{FilteredDiagnosis, Question, RULES, RuleLimits};
use tcpdiag::filter::Expr;
use tcpdiag::identity::{Grouping, Rules, ServiceRegistry};
use tcpdiag::monitor::{
    Consumer, CounterFiles, CounterGate, Namespace, NamespaceMonitor, Opening, OwnerResolver,
    PollRequest, Shared, SocketFilter,
};
use tcpdiag::procfs::PortNames;
use tcpdiag::recording::{
    EventsDrained, Part, RecordedNamespace, Sample, SamplePart, SocketHolder, SocketOwners,
};
use tcpdiag::socket_diag::EventOptions;
use tcpdiag::wire::{EcnWord, uapi};

use super::allocator::allocations;

/// Port of the listener.
const PORT: u16 = 8080;

/// One socket of a dump.
struct Record {
    number: u32,
    state: u8,
    ports: [u16; 2],
    /// Whether `tcp_info` shows that this end opened the connection.
    is_opener: bool,
}

impl Record {
    /// A message as `inet_sk_diag_fill()` makes it, with `tcp_info`.
    fn message(&self) -> Vec<u8> {
        let mut info = [0; 280];
        let mut put = |at: usize, value: u32| {
            info[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        };
        // rtt, min_rtt; bytes_acked, data_segs_out, delivered and bytes_sent.
        let acked = 1000 + u32::from(self.is_opener);
        for (at, value) in [(68, 9000), (148, 8000), (120, acked), (156, 7), (192, 8), (200, 1000)]
        {
            put(at, value);
        }
        let length = uapi::NLMSG_HDRLEN + uapi::INET_DIAG_MSG_LEN + 4 + info.len();
        let mut bytes = (length as u32).to_ne_bytes().to_vec();
        bytes.extend(uapi::SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend([0; 10]);
        // AF_INET.
        bytes.extend([2, self.state, 0, 0]);
        bytes.extend(self.ports.map(u16::to_be_bytes).as_flattened());
        let is_listener = self.ports[1] == 0;
        let [local, remote] =
            if is_listener { [[0; 4]; 2] } else { [[10, 0, 0, 1], [10, 0, 0, 2]] };
        for address in [local, remote] {
            bytes.extend(address);
            bytes.extend([0; 12]);
        }
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(u64::from(self.number).to_ne_bytes());
        // Expiry of the timer, queues and uid.
        bytes.extend([0; 16]);
        bytes.extend(self.number.to_ne_bytes());
        bytes.extend((4 + info.len() as u16).to_ne_bytes());
        bytes.extend(uapi::INET_DIAG_INFO.to_ne_bytes());
        bytes.extend(info);
        bytes
    }
}

/// A namespace with a listener and this many connections, half of them opened here.
fn sample(connections: u32) -> Sample {
    let listener = Record { number: 1, state: 10, ports: [PORT, 0], is_opener: false };
    let mut dump = listener.message();
    for number in 0..connections {
        let other = 40_000 + number as u16;
        let is_opener = number % 2 == 0;
        let ports = if is_opener { [other, 443] } else { [PORT, other] };
        dump.extend(Record { number: number + 2, state: 1, ports, is_opener }.message());
    }
    let text = |name: &str| {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/7.2.13/dump/");
        (name.to_owned(), std::fs::read_to_string(format!("{root}{name}")).unwrap())
    };
    let counters = vec![text("snmp"), text("netstat")];
    let part = SamplePart {
        dump,
        parts: vec![Part { states: 0xfff, start: 0, interrupted: Some(0) }],
        events: Vec::new(),
        drained: Some(EventsDrained::default()),
        counters: [counters.clone(), counters],
    };
    let holder =
        |fd: u32| SocketHolder { pid: 7, fd, comm: "app".to_owned(), program: None, cgroup: None };
    let owners = (1..connections + 2).map(|inode| {
        (inode, SocketOwners { inode, holders: vec![holder(inode)], omitted: 0, hidden: false })
    });
    Sample {
        namespaces: vec![RecordedNamespace { inode: 1, part, ..RecordedNamespace::default() }],
        owners: owners.collect(),
        ..Sample::default()
    }
}

/// Allocations of polls within an interval and of polls that end one, of so many connections.
/// `after` sees the consumer after each poll, and whether the poll ended an interval.
fn measure<C: Consumer>(
    connections: u32,
    consumer: &mut C,
    mut after: impl FnMut(&mut C, bool),
) -> [u64; 2] {
    let ports = PortNames::default();
    let mut shared = Shared {
        registry: ServiceRegistry::new(Rules::default(), Grouping::default(), ports),
        owners: OwnerResolver::recording(),
        ecn: EcnWord::Unknown,
        recorder: None,
    };
    let mut sample = sample(connections);
    shared.owners.exchange(&mut sample);
    let recorded = &mut sample.namespaces[0];
    let opening = Opening {
        files: CounterFiles::Catalogue,
        events: Some(EventOptions::default()),
        gate: CounterGate::new(None),
    };
    let mut monitor = NamespaceMonitor::replay(recorded, opening);
    let (begun, part) = (Instant::now(), recorded.part.clone());
    let mut costs = [0; 2];
    for number in 0..6 {
        let ends_interval = number % 2 == 0;
        recorded.part = part.clone();
        monitor.load(recorded);
        let at = begun + Duration::from_secs(number);
        let request = PollRequest::of_connections(at, ends_interval);
        let cost = allocations(|| monitor.poll(&mut shared, &request, consumer).unwrap());
        costs[usize::from(ends_interval)] = cost;
        after(consumer, ends_interval);
    }
    costs
}

#[test]
fn the_attribution_of_settled_sockets() {
    let [few, many] = [1000, 4000].map(|connections| {
        let mut attribution = NamespaceAttribution::new(CounterWidth::Bits64);
        measure(connections, &mut attribution, |attribution, ends_interval| {
            if ends_interval {
                let sum = attribution.begin_interval();
                let established = sum.table.established().map(|(_, count)| count).sum::<u64>();
                assert_eq!(established, u64::from(connections));
                assert_eq!(sum.quality.decode_errors, 0);
            }
        })
    });
    println!("allocations of a poll, and of one that ends an interval: {few:?}, {many:?}");
    assert_eq!(few, many);
}

#[test]
fn the_diagnosis_of_settled_sockets() {
    let [few, many] = [1000, 4000].map(|connections| {
        let question = Question {
            limits: RuleLimits::default(),
            asked: vec![true; RULES.len()],
            target_rate: None,
            width: CounterWidth::Bits64,
        };
        let namespace = Namespace { inode: 1, name: None };
        let filter = SocketFilter::new(Expr::True);
        let mut diagnosis = FilteredDiagnosis::new(question, filter, namespace);
        measure(connections, &mut diagnosis, |diagnosis, _| {
            assert_eq!(diagnosis.diagnosis.len(), connections as usize);
        })
    });
    assert_eq!(few, many);
}
