//! Who opened a connection is read from `tcp_info`: the SYN of the opener counts among its
//! `bytes_acked`. FINs count too, repeats count in `bytes_sent`, and data in flight in one of them
//! only. No listener helps here: all are closed.

use super::Views;
use super::expected::{BY_EVIDENCE, Expected, check};
use crate::lab::{Firewall, Program, Ss, lab, settles};

/// A server that has closed its listener, and its client.
struct Ends {
    server: Program,
    client: Program,
}

impl Ends {
    fn new(directory: &std::path::Path, port: u16) -> Self {
        let server = Program::start("server", directory);
        let client = Program::start("client", directory);
        server.run(&format!("l = listen({port})"));
        client.run(&format!("c = connect({port})"));
        server.run("s = accept(l); l.close()");
        Self { server, client }
    }

    fn cookies(&self) -> [u64; 2] {
        [self.server.cookie("s"), self.client.cookie("c")]
    }

    /// Waits until ss shows these states of the server and the client.
    fn reach(&self, states: [&str; 2]) {
        let cookies = self.cookies();
        settles("the states", || {
            let ss = Ss::with_owners();
            cookies.map(|cookie| ss[&cookie].state.clone()) == states
        });
    }

    /// Both ends by the evidence alone.
    fn check(&self, directory: &std::path::Path) {
        let [server, client] = self.cookies();
        check(
            &[
                Expected::accepted(&self.server, server).by(BY_EVIDENCE),
                Expected::opened(&self.client, client).by(BY_EVIDENCE),
            ],
            &Views::collect(directory),
        );
    }
}

lab!(
    fn connections_without_data() {
        let directory = tempfile::tempdir().unwrap();
        Ends::new(directory.path(), 7850).check(directory.path());
    }
);

lab!(
    fn an_acknowledged_fin_of_the_server_is_no_syn() {
        let directory = tempfile::tempdir().unwrap();
        let ends = Ends::new(directory.path(), 7851);
        ends.server.run("s.sendall(b'x' * 100); s.shutdown(socket.SHUT_WR)");
        ends.reach(["FIN-WAIT-2", "CLOSE-WAIT"]);
        ends.check(directory.path());
    }
);

lab!(
    fn an_acknowledged_fin_of_the_client() {
        let directory = tempfile::tempdir().unwrap();
        let ends = Ends::new(directory.path(), 7852);
        ends.client.run("c.sendall(b'x' * 100); c.shutdown(socket.SHUT_WR)");
        ends.reach(["CLOSE-WAIT", "FIN-WAIT-2"]);
        ends.check(directory.path());
    }
);

lab!(
    fn retransmitted_data() {
        let Some(firewall) = Firewall::new() else { return };
        let directory = tempfile::tempdir().unwrap();
        let ends = Ends::new(directory.path(), 7853);
        firewall.make_lossy(7853);
        ends.server
            .run("r = Thread(); r.jobs.put('n = 0\\nwhile n < 3000000: n += len(s.recv(65536))')");
        ends.client.run("c.settimeout(60); c.sendall(b'x' * 3000000)");
        firewall.make_reliable(7853);
        ends.server.run("r.done.get()");
        let client = ends.client.cookie("c");
        settles("everything to be acknowledged", || {
            let ss = Ss::all();
            let ss = ss.iter().find(|ss| ss.cookie() == client).unwrap();
            assert!(ss.number("bytes_retrans") > Some(0.0), "{ss:?}");
            ss.queues[1] == 0
        });
        ends.check(directory.path());
    }
);

lab!(
    fn data_in_flight_of_a_server_that_listens() {
        let Some(firewall) = Firewall::new() else { return };
        let directory = tempfile::tempdir().unwrap();
        let server = Program::start("server", directory.path());
        let client = Program::start("client", directory.path());
        server.run("l = listen(7854)");
        client.run("c = connect(7854)");
        server.run("s = accept(l)");
        // What the server sends gets lost, so its bytes_acked lags behind its bytes_sent.
        firewall.mute(7854);
        server.run("s.sendall(b'x' * 5000)");
        let views = Views::collect(directory.path());
        assert!(views.ss[&server.cookie("s")].queues[1] > 0);
        check(
            &[
                Expected::listener(&server, server.cookie("l")),
                Expected::accepted(&server, server.cookie("s")),
                Expected::opened(&client, client.cookie("c")).service("→ server:7854"),
            ],
            &views,
        );
    }
);
