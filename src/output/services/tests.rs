//! The looks of services on a busy host that does not change.

use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::attribution::testing::{Sketch, Slot};
use crate::attribution::{Classifier, Facts, Grouping, Owner, Reconciliation, Rules, ServiceTable};
use crate::counters::Catalogue;
use crate::model::example::socket;
use crate::model::{Endpoint, Role};
use crate::output::Style;
use crate::procfs::PortNames;
use crate::report::testing::{Busy, frame, host};
use crate::report::{Basis, Coverage, Polls};

fn shown(document: &Services<'_>, width: usize, view: &ServicesView<'_>) -> String {
    let look = Look { width: Some(width), style: Style::new(false) };
    let mut out = Vec::new();
    services(&mut out, document, look, view).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn eighty_columns() {
    let busy = Busy::new();
    let text = shown(&busy.document(Basis::Interval), 80, &ServicesView::default());
    insta::assert_snapshot!(text);
}

#[test]
fn roomy() {
    let busy = Busy::new();
    let text = shown(&busy.document(Basis::WholeRun), 120, &ServicesView::default());
    insta::assert_snapshot!(text);
}

#[test]
fn every_counter_and_few_services() {
    let busy = Busy::new();
    let view = ServicesView { top: Some(2), counters: CounterChoice::All };
    insta::assert_snapshot!(shown(&busy.document(Basis::Interval), 80, &view));
}

#[test]
fn counters_by_name() {
    let busy = Busy::new();
    let names = ["TcpExtTCPTimeouts", "TcpRetransSegs", "TcpCurrEstab", "TcpExtTCPRcvQDrop"];
    let names = names.map(str::to_owned);
    let view = ServicesView { top: None, counters: CounterChoice::Named(&names) };
    insta::assert_snapshot!(shown(&busy.document(Basis::Interval), 80, &view));
}

#[test]
fn names_of_peers() {
    let names = PortNames::parse("");
    let mut names = Classifier::new(Rules::default(), Grouping::Remote, names);
    let mut table = ServiceTable::new();
    table.begin_poll();
    for remote in ["2001:db8:85a3:8d3:1319:8a2e:370:7348", "198.51.100.7", "2001:db8::1"] {
        let (remote, local) =
            (Endpoint { address: remote.parse().unwrap(), port: 443 }, socket().local);
        let facts = Facts { local, remote, role: Role::Client, owner: Owner::default() };
        let id = names.classify(&facts);
        table.see(id, &socket());
        let sketch = Sketch::new(id.0, Role::Client).grew(Slot::BytesSent, 62_400_000);
        table.enter(&sketch.grew(Slot::BytesReceived, 624_000_000).work());
    }
    let (host, nothing) = (host(), Reconciliation::default());
    let document = Services::new(frame(&host, Basis::Interval), &table, &nothing, &names);
    insta::assert_snapshot!(shown(&document, 80, &ServicesView::default()));
}

#[test]
fn nothing_is_wider_than_it_may_be() {
    let busy = Busy::new();
    let names = ["TcpRetransSegs".to_owned()];
    for width in [60, 72, 80, 100, 110, 120, 200] {
        for counters in [CounterChoice::Trouble, CounterChoice::All, CounterChoice::Named(&names)] {
            let view = ServicesView { top: None, counters };
            let text = shown(&busy.document(Basis::Interval), width, &view);
            for line in text.lines() {
                assert!(line.width() <= width, "{width}: {line:?}");
                assert_eq!(line.trim_end(), line);
            }
            assert!(
                !text.chars().any(|character| character != '\n' && escape::is_unsafe(character))
            );
        }
    }
}

#[test]
fn nothing_to_see() {
    let names = Classifier::new(Rules::default(), Grouping::Service, PortNames::parse(""));
    let (host, table, nothing) = (host(), ServiceTable::new(), Reconciliation::default());
    let document = Services::new(frame(&host, Basis::Interval), &table, &nothing, &names);
    let view = ServicesView::default();
    assert_eq!(
        shown(&document, 80, &view),
        "No TCP service was seen.\n\nNo counter of trouble grew.\n"
    );
    let view = ServicesView { counters: CounterChoice::All, ..view };
    assert!(shown(&document, 80, &view).ends_with("No counter of TCP grew.\n"));
}

#[test]
fn what_was_not_seen() {
    let names = Classifier::new(Rules::default(), Grouping::Service, PortNames::parse(""));
    let (host, table, nothing) = (host(), ServiceTable::new(), Reconciliation::default());
    let mut document = Services::new(frame(&host, Basis::Interval), &table, &nothing, &names);
    let mut said = Vec::new();
    let whole = document.coverage;
    let mut say = |coverage: Coverage, lost: u64, skipped: u64| {
        document.coverage = coverage;
        document.quality.events_lost = lost;
        document.polls =
            Polls { skipped: Some(skipped), cpu_budget: Some(0.01), ..Polls::default() };
        let text = shown(&document, 80, &ServicesView::default());
        said.push(text.lines().skip(4).collect::<Vec<_>>().join("\n"));
    };
    let deaf = Coverage { destroy_events: None, ..whole };
    say(whole, 0, 0);
    say(deaf, 0, 0);
    say(Coverage { without_event: 120, ..deaf }, 0, 0);
    say(Coverage { without_event: 1, ..whole }, 0, 0);
    say(whole, 37, 0);
    say(Coverage { without_event: 9, ..whole }, 37, 0);
    say(Coverage { counters_zeroed: 5, closing_unconfirmed: 3, given_up: 2, ..whole }, 0, 7);
    insta::assert_snapshot!(said.join("\n--\n"));
}

#[test]
fn as_csv() {
    let busy = Busy::new();
    let document = busy.document(Basis::Interval);
    let mut out = Vec::new();
    services_csv(&mut out, &document, true).unwrap();
    attribution_csv(&mut out, &document, true).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\u{1b}'));
    insta::assert_snapshot!(text);
    let mut bare = Vec::new();
    services_csv(&mut bare, &document, false).unwrap();
    assert_eq!(bare.iter().filter(|byte| **byte == b'\n').count(), document.services.len());
}

#[test]
fn as_lines_of_json() {
    let busy = Busy::new();
    let document = busy.document(Basis::Interval);
    let mut out = Vec::new();
    services_jsonl(&mut out, &document).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains('\u{1b}'));
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let rows = document.services.len();
    assert_eq!(lines.len(), rows + document.attribution.len() + 1);
    let keys = |line: &serde_json::Value| {
        let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        format!("{}: {}", line["schema"].as_str().unwrap(), keys.join(" "))
    };
    let kinds = [lines.first(), lines.get(rows), lines.last()];
    insta::assert_snapshot!(kinds.map(|line| keys(line.unwrap())).join("\n"));
}

#[test]
fn categories_of_trouble_exist() {
    for category in parts::TROUBLE {
        assert!(Catalogue::builtin().category(category).is_some(), "{category}");
    }
}
