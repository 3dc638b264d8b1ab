//! Only a new group allocates: adding the sockets of a settled host does not.

use std::net::{IpAddr, Ipv4Addr};

use tcpdiag::model::{Endpoint, Role, RoleBasis, Socket, State};
use tcpdiag::monitor::Processes;
use tcpdiag::report::{Connection, GroupKey, GroupTable};

use super::allocator::allocations;

fn add(table: &mut GroupTable, number: u32, change: Option<tcpdiag::report::Change>) {
    let end =
        |last: u8, port: u16| Endpoint { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port };
    let socket = Socket {
        state: State::Established,
        local: end(1, 443),
        remote: end((number % 200) as u8, 40_000 + (number % 20_000) as u16),
        cookie: u64::from(number) + 1,
        ..Socket::BLANK
    };
    table.add(&Connection {
        socket: &socket,
        role: Role::Server,
        role_basis: RoleBasis::Ports,
        service: Some("nginx"),
        service_basis: None,
        netns: None,
        interface: None,
        cgroup_path: None,
        unit: None,
        container: None,
        processes: Processes::NotAsked,
        change,
        repeats: true,
        captured_at: "",
        delta: None,
        interval_s: None,
        syn_recv: None,
        group: None,
        remote_name: None,
        ended: None,
    });
}

#[test]
fn sockets_of_known_groups() {
    let keys = ["service", "remote"].map(|name| GroupKey::parse(name).unwrap());
    let mut table = GroupTable::new(keys.into(), true);
    let sample = |table: &mut GroupTable| {
        table.begin();
        (0..10_000).for_each(|number| add(table, number, None));
    };
    sample(&mut table);
    assert_eq!((table.len(), table.total().count), (200, 10_000));
    assert_eq!(allocations(|| sample(&mut table)), 0);
    assert_eq!((table.len(), table.total().count), (200, 10_000));
}

#[test]
fn groups_are_bounded_and_no_socket_is_lost() {
    let keys = ["remote-port", "remote"].map(|name| GroupKey::parse(name).unwrap());
    let mut table = GroupTable::new(keys.into(), true);
    table.begin();
    (0..15_000).for_each(|number| add(&mut table, number, None));
    assert_eq!((table.len(), table.rest().count), (10_000, 5_000));
    assert_eq!(table.total().count, 15_000);
    // Connections that are gone count in the groups that they were in; empty groups then make room.
    table.begin();
    (0..15_000).for_each(|number| {
        let is_gone = number < 9_000;
        add(&mut table, number, is_gone.then_some(tcpdiag::report::Change::Closed));
    });
    let total = table.total();
    assert_eq!((total.count, total.closed, table.rest().closed), (6_000, 9_000, 0));
    table.begin();
    (9_000..15_000).for_each(|number| add(&mut table, number, None));
    assert_eq!((table.len(), table.rest().count), (6_000, 0));
}
