//! The programs of a scene, and what they note about themselves.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Scene, Traffic, Trouble};
use crate::lab::faults::{Hours, Setup, accept, connect, pace};
use crate::lab::{Segment, Side, Socket};

/// Declares counts that programs share.
macro_rules! account {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the programs did. Times are in microseconds.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct Account { $($(#[$doc])* pub $name: u64,)* }

        /// The same, while they do it.
        #[derive(Debug, Default)]
        pub struct Ledger { $($name: AtomicU64,)* }

        impl Account {
            /// What was added since `before`.
            pub fn since(self, before: Self) -> Self {
                Self { $($name: self.$name - before.$name,)* }
            }
        }

        impl Ledger {
            /// What is there now.
            pub fn read(&self) -> Account {
                Account { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

account! {
    /// Bytes written in bulk.
    wrote,
    /// How long writers waited for room.
    blocked,
    /// Questions that were answered.
    answers,
    /// How long those who asked waited.
    waited,
    /// Connections beside the traffic that were refused.
    refused,
    /// Connection attempts that were given up.
    given_up,
    /// Connections that were reset.
    reset,
}

/// The port of the traffic.
const PORT: u16 = 8100;
/// The ports of what goes on beside it, one for each kind.
const BESIDE: [u16; 4] = [8101, 8102, 8103, 8104];
/// What a writer writes at once.
const BLOCK: usize = 64 << 10;
/// How long a client waits for a server that does not accept: longer than for a second SYN.
const WAIT: Duration = Duration::from_millis(1500);
/// How long a client waits for a connection of the traffic.
const PATIENCE: Duration = Duration::from_secs(5);

fn add(count: &AtomicU64, value: u64) {
    count.fetch_add(value, Ordering::Relaxed);
}

fn micros(since: Instant) -> u64 {
    since.elapsed().as_micros() as u64
}

/// Starts the programs of a scene.
pub fn start(scene: &Scene, setup: &Setup, ledger: &Arc<Ledger>) {
    let count = scene.connections;
    match scene.traffic {
        Traffic::Connects { question, answer, pause } => {
            short(scene, setup, ledger, [question, answer], pause);
        }
        traffic => {
            let sender = scene.sender();
            let tune = |side, socket: &Socket| tune(scene, side == sender, socket);
            for pair in setup.pairs(PORT, count, tune) {
                stand(scene, traffic, setup, ledger, pair);
            }
        }
    }
    for trouble in &scene.troubles {
        beside(setup, ledger, *trouble);
    }
}

/// Sets the congestion control and the buffers. (A socket may have what its network namespace may
/// not.)
fn tune(scene: &Scene, is_sender: bool, socket: &Socket) {
    socket.set(libc::IPPROTO_TCP, libc::TCP_CONGESTION, scene.control.as_bytes()).unwrap();
    for trouble in &scene.troubles {
        let (option, bytes) = match *trouble {
            Trouble::ReceiveBuffer(bytes) if !is_sender => (libc::SO_RCVBUF, bytes),
            Trouble::SendBuffer(bytes) if is_sender => (libc::SO_SNDBUF, bytes),
            _ => continue,
        };
        socket.set_number(libc::SOL_SOCKET, option, bytes as i32).unwrap();
    }
}

/// What happens on a standing connection.
fn stand(
    scene: &Scene,
    traffic: Traffic,
    setup: &Setup,
    ledger: &Arc<Ledger>,
    [client, server]: [TcpStream; 2],
) {
    let own = Arc::clone(ledger);
    match traffic {
        Traffic::Ask { question, answer, pause } => {
            setup.act(Side::Client, move |hours| {
                ask(hours, &client, &own, [question, answer], 1, pause)
            });
            setup.act(Side::Server, move |hours| hours.answer_on(&server, [question, answer]));
        }
        Traffic::Pieces { pause } => {
            client.set_nodelay(false).unwrap();
            setup.act(Side::Client, move |hours| ask(hours, &client, &own, [200, 200], 2, pause));
            setup.act(Side::Server, move |hours| hours.answer_on(&server, [200, 200]));
        }
        Traffic::Idle => {
            setup.keep([client, server]);
        }
        Traffic::Bursts { length, every } => {
            setup.act(Side::Client, move |hours| hours.write_bursts(&client, length, every));
            setup.act(Side::Server, move |hours| hours.read_on(&server));
        }
        Traffic::Up | Traffic::Down | Traffic::Paced { .. } | Traffic::Connects { .. } => {
            if let Traffic::Paced { rate } = traffic {
                pace(&client, rate);
            }
            let sender = scene.sender();
            let receiver = Side::BOTH[1 - sender.index()];
            let [writing, reading] =
                if sender == Side::Client { [client, server] } else { [server, client] };
            setup.act(sender, move |hours| write(hours, &writing, &own));
            let slow = scene.trouble(|trouble| match *trouble {
                Trouble::SlowReader(rate) => Some(rate),
                Trouble::NotReading => Some(0),
                _ => None,
            });
            match slow {
                None => setup.act(receiver, move |hours| hours.read_on(&reading)),
                Some(0) => setup.keep(reading),
                Some(rate) => setup.act(receiver, move |hours| hours.read_at(&reading, rate)),
            }
        }
    }
}

/// Writes as much as it can.
fn write(hours: &Hours, stream: &TcpStream, ledger: &Ledger) -> std::io::Result<()> {
    let block = vec![b'#'; BLOCK];
    while !hours.are_over() {
        let begin = Instant::now();
        hours.write(stream, &block)?;
        add(&ledger.wrote, BLOCK as u64);
        add(&ledger.blocked, micros(begin));
    }
    Ok(())
}

/// Asks, in so many pieces, again and again.
fn ask(
    hours: &Hours,
    stream: &TcpStream,
    ledger: &Ledger,
    [question, answer]: [usize; 2],
    pieces: usize,
    pause: Duration,
) -> std::io::Result<()> {
    let text = vec![b'?'; question / pieces];
    while hours.pause(pause) {
        let begin = Instant::now();
        for _ in 1..pieces {
            hours.write(stream, &text)?;
        }
        hours.write(stream, &vec![b'?'; question - text.len() * (pieces - 1)])?;
        hours.read(stream, answer)?;
        add(&ledger.answers, 1);
        add(&ledger.waited, micros(begin));
    }
    Ok(())
}

/// A service for one question on a connection, whose clients close first.
fn short(
    scene: &Scene,
    setup: &Setup,
    ledger: &Arc<Ledger>,
    [question, answer]: [usize; 2],
    pause: Duration,
) {
    let clients = scene.connections;
    let listener = setup.listen(PORT, 128, |socket| tune(scene, true, socket));
    serve(setup, listener, 2 * clients, move |hours, stream| {
        hours.read(stream, question)?;
        hours.write(stream, &vec![b'!'; answer])?;
        // Until the client hangs up.
        hours.read(stream, 1)
    });
    let target = setup.target(PORT);
    for _ in 0..clients {
        let own = Arc::clone(ledger);
        setup.act(Side::Client, move |hours| {
            while hours.pause(pause) {
                let begin = Instant::now();
                let Ok(stream) = connect(target, PATIENCE) else { continue };
                hours.write(&stream, &vec![b'?'; question])?;
                hours.read(&stream, answer)?;
                add(&own.answers, 1);
                add(&own.waited, micros(begin));
            }
            Ok(())
        });
    }
}

/// Threads that accept, and do this with each connection.
fn serve(
    setup: &Setup,
    listener: TcpListener,
    threads: usize,
    act: impl Fn(&Hours, &TcpStream) -> std::io::Result<()> + Clone + Send + 'static,
) {
    listener.set_nonblocking(true).unwrap();
    for _ in 0..threads {
        let listener: TcpListener = listener.try_clone().unwrap();
        let act = act.clone();
        setup.act(Side::Server, move |hours| {
            while !hours.are_over() {
                match accept(&listener) {
                    Ok(stream) => {
                        let _ = act(hours, &stream);
                    }
                    Err(_) => {
                        hours.pause(Duration::from_millis(3));
                    }
                }
            }
            Ok(())
        });
    }
}

/// What goes on beside the traffic.
fn beside(setup: &Setup, ledger: &Arc<Ledger>, trouble: Trouble) {
    let port = match trouble {
        Trouble::Refused { .. } => BESIDE[0],
        Trouble::Silent { .. } => BESIDE[1],
        Trouble::Backlog { .. } => BESIDE[2],
        _ => BESIDE[3],
    };
    let target = setup.target(port);
    let own = Arc::clone(ledger);
    match trouble {
        Trouble::Refused { every } => setup.act(Side::Client, move |hours| {
            while hours.pause(every) {
                add(&own.refused, u64::from(connect(target, PATIENCE).is_err()));
            }
            Ok(())
        }),
        Trouble::Silent { patience } => {
            setup.link().lose_if(move |from, segment: &Segment| {
                from == Side::Client && segment.has(Segment::SYN) && segment.ports[1] == port
            });
            for _ in 0..4 {
                let own = Arc::clone(&own);
                setup.act(Side::Client, move |hours| {
                    while !hours.are_over() {
                        add(&own.given_up, u64::from(connect(target, patience).is_err()));
                        hours.pause(Duration::from_millis(100));
                    }
                    Ok(())
                });
            }
        }
        Trouble::Backlog { every } => {
            setup.keep(setup.listen(port, 4, |_| {}));
            for _ in 0..4 {
                let own = Arc::clone(&own);
                setup.act(Side::Client, move |hours| {
                    let mut kept = Vec::new();
                    while hours.pause(every) {
                        match connect(target, WAIT) {
                            Ok(stream) => kept.push(stream),
                            Err(_) => add(&own.given_up, 1),
                        }
                    }
                    Ok(())
                });
            }
        }
        Trouble::Resets { every, unread } => {
            serve(setup, setup.listen(port, 128, |_| {}), 4, move |hours, stream| {
                if unread {
                    // The rest of the question stays unread.
                    hours.read(stream, 10)?;
                    hours.pause(Duration::from_millis(5));
                    return Ok(());
                }
                hours.read(stream, 100)?;
                linger(stream);
                Ok(())
            });
            setup.act(Side::Client, move |hours| reset(hours, target, every, &own));
        }
        _ => {}
    }
}

/// Closing is resetting from now on.
fn linger(stream: &TcpStream) {
    let socket = Socket::from(std::os::fd::OwnedFd::from(stream.try_clone().unwrap()));
    // struct linger: on, and no seconds.
    let value: Vec<u8> = [1_i32, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
    socket.set(libc::SOL_SOCKET, libc::SO_LINGER, &value).unwrap();
}

/// Asks a server that resets.
fn reset(
    hours: &Hours,
    target: SocketAddr,
    every: Duration,
    ledger: &Ledger,
) -> std::io::Result<()> {
    while hours.pause(every) {
        let Ok(stream) = connect(target, PATIENCE) else { continue };
        let _ = hours.write(&stream, &[b'?'; 100]);
        let outcome = hours.read(&stream, 100);
        let kind = outcome.err().map(|error| error.kind());
        add(&ledger.reset, u64::from(kind == Some(std::io::ErrorKind::ConnectionReset)));
        let _ = stream.shutdown(Shutdown::Both);
    }
    Ok(())
}
