//! What servers and their clients do to each other without a fault of the network: clients that hang
//! up, connections that are used after the server has closed them, an end point that is not there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{sleep, spawn};
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Tcpdiag, ip, lab};

fn diagnosed() -> Value {
    Tcpdiag::new().document(&["diagnose", "--duration", "5s", "-o", "json"])
}

/// The finding of this code about sockets of this role.
fn finding<'d>(document: &'d Value, code: &str, role: &str) -> &'d Value {
    let mut findings = document["findings"].as_array().unwrap().iter();
    findings
        .find(|finding| finding["code"] == code && finding["subject"]["role"] == role)
        .unwrap_or_else(|| panic!("{code} {role}: {document:#}"))
}

fn evidence(finding: &Value, field: &str) -> Option<f64> {
    let all = finding["evidence"].as_array().unwrap();
    all.iter().find(|one| one["field"] == field)?["value"].as_f64()
}

/// Requests and answers have this many bytes.
const REQUEST: [u8; 100] = [b'?'; 100];
const ANSWER: [u8; 1000] = [b'!'; 1000];

lab!(
    fn clients_that_hang_up_are_a_warning() {
        ip("link set lo up").unwrap();
        let server = TcpListener::bind("127.0.0.1:7000").unwrap();
        spawn(move || {
            for connection in server.incoming() {
                let mut connection = connection.unwrap();
                // Until the client has gone.
                spawn(move || while connection.write_all(&[0; 1 << 16]).is_ok() {});
            }
        });
        let clients = spawn(|| {
            sleep(Duration::from_secs(1));
            for _ in 0..20 {
                let mut client = TcpStream::connect("127.0.0.1:7000").unwrap();
                client.read_exact(&mut [0; 1000]).unwrap();
                sleep(Duration::from_millis(100));
            }
        });
        let document = diagnosed();
        clients.join().unwrap();
        let found = finding(&document, "TD309", "server");
        assert_eq!(found["severity"], "warning", "{found:#}");
        assert!(evidence(found, "with_loss") >= Some(18.0), "{found:#}");
        let cause = found["cause"].as_str().unwrap();
        assert!(cause.contains("reset by the client, a program of this host"), "{cause}");
        assert!(!found.to_string().contains("firewall"), "{found:#}");
    }
);

lab!(
    fn connections_that_the_server_had_closed_are_used_again() {
        ip("link set lo up").unwrap();
        let server = TcpListener::bind("127.0.0.1:7000").unwrap();
        let mut clients: Vec<_> =
            (0..20).map(|_| TcpStream::connect("127.0.0.1:7000").unwrap()).collect();
        let mut accepted: Vec<_> = clients.iter().map(|_| server.accept().unwrap().0).collect();
        let traffic = spawn(move || {
            sleep(Duration::from_secs(1));
            for (client, accepted) in clients.iter_mut().zip(&mut accepted) {
                client.write_all(&REQUEST).unwrap();
                accepted.read_exact(&mut REQUEST.clone()).unwrap();
                accepted.write_all(&ANSWER).unwrap();
                client.read_exact(&mut ANSWER.clone()).unwrap();
            }
            sleep(Duration::from_millis(700));
            // The server stops: both its connections and its listener.
            drop((accepted, server));
            sleep(Duration::from_millis(700));
            for client in &mut clients {
                client.write_all(&REQUEST).unwrap();
            }
            sleep(Duration::from_millis(100));
        });
        let document = diagnosed();
        traffic.join().unwrap();
        let found = finding(&document, "TD309", "client");
        assert_eq!(found["severity"], "warning", "{found:#}");
        assert_eq!(evidence(found, "used_after_fin"), Some(20.0), "{found:#}");
        let advice = found["advice"].to_string();
        assert!(advice.contains("a fresh connection"), "{advice}");
        assert!(!found.to_string().contains("firewall"), "{found:#}");
        // What listened on the port was seen, though it has gone: it is no cassandra.
        assert_eq!(found["subject"]["service_basis"], "listener", "{found:#}");
        assert!(!found["subject"].to_string().contains("cassandra"), "{found:#}");
    }
);

lab!(
    fn an_end_point_that_is_not_there_is_found_beside_many_connects() {
        ip("link set lo up").unwrap();
        let server = TcpListener::bind("127.0.0.1:7000").unwrap();
        spawn(move || server.incoming().for_each(drop));
        let connects = spawn(|| {
            sleep(Duration::from_secs(1));
            for round in 0..300 {
                drop(TcpStream::connect("127.0.0.1:7000").unwrap());
                if round % 50 == 0 {
                    TcpStream::connect("127.0.0.1:7001").unwrap_err();
                }
                sleep(Duration::from_millis(5));
            }
        });
        let document = diagnosed();
        connects.join().unwrap();
        let found = finding(&document, "TD308", "client");
        assert_eq!(evidence(found, "failed_connects"), Some(6.0), "{found:#}");
        let cause = found["cause"].as_str().unwrap();
        assert!(cause.contains("succeeded (port 7000)"), "{cause}");
    }
);
