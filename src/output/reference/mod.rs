//! Everything that can be explained, from all catalogues, and lookup by name.

mod topics;

use self::topics::topics;
use super::{Column, ColumnKind, all_columns, find_column, threshold};
use crate::counters::{
    Catalogue, CounterReader, Counters, Entry, Kind, Ratio, ReadError, Release, Scope, Threshold,
    fold, is_pattern, matches,
};
use crate::diagnosis::{RULES, Rule};
use crate::model::{Field, Group, Unit, fields};
use crate::recording::{Sample, full_time};
use crate::report::{Explanation, Quality, Recorded, RecordedValue, RulePage};
use crate::settings::{Scope as SettingScope, Setting, Values};
use crate::text;

/// All explanations, in the order of their catalogues.
#[derive(Debug)]
pub struct Reference {
    entries: Vec<Explanation>,
}

impl Reference {
    /// Of all catalogues.
    pub fn everything() -> Self {
        let counters = Catalogue::builtin().entries().iter().map(counter);
        let ratios = Ratio::all().iter().map(ratio);
        let fields = fields::all().map(field);
        let columns = all_columns().filter_map(|shown| column(&shown));
        let settings = Setting::all().iter().map(setting);
        let rules = RULES.iter().map(|rule| self::rule(rule));
        let entries = counters
            .chain(ratios)
            .chain(fields)
            .chain(columns)
            .chain(topics())
            .chain(settings)
            .chain(rules);
        Self { entries: entries.collect() }
    }

    /// Adds the values of counters and settings in the first namespace of a sample.
    ///
    /// # Errors
    /// When the counters of the sample cannot be read.
    pub fn add_values(&mut self, sample: &Sample) -> Result<Quality, ReadError> {
        let mut quality = Quality::default();
        let Some(namespace) = sample.namespaces.first() else { return Ok(quality) };
        let mut counters = Counters::default();
        let mut reader = CounterReader::given();
        let [before, _] = &namespace.part.counters;
        if !before.is_empty() {
            reader.give(before.iter().map(|(name, text)| (name.as_str(), text.as_str())));
            reader.sample(&mut counters)?;
            quality.add_counters(&counters);
        }
        if !namespace.settings.is_empty() {
            let kernel = sample.host.kernel.parse().ok();
            quality.add_settings(&Values::recorded(&namespace.settings), kernel);
        }
        for entry in &mut self.entries {
            let value = match entry.kind {
                "counter" => counters.get(&entry.name).map(RecordedValue::Number),
                "setting" => {
                    namespace.setting(&entry.name).map(|text| RecordedValue::Text(text.to_owned()))
                }
                _ => None,
            };
            let captured_at = full_time(sample.clocks.realtime_ns);
            entry.recorded =
                value.map(|value| Recorded { captured_at, netns: namespace.inode, value });
        }
        Ok(quality)
    }

    /// Replaces the limits of rules and the thresholds of ratios by those that apply. `set` gives
    /// the value that the configuration sets for a limit of a rule, or for `warn` and `critical` of a
    /// ratio, and the file that sets it.
    pub fn configure(&mut self, set: impl Fn(&str, &str) -> Option<(f64, String)>) {
        for entry in &mut self.entries {
            for limit in entry.rule.iter_mut().flat_map(|page| &mut page.limits) {
                if let Some((value, file)) = set(&entry.name, limit.key) {
                    (limit.value, limit.set_in) = (value, Some(file));
                }
            }
            let Some(ratio) = Ratio::named(&entry.name).filter(|_| entry.kind == "ratio") else {
                continue;
            };
            let [warn, critical] = ["warn", "critical"].map(|key| set(&entry.name, key));
            let mut files: Vec<&str> =
                [&warn, &critical].into_iter().flatten().map(|(_, file)| file.as_str()).collect();
            files.dedup();
            if files.is_empty() {
                continue;
            }
            let value = |set: &Option<(f64, String)>| set.as_ref().map(|(value, _)| *value);
            let own = Threshold { warn: value(&warn), critical: value(&critical) };
            entry.default = Some(format!(
                "{} (set in {}; usually {}). {}",
                threshold(own.or(ratio.threshold())),
                files.join(" and "),
                threshold(ratio.threshold()),
                ratio.reason.as_deref().unwrap_or_default()
            ));
        }
    }

    /// All explanations.
    pub fn entries(&self) -> impl Iterator<Item = &Explanation> {
        self.entries.iter()
    }

    /// All meanings of a name, such as a state and a timer. Without an exact match, the counter
    /// that the name usually stands for.
    pub fn named(&self, name: &str) -> Vec<&Explanation> {
        let folded = fold(name);
        if folded.is_empty() {
            return Vec::new();
        }
        if is_pattern(&folded) {
            return self
                .entries()
                .filter(|entry| spellings(entry).any(|s| matches(&folded, &s)))
                .collect();
        }
        let headed = || -> Vec<&Explanation> {
            let Some(column) = find_column(name) else { return Vec::new() };
            let wanted = column.field().map_or(column.name, |field| field.name);
            self.entries().filter(|entry| entry.name == wanted).collect()
        };
        // Without their signs, headers of ratios, growth and rates are other names.
        if name.contains(['%', '+', '/']) && !headed().is_empty() {
            return headed();
        }
        let exact: Vec<&Explanation> =
            self.entries().filter(|entry| spellings(entry).any(|s| s == folded)).collect();
        let exact = if exact.is_empty() { headed() } else { exact };
        if !exact.is_empty() {
            return exact;
        }
        let meant = Catalogue::builtin().find(name);
        self.entries()
            .filter(|entry| {
                entry.kind == "counter" && meant.is_some_and(|meant| meant.name == entry.name)
            })
            .collect()
    }

    /// Everything in a category of counters, or of a kind.
    pub fn in_category(&self, category: &str) -> Vec<&Explanation> {
        let wanted = fold(category);
        let also = |entry: &Explanation| {
            let known = Catalogue::builtin().entry(&entry.name);
            known.is_some_and(|known| known.also.iter().any(|also| fold(also) == wanted))
        };
        let kind = |entry: &Explanation| format!("{}s", entry.kind) == wanted && !wanted.is_empty();
        self.entries()
            .filter(|entry| fold(&entry.category) == wanted || also(entry) || kind(entry))
            .collect()
    }

    /// The values of `--category`.
    pub fn categories(&self) -> Vec<&str> {
        let kinds = ["ratios", "fields", "columns", "states", "timers", "settings", "rules"];
        let mut categories: Vec<&str> =
            Catalogue::builtin().categories().iter().map(|category| category.id.as_str()).collect();
        categories.extend(kinds);
        categories
    }

    /// Names similar to an unknown one, as the end of a sentence.
    pub fn hint(&self, name: &str) -> String {
        const MOST: usize = 4;
        let others = self.entries().filter(|entry| entry.kind != "counter");
        let others = others.map(|entry| (entry.name.as_str(), [fold(&entry.name)]));
        let mut names = text::suggest(&fold(name), others, 2);
        for counter in Catalogue::builtin().suggest(name) {
            names.push(counter);
        }
        names.dedup();
        names.truncate(MOST);
        if names.is_empty() {
            "; `tcpdiag explain --all` lists everything".to_owned()
        } else {
            format!("; did you mean {}?", names.join(", "))
        }
    }
}

/// The name and its aliases, without punctuation.
fn spellings(entry: &Explanation) -> impl Iterator<Item = String> {
    let bare = Catalogue::builtin().entry(&entry.name).map(|known| fold(known.kernel_name()));
    let short =
        (entry.kind == "setting").then(|| entry.name.rsplit('.').next().map(fold)).flatten();
    let aliases = entry.aliases.iter().map(|alias| fold(alias));
    std::iter::once(fold(&entry.name)).chain(bare).chain(short).chain(aliases)
}

fn counter(entry: &Entry) -> Explanation {
    Explanation {
        name: entry.name.clone(),
        kind: "counter",
        category: entry.category.clone(),
        aliases: entry.aliases.clone(),
        movement: (entry.kind == Kind::Gauge).then_some("gauge"),
        unit: Some(entry.unit.clone()),
        scope: (entry.scope == Scope::Host).then_some("host"),
        meaning: entry.meaning.clone(),
        trigger: Some(entry.trigger.clone()),
        suggests: Some(entry.suggests.clone()),
        check: Some(entry.check.clone()),
        healthy: entry.healthy.clone(),
        twin: Some(entry.twin.clone()),
        since: Some(entry.since.to_string()),
        until: entry.until.map(|release| release.to_string()),
        renamed_to: entry.renamed_to.clone(),
        ..Explanation::default()
    }
}

fn ratio(ratio: &Ratio) -> Explanation {
    let limits = match (&ratio.reason, ratio.threshold()) {
        (Some(reason), limits) => format!("{}. {reason}", threshold(limits)),
        (None, _) => "no threshold, for information only.".to_owned(),
    };
    Explanation {
        name: ratio.id.clone(),
        kind: "ratio",
        category: ratio.category.clone(),
        aliases: vec![ratio.title.clone()],
        meaning: ratio.meaning.clone(),
        check: Some(match &ratio.command {
            Some(command) => format!("{} {command}", ratio.advice),
            None => ratio.advice.clone(),
        }),
        source: Some(format!(
            "{} divided by {}, with at least {} of the latter",
            ratio.numerator.join(" + "),
            ratio.denominator.join(" + "),
            ratio.least
        )),
        default: Some(limits),
        ..Explanation::default()
    }
}

fn rule(rule: &Rule) -> Explanation {
    Explanation {
        name: rule.code.to_owned(),
        kind: "rule",
        category: "rules".to_owned(),
        aliases: vec![rule.name.to_owned()],
        meaning: rule.meaning.to_owned(),
        rule: Some(RulePage::of(rule)),
        ..Explanation::default()
    }
}

fn field(field: &'static Field) -> Explanation {
    let writer = field.writer;
    let (source, category) = match field.group {
        Group::TcpInfo => ("struct tcp_info", "tcp_info"),
        Group::Skmem => ("the memory attribute (INET_DIAG_SKMEMINFO)", "skmem"),
        Group::Socket => ("the socket's own record (inet_diag_msg)", "socket"),
        Group::Derived => ("computed", "derived"),
    };
    let twins: Vec<&str> = Catalogue::builtin()
        .entries()
        .iter()
        .filter(|entry| entry.twin.fields.iter().any(|name| name == field.name))
        .map(|entry| entry.name.as_str())
        .collect();
    let counters =
        (!twins.is_empty()).then(|| format!("related system counters: {}", twins.join(", ")));
    Explanation {
        name: field.name.to_owned(),
        kind: "field",
        category: category.to_owned(),
        aliases: {
            let key = (field.key != field.name).then_some(field.key);
            key.into_iter().chain(field.own_header()).map(str::to_owned).collect()
        },
        movement: Some(field.kind.name()),
        unit: unit(field.unit).map(str::to_owned),
        meaning: field.meaning.to_owned(),
        check: Some(format!("tcpdiag conns --columns remote,{0} --sort -{0}", field.name)),
        source: Some(match counters {
            Some(counters) => format!("{source}, from {writer}; {counters}"),
            None => format!("{source}, from {writer}"),
        }),
        since: Some(field.since.to_string()),
        ..Explanation::default()
    }
}

fn unit(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::None => None,
        Unit::Bytes => Some("bytes"),
        Unit::Segments => Some("segments"),
        Unit::Events => Some("events"),
        Unit::Microseconds => Some("microseconds"),
        Unit::Milliseconds => Some("milliseconds"),
        Unit::BytesPerSecond => Some("bytes per second"),
        Unit::Ratio => Some("a share"),
        Unit::Connections => Some("connections"),
    }
}

/// A column that is not a field.
fn column(column: &Column) -> Option<Explanation> {
    matches!(column.kind, ColumnKind::Text(_)).then(|| Explanation {
        name: column.name.to_owned(),
        kind: "column",
        category: "columns".to_owned(),
        meaning: column.meaning.to_owned(),
        source: Some(format!(
            "tcpdiag conns --columns {}{}",
            column.name,
            if column.header.is_empty() || column.header.eq_ignore_ascii_case(column.name) {
                String::new()
            } else {
                format!("; headed {}", column.header)
            }
        )),
        ..Explanation::default()
    })
}

fn setting(setting: &Setting) -> Explanation {
    let kernel: Option<Release> = rustix::system::uname().release().to_string_lossy().parse().ok();
    let default = match (setting.default_on(kernel), &setting.varies) {
        (Some(""), _) => "empty".to_owned(),
        (Some(default), _) => default.to_owned(),
        (None, Some(varies)) => varies.clone(),
        (None, None) => String::new(),
    };
    Explanation {
        name: setting.name.clone(),
        kind: "setting",
        category: "settings".to_owned(),
        unit: (setting.unit != "text").then(|| setting.unit.clone()),
        scope: (setting.scope == SettingScope::Host).then_some("host"),
        meaning: setting.meaning.clone(),
        check: Some(format!("tcpdiag sysctl {}", setting.short())),
        default: Some(default),
        ..Explanation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(name: &str) -> Vec<&'static str> {
        Reference::everything().named(name).iter().map(|entry| entry.kind).collect()
    }

    #[test]
    fn every_entry_is_found_by_name() {
        let all = Reference::everything();
        assert!(all.entries.len() > 450, "{}", all.entries.len());
        for entry in all.entries() {
            assert!(
                all.named(&entry.name).iter().any(|found| std::ptr::eq(*found, entry)),
                "{} {}",
                entry.kind,
                entry.name
            );
            assert!(!entry.meaning.is_empty(), "{}", entry.name);
        }
    }

    #[test]
    fn any_spelling_and_kind() {
        for (name, wanted) in [
            ("TCPLostRetransmit", &["counter"][..]),
            ("lossprobes", &["counter"]),
            ("Tcp:RetransSegs", &["counter"]),
            ("rtt", &["field"]),
            ("rtt_us", &["field"]),
            ("CLOSE-WAIT", &["state"]),
            ("estab", &["state"]),
            ("zero_window_probe", &["timer"]),
            ("tcp_rmem", &["setting"]),
            ("net.ipv4.tcp_rmem", &["setting"]),
            ("process", &["column"]),
            ("retransmission", &["ratio"]),
        ] {
            assert_eq!(kinds(name), wanted, "{name}");
        }
        assert!(kinds("*retrans*").len() > 5);
        assert!(kinds("").is_empty() && kinds("no such thing").is_empty());
    }

    #[test]
    fn headers_of_tables_are_explained() {
        use crate::output::ColumnSets;
        let all = Reference::everything();
        for set in [ColumnSets::CONNECTIONS, ColumnSets::LISTENERS] {
            let ranked = set.usual.iter().chain(set.repeated).map(|(name, ..)| name);
            for name in ranked.chain(set.wide) {
                let header = find_column(name).unwrap().header.to_uppercase();
                assert!(header.is_empty() || !all.named(&header).is_empty(), "{header}");
            }
        }
        let names = |name| all.named(name).iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names("RETR%"), ["retrans_ratio"]);
        assert_eq!(names("SEND/S"), ["bytes_sent"]);
        assert_eq!(names("retr+"), ["total_retrans"]);
        assert_eq!(names("RETRANS"), ["retrans", "RETRANS"]);
        for header in ["IN/S", "OUT/S", "RTT50", "RTT-P90", "RATIO", "WORST", "COUNT", "LIFE"] {
            assert_eq!(all.named(header).len(), 1, "{header}");
        }
    }

    #[test]
    fn rule_names_have_one_meaning() {
        let all = Reference::everything();
        for rule in RULES {
            for name in [rule.code, rule.name] {
                assert_eq!(all.named(name).len(), 1, "{name}");
            }
        }
    }

    #[test]
    fn hints() {
        let all = Reference::everything();
        assert!(all.hint("TCPLostRetransmitt").contains("TcpExtTCPLostRetransmit"));
        assert!(all.hint("close_wit").contains("close_wait"));
        assert!(all.hint("qqqqqqqqqqq").contains("--all"));
    }

    #[test]
    fn categories_have_entries() {
        let all = Reference::everything();
        for category in all.categories() {
            assert!(!all.in_category(category).is_empty(), "{category}");
        }
        assert!(all.in_category("").is_empty() && all.in_category("nonsense").is_empty());
    }
}
