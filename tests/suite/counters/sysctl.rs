//! `tcpdiag sysctl`.

use super::command::{json, run, stdout};

#[test]
fn values_equal_the_kernels() {
    let home = tempfile::tempdir().unwrap();
    let document = json(home.path(), &["sysctl", "-o", "json"]);
    assert_eq!(document["schema"], "tcpdiag.sysctl/1");
    let mut seen = 0;
    for row in document["settings"].as_array().unwrap() {
        let path = format!("/proc/sys/{}", row["name"].as_str().unwrap().replace('.', "/"));
        let Ok(text) = std::fs::read_to_string(&path) else {
            assert!(row.get("value").is_none(), "{path}");
            continue;
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(row["value"], words.join(" "), "{path}");
        seen += 1;
    }
    assert!(seen > 30, "{seen}");
    // Limits of the host are only in its first network namespace.
    let pages = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_mem").ok();
    let most = pages.map(|text| text.split_whitespace().last().unwrap().parse::<u64>().unwrap());
    let page_size = rustix::param::page_size() as u64;
    let limits = document["use"]["memory_limits_bytes"].as_array();
    assert_eq!(limits.map(|limits| limits[2].as_u64().unwrap()), most.map(|it| it * page_size));
    assert!(document["use"]["memory_bytes"].is_number());
}

#[test]
fn a_listener_above_somaxconn_is_found() {
    // listen() limits the backlog to somaxconn, so it is lowered afterwards, in a new namespace.
    let script = r#"
        ip link set lo up
        echo 4096 > /proc/sys/net/core/somaxconn
        python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 8080)); s.listen(1024)
print("ready", flush=True); time.sleep(60)' > "$1/ready" &
        child=$!
        while ! grep -q ready "$1/ready" 2>/dev/null; do sleep 0.05; done
        echo 128 > /proc/sys/net/core/somaxconn
        "$2" sysctl somaxconn
        kill $child
    "#;
    let home = tempfile::tempdir().unwrap();
    let Some(output) = super::namespace::script(script, home.path()) else { return };
    let text = stdout(&output);
    assert!(
        text.contains("warning: somaxconn is 128, below the backlog of 1 listener (port 8080)"),
        "{text}"
    );
}

#[test]
fn a_table_fits_80_columns() {
    let home = tempfile::tempdir().unwrap();
    let text = stdout(&run(home.path(), &["sysctl", "--meanings"]));
    assert!(text.contains("ipv4.tcp_rmem"), "{text}");
    // Its columns are as wide as this machine's settings: those that are longer than usual make
    // it wider.
    let document = json(home.path(), &["sysctl", "-o", "json"]);
    let excess = |key: &str, usual: usize| {
        let rows = document["settings"].as_array().unwrap().iter();
        let shown = rows.filter(|row| key == "value" || row["changed"] != false);
        let widths = shown.filter_map(|row| row[key].as_str()).map(str::len);
        widths.max().unwrap_or(0).saturating_sub(usual)
    };
    let room = 80 + excess("value", 20) + excess("default", "varies".len());
    for line in text.lines() {
        let is_row = ["  NET.", "  ipv4.", "  core."].iter().any(|row| line.starts_with(row));
        assert!(line.chars().count() <= if is_row { room } else { 80 }, "{room}: {line}");
    }
}
