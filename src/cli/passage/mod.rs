//! Going through a recording: what every socket did from sample to sample, and whose it was.
//!
//! Knows samples, ledgers and services. Refuses to know what becomes of it.

mod holding;
mod place;

use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::config::Config;
use crate::attribution::{Classifier, Grouping};
use crate::procfs::PortNames;
use crate::recording::Sample;
use crate::wire::EcnWord;

pub(super) use holding::Holding;
pub(super) use place::Sight;
use place::{Label, Names, Place, Poll};

/// Owners and cgroups of what is gone that are kept at least.
const SPARE: usize = 4096;

/// What was not whole on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    /// Destroy events that were lost.
    pub(super) events_lost: u64,
    /// Samples without word of destroy events.
    pub(super) deaf: u64,
    /// Dumps that were disturbed or ended early.
    pub(super) dumps: u64,
}

impl Gaps {
    pub(super) fn is_partial(&self) -> bool {
        self.events_lost > 0 || self.dumps > 0
    }
}

/// The way through a recording.
#[derive(Debug)]
pub(super) struct Passage {
    pub(super) classifier: Classifier,
    /// What services are called, by number.
    labels: Vec<Label>,
    places: Vec<Place>,
    /// Owners and cgroups that were left when they were cleaned last.
    kept: usize,
    /// Stands for the time at which the recording's machine began to run.
    origin: Instant,
    /// Whether TIME-WAIT and SYN-RECV records are handed on too. Nothing is remembered of them
    /// otherwise, since they are many.
    pub(super) minisocks: bool,
    pub(super) gaps: Gaps,
}

impl Passage {
    pub(super) fn new(grouping: Grouping) -> anyhow::Result<Self> {
        let rules = Config::load(None)?.services;
        Ok(Self {
            classifier: Classifier::new(rules, grouping, PortNames::load()),
            labels: Vec::new(),
            places: Vec::new(),
            kept: 0,
            origin: Instant::now(),
            minisocks: false,
            gaps: Gaps::default(),
        })
    }

    /// Takes the next sample; hands on every socket of it, and every one that is gone since the
    /// one before.
    pub(super) fn take(
        &mut self,
        sample: &Sample,
        each: &mut dyn FnMut(&Sight<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let release = sample.host.kernel.as_str();
        // No machine runs for so long that this overflows; where a clock is damaged, time stands.
        let now = self.origin.checked_add(Duration::from_nanos(sample.clocks.monotonic_ns));
        let poll = Poll {
            sample,
            now: now.unwrap_or(self.origin),
            ecn: EcnWord::of_release(release),
            minisocks: self.minisocks,
        };
        for (at, namespace) in sample.namespaces.iter().enumerate() {
            if self.places.len() <= at {
                self.places.push(Place::default());
            }
            let Some(place) = self.places.get_mut(at) else { continue };
            let mut names = Names { classifier: &mut self.classifier, labels: &mut self.labels };
            place.take(namespace, &poll, &mut names, &mut self.gaps, each)?;
        }
        Ok(())
    }

    /// Forgets the names of what is gone.
    pub(super) fn clean(&mut self, sample: &mut Sample) {
        if sample.owners.len() + sample.cgroups.len() <= 2 * self.kept + SPARE {
            return;
        }
        let mut inodes = FxHashSet::default();
        let mut cgroups = FxHashSet::default();
        for place in &self.places {
            place.names_in_use(&mut inodes, &mut cgroups);
        }
        sample.owners.retain(|inode, _| inodes.contains(inode));
        sample.cgroups.retain(|id, _| cgroups.contains(id));
        self.kept = sample.owners.len() + sample.cgroups.len();
    }
}
