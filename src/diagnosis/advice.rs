//! Advice with the words of this host filled in.

use std::collections::BTreeMap;

use crate::settings::{Setting, Values};

/// What the braces of advice may name, beside settings.
#[derive(Debug, Clone, Default)]
pub struct Words(BTreeMap<&'static str, String>);

impl Words {
    /// Says what a name stands for.
    pub fn say(&mut self, name: &'static str, word: impl Into<String>) {
        self.0.insert(name, word.into());
    }

    /// Whether it is said.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// The names in the braces of a text.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// A text with its braces filled in; `None` where one of them is not known here.
pub fn fill(text: &str, words: &Words, settings: &Values) -> Option<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        filled.push_str(before);
        match words.0.get(name) {
            Some(word) => filled.push_str(word),
            None => filled.push_str(settings.text(Setting::find(name)?.short())?),
        }
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_settings() {
        let settings = Values::read("/proc/sys".as_ref());
        let mut words = Words::default();
        words.say("remote", "192.0.2.1");
        let filled = |text| fill(text, &words, &settings);
        assert_eq!(filled("plain").as_deref(), Some("plain"));
        assert_eq!(filled("to {remote}, {remote}").as_deref(), Some("to 192.0.2.1, 192.0.2.1"));
        let wmem = settings.text("tcp_wmem").unwrap();
        assert_eq!(filled("({net.ipv4.tcp_wmem})"), Some(format!("({wmem})")));
        assert_eq!(filled("{nothing}"), None);
        assert_eq!(filled("{remote"), None);
        assert_eq!(placeholders("a {b} c {d}").collect::<Vec<_>>(), ["b", "d"]);
    }
}
