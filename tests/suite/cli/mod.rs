//! The command line: messages, exit codes, forms of output. Needs no privilege and makes no
//! namespace; where a test needs sockets, it connects to itself.

mod configuration;
mod documented;
mod groups;
mod habits;
mod headers;
mod help;
mod names;
mod output;
mod peer_names;
mod pipes;
mod services;
mod stalls;
mod streams;
mod usage;

use std::net::{TcpListener, TcpStream};

use crate::lab::{PATIENCE, program};

/// The program, in the environment of tests.
fn tcpdiag() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::from_std(program());
    command.timeout(PATIENCE);
    command
}

/// A connection of this process to itself.
struct Connection {
    listener: TcpListener,
    client: TcpStream,
    _server: TcpStream,
}

impl Connection {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        Self { listener, client, _server: server }
    }

    /// The server's port.
    fn port(&self) -> String {
        self.listener.local_addr().unwrap().port().to_string()
    }

    /// The client's port.
    fn client(&self) -> String {
        self.client.local_addr().unwrap().port().to_string()
    }
}
