//! Rewrites a command line before it is parsed: flags of ss(8) become those of this program.

use clap::{Args as _, FromArgMatches as _};

use super::ss::SsCommand;
use crate::filter::begins_expression;
use crate::model::StateSet;
use crate::text::parse_interval;

/// Commands that take the flags of ss.
const COMMANDS: [&str; 2] = ["conns", "listeners"];
/// Letters of ss.
const OF_SS: &str = "tnralempisEKHOouwxdSM046";
/// Letters of `conns` that take no value.
const PLAIN: &str = "P46wOdhV";
/// Letters that take a value in `conns` and none in ss.
const AMBIGUOUS: &str = "psoni";
/// Options of ss that `conns` does not have.
const LONG_OF_SS: [&str; 13] = [
    "--tcp",
    "--numeric",
    "--resolve",
    "--all",
    "--listening",
    "--options",
    "--extended",
    "--memory",
    "--info",
    "--summary",
    "--tos",
    "--events",
    "--udp",
];
/// Options whose value may begin with a dash.
const BEFORE_A_DASH: [&str; 1] = ["--sort"];
/// Options that choose the columns or the form of output.
const CHOOSING: [&str; 6] = ["--columns", "--detail", "--wide", "--output", "--by", "--lines"];

/// A command line to be parsed, without the program's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Arguments {
    pub(in crate::cli) words: Vec<String>,
    /// What was left out, to be said.
    pub(in crate::cli) note: Option<String>,
}

/// The command line with each flag of ss replaced. `is_port` knows names of ports.
///
/// # Errors
/// Where ss would be asked for what is not TCP, or wrongly.
pub(in crate::cli) fn without_ss(
    words: Vec<String>,
    is_port: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Arguments> {
    let Some((command, given)) = words.split_first() else { return Ok(Arguments::default()) };
    let (command, given) = (command.clone(), given.to_vec());
    let sorted = match command.as_str() {
        "ss" if !given.iter().any(|word| word == "--help" || word == "-h") => {
            Sorted { of_ss: given, others: Vec::new() }
        }
        command if COMMANDS.contains(&command) => sort(given, is_port),
        _ => return Ok(Arguments { words, note: None }),
    };
    if sorted.of_ss.is_empty() && command != "ss" {
        return Ok(Arguments { words, note: None });
    }
    let parser = SsCommand::augment_args(clap::Command::new("tcpdiag ss").no_binary_name(true));
    let matches = parser.try_get_matches_from(&sorted.of_ss)?;
    let chosen = sorted.others.iter().any(|word| chooses(word));
    let answer = SsCommand::from_arg_matches(&matches)?.answer(chosen)?;
    let shown = if command == "listeners" && answer.command == "conns" {
        command
    } else {
        answer.command.to_owned()
    };
    let words = [vec![shown], answer.arguments, sorted.others].concat();
    Ok(Arguments { words, note: answer.note })
}

/// The flags of ss apart from all other words.
#[derive(Debug, Default)]
struct Sorted {
    of_ss: Vec<String>,
    others: Vec<String>,
}

fn sort(words: Vec<String>, is_port: &dyn Fn(&str) -> bool) -> Sorted {
    let mut sorted = Sorted::default();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if word == "--" {
            sorted.others.push(word);
            break;
        }
        let next = words.peek().map(String::as_str);
        let is_of_ss = LONG_OF_SS.contains(&word.as_str())
            || word
                .strip_prefix('-')
                .filter(|letters| !letters.is_empty() && letters.chars().all(|l| OF_SS.contains(l)))
                .is_some_and(|letters| !is_our_cluster(letters, next, is_port));
        let takes_next = BEFORE_A_DASH.contains(&word.as_str());
        let place = if is_of_ss { &mut sorted.of_ss } else { &mut sorted.others };
        place.push(word);
        if takes_next {
            sorted.others.extend(words.next());
        }
    }
    sorted.others.extend(words);
    sorted
}

/// Whether `conns` itself takes these letters behind one dash, with this word after them.
fn is_our_cluster(letters: &str, next: Option<&str>, is_port: &dyn Fn(&str) -> bool) -> bool {
    for (at, letter) in letters.char_indices() {
        if PLAIN.contains(letter) {
            continue;
        }
        if !AMBIGUOUS.contains(letter) {
            return false;
        }
        let attached = letters.get(at + letter.len_utf8()..).unwrap_or_default();
        return match (attached, next) {
            ("", Some(next)) => !next.starts_with('-') && !begins_expression(next),
            ("", None) => false,
            (attached, _) => is_value(letter, attached, is_port),
        };
    }
    true
}

/// Whether this is a value of the option.
fn is_value(letter: char, text: &str, is_port: &dyn Fn(&str) -> bool) -> bool {
    match letter {
        'p' => text.parse::<u16>().is_ok() || is_port(text),
        's' => StateSet::named(text).is_some(),
        'n' => text.parse::<u64>().is_ok(),
        'i' => parse_interval(text).is_ok(),
        // No form of output is spelt with letters of ss alone.
        _ => false,
    }
}

/// Whether this word chooses columns or the form of output.
fn chooses(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    if word.starts_with("--") {
        return CHOOSING.contains(&name);
    }
    word.strip_prefix('-').is_some_and(|letters| {
        letters.chars().take_while(|letter| PLAIN.contains(*letter)).any(|l| "wd".contains(l))
            || letters.starts_with('o')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> String {
        let words = line.split(' ').map(str::to_owned).collect();
        let is_port = |name: &str| ["imap", "ssh"].contains(&name);
        without_ss(words, &is_port).unwrap().words.join(" ")
    }

    #[test]
    fn flags_of_ss_become_ours() {
        for (line, wanted) in [
            ("conns -t", "conns"),
            ("conns -tn", "conns"),
            ("conns -tnp", "conns --processes"),
            ("conns -tlnp", "listeners --processes"),
            ("conns -t -n -p", "conns --processes"),
            ("conns -ant state close-wait", "conns --state=all state close-wait"),
            ("conns -p", "conns --processes"),
            ("conns -p state listening", "conns --processes state listening"),
            ("conns -pn", "conns --processes"),
            ("conns -i", "conns --detail"),
            ("conns -ti dst 10.0.0.1", "conns --detail dst 10.0.0.1"),
            (
                "conns -o state established",
                "conns --columns=state,recv_q,send_q,local,remote,timer state established",
            ),
            ("conns -s", "summary"),
            ("conns -E", "closed"),
            ("conns -tK dst 10.0.0.1", "conns --kill dst 10.0.0.1"),
            ("conns -tip -o json", "conns --processes -o json"),
            ("conns --listening --numeric", "listeners"),
            ("conns -H -t", "conns --no-header"),
            ("conns -t4", "conns --ipv4"),
            ("listeners -tnp", "listeners --processes"),
            ("ss", "conns"),
            ("ss -tan", "conns --state=all"),
            ("ss -N blue -f inet6", "conns --ipv6 --netns=blue"),
            ("ss -s", "summary"),
            ("ss -tn sport = :22", "conns sport = :22"),
            ("ss -A tcp", "conns"),
        ] {
            assert_eq!(rewritten(line), wanted, "{line}");
        }
    }

    #[test]
    fn documented_flags_stay() {
        for line in [
            "conns -p 8080",
            "conns -p8080",
            "conns -pimap",
            "conns -s established",
            "conns -sall",
            "conns -n 10",
            "conns -n5",
            "conns -i 1s",
            "conns -i1",
            "conns -o json",
            "conns -ojson",
            "conns -4P",
            "conns -wPN blue",
            "conns --sort -rtt",
            "conns -c",
            "conns -- -tnp",
            "services -tnp",
            "conns -Pd",
        ] {
            assert_eq!(rewritten(line), line);
        }
    }

    #[test]
    fn other_protocols_are_left_out_aloud() {
        let run = |line: &str| without_ss(line.split(' ').map(str::to_owned).collect(), &|_| false);
        let both = run("ss -tulpn").unwrap();
        assert_eq!(both.words.join(" "), "listeners --processes");
        assert!(both.note.unwrap().starts_with("-u is left out"));
        for (line, words) in [
            ("ss -u", "`ss -u` shows these"),
            ("ss -f unix", "accepted are inet and inet6"),
            ("ss -A udp", "accepted is tcp"),
            ("conns -ua", "`ss -u` shows these"),
            ("ss --nonsense", "--nonsense"),
        ] {
            let error = run(line).unwrap_err().to_string();
            assert!(error.contains(words), "{line}: {error}");
        }
    }
}
