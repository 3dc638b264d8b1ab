//! The text output of services, for a fixed busy host.

use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::attribution::testing::{Sketch, Slot, client_of};
use crate::attribution::{Reconciliation, ServiceTable};
use crate::identity::{Grouping, Rules, ServiceRegistry};
use crate::model::Role;
use crate::model::example::socket;
use crate::output::Style;
use crate::procfs::PortNames;
use crate::report::testing::{Busy, frame, host};
use crate::report::{Basis, Coverage, Polls};

fn rendered(document: &Services<'_>, width: usize, view: &ServicesView<'_>) -> String {
    let layout = TableLayout { width: Some(width), style: Style::new(false) };
    let mut out = OutputWriter::new(Vec::new());
    services(&mut out, document, layout, view).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

#[test]
fn eighty_columns() {
    let busy = Busy::new();
    let text = rendered(&busy.document(Basis::Interval), 80, &ServicesView::default());
    insta::assert_snapshot!(text);
}

#[test]
fn wide() {
    let busy = Busy::new();
    let text = rendered(&busy.document(Basis::WholeRun), 120, &ServicesView::default());
    insta::assert_snapshot!(text);
}

#[test]
fn every_counter_and_few_services() {
    let busy = Busy::new();
    let view = ServicesView { top: Some(2), order: None, counters: CounterChoice::All };
    insta::assert_snapshot!(rendered(&busy.document(Basis::Interval), 80, &view));
}

#[test]
fn counters_by_name() {
    let busy = Busy::new();
    let names = ["TcpExtTCPTimeouts", "TcpRetransSegs", "TcpCurrEstab", "TcpExtTCPRcvQDrop"];
    let names = names.map(str::to_owned);
    let view = ServicesView { top: None, order: None, counters: CounterChoice::Named(&names) };
    insta::assert_snapshot!(rendered(&busy.document(Basis::Interval), 80, &view));
}

#[test]
fn names_of_peers() {
    let names = PortNames::parse("");
    let mut names = ServiceRegistry::new(Rules::default(), Grouping::Remote, names);
    let mut table = ServiceTable::new();
    table.begin_poll();
    for remote in
        ["[2001:db8:85a3:8d3:1319:8a2e:370:7348]:443", "198.51.100.7:443", "[2001:db8::1]:443"]
    {
        let id = client_of(&mut names, remote);
        table.see(id, &socket());
        let sketch = Sketch::new(id.0, Role::Client).grew(Slot::BytesSent, 62_400_000);
        table.enter(&sketch.grew(Slot::BytesReceived, 624_000_000).work());
    }
    let (host, nothing) = (host(), Reconciliation::default());
    let document = Services::new(frame(&host, Basis::Interval), &table, &nothing, &names);
    insta::assert_snapshot!(rendered(&document, 80, &ServicesView::default()));
}

#[test]
fn lines_fit_the_width() {
    let busy = Busy::new();
    let names = ["TcpRetransSegs".to_owned()];
    for width in [60, 72, 80, 100, 110, 120, 200] {
        for counters in [CounterChoice::Problems, CounterChoice::All, CounterChoice::Named(&names)]
        {
            let view = ServicesView { top: None, order: None, counters };
            let text = rendered(&busy.document(Basis::Interval), width, &view);
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
fn no_services() {
    let names = ServiceRegistry::new(Rules::default(), Grouping::Service, PortNames::parse(""));
    let (host, table, nothing) = (host(), ServiceTable::new(), Reconciliation::default());
    let document = Services::new(frame(&host, Basis::Interval), &table, &nothing, &names);
    let view = ServicesView::default();
    assert_eq!(
        rendered(&document, 80, &view),
        "No TCP service was seen.\n\nNo counter of trouble grew.\n"
    );
    let view = ServicesView { counters: CounterChoice::All, ..view };
    assert!(rendered(&document, 80, &view).ends_with("No counter of TCP grew.\n"));
}

#[test]
fn missing_observations() {
    let names = ServiceRegistry::new(Rules::default(), Grouping::Service, PortNames::parse(""));
    let (host, table, nothing) = (host(), ServiceTable::new(), Reconciliation::default());
    let mut document = Services::new(frame(&host, Basis::Interval), &table, &nothing, &names);
    let mut texts = Vec::new();
    let whole = document.coverage;
    let mut add = |coverage: Coverage, lost: u64, skipped: u64| {
        document.coverage = coverage;
        document.quality.events_lost = lost;
        document.polls =
            Polls { skipped: Some(skipped), cpu_budget: Some(0.01), ..Polls::default() };
        let text = rendered(&document, 80, &ServicesView::default());
        texts.push(text.lines().skip(4).collect::<Vec<_>>().join("\n"));
    };
    let without_events = Coverage { destroy_events: None, ..whole };
    add(whole, 0, 0);
    add(without_events, 0, 0);
    add(Coverage { without_event: 120, ..without_events }, 0, 0);
    add(Coverage { without_event: 1, ..whole }, 0, 0);
    add(whole, 37, 0);
    add(Coverage { without_event: 9, ..whole }, 37, 0);
    add(Coverage { counters_zeroed: 5, closing_unconfirmed: 3, given_up: 2, ..whole }, 0, 7);
    insta::assert_snapshot!(texts.join("\n--\n"));
}

#[test]
fn as_csv() {
    let busy = Busy::new();
    let document = busy.document(Basis::Interval);
    let mut out = OutputWriter::new(Vec::new());
    services_csv(&mut out, &document, true).unwrap();
    attribution_csv(&mut out, &document, true).unwrap();
    let text = String::from_utf8(out.into_inner()).unwrap();
    assert!(!text.contains('\u{1b}'));
    insta::assert_snapshot!(text);
    let mut bare = OutputWriter::new(Vec::new());
    services_csv(&mut bare, &document, false).unwrap();
    let bare = bare.into_inner();
    assert_eq!(bare.iter().filter(|byte| **byte == b'\n').count(), document.services.len());
}

#[test]
fn as_json_lines() {
    let busy = Busy::new();
    let document = busy.document(Basis::Interval);
    let mut out = OutputWriter::new(Vec::new());
    services_jsonl(&mut out, &document).unwrap();
    let text = String::from_utf8(out.into_inner()).unwrap();
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
