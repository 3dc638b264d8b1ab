//! The cost of dividing an interval in which sockets did something: no kernel, no dump, only the
//! attributor.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tcpdiag::attribution::Attributor;
use tcpdiag::counters::{CounterReader, CounterWidth, Counters};
use tcpdiag::identity::{
    DEFAULT_EPHEMERAL, Grouping, NamespaceIdentity, Owner, Rules, ServiceRegistry, Subject,
};
use tcpdiag::model::{Endpoint, Role, RoleBasis, Socket, State};
use tcpdiag::monitor::{
    Consumer as _, Identities, Identity, Interfaces, Level, Namespace, OwnerInfo, OwnerResolver,
    Placement, PollBegun, PollEnded, Quality,
};
use tcpdiag::procfs::PortNames;
use tcpdiag::sys::Usage;
use tcpdiag::tracking::{Ending, Watch};
use tcpdiag::wire::{EcnWord, Messages, Reply};
use tempfile::TempDir;

use super::allocations;

/// An interval to divide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Busy {
    pub(super) services: usize,
    /// Sockets that sent and received something.
    pub(super) active: usize,
    /// The ones among them that retransmitted something.
    pub(super) repeating: usize,
    /// Half-open connections that ended.
    pub(super) requests: usize,
}

/// Its cost, in the cheapest of all rounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    busy: Busy,
    /// Adding all sockets and dividing.
    pub(super) poll: Duration,
    /// Only the end of the poll, in which everything is divided.
    pub(super) end: Duration,
    pub(super) allocations: u64,
}

impl Cost {
    pub(super) const HEADING: &str = "\
| services | active | repeating | half-open, ended | poll | part: dividing | allocations |
| ---: | ---: | ---: | ---: | ---: | ---: | ---: |";
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Busy { services, active, repeating, requests } = self.busy;
        let us = |duration: Duration| duration.as_nanos() as f64 / 1e3;
        write!(
            f,
            "| {services} | {active} | {repeating} | {requests} | {:.0} us | {:.0} us | {} |",
            us(self.poll),
            us(self.end),
            self.allocations
        )
    }
}

impl Busy {
    /// Measures it.
    pub(super) fn measure(self, rounds: u32) -> anyhow::Result<Cost> {
        let mut setup = Setup::new(self)?;
        setup.poll(0)?;
        let mut best: Option<Cost> = None;
        for round in 1..=rounds {
            let measure = setup.poll(round)?;
            if best.is_none_or(|best| measure.end < best.end) {
                best = Some(measure);
            }
        }
        best.context("no round")
    }
}

struct Setup {
    busy: Busy,
    template: Vec<u8>,
    snmp: String,
    netstat: String,
    /// Counter files like the kernel's, so that readings are realistic.
    files: TempDir,
    reader: CounterReader,
    counters: [Counters; 2],
    attributor: Attributor,
    registry: ServiceRegistry,
    identity: NamespaceIdentity,
    interfaces: Interfaces,
}

impl Setup {
    fn new(busy: Busy) -> anyhow::Result<Self> {
        let fixture = |path: &str| {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/");
            std::fs::read(format!("{root}{path}")).context(path.to_owned())
        };
        let files = tempfile::tempdir()?;
        Ok(Self {
            busy,
            template: fixture("6.18.44/tcp4.nl")?,
            snmp: String::from_utf8(fixture("7.2.13/dump/snmp")?)?,
            netstat: String::from_utf8(fixture("7.2.13/dump/netstat")?)?,
            reader: CounterReader::watched(files.path()),
            files,
            attributor: Attributor::new(CounterWidth::Bits64),
            counters: Default::default(),
            registry: ServiceRegistry::new(Rules::default(), Grouping::Remote, PortNames::load()),
            identity: NamespaceIdentity::new(DEFAULT_EPHEMERAL),
            interfaces: Interfaces::default(),
        })
    }

    fn poll(&mut self, round: u32) -> anyhow::Result<Cost> {
        let calm = self.socket(round, 0)?;
        // One to seven segments in each round.
        let troubled: Vec<Socket> =
            (1..=7).map(|repeats| self.socket(round, repeats)).collect::<Result<_, _>>()?;
        let repeats: usize = (0..self.busy.repeating).map(|index| index % 7 + 1).sum();
        for (name, text) in [("snmp", &self.snmp), ("netstat", &self.netstat)] {
            let grown = counters(text, u64::from(round), repeats as u64);
            std::fs::write(self.files.path().join(name), grown)?;
        }
        for counters in &mut self.counters {
            self.reader.sample(counters)?;
        }
        let namespace = Namespace { inode: 1, name: None };
        let start = Usage::now();
        self.attributor.begin(&PollBegun {
            namespace: &namespace,
            at: Instant::now(),
            ends_interval: round.is_multiple_of(2),
            ecn: EcnWord::Halves,
        });
        for index in 0..self.busy.active {
            let mut socket = match index < self.busy.repeating {
                true => troubled[index % 7],
                false => calm,
            };
            socket.cookie = index as u64 + 1;
            self.set_peer(&mut socket, index);
            self.observe(&socket);
        }
        // Half-open connections of this poll are gone in the next.
        for index in 0..self.busy.requests {
            let mut socket = calm;
            socket.cookie = 1 << 40 | u64::from(round) << 24 | index as u64;
            (socket.state, socket.tcp_info) = (State::SynRecv, None);
            self.set_peer(&mut socket, index);
            self.observe(&socket);
        }
        let (middle, before) = (Usage::now(), allocations::so_far());
        self.end();
        let allocations = allocations::so_far() - before;
        let of = |usage: Usage| {
            let used = usage.elapsed();
            used.user + used.system
        };
        Ok(Cost { busy: self.busy, end: of(middle), poll: of(start), allocations })
    }

    /// Gives a socket its own peer, and so its own service.
    fn set_peer(&self, socket: &mut Socket, index: usize) {
        let peer = 0x0a00_0000 + (index % self.busy.services) as u32;
        let address = IpAddr::V4(Ipv4Addr::from_bits(peer));
        socket.remote = Endpoint { address, port: socket.remote.port.max(1) };
    }

    fn observe(&mut self, socket: &Socket) {
        if self.attributor.observe(socket).level == Level::Nothing {
            return;
        }
        let (role, role_basis) = (Role::Server, RoleBasis::TcpInfo);
        let subject = Subject::new(socket, Owner::default(), false);
        let identified = self.identity.identify(&mut self.registry, &subject, (role, role_basis));
        let identity = Identity {
            role,
            role_basis,
            identified: Some(identified),
            owner: OwnerInfo::default(),
            placement: Placement::default(),
            registry: &self.registry,
        };
        let _ = self.attributor.identified(socket, &identity, &mut self.interfaces);
    }

    /// Divides everything.
    fn end(&mut self) {
        let [first, second] = &self.counters;
        let poll = PollEnded {
            counters: [first, second],
            ending: Ending { watch: Watch::Whole, whole_dump: true },
            events: Some(0),
            events_lost: 0,
            dumped: 0,
            quality: &Quality::default(),
            recorded: None,
            interfaces: &mut self.interfaces,
            owners: &OwnerResolver::none(),
        };
        let identities = &mut Identities::new(&mut self.identity, &mut self.registry);
        self.attributor.end(poll, identities);
    }

    /// An established socket as Linux 6.18 sends it, after this many rounds with this many
    /// retransmits in each.
    fn socket(&self, round: u32, repeats: u32) -> anyhow::Result<Socket> {
        let mut bytes = self.template.clone();
        // Every tcp_info has its fields after its attribute header: length 284, type 2.
        let starts: Vec<usize> =
            (0..bytes.len() - 284).filter(|&at| bytes[at..at + 4] == [28, 1, 2, 0]).collect();
        // segs_out, segs_in, data_segs_in, data_segs_out; bytes_sent, low half.
        let mut grown = vec![(136, 9), (140, 7), (152, 5), (156, 6), (200, 9000)];
        // total_retrans; bytes_retrans, low half; dsack_dups; total_rto, 16 bits.
        grown.extend([
            (100, repeats),
            (208, repeats * 1448),
            (216, repeats / 3),
            (240, u32::from(repeats % 3 == 1)),
        ]);
        for start in starts {
            for &(field, by) in &grown {
                let at = start + 4 + field;
                let value = u32::from_ne_bytes(bytes[at..at + 4].try_into()?);
                bytes[at..at + 4].copy_from_slice(&(value + by * round).to_ne_bytes());
            }
        }
        Messages::new(&bytes)
            .filter_map(|message| Reply::new(message.ok()?.payload))
            .filter(|reply| reply.state() == State::Established as u8)
            .find_map(|reply| Socket::new(&reply, EcnWord::Halves))
            .context("no established socket in the fixture")
    }
}

/// A file in which every counter has grown a little in each round since the first, and those of
/// retransmits by the sockets' retransmits.
fn counters(text: &str, round: u64, repeats: u64) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let mut grown = String::with_capacity(text.len() * 2);
    for pair in lines.chunks_exact(2) {
        let [names, values] = pair else { continue };
        let values: Vec<String> = names
            .iter()
            .zip(values)
            .map(|(name, word)| {
                let by = match *name {
                    "RetransSegs" => repeats,
                    "TCPFastRetrans" => repeats * 6 / 10,
                    "TCPSlowStartRetrans" | "TCPTimeouts" => repeats / 10,
                    "TCPLossProbes" => repeats / 4,
                    "TCPSynRetrans" | "TCPRetransFail" => 0,
                    _ => 500 + repeats,
                };
                word.parse::<u64>()
                    .map_or((*word).to_owned(), |value| (value + by * round).to_string())
            })
            .collect();
        grown.push_str(&format!("{}\n{}\n", names.join(" "), values.join(" ")));
    }
    grown
}
