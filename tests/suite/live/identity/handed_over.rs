//! Listeners and connections that one program passes to another.

use super::expected::{LISTENER, check};
use super::{Expected, Holder, Views};
use crate::lab::{Program, lab, until};

lab!(
    fn a_super_server_passes_connections_to_a_worker() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pass").display().to_string();
        let superd = Program::start("superd", directory.path());
        let worker = Program::start("worker", directory.path());
        let caller = Program::start("caller", directory.path());
        worker.run(&format!("r = Receiver('{path}'); t = Thread()"));
        superd.run("l = listen(7600)");
        let mut expected = vec![Expected::listener(&superd, superd.cookie("l"))];
        caller.run("cs = [connect(7600) for _ in range(4)]");
        worker.run("got = []");
        for number in 0..3 {
            superd.run("s = accept(l)");
            superd.run(&format!("t = Thread(); t.jobs.put(\"send('{path}', s)\")"));
            worker.run("got += [r.receive()]");
            superd.run("t.done.get(); s.close()");
            expected.push(Expected::accepted(&worker, worker.cookies("got")[number]));
        }
        let views = Views::collect(directory.path());
        // The fourth is not accepted: the worker has not seen it.
        let port = caller.ports("cs")[3];
        let cookie = views.find(7600, port).expect("ss shows it");
        expected.push(Expected::waiting(cookie, "superd", LISTENER));
        check(&expected, &views);
        assert_eq!(views.established("worker", "server"), 3);
        let worker = views.service("worker", "server").unwrap();
        assert!(worker.at("listen").is_none());
    }
);

lab!(
    fn a_super_server_starts_a_program_for_each_connection() {
        let directory = tempfile::tempdir().unwrap();
        let superd = Program::start("superd", directory.path());
        let caller = Program::start("caller", directory.path());
        let handler = directory.path().join("handler");
        let sleep = std::fs::canonicalize("/bin/sleep").unwrap();
        std::fs::copy(sleep, &handler).unwrap();
        superd.run("l = listen(7610)");
        caller.run("cs = [connect(7610) for _ in range(2)]");
        superd.run("ss = [accept(l), accept(l)]; handlers = []");
        let cookies = superd.cookies("ss");
        let command =
            format!("['setpriv', '--pdeathsig', 'KILL', '--', '{}', '1000']", handler.display());
        superd.run(&format!(
            "for s in ss:\n  handlers += [subprocess.Popen({command}, pass_fds=[s.fileno()])]\n  s.close()"
        ));
        let pids = superd.run("result = [handler.pid for handler in handlers]");
        let mut expected = vec![Expected::listener(&superd, superd.cookie("l"))];
        for (cookie, pid) in cookies.into_iter().zip(pids.as_array().unwrap()) {
            let pid = u32::try_from(pid.as_u64().unwrap()).unwrap();
            let comm = || std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
            until("the handler to run", || comm().filter(|comm| comm == "handler\n"));
            let holder = Holder { comm: "handler".to_owned(), pid };
            expected.push(Expected::accepted(&superd, cookie).held_by(holder));
        }
        check(&expected, &Views::collect(directory.path()));
    }
);

lab!(
    fn a_graceful_restart_passes_the_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pass").display().to_string();
        let old = Program::start("old", directory.path());
        let new = Program::start("new", directory.path());
        let caller = Program::start("caller", directory.path());
        new.run(&format!("r = Receiver('{path}')"));
        old.run("l = listen(7620)");
        caller.run("a = connect(7620)");
        old.run("s = accept(l)");
        old.run(&format!("t = Thread(); t.jobs.put(\"send('{path}', l)\")"));
        new.run("l = r.receive()");
        old.run("t.done.get(); l.close()");
        caller.run("b = connect(7620)");
        new.run("s = accept(l)");
        let expected = [
            Expected::listener(&new, new.cookie("l")),
            Expected::accepted(&old, old.cookie("s")),
            Expected::accepted(&new, new.cookie("s")),
            Expected::opened(&caller, caller.cookie("a")),
            Expected::opened(&caller, caller.cookie("b")),
        ];
        check(&expected, &Views::collect(directory.path()));
    }
);
