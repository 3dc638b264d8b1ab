//! Names of network interfaces.

use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

use rustc_hash::FxHashMap;

use crate::sys::NetlinkHandle;

/// An interface that a socket is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Interface<'a> {
    /// Its index.
    pub index: u32,
    /// Its name, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
}

/// Names of a namespace's interfaces by index, each looked up once.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// A socket of the namespace; `None` if no further names can be looked up.
    handle: Option<NetlinkHandle>,
    names: FxHashMap<u32, Option<String>>,
}

impl Interfaces {
    /// For the namespace of this socket.
    pub(super) fn of(handle: NetlinkHandle) -> Self {
        Self { handle: Some(handle), names: FxHashMap::default() }
    }

    /// The descriptor of that socket, if there is one.
    pub(super) fn descriptor(&self) -> Option<RawFd> {
        self.handle.as_ref().map(|handle| handle.as_fd().as_raw_fd())
    }

    /// Loads the names that a recording has.
    pub(super) fn set_recorded(&mut self, names: &FxHashMap<u32, String>) {
        if self.names.len() != names.len() {
            self.names.extend(names.iter().map(|(index, name)| (*index, Some(name.clone()))));
        }
    }

    /// Looks up the name of an index that was not seen before.
    pub fn learn(&mut self, index: u32) {
        if index != 0 {
            self.names.entry(index).or_insert_with(|| {
                let name =
                    rustix::net::netdevice::index_to_name(self.handle.as_ref()?, index).ok()?;
                Some(name.to_string())
            });
        }
    }

    /// What is known of an index.
    pub fn interface(&self, index: u32) -> Option<Interface<'_>> {
        let name = self.names.get(&index).and_then(Option::as_deref);
        (index != 0).then_some(Interface { index, name })
    }
}
