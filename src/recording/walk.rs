//! The samples of one recording, one after the other.

use std::io::Read;
use std::mem;

use super::assembler::{Fetched, SampleAssembler};
use super::{Mark, ReadError, Reader, Sample};

/// A part of a recording; all of it by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Samples that began earlier are passed over. What they reported of owners holds.
    pub from: Option<Mark>,
    /// The span ends before the first sample that began later.
    pub to: Option<Mark>,
}

/// The complete samples of a recording in a span, one after the other.
///
/// One sample is read ahead, so that the last is known to be the last.
pub struct Walk<'r, R: Read> {
    reader: &'r mut Reader<R>,
    span: Span,
    assembler: SampleAssembler,
    begun: bool,
    first: Option<u64>,
    damage: Option<ReadError>,
}

impl<'r, R: Read> Walk<'r, R> {
    /// Begins before the first sample.
    pub fn new(reader: &'r mut Reader<R>, span: Span) -> Self {
        let assembler = SampleAssembler::new(!reader.has_notes());
        Self { reader, span, assembler, begun: false, first: None, damage: None }
    }

    /// Goes to the next sample; `false` if there is none.
    pub fn advance(&mut self) -> bool {
        if !mem::replace(&mut self.begun, true) {
            self.fetch();
        }
        loop {
            let Some(begun) = self.assembler.show_next() else { return false };
            self.fetch();
            if !self.span.from.is_some_and(|from| from.is_after(begun.clocks)) {
                return true;
            }
        }
    }

    /// The current sample; without meaning before the first.
    pub fn sample(&self) -> &Sample {
        self.assembler.sample()
    }

    /// The current sample, to take its contents.
    pub fn sample_mut(&mut self) -> &mut Sample {
        self.assembler.sample_mut()
    }

    /// The current sample, to keep.
    pub fn into_sample(self) -> Sample {
        self.assembler.into_sample()
    }

    /// Whether no other sample follows.
    pub fn is_last(&self) -> bool {
        self.assembler.next_clocks().is_none()
    }

    /// When the first complete sample of the recording began, in nanoseconds since 1970, or one
    /// after the end of the span.
    pub fn first(&self) -> Option<u64> {
        self.first
    }

    /// What is wrong with the recording, as far as it was read.
    pub fn damage(&self) -> Option<&ReadError> {
        self.damage.as_ref()
    }

    /// Reads up to the end of the next sample.
    fn fetch(&mut self) {
        if self.damage.is_some() {
            return;
        }
        let begun = match self.assembler.fetch(self.reader, self.span.to) {
            Fetched::Sample => self.assembler.next_clocks(),
            Fetched::PastSpan(clocks) => Some(clocks),
            Fetched::FileEnd(damage) => return self.damage = damage,
        };
        self.first = self.first.or(begun.map(|begun| begun.realtime_ns));
    }
}

impl<R: Read> std::fmt::Debug for Walk<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk")
            .field("reader", &self.reader)
            .field("sample", &self.sample().number)
            .finish_non_exhaustive()
    }
}
