//! How likely a process is to hold a socket, judged by the age of its descriptors.
//!
//! Knows: that sockets and pipes are numbered by one counter in the order they are made
//! (`get_next_ino()`, fs/inode.c), and that descriptors are handed out lowest first; so in the
//! table of a process that made its sockets one after the other the numbers rise.
//! Refuses to know: what is done with the answer. It is a guess about where to look first; where
//! descriptors are reused a lot it is a bad one, and costs the reading of a few links.

use super::proc_walk::ProcWalk;

/// Every CPU takes inode numbers in batches of 1 024 (`LAST_INO_BATCH`, fs/inode.c), so numbers
/// that are closer than this were not necessarily given at the same time.
const INODE_BATCH: u32 = 1024;

/// What is assumed of a process none of whose samples was a socket or a pipe.
const UNDATED: u32 = 16 * INODE_BATCH;

/// A table of at least so many descriptors is worth more than one sample.
pub(super) const LARGE: u64 = 1024;

/// So many samples are taken of a large table, but not closer than [`CLOSEST`]; that, and a look
/// at what is between two samples, is about a twentieth of reading 10 000 descriptors.
const SAMPLES: u64 = 128;
const CLOSEST: u64 = 8;

/// More sought sockets than this are too many to look for singly.
pub(super) const FEW: usize = 8;

/// What the samples of one process tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InodeAge {
    /// The price of reading the process, raised by how far its sockets are from the nearest
    /// sought one: 0 where a sought one was met, its number of descriptors where one is near.
    pub(super) price: u64,
    /// Sought sockets that were met in a large table, as `(fd, inode)`.
    pub(super) met: Vec<(u32, u32)>,
}

/// Samples the descriptors of a process that has `open` of them; `sought` is sorted.
pub(super) fn estimate(walk: &ProcWalk, pid: u32, open: u64, sought: &[u32]) -> InodeAge {
    if open >= LARGE {
        return estimate_large(walk, pid, open, sought);
    }
    // One date is enough, but the first sample may hit a file or a gap.
    let stride = usize::try_from(open.div_ceil(3).max(1)).unwrap_or(usize::MAX);
    let nearest = positions(open, stride).find_map(|fd| distance(walk.dated_at(pid, fd)?, sought));
    InodeAge { price: price(open, nearest), met: Vec::new() }
}

fn estimate_large(walk: &ProcWalk, pid: u32, open: u64, sought: &[u32]) -> InodeAge {
    let stride = usize::try_from((open / SAMPLES).max(CLOSEST)).unwrap_or(usize::MAX);
    let samples: Vec<(u32, u32)> =
        positions(open, stride).filter_map(|fd| Some((fd, walk.dated_at(pid, fd)?))).collect();
    let nearest = samples.iter().filter_map(|&(_, inode)| distance(inode, sought)).min();
    let mut met = Vec::new();
    let width = u32::try_from(stride).unwrap_or(u32::MAX);
    for &wanted in sought.iter().filter(|_| sought.len() <= FEW) {
        let sample = samples.iter().min_by_key(|(_, inode)| inode.abs_diff(wanted));
        let Some(&(centre, _)) = sample else { continue };
        let mut between = centre.saturating_sub(width)..=centre.saturating_add(width);
        met.extend(
            between.find(|&fd| walk.socket_at(pid, fd) == Some(wanted)).map(|fd| (fd, wanted)),
        );
    }
    InodeAge { price: if met.is_empty() { price(open, nearest) } else { 0 }, met }
}

/// Descriptors to sample. They are handed out lowest first: with `open` of them in use, most are
/// below `open`. The latest first, as what is looked for is more often young than old.
fn positions(open: u64, stride: usize) -> impl Iterator<Item = u32> {
    (0..u32::try_from(open).unwrap_or(u32::MAX)).rev().step_by(stride)
}

fn price(open: u64, nearest: Option<u32>) -> u64 {
    match nearest.unwrap_or(UNDATED) {
        0 => 0,
        distance => open.saturating_mul(1 + u64::from(distance / INODE_BATCH)),
    }
}

/// From a number to the nearest in a sorted list.
fn distance(inode: u32, sorted: &[u32]) -> Option<u32> {
    let (before, after) =
        sorted.split_at_checked(sorted.partition_point(|&wanted| wanted < inode))?;
    [before.last(), after.first()].into_iter().flatten().map(|wanted| wanted.abs_diff(inode)).min()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_nearest_of_a_sorted_list() {
        for (inode, list, expected) in [
            (5, &[][..], None),
            (5, &[5], Some(0)),
            (5, &[1, 9], Some(4)),
            (5, &[1, 7, 900], Some(2)),
            (0, &[u32::MAX], Some(u32::MAX)),
            (999, &[1, 7, 900], Some(99)),
        ] {
            assert_eq!(distance(inode, list), expected, "{inode} {list:?}");
        }
    }

    #[test]
    fn a_socket_among_thousands_is_met() {
        let listeners: Vec<_> =
            (0..1500).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let walk = ProcWalk::open(Path::new("/proc")).unwrap();
        let me = std::process::id();
        let open = walk.table(me).unwrap().open.unwrap_or(1510);
        let inode = u32::try_from(rustix::fs::fstat(&listeners[777]).unwrap().st_ino).unwrap();
        let near = estimate(&walk, me, open, &[inode]);
        // Other tests of this process use descriptors too, so it is near at least.
        assert!(near.price <= 10 * open, "{near:?}");
        let far = estimate(&walk, me, open, &[inode ^ 0x8000_0000]);
        assert!(far.price > 1000 * open && far.met.is_empty(), "{far:?}");
    }
}
