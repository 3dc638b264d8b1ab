//! A network namespace of the kernel that is watched.

use crate::procfs::{HeldNamespace, NamespaceError, NetNamespace};

/// A network namespace of the kernel.
#[derive(Debug)]
pub(super) struct LiveNamespace {
    pub(super) namespace: NetNamespace,
    /// Its file, if it is entered again later: its name or process may be gone then.
    held: Option<HeldNamespace>,
}

impl LiveNamespace {
    /// Opens its file, if it is entered again later.
    pub(super) fn open(namespace: &NetNamespace, is_held: bool) -> Result<Self, NamespaceError> {
        let held = is_held.then(|| namespace.hold()).transpose()?;
        Ok(Self { namespace: namespace.clone(), held })
    }

    /// Runs `work` in it.
    pub(super) fn inside<T: Send>(
        &self,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, NamespaceError> {
        match &self.held {
            Some(held) => held.inside(work),
            None => self.namespace.inside(work),
        }
    }
}
