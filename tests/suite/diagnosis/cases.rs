//! For each rule a recording in which it must find something, and the most similar one in which it
//! must not.

/// Code, the recording with it, the recording without it.
pub type Case = (&'static str, &'static str, &'static str);

/// The cases of all rules. A `made-up` recording is one of the fault lab with one figure of the
/// host changed: provoking a fault of a host-wide resource would disturb the host's other users.
pub const CASES: &[Case] = &[
    ("TD101", "small-receive-buffer-client", "small-send-buffer-client"),
    ("TD102", "small-send-buffer-client", "small-receive-buffer-client"),
    ("TD103", "crowded-bottleneck-client", "random-loss-client"),
    ("TD104", "slow-writer-client", "crowded-bottleneck-client"),
    ("TD105", "paced-sender-client", "slow-writer-client"),
    ("TD110", "random-loss-client", "reordering-client"),
    ("TD111", "tail-loss-server", "random-loss-client"),
    ("TD112", "timeouts-client", "healthy-request-response-server"),
    ("TD113", "lost-retransmits-client", "random-loss-client"),
    ("TD114", "spurious-retransmits-server", "tail-loss-server"),
    ("TD115", "reordering-client", "random-loss-client"),
    ("TD116", "duplicated-packets-client", "spurious-retransmits-server"),
    ("TD117", "random-loss-server", "healthy-bulk-server"),
    ("TD118", "small-writes-client", "healthy-request-response-server"),
    ("TD120", "rate-limit-with-a-deep-queue-client", "high-but-clean-rtt-client"),
    ("TD121", "slow-retransmission-timer-client", "high-but-clean-rtt-client"),
    ("TD122", "dead-peer-client", "idle-keepalive-connections-client"),
    ("TD130", "zero-window-client", "paced-sender-client"),
    ("TD131", "zero-window-server", "slow-reader-server"),
    ("TD132", "slow-reader-server", "healthy-bulk-server"),
    ("TD133", "unread-data-at-close-server", "healthy-short-connections-server"),
    ("TD134", "small-receive-buffer-server", "slow-reader-server"),
    ("TD140", "small-mss-client", "healthy-bulk-client"),
    ("TD141", "black-holed-mtu-client", "dead-peer-client"),
    ("TD142", "window-scaling-off-client", "timestamps-off-client"),
    ("TD143", "sack-off-client", "window-scaling-off-client"),
    ("TD150", "keepalive-without-answer-client", "idle-keepalive-connections-client"),
    ("TD151", "stuck-fin-wait-1-and-last-ack-client", "dead-peer-client"),
    ("TD152", "leaked-close-wait-server", "unread-data-at-close-server"),
    ("TD153", "no-answer-to-syn-client", "healthy-short-connections-client"),
    ("TD160", "small-send-buffer-not-paced-client", "healthy-bulk-client"),
    ("TD201", "full-accept-queue-server", "growing-accept-queue-server"),
    ("TD202", "growing-accept-queue-server", "healthy-short-connections-server"),
    ("TD203", "overflows-between-looks-server", "growing-accept-queue-server"),
    ("TD204", "handshakes-without-end-server", "healthy-short-connections-server"),
    ("TD205", "backlog-capped-by-somaxconn-server", "full-accept-queue-server"),
    ("TD206", "syn-cookies-server", "handshakes-without-end-server"),
    ("TD301", "one-bad-remote-of-eight-server", "loss-on-short-connections-server"),
    ("TD302", "loss-on-short-connections-server", "healthy-short-connections-server"),
    ("TD303", "delay-client", "high-but-clean-rtt-client"),
    ("TD304", "connection-churn-server", "healthy-short-connections-server"),
    ("TD305", "time-wait-pressure-client", "port-exhaustion-client"),
    ("TD306", "port-exhaustion-client", "time-wait-pressure-client"),
    ("TD307", "loss-shared-by-many-uploads-client", "crowded-bottleneck-client"),
    ("TD308", "refused-connects-client", "resets-by-the-server-client"),
    ("TD309", "resets-by-the-server-client", "refused-connects-client"),
    ("TD310", "loss-on-short-downloads-client", "healthy-short-connections-client"),
    ("TD401", "overflows-between-looks-client", "healthy-request-response-server"),
    ("TD402", "made-up-memory-pressure", "healthy-bulk-client"),
    ("TD403", "made-up-orphans", "healthy-bulk-client"),
    ("TD404", "made-up-softnet-drops", "healthy-bulk-client"),
    ("TD405", "made-up-full-conntrack", "made-up-half-full-conntrack"),
    ("TD406", "device-that-drops-client", "healthy-bulk-client"),
    ("TD407", "made-up-signatures", "healthy-bulk-client"),
];

/// Changes a file of the host in one sample of a recording: the sample's number, the file's name,
/// `sysctl` for the settings, and its text.
type Change = fn(u32, &str, &mut String);

/// The made-up recordings and their changes to `healthy-bulk-client`. The limits are settings that
/// only the first network namespace has.
pub const MADE_UP: &[(&str, Change)] = &[
    ("made-up-memory-pressure", |_, file, text| match file {
        "sysctl" => text.push_str("net.ipv4.tcp_mem 92436 123251 184872\n"),
        "sockstat" => *text = set(text, "mem", "130000"),
        _ => {}
    }),
    ("made-up-orphans", |_, file, text| match file {
        "sysctl" => text.push_str("net.ipv4.tcp_max_orphans 32768\n"),
        "sockstat" => *text = set(text, "orphan", "32000"),
        _ => {}
    }),
    ("made-up-softnet-drops", |sample, file, text| {
        // The second column of each processor counts drops at a full backlog.
        if file == "softnet_stat" {
            let rows = text.lines().map(|row| {
                let (head, tail) = (row.get(..9).unwrap(), row.get(17..).unwrap());
                format!("{head}{sample:08x}{tail}\n")
            });
            *text = rows.collect();
        }
    }),
    ("made-up-signatures", |sample, file, text| {
        if file == "netstat" {
            *text = counted(text, "TCPMD5NotFound", 3 * sample);
        }
    }),
    ("made-up-full-conntrack", |_, file, text| track(file, text, "65000")),
    ("made-up-half-full-conntrack", |_, file, text| track(file, text, "32768")),
];

/// Sets the number of tracked connections, of at most 65,536.
fn track(file: &str, text: &mut String, count: &str) {
    match file {
        "nf_conntrack_count" => *text = format!("{count}\n"),
        "nf_conntrack_max" => *text = "65536\n".to_owned(),
        _ => {}
    }
}

/// The extended TCP counters with another value of one of them.
fn counted(text: &str, name: &str, value: u32) -> String {
    let mut names: Option<Vec<&str>> = None;
    let lines = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let Some(at) = names.take().and_then(|names| names.iter().position(|it| *it == name))
        else {
            names = Some(words).filter(|_| line.starts_with("TcpExt:"));
            return format!("{line}\n");
        };
        let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        words[at] = value.to_string();
        format!("{}\n", words.join(" "))
    });
    lines.collect()
}

/// The TCP line with another number after a name.
fn set(text: &str, name: &str, number: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let mut words: Vec<&str> = line.split(' ').collect();
        let at = words.iter().position(|word| *word == name);
        if let Some(at) = at.filter(|_| line.starts_with("TCP:")) {
            words[at + 1] = number;
        }
        lines.push_str(&words.join(" "));
        lines.push('\n');
    }
    lines
}
