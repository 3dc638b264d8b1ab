//! Recording, sample by sample.

use std::fs::{self, OpenOptions};
use std::io::BufWriter;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::RecordCommand;
use super::holders::Holders;
use super::place::{Opened, Place, Taken};
use super::progress::{Figures, Progress, in_words};
use crate::cli::exit::{Exit, say};
use crate::cli::scene::{is_all, places};
use crate::cli::size::spelled;
use crate::record::{self, About, Compression, Ending, HostFacts, Kind, Tape, Writer};
use crate::render::human::grouped;
use crate::source::{Host, NetNamespace, capabilities};
use crate::sys::{Clocks, Interrupt};

/// Where recordings go.
pub(in crate::cli) type File = BufWriter<fs::File>;

/// What is gathered before it is written: a plain recording has a block for each event.
const BUFFER: usize = 1 << 18;

/// For the owner's eyes only: keys and other users' addresses are in it.
const MODE: u32 = 0o600;

/// Room for what ends a recording.
const CLOSING: u64 = 512;

pub(super) fn run(command: &RecordCommand) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::install()?;
    // All that can fail without a file fails before there is one.
    let opened = open_places(&command.netns)?;
    let holders = Holders::new()?;
    let tape = begin(&Start {
        file: &command.file,
        force: command.force,
        compression: command.compress.into(),
        interval: command.interval,
        place: opened.first().context("no network namespace to record")?.namespace(),
    })?;
    let mut session = Session::new(command, opened, holders, tape)?;
    let result = session.record(&interrupt);
    session.end(result)
}

/// Opens the namespaces that were asked for; says which cannot be.
fn open_places(specs: &[String]) -> anyhow::Result<Vec<Opened>> {
    let (found, mut unreachable) = places(specs)?;
    let mut opened = Vec::new();
    for place in &found {
        match Opened::new(place) {
            Ok(place) => opened.push(place),
            Err(error) if is_all(specs) => unreachable.push(format!("{error:#}")),
            Err(error) => return Err(error),
        }
    }
    if opened.is_empty() {
        anyhow::bail!("no network namespace could be entered: {}", unreachable.join("; "));
    }
    unreachable.iter().for_each(|reason| say(format_args!("tcpdiag: not recorded: {reason}")));
    Ok(opened)
}

/// How a recording begins.
pub(in crate::cli) struct Start<'a> {
    pub(in crate::cli) file: &'a Path,
    /// Overwrite what is there.
    pub(in crate::cli) force: bool,
    pub(in crate::cli) compression: Compression,
    pub(in crate::cli) interval: Duration,
    /// The first network namespace.
    pub(in crate::cli) place: &'a NetNamespace,
}

/// Makes the file and begins the recording.
pub(in crate::cli) fn begin(start: &Start<'_>) -> anyhow::Result<Tape<File>> {
    let host = Host::this();
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    let about = About {
        program: concat!("tcpdiag ", env!("CARGO_PKG_VERSION")),
        system: &format!("Linux {}", host.kernel),
        machine: &machine,
    };
    let place = record::Place { inode: start.place.inode, name: start.place.name.as_deref() };
    let file = BufWriter::with_capacity(BUFFER, create(start.file, start.force)?);
    let writer = Writer::new(file, start.compression, &about, &place)
        .with_context(|| format!("cannot write {}", start.file.display()))?;
    let tape = Tape::new(writer);
    let facts = HostFacts {
        hostname: host.hostname,
        kernel: host.kernel,
        machine,
        boot_id: host.boot_id,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        arguments: std::env::args_os()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect(),
        interval_ns: u64::try_from(start.interval.as_nanos()).unwrap_or(u64::MAX),
        net_admin: capabilities::has_net_admin(),
        clocks: Clocks::now(),
    };
    tape.json(Kind::Host, 0, &facts);
    Ok(tape)
}

/// A new file, or with `force` an empty one.
fn create(path: &Path, force: bool) -> anyhow::Result<fs::File> {
    if path == Path::new("-") {
        anyhow::bail!("a recording goes to a file, not to standard output: give it a name");
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let cannot = || format!("cannot create {}", path.display());
    let file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{} exists already; --force overwrites it", path.display())
        }
        _ => anyhow::Error::new(error).context(cannot()),
    })?;
    if force && file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        // What was there before may have been for everybody.
        file.set_permissions(fs::Permissions::from_mode(MODE)).with_context(cannot)?;
    }
    Ok(file)
}

/// Why a recording ends, when nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Count,
    Duration,
    Size,
    Interrupted,
}

impl Why {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A recording being made.
struct Session<'a> {
    command: &'a RecordCommand,
    tape: Tape<File>,
    places: Vec<Place>,
    holders: Holders,
    progress: Progress,
    started: Instant,
    samples: u64,
    /// Of all samples.
    total: Taken,
    /// Sockets of the last one.
    sockets: u64,
    /// Bytes that the last one took.
    growth: u64,
}

impl<'a> Session<'a> {
    fn new(
        command: &'a RecordCommand,
        opened: Vec<Opened>,
        holders: Holders,
        tape: Tape<File>,
    ) -> anyhow::Result<Self> {
        let mut places = Vec::new();
        for opened in opened {
            let interface = if places.is_empty() {
                0
            } else {
                let namespace = opened.namespace();
                let name = namespace.name.as_deref();
                tape.add_place(&record::Place { inode: namespace.inode, name })
            };
            places.push(Place::new(opened, interface, &tape)?);
        }
        Ok(Self {
            command,
            tape,
            places,
            holders,
            progress: Progress::new(),
            started: Instant::now(),
            samples: 0,
            total: Taken::default(),
            sockets: 0,
            growth: 0,
        })
    }

    /// Takes samples until there is a reason to end.
    fn record(&mut self, interrupt: &Interrupt) -> anyhow::Result<Why> {
        let mut next = self.started;
        let end = self.command.duration.map(|duration| self.started + duration);
        loop {
            self.sample()?;
            self.progress.show(&self.figures());
            if interrupt.is_asked() {
                return Ok(Why::Interrupted);
            }
            if self.command.count == Some(self.samples) {
                return Ok(Why::Count);
            }
            let size = self.tape.written();
            if self.command.max_size.is_some_and(|most| size + self.growth + CLOSING > most) {
                return Ok(Why::Size);
            }
            // One that takes longer than the interval lets others be missed, not come late.
            next = (next + self.command.interval).max(Instant::now());
            match end {
                Some(end) if Instant::now() >= end => return Ok(Why::Duration),
                Some(end) => next = next.min(end),
                None => {}
            }
            if interrupt.sleep_until(next) {
                return Ok(Why::Interrupted);
            }
        }
    }

    fn sample(&mut self) -> anyhow::Result<()> {
        let before = self.tape.written();
        self.tape.begin_sample(u32::try_from(self.samples).unwrap_or(u32::MAX));
        let mut taken = Taken::default();
        for place in &mut self.places {
            let of_place = place.sample(&self.tape, &mut self.holders)?;
            taken.sockets += of_place.sockets;
            taken.events += of_place.events;
            taken.events_lost += of_place.events_lost;
            if let Some(reason) = place.deaf.take() {
                self.progress.clear();
                say(format_args!("tcpdiag: {reason}; deaths of sockets are not recorded"));
            }
        }
        self.holders.tell(&self.tape)?;
        self.tape.end_sample();
        self.tape.flush().with_context(|| self.failure())?;
        self.samples += 1;
        self.growth = self.tape.written() - before;
        self.sockets = taken.sockets;
        self.total.sockets += taken.sockets;
        self.total.events += taken.events;
        self.total.events_lost += taken.events_lost;
        Ok(())
    }

    fn figures(&self) -> Figures {
        let elapsed = self.started.elapsed();
        let left = self.command.duration.or_else(|| {
            let intervals = u32::try_from(self.command.count?.saturating_sub(1)).ok()?;
            self.command.interval.checked_mul(intervals)
        });
        Figures {
            samples: self.samples,
            sockets: self.sockets,
            size: self.tape.written(),
            elapsed,
            left: left.map(|all| all.saturating_sub(elapsed)),
        }
    }

    /// What is said when the file cannot be written.
    fn failure(&self) -> String {
        let samples = grouped(self.samples);
        format!("cannot write {}, which keeps {samples} samples", self.command.file.display())
    }

    /// Ends the recording, also after an error, and says what it came to.
    fn end(self, result: anyhow::Result<Why>) -> anyhow::Result<Exit> {
        self.progress.clear();
        let why = result.as_ref().map_or("error", |why| why.name()).to_owned();
        let Taken { sockets, events, events_lost } = self.total;
        let ending = Ending { why, samples: self.samples, sockets, events, events_lost };
        self.tape.json(Kind::End, 0, &ending);
        let finished = self.tape.finish().and_then(|file| {
            let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
            // Some file systems tell only now that they are full.
            file.sync_all()
        });
        let why = result?;
        finished.with_context(|| self.failure())?;
        say(self.summary(why));
        Ok(Exit::Done)
    }

    fn summary(&self, why: Why) -> String {
        let size = fs::metadata(&self.command.file).map_or(0, |metadata| metadata.len());
        let mut line = format!(
            "{}: {} in {}, {}",
            self.command.file.display(),
            counted(self.samples, "sample"),
            in_words(self.started.elapsed()),
            spelled(size),
        );
        if self.total.sockets > 0 {
            let each = size as f64 / self.total.sockets as f64;
            line.push_str(&format!(" ({each:.1} bytes per socket and sample)"));
        }
        line.push_str(&format!(", {}", counted(self.total.events, "death")));
        if self.total.events_lost > 0 {
            line.push_str(&format!(", {} not heard", grouped(self.total.events_lost)));
        }
        if why == Why::Size {
            line.push_str("; ended by --max-size");
        }
        line
    }
}

/// `1 sample`, `2 samples`.
fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}
