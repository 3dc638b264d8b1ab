//! Ephemeral ports are no services.

use super::expected::{BY_EVIDENCE, check};
use super::{Expected, Views};
use crate::lab::{Program, lab};

/// Fails if a service goes by one of these ports.
fn no_service_of(ports: &[u16], views: &Views) {
    let mut wrong = Vec::new();
    for row in views.all_services() {
        let name = row.text("service").to_owned();
        let named = ports.iter().any(|port| name.contains(&port.to_string()));
        let keyed = ports.iter().any(|port| row.number("port") == Some(u64::from(*port)));
        if named || keyed {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "services of ephemeral ports: {wrong:?}");
}

lab!(
    fn many_connections_of_one_client() {
        let directory = tempfile::tempdir().unwrap();
        let server = Program::start("server", directory.path());
        let crawler = Program::start("crawler", directory.path());
        server.run("l = listen(7900)");
        crawler.run("cs = [connect(7900) for _ in range(30)]");
        server.run("ss = [accept(l) for _ in range(30)]");
        // Half of them had another listener, which is closed by now.
        server.run("m = listen(7901)");
        crawler.run("ds = [connect(7901) for _ in range(30)]");
        server.run("ts = [accept(m) for _ in range(30)]; m.close()");
        let views = Views::collect(directory.path());
        let mut expected = vec![Expected::listener(&server, server.cookie("l"))];
        let of = |sockets: &str, program: &Program, make: fn(&Program, u64) -> Expected| {
            let cookies = program.cookies(sockets);
            cookies.into_iter().map(|cookie| make(program, cookie)).collect::<Vec<_>>()
        };
        expected.extend(of("ss", &server, Expected::accepted));
        expected.extend(of("ts", &server, |program, cookie| {
            Expected::accepted(program, cookie).by(BY_EVIDENCE)
        }));
        expected.extend(of("cs", &crawler, |program, cookie| {
            Expected::opened(program, cookie).service("→ server:7900")
        }));
        expected.extend(of("ds", &crawler, |program, cookie| {
            Expected::opened(program, cookie).by(BY_EVIDENCE)
        }));
        check(&expected, &views);
        no_service_of(&crawler.ports("cs + ds"), &views);
        assert!(views.service("crawler", "server").is_none());
    }
);

lab!(
    fn data_connections_of_passive_ftp() {
        let directory = tempfile::tempdir().unwrap();
        let ftpd = Program::start("ftpd", directory.path());
        let fetch = Program::start("fetch", directory.path());
        ftpd.run("l = listen(2121); data = []");
        fetch.run("control = connect(2121); data = []");
        ftpd.run("control = accept(l)");
        for _ in 0..12 {
            let port = ftpd.run("d = listen(0); result = d.getsockname()[1]");
            fetch.run(&format!("data += [connect({port})]"));
            ftpd.run("data += [accept(d)]; d.close()");
        }
        let views = Views::collect(directory.path());
        let mut expected = vec![
            Expected::listener(&ftpd, ftpd.cookie("l")),
            Expected::accepted(&ftpd, ftpd.cookie("control")),
            Expected::opened(&fetch, fetch.cookie("control")).service("→ ftpd:2121"),
        ];
        for cookie in ftpd.cookies("data") {
            expected.push(Expected::accepted(&ftpd, cookie).by(BY_EVIDENCE));
        }
        for cookie in fetch.cookies("data") {
            expected.push(Expected::opened(&fetch, cookie).by(BY_EVIDENCE));
        }
        check(&expected, &views);
        let ports = [ftpd.ports("data"), fetch.ports("[control] + data")].concat();
        no_service_of(&ports, &views);
        assert_eq!(views.established("ftpd", "server"), 13);
    }
);
