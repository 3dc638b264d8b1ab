//! Rewrites a command line before it is parsed: flags of ss(8) become those of this program.

use clap::{Arg, Args as _, FromArgMatches as _};

use super::ss::SsCommand;
use crate::filter::begins_expression;
use crate::model::StateSet;
use crate::text::parse_interval;

/// Options that choose the columns or the form of output.
const CHOOSING: [&str; 6] = ["--columns", "--detail", "--wide", "--output", "--by", "--lines"];

/// A command line to be parsed, without the program's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct Arguments {
    pub(in crate::cli) words: Vec<String>,
    /// What was left out, to be said.
    pub(in crate::cli) note: Option<String>,
}

/// The command line with each flag of ss replaced. `program` has the commands, and `is_port` knows
/// names of ports.
///
/// # Errors
/// Where ss would be asked for what is not TCP, or wrongly.
pub(in crate::cli) fn without_ss(
    words: Vec<String>,
    program: &clap::Command,
    is_port: &dyn Fn(&str) -> bool,
) -> anyhow::Result<Arguments> {
    let Some((command, given)) = words.split_first() else { return Ok(Arguments::default()) };
    let (command, given) = (command.clone(), given.to_vec());
    let is_ss = command == "ss";
    let ours = match command.as_str() {
        "ss" if !given.iter().any(|word| word == "--help" || word == "-h") => "conns",
        "conns" | "listeners" => &command,
        _ => return Ok(Arguments { words, note: None }),
    };
    let Some(ours) = program.find_subcommand(ours) else {
        return Ok(Arguments { words, note: None });
    };
    let parser = SsCommand::augment_args(clap::Command::new("tcpdiag ss").no_binary_name(true));
    let options = Options { ours, ss: &parser, is_port };
    let sorted = if is_ss { options.sort_for_ss(given) } else { options.sort(given) };
    if sorted.of_ss.is_empty() && !is_ss {
        return Ok(Arguments { words, note: None });
    }
    let chosen = sorted.others.iter().any(|word| options.chooses(word));
    let matches = parser.try_get_matches_from(&sorted.of_ss)?;
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

/// The options of our command and those of ss.
struct Options<'a> {
    ours: &'a clap::Command,
    ss: &'a clap::Command,
    is_port: &'a dyn Fn(&str) -> bool,
}

impl Options<'_> {
    /// The words behind `tcpdiag ss`: options that only our command has are not of ss.
    fn sort_for_ss(&self, words: Vec<String>) -> Sorted {
        let mut sorted = Sorted::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                sorted.of_ss.push(word);
                break;
            }
            match long(self.ours, &word).filter(|_| long(self.ss, &word).is_none()) {
                Some(option) => {
                    let takes_next = takes_value(option) && !word.contains('=');
                    sorted.others.push(word);
                    sorted.others.extend(takes_next.then(|| words.next()).flatten());
                }
                None => sorted.of_ss.push(word),
            }
        }
        sorted.of_ss.extend(words);
        sorted
    }

    /// The words behind our command.
    fn sort(&self, words: Vec<String>) -> Sorted {
        let mut sorted = Sorted::default();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                sorted.others.push(word);
                break;
            }
            let next = words.peek().map(String::as_str);
            let takes_next = if let Some(option) = long(self.ours, &word) {
                let takes_next = takes_value(option) && !word.contains('=');
                sorted.others.push(word);
                takes_next.then_some(&mut sorted.others)
            } else if let Some(option) = long(self.ss, &word) {
                let takes_next = takes_value(option) && !word.contains('=');
                sorted.of_ss.push(word);
                takes_next.then_some(&mut sorted.of_ss)
            } else if let Some(cluster) = self.cluster(&word, next) {
                sorted.of_ss.push(cluster.of_ss);
                sorted.others.extend(cluster.ours);
                cluster.takes_next.then_some(&mut sorted.of_ss)
            } else {
                sorted.others.push(word);
                None
            };
            if let Some(place) = takes_next {
                place.extend(words.next());
            }
        }
        sorted.others.extend(words);
        sorted
    }

    /// The letters of ss in this word, and ours among them; `None` where it has none of ss.
    fn cluster(&self, word: &str, next: Option<&str>) -> Option<Cluster> {
        let letters = word.strip_prefix('-').filter(|letters| !letters.is_empty())?;
        if self.is_our_cluster(letters, next) {
            return None;
        }
        let mut cluster = Cluster { of_ss: "-".to_owned(), ours: Vec::new(), takes_next: false };
        for (at, letter) in letters.char_indices() {
            let (ours, theirs) = (short(self.ours, letter), short(self.ss, letter));
            let ours = ours.filter(|option| !takes_value(option));
            let is_same = |ours: &Arg| theirs.is_some_and(|ss| ss.get_long() == ours.get_long());
            if ours.is_some_and(|option| !is_same(option)) {
                cluster.ours.push(format!("-{letter}"));
                continue;
            }
            cluster.of_ss.push(letter);
            if takes_value(theirs?) {
                let attached = letters.get(at + letter.len_utf8()..).unwrap_or_default();
                cluster.of_ss.push_str(attached);
                cluster.takes_next = attached.is_empty();
                break;
            }
        }
        Some(cluster)
    }

    /// Whether our command itself takes these letters behind one dash, with this word after them.
    fn is_our_cluster(&self, letters: &str, next: Option<&str>) -> bool {
        for (at, letter) in letters.char_indices() {
            let Some(option) = short(self.ours, letter) else { return false };
            if !takes_value(option) {
                continue;
            }
            if short(self.ss, letter).is_none_or(takes_value) {
                return true;
            }
            let attached = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            return match (attached, next) {
                ("", Some(next)) => !next.starts_with('-') && !begins_expression(next),
                ("", None) => false,
                (attached, _) => self.is_value(letter, attached),
            };
        }
        true
    }

    /// Whether this is a value of the option.
    fn is_value(&self, letter: char, text: &str) -> bool {
        match letter {
            'p' => text.parse::<u16>().is_ok() || (self.is_port)(text),
            's' => StateSet::named(text).is_some(),
            'n' => text.parse::<u64>().is_ok(),
            'i' => parse_interval(text).is_ok(),
            // No form of output is spelt with letters of ss alone.
            _ => false,
        }
    }

    /// Whether this word chooses columns or the form of output.
    fn chooses(&self, word: &str) -> bool {
        if word.starts_with("--") {
            return CHOOSING.contains(&word.split('=').next().unwrap_or_default());
        }
        let is_flag =
            |letter: &char| short(self.ours, *letter).is_some_and(|option| !takes_value(option));
        word.strip_prefix('-').is_some_and(|letters| {
            letters.chars().take_while(is_flag).any(|letter| "wd".contains(letter))
                || letters.starts_with('o')
        })
    }
}

/// Letters behind one dash, some of which are of ss.
struct Cluster {
    of_ss: String,
    ours: Vec<String>,
    /// The next word is the value of the last letter.
    takes_next: bool,
}

/// The option with this letter.
fn short(command: &clap::Command, letter: char) -> Option<&Arg> {
    command.get_arguments().find(|option| option.get_short() == Some(letter))
}

/// The option with the name in this word, which may have a value attached.
fn long<'a>(command: &'a clap::Command, word: &str) -> Option<&'a Arg> {
    let name = word.strip_prefix("--")?.split('=').next()?;
    command.get_arguments().find(|option| {
        option.get_long() == Some(name)
            || option.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    })
}

/// Whether the word after the option may be its value.
fn takes_value(option: &Arg) -> bool {
    option.get_action().takes_values() && !option.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> clap::Command {
        <crate::cli::Cli as clap::CommandFactory>::command()
    }

    fn rewritten(line: &str) -> String {
        let words = line.split(' ').map(str::to_owned).collect();
        let is_port = |name: &str| ["imap", "ssh"].contains(&name);
        without_ss(words, &program(), &is_port).unwrap().words.join(" ")
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
            ("conns -tN blue", "conns --netns=blue"),
            ("conns -tNblue", "conns --netns=blue"),
            ("conns -tnf inet6", "conns --ipv6"),
            ("conns -tA tcp", "conns"),
            ("conns -t --family inet", "conns --ipv4"),
            ("conns -tnw", "conns -w"),
            ("conns -tpd", "conns --processes -d"),
            ("conns -tP", "conns -P"),
            ("conns -t --read f --at -60s", "conns --read f --at -60s"),
            ("ss -tK dport = :1 --yes --at-most 3", "conns --kill dport = :1 --yes --at-most 3"),
            ("ss -K --at-most=3 dport = :1", "conns --kill dport = :1 --at-most=3"),
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
            "conns -w",
            "conns -d",
            "conns -N blue",
            "conns -NtN",
            "conns --read f --at -60s",
            "conns --at -4s --sort -lost",
        ] {
            assert_eq!(rewritten(line), line);
        }
    }

    #[test]
    fn other_protocols_are_left_out_with_a_note() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect();
        let run = |line: &str| without_ss(words(line), &program(), &|_| false);
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
