//! Parses predicates: each keyword and each field with its value.

use super::Side;
use super::amount::{self, Amount};
use super::error::{Fault, quoted};
use super::expr::Expr;
use super::host::plain;
use super::lexer::{Kind, Token};
use super::parser::Parser;
use super::pattern::Pattern;
use super::predicate::{Attribute, Comparison, Family, FieldTest, Predicate};
use crate::model::{Field, Role, StateSet, Unit, fields};

/// The meaning of a word that is not a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyword {
    State,
    Exclude,
    Host(Option<Side>),
    Port(Option<Side>),
    Interface,
    Mark,
    Cgroup,
    AutoBound,
    Family,
    Role,
    User,
    Pid,
    Netns,
    /// A name that is compared with a pattern.
    Name(Attribute),
}

const LOCAL: Option<Side> = Some(Side::Local);
const REMOTE: Option<Side> = Some(Side::Remote);

/// Every keyword. They take precedence over fields of the same name.
const KEYWORDS: [(&str, Keyword); 33] = [
    ("state", Keyword::State),
    ("exclude", Keyword::Exclude),
    ("src", Keyword::Host(LOCAL)),
    ("dst", Keyword::Host(REMOTE)),
    ("addr", Keyword::Host(None)),
    ("local", Keyword::Host(LOCAL)),
    ("remote", Keyword::Host(REMOTE)),
    ("laddr", Keyword::Host(LOCAL)),
    ("raddr", Keyword::Host(REMOTE)),
    ("sport", Keyword::Port(LOCAL)),
    ("dport", Keyword::Port(REMOTE)),
    ("port", Keyword::Port(None)),
    ("lport", Keyword::Port(LOCAL)),
    ("rport", Keyword::Port(REMOTE)),
    ("dev", Keyword::Interface),
    ("interface", Keyword::Interface),
    ("fwmark", Keyword::Mark),
    ("cgroup", Keyword::Cgroup),
    ("autobound", Keyword::AutoBound),
    ("family", Keyword::Family),
    ("role", Keyword::Role),
    ("user", Keyword::User),
    ("uid", Keyword::User),
    ("pid", Keyword::Pid),
    ("comm", Keyword::Name(Attribute::Process)),
    ("process", Keyword::Name(Attribute::Process)),
    ("unit", Keyword::Name(Attribute::Unit)),
    ("container", Keyword::Name(Attribute::Container)),
    ("service", Keyword::Name(Attribute::Service)),
    ("congestion", Keyword::Name(Attribute::Congestion)),
    ("cong", Keyword::Name(Attribute::Congestion)),
    ("cc", Keyword::Name(Attribute::Congestion)),
    ("netns", Keyword::Netns),
];

const COMPARISONS: &str = "=, !=, >, <, >=, <=, or eq, ne, gt, lt, ge, le";
const EQUALITY: &str = "= or !=";

/// The keyword, also as tables spell it: in capitals.
fn keyword(word: &str) -> Option<Keyword> {
    KEYWORDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, keyword)| *keyword)
}

impl Keyword {
    /// Whether `=` may be left out before the value, as in ss.
    fn takes_bare_value(self) -> bool {
        !matches!(
            self,
            Self::Family
                | Self::Role
                | Self::User
                | Self::Pid
                | Self::Netns
                | Self::AutoBound
                | Self::Name(_)
        )
    }
}

impl Parser<'_> {
    /// `state A exclude B ...` in a row make one set, as in ss: the first `state` starts with no state
    /// and the first `exclude` with all; the next ones add and remove. `None` without such a row.
    pub(super) fn state_run(&mut self) -> Result<Option<StateSet>, Fault> {
        let mut set = None;
        while let Some(adds) = self.begins_state() {
            let word = self.advance();
            let states = self.states(word)?;
            set = Some(match (adds, set.unwrap_or(StateSet::ALL)) {
                (true, _) => set.unwrap_or(StateSet::NONE).union(states),
                (false, before) => before.intersection(states.complement()),
            });
        }
        Ok(set)
    }

    /// Whether `state` (true) or `exclude` (false) without a comparison is next.
    fn begins_state(&self) -> Option<bool> {
        let next = self.peek();
        let adds = match keyword(self.text(next)).filter(|_| next.kind == Kind::Word)? {
            Keyword::State => true,
            Keyword::Exclude => false,
            _ => return None,
        };
        self.comparison_at(1).is_none().then_some(adds)
    }

    fn states(&mut self, word: Token) -> Result<StateSet, Fault> {
        let value = self.value(word, StateSet::NAMES)?;
        let name = self.text(value);
        StateSet::named(name).ok_or_else(|| {
            let names = StateSet::NAMES.split([',', ' ']).filter(|name| name.len() > 2);
            let message = format!("unknown state {}{}", quoted(name), suggestion(name, names));
            Fault::new(value.span, message).accepting(StateSet::NAMES)
        })
    }

    /// The predicate that starts with `word`, which was just read.
    pub(super) fn predicate(&mut self, word: Token) -> Result<Expr, Fault> {
        match keyword(self.text(word)) {
            Some(keyword) => self.by_keyword(keyword, word),
            None => match fields::find(self.text(word)) {
                Some(field) => self.by_field(field, word),
                None => Err(self.unknown(word)),
            },
        }
    }

    fn by_keyword(&mut self, keyword: Keyword, word: Token) -> Result<Expr, Fault> {
        match keyword {
            Keyword::AutoBound => return Ok(self.autobound(word)),
            Keyword::Name(attribute) if self.stands_alone(word, EQUALITY)? => {
                return Ok(Expr::Is(Predicate::Known(attribute)));
            }
            Keyword::Pid if self.stands_alone(word, EQUALITY)? => {
                return Ok(Expr::Is(Predicate::Known(Attribute::Process)));
            }
            _ => {}
        }
        let sign = self.peek();
        let op =
            self.comparison().or_else(|| keyword.takes_bare_value().then_some(Comparison::Equal));
        let ordered = matches!(keyword, Keyword::Port(_) | Keyword::User);
        let op = op.ok_or_else(|| {
            let accepted = if ordered { COMPARISONS } else { EQUALITY };
            let message = format!("`{}` needs a comparison behind it", self.text(word));
            Fault::new(word.span, message).accepting(accepted)
        })?;
        let differs = op == Comparison::Different;
        if !ordered && !differs && op != Comparison::Equal {
            let message = format!("`{}` has no order", self.text(word));
            return Err(Fault::new(sign.span, message).accepting(EQUALITY));
        }
        let equal = match keyword {
            Keyword::Port(side) => return self.by_port(word, side, op),
            Keyword::User => return self.by_user(word, op),
            Keyword::Name(attribute) => return self.by_name(word, attribute, differs),
            Keyword::Cgroup => return self.by_cgroup(word, differs),
            Keyword::Pid => return self.by_pid(word, differs),
            Keyword::State => Predicate::State(self.states(word)?).into(),
            Keyword::Exclude => Predicate::State(self.states(word)?.complement()).into(),
            Keyword::Host(side) => {
                let value = self.value(word, "a host")?;
                self.scope.host(self.text(value))?.on(side)
            }
            Keyword::Interface => {
                let value = self.value(word, "an interface's name or index")?;
                self.scope.interface(self.text(value))?
            }
            Keyword::Mark => self.by_mark(word)?,
            Keyword::Family => self.by_family(word)?,
            Keyword::Role => self.by_role(word)?,
            Keyword::Netns => self.by_netns(word)?,
            Keyword::AutoBound => self.autobound(word),
        };
        Ok(if differs { !equal } else { equal })
    }

    fn by_port(&mut self, word: Token, side: Option<Side>, op: Comparison) -> Result<Expr, Fault> {
        let value = self.value(word, "a port")?;
        let (family, port) = self.scope.port(self.text(value))?;
        let family = family.map_or(Expr::True, |family| Predicate::Family(family).into());
        let compared = |op, port| Predicate::Port { side, op, port }.into();
        match (port, op) {
            // Different means another port, or another family.
            (Some(port), Comparison::Different) if family != Expr::True => {
                Ok(!family.and(compared(Comparison::Equal, port)))
            }
            (Some(port), _) => Ok(family.and(compared(op, port))),
            (None, Comparison::Equal) => Ok(family),
            (None, _) => Err(Fault::new(value.span, "`*` is any port, and only `=` goes with it")
                .accepting("a number from 0 to 65535 or a service's name")),
        }
    }

    fn by_mark(&mut self, word: Token) -> Result<Expr, Fault> {
        const MARK: &str = "VALUE or VALUE/MASK, decimal or hexadecimal, up to 0xffffffff";
        let token = self.value(word, MARK)?;
        let text = self.text(token);
        let number = |part: &str| {
            let hex = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
            match hex {
                Some(digits) => u32::try_from(amount::hexadecimal(digits)?).ok(),
                None => plain(part),
            }
        };
        let (value, mask) = match text.split_once('/') {
            Some((value, mask)) => (number(value), number(mask)),
            None => (number(text), Some(u32::MAX)),
        };
        let (Some(value), Some(mask)) = (value, mask) else {
            let message = format!("{} is no mark", quoted(text));
            return Err(Fault::new(token.span, message).accepting(MARK));
        };
        Ok(Predicate::Mark { value, mask }.into())
    }

    fn by_cgroup(&mut self, word: Token, differs: bool) -> Result<Expr, Fault> {
        let value = self.value(word, "the path of a cgroup")?;
        let path = self.text(value);
        let pattern = Pattern::new(path);
        if !pattern.is_exact() {
            return Ok(named(Attribute::CgroupPath, Predicate::CgroupPath(pattern), differs));
        }
        let ids = self.scope.names.cgroup(path);
        if ids.is_empty() {
            return Err(Fault::new(value.span, format!("no cgroup {}", quoted(path)))
                .accepting("the path of a cgroup, or a pattern with *"));
        }
        let equal = Expr::any(ids.into_iter().map(|id| Predicate::Cgroup(id).into()).collect());
        Ok(if differs { !equal } else { equal })
    }

    fn by_family(&mut self, word: Token) -> Result<Expr, Fault> {
        const FAMILIES: &str = "ipv4 (or inet), ipv6 (or inet6)";
        let value = self.value(word, FAMILIES)?;
        match self.text(value) {
            "ipv4" | "inet" => Ok(Predicate::Family(Family::V4).into()),
            "ipv6" | "inet6" => Ok(Predicate::Family(Family::V6).into()),
            name => Err(Fault::new(value.span, format!("unknown family {}", quoted(name)))
                .accepting(FAMILIES)),
        }
    }

    fn by_role(&mut self, word: Token) -> Result<Expr, Fault> {
        const ROLES: &str = "server, client, listener, unknown";
        let value = self.value(word, ROLES)?;
        let name = self.text(value);
        let role = [Role::Server, Role::Client, Role::Listener, Role::Unknown]
            .into_iter()
            .find(|role| role.name() == name);
        role.map(|role| Predicate::Role(role).into()).ok_or_else(|| {
            let close = suggestion(name, ROLES.split(", "));
            Fault::new(value.span, format!("unknown role {}{close}", quoted(name))).accepting(ROLES)
        })
    }

    fn by_pid(&mut self, word: Token, differs: bool) -> Result<Expr, Fault> {
        let value = self.value(word, "a process id")?;
        let pid = plain(self.text(value)).ok_or_else(|| {
            let message = format!("{} is no process id", quoted(self.text(value)));
            Fault::new(value.span, message).accepting("a number")
        })?;
        Ok(named(Attribute::Process, Predicate::Pid(pid), differs))
    }

    fn by_user(&mut self, word: Token, op: Comparison) -> Result<Expr, Fault> {
        let value = self.value(word, "a user's id or name")?;
        let name = self.text(value);
        let uid = plain(name).or_else(|| self.scope.names.user(name)).ok_or_else(|| {
            Fault::new(value.span, format!("no user {}", quoted(name)))
                .accepting("the id or the name of a user")
        })?;
        if op == Comparison::Equal {
            return Ok(Predicate::Uid(uid).into());
        }
        let amount = Amount::Integer(uid.into());
        Ok(Predicate::Field(FieldTest { field: &fields::UID, op, amount }).into())
    }

    fn by_netns(&mut self, word: Token) -> Result<Expr, Fault> {
        let value = self.value(word, "the name or the inode of a network namespace")?;
        let name = self.text(value);
        let inode = if plain(name).is_some() && value.kind == Kind::Word {
            name.parse().ok()
        } else {
            None
        };
        Ok(match inode {
            Some(inode) => Predicate::NetnsInode(inode).into(),
            None => Predicate::NetnsName(Pattern::new(name)).into(),
        })
    }

    fn by_name(&mut self, word: Token, attribute: Attribute, differs: bool) -> Result<Expr, Fault> {
        let value = self.value(word, "a name, in which * stands for anything")?;
        let text = self.text(value);
        let predicate = match attribute {
            Attribute::Process => Predicate::Comm(Pattern::of_comm(text)),
            Attribute::Unit => Predicate::Unit(Pattern::new(text)),
            Attribute::Container => Predicate::Container(Pattern::new(text)),
            Attribute::Service => Predicate::Service(Pattern::new(text)),
            Attribute::Congestion => Predicate::Congestion(Pattern::new(text)),
            Attribute::CgroupPath => Predicate::CgroupPath(Pattern::new(text)),
        };
        Ok(named(attribute, predicate, differs))
    }

    fn by_field(&mut self, field: &'static Field, word: Token) -> Result<Expr, Fault> {
        let test = |op, amount| Predicate::Field(FieldTest { field, op, amount }).into();
        if self.stands_alone(word, COMPARISONS)? {
            return Ok(test(Comparison::Greater, Amount::Integer(0)));
        }
        let Some(op) = self.comparison() else { return Err(self.unknown(word)) };
        let value = self.value(word, amount::accepted(field.unit))?;
        // A key such as `rtt_us` names its unit.
        let names_unit = field.key != field.name && self.text(word) == field.key;
        let amount = self.amount(field.unit, value, names_unit)?;
        Ok(test(op, amount))
    }

    /// A number whose unit may follow after a blank: `50ms`, `50 ms`. Only where the field `names_unit`
    /// may it be missing.
    fn amount(&mut self, unit: Unit, value: Token, names_unit: bool) -> Result<Amount, Fault> {
        let text = self.text(value);
        if let Some(long) = amount::long_time(unit, text) {
            return Ok(long);
        }
        let (number, mut suffix) = amount::split(text);
        let next = self.peek();
        let apart = self.text(next);
        if suffix.is_empty() && next.kind == Kind::Word && amount::is_unit(apart) {
            self.advance();
            suffix = apart;
        }
        if number.is_empty() {
            let message = format!("{} is no number", quoted(text));
            return Err(Fault::new(value.span, message).accepting(amount::accepted(unit)));
        }
        let factor = amount::factor(unit, suffix).ok_or_else(|| {
            let message = format!("the unit {} does not fit this field", quoted(suffix));
            Fault::new(self.scope.span(suffix), message).accepting(amount::accepted(unit))
        })?;
        let amount = amount::amount(number, factor).ok_or_else(|| {
            let message = format!("{} is no number", quoted(number));
            Fault::new(self.scope.span(number), message)
                .accepting("digits with or without a decimal point, or 0x and hexadecimal digits")
        })?;
        if suffix.is_empty() && !names_unit && amount.lacks_unit(unit) {
            let message = format!("{} has no unit", quoted(number));
            let fault = Fault::new(self.scope.span(number), message);
            return Err(fault.accepting(amount::with_units(number, unit)));
        }
        Ok(amount)
    }
}

/// Parses what follows a word.
impl Parser<'_> {
    fn comparison_at(&self, ahead: usize) -> Option<Comparison> {
        let token = self.peek_behind(ahead);
        match token.kind {
            Kind::Comparison(op) => Some(op),
            Kind::Word => Comparison::of_word(self.text(token)),
            _ => None,
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let op = self.comparison_at(0)?;
        self.advance();
        Some(op)
    }

    /// The value of `word`, which is required here.
    fn value(&mut self, word: Token, accepted: &str) -> Result<Token, Fault> {
        let next = self.peek();
        let is_value = match next.kind {
            Kind::Word => self.connective(next).is_none(),
            Kind::Quoted => true,
            _ => false,
        };
        if is_value {
            return Ok(self.advance());
        }
        let message = format!("a value for `{}` is missing", self.text(word));
        Err(Fault::new(next.span, message).accepting(accepted))
    }

    /// Whether `word` has no comparison and so means that the attribute is there. A value without a
    /// comparison is an error.
    fn stands_alone(&self, word: Token, accepted: &str) -> Result<bool, Fault> {
        if self.comparison_at(0).is_some() {
            return Ok(false);
        }
        let next = self.peek();
        let goes_on = match next.kind {
            Kind::Word => self.connective(next).is_some() || is_subject(self.text(next)),
            Kind::Quoted => false,
            _ => true,
        };
        if goes_on {
            return Ok(true);
        }
        let message = format!(
            "a comparison is missing between `{}` and {}",
            self.text(word),
            quoted(self.text(next))
        );
        Err(Fault::new(word.span.to(next.span), message).accepting(accepted))
    }

    fn unknown(&self, word: Token) -> Fault {
        let name = self.text(word);
        if name.starts_with(|first: char| !first.is_alphabetic()) {
            let message = format!("{} stands where a predicate is expected", quoted(name));
            return Fault::new(word.span, message).accepting(super::parser::PREDICATE);
        }
        if let Some(message) = in_place_of_column(name) {
            return Fault::new(word.span, message);
        }
        let known = KEYWORDS.iter().map(|(name, _)| *name);
        let known = known.chain(fields::all().flat_map(|field| [field.name, field.key]));
        let close = suggestion(name, known);
        let fault = Fault::new(word.span, format!("unknown field {}{close}", quoted(name)));
        if close.is_empty() { fault.accepting(super::parser::PREDICATE) } else { fault }
    }
}

/// Columns of tables that show several figures or what an interval brought, and what to compare
/// instead.
const COLUMNS: [(&str, &str); 4] = [
    ("queues", "recv_q, send_q, and accept_queue of listeners"),
    ("retr", "retrans, total_retrans and retrans_ratio"),
    ("limited", "rwnd_limited_share and sndbuf_limited_share"),
    ("timer", "backoff and retransmits"),
];

/// What to compare in place of a column; `None` for other names.
fn in_place_of_column(name: &str) -> Option<String> {
    let plain = fields::plain_name(name);
    if let Some((_, instead)) = COLUMNS.iter().find(|(column, _)| *column == plain) {
        return Some(format!("{} is a column of several figures; compare {instead}", quoted(name)));
    }
    fields::is_of_interval(name).then(|| {
        format!(
            "{} is what an interval brought, and expressions compare figures of one poll, such as \
             bytes_sent; --sort takes it",
            quoted(name)
        )
    })
}

/// Whether an expression may begin with this word, as `rtt>50ms` and `(` may.
pub fn begins_expression(word: &str) -> bool {
    let name = word.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    word.starts_with(['(', '!']) || name.eq_ignore_ascii_case("not") || is_subject(name)
}

/// Whether this is a name that is compared: a field's or another.
pub fn is_subject(word: &str) -> bool {
    keyword(word).is_some() || fields::find(word).is_some()
}

/// A predicate on an attribute that may be unknown: an unknown one differs from nothing.
fn named(attribute: Attribute, equal: Predicate, differs: bool) -> Expr {
    if differs {
        Expr::Is(Predicate::Known(attribute)).and(!Expr::Is(equal))
    } else {
        Expr::Is(equal)
    }
}

/// `; did you mean ...?` where one of the names is close to `word`.
fn suggestion<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> String {
    let near = crate::text::nearest(word, names);
    near.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
