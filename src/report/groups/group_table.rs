//! The groups of a run.

use std::cmp::Ordering;

use rustc_hash::FxHashMap;

use super::figures::Figures;
use super::key::{GroupKey, KeyValue};
use crate::report::{Change, Connection};

/// As many groups are kept apart. What does not fit is in [`GroupTable::rest`].
const MOST: usize = 10_000;

/// One group.
#[derive(Debug)]
pub struct Group {
    /// The value of each key.
    pub key: Vec<KeyValue>,
    /// Its figures.
    pub figures: Figures,
}

/// Sockets by the values of some keys.
///
/// Its memory is bounded by the number of groups and of sockets; only a new group allocates.
#[derive(Debug)]
pub struct GroupTable {
    /// The keys.
    pub keys: Vec<GroupKey>,
    /// Positions of groups by their encoded keys.
    index: FxHashMap<Box<[u8]>, usize>,
    groups: Vec<Group>,
    /// Sockets of groups that are not kept apart.
    rest: Figures,
    /// The groups of sockets, by namespace and cookie, and the sample in which each was seen last: a
    /// row of a connection that is gone has no owner.
    members: FxHashMap<(u64, u64), (usize, u64)>,
    sample: u64,
    repeats: bool,
    /// Whether sockets are not only counted.
    detailed: bool,
    encoded: Vec<u8>,
}

/// Position of the sockets that are in no group.
const REST: usize = usize::MAX;

impl GroupTable {
    /// No groups. `repeats`: whether there are several samples.
    pub fn new(keys: Vec<GroupKey>, repeats: bool) -> Self {
        Self::with(keys, repeats, true)
    }

    /// The same, of sockets that are only counted.
    pub fn counting(keys: Vec<GroupKey>, repeats: bool) -> Self {
        Self::with(keys, repeats, false)
    }

    fn with(keys: Vec<GroupKey>, repeats: bool, detailed: bool) -> Self {
        Self {
            keys,
            index: FxHashMap::default(),
            groups: Vec::new(),
            rest: Figures::new(detailed),
            members: FxHashMap::default(),
            sample: 0,
            repeats,
            detailed,
            encoded: Vec::new(),
        }
    }

    /// Begins a sample: forgets the groups that the one before left without sockets.
    pub fn begin(&mut self) {
        let sample = self.sample;
        self.sample += 1;
        self.rest.clear();
        if self.groups.iter().any(|group| group.figures.count == 0) {
            let mut moved = vec![REST; self.groups.len()];
            let mut kept = 0;
            for (was, group) in self.groups.iter().enumerate() {
                if group.figures.count > 0 {
                    if let Some(moved) = moved.get_mut(was) {
                        *moved = kept;
                    }
                    kept += 1;
                }
            }
            let moved_to = |was: usize| moved.get(was).copied().unwrap_or(REST);
            self.index.retain(|_, at| {
                *at = moved_to(*at);
                *at != REST
            });
            self.members.values_mut().for_each(|(at, _)| *at = moved_to(*at));
            self.groups.retain(|group| group.figures.count > 0);
        }
        self.members.retain(|_, (_, seen)| *seen == sample);
        self.groups.iter_mut().for_each(|group| group.figures.clear());
    }

    /// Adds a socket.
    pub fn add(&mut self, row: &Connection<'_>) {
        let namespace = row.netns.map_or(0, |netns| netns.inode);
        let member = (namespace, row.socket.cookie);
        let known =
            (row.change == Some(Change::Closed)).then(|| self.members.get(&member).copied());
        let at = match known.flatten() {
            Some((at, _)) => at,
            None => self.position(row),
        };
        if self.repeats && row.change != Some(Change::Closed) {
            self.members.insert(member, (at, self.sample));
        }
        let group = self.groups.get_mut(at).map(|group| &mut group.figures);
        group.unwrap_or(&mut self.rest).add(row);
    }

    /// The position of a row's group, which is made if there is room for it.
    fn position(&mut self, row: &Connection<'_>) -> usize {
        self.encoded.clear();
        for key in &self.keys {
            key.of(row).encode(&mut self.encoded);
        }
        if let Some(at) = self.index.get(&*self.encoded) {
            return *at;
        }
        if self.groups.len() == MOST {
            return REST;
        }
        let key = self.keys.iter().map(|key| key.of(row).keep()).collect();
        self.index.insert(self.encoded.as_slice().into(), self.groups.len());
        self.groups.push(Group { key, figures: Figures::new(self.detailed) });
        self.groups.len() - 1
    }

    /// The groups, in this order; equal ones by their keys.
    pub fn sorted(&self, mut order: impl FnMut(&Group, &Group) -> Ordering) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.iter().collect();
        groups.sort_by(|one, other| {
            let by_keys = || one.key.iter().zip(&other.key);
            let by_keys =
                || by_keys().fold(Ordering::Equal, |order, (a, b)| order.then(a.compare(b)));
            order(one, other).then_with(by_keys)
        });
        groups
    }

    /// The number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Sockets of groups that are not kept apart, because there are too many.
    pub fn rest(&self) -> &Figures {
        &self.rest
    }

    /// All sockets.
    pub fn total(&self) -> Figures {
        let mut total = self.rest.clone();
        self.groups.iter().for_each(|group| total.merge(&group.figures));
        total
    }
}
