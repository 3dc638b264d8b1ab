//! Every reply attribute, with the payload that its scenario set.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tcpdiag::model::{Socket, State};
use tcpdiag::wire::{ATTRIBUTE_COUNT, Reply, uapi};

use super::capture::{self, KERNELS, Kernel, replies};

/// The key of the MD5 scenario, which must not appear in output.
const MD5_KEY: &str = "fixture-k";

/// The JSON row of the only socket with these ports.
fn row(kernel: &Kernel, local: u16, remote: u16) -> Value {
    let mut found: Vec<Value> = kernel
        .dump()
        .iter()
        .filter(|socket| (socket.local.port, socket.remote.port) == (local, remote))
        .map(capture::json)
        .collect();
    assert_eq!(found.len(), 1, "{} {local} {remote}", kernel.release);
    found.remove(0)
}

/// Both ends of a scenario: the client's, the server's.
fn ends(kernel: &Kernel, port: u16) -> [Value; 2] {
    [row(kernel, port + 10_000, port), row(kernel, port, port + 10_000)]
}

#[test]
fn marks_and_types_of_service_are_decoded() {
    for kernel in KERNELS {
        for end in ends(&kernel, 20050) {
            assert_eq!((&end["mark"], &end["tos"]), (&json!(0x1234), &json!(0x28)));
            assert_eq!(end.get("tclass"), None, "IPv4 has none");
        }
        for end in ends(&kernel, 20051) {
            assert_eq!((&end["mark"], &end["tclass"]), (&json!(0x5678), &json!(0xb8)));
        }
        // Setting a type of service sets the priority, which is the class id without a net_cls
        // controller.
        assert_eq!(row(&kernel, 30050, 20050)["class_id"], 2);
        assert_eq!(row(&kernel, 30058, 20058)["class_id"], 6);
        assert_eq!(row(&kernel, 20041, 0)["mark"], 0x41);
        // Records without a socket: the mark, from 6.1 on, and nothing else.
        let time_wait = row(&kernel, 30032, 20032);
        let mark = time_wait.get("mark").cloned();
        assert_eq!(mark, (kernel.release != "5.10.223").then(|| json!(0x32)));
        for key in ["tcp_info", "skmem", "uid", "cgroup", "congestion", "shutdown", "derived"] {
            assert_eq!(time_wait.get(key), None, "{key}");
        }
        assert_eq!(time_wait["timer"]["kind"], "time_wait");
    }
}

#[test]
fn option_flags_are_decoded() {
    for kernel in KERNELS {
        let usual = ["is_icsk", "mc_loop", "mc_all"];
        assert_eq!(row(&kernel, 30010, 20010)["sockopt"], json!(usual));
        let set = ["recverr", "is_icsk", "freebind", "mc_loop", "transparent", "mc_all"];
        for end in ends(&kernel, 20058) {
            assert_eq!(end["sockopt"], json!(set));
        }
        assert_eq!(row(&kernel, 20052, 0)["v6only"], true);
        assert_eq!(row(&kernel, 20003, 0)["v6only"], false);
        // Only listening and closed IPv6 sockets have it.
        assert_eq!(row(&kernel, 20011, 30011).get("v6only"), None);
        assert_eq!(row(&kernel, 20001, 0).get("v6only"), None);
    }
}

#[test]
fn shutdown_interface_and_cgroup_are_decoded() {
    for kernel in KERNELS {
        let closed = |receive, send| json!({"receive": receive, "send": send});
        assert_eq!(row(&kernel, 30030, 20030)["shutdown"], closed(false, true));
        assert_eq!(row(&kernel, 20030, 30030)["shutdown"], closed(true, false));
        assert_eq!(row(&kernel, 20035, 30035)["shutdown"], closed(true, true));
        assert_eq!(row(&kernel, 20010, 30010)["shutdown"], closed(false, false));
        assert_eq!(row(&kernel, 20081, 0)["interface"], json!({"index": 1}));
        assert!(row(&kernel, 30080, 20080)["interface"]["index"].as_u64() > Some(1));
        assert_eq!(row(&kernel, 20001, 0).get("interface"), None);
        for socket in kernel.dump() {
            let full = !socket.is_minisock();
            assert_eq!(socket.cgroup_id, full.then_some(1), "{socket:?}");
            assert_eq!(socket.sockopt.is_some(), full);
            assert_eq!(socket.skmem.is_some(), full);
        }
    }
}

#[test]
fn congestion_control_details_are_decoded() {
    for kernel in KERNELS {
        let mut expected = vec![(20020, "cubic"), (20021, "reno"), (20022, "bbr")];
        if kernel.modules {
            expected.extend([(20023, "dctcp"), (20024, "vegas"), (20025, "westwood")]);
            expected.extend([(20026, "illinois"), (20027, "htcp"), (20028, "cdg"), (20029, "nv")]);
        }
        for (port, name) in expected {
            let details = match name {
                "bbr" => Some("bbr"),
                "dctcp" => Some("dctcp"),
                "vegas" | "westwood" | "illinois" | "nv" => Some("vegas"),
                _ => None,
            };
            for end in ends(&kernel, port) {
                assert_eq!(end["congestion"], name);
                for key in ["bbr", "dctcp", "vegas"] {
                    let sent = end.get(key).is_some();
                    // illinois sends details only once its window has adapted.
                    let may_be_silent = name == "illinois" && !sent;
                    assert!(sent == (details == Some(key)) || may_be_silent, "{name} {key}");
                }
            }
        }
        let bbr = row(&kernel, 30022, 20022)["bbr"].clone();
        assert!(bbr["bw"].as_u64() > Some(1_000_000), "{bbr}");
        // The startup gain, 2/ln 2 as the kernel rounds it.
        assert_eq!(
            (&bbr["pacing_gain"], &bbr["cwnd_gain"]),
            (&json!(2.88671875), &json!(2.88671875))
        );
        if kernel.modules {
            let dctcp = row(&kernel, 30023, 20023)["dctcp"].clone();
            assert_eq!((&dctcp["enabled"], &dctcp["ce_state"]), (&json!(true), &json!(0)));
            assert!(dctcp["alpha"].as_u64() <= Some(1024), "{dctcp}");
            let vegas = row(&kernel, 30024, 20024)["vegas"].clone();
            assert_eq!(vegas["enabled"], true);
            assert!(vegas["rtt_us"].as_u64() > Some(0), "{vegas}");
            // 0x7fffffff: nothing measured in this window.
            assert_eq!(vegas["min_rtt_us"], Value::Null);
        }
        let paced = row(&kernel, 30057, 20057)["tcp_info"].clone();
        assert_eq!(paced["max_pacing_rate"], 500_000);
        assert!(paced["pacing_rate"].as_u64() <= Some(500_000));
        assert_eq!(row(&kernel, 30010, 20010)["tcp_info"]["max_pacing_rate"], Value::Null);
    }
}

#[test]
fn upper_layer_protocols_are_decoded() {
    for kernel in KERNELS {
        let [client, server] = ends(&kernel, 20055).map(|end| end.get("ulp").cloned());
        if kernel.tls {
            let client = client.unwrap();
            assert_eq!(client["name"], "tls");
            let tls = &client["tls"];
            assert_eq!((&tls["version"], &tls["cipher"]), (&json!("1.2"), &json!("aes-gcm-128")));
            assert_eq!((&tls["tx_conf"], &tls["rx_conf"]), (&json!("sw"), &json!("none")));
            assert_eq!(
                (&tls["zerocopy_sendfile"], &tls["rx_no_pad"]),
                (&json!(false), &json!(false))
            );
            let payload = (kernel.release == "7.2.13").then(|| json!(16_384));
            assert_eq!(tls.get("tx_max_payload").cloned(), payload);
            // No keys were set at the other end.
            let tls = &server.unwrap()["tls"];
            assert_eq!((tls.get("version"), tls.get("cipher")), (None, None));
            assert_eq!((&tls["tx_conf"], &tls["rx_conf"]), (&json!("none"), &json!("none")));
        } else {
            assert_eq!((client, server), (None, None));
        }
        if !kernel.mptcp {
            continue;
        }
        let [client, server] = ends(&kernel, 20056).map(|end| end["ulp"].clone());
        assert_eq!((&client["name"], &server["name"]), (&json!("mptcp"), &json!("mptcp")));
        let [client, server] = [client, server].map(|ulp| ulp["mptcp"].clone());
        // Capable on both sides, fully established, connected.
        assert_eq!((&client["flags"], &server["flags"]), (&json!(0xc3), &json!(0xc1)));
        assert_eq!((&client["id_loc"], &client["id_rem"]), (&json!(0), &json!(0)));
        // 4000 bytes came back in one mapping; the last of 9000 up began at 8001.
        assert_eq!((&client["map_datalen"], &client["map_sfseq"]), (&json!(4000), &json!(1)));
        assert_eq!((&server["map_datalen"], &server["map_sfseq"]), (&json!(1000), &json!(8001)));
        assert!(client["token_loc"].as_u64() > Some(0));
        assert_ne!(client["token_loc"], server["token_loc"]);
    }
}

#[test]
fn md5_peers_are_shown_and_keys_never() {
    for kernel in KERNELS {
        let expected = json!({
            "total": 1,
            "keys": [{"addr": "127.0.0.1", "prefix_len": 32, "key_len": MD5_KEY.len()}],
        });
        for end in ends(&kernel, 20054) {
            assert_eq!(end["md5"], expected);
        }
        let mut key_in_hex = String::new();
        MD5_KEY.bytes().for_each(|byte| key_in_hex.push_str(&format!("{byte:02x}")));
        for socket in kernel.dump() {
            let has_key = [20054, 30054].contains(&socket.local.port);
            assert_eq!(socket.md5.is_some(), has_key);
            for shown in [capture::json(&socket).to_string(), format!("{socket:?}")] {
                assert!(!shown.contains(MD5_KEY) && !shown.contains(&key_in_hex), "{shown}");
            }
        }
    }
}

/// Rows of the single lookups by local port.
fn lookups(kernel: &Kernel, file: &str) -> BTreeMap<u16, Value> {
    kernel.sockets(file).iter().map(|socket| (socket.local.port, capture::json(socket))).collect()
}

#[test]
fn privileged_attributes_are_absent_without_privilege() {
    for kernel in KERNELS {
        let privileged = lookups(&kernel, "privileged.nl");
        let unprivileged = lookups(&kernel, "unprivileged.nl");
        let ports = if kernel.mptcp { 30054..=30056 } else { 30054..=30055 };
        let expected: Vec<u16> = [30050].into_iter().chain(ports).collect();
        assert_eq!(privileged.keys().copied().collect::<Vec<_>>(), expected);
        assert_eq!(privileged[&30050]["mark"], 0x1234);
        assert_eq!(privileged[&30054]["md5"]["total"], 1);
        assert_eq!(privileged[&30055].get("ulp").is_some(), kernel.tls);
        // Whether ULP information needs a privilege depends on the kernel.
        let ulp_for_all = ["6.18.44", "7.2.13"].contains(&kernel.release);
        for (port, row) in &unprivileged {
            let with = &privileged[port];
            assert_eq!((row.get("mark"), row.get("md5")), (None, None), "absent, not zero");
            let ulp = with.get("ulp").is_some() && ulp_for_all;
            assert_eq!(row.get("ulp").is_some(), ulp, "{} {port}", kernel.release);
            for key in ["tos", "class_id", "cgroup", "sockopt", "skmem", "congestion", "shutdown"] {
                assert_eq!(row[key], with[key], "{key}");
            }
            assert_eq!(row["tcp_info"]["bytes_acked"], with["tcp_info"]["bytes_acked"]);
        }
        assert_eq!(unprivileged.len(), privileged.len());
        if kernel.mptcp && ulp_for_all {
            let [with, without] =
                [&privileged, &unprivileged].map(|rows| rows[&30056]["ulp"]["mptcp"].clone());
            // Sequence numbers need privilege, tokens do not.
            for key in ["relwrite_seq", "map_seq", "map_sfseq", "ssn_offset", "map_datalen"] {
                assert!(with.get(key).is_some() && without.get(key).is_none(), "{key}");
            }
            for key in ["token_rem", "token_loc", "flags", "id_rem", "id_loc"] {
                assert!(with.get(key).is_some() && without.get(key) == with.get(key), "{key}");
            }
        }
    }
}

#[test]
fn attributes_not_requested_are_absent() {
    for kernel in KERNELS {
        let bytes = kernel.bytes("tcp4-noext.nl");
        let (mut full, mut bare) = (0, 0);
        for reply in replies(&bytes) {
            let sent: Vec<u16> = (0..ATTRIBUTE_COUNT as u16)
                .filter(|&kind| reply.attribute(kind).is_some())
                .collect();
            let socket = Socket::new(&reply, kernel.ecn()).unwrap();
            if socket.is_minisock() {
                assert!(sent.is_empty() || sent == [uapi::INET_DIAG_MARK], "{sent:?}");
                bare += 1;
            } else {
                assert_eq!(
                    sent,
                    [
                        uapi::INET_DIAG_SHUTDOWN,
                        uapi::INET_DIAG_MARK,
                        uapi::INET_DIAG_CGROUP_ID,
                        uapi::INET_DIAG_SOCKOPT
                    ]
                );
                full += 1;
            }
            let row = capture::json(&socket);
            for key in ["tcp_info", "skmem", "congestion", "tos", "tclass", "derived"] {
                assert_eq!(row.get(key), None, "not asked for: {key}");
            }
        }
        assert_eq!(full + bare, kernel.records[0]);
        assert!(bare >= 3, "{bare}");
        // A closed socket without tcp_info comes from the bind table if it is in a dump.
        let bound =
            kernel.sockets("tcp4-noext.nl").iter().filter(|s| s.local.port == 20090).count();
        assert_eq!(bound, usize::from(kernel.bound));
    }
}

#[test]
fn a_lookup_equals_the_dump() {
    for kernel in KERNELS {
        let alone = lookups(&kernel, "get-one.nl");
        assert_eq!(alone.len(), 1);
        let dumped = row(&kernel, 20010, 30010);
        for key in ["cookie", "inode", "congestion", "skmem", "local", "remote", "state", "sockopt"]
        {
            assert_eq!(alone[&20010][key], dumped[key], "{key}");
        }
    }
}

#[test]
fn bound_unused_sockets_are_decoded() {
    for kernel in KERNELS.into_iter().filter(|kernel| kernel.bound) {
        let row = row(&kernel, 20090, 0);
        assert_eq!(row["state"], "bound_inactive");
        assert!(row["inode"].as_u64() > Some(0));
        assert_eq!((row.get("tcp_info"), row.get("congestion")), (None, None));
        assert!(row.get("skmem").is_some());
    }
}

#[test]
fn destroy_events_are_decoded() {
    for kernel in KERNELS {
        let bytes = kernel.bytes("destroy.nl");
        let dumped: BTreeMap<u64, Socket> =
            kernel.dump().into_iter().map(|socket| (socket.cookie, socket)).collect();
        let events = replies(&bytes);
        assert_eq!(events.len(), 21);
        let mut zeroed = 0;
        for reply in &events {
            assert_eq!(reply.protocol(), Some(6));
            let socket = Socket::new(reply, kernel.ecn()).unwrap();
            assert_eq!(socket.state, State::Close, "an event is no bound socket");
            let info = socket.tcp_info.unwrap();
            assert_eq!(info.sent_length(), kernel.tcp_info);
            assert_eq!((socket.uid, socket.inode, socket.timer), (0, 0, None));
            let sent = (0..ATTRIBUTE_COUNT as u16).filter(|&kind| reply.attribute(kind).is_some());
            assert_eq!(sent.collect::<Vec<_>>(), [uapi::INET_DIAG_INFO, uapi::INET_DIAG_PROTOCOL]);
            let row = capture::json(&socket);
            assert_eq!(row["tcp_info"]["state"], 7);
            // The cookie identifies its last sample.
            let before = dumped[&socket.cookie];
            let total = |socket: &Socket, key: &str| {
                capture::json(socket)["tcp_info"][key].as_u64().unwrap_or(0)
            };
            if socket.remote.port == 0 && before.state != State::Listen {
                // Reset by its owner, or never accepted: the kernel zeroed its counters.
                assert_eq!(total(&socket, "segs_in") + total(&socket, "segs_out"), 0);
                zeroed += 1;
            } else {
                assert_eq!(socket.local, before.local);
                for key in ["bytes_acked", "bytes_received", "segs_in", "segs_out"] {
                    assert!(total(&socket, key) >= total(&before, key), "{key} {socket:?}");
                }
            }
        }
        // The reset one, and two that were never accepted.
        assert_eq!(zeroed, 3, "{}", kernel.release);
    }
}

#[test]
fn both_memory_attributes_agree() {
    let mut compared = 0;
    for kernel in KERNELS {
        for file in ["tcp4.nl", "tcp6.nl", "legacy.nl"] {
            let bytes = kernel.bytes(file);
            for reply in replies(&bytes) {
                let Some(words) = reply.meminfo() else { continue };
                let skmem = reply.skmem().unwrap();
                let same = [0, 5, 4, 2].map(|index| skmem.word(index).unwrap());
                assert_eq!(words, same, "{reply:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn every_attribute_occurs_in_some_capture() {
    let mut met = [false; ATTRIBUTE_COUNT];
    let mut note = |reply: &Reply<'_>| {
        for (kind, met) in met.iter_mut().enumerate() {
            *met |= reply.attribute(kind as u16).is_some();
        }
    };
    for kernel in KERNELS {
        for file in ["tcp4.nl", "tcp6.nl", "destroy.nl"] {
            replies(&kernel.bytes(file)).iter().for_each(&mut note);
        }
    }
    let never: Vec<usize> = (1..ATTRIBUTE_COUNT).filter(|&kind| !met[kind]).collect();
    // SCTP's LOCALS and PEERS, the padding, and storage of eBPF programs.
    assert_eq!(never, [12, 13, 14, 20]);
}

#[test]
fn accurate_ecn_is_decoded_by_release() {
    for kernel in KERNELS {
        let ecn = row(&kernel, 30072, 20072)["tcp_info"].clone();
        let keys = ["ecn_mode", "accecn_opt_seen", "accecn_fail_mode", "options2"];
        let read = keys.map(|key| ecn.get(key).and_then(Value::as_u64));
        let expected = match kernel.release {
            "7.2.13" => [Some(1), Some(0), Some(0), Some(0)],
            "6.18.44" => [None, Some(0), Some(0), None],
            _ => [None; 4],
        };
        assert_eq!(read, expected, "{}", kernel.release);
        assert_eq!(ecn.get("unknown_tail"), None);
        if kernel.release == "7.2.13" {
            // 0x0a: accurate ECN, and the option seen.
            let accurate = row(&kernel, 30073, 20073)["tcp_info"].clone();
            assert_eq!(
                (&accurate["ecn_mode"], &accurate["accecn_opt_seen"]),
                (&json!(2), &json!(2))
            );
        }
        let counts = kernel.tcp_info >= 280;
        assert_eq!(ecn.get("received_e0_bytes").is_some(), counts);
        // The option that shows it is newer than the bit that ss reads.
        let child = row(&kernel, 20059, 31060)["tcp_info"]["options"].clone();
        let says = child.as_array().unwrap().contains(&json!("tfo_child"));
        assert_eq!(says, kernel.tcp_info >= 280, "{} {child}", kernel.release);
    }
}
