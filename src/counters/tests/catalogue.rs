//! The catalogue is complete, consistent and found by any spelling.

use std::collections::HashSet;

use super::fixtures::{KERNELS, dir};
use crate::counters::{
    Bound, Catalogue, CatalogueError, Group, Kind, Release, Scope, TwinClass, read,
};

/// Socket fields a twin may name, by the first kernel that has them: `struct tcp_info`
/// without `tcpi_`, then SK_MEMINFO.
const FIELDS: [(&str, &str); 15] = [
    (
        "3.10",
        "state ca_state retransmits probes backoff options snd_wscale rcv_wscale rto ato snd_mss rcv_mss \
         unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv last_ack_recv pmtu \
         rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans",
    ),
    ("3.15", "pacing_rate max_pacing_rate"),
    ("4.1", "bytes_acked bytes_received"),
    ("4.2", "segs_out segs_in"),
    ("4.6", "notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("4.9", "delivery_rate delivery_rate_app_limited"),
    ("4.10", "busy_time rwnd_limited sndbuf_limited"),
    ("4.18", "delivered delivered_ce"),
    ("4.19", "bytes_sent bytes_retrans dsack_dups reord_seen"),
    ("5.4", "rcv_ooopack snd_wnd"),
    ("5.5", "fastopen_client_fail"),
    ("6.2", "rcv_wnd rehash"),
    ("6.7", "total_rto total_rto_recoveries total_rto_time"),
    (
        "6.18",
        "received_ce delivered_e1_bytes delivered_e0_bytes delivered_ce_bytes received_e1_bytes \
         received_e0_bytes received_ce_bytes",
    ),
    ("3.10", "rmem_alloc rcvbuf wmem_alloc sndbuf fwd_alloc wmem_queued optmem backlog"),
];

/// First kernel whose sockets have a field. `drops` is apart: it was sent from 4.7 on, and
/// only from then on do listeners and the backlog count in it.
fn first_kernel_of(field: &str) -> Option<Release> {
    if field == "drops" {
        return Some(Release::new(4, 7));
    }
    let (release, _) =
        FIELDS.iter().find(|(_, names)| names.split_whitespace().any(|name| name == field))?;
    release.parse().ok()
}

#[test]
fn builtin_parses() {
    let catalogue = Catalogue::builtin();
    assert!(catalogue.entries().len() >= 265, "{}", catalogue.entries().len());
    assert!(!catalogue.categories().is_empty());
}

#[test]
fn no_name_twice() {
    let mut seen = HashSet::new();
    for entry in Catalogue::builtin().entries() {
        assert!(seen.insert(entry.name.to_ascii_lowercase()), "{} is there twice", entry.name);
    }
}

#[test]
fn every_text_is_written_and_ends_well() {
    for entry in Catalogue::builtin().entries() {
        let name = &entry.name;
        for text in [&entry.meaning, &entry.suggests, &entry.twin.relation] {
            assert!(text.len() > 5, "{name}: {text:?}");
            assert!(text.ends_with('.'), "{name}: not a sentence: {text:?}");
            // A sentence may begin with a field or a sysctl, which keep their spelling.
            let first = text.split_whitespace().next().unwrap_or_default();
            let proper = first.starts_with(char::is_uppercase)
                || first.contains(['_', '.'])
                || first == "rehash";
            assert!(proper, "{name}: {text:?}");
        }
        assert!(entry.meaning.len() < 260, "{name}: two sentences, not an essay");
        assert!(!entry.trigger.is_empty() && !entry.check.is_empty(), "{name}");
        if let Some(healthy) = &entry.healthy {
            assert!(healthy.reason.ends_with('.'), "{name}");
            assert!(healthy.max >= 0.0 && (healthy.of.is_none() || healthy.max > 0.0), "{name}");
            for of in healthy.of.iter().flat_map(|of| of.split(" + ")) {
                assert!(Catalogue::builtin().entry(of).is_some(), "{name}: share of unknown {of}");
            }
        }
    }
}

#[test]
fn every_category_is_used_and_every_group_known() {
    let catalogue = Catalogue::builtin();
    for category in catalogue.categories() {
        assert!(catalogue.in_category(&category.id).next().is_some(), "{} is empty", category.id);
        assert_eq!(catalogue.category(&category.id.to_uppercase()), Some(category));
    }
    for entry in catalogue.entries() {
        assert!(entry.group().is_some(), "{}", entry.name);
        assert!(!entry.also.contains(&entry.category), "{}", entry.name);
    }
}

#[test]
fn an_unknown_category_or_key_is_an_error() {
    let categories = "[[category]]\nid = 'a'\ntitle = 'A'\nabout = 'A.'\nwatch = 'A.'\n";
    let entry = |extra: &str| {
        format!(
            "[[counter]]\nname = 'TcpX'\nmeaning = 'M.'\ntrigger = 't'\nsuggests = 'S.'\ncheck = 'c'\n\
             twin = {{ class = 'none', relation = 'R.' }}\n{extra}"
        )
    };
    assert!(Catalogue::parse(categories, &[("x", &entry("category = 'a'"))]).is_ok());
    let error = Catalogue::parse(categories, &[("x", &entry("category = 'b'"))]).unwrap_err();
    assert!(matches!(error, CatalogueError::Category { .. }), "{error}");
    let error =
        Catalogue::parse(categories, &[("x", &entry("category = 'a'\nmaening = ''"))]).unwrap_err();
    assert_eq!(error.to_string(), "cannot parse catalogue file x");
}

#[test]
fn entries_come_in_category_order() {
    let catalogue = Catalogue::builtin();
    let rank = |id: &str| catalogue.categories().iter().position(|category| category.id == id);
    assert!(catalogue.entries().is_sorted_by_key(|entry| rank(&entry.category)));
}

#[test]
fn twins_can_be_computed_with() {
    for entry in Catalogue::builtin().entries() {
        let (name, twin) = (&entry.name, &entry.twin);
        for field in &twin.fields {
            let first =
                first_kernel_of(field).unwrap_or_else(|| panic!("{name}: no socket field {field}"));
            // A proxy is used with whichever of its fields there are.
            if twin.class != TwinClass::Proxy {
                let since = twin.since.unwrap_or(entry.since);
                assert!(since >= first, "{name}: {field} came with {first}, the twin with {since}");
            }
        }
        assert_eq!(twin.class == TwinClass::None, twin.fields.is_empty(), "{name}");
        assert_eq!(twin.class == TwinClass::Bounded, twin.bound.is_some(), "{name}");
        // A twin older than its counter needs no release of its own.
        assert!(
            twin.since.is_none_or(|since| since > entry.since),
            "{name}: twin since {:?}",
            twin.since
        );
    }
}

#[test]
fn the_measured_twins_are_exact() {
    for (name, fields, class) in [
        ("TcpRetransSegs", &["total_retrans"][..], TwinClass::Exact),
        ("TcpExtTCPTimeouts", &["total_rto"], TwinClass::Exact),
        ("TcpExtTCPDelivered", &["delivered"], TwinClass::Exact),
        ("TcpExtTCPDeliveredCE", &["delivered_ce"], TwinClass::Exact),
        ("TcpExtTCPDSACKRecvSegs", &["dsack_dups"], TwinClass::Exact),
        ("TcpExtTCPSACKReorder", &["reord_seen"], TwinClass::Exact),
        ("TcpExtTcpTimeoutRehash", &["rehash"], TwinClass::Exact),
        ("TcpOutSegs", &["segs_out", "total_retrans"], TwinClass::Exact),
        ("TcpCurrEstab", &["state"], TwinClass::Exact),
        ("TcpExtTCPFastRetrans", &["total_retrans"], TwinClass::Bounded),
        ("TcpExtTCPRcvQDrop", &["drops"], TwinClass::Bounded),
        ("TcpExtListenDrops", &["drops"], TwinClass::Bounded),
        ("TcpExtTCPLossProbes", &["total_retrans", "total_rto"], TwinClass::Proxy),
    ] {
        let twin = &Catalogue::builtin().entry(name).unwrap().twin;
        assert_eq!(twin.class, class, "{name}");
        assert_eq!(twin.fields, fields, "{name}");
        assert!(twin.bound.is_none_or(|bound| bound == Bound::AtMost), "{name}");
    }
    let rto = &Catalogue::builtin().entry("TcpExtTCPTimeouts").unwrap().twin;
    assert!(!rto.usable_on("6.1".parse().unwrap()) && rto.usable_on("6.12".parse().unwrap()));
}

#[test]
fn kinds_and_scopes() {
    let gauges: Vec<_> = Catalogue::builtin()
        .entries()
        .iter()
        .filter(|entry| entry.kind == Kind::Gauge)
        .map(|entry| entry.name.as_str())
        .collect();
    let wanted = [
        "TcpRtoAlgorithm",
        "TcpRtoMin",
        "TcpRtoMax",
        "TcpMaxConn",
        "TcpCurrEstab",
        "MPTcpExtMPCurrEstab",
    ];
    assert_eq!(gauges, wanted);
    assert_eq!(Catalogue::builtin().entry("TcpExtTCPMemoryPressures").unwrap().scope, Scope::Host);
}

#[test]
fn any_spelling_finds_it() {
    for (spelling, name) in [
        ("RetransSegs", "TcpRetransSegs"),
        ("TcpRetransSegs", "TcpRetransSegs"),
        ("Tcp:RetransSegs", "TcpRetransSegs"),
        ("Tcp: RetransSegs", "TcpRetransSegs"),
        ("tcpext.tcplossprobes", "TcpExtTCPLossProbes"),
        ("TCPLossProbes", "TcpExtTCPLossProbes"),
        ("lossprobes", "TcpExtTCPLossProbes"),
        ("tw", "TcpExtTW"),
        ("TcpTimeoutRehash", "TcpExtTcpTimeoutRehash"),
        ("TimeoutRehash", "TcpExtTcpTimeoutRehash"),
        ("InCsumErrors", "TcpInCsumErrors"),
        ("IpExt.InCsumErrors", "IpExtInCsumErrors"),
        ("RcvPruned", "TcpExtRcvPruned"),
        ("MPTcpExt.RcvPruned", "MPTcpExtRcvPruned"),
        ("OFOMerge", "MPTcpExtOFOMerge"),
        ("LowLatencyRxPackets", ""),
        ("TcpExtLowLatencyRxPackets", "TcpExtBusyPollRxPackets"),
        ("nothing", ""),
        ("", ""),
    ] {
        let found = Catalogue::builtin().find(spelling).map_or("", |entry| &entry.name);
        assert_eq!(found, name, "{spelling:?}");
    }
}

#[test]
fn every_name_finds_itself() {
    for entry in Catalogue::builtin().entries() {
        assert_eq!(Catalogue::builtin().find(&entry.name), Some(entry));
        assert_eq!(Catalogue::builtin().entry(&entry.name), Some(entry));
    }
}

#[test]
fn patterns() {
    let names = |pattern: &str| -> Vec<_> {
        Catalogue::builtin().matching(pattern).map(|entry| entry.name.as_str()).collect()
    };
    assert_eq!(names("Listen*"), ["TcpExtListenOverflows", "TcpExtListenDrops"]);
    assert_eq!(names("tcpext:tw"), ["TcpExtTW"]);
    assert_eq!(names("RtoM??"), ["TcpRtoMin", "TcpRtoMax"]);
    assert_eq!(names("*").len(), Catalogue::builtin().entries().len());
    assert!(names("MPTcpExt.*").len() >= 86);
    assert!(names("no*such").is_empty() && names("").is_empty());
}

#[test]
fn suggestions() {
    for (typed, first) in [
        ("TcpRetranSegs", "TcpRetransSegs"),
        ("LossProbe", "TcpExtTCPLossProbes"),
        ("ListenOverflow", "TcpExtListenOverflows"),
        ("TcpExtTCPTimeuots", "TcpExtTCPTimeouts"),
        ("retransegs", "TcpRetransSegs"),
    ] {
        assert_eq!(Catalogue::builtin().suggest(typed).first().copied(), Some(first), "{typed}");
    }
    assert!(Catalogue::builtin().suggest("dsack").len() == 5);
    assert!(Catalogue::builtin().suggest("qqqqqqqq").is_empty());
    assert!(Catalogue::builtin().suggest("").is_empty());
}

/// All counters of a reading that belong to a group of the catalogue are in the catalogue.
fn all_known(root: &std::path::Path) {
    let counters = read(root).unwrap();
    let unknown: Vec<_> = counters
        .iter()
        .map(|(name, _)| name)
        .filter(|name| Group::split(name).is_some() && Catalogue::builtin().entry(name).is_none())
        .collect();
    assert!(unknown.is_empty(), "{}: {unknown:?}", root.display());
}

#[test]
fn every_counter_of_the_fixtures_is_known() {
    for kernel in KERNELS {
        all_known(&dir(kernel, "dump"));
    }
}

#[test]
fn every_counter_of_this_kernel_is_known() {
    all_known(&crate::sys::own_counters());
}
