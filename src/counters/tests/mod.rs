//! Tests of the catalogue against itself, the fixtures, the seed's list and this machine; of
//! the readers against the fixtures and against damage.

mod catalogue;
mod fixtures;
mod readers;
mod seed;
mod since;
