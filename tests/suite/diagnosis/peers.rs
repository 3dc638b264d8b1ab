//! Whether a peer that does not answer on one connection answers others: the finding says so, and the
//! advice follows it.

use serde_json::Value;

use crate::lab::faults::{chosen, try_all};
use crate::lab::{Side, Tcpdiag, lab, require};

/// Faults with the code that is found at the client, and whether the peer answers others.
const FAULTS: &[(&str, &str, bool)] = &[
    ("dead peer", "TD122", false),
    ("one connection forgotten by a firewall", "TD122", true),
    ("keepalive without answer", "TD150", false),
    ("idle connections forgotten by a firewall", "TD150", true),
];

lab!(
    alone as Mapped fn a_peer_that_answers_others_is_not_said_to_be_gone() {
        let mut faults = chosen();
        faults.retain(|fault| FAULTS.iter().any(|(name, ..)| *name == fault.name));
        assert_eq!(faults.len(), FAULTS.len());
        let outcomes = try_all(&faults, 4, |_, setup| {
            let look = || Tcpdiag::new().document(&["diagnose", "--duration", "5s", "-o", "json"]);
            setup.inside(Side::Client, look)
        });
        for (fault, outcome) in faults.iter().zip(outcomes) {
            let document = match outcome {
                Ok(trial) => trial.seen,
                Err(reason) => {
                    require(!reason.contains("/dev/net/tun"), &reason);
                    assert!(reason.contains("/dev/net/tun"), "{reason}");
                    return;
                }
            };
            let (_, code, is_up) = FAULTS.iter().find(|(name, ..)| *name == fault.name).unwrap();
            let findings = document["findings"].as_array().unwrap();
            let finding = findings.iter().find(|finding| finding["code"] == *code);
            let finding = finding.unwrap_or_else(|| panic!("{}: {document:#}", fault.name));
            check(fault.name, finding, *is_up);
        }
    }
);

fn check(name: &str, finding: &Value, is_up: bool) {
    let cause = finding["cause"].as_str().unwrap();
    assert_eq!(cause.contains("The peer is up"), is_up, "{name}: {finding:#}");
    let evidence = finding["evidence"].as_array().unwrap();
    let answered = evidence.iter().find(|one| one["field"] == "answered_elsewhere_ago");
    assert_eq!(answered.is_some(), is_up, "{name}: {finding:#}");
    if let Some(answered) = answered {
        assert!(answered["value"].as_f64().unwrap() < 1.0, "{name}: {answered}");
    }
    let advice = finding["advice"].to_string();
    assert_eq!(advice.contains("ping -c 3"), !is_up, "{name}: {advice}");
    assert_eq!(
        advice.contains("firewall") || advice.contains("middlebox"),
        is_up,
        "{name}: {advice}"
    );
}
