//! Recording: what is reported while it runs, and at its end.

use super::RecordCommand;
use super::progress_line::progress_line;
use crate::cli::exit::{Exit, causes, eprint_line, eprint_wrapped};
use crate::cli::recording_args::with_force_hint;
use crate::monitor::{
    MonitorError, RecordingEvent, RecordingOptions, RecordingRun, RecordingSummary, WriteReason,
};
use crate::output::Progress;
use crate::output::escape;
use crate::output::human::spelled;
use crate::output::human::{counted, grouped, in_words};
use crate::recording::{EndReason, RecordedTotals, check_path};
use crate::sys::Interrupt;

pub(super) fn run(command: &RecordCommand) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::install()?;
    if command.ring.is_some() {
        interrupt.heed_nudges()?;
    }
    check_path(&command.file)?;
    let options = RecordingOptions {
        namespaces: command.netns.clone(),
        filter: command.narrowing.filter(&command.netns)?,
        store: command.store(),
        interval: command.interval,
        count: command.count,
        duration: command.duration,
        max_size: command.max_size,
        trigger: command.trigger.clone(),
        write_on_exit: command.write_on_exit,
        with_keys: command.with_keys,
    };
    let mut progress = Progress::new();
    let mut report = |event: RecordingEvent<'_>| show(event, &mut progress);
    let summary = RecordingRun::open(options, &mut report)
        .and_then(|run| run.record(&interrupt, &mut report));
    progress.clear();
    let summary = summary.map_err(hinted)?;
    eprint_wrapped(summary_line(&summary));
    let partial = summary.quality.is_partial() || summary.totals.events_lost > 0;
    Ok(if command.strict && partial { Exit::Partial } else { Exit::Done })
}

/// Reports what happened.
fn show(event: RecordingEvent<'_>, progress: &mut Progress) {
    if !matches!(event, RecordingEvent::Sampled(_)) {
        progress.clear();
    }
    match event {
        RecordingEvent::Sampled(sampled) => progress.show(|| progress_line(sampled)),
        RecordingEvent::NotRecorded(reason) => {
            eprint_line(format_args!("tcpdiag: not recorded: {reason}"));
        }
        RecordingEvent::NoEvents(reason) => {
            eprint_line(format_args!("tcpdiag: {reason}; destroy events are not recorded"));
        }
        RecordingEvent::NotRead(line) => eprint_line(format_args!("tcpdiag: {line}")),
        RecordingEvent::RingWritten(written, reason) => eprint_line(format_args!(
            "{}: the last {}, {}, {} ({})",
            written.path.display(),
            in_words(written.time),
            counted(written.samples, "sample"),
            spelled(written.size),
            in_text(reason)
        )),
        RecordingEvent::RingNotWritten(error) => {
            eprint_line(format_args!("tcpdiag: {}", causes(&hinted(error))));
        }
        RecordingEvent::NotDeleted(failure) => {
            let path = failure.path.display().to_string();
            eprint_line(format_args!(
                "tcpdiag: cannot delete {}: {}",
                escape::text(&path),
                failure.error
            ));
        }
    }
}

/// `SIGUSR1`, `TcpRetransSegs grew by 1,200/s`, or how the recording ended.
fn in_text(reason: &WriteReason) -> String {
    match reason {
        WriteReason::Signal => "SIGUSR1".to_owned(),
        WriteReason::Counter(growth) => {
            let unit = if growth.per_second { "/s" } else { "" };
            let amount = grouped(growth.amount.round() as u64);
            format!("{} grew by {amount}{unit}", growth.counter)
        }
        WriteReason::End(why) => why.name().to_owned(),
    }
}

/// The error of a recording, with a hint where there is one.
fn hinted(error: MonitorError) -> anyhow::Error {
    match error {
        MonitorError::Store(error) => with_force_hint(error),
        MonitorError::Trigger(error) => anyhow::Error::from(error).context("--trigger"),
        error => error.into(),
    }
}

/// The files that were written.
fn written(summary: &RecordingSummary) -> String {
    let path = summary.path.display();
    match (summary.is_ring, summary.files) {
        (true, 0) => "nothing written".to_owned(),
        (true, times) => format!("written {}", counted(times, "time")),
        (false, 0 | 1) => path.to_string(),
        (false, files) => format!("{}, the last of them {path}", counted(files, "file")),
    }
}

fn summary_line(summary: &RecordingSummary) -> String {
    let RecordedTotals { samples, sockets, events, events_lost, foreign } = summary.totals;
    let (samples, elapsed) = (counted(samples, "sample"), in_words(summary.elapsed));
    let mut line = format!("{}: {samples} in {elapsed}", written(summary));
    if !summary.is_ring {
        line.push_str(&format!(", {}", spelled(summary.size)));
        if sockets > 0 {
            let each = summary.size as f64 / sockets as f64;
            line.push_str(&format!(" ({each:.1} bytes per socket and sample)"));
        }
    }
    line.push_str(&format!(", {}", counted(events, "destroy event")));
    if events_lost > 0 {
        line.push_str(&format!(", {} lost", grouped(events_lost)));
    }
    if foreign > 0 {
        line.push_str(&format!(
            "; {} that the kernel did not send discarded",
            counted(foreign, "netlink datagram")
        ));
    }
    if summary.why == EndReason::Size {
        line.push_str("; ended by --max-size");
    }
    line
}
