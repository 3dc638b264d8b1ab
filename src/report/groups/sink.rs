//! Adds up the rows of samples.

use std::mem;
use std::rc::Rc;

use super::GroupTable;
use crate::counters::Counters;
use crate::monitor::{Namespace, Quality};
use crate::report::{Connection, RowSink};
use crate::sys::Interrupt;

/// Sums of the rows of one sample.
pub trait SampleSums {
    /// Begins a sample.
    fn begin(&mut self);

    /// Adds a row.
    fn add(&mut self, row: &Connection<'_>);

    /// Adds a namespace's counters, where they are read.
    fn add_counters(&mut self, counters: &Counters) {
        let _ = counters;
    }
}

impl SampleSums for GroupTable {
    fn begin(&mut self) {
        Self::begin(self);
    }

    fn add(&mut self, row: &Connection<'_>) {
        Self::add(self, row);
    }
}

/// Takes the rows of samples, of all namespaces, and adds them up.
#[derive(Debug)]
pub struct SumSink<T> {
    /// The sums of the sample.
    pub sums: T,
    captured_at: Rc<str>,
    interrupt: Rc<Interrupt>,
    /// Whether the user asked to end during the sample.
    pub is_interrupted: bool,
    /// Records that the kernel sent for the sample.
    pub listed: u64,
    quality: Quality,
}

impl<T: SampleSums> SumSink<T> {
    /// Without a sample yet. Ends a sample when the user asks to end.
    pub fn new(sums: T, interrupt: Rc<Interrupt>) -> Self {
        Self {
            sums,
            captured_at: Rc::from(""),
            interrupt,
            is_interrupted: false,
            listed: 0,
            quality: Quality::default(),
        }
    }

    /// Begins a sample that was taken at `captured_at`.
    pub fn begin(&mut self, captured_at: &str) {
        self.captured_at = Rc::from(captured_at);
        self.sums.begin();
        self.listed = 0;
        self.quality = Quality::default();
    }

    /// What limits the reliability of the sample.
    pub fn take_quality(&mut self) -> Quality {
        mem::take(&mut self.quality)
    }
}

impl<T: SampleSums> RowSink for SumSink<T> {
    fn captured_at(&self) -> Rc<str> {
        Rc::clone(&self.captured_at)
    }

    fn row(&mut self, row: &Connection<'_>) {
        self.sums.add(row);
    }

    fn is_over(&mut self) -> bool {
        self.is_interrupted |= self.interrupt.is_asked();
        self.is_interrupted
    }

    fn remove(&mut self, _: &Namespace) {}

    /// Sums cannot be taken back: a dump that was disturbed is not read again, but counted.
    fn holds_rows(&self) -> bool {
        false
    }

    fn poll_ended(&mut self, dumped: u64, quality: &Quality, counters: &Counters) {
        self.listed += dumped;
        self.quality.add(quality.clone());
        self.sums.add_counters(counters);
    }
}
