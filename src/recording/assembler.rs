//! Puts samples together from the entries of one file, or of several that follow each other.

use std::io::Read;
use std::mem;

use super::error::Damage;
use super::facts::{HostFacts, SampleBegun};
use super::known_facts::{KnownFacts, size_of_owners};
use super::next_sample::{NextSample, Step, shown};
use super::nlmon_capture::NlmonCapture;
use super::sample::{RecordedNamespace, Sample};
use super::{Datagram, Direction, Entry, Mark, ReadError, Reader};
use crate::sys::Clocks;

/// The sample that is shown, and the one after it, which is read ahead.
///
/// A payload that does not have the form of its kind is ignored.
pub(super) struct SampleAssembler {
    sample: Sample,
    next: NextSample,
    /// `None` in a recording of this program.
    capture: Option<NlmonCapture>,
    /// Samples that were taken from the capture.
    captured: u32,
    /// Whether the facts of samples stay within bounds.
    facts: KnownFacts,
    /// Why no further sample of the file is read.
    failed: Option<Damage>,
}

/// What reading up to the end of the next sample came to.
pub(super) enum Fetched {
    /// A sample is complete.
    Sample,
    /// A sample began after the end of the span.
    PastSpan(Clocks),
    /// The file has no further sample; the damage, if that is why.
    FileEnd(Option<ReadError>),
}

impl SampleAssembler {
    /// Begins before the first sample; `capture` says that another program made the file.
    pub(super) fn new(capture: bool) -> Self {
        Self {
            sample: Sample { capture, ..Sample::default() },
            next: NextSample::default(),
            capture: capture.then(NlmonCapture::default),
            captured: 0,
            facts: KnownFacts::default(),
            failed: None,
        }
    }

    /// The following entries are from another file of the same boot. What is known of owners,
    /// cgroups and settings stays; interface numbers are the new file's own.
    pub(super) fn begin_file(&mut self) {
        self.failed = None;
        self.next.number_offset = 0;
        self.begin_recording();
    }

    /// The same for a recording behind another one in the same file.
    fn begin_recording(&mut self) {
        self.next.begin_recording();
        if let Some(capture) = &mut self.capture {
            *capture = NlmonCapture::default();
            self.captured = 0;
        }
    }

    /// The sample that is shown.
    pub(super) fn sample(&self) -> &Sample {
        &self.sample
    }

    pub(super) fn sample_mut(&mut self) -> &mut Sample {
        &mut self.sample
    }

    pub(super) fn into_sample(self) -> Sample {
        self.sample
    }

    /// When the sample that was read ahead began; `None` if there is none.
    pub(super) fn next_clocks(&self) -> Option<Clocks> {
        self.next.ended.as_ref()?;
        self.next.begun.map(|begun| begun.clocks)
    }

    /// Corrects the monotonic time of the sample that was read ahead.
    pub(super) fn set_next_monotonic(&mut self, monotonic_ns: u64) {
        if let Some(begun) = &mut self.next.begun {
            begun.clocks.monotonic_ns = monotonic_ns;
        }
    }

    /// The usual time between samples of the recording.
    pub(super) fn interval(&self) -> u64 {
        self.next.host.as_ref().unwrap_or(&self.sample.host).interval_ns
    }

    /// Drops the sample that was read ahead. What it reported of owners and names stays.
    pub(super) fn pass_over(&mut self) {
        (self.next.begun, self.next.ended) = (None, None);
        let owners = &mut self.next.earlier_owners;
        owners.append(&mut self.next.owners);
        let held: usize = owners.iter().map(size_of_owners).sum();
        if held > 2 * shown(&self.next.namespaces).allowance() {
            owners.clear();
            self.failed = Some(Damage::Facts);
        }
    }

    /// Reads up to the end of the next sample that begins at `to` or before.
    pub(super) fn fetch<R: Read>(&mut self, reader: &mut Reader<R>, to: Option<Mark>) -> Fetched {
        if let Some(why) = self.failed.take() {
            return Fetched::FileEnd(Some(reader.damaged(why)));
        }
        if self.capture.is_some() {
            return self.fetch_capture(reader, to);
        }
        loop {
            let step = match reader.read_entry() {
                Ok(Some(Entry::Datagram(Datagram { direction: Direction::Sent, .. }))) => continue,
                Ok(Some(Entry::Datagram(datagram))) => {
                    self.next.add_datagram(datagram.interface, datagram.bytes)
                }
                Ok(Some(Entry::Note(note))) => self.next.read(&note),
                Ok(Some(Entry::Recording)) => {
                    self.next.number_offset = self.next.number.saturating_add(1);
                    self.begin_recording();
                    continue;
                }
                Ok(None) => {
                    let damage = (!reader.is_complete()).then(|| reader.unfinished());
                    return Fetched::FileEnd(damage);
                }
                Err(error) => return Fetched::FileEnd(Some(error)),
            };
            match step {
                Ok(Step::Continue) => {}
                Ok(Step::SampleBegun(clocks)) => {
                    if to.is_some_and(|to| to.is_before(clocks)) {
                        return Fetched::PastSpan(clocks);
                    }
                }
                Ok(Step::SampleComplete) => return Fetched::Sample,
                Err(why) => {
                    self.next.drop_sample();
                    return Fetched::FileEnd(Some(reader.damaged(why)));
                }
            }
        }
    }

    /// The same, from a capture by another program.
    fn fetch_capture<R: Read>(&mut self, reader: &mut Reader<R>, to: Option<Mark>) -> Fetched {
        let Some(capture) = &mut self.capture else { return Fetched::FileEnd(None) };
        let mut damage = None;
        let group = loop {
            let datagram = match reader.read_entry() {
                Ok(Some(Entry::Datagram(datagram))) => datagram.bytes,
                Ok(Some(Entry::Note(_))) => continue,
                Ok(Some(Entry::Recording)) => match capture.end() {
                    Some(group) => break Some(group),
                    None => continue,
                },
                Ok(None) => break capture.end(),
                Err(error) => {
                    damage = Some(error);
                    break capture.end();
                }
            };
            // The reader knows the time only after the datagram is given back.
            let datagram = datagram.to_vec();
            match capture.add(reader.time(), &datagram) {
                Ok(None) => {}
                Ok(Some(group)) => break Some(group),
                Err(why) => {
                    *capture = NlmonCapture::default();
                    return Fetched::FileEnd(Some(reader.damaged(why)));
                }
            }
        };
        let Some(group) = group else { return Fetched::FileEnd(damage) };
        let clocks = Clocks { realtime_ns: group.time, monotonic_ns: group.time };
        if to.is_some_and(|to| to.is_before(clocks)) {
            return Fetched::PastSpan(clocks);
        }
        let kernel = reader.system().map(|system| system.trim_start_matches("Linux "));
        let kernel = kernel.unwrap_or_default().to_owned();
        let host = HostFacts { kernel, ..HostFacts::default() };
        self.next.take_captured(group, clocks, host, self.captured);
        self.captured += 1;
        // The damage is reported again when the next sample is asked for.
        Fetched::Sample
    }

    /// Shows the sample that was read ahead: what it reported holds from here on. `None` if there
    /// is none.
    pub(super) fn show_next(&mut self) -> Option<SampleBegun> {
        let (next, sample) = (&mut self.next, &mut self.sample);
        let ended = next.ended.take()?;
        let begun = next.begun.take()?;
        if let Some(host) = next.host.take() {
            sample.host = host;
        }
        (sample.clocks, sample.early, sample.number) = (begun.clocks, begun.early, next.number);
        sample.filter.clone_from(&next.filter);
        sample.processes_hidden = ended.processes_hidden;
        sample.permission_limited = ended.permission_limited;
        for known in next.namespaces.iter().skip(sample.namespaces.len()) {
            sample
                .namespaces
                .push(RecordedNamespace { inode: known.inode, ..RecordedNamespace::default() });
        }
        for (namespace, state) in sample.namespaces.iter_mut().zip(&mut next.namespaces) {
            if namespace.name != state.name {
                namespace.name.clone_from(&state.name);
            }
            namespace.interface = state.interface.unwrap_or(namespace.interface);
            mem::swap(&mut namespace.part, &mut state.part);
        }
        self.facts.add(next.show_facts(sample));
        if let Err(why) = self.facts.check(sample) {
            self.failed = Some(why);
        }
        Some(begun)
    }
}
