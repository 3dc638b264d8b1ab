//! Who holds a socket: the small types that an answer is made of.
//!
//! Knows: a process's identity and the descriptors it holds. Refuses to know: how they were found.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ::procfs::{FromRead as _, ProcessCGroup, ProcessCGroups};

use super::proc_walk::Stat;

/// What is known about a process that holds a socket.
#[derive(Debug)]
pub struct ProcessFacts {
    /// The process's name as it chose it (15 bytes at most, lossy UTF-8): not to be trusted, and
    /// not escaped.
    pub comm: String,
    /// Its parent's pid.
    pub parent: u32,
    /// When it started, in clock ticks since boot. With the pid this identifies it.
    pub start_time: u64,
    cgroup_file: PathBuf,
    cgroup: OnceLock<Option<String>>,
}

impl ProcessFacts {
    pub(super) fn new(stat: Stat, cgroup_file: PathBuf) -> Self {
        let Stat { comm, parent, start_time } = stat;
        Self { comm, parent, start_time, cgroup_file, cgroup: OnceLock::new() }
    }

    /// The cgroup that the *process* is in (its sockets stay in the one they were made in). Read
    /// when first asked for; `None` when the process was gone by then, or shares no hierarchy
    /// that names services.
    pub fn cgroup(&self) -> Option<&str> {
        self.cgroup
            .get_or_init(|| {
                ProcessCGroups::from_file(&self.cgroup_file)
                    .ok()
                    .and_then(|groups| service_path(groups.0))
            })
            .as_deref()
    }
}

/// The path in the hierarchy that groups processes by service: version 2's, unless everything is
/// in its root, as on hosts where systemd uses its own version 1 hierarchy for that.
fn service_path(groups: Vec<ProcessCGroup>) -> Option<String> {
    let (mut unified, mut systemd) = (None, None);
    for group in groups {
        if group.hierarchy == 0 {
            unified = Some(group.pathname);
        } else if group.controllers.iter().any(|name| name == "name=systemd") {
            systemd = Some(group.pathname);
        }
    }
    let tells = |path: &String| path != "/";
    unified.clone().filter(tells).or(systemd.filter(tells)).or(unified)
}

/// One descriptor by which a process holds a socket.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its descriptor.
    pub fd: u32,
    /// What is known about it; shared by all its sockets.
    pub process: Arc<ProcessFacts>,
}

/// The holders of one socket. Nearly always one: then without an allocation of its own.
#[derive(Debug, Default)]
pub(super) enum Holders {
    #[default]
    Nobody,
    One([Holder; 1]),
    Several(Vec<Holder>),
}

impl Holders {
    pub(super) fn as_slice(&self) -> &[Holder] {
        match self {
            Self::Nobody => &[],
            Self::One(holder) => holder,
            Self::Several(holders) => holders,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub(super) fn add(&mut self, holder: Holder) {
        let known =
            self.as_slice().iter().any(|known| (known.pid, known.fd) == (holder.pid, holder.fd));
        if known {
            return;
        }
        *self = match std::mem::take(self) {
            Self::Nobody => Self::One([holder]),
            Self::One([first]) => Self::Several(vec![first, holder]),
            Self::Several(mut holders) => {
                holders.push(holder);
                Self::Several(holders)
            }
        };
    }

    /// Keeps the holders that `keep` accepts; it may renew what is known about them.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Holder) -> bool) {
        *self = match std::mem::take(self) {
            Self::Nobody => Self::Nobody,
            Self::One([mut holder]) => {
                if keep(&mut holder) {
                    Self::One([holder])
                } else {
                    Self::Nobody
                }
            }
            Self::Several(mut holders) => {
                holders.retain_mut(keep);
                Self::Several(holders)
            }
        };
    }

    /// Orders them by pid and descriptor, so that output does not depend on the search.
    pub(super) fn sort(&mut self) {
        if let Self::Several(holders) = self {
            holders.sort_unstable_by_key(|holder| (holder.pid, holder.fd));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(text: &str) -> Option<String> {
        service_path(ProcessCGroups::from_read(text.as_bytes()).unwrap().0)
    }

    #[test]
    fn the_hierarchy_that_names_services() {
        for (text, expected) in [
            ("0::/system.slice/a.service\n", Some("/system.slice/a.service")),
            (
                "9:name=systemd:/system.slice/a.service\n1:cpu:/x\n0::/\n",
                Some("/system.slice/a.service"),
            ),
            (
                "9:name=systemd:/old.service\n0::/system.slice/a.service\n",
                Some("/system.slice/a.service"),
            ),
            ("9:name=systemd:/\n4:memory:/deep/er\n0::/\n", Some("/")),
            ("4:memory:/deep/er\n", None),
            ("1:name=systemd:/lxc/a:b\n", Some("/lxc/a:b")),
            ("", None),
        ] {
            assert_eq!(path_of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn holders_are_a_sorted_set() {
        let stat = Stat { comm: "x".to_owned(), parent: 1, start_time: 2 };
        let process = Arc::new(ProcessFacts::new(stat, PathBuf::new()));
        let mut holders = Holders::default();
        for (pid, fd) in [(9, 1), (9, 1), (3, 4), (3, 2)] {
            holders.add(Holder { pid, fd, process: Arc::clone(&process) });
        }
        holders.sort();
        let pairs: Vec<_> =
            holders.as_slice().iter().map(|holder| (holder.pid, holder.fd)).collect();
        assert_eq!(pairs, [(3, 2), (3, 4), (9, 1)]);
        holders.retain(|holder| holder.pid == 9);
        assert_eq!(holders.as_slice().len(), 1);
        holders.retain(|_| false);
        assert!(holders.is_empty());
    }
}
