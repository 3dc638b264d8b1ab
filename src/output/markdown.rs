//! Explanations as Markdown, for generated documentation.

use std::io::{self, Write};

use crate::report::{Explanation, LimitEntry, RulePage};

/// Writes explanations with their names as headings, rules in full.
///
/// # Errors
/// Errors of the writer.
pub fn markdown(out: &mut impl Write, entries: &[&Explanation]) -> io::Result<()> {
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        match &entry.rule {
            Some(page) => rule(out, entry, page)?,
            None => {
                writeln!(out, "## {}\n\n{}", plain(&entry.name), plain(&entry.meaning))?;
            }
        }
    }
    Ok(())
}

fn rule(out: &mut impl Write, entry: &Explanation, page: &RulePage) -> io::Result<()> {
    writeln!(out, "## {}: {}\n", entry.name, plain(page.title))?;
    writeln!(out, "`{}`, of a {}. {}\n", page.name, page.scope, plain(&entry.meaning))?;
    writeln!(out, "- **Goes by**: {}.", plain(page.evidence))?;
    writeln!(out, "- **Guards**: {}", plain(page.guards))?;
    writeln!(out, "- **Seen from**: {}.", plain(page.seen_from))?;
    writeln!(out, "- **Other side**: {}", plain(page.other_side))?;
    if !page.explained_by.is_empty() {
        writeln!(out, "- **Leaves it to**: {}.", page.explained_by.join(", "))?;
    }
    writeln!(out, "- **References**: {}.", plain(&page.references.join("; ")))?;
    if !page.limits.is_empty() {
        writeln!(out, "\n| Limit | Usually | Decides |\n| --- | --- | --- |")?;
    }
    for LimitEntry { key, value, unit, meaning } in &page.limits {
        writeln!(out, "| `{key}` | {value} {unit} | {} |", plain(meaning))?;
    }
    writeln!(out, "\nWhat to do:\n")?;
    for advice in &page.advice {
        writeln!(out, "- {}", plain(&advice.text))?;
        if let Some(command) = &advice.command {
            writeln!(out, "  `{command}`")?;
        }
    }
    Ok(())
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
