//! The layout of tables, from fixed readings.

use tcpdiag::counters::{Amount, Kind, Ratio, Retransmits, read};
use tcpdiag::output::{OutputWriter, Style, TableLayout, stats};
use tcpdiag::procfs::Host;
use tcpdiag::report::{
    Basis, Cost, CounterQuality, CounterRow, Document, Note, Outcome, RatioRow, STATS, Since, Stats,
};
use tcpdiag::sys::Usage;

/// The second reading of a capture compared with the first, with a few counters increased.
fn sample(host: &Host) -> Stats<'_> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/7.2.13");
    let before = read(&root.join("dump")).unwrap();
    let after = read(&root.join("after")).unwrap();
    let names = ["TcpInSegs", "TcpOutSegs", "TcpRetransSegs", "TcpCurrEstab", "TcpExtTW"];
    let row = |name: &str| {
        let kind = Kind::of(name);
        let (from, to) = (before.get(name).unwrap(), after.get(name).unwrap());
        let backwards = name == "TcpExtTW";
        CounterRow {
            name: name.to_owned(),
            category: tcpdiag::counters::Catalogue::builtin().entry(name).unwrap().category.clone(),
            kind,
            scope: None,
            value: to,
            delta: (!backwards).then_some(to - from),
            rate: (!backwards && kind == Kind::Counter).then_some((to - from) as f64 / 2.5),
            note: backwards.then_some(Note::Backwards),
            meaning: None,
        }
    };
    let amount = |name: &str| match name {
        "TcpRetransSegs" => Amount::Events(644),
        "TcpOutSegs" => Amount::Events(20_000),
        "TcpExtTCPFastRetrans" => Amount::Events(601),
        "TcpExtTCPSlowStartRetrans" => Amount::Events(3),
        "TcpExtTCPSynRetrans" => Amount::Events(0),
        "TcpExtTCPTimeouts" => Amount::Events(33),
        "TcpExtTCPLossProbes" => Amount::Events(50),
        "TcpExtListenDrops" | "TcpExtListenOverflows" => Amount::Events(35),
        "TcpPassiveOpens" => Amount::Events(400),
        _ => Amount::Absent,
    };
    let ids = ["retransmission", "timeout_share", "listen_overflows", "out_of_order"];
    let ratio = |id: &str| {
        let ratio = Ratio::named(id).unwrap();
        let threshold = ratio.threshold();
        RatioRow::new(
            ratio,
            threshold,
            Outcome::new(Basis::Interval, ratio.judge(threshold, Ratio::RARE, amount)),
        )
    };
    Stats {
        document: Document {
            schema: STATS,
            captured_at: "2026-08-01T00:00:00Z".to_owned(),
            host,
            netns: None,
            interval_s: Some(2.5),
        },
        since: Some(Since { basis: Basis::Interval, captured_at: None, seconds: 2.5 }),
        basis: Basis::Interval,
        counters: names.iter().map(|name| row(name)).collect(),
        ratios: ids.iter().map(|id| ratio(id)).collect(),
        retransmits_by_kind: Retransmits::of(amount),
        findings: [],
        quality: CounterQuality::default(),
        cost: Cost::new(Usage::now().elapsed(), 0),
    }
}

fn table(brief: bool, colour: bool) -> String {
    let host = Host::this();
    let mut out = OutputWriter::new(Vec::new());
    let layout = TableLayout { width: Some(80), style: Style::new(colour) };
    stats(&mut out, &sample(&host), layout, brief, |_| true).unwrap();
    String::from_utf8(out.into_inner()).unwrap()
}

#[test]
fn an_interval() {
    insta::assert_snapshot!(table(false, false));
}

#[test]
fn briefly_and_in_colour() {
    insta::assert_snapshot!(table(true, true));
}
