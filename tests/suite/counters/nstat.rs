//! Counters equal those of nstat, and every counter of this kernel is known.

use std::collections::BTreeMap;

use serde_json::Value;
use tcpdiag::counters::{Catalogue, Group, read};

use super::namespace::{TRAFFIC, script};

#[test]
fn equal_to_nstat_in_a_namespace_with_traffic() {
    if std::process::Command::new("nstat").arg("--version").output().is_err() {
        let required = std::env::var_os("TCPDIAG_REQUIRE_PRIVILEGED").is_some_and(|set| set == "1");
        assert!(!required, "there is no nstat");
        eprintln!("skipped: there is no nstat");
        return;
    }
    let script_text = format!(
        "ip link set lo up; python3 -c '{TRAFFIC}'; sleep 0.5
         NSTAT_HISTORY=\"$1/nstat\" nstat -asz > \"$1/theirs\"
         \"$2\" stats --no-history -o json > \"$1/ours\"
         NSTAT_HISTORY=\"$1/nstat\" nstat -asz > \"$1/theirs-again\""
    );
    let home = tempfile::tempdir().unwrap();
    if script(&script_text, home.path()).is_none() {
        return;
    }
    let theirs = |file: &str| -> BTreeMap<String, i64> {
        std::fs::read_to_string(home.path().join(file))
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
            })
            .collect()
    };
    let (before, after) = (theirs("theirs"), theirs("theirs-again"));
    assert_eq!(before, after, "the namespace was not at rest");
    let text = std::fs::read_to_string(home.path().join("ours")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let ours: BTreeMap<&str, i64> = document["counters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["name"].as_str().unwrap(), row["value"].as_i64().unwrap()))
        .collect();
    let mut compared = BTreeMap::new();
    for (name, value) in &before {
        let Some((group, _)) = Group::split(name) else { continue };
        assert_eq!(ours.get(name.as_str()), Some(value), "{name}");
        *compared.entry(group).or_insert(0) += 1;
    }
    // nstat leaves out the constants, which include CurrEstab; only we have them.
    let besides: Vec<&&str> = ours
        .keys()
        .filter(|name| Group::split(name).is_some() && !before.contains_key(**name))
        .collect();
    let constants = ["TcpCurrEstab", "TcpMaxConn", "TcpRtoAlgorithm", "TcpRtoMax", "TcpRtoMin"];
    assert!(besides.iter().all(|name| constants.contains(name)), "{besides:?}");
    assert!(compared.get(&Group::Tcp) >= Some(&10) && compared.get(&Group::TcpExt) >= Some(&100));
    assert!(compared.get(&Group::IpExt) >= Some(&15), "{compared:?}");
    assert!(before["TcpActiveOpens"] >= 40 && before["TcpOutRsts"] > 0, "there was no traffic");
}

#[test]
fn this_kernels_counters_are_all_known() {
    let counters = read("/proc/thread-self/net".as_ref()).unwrap();
    let mut seen = 0;
    for (name, _) in counters.iter().filter(|(name, _)| Group::split(name).is_some()) {
        let entry = Catalogue::builtin().entry(name);
        assert!(
            entry.is_some_and(|entry| entry.meaning.len() > 10),
            "{name} is not in the catalogue"
        );
        seen += 1;
    }
    assert!(seen > 100, "{seen}");
}
