//! `tcpdiag record` on this machine, without privileges.

use std::net::{TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tcpdiag::model::Socket;
use tcpdiag::recording::{
    DumpEnded, Ending, EventsDrained, HostFacts, Kind, NamespaceOf, ReadError, SocketOwners,
};
use tcpdiag::wire::uapi::{SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};
use tcpdiag::wire::{EcnWord, Messages, Reply};

use super::content::{Item, Timed, read};
use super::tshark::{occurrences, tshark};
use crate::lab::{PATIENCE, program};

pub fn command(arguments: &[&str]) -> Command {
    let mut command = program();
    command.arg("record").args(arguments).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub fn record(file: &Path, arguments: &[&str]) -> Output {
    command(arguments).arg(file).output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A recorder that is killed if its test fails.
pub struct Recorder(Option<Child>);

impl Recorder {
    /// Starts it.
    pub fn spawn(file: &Path, arguments: &[&str]) -> Self {
        Self(Some(command(arguments).arg(file).spawn().unwrap()))
    }

    /// Waits for its end and returns what it has printed.
    pub fn wait_with_output(mut self) -> std::io::Result<Output> {
        self.0.take().unwrap().wait_with_output()
    }
}

impl Deref for Recorder {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().unwrap()
    }
}

impl DerefMut for Recorder {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts it and waits until it has flushed a first sample.
pub fn start(file: &Path, arguments: &[&str]) -> Recorder {
    let child = Recorder::spawn(file, arguments);
    wait_for(|| samples(file) > 0);
    child
}

pub fn wait_for(mut there: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !there() {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whole samples that can be read from a file: each ends with counters read a second time.
pub fn samples(file: &Path) -> usize {
    let Ok(bytes) = std::fs::read(file) else { return 0 };
    let (items, _) = read(bytes.as_slice());
    notes(&items, Kind::EventsDrained).len()
}

/// The path of a new file in a temporary directory.
pub fn new_file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("recording.pcapng.zst");
    (directory, file)
}

pub fn items(file: &Path) -> Vec<Timed> {
    let (items, end) = read(std::fs::read(file).unwrap().as_slice());
    let end = end.unwrap();
    assert!(end.is_complete && end.skipped == tcpdiag::recording::Skipped::default(), "{end:?}");
    items
}

pub fn notes(items: &[Timed], wanted: Kind) -> Vec<Vec<u8>> {
    let of_kind = |(_, item): &Timed| match item {
        Item::Note { kind, payload, .. } if *kind == wanted => Some(payload.clone()),
        _ => None,
    };
    items.iter().filter_map(of_kind).collect()
}

pub fn json<T: serde::de::DeserializeOwned>(payloads: &[Vec<u8>]) -> Vec<T> {
    payloads.iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
}

/// The sockets in the datagrams: of dumps and of destroy events.
pub fn sockets(items: &[Timed]) -> Vec<Socket> {
    let mut found = Vec::new();
    for (_, item) in items {
        let Item::Datagram { direction: tcpdiag::recording::Direction::Received, bytes, .. } = item
        else {
            continue;
        };
        for message in Messages::new(bytes).map(Result::unwrap) {
            if [SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK].contains(&message.kind) {
                let reply = Reply::new(message.payload).unwrap();
                found.push(Socket::new(&reply, EcnWord::Unknown).unwrap());
            }
        }
    }
    found
}

/// A connection of this process to itself.
pub struct Connection {
    listener: TcpListener,
    client: TcpStream,
    _server: TcpStream,
}

impl Connection {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        Self { listener, client, _server: server }
    }

    pub fn ports(&self) -> [u16; 2] {
        [&self.listener.local_addr(), &self.client.local_addr()]
            .map(|address| address.as_ref().unwrap().port())
    }
}

#[test]
fn a_recording_holds_the_requested_data() {
    let connection = Connection::new();
    let [server, client] = connection.ports();
    let (_directory, file) = new_file();
    let mut child = start(&file, &["--interval", "20ms"]);
    drop(connection);
    // The destroy event is in the next sample but one.
    let before = samples(&file);
    wait_for(|| samples(&file) > before + 2);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let items = items(&file);

    let [host]: [HostFacts; 1] = json(&notes(&items, Kind::Host)).try_into().unwrap();
    assert_eq!(host.interval_ns, 20_000_000);
    assert_eq!(host.arguments[1], "record");
    let [namespace]: [NamespaceOf; 1] = json(&notes(&items, Kind::Namespace)).try_into().unwrap();
    assert_eq!(namespace.interface, 0);
    let [ending]: [Ending; 1] = json(&notes(&items, Kind::End)).try_into().unwrap();
    assert_eq!(ending.why, "interrupted");
    let dumps: Vec<DumpEnded> = json(&notes(&items, Kind::DumpEnd));
    assert_eq!(dumps.len() as u64, ending.samples);
    assert_eq!(dumps.iter().map(|dump| dump.sockets).sum::<u64>(), ending.sockets);
    let drained: Vec<EventsDrained> = json(&notes(&items, Kind::EventsDrained));
    assert_eq!(drained.iter().map(|drained| drained.events).sum::<u64>(), ending.events);

    // Every record is there, and those of the connection among them.
    let sockets = sockets(&items);
    assert_eq!(sockets.len() as u64, ending.sockets + ending.events);
    let ours: Vec<&Socket> = sockets
        .iter()
        .filter(|socket| socket.local.port == client && socket.remote.port == server)
        .collect();
    let first = ours.first().expect("our connection");
    assert!(ours.iter().any(|socket| socket.inode == 0 && socket.cookie == first.cookie));
    let owner_notes = notes(&items, Kind::Owners).concat();
    let owners: Vec<SocketOwners> = owner_notes
        .split_inclusive(|byte| *byte == b'\n')
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let owner = owners.iter().find(|owner| owner.inode == first.inode).unwrap();
    assert_eq!(owner.holders[0].pid, std::process::id());
    // Written once, not in each sample.
    assert!(owners.iter().filter(|owner| owner.inode == first.inode).count() < 3);

    let counters = notes(&items, Kind::Counters);
    let of = |name: &str| counters.iter().filter(|text| text.starts_with(name.as_bytes())).count();
    assert_eq!(of("snmp\nIp:") as u64, 2 * ending.samples);
    assert_eq!(of("netstat\nTcpExt:") as u64, 2 * ending.samples);
    let settings = notes(&items, Kind::Sysctl).concat();
    let settings = String::from_utf8(settings).unwrap();
    assert!(settings.lines().any(|line| line.starts_with("net.ipv4.ip_local_port_range ")));

    // Wireshark finds as many messages: requests, records, and the ends of dumps.
    let Some(lines) = tshark(&file, &["netlink-sock_diag.nltype"]) else { return };
    let requests = items
        .iter()
        .filter(|(_, item)| {
            matches!(item, Item::Datagram { direction: tcpdiag::recording::Direction::Sent, .. })
        })
        .count();
    assert_eq!(lines.len(), items.len());
    assert_eq!(occurrences(&lines), sockets.len() + requests);
}

/// A document of `conns` or `listeners`, without times, cost and the note about hidden owners.
fn document(arguments: &[&str]) -> serde_json::Value {
    let mut command = program();
    let output = command.args(arguments).args(["-P", "-o", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["captured_at", "cost", "quality"] {
        assert!(document[key].take() != serde_json::Value::Null, "{key}");
    }
    let rows = document.get_mut("connections").and_then(serde_json::Value::as_array_mut);
    for row in rows.into_iter().flatten() {
        let info = row.get_mut("tcp_info").and_then(serde_json::Value::as_object_mut);
        info.into_iter().for_each(|info| info.retain(|key, _| !key.starts_with("last_")));
    }
    document
}

#[test]
fn a_recording_is_queried_like_the_host() {
    let connection = Connection::new();
    let [server, client] = connection.ports().map(|port| port.to_string());
    let (_directory, file) = new_file();
    let path = file.to_str().unwrap();
    // Children of other tests hold the sockets of this process until they execute: seldom at two
    // of these moments.
    let differences = || {
        let recorded = record(&file, &["--force", "--count", "2", "-i", "10ms"]);
        assert_eq!(recorded.status.code(), Some(0));
        [
            &["conns", "--state", "all", "--port", &server][..],
            &["conns", "--local-port", &client],
            &["conns", "--process", "no-such-process"],
            &["listeners", "--port", &server],
        ]
        .into_iter()
        .map(|arguments| [document(arguments), document(&[arguments, &["--read", path]].concat())])
        .find(|[live, then]| live != then)
    };
    let mut attempts = (0..10).map(|_| differences());
    let last = attempts.try_fold(None, |_, found| found.map(Some));
    assert!(last.is_none(), "at each attempt: {last:?}");
    drop(connection);
    // Closed on the host, but still in the recording.
    assert_eq!(
        document(&["conns", "--local-port", &client, "--read", path])["connections"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn unreadable_recordings_are_reported() {
    let (_directory, file) = new_file();
    assert_eq!(record(&file, &["--count", "3", "-i", "10ms"]).status.code(), Some(0));
    let path = file.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = program();
        let output = command.args(["conns", "--read", path]).args(arguments).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    for (arguments, words) in [
        (&["--at", "1999-01-01T00:00:00Z"][..], "nothing before its first sample"),
        (&["--at", "yesterday"], "accepted are times such as"),
        (&["--netns", "blue"], "not in the recording"),
        (&["-i", "1s"], "cannot be used with"),
        (&["autobound"], "filter program"),
    ] {
        let (code, error_text) = run(arguments);
        assert_eq!(code, Some(2), "{error_text}");
        assert!(error_text.contains(words), "{error_text}");
    }
    let (code, error_text) = run(&["--at", "2999-01-01T00:00"]);
    assert!(code == Some(2) && error_text.contains("its last sample is of "), "{error_text}");
    let (code, error_text) = run(&[]);
    assert!(code == Some(0) && error_text.contains("sample 3 of "), "{error_text}");
    // Cut in the last sample: the sample before it is shown, with a message.
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 150]).unwrap();
    let (code, error_text) = run(&[]);
    assert_eq!(code, Some(0), "{error_text}");
    assert!(error_text.contains("recording ends early at byte "), "{error_text}");
    std::fs::write(&file, "nothing of the kind\n").unwrap();
    let (code, error_text) = run(&[]);
    assert!(
        code == Some(2) && error_text.contains("this is no recording, but text"),
        "{error_text}"
    );
}

#[test]
fn recording_ends_by_itself() {
    for (arguments, why) in [
        (&["--count", "3", "-i", "10ms"][..], "count"),
        (&["--duration", "100ms", "-i", "30ms"], "duration"),
        (&["--duration", "10ms", "-i", "1h", "--compress", "none"], "duration"),
        (&["--max-size", "120KiB", "-i", "10ms", "--compress", "none"], "size"),
    ] {
        let (_directory, file) = new_file();
        let output = record(&file, arguments);
        let error_text = stderr(&output);
        assert_eq!(output.status.code(), Some(0), "{error_text}");
        assert!(output.stdout.is_empty() && error_text.lines().count() == 1, "{error_text}");
        let items = items(&file);
        let [ending]: [Ending; 1] = json(&notes(&items, Kind::End)).try_into().unwrap();
        assert_eq!(ending.why, why);
        assert!(error_text.contains(&format!(": {} sample", ending.samples)), "{error_text}");
        let size = std::fs::metadata(&file).unwrap().len();
        match why {
            "count" => assert_eq!(ending.samples, 3),
            // The first sample, further ones if there was time, and one at the end.
            "duration" => assert!((1..=5).contains(&ending.samples), "{ending:?}"),
            // Sockets of other tests may make a sample larger than the one before.
            _ => assert!((60 << 10..180 << 10).contains(&size), "{size}"),
        }
    }
}

#[test]
fn files_are_overwritten_only_on_request() {
    let (_directory, file) = new_file();
    std::fs::write(&file, "somebody's").unwrap();
    let output = record(&file, &["--count", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("exists already; --force overwrites it"));
    assert_eq!(std::fs::read(&file).unwrap(), b"somebody's");
    // No file is made when there is nothing to record.
    let other = file.with_extension("other");
    let output = record(&other, &["--netns", "no-such-namespace"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!other.exists());
    let output = record(&file, &["--count", "1", "--force"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!items(&file).is_empty());
    let output = record(Path::new("-"), &["--count", "1"]);
    assert!(stderr(&output).contains("not to standard output"), "{}", stderr(&output));
}

#[test]
fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_directory, file) = new_file();
    for arguments in [&["--count", "1"][..], &["--count", "1", "--force"]] {
        assert_eq!(record(&file, arguments).status.code(), Some(0));
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
}

#[test]
fn a_full_disk_is_reported() {
    for compress in ["zstd", "none"] {
        let arguments = ["--force", "--interval", "10ms", "--compress", compress];
        let output = record(Path::new("/dev/full"), &arguments);
        assert_eq!(output.status.code(), Some(2));
        let error_text = stderr(&output);
        assert_eq!(error_text.lines().count(), 1, "{error_text}");
        assert!(
            error_text.contains("cannot write /dev/full, which keeps 0 samples: No space"),
            "{error_text}"
        );
    }
}

#[test]
fn a_recording_can_be_read_after_the_recorder_was_killed() {
    for compress in ["zstd", "none"] {
        let (_directory, file) = new_file();
        let mut child = start(&file, &["--interval", "10ms", "--compress", compress]);
        wait_for(|| samples(&file) > 3);
        child.kill().unwrap();
        child.wait().unwrap();
        let (items, end) = read(std::fs::read(&file).unwrap().as_slice());
        assert!(notes(&items, Kind::EventsDrained).len() > 3);
        assert!(notes(&items, Kind::End).is_empty());
        match end {
            // A file that is not compressed may end between two blocks.
            Ok(end) => assert!(compress == "none" && !end.is_complete),
            Err(error) => assert!(matches!(error, ReadError::EndsEarly { .. }), "{error}"),
        }
    }
}
