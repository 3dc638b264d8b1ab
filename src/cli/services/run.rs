//! Watching the kernel, interval by interval.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use anyhow::Context as _;

use super::ServicesCommand;
use super::budget::Budget;
use super::gate::Gate;
use super::output::Output;
use super::place::{Common, Opening, Place, Poll};
use super::replay;
use super::session::Session;
use super::tee::Keep;
use crate::attribution::Classifier;
use crate::cli::config::Config;
use crate::cli::exit::{Exit, say};
use crate::cli::owners::People;
use crate::cli::scene::{is_all, places};
use crate::cli::stats::selection::Selection;
use crate::counters::{CounterWidth, Counters};
use crate::output::human;
use crate::procfs::{Host, NetNamespace, PortNames, Scope};
use crate::report::{Polls, Quality};
use crate::socket_diag::EventOptions;
use crate::sys::{Clocks, Interrupt, give_memory_back};

pub(super) fn run(command: &ServicesCommand) -> anyhow::Result<Exit> {
    let config = Config::load(command.config.as_deref())?;
    if let Some(recording) = command.span.recording()? {
        return replay::run(command, config, recording);
    }
    let here = crate::counters::read("/proc/thread-self/net".as_ref()).unwrap_or_default();
    let selection = selection(&command.counter, &here)?;
    let interrupt = Interrupt::install()?;
    give_memory_back();
    let mut live = Live::open(command, config, selection)?;
    live.begin()?;
    announce(command);
    let mut left = command.count();
    let mut next = live.started;
    let mut asked = interrupt.is_asked();
    while left != Some(0) && !asked {
        next = (next + command.interval()).max(Instant::now());
        let end = command.duration.map_or(next, |duration| next.min(live.started + duration));
        live.watch(&interrupt, end)?;
        // What was seen until the user asked to end is an answer too, also where that was in the
        // midst of writing one.
        asked = interrupt.is_asked();
        live.close_interval()?;
        left = left.map(|left| left - 1);
    }
    live.close(if asked { "interrupted" } else { "count" })
}

/// Tells whoever waits at a terminal for how long.
fn announce(command: &ServicesCommand) {
    if io::stderr().is_terminal() {
        let mut time = String::new();
        human::microseconds(command.interval().as_micros() as u64, &mut time);
        say(format_args!("watching for {time}; Ctrl-C shows what was seen until then"));
    }
}

/// What `--counter` means where there are these; `None` if it is not given.
pub(super) fn selection(names: &[String], here: &Counters) -> anyhow::Result<Option<Selection>> {
    if names.is_empty() {
        return Ok(None);
    }
    let selection = Selection::new(names, false, here).context("--counter")?;
    if !selection.not_here.is_empty() {
        let names = selection.not_here.join(", ");
        say(format_args!("tcpdiag: this kernel does not count {names}"));
    }
    Ok(Some(selection))
}

/// A run on the kernel.
struct Live<'a> {
    session: Session<'a>,
    selection: Option<Selection>,
    /// Namespaces that could not be entered or seen.
    unreachable: Vec<String>,
    budget: Budget,
    started: Instant,
}

impl<'a> Live<'a> {
    /// Opens the namespaces. Events are heard from here on.
    fn open(
        command: &'a ServicesCommand,
        config: Config,
        selection: Option<Selection>,
    ) -> anyhow::Result<Self> {
        let host = Host::this();
        let common = Common {
            classifier: Classifier::new(config.services, command.by, PortNames::load()),
            servers: People::new(true, true, Scope::First)?,
            holders: Some(People::new(true, true, Scope::First)?),
            ecn: host.ecn_word(),
            keep: None,
        };
        let polls = Polls {
            skipped: Some(0),
            looks: Some(0),
            cpu_budget: Some(command.cpu_budget),
            ..Polls::default()
        };
        let output = Output::new(command, selection.clone(), true);
        let session = Session::new(command, host, common, output, polls, Clocks::now());
        let mut live = Self {
            session,
            selection,
            unreachable: Vec::new(),
            budget: Budget::new(command.cpu_budget),
            started: Instant::now(),
        };
        live.find_places()?;
        Ok(live)
    }

    /// Opens the namespaces that are not open yet, leaves those that are gone, and tells how many
    /// there were before the new ones.
    fn find_places(&mut self) -> anyhow::Result<usize> {
        let specs = &self.session.command.netns;
        let (found, hidden) = places(specs)?;
        self.unreachable = hidden;
        let open = &mut self.session.places;
        open.retain(|place| found.iter().any(|new| new.inode == place.namespace.inode));
        let before = open.len();
        for place in &found {
            if self.session.places.iter().any(|known| known.namespace.inode == place.inode) {
                continue;
            }
            match self.open_place(place) {
                Ok(place) => self.session.places.push(place),
                Err(error) if is_all(specs) => self.unreachable.push(format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        if self.session.places.is_empty() {
            let reasons = self.unreachable.join("; ");
            anyhow::bail!("no network namespace could be entered: {reasons}");
        }
        Ok(before)
    }

    fn open_place(&mut self, place: &NetNamespace) -> anyhow::Result<Place> {
        let command = self.session.command;
        let keep = &mut self.session.common.keep;
        if let (Some(path), None) = (&command.record, &keep) {
            *keep = Some(Keep::new(command, path, place)?);
        }
        let receive_buffer = usize::try_from(command.event_buffer)?;
        let options = EventOptions { receive_buffer, ..EventOptions::default() };
        let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
        let opening = Opening {
            width: CounterWidth::of_machine(&machine),
            events: (!command.no_events).then_some(options),
            gate: Gate::new(self.selection.clone()),
        };
        Place::open(place, opening, keep.as_mut())
    }

    /// Sets the baseline.
    fn begin(&mut self) -> anyhow::Result<()> {
        let at = self.first_polls(0)?;
        self.session.begin(at);
        // What it took to get here is not what watching costs.
        self.budget = Budget::new(self.session.command.cpu_budget);
        self.started = Instant::now();
        Ok(())
    }

    /// Polls all namespaces but the first `known` for the first time; tells when.
    fn first_polls(&mut self, known: usize) -> anyhow::Result<Clocks> {
        let at = self.begin_sample(true);
        let poll = self.session.poll_at(at, false);
        for place in self.session.places.iter_mut().skip(known) {
            place.poll(&mut self.session.common, poll)?;
            place.begin_interval();
        }
        self.end_sample()?;
        Ok(at)
    }

    /// Begins polls that belong together.
    fn begin_sample(&mut self, early: bool) -> Clocks {
        let at = Clocks::now();
        if let Some(keep) = &mut self.session.common.keep {
            keep.begin(at, early);
        }
        at
    }

    /// Ends them; tells what nobody could see.
    fn end_sample(&mut self) -> anyhow::Result<Quality> {
        let mut hidden = Quality::default();
        self.session.common.servers.report(&mut hidden);
        hidden.permission_limited.extend(self.unreachable.iter().cloned());
        if let Some(keep) = &mut self.session.common.keep {
            keep.end(&hidden)?;
        }
        Ok(hidden)
    }

    /// Looks at the counters until `end`, and at sockets early where one moved that is watched.
    fn watch(&mut self, interrupt: &Interrupt, end: Instant) -> anyhow::Result<()> {
        let mut look = Instant::now();
        while let Some(every) = self.session.command.watch.0 {
            look = (look + every).max(Instant::now());
            if look >= end {
                break;
            }
            if interrupt.sleep_until(look) {
                return Ok(());
            }
            self.budget.settle();
            for index in 0..self.session.places.len() {
                self.look(index)?;
            }
        }
        interrupt.sleep_until(end);
        Ok(())
    }

    /// Looks at the counters of a namespace.
    fn look(&mut self, index: usize) -> anyhow::Result<()> {
        let Some(place) = self.session.places.get_mut(index) else { return Ok(()) };
        let polls = &mut self.session.polls;
        *polls.looks.get_or_insert_default() += 1;
        if !place.moved()? {
            return Ok(());
        }
        // One more is left for the poll that ends the interval.
        if !self.budget.affords(place.cost * 2) {
            *polls.skipped.get_or_insert_default() += 1;
            return Ok(());
        }
        polls.early += 1;
        let at = self.begin_sample(true);
        let poll = Poll { read: true, ..self.session.poll_at(at, false) };
        if let Some(place) = self.session.places.get_mut(index) {
            place.poll(&mut self.session.common, poll)?;
        }
        self.end_sample()?;
        self.budget.settle();
        Ok(())
    }

    /// Polls, shows what the interval came to, and begins the next one.
    fn close_interval(&mut self) -> anyhow::Result<()> {
        let at = self.begin_sample(false);
        let poll = self.session.poll_at(at, true);
        for place in &mut self.session.places {
            place.poll(&mut self.session.common, poll)?;
            self.session.polls.regular += 1;
        }
        let hidden = self.end_sample()?;
        self.session.close_interval(at, &hidden)?;
        if is_all(&self.session.command.netns) {
            let before = self.find_places()?;
            if before < self.session.places.len() {
                self.first_polls(before)?;
            }
        }
        Ok(())
    }

    /// Shows the whole run.
    fn close(mut self, why: &str) -> anyhow::Result<Exit> {
        if let Some(keep) = self.session.common.keep.take() {
            keep.finish(why)?;
        }
        if self.session.intervals == 0 {
            return Ok(Exit::Interrupted);
        }
        let strict = self.session.command.strict;
        let partial = self.session.close(false)?;
        Ok(if strict && partial { Exit::Partial } else { Exit::Done })
    }
}
