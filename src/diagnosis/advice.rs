//! Advice with this host's values filled in.

use std::collections::BTreeMap;

use crate::settings::{Setting, Values};

/// The values of placeholders in advice, beside settings.
#[derive(Debug, Clone, Default)]
pub struct Words(BTreeMap<&'static str, String>);

impl Words {
    /// Sets the value of a placeholder.
    pub fn set(&mut self, name: &'static str, word: impl Into<String>) {
        self.0.insert(name, word.into());
    }

    /// Whether a placeholder has a value.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// The names in braces in a text.
pub fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// A text with its placeholders filled in; `None` if one of them has no value on this host.
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
    fn placeholders_are_words_and_settings() {
        let settings = Values::read("/proc/sys".as_ref());
        let mut words = Words::default();
        words.set("remote", "192.0.2.1");
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
