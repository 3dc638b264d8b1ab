//! What `conns --by`, `summary` and `services` refuse.

use super::tcpdiag;

/// The one line on standard error.
fn refused(arguments: &[&str]) -> String {
    let output = tcpdiag().args(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn what_is_no_key_or_column_is_named_with_what_is_accepted() {
    for (arguments, expected) in [
        (&["conns", "--by", "nonsense"][..], "'--by <KEY,KEY>': accepted are state, role, service"),
        (&["conns", "--by", "sevice"], "did you mean 'service'?"),
        (&["conns", "--by", "state,"], "accepted are state"),
        (&["conns", "--by", "rtt"], "fields of `--columns help` that are no counter"),
        (&["conns", "--by", "state", "--sort", "rtt"], "--sort: groups have no column 'rtt'"),
        (&["conns", "--by", "state", "--sort", "remote"], "accepted are state, count"),
        (&["conns", "--by", "state", "--columns", "local"], "--columns: groups have no column"),
        // There is no growth without an interval.
        (&["conns", "--by", "state", "--columns", "total_retrans_delta"], "no column"),
        (&["conns", "--by", "state", "--detail"], "--detail"),
        (&["conns", "--by", "state", "-o", "json", "--columns", "count"], "--columns"),
        (&["summary", "-o", "csv"], "possible values: table, json"),
        (&["summary", "-n", "0"], "is no count"),
        (&["services", "--sort", "size"], "in, out, opened, drops, retrans, rtt"),
        (&["services", "rtt > 50ms"], "by rtt would change"),
        (&["services", "--state", "established"], "by state would change"),
        (&["services", "not congestion = bbr or port = 1"], "by congestion would change"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn columns_of_groups_are_listed() {
    let output = tcpdiag().args(["conns", "--by", "state", "--columns", "help"]).output().unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    for name in ["state", "count", "rtt_p99", "retrans_ratio_worst", "bytes_sent"] {
        assert!(names.lines().any(|line| line == name), "{name}");
    }
}
