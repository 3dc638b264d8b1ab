//! Listeners on one port that are bound to different interfaces.

use super::expected::{LISTENER, check};
use super::{Expected, Views};
use crate::lab::{Network, Program, ip, lab};

lab!(
    fn two_interfaces() {
        let directory = tempfile::tempdir().unwrap();
        let far = Network::new();
        for number in [1, 2] {
            let there = far.path();
            ip(&format!("link add near{number} type veth peer name far{number} netns {there}"))
                .unwrap();
            ip(&format!("address add 10.90.{number}.1/24 dev near{number}")).unwrap();
            ip(&format!("link set near{number} up")).unwrap();
            far.inside(|| {
                ip(&format!("address add 10.90.{number}.2/24 dev far{number}")).unwrap();
                ip(&format!("link set far{number} up")).unwrap();
            });
        }
        let first = Program::start("first", directory.path());
        let second = Program::start("second", directory.path());
        let caller = Program::start_in(&far.path(), "caller", directory.path());
        first.run("l = listen(7200, '0.0.0.0', device='near1')");
        second.run("l = listen(7200, '0.0.0.0', device='near2')");
        let mut expected = vec![
            Expected::listener(&first, first.cookie("l")),
            Expected::listener(&second, second.cookie("l")),
        ];
        caller.run("cs = []");
        for (program, address) in [(&first, "10.90.1.1"), (&second, "10.90.2.1")] {
            caller.run(&format!("cs += [connect(7200, '{address}')]"));
            program.run("s = accept(l)");
            caller.run(&format!("cs += [connect(7200, '{address}')]"));
            expected.push(Expected::accepted(program, program.cookie("s")));
        }
        let views = Views::collect(directory.path());
        let ports = caller.ports("cs");
        for (program, index) in [(&first, 1), (&second, 3)] {
            let cookie = views.find(7200, ports[index]).expect("ss shows it");
            expected.push(Expected::waiting(cookie, &program.name, LISTENER));
        }
        let interfaces = ["near1", "near2"].map(Some);
        let of_ss =
            [&first, &second].map(|program| views.ss[&program.cookie("l")].local.interface.clone());
        assert_eq!(of_ss.each_ref().map(Option::as_deref), interfaces);
        check(&expected, &views);
    }
);
