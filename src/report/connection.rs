//! One connection as it appears in the `conns` and `listeners` documents.

use std::fmt;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::Ended;
use crate::identity::ServiceBasis;
use crate::model::{
    CongestionDetail, Endpoint, Field, Reading, Role, RoleBasis, Socket, Timer,
    fields::{self, tcp_info},
};
use crate::monitor::{Interface, Namespace, Processes};
use crate::tracking::Delta;
use crate::wire::{Md5Keys, Mptcp, TcpInfo, Tls, Ulp, UlpDetail, uapi};

/// What became of a connection since the previous sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// New.
    Opened,
    /// Closed; the row shows its last known figures.
    Closed,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// The kernel's figures.
    pub socket: &'a Socket,
    /// Its role.
    pub role: Role,
    /// How the role was decided.
    pub role_basis: RoleBasis,
    /// Name of the service on the server's side.
    pub service: Option<&'a str>,
    /// What that name rests on.
    pub service_basis: Option<ServiceBasis>,
    /// Its namespace, if several are shown.
    pub netns: Option<&'a Namespace>,
    /// Name of the peer, where names are asked for and it has one.
    pub remote_name: Option<&'a str>,
    /// The interface it is bound to.
    pub interface: Option<Interface<'a>>,
    /// Path of its cgroup.
    pub cgroup_path: Option<&'a str>,
    /// systemd unit, from the cgroup.
    pub unit: Option<&'a str>,
    /// Container, from the cgroup.
    pub container: Option<&'a str>,
    /// The processes that hold it open.
    pub processes: Processes<'a>,
    /// Its change since the previous sample.
    pub change: Option<Change>,
    /// Whether samples repeat, so that deltas are possible.
    pub repeats: bool,
    /// When the sample was taken, RFC 3339.
    pub captured_at: &'a str,
    /// Growth since the previous sample.
    pub delta: Option<&'a Delta>,
    /// Seconds since the previous sample.
    pub interval_s: Option<f64>,
    /// For a listener: requests in SYN-RECV on its port.
    pub syn_recv: Option<u64>,
    /// For a listener of a SO_REUSEPORT group: the group.
    pub group: Option<ListenerGroupEntry>,
    /// For one that is listed because it has ended: how and when.
    pub ended: Option<&'a Ended>,
}

/// Listeners that share an address by SO_REUSEPORT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ListenerGroupEntry {
    /// How many there are.
    pub listeners: u64,
    /// Requests in SYN-RECV that wait on one of them; the kernel does not report on which.
    pub syn_recv: u64,
}

impl Serialize for Connection<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

impl Connection<'_> {
    /// Writes the row's keys into a map.
    pub(crate) fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let socket = self.socket;
        if let Some(ended) = self.ended {
            ended.entries(map)?;
        }
        map.serialize_entry(
            "family",
            if socket.local.address.is_ipv4() { "ipv4" } else { "ipv6" },
        )?;
        map.serialize_entry("state", socket.state.name())?;
        map.serialize_entry("role", self.role.name())?;
        map.serialize_entry("role_basis", self.role_basis.name())?;
        map.serialize_entry("local", &End(&socket.local, None))?;
        map.serialize_entry("remote", &End(&socket.remote, self.remote_name))?;
        optional(map, "interface", self.interface)?;
        optional(map, "netns", self.netns)?;
        map.serialize_entry("cookie", &Hex(socket.cookie))?;
        self.numbers(map)?;
        map.serialize_entry("timer", &socket.timer.map(TimerEntry))?;
        optional(map, "tcp_info", socket.tcp_info.as_ref().map(|info| TcpInfoEntry(socket, info)))?;
        optional(map, "skmem", socket.skmem.map(|_| FieldMap(socket, fields::SKMEM)))?;
        optional(map, "congestion", socket.congestion.as_ref().map(|name| Text(name.as_bytes())))?;
        congestion_detail(map, socket)?;
        optional(map, "v6only", socket.v6only)?;
        optional(map, "shutdown", socket.shutdown.map(Shutdown))?;
        optional(map, "cgroup", socket.cgroup_id.map(|id| Cgroup { id, path: self.cgroup_path }))?;
        optional(map, "ulp", socket.ulp.as_ref().map(UlpEntry))?;
        optional(map, "sockopt", socket.sockopt.map(Sockopt))?;
        optional(map, "md5", socket.md5.as_ref().map(Md5))?;
        optional(map, "derived", socket.tcp_info.map(|_| FieldMap(socket, fields::DERIVED)))?;
        self.owner(map)?;
        self.movement(map)
    }

    fn numbers<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        const NUMBERS: [&Field; 10] = [
            &fields::RECV_Q,
            &fields::SEND_Q,
            &fields::ACCEPT_QUEUE,
            &fields::ACCEPT_QUEUE_MAX,
            &fields::INODE,
            &fields::UID,
            &fields::TOS,
            &fields::TCLASS,
            &fields::MARK,
            &fields::CLASS_ID,
        ];
        for field in NUMBERS {
            reading(map, field.key, field.read(self.socket))?;
        }
        optional(map, "syn_recv", self.syn_recv)?;
        optional(map, "group", self.group)
    }

    fn owner<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        match self.processes {
            Processes::NotAsked => {}
            Processes::Hidden => map.serialize_entry("processes_hidden", &true)?,
            Processes::Known { holders, omitted } => {
                map.serialize_entry("processes", holders)?;
                optional(map, "processes_omitted", (omitted > 0).then_some(omitted))?;
            }
        }
        optional(map, "unit", self.unit)?;
        optional(map, "container", self.container)?;
        optional(map, "service", self.service)?;
        optional(map, "service_basis", self.service_basis.map(ServiceBasis::name))
    }

    fn movement<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let change = self.change.map(|change| match change {
            Change::Opened => "opened",
            Change::Closed => "closed",
        });
        optional(map, "change", change)?;
        if self.repeats {
            let delta = self.delta.zip(self.interval_s);
            map.serialize_entry(
                "delta",
                &delta.map(|(delta, seconds)| DeltaEntry(delta, seconds)),
            )?;
        }
        Ok(())
    }
}

/// Writes an entry if there is a value.
fn optional<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &str,
    value: Option<T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

/// Writes a field: nothing if absent, null for the kernel's "none".
fn reading<M: SerializeMap>(map: &mut M, key: &str, reading: Reading) -> Result<(), M::Error> {
    match reading {
        Reading::Absent => Ok(()),
        Reading::Unset => map.serialize_entry(key, &()),
        Reading::Integer(value) => map.serialize_entry(key, &value),
        Reading::Ratio(value) => map.serialize_entry(key, &value),
    }
}

/// Serialises a wrapper as a map.
macro_rules! map_of {
    ($wrapper:ty, |$this:ident, $map:ident| $body:block) => {
        impl Serialize for $wrapper {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                let mut map = serializer.serialize_map(None)?;
                let $map = &mut map;
                $body
                map.end()
            }
        }
    };
}

struct End<'a>(&'a Endpoint, Option<&'a str>);

map_of!(End<'_>, |this, map| {
    map.serialize_entry("addr", &this.0.address)?;
    map.serialize_entry("port", &this.0.port)?;
    optional(map, "name", this.1)?;
});

struct TimerEntry(Timer);

map_of!(TimerEntry, |this, map| {
    map.serialize_entry("kind", this.0.kind.name())?;
    map.serialize_entry("expires_ms", &this.0.expires_ms)?;
    optional(map, "retransmits", this.0.unanswered())?;
});

struct FieldMap<'a>(&'a Socket, &'static [&'static Field]);

map_of!(FieldMap<'_>, |this, map| {
    for field in this.1 {
        reading(map, field.key, field.read(this.0))?;
    }
});

struct TcpInfoEntry<'a>(&'a Socket, &'a TcpInfo);

map_of!(TcpInfoEntry<'_>, |this, map| {
    for field in tcp_info::ALL {
        let value = field.read(this.0);
        match value {
            Reading::Integer(bits) if std::ptr::eq(*field, &raw const tcp_info::OPTIONS) => {
                map.serialize_entry(field.key, &Options(bits))?;
            }
            Reading::Integer(flag)
                if std::ptr::eq(*field, &raw const tcp_info::DELIVERY_RATE_APP_LIMITED) =>
            {
                map.serialize_entry(field.key, &(flag != 0))?;
            }
            value => reading(map, field.key, value)?,
        }
    }
    let tail = this.1.tail(tcp_info::KNOWN_LENGTH);
    if !tail.is_empty() {
        map.serialize_entry("unknown_tail", &HexBytes(tail))?;
    }
});

struct Options(u64);

impl Serialize for Options {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// `TCPI_OPT_*` by bit.
        const NAMES: [&str; 8] =
            ["timestamps", "sack", "wscale", "ecn", "ecn_seen", "syn_data", "usec_ts", "tfo_child"];
        names_of_bits(serializer, &NAMES, self.0)
    }
}

fn names_of_bits<S: Serializer>(
    serializer: S,
    names: &[&str],
    bits: u64,
) -> Result<S::Ok, S::Error> {
    let mut seq = serializer.serialize_seq(None)?;
    for (bit, name) in names.iter().enumerate() {
        if bits & 1 << bit != 0 {
            seq.serialize_element(name)?;
        }
    }
    seq.end()
}

struct Sockopt([u8; 2]);

impl Serialize for Sockopt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// `struct inet_diag_sockopt`, lowest bit first.
        const NAMES: [&str; 11] = [
            "recverr",
            "is_icsk",
            "freebind",
            "hdrincl",
            "mc_loop",
            "transparent",
            "mc_all",
            "nodefrag",
            "bind_address_no_port",
            "recverr_rfc4884",
            "defer_connect",
        ];
        let bytes = if cfg!(target_endian = "big") { self.0.map(u8::reverse_bits) } else { self.0 };
        names_of_bits(serializer, &NAMES, u16::from_le_bytes(bytes).into())
    }
}

struct Shutdown(u8);

map_of!(Shutdown, |this, map| {
    map.serialize_entry("receive", &(this.0 & uapi::RCV_SHUTDOWN != 0))?;
    map.serialize_entry("send", &(this.0 & uapi::SEND_SHUTDOWN != 0))?;
});

#[derive(serde::Serialize)]
struct Cgroup<'a> {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
}

fn congestion_detail<M: SerializeMap>(map: &mut M, socket: &Socket) -> Result<(), M::Error> {
    match socket.congestion_detail {
        CongestionDetail::None => Ok(()),
        CongestionDetail::Bbr(bbr) => map.serialize_entry("bbr", &BbrEntry(bbr)),
        CongestionDetail::Vegas(vegas) => map.serialize_entry("vegas", &VegasEntry(vegas)),
        CongestionDetail::Dctcp(dctcp) => map.serialize_entry("dctcp", &DctcpEntry(dctcp)),
    }
}

struct BbrEntry(crate::wire::Bbr);

map_of!(BbrEntry, |this, map| {
    // bbr_init() (6.12): 0 and ~0 before the first sample.
    map.serialize_entry("bw", &Some(this.0.bandwidth).filter(|&bandwidth| bandwidth > 0))?;
    map.serialize_entry("min_rtt_us", &Some(this.0.min_rtt_us).filter(|&us| us != u32::MAX))?;
    // The kernel's gains are in units of 1/256.
    map.serialize_entry("pacing_gain", &(f64::from(this.0.pacing_gain) / 256.0))?;
    map.serialize_entry("cwnd_gain", &(f64::from(this.0.cwnd_gain) / 256.0))?;
});

struct VegasEntry(crate::wire::Vegas);

map_of!(VegasEntry, |this, map| {
    map.serialize_entry("enabled", &(this.0.enabled != 0))?;
    map.serialize_entry("rttcnt", &this.0.rtt_count)?;
    // tcp_vegas_init() and vegas_enable() (6.12): 0 or a value for "none" before the first sample.
    let measured = |us: u32| Some(us).filter(|us| ![0, uapi::TCPV_RTT_UNSET].contains(us));
    map.serialize_entry("rtt_us", &measured(this.0.rtt_us))?;
    map.serialize_entry("min_rtt_us", &measured(this.0.min_rtt_us))?;
});

struct DctcpEntry(crate::wire::Dctcp);

map_of!(DctcpEntry, |this, map| {
    map.serialize_entry("enabled", &(this.0.enabled != 0))?;
    map.serialize_entry("ce_state", &this.0.ce_state)?;
    map.serialize_entry("alpha", &this.0.alpha)?;
    map.serialize_entry("ab_ecn", &this.0.ab_ecn)?;
    map.serialize_entry("ab_tot", &this.0.ab_tot)?;
});

struct UlpEntry<'a>(&'a Ulp);

map_of!(UlpEntry<'_>, |this, map| {
    map.serialize_entry("name", &Text(this.0.name()))?;
    match &this.0.detail {
        UlpDetail::NameOnly => {}
        UlpDetail::Tls(tls) => map.serialize_entry("tls", &TlsEntry(tls))?,
        UlpDetail::Mptcp(mptcp) => map.serialize_entry("mptcp", &MptcpEntry(mptcp))?,
    }
});

struct TlsEntry<'a>(&'a Tls);

map_of!(TlsEntry<'_>, |this, map| {
    let conf = |code| match code {
        1 => "none",
        2 => "sw",
        3 => "hw",
        4 => "hw_record",
        _ => "unknown",
    };
    let version = |code| match code {
        0x0303 => "1.2",
        0x0304 => "1.3",
        _ => "unknown",
    };
    optional(map, "version", this.0.version.map(version))?;
    optional(map, "cipher", this.0.cipher.map(tls_cipher))?;
    optional(map, "rx_conf", this.0.rx_conf.map(conf))?;
    optional(map, "tx_conf", this.0.tx_conf.map(conf))?;
    map.serialize_entry("zerocopy_sendfile", &this.0.zerocopy_sendfile)?;
    map.serialize_entry("rx_no_pad", &this.0.rx_no_pad)?;
    optional(map, "tx_max_payload", this.0.tx_max_payload)?;
});

/// `TLS_CIPHER_*`, include/uapi/linux/tls.h.
fn tls_cipher(code: u16) -> &'static str {
    match code {
        51 => "aes-gcm-128",
        52 => "aes-gcm-256",
        53 => "aes-ccm-128",
        54 => "chacha20-poly1305",
        55 => "sm4-gcm",
        56 => "sm4-ccm",
        57 => "aria-gcm-128",
        58 => "aria-gcm-256",
        _ => "unknown",
    }
}

struct MptcpEntry<'a>(&'a Mptcp);

map_of!(MptcpEntry<'_>, |this, map| {
    let mptcp = this.0;
    optional(map, "flags", mptcp.flags)?;
    optional(map, "token_rem", mptcp.token_remote)?;
    optional(map, "token_loc", mptcp.token_local)?;
    optional(map, "id_rem", mptcp.id_remote)?;
    optional(map, "id_loc", mptcp.id_local)?;
    optional(map, "relwrite_seq", mptcp.relative_write_sequence)?;
    optional(map, "map_seq", mptcp.map_sequence)?;
    optional(map, "map_sfseq", mptcp.map_subflow_sequence)?;
    optional(map, "ssn_offset", mptcp.sequence_offset)?;
    optional(map, "map_datalen", mptcp.map_data_length)?;
});

struct Md5<'a>(&'a Md5Keys);

map_of!(Md5<'_>, |this, map| {
    map.serialize_entry("total", &this.0.total())?;
    map.serialize_entry("keys", &Md5Peers(this.0))?;
});

struct Md5Peers<'a>(&'a Md5Keys);

impl Serialize for Md5Peers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Key {
            addr: std::net::IpAddr,
            prefix_len: u8,
            key_len: u16,
        }
        serializer.collect_seq(self.0.kept().map(|key| Key {
            addr: key.address,
            prefix_len: key.prefix_length,
            key_len: key.key_length,
        }))
    }
}

struct DeltaEntry<'a>(&'a Delta, f64);

map_of!(DeltaEntry<'_>, |this, map| {
    map.serialize_entry("interval_s", &this.1)?;
    for (field, growth) in this.0.iter() {
        debug_assert!(field.kind.grows());
        map.serialize_entry(field.key, &growth)?;
    }
    if this.0.reset {
        map.serialize_entry("reset", &true)?;
    }
    map.serialize_entry("rates", &Rates(this.0, this.1))?;
});

struct Rates<'a>(&'a Delta, f64);

map_of!(Rates<'_>, |this, map| {
    for (field, growth) in this.0.iter() {
        map.serialize_entry(field.key, &(growth as f64 / this.1))?;
    }
});

/// A number in hexadecimal with `0x`.
struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

struct HexBytes<'a>(&'a [u8]);

impl Serialize for HexBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for HexBytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A name from the kernel: normally ASCII, but not trusted to be.
struct Text<'a>(&'a [u8]);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_str(&String::from_utf8_lossy(self.0)),
        }
    }
}
