//! Roles of connections of which only the ports are known.

use rustc_hash::FxHashMap;

use crate::model::{Endpoint, Role, ScopedAddress};

/// Connections that must share an end before it counts as a server's.
const SHARED_BY: u32 = 3;

/// Decides the roles of connections, given as local and remote end and
/// interface, by which of their ends many
/// of them share: a server's clients all come to one port, a client of a busy service opens many
/// connections to one port. Where neither end is shared, or both are, the role stays unknown.
pub fn roles_by_shared_ports(ends: &[(Endpoint, Endpoint, u32)]) -> Vec<Role> {
    let mut locals: FxHashMap<u16, u32> = FxHashMap::default();
    let mut remotes: FxHashMap<(ScopedAddress, u16), u32> = FxHashMap::default();
    let far =
        |remote: &Endpoint, interface| (ScopedAddress::of(remote.address, interface), remote.port);
    for (local, remote, interface) in ends {
        *locals.entry(local.port).or_default() += 1;
        *remotes.entry(far(remote, *interface)).or_default() += 1;
    }
    let role = |(local, remote, interface): &(Endpoint, Endpoint, u32)| {
        let shares = |count: Option<&u32>| count.is_some_and(|count| *count >= SHARED_BY);
        let as_server = shares(locals.get(&local.port));
        let as_client = shares(remotes.get(&far(remote, *interface)));
        match (as_server, as_client) {
            (true, false) => Role::Server,
            (false, true) => Role::Client,
            _ => Role::Unknown,
        }
    };
    ends.iter().map(role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_ends_on_different_links_are_not_shared() {
        let ends = |interfaces: [u32; 3]| {
            let ports = [40_000, 41_000, 42_000].into_iter().zip(interfaces);
            ports
                .map(|(port, interface)| {
                    (end(&format!("[fe80::2]:{port}")), end("[fe80::1]:443"), interface)
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(roles_by_shared_ports(&ends([2, 2, 2])), [Role::Client; 3]);
        assert_eq!(roles_by_shared_ports(&ends([2, 3, 4])), [Role::Unknown; 3]);
    }

    fn end(text: &str) -> Endpoint {
        let address: std::net::SocketAddr = text.parse().unwrap();
        Endpoint { address: address.ip(), port: address.port() }
    }

    #[test]
    fn an_end_that_many_share_is_the_servers() {
        let ends = [
            (end("10.0.0.1:40000"), end("10.0.0.2:50001"), 0),
            (end("10.0.0.1:40000"), end("10.0.0.3:50002"), 0),
            (end("10.0.0.1:40000"), end("10.0.0.2:50003"), 0),
            (end("10.0.0.1:41001"), end("10.0.0.9:45000"), 0),
            (end("10.0.0.1:41002"), end("10.0.0.9:45000"), 0),
            (end("10.0.0.1:41003"), end("10.0.0.9:45000"), 0),
            (end("10.0.0.1:42000"), end("10.0.0.7:42001"), 0),
        ];
        use Role::{Client, Server, Unknown};
        let expected = [Server, Server, Server, Client, Client, Client, Unknown];
        assert_eq!(roles_by_shared_ports(&ends), expected);
        assert!(roles_by_shared_ports(&[]).is_empty());
    }
}
