//! Parses tokens to expressions: connectives and brackets.
//!
//! Precedence is that of the manual of ss: `not` before `and` before `or`; two predicates without a
//! connective mean `and`. (ss itself reads `a or b and c` from left to right, against its manual.)

use super::error::{Fault, Span, quoted};
use super::expr::Expr;
use super::host::Scope;
use super::lexer::{Kind, Token, tokens};
use super::predicate::Predicate;

/// Largest depth of brackets and `not`.
const DEEPEST: usize = 64;
/// Largest length of an expression, in bytes.
const LONGEST: usize = 64 << 10;

pub(super) const PREDICATE: &str = "not, brackets, state, exclude, src, dst, addr, sport, dport, \
    port, dev, fwmark, cgroup, autobound, family, role, pid, comm, user, unit, container, service, \
    netns, congestion, or a field such as rtt or total_retrans";

/// Reads a whole expression; an empty one is [`Expr::True`].
pub(super) fn expression(scope: Scope<'_>) -> Result<Expr, Fault> {
    if scope.text.len() > LONGEST {
        let span = Span { start: 0, end: 0 };
        return Err(Fault::new(span, format!("longer than {LONGEST} bytes")));
    }
    let tokens = tokens(scope.text)?;
    let mut parser = Parser { scope, tokens, at: 0, depth: 0, autobound: Vec::new() };
    if parser.peek().kind == Kind::End {
        return Ok(Expr::True);
    }
    let expr = parser.alternatives()?;
    let next = parser.peek();
    match next.kind {
        Kind::End => Ok(expr),
        Kind::Close => Err(Fault::new(next.span, "no ( for this )")),
        _ => Err(parser.no_predicate(next)),
    }
}

/// Reads one expression.
pub(super) struct Parser<'a> {
    pub(super) scope: Scope<'a>,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Positions of `autobound` so far.
    autobound: Vec<Span>,
}

impl<'a> Parser<'a> {
    pub(super) fn peek(&self) -> Token {
        self.peek_behind(0)
    }

    /// The token `ahead` tokens behind the next one.
    pub(super) fn peek_behind(&self, ahead: usize) -> Token {
        let end = Span { start: self.scope.text.len(), end: self.scope.text.len() };
        let last = || self.tokens.last().copied().unwrap_or(Token { kind: Kind::End, span: end });
        self.tokens.get(self.at + ahead).copied().unwrap_or_else(last)
    }

    pub(super) fn advance(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub(super) fn text(&self, token: Token) -> &'a str {
        self.scope.text.get(token.span.start..token.span.end).unwrap_or_default()
    }

    /// The connective of a token, an operator or a word.
    pub(super) fn connective(&self, token: Token) -> Option<Kind> {
        match token.kind {
            Kind::And | Kind::Or | Kind::Not => Some(token.kind),
            Kind::Word => [("and", Kind::And), ("or", Kind::Or), ("not", Kind::Not)]
                .into_iter()
                .find(|(word, _)| self.text(token).eq_ignore_ascii_case(word))
                .map(|(_, kind)| kind),
            _ => None,
        }
    }

    /// `A or B or ...`
    fn alternatives(&mut self) -> Result<Expr, Fault> {
        let met = self.autobound.len();
        let mut parts = vec![self.conjunction()?];
        while self.connective(self.peek()) == Some(Kind::Or) {
            self.advance();
            parts.push(self.conjunction()?);
        }
        if parts.len() > 1 {
            self.refuse_autobound(met)?;
        }
        Ok(Expr::any(parts))
    }

    /// `A and B ...` or `A B ...`
    fn conjunction(&mut self) -> Result<Expr, Fault> {
        let mut parts = Vec::new();
        loop {
            let run = self.state_run()?;
            parts.push(match run {
                Some(states) => Expr::Is(Predicate::State(states)),
                None => self.negation()?,
            });
            let next = self.peek();
            match self.connective(next) {
                Some(Kind::And) => {
                    self.advance();
                }
                Some(Kind::Or) => break,
                Some(_) => {}
                None if matches!(next.kind, Kind::Word | Kind::Open) => {}
                None => break,
            }
        }
        Ok(Expr::all(parts))
    }

    /// `not A`
    fn negation(&mut self) -> Result<Expr, Fault> {
        let next = self.peek();
        if self.connective(next) != Some(Kind::Not) {
            return self.primary();
        }
        self.advance();
        let met = self.autobound.len();
        let inner = self.deeper(next, Self::negation)?;
        if !matches!(inner, Expr::Is(Predicate::AutoBound(_))) {
            self.refuse_autobound(met)?;
        }
        Ok(!inner)
    }

    /// `( A )` or a predicate.
    fn primary(&mut self) -> Result<Expr, Fault> {
        let next = self.peek();
        match next.kind {
            Kind::Open => {
                self.advance();
                let inner = self.deeper(next, Self::alternatives)?;
                let close = self.peek();
                if close.kind == Kind::Close {
                    self.advance();
                    return Ok(inner);
                }
                if close.kind == Kind::End {
                    return Err(Fault::new(next.span, "the closing ) is missing"));
                }
                Err(self.no_predicate(close))
            }
            Kind::Word if self.connective(next).is_none() => {
                self.advance();
                self.predicate(next)
            }
            _ => Err(self.no_predicate(next)),
        }
    }

    fn deeper(
        &mut self,
        opener: Token,
        read: fn(&mut Self) -> Result<Expr, Fault>,
    ) -> Result<Expr, Fault> {
        if self.depth == DEEPEST {
            let message = format!("more than {DEEPEST} levels of brackets and `not`");
            return Err(Fault::new(opener.span, message));
        }
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    /// Stores the position of an `autobound`.
    pub(super) fn autobound(&mut self, token: Token) -> Expr {
        self.autobound.push(token.span);
        Expr::Is(Predicate::AutoBound(true))
    }

    /// Only the kernel can decide `autobound`, and it does not send the sockets for which it is false.
    /// So it must be a condition of the whole expression.
    fn refuse_autobound(&self, met: usize) -> Result<(), Fault> {
        let Some(&span) = self.autobound.get(met) else { return Ok(()) };
        let message = "only the kernel can tell `autobound`, which must not stand within `or` \
            nor within brackets after `not`";
        Err(Fault::new(span, message).accepting("autobound and ..., not autobound and ..."))
    }

    fn no_predicate(&self, token: Token) -> Fault {
        let message = match token.kind {
            Kind::End => "the expression ends where a predicate is expected".to_owned(),
            Kind::Comparison(_) => {
                format!("nothing before `{}` that it could compare", self.text(token))
            }
            Kind::Quoted => "text in quotes stands where a predicate is expected".to_owned(),
            _ => format!("{} stands where a predicate is expected", quoted(self.text(token))),
        };
        Fault::new(token.span, message).accepting(PREDICATE)
    }
}
