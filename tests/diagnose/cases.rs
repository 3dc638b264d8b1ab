//! For each rule a recording in which it finds something, and one in which it
//! must not: of the conditions that are no fault of its kind, the likest.

/// Code, the recording with it, the recording without it.
pub type Case = (&'static str, &'static str, &'static str);

/// Of all rules that the fault lab can provoke.
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
    ("TD120", "rate-limit-with-a-deep-queue-client", "high-but-clean-rtt-client"),
    ("TD121", "slow-retransmission-timer-client", "high-but-clean-rtt-client"),
    ("TD122", "dead-peer-client", "idle-keepalive-connections-client"),
    ("TD130", "zero-window-client", "paced-sender-client"),
    ("TD131", "zero-window-server", "slow-reader-server"),
    ("TD132", "slow-reader-server", "healthy-bulk-server"),
    ("TD133", "unread-data-at-close-server", "healthy-short-connections-server"),
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
    ("TD401", "syn-cookies-server", "healthy-request-response-server"),
    ("TD406", "device-that-drops-client", "random-loss-client"),
];

/// Rules about what a host has only once, for all its namespaces: to provoke
/// them would be to harm whoever else is on it.
pub const OF_THE_WHOLE_HOST: &[&str] = &["TD402", "TD403", "TD404", "TD405"];
