//! Recordings that are small on the disk and large in memory: every command ends early, says so, and
//! takes little memory.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tcpdiag::recording::{Compression, Direction, Kind, Reader, Sample, Writer};
use tcpdiag::wire::uapi::SOCK_DIAG_BY_FAMILY;

use super::content::{ABOUT, NAMESPACE, writer};

/// The most memory of a command, in kilobytes.
const MOST: u64 = 100_000;

/// What each bomb holds, in bytes: more than a command may take.
const LARGE: usize = 120 << 20;

/// Every command that reads recordings; `{}` is the file, and `{out}` a new one.
const COMMANDS: [&str; 9] = [
    "conns --strict --read {}",
    "listeners --strict --read {}",
    "services --strict -N all --read {}",
    "stats --strict -N all --read {}",
    "stats --strict --interval 1s --read {}",
    "diagnose --strict --read {}",
    "convert --strict {}",
    "convert --strict --force --anonymise --into {out} {}",
    "diff --strict {} {}",
];

/// Commands that read each bomb, in turn:
/// `TCPDIAG_ALL_BOMBS=1 cargo test --test suite bombs` has every command read every bomb, and
/// `TCPDIAG_BOMB` chooses those whose names contain it.
const IN_TURN: usize = 3;

/// Bombs that are read whole: what is too long in them is cut, or skipped as no known fact.
const WHOLE: [&str; 2] = ["a long note", "names of namespaces"];

type Bomb = Writer<Vec<u8>>;

/// A command's exit code, standard error, and the most memory that it took in kilobytes.
fn run(command: &str, file: &Path, out: &Path) -> (i32, String, u64) {
    // Python's process is small, so the peak is that of the command.
    let script = "import resource, subprocess, sys; \
         code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; \
         print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let words = command.split(' ').map(|word| match word {
        "{}" => file.to_str().unwrap(),
        "{out}" => out.to_str().unwrap(),
        word => word,
    });
    // A copy is made block by block, so its memory shows in the first seconds.
    let most = if command.contains("--anonymise") { "3" } else { "60" };
    let output = Command::new("python3")
        .args(["-c", script, "timeout", most, env!("CARGO_BIN_EXE_tcpdiag")])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (code, peak) = text.trim().split_once(' ').unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    (code.parse().unwrap(), message, peak.parse().unwrap())
}

/// One reply, of this socket, with so many bytes in an attribute of an unknown kind.
fn reply(number: u64, padding: usize) -> Vec<u8> {
    let attribute = if padding == 0 { 0 } else { 4 + padding };
    let mut message = ((16 + 72 + attribute) as u32).to_ne_bytes().to_vec();
    message.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend([2, 0]);
    message.extend([0; 8]);
    // An established IPv4 connection; ports, addresses, interface, cookie.
    message.extend([2, 1, 0, 0, 0, 80]);
    message.extend(((number % 50_000) as u16 + 1).to_be_bytes());
    message.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([127, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([0; 4]);
    message.extend(number.to_ne_bytes());
    message.resize(16 + 72, 0);
    if padding > 0 {
        message.extend(((4 + padding) as u16).to_ne_bytes());
        message.extend(200u16.to_ne_bytes());
        message.resize(16 + 72 + attribute, 0);
    }
    message
}

const COUNTERS: &str = "snmp\nTcp: InSegs\nTcp: 1\n";

fn begin(writer: &mut Bomb) {
    let host = json!({
        "hostname": "h", "kernel": "6.12.0", "machine": "x86_64", "boot_id": "b", "version": "0",
        "arguments": [], "interval_ns": 1_000_000_000, "net_admin": true,
        "monotonic_ns": 1, "realtime_ns": 1,
    });
    writer.json(Kind::Host, 0, &host).unwrap();
    let inode = NAMESPACE.inode;
    let fact = json!({"interface": 0, "inode": inode, "name": null});
    writer.json(Kind::Namespace, inode, &fact).unwrap();
}

fn begin_sample(writer: &mut Bomb, number: u32) {
    let time = 1_700_000_000_000_000_000 + 1_000_000_000 * u64::from(number);
    writer.set_time(time);
    writer.set_sample(number);
    let clocks = json!({"monotonic_ns": time, "realtime_ns": time});
    writer.json(Kind::Sample, 0, &clocks).unwrap();
    writer.note(Kind::Counters, NAMESPACE.inode, COUNTERS.as_bytes()).unwrap();
    let dump = json!({"states": 4095, "extensions": 255, "ipv4": true, "ipv6": true});
    writer.json(Kind::DumpBegin, NAMESPACE.inode, &dump).unwrap();
}

fn end_dump(writer: &mut Bomb) {
    let end = json!({"sockets": 1, "decode_errors": 0, "bad_attributes": 0, "interrupted": 0});
    writer.json(Kind::DumpEnd, NAMESPACE.inode, &end).unwrap();
}

fn end_sample(writer: &mut Bomb) {
    let drained = json!({"events": 0, "decode_errors": 0, "overruns": 0, "lost": 0});
    writer.json(Kind::EventsDrained, NAMESPACE.inode, &drained).unwrap();
    writer.note(Kind::Counters, NAMESPACE.inode, COUNTERS.as_bytes()).unwrap();
    writer.json(Kind::SampleEnd, 0, &json!({"monotonic_ns": 1, "realtime_ns": 1})).unwrap();
}

/// A whole sample of one socket.
fn sample(writer: &mut Bomb, number: u32) {
    begin_sample(writer, number);
    writer.datagram(0, Direction::Received, &reply(7, 400)).unwrap();
    end_dump(writer);
    end_sample(writer);
}

/// Two samples, and a third in which `fill` puts what it likes before and after the dump ends,
/// until the file holds [`LARGE`] bytes. What it puts is compressed once, as a frame by itself.
fn bomb(fill: impl FnOnce(&mut Bomb)) -> Vec<u8> {
    let mut writer = writer(Compression::None);
    begin(&mut writer);
    sample(&mut writer, 0);
    sample(&mut writer, 1);
    begin_sample(&mut writer, 2);
    let begins = writer.written() as usize;
    fill(&mut writer);
    let ends = writer.written() as usize;
    end_dump(&mut writer);
    end_sample(&mut writer);
    let end = json!({"why": "count", "samples": 3, "sockets": 3, "events": 0, "events_lost": 0});
    writer.json(Kind::End, 0, &end).unwrap();
    let whole = writer.finish().unwrap();
    frames(&whole[..begins], &whole[begins..ends], &whole[ends..])
}

/// These bytes, of which the middle is repeated.
fn frames(head: &[u8], middle: &[u8], tail: &[u8]) -> Vec<u8> {
    let [head, part, tail] = [head, middle, tail].map(|part| zstd::encode_all(part, 1).unwrap());
    [head, part.repeat((LARGE / middle.len()).max(1)), tail].concat()
}

/// The same note again and again.
fn notes(kind: Kind, note: &[u8]) -> Vec<u8> {
    bomb(|writer| {
        end_dump(writer);
        let times = (1 << 20) / note.len() + 1;
        (0..times).for_each(|_| writer.note(kind, NAMESPACE.inode, note).unwrap());
    })
}

/// Lines of a note, numbered from `first`.
fn lines(count: usize, line: impl Fn(usize) -> String) -> Vec<u8> {
    (0..count).map(line).collect::<String>().into_bytes()
}

/// Blocks as they are, in a section of their own: some at its start, others again and again.
fn blocks(head: &[Vec<u32>], repeated: &[Vec<u32>]) -> Vec<u8> {
    let section = vec![0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28];
    let bytes = |blocks: &[Vec<u32>]| -> Vec<u8> {
        blocks.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect()
    };
    let head = bytes(&[&[section], head].concat());
    frames(&head, &bytes(repeated), &[])
}

/// A frame whose header asks for a window of 128 MiB, and that fills it with an unknown block.
fn wide() -> Vec<u8> {
    let plain = zstd::decode_all(blocks(&[netlink()], &[vec![77, 12, 12]]).as_slice());
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(&plain.unwrap()).unwrap();
    encoder.finish().unwrap()
}

/// An interface block.
fn netlink() -> Vec<u32> {
    vec![1, 20, 253, 0, 20]
}

/// A packet block with a datagram.
fn packet(datagram: Vec<u8>) -> Vec<u32> {
    let mut bytes = vec![0, 0, 3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4];
    bytes.extend(datagram);
    let length = bytes.len() as u32;
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let whole = 32 + bytes.len() as u32;
    let mut block = vec![6, whole, 0, 0, 7, length, length];
    block.extend(bytes.chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())));
    block.push(whole);
    block
}

fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let many = |padding| (0..32_000 / (92 + padding)).flat_map(move |_| reply(3, padding));
    let datagrams = |bytes: Vec<u8>, ends: bool| {
        bomb(|writer| {
            if ends {
                end_dump(writer);
            }
            (0..32).for_each(|_| writer.datagram(0, Direction::Received, &bytes).unwrap());
        })
    };
    let name = "n".repeat(200_000);
    let owners = |from: usize, count| {
        lines(count, |at| format!("{{\"inode\":{},\"holders\":[]}}\n", from + at))
    };
    let inode = NAMESPACE.inode;
    vec![
        ("one socket again and again", datagrams(many(300).collect(), false)),
        ("bytes that are no messages", datagrams(vec![0; 30_000], false)),
        ("messages of another kind", datagrams(Vec::from(&[32, 0, 0, 0, 77, 0, 0, 0][..]).repeat(4).repeat(900), false)),
        ("one event again and again", datagrams(many(300).collect(), true)),
        ("sockets with long attributes", bomb(|writer| {
            for number in 0..500 {
                writer.datagram(0, Direction::Received, &reply(number, 30_000)).unwrap();
            }
        })),
        ("owners of no socket", notes(Kind::Owners, &owners(0, 40_000))),
        ("holders of a socket", notes(Kind::Owners, format!(
            "{{\"inode\":7,\"holders\":[{}{{\"pid\":1,\"fd\":1,\"comm\":\"\"}}]}}\n",
            "{\"pid\":1,\"fd\":1,\"comm\":\"\"},".repeat(100_000),
        ).as_bytes())),
        ("owners in every sample", {
            let mut writer = writer(Compression::Zstd);
            begin(&mut writer);
            for number in 0..25 {
                begin_sample(&mut writer, number);
                writer.datagram(0, Direction::Received, &reply(7, 400)).unwrap();
                end_dump(&mut writer);
                let from = 50_000 * number as usize;
                writer.note(Kind::Owners, 0, &owners(from, 50_000)).unwrap();
                end_sample(&mut writer);
            }
            writer.finish().unwrap()
        }),
        ("cgroups", notes(Kind::Cgroup, &lines(30_000, |at| format!("{{\"id\":{at},\"path\":\"\"}}\n")))),
        ("interfaces", notes(Kind::Interfaces, &lines(30_000, |at| format!("{{\"index\":{at},\"name\":\"\"}}\n")))),
        ("texts of counters", notes(Kind::Counters, &[COUNTERS.as_bytes(), &[b'\n'; 100_000]].concat())),
        ("a text of counters", notes(Kind::Counters, &[b"netstat\n".as_slice(), &[b'x'; 5 << 20]].concat())),
        ("names of counters", notes(Kind::Counters, format!("netstat\n{name}: {}\n{name}: {}\n",
            "a ".repeat(20_000), "1 ".repeat(20_000)).as_bytes())),
        ("devices", notes(Kind::Counters, format!("dev\n{}", "a:0 0 0 0 0 0 0 0 0 0 0 0\n".repeat(200_000)).as_bytes())),
        ("settings", notes(Kind::Sysctl, &[b'x'; 250_000])),
        ("arguments", notes(Kind::Host, format!(
            "{{\"hostname\":\"\",\"kernel\":\"\",\"machine\":\"\",\"boot_id\":null,\"version\":\"\",\"arguments\":[{}\"\"],\
             \"interval_ns\":1,\"net_admin\":true,\"monotonic_ns\":1,\"realtime_ns\":1}}", "\"\",".repeat(80_000),
        ).as_bytes())),
        ("a long note", notes(Kind::SampleEnd, &[b' '; 250_000])),
        ("namespaces", bomb(|writer| {
            end_dump(writer);
            for number in 1..100_000 {
                let fact = json!({"interface": 0, "inode": number, "name": "a"});
                writer.json(Kind::Namespace, number, &fact).unwrap();
            }
        })),
        ("names of namespaces", bomb(|writer| {
            end_dump(writer);
            for number in 1..100 {
                let fact = json!({"interface": 0, "inode": number, "name": name});
                writer.json(Kind::Namespace, number, &fact).unwrap();
            }
        })),
        ("dumps that begin", bomb(|writer| {
            for number in 0..10_000u64 {
                let dump = json!({"states": number % 2, "extensions": 0, "ipv4": true, "ipv6": true});
                writer.json(Kind::DumpBegin, inode, &dump).unwrap();
            }
        })),
        ("samples that begin", bomb(|writer| {
            let facts = lines(4_000, |at| format!("{{\"id\":{at},\"path\":\"{at}\"}}\n"));
            for number in 2..20 {
                begin_sample(writer, number);
                writer.note(Kind::Cgroup, 0, &facts).unwrap();
            }
        })),
        ("interfaces of the file", blocks(&[netlink()], &vec![netlink(); 50_000])),
        ("options", blocks(&[netlink()], &[{
            let mut block = vec![6, 4_000_032, 0, 0, 7, 0, 0];
            block.resize(1_000_007, 0x0000_0063);
            block.push(4_000_032);
            block
        }])),
        ("a long block", blocks(&[netlink()], &[vec![6, 1 << 30, 0, 0, 7, 0, 0, 0]])),
        ("a wide window", wide()),
        ("an answer to another program", {
            // A dump request of all TCP sockets: length, type, flags, sequence and port 0.
            let mut request = 72u32.to_ne_bytes().to_vec();
            request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            request.extend(0x301u16.to_ne_bytes());
            request.extend([0; 8]);
            request.extend([2, 6, 255, 0, 255, 255, 255, 255]);
            request.resize(72, 0);
            let answer = packet(many(300).collect());
            blocks(&[netlink(), packet(request)], &vec![answer; 32])
        }),
    ]
}

#[test]
fn every_command_ends_early_within_100_megabytes() {
    let directory = tempfile::tempdir().unwrap();
    let (file, out) = (directory.path().join("bomb.pcapng.zst"), directory.path().join("out"));
    let mut faults = Vec::new();
    // All commands read every bomb where that is asked for; it takes many minutes.
    let all = std::env::var("TCPDIAG_ALL_BOMBS").is_ok_and(|value| value == "1");
    let each = if all { COMMANDS.len() } else { IN_TURN };
    let only = std::env::var("TCPDIAG_BOMB").unwrap_or_default();
    let chosen = bombs().into_iter().enumerate();
    for (number, (name, bytes)) in chosen.filter(|(_, (name, _))| name.contains(&only)) {
        let most = if name == "a long block" { LARGE } else { 5_000_000 };
        assert!(bytes.len() < most, "{name}: {} bytes", bytes.len());
        std::fs::write(&file, &bytes).unwrap();
        let mut largest = 0;
        for command in COMMANDS.iter().cycle().skip(number * IN_TURN).take(each) {
            let (code, message, peak) = run(command, &file, &out);
            largest = largest.max(peak);
            // Refused, or read in part; a copy needs no early end.
            let is_told = message.contains("ends early") || WHOLE.contains(&name);
            let ends = code == 2 || code == 3 && is_told || command.contains("--anonymise");
            let ends = ends || code == 0 && WHOLE.contains(&name);
            if peak > MOST || !ends || message.contains("panicked") {
                let fault = format!("{name}: {command}: {code}, {peak} kB: {message:.300}");
                println!("{fault}");
                faults.push(fault);
            }
        }
        println!("{name}: {} bytes, at most {largest} kB", bytes.len());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn half_a_million_sockets_in_a_sample_are_read() {
    const SOCKETS: u64 = 500_000;
    let mut writer = Writer::new(Vec::new(), Compression::Zstd, &ABOUT, &NAMESPACE).unwrap();
    begin(&mut writer);
    begin_sample(&mut writer, 0);
    for first in (0..SOCKETS).step_by(100) {
        let datagram: Vec<u8> = (first..first + 100).flat_map(|at| reply(at, 220)).collect();
        writer.datagram(0, Direction::Received, &datagram).unwrap();
    }
    end_dump(&mut writer);
    for first in (0..SOCKETS).step_by(10_000) {
        let owner = |at| {
            let holder = "{\"pid\":1234,\"fd\":5,\"comm\":\"server\",\"cgroup\":\"/system.slice/server.service\"}";
            format!("{{\"inode\":{},\"holders\":[{holder}]}}\n", first as usize + at)
        };
        writer.note(Kind::Owners, 0, &lines(10_000, owner)).unwrap();
    }
    end_sample(&mut writer);
    let file = writer.finish().unwrap();
    let mut reader = Reader::new(file.as_slice()).unwrap();
    let found = Sample::find(&mut reader, None);
    let sample = found.sample.unwrap();
    assert_eq!(sample.owners.len() as u64, SOCKETS);
    let messages = tcpdiag::wire::Messages::new(&sample.namespaces[0].part.dump);
    assert_eq!(messages.flatten().count() as u64, SOCKETS);
}

/// A reply of a socket that was made in the cgroup with this id.
fn reply_in(number: u64, cgroup: u64) -> Vec<u8> {
    // INET_DIAG_CGROUP_ID
    let attribute = [12u16.to_ne_bytes(), 21u16.to_ne_bytes()].concat();
    let mut message = [reply(number, 0), attribute, cgroup.to_ne_bytes().to_vec()].concat();
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

#[test]
fn names_of_a_host_with_many_cgroups_are_found() {
    const CGROUPS: u64 = 33_000;
    let pod = "/kubepods.slice/kubepods-burstable.slice".to_owned() + &"/p".repeat(110);
    let mut writer = Writer::new(Vec::new(), Compression::Zstd, &ABOUT, &NAMESPACE).unwrap();
    begin(&mut writer);
    for sample in 0..2 {
        begin_sample(&mut writer, sample);
        let first = CGROUPS * u64::from(sample);
        for number in 0..8000 {
            // The service was started again between the samples, in a new cgroup of the same path.
            let cgroup = first + number % 4;
            let datagram = reply_in(8000 * u64::from(sample) + number, cgroup);
            writer.datagram(0, Direction::Received, &datagram).unwrap();
        }
        end_dump(&mut writer);
        let line = |at| format!("{{\"id\":{},\"path\":\"{pod}{at}\"}}\n", first as usize + at);
        let paths: Vec<String> = (0..CGROUPS as usize).map(line).collect();
        for part in paths.chunks(5000) {
            writer.note(Kind::Cgroup, 0, part.concat().as_bytes()).unwrap();
        }
        end_sample(&mut writer);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("host.pcapng.zst");
    std::fs::write(&file, writer.finish().unwrap()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tcpdiag"))
        .args(["convert", file.to_str().unwrap(), "-o", "csv", "--columns", "sample", "--all-rows"])
        .arg(format!("cgroup = {pod}3"))
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{message}");
    let rows = String::from_utf8_lossy(&output.stdout);
    for sample in ["0", "1"] {
        let count = rows.lines().filter(|line| *line == sample).count();
        assert_eq!(count, 2000, "sample {sample}: {message}");
    }
}
