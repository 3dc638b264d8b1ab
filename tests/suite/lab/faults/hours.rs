//! How long the actors of a fault work, and what they do meanwhile.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Until the fault ends.
#[derive(Debug, Clone, Default)]
pub struct Hours(Arc<AtomicBool>);

/// How often those who wait look whether it is over.
const GLANCE: Duration = Duration::from_millis(50);
/// How often those with a rate have their turn.
const TURN: Duration = Duration::from_millis(20);
/// Bytes at once.
const BLOCK: usize = 64 << 10;

impl Hours {
    /// Ends them.
    pub fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether they are over.
    pub fn are_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps; whether they are not over then.
    pub fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while !self.are_over() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(GLANCE));
        }
        false
    }

    /// Writes all of this, however long it takes.
    pub fn write(&self, mut stream: &TcpStream, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) => self.bear(error)?,
            }
        }
        Ok(())
    }

    /// Reads so much, however long it takes.
    pub fn read(&self, mut stream: &TcpStream, mut length: usize) -> Result<()> {
        let mut block = [0; 4096];
        while length > 0 {
            let wanted = length.min(block.len());
            match stream.read(&mut block[..wanted]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => length -= read,
                Err(error) => self.bear(error)?,
            }
        }
        Ok(())
    }

    /// Writes as fast as it goes.
    pub fn write_on(&self, stream: &TcpStream) -> Result<()> {
        let block = vec![b'#'; BLOCK];
        while !self.are_over() {
            self.write(stream, &block)?;
        }
        Ok(())
    }

    /// Writes so many bytes a second.
    pub fn write_at(&self, stream: &TcpStream, rate: usize) -> Result<()> {
        let block = vec![b'#'; rate / 50];
        while self.pause(TURN) {
            self.write(stream, &block)?;
        }
        Ok(())
    }

    /// Writes so much at once, again and again.
    pub fn write_bursts(&self, stream: &TcpStream, length: usize, every: Duration) -> Result<()> {
        let burst = vec![b'#'; length];
        while self.pause(every) {
            self.write(stream, &burst)?;
        }
        Ok(())
    }

    /// Reads as fast as it goes, up to the end.
    pub fn read_on(&self, mut stream: &TcpStream) -> Result<()> {
        let mut block = vec![0; BLOCK];
        while !self.are_over() {
            match stream.read(&mut block) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => self.bear(error)?,
            }
        }
        Ok(())
    }

    /// Reads so many bytes a second.
    pub fn read_at(&self, stream: &TcpStream, rate: usize) -> Result<()> {
        while self.pause(TURN) {
            self.read(stream, rate / 50)?;
        }
        Ok(())
    }

    /// Asks again and again.
    pub fn ask_on(
        &self,
        stream: &TcpStream,
        [question, answer]: [usize; 2],
        pause: Duration,
    ) -> Result<()> {
        let text = vec![b'?'; question];
        while !self.are_over() {
            self.write(stream, &text)?;
            self.read(stream, answer)?;
            self.pause(pause);
        }
        Ok(())
    }

    /// Answers again and again.
    pub fn answer_on(&self, stream: &TcpStream, [question, answer]: [usize; 2]) -> Result<()> {
        let text = vec![b'!'; answer];
        while !self.are_over() {
            self.read(stream, question)?;
            self.write(stream, &text)?;
        }
        Ok(())
    }

    /// Takes the ends of short waits as they come.
    fn bear(&self, error: Error) -> Result<()> {
        let is_short = [ErrorKind::WouldBlock, ErrorKind::TimedOut, ErrorKind::Interrupted]
            .contains(&error.kind());
        if is_short && !self.are_over() { Ok(()) } else { Err(error) }
    }
}
