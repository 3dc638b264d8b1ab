//! Tests of the catalogue (consistency, fixtures, the initial list, this machine) and of the readers
//! (fixtures and damage).

mod catalogue;
mod fixtures;
mod readers;
mod seed;
mod since;
