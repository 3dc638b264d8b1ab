//! The command line as it is typed, made one that can be parsed.

use std::path::Path;

use anyhow::bail;

use super::arguments::{Arguments, without_ss};
use super::meant::of_word;
use crate::config::Config;
use crate::output::escape;
use crate::procfs::PortNames;

/// Names of commands in other tools, and of ours.
const SYNONYMS: [(&str, &str); 16] = [
    ("connections", "conns"),
    ("sockets", "conns"),
    ("list", "conns"),
    ("ls", "conns"),
    ("netstat", "conns"),
    ("established", "conns --state established"),
    ("listening", "listeners"),
    ("ports", "listeners"),
    ("nstat", "stats"),
    ("counters", "stats"),
    ("monitor", "services -i 1"),
    ("watch", "services -i 1"),
    ("doctor", "diagnose"),
    ("check", "diagnose"),
    ("capture", "record FILE"),
    ("settings", "sysctl"),
];

/// What is parsed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Start {
    /// Without the program's name.
    pub(in crate::cli) words: Vec<String>,
    /// The same with the defaults of the configuration, where it has some.
    pub(in crate::cli) with_defaults: Option<Vec<String>>,
    /// What was left out, to be said.
    pub(in crate::cli) note: Option<String>,
}

/// Replaces an alias, replaces flags of ss, and adds the defaults of the command.
///
/// # Errors
/// Where there is no command, with the command that was probably meant.
pub(in crate::cli) fn start(words: Vec<String>, program: &clap::Command) -> anyhow::Result<Start> {
    let commands: Vec<String> =
        program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let is_command = |name: &str| name == "help" || commands.iter().any(|command| command == name);
    let Some(first) = words.first() else { return Ok(Start::default()) };
    let config = match Config::load(given_configuration(&words).map(Path::new)) {
        Ok(config) => config,
        // A command that uses the configuration reports the mistake itself.
        Err(_) if is_command(first) || first.starts_with('-') => Config::default(),
        // The name may be an alias of the file.
        Err(error) => return Err(error.into()),
    };
    // Help is there whatever the configuration has.
    if !first.starts_with('-') && first != "help" {
        config.check_commands(&commands)?;
    }
    let words = match config.alias.get(first) {
        Some(expansion) => [expansion.as_slice(), words.get(1..).unwrap_or_default()].concat(),
        None => words,
    };
    let Some(first) = words.first() else { return Ok(Start::default()) };
    if !is_command(first) {
        refuse(first, &words)?;
        return Ok(Start { words, ..Start::default() });
    }
    let ports = std::cell::LazyCell::new(PortNames::load);
    let Arguments { words, note } = without_ss(words, program, &|name| ports.port(name).is_some())?;
    // Only what is typed decides what is killed: a default may widen or narrow it.
    let kills = words.iter().any(|word| word == "--kill");
    let with_defaults = words.split_first().filter(|_| !kills).and_then(|(command, given)| {
        let defaults = config.defaults.get(command).filter(|defaults| !defaults.is_empty())?;
        Some([std::slice::from_ref(command), defaults, given].concat())
    });
    Ok(Start { words, with_defaults, note })
}

/// The file that `--config` names.
fn given_configuration(words: &[String]) -> Option<&str> {
    let attached = words.iter().find_map(|word| word.strip_prefix("--config="));
    let behind = words.iter().skip_while(|word| *word != "--config").nth(1);
    attached.or(behind.map(String::as_str))
}

/// Answers a first word that is no command, where it is known what was meant.
fn refuse(first: &str, words: &[String]) -> anyhow::Result<()> {
    let shown = escape::bounded(first, 64);
    let letters = first.strip_prefix('-').filter(|letters| letters.len() > 1);
    if letters.is_some_and(|letters| letters.chars().all(char::is_alphanumeric)) {
        let line = words.join(" ");
        let line = escape::bounded(&line, 200);
        bail!("a command is missing before `{shown}`; with the flags of ss: tcpdiag ss {line}");
    }
    if let Some((_, ours)) = SYNONYMS.iter().find(|(theirs, _)| *theirs == first) {
        bail!("there is no command `{shown}`; use: tcpdiag {ours}");
    }
    if first.chars().any(|c| c.is_ascii_digit())
        && let Some((what, arguments)) = of_word(first)
    {
        bail!("there is no command `{shown}`; for {what}: tcpdiag conns {arguments}");
    }
    Ok(())
}
