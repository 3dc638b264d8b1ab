//! Watching, interval by interval.

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use anyhow::Context as _;

use super::ServicesCommand;
use super::budget::Budget;
use super::gate::Gate;
use super::output::{Output, Told};
use super::place::{Common, Opening, Place};
use super::sum::Sum;
use crate::attribute::Classifier;
use crate::cli::config::Config;
use crate::cli::exit::{Exit, say};
use crate::cli::owners::People;
use crate::cli::scene::{is_all, places};
use crate::cli::stats::selection::Selection;
use crate::counters::CounterWidth;
use crate::render::human;
use crate::report::{Basis, Polls, Quality};
use crate::source::{EventOptions, Host, NetNamespace, PortNames, Scope};
use crate::sys::{Interrupt, Usage, give_memory_back};

pub(super) fn run(command: &ServicesCommand) -> anyhow::Result<Exit> {
    let config = Config::load(command.config.as_deref())?;
    let selection = selection(&command.counter)?;
    let interrupt = Interrupt::install()?;
    give_memory_back();
    let mut session = Session::open(command, config, selection)?;
    session.begin()?;
    announce(command);
    let mut left = command.count();
    let mut next = session.started;
    let mut asked = interrupt.is_asked();
    while left != Some(0) && !asked {
        next = (next + command.interval()).max(Instant::now());
        let end = command.duration.map_or(next, |duration| next.min(session.started + duration));
        session.watch(&interrupt, end)?;
        // What was seen until the user asked to end is an answer too, also where that was in the
        // midst of writing one.
        asked = interrupt.is_asked();
        session.close_interval()?;
        left = left.map(|left| left - 1);
    }
    session.close()
}

/// Tells whoever waits at a terminal for how long.
fn announce(command: &ServicesCommand) {
    if io::stderr().is_terminal() {
        let mut time = String::new();
        human::microseconds(command.interval().as_micros() as u64, &mut time);
        say(format_args!("watching for {time}; Ctrl-C shows what was seen until then"));
    }
}

/// What `--counter` means; `None` if it is not given.
fn selection(names: &[String]) -> anyhow::Result<Option<Selection>> {
    if names.is_empty() {
        return Ok(None);
    }
    let here = crate::counters::read("/proc/thread-self/net".as_ref()).unwrap_or_default();
    let selection = Selection::new(names, false, &here).context("--counter")?;
    if !selection.not_here.is_empty() {
        let names = selection.not_here.join(", ");
        say(format_args!("tcpdiag: this kernel does not count {names}"));
    }
    Ok(Some(selection))
}

/// A run.
struct Session<'a> {
    command: &'a ServicesCommand,
    host: Host,
    selection: Option<Selection>,
    common: Common,
    places: Vec<Place>,
    /// Namespaces that could not be entered or seen.
    unreachable: Vec<String>,
    budget: Budget,
    output: Output<'a>,
    /// Of the interval that runs.
    polls: Polls,
    usage: Usage,
    /// Of the whole run.
    whole: Sum,
    all_polls: Polls,
    all_usage: Usage,
    started: Instant,
    intervals: u64,
}

impl<'a> Session<'a> {
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
            holders: People::new(true, true, Scope::First)?,
            ecn: host.ecn_word(),
        };
        let polls = Polls { cpu_budget: command.cpu_budget, ..Polls::default() };
        let mut session = Self {
            command,
            host,
            output: Output::new(command, selection.clone()),
            selection,
            common,
            places: Vec::new(),
            unreachable: Vec::new(),
            budget: Budget::new(command.cpu_budget),
            polls,
            usage: Usage::now(),
            whole: Sum::default(),
            all_polls: polls,
            all_usage: Usage::now(),
            started: Instant::now(),
            intervals: 0,
        };
        session.find_places()?;
        Ok(session)
    }

    /// Opens the namespaces that are not open yet, leaves those that are gone, and tells how many
    /// there were before the new ones.
    fn find_places(&mut self) -> anyhow::Result<usize> {
        let specs = &self.command.netns;
        let (found, hidden) = places(specs)?;
        self.unreachable = hidden;
        self.places.retain(|place| found.iter().any(|new| new.inode == place.namespace.inode));
        let before = self.places.len();
        for place in &found {
            if self.places.iter().any(|known| known.namespace.inode == place.inode) {
                continue;
            }
            match self.open_place(place) {
                Ok(place) => self.places.push(place),
                Err(error) if is_all(specs) => self.unreachable.push(format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        if self.places.is_empty() {
            let reasons = self.unreachable.join("; ");
            anyhow::bail!("no network namespace could be entered: {reasons}");
        }
        Ok(before)
    }

    fn open_place(&self, place: &NetNamespace) -> anyhow::Result<Place> {
        let receive_buffer = usize::try_from(self.command.event_buffer)?;
        let options = EventOptions { receive_buffer, ..EventOptions::default() };
        let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
        let opening = Opening {
            width: CounterWidth::of_machine(&machine),
            events: (!self.command.no_events).then_some(options),
            gate: Gate::new(self.selection.clone()),
        };
        Place::open(place, opening)
    }

    /// Says of which namespaces no events are heard any more, though they were asked for.
    fn say_deaf(&mut self) {
        for reason in self.places.iter_mut().filter_map(|place| place.deaf.take()) {
            say(format_args!("tcpdiag: {reason}; short connections stay unseen from here on"));
        }
    }

    /// Sets the baseline.
    fn begin(&mut self) -> anyhow::Result<()> {
        for place in &mut self.places {
            place.poll(&mut self.common, false, false)?;
            place.begin_interval();
        }
        self.say_deaf();
        // What it took to get here is not what watching costs.
        self.budget = Budget::new(self.command.cpu_budget);
        (self.usage, self.all_usage) = (Usage::now(), Usage::now());
        self.started = Instant::now();
        Ok(())
    }

    /// Looks at the counters until `end`, and at sockets early where one moved that is watched.
    fn watch(&mut self, interrupt: &Interrupt, end: Instant) -> anyhow::Result<()> {
        let mut look = Instant::now();
        while let Some(every) = self.command.watch.0 {
            look = (look + every).max(Instant::now());
            if look >= end {
                break;
            }
            if interrupt.sleep_until(look) {
                return Ok(());
            }
            self.budget.settle();
            for place in &mut self.places {
                self.polls.looks += 1;
                if !place.moved()? {
                    continue;
                }
                // One more is left for the poll that ends the interval.
                if self.budget.affords(place.cost * 2) {
                    place.poll(&mut self.common, false, true)?;
                    self.polls.early += 1;
                    self.budget.settle();
                } else {
                    self.polls.skipped += 1;
                }
            }
        }
        interrupt.sleep_until(end);
        Ok(())
    }

    /// Polls, shows what the interval came to, and begins the next one.
    fn close_interval(&mut self) -> anyhow::Result<()> {
        let mut sums = Vec::new();
        for place in &mut self.places {
            place.poll(&mut self.common, true, false)?;
            self.polls.regular += 1;
            sums.push((place.namespace.clone(), place.begin_interval()));
        }
        let mut hidden = Quality::default();
        self.common.servers.report(&mut hidden);
        hidden.permission_limited.extend(self.unreachable.iter().cloned());
        let mut total = Sum::default();
        for (_, sum) in &mut sums {
            sum.quality.add(hidden.clone());
            total.add(sum);
        }
        let used = self.usage.elapsed();
        self.usage = Usage::now();
        let told = Told {
            host: &self.host,
            names: &self.common.classifier,
            used,
            polls: self.polls,
            basis: Basis::Interval,
            many: self.is_of_many(),
        };
        self.output.begin()?;
        for (namespace, sum) in &sums {
            self.output.show(&told, Some(namespace), sum)?;
        }
        if self.is_of_many() {
            self.output.show(&told, None, &total)?;
        }
        self.output.end(&total)?;
        self.say_deaf();
        self.whole.follow(&total);
        self.all_polls.add(&self.polls);
        self.polls = Polls { cpu_budget: self.command.cpu_budget, ..Polls::default() };
        self.intervals += 1;
        if is_all(&self.command.netns) {
            let before = self.find_places()?;
            for place in self.places.iter_mut().skip(before) {
                place.poll(&mut self.common, false, false)?;
                place.begin_interval();
            }
        }
        Ok(())
    }

    fn is_of_many(&self) -> bool {
        self.places.len() > 1 || is_all(&self.command.netns)
    }

    /// Shows the whole run.
    fn close(mut self) -> anyhow::Result<Exit> {
        if self.intervals == 0 {
            return Ok(Exit::Interrupted);
        }
        let told = Told {
            host: &self.host,
            names: &self.common.classifier,
            used: self.all_usage.elapsed(),
            polls: self.all_polls,
            basis: Basis::WholeRun,
            many: self.is_of_many(),
        };
        let namespace = match self.places.as_slice() {
            [place] if !self.is_of_many() => Some(&place.namespace),
            _ => None,
        };
        if self.intervals > 1 {
            self.output.show(&told, namespace, &self.whole)?;
            self.output.end(&self.whole)?;
        }
        self.output.close(&told, self.intervals);
        let partial = self.whole.quality.is_partial();
        Ok(if self.command.strict && partial { Exit::Partial } else { Exit::Done })
    }
}
