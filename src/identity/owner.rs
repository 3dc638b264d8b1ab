//! The owner of a socket, as naming uses it.

/// The owner of a socket, as far as it is known. All of it was chosen by others: not to be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Name of the program that holds it.
    pub process: Option<&'a str>,
    /// systemd unit, from the cgroup.
    pub unit: Option<&'a str>,
    /// Container, from the cgroup.
    pub container: Option<&'a str>,
    /// Path of the cgroup that the socket was made in.
    pub cgroup: Option<&'a str>,
}

impl<'a> Owner<'a> {
    /// Container, unit or program: names the service.
    pub(super) fn service_name(&self) -> Option<&'a str> {
        self.container.or(self.service_unit()).or(self.process)
    }

    /// The unit, where it names a service: a scope holds anything started in a session
    /// (`session-3.scope`, `init.scope`), and `user@1000.service` all programs of a user.
    pub(super) fn service_unit(&self) -> Option<&'a str> {
        let unit = self.unit.filter(|unit| !unit.starts_with("user@"))?;
        unit.strip_suffix(".service").or_else(|| unit.strip_suffix(".socket"))
    }

    /// Container, unit or program, in full.
    pub(super) fn shown(&self) -> Option<&'a str> {
        self.container.or(self.unit).or(self.process)
    }
}

/// [`Owner`], kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeptOwner {
    process: Option<Box<str>>,
    unit: Option<Box<str>>,
    container: Option<Box<str>>,
    cgroup: Option<Box<str>>,
}

impl KeptOwner {
    pub(super) fn view(&self) -> Owner<'_> {
        Owner {
            process: self.process.as_deref(),
            unit: self.unit.as_deref(),
            container: self.container.as_deref(),
            cgroup: self.cgroup.as_deref(),
        }
    }

    pub(super) fn keep(owner: &Owner<'_>) -> Self {
        Self {
            process: owner.process.map(Into::into),
            unit: owner.unit.map(Into::into),
            container: owner.container.map(Into::into),
            cgroup: owner.cgroup.map(Into::into),
        }
    }
}
