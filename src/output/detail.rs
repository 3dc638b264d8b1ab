//! Everything about one socket, grouped and labelled.

use std::io::{self, Write};

use super::{OutputWriter, SafeText, Style, find_column, human};
use crate::model::{Field, Group, Reading, State, Unit, fields};
use crate::report::{Connection, Processes};
use crate::wire::UlpDetail;

/// Fields by subject; a field in no group is shown under `other`.
const SECTIONS: [(&str, &[&str]); 9] = [
    (
        "time",
        &[
            "rtt",
            "rttvar",
            "min_rtt",
            "rcv_rtt",
            "rto",
            "ato",
            "last_data_sent",
            "last_data_recv",
            "last_ack_recv",
        ],
    ),
    (
        "loss",
        &[
            "retrans",
            "total_retrans",
            "retrans_ratio",
            "bytes_retrans",
            "bytes_retrans_ratio",
            "lost",
            "sacked",
            "dsack_dups",
            "reordering",
            "reord_seen",
            "retransmits",
            "backoff",
            "probes",
            "total_rto",
            "total_rto_recoveries",
            "total_rto_time",
            "rehash",
            "ca_state",
        ],
    ),
    (
        "sending",
        &[
            "snd_cwnd",
            "snd_ssthresh",
            "snd_mss",
            "snd_wnd",
            "snd_wscale",
            "unacked",
            "notsent_bytes",
            "send_rate",
            "pacing_rate",
            "max_pacing_rate",
            "delivery_rate",
            "delivery_rate_app_limited",
            "pmtu",
        ],
    ),
    (
        "receiving",
        &["rcv_mss", "rcv_wnd", "rcv_wscale", "rcv_ssthresh", "rcv_space", "rcv_ooopack", "advmss"],
    ),
    (
        "limits",
        &[
            "busy_time",
            "rwnd_limited",
            "rwnd_limited_share",
            "sndbuf_limited",
            "sndbuf_limited_share",
        ],
    ),
    (
        "volume",
        &[
            "bytes_sent",
            "bytes_acked",
            "bytes_received",
            "segs_out",
            "segs_in",
            "data_segs_out",
            "data_segs_in",
            "delivered",
        ],
    ),
    (
        "memory",
        &[
            "rmem_alloc",
            "rcvbuf",
            "wmem_alloc",
            "sndbuf",
            "fwd_alloc",
            "wmem_queued",
            "optmem",
            "backlog",
            "drops",
        ],
    ),
    (
        "ecn",
        &[
            "delivered_ce",
            "received_ce",
            "delivered_e1_bytes",
            "delivered_e0_bytes",
            "delivered_ce_bytes",
            "received_e1_bytes",
            "received_e0_bytes",
            "received_ce_bytes",
            "ecn_mode",
            "accecn_opt_seen",
            "accecn_fail_mode",
        ],
    ),
    ("queues", &["recv_q", "send_q", "accept_queue", "accept_queue_max"]),
];

/// Writes one socket; lines wrap at `width`.
///
/// # Errors
/// Errors of the writer.
pub fn detail<W: Write>(
    writer: &mut OutputWriter<W>,
    connection: &Connection<'_>,
    width: usize,
    style: Style,
) -> io::Result<()> {
    let cell = |name: &str| {
        let mut out = String::new();
        if let Some(column) = find_column(name) {
            column.write(connection, false, &mut out);
        }
        out
    };
    let to = if connection.socket.state == State::Listen { "listening" } else { "to" };
    let (state, local, remote) = (cell("state"), cell("local"), cell("remote"));
    writer.heading(&format!("{state} {local} {to} {remote}"), style)?;
    let mut line = Wrapped { text: SafeText::default(), width, at: 0 };
    identity(&mut line, connection, &cell);
    for (section, names) in SECTIONS {
        let fields = names.iter().filter_map(|name| fields::find(name));
        put_fields(&mut line, section, fields, connection);
    }
    let listed = |field: &&Field| {
        SECTIONS.iter().any(|(_, names)| names.contains(&field.name))
            || matches!(
                field.name,
                "options"
                    | "tcpi_state"
                    | "last_ack_sent"
                    | "cgroup_id"
                    | "inode"
                    | "uid"
                    | "lport"
                    | "rport"
                    | "timer_expires"
                    | "timer_retransmits"
                    | "interface_index"
            )
    };
    put_fields(&mut line, "other", fields::all().filter(|field| !listed(field)), connection);
    line.text.end_line();
    writer.text(&line.text)
}

fn identity(line: &mut Wrapped, connection: &Connection<'_>, cell: &dyn Fn(&str) -> String) {
    let socket = connection.socket;
    line.section("who");
    line.pair("role", &format!("{} ({})", connection.role.name(), connection.role_basis.name()));
    for name in ["service", "unit", "container", "cgroup", "netns", "cookie"] {
        let value = cell(name);
        if !value.is_empty() {
            line.pair(name, &value);
        }
    }
    for field in [&fields::INODE, &fields::UID] {
        if let Some(value) = field.integer(socket) {
            line.pair(field.name, &value.to_string());
        }
    }
    match connection.processes {
        Processes::NotAsked => {}
        Processes::Hidden => line.pair("process", "(hidden)"),
        Processes::Known { holders, omitted } => {
            for holder in holders {
                let (name, pid, fd) = (holder.comm, holder.pid, holder.fd);
                line.pair("process", &format!("{name}/{pid} fd {fd}"));
            }
            if omitted > 0 {
                line.pair("processes_omitted", &omitted.to_string());
            }
        }
    }
    line.section("how");
    for name in ["congestion", "timer", "ulp"] {
        let value = cell(name);
        if !value.is_empty() {
            line.pair(name, &value);
        }
    }
    if let Some(UlpDetail::Tls(tls)) = socket.ulp.map(|ulp| ulp.detail) {
        line.pair("tls_version", &format!("{:#06x}", tls.version.unwrap_or(0)));
    }
    if let Some(options) = fields::tcp_info::OPTIONS.integer(socket) {
        const NAMES: [&str; 8] =
            ["timestamps", "sack", "wscale", "ecn", "ecn_seen", "syn_data", "usec_ts", "tfo_child"];
        let set: Vec<&str> = NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| options & 1 << bit != 0)
            .map(|(_, name)| *name)
            .collect();
        line.pair("options", &if set.is_empty() { "none".to_owned() } else { set.join(",") });
    }
    if let Some(shutdown) = socket.shutdown {
        line.pair(
            "closed",
            ["no", "receive", "send", "both"].get(usize::from(shutdown & 3)).unwrap_or(&"?"),
        );
    }
}

fn put_fields<'f>(
    line: &mut Wrapped,
    section: &str,
    fields: impl Iterator<Item = &'f Field>,
    connection: &Connection<'_>,
) {
    let mut begun = false;
    for field in fields {
        let reading = field.read(connection.socket);
        // Zeros of rarely used fields only hide the others.
        let rare = section == "ecn" || section == "other";
        if reading == Reading::Absent || rare && reading == Reading::Integer(0) {
            continue;
        }
        if !begun {
            line.section(section);
            begun = true;
        }
        line.pair(field.name, &value(field, reading, connection));
    }
}

/// A value, and its growth in the interval if there is one.
fn value(field: &Field, reading: Reading, connection: &Connection<'_>) -> String {
    let mut out = String::new();
    match reading {
        Reading::Absent => {}
        Reading::Unset => out.push_str("none"),
        Reading::Ratio(share) => human::share(share, &mut out),
        Reading::Integer(value) => amount(field, value, &mut out),
    }
    let growth = (field.kind.grows() && field.group != Group::Derived)
        .then(|| connection.delta.and_then(|delta| delta.growth(field)))
        .flatten();
    if let Some(growth) = growth.filter(|&growth| growth > 0) {
        out.push_str("(+");
        amount(field, growth, &mut out);
        out.push(')');
    }
    out
}

fn amount(field: &Field, value: u64, out: &mut String) {
    match field.unit {
        Unit::Microseconds => human::microseconds(value, out),
        Unit::Milliseconds => human::microseconds(value.saturating_mul(1000), out),
        Unit::Bytes => human::bytes(value, out),
        Unit::BytesPerSecond => human::bit_rate(value as f64, out),
        _ => human::count(value, out),
    }
}

/// Lines that wrap, indented under their section's label.
struct Wrapped {
    text: SafeText,
    width: usize,
    at: usize,
}

/// The column at which values begin.
const INDENT: usize = 12;

impl Wrapped {
    fn section(&mut self, label: &str) {
        if self.at > 0 {
            self.text.end_line();
        }
        self.text.push_spaces(2);
        self.text.push(&format!("{label:<9}"));
        self.at = INDENT - 1;
    }

    fn pair(&mut self, name: &str, value: &str) {
        let length = name.len() + value.chars().count() + 2;
        if self.at + length > self.width && self.at >= INDENT {
            self.text.end_line();
            self.text.push_spaces(INDENT - 1);
            self.at = INDENT - 1;
        }
        self.at += length;
        self.text.push_spaces(1);
        self.text.push(&format!("{name}:{value}"));
    }
}
