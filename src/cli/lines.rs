//! `--lines`: one line per sample.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use anyhow::bail;
use clap::Args;

use super::exit::{Exit, eprint_line, reader_left};
use super::output::{Colour, Format, width};
use super::run::{SocketArgs, Subject};
use super::sockets::Selected;
use super::warnings::Warnings;
use crate::output::{LineLayout, OutputWriter, SampleLines, SampleSubject, find_column, summary};
use crate::report::{ConnectionPoller, LineSums, Quality};
use crate::sys::{Clocks, Interrupt, terminal_size};

/// The columns that the sums of connections are made from.
const SUMMED: [&str; 3] = ["rtt", "recv_q", "bytes_sent"];

/// Arguments of lines.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct LinesArgs {
    /// Show one line per sample with the sums of all connections, as vmstat does; the median of
    /// round trips is RTT.
    #[arg(long, requires = "interval", conflicts_with_all = ["columns", "detail", "sort", "limit", "read", "names"], help_heading = "Repeating")]
    lines: bool,
}

impl LinesArgs {
    /// Whether lines were asked for.
    pub(super) fn is_asked(self) -> bool {
        self.lines
    }
}

/// How lines look.
pub(super) fn layout(color: Colour, is_wide: bool, header: bool) -> LineLayout {
    LineLayout {
        width: (!is_wide).then(width),
        screen: terminal_size().map(|(_, rows)| usize::from(rows)),
        header,
        shorten: false,
        style: color.style(),
    }
}

/// Says which columns do not fit.
pub(super) fn report_dropped(lines: &SampleLines) {
    let dropped = lines.dropped();
    if !dropped.is_empty() {
        eprint_line(format_args!("not shown in {} columns: {}", width(), dropped.join(", ")));
    }
}

/// Sums of the connections that match, sample by sample.
pub(super) fn run(sockets: &SocketArgs, subject: Subject) -> anyhow::Result<Exit> {
    let output = &sockets.output;
    if output.output != Format::Table {
        bail!("--lines is a table; -o {} has a row per connection and sample", output.name());
    }
    let selected = Selected::new(&sockets.filter, &sockets.recorded, true)?;
    let columns: Vec<_> = SUMMED.iter().filter_map(|name| find_column(name)).collect();
    let wanted = sockets.wanted(subject, &selected.needs, &columns, &[]);
    let (settings, _) = selected.settings(&sockets.filter, wanted)?;
    let sums = Rc::new(RefCell::new(LineSums::default()));
    let mut poller =
        ConnectionPoller::open(settings, &sockets.filter.netns, None, Rc::clone(&sums))?;
    let interrupt = Interrupt::install()?;
    let mut lines = SampleLines::new(
        SampleSubject::Connections,
        layout(output.color, output.wide || output.oneline, !output.no_header),
    );
    let mut out = OutputWriter::standard();
    let (mut ticks, mut warnings) = (sockets.repeat.ticks(), Warnings::default());
    let mut quality = Quality::default();
    let mut before: Option<Instant> = None;
    loop {
        let (at, clocks) = (Instant::now(), Clocks::now());
        poller.poll(at)?;
        let mut sample = std::mem::take(&mut *sums.borrow_mut());
        sample.line.at_ns = clocks.realtime_ns;
        // There may have been no connection that knows.
        sample.line.interval_s = before.replace(at).map(|before| (at - before).as_secs_f64());
        poller.report_limits(&mut sample.quality);
        if reader_left(lines.write(&mut out, &sample.line))? {
            break;
        }
        warnings.print(summary::warnings(&sample.quality));
        quality.add(sample.quality);
        if !ticks.wait(&interrupt) {
            break;
        }
    }
    report_dropped(&lines);
    Ok(if output.strict && quality.is_partial() { Exit::Partial } else { Exit::Done })
}
