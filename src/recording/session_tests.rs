use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::recording::{
    About, CgroupPath, Compression, Direction, Dropped, DumpBegun, DumpEnded, Ending, HostFacts,
    Key, Kind, NamespaceInterface, NamespaceOf, SampleBegun, SampleEnded, SocketHolder,
    SocketOwners, Writer, anonymise,
};

const SECOND: u64 = 1_000_000_000;
/// The wall clock when the monotonic one is 0.
const EPOCH: u64 = 1_700_000_000 * SECOND;

/// A recording to write.
struct Recorded<'a> {
    hostname: &'a str,
    boot_id: Option<&'a str>,
    /// Network namespaces, in the order of their interfaces.
    namespaces: &'a [u64],
    /// Seconds at which samples begin.
    samples: &'a [u64],
    ends: bool,
}

const USUAL: Recorded<'static> =
    Recorded { hostname: "here", boot_id: Some("one"), namespaces: &[7], samples: &[], ends: true };

fn clocks(second: u64) -> Clocks {
    Clocks { realtime_ns: EPOCH + second * SECOND, monotonic_ns: second * SECOND }
}

impl Recorded<'_> {
    fn bytes(&self) -> Vec<u8> {
        let about = About { program: "", system: "", machine: "" };
        let interface = |inode| NamespaceInterface { inode, name: None };
        let first = interface(self.namespaces[0]);
        let mut writer = Writer::new(Vec::new(), Compression::None, &about, &first).unwrap();
        let clocks_of_host = clocks(self.samples.first().copied().unwrap_or(0));
        writer
            .json(
                Kind::Host,
                0,
                &HostFacts {
                    hostname: self.hostname.to_owned(),
                    boot_id: self.boot_id.map(str::to_owned),
                    clocks: clocks_of_host,
                    ..HostFacts::default()
                },
            )
            .unwrap();
        let mut interfaces = vec![0];
        for &inode in &self.namespaces[1..] {
            interfaces.push(writer.add_namespace(&interface(inode)).unwrap());
        }
        for (&inode, &interface) in self.namespaces.iter().zip(&interfaces) {
            let fact = NamespaceOf { interface, inode, name: Some(format!("net{inode}")) };
            writer.json(Kind::Namespace, inode, &fact).unwrap();
            writer.note(Kind::Sysctl, inode, b"net.ipv4.tcp_sack 1\n").unwrap();
        }
        for (number, &second) in self.samples.iter().enumerate() {
            writer.set_sample(number as u32);
            let begun = SampleBegun { clocks: clocks(second), early: false };
            writer.json(Kind::Sample, 0, &begun).unwrap();
            for (&inode, &interface) in self.namespaces.iter().zip(&interfaces) {
                let begun = DumpBegun { states: 0xfff, extensions: 0, ipv4: true, ipv6: true };
                writer.json(Kind::DumpBegin, inode, &begun).unwrap();
                // Four bytes that name the namespace.
                let bytes = (inode as u32).to_ne_bytes();
                writer.datagram(interface, Direction::Received, &bytes).unwrap();
                writer.json(Kind::DumpEnd, inode, &DUMPED).unwrap();
            }
            if number == 0 {
                // As each file of a rotation repeats them.
                let inode = second as u32 + 1;
                let comm = "a".to_owned();
                let holder = SocketHolder { pid: 1, fd: 3, comm, program: None, cgroup: None };
                let owners =
                    SocketOwners { inode, holders: vec![holder], omitted: 0, hidden: false };
                writer.json_lines(Kind::Owners, 0, [owners]).unwrap();
                let cgroup = CgroupPath { id: second, path: format!("/{second}") };
                writer.json_lines(Kind::Cgroup, 0, [cgroup]).unwrap();
            }
            let ended = SampleEnded { clocks: clocks(second), ..SampleEnded::default() };
            writer.json(Kind::SampleEnd, 0, &ended).unwrap();
        }
        if self.ends {
            let (why, samples) = ("rotated".to_owned(), self.samples.len() as u64);
            let ending = Ending { why, samples, sockets: 0, events: 0, events_lost: 0 };
            writer.json(Kind::End, 0, &ending).unwrap();
        }
        writer.finish().unwrap()
    }

    fn write(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, self.bytes()).unwrap();
        path
    }
}

const DUMPED: DumpEnded =
    DumpEnded { sockets: 1, decode_errors: 0, bad_attributes: 0, interrupted: 0, foreign: 0 };

/// The seconds of all samples; their numbers and the last one are checked too.
fn seconds(session: &mut Session) -> Vec<u64> {
    let mut seconds = Vec::new();
    let mut before = None;
    loop {
        let sample = session.sample();
        seconds.push(sample.clocks.monotonic_ns / SECOND);
        assert!(before.is_none_or(|before| sample.number > before), "{seconds:?}");
        before = Some(sample.number);
        let is_last = session.is_last();
        assert_eq!(session.advance(), !is_last, "{seconds:?}");
        if is_last {
            assert!(!session.advance());
            return seconds;
        }
    }
}

fn open(paths: &[&Path], options: &SessionOptions) -> Result<Session, SessionError> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    Session::open(&paths, options)
}

fn last(paths: &[&Path], to: Option<When>) -> Result<u64, SessionError> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let session = Session::open_last(&paths, &SessionOptions { to, ..SessionOptions::default() })?;
    Ok(session.sample().clocks.monotonic_ns / SECOND)
}

/// Three files that follow each other, the names not in their order.
fn three(directory: &Path) -> [PathBuf; 3] {
    [("c", &[10, 11, 12][..]), ("a", &[14, 15]), ("b", &[16, 17, 18])]
        .map(|(name, samples)| Recorded { samples, ..USUAL }.write(directory, name))
}

#[test]
fn files_are_read_in_time_order() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, third] = three(directory.path());
    let all = vec![10, 11, 12, 14, 15, 16, 17, 18];
    for paths in [vec![&first, &second, &third], vec![&third, &first, &second, &third]] {
        let paths: Vec<&Path> = paths.into_iter().map(PathBuf::as_path).collect();
        let mut session = open(&paths, &SessionOptions::default()).unwrap();
        assert_eq!(session.position(), (first.as_path(), 0));
        assert_eq!(session.paths().collect::<Vec<_>>(), [&*first, &*second, &*third]);
        assert_eq!(seconds(&mut session), all);
        assert_eq!(session.position(), (third.as_path(), 2));
        assert_eq!(session.sample().number, 7);
        let (read, size) = session.progress();
        assert!(read == size && size > 0, "{read} of {size}");
        // What the files reported holds to the end.
        let sample = session.into_sample();
        assert_eq!((sample.owners.len(), sample.cgroups.len()), (3, 3));
        assert_eq!(sample.namespaces[0].setting("net.ipv4.tcp_sack"), Some("1"));
        assert_eq!(sample.namespaces[0].part.dump, 7u32.to_ne_bytes());
    }
    let mut session = open(&[directory.path()], &SessionOptions::default()).unwrap();
    assert_eq!(seconds(&mut session), all);
    assert!(session.damage().is_empty() && session.skipped() == 0);
}

#[test]
fn other_files_of_a_directory_are_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let [first, ..] = three(directory.path());
    fs::write(directory.path().join("0.txt"), "a text").unwrap();
    fs::write(directory.path().join("1"), "").unwrap();
    fs::create_dir(directory.path().join("2")).unwrap();
    std::os::unix::fs::symlink(&first, directory.path().join("3")).unwrap();
    std::os::unix::fs::symlink("nowhere", directory.path().join("4")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(directory.path().join("5")).unwrap();
    let session = open(&[directory.path()], &SessionOptions::default()).unwrap();
    // A link to a file that is read anyway adds nothing.
    assert_eq!((session.paths().len(), session.skipped()), (3, 3));
    drop(socket);

    let empty = tempfile::tempdir().unwrap();
    fs::write(empty.path().join("0.txt"), "a text").unwrap();
    let error = open(&[empty.path()], &SessionOptions::default()).unwrap_err();
    assert!(matches!(error, SessionError::EmptyDirectory { skipped: 1, .. }), "{error}");
    // Named as such it is an error, alone or beside others.
    let text = directory.path().join("0.txt");
    for paths in [&[&*text][..], &[&*first, &*text]] {
        let error = open(paths, &SessionOptions::default()).unwrap_err().to_string();
        assert!(error.contains("0.txt: this is no recording, but text"), "{error}");
    }
    let error = open(&[Path::new("/no/such")], &SessionOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot open /no/such");
}

#[test]
fn other_hosts_and_boots_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str, recorded: Recorded<'_>| recorded.write(directory.path(), name);
    let here = path("here", Recorded { samples: &[10, 11], ..USUAL });
    for (name, hostname, boot_id, words) in [
        ("booted", "here", Some("two"), "different boots of here"),
        ("there", "there", Some("two"), "different hosts, here and there"),
        ("unknown", "there", None, "different hosts"),
    ] {
        let other = path(name, Recorded { hostname, boot_id, samples: &[20], ..USUAL });
        let error = open(&[&other, &here], &SessionOptions::default()).unwrap_err().to_string();
        let names = [here.display().to_string(), other.display().to_string()];
        assert!(error.contains(words) && names.iter().all(|name| error.contains(name)), "{error}");
    }
    // A boot may have several names of the host, and an old recording no boot.
    for (name, hostname, boot_id) in [("renamed", "there", Some("one")), ("old", "here", None)] {
        let other = path(name, Recorded { hostname, boot_id, samples: &[20], ..USUAL });
        let mut session = open(&[&other, &here], &SessionOptions::default()).unwrap();
        assert_eq!(seconds(&mut session), [10, 11, 20]);
    }
    // Nor do two boots go together because one file between them has none.
    let between = path("between", Recorded { boot_id: None, samples: &[15], ..USUAL });
    let booted = directory.path().join("booted");
    let error = open(&[&here, &between, &booted], &SessionOptions::default()).unwrap_err();
    assert!(matches!(error, SessionError::Boots { .. }), "{error}");
}

#[test]
fn damage_ends_its_file_only() {
    let directory = tempfile::tempdir().unwrap();
    let [first, second, third] = three(directory.path());
    let whole = fs::read(&second).unwrap();
    let paths = [&*first, &*second, &*third];
    for (length, expected) in [
        (whole.len() - 4, vec![10, 11, 12, 14, 15, 16, 17, 18]),
        // In the second of its samples, and before its first.
        (whole.len() * 4 / 5, vec![10, 11, 12, 14, 16, 17, 18]),
        (whole.len() / 3, vec![10, 11, 12, 16, 17, 18]),
        (40, vec![10, 11, 12, 16, 17, 18]),
    ] {
        fs::write(&second, &whole[..length]).unwrap();
        for paths in [&paths[..], &[directory.path()]] {
            let mut session = open(paths, &SessionOptions::default()).unwrap();
            assert_eq!(seconds(&mut session), expected, "{length}");
            let [damage] = session.damage() else { panic!("{:?}", session.damage()) };
            assert_eq!(damage.path, second, "{length}");
            assert!(damage.to_string().contains("recording ends early at byte"), "{damage}");
        }
        let at = |second| Some(When::At(EPOCH + second * SECOND));
        let expected = expected.iter().rfind(|second| **second <= 15).unwrap();
        assert_eq!(last(&paths, at(15)).unwrap(), *expected, "{length}");
    }
    // A file without its end is damaged too.
    Recorded { samples: &[14, 15], ends: false, ..USUAL }.write(directory.path(), "a");
    let mut session = open(&paths, &SessionOptions::default()).unwrap();
    assert_eq!(seconds(&mut session).len(), 8);
    assert!(session.damage()[0].to_string().contains("it has no end"));
    // Nothing but damage.
    fs::write(&second, &whole[..whole.len() / 3]).unwrap();
    let error = open(&[&second], &SessionOptions::default()).unwrap_err();
    let SessionError::Empty { damage, .. } = &error else { panic!("{error}") };
    assert_eq!(damage.len(), 1);
    assert!(error.to_string().contains("no whole sample"), "{error}");
}

#[test]
fn spans_and_relative_times_are_of_all_files() {
    let directory = tempfile::tempdir().unwrap();
    three(directory.path());
    let paths = [directory.path()];
    let at = |second: u64| Some(When::At(EPOCH + second * SECOND));
    let after = |seconds| Some(When::AfterFirst(Duration::from_secs(seconds)));
    let before = |seconds| Some(When::BeforeLast(Duration::from_secs(seconds)));
    for (from, to, expected) in [
        (at(12), at(16), vec![12, 14, 15, 16]),
        (at(13), None, vec![14, 15, 16, 17, 18]),
        (at(17), None, vec![17, 18]),
        (None, at(13), vec![10, 11, 12]),
        (after(4), before(2), vec![14, 15, 16]),
        (before(1), None, vec![17, 18]),
        (after(1), after(4), vec![11, 12, 14]),
    ] {
        let options = SessionOptions { from, to, ..SessionOptions::default() };
        let mut session = open(&paths, &options).unwrap();
        assert_eq!(seconds(&mut session), expected);
        let all = SessionOptions { lead_in: true, ..options };
        let mut session = open(&paths, &all).unwrap();
        let end = *expected.last().unwrap();
        assert!(seconds(&mut session).starts_with(&[10, 11, 12]));
        assert_eq!(session.sample().clocks.monotonic_ns / SECOND, end);
    }
    for (to, expected) in [(None, 18), (at(13), 12), (at(16), 16), (before(3), 15), (after(0), 10)]
    {
        assert_eq!(last(&paths, to).unwrap(), expected);
    }
    let error = last(&paths, at(9)).unwrap_err().to_string();
    assert!(error.contains("nothing before its first sample, of 2023-11-14T22:13:30"), "{error}");
    let options = SessionOptions { from: at(19), ..SessionOptions::default() };
    let error = open(&paths, &options).unwrap_err().to_string();
    assert!(error.contains("no whole sample from 2023-11-14T22:13:39"), "{error}");
    let options = SessionOptions { from: at(19), to: at(18), ..SessionOptions::default() };
    assert!(matches!(open(&paths, &options), Err(SessionError::Reversed { .. })));
}

#[test]
fn overlapping_samples_are_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    // As two writings of a ring.
    Recorded { samples: &[10, 11, 12, 13], ..USUAL }.write(directory.path(), "a");
    let later = Recorded { samples: &[12, 13, 14, 15], ..USUAL }.write(directory.path(), "b");
    let mut session = open(&[directory.path()], &SessionOptions::default()).unwrap();
    assert_eq!(seconds(&mut session), [10, 11, 12, 13, 14, 15]);
    assert_eq!(session.overlaps(), [Overlap { path: later, samples: 2 }]);
    // What the samples that were passed over reported is known.
    assert!(session.sample().owners.contains_key(&13));
}

#[test]
fn namespaces_keep_their_place_across_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name, namespaces, samples| {
        Recorded { namespaces, samples, ..USUAL }.write(directory.path(), name)
    };
    file("a", &[7, 8], &[10, 11]);
    file("b", &[8, 9], &[12, 13]);
    let inodes = |wanted: &[&str]| {
        let namespaces = wanted.iter().map(|name| (*name).to_owned()).collect();
        let options = SessionOptions { namespaces, ..SessionOptions::default() };
        let mut session = open(&[directory.path()], &options)?;
        let mut inodes = Vec::new();
        loop {
            let sample = session.sample();
            let sampled = sample.namespaces.iter().filter(|one| !one.part.parts.is_empty());
            for namespace in sampled {
                // Its datagrams are its own, whatever interface they came from.
                assert_eq!(namespace.part.dump, (namespace.inode as u32).to_ne_bytes());
                if session.choice().includes(namespace) {
                    inodes.push(namespace.inode);
                }
            }
            if !session.advance() {
                return Ok::<_, SessionError>(inodes);
            }
        }
    };
    assert_eq!(inodes(&["all"]).unwrap(), [7, 8, 7, 8, 8, 9, 8, 9]);
    assert_eq!(inodes(&[]).unwrap(), [7, 7]);
    assert_eq!(inodes(&["net8"]).unwrap(), [8, 8, 8, 8]);
    assert_eq!(inodes(&["9", "net7"]).unwrap(), [7, 7, 9, 9]);
    let error = inodes(&["net8", "blue"]).unwrap_err().to_string();
    assert!(error.contains("blue: not in the recording, which has net7, net8, net9"), "{error}");
}

#[test]
fn anonymised_files_become_one() {
    let directory = tempfile::tempdir().unwrap();
    let parts = [(&[7, 8][..], &[10, 11, 12][..]), (&[8, 9], &[12, 13]), (&[9], &[14])];
    let files =
        parts.map(|(namespaces, samples)| Recorded { namespaces, samples, ..USUAL }.bytes());
    let readers = files.iter().map(|file| Reader::new(file.as_slice()).unwrap());
    let path = directory.path().join("copy");
    let out = fs::File::create(&path).unwrap();
    let copied = anonymise(readers, out, &Key::random().unwrap(), |_| true).unwrap();
    // The datagrams of these samples are no netlink messages.
    let dropped = Dropped { messages: 9, ..Dropped::default() };
    assert_eq!((copied.samples, copied.dropped), (5, dropped));
    assert!(copied.damage.is_empty());
    let all = SessionOptions { namespaces: vec!["all".to_owned()], ..SessionOptions::default() };
    let mut session = open(&[&path], &all).unwrap();
    assert_eq!(session.sample().namespaces.len(), 2);
    assert_eq!(seconds(&mut session), [10, 11, 12, 13, 14]);
    assert!(session.damage().is_empty());
    let sample = session.sample();
    let sampled: Vec<bool> =
        sample.namespaces.iter().map(|one| !one.part.parts.is_empty()).collect();
    assert_eq!(sampled, [false, false, true]);
    assert!(sample.host.boot_id.is_some() && sample.host.hostname != "here");

    // Without the end of the last one it has none.
    let cut = Recorded { samples: &[20], ends: false, ..USUAL }.bytes();
    let readers = [&files[0], &cut].map(|file| Reader::new(file.as_slice()).unwrap());
    let out = fs::File::create(&path).unwrap();
    anonymise(readers, out, &Key::random().unwrap(), |_| true).unwrap();
    let mut session = open(&[&path], &all).unwrap();
    assert_eq!(seconds(&mut session), [10, 11, 12, 20]);
    assert_eq!(session.damage().len(), 1);
}
