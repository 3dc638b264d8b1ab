//! The roles of the scenarios' sockets, where no owner is known.

use tcpdiag::identity::NamespaceIdentity;
use tcpdiag::model::{Role, RoleBasis, Socket, State};

use super::capture::KERNELS;

/// Server ports whose listener is open, and the possible bases of its children's roles.
const LISTENING: [(u16, RoleBasis); 6] = [
    (20001, RoleBasis::ListenerOnAddress),
    (20002, RoleBasis::ListenerOnWildcard),
    (20003, RoleBasis::ListenerOnWildcard),
    (20041, RoleBasis::SynRecv),
    (20042, RoleBasis::SynRecv),
    (21004, RoleBasis::ListenerOnAddress),
];

/// Servers have ports from 20000, clients from 30000 (`scenarios.txt`).
fn made(socket: &Socket) -> Role {
    if socket.local.port < 30000 { Role::Server } else { Role::Client }
}

#[test]
fn no_role_contradicts_the_scenarios() {
    for kernel in KERNELS {
        let dump = kernel.dump();
        let listeners: Vec<Socket> =
            dump.iter().filter(|socket| socket.state == State::Listen).copied().collect();
        let mut identity = NamespaceIdentity::new(30000..=60999);
        identity.set_listeners(&listeners);
        let mut met = [[0; 2]; LISTENING.len()];
        let mut unknown = 0;
        for socket in &dump {
            let (role, basis) = identity.role(socket, None);
            let at = |port| LISTENING.iter().position(|(own, _)| *own == port);
            match (socket.state, role) {
                (State::Listen, _) => assert_eq!(basis, RoleBasis::Listening),
                (State::BoundInactive | State::Close, _) => {
                    assert_eq!((role, basis), (Role::Unknown, RoleBasis::NotConnected));
                }
                (_, Role::Unknown) => unknown += 1,
                _ => {
                    assert_eq!(role, made(socket), "{} {socket:?}", kernel.release);
                    if let Some(at) = at(socket.local.port) {
                        assert!(
                            [RoleBasis::TcpInfo, LISTENING[at].1].contains(&basis),
                            "{basis:?}"
                        );
                        met[at][0] += 1;
                    } else if let Some(at) = at(socket.remote.port) {
                        met[at][1] += 1;
                    }
                }
            }
        }
        assert_eq!(unknown, 0, "{}: the ports decide the rest", kernel.release);
        for ((port, _), met) in LISTENING.iter().zip(met) {
            assert!(met[0] > 0 && met[1] > 0, "{} {port}: {met:?}", kernel.release);
        }
    }
}

#[test]
fn without_listeners_and_counters_the_ports_decide() {
    for kernel in KERNELS {
        let identity = NamespaceIdentity::new(30000..=60999);
        for socket in kernel.dump() {
            if socket.is_minisock() && socket.state == State::TimeWait {
                let (role, basis) = identity.role(&socket, None);
                assert_eq!((role, basis), (made(&socket), RoleBasis::Ports), "{socket:?}");
            }
        }
    }
}
