//! Waiting that Ctrl-C and termination end.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use std::{io, sync::Arc, sync::atomic::AtomicBool, sync::atomic::Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};

use super::terminal::{is_error_terminal, standard_error};

/// Whether the user asked the program to end. A second request ends it at once.
#[derive(Debug)]
pub struct Interrupt {
    asked: Arc<AtomicBool>,
    /// Whether SIGUSR1 was received.
    nudged: Arc<AtomicBool>,
    wake: UnixStream,
    waker: UnixStream,
    /// Whether the `^C` that the terminal wrote is erased.
    erased: AtomicBool,
}

/// Goes to the beginning of the line and erases it (ECMA-48, CR and EL).
const ERASE_LINE: &[u8] = b"\r\x1b[K";

impl Interrupt {
    /// Handles SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// What socketpair(2) or sigaction(2) answer.
    pub fn install() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let (wake, waker) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM] {
            // Registered first, so that it still reads false at the first signal.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
            signal_hook::low_level::pipe::register(signal, waker.try_clone()?)?;
        }
        let erased = AtomicBool::new(false);
        Ok(Self { asked, nudged: Arc::default(), wake, waker, erased })
    }

    /// Handles SIGUSR1 from now on, by which the user asks a running program for something.
    ///
    /// # Errors
    /// What sigaction(2) answers.
    pub fn heed_nudges(&self) -> io::Result<()> {
        signal_hook::flag::register(SIGUSR1, Arc::clone(&self.nudged))?;
        signal_hook::low_level::pipe::register(SIGUSR1, self.waker.try_clone()?)?;
        Ok(())
    }

    /// Whether SIGUSR1 was received since the last call.
    pub fn take_nudge(&self) -> bool {
        self.nudged.swap(false, Ordering::Relaxed)
    }

    /// Whether the user asked to end. The `^C` that a terminal echoes is erased.
    pub fn is_asked(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        if asked && !self.erased.swap(true, Ordering::Relaxed) && is_error_terminal() {
            let _ = standard_error().write_all(ERASE_LINE);
        }
        asked
    }

    /// Sleeps until `deadline`, or until the user asks to end or sends SIGUSR1;
    /// returns whether the user asked to end.
    pub fn sleep_until(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let nudged = self.nudged.load(Ordering::Relaxed);
            if self.is_asked() || nudged || left == Duration::ZERO {
                return self.is_asked();
            }
            let Ok(timeout) = Timespec::try_from(left) else { return self.is_asked() };
            let mut waiting = [PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
            if poll(&mut waiting, Some(&timeout)).is_ok_and(|ready| ready > 0) {
                let _ = (&self.wake).read(&mut [0; 16]);
            }
        }
    }
}
