//! Destroy events: the multicast groups SKNLGRP_INET_TCP_DESTROY and
//! SKNLGRP_INET6_TCP_DESTROY.
//!
//! Receives all events and reports how many were lost. Does not interpret them.
//!
//! The kernel charges each event with 1280 bytes to a receive buffer that
//! `net.core.rmem_max` limits: with the default of 212,992 bytes, which the kernel
//! doubles, 332 events fit. At 5,000 closed sockets per second that is 66 ms, less
//! than a dump of 100,000 sockets takes. So a thread moves the events to a queue in
//! this process, and callers take them from there. On a busy host that is not
//! enough: the kernel's workers send all pending events at once (2 us for each)
//! when they get a processor. Where one buffer is small, up to sixteen sockets
//! share the events.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::Cause;
use crate::model::wrap;
use crate::procfs::{NamespaceError, NetNamespace};
use crate::sys::{EventSocket, Received, Subscription};
use crate::wire::{Messages, Reply, uapi};

/// The groups of destroy events.
const GROUPS: [u32; 2] = [uapi::SKNLGRP_INET_TCP_DESTROY, uapi::SKNLGRP_INET6_TCP_DESTROY];

/// Bytes of the receive buffer that one event takes (`skb->truesize`, 5.10 to 7.2).
const CHARGE: usize = 1280;

/// Larger than any event: 380 bytes on 6.18.
const DATAGRAM: usize = 4096;

/// Bytes of events that wait to be taken; some 170,000.
const QUEUE: usize = 64 << 20;

/// Events that should fit into the kernel's buffers.
const ROOM: usize = 4096;

/// The longest pause between two reads, however much other processes send.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Events that the thread takes at a time while it holds the queue.
const BATCH: usize = 256;

/// How to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventOptions {
    /// Bytes of receive buffer to ask for. Without CAP_NET_ADMIN no more than
    /// `net.core.rmem_max` is granted. Nothing is reserved: it is a limit.
    pub receive_buffer: usize,
    /// Sockets that share the events at most, where a buffer has room for less
    /// than 4,096.
    pub most_sockets: usize,
    /// Only connections with this port on either end, and such whose ports were
    /// wiped. The kernel drops the others before it charges for them.
    pub port: Option<u16>,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self { receive_buffer: 32 << 20, most_sockets: 16, port: None }
    }
}

/// Why there are no events. Without them connections that live between two polls, and
/// the last part of all others, are not seen.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// The kernel has no such groups.
    #[error("Linux {release} has no destroy events of sockets (4.2 and later have)")]
    Unsupported {
        /// `uname -r`.
        release: String,
    },
    /// A system call failed.
    #[error("cannot {operation} the netlink socket for destroy events: {}", Cause::of_call(source))]
    Socket {
        /// `open`, `receive from`.
        operation: &'static str,
        /// What the call answered.
        source: io::Error,
    },
    /// The reading thread could not be started.
    #[error("cannot start a thread to read destroy events: {0}")]
    Thread(io::Error),
    /// The namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// The result of [`drain`](Events::drain).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Events that were delivered.
    pub events: u64,
    /// Datagrams that were no event.
    pub decode_errors: u64,
    /// Times that a buffer overran since the last drain.
    pub overruns: u64,
    /// Events lost since the last drain. Exact from Linux 4.12 on; before that
    /// as many as there were overruns, at least.
    pub lost: u64,
    /// Datagrams that other processes sent, and that were discarded. Those of them that did not
    /// fit into a buffer are among the lost: the kernel does not tell them apart.
    pub foreign: u64,
}

impl Drained {
    /// Whether every event since the last drain was delivered.
    pub fn is_whole(&self) -> bool {
        self.lost == 0 && self.overruns == 0 && self.decode_errors == 0
    }
}

/// The destroy events of one network namespace. Any user may receive them
/// (`NL_CFG_F_NONROOT_RECV`).
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    receive_buffer: usize,
    /// What the last drain emptied.
    spare: Vec<u8>,
}

impl Events {
    /// Listens in the calling thread's network namespace.
    ///
    /// # Errors
    /// When the kernel has no such events, or the socket cannot be set up.
    pub fn open(options: &EventOptions) -> Result<Self, EventsError> {
        Self::start(subscribe(options)?)
    }

    /// Listens in `namespace`. The reading thread stays in the caller's.
    ///
    /// # Errors
    /// The same, or when the namespace cannot be entered.
    pub fn open_in(namespace: &NetNamespace, options: &EventOptions) -> Result<Self, EventsError> {
        Self::start(namespace.inside(|| subscribe(options))??)
    }

    fn start(socket: EventSocket) -> Result<Self, EventsError> {
        let receive_buffer = socket.receive_buffer();
        let shared = Arc::new(Shared {
            socket,
            queue: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        });
        let reader = Arc::clone(&shared);
        let pause = pause(receive_buffer);
        let thread = std::thread::Builder::new()
            .name("tcp-events".to_owned())
            .spawn(move || reader.read(pause))
            .map_err(EventsError::Thread)?;
        Ok(Self { shared, thread: Some(thread), receive_buffer, spare: Vec::new() })
    }

    /// Bytes of receive buffer that the kernel granted in all, its bookkeeping
    /// included.
    pub fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// How many events fit into it.
    pub fn capacity(&self) -> usize {
        self.receive_buffer / CHARGE
    }

    /// Delivers every event that the kernel has sent so far. To be called after a
    /// dump: a socket that closes during the dump is then in the dump or delivered here.
    ///
    /// # Errors
    /// When the socket fails; what was received until then was delivered.
    pub fn drain(&mut self, mut each: impl FnMut(&Reply<'_>)) -> Result<Drained, EventsError> {
        self.drain_datagrams(|_, reply| each(reply))
    }

    /// The same; `each` also sees the message that the record is in, as it was received.
    ///
    /// # Errors
    /// The same.
    pub fn drain_datagrams(
        &mut self,
        mut each: impl FnMut(&[u8], &Reply<'_>),
    ) -> Result<Drained, EventsError> {
        self.spare.clear();
        let (mut drained, error) = {
            let mut queue = self.shared.lock();
            // What lies in the kernel's buffer while the thread pauses.
            self.shared.pull(&mut queue, self.shared.most());
            std::mem::swap(&mut queue.bytes, &mut self.spare);
            let drops = self.shared.socket.drops();
            (queue.settle(drops), queue.error.take())
        };
        for (message, datagram) in Messages::new(&self.spare).framed() {
            let reply = message.ok().filter(|message| message.kind == uapi::SOCK_DIAG_BY_FAMILY);
            match reply.and_then(|message| Reply::new(message.payload)) {
                Some(reply) => {
                    drained.events += 1;
                    each(datagram, &reply);
                }
                None => drained.decode_errors += 1,
            }
        }
        self.spare.shrink_to((2 * self.spare.len()).max(1 << 20));
        match error {
            None => Ok(drained),
            Some(source) => Err(EventsError::Socket { operation: "receive from", source }),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        // If it cannot be woken, it ends with the next event.
        if self.shared.socket.wake() {
            // It cannot panic, and if it did there is nothing to be done.
            let _ = thread.join();
        }
    }
}

fn subscribe(options: &EventOptions) -> Result<EventSocket, EventsError> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if !has_events(&release) {
        return Err(EventsError::Unsupported { release });
    }
    let subscription = Subscription {
        groups: &GROUPS,
        receive_buffer: options.receive_buffer,
        total_buffer: ROOM * CHARGE,
        most_sockets: options.most_sockets,
        port: options.port,
    };
    EventSocket::open(&subscription).map_err(failed("open"))
}

fn failed(operation: &'static str) -> impl Fn(io::Error) -> EventsError {
    move |source| EventsError::Socket { operation, source }
}

/// Decided by release: before 4.2 root may join the groups, but receives nothing.
fn has_events(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) >= (4, 2),
        (None, _) => true,
    }
}

/// The pause between two reads: a quarter of the shortest time in which the kernel's
/// workers fill the buffers, at most 10 ms. At 5,000 closed sockets per second 10 ms bring the cost of an event to this process from 3.3 us of
/// processor to 2.3 (`benches/ledger.rs`, on a busy host).
fn pause(receive_buffer: usize) -> Duration {
    let events = (receive_buffer / CHARGE) as u64;
    Duration::from_micros((events / 2).min(10_000))
}

/// The pause after `spent` was spent on reading, of which the share `foreign` was on datagrams of
/// other processes: these may take a twentieth of a processor. What does not fit meanwhile is
/// marked as lost.
fn pause_after(usual: Duration, spent: Duration, foreign: f64) -> Duration {
    usual.max(spent.mul_f64(19.0 * foreign)).min(LONGEST_PAUSE.max(usual))
}

#[derive(Debug)]
struct Shared {
    socket: EventSocket,
    queue: Mutex<Queue>,
    /// Asks the thread to end.
    is_stopped: AtomicBool,
}

/// What was moved out of the kernel's buffers.
#[derive(Debug, Clone, Copy, Default)]
struct Pulled {
    /// Datagrams, from whomever.
    datagrams: usize,
    /// Those of other processes among them.
    foreign: usize,
    /// Whether there is nothing more to read.
    is_end: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two statements that touch it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many datagrams as the buffers hold, even if all of them are as small as can be and
    /// others come meanwhile. Beyond that there is no end to what other processes may send.
    fn most(&self) -> usize {
        2 * self.socket.receive_buffer() / CHARGE + BATCH
    }

    /// The thread.
    fn read(&self, usual: Duration) {
        while !self.is_stopped.load(Ordering::SeqCst) {
            if let Err(error) = self.socket.wait() {
                return self.lock().error = Some(error);
            }
            let (begun, mut datagrams, mut foreign) = (Instant::now(), 0, 0);
            while datagrams < self.most() {
                let pulled = self.pull(&mut self.lock(), BATCH);
                datagrams += pulled.datagrams;
                foreign += pulled.foreign;
                if pulled.is_end {
                    break;
                }
            }
            if self.lock().error.is_some() || self.is_stopped.load(Ordering::SeqCst) {
                return;
            }
            let share = foreign as f64 / datagrams.max(1) as f64;
            // Ended early by the one who stops it.
            std::thread::park_timeout(pause_after(usual, begun.elapsed(), share));
        }
    }

    /// Moves up to `most` events from the kernel's buffers to the queue. The queue stays locked
    /// meanwhile, so that no event is between buffer and queue when another thread reads it.
    fn pull(&self, queue: &mut Queue, most: usize) -> Pulled {
        let mut buffer = [0; DATAGRAM];
        let mut pulled = Pulled::default();
        for share in 0..self.socket.shares() {
            loop {
                if pulled.datagrams == most {
                    return pulled;
                }
                pulled.datagrams += 1;
                match self.socket.receive(share, &mut buffer) {
                    Ok(Received::Datagram(length)) => match buffer.get(..length) {
                        Some(datagram) => queue.push(datagram, QUEUE),
                        None => queue.lost += 1,
                    },
                    Ok(Received::Foreign) => {
                        queue.foreign += 1;
                        pulled.foreign += 1;
                    }
                    Ok(Received::Overrun) => queue.overruns += 1,
                    Ok(Received::Nothing) => break,
                    Err(error) => {
                        queue.error = Some(error);
                        return Pulled { is_end: true, ..pulled };
                    }
                }
            }
        }
        Pulled { is_end: true, ..pulled }
    }
}

/// Events that were received and not yet taken.
#[derive(Debug, Default)]
struct Queue {
    /// Messages as they came, one behind the other.
    bytes: Vec<u8>,
    /// The kernel's buffer overran.
    overruns: u64,
    /// Lost in this process.
    lost: u64,
    /// Datagrams of other processes.
    foreign: u64,
    /// The kernel's count of losses at the last settlement.
    drops: u32,
    error: Option<io::Error>,
}

impl Queue {
    fn push(&mut self, datagram: &[u8], limit: usize) {
        if self.bytes.len() + datagram.len() > limit {
            self.lost += 1;
            return;
        }
        self.bytes.extend_from_slice(datagram);
        // Messages begin at multiples of four.
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Closes the account of losses; `drops` is the kernel's count of all.
    fn settle(&mut self, drops: Option<u32>) -> Drained {
        let overruns = std::mem::take(&mut self.overruns);
        let here = std::mem::take(&mut self.lost);
        let there = match drops {
            Some(drops) => {
                let before = std::mem::replace(&mut self.drops, drops);
                wrap::growth(before, drops).unwrap_or(overruns)
            }
            None => overruns,
        };
        Drained {
            events: 0,
            decode_errors: 0,
            overruns: overruns + u64::from(here > 0),
            lost: here + there,
            foreign: std::mem::take(&mut self.foreign),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_with_events() {
        for (release, has) in [
            ("3.10.0-1160.el7.x86_64", false),
            ("4.1.52", false),
            ("4.2.0", true),
            ("4.4", true),
            ("6.18.44-fc", true),
            ("5", true),
            ("unheard-of", true),
        ] {
            assert_eq!(has_events(release), has, "{release}");
        }
    }

    #[test]
    fn the_queue_is_bounded_and_says_what_it_lost() {
        let mut queue = Queue::default();
        for _ in 0..5 {
            queue.push(&[0; 18], 64);
        }
        assert_eq!((queue.bytes.len(), queue.lost), (60, 2));
        queue.overruns = 1;
        let drained = queue.settle(Some(7));
        assert_eq!((drained.overruns, drained.lost, drained.is_whole()), (2, 9, false));
        // Still congested: no further ENOBUFS, but more is lost.
        assert_eq!(queue.settle(Some(9)).lost, 2);
        assert!(queue.settle(Some(9)).is_whole());
        queue.overruns = 3;
        assert_eq!(queue.settle(None).lost, 3);
    }

    #[test]
    fn pauses_are_shorter_than_the_buffer_lasts() {
        assert_eq!(pause(16 * 425_984), Duration::from_micros(2662));
        assert_eq!(pause(64 << 20), Duration::from_millis(10));
        assert_eq!(pause(2304), Duration::ZERO);
    }

    #[test]
    fn other_processes_get_a_twentieth_of_a_processor() {
        let usual = Duration::from_millis(10);
        let spent = Duration::from_millis(4);
        assert_eq!(pause_after(usual, spent, 0.0), usual);
        assert_eq!(pause_after(usual, spent, 1.0), 19 * spent);
        assert_eq!(pause_after(usual, 100 * spent, 1.0), LONGEST_PAUSE);
    }
}
