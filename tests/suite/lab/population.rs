//! Sockets in every state, with everything that makes their figures differ.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustix::net::sockopt;
use tcpdiag::wire::uapi::{
    TCP_CLOSE_WAIT, TCP_CLOSING, TCP_ESTABLISHED, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_LAST_ACK,
};

use super::socket::{V4, V6};
use super::{Firewall, Pair, Socket, Ss, settles};

/// A socket whose state is known.
#[derive(Debug)]
pub struct Member {
    /// What it is for.
    pub label: String,
    /// The state that it is in, as tcpdiag names it.
    pub state: &'static str,
    /// The kernel's name for it.
    pub cookie: u64,
    /// The socket, unless it was closed.
    pub socket: Option<Socket>,
}

/// Sockets in every state.
#[derive(Debug)]
pub struct Population {
    /// All of them.
    pub members: Vec<Member>,
    /// What keeps some of them where they are.
    pub firewall: Firewall,
}

/// How the ends of a connection are addressed.
#[derive(Debug, Clone, Copy)]
struct Route {
    name: &'static str,
    /// Where the listener is bound.
    listen: IpAddr,
    /// Where clients connect to.
    connect: IpAddr,
}

const ROUTES: [Route; 4] = [
    Route { name: "v4", listen: V4, connect: V4 },
    Route { name: "v6", listen: V6, connect: V6 },
    // The server's end is v4-mapped.
    Route { name: "dual", listen: IpAddr::V6(Ipv6Addr::UNSPECIFIED), connect: V4 },
    // So is the client's.
    Route {
        name: "mapped",
        listen: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        connect: IpAddr::V6(Ipv4Addr::LOCALHOST.to_ipv6_mapped()),
    },
];

impl Population {
    /// Makes them. `None`, and said, where there is no firewall.
    pub fn new() -> Option<Self> {
        let mut population = Self { members: Vec::new(), firewall: Firewall::new()? };
        for route in ROUTES {
            population.closing_states(route);
            population.opening_states(route);
            population.working(route);
            population.listening(route);
        }
        population.with_options();
        population.lossy();
        settles("what was closed to come to its state", || population.is_settled());
        Some(population)
    }

    fn keep(&mut self, label: &str, state: &'static str, socket: Socket) {
        let cookie = socket.cookie();
        self.members.push(Member { label: label.to_owned(), state, cookie, socket: Some(socket) });
    }

    fn keep_closed(&mut self, label: &str, state: &'static str, cookie: u64) {
        self.members.push(Member { label: label.to_owned(), state, cookie, socket: None });
    }

    /// Whether those without a descriptor to ask are where they should be.
    fn is_settled(&self) -> bool {
        let seen = Ss::all();
        self.members.iter().filter(|member| member.socket.is_none()).all(|member| {
            seen.iter().any(|ss| {
                let state = ss.state.to_lowercase().replace('-', "_");
                ss.cookie() == member.cookie && state == member.state
            })
        })
    }

    /// Ways to part, of which some end half way.
    fn closing_states(&mut self, route: Route) {
        let name = route.name;
        let listener = Socket::listening(route.listen, 0, 64);
        let pair = || Pair::new(&listener, route.connect);

        let Pair { client, server } = pair();
        self.firewall.mute(client.port());
        client.finish();
        client.comes_to(TCP_FIN_WAIT1);
        self.keep(&format!("{name}: FIN lost"), "fin_wait_1", client);
        self.keep(&format!("{name}: knows of no FIN"), "established", server);

        let Pair { client, server } = pair();
        let cookie = client.cookie();
        self.firewall.mute(client.port());
        drop(client);
        self.keep_closed(&format!("{name}: orphan, FIN lost"), "fin_wait_1", cookie);
        self.keep(&format!("{name}: knows of no orphan"), "established", server);

        let Pair { client, server } = pair();
        client.finish();
        client.comes_to(TCP_FIN_WAIT2);
        server.comes_to(TCP_CLOSE_WAIT);
        self.keep(&format!("{name}: half closed"), "fin_wait_2", client);
        self.keep(&format!("{name}: half closed by the peer"), "close_wait", server);

        let Pair { client, server } = pair();
        let cookie = client.cookie();
        drop(client);
        server.comes_to(TCP_CLOSE_WAIT);
        self.keep_closed(&format!("{name}: orphan minisock"), "fin_wait_2", cookie);
        self.keep(&format!("{name}: peer of an orphan"), "close_wait", server);

        let Pair { client, server } = pair();
        let cookie = client.cookie();
        client.finish();
        server.comes_to(TCP_CLOSE_WAIT);
        drop(server);
        self.keep_closed(&format!("{name}: both closed"), "time_wait", cookie);
        // Its other end is gone; this one's descriptor refers to a dead socket.
        drop(client);

        let Pair { client, server } = pair();
        client.finish();
        server.comes_to(TCP_CLOSE_WAIT);
        client.comes_to(TCP_FIN_WAIT2);
        self.firewall.deafen(client.port());
        server.finish();
        server.comes_to(TCP_LAST_ACK);
        self.keep(&format!("{name}: second FIN lost"), "last_ack", server);
        self.keep(&format!("{name}: hears no FIN"), "fin_wait_2", client);

        let Pair { client, server } = pair();
        self.firewall.mute(client.port());
        client.finish();
        client.comes_to(TCP_FIN_WAIT1);
        server.finish();
        client.comes_to(TCP_CLOSING);
        server.comes_to(TCP_FIN_WAIT1);
        self.keep(&format!("{name}: FINs crossed"), "closing", client);
        self.keep(&format!("{name}: hears no answer"), "fin_wait_1", server);
        self.keep(&format!("{name}: parting"), "listen", listener);
    }

    /// Handshakes that go no further.
    fn opening_states(&mut self, route: Route) {
        let name = route.name;
        let deaf = Socket::listening(route.listen, 0, 8);
        self.firewall.deafen(deaf.port());
        let client = Socket::of(route.connect);
        client.begin_connect(route.connect, deaf.port());
        self.keep(&format!("{name}: SYN lost"), "syn_sent", client);
        self.keep(&format!("{name}: deaf"), "listen", deaf);

        let half = Socket::listening(route.listen, 0, 8);
        self.firewall.leave_unfinished(half.port());
        let client = Socket::of(route.connect);
        client.begin_connect(route.connect, half.port());
        client.comes_to(TCP_ESTABLISHED);
        self.keep(&format!("{name}: last ACK lost"), "established", client);
        self.keep(&format!("{name}: unfinished"), "listen", half);
    }

    /// Connections in use.
    fn working(&mut self, route: Route) {
        let name = route.name;
        let listener = Socket::listening(route.listen, 0, 64);
        let pair = || Pair::new(&listener, route.connect);

        let Pair { client, server } = pair();
        client.write(&[1; 5000]);
        settles("what was written to be acknowledged", || outstanding(&client) == 0);
        self.keep(&format!("{name}: wrote"), "established", client);
        self.keep(&format!("{name}: unread"), "established", server);

        let Pair { client, server } = pair();
        client.write_until_blocked();
        self.keep(&format!("{name}: blocked"), "established", client);
        self.keep(&format!("{name}: blocks"), "established", server);

        let Pair { client, server } = pair();
        sockopt::set_tcp_keepidle(&client, std::time::Duration::from_secs(600)).unwrap();
        sockopt::set_socket_keepalive(&client, true).unwrap();
        sockopt::set_socket_keepalive(&server, true).unwrap();
        self.keep(&format!("{name}: keepalive of 10 minutes"), "established", client);
        self.keep(&format!("{name}: keepalive"), "established", server);

        let Pair { client, server } = pair();
        for _ in 0..20 {
            client.write(&[2; 300]);
            server.read(300);
            server.write(&[3; 3000]);
            client.read(3000);
        }
        self.keep(&format!("{name}: asked"), "established", client);
        self.keep(&format!("{name}: answered"), "established", server);

        for congestion in ["cubic", "reno", "bbr"] {
            let client = Socket::of(route.connect);
            let set = client.set(libc::IPPROTO_TCP, libc::TCP_CONGESTION, congestion.as_bytes());
            if set.is_err() {
                // Not in this kernel.
                continue;
            }
            let Pair { client, server } = Pair::with(client, &listener, route.connect);
            for _ in 0..5 {
                client.write(&[4; 30_000]);
                server.read(30_000);
            }
            self.keep(&format!("{name}: {congestion}"), "established", client);
            self.keep(&format!("{name}: peer of {congestion}"), "established", server);
        }
        self.keep(&format!("{name}: working"), "listen", listener);
    }

    /// Sockets that wait for others.
    fn listening(&mut self, route: Route) {
        let name = route.name;
        let full = Socket::listening(route.listen, 0, 1);
        for _ in 0..2 {
            let client = Socket::of(route.connect);
            client.connect(route.connect, full.port());
            self.keep(&format!("{name}: not accepted"), "established", client);
        }
        let dropped = Socket::of(route.connect);
        dropped.begin_connect(route.connect, full.port());
        self.keep(&format!("{name}: no room"), "syn_sent", dropped);
        self.keep(&format!("{name}: full"), "listen", full);
        let bound = Socket::bound(route.listen, 0);
        self.keep(&format!("{name}: only bound"), "bound_inactive", bound);
    }

    /// Socket options that show.
    fn with_options(&mut self) {
        for (name, address) in [("v4", V4), ("v6", V6)] {
            let listener = Socket::of(address);
            listener.set(libc::SOL_SOCKET, libc::SO_BINDTODEVICE, b"lo\0").unwrap();
            listener.bind(address, 0);
            listener.listen(8);
            let client = Socket::of(address);
            client.set_number(libc::SOL_SOCKET, libc::SO_MARK, 0x55).unwrap();
            client.set_number(libc::SOL_SOCKET, libc::SO_PRIORITY, 5).unwrap();
            client.set_number(libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, 1 << 20).unwrap();
            if address.is_ipv4() {
                client.set_number(libc::IPPROTO_IP, libc::IP_TOS, 0x10).unwrap();
            } else {
                client.set_number(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, 0x28).unwrap();
            }
            let Pair { client, server } = Pair::with(client, &listener, address);
            client.write(&[5; 900]);
            server.read(900);
            self.keep(&format!("{name}: marked"), "established", client);
            self.keep(&format!("{name}: of a bound listener"), "established", server);
            self.keep(&format!("{name}: on lo"), "listen", listener);
        }
        let alone = Socket::of(V6);
        sockopt::set_ipv6_v6only(&alone, true).unwrap();
        alone.bind(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
        alone.listen(3);
        self.keep("v6only", "listen", alone);
        let wide = Socket::listening(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0, 3);
        self.keep("v4 wildcard", "listen", wide);
        // Refused by some sandboxes: then there is just no ECN to compare.
        let ecn = std::fs::write("/proc/sys/net/ipv4/tcp_ecn", "1").is_ok();
        let listener = Socket::listening(V4, 0, 3);
        let Pair { client, server } = Pair::new(&listener, V4);
        client.write(&[6; 900]);
        server.read(900);
        let name = if ecn { "ECN" } else { "no ECN" };
        self.keep(&format!("{name}, client"), "established", client);
        self.keep(&format!("{name}, server"), "established", server);
        self.keep(name, "listen", listener);
        if ecn {
            std::fs::write("/proc/sys/net/ipv4/tcp_ecn", "2").unwrap();
        }
    }

    /// A connection that lost segments, and got over it.
    fn lossy(&mut self) {
        let listener = Socket::of(V4);
        listener.set_number(libc::IPPROTO_TCP, libc::TCP_MAXSEG, 1000).unwrap();
        listener.bind(V4, 0);
        listener.listen(3);
        let Pair { client, server } = Pair::new(&listener, V4);
        self.firewall.make_lossy(listener.port());
        const LENGTH: usize = 100_000;
        // Which segments get lost is left to chance; that some do, and others
        // come before them, is not.
        let disturbed = || word(&client, 100) > 0 && word(&server, 224) > 0;
        for _ in 0..200 {
            std::thread::scope(|scope| {
                scope.spawn(|| server.read(LENGTH));
                client.write(&vec![7; LENGTH]);
            });
            settles("everything to be acknowledged", || outstanding(&client) == 0);
            if disturbed() {
                break;
            }
        }
        assert!(disturbed(), "nothing got lost");
        self.firewall.make_reliable(listener.port());
        self.keep("lossy, client", "established", client);
        self.keep("lossy, server", "established", server);
        self.keep("lossy", "listen", listener);
    }
}

/// Segments under way, or not even sent.
fn outstanding(socket: &Socket) -> u32 {
    word(socket, 24) + word(socket, 144)
}

/// Four bytes of `struct tcp_info`.
fn word(socket: &Socket, at: usize) -> u32 {
    let info = socket.info();
    let bytes = info.get(at..at + 4).expect("tcp_info of Linux 5.4, or later");
    u32::from_ne_bytes(bytes.try_into().unwrap())
}
