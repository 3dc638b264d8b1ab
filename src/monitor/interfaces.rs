//! Names of network interfaces.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustc_hash::FxHashMap;

use crate::sys::NetlinkSocket;

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
    handle: Option<OwnedFd>,
    names: FxHashMap<u32, Option<String>>,
}

impl Interfaces {
    /// For the namespace of this socket. It is busy while a dump runs, so names are looked up
    /// through another descriptor.
    pub(super) fn of(socket: &NetlinkSocket) -> io::Result<Self> {
        let handle = socket.as_fd().try_clone_to_owned()?;
        Ok(Self { handle: Some(handle), names: FxHashMap::default() })
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
