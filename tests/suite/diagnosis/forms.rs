//! Forms of output.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::Value;

use crate::lab::{Socket, Tcpdiag, lab};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

lab!(
    fn all_forms_have_the_same_findings() {
        let full = Socket::listening(V4, 7001, 1);
        let _waiting: Vec<Socket> = (0..5)
            .map(|_| {
                let client = Socket::of(V4);
                client.begin_connect(V4, full.port());
                client
            })
            .collect();
        let run = |form: &str| {
            let rule = ["--rule", "TD153", "--duration", "3s", "-o", form];
            let output = Tcpdiag::new().run(&[&["diagnose"], &rule[..]].concat());
            assert_eq!(output.code, Some(0), "{form}: {}", output.stderr);
            output.stdout
        };
        let document: Value = serde_json::from_str(&run("json")).unwrap();
        for key in
            ["schema", "captured_at", "host", "netns", "interval_s", "checked", "quality", "cost"]
        {
            assert!(!document[key].is_null(), "{key}");
        }
        let finding = &document["findings"][0];
        for key in [
            "code",
            "name",
            "severity",
            "confidence",
            "scope",
            "title",
            "subject",
            "evidence",
            "cause",
            "advice",
            "other_side",
        ] {
            assert!(!finding[key].is_null(), "{key}: {finding}");
        }
        for key in ["field", "value", "unit", "threshold", "basis"] {
            assert!(!finding["evidence"][0][key].is_null(), "{key}: {finding}");
        }
        let lines = run("jsonl");
        let lines: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["schema"], "tcpdiag.diagnose.row/1");
        assert_eq!(lines[0]["code"], "TD153");
        assert_eq!(lines[1]["schema"], "tcpdiag.diagnose.end/1");
        let csv = run("csv");
        assert!(csv.starts_with("time,netns,code,name,severity"), "{csv}");
        assert_eq!(csv.lines().count(), 2, "{csv}");
        let text = run("table");
        assert!(
            text.contains("TD153 ") && text.contains("127.0.0.1:7001 on this host is full"),
            "{text}"
        );
        let document: Value = serde_json::from_str(&run("json")).unwrap();
        let advice = document["findings"].as_array().unwrap().iter();
        let advice = advice.flat_map(|finding| finding["advice"].as_array().unwrap().clone());
        let commands: Vec<String> =
            advice.filter_map(|one| Some(one["command"].as_str()?.to_owned())).collect();
        // Commands can be copied: each is one line, whatever the width.
        assert!(commands.len() > 1, "{commands:?}");
        for command in &commands {
            assert!(text.lines().any(|line| line.trim_start() == command), "{command}: {text}");
        }
        let others = text.lines().filter(|line| !commands.iter().any(|it| it == line.trim_start()));
        assert!(others.clone().all(|line| line.chars().count() <= 80), "{text}");
    }
);

lab!(
    fn several_namespaces_can_be_diagnosed_without_privileges() {
        let output = Tcpdiag::powerless().run(&["diagnose", "--duration", "50ms", "-o", "json"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        let all = Tcpdiag::new().document(&[
            "diagnose",
            "--duration",
            "50ms",
            "--netns",
            "all",
            "-o",
            "json",
        ]);
        assert!(all["netns"].is_null());
        assert!(all["checked"]["looks"].as_u64().unwrap() >= 2, "{all:#}");
    }
);
