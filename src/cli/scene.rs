//! One network namespace that is looked at.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use anyhow::Context as _;
use rustc_hash::FxHashMap;

use crate::report::{Interface, Namespace};
use crate::sample::Latest;
use crate::source::{Listeners, Namespaces, NetNamespace, Sockets};
use crate::sys::NetlinkSocket;

/// Its kernel tables, and what is remembered of it between samples.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) namespace: Namespace,
    pub(super) sockets: Sockets,
    pub(super) listeners: Listeners,
    pub(super) latest: Latest,
    pub(super) interfaces: Interfaces,
    /// When it was last looked at.
    pub(super) sampled: Option<Instant>,
}

impl Scene {
    /// Opens the tables of `place`.
    fn open(place: &NetNamespace) -> anyhow::Result<Self> {
        let namespace = Namespace { inode: place.inode, name: place.name.clone() };
        let sockets = place.inside(Sockets::open)??;
        let interfaces = Interfaces::of(sockets.transport())?;
        Ok(Self {
            namespace,
            sockets,
            listeners: Listeners::default(),
            latest: Latest::new(),
            interfaces,
            sampled: None,
        })
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
    /// Some socket of the namespace.
    handle: OwnedFd,
    names: FxHashMap<u32, Option<String>>,
}

impl Interfaces {
    /// Of the namespace of this socket. They are asked for while a dump holds it, so by another
    /// handle.
    pub(super) fn of(socket: &NetlinkSocket) -> std::io::Result<Self> {
        let handle = socket.as_fd().try_clone_to_owned()?;
        Ok(Self { handle, names: FxHashMap::default() })
    }

    /// Looks up the name of an index that was not seen before.
    pub(super) fn learn(&mut self, index: u32) {
        if index != 0 {
            self.names.entry(index).or_insert_with(|| {
                let name = rustix::net::netdevice::index_to_name(&self.handle, index).ok()?;
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
