//! Tests of `counters`.

use super::*;

#[test]
fn all_counters_of_the_catalogue_are_here() {
    let catalogue: Vec<&str> =
        fields::all().filter(|field| field.kind.grows()).map(|field| field.name).collect();
    let here: Vec<&str> = COUNTERS.iter().map(|field| field.name).collect();
    assert_eq!(here, catalogue);
    let named = [BYTES_ACKED, BYTES_RECEIVED, BYTES_SENT].map(|index| here[index]);
    assert_eq!(named, ["bytes_acked", "bytes_received", "bytes_sent"]);
    let short: Vec<&str> = COUNTERS
        .iter()
        .filter(|field| field.unit == crate::model::Unit::Bytes)
        .filter(|field| field.slot().is_some_and(|slot| slot.bits() == 32))
        .map(|field| field.name)
        .collect();
    let masked = (0..COUNT).filter(|index| SHORT_BYTES & 1 << index != 0);
    assert_eq!(masked.map(|index| here[index]).collect::<Vec<_>>(), short);
    let slow = SLOW.map(|index| here[index]);
    assert_eq!(slow, ["total_retrans", "segs_out", "segs_in"]);
    let kept = KEPT.map(|index| here[index]);
    assert_eq!(kept, ["busy_time", "rwnd_limited", "sndbuf_limited", "rehash", "drops"]);
    assert_eq!(size_of::<Counters>(), 140);
}

#[test]
fn every_counter_keeps_its_value() {
    // Every byte of tcp_info differs from its neighbours.
    let bytes: Vec<u8> = (0..280u32).map(|at| (at * 7 + 3) as u8).collect();
    for length in [0, 104, 192, 232, 248, 280] {
        let info = crate::wire::TcpInfo::new(&bytes[..length], Default::default());
        let socket = Socket { tcp_info: Some(info), ..crate::model::example::socket() };
        let (counters, shape) = Counters::of(&socket);
        let (growth, present, _) = Counters::ZERO.growth(shape, &counters, shape);
        for (index, field) in COUNTERS.iter().enumerate() {
            let kept = (present & 1 << index != 0).then_some(growth[index]);
            // With so many bytes, those of 32 bits may have wrapped.
            let wanted = field.integer(&socket).filter(|_| SHORT_BYTES & 1 << index == 0);
            assert_eq!(kept, wanted, "{} of {length}", field.name);
        }
    }
}

#[test]
fn any_movement_is_noticed() {
    let bytes: Vec<u8> = (0..280u32).map(|at| (at * 7 + 3) as u8).collect();
    let row = |bytes: &[u8], drops| {
        let info = crate::wire::TcpInfo::new(bytes, Default::default());
        let skmem = Some(crate::model::example::skmem(drops));
        Socket { tcp_info: Some(info), skmem, ..crate::model::example::socket() }
    };
    for length in [104, 192, 232, 248, 280] {
        let (counters, shape) = Counters::of(&row(&bytes[..length], 1));
        for at in 0..length {
            let mut moved = bytes[..length].to_vec();
            moved[at] ^= 1;
            let moved = row(&moved, 1);
            let same = Counters::of(&moved) == (counters, shape);
            assert_eq!(counters.are_those_of(shape, &moved), same, "{at} of {length}");
        }
        assert!(!counters.are_those_of(shape, &row(&bytes[..length - 4], 1)));
        assert!(!counters.are_those_of(shape, &row(&bytes[..length], 2)), "drops");
    }
}
