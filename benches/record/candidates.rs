//! Ways to compress, each fed with the bytes of a recording sample by sample.

use std::io::Write as _;

use tcpdiag::recording::Compression;
use zstd::zstd_safe::CParameter;

use super::clock::own_cpu_us;

/// A way to compress with the C library.
pub(super) struct Candidate {
    pub(super) name: &'static str,
    pub(super) level: i32,
    pub(super) parameters: &'static [CParameter],
    /// Samples between two flushes.
    pub(super) flush_each: usize,
}

/// The cost of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    pub(super) bytes: f64,
    pub(super) cpu_us: f64,
}

const WINDOW: CParameter = CParameter::WindowLog(25);

pub(super) const CANDIDATES: &[Candidate] = &[
    Candidate {
        name: "level 3, more hashes",
        level: 3,
        parameters: &[WINDOW, CParameter::HashLog(20), CParameter::ChecksumFlag(true)],
        flush_each: 1,
    },
    Candidate {
        name: "the same, no checksum",
        level: 3,
        parameters: &[WINDOW, CParameter::HashLog(20)],
        flush_each: 1,
    },
    Candidate {
        name: "the same, flushed every 4 samples",
        level: 3,
        parameters: &[WINDOW, CParameter::HashLog(20)],
        flush_each: 4,
    },
    Candidate {
        name: "level 3, 2^18 and 2^17 hashes",
        level: 3,
        parameters: &[WINDOW, CParameter::HashLog(18), CParameter::ChainLog(17)],
        flush_each: 1,
    },
    Candidate { name: "level 1", level: 1, parameters: &[WINDOW], flush_each: 1 },
    Candidate {
        name: "level -1, 2^18 hashes",
        level: -1,
        parameters: &[WINDOW, CParameter::HashLog(18)],
        flush_each: 1,
    },
    Candidate {
        name: "level -5, 2^18 hashes",
        level: -5,
        parameters: &[WINDOW, CParameter::HashLog(18)],
        flush_each: 1,
    },
    Candidate {
        name: "level -20, 2^18 hashes",
        level: -20,
        parameters: &[WINDOW, CParameter::HashLog(18)],
        flush_each: 1,
    },
    Candidate {
        name: "level -1, 2^18 hashes, window of 8 MiB",
        level: -1,
        parameters: &[CParameter::WindowLog(23), CParameter::HashLog(18)],
        flush_each: 1,
    },
    Candidate {
        name: "level -5, 2^16 hashes of 7 bytes, window of 8 MiB",
        level: -5,
        parameters: &[CParameter::WindowLog(23), CParameter::MinMatch(7), CParameter::HashLog(16)],
        flush_each: 1,
    },
    Candidate {
        name: "level -5, long distances of 64 bytes, each 64th",
        level: -5,
        parameters: &[
            WINDOW,
            CParameter::EnableLongDistanceMatching(true),
            CParameter::LdmMinMatch(64),
            CParameter::LdmHashRateLog(6),
            CParameter::LdmHashLog(18),
        ],
        flush_each: 1,
    },
];

/// A candidate in use.
pub(super) struct Trial {
    candidate: &'static Candidate,
    encoder: zstd::Encoder<'static, Counter>,
    samples: usize,
}

impl Trial {
    pub(super) fn begin(candidate: &'static Candidate) -> anyhow::Result<Self> {
        let mut encoder = zstd::Encoder::new(Counter::default(), candidate.level)?;
        for parameter in candidate.parameters {
            encoder.set_parameter(*parameter)?;
        }
        Ok(Self { candidate, encoder, samples: 0 })
    }

    /// Compresses another sample; returns processor time and bytes.
    pub(super) fn add(&mut self, sample: &[Vec<u8>]) -> anyhow::Result<Cost> {
        let before = self.encoder.get_ref().0;
        let start = own_cpu_us();
        for block in sample {
            self.encoder.write_all(block)?;
        }
        self.samples += 1;
        if self.samples.is_multiple_of(self.candidate.flush_each) {
            self.encoder.flush()?;
        }
        let cpu_us = (own_cpu_us() - start) as f64;
        Ok(Cost { bytes: (self.encoder.get_ref().0 - before) as f64, cpu_us })
    }
}

/// Counts bytes.
#[derive(Default)]
pub(super) struct Counter(pub(super) u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The compressions that `record` supports.
pub(super) const FORMS: [(&str, Compression); 2] =
    [("zstd", Compression::Zstd), ("none", Compression::None)];
