//! Sockets and names for this module's tests.

use super::{Candidate, InterfaceIndex, Known, Names, Owner, Process, Service};
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

    /// `eth0` of one namespace, and `br0` of two.
    fn interface(&self, name: &str) -> Vec<InterfaceIndex> {
        let found: &[(Option<u64>, u32)] = match name {
            "eth0" => &[(None, 3)],
            "br0" => &[(Some(4_026_531_840), 3), (Some(7), 5)],
            _ => &[],
        };
        found.iter().map(|&(netns, index)| InterfaceIndex { netns, index }).collect()
    }

    fn interfaces(&self) -> Vec<String> {
        vec!["lo".to_owned(), "eth0".to_owned()]
    }

    /// A service, and one that was started again.
    fn cgroup(&self, path: &str) -> Vec<u64> {
        match path {
            "/system.slice/app.service" => vec![77],
            "/system.slice/again.service" => vec![78, 79],
            _ => Vec::new(),
        }
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
