//! `[::]` with IPV6_V6ONLY beside `0.0.0.0` on one port, in two programs.

use super::expected::{LISTENER, check};
use super::{Expected, Views};
use crate::lab::{Program, lab};

lab!(
    fn v6only_beside_v4() {
        let directory = tempfile::tempdir().unwrap();
        let six = Program::start("six", directory.path());
        let four = Program::start("four", directory.path());
        let caller = Program::start("caller", directory.path());
        six.run("l = listen(7100, '::', v6only=True)");
        four.run("l = listen(7100, '0.0.0.0')");
        let mut expected = vec![
            Expected::listener(&six, six.cookie("l")),
            Expected::listener(&four, four.cookie("l")),
        ];
        for (program, address) in [(&six, "::1"), (&four, "127.0.0.1")] {
            caller.run(&format!("a = connect(7100, '{address}')"));
            program.run("s = accept(l)");
            caller.run(&format!(
                "b = connect(7100, '{address}'); keep = globals().get('keep', []) + [a, b]"
            ));
            expected.push(Expected::accepted(program, program.cookie("s")));
            let name = format!("→ {}:7100", program.name);
            for socket in ["a", "b"] {
                let client = Expected::opened(&caller, caller.cookie(socket));
                expected.push(client.service(&name));
            }
        }
        let views = Views::collect(directory.path());
        for (program, index) in [(&six, 1), (&four, 3)] {
            let port = caller.ports("keep")[index];
            let cookie = views.find(7100, port).expect("ss shows it");
            // No process holds it yet, and only one of the listeners can have made it.
            expected.push(Expected::waiting(cookie, &program.name, LISTENER));
        }
        check(&expected, &views);
        for program in [&six, &four] {
            assert_eq!(views.established(&program.name, "server"), 2, "{}", program.name);
        }
    }
);
