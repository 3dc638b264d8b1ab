//! Clients whose own port looks like a server's.

use super::expected::{BY_EVIDENCE, check};
use super::{Expected, Views};
use crate::lab::{Program, lab};

lab!(
    fn a_client_may_use_a_port_that_another_program_listens_on() {
        let directory = tempfile::tempdir().unwrap();
        let listens = Program::start("listens", directory.path());
        let dials = Program::start("dials", directory.path());
        let target = Program::start("target", directory.path());
        listens.run("l = listen(7300, '0.0.0.0', reuseport=True)");
        target.run("l = listen(7301)");
        dials.run("c = connect(7301, source=('127.0.0.1', 7300), reuseport=True)");
        target.run("s = accept(l)");
        // The program that listens there does the same, over another address.
        listens.run("c = connect(7301, source=('127.0.0.2', 7300), reuseport=True)");
        target.run("t = accept(l)");
        let views = Views::collect(directory.path());
        let service = "→ target:7301";
        check(
            &[
                Expected::listener(&listens, listens.cookie("l")),
                Expected::listener(&target, target.cookie("l")),
                Expected::opened(&dials, dials.cookie("c")).by(BY_EVIDENCE).service(service),
                Expected::opened(&listens, listens.cookie("c")).by(BY_EVIDENCE).service(service),
                Expected::accepted(&target, target.cookie("s")),
                Expected::accepted(&target, target.cookie("t")),
            ],
            &views,
        );
        assert_eq!(views.established("listens", "server"), 0);
    }
);

lab!(
    fn a_client_on_a_listening_port_is_known_with_data_in_both_directions() {
        let directory = tempfile::tempdir().unwrap();
        let listens = Program::start("listens", directory.path());
        let target = Program::start("target", directory.path());
        listens.run("l = listen(7310, '0.0.0.0', reuseport=True)");
        target.run("l = listen(7311)");
        listens.run("c = connect(7311, source=('127.0.0.1', 7310), reuseport=True)");
        target.run("s = accept(l)");
        listens.run("c.sendall(b'x' * 100000)");
        target.run("n = 0\nwhile n < 100000: n += len(s.recv(65536))");
        target.run("s.sendall(b'y' * 5000)");
        listens.run("n = 0\nwhile n < 5000: n += len(c.recv(65536))");
        let views = Views::collect(directory.path());
        let (client, server) = (listens.cookie("c"), target.cookie("s"));
        // The evidence, by ss: the SYN counts among the opener's bytes_acked.
        let more = |cookie: u64| {
            let row = views.conns(cookie);
            let number = |key: &str| row.number(&format!("tcp_info.{key}")).unwrap();
            number("bytes_acked") + number("bytes_retrans") - number("bytes_sent")
        };
        assert_eq!((more(client), more(server)), (1, 0));
        check(
            &[
                Expected::opened(&listens, client).by(BY_EVIDENCE).service("→ target:7311"),
                Expected::accepted(&target, server),
            ],
            &views,
        );
    }
);

lab!(
    fn a_reserved_source_port() {
        let directory = tempfile::tempdir().unwrap();
        let target = Program::start("target", directory.path());
        let mounts = Program::start("mounts", directory.path());
        // Above the client's port, as that of NFS is.
        target.run("l = listen(2049)");
        mounts.run("c = connect(2049, source=('127.0.0.1', 1023))");
        target.run("s = accept(l)");
        let views = Views::collect(directory.path());
        assert_eq!(views.ss[&mounts.cookie("c")].local.port, 1023);
        check(
            &[
                Expected::listener(&target, target.cookie("l")),
                Expected::accepted(&target, target.cookie("s")),
                Expected::opened(&mounts, mounts.cookie("c")).service("→ target:2049"),
            ],
            &views,
        );
        assert!(views.service("mounts", "server").is_none());
    }
);

lab!(
    fn a_reserved_source_port_and_no_listener_left() {
        let directory = tempfile::tempdir().unwrap();
        let target = Program::start("target", directory.path());
        let mounts = Program::start("mounts", directory.path());
        // In the ephemeral range: ports alone would take the client for the server.
        target.run("l = listen(40000)");
        mounts.run("c = connect(40000, source=('127.0.0.1', 1023))");
        target.run("s = accept(l); l.close()");
        let views = Views::collect(directory.path());
        check(
            &[
                Expected::accepted(&target, target.cookie("s")).by(BY_EVIDENCE),
                Expected::opened(&mounts, mounts.cookie("c")).by(BY_EVIDENCE),
            ],
            &views,
        );
    }
);
