//! Counters that go by their twin in the catalogue.

use super::{Class, Outside, Plan, bounded, probably};
use crate::attribution::divide::Share;
use crate::attribution::growth::{COUNT, Growth};
use crate::attribution::reason::Reason;
use crate::counters::{Bound, Catalogue, Group, TwinClass};
use crate::tracking::COUNTERS;

pub(super) fn plan(name: &str) -> Option<Plan> {
    let Some(entry) = Catalogue::builtin().entry(name) else {
        // Of other protocols nothing is known here, and nothing is said.
        Group::split(name)?;
        return Some(Plan::nobody(&[Reason::UnknownCounter]));
    };
    let twin = &entry.twin;
    let places: Vec<usize> = (0..COUNT)
        .filter(|&place| {
            COUNTERS
                .get(place)
                .is_some_and(|field| twin.fields.iter().any(|name| name == field.name))
        })
        .collect();
    let sum = move |growth: &Growth| places.iter().map(|&place| growth.at(place)).sum::<u64>();
    Some(match twin.class {
        TwinClass::None => Plan::nobody(&[Reason::NoField]),
        TwinClass::Bounded if twin.fields.iter().any(|field| field == "drops") => bounded::drops(),
        TwinClass::Bounded if twin.bound == Some(Bound::AtMost) => {
            let reasons = &[Reason::Cleared, Reason::NoSocket];
            Plan::new(Class::Bounded, Outside::Others, reasons, move |tally| {
                let limit = sum(&tally.growth);
                Share::between(0, limit, limit as f64)
            })
        }
        // What moves along tells who is likely; levels and states, kept by nobody, tell nothing.
        _ => {
            let reasons = &[Reason::NoSign, Reason::NoField];
            Plan::new(Class::Estimated, Outside::Nobody, reasons, move |tally| {
                probably(u64::MAX, sum(&tally.growth) as f64)
            })
        }
    })
}
