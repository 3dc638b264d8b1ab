//! What was probably meant by an expression that is none.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::filter::{SyntaxError, is_subject};
use crate::model::StateSet;
use crate::procfs::PortNames;

/// An expression of one word that is none, with the command that was probably meant.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is no expression; for {what}: {command}")]
pub(in crate::cli) struct Suggestion {
    word: String,
    what: String,
    command: String,
}

/// The error to show for an error in an expression of `command`.
pub(in crate::cli) fn meant(error: anyhow::Error, command: &str) -> anyhow::Error {
    let guess =
        error.downcast_ref::<SyntaxError>().and_then(|error| guess(&error.text, error, command));
    match guess {
        Some(guess) => guess.into(),
        None => error,
    }
}

fn guess(text: &str, error: &SyntaxError, command: &str) -> Option<Suggestion> {
    let word = text.trim();
    let word_is_known = is_subject(word) || error.message.contains("did you mean");
    if word_is_known {
        return None;
    }
    let (what, arguments) = of_word(word)?;
    let mut meant = format!("tcpdiag {command} {arguments}");
    if command == "services" {
        meant.push_str(&format!(", or tcpdiag services {word} -i 1s --lines"));
    }
    Some(Suggestion { word: word.to_owned(), what, command: meant })
}

/// What a word says, and the arguments that ask for it.
pub(super) fn of_word(word: &str) -> Option<(String, String)> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/[]@%".contains(c);
    if word.is_empty() || word.len() > 64 || !word.chars().all(is_plain) {
        return None;
    }
    let number = word.strip_prefix(':').unwrap_or(word);
    if let Some(port) = number.parse::<u16>().ok().filter(|&port| port > 0) {
        return Some((format!("sockets of port {port}"), format!("--port {port}")));
    }
    if word.parse::<IpAddr>().is_ok() || word.parse::<IpNet>().is_ok() {
        return Some((format!("sockets of {word}"), format!("addr {word}")));
    }
    if word.parse::<std::net::SocketAddr>().is_ok() {
        return Some((format!("connections to {word}"), format!("dst {word}")));
    }
    if StateSet::named(word).is_some() {
        return Some((format!("sockets in {word}"), format!("--state {word}")));
    }
    if ["server", "client"].contains(&word) {
        return Some((format!("the side of the {word}"), format!("--role {word}")));
    }
    if !word.starts_with(|first: char| first.is_alphabetic()) {
        return None;
    }
    let process = format!("sockets of a process {word}");
    let by_process = format!("--process {word}");
    Some(match PortNames::load().port(word) {
        Some(port) => (
            format!("sockets of port {port} or of a process"),
            format!("--port {word}, or {by_process}"),
        ),
        None => (process, by_process),
    })
}
