//! Ways to compress, each given the bytes of a recording sample by sample.

use std::io::Write as _;

use tcpdiag::record::Compression;
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

/// What it came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Of the samples that count.
    pub(super) bytes: f64,
    /// Of the first sample.
    pub(super) first: f64,
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
    Candidate {
        name: "level 3, hashes of 7 bytes",
        level: 3,
        parameters: &[
            WINDOW,
            CParameter::HashLog(20),
            CParameter::ChainLog(16),
            CParameter::MinMatch(7),
        ],
        flush_each: 1,
    },
    Candidate { name: "level 1", level: 1, parameters: &[WINDOW], flush_each: 1 },
    Candidate {
        name: "level 1, 2^20 hashes",
        level: 1,
        parameters: &[WINDOW, CParameter::HashLog(20)],
        flush_each: 1,
    },
    Candidate { name: "level -1", level: -1, parameters: &[WINDOW], flush_each: 1 },
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

impl Candidate {
    /// Compresses samples, of which those before `warm` are not counted in the cost.
    pub(super) fn cost(&self, samples: &[Vec<Vec<u8>>], warm: usize) -> anyhow::Result<Cost> {
        let mut encoder = zstd::Encoder::new(Counter::default(), self.level)?;
        for parameter in self.parameters {
            encoder.set_parameter(*parameter)?;
        }
        let mut cost = Cost { bytes: 0.0, first: 0.0, cpu_us: 0.0 };
        let mut before = 0;
        for (number, sample) in samples.iter().enumerate() {
            let start = own_cpu_us();
            for block in sample {
                encoder.write_all(block)?;
            }
            if (number + 1) % self.flush_each == 0 || number == 0 || number + 1 == samples.len() {
                encoder.flush()?;
            }
            let now = encoder.get_ref().0;
            if number == 0 {
                cost.first = now as f64;
            } else if number >= warm {
                cost.cpu_us += (own_cpu_us() - start) as f64;
                cost.bytes += (now - before) as f64;
            }
            before = now;
        }
        Ok(cost)
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

/// What `record` can be told.
pub(super) const FORMS: [(&str, Compression); 2] =
    [("zstd", Compression::Zstd), ("none", Compression::None)];
