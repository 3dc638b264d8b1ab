//! The content of a recording as owned values that can be compared.

use std::io::Read;

use tcpdiag::recording::{
    About, Compression, Direction, Entry, Kind, NamespaceInterface, ReadError, Reader, Skipped,
    Writer,
};

/// An entry that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Datagram { interface: u32, direction: Direction, bytes: Vec<u8> },
    Note { kind: Kind, sample: u32, namespace: u64, payload: Vec<u8> },
}

impl Item {
    pub fn of(entry: Entry<'_>) -> Self {
        match entry {
            Entry::Recording => panic!("a file with one recording"),
            Entry::Datagram(datagram) => Self::Datagram {
                interface: datagram.interface,
                direction: datagram.direction,
                bytes: datagram.bytes.to_vec(),
            },
            Entry::Note(note) => Self::Note {
                kind: note.kind,
                sample: note.sample,
                namespace: note.namespace,
                payload: note.payload.to_vec(),
            },
        }
    }

    pub fn received(bytes: &[u8]) -> Self {
        Self::Datagram { interface: 0, direction: Direction::Received, bytes: bytes.to_vec() }
    }

    pub fn note(kind: Kind, payload: &[u8]) -> Self {
        Self::Note { kind, sample: 0, namespace: 0, payload: payload.to_vec() }
    }
}

/// An item and its time.
pub type Timed = (u64, Item);

pub const ABOUT: About<'static> =
    About { program: "tcpdiag 0.0.0", system: "Linux 6.0", machine: "x86_64" };

pub const NAMESPACE: NamespaceInterface<'static> =
    NamespaceInterface { inode: 4_026_531_840, name: None };

/// A new recording in memory.
pub fn writer(compression: Compression) -> Writer<Vec<u8>> {
    Writer::new(Vec::new(), compression, &ABOUT, &NAMESPACE).unwrap()
}

/// Appends these items.
pub fn write(writer: &mut Writer<Vec<u8>>, items: &[Timed]) {
    for (time, item) in items {
        writer.set_time(*time);
        match item {
            Item::Datagram { interface, direction, bytes } => {
                writer.datagram(*interface, *direction, bytes).unwrap();
            }
            Item::Note { kind, sample, namespace, payload } => {
                writer.set_sample(*sample);
                writer.note(*kind, *namespace, payload).unwrap();
            }
        }
    }
}

/// A complete recording.
pub fn recording(compression: Compression, items: &[Timed]) -> Vec<u8> {
    let mut writer = writer(compression);
    write(&mut writer, items);
    writer.finish().unwrap()
}

/// The reader's statistics at the end.
#[derive(Debug)]
pub struct End {
    pub skipped: Skipped,
    pub is_complete: bool,
    pub is_of_this_byte_order: bool,
}

/// All items, and how the recording ended.
pub fn read(file: impl Read) -> (Vec<Timed>, Result<End, ReadError>) {
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut items = Vec::new();
    loop {
        match reader.read_entry() {
            Ok(Some(entry)) => {
                let item = Item::of(entry);
                items.push((reader.time(), item));
            }
            Ok(None) => {
                let end = End {
                    skipped: reader.skipped(),
                    is_complete: reader.is_complete(),
                    is_of_this_byte_order: reader.is_of_this_byte_order(),
                };
                return (items, Ok(end));
            }
            Err(error) => {
                // The reader stays at the end.
                assert_eq!(reader.read_entry().unwrap_err(), error);
                return (items, Err(error));
            }
        }
    }
}

/// One small item of each kind.
pub fn some_of_everything() -> Vec<Timed> {
    let sent =
        Item::Datagram { interface: 0, direction: Direction::Sent, bytes: (0..72).collect() };
    let mut items = vec![
        (1_700_000_000_000_000_001, Item::note(Kind::Host, b"{\"hostname\":\"h\"}")),
        (1_700_000_000_000_000_002, sent),
        (1_700_000_000_000_000_003, Item::received(&[7; 101])),
        (1_700_000_000_000_000_003, Item::received(&[])),
    ];
    let later = Item::Note { kind: Kind::Owners, sample: 3, namespace: 9, payload: vec![b'x'; 7] };
    items.push((u64::MAX, later));
    items.push((0, Item::note(Kind::End, b"{}")));
    items
}
