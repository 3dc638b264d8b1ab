//! A recording without addresses and names.

use std::io::BufWriter;

use anyhow::Context as _;

use super::{ConvertCommand, meter, target};
use crate::cli::exit::{Exit, say};
use crate::cli::size::spelled;
use crate::filter::{Expr, NoNames};
use crate::output::human::grouped;
use crate::recording::{Dropped, Key, Reader, anonymise};
use crate::sys::Interrupt;

/// What is gathered before it is written.
const BUFFER: usize = 1 << 18;

pub(super) fn run(command: &ConvertCommand) -> anyhow::Result<Exit> {
    if !matches!(command.which.expression(&NoNames), Ok(Expr::True)) {
        anyhow::bail!("--anonymise takes the whole recording: filters do not go with it");
    }
    let interrupt = Interrupt::install()?;
    let name = command.file.display();
    let (file, mut meter) = meter::open(&command.file)?;
    let source = file.file().try_clone().with_context(|| name.to_string())?;
    let mut reader = Reader::new(file).with_context(|| name.to_string())?;
    if !reader.is_of_this_byte_order() {
        anyhow::bail!("{name}: recorded on a machine of the other byte order");
    }
    let key = Key::random().context("cannot draw a key")?;
    // Not to be missed where it is required.
    let path = command.into.as_deref().context("--anonymise needs --into OUT")?;
    let out = BufWriter::with_capacity(BUFFER, target::create(path, command.force, &source)?);
    let result = anonymise(&mut reader, out, &key, |samples| {
        meter.show(|| format!("{} samples", grouped(samples)));
        !interrupt.is_asked()
    });
    meter.clear();
    let done = result.with_context(|| format!("cannot write {}", path.display()))?;
    say(format_args!(
        "{}: {} samples, {} in {}",
        path.display(),
        grouped(done.samples),
        spelled(done.written),
        meter.took(),
    ));
    if let Some(line) = left_out(&done.dropped) {
        say(line);
    }
    if let Some(damage) = &done.damage {
        say(format_args!("tcpdiag: {name}: {damage}"));
    }
    let partial = done.damage.is_some();
    Ok(if command.strict && partial { Exit::Partial } else { Exit::Done })
}

/// What is not in the new recording.
fn left_out(dropped: &Dropped) -> Option<String> {
    let Dropped { notes, lines, messages, attributes, blocks } = *dropped;
    let parts = [
        (notes, "note", "notes"),
        (lines, "line of a note", "lines of notes"),
        (messages, "message", "messages"),
        (attributes, "attribute", "attributes"),
        (blocks, "block of the file", "blocks of the file"),
    ];
    let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, one, many)| {
            format!("{} {}", grouped(count), if count == 1 { one } else { many })
        })
        .collect();
    (!parts.is_empty())
        .then(|| format!("left out, what it holds not being known: {}", parts.join(", ")))
}
