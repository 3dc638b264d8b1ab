//! The secret key of one anonymisation.

use std::io;

use siphasher::sip::SipHasher24;

use crate::sys::random_bytes;

/// What a hash is used for, so that two uses of the key never give the same one.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Use {
    Ipv4 = 1,
    Ipv6 = 2,
    Process = 3,
    Cgroup = 4,
    Namespace = 5,
    Interface = 6,
    Host = 7,
    Boot = 8,
    Protocol = 9,
}

/// A random key that is used once and not stored.
///
/// SipHash-2-4, a pseudorandom function with a key of 128 bits: of the crates that offer one
/// (`aes`, `blake3`) `siphasher` is the smallest by far, one crate without any further, which
/// builds in a second.
pub struct Key(SipHasher24);

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// When the kernel returns no random bytes.
    pub fn random() -> io::Result<Self> {
        Ok(Self(SipHasher24::new_with_key(&random_bytes()?)))
    }

    /// The hash of these bytes.
    pub(super) fn number(&self, what: Use, length: u8, bytes: &[u8]) -> u64 {
        let mut message = [0; 18];
        let tail = message.len() - 2;
        match bytes.len() {
            short if short <= tail => {
                message
                    .iter_mut()
                    .zip([what as u8, length].iter().chain(bytes))
                    .for_each(|(to, &from)| *to = from);
                self.0.hash(message.get(..short + 2).unwrap_or(&message))
            }
            _ => self.0.hash(&[&[what as u8, length], bytes].concat()),
        }
    }

    /// Hexadecimal digits that replace a text.
    pub(super) fn digits(&self, what: Use, text: &[u8], digits: usize) -> String {
        let mut found = String::new();
        let mut round = 0;
        while found.len() < digits {
            found.push_str(&format!("{:016x}", self.number(what, round, text)));
            round += 1;
        }
        found.truncate(digits);
        found
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It is secret.
        f.write_str("Key")
    }
}
