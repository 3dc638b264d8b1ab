//! The contradictions that are checked. To add one, add a line to [`RULES`], a function, and a row
//! to the tests.

use super::conflict::Use;
use super::fullness;
use super::values::Values;

/// One contradiction.
pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) warning: bool,
    pub(super) settings: &'static [&'static str],
    pub(super) advice: &'static str,
    /// The contradiction with its numbers; `None` if there is none.
    pub(super) check: fn(&Values, &Use) -> Option<String>,
}

const RMEM: &str = "net.ipv4.tcp_rmem";
const WMEM: &str = "net.ipv4.tcp_wmem";
const MEM: &str = "net.ipv4.tcp_mem";

pub(super) static RULES: [Rule; 20] = [
    Rule {
        id: "memory_full",
        warning: true,
        settings: &[MEM],
        check: memory_full,
        advice: "Find who holds the memory (tcpdiag conns --sort -rmem_alloc --limit 10), or raise tcp_mem.",
    },
    Rule {
        id: "memory_order",
        warning: true,
        settings: &[RMEM, WMEM, MEM],
        check: order,
        advice: "Set them in rising order: minimum, initial or pressure, maximum.",
    },
    Rule {
        id: "backlog_above_somaxconn",
        warning: true,
        settings: &["net.core.somaxconn"],
        check: backlog_above,
        advice: "somaxconn was lowered after they began to listen; raise it again, or their next start gets less.",
    },
    Rule {
        id: "backlog_at_somaxconn",
        warning: false,
        settings: &["net.core.somaxconn"],
        check: backlog_at,
        advice: "They may have asked for more and been cut. If their queue overflows, raise somaxconn and restart them.",
    },
    Rule {
        id: "receive_buffer_limit",
        warning: true,
        settings: &[RMEM, "net.core.rmem_max"],
        check: receive_limit,
        advice: "Leave SO_RCVBUF alone in programs, or raise net.core.rmem_max to the maximum of tcp_rmem.",
    },
    Rule {
        id: "send_buffer_limit",
        warning: true,
        settings: &[WMEM, "net.core.wmem_max"],
        check: send_limit,
        advice: "Leave SO_SNDBUF alone in programs, or raise net.core.wmem_max to the maximum of tcp_wmem.",
    },
    Rule {
        id: "window_scaling_off",
        warning: true,
        settings: &["net.ipv4.tcp_window_scaling", RMEM],
        check: no_scaling,
        advice: "Set net.ipv4.tcp_window_scaling=1.",
    },
    Rule {
        id: "buffers_do_not_grow",
        warning: true,
        settings: &["net.ipv4.tcp_moderate_rcvbuf", RMEM],
        check: no_growth,
        advice: "Set net.ipv4.tcp_moderate_rcvbuf=1.",
    },
    Rule {
        id: "dsack_without_sack",
        warning: true,
        settings: &["net.ipv4.tcp_sack", "net.ipv4.tcp_dsack"],
        check: no_sack,
        advice: "Set net.ipv4.tcp_sack=1; turning it off was only a workaround for a kernel bug of 2019 (CVE-2019-11477).",
    },
    Rule {
        id: "reuse_without_timestamps",
        warning: true,
        settings: &["net.ipv4.tcp_tw_reuse", "net.ipv4.tcp_timestamps"],
        check: reuse,
        advice: "Set net.ipv4.tcp_timestamps=1, else TIME-WAIT ports cannot be reused.",
    },
    Rule {
        id: "cookies_without_timestamps",
        warning: false,
        settings: &["net.ipv4.tcp_syncookies", "net.ipv4.tcp_timestamps"],
        check: cookies,
        advice: "Set net.ipv4.tcp_timestamps=1, so that cookies can carry the peer's options.",
    },
    Rule {
        id: "syn_backlog_small",
        warning: true,
        settings: &["net.ipv4.tcp_syncookies", "net.ipv4.tcp_max_syn_backlog"],
        check: syn_backlog,
        advice: "Set net.ipv4.tcp_syncookies=1, or raise net.ipv4.tcp_max_syn_backlog.",
    },
    Rule {
        id: "abort_on_overflow",
        warning: false,
        settings: &["net.ipv4.tcp_abort_on_overflow"],
        check: abort,
        advice: "Set it to 0 unless clients must fail fast.",
    },
    Rule {
        id: "time_wait_full",
        warning: true,
        settings: &["net.ipv4.tcp_max_tw_buckets"],
        check: time_wait,
        advice: "Let peers close first or keep connections open; else raise the limit.",
    },
    Rule {
        id: "orphans_many",
        warning: true,
        settings: &["net.ipv4.tcp_max_orphans"],
        check: orphans,
        advice: "Find programs that close with data unsent to peers that do not read: tcpdiag conns --state fin_wait_1",
    },
    Rule {
        id: "dctcp_without_ecn",
        warning: true,
        settings: &["net.ipv4.tcp_congestion_control", "net.ipv4.tcp_ecn"],
        check: dctcp,
        advice: "dctcp depends on ECN marks: enable ECN on the switches; dctcp itself requests ECN on its connections.",
    },
    Rule {
        id: "bbr_without_fq",
        warning: false,
        settings: &["net.ipv4.tcp_congestion_control", "net.core.default_qdisc"],
        check: bbr,
        advice: "BBR then paces by its own timers, at more cost per packet; net.core.default_qdisc=fq avoids that.",
    },
    Rule {
        id: "keepalive_long",
        warning: false,
        settings: &["net.ipv4.tcp_keepalive_time"],
        check: keepalive,
        advice: "Where connections idle through a firewall or load balancer, use 300 s or so, or set it per socket.",
    },
    Rule {
        id: "few_ports",
        warning: false,
        settings: &["net.ipv4.ip_local_port_range"],
        check: few_ports,
        advice: "Widen it, for instance to 10240 65535, if connects fail with EADDRNOTAVAIL.",
    },
    Rule {
        id: "listener_in_port_range",
        warning: false,
        settings: &["net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"],
        check: in_range,
        advice: "If they are fixed, put them into net.ipv4.ip_local_reserved_ports: an outgoing connection may take one while the server restarts.",
    },
];

fn memory_full(values: &Values, usage: &Use) -> Option<String> {
    let [_, pressure, most] = values.triple("tcp_mem")?;
    let pages = usage.memory_pages?;
    nearly(Some(pages), Some(pressure), fullness::MEMORY).map(|_| {
        format!(
            "TCP uses {pages} pages of memory: above the pressure mark of {pressure} (limit {most})"
        )
    })
}

fn order(values: &Values, _: &Use) -> Option<String> {
    ["tcp_rmem", "tcp_wmem", "tcp_mem"].into_iter().find_map(|name| {
        let [one, two, three] = values.triple(name)?;
        (one > two || two > three).then(|| format!("{name} does not rise: {one} {two} {three}"))
    })
}

/// `3 listeners (ports 80, 443, 8080)`.
fn listeners(ports: &[u16]) -> String {
    const SHOWN: usize = 5;
    let mut ports = ports.to_vec();
    ports.sort_unstable();
    ports.dedup();
    let shown: Vec<String> = ports.iter().take(SHOWN).map(u16::to_string).collect();
    let more = if ports.len() > SHOWN { ", ..." } else { "" };
    let (noun, port) = if ports.len() == 1 { ("listener", "port") } else { ("listeners", "ports") };
    format!("{} {noun} ({port} {}{more})", ports.len(), shown.join(", "))
}

fn with_backlog(usage: &Use, matches: impl Fn(u64) -> bool) -> Option<String> {
    let ports: Vec<u16> = usage
        .listeners
        .iter()
        .filter(|(_, backlog)| matches(*backlog))
        .map(|(port, _)| *port)
        .collect();
    (!ports.is_empty()).then(|| listeners(&ports))
}

fn somaxconn(values: &Values) -> Option<u64> {
    u64::try_from(values.number("somaxconn")?).ok()
}

fn backlog_above(values: &Values, usage: &Use) -> Option<String> {
    let limit = somaxconn(values)?;
    let found = with_backlog(usage, |backlog| backlog > limit)?;
    Some(format!("somaxconn is {limit}, below the backlog of {found}"))
}

fn backlog_at(values: &Values, usage: &Use) -> Option<String> {
    let limit = somaxconn(values)?;
    let found = with_backlog(usage, |backlog| backlog == limit)?;
    Some(format!("the backlog of {found} is exactly somaxconn, {limit}"))
}

/// The kernel doubles what a program requests, up to twice the limit.
fn limited(values: &Values, range: &str, limit: &str, option: &str) -> Option<String> {
    let [_, _, most] = values.triple(range)?;
    let limit_value = values.number(limit)?;
    (most > limit_value.saturating_mul(2)).then(|| {
        format!(
            "{range} grows to {most} by itself, but a program that sets {option} gets at most \
             {} ({limit} {limit_value}, doubled) and no growth",
            limit_value.saturating_mul(2)
        )
    })
}

fn receive_limit(values: &Values, _: &Use) -> Option<String> {
    limited(values, "tcp_rmem", "rmem_max", "SO_RCVBUF")
}

fn send_limit(values: &Values, _: &Use) -> Option<String> {
    limited(values, "tcp_wmem", "wmem_max", "SO_SNDBUF")
}

fn no_scaling(values: &Values, _: &Use) -> Option<String> {
    let [_, _, most] = values.triple("tcp_rmem")?;
    (values.number("tcp_window_scaling")? == 0 && most > 65_535).then(|| {
        format!("windows stay below 64 KiB, though tcp_rmem allows buffers of {most} bytes")
    })
}

fn no_growth(values: &Values, _: &Use) -> Option<String> {
    let [_, initial, most] = values.triple("tcp_rmem")?;
    (values.number("tcp_moderate_rcvbuf")? == 0 && most > initial).then(|| {
        format!("receive buffers stay at {initial} bytes; the maximum of {most} is never used")
    })
}

fn no_sack(values: &Values, _: &Use) -> Option<String> {
    (values.number("tcp_sack")? == 0 && values.number("tcp_dsack")? != 0)
        .then(|| "tcp_sack is off: no RACK, no DSACK, one repaired loss per round trip".to_owned())
}

fn reuse(values: &Values, _: &Use) -> Option<String> {
    (values.number("tcp_tw_reuse")? == 1 && values.number("tcp_timestamps")? == 0)
        .then(|| "tcp_tw_reuse is 1 but has no effect without timestamps".to_owned())
}

fn cookies(values: &Values, _: &Use) -> Option<String> {
    (values.number("tcp_syncookies")? != 0 && values.number("tcp_timestamps")? == 0).then(|| {
        "without timestamps, connections made by cookie lose window scaling and SACK".to_owned()
    })
}

fn syn_backlog(values: &Values, usage: &Use) -> Option<String> {
    let limit = u64::try_from(values.number("tcp_max_syn_backlog")?).ok()?;
    let largest = usage.listeners.iter().map(|(_, backlog)| *backlog).max()?;
    (values.number("tcp_syncookies")? == 0 && limit < largest).then(|| {
        format!(
            "without cookies half-open connections end at {limit} (tcp_max_syn_backlog), below the \
             largest backlog, {largest}"
        )
    })
}

fn abort(values: &Values, _: &Use) -> Option<String> {
    (values.number("tcp_abort_on_overflow")? != 0).then(|| {
        "clients are reset when an accept queue is full, instead of trying again".to_owned()
    })
}

/// The count and the limit, if the count reaches this share of the limit.
fn nearly(count: Option<u64>, limit: Option<i64>, share: f64) -> Option<(u64, u64)> {
    let (count, limit) = (count?, u64::try_from(limit?).ok()?);
    (limit > 0 && count as f64 >= limit as f64 * share).then_some((count, limit))
}

fn time_wait(values: &Values, usage: &Use) -> Option<String> {
    let (count, limit) =
        nearly(usage.time_wait, values.number("tcp_max_tw_buckets"), fullness::TIME_WAIT)?;
    Some(format!("{count} TIME-WAIT entries of at most {limit}"))
}

fn orphans(values: &Values, usage: &Use) -> Option<String> {
    let (count, limit) =
        nearly(usage.orphans, values.number("tcp_max_orphans"), fullness::ORPHANS)?;
    Some(format!("{count} orphans of at most {limit}"))
}

fn dctcp(values: &Values, _: &Use) -> Option<String> {
    (values.text("tcp_congestion_control")? == "dctcp" && values.number("tcp_ecn")? == 0)
        .then(|| "congestion control is dctcp but tcp_ecn is 0".to_owned())
}

fn bbr(values: &Values, _: &Use) -> Option<String> {
    let qdisc = values.text("default_qdisc")?;
    (values.text("tcp_congestion_control")?.starts_with("bbr") && qdisc != "fq")
        .then(|| format!("congestion control is bbr, the default queue {qdisc} does not pace"))
}

fn keepalive(values: &Values, _: &Use) -> Option<String> {
    /// A NAT that follows RFC 5382 may drop an idle connection after this time.
    const NAT_TIMEOUT: i64 = 7440;
    let time = values.number("tcp_keepalive_time")?;
    (time > NAT_TIMEOUT).then(|| {
        format!(
            "the first keepalive comes after {time} s; a NAT may forget after {NAT_TIMEOUT} (RFC 5382)"
        )
    })
}

fn port_range(values: &Values) -> Option<(u16, u16)> {
    let [first, last]: [i64; 2] = values.numbers("ip_local_port_range")?.try_into().ok()?;
    Some((u16::try_from(first).ok()?, u16::try_from(last).ok()?))
}

fn few_ports(values: &Values, _: &Use) -> Option<String> {
    let (first, last) = port_range(values)?;
    let count = u32::from(last.checked_sub(first)?) + 1;
    (count < 10_000).then(|| {
        format!("{count} local ports ({first} to {last}) for all connections to one destination")
    })
}

fn in_range(values: &Values, usage: &Use) -> Option<String> {
    let (first, last) = port_range(values)?;
    let reserved = values.text("ip_local_reserved_ports").unwrap_or("");
    let ports: Vec<u16> = usage
        .listeners
        .iter()
        .map(|(port, _)| *port)
        .filter(|port| (first..=last).contains(port) && !is_reserved(reserved, *port))
        .collect();
    (!ports.is_empty())
        .then(|| format!("{} in the range of outgoing ports, {first} to {last}", listeners(&ports)))
}

/// Whether a list such as `8080,9000-9100` has the port.
fn is_reserved(list: &str, port: u16) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port),
            _ => false,
        }
    })
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
