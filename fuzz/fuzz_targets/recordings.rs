//! Files through the reader of recordings: it ends with a clear error, and what was read can be
//! written and read again. `cargo +nightly fuzz run recordings`.
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use tcpdiag::model::{Families, StateSet};
use tcpdiag::recording::{
    About, Compression, Entry, NamespaceInterface, Reader, ReplayTransport, Sample, Span, Walk,
    Writer,
};
use tcpdiag::socket_diag::{Query, Sockets};
use tcpdiag::wire::{Extensions, Messages};

const EVERYTHING: Query<'_> = Query {
    families: Families::BOTH,
    states: StateSet::ALL,
    extensions: Extensions::ALL,
    local_port: 0,
    remote_port: 0,
    program: &[],
};

fuzz_target!(|file: &[u8]| {
    let Ok(mut reader) = Reader::new(file) else { return };
    let mut walk = Walk::new(&mut reader, Span::default());
    while walk.advance() {
        let namespaces = &walk.sample().namespaces;
        let parts = || namespaces.iter().map(|namespace| &namespace.part);
        let datagrams = || parts().flat_map(|part| [&part.dump, &part.events]);
        let counters = parts().flat_map(|part| part.counters.iter().flatten());
        let held: usize = datagrams().map(Vec::len).sum::<usize>()
            + counters.map(|(_, text)| text.len()).sum::<usize>();
        let messages: usize = datagrams().map(|bytes| Messages::new(bytes).count()).sum();
        // What is held grows with what is shown.
        assert!(held <= (8 << 20) + (2 << 10) * messages + (32 << 10) * namespaces.len());
    }
    let mut reader = Reader::new(file).expect("as before");
    let sample = Sample::find(&mut reader, None).sample;
    for mut namespace in sample.into_iter().flat_map(|sample| sample.namespaces) {
        let mut transport = ReplayTransport::default();
        transport.load(&mut namespace.part);
        let _ = Sockets::over(transport).read(&EVERYTHING, |_| ControlFlow::Continue(()));
    }
    let mut reader = Reader::new(file).expect("as before");
    let about = About { program: "", system: "", machine: "" };
    let namespace = NamespaceInterface { inode: 0, name: None };
    let mut copy = Writer::new(Vec::new(), Compression::None, &about, &namespace).expect("memory");
    let mut entries = 0;
    while let Ok(Some(entry)) = reader.read_entry() {
        entries += 1;
        match entry {
            // The copy is one recording.
            Entry::Recording => {
                entries -= 1;
                continue;
            }
            Entry::Datagram(datagram) => copy.datagram(0, datagram.direction, datagram.bytes),
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
