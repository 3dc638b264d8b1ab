//! One network namespace that is looked at.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use anyhow::Context as _;
use rustc_hash::FxHashMap;

use super::record::Output;
use crate::model::{State, StateSet};
use crate::record::{self, Played, Tap};
use crate::report::{Interface, Namespace};
use crate::sample::Latest;
use crate::source::{Error, Listeners, Namespaces, NetNamespace, Sockets, Transport};
use crate::sys::NetlinkSocket;

/// Who answers: the kernel, or a recording of what it said.
#[derive(Debug)]
pub(super) enum Line {
    Kernel(NetlinkSocket),
    /// The kernel, and what it says goes to a recording.
    Taped(Tap<NetlinkSocket, Output>),
    Recording(Played),
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
pub(super) struct Scene {
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

impl Scene {
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
    fn of(mut scene: record::Scene) -> Self {
        let namespace = Namespace { inode: scene.inode, name: scene.name };
        let names = scene.interfaces.into_iter().map(|(index, name)| (index, Some(name)));
        let interfaces = Interfaces { handle: None, names: names.collect() };
        let listeners = StateSet::of(&[State::Listen]).bits();
        let parts = &scene.take.parts;
        // Where a recording does not say what was asked for, it was all.
        let has_listeners =
            parts.iter().any(|part| part.states == 0 || part.states & listeners != 0);
        let mut played = Played::default();
        played.load(&mut scene.take);
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
    pub(super) scenes: Vec<Scene>,
    /// Namespaces that could not be entered or even seen.
    pub(super) unreachable: Vec<String>,
}

impl Stage {
    /// Opens the namespaces of these specifications: the program's own if there
    /// are none.
    pub(super) fn open(specs: &[String]) -> anyhow::Result<Self> {
        let (places, mut unreachable) = places(specs)?;
        if !is_all(specs) {
            let scenes = places.iter().map(Scene::open).collect::<anyhow::Result<_>>()?;
            return Ok(Self { scenes, unreachable });
        }
        let mut scenes = Vec::new();
        for place in &places {
            match Scene::open(place) {
                Ok(scene) => scenes.push(scene),
                Err(error) => unreachable.push(format!("{error:#}")),
            }
        }
        if scenes.is_empty() {
            anyhow::bail!("no network namespace could be entered: {}", unreachable.join("; "));
        }
        Ok(Self { scenes, unreachable })
    }

    /// Takes of a recording's namespaces those of these specifications.
    pub(super) fn of(recorded: Vec<record::Scene>, specs: &[String]) -> anyhow::Result<Self> {
        let wanted = wanted(&recorded, specs)?;
        let scenes = recorded.into_iter().filter(|scene| wanted.includes(scene.inode));
        Ok(Self { scenes: scenes.map(Scene::of).collect(), unreachable: Vec::new() })
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
pub(super) fn wanted(recorded: &[record::Scene], specs: &[String]) -> anyhow::Result<Chosen> {
    let is_of = |scene: &record::Scene, spec: &String| {
        scene.name.as_ref() == Some(spec) || scene.inode.to_string() == *spec
    };
    let missing = specs
        .iter()
        .filter(|spec| *spec != "all")
        .find(|spec| !recorded.iter().any(|scene| is_of(scene, spec)));
    if let Some(spec) = missing {
        let known = recorded
            .iter()
            .map(|scene| scene.name.clone().unwrap_or_else(|| scene.inode.to_string()));
        let known: Vec<String> = known.collect();
        anyhow::bail!("--netns {spec}: not in the recording, which has {}", known.join(", "));
    }
    let inode = |scene: &record::Scene| scene.inode;
    Ok(match specs {
        [] => Chosen::These(recorded.first().map(inode).into_iter().collect()),
        specs if is_all(specs) => Chosen::All,
        specs => {
            let is_wanted = |scene: &&record::Scene| specs.iter().any(|spec| is_of(scene, spec));
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
