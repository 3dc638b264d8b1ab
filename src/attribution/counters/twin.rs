//! Counters that are attributed by their twin in the catalogue.

use super::{Class, Outside, Plan, bounded, probably};
use crate::attribution::divide::Share;
use crate::attribution::growth::{COUNT, Growth};
use crate::attribution::reason::Reason;
use crate::counters::{Bound, Catalogue, Group, TwinClass};
use crate::tracking::COUNTERS;

pub(super) fn plan(name: &str) -> Option<Plan> {
    let Some(entry) = Catalogue::builtin().entry(name) else {
        // Counters of other protocols are not attributed.
        Group::split(name)?;
        return Some(Plan::unattributed(&[Reason::UnknownCounter]));
    };
    let twin = &entry.twin;
    let positions: Vec<usize> = (0..COUNT)
        .filter(|&position| {
            COUNTERS
                .get(position)
                .is_some_and(|field| twin.fields.iter().any(|name| name == field.name))
        })
        .collect();
    let sum =
        move |growth: &Growth| positions.iter().map(|&position| growth.at(position)).sum::<u64>();
    Some(match twin.class {
        TwinClass::None => Plan::unattributed(&[Reason::NoField]),
        TwinClass::Bounded if twin.fields.iter().any(|field| field == "drops") => bounded::drops(),
        TwinClass::Bounded if twin.bound == Some(Bound::AtMost) => {
            let reasons = &[Reason::Cleared, Reason::NoSocket];
            Plan::new(Class::Bounded, Outside::Others, reasons, move |tally| {
                let limit = sum(&tally.growth);
                Share::between(0, limit, limit as f64)
            })
        }
        // A field that moves along is a sign. Levels, states and fields that no kernel keeps are
        // not.
        _ => {
            let reasons = &[Reason::NoSign, Reason::NoField];
            Plan::new(Class::Estimated, Outside::Nothing, reasons, move |tally| {
                probably(u64::MAX, sum(&tally.growth) as f64)
            })
        }
    })
}
