//! Sockets and names for this module's tests.

use super::{Candidate, Known, Names, Owner, Process, Service};
pub(super) use crate::model::example::{skmem, socket, tcp_info};
use crate::model::{Role, Socket};

/// A few well-known names.
pub(super) struct SomeNames;

impl Names for SomeNames {
    fn port(&self, service: &str) -> Option<u16> {
        [("http", 80), ("https", 443), ("ssh", 22)]
            .iter()
            .find_map(|&(name, port)| (name == service).then_some(port))
    }

    fn interface(&self, name: &str) -> Option<u32> {
        (name == "eth0").then_some(3)
    }

    fn interfaces(&self) -> Vec<String> {
        vec!["lo".to_owned(), "eth0".to_owned()]
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        (path == "/system.slice/app.service").then_some(77)
    }

    fn user(&self, name: &str) -> Option<u32> {
        (name == "root").then_some(0)
    }
}

/// The names around that connection.
pub(super) fn candidate(socket: &Socket) -> Candidate<'_> {
    const OWNERS: &[Process<'_>] = &[
        Process { pid: 42, comm: "java", unit: Some("app.service"), container: None },
        Process { pid: 43, comm: "java", unit: None, container: Some("shop") },
    ];
    Candidate {
        socket,
        netns: Some("blue"),
        netns_inode: 4_026_531_840,
        known: Some(Known {
            role: Role::Server,
            service: Some(Service { name: "shop", bare: "shop" }),
            cgroup_path: Some("/system.slice/app.service"),
            owner: Owner::Known(OWNERS),
        }),
    }
}
