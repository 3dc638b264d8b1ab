//! Destroy events of five kernels against the dumps that were made before them.

use std::path::{Path, PathBuf};
use std::time::Instant;

use tcpdiag::model::{Socket, State, fields::tcp_info};
use tcpdiag::tracking::{Activity, Ending, SocketTracker, Watch};
use tcpdiag::wire::{EcnWord, Messages, Reply};

const KERNELS: [&str; 5] = ["5.10.223", "6.1.192", "6.12.107", "6.18.44", "7.2.13"];

fn sockets(kernel: &str, file: &str) -> Vec<Socket> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", kernel, file].iter().collect();
    let bytes = std::fs::read(Path::new(&path)).unwrap();
    let ecn = EcnWord::of_release(kernel);
    let messages = Messages::new(&bytes).map(|message| message.unwrap());
    let replies = messages.filter(|message| message.kind == 20);
    replies
        .map(|message| Socket::new(&Reply::new(message.payload).unwrap(), ecn).unwrap())
        .collect()
}

fn poll(ledger: &mut SocketTracker, dump: &[Socket], events: &[Socket]) -> Vec<Activity> {
    ledger.begin(Instant::now());
    for socket in dump {
        ledger.observe(socket);
    }
    events.iter().for_each(|socket| ledger.on_destroy(socket));
    let mut activities = Vec::new();
    let ending = Ending { watch: Watch::Whole, whole_dump: true };
    ledger.end(ending, |activity| activities.push(*activity));
    activities
}

#[test]
fn every_event_matches_its_socket() {
    for kernel in KERNELS {
        let dump = [sockets(kernel, "tcp4.nl"), sockets(kernel, "tcp6.nl")].concat();
        let events = sockets(kernel, "destroy.nl");
        assert_eq!(events.len(), 21, "{kernel}");
        let mut ledger = SocketTracker::new();
        poll(&mut ledger, &dump, &[]);
        let live = ledger.len();
        let alive: Vec<Socket> = dump
            .iter()
            .filter(|socket| events.iter().all(|event| event.cookie != socket.cookie))
            .copied()
            .collect();
        let activities = poll(&mut ledger, &alive, &events);
        let closed: Vec<&Activity> = activities.iter().filter(|activity| activity.closed).collect();
        assert_eq!(closed.len(), 21, "{kernel}");
        let mut zeroed = Vec::new();
        for activity in closed {
            let before = dump.iter().find(|socket| socket.cookie == activity.cookie).unwrap();
            assert!(activity.in_baseline && !activity.opened && !activity.vanished);
            assert_eq!(activity.identity.local, before.local, "{kernel}");
            assert_eq!(activity.identity.remote, before.remote, "{kernel}");
            assert_eq!(activity.identity.cgroup_id, before.cgroup_id);
            // A few segments of a FIN handshake, never a wrap.
            for (field, growth) in activity.delta.iter() {
                assert!(growth < 100_000, "{kernel} {}: {growth}", field.name);
            }
            let segments = activity.delta.growth(&tcp_info::SEGS_OUT);
            assert!(segments.is_none_or(|segments| segments < 10), "{kernel} {segments:?}");
            if activity.wiped {
                assert!(activity.delta.is_zero(), "{kernel}");
                zeroed.push(before.local.port.min(before.remote.port.max(1)));
            }
        }
        // 21000: closed with SO_LINGER 0; 21004: two children never accepted;
        // 21006: closed in SYN_SENT.
        zeroed.sort_unstable();
        assert!(zeroed.iter().filter(|&&port| port == 21004).count() == 2, "{kernel} {zeroed:?}");
        assert!(zeroed.contains(&21000), "{kernel} {zeroed:?}");
        println!("{kernel}: {live} sockets, wiped {zeroed:?}");
        // In the next poll they are gone, except records of TIME-WAIT.
        assert_eq!(poll(&mut ledger, &alive, &[]), [], "{kernel}");
        assert_eq!(ledger.len(), live - 21, "{kernel}");
    }
}

#[test]
fn a_repeated_dump_shows_no_growth() {
    for kernel in KERNELS {
        let dump = [sockets(kernel, "tcp4.nl"), sockets(kernel, "tcp6.nl")].concat();
        let mut ledger = SocketTracker::new();
        for _ in 0..3 {
            assert_eq!(poll(&mut ledger, &dump, &[]), []);
        }
        let full = |socket: &&Socket| !socket.is_minisock() && socket.state != State::BoundInactive;
        assert_eq!(ledger.len(), dump.iter().filter(full).count(), "{kernel}");
    }
}
