//! Polling allocates nothing while the names stay the same.

use std::path::Path;

use tcpdiag::counters::{CounterReader, Counters, LayoutChange};

use super::allocator::allocations;

#[test]
fn a_second_sample_does_not_allocate() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/7.2.13/dump");
    for root in [Path::new("/proc/thread-self/net"), fixture.as_path()] {
        for mut reader in [CounterReader::new(root), CounterReader::watched(root)] {
            let (mut a, mut b) = (Counters::default(), Counters::default());
            reader.sample(&mut a).unwrap();
            reader.sample(&mut b).unwrap();
            let mut changes = None;
            let allocated = allocations(|| {
                changes = Some([reader.sample(&mut a).unwrap(), reader.sample(&mut b).unwrap()]);
            });
            assert_eq!(changes, Some([LayoutChange::Same; 2]));
            assert_eq!(allocated, 0, "{}", root.display());
        }
    }
}
