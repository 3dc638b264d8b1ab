//! Sockets that are in no descriptor table of /proc/PID/fd.

use super::expected::{LISTENER, check};
use super::{Expected, Views};
use crate::lab::{Program, lab};

lab!(
    fn a_thread_with_a_descriptor_table_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let threaded = Program::start("threaded", directory.path());
        let caller = Program::start("caller", directory.path());
        threaded.run("t = Thread(own_table=True); t.run('l = listen(7800)')");
        caller.run("a, b = connect(7800), connect(7800)");
        threaded.run("t.run('s = accept(l)')");
        // Another listener is in the table of the process.
        threaded.run("m = listen(7801)");
        caller.run("c = connect(7801)");
        threaded.run("u = accept(m)");
        threaded.run("t.run('cookies = [cookie(l), cookie(s)]'); result = cookies");
        let own = threaded.run("result = cookies");
        let [listener, accepted] = [0, 1].map(|at| own[at].as_u64().unwrap());
        let views = Views::collect(directory.path());
        let mut caller_ports = caller.ports("[a, b]").into_iter();
        let waiting = views.find(7800, caller_ports.nth(1).unwrap()).expect("ss shows it");
        check(
            &[
                Expected::listener(&threaded, listener).hidden_from_ss(),
                Expected::accepted(&threaded, accepted).hidden_from_ss(),
                Expected::listener(&threaded, threaded.cookie("m")),
                Expected::accepted(&threaded, threaded.cookie("u")),
                Expected::waiting(waiting, "threaded", LISTENER),
            ],
            &views,
        );
    }
);

lab!(
    fn a_process_whose_main_thread_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let headless = Program::without_main_thread("headless", directory.path());
        let caller = Program::start("caller", directory.path());
        headless.run("l = listen(7810)");
        caller.run("c = connect(7810)");
        headless.run("s = accept(l)");
        let status = std::fs::read_to_string(format!("/proc/{}/status", headless.pid())).unwrap();
        assert!(status.contains("State:\tZ"), "{status}");
        check(
            &[
                Expected::listener(&headless, headless.cookie("l")).hidden_from_ss(),
                Expected::accepted(&headless, headless.cookie("s")).hidden_from_ss(),
                Expected::opened(&caller, caller.cookie("c")).service("→ headless:7810"),
            ],
            &Views::collect(directory.path()),
        );
    }
);
