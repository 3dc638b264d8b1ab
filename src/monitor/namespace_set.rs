//! The network namespaces of a run, each with its consumer.

use std::time::{Duration, Instant};

use super::consumer::Consumer;
use super::error::MonitorError;
use super::namespace_monitor::{NamespaceMonitor, Opening, Shared};
use super::namespaces::{find_namespaces, wants_all};
use super::quality::Namespace;
use super::refusals::Refusals;
use super::request::PollRequest;
use super::shortage::Shortage;
use super::unreachable::{Unreachable, described, reason, too_few_descriptors};
use crate::procfs::NetNamespace;
use crate::recording::{NamespaceChoice, Sample};
use crate::sys::{descriptor_limit, descriptors_left};

/// Descriptors that stay free when namespaces are opened: for the search of processes, and for the
/// files of a recording.
pub(super) const RESERVED_DESCRIPTORS: u64 = 64;

/// Descriptors of a namespace besides those for its destroy events: the socket for dumps, and two
/// counter files or its own file.
const OTHER_DESCRIPTORS: usize = 3;

/// A namespace and the consumer of its polls.
#[derive(Debug)]
pub struct Member<C> {
    /// The namespace.
    pub monitor: NamespaceMonitor,
    /// Its consumer.
    pub consumer: C,
}

/// The namespaces of a run.
#[derive(Debug)]
pub struct NamespaceSet<C> {
    /// What all of them share.
    pub shared: Shared,
    /// The namespaces.
    pub members: Vec<Member<C>>,
    unreachable: Unreachable,
    /// Whether it has, or is to have, more than one.
    has_many: bool,
    /// Namespaces that could not be entered, or not be read any more.
    refused: Refusals,
    opening: Opening,
}

impl<C> NamespaceSet<C> {
    /// An empty set; namespaces are opened with these options.
    pub fn new(shared: Shared, opening: Opening) -> Self {
        Self {
            shared,
            members: Vec::new(),
            unreachable: Unreachable::default(),
            has_many: false,
            refused: Refusals::default(),
            opening,
        }
    }

    /// Whether it has more than one, or had: one that is lost is still in the sums.
    pub fn has_many(&self) -> bool {
        self.has_many || self.members.len() > 1
    }

    /// Opens the namespaces of these specifications that are not open yet, and closes those that
    /// are gone. Those of `all` that failed before are tried again less and less often. Returns how many there were before the new ones. Calls `prepare` with each new one
    /// before opening it, and `consumer` to make its consumer.
    ///
    /// # Errors
    /// When one that was named cannot be opened, or none of `all`.
    pub fn find(
        &mut self,
        specs: &[String],
        mut prepare: impl FnMut(&mut Shared, &NetNamespace) -> Result<(), MonitorError>,
        mut consumer: impl FnMut(&NamespaceMonitor) -> C,
    ) -> Result<usize, MonitorError> {
        let (found, hidden) = find_namespaces(specs)?;
        self.unreachable = Unreachable::new(hidden);
        self.has_many |= wants_all(specs) || found.len() > 1;
        let is_found = |inode| found.iter().any(|new| new.inode == inode);
        self.refused.retain(is_found);
        let owners = &mut self.shared.owners;
        self.members.retain(|Member { monitor, .. }| {
            let is_left = is_found(monitor.namespace.inode);
            if !is_left {
                owners.forget_listeners(monitor.namespace.inode);
                monitor.declare_gone();
            }
            is_left
        });
        let (before, now) = (self.members.len(), Instant::now());
        for namespace in &found {
            if self.is_member(namespace.inode) {
                continue;
            }
            if wants_all(specs)
                && let Some(reason) = self.refused.waits(namespace.inode, now)
            {
                self.unreachable.add(reason);
                continue;
            }
            prepare(&mut self.shared, namespace)?;
            match self.open(namespace, found.len()) {
                Ok(monitor) => {
                    let consumer = consumer(&monitor);
                    self.refused.open(namespace.inode);
                    self.members.push(Member { monitor, consumer });
                }
                Err(error) if wants_all(specs) => {
                    let reason = described(&error);
                    self.unreachable.add(&reason);
                    let is_lasting = Shortage::of(&error).is_none();
                    self.refused.add(namespace.inode, reason, is_lasting, now);
                }
                Err(error) => return Err(error),
            }
        }
        if self.members.is_empty() {
            return Err(MonitorError::NoNamespace(self.unreachable.texts().join("; ")));
        }
        Ok(before)
    }

    /// Opens one of this many namespaces. All but the first leave descriptors for what else has to
    /// be opened.
    fn open(
        &mut self,
        namespace: &NetNamespace,
        count: usize,
    ) -> Result<NamespaceMonitor, MonitorError> {
        let highest = self.members.iter().filter_map(|member| member.monitor.descriptor()).max();
        if highest.is_some() && descriptors_left(highest) < RESERVED_DESCRIPTORS {
            return Err(too_few_descriptors(namespace, descriptor_limit()));
        }
        let mut opening = self.opening.clone();
        if let Some(events) = &mut opening.events {
            events.most_sockets = events.most_sockets.min(most_event_sockets(count));
        }
        NamespaceMonitor::open(namespace, opening, self.shared.recorder.as_mut())
    }

    /// Namespaces that could not be entered or even seen, or are lost, and why.
    pub fn unreachable(&self) -> Vec<String> {
        self.unreachable.texts()
    }

    /// Why namespaces are not watched, as far as that was not returned before.
    pub(super) fn take_refused(&mut self) -> Vec<String> {
        self.refused.take_new()
    }

    /// Does something with all namespaces but the first `skip`. One of several for which that fails
    /// is closed, and reported as unreachable.
    ///
    /// # Errors
    /// When it fails for the only one, or for a reason that concerns all. A shortage of descriptors,
    /// threads or memory ends a run over one namespace only.
    pub fn for_each(
        &mut self,
        skip: usize,
        mut work: impl FnMut(&mut Shared, &mut Member<C>) -> Result<(), MonitorError>,
    ) -> Result<(), MonitorError> {
        let mut index = skip;
        while let Some(member) = self.members.get_mut(index) {
            match work(&mut self.shared, member) {
                Ok(()) => index += 1,
                Err(error) => index += usize::from(!self.lose(index, error)?),
            }
        }
        Ok(())
    }

    /// The same with one namespace; `None` if there is none, or it is lost.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn for_one<T>(
        &mut self,
        index: usize,
        work: impl FnOnce(&mut Shared, &mut Member<C>) -> Result<T, MonitorError>,
    ) -> Result<Option<T>, MonitorError> {
        let Some(member) = self.members.get_mut(index) else { return Ok(None) };
        match work(&mut self.shared, member) {
            Ok(result) => Ok(Some(result)),
            Err(error) => self.lose(index, error).map(|_| None),
        }
    }

    /// If a watched counter of a namespace moved since its last poll, the cost of that poll.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn cost_if_moved(&mut self, index: usize) -> Result<Option<Duration>, MonitorError> {
        let cost = self.for_one(index, |_, Member { monitor, .. }| {
            Ok(monitor.has_moved()?.then_some(monitor.cost))
        })?;
        Ok(cost.flatten())
    }

    /// Closes a namespace that cannot be read any more. The last of several stays if that is for a
    /// shortage, and is read again the next time. Returns whether it was closed.
    fn lose(&mut self, index: usize, error: MonitorError) -> Result<bool, MonitorError> {
        let shortage = Shortage::of(&error);
        let is_last = self.members.len() < 2;
        if !self.has_many || is_last && shortage.is_none() || !error.is_of_namespace() {
            return Err(error);
        }
        if is_last {
            self.unreachable.add(&described(&error));
            return Ok(false);
        }
        let Member { monitor, .. } = self.members.remove(index);
        let Namespace { inode, name } = &monitor.namespace;
        self.shared.owners.forget_listeners(*inode);
        monitor.declare_gone();
        let reason = reason(name.as_deref(), *inode, &error);
        self.unreachable.add(&reason);
        self.refused.add(*inode, reason, shortage.is_none(), Instant::now());
        Ok(true)
    }

    /// Whether the namespace with this inode is one of them.
    pub(super) fn is_member(&self, inode: u64) -> bool {
        self.members.iter().any(|member| member.monitor.namespace.inode == inode)
    }
}

impl<C: Consumer> NamespaceSet<C> {
    /// Polls all namespaces but the first `skip`.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn poll(&mut self, skip: usize, request: &PollRequest<'_>) -> Result<(), MonitorError> {
        self.for_each(skip, |shared, member| {
            member.monitor.poll(shared, request, &mut member.consumer)
        })
    }

    /// Polls one namespace.
    ///
    /// # Errors
    /// As [`for_each`](Self::for_each).
    pub fn poll_one(
        &mut self,
        index: usize,
        request: &PollRequest<'_>,
    ) -> Result<(), MonitorError> {
        self.for_one(index, |shared, member| {
            member.monitor.poll(shared, request, &mut member.consumer)
        })
        .map(|_| ())
    }

    /// Polls the chosen namespaces of a sample of a recording. New ones get a consumer. Calls
    /// `polled` with each afterwards, and whether it is new. Closes those that a regular sample
    /// does not have.
    ///
    /// # Errors
    /// As [`NamespaceMonitor::poll`].
    pub fn poll_sample(
        &mut self,
        sample: &mut Sample,
        choice: &NamespaceChoice,
        request: &PollRequest<'_>,
        mut consumer: impl FnMut(&NamespaceMonitor) -> C,
        mut polled: impl FnMut(&mut Member<C>, bool) -> Result<(), MonitorError>,
    ) -> Result<(), MonitorError> {
        self.shared.owners.exchange(sample);
        if !sample.early {
            let namespaces = &sample.namespaces;
            self.members.retain(|member| {
                let inode = member.monitor.namespace.inode;
                namespaces.iter().any(|it| it.inode == inode && !it.part.parts.is_empty())
            });
        }
        let mut result = Ok(());
        for recorded in &mut sample.namespaces {
            if recorded.part.parts.is_empty() || !choice.includes(recorded) {
                continue;
            }
            let known = self
                .members
                .iter()
                .position(|member| member.monitor.namespace.inode == recorded.inode);
            let index = known.unwrap_or_else(|| {
                let monitor = NamespaceMonitor::replay(recorded, self.opening.clone());
                let consumer = consumer(&monitor);
                self.members.push(Member { monitor, consumer });
                self.members.len() - 1
            });
            let Some(member) = self.members.get_mut(index) else { continue };
            member.monitor.load(recorded);
            let request =
                PollRequest { ends_interval: request.ends_interval && known.is_some(), ..*request };
            let Member { monitor, consumer } = &mut *member;
            result = monitor
                .poll(&mut self.shared, &request, consumer)
                .and_then(|()| polled(member, known.is_none()));
            if result.is_err() {
                break;
            }
        }
        self.shared.owners.exchange(sample);
        result
    }
}

/// How many sockets of each of this many namespaces may share its destroy events: one at least, and
/// a power of two.
fn most_event_sockets(namespaces: usize) -> usize {
    let available = descriptor_limit().saturating_sub(RESERVED_DESCRIPTORS);
    let each = usize::try_from(available).unwrap_or(usize::MAX) / namespaces.max(1);
    1 << each.saturating_sub(OTHER_DESCRIPTORS).max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::ReadError;
    use crate::identity::{Grouping, Rules, ServiceRegistry};
    use crate::monitor::{CounterFiles, CounterGate, OwnerResolver};
    use crate::procfs::{NamespaceError, PortNames};
    use crate::recording::RecordedNamespace;
    use crate::wire::EcnWord;

    /// A set of namespaces with these inodes.
    fn set(inodes: &[u64]) -> NamespaceSet<u64> {
        let (rules, ports) = (Rules::default(), PortNames::default());
        let shared = Shared {
            registry: ServiceRegistry::new(rules, Grouping::default(), ports),
            owners: OwnerResolver::none(),
            ecn: EcnWord::Unknown,
            recorder: None,
        };
        let opening =
            Opening { files: CounterFiles::None, events: None, gate: CounterGate::default() };
        let mut set = NamespaceSet::new(shared, opening.clone());
        set.has_many = inodes.len() > 1;
        for &inode in inodes {
            let recorded = RecordedNamespace { inode, ..RecordedNamespace::default() };
            let monitor = NamespaceMonitor::replay(&recorded, opening.clone());
            set.members.push(Member { monitor, consumer: inode });
        }
        set
    }

    /// A failure of the namespace itself.
    fn failure(inode: u64) -> MonitorError {
        let path = format!("/proc/{inode}/ns/net").into();
        MonitorError::Namespace(NamespaceError::Replaced { path })
    }

    /// A failure that no namespace is to blame for.
    fn shortage() -> MonitorError {
        let source = std::io::Error::from_raw_os_error(libc::EMFILE);
        MonitorError::Counters(ReadError::Open { path: "/proc/net/snmp".into(), source })
    }

    #[test]
    fn one_that_fails_is_left_out_and_named() {
        let mut set = set(&[1, 2, 3]);
        let mut seen = Vec::new();
        set.for_each(0, |_, member| {
            seen.push(member.consumer);
            if member.consumer == 2 { Err(failure(2)) } else { Ok(()) }
        })
        .unwrap();
        assert_eq!(seen, [1, 2, 3], "those behind it get their turn");
        assert_eq!(set.members.len(), 2);
        let unreachable = set.unreachable();
        assert!(unreachable[0].starts_with(
            "the network namespace 2 is left out, and what happened in it since its last sample is \
             missing: "
        ));
        assert_eq!(set.for_one(1, |_, member| Ok(member.consumer)).unwrap(), Some(3));
        assert_eq!(set.for_one(1, |_, _| Err::<(), _>(failure(3))).unwrap(), None);
        // Nothing is left to go on with.
        assert!(set.for_each(0, |_, _| Err(failure(1))).is_err());
    }

    #[test]
    fn one_that_fails_each_time_is_told_once() {
        let mut set = set(&[1, 2]);
        for expected in [1, 0, 0] {
            set.for_each(0, |_, member| match member.consumer {
                2 => Err(failure(2)),
                _ => Ok(()),
            })
            .unwrap();
            assert_eq!(set.take_refused().len(), expected);
            // It is opened again.
            let recorded = RecordedNamespace { inode: 2, ..RecordedNamespace::default() };
            let monitor = NamespaceMonitor::replay(&recorded, set.opening.clone());
            set.members.push(Member { monitor, consumer: 2 });
        }
        assert!(set.refused.waits(2, Instant::now() + Duration::from_secs(19)).is_some());
        assert!(set.refused.waits(2, Instant::now() + Duration::from_secs(21)).is_none());
    }

    #[test]
    fn a_shortage_ends_no_run_over_several_and_is_told_with_what_to_do() {
        let mut several = set(&[1, 2]);
        for _ in 0..3 {
            several.for_each(0, |_, _| Err(shortage())).unwrap();
        }
        assert_eq!(several.members.len(), 1, "one is there to go on with");
        for text in several.unreachable() {
            for words in ["cannot open /proc/net/snmp: Too many open files", "raise `ulimit -n`"] {
                assert!(text.contains(words), "{text}");
            }
        }
        assert_eq!(several.unreachable().len(), 2);
        assert!(set(&[1]).for_each(0, |_, _| Err(shortage())).is_err());
    }

    #[test]
    fn what_concerns_all_ends_the_run() {
        let mut set = set(&[1, 2]);
        assert!(set.for_each(0, |_, _| Err(MonitorError::Program("a filter"))).is_err());
        assert_eq!(set.members.len(), 2);
    }

    #[test]
    fn many_namespaces_get_fewer_event_sockets() {
        assert_eq!(most_event_sockets(usize::MAX), 1);
        let limit = usize::try_from(descriptor_limit()).unwrap_or(usize::MAX);
        let most = most_event_sockets(1);
        assert!(most.is_power_of_two() && most <= limit, "{most}");
    }
}
