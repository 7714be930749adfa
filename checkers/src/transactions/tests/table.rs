//! The named histories of `testscripts/append.txt` and `testscripts/isolation.txt`.

use super::notation::{Txn, history, parse};
use super::oracle::{Respect, serializable, snapshot};
use crate::{Budget, Checker, Isolation, ListAppend, Verdict};

fn lines(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split(" | ").collect())
}

/// What the checker says about a model: `ok`, `no`, or why it cannot say.
fn says(txns: &[Txn], expect: Isolation) -> String {
    let report = ListAppend::new(expect).check(&history(txns), &Budget::default());
    match report.verdict {
        Verdict::Valid => "ok".to_owned(),
        Verdict::Invalid => "no".to_owned(),
        Verdict::Unknown => report.summary,
    }
}

/// Every kind of anomaly that is found, whatever is expected.
fn anomalies(txns: &[Txn]) -> String {
    let report = ListAppend::default().check(&history(txns), &Budget::default());
    let mut names: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect();
    for anomaly in &report.anomalies {
        assert!(!anomaly.events.is_empty() && anomaly.events.is_sorted(), "{anomaly:?}");
        assert!(!anomaly.story.contains("of the data"), "{anomaly:?}");
    }
    names.sort_by_key(|name| name.to_lowercase());
    names.dedup();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

#[test]
fn every_named_history_of_lists_is_judged_as_the_table_says() {
    use Isolation::*;
    let models = [
        SnapshotIsolation,
        StrongSnapshotIsolation,
        Serializable,
        StrongSessionSerializable,
        StrictSerializable,
    ];
    let (mut wrong, mut count) = (Vec::new(), 0);
    for fields in lines(include_str!("../../../testscripts/append.txt")) {
        let [id, text, expected, verdicts @ .., _why] = &fields[..] else { panic!("{fields:?}") };
        let txns = parse(text, true);
        let mut named: Vec<&str> = expected.split(", ").collect();
        named.sort_by_key(|name| name.to_lowercase());
        if anomalies(&txns) != named.join(", ") {
            wrong.push(format!("{id} {text}: {}, not {}", anomalies(&txns), named.join(", ")));
        }
        for (model, verdict) in models.iter().zip(verdicts) {
            let said = says(&txns, *model);
            // Nothing was read, or nothing is known about the order of what was never read.
            let said = if said.starts_with("vacuous") { "ok".to_owned() } else { said };
            if said != **verdict {
                wrong.push(format!("{id} {text}, {model}: {said}, not {verdict}"));
            }
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(count, 39);
}

#[test]
fn the_oracles_agree_with_the_table_of_lists() {
    for fields in lines(include_str!("../../../testscripts/append.txt")) {
        let [id, text, _, si, strong_si, ser, session, strict, _why] = fields[..] else {
            panic!("{fields:?}")
        };
        let txns = parse(text, true);
        let yes = |yes: bool| if yes { "ok" } else { "no" };
        assert_eq!(yes(snapshot(&txns, Respect::Nothing)), si, "{id}, SI");
        assert_eq!(yes(snapshot(&txns, Respect::Time)), strong_si, "{id}, strong SI");
        assert_eq!(yes(serializable(&txns, Respect::Nothing)), ser, "{id}, SER");
        assert_eq!(yes(serializable(&txns, Respect::Sessions)), session, "{id}, session SER");
        assert_eq!(yes(serializable(&txns, Respect::Time)), strict, "{id}, strict SER");
    }
}
