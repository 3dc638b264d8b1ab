//! A filter restricts every finding, and the exit code, to what it selects.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use crate::lab::{Socket, Tcpdiag, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Findings of a diagnosis with these arguments.
fn findings(output: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(output).unwrap();
    document["findings"].as_array().unwrap().clone()
}

lab!(
    fn findings_about_others_do_not_count() {
        // Its accept queue is full, and it drops what comes. The other one has nothing to do.
        let full = Socket::listening(V4, 7001, 1);
        let _idle = Socket::listening(V4, 7200, 8);
        let _waiting: Vec<Socket> = (0..40)
            .map(|_| {
                let client = Socket::of(V4);
                client.begin_connect(V4, full.port());
                client
            })
            .collect();
        // A limit of each ratio that nothing stays below, so that there are findings of the host.
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("config.toml");
        let text = "[thresholds]\nlisten_overflows = { warn = 0.0001, critical = 0.001 }\n";
        std::fs::write(&config, text).unwrap();
        let usual = ["diagnose", "--duration", "3s", "-o", "json", "--fail-on", "info"];
        let config = ["--config", config.to_str().unwrap()];
        let run = |filter: &[&str]| Tcpdiag::new().run(&[&usual, &config[..], filter].concat());

        let everything = run(&[]);
        assert_eq!(everything.code, Some(1), "{}", everything.stderr);
        let all = findings(&everything.stdout);
        assert!(all.iter().all(|finding| finding["selected"] == true), "{all:#?}");
        assert!(all.iter().any(|finding| finding["subject"]["port"] == 7001), "{all:#?}");

        for filter in [&["-p", "7200"][..], &["sport = :7200"]] {
            let output = run(filter);
            let some = findings(&output.stdout);
            for finding in &some {
                let is_of_host = finding["scope"] == "host";
                assert_eq!(finding["selected"], !is_of_host, "{finding:#}");
                assert!(is_of_host || finding["subject"]["port"] == 7200, "{finding:#}");
            }
            assert_eq!(output.code, Some(0), "{filter:?}: {some:#?}");
        }
        let output = run(&["-p", "7001"]);
        let some = findings(&output.stdout);
        let selected = some.iter().filter(|finding| finding["selected"] == true);
        assert!(selected.count() > 0, "{some:#?}");
        assert_eq!(output.code, Some(1), "{some:#?}");
    }
);
