//! `INET_DIAG_SKMEMINFO`: the socket's memory (include/uapi/linux/sock_diag.h).

use super::uapi::SK_MEMINFO_VARS;

/// The memory words of one socket. Kernels before 4.7 send eight, later ones
/// nine (`drops`); more are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkMem {
    count: u8,
    words: [u32; SK_MEMINFO_VARS],
}

impl SkMem {
    /// Takes the payload. `None` when it holds no whole word.
    #[inline]
    pub fn new(payload: &[u8]) -> Option<Self> {
        let mut skmem = Self { count: 0, words: [0; SK_MEMINFO_VARS] };
        let (words, _) = payload.as_chunks();
        for (word, bytes) in skmem.words.iter_mut().zip(words) {
            *word = u32::from_ne_bytes(*bytes);
        }
        skmem.count = words.len().min(SK_MEMINFO_VARS) as u8;
        (skmem.count > 0).then_some(skmem)
    }

    /// Word `index`, absent when this kernel does not send it.
    #[inline]
    pub fn word(&self, index: u8) -> Option<u32> {
        (index < self.count).then(|| self.words.get(usize::from(index)).copied()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_nine_and_odd_lengths() {
        let bytes: Vec<u8> = (1u32..=10).flat_map(u32::to_ne_bytes).collect();
        let eight = SkMem::new(&bytes[..32]).unwrap();
        assert_eq!((eight.word(7), eight.word(8)), (Some(8), None));
        assert_eq!(SkMem::new(&bytes[..36]).unwrap().word(8), Some(9));
        assert_eq!(SkMem::new(&bytes).unwrap().word(8), Some(9));
        assert_eq!(SkMem::new(&bytes[..35]).unwrap().word(8), None);
        assert_eq!(SkMem::new(&bytes[..3]), None);
    }
}
