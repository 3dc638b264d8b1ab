//! Names of peers: of the configuration, of hosts(5), and, where that is asked for, of the DNS.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use crate::sys::{read_regular_text, reverse_name};

/// Where the names of this host are, and the most bytes of it.
const HOSTS: &str = "/etc/hosts";
const LARGEST: u64 = 4 << 20;

/// The longest name (RFC 1035).
const LONGEST: usize = 253;

/// Names that are remembered of the DNS. When there are more, all are asked for again.
const MOST: usize = 8192;

/// Addresses that wait to be asked for. Those beyond them are asked for when they are seen again.
const WAITING: usize = 1024;

/// Names of addresses and networks, by the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNames(Vec<(IpNet, Arc<str>)>);

impl HostNames {
    /// Adds a name for an address or network.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn add(&mut self, name: &str, address: &str) -> Result<(), String> {
        if name.trim().is_empty() || name.len() > LONGEST {
            return Err(format!("a name has 1 to {LONGEST} bytes"));
        }
        let network = address.parse::<IpNet>().ok();
        let network = network.or_else(|| address.parse::<IpAddr>().ok().map(IpNet::from));
        let network = network.ok_or_else(|| {
            format!("`{address}` is no address or network, such as 10.0.0.7 or 2001:db8::/32")
        })?;
        self.0.push((network, name.into()));
        Ok(())
    }

    /// Adds names that give way to these.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// The name of the smallest network that has an address; of equal ones the first.
    fn name(&self, address: IpAddr) -> Option<&Arc<str>> {
        let with = self.0.iter().rev().filter(|(network, _)| network.contains(&address));
        with.max_by_key(|(network, _)| network.prefix_len()).map(|(_, name)| name)
    }
}

/// Names of peers.
#[derive(Debug)]
pub struct PeerNames {
    configured: HostNames,
    hosts: FxHashMap<IpAddr, Arc<str>>,
    dns: Option<ReverseNames>,
}

impl PeerNames {
    /// The configured names, those of /etc/hosts, and with `dns` those of the system's resolver.
    pub fn load(configured: HostNames, dns: bool) -> Self {
        // Without hosts(5) there are fewer names.
        let text = read_regular_text(Path::new(HOSTS), LARGEST).unwrap_or_default();
        Self { configured, hosts: hosts(&text), dns: dns.then(ReverseNames::start) }
    }

    /// The name of an address, if it is known already. One that the DNS may know is asked for.
    pub fn name(&self, address: IpAddr) -> Option<Arc<str>> {
        let address = address.to_canonical();
        let known = self.configured.name(address).or_else(|| self.hosts.get(&address));
        known.cloned().or_else(|| self.dns.as_ref()?.name(address))
    }

    /// Whether names come later than they are asked for.
    pub fn is_slow(&self) -> bool {
        self.dns.is_some()
    }

    /// Waits until all that was asked for is answered, for this long at most.
    pub fn wait(&self, most: Duration) {
        if let Some(dns) = &self.dns {
            dns.wait(most);
        }
    }
}

/// The first name of each address in a text of hosts(5).
fn hosts(text: &str) -> FxHashMap<IpAddr, Arc<str>> {
    let mut names = FxHashMap::default();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        if let (Some(address), Some(name)) = (address, words.next())
            && name.len() <= LONGEST
        {
            names.entry(address.to_canonical()).or_insert_with(|| name.into());
        }
    }
    names
}

/// A thread that asks the resolver, and its answers.
#[derive(Debug)]
struct ReverseNames {
    answers: Arc<Answers>,
    /// `None` where the thread could not be started.
    questions: Option<SyncSender<IpAddr>>,
}

/// What is known: `None` for an address that has no name.
#[derive(Debug, Default)]
struct Answers {
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    names: HashMap<IpAddr, Option<Arc<str>>>,
    /// Asked for and not answered.
    waiting: Vec<IpAddr>,
}

impl ReverseNames {
    fn start() -> Self {
        let answers = Arc::<Answers>::default();
        let (questions, asked) = sync_channel(WAITING);
        let thread = Arc::clone(&answers);
        // It ends with the program: the resolver cannot be interrupted.
        let started = std::thread::Builder::new()
            .name("peer-names".to_owned())
            .spawn(move || thread.answer(&asked, reverse_name));
        Self { answers, questions: started.ok().map(|_| questions) }
    }

    fn name(&self, address: IpAddr) -> Option<Arc<str>> {
        let mut known = self.answers.lock();
        if let Some(name) = known.names.get(&address) {
            return name.clone();
        }
        if !known.waiting.contains(&address) && self.questions.as_ref()?.try_send(address).is_ok() {
            known.waiting.push(address);
        }
        None
    }

    fn wait(&self, most: Duration) {
        let end = Instant::now() + most;
        let mut known = self.answers.lock();
        while !known.waiting.is_empty() {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return };
            let waited = self.answers.changed.wait_timeout(known, left);
            known = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // It is whole between any two statements that touch it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn answer(&self, asked: &Receiver<IpAddr>, ask: impl Fn(IpAddr) -> Option<String>) {
        while let Ok(address) = asked.recv() {
            let name = ask(address).filter(|name| is_host_name(name)).map(Arc::from);
            let mut known = self.lock();
            if known.names.len() >= MOST {
                known.names.clear();
            }
            known.names.insert(address, name);
            known.waiting.retain(|waiting| *waiting != address);
            self.changed.notify_all();
        }
    }
}

/// Whether an answer is a name as hosts have them. Whoever owns an address chooses what the DNS says
/// of it: that may be any bytes, and also look like another address.
fn is_host_name(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty()
        && name.len() <= LONGEST
        && name.bytes().all(is_usual)
        && name.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn hosts_are_read_as_the_resolver_reads_them() {
        let text = "# all\n127.0.0.1 localhost lo # loop\n10.0.0.7\tdb1 db\n10.0.0.7 later\n\
                    ::1 ip6-localhost\nnonsense x\n10.0.0.8\n::ffff:10.0.0.9 mapped";
        let names = hosts(text);
        assert_eq!(names.len(), 4);
        assert_eq!(&*names[&at("10.0.0.7")], "db1");
        assert_eq!(&*names[&at("10.0.0.9")], "mapped");
    }

    #[test]
    fn the_smallest_network_counts_and_the_configuration_comes_first() {
        let mut configured = HostNames::default();
        for (name, address) in [
            ("office", "10.0.0.0/8"),
            ("rack", "10.1.0.0/16"),
            ("one", "10.1.0.7"),
            ("two", "10.1.0.7"),
        ] {
            configured.add(name, address).unwrap();
        }
        let hosts = hosts("10.1.0.7 other\n192.0.2.1 far");
        let names = PeerNames { configured, hosts, dns: None };
        for (address, name) in [
            ("10.9.0.1", Some("office")),
            ("10.1.0.1", Some("rack")),
            ("10.1.0.7", Some("one")),
            ("::ffff:10.1.0.7", Some("one")),
            ("192.0.2.1", Some("far")),
            ("192.0.2.2", None),
        ] {
            assert_eq!(names.name(at(address)).as_deref(), name, "{address}");
        }
        let mut configured = HostNames::default();
        assert!(configured.add("x", "10.0.0.0/33").unwrap_err().contains("10.0.0.0/33"));
        assert!(configured.add(" ", "10.0.0.1").unwrap_err().contains("1 to 253"));
    }

    #[test]
    fn answers_come_later_and_once() {
        let answers = Arc::<Answers>::default();
        let (questions, asked) = sync_channel(WAITING);
        let names = ReverseNames { answers: Arc::clone(&answers), questions: Some(questions) };
        for address in ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"] {
            assert_eq!(names.name(at(address)), None);
        }
        let begun = Instant::now();
        names.wait(Duration::from_millis(20));
        assert!(begun.elapsed() >= Duration::from_millis(20), "nobody answers");
        let ask = |address: IpAddr| match address.to_string().as_str() {
            "10.0.0.1" => Some("one.example".to_owned()),
            "10.0.0.2" => Some("\u{1b}[2J".to_owned()),
            _ => None,
        };
        std::thread::scope(|scope| {
            let answering = &answers;
            scope.spawn(move || answering.answer(&asked, ask));
            names.wait(Duration::from_secs(60));
            assert_eq!(names.name(at("10.0.0.1")).as_deref(), Some("one.example"));
            for address in ["10.0.0.2", "10.0.0.3"] {
                assert_eq!(names.name(at(address)), None);
            }
            assert!(answers.lock().waiting.is_empty(), "it is not asked for again");
            drop(names);
        });
    }

    #[test]
    fn an_answer_cannot_pose_as_an_address() {
        for name in ["", "10.0.0.1", "1.2", "a b", "a\n", "x:80", "::1", "ä", &"a".repeat(254)] {
            assert!(!is_host_name(name), "{name:?}");
        }
        for name in ["db1", "a-1.example.com", "_x.example", "xn--bcher-kva.example"] {
            assert!(is_host_name(name), "{name:?}");
        }
    }
}
