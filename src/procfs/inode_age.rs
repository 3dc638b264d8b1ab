//! How likely a process is to hold a socket, estimated from the age of its descriptors.
//!
//! One counter numbers sockets and pipes in the order they are made (`get_next_ino()`,
//! fs/inode.c), and the lowest free descriptor is used first. So in the table of a process that
//! made its sockets one after the other the numbers rise. The estimate only decides which process
//! is read first: where descriptors are reused a lot it is bad, and costs reading a few links.

use super::proc_walk::ProcWalk;

/// Every CPU takes inode numbers in batches of 1 024 (`LAST_INO_BATCH`, fs/inode.c), so numbers
/// that are closer than this were not necessarily given at the same time.
const INODE_BATCH: u32 = 1024;

/// The distance assumed for a process when no sample was a socket or a pipe.
const UNDATED: u32 = 16 * INODE_BATCH;

/// Tables of at least so many descriptors get more than one sample.
pub(super) const LARGE: u64 = 1024;

/// So many samples are taken of a large table, but not closer than [`CLOSEST`]. Together with the
/// descriptors between two samples that is about a twentieth of reading 10 000 descriptors.
const SAMPLES: u64 = 128;
const CLOSEST: u64 = 8;

/// More sought sockets than this are not looked for one by one.
pub(super) const FEW: usize = 8;

/// What the samples of one process show.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InodeAge {
    /// The cost of reading the process, raised by how far its sockets are from the nearest sought
    /// one: 0 where a sought one was found, its number of descriptors where one is near.
    pub(super) cost: u64,
    /// Sought sockets that were found in a large table, as `(fd, inode)`.
    pub(super) found: Vec<(u32, u32)>,
}

/// Samples the descriptors of a process that has `open` of them; `sought` is sorted.
pub(super) fn estimate(walk: &ProcWalk, pid: u32, open: u64, sought: &[u32]) -> InodeAge {
    if open >= LARGE {
        return estimate_large(walk, pid, open, sought);
    }
    // One inode number is enough, but the first sample may be a file or a closed descriptor.
    let stride = usize::try_from(open.div_ceil(3).max(1)).unwrap_or(usize::MAX);
    let nearest =
        positions(open, stride).find_map(|fd| distance(walk.socket_or_pipe_at(pid, fd)?, sought));
    InodeAge { cost: cost(open, nearest), found: Vec::new() }
}

fn estimate_large(walk: &ProcWalk, pid: u32, open: u64, sought: &[u32]) -> InodeAge {
    let stride = usize::try_from((open / SAMPLES).max(CLOSEST)).unwrap_or(usize::MAX);
    let samples: Vec<(u32, u32)> = positions(open, stride)
        .filter_map(|fd| Some((fd, walk.socket_or_pipe_at(pid, fd)?)))
        .collect();
    let nearest = samples.iter().filter_map(|&(_, inode)| distance(inode, sought)).min();
    let mut found = Vec::new();
    let width = u32::try_from(stride).unwrap_or(u32::MAX);
    for &wanted in sought.iter().filter(|_| sought.len() <= FEW) {
        let sample = samples.iter().min_by_key(|(_, inode)| inode.abs_diff(wanted));
        let Some(&(centre, _)) = sample else { continue };
        let mut between = centre.saturating_sub(width)..=centre.saturating_add(width);
        found.extend(
            between.find(|&fd| walk.socket_at(pid, fd) == Some(wanted)).map(|fd| (fd, wanted)),
        );
    }
    InodeAge { cost: if found.is_empty() { cost(open, nearest) } else { 0 }, found }
}

/// Descriptors to sample. The lowest free one is used first, so with `open` in use most are below
/// `open`. The highest first, because sought sockets are more often new than old.
fn positions(open: u64, stride: usize) -> impl Iterator<Item = u32> {
    (0..u32::try_from(open).unwrap_or(u32::MAX)).rev().step_by(stride)
}

fn cost(open: u64, nearest: Option<u32>) -> u64 {
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
    fn a_socket_among_thousands_is_found() {
        let listeners: Vec<_> =
            (0..1500).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let walk = ProcWalk::open(Path::new("/proc")).unwrap();
        let me = std::process::id();
        let open = walk.table(me).unwrap().open.unwrap_or(1510);
        let inode = u32::try_from(rustix::fs::fstat(&listeners[777]).unwrap().st_ino).unwrap();
        let near = estimate(&walk, me, open, &[inode]);
        // Other tests of this process use descriptors too, so it is near at least.
        assert!(near.cost <= 10 * open, "{near:?}");
        let far = estimate(&walk, me, open, &[inode ^ 0x8000_0000]);
        assert!(far.cost > 1000 * open && far.found.is_empty(), "{far:?}");
    }
}
