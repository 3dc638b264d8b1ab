//! Recognises an expression whose `>` the shell took for a redirect.

use std::fs;

use anyhow::bail;

use crate::filter::{Amount, is_subject};
use crate::model::fields;
use crate::output::escape;

/// Refuses an expression that ends in a name, where standard output is a file that is named as the
/// value which that name was to be compared with.
pub(super) fn refuse_redirect(expression: &[String]) -> anyhow::Result<()> {
    let file = || {
        let link = "/proc/self/fd/1";
        let is_file = fs::metadata(link).is_ok_and(|file| file.is_file());
        let path = fs::read_link(link).ok().filter(|_| is_file)?;
        Some(path.file_name()?.to_str()?.to_owned())
    };
    let text = expression.join(" ");
    let Some(meant) = file().and_then(|file| comparison(&text, &file)) else { return Ok(()) };
    let Comparison { field, sign, word, value, file } = meant;
    bail!(
        "the shell took `>` for a redirect into the file {file}, which it has made or emptied and \
         which can be removed; accepted are '{field} {sign} {value}' in quotes, and {field} {word} \
         {value}"
    )
}

/// A comparison that the shell cut in two.
#[derive(Debug, PartialEq, Eq)]
struct Comparison {
    field: String,
    sign: &'static str,
    word: &'static str,
    value: String,
    file: String,
}

/// The comparison that this expression and this file's name make together.
fn comparison(expression: &str, file: &str) -> Option<Comparison> {
    let mut words = expression.split_whitespace().rev();
    let last = words.next()?;
    // `rtt >= 50ms` leaves `rtt 50ms`, and a file called `=`.
    let (field, sign, word, value) = match file.strip_prefix('=') {
        Some("") => (words.next()?, ">=", "ge", last),
        Some(value) => (last, ">=", "ge", value),
        None => (last, ">", "gt", file),
    };
    let is_value = match fields::find(field) {
        Some(field) => Amount::read(value, field.unit).is_ok(),
        None => {
            let number = value.strip_prefix(':').unwrap_or(value);
            is_subject(field) && number.bytes().all(|digit| digit.is_ascii_digit())
        }
    };
    let (field, value) = (escape::text(field).to_string(), escape::text(value).to_string());
    let file = escape::text(file).to_string();
    is_value.then_some(Comparison { field, sign, word, value, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_as_the_name_of_a_file_is_recognised() {
        for (expression, file, wanted) in [
            ("rtt", "50ms", Some("rtt gt 50ms")),
            ("state established and rtt", "50ms", Some("rtt gt 50ms")),
            ("total_retrans", "0", Some("total_retrans gt 0")),
            ("rtt 50ms", "=", Some("rtt ge 50ms")),
            ("rtt", "=50ms", Some("rtt ge 50ms")),
            ("sport", ":1024", Some("sport gt :1024")),
            ("rtt", "2026-11-30.txt", None),
            ("rtt", "slow.txt", None),
            ("lost", "log", None),
            ("rtt > 50ms", "50", None),
            ("", "50ms", None),
        ] {
            let found = comparison(expression, file)
                .map(|found| format!("{} {} {}", found.field, found.word, found.value));
            assert_eq!(found.as_deref(), wanted, "{expression} > {file}");
        }
    }
}
