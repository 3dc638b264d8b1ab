//! Services and counters as lines of JSON.

use std::io::{self, Write};

use crate::output::{OutputWriter, json_line};
use crate::report::Services;

/// Writes a line for each service, one for each counter that grew, and a last one.
///
/// # Errors
/// Errors of the writer.
pub fn services_jsonl(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
) -> io::Result<()> {
    for row in &services.services {
        json_line(&mut *out, &services.line(Services::ROW, row))?;
    }
    for row in &services.attribution {
        json_line(&mut *out, &services.line(Services::ATTRIBUTION, row))?;
    }
    json_line(out, &services.line(Services::END, &services.end()))
}
