//! What becomes of what is recorded: one file, many, or memory.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;

use super::RecordCommand;
use super::output::{Naming, Output, exists};
use super::preamble::Preamble;
use super::progress::{counted, in_words};
use super::ring::{Ring, Segment, USUAL};
use super::rotation::Rotation;
use super::run::{Sum, Why};
use crate::cli::size::spelled;
use crate::procfs::NetNamespace;
use crate::recording::{Compression, Kind, join};

/// Where recordings go.
#[derive(Debug)]
pub(super) enum Store {
    One,
    Rotation(Rotation),
    Ring(Ring),
}

impl Store {
    /// As the command says, and what is written first.
    pub(super) fn open(
        command: &RecordCommand,
        preamble: &Preamble,
    ) -> anyhow::Result<(Self, Output)> {
        if let Some(span) = command.ring {
            // What would fail when it matters fails now.
            let naming = Naming::of(&command.file)?;
            let directory = naming.directory();
            let is_directory = directory.metadata().is_ok_and(|metadata| metadata.is_dir());
            anyhow::ensure!(is_directory, "{} is no directory", directory.display());
            if !command.force && command.file.symlink_metadata().is_ok() {
                return Err(exists(&command.file));
            }
            let ring = Ring::new(span, command.max_size.unwrap_or(USUAL));
            return Ok((Self::Ring(ring), Output::Memory(Vec::new())));
        }
        let Some(rotate) = command.rotate else {
            return Ok((Self::One, Output::create(&command.file, command.force)?));
        };
        let naming = Naming::of(&command.file)?;
        let hostname = preamble.hostname().to_owned();
        let (mut rotation, output) = Rotation::begin(naming, rotate, command.keep, hostname)?;
        rotation.clean();
        Ok((Self::Rotation(rotation), output))
    }

    /// The file that is written, or will be.
    pub(super) fn path<'a>(&'a self, command: &'a RecordCommand) -> &'a Path {
        match self {
            Self::One | Self::Ring(_) => &command.file,
            Self::Rotation(rotation) => &rotation.current,
        }
    }

    /// What was written, in words.
    pub(super) fn named(&self, command: &RecordCommand) -> String {
        let path = self.path(command).display();
        match self {
            Self::One => path.to_string(),
            Self::Rotation(rotation) => match rotation.finished {
                0 | 1 => path.to_string(),
                files => format!("{}, the last of them {path}", counted(files, "file")),
            },
            Self::Ring(ring) => match ring.writings {
                0 => "nothing written".to_owned(),
                times => format!("written {}", counted(times, "time")),
            },
        }
    }

    /// Memory is dear: there it is compressed however the file is to be.
    pub(super) fn compression(&self, asked: Compression) -> Compression {
        if matches!(self, Self::Ring(_)) { Compression::Zstd } else { asked }
    }

    /// Whether a file or segment of this age, and of this size with another sample, is full.
    pub(super) fn is_due(&self, age: Duration, size: u64) -> bool {
        match self {
            Self::One => false,
            Self::Rotation(rotation) => rotation.is_due(age, size),
            Self::Ring(ring) => ring.is_due(age, size),
        }
    }

    /// What is written next.
    pub(super) fn next(&mut self) -> anyhow::Result<Output> {
        match self {
            Self::One => anyhow::bail!("there is one file only"),
            Self::Rotation(rotation) => rotation.next(),
            Self::Ring(_) => Ok(Output::Memory(Vec::new())),
        }
    }

    /// A file or segment is whole; the latter's bytes, and what they are of.
    pub(super) fn finished(&mut self, bytes: Vec<u8>, sum: Sum, begun: Instant) {
        match self {
            Self::One => {}
            Self::Rotation(rotation) => {
                rotation.finish();
                rotation.clean();
            }
            Self::Ring(ring) => ring.push(Segment { bytes, begun, ended: Instant::now(), sum }),
        }
    }

    /// Bytes of all files that are whole, deleted ones included.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::One | Self::Ring(_) => 0,
            Self::Rotation(rotation) => rotation.size,
        }
    }
}

impl Ring {
    /// Writes what is kept to a file of its own; tells what that came to.
    pub(super) fn write(
        &mut self,
        command: &RecordCommand,
        preamble: &Preamble,
        first: &NetNamespace,
    ) -> anyhow::Result<String> {
        // One that was cut short by a full disk is there already.
        let is_free = command.force || command.file.symlink_metadata().is_err();
        let (path, output) = if self.writings == 0 && is_free {
            (command.file.clone(), Output::create(&command.file, command.force)?)
        } else {
            Naming::of(&command.file)?.create(Timestamp::now())?
        };
        let failure = || format!("cannot write {}", path.display());
        let mut writer =
            preamble.writer(output, command.compress.into(), first).with_context(failure)?;
        let parts = self.segments().map(|segment| segment.bytes.as_slice());
        let mut sum = Sum::default();
        self.segments().for_each(|segment| sum.add(segment.sum));
        let ended = join(parts, first.inode, &mut writer)
            .and_then(|()| writer.json(Kind::End, 0, &sum.ending(Why::Kept.name())))
            .and_then(|()| writer.finish())
            .and_then(Output::close);
        ended.with_context(failure)?;
        self.writings += 1;
        let since = self.kept().0.map_or(Duration::ZERO, |since| since.elapsed());
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok(format!(
            "{}: the last {}, {}, {}",
            path.display(),
            in_words(since),
            counted(sum.samples, "sample"),
            spelled(size)
        ))
    }
}
