//! One line per sample, always with the same columns.

use std::io::{self, Write};

use super::{Align, LineColumn, LineLayout, LineTable, OutputWriter, Tone, human};
use crate::recording::local_time;
use crate::report::SampleLine;

/// A column: header, width, rank, and whether it needs growth.
type Column = (&'static str, usize, u8, fn(&SampleLine, &mut String));

const COMMON: [Column; 12] = [
    ("TIME", 8, 1, |line, out| out.push_str(local_time(line.at_ns).get(11..19).unwrap_or(""))),
    ("CONNS", 6, 1, |line, out| human::count(line.connections, out)),
    ("NEW", 5, 3, |line, out| grown(line, line.opened, out)),
    ("GONE", 5, 3, |line, out| grown(line, line.closed, out)),
    ("RECV/S", 9, 2, |line, out| bit_rate(line, line.bytes_in, out)),
    ("SEND/S", 9, 2, |line, out| bit_rate(line, line.bytes_out, out)),
    ("SEGS-IN/S", 9, 9, |line, out| rate(line, line.segs_in, out)),
    ("SEGS-OUT/S", 10, 8, |line, out| rate(line, line.segs_out, out)),
    ("RETRANS", 7, 1, |line, out| grown(line, line.retrans_segs, out)),
    ("RETR%", 6, 2, |line, out| match line.retrans_ratio() {
        Some(share) => human::share(share, out),
        None => out.push('-'),
    }),
    ("RTT", 6, 2, |line, out| quantile(line, 0.5, out)),
    ("RTT-P90", 7, 6, |line, out| quantile(line, 0.9, out)),
];

/// Of connections that were selected.
const CONNECTIONS: [Column; 2] = [
    ("RECV-Q", 6, 7, |line, out| human::bytes(line.receive_queue, out)),
    ("SEND-Q", 6, 7, |line, out| human::bytes(line.send_queue, out)),
];

/// Of services.
const SERVICES: [Column; 2] = [
    ("QUEUED", 6, 7, |line, out| human::count(line.accept_queue, out)),
    ("DROPS", 5, 5, |line, out| grown(line, line.drops, out)),
];

fn grown(line: &SampleLine, growth: u64, out: &mut String) {
    match line.interval_s {
        Some(_) => human::count(growth, out),
        None => out.push('-'),
    }
}

fn rate(line: &SampleLine, growth: u64, out: &mut String) {
    match line.interval_s {
        Some(seconds) => human::count((growth as f64 / seconds).round() as u64, out),
        None => out.push('-'),
    }
}

fn bit_rate(line: &SampleLine, growth: u64, out: &mut String) {
    match line.interval_s {
        Some(seconds) => human::bit_rate(growth as f64 / seconds, out),
        None => out.push('-'),
    }
}

fn quantile(line: &SampleLine, share: f64, out: &mut String) {
    match line.rtt.quantile(share).filter(|_| !line.rtt.is_empty()) {
        Some(rtt) => human::microseconds(rtt, out),
        None => out.push('-'),
    }
}

/// What the lines are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleSubject {
    /// Connections that were selected.
    Connections,
    /// A service.
    Service,
}

/// The lines.
#[derive(Debug)]
pub struct SampleLines {
    table: LineTable,
    columns: Vec<Column>,
}

impl SampleLines {
    /// Without a line yet.
    pub fn new(subject: SampleSubject, layout: LineLayout) -> Self {
        let more = match subject {
            SampleSubject::Connections => CONNECTIONS,
            SampleSubject::Service => SERVICES,
        };
        let columns: Vec<Column> = COMMON.into_iter().chain(more).collect();
        let lines = columns.iter().map(|(header, width, rank, _)| LineColumn {
            header,
            align: Align::Right,
            width: *width,
            is_address: false,
            rank: *rank,
        });
        Self { table: LineTable::new(lines.collect(), layout), columns }
    }

    /// The headers of the columns that do not fit.
    pub fn dropped(&self) -> Vec<&'static str> {
        self.table.dropped()
    }

    /// Writes a line, at once.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write(
        &mut self,
        out: &mut OutputWriter<impl Write>,
        line: &SampleLine,
    ) -> io::Result<()> {
        let columns = &self.columns;
        self.table.row(out, |number| {
            let mut cell = String::new();
            if let Some((.., write)) = columns.get(number) {
                write(line, &mut cell);
            }
            (cell, Tone::Plain)
        })?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Style;

    fn written(subject: SampleSubject, width: Option<usize>) -> (String, Vec<&'static str>) {
        let layout = LineLayout {
            width,
            screen: None,
            header: true,
            shorten: false,
            style: Style::new(false),
        };
        let mut lines = SampleLines::new(subject, layout);
        let mut out = OutputWriter::new(Vec::new());
        let first = SampleLine { connections: 3, ..SampleLine::default() };
        let mut second = SampleLine {
            interval_s: Some(2.0),
            opened: 1,
            bytes_in: 250_000,
            segs_out: 200,
            retrans_segs: 3,
            drops: 7,
            ..first.clone()
        };
        second.rtt.add(1_500);
        for line in [first, second] {
            lines.write(&mut out, &line).unwrap();
        }
        let text = String::from_utf8(out.into_inner()).unwrap();
        // In the zone of whoever runs the test.
        (text.lines().map(|line| format!("{}\n", &line[9..])).collect(), lines.dropped())
    }

    #[test]
    fn lines_have_the_same_columns() {
        let (text, dropped) = written(SampleSubject::Service, Some(80));
        insta::assert_snapshot!(text);
        assert_eq!(dropped, ["SEGS-IN/S", "SEGS-OUT/S", "RTT-P90", "QUEUED"]);
        let (text, dropped) = written(SampleSubject::Connections, None);
        insta::assert_snapshot!(text);
        assert!(dropped.is_empty());
    }
}
