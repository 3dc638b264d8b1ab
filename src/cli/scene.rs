//! One network namespace that is looked at.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use anyhow::Context as _;
use rustc_hash::FxHashMap;

use super::record::Output;
use crate::model::{State, StateSet};
use crate::procfs::{Namespaces, NetNamespace};
use crate::recording::{self, RecordingTransport, ReplayTransport};
use crate::report::{Interface, Namespace};
use crate::socket_diag::{Error, Listeners, Sockets, Transport};
use crate::sys::NetlinkSocket;
use crate::tracking::Latest;

/// Who answers: the kernel, or a recording of what it said.
#[derive(Debug)]
pub(super) enum Line {
    Kernel(NetlinkSocket),
    /// The kernel, and what it says goes to a recording.
    Taped(RecordingTransport<NetlinkSocket, Output>),
    Recording(ReplayTransport),
}

impl Transport for Line {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        match self {
            Self::Kernel(socket) => socket.send(request),
            Self::Taped(tap) => tap.send(request),
            Self::Recording(played) => played.send(request),
        }
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Kernel(socket) => socket.receive(buffer),
            Self::Taped(tap) => tap.receive(buffer),
            Self::Recording(played) => played.receive(buffer),
        }
    }
}

/// Its kernel tables, and what is remembered of it between samples.
#[derive(Debug)]
pub(super) struct RecordedNamespace {
    pub(super) namespace: Namespace,
    pub(super) sockets: Sockets<Line>,
    pub(super) listeners: Listeners,
    pub(super) latest: Latest,
    pub(super) interfaces: Interfaces,
    /// Whether it tells of listeners.
    pub(super) has_listeners: bool,
    /// When it was last looked at.
    pub(super) sampled: Option<Instant>,
}

impl RecordedNamespace {
    /// Opens the tables of `place`.
    fn open(place: &NetNamespace) -> anyhow::Result<Self> {
        let namespace = Namespace { inode: place.inode, name: place.name.clone() };
        let socket = place
            .inside(NetlinkSocket::open)?
            .map_err(|source| Error::Socket { operation: "open", source })?;
        let interfaces = Interfaces::of(&socket)?;
        Ok(Self::over(namespace, Line::Kernel(socket), interfaces))
    }

    /// A namespace of a recording.
    fn of(mut recorded: recording::RecordedNamespace) -> Self {
        let namespace = Namespace { inode: recorded.inode, name: recorded.name };
        let names = recorded.interfaces.into_iter().map(|(index, name)| (index, Some(name)));
        let interfaces = Interfaces { handle: None, names: names.collect() };
        let listeners = StateSet::of(&[State::Listen]).bits();
        let parts = &recorded.part.parts;
        // Where a recording does not say what was asked for, it was all.
        let has_listeners =
            parts.iter().any(|part| part.states == 0 || part.states & listeners != 0);
        let mut played = ReplayTransport::default();
        played.load(&mut recorded.part);
        Self { has_listeners, ..Self::over(namespace, Line::Recording(played), interfaces) }
    }

    fn over(namespace: Namespace, line: Line, interfaces: Interfaces) -> Self {
        Self {
            namespace,
            sockets: Sockets::over(line),
            listeners: Listeners::default(),
            latest: Latest::new(),
            interfaces,
            has_listeners: true,
            sampled: None,
        }
    }
}

/// The namespaces that were asked for.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) namespaces: Vec<RecordedNamespace>,
    /// Namespaces that could not be entered or even seen.
    pub(super) unreachable: Vec<String>,
}

impl Stage {
    /// Opens the namespaces of these specifications: the program's own if there
    /// are none.
    pub(super) fn open(specs: &[String]) -> anyhow::Result<Self> {
        let (places, mut unreachable) = places(specs)?;
        if !is_all(specs) {
            let namespaces =
                places.iter().map(RecordedNamespace::open).collect::<anyhow::Result<_>>()?;
            return Ok(Self { namespaces, unreachable });
        }
        let mut namespaces = Vec::new();
        for place in &places {
            match RecordedNamespace::open(place) {
                Ok(namespace) => namespaces.push(namespace),
                Err(error) => unreachable.push(format!("{error:#}")),
            }
        }
        if namespaces.is_empty() {
            anyhow::bail!("no network namespace could be entered: {}", unreachable.join("; "));
        }
        Ok(Self { namespaces, unreachable })
    }

    /// Takes of a recording's namespaces those of these specifications.
    pub(super) fn of(
        recorded: Vec<recording::RecordedNamespace>,
        specs: &[String],
    ) -> anyhow::Result<Self> {
        let wanted = wanted(&recorded, specs)?;
        let namespaces = recorded.into_iter().filter(|namespace| wanted.includes(namespace.inode));
        Ok(Self {
            namespaces: namespaces.map(RecordedNamespace::of).collect(),
            unreachable: Vec::new(),
        })
    }
}

/// Which of a recording's namespaces are asked for.
#[derive(Debug)]
pub(super) enum Chosen {
    All,
    These(Vec<u64>),
}

impl Chosen {
    pub(super) fn includes(&self, inode: u64) -> bool {
        match self {
            Self::All => true,
            Self::These(inodes) => inodes.contains(&inode),
        }
    }
}

/// Which of these namespaces of a recording the specifications, names or inodes, mean: the first
/// if there are none.
pub(super) fn wanted(
    recorded: &[recording::RecordedNamespace],
    specs: &[String],
) -> anyhow::Result<Chosen> {
    let is_of = |namespace: &recording::RecordedNamespace, spec: &String| {
        namespace.name.as_ref() == Some(spec) || namespace.inode.to_string() == *spec
    };
    let missing = specs
        .iter()
        .filter(|spec| *spec != "all")
        .find(|spec| !recorded.iter().any(|namespace| is_of(namespace, spec)));
    if let Some(spec) = missing {
        let known = recorded
            .iter()
            .map(|namespace| namespace.name.clone().unwrap_or_else(|| namespace.inode.to_string()));
        let known: Vec<String> = known.collect();
        anyhow::bail!("--netns {spec}: not in the recording, which has {}", known.join(", "));
    }
    let inode = |namespace: &recording::RecordedNamespace| namespace.inode;
    Ok(match specs {
        [] => Chosen::These(recorded.first().map(inode).into_iter().collect()),
        specs if is_all(specs) => Chosen::All,
        specs => {
            let is_wanted = |namespace: &&recording::RecordedNamespace| {
                specs.iter().any(|spec| is_of(namespace, spec))
            };
            Chosen::These(recorded.iter().filter(is_wanted).map(inode).collect())
        }
    })
}

/// Whether every namespace is asked for: then what cannot be entered is said, not fatal.
pub(super) fn is_all(specs: &[String]) -> bool {
    specs.iter().any(|spec| spec == "all")
}

/// The namespaces of these specifications, the program's own if there are none; and what
/// cannot be seen of them.
pub(super) fn places(specs: &[String]) -> anyhow::Result<(Vec<NetNamespace>, Vec<String>)> {
    let namespaces = Namespaces::new("/proc".as_ref());
    if is_all(specs) {
        if specs.len() > 1 {
            anyhow::bail!("--netns all already holds every namespace; leave out the others");
        }
        let all = namespaces.all().context("--netns all")?;
        let hidden = (all.processes_hidden > 0).then(|| {
            format!(
                "the network namespaces of {} processes may not be read; CAP_SYS_PTRACE shows them",
                all.processes_hidden
            )
        });
        return Ok((all.namespaces, hidden.into_iter().collect()));
    }
    let mut places = Vec::new();
    if specs.is_empty() {
        places.push(namespaces.current().context("cannot tell the own network namespace")?);
    }
    for spec in specs {
        let place = namespaces.resolve(spec).with_context(|| format!("--netns {spec}"))?;
        if !places.iter().any(|known: &NetNamespace| known.inode == place.inode) {
            places.push(place);
        }
    }
    Ok((places, Vec::new()))
}

/// Names of a namespace's interfaces by index, asked for once.
#[derive(Debug)]
pub(super) struct Interfaces {
    /// Some socket of the namespace; `None` where all is known that will be.
    handle: Option<OwnedFd>,
    names: FxHashMap<u32, Option<String>>,
}

impl Interfaces {
    /// Of the namespace of this socket. They are asked for while a dump holds it, so by another
    /// handle.
    pub(super) fn of(socket: &NetlinkSocket) -> io::Result<Self> {
        let handle = socket.as_fd().try_clone_to_owned()?;
        Ok(Self { handle: Some(handle), names: FxHashMap::default() })
    }

    /// Looks up the name of an index that was not seen before.
    pub(super) fn learn(&mut self, index: u32) {
        if index != 0 {
            self.names.entry(index).or_insert_with(|| {
                let name =
                    rustix::net::netdevice::index_to_name(self.handle.as_ref()?, index).ok()?;
                Some(name.to_string())
            });
        }
    }

    /// What is known of an index.
    pub(super) fn interface(&self, index: u32) -> Option<Interface<'_>> {
        let name = self.names.get(&index).and_then(Option::as_deref);
        (index != 0).then_some(Interface { index, name })
    }
}
