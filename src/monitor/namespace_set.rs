//! The network namespaces of a run, each with its consumer.

use rustc_hash::FxHashMap;

use super::consumer::Consumer;
use super::error::MonitorError;
use super::namespace_monitor::{NamespaceMonitor, Opening, Shared};
use super::namespaces::{find_namespaces, wants_all};
use super::request::PollRequest;
use crate::procfs::NetNamespace;
use crate::recording::{NamespaceChoice, Sample};

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
    /// Namespaces that could not be entered or even seen, and why.
    pub unreachable: Vec<String>,
    /// Why namespaces could not be entered, by inode.
    pub(super) refused: FxHashMap<u64, String>,
    opening: Opening,
}

impl<C> NamespaceSet<C> {
    /// An empty set; namespaces are opened with these options.
    pub fn new(shared: Shared, opening: Opening) -> Self {
        Self {
            shared,
            members: Vec::new(),
            unreachable: Vec::new(),
            refused: FxHashMap::default(),
            opening,
        }
    }

    /// Opens the namespaces of these specifications that are not open yet, and closes those that
    /// are gone. Returns how many there were before the new ones. Calls `prepare` with each new one
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
        self.unreachable = hidden;
        let is_found = |inode| found.iter().any(|new| new.inode == inode);
        self.refused.retain(|inode, _| is_found(*inode));
        let owners = &mut self.shared.owners;
        self.members.retain(|Member { monitor, .. }| {
            let is_left = is_found(monitor.namespace.inode);
            if !is_left {
                owners.forget_listeners(monitor.namespace.inode);
                monitor.declare_gone();
            }
            is_left
        });
        let before = self.members.len();
        for namespace in &found {
            if self.is_member(namespace.inode) {
                continue;
            }
            let opened = prepare(&mut self.shared, namespace).and_then(|()| {
                let recorder = self.shared.recorder.as_mut();
                NamespaceMonitor::open(namespace, self.opening.clone(), recorder)
            });
            match opened {
                Ok(monitor) => {
                    let consumer = consumer(&monitor);
                    self.refused.remove(&namespace.inode);
                    self.members.push(Member { monitor, consumer });
                }
                Err(error) if wants_all(specs) => {
                    self.unreachable.push(error.to_string());
                    self.refused.insert(namespace.inode, error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        if self.members.is_empty() {
            return Err(MonitorError::NoNamespace(self.unreachable.join("; ")));
        }
        Ok(before)
    }

    fn is_member(&self, inode: u64) -> bool {
        self.members.iter().any(|member| member.monitor.namespace.inode == inode)
    }
}

impl<C: Consumer> NamespaceSet<C> {
    /// Polls all namespaces but the first `skip`.
    ///
    /// # Errors
    /// As [`NamespaceMonitor::poll`].
    pub fn poll(&mut self, skip: usize, request: &PollRequest<'_>) -> Result<(), MonitorError> {
        for Member { monitor, consumer } in self.members.iter_mut().skip(skip) {
            monitor.poll(&mut self.shared, request, consumer)?;
        }
        Ok(())
    }

    /// Polls one namespace.
    ///
    /// # Errors
    /// As [`NamespaceMonitor::poll`].
    pub fn poll_one(
        &mut self,
        index: usize,
        request: &PollRequest<'_>,
    ) -> Result<(), MonitorError> {
        match self.members.get_mut(index) {
            Some(Member { monitor, consumer }) => monitor.poll(&mut self.shared, request, consumer),
            None => Ok(()),
        }
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
