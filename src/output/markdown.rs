//! Explanations as Markdown, for generated documentation.

use std::io::{self, Write};

use super::OutputWriter;
use super::explain::origin;
use crate::report::{Explanation, LimitEntry, RulePage};

/// Writes explanations with their names as headings, rules in full.
///
/// # Errors
/// Errors of the writer.
pub fn markdown(out: &mut OutputWriter<impl Write>, entries: &[&Explanation]) -> io::Result<()> {
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.blank()?;
        }
        match &entry.rule {
            Some(page) => rule(out, entry, page)?,
            None => {
                heading(out, &plain(&entry.name))?;
                out.line(plain(&entry.meaning))?;
            }
        }
    }
    Ok(())
}

fn rule(
    out: &mut OutputWriter<impl Write>,
    entry: &Explanation,
    page: &RulePage,
) -> io::Result<()> {
    heading(out, &format!("{}: {}", entry.name, plain(page.title)))?;
    out.line(format_args!("`{}`, of a {}. {}", page.name, page.scope, plain(&entry.meaning)))?;
    out.blank()?;
    out.line(format_args!("- **Goes by**: {}.", plain(page.evidence)))?;
    out.line(format_args!("- **Guards**: {}", plain(page.guards)))?;
    out.line(format_args!("- **Seen from**: {}.", plain(page.seen_from)))?;
    out.line(format_args!("- **Other side**: {}", plain(page.other_side)))?;
    if !page.explained_by.is_empty() {
        out.line(format_args!("- **Leaves it to**: {}.", page.explained_by.join(", ")))?;
    }
    out.line(format_args!("- **References**: {}.", plain(&page.references.join("; "))))?;
    if !page.limits.is_empty() {
        out.blank()?;
        out.line("| Limit | Usually | Decides |")?;
        out.line("| --- | --- | --- |")?;
    }
    for limit in &page.limits {
        let LimitEntry { key, value, unit, meaning, .. } = limit;
        let origin = plain(&origin(limit));
        out.line(format_args!("| `{key}` | {value} {unit}{origin} | {} |", plain(meaning)))?;
    }
    out.blank()?;
    out.line("What to do:")?;
    out.blank()?;
    for advice in &page.advice {
        out.line(format_args!("- {}", plain(&advice.text)))?;
        if let Some(command) = &advice.command {
            out.line(format_args!("  `{command}`"))?;
        }
    }
    Ok(())
}

fn heading(out: &mut OutputWriter<impl Write>, text: &str) -> io::Result<()> {
    out.line(format_args!("## {text}"))?;
    out.blank()
}

/// Escapes the characters that Markdown interprets.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut in_code = false;
    for character in text.chars() {
        in_code ^= character == '`';
        if !in_code && matches!(character, '<' | '>' | '*' | '_' | '|') {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}
