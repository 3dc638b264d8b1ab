//! The TUN link, tested with single packets and with TCP.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use crate::lab::{Addresses, Link, Network, Shape, Side, Socket, Tally, lab, require, settles};

/// Two namespaces and a link between them.
struct TestLink {
    networks: [Network; 2],
    addresses: Addresses,
    link: Link,
}

impl TestLink {
    /// Prints a message and returns `None` without TUN.
    fn new(shapes: [Shape; 2]) -> Option<Self> {
        let addresses = Addresses::next();
        let networks = [Network::new(), Network::new()];
        let link = Link::lay(&networks, addresses, shapes);
        let reason = link.as_ref().err().cloned().unwrap_or_default();
        require(link.is_ok(), &reason).then_some(())?;
        Some(Self { networks, addresses, link: link.ok()? })
    }

    fn inside<T: Send>(&self, side: Side, act: impl FnOnce() -> T + Send) -> T {
        self.networks[side.index()].inside(act)
    }

    fn address(&self, side: Side, port: u16) -> SocketAddr {
        SocketAddr::new(self.addresses.of(side, false), port)
    }

    /// Sends numbered datagrams from the client to the server. Returns numbers and delays in order
    /// of arrival.
    fn datagrams(&self, count: u32, pause: Duration, length: usize) -> Vec<(u32, Duration)> {
        let target = self.address(Side::Server, 7);
        let receiver = self.inside(Side::Server, || UdpSocket::bind(target).unwrap());
        let sender = self.inside(Side::Client, || UdpSocket::bind("0.0.0.0:0").unwrap());
        // A busy host reads late.
        let room = 4 << 20;
        let forced = sockopt::set_socket_recv_buffer_size_force(&receiver, room);
        forced.or_else(|_| sockopt::set_socket_recv_buffer_size(&receiver, room)).unwrap();
        receiver.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let epoch = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut datagram = vec![0; length];
                for number in 0..count {
                    datagram[..4].copy_from_slice(&number.to_ne_bytes());
                    let now = epoch.elapsed().as_nanos() as u64;
                    datagram[4..12].copy_from_slice(&now.to_ne_bytes());
                    sender.send_to(&datagram, target).unwrap();
                    std::thread::sleep(pause);
                }
            });
            let mut arrived = Vec::new();
            let mut datagram = vec![0; length];
            while receiver.recv(&mut datagram).is_ok() {
                let number = u32::from_ne_bytes(datagram[..4].try_into().unwrap());
                let sent = u64::from_ne_bytes(datagram[4..12].try_into().unwrap());
                let now = epoch.elapsed();
                arrived.push((number, now.saturating_sub(Duration::from_nanos(sent))));
            }
            arrived
        })
    }

    fn tally(&self) -> Tally {
        let tally = self.link.tally(Side::Client);
        println!("{tally:?}");
        tally
    }
}

/// Whether a number of hits is within five standard deviations of its expectation.
fn plausible(hits: u64, trials: u64, chance: f64) -> bool {
    let expected = trials as f64 * chance;
    let deviation = (trials as f64 * chance * (1.0 - chance)).sqrt();
    println!("{hits} of {trials} at {chance}: expected {expected:.0} +- {deviation:.1}");
    (hits as f64 - expected).abs() <= 5.0 * deviation
}

/// Datagrams sent, with a pause that the buffers can take.
const MANY: u32 = 3000;
const CLOSE: Duration = Duration::from_micros(50);

lab!(
    alone as Mapped fn a_good_link_loses_nothing() {
        let Some(line) = TestLink::new([Shape::default(); 2]) else { return };
        let arrived = line.datagrams(MANY, CLOSE, 100);
        let numbers: Vec<u32> = arrived.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (0..MANY).collect::<Vec<_>>());
        assert_eq!(line.tally().delivered, line.tally().entered);
    }
);

lab!(
    alone as Mapped fn delay_is_kept_and_jitter_keeps_the_order() {
        let delay = Duration::from_millis(20);
        let jitter = Duration::from_millis(10);
        let there = Shape { delay, jitter, ..Shape::default() };
        let Some(line) = TestLink::new([there, Shape::delayed(20)]) else { return };
        let arrived = line.datagrams(300, Duration::from_millis(2), 100);
        assert!(arrived.is_sorted_by_key(|(number, _)| *number));
        let mut times: Vec<Duration> = arrived.iter().map(|(_, time)| *time).collect();
        times.sort_unstable();
        let [least, median] = [times[0], times[150]];
        println!("under way: {least:?} at least, {median:?} in the middle");
        assert!((delay..delay + jitter).contains(&least), "{least:?}");
        // The mean of the jitter, plus the delay of keeping the order and of a busy host.
        assert!((delay + jitter / 4..delay + 3 * jitter).contains(&median), "{median:?}");

        // TCP measures the round trip.
        let target = line.address(Side::Server, 80);
        let listener = line.inside(Side::Server, || TcpListener::bind(target).unwrap());
        let client = line.inside(Side::Client, || TcpStream::connect(target).unwrap());
        let (server, _) = listener.accept().unwrap();
        for _ in 0..10 {
            std::io::Write::write_all(&mut &client, b"ping").unwrap();
            std::io::Read::read_exact(&mut &server, &mut [0; 4]).unwrap();
        }
        let client = Socket::from(std::os::fd::OwnedFd::from(client));
        let word = |at: usize| {
            let info = client.info();
            Duration::from_micros(u32::from_ne_bytes(info[at..at + 4].try_into().unwrap()).into())
        };
        // min_rtt, rtt.
        settles("a round trip to be measured", || word(68) >= 2 * delay);
        let [least, smooth] = [word(148), word(68)];
        println!("round trip: {least:?} at least, {smooth:?} smoothed");
        assert!((2 * delay..2 * delay + jitter).contains(&least), "{least:?}");
        assert!((2 * delay..4 * delay).contains(&smooth), "{smooth:?}");
    }
);

lab!(
    alone as Mapped fn loss_and_duplication_have_the_configured_rates() {
        let there = Shape { loss: 0.05, duplicate: 0.03, ..Shape::delayed(1) };
        let Some(line) = TestLink::new([there, Shape::default()]) else { return };
        let arrived = line.datagrams(MANY, CLOSE, 100);
        let tally = line.tally();
        // The tally also counts IPv6's own packets.
        assert!(plausible(tally.lost, tally.entered, 0.05));
        assert!(plausible(tally.duplicated, tally.entered - tally.lost, 0.03));
        let mut numbers: Vec<u32> = arrived.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let missing = u64::from(MANY) - numbers.len() as u64;
        assert!(plausible(missing, MANY.into(), 0.05));
        assert!(tally.lost - missing < 20, "{missing} are missing");
        let copies = (arrived.len() - numbers.len()) as u64;
        assert!(plausible(copies, numbers.len() as u64, 0.03));
    }
);

lab!(
    alone as Mapped fn held_packets_are_reordered() {
        let there = Shape { reorder: 0.04, hold: Duration::from_millis(5), ..Shape::delayed(1) };
        let Some(line) = TestLink::new([there, Shape::default()]) else { return };
        let arrived = line.datagrams(MANY, CLOSE, 100);
        assert_eq!(arrived.len(), MANY as usize);
        let late = arrived.windows(2).filter(|pair| pair[0].0 > pair[1].0).count() as u64;
        assert!(plausible(line.tally().held, MANY.into(), 0.04));
        // Two held neighbours stay in order; some of the last have no packet to be overtaken by.
        assert!((50..=line.tally().held).contains(&late), "{late} are late");
    }
);

lab!(
    alone as Mapped fn a_rate_is_limited_by_a_finite_queue() {
        let rate = 250_000;
        let there = Shape { rate: Some(rate), queue: 50, ..Shape::default() };
        let Some(line) = TestLink::new([there, Shape::default()]) else { return };
        // 1000 bytes each, with headers: twice the rate.
        let begin = Instant::now();
        let arrived = line.datagrams(400, Duration::from_millis(1), 972);
        let (took, tally) = (begin.elapsed().as_secs_f64() - 0.3, line.tally());
        let speed = tally.bytes as f64 / took;
        println!("{speed:.0} bytes a second of {rate}");
        assert!(speed <= 1.05 * rate as f64, "faster than allowed");
        // The first half of the time is sending. A busy host sends late.
        assert!(speed >= 0.6 * rate as f64, "slower than allowed");
        assert!(tally.overflowed > 0, "the queue has no end");
        assert_eq!(tally.entered, tally.overflowed + tally.delivered);
        // The queue is 200 ms long, so the last ones waited that long.
        let longest = arrived.iter().map(|(_, time)| *time).max().unwrap();
        let full = Duration::from_millis(200);
        assert!((full * 3 / 4..full * 2).contains(&longest), "{longest:?}");
    }
);
