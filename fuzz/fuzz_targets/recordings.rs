//! Files through the reader of recordings: it ends, with a clear word, and what was read can be
//! written and read again. `cargo +nightly fuzz run recordings`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tcpdiag::record::{About, Compression, Entry, Sample, Place, ReplayTransport, Reader, Writer};
use tcpdiag::socket_diag::{Listeners, Sockets};

fuzz_target!(|file: &[u8]| {
    let Ok(mut reader) = Reader::new(file) else { return };
    for scene in Sample::find(&mut reader, None).moment.into_iter().flat_map(|found| found.scenes) {
        let mut sockets = Sockets::over(ReplayTransport::new(scene.take.dump));
        let _ = Listeners::default().read(&mut sockets);
    }
    let mut reader = Reader::new(file).expect("as before");
    let about = About { program: "", system: "", machine: "" };
    let place = Place { inode: 0, name: None };
    let mut copy = Writer::new(Vec::new(), Compression::None, &about, &place).expect("memory");
    let mut entries = 0;
    while let Ok(Some(entry)) = reader.read_entry() {
        entries += 1;
        match entry {
            Entry::Datagram(datagram) => copy.datagram(0, datagram.way, datagram.bytes),
            Entry::Note(note) => {
                let _ = (note.json::<serde_json::Value>(), note.named_text());
                copy.set_sample(note.sample);
                copy.note(note.kind, note.namespace, note.payload)
            }
        }
        .expect("memory takes what was read");
    }
    let copy = copy.finish().expect("memory");
    let mut reader = Reader::new(copy.as_slice()).expect("it was written here");
    while let Some(_) = reader.read_entry().expect("it was written here") {
        entries -= 1;
    }
    assert_eq!(entries, 0);
});
