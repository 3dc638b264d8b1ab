//! Running a command that adds up sockets, once or repeatedly.

use std::cell::RefCell;
use std::io::{self, BufWriter, Stdout};
use std::rc::Rc;
use std::time::Instant;

use super::exit::{Exit, eprint_wrapped, reader_left};
use super::repeat::RepeatArgs;
use super::warnings::Warnings;
use crate::output::{OutputWriter, summary};
use crate::recording::Sample;
use crate::report::{
    ConnectionPoller, Cost, Document, PollerSettings, Quality, SampleSums, SumSink,
};
use crate::sys::{Interrupt, Usage, UsageSince};

/// Where samples are written.
pub(super) type Out = OutputWriter<BufWriter<Stdout>>;

/// A sample to write.
pub(super) struct SumSample<'a, T> {
    pub(super) sums: &'a mut T,
    pub(super) document: Document<'a>,
    pub(super) quality: &'a Quality,
    pub(super) cost: Cost,
    pub(super) used: UsageSince,
    /// Whether it is the first one.
    pub(super) is_first: bool,
}

/// What stays the same in all samples.
pub(super) struct SumRun {
    pub(super) schema: &'static str,
    pub(super) repeat: RepeatArgs,
    pub(super) netns: Vec<String>,
    /// The recording is damaged behind its sample.
    pub(super) damaged: bool,
    pub(super) strict: bool,
    /// What the user may not see.
    pub(super) withheld: Vec<String>,
}

impl SumRun {
    /// Polls, and passes each sample to `write`, which returns a closing line for the only one.
    pub(super) fn run<T: SampleSums>(
        self,
        settings: PollerSettings,
        sample: Option<Sample>,
        sums: T,
        mut write: impl FnMut(Out, SumSample<'_, T>) -> io::Result<(Out, String)>,
    ) -> anyhow::Result<Exit> {
        let interrupt = Rc::new(Interrupt::install()?);
        let sink = Rc::new(RefCell::new(SumSink::new(sums, Rc::clone(&interrupt))));
        let mut poller = ConnectionPoller::open(settings, &self.netns, sample, Rc::clone(&sink))?;
        let repeats = self.repeat.interval.is_some();
        let (mut ticks, mut warnings) = (self.repeat.ticks(), Warnings::default());
        let mut out = OutputWriter::standard();
        let mut usage = Usage::now();
        let (mut before, mut samples, mut is_partial) = (None, 0_u64, false);
        loop {
            let (at, captured_at) = (Instant::now(), poller.time());
            sink.borrow_mut().begin(&captured_at);
            poller.poll(at)?;
            let mut sink = sink.borrow_mut();
            if sink.is_interrupted {
                break;
            }
            let mut quality = sink.take_quality();
            poller.report_limits(&mut quality);
            quality.permission_limited.extend(self.withheld.iter().cloned());
            is_partial |= quality.is_partial();
            let used = usage.elapsed();
            let listed = sink.listed;
            let document = Document {
                schema: self.schema,
                captured_at,
                host: poller.host(),
                netns: poller.namespace().cloned(),
                interval_s: before.map(|before: Instant| (at - before).as_secs_f64()),
            };
            let sample = SumSample {
                sums: &mut sink.sums,
                document,
                quality: &quality,
                cost: Cost::new(used, listed),
                used,
                is_first: samples == 0,
            };
            samples += 1;
            let written = write(out, sample).and_then(|(mut out, closing)| {
                out.flush()?;
                Ok((out, closing))
            });
            let closing;
            (out, closing) = match written {
                Ok(written) => written,
                Err(error) => {
                    reader_left(Err::<(), _>(error))?;
                    break;
                }
            };
            if !repeats && !closing.is_empty() {
                eprint_wrapped(closing);
            }
            warnings.print(summary::warnings(&quality));
            before = Some(at);
            drop(sink);
            if !ticks.wait(&interrupt) {
                break;
            }
            usage = Usage::now();
        }
        Ok(match samples {
            0 => Exit::Interrupted,
            _ if self.strict && (self.damaged || is_partial) => Exit::Partial,
            _ => Exit::Done,
        })
    }
}
