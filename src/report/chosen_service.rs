//! One service of an interval, chosen by its name.

use super::SampleLine;
use crate::attribution::{ServiceInterval, ServiceRow, ServiceTable};
use crate::filter::Pattern;
use crate::identity::{ServiceKey, ServiceRegistry};
use crate::text;

/// A name, with wildcards.
#[derive(Debug)]
pub struct ChosenService {
    name: String,
    pattern: Pattern,
}

impl ChosenService {
    /// The service of this name.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), pattern: Pattern::new(name) }
    }

    /// What it did in an interval; `None` where it is not there.
    pub fn line(&self, interval: &ServiceInterval, names: &ServiceRegistry) -> Option<SampleLine> {
        let rows = rows(table(interval)?, names);
        let is_called = |key: &ServiceKey| {
            self.pattern.matches(&key.name) || self.pattern.matches(&key.label())
        };
        // The clients of a service are meant only where its name means nothing else.
        let is_any = rows.iter().any(|(key, _)| is_called(key));
        let is_chosen = |key: &ServiceKey| match is_any {
            true => is_called(key),
            false => self.pattern.matches(&key.bare),
        };
        let mut line = Self::nothing(interval);
        let mut found = false;
        for (_, row) in rows.into_iter().filter(|(key, _)| is_chosen(key)) {
            line.add_service(row);
            found = true;
        }
        found.then_some(line)
    }

    /// An interval in which it was not there.
    pub fn nothing(interval: &ServiceInterval) -> SampleLine {
        SampleLine {
            at_ns: interval.captured_at,
            interval_s: Some(interval.length.as_secs_f64()).filter(|seconds| *seconds > 0.0),
            ..SampleLine::default()
        }
    }

    /// Says that it is not there, and what is.
    pub fn missing(&self, interval: &ServiceInterval, names: &ServiceRegistry) -> String {
        let rows = table(interval).map(|table| rows(table, names)).unwrap_or_default();
        let there: Vec<&str> = rows.iter().map(|(key, _)| &*key.name).collect();
        let hint = match text::nearest(&self.name, there.iter().copied()) {
            Some(near) => format!("; did you mean '{near}'?"),
            None if there.is_empty() => String::new(),
            None => format!("; there are {}", there.join(", ")),
        };
        format!("no service is called '{}' so far{hint}", self.name)
    }
}

/// All namespaces together, or the only one.
fn table(interval: &ServiceInterval) -> Option<&ServiceTable> {
    interval.sums.last().map(|(_, sum)| &sum.table)
}

fn rows<'a>(
    table: &'a ServiceTable,
    names: &'a ServiceRegistry,
) -> Vec<(&'a ServiceKey, &'a ServiceRow)> {
    table.rows().filter_map(|(id, row)| Some((names.key(id)?, row))).collect()
}
