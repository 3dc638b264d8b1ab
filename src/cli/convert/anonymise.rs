//! Copying recordings without addresses and names.

use std::cell::RefCell;
use std::fs::Metadata;
use std::io::{BufWriter, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;

use super::{ConvertCommand, create};
use crate::cli::exit::{Exit, eprint_line};
use crate::cli::recording_args::{complain, opened};
use crate::filter::{Expr, NoNames};
use crate::output::human::{grouped, spelled};
use crate::output::{InputProgress, dropped};
use crate::recording::{BytesRead, CountedFile, Key, Reader, Session, SessionOptions, anonymise};
use crate::sys::Interrupt;

/// What is gathered before it is written.
const BUFFER: usize = 1 << 18;

pub(super) fn run(command: &ConvertCommand) -> anyhow::Result<Exit> {
    if !matches!(command.which.expression(&NoNames), Ok(Expr::True)) {
        anyhow::bail!("--anonymise takes the whole recording: filters do not go with it");
    }
    if !command.further.is_empty() || command.file.is_dir() {
        // They have to belong together, and be in time order.
        let session = opened(Session::open(&command.files(), &SessionOptions::default()))?;
        let paths = RefCell::new(Vec::new());
        let readers = session.readers().map(|(path, reader)| {
            paths.borrow_mut().push(path);
            reader
        });
        let source = Source {
            is_read: &|file| session.reads(file),
            path: &|number| paths.borrow().get(number).copied(),
            progress: &|| session.progress(),
        };
        let exit = copy(command, readers, &source)?;
        let partial = complain(&session) && command.strict && matches!(exit, Exit::Done);
        return Ok(if partial { Exit::Partial } else { exit });
    }
    // It may be a pipe, which can be opened only once.
    let name = command.file.display();
    let read = BytesRead::default();
    let file =
        CountedFile::open(&command.file, &read).with_context(|| format!("cannot open {name}"))?;
    let metadata = file.metadata().with_context(|| name.to_string())?;
    let reader = Reader::new(file).with_context(|| name.to_string())?;
    if !reader.is_of_this_byte_order() {
        anyhow::bail!("{name}: recorded on a machine of the other byte order");
    }
    let source = Source {
        is_read: &|file| (file.dev(), file.ino()) == (metadata.dev(), metadata.ino()),
        path: &|_| Some(&command.file),
        progress: &|| (read.get(), metadata.len()),
    };
    copy(command, [reader], &source)
}

/// What is copied.
struct Source<'a> {
    /// Whether this is the metadata of a file that is read.
    is_read: &'a dyn Fn(&Metadata) -> bool,
    /// The path of a recording by its number.
    path: &'a dyn Fn(usize) -> Option<&'a Path>,
    /// Bytes read, of how many.
    progress: &'a dyn Fn() -> (u64, u64),
}

/// Copies these recordings into one.
fn copy<R: Read>(
    command: &ConvertCommand,
    readers: impl IntoIterator<Item = Reader<R>>,
    source: &Source<'_>,
) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::install()?;
    let mut progress = InputProgress::new();
    let key = Key::random().context("cannot draw a key")?;
    // Not to be missed where it is required.
    let path = command.into.as_deref().context("--anonymise needs --into OUT")?;
    let out = BufWriter::with_capacity(BUFFER, create(path, command.force, source.is_read)?);
    let result = anonymise(readers, out, &key, |samples| {
        progress.show((source.progress)(), || format!("{} samples", grouped(samples)));
        !interrupt.is_asked()
    });
    progress.clear();
    let done = result.with_context(|| format!("cannot write {}", path.display()))?;
    eprint_line(format_args!(
        "{}: {} samples, {} in {}",
        path.display(),
        grouped(done.samples),
        spelled(done.written),
        progress.took(),
    ));
    if let Some(line) = dropped(&done.dropped) {
        eprint_line(line);
    }
    for (number, damage) in &done.damage {
        let name = (source.path)(*number).unwrap_or(path);
        eprint_line(format_args!("tcpdiag: {}: {damage}", name.display()));
    }
    let partial = !done.damage.is_empty();
    Ok(if command.strict && partial { Exit::Partial } else { Exit::Done })
}
